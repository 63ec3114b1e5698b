// `granary nodes`: the machines of the pool, what they have and what is free. See nodes.h. Changing
// them is in nodes_set.c.
#include "cli/nodes.h"
#include "base/number.h"
#include "cli/listing.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

// ---- columns ------------------------------------------------------------------------------------

static void show_name(const json_t *node, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    snprintf(cell->text, sizeof cell->text, "%s", gr_cli_get_text(node, "name", "?"));
}

static void show_state(const json_t *node, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    const char *state = gr_cli_get_text(node, "state", "?");
    snprintf(cell->text, sizeof cell->text, "%s", state);
    cell->style = strcmp(state, "up") == 0       ? GR_STYLE_GOOD
                  : strcmp(state, "broken") == 0 ? GR_STYLE_BAD
                                                 : GR_STYLE_WARN;
}

// "8 h20 (pretend)".
static void show_devices(const json_t *node, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    int64_t count = gr_cli_get_int_or(node, "devices", 0);
    bool pretend = json_is_true(json_object_get(node, "pretend"));
    if (count == 0) {
        snprintf(cell->text, sizeof cell->text, "none%s", pretend ? " (pretend)" : "");
        cell->style = GR_STYLE_FAINT;
        return;
    }
    snprintf(cell->text, sizeof cell->text, "%" PRId64 " %s%s", count,
             gr_cli_get_text(node, "variant", "?"), pretend ? " (pretend)" : "");
}

// Whole free devices, and those of which a part is free: "5 +2 parts"; out of use: "1 out".
static void show_free(const json_t *node, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    size_t index;
    const json_t *milli;
    int64_t whole = 0;
    int64_t parts = 0;
    size_t out = json_array_size(json_object_get(node, "out"));
    json_array_foreach(json_object_get(node, "free_milli"), index, milli)
    {
        int64_t free = json_integer_value(milli);
        whole += free >= 1000;
        parts += free > 0 && free < 1000;
    }
    int used = snprintf(cell->text, sizeof cell->text, "%" PRId64, whole);
    if (parts > 0) {
        used += snprintf(cell->text + used, sizeof cell->text - (size_t)used,
                         " +%" PRId64 " part%s", parts, parts == 1 ? "" : "s");
    }
    if (out > 0) {
        snprintf(cell->text + used, sizeof cell->text - (size_t)used, ", %zu out", out);
        cell->style = GR_STYLE_BAD;
    }
}

// "3.5 of 16".
static void show_cpu(const json_t *node, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    char free[GR_CLI_UNIT_SIZE];
    char all[GR_CLI_UNIT_SIZE];
    snprintf(cell->text, sizeof cell->text, "%s of %s",
             gr_cli_get_decimal(node, "cpu_free", "?", free),
             gr_cli_get_decimal(node, "cpu", "?", all));
}

static void show_memory_free(const json_t *node, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    (void)gr_cli_memory(gr_cli_get_int_or(node, "memory_free_mib", 0), cell->text);
}

static void show_memory(const json_t *node, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    (void)gr_cli_memory(gr_cli_get_int_or(node, "memory_mib", 0), cell->text);
}

static const struct gr_cli_column columns[] = {
    {"node", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "name", show_name},
    {"site", GR_TABLE_LEFT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "site", NULL},
    {"state", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "state", show_state},
    {"devices", GR_TABLE_LEFT, GR_CLI_IN_BOTH, 0, NULL, show_devices},
    {"free", GR_TABLE_LEFT, GR_CLI_IN_BOTH, 0, NULL, show_free},
    {"cpu free", GR_TABLE_RIGHT, GR_CLI_IN_BOTH, 0, NULL, show_cpu},
    {"memory free", GR_TABLE_RIGHT, GR_CLI_IN_BOTH, 80, NULL, show_memory_free},
    {"memory", GR_TABLE_RIGHT, GR_CLI_IN_WIDE, 0, NULL, show_memory},
    {"jobs", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "jobs", NULL},
    {"why", GR_TABLE_FILL, GR_CLI_IN_ALL, 0, "why", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "variant", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "pretend", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "devices", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "free_milli", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "out", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "cpu", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "cpu_free", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "memory_mib", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "memory_free_mib", NULL},
};

static const struct gr_cli_noun nodes = {
    .plural = "nodes",
    .id = "name",
    .none = "no nodes",
    .columns = columns,
    .count = sizeof columns / sizeof columns[0],
};

// ---- the command --------------------------------------------------------------------------------

// The words of --state; the end of the list stands for all.
static const char *const states[] = {"up", "drained", "broken", NULL};
enum { ALL_STATES = sizeof states / sizeof states[0] - 1 };

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    const char *site;
    size_t state; // index in states
    char **names; // NULL: all
    size_t count; // of names
    bool watch;
    size_t format; // enum gr_cli_output
};

static int fetch_named(const struct request *request, struct gr_client *client, json_t *rows,
                       struct gr_err *err)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < request->count; i++) {
        struct gr_client_path path;
        json_t *node = NULL;
        gr_client_path_init(&path, "/v1/nodes");
        gr_client_path_add(&path, request->names[i]);
        code = gr_client_get(client, &path, &node, err);
        if (code == 0 && json_array_append_new(rows, node) != 0) {
            code = gr_fail(err, -ENOMEM, "not enough memory for a list");
        }
    }
    return code;
}

static int fetch(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err)
{
    const struct request *request = context;
    struct gr_client_path path;
    if (request->count > 0) {
        json_t *rows = json_array();
        int code = fetch_named(request, client, rows, err);
        if (code < 0) {
            json_decref(rows);
            return code;
        }
        *ret_value = rows;
        return 0;
    }
    gr_client_path_init(&path, "/v1/nodes");
    gr_client_path_query(&path, "site", request->site);
    gr_client_path_query(&path, "state", states[request->state]);
    return gr_cli_fetch_pages(client, &path, "nodes", ret_value, err);
}

static int list(void *context, char **operands, size_t count)
{
    struct request *request = context;
    request->names = operands;
    request->count = count;
    const struct gr_cli_listing listing = {.noun = &nodes, .context = request, .fetch = fetch};
    return gr_cli_listing_run(&listing, &request->remote, (enum gr_cli_output)request->format,
                              request->watch);
}

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "nodes"}, .state = ALL_STATES};
    const struct gr_option table[] = {
        {.name = "site",
         .type = GR_OPTION_TEXT,
         .value = "NAME",
         .store = &request.site,
         .help = "Only this site's: local, pretend."},
        {.name = "state",
         .type = GR_OPTION_WORD,
         .value = "STATE",
         .words = states,
         .store = &request.state,
         .help = "Only in this state: up, drained or broken."},
        GR_CLI_LIST_OPTIONS(&request.watch, &request.format, &request.remote),
    };
    const struct gr_options options = {
        .usage = "nodes [OPTIONS] [NODE...]",
        .about = "Lists the machines of the pool: their accelerators, what is free, and why some "
                 "take no work. `pretend` marks devices that exist only by name.",
        .options = table,
        .operands_max = 1000,
        .operands = "names of nodes",
    };
    return gr_cli_remote_run(&request.remote, &options, argc, argv, list, &request);
}

const struct gr_command gr_cli_nodes = {
    .name = "nodes",
    .summary = "list machines: accelerators, what is free, which take no work",
    .run = run,
};
