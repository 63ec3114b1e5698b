// `granary why`: why a job waits, who comes before it, and what to type so that it starts. See
// why.h.
#include "cli/why.h"

#include "base/quantity.h"
#include "cli/jobs.h"
#include "cli/listing.h"
#include "cli/page.h"
#include "cli/reference.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 512, CHANGES_SHOWN = 3 };

// An amount inside a sentence.
static const char *amount(const json_t *object, const char *key, char *buffer)
{
    return gr_cli_get_decimal(object, key, "?", buffer);
}

static void put_head(const struct gr_cli_page *page, const json_t *why)
{
    FILE *file = page->terminal->file;
    const char *state = gr_cli_get_text(why, "state", "?");
    fprintf(file, "%sjob %" PRId64 "%s  %s%s%s\n", gr_terminal_style(page->terminal, GR_STYLE_HEAD),
            gr_cli_get_int_or(why, "id", 0), gr_terminal_style(page->terminal, GR_STYLE_PLAIN),
            gr_terminal_style(page->terminal, gr_cli_job_style(state)), state,
            gr_terminal_style(page->terminal, GR_STYLE_PLAIN));
}

static void put_limit(const struct gr_cli_page *page, const json_t *why)
{
    const json_t *limit = json_object_get(why, "limit");
    const char *bound = gr_cli_get_text(limit, "bound", "");
    const char *org = gr_cli_get_text(limit, "organisation", "?");
    const char *variant = gr_cli_get_text(limit, "variant", "devices");
    char most[GR_CLI_UNIT_SIZE], now[GR_CLI_UNIT_SIZE], asked[GR_CLI_UNIT_SIZE];
    (void)amount(limit, "limit", most);
    if (bound[0] == '\0') {
        return;
    }
    if (strcmp(bound, "kept") == 0) {
        gr_cli_page_putf(page, "limit",
                         "%s may take %s %s now, others keep the rest; it asks for %s", org,
                         amount(limit, "limit", most), variant, amount(limit, "asked", asked));
        return;
    }
    bool user = strncmp(bound, "user-", 5) == 0;
    bool jobs = strstr(bound, "running") != NULL;
    gr_cli_page_putf(page, "limit", "%s%s may have %s %s, has %s; it asks for %s more",
                     user ? "a user of " : "", org, amount(limit, "limit", most),
                     jobs ? "running jobs" : variant, amount(limit, "now", now),
                     amount(limit, "asked", asked));
}

static void put_kept(const struct gr_cli_page *page, const json_t *why, int64_t now_ms)
{
    const json_t *kept = json_object_get(why, "kept");
    int64_t until, job;
    char span[GR_CLI_UNIT_SIZE];
    char who[64] = "a job of others";
    if (gr_cli_get_int(kept, "until_ms", &until)) {
        if (gr_cli_get_int(kept, "job", &job)) {
            snprintf(who, sizeof who, "job %" PRId64, job);
        }
        gr_cli_page_putf(page, "kept", "%" PRId64 " nodes for %s, needed in %s at the latest",
                         gr_cli_get_int_or(kept, "nodes", 0), who,
                         gr_cli_span(until - now_ms, span));
    }
}

static void put_ahead(const struct gr_cli_page *page, const json_t *row)
{
    const char *before = gr_cli_get_text(row, "before", "?");
    char devices[GR_CLI_UNIT_SIZE], theirs[GR_CLI_UNIT_SIZE], own[GR_CLI_UNIT_SIZE];
    char who[64] = "of others";
    char reason[TEXT_SIZE];
    int64_t job;
    if (gr_cli_get_int(row, "job", &job)) {
        snprintf(who, sizeof who, "job %" PRId64, job);
    }
    if (strcmp(before, "share") == 0) {
        snprintf(reason, sizeof reason, "smaller share: %.80s %s, %.80s %s",
                 gr_cli_get_text(row, "organisation", "its user"), amount(row, "share", theirs),
                 gr_cli_get_text(row, "own_organisation", "this user"),
                 amount(row, "own_share", own));
    } else if (strcmp(before, "priority") == 0) {
        snprintf(reason, sizeof reason, "priority %" PRId64, gr_cli_get_int_or(row, "priority", 0));
    } else {
        snprintf(reason, sizeof reason, "%s",
                 strcmp(before, "own-quota") == 0 ? "within its own quota" : "came first");
    }
    gr_cli_page_putf(page, "", "%s, %s devices: %s", who, amount(row, "devices", devices), reason);
}

