// Taking room back: holds (room that is being freed for one job), whose work may go, and which
// goes. For src/core only; docs/design/queue.md says why no cycle is possible.
#pragma once

#include "core/queue.h"

// --- holds.c: nodes that are held (state)

// The hold of a job, or NULL.
const struct gr_hold *gr_hold_find(const struct gr_core *core, uint64_t job);
// Row of a hold plus 1, for each node; 0: it is not held.
static inline uint16_t *gr_held_at(const struct gr_core *core)
{
    return (uint16_t *)gr_core_at(core, core->held_nodes_at);
}
// True if the node is held for another job than this one (0: for any).
bool gr_hold_keeps(const struct gr_core *core, uint32_t node, uint64_t job);
// Takes all held nodes out of bounds, or back. See gr_reserve_hide, which is called inside this.
void gr_holds_hide(struct gr_core *core, bool hidden);
// The facts GR_ROOM_HELD and GR_ROOM_FREED: pieces were checked.
enum gr_refusal gr_hold_check(const struct gr_core *core, const struct gr_event *event);
// See gr_hold_check.
void gr_hold_add(struct gr_core *core, const struct gr_event *event);
// A hold ends, if the job has one: its nodes are for anybody again.
void gr_hold_end(struct gr_core *core, uint64_t job);
// Slots of the running jobs that were called for a hold and not asked to stop yet, in no order.
// Returns how many, at most GR_CALLED_MAX.
uint32_t gr_hold_called(const struct gr_core *core, const struct gr_hold *hold,
                        uint32_t *ret_slots);
// A running job has lost a part: it is called no more if it holds nothing there now.
void gr_hold_look(struct gr_core *core, uint32_t slot);
// NULL, or what does not hold.
const char *gr_holds_audit(const struct gr_core *core);

// --- lost.c: what is lost

// Work that is lost if a running job ends at `at_ms`, in milli x milliseconds of devices.
uint64_t gr_lost_of(const struct gr_core *core, const struct gr_job *job, int64_t at_ms);
// How much more may be lost at `at_ms`; UINT64_MAX: no cap.
uint64_t gr_lost_left(const struct gr_core *core, int64_t at_ms);
// A job is asked to stop for its room: what it loses counts.
void gr_lost_add(struct gr_core *core, const struct gr_job *job, int64_t at_ms);
// What counts of the last hour as of now, before the cap changes.
void gr_lost_pass(struct gr_core *core);

// --- victims*.c: whose work goes. Asked between gr_reclaim_try and gr_reclaim_tried, when quotas
// count what will be: without those who were asked to stop, and with those for whom room is held.

// For whom room is taken, and where.
struct gr_taker {
    struct gr_core *core;     // borrowed
    const struct gr_job *job; // borrowed
    int64_t at_ms;            // of the decision
    uint32_t variant;         // index
    uint64_t hold; // the job's id: only nodes that are held for it; 0: only nodes held for nobody
    bool moves;    // those who go are to start elsewhere: defrag.h. Rights do not matter then
};

// Jobs that go, in the order in which they are asked to.
struct gr_victims {
    uint32_t *slots; // in the core's scratch table
    uint32_t count;
    uint64_t cost; // of all of them together
};

// May this running job go for the taker? Not one that was called for somebody else.
bool gr_victim_may(const struct gr_taker *taker, uint32_t slot);
// Does a job go because of its lower priority? Then its going takes nothing from the right to call
// others, but what it gives back may: the others are asked before it.
bool gr_victim_is_lower(const struct gr_taker *taker, uint32_t slot);
// May all of these still go, in this order, without losing more than may be lost, and does the
// taker then have its right, and room where it is held for it? If not, *ret_why.
bool gr_victims_still(const struct gr_taker *taker, const uint32_t *slots, uint32_t count,
                      struct gr_piece *pieces, enum gr_freed_why *ret_why);
// Has the taker's organisation a right to what the job takes, once `back` milli of its own come
// back? If others only move: do quotas leave it as much?
bool gr_taker_may(const struct gr_taker *taker, uint64_t back);
// Pieces of the job on the nodes it may use, by what is free there, and with `coming` what jobs
// hold that were asked to stop. Returns how many tasks found room; the pieces are whole if all did.
uint32_t gr_taker_fill(const struct gr_taker *taker, bool coming, struct gr_piece *pieces);
// Chooses victims so that the job fits, and pieces where it will. False: there are none, they would
// lose more than may be lost, or they are more than GR_CALLED_MAX. With no victims: it fits when
// those have ended that were asked.
bool gr_victims_choose(const struct gr_taker *taker, struct gr_victims *ret_victims,
                       struct gr_piece *pieces);

// --- reclaim.c: what to do

// Quotas count what will be, but for the hold of `job` (0: for none); and what is, again.
void gr_reclaim_try(struct gr_core *core, uint64_t job);
// See gr_reclaim_try.
void gr_reclaim_tried(struct gr_core *core, uint64_t job);
// The next fact of a hold: a stop, a start, or its end. False: nothing is to be done now.
bool gr_holds_next(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                   struct gr_piece *pieces, struct gr_event *ret_event);
// GR_ROOM_HELD for a waiting job: those who go are called. Borrows `pieces`.
struct gr_event gr_hold_fact(struct gr_core *core, int64_t at_ms, const struct gr_job *job,
                             const struct gr_victims *victims, enum gr_stop_why how,
                             const struct gr_piece *pieces);
// Holds room for a waiting job by taking it from others: true and GR_ROOM_HELD. `variants`: where.
bool gr_reclaim_for(struct gr_core *core, int64_t at_ms, const struct gr_job *job,
                    const uint64_t variants[GR_VARIANT_WORDS], struct gr_piece *pieces,
                    struct gr_event *ret_event);
