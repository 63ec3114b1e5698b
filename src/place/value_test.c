// Tests of market, tables and rehearsal: what must hold for any mix and fleet.
#include "place/fixture.h"
#include "place/rehearse.h"

// Everything that is built from one pool. To be freed.
struct built {
    struct gr_market market;
    struct gr_value value;
    struct gr_value_scratch scratch;
    struct gr_rehearse_scratch rehearse;
};

static const struct gr_value_knobs knobs = {
    .patience = 2, .hold_percent = 10, .scaled = 0, .bucket_milli = 20};

static struct built *build(const struct gr_place *place)
{
    struct built *built = calloc(1, sizeof *built);
    assert_non_null(built);
    assert_true(gr_market_read(place, &built->market));
    gr_value_price(&built->market, &built->value);
    gr_value_strand(&built->market, &built->value, &built->scratch);
    gr_value_tune(&built->market, &built->scratch, &knobs, &built->value);
    return built;
}

// Three kinds of nodes; `turn` begins at another one.
static void nodes_add(struct gr_place *place, uint32_t count, uint32_t turn)
{
    static const struct {
        uint8_t devices, variant;
        uint32_t cpu_milli;
    } kinds[] = {{8, 0, 96000}, {2, 1, 64000}, {4, 2, 32000}, {8, 0, 96000}};
    for (uint32_t n = 0; n < count; n++) {
        uint32_t k = (n + turn) % 4;
        struct gr_node node = fixture_node(kinds[k].devices, kinds[k].cpu_milli, 400000);
        node.variant = kinds[k].variant;
        (void)gr_place_node_add(place, &node, "n");
    }
}

// Mask 1 allows variant 2 alone.
static void mix_add(struct gr_place *place)
{
    struct gr_mask mask;
    memset(&mask, 0, sizeof mask);
    for (unsigned s = 0; s < GR_SITES_MAX; s++) {
        mask.bits[s][0] = 1u << 2;
    }
    int only = gr_place_mask_add(place, &mask);
    struct gr_mix_item items[] = {
        {.shape = {.devices = 1, .milli = 470, .cpu_milli = 6000}, .count = 300},
        {.shape = {.devices = 1, .milli = 810, .cpu_milli = 11000}, .count = 200},
        {.shape = {.devices = 1, .milli = 190, .cpu_milli = 2000}, .count = 60},
        {.shape = {.devices = 1, .milli = 1000, .cpu_milli = 8000}, .count = 100},
        {.shape = {.devices = 8, .milli = 1000, .cpu_milli = 64000}, .count = 20},
        {.shape = {.devices = 1, .milli = 1000, .cpu_milli = 8000}, .count = 150},
        {.shape = {.cpu_milli = 4000}, .count = 90},
        {.shape = {.devices = 16, .milli = 1000, .cpu_milli = 4000}, .count = 5}, // fits nowhere
    };
    items[5].shape.mask = (uint16_t)only;
    gr_place_mix_set(place, items, sizeof items / sizeof items[0]);
}

static struct gr_place *place_make(uint32_t turn)
{
    struct gr_place_limits limits = fixture_limits(64);
    struct gr_place *place = fixture_place(&limits, "granary");
    nodes_add(place, 64, turn);
    mix_add(place);
    return place;
}

static void nodes_in_another_order_give_the_same_tables(void **state)
{
    (void)state;
    struct gr_place *a = place_make(0), *b = place_make(3);
    struct built *first = build(a), *second = build(b);
    assert_memory_equal(&first->market, &second->market, sizeof first->market);
    assert_memory_equal(&first->value, &second->value, sizeof first->value);
    assert_true(gr_rehearse(&first->market, &first->value, &first->rehearse) ==
                gr_rehearse(&second->market, &second->value, &second->rehearse));
    free(first);
    free(second);
    free(a);
    free(b);
}

