// Parts of running gangs that are lost and replaced: what the facts check and change. See part.h.
// Must never leave a job without any task that has a place: then its attempt is over.
#include "core/part.h"

#include "core/tenants.h"

#include <string.h>

#define NONE GR_NONE
// A job waits so long for the room of what it lost; then its attempt is stopped.
#define MENDING_MS 600000

static struct gr_part_tried *tried_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_part_tried *)gr_core_at(core, core->parts_tried_at) + row;
}

uint32_t gr_part_row_find(const struct gr_core *core, const struct gr_job *job)
{
    for (uint32_t r = 0; job->is_parted && r < core->part_count; r++) {
        if (gr_part_row_at(core, r)->job == job->id) {
            return r;
        }
    }
    return NONE;
}

uint32_t gr_part_missing_of(const struct gr_core *core, const struct gr_job *job)
{
    uint32_t row = gr_part_row_find(core, job);
    return row == NONE ? 0 : gr_part_row_at(core, row)->missing;
}

uint32_t gr_part_missing(const struct gr_core *core, uint32_t slot)
{
    return gr_part_missing_of(core, gr_job_at(core, slot));
}

uint64_t gr_part_held_milli(const struct gr_core *core, const struct gr_job *job)
{
    struct gr_demand held = job->demand;
    held.tasks -= gr_part_missing_of(core, job);
    return gr_demand_milli(&held);
}

// --- pieces by number of their task

// The tenant that a task of a running job is.
static uint32_t tenant_of(const struct gr_core *core, uint32_t slot, uint32_t task)
{
    if (task == 0) {
        return slot;
    }
    uint32_t more = gr_allocation_at(core, slot)->more;
    for (uint32_t t = 1; t < task; t++) {
        more = gr_more_at(core, more)->next;
    }
    return core->limits.jobs + more;
}

static struct gr_piece *piece_at(const struct gr_core *core, uint32_t tenant)
{
    uint32_t jobs = core->limits.jobs;
    return tenant < jobs ? &gr_allocation_at(core, tenant)->piece
                         : &gr_more_at(core, tenant - jobs)->piece;
}

// The part in which a task was placed.
static uint32_t part_of(const struct gr_core *core, uint32_t row, uint32_t tenant)
{
    uint32_t jobs = core->limits.jobs;
    return tenant >= jobs ? gr_more_at(core, tenant - jobs)->part
           : row == NONE  ? 0
                          : gr_part_row_at(core, row)->first_part;
}

static void part_set(struct gr_core *core, uint32_t row, uint32_t tenant, uint16_t part)
{
    uint32_t jobs = core->limits.jobs;
    if (tenant < jobs) {
        gr_part_row_at(core, row)->first_part = part;
    } else {
        gr_more_at(core, tenant - jobs)->part = part;
    }
}

static uint64_t piece_milli(const struct gr_piece *piece)
{
    return (uint64_t)__builtin_popcount(piece->devices) * piece->milli;
}

// --- may it be

enum gr_refusal gr_core_part_may(const struct gr_core *core, uint64_t job, uint32_t tasks)
{
    assert(core != NULL);
    const struct gr_job *row = gr_core_job_find(core, job);
    if (row == NULL) {
        return GR_REFUSED_JOB;
    }
    if (row->state != GR_JOB_RUNNING || (row->requeue_on & GR_REQUEUE_PART) == 0 ||
        row->began_ms == 0 || row->stop_why != GR_STOP_NOT) {
        return GR_REFUSED_STATE;
    }
    uint32_t at = gr_part_row_find(core, row);
    if (tasks >= row->demand.tasks - gr_part_missing_of(core, row)) {
        return GR_REFUSED_PIECES;
    }
    bool is_full =
        at == NONE ? core->part_count == GR_PARTS : gr_part_row_at(core, at)->parts == UINT16_MAX;
    return is_full ? GR_REFUSED_LIMIT_OTHER : GR_REFUSED_NOTHING;
}

enum gr_refusal gr_part_lost_check(const struct gr_core *core, const struct gr_event *event)
{
    uint32_t slot = gr_core_job_slot(core, event->part_lost.job);
    const struct gr_job *job = gr_job_at(core, slot);
    if (event->part_lost.task >= job->demand.tasks) {
        return GR_REFUSED_FIELD;
    }
    uint32_t tenant = tenant_of(core, slot, event->part_lost.task);
    const struct gr_piece *piece = piece_at(core, tenant);
    if (piece->node == GR_NODE_MISSING || piece->node != event->part_lost.node ||
        piece->devices != event->part_lost.devices ||
        part_of(core, gr_part_row_find(core, job), tenant) != event->part_lost.part) {
        return GR_REFUSED_PIECES;
    }
    return event->part_lost.until_ms >= event->at_ms ? GR_REFUSED_NOTHING : GR_REFUSED_FIELD;
}

