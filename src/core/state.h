// The inside of the core: one block, tables at offsets. For src/core only.
#pragma once

#include "core/core.h"
#include "core/ids.h"

#include <stddef.h>

// Held devices of one owner; the only thing that holds devices. A job's allocation has the job's
// slot, so that both rows are asked for at once, and began when the job did.
struct gr_allocation {
    uint64_t id;           // the sequence of the fact that made it
    uint32_t piece_count;  // 0: a free slot
    uint32_t more;         // first of the further pieces, or UINT32_MAX
    struct gr_piece piece; // the first
};
static_assert(sizeof(struct gr_allocation) == 32, "no padding");

// What ties a job to others; has the job's slot, and means something if the job is_linked.
struct gr_links {
    uint32_t edges;       // first edge that is not met; linked by next_own
    uint32_t waiters;     // first edge of another job that waits for this one; a ring
    uint32_t array;       // row, or UINT32_MAX
    uint32_t array_index; // as its submitter numbers it
    uint32_t pending;     // edges that are not met, and 1 if it has no place in its array
    uint32_t flags;       // GR_LINKS_*
    uint32_t doomed_next, doomed_prev; // of the doomed; slots
};
static_assert(sizeof(struct gr_links) == 32, "no padding");
#define GR_LINKS_DOOMED 1u // an edge can never be met
#define GR_LINKS_PLACE 2u  // it counts among its array's elements that may wait or run

// An edge that is not met.
struct gr_edge_row {
    uint64_t job;        // as the fact says
    uint32_t waiter;     // slot of the job that waits
    uint32_t target;     // slot of a job, or row of an array; UINT32_MAX: gone, and never met
    uint32_t next_own;   // of the same waiter, or of the free ones
    uint32_t next, prev; // of the same target; a ring in order of arrival
    uint8_t how;         // enum gr_after
    uint8_t to_array;    // 1: `target` is an array's row
    uint8_t reserved[2]; // zero
};
static_assert(sizeof(struct gr_edge_row) == 32, "no padding");

// An array with elements that are live or still to come.
struct gr_array_row {
    uint64_t id;                    // of the first element; 0: a free row
    uint32_t count;                 // elements in all
    uint32_t parallel;              // that may wait or run at a time; 0: all
    uint32_t submitted;             // elements so far
    uint32_t last_index;            // of the last element
    uint32_t live;                  // elements that have not left
    uint32_t active;                // of these, with a place
    uint32_t bad;                   // elements that ended otherwise than done
    uint32_t held_first, held_last; // elements without a place, by the jobs' next and prev; slots
    uint32_t waiters;               // first edge that waits for the array; a ring
    uint32_t org, user;             // of all elements
    uint32_t next;                  // of the free rows, or of the open arrays
    uint32_t prev;                  // of the open arrays
};
static_assert(sizeof(struct gr_array_row) == 64, "no padding");

// What an organisation has now; follows from jobs and keys.
struct gr_org_use {
    uint32_t jobs, keys;
};

// A further piece of an allocation.
struct gr_more {
    struct gr_piece piece;
    uint32_t next; // or UINT32_MAX
    uint32_t part; // in which the task was placed; 0: at the start of the attempt
};

// The node of a piece that is missing: its task was lost, and has no other place yet.
#define GR_NODE_MISSING UINT32_MAX

// A running job whose attempt has lost a part. Rows are dense, in the order of the first loss; the
// last one moves to the place of one that goes.
struct gr_part_row {
    uint64_t job;        // id
    int64_t since_ms;    // `at` of the first loss that is not made good; 0: nothing is missing
    int64_t until_ms;    // when it does not wait any more for what is missing
    uint32_t missing;    // tasks without a place
    uint16_t parts;      // that were placed in this attempt
    uint16_t first_part; // in which task 0 was placed: see gr_more.part
};
static_assert(sizeof(struct gr_part_row) == 32, "no padding");
// At a time.
#define GR_PARTS 1024

// When the missing tasks of a job last found no place. Not part of the state.
struct gr_part_tried {
    uint64_t room;     // value of gr_core.room; 0: not known
    uint64_t freed;    // of gr_core.freed_count
    uint64_t sequence; // of the last fact, when limits or quotas were against it
};