static void put_position(const struct gr_cli_page *page, const json_t *why)
{
    int64_t position;
    char devices[GR_CLI_UNIT_SIZE];
    size_t index;
    const json_t *row;
    if (!gr_cli_get_int(why, "position", &position)) {
        return;
    }
    gr_cli_page_putf(
        page, "position", "%" PRId64 "%s of %" PRId64 " that wait; those before ask for %s devices",
        position, json_is_true(json_object_get(why, "position_cut")) ? " or later" : "",
        gr_cli_get_int_or(why, "waiting", 0), amount(why, "ahead_devices", devices));
    json_array_foreach(json_object_get(why, "ahead"), index, row)
    {
        put_ahead(page, row);
    }
}

static void put_nodes(const struct gr_cli_page *page, const json_t *why)
{
    size_t index;
    const json_t *row;
    bool first = true;
    json_array_foreach(json_object_get(why, "nodes"), index, row)
    {
        int64_t nodes = gr_cli_get_int_or(row, "nodes", 0);
        if (nodes > 0) {
            gr_cli_page_putf(page, first ? "nodes" : "", "%7" PRId64 "  %s", nodes,
                             gr_cli_get_text(row, "text", ""));
            first = false;
        }
    }
}

static void put_changes(const struct gr_cli_page *page, const json_t *why)
{
    size_t index;
    const json_t *row;
    int shown = 0;
    json_array_foreach(json_object_get(why, "changes"), index, row)
    {
        const char *options = gr_cli_get_text(row, "options", "");
        const char *change = gr_cli_get_text(row, "change", "");
        if (shown == CHANGES_SHOWN) {
            break;
        }
        if (options[0] != '\0') {
            gr_cli_page_putf(page, shown == 0 ? "starts with" : "", "granary submit %s ...",
                             options);
            shown++;
        } else if (strcmp(change, "nodes-back") == 0) {
            gr_cli_page_put(page, shown == 0 ? "starts with" : "",
                            "nodes that are drained or broken, once they are back");
            shown++;
        } else if (strcmp(change, "no-shared-domain") == 0) {
            gr_cli_page_put(page, shown == 0 ? "starts with" : "",
                            "tasks that need not share a domain (no domain in its file)");
            shown++;
        }
    }
    if (shown > 0 && strcmp(gr_cli_get_text(why, "state", ""), "waiting") == 0) {
        gr_cli_page_putf(page, "", "and the rest as it is; then granary stop %" PRId64,
                         gr_cli_get_int_or(why, "id", 0));
    }
}

// Whom the pool would stop for it, with what it has or would need.
static void put_evicts(const struct gr_cli_page *page, const json_t *why)
{
    const json_t *evicts = json_object_get(why, "evicts");
    const char *by = gr_cli_get_text(evicts, "by", "");
    char devices[GR_CLI_UNIT_SIZE], nominal[GR_CLI_UNIT_SIZE], lost[GR_CLI_UNIT_SIZE];
    char notice[GR_CLI_UNIT_SIZE], needs[TEXT_SIZE] = "its right to the room";
    if (by[0] == '\0') {
        return;
    }
    if (strcmp(by, "quota") == 0) {
        snprintf(needs, sizeof needs, "a quota of %.80s, nominal %.40s for its organisation",
                 gr_cli_get_text(evicts, "variant", "?"), amount(evicts, "nominal", nominal));
    } else if (strcmp(by, "priority") == 0) {
        snprintf(needs, sizeof needs, "priority %" PRId64,
                 gr_cli_get_int_or(evicts, "priority", 0));
    }
    double seconds = json_number_value(json_object_get(evicts, "lost_device_seconds"));
    snprintf(lost, sizeof lost, "%.2f", seconds / 3600);
    gr_cli_page_putf(page, "would stop",
                     "%" PRId64 " job%s with %s devices after a notice of %s, losing %s "
                     "device-hours%s: with %s",
                     gr_cli_get_int_or(evicts, "jobs", 0),
                     gr_cli_get_int_or(evicts, "jobs", 0) == 1 ? "" : "s",
                     amount(evicts, "devices", devices),
                     gr_cli_span(gr_cli_get_int_or(evicts, "notice_ms", 0), notice), lost,
                     json_is_true(json_object_get(evicts, "over_cap")) ? " (more than may be lost "
                                                                         "now)"
                                                                       : "",
                     needs);
}

