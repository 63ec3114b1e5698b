// Terms: what organisations may have of the pool, and how its queue is run. Operators set them;
// facts carry them. docs/design/queue.md has the whole picture.
#pragma once

#include "model/limits.h"

#include <assert.h>
#include <stdint.h>

// In a quota, a limit or a cap: as much as there is.
#define GR_ANY_MILLI UINT64_MAX

// What an organisation and those below it may hold of one variant, in milli of devices. An
// organisation without a quota for a variant has none of its own, borrows without limit, and what
// those below it own is theirs.
struct gr_quota {
    uint32_t org;           // index
    uint32_t variant;       // index
    uint64_t nominal_milli; // its own: what it holds within this nobody takes back
    uint64_t borrow_milli;  // beyond nominal, while others leave it; GR_ANY_MILLI: no limit
    uint64_t lend_milli;    // of nominal, what others may hold while it is unused; GR_ANY_MILLI:
                            // all of it
};
static_assert(sizeof(struct gr_quota) == 32, "no padding");

// Largest nominal, and largest borrow and lend that is not GR_ANY_MILLI: sums of them stay small.
#define GR_QUOTA_MILLI_MAX (UINT64_C(1) << 40)

// The share and the limits of an organisation and those below it. 0: no limit.
struct gr_org_terms {
    uint32_t org;                 // index
    uint32_t weight;              // against its siblings, 1..GR_WEIGHT_MAX
    uint32_t running_max;         // jobs that run at a time
    uint32_t user_running_max;    // of each user of this organisation itself
    uint64_t held_milli_max;      // of devices of any variant, that its jobs hold at a time
    uint64_t user_held_milli_max; // of each user of this organisation itself
    uint8_t priority_max;         // of its jobs; what asks for more is refused
    uint8_t reserved[7];          // zero
};
static_assert(sizeof(struct gr_org_terms) == 40, "no padding");
#define GR_WEIGHT_MAX 1000000u
// An organisation of which nothing was said.
#define GR_WEIGHT_DEFAULT 1000u
#define GR_PRIORITY_MAX 255u

// A class of jobs, by name: what jobs get that say it in place of figures of their own.
struct gr_class {
    char name[GR_NAME_SIZE]; // NUL-terminated, the rest zero
    int64_t limit_ms;        // longest time limit, and that of jobs that give none; 0: no limit
    uint8_t priority;        // of its jobs
    uint8_t reserved[7];     // zero
};
static_assert(sizeof(struct gr_class) == 64, "no padding");
// Classes of a pool.
#define GR_CLASSES_MAX 64

// What may be taken back, bits of gr_queue_terms.reclaim.
enum gr_reclaim {
    GR_RECLAIM_BORROWED = 1u << 0, // devices beyond nominal, for one who is within
    GR_RECLAIM_PRIORITY = 1u << 1, // from work of lower priority of the same organisation
};

// How the pool's queue is run.
struct gr_queue_terms {
    int64_t half_life_ms; // after which past use counts half; 0: only what is held now counts
    int64_t notice_ms;    // between the signal and KILL of work whose room is taken back
    int64_t min_run_ms;   // work that ran for less is not taken back
    // Work that may be lost by taking room back, in milli x milliseconds of devices an hour;
    // GR_ANY_MILLI: no cap.
    uint64_t lost_per_hour;
    uint32_t reclaim;  // bits, enum gr_reclaim
    uint32_t reserved; // zero
};
static_assert(sizeof(struct gr_queue_terms) == 40, "no padding");
// Longest of its times: ten years.
#define GR_QUEUE_MS_MAX INT64_C(315360000000)
// What holds until something is said: a week; 30 s.
#define GR_HALF_LIFE_DEFAULT_MS INT64_C(604800000)
#define GR_NOTICE_DEFAULT_MS INT64_C(30000)