#define GR_LEARNED_PLACES 4096 // of the index of what was learned; a power of two
// What was submitted so far, by shape; counted for gr_decide_mix, not part of the state.
struct gr_learned {
    uint64_t submitted;
    uint64_t next_at; // a new mix is due when `submitted` reaches this
    uint32_t count;
    uint32_t reserved;
    struct gr_mix_item items[GR_MIX_MAX];
    uint16_t places[GR_LEARNED_PLACES]; // shape -> item plus 1, open addressing
};

// Room that is kept for the first blocked job (backfill).
struct gr_reserved_room {
    uint64_t job;        // 0: none
    int64_t start_ms;    // when it can start at the latest, if limits hold
    int64_t made_ms;     // `at` of the fact
    uint32_t node_count; // nodes marked in the flags
    uint32_t reserved;
};

// Room that is held for a job while it is being freed (reclaim).
struct gr_hold {
    uint64_t job;             // 0: a free row
    int64_t until_ms;         // `at` from which it is given up
    int64_t made_ms;          // `at` of the fact
    uint32_t node_count : 24; // nodes marked with it
    uint32_t how : 8;         // enum gr_stop_why of those who are called; 0: nobody is
    uint32_t first;           // of these nodes
};
static_assert(sizeof(struct gr_hold) == 32, "no padding");
// At a time.
#define GR_HOLDS 256

// Demands that found no room since room last grew; forgets, never lies. Not part of the state.
struct gr_hopeless {
    struct gr_demand demand;
    uint32_t hidden; // the reserved room was out of bounds for it
    uint64_t room;   // value of gr_core.room when it found none
};
#define GR_HOPELESS 256

// Whether a demand fits the empty fleet. Not part of the state.
struct gr_fleet_fit {
    struct gr_demand demand;
    uint32_t fits;
    uint64_t fleet; // node count when it was found out, plus 1
};

// The masks of a demand's tiers, by its preference and mask. Not part of the state.
struct gr_known_tiers {
    uint32_t key;                 // preference << 16 | mask; 0: nothing is known
    uint32_t count;               // of tiers that are not empty
    uint16_t masks[GR_TIERS_MAX]; // indexes
    uint8_t tiers[GR_TIERS_MAX];  // which tier of the preference
    uint8_t reserved[3];          // zero
};
static_assert(sizeof(struct gr_known_tiers) == 56, "no padding");
#define GR_KNOWN_BITS 6

// Nodes that are remembered of those where room grew.
#define GR_QUEUE_FREED 64