const char *gr_cli_estimates_text(const json_t *estimates, char buffer[GR_CLI_ESTIMATES_SIZE])
{
    int64_t checked = gr_cli_get_int_or(estimates, "checked", 0);
    if (checked == 0) {
        snprintf(buffer, GR_CLI_ESTIMATES_SIZE, "no estimates have been checked yet");
    } else {
        snprintf(buffer, GR_CLI_ESTIMATES_SIZE,
                 "of the last %" PRId64 " estimates %" PRId64
                 " %% started within the band; median error %+" PRId64 " %%",
                 checked, gr_cli_get_int_or(estimates, "inside_percent", 0),
                 gr_cli_get_int_or(estimates, "error_percent", 0));
    }
    return buffer;
}

static void put_estimate(const struct gr_cli_page *page, const json_t *why, int64_t now_ms)
{
    const json_t *band = json_object_get(why, "estimate");
    char earliest[GR_CLI_UNIT_SIZE], likely[GR_CLI_UNIT_SIZE], latest[GR_CLI_UNIT_SIZE];
    int64_t position;
    if (!gr_cli_get_int(why, "position", &position)) {
        return;
    }
    if (!json_is_object(band)) {
        gr_cli_page_put(page, "may start", "unknown: no end that is known would let it");
        return;
    }
    gr_cli_page_putf(page, "may start", "in %s to %s, likely %s%s",
                     gr_cli_span(gr_cli_get_int_or(band, "earliest_ms", 0) - now_ms, earliest),
                     gr_cli_span(gr_cli_get_int_or(band, "latest_ms", 0) - now_ms, latest),
                     gr_cli_span(gr_cli_get_int_or(band, "likely_ms", 0) - now_ms, likely),
                     json_is_true(json_object_get(band, "guessed")) &&
                             strcmp(gr_cli_get_text(band, "from", ""), "convention") == 0
                         ? "; a guess: work without a time limit is taken to last a day"
                         : "");
}

static void why_page(void *context, const json_t *why, int64_t now_ms,
                     const struct gr_terminal *terminal)
{
    (void)context;
    struct gr_cli_page page = gr_cli_page_of(terminal);
    put_head(&page, why);
    gr_cli_page_put(&page, "why", gr_cli_get_text_in(why, "reason", "text", ""));
    put_limit(&page, why);
    put_kept(&page, why, now_ms);
    put_position(&page, why);
    put_nodes(&page, why);
    put_changes(&page, why);
    put_evicts(&page, why);
    put_estimate(&page, why, now_ms);
    if (json_is_object(json_object_get(why, "estimate"))) {
        char text[GR_CLI_ESTIMATES_SIZE];
        gr_cli_page_put(&page, "checked",
                        gr_cli_estimates_text(json_object_get(why, "estimates"), text));
    }
}

// ---- the command --------------------------------------------------------------------------------

static int fetch(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err)
{
    const struct gr_cli_job *job = context;
    struct gr_client_path path;
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_add_id(&path, job->id);
    gr_client_path_add(&path, "why");
    return gr_client_get(client, &path, ret_value, err);
}

static bool is_over(void *context, const json_t *why)
{
    (void)context;
    return gr_cli_job_has_ended(gr_cli_get_text(why, "state", ""));
}

static int run(int argc, char **argv)
{
    struct gr_cli_remote remote = {.command = "why"};
    size_t format = GR_CLI_OUTPUT_TABLE;
    bool watch = false;
    const struct gr_option table[] = {
        GR_CLI_WATCH_OPTION(&watch),
        GR_CLI_OUTPUT_OPTION(&format),
        GR_CLI_REMOTE_OPTIONS(&remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "why [OPTIONS] JOB",
        .about = "Says why a job waits, who comes before it and why, what nodes lack, what to "
                 "change so that it starts at once, and when it may start as it is.",
        .options = table,
        .details = GR_CLI_REFERENCE_HELP,
        .operands_min = 1,
        .operands_max = 1,
        .operands = "a job",
    };
    struct gr_cli_job job;
    struct gr_err err;
    size_t operands;
    int code;
    if (!gr_cli_start(&options, argc, argv, &operands, &code) ||
        !gr_cli_remote_open(&remote, &code)) {
        return code;
    }
    gr_err_init(&err);
    if (gr_cli_job_find(remote.client, argv[1], &job, &err) < 0) {
        code = gr_cli_remote_fail(&remote, &err);
    } else {
        struct gr_cli_listing listing = {
            .context = &job, .fetch = fetch, .page = why_page, .is_over = is_over};
        code = gr_cli_listing_run(&listing, &remote, (enum gr_cli_output)format, watch);
        gr_cli_job_done(&job);
    }
    gr_cli_remote_close(&remote);
    return code == GR_EXIT_OK ? gr_cli_finish("why") : code;
}

const struct gr_command gr_cli_why = {
    .name = "why",
    .summary = "why a job waits, and what would start it",
    .run = run,
};
