// The pool's time: see pool_clock.h.
#include "daemon/pool_clock.h"

#include <assert.h>
#include <stddef.h>

void gr_pool_clock_init(struct gr_pool_clock *clock, int64_t wall_ms, int64_t boot_ms,
                        int64_t last_ms, bool believes)
{
    assert(clock != NULL && last_ms >= 0);
    bool is_behind = last_ms > 0 && wall_ms < last_ms - GR_POOL_CLOCK_JUMP_MS;
    bool is_ahead = last_ms > 0 && wall_ms > last_ms && wall_ms - last_ms > GR_POOL_CLOCK_OFF_MS;
    // Facts never go back in time, whoever says so.
    clock->is_doubted = is_behind || (is_ahead && !believes);
    clock->at_ms = clock->is_doubted ? last_ms : wall_ms;
    clock->boot_ms = boot_ms;
}

// Where the pool's time is if the machine's clock is wrong.
static int64_t expected(const struct gr_pool_clock *clock, int64_t boot_ms)
{
    return clock->at_ms + (boot_ms > clock->boot_ms ? boot_ms - clock->boot_ms : 0);
}

static bool is_near(int64_t a_ms, int64_t b_ms)
{
    return a_ms - b_ms <= GR_POOL_CLOCK_JUMP_MS && b_ms - a_ms <= GR_POOL_CLOCK_JUMP_MS;
}

int64_t gr_pool_clock_now(const struct gr_pool_clock *clock, int64_t wall_ms, int64_t boot_ms)
{
    int64_t now_ms = expected(clock, boot_ms);
    return is_near(wall_ms, now_ms) ? wall_ms : now_ms;
}

bool gr_pool_clock_turn(struct gr_pool_clock *clock, int64_t wall_ms, int64_t boot_ms)
{
    bool was_doubted = clock->is_doubted;
    int64_t now_ms = expected(clock, boot_ms);
    clock->is_doubted = !is_near(wall_ms, now_ms);
    clock->at_ms = clock->is_doubted ? now_ms : wall_ms;
    clock->boot_ms = boot_ms > clock->boot_ms ? boot_ms : clock->boot_ms;
    return clock->is_doubted != was_doubted;
}