enum gr_refusal gr_part_placed_check(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_job *job = gr_core_job_find(core, event->part_placed.job);
    uint32_t row = gr_part_row_find(core, job);
    if (job->stop_why != GR_STOP_NOT || row == NONE || gr_part_row_at(core, row)->missing == 0) {
        return GR_REFUSED_STATE;
    }
    return event->part_placed.part == gr_part_row_at(core, row)->parts + 1u ? GR_REFUSED_NOTHING
                                                                            : GR_REFUSED_FIELD;
}

struct gr_event gr_decide_part_lost(const struct gr_core *core, int64_t at_ms, int64_t since_ms,
                                    uint64_t job, uint32_t task, uint32_t part)
{
    struct gr_event event = gr_decide_fact(core, at_ms, GR_PART_LOST);
    uint32_t slot = gr_core_job_slot(core, job);
    const struct gr_job *row = slot == NONE ? NULL : gr_job_at(core, slot);
    event.since_ms = since_ms;
    event.part_lost.job = job;
    event.part_lost.task = task;
    event.part_lost.part = part;
    event.part_lost.until_ms = at_ms < INT64_MAX - MENDING_MS ? at_ms + MENDING_MS : INT64_MAX;
    if (row == NULL || row->state != GR_JOB_RUNNING || task >= row->demand.tasks) {
        return event;
    }
    const struct gr_piece *piece = piece_at(core, tenant_of(core, slot, task));
    uint32_t at = gr_part_row_find(core, row);
    event.part_lost.attempt = row->attempt;
    event.part_lost.node = piece->node;
    event.part_lost.devices = piece->devices;
    if (at != NONE && gr_part_row_at(core, at)->missing > 0) { // it has waited for a while
        event.part_lost.until_ms = gr_part_row_at(core, at)->until_ms;
        event.part_lost.until_ms =
            event.part_lost.until_ms < at_ms ? at_ms : event.part_lost.until_ms;
    }
    return event;
}

// --- what is

// The row of a job, made if it has none.
static uint32_t row_take(struct gr_core *core, struct gr_job *job)
{
    uint32_t row = gr_part_row_find(core, job);
    if (row == NONE) {
        assert(core->part_count < GR_PARTS);
        row = core->part_count++;
        *gr_part_row_at(core, row) = (struct gr_part_row){.job = job->id};
        job->is_parted = 1;
    }
    *tried_at(core, row) = (struct gr_part_tried){0};
    return row;
}

void gr_part_lose(struct gr_core *core, const struct gr_event *event)
{
    uint32_t slot = gr_core_job_slot(core, event->part_lost.job);
    struct gr_job *job = gr_job_at(core, slot);
    uint32_t row = row_take(core, job);
    struct gr_part_row *part = gr_part_row_at(core, row);
    uint32_t tenant = tenant_of(core, slot, event->part_lost.task);
    struct gr_piece piece = *piece_at(core, tenant);
    uint32_t held = job->demand.tasks - part->missing;
    assert(held > 1);
    gr_past_tasks(core, slot, held, held - 1);
    gr_quota_less(core, job->org, gr_place_node_get(gr_pool(core), piece.node)->variant,
                  piece_milli(&piece));
    gr_tenant_goes(core, tenant);
    gr_place_give(gr_pool(core), &piece);
    core->used_milli -= piece_milli(&piece);
    *piece_at(core, tenant) = (struct gr_piece){.node = GR_NODE_MISSING};
    part->since_ms = part->missing == 0 ? event->at_ms : part->since_ms;
    part->until_ms = event->part_lost.until_ms;
    part->missing++;
    gr_shares_changed(core, gr_waits_at(core, slot)->queue);
    gr_queue_wake_node(core, piece.node);
}

