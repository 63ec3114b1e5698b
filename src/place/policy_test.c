// Tests of the policies, each against a small table computed by hand from its description.
#include "place/fixture.h"

// What a node of eight devices looks like: free milli of each device, and free cpu of 128.
struct look {
    uint16_t free[8];
    uint32_t cpu_milli;
};

// A pool of one node that looks like this; the tasks that made it so have the widths given.
static struct gr_place *one(const char *policy, const struct look *look)
{
    struct gr_place_limits limits = fixture_limits(1);
    struct gr_place *place = fixture_place(&limits, policy);
    struct gr_node node = fixture_node(8, 128000, 1000000);
    (void)gr_place_node_add(place, &node, "n");
    struct gr_piece cpu = {.cpu_milli = 128000 - look->cpu_milli};
    gr_place_take(place, &cpu);
    for (unsigned i = 0; i < 8; i++) {
        if (look->free[i] < GR_DEVICE_MILLI) {
            fixture_use(place, 0, i, GR_DEVICE_MILLI - look->free[i]);
        }
    }
    return place;
}

struct row {
    struct look look;
    struct gr_shape shape;
    int score; // of 0..100; -1: does not fit
};

#define ALL 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000
#define HALF 0, 0, 0, 0, 1000, 1000, 1000, 1000

static void rows_compare(const char *policy, const struct row *rows, size_t count)
{
    for (size_t r = 0; r < count; r++) {
        struct gr_place *place = one(policy, &rows[r].look);
        gr_place_refresh(place);
        assert_int_equal((int)gr_choose_score(place, 0, &rows[r].shape) - 1, rows[r].score);
        free(place);
    }
}

static void bestfit_scores_what_is_left_over(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {{{ALL}, 128000}, {.devices = 8, .milli = 1000, .cpu_milli = 128000}, 100},
        {{{ALL}, 128000}, {.devices = 4, .milli = 1000, .cpu_milli = 64000}, 50},
        {{{HALF}, 64000}, {.devices = 4, .milli = 1000}, 75},
        {{{HALF}, 64000}, {.devices = 1, .milli = 500, .cpu_milli = 1000}, 53}, // 53.5
        {{{ALL}, 128000}, {.cpu_milli = 0}, 0},
        {{{HALF}, 64000}, {.devices = 5, .milli = 1000}, -1},
    };
    rows_compare("bestfit", rows, sizeof rows / sizeof *rows);
}

static void dotprod_prefers_what_aligns_least(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {{{ALL}, 128000}, {.devices = 8, .milli = 1000, .cpu_milli = 128000}, 0},
        {{{ALL}, 128000}, {.devices = 8, .milli = 1000, .cpu_milli = 64000}, 25},
        {{{HALF}, 64000}, {.devices = 4, .milli = 1000}, 87}, // 1 - 0.5 * 0.5 / 2
        {{{HALF}, 0}, {.devices = 1, .milli = 500}, 98},      // 1 - 0.5 * 0.0625 / 2
    };
    rows_compare("dotprod", rows, sizeof rows / sizeof *rows);
}

static void packing_prefers_used_devices_then_used_nodes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {{{ALL}, 128000}, {.devices = 2, .milli = 1000}, 25}, // an empty node of eight
        {{{ALL}, 128000}, {.devices = 1, .milli = 500}, 25},
        {{{HALF}, 128000}, {.devices = 2, .milli = 1000}, 48},
        {{{HALF}, 128000}, {.devices = 1, .milli = 500}, 49}, // opens a device
        {{{
              HALF,
          },
          128000},
         {.devices = 4, .milli = 1000},
         46},
        {{{500, 1000}, 128000}, {.devices = 1, .milli = 500}, 95}, // a used device
        {{{100, 999}, 128000}, {.devices = 1, .milli = 100}, 99},  // the fuller, the better
        {{{100, 999}, 128000}, {.devices = 1, .milli = 101}, 91},
        {{{ALL}, 128000}, {.cpu_milli = 1000}, 0},
    };
    rows_compare("packing", rows, sizeof rows / sizeof *rows);
}

static void clustering_keeps_widths_together(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(1);
    struct gr_place *place = fixture_place(&limits, "clustering");
    struct gr_node node = fixture_node(8, 128000, 1000000);
    (void)gr_place_node_add(place, &node, "n");
    const struct gr_shape single = {.devices = 1, .milli = 1000};
    const struct gr_shape pair = {.devices = 2, .milli = 1000};
    const struct gr_shape part = {.devices = 1, .milli = 250};
    const struct gr_shape cpu = {.cpu_milli = 1};
    gr_place_refresh(place);
    assert_int_equal(gr_choose_score(place, 0, &single), 1 + 25); // empty
    assert_int_equal(gr_choose_score(place, 0, &cpu), 1);
    struct gr_piece piece = {.devices = 3, .milli = 1000};
    gr_place_take(place, &piece); // a task of two: a quarter is used
    gr_place_refresh(place);
    assert_int_equal(gr_choose_score(place, 0, &pair), 1 + 6 + 75);
    assert_int_equal(gr_choose_score(place, 0, &single), 1 + 6);
    fixture_use(place, 0, 2, 1000); // and one of one: 3/8
    gr_place_refresh(place);
    assert_int_equal(gr_choose_score(place, 0, &pair), 1 + 9 + 50);
    assert_int_equal(gr_choose_score(place, 0, &single), 1 + 9 + 50);
    assert_int_equal(gr_choose_score(place, 0, &part), 1 + 9);
    free(place);
}

