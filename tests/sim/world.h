// The simulator's own books of a pool: plain arrays, everything counted anew whenever it is asked
// for. It knows facts (core/event.h) and shares no code with src/place or src/core, so that a
// mistake there is not made here too.
#pragma once

#include "core/core.h"

#define WORLD_NODES 24
#define WORLD_JOBS 24
#define WORLD_MASKS 40
#define WORLD_ORGS 6
#define WORLD_SITES 3
#define WORLD_VARIANTS 4
#define WORLD_PIECES 40
#define WORLD_TASKS 64
#define WORLD_USERS 4
#define WORLD_ARRAYS 4
#define WORLD_EDGES 12
#define WORLD_JOB_EDGES 3
#define WORLD_KEYS 8
#define WORLD_QUOTAS 10
#define WORLD_PREFERENCES 6

// A node as it was added, and its state.
struct world_node {
    uint32_t site, variant, devices, state, cpu, memory, out; // out: devices out of use, bits
    uint8_t health[GR_NODE_DEVICES_MAX];
    uint32_t domain[GR_DOMAIN_LEVELS];
    char name[GR_NAME_SIZE];
};

// What a job waits for.
struct world_edge {
    uint64_t job;
    uint32_t how;
    bool to_array, lost; // lost: it can never be met
};

// An array with elements that are live or still to come.
struct world_array {
    uint64_t id;
    uint32_t count, parallel, submitted, last_index, org, user;
    bool open, bad;
};

// A job from its submission to its end.
struct world_job {
    uint64_t id, tag;
    int64_t submitted, started, limit;
    struct gr_demand demand;
    uint32_t org, user, attempt, attempts, requeue_on;
    bool running, held;
    int64_t order; // place in its priority's queue, the lowest first
    int64_t began, stop, grace, safe;
    uint32_t stop_why, stop_signal;
    uint64_t called_for; // it goes so that this job finds room; 0: it does not
    uint32_t called_how; // enum gr_stop_why
    uint64_t array;      // 0: none
    uint32_t array_index;
    bool no_place; // waits for one in its array
    uint32_t edge_count;
    struct world_edge edges[WORLD_JOB_EDGES]; // not met
    uint64_t doomed;                          // when that was found, in order; 0: it is not
    uint32_t piece_count;
    struct gr_piece pieces[WORLD_TASKS];
    // Tasks that were lost; when they have no place, `pieces` says where they were.
    bool lost[WORLD_TASKS], has_lost;
    uint32_t part[WORLD_TASKS], parts;
    int64_t mend_since, mend_until;
};

// What is free at some moment, real or supposed.
struct world_view {
    int64_t cpu[WORLD_NODES], memory[WORLD_NODES];
    int milli[WORLD_NODES][GR_NODE_DEVICES_MAX];
    int withheld[WORLD_NODES][GR_NODE_DEVICES_MAX]; // free, but out of use
    bool usable[WORLD_NODES];                       // up, and not out of bounds
};

// An average of milli as of now, and its bounds since before the last whole second.
struct world_past {
    long double now, low, high;
};

// The books.
struct world {
    struct gr_core_limits limits;
    enum gr_order order;
    uint64_t sequence;
    uint32_t epoch;
    int64_t now;
    unsigned __int128 used, idle, maintenance, broken; // device-time
    uint32_t orgs, sites, variants, masks, nodes, jobs;
    struct gr_org org[WORLD_ORGS];
    struct gr_site site[WORLD_SITES];
    char variant[WORLD_VARIANTS][GR_NAME_SIZE];
    struct gr_mask mask[WORLD_MASKS];
    struct world_node node[WORLD_NODES];
    struct world_job job[WORLD_JOBS]; // in no order
    uint32_t users, arrays, keys;
    struct gr_user user[WORLD_USERS];
    struct world_array array[WORLD_ARRAYS]; // in no order
    struct gr_key key[WORLD_KEYS];          // the oldest first
    int64_t order_last, order_first;        // places in the queue given so far, at both ends
    uint64_t doomed_last;
    // What was said of quotas and shares, and what was held.
    uint32_t quotas;
    struct gr_quota quota[WORLD_QUOTAS];   // in no order
    struct gr_org_terms terms[WORLD_ORGS]; // weight 0: nothing was said
    struct gr_queue_terms queue_terms;
    uint32_t classes;
    struct gr_class class[GR_CLASSES_MAX]; // in the order in which they came
    struct world_past org_past[WORLD_ORGS], user_past[WORLD_USERS];
    uint32_t preferences;
    struct gr_preference preference[WORLD_PREFERENCES];
    // What was submitted, for the learned mix.
    uint64_t submitted, tasks, mix_due;
    // Room that is kept.
    uint64_t kept_job; // 0: none
    int64_t kept_start;
    bool kept[WORLD_NODES];
    // Room that is held while it is taken back, and what is lost by that.
    uint64_t held[WORLD_NODES]; // for this job; 0: for nobody
    int64_t held_until[WORLD_NODES];
    uint64_t lost, lost_jobs;
    bool promise; // nothing but limits can delay the start of kept_job
};

