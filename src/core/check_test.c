// Tests of gr_core_check: every refusal it knows, one row each, and that good facts pass.
#include "core/fixture.h"

#include <stdio.h>

// A pool with two organisations' room, two nodes, a job that waits (two tasks of two devices), and
// one that runs.
struct pool {
    struct fixture f;
    uint64_t waiting, running;
    struct gr_piece pieces[3];
    struct gr_mix_item item;
    struct gr_mask mask;
    struct gr_range ranges[2];
};

static void pool_make(struct pool *pool)
{
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    memset(pool, 0, sizeof *pool);
    fixture_init(&pool->f, &config);
    struct gr_event event = fixture_node_fact(&pool->f, 8);
    event.node.row.domain[0] = 1;
    event.node.row.domain[1] = 2;
    event.node.row.domain[2] = GR_DOMAIN_INNER | 4;
    (void)fixture_apply(&pool->f, &event, NULL);
    fixture_node(&pool->f, 4);
    pool->running = fixture_submit(&pool->f, fixture_demand(1, 1), 0);
    assert_int_equal(fixture_start(&pool->f), pool->running); // device 0 of node 0
    pool->waiting = fixture_submit(&pool->f, fixture_demand(2, 2), 0);
    gr_mask_fill(&pool->mask);
    gr_mask_remove_site(&pool->mask, 1);
    pool->item = (struct gr_mix_item){.shape = fixture_demand(1, 1).shape, .count = 5};
    pool->ranges[0] = (struct gr_range){0, 1};
    pool->ranges[1] = (struct gr_range){2, 1};
    for (unsigned p = 0; p < 2; p++) {
        pool->pieces[p] = (struct gr_piece){
            .node = p, .devices = 6, .milli = 1000, .cpu_milli = 1000, .memory_mib = 0};
    }
}

// A gang of three tasks of a device runs, on node 0, and may lose a part.
static uint64_t gang_run(struct pool *pool)
{
    uint64_t gang = fixture_submit(&pool->f, fixture_demand(3, 1), 0);
    struct gr_event event;
    assert_int_equal(
        gr_decide_start_job(pool->f.core, NULL, pool->f.at, gang, pool->f.pieces, &event),
        GR_REFUSED_NOTHING);
    (void)fixture_apply(&pool->f, &event, NULL);
    event = fixture_fact(&pool->f, GR_JOB_STARTED);
    event.started.job = gang;
    event.started.attempt = 1;
    (void)fixture_apply(&pool->f, &event, NULL);
    gr_job_at(pool->f.core, gr_core_job_slot(pool->f.core, gang))->requeue_on = GR_REQUEUE_PART;
    return gang;
}

// A good fact of each type.
static struct gr_event good(struct pool *pool, enum gr_event_type type)
{
    struct gr_event event = fixture_fact(&pool->f, type);
    switch (type) {
    case GR_ORG_ADDED:
        event.org.parent = 0;
        strcpy(event.org.seat, "DE");
        strcpy(event.org.name, "customer");
        break;
    case GR_SITE_ADDED:
        strcpy(event.site.country, "FR");
        strcpy(event.site.name, "other");
        break;
    case GR_VARIANT_ADDED:
        strcpy(event.variant, "mi300x");
        break;
    case GR_MASK_ADDED:
        event.mask = &pool->mask;
        break;
    case GR_NODE_ADDED:
        event = fixture_node_fact(&pool->f, 8);
        break;
    case GR_NODE_STATE_SET:
        event.node_state.node = 1;
        event.node_state.state = GR_NODE_BROKEN;
        break;
    case GR_MIX_SET:
        event.items = &pool->item;
        event.item_count = 1;
        break;
    case GR_JOB_SUBMITTED:
        event.submitted.demand = fixture_demand(1, 1);
        event.submitted.user = UINT32_MAX;
        event.submitted.attempts = 1;
        break;
    case GR_JOB_PLACED:
    case GR_ROOM_RESERVED:
        event.placed.job = pool->waiting;
        if (type == GR_JOB_PLACED) {
            event.placed.attempt = 1;
        }
        event.pieces = pool->pieces;
        event.piece_count = 2;
        break;
    case GR_JOB_FINISHED:
        return gr_decide_end(pool->f.core, pool->f.at, pool->f.at, pool->running,
                             &(struct gr_ending){0});
    case GR_JOB_DROPPED:
        return gr_decide_drop(pool->f.core, pool->f.at, pool->waiting, GR_REFUSED_BY_USER);
    case GR_USER_ADDED:
        break;
    case GR_PREFERENCE_SET:
        gr_preference_put(&event.preference_set.preference, 0, 2);
        gr_preference_put(&event.preference_set.preference, 1, 1);
        break;
    case GR_EPOCH_BEGUN:
        strcpy(event.epoch_begun.version, "1.0.0");
        break;
    case GR_JOB_STARTED:
        event.started.job = pool->running;
        event.started.attempt = 1;
        break;
    case GR_JOB_REQUEUED:
        event.requeued.job = pool->running;
        event.requeued.attempt = 1;
        event.requeued.ending.outcome = GR_OUTCOME_NODE;
        break;
    case GR_STOP_ASKED:
        return gr_decide_stop(pool->f.core, pool->f.at, pool->running, GR_STOP_BY_USER, 15, 5000);
    case GR_DEVICES_SET:
        event.devices_set.node = 0;
        event.devices_set.devices = 3;
        event.devices_set.is_out = 1;
        event.devices_set.health = 3;
        break;
    case GR_KEY_USED:
        event.key_used.key[0] = 7;
        event.key_used.first = event.key_used.last = 3;
        break;
    case GR_QUOTA_SET:
        event.quota = (struct gr_quota){0, 0, 5000, GR_ANY_MILLI, 2000};
        break;
    case GR_ORG_TERMS_SET:
        event.org_terms = (struct gr_org_terms){.weight = 2000, .priority_max = 9};
        break;
    case GR_QUEUE_TERMS_SET:
        event.queue_terms = (struct gr_queue_terms){.half_life_ms = 1000, .notice_ms = 5};
        break;
    case GR_CHECKPOINTED:
        event.checkpointed.job = pool->running;
        event.checkpointed.attempt = 1;
        break;
    case GR_ROOM_HELD:
        event.held.job = pool->waiting;
        event.held.until_ms = event.at_ms;
        event.pieces = pool->pieces;
        event.piece_count = 2;
        break;
    case GR_ROOM_FREED: { // of a hold
        struct gr_event held = good(pool, GR_ROOM_HELD);
        (void)fixture_apply(&pool->f, &held, NULL);
        event = fixture_fact(&pool->f, type);
        event.freed.job = pool->waiting;
        break;
    }
    case GR_CLASS_SET:
        event.job_class = (struct gr_class){.name = "urgent", .limit_ms = 1000, .priority = 9};
        break;
    case GR_PART_LOST:
        return gr_decide_part_lost(pool->f.core, pool->f.at, pool->f.at, gang_run(pool), 1, 0);
    case GR_PART_PLACED: {
        struct gr_event lost = good(pool, GR_PART_LOST);
        (void)fixture_apply(&pool->f, &lost, NULL);
        assert_true(gr_decide_start(pool->f.core, NULL, pool->f.at, pool->f.pieces, &event));
        memcpy(pool->pieces, event.pieces, sizeof *event.pieces);
        event.pieces = pool->pieces;
        break;
    }
    case GR_WINDOW_SET:
        event.window_set = (struct gr_window){
            .start_ms = event.at_ms, .length_ms = 1000, .times = 1, .user = UINT32_MAX};
        strcpy(event.window_set.name, "night");
        event.ranges = pool->ranges;
        event.range_count = 1;
        break;
    case GR_WINDOW_OPENED:
    case GR_WINDOW_CLOSED:
    case GR_WINDOW_ENDED: {
        struct gr_event set = good(pool, GR_WINDOW_SET);
        (void)fixture_apply(&pool->f, &set, NULL);
        pool->f.at += type == GR_WINDOW_CLOSED ? 1000 : 0;
        event = fixture_fact(&pool->f, type);
        event.window_turn.window = set.sequence;
        break;
    }
    }
    return event;
}

