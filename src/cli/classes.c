// `granary classes`: lists the classes that a job may name. See classes.h.
#include "cli/classes.h"

#include "base/quantity.h"
#include "cli/listing.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

static void show_limit(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    char text[GR_QUANTITY_TEXT_SIZE];
    int64_t limit;
    (void)now_ms;
    snprintf(cell->text, sizeof cell->text, "%s",
             gr_cli_get_int(row, "limit_ms", &limit) ? gr_duration_format(limit, text) : "none");
}

static const struct gr_cli_column columns[] = {
    {"class", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "name", NULL},
    {"priority", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "priority", NULL},
    {"time limit", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "limit_ms", show_limit},
};

static const struct gr_cli_noun classes = {
    .plural = "classes",
    .id = "name",
    .none = "no class is declared: `granary apply` does it",
    .columns = columns,
    .count = sizeof columns / sizeof columns[0],
};

static int fetch(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err)
{
    struct gr_client_path path;
    (void)context;
    gr_client_path_init(&path, "/v1/classes");
    return gr_cli_fetch_list(client, &path, "classes", ret_value, err);
}

static int run_classes(int argc, char **argv)
{
    struct gr_cli_remote remote = {.command = "classes"};
    size_t format = 0, operands;
    int code;
    const struct gr_option table[] = {
        GR_CLI_OUTPUT_OPTION(&format),
        GR_CLI_REMOTE_OPTIONS(&remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "classes [OPTIONS]",
        .about = "Lists the classes that a job may name (`granary submit --class NAME`): the "
                 "priority its jobs get, and how long they may run. `granary apply` declares "
                 "them.",
        .options = table,
        .operands = "no operand",
    };
    if (!gr_cli_start(&options, argc, argv, &operands, &code) ||
        !gr_cli_remote_open(&remote, &code)) {
        return code;
    }
    struct gr_cli_listing listing = {.noun = &classes, .fetch = fetch};
    code = gr_cli_listing_run(&listing, &remote, (enum gr_cli_output)format, false);
    gr_cli_remote_close(&remote);
    return code == GR_EXIT_OK ? gr_cli_finish(remote.command) : code;
}

const struct gr_command gr_cli_classes = {
    .name = "classes",
    .summary = "list classes of jobs: their priority and time limit",
    .run = run_classes,
};
