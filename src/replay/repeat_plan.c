// What was recorded, as steps that come and decisions that are expected: see repeat_parts.h.
#include "replay/repeat_parts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NONE GR_REPEAT_NONE

int gr_repeat_grow(void *array, size_t count, size_t *room, size_t size, struct gr_err *err)
{
    void *old;
    memcpy(&old, array, sizeof old);
    if (count < *room) {
        return 0;
    }
    size_t more = *room == 0 ? 256 : *room * 2;
    void *grown = reallocarray(old, more, size);
    if (grown == NULL) {
        return gr_fail(err, -ENOMEM, "no memory to repeat the recording");
    }
    memcpy(array, &grown, sizeof grown);
    *room = more;
    return 0;
}

uint32_t gr_repeat_job_find(const struct gr_repeat_plan *plan, uint64_t recorded)
{
    size_t low = 0, high = plan->job_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (plan->jobs[middle].recorded < recorded) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < plan->job_count && plan->jobs[low].recorded == recorded ? (uint32_t)low : NONE;
}

void gr_repeat_fact_get(const struct gr_repeat_plan *plan, size_t offset,
                        struct gr_event *ret_event)
{
    const struct gr_recording *recording = plan->recording;
    long took = gr_event_decode(recording->facts + offset, recording->facts_size - offset,
                                plan->room, ret_event, NULL);
    assert(took > 0); // it was read before
}

bool gr_repeat_is_decided(const struct gr_event *event)
{
    switch (event->type) {
    case GR_JOB_PLACED:
    case GR_ROOM_RESERVED:
    case GR_ROOM_HELD:
    case GR_ROOM_FREED:
    case GR_PART_PLACED:
        return true;
    case GR_STOP_ASKED:
        return event->stop_asked.why == GR_STOP_RECLAIM;
    case GR_JOB_DROPPED:
        return event->dropped.why == GR_REFUSED_AFTER;
    default:
        return false;
    }
}

// The job that a fact of an attempt is about, and which attempt. False: it is of none.
static bool attempt_of(const struct gr_event *event, uint64_t *ret_job, uint32_t *ret_number)
{
    switch (event->type) {
    case GR_JOB_FINISHED:
        *ret_job = event->finished.job;
        *ret_number = event->finished.attempt;
        return true;
    case GR_JOB_REQUEUED:
        *ret_job = event->requeued.job;
        *ret_number = event->requeued.attempt;
        return true;
    case GR_JOB_STARTED:
        *ret_job = event->started.job;
        *ret_number = event->started.attempt;
        return true;
    case GR_CHECKPOINTED:
        *ret_job = event->checkpointed.job;
        *ret_number = event->checkpointed.attempt;
        return true;
    case GR_PART_LOST:
        *ret_job = event->part_lost.job;
        *ret_number = event->part_lost.attempt;
        return true;
    case GR_STOP_ASKED:
        *ret_job = event->stop_asked.job;
        *ret_number = event->stop_asked.attempt;
        return true;
    default:
        return false;
    }
}

// ---- parts of the plan --------------------------------------------------------------------------

static int add_job(struct gr_repeat_plan *plan, uint64_t id, int64_t submit_ms, struct gr_err *err)
{
    int code =
        gr_repeat_grow(&plan->jobs, plan->job_count, &plan->job_room, sizeof *plan->jobs, err);
    if (code == 0) {
        plan->jobs[plan->job_count++] =
            (struct gr_repeat_job){.recorded = id, .submit_ms = submit_ms, .last = NONE};
    }
    return code;
}

static int add_attempt(struct gr_repeat_plan *plan, uint32_t job, uint32_t number,
                       int64_t placed_ms, struct gr_err *err)
{
    int code = gr_repeat_grow(&plan->attempts, plan->attempt_count, &plan->attempt_room,
                              sizeof *plan->attempts, err);
    if (code == 0) {
        plan->attempts[plan->attempt_count] =
            (struct gr_repeat_attempt){.job = job,
                                       .number = number,
                                       .before = plan->jobs[job].last,
                                       .first = NONE,
                                       .last = NONE,
                                       .end = NONE,
                                       .placed_ms = placed_ms,
                                       .stop_ms = -1};
        plan->jobs[job].last = (uint32_t)plan->attempt_count++;
    }
    return code;
}

