// The core: a deterministic state machine that holds the whole pool.
//
//     request -> decide -> admit -> gr_core_check -> (journal) -> gr_core_apply -> effects
//
// The state is one block of memory without pointers; a clone is a copy of it. The core reads no
// clock (events carry time), draws no random numbers, does no I/O, uses integers only and allocates
// nothing after gr_core_new. Same facts in, same state out, byte for byte: gr_core_digest proves
// it.
#pragma once

#include "base/err.h"
#include "core/event.h"
#include "place/place.h"

#include <stddef.h>

struct gr_core; // opaque; core/state.h for src/core

// In which order waiting jobs start.
enum gr_order {
    GR_ORDER_FIFO = 0, // by priority, then arrival; the first that does not fit blocks the rest
    GR_ORDER_BACKFILL, // jobs behind a blocked first one may start if they do not delay it
    // By rights (quotas), then priority, then shares, then arrival; jobs behind a blocked first one
    // may start if they do not delay it. docs/design/queue.md.
    GR_ORDER_FAIR,
};

// What a core can hold. All of it is reserved at the start and refused beyond.
struct gr_core_limits {
    struct gr_place_limits place;
    uint32_t jobs;         // held, waiting and running, 1..16777216
    uint32_t pieces;       // held by allocations of more than one piece, 0..16777216
    uint32_t orgs;         // 1..65536
    uint32_t sites;        // 1..GR_SITES_MAX
    uint32_t variants;     // 1..GR_POOL_VARIANTS_MAX
    uint32_t users;        // 0..16777216
    uint32_t arrays;       // live ones, 0..16777216
    uint32_t edges;        // not met yet, of all jobs, 0..16777216
    uint32_t keys;         // kept at a time, 0..16777216
    uint32_t keys_per_org; // of these, of one organisation
    uint32_t queues;       // users of an organisation with live jobs, 0..262144; 0: 65536
    uint32_t needs;        // different demands of live jobs, 0..262144; 0: 65536
    uint32_t quotas;       // that are set, 0..1048576; 0: 65536
    uint32_t preferences;  // of live jobs, 0..255; 0: 255
};

// How a core decides. Kept with the state, copied by clones, not part of its digest.
struct gr_core_config {
    struct gr_core_limits limits;
    const char *policy; // name of a placement policy; borrowed until gr_core_new returns
    uint64_t seed;      // for the random policy
    enum gr_order order;
    uint32_t touch_jobs;   // working size: rows, with what is indexed about them, made real at the
    uint32_t touch_pieces; // start, so that service never waits for the system to find memory; 0:
    uint32_t touch_nodes;  // none
    bool learn_mix;        // count what is submitted, for gr_decide_mix
};

// What lies outside and is asked before a fact is made; never in replay. Members may be NULL.
struct gr_hooks {
    void *context; // handed to both
    // Clears from `mask` the sites and variants where `demand` of `org` may not go (rules, quotas,
    // data location). Called once a submission.
    void (*allow)(void *context, const struct gr_core *core, uint32_t org,
                  const struct gr_demand *demand, struct gr_mask *mask);
    // Says whether the fact may be made now, and may set its verdict and rules_version. Called for
    // submissions and for starts.
    enum gr_refusal (*admit)(void *context, const struct gr_core *core, struct gr_event *event);
};

// Makes a core in memory of its own. The pool, jobs and all tables are reserved, and touched as far
// as `limits` say. Returns 0 and the core, to be freed with gr_core_free; -EINVAL (limits out of
// range, no such policy) or -ENOMEM with a text in `err`.
int gr_core_new(const struct gr_core_config *config, struct gr_core **ret_core, struct gr_err *err);
// Copies a core: same state, same decisions, independent from here on. Errors: -ENOMEM.
int gr_core_clone(const struct gr_core *core, struct gr_core **ret_core, struct gr_err *err);
// Lends the policy's tables of another core, so that they need not be made again if mix and fleet
// are the same: for many runs of one trace. A hint that changes no decision. False if the policies
// differ.
bool gr_core_tables_take(struct gr_core *core, const struct gr_core *from);
// Gives a core back. NULL is allowed.
void gr_core_free(struct gr_core *core);

