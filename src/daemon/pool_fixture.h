// What the tests of the pool share: a pool with four pretend devices in a folder of its own, an
// engine that notes what it is told and says what the test wants, and a clock that stands still.
#pragma once

#include "daemon/fixture.h"
#include "daemon/limits.h"
#include "daemon/pool.h"

#include <errno.h>
#include <signal.h>

// Most reports that wait.
#define REPORTS 32
// Most orders that are noted.
#define ORDERS 256

// An engine that notes what it is told and says what the test wants.
struct engine {
    struct gr_engine engine; // first
    struct gr_engine_report reports[REPORTS];
    unsigned report_count;
    // What it was told, in order.
    struct {
        char what;                // S start, T stop, N notice, F forget, L list
        uint64_t job;             // about which job
        uint32_t attempt, signal; // of it; 0: none
    } orders[ORDERS];
    unsigned order_count;
    int start_rc; // what the next start is answered
    int stop_rc;  // what the next stop is
};

// The engine of the test that runs.
static struct engine engine;
// Its directory.
static struct gr_state_dir dir;
// The pool.
static struct gr_pool *pool;
// How it was made.
static struct gr_pool_config config;
// What its clock shows.
static int64_t now_ms;

// Notes an order.
static inline void note(char what, uint64_t job, uint32_t attempt, uint32_t sig)
{
    assert_true(engine.order_count < ORDERS);
    engine.orders[engine.order_count].what = what;
    engine.orders[engine.order_count].job = job;
    engine.orders[engine.order_count].attempt = attempt;
    engine.orders[engine.order_count++].signal = sig;
}

// See struct gr_engine_ops.
static inline int engine_start(struct gr_engine *self, const struct gr_engine_start *start,
                               struct gr_err *err)
{
    (void)self;
    int rc = engine.start_rc;
    if (rc != 0) {
        engine.start_rc = 0;
        return gr_fail(err, rc, "not this one");
    }
    note('S', start->job, start->attempt, 0);
    return 0;
}

// As in struct gr_engine_ops.
static inline int engine_stop(struct gr_engine *self, uint64_t job, uint32_t attempt,
                              uint32_t epoch, uint32_t sig, int64_t grace_ms, struct gr_err *err)
{
    (void)self, (void)epoch, (void)grace_ms;
    int rc = engine.stop_rc;
    if (rc != 0) {
        engine.stop_rc = 0;
        return gr_fail(err, rc, "not now");
    }
    note('T', job, attempt, sig);
    return 0;
}

// As in struct gr_engine_ops.
static inline int engine_signal(struct gr_engine *self, uint64_t job, uint32_t attempt,
                                uint32_t epoch, uint32_t sig, struct gr_err *err)
{
    (void)self, (void)epoch, (void)err;
    note('N', job, attempt, sig);
    return 0;
}

// As in struct gr_engine_ops.
static inline int engine_forget(struct gr_engine *self, uint64_t job, uint32_t attempt,
                                uint32_t epoch, struct gr_err *err)
{
    (void)self, (void)epoch, (void)err;
    note('F', job, attempt, 0);
    return 0;
}

// As in struct gr_engine_ops.
static inline int engine_list(struct gr_engine *self, struct gr_err *err)
{
    (void)self, (void)err;
    note('L', 0, 0, 0);
    return 0;
}

// As in struct gr_engine_ops.
static inline int engine_fd(const struct gr_engine *self)
{
    (void)self;
    return -1;
}

// As in struct gr_engine_ops.
static inline int engine_poll(struct gr_engine *self, struct gr_engine_report *ret_reports,
                              unsigned most, struct gr_err *err)
{
    (void)self, (void)err;
    unsigned count = engine.report_count < most ? engine.report_count : most;
    memcpy(ret_reports, engine.reports, count * sizeof *ret_reports);
    engine.report_count = 0;
    return (int)count;
}

// As in struct gr_engine_ops.
static inline uint32_t engine_can(const struct gr_engine *self)
{
    (void)self;
    return UINT32_MAX;
}

// As in struct gr_engine_ops.
static inline void engine_close(struct gr_engine *self)
{
    (void)self;
}