static int add_step(struct gr_repeat_plan *plan, struct gr_repeat_step step, struct gr_err *err)
{
    int code =
        gr_repeat_grow(&plan->steps, plan->step_count, &plan->step_room, sizeof *plan->steps, err);
    if (code < 0) {
        return code;
    }
    uint32_t index = (uint32_t)plan->step_count;
    if (step.attempt != NONE) {
        struct gr_repeat_attempt *attempt = &plan->attempts[step.attempt];
        if (attempt->last == NONE) {
            attempt->first = index;
        } else {
            plan->steps[attempt->last].next = index;
        }
        attempt->last = index;
        attempt->end = step.is_end ? index : attempt->end;
    }
    step.next = NONE;
    plan->steps[plan->step_count++] = step;
    return 0;
}

static int add_mask(struct gr_repeat_plan *plan, const struct gr_mask *mask, struct gr_err *err)
{
    int code =
        gr_repeat_grow(&plan->masks, plan->mask_count, &plan->mask_room, sizeof *plan->masks, err);
    if (code == 0) {
        plan->masks[plan->mask_count++] = *mask;
    }
    return code;
}

// ---- reading ------------------------------------------------------------------------------------

// A decision: it is expected, and an ask goes before the first of a run of them.
static int note_decision(struct gr_repeat_plan *plan, const struct gr_event *event, size_t offset,
                         struct gr_err *err)
{
    struct gr_repeat_step *last = plan->step_count > 0 ? &plan->steps[plan->step_count - 1] : NULL;
    int code = gr_repeat_grow(&plan->expected, plan->expected_count, &plan->expected_room,
                              sizeof *plan->expected, err);
    if (code < 0) {
        return code;
    }
    plan->expected[plan->expected_count++] =
        (struct gr_repeat_expected){.offset = offset, .sequence = event->sequence};
    if (last != NULL && last->type == 0 && last->at_ms == event->at_ms) {
        last->decisions++;
        return 0;
    }
    return add_step(
        plan,
        (struct gr_repeat_step){
            .at_ms = event->at_ms, .sequence = event->sequence, .attempt = NONE, .decisions = 1},
        err);
}

// A stop of an attempt by its user or for its room: its end belongs to it.
static void note_stop(struct gr_repeat_plan *plan, const struct gr_event *event)
{
    uint32_t job = gr_repeat_job_find(plan, event->stop_asked.job);
    bool is_by_user = event->stop_asked.why == GR_STOP_BY_USER;
    uint32_t last = job == NONE ? NONE : plan->jobs[job].last;
    if (last != NONE && plan->attempts[last].stop_ms < 0 &&
        (is_by_user || gr_repeat_is_decided(event))) {
        plan->attempts[last].stop_ms = event->at_ms;
        plan->attempts[last].stop_is_by_user = is_by_user;
    }
}

// Whether the fact comes with its attempt, and not at its time whatever happens.
static uint32_t attempt_index(const struct gr_repeat_plan *plan, const struct gr_event *event)
{
    uint64_t id;
    uint32_t number;
    if (!attempt_of(event, &id, &number) ||
        (event->type == GR_STOP_ASKED && event->stop_asked.why == GR_STOP_BY_USER)) {
        return NONE;
    }
    uint32_t job = gr_repeat_job_find(plan, id);
    return job == NONE ? NONE : plan->jobs[job].last;
}

static int note_fact(struct gr_repeat_plan *plan, const struct gr_event *event, size_t offset,
                     bool is_decided, struct gr_err *err)
{
    int code = 0;
    if (event->type == GR_MASK_ADDED) {
        code = add_mask(plan, event->mask, err);
    } else if (event->type == GR_JOB_SUBMITTED) {
        code = add_job(plan, event->sequence, event->since_ms, err);
    } else if (event->type == GR_JOB_PLACED) {
        uint32_t job = gr_repeat_job_find(plan, event->placed.job);
        code = add_attempt(plan, job, event->placed.attempt, event->at_ms, err);
    } else if (event->type == GR_STOP_ASKED) {
        note_stop(plan, event);
    }
    if (code < 0) {
        return code;
    }
    if (is_decided) {
        return note_decision(plan, event, offset, err);
    }
    return add_step(plan,
                    (struct gr_repeat_step){.at_ms = event->at_ms,
                                            .sequence = event->sequence,
                                            .offset = offset,
                                            .attempt = attempt_index(plan, event),
                                            .type = (uint8_t)event->type,
                                            .is_end = event->type == GR_JOB_FINISHED ||
                                                      event->type == GR_JOB_REQUEUED},
                    err);
}

// A mask is decided if a decision follows, and else comes with a job that asks by it.
static bool mask_is_decided(const struct gr_repeat_plan *plan, size_t offset)
{
    const struct gr_recording *recording = plan->recording;
    struct gr_event next;
    return offset < recording->facts_size &&
           gr_event_decode(recording->facts + offset, recording->facts_size - offset, plan->room,
                           &next, NULL) > 0 &&
           gr_repeat_is_decided(&next);
}

