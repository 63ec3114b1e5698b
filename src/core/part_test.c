// Parts of running gangs: what is counted while a task is missing, where another place is looked
// for, and what ends the waiting.
#include "core/fixture.h"
#include "core/part.h"
#include "core/save.h"
#include "core/show.h"

// A small pool with gangs.
struct world {
    struct fixture f;
    uint64_t gang;
};

static void domain_node(struct world *world, unsigned devices, uint32_t domain)
{
    struct gr_event event = fixture_node_fact(&world->f, devices);
    event.node.row.domain[0] = domain;
    (void)fixture_apply(&world->f, &event, NULL);
}

static void begin(struct world *world, uint64_t job)
{
    struct gr_event event = fixture_fact(&world->f, GR_JOB_STARTED);
    event.started.job = job;
    event.started.attempt = gr_core_job_find(world->f.core, job)->attempt;
    (void)fixture_apply(&world->f, &event, NULL);
}

// Submits work that wants its parts replaced, starts it, and it begins.
static uint64_t gang_run(struct world *world, struct gr_demand demand)
{
    struct gr_submission submission = {.demand = demand,
                                       .user = UINT32_MAX,
                                       .attempts = 2,
                                       .requeue_on = GR_REQUEUE_NODE | GR_REQUEUE_PART};
    struct gr_event events[2];
    unsigned count;
    gr_mask_fill(&submission.mask);
    assert_int_equal(
        gr_decide_submit(world->f.core, NULL, world->f.at, &submission, events, &count),
        GR_REFUSED_NOTHING);
    uint64_t job = events[count - 1].sequence;
    for (unsigned i = 0; i < count; i++) {
        (void)fixture_apply(&world->f, &events[i], NULL);
    }
    assert_int_equal(fixture_start(&world->f), job);
    begin(world, job);
    return job;
}

static void world_make(struct world *world, enum gr_order order)
{
    struct gr_core_config config = fixture_config(order);
    fixture_init(&world->f, &config);
}

// A task ends with its device.
static void lose(struct world *world, uint32_t task, uint32_t part)
{
    struct gr_event event =
        gr_decide_part_lost(world->f.core, world->f.at, world->f.at, world->gang, task, part);
    (void)fixture_apply(&world->f, &event, NULL);
    assert_null(gr_core_audit(world->f.core));
}

static void device_out(struct world *world, uint32_t node, uint16_t devices, bool is_out)
{
    struct gr_event event = fixture_fact(&world->f, GR_DEVICES_SET);
    event.devices_set.node = node;
    event.devices_set.devices = devices;
    event.devices_set.is_out = is_out;
    event.devices_set.health = is_out ? 4 : 0;
    (void)fixture_apply(&world->f, &event, NULL);
}

static bool next(struct world *world, struct gr_event *ret_event)
{
    return gr_decide_start(world->f.core, NULL, world->f.at, world->f.pieces, ret_event);
}

// The missing tasks get a place now.
static struct gr_event mend(struct world *world)
{
    struct gr_event event;
    struct gr_effect effect;
    assert_true(next(world, &event));
    assert_int_equal(event.type, GR_PART_PLACED);
    assert_int_equal(event.part_placed.job, world->gang);
    assert_int_equal(fixture_apply(&world->f, &event, &effect), 1);
    assert_int_equal(effect.type, GR_START_PART);
    assert_null(gr_core_audit(world->f.core));
    return event;
}

struct places {
    uint32_t node[16], part[16], count;
};

static void place_note(void *context, uint32_t task, const struct gr_piece *piece, uint32_t part)
{
    struct places *places = context;
    assert_int_equal(task, places->count);
    places->node[places->count] = piece == NULL ? UINT32_MAX : piece->node;
    places->part[places->count++] = part;
}

static struct places places_of(const struct world *world)
{
    struct places places = {.count = 0};
    gr_core_job_tasks(world->f.core, world->gang, place_note, &places);
    return places;
}

