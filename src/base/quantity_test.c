// Durations, sizes and signals are read exactly, written so that they are read back, and what
// people mean different things by is refused.
#include "base/quantity.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0},
        {"0s", 0},
        {"90s", 90000},
        {"1h30m", 5400000},
        {"2d", 172800000},
        {"1d2h3m4s5ms", 93784005},
        {"1.5h", 5400000},
        {"500ms", 500},
        {"0.5s", 500},
        {"0.001s", 1},
        {"1m1ms", 60001},
        {"5m", 300000},
        {"100000d", INT64_C(8640000000000)},
        {"00:00:01", 1000},
        {"1:00:00", 3600000},
        {"10:30:00", 37800000},
        {"100:00:00", 360000000},
        {"2-00:00:00", 172800000},
        {"2-23:59:59", 259199000},
        {"9007199254740991ms", (INT64_C(1) << 53) - 1},
        {"9007199254740s", INT64_C(9007199254740000)},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = -7;
        print_message("%s\n", good[i].text);
        assert_int_equal(gr_duration_read(gr_slice_of(good[i].text), &ms), 0);
        assert_int_equal(ms, good[i].ms);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } bad[] = {
        {"", -EINVAL},
        {"90", -EINVAL},
        {"1.5", -EINVAL},
        {"10:30", -EINVAL},
        {"s", -EINVAL},
        {"1s1m", -EINVAL},
        {"1m1m", -EINVAL},
        {"1 h", -EINVAL},
        {"1w", -EINVAL},
        {"-1s", -EINVAL},
        {"+1s", -EINVAL},
        {"1h30", -EINVAL},
        {"1.h", -EINVAL},
        {".5h", -EINVAL},
        {"1..5h", -EINVAL},
        {"1H", -EINVAL},
        {"1:60:00", -EINVAL},
        {"1:00:60", -EINVAL},
        {"1:0:00", -EINVAL},
        {"1:00:00:00", -EINVAL},
        {"1-24:00:00", -ERANGE},
        {"1-1-00:00:00", -EINVAL},
        {"::", -EINVAL},
        {"-1:00:00", -EINVAL},
        {"100001:00:00", -ERANGE},
        {"1:00:00s", -EINVAL},
        {"0.5ms", -EDOM},
        {"0.0001s", -EDOM},
        {"9007199254740992ms", -ERANGE},
        {"9007199254740991ms1ms", -EINVAL},
        {"9007199254740s992ms", -ERANGE},
        {"99999999999999999999s", -ERANGE},
        {"9223372036854775807d", -ERANGE},
        {"1e3s", -EINVAL},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ms = -7;
        print_message("%s\n", bad[i].text);
        assert_int_equal(gr_duration_read(gr_slice_of(bad[i].text), &ms), bad[i].code);
        assert_int_equal(ms, -7);
    }
    int64_t ms;
    assert_int_equal(gr_duration_read((struct gr_slice){NULL, 0}, &ms), -EINVAL);
}

static void durations_are_read_back(void **state)
{
    (void)state;
    char text[GR_QUANTITY_TEXT_SIZE];
    assert_string_equal(gr_duration_format(0, text), "0s");
    assert_string_equal(gr_duration_format(5400000, text), "1h30m");
    assert_string_equal(gr_duration_format(86401000, text), "1d1s");
    assert_string_equal(gr_duration_format(250, text), "250ms");
    for (int64_t ms = 0; ms < (INT64_C(1) << 53); ms = ms * 3 + 1) {
        int64_t back = -1;
        assert_int_equal(gr_duration_read(gr_slice_of(gr_duration_format(ms, text)), &back), 0);
        assert_int_equal(back, ms);
    }
}

static void sizes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {
        {"80GiB", INT64_C(80) << 30},
        {"512MiB", 512 << 20},
        {"1KiB", 1024},
        {"0MiB", 0},
        {"1.5GiB", 3 << 29},
        {"80Gi", INT64_C(80) << 30},
        {"80gib", INT64_C(80) << 30},
        {"80GB", INT64_C(80000000000)},
        {"1kB", 1000},
        {"2TiB", INT64_C(2) << 40},
        {"8191PiB", INT64_C(8191) << 50},
        {"0.5KiB", 512},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t bytes = -7;
        print_message("%s\n", good[i].text);
        assert_int_equal(gr_size_read(gr_slice_of(good[i].text), &bytes), 0);
        assert_int_equal(bytes, good[i].bytes);
    }
}

