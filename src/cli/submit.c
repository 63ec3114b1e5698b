// `granary submit`: hands jobs to the pool and says their numbers. See submit.h.
#include "cli/submit.h"

#include "base/json.h"
#include "cli/jobs.h"
#include "cli/output.h"
#include "cli/reference.h"
#include "cli/send.h"
#include "cli/start.h"
#include "cli/units.h"
#include "cli/wait.h"
#include "client/bulk.h"
#include "client/path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    struct gr_cli_ask ask;
    const char *ndjson, *key;
    bool dry_run, wait;
    size_t format; // enum gr_cli_output
    struct gr_terminal terminal;
    uint64_t accepted, refused; // of --ndjson
    int exit;                   // of --wait: the first that is not 0
    size_t waited;              // jobs of --wait
};

// ---- what became of it --------------------------------------------------------------------------

static const struct gr_cli_column columns[] = {
    {"id", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "id", NULL},
    {"name", GR_TABLE_FILL, GR_CLI_IN_ALL, 0, "name", NULL},
    {"state", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "state", NULL},
    {"count", GR_TABLE_RIGHT, GR_CLI_IN_CSV | GR_CLI_IN_WIDE, 0, "count", NULL},
    {"first", GR_TABLE_RIGHT, GR_CLI_IN_CSV | GR_CLI_IN_WIDE, 0, "first", NULL},
    {"last", GR_TABLE_RIGHT, GR_CLI_IN_CSV | GR_CLI_IN_WIDE, 0, "last", NULL},
    {"sequence", GR_TABLE_RIGHT, GR_CLI_IN_CSV | GR_CLI_IN_WIDE, 0, "sequence", NULL},
};
static const struct gr_cli_noun submissions = {
    .plural = "submissions",
    .id = "id",
    .none = "no jobs",
    .columns = columns,
    .count = sizeof columns / sizeof columns[0],
};

static const struct gr_cli_column dry_columns[] = {
    {"name", GR_TABLE_FILL, GR_CLI_IN_ALL, 0, "name", NULL},
    {"would", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "would", NULL},
    {"why", GR_TABLE_FILL, GR_CLI_IN_ALL, 0, "reason.text", NULL},
    {"kinds", GR_TABLE_FILL, GR_CLI_IN_ALL, 0, "kind_order", NULL},
};
static const struct gr_cli_noun dry_runs = {
    .plural = "submissions",
    .id = "name",
    .none = "no jobs",
    .columns = dry_columns,
    .count = sizeof dry_columns / sizeof dry_columns[0],
};

// On a pipe a number a line, which the next program can use; on a terminal what to type next too.
static void say(const struct request *request, const struct gr_cli_sent *sent, size_t count)
{
    bool is_terminal = request->terminal.is_terminal;
    char name[128];
    for (size_t i = 0; i < count; i++) {
        const char *text = gr_cli_get_text(sent[i].answer, "name", "");
        if (!is_terminal) {
            printf("%" PRIu64 "\n", sent[i].first);
        } else if (sent[i].last > sent[i].first) {
            printf("array %" PRIu64 " to %" PRIu64 " %s\n", sent[i].first, sent[i].last,
                   gr_cli_clean(text, name, sizeof name));
        } else {
            printf("job %" PRIu64 " %s: %s\n", sent[i].first, gr_cli_clean(text, name, sizeof name),
                   gr_cli_get_text(sent[i].answer, "state", "submitted"));
        }
    }
    if (is_terminal && count == 1 && sent[0].first == sent[0].last) {
        printf("  next: granary logs -f %" PRIu64 "\n", sent[0].first);
    } else if (is_terminal && count > 0) {
        printf("  next: granary ps --mine --watch\n");
    }
}

static int show(const struct request *request, const struct gr_cli_sent *sent, size_t count,
                struct gr_err *err)
{
    enum gr_cli_output format = (enum gr_cli_output)request->format;
    if (format == GR_CLI_OUTPUT_TABLE && !request->dry_run) {
        say(request, sent, count);
        return 0;
    }
    json_t *rows = json_array();
    int code = 0;
    for (size_t i = 0; i < count; i++) {
        code |= gr_json_append(rows, json_incref(sent[i].answer));
    }
    code = code < 0 ? gr_fail(err, -ENOMEM, "not enough memory for a list")
                    : gr_cli_rows_write(request->dry_run ? &dry_runs : &submissions, rows, format,
                                        true, gr_cli_now_ms(), &request->terminal, err);
    json_decref(rows);
    return code;
}