static uint64_t held(const struct world *world)
{
    return gr_core_org_use(world->f.core, 0, world->f.at).held_milli;
}

static void a_lost_task_is_counted_nowhere_until_it_has_another_place(void **state)
{
    (void)state;
    static const enum gr_order orders[] = {GR_ORDER_FIFO, GR_ORDER_BACKFILL, GR_ORDER_FAIR};
    for (unsigned o = 0; o < 3; o++) {
        struct world world;
        struct gr_core_part part;
        world_make(&world, orders[o]);
        fixture_node(&world.f, 2);
        fixture_node(&world.f, 2);
        fixture_node(&world.f, 2);
        world.gang = gang_run(&world, fixture_demand(4, 1));
        assert_false(gr_core_part_find(world.f.core, world.gang, &part));
        device_out(&world, 0, 1, true);
        lose(&world, 0, 0);
        assert_int_equal(gr_core_used_milli(world.f.core), 3000);
        assert_int_equal(held(&world), 3000);
        assert_int_equal(gr_core_job_pieces(world.f.core, world.gang, world.f.pieces, 16), 3);
        assert_int_equal(places_of(&world).node[0], UINT32_MAX);
        assert_true(gr_core_part_find(world.f.core, world.gang, &part));
        assert_int_equal(part.missing, 1);
        assert_int_equal(part.since_ms, world.f.at);
        assert_int_equal(gr_core_wake_ms(world.f.core), world.f.at + 600000);
        world.f.at += 500;
        struct gr_event event = mend(&world);
        assert_int_equal(event.part_placed.part, 1);
        assert_int_equal(event.piece_count, 1);
        assert_int_equal(places_of(&world).node[0], 2);
        assert_int_equal(places_of(&world).part[0], 1);
        assert_int_equal(places_of(&world).part[1], 0);
        assert_int_equal(held(&world), 4000);
        assert_int_equal(gr_core_wake_ms(world.f.core), INT64_MAX);
        fixture_finish(&world.f, world.gang);
        assert_int_equal(gr_core_used_milli(world.f.core), 0);
        fixture_done(&world.f);
    }
}

static void a_part_is_placed_before_anything_begins(void **state)
{
    (void)state;
    struct world world;
    struct gr_event event;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 4);
    world.gang = gang_run(&world, fixture_demand(2, 2));
    device_out(&world, 0, 1, true);
    lose(&world, 0, 0);
    uint64_t other = fixture_submit(&world.f, fixture_demand(1, 1), 0);
    assert_int_equal(fixture_start(&world.f), other); // what is left is too little for the gang
    assert_false(next(&world, &event));
    fixture_node(&world.f, 2);
    uint64_t late = fixture_submit(&world.f, fixture_demand(1, 2), 0);
    assert_int_equal(places_of(&world).node[0], UINT32_MAX);
    (void)mend(&world);
    assert_int_equal(places_of(&world).node[0], 1);
    assert_int_equal(fixture_start(&world.f), 0);
    assert_int_equal(gr_core_job_find(world.f.core, late)->state, GR_JOB_WAITING);
    fixture_done(&world.f);
}

static void a_part_that_is_lost_again_is_replaced_again(void **state)
{
    (void)state;
    struct world world;
    struct gr_event event;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 3);
    fixture_node(&world.f, 3);
    world.gang = gang_run(&world, fixture_demand(3, 1));
    device_out(&world, 0, 2, true);
    lose(&world, 1, 0);
    lose(&world, 2, 0); // while the first is still missing
    event = mend(&world);
    assert_int_equal(event.piece_count, 2);
    lose(&world, 1, 1);
    event = gr_decide_part_lost(world.f.core, world.f.at, world.f.at, world.gang, 2, 0);
    assert_int_equal(gr_core_check(world.f.core, &event), GR_REFUSED_PIECES); // an old story
    event = mend(&world);
    assert_int_equal(event.part_placed.part, 2);
    assert_int_equal(places_of(&world).part[1], 2);
    assert_int_equal(places_of(&world).part[2], 1);
    fixture_done(&world.f);
}