static void good_facts_of_every_type_pass(void **state)
{
    (void)state;
    for (unsigned type = 1; type < GR_EVENT_TYPES; type++) {
        struct pool pool;
        pool_make(&pool);
        struct gr_event event = good(&pool, (enum gr_event_type)type);
        (void)fixture_apply(&pool.f, &event, NULL);
        fixture_done(&pool.f);
    }
}

// Damages a good fact, or the pool before it, and expects one answer.
#define REFUSED(type, change, refusal)                                                             \
    do {                                                                                           \
        struct pool pool;                                                                          \
        pool_make(&pool);                                                                          \
        struct gr_event e = good(&pool, type);                                                     \
        change;                                                                                    \
        assert_string_equal(gr_refusal_name(gr_core_check(pool.f.core, &e)),                       \
                            gr_refusal_name(refusal));                                             \
        fixture_done(&pool.f);                                                                     \
    } while (0)

static void headers_must_continue_the_history(void **state)
{
    (void)state;
    REFUSED(GR_NODE_ADDED, e.sequence++, GR_REFUSED_SEQUENCE);
    REFUSED(GR_NODE_ADDED, e.sequence--, GR_REFUSED_SEQUENCE);
    REFUSED(GR_NODE_ADDED, (pool.f.core->epoch = 3, e.epoch = 2), GR_REFUSED_EPOCH);
    REFUSED(GR_NODE_ADDED, e.version = 0, GR_REFUSED_TYPE);
    REFUSED(GR_NODE_ADDED, e.version = 2, GR_REFUSED_TYPE);
    REFUSED(GR_NODE_ADDED, e.type = 0, GR_REFUSED_TYPE);
    REFUSED(GR_NODE_ADDED, e.type = GR_EVENT_TYPES, GR_REFUSED_TYPE);
    REFUSED(GR_NODE_ADDED, e.at_ms--, GR_REFUSED_TIME);
    REFUSED(GR_NODE_ADDED, e.since_ms = -1, GR_REFUSED_FIELD);
}

static void the_first_fact_is_not_before_time_begins(void **state)
{
    (void)state;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    struct gr_core *core;
    struct gr_err err;
    assert_int_equal(gr_core_new(&config, &core, &err), 0);
    struct gr_event event = gr_decide_fact(core, -1, GR_VARIANT_ADDED);
    strcpy(event.variant, "h20");
    assert_int_equal(gr_core_check(core, &event), GR_REFUSED_TIME);
    gr_core_free(core);
}

