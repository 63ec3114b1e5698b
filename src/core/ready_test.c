// Tests of when a blocked job finds room: by each node's ends, the same as when running jobs are
// given back to the pool one after the other.
#include "core/fixture.h"
#include "core/tenants.h"

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static void nodes_add(struct fixture *f, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        struct gr_event event = fixture_node_fact(f, 1 + draw(8));
        event.node.row.domain[0] = n / 4;
        event.node.row.domain[1] = n / 2;
        (void)fixture_apply(f, &event, NULL);
    }
}

static struct gr_demand demand_draw(void)
{
    struct gr_demand demand = fixture_demand(1 + draw(4) / 2 * draw(5), draw(6));
    if (demand.shape.devices == 1 && draw(2) == 0) {
        demand.shape.milli = (uint16_t)(100 + draw(900));
    }
    demand.shape.cpu_milli = 1000 + draw(4) / 3 * 20000;
    if (demand.tasks > 1 && draw(3) == 0) {
        demand.domain_level = (uint8_t)(1 + draw(2));
        demand.domain_tasks = demand.tasks % 2 == 0 ? demand.tasks / (1 + draw(2)) : 0;
    }
    return demand;
}

// Fills the pool; what does not fit is withdrawn.
static void jobs_add(struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t job = 0;
        if (fixture_ask(f, NULL, demand_draw(), 1 + draw(20) * 100, &job) == GR_REFUSED_NOTHING &&
            fixture_start(f) == 0) {
            struct gr_event event = gr_decide_drop(f->core, f->at, job, GR_REFUSED_BY_USER);
            (void)fixture_apply(f, &event, NULL);
        }
        f->at += draw(50);
    }
}

// What both ways say of one demand. True if it had to wait.
static bool compare(struct fixture *f, const struct gr_demand *demand)
{
    struct gr_job job = {.id = 999, .demand = *demand};
    int64_t start = INT64_MAX;
    if (gr_place_fleet_tasks(gr_pool(f->core), demand) < demand->tasks ||
        gr_place_find_gang(gr_pool(f->core), demand, 0, f->pieces)) {
        return false;
    }
    f->core->order = GR_ORDER_BACKFILL;
    struct gr_event event = gr_reserve(f->core, f->at, &job, f->pieces);
    bool found = gr_ready_find(f->core, f->at, &job, f->pieces, &start);
    f->core->order = GR_ORDER_FIFO;
    assert_int_equal(found, event.piece_count > 0);
    assert_true(start == event.reserved.start_ms);
    for (uint32_t i = 0; found && i < demand->tasks; i++) {
        assert_int_equal(__builtin_popcount(f->pieces[i].devices), demand->shape.devices);
        assert_true(i == 0 || f->pieces[i].node > f->pieces[i - 1].node ||
                    (f->pieces[i].node == f->pieces[i - 1].node &&
                     f->pieces[i].devices >= f->pieces[i - 1].devices));
    }
    return found;
}

static void the_ends_on_each_node_say_the_same_as_the_whole_pool(void **state)
{
    (void)state;
    unsigned waited = 0, gangs = 0, domains = 0;
    for (unsigned round = 0; round < 300; round++) {
        struct fixture f;
        struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
        config.limits.jobs = config.limits.pieces = 128;
        config.limits.place.nodes = 16;
        config.limits.place.domains[0] = config.limits.place.domains[1] = 8;
        seed = round;
        fixture_init(&f, &config);
        nodes_add(&f, 2 + draw(14));
        jobs_add(&f, 60);
        for (unsigned i = 0; i < 20; i++) {
            struct gr_demand demand = demand_draw();
            bool waits = compare(&f, &demand);
            waited += waits;
            gangs += waits && demand.tasks > 1;
            domains += waits && demand.domain_level > 0;
        }
        fixture_done(&f);
    }
    assert_true(waited > 500 && gangs > 100 && domains > 30);
}

static void a_copy_knows_who_is_on_a_node(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core *copy;
    struct gr_err err;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    fixture_node(&f, 8);
    uint64_t gang = fixture_submit(&f, fixture_demand(3, 4), 0);
    assert_int_equal(fixture_start(&f), gang);
    uint64_t one = fixture_submit(&f, fixture_demand(1, 2), 0);
    assert_int_equal(fixture_start(&f), one);
    assert_int_equal(gr_core_clone(f.core, &copy, &err), 0);
    assert_null(gr_core_audit(copy));
    fixture_finish(&f, gang);
    uint32_t tenant = gr_tenants_first(f.core, 1);
    assert_int_equal(gr_job_at(f.core, gr_tenant_slot(f.core, tenant))->id, one);
    assert_int_equal(gr_tenants_next(f.core, tenant), UINT32_MAX);
    assert_int_equal(gr_tenants_first(f.core, 0), UINT32_MAX);
    unsigned seen = 0;
    for (tenant = gr_tenants_first(copy, 1); tenant != UINT32_MAX; seen++) {
        tenant = gr_tenants_next(copy, tenant);
    }
    assert_int_equal(seen, 2);
    gr_core_free(copy);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ends_on_each_node_say_the_same_as_the_whole_pool),
        cmocka_unit_test(a_copy_knows_who_is_on_a_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
