// Explanations say which filter loses how many nodes, and suggest only what is true.
#include "place/explain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gr_place *place;
static void *memory;

static struct gr_shape shape_of(unsigned devices, unsigned milli, uint32_t cpu, uint32_t memory_mib)
{
    return (struct gr_shape){.cpu_milli = cpu,
                             .memory_mib = memory_mib,
                             .milli = (uint16_t)milli,
                             .devices = (uint8_t)devices};
}

// Four nodes of 4 devices: two of variant 0 in rack 0, one of variant 0 and one of variant 1 in
// rack 1.
static int set_up(void **state)
{
    (void)state;
    struct gr_place_limits limits = {.nodes = 8, .masks = 4, .slots = 32, .domains = {2, 0, 0, 0}};
    memory = aligned_alloc(64, gr_place_size(&limits));
    assert_non_null(memory);
    memset(memory, 0, gr_place_size(&limits));
    place = gr_place_init(memory, &limits, "bestfit", 0);
    struct gr_mask first = {0};
    for (unsigned s = 0; s < GR_SITES_MAX; s++) {
        first.bits[s][0] = 1;
    }
    assert_int_equal(gr_place_mask_add(place, &first), 0);
    for (unsigned n = 0; n < 4; n++) {
        struct gr_node node = {.cpu_milli = 32000,
                               .memory_mib = 1000,
                               .domain = {n / 2, GR_DOMAIN_NONE, GR_DOMAIN_NONE, GR_DOMAIN_NONE},
                               .variant = n == 3,
                               .devices = 4,
                               .free = {1000, 1000, 1000, 1000}};
        (void)gr_place_node_add(place, &node, "n");
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static void take(uint32_t node, uint16_t devices, uint16_t milli, uint32_t cpu, uint32_t memory_mib)
{
    struct gr_piece piece = {node, devices, milli, cpu, memory_mib};
    gr_place_take(place, &piece);
}

static const struct gr_suggestion *find(const struct gr_explanation *e, enum gr_change change)
{
    for (uint32_t i = 0; i < e->suggestion_count; i++) {
        if (e->suggestions[i].change == change) {
            return &e->suggestions[i];
        }
    }
    return NULL;
}

static void a_demand_that_fits_needs_no_suggestion(void **state)
{
    (void)state;
    struct gr_demand demand = {.shape = shape_of(4, 1000, 32000, 1000), .tasks = 3};
    struct gr_explanation e;
    gr_place_explain(place, &demand, &e);
    assert_true(e.fits);
    assert_int_equal(e.tasks_fit, 3);
    assert_int_equal(e.lost[GR_FILTER_NONE], 3);
    assert_int_equal(e.lost[GR_FILTER_MASK], 1);
    assert_int_equal(e.suggestion_count, 0);
}

static void each_node_is_counted_at_its_first_filter(void **state)
{
    (void)state;
    gr_place_node_set_state(place, 0, GR_NODE_DRAINED);
    take(1, 0x7, 1000, 1000, 0);
    take(2, 0, 0, 30000, 0);
    struct gr_demand demand = {.shape = shape_of(2, 1000, 4000, 10), .tasks = 1};
    struct gr_explanation e;
    gr_place_explain(place, &demand, &e);
    assert_false(e.fits);
    assert_int_equal(e.lost[GR_FILTER_STATE], 1);
    assert_int_equal(e.lost[GR_FILTER_DEVICES], 1);
    assert_int_equal(e.lost[GR_FILTER_CPU], 1);
    assert_int_equal(e.lost[GR_FILTER_MASK], 1);
    // 4000 -> 2000 is half; 2 -> 1 device is half too and comes after cpu
    assert_int_equal(e.suggestions[0].change, GR_CHANGE_CPU);
    assert_int_equal(e.suggestions[0].to, 2000);
    assert_int_equal(find(&e, GR_CHANGE_DEVICES)->to, 1);
    assert_int_equal(find(&e, GR_CHANGE_KIND)->node, 3);
    assert_non_null(find(&e, GR_CHANGE_STATE));
    assert_null(find(&e, GR_CHANGE_MEMORY));
}

static void the_smallest_change_comes_first(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 3; n++) {
        take(n, 0xf, 100 + (uint16_t)n, 0, 0);
    }
    struct gr_demand demand = {.shape = shape_of(1, 950, 1000, 0), .tasks = 1};
    struct gr_explanation e;
    gr_place_explain(place, &demand, &e);
    assert_int_equal(e.suggestions[0].change, GR_CHANGE_MILLI);
    assert_int_equal(e.suggestions[0].from, 950);
    assert_int_equal(e.suggestions[0].to, 900);
    assert_int_equal(e.suggestions[0].size_ppm, 52631);
}

static void a_gang_too_large_is_told_how_many_tasks_fit(void **state)
{
    (void)state;
    struct gr_demand demand = {.shape = shape_of(4, 1000, 0, 0), .tasks = 5};
    struct gr_explanation e;
    gr_place_explain(place, &demand, &e);
    assert_int_equal(e.tasks_fit, 3);
    assert_int_equal(find(&e, GR_CHANGE_TASKS)->to, 3);
    assert_int_equal(find(&e, GR_CHANGE_DEVICES)->to, 2);
}

static void giving_up_the_shared_domain_is_suggested_when_it_helps(void **state)
{
    (void)state;
    struct gr_demand demand = {.shape = shape_of(4, 1000, 0, 0), .tasks = 3, .domain_level = 1};
    struct gr_explanation e;
    gr_place_explain(place, &demand, &e);
    assert_false(e.fits);
    assert_non_null(find(&e, GR_CHANGE_DOMAIN));
    assert_int_equal(find(&e, GR_CHANGE_TASKS)->to, 2);
}

static void every_suggested_number_is_the_largest_that_fits(void **state)
{
    (void)state;
    take(0, 0x3, 700, 11000, 900);
    take(1, 0xf, 1000, 100, 10);
    take(2, 0x1, 1000, 31000, 10);
    struct gr_demand demand = {.shape = shape_of(2, 1000, 25000, 500), .tasks = 1};
    struct gr_explanation e;
    gr_place_explain(place, &demand, &e);
    for (uint32_t i = 0; i < e.suggestion_count; i++) {
        struct gr_demand other = demand;
        if (e.suggestions[i].change == GR_CHANGE_CPU) {
            other.shape.cpu_milli = e.suggestions[i].to;
            assert_int_equal(gr_place_room_tasks(place, &other), 1);
            other.shape.cpu_milli++;
            assert_int_equal(gr_place_room_tasks(place, &other), 0);
        }
    }
    assert_int_equal(find(&e, GR_CHANGE_CPU)->to, 1000);
    assert_non_null(gr_filter_text(GR_FILTER_CPU));
    assert_string_equal(gr_change_name(GR_CHANGE_CPU), "less-cpu");
}

// The gang shares a rack, and each of its tasks needs a group of devices, which no node has.
static void a_task_of_a_gang_needs_its_own_domain_too(void **state)
{
    (void)state;
    struct gr_explanation why;
    struct gr_demand demand = {.shape = shape_of(1, 1000, 0, 0), .tasks = 2, .domain_level = 1};
    demand.shape.level = 3;
    gr_place_refresh(place);
    gr_place_explain(place, &demand, &why);
    assert_false(why.fits);
    assert_int_equal(why.lost[GR_FILTER_DOMAIN], 3);
    assert_int_equal(why.lost[GR_FILTER_MASK], 1);
    assert_int_equal(why.lost[GR_FILTER_NONE], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_demand_that_fits_needs_no_suggestion, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_node_is_counted_at_its_first_filter, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_smallest_change_comes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gang_too_large_is_told_how_many_tasks_fit, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(giving_up_the_shared_domain_is_suggested_when_it_helps,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_suggested_number_is_the_largest_that_fits, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_task_of_a_gang_needs_its_own_domain_too, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
