// Tests of environments in the making.
#include "engine/local/environment.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void a_name_that_is_put_again_is_replaced(void **state)
{
    (void)state;
    struct gr_environment environment = {0};
    assert_int_equal(gr_environment_put(&environment, "A=1"), 0);
    assert_int_equal(gr_environment_put(&environment, "AB=2"), 0);
    assert_int_equal(gr_environment_put(&environment, "A=3=4"), 0);
    assert_int_equal(gr_environment_set(&environment, "B", "%d", 5), 0);
    assert_int_equal(environment.count, 3);
    assert_string_equal(gr_environment_get(&environment, "A"), "3=4");
    assert_string_equal(gr_environment_get(&environment, "AB"), "2");
    assert_string_equal(gr_environment_get(&environment, "B"), "5");
    assert_null(gr_environment_get(&environment, ""));
    assert_null(gr_environment_get(&environment, "C"));
    assert_null(environment.items[3]);
    gr_environment_done(&environment);
}

static void what_has_no_name_is_refused(void **state)
{
    (void)state;
    struct gr_environment environment = {0};
    assert_int_equal(gr_environment_put(&environment, "A"), -EINVAL);
    assert_int_equal(gr_environment_put(&environment, "=A"), -EINVAL);
    assert_int_equal(gr_environment_put(&environment, ""), -EINVAL);
    assert_int_equal(environment.count, 0);
    gr_environment_done(&environment);
}

static void it_grows_and_ends_with_null(void **state)
{
    (void)state;
    struct gr_environment environment = {0};
    for (unsigned i = 0; i < 5000; i++) {
        char entry[32];
        (void)snprintf(entry, sizeof entry, "N%u=%u", i, i);
        assert_int_equal(gr_environment_append(&environment, entry), 0);
        assert_null(environment.items[i + 1]);
    }
    assert_string_equal(gr_environment_get(&environment, "N4999"), "4999");
    gr_environment_done(&environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_is_put_again_is_replaced),
        cmocka_unit_test(what_has_no_name_is_refused),
        cmocka_unit_test(it_grows_and_ends_with_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
