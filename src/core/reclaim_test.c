// Tests of taking room back: who may, whose work goes, what is held for whom, and for how long.
#include "core/fixture.h"
#include "core/reclaim.h"
#include "core/save.h"
#include "core/tenants.h"

#include <signal.h>

#define ORGS 4

// A pool with customers of the owner, each with a user.
struct world {
    struct fixture f;
    uint32_t org[ORGS], user[ORGS];
    uint64_t stopped[64]; // asked to, in order
    unsigned stopped_count, held, freed, freed_why;
};

static void terms_set(struct world *world, uint32_t reclaim, int64_t min_run, uint64_t cap)
{
    struct gr_event event = fixture_fact(&world->f, GR_QUEUE_TERMS_SET);
    event.queue_terms = (struct gr_queue_terms){
        .notice_ms = 500, .min_run_ms = min_run, .lost_per_hour = cap, .reclaim = reclaim};
    (void)fixture_apply(&world->f, &event, NULL);
}

static void quota_set(struct world *world, unsigned who, unsigned nominal)
{
    struct gr_event event = fixture_fact(&world->f, GR_QUOTA_SET);
    event.quota =
        (struct gr_quota){world->org[who], 0, nominal * UINT64_C(1000), GR_ANY_MILLI, GR_ANY_MILLI};
    (void)fixture_apply(&world->f, &event, NULL);
}

static void world_make(struct world *world, unsigned nodes)
{
    struct gr_core_config config = fixture_config(GR_ORDER_FAIR);
    config.limits.orgs = config.limits.users = ORGS + 1;
    config.limits.jobs = config.limits.pieces = 128;
    config.limits.quotas = 8;
    config.limits.place.nodes = 16;
    memset(world, 0, sizeof *world);
    fixture_init(&world->f, &config);
    for (unsigned i = 0; i < ORGS; i++) {
        struct gr_event event = fixture_fact(&world->f, GR_ORG_ADDED);
        event.org.name[0] = (char)('a' + i);
        world->org[i] = gr_core_org_count(world->f.core);
        (void)fixture_apply(&world->f, &event, NULL);
        event = fixture_fact(&world->f, GR_USER_ADDED);
        event.user_added.org = world->org[i];
        world->user[i] = gr_core_user_count(world->f.core);
        (void)fixture_apply(&world->f, &event, NULL);
    }
    for (unsigned n = 0; n < nodes; n++) {
        struct gr_event event = fixture_node_fact(&world->f, 8);
        event.node.row.domain[0] = n / 2 % 2;
        (void)fixture_apply(&world->f, &event, NULL);
    }
    terms_set(world, GR_RECLAIM_BORROWED, 0, GR_ANY_MILLI);
}

static uint64_t submit_demand(struct world *world, unsigned who, struct gr_demand demand)
{
    struct gr_submission submission = {.demand = demand,
                                       .org = world->org[who],
                                       .user = world->user[who],
                                       .requeue_on = GR_REQUEUE_RECLAIM,
                                       .attempts = 1};
    struct gr_event events[2];
    unsigned count;
    gr_mask_fill(&submission.mask);
    enum gr_refusal refusal =
        gr_decide_submit(world->f.core, NULL, world->f.at, &submission, events, &count);
    assert_string_equal(gr_refusal_name(refusal), "nothing");
    for (unsigned i = 0; i < count; i++) {
        (void)fixture_apply(&world->f, &events[i], NULL);
    }
    return events[count - 1].sequence;
}

static uint64_t submit(struct world *world, unsigned who, uint32_t tasks, unsigned devices)
{
    return submit_demand(world, who, fixture_demand(tasks, devices));
}

// Decides until nothing is to be done, and notes what was.
static unsigned run(struct world *world)
{
    struct gr_event event;
    unsigned started = 0, steps = 0;
    while (gr_decide_start(world->f.core, NULL, world->f.at, world->f.pieces, &event)) {
        (void)fixture_apply(&world->f, &event, NULL);
        started += event.type == GR_JOB_PLACED;
        world->held += event.type == GR_ROOM_HELD;
        world->freed += event.type == GR_ROOM_FREED;
        if (event.type == GR_ROOM_FREED) {
            world->freed_why = event.freed.why;
        }
        if (event.type == GR_STOP_ASKED) {
            assert_int_equal(event.stop_asked.why, GR_STOP_RECLAIM);
            assert_int_equal(event.stop_asked.signal, SIGTERM);
            assert_int_equal(event.stop_asked.grace_ms, 500);
            world->stopped[world->stopped_count++ % 64] = event.stop_asked.job;
        }
        assert_true(++steps < 1000);
    }
    assert_null(gr_core_audit(world->f.core));
    return started;
}