static void organisations_sites_and_variants_are_checked(void **state)
{
    (void)state;
    REFUSED(GR_ORG_ADDED, e.org.parent = 1, GR_REFUSED_ORG);
    REFUSED(GR_ORG_ADDED, e.org.role = GR_ROLES, GR_REFUSED_FIELD);
    REFUSED(GR_ORG_ADDED, e.org.name[0] = 0, GR_REFUSED_FIELD);
    REFUSED(GR_ORG_ADDED, e.org.name[1] = '\n', GR_REFUSED_FIELD);
    REFUSED(GR_ORG_ADDED, e.org.name[1] = 0x7f, GR_REFUSED_FIELD);
    REFUSED(GR_ORG_ADDED, e.org.name[GR_NAME_SIZE - 1] = 'x', GR_REFUSED_FIELD); // behind the NUL
    REFUSED(GR_ORG_ADDED, memset(e.org.name, 'x', GR_NAME_SIZE), GR_REFUSED_FIELD);
    REFUSED(GR_ORG_ADDED, memcpy(e.org.seat, "de", 3), GR_REFUSED_FIELD);
    REFUSED(GR_ORG_ADDED, memcpy(e.org.seat, "D", 2), GR_REFUSED_FIELD);
    REFUSED(GR_ORG_ADDED, e.org.seat[2] = 'U', GR_REFUSED_FIELD);
    REFUSED(GR_ORG_ADDED, e.org.ultimate_parent[1] = 'A', GR_REFUSED_FIELD);
    REFUSED(GR_ORG_ADDED, e.org.reserved[4] = 1, GR_REFUSED_FIELD);
    REFUSED(GR_ORG_ADDED, pool.f.core->org_count = 2, GR_REFUSED_LIMIT_OTHER);
    REFUSED(GR_SITE_ADDED, e.site.owner = 1, GR_REFUSED_ORG);
    REFUSED(GR_SITE_ADDED, e.site.name[0] = 0, GR_REFUSED_FIELD);
    REFUSED(GR_SITE_ADDED, e.site.country[0] = '1', GR_REFUSED_FIELD);
    REFUSED(GR_SITE_ADDED, e.site.reserved[0] = 1, GR_REFUSED_FIELD);
    REFUSED(GR_SITE_ADDED, pool.f.core->site_count = 2, GR_REFUSED_LIMIT_OTHER);
    REFUSED(GR_VARIANT_ADDED, e.variant[0] = 0, GR_REFUSED_FIELD);
    REFUSED(GR_VARIANT_ADDED, pool.f.core->variant_count = 2, GR_REFUSED_LIMIT_OTHER);
}

static void masks_and_mixes_are_checked(void **state)
{
    (void)state;
    REFUSED(GR_MASK_ADDED, e.mask = NULL, GR_REFUSED_FIELD);
    REFUSED(GR_MASK_ADDED, gr_mask_fill(&pool.mask), GR_REFUSED_MASK);
    REFUSED(GR_MIX_SET, e.items = NULL, GR_REFUSED_FIELD);
    REFUSED(GR_MIX_SET, e.item_count = GR_MIX_MAX + 1, GR_REFUSED_FIELD);
    REFUSED(GR_MIX_SET, pool.item.shape.mask = 1, GR_REFUSED_MASK);
    REFUSED(GR_MIX_SET, pool.item.shape.milli = 0, GR_REFUSED_FIELD);
    REFUSED(GR_MIX_SET, pool.item.count = (UINT64_C(1) << 40) + 1, GR_REFUSED_FIELD);
    struct pool pool;
    pool_make(&pool);
    for (unsigned m = 0; m < 3; m++) {
        struct gr_event event = good(&pool, GR_MASK_ADDED);
        (void)fixture_apply(&pool.f, &event, NULL);
        gr_mask_remove_site(&pool.mask, 10 + m);
    }
    struct gr_event event = good(&pool, GR_MASK_ADDED);
    assert_int_equal(gr_core_check(pool.f.core, &event), GR_REFUSED_LIMIT_OTHER);
    fixture_done(&pool.f);
}

static void nodes_are_checked(void **state)
{
    (void)state;
    REFUSED(GR_NODE_ADDED, e.node.row.site = 1, GR_REFUSED_SITE);
    REFUSED(GR_NODE_ADDED, e.node.row.variant = 1, GR_REFUSED_VARIANT);
    REFUSED(GR_NODE_ADDED, e.node.name[0] = 0, GR_REFUSED_FIELD);
    REFUSED(GR_NODE_ADDED, e.node.row.devices = 17, GR_REFUSED_FIELD);
    REFUSED(GR_NODE_ADDED, e.node.row.state = GR_NODE_STATES, GR_REFUSED_FIELD);
    REFUSED(GR_NODE_ADDED, e.node.row.cpu_milli = GR_CPU_MILLI_MAX + 1, GR_REFUSED_FIELD);
    REFUSED(GR_NODE_ADDED, e.node.row.memory_mib = GR_MEMORY_MIB_MAX + 1, GR_REFUSED_FIELD);
    REFUSED(GR_NODE_ADDED, e.node.row.reserved = 1, GR_REFUSED_FIELD);
    REFUSED(GR_NODE_ADDED, e.node.row.free[7] = 999, GR_REFUSED_FIELD);
    REFUSED(GR_NODE_ADDED, e.node.row.free[8] = 1000, GR_REFUSED_FIELD);
    REFUSED(GR_NODE_STATE_SET, e.node_state.node = 2, GR_REFUSED_NODE);
    REFUSED(GR_NODE_STATE_SET, e.node_state.state = GR_NODE_STATES, GR_REFUSED_FIELD);
    struct pool pool;
    pool_make(&pool);
    for (unsigned n = 2; n < 8; n++) {
        fixture_node(&pool.f, 1);
    }
    struct gr_event event = good(&pool, GR_NODE_ADDED);
    assert_int_equal(gr_core_check(pool.f.core, &event), GR_REFUSED_LIMIT_OTHER);
    fixture_done(&pool.f);
}

