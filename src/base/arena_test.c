// An arena gives aligned memory, keeps to its limit and takes everything back at once.
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void memory_is_aligned_and_apart(void **state)
{
    (void)state;
    struct gr_arena arena = {0};
    char *last = NULL;
    for (size_t size = 0; size < 2000; size += 7) {
        char *taken = gr_arena_take(&arena, size);
        assert_non_null(taken);
        assert_int_equal((uintptr_t)taken % _Alignof(max_align_t), 0);
        memset(taken, (int)(size % 100), size);
        if (last != NULL && size > 7) {
            assert_int_equal(last[size - 8], (size - 7) % 100);
        }
        last = taken;
    }
    gr_arena_done(&arena);
    assert_null(arena.newest);
}

static void a_large_piece_gets_a_block_of_its_own(void **state)
{
    (void)state;
    struct gr_arena arena = {0};
    char *large = gr_arena_take(&arena, 5 << 20);
    assert_non_null(large);
    memset(large, 1, 5 << 20);
    assert_null(gr_arena_take(&arena, SIZE_MAX));
    assert_null(gr_arena_take(&arena, SIZE_MAX / 2 + 1));
    gr_arena_done(&arena);
}

static void the_limit_holds(void **state)
{
    (void)state;
    struct gr_arena arena;
    gr_arena_init(&arena, 10000);
    assert_non_null(gr_arena_take(&arena, 5000));
    assert_null(gr_arena_take(&arena, 10000));
    size_t count = 0;
    while (gr_arena_take(&arena, 100) != NULL) {
        count++;
    }
    assert_true(count > 20 && count < 50);
    assert_true(arena.held <= 10000);
    gr_arena_done(&arena);
    assert_non_null(gr_arena_take(&arena, 9000)); // and can be used again
    gr_arena_done(&arena);
}

static void a_reset_keeps_one_block(void **state)
{
    (void)state;
    struct gr_arena arena = {0};
    gr_arena_reset(&arena);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            assert_non_null(gr_arena_take(&arena, 64));
        }
        gr_arena_reset(&arena);
        assert_int_equal(arena.used, 0);
        assert_non_null(arena.newest);
    }
    gr_arena_done(&arena);
}

static void texts_are_copied_with_their_end(void **state)
{
    (void)state;
    struct gr_arena arena = {0};
    assert_string_equal(gr_arena_text(&arena, (struct gr_slice){"abcdef", 3}), "abc");
    assert_string_equal(gr_arena_text(&arena, (struct gr_slice){NULL, 0}), "");
    gr_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_apart),
        cmocka_unit_test(a_large_piece_gets_a_block_of_its_own),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(a_reset_keeps_one_block),
        cmocka_unit_test(texts_are_copied_with_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