// A job that was asked to stop does; it must wait again.
static void gives_way(struct world *world, uint64_t job)
{
    struct gr_ending ending = {.outcome = GR_OUTCOME_RECLAIMED};
    struct gr_event event = gr_decide_end(world->f.core, world->f.at, world->f.at, job, &ending);
    assert_int_equal(event.type, GR_JOB_REQUEUED);
    (void)fixture_apply(&world->f, &event, NULL);
}

static bool runs(const struct world *world, uint64_t job)
{
    return gr_core_job_find(world->f.core, job)->state == GR_JOB_RUNNING;
}

static void done(struct world *world)
{
    fixture_done(&world->f);
}

static void borrowed_devices_come_back_and_nobody_steals_them(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 2);
    quota_set(&world, 0, 8);
    uint64_t older = submit(&world, 1, 1, 8);
    assert_int_equal(run(&world), 1);
    world.f.at += 1000;
    uint64_t newer = submit(&world, 1, 1, 8);
    assert_int_equal(run(&world), 1);
    world.f.at += 1000;
    uint64_t owner = submit(&world, 0, 1, 8);
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.held, 1);
    assert_int_equal(world.stopped_count, 1);
    assert_int_equal(world.stopped[0], newer); // it loses a second, the other two
    assert_true(gr_core_lost(world.f.core, world.f.at).total == 8000 * 1000);
    uint64_t thief = submit(&world, 2, 1, 1);
    assert_int_equal(run(&world), 0);
    world.f.at += 500;
    gives_way(&world, newer);
    assert_int_equal(gr_core_job_find(world.f.core, newer)->attempts, 2);
    assert_int_equal(run(&world), 1);
    assert_true(runs(&world, owner) && runs(&world, older) && !runs(&world, thief));
    assert_int_equal(world.f.core->hold_count, 0);
    assert_int_equal(world.stopped_count, 1);
    done(&world);
}

static void a_checkpoint_changes_whose_work_goes(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 2);
    quota_set(&world, 0, 8);
    uint64_t older = submit(&world, 1, 1, 8);
    assert_int_equal(run(&world), 1);
    world.f.at += 1000;
    (void)submit(&world, 1, 1, 8);
    assert_int_equal(run(&world), 1);
    world.f.at += 1000;
    struct gr_event event = fixture_fact(&world.f, GR_CHECKPOINTED);
    event.checkpointed.job = older;
    event.checkpointed.attempt = 1;
    (void)fixture_apply(&world.f, &event, NULL);
    uint64_t lost = 1;
    assert_true(gr_core_reclaimable(world.f.core, older, world.f.at, &lost));
    assert_int_equal(lost, 0);
    (void)submit(&world, 0, 1, 8);
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.stopped[0], older);
    done(&world);
}

static void nominal_is_never_touched_and_what_stops_already_counts(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 2);
    quota_set(&world, 0, 8);
    quota_set(&world, 1, 8);
    uint64_t jobs[4];
    for (unsigned i = 0; i < 4; i++) {
        jobs[i] = submit(&world, 1, 1, 4); // two of its own, two borrowed
    }
    assert_int_equal(run(&world), 4);
    world.f.at += 1000;
    (void)submit(&world, 0, 1, 4);
    (void)submit(&world, 0, 1, 4);
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.held, 2);
    assert_int_equal(world.stopped_count, 2);
    (void)submit(&world, 0, 1, 4); // it has a right to no more
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.held, 2);
    quota_set(&world, 0, 12); // now it has, and the others have their nominal only
    world.f.at += 2000;
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.held, 2);
    (void)jobs;
    done(&world);
}

static void work_that_has_just_begun_is_left_alone(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 1);
    terms_set(&world, GR_RECLAIM_BORROWED, 5000, GR_ANY_MILLI);
    quota_set(&world, 0, 8);
    (void)submit(&world, 1, 1, 8);
    assert_int_equal(run(&world), 1);
    world.f.at += 4999;
    (void)submit(&world, 0, 1, 8);
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.held, 0);
    world.f.at = gr_core_wake_ms(world.f.core);
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.stopped_count, 1);
    done(&world);
}

