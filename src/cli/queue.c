// `granary quota`, `share` and `queue`: what each may have, and whose turn it is. See queue.h.
#include "cli/queue.h"

#include "cli/listing.h"
#include "cli/start.h"
#include "cli/units.h"
#include "cli/why.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

// ---- cells --------------------------------------------------------------------------------------

// An amount of devices: "-" for what is not there, `none` where it has no bound.
static void show_amount(const json_t *row, const char *key, const char *none,
                        struct gr_cli_cell *cell)
{
    char text[GR_CLI_UNIT_SIZE];
    snprintf(cell->text, sizeof cell->text, "%s", gr_cli_get_decimal(row, key, none, text));
}

static void show_borrow(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    show_amount(row, "borrow", "any", cell);
}

static void show_lend(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    show_amount(row, "lend", "all", cell);
}

static void show_left(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    show_amount(row, "left", "any", cell);
}

static void show_left_own(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    show_amount(row, "left_own", "any", cell);
}

static void show_borrowed(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    show_amount(row, "borrowed", "0", cell);
    cell->style = strcmp(cell->text, "0") == 0 ? GR_STYLE_PLAIN : GR_STYLE_WARN;
}

// Users below their organisation.
static void show_who(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    const char *user = gr_cli_get_text(row, "user", NULL);
    snprintf(cell->text, sizeof cell->text, "%s%s%s", gr_cli_get_text(row, "organisation", "?"),
             user == NULL ? "" : " / ", user == NULL ? "" : user);
}

static void show_limits(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    static const char *const keys[] = {"running", "devices", "user_running", "user_devices"};
    const json_t *limits = json_object_get(row, "limits");
    size_t used = 0;
    for (size_t k = 0; k < 4; k++) {
        char text[GR_CLI_UNIT_SIZE];
        const char *value = gr_cli_get_decimal(limits, keys[k], NULL, text);
        if (value != NULL && used < sizeof cell->text) {
            used += (size_t)snprintf(cell->text + used, sizeof cell->text - used, "%s%s %s",
                                     used == 0 ? "" : ", ", keys[k], value);
        }
    }
    int64_t priority = gr_cli_get_int_or(limits, "priority", 255);
    if (priority < 255 && used < sizeof cell->text) {
        snprintf(cell->text + used, sizeof cell->text - used, "%spriority %" PRId64,
                 used == 0 ? "" : ", ", priority);
    }
    for (char *at = cell->text; (at = strchr(at, '_')) != NULL;) {
        *at = '-';
    }
}

static void show_job_name(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    (void)gr_cli_clean(gr_cli_get_text_in(row, "job", "name", ""), cell->text, sizeof cell->text);
}

// "4 x 8 h20", or "cpu only".
static void show_asks(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    const json_t *job = json_object_get(row, "job");
    int64_t tasks = gr_cli_get_int_or(job, "tasks", 1);
    int64_t devices = gr_cli_get_int_or(job, "devices", 0);
    int64_t milli = gr_cli_get_int_or(job, "milli", 1000);
    char kind[64], many[24] = "";
    if (tasks > 1) {
        snprintf(many, sizeof many, "%" PRId64 " x ", tasks);
    }
    (void)gr_cli_clean(gr_cli_get_text(job, "kind", ""), kind, sizeof kind);
    if (devices == 0) {
        snprintf(cell->text, sizeof cell->text, "%scpu only", many);
    } else if (milli < 1000) {
        snprintf(cell->text, sizeof cell->text, "%s%" PRId64 " milli %s", many, milli, kind);
    } else {
        snprintf(cell->text, sizeof cell->text, "%s%" PRId64 " %s", many, devices, kind);
    }
}

static void show_waits(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    int64_t since = gr_cli_get_int_or(json_object_get(row, "job"), "submitted_ms", now_ms);
    (void)gr_cli_span(now_ms - since, cell->text);
}

static void show_right(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    snprintf(cell->text, sizeof cell->text, "%s",
             json_is_true(json_object_get(row, "by_right")) ? "yes" : "borrows");
}