// Node 0 of the pool lies in domain 1 of level 1 and in domain 2 of level 2.
static void domains_must_nest(void **state)
{
    (void)state;
    static const struct {
        uint32_t domain[GR_DOMAIN_LEVELS];
        enum gr_refusal refusal;
    } cases[] = {
#define NONE GR_DOMAIN_NONE
#define IN(size) (GR_DOMAIN_INNER | (size))
        {{1, 2, NONE, NONE}, GR_REFUSED_NOTHING},
        {{0, 1, IN(4), IN(2)}, GR_REFUSED_NOTHING},
        {{IN(8), IN(4), IN(2), IN(1)}, GR_REFUSED_NOTHING},
        {{NONE, 3, NONE, IN(8)}, GR_REFUSED_NOTHING},
        {{0, 2, NONE, NONE}, GR_REFUSED_DOMAIN},         // level 2's domain 2 is in domain 1
        {{NONE, 2, NONE, NONE}, GR_REFUSED_DOMAIN},      // the same
        {{2, NONE, NONE, NONE}, GR_REFUSED_DOMAIN},      // beyond the limit
        {{NONE, NONE, 0, NONE}, GR_REFUSED_DOMAIN},      // no domains at this level
        {{IN(4), 0, NONE, NONE}, GR_REFUSED_DOMAIN},     // outer behind inner
        {{NONE, NONE, IN(3), NONE}, GR_REFUSED_DOMAIN},  // does not divide 8
        {{NONE, NONE, IN(0), NONE}, GR_REFUSED_DOMAIN},  // nothing
        {{NONE, NONE, IN(16), NONE}, GR_REFUSED_DOMAIN}, // more than there are
        {{NONE, NONE, IN(2), IN(4)}, GR_REFUSED_DOMAIN}, // wider behind narrower
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        REFUSED(GR_NODE_ADDED, memcpy(e.node.row.domain, cases[c].domain, sizeof cases[c].domain),
                cases[c].refusal);
    }
    REFUSED(GR_NODE_ADDED,
            (e.node.row.devices = 0, memset(e.node.row.free, 0, sizeof e.node.row.free),
             e.node.row.domain[3] = IN(1)),
            GR_REFUSED_DOMAIN);
}

static void jobs_are_checked(void **state)
{
    (void)state;
    REFUSED(GR_JOB_SUBMITTED, e.submitted.org = 1, GR_REFUSED_ORG);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.demand.shape.mask = 1, GR_REFUSED_MASK);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.limit_ms = -1, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.demand.tasks = 0, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_FINISHED, e.finished.job = 999, GR_REFUSED_JOB);
    REFUSED(GR_JOB_FINISHED, e.finished.job = pool.waiting, GR_REFUSED_STATE);
    REFUSED(GR_JOB_FINISHED, e.finished.attempt = 2, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_FINISHED, e.finished.ending.outcome = GR_OUTCOMES, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_DROPPED, e.dropped.job = 0, GR_REFUSED_JOB);
    REFUSED(GR_JOB_DROPPED, e.dropped.job = pool.running, GR_REFUSED_STATE);
    REFUSED(GR_JOB_DROPPED, e.dropped.why = GR_REFUSALS, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_DROPPED, e.dropped.reserved = 1, GR_REFUSED_FIELD);
    struct pool pool;
    pool_make(&pool);
    for (unsigned j = 2; j < 8; j++) {
        fixture_submit(&pool.f, fixture_demand(1, 1), 0);
    }
    struct gr_event event = good(&pool, GR_JOB_SUBMITTED);
    assert_int_equal(gr_core_check(pool.f.core, &event), GR_REFUSED_LIMIT_JOBS);
    fixture_done(&pool.f);
}

// The event becomes the next element of an array of three whose first two are there.
static void element(struct pool *pool, struct gr_event *event)
{
    for (uint32_t i = 0; i < 2; i++) {
        event->sequence = gr_core_next_sequence(pool->f.core);
        event->submitted.array.array = i == 0 ? event->sequence : event->submitted.array.array;
        event->submitted.array.count = 3;
        event->submitted.array.index = 4 + i;
        (void)fixture_apply(&pool->f, event, NULL);
    }
    event->sequence++;
    event->submitted.array.index++;
}

static void users_attempts_and_arrays_are_checked(void **state)
{
    (void)state;
    REFUSED(GR_USER_ADDED, e.user_added.org = 1, GR_REFUSED_ORG);
    REFUSED(GR_USER_ADDED, e.user_added.reserved = 1, GR_REFUSED_FIELD);
    REFUSED(GR_USER_ADDED, pool.f.core->user_count = 2, GR_REFUSED_LIMIT_OTHER);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.user = 0, GR_REFUSED_USER);
    REFUSED(
        GR_JOB_SUBMITTED,
        (e.submitted.user = 0, pool.f.core->user_count = 1, gr_user_at(pool.f.core, 0)->org = 1),
        GR_REFUSED_USER);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.attempts = 0, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.attempts = GR_SPEC_ATTEMPTS_MAX + 1, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.requeue_on = 64, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.array.count = 1, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.array.index = 1, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.array.parallel = 1, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.array.reserved = 1, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.array.array = e.sequence, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED,
            e.submitted.array = ((struct gr_array_of){e.sequence, 0, GR_SPEC_ARRAY_MAX + 1, 0, 0}),
            GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED,
            (e.submitted.array = (struct gr_array_of){e.sequence, 0, 1, 0, 0},
             pool.f.core->limits.arrays = 0),
            GR_REFUSED_LIMIT_OTHER);
    REFUSED(GR_JOB_SUBMITTED, e.submitted.array = ((struct gr_array_of){1, 0, 3, 0, 0}),
            GR_REFUSED_JOB);
    REFUSED(GR_JOB_SUBMITTED, element(&pool, &e), GR_REFUSED_NOTHING);
    REFUSED(GR_JOB_SUBMITTED, (element(&pool, &e), e.submitted.array.index--), GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED, (element(&pool, &e), e.submitted.array.count++), GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED, (element(&pool, &e), e.submitted.array.parallel++), GR_REFUSED_FIELD);
    REFUSED(GR_JOB_SUBMITTED,
            (element(&pool, &e), (void)fixture_apply(&pool.f, &e, NULL), e.sequence++),
            GR_REFUSED_STATE);
}

