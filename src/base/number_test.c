// Tests of numbers as text: exact reading, refusals, and that writing gives back what was read.
#include "base/number.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int read_milli(const char *text, int64_t *ret_value)
{
    return gr_number_read_decimal(gr_slice_of(text), 3, INT64_MIN, INT64_MAX, ret_value);
}

static void decimals_read_and_write_back_alike(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
        const char *back;
    } cases[] = {
        {"0", 0, "0"},
        {"-0", 0, "0"},
        {"19.45", 19450, "19.45"},
        {"80", 80000, "80"},
        {"0.001", 1, "0.001"},
        {"-0.5", -500, "-0.5"},
        {"2000.0", 2000000, "2000"},
        {"1.0000000", 1000, "1"},
        {"9223372036854775.807", INT64_MAX, "9223372036854775.807"},
        {"-9223372036854775.808", INT64_MIN, "-9223372036854775.808"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = -1;
        char buffer[GR_NUMBER_TEXT_SIZE];
        assert_int_equal(read_milli(cases[i].text, &value), 0);
        assert_true(value == cases[i].value);
        assert_string_equal(gr_number_format(value, 3, buffer), cases[i].back);
    }
}

static void what_is_not_a_number_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"", -EINVAL},
        {"-", -EINVAL},
        {".5", -EINVAL},
        {"5.", -EINVAL},
        {"1.2.3", -EINVAL},
        {"1e5", -EINVAL},
        {"0x1", -EINVAL},
        {"+1", -EINVAL},
        {" 1", -EINVAL},
        {"1 ", -EINVAL},
        {"nan", -EINVAL},
        {"1,5", -EINVAL},
        {"1.0001", -EDOM},
        {"9223372036854775.808", -ERANGE},
        {"99999999999999999999999", -ERANGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 77;
        assert_int_equal(read_milli(cases[i].text, &value), cases[i].code);
        assert_int_equal(value, 77);
    }
}

static void whole_numbers_have_no_point(void **state)
{
    (void)state;
    int64_t value = 77;
    assert_int_equal(gr_number_read_int(gr_slice_of("1.0"), 0, 9, &value), -EINVAL);
    assert_int_equal(gr_number_read_int(gr_slice_of("10"), 0, 9, &value), -ERANGE);
    assert_int_equal(gr_number_read_int(gr_slice_of("-1"), 0, 9, &value), -ERANGE);
    assert_int_equal(gr_number_read_int(gr_slice_of("009"), 0, 9, &value), 0);
    assert_int_equal(value, 9);
}

static void fixed_places_round_half_away_from_zero(void **state)
{
    (void)state;
    char buffer[GR_NUMBER_TEXT_SIZE];
    assert_string_equal(gr_number_format_fixed(19450, 3, 1, buffer), "19.5");
    assert_string_equal(gr_number_format_fixed(19449, 3, 1, buffer), "19.4");
    assert_string_equal(gr_number_format_fixed(-19450, 3, 1, buffer), "-19.5");
    assert_string_equal(gr_number_format_fixed(-4, 3, 0, buffer), "0");
    assert_string_equal(gr_number_format_fixed(500, 3, 0, buffer), "1");
    assert_string_equal(gr_number_format_fixed(80000, 3, 2, buffer), "80.00");
    assert_string_equal(gr_number_format_fixed(INT64_MIN, 0, 0, buffer), "-9223372036854775808");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_read_and_write_back_alike),
        cmocka_unit_test(what_is_not_a_number_is_refused),
        cmocka_unit_test(whole_numbers_have_no_point),
        cmocka_unit_test(fixed_places_round_half_away_from_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
