// Tests of what is free in a node.
#include "model/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct gr_node four_devices(void)
{
    struct gr_node node;
    memset(&node, 0, sizeof node);
    node.devices = 4;
    node.cpu_milli = 8000;
    node.memory_mib = 4096;
    for (unsigned i = 0; i < 4; i++) {
        node.free[i] = GR_DEVICE_MILLI;
    }
    gr_node_summarise(&node);
    return node;
}

static void the_summary_counts_whole_devices_and_the_widest_part(void **state)
{
    (void)state;
    static const struct {
        uint16_t free[4];
        unsigned whole, widest;
    } cases[] = {
        {{1000, 1000, 1000, 1000}, 4, 1000},
        {{999, 1000, 0, 0}, 1, 1000},
        {{999, 1, 0, 0}, 0, 999},
        {{0, 0, 0, 0}, 0, 0},
        {{0, 0, 0, 7}, 0, 7},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct gr_node node = four_devices();
        memcpy(node.free, cases[c].free, sizeof cases[c].free);
        gr_node_summarise(&node);
        assert_int_equal(node.whole, cases[c].whole);
        assert_int_equal(node.widest, cases[c].widest);
    }
}

static void a_piece_fits_only_if_every_part_of_it_does(void **state)
{
    (void)state;
    static const struct {
        struct gr_piece piece;
        bool fits;
    } cases[] = {
        {{.devices = 0xf, .milli = 1000, .cpu_milli = 8000, .memory_mib = 4096}, true},
        {{.devices = 0xf, .milli = 1000, .cpu_milli = 8001, .memory_mib = 4096}, false},
        {{.devices = 0xf, .milli = 1000, .cpu_milli = 8000, .memory_mib = 4097}, false},
        {{.devices = 0x10, .milli = 1}, false}, // a device that is not there
        {{.devices = 0x8, .milli = 1}, true},
        {{.cpu_milli = 1}, true},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct gr_node node = four_devices();
        assert_int_equal(gr_node_can_take(&node, &cases[c].piece), cases[c].fits);
    }
    struct gr_node node = four_devices();
    node.free[3] = 499;
    assert_false(gr_node_can_take(&node, &(struct gr_piece){.devices = 0x9, .milli = 500}));
    assert_true(gr_node_can_take(&node, &(struct gr_piece){.devices = 0x9, .milli = 499}));
}

static void only_a_node_that_is_up_takes_new_work(void **state)
{
    (void)state;
    const struct gr_piece piece = {.devices = 1, .milli = 1000};
    for (unsigned s = 0; s < GR_NODE_STATES; s++) {
        struct gr_node node = four_devices();
        node.state = (uint8_t)s;
        assert_int_equal(gr_node_can_take(&node, &piece), s == GR_NODE_UP);
    }
}

static void running_work_is_given_back_and_taken_again_in_any_state(void **state)
{
    (void)state;
    const struct gr_piece piece = {.devices = 1, .milli = 1000};
    struct gr_node node = four_devices();
    gr_node_take(&node, &piece);
    node.state = GR_NODE_DRAINED;
    gr_node_give(&node, &piece);
    gr_node_take(&node, &piece);
    assert_int_equal(node.whole, 3);
}

static void what_was_taken_and_given_back_leaves_the_node_as_it_was(void **state)
{
    (void)state;
    const struct gr_piece part = {.devices = 2, .milli = 300, .cpu_milli = 5, .memory_mib = 7};
    const struct gr_piece whole = {.devices = 0xd, .milli = 1000, .cpu_milli = 1000};
    struct gr_node node = four_devices();
    const struct gr_node before = node;
    gr_node_take(&node, &part);
    gr_node_take(&node, &whole);
    assert_int_equal(node.free[0], 0);
    assert_int_equal(node.free[1], 700);
    assert_int_equal(node.whole, 0);
    assert_int_equal(node.widest, 700);
    assert_int_equal(node.cpu_milli, 6995);
    assert_int_equal(node.memory_mib, 4089);
    gr_node_give(&node, &part);
    gr_node_give(&node, &whole);
    assert_memory_equal(&node, &before, sizeof node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_summary_counts_whole_devices_and_the_widest_part),
        cmocka_unit_test(a_piece_fits_only_if_every_part_of_it_does),
        cmocka_unit_test(only_a_node_that_is_up_takes_new_work),
        cmocka_unit_test(running_work_is_given_back_and_taken_again_in_any_state),
        cmocka_unit_test(what_was_taken_and_given_back_leaves_the_node_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
