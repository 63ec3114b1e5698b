// The local engine with real processes: what runs, how it ends, and that nothing is left.
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// nobody, as whom root runs some jobs.
#define OTHER 65534

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture.idle_warn_ms = 0;
    fixture_open(&fixture);
    *state = &fixture;
    return 0;
}

static int set_up_idle(void **state)
{
    static struct fixture fixture;
    fixture.idle_warn_ms = 200;
    fixture_open(&fixture);
    *state = &fixture;
    return 0;
}

// Where this is not allowed the test that wants it shows less.
static int set_up_protected(void **state)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    bool is_set = fd >= 0 && write(fd, "-500", 4) == 4;
    int code = set_up(state);
    if (is_set && pwrite(fd, "0", 1, 0) != 1) {
        code = -1;
    }
    close(fd);
    return code;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    return 0;
}

static void stop(struct fixture *fixture, uint64_t job, uint32_t signal, int64_t grace_ms)
{
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(
        fixture->engine->ops->stop(fixture->engine, job, 1, fixture->epoch, signal, grace_ms, &err),
        0);
}

static void start(struct fixture *fixture, const struct fixture_job *job)
{
    struct gr_err err;
    gr_err_init(&err);
    if (fixture_start(fixture, job, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

// ---- running ------------------------------------------------------------------------------------

static void exit_code_output_and_times_are_recorded(void **state)
{
    struct fixture *fixture = *state;
    fixture_run(fixture, 1, "echo out; echo err >&2; exit 3");
    struct gr_engine_report started = *fixture_await(fixture, 1, GR_REPORT_STARTED);
    struct gr_engine_report ended = *fixture_await(fixture, 1, GR_REPORT_ENDED);
    assert_int_equal(ended.end.exit_code, 3);
    assert_int_equal(ended.end.signal, 0);
    assert_false(ended.end.is_stopped);
    assert_false(ended.end.is_out_of_memory);
    assert_true(started.since_ms > 0);
    assert_int_equal(ended.started_ms, started.since_ms);
    assert_true(ended.since_ms >= ended.started_ms);
    assert_true(ended.end.peak_kib > 0);
    assert_string_equal(fixture_output(fixture, 1, 0, 1), "out\n");
    assert_string_equal(fixture_output(fixture, 1, 0, 2), "err\n");
}

static void an_end_by_signal_is_recorded(void **state)
{
    struct fixture *fixture = *state;
    fixture_run(fixture, 1, "kill -SEGV $$");
    const struct gr_engine_report *ended = fixture_await(fixture, 1, GR_REPORT_ENDED);
    assert_int_equal(ended->end.signal, SIGSEGV);
    assert_int_equal(ended->end.exit_code, 0);
}

static void cpu_time_is_counted_also_of_grandchildren(void **state)
{
    struct fixture *fixture = *state;
    fixture_run(fixture, 1,
                "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done' & wait; exit 0");
    const struct gr_engine_report *ended = fixture_await(fixture, 1, GR_REPORT_ENDED);
    assert_true(ended->end.cpu_ms >= 20);
}

static void a_program_that_cannot_be_executed_is_refused_with_its_path(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_job job = fixture_script(1, "");
    job.argv[0] = "/no/such/program";
    start(fixture, &job);
    const struct gr_engine_report *refused = fixture_await(fixture, 1, GR_REPORT_REFUSED);
    assert_string_equal(refused->text, "execute /no/such/program: No such file or directory");
    job.id = 2;
    job.argv[0] = "no-such-program-anywhere";
    start(fixture, &job);
    refused = fixture_await(fixture, 2, GR_REPORT_REFUSED);
    assert_non_null(strstr(refused->text, "looked for in PATH="));
    job.id = 3;
    job.argv[0] = "/etc/passwd";
    start(fixture, &job);
    refused = fixture_await(fixture, 3, GR_REPORT_REFUSED);
    assert_string_equal(refused->text, "execute /etc/passwd: Permission denied");
    assert_int_equal(fixture_count(fixture, 0, GR_REPORT_STARTED), 0);
}

static void a_working_directory_that_is_not_there_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_job job = fixture_script(1, "true");
    job.spec.directory = "/no/such/directory";
    start(fixture, &job);
    assert_string_equal(fixture_await(fixture, 1, GR_REPORT_REFUSED)->text,
                        "working directory /no/such/directory: No such file or directory");
}

static void the_environment_is_the_specs_and_the_pools(void **state)
{
    struct fixture *fixture = *state;
    static const char *const env[] = {"COLOUR=red", "GRANARY_JOB_ID=forged", "HOME=/there"};
    struct fixture_job job = fixture_script(7, "env | sort");
    job.spec.env = (struct gr_spec_texts){env, 3};
    job.array = 5;
    job.array_index = 42;
    assert_int_equal(setenv("GRANARY_TEST_LEAK", "1", 1), 0);
    start(fixture, &job);
    (void)fixture_await(fixture, 7, GR_REPORT_ENDED);
    const char *text = fixture_output(fixture, 7, 0, 1);
    assert_non_null(strstr(text, "COLOUR=red\n"));
    assert_non_null(strstr(text, "HOME=/there\n"));
    assert_non_null(strstr(text, "GRANARY_JOB_ID=7\n"));
    assert_non_null(strstr(text, "GRANARY_ATTEMPT=1\n"));
    assert_non_null(strstr(text, "GRANARY_TASK=0\n"));
    assert_non_null(strstr(text, "GRANARY_TASKS=1\n"));
    assert_non_null(strstr(text, "GRANARY_NODE=node-a\n"));
    assert_non_null(strstr(text, "GRANARY_NODES=node-a\n"));
    assert_non_null(strstr(text, "GRANARY_ARRAY_ID=5\n"));
    assert_non_null(strstr(text, "GRANARY_ARRAY_INDEX=42\n"));
    assert_non_null(strstr(text, "GRANARY_DEVICES=\n"));
    assert_non_null(strstr(text, "GRANARY_JOB_DIR="));
    assert_non_null(strstr(text, "PATH=/"));
    assert_null(strstr(text, "GRANARY_MASTER"));
    assert_null(strstr(text, "GRANARY_TEST_LEAK"));
    assert_null(strstr(text, "forged"));
}

static void nothing_is_inherited_but_three_files(void **state)
{
    struct fixture *fixture = *state;
    fixture_run(fixture, 1,
                "ls /proc/self/fd | wc -l; readlink /proc/self/fd/0; "
                "grep -E 'Sig(Blk|Ign)' /proc/self/status; umask; "
                "cut -d' ' -f 6 /proc/$$/stat; echo $$");
    (void)fixture_await(fixture, 1, GR_REPORT_ENDED);
    const char *text = fixture_output(fixture, 1, 0, 1);
    int session = 0;
    int self = -1;
    assert_non_null(strstr(text, "4\n/dev/null\n")); // the fourth is ls looking
    unsigned long long ignored = ~0ULL;
    const char *masks = strstr(text, "SigBlk:\t0000000000000000\nSigIgn:\t");
    assert_non_null(masks);
    assert_int_equal(sscanf(strstr(masks, "SigIgn:"), "SigIgn: %llx", &ignored), 1);
    // `make` leaves the C library's own two signals (32, 33) ignored, which no program of it can
    // change.
    assert_int_equal(ignored & ~(3ULL << 31), 0);
    assert_int_equal(sscanf(strstr(text, "\n0022\n") + 6, "%d %d", &session, &self), 2);
    assert_int_equal(session, self);
}

static void a_task_is_not_as_safe_from_the_out_of_memory_killer_as_the_daemon(void **state)
{
    struct fixture *fixture = *state;
    fixture_run(fixture, 1, "cat /proc/self/oom_score_adj");
    (void)fixture_await(fixture, 1, GR_REPORT_ENDED);
    assert_true(strtol(fixture_output(fixture, 1, 0, 1), NULL, 10) >= 0);
}

static void output_goes_where_the_spec_says_with_patterns(void **state)
{
    struct fixture *fixture = *state;
    char directory[128];
    (void)snprintf(directory, sizeof directory, "%s/work", fixture->root);
    assert_int_equal(mkdir(directory, 0755), 0);
    struct fixture_job job = fixture_script(12, "echo out; echo err >&2; pwd");
    job.spec.directory = directory;
    job.spec.output = "o-%j-%a-%t-%n-%%.log";
    job.spec.umask = 027;
    job.array = 12;
    job.array_index = 9;
    start(fixture, &job);
    (void)fixture_await(fixture, 12, GR_REPORT_ENDED);
    const char *text = fixture_read(fixture, "work/o-12-9-0-1-%.log");
    assert_int_equal(strncmp(text, "out\nerr\n/tmp/", 13), 0);
    struct stat about;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/o-12-9-0-1-%%.log", directory);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0640);
}

static void a_later_attempt_adds_to_the_output_of_an_earlier(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/all.log", fixture->root);
    for (uint32_t i = 1; i <= 2; i++) {
        struct fixture_job job = fixture_script(i, "echo line $GRANARY_ATTEMPT");
        job.attempt = i;
        job.spec.output = path;
        start(fixture, &job);
        (void)fixture_await(fixture, i, GR_REPORT_ENDED);
    }
    assert_string_equal(fixture_read(fixture, "all.log"), "line 1\nline 2\n");
}

static void secrets_are_read_at_the_start_and_only_then(void **state)
{
    struct fixture *fixture = *state;
    char secret[160];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/key", fixture->root);
    (void)snprintf(secret, sizeof secret, "API_KEY=%s", path);
    const char *const secrets[] = {secret};
    struct fixture_job job = fixture_script(1, "echo $API_KEY");
    job.spec.secrets = (struct gr_spec_texts){secrets, 1};
    start(fixture, &job);
    assert_non_null(strstr(fixture_await(fixture, 1, GR_REPORT_REFUSED)->text, "secret API_KEY"));
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "open sesame\n", 12), 12);
    (void)close(fd);
    job.id = 2;
    start(fixture, &job);
    (void)fixture_await(fixture, 2, GR_REPORT_ENDED);
    assert_string_equal(fixture_output(fixture, 2, 0, 1), "open sesame\n");
    char record[256];
    (void)snprintf(record, sizeof record, "%s/live/2.1", fixture->dir);
    fd = open(record, O_RDONLY | O_CLOEXEC);
    char bytes[8192];
    ssize_t size = read(fd, bytes, sizeof bytes);
    (void)close(fd);
    assert_true(size > 0);
    assert_null(memmem(bytes, (size_t)size, "sesame", 6));
}

