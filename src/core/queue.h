// Whose turn it is: what waits, in which order, and what need not be looked at. For src/core only;
// docs/design/queue.md has the picture.
//
// Waiting jobs that ask for the same have one *need*.
// The waiting jobs of one user of one organisation are a *queue*; those of a queue with the same
// need are a *lane*, in order of their ids. A need that found no room sleeps: none of its jobs is
// looked at again until something happens that could have made room for it. Who comes first among
// queues is a matter of *shares*. Of all this only `past` and terms are state; the rest follows.
#pragma once

#include "core/state.h"

// A lane of no queue, a need of no job, ...
#define GR_NONE UINT32_MAX
// Words of a set of variants.
#define GR_VARIANT_WORDS (GR_POOL_VARIANTS_MAX / 64)
// Past use counts for shares as of the last multiple of this, so that the order of those who hold
// the same stays for a while.
#define GR_SHARE_TICK_MS 1000

// What an organisation or user held on average, in units of 2^-20 milli; halves in half_life_ms
// when nothing is held. Part of the state.
struct gr_past {
    uint64_t average;
    int64_t at_ms; // when it was brought up to date
};
static_assert(sizeof(struct gr_past) == 16, "no padding");

// What an organisation (with all below it) or a user (of one organisation) has now. Follows from
// the jobs.
struct gr_use_now {
    uint64_t held_milli;  // of devices
    uint64_t share_milli; // held as it counts for shares: gr_share_milli
    uint32_t running;     // jobs
    uint32_t reserved;
};

// Something that has a share: organisations first (by index), then queues. Linked into its parent's
// list while jobs wait below it.
struct gr_share {
    uint64_t key;         // as of core->share_tick; smaller is served first
    uint32_t next, prev;  // siblings in order of key, then of index; GR_NONE: the end
    uint32_t first, last; // children in order; GR_NONE: none
    uint32_t waiting;     // jobs below it that wait; 0: it is in no list
    uint32_t reserved;
};

// The jobs of a user of an organisation: waiting ones in lanes. A row lives as long as a live job
// is of it.
struct gr_queue {
    uint32_t org, user; // user GR_NONE: of nobody in particular
    uint32_t jobs;      // live; 0: a free row
    uint32_t next_free; // of the free rows
};

// What one or more live jobs ask for.
struct gr_need {
    struct gr_demand demand;
    uint32_t jobs;       // live; 0: a free row
    uint32_t waiting;    // of these
    uint32_t lane_first; // its lanes, linked by next_same
    uint32_t missing;    // while it sleeps: so many more of its tasks must find room; 0: unknown
    uint32_t next_free;  // of the free rows
    // When it last found no room anywhere: how many nodes had been freed until then (see
    // gr_queue_freed); 0: not known, or everything may have changed since.
    uint64_t slept_at;
    uint64_t share_milli;                // gr_share_milli of the demand
    uint64_t variants[GR_VARIANT_WORDS]; // that its mask allows at some site
};

// The waiting jobs of a queue with the same need, in order of their ids.
struct gr_lane {
    uint32_t queue, need;          // rows
    uint32_t first, last;          // slots
    uint32_t next_same, prev_same; // of the same need, or of the free ones
    uint32_t jobs, reserved;
    uint64_t expected_ms; // sum of gr_queue_expected_ms of its jobs
    int64_t shortest_ms;  // no time limit of its jobs is shorter; INT64_MAX: none has one
    // Sequence of the last fact when it was tried in vain for a reason of its own, within its own
    // quota [1] and beyond [0]; until the next fact it is not tried again.
    uint64_t passed_over[2];
    // Windows left no room to its jobs that may run for longer than barred_ms, when so many nodes
    // had been freed, and windows were as of that epoch; INT64_MAX: not known. window_lane.c.
    int64_t barred_ms;
    uint64_t barred_freed, barred_epoch;
};

// Where a live job belongs; its lane only while it waits.
struct gr_waits {
    uint32_t queue, need, lane;            // rows; lane GR_NONE: none
    uint32_t next, prev;                   // slots: of the lane; of a running job: see tenants.c
    uint32_t stopping_next, stopping_prev; // of a job that was asked to stop; slots plus 1
};

// --- past.c: what was held (state)

