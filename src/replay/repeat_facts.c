// What comes from outside in a repetition: facts at their times, and those of attempts, fitted to
// what the repetition made of the pool. See repeat_run.h.
#include "replay/repeat_run.h"

#include "core/save.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE GR_REPEAT_NONE

// A recorded fact as one that can come next.
static void fact_fit(const struct gr_repeat_run *run, struct gr_event *event)
{
    event->sequence = gr_core_next_sequence(run->core);
    event->since_ms += run->now_ms - event->at_ms;
    event->at_ms = run->now_ms;
    event->epoch = event->type == GR_EPOCH_BEGUN ? event->epoch : gr_core_epoch(run->core);
}

// The repetition's id of a job; 0: it is not there.
static uint64_t now_of(const struct gr_repeat_run *run, uint64_t recorded)
{
    uint32_t job = gr_repeat_job_find(run->plan, recorded);
    return job == NONE ? 0 : run->plan->jobs[job].now;
}

// ---- submissions --------------------------------------------------------------------------------

// The number of a recorded mask here, which is added if need be. -1: it cannot be.
static int mask_now(struct gr_repeat_run *run, uint16_t recorded, struct gr_err *err)
{
    if (recorded >= run->plan->mask_count) {
        return -1;
    }
    const struct gr_mask *mask = &run->plan->masks[recorded];
    int found = gr_place_mask_find(gr_core_place(run->core), mask);
    if (found < 0) {
        struct gr_event event = gr_decide_fact(run->core, run->now_ms, GR_MASK_ADDED);
        event.mask = mask;
        if (gr_repeat_apply(run, &event, err) == 0) {
            found = gr_place_mask_find(gr_core_place(run->core), mask);
        }
    }
    return found;
}

// What it waits for, of which some may be over: what is not live any more counts as met.
static void edges_fit(struct gr_repeat_run *run, struct gr_event *event)
{
    struct gr_edge *edges = run->plan->room->edges; // where the event's were read to
    uint32_t count = 0;
    for (uint32_t i = 0; i < event->edge_count; i++) {
        uint64_t now = now_of(run, edges[i].job);
        if (run->is_exact) {
            count++;
        } else if (now != 0 && (gr_core_job_find(run->core, now) != NULL ||
                                gr_core_array_is_live(run->core, now))) {
            edges[count] = edges[i];
            edges[count++].job = now;
        }
    }
    event->edge_count = count;
}

static int submit(struct gr_repeat_run *run, struct gr_event *event, struct gr_err *err)
{
    uint64_t recorded = event->sequence;
    uint32_t job = gr_repeat_job_find(run->plan, recorded);
    struct gr_repeat_id id = {0, job};
    edges_fit(run, event);
    if (!run->is_exact) {
        int mask = mask_now(run, event->submitted.demand.shape.mask, err);
        if (mask < 0) {
            return 0; // it has no place here
        }
        event->submitted.demand.shape.mask = (uint16_t)mask;
        bool is_first = event->submitted.array.array == recorded;
        uint64_t array = now_of(run, event->submitted.array.array);
        fact_fit(run, event);
        event->submitted.array.array = is_first ? event->sequence : array;
        if (event->submitted.array.count > 0 && event->submitted.array.array == 0) {
            return 0; // nor has its array
        }
    } else {
        fact_fit(run, event);
    }
    id.now = event->sequence;
    int code = gr_repeat_apply(run, event, err);
    if (code == 0 && gr_core_next_sequence(run->core) > id.now) {
        code = gr_repeat_grow(&run->ids, run->id_count, &run->id_room, sizeof *run->ids, err);
        if (code == 0) {
            run->ids[run->id_count++] = id;
            run->plan->jobs[job].now = id.now;
        }
    }
    return code;
}

// ---- at their times -----------------------------------------------------------------------------