static void variants_that_the_same_demands_may_use_are_one_group(void **state)
{
    (void)state;
    struct gr_place *place = place_make(0);
    struct built *built = build(place);
    assert_int_equal(built->market.group_count, 2);
    assert_int_equal(built->market.type_count, 3);
    assert_int_equal(built->value.group_of[0][0], built->value.group_of[0][1]);
    assert_int_not_equal(built->value.group_of[0][0], built->value.group_of[0][2]);
    assert_int_equal(built->value.group_of[0][3], UINT8_MAX);
    assert_int_equal(built->market.line_count, 7);
    assert_true(built->market.lost > 0);
    free(built);
    free(place);
}

static void more_room_is_worth_no_less(void **state)
{
    (void)state;
    struct gr_place *place = place_make(0);
    struct built *built = build(place);
    for (uint32_t g = 0; g < built->value.group_count; g++) {
        const struct gr_value_group *group = &built->value.groups[g];
        assert_int_equal(group->worth[0], 0);
        for (unsigned r = 1; r < GR_VALUE_STEPS; r++) {
            assert_true(group->worth[r] >= group->worth[r - 1]);
            // Soft acceptance adds a quarter of its half width a knock to what can be sold.
            assert_true(group->worth[r] <= (int)r * GR_MARKET_STEP + 64 * 28 / 4);
        }
        for (unsigned f = 1; f <= GR_NODE_DEVICES_MAX; f++) {
            assert_true(group->hold[f] >= group->hold[f - 1]);
        }
    }
    free(built);
    free(place);
}

static void more_cpu_makes_no_less_usable(void **state)
{
    (void)state;
    struct gr_place *place = place_make(0);
    struct built *built = build(place);
    for (uint32_t g = 0; g < built->value.group_count; g++) {
        const struct gr_value_group *group = &built->value.groups[g];
        for (uint32_t t = 0; t < group->rows; t++) {
            const uint16_t *row = built->value.usable + group->usable_at + t * GR_VALUE_COLUMNS;
            for (unsigned c = 1; c < GR_VALUE_COLUMNS; c++) {
                assert_true(row[c] >= row[c - 1]);
            }
            assert_int_equal(row[GR_VALUE_COLUMNS - 1], GR_VALUE_ONE);
        }
    }
    free(built);
    free(place);
}

static void what_choosy_demands_need_is_worth_more(void **state)
{
    (void)state;
    struct gr_place *place = place_make(0);
    struct built *built = build(place);
    unsigned any = built->value.group_of[0][0], only = built->value.group_of[0][2];
    assert_true(built->value.groups[only].worth[GR_VALUE_STEPS - 1] >
                built->value.groups[any].worth[GR_VALUE_STEPS - 1]);
    free(built);
    free(place);
}

static void groups_and_types_beyond_the_limits_join_others(void **state)
{
    (void)state;
    struct gr_place_limits limits = {.nodes = 3000, .masks = 100, .slots = 128};
    struct gr_place *place = fixture_place(&limits, "granary");
    struct gr_mix_item items[60];
    memset(items, 0, sizeof items);
    for (unsigned v = 0; v < 60; v++) {
        struct gr_mask mask;
        memset(&mask, 0, sizeof mask);
        mask.bits[0][0] = UINT64_C(3) << v;
        items[v] =
            (struct gr_mix_item){.shape = {.devices = 1,
                                           .milli = 500,
                                           .mask = (uint16_t)gr_place_mask_add(place, &mask)},
                                 .count = 1 + v};
    }
    for (uint32_t n = 0; n < 3000; n++) {
        struct gr_node node = fixture_node(8, 1000 * (1 + n % 97), 1000 + n);
        node.variant = (uint8_t)(n % 40);
        (void)gr_place_node_add(place, &node, "n");
    }
    gr_place_mix_set(place, items, 60);
    struct built *built = build(place);
    assert_int_equal(built->market.group_count, GR_MARKET_GROUPS);
    assert_true(built->market.type_count <= GR_MARKET_TYPES);
    for (unsigned v = 0; v < 40; v++) {
        assert_true(built->value.group_of[0][v] < GR_MARKET_GROUPS);
    }
    free(built);
    free(place);
}