// What the core's block begins with; the tables follow.
struct gr_core {
    // --- the state
    uint32_t format;
    uint32_t epoch;
    uint64_t sequence; // of the last fact
    int64_t first_ms, now_ms;
    struct gr_device_time time;
    unsigned __int128 time_all; // all device-time; the four of `time` add up to it
    uint64_t used_milli;        // held by allocations
    uint64_t broken_milli;      // of nodes that are broken, held or not
    uint32_t org_count, site_count, variant_count, user_count;
    uint32_t waiting, running, held;
    uint32_t key_count;
    uint32_t job_top, job_free;                 // slots ever used; free list
    uint32_t more_top, more_free, more_used;    // see job_*; used: not in the free list
    uint32_t edge_top, edge_free, edge_used;    // see more_*
    uint32_t array_top, array_free, array_used; // see more_*
    uint32_t doomed_first, doomed_last;         // held jobs that can never start; slots
    uint32_t open_first, open_last;             // arrays with elements still to come; rows
    uint32_t class_count;                       // rows of the table of classes
    uint32_t head[256], tail[256];              // queue by priority; slots
    struct gr_reserved_room room_kept;
    int64_t unreservable_ms; // `at` of the last reservation that found no time and no nodes
    struct gr_queue_terms queue_terms;
    uint32_t quota_count;      // rows of the table of quotas
    uint32_t preference_count; // rows of the table of preferences
    uint8_t mix_digest[32];    // of the last mix that a fact set; the pool's own may be learned
    uint64_t lost_total, lost_level; // by taking room back: in all, and of the last hour
    int64_t lost_at_ms;              // when the level was that
    uint64_t reclaimed_jobs;         // that were asked to stop for their room
    uint32_t hold_count;
    uint32_t part_count; // rows of the table of parts
    struct gr_hold holds[GR_HOLDS];
    uint32_t window_count, window_top; // live rows of the table of windows; rows ever used
    // --- how it decides: another release or policy may differ, and history stays the same
    uint32_t order, learn_mix;
    // --- what follows from the facts, or only makes it fast
    uint64_t room;      // grows whenever room may have grown
    uint64_t filled[4]; // bit p: jobs of priority p wait
    // Backfill tried all waiting jobs up to slot `tried` in vain behind the first job
    // `tried_first`, when room was `tried_room`; UINT32_MAX: nothing is known.
    uint64_t tried_room, tried_first;
    uint32_t tried;
    uint32_t padding_tried;
    struct gr_hopeless hopeless[GR_HOPELESS];
    struct gr_fleet_fit fleet_fit[GR_HOPELESS];
    struct gr_known_tiers known_tiers[1 << GR_KNOWN_BITS];
    uint32_t preference_needs[256]; // of live jobs, by what their demands carry
    struct gr_core_limits limits;
    uint32_t index_size, array_index_size, key_index_size; // gr_ids_size
    uint32_t key_first;                                    // of the ring of keys
    // Whose turn it is: see queue.h.
    uint64_t share_tick; // of the keys of shares, in GR_SHARE_TICK_MS; 0: they are to be made anew
    uint32_t share_first, share_last; // roots that have work waiting
    uint32_t need_words;              // of 64 needs each, that were ever used
    uint32_t need_top, need_free, queue_top, queue_free, lane_top, lane_free;
    uint32_t need_index_size, queue_index_size, lane_index_size;
    uint64_t needs_filled[4];       // bit p: needs of priority p have jobs
    uint32_t freed[GR_QUEUE_FREED]; // nodes where room grew last: a ring, its end at
    uint64_t freed_count;           // how many in all, plus 1
    // Taking room back was tried in vain, and is not tried again before then unless somebody new
    // waits.
    int64_t reclaim_at_ms;
    int64_t windows_looked_ms; // when it was last asked whether a window has something to do
    uint64_t windows_epoch;    // grows when a window changes, or what is reserved does
    uint32_t reclaim_new;      // 1: somebody has begun to wait since
    uint32_t stopping_first;   // running jobs that were asked to stop, by slot plus 1
    struct gr_mask narrowed;   // of the last decision: a mask without what quotas do not leave
    uint64_t orgs_at, sites_at, variants_at, users_at, jobs_at, allocations_at, more_at, learned_at;
    uint64_t links_at, edges_at, arrays_at, keys_at, org_use_at;
    uint64_t org_terms_at, org_past_at, user_past_at;  // state
    uint64_t quotas_at;                                // state: see quota.c
    uint64_t preferences_at;                           // state: see prefer.h
    uint64_t org_now_at, user_now_at;                  // struct gr_use_now
    uint64_t shares_at, queues_at, needs_at, lanes_at; // see queue.h
    uint64_t need_index_at, queue_index_at, lane_index_at;
    uint64_t waits_at;       // struct gr_waits a job
    uint64_t awake_at;       // a bit a need: it may find room
    uint64_t beside_at;      // a bit a need: it may find room beside what is reserved
    uint64_t priorities_at;  // for each priority a bit a need
    uint64_t queue_needs_at; // for each queue a bit a need: it has a lane
    uint64_t quota_use_at;   // what follows from the rows of quotas: see quota.c
    uint64_t tenants_at;     // the first tenant of each node: see tenants.c
    uint64_t more_tenants_at;
    uint64_t goes_at;         // a byte a job, for choosing victims; zeros between calls
    uint64_t held_nodes_at;   // state: a hold's row plus 1 a node
    uint64_t classes_at;      // state: struct gr_class
    uint64_t parts_at;        // state: struct gr_part_row
    uint64_t parts_tried_at;  // struct gr_part_tried a row
    uint64_t windows_at;      // state: struct gr_window; see window_parts.h
    uint64_t window_nodes_at; // state: for each window a bit a node
    uint64_t shut_at;         // state: a byte a node, 1: it would be up but for maintenance
    uint64_t claimed_at;      // a bit a node: of a window
    uint64_t claims_at;       // uint16_t a node: of how many windows
    uint64_t swept_at;        // struct gr_window_swept a window
    uint64_t health_at;       // GR_NODE_DEVICES_MAX bytes a node: class of each device
    uint64_t kept_at;         // a byte a node: in the reserved room
    uint64_t index_at;        // job id -> slot
    uint64_t array_index_at;  // id of an array -> row
    uint64_t key_index_at;    // key -> place in the ring
    uint64_t scratch_at;      // a slot a job, for sorting; holds nothing between calls
    uint64_t called_at;       // GR_CALLED_MAX edges: of the last decision that holds room
    uint64_t place_at;
    uint64_t size;
};

