// `granary ps`: which jobs there are, where they run and why others do not. See ps.h.
#include "cli/ps.h"

#include "base/words.h"
#include "cli/jobs.h"
#include "cli/listing.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { PAGE_MAX = 1000 };

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    struct gr_options_list states;
    const char *user, *name, *organisation;
    bool all, mine, watch;
    int64_t most;     // rows; 0: all
    size_t format;    // enum gr_cli_output
    char joined[512]; // states, with ',' between them
    char me[128];     // own name, with --mine
    bool has_more;    // rows were left out
};

static int fetch_page(struct request *request, struct gr_client *client, int64_t most,
                      const json_t *after, json_t **ret_page, struct gr_err *err)
{
    struct gr_client_path path;
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_query(&path, "state", request->joined[0] == '\0' ? NULL : request->joined);
    gr_client_path_query(&path, "user", request->mine ? request->me : request->user);
    gr_client_path_query(&path, "name", request->name);
    gr_client_path_query(&path, "organisation", request->organisation);
    gr_client_path_query(&path, "all", request->all ? "true" : NULL);
    gr_client_path_query_int(&path, "limit", most < PAGE_MAX ? most : PAGE_MAX);
    if (after != NULL) {
        gr_client_path_query_int(&path, "after", json_integer_value(after));
    }
    return gr_client_get(client, &path, ret_page, err);
}

static int fetch(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err)
{
    struct request *request = context;
    json_t *rows = json_array();
    json_t *page = NULL;
    const json_t *next = NULL;
    int64_t left = request->most == 0 ? INT64_MAX : request->most;
    int code = 0;
    do {
        json_t *before = page; // `next` points into it
        page = NULL;
        code = fetch_page(request, client, left, next, &page, err);
        json_decref(before);
        next = NULL;
        if (code == 0) {
            const json_t *jobs = json_object_get(page, "jobs");
            next = json_object_get(page, "next");
            if (!json_is_array(jobs) || json_array_extend(rows, (json_t *)(uintptr_t)jobs) != 0) {
                code = gr_fail(err, -EPROTO, "%s: the reply holds no list of jobs",
                               gr_client_where(client));
            }
            left -= (int64_t)json_array_size(jobs);
        }
    } while (code == 0 && json_is_integer(next) && left > 0);
    request->has_more = code == 0 && json_is_integer(next);
    json_decref(page);
    if (code < 0) {
        json_decref(rows);
        return code;
    }
    *ret_value = rows;
    return 0;
}

// A job that left the list has ended, most of the time: its last words are worth a line.
static json_t *gone(void *context, struct gr_client *client, const json_t *row)
{
    (void)context;
    struct gr_client_path path;
    json_t *job = NULL;
    int64_t id;
    if (!gr_cli_get_int(row, "id", &id)) {
        return NULL;
    }
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_add_id(&path, (uint64_t)id);
    return gr_client_get(client, &path, &job, NULL) == 0 ? job : NULL;
}

static void foot(void *context, const json_t *rows, const struct gr_terminal *terminal)
{
    const struct request *request = context;
    if (request->has_more) {
        fprintf(terminal->file, "%sonly the newest %zu; -n 0 shows all%s\n",
                gr_terminal_style(terminal, GR_STYLE_FAINT), json_array_size(rows),
                gr_terminal_style(terminal, GR_STYLE_PLAIN));
    }
}

