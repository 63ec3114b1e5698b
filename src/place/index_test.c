// Tests of the candidate index: it gives the scan's answer, in every state, for every policy.
#include "place/fixture.h"

// A pool that random pieces come to and go from.
struct churn {
    struct gr_place *place, *copy;
    uint64_t random;
    uint32_t sites, masks, active; // shapes from `active` on are asked for at present
    struct gr_piece held[4096];
    uint32_t held_count;
    struct gr_shape shapes[160];
    uint32_t found, missed;
};

#define SHAPES 160

static uint32_t below(struct churn *churn, uint32_t limit)
{
    return fixture_below(&churn->random, limit);
}

static struct gr_shape shape_make(struct churn *churn)
{
    static const uint8_t widths[] = {0, 1, 1, 1, 1, 2, 4, 8, 16};
    struct gr_shape shape = {.cpu_milli = below(churn, 12) * 1700,
                             .memory_mib = below(churn, 3) == 0 ? 0 : below(churn, 40000),
                             .devices = widths[below(churn, sizeof widths)],
                             .mask = (uint16_t)below(churn, churn->masks)};
    shape.milli = shape.devices == 0                           ? 0
                  : shape.devices == 1 && below(churn, 4) != 0 ? (uint16_t)(1 + below(churn, 999))
                                                               : GR_DEVICE_MILLI;
    shape.level = below(churn, 4) == 0 ? (uint8_t)below(churn, 5) : 0;
    return shape;
}

static void node_make(struct churn *churn)
{
    static const uint8_t widths[] = {0, 1, 2, 4, 8, 8, 8, 16};
    struct gr_node node = fixture_node(widths[below(churn, sizeof widths)],
                                       1000 * (1 + below(churn, 100)), 1 + below(churn, 90000));
    node.site = (uint8_t)below(churn, churn->sites);
    node.variant = (uint8_t)below(churn, 8);
    node.domain[0] = below(churn, 4) == 0 ? GR_DOMAIN_NONE : below(churn, 4);
    if (node.devices > 1 && below(churn, 2) == 0) {
        node.domain[1] = GR_DOMAIN_INNER | node.devices / 2u;
        node.domain[3] = GR_DOMAIN_INNER | 1;
    } else if (node.domain[0] != GR_DOMAIN_NONE) {
        node.domain[1] = node.domain[0] * 2 + below(churn, 2);
    }
    (void)gr_place_node_add(churn->place, &node, "n");
}

static void churn_init(struct churn *churn, const struct gr_place_limits *limits,
                       const char *policy, uint32_t sites)
{
    memset(churn, 0, sizeof *churn);
    churn->place = fixture_place(limits, policy);
    churn->random = 7;
    churn->sites = sites;
    for (unsigned m = 1; m < 6; m++) {
        struct gr_mask mask;
        for (unsigned s = 0; s < GR_SITES_MAX; s++) {
            mask.bits[s][0] = fixture_draw(&churn->random) | fixture_draw(&churn->random);
            mask.bits[s][1] = 0;
        }
        assert_int_equal(gr_place_mask_add(churn->place, &mask), m);
    }
    churn->masks = gr_place_mask_count(churn->place);
    for (uint32_t n = 0; n < limits->nodes; n++) {
        node_make(churn);
    }
    for (uint32_t s = 0; s < SHAPES; s++) {
        churn->shapes[s] = shape_make(churn);
    }
}

static void mix_change(struct churn *churn)
{
    struct gr_mix_item items[48];
    uint32_t count = below(churn, 49);
    memset(items, 0, sizeof items);
    for (uint32_t i = 0; i < count; i++) {
        items[i].shape = churn->shapes[below(churn, SHAPES)];
        items[i].count = below(churn, 30);
    }
    gr_place_mix_set(churn->place, items, count);
    if (churn->copy != NULL) {
        gr_place_mix_set(churn->copy, items, count);
    }
}

static void both_take(struct churn *churn, const struct gr_piece *piece, bool take)
{
    (take ? gr_place_take : gr_place_give)(churn->place, piece);
    if (churn->copy != NULL) {
        (take ? gr_place_take : gr_place_give)(churn->copy, piece);
    }
}

