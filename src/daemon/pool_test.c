// Tests of the pool between core, journal and engine: what must wait until it is durable, what must
// be said again, what must not be believed too early. Most began as a seed of tests/sim_pool.
#include "daemon/pool.h"

#include "daemon/pool_fixture.h"
#include "daemon/view.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

static void an_end_told_twice_is_forgotten_only_when_it_is_durable(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    say(GR_REPORT_ENDED, job, 1);
    say(GR_REPORT_ENDED, job, 1);
    turn();
    // Gathered, and on its way at most: the engine must still know how it ended.
    if (gr_commit_bytes(pool->commit) > 0) {
        assert_int_equal(ordered('F', job), 0);
    }
    settle();
    assert_true(ordered('F', job) >= 1);
}

static void a_list_starts_nothing_whose_placement_is_not_durable(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    settle();
    uint64_t job = submit(&spec);
    gr_pool_schedule(pool);
    assert_int_equal(gr_core_job_find(pool->core, job)->state, GR_JOB_RUNNING);
    say(GR_REPORT_LISTED, 0, 0);
    struct gr_err err;
    fixture_good(gr_pool_hear(pool, &err), &err);
    gr_pool_orders_run(pool);
    assert_int_equal(ordered('S', job), 0);
    settle();
    assert_int_equal(ordered('S', job), 1);
}

static void a_stop_is_ordered_again_by_the_daemon_after_the_next_start(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    struct gr_err err;
    uint64_t job = start_one(&spec);
    assert_true(gr_pool_stop(pool, job, GR_STOP_BY_USER, 0, -1));
    fixture_good(gr_commit_flush(pool->commit, &err), &err); // durable, and no order was given
    assert_int_equal(ordered('T', job), 0);
    kill_and_open();
    say(GR_REPORT_STARTED, job, 1);
    say(GR_REPORT_LISTED, 0, 0);
    settle();
    assert_true(ordered('T', job) >= 1);
    assert_int_equal(ordered('S', job), 0);
}

static void a_time_limit_counts_from_the_first_instruction_also_after_a_restart(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    spec.limit_ms = 10000;
    spec.notice_signal = SIGUSR1;
    spec.notice_ms = 1000;
    uint64_t job = submit(&spec);
    settle();
    kill_and_open(); // placed, and nobody knows that it runs
    now_ms += 8000;
    say(GR_REPORT_STARTED, job, 1);
    say(GR_REPORT_LISTED, 0, 0);
    settle();
    now_ms += 8999;
    settle();
    assert_int_equal(ordered('N', job), 0);
    assert_int_equal(gr_core_job_find(pool->core, job)->stop_why, GR_STOP_NOT);
    now_ms += 1;
    settle();
    assert_int_equal(ordered('N', job), 1);
    now_ms += 999;
    settle();
    assert_int_equal(gr_core_job_find(pool->core, job)->stop_why, GR_STOP_NOT);
    now_ms += 1;
    settle();
    assert_int_equal(gr_core_job_find(pool->core, job)->stop_why, GR_STOP_TIME_LIMIT);
    assert_int_equal(ordered('T', job), 1);
}

static void an_order_that_cannot_be_given_ends_a_job_only_when_the_engine_says_so(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    engine.start_rc = -EINVAL;
    uint64_t job = submit(&spec);
    settle();
    // An order of the daemon before may be on its way: the devices are not free yet.
    assert_int_equal(gr_core_job_find(pool->core, job)->state, GR_JOB_RUNNING);
    assert_int_equal(ordered('T', job), 1);
    say(GR_REPORT_UNKNOWN, job, 1);
    settle();
    struct gr_ended ended;
    assert_null(gr_core_job_find(pool->core, job));
    assert_true(gr_pool_ended_find(pool, job, &ended));
    assert_int_equal(ended.ending.outcome, GR_OUTCOME_NOT_STARTED);
    assert_string_equal(ended.text, "not this one");
}

static void an_order_that_finds_no_memory_is_given_later(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    engine.stop_rc = -ENOMEM;
    assert_true(gr_pool_stop(pool, job, GR_STOP_BY_USER, 0, -1));
    settle();
    assert_int_equal(engine.stop_rc, 0);
    assert_int_equal(ordered('T', job), 1);
}

static void an_attempt_that_nobody_placed_is_killed(void **state)
{
    (void)state;
    settle();
    say(GR_REPORT_STARTED, 77, 1);
    settle();
    assert_int_equal(ordered('T', 77), 1);
    assert_int_equal(engine.orders[engine.order_count - 1].signal, SIGKILL);
}

static void what_ran_and_is_not_in_a_list_is_lost(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    say(GR_REPORT_DOWN, 0, 0);
    say(GR_REPORT_UP, 0, 0);
    say(GR_REPORT_LISTED, 0, 0);
    settle();
    struct gr_ended ended;
    assert_true(gr_pool_ended_find(pool, job, &ended));
    assert_int_equal(ended.ending.outcome, GR_OUTCOME_LOST);
}

// Scripts for after an attempt that wait until somebody opens their gate.
static void care_open(void)
{
    struct gr_err err;
    assert_int_equal(mkdir(fixture_path("checks"), 0700), 0);
    assert_int_equal(mkdir(fixture_path("checks/after.d"), 0700), 0);
    assert_int_equal(mkfifo(fixture_path("gate"), 0600), 0);
    char script[320];
    snprintf(script, sizeof script,
             "#!/bin/sh\necho \"$GRANARY_CHECK $GRANARY_USER\" >%s/said\ncat %s/gate >/dev/null\n",
             fixture_dir, fixture_dir);
    fixture_write("checks/after.d/10-wait", script);
    assert_int_equal(chmod(fixture_path("checks/after.d/10-wait"), 0700), 0);
    fixture_good(gr_care_open(fixture_path("checks"), pool->watch, 3600000, &pool->care, &err),
                 &err);
}