// Joins --state, each of which may itself name several with commas; every word is checked.
static int join_states(struct request *request, struct gr_err *err)
{
    size_t used = 0;
    for (size_t i = 0; i < request->states.count; i++) {
        const char *at = request->states.values[i];
        while (*at != '\0') {
            struct gr_slice word = {at, strcspn(at, ",")};
            char quote[GR_WORDS_QUOTE_SIZE];
            char list[512];
            size_t s = 0;
            while (gr_cli_job_states[s] != NULL && !gr_slice_is(word, gr_cli_job_states[s])) {
                s++;
            }
            if (gr_cli_job_states[s] == NULL) {
                return gr_fail(err, -EINVAL, "--state: found %s, expected %s",
                               gr_words_quote(word, quote),
                               gr_words_list(gr_cli_job_states, list, sizeof list));
            }
            if (used + word.size + 2 > sizeof request->joined) {
                return gr_fail(err, -EINVAL, "--state: found too many states");
            }
            used += (size_t)snprintf(request->joined + used, sizeof request->joined - used, "%s%s",
                                     used == 0 ? "" : ",", gr_cli_job_states[s]);
            at += word.size + (at[word.size] == ',');
        }
    }
    return 0;
}

static int find_me(struct request *request, struct gr_err *err)
{
    struct gr_client_path path;
    json_t *me = NULL;
    gr_client_path_init(&path, "/v1/whoami");
    int code = request->mine ? gr_client_get(request->remote.client, &path, &me, err) : 0;
    if (code == 0 && request->mine) {
        snprintf(request->me, sizeof request->me, "%s", gr_cli_get_text(me, "name", ""));
        json_decref(me);
    }
    return code;
}

static int list(void *context, char **operands, size_t count)
{
    (void)operands;
    (void)count;
    struct request *request = context;
    static const struct gr_cli_listing listing = {
        .noun = &gr_cli_jobs, .fetch = fetch, .foot = foot, .gone = gone};
    struct gr_cli_listing own = listing;
    struct gr_err err;
    own.context = request;
    gr_err_init(&err);
    if (join_states(request, &err) < 0 || find_me(request, &err) < 0) {
        return gr_cli_remote_fail(&request->remote, &err);
    }
    return gr_cli_listing_run(&own, &request->remote, (enum gr_cli_output)request->format,
                              request->watch);
}

static const char details[] = "time: how long it runs or ran; while it waits, how long it waits.\n"
                              "\n"
                              "examples:\n"
                              "  granary ps --mine\n"
                              "  granary ps --state failed,time-limit -n 20\n"
                              "  granary ps --watch\n"
                              "  granary ps --all -n 0 -o csv > jobs.csv\n";

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "ps"}, .most = 100};
    const struct gr_option table[] = {
        {.name = "all",
         .letter = 'a',
         .type = GR_OPTION_FLAG,
         .store = &request.all,
         .help = "Ended ones too. Default: those that have not ended."},
        {.name = "state",
         .type = GR_OPTION_LIST,
         .value = "STATE,...",
         .store = &request.states,
         .help = "Only in these states; of ended ones, those of the last hour unless --all."},
        {.name = "mine", .type = GR_OPTION_FLAG, .store = &request.mine, .help = "Only your own."},
        {.name = "user",
         .type = GR_OPTION_TEXT,
         .value = "NAME",
         .store = &request.user,
         .help = "Only this user's."},
        {.name = "organisation",
         .type = GR_OPTION_TEXT,
         .value = "NAME",
         .store = &request.organisation,
         .help = "Only this organisation's."},
        {.name = "name",
         .type = GR_OPTION_TEXT,
         .value = "NAME",
         .store = &request.name,
         .help = "Only with this name."},
        {.name = "most",
         .letter = 'n',
         .type = GR_OPTION_INT,
         .value = "N",
         .store = &request.most,
         .low = 0,
         .high = 100000000,
         .help = "At most so many, the newest first; 0: all. Default: 100."},
        GR_CLI_LIST_OPTIONS(&request.watch, &request.format, &request.remote),
    };
    const struct gr_options options = {
        .usage = "ps [OPTIONS]",
        .about = "Lists jobs: their states, what they ask for, where they run, and why the others "
                 "do not.",
        .options = table,
        .details = details,
        .operands = "no operand",
    };
    return gr_cli_remote_run(&request.remote, &options, argc, argv, list, &request);
}

const struct gr_command gr_cli_ps = {
    .name = "ps",
    .summary = "list jobs: states, places, and why the others wait",
    .run = run,
};