static void devices_change(struct churn *churn)
{
    uint32_t node = below(churn, gr_place_node_count(churn->place));
    uint16_t devices =
        (uint16_t)(below(churn, 1u << 16) & ((1u << gr_node_at(churn->place, node)->devices) - 1));
    bool out = below(churn, 3) == 0;
    gr_place_devices_set(churn->place, node, devices, out);
    if (churn->copy != NULL) {
        gr_place_devices_set(churn->copy, node, devices, out);
    }
}

// A score says no if and only if a filter does.
static void filters_compare(struct churn *churn, const struct gr_shape *shape)
{
    uint32_t node = below(churn, gr_place_node_count(churn->place));
    gr_place_refresh(churn->place);
    assert_int_equal(gr_choose_score(churn->place, node, shape) > 0,
                     gr_place_filter(churn->place, node, shape) == GR_FILTER_NONE);
}

// One question to index, scan and copy; then the piece is taken and others go.
static void churn_step(struct churn *churn, uint64_t salt)
{
    struct gr_piece piece, scanned, copied;
    const struct gr_shape *shape = &churn->shapes[(churn->active + below(churn, 24)) % SHAPES];
    memset(&piece, 0, sizeof piece);
    bool found = gr_place_find(churn->place, shape, salt, &piece);
    assert_int_equal(gr_place_find_scan(churn->place, shape, salt, &scanned), found);
    if (found) {
        assert_memory_equal(&piece, &scanned, sizeof piece);
    }
    if (churn->copy != NULL) {
        assert_int_equal(gr_place_find(churn->copy, shape, salt, &copied), found);
        assert_true(!found || memcmp(&piece, &copied, sizeof piece) == 0);
    }
    churn->found += found;
    churn->missed += !found;
    if (found && churn->held_count < 4096) {
        both_take(churn, &piece, true);
        churn->held[churn->held_count++] = piece;
    }
    uint32_t gone = found ? below(churn, 4) == 0 : 1 + below(churn, 3);
    for (; gone > 0 && churn->held_count > 0; gone--) {
        uint32_t i = below(churn, churn->held_count);
        both_take(churn, &churn->held[i], false);
        churn->held[i] = churn->held[--churn->held_count];
    }
    filters_compare(churn, shape);
    if (below(churn, 25) == 0) {
        devices_change(churn);
    }
    if (below(churn, 25) == 0) {
        uint32_t node = below(churn, gr_place_node_count(churn->place));
        enum gr_node_state to = (enum gr_node_state)(below(churn, 5) % GR_NODE_STATES);
        gr_place_node_set_state(churn->place, node, to);
        if (churn->copy != NULL) {
            gr_place_node_set_state(churn->copy, node, to);
        }
    }
}

static void churn_run(struct churn *churn, uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++) {
        if (i % 400 == 399) {
            mix_change(churn);
        }
        if (i % 150 == 149) {
            assert_null(gr_place_audit(churn->place));
            churn->active = below(churn, SHAPES);
        }
        churn_step(churn, i);
    }
    gr_place_refresh(churn->place);
    assert_null(gr_place_audit(churn->place));
    assert_true(churn->found >= steps / 20);
    assert_true(churn->missed >= steps / 20);
    free(churn->copy);
    free(churn->place);
}

static void index_and_scan_agree_for_every_policy(void **state)
{
    (void)state;
    static struct churn churn;
    for (uint32_t p = 0; gr_policies[p] != NULL; p++) {
        struct gr_place_limits limits = fixture_limits(70);
        churn_init(&churn, &limits, gr_policies[p]->name, 3);
        churn_run(&churn, 1500);
    }
}

static void index_and_scan_agree_in_a_fleet_of_several_levels(void **state)
{
    (void)state;
    static struct churn churn;
    struct gr_place_limits limits = fixture_limits(600);
    limits.slots = 64;
    churn_init(&churn, &limits, "bestfit", 2);
    churn_run(&churn, 1500);
}