// Asks whether a fact may become part of this history: structural invariants only (sequence, known
// ids, nothing held twice), the same live and in replay. Pure. GR_REFUSED_NOTHING: it may.
enum gr_refusal gr_core_check(const struct gr_core *core, const struct gr_event *event);
// gr_core_check and, if nothing stands against the fact, gr_core_apply in one, which is cheaper.
// *ret_count (may be NULL): effects written to `ret_effects` (may be NULL).
enum gr_refusal gr_core_step(struct gr_core *core, const struct gr_event *event,
                             struct gr_effect *ret_effects, unsigned *ret_count);
// Says which facts come soon, so that their rows are on the way from memory when they are applied:
// for long tails of history, a few dozen facts at a time. A hint; changes nothing.
void gr_core_soon(const struct gr_core *core, const struct gr_event *events, uint32_t count);
// Makes the fact part of the state. gr_core_check has said yes; asserted. Cannot fail. Writes at
// most GR_EFFECTS_MAX effects to `ret_effects` (may be NULL) and returns how many.
unsigned gr_core_apply(struct gr_core *core, const struct gr_event *event,
                       struct gr_effect *ret_effects);

// 32 bytes that stand for all that facts made of the state: BLAKE2b-256 over its tables, never over
// what follows from them, nor over how the core decides (policy, seed, order, learned mix): the
// same facts have the same digest under another policy. Cost in proportion to the state.
// GR_DIGEST_FORMAT is hashed first.
void gr_core_digest(const struct gr_core *core, uint8_t ret_digest[32]);
#define GR_DIGEST_FORMAT 3u

// Recomputes all that can be derived and checks the books: each milli of each device is held once
// or free, sums match, device-time adds up. For tests, benchmarks and the auditor; visits
// everything. Returns NULL or a phrase that says what does not hold.
const char *gr_core_audit(const struct gr_core *core);

// --- what is there (pure)

// What was lost by taking room back, in milli x milliseconds of devices.
struct gr_core_lost {
    uint64_t total; // since the first fact
    uint64_t hour;  // of the last hour, as the cap sees it: it leaks evenly; 0 without a cap
    uint64_t jobs;  // that were asked to stop for their room
};
// See struct gr_core_lost.
struct gr_core_lost gr_core_lost(const struct gr_core *core, int64_t at_ms);
// Room that is held for a job.
struct gr_core_hold {
    uint64_t job;              // id
    int64_t made_ms, until_ms; // `at` of its fact, and from which it is given up
    uint32_t nodes;            // that are kept
    uint32_t reserved;
};
// Holds one after the other: *cursor 0 to begin. False at the end.
bool gr_core_hold_next(const struct gr_core *core, uint32_t *cursor, struct gr_core_hold *ret_hold);
// Could a running job be asked to stop at `at_ms` for one who has a right to its room (it is
// borrowed, and the job ran for long enough)? *ret_lost (may be NULL): what would be lost.
bool gr_core_reclaimable(struct gr_core *core, uint64_t job, int64_t at_ms, uint64_t *ret_lost);
// When gr_decide_start may have something to do though nothing has happened: a hold ends, taking
// room back is to be tried again, or a window opens, closes, or needs its room soon. INT64_MAX:
// never.
int64_t gr_core_wake_ms(const struct gr_core *core);

// The sequence that the next fact must carry: 1, 2, ...
uint64_t gr_core_next_sequence(const struct gr_core *core);
// Time of the last fact, milliseconds; the next may not be before it.
int64_t gr_core_now(const struct gr_core *core);
// The pool. Borrowed; to read.
const struct gr_place *gr_core_place(const struct gr_core *core);
// The pool, for questions that may do deferred index work (gr_place_find, gr_place_refresh).
// Borrowed.
struct gr_place *gr_core_place_refresh(struct gr_core *core);
// A live job (held, waiting or running), or NULL. Borrowed until the next gr_core_apply.
const struct gr_job *gr_core_job_find(const struct gr_core *core, uint64_t job);
// Live jobs, one after the other in no particular order: *cursor 0 to begin; NULL at the end.
// Borrowed until the next gr_core_apply; a cursor stays good after it, and then jobs that came or
// went may be missed.
const struct gr_job *gr_core_job_next(const struct gr_core *core, uint32_t *cursor);
// What a job belongs to and waits for.
struct gr_job_more {
    uint64_t array;       // id of the array's first element; 0: no array
    uint32_t array_index; // as its submitter numbers it
    uint32_t pending;     // jobs it still waits for, and a place in its array if it has none yet
    uint32_t edge_count;  // edges that are not met
    uint32_t is_doomed;   // 1: an edge can never be met
};
// See struct gr_job_more. `job` must be live.
void gr_core_job_more(const struct gr_core *core, uint64_t job, struct gr_job_more *ret_more);
// Copies a live job's edges that are not met, at most `most`, and returns how many there are.
uint32_t gr_core_job_edges(const struct gr_core *core, uint64_t job, struct gr_edge *ret_edges,
                           uint32_t most);
