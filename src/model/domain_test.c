// Tests of domains by name.
#include "model/domain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *read_text(const char *text, uint32_t tasks, uint8_t *ret_level,
                             uint32_t *ret_each)
{
    return gr_domain_read(gr_slice_of(text), tasks, ret_level, ret_each);
}

static void a_level_has_a_name_and_a_number(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"fabric", "1"}, {"block", "2"}, {"rack", "3"}, {"link", "4"}};
    for (uint8_t l = 0; l < 4; l++) {
        for (unsigned form = 0; form < 2; form++) {
            uint8_t level = 0;
            uint32_t each = 7;
            assert_null(read_text(texts[l][form], 6, &level, &each));
            assert_int_equal(level, l + 1);
            assert_int_equal(each, 0);
        }
    }
}

static void tasks_of_each_domain_stand_behind_a_colon(void **state)
{
    (void)state;
    uint8_t level = 0;
    uint32_t each = 0;
    assert_null(read_text("rack:2", 6, &level, &each));
    assert_int_equal(level, 3);
    assert_int_equal(each, 2);
    assert_null(read_text("rack:6", 6, &level, &each));
    assert_null(read_text("1:65536", 65536, &level, &each));
}

static void anything_else_is_refused_and_stores_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"",       "racks",   "RACK",     "0",       "5",
                                        "rack:",  ":2",      "rack:0",   "rack:4",  "rack:7",
                                        "rack:x", "rack:-1", "rack:2:2", "rack: 2", "-1"};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t level = 9;
        uint32_t each = 9;
        assert_non_null(read_text(texts[i], 6, &level, &each));
        assert_int_equal(level, 9);
        assert_int_equal(each, 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_level_has_a_name_and_a_number),
        cmocka_unit_test(tasks_of_each_domain_stand_behind_a_colon),
        cmocka_unit_test(anything_else_is_refused_and_stores_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