// A dry run that would be refused tells it by its exit code, as the real one would.
static int exit_of_dry_run(const struct gr_cli_sent *sent, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(gr_cli_get_text(sent[i].answer, "would", ""), "refuse") == 0) {
            const char *code = gr_cli_get_text_in(sent[i].answer, "reason", "code", "");
            return strcmp(code, "no-room") == 0 ? GR_EXIT_NO_CAPACITY : GR_EXIT_REFUSED;
        }
    }
    return GR_EXIT_OK;
}

// ---- --wait -------------------------------------------------------------------------------------

static bool has_ended(void *context, const json_t *job)
{
    struct request *request = context;
    if (!gr_cli_job_has_ended(gr_cli_get_text(job, "state", ""))) {
        return false;
    }
    int exit = gr_cli_job_exit(job);
    if (exit != 0 && request->exit == 0) {
        request->exit = request->waited == 1 ? exit : GR_EXIT_FAILED;
    }
    if (exit != 0) {
        char why[256];
        char clean[256];
        gr_cli_job_why(job, why, sizeof why);
        fprintf(stderr, "granary submit: job %" PRId64 ": %s%s%s\n",
                gr_cli_get_int_or(job, "id", 0), gr_cli_get_text(job, "state", ""),
                why[0] == '\0' ? "" : ": ", gr_cli_clean(why, clean, sizeof clean));
    }
    return true;
}

static int wait_for(struct request *request, const struct gr_cli_sent *sent, size_t count,
                    struct gr_err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += (size_t)(sent[i].last - sent[i].first) + 1;
    }
    if (total == 0) {
        return 0;
    }
    uint64_t *ids = calloc(total, sizeof *ids);
    if (ids == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory to wait for %zu jobs", total);
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        for (uint64_t id = sent[i].first; id <= sent[i].last; id++) {
            ids[at++] = id;
        }
    }
    request->waited = total;
    struct gr_cli_wait wait = {
        .client = request->remote.client,
        .jobs = ids,
        .count = total,
        .from = (int64_t)sent[0].sequence,
        .signals = -1,
        .context = request,
        .is_enough = has_ended,
    };
    int code = gr_cli_wait_run(&wait, err);
    free(ids);
    return code;
}

static int submit(struct request *request)
{
    struct gr_cli_sent *sent = NULL;
    size_t count = 0;
    struct gr_err err;
    struct gr_err show_err;
    gr_err_init(&err);
    int code = gr_cli_send(&request->ask, &request->remote, request->key, request->dry_run, &sent,
                           &count, &err);
    // Those that were submitted before one failed are said too: they are there.
    int shown = count > 0 ? show(request, sent, count, &show_err) : 0;
    if (code == 0 && shown < 0) {
        err = show_err;
        code = shown;
    }
    if (code == 0 && request->wait && !request->dry_run) {
        (void)fflush(stdout);
        code = wait_for(request, sent, count, &err);
    }
    int exit = request->dry_run ? exit_of_dry_run(sent, count) : request->exit;
    gr_cli_sent_done(sent, count);
    if (code < 0) {
        return gr_cli_remote_fail(&request->remote, &err);
    }
    code = gr_cli_finish("submit");
    return code == GR_EXIT_OK ? exit : code;
}

// ---- --ndjson -----------------------------------------------------------------------------------

static int each_line(void *context, uint64_t line, const json_t *reply, struct gr_err *err)
{
    struct request *request = context;
    const json_t *error = json_object_get(reply, "error");
    int64_t id;
    if (error != NULL) {
        request->refused++;
    } else {
        request->accepted++;
    }
    if (request->format == GR_CLI_OUTPUT_JSON || request->format == GR_CLI_OUTPUT_JSONL) {
        json_t *own = json_copy((json_t *)(uintptr_t)reply);
        int code = gr_json_set_int(own, "line", (int64_t)line);
        code = code < 0 ? gr_fail(err, -ENOMEM, "not enough memory for JSON")
                        : gr_cli_object_write(own, true, stdout, err);
        json_decref(own);
        return code;
    }
    if (error != NULL) {
        const char *name = strcmp(request->ndjson, "-") == 0 ? "standard input" : request->ndjson;
        gr_cli_remote_fail_line(&request->remote, name, line, error);
    } else if (gr_cli_get_int(reply, "id", &id)) {
        printf(request->format == GR_CLI_OUTPUT_CSV ? "%" PRIu64 ",%" PRId64 "\n"
                                                    : "%.0" PRIu64 "%" PRId64 "\n",
               request->format == GR_CLI_OUTPUT_CSV ? line : 0, id);
    }
    return ferror(stdout) ? gr_fail(err, -EIO, "write standard output") : 0;
}

