// The simulator's books of what ties jobs together: who waits for whom, and turns in an array.
// Lists are searched, nothing is kept that could be counted. See world.h.
#include "world.h"

#include <string.h>

static world_set when(bool wrong, enum gr_refusal refusal)
{
    return wrong ? WORLD_NO(refusal) : 0;
}

struct world_array *world_array(const struct world *world, uint64_t id)
{
    for (uint32_t a = 0; a < world->arrays; a++) {
        if (world->array[a].id == id) {
            return (struct world_array *)(uintptr_t)&world->array[a];
        }
    }
    return NULL;
}

const struct world_job *world_doomed(const struct world *world)
{
    const struct world_job *first = NULL;
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *job = &world->job[j];
        if (job->doomed != 0 && (first == NULL || job->doomed < first->doomed)) {
            first = job;
        }
    }
    return first;
}

// --- objections

static world_set element_objections(const struct world *world, const struct gr_event *event)
{
    const struct gr_array_of *of = &event->submitted.array;
    if (of->array == 0) {
        return when(of->index != 0 || of->count != 0 || of->parallel != 0 || of->reserved != 0,
                    GR_REFUSED_FIELD);
    }
    world_set set =
        when(of->count == 0 || of->count > 65536 || of->reserved != 0, GR_REFUSED_FIELD);
    if (of->array == event->sequence) {
        return set | when(world->arrays >= world->limits.arrays, GR_REFUSED_LIMIT_OTHER);
    }
    const struct world_array *array = world_array(world, of->array);
    if (array == NULL) {
        return set | WORLD_NO(GR_REFUSED_JOB);
    }
    return set | when(!array->open, GR_REFUSED_STATE) |
           when(of->count != array->count || of->parallel != array->parallel ||
                    of->index <= array->last_index || event->submitted.org != array->org ||
                    event->submitted.user != array->user,
                GR_REFUSED_FIELD);
}

static world_set edges_objections(const struct world *world, const struct gr_event *event)
{
    uint64_t array = event->submitted.array.array;
    uint32_t edges = event->edge_count;
    world_set set = 0;
    for (uint32_t j = 0; j < world->jobs; j++) {
        edges += world->job[j].edge_count;
    }
    for (uint32_t e = 0; e < event->edge_count; e++) {
        const struct gr_edge *edge = &event->edges[e];
        const struct world_array *target = world_array(world, edge->job);
        bool can = target != NULL ? edge->how != GR_AFTER_OK || !target->bad
                                  : world_job(world, edge->job) != NULL;
        set |= when(edge->how > 2 || edge->reserved != 0 || (array != 0 && edge->job >= array),
                    GR_REFUSED_FIELD) |
               when(!can, GR_REFUSED_AFTER);
    }
    return set | when(edges > world->limits.edges, GR_REFUSED_LIMIT_OTHER);
}

// Time limits in classes: an eighth of a power of two each, 0 of its own.
static int64_t class_of(int64_t limit)
{
    int64_t power = 0;
    while (limit >> power > 1) {
        power++;
    }
    return limit <= 0 ? -1 : power * 8 + (power >= 3 ? limit >> (power - 3) : limit << (3 - power));
}

// Rows for what live jobs ask for, and for whom they are: is there one for this?
static bool rows_left(const struct world *world, const struct gr_event *event)
{
    uint32_t needs = 0, queues = 0;
    for (uint32_t j = 0; j <= world->jobs; j++) {
        const struct gr_demand *demand =
            j < world->jobs ? &world->job[j].demand : &event->submitted.demand;
        int64_t limit = j < world->jobs ? world->job[j].limit : event->submitted.limit_ms;
        uint32_t org = j < world->jobs ? world->job[j].org : event->submitted.org;
        uint32_t user = j < world->jobs ? world->job[j].user : event->submitted.user;
        bool is_need = true, is_queue = true;
        for (uint32_t k = 0; k < j; k++) {
            const struct world_job *other = &world->job[k];
            is_need &= class_of(other->limit) != class_of(limit) ||
                       memcmp(&other->demand, demand, sizeof *demand) != 0;
            is_queue &= other->org != org || other->user != user;
        }
        needs += is_need;
        queues += is_queue;
    }
    return needs <= world->limits.needs && queues <= world->limits.queues;
}

world_set world_submitted_objections(const struct world *world, const struct gr_event *event)
{
    uint32_t user = event->submitted.user;
    bool user_wrong = user != UINT32_MAX &&
                      (user >= world->users || world->user[user].org != event->submitted.org);
    return when(world->jobs >= world->limits.jobs, GR_REFUSED_LIMIT_JOBS) |
           when(event->submitted.org >= world->orgs, GR_REFUSED_ORG) |
           when(user_wrong, GR_REFUSED_USER) |
           when(!rows_left(world, event), GR_REFUSED_LIMIT_OTHER) |
           when(event->submitted.limit_ms < 0 || event->submitted.attempts < 1 ||
                    event->submitted.attempts > 1000 || (event->submitted.requeue_on & ~31u) != 0,
                GR_REFUSED_FIELD) |
           element_objections(world, event) | edges_objections(world, event);
}

// --- facts

// Joins the queue as soon as there is nothing to wait for.
static void settle(struct world *world, struct world_job *job)
{
    if (job->held && job->edge_count == 0 && !job->no_place) {
        job->held = false;
        job->order = ++world->order_last;
    }
}

