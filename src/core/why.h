// Why a job is where it is, and what would start it now: for people, one job at a time. The state
// is the same afterwards. docs/design/queue.md says how each figure comes about and what it is
// worth.
#pragma once

#include "core/core.h"
#include "place/explain.h"

// The reason: the first of these that holds. Names are for ever.
enum gr_why_reason {
    GR_WHY_RUNNING = 0, // it runs
    GR_WHY_STARTING,    // it was placed, its first instruction is still to come
    GR_WHY_STOPPING,    // it was asked to stop
    GR_WHY_AFTER,       // held: it waits for other jobs
    GR_WHY_ARRAY,       // held: as many elements of its array as may are under way
    GR_WHY_TERMS,       // a limit of its organisation, of one above it, or of its user
    GR_WHY_QUOTA,       // quotas leave it too little of every variant that it may have
    GR_WHY_FREEING,     // others were asked to stop for it; by kept_ms it has room, or has lost it
    GR_WHY_RESERVED,    // it fits only where room is kept for another, and would not end in time
    GR_WHY_FRAGMENTED,  // enough devices are free, but not together
    GR_WHY_NO_ROOM,     // devices, cpu or memory are not free
    GR_WHY_BEHIND,      // it fits, but who comes first has no room and lets nobody pass
    GR_WHY_TURN,        // it fits: its turn comes with the next decisions
};
#define GR_WHY_REASONS 13

// The reason's stable name ("no-room"), and one sentence for people. Static text.
const char *gr_why_name(enum gr_why_reason reason);
// See gr_why_name.
const char *gr_why_text(enum gr_why_reason reason);

// Which limit it is, for GR_WHY_TERMS and GR_WHY_QUOTA.
enum gr_why_bound {
    GR_BOUND_NONE = 0,
    GR_BOUND_RUNNING,      // running jobs of `org`
    GR_BOUND_USER_RUNNING, // running jobs of the job's user
    GR_BOUND_HELD,         // milli of devices that `org` holds
    GR_BOUND_USER_HELD,    // milli of devices that the job's user holds
    GR_BOUND_QUOTA,        // milli of `variant` that `org` holds, nominal and borrow together
    GR_BOUND_KEPT,         // milli of `variant` that are free and that others do not keep
};

// A limit and its figures.
struct gr_why_limit {
    uint32_t bound; // enum gr_why_bound
    uint32_t org, variant;
    uint32_t reserved;
    uint64_t limit, now, asked; // of KEPT: limit is what may be taken, now is 0
};

// Why another job comes before this one.
enum gr_why_before {
    GR_BEFORE_OWN = 0,  // it stays within its own quota, this one would borrow
    GR_BEFORE_PRIORITY, // of higher priority
    GR_BEFORE_SHARE,    // who asks holds or held less for its weight
    GR_BEFORE_ARRIVAL,  // it came first
};
// The stable name ("share"). Static text.
const char *gr_why_before_name(enum gr_why_before before);

// A job that comes before.
struct gr_why_ahead {
    uint64_t job;      // id
    uint32_t before;   // enum gr_why_before
    uint32_t priority; // its own
    uint64_t milli;    // of devices, that it asks for
    // GR_BEFORE_SHARE: the siblings whose shares decide, theirs and this job's, each an
    // organisation or (org UINT32_MAX) a user, UINT32_MAX for nobody in particular; and the shares,
    // in milli of devices for a weight of 1000. Smaller comes first.
    uint32_t org, user, own_org, own_user;
    uint64_t share, own_share;
};
#define GR_WHY_AHEAD 8
// Jobs that are named of those that would be stopped.
#define GR_WHY_EVICTED 8

// A change of the job that would start it now. Of GR_CHANGE_* and GR_WHY_LIMIT.
struct gr_why_change {
    uint32_t change;
    uint32_t site, variant; // GR_CHANGE_KIND
    uint32_t reserved;
    int64_t from, to; // as gr_suggestion; of GR_WHY_LIMIT milliseconds, from 0: none
};
// In gr_why_change.change: a shorter time limit.
#define GR_WHY_LIMIT GR_CHANGES
// The stable name ("fewer-devices", "shorter-limit"). Static text.
const char *gr_why_change_name(uint32_t change);

// What would have the pool stop others for a job.
enum gr_evict_by {
    GR_EVICT_NONE = 0, // nothing, or the pool takes nothing back
    GR_EVICT_RIGHT,    // it has a right to the room; what may be lost does not reach, or it comes
    GR_EVICT_QUOTA,    // a larger quota of its organisation
    GR_EVICT_PRIORITY, // a higher priority
};
// The stable name ("quota"). Static text.
const char *gr_evict_name(enum gr_evict_by by);

// Whom it would stop, and what that costs.
struct gr_why_evict {
    uint32_t by;       // enum gr_evict_by
    uint32_t variant;  // index
    uint64_t needs;    // QUOTA: nominal in milli of devices; PRIORITY: which; 0
    uint64_t milli;    // of devices, that those hold who would be asked to stop
    uint64_t lost;     // their work since the last checkpoints, in milli x milliseconds of devices
    int64_t notice_ms; // between the signal and the end
    uint32_t jobs;     // how many
    bool is_over_cap;  // more than may be lost now
    uint64_t first[GR_WHY_EVICTED]; // ids of the first of them
};

// Whether there is an estimate, and if not, why.
enum gr_why_estimate {
    GR_ESTIMATE_NONE = 0, // it does not wait for room, or nothing that is known ends
    GR_ESTIMATE_GOOD,     // all work that it rests on has a time limit
    GR_ESTIMATE_GUESSED,  // some has none, and was taken to last a day
};

// The whole answer.
struct gr_why {
    uint32_t reason;  // enum gr_why_reason
    uint32_t waiting; // jobs that wait, in all
    struct gr_why_limit limit;
    // For one that waits: nodes by filter, and what would do. `fits`: now, beside what is kept.
    struct gr_explanation room;
    uint32_t kept_nodes;  // of room.lost[GR_FILTER_STATE]: up, and kept for another job
    uint32_t edges;       // GR_WHY_AFTER: that are not met
    uint64_t kept_job;    // for whom; 0: nobody
    int64_t kept_ms;      // when that job can start at the latest, if limits hold
    uint64_t position;    // among all that wait, 1: first; 0: it does not wait
    uint64_t ahead_milli; // of devices that jobs before it ask for
    bool is_position_cut; // there are more before it than were counted
    uint32_t ahead_count; // of `ahead`: the first in order
    struct gr_why_ahead ahead[GR_WHY_AHEAD];
    uint32_t change_count; // smallest first
    struct gr_why_change changes[GR_CHANGES + 1];
    struct gr_why_evict evict; // `by` GR_EVICT_NONE: it does not wait for room, or nobody would go
    uint32_t estimate;         // enum gr_why_estimate
    bool is_sampled;           // not every node was looked at for it
    int64_t earliest_ms, likely_ms, latest_ms;
};

// Says why a live job is where it is at `at_ms` (not before gr_core_now), and what would start it.
// `pieces`: room for GR_TASKS_MAX. Costs a few looks at each node, one at each lane of waiting jobs
// and each of its own queue: milliseconds for a large pool. May do deferred index work; the state
// is the same afterwards. Without GR_ORDER_FAIR the position is counted up to 262,144.
void gr_core_why(struct gr_core *core, int64_t at_ms, uint64_t job, struct gr_piece *pieces,
                 struct gr_why *ret_why);