// Opens the gate and waits until the scripts are over.
static void care_end(uint64_t job)
{
    int gate = open(fixture_path("gate"), O_WRONLY | O_CLOEXEC);
    assert_true(gate >= 0);
    close(gate);
    struct pollfd poll_fd = {.fd = gr_care_fd(pool->care), .events = POLLIN};
    while (gr_core_job_find(pool->core, job) != NULL) {
        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
        settle();
    }
}

static void an_end_whose_node_is_looked_after_is_not_lost_by_a_list(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    kill_and_open(); // it ended meanwhile
    care_open();
    say(GR_REPORT_ENDED, job, 1);
    engine.reports[engine.report_count - 1].end.exit_code = 7;
    say(GR_REPORT_LISTED, 0, 0);
    settle();
    assert_non_null(gr_core_job_find(pool->core, job));
    care_end(job);
    struct gr_ended ended;
    assert_true(gr_pool_ended_find(pool, job, &ended));
    assert_int_equal(ended.ending.outcome, GR_OUTCOME_FAILED);
    assert_int_equal(ended.ending.exit_code, 7);
    char said[128] = "";
    char want[128];
    FILE *file = fopen(fixture_path("said"), "re");
    assert_non_null(file);
    assert_non_null(fgets(said, sizeof said, file));
    fclose(file);
    snprintf(want, sizeof want, "after %s\n", gr_view_user(spec.uid));
    assert_string_equal(said, want);
}

static void a_node_is_looked_after_also_when_an_attempt_is_lost(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    care_open();
    say(GR_REPORT_LOST, job, 1);
    settle();
    assert_non_null(gr_core_job_find(pool->core, job)); // its devices are nobody's yet
    care_end(job);
    struct gr_ended ended;
    assert_true(gr_pool_ended_find(pool, job, &ended));
    assert_int_equal(ended.ending.outcome, GR_OUTCOME_LOST);
}

static void nonsense_of_an_engine_is_no_reason_to_end(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    say(GR_REPORT_LOST, job + 1000, GR_SPEC_ATTEMPTS_MAX + 1000);
    say(GR_REPORT_STARTED, UINT64_MAX, 1);
    say(GR_REPORT_ENDED, job, 1);
    engine.reports[engine.report_count - 1].end.signal = 4000;
    engine.reports[engine.report_count - 1].end.task = 7;
    settle();
    struct gr_ended ended;
    assert_true(gr_pool_ended_find(pool, job, &ended));
    assert_int_equal(ended.ending.signal, 0);
    assert_int_equal(ended.ending.task, 0);
}

static void one_end_that_dooms_many_leaves_time_for_others(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    struct gr_spec_after after = {.how = GR_AFTER_OK};
    struct gr_err err;
    uint64_t job = after.job = start_one(&spec);
    spec.after = &after;
    spec.after_count = 1;
    for (unsigned i = 0; i < 90; i++) {
        (void)submit(&spec);
    }
    say(GR_REPORT_ENDED, job, 1);
    engine.reports[engine.report_count - 1].end.exit_code = 1;
    fixture_good(gr_pool_hear(pool, &err), &err);
    pool->config.waiting_bytes_most = 1; // too much waits already
    gr_pool_schedule(pool);
    assert_int_equal(gr_core_held(pool->core), 90);
    pool->config.waiting_bytes_most = 1 << 20;
    settle();
    assert_int_equal(gr_core_held(pool->core), 0);
}

static void checks_and_health_alone_do_not_empty_the_fleet(void **state)
{
    (void)state;
    const struct gr_place *place = gr_core_place(pool->core);
    assert_int_equal(gr_place_node_count(place), 2);
    gr_pool_care_drain(pool, 0, "unwell"); // the limit of this pool is 0 %
    assert_int_equal(gr_place_node_get(place, 0)->state, GR_NODE_UP);
    pool->config.drain_percent = 50;
    gr_pool_care_drain(pool, 0, "unwell");
    gr_pool_care_drain(pool, 1, "unwell too");
    assert_int_equal(gr_place_node_get(place, 0)->state, GR_NODE_DRAINED);
    assert_int_equal(gr_place_node_get(place, 1)->state, GR_NODE_UP);
    assert_non_null(strstr(pool->nodes[1].why, "unwell too"));
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(an_end_told_twice_is_forgotten_only_when_it_is_durable),
        POOL_TEST(a_list_starts_nothing_whose_placement_is_not_durable),
        POOL_TEST(a_stop_is_ordered_again_by_the_daemon_after_the_next_start),
        POOL_TEST(a_time_limit_counts_from_the_first_instruction_also_after_a_restart),
        POOL_TEST(an_order_that_cannot_be_given_ends_a_job_only_when_the_engine_says_so),
        POOL_TEST(an_order_that_finds_no_memory_is_given_later),
        POOL_TEST(an_attempt_that_nobody_placed_is_killed),
        POOL_TEST(what_ran_and_is_not_in_a_list_is_lost),
        POOL_TEST(an_end_whose_node_is_looked_after_is_not_lost_by_a_list),
        POOL_TEST(a_node_is_looked_after_also_when_an_attempt_is_lost),
        POOL_TEST(checks_and_health_alone_do_not_empty_the_fleet),
        POOL_TEST(nonsense_of_an_engine_is_no_reason_to_end),
        POOL_TEST(one_end_that_dooms_many_leaves_time_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
