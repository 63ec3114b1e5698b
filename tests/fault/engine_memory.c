// The nth allocation fails, once or for ever, on the daemon's side of the local engine: while it
// launches, connects, orders and takes reports. What follows is an error with a text, or a
// connection that is made anew; with memory again each job can be started, and none is lost sight
// of. The launcher and its keepers are processes of their own, and have their memory.
#include "fixture.h"
#include "shim_memory.h"

#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

// How long the engine is left without memory, if it has none from some moment on.
#define WITHOUT_MS 60

static char where[100];

static void assert_no_memory(int code, const struct gr_err *err, const char *what)
{
    if (code != 0 && ((code != -ENOMEM && code != -EAGAIN) || err->text[0] == '\0')) {
        (void)gr_memory_end();
        fail_msg("%s: %s: %d: %s", where, what, code, err->text);
    }
}

// Takes in what is there for a while.
static void polls(struct fixture *fixture, int64_t for_ms)
{
    for (int64_t until_ms = gr_clock_ms() + for_ms; gr_clock_ms() < until_ms;) {
        fixture_poll(fixture, 10);
    }
}

// The job runs and has ended, whatever became of its order: what was lost on the way is given
// again, as the pool does.
static void assert_runs(struct fixture *fixture, uint64_t id)
{
    struct gr_err err;
    struct fixture_job job = fixture_script(id, "exit 7");
    gr_err_init(&err);
    fixture_list(fixture);
    for (unsigned again = 0; again < 100 && fixture_count(fixture, id, GR_REPORT_ENDED) == 0;
         again++) {
        int code = fixture_start(fixture, &job, &err);
        assert_no_memory(code, &err, "an order with memory again");
        polls(fixture, 20);
    }
    const struct gr_engine_report *ended = fixture_await(fixture, id, GR_REPORT_ENDED);
    assert_int_equal(ended->end.exit_code, 7);
    assert_int_equal(fixture->engine->ops->forget(fixture->engine, id, 1, fixture->epoch, &err), 0);
    fixture_list(fixture);
    assert_int_equal(fixture_count(fixture, id, GR_REPORT_ENDED), 0);
}

// One try: the nth allocation fails from the opening on. Returns whether it was asked for.
static bool try_opening(struct fixture *fixture, unsigned long nth, bool for_ever)
{
    struct gr_err err;
    struct gr_local_config config = {.dir = fixture->dir, .checks = "", .epoch = ++fixture->epoch};
    gr_err_init(&err);
    fixture->engine->ops->close(fixture->engine);
    fixture->engine = NULL;
    gr_memory_begin(nth, for_ever);
    int code = gr_local_launch(&config, &err);
    assert_no_memory(code, &err, "launch");
    code = code != 0 ? code : gr_local_open(&config, &fixture->engine, &err);
    bool is_reached = gr_memory_end();
    assert_no_memory(code, &err, "open");
    assert_true((code == 0) == (fixture->engine != NULL));
    if (fixture->engine == NULL) {
        assert_int_equal(gr_local_open(&config, &fixture->engine, &err), 0);
    }
    fixture->is_up = true;
    fixture_clear(fixture);
    return is_reached;
}

// The same while a job is ordered, runs, is signalled, listed and ends.
static bool try_work(struct fixture *fixture, unsigned long nth, bool for_ever, uint64_t id)
{
    const struct gr_engine_ops *ops = fixture->engine->ops;
    struct fixture_job job = fixture_script(id, "exit 7");
    struct gr_err err;
    gr_err_init(&err);
    fixture_clear(fixture);
    gr_memory_begin(nth, for_ever);
    int code = fixture_start(fixture, &job, &err);
    assert_no_memory(code, &err, "start");
    int64_t until_ms = gr_clock_ms() + (for_ever ? WITHOUT_MS : 2000);
    unsigned turns = 0;
    do {
        fixture_poll(fixture, 10);
        turns++;
        gr_err_init(&err);
        assert_no_memory(ops->list(fixture->engine, &err), &err, "list");
        gr_err_init(&err);
        code = ops->signal(fixture->engine, id, 1, fixture->epoch, SIGCONT, &err);
        assert_no_memory(code, &err, "signal");
    } while (gr_clock_ms() < until_ms && fixture_count(fixture, id, GR_REPORT_ENDED) == 0);
    bool is_reached = gr_memory_end();
    // Trying again is not to keep a processor busy.
    assert_true(turns < 10000);
    assert_runs(fixture, id);
    return is_reached;
}

