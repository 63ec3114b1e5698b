// Tests of who comes first: shares, priorities, own quotas before borrowing, sleep and wake, and
// room that is reserved.
#include "core/fixture.h"
#include "core/queue.h"

// A pool with two customers of the owner, each with one user, and 16 devices on two nodes.
struct world {
    struct fixture f;
    uint32_t org[2], user[2];
};

static void world_make(struct world *world)
{
    struct gr_core_config config = fixture_config(GR_ORDER_FAIR);
    config.limits.orgs = 4;
    config.limits.users = 4;
    config.limits.jobs = 64;
    config.limits.pieces = 64;
    config.limits.quotas = 8;
    fixture_init(&world->f, &config);
    for (unsigned i = 0; i < 2; i++) {
        struct gr_event event = fixture_fact(&world->f, GR_ORG_ADDED);
        event.org.parent = 0;
        event.org.name[0] = (char)('a' + i);
        world->org[i] = gr_core_org_count(world->f.core);
        (void)fixture_apply(&world->f, &event, NULL);
        event = fixture_fact(&world->f, GR_USER_ADDED);
        event.user_added.org = world->org[i];
        world->user[i] = gr_core_user_count(world->f.core);
        (void)fixture_apply(&world->f, &event, NULL);
    }
    fixture_node(&world->f, 8);
    fixture_node(&world->f, 8);
    struct gr_event event = fixture_fact(&world->f, GR_QUEUE_TERMS_SET);
    event.queue_terms = world->f.core->queue_terms;
    event.queue_terms.reclaim = 0; // see reclaim_test.c
    (void)fixture_apply(&world->f, &event, NULL);
}

// A job of an organisation: `tasks` tasks of `devices` devices.
static uint64_t submit(struct world *world, unsigned who, uint32_t tasks, unsigned devices,
                       unsigned priority, int64_t limit_ms)
{
    struct gr_submission submission = {.demand = fixture_demand(tasks, devices),
                                       .limit_ms = limit_ms,
                                       .org = world->org[who],
                                       .user = world->user[who],
                                       .requeue_on = GR_REQUEUE_NODE,
                                       .attempts = 2};
    struct gr_event events[2];
    unsigned count;
    submission.demand.priority = (uint8_t)priority;
    gr_mask_fill(&submission.mask);
    enum gr_refusal refusal =
        gr_decide_submit(world->f.core, NULL, world->f.at, &submission, events, &count);
    assert_string_equal(gr_refusal_name(refusal), "nothing");
    for (unsigned i = 0; i < count; i++) {
        (void)fixture_apply(&world->f, &events[i], NULL);
    }
    return events[count - 1].sequence;
}

static void done(struct world *world)
{
    fixture_done(&world->f);
}

static void weight_set(struct world *world, unsigned who, uint32_t weight)
{
    struct gr_event event = fixture_fact(&world->f, GR_ORG_TERMS_SET);
    event.org_terms.org = world->org[who];
    event.org_terms.weight = weight;
    event.org_terms.priority_max = 255;
    (void)fixture_apply(&world->f, &event, NULL);
}

static void quota_set(struct world *world, unsigned who, uint64_t nominal, uint64_t borrow,
                      uint64_t lend)
{
    struct gr_event event = fixture_fact(&world->f, GR_QUOTA_SET);
    event.quota = (struct gr_quota){world->org[who], 0, nominal, borrow, lend};
    (void)fixture_apply(&world->f, &event, NULL);
}

// Starts all that can start; how many jobs of each customer run then.
static void run_all(struct world *world, unsigned ret_running[2])
{
    while (fixture_start(&world->f) != 0) {
    }
    for (unsigned i = 0; i < 2; i++) {
        ret_running[i] = gr_org_now_at(world->f.core, world->org[i])->running;
    }
}

static void customers_who_ask_for_the_same_get_the_same(void **state)
{
    (void)state;
    struct world world;
    unsigned running[2];
    world_make(&world);
    for (unsigned i = 0; i < 20; i++) { // the first has asked for all of it before the other came
        (void)submit(&world, 0, 1, 1, 100, 0);
    }
    for (unsigned i = 0; i < 20; i++) {
        (void)submit(&world, 1, 1, 1, 100, 0);
    }
    run_all(&world, running);
    assert_int_equal(running[0], 8);
    assert_int_equal(running[1], 8);
    done(&world);
}