static void a_gang_goes_as_a_whole_or_stays(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 3);
    quota_set(&world, 0, 8);
    uint64_t gang = submit(&world, 1, 2, 8);
    assert_int_equal(run(&world), 1);
    world.f.at += 600;
    uint64_t one = submit(&world, 1, 1, 8);
    assert_int_equal(run(&world), 1);
    world.f.at += 400;
    (void)submit(&world, 0, 1, 8);
    (void)run(&world);
    assert_int_equal(world.stopped[0], one); // 8 x 400 ms, the gang 16 x 1000
    world.f.at += 500;
    gives_way(&world, one);
    assert_int_equal(run(&world), 1);
    quota_set(&world, 0, 16);
    (void)submit(&world, 0, 1, 8);
    (void)run(&world);
    assert_int_equal(world.stopped_count, 2);
    assert_int_equal(world.stopped[1], gang);
    done(&world);
}

static void the_cheapest_set_goes_then_the_fewest_then_the_oldest(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 2);
    quota_set(&world, 0, 8);
    uint64_t half[2], small[3];
    for (unsigned i = 0; i < 2; i++) { // the first node
        half[i] = submit(&world, 1, 1, 4);
        assert_int_equal(run(&world), 1);
    }
    small[0] = submit(&world, 1, 1, 3); // the second
    small[1] = submit(&world, 1, 1, 3);
    small[2] = submit(&world, 1, 1, 2);
    assert_int_equal(run(&world), 3);
    world.f.at += 1000;
    (void)submit(&world, 0, 1, 4);
    (void)run(&world);
    assert_int_equal(world.stopped_count, 1); // one of four, not two of three and two
    assert_int_equal(world.stopped[0], half[0]);
    (void)submit(&world, 0, 1, 2);
    (void)run(&world);
    assert_int_equal(world.stopped[1], small[2]); // its room is on another node
    done(&world);
}

static void a_gang_takes_no_more_than_it_needs(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 4);
    quota_set(&world, 0, 16);
    for (unsigned i = 0; i < 8; i++) {
        (void)submit(&world, 1, 1, 4);
        assert_int_equal(run(&world), 1);
        world.f.at += 100;
    }
    struct gr_demand gang = fixture_demand(2, 8);
    gang.domain_level = 1; // nodes 0 and 1, or 2 and 3
    uint64_t owner = submit_demand(&world, 0, gang);
    (void)run(&world);
    assert_int_equal(world.held, 1);
    assert_int_equal(world.stopped_count, 4);
    for (unsigned i = 0; i < 4; i++) {
        gives_way(&world, world.stopped[i]);
        (void)run(&world);
    }
    assert_true(runs(&world, owner));
    done(&world);
}

static void higher_priority_takes_from_lower_of_the_same_organisation(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 2);
    terms_set(&world, GR_RECLAIM_PRIORITY, 0, GR_ANY_MILLI);
    (void)submit(&world, 1, 1, 8);
    uint64_t low = submit(&world, 0, 1, 8);
    assert_int_equal(run(&world), 2);
    world.f.at += 1000;
    struct gr_demand demand = fixture_demand(1, 8);
    (void)submit_demand(&world, 0, demand); // as high as the one that runs
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.stopped_count, 0);
    demand.priority = 101;
    uint64_t high = submit_demand(&world, 0, demand);
    (void)run(&world);
    assert_int_equal(world.stopped_count, 1);
    assert_int_equal(world.stopped[0], low);
    gives_way(&world, low);
    (void)run(&world);
    assert_true(runs(&world, high));
    assert_int_equal(world.stopped_count, 1); // the lower one does not come back for it
    done(&world);
}

static void no_more_is_lost_than_may_be(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 3);
    terms_set(&world, GR_RECLAIM_BORROWED, 0, 8000 * 1500);
    quota_set(&world, 0, 24);
    for (unsigned i = 0; i < 3; i++) {
        (void)submit(&world, 1, 1, 8);
    }
    assert_int_equal(run(&world), 3);
    world.f.at += 1000;
    (void)submit(&world, 0, 1, 8);
    (void)submit(&world, 0, 1, 8);
    (void)run(&world);
    assert_int_equal(world.stopped_count, 1);
    assert_true(gr_core_lost(world.f.core, world.f.at).hour == 8000 * 1000);
    world.f.at += 600000; // a sixth of the cap leaks away; what is lost grows faster
    (void)run(&world);
    assert_int_equal(world.stopped_count, 1);
    assert_true(gr_core_lost(world.f.core, world.f.at).hour == 8000 * 750);
    terms_set(&world, GR_RECLAIM_BORROWED, 0, GR_ANY_MILLI);
    world.f.at += 2000;
    (void)run(&world);
    assert_int_equal(world.stopped_count, 2);
    done(&world);
}

