// Tests of the fragmentation measure: the tables give what the formula gives, written out plainly.
#include "place/fixture.h"

#include <math.h>

#define ITEMS 60

// One typical demand of the plain version.
struct plain {
    struct gr_shape shape;
    uint64_t label;
    int64_t count;
};

static bool before(const struct plain *a, const struct plain *b)
{
    return a->count != b->count                       ? a->count > b->count
           : a->shape.cpu_milli != b->shape.cpu_milli ? a->shape.cpu_milli > b->shape.cpu_milli
           : a->shape.milli != b->shape.milli         ? a->shape.milli > b->shape.milli
                                                      : a->shape.devices > b->shape.devices;
}

// Groups the items without memory, takes the commonest out again and again until 95 % are covered.
static unsigned typical_find(const struct gr_mix_item *items, unsigned count, struct plain *ret,
                             int64_t *ret_total)
{
    struct plain groups[ITEMS];
    bool used[ITEMS] = {false};
    unsigned group_count = 0, typical = 0;
    int64_t all = 0;
    *ret_total = 0;
    for (unsigned i = 0; i < count; i++) {
        struct plain wanted = {.shape = items[i].shape, .label = items[i].label};
        wanted.shape.memory_mib = 0;
        unsigned g = 0;
        while (g < group_count &&
               (memcmp(&groups[g].shape, &wanted.shape, sizeof wanted.shape) != 0 ||
                groups[g].label != wanted.label)) {
            g++;
        }
        if (items[i].count == 0) {
            continue;
        }
        if (g == group_count) {
            groups[group_count++] = wanted;
        }
        groups[g].count += (int64_t)items[i].count;
        all += (int64_t)items[i].count;
    }
    while (typical < group_count && *ret_total * 100 < all * 95) {
        unsigned best = UINT32_MAX;
        for (unsigned g = 0; g < group_count; g++) {
            if (!used[g] && (best == UINT32_MAX || before(&groups[g], &groups[best]))) {
                best = g;
            }
        }
        used[best] = true;
        *ret_total += groups[best].count;
        ret[typical++] = groups[best];
    }
    return typical;
}

// F times total: for each typical demand all free milli if it does not fit, else what lies in
// devices too narrow for it.
static int64_t formula(const struct gr_place *place, const struct gr_node *node,
                       const struct plain *typical, unsigned count)
{
    int64_t sum = 0;
    for (unsigned t = 0; t < count; t++) {
        const struct gr_shape *shape = &typical[t].shape;
        int64_t free = 0, narrow = 0;
        unsigned wide = 0;
        for (unsigned i = 0; i < node->devices; i++) {
            free += node->free[i];
            wide += node->free[i] >= shape->milli;
            narrow += node->free[i] >= shape->milli ? 0 : node->free[i];
        }
        bool fits = shape->devices > 0 && node->cpu_milli >= shape->cpu_milli &&
                    wide >= shape->devices &&
                    gr_mask_has(gr_place_mask_get(place, shape->mask), node->site, node->variant);
        sum += typical[t].count * (fits ? narrow : free);
    }
    return sum;
}

static void a_hand_computed_node(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(1);
    struct gr_place *place = fixture_place(&limits, "fgd");
    struct gr_node node = fixture_node(2, 4000, 1000);
    (void)gr_place_node_add(place, &node, "n");
    fixture_use(place, 0, 1, 500); // 1000 and 500 are free
    struct gr_mix_item items[3] = {
        {.shape = {.devices = 1, .milli = 1000}, .count = 1},
        {.shape = {.devices = 1, .milli = 500}, .count = 1},
    };
    gr_place_mix_set(place, items, 2);
    gr_place_refresh(place);
    assert_true(gr_frag_of_node(place, 0) == 250); // half of all cannot use the 500
    items[2] = (struct gr_mix_item){.shape = {.devices = 2, .milli = 1000}, .count = 2};
    gr_place_mix_set(place, items, 3);
    gr_place_refresh(place);
    assert_true(gr_frag_of_node(place, 0) == (500 + 0 + 2 * 1500) / 4.0);
    items[2].shape = (struct gr_shape){.cpu_milli = 1000}; // wants no devices: can use none
    gr_place_mix_set(place, items, 3);
    gr_place_refresh(place);
    assert_true(gr_frag_of_node(place, 0) == (500 + 0 + 2 * 1500) / 4.0);
    items[2].shape = (struct gr_shape){.devices = 1, .milli = 1000, .cpu_milli = 4001};
    gr_place_mix_set(place, items, 3);
    gr_place_refresh(place);
    assert_true(gr_frag_of_node(place, 0) == (500 + 0 + 2 * 1500) / 4.0);
    assert_true(gr_place_fragmentation(place) == gr_frag_of_node(place, 0));
    gr_place_node_set_state(place, 0, GR_NODE_DRAINED);
    assert_true(gr_frag_of_node(place, 0) == 0);
    gr_place_mix_set(place, items, 0);
    gr_place_refresh(place);
    assert_true(gr_place_fragmentation(place) == 0);
    free(place);
}