// A set of refusals: bit r for enum gr_refusal r.
typedef uint64_t world_set;
#define WORLD_NO(refusal) ((world_set)1 << (refusal))

// Everything that stands against a fact; 0 if it may be applied.
world_set world_objections(const struct world *world, const struct gr_event *event);
// Everything that stands against a demand as such.
world_set world_demand_objections(const struct gr_demand *demand);
// Makes a fact part of the books.
void world_apply(struct world *world, const struct gr_event *event);
// Compares all that the core shows with the books. NULL or a phrase.
const char *world_compare(const struct world *world, const struct gr_core *core);

// Finds a job by id, or NULL.
struct world_job *world_job(const struct world *world, uint64_t id);
// The waiting jobs in queue order; returns how many.
uint32_t world_queue(const struct world *world, const struct world_job *ret_jobs[WORLD_JOBS]);
// The live array with this id, or NULL.
struct world_array *world_array(const struct world *world, uint64_t id);
// The job that was found to be doomed first, or NULL.
const struct world_job *world_doomed(const struct world *world);
// Everything that stands against a submission that could otherwise be made, but its demand.
world_set world_submitted_objections(const struct world *world, const struct gr_event *event);
// Makes a submission part of the books.
void world_submitted(struct world *world, const struct gr_event *event);
// A job leaves; those that waited for it go on or are doomed.
void world_leave(struct world *world, uint64_t id, bool done);
// A running job goes back to the queue, in front.
void world_requeue(struct world *world, struct world_job *job);
// Another writer: arrays that are not complete stay so.
void world_epoch(struct world *world);

// --- world_prefer.c: kinds in order of preference

// The tier of a variant for a demand that prefers some; 0: in none, or the demand prefers none.
uint32_t world_tier(const struct world *world, const struct gr_demand *demand, uint32_t variant);
// What a mask allows of one tier of the demand. False: nothing.
bool world_tier_mask(const struct world *world, const struct gr_demand *demand, uint32_t tier,
                     const struct gr_mask *mask, struct gr_mask *ret_mask);
// Was the mask added?
bool world_mask_known(const struct world *world, const struct gr_mask *mask);
// Row of a preference; world->preferences if it was never set.
uint32_t world_preference_row(const struct world *world, const struct gr_preference *preference);
// Is there a row for one more?
bool world_preference_room(const struct world *world);
// Is it ill formed?
bool world_preference_wrong(const struct gr_preference *preference);
// Everything that stands against GR_PREFERENCE_SET.
world_set world_preference_objections(const struct world *world, const struct gr_event *event);
// Everything that stands against the preference that a demand of a known mask names.
world_set world_prefers_objections(const struct world *world, const struct gr_demand *demand);
// Makes GR_PREFERENCE_SET part of the books.
void world_preference_apply(struct world *world, const struct gr_event *event);
// The first tier that the demand, which prefers some, fits; 0: none.
uint32_t world_tier_fits(const struct world *world, const struct world_view *view,
                         const struct gr_demand *demand, const struct gr_mask *mask);

// --- world_holds.c: room that is held

// Is room held for the job?
bool world_has_hold(const struct world *world, uint64_t job);
// Nothing is held for the job any more.
void world_hold_end(struct world *world, uint64_t job);
// Everything that stands against GR_ROOM_HELD, but its job and its pieces, and against
// GR_ROOM_FREED.
world_set world_holds_objections(const struct world *world, const struct gr_event *event);
// Makes one of these part of the books.
void world_holds_apply(struct world *world, const struct gr_event *event);
// A job is asked to stop for its room now.
void world_lost_add(struct world *world, const struct world_job *job);
// Compares what the core shows of holds and losses. NULL or a phrase.
const char *world_holds_compare(const struct world *world, const struct gr_core *core);

// --- world_parts.c: tasks that running gangs have lost

