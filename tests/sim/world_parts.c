// The simulator's books of tasks that running gangs have lost: a mark for each task, everything
// counted from the marks. See world.h.
#include "world.h"

#include <string.h>

uint32_t world_lost(const struct world_job *job)
{
    uint32_t lost = 0;
    for (uint32_t p = 0; job->running && p < job->piece_count; p++) {
        lost += job->lost[p];
    }
    return lost;
}

world_set world_part_lost_objections(const struct world_job *job, const struct gr_event *event)
{
    uint32_t task = event->part_lost.task;
    world_set set = 0;
    if (job->requeue_on < 16 || job->began == 0 || job->stop_why != 0) {
        set |= WORLD_NO(GR_REFUSED_STATE);
    }
    if (job->piece_count - world_lost(job) < 2) {
        set |= WORLD_NO(GR_REFUSED_PIECES);
    }
    if (event->part_lost.until_ms < event->at_ms) {
        set |= WORLD_NO(GR_REFUSED_FIELD);
    }
    if (task >= job->piece_count) {
        return set | WORLD_NO(GR_REFUSED_FIELD);
    }
    if (job->lost[task] || job->pieces[task].node != event->part_lost.node ||
        job->pieces[task].devices != event->part_lost.devices ||
        job->part[task] != event->part_lost.part) {
        set |= WORLD_NO(GR_REFUSED_PIECES);
    }
    return set;
}

world_set world_part_placed_objections(const struct world_job *job, const struct gr_event *event)
{
    return (world_lost(job) == 0 || job->stop_why != 0 ? WORLD_NO(GR_REFUSED_STATE) : 0) |
           (event->part_placed.part != job->parts + 1 ? WORLD_NO(GR_REFUSED_FIELD) : 0);
}

// Who holds nothing any more where room is held does not go for that.
static void call_look(const struct world *world, struct world_job *job)
{
    bool stands = false;
    for (uint32_t p = 0; p < job->piece_count; p++) {
        stands |= !job->lost[p] && world->held[job->pieces[p].node] == job->called_for;
    }
    if (!stands) {
        job->called_for = job->called_how = 0;
    }
}

void world_part_lost(const struct world *world, struct world_job *job, const struct gr_event *event)
{
    if (world_lost(job) == 0) {
        job->mend_since = event->at_ms;
    }
    job->lost[event->part_lost.task] = true;
    job->mend_until = event->part_lost.until_ms;
    job->has_lost = true;
    call_look(world, job);
}

void world_part_placed(struct world_job *job, const struct gr_event *event)
{
    uint32_t next = 0;
    job->parts = event->part_placed.part;
    for (uint32_t p = 0; p < job->piece_count; p++) {
        if (job->lost[p]) {
            job->pieces[p] = event->pieces[next++];
            job->part[p] = job->parts;
            job->lost[p] = false;
        }
    }
}

// One job's tasks, as the core tells them one after the other.
struct telling {
    const struct world_job *job;
    uint32_t count;
    bool differs;
};

static void task_compare(void *context, uint32_t task, const struct gr_piece *piece, uint32_t part)
{
    struct telling *telling = context;
    const struct world_job *job = telling->job;
    telling->differs |= task != telling->count || task >= job->piece_count;
    telling->count++;
    if (telling->differs) {
        return;
    }
    telling->differs |= (piece == NULL) != job->lost[task] ||
                        (piece != NULL && (memcmp(piece, &job->pieces[task], sizeof *piece) != 0 ||
                                           part != job->part[task]));
}

const char *world_parts_compare(const struct world *world, const struct gr_core *core)
{
    struct gr_core_part part;
    uint32_t cursor = 0, rows = 0;
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *job = &world->job[j];
        struct telling telling = {.job = job};
        if (!job->running) {
            continue;
        }
        gr_core_job_tasks(core, job->id, task_compare, &telling);
        if (telling.differs || telling.count != job->piece_count) {
            return "a job has other tasks";
        }
        if (gr_core_part_find(core, job->id, &part) != job->has_lost) {
            return "another job has lost a part";
        }
        uint32_t lost = world_lost(job);
        if (job->has_lost &&
            (part.missing != lost || part.parts != job->parts || part.job != job->id ||
             part.since_ms != (lost > 0 ? job->mend_since : 0) ||
             part.until_ms != (lost > 0 ? job->mend_until : 0))) {
            return "a job lacks other tasks";
        }
        rows += job->has_lost;
    }
    while (gr_core_part_next(core, &cursor, &part)) {
        rows--;
    }
    return rows != 0 ? "another number of jobs have lost a part" : NULL;
}
