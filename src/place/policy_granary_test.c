// Tests of the default policy: degenerate mixes, every way to a score, tables that are kept.
#include "place/fixture.h"

static struct gr_place *pool(const char *policy, uint32_t nodes)
{
    struct gr_place_limits limits = {.nodes = nodes, .masks = 8, .slots = 512};
    struct gr_place *place = fixture_place(&limits, policy);
    for (uint32_t n = 0; n < nodes; n++) {
        struct gr_node node = fixture_node(1 + n * 7 % 16, 8000 * (1 + n % 12), 1000000);
        node.variant = (uint8_t)(n % 3);
        (void)gr_place_node_add(place, &node, "n");
    }
    return place;
}

// Random demands, `count` lines.
static void mix_draw(struct gr_place *place, uint32_t count, uint64_t seed)
{
    static struct gr_mix_item items[GR_MIX_MAX];
    static const uint8_t widths[] = {0, 1, 1, 1, 1, 2, 3, 4, 8, 16};
    memset(items, 0, sizeof items);
    for (uint32_t i = 0; i < count; i++) {
        struct gr_shape *shape = &items[i].shape;
        shape->devices = widths[fixture_below(&seed, sizeof widths)];
        shape->milli = shape->devices == 0   ? 0
                       : shape->devices == 1 ? (uint16_t)(1 + fixture_below(&seed, 1000))
                                             : GR_DEVICE_MILLI;
        shape->cpu_milli = fixture_below(&seed, 30000);
        items[i].count = 1 + fixture_below(&seed, 50);
    }
    gr_place_mix_set(place, items, count);
}

// Places tasks of the mix one after the other by index and by scan; both must agree, and so must
// all scores. Returns how many found a place.
static unsigned fill(struct gr_place *place, unsigned tasks)
{
    unsigned found = 0;
    for (unsigned i = 0; i < tasks; i++) {
        const struct gr_shape *shape = &gr_mix_at(place)[i * 31 % place->mix_count].shape;
        struct gr_piece piece, scanned;
        bool fits = gr_place_find(place, shape, i, &piece);
        assert_int_equal(gr_place_find_scan(place, shape, i, &scanned), fits);
        if (fits) {
            assert_memory_equal(&piece, &scanned, sizeof piece);
            gr_place_take(place, &piece);
            found++;
        }
    }
    gr_place_refresh(place);
    assert_null(gr_place_audit(place));
    return found;
}

static void granary_is_the_default(void **state)
{
    (void)state;
    assert_string_equal(gr_policies[0]->name, "granary");
}

static void all_slots_at_once_score_as_each_alone(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct gr_place *place = pool("granary", 60);
        mix_draw(place, 90, seed);
        assert_true(fill(place, 500) > 100);
        free(place);
    }
}

static void a_mix_of_1024_lines_is_served(void **state)
{
    (void)state;
    struct gr_place *place = pool("granary", 40);
    mix_draw(place, GR_MIX_MAX, 9);
    assert_true(fill(place, 300) > 50);
    free(place);
}

// Without a mix, without devices in it, or with nothing that fits, there is nothing to value.
static void without_values_it_does_as_bestfit(void **state)
{
    (void)state;
    static const struct gr_mix_item cpu_only = {.shape = {.cpu_milli = 1000}, .count = 3};
    static const struct gr_mix_item too_large = {
        .shape = {.devices = 1, .milli = 500, .cpu_milli = GR_CPU_MILLI_MAX}, .count = 3};
    static const struct gr_mix_item *const mixes[] = {NULL, &cpu_only, &too_large};
    static const struct gr_shape asked = {.devices = 1, .milli = 300, .cpu_milli = 500};
    for (unsigned m = 0; m < 3; m++) {
        struct gr_place *place = pool("granary", 30), *reference = pool("bestfit", 30);
        if (mixes[m] != NULL) {
            gr_place_mix_set(place, mixes[m], 1);
            gr_place_mix_set(reference, mixes[m], 1);
        }
        for (unsigned i = 0; i < 60; i++) {
            struct gr_piece piece, expected;
            assert_true(gr_place_find(place, &asked, i, &piece));
            assert_true(gr_place_find(reference, &asked, i, &expected));
            assert_memory_equal(&piece, &expected, sizeof piece);
            gr_place_take(place, &piece);
            gr_place_take(reference, &piece);
        }
        assert_null(gr_place_audit(place));
        free(place);
        free(reference);
    }
}

