// Tests of why a job is where it is: each reason, who is before, and that what is suggested starts.
#include "core/why.h"

#include "core/fixture.h"
#include "core/queue.h"
#include "core/show.h"

#define HOUR INT64_C(3600000)

// A pool with two customers of the owner, each with one user.
struct world {
    struct fixture f;
    uint32_t org[2], user[2];
    struct gr_why why; // of the last question
};

static void world_make(struct world *world, enum gr_order order)
{
    struct gr_core_config config = fixture_config(order);
    memset(world, 0, sizeof *world);
    config.limits.orgs = 4;
    config.limits.users = 4;
    config.limits.jobs = 64;
    config.limits.pieces = 256;
    config.limits.quotas = 8;
    config.limits.place.masks = 16;
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
    struct gr_event event = fixture_fact(&world->f, GR_VARIANT_ADDED);
    strcpy(event.variant, "t4");
    (void)fixture_apply(&world->f, &event, NULL);
    event = fixture_fact(&world->f, GR_QUEUE_TERMS_SET); // nothing is taken back
    event.queue_terms = (struct gr_queue_terms){.half_life_ms = GR_HALF_LIFE_DEFAULT_MS,
                                                .lost_per_hour = GR_ANY_MILLI};
    (void)fixture_apply(&world->f, &event, NULL);
}

// A job of a customer for the kinds whose bits are set (0: any); 0 if it would never fit.
static uint64_t submit_as(struct world *world, unsigned who, struct gr_demand demand,
                          uint64_t kinds, int64_t limit_ms, const struct gr_edge *edge)
{
    struct gr_submission submission = {.demand = demand,
                                       .limit_ms = limit_ms,
                                       .org = world->org[who],
                                       .user = world->user[who],
                                       .edges = edge,
                                       .edge_count = edge != NULL,
                                       .attempts = 1};
    uint64_t variants[GR_POOL_VARIANTS_MAX / 64] = {kinds};
    struct gr_event events[2];
    unsigned count;
    gr_mask_fill(&submission.mask);
    if (kinds != 0) {
        gr_mask_keep_variants(&submission.mask, variants);
    }
    enum gr_refusal refusal =
        gr_decide_submit(world->f.core, NULL, world->f.at, &submission, events, &count);
    if (refusal == GR_REFUSED_NEVER) {
        return 0;
    }
    assert_string_equal(gr_refusal_name(refusal), "nothing");
    for (unsigned i = 0; i < count; i++) {
        (void)fixture_apply(&world->f, &events[i], NULL);
    }
    return events[count - 1].sequence;
}

static uint64_t submit(struct world *world, unsigned who, uint32_t tasks, unsigned devices,
                       int64_t limit_ms)
{
    return submit_as(world, who, fixture_demand(tasks, devices), 0, limit_ms, NULL);
}

static void settle(struct world *world)
{
    struct gr_event event;
    unsigned facts = 0;
    while (gr_decide_start(world->f.core, NULL, world->f.at, world->f.pieces, &event)) {
        (void)fixture_apply(&world->f, &event, NULL);
        assert_true(++facts < 1000); // what is decided at one moment comes to an end
    }
}

// Asks; the state must be the same afterwards.
static const char *why_of(struct world *world, uint64_t job)
{
    uint8_t before[32], after[32];
    gr_core_digest(world->f.core, before);
    gr_core_why(world->f.core, world->f.at, job, world->f.pieces, &world->why);
    gr_core_digest(world->f.core, after);
    assert_memory_equal(before, after, sizeof before);
    return gr_why_name((enum gr_why_reason)world->why.reason);
}

static const struct gr_why_change *change_of(const struct world *world, uint32_t change)
{
    for (uint32_t i = 0; i < world->why.change_count; i++) {
        if (world->why.changes[i].change == change) {
            return &world->why.changes[i];
        }
    }
    return NULL;
}

