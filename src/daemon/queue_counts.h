// What the queue did since the daemon started, counted from its facts: attempts that the pool
// itself stopped, what they lost, and how long jobs waited. For metrics; they begin anew with each
// start.
#pragma once

#include "core/core.h"

#include <stdint.h>

// Why the pool stopped an attempt for the sake of others.
enum gr_preempted {
    GR_PREEMPTED_BORROWED = 0, // its room was borrowed, and an owner took it back
    GR_PREEMPTED_PRIORITY,     // for work of higher priority
    GR_PREEMPTED_NODE,         // its node had to be empty, or failed
};
#define GR_PREEMPTED_WHYS 3
// The label ("borrowed"). Static text.
const char *gr_preempted_name(enum gr_preempted why);

// Upper ends of the steps of waits, in seconds; beyond the last there is one more.
#define GR_WAIT_STEPS 8u
// See GR_WAIT_STEPS. Static memory.
extern const uint32_t gr_wait_steps[GR_WAIT_STEPS];

// The counts. Zero at first.
struct gr_queue_counts {
    uint64_t preempted[GR_PREEMPTED_WHYS]; // attempts that were asked to stop
    uint64_t lost[GR_PREEMPTED_WHYS];      // their work, in milli x milliseconds of devices
    // Jobs that waited for no other job, from submission to first start, by length.
    uint64_t waits[GR_WAIT_STEPS + 1];
    uint64_t waited_ms; // of all of them
};
// Counts a fact that is about to be applied.
void gr_queue_counts_fact(struct gr_queue_counts *counts, struct gr_core *core,
                          const struct gr_event *event);
