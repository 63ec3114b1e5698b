// Jobs that ended: the newest ones, in memory, so that their outcome can be shown and waited for.
// The core forgets a job when it ends. Older ones are in the history (history.h).
#pragma once

#include "base/err.h"
#include "core/core.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Nodes of a job that ended that are kept.
#define GR_ENDED_NODES 8

// How a job ended, and what it was.
struct gr_ended {
    uint64_t id;                               // of the job
    uint64_t sequence;                         // of the fact that ended it
    uint64_t array;                            // id of the array's first element; 0: none
    int64_t submitted_ms, placed_ms, ended_ms; // placed_ms 0: it never was
    int64_t limit_ms;                          // 0: none
    struct gr_demand demand;
    struct gr_ending ending;        // of the last attempt; all zero if there was none
    uint32_t array_index;           // of this element
    uint32_t org, user;             // indexes
    uint32_t attempt, attempts;     // the last one; at most
    uint32_t dropped;               // enum gr_refusal: why it left without a start; 0: it ran
    uint32_t node_count;            // of nodes
    uint32_t nodes[GR_ENDED_NODES]; // numbers: where its last attempt ran, the first of them
    char text[160];                 // what the engine said, or ""
};

// Copies one. Mostly there is no text: what lies behind its end is left as it was.
void gr_ended_copy(struct gr_ended *ret_ended, const struct gr_ended *ended);

struct gr_ended_ring; // opaque

// Holds at most `most` jobs.
int gr_ended_ring_new(uint32_t most, struct gr_ended_ring **ret_ring, struct gr_err *err);
// NULL is allowed.
void gr_ended_ring_free(struct gr_ended_ring *ring);
// Adds one; the oldest makes room. Returns the copy in the ring, borrowed until the next add.
struct gr_ended *gr_ended_ring_add(struct gr_ended_ring *ring, const struct gr_ended *ended);
// A job that ended, or NULL. Borrowed until the next add.
const struct gr_ended *gr_ended_ring_find(const struct gr_ended_ring *ring, uint64_t job);
// The one that ended `back` places ago (0: the last), or NULL. Borrowed until the next add.
const struct gr_ended *gr_ended_ring_back(const struct gr_ended_ring *ring, uint32_t back);

// Fills `ret_ended` from a fact that ends a job (GR_JOB_FINISHED, GR_JOB_DROPPED), before the core
// applies it.
void gr_ended_from(const struct gr_core *core, const struct gr_event *event,
                   struct gr_ended *ret_ended);