static void the_last_task_is_not_a_part(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 2);
    world.gang = gang_run(&world, fixture_demand(2, 1));
    assert_int_equal(gr_core_part_may(world.f.core, world.gang, 1), GR_REFUSED_NOTHING);
    assert_int_equal(gr_core_part_may(world.f.core, world.gang, 2), GR_REFUSED_PIECES);
    world.f.core->part_count = GR_PARTS; // no account can be kept of one more
    assert_int_equal(gr_core_part_may(world.f.core, world.gang, 1), GR_REFUSED_LIMIT_OTHER);
    world.f.core->part_count = 0;
    lose(&world, 0, 0);
    assert_int_equal(gr_core_part_may(world.f.core, world.gang, 1), GR_REFUSED_PIECES);
    struct gr_event event =
        gr_decide_part_lost(world.f.core, world.f.at, world.f.at, world.gang, 1, 0);
    assert_int_equal(gr_core_check(world.f.core, &event), GR_REFUSED_PIECES);
    fixture_done(&world.f);
}

static void who_waits_too_long_is_stopped_and_waits_again_whole(void **state)
{
    (void)state;
    struct world world;
    struct gr_event event;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 2);
    world.gang = gang_run(&world, fixture_demand(2, 1));
    int64_t from = world.f.at;
    device_out(&world, 0, 1, true);
    lose(&world, 0, 0);
    assert_false(next(&world, &event));
    world.f.at = from + 599999;
    assert_false(next(&world, &event));
    world.f.at++;
    assert_true(next(&world, &event));
    assert_int_equal(event.type, GR_STOP_ASKED);
    assert_int_equal(event.stop_asked.why, GR_STOP_NODE);
    (void)fixture_apply(&world.f, &event, NULL);
    assert_false(next(&world, &event));
    assert_int_equal(gr_core_wake_ms(world.f.core), INT64_MAX);
    device_out(&world, 0, 1, false); // too late: it is to end
    assert_false(next(&world, &event));
    struct gr_ending ending = {.outcome = GR_OUTCOME_NODE};
    event = gr_decide_end(world.f.core, world.f.at, world.f.at, world.gang, &ending);
    assert_int_equal(event.type, GR_JOB_REQUEUED);
    (void)fixture_apply(&world.f, &event, NULL);
    assert_int_equal(fixture_start(&world.f), world.gang);
    assert_int_equal(places_of(&world).part[0], 0);
    assert_int_equal(gr_core_used_milli(world.f.core), 2000);
    fixture_done(&world.f);
}

static void the_place_is_in_the_domain_that_lacks_tasks(void **state)
{
    (void)state;
    struct world world;
    struct gr_event event;
    world_make(&world, GR_ORDER_FAIR);
    domain_node(&world, 2, 0);
    domain_node(&world, 2, 1);
    struct gr_demand demand = fixture_demand(4, 1);
    demand.domain_level = 1;
    demand.domain_tasks = 2;
    world.gang = gang_run(&world, demand); // two tasks in each domain
    domain_node(&world, 4, GR_DOMAIN_NONE);
    device_out(&world, 1, 1, true);
    lose(&world, 2, 0);
    assert_false(next(&world, &event)); // there is room, but not in domain 1
    domain_node(&world, 1, 1);
    event = mend(&world);
    assert_int_equal(event.pieces[0].node, 3);
    // A whole block may go to another domain.
    fixture_node_state(&world.f, 1, GR_NODE_BROKEN);
    fixture_node_state(&world.f, 3, GR_NODE_BROKEN);
    lose(&world, 2, 1);
    lose(&world, 3, 0);
    assert_false(next(&world, &event));
    fixture_node_state(&world.f, 2, GR_NODE_BROKEN);
    assert_false(next(&world, &event));
    domain_node(&world, 2, 0);
    event = mend(&world);
    assert_int_equal(event.pieces[0].node, 4);
    assert_int_equal(event.pieces[1].node, 4);
    fixture_done(&world.f);
}

