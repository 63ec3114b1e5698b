// `granary reserve`: sets, lists, shows and ends windows. See reserve.h.
#include "cli/reserve.h"

#include "base/json.h"
#include "base/quantity.h"
#include "cli/listing.h"
#include "cli/page.h"
#include "cli/start.h"
#include "cli/units.h"
#include "cli/when.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    const char *org, *user, *from, *length, *every, *until, *nodes, *kind;
    int64_t devices, times;
    bool has_devices, has_times, maintenance, dry_run;
    size_t format; // enum gr_cli_output
};

// ---- lists and pages ----------------------------------------------------------------------------

static void show_start(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    char text[GR_CLI_UNIT_SIZE];
    snprintf(cell->text, sizeof cell->text, "%s",
             gr_cli_when_format(gr_cli_get_int_or(row, "start_ms", 0), text));
}

// "for 1h, every 1d, 3 times"
static void show_length(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    char text[64];
    int64_t every = gr_cli_get_int_or(row, "every_ms", 0);
    int64_t times = gr_cli_get_int_or(row, "times_left", 0);
    size_t used =
        (size_t)snprintf(cell->text, sizeof cell->text, "%s",
                         gr_duration_format(gr_cli_get_int_or(row, "length_ms", 0), text));
    if (every > 0) {
        used += (size_t)snprintf(cell->text + used, sizeof cell->text - used, ", every %s",
                                 gr_duration_format(every, text));
    }
    if (every > 0 && times > 0) {
        snprintf(cell->text + used, sizeof cell->text - used, ", %" PRId64 " left", times);
    }
}

static void show_state(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    char text[GR_CLI_UNIT_SIZE];
    bool is_open = json_is_true(json_object_get(row, "open"));
    int64_t at = gr_cli_get_int_or(row, is_open ? "end_ms" : "start_ms", now_ms);
    snprintf(cell->text, sizeof cell->text, "%s %s", is_open ? "open for" : "in",
             gr_cli_span(at - now_ms, text));
    cell->style = is_open ? GR_STYLE_WARN : GR_STYLE_PLAIN;
}

static void show_whose(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    snprintf(cell->text, sizeof cell->text, "%s%s",
             gr_cli_get_text(row, "organisation", "maintenance"),
             json_is_true(json_object_get(row, "for_one_user")) ? " (one user)" : "");
}

static const struct gr_cli_column columns[] = {
    {"name", GR_TABLE_FILL, GR_CLI_IN_ALL, 0, "name", NULL},
    {"for", GR_TABLE_LEFT, GR_CLI_IN_BOTH, 0, NULL, show_whose},
    {"which", GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "which", NULL},
    {"organisation", GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "organisation", NULL},
    {"nodes", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "node_count", NULL},
    {"from", GR_TABLE_LEFT, GR_CLI_IN_BOTH, 0, NULL, show_start},
    {"length", GR_TABLE_LEFT, GR_CLI_IN_BOTH, 0, NULL, show_length},
    {"start", GR_TABLE_RIGHT, GR_CLI_IN_CSV, 0, "start_ms", NULL},
    {"end", GR_TABLE_RIGHT, GR_CLI_IN_CSV, 0, "end_ms", NULL},
    {"every", GR_TABLE_RIGHT, GR_CLI_IN_CSV, 0, "every_ms", NULL},
    {"state", GR_TABLE_LEFT, GR_CLI_IN_BOTH, 0, NULL, show_state},
    {"open", GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "open", NULL},
};

static const struct gr_cli_noun windows = {
    .plural = "windows",
    .id = "name",
    .none = "nothing is reserved, and no maintenance is planned",
    .columns = columns,
    .count = sizeof columns / sizeof columns[0],
};

static int fetch(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err)
{
    (void)context;
    struct gr_client_path path;
    gr_client_path_init(&path, "/v1/windows");
    return gr_cli_fetch_list(client, &path, "windows", ret_value, err);
}

static int list(struct request *request)
{
    const struct gr_cli_listing listing = {.noun = &windows, .fetch = fetch};
    return gr_cli_listing_run(&listing, &request->remote, (enum gr_cli_output)request->format,
                              false);
}