static void a_job_that_was_placed_starts_runs_and_stops(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    uint64_t job = submit(&world, 0, 1, 8, 0);
    assert_string_equal(why_of(&world, job), "turn");
    assert_true(world.why.room.fits);
    settle(&world);
    assert_string_equal(why_of(&world, job), "starting");
    struct gr_event event = fixture_fact(&world.f, GR_JOB_STARTED);
    event.started.job = job;
    event.started.attempt = 1;
    (void)fixture_apply(&world.f, &event, NULL);
    assert_string_equal(why_of(&world, job), "running");
    assert_int_equal(world.why.position, 0);
    event = gr_decide_stop(world.f.core, world.f.at, job, GR_STOP_BY_USER, 15, 0);
    (void)fixture_apply(&world.f, &event, NULL);
    assert_string_equal(why_of(&world, job), "stopping");
    fixture_done(&world.f);
}

static void a_held_job_waits_for_another(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    struct gr_edge edge = {.job = submit(&world, 0, 1, 1, 0), .how = GR_AFTER_OK};
    uint64_t job = submit_as(&world, 0, fixture_demand(1, 1), 0, 0, &edge);
    settle(&world);
    assert_string_equal(why_of(&world, job), "after");
    assert_int_equal(world.why.edges, 1);
    assert_int_equal(world.why.estimate, GR_ESTIMATE_NONE);
    fixture_done(&world.f);
}

static void without_room_it_says_what_is_free_and_what_would_do(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    (void)submit(&world, 0, 1, 6, HOUR);
    settle(&world);
    uint64_t job = submit(&world, 1, 1, 8, 0);
    settle(&world);
    assert_string_equal(why_of(&world, job), "no-room");
    assert_int_equal(world.why.room.lost[GR_FILTER_DEVICES], 1);
    assert_int_equal(world.why.position, 1);
    assert_int_equal(change_of(&world, GR_CHANGE_DEVICES)->to, 2);
    assert_int_equal(world.why.estimate, GR_ESTIMATE_GOOD);
    assert_int_equal(world.why.latest_ms, world.f.at + HOUR);
    assert_true(world.why.earliest_ms <= world.why.likely_ms);
    fixture_done(&world.f);
}

static void work_without_a_limit_makes_the_estimate_a_guess(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    (void)submit(&world, 0, 1, 8, 0);
    settle(&world);
    uint64_t job = submit(&world, 1, 1, 8, 0);
    settle(&world);
    assert_string_equal(why_of(&world, job), "no-room");
    assert_int_equal(world.why.estimate, GR_ESTIMATE_GUESSED);
    assert_int_equal(world.why.latest_ms, world.f.at + 24 * HOUR);
    fixture_done(&world.f);
}

static void free_devices_that_do_not_lie_together_are_named(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    for (unsigned i = 0; i < 2; i++) {
        fixture_node(&world.f, 8);
    }
    (void)submit(&world, 0, 2, 5, HOUR); // one on each
    settle(&world);
    uint64_t job = submit(&world, 1, 1, 6, 0);
    settle(&world);
    assert_string_equal(why_of(&world, job), "fragmented");
    assert_int_equal(world.why.room.free_milli, 6000);
    assert_int_equal(change_of(&world, GR_CHANGE_DEVICES)->to, 3);
    fixture_done(&world.f);
}

static void a_quota_is_named_with_its_figures_and_what_it_leaves(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    struct gr_event event = fixture_fact(&world.f, GR_QUOTA_SET);
    event.quota = (struct gr_quota){world.org[0], 0, 4000, 1000, GR_ANY_MILLI};
    (void)fixture_apply(&world.f, &event, NULL);
    (void)submit_as(&world, 0, fixture_demand(1, 2), 1, HOUR, NULL);
    settle(&world);
    uint64_t job = submit_as(&world, 0, fixture_demand(1, 4), 1, HOUR, NULL);
    settle(&world);
    assert_string_equal(why_of(&world, job), "quota");
    assert_int_equal(world.why.limit.bound, GR_BOUND_QUOTA);
    assert_int_equal(world.why.limit.org, world.org[0]);
    assert_int_equal(world.why.limit.limit, 5000);
    assert_int_equal(world.why.limit.now, 2000);
    assert_int_equal(world.why.limit.asked, 4000);
    assert_int_equal(change_of(&world, GR_CHANGE_DEVICES)->to, 3);
    fixture_done(&world.f);
}

