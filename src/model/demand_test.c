// Tests of demands and masks.
#include "model/demand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void a_mask_keeps_what_was_not_removed(void **state)
{
    (void)state;
    struct gr_mask mask;
    uint64_t variants[GR_POOL_VARIANTS_MAX / 64] = {0};
    gr_mask_fill(&mask);
    assert_true(gr_mask_has(&mask, 0, 0));
    assert_true(gr_mask_has(&mask, GR_SITES_MAX - 1, GR_POOL_VARIANTS_MAX - 1));
    variants[0] = 1u << 5;
    variants[1] = UINT64_C(1) << 63;
    gr_mask_keep_variants(&mask, variants);
    gr_mask_remove_site(&mask, 3);
    for (unsigned s = 0; s < GR_SITES_MAX; s++) {
        for (unsigned v = 0; v < GR_POOL_VARIANTS_MAX; v++) {
            assert_int_equal(gr_mask_has(&mask, s, v), s != 3 && (v == 5 || v == 127));
        }
    }
}

static struct gr_demand good(void)
{
    return (struct gr_demand){.shape = {.cpu_milli = 1000, .milli = 1000, .devices = 8},
                              .tasks = 6};
}

static void well_formed_demands_pass(void **state)
{
    (void)state;
    struct gr_demand demand = good();
    assert_null(gr_demand_wrong(&demand));
    demand.shape = (struct gr_shape){.cpu_milli = GR_CPU_MILLI_MAX};
    assert_null(gr_demand_wrong(&demand));
    demand.shape = (struct gr_shape){.devices = 1, .milli = 1, .memory_mib = GR_MEMORY_MIB_MAX};
    assert_null(gr_demand_wrong(&demand));
    demand.tasks = GR_TASKS_MAX;
    demand.domain_level = GR_DOMAIN_LEVELS;
    demand.domain_tasks = 2;
    demand.shape.level = GR_DOMAIN_LEVELS;
    demand.use = GR_USES - 1;
    assert_null(gr_demand_wrong(&demand));
}

static void each_fault_has_its_phrase(void **state)
{
    (void)state;
#define WRONG(change, phrase)                                                                      \
    do {                                                                                           \
        struct gr_demand demand = good();                                                          \
        change;                                                                                    \
        assert_non_null(gr_demand_wrong(&demand));                                                 \
        assert_string_equal(gr_demand_wrong(&demand), phrase);                                     \
    } while (0)
    WRONG(demand.tasks = 0, "tasks outside 1..65536");
    WRONG(demand.tasks = GR_TASKS_MAX + 1, "tasks outside 1..65536");
    WRONG(demand.shape.devices = 17, "more devices a task than a node can hold (16)");
    WRONG(demand.shape.devices = 0, "milli without devices");
    WRONG(demand.shape.milli = 0, "milli outside 1..1000");
    WRONG(demand.shape.milli = 1001, "milli outside 1..1000");
    WRONG(demand.shape.milli = 999, "a fraction of more than one device");
    WRONG(demand.shape.cpu_milli = GR_CPU_MILLI_MAX + 1, "cpu or memory beyond the limit");
    WRONG(demand.shape.memory_mib = GR_MEMORY_MIB_MAX + 1, "cpu or memory beyond the limit");
    WRONG(demand.shape.level = 5, "domain level outside 0..4");
    WRONG(demand.domain_level = 5, "domain level outside 0..4");
    WRONG(demand.domain_tasks = 2, "tasks a domain without a domain level");
    WRONG((demand.domain_level = 1, demand.domain_tasks = 7),
          "tasks are no multiple of the tasks a domain");
    WRONG((demand.domain_level = 1, demand.domain_tasks = 4),
          "tasks are no multiple of the tasks a domain");
    WRONG(demand.use = GR_USES, "unknown use");
    WRONG(demand.shape.reserved = 1, "a reserved field that is not zero");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mask_keeps_what_was_not_removed),
        cmocka_unit_test(well_formed_demands_pass),
        cmocka_unit_test(each_fault_has_its_phrase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