// The engine's functions.
static const struct gr_engine_ops ops = {.name = "noting",
                                         .start = engine_start,
                                         .stop = engine_stop,
                                         .signal = engine_signal,
                                         .forget = engine_forget,
                                         .list = engine_list,
                                         .fd = engine_fd,
                                         .poll = engine_poll,
                                         .can = engine_can,
                                         .close = engine_close};

// So many orders of this kind were given about the job.
static inline unsigned ordered(char what, uint64_t job)
{
    unsigned count = 0;
    for (unsigned i = 0; i < engine.order_count; i++) {
        count += engine.orders[i].what == what && engine.orders[i].job == job;
    }
    return count;
}

// What the engine will say when it is asked next.
static inline void say(enum gr_engine_report_type type, uint64_t job, uint32_t attempt)
{
    assert_true(engine.report_count < REPORTS);
    engine.reports[engine.report_count++] = (struct gr_engine_report){
        .type = type, .job = job, .attempt = attempt, .since_ms = now_ms, .started_ms = now_ms};
}

// The pool's clock.
static inline int64_t clock_ms(void *context)
{
    (void)context;
    return now_ms;
}

// Opens the pool, or opens it again.
static inline void pool_open(void)
{
    struct gr_err err;
    engine.order_count = engine.report_count = 0;
    fixture_good(gr_pool_open(&config, &dir, NULL, NULL, &pool, &err), &err);
}

// A setup function.
static inline int begin(void **state)
{
    (void)state;
    if (fixture_dir_make(state) != 0) {
        return -1;
    }
    engine = (struct engine){.engine = {.ops = &ops}};
    dir = (struct gr_state_dir){.lock_fd = -1};
    snprintf(dir.path, sizeof dir.path, "%s", fixture_dir);
    now_ms = INT64_C(1800000000000);
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
    config.core.limits.jobs = config.core.limits.pieces = config.core.limits.edges = 1000;
    config.core.limits.keys = config.core.limits.keys_per_org = 100;
    config.core.touch_jobs = config.core.touch_pieces = config.core.touch_nodes = 0;
    pool_open();
    return 0;
}

// A teardown function.
static inline int end(void **state)
{
    gr_pool_close(pool);
    pool = NULL;
    return fixture_dir_remove(state);
}

// The process is killed, and starts again.
static inline void kill_and_open(void)
{
    gr_pool_free(pool);
    pool_open();
}

// One turn of the loop.
static inline void turn(void)
{
    struct gr_err err;
    int wait_ms;
    fixture_good(gr_pool_run(pool, &wait_ms, &err), &err);
}

// Turns until nothing more follows.
static inline void settle(void)
{
    struct gr_err err;
    for (unsigned i = 0; i < 6; i++) {
        turn();
        fixture_good(gr_commit_flush(pool->commit, &err), &err);
    }
    gr_pool_orders_run(pool);
}

// A spec of four of the pool's pretend devices.
static inline struct gr_spec a_spec(void)
{
    static const char *const argv[] = {"work"};
    struct gr_spec spec = gr_spec_default();
    spec.argv = (struct gr_spec_texts){argv, 1};
    spec.uid = geteuid();
    spec.gid = getegid();
    spec.devices = 4;
    spec.kind = "h20";
    spec.cpu_milli = 100;
    return spec;
}

// Submits; the test fails if it is refused.
static inline uint64_t submit(const struct gr_spec *spec)
{
    struct gr_pool_submitted submitted;
    struct gr_pool_refusal refusal;
    if (!gr_pool_submit(pool, spec, NULL, &submitted, &refusal)) {
        fail_msg("refused: %s", refusal.text);
    }
    return submitted.first;
}

// Submits, and lets the engine say that it began.
static inline uint64_t start_one(const struct gr_spec *spec)
{
    uint64_t job = submit(spec);
    settle();
    assert_int_equal(ordered('S', job), 1);
    say(GR_REPORT_STARTED, job, 1);
    settle();
    assert_true(gr_core_job_find(pool->core, job)->began_ms != 0);
    return job;
}

// A test of the pool.
#define POOL_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)