// Somebody wants a job gone: it waits here, runs, or is over.
static int want_gone(struct gr_repeat_run *run, struct gr_event *event, struct gr_err *err)
{
    bool is_stop = event->type == GR_STOP_ASKED;
    uint64_t now = now_of(run, is_stop ? event->stop_asked.job : event->dropped.job);
    const struct gr_job *job = gr_core_job_find(run->core, now);
    if (job == NULL) {
        return 0;
    }
    struct gr_event fact = *event;
    fact_fit(run, &fact);
    if (job->state != GR_JOB_RUNNING && is_stop) {
        fact = gr_decide_drop(run->core, run->now_ms, now, GR_REFUSED_BY_USER);
    } else if (job->state == GR_JOB_RUNNING && !is_stop) {
        fact =
            gr_decide_stop(run->core, run->now_ms, now, GR_STOP_BY_USER, 15, GR_NOTICE_DEFAULT_MS);
    } else if (is_stop) {
        fact.stop_asked.job = now;
        fact.stop_asked.attempt = job->attempt;
    } else {
        fact.dropped.job = now;
    }
    return gr_repeat_apply(run, &fact, err);
}

// Bytes that grow.
struct bytes {
    uint8_t *bytes;
    size_t size, room;
};

static int bytes_add(void *context, const void *bytes, size_t size, struct gr_err *err)
{
    struct bytes *all = context;
    while (all->room - all->size < size) {
        size_t room = all->room == 0 ? 1u << 20 : all->room * 2;
        uint8_t *grown = realloc(all->bytes, room);
        if (grown == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for the pool's state");
        }
        all->bytes = grown;
        all->room = room;
    }
    memcpy(all->bytes + all->size, bytes, size);
    all->size += size;
    return 0;
}

// A new writer has read the state from the disk: what only the old one remembered is gone.
static int read_anew(struct gr_repeat_run *run, struct gr_err *err)
{
    struct bytes all = {0};
    struct gr_core *core = NULL;
    int code = gr_core_save(run->core, bytes_add, &all, err);
    code = code < 0 ? code : gr_core_load(&run->core_config, all.bytes, all.size, &core, err);
    free(all.bytes);
    if (code == 0) {
        gr_core_free(run->core);
        run->core = core;
    }
    return code;
}

// A mix names shapes, and these masks.
static bool mix_fit(struct gr_repeat_run *run, struct gr_event *event)
{
    struct gr_mix_item *items = run->plan->room->items; // where the event's were read to
    for (uint32_t i = 0; i < event->item_count && !run->is_exact; i++) {
        int mask = items[i].shape.mask < run->plan->mask_count
                       ? gr_place_mask_find(gr_core_place(run->core),
                                            &run->plan->masks[items[i].shape.mask])
                       : -1;
        if (mask < 0) {
            return false;
        }
        items[i].shape.mask = (uint16_t)mask;
    }
    return true;
}

int gr_repeat_outside(struct gr_repeat_run *run, const struct gr_repeat_step *step,
                      struct gr_err *err)
{
    struct gr_event event;
    gr_repeat_fact_get(run->plan, step->offset, &event);
    switch (event.type) {
    case GR_JOB_SUBMITTED:
        return submit(run, &event, err);
    case GR_JOB_DROPPED:
    case GR_STOP_ASKED:
        return want_gone(run, &event, err);
    case GR_MASK_ADDED:
        if (!run->is_exact) {
            return 0; // it comes with who asks by it
        }
        break;
    case GR_KEY_USED:
        if (!run->is_exact) {
            return 0; // it names facts of the recording
        }
        break;
    case GR_QUEUE_TERMS_SET:
        if (run->config->terms != NULL) {
            return 0;
        }
        break;
    case GR_MIX_SET:
        if (!mix_fit(run, &event)) {
            return 0;
        }
        break;
    default:
        break;
    }
    fact_fit(run, &event);
    int code = gr_repeat_apply(run, &event, err);
    return code == 0 && event.type == GR_EPOCH_BEGUN ? read_anew(run, err) : code;
}

// ---- with attempts ------------------------------------------------------------------------------