// 64 sites x 8 variants are more than the rows of what is allowed.
static void index_and_scan_agree_with_more_sites_and_variants_than_rows(void **state)
{
    (void)state;
    static struct churn churn;
    struct gr_place_limits limits = fixture_limits(700);
    churn_init(&churn, &limits, "packing", GR_SITES_MAX);
    gr_place_refresh(churn.place);
    assert_int_equal(churn.place->pair_count, GR_PAIRS - 1);
    churn_run(&churn, 800);
}

static void a_copied_block_decides_the_same(void **state)
{
    (void)state;
    static struct churn churn;
    static const char *const policies[] = {"random", "fgd", "firstfit"};
    for (unsigned p = 0; p < 3; p++) {
        struct gr_place_limits limits = fixture_limits(40);
        churn_init(&churn, &limits, policies[p], 3);
        for (uint32_t i = 0; i < 200; i++) {
            churn_step(&churn, i);
        }
        churn.copy = fixture_copy(churn.place);
        churn_run(&churn, 800);
    }
}

// How many slots the index made for itself.
static uint32_t own_slots(const struct gr_place *place)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < place->slot_count; s++) {
        count += gr_slot_at(place, s)->shape.mask == GR_MASK_ANY;
    }
    return count;
}

// Thousands of shapes, each asked for a few times, in a fleet that is large enough for slots that
// the index makes for itself, under policies whose scores fall with cpu and others.
static void thousands_of_shapes_get_the_answer_of_the_scan(void **state)
{
    (void)state;
    static struct churn churn;
    for (uint32_t p = 0; gr_policies[p] != NULL; p++) {
        struct gr_place_limits limits = fixture_limits(2600);
        limits.slots = 64;
        churn_init(&churn, &limits, gr_policies[p]->name, 3);
        mix_change(&churn);
        if (gr_policies[p]->find != NULL) {
            free(churn.place);
            continue;
        }
        for (uint32_t i = 0; i < 3500; i++) {
            churn.shapes[0] = shape_make(&churn);
            if (i % 2 == 0) { // close to others, as what people ask for is
                churn.shapes[0].memory_mib = 0;
                churn.shapes[0].milli = churn.shapes[0].devices == 0 ? 0 : GR_DEVICE_MILLI;
            }
            for (uint32_t s = 1; s < SHAPES; s++) {
                churn.shapes[s] = churn.shapes[0];
            }
            churn_step(&churn, i);
        }
        assert_true(own_slots(churn.place) > 0);
        churn_run(&churn, 0);
    }
}

static void what_a_bound_fits_nowhere_is_not_looked_for(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(40);
    struct gr_place *place = fixture_place(&limits, "firstfit");
    struct gr_node node = fixture_node(4, 8000, 1024);
    struct gr_shape small = {.devices = 2, .milli = 1000, .cpu_milli = 9000};
    struct gr_shape large = {.devices = 3, .milli = 1000, .cpu_milli = 9001, .memory_mib = 7};
    struct gr_piece piece;
    for (uint32_t n = 0; n < 40; n++) {
        (void)gr_place_node_add(place, &node, "n");
    }
    for (unsigned i = 0; i < 3; i++) { // a slot for the small one
        assert_false(gr_place_find(place, &small, 0, &piece));
    }
    assert_int_equal(place->slot_count, 1);
    for (unsigned i = 0; i < 10; i++) { // it costs nothing to say no to the large one
        assert_false(gr_place_find(place, &large, 0, &piece));
    }
    assert_int_equal(place->slot_count, 1);
    assert_int_equal(gr_learn_bound(place, &large), 0);
    assert_int_equal(gr_learn_bound(place, &(struct gr_shape){.devices = 1, .milli = 1000}), -1);
    assert_null(gr_place_audit(place));
    free(place);
}

static void memory_is_exact_although_slots_round_it(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(40);
    struct gr_place *place = fixture_place(&limits, "firstfit");
    for (uint32_t n = 0; n < 40; n++) { // 1100, 1200, ... all round down to 1024 or 2048 ...
        struct gr_node node = fixture_node(1, 1000, 1100 + 100 * n);
        (void)gr_place_node_add(place, &node, "n");
    }
    for (uint32_t wanted = 1000; wanted <= 5100; wanted += 50) {
        struct gr_shape shape = {.memory_mib = wanted};
        struct gr_piece piece;
        bool found = gr_place_find(place, &shape, 0, &piece);
        uint32_t expected = wanted <= 1100 ? 0 : (wanted - 1100 + 99) / 100;
        assert_int_equal(found, expected < 40);
        assert_true(!found || piece.node == expected);
    }
    free(place);
}

