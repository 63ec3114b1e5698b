// The nth allocation fails, once or for ever, while the daemon's pool opens, takes jobs, starts and
// ends them, shows them and makes a snapshot: what follows is a refusal, a clean error or a clean
// stop. With memory again the pool opens; what was acknowledged is there, nothing ran that was not
// placed, and the books are in order.
#include "shim_memory.h"

#include "codec/spec_json.h"
#include "daemon/limits.h"
#include "daemon/pool.h"
#include "daemon/view.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// A run says by its exit code that the nth allocation was never asked for.
#define NOT_REACHED 3
#define JOBS 16
#define REPORTS 64

static bool is_whole;

// --- the engine: it starts what it is told to, and ends it at once

struct engine {
    struct gr_engine engine; // first
    struct gr_engine_report reports[REPORTS];
    unsigned count;
    uint64_t started[JOBS * 4]; // ids, each once
    unsigned started_count;
};

static struct engine engine;
static struct gr_state_dir dir;
static struct gr_pool_config config;
static struct gr_pool *pool;
static int64_t now_ms = INT64_C(1800000000000);
static const char *where;

// Ends the run: something is wrong.
static void __attribute__((noreturn, format(printf, 1, 2))) wrong(const char *fmt, ...)
{
    va_list args;
    (void)gr_memory_end();
    va_start(args, fmt);
    printf("%s: ", where);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
    fflush(stdout);
    _exit(1);
}

static void say(enum gr_engine_report_type type, uint64_t job, uint32_t attempt)
{
    if (engine.count < REPORTS) {
        engine.reports[engine.count++] = (struct gr_engine_report){
            .type = type, .job = job, .attempt = attempt, .since_ms = now_ms, .started_ms = now_ms};
    }
}

static int engine_start(struct gr_engine *self, const struct gr_engine_start *start,
                        struct gr_err *err)
{
    (void)self, (void)err;
    for (unsigned i = 0; i < engine.started_count; i++) {
        if (engine.started[i] == start->job) {
            return 0; // said twice is done once
        }
    }
    if (engine.started_count == JOBS * 4) {
        wrong("more is started than was submitted");
    }
    engine.started[engine.started_count++] = start->job;
    say(GR_REPORT_STARTED, start->job, start->attempt);
    say(GR_REPORT_ENDED, start->job, start->attempt);
    return 0;
}

static int engine_stop(struct gr_engine *self, uint64_t job, uint32_t attempt, uint32_t epoch,
                       uint32_t sig, int64_t grace_ms, struct gr_err *err)
{
    (void)self, (void)epoch, (void)grace_ms, (void)sig, (void)err;
    bool was_started = false;
    for (unsigned i = 0; i < engine.started_count; i++) {
        was_started |= engine.started[i] == job;
    }
    say(was_started ? GR_REPORT_ENDED : GR_REPORT_UNKNOWN, job, attempt);
    return 0;
}

static int engine_signal(struct gr_engine *self, uint64_t job, uint32_t attempt, uint32_t epoch,
                         uint32_t sig, struct gr_err *err)
{
    (void)self, (void)job, (void)attempt, (void)epoch, (void)sig, (void)err;
    return 0;
}

static int engine_forget(struct gr_engine *self, uint64_t job, uint32_t attempt, uint32_t epoch,
                         struct gr_err *err)
{
    (void)self, (void)job, (void)attempt, (void)epoch, (void)err;
    return 0;
}

// What it was told to start has ended, and is said again until it is forgotten.
static int engine_list(struct gr_engine *self, struct gr_err *err)
{
    (void)self, (void)err;
    engine.count = 0;
    for (unsigned i = 0; i < engine.started_count; i++) {
        say(GR_REPORT_ENDED, engine.started[i], 1);
    }
    say(GR_REPORT_LISTED, 0, 0);
    return 0;
}

static int engine_fd(const struct gr_engine *self)
{
    (void)self;
    return -1;
}

static int engine_poll(struct gr_engine *self, struct gr_engine_report *ret_reports, unsigned most,
                       struct gr_err *err)
{
    (void)self, (void)err;
    unsigned count = engine.count < most ? engine.count : most;
    memcpy(ret_reports, engine.reports, count * sizeof *ret_reports);
    memmove(engine.reports, engine.reports + count,
            (engine.count - count) * sizeof *engine.reports);
    engine.count -= count;
    return (int)count;
}

static uint32_t engine_can(const struct gr_engine *self)
{
    (void)self;
    return UINT32_MAX;
}

static void engine_close(struct gr_engine *self)
{
    (void)self;
}

static const struct gr_engine_ops ops = {.name = "prompt",
                                         .start = engine_start,
                                         .stop = engine_stop,
                                         .signal = engine_signal,
                                         .forget = engine_forget,
                                         .list = engine_list,
                                         .fd = engine_fd,
                                         .poll = engine_poll,
                                         .can = engine_can,
                                         .close = engine_close};

static int64_t clock_ms(void *context)
{
    (void)context;
    return now_ms;
}

// --- a run