// The recorded attempt of this number; else the job's last one; none if it never ran.
static uint32_t attempt_for(const struct gr_repeat_run *run, uint64_t now, uint32_t number)
{
    uint32_t job = gr_repeat_job_now(run, now);
    uint32_t last = job == NONE ? NONE : run->plan->jobs[job].last;
    uint32_t at = last;
    while (at != NONE && run->plan->attempts[at].number != number) {
        at = run->plan->attempts[at].before;
    }
    return at == NONE ? last : at;
}

// How long the attempt would have run if its room had not been taken back: as long as the job's
// last one, and longer than it did.
static int64_t natural_ms(const struct gr_repeat_run *run, const struct gr_repeat_attempt *attempt)
{
    const struct gr_repeat_plan *plan = run->plan;
    const struct gr_repeat_attempt *last = &plan->attempts[plan->jobs[attempt->job].last];
    int64_t ran_ms = plan->steps[attempt->end].at_ms - attempt->placed_ms + 1;
    int64_t last_ms = last->end != NONE ? plan->steps[last->end].at_ms - last->placed_ms : ran_ms;
    return last_ms > ran_ms ? last_ms : ran_ms;
}

int gr_repeat_begun(struct gr_repeat_run *run, const struct gr_event *event, struct gr_err *err)
{
    const struct gr_repeat_plan *plan = run->plan;
    uint32_t index = attempt_for(run, event->placed.job, event->placed.attempt);
    int code = 0;
    if (index == NONE) {
        return 0; // how long it would have run is not known: it stays
    }
    const struct gr_repeat_attempt *attempt = &plan->attempts[index];
    struct gr_repeat_coming coming = {.job = event->placed.job, .number = event->placed.attempt};
    for (uint32_t s = attempt->first; code == 0 && s != NONE; s = plan->steps[s].next) {
        const struct gr_repeat_step *step = &plan->steps[s];
        coming.at_ms = event->at_ms + (step->at_ms - attempt->placed_ms);
        coming.order = step->sequence;
        coming.step = s;
        coming.is_natural = false;
        if (step->is_end && attempt->stop_ms >= 0) {
            if (attempt->stop_is_by_user) {
                continue; // it comes when that stop has come
            }
            coming.at_ms = event->at_ms + natural_ms(run, attempt);
            coming.is_natural = true;
        }
        code = gr_repeat_come(run, coming, err);
    }
    return code;
}

int gr_repeat_stopped(struct gr_repeat_run *run, const struct gr_event *event, struct gr_err *err)
{
    const struct gr_repeat_plan *plan = run->plan;
    bool ends_by_it = event->stop_asked.why == GR_STOP_BY_USER || gr_repeat_is_decided(event);
    uint32_t index = attempt_for(run, event->stop_asked.job, event->stop_asked.attempt);
    struct gr_repeat_coming coming = {.at_ms = event->at_ms + event->stop_asked.grace_ms,
                                      .order = UINT64_MAX,
                                      .job = event->stop_asked.job,
                                      .number = event->stop_asked.attempt,
                                      .step = NONE};
    if (index != NONE && plan->attempts[index].stop_ms >= 0 && plan->attempts[index].end != NONE) {
        const struct gr_repeat_step *end = &plan->steps[plan->attempts[index].end];
        coming.at_ms = event->at_ms + (end->at_ms - plan->attempts[index].stop_ms);
        coming.order = end->sequence;
        coming.step = plan->attempts[index].end;
    }
    return ends_by_it && !(run->is_exact && coming.step == NONE) ? gr_repeat_come(run, coming, err)
                                                                 : 0;
}

