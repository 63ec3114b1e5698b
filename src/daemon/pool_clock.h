// The pool's time: this machine's clock as long as it can be believed. One that jumps far ahead
// would end time limits, forget idempotency keys and prune the history at once, and the time of
// facts would stand still for as long when it is set right again. So a jump is doubted: the pool's
// time goes on by the clock that does not jump until the two agree again, or until a start.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Further apart than this the machine's clock is doubted: a jump while the pool is served; and,
// ahead of the last fact, at a start (a pool may have been off for long).
#define GR_POOL_CLOCK_JUMP_MS (INT64_C(3600) * 1000)
#define GR_POOL_CLOCK_OFF_MS (INT64_C(30) * 86400 * 1000)

// A moment in both clocks. Caller's memory.
struct gr_pool_clock {
    int64_t at_ms;   // pool time, Unix
    int64_t boot_ms; // gr_clock_boot_ms then
    bool is_doubted; // the machine's clock is
};

// Begins at a start: the machine's two clocks, the time of the last fact (0: there is none), and
// whether an operator says that the clock is right.
void gr_pool_clock_init(struct gr_pool_clock *clock, int64_t wall_ms, int64_t boot_ms,
                        int64_t last_ms, bool believes);
// The pool's time. Pure.
int64_t gr_pool_clock_now(const struct gr_pool_clock *clock, int64_t wall_ms, int64_t boot_ms);
// Takes note of where the clocks are; now and then, so that small steps do not add up to a jump.
// Returns whether the clock began or ceased to be doubted.
bool gr_pool_clock_turn(struct gr_pool_clock *clock, int64_t wall_ms, int64_t boot_ms);