static void a_hold_ends_with_its_job_its_right_or_its_time(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        struct world world;
        world_make(&world, 1);
        quota_set(&world, 0, 8);
        uint64_t other = submit(&world, 1, 1, 8);
        assert_int_equal(run(&world), 1);
        world.f.at += 1000;
        uint64_t owner = submit(&world, 0, 1, 8);
        (void)run(&world);
        assert_int_equal(world.f.core->hold_count, 1);
        if (how == GR_FREED_LEFT) {
            struct gr_event event =
                gr_decide_drop(world.f.core, world.f.at, owner, GR_REFUSED_BY_USER);
            (void)fixture_apply(&world.f, &event, NULL);
        } else if (how == GR_FREED_RIGHT) {
            quota_set(&world, 0, 4);
        } else if (how == GR_FREED_ROOM) {
            fixture_node_state(&world.f, 0, GR_NODE_DRAINED);
        } else {
            world.f.at = gr_core_wake_ms(world.f.core) + 60500;
        }
        struct gr_event event;
        assert_true(gr_decide_start(world.f.core, NULL, world.f.at, world.f.pieces, &event));
        assert_int_equal(event.type, GR_ROOM_FREED);
        assert_int_equal(event.freed.why, how);
        (void)fixture_apply(&world.f, &event, NULL);
        assert_int_equal(world.f.core->hold_count, 0);
        (void)run(&world);
        gives_way(&world, other);
        (void)run(&world);
        done(&world);
    }
}

// Who else might go from the held nodes is not asked for again: it once came out otherwise there,
// and the same room was held and freed for ever.
static void who_was_called_goes_and_nobody_else(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 3);
    terms_set(&world, GR_RECLAIM_BORROWED | GR_RECLAIM_PRIORITY, 0, GR_ANY_MILLI);
    quota_set(&world, 0, 4);
    quota_set(&world, 1, 7);
    quota_set(&world, 2, 9);
    (void)submit(&world, 1, 1, 6); // node 0
    assert_int_equal(run(&world), 1);
    uint64_t low = submit(&world, 0, 1, 4); // node 1, all that it may have
    assert_int_equal(run(&world), 1);
    (void)submit(&world, 2, 1, 4); // node 1
    (void)submit(&world, 2, 1, 5); // node 2
    assert_int_equal(run(&world), 2);
    uint64_t borrowed[3]; // four of these five: on nodes 0, 0 and 2, the last one the cheapest
    for (unsigned i = 0; i < 3; i++) {
        world.f.at += 1000;
        borrowed[i] = submit(&world, 1, 1, i < 2 ? 1 : 3);
        assert_int_equal(run(&world), 1);
    }
    world.f.at += 1000;
    struct gr_demand gang = fixture_demand(2, 1);
    gang.priority = 101;
    uint64_t high = submit_demand(&world, 0, gang);
    (void)run(&world);
    assert_int_equal(world.held, 1);
    assert_int_equal(world.freed, 0);
    assert_int_equal(world.stopped_count, 2);
    assert_int_equal(world.stopped[0], borrowed[1]);
    assert_int_equal(world.stopped[1], low);
    gives_way(&world, low);
    gives_way(&world, borrowed[1]);
    (void)run(&world);
    assert_true(runs(&world, high));
    done(&world);
}

static void a_right_that_goes_before_anybody_was_asked_saves_them(void **state)
{
    (void)state;
    struct world world;
    struct gr_event event;
    world_make(&world, 1);
    quota_set(&world, 0, 8);
    uint64_t other = submit(&world, 1, 1, 8);
    assert_int_equal(run(&world), 1);
    world.f.at += 1000;
    (void)submit(&world, 0, 1, 8);
    assert_true(gr_decide_start(world.f.core, NULL, world.f.at, world.f.pieces, &event));
    assert_int_equal(event.type, GR_ROOM_HELD);
    assert_int_equal(event.edge_count, 1);
    assert_int_equal(event.edges[0].job, other);
    (void)fixture_apply(&world.f, &event, NULL);
    assert_int_equal(gr_core_job_find(world.f.core, other)->called_for, 1);
    quota_set(&world, 0, 4);
    (void)run(&world);
    assert_int_equal(world.freed, 1);
    assert_int_equal(world.freed_why, GR_FREED_RIGHT);
    assert_int_equal(world.stopped_count, 0);
    assert_int_equal(gr_core_job_find(world.f.core, other)->called_for, 0);
    done(&world);
}