// ---- users --------------------------------------------------------------------------------------

static void root_runs_jobs_as_their_submitter(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_job job =
        fixture_script(1, "id -u; id -g; id -G; cat /etc/shadow >/dev/null || echo closed; "
                          "touch made && stat -c %U:%G:%a made && pwd");
    job.spec.uid = OTHER;
    job.spec.gid = OTHER;
    start(fixture, &job);
    (void)fixture_await(fixture, 1, GR_REPORT_ENDED);
    const char *text = fixture_output(fixture, 1, 0, 1);
    assert_non_null(strstr(text, "65534\n65534\n65534\nclosed\nnobody:nogroup:644\n/tmp/"));
    // What the daemon may read and the submitter may not stays closed.
    char path[128];
    (void)snprintf(path, sizeof path, "SECRET=%s/engine/live", fixture->root);
    const char *const secrets[] = {path};
    job.id = 2;
    job.spec.secrets = (struct gr_spec_texts){secrets, 1};
    start(fixture, &job);
    assert_non_null(
        strstr(fixture_await(fixture, 2, GR_REPORT_REFUSED)->text, "Permission denied"));
    job.id = 3;
    job.spec.secrets.count = 0;
    job.spec.output = "/etc/granary-test-output";
    start(fixture, &job);
    assert_non_null(
        strstr(fixture_await(fixture, 3, GR_REPORT_REFUSED)->text, "Permission denied"));
}