static void edges_are_checked(void **state)
{
    (void)state;
    static struct gr_edge edges[GR_SPEC_AFTER_MAX + 1];
    memset(edges, 0, sizeof edges);
#define EDGE(target, change, refusal)                                                              \
    REFUSED(GR_JOB_SUBMITTED,                                                                      \
            (e.edges = edges, e.edge_count = 1, edges[0] = (struct gr_edge){.job = pool.target},   \
             change),                                                                              \
            refusal)
    EDGE(running, (void)0, GR_REFUSED_NOTHING);
    EDGE(waiting, edges[0].how = GR_AFTER_ANY, GR_REFUSED_NOTHING);
    EDGE(running, edges[0].how = GR_AFTERS, GR_REFUSED_FIELD);
    EDGE(running, edges[0].reserved = 1, GR_REFUSED_FIELD);
    EDGE(running, edges[0].job = e.sequence, GR_REFUSED_AFTER);
    EDGE(running, edges[0].job = 1, GR_REFUSED_AFTER);
    EDGE(running, e.edges = NULL, GR_REFUSED_FIELD);
    EDGE(running, e.edge_count = GR_SPEC_AFTER_MAX + 1, GR_REFUSED_FIELD);
    EDGE(running, e.edge_count = 7, GR_REFUSED_LIMIT_OTHER);
    EDGE(running,
         (e.edge_count = 0, element(&pool, &e), e.edge_count = 1, edges[0].job++,
          edges[0].job = e.sequence - 1),
         GR_REFUSED_FIELD); // of its own array
}

static void attempts_are_checked(void **state)
{
    (void)state;
    REFUSED(GR_JOB_STARTED, e.started.job = 1, GR_REFUSED_JOB);
    REFUSED(GR_JOB_STARTED, e.started.job = pool.waiting, GR_REFUSED_STATE);
    REFUSED(GR_JOB_STARTED, e.started.attempt = 2, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_STARTED, e.started.reserved = 1, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_STARTED, ((void)fixture_apply(&pool.f, &e, NULL), e.sequence++),
            GR_REFUSED_STATE); // twice
    REFUSED(GR_JOB_FINISHED, e.finished.reserved = 1, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_FINISHED, e.finished.ending.began_ms = -1, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_FINISHED, e.finished.ending.signal = GR_SIGNALS, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_FINISHED, e.finished.ending.task = 1, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_REQUEUED, e.requeued.job = 1, GR_REFUSED_JOB);
    REFUSED(GR_JOB_REQUEUED, e.requeued.attempt = 0, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_REQUEUED, e.requeued.ending.outcome = GR_OUTCOMES, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_REQUEUED, gr_job_at(pool.f.core, 0)->attempts = 1, GR_REFUSED_FIELD);
    REFUSED(GR_STOP_ASKED, e.stop_asked.job = pool.waiting, GR_REFUSED_STATE);
    REFUSED(GR_STOP_ASKED, e.stop_asked.why = GR_STOP_NOT, GR_REFUSED_FIELD);
    REFUSED(GR_STOP_ASKED, e.stop_asked.why = GR_STOP_WHYS, GR_REFUSED_FIELD);
    REFUSED(GR_STOP_ASKED, e.stop_asked.signal = GR_SIGNALS, GR_REFUSED_FIELD);
    REFUSED(GR_STOP_ASKED, e.stop_asked.grace_ms = -1, GR_REFUSED_FIELD);
    REFUSED(GR_STOP_ASKED, e.stop_asked.reserved = 1, GR_REFUSED_FIELD);
    REFUSED(GR_STOP_ASKED, ((void)fixture_apply(&pool.f, &e, NULL), e.sequence++),
            GR_REFUSED_NOTHING); // may come again
}

// Fills the table of keys: three of organisation 0.
static void keys_fill(struct pool *pool, struct gr_event *event, uint8_t count)
{
    for (uint8_t k = 1; k <= count; k++) {
        event->sequence = gr_core_next_sequence(pool->f.core);
        event->key_used.key[0] = k;
        (void)fixture_apply(&pool->f, event, NULL);
    }
    event->sequence++;
    event->key_used.key[0] = 99;
}

static void devices_keys_and_epochs_are_checked(void **state)
{
    (void)state;
    REFUSED(GR_DEVICES_SET, e.devices_set.node = 2, GR_REFUSED_NODE);
    REFUSED(GR_DEVICES_SET, e.devices_set.devices = 0, GR_REFUSED_DEVICE);
    REFUSED(GR_DEVICES_SET, e.devices_set.devices = 0x100, GR_REFUSED_DEVICE);
    REFUSED(GR_DEVICES_SET, e.devices_set.is_out = 2, GR_REFUSED_FIELD);
    REFUSED(GR_DEVICES_SET, e.devices_set.health = GR_DEVICE_HEALTHS, GR_REFUSED_FIELD);
    REFUSED(GR_KEY_USED, e.key_used.org = 1, GR_REFUSED_ORG);
    REFUSED(GR_KEY_USED, e.key_used.first = 4, GR_REFUSED_FIELD);
    REFUSED(GR_KEY_USED, e.key_used.at_ms = 1, GR_REFUSED_FIELD);
    REFUSED(GR_KEY_USED, keys_fill(&pool, &e, 2), GR_REFUSED_NOTHING);
    REFUSED(GR_KEY_USED, (keys_fill(&pool, &e, 2), e.key_used.key[0] = 1), GR_REFUSED_KEY);
    REFUSED(GR_KEY_USED, keys_fill(&pool, &e, 3), GR_REFUSED_LIMIT_KEYS); // of the organisation
    REFUSED(GR_KEY_USED,
            (keys_fill(&pool, &e, 3), pool.f.core->limits.keys_per_org = 9,
             pool.f.core->limits.keys = 3),
            GR_REFUSED_LIMIT_KEYS);
    REFUSED(GR_KEY_USED, (keys_fill(&pool, &e, 3), e.at_ms += GR_KEY_MS - 1),
            GR_REFUSED_LIMIT_KEYS);
    REFUSED(GR_KEY_USED, (keys_fill(&pool, &e, 3), e.at_ms += GR_KEY_MS), GR_REFUSED_NOTHING);
    REFUSED(GR_EPOCH_BEGUN, e.epoch = 0, GR_REFUSED_EPOCH);
    REFUSED(GR_EPOCH_BEGUN, memset(e.epoch_begun.version, 'x', 16), GR_REFUSED_FIELD);
    REFUSED(GR_EPOCH_BEGUN, e.epoch_begun.version[0] = ' ', GR_REFUSED_FIELD);
    REFUSED(GR_EPOCH_BEGUN, e.epoch_begun.version[9] = 'x', GR_REFUSED_FIELD);
    REFUSED(GR_NODE_ADDED, e.epoch = 1, GR_REFUSED_EPOCH); // nobody has begun it
}

