// `granary logs`: what a job has written, and what it goes on writing. See logs.h.
#include "cli/logs.h"

#include "cli/follow.h"
#include "cli/jobs.h"
#include "cli/reference.h"
#include "cli/start.h"
#include "cli/units.h"
#include "cli/wait.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const streams[] = {"both", "out", "err", NULL};
enum { BOTH, OUT, ERR };

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    int64_t task, attempt, from;
    bool has_task, has_from, follow;
    size_t stream; // index into `streams`
};

static bool has_started(void *context, const json_t *job)
{
    (void)context;
    int64_t at;
    return gr_cli_get_int(job, "started_ms", &at) ||
           gr_cli_job_has_ended(gr_cli_get_text(job, "state", ""));
}

// A job that has not begun has no output: --follow waits for it.
static int wait_for_start(const struct request *request, struct gr_cli_job *job, struct gr_err *err)
{
    const char *state = gr_cli_get_text(job->json, "state", "?");
    if (request->attempt > 0 || has_started(NULL, job->json)) {
        return 0;
    }
    if (!request->follow) {
        return gr_fail(err, -ENOENT, "job %" PRIu64 " has no output yet: it is %s; -f waits for it",
                       job->id, state);
    }
    struct gr_cli_wait wait = {
        .client = request->remote.client,
        .jobs = &job->id,
        .count = 1,
        .from = -1,
        .signals = -1,
        .is_enough = has_started,
    };
    return gr_cli_wait_run(&wait, err);
}

// An attempt that never was has no output, and is no empty one.
static int check_attempt(const struct request *request, const struct gr_cli_job *job,
                         struct gr_err *err)
{
    int64_t last = gr_cli_get_int_or(job->json, "attempt", request->attempt);
    return request->attempt <= last || request->follow
               ? 0
               : gr_fail(err, -ENOENT,
                         "--attempt: job %" PRIu64 " has had %" PRId64 " attempt%s so far", job->id,
                         last, last == 1 ? "" : "s");
}

static int copy(const struct request *request, const struct gr_cli_job *job, struct gr_err *err)
{
    int64_t tasks = gr_cli_get_int_or(job->json, "tasks", 1);
    int64_t shown = tasks > GR_CLI_FOLLOW_TASKS_MAX ? GR_CLI_FOLLOW_TASKS_MAX : tasks;
    if (request->has_task && request->task >= tasks) {
        return gr_fail(err, -ENOENT, "--task: job %" PRIu64 " has tasks 0 to %" PRId64, job->id,
                       tasks - 1);
    }
    if (!request->has_task && shown < tasks) {
        fprintf(stderr,
                "granary logs: only tasks 0 to %" PRId64 " of %" PRId64
                "; --task N shows another\n",
                shown - 1, tasks);
    }
    struct gr_cli_follow follow = {
        .client = request->remote.client,
        .job = job->id,
        .attempt = (uint32_t)request->attempt,
        .task_first = request->has_task ? (uint32_t)request->task : 0,
        .task_count = request->has_task ? 1 : (uint32_t)shown,
        .out = request->stream != ERR,
        .err = request->stream != OUT,
        .from = request->has_from ? request->from : -1,
        .is_followed = request->follow,
        .signals = -1,
    };
    return gr_cli_follow_run(&follow, err);
}

static int show(const struct request *request, const char *text)
{
    struct gr_cli_job job;
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_cli_job_find(request->remote.client, text, &job, &err);
    if (code == 0) {
        code = check_attempt(request, &job, &err);
        code = code == 0 ? wait_for_start(request, &job, &err) : code;
        code = code == 0 ? copy(request, &job, &err) : code;
        gr_cli_job_done(&job);
    }
    return code < 0 ? gr_cli_remote_fail(&request->remote, &err) : gr_cli_finish("logs");
}

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "logs"}};
    const struct gr_option table[] = {
        {.name = "follow",
         .letter = 'f',
         .type = GR_OPTION_FLAG,
         .store = &request.follow,
         .help = "Wait for the job to start if need be, and go on until the attempt has ended."},
        {.name = "stream",
         .type = GR_OPTION_WORD,
         .value = "STREAM",
         .words = streams,
         .store = &request.stream,
         .help = "out: what was written to standard output; err: to standard error; both "
                 "(default), each to the same one here."},
        {.name = "task",
         .letter = 't',
         .type = GR_OPTION_INT,
         .value = "N",
         .store = &request.task,
         .given = &request.has_task,
         .low = 0,
         .high = 65535,
         .help = "Only this task of a gang. Default: all (at most 32), each line with its task's "
                 "number."},
        {.name = "attempt",
         .type = GR_OPTION_INT,
         .value = "N",
         .store = &request.attempt,
         .low = 1,
         .high = 1000,
         .help = "Of this attempt. Default: the newest."},
        {.name = "from",
         .type = GR_OPTION_INT,
         .value = "BYTE",
         .store = &request.from,
         .given = &request.has_from,
         .low = 0,
         .high = INT64_MAX,
         .help = "Leave out what stands before this byte."},
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "logs [OPTIONS] JOB",
        .about = "Writes what a job wrote, as it wrote it. A connection that breaks is made again "
                 "where it broke, so following outlives a restart of the daemon.",
        .options = table,
        .details = GR_CLI_REFERENCE_HELP,
        .operands_min = 1,
        .operands_max = 1,
        .operands = "a job",
    };
    size_t operands;
    int code;
    if (!gr_cli_start(&options, argc, argv, &operands, &code) ||
        !gr_cli_remote_open(&request.remote, &code)) {
        return code;
    }
    code = show(&request, argv[1]);
    gr_cli_remote_close(&request.remote);
    return code;
}

const struct gr_command gr_cli_logs = {
    .name = "logs",
    .summary = "what a job has written; -f follows it",
    .run = run,
};