// The end of an attempt.
static int end(struct gr_repeat_run *run, const struct gr_repeat_coming *coming,
               const struct gr_job *job, struct gr_err *err)
{
    struct gr_ending ending = {.outcome = GR_OUTCOME_RECLAIMED};
    int64_t since_ms = run->now_ms;
    size_t offset = SIZE_MAX;
    uint64_t sequence = 0;
    if (coming->step != NONE) {
        const struct gr_repeat_step *step = &run->plan->steps[coming->step];
        struct gr_event recorded;
        offset = step->offset;
        gr_repeat_fact_get(run->plan, offset, &recorded);
        sequence = recorded.sequence;
        ending =
            recorded.type == GR_JOB_FINISHED ? recorded.finished.ending : recorded.requeued.ending;
        int64_t shift_ms = run->now_ms - recorded.at_ms;
        since_ms = recorded.since_ms + shift_ms;
        ending.began_ms += ending.began_ms != 0 ? shift_ms : 0;
    }
    if (coming->is_natural) {
        ending.outcome = GR_OUTCOME_DONE;
        ending.signal = 0;
    }
    if (!run->is_exact && since_ms < job->started_ms) {
        since_ms = job->started_ms;
    }
    struct gr_event event = gr_decide_end(run->core, run->now_ms, since_ms, job->id, &ending);
    if (run->is_exact && (offset == SIZE_MAX || !gr_repeat_is_recorded(run, &event, offset))) {
        gr_repeat_part_ways(run, sequence, &event);
    }
    return gr_repeat_apply(run, &event, err);
}

int gr_repeat_inside(struct gr_repeat_run *run, const struct gr_repeat_coming *coming,
                     struct gr_err *err)
{
    const struct gr_job *job = gr_core_job_find(run->core, coming->job);
    if (job == NULL || job->state != GR_JOB_RUNNING || job->attempt != coming->number ||
        (coming->is_natural && job->stop_why == GR_STOP_RECLAIM)) {
        return 0;
    }
    if (coming->step == NONE || run->plan->steps[coming->step].is_end) {
        return end(run, coming, job, err);
    }
    struct gr_event event;
    gr_repeat_fact_get(run->plan, run->plan->steps[coming->step].offset, &event);
    fact_fit(run, &event);
    switch (event.type) {
    case GR_JOB_STARTED:
        event.started.job = job->id;
        event.started.attempt = job->attempt;
        break;
    case GR_CHECKPOINTED:
        event.checkpointed.job = job->id;
        event.checkpointed.attempt = job->attempt;
        break;
    case GR_STOP_ASKED:
        event.stop_asked.job = job->id;
        event.stop_asked.attempt = job->attempt;
        break;
    case GR_PART_LOST:
        event.part_lost.job = job->id;
        event.part_lost.attempt = job->attempt;
        break;
    default:
        return 0; // no other fact is of an attempt
    }
    return gr_repeat_apply(run, &event, err);
}

int gr_repeat_begin(struct gr_repeat_run *run, struct gr_err *err)
{
    const struct gr_repeat_plan *plan = run->plan;
    int code = 0;
    run->now_ms = gr_core_now(run->core);
    for (size_t i = 0; code == 0 && i < plan->job_count && plan->jobs[i].now != 0; i++) {
        code = gr_repeat_grow(&run->ids, run->id_count, &run->id_room, sizeof *run->ids, err);
        if (code == 0) {
            run->ids[run->id_count++] = (struct gr_repeat_id){plan->jobs[i].now, (uint32_t)i};
        }
    }
    for (size_t i = 0; code == 0 && i < plan->attempt_count; i++) {
        const struct gr_repeat_attempt *attempt = &plan->attempts[i];
        const struct gr_job *job = gr_core_job_find(run->core, plan->jobs[attempt->job].now);
        bool ran = job != NULL && job->state == GR_JOB_RUNNING && job->attempt == attempt->number;
        for (uint32_t s = ran ? attempt->first : NONE; code == 0 && s != NONE;
             s = plan->steps[s].next) {
            code = gr_repeat_come(run,
                                  (struct gr_repeat_coming){.at_ms = plan->steps[s].at_ms,
                                                            .order = plan->steps[s].sequence,
                                                            .job = job->id,
                                                            .number = job->attempt,
                                                            .step = s},
                                  err);
        }
    }
    if (code == 0 && run->config->terms != NULL) {
        struct gr_event event = gr_decide_fact(run->core, run->now_ms, GR_QUEUE_TERMS_SET);
        event.queue_terms = *run->config->terms;
        code = gr_repeat_apply(run, &event, err);
    }
    return code;
}