static void terms_and_checkpoints_are_checked(void **state)
{
    (void)state;
    REFUSED(GR_ORG_TERMS_SET, e.org_terms.org = 1, GR_REFUSED_ORG);
    REFUSED(GR_ORG_TERMS_SET, e.org_terms.weight = 0, GR_REFUSED_FIELD);
    REFUSED(GR_ORG_TERMS_SET, e.org_terms.weight = GR_WEIGHT_MAX, GR_REFUSED_NOTHING);
    REFUSED(GR_ORG_TERMS_SET, e.org_terms.weight = GR_WEIGHT_MAX + 1, GR_REFUSED_FIELD);
    REFUSED(GR_ORG_TERMS_SET, e.org_terms.reserved[6] = 1, GR_REFUSED_FIELD);
    REFUSED(GR_QUEUE_TERMS_SET, e.queue_terms.half_life_ms = -1, GR_REFUSED_FIELD);
    REFUSED(GR_QUEUE_TERMS_SET, e.queue_terms.half_life_ms = GR_QUEUE_MS_MAX, GR_REFUSED_NOTHING);
    REFUSED(GR_QUEUE_TERMS_SET, e.queue_terms.notice_ms = GR_QUEUE_MS_MAX + 1, GR_REFUSED_FIELD);
    REFUSED(GR_QUEUE_TERMS_SET, e.queue_terms.min_run_ms = -1, GR_REFUSED_FIELD);
    REFUSED(GR_QUEUE_TERMS_SET, e.queue_terms.reclaim = 4, GR_REFUSED_FIELD);
    REFUSED(GR_QUEUE_TERMS_SET, e.queue_terms.reserved = 1, GR_REFUSED_FIELD);
    REFUSED(GR_CHECKPOINTED, e.checkpointed.job = 1, GR_REFUSED_JOB);
    REFUSED(GR_CHECKPOINTED, e.checkpointed.job = pool.waiting, GR_REFUSED_STATE);
    REFUSED(GR_CHECKPOINTED, e.checkpointed.attempt = 2, GR_REFUSED_FIELD);
    REFUSED(GR_CHECKPOINTED, e.checkpointed.reserved = 1, GR_REFUSED_FIELD);
    REFUSED(GR_CHECKPOINTED, gr_job_at(pool.f.core, 0)->started_ms = e.since_ms + 1,
            GR_REFUSED_FIELD);
    REFUSED(GR_CHECKPOINTED, gr_job_at(pool.f.core, 0)->safe_ms = e.since_ms + 1, GR_REFUSED_FIELD);
}

// Node 1 is held for another job.
static void other_hold(struct pool *pool, struct gr_event *event)
{
    uint64_t other = fixture_submit(&pool->f, fixture_demand(1, 2), 0);
    struct gr_event held = good(pool, GR_ROOM_HELD);
    held.held.job = other;
    held.pieces = &pool->pieces[1];
    held.piece_count = 1;
    (void)fixture_apply(&pool->f, &held, NULL);
    event->sequence = held.sequence + 1;
}

// The running job was asked to stop for its room.
static void taken_back(struct pool *pool, struct gr_event *event)
{
    struct gr_event stop =
        gr_decide_stop(pool->f.core, pool->f.at, pool->running, GR_STOP_RECLAIM, 15, 0);
    (void)fixture_apply(&pool->f, &stop, NULL);
    event->sequence++;
}

static void holds_are_checked(void **state)
{
    (void)state;
    REFUSED(GR_ROOM_HELD, e.held.job = 999, GR_REFUSED_JOB);
    REFUSED(GR_ROOM_HELD, e.held.job = pool.running, GR_REFUSED_STATE);
    REFUSED(GR_ROOM_HELD, e.held.until_ms = e.at_ms - 1, GR_REFUSED_FIELD);
    REFUSED(GR_ROOM_HELD, e.piece_count = 0, GR_REFUSED_PIECES);
    REFUSED(GR_ROOM_HELD, pool.pieces[1].node = 2, GR_REFUSED_NODE);
    REFUSED(GR_ROOM_HELD, pool.pieces[0].devices = 3, GR_REFUSED_NOTHING); // need not be free
    REFUSED(GR_ROOM_HELD, other_hold(&pool, &e), GR_REFUSED_HELD);
    REFUSED(GR_ROOM_FREED, e.freed.job = pool.running, GR_REFUSED_JOB);
    REFUSED(GR_ROOM_FREED, e.freed.why = GR_FREED_WHYS, GR_REFUSED_FIELD);
    REFUSED(GR_ROOM_FREED, e.freed.reserved = 1, GR_REFUSED_FIELD);
    REFUSED(GR_ROOM_HELD, (fixture_apply(&pool.f, &e, NULL), e.sequence++),
            GR_REFUSED_STATE); // it has one
    REFUSED(GR_JOB_REQUEUED, gr_job_at(pool.f.core, 0)->attempt = 2;
            e.requeued.attempt = 2, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_REQUEUED, gr_job_at(pool.f.core, 0)->attempt = 2; e.requeued.attempt = 2;
            taken_back(&pool, &e), GR_REFUSED_NOTHING);
}

