// Tests of where tasks and gangs go: filters, domains, blocks, inner groups, and that nothing is
// left changed.
#include "place/fixture.h"

static struct gr_demand gang(uint32_t tasks, unsigned devices)
{
    return (struct gr_demand){
        .shape = {.devices = (uint8_t)devices, .milli = devices == 0 ? 0 : GR_DEVICE_MILLI},
        .tasks = tasks};
}

// Nodes of these widths; two neighbours share a domain of level 1.
static struct gr_place *pairs(const char *policy, const unsigned *widths, unsigned count)
{
    struct gr_place_limits limits = fixture_limits(count);
    struct gr_place *place = fixture_place(&limits, policy);
    for (unsigned n = 0; n < count; n++) {
        struct gr_node node = fixture_node(widths[n], 64000, 65536);
        node.domain[0] = n / 2;
        (void)gr_place_node_add(place, &node, "n");
    }
    return place;
}

static void hash_part(void *context, const void *bytes, size_t size)
{
    gr_hash_add(context, bytes, size);
}

static void hash_of(const struct gr_place *place, uint8_t ret_digest[32])
{
    struct gr_hash hash;
    gr_hash_init(&hash);
    gr_place_parts(place, hash_part, &hash);
    gr_hash_end(&hash, ret_digest);
}

// Asks, and compares (node, devices) of each piece; nothing may be left changed. NULL: no answer.
static void expect(struct gr_place *place, const struct gr_demand *demand,
                   const uint32_t (*pieces)[2])
{
    struct gr_piece found[16];
    uint8_t before[32], after[32];
    hash_of(place, before);
    assert_int_equal(gr_place_find_gang(place, demand, 0, found), pieces != NULL);
    hash_of(place, after);
    assert_memory_equal(before, after, 32);
    for (uint32_t p = 0; pieces != NULL && p < demand->tasks; p++) {
        assert_int_equal(found[p].node, pieces[p][0]);
        assert_int_equal(found[p].devices, pieces[p][1]);
    }
    gr_place_refresh(place);
    assert_null(gr_place_audit(place));
}

#define EXPECT(place, demand, ...) expect((place), (demand), (const uint32_t[][2]){__VA_ARGS__})

static void each_filter_is_named_in_its_order(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(1);
    struct gr_place *place = fixture_place(&limits, "firstfit");
    struct gr_mask nothing = {0};
    int none = gr_place_mask_add(place, &nothing);
    struct gr_node row = fixture_node(4, 8000, 1000);
    row.domain[2] = GR_DOMAIN_INNER | 2;
    (void)gr_place_node_add(place, &row, "n");
    struct gr_piece piece = {.devices = 1, .milli = 500, .cpu_milli = 2000, .memory_mib = 100};
    gr_place_take(place, &piece);
    const struct {
        struct gr_shape shape;
        enum gr_filter filter;
    } cases[] = {
        {{.mask = (uint16_t)none, .level = 1, .devices = 9, .milli = 1000}, GR_FILTER_MASK},
        {{.level = 1, .devices = 9, .milli = 1000}, GR_FILTER_DOMAIN},
        {{.devices = 5, .milli = 1000}, GR_FILTER_CAPACITY},
        {{.level = 3, .devices = 3, .milli = 1000}, GR_FILTER_CAPACITY},
        {{.devices = 4, .milli = 1000, .cpu_milli = 8001}, GR_FILTER_CAPACITY},
        {{.devices = 4, .milli = 1000, .memory_mib = 1001}, GR_FILTER_CAPACITY},
        {{.devices = 4, .milli = 1000, .cpu_milli = 8000}, GR_FILTER_DEVICES},
        {{.devices = 3, .milli = 1000, .cpu_milli = 6001, .memory_mib = 901}, GR_FILTER_CPU},
        {{.devices = 3, .milli = 1000, .cpu_milli = 6000, .memory_mib = 901}, GR_FILTER_MEMORY},
        {{.devices = 3, .milli = 1000, .cpu_milli = 6000, .memory_mib = 900}, GR_FILTER_NONE},
        {{.level = 3, .devices = 2, .milli = 1000}, GR_FILTER_NONE},
        {{.level = 3, .devices = 1, .milli = 999}, GR_FILTER_NONE},
        {{.cpu_milli = 6000}, GR_FILTER_NONE},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        assert_int_equal(gr_place_filter(place, 0, &cases[c].shape), cases[c].filter);
    }
    gr_place_node_set_state(place, 0, GR_NODE_DRAINED);
    assert_int_equal(gr_place_filter(place, 0, &cases[0].shape), GR_FILTER_STATE);
    free(place);
}