// A hole of 700 is for 700 while there is one of 300 for 300.
static void a_demand_goes_where_it_leaves_no_remainder(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(2);
    struct gr_place *place = fixture_place(&limits, "granary");
    static const struct gr_mix_item items[] = {
        {.shape = {.devices = 1, .milli = 700, .cpu_milli = 1000}, .count = 10},
        {.shape = {.devices = 1, .milli = 300, .cpu_milli = 1000}, .count = 10}};
    struct gr_node node = fixture_node(2, 64000, 65536);
    struct gr_piece piece;
    (void)gr_place_node_add(place, &node, "a");
    (void)gr_place_node_add(place, &node, "b");
    gr_place_mix_set(place, items, 2);
    fixture_use(place, 0, 0, 300);
    fixture_use(place, 0, 1, 300);
    fixture_use(place, 1, 0, 300);
    fixture_use(place, 1, 1, 700);
    assert_true(gr_place_find(place, &items[1].shape, 0, &piece));
    assert_int_equal(piece.node, 1);
    assert_int_equal(piece.devices, 1u << 1);
    free(place);
}

// Who may go anywhere leaves alone what others depend on.
static void an_easy_demand_leaves_the_scarce_variant_alone(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(8);
    struct gr_place *place = fixture_place(&limits, "granary");
    struct gr_mask mask;
    memset(&mask, 0, sizeof mask);
    mask.bits[0][0] = 1;
    struct gr_mix_item items[] = {
        {.shape = {.devices = 1, .milli = 1000, .cpu_milli = 1000}, .count = 10},
        {.shape = {.devices = 1, .milli = 1000, .cpu_milli = 1000}, .count = 10}};
    items[1].shape.mask = (uint16_t)gr_place_mask_add(place, &mask);
    for (unsigned n = 0; n < 8; n++) {
        struct gr_node node = fixture_node(8, 64000, 65536);
        node.variant = n >= 4;
        (void)gr_place_node_add(place, &node, "n");
    }
    gr_place_mix_set(place, items, 2);
    for (unsigned i = 0; i < 32; i++) {
        struct gr_piece piece;
        assert_true(gr_place_find(place, &items[0].shape, i, &piece));
        assert_true(piece.node >= 4);
        gr_place_take(place, &piece);
    }
    free(place);
}

static void lent_tables_change_no_decision(void **state)
{
    (void)state;
    struct gr_place *first = pool("granary", 50), *other = pool("bestfit", 50);
    mix_draw(first, 40, 5);
    gr_place_refresh(first);
    assert_false(gr_place_tables_take(other, first));
    for (uint64_t seed = 5; seed <= 6; seed++) { // the same mix, and another
        struct gr_place *fresh = pool("granary", 50), *lent = pool("granary", 50);
        mix_draw(fresh, 40, seed);
        mix_draw(lent, 40, seed);
        assert_true(gr_place_tables_take(lent, first));
        assert_int_equal(fill(fresh, 200), fill(lent, 200));
        assert_memory_equal(gr_node_at(fresh, 0), gr_node_at(lent, 0), 50 * sizeof(struct gr_node));
        free(fresh);
        free(lent);
    }
    free(first);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(granary_is_the_default),
        cmocka_unit_test(all_slots_at_once_score_as_each_alone),
        cmocka_unit_test(a_mix_of_1024_lines_is_served),
        cmocka_unit_test(without_values_it_does_as_bestfit),
        cmocka_unit_test(a_demand_goes_where_it_leaves_no_remainder),
        cmocka_unit_test(an_easy_demand_leaves_the_scarce_variant_alone),
        cmocka_unit_test(lent_tables_change_no_decision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
