// The inside of the core: one block, tables at offsets. For src/core only.
#pragma once

#include "core/core.h"

// Held devices of one owner; the only thing that holds devices. A job's allocation has the job's
// slot, so that both rows are asked for at once.
struct gr_allocation {
    uint64_t id;          // the sequence of the fact that made it
    int64_t since_ms;     // when the work began, by that fact
    uint32_t job;         // slot of the owner
    uint32_t piece_count; // 0: a free slot
    uint32_t more;        // first of the further pieces, or UINT32_MAX
    uint32_t reserved;
    struct gr_piece piece; // the first
};
static_assert(sizeof(struct gr_allocation) == 48, "no padding");

// A further piece of an allocation.
struct gr_more {
    struct gr_piece piece;
    uint32_t next; // or UINT32_MAX
    uint32_t reserved;
};

// What was submitted so far, by shape: the learned mix.
struct gr_learned {
    uint64_t submitted;
    uint64_t next_at; // rebuild the mix when `submitted` reaches this
    uint32_t count;
    uint32_t reserved;
    struct gr_mix_item items[GR_MIX_MAX];
};

// Room that is kept for the first blocked job (backfill).
struct gr_reserved_room {
    uint64_t job;        // 0: none
    int64_t start_ms;    // when it can start at the latest, if limits hold
    uint32_t node_count; // nodes marked in the flags
    uint32_t reserved;
};

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
    uint32_t org_count, site_count, variant_count;
    uint32_t reserved_count; // zero
    uint32_t waiting, running;
    uint32_t job_top, job_free;              // slots ever used; free list
    uint32_t more_top, more_free, more_used; // see job_*; used: not in the free list
    uint32_t reserved[2];                    // zero; makes the padding of what is hashed explicit
    uint32_t head[256], tail[256];           // queue by priority; slots
    struct gr_reserved_room room_kept;
    uint8_t mix_digest[32]; // of the last mix that a fact set; the pool's own may be learned
    // --- how it decides: another release or policy may differ, and history stays the same
    uint32_t order, learn_mix;
    // --- what follows from the facts, or only makes it fast
    uint64_t room; // grows whenever room may have grown
    // Backfill tried all waiting jobs up to slot `tried` in vain behind the first job
    // `tried_first`, when room was `tried_room`; UINT32_MAX: nothing is known.
    uint64_t tried_room, tried_first;
    uint32_t tried;
    uint32_t padding_tried;
    struct gr_hopeless hopeless[GR_HOPELESS];
    struct gr_fleet_fit fleet_fit[GR_HOPELESS];
    struct gr_core_limits limits;
    uint32_t index_size; // of the job index, a power of two
    uint32_t padding;
    uint64_t orgs_at, sites_at, variants_at, jobs_at, allocations_at, more_at, learned_at;
    uint64_t kept_at;    // a byte a node: in the reserved room
    uint64_t index_at;   // job id -> slot, open addressing; entries as in jobs.c
    uint64_t scratch_at; // a slot a job, for sorting; holds nothing between calls
    uint64_t place_at;
    uint64_t size;
};

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

// Adds a waiting job with this id at the end of its priority's queue.
void gr_jobs_add(struct gr_core *core, const struct gr_event *event);
// Takes a waiting job out of the queue and gives it an allocation.
void gr_jobs_start(struct gr_core *core, const struct gr_event *event);
// Gives back a job's allocation, if it has one, and forgets the job.
void gr_jobs_remove(struct gr_core *core, uint32_t slot);
// Calls `each` for every piece of an allocation, in order.
void gr_jobs_pieces(const struct gr_core *core, const struct gr_allocation *allocation,
                    void (*each)(void *context, const struct gr_piece *piece), void *context);
// First waiting slot, and the one after `slot`, in queue order; UINT32_MAX at the end.
uint32_t gr_jobs_first(const struct gr_core *core);
// See gr_jobs_first.
uint32_t gr_jobs_after(const struct gr_core *core, uint32_t slot);
