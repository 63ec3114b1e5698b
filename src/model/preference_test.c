// Tests of preferences: tiers that are put are read again, and what is well formed.
#include "model/preference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void each_variant_has_the_tier_it_was_put_into(void **state)
{
    (void)state;
    struct gr_preference preference = {0};
    for (unsigned v = 0; v < GR_POOL_VARIANTS_MAX; v++) {
        gr_preference_put(&preference, v, 15);
        gr_preference_put(&preference, v, v % (GR_TIERS_MAX + 1));
    }
    for (unsigned v = 0; v < GR_POOL_VARIANTS_MAX; v++) {
        assert_int_equal(gr_preference_tier(&preference, v), v % (GR_TIERS_MAX + 1));
    }
    assert_int_equal(gr_preference_tiers(&preference), GR_TIERS_MAX);
    assert_true(gr_preference_good(&preference));
}

static void a_tier_is_a_set_of_variants(void **state)
{
    (void)state;
    struct gr_preference preference = {0};
    uint64_t variants[GR_PREFERENCE_WORDS];
    gr_preference_put(&preference, 3, 1);
    gr_preference_put(&preference, 64, 2);
    gr_preference_put(&preference, 127, 2);
    gr_preference_variants(&preference, 2, variants);
    assert_int_equal(variants[0], 0);
    assert_true(variants[1] == (UINT64_C(1) | UINT64_C(1) << 63));
    gr_preference_variants(&preference, 0, variants);
    assert_int_equal(variants[0], 8);
}

static void one_choice_or_a_gap_is_no_preference(void **state)
{
    (void)state;
    struct gr_preference preference = {0};
    assert_int_equal(gr_preference_tiers(&preference), 0);
    assert_false(gr_preference_good(&preference));
    gr_preference_put(&preference, 0, 1);
    assert_false(gr_preference_good(&preference));
    gr_preference_put(&preference, 1, 3);
    assert_false(gr_preference_good(&preference));
    gr_preference_put(&preference, 2, 2);
    assert_true(gr_preference_good(&preference));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_variant_has_the_tier_it_was_put_into),
        cmocka_unit_test(a_tier_is_a_set_of_variants),
        cmocka_unit_test(one_choice_or_a_gap_is_no_preference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