// The row of the gang of gang_run.
static struct gr_job *gang_of(struct pool *pool)
{
    return gr_job_at(pool->f.core, 2);
}

// It is asked to stop.
static void gang_stop(struct pool *pool, struct gr_event *event)
{
    struct gr_event stop =
        gr_decide_stop(pool->f.core, pool->f.at, gang_of(pool)->id, GR_STOP_NODE, 15, 0);
    (void)fixture_apply(&pool->f, &stop, NULL);
    event->sequence++;
}

// As many classes as there may be.
static void classes_fill(struct pool *pool, struct gr_event *event)
{
    for (int i = 0; i < GR_CLASSES_MAX; i++) {
        memset(event->job_class.name, 0, sizeof event->job_class.name);
        snprintf(event->job_class.name, sizeof event->job_class.name, "class-%d", i);
        (void)fixture_apply(&pool->f, event, NULL);
        event->sequence++;
    }
}

static void classes_are_checked(void **state)
{
    (void)state;
    REFUSED(GR_CLASS_SET, e.job_class.name[0] = '\0', GR_REFUSED_FIELD);
    REFUSED(GR_CLASS_SET, e.job_class.name[47] = 'x', GR_REFUSED_FIELD);
    REFUSED(GR_CLASS_SET, e.job_class.limit_ms = -1, GR_REFUSED_FIELD);
    REFUSED(GR_CLASS_SET, e.job_class.limit_ms = GR_QUEUE_MS_MAX + 1, GR_REFUSED_FIELD);
    REFUSED(GR_CLASS_SET, e.job_class.limit_ms = GR_QUEUE_MS_MAX, GR_REFUSED_NOTHING);
    REFUSED(GR_CLASS_SET, e.job_class.reserved[6] = 1, GR_REFUSED_FIELD);
    REFUSED(GR_CLASS_SET, classes_fill(&pool, &e), GR_REFUSED_NOTHING); // the last one, anew
    REFUSED(GR_CLASS_SET, (classes_fill(&pool, &e), e.job_class.name[0] = 'k'),
            GR_REFUSED_LIMIT_OTHER);
}

static void parts_are_checked(void **state)
{
    (void)state;
    REFUSED(GR_PART_LOST, e.part_lost.job = 999, GR_REFUSED_JOB);
    REFUSED(GR_PART_LOST, e.part_lost.job = pool.waiting, GR_REFUSED_STATE);
    REFUSED(GR_PART_LOST, e.part_lost.attempt = 2, GR_REFUSED_FIELD);
    REFUSED(GR_PART_LOST, e.part_lost.reserved = 1, GR_REFUSED_FIELD);
    REFUSED(GR_PART_LOST, e.part_lost.reserved_too = 1, GR_REFUSED_FIELD);
    REFUSED(GR_PART_LOST, e.part_lost.until_ms = e.at_ms - 1, GR_REFUSED_FIELD);
    REFUSED(GR_PART_LOST, e.part_lost.task = 3, GR_REFUSED_FIELD);
    REFUSED(GR_PART_LOST, e.part_lost.task = 2, GR_REFUSED_PIECES);
    REFUSED(GR_PART_LOST, e.part_lost.part = 1, GR_REFUSED_PIECES);
    REFUSED(GR_PART_LOST, e.part_lost.node = 1, GR_REFUSED_PIECES);
    REFUSED(GR_PART_LOST, e.part_lost.devices ^= 1, GR_REFUSED_PIECES);
    REFUSED(GR_PART_LOST, gang_of(&pool)->requeue_on = GR_REQUEUE_NODE, GR_REFUSED_STATE);
    REFUSED(GR_PART_LOST, gang_of(&pool)->began_ms = 0, GR_REFUSED_STATE);
    REFUSED(GR_PART_LOST, gang_stop(&pool, &e), GR_REFUSED_STATE);
    REFUSED(GR_PART_PLACED, e.part_placed.job = 999, GR_REFUSED_JOB);
    REFUSED(GR_PART_PLACED, e.part_placed.job = pool.running, GR_REFUSED_STATE);
    REFUSED(GR_PART_PLACED, e.part_placed.attempt = 2, GR_REFUSED_FIELD);
    REFUSED(GR_PART_PLACED, e.part_placed.reserved = 2, GR_REFUSED_FIELD);
    REFUSED(GR_PART_PLACED, e.part_placed.part = 2, GR_REFUSED_FIELD);
    REFUSED(GR_PART_PLACED, e.piece_count = 2, GR_REFUSED_PIECES);
    REFUSED(GR_PART_PLACED, pool.pieces[0].devices = 1, GR_REFUSED_HELD);
    REFUSED(GR_PART_PLACED, gang_stop(&pool, &e), GR_REFUSED_STATE);
    REFUSED(GR_PART_PLACED, (fixture_apply(&pool.f, &e, NULL), e.sequence++),
            GR_REFUSED_STATE); // nothing is missing any more
}

static struct gr_edge called[2];

// The hold calls the running job, once or twice.
static void call(struct pool *pool, struct gr_event *event, uint32_t count)
{
    for (unsigned i = 0; i < 2; i++) {
        called[i] = (struct gr_edge){.job = pool->running, .how = GR_STOP_RECLAIM};
    }
    event->edges = called;
    event->edge_count = count;
}

// The running job is called for another one, on node 0.
static void called_already(struct pool *pool, struct gr_event *event)
{
    uint64_t other = fixture_submit(&pool->f, fixture_demand(1, 2), 0);
    struct gr_event held = good(pool, GR_ROOM_HELD);
    held.held.job = other;
    held.piece_count = 1;
    call(pool, &held, 1);
    (void)fixture_apply(&pool->f, &held, NULL);
    event->sequence = held.sequence + 1;
    event->pieces = &pool->pieces[1];
    event->piece_count = 1;
    event->held.job = fixture_submit(&pool->f, fixture_demand(1, 2), 0);
    event->sequence++;
}

