// Tests of how spans, sizes and hostile texts are shown.
#include "cli/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void spans_take_at_most_six_characters(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {-5, "0s"},
        {999, "0s"},
        {59999, "59s"},
        {60000, "1m00s"},
        {3599000, "59m59s"},
        {3600000, "1h00m"},
        {86399000, "23h59m"},
        {86400000, "1d00h"},
        {INT64_C(8639999000), "99d23h"},
        {INT64_C(8640000000), "100d"},
        {INT64_C(315360000000), "3650d"},
    };
    char buffer[GR_CLI_UNIT_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(gr_cli_span(cases[i].ms, buffer), cases[i].text);
    }
    assert_true(strlen(gr_cli_span(INT64_MAX, buffer)) > 0);
    assert_true(strlen(gr_cli_moment(INT64_MAX, buffer)) > 0);
}

static void sizes_have_a_unit_that_suits_them(void **state)
{
    (void)state;
    static const struct {
        int64_t mib;
        const char *text;
    } cases[] = {
        {-1, "0 MiB"},       {0, "0 MiB"},       {1023, "1023 MiB"},
        {1024, "1 GiB"},     {1536, "1.5 GiB"},  {98304, "96 GiB"},
        {144384, "141 GiB"}, {1048576, "1 TiB"}, {INT64_C(1) << 40, "1024 PiB"},
    };
    char buffer[GR_CLI_UNIT_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(gr_cli_memory(cases[i].mib, buffer), cases[i].text);
    }
    assert_true(strlen(gr_cli_memory(INT64_MAX, buffer)) > 0);
}

static void hostile_texts_cannot_move_the_cursor(void **state)
{
    (void)state;
    char buffer[16];
    assert_string_equal(gr_cli_clean("a\033[2J\n\xc2\x9b"
                                     "b",
                                     buffer, sizeof buffer),
                        "a?[2J??b");
    assert_string_equal(gr_cli_clean("a\u202eb\u2066\u2028c\u200f", buffer, sizeof buffer),
                        "a?b??c?");
    assert_string_equal(gr_cli_clean("\xff\xfe", buffer, sizeof buffer), "??");
    assert_string_equal(gr_cli_clean("0123456789abcde", buffer, sizeof buffer), "0123456789abcde");
    assert_string_equal(gr_cli_clean("0123456789abcdef", buffer, sizeof buffer), "0123456789ab...");
    for (size_t size = 4; size <= sizeof buffer; size++) {
        gr_cli_clean("数据数据数据数据", buffer, size);
        assert_true(strlen(buffer) < size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_take_at_most_six_characters),
        cmocka_unit_test(sizes_have_a_unit_that_suits_them),
        cmocka_unit_test(hostile_texts_cannot_move_the_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
