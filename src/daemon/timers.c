// A heap of deadlines: see timers.h.
#include "daemon/timers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int gr_timers_add(struct gr_timers *timers, const struct gr_timer *timer)
{
    assert(timers != NULL && timer != NULL);
    if (timers->count == timers->room) {
        size_t room = timers->room == 0 ? 256 : timers->room * 2;
        struct gr_timer *heap = realloc(timers->heap, room * sizeof *heap);
        if (heap == NULL) {
            return -ENOMEM;
        }
        timers->heap = heap;
        timers->room = room;
    }
    size_t at = timers->count++;
    while (at > 0 && timers->heap[(at - 1) / 2].at_ms > timer->at_ms) {
        timers->heap[at] = timers->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    timers->heap[at] = *timer;
    return 0;
}

bool gr_timers_take(struct gr_timers *timers, int64_t now_ms, struct gr_timer *ret_timer)
{
    assert(timers != NULL && ret_timer != NULL);
    if (timers->count == 0 || timers->heap[0].at_ms > now_ms) {
        return false;
    }
    *ret_timer = timers->heap[0];
    struct gr_timer last = timers->heap[--timers->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count &&
            timers->heap[child + 1].at_ms < timers->heap[child].at_ms) {
            child++;
        }
        if (timers->heap[child].at_ms >= last.at_ms) {
            break;
        }
        timers->heap[at] = timers->heap[child];
        at = child;
    }
    if (timers->count > 0) {
        timers->heap[at] = last;
    }
    return true;
}

int64_t gr_timers_next(const struct gr_timers *timers)
{
    return timers->count == 0 ? INT64_MAX : timers->heap[0].at_ms;
}

void gr_timers_done(struct gr_timers *timers)
{
    free(timers->heap);
    *timers = (struct gr_timers){0};
}