static void weights_divide_what_there_is(void **state)
{
    (void)state;
    struct world world;
    unsigned running[2];
    world_make(&world);
    weight_set(&world, 0, 3000);
    for (unsigned i = 0; i < 40; i++) {
        (void)submit(&world, i % 2, 1, 1, 100, 0);
    }
    run_all(&world, running);
    assert_int_equal(running[0], 12);
    assert_int_equal(running[1], 4);
    done(&world);
}

static void past_use_counts_and_is_forgotten(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    uint64_t whole = submit(&world, 0, 2, 8, 100, 0);
    assert_int_equal(fixture_start(&world.f), whole);
    world.f.at += GR_HALF_LIFE_DEFAULT_MS;
    fixture_finish(&world.f, whole);
    uint64_t first = submit(&world, 0, 2, 8, 100, 0);
    uint64_t second = submit(&world, 1, 2, 8, 100, 0);
    assert_int_equal(fixture_start(&world.f), second); // it came later, and had nothing yet
    assert_int_equal(gr_org_past_at(world.f.core, world.org[0])->average,
                     (UINT64_C(16000) << 20) / 2);
    world.f.at += 40 * GR_HALF_LIFE_DEFAULT_MS;
    fixture_finish(&world.f, second);
    (void)submit(&world, 1, 2, 8, 100, 0);
    assert_int_equal(fixture_start(&world.f), first); // its own past is forgotten by now
    done(&world);
}

static void priority_goes_before_shares_and_own_quota_before_priority(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    quota_set(&world, 0, 8000, GR_ANY_MILLI, GR_ANY_MILLI);
    uint64_t borrows = submit(&world, 1, 1, 8, 200, 0);
    uint64_t low = submit(&world, 1, 1, 8, 100, 0);
    uint64_t own = submit(&world, 0, 1, 8, 1, 0);
    assert_int_equal(fixture_start(&world.f), own);
    assert_int_equal(fixture_start(&world.f), borrows);
    assert_int_equal(fixture_start(&world.f), 0);
    fixture_finish(&world.f, own);
    assert_int_equal(fixture_start(&world.f), low);
    done(&world);
}

static void what_is_not_lent_stays_free(void **state)
{
    (void)state;
    struct world world;
    unsigned running[2];
    world_make(&world);
    quota_set(&world, 0, 8000, 0, 3000);
    for (unsigned i = 0; i < 20; i++) {
        (void)submit(&world, 1, 1, 1, 100, 0);
    }
    run_all(&world, running);
    assert_int_equal(running[1], 11); // 16 less 5 that the other does not lend
    for (unsigned i = 0; i < 12; i++) {
        (void)submit(&world, 0, 1, 1, 100, 0);
    }
    run_all(&world, running);
    assert_int_equal(running[0], 5);
    done(&world);
}

static void a_limit_of_running_jobs_lets_others_pass(void **state)
{
    (void)state;
    struct world world;
    unsigned running[2];
    world_make(&world);
    struct gr_event event = fixture_fact(&world.f, GR_ORG_TERMS_SET);
    event.org_terms = (struct gr_org_terms){
        .org = world.org[0], .weight = 1000, .user_running_max = 3, .priority_max = 255};
    (void)fixture_apply(&world.f, &event, NULL);
    for (unsigned i = 0; i < 10; i++) {
        (void)submit(&world, 0, 1, 1, 200, 0);
    }
    for (unsigned i = 0; i < 10; i++) {
        (void)submit(&world, 1, 1, 1, 100, 0);
    }
    run_all(&world, running);
    assert_int_equal(running[0], 3);
    assert_int_equal(running[1], 10);
    done(&world);
}

static void an_organisation_asks_for_no_more_priority_than_it_may(void **state)
{
    (void)state;
    struct world world;
    struct gr_event events[2];
    unsigned count;
    world_make(&world);
    weight_set(&world, 0, 1000);
    struct gr_event event = fixture_fact(&world.f, GR_ORG_TERMS_SET);
    event.org_terms = (struct gr_org_terms){.org = 0, .weight = 1000, .priority_max = 150};
    (void)fixture_apply(&world.f, &event, NULL); // of the owner, above both
    for (unsigned priority = 149; priority <= 151; priority++) {
        struct gr_submission submission = {.demand = fixture_demand(1, 1),
                                           .org = world.org[0],
                                           .user = world.user[0],
                                           .attempts = 1};
        gr_mask_fill(&submission.mask);
        submission.demand.priority = (uint8_t)priority;
        enum gr_refusal refusal =
            gr_decide_submit(world.f.core, NULL, world.f.at, &submission, events, &count);
        assert_string_equal(gr_refusal_name(refusal), priority <= 150 ? "nothing" : "priority");
    }
    done(&world);
}

