// What the tests of quotas share: a pool with variants and organisations, quotas and jobs in one
// line.
#pragma once

#include "core/fixture.h"
#include "core/queue.h"

// As much as there is.
#define ANY GR_ANY_MILLI
// What the pool has room for: organisations, variants, nodes.
#define ORGS 201
#define VARIANTS 4
#define NODES 12

// A pool with organisations below organisation 0, and variants h20, b200, l40s, t4; eight devices a
// node.
struct quota_pool {
    struct fixture f;
};

// Adds an organisation. Returns its index.
static inline uint32_t quota_pool_org(struct quota_pool *pool, uint32_t parent, const char *name)
{
    struct gr_event event = fixture_fact(&pool->f, GR_ORG_ADDED);
    event.org.parent = parent;
    strcpy(event.org.name, name);
    (void)fixture_apply(&pool->f, &event, NULL);
    return gr_core_org_count(pool->f.core) - 1;
}

// Adds a node of eight devices. Returns its number.
static inline uint32_t quota_pool_node(struct quota_pool *pool, unsigned variant)
{
    struct gr_event event = fixture_node_fact(&pool->f, 8);
    event.node.row.variant = (uint8_t)variant;
    (void)fixture_apply(&pool->f, &event, NULL);
    return gr_place_node_count(gr_core_place(pool->f.core)) - 1;
}

// With room for so many quotas.
static inline void quota_pool_make(struct quota_pool *pool, uint32_t quotas)
{
    static const char *const names[] = {"b200", "l40s", "t4"};
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    memset(pool, 0, sizeof *pool);
    config.limits.place.nodes = NODES;
    config.limits.orgs = ORGS;
    config.limits.variants = VARIANTS;
    config.limits.jobs = 64;
    config.limits.pieces = 64;
    config.limits.quotas = quotas;
    fixture_init(&pool->f, &config);
    for (unsigned v = 0; v < 3; v++) {
        struct gr_event event = fixture_fact(&pool->f, GR_VARIANT_ADDED);
        strcpy(event.variant, names[v]);
        (void)fixture_apply(&pool->f, &event, NULL);
    }
}

// Sets a quota, which must be allowed.
static inline void quota_pool_set(struct quota_pool *pool, struct gr_quota quota)
{
    struct gr_event event = fixture_fact(&pool->f, GR_QUOTA_SET);
    event.quota = quota;
    (void)fixture_apply(&pool->f, &event, NULL);
}

// Starts a job of an organisation with a task on each of these pieces. Returns its id.
static inline uint64_t quota_pool_start(struct quota_pool *pool, uint32_t org,
                                        struct gr_piece *pieces, uint32_t count)
{
    struct gr_submission submission = {.org = org, .user = UINT32_MAX, .attempts = 9};
    struct gr_event events[2];
    unsigned facts;
    submission.demand = fixture_demand(count, (unsigned)__builtin_popcount(pieces[0].devices));
    submission.demand.shape.milli = pieces[0].milli;
    gr_mask_fill(&submission.mask);
    assert_int_equal(gr_decide_submit(pool->f.core, NULL, pool->f.at, &submission, events, &facts),
                     GR_REFUSED_NOTHING);
    assert_int_equal(facts, 1);
    (void)fixture_apply(&pool->f, &events[0], NULL);
    struct gr_event placed = fixture_fact(&pool->f, GR_JOB_PLACED);
    placed.placed.job = events[0].sequence;
    placed.placed.attempt = 1;
    for (uint32_t i = 0; i < count; i++) {
        pieces[i].cpu_milli = 1000;
    }
    placed.pieces = pieces;
    placed.piece_count = count;
    (void)fixture_apply(&pool->f, &placed, NULL);
    return events[0].sequence;
}
