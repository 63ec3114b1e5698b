// `granary pool`: what there is, what goes on, and whether all is well. See pool.h.
#include "cli/pool.h"

#include "base/number.h"
#include "cli/listing.h"
#include "cli/page.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int fetch(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err)
{
    (void)context;
    struct gr_client_path path;
    gr_client_path_init(&path, "/v1/pool");
    return gr_client_get(client, &path, ret_value, err);
}

static int64_t count(const json_t *object, const char *key, const char *inner)
{
    return gr_cli_get_int_or(json_object_get(object, key), inner, 0);
}

static void put_devices(const struct gr_cli_page *page, const json_t *pool)
{
    int64_t total = count(pool, "devices", "total");
    int64_t pretend = count(pool, "devices", "pretend");
    int64_t out = count(pool, "devices", "out");
    char free[GR_NUMBER_TEXT_SIZE];
    char some[64] = "";
    char away[64] = "";
    if (pretend == total && total > 0) {
        snprintf(some, sizeof some, ", all of them pretend");
    } else if (pretend > 0) {
        snprintf(some, sizeof some, ", %" PRId64 " of them pretend", pretend);
    }
    if (out > 0) {
        snprintf(away, sizeof away, ", %" PRId64 " out of use", out);
    }
    gr_cli_page_putf(page, "devices", "%" PRId64 "%s; %s free%s", total, some,
                     gr_number_format(count(pool, "devices", "free_milli"), 3, free), away);
}

// The states of device-time that are not zero: all devices' spans together.
static void put_time(const struct gr_cli_page *page, const json_t *pool)
{
    char text[512] = "";
    size_t used = 0;
    const char *state;
    json_t *value;
    json_object_foreach(json_object_get(pool, "device_time"), state, value)
    {
        // Seconds as text, with a fraction: they may be more than a number of JSON holds exactly.
        const char *amount = json_string_value(value);
        double seconds = amount == NULL ? 0 : strtod(amount, NULL);
        char span[GR_CLI_UNIT_SIZE];
        if (seconds > 0 && seconds < 1e15) {
            int wrote = snprintf(text + used, sizeof text - used, "%s%s %s", used == 0 ? "" : ", ",
                                 state, gr_cli_span((int64_t)(seconds * 1000), span));
            if (wrote < 0 || (size_t)wrote >= sizeof text - used) {
                break;
            }
            used += (size_t)wrote;
        }
    }
    gr_cli_page_put(page, "device-time", text);
}

static void show_page(void *context, const json_t *pool, int64_t now_ms,
                      const struct gr_terminal *terminal)
{
    const struct gr_cli_remote *remote = context;
    struct gr_cli_page page = gr_cli_page_of(terminal);
    char span[GR_CLI_UNIT_SIZE];
    bool is_up = json_is_true(json_object_get(json_object_get(pool, "engine"), "up"));
    gr_cli_page_putf(&page, "pool", "granary %s at %s, up for %s",
                     gr_cli_get_text(pool, "version", "?"), gr_client_where(remote->client),
                     gr_cli_span(now_ms - gr_cli_get_int_or(pool, "started_ms", now_ms), span));
    gr_cli_page_put(&page, "state", gr_cli_get_text(pool, "state_dir", ""));
    if (json_is_true(json_object_get(pool, "clock_doubted"))) {
        char stamp[GR_CLI_UNIT_SIZE];
        gr_cli_page_putf(&page, "clock",
                         "the pool's time is %s: this machine's clock is more than an hour from it "
                         "and not believed; set it right, or start anew with --believe-clock",
                         gr_cli_moment(gr_cli_get_int_or(pool, "now_ms", 0), stamp));
    }
    gr_cli_page_putf(&page, "nodes", "%" PRId64 " up, %" PRId64 " drained, %" PRId64 " broken",
                     count(pool, "nodes", "up"), count(pool, "nodes", "drained"),
                     count(pool, "nodes", "broken"));
    put_devices(&page, pool);
    gr_cli_page_putf(&page, "jobs", "%" PRId64 " running, %" PRId64 " waiting, %" PRId64 " held",
                     count(pool, "jobs", "running"), count(pool, "jobs", "waiting"),
                     count(pool, "jobs", "held"));
    put_time(&page, pool);
    const char *engine = gr_cli_get_text_in(pool, "engine", "name", "?");
    gr_cli_page_putf(&page, "engine", "%s, %s", engine,
                     is_up                         ? "up"
                     : strcmp(engine, "none") == 0 ? "nothing is started here (--no-engine)"
                                                   : "cannot be reached; it tries again by itself");
    gr_cli_page_putf(&page, "journal",
                     "%" PRId64 " fact%s durable, snapshot at %" PRId64 ", epoch %" PRId64 "%s",
                     count(pool, "journal", "durable"),
                     count(pool, "journal", "durable") == 1 ? "" : "s",
                     count(pool, "journal", "snapshot"), gr_cli_get_int_or(pool, "epoch", 0),
                     json_is_true(json_object_get(json_object_get(pool, "journal"), "full"))
                         ? "; the disk is full: nothing new is taken"
                         : "");
    const json_t *verified = json_object_get(json_object_get(pool, "journal"), "verified");
    const char *damage = gr_cli_get_text(verified, "problem", "");
    if (damage[0] != '\0') {
        gr_cli_page_put(&page, "damage", damage);
    }
    const char *problem = gr_cli_get_text_in(pool, "history", "problem", "");
    if (problem[0] != '\0') {
        gr_cli_page_put(&page, "history", problem);
    }
    gr_cli_page_put(&page, "policy", gr_cli_get_text(pool, "policy", ""));
}

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    bool watch;
    size_t format; // enum gr_cli_output
};

static int show(void *context, char **operands, size_t count)
{
    (void)operands;
    (void)count;
    struct request *request = context;
    const struct gr_cli_listing listing = {
        .context = &request->remote, .fetch = fetch, .page = show_page};
    return gr_cli_listing_run(&listing, &request->remote, (enum gr_cli_output)request->format,
                              request->watch);
}

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "pool"}};
    const struct gr_option table[] = {
        GR_CLI_LIST_OPTIONS(&request.watch, &request.format, &request.remote),
    };
    const struct gr_options options = {
        .usage = "pool [OPTIONS]",
        .about = "Shows the pool in one page: nodes, devices, jobs, engine and journal.",
        .options = table,
        .operands = "no operand",
    };
    return gr_cli_remote_run(&request.remote, &options, argc, argv, show, &request);
}

const struct gr_command gr_cli_pool = {
    .name = "pool",
    .summary = "the pool in one page",
    .run = run,
};
