// Parts of running gangs: tasks that are lost with their node or device, and get another place
// while the others run on. For src/core only; docs/design/queue.md has the picture.
//
// A task that was lost leaves a hole in the allocation: its piece is missing (GR_NODE_MISSING), and
// nothing counts it anywhere, neither what is used nor shares, quotas or limits. Numbers of tasks
// stay: task i is piece i. A job that lacks tasks is *mending*.
#pragma once

#include "core/queue.h"

// A row by number.
static inline struct gr_part_row *gr_part_row_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_part_row *)gr_core_at(core, core->parts_at) + row;
}

// Number of the row of a running job; GR_NONE: its attempt has lost nothing.
uint32_t gr_part_row_find(const struct gr_core *core, const struct gr_job *job);
// Tasks of a running job that have no place now.
uint32_t gr_part_missing_of(const struct gr_core *core, const struct gr_job *job);
// The same by slot.
uint32_t gr_part_missing(const struct gr_core *core, uint32_t slot);
// Devices that the tasks of a running job hold now, in milli.
uint64_t gr_part_held_milli(const struct gr_core *core, const struct gr_job *job);

// The fact names a task that has this place. That the job may lose it was checked.
enum gr_refusal gr_part_lost_check(const struct gr_core *core, const struct gr_event *event);
// The job lacks tasks, and this is its next part. Pieces are checked like those of a start.
enum gr_refusal gr_part_placed_check(const struct gr_core *core, const struct gr_event *event);
// The fact GR_PART_LOST, which was checked.
void gr_part_lose(struct gr_core *core, const struct gr_event *event);
// The fact GR_PART_PLACED, which was checked.
void gr_part_fill(struct gr_core *core, const struct gr_event *event);
// The attempt is over, its allocation given back: its row goes.
void gr_part_forget(struct gr_core *core, uint32_t slot);
// NULL, or what does not hold.
const char *gr_parts_audit(const struct gr_core *core);

// --- part_place.c

// What is to be done for jobs that lack tasks: GR_PART_PLACED, GR_STOP_ASKED for one that has
// waited too long, or GR_MASK_ADDED. False: nothing now. `pieces`: GR_TASKS_MAX of them.
bool gr_part_next(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                  struct gr_piece *pieces, struct gr_event *ret_event);
// When the first of them will have waited too long; INT64_MAX: none waits.
int64_t gr_part_wake_ms(const struct gr_core *core);
