// What is to be done at a time: a heap of deadlines. Nobody need remove one early: whoever gets one
// asks whether it still matters, and those that do not are thrown out before the heap grows. So it
// is never larger than a few times what matters, however short jobs are and however long their
// limits.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Why a timer was set.
enum gr_timer_kind {
    GR_TIMER_LIMIT = 1, // a running attempt reaches its time limit
    GR_TIMER_NOTICE,    // and is to be told before
    GR_TIMER_IDLE,      // it has been held-idle for as long as it may be
};

// One deadline, of a job's attempt.
struct gr_timer {
    int64_t at_ms; // Unix time
    uint64_t job;  // id
    uint32_t attempt;
    uint32_t kind; // enum gr_timer_kind
};

// Caller's memory; zeroed it is empty, and all matter.
struct gr_timers {
    struct gr_timer *heap; // the earliest first
    size_t count;
    size_t room; // of heap
    // Whether a timer still matters; NULL: all do. Set by the caller.
    bool (*matters)(const void *context, const struct gr_timer *timer);
    const void *context; // handed to it
};

// Adds one; may throw out those that do not matter. Returns 0 or -ENOMEM.
int gr_timers_add(struct gr_timers *timers, const struct gr_timer *timer);
// Takes the earliest if it is due at `now_ms`. False if none is.
bool gr_timers_take(struct gr_timers *timers, int64_t now_ms, struct gr_timer *ret_timer);
// When the earliest is due; INT64_MAX if there is none.
int64_t gr_timers_next(const struct gr_timers *timers);
// Frees all.
void gr_timers_done(struct gr_timers *timers);