static void a_fraction_takes_the_tightest_device(void **state)
{
    (void)state;
    struct gr_place *place = pairs("firstfit", (unsigned[]){4}, 1);
    fixture_use(place, 0, 1, 400); // 600 left
    fixture_use(place, 0, 2, 700); // 300 left
    struct gr_demand demand = gang(1, 1);
    demand.shape.milli = 300;
    EXPECT(place, &demand, {0, 4});
    demand.shape.milli = 301;
    EXPECT(place, &demand, {0, 2});
    demand.shape.milli = 601;
    EXPECT(place, &demand, {0, 1});
    demand.tasks = 4;
    demand.shape.milli = 300; // one in device 2, two in device 1, then device 0
    EXPECT(place, &demand, {0, 1}, {0, 2}, {0, 2}, {0, 4});
    free(place);
}

static void tasks_without_a_domain_are_placed_one_after_the_other(void **state)
{
    (void)state;
    struct gr_place *place = pairs("firstfit", (unsigned[]){2, 8, 8, 4}, 4);
    struct gr_demand demand = gang(4, 4);
    EXPECT(place, &demand, {1, 0x0f}, {1, 0xf0}, {2, 0x0f}, {2, 0xf0});
    demand = gang(5, 4);
    EXPECT(place, &demand, {1, 0x0f}, {1, 0xf0}, {2, 0x0f}, {2, 0xf0}, {3, 0x0f});
    demand = gang(6, 4);
    expect(place, &demand, NULL);
    gr_place_node_set_state(place, 1, GR_NODE_BROKEN);
    demand = gang(3, 4);
    EXPECT(place, &demand, {2, 0x0f}, {2, 0xf0}, {3, 0x0f});
    free(place);
}

static void pieces_are_sorted_whatever_the_policy_chose(void **state)
{
    (void)state;
    struct gr_place *place = pairs("random", (unsigned[]){8, 8, 8, 8, 8, 8}, 6);
    struct gr_demand demand = gang(14, 2);
    struct gr_piece found[16];
    for (uint64_t salt = 0; salt < 50; salt++) {
        assert_true(gr_place_find_gang(place, &demand, salt * 65536, found));
        for (unsigned p = 1; p < 14; p++) {
            assert_true(
                found[p - 1].node < found[p].node ||
                (found[p - 1].node == found[p].node && found[p - 1].devices < found[p].devices));
        }
    }
    free(place);
}

static void the_tightest_domain_that_holds_all_is_filled(void **state)
{
    (void)state;
    struct gr_place *place = pairs("firstfit", (unsigned[]){8, 8, 4, 4, 2, 2, 8, 8}, 8);
    struct gr_demand demand = gang(2, 2);
    demand.domain_level = 1;
    EXPECT(place, &demand, {4, 3}, {5, 3}); // domain 2: four devices
    demand = gang(2, 3);
    demand.domain_level = 1;
    EXPECT(place, &demand, {2, 7}, {3, 7}); // domain 1: eight
    demand = gang(4, 4);
    demand.domain_level = 1; // domains 0 and 3 are alike: the lower number
    EXPECT(place, &demand, {0, 0x0f}, {0, 0xf0}, {1, 0x0f}, {1, 0xf0});
    fixture_use(place, 7, 0, 1000);
    demand = gang(3, 4); // now domain 3 is tighter
    demand.domain_level = 1;
    EXPECT(place, &demand, {6, 0x0f}, {6, 0xf0}, {7, 0x1e});
    demand = gang(5, 4);
    demand.domain_level = 1;
    expect(place, &demand, NULL); // in all there is room, in no domain
    gr_place_node_set_state(place, 6, GR_NODE_DRAINED);
    demand = gang(3, 4);
    demand.domain_level = 1;
    EXPECT(place, &demand, {0, 0x0f}, {0, 0xf0}, {1, 0x0f});
    free(place);
}

