// The tables of jobs, allocations and pieces, and the queue. Free slots are reused last in, first
// out, so that the same facts give the same slots. Must never be left with a job in two places.
#include "core/part.h"
#include "core/queue.h"
#include "core/state.h"
#include "core/tenants.h"

#include <string.h>

#define NONE UINT32_MAX

static struct gr_ids job_ids(const struct gr_core *core)
{
    return (struct gr_ids){gr_core_at(core, core->index_at), core->index_size};
}

uint32_t gr_core_job_slot(const struct gr_core *core, uint64_t job)
{
    struct gr_ids ids = job_ids(core);
    uint32_t low = (uint32_t)job;
    uint32_t at = gr_ids_home(ids, low);
    uint32_t slot;
    while ((slot = gr_ids_next(ids, low, &at)) != NONE) {
        __builtin_prefetch(gr_allocation_at(core, slot)); // whoever looks for a job wants it next
        if (gr_job_at(core, slot)->id == job) {
            return slot;
        }
    }
    return NONE;
}

// What was tried in vain ends before the job that has just joined its priority's queue.
static void tried_pass(struct gr_core *core, const struct gr_job *job, bool in_front)
{
    if (core->tried != NONE) {
        unsigned last = gr_job_at(core, core->tried)->demand.priority;
        unsigned p = job->demand.priority;
        if (p > last || (p == last && in_front)) {
            core->tried = NONE; // it stands among those that were tried
        }
    }
}

static void queue_add(struct gr_core *core, uint32_t slot)
{
    struct gr_job *job = gr_job_at(core, slot);
    unsigned p = job->demand.priority;
    job->state = GR_JOB_WAITING;
    job->next = NONE;
    job->prev = core->tail[p];
    if (core->tail[p] == NONE) {
        core->head[p] = slot;
    } else {
        gr_job_at(core, core->tail[p])->next = slot;
    }
    core->tail[p] = slot;
    core->filled[p / 64] |= UINT64_C(1) << p % 64;
    core->waiting++;
    tried_pass(core, job, false);
    core->reclaim_new = 1;
    gr_queue_add(core, slot);
}

static void queue_add_front(struct gr_core *core, uint32_t slot)
{
    struct gr_job *job = gr_job_at(core, slot);
    unsigned p = job->demand.priority;
    job->state = GR_JOB_WAITING;
    job->prev = NONE;
    job->next = core->head[p];
    if (core->head[p] == NONE) {
        core->tail[p] = slot;
    } else {
        gr_job_at(core, core->head[p])->prev = slot;
    }
    core->head[p] = slot;
    core->filled[p / 64] |= UINT64_C(1) << p % 64;
    core->waiting++;
    tried_pass(core, job, true);
    gr_queue_add(core, slot);
}

static void queue_remove(struct gr_core *core, uint32_t slot)
{
    struct gr_job *job = gr_job_at(core, slot);
    unsigned p = job->demand.priority;
    if (job->prev == NONE) {
        core->head[p] = job->next;
    } else {
        gr_job_at(core, job->prev)->next = job->next;
    }
    if (job->next == NONE) {
        core->tail[p] = job->prev;
    } else {
        gr_job_at(core, job->next)->prev = job->prev;
    }
    job->next = job->prev = NONE;
    if (core->head[p] == NONE) {
        core->filled[p / 64] &= ~(UINT64_C(1) << p % 64);
    }
    core->tried = core->tried == slot ? NONE : core->tried;
    assert(core->waiting > 0);
    core->waiting--;
    gr_queue_remove(core, slot);
}

static uint32_t first_below(const struct gr_core *core, unsigned priority)
{
    unsigned word = priority / 64;
    uint64_t bits = word < 4 ? core->filled[word] & ((UINT64_C(1) << priority % 64) - 1) : 0;
    while (bits == 0 && word > 0) {
        bits = core->filled[--word];
    }
    return bits == 0 ? NONE : core->head[64 * word + 63u - (unsigned)__builtin_clzll(bits)];
}