static void what_others_keep_is_named(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    struct gr_event event = fixture_fact(&world.f, GR_QUOTA_SET);
    event.quota = (struct gr_quota){world.org[1], 0, 6000, GR_ANY_MILLI, 0};
    (void)fixture_apply(&world.f, &event, NULL);
    uint64_t job = submit_as(&world, 0, fixture_demand(1, 4), 1, HOUR, NULL);
    settle(&world);
    assert_string_equal(why_of(&world, job), "quota");
    assert_int_equal(world.why.limit.bound, GR_BOUND_KEPT);
    assert_int_equal(world.why.limit.limit, 2000);
    fixture_done(&world.f);
}

static void limits_of_running_jobs_and_devices_are_named(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    struct gr_event event = fixture_fact(&world.f, GR_ORG_TERMS_SET);
    event.org_terms = (struct gr_org_terms){
        .org = world.org[0], .weight = 1000, .user_running_max = 1, .priority_max = 255};
    (void)fixture_apply(&world.f, &event, NULL);
    (void)submit(&world, 0, 1, 1, HOUR);
    settle(&world);
    uint64_t job = submit(&world, 0, 1, 4, HOUR);
    settle(&world);
    assert_string_equal(why_of(&world, job), "terms");
    assert_int_equal(world.why.limit.bound, GR_BOUND_USER_RUNNING);
    assert_int_equal(world.why.limit.now, 1);
    assert_int_equal(world.why.change_count, 0);
    event = fixture_fact(&world.f, GR_ORG_TERMS_SET);
    event.org_terms = (struct gr_org_terms){
        .org = 0, .weight = 1000, .held_milli_max = 3000, .priority_max = 255};
    (void)fixture_apply(&world.f, &event, NULL);
    event.sequence++;
    event.org_terms =
        (struct gr_org_terms){.org = world.org[0], .weight = 1000, .priority_max = 255};
    (void)fixture_apply(&world.f, &event, NULL);
    assert_string_equal(why_of(&world, job), "terms");
    assert_int_equal(world.why.limit.bound, GR_BOUND_HELD);
    assert_int_equal(world.why.limit.org, 0);
    assert_int_equal(change_of(&world, GR_CHANGE_DEVICES)->to, 2);
    fixture_done(&world.f);
}

static void room_kept_for_another_is_named_and_a_shorter_limit_does(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    (void)submit(&world, 0, 1, 4, 2 * HOUR);
    settle(&world);
    uint64_t first = submit(&world, 1, 1, 8, HOUR);
    uint64_t job = submit(&world, 0, 1, 2, 4 * HOUR); // comes second: its customer holds more
    settle(&world);
    assert_string_equal(why_of(&world, job), "reserved");
    assert_int_equal(world.why.kept_job, first);
    assert_int_equal(world.why.kept_nodes, 1);
    assert_int_equal(world.why.position, 2);
    assert_int_equal(world.why.ahead_count, 1);
    assert_int_equal(world.why.ahead[0].job, first);
    assert_int_equal(world.why.ahead[0].before, GR_BEFORE_SHARE);
    assert_true(world.why.ahead[0].share < world.why.ahead[0].own_share);
    assert_int_equal(world.why.ahead[0].org, world.org[1]);
    assert_int_equal(world.why.ahead[0].own_org, world.org[0]);
    assert_int_equal(world.why.ahead_milli, 8000);
    const struct gr_why_change *limit = change_of(&world, GR_WHY_LIMIT);
    assert_non_null(limit);
    assert_int_equal(limit->to, 2 * HOUR);
    assert_string_equal(gr_why_change_name(limit->change), "shorter-limit");
    uint64_t shorter = submit(&world, 0, 1, 2, limit->to);
    assert_int_equal(fixture_start(&world.f), shorter);
    fixture_done(&world.f);
}

static void in_a_plain_line_the_first_lets_nobody_pass(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FIFO);
    fixture_node(&world.f, 8);
    (void)submit(&world, 0, 1, 4, HOUR);
    settle(&world);
    uint64_t first = submit(&world, 0, 1, 8, HOUR);
    uint64_t job = submit(&world, 0, 1, 1, HOUR);
    settle(&world);
    assert_string_equal(why_of(&world, job), "behind");
    assert_int_equal(world.why.position, 2);
    assert_int_equal(world.why.ahead[0].job, first);
    assert_int_equal(world.why.ahead[0].before, GR_BEFORE_ARRIVAL);
    fixture_done(&world.f);
}