// Names of a list, with commas between; what does not fit is counted.
static void names_join(const json_t *list, char *text, size_t size)
{
    size_t used = 0, i = 0;
    for (; i < json_array_size(list) && used + 64 < size; i++) {
        char name[64];
        const json_t *value = json_array_get(list, i);
        if (json_is_integer(value)) {
            snprintf(name, sizeof name, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        } else {
            (void)gr_cli_clean(json_string_value(value) == NULL ? "?" : json_string_value(value),
                               name, sizeof name);
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? "" : ", ", name);
    }
    if (i < json_array_size(list)) {
        (void)snprintf(text + used, size - used, " and %zu more", json_array_size(list) - i);
    }
}

static void put_cell(const struct gr_cli_page *page, const char *label, const json_t *row,
                     void (*show)(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell))
{
    struct gr_cli_cell cell = {.text = ""};
    show(row, gr_cli_now_ms(), &cell);
    gr_cli_page_put(page, label, cell.text);
}

static void window_page(const json_t *row, FILE *file)
{
    struct gr_terminal terminal;
    gr_terminal_init(&terminal, file);
    struct gr_cli_page page = gr_cli_page_of(&terminal);
    char text[900], moment[GR_CLI_UNIT_SIZE];
    gr_cli_page_put(&page, "name", gr_cli_get_text(row, "name", "?"));
    put_cell(&page, "for", row, show_whose);
    put_cell(&page, "from", row, show_start);
    gr_cli_page_put(&page, "to", gr_cli_when_format(gr_cli_get_int_or(row, "end_ms", 0), moment));
    put_cell(&page, "length", row, show_length);
    put_cell(&page, "state", row, show_state);
    names_join(json_object_get(row, "nodes"), text, sizeof text);
    gr_cli_page_putf(&page, "nodes", "%" PRId64 " with %" PRId64 " devices: %s",
                     gr_cli_get_int_or(row, "node_count", 0), gr_cli_get_int_or(row, "devices", 0),
                     text);
    const json_t *hits = json_object_get(row, "hits");
    if (hits != NULL) {
        names_join(hits, text, sizeof text);
        gr_cli_page_putf(&page, "hits", "%s%s",
                         json_array_size(hits) == 0 ? "nobody who runs there now"
                                                    : "asked to stop before it opens: jobs ",
                         json_array_size(hits) == 0 ? "" : text);
    }
}

static int say(const struct request *request, const json_t *row, struct gr_err *err)
{
    enum gr_cli_output format = (enum gr_cli_output)request->format;
    if (format == GR_CLI_OUTPUT_JSON || format == GR_CLI_OUTPUT_JSONL) {
        return gr_cli_object_write(row, format == GR_CLI_OUTPUT_JSONL, stdout, err);
    }
    if (format == GR_CLI_OUTPUT_CSV) {
        gr_cli_object_write_csv(row, stdout);
        return 0;
    }
    window_page(row, stdout);
    return 0;
}

// ---- create -------------------------------------------------------------------------------------

// A duration of an option. 0 or -EINVAL.
static int set_span(json_t *body, const char *key, const char *option, const char *text,
                    struct gr_err *err)
{
    int64_t ms;
    if (text == NULL) {
        return 0;
    }
    if (gr_duration_read(gr_slice_of(text), &ms) < 0) {
        return gr_fail(err, -EINVAL, "%s: found '%.64s', expected a duration: 8h, 1d, 90m", option,
                       text);
    }
    return gr_json_set_int(body, key, ms) == 0 ? 0 : gr_fail(err, -ENOMEM, "not enough memory");
}

static int set_moment(json_t *body, const char *key, const char *option, const char *text,
                      struct gr_err *err)
{
    int64_t ms;
    if (text == NULL) {
        return 0;
    }
    int code = gr_cli_when_read(text, gr_cli_now_ms(), option, &ms, err);
    // A moment is the second in which it is written: now is not past on the way.
    ms += code == 0 && strcmp(text, "now") == 0 ? 2000 : 0;
    return code < 0                              ? code
           : gr_json_set_int(body, key, ms) == 0 ? 0
                                                 : gr_fail(err, -ENOMEM, "not enough memory");
}

static int set_text(json_t *body, const char *key, const char *text)
{
    return text == NULL ? 0 : gr_json_set_text(body, key, gr_slice_of(text));
}

static int set_nodes(json_t *body, const char *text)
{
    if (text == NULL) {
        return 0;
    }
    json_t *nodes = json_array();
    for (const char *at = text; *at != '\0';) {
        size_t size = strcspn(at, ",");
        if (size > 0) {
            (void)gr_json_append(nodes, gr_json_text((struct gr_slice){at, size}));
        }
        at += size + (at[size] == ',');
    }
    return gr_json_set(body, "nodes", nodes);
}

static int make_body(const struct request *request, const char *name, json_t *body,
                     struct gr_err *err)
{
    if (request->from == NULL || request->length == NULL) {
        return gr_fail(err, -EINVAL, "a window needs --from and --length");
    }
    if ((request->org == NULL) != request->maintenance) {
        return gr_fail(err, -EINVAL, "a window is --for an organisation, or --maintenance");
    }
    int code = set_moment(body, "start_ms", "--from", request->from, err);
    code = code < 0 ? code : set_moment(body, "until_ms", "--until", request->until, err);
    code = code < 0 ? code : set_span(body, "length_ms", "--length", request->length, err);
    code = code < 0 ? code : set_span(body, "every_ms", "--every", request->every, err);
    if (code < 0) {
        return code;
    }
    code |= set_text(body, "name", name);
    code |= set_text(body, "organisation", request->org);
    code |= set_text(body, "user", request->user);
    code |= set_text(body, "kind", request->kind);
    code |= set_nodes(body, request->nodes);
    code |= gr_json_set_bool(body, "maintenance", request->maintenance);
    code |= request->has_devices ? gr_json_set_int(body, "devices", request->devices) : 0;
    code |= request->has_times ? gr_json_set_int(body, "times", request->times) : 0;
    return code == 0 ? 0 : gr_fail(err, -ENOMEM, "not enough memory for a request");
}

static int create(struct request *request, const char *name)
{
    struct gr_client_path path;
    struct gr_err err;
    json_t *row = NULL, *body = json_object();
    gr_err_init(&err);
    gr_client_path_init(&path, "/v1/windows");
    gr_client_path_query(&path, "dry_run", request->dry_run ? "true" : NULL);
    int code = make_body(request, name, body, &err);
    code = code < 0 ? code : gr_client_post(request->remote.client, &path, body, NULL, &row, &err);
    if (code == 0 && request->dry_run && request->format <= GR_CLI_OUTPUT_WIDE) {
        printf("would reserve:\n");
    }
    code = code < 0 ? code : say(request, row, &err);
    json_decref(body);
    json_decref(row);
    return code < 0 ? gr_cli_remote_fail(&request->remote, &err)
                    : gr_cli_finish(request->remote.command);
}

// ---- show, end ----------------------------------------------------------------------------------

static int show_one(struct request *request, const char *name, struct gr_err *err)
{
    struct gr_client_path path;
    json_t *row = NULL;
    gr_client_path_init(&path, "/v1/windows");
    gr_client_path_add(&path, name);
    int code = gr_client_get(request->remote.client, &path, &row, err);
    code = code < 0 ? code : say(request, row, err);
    json_decref(row);
    return code;
}

static int end_one(struct request *request, const char *name, struct gr_err *err)
{
    struct gr_client_path path;
    json_t *row = NULL;
    char clean[128];
    gr_client_path_init(&path, "/v1/windows");
    gr_client_path_add(&path, name);
    gr_client_path_add(&path, "end");
    gr_client_path_query(&path, "dry_run", request->dry_run ? "true" : NULL);
    int code = gr_client_post(request->remote.client, &path, NULL, NULL, &row, err);
    if (code == 0 && request->format > GR_CLI_OUTPUT_WIDE) {
        code = say(request, row, err);
    } else if (code == 0) {
        printf("%s %s; %" PRId64 " node%s\n", request->dry_run ? "would end" : "ended",
               gr_cli_clean(name, clean, sizeof clean), gr_cli_get_int_or(row, "node_count", 0),
               gr_cli_get_int_or(row, "node_count", 0) == 1 ? "" : "s");
    }
    json_decref(row);
    return code;
}

static int each(struct request *request, char **names, size_t count,
                int (*one)(struct request *request, const char *name, struct gr_err *err))
{
    int exit = GR_EXIT_OK;
    for (size_t i = 0; i < count; i++) {
        struct gr_err err;
        gr_err_init(&err);
        if (one(request, names[i], &err) < 0) {
            int own = gr_cli_remote_fail(&request->remote, &err);
            exit = exit == GR_EXIT_OK ? own : exit;
        }
    }
    return exit == GR_EXIT_OK ? gr_cli_finish(request->remote.command) : exit;
}

// ---- the command --------------------------------------------------------------------------------

static int work(void *context, char **operands, size_t count)
{
    struct request *request = context;
    const char *verb = operands[0];
    struct gr_err err;
    gr_err_init(&err);
    if (strcmp(verb, "list") == 0 && count == 1) {
        return list(request);
    }
    if (strcmp(verb, "create") == 0 && count == 2) {
        return create(request, operands[1]);
    }
    if (strcmp(verb, "show") == 0 && count >= 2) {
        return each(request, operands + 1, count - 1, show_one);
    }
    if (strcmp(verb, "end") == 0 && count >= 2) {
        return each(request, operands + 1, count - 1, end_one);
    }
    (void)gr_fail(&err, -EINVAL,
                  "expected list, create NAME, show NAME or end NAME...; `granary reserve --help` "
                  "explains");
    return gr_cli_remote_fail(&request->remote, &err);
}

static const char details[] =
    "While a reservation is open its nodes are for work of its organisation and those below it;\n"
    "before, others may start there if their time limit ends them in time. In maintenance nobody\n"
    "starts. Who is in the way is asked to stop the queue's notice before, and waits again.\n"
    "\n"
    "Moments: now, +2h, 21:30 (the next), 'tomorrow 09:00', '2027-03-01 09:00' in local time, or\n"
    "2027-03-01T09:00:00Z. --every is elapsed time: 1d is 24 hours, also when clocks change.\n"
    "\n"
    "examples:\n"
    "  granary reserve create course --for lab --devices 8 --kind h20 --from 'tomorrow 09:00' \\\n"
    "      --length 8h --dry-run\n"
    "  granary reserve create firmware --maintenance --nodes node-1,node-2 --from 23:00 --length "
    "2h\n"
    "  granary reserve create seminar --for lab --devices 16 --from 09:00 --length 4h --every 7d "
    "\\\n"
    "      --times 12\n"
    "  granary reserve list\n"
    "  granary reserve end course\n";

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "reserve"}};
    const struct gr_option table[] = {
        {.name = "for",
         .type = GR_OPTION_TEXT,
         .value = "ORGANISATION",
         .store = &request.org,
         .help = "create: whose work may be there, with those below it."},
        {.name = "user",
         .letter = 'u',
         .type = GR_OPTION_TEXT,
         .value = "USER",
         .store = &request.user,
         .help = "create: only this one of the organisation: a name, a uid or uid-1234."},
        {.name = "maintenance",
         .type = GR_OPTION_FLAG,
         .store = &request.maintenance,
         .help = "create: for nobody."},
        {.name = "from",
         .type = GR_OPTION_TEXT,
         .value = "WHEN",
         .store = &request.from,
         .help = "create: when it opens."},
        {.name = "length",
         .type = GR_OPTION_TEXT,
         .value = "DURATION",
         .store = &request.length,
         .help = "create: how long it is open."},
        {.name = "every",
         .type = GR_OPTION_TEXT,
         .value = "DURATION",
         .store = &request.every,
         .help = "create: opens again so long after it opened: 1d, 7d. Default: once."},
        {.name = "until",
         .type = GR_OPTION_TEXT,
         .value = "WHEN",
         .store = &request.until,
         .help = "create: with --every, opens for the last time then at the latest."},
        {.name = "times",
         .type = GR_OPTION_INT,
         .value = "N",
         .store = &request.times,
         .given = &request.has_times,
         .low = 1,
         .high = UINT32_MAX,
         .help = "create: with --every, how often in all. Default: without end."},
        {.name = "nodes",
         .type = GR_OPTION_TEXT,
         .value = "NODE,NODE...",
         .store = &request.nodes,
         .help = "create: these nodes."},
        {.name = "devices",
         .letter = 'd',
         .type = GR_OPTION_INT,
         .value = "N",
         .store = &request.devices,
         .given = &request.has_devices,
         .low = 1,
         .high = INT64_C(1) << 32,
         .help = "create: instead of --nodes, whole nodes with so many accelerators, free ones "
                 "first."},
        {.name = "kind",
         .letter = 'k',
         .type = GR_OPTION_TEXT,
         .value = "KIND",
         .store = &request.kind,
         .help = "create: with --devices, of which kind. Default: any."},
        GR_CLI_DRY_RUN_OPTION(&request.dry_run),
        GR_CLI_OUTPUT_OPTION(&request.format),
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "reserve create [OPTIONS] NAME\nreserve list [OPTIONS]\n"
                 "reserve show [OPTIONS] NAME...\nreserve end [OPTIONS] NAME...",
        .about = "Keeps nodes for an organisation, or for maintenance, at certain times. "
                 "Everybody sees those of his organisation; operators create and end them.",
        .options = table,
        .details = details,
        .operands_min = 1,
        .operands_max = 1000,
        .operands = "create, list, show or end",
    };
    return gr_cli_remote_run(&request.remote, &options, argc, argv, work, &request);
}

const struct gr_command gr_cli_reserve = {
    .name = "reserve",
    .summary = "keep nodes for somebody, or for maintenance, at times",
    .run = run,
};