static void firstfit_takes_the_lowest_node(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(3);
    struct gr_place *place = fixture_place(&limits, "firstfit");
    struct gr_piece piece;
    for (unsigned n = 0; n < 3; n++) {
        struct gr_node node = fixture_node(2 + 2 * n, 1000, 1000);
        (void)gr_place_node_add(place, &node, "n");
    }
    for (unsigned devices = 1; devices <= 6; devices++) {
        struct gr_shape shape = {.devices = (uint8_t)devices, .milli = 1000};
        assert_true(gr_place_find(place, &shape, 0, &piece));
        assert_int_equal(piece.node, (devices - 1) / 2);
    }
    free(place);
}

static void random_draws_each_feasible_node_equally_and_repeats_itself(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(6);
    struct gr_place *place = fixture_place(&limits, "random");
    unsigned nodes[6] = {0}, devices[4] = {0};
    for (unsigned n = 0; n < 6; n++) {
        struct gr_node node = fixture_node(n == 4 ? 0 : 4, 1000, 1000);
        (void)gr_place_node_add(place, &node, "n");
    }
    gr_place_node_set_state(place, 1, GR_NODE_DRAINED);
    for (unsigned n = 0; n < 6; n++) {
        if (n != 4) {
            fixture_use(place, n, 2, 600); // too narrow
        }
    }
    struct gr_shape shape = {.devices = 1, .milli = 500};
    for (uint64_t salt = 0; salt < 12000; salt++) {
        struct gr_piece piece, again;
        assert_true(gr_place_find(place, &shape, salt, &piece));
        assert_true(gr_place_find(place, &shape, salt, &again));
        assert_memory_equal(&piece, &again, sizeof piece);
        nodes[piece.node]++;
        devices[__builtin_ctz(piece.devices)]++;
    }
    assert_int_equal(nodes[1] + nodes[4] + devices[2], 0);
    for (unsigned n = 0; n < 6; n++) { // 3000 expected, standard deviation 47
        assert_true(n == 1 || n == 4 || (nodes[n] > 2760 && nodes[n] < 3240));
    }
    for (unsigned d = 0; d < 4; d++) { // 4000 expected, standard deviation 52
        assert_true(d == 2 || (devices[d] > 3740 && devices[d] < 4260));
    }
    free(place);
}

static void fgd_scores_the_growth_of_fragmentation_in_buckets(void **state)
{
    (void)state;
    static const struct look look = {{1000, 500}, 128000};
    struct gr_place *place = one("fgd", &look);
    struct gr_shape half = {.devices = 1, .milli = 500};
    struct gr_shape whole = {.devices = 1, .milli = 1000};
    struct gr_shape cpu = {.cpu_milli = 1000};
    struct gr_piece piece;
    gr_place_refresh(place);
    assert_int_equal(gr_choose_score(place, 0, &half), 51); // no mix: all alike
    struct gr_mix_item item = {.shape = whole, .count = 3};
    gr_place_mix_set(place, &item, 1);
    gr_place_refresh(place);
    // F is 500 now. In the half-used device 0 afterwards: sigmoid(0.5) = 0.622.
    assert_int_equal(gr_choose_score(place, 0, &half), 1 + 62);
    assert_true(gr_place_find(place, &half, 0, &piece));
    assert_int_equal(piece.devices, 2);
    // A whole device leaves the 500 as they are: a change of nothing.
    assert_int_equal(gr_choose_score(place, 0, &whole), 1 + 50);
    assert_int_equal(gr_choose_score(place, 0, &cpu), 1 + 50);
    // Where only the whole device is left it becomes a fragment: 500 more, sigmoid(-0.5) = 0.378.
    fixture_use(place, 0, 1, 500);
    gr_place_refresh(place);
    assert_int_equal(gr_choose_score(place, 0, &half), 1 + 37);
    // Cpu that the commonest demand needs: 1000 are lost with it, sigmoid(-1) = 0.269.
    item.shape.cpu_milli = 128000;
    gr_place_mix_set(place, &item, 1);
    gr_place_refresh(place);
    assert_int_equal(gr_choose_score(place, 0, &cpu), 1 + 26);
    free(place);
}

static void every_policy_is_found_by_its_name_and_scores_only_what_fits(void **state)
{
    (void)state;
    assert_null(gr_policy_find(""));
    for (unsigned p = 0; gr_policies[p] != NULL; p++) {
        assert_ptr_equal(gr_policy_find(gr_policies[p]->name), gr_policies[p]);
        assert_non_null(gr_policies[p]->summary);
        assert_true(gr_policies[p]->tables_size <= GR_POLICY_TABLES_SIZE);
        static const struct look look = {{1000, 500}, 1000};
        struct gr_place *place = one(gr_policies[p]->name, &look);
        gr_place_refresh(place);
        assert_int_equal(gr_choose_score(place, 0, &(struct gr_shape){.cpu_milli = 1001}), 0);
        assert_true(gr_choose_score(place, 0, &(struct gr_shape){.cpu_milli = 1000}) > 0);
        assert_int_equal(gr_choose_score(place, 0, &(struct gr_shape){.devices = 2, .milli = 1000}),
                         0);
        free(place);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bestfit_scores_what_is_left_over),
        cmocka_unit_test(dotprod_prefers_what_aligns_least),
        cmocka_unit_test(packing_prefers_used_devices_then_used_nodes),
        cmocka_unit_test(clustering_keeps_widths_together),
        cmocka_unit_test(firstfit_takes_the_lowest_node),
        cmocka_unit_test(random_draws_each_feasible_node_equally_and_repeats_itself),
        cmocka_unit_test(fgd_scores_the_growth_of_fragmentation_in_buckets),
        cmocka_unit_test(every_policy_is_found_by_its_name_and_scores_only_what_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
