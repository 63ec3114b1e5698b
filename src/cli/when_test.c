// Tests of moments as people write them.
#include "cli/when.h"

#include "base/quantity.h"
#include "cli/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

// 2027-03-27 10:00 in Berlin, a day before the clocks go forward.
#define NOW INT64_C(1806138000000)

static int64_t read_one(const char *text)
{
    struct gr_err err;
    int64_t ms = -1;
    gr_err_init(&err);
    return gr_cli_when_read(text, NOW, "--from", &ms, &err) == 0 ? ms : -1;
}

static void moments_are_read_as_they_are_meant(void **state)
{
    (void)state;
    const int64_t minute = 60000, hour = 60 * minute;
    assert_true(read_one("now") == NOW);
    assert_true(read_one("+2h") == NOW + 2 * hour);
    assert_true(read_one("10:01") == NOW + minute);
    assert_true(read_one("10:00") == NOW + 23 * hour); // tomorrow, a short day
    assert_true(read_one("today 09:00") == NOW - hour);
    assert_true(read_one("tomorrow 09:00") == NOW + 22 * hour);
    assert_true(read_one("2027-03-29 10:00") == NOW + 47 * hour);
    assert_true(read_one("2027-03-27T09:00:30Z") == NOW + minute / 2);
    assert_true(read_one("2027-03-27T10:00+01:00") == NOW);
    assert_true(read_one("2027-03-27 18:00:00+0900") == NOW);
}

static void what_is_no_moment_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "later",
                                      "+",
                                      "+2parsecs",
                                      "25:00",
                                      "10",
                                      "2027-03-27",
                                      "2027-13-01 10:00",
                                      "10:00 x",
                                      "tomorrow",
                                      "tomorrow 9",
                                      "2027-03-27 10:00 moon",
                                      "yesterday 10:00"};
    struct gr_err err;
    int64_t ms;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_true(read_one(bad[i]) == -1);
    }
    gr_err_init(&err);
    assert_int_equal(gr_cli_when_read("later", NOW, "--from", &ms, &err), -EINVAL);
    assert_non_null(strstr(err.text, "--from: found 'later', expected now, +2h"));
}

static void moments_are_shown_with_their_zone(void **state)
{
    (void)state;
    char text[GR_CLI_UNIT_SIZE];
    assert_string_equal(gr_cli_when_format(NOW, text), "2027-03-27 10:00:00 CET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_read_as_they_are_meant),
        cmocka_unit_test(what_is_no_moment_is_refused),
        cmocka_unit_test(moments_are_shown_with_their_zone),
    };
    (void)setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1); // needs no table of zones
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