void gr_jobs_filled(struct gr_core *core)
{
    for (unsigned p = 0; p < 256; p++) {
        uint64_t bit = UINT64_C(1) << p % 64;
        core->filled[p / 64] = (core->filled[p / 64] & ~bit) | (core->head[p] != NONE ? bit : 0);
    }
}

uint32_t gr_jobs_first(const struct gr_core *core)
{
    return core->waiting == 0 ? NONE : first_below(core, 256);
}

uint32_t gr_jobs_after(const struct gr_core *core, uint32_t slot)
{
    const struct gr_job *job = gr_job_at(core, slot);
    assert(job->state == GR_JOB_WAITING);
    return job->next != NONE ? job->next : first_below(core, job->demand.priority);
}

void gr_jobs_add(struct gr_core *core, const struct gr_event *event)
{
    uint32_t slot = core->job_free;
    if (slot != NONE) {
        core->job_free = gr_job_at(core, slot)->next;
    } else {
        assert(core->job_top < core->limits.jobs);
        slot = core->job_top++;
    }
    *gr_job_at(core, slot) = (struct gr_job){.id = event->sequence,
                                             .tag = event->submitted.tag,
                                             .submitted_ms = event->since_ms,
                                             .limit_ms = event->submitted.limit_ms,
                                             .demand = event->submitted.demand,
                                             .org = event->submitted.org,
                                             .user = event->submitted.user,
                                             .attempts = event->submitted.attempts,
                                             .requeue_on = event->submitted.requeue_on,
                                             .next = NONE,
                                             .prev = NONE};
    gr_ids_add(job_ids(core), (uint32_t)event->sequence, slot);
    gr_org_use_at(core, event->submitted.org)->jobs++;
    gr_queue_come(core, slot);
    if (gr_links_add(core, slot, event)) {
        gr_job_at(core, slot)->state = GR_JOB_HELD;
        core->held++;
    } else {
        queue_add(core, slot);
    }
}

void gr_jobs_release(struct gr_core *core, uint32_t slot)
{
    assert(gr_job_at(core, slot)->state == GR_JOB_HELD);
    assert(core->held > 0);
    core->held--;
    queue_add(core, slot);
}

static uint32_t more_take(struct gr_core *core)
{
    uint32_t slot = core->more_free;
    core->more_used++;
    if (slot != NONE) {
        core->more_free = gr_more_at(core, slot)->next;
        return slot;
    }
    assert(core->more_top < core->limits.pieces);
    return core->more_top++;
}

static uint64_t piece_milli(const struct gr_piece *piece)
{
    return (uint64_t)__builtin_popcount(piece->devices) * piece->milli;
}

void gr_jobs_start(struct gr_core *core, const struct gr_event *event)
{
    uint32_t slot = gr_core_job_slot(core, event->placed.job);
    struct gr_job *job = gr_job_at(core, slot);
    queue_remove(core, slot);
    struct gr_allocation *allocation = gr_allocation_at(core, slot);
    *allocation = (struct gr_allocation){.id = event->sequence,
                                         .piece_count = event->piece_count,
                                         .more = NONE,
                                         .piece = event->pieces[0]};
    uint32_t *link = &allocation->more;
    for (uint32_t i = 0; i < event->piece_count; i++) {
        gr_place_take(gr_pool(core), &event->pieces[i]);
        core->used_milli += piece_milli(&event->pieces[i]);
        if (i > 0) {
            *link = more_take(core);
            struct gr_more *more = gr_more_at(core, *link);
            *more = (struct gr_more){.piece = event->pieces[i], .next = NONE};
            link = &more->next;
        }
    }
    job->attempt = (uint16_t)event->placed.attempt;
    job->started_ms = event->since_ms;
    job->state = GR_JOB_RUNNING;
    core->running++;
    gr_tenants_add(core, slot);
    gr_past_starts(core, slot);
    gr_shares_changed(core, gr_waits_at(core, slot)->queue);
}

