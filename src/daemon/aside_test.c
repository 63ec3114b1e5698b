// Tests of asides: items are found, and damage is none.
#include "daemon/aside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void each_item_is_found_by_its_fact(void **state)
{
    (void)state;
    uint8_t aside[256];
    size_t size = gr_aside_write(aside, 3, "abc", 3);
    size += gr_aside_write(aside + size, 5, "", 0);
    size += gr_aside_write(aside + size, UINT64_MAX, "last", 4);
    assert_int_equal(size, 3 * GR_ASIDE_HEADER_BYTES + 7);
    const uint8_t *bytes;
    size_t found;
    assert_true(gr_aside_find(aside, size, 3, &bytes, &found));
    assert_int_equal(found, 3);
    assert_memory_equal(bytes, "abc", 3);
    assert_true(gr_aside_find(aside, size, 5, &bytes, &found));
    assert_int_equal(found, 0);
    assert_true(gr_aside_find(aside, size, UINT64_MAX, &bytes, &found));
    assert_memory_equal(bytes, "last", 4);
    assert_false(gr_aside_find(aside, size, 4, &bytes, &found));
    assert_false(gr_aside_find(aside, 0, 3, &bytes, &found));
}

static void what_is_cut_off_is_not_found(void **state)
{
    (void)state;
    uint8_t aside[64];
    size_t whole = gr_aside_write(aside, 1, "first", 5);
    whole += gr_aside_write(aside + whole, 2, "second", 6);
    for (size_t size = 0; size <= whole; size++) {
        // Exactly as large as it is, so that a sanitizer sees a step beyond.
        uint8_t *cut = malloc(size + (size == 0));
        assert_non_null(cut);
        memcpy(cut, aside, size);
        const uint8_t *bytes;
        size_t found;
        assert_int_equal(gr_aside_find(cut, size, 1, &bytes, &found),
                         size >= GR_ASIDE_HEADER_BYTES + 5);
        assert_int_equal(gr_aside_find(cut, size, 2, &bytes, &found), size == whole);
        free(cut);
    }
}

static void an_item_that_claims_more_than_there_is_ends_the_search(void **state)
{
    (void)state;
    uint8_t aside[64];
    size_t size = gr_aside_write(aside, 1, "first", 5);
    size += gr_aside_write(aside + size, 2, "second", 6);
    aside[3] = 0xff; // nearly 4 GiB
    const uint8_t *bytes;
    size_t found;
    assert_false(gr_aside_find(aside, size, 1, &bytes, &found));
    assert_false(gr_aside_find(aside, size, 2, &bytes, &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_item_is_found_by_its_fact),
        cmocka_unit_test(what_is_cut_off_is_not_found),
        cmocka_unit_test(an_item_that_claims_more_than_there_is_ends_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