static void scores_fall_from_255_to_1_as_losses_grow(void **state)
{
    (void)state;
    static const uint32_t buckets[] = {10, 20, 40, 80};
    for (unsigned b = 0; b < 4; b++) {
        struct gr_value *value = calloc(1, sizeof *value);
        assert_non_null(value);
        value->bucket_milli = buckets[b];
        struct gr_value_scale scale = gr_value_scale_get(value);
        uint8_t last = 255;
        assert_int_equal(gr_value_score(&scale, -20000), 255);
        for (int32_t loss = -20000; loss < 40000; loss++) {
            uint8_t score = gr_value_score(&scale, loss);
            assert_true(score >= 1 && score <= last && last - score <= 1);
            last = score;
        }
        assert_true(last <= 3);
        free(value);
    }
}

static void a_rehearsal_fills_most_of_an_easy_fleet(void **state)
{
    (void)state;
    struct gr_place *place = place_make(0);
    struct built *built = build(place);
    double allocated = gr_rehearse(&built->market, &built->value, &built->rehearse);
    assert_true(allocated > 0.6 && allocated <= 1);
    free(built);
    free(place);
}

// Both compilers, and every machine, must choose alike.
static void the_tables_are_the_same_everywhere(void **state)
{
    (void)state;
    struct gr_place *place = place_make(0);
    struct built *built = build(place);
    struct gr_hash hash;
    uint8_t digest[GR_HASH_SIZE];
    char text[2 * GR_HASH_SIZE + 1];
    gr_hash_init(&hash);
    for (uint32_t g = 0; g < built->value.group_count; g++) {
        gr_hash_add(&hash, built->value.groups[g].worth, sizeof built->value.groups[g].worth);
        gr_hash_add(&hash, built->value.groups[g].hold, sizeof built->value.groups[g].hold);
    }
    gr_hash_add(&hash, built->value.usable,
                built->value.usable_count * sizeof built->value.usable[0]);
    gr_hash_end(&hash, digest);
    gr_hash_text(digest, text);
    assert_string_equal(text, "0185fe4948bd0334e0fd63b87261c4ca6a2d575fdfaa026620dc58bffe4dd0c7");
    free(built);
    free(place);
}

// Fills a hash with all that values follow from, for a mix of one line that fits and this one.
static void hash_beside(struct gr_shape shape, uint8_t ret_digest[GR_HASH_SIZE])
{
    struct gr_place_limits limits = fixture_limits(8);
    struct gr_place *place = fixture_place(&limits, "granary");
    struct gr_market *market = calloc(1, sizeof *market);
    struct gr_hash hash;
    assert_non_null(market);
    nodes_add(place, 8, 0);
    struct gr_mix_item items[] = {
        {.shape = {.devices = 1, .milli = 500, .cpu_milli = 4000}, .count = 50},
        {.shape = shape, .count = 30},
    };
    gr_place_mix_set(place, items, 2);
    assert_true(gr_market_read(place, market));
    assert_int_equal(market->line_count, 1);
    gr_hash_init(&hash);
    gr_market_hash(market, &hash);
    gr_hash_end(&hash, ret_digest);
    free(market);
    free(place);
}

// A rehearsal leaves out what no node could serve: tables depend on it.
static void demand_that_fits_nowhere_counts_for_the_digest(void **state)
{
    (void)state;
    uint8_t little[GR_HASH_SIZE], much[GR_HASH_SIZE];
    hash_beside((struct gr_shape){.devices = 1, .milli = 10, .cpu_milli = 900000}, little);
    hash_beside((struct gr_shape){.devices = 16, .milli = 1000, .cpu_milli = 900000}, much);
    assert_memory_not_equal(little, much, GR_HASH_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_in_another_order_give_the_same_tables),
        cmocka_unit_test(variants_that_the_same_demands_may_use_are_one_group),
        cmocka_unit_test(more_room_is_worth_no_less),
        cmocka_unit_test(more_cpu_makes_no_less_usable),
        cmocka_unit_test(what_choosy_demands_need_is_worth_more),
        cmocka_unit_test(groups_and_types_beyond_the_limits_join_others),
        cmocka_unit_test(scores_fall_from_255_to_1_as_losses_grow),
        cmocka_unit_test(a_rehearsal_fills_most_of_an_easy_fleet),
        cmocka_unit_test(the_tables_are_the_same_everywhere),
        cmocka_unit_test(demand_that_fits_nowhere_counts_for_the_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