static void a_daemon_that_is_not_root_runs_only_its_own_users_work(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_job job = fixture_script(1, "true");
    job.spec.uid = geteuid() + 1;
    start(fixture, &job);
    assert_non_null(
        strstr(fixture_await(fixture, 1, GR_REPORT_REFUSED)->text, "run the daemon as root"));
}

// ---- stopping -----------------------------------------------------------------------------------

static void stopping_sends_the_signal_first(void **state)
{
    struct fixture *fixture = *state;
    fixture_run(fixture, 1,
                "trap 'echo got it; exit 5' USR2; echo ready; "
                "while :; do sleep 0.05; done");
    (void)fixture_await(fixture, 1, GR_REPORT_STARTED);
    fixture_await_lines(fixture, "engine/attempts/1.1/output.0", 1);
    stop(fixture, 1, SIGUSR2, 30000);
    const struct gr_engine_report *ended = fixture_await(fixture, 1, GR_REPORT_ENDED);
    assert_int_equal(ended->end.exit_code, 5);
    assert_true(ended->end.is_stopped);
    assert_string_equal(fixture_output(fixture, 1, 0, 1), "ready\ngot it\n");
}

static void after_the_grace_everything_is_killed(void **state)
{
    struct fixture *fixture = *state;
    // Children in sessions of their own, orphaned twice over, all deaf to TERM.
    fixture_run(fixture, 1,
                "trap '' TERM; setsid sh -c 'trap \"\" TERM; (echo $$; exec sleep 1000) & "
                "(setsid sleep 1001 & echo $!) ; sleep 1002' & echo $!; sleep 1003");
    fixture_await_lines(fixture, "engine/attempts/1.1/output.0", 3);
    int pids[3];
    assert_int_equal(
        sscanf(fixture_output(fixture, 1, 0, 1), "%d %d %d", &pids[0], &pids[1], &pids[2]), 3);
    stop(fixture, 1, SIGTERM, 100);
    const struct gr_engine_report *ended = fixture_await(fixture, 1, GR_REPORT_ENDED);
    assert_int_equal(ended->end.signal, SIGKILL);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(kill(pids[i], 0), -1);
    }
}