// The same when the launcher is killed: the engine makes another.
static bool try_again(struct fixture *fixture, unsigned long nth, bool for_ever, uint64_t id)
{
    fixture_list(fixture);
    fixture_clear(fixture);
    pid_t launcher = fixture_launcher(fixture);
    gr_memory_begin(nth, for_ever);
    assert_int_equal(kill(launcher, SIGKILL), 0);
    int64_t until_ms = gr_clock_ms() + (for_ever ? WITHOUT_MS : FIXTURE_WAIT_MS);
    unsigned turns = 0;
    while (gr_clock_ms() < until_ms && fixture_count(fixture, 0, GR_REPORT_UP) == 0) {
        fixture_poll(fixture, 10);
        turns++;
    }
    bool is_reached = gr_memory_end();
    assert_true(turns < 10000);
    (void)fixture_await(fixture, 0, GR_REPORT_UP);
    assert_int_equal(fixture_count(fixture, 0, GR_REPORT_DOWN), 1);
    assert_runs(fixture, id);
    return is_reached;
}

static void an_engine_that_opens_without_memory_can_be_opened_again(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    fixture_open(&fixture);
    uint64_t id = 1;
    for (unsigned k = 0; k < 2; k++) {
        unsigned long nth = 1;
        for (bool is_reached = true; is_reached; nth++) {
            (void)snprintf(where, sizeof where, "allocation %lu%s", nth,
                           k == 1 ? ", for ever" : "");
            is_reached = try_opening(&fixture, nth, k == 1);
            assert_runs(&fixture, id++);
        }
        assert_true(nth > 5);
    }
    fixture_close(&fixture);
}

static void an_engine_that_works_without_memory_loses_sight_of_no_job(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    uint64_t id = 1;
    for (unsigned k = 0; k < 2; k++) {
        unsigned long nth = 1;
        for (bool is_reached = true; is_reached && nth < 40; nth++) {
            (void)snprintf(where, sizeof where, "allocation %lu%s", nth,
                           k == 1 ? ", for ever" : "");
            fixture_open(&fixture); // one whose buffers are not there yet
            is_reached = try_work(&fixture, nth, k == 1, id++);
            fixture_close(&fixture);
        }
        assert_true(nth > 2);
    }
}

static void an_engine_that_loses_its_launcher_without_memory_gets_another(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    uint64_t id = 1;
    fixture_open(&fixture);
    for (unsigned k = 0; k < 2; k++) {
        unsigned long nth = 1;
        for (bool is_reached = true; is_reached && nth < 40; nth++) {
            (void)snprintf(where, sizeof where, "allocation %lu%s", nth,
                           k == 1 ? ", for ever" : "");
            is_reached = try_again(&fixture, nth, k == 1, id++);
        }
        assert_true(nth > 3);
    }
    fixture_close(&fixture);
}

int main(int argc, char **argv)
{
    struct gr_err err;
    gr_err_init(&err);
    if (argc == 4 && strcmp(argv[1], "engine") == 0 && strcmp(argv[2], "launcher") == 0) {
        return gr_local_launcher_main(argv[3], &err);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_that_opens_without_memory_can_be_opened_again),
        cmocka_unit_test(an_engine_that_works_without_memory_loses_sight_of_no_job),
        cmocka_unit_test(an_engine_that_loses_its_launcher_without_memory_gets_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