static int submit_bulk(struct request *request)
{
    struct gr_err err;
    struct gr_client_path path;
    uint64_t line = 1;
    bool is_stdin = strcmp(request->ndjson, "-") == 0;
    gr_err_init(&err);
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_query(&path, "dry_run", request->dry_run ? "true" : NULL);
    int fd = is_stdin ? STDIN_FILENO : open(request->ndjson, O_RDONLY | O_CLOEXEC);
    struct gr_client_bulk bulk = {
        .path = &path,
        .fd = fd,
        .name = is_stdin ? "standard input" : request->ndjson,
        .context = request,
        .each = each_line,
    };
    if (request->format == GR_CLI_OUTPUT_CSV) {
        puts("line,id");
    }
    int code = fd < 0 ? gr_fail_errno(&err, "open %s", request->ndjson)
                      : gr_client_bulk_send(request->remote.client, &bulk, &line, &err);
    if (fd >= 0 && !is_stdin) {
        close(fd);
    }
    if (code < 0) {
        int exit = gr_cli_remote_fail(&request->remote, &err);
        fprintf(stderr,
                "  %" PRIu64 " jobs were submitted; from line %" PRIu64
                " on nothing is known of any\n",
                request->accepted, line);
        return exit;
    }
    // A script whose file came out empty is told so, though nothing failed.
    if (request->refused > 0 || request->accepted == 0 || request->terminal.is_terminal) {
        (void)fflush(stdout);
        fprintf(stderr, "granary submit: %" PRIu64 " submitted, %" PRIu64 " refused\n",
                request->accepted, request->refused);
    }
    code = gr_cli_finish("submit");
    return code == GR_EXIT_OK && request->refused > 0 ? GR_EXIT_FAILED : code;
}

// ---- the command --------------------------------------------------------------------------------

static const char details[] =
    "Prints the job's number; of an array that of its first element.\n"
    "\n"
    "examples:\n"
    "  granary submit -- python train.py --epochs 3\n"
    "  granary submit --kind 'h100|h200' --devices 8 --tasks 4 --limit 2h -- ./train.sh\n"
    "  granary submit --array 0-99%10 --memory 4GiB -- ./render --frame\n"
    "  granary submit -f job.yaml --name again --after @last:any\n"
    "  granary submit --ndjson jobs.ndjson\n"
    "\n"
    "Lines of --ndjson are specs as JSON, taken as they are: the environment, directory and umask\n"
    "of this shell do not go with them.\n";

static int dispatch(struct request *request)
{
    if (request->ndjson == NULL) {
        return submit(request);
    }
    if (request->ask.file != NULL || request->ask.argc > 0 || request->wait ||
        request->key != NULL) {
        fprintf(stderr, "granary submit: --ndjson: found a job file, a command, --wait or --key "
                        "beside it, expected it alone\n");
        return GR_EXIT_USAGE;
    }
    return submit_bulk(request);
}

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "submit"}};
    const struct gr_option table[] = {
        GR_CLI_ASK_OPTIONS(&request.ask),
        {.name = "ndjson",
         .type = GR_OPTION_TEXT,
         .value = "FILE",
         .store = &request.ndjson,
         .help = "Many jobs at once: a spec a line, as JSON; - is standard input. One bad line "
                 "does not stop the others."},
        {.name = "wait",
         .letter = 'w',
         .type = GR_OPTION_FLAG,
         .store = &request.wait,
         .help = "Wait until all have ended; the exit code is the job's (of several: 1 if one "
                 "failed)."},
        {.name = "key",
         .type = GR_OPTION_TEXT,
         .value = "TEXT",
         .store = &request.key,
         .help = "Idempotency key: the same key again submits nothing new. Default: a random one."},
        GR_CLI_DRY_RUN_OPTION(&request.dry_run),
        GR_CLI_OUTPUT_OPTION(&request.format),
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "submit [OPTIONS] [--] COMMAND [ARGS]\nsubmit -f FILE [OPTIONS] [[--] COMMAND "
                 "[ARGS]]\nsubmit --ndjson FILE|-",
        .about = "Submits jobs. They run as you, in this directory, and wait if there is no room.",
        .options = table,
        .details = details,
        .operands_max = GR_SPEC_ARGS_MAX,
        .operands = "a command",
        .operands_end = true,
    };
    size_t operands;
    int code;
    if (!gr_cli_start(&options, argc, argv, &operands, &code)) {
        return code;
    }
    request.ask.argv = argv + 1;
    request.ask.argc = operands;
    gr_terminal_init(&request.terminal, stdout);
    if (!gr_cli_remote_open(&request.remote, &code)) {
        return code;
    }
    code = dispatch(&request);
    gr_cli_remote_close(&request.remote);
    return code;
}

const struct gr_command gr_cli_submit = {
    .name = "submit",
    .summary = "hand jobs to the pool",
    .run = run,
};
