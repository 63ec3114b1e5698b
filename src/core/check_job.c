// May a fact about a job become part of this history? See check.c.
#include "core/part.h"
#include "core/prefer.h"
#include "core/queue.h"
#include "core/reclaim.h"
#include "core/state.h"

#define NONE UINT32_MAX
#define REQUEUE                                                                                    \
    (GR_REQUEUE_FAILED | GR_REQUEUE_NODE | GR_REQUEUE_RECLAIM | GR_REQUEUE_MOVE | GR_REQUEUE_PART)

// What an element of an array must be: the next one of a live array, or the first of a new one.
static enum gr_refusal check_element(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_array_of *of = &event->submitted.array;
    if (of->reserved != 0) {
        return GR_REFUSED_FIELD;
    }
    if (of->array == 0) {
        return of->index == 0 && of->count == 0 && of->parallel == 0 ? GR_REFUSED_NOTHING
                                                                     : GR_REFUSED_FIELD;
    }
    if (of->count < 1 || of->count > GR_SPEC_ARRAY_MAX) {
        return GR_REFUSED_FIELD;
    }
    if (of->array == event->sequence) {
        return core->array_used == core->limits.arrays ? GR_REFUSED_LIMIT_OTHER
                                                       : GR_REFUSED_NOTHING;
    }
    uint32_t row = gr_links_array(core, of->array);
    if (row == NONE) {
        return GR_REFUSED_JOB;
    }
    const struct gr_array_row *array = gr_array_at(core, row);
    if (array->submitted == array->count) {
        return GR_REFUSED_STATE;
    }
    return of->count == array->count && of->parallel == array->parallel &&
                   of->index > array->last_index && event->submitted.org == array->org &&
                   event->submitted.user == array->user
               ? GR_REFUSED_NOTHING
               : GR_REFUSED_FIELD;
}

// What a job may wait for: jobs and arrays that are live and can still end as they must. Elements
// of an array wait only for what came before the array, so that nothing waits for itself.
static enum gr_refusal check_edges(const struct gr_core *core, const struct gr_event *event)
{
    uint64_t before = event->submitted.array.array;
    if (event->edge_count > GR_SPEC_AFTER_MAX || (event->edge_count > 0 && event->edges == NULL)) {
        return GR_REFUSED_FIELD;
    }
    if (event->edge_count > core->limits.edges - core->edge_used) {
        return GR_REFUSED_LIMIT_OTHER;
    }
    for (uint32_t i = 0; i < event->edge_count; i++) {
        const struct gr_edge *edge = &event->edges[i];
        if (edge->how >= GR_AFTERS || edge->reserved != 0 || (before != 0 && edge->job >= before)) {
            return GR_REFUSED_FIELD;
        }
        uint32_t array = gr_links_array(core, edge->job);
        if (array == NONE ? gr_core_job_slot(core, edge->job) == NONE
                          : edge->how == GR_AFTER_OK && gr_array_at(core, array)->bad > 0) {
            return GR_REFUSED_AFTER;
        }
    }
    return GR_REFUSED_NOTHING;
}

enum gr_refusal gr_check_submitted(const struct gr_core *core, const struct gr_event *event,
                                   bool new_mask)
{
    if (core->held + core->waiting + core->running == core->limits.jobs) {
        return GR_REFUSED_LIMIT_JOBS;
    }
    if (event->submitted.org >= core->org_count) {
        return GR_REFUSED_ORG;
    }
    uint32_t user = event->submitted.user;
    if (user != NONE &&
        (user >= core->user_count || gr_user_at(core, user)->org != event->submitted.org)) {
        return GR_REFUSED_USER;
    }
    if (event->submitted.demand.shape.mask >= gr_place_mask_count(gr_pool(core)) + new_mask) {
        return GR_REFUSED_MASK;
    }
    if (event->submitted.limit_ms < 0 || event->submitted.attempts < 1 ||
        event->submitted.attempts > GR_SPEC_ATTEMPTS_MAX ||
        (event->submitted.requeue_on & ~REQUEUE) != 0 ||
        gr_demand_wrong(&event->submitted.demand) != NULL) {
        return GR_REFUSED_FIELD;
    }
    if (event->submitted.demand.preference != 0) {
        const struct gr_demand *demand = &event->submitted.demand;
        enum gr_refusal refusal =
            new_mask ? GR_REFUSED_MASK // the masks of its tiers are known before it is
                     : gr_prefer_check(core, demand,
                                       gr_place_mask_get(gr_pool(core), demand->shape.mask));
        if (refusal != GR_REFUSED_NOTHING) {
            return refusal;
        }
    }
    if (!gr_queue_has_room(core, &event->submitted.demand, event->submitted.org, user)) {
        return GR_REFUSED_LIMIT_OTHER;
    }
    enum gr_refusal refusal = check_element(core, event);
    return refusal == GR_REFUSED_NOTHING ? check_edges(core, event) : refusal;
}