// What a demand counts for shares, in milli of devices: those it holds; without devices a
// thirty-second of a device for each cpu, and something in any case.
uint64_t gr_share_milli(const struct gr_demand *demand);
// Devices of a demand, all tasks, in milli.
uint64_t gr_demand_milli(const struct gr_demand *demand);
// Brings an average up to `at_ms`, while `held` (milli) was held since its last time. An
// exponentially weighted average: a' = held + (a - held) 2^(-t / half-life), in integers.
void gr_past_pass(struct gr_past *past, uint64_t held, int64_t half_life_ms, int64_t at_ms);
// A job begins to hold what it was given: what is held and counted of its user, its organisation
// and those above grows, and their quotas' use. Pasts pass first.
void gr_past_starts(struct gr_core *core, uint32_t slot);
// The reverse. Called before the allocation is gone.
void gr_past_ends(struct gr_core *core, uint32_t slot);
// A running job holds `after` tasks from now on instead of `before`; its pasts pass first. Quotas
// are left to the caller.
void gr_past_tasks(struct gr_core *core, uint32_t slot, uint32_t before, uint32_t after);
// All pasts pass up to now: before the half-life changes.
void gr_past_pass_all(struct gr_core *core);
// Counts anew what is held, from the jobs; pasts stay. After a load.
void gr_past_rebuild(struct gr_core *core);
// NULL, or what does not hold of what is counted.
const char *gr_past_audit(const struct gr_core *core);

// --- queue.c: what waits. Follows from the jobs. Kept only with GR_ORDER_FAIR, but for needs and
// queues of live jobs.

// Empty tables.
void gr_queue_init(struct gr_core *core);
// May a job with this demand, organisation and user be one more live job? Rows of needs and queues
// are limited.
bool gr_queue_has_room(const struct gr_core *core, const struct gr_demand *demand, uint32_t org,
                       uint32_t user);
// The queue of an organisation's user, GR_NONE for nobody in particular; GR_NONE if there is none.
uint32_t gr_queue_find(const struct gr_core *core, uint32_t org, uint32_t user);
// A job is live from now on: finds or makes its need and its queue.
void gr_queue_come(struct gr_core *core, uint32_t slot);
// A job is live no more.
void gr_queue_leave(struct gr_core *core, uint32_t slot);
// A job begins to wait: it joins its lane in order of its id.
void gr_queue_add(struct gr_core *core, uint32_t slot);
// A job waits no more.
void gr_queue_remove(struct gr_core *core, uint32_t slot);
// Room may have grown on a node: needs that could use it wake.
void gr_queue_wake_node(struct gr_core *core, uint32_t node);
// Anything may have changed: all needs wake.
void gr_queue_wake_all(struct gr_core *core);
// What is reserved has changed: what found no room beside it may find some.
void gr_queue_wake_beside(struct gr_core *core);
// A need found no room: `missing` tasks of it did not, 0 if nobody counted. It sleeps.
void gr_queue_sleep(struct gr_core *core, uint32_t need, uint32_t missing);
// A need found no room beside what is reserved.
void gr_queue_sleep_beside(struct gr_core *core, uint32_t need);
// The nodes where room may have grown since a need last found none anywhere: a task of it fits
// there or nowhere. Returns how many, or GR_NONE if it is not known any more.
uint32_t gr_queue_freed(const struct gr_core *core, uint32_t need,
                        uint32_t ret_nodes[GR_QUEUE_FREED]);
// How long a job is expected to run once it starts: its time limit, at most a year; a day without.
int64_t gr_queue_expected_ms(const struct gr_job *job);
// The lane of a queue and a need, or GR_NONE.
uint32_t gr_lane_find(const struct gr_core *core, uint32_t queue, uint32_t need);
// Makes everything that follows anew, after a load or for a copy.
void gr_queue_rebuild(struct gr_core *core);
// Recomputes all that follows and compares. NULL, or what does not hold.
const char *gr_queue_audit(const struct gr_core *core);

// --- shares.c: whose turn it is

