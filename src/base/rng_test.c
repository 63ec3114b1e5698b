// Tests of the numbers that look random.
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

// The first numbers of the published algorithm (Vigna's splitmix64.c) from two seeds.
static void a_seed_draws_the_published_numbers(void **unused)
{
    (void)unused;
    uint64_t state = 0;
    assert_true(gr_rng_next(&state) == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(gr_rng_next(&state) == UINT64_C(0x6e789e6aa1b965f4));
    assert_true(gr_rng_next(&state) == UINT64_C(0x06c45d188009454f));
    state = 1234567;
    assert_true(gr_rng_next(&state) == UINT64_C(6457827717110365317));
    assert_true(gr_rng_next(&state) == UINT64_C(3203168211198807973));
}

static void mixing_is_drawing_from_the_state_before(void **unused)
{
    (void)unused;
    uint64_t state = 77;
    assert_true(gr_rng_mix(77 + GR_RNG_STEP) == gr_rng_next(&state));
    assert_true(state == 77 + GR_RNG_STEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_draws_the_published_numbers),
        cmocka_unit_test(mixing_is_drawing_from_the_state_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