static void what_is_no_size_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } bad[] = {
        {"", -EINVAL},
        {"80", -EINVAL},
        {"80G", -EINVAL},
        {"80M", -EINVAL},
        {"GiB", -EINVAL},
        {"80 GiB", -EINVAL},
        {"-1GiB", -EINVAL},
        {"80GiBs", -EINVAL},
        {"80Gix", -EINVAL},
        {"80XiB", -EINVAL},
        {"80B", -EINVAL},
        {"80GxB", -EINVAL},
        {"1e3MiB", -EINVAL},
        {"0.0001KiB", -EDOM},
        {"8192PiB", -ERANGE},
        {"99999999999PiB", -ERANGE},
        {"99999999999999999999GiB", -ERANGE},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t bytes = -7;
        print_message("%s\n", bad[i].text);
        assert_int_equal(gr_size_read(gr_slice_of(bad[i].text), &bytes), bad[i].code);
        assert_int_equal(bytes, -7);
    }
}

static void sizes_are_read_back(void **state)
{
    (void)state;
    char text[GR_QUANTITY_TEXT_SIZE];
    assert_string_equal(gr_size_format_mib(0, text), "0MiB");
    assert_string_equal(gr_size_format_mib(81920, text), "80GiB");
    assert_string_equal(gr_size_format_mib(1536, text), "1536MiB");
    for (int64_t mib = 1; mib < INT64_C(1000000000); mib = mib * 2 + mib % 3) {
        int64_t bytes;
        assert_int_equal(gr_size_read(gr_slice_of(gr_size_format_mib(mib, text)), &bytes), 0);
        assert_int_equal(bytes, mib << 20);
    }
}

static void signals_have_their_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t number;
    } good[] = {
        {"TERM", SIGTERM},   {"sigterm", SIGTERM}, {"SIGINT", SIGINT}, {"USR1", SIGUSR1},
        {"USR2", SIGUSR2},   {"KILL", SIGKILL},    {"HUP", SIGHUP},    {"CONT", SIGCONT},
        {"STOP", SIGSTOP},   {"SYS", SIGSYS},      {"15", 15},         {"64", 64},
        {"WINCH", SIGWINCH}, {"XCPU", SIGXCPU},    {"RTMIN", 34},      {"SIGRTMIN+2", 36},
        {"RTMAX", 64},       {"RTMAX-1", 63},      {"rtmin+30", 64},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint32_t number = 0;
        print_message("%s\n", good[i].text);
        assert_int_equal(gr_signal_read(gr_slice_of(good[i].text), &number), 0);
        assert_int_equal(number, good[i].number);
    }
    static const char *const bad[] = {"",         "0",       "32",         "33",    "65",
                                      "-1",       "SIG",     "SIGSIGTERM", "TERMS", "RTMIN-1",
                                      "RTMIN+31", "RTMAX+1", "RTMINX",     "SIG15", "RTMIN+"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint32_t number = 99;
        print_message("%s\n", bad[i]);
        assert_int_equal(gr_signal_read(gr_slice_of(bad[i]), &number), -EINVAL);
        assert_int_equal(number, 99);
    }
}

static void signals_are_read_back(void **state)
{
    (void)state;
    char text[GR_QUANTITY_TEXT_SIZE];
    assert_string_equal(gr_signal_format(15, text), "TERM");
    assert_string_equal(gr_signal_format(34, text), "RTMIN");
    assert_string_equal(gr_signal_format(36, text), "RTMIN+2");
    assert_string_equal(gr_signal_format(99, text), "99");
    for (uint32_t number = 1; number <= 64; number++) {
        uint32_t back = 0;
        if (number == 32 || number == 33) {
            continue;
        }
        assert_int_equal(gr_signal_read(gr_slice_of(gr_signal_format(number, text)), &back), 0);
        assert_int_equal(back, number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(durations_are_read_back),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(sizes_are_read_back),
        cmocka_unit_test(signals_have_their_numbers),
        cmocka_unit_test(signals_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
