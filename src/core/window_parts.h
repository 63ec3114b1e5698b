// What the files about windows share. For src/core only; see windows.h.
#pragma once

#include "core/queue.h"
#include "core/windows.h"

// How far a window's nodes were looked at for work that must go. Follows from the facts: looking
// again from the first node on finds the same.
struct gr_window_swept {
    uint32_t node;  // the next one to look at
    uint32_t round; // 1: in the notice before it opens, 2: while it is open
};

// --- windows.c: the table (state)

// A window by row; id 0: a free row.
static inline struct gr_window *gr_window_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_window *)gr_core_at(core, core->windows_at) + row;
}

// A bit a node: of the window.
static inline uint64_t *gr_window_nodes(const struct gr_core *core, uint32_t row)
{
    return (uint64_t *)gr_core_at(core, core->window_nodes_at) +
           (uint64_t)row * ((core->limits.place.nodes + 63u) / 64);
}

// True if a node is one of the window's.
static inline bool gr_window_has(const struct gr_core *core, uint32_t row, uint32_t node)
{
    return (gr_window_nodes(core, row)[node / 64] >> node % 64 & 1) != 0;
}

// A byte a node, 1: maintenance keeps it out of use, and it would be up without.
static inline uint8_t *gr_shut_at(const struct gr_core *core)
{
    return (uint8_t *)gr_core_at(core, core->shut_at);
}

// Of how many windows each node is.
static inline uint16_t *gr_claims_at(const struct gr_core *core)
{
    return (uint16_t *)gr_core_at(core, core->claims_at);
}

// A bit a node: it is of a window.
static inline uint64_t *gr_claimed_at(const struct gr_core *core)
{
    return (uint64_t *)gr_core_at(core, core->claimed_at);
}

// See struct gr_window_swept.
static inline struct gr_window_swept *gr_window_swept_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_window_swept *)gr_core_at(core, core->swept_at) + row;
}

// Words of a bit a node, for the nodes there are.
static inline uint32_t gr_window_words(const struct gr_core *core)
{
    return (gr_place_node_count(gr_pool(core)) + 63) / 64;
}

// May GR_WINDOW_SET, whose name was checked, be part of the history? Structure only.
enum gr_refusal gr_window_check_set(const struct gr_core *core, const struct gr_event *event);
// The same for the other facts about windows.
enum gr_refusal gr_window_check_turn(const struct gr_core *core, const struct gr_event *event);
// A fact about a window that was checked. True if room is reserved on one of its nodes.
bool gr_window_apply(struct gr_core *core, const struct gr_event *event);
// The state that a node has in the pool once a fact sets it to `state`: maintenance by a window
// keeps it out of use.
enum gr_node_state gr_window_node_state(struct gr_core *core, uint32_t node,
                                        enum gr_node_state state);
// Copies the tables of state that gr_core_clone does not copy with others.
void gr_windows_copy(struct gr_core *to, const struct gr_core *from);
// Calls `each` for the nodes of each window, for the digest.
void gr_windows_parts(const struct gr_core *core,
                      void (*each)(void *context, const void *bytes, size_t size), void *context);
// Makes all that follows anew: after a load, or for a copy.
void gr_windows_rebuild(struct gr_core *core);
// NULL, or what does not hold.
const char *gr_windows_audit(const struct gr_core *core);

// --- window_time.c: when

// The next time of a window after the one that stands in it; false: that was the last.
bool gr_window_advance(struct gr_window *window);
// Goes on to the first time that ends after `at_ms`; false: all have passed.
bool gr_window_advance_past(struct gr_window *window, int64_t at_ms);
// True if two windows would ever be open at the same time. Windows that come again more than
// GR_WINDOW_TIMES_COMPARED times count as without end.
bool gr_windows_overlap(const struct gr_window *a, const struct gr_window *b);

// --- window_fit.c: who may start where

// What windows say of one job at one time: which nodes are barred for it, and which are its own.
struct gr_window_view {
    uint64_t barred[GR_WINDOWS_MAX / 64]; // rows whose nodes it may not start on
    uint64_t mine[GR_WINDOWS_MAX / 64];   // rows that are open, for it
    // A job that may run for no longer than this has fewer of them barred; <= 0: none has.
    int64_t shorter_ms;
    bool is_barred, is_mine; // any
};
// See struct gr_window_view; `limit_ms` 0: without end.
void gr_window_look(const struct gr_core *core, uint32_t org, uint32_t user, int64_t limit_ms,
                    int64_t at_ms, struct gr_window_view *ret_view);
// True if the job may not start on the node at `at_ms`.
bool gr_window_bars(const struct gr_core *core, const struct gr_job *job, uint32_t node,
                    int64_t at_ms);
// The first time from `from_ms` on when the job may start on the node; INT64_MAX: not for as far as
// was looked, or it is a gang, which would have to lie wholly within its reservation: room is
// reserved for it outside.
int64_t gr_window_free_ms(const struct gr_core *core, const struct gr_job *job, uint32_t node,
                          int64_t from_ms);
// True if a piece lies on a node of any window.
bool gr_window_touches(const struct gr_core *core, const struct gr_piece *pieces, uint32_t count);
// Finds pieces of a demand wholly within open windows that are the job's own.
bool gr_window_room_inside(struct gr_core *core, const struct gr_window_view *view,
                           const struct gr_demand *demand, uint64_t salt, struct gr_piece *pieces);
// Finds pieces wholly outside of these: on nodes of no window, else on nodes that are not barred.
bool gr_window_room_outside(struct gr_core *core, const struct gr_window_view *view,
                            const struct gr_demand *demand, uint64_t salt, struct gr_piece *pieces);
// True if room that is reserved does not bind the job within its own open windows: he for whom it
// is has no right to be there now.
bool gr_window_yields(const struct gr_core *core, const struct gr_window_view *view);
// Has placement pass over the nodes that are barred for a job now; or ends that.
void gr_window_skip(struct gr_core *core, const struct gr_job *job, int64_t at_ms, bool skip);
// Begins that for room that is to be reserved: a gang's open reservations are passed over, too.
void gr_window_skip_gang(struct gr_core *core, const struct gr_job *job, int64_t at_ms);

// --- window_lane.c: what lanes know of windows

// Jobs of a lane that may run for longer than this were tried in vain because of windows, and
// nothing has happened that could help them; INT64_MAX: nothing is known.
int64_t gr_window_lane_ms(struct gr_core *core, uint32_t lane, int64_t at_ms);
// Windows leave no room to jobs of the lane that may run for longer than this.
void gr_window_lane_bar(struct gr_core *core, uint32_t lane, int64_t limit_ms);
// The variants a queue may have so much of where a reservation is open for it, within its limits
// (gr_quota_allowed). False: none is open, or there are none.
bool gr_window_variants(const struct gr_core *core, const struct gr_need *need,
                        const struct gr_queue *queue, uint64_t milli,
                        uint64_t ret_variants[GR_VARIANT_WORDS]);

// --- window_decide.c: what it is time for

// The next fact that a window asks for at `at_ms`: it opens, closes, or somebody must go for it.
bool gr_windows_next(struct gr_core *core, int64_t at_ms, struct gr_event *ret_event);
// When it will have something to do, but for what it was asked about already; INT64_MAX: never.
int64_t gr_windows_wake_ms(const struct gr_core *core);