// What the run was told.
static struct {
    uint64_t jobs[JOBS]; // acknowledged
    unsigned count;
    bool is_over; // the pool said that the process must end
} told;

// A turn of the daemon, made durable. False: the process must end.
static bool turn(void)
{
    struct gr_err err;
    int wait_ms;
    gr_err_init(&err);
    now_ms += 10;
    int rc = told.is_over ? -EIO : gr_pool_run(pool, &wait_ms, &err);
    rc = rc != 0 ? rc : gr_commit_flush(pool->commit, &err);
    told.is_over |= rc != 0;
    if (told.is_over && rc != -EIO && rc != -ENOMEM) {
        wrong("a turn: %d: %s", rc, err.text);
    }
    return !told.is_over;
}

// Takes a job as a client sends it. False: it was refused.
static bool submit(const char *text)
{
    struct gr_arena arena;
    struct gr_spec spec;
    struct gr_err err;
    struct gr_pool_submitted submitted;
    struct gr_pool_refusal refusal;
    gr_err_init(&err);
    gr_arena_init(&arena, 65536);
    struct gr_spec_input input = {.arena = &arena};
    int rc = gr_spec_from_json_bytes(&input, text, strlen(text), &spec, &err);
    if (rc != 0 && rc != -ENOMEM) {
        wrong("a good spec: %s", err.text);
    }
    bool is_taken = false;
    if (rc == 0) {
        spec.uid = geteuid();
        spec.gid = getegid();
        is_taken = gr_pool_submit(pool, &spec, NULL, &submitted, &refusal);
        if (!is_taken && (refusal.text[0] == '\0' || refusal.status < 400)) {
            wrong("a refusal without a word");
        }
    }
    gr_arena_done(&arena);
    if (is_taken && turn() && told.count < JOBS) {
        told.jobs[told.count++] = submitted.first;
    }
    return is_taken;
}

// Whoever looks gets the whole or nothing.
static void look(void)
{
    json_t *view = gr_view_pool(pool);
    if (view != NULL && json_object_get(view, "jobs") == NULL) {
        wrong("half a view of the pool");
    }
    json_decref(view);
    uint32_t cursor = 0;
    const struct gr_job *job;
    while ((job = gr_core_job_next(pool->core, &cursor)) != NULL) {
        view = gr_view_job(pool, job, true);
        if (view != NULL && json_object_get(view, "state") == NULL) {
            wrong("half a view of a job");
        }
        json_decref(view);
    }
}

static void work(void)
{
    static const char *const specs[] = {
        "{\"command\": [\"a\"], \"devices\": 4, \"kind\": \"h20\"}",
        "{\"command\": [\"b\"], \"devices\": 4, \"kind\": \"h20\", \"array\": \"0-2\"}",
        "{\"script\": \"c\", \"cpu\": 0.5, \"env\": {\"A\": \"b\"}, \"name\": \"named\"}",
    };
    for (unsigned i = 0; i < sizeof specs / sizeof specs[0] && !told.is_over; i++) {
        (void)submit(specs[i]);
        if (i == 1 && !told.is_over && told.count > 0) {
            (void)gr_pool_stop(pool, told.jobs[told.count - 1], GR_STOP_BY_USER, 0, -1);
        }
        look();
    }
    for (unsigned i = 0; i < 8 && turn(); i++) {
    }
    struct gr_err err;
    struct gr_recovery recovery = {0};
    gr_err_init(&err);
    int rc = told.is_over ? 0 : gr_recover_and_save(dir.path, &config.core, &recovery, &err);
    if (rc != 0 && rc != -ENOMEM && rc != -EIO) {
        wrong("a snapshot: %d: %s", rc, err.text);
    }
}

static void open_pool(bool must)
{
    struct gr_err err;
    gr_err_init(&err);
    pool = NULL;
    int rc = gr_pool_open(&config, &dir, NULL, NULL, &pool, &err);
    if (rc != 0 && (must || (rc != -ENOMEM && rc != -EIO))) {
        wrong("open: %d: %s", rc, err.text);
    }
    if (rc != 0 && (err.text[0] == '\0' || pool != NULL)) {
        wrong("open failed without a word, or left a pool");
    }
}

