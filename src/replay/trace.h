// A recorded workload: the nodes of a pool and the jobs that arrived, as read from files.
//
// Promises: a trace that loads is whole and valid; one bad line and nothing is loaded. Names are
// kept so that reports and errors can speak the file's language. Must never guess a missing number.
#pragma once

#include "base/err.h"
#include "model/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// "has no end": a job that never leaves (openb).
#define GR_TRACE_FOREVER INT64_MAX

// In gr_trace_node.domain: the node has no domain at this level.
#define GR_TRACE_NO_DOMAIN UINT32_MAX

// Priority of a job whose file states none.
#define GR_TRACE_PRIORITY 100

// Most jobs of one trace, and most entries of its order.
#define GR_TRACE_JOBS_MAX 16777216

// One node as the file states it.
struct gr_trace_node {
    const char *name; // owned by the trace; at most GR_NAME_SIZE - 1 bytes; no two alike
    uint32_t model;   // index into gr_trace.models; the node's accelerator model
    uint32_t site;    // index into gr_trace.sites (0 when the file has no site column)
    // Index into gr_trace.domains[level], wide to narrow; or GR_TRACE_NO_DOMAIN.
    uint32_t domain[GR_DOMAIN_LEVELS];
    uint32_t devices;    // accelerators, 0..GR_NODE_DEVICES_MAX
    uint32_t cpu_milli;  // 1/1000 of a cpu
    uint32_t memory_mib; // MiB
};

// One job as the file states it; all tasks of a job are alike.
struct gr_trace_job {
    const char *name;      // owned by the trace; "" when the file names none
    int64_t submit_ms;     // virtual time of arrival, milliseconds; 0 is the first arrival
    int64_t duration_ms;   // how long it runs once started; GR_TRACE_FOREVER: never leaves
    int64_t limit_ms;      // time limit it was given (for backfill); = duration_ms when unknown
    int64_t checkpoint_ms; // its work is safe each time it ran for so long; 0: never
    uint32_t tasks;        // tasks in the gang, 1..GR_TASKS_MAX
    uint32_t devices;      // devices a task, 0: only cpu
    uint32_t milli;        // per device, 1..1000; 0 when devices is 0
    uint32_t cpu_milli;    // per task
    uint32_t memory_mib;   // per task
    uint32_t kind;         // index into gr_trace.kinds: the text it was asked by
    uint32_t models;       // index into gr_trace.model_sets: what that text means (0: any model)
    uint32_t user, queue;  // indexes into gr_trace.users, gr_trace.queues (0: not given)
    uint8_t use;           // enum gr_use of model/demand.h
    uint8_t priority;      // 0..255, higher first; GR_TRACE_PRIORITY when not given
    uint8_t domain_level;  // 1..GR_DOMAIN_LEVELS: all tasks share that topology level; 0: none
};

// A set of models that a job accepts: a bit a model, bit i % 64 of word i / 64.
struct gr_trace_models {
    uint64_t bits[GR_POOL_VARIANTS_MAX / 64]; // one a model
};

// What a queue may hold of a model; see struct gr_quota.
struct gr_trace_quota {
    uint32_t queue, model;                            // indexes
    uint64_t nominal_milli, borrow_milli, lend_milli; // GR_ANY_MILLI as there
};

// A whole trace. All memory belongs to the trace; gr_trace_done gives it back.
struct gr_trace {
    struct gr_trace_node *nodes; // in the order of their ranks: node i is the pool's node i
    size_t node_count;
    struct gr_trace_job *jobs; // in file order; `order` says how they arrive
    size_t job_count;
    uint32_t *order; // indexes into jobs, in order of arrival; may name a job twice
    size_t order_count;
    const char **models, **sites; // names
    size_t model_count, site_count;
    const char **users, **queues, **kinds; // names; [0] is ""; of a kind: models joined by '|'
    size_t user_count, queue_count, kind_count;
    const char **domains[GR_DOMAIN_LEVELS]; // names of each level
    size_t domain_count[GR_DOMAIN_LEVELS];
    struct gr_trace_models *model_sets; // no two alike; [0] is every model
    size_t model_set_count;
    struct gr_trace_quota *quotas; // no two of one queue and model
    size_t quota_count;
    struct gr_trace_memory *memory; // where the names lie, and the readers' tables
};

// Gives back all memory of `trace` and zeroes it. Safe on a zeroed trace.
void gr_trace_done(struct gr_trace *trace);

// All devices of the trace's nodes, in milli.
uint64_t gr_trace_capacity_milli(const struct gr_trace *trace);

// Device milli that a job asks for, all tasks together.
uint64_t gr_trace_job_milli(const struct gr_trace_job *job);

// Whether any job of the trace leaves: such a trace has a queue, the others drop what does not fit.
bool gr_trace_has_departures(const struct gr_trace *trace);