// An organisation has a share from now on.
void gr_shares_org(struct gr_core *core, uint32_t org);
// One more job of a queue waits.
void gr_shares_more(struct gr_core *core, uint32_t queue);
// See gr_shares_more.
void gr_shares_less(struct gr_core *core, uint32_t queue);
// What a queue's user and organisations hold has changed, or their pasts: their places change.
void gr_shares_changed(struct gr_core *core, uint32_t queue);
// All places are to be found anew: terms have changed.
void gr_shares_forget(struct gr_core *core);
// Puts shares in order as of `at_ms`, if that was not done for the present tick.
void gr_shares_order(struct gr_core *core, int64_t at_ms);
// The first queue in order that has waiting jobs, and the one after `queue`; GR_NONE at the end.
// Fair Tree: organisations and users are compared with their siblings only (Cox and Morrison, "Fair
// Tree: Fairshare Algorithm for Slurm", Slurm User Group 2014).
uint32_t gr_shares_first(const struct gr_core *core);
// See gr_shares_first.
uint32_t gr_shares_next(const struct gr_core *core, uint32_t queue);
// The key of an organisation's or a queue's share as of `at_ms`: what it holds and what it held on
// average, over its weight. Smaller comes first.
uint64_t gr_share_key(const struct gr_core *core, uint32_t share, int64_t at_ms);
// NULL, or what does not hold.
const char *gr_shares_audit(const struct gr_core *core);

// --- fair.c: who comes first

// gr_decide_start for GR_ORDER_FAIR.
bool gr_fair_start(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                   struct gr_piece *pieces, struct gr_event *ret_event);

// --- quota.c: who may hold how much of what

// Bytes of the table of what follows from quotas, for these limits.
uint64_t gr_quota_bytes(const struct gr_core_limits *limits);
// May the fact be part of the history? Structure only: organisation, variant, amounts (nominal, and
// borrow that is not GR_ANY_MILLI, at most GR_QUOTA_MILLI_MAX; lend at most nominal, or
// GR_ANY_MILLI), room for the row. Whether quotas agree with each other is gr_quota_wrong.
enum gr_refusal gr_quota_check(const struct gr_core *core, const struct gr_quota *quota);
// The fact of a quota that was checked. A quota of nothing (nominal 0, borrow and lend
// GR_ANY_MILLI) takes its row out of the table; the last row moves to its place.
void gr_quota_set(struct gr_core *core, const struct gr_quota *quota);
// An organisation holds `milli` more of a variant, or less (as a piece is taken or given back).
// Costs one addition while the variant has no quota, else the depth of the organisation.
void gr_quota_more(struct gr_core *core, uint32_t org, uint32_t variant, uint64_t milli);
// See gr_quota_more.
void gr_quota_less(struct gr_core *core, uint32_t org, uint32_t variant, uint64_t milli);
// How much more of a variant an organisation may hold now, in milli. GR_ANY_MILLI, whatever `own`
// is, while the variant has no quota at all. A start needs one of the two.
//
// `own`: what it has a right to, be there room or not. The first organisation with nominal > 0,
// from itself upwards, stays within its nominal, and so does every one above that has a quota
// (nominal 0 counts there: it leaves nothing); and none passes nominal + borrow. 0 if none has
// nominal > 0. What others keep does not bound it: they keep it from those who borrow.
//
// Not `own`: what it may take without a right, too. Neither it nor any above it passes nominal +
// borrow, and what others do not lend stays free for them (gr_quota_room). May be less than what
// it has a right to. GR_ANY_MILLI if nothing bounds it.
//
// Costs the depth of the organisation. Not to be asked while pieces are given back on trial.
uint64_t gr_quota_left(const struct gr_core *core, uint32_t org, uint32_t variant, bool own);
// What is free of a variant on nodes that are up, less what must stay free for others: what
// organisations that are not above this one do not lend and do not use yet. GR_ANY_MILLI if nothing
// must.
uint64_t gr_quota_room(const struct gr_core *core, uint32_t org, uint32_t variant);
// The variants, of those a need names, of which its organisation may hold so many milli more:
// within its own quota, or at all. False if there are none.
bool gr_quota_variants(const struct gr_core *core, const struct gr_need *need, uint32_t org,
                       uint64_t milli, bool own, uint64_t ret_variants[GR_VARIANT_WORDS]);
// How much more of a variant an organisation may hold within nominal + borrow, of itself and of
// those above it, whatever others keep; GR_ANY_MILLI: nothing bounds it.
uint64_t gr_quota_allowed(const struct gr_core *core, uint32_t org, uint32_t variant);
// True if there is any quota for the variant.
bool gr_quota_has(const struct gr_core *core, uint32_t variant);
// What those below an organisation (GR_NONE: all of them) have of their own: the sum of the
// nominals of the first ones with a quota on each way down. 0 while the variant has no quota.
uint64_t gr_quota_owned_below(const struct gr_core *core, uint32_t org, uint32_t variant);
// Counts all use anew, from the jobs. After a load.
void gr_quota_rebuild(struct gr_core *core);
// NULL, or what does not hold.
const char *gr_quota_audit(const struct gr_core *core);