static void priority_and_own_quota_say_who_is_before(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    struct gr_event event = fixture_fact(&world.f, GR_QUOTA_SET);
    event.quota = (struct gr_quota){world.org[1], 0, 8000, GR_ANY_MILLI, GR_ANY_MILLI};
    (void)fixture_apply(&world.f, &event, NULL);
    (void)submit_as(&world, 0, fixture_demand(1, 8), 1, HOUR, NULL);
    settle(&world);
    struct gr_demand demand = fixture_demand(1, 8);
    uint64_t job = submit_as(&world, 0, demand, 1, HOUR, NULL);
    uint64_t own = submit_as(&world, 1, demand, 1, HOUR, NULL);
    demand.priority = 200;
    uint64_t high = submit_as(&world, 0, demand, 1, HOUR, NULL);
    settle(&world);
    assert_string_equal(why_of(&world, job), "no-room");
    assert_int_equal(world.why.position, 3);
    assert_int_equal(world.why.ahead[0].job, own);
    assert_int_equal(world.why.ahead[0].before, GR_BEFORE_OWN);
    assert_int_equal(world.why.ahead[1].job, high);
    assert_int_equal(world.why.ahead[1].before, GR_BEFORE_PRIORITY);
    fixture_done(&world.f);
}

// --- whom it would stop

static void terms_take_back(struct world *world, uint32_t reclaim, uint64_t cap)
{
    struct gr_event event = fixture_fact(&world->f, GR_QUEUE_TERMS_SET);
    event.queue_terms = (struct gr_queue_terms){.half_life_ms = GR_HALF_LIFE_DEFAULT_MS,
                                                .notice_ms = 30000,
                                                .lost_per_hour = cap,
                                                .reclaim = reclaim};
    (void)fixture_apply(&world->f, &event, NULL);
}

static void quota_set(struct world *world, unsigned who, uint64_t nominal)
{
    struct gr_event event = fixture_fact(&world->f, GR_QUOTA_SET);
    event.quota = (struct gr_quota){world->org[who], 0, nominal * 1000, GR_ANY_MILLI, GR_ANY_MILLI};
    (void)fixture_apply(&world->f, &event, NULL);
}

static bool is_asked(const struct world *world, uint64_t job)
{
    const struct gr_job *row = gr_core_job_find(world->f.core, job);
    return row != NULL && row->stop_why == GR_STOP_RECLAIM;
}

// The jobs that were asked to stop for their room.
static uint32_t asked_count(const struct world *world)
{
    uint32_t cursor = 0, count = 0;
    const struct gr_job *job;
    while ((job = gr_core_job_next(world->f.core, &cursor)) != NULL) {
        count += job->stop_why == GR_STOP_RECLAIM;
    }
    return count;
}

// Those that were named, and no others, were asked.
static void assert_asked(const struct world *world, const struct gr_why_evict *evict)
{
    assert_int_equal(asked_count(world), evict->jobs);
    for (uint32_t i = 0; i < evict->jobs && i < GR_WHY_EVICTED; i++) {
        assert_true(is_asked(world, evict->first[i]));
    }
}

static void a_right_that_the_cap_holds_back_says_what_it_would_cost(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    terms_take_back(&world, GR_RECLAIM_BORROWED, 1);
    quota_set(&world, 1, 8);
    uint64_t borrows = submit_as(&world, 0, fixture_demand(1, 6), 1, 2 * HOUR, NULL);
    settle(&world);
    world.f.at += HOUR;
    uint64_t job = submit_as(&world, 1, fixture_demand(1, 4), 1, HOUR, NULL);
    settle(&world);
    assert_string_equal(why_of(&world, job), "no-room");
    struct gr_why_evict evict = world.why.evict;
    assert_int_equal(evict.by, GR_EVICT_RIGHT);
    assert_string_equal(gr_evict_name(GR_EVICT_RIGHT), "right");
    assert_int_equal(evict.jobs, 1);
    assert_int_equal(evict.first[0], borrows);
    assert_int_equal(evict.milli, 6000);
    assert_int_equal(evict.lost, 6000 * HOUR);
    assert_int_equal(evict.notice_ms, 30000);
    assert_true(evict.is_over_cap);
    terms_take_back(&world, GR_RECLAIM_BORROWED, GR_ANY_MILLI);
    world.f.at += 2000; // it is tried again once a second
    settle(&world);
    assert_asked(&world, &evict);
    fixture_done(&world.f);
}