static void a_chain_of_forks_is_ended(void **state)
{
    struct fixture *fixture = *state;
    char script[256];
    (void)snprintf(script, sizeof script,
                   "f() { echo >>%s/chain; setsid sh -c \"$F\" & }; "
                   "export F='sh -c \"$F\" & exit'; sh -c \"$F\"; echo ready; sleep 1000",
                   fixture->root);
    fixture_run(fixture, 1, script);
    fixture_await_lines(fixture, "engine/attempts/1.1/output.0", 1);
    stop(fixture, 1, SIGKILL, 0);
    (void)fixture_await(fixture, 1, GR_REPORT_ENDED);
}

static void what_the_main_process_leaves_is_ended(void **state)
{
    struct fixture *fixture = *state;
    fixture_run(fixture, 1, "setsid sleep 1000 & echo $!; exit 0");
    const struct gr_engine_report *ended = fixture_await(fixture, 1, GR_REPORT_ENDED);
    assert_int_equal(ended->end.exit_code, 0);
    assert_int_equal(ended->end.signal, 0);
    assert_false(ended->end.is_stopped);
    int pid = 0;
    assert_int_equal(sscanf(fixture_output(fixture, 1, 0, 1), "%d", &pid), 1);
    assert_int_equal(kill(pid, 0), -1);
}

static void a_stopped_process_is_woken_to_end(void **state)
{
    struct fixture *fixture = *state;
    fixture_run(fixture, 1, "echo $$; kill -STOP $$; sleep 1000");
    fixture_await_lines(fixture, "engine/attempts/1.1/output.0", 1);
    stop(fixture, 1, SIGTERM, 30000);
    assert_int_equal(fixture_await(fixture, 1, GR_REPORT_ENDED)->end.signal, SIGTERM);
}