// True if elements of the array with this id (of its first element) are live or still to come.
bool gr_core_array_is_live(const struct gr_core *core, uint64_t array);
// Jobs held, waiting, running.
uint32_t gr_core_held(const struct gr_core *core);
// See gr_core_held.
uint32_t gr_core_waiting(const struct gr_core *core);
// See gr_core_held.
uint32_t gr_core_running(const struct gr_core *core);
// Live jobs of an organisation; 0 if there is none of this index.
uint32_t gr_core_org_jobs(const struct gr_core *core, uint32_t org);
// Edges that are not met, of all jobs.
uint32_t gr_core_edges(const struct gr_core *core);
// The next waiting job in order after `job` (0: the first), or 0. `job` must be waiting.
uint64_t gr_core_waiting_next(const struct gr_core *core, uint64_t job);
// Copies the pieces of a running job, at most `most`, and returns how many there are; those that
// are missing are left out.
uint32_t gr_core_job_pieces(const struct gr_core *core, uint64_t job, struct gr_piece *ret_pieces,
                            uint32_t most);
// Calls `each` for every task of a running job in order of their numbers: its piece (NULL: it was
// lost and has no other place yet) and the part in which it was placed (0: at the start of the
// attempt).
void gr_core_job_tasks(const struct gr_core *core, uint64_t job,
                       void (*each)(void *context, uint32_t task, const struct gr_piece *piece,
                                    uint32_t part),
                       void *context);
// Of a running job whose attempt has lost a part.
struct gr_core_part {
    uint64_t job;     // id
    int64_t since_ms; // of the first loss that is not made good; 0: it is whole again
    int64_t until_ms; // then it is stopped, if it is not whole
    uint32_t missing; // tasks without a place
    uint32_t parts;   // that were placed in this attempt
};
// Such jobs one after the other: *cursor 0 to begin. False at the end.
bool gr_core_part_next(const struct gr_core *core, uint32_t *cursor, struct gr_core_part *ret_part);
// The one of this id; false: it has lost nothing.
bool gr_core_part_find(const struct gr_core *core, uint64_t job, struct gr_core_part *ret_part);
// May this running job lose so many more of its tasks and go on? Its submitter must want that
// (GR_REQUEUE_PART), it must have begun, be asked to stop by nobody, and keep a task. Otherwise
// GR_REFUSED_JOB, GR_REFUSED_STATE, GR_REFUSED_PIECES, or GR_REFUSED_LIMIT_OTHER: as many jobs as
// the core keeps account of have lost a part.
enum gr_refusal gr_core_part_may(const struct gr_core *core, uint64_t job, uint32_t tasks);
// Device-milli held by allocations now.
uint64_t gr_core_used_milli(const struct gr_core *core);
// Device-time since the first fact, in milli x milliseconds, by state. The four add up to all
// device-time that existed. What an allocation holds of a broken node is broken, not used.
struct gr_device_time {
    unsigned __int128 used, idle, maintenance, broken; // the words of the glossary
};
// As it will be at `at_ms` if nothing happens until then; before gr_core_now it is as of then.
struct gr_device_time gr_core_device_time_at(const struct gr_core *core, int64_t at_ms);
// See struct gr_device_time; up to gr_core_now.
struct gr_device_time gr_core_device_time(const struct gr_core *core);
// Organisations, sites and variants by index; NULL beyond what was added.
const struct gr_org *gr_core_org_get(const struct gr_core *core, uint32_t index);
// See gr_core_org_get.
const struct gr_site *gr_core_site_get(const struct gr_core *core, uint32_t index);
// See gr_core_org_get. The name of the catalogue row, NUL-terminated.
const char *gr_core_variant_get(const struct gr_core *core, uint32_t index);
// See gr_core_org_get. A preference by row: a demand carries the row plus 1.
const struct gr_preference *gr_core_preference_get(const struct gr_core *core, uint32_t row);
// See gr_core_org_get.
const struct gr_user *gr_core_user_get(const struct gr_core *core, uint32_t index);
// Class of a device's health as the last GR_DEVICES_SET said; 0 before. Whether it is out of use is
// in gr_node_cold.out.
uint8_t gr_core_device_health(const struct gr_core *core, uint32_t node, uint32_t device);
// How many there are.
uint32_t gr_core_org_count(const struct gr_core *core);
// See gr_core_org_count.
uint32_t gr_core_site_count(const struct gr_core *core);
// See gr_core_org_count.
uint32_t gr_core_variant_count(const struct gr_core *core);
// See gr_core_org_count.
uint32_t gr_core_preference_count(const struct gr_core *core);
// See gr_core_org_count.
uint32_t gr_core_user_count(const struct gr_core *core);
// The last writer's epoch; 0 before the first.
uint32_t gr_core_epoch(const struct gr_core *core);
// The quota set for an organisation and variant, and what it and those below it hold of the variant
// now, in milli. False: none is set.
bool gr_quota_find(const struct gr_core *core, uint32_t org, uint32_t variant,
                   struct gr_quota *ret_quota, uint64_t *ret_used);
