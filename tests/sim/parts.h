// What the parts of the driver share: one run, its random numbers, and who makes and answers what.
#pragma once

#include "base/rng.h"
#include "world.h"

// What the hooks know; part of a step, not of the state.
struct rules {
    uint64_t no_every; // every so many-th tag or job is refused; 0: none
    int no_site;       // -1: none
    uint32_t jobs_per_org;
};

// One run: the core, the books, and all facts so far.
struct drive {
    uint64_t random;
    struct gr_core_config config;
    struct gr_core *core, *copy; // the copy gets the same facts from some moment on
    struct world world, before;  // before the last fact
    struct rules rules;
    struct gr_event *facts; // all of them, with arrays of their own
    size_t fact_count, fact_room;
    int64_t at;
    bool lent;                             // this run is about room that is lent and taken back
    struct gr_piece *pieces, *copy_pieces; // GR_TASKS_MAX each
    uint64_t refused_at; // sequence at which some starts may have been refused by rules
    uint64_t held_at;    // of the last fact, decided and not made up, that holds room
};

// The next random number (SplitMix64).
static inline uint64_t draw(struct drive *drive)
{
    return gr_rng_next(&drive->random);
}

// A random number below `limit`.
static inline uint32_t below(struct drive *drive, uint32_t limit)
{
    return (uint32_t)(draw(drive) % limit);
}

// True in so many of a hundred cases.
static inline bool chance(struct drive *drive, uint32_t of_hundred)
{
    return below(drive, 100) < of_hundred;
}

// One of the entries of an array.
#define PICK(drive, list) ((list)[below((drive), sizeof(list) / sizeof *(list))])

// --- drive.c

// A copy on the heap; never NULL.
void *drive_copy_of(const void *bytes, size_t size);
// A fact with its header filled in.
struct gr_event drive_fact(struct drive *drive, enum gr_event_type type);
// Core and books say the same of a fact. True if it may be applied.
bool drive_agreed(struct drive *drive, const struct gr_event *event);
// Applies a fact that must be allowed, everywhere, and compares.
void drive_apply(struct drive *drive, const struct gr_event *event);

// --- drive_checks.c

// The index and the scan find the same place.
void drive_index_compare(struct drive *drive);
// The copy agrees with the core, and is made anew: cloned, or saved and loaded.
void drive_copy_renew(struct drive *drive);
// The auditor has nothing to say.
void drive_audit(struct drive *drive);
// The recorded facts, from the beginning, give the same state.
void drive_history_replay(struct drive *drive);

// --- make.c: random things

// Arrays of a random fact.
struct make_room {
    struct gr_piece pieces[WORLD_TASKS + 1];
    struct gr_mix_item item;
    struct gr_mask mask;
    struct gr_edge edges[WORLD_JOB_EDGES];
};

// A new organisation, site, variant or node, as a fact that may find its table full.
struct gr_event make_org(struct drive *drive);
// See make_org.
struct gr_event make_site(struct drive *drive);
// See make_org.
struct gr_event make_variant(struct drive *drive);
// See make_org.
struct gr_event make_node(struct drive *drive);
// What an operator may say: a quota (maybe none any more), terms of an organisation, of the queue.
struct gr_event make_quota(struct drive *drive);
// See make_quota.
struct gr_event make_org_terms(struct drive *drive);
// See make_quota.
struct gr_event make_queue_terms(struct drive *drive);
struct gr_event make_class(struct drive *drive);
// What a running job may say: that its work is safe up to now, or up to a while ago.
struct gr_event make_checkpoint(struct drive *drive, uint64_t job);
// Some sites and variants.
struct gr_mask make_mask(struct drive *drive);
// What a task, and a gang, may ask for.
struct gr_shape make_shape(struct drive *drive);
// See make_shape.
struct gr_demand make_demand(struct drive *drive);
// Which variants first: well formed but for a few.
struct gr_preference make_preference(struct drive *drive);
// Any fact, about things that may not be there; its arrays are the caller's.
struct gr_event make_any(struct drive *drive, struct make_room *room);
// Jobs to wait for, at most WORLD_JOB_EDGES; returns how many.
uint32_t make_edges(struct drive *drive, struct gr_edge *ret_edges);
// How an attempt may end.
struct gr_ending make_ending(struct drive *drive);
// Damages one field of a fact.
void make_damage(struct drive *drive, struct gr_event *event, struct make_room *room);

