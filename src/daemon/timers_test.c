// Tests of the heap of deadlines.
#include "daemon/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void nothing_is_due_without_timers(void **state)
{
    (void)state;
    struct gr_timers timers = {0};
    struct gr_timer timer;
    assert_int_equal(gr_timers_next(&timers), INT64_MAX);
    assert_false(gr_timers_take(&timers, INT64_MAX, &timer));
    gr_timers_done(&timers);
}

static void a_timer_is_due_at_its_millisecond_and_not_before(void **state)
{
    (void)state;
    struct gr_timers timers = {0};
    struct gr_timer timer = {.at_ms = 100, .job = 7, .attempt = 2, .kind = GR_TIMER_NOTICE};
    assert_int_equal(gr_timers_add(&timers, &timer), 0);
    assert_int_equal(gr_timers_next(&timers), 100);
    memset(&timer, 0, sizeof timer);
    assert_false(gr_timers_take(&timers, 99, &timer));
    assert_true(gr_timers_take(&timers, 100, &timer));
    assert_int_equal(timer.job, 7);
    assert_int_equal(timer.attempt, 2);
    assert_int_equal(timer.kind, GR_TIMER_NOTICE);
    assert_false(gr_timers_take(&timers, 101, &timer));
    gr_timers_done(&timers);
}

static void timers_come_in_order_however_they_were_added(void **state)
{
    (void)state;
    struct gr_timers timers = {0};
    struct gr_timer timer;
    uint32_t random = 1;
    // More than the first room, so that it grows; many of the same time; some taken in between.
    for (unsigned i = 0; i < 2000; i++) {
        random = random * 1664525u + 1013904223u;
        timer = (struct gr_timer){.at_ms = random >> 23, .job = i + 1, .kind = GR_TIMER_LIMIT};
        assert_int_equal(gr_timers_add(&timers, &timer), 0);
        if (i % 5 == 4) {
            int64_t next_ms = gr_timers_next(&timers);
            assert_true(gr_timers_take(&timers, INT64_MAX, &timer));
            assert_int_equal(timer.at_ms, next_ms);
        }
    }
    assert_int_equal(timers.count, 1600);
    int64_t last_ms = INT64_MIN;
    unsigned taken = 0;
    while (gr_timers_take(&timers, INT64_MAX, &timer)) {
        assert_true(timer.at_ms >= last_ms);
        last_ms = timer.at_ms;
        taken++;
    }
    assert_int_equal(taken, 1600);
    gr_timers_done(&timers);
}

static unsigned asked;

static bool is_odd(const void *context, const struct gr_timer *timer)
{
    assert_null(context);
    asked++;
    return timer->job % 2 == 1;
}

// A pool of short jobs with long limits: all but the newest timers are of jobs that ended.
static bool is_new(const void *context, const struct gr_timer *timer)
{
    return timer->job + 10 > *(const uint64_t *)context;
}

static void timers_that_do_not_matter_are_thrown_out_before_the_heap_grows(void **state)
{
    (void)state;
    uint64_t newest = 0;
    struct gr_timers timers = {.matters = is_new, .context = &newest};
    struct gr_timer timer;
    for (newest = 1; newest <= 1000000; newest++) {
        timer = (struct gr_timer){.at_ms = INT64_C(5400000) + (int64_t)newest, .job = newest};
        assert_int_equal(gr_timers_add(&timers, &timer), 0);
    }
    assert_true(timers.room <= 4096);
    uint64_t found = 0;
    int64_t last_ms = 0;
    while (gr_timers_take(&timers, INT64_MAX, &timer)) {
        assert_true(timer.at_ms >= last_ms);
        last_ms = timer.at_ms;
        found += timer.job + 10 > 1000000;
    }
    assert_int_equal(found, 10);
    gr_timers_done(&timers);
}

static void timers_that_matter_stay_in_order_when_others_are_thrown_out(void **state)
{
    (void)state;
    struct gr_timers timers = {.matters = is_odd};
    struct gr_timer timer;
    uint32_t random = 1;
    for (unsigned i = 0; i < 100000; i++) {
        random = random * 1664525u + 1013904223u;
        timer = (struct gr_timer){.at_ms = random >> 8, .job = i};
        assert_int_equal(gr_timers_add(&timers, &timer), 0);
    }
    assert_in_range(asked, 1, 400000); // now and then, not at each
    int64_t last_ms = 0;
    unsigned odd = 0;
    while (gr_timers_take(&timers, INT64_MAX, &timer)) {
        assert_true(timer.at_ms >= last_ms);
        last_ms = timer.at_ms;
        odd += timer.job % 2;
    }
    assert_int_equal(odd, 50000);
    gr_timers_done(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_due_without_timers),
        cmocka_unit_test(a_timer_is_due_at_its_millisecond_and_not_before),
        cmocka_unit_test(timers_come_in_order_however_they_were_added),
        cmocka_unit_test(timers_that_do_not_matter_are_thrown_out_before_the_heap_grows),
        cmocka_unit_test(timers_that_matter_stay_in_order_when_others_are_thrown_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