static void without_a_right_it_says_which_quota_would_do_and_whom_it_hits(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    terms_take_back(&world, GR_RECLAIM_BORROWED, GR_ANY_MILLI);
    quota_set(&world, 0, 2);
    uint64_t own = submit_as(&world, 0, fixture_demand(1, 2), 1, 2 * HOUR, NULL);
    settle(&world);
    world.f.at += 60000;
    uint64_t borrows = submit_as(&world, 0, fixture_demand(1, 4), 1, 2 * HOUR, NULL);
    uint64_t mine = submit_as(&world, 1, fixture_demand(1, 2), 1, 2 * HOUR, NULL);
    settle(&world);
    world.f.at += 60000;
    uint64_t job = submit_as(&world, 1, fixture_demand(1, 3), 1, HOUR, NULL);
    settle(&world);
    assert_string_equal(why_of(&world, job), "no-room");
    struct gr_why_evict evict = world.why.evict;
    assert_int_equal(evict.by, GR_EVICT_QUOTA);
    assert_int_equal(evict.needs, 5000); // what it holds, and what the job asks for
    assert_int_equal(evict.jobs, 1);
    assert_int_equal(evict.first[0], borrows);
    assert_false(evict.is_over_cap);
    quota_set(&world, 1, 5);
    world.f.at += 2000; // it is tried again once a second
    settle(&world);
    assert_asked(&world, &evict);
    assert_false(is_asked(&world, own) || is_asked(&world, mine));
    assert_string_equal(why_of(&world, job), "freeing");
    assert_int_equal(world.why.evict.by, GR_EVICT_NONE);
    fixture_done(&world.f);
}

static void the_lowest_priority_that_would_do_is_named(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    terms_take_back(&world, GR_RECLAIM_PRIORITY, GR_ANY_MILLI);
    quota_set(&world, 0, 8);
    struct gr_demand demand = fixture_demand(1, 4);
    demand.priority = 110;
    uint64_t low = submit_as(&world, 0, demand, 1, 2 * HOUR, NULL);
    demand.priority = 150;
    uint64_t high = submit_as(&world, 0, demand, 1, 2 * HOUR, NULL);
    settle(&world);
    world.f.at += 60000;
    demand.priority = 100;
    uint64_t job = submit_as(&world, 0, demand, 1, HOUR, NULL);
    settle(&world);
    assert_string_equal(why_of(&world, job), "no-room");
    struct gr_why_evict evict = world.why.evict;
    assert_int_equal(evict.by, GR_EVICT_PRIORITY);
    assert_int_equal(evict.needs, 111);
    assert_int_equal(evict.first[0], low);
    demand.priority = 111;
    (void)submit_as(&world, 0, demand, 1, HOUR, NULL);
    settle(&world);
    assert_asked(&world, &evict);
    assert_false(is_asked(&world, high));
    fixture_done(&world.f);
}

static void where_nothing_is_taken_back_nobody_would_be_stopped(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    fixture_node(&world.f, 8);
    terms_take_back(&world, 0, GR_ANY_MILLI);
    quota_set(&world, 1, 8);
    (void)submit_as(&world, 0, fixture_demand(1, 6), 1, 2 * HOUR, NULL);
    settle(&world);
    uint64_t job = submit_as(&world, 1, fixture_demand(1, 4), 1, HOUR, NULL);
    settle(&world);
    (void)why_of(&world, job);
    assert_int_equal(world.why.evict.by, GR_EVICT_NONE);
    fixture_done(&world.f);
}

// --- at random

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static struct gr_demand demand_draw(uint64_t *seed)
{
    static const uint32_t cpus[] = {1000, 4000, 16000, 40000};
    struct gr_demand demand = fixture_demand(1, 1 + (unsigned)(next_random(seed) % 8));
    demand.shape.cpu_milli = cpus[next_random(seed) % 4];
    demand.shape.memory_mib = (uint32_t)(next_random(seed) % 3) * 100000;
    demand.tasks = next_random(seed) % 3 == 0 ? 1 + (uint32_t)(next_random(seed) % 4) : 1;
    if (demand.shape.devices == 1 && demand.tasks == 1 && next_random(seed) % 2 == 0) {
        demand.shape.milli = (uint16_t)(100 + next_random(seed) % 900);
    }
    demand.priority = next_random(seed) % 4 == 0 ? 120 : 100;
    return demand;
}