// A better score without enough memory must not hide a worse one with enough.
static void the_best_of_those_with_enough_memory_wins(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(60);
    struct gr_place *place = fixture_place(&limits, "bestfit");
    for (uint32_t n = 0; n < 60; n++) { // smaller machines score higher and lack memory
        struct gr_node node = fixture_node(n < 50 ? 1 : 8, 8000, n < 50 ? 3000 : 3500 + n % 2);
        (void)gr_place_node_add(place, &node, "n");
    }
    struct gr_shape shape = {.devices = 1, .milli = 500, .memory_mib = 3000};
    struct gr_piece piece;
    for (unsigned i = 0; i < 5; i++) { // with and without a slot
        shape.memory_mib = 3000;
        assert_true(gr_place_find(place, &shape, 0, &piece));
        assert_int_equal(piece.node, 0);
        shape.memory_mib = 3200;
        assert_true(gr_place_find(place, &shape, 0, &piece));
        assert_int_equal(piece.node, 50);
        shape.memory_mib = 3501;
        assert_true(gr_place_find(place, &shape, 0, &piece));
        assert_int_equal(piece.node, 51);
        shape.memory_mib = 3502;
        assert_false(gr_place_find(place, &shape, 0, &piece));
    }
    free(place);
}

// Some fifty scores have no node with enough memory: those below are searched all at once.
static void the_best_is_found_far_below_the_highest_score(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(300);
    struct gr_place *place = fixture_place(&limits, "bestfit");
    uint64_t random = 7;
    for (uint32_t n = 0; n < 300; n++) { // more cpu scores lower
        uint32_t cpus = 1 + fixture_below(&random, 190);
        uint32_t memory_mib = cpus < 130 ? 1000 : 2000 + fixture_below(&random, 2000);
        struct gr_node node = fixture_node(4, cpus * 1000, memory_mib);
        (void)gr_place_node_add(place, &node, "n");
    }
    struct gr_shape shape = {.devices = 1, .milli = 500};
    for (uint32_t wanted = 900; wanted <= 4200; wanted += 50) {
        struct gr_piece piece, scanned;
        shape.memory_mib = wanted;
        bool fits = gr_place_find(place, &shape, 0, &piece);
        assert_int_equal(fits, gr_place_find_scan(place, &shape, 0, &scanned));
        if (fits) {
            assert_memory_equal(&piece, &scanned, sizeof piece);
        }
    }
    assert_true(gr_index_slot_find(place, &shape) >= 0);
    free(place);
}

static void ties_go_to_the_lowest_node(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(300);
    struct gr_place *place = fixture_place(&limits, "dotprod");
    for (uint32_t n = 0; n < 300; n++) {
        struct gr_node node = fixture_node(8, 64000, 65536);
        (void)gr_place_node_add(place, &node, "n");
    }
    struct gr_shape shape = {.devices = 8, .milli = 1000};
    for (uint32_t n = 0; n < 300; n++) {
        struct gr_piece piece;
        assert_true(gr_place_find(place, &shape, 0, &piece));
        assert_int_equal(piece.node, n);
        gr_place_take(place, &piece);
    }
    free(place);
}

static void a_shape_gets_a_slot_when_it_comes_back(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(4);
    struct gr_place *place = fixture_place(&limits, "firstfit");
    struct gr_node node = fixture_node(8, 64000, 4000000);
    struct gr_piece piece;
    (void)gr_place_node_add(place, &node, "n");
    struct gr_shape shape = {.devices = 1, .milli = 100, .memory_mib = 600000};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(gr_index_slot_find(place, &shape), -1);
        assert_true(gr_place_find(place, &shape, 0, &piece));
    }
    assert_int_equal(gr_index_slot_find(place, &shape), 0);
    shape.memory_mib = 1048575; // rounds to the same
    assert_int_equal(gr_index_slot_find(place, &shape), 0);
    shape.memory_mib = 1048576;
    assert_int_equal(gr_index_slot_find(place, &shape), -1);
    free(place);
}

