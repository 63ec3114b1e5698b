// Tests of the pool's time, with clocks of their own.
#include "daemon/pool_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)
#define NOON INT64_C(1795345600000)

static void a_clock_that_goes_as_time_goes_is_followed(void **state)
{
    (void)state;
    struct gr_pool_clock clock;
    gr_pool_clock_init(&clock, NOON, 5000, NOON - 3 * DAY, false);
    assert_false(clock.is_doubted);
    for (int64_t ms = 0; ms < 3 * DAY; ms += 20 * 60000) {
        // Now and then it is set by half an hour: either way that is believed.
        int64_t wall_ms = NOON + ms + (ms / DAY) * 30 * 60000;
        assert_true(gr_pool_clock_now(&clock, wall_ms, 5000 + ms) == wall_ms);
        assert_false(gr_pool_clock_turn(&clock, wall_ms, 5000 + ms));
    }
}

static void a_jump_far_ahead_is_not_believed_until_it_is_taken_back(void **state)
{
    (void)state;
    struct gr_pool_clock clock;
    gr_pool_clock_init(&clock, NOON, 0, NOON, false);
    assert_true(gr_pool_clock_now(&clock, NOON + 5000 * DAY, 1000) == NOON + 1000);
    assert_true(gr_pool_clock_turn(&clock, NOON + 5000 * DAY, 1000));
    assert_true(clock.is_doubted);
    assert_false(gr_pool_clock_turn(&clock, NOON + 5000 * DAY + DAY, 1000 + DAY));
    assert_true(gr_pool_clock_now(&clock, NOON + 5002 * DAY, 2 * DAY) == NOON + 2 * DAY);
    // It is set right: at once what it says is so.
    assert_true(gr_pool_clock_turn(&clock, NOON + 2 * DAY + 40, 2 * DAY));
    assert_false(clock.is_doubted);
    assert_true(gr_pool_clock_now(&clock, NOON + 2 * DAY + 50, 2 * DAY + 10) ==
                NOON + 2 * DAY + 50);
}

static void a_clock_set_far_back_does_not_stop_the_pool_s_time(void **state)
{
    (void)state;
    struct gr_pool_clock clock;
    gr_pool_clock_init(&clock, NOON, 0, NOON, false);
    assert_true(gr_pool_clock_turn(&clock, NOON - 90 * DAY, 60000));
    assert_true(gr_pool_clock_now(&clock, NOON - 90 * DAY, 2 * HOUR) == NOON + 2 * HOUR);
    gr_pool_clock_init(&clock, NOON - 90 * DAY, 7, NOON, true);
    assert_true(clock.is_doubted);
    assert_true(gr_pool_clock_now(&clock, NOON - 90 * DAY, 7 + HOUR) == NOON + HOUR);
}

static void at_a_start_a_pool_may_have_been_off_for_a_month(void **state)
{
    (void)state;
    struct gr_pool_clock clock;
    gr_pool_clock_init(&clock, NOON + 30 * DAY, 0, NOON, false);
    assert_false(clock.is_doubted);
    gr_pool_clock_init(&clock, NOON + 31 * DAY, 0, NOON, false);
    assert_true(clock.is_doubted);
    assert_true(gr_pool_clock_now(&clock, NOON + 31 * DAY, 10) == NOON + 10);
    gr_pool_clock_init(&clock, NOON + 31 * DAY, 0, NOON, true);
    assert_false(clock.is_doubted);
    gr_pool_clock_init(&clock, NOON + 9000 * DAY, 0, 0, false); // nothing is known yet
    assert_false(clock.is_doubted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_that_goes_as_time_goes_is_followed),
        cmocka_unit_test(a_jump_far_ahead_is_not_believed_until_it_is_taken_back),
        cmocka_unit_test(a_clock_set_far_back_does_not_stop_the_pool_s_time),
        cmocka_unit_test(at_a_start_a_pool_may_have_been_off_for_a_month),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