// --- answer.c: requests, and what must come of them

// A submission.
void answer_submit(struct drive *drive);
// The start of one job.
void answer_start_job(struct drive *drive);
// One decision about the queue. True if it made a fact.
bool answer_start(struct drive *drive);
// Everything but room, quotas and limits that stands against a start.
world_set answer_start_objections(struct drive *drive, const struct world_job *job);
// A fact's pieces are a proper answer to a job's demand, in the view.
void answer_pieces_verify(struct drive *drive, const struct world_view *view,
                          const struct gr_event *event, const struct world_job *job);
// Its pieces lie in the first choice of its preference that finds room in the view and has a mask.
void answer_tier_verify(struct drive *drive, const struct world_view *view,
                        const struct gr_event *event, const struct world_job *job,
                        const struct gr_mask *mask);
// Room is kept for this job, from the first moment on at which ends make some.
void answer_reservation_verify(struct drive *drive, const struct gr_event *event,
                               const struct world_job *job);
// The job that room is kept for can still start when it was promised.
void answer_promise_verify(struct drive *drive);

// Do the rules of this step refuse the job?
bool answer_refused(const struct drive *drive, const struct world_job *job);

// --- answer_part.c

// A task is lost with its node or device, if there is one.
void answer_part_lost(struct drive *drive);
// A running job is about to end.
void answer_part_ends(const struct world_job *job);
// Is the decision about tasks that somebody lacks?
bool answer_part_is(const struct gr_event *event);
// Then it is one that the books explain.
void answer_part_verify(struct drive *drive, const struct gr_event *event);
// The decision is another one, or none: nobody could have got the tasks that he lacks.
void answer_part_none(struct drive *drive);

// --- answer_fair.c

// Variants that a job's mask names and of which its quotas leave so many of its tasks enough.
struct gr_mask answer_mask_left(const struct world *world, const struct world_job *job,
                                uint32_t tasks, bool own);
// Does the mask name any variant that there is?
bool answer_mask_is_any(const struct world *world, const struct gr_mask *mask);
// Is a narrowed mask known, or has the pool room for one?
bool answer_mask_known(const struct world *world, const struct gr_mask *mask,
                       const struct world_job *job);
// Do quotas leave the job what the pieces take, within its own or beyond?
bool answer_quota_allows(const struct world *world, const struct world_job *job,
                         const struct gr_event *event);

// A decision where shares count is one that the books explain.
void answer_fair_verify(struct drive *drive, bool answer, const struct gr_event *event);
// Takes nodes out of a view that are held for others than the job, where that counts.
void answer_held_hide(const struct drive *drive, struct world_view *view, uint64_t job);
// The same of a decision that takes room back: room held, a stop, the end of a hold.
void answer_hold_verify(struct drive *drive, const struct gr_event *event);
// What came of a decision where shares count. True if it made a fact.
bool answer_start_fair(struct drive *drive, bool answer, const struct gr_event *event);

// An operator asks for moves, and has them made.
void answer_defrag(struct drive *drive);

// Has it a right to the room that there is, and fits, if it does not matter who comes first?
bool answer_starts_alone(struct drive *drive, const struct world_job *job);

// --- answer_rest.c

// Nothing comes from outside any more but ends of work: all comes to rest, and whoever can start
// does.
void answer_rest(struct drive *drive);

// --- answer_end.c

// The end of an attempt.
void answer_end(struct drive *drive);
// Somebody wants a job stopped.
void answer_stop(struct drive *drive);
// Jobs that can never start are dropped.
void answer_doomed(struct drive *drive);
// A mix is due, or not.
void answer_mix(struct drive *drive);