// A job of this id in this state.
static enum gr_refusal check_job(const struct gr_core *core, uint64_t job, enum gr_job_state state,
                                 const struct gr_job **ret_job)
{
    uint32_t slot = gr_core_job_slot(core, job);
    if (slot == NONE) {
        return GR_REFUSED_JOB;
    }
    *ret_job = gr_job_at(core, slot);
    return (*ret_job)->state == state ? GR_REFUSED_NOTHING : GR_REFUSED_STATE;
}

// A piece is what one task of the shape takes, no more and no less.
static bool piece_matches(const struct gr_piece *piece, const struct gr_shape *shape)
{
    return piece->cpu_milli == shape->cpu_milli && piece->memory_mib == shape->memory_mib &&
           piece->milli == shape->milli && __builtin_popcount(piece->devices) == shape->devices;
}

// All pieces fit together into what is free: those of one node are taken one after the other from a
// copy of its row.
static enum gr_refusal check_pieces(const struct gr_core *core, const struct gr_demand *demand,
                                    const struct gr_piece *pieces, uint32_t count, bool free_now)
{
    const struct gr_place *place = gr_pool(core);
    struct gr_node copy;
    if (pieces == NULL || count != demand->tasks) {
        return GR_REFUSED_PIECES;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (pieces[i].node >= gr_place_node_count(place)) {
            return GR_REFUSED_NODE;
        }
        bool same = i > 0 && pieces[i].node == pieces[i - 1].node;
        if (!piece_matches(&pieces[i], &demand->shape) ||
            (i > 0 && pieces[i].node < pieces[i - 1].node) ||
            (same && pieces[i].devices < pieces[i - 1].devices)) {
            return GR_REFUSED_PIECES;
        }
        if (!free_now) {
            continue;
        }
        if (!same) {
            copy = *gr_place_node_get(place, pieces[i].node);
        }
        if (!gr_node_can_take(&copy, &pieces[i])) {
            return GR_REFUSED_HELD;
        }
        if (count > 1) {
            gr_node_take(&copy, &pieces[i]);
        }
    }
    return GR_REFUSED_NOTHING;
}

static enum gr_refusal check_placed(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_job *job;
    enum gr_refusal refusal = check_job(core, event->placed.job, GR_JOB_WAITING, &job);
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    if (event->placed.attempt != job->attempt + 1u) {
        return GR_REFUSED_FIELD;
    }
    if (event->piece_count > 1 && core->limits.pieces - core->more_used < event->piece_count - 1) {
        return GR_REFUSED_LIMIT_PIECES;
    }
    return check_pieces(core, &job->demand, event->pieces, event->piece_count, true);
}

static enum gr_refusal check_reserved(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_job *job;
    enum gr_refusal refusal = check_job(core, event->reserved.job, GR_JOB_WAITING, &job);
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    if (event->piece_count == 0) { // no end of running work makes room: nothing is kept
        return GR_REFUSED_NOTHING;
    }
    return check_pieces(core, &job->demand, event->pieces, event->piece_count, false);
}

static enum gr_refusal check_held(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_job *job;
    enum gr_refusal refusal = check_job(core, event->held.job, GR_JOB_WAITING, &job);
    if (refusal == GR_REFUSED_NOTHING) {
        refusal = check_pieces(core, &job->demand, event->pieces, event->piece_count, false);
    }
    return refusal == GR_REFUSED_NOTHING ? gr_hold_check(core, event) : refusal;
}

// A running job of this id and attempt.
static enum gr_refusal check_attempt(const struct gr_core *core, uint64_t job, uint32_t attempt,
                                     uint32_t reserved, const struct gr_job **ret_job)
{
    enum gr_refusal refusal = check_job(core, job, GR_JOB_RUNNING, ret_job);
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    return attempt == (*ret_job)->attempt && reserved == 0 ? GR_REFUSED_NOTHING : GR_REFUSED_FIELD;
}

static enum gr_refusal check_started(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_job *job;
    enum gr_refusal refusal = check_attempt(core, event->started.job, event->started.attempt,
                                            event->started.reserved, &job);
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    return job->began_ms == 0 ? GR_REFUSED_NOTHING : GR_REFUSED_STATE;
}

static bool ending_good(const struct gr_ending *ending, const struct gr_job *job)
{
    return ending->began_ms >= 0 && ending->outcome < GR_OUTCOMES && ending->signal < GR_SIGNALS &&
           ending->task < job->demand.tasks;
}

static enum gr_refusal check_finished(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_job *job;
    enum gr_refusal refusal = check_attempt(core, event->finished.job, event->finished.attempt,
                                            event->finished.reserved, &job);
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    return ending_good(&event->finished.ending, job) ? GR_REFUSED_NOTHING : GR_REFUSED_FIELD;
}