void gr_jobs_pieces(const struct gr_core *core, const struct gr_allocation *allocation,
                    void (*each)(void *context, const struct gr_piece *piece), void *context)
{
    assert(allocation->piece_count > 0);
    if (allocation->piece.node != GR_NODE_MISSING) {
        each(context, &allocation->piece);
    }
    for (uint32_t m = allocation->more; m != NONE; m = gr_more_at(core, m)->next) {
        if (gr_more_at(core, m)->piece.node != GR_NODE_MISSING) {
            each(context, &gr_more_at(core, m)->piece);
        }
    }
}

const struct gr_piece *gr_jobs_first_piece(const struct gr_core *core, uint32_t slot)
{
    const struct gr_allocation *allocation = gr_allocation_at(core, slot);
    const struct gr_piece *piece = &allocation->piece;
    for (uint32_t m = allocation->more; piece->node == GR_NODE_MISSING;
         m = gr_more_at(core, m)->next) {
        assert(m != NONE); // some task has its place always
        piece = &gr_more_at(core, m)->piece;
    }
    return piece;
}

static void piece_give(void *context, const struct gr_piece *piece)
{
    struct gr_core *core = context;
    gr_place_give(gr_pool(core), piece);
    core->used_milli -= piece_milli(piece);
}

static void piece_wakes(void *context, const struct gr_piece *piece)
{
    gr_queue_wake_node(context, piece->node);
}

static void allocation_give(struct gr_core *core, uint32_t at)
{
    struct gr_allocation *allocation = gr_allocation_at(core, at);
    gr_tenants_remove(core, at);
    if (gr_job_at(core, at)->stop_why != GR_STOP_NOT) {
        gr_stopping_remove(core, at);
    }
    gr_past_ends(core, at);
    gr_shares_changed(core, gr_waits_at(core, at)->queue);
    gr_jobs_pieces(core, allocation, piece_give, core);
    gr_jobs_pieces(core, allocation, piece_wakes, core);
    for (uint32_t m = allocation->more; m != NONE;) {
        struct gr_more *more = gr_more_at(core, m);
        uint32_t next = more->next;
        *more = (struct gr_more){.next = core->more_free};
        core->more_free = m;
        core->more_used--;
        m = next;
    }
    *allocation = (struct gr_allocation){.more = NONE};
    if (gr_job_at(core, at)->is_parted) {
        gr_part_forget(core, at);
    }
}

void gr_jobs_requeue(struct gr_core *core, uint32_t slot)
{
    struct gr_job *job = gr_job_at(core, slot);
    assert(job->state == GR_JOB_RUNNING);
    allocation_give(core, slot);
    core->running--;
    // What the pool wanted does not count against its attempts.
    bool counts = job->stop_why != GR_STOP_RECLAIM && job->stop_why != GR_STOP_MOVE;
    job->attempts = (uint16_t)(job->attempts + (!counts && job->attempts < UINT16_MAX));
    job->started_ms = job->began_ms = job->stop_ms = job->grace_ms = job->safe_ms = 0;
    job->stop_why = job->stop_signal = 0;
    job->called_for = 0;
    queue_add_front(core, slot);
}

void gr_jobs_remove(struct gr_core *core, uint32_t slot, bool done)
{
    struct gr_job *job = gr_job_at(core, slot);
    if (job->state == GR_JOB_WAITING) {
        queue_remove(core, slot);
    } else if (job->state == GR_JOB_RUNNING) {
        allocation_give(core, slot);
        core->running--;
    } else {
        assert(job->state == GR_JOB_HELD);
        core->held--;
    }
    gr_org_use_at(core, job->org)->jobs--;
    gr_queue_leave(core, slot);
    gr_ids_remove(job_ids(core), (uint32_t)job->id, slot);
    if (job->is_linked) {
        gr_links_leave(core, slot, done);
    }
    *job = (struct gr_job){.next = core->job_free, .prev = NONE};
    core->job_free = slot;
}
