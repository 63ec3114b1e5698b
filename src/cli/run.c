// `granary run`: submits a job, shows what it writes, and ends as it ends. See run.h.
#include "cli/run.h"

#include "cli/follow.h"
#include "cli/jobs.h"
#include "cli/reference.h"
#include "cli/send.h"
#include "cli/signals.h"
#include "cli/start.h"
#include "cli/units.h"
#include "cli/wait.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The state of one run.
struct session {
    struct gr_cli_remote remote;
    struct gr_cli_ask ask;
    bool dry_run, quiet;
    int signals;      // see cli/signals.h
    int interrupts;   // signals that came
    int left_by;      // the signal after which the job was left alone; 0: none
    uint64_t id;      // the job
    int64_t followed; // attempt whose output was shown last
    json_t *job;      // as it was seen last
};

static void note(const struct session *session, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

// A word to the person at the terminal; never into the job's output.
static void note(const struct session *session, const char *fmt, ...)
{
    va_list args;
    if (session->quiet) {
        return;
    }
    va_start(args, fmt);
    fputs("granary run: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

// The first Ctrl-C stops the job, the second leaves it.
static bool take_signal(void *context, int number)
{
    struct session *session = context;
    struct gr_client_path path;
    struct gr_err err;
    json_t *answer = NULL;
    session->interrupts++;
    if (session->interrupts > 1) {
        session->left_by = number;
        return false;
    }
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_add_id(&path, session->id);
    gr_client_path_add(&path, "stop");
    json_t *body = json_object();
    int code = gr_client_post(session->remote.client, &path, body, NULL, &answer, &err);
    json_decref(body);
    json_decref(answer);
    if (code == 0) {
        note(session, "stopping job %" PRIu64 " (it has its grace to end); again to leave it",
             session->id);
    } else if (code != -EEXIST) { // it has not ended meanwhile
        note(session, "cannot stop job %" PRIu64 ": %s; again to leave it", session->id, err.text);
    }
    return true;
}

// Enough: an attempt began whose output was not shown yet, or the job has ended.
static bool has_news(void *context, const json_t *job)
{
    struct session *session = context;
    const char *state = gr_cli_get_text(job, "state", "");
    int64_t started;
    bool is_new = gr_cli_get_int_or(job, "attempt", 0) > session->followed &&
                  gr_cli_get_int(job, "started_ms", &started);
    json_decref(session->job);
    session->job = json_incref((json_t *)(uintptr_t)job);
    return is_new || gr_cli_job_has_ended(state);
}

static int wait_for_news(struct session *session, int64_t from, struct gr_err *err)
{
    struct gr_cli_wait wait = {
        .client = session->remote.client,
        .jobs = &session->id,
        .count = 1,
        .from = from,
        .signals = session->signals,
        .context = session,
        .is_enough = has_news,
        .signal = take_signal,
    };
    return gr_cli_wait_run(&wait, err);
}

static int follow_attempt(struct session *session, struct gr_err *err)
{
    int64_t tasks = gr_cli_get_int_or(session->job, "tasks", 1);
    session->followed = gr_cli_get_int_or(session->job, "attempt", 1);
    struct gr_cli_follow follow = {
        .client = session->remote.client,
        .job = session->id,
        .attempt = (uint32_t)session->followed,
        .task_count = (uint32_t)(tasks > GR_CLI_FOLLOW_TASKS_MAX ? GR_CLI_FOLLOW_TASKS_MAX : tasks),
        .out = true,
        .err = true,
        .from = -1,
        .is_followed = true,
        .signals = session->signals,
        .context = session,
        .signal = take_signal,
    };
    return gr_cli_follow_run(&follow, err);
}

// Stays until the job has ended. 1: it was left.
static int stay(struct session *session, int64_t sequence, struct gr_err *err)
{
    for (;;) {
        int code = wait_for_news(session, sequence, err);
        if (code != 0) {
            return code;
        }
        sequence = -1; // from now on: look at the job, then at what comes
        int64_t started;
        bool has_begun = gr_cli_get_int_or(session->job, "attempt", 0) > session->followed &&
                         gr_cli_get_int(session->job, "started_ms", &started);
        bool has_ended = gr_cli_job_has_ended(gr_cli_get_text(session->job, "state", ""));
        if (has_begun) {
            code = follow_attempt(session, err);
        }
        if (code != 0 || has_ended) {
            return code;
        }
    }
}

static int conclude(const struct session *session)
{
    char why[256];
    char clean[256];
    const char *state = gr_cli_get_text(session->job, "state", "");
    int exit = gr_cli_job_exit(session->job);
    gr_cli_job_why(session->job, why, sizeof why);
    if (exit != 0) {
        note(session, "job %" PRIu64 " %s%s%s", session->id, state, why[0] == '\0' ? "" : ": ",
             gr_cli_clean(why, clean, sizeof clean));
    }
    return exit;
}

static int leave(const struct session *session)
{
    note(session, "left; the job goes on: granary logs -f %" PRIu64, session->id);
    return 128 + session->left_by;
}

static int submit_and_stay(struct session *session)
{
    struct gr_cli_sent *sent = NULL;
    struct gr_err err;
    size_t count = 0;
    gr_err_init(&err);
    int code =
        gr_cli_send(&session->ask, &session->remote, NULL, session->dry_run, &sent, &count, &err);
    if (code == 0 && session->dry_run) {
        const char *why = gr_cli_get_text_in(sent[0].answer, "reason", "text", "");
        printf("would %s%s%s\n", gr_cli_get_text(sent[0].answer, "would", "?"),
               why[0] == '\0' ? "" : ": ", why);
    } else if (code == 0) {
        session->id = sent[0].first;
        note(session, "job %" PRIu64 " %s", session->id,
             gr_cli_get_text(sent[0].answer, "state", "submitted"));
        code = stay(session, (int64_t)sent[0].sequence, &err);
    }
    gr_cli_sent_done(sent, count);
    if (code < 0) {
        int exit = gr_cli_remote_fail(&session->remote, &err);
        if (session->id != 0) {
            note(session, "job %" PRIu64 " goes on without this command", session->id);
        }
        return exit;
    }
    int exit = session->dry_run ? GR_EXIT_OK : code == 1 ? leave(session) : conclude(session);
    code = gr_cli_finish("run");
    return code == GR_EXIT_OK ? exit : code;
}

// One job only: several would write over one another, and have several exit codes.
static int check(const struct session *session, struct gr_err *err)
{
    struct gr_cli_asked asked;
    if (session->ask.array != NULL) {
        return gr_fail(err, -EINVAL, "--array: expected one job; granary submit --wait takes many");
    }
    int code = gr_cli_ask_read(&session->ask, &asked, err);
    if (code < 0) {
        return code;
    }
    if (asked.file.count > 1 || (asked.has_file && asked.file.specs[0].array_count > 0)) {
        code = gr_fail(err, -EINVAL,
                       "%s: holds several jobs, expected one; granary submit --wait "
                       "takes many",
                       session->ask.file);
    }
    gr_cli_asked_done(&asked);
    return code;
}

static const char details[] =
    "The exit code is the job's own; 128 and the signal's number if a signal ended it; 1 if it\n"
    "could not be started or its node failed. What this command says goes to standard error.\n"
    "\n"
    "examples:\n"
    "  granary run -- nvidia-smi -L\n"
    "  granary run --kind h20 --devices 1 python infer.py --prompt hello\n"
    "  granary run -f job.yaml\n";

static int run(int argc, char **argv)
{
    struct session session = {.remote = {.command = "run"}};
    const struct gr_option table[] = {
        GR_CLI_ASK_OPTIONS(&session.ask),
        {.name = "quiet",
         .letter = 'q',
         .type = GR_OPTION_FLAG,
         .store = &session.quiet,
         .help = "Say nothing but what the job writes."},
        GR_CLI_DRY_RUN_OPTION(&session.dry_run),
        GR_CLI_REMOTE_OPTIONS(&session.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "run [OPTIONS] [--] COMMAND [ARGS]\nrun -f FILE [OPTIONS]",
        .about = "Submits a job, shows what it writes to both streams, and ends as it ends. Ctrl-C "
                 "stops the job; a second Ctrl-C leaves it to itself. The job outlives this "
                 "command and the daemon.",
        .options = table,
        .details = details,
        .operands_max = GR_SPEC_ARGS_MAX,
        .operands = "a command",
        .operands_end = true,
    };
    size_t operands;
    int code;
    struct gr_err err;
    gr_err_init(&err);
    if (!gr_cli_start(&options, argc, argv, &operands, &code)) {
        return code;
    }
    session.ask.argv = argv + 1;
    session.ask.argc = operands;
    if (check(&session, &err) < 0) {
        return gr_cli_fail("run", &err);
    }
    if (!gr_cli_remote_open(&session.remote, &code)) {
        return code;
    }
    session.signals = gr_cli_signals_open(&err);
    code = session.signals < 0 ? gr_cli_fail("run", &err) : submit_and_stay(&session);
    if (session.signals >= 0) {
        close(session.signals);
    }
    json_decref(session.job);
    gr_cli_remote_close(&session.remote);
    return code;
}

const struct gr_command gr_cli_run = {
    .name = "run",
    .summary = "submit a job, show what it writes, end as it ends",
    .run = run,
};