void gr_part_fill(struct gr_core *core, const struct gr_event *event)
{
    uint32_t slot = gr_core_job_slot(core, event->part_placed.job);
    struct gr_job *job = gr_job_at(core, slot);
    uint32_t row = gr_part_row_find(core, job);
    struct gr_part_row *part = gr_part_row_at(core, row);
    uint32_t next = gr_allocation_at(core, slot)->more;
    uint32_t tenant = slot;
    assert(event->piece_count == part->missing);
    gr_past_tasks(core, slot, job->demand.tasks - part->missing, job->demand.tasks);
    for (uint32_t i = 0; i < event->piece_count;) {
        if (piece_at(core, tenant)->node == GR_NODE_MISSING) {
            const struct gr_piece *piece = &event->pieces[i++];
            *piece_at(core, tenant) = *piece;
            part_set(core, row, tenant, (uint16_t)event->part_placed.part);
            gr_quota_more(core, job->org, gr_place_node_get(gr_pool(core), piece->node)->variant,
                          piece_milli(piece));
            gr_place_take(gr_pool(core), piece);
            core->used_milli += piece_milli(piece);
            gr_tenant_comes(core, tenant);
        }
        tenant = core->limits.jobs + next;
        next = next == NONE ? NONE : gr_more_at(core, next)->next;
    }
    part->parts = (uint16_t)event->part_placed.part;
    part->missing = 0;
    part->since_ms = part->until_ms = 0;
    gr_shares_changed(core, gr_waits_at(core, slot)->queue);
}

void gr_part_forget(struct gr_core *core, uint32_t slot)
{
    struct gr_job *job = gr_job_at(core, slot);
    uint32_t row = gr_part_row_find(core, job);
    uint32_t last = --core->part_count;
    assert(row != NONE);
    *gr_part_row_at(core, row) = *gr_part_row_at(core, last);
    *tried_at(core, row) = *tried_at(core, last);
    *gr_part_row_at(core, last) = (struct gr_part_row){0};
    job->is_parted = 0;
}

// --- questions

static void part_show(const struct gr_core *core, uint32_t row, struct gr_core_part *ret_part)
{
    const struct gr_part_row *part = gr_part_row_at(core, row);
    *ret_part = (struct gr_core_part){.job = part->job,
                                      .since_ms = part->since_ms,
                                      .until_ms = part->until_ms,
                                      .missing = part->missing,
                                      .parts = part->parts};
}

bool gr_core_part_next(const struct gr_core *core, uint32_t *cursor, struct gr_core_part *ret_part)
{
    assert(core != NULL && cursor != NULL && ret_part != NULL);
    if (*cursor >= core->part_count) {
        return false;
    }
    part_show(core, (*cursor)++, ret_part);
    return true;
}

bool gr_core_part_find(const struct gr_core *core, uint64_t job, struct gr_core_part *ret_part)
{
    assert(core != NULL && ret_part != NULL);
    const struct gr_job *found = gr_core_job_find(core, job);
    uint32_t row = found == NULL ? NONE : gr_part_row_find(core, found);
    if (row != NONE) {
        part_show(core, row, ret_part);
    }
    return row != NONE;
}

void gr_core_job_tasks(const struct gr_core *core, uint64_t job,
                       void (*each)(void *context, uint32_t task, const struct gr_piece *piece,
                                    uint32_t part),
                       void *context)
{
    uint32_t slot = gr_core_job_slot(core, job);
    assert(slot != NONE && gr_job_at(core, slot)->state == GR_JOB_RUNNING);
    uint32_t row = gr_part_row_find(core, gr_job_at(core, slot));
    uint32_t next = gr_allocation_at(core, slot)->more;
    uint32_t tenant = slot;
    for (uint32_t task = 0;; task++) {
        const struct gr_piece *piece = piece_at(core, tenant);
        each(context, task, piece->node == GR_NODE_MISSING ? NULL : piece,
             part_of(core, row, tenant));
        if (next == NONE) {
            return;
        }
        tenant = core->limits.jobs + next;
        next = gr_more_at(core, next)->next;
    }
}

const char *gr_parts_audit(const struct gr_core *core)
{
    uint32_t rows = 0;
    for (uint32_t s = 0; s < core->job_top; s++) {
        const struct gr_job *job = gr_job_at(core, s);
        if (job->state == 0 || !job->is_parted) {
            continue;
        }
        rows++;
        uint32_t row = gr_part_row_find(core, job);
        if (row == NONE || job->state != GR_JOB_RUNNING) {
            return "a job has lost a part, and there is no account of it";
        }
        const struct gr_part_row *part = gr_part_row_at(core, row);
        uint32_t missing = gr_allocation_at(core, s)->piece.node == GR_NODE_MISSING;
        uint32_t most = part->first_part;
        for (uint32_t m = gr_allocation_at(core, s)->more; m != NONE;
             m = gr_more_at(core, m)->next) {
            missing += gr_more_at(core, m)->piece.node == GR_NODE_MISSING;
            most = gr_more_at(core, m)->part > most ? gr_more_at(core, m)->part : most;
        }
        if (missing != part->missing || most > part->parts || missing == job->demand.tasks) {
            return "the missing tasks of a job are miscounted";
        }
    }
    return rows == core->part_count ? NULL : "jobs that have lost a part are miscounted";
}