// Many shapes in turn do not make each other be forgotten while there are slots.
static void shapes_that_come_back_in_turn_get_slots(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(4);
    limits.slots = 224;
    struct gr_place *place = fixture_place(&limits, "firstfit");
    struct gr_node node = fixture_node(8, 64000, 4000000);
    struct gr_piece piece;
    (void)gr_place_node_add(place, &node, "n");
    for (unsigned round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 200; i++) {
            struct gr_shape shape = {.devices = 1, .milli = 1000, .cpu_milli = 1000 + 10 * i};
            assert_true(gr_place_find(place, &shape, 0, &piece));
        }
    }
    assert_int_equal(place->slot_count, 200);
    free(place);
}

static void a_slot_that_was_idle_for_long_is_given_away(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(4);
    struct gr_place *place = fixture_place(&limits, "firstfit");
    struct gr_node node = fixture_node(8, 64000, 65536);
    struct gr_piece piece;
    (void)gr_place_node_add(place, &node, "n");
    struct gr_shape shape = {.devices = 1};
    for (uint32_t s = 0; s < 32; s++) { // all slots
        shape.milli = (uint16_t)(1 + s);
        for (unsigned i = 0; i < 3; i++) {
            (void)gr_place_find(place, &shape, 0, &piece);
        }
    }
    assert_int_equal(place->slot_count, 32);
    shape.milli = 500;
    for (unsigned i = 0; i < 10; i++) {
        (void)gr_place_find(place, &shape, 0, &piece);
    }
    assert_int_equal(gr_index_slot_find(place, &shape), -1); // nobody was idle for long enough
    for (unsigned i = 0; i < 16 * 32; i++) {
        shape.milli = (uint16_t)(2 + i % 31); // all but the first
        (void)gr_place_find(place, &shape, 0, &piece);
    }
    shape.milli = 500;
    (void)gr_place_find(place, &shape, 0, &piece);
    assert_int_equal(gr_index_slot_find(place, &shape), 0);
    shape.milli = 1;
    assert_int_equal(gr_index_slot_find(place, &shape), -1);
    assert_null(gr_place_audit(place));
    free(place);
}

// 254 different needs of cpu are all that the ranks hold; two slots share one of them.
static void a_shape_that_cannot_have_a_slot_leaves_the_index_as_it_was(void **state)
{
    (void)state;
    static struct gr_mix_item items[GR_THRESHOLDS + 1];
    struct gr_place_limits limits = fixture_limits(8);
    limits.slots = 512;
    struct gr_place *place = fixture_place(&limits, "firstfit");
    for (uint32_t n = 0; n < 8; n++) {
        struct gr_node node = fixture_node(8, 20000 + 20000 * n, 65536);
        (void)gr_place_node_add(place, &node, "n");
    }
    for (uint32_t i = 0; i <= GR_THRESHOLDS; i++) {
        items[i].shape = (struct gr_shape){.cpu_milli = i <= 1 ? 100000 : 1000 + 100 * i};
        items[i].shape.devices = i == 1; // the second with the cpu of the first
        items[i].shape.milli = i == 1 ? GR_DEVICE_MILLI : 0;
        items[i].count = 1000 - i;
    }
    gr_place_mix_set(place, items, GR_THRESHOLDS + 1);
    gr_place_refresh(place);
    assert_int_equal(place->slot_count, GR_THRESHOLDS + 1);
    assert_int_equal(place->cpu_count, GR_THRESHOLDS);
    struct gr_piece piece;
    for (unsigned i = 0; i < 16 * 512; i++) { // everybody else is idle, the first slot is oldest
        (void)gr_place_find(place, &items[5].shape, 0, &piece);
    }
    struct gr_shape another = {.cpu_milli = 99};
    for (unsigned i = 0; i < 5; i++) {
        assert_true(gr_place_find(place, &another, 0, &piece));
        assert_int_equal(gr_index_slot_find(place, &another), -1);
    }
    for (uint32_t n = 0; n < 8; n++) { // rows are computed again
        fixture_use(place, n, 0, 1);
    }
    gr_place_refresh(place);
    assert_null(gr_place_audit(place));
    free(place);
}

