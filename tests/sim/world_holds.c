// The books of room that is held while it is taken back, and of what is lost by that.
#include "world.h"

#include <string.h>

bool world_has_hold(const struct world *world, uint64_t job)
{
    for (uint32_t n = 0; n < world->nodes; n++) {
        if (world->held[n] == job && job != 0) {
            return true;
        }
    }
    return false;
}

void world_hold_end(struct world *world, uint64_t job)
{
    for (uint32_t n = 0; n < world->nodes; n++) {
        world->held[n] = world->held[n] == job ? 0 : world->held[n];
    }
    for (uint32_t j = 0; j < world->jobs; j++) {
        if (world->job[j].called_for == job) {
            world->job[j].called_for = world->job[j].called_how = 0;
        }
    }
}

// What stands against the jobs that a hold calls.
static world_set called_objections(const struct world *world, const struct gr_event *event)
{
    world_set set = event->version < 2 && event->edge_count > 0 ? WORLD_NO(GR_REFUSED_FIELD) : 0;
    for (uint32_t e = 0; e < event->edge_count; e++) {
        const struct gr_edge *edge = &event->edges[e];
        const struct world_job *job = world_job(world, edge->job);
        bool stands = false;
        for (uint32_t p = 0; job != NULL && p < job->piece_count; p++) {
            for (uint32_t q = 0; q < event->piece_count; q++) {
                stands |= job->pieces[p].node == event->pieces[q].node;
            }
        }
        set |= job == NULL ? WORLD_NO(GR_REFUSED_JOB) : 0;
        set |= job != NULL && (!job->running || job->stop_why != GR_STOP_NOT || job->called_for)
                   ? WORLD_NO(GR_REFUSED_STATE)
                   : 0;
        set |= job != NULL && !stands ? WORLD_NO(GR_REFUSED_PIECES) : 0;
        bool in_order = e == 0 || event->edges[e - 1].job < edge->job;
        bool how = edge->how == GR_STOP_RECLAIM || edge->how == GR_STOP_MOVE;
        set |= in_order && edge->reserved == 0 && how && edge->how == event->edges[0].how
                   ? 0
                   : WORLD_NO(GR_REFUSED_FIELD);
    }
    return set;
}

world_set world_holds_objections(const struct world *world, const struct gr_event *event)
{
    world_set set = 0;
    if (event->type == GR_ROOM_FREED) {
        set |= world_has_hold(world, event->freed.job) ? 0 : WORLD_NO(GR_REFUSED_JOB);
        set |= event->freed.why > 3 || event->freed.reserved != 0 ? WORLD_NO(GR_REFUSED_FIELD) : 0;
        return set;
    }
    for (uint32_t p = 0; p < event->piece_count; p++) {
        uint32_t node = event->pieces[p].node;
        set |= node < world->nodes && world->held[node] != 0 ? WORLD_NO(GR_REFUSED_HELD) : 0;
    }
    set |= world_has_hold(world, event->held.job) ? WORLD_NO(GR_REFUSED_STATE) : 0;
    set |= called_objections(world, event);
    return set | (event->held.until_ms < event->at_ms ? WORLD_NO(GR_REFUSED_FIELD) : 0);
}

void world_holds_apply(struct world *world, const struct gr_event *event)
{
    if (event->type == GR_ROOM_FREED) {
        world_hold_end(world, event->freed.job);
        return;
    }
    world->promise = false; // who has a right to room comes before whom it was promised
    for (uint32_t p = 0; p < event->piece_count; p++) {
        world->held[event->pieces[p].node] = event->held.job;
        world->held_until[event->pieces[p].node] = event->held.until_ms;
    }
    for (uint32_t e = 0; e < event->edge_count; e++) {
        struct world_job *job = world_job(world, event->edges[e].job);
        job->called_for = event->held.job;
        job->called_how = event->edges[e].how;
    }
}

void world_lost_add(struct world *world, const struct world_job *job)
{
    int64_t from = job->began != 0 ? job->began : job->started;
    from = job->safe > from ? job->safe : from;
    uint64_t milli = (uint64_t)(job->demand.tasks - world_lost(job)) * job->demand.shape.devices *
                     job->demand.shape.milli;
    world->lost += world->now > from ? milli * (uint64_t)(world->now - from) : 0;
    world->lost_jobs++;
}

// Does the core say of each job whether it is called, and for what?
static bool called_differ(const struct world *world, const struct gr_core *core)
{
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct gr_job *job = gr_core_job_find(core, world->job[j].id);
        if (job == NULL || (job->called_for != 0) != (world->job[j].called_for != 0)) {
            return true;
        }
    }
    return false;
}

const char *world_holds_compare(const struct world *world, const struct gr_core *core)
{
    struct gr_core_hold hold;
    struct gr_core_lost lost = gr_core_lost(core, gr_core_now(core));
    uint32_t cursor = 0, left = 0;
    for (uint32_t n = 0; n < world->nodes; n++) {
        left += world->held[n] != 0;
    }
    while (gr_core_hold_next(core, &cursor, &hold)) {
        uint32_t nodes = 0;
        for (uint32_t n = 0; n < world->nodes; n++) {
            nodes += world->held[n] == hold.job && world->held_until[n] == hold.until_ms;
        }
        if (nodes != hold.nodes || nodes == 0) {
            return "room is held elsewhere";
        }
        left -= nodes;
    }
    return left != 0                                                    ? "room is held for others"
           : called_differ(world, core)                                 ? "others are called"
           : lost.total != world->lost || lost.jobs != world->lost_jobs ? "another loss"
                                                                        : NULL;
}
