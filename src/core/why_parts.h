// What the files of gr_core_why share. For src/core/why*.c only.
#pragma once

#include "core/queue.h"
#include "core/why.h"

// A question.
struct gr_why_ask {
    struct gr_core *core;       // borrowed, as all of it
    const struct gr_job *job;   // that is asked about
    const struct gr_need *need; // its need
    uint32_t slot;              // its slot
    int64_t at_ms;              // of the question
    struct gr_piece *pieces;    // GR_TASKS_MAX
    struct gr_why *why;         // zero at first
};

// What came of counting who is before.
struct gr_why_line {
    // Work before it, of those who may want the same variants: milli x milliseconds of devices.
    unsigned __int128 work;
    // The first job in order, but for this one, that comes before a new one of its queue and that
    // quotas and limits let start; GR_NONE: there is none.
    uint32_t first;
};

// --- why_line.c

// Position, who is before and why.
struct gr_why_line gr_why_line_count(const struct gr_why_ask *ask);

// --- why_bound.c

// Which limit of terms or quotas it is.
void gr_why_bound_find(const struct gr_why_ask *ask);
// How many milli more of devices limits of held devices and quotas let it take: the most of any
// variant of its need.
uint64_t gr_why_bound_left(const struct gr_why_ask *ask);

// --- why_evict.c

// Whom the pool would stop for it, and what for. The state is the same afterwards.
void gr_why_evict(const struct gr_why_ask *ask);

// --- why_when.c

// When it can start. `work`: that comes before it.
void gr_why_when(const struct gr_why_ask *ask, unsigned __int128 work);
