// The big pool of the placement benchmarks: a fleet of racks at six sites with eight kinds, the
// demand mix of a recorded trace, and a crowd of live jobs that come and go.
#pragma once

#include "core/core.h"

#include <stdbool.h>

// How the pool is made.
struct gr_crowd_config {
    uint32_t nodes;     // of 8 devices
    const char *policy; // static
    uint32_t jobs;      // most live jobs
    uint32_t pieces;    // most further pieces of gangs
    uint32_t rack;      // nodes of one; 0: 16
    enum gr_order order;
    uint32_t orgs;  // organisations, and users, at most; 0: 128
    uint32_t slots; // shapes the index keeps scores for; 0: 160
};

// A pool and its live jobs.
struct gr_crowd {
    struct gr_core *core;
    struct gr_mix_item *mix; // popularity is `count`
    size_t mix_count;
    uint64_t *upto; // running sums of the counts, for drawing
    uint64_t *live; // ids of running jobs, in no order
    size_t live_count, live_max;
    uint64_t capacity_milli;
    uint64_t random;   // state of the generator (SplitMix64)
    size_t next;       // of `live`, to end next
    uint64_t failures; // placements that found no room
    int64_t now_ms;
    struct gr_piece *pieces; // GR_TASKS_MAX
};

// Builds the fleet and sets the mix (tests/data, the recorded openb default mix: cpu, memory and
// devices as asked, any kind). Returns 0 or a negative errno with a text; *ret_crowd is to be ended
// with gr_crowd_end on success.
int gr_crowd_begin(const struct gr_crowd_config *config, struct gr_crowd *ret_crowd,
                   struct gr_err *err);
// The configuration of its core, for another of the same size.
struct gr_core_config gr_crowd_core(const struct gr_crowd_config *config);
// Gives everything back. Safe on a zeroed crowd.
void gr_crowd_end(struct gr_crowd *crowd);

// A random number below `limit` (> 0), uniform enough for a workload.
uint64_t gr_crowd_draw(struct gr_crowd *crowd, uint64_t limit);

// A shape drawn by its popularity in the mix. Borrowed.
const struct gr_shape *gr_crowd_shape(struct gr_crowd *crowd);

// Submits one random demand and starts it if there is room; otherwise drops it and counts a
// failure. True if it runs. Decide, check and apply of all facts involved.
bool gr_crowd_place(struct gr_crowd *crowd);
// Ends the running job at `index` of `live`.
void gr_crowd_release(struct gr_crowd *crowd, size_t index);
// Draws which running job ends next, uniformly, and asks for its place in `live`: the list is the
// benchmark's own, and a wait for it would be measured as if it were the pool's.
void gr_crowd_next_draw(struct gr_crowd *crowd);
// The index that was drawn, or a new one if it is gone.
size_t gr_crowd_next(struct gr_crowd *crowd);

// Places until `percent` of all device milli are held.
void gr_crowd_fill(struct gr_crowd *crowd, double percent);
// `pairs` times: end a job drawn uniformly, then place until `percent` is held again, with at most
// four tries. Tries that find no room are lost and counted as failures.
void gr_crowd_churn(struct gr_crowd *crowd, uint64_t pairs, double percent);
// Used part of all devices, percent.
double gr_crowd_used_percent(const struct gr_crowd *crowd);
// Nodes that differ in what is free (devices in any order, cpu, memory, variant, site): the number
// of different states. -1 without memory.
long gr_crowd_classes(const struct gr_crowd *crowd);
