// The tables of jobs, allocations and pieces, and the queue. Free slots are reused last in, first
// out, so that the same facts give the same slots. Must never be left with a job in two places.
#include "core/state.h"

#include <string.h>

#define NONE UINT32_MAX

// An entry of the job index: the slot and enough of the id to know its home and, almost always,
// that it is another job's, without a look at the job.
struct entry {
    uint32_t slot; // plus 1; 0: nothing here
    uint32_t low;  // of the id
};

static struct entry *index_at(const struct gr_core *core)
{
    return gr_core_at(core, core->index_at);
}

// Ids are sequence numbers: eight of a row lie side by side in one cache line, and the eights are
// scattered. Were they not, those that wait since a burst would be one long run, and each job that
// comes when the numbers have gone round once would have to pass it.
static uint32_t index_home(const struct gr_core *core, uint32_t low)
{
    return ((low >> 3) * 0x9e3779b1u << 3 | (low & 7)) & (core->index_size - 1);
}

uint32_t gr_core_job_slot(const struct gr_core *core, uint64_t job)
{
    const struct entry *index = index_at(core);
    uint32_t low = (uint32_t)job;
    for (uint32_t i = index_home(core, low); index[i].slot != 0;
         i = (i + 1) & (core->index_size - 1)) {
        if (index[i].low != low) {
            continue;
        }
        uint32_t slot = index[i].slot - 1;
        __builtin_prefetch(gr_allocation_at(core, slot)); // whoever looks for a job wants it next
        if (gr_job_at(core, slot)->id == job) {
            return slot;
        }
    }
    return NONE;
}

static void index_add(struct gr_core *core, uint64_t job, uint32_t slot)
{
    struct entry *index = index_at(core);
    uint32_t i = index_home(core, (uint32_t)job);
    while (index[i].slot != 0) {
        i = (i + 1) & (core->index_size - 1);
    }
    index[i] = (struct entry){.slot = slot + 1, .low = (uint32_t)job};
}

// Removes an entry and moves later ones back, so that no search ends too early (Knuth, TAOCP
// 3, 6.4, algorithm R).
static void index_remove(struct gr_core *core, uint32_t slot)
{
    struct entry *index = index_at(core);
    uint32_t mask = core->index_size - 1;
    uint32_t hole = index_home(core, (uint32_t)gr_job_at(core, slot)->id);
    while (index[hole].slot != slot + 1) {
        assert(index[hole].slot != 0);
        hole = (hole + 1) & mask;
    }
    for (uint32_t i = (hole + 1) & mask; index[i].slot != 0; i = (i + 1) & mask) {
        uint32_t home = index_home(core, index[i].low);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            index[hole] = index[i];
            hole = i;
        }
    }
    index[hole] = (struct entry){0};
}

static void queue_add(struct gr_core *core, uint32_t slot)
{
    struct gr_job *job = gr_job_at(core, slot);
    unsigned p = job->demand.priority;
    job->next = NONE;
    job->prev = core->tail[p];
    if (core->tail[p] == NONE) {
        core->head[p] = slot;
    } else {
        gr_job_at(core, core->tail[p])->next = slot;
    }
    core->tail[p] = slot;
    core->waiting++;
    if (core->tried != NONE && p > gr_job_at(core, core->tried)->demand.priority) {
        core->tried = NONE; // it stands among those that were tried
    }
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
    core->tried = core->tried == slot ? NONE : core->tried;
    assert(core->waiting > 0);
    core->waiting--;
}

static uint32_t first_below(const struct gr_core *core, unsigned priority)
{
    while (priority-- > 0) {
        if (core->head[priority] != NONE) {
            return core->head[priority];
        }
    }
    return NONE;
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
                                             .allocation = NONE,
                                             .state = GR_JOB_WAITING};
    index_add(core, event->sequence, slot);
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
                                         .since_ms = event->since_ms,
                                         .job = slot,
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
    job->allocation = slot;
    job->attempt = event->placed.attempt;
    job->started_ms = event->since_ms;
    job->state = GR_JOB_RUNNING;
    core->running++;
}

void gr_jobs_pieces(const struct gr_core *core, const struct gr_allocation *allocation,
                    void (*each)(void *context, const struct gr_piece *piece), void *context)
{
    assert(allocation->piece_count > 0);
    each(context, &allocation->piece);
    for (uint32_t m = allocation->more; m != NONE; m = gr_more_at(core, m)->next) {
        each(context, &gr_more_at(core, m)->piece);
    }
}

static void piece_give(void *context, const struct gr_piece *piece)
{
    struct gr_core *core = context;
    gr_place_give(gr_pool(core), piece);
    core->used_milli -= piece_milli(piece);
}

static void allocation_give(struct gr_core *core, uint32_t at)
{
    struct gr_allocation *allocation = gr_allocation_at(core, at);
    gr_jobs_pieces(core, allocation, piece_give, core);
    for (uint32_t m = allocation->more; m != NONE;) {
        struct gr_more *more = gr_more_at(core, m);
        uint32_t next = more->next;
        *more = (struct gr_more){.next = core->more_free};
        core->more_free = m;
        core->more_used--;
        m = next;
    }
    *allocation = (struct gr_allocation){.more = NONE};
}

void gr_jobs_remove(struct gr_core *core, uint32_t slot)
{
    struct gr_job *job = gr_job_at(core, slot);
    if (job->state == GR_JOB_WAITING) {
        queue_remove(core, slot);
    } else {
        assert(job->state == GR_JOB_RUNNING);
        allocation_give(core, job->allocation);
        core->running--;
    }
    index_remove(core, slot);
    *job = (struct gr_job){.next = core->job_free, .prev = NONE, .allocation = NONE};
    core->job_free = slot;
}
