// Tests of the recorded orders: what is read, and the place and words of what is refused.
#include "replay/order.h"

#include "replay/names.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int read_text(const char *text, uint64_t seed, size_t most, uint32_t **ret_numbers,
                     size_t *ret_count, struct gr_err *err)
{
    gr_err_init(err);
    return gr_order_read_bytes("o.txt", text, strlen(text), seed, 10, most, ret_numbers, ret_count,
                               err);
}

static void the_line_of_the_seed_is_read(void **state)
{
    (void)state;
    uint32_t *numbers = NULL;
    size_t count = 0;
    struct gr_err err;
    assert_int_equal(read_text("42 1 2 3\n43 9 0 9\r\n", 43, 100, &numbers, &count, &err), 0);
    assert_int_equal(count, 3);
    assert_int_equal(numbers[0], 9);
    assert_int_equal(numbers[1], 0);
    free(numbers);
    assert_int_equal(read_text("42 1 2 3", 42, 2, &numbers, &count, &err), 0);
    assert_int_equal(count, 2);
    free(numbers);
}

static void bad_orders_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "o.txt:1:1: found no line of seed 42, expected one that begins with it"},
        {"41 1\n43 1\n", "o.txt:2:1: found no line of seed 42, expected one that begins with it"},
        {"42 1 10\n", "o.txt:1:6: found '10', expected a whole number from 0 to 9"},
        {"42 1 -1\n", "o.txt:1:6: found '-1', expected a whole number from 0 to 9"},
        {"42 1 x\n", "o.txt:1:6: found 'x', expected a whole number from 0 to 9"},
        {"42 1  2\n", "o.txt:1:6: found nothing, expected a whole number from 0 to 9"},
        {"42 1 \n", "o.txt:1:6: found a blank at the end, expected a number after it"},
        {"42\n", "o.txt:1:3: found only a seed, expected numbers after it"},
        {"42 1\n42 2\n", "o.txt:2:1: found a second line of this seed, expected one"},
        {"42 1\n\n", "o.txt:2:1: found nothing, expected a whole number from 0 to "
                     "9223372036854775807"},
        {"seed 1\n", "o.txt:1:1: found 'seed', expected a whole number from 0 to "
                     "9223372036854775807"},
        {"99999999999999999999 1\n", "o.txt:1:1: found '99999999999999999999', expected a whole "
                                     "number from 0 to 9223372036854775807"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t *numbers = NULL;
        size_t count = 0;
        struct gr_err err;
        assert_int_equal(read_text(cases[i].text, 42, 100, &numbers, &count, &err), -EINVAL);
        assert_string_equal(err.text, cases[i].expected);
        assert_null(numbers);
    }
}

static void ranks_are_each_number_once(void **state)
{
    (void)state;
    char path[] = "/tmp/gr_order_test_XXXXXX";
    int file = mkostemp(path, O_CLOEXEC);
    assert_true(file >= 0);
    static const char text[] = "1 2 0 1\n2 0 0 1\n3 0 1\n4 0 1 2 2\n";
    assert_int_equal(write(file, text, sizeof text - 1), sizeof text - 1);
    close(file);
    uint32_t *ranks = NULL;
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_ranks_read(path, 1, 3, &ranks, &err), 0);
    assert_int_equal(ranks[0], 2);
    free(ranks);
    for (uint64_t seed = 2; seed <= 4; seed++) {
        assert_int_equal(gr_ranks_read(path, seed, 3, &ranks, &err), -EINVAL);
        assert_non_null(strstr(err.text, "expected each of 0 to 2 once"));
    }
    unlink(path);
    assert_int_equal(gr_ranks_read(path, 1, 3, &ranks, &err), -ENOENT);
}

static void many_names_keep_their_numbers(void **state)
{
    (void)state;
    struct gr_names names = {0};
    struct gr_err err;
    gr_err_init(&err);
    char text[64];
    uint32_t index = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "name %u", i);
        assert_int_equal(gr_names_add(&names, gr_slice_of(text), &index, &err), 0);
        assert_int_equal(index, i);
    }
    for (uint32_t i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "name %u", i);
        assert_int_equal(gr_names_find(&names, gr_slice_of(text)), i);
        assert_string_equal(names.texts[i], text);
    }
    assert_int_equal(gr_names_find(&names, gr_slice_of("other")), GR_NAMES_NONE);
    gr_names_done(&names);
    assert_int_equal(gr_names_find(&names, gr_slice_of("name 1")), GR_NAMES_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_of_the_seed_is_read),
        cmocka_unit_test(bad_orders_are_refused_with_their_place),
        cmocka_unit_test(ranks_are_each_number_once),
        cmocka_unit_test(many_names_keep_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
