// What comes to running work: a binary heap, the earliest first. See run_parts.h.
#include "replay/run_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static bool end_before(const struct gr_run_end *a, const struct gr_run_end *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->sequence < b->sequence;
}

int gr_run_end_push(struct gr_run *run, struct gr_run_end end, struct gr_err *err)
{
    if (run->end_count == run->end_room) {
        size_t room = run->end_room == 0 ? 1024 : run->end_room * 2;
        struct gr_run_end *grown = reallocarray(run->ends, room, sizeof *grown);
        if (grown == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for the replay");
        }
        run->ends = grown;
        run->end_room = room;
    }
    size_t at = run->end_count++;
    while (at > 0 && end_before(&end, &run->ends[(at - 1) / 2])) {
        run->ends[at] = run->ends[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    run->ends[at] = end;
    return 0;
}

struct gr_run_end gr_run_end_take(struct gr_run *run)
{
    assert(run->end_count > 0);
    struct gr_run_end first = run->ends[0];
    struct gr_run_end moving = run->ends[--run->end_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= run->end_count) {
            break;
        }
        if (child + 1 < run->end_count && end_before(&run->ends[child + 1], &run->ends[child])) {
            child++;
        }
        if (!end_before(&run->ends[child], &moving)) {
            break;
        }
        run->ends[at] = run->ends[child];
        at = child;
    }
    run->ends[at] = moving;
    return first;
}
