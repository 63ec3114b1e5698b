// `granary devices`: every accelerator, its health, who has it, and what it reads. See devices.h.
#include "cli/devices.h"

#include "cli/listing.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

#include <inttypes.h>
#include <string.h>

// Readings come without events: they are asked for again after so long.
enum { REFRESH_MS = 2000 };

static void faint(struct gr_cli_cell *cell)
{
    snprintf(cell->text, sizeof cell->text, "-");
    cell->style = GR_STYLE_FAINT;
}

static void show_variant(const json_t *device, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    snprintf(cell->text, sizeof cell->text, "%s%s", gr_cli_get_text(device, "variant", "?"),
             json_is_true(json_object_get(device, "pretend")) ? " (pretend)" : "");
}

static void show_health(const json_t *device, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    const char *health = gr_cli_get_text(device, "health", "?");
    const char *code = gr_cli_get_text(device, "code", "");
    snprintf(cell->text, sizeof cell->text, "%s%s%s", health, code[0] == '\0' ? "" : " ", code);
    cell->style = strcmp(health, "good") == 0  ? GR_STYLE_GOOD
                  : strcmp(health, "app") == 0 ? GR_STYLE_WARN
                                               : GR_STYLE_BAD;
}

static void show_free(const json_t *device, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    int64_t free = gr_cli_get_int_or(device, "free_milli", 0);
    if (json_is_true(json_object_get(device, "out"))) {
        snprintf(cell->text, sizeof cell->text, "out");
        cell->style = GR_STYLE_BAD;
    } else if (free <= 0) {
        snprintf(cell->text, sizeof cell->text, "no");
        cell->style = GR_STYLE_FAINT;
    } else if (free >= 1000) {
        snprintf(cell->text, sizeof cell->text, "yes");
    } else {
        snprintf(cell->text, sizeof cell->text, "0.%03" PRId64, free);
    }
}

static void show_mib(const json_t *device, const char *key, struct gr_cli_cell *cell)
{
    int64_t mib;
    if (gr_cli_get_int(device, key, &mib)) {
        (void)gr_cli_memory(mib, cell->text);
    } else {
        faint(cell);
    }
}

static void show_memory(const json_t *device, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    show_mib(device, "memory_mib", cell);
}

static void show_memory_used(const json_t *device, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    show_mib(device, "memory_used_mib", cell);
}

static void show_unit(const json_t *device, const char *key, int64_t by, const char *unit,
                      struct gr_cli_cell *cell)
{
    int64_t value;
    if (gr_cli_get_int(device, key, &value)) {
        snprintf(cell->text, sizeof cell->text, "%" PRId64 "%s", value / by, unit);
    } else {
        faint(cell);
    }
}

static void show_use(const json_t *device, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    show_unit(device, "utilisation", 1, " %", cell);
}

static void show_temperature(const json_t *device, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    show_unit(device, "temperature", 1, " °C", cell);
}

static void show_power(const json_t *device, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    show_unit(device, "power_mw", 1000, " W", cell);
}

static const struct gr_cli_column columns[] = {
    {"node", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "node", NULL},
    {"#", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "index", NULL},
    {"variant", GR_TABLE_LEFT, GR_CLI_IN_BOTH, 0, NULL, show_variant},
    {"health", GR_TABLE_LEFT, GR_CLI_IN_BOTH, 0, NULL, show_health},
    {"free", GR_TABLE_RIGHT, GR_CLI_IN_BOTH, 0, NULL, show_free},
    {"memory", GR_TABLE_RIGHT, GR_CLI_IN_BOTH, 0, NULL, show_memory},
    {"used", GR_TABLE_RIGHT, GR_CLI_IN_WIDE, 0, NULL, show_memory_used},
    {"use", GR_TABLE_RIGHT, GR_CLI_IN_BOTH, 70, NULL, show_use},
    {"heat", GR_TABLE_RIGHT, GR_CLI_IN_BOTH, 80, NULL, show_temperature},
    {"power", GR_TABLE_RIGHT, GR_CLI_IN_BOTH, 80, NULL, show_power},
    {"name", GR_TABLE_LEFT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "name", NULL},
    {"address", GR_TABLE_LEFT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "address", NULL},
    {"uuid", GR_TABLE_LEFT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "uuid", NULL},
    {"ECC", GR_TABLE_RIGHT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "ecc_errors", NULL},
    {"XID", GR_TABLE_RIGHT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "xid", NULL},
    {"problem", GR_TABLE_FILL, GR_CLI_IN_ALL, 0, "problem", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "variant", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "vendor", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "pretend", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "health", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "code", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "free_milli", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "out", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "memory_mib", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "memory_used_mib", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "utilisation", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "temperature", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "power_mw", NULL},
};

static const struct gr_cli_noun devices = {
    .plural = "devices",
    .id = "node",
    .id_two = "index",
    .none = "no devices: this machine has no accelerator that granary knows; granary serve "
            "--pretend 8xh20 declares some",
    .columns = columns,
    .count = sizeof columns / sizeof columns[0],
};

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    const char *node;
    bool watch;
    size_t format; // enum gr_cli_output
};

static int fetch(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err)
{
    const char *node = ((const struct request *)context)->node;
    struct gr_client_path path;
    json_t *rows = NULL;
    gr_client_path_init(&path, "/v1/devices");
    int code = gr_cli_fetch_pages(client, &path, "devices", &rows, err);
    for (size_t i = json_array_size(rows); code == 0 && node != NULL && i-- > 0;) {
        if (strcmp(gr_cli_get_text(json_array_get(rows, i), "node", ""), node) != 0) {
            (void)json_array_remove(rows, i);
        }
    }
    if (code == 0 && node != NULL && json_array_size(rows) == 0) {
        // A node without devices, or none at all: the daemon says which.
        json_t *found = NULL;
        gr_client_path_init(&path, "/v1/nodes");
        gr_client_path_add(&path, node);
        code = gr_client_get(client, &path, &found, err);
        json_decref(found);
    }
    if (code != 0) {
        json_decref(rows);
        return code;
    }
    *ret_value = rows;
    return 0;
}

static int list(void *context, char **operands, size_t count)
{
    (void)operands;
    (void)count;
    struct request *request = context;
    const struct gr_cli_listing listing = {
        .noun = &devices, .context = request, .fetch = fetch, .refresh_ms = REFRESH_MS};
    return gr_cli_listing_run(&listing, &request->remote, (enum gr_cli_output)request->format,
                              request->watch);
}

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "devices"}};
    const struct gr_option table[] = {
        {.name = "node",
         .type = GR_OPTION_TEXT,
         .value = "NODE",
         .store = &request.node,
         .help = "Only this node's."},
        GR_CLI_LIST_OPTIONS(&request.watch, &request.format, &request.remote),
    };
    const struct gr_options options = {
        .usage = "devices [OPTIONS]",
        .about = "Lists every accelerator of the pool: its health, whether it is free, and what it "
                 "reads. `pretend` marks devices that exist only by name; - is not known.",
        .options = table,
        .operands = "no operand",
    };
    return gr_cli_remote_run(&request.remote, &options, argc, argv, list, &request);
}

const struct gr_command gr_cli_devices = {
    .name = "devices",
    .summary = "list accelerators: health, use, who has them",
    .run = run,
};