static void show_reason(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    (void)gr_cli_clean(gr_cli_get_text_in(json_object_get(row, "job"), "reason", "text", ""),
                       cell->text, sizeof cell->text);
}

// ---- lists --------------------------------------------------------------------------------------

static const struct gr_cli_column quota_columns[] = {
    {"organisation", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "organisation", NULL},
    {"kind", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "variant", NULL},
    {"nominal", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "nominal", NULL},
    {"borrow", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "borrow", show_borrow},
    {"lend", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "lend", show_lend},
    {"used", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "used", NULL},
    {"borrowed", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "borrowed", show_borrowed},
    {"left of its own", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 80, "left_own", show_left_own},
    {"left", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "left", show_left},
};

static const struct gr_cli_noun quotas = {
    .plural = "quotas",
    .id = "organisation",
    .id_two = "variant",
    .none = "no quotas: everybody may have what is free",
    .columns = quota_columns,
    .count = sizeof quota_columns / sizeof quota_columns[0],
};

static const struct gr_cli_column share_columns[] = {
    {"organisation / user", GR_TABLE_LEFT, GR_CLI_IN_BOTH, 0, NULL, show_who},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "organisation", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "user", NULL},
    {"below", GR_TABLE_LEFT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "parent", NULL},
    {"weight", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "weight", NULL},
    {"running", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "running", NULL},
    {"waiting", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "waiting", NULL},
    {"held", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "held", NULL},
    {"past", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "past", NULL},
    {"share", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "share", NULL},
    {"limits", GR_TABLE_FILL, GR_CLI_IN_BOTH, 80, NULL, show_limits},
};

static const struct gr_cli_noun shares = {
    .plural = "shares",
    .id = "organisation",
    .id_two = "user",
    .none = "no organisations",
    .columns = share_columns,
    .count = sizeof share_columns / sizeof share_columns[0],
};

static const struct gr_cli_column queue_columns[] = {
    {"#", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "position", NULL},
    {"job", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "id", NULL},
    {"name", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "job.name", show_job_name},
    {"user", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "job.user", NULL},
    {"organisation", GR_TABLE_LEFT, GR_CLI_IN_ALL, 80, "job.organisation", NULL},
    {"priority", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "job.priority", NULL},
    {"by right", GR_TABLE_LEFT, GR_CLI_IN_ALL, 80, "by_right", show_right},
    {"asks for", GR_TABLE_LEFT, GR_CLI_IN_BOTH, 0, NULL, show_asks},
    {"waits", GR_TABLE_RIGHT, GR_CLI_IN_BOTH, 0, NULL, show_waits},
    {"why", GR_TABLE_FILL, GR_CLI_IN_BOTH, 0, NULL, show_reason},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "job.kind", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "job.tasks", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "job.devices", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "job.milli", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "job.submitted_ms", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "job.reason.code", NULL},
};

static const struct gr_cli_noun turns = {
    .plural = "waiting jobs",
    .id = "id",
    .none = "no job waits",
    .columns = queue_columns,
    .count = sizeof queue_columns / sizeof queue_columns[0],
};

// ---- the commands -------------------------------------------------------------------------------

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    const char *path, *key; // of the list
    int64_t limit;          // 0: none
    bool watch;
    size_t format; // enum gr_cli_output
    // Of the queue: how good estimates were.
    json_t *estimates;
};

static int fetch(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err)
{
    const struct request *request = context;
    struct gr_client_path path;
    gr_client_path_init(&path, request->path);
    if (request->limit > 0) {
        gr_client_path_query_int(&path, "limit", request->limit);
    }
    return gr_cli_fetch_list(client, &path, request->key, ret_value, err);
}

static int fetch_queue(void *context, struct gr_client *client, json_t **ret_value,
                       struct gr_err *err)
{
    struct request *request = context;
    struct gr_client_path path;
    json_t *object = NULL;
    gr_client_path_init(&path, request->path);
    gr_client_path_query_int(&path, "limit", request->limit);
    int code = gr_client_get(client, &path, &object, err);
    json_t *rows = json_incref(json_object_get(object, request->key));
    if (code == 0 && !json_is_array(rows)) {
        code = gr_fail(err, -EPROTO, "the reply holds no list of jobs");
    }
    if (code < 0) {
        json_decref(rows);
    } else {
        json_decref(request->estimates);
        request->estimates = json_incref(json_object_get(object, "estimates"));
        *ret_value = rows;
    }
    json_decref(object);
    return code;
}

