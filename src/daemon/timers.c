// A heap of deadlines: see timers.h.
#include "daemon/timers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

// Moves `timer` from place `at` of the heap down to where it belongs.
static void sift_down(struct gr_timers *timers, size_t at, struct gr_timer timer)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count &&
            timers->heap[child + 1].at_ms < timers->heap[child].at_ms) {
            child++;
        }
        if (timers->heap[child].at_ms >= timer.at_ms) {
            break;
        }
        timers->heap[at] = timers->heap[child];
        at = child;
    }
    timers->heap[at] = timer;
}

// Throws out what does not matter any more.
static void prune(struct gr_timers *timers)
{
    size_t kept = 0;
    for (size_t i = 0; timers->matters != NULL && i < timers->count; i++) {
        if (timers->matters(timers->context, &timers->heap[i])) {
            timers->heap[kept++] = timers->heap[i];
        }
    }
    timers->count = timers->matters != NULL ? kept : timers->count;
    for (size_t at = timers->count / 2; at > 0; at--) {
        sift_down(timers, at - 1, timers->heap[at - 1]);
    }
}

// Room for one more. Pruned it is at most half full, so that the next time is as many timers away
// as were looked at now.
static int make_room(struct gr_timers *timers)
{
    prune(timers);
    if (timers->count < timers->room / 2) {
        return 0;
    }
    size_t room = timers->room == 0 ? 4096 : timers->room * 2;
    struct gr_timer *heap = realloc(timers->heap, room * sizeof *heap);
    if (heap == NULL) {
        return timers->count < timers->room ? 0 : -ENOMEM;
    }
    timers->heap = heap;
    timers->room = room;
    return 0;
}

int gr_timers_add(struct gr_timers *timers, const struct gr_timer *timer)
{
    assert(timers != NULL && timer != NULL);
    if (timers->count == timers->room) {
        int rc = make_room(timers);
        if (rc != 0) {
            return rc;
        }
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
    if (timers->count > 0) {
        sift_down(timers, 0, last);
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