// What was live before the first fact.
static int note_live(struct gr_repeat_plan *plan, const struct gr_core *core, struct gr_err *err)
{
    uint32_t cursor = 0;
    int code = 0;
    for (const struct gr_job *job; code == 0 && (job = gr_core_job_next(core, &cursor)) != NULL;) {
        code = add_job(plan, job->id, INT64_MIN, err);
        for (size_t i = plan->job_count - 1; code == 0 && i > 0; i--) { // they come in no order
            struct gr_repeat_job row = plan->jobs[i];
            if (plan->jobs[i - 1].recorded < row.recorded) {
                break;
            }
            plan->jobs[i] = plan->jobs[i - 1];
            plan->jobs[i - 1] = row;
        }
    }
    for (size_t i = 0; code == 0 && i < plan->job_count; i++) {
        const struct gr_job *job = gr_core_job_find(core, plan->jobs[i].recorded);
        plan->jobs[i].now = job->id;
        if (job->state == GR_JOB_RUNNING) {
            code = add_attempt(plan, (uint32_t)i, job->attempt, job->started_ms, err);
            if (code == 0 && job->stop_why != GR_STOP_NOT) {
                plan->attempts[plan->attempt_count - 1].stop_ms = job->stop_ms;
            }
        }
    }
    for (unsigned m = 0; code == 0 && m < gr_place_mask_count(gr_core_place(core)); m++) {
        code = add_mask(plan, gr_place_mask_get(gr_core_place(core), m), err);
    }
    return code;
}

static int read_fact(struct gr_repeat_plan *plan, struct gr_core *core, size_t *at,
                     struct gr_repeat_log *log, struct gr_err *err)
{
    const struct gr_recording *recording = plan->recording;
    struct gr_event event;
    long took = gr_event_decode(recording->facts + *at, recording->facts_size - *at, plan->room,
                                &event, err);
    if (took <= 0) {
        return took == 0 ? gr_fail(err, -EINVAL, "the recording ends in the middle of a fact")
                         : gr_err_prefix(err, "the recording");
    }
    enum gr_refusal refusal = gr_core_check(core, &event);
    if (refusal != GR_REFUSED_NOTHING) {
        return gr_fail(err, -EINVAL, "the recording's fact %" PRIu64 " (%s) does not follow: %s",
                       event.sequence, gr_event_type_name(event.type), gr_refusal_text(refusal));
    }
    (void)gr_core_apply(core, &event, NULL);
    uint64_t job = event.type == GR_JOB_PLACED    ? event.placed.job
                   : event.type == GR_PART_PLACED ? event.part_placed.job
                                                  : event.stop_asked.job;
    int code = gr_repeat_is_decided(&event) ? gr_repeat_log_add(log, &event, job, err) : 0;
    log->finished += event.type == GR_JOB_FINISHED;
    bool is_mask = event.type == GR_MASK_ADDED;
    struct gr_mask mask; // what comes next is read into the same room
    if (is_mask) {
        mask = *event.mask;
        event.mask = &mask;
    }
    bool is_decided =
        gr_repeat_is_decided(&event) || (is_mask && mask_is_decided(plan, *at + (size_t)took));
    code = code < 0 ? code : note_fact(plan, &event, *at, is_decided, err);
    *at += (size_t)took;
    return code;
}

int gr_repeat_plan_make(const struct gr_recording *recording, struct gr_core *core,
                        struct gr_repeat_plan *ret_plan, struct gr_repeat_log *log,
                        struct gr_err *err)
{
    struct gr_repeat_plan plan = {.recording = recording, .room = malloc(sizeof *plan.room)};
    int code = plan.room == NULL ? gr_fail(err, -ENOMEM, "no memory to repeat the recording") : 0;
    code = code < 0 ? code : note_live(&plan, core, err);
    for (size_t at = 0; code == 0 && at < recording->facts_size;) {
        code = read_fact(&plan, core, &at, log, err);
    }
    if (code == 0 && gr_core_next_sequence(core) != recording->last + 1) {
        code = gr_fail(err, -EINVAL, "the recording ends at fact %" PRIu64 ", expected %" PRIu64,
                       gr_core_next_sequence(core) - 1, recording->last);
    }
    if (code < 0) {
        gr_repeat_plan_done(&plan);
        return code;
    }
    *ret_plan = plan;
    return 0;
}

void gr_repeat_plan_done(struct gr_repeat_plan *plan)
{
    free(plan->room);
    free(plan->steps);
    free(plan->attempts);
    free(plan->jobs);
    free(plan->expected);
    free(plan->masks);
    *plan = (struct gr_repeat_plan){0};
}
