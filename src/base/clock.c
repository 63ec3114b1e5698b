// The machine's two clocks: see clock.h.
#include "base/clock.h"

#include <assert.h>
#include <stddef.h>

#define SECOND_NS INT64_C(1000000000)

int64_t gr_clock_ns(void)
{
    struct timespec now;
    int rc = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(rc == 0);
    (void)rc;
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

int64_t gr_clock_ms(void)
{
    return gr_clock_ns() / 1000000;
}

static int64_t read_ms(clockid_t clock)
{
    struct timespec now;
    int rc = clock_gettime(clock, &now);
    assert(rc == 0);
    (void)rc;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t gr_clock_boot_ms(void)
{
    return read_ms(CLOCK_BOOTTIME);
}

int64_t gr_clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

void gr_clock_after(int64_t ms, struct timespec *ret_at)
{
    assert(ms >= 0 && ret_at != NULL);
    int64_t at_ns = gr_clock_ns() + ms * 1000000;
    *ret_at =
        (struct timespec){.tv_sec = (time_t)(at_ns / SECOND_NS), .tv_nsec = at_ns % SECOND_NS};
}