static void all_tasks_of_one_domain_stay_together(void **state)
{
    (void)state;
    struct world world;
    struct gr_event event;
    world_make(&world, GR_ORDER_BACKFILL);
    domain_node(&world, 2, 0);
    domain_node(&world, 1, 0);
    struct gr_demand demand = fixture_demand(2, 1);
    demand.domain_level = 1;
    world.gang = gang_run(&world, demand);
    domain_node(&world, 2, 1);
    fixture_node_state(&world.f, 1, GR_NODE_DRAINED);
    struct places places = places_of(&world);
    device_out(&world, places.node[0], 3, true);
    lose(&world, 0, 0);
    assert_false(next(&world, &event));
    fixture_node_state(&world.f, 1, GR_NODE_UP);
    (void)mend(&world);
    assert_int_equal(places_of(&world).node[0], 1);
    fixture_done(&world.f);
}

static void room_that_is_reserved_for_others_is_left_alone(void **state)
{
    (void)state;
    struct world world;
    struct gr_event event;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 2);
    fixture_node(&world.f, 2);
    world.gang = gang_run(&world, fixture_demand(2, 1));
    uint64_t big = fixture_submit(&world.f, fixture_demand(2, 2), 0);
    uint64_t other = fixture_submit(&world.f, fixture_demand(1, 2), 1000);
    assert_int_equal(fixture_start(&world.f), other); // both nodes are reserved for the big one
    world.f.at += 10;
    fixture_finish(&world.f, other);
    device_out(&world, 0, 1, true);
    device_out(&world, 0, 1, false); // its device is well again, its room was forgotten
    struct gr_event reserved = fixture_fact(&world.f, GR_ROOM_RESERVED);
    struct gr_piece pieces[2] = {
        {.node = 0, .devices = 3, .milli = 1000, .cpu_milli = 1000},
        {.node = 1, .devices = 3, .milli = 1000, .cpu_milli = 1000},
    };
    reserved.reserved.job = big;
    reserved.reserved.start_ms = world.f.at + 100000;
    reserved.pieces = pieces;
    reserved.piece_count = 2;
    (void)fixture_apply(&world.f, &reserved, NULL);
    lose(&world, 0, 0);
    assert_false(next(&world, &event));
    fixture_node(&world.f, 1);
    event = mend(&world);
    assert_int_equal(event.pieces[0].node, 2);
    fixture_done(&world.f);
}

static void a_limit_of_devices_holds_for_parts_too(void **state)
{
    (void)state;
    struct world world;
    struct gr_event event;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 4);
    world.gang = gang_run(&world, fixture_demand(2, 1));
    lose(&world, 0, 0);
    struct gr_event terms = fixture_fact(&world.f, GR_ORG_TERMS_SET);
    terms.org_terms = (struct gr_org_terms){
        .weight = 1000, .priority_max = 255, .running_max = 1, .held_milli_max = 1500};
    (void)fixture_apply(&world.f, &terms, NULL);
    assert_false(next(&world, &event));
    terms.sequence++;
    terms.org_terms.held_milli_max = 2000; // and one job runs at most, which it does already
    (void)fixture_apply(&world.f, &terms, NULL);
    (void)mend(&world);
    fixture_done(&world.f);
}