static void blocks_of_tasks_share_a_domain_each(void **state)
{
    (void)state;
    struct gr_place *place = pairs("firstfit", (unsigned[]){8, 8, 8, 4, 4, 4}, 6);
    struct gr_demand demand = gang(6, 4);
    demand.domain_level = 1;
    demand.domain_tasks = 2; // domain 2 holds two, domain 1 three: one block, domain 0 two blocks
    EXPECT(place, &demand, {0, 0x0f}, {0, 0xf0}, {2, 0x0f}, {2, 0xf0}, {4, 0x0f}, {5, 0x0f});
    demand.tasks = 8;
    EXPECT(place, &demand, {0, 0x0f}, {0, 0xf0}, {1, 0x0f}, {1, 0xf0}, {2, 0x0f}, {2, 0xf0},
           {4, 0x0f}, {5, 0x0f});
    demand.tasks = 10;
    expect(place, &demand, NULL);
    demand.domain_tasks = 1; // alone in a domain: as without
    demand.tasks = 9;
    EXPECT(place, &demand, {0, 0x0f}, {0, 0xf0}, {1, 0x0f}, {1, 0xf0}, {2, 0x0f}, {2, 0xf0},
           {3, 0x0f}, {4, 0x0f}, {5, 0x0f});
    free(place);
}

static void fractions_and_cpu_tasks_share_domains_too(void **state)
{
    (void)state;
    struct gr_place *place = pairs("firstfit", (unsigned[]){1, 1, 1, 0}, 4);
    struct gr_demand demand = gang(3, 1);
    demand.domain_level = 1;
    demand.shape.milli = 400;
    EXPECT(place, &demand, {0, 1}, {0, 1}, {1, 1});
    demand.tasks = 5;
    expect(place, &demand, NULL);
    demand = gang(3, 0);
    demand.domain_level = 1;
    demand.shape.cpu_milli = 64000;
    expect(place, &demand, NULL); // two machines a domain
    demand.tasks = 2;
    EXPECT(place, &demand, {2, 0}, {3, 0});
    free(place);
}

// One node of eight devices in two groups of four and four of two.
static struct gr_place *grouped(void)
{
    struct gr_place_limits limits = fixture_limits(3);
    struct gr_place *place = fixture_place(&limits, "firstfit");
    struct gr_node node = fixture_node(8, 64000, 65536);
    (void)gr_place_node_add(place, &node, "plain");
    node.domain[1] = 5;
    node.domain[2] = GR_DOMAIN_INNER | 4;
    node.domain[3] = GR_DOMAIN_INNER | 2;
    (void)gr_place_node_add(place, &node, "grouped");
    return place;
}

static void a_task_stays_within_one_group_of_devices(void **state)
{
    (void)state;
    struct gr_place *place = grouped();
    struct gr_demand demand = gang(1, 4);
    demand.shape.level = 3;
    EXPECT(place, &demand, {1, 0x0f});
    fixture_use(place, 1, 1, 1);
    EXPECT(place, &demand, {1, 0xf0});
    demand.shape.devices = 3; // the tightest group that holds it
    EXPECT(place, &demand, {1, 0x0d});
    demand = gang(3, 2);
    demand.shape.level = 4;
    EXPECT(place, &demand, {1, 0x0c}, {1, 0x30}, {1, 0xc0});
    demand.tasks = 4;
    expect(place, &demand, NULL);
    demand = gang(1, 5);
    demand.shape.level = 3;
    expect(place, &demand, NULL); // larger than a group
    demand.shape.level = 2;
    EXPECT(place, &demand, {1, 0x3d}); // an outer domain does not divide the node
    free(place);
}