static enum gr_refusal check_requeued(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_job *job;
    enum gr_refusal refusal = check_attempt(core, event->requeued.job, event->requeued.attempt,
                                            event->requeued.reserved, &job);
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    // A job that went for another is tried again, however often it was tried.
    bool went = job->stop_why == GR_STOP_RECLAIM || job->stop_why == GR_STOP_MOVE ||
                job->stop_why == GR_STOP_WINDOW;
    uint32_t most = went ? UINT16_MAX : job->attempts;
    return ending_good(&event->requeued.ending, job) && job->attempt < most ? GR_REFUSED_NOTHING
                                                                            : GR_REFUSED_FIELD;
}

static enum gr_refusal check_stop_asked(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_job *job;
    enum gr_refusal refusal = check_attempt(core, event->stop_asked.job, event->stop_asked.attempt,
                                            event->stop_asked.reserved, &job);
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    return event->stop_asked.why > GR_STOP_NOT && event->stop_asked.why < GR_STOP_WHYS &&
                   event->stop_asked.signal < GR_SIGNALS && event->stop_asked.grace_ms >= 0
               ? GR_REFUSED_NOTHING
               : GR_REFUSED_FIELD;
}

static enum gr_refusal check_part_lost(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_job *job;
    enum gr_refusal refusal =
        check_attempt(core, event->part_lost.job, event->part_lost.attempt,
                      event->part_lost.reserved | event->part_lost.reserved_too, &job);
    if (refusal == GR_REFUSED_NOTHING) {
        refusal = gr_core_part_may(core, job->id, 1);
    }
    return refusal == GR_REFUSED_NOTHING ? gr_part_lost_check(core, event) : refusal;
}

// Into what is free now, like a start.
static enum gr_refusal check_part_placed(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_job *job;
    enum gr_refusal refusal =
        check_attempt(core, event->part_placed.job, event->part_placed.attempt,
                      event->part_placed.reserved, &job);
    if (refusal == GR_REFUSED_NOTHING) {
        refusal = gr_part_placed_check(core, event);
    }
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    struct gr_demand demand = job->demand;
    demand.tasks = gr_part_missing_of(core, job);
    return check_pieces(core, &demand, event->pieces, event->piece_count, true);
}

// Of a running attempt, between what was safe before and now.
static enum gr_refusal check_checkpointed(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_job *job;
    enum gr_refusal refusal =
        check_attempt(core, event->checkpointed.job, event->checkpointed.attempt,
                      event->checkpointed.reserved, &job);
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    return event->since_ms >= job->started_ms && event->since_ms >= job->safe_ms
               ? GR_REFUSED_NOTHING
               : GR_REFUSED_FIELD;
}

static enum gr_refusal check_dropped(const struct gr_core *core, const struct gr_event *event)
{
    uint32_t slot = gr_core_job_slot(core, event->dropped.job);
    if (slot == NONE) {
        return GR_REFUSED_JOB;
    }
    if (gr_job_at(core, slot)->state == GR_JOB_RUNNING) {
        return GR_REFUSED_STATE;
    }
    return event->dropped.why < GR_REFUSALS && event->dropped.reserved == 0 ? GR_REFUSED_NOTHING
                                                                            : GR_REFUSED_FIELD;
}

enum gr_refusal gr_check_job(const struct gr_core *core, const struct gr_event *event)
{
    switch ((enum gr_event_type)event->type) {
    case GR_JOB_SUBMITTED:
        return gr_check_submitted(core, event, false);
    case GR_JOB_PLACED:
        return check_placed(core, event);
    case GR_JOB_FINISHED:
        return check_finished(core, event);
    case GR_JOB_DROPPED:
        return check_dropped(core, event);
    case GR_ROOM_RESERVED:
        return check_reserved(core, event);
    case GR_JOB_STARTED:
        return check_started(core, event);
    case GR_JOB_REQUEUED:
        return check_requeued(core, event);
    case GR_STOP_ASKED:
        return check_stop_asked(core, event);
    case GR_CHECKPOINTED:
        return check_checkpointed(core, event);
    case GR_ROOM_HELD:
        return check_held(core, event);
    case GR_ROOM_FREED:
        return gr_hold_check(core, event);
    case GR_PART_LOST:
        return check_part_lost(core, event);
    case GR_PART_PLACED:
        return check_part_placed(core, event);
    case GR_ORG_ADDED:
    case GR_SITE_ADDED:
    case GR_VARIANT_ADDED:
    case GR_MASK_ADDED:
    case GR_NODE_ADDED:
    case GR_NODE_STATE_SET:
    case GR_MIX_SET:
    case GR_USER_ADDED:
    case GR_EPOCH_BEGUN:
    case GR_DEVICES_SET:
    case GR_KEY_USED:
    case GR_QUOTA_SET:
    case GR_ORG_TERMS_SET:
    case GR_QUEUE_TERMS_SET:
    case GR_PREFERENCE_SET:
    case GR_CLASS_SET:
    case GR_WINDOW_SET:
    case GR_WINDOW_OPENED:
    case GR_WINDOW_CLOSED:
    case GR_WINDOW_ENDED:
        break;
    }
    assert(!"a fact that is not about a job");
    return GR_REFUSED_TYPE;
}
