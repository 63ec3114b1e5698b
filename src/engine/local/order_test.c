// Tests of orders as bytes: there and back, cut at each byte, and with any byte changed.
#include "engine/local/order.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct gr_device devices[2] = {
    {.variant = "h20", .address = "0000:01:00.0", .path = "/dev/nvidia0", .index = 3},
    {.variant = "h20", .address = "pretend:1", .is_pretend = true},
};
static const struct gr_engine_task tasks[2] = {
    {.task = 4, .device_first = 0, .device_count = 1, .milli = 1000, .cpu_milli = 500, .node = "a"},
    {.task = 5, .device_first = 1, .device_count = 1, .milli = 250, .memory_mib = 7, .node = "bb"},
};
static const char *const nodes[2] = {"a", "bb"};
static const struct gr_engine_start sample = {
    .job = 99,
    .attempt = 2,
    .epoch = 3,
    .array = 90,
    .array_index = 9,
    .task_count_all = 6,
    .user = "someone",
    .spec = (const uint8_t *)"spec bytes",
    .spec_size = 10,
    .tasks = tasks,
    .task_count = 2,
    .devices = devices,
    .device_count = 2,
    .nodes = nodes,
    .node_count = 2,
};

// The sample's bytes, taken out of its frame. Borrowed from the buffer.
static const uint8_t *sample_bytes(struct gr_wire_buffer *buffer, size_t *ret_size)
{
    const uint8_t *body = NULL;
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_order_add(buffer, GR_WIRE_START, &sample, &err), 0);
    assert_int_equal(gr_wire_take(buffer, &body, ret_size), GR_WIRE_START);
    return body;
}

static void an_order_comes_back_as_it_was(void **state)
{
    (void)state;
    struct gr_wire_buffer buffer = {0};
    struct gr_order order;
    struct gr_err err;
    size_t size = 0;
    gr_err_init(&err);
    const uint8_t *bytes = sample_bytes(&buffer, &size);
    assert_int_equal(gr_order_decode(bytes, size, &order, &err), 0);
    const struct gr_engine_start *start = &order.start;
    assert_true(start->job == 99 && start->attempt == 2 && start->epoch == 3);
    assert_true(start->array == 90 && start->array_index == 9 && start->task_count_all == 6);
    assert_string_equal(start->user, "someone");
    assert_int_equal(start->spec_size, 10);
    assert_memory_equal(start->spec, "spec bytes", 10);
    assert_int_equal(start->task_count, 2);
    assert_true(start->tasks[1].task == 5 && start->tasks[1].device_first == 1);
    assert_true(start->tasks[1].milli == 250 && start->tasks[1].memory_mib == 7);
    assert_string_equal(start->tasks[1].node, "bb");
    assert_string_equal(start->devices[0].path, "/dev/nvidia0");
    assert_true(start->devices[0].index == 3 && start->devices[1].is_pretend);
    assert_string_equal(start->nodes[1], "bb");
    gr_order_done(&order);
    gr_wire_buffer_done(&buffer);
}

static void an_order_that_is_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct gr_wire_buffer buffer = {0};
    size_t size = 0;
    const uint8_t *bytes = sample_bytes(&buffer, &size);
    for (size_t cut = 0; cut < size; cut++) {
        struct gr_order order;
        struct gr_err err;
        gr_err_init(&err);
        uint8_t *copy = malloc(cut + 1); // its own size, so that a sanitizer sees reads beyond it
        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        assert_int_equal(gr_order_decode(copy, cut, &order, &err), -EBADMSG);
        free(copy);
    }
    gr_wire_buffer_done(&buffer);
}

static void an_order_with_any_byte_changed_is_refused_or_sound(void **state)
{
    (void)state;
    struct gr_wire_buffer buffer = {0};
    size_t size = 0;
    const uint8_t *bytes = sample_bytes(&buffer, &size);
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    for (size_t at = 0; at < size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct gr_order order;
            struct gr_err err;
            gr_err_init(&err);
            memcpy(copy, bytes, size);
            copy[at] ^= (uint8_t)(1u << bit);
            if (gr_order_decode(copy, size, &order, &err) != 0) {
                continue;
            }
            const struct gr_engine_start *start = &order.start;
            for (uint32_t i = 0; i < start->task_count; i++) {
                assert_true(start->tasks[i].device_first + start->tasks[i].device_count <=
                            start->device_count);
                (void)strlen(start->tasks[i].node);
            }
            gr_order_done(&order);
        }
    }
    free(copy);
    gr_wire_buffer_done(&buffer);
}

static void orders_that_make_no_sense_are_not_handed_over(void **state)
{
    (void)state;
    static uint8_t large[GR_SPEC_BYTES_MAX + 1];
    struct gr_wire_buffer buffer = {0};
    struct gr_err err;
    gr_err_init(&err);
    struct gr_engine_start start = sample;
    start.task_count = 0;
    assert_int_equal(gr_order_add(&buffer, GR_WIRE_START, &start, &err), -EINVAL);
    start = sample;
    start.device_count = 1; // the second task's is missing
    assert_int_equal(gr_order_add(&buffer, GR_WIRE_START, &start, &err), -EINVAL);
    start = sample;
    start.spec_size = 0;
    assert_int_equal(gr_order_add(&buffer, GR_WIRE_START, &start, &err), -EINVAL);
    start.spec = large;
    start.spec_size = sizeof large;
    assert_int_equal(gr_order_add(&buffer, GR_WIRE_START, &start, &err), -EINVAL);
    assert_int_equal(gr_wire_buffer_size(&buffer), 0);
    start.spec_size = GR_SPEC_BYTES_MAX;
    assert_int_equal(gr_order_add(&buffer, GR_WIRE_START, &start, &err), 0);
    gr_wire_buffer_done(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_comes_back_as_it_was),
        cmocka_unit_test(an_order_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(an_order_with_any_byte_changed_is_refused_or_sound),
        cmocka_unit_test(orders_that_make_no_sense_are_not_handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