static void random_make(struct world *world, uint64_t *seed)
{
    world_make(world, GR_ORDER_FAIR);
    for (unsigned i = 0; i < 4; i++) {
        struct gr_event event = fixture_node_fact(&world->f, 8);
        event.node.row.variant = (uint8_t)(i % 2);
        (void)fixture_apply(&world->f, &event, NULL);
    }
    for (unsigned i = 0; i < next_random(seed) % 3; i++) {
        struct gr_event event = fixture_fact(&world->f, GR_QUOTA_SET);
        event.quota = (struct gr_quota){
            world->org[next_random(seed) % 2], (uint32_t)(next_random(seed) % 2),
            1000 * (next_random(seed) % 12), 1000 * (next_random(seed) % 12), GR_ANY_MILLI};
        (void)fixture_apply(&world->f, &event, NULL);
    }
}

// What a change makes of a demand, its kinds and its limit.
static void change_apply(const struct gr_why_change *change, struct gr_demand *demand,
                         uint64_t *kinds, int64_t *limit_ms)
{
    switch (change->change) {
    case GR_CHANGE_CPU:
        demand->shape.cpu_milli = (uint32_t)change->to;
        break;
    case GR_CHANGE_MEMORY:
        demand->shape.memory_mib = (uint32_t)change->to;
        break;
    case GR_CHANGE_MILLI:
        demand->shape.milli = (uint16_t)change->to;
        break;
    case GR_CHANGE_DEVICES:
        demand->shape.devices = (uint8_t)change->to;
        break;
    case GR_CHANGE_TASKS:
        demand->tasks = (uint32_t)change->to;
        break;
    case GR_CHANGE_KIND:
        *kinds = UINT64_C(1) << change->variant;
        break;
    default:
        assert_int_equal(change->change, GR_WHY_LIMIT);
        *limit_ms = change->to;
        break;
    }
}

// Each change, in a copy of the pool: the job is dropped, the changed one submitted, and starts
// with the next decisions, before anything else happens.
static unsigned changes_try(struct world *world, unsigned who, const struct gr_job *job,
                            uint64_t kinds, unsigned *ret_taken)
{
    unsigned tried = 0;
    for (uint32_t i = 0; i < world->why.change_count; i++) {
        struct world copy = *world;
        struct gr_err err;
        struct gr_demand demand = job->demand;
        int64_t limit_ms = job->limit_ms;
        uint64_t wanted = kinds;
        if (world->why.changes[i].change == GR_CHANGE_STATE) {
            continue;
        }
        assert_int_equal(gr_core_clone(world->f.core, &copy.f.core, &err), 0);
        change_apply(&world->why.changes[i], &demand, &wanted, &limit_ms);
        demand.shape.mask = 0;
        uint64_t changed = submit_as(&copy, who, demand, wanted, limit_ms, NULL);
        settle(&copy);
        if (gr_core_job_find(copy.f.core, job->id)->state != GR_JOB_WAITING) {
            gr_core_free(copy.f.core); // a reservation that was overdue moved: it runs itself
            continue;
        }
        struct gr_event event = gr_decide_drop(copy.f.core, copy.f.at, job->id, GR_REFUSED_BY_USER);
        (void)fixture_apply(&copy.f, &event, NULL);
        settle(&copy);
        bool runs = gr_core_job_find(copy.f.core, changed)->state == GR_JOB_RUNNING;
        bool others = gr_core_running(copy.f.core) > gr_core_running(world->f.core);
        if (!runs && !others) {
            print_message("%s to %lld of job %llu (%s)\n",
                          gr_why_change_name(world->why.changes[i].change),
                          (long long)world->why.changes[i].to, (unsigned long long)job->id,
                          gr_why_name((enum gr_why_reason)world->why.reason));
        }
        assert_true(runs || others);
        *ret_taken += !runs;
        gr_core_free(copy.f.core);
        tried++;
    }
    return tried;
}