static void a_signal_alone_does_not_stop(void **state)
{
    struct fixture *fixture = *state;
    struct gr_err err;
    gr_err_init(&err);
    fixture_run(fixture, 1,
                "trap 'echo notice' USR1; echo ready; "
                "until [ \"$(wc -l <$OUT)\" = x ]; do sleep 0.02; done");
    fixture_await_lines(fixture, "engine/attempts/1.1/output.0", 1);
    (void)fixture_await(fixture, 1, GR_REPORT_STARTED);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            fixture->engine->ops->signal(fixture->engine, 1, 1, fixture->epoch, SIGUSR1, &err), 0);
        fixture_await_lines(fixture, "engine/attempts/1.1/output.0", i + 2);
    }
    assert_int_equal(fixture_count(fixture, 1, GR_REPORT_ENDED), 0);
}

static void stopping_what_was_never_started_keeps_it_from_starting(void **state)
{
    struct fixture *fixture = *state;
    stop(fixture, 1, SIGTERM, 0);
    (void)fixture_await(fixture, 1, GR_REPORT_UNKNOWN);
    fixture_run(fixture, 1, "echo ran");
    assert_non_null(strstr(fixture_await(fixture, 1, GR_REPORT_REFUSED)->text, "there already"));
    assert_string_equal(fixture_output(fixture, 1, 0, 1), "");
}

// ---- gangs --------------------------------------------------------------------------------------

static void the_tasks_of_a_gang_know_each_other(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_job job =
        fixture_script(1, "echo $GRANARY_TASK $GRANARY_TASKS $GRANARY_NODE $GRANARY_NODES "
                          "$GRANARY_MASTER_ADDR:$GRANARY_MASTER_PORT");
    job.spec.tasks = 3;
    start(fixture, &job);
    const struct gr_engine_report *ended = fixture_await(fixture, 1, GR_REPORT_ENDED);
    assert_int_equal(ended->end.exit_code, 0);
    int port[3];
    for (unsigned i = 0; i < 3; i++) {
        unsigned task = 9;
        char node[32];
        assert_int_equal(sscanf(fixture_output(fixture, 1, i, 1),
                                "%u 3 %31s node-a,node-b 127.0.0.1:%d", &task, node, &port[i]),
                         3);
        assert_int_equal(task, i);
        assert_string_equal(node, i == 1 ? "node-b" : "node-a");
        assert_int_equal(port[i], port[0]);
    }
}

static void the_first_task_that_fails_ends_the_others(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_job job = fixture_script(1, "[ $GRANARY_TASK = 1 ] && exit 7; exec sleep 1000");
    job.spec.tasks = 4;
    start(fixture, &job);
    const struct gr_engine_report *ended = fixture_await(fixture, 1, GR_REPORT_ENDED);
    assert_int_equal(ended->end.exit_code, 7);
    assert_int_equal(ended->end.signal, 0);
    assert_int_equal(ended->end.task, 1);
    assert_false(ended->end.is_stopped);
}