// Tasks that a running job lacks.
uint32_t world_lost(const struct world_job *job);
// Everything that stands against GR_PART_LOST of a running job, but its attempt.
world_set world_part_lost_objections(const struct world_job *job, const struct gr_event *event);
// Everything that stands against GR_PART_PLACED of a running job, but its attempt and its pieces.
world_set world_part_placed_objections(const struct world_job *job, const struct gr_event *event);
// Makes one of these part of the books.
void world_part_lost(const struct world *world, struct world_job *job,
                     const struct gr_event *event);
// See world_part_lost.
void world_part_placed(struct world_job *job, const struct gr_event *event);
// Compares what the core shows of them. NULL or a phrase.
const char *world_parts_compare(const struct world *world, const struct gr_core *core);

// --- world_terms.c: quotas, shares and checkpoints

// Everything that stands against the facts GR_QUOTA_SET, GR_ORG_TERMS_SET and GR_QUEUE_TERMS_SET.
world_set world_terms_objections(const struct world *world, const struct gr_event *event);
// Makes one of these part of the books.
void world_terms_apply(struct world *world, const struct gr_event *event);
// Averages go on for so many milliseconds.
void world_pasts_pass(struct world *world, int64_t passed);
// What is held now by an organisation and those below it, or by a user.
struct world_use {
    uint64_t held, share; // milli of devices; as it counts for shares
    uint32_t running;
};
// See struct world_use.
struct world_use world_org_use(const struct world *world, uint32_t org);
// See struct world_use.
struct world_use world_user_use(const struct world *world, uint32_t user);
// Is an organisation the other one, or below it?
bool world_is_below(const struct world *world, uint32_t org, uint32_t above);
// Milli of devices of a variant that a running job holds.
uint64_t world_job_held(const struct world *world, const struct world_job *job, uint32_t variant);
// The same of an organisation and those below it.
uint64_t world_org_held(const struct world *world, uint32_t org, uint32_t variant);
// How much more of a variant an organisation may hold, as gr_quota_left.
uint64_t world_quota_left(const struct world *world, uint32_t org, uint32_t variant, bool own);
// Do the limits of its organisation, of those above it and of its user allow a job to run now?
bool world_terms_allow(const struct world *world, const struct world_job *job);
// Do they allow a running job to hold so many tasks more?
bool world_terms_allow_more(const struct world *world, const struct world_job *job, uint32_t tasks);
// Shares: what an organisation or a user (of organisation `org`; UINT32_MAX: nobody in particular)
// holds and held for its weight, between two bounds: averages count as of some moment of late.
struct world_key {
    long double low, high;
};
// See struct world_key.
struct world_key world_org_key(const struct world *world, uint32_t org);
// See struct world_key.
struct world_key world_user_key(const struct world *world, uint32_t org, uint32_t user);
// May work of an organisation ask for this priority?
bool world_priority_allowed(const struct world *world, uint32_t org, unsigned priority);

// Compares what the core shows of quotas, terms, use and averages. NULL or a phrase.
const char *world_terms_compare(const struct world *world, const struct gr_core *core);

// When a running job ends at the latest, seen at `at`; INT64_MAX if nobody knows. Where shares
// count a job without a limit is guessed to last a day, and then an hour at a time.
int64_t world_end(const struct world *world, const struct world_job *job, int64_t at);

// What is free now.
void world_view_now(const struct world *world, struct world_view *ret_view);
// What would be free if all were up and empty.
void world_view_empty(const struct world *world, struct world_view *ret_view);
// What will be free when every running job with an end until `until` (seen at `at`) is gone.
void world_view_later(const struct world *world, int64_t at, int64_t until,
                      struct world_view *ret_view);
// Would the demand fit, and wholly, on any variants of the mask?
bool world_fits_one(const struct world *world, const struct world_view *view,
                    const struct gr_demand *demand, const struct gr_mask *mask);
// Would the demand fit, and wholly, in one tier if it prefers some? `mask` instead of the demand's.
bool world_fits(const struct world *world, const struct world_view *view,
                const struct gr_demand *demand, const struct gr_mask *mask);
// Are these pieces a proper answer to the demand: on usable nodes that the mask allows, within what
// is free, together in the domains they must share, in one tier? NULL or a phrase.
const char *world_pieces_wrong(const struct world *world, const struct world_view *view,
                               const struct gr_demand *demand, const struct gr_piece *pieces,
                               uint32_t count);