static void rare_demands_are_left_out(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(1);
    struct gr_place *place = fixture_place(&limits, "fgd");
    struct gr_node node = fixture_node(1, 4000, 1000);
    (void)gr_place_node_add(place, &node, "n");
    struct gr_mix_item items[2] = {
        {.shape = {.devices = 1, .milli = 500}, .count = 95},
        {.shape = {.devices = 8, .milli = 1000}, .count = 5},
    };
    gr_place_mix_set(place, items, 2);
    gr_place_refresh(place);
    assert_int_equal(gr_frag_get(place)->total, 95);
    assert_true(gr_frag_of_node(place, 0) == 0);
    items[1].count = 6; // now 94 % are not enough
    gr_place_mix_set(place, items, 2);
    gr_place_refresh(place);
    assert_int_equal(gr_frag_get(place)->total, 101);
    assert_true(fabs(gr_frag_of_node(place, 0) - 6 * 1000 / 101.0) < 1e-9);
    free(place);
}

static void items_make(uint64_t *random, struct gr_mix_item *items, unsigned count)
{
    static const uint8_t widths[] = {0, 1, 1, 1, 2, 4, 8};
    memset(items, 0, count * sizeof *items);
    for (unsigned i = 0; i < count; i++) {
        struct gr_shape *shape = &items[i].shape;
        shape->devices = widths[fixture_below(random, sizeof widths)];
        shape->milli = shape->devices == 0 ? 0 : GR_DEVICE_MILLI;
        if (shape->devices == 1 && fixture_below(random, 3) > 0) {
            shape->milli = (uint16_t)(100 * (1 + fixture_below(random, 9)));
        }
        shape->cpu_milli = 1000 * fixture_below(random, 30);
        shape->memory_mib = fixture_below(random, 3);
        shape->mask = (uint16_t)fixture_below(random, 3);
        items[i].count = fixture_below(random, 100);
        items[i].label = fixture_below(random, 2);
    }
}

// A row after devices were taken.
static struct gr_node less(const struct gr_node *node, unsigned device, unsigned milli)
{
    struct gr_node copy = *node;
    copy.free[device] = (uint16_t)(copy.free[device] - milli);
    return copy;
}

static void node_verify(const struct gr_place *place, uint32_t number, const struct plain *typical,
                        unsigned count, int64_t total)
{
    const struct gr_frag *frag = gr_frag_get(place);
    const struct gr_node *node = gr_place_node_get(place, number);
    struct gr_frag_node by_type;
    int64_t free = 0;
    for (unsigned i = 0; i < node->devices; i++) {
        free += node->free[i];
    }
    int64_t expected = formula(place, node, typical, count);
    gr_frag_node_fill(frag, node, &by_type);
    const int32_t *weights = gr_frag_weights(frag, node, node->cpu_milli);
    assert_int_equal(free * total - gr_frag_usable(frag, weights, &by_type), expected);
    assert_true(fabs(gr_frag_published(place, node) - (double)expected / (double)total) < 1e-6);
    unsigned taken = 0;
    struct gr_node after = *node;
    for (unsigned i = 0; i < node->devices; i++) {
        if (node->free[i] > 0) { // a part of one device
            struct gr_node part = less(node, i, node->free[i] / 2u + 1);
            int64_t left = free - (node->free[i] / 2 + 1);
            assert_int_equal(left * total - gr_frag_usable_part(frag, weights, &by_type,
                                                                node->free[i], part.free[i]),
                             formula(place, &part, typical, count));
        }
        if (node->free[i] == GR_DEVICE_MILLI) { // one more whole device
            after = less(&after, i, GR_DEVICE_MILLI);
            taken++;
            assert_int_equal((free - 1000 * (int64_t)taken) * total -
                                 gr_frag_usable_less(frag, weights, &by_type, (int32_t)taken),
                             formula(place, &after, typical, count));
        }
    }
}

