// The parts of one replay: pool, loop, measures, verification. For run*.c only.
#pragma once

#include "replay/run.h"

// What comes to an attempt.
enum gr_run_end_what {
    GR_RUN_END_DONE = 0,   // its work is done
    GR_RUN_END_STOPPED,    // its notice is over
    GR_RUN_END_CHECKPOINT, // what it did so far is safe
};

// One departure, or checkpoint, to come.
struct gr_run_end {
    int64_t at_ms;     // virtual time
    uint64_t sequence; // of the fact that it follows from: breaks ties
    uint64_t job;      // the core's id
    uint32_t attempt;  // if the job is at another by then, nothing comes
    uint32_t what;     // enum gr_run_end_what
};

// What is still to be done of an arrival.
struct gr_run_work {
    int64_t left_ms;  // work after the last checkpoint of its last attempt
    int64_t began_ms; // its last attempt
    int64_t waits_ms; // since when it waits, or waited before it
};

// Integrals over time.
struct gr_run_time {
    double passed_ms;  // the time itself
    double used, frag; // milli x ms
};

// Who submits, where the order asks: indexes of the trace.
struct gr_run_owner {
    uint32_t queue, user; // of gr_trace
};

// One replay in progress. All memory is its own.
struct gr_run {
    const struct gr_trace *trace;       // borrowed
    const struct gr_run_config *config; // borrowed
    struct gr_core *core;               // owned
    struct gr_result result;
    uint16_t *masks; // [model_set_count] the core's mask of each set
    // Who submits, in order, each once: the core's users. NULL if the order does not ask.
    struct gr_run_owner *owners;
    size_t owner_count;
    bool has_queue;         // the trace has departures
    uint64_t steps;         // arrivals and departures so far
    uint64_t arrived_milli; // device milli asked for so far

    struct gr_piece *pieces;    // [GR_TASKS_MAX] of the fact at hand
    struct gr_run_work *work;   // [order_count]; NULL without departures
    struct gr_run_end *ends;    // a heap: the earliest departure first
    size_t end_count, end_room; // in use, allocated

    // Facts as bytes, for verification.
    uint8_t *facts;
    size_t facts_size, facts_room;

    // Measures.
    double *node_frag; // [node_count] milli; sum in frag
    double frag;
    int64_t sample_step_ms, sample_next_ms;
    int64_t before_ms;               // time of the last change
    struct gr_run_time all, pressed; // over all time; over the time in which jobs waited
    uint64_t most_used;              // at the samples, for the fills
};

// Checks, records and applies a fact, and measures what it touched. 0, or -EPROTO with a text.
int gr_run_fact(struct gr_run *run, const struct gr_event *event, struct gr_err *err);

// Makes the core and the facts of the pool: organisation, sites, variants, masks, nodes, mix.
int gr_run_set_up(struct gr_run *run, struct gr_err *err);

// Finds out who submits. 0, -ENOMEM, or -ENOSPC with a text: more than a core can hold.
int gr_run_owners_find(struct gr_run *run, struct gr_err *err);
// Makes the facts of organisations and users. 0, or what gr_run_fact returns.
int gr_run_owners_add(struct gr_run *run, struct gr_err *err);
// Makes the facts of the queue's terms and quotas; the pool is complete. 0, or what gr_run_fact
// returns.
int gr_run_terms_set(struct gr_run *run, struct gr_err *err);
// Organisation and user, as the core numbers them, of a job that arrives.
void gr_run_owner_get(const struct gr_run *run, const struct gr_trace_job *job, uint32_t *ret_org,
                      uint32_t *ret_user);

// Makes the tables of what is to be done. 0 or -ENOMEM. For traces with a queue.
int gr_run_work_begin(struct gr_run *run, struct gr_err *err);
// Applies the fact that a job starts, and notes when it leaves.
int gr_run_place(struct gr_run *run, const struct gr_event *event, struct gr_err *err);
// Applies the fact that a job is asked to stop: it ends when its notice is over, if not before.
int gr_run_stop(struct gr_run *run, const struct gr_event *event, struct gr_err *err);
// When the next departure or checkpoint comes; INT64_MAX: none does.
int64_t gr_run_ends_next(struct gr_run *run);
// All departures and checkpoints of this moment.
int gr_run_ends(struct gr_run *run, int64_t at_ms, struct gr_err *err);
// Adds to what comes. 0 or -ENOMEM.
int gr_run_end_push(struct gr_run *run, struct gr_run_end end, struct gr_err *err);
// Takes the earliest of what comes; there is something.
struct gr_run_end gr_run_end_take(struct gr_run *run);
// Counts a step for who watches.
void gr_run_step(struct gr_run *run);

// Begins measuring: the pool is complete and empty.
int gr_run_measure_begin(struct gr_run *run, struct gr_err *err);
// Notes that `count` pieces changed what is free on their nodes.
void gr_run_measure_pieces(struct gr_run *run, const struct gr_piece *pieces, size_t count);
// Adds the time up to `at_ms` to the means over time. Call before the state changes.
void gr_run_measure_time(struct gr_run *run, int64_t at_ms);
// Notes the state after all that happened at `at_ms` (traces with a queue).
int gr_run_measure_sample(struct gr_run *run, int64_t at_ms, struct gr_err *err);
// Notes one point of the curve after an arrival (traces without a queue).
void gr_run_measure_arrival(struct gr_run *run);
// Works out the figures of the result.
int gr_run_measure_end(struct gr_run *run, struct gr_err *err);

// Appends a fact to the record. 0 or -ENOMEM.
int gr_run_record(struct gr_run *run, const struct gr_event *event, struct gr_err *err);
// Applies the record to a fresh core and compares: digests, audits. 0, -ENOMEM or -EPROTO.
int gr_run_verify(struct gr_run *run, struct gr_err *err);

// The configuration of the core that this replay needs. `ret_config->policy` borrows.
void gr_run_core_config(const struct gr_run *run, struct gr_core_config *ret_config);
