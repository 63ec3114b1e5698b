// `granary defrag`: which work would go elsewhere so that a waiting job fits; and does it. See
// queue.h.
#include "base/json.h"
#include "cli/output.h"
#include "cli/queue.h"
#include "cli/reference.h"
#include "cli/remote.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NODES_SIZE = 64 };

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    const char *job; // NULL: whoever comes first
    bool dry_run;
    size_t format; // enum gr_cli_output
};

// "gpu-1, gpu-2 and 6 more".
static const char *nodes_text(const json_t *object, const char *key, char text[NODES_SIZE])
{
    const json_t *names = json_object_get(object, key);
    size_t used = 0, index;
    const json_t *name;
    text[0] = '\0';
    json_array_foreach(names, index, name)
    {
        char clean[NODES_SIZE];
        (void)gr_cli_clean(json_is_string(name) ? json_string_value(name) : "?", clean,
                           sizeof clean);
        if (used + strlen(clean) + 16 > NODES_SIZE && index > 0) {
            snprintf(text + used, NODES_SIZE - used, " and %zu more",
                     json_array_size(names) - index);
            break;
        }
        int wrote =
            snprintf(text + used, NODES_SIZE - used, "%s%.40s", index > 0 ? ", " : "", clean);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return text;
}

static void say_table(const struct request *request, const json_t *answer)
{
    char job[32] = "nobody", lost[GR_CLI_UNIT_SIZE], nodes[NODES_SIZE];
    const json_t *moves = json_object_get(answer, "moves");
    size_t count = json_array_size(moves), index;
    const json_t *move;
    int64_t id, needed;
    if (gr_cli_get_int(answer, "job", &id)) {
        snprintf(job, sizeof job, "job %" PRId64, id);
    }
    if (count == 0) {
        printf("%s %s\n", job, gr_cli_get_text(answer, "text", ""));
        if (gr_cli_get_int(answer, "needed", &needed)) {
            printf("%" PRId64 " move%s would make the room\n", needed, needed == 1 ? "" : "s");
        }
        return;
    }
    printf("%-10s %-24s %-24s %8s %12s %8s\n", "JOB", "FROM", "TO", "DEVICES", "LOST WORK",
           "NOTICE");
    json_array_foreach(moves, index, move)
    {
        char to[NODES_SIZE], devices[GR_CLI_UNIT_SIZE], notice[GR_CLI_UNIT_SIZE];
        printf("%-10" PRId64 " %-24.40s %-24.40s %8s %10s h %8s\n",
               gr_cli_get_int_or(move, "job", 0), nodes_text(move, "from", nodes),
               nodes_text(move, "to", to), gr_cli_get_decimal(move, "devices", "?", devices),
               gr_cli_get_decimal(move, "lost_work", "?", lost),
               gr_cli_span(gr_cli_get_int_or(move, "notice_ms", 0), notice));
    }
    printf("%s%s %s on %s: %zu move%s%s, %s device-hours of work lost\n",
           request->dry_run ? "" : "asked: ", job, request->dry_run ? "would fit" : "starts",
           nodes_text(answer, "on", nodes), count, count == 1 ? "" : "s",
           json_is_true(json_object_get(answer, "fewest")) ? ", the fewest" : "",
           gr_cli_get_decimal(answer, "lost_work", "?", lost));
}

static int say(const struct request *request, const json_t *answer, struct gr_err *err)
{
    switch ((enum gr_cli_output)request->format) {
    case GR_CLI_OUTPUT_JSON:
    case GR_CLI_OUTPUT_JSONL:
        return gr_cli_object_write(answer, request->format == GR_CLI_OUTPUT_JSONL, stdout, err);
    case GR_CLI_OUTPUT_CSV:
        gr_cli_object_write_csv(answer, stdout);
        return 0;
    case GR_CLI_OUTPUT_TABLE:
    case GR_CLI_OUTPUT_WIDE:
        break;
    }
    say_table(request, answer);
    return 0;
}

static int defrag(struct request *request)
{
    struct gr_cli_job job = {0};
    struct gr_client_path path;
    struct gr_err err;
    json_t *body = json_object(), *answer = NULL;
    gr_err_init(&err);
    int code = body == NULL ? gr_fail(&err, -ENOMEM, "not enough memory for a request") : 0;
    if (code == 0 && request->job != NULL) {
        code = gr_cli_job_find(request->remote.client, request->job, &job, &err);
        code = code == 0 ? gr_json_set_int(body, "job", (int64_t)job.id) : code;
    }
    if (code == 0) {
        gr_client_path_init(&path, "/v1/defrag");
        gr_client_path_query(&path, "dry_run", request->dry_run ? "true" : NULL);
        code = gr_client_post(request->remote.client, &path, body, NULL, &answer, &err);
    }
    code = code < 0 ? code : say(request, answer, &err);
    bool none = code == 0 && json_array_size(json_object_get(answer, "moves")) == 0;
    json_decref(body);
    json_decref(answer);
    gr_cli_job_done(&job);
    if (code < 0) {
        return gr_cli_remote_fail(&request->remote, &err);
    }
    code = gr_cli_finish("defrag");
    return code == GR_EXIT_OK && none ? GR_EXIT_FAILED : code;
}

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "defrag"}};
    const struct gr_option table[] = {
        GR_CLI_DRY_RUN_OPTION(&request.dry_run),
        GR_CLI_OUTPUT_OPTION(&request.format),
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "defrag [OPTIONS] [JOB]",
        .about =
            "Finds the fewest jobs that have to go elsewhere so that JOB fits, which waits, and "
            "asks them to stop: JOB starts in their place, and they where they fit. Without "
            "JOB it is the first in order of whom that is true. Only jobs move that say "
            "requeue.on: [move] or have made a checkpoint; no attempt is counted for it. "
            "--dry-run only says so. Exits with 1 if no moves would do. For operators.",
        .options = table,
        .details = GR_CLI_REFERENCE_HELP,
        .operands_max = 1,
        .operands = "one job, or none",
    };
    size_t operands;
    int code;
    if (!gr_cli_start(&options, argc, argv, &operands, &code) ||
        !gr_cli_remote_open(&request.remote, &code)) {
        return code;
    }
    request.job = operands > 0 ? argv[1] : NULL;
    code = defrag(&request);
    gr_cli_remote_close(&request.remote);
    return code;
}

const struct gr_command gr_cli_defrag = {
    .name = "defrag",
    .summary = "move work so that a waiting job fits",
    .run = run,
};