static void a_task_that_is_alone_in_its_domain_keeps_its_own_level(void **state)
{
    (void)state;
    struct gr_place *place = grouped();
    fixture_use(place, 1, 0, 1);
    fixture_use(place, 1, 4, 1); // three and three are left
    struct gr_demand demand = gang(1, 4);
    demand.shape.level = 3;
    demand.domain_level = 2;
    expect(place, &demand, NULL);
    assert_int_equal(gr_place_fleet_tasks(place, &demand), 1);
    demand.shape.devices = 3;
    EXPECT(place, &demand, {1, 0x0e});
    demand.tasks = 2;
    demand.domain_tasks = 1;
    EXPECT(place, &demand, {1, 0x0e}, {1, 0xe0});
    demand.shape.level = 0; // now the gang's level counts
    demand.domain_level = 4;
    demand.shape.devices = 2;
    demand.tasks = 2;
    EXPECT(place, &demand, {1, 0x0c}, {1, 0xc0});
    free(place);
}

static void the_empty_fleet_is_counted_whatever_runs_or_is_broken(void **state)
{
    (void)state;
    struct gr_place *place = pairs("firstfit", (unsigned[]){8, 8, 8, 4, 4, 4}, 6);
    fixture_use(place, 0, 0, 1000);
    gr_place_node_set_state(place, 1, GR_NODE_BROKEN);
    struct gr_demand demand = gang(100, 4);
    assert_int_equal(gr_place_fleet_tasks(place, &demand), 9);
    demand.tasks = 5;
    assert_int_equal(gr_place_fleet_tasks(place, &demand), 5); // counts no further
    demand.tasks = 100;
    demand.domain_level = 1;
    demand.domain_tasks = 2;
    assert_int_equal(gr_place_fleet_tasks(place, &demand), 8);
    demand.domain_tasks = 4;
    assert_int_equal(gr_place_fleet_tasks(place, &demand), 4);
    demand.domain_tasks = 0;
    assert_int_equal(gr_place_fleet_tasks(place, &demand), 0);
    demand = gang(100, 1);
    demand.shape.milli = 334;
    assert_int_equal(gr_place_fleet_tasks(place, &demand), 72);
    demand.shape.cpu_milli = 16000; // four a node
    assert_int_equal(gr_place_fleet_tasks(place, &demand), 24);
    demand.shape.level = 2; // no such domain
    assert_int_equal(gr_place_fleet_tasks(place, &demand), 0);
    free(place);
}

static void a_mask_can_be_tried_before_it_is_added(void **state)
{
    (void)state;
    struct gr_place_limits limits = fixture_limits(1);
    limits.masks = 2;
    struct gr_place *place = fixture_place(&limits, "firstfit");
    struct gr_node node = fixture_node(1, 1000, 1000);
    struct gr_mask nothing = {0};
    struct gr_demand demand = gang(1, 1);
    (void)gr_place_node_add(place, &node, "n");
    demand.shape.mask = 1;
    assert_int_equal(gr_place_mask_try(place, &nothing), 1);
    assert_int_equal(gr_place_fleet_tasks(place, &demand), 0);
    assert_int_equal(gr_place_mask_count(place), 1);
    assert_int_equal(gr_place_mask_find(place, &nothing), -1);
    nothing.bits[0][0] = 1;
    assert_int_equal(gr_place_mask_add(place, &nothing), 1);
    assert_int_equal(gr_place_mask_add(place, &nothing), 1);
    assert_int_equal(gr_place_fleet_tasks(place, &demand), 1);
    nothing.bits[0][0] = 2;
    assert_true(gr_place_mask_add(place, &nothing) < 0);
    assert_true(gr_place_mask_try(place, &nothing) < 0);
    free(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_filter_is_named_in_its_order),
        cmocka_unit_test(a_fraction_takes_the_tightest_device),
        cmocka_unit_test(tasks_without_a_domain_are_placed_one_after_the_other),
        cmocka_unit_test(pieces_are_sorted_whatever_the_policy_chose),
        cmocka_unit_test(the_tightest_domain_that_holds_all_is_filled),
        cmocka_unit_test(blocks_of_tasks_share_a_domain_each),
        cmocka_unit_test(fractions_and_cpu_tasks_share_domains_too),
        cmocka_unit_test(a_task_stays_within_one_group_of_devices),
        cmocka_unit_test(a_task_that_is_alone_in_its_domain_keeps_its_own_level),
        cmocka_unit_test(the_empty_fleet_is_counted_whatever_runs_or_is_broken),
        cmocka_unit_test(a_mask_can_be_tried_before_it_is_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