// As the first releases held it: nobody was named.
static void room_that_is_held_without_saying_who_goes_is_freed(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 1);
    quota_set(&world, 0, 8);
    (void)submit(&world, 1, 1, 8);
    assert_int_equal(run(&world), 1);
    world.f.at += 1000;
    uint64_t owner = submit(&world, 0, 1, 8);
    struct gr_piece piece = {
        .devices = 0xff, .milli = GR_DEVICE_MILLI, .cpu_milli = 1000, .memory_mib = 0};
    struct gr_event event = fixture_fact(&world.f, GR_ROOM_HELD);
    event.version = 1;
    event.held.job = owner;
    event.held.until_ms = world.f.at + 1000;
    event.pieces = &piece;
    event.piece_count = 1;
    (void)fixture_apply(&world.f, &event, NULL);
    (void)run(&world); // and held anew, with a name
    assert_int_equal(world.freed, 1);
    assert_int_equal(world.freed_why, GR_FREED_ROOM);
    assert_int_equal(world.held, 1);
    assert_int_equal(world.stopped_count, 1);
    done(&world);
}

static int bytes_write(void *context, const void *bytes, size_t size, struct gr_err *err)
{
    uint8_t **at = context;
    (void)err;
    memcpy(*at, bytes, size);
    *at += size;
    return 0;
}

static void holds_are_kept_in_copies_and_when_saved(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 20];
    struct world world;
    struct gr_core *copies[2];
    struct gr_err err;
    uint8_t digest[32], other[32];
    uint8_t *at = bytes;
    world_make(&world, 2);
    quota_set(&world, 0, 8);
    (void)submit(&world, 1, 2, 8);
    (void)run(&world);
    world.f.at += 1000;
    (void)submit(&world, 0, 1, 8);
    (void)run(&world);
    assert_int_equal(gr_core_save(world.f.core, bytes_write, &at, &err), 0);
    assert_int_equal(gr_core_load(&world.f.config, bytes, (size_t)(at - bytes), &copies[0], &err),
                     0);
    assert_int_equal(gr_core_clone(world.f.core, &copies[1], &err), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_null(gr_core_audit(copies[i]));
        gr_core_digest(world.f.core, digest);
        gr_core_digest(copies[i], other);
        assert_memory_equal(digest, other, 32);
    }
    struct gr_core *original = world.f.core;
    gives_way(&world, world.stopped[0]);
    (void)run(&world);
    gr_core_digest(original, digest);
    for (unsigned i = 0; i < 2; i++) {
        world.f.core = copies[i];
        gives_way(&world, world.stopped[0]);
        (void)run(&world);
        gr_core_digest(copies[i], other);
        assert_memory_equal(digest, other, 32);
        gr_core_free(copies[i]);
    }
    world.f.core = original;
    done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(borrowed_devices_come_back_and_nobody_steals_them),
        cmocka_unit_test(a_checkpoint_changes_whose_work_goes),
        cmocka_unit_test(nominal_is_never_touched_and_what_stops_already_counts),
        cmocka_unit_test(work_that_has_just_begun_is_left_alone),
        cmocka_unit_test(a_gang_goes_as_a_whole_or_stays),
        cmocka_unit_test(the_cheapest_set_goes_then_the_fewest_then_the_oldest),
        cmocka_unit_test(a_gang_takes_no_more_than_it_needs),
        cmocka_unit_test(higher_priority_takes_from_lower_of_the_same_organisation),
        cmocka_unit_test(no_more_is_lost_than_may_be),
        cmocka_unit_test(a_hold_ends_with_its_job_its_right_or_its_time),
        cmocka_unit_test(who_was_called_goes_and_nobody_else),
        cmocka_unit_test(a_right_that_goes_before_anybody_was_asked_saves_them),
        cmocka_unit_test(room_that_is_held_without_saying_who_goes_is_freed),
        cmocka_unit_test(holds_are_kept_in_copies_and_when_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