static void what_is_free_of_a_variant_follows_nodes_devices_and_pieces(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(4);
    struct gr_place *place = fixture_place(&limits, "firstfit");
    struct gr_node node = fixture_node(4, 8000, 1024);
    gr_place_node_add(place, &node, "a");
    node.variant = 7;
    gr_place_node_add(place, &node, "b");
    node.state = GR_NODE_DRAINED;
    gr_place_node_add(place, &node, "c");
    assert_int_equal(gr_place_variant_free(place, 0), 4000);
    assert_int_equal(gr_place_variant_free(place, 7), 4000);
    fixture_use(place, 1, 0, 300);
    fixture_use(place, 1, 1, 1000);
    assert_int_equal(gr_place_variant_free(place, 7), 2700);
    gr_place_devices_set(place, 1, 5, true); // 700 of device 0, all of device 2
    assert_int_equal(gr_place_variant_free(place, 7), 1000);
    struct gr_piece piece = {.node = 1, .devices = 1, .milli = 300};
    gr_place_give(place, &piece); // of a device that is out
    assert_int_equal(gr_place_variant_free(place, 7), 1000);
    gr_place_devices_set(place, 1, 1, false);
    assert_int_equal(gr_place_variant_free(place, 7), 2000);
    gr_place_node_set_state(place, 1, GR_NODE_BROKEN);
    gr_place_node_set_state(place, 2, GR_NODE_UP);
    assert_int_equal(gr_place_variant_free(place, 7), 4000);
    assert_int_equal(gr_place_variant_free(place, 0), 4000);
    assert_null(gr_place_audit(place));
    place->variant_free[7]--;
    assert_string_equal(gr_place_audit(place), "the totals are behind the nodes");
    free(place);
}

static void a_damaged_index_is_noticed(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(40);
    struct gr_place *place = fixture_place(&limits, "firstfit");
    struct gr_shape shape = {.devices = 1, .milli = 500};
    struct gr_piece piece;
    for (uint32_t n = 0; n < 40; n++) {
        struct gr_node node = fixture_node(1, 1000, 1000);
        (void)gr_place_node_add(place, &node, "n");
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_true(gr_place_find(place, &shape, 0, &piece));
    }
    assert_null(gr_place_audit(place));
    gr_chunk_at(place, 0, 17, 0)[0] ^= 1;
    assert_string_equal(gr_place_audit(place), "a score in the index is not the policy's");
    gr_chunk_at(place, 0, 17, 0)[0] ^= 1;
    gr_chunk_at(place, 1, 1, 0)[0] ^= 3;
    assert_string_equal(gr_place_audit(place),
                        "an inner row of the index is not the maximum below");
    free(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_and_scan_agree_for_every_policy),
        cmocka_unit_test(index_and_scan_agree_in_a_fleet_of_several_levels),
        cmocka_unit_test(index_and_scan_agree_with_more_sites_and_variants_than_rows),
        cmocka_unit_test(a_copied_block_decides_the_same),
        cmocka_unit_test(thousands_of_shapes_get_the_answer_of_the_scan),
        cmocka_unit_test(what_a_bound_fits_nowhere_is_not_looked_for),
        cmocka_unit_test(memory_is_exact_although_slots_round_it),
        cmocka_unit_test(the_best_of_those_with_enough_memory_wins),
        cmocka_unit_test(the_best_is_found_far_below_the_highest_score),
        cmocka_unit_test(ties_go_to_the_lowest_node),
        cmocka_unit_test(a_shape_gets_a_slot_when_it_comes_back),
        cmocka_unit_test(shapes_that_come_back_in_turn_get_slots),
        cmocka_unit_test(a_slot_that_was_idle_for_long_is_given_away),
        cmocka_unit_test(a_shape_that_cannot_have_a_slot_leaves_the_index_as_it_was),
        cmocka_unit_test(what_is_free_of_a_variant_follows_nodes_devices_and_pieces),
        cmocka_unit_test(a_damaged_index_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