static_assert(offsetof(struct gr_core, order) == 10632, "no padding in what is hashed");

// Address of the table at offset `at`.
static inline void *gr_core_at(const struct gr_core *core, uint64_t at)
{
    return (char *)(uintptr_t)core + at;
}

// A job by slot.
static inline struct gr_job *gr_job_at(const struct gr_core *core, uint32_t slot)
{
    return (struct gr_job *)gr_core_at(core, core->jobs_at) + slot;
}

// An allocation by slot.
static inline struct gr_allocation *gr_allocation_at(const struct gr_core *core, uint32_t slot)
{
    return (struct gr_allocation *)gr_core_at(core, core->allocations_at) + slot;
}

// A further piece by slot.
static inline struct gr_more *gr_more_at(const struct gr_core *core, uint32_t slot)
{
    return (struct gr_more *)gr_core_at(core, core->more_at) + slot;
}

// What ties a job to others, by its slot.
static inline struct gr_links *gr_links_at(const struct gr_core *core, uint32_t slot)
{
    return (struct gr_links *)gr_core_at(core, core->links_at) + slot;
}

// An edge by row.
static inline struct gr_edge_row *gr_edge_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_edge_row *)gr_core_at(core, core->edges_at) + row;
}

// An array by row.
static inline struct gr_array_row *gr_array_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_array_row *)gr_core_at(core, core->arrays_at) + row;
}

// A user by index.
static inline struct gr_user *gr_user_at(const struct gr_core *core, uint32_t index)
{
    return (struct gr_user *)gr_core_at(core, core->users_at) + index;
}

// What an organisation has.
static inline struct gr_org_use *gr_org_use_at(const struct gr_core *core, uint32_t org)
{
    return (struct gr_org_use *)gr_core_at(core, core->org_use_at) + org;
}

// The classes of a node's devices.
static inline uint8_t *gr_health_at(const struct gr_core *core, uint32_t node)
{
    return (uint8_t *)gr_core_at(core, core->health_at) + (uint64_t)node * GR_NODE_DEVICES_MAX;
}

// The pool.
static inline struct gr_place *gr_pool(const struct gr_core *core)
{
    return (struct gr_place *)gr_core_at(core, core->place_at);
}

// The learned mix.
static inline struct gr_learned *gr_learned_at(const struct gr_core *core)
{
    return (struct gr_learned *)gr_core_at(core, core->learned_at);
}

// A byte a node: 1 if it is part of the reserved room.
static inline uint8_t *gr_kept_at(const struct gr_core *core)
{
    return (uint8_t *)gr_core_at(core, core->kept_at);
}

// Slot of a job, or UINT32_MAX.
uint32_t gr_core_job_slot(const struct gr_core *core, uint64_t job);

// --- jobs.c: tables of jobs and allocations; callers have checked

// Adds a job with this id: at the end of its priority's queue, or held.
void gr_jobs_add(struct gr_core *core, const struct gr_event *event);
// Takes a waiting job out of the queue and gives it an allocation.
void gr_jobs_start(struct gr_core *core, const struct gr_event *event);
// Gives back a running job's allocation; the job waits again, before all others of its priority.
void gr_jobs_requeue(struct gr_core *core, uint32_t slot);
// A held job waits for nothing more: it joins the end of its priority's queue.
void gr_jobs_release(struct gr_core *core, uint32_t slot);
// Gives back a job's allocation, if it has one, and forgets the job. `done`: it ended well. Jobs
// that waited for it go on or are doomed.
void gr_jobs_remove(struct gr_core *core, uint32_t slot, bool done);
// Calls `each` for every piece of an allocation, in order, but for those that are missing.
void gr_jobs_pieces(const struct gr_core *core, const struct gr_allocation *allocation,
                    void (*each)(void *context, const struct gr_piece *piece), void *context);