static void queue_foot(void *context, const json_t *rows, const struct gr_terminal *terminal)
{
    const struct request *request = context;
    char text[GR_CLI_ESTIMATES_SIZE];
    (void)rows;
    fprintf(terminal->file, "\nstarts: %s\n", gr_cli_estimates_text(request->estimates, text));
}

static int list(struct request *request, const struct gr_options *options,
                const struct gr_cli_noun *noun, int argc, char **argv)
{
    size_t operands;
    int code;
    if (!gr_cli_start(options, argc, argv, &operands, &code) ||
        !gr_cli_remote_open(&request->remote, &code)) {
        return code;
    }
    struct gr_cli_listing listing = {.noun = noun, .context = request, .fetch = fetch};
    if (noun == &turns) {
        listing.fetch = fetch_queue;
        listing.foot = queue_foot;
    }
    code = gr_cli_listing_run(&listing, &request->remote, (enum gr_cli_output)request->format,
                              request->watch);
    json_decref(request->estimates);
    gr_cli_remote_close(&request->remote);
    return code == GR_EXIT_OK ? gr_cli_finish(request->remote.command) : code;
}

static int run_quota(int argc, char **argv)
{
    struct request request = {
        .remote = {.command = "quota"}, .path = "/v1/quotas", .key = "quotas"};
    const struct gr_option table[] = {
        GR_CLI_WATCH_OPTION(&request.watch),
        GR_CLI_OUTPUT_OPTION(&request.format),
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "quota [OPTIONS]",
        .about = "Lists quotas: what is each organisation's own (nominal), what it may borrow and "
                 "what it lends, what it and those below it use, and how much more it may have "
                 "now. `granary apply` sets them.",
        .options = table,
        .operands = "no operand",
    };
    return list(&request, &options, &quotas, argc, argv);
}

static int run_share(int argc, char **argv)
{
    struct request request = {
        .remote = {.command = "share"}, .path = "/v1/shares", .key = "shares"};
    const struct gr_option table[] = {
        GR_CLI_WATCH_OPTION(&request.watch),
        GR_CLI_OUTPUT_OPTION(&request.format),
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "share [OPTIONS]",
        .about = "Lists what organisations, and users with jobs, hold now and held on average, in "
                 "devices, and their shares: both together for the weight. Among siblings the "
                 "smaller share is served first.",
        .options = table,
        .operands = "no operand",
    };
    return list(&request, &options, &shares, argc, argv);
}

static int run_queue(int argc, char **argv)
{
    struct request request = {
        .remote = {.command = "queue"}, .path = "/v1/queue", .key = "jobs", .limit = 100};
    const struct gr_option table[] = {
        {.name = "limit",
         .letter = 'n',
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 1,
         .high = 1000,
         .store = &request.limit,
         .help = "So many at most. Default: 100."},
        GR_CLI_WATCH_OPTION(&request.watch),
        GR_CLI_OUTPUT_OPTION(&request.format),
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "queue [OPTIONS]",
        .about = "Lists the jobs that wait, in the order in which they have their turn: who stays "
                 "within a quota before who borrows, then by priority, then by shares, then by "
                 "age. One that finds no room does not hold up those behind it that do.",
        .options = table,
        .operands = "no operand",
    };
    return list(&request, &options, &turns, argc, argv);
}

const struct gr_command gr_cli_quota = {
    .name = "quota",
    .summary = "list quotas: nominal, borrowed, lent, what is left",
    .run = run_quota,
};

const struct gr_command gr_cli_share = {
    .name = "share",
    .summary = "list shares: what each holds and held, for its weight",
    .run = run_share,
};

const struct gr_command gr_cli_queue = {
    .name = "queue",
    .summary = "list the jobs that wait, in order",
    .run = run_queue,
};