// Whether a quota agrees with those that are set, as if it had been set too: what organisations
// below it have of their own (nominal) must not pass its nominal + borrow, nor with it that of the
// next one above that has a quota; lend must not pass nominal; amounts must not be too large. For
// several at once: apply all to a clone, then ask about each. Returns NULL, or the field that is
// wrong ("nominal", "borrow", "lend"; static text) and writes a sentence for people, which says
// what bounds it, with figures, to `text` (`size` bytes, cut if need be). Organisation and variant
// must be known.
const char *gr_quota_wrong(const struct gr_core *core, const struct gr_quota *quota, char *text,
                           size_t size);
// As gr_quota_wrong, for what may be meant but seldom is: nominals of a variant that add up to more
// than the pool has of it.
const char *gr_quota_doubtful(const struct gr_core *core, const struct gr_quota *quota, char *text,
                              size_t size);
// Finds a key that was used in the GR_KEY_MS before gr_core_now. True, and what came of it.
bool gr_core_key_find(const struct gr_core *core, const uint8_t key[16], struct gr_key *ret_key);
// Keys kept now.
uint32_t gr_core_keys(const struct gr_core *core);

// --- what to do (decisions; they change nothing and return a fact to be checked and applied)

// A submission as it comes in: `mask` is what was asked for (the kind) before anything is cleared.
struct gr_submission {
    uint32_t org;            // who submits
    struct gr_demand demand; // shape.mask is ignored
    struct gr_mask mask;
    struct gr_preference preference; // which variants first; all zero: none. A variant that the
                                     // mask allows and this does not name is cleared from the mask
    int64_t limit_ms;                // time limit, > 0; 0: none
    uint64_t tag;                    // the caller's own reference, kept and never interpreted
    uint32_t user;                   // who submits; UINT32_MAX: nobody in particular
    uint16_t attempts;               // at most; 0 is taken as 1
    uint8_t requeue_on;              // bits, enum gr_requeue
    struct gr_array_of array;        // .array = 0 with count > 0: the first element
    const struct gr_edge *edges;     // what it waits for; borrowed
    uint32_t edge_count;
    uint8_t commitment[32]; // to what the aside says of it
};

// Decides a submission at time `at_ms`. Returns GR_REFUSED_NOTHING and one or two facts, to be
// checked and applied in order (a mask that was not known before, then the job), or why not. The
// facts borrow from `submission`, whose mask was narrowed by hooks->allow.
//
// With a preference that was not known before, in whole or for such a mask, nothing stands against
// the submission and the one fact is GR_PREFERENCE_SET or GR_MASK_ADDED: apply it and ask again
// with the same submission, until the last fact is GR_JOB_SUBMITTED.
enum gr_refusal gr_decide_submit(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                                 struct gr_submission *submission, struct gr_event ret_events[2],
                                 unsigned *ret_count);