static void tables_and_formula_agree_over_random_nodes_and_mixes(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (unsigned round = 0; round < 40; round++) {
        struct gr_place_limits limits = fixture_limits(30);
        struct gr_place *place = fixture_place(&limits, "fgd");
        for (unsigned m = 1; m < 3; m++) {
            struct gr_mask mask = {.bits = {{fixture_draw(&random)}, {fixture_draw(&random)}}};
            assert_int_equal(gr_place_mask_add(place, &mask), m);
        }
        for (uint32_t n = 0; n < 30; n++) {
            struct gr_node node =
                fixture_node(fixture_below(&random, 17), 1000 * fixture_below(&random, 33), 1000);
            node.site = (uint8_t)fixture_below(&random, 2);
            node.variant = (uint8_t)fixture_below(&random, 4);
            (void)gr_place_node_add(place, &node, "n");
            for (unsigned i = 0; i < node.devices; i++) {
                fixture_use(place, n, i, 50 * fixture_below(&random, 21));
            }
        }
        struct gr_mix_item items[ITEMS];
        struct plain typical[ITEMS];
        int64_t total;
        unsigned item_count = 1 + fixture_below(&random, ITEMS);
        items_make(&random, items, item_count);
        items[0].count = 10;
        gr_place_mix_set(place, items, item_count);
        gr_place_refresh(place);
        unsigned count = typical_find(items, item_count, typical, &total);
        assert_int_equal(gr_frag_get(place)->total, total);
        for (uint32_t n = 0; n < 30; n++) {
            node_verify(place, n, typical, count, total);
        }
        free(place);
    }
}

static void huge_counts_are_scaled_and_give_nearly_the_same(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(1);
    struct gr_place *place = fixture_place(&limits, "fgd");
    struct gr_node node = fixture_node(2, 4000, 1000);
    (void)gr_place_node_add(place, &node, "n");
    fixture_use(place, 0, 1, 500);
    struct gr_mix_item items[2] = {
        {.shape = {.devices = 1, .milli = 1000}, .count = UINT64_C(1) << 40},
        {.shape = {.devices = 1, .milli = 500}, .count = UINT64_C(1) << 40},
    };
    gr_place_mix_set(place, items, 2);
    gr_place_refresh(place);
    assert_true(gr_frag_get(place)->total <= 1000000000);
    assert_true(fabs(gr_frag_of_node(place, 0) - 250) < 1e-3);
    free(place);
}

static void too_many_kinds_of_demand_leave_the_measure_at_zero(void **state)
{
    (void)state;
    static struct gr_mix_item items[GR_FRAG_TYPES + 30];
    struct gr_place_limits limits = fixture_limits(1);
    struct gr_place *place = fixture_place(&limits, "fgd");
    struct gr_node node = fixture_node(2, 4000, 1000);
    struct gr_piece piece;
    (void)gr_place_node_add(place, &node, "n");
    for (unsigned i = 0; i < GR_FRAG_TYPES + 30; i++) {
        items[i] =
            (struct gr_mix_item){.shape = {.devices = 1, .milli = (uint16_t)(1 + i)}, .count = 10};
    }
    gr_place_mix_set(place, items, GR_FRAG_TYPES + 30);
    assert_true(gr_place_find(place, &items[0].shape, 0, &piece)); // and still finds
    assert_true(gr_place_fragmentation(place) == 0);
    free(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hand_computed_node),
        cmocka_unit_test(rare_demands_are_left_out),
        cmocka_unit_test(tables_and_formula_agree_over_random_nodes_and_mixes),
        cmocka_unit_test(huge_counts_are_scaled_and_give_nearly_the_same),
        cmocka_unit_test(too_many_kinds_of_demand_leave_the_measure_at_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