// With memory again.
static void check(void)
{
    struct gr_ended ended;
    engine.count = 0;
    told.is_over = false;
    open_pool(true);
    const char *fault = gr_core_audit(pool->core);
    if (fault != NULL) {
        wrong("the books: %s", fault);
    }
    for (unsigned i = 0; i < told.count; i++) {
        if (gr_core_job_find(pool->core, told.jobs[i]) == NULL &&
            !gr_pool_ended_find(pool, told.jobs[i], &ended)) {
            wrong("job %lu was acknowledged and is lost", (unsigned long)told.jobs[i]);
        }
    }
    for (unsigned i = 0; i < engine.started_count; i++) {
        const struct gr_job *job = gr_core_job_find(pool->core, engine.started[i]);
        if (job == NULL ? !gr_pool_ended_find(pool, engine.started[i], &ended)
                        : job->attempt == 0) {
            wrong("job %lu was started and nobody placed it", (unsigned long)engine.started[i]);
        }
    }
    for (unsigned i = 0; i < 40; i++) {
        if (!turn()) {
            wrong("it does not go on");
        }
    }
    if (!submit("{\"command\": [\"last\"], \"devices\": 4, \"kind\": \"h20\"}")) {
        wrong("a job is refused that would fit");
    }
    for (unsigned i = 0; i < 40; i++) {
        (void)turn();
    }
    if (gr_core_held(pool->core) + gr_core_waiting(pool->core) + gr_core_running(pool->core) != 0) {
        wrong("%u jobs wait and %u run for ever", gr_core_waiting(pool->core),
              gr_core_running(pool->core));
    }
    uint8_t live[32];
    uint8_t recovered[32];
    struct gr_core *core;
    struct gr_err err;
    struct gr_recovery recovery = {0};
    gr_err_init(&err);
    gr_core_digest(pool->core, live);
    if (gr_recover(dir.path, &config.core, &recovery, &core, &err) != 0) {
        wrong("recover: %s", err.text);
    }
    gr_core_digest(core, recovered);
    gr_core_free(core);
    if (memcmp(live, recovered, sizeof live) != 0) {
        wrong("the journal tells another state than the live one");
    }
    gr_pool_close(pool);
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *walk)
{
    (void)info, (void)flag, (void)walk;
    return remove(path);
}

// One run in a process of its own. Its exit code.
static int run(unsigned long nth, bool for_ever, bool fails_in_open)
{
    config = (struct gr_pool_config){.pretend = "4xh20",
                                     .core = gr_limits_default(),
                                     .ended_most = 4,
                                     .spec_bytes_most = 65536,
                                     .waiting_bytes_most = 1 << 20,
                                     .org_jobs_most = 100,
                                     .engine = &engine.engine,
                                     .clock_ms = clock_ms,
                                     .has_engine = true};
    config.core.limits.place.nodes = 16;
    config.core.limits.jobs = config.core.limits.pieces = config.core.limits.edges = 200;
    config.core.limits.keys = config.core.limits.keys_per_org = 20;
    config.core.touch_jobs = config.core.touch_pieces = config.core.touch_nodes = 0;
    engine.engine.ops = &ops;
    // Something to recover.
    open_pool(true);
    (void)submit("{\"command\": [\"first\"], \"cpu\": 0.5}");
    (void)turn();
    if (fails_in_open) {
        gr_pool_free(pool);
        gr_memory_begin(nth, for_ever);
        open_pool(false);
    } else {
        gr_memory_begin(nth, for_ever);
    }
    if (pool != NULL) {
        work();
    }
    bool is_reached = gr_memory_end();
    gr_pool_free(pool);
    check();
    return is_reached ? 0 : NOT_REACHED;
}

static void sweep(bool for_ever, bool fails_in_open, unsigned long stride)
{
    bool is_reached = true;
    unsigned long nth = 1;
    for (; is_reached; nth += stride) {
        char text[100];
        int status;
        // Syncs are not what is tried here: memory, if it may be had as a folder.
        snprintf(dir.path, sizeof dir.path, "%s/granary-fault-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(dir.path));
        snprintf(text, sizeof text, "allocation %lu%s%s", nth, for_ever ? " and all after" : "",
                 fails_in_open ? ", from a start on" : "");
        where = text;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            alarm(60);
            _exit(run(nth, for_ever, fails_in_open));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(nftw(dir.path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
        if (!WIFEXITED(status) ||
            (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != NOT_REACHED)) {
            fail_msg("%s: %s %d", where, WIFSIGNALED(status) ? "signal" : "exit code",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        }
        is_reached = WEXITSTATUS(status) == 0;
    }
    // With none at all it comes to nothing at once; one that is missing lets it come to its end.
    assert_true(for_ever || nth > 400);
    print_message("%lu allocations, in steps of %lu\n", nth, stride);
}

static void one_allocation_that_fails_at_work_loses_nothing(void **state)
{
    (void)state;
    sweep(false, false, is_whole ? 1 : 61);
}

static void no_memory_from_some_moment_at_work_on_loses_nothing(void **state)
{
    (void)state;
    sweep(true, false, is_whole ? 1 : 67);
}

static void one_allocation_that_fails_in_a_start_loses_nothing(void **state)
{
    (void)state;
    sweep(false, true, is_whole ? 1 : 197);
}

static void no_memory_from_some_moment_of_a_start_on_loses_nothing(void **state)
{
    (void)state;
    sweep(true, true, is_whole ? 1 : 211);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_allocation_that_fails_at_work_loses_nothing),
        cmocka_unit_test(no_memory_from_some_moment_at_work_on_loses_nothing),
        cmocka_unit_test(one_allocation_that_fails_in_a_start_loses_nothing),
        cmocka_unit_test(no_memory_from_some_moment_of_a_start_on_loses_nothing),
    };
    is_whole = argc > 1 && strcmp(argv[1], "whole") == 0;
    dir.lock_fd = -1;
    gr_memory_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
