// Tests of cuts: which demand dominates which, and that the limits are the least that are true.
#include "replay/ceiling_cuts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ANY UINT64_MAX

// A small demand, one of each kind that needs more, and one that needs more of one thing only.
static const struct gr_ceiling_demand demands[] = {
    {1, 500, 1000, 100, ANY}, {1, 700, 2000, 100, ANY}, {1, 1000, 1000, 200, 1},
    {4, 1000, 9000, 900, 2},  {1, 900, 900, 900, ANY},
};
#define DEMANDS 5

static uint64_t random_state;

static uint32_t random_below(uint32_t count)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % count);
}

static void a_demand_dominates_what_needs_no_more_of_anything(void **state)
{
    (void)state;
    assert_true(gr_ceiling_demand_dominates(&demands[0], &demands[0]));
    assert_true(gr_ceiling_demand_dominates(&demands[1], &demands[0]));
    assert_true(gr_ceiling_demand_dominates(&demands[3], &demands[0]));
    assert_false(gr_ceiling_demand_dominates(&demands[0], &demands[1]));
    assert_false(gr_ceiling_demand_dominates(&demands[4], &demands[0])); // less cpu
    assert_false(gr_ceiling_demand_dominates(&demands[3], &demands[2])); // another model
}

static void a_cut_weighs_its_kind_of_dominating_demands(void **state)
{
    (void)state;
    static const int64_t expected[3][DEMANDS] = {
        [GR_CEILING_CUT_ALL] = {-60, 700, 1000, 4000, 0},
        [GR_CEILING_CUT_FRACTIONAL] = {-60, 700, 0, 0, 0},
        [GR_CEILING_CUT_WHOLE] = {-60, 0, 1000, 4000, 0},
    };
    for (int kind = 0; kind < 3; kind++) {
        struct gr_ceiling_cut cut = {
            .pivot = 0, .kind = (enum gr_ceiling_cut_kind)kind, .beta_milli = 60};
        for (uint32_t j = 0; j < DEMANDS; j++) {
            assert_int_equal(gr_ceiling_cut_weight(&cut, demands, j), expected[kind][j]);
        }
    }
}

static void a_limit_is_the_highest_level_so_far_at_each_event(void **state)
{
    (void)state;
    static const uint32_t arrived[] = {0, 1, GR_CEILING_NO_DEMAND, 2, 0, 0};
    static const bool are_events[] = {true, true, false, true, false, true};
    const struct gr_ceiling_arrivals arrivals = {arrived, are_events, 6};
    struct gr_ceiling_cut cut = {.pivot = 0, .beta_milli = 900, .limit_sum = 77};
    // Levels -900, -200, -200, 800, -100, -1000; before the first arrival it is 0.
    assert_int_equal(gr_ceiling_cuts_limit(&cut, 1, demands, DEMANDS, &arrivals, NULL), 0);
    assert_int_equal(cut.limit_sum, 0 + 0 + 800 + 800);
}

// What a rule-abiding policy can have placed never breaks a cut: the pivot is first rejected after
// any number of arrivals, and from then on neither it nor what dominates it is placed.
static void chosen_cuts_hold_whenever_the_pivot_is_first_rejected(void **state)
{
    (void)state;
    enum { ARRIVALS = 400 };
    static uint32_t arrived[ARRIVALS];
    static bool are_events[ARRIVALS];
    struct gr_ceiling_cut cuts[GR_CEILING_CUTS_MAX];
    int64_t counts[DEMANDS] = {0}, sums[DEMANDS] = {0};
    size_t count = 0;
    random_state = 5;
    for (int i = 0; i < ARRIVALS; i++) {
        arrived[i] = random_below(DEMANDS);
        are_events[i] = i % 100 == 99;
        counts[arrived[i]]++;
        for (int j = 0; j < DEMANDS && are_events[i]; j++) {
            sums[j] += counts[j];
        }
    }
    const struct gr_ceiling_arrivals arrivals = {arrived, are_events, ARRIVALS};
    assert_int_equal(gr_ceiling_cuts_choose(demands, DEMANDS, &arrivals, sums, cuts, &count, NULL),
                     0);
    // 0 is dominated by 1, 2, 3: three kinds; 1 by 3 alone: all, whole; 4 by 3: all, whole.
    assert_int_equal(count, 7);
    for (size_t c = 0; c < count; c++) {
        int64_t tightest = INT64_MAX;
        for (int rejected = 0; rejected <= ARRIVALS; rejected++) {
            int64_t left = 0, sum = 0;
            for (int i = 0; i < ARRIVALS; i++) {
                left += i < rejected ? gr_ceiling_cut_weight(&cuts[c], demands, arrived[i]) : 0;
                sum += are_events[i] ? left : 0;
            }
            assert_true(sum <= cuts[c].limit_sum);
            int64_t slack = cuts[c].limit_sum - sum;
            tightest = slack < tightest ? slack : tightest;
        }
        assert_true(tightest < 4 * 40 * 1000); // it is a limit, and not a lazy one
    }
}

static void rare_demands_are_no_pivots(void **state)
{
    (void)state;
    uint32_t arrived[] = {0, 1, 2, 3, 4};
    bool are_events[] = {false, false, false, false, true};
    int64_t sums[DEMANDS] = {1, 1, 1, 1, 1};
    const struct gr_ceiling_arrivals arrivals = {arrived, are_events, 5};
    struct gr_ceiling_cut cuts[GR_CEILING_CUTS_MAX];
    size_t count = 99;
    assert_int_equal(gr_ceiling_cuts_choose(demands, DEMANDS, &arrivals, sums, cuts, &count, NULL),
                     0);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_demand_dominates_what_needs_no_more_of_anything),
        cmocka_unit_test(a_cut_weighs_its_kind_of_dominating_demands),
        cmocka_unit_test(a_limit_is_the_highest_level_so_far_at_each_event),
        cmocka_unit_test(chosen_cuts_hold_whenever_the_pivot_is_first_rejected),
        cmocka_unit_test(rare_demands_are_no_pivots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
