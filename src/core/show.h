// What the core shows of terms, use and order, for pages and tests: pure but for gr_core_turns,
// which may bring shares up to date.
#pragma once

#include "core/core.h"

// Terms of an organisation that is there; GR_WEIGHT_DEFAULT, no limits and GR_PRIORITY_MAX where
// nothing was said.
struct gr_org_terms gr_core_org_terms(const struct gr_core *core, uint32_t org);
// How the queue is run.
struct gr_queue_terms gr_core_queue_terms(const struct gr_core *core);

// A class of jobs by name; NULL: there is none. Borrowed until the next gr_core_apply.
const struct gr_class *gr_core_class_find(const struct gr_core *core, const char *name);
// Classes in the order in which they came; NULL beyond the last. See gr_core_class_find.
const struct gr_class *gr_core_class_get(const struct gr_core *core, uint32_t index);

// What an organisation with all below it, or a user, holds and held.
struct gr_core_use {
    uint64_t held_milli;  // of devices, now
    uint64_t share_milli; // held as it counts for shares, now; work without devices counts a little
    uint64_t past_milli;  // held on average, with the half-life, as it counts for shares
    uint64_t share;       // for its weight; smaller is served first
    uint32_t running;     // jobs
    uint32_t reserved;    // zero
};
// Of an organisation that is there, as it is at `at_ms` (not before gr_core_now) if nothing happens
// until then.
struct gr_core_use gr_core_org_use(const struct gr_core *core, uint32_t org, int64_t at_ms);
// Of a user that is there. See gr_core_org_use.
struct gr_core_use gr_core_user_use(const struct gr_core *core, uint32_t user, int64_t at_ms);

// How much more of a variant an organisation may hold now, in milli: within what is its own or of
// one above it (`own`), or at all. GR_ANY_MILLI: nothing bounds it. Both must be known.
uint64_t gr_core_quota_left(const struct gr_core *core, uint32_t org, uint32_t variant, bool own);
// Quotas that are set.
uint32_t gr_core_quotas(const struct gr_core *core);
// One of these by row, and what its organisation and those below it hold of its variant.
struct gr_quota gr_core_quota_get(const struct gr_core *core, uint32_t row, uint64_t *ret_used);
// The job for which a node is held that a running job holds something of; 0: there is none.
uint64_t gr_core_held_on(const struct gr_core *core, uint64_t job);
// Room that is reserved for the first blocked job.
struct gr_core_reserved {
    uint64_t job;     // id; 0: nothing is reserved
    int64_t start_ms; // when it can start at the latest, if limits hold
    uint32_t nodes;   // that are kept for it
    uint32_t reserved;
};
// See struct gr_core_reserved.
struct gr_core_reserved gr_core_reserved(const struct gr_core *core);
// What but room keeps a live job from starting: GR_REFUSED_TERMS (limits of its organisation, of
// one above it or of its user), GR_REFUSED_QUOTA (quotas leave it too little of every variant that
// it may have), or nothing. Nothing without GR_ORDER_FAIR.
enum gr_refusal gr_core_job_bar(const struct gr_core *core, uint64_t job);

// Where a waiting job stands. Smaller turns come first; of equal ones the smaller id.
struct gr_core_turn {
    uint64_t job;  // id
    uint64_t turn; // of the order alone: to be compared, never shown
    bool is_own;   // it would stay within its own quota, or there are no quotas
};
// Writes where each waiting job stands at `at_ms`, in no order, at most `most` (gr_core_waiting is
// enough), and returns how many it wrote. Not with GR_ORDER_FAIR: by priority, then arrival.
uint32_t gr_core_turns(struct gr_core *core, int64_t at_ms, struct gr_core_turn *ret_turns,
                       uint32_t most);