static void a_gang_starts_whole_or_not_at_all(void **state)
{
    struct fixture *fixture = *state;
    char output[128];
    struct fixture_job job = fixture_script(1, "echo ran >>../ran; echo ran");
    (void)snprintf(output, sizeof output, "%s/place-%%t/out", fixture->root);
    job.spec.tasks = 3;
    job.spec.output = output;
    for (unsigned i = 0; i < 2; i++) { // the third has no place to write to
        char path[160];
        (void)snprintf(path, sizeof path, "%s/place-%u", fixture->root, i);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    start(fixture, &job);
    const struct gr_engine_report *refused = fixture_await(fixture, 1, GR_REPORT_REFUSED);
    assert_non_null(strstr(refused->text, "task 2: output file"));
    assert_string_equal(fixture_read(fixture, "place-0/out"), "");
    assert_string_equal(fixture_read(fixture, "place-1/out"), "");
    assert_int_equal(fixture_count(fixture, 1, GR_REPORT_STARTED), 0);
}

// ---- once, and in order -------------------------------------------------------------------------

static void an_attempt_that_is_ordered_twice_runs_once(void **state)
{
    struct fixture *fixture = *state;
    char script[160];
    (void)snprintf(script, sizeof script, "echo ran >>%s/ran; exit 4", fixture->root);
    fixture_run(fixture, 1, script);
    fixture_run(fixture, 1, script);
    (void)fixture_await(fixture, 1, GR_REPORT_ENDED);
    fixture_clear(fixture);
    fixture_run(fixture, 1, script);
    assert_int_equal(fixture_await(fixture, 1, GR_REPORT_ENDED)->end.exit_code, 4);
    assert_string_equal(fixture_read(fixture, "ran"), "ran\n");
}

static void a_directory_that_somebody_made_is_not_used(void **state)
{
    struct fixture *fixture = *state;
    char path[160];
    (void)snprintf(path, sizeof path, "%s/attempts/1.1", fixture->dir);
    assert_int_equal(symlink("/tmp", path), 0);
    fixture_run(fixture, 1, "echo ran");
    assert_non_null(strstr(fixture_await(fixture, 1, GR_REPORT_REFUSED)->text, "there already"));
    assert_int_equal(access("/tmp/output.0", F_OK), -1);
}

static void orders_of_an_older_epoch_are_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture_reopen(fixture); // epoch 2
    fixture->epoch = 1;
    fixture_run(fixture, 1, "echo ran");
    assert_non_null(strstr(fixture_await(fixture, 1, GR_REPORT_REFUSED)->text, "epoch 1"));
    struct gr_local_config config = {.dir = fixture->dir, .checks = "", .epoch = 1};
    struct gr_engine *engine = NULL;
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_local_open(&config, &engine, &err), -ESTALE);
    // It is kept across launchers.
    fixture->engine->ops->close(fixture->engine);
    fixture->engine = NULL;
    assert_int_equal(gr_local_launcher_stop(fixture->dir, &err), 0);
    assert_int_equal(gr_local_launch(&config, &err), 0);
    assert_int_equal(gr_local_open(&config, &engine, &err), -ESTALE);
    fixture->epoch = 2;
    fixture_reopen(fixture);
}

static void what_is_forgotten_is_not_listed_and_its_logs_stay(void **state)
{
    struct fixture *fixture = *state;
    struct gr_err err;
    gr_err_init(&err);
    fixture_run(fixture, 1, "echo kept");
    (void)fixture_await(fixture, 1, GR_REPORT_ENDED);
    fixture_list(fixture);
    assert_int_equal(fixture_count(fixture, 1, GR_REPORT_ENDED), 1);
    assert_int_equal(fixture->engine->ops->forget(fixture->engine, 1, 1, fixture->epoch, &err), 0);
    fixture_list(fixture);
    assert_int_equal(fixture_count(fixture, 1, GR_REPORT_ENDED), 0);
    assert_string_equal(fixture_output(fixture, 1, 0, 1), "kept\n");
    fixture_run(fixture, 1, "echo again");
    (void)fixture_await(fixture, 1, GR_REPORT_REFUSED);
    assert_string_equal(fixture_output(fixture, 1, 0, 1), "kept\n");
}

static void a_spec_of_a_mebibyte_runs(void **state)
{
    struct fixture *fixture = *state;
    static char words[10][100001];
    static const char *argv[13] = {"sh", "-c", "echo $# ${#1} ${10}", "name"};
    struct fixture_job job = fixture_script(1, "");
    for (unsigned i = 0; i < 9; i++) {
        memset(words[i], 'a', 100000);
        argv[4 + i] = words[i];
    }
    job.spec.argv = (struct gr_spec_texts){argv, 13};
    start(fixture, &job);
    assert_int_equal(fixture_await(fixture, 1, GR_REPORT_ENDED)->end.exit_code, 0);
    assert_string_equal(fixture_output(fixture, 1, 0, 1), "9 100000\n");
}