static void a_quota_narrows_where_a_part_may_go(void **state)
{
    (void)state;
    struct world world;
    struct gr_event event;
    world_make(&world, GR_ORDER_FAIR);
    event = fixture_fact(&world.f, GR_VARIANT_ADDED);
    strcpy(event.variant, "t4");
    (void)fixture_apply(&world.f, &event, NULL);
    fixture_node(&world.f, 3);
    event = fixture_node_fact(&world.f, 2);
    event.node.row.variant = 1;
    (void)fixture_apply(&world.f, &event, NULL);
    world.gang = gang_run(&world, fixture_demand(2, 1));
    struct gr_event quota = fixture_fact(&world.f, GR_QUOTA_SET);
    quota.quota = (struct gr_quota){0, 0, 0, 1000, GR_ANY_MILLI};
    (void)fixture_apply(&world.f, &quota, NULL);
    lose(&world, 0, 0);
    assert_true(next(&world, &event)); // the other task uses up what it may have of the first kind
    assert_int_equal(event.type, GR_MASK_ADDED);
    (void)fixture_apply(&world.f, &event, NULL);
    event = mend(&world);
    assert_int_equal(event.pieces[0].node, 1);
    fixture_done(&world.f);
}

static int keep(void *context, const void *bytes, size_t size, struct gr_err *err)
{
    struct {
        uint8_t bytes[1 << 20];
        size_t size;
    } *kept = context;
    (void)err;
    assert_true(kept->size + size <= sizeof kept->bytes);
    memcpy(kept->bytes + kept->size, bytes, size);
    kept->size += size;
    return 0;
}

static void a_saved_state_and_a_copy_know_what_is_missing(void **state)
{
    (void)state;
    struct world world;
    struct gr_err err;
    static struct {
        uint8_t bytes[1 << 20];
        size_t size;
    } kept;
    uint8_t digests[3][32];
    struct gr_core *copies[2];
    struct gr_event event;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 3);
    world.gang = gang_run(&world, fixture_demand(3, 1));
    device_out(&world, 0, 3, true);
    lose(&world, 1, 0);
    fixture_node(&world.f, 1);
    kept.size = 0;
    assert_int_equal(gr_core_save(world.f.core, keep, &kept, &err), 0);
    assert_int_equal(gr_core_load(&world.f.config, kept.bytes, kept.size, &copies[0], &err), 0);
    assert_int_equal(gr_core_clone(world.f.core, &copies[1], &err), 0);
    struct gr_piece pieces[8];
    event = mend(&world);
    memcpy(pieces, event.pieces, sizeof pieces);
    event.pieces = pieces;
    gr_core_digest(world.f.core, digests[0]);
    for (unsigned c = 0; c < 2; c++) {
        struct gr_event same;
        assert_null(gr_core_audit(copies[c]));
        assert_true(gr_decide_start(copies[c], NULL, world.f.at, world.f.pieces, &same));
        assert_int_equal(same.type, GR_PART_PLACED);
        assert_memory_equal(same.pieces, pieces, sizeof *pieces);
        assert_int_equal(gr_core_step(copies[c], &same, NULL, NULL), GR_REFUSED_NOTHING);
        gr_core_digest(copies[c], digests[1 + c]);
        assert_memory_equal(digests[0], digests[1 + c], 32);
        gr_core_free(copies[c]);
    }
    fixture_done(&world.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_task_is_counted_nowhere_until_it_has_another_place),
        cmocka_unit_test(a_part_is_placed_before_anything_begins),
        cmocka_unit_test(a_part_that_is_lost_again_is_replaced_again),
        cmocka_unit_test(the_last_task_is_not_a_part),
        cmocka_unit_test(who_waits_too_long_is_stopped_and_waits_again_whole),
        cmocka_unit_test(the_place_is_in_the_domain_that_lacks_tasks),
        cmocka_unit_test(all_tasks_of_one_domain_stay_together),
        cmocka_unit_test(room_that_is_reserved_for_others_is_left_alone),
        cmocka_unit_test(a_limit_of_devices_holds_for_parts_too),
        cmocka_unit_test(a_quota_narrows_where_a_part_may_go),
        cmocka_unit_test(a_saved_state_and_a_copy_know_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
