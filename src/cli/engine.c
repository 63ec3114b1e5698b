// `granary engine check`: what the engine can do on this machine, what is missing, and how to have
// it. See engine.h. The hidden form `engine launcher DIR` is how an engine starts its launcher
// anew.
#include "cli/engine.h"

#include "base/json.h"
#include "cli/listing.h"
#include "cli/page.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"
#include "engine/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKS_MAX = 64 };

// ---- columns ------------------------------------------------------------------------------------

static void show_there(const json_t *check, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    bool is_there = json_is_true(json_object_get(check, "there"));
    snprintf(cell->text, sizeof cell->text, "%s", is_there ? "yes" : "no");
    cell->style = is_there ? GR_STYLE_GOOD : GR_STYLE_WARN;
}

static const struct gr_cli_column columns[] = {
    {"engine", GR_TABLE_LEFT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "engine", NULL},
    {"what", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "name", NULL},
    {"there", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "there", show_there},
    {"how", GR_TABLE_FILL, GR_CLI_IN_ALL, 0, "how", NULL},
    {"without it", GR_TABLE_LEFT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "without", NULL},
    {"to have it", GR_TABLE_LEFT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "remedy", NULL},
};

static const struct gr_cli_noun checks = {
    .plural = "checks",
    .id = "name",
    .none = "the engine says nothing about itself",
    .columns = columns,
    .count = sizeof columns / sizeof columns[0],
};

// Below the table: what is missing, in full.
static void foot(void *context, const json_t *rows, const struct gr_terminal *terminal)
{
    (void)context;
    struct gr_cli_page page = gr_cli_page_of(terminal);
    size_t index;
    const json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, index, row)
    {
        if (json_is_true(json_object_get(row, "there"))) {
            continue;
        }
        fprintf(terminal->file, "\n%swithout %s%s\n", gr_terminal_style(terminal, GR_STYLE_HEAD),
                gr_cli_get_text(row, "name", "?"), gr_terminal_style(terminal, GR_STYLE_PLAIN));
        gr_cli_page_put(&page, "  means", gr_cli_get_text(row, "without", ""));
        gr_cli_page_put(&page, "  to have it", gr_cli_get_text(row, "remedy", ""));
    }
}

// The checks of all engines in one list, each with its engine's name.
static int fetch(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err)
{
    (void)context;
    struct gr_client_path path;
    json_t *engines = NULL;
    json_t *rows = json_array();
    size_t e;
    const json_t *engine;
    gr_client_path_init(&path, "/v1/engines");
    int code = gr_cli_fetch_list(client, &path, "engines", &engines, err);
    json_array_foreach(engines, e, engine)
    {
        size_t c;
        const json_t *check;
        json_array_foreach(json_object_get(engine, "checks"), c, check)
        {
            json_t *row = json_copy((json_t *)(uintptr_t)check);
            (void)json_object_set(row, "engine", json_object_get(engine, "name"));
            (void)json_array_append_new(rows, row);
        }
    }
    json_decref(engines);
    if (code < 0) {
        json_decref(rows);
        return code;
    }
    *ret_value = rows;
    return 0;
}

// ---- without a daemon ---------------------------------------------------------------------------

static json_t *row_of(const struct gr_local_check *check)
{
    json_t *row = json_object();
    int code = gr_json_set_text(row, "name", gr_slice_of(check->name)) |
               gr_json_set_bool(row, "there", check->is_there) |
               gr_json_set_text(row, "how", gr_slice_of(check->how)) |
               gr_json_set_text(row, "without", gr_slice_of(check->without)) |
               gr_json_set_text(row, "remedy", gr_slice_of(check->remedy)) |
               gr_json_set_text(row, "engine", gr_slice_of("local"));
    if (code < 0) {
        json_decref(row);
        return NULL;
    }
    return row;
}

static int check_here(const char *command, enum gr_cli_output format)
{
    struct gr_local_check *found = calloc(CHECKS_MAX, sizeof *found);
    struct gr_local_config config = {.dir = "", .checks = ""};
    struct gr_terminal terminal;
    struct gr_err err;
    json_t *rows = json_array();
    gr_err_init(&err);
    gr_terminal_init(&terminal, stdout);
    int count = found == NULL ? gr_fail(&err, -ENOMEM, "not enough memory for the checks")
                              : gr_local_check(&config, found, CHECKS_MAX, &err);
    int code = count < 0 ? count : 0;
    for (int i = 0; i < count; i++) {
        code |= gr_json_append(rows, row_of(&found[i]));
    }
    if (count >= 0 && code < 0) {
        (void)gr_fail(&err, -ENOMEM, "not enough memory for the checks");
    }
    code = code < 0 ? code : gr_cli_rows_write(&checks, rows, format, true, 0, &terminal, &err);
    if (code == 0 && (format == GR_CLI_OUTPUT_TABLE || format == GR_CLI_OUTPUT_WIDE)) {
        foot(NULL, rows, &terminal);
    }
    json_decref(rows);
    free(found);
    return code < 0 ? gr_cli_fail(command, &err) : gr_cli_finish(command);
}

// ---- the command --------------------------------------------------------------------------------

static int check(int argc, char **argv)
{
    static char name[] = "engine check";
    struct gr_cli_remote remote = {.command = name};
    size_t format = GR_CLI_OUTPUT_TABLE;
    bool local = false;
    const struct gr_option table[] = {
        {.name = "local",
         .type = GR_OPTION_FLAG,
         .store = &local,
         .help = "Try this machine as you, here and now, without a daemon."},
        GR_CLI_OUTPUT_OPTION(&format),
        GR_CLI_REMOTE_OPTIONS(&remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "engine check [OPTIONS]",
        .about = "Shows what the pool's engine can do where it runs: limits, users, containers, "
                 "device files. What is missing is said with what follows for jobs and what to do "
                 "about it; nothing is silently weaker.",
        .options = table,
        .operands = "no operand",
    };
    size_t operands;
    int code;
    argv[0] = name;
    if (!gr_cli_start(&options, argc, argv, &operands, &code)) {
        return code;
    }
    if (local) {
        return check_here(name, (enum gr_cli_output)format);
    }
    if (!gr_cli_remote_open(&remote, &code)) {
        return code;
    }
    struct gr_cli_listing listing = {.noun = &checks, .fetch = fetch, .foot = foot};
    code = gr_cli_listing_run(&listing, &remote, (enum gr_cli_output)format, false);
    gr_cli_remote_close(&remote);
    return code;
}

static int launch(const char *dir)
{
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_local_launcher_main(dir, &err);
    if (code < 0) {
        fprintf(stderr, "granary engine launcher: %s\n", err.text);
        return GR_EXIT_FAILED;
    }
    return code;
}

static int run(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "launcher") == 0) {
        return launch(argv[2]);
    }
    if (argc >= 2 && (strcmp(argv[1], "check") == 0 || strcmp(argv[1], "--help") == 0 ||
                      strcmp(argv[1], "-h") == 0)) {
        bool is_check = strcmp(argv[1], "check") == 0;
        return check(is_check ? argc - 1 : argc, is_check ? argv + 1 : argv);
    }
    fprintf(stderr, "granary engine: expected: granary engine check\n");
    return GR_EXIT_USAGE;
}

const struct gr_command gr_cli_engine = {
    .name = "engine",
    .summary = "what starts work here and what it can do: engine check",
    .run = run,
};
