// Tests of the pool's estimates: who waited is compared with what was said, over restarts too.
#include "daemon/estimates.h"

#include "daemon/pool_fixture.h"

#define MINUTE INT64_C(60000)

// One job that runs, of half an hour, and one that waits for it and was asked about.
static uint64_t one_waits(uint64_t *ret_first)
{
    struct gr_spec spec = a_spec();
    spec.limit_ms = 30 * MINUTE;
    *ret_first = start_one(&spec);
    now_ms += 2000; // questions are asked once a second
    uint64_t job = submit(&spec);
    settle();
    assert_int_equal(gr_core_job_find(pool->core, job)->state, GR_JOB_WAITING);
    return job;
}

static struct gr_estimates_sum sum_now(void)
{
    struct gr_estimates_sum sum;
    gr_estimates_sum(pool->estimates, now_ms, &sum);
    return sum;
}

static void end_job(uint64_t job)
{
    say(GR_REPORT_ENDED, job, 1);
    settle();
}

static void a_job_that_waited_is_checked_when_it_starts(void **state)
{
    (void)state;
    uint64_t first;
    uint64_t job = one_waits(&first);
    assert_int_equal(sum_now().watched, 1);
    now_ms += 10 * MINUTE; // an eighth to all of half an hour
    end_job(first);
    assert_int_equal(gr_core_job_find(pool->core, job)->state, GR_JOB_RUNNING);
    assert_int_equal(sum_now().watched, 0);
    assert_int_equal(sum_now().checked, 1);
    assert_int_equal(sum_now().outcomes[GR_ESTIMATE_INSIDE], 1);
}

static void who_starts_at_once_was_never_asked_about(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    (void)start_one(&spec);
    assert_int_equal(sum_now().checked + sum_now().watched, 0);
}

static void what_is_watched_and_checked_outlives_a_restart(void **state)
{
    (void)state;
    uint64_t first;
    (void)one_waits(&first);
    gr_pool_close(pool);
    pool_open();
    assert_int_equal(sum_now().watched, 1);
    say(GR_REPORT_STARTED, first, 1);
    say(GR_REPORT_LISTED, 0, 0);
    settle();
    now_ms += 10 * MINUTE;
    end_job(first);
    assert_int_equal(sum_now().checked, 1);
    gr_pool_close(pool);
    pool_open();
    assert_int_equal(sum_now().checked, 1);
    assert_int_equal(sum_now().watched, 0);
}

static void who_started_after_the_file_was_written_is_checked_at_the_next_start(void **state)
{
    (void)state;
    uint64_t first;
    (void)one_waits(&first);
    now_ms += MINUTE + 1000; // the file is written once a minute
    settle();
    now_ms += 9 * MINUTE;
    end_job(first);
    kill_and_open(); // at once
    assert_int_equal(sum_now().watched, 0);
    assert_int_equal(sum_now().checked, 1);
    assert_int_equal(sum_now().outcomes[GR_ESTIMATE_INSIDE], 1);
}

static void a_damaged_file_is_as_none(void **state)
{
    (void)state;
    uint64_t first;
    (void)one_waits(&first);
    gr_pool_close(pool);
    fixture_write("estimates", "granary-estim-1\nand nonsense");
    pool_open();
    assert_int_equal(sum_now().watched, 0);
    say(GR_REPORT_STARTED, first, 1);
    say(GR_REPORT_LISTED, 0, 0);
    settle();
    end_job(first); // who is not watched is nobody's concern
    assert_int_equal(sum_now().checked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(a_job_that_waited_is_checked_when_it_starts),
        POOL_TEST(who_starts_at_once_was_never_asked_about),
        POOL_TEST(what_is_watched_and_checked_outlives_a_restart),
        POOL_TEST(who_started_after_the_file_was_written_is_checked_at_the_next_start),
        POOL_TEST(a_damaged_file_is_as_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