static void a_head_that_finds_no_room_keeps_it_and_blocks_nobody(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    uint64_t runs = submit(&world, 0, 1, 8, 100, 10000);
    assert_int_equal(fixture_start(&world.f), runs);
    uint64_t head = submit(&world, 1, 2, 8, 200, 0); // both nodes
    uint64_t longer = submit(&world, 0, 1, 8, 100, 20000);
    uint64_t shorter = submit(&world, 0, 1, 4, 100, 9000);
    assert_int_equal(fixture_start(&world.f), shorter);
    assert_int_equal(world.f.core->room_kept.job, head);
    assert_int_equal(fixture_start(&world.f), 0); // the longer one would delay the head
    world.f.at += 9000;
    fixture_finish(&world.f, shorter);
    assert_int_equal(fixture_start(&world.f), 0);
    world.f.at += 1000;
    fixture_finish(&world.f, runs);
    assert_int_equal(fixture_start(&world.f), head);
    fixture_finish(&world.f, head);
    assert_int_equal(fixture_start(&world.f), longer);
    done(&world);
}

static void who_may_not_start_any_more_keeps_no_room_from_others(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    uint64_t runs = submit(&world, 0, 1, 8, 100, 10000);
    assert_int_equal(fixture_start(&world.f), runs);
    uint64_t head = submit(&world, 1, 2, 8, 200, 0); // both nodes
    uint64_t longer = submit(&world, 0, 1, 8, 100, 20000);
    uint64_t shorter = submit(&world, 0, 1, 4, 100, 9000);
    assert_int_equal(fixture_start(&world.f), shorter);
    assert_int_equal(world.f.core->room_kept.job, head);
    struct gr_event event = fixture_fact(&world.f, GR_ORG_TERMS_SET);
    event.org_terms = (struct gr_org_terms){.org = world.org[1],
                                            .weight = 1000,
                                            .held_milli_max = 8000, // fewer than it asks for
                                            .priority_max = 255};
    (void)fixture_apply(&world.f, &event, NULL);
    assert_int_equal(fixture_start(&world.f), 0); // longer has no room yet
    assert_int_equal(world.f.core->room_kept.job, longer);
    fixture_finish(&world.f, shorter);
    assert_int_equal(fixture_start(&world.f), longer);
    done(&world);
}

static void work_without_limits_does_not_starve_a_gang(void **state)
{
    (void)state;
    struct world world;
    uint64_t running[16], gang = 0;
    unsigned count = 0;
    world_make(&world);
    for (unsigned i = 0; i < 16; i++) {
        (void)submit(&world, 0, 1, 1, 100, 0);
        running[count++] = fixture_start(&world.f);
    }
    gang = submit(&world, 1, 2, 8, 100, 0);
    uint64_t started = 0;
    for (unsigned i = 0; i < 200 && started != gang; i++) { // one ends, another waits already
        world.f.at += 60000;
        (void)submit(&world, 0, 1, 1, 100, 0);
        fixture_finish(&world.f, running[0]);
        memmove(running, running + 1, --count * sizeof *running);
        while ((started = fixture_start(&world.f)) != 0 && started != gang) {
            running[count++] = started;
        }
        if (count == 0) {
            started = fixture_start(&world.f);
            break;
        }
    }
    assert_int_equal(gr_core_job_find(world.f.core, gang)->state, GR_JOB_RUNNING);
    done(&world);
}

static void a_need_sleeps_until_a_node_has_room_for_it(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    uint64_t big[2];
    for (unsigned i = 0; i < 2; i++) {
        big[i] = submit(&world, 0, 1, 8, 100, 5000);
        assert_int_equal(fixture_start(&world.f), big[i]);
    }
    uint64_t one = submit(&world, 1, 1, 3, 100, 5000);
    uint32_t need = gr_waits_at(world.f.core, gr_core_job_slot(world.f.core, one))->need;
    const uint64_t *awake = gr_bits_at(world.f.core, world.f.core->awake_at);
    assert_int_equal(fixture_start(&world.f), 0);
    assert_int_equal(awake[need / 64] >> need % 64 & 1, 0);
    fixture_finish(&world.f, big[1]);
    assert_int_equal(awake[need / 64] >> need % 64 & 1, 1);
    uint32_t nodes[GR_QUEUE_FREED];
    assert_int_equal(gr_queue_freed(world.f.core, need, nodes), 1);
    assert_int_equal(nodes[0], 1);
    assert_int_equal(fixture_start(&world.f), one);
    done(&world);
}