// The live job with the lowest id above `id`, or NULL.
static struct world_job *job_above(struct world *world, uint64_t id)
{
    struct world_job *next = NULL;
    for (uint32_t j = 0; j < world->jobs; j++) {
        struct world_job *job = &world->job[j];
        if (job->id > id && (next == NULL || job->id < next->id)) {
            next = job;
        }
    }
    return next;
}

void world_submitted(struct world *world, const struct gr_event *event)
{
    const struct gr_array_of *of = &event->submitted.array;
    struct world_job job = {.id = event->sequence,
                            .tag = event->submitted.tag,
                            .submitted = event->since_ms,
                            .limit = event->submitted.limit_ms,
                            .demand = event->submitted.demand,
                            .org = event->submitted.org,
                            .user = event->submitted.user,
                            .attempts = event->submitted.attempts,
                            .requeue_on = event->submitted.requeue_on,
                            .array = of->array,
                            .array_index = of->index,
                            .edge_count = event->edge_count,
                            .held = true};
    world->submitted++;
    world->tasks += event->submitted.demand.tasks;
    if (of->array == event->sequence) {
        world->array[world->arrays++] = (struct world_array){.id = of->array,
                                                             .count = of->count,
                                                             .parallel = of->parallel,
                                                             .org = job.org,
                                                             .user = job.user};
    }
    if (of->array != 0) {
        struct world_array *array = world_array(world, of->array);
        uint32_t active = 0;
        for (uint32_t j = 0; j < world->jobs; j++) {
            active += world->job[j].array == of->array && !world->job[j].no_place;
        }
        job.no_place = of->parallel != 0 && active >= of->parallel;
        array->last_index = of->index;
        array->open = ++array->submitted < array->count;
    }
    for (uint32_t e = 0; e < event->edge_count; e++) {
        job.edges[e] =
            (struct world_edge){.job = event->edges[e].job,
                                .how = event->edges[e].how,
                                .to_array = world_array(world, event->edges[e].job) != NULL};
    }
    world->job[world->jobs++] = job;
    settle(world, &world->job[world->jobs - 1]);
}

// One edge of a job: met, so it is forgotten, or lost.
static void edge_decide(struct world *world, struct world_job *job, uint32_t e, bool met)
{
    if (!met) {
        job->edges[e].lost = true;
        job->doomed = job->doomed != 0 ? job->doomed : ++world->doomed_last;
        return;
    }
    job->edge_count--;
    memmove(&job->edges[e], &job->edges[e + 1], (job->edge_count - e) * sizeof *job->edges);
    settle(world, job);
}

// All that wait for something that is at its end, in the order in which they came.
static void waiters_decide(struct world *world, uint64_t id, bool to_array, bool done, bool only_ok)
{
    for (struct world_job *job = job_above(world, 0); job != NULL;
         job = job_above(world, job->id)) {
        for (uint32_t e = 0; e < job->edge_count;) {
            const struct world_edge *edge = &job->edges[e];
            if (edge->lost || edge->job != id || edge->to_array != to_array ||
                (only_ok && edge->how != GR_AFTER_OK)) {
                e++;
                continue;
            }
            bool met = edge->how == GR_AFTER_ANY || (edge->how == GR_AFTER_OK ? done : !done);
            edge_decide(world, job, e, met);
            e += !met;
        }
    }
}

static void array_look(struct world *world, struct world_array *array)
{
    for (uint32_t j = 0; j < world->jobs; j++) {
        if (world->job[j].array == array->id) {
            return;
        }
    }
    if (!array->open) {
        waiters_decide(world, array->id, true, !array->bad, false);
        *array = world->array[--world->arrays];
    }
}

void world_leave(struct world *world, uint64_t id, bool done)
{
    struct world_job *place = world_job(world, id);
    struct world_job left = *place;
    *place = world->job[--world->jobs];
    waiters_decide(world, id, false, done, false);
    struct world_array *array = left.array == 0 ? NULL : world_array(world, left.array);
    if (array == NULL) {
        return;
    }
    for (struct world_job *job = left.no_place ? NULL : job_above(world, 0); job != NULL;
         job = job_above(world, job->id)) {
        if (job->array == array->id && job->no_place) { // the next one's turn
            job->no_place = false;
            settle(world, job);
            break;
        }
    }
    if (!done && !array->bad) {
        array->bad = true;
        waiters_decide(world, array->id, true, false, true);
    }
    array_look(world, array);
}

void world_requeue(struct world *world, struct world_job *job)
{
    job->running = false;
    job->attempts += job->stop_why == GR_STOP_RECLAIM ||
                     job->stop_why == GR_STOP_MOVE; // it does not count against them
    job->order = --world->order_first;
    job->piece_count = 0;
    memset(job->lost, 0, sizeof job->lost);
    memset(job->part, 0, sizeof job->part);
    job->has_lost = false;
    job->parts = 0;
    job->mend_since = job->mend_until = 0;
    job->started = job->began = job->stop = job->grace = job->safe = 0;
    job->stop_why = job->stop_signal = job->called_how = 0;
    job->called_for = 0;
}

void world_epoch(struct world *world)
{
    for (;;) { // the oldest first
        struct world_array *oldest = NULL;
        for (uint32_t a = 0; a < world->arrays; a++) {
            struct world_array *array = &world->array[a];
            if (array->open && (oldest == NULL || array->id < oldest->id)) {
                oldest = array;
            }
        }
        if (oldest == NULL) {
            return;
        }
        oldest->open = false;
        array_look(world, oldest);
    }
}