// In a copy: what it would take is given, and those are asked to stop for the job that were named,
// or (*ret_others) others are: who is to go is chosen anew with each stop. Returns whether room was
// taken back for it at all: another may come before it.
static bool evict_try(struct world *world, unsigned who, const struct gr_job *job, uint64_t kinds,
                      unsigned *ret_others)
{
    struct world copy = *world;
    struct gr_err err;
    struct gr_core_hold hold;
    const struct gr_why_evict evict = world->why.evict;
    uint64_t id = job->id, used;
    uint32_t cursor = 0, before = asked_count(world);
    assert_int_equal(gr_core_clone(world->f.core, &copy.f.core, &err), 0);
    struct gr_quota quota = {job->org, evict.variant, 0, GR_ANY_MILLI, GR_ANY_MILLI};
    (void)gr_quota_find(copy.f.core, job->org, evict.variant, &quota, &used);
    if (evict.by == GR_EVICT_QUOTA) {
        struct gr_event event = fixture_fact(&copy.f, GR_QUOTA_SET);
        quota.nominal_milli = evict.needs;
        event.quota = quota;
        (void)fixture_apply(&copy.f, &event, NULL);
    } else if (evict.by == GR_EVICT_PRIORITY) {
        struct gr_demand demand = job->demand;
        demand.priority = (uint8_t)evict.needs;
        demand.shape.mask = 0;
        id = submit_as(&copy, who, demand, kinds, job->limit_ms, NULL);
    }
    terms_take_back(&copy, copy.f.core->queue_terms.reclaim, GR_ANY_MILLI);
    settle(&copy);
    bool is_mine = false;
    while (gr_core_hold_next(copy.f.core, &cursor, &hold)) {
        is_mine = is_mine || hold.job == id;
    }
    if (is_mine && copy.f.core->hold_count == 1) {
        uint32_t asked = asked_count(&copy) - before;
        for (uint32_t i = 0; i < evict.jobs && i < GR_WHY_EVICTED; i++) {
            asked -= is_asked(&copy, evict.first[i]);
        }
        *ret_others += asked != 0;
    }
    gr_core_free(copy.f.core);
    return is_mine;
}

static void those_who_would_be_stopped_are_stopped(void **state)
{
    (void)state;
    unsigned tried[4] = {0}, mine[4] = {0}, others = 0;
    for (uint64_t round = 1; round <= 200; round++) {
        struct world world;
        uint64_t seed = round + 1000, jobs[24], kinds[24];
        unsigned who[24];
        random_make(&world, &seed);
        terms_take_back(&world, GR_RECLAIM_BORROWED | GR_RECLAIM_PRIORITY, 1);
        for (unsigned i = 0; i < 24; i++) {
            world.f.at += 1000 * (int64_t)(next_random(&seed) % 600);
            kinds[i] = next_random(&seed) % 3;
            who[i] = (unsigned)(next_random(&seed) % 2);
            jobs[i] = submit_as(&world, who[i], demand_draw(&seed), kinds[i],
                                (int64_t)(next_random(&seed) % 4) * HOUR, NULL);
            settle(&world);
        }
        world.f.at += 2000;
        for (unsigned i = 0; i < 24; i++) {
            const struct gr_job *job = gr_core_job_find(world.f.core, jobs[i]);
            if (job == NULL || job->state != GR_JOB_WAITING || world.f.core->hold_count > 0) {
                continue;
            }
            (void)why_of(&world, jobs[i]);
            uint32_t by = world.why.evict.by;
            if (by != GR_EVICT_NONE) {
                tried[by]++;
                mine[by] += evict_try(&world, who[i], job, kinds[i], &others);
            }
        }
        fixture_done(&world.f);
    }
    for (unsigned by = 1; by < 4; by++) {
        print_message("%s: %u tried, %u had their turn\n", gr_evict_name((enum gr_evict_by)by),
                      tried[by], mine[by]);
        assert_true(mine[by] > 10);
    }
    assert_true(others * 50 < mine[1] + mine[2] + mine[3]);
}