// --- terms.c: limits of organisations and users

// May one more job start that takes so many milli of devices? Running jobs and devices held of the
// organisation, of those above it, and of the user. GR_REFUSED_TERMS: no.
enum gr_refusal gr_terms_allow(const struct gr_core *core, uint32_t org, uint32_t user,
                               uint64_t milli);
// May a job that runs take so many milli more?
enum gr_refusal gr_terms_allow_more(const struct gr_core *core, uint32_t org, uint32_t user,
                                    uint64_t milli);
// May work of an organisation ask for this priority? Not beyond its own limit, nor that of one
// above it.
bool gr_terms_priority(const struct gr_core *core, uint32_t org, unsigned priority);
// The facts of terms: fields in their ranges.
enum gr_refusal gr_terms_check(const struct gr_core *core, const struct gr_event *event);

// The fact of a class: its figures in their ranges, and room for one more.
enum gr_refusal gr_class_check(const struct gr_core *core, const struct gr_class *of);
// A class is there, or has other terms; it was checked.
void gr_class_set(struct gr_core *core, const struct gr_class *of);

// --- tables

// A class by row.
static inline struct gr_class *gr_class_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_class *)gr_core_at(core, core->classes_at) + row;
}

// Terms of an organisation; a weight of 0: nothing was said.
static inline struct gr_org_terms *gr_org_terms_at(const struct gr_core *core, uint32_t org)
{
    return (struct gr_org_terms *)gr_core_at(core, core->org_terms_at) + org;
}

// What an organisation held.
static inline struct gr_past *gr_org_past_at(const struct gr_core *core, uint32_t org)
{
    return (struct gr_past *)gr_core_at(core, core->org_past_at) + org;
}

// What a user held.
static inline struct gr_past *gr_user_past_at(const struct gr_core *core, uint32_t user)
{
    return (struct gr_past *)gr_core_at(core, core->user_past_at) + user;
}

// What an organisation holds.
static inline struct gr_use_now *gr_org_now_at(const struct gr_core *core, uint32_t org)
{
    return (struct gr_use_now *)gr_core_at(core, core->org_now_at) + org;
}

// What a user holds.
static inline struct gr_use_now *gr_user_now_at(const struct gr_core *core, uint32_t user)
{
    return (struct gr_use_now *)gr_core_at(core, core->user_now_at) + user;
}

// A share by number: organisations, then queues.
static inline struct gr_share *gr_share_at(const struct gr_core *core, uint32_t share)
{
    return (struct gr_share *)gr_core_at(core, core->shares_at) + share;
}

// A queue by row.
static inline struct gr_queue *gr_queue_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_queue *)gr_core_at(core, core->queues_at) + row;
}

// A need by row.
static inline struct gr_need *gr_need_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_need *)gr_core_at(core, core->needs_at) + row;
}

// A lane by row.
static inline struct gr_lane *gr_lane_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_lane *)gr_core_at(core, core->lanes_at) + row;
}

// Where a job belongs, by its slot.
static inline struct gr_waits *gr_waits_at(const struct gr_core *core, uint32_t slot)
{
    return (struct gr_waits *)gr_core_at(core, core->waits_at) + slot;
}

// A bit a need, at one of the offsets of the core.
static inline uint64_t *gr_bits_at(const struct gr_core *core, uint64_t at)
{
    return gr_core_at(core, at);
}

// A bit a need: it has this priority, and jobs that wait.
static inline uint64_t *gr_priority_bits(const struct gr_core *core, unsigned priority)
{
    return (uint64_t *)gr_core_at(core, core->priorities_at) +
           (uint64_t)priority * ((core->limits.needs + UINT64_C(63)) / 64);
}

// A bit a need: the queue has a lane of it.
static inline uint64_t *gr_queue_bits(const struct gr_core *core, uint32_t queue)
{
    return (uint64_t *)gr_core_at(core, core->queue_needs_at) +
           (uint64_t)queue * ((core->limits.needs + UINT64_C(63)) / 64);
}

// Quotas that are set.
static inline struct gr_quota *gr_quota_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_quota *)gr_core_at(core, core->quotas_at) + row;
}

// True if a quota says nothing: it takes away the one that was set.
static inline bool gr_quota_is_nothing(const struct gr_quota *quota)
{
    return quota->nominal_milli == 0 && quota->borrow_milli == GR_ANY_MILLI &&
           quota->lend_milli == GR_ANY_MILLI;
}