static void who_does_not_read_reports_holds_nothing_up(void **state)
{
    struct fixture *fixture = *state;
    enum { JOBS = 100 };
    char script[160];
    (void)snprintf(script, sizeof script, "echo ran >>%s/ran", fixture->root);
    for (uint64_t i = 1; i <= JOBS; i++) {
        fixture_run(fixture, i, script);
    }
    fixture_await_lines(fixture, "ran", JOBS);
    for (uint64_t i = 1; i <= JOBS; i++) {
        assert_int_equal(fixture_await(fixture, i, GR_REPORT_ENDED)->end.exit_code, 0);
    }
}

// ---- held-idle ----------------------------------------------------------------------------------

static void work_that_does_nothing_is_reported_idle(void **state)
{
    struct fixture *fixture = *state;
    fixture_run(fixture, 1, "sleep 1000");
    fixture_run(fixture, 2, "kill -STOP $$");
    fixture_run(fixture, 3, "while :; do :; done");
    const struct gr_engine_report *idle = fixture_await(fixture, 1, GR_REPORT_IDLE);
    assert_true(idle->since_ms > 0);
    (void)fixture_await(fixture, 2, GR_REPORT_IDLE);
    assert_int_equal(fixture_count(fixture, 3, GR_REPORT_IDLE), 0);
    fixture_list(fixture);
    assert_int_equal(fixture_count(fixture, 1, GR_REPORT_IDLE), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    struct gr_err err;
    gr_err_init(&err);
    if (argc == 4 && strcmp(argv[1], "engine") == 0 && strcmp(argv[2], "launcher") == 0) {
        return gr_local_launcher_main(argv[3], &err);
    }
    const struct CMUnitTest tests[] = {
        TEST(exit_code_output_and_times_are_recorded),
        TEST(an_end_by_signal_is_recorded),
        TEST(cpu_time_is_counted_also_of_grandchildren),
        TEST(a_program_that_cannot_be_executed_is_refused_with_its_path),
        TEST(a_working_directory_that_is_not_there_is_refused),
        TEST(the_environment_is_the_specs_and_the_pools),
        TEST(nothing_is_inherited_but_three_files),
        cmocka_unit_test_setup_teardown(
            a_task_is_not_as_safe_from_the_out_of_memory_killer_as_the_daemon, set_up_protected,
            tear_down),
        TEST(output_goes_where_the_spec_says_with_patterns),
        TEST(a_later_attempt_adds_to_the_output_of_an_earlier),
        TEST(secrets_are_read_at_the_start_and_only_then),
        TEST(stopping_sends_the_signal_first),
        TEST(after_the_grace_everything_is_killed),
        TEST(a_chain_of_forks_is_ended),
        TEST(what_the_main_process_leaves_is_ended),
        TEST(a_stopped_process_is_woken_to_end),
        TEST(a_signal_alone_does_not_stop),
        TEST(stopping_what_was_never_started_keeps_it_from_starting),
        TEST(the_tasks_of_a_gang_know_each_other),
        TEST(the_first_task_that_fails_ends_the_others),
        TEST(a_gang_starts_whole_or_not_at_all),
        TEST(an_attempt_that_is_ordered_twice_runs_once),
        TEST(a_directory_that_somebody_made_is_not_used),
        TEST(orders_of_an_older_epoch_are_refused),
        TEST(what_is_forgotten_is_not_listed_and_its_logs_stay),
        TEST(a_spec_of_a_mebibyte_runs),
        TEST(who_does_not_read_reports_holds_nothing_up),
        cmocka_unit_test_setup_teardown(work_that_does_nothing_is_reported_idle, set_up_idle,
                                        tear_down),
    };
    // What is asked of root, and of everybody else; as_nobody.py runs the latter where root tests.
    const struct CMUnitTest as_root[] = {TEST(root_runs_jobs_as_their_submitter)};
    const struct CMUnitTest as_other[] = {
        TEST(a_daemon_that_is_not_root_runs_only_its_own_users_work)};
    int failed = geteuid() == 0
                     ? cmocka_run_group_tests_name("engine/local as root", as_root, NULL, NULL)
                     : cmocka_run_group_tests_name("engine/local as other", as_other, NULL, NULL);
    return failed + cmocka_run_group_tests_name("engine/local", tests, NULL, NULL);
}