static void whom_a_hold_calls_is_checked(void **state)
{
    (void)state;
#define CALLED(change, refusal) REFUSED(GR_ROOM_HELD, call(&pool, &e, 1); change, refusal)
    CALLED((void)0, GR_REFUSED_NOTHING);
    CALLED(called[0].job = 999, GR_REFUSED_JOB);
    CALLED(called[0].job = pool.waiting, GR_REFUSED_STATE);
    CALLED(called[0].how = GR_STOP_BY_USER, GR_REFUSED_FIELD);
    CALLED(called[0].reserved = 1, GR_REFUSED_FIELD);
    CALLED(e.edge_count = 2, GR_REFUSED_FIELD); // the same one twice
    CALLED(e.edge_count = GR_CALLED_MAX + 1, GR_REFUSED_FIELD);
    CALLED(e.edges = NULL, GR_REFUSED_FIELD);
    CALLED(e.version = 1, GR_REFUSED_FIELD);
    CALLED(taken_back(&pool, &e), GR_REFUSED_STATE);
    CALLED(called_already(&pool, &e), GR_REFUSED_STATE);
    CALLED((pool.pieces[0].node = 1, pool.pieces[0].devices = 1), GR_REFUSED_PIECES);
#undef CALLED
}

static void a_start_takes_what_was_asked_for_and_is_free(void **state)
{
    (void)state;
    REFUSED(GR_JOB_PLACED, e.placed.job = 999, GR_REFUSED_JOB);
    REFUSED(GR_JOB_PLACED, e.placed.job = pool.running, GR_REFUSED_STATE);
    REFUSED(GR_JOB_PLACED, e.placed.attempt = 2, GR_REFUSED_FIELD);
    REFUSED(GR_JOB_PLACED, e.piece_count = 1, GR_REFUSED_PIECES);
    REFUSED(GR_JOB_PLACED, e.piece_count = 3, GR_REFUSED_PIECES);
    REFUSED(GR_JOB_PLACED, e.piece_count = 0, GR_REFUSED_PIECES);
    REFUSED(GR_JOB_PLACED, e.pieces = NULL, GR_REFUSED_PIECES);
    REFUSED(GR_JOB_PLACED, pool.pieces[1].node = 2, GR_REFUSED_NODE);
    REFUSED(GR_JOB_PLACED, pool.pieces[1].devices = 2, GR_REFUSED_PIECES);
    REFUSED(GR_JOB_PLACED, pool.pieces[1].milli = 999, GR_REFUSED_PIECES);
    REFUSED(GR_JOB_PLACED, pool.pieces[1].cpu_milli = 0, GR_REFUSED_PIECES);
    REFUSED(GR_JOB_PLACED, pool.pieces[1].memory_mib = 1, GR_REFUSED_PIECES);
    REFUSED(GR_JOB_PLACED, (pool.pieces[0].node = 1, pool.pieces[1].node = 0), GR_REFUSED_PIECES);
    REFUSED(GR_JOB_PLACED, (pool.pieces[1].node = 0, pool.pieces[1].devices = 5),
            GR_REFUSED_PIECES);                                             // not sorted by device
    REFUSED(GR_JOB_PLACED, pool.pieces[0].devices = 3, GR_REFUSED_HELD);    // device 0 runs
    REFUSED(GR_JOB_PLACED, pool.pieces[1].devices = 0x30, GR_REFUSED_HELD); // node 1 has four
    REFUSED(GR_JOB_PLACED, pool.pieces[1].node = 0, GR_REFUSED_HELD);       // the same twice
    REFUSED(GR_JOB_PLACED, fixture_node_state(&pool.f, 1, GR_NODE_DRAINED);
            e.sequence++, GR_REFUSED_HELD);
    REFUSED(GR_JOB_PLACED, pool.f.core->limits.pieces = 0, GR_REFUSED_LIMIT_PIECES);
}

static void reserved_room_need_not_be_free(void **state)
{
    (void)state;
    REFUSED(GR_ROOM_RESERVED, pool.pieces[0].devices = 3, GR_REFUSED_NOTHING);
    REFUSED(GR_ROOM_RESERVED, e.piece_count = 0, GR_REFUSED_NOTHING); // no room in sight
    REFUSED(GR_ROOM_RESERVED, e.piece_count = 1, GR_REFUSED_PIECES);
    REFUSED(GR_ROOM_RESERVED, pool.pieces[0].node = 2, GR_REFUSED_NODE);
    REFUSED(GR_ROOM_RESERVED, e.reserved.job = 999, GR_REFUSED_JOB);
    REFUSED(GR_ROOM_RESERVED, e.reserved.job = pool.running, GR_REFUSED_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_facts_of_every_type_pass),
        cmocka_unit_test(headers_must_continue_the_history),
        cmocka_unit_test(the_first_fact_is_not_before_time_begins),
        cmocka_unit_test(organisations_sites_and_variants_are_checked),
        cmocka_unit_test(masks_and_mixes_are_checked),
        cmocka_unit_test(nodes_are_checked),
        cmocka_unit_test(domains_must_nest),
        cmocka_unit_test(jobs_are_checked),
        cmocka_unit_test(users_attempts_and_arrays_are_checked),
        cmocka_unit_test(edges_are_checked),
        cmocka_unit_test(attempts_are_checked),
        cmocka_unit_test(devices_keys_and_epochs_are_checked),
        cmocka_unit_test(terms_and_checkpoints_are_checked),
        cmocka_unit_test(holds_are_checked),
        cmocka_unit_test(parts_are_checked),
        cmocka_unit_test(whom_a_hold_calls_is_checked),
        cmocka_unit_test(classes_are_checked),
        cmocka_unit_test(a_start_takes_what_was_asked_for_and_is_free),
        cmocka_unit_test(reserved_room_need_not_be_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
