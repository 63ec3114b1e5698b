// The machine's two clocks. What measures a span or a deadline asks the one that never jumps; only
// what is shown to people or kept over restarts asks the one on the wall.
#pragma once

#include <stdint.h>
#include <time.h>

// Nanoseconds of CLOCK_MONOTONIC: they only grow, and mean nothing but their difference. Never
// fails, never blocks.
int64_t gr_clock_ns(void);
// The same clock in milliseconds, rounded down.
int64_t gr_clock_ms(void);
// As gr_clock_ms, by CLOCK_BOOTTIME: it goes on while the machine sleeps, and starts at another
// number.
int64_t gr_clock_boot_ms(void);
// Milliseconds since 1970 UTC (CLOCK_REALTIME), rounded down: may jump either way when the clock is
// set. Never fails, never blocks.
int64_t gr_clock_wall_ms(void);
// The moment `ms` (at least 0) from now by CLOCK_MONOTONIC, for pthread_cond_clockwait.
void gr_clock_after(int64_t ms, struct timespec *ret_at);