static void a_gang_is_looked_at_when_as_many_tasks_as_it_lacked_find_room(void **state)
{
    (void)state;
    struct world world;
    uint64_t runs[4];
    world_make(&world);
    for (unsigned i = 0; i < 4; i++) {
        runs[i] = submit(&world, 0, 1, 4, 100, 5000);
        assert_int_equal(fixture_start(&world.f), runs[i]);
    }
    uint64_t gang = submit(&world, 1, 3, 4, 100, 5000);
    uint32_t need = gr_waits_at(world.f.core, gr_core_job_slot(world.f.core, gang))->need;
    const uint64_t *awake = gr_bits_at(world.f.core, world.f.core->awake_at);
    fixture_finish(&world.f, runs[0]);
    assert_int_equal(fixture_start(&world.f), 0);
    assert_int_equal(gr_need_at(world.f.core, need)->missing, 2);
    fixture_finish(&world.f, runs[1]); // the same node: two tasks could be there now
    assert_int_equal(fixture_start(&world.f), 0);
    assert_int_equal(gr_need_at(world.f.core, need)->missing, 1);
    fixture_finish(&world.f, runs[3]);
    assert_int_equal(awake[need / 64] >> need % 64 & 1, 1);
    assert_int_equal(fixture_start(&world.f), gang);
    done(&world);
}

static void a_copy_and_a_loaded_core_decide_the_same(void **state)
{
    (void)state;
    struct world world;
    struct gr_core *copy;
    struct gr_err err;
    world_make(&world);
    quota_set(&world, 0, 4000, GR_ANY_MILLI, 2000);
    weight_set(&world, 1, 2500);
    uint64_t first[8];
    for (unsigned i = 0; i < 24; i++) {
        (void)submit(&world, i % 2, 1 + i % 3 / 2, 1 + i % 4, 100 + i % 2, i * 1000);
    }
    for (unsigned i = 0; i < 4; i++) {
        first[i] = fixture_start(&world.f);
        world.f.at += 700;
    }
    fixture_finish(&world.f, first[1]);
    assert_int_equal(gr_core_clone(world.f.core, &copy, &err), 0);
    assert_null(gr_core_audit(copy));
    for (;;) {
        struct gr_event a, b;
        static struct gr_piece pieces[GR_TASKS_MAX];
        bool more = gr_decide_start(world.f.core, NULL, world.f.at, world.f.pieces, &a);
        assert_int_equal(gr_decide_start(copy, NULL, world.f.at, pieces, &b), more);
        if (!more) {
            break;
        }
        assert_int_equal(a.type, b.type);
        assert_int_equal(a.placed.job, b.placed.job);
        (void)gr_core_apply(world.f.core, &a, NULL);
        (void)gr_core_apply(copy, &b, NULL);
    }
    uint8_t digest[2][32];
    gr_core_digest(world.f.core, digest[0]);
    gr_core_digest(copy, digest[1]);
    assert_memory_equal(digest[0], digest[1], 32);
    assert_null(gr_core_audit(copy));
    gr_core_free(copy);
    done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(customers_who_ask_for_the_same_get_the_same),
        cmocka_unit_test(weights_divide_what_there_is),
        cmocka_unit_test(past_use_counts_and_is_forgotten),
        cmocka_unit_test(priority_goes_before_shares_and_own_quota_before_priority),
        cmocka_unit_test(what_is_not_lent_stays_free),
        cmocka_unit_test(a_limit_of_running_jobs_lets_others_pass),
        cmocka_unit_test(an_organisation_asks_for_no_more_priority_than_it_may),
        cmocka_unit_test(a_head_that_finds_no_room_keeps_it_and_blocks_nobody),
        cmocka_unit_test(who_may_not_start_any_more_keeps_no_room_from_others),
        cmocka_unit_test(work_without_limits_does_not_starve_a_gang),
        cmocka_unit_test(a_need_sleeps_until_a_node_has_room_for_it),
        cmocka_unit_test(a_gang_is_looked_at_when_as_many_tasks_as_it_lacked_find_room),
        cmocka_unit_test(a_copy_and_a_loaded_core_decide_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
