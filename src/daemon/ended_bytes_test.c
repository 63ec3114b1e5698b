// Tests of the bytes of jobs that ended.
#include "daemon/ended_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 500u

// Rows that differ from the one before in some fields, some of them by as much as can be.
static struct gr_ended row(uint32_t i)
{
    uint64_t big = i % 7 == 0 ? UINT64_MAX - i : i;
    struct gr_ended ended = {.id = i + 1,
                             .array = i % 5 == 0 ? UINT64_C(1) << 63 : 0,
                             .submitted_ms = i % 3 == 0 ? INT64_MIN : INT64_MAX,
                             .placed_ms = (int64_t)big,
                             .ended_ms = -(int64_t)i,
                             .limit_ms = 5400000,
                             .array_index = (uint32_t)big,
                             .org = i % 2 == 0 ? UINT32_MAX : 0,
                             .user = i / 10,
                             .attempt = 1 + i % 3,
                             .attempts = 3,
                             .dropped = i % 30};
    ended.demand.shape = (struct gr_shape){.cpu_milli = (uint32_t)big,
                                           .memory_mib = i,
                                           .milli = (uint16_t)(i % 2 * 65535),
                                           .devices = (uint8_t)i};
    ended.demand.tasks = i * 1000;
    ended.demand.priority = (uint8_t)(i % 2 * 255);
    ended.demand.use = (uint8_t)(i % 5);
    ended.ending = (struct gr_ending){.began_ms = i,
                                      .cpu_ms = big,
                                      .peak_kib = ~big,
                                      .outcome = i % 9,
                                      .exit_code = i % 2 == 0 ? INT32_MIN : INT32_MAX,
                                      .signal = i % 64,
                                      .task = i};
    ended.node_count = i / 3 % (GR_ENDED_NODES + 1); // now and then the same as before
    for (uint32_t n = 0; n < ended.node_count; n++) {
        ended.nodes[n] = n == 7 ? UINT32_MAX : (i / 3 + n) * 100;
    }
    if (i % 4 == 1) {
        memset(ended.text, 'a' + (int)(i % 26), i % sizeof ended.text);
    }
    return ended;
}

static void assert_same(const struct gr_ended *a, const struct gr_ended *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->array, b->array);
    assert_int_equal(a->submitted_ms, b->submitted_ms);
    assert_int_equal(a->placed_ms, b->placed_ms);
    assert_int_equal(a->ended_ms, b->ended_ms);
    assert_int_equal(a->limit_ms, b->limit_ms);
    assert_int_equal(a->array_index, b->array_index);
    assert_int_equal(a->org, b->org);
    assert_int_equal(a->user, b->user);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->attempts, b->attempts);
    assert_int_equal(a->dropped, b->dropped);
    assert_memory_equal(&a->demand, &b->demand, sizeof a->demand);
    assert_memory_equal(&a->ending, &b->ending, sizeof a->ending);
    assert_int_equal(a->node_count, b->node_count);
    assert_memory_equal(a->nodes, b->nodes, a->node_count * sizeof a->nodes[0]);
    assert_string_equal(a->text, b->text);
}

static size_t write_all(uint8_t *bytes)
{
    struct gr_ended_before before = {0};
    size_t size = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        struct gr_ended ended = row(i);
        size_t took = gr_ended_bytes_write(&before, &ended, bytes + size);
        assert_in_range(took, 1, GR_ENDED_BYTES_MAX);
        size += took;
    }
    return size;
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(ROWS * GR_ENDED_BYTES_MAX);
    assert_non_null(bytes);
    size_t size = write_all(bytes);
    struct gr_ended_before before = {0};
    size_t at = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        struct gr_ended expected = row(i);
        struct gr_ended ended;
        assert_true(gr_ended_bytes_read(&before, bytes, size, &at, &ended));
        assert_same(&ended, &expected);
    }
    assert_int_equal(at, size);
    free(bytes);
}

static void a_row_like_the_one_before_is_short(void **state)
{
    (void)state;
    uint8_t bytes[GR_ENDED_BYTES_MAX];
    struct gr_ended_before before = {0};
    struct gr_ended ended = row(3);
    (void)gr_ended_bytes_write(&before, &ended, bytes);
    assert_int_equal(gr_ended_bytes_write(&before, &ended, bytes), 1);
    assert_int_equal(bytes[0], 0);
    ended.id++;
    ended.placed_ms -= 1;
    assert_int_equal(gr_ended_bytes_write(&before, &ended, bytes), 3);
    static const uint8_t expected[] = {0x41, 2, 1}; // the form is for ever
    assert_memory_equal(bytes, expected, sizeof expected);
    ended.node_count = 2;
    ended.nodes[0] = 5;
    ended.nodes[1] = 300;
    static const uint8_t nodes[] = {0x80, 0x80, 0x80, 0x40, 2, 5, 0xac, 2};
    assert_int_equal(gr_ended_bytes_write(&before, &ended, bytes), sizeof nodes);
    assert_memory_equal(bytes, nodes, sizeof nodes);
}

static void bytes_that_are_no_rows_are_refused(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(ROWS * GR_ENDED_BYTES_MAX);
    assert_non_null(bytes);
    size_t size = write_all(bytes);
    // Cut anywhere, changed anywhere: nothing beyond the end is read (the sanitizer looks).
    for (size_t cut = 0; cut < size; cut += 7) {
        uint8_t *some = malloc(cut + 1);
        assert_non_null(some);
        memcpy(some, bytes, cut);
        struct gr_ended_before before = {0};
        struct gr_ended ended;
        size_t at = 0;
        while (at < cut && gr_ended_bytes_read(&before, some, cut, &at, &ended)) {
            assert_true(memchr(ended.text, '\0', sizeof ended.text) != NULL);
        }
        assert_true(at <= cut);
        free(some);
    }
    static const uint8_t bad[][12] = {
        {0xff, 0xff, 0xff, 0xff, 0x7f}, // a mask with bits that are no field's
        {0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, // too long
        {0x80, 0x80, 0x80, 0x20, 0xff, 0x01},                                     // a text too long
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct gr_ended_before before = {0};
        struct gr_ended ended;
        size_t at = 0;
        assert_false(gr_ended_bytes_read(&before, bad[i], sizeof bad[i], &at, &ended));
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(a_row_like_the_one_before_is_short),
        cmocka_unit_test(bytes_that_are_no_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