// Position is that of the order shown elsewhere.
static void position_compare(struct world *world, uint64_t job)
{
    struct gr_core_turn turns[64], mine = {0};
    uint32_t count = gr_core_turns(world->f.core, world->f.at, turns, 64), before = 0;
    for (uint32_t i = 0; i < count; i++) {
        mine = turns[i].job == job ? turns[i] : mine;
    }
    for (uint32_t i = 0; i < count; i++) {
        before += turns[i].turn < mine.turn || (turns[i].turn == mine.turn && turns[i].job < job);
    }
    assert_int_equal(world->why.position, before + 1);
}

static void every_suggested_change_starts_the_job_and_no_room_means_no_room(void **state)
{
    (void)state;
    unsigned tried = 0, taken = 0, reasons[GR_WHY_REASONS] = {0};
    for (uint64_t round = 1; round <= 150; round++) {
        struct world world;
        uint64_t seed = round, jobs[24], kinds[24];
        unsigned who[24];
        random_make(&world, &seed);
        for (unsigned i = 0; i < 24; i++) {
            world.f.at += 1000 * (int64_t)(next_random(&seed) % 600);
            kinds[i] = next_random(&seed) % 3;
            who[i] = (unsigned)(next_random(&seed) % 2);
            jobs[i] = submit_as(&world, who[i], demand_draw(&seed), kinds[i],
                                (int64_t)(next_random(&seed) % 4) * HOUR, NULL);
            settle(&world);
        }
        for (unsigned i = 0; i < 24; i++) {
            const struct gr_job *job = gr_core_job_find(world.f.core, jobs[i]);
            if (job == NULL || job->state != GR_JOB_WAITING) {
                continue;
            }
            (void)why_of(&world, jobs[i]);
            reasons[world.why.reason]++;
            position_compare(&world, jobs[i]);
            bool room =
                gr_place_room_tasks(gr_core_place(world.f.core), &job->demand) == job->demand.tasks;
            if (world.why.reason == GR_WHY_NO_ROOM || world.why.reason == GR_WHY_FRAGMENTED) {
                assert_true(!room || world.why.kept_nodes > 0 || world.f.core->quota_count > 0);
            }
            tried += changes_try(&world, who[i], job, kinds[i], &taken);
        }
        fixture_done(&world.f);
    }
    print_message("%u changes tried, %u taken; no-room %u, fragmented %u, quota %u, reserved %u\n",
                  tried, taken, reasons[GR_WHY_NO_ROOM], reasons[GR_WHY_FRAGMENTED],
                  reasons[GR_WHY_QUOTA], reasons[GR_WHY_RESERVED]);
    assert_true(taken * 20 < tried);
    assert_true(tried > 300 && reasons[GR_WHY_NO_ROOM] > 50 && reasons[GR_WHY_FRAGMENTED] > 50);
    assert_true(reasons[GR_WHY_QUOTA] > 20 && reasons[GR_WHY_RESERVED] > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_that_was_placed_starts_runs_and_stops),
        cmocka_unit_test(a_held_job_waits_for_another),
        cmocka_unit_test(without_room_it_says_what_is_free_and_what_would_do),
        cmocka_unit_test(work_without_a_limit_makes_the_estimate_a_guess),
        cmocka_unit_test(free_devices_that_do_not_lie_together_are_named),
        cmocka_unit_test(a_quota_is_named_with_its_figures_and_what_it_leaves),
        cmocka_unit_test(what_others_keep_is_named),
        cmocka_unit_test(limits_of_running_jobs_and_devices_are_named),
        cmocka_unit_test(room_kept_for_another_is_named_and_a_shorter_limit_does),
        cmocka_unit_test(in_a_plain_line_the_first_lets_nobody_pass),
        cmocka_unit_test(priority_and_own_quota_say_who_is_before),
        cmocka_unit_test(a_right_that_the_cap_holds_back_says_what_it_would_cost),
        cmocka_unit_test(without_a_right_it_says_which_quota_would_do_and_whom_it_hits),
        cmocka_unit_test(the_lowest_priority_that_would_do_is_named),
        cmocka_unit_test(where_nothing_is_taken_back_nobody_would_be_stopped),
        cmocka_unit_test(those_who_would_be_stopped_are_stopped),
        cmocka_unit_test(every_suggested_change_starts_the_job_and_no_room_means_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