// The first piece of a running job that is not missing. Borrowed.
const struct gr_piece *gr_jobs_first_piece(const struct gr_core *core, uint32_t slot);
// Notes anew which priorities have jobs that wait.
void gr_jobs_filled(struct gr_core *core);
// First waiting slot, and the one after `slot`, in queue order; UINT32_MAX at the end.
uint32_t gr_jobs_first(const struct gr_core *core);
// See gr_jobs_first.
uint32_t gr_jobs_after(const struct gr_core *core, uint32_t slot);

// --- decide.c and reserve.c: what the orders share

// The fact of a start that admit agrees to; else why not.
enum gr_refusal gr_start_fact(const struct gr_core *core, const struct gr_hooks *hooks,
                              int64_t at_ms, const struct gr_job *job,
                              const struct gr_piece *pieces, struct gr_event *ret_event);
// When a running job is expected to end: at its limit; INT64_MAX without one, or, if the order is
// fair, a day after its start. One that is over that is expected to end at any moment.
int64_t gr_reserve_end(const struct gr_core *core, const struct gr_job *job, int64_t at_ms);
// When and where a job that finds no room will, by the expected ends of what holds each node.
// Visits each node and who is on it once, and leaves the pool alone. *ret_start_ms, and pieces
// (GR_TASKS_MAX of them: they serve as notes until then); false if no end makes room.
bool gr_ready_find(const struct gr_core *core, int64_t at_ms, const struct gr_job *job,
                   struct gr_piece *pieces, int64_t *ret_start_ms);
// The fact that keeps room for a job that finds none: gr_ready_find if the order is fair, else
// gives running jobs back to the pool in order of their ends until it fits. `pieces`: GR_TASKS_MAX
// of them. Without pieces and at INT64_MAX if no end makes room.
struct gr_event gr_reserve(struct gr_core *core, int64_t at_ms, const struct gr_job *job,
                           struct gr_piece *pieces);
// Takes the nodes of the reserved room out of bounds, or back. States other than up stay as they
// are: such nodes take no work anyway.
void gr_reserve_hide(struct gr_core *core, bool hidden);

// --- links.c: what jobs wait for; callers have checked

// Row of a live array, or UINT32_MAX.
uint32_t gr_links_array(const struct gr_core *core, uint64_t array);
// Ties a new job, whose row is there, to its array and to what it waits for. True if it is held.
bool gr_links_add(struct gr_core *core, uint32_t slot, const struct gr_event *event);
// Unties a linked job that leaves, and settles what waits for it. `done`: it ended well.
void gr_links_leave(struct gr_core *core, uint32_t slot, bool done);
// No more elements come to arrays that are not complete: their writer is gone.
void gr_links_close(struct gr_core *core);

// --- keys.c: the ring of keys

// A key by its place in order, the oldest first.
const struct gr_key *gr_keys_get(const struct gr_core *core, uint32_t order);
// Forgets keys that were used GR_KEY_MS before now, or earlier.
void gr_keys_expire(struct gr_core *core);
// Adds a key that was checked.
void gr_keys_add(struct gr_core *core, const struct gr_event *event);
// May the key be added at the fact's time?
enum gr_refusal gr_keys_check(const struct gr_core *core, const struct gr_event *event);
// Adds a key that is in the ring to the index.
void gr_keys_index(struct gr_core *core, uint32_t place);

// --- learn.c: what was submitted so far

// Counts a submission of so many tasks.
void gr_learned_add(struct gr_learned *learned, const struct gr_shape *shape, uint64_t tasks);
// Makes the index of shapes anew from the items.
void gr_learned_index(struct gr_learned *learned);
// A mix was set: the next one is due when submissions have grown by a quarter.
void gr_learned_used(struct gr_learned *learned);

// --- check_job.c

// gr_core_check for facts about a job, whose header was checked.
enum gr_refusal gr_check_job(const struct gr_core *core, const struct gr_event *event);
// The body of a submission. `new_mask`: its mask will have been added before it.
enum gr_refusal gr_check_submitted(const struct gr_core *core, const struct gr_event *event,
                                   bool new_mask);

// --- audit_links.c

// gr_core_audit for what ties jobs together, keys and organisations. The jobs were counted.
const char *gr_audit_links(const struct gr_core *core);