// How many tasks of a submission would find room now, all in one tier of its preference: as many as
// it has tasks, or fewer. Its mask need not be known. Visits every node.
uint32_t gr_core_submission_room(struct gr_core *core, const struct gr_submission *submission);
// The same for the empty fleet.
uint32_t gr_core_submission_fleet(struct gr_core *core, const struct gr_submission *submission);
// gr_core_submission_room for the demand of a live job.
uint32_t gr_core_room_tasks(const struct gr_core *core, const struct gr_demand *demand);

// Decides which waiting job starts next, and where. Returns true and a fact: GR_JOB_PLACED, or,
// with backfill, GR_ROOM_RESERVED for the first blocked job; its pieces are in `pieces` (room for
// GR_TASKS_MAX). If the order is fair also what it takes to take room back: GR_ROOM_HELD,
// GR_STOP_ASKED, GR_ROOM_FREED, and GR_MASK_ADDED. In any order GR_PART_PLACED for a job that lacks
// tasks, or GR_STOP_ASKED (GR_STOP_NODE) if it lacks them for too long; and before all that what
// windows ask for at that time: GR_WINDOW_OPENED, GR_WINDOW_CLOSED, GR_STOP_ASKED. False: nothing
// can start until something changes, or gr_core_wake_ms has come. Call, check, apply, repeat. May
// do deferred index work; the state is the same afterwards.
bool gr_decide_start(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                     struct gr_piece *pieces, struct gr_event *ret_event);

// As gr_decide_start for one job, whatever the order: for work that is dropped if it does not fit
// at once. GR_REFUSED_NO_ROOM if it does not.
enum gr_refusal gr_decide_start_job(struct gr_core *core, const struct gr_hooks *hooks,
                                    int64_t at_ms, uint64_t job, struct gr_piece *pieces,
                                    struct gr_event *ret_event);

// A held job that can never start any more: a fact that drops it. Ask after each applied group of
// facts until false.
bool gr_decide_doomed(const struct gr_core *core, int64_t at_ms, struct gr_event *ret_event);

// The end of a running job's attempt: GR_JOB_FINISHED, or GR_JOB_REQUEUED if attempts are left (or
// its room was taken back or it moves, which does not count against them), requeue_on names what
// ended it (or it moves), and neither its user, its time limit nor its idleness stopped it.
struct gr_event gr_decide_end(const struct gr_core *core, int64_t at_ms, int64_t since_ms,
                              uint64_t job, const struct gr_ending *ending);
// Ends a job that somebody wants ended: GR_JOB_DROPPED for a held or waiting one, GR_STOP_ASKED for
// a running one. For a job that is not there, a fact that gr_core_check refuses.
struct gr_event gr_decide_stop(const struct gr_core *core, int64_t at_ms, uint64_t job,
                               enum gr_stop_why why, uint32_t signal, int64_t grace_ms);
// The fact that a task of a running job is over and its place free: its node or device failed, and
// gr_core_part_may says yes. `part`: in which it was placed. For another task than one that has a
// place of that part, a fact that gr_core_check refuses.
struct gr_event gr_decide_part_lost(const struct gr_core *core, int64_t at_ms, int64_t since_ms,
                                    uint64_t job, uint32_t task, uint32_t part);
// The fact that a held or waiting job leaves unstarted.
struct gr_event gr_decide_drop(const struct gr_core *core, int64_t at_ms, uint64_t job,
                               enum gr_refusal why);
// With `learn_mix`: true and a GR_MIX_SET fact when what was submitted so far has grown by a
// quarter since the last one. The fact borrows from the core until the next gr_core_apply is over.
bool gr_decide_mix(const struct gr_core *core, int64_t at_ms, struct gr_event *ret_event);
// With `learn_mix`: whether what was submitted so far has about the proportions of the pool's mix,
// so that a new one would change little: of a hundred submissions at most two would have to be of
// other shapes. False without a mix.
bool gr_core_mix_is_near(const struct gr_core *core);
// A fact of any other type with its header filled in (the epoch is the last writer's, and one more
// for GR_EPOCH_BEGUN); the caller fills the rest.
struct gr_event gr_decide_fact(const struct gr_core *core, int64_t at_ms, enum gr_event_type type);
