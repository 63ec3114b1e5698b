// What the tests of src/core share: a small pool, and facts applied in one line.
#pragma once

#include "core/core.h"
#include "core/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// A pool of the tests and where its clock stands.
struct fixture {
    struct gr_core *core; // owned
    struct gr_core_config config;
    int64_t at;              // ms, of the next fact
    struct gr_piece *pieces; // GR_TASKS_MAX
};

// Small limits, one policy, this order.
static inline struct gr_core_config fixture_config(enum gr_order order)
{
    return (struct gr_core_config){
        .limits = {.place = {.nodes = 8, .masks = 4, .slots = 32, .domains = {2, 4, 0, 0}},
                   .jobs = 8,
                   .pieces = 12,
                   .orgs = 2,
                   .sites = 2,
                   .variants = 2,
                   .users = 2,
                   .arrays = 2,
                   .edges = 6,
                   .keys = 4,
                   .keys_per_org = 3},
        .policy = "firstfit",
        .order = order};
}

// The fact must be allowed; it is applied.
static inline unsigned fixture_apply(struct fixture *fixture, const struct gr_event *event,
                                     struct gr_effect *ret_effect)
{
    assert_string_equal(gr_refusal_name(gr_core_check(fixture->core, event)), "nothing");
    return gr_core_apply(fixture->core, event, ret_effect);
}

// A fact at the fixture's time.
static inline struct gr_event fixture_fact(const struct fixture *fixture, enum gr_event_type type)
{
    return gr_decide_fact(fixture->core, fixture->at, type);
}

// A node of this many devices, 64 cpus and 256 GiB, at site 0, variant 0, without domains.
static inline struct gr_event fixture_node_fact(const struct fixture *fixture, unsigned devices)
{
    struct gr_event event = fixture_fact(fixture, GR_NODE_ADDED);
    event.node.row.devices = (uint8_t)devices;
    event.node.row.cpu_milli = 64000;
    event.node.row.memory_mib = 262144;
    for (unsigned i = 0; i < devices; i++) {
        event.node.row.free[i] = GR_DEVICE_MILLI;
    }
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS; l++) {
        event.node.row.domain[l] = GR_DOMAIN_NONE;
    }
    strcpy(event.node.name, "node");
    return event;
}

// Adds such a node.
static inline void fixture_node(struct fixture *fixture, unsigned devices)
{
    struct gr_event event = fixture_node_fact(fixture, devices);
    (void)fixture_apply(fixture, &event, NULL);
}

// Sets a node's state.
static inline void fixture_node_state(struct fixture *fixture, uint32_t node,
                                      enum gr_node_state state)
{
    struct gr_event event = fixture_fact(fixture, GR_NODE_STATE_SET);
    event.node_state.node = node;
    event.node_state.state = (uint32_t)state;
    (void)fixture_apply(fixture, &event, NULL);
}

// A core with one organisation, site, variant, a mask of everything, and no nodes.
static inline void fixture_init(struct fixture *fixture, const struct gr_core_config *config)
{
    struct gr_err err;
    memset(fixture, 0, sizeof *fixture);
    fixture->config = *config;
    fixture->at = 1000;
    fixture->pieces = calloc(GR_TASKS_MAX, sizeof *fixture->pieces);
    assert_non_null(fixture->pieces);
    assert_int_equal(gr_core_new(config, &fixture->core, &err), 0);
    struct gr_event event = fixture_fact(fixture, GR_ORG_ADDED);
    event.org.parent = UINT32_MAX;
    strcpy(event.org.name, "owner");
    (void)fixture_apply(fixture, &event, NULL);
    event = fixture_fact(fixture, GR_SITE_ADDED);
    strcpy(event.site.name, "site");
    (void)fixture_apply(fixture, &event, NULL);
    event = fixture_fact(fixture, GR_VARIANT_ADDED);
    strcpy(event.variant, "h20");
    (void)fixture_apply(fixture, &event, NULL);
    struct gr_mask mask;
    gr_mask_fill(&mask);
    event = fixture_fact(fixture, GR_MASK_ADDED);
    event.mask = &mask;
    (void)fixture_apply(fixture, &event, NULL);
}

// Ends it; the books must be in order.
static inline void fixture_done(struct fixture *fixture)
{
    assert_null(gr_core_audit(fixture->core));
    gr_core_free(fixture->core);
    free(fixture->pieces);
}

// `tasks` tasks of `devices` whole devices and a cpu each.
static inline struct gr_demand fixture_demand(uint32_t tasks, unsigned devices)
{
    return (struct gr_demand){.shape = {.cpu_milli = 1000,
                                        .milli = devices == 0 ? 0 : GR_DEVICE_MILLI,
                                        .devices = (uint8_t)devices},
                              .tasks = tasks,
                              .priority = 100};
}

// Submits a demand for everywhere. Returns the answer, and the job's id if it was accepted.
static inline enum gr_refusal fixture_ask(struct fixture *fixture, const struct gr_hooks *hooks,
                                          struct gr_demand demand, int64_t limit_ms,
                                          uint64_t *ret_job)
{
    struct gr_submission submission = {
        .demand = demand, .limit_ms = limit_ms, .tag = 77, .user = UINT32_MAX, .attempts = 2};
    struct gr_event events[2];
    unsigned count;
    gr_mask_fill(&submission.mask);
    enum gr_refusal refusal =
        gr_decide_submit(fixture->core, hooks, fixture->at, &submission, events, &count);
    for (unsigned i = 0; refusal == GR_REFUSED_NOTHING && i < count; i++) {
        (void)fixture_apply(fixture, &events[i], NULL);
        *ret_job = events[i].sequence;
    }
    return refusal;
}

// Submits a demand that must be accepted. Returns the job's id.
static inline uint64_t fixture_submit(struct fixture *fixture, struct gr_demand demand,
                                      int64_t limit_ms)
{
    uint64_t job = 0;
    enum gr_refusal refusal = fixture_ask(fixture, NULL, demand, limit_ms, &job);
    assert_string_equal(gr_refusal_name(refusal), "nothing");
    return job;
}

// One decision about the queue, applied. Returns the job that was placed, or 0; a reservation is
// applied and followed by the next decision.
static inline uint64_t fixture_start(struct fixture *fixture)
{
    struct gr_event event;
    while (gr_decide_start(fixture->core, NULL, fixture->at, fixture->pieces, &event)) {
        (void)fixture_apply(fixture, &event, NULL);
        if (event.type == GR_JOB_PLACED) {
            return event.placed.job;
        }
        assert_int_equal(event.type, GR_ROOM_RESERVED);
    }
    return 0;
}

// Ends a running job now.
static inline void fixture_finish(struct fixture *fixture, uint64_t job)
{
    struct gr_ending ending = {.outcome = GR_OUTCOME_DONE};
    struct gr_event event = gr_decide_end(fixture->core, fixture->at, fixture->at, job, &ending);
    (void)fixture_apply(fixture, &event, NULL);
}
