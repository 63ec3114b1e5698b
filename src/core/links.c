// What ties jobs together: edges to the jobs and arrays they wait for, places in an array, and the
// jobs that can never start any more. Must never leave an edge to a job that left, nor a job held
// that waits for nothing.
//
// When a job leaves, first the jobs that wait for it are settled in the order in which they came,
// then the next element of its array gets its place, then, if the array is at its end, the jobs
// that wait for that.
#include "core/state.h"

#define NONE UINT32_MAX

static struct gr_ids array_ids(const struct gr_core *core)
{
    return (struct gr_ids){gr_core_at(core, core->array_index_at), core->array_index_size};
}

uint32_t gr_links_array(const struct gr_core *core, uint64_t array)
{
    struct gr_ids ids = array_ids(core);
    uint32_t low = (uint32_t)array;
    uint32_t at = gr_ids_home(ids, low);
    uint32_t row;
    while ((row = gr_ids_next(ids, low, &at)) != NONE) {
        if (gr_array_at(core, row)->id == array) {
            return row;
        }
    }
    return NONE;
}

// The links of a job, made if it had none.
static struct gr_links *links_make(struct gr_core *core, uint32_t slot)
{
    struct gr_links *links = gr_links_at(core, slot);
    if (!gr_job_at(core, slot)->is_linked) {
        gr_job_at(core, slot)->is_linked = 1;
        *links = (struct gr_links){.edges = NONE,
                                   .waiters = NONE,
                                   .array = NONE,
                                   .doomed_next = NONE,
                                   .doomed_prev = NONE};
    }
    return links;
}

// --- edges

static uint32_t edge_take(struct gr_core *core)
{
    uint32_t row = core->edge_free;
    core->edge_used++;
    if (row != NONE) {
        core->edge_free = gr_edge_at(core, row)->next_own;
        return row;
    }
    assert(core->edge_top < core->limits.edges);
    return core->edge_top++;
}

static void edge_free(struct gr_core *core, uint32_t row)
{
    *gr_edge_at(core, row) = (struct gr_edge_row){.next_own = core->edge_free};
    core->edge_free = row;
    core->edge_used--;
}

// Where the ring of what waits for the edge's target begins.
static uint32_t *ring_of(struct gr_core *core, const struct gr_edge_row *edge)
{
    return edge->to_array ? &gr_array_at(core, edge->target)->waiters
                          : &links_make(core, edge->target)->waiters;
}

// Puts an edge at the end of its target's ring.
static void ring_add(struct gr_core *core, uint32_t row)
{
    struct gr_edge_row *edge = gr_edge_at(core, row);
    uint32_t *first = ring_of(core, edge);
    if (*first == NONE) {
        edge->next = edge->prev = row;
        *first = row;
        return;
    }
    edge->next = *first;
    edge->prev = gr_edge_at(core, *first)->prev;
    gr_edge_at(core, edge->prev)->next = row;
    gr_edge_at(core, edge->next)->prev = row;
}

static void ring_remove(struct gr_core *core, uint32_t row)
{
    struct gr_edge_row *edge = gr_edge_at(core, row);
    uint32_t *first = ring_of(core, edge);
    if (edge->next == row) {
        *first = NONE;
    } else {
        gr_edge_at(core, edge->prev)->next = edge->next;
        gr_edge_at(core, edge->next)->prev = edge->prev;
        *first = *first == row ? edge->next : *first;
    }
    edge->next = edge->prev = NONE;
}

static void edges_add(struct gr_core *core, uint32_t slot, const struct gr_event *event)
{
    struct gr_links *links = links_make(core, slot);
    uint32_t *link = &links->edges;
    for (uint32_t i = 0; i < event->edge_count; i++) {
        uint64_t job = event->edges[i].job;
        uint32_t array = gr_links_array(core, job);
        uint32_t row = edge_take(core);
        struct gr_edge_row *edge = gr_edge_at(core, row);
        *edge = (struct gr_edge_row){.job = job,
                                     .waiter = slot,
                                     .target = array != NONE ? array : gr_core_job_slot(core, job),
                                     .next_own = NONE,
                                     .how = (uint8_t)event->edges[i].how,
                                     .to_array = array != NONE};
        assert(edge->target != NONE);
        ring_add(core, row);
        *link = row;
        link = &edge->next_own;
    }
    links->pending += event->edge_count;
}

// One thing less to wait for.
static void pending_less(struct gr_core *core, uint32_t slot)
{
    struct gr_links *links = gr_links_at(core, slot);
    assert(links->pending > 0);
    if (--links->pending == 0) {
        gr_jobs_release(core, slot);
    }
}

// The edge is out of its ring and met: its waiter needs it no more.
static void edge_met(struct gr_core *core, uint32_t row)
{
    uint32_t waiter = gr_edge_at(core, row)->waiter;
    uint32_t *link = &gr_links_at(core, waiter)->edges;
    while (*link != row) {
        assert(*link != NONE);
        link = &gr_edge_at(core, *link)->next_own;
    }
    *link = gr_edge_at(core, row)->next_own;
    edge_free(core, row);
    pending_less(core, waiter);
}

// The edge is out of its ring and can never be met.
static void edge_lost(struct gr_core *core, uint32_t row)
{
    struct gr_edge_row *edge = gr_edge_at(core, row);
    struct gr_links *links = gr_links_at(core, edge->waiter);
    edge->target = NONE;
    if ((links->flags & GR_LINKS_DOOMED) != 0) {
        return;
    }
    links->flags |= GR_LINKS_DOOMED;
    links->doomed_prev = core->doomed_last;
    if (core->doomed_last == NONE) {
        core->doomed_first = edge->waiter;
    } else {
        gr_links_at(core, core->doomed_last)->doomed_next = edge->waiter;
    }
    core->doomed_last = edge->waiter;
}

static void doomed_remove(struct gr_core *core, const struct gr_links *links)
{
    if (links->doomed_prev == NONE) {
        core->doomed_first = links->doomed_next;
    } else {
        gr_links_at(core, links->doomed_prev)->doomed_next = links->doomed_next;
    }
    if (links->doomed_next == NONE) {
        core->doomed_last = links->doomed_prev;
    } else {
        gr_links_at(core, links->doomed_next)->doomed_prev = links->doomed_prev;
    }
}

// What waits for a target that is at its end, one after the other. `done`: it ended well.
static void ring_settle(struct gr_core *core, const uint32_t *first, bool done)
{
    while (*first != NONE) {
        uint32_t row = *first;
        uint8_t how = gr_edge_at(core, row)->how;
        ring_remove(core, row);
        if (how == GR_AFTER_ANY || (how == GR_AFTER_OK) == done) {
            edge_met(core, row);
        } else {
            edge_lost(core, row);
        }
    }
}

// The edges of a job that leaves without having met them.
static void edges_forget(struct gr_core *core, struct gr_links *links)
{
    while (links->edges != NONE) {
        uint32_t row = links->edges;
        links->edges = gr_edge_at(core, row)->next_own;
        if (gr_edge_at(core, row)->target != NONE) {
            ring_remove(core, row);
        }
        edge_free(core, row);
    }
}

// --- arrays

static uint32_t array_make(struct gr_core *core, const struct gr_event *event)
{
    uint32_t row = core->array_free;
    core->array_used++;
    if (row != NONE) {
        core->array_free = gr_array_at(core, row)->next;
    } else {
        assert(core->array_top < core->limits.arrays);
        row = core->array_top++;
    }
    *gr_array_at(core, row) = (struct gr_array_row){.id = event->sequence,
                                                    .count = event->submitted.array.count,
                                                    .parallel = event->submitted.array.parallel,
                                                    .held_first = NONE,
                                                    .held_last = NONE,
                                                    .waiters = NONE,
                                                    .org = event->submitted.org,
                                                    .user = event->submitted.user,
                                                    .next = NONE,
                                                    .prev = core->open_last};
    if (core->open_last == NONE) {
        core->open_first = row;
    } else {
        gr_array_at(core, core->open_last)->next = row;
    }
    core->open_last = row;
    gr_ids_add(array_ids(core), (uint32_t)event->sequence, row);
    return row;
}

// All elements have come, or no more will.
static void array_close(struct gr_core *core, struct gr_array_row *array)
{
    if (array->prev == NONE) {
        core->open_first = array->next;
    } else {
        gr_array_at(core, array->prev)->next = array->next;
    }
    if (array->next == NONE) {
        core->open_last = array->prev;
    } else {
        gr_array_at(core, array->next)->prev = array->prev;
    }
    array->next = array->prev = NONE;
    array->count = array->submitted;
}

static void array_free(struct gr_core *core, uint32_t row)
{
    gr_ids_remove(array_ids(core), (uint32_t)gr_array_at(core, row)->id, row);
    *gr_array_at(core, row) = (struct gr_array_row){.next = core->array_free};
    core->array_free = row;
    core->array_used--;
}

static void element_add(struct gr_core *core, uint32_t slot, const struct gr_event *event)
{
    const struct gr_array_of *of = &event->submitted.array;
    uint32_t row =
        of->array == event->sequence ? array_make(core, event) : gr_links_array(core, of->array);
    assert(row != NONE);
    struct gr_array_row *array = gr_array_at(core, row);
    struct gr_links *links = links_make(core, slot);
    links->array = row;
    links->array_index = of->index;
    array->last_index = of->index;
    array->live++;
    if (++array->submitted == array->count) {
        array_close(core, array);
    }
    if (array->parallel == 0 || array->active < array->parallel) {
        array->active++;
        links->flags |= GR_LINKS_PLACE;
        return;
    }
    struct gr_job *job = gr_job_at(core, slot);
    links->pending++;
    job->prev = array->held_last;
    if (array->held_last == NONE) {
        array->held_first = slot;
    } else {
        gr_job_at(core, array->held_last)->next = slot;
    }
    array->held_last = slot;
}

// Takes an element without a place out of its array's list.
static void held_remove(struct gr_core *core, struct gr_array_row *array, uint32_t slot)
{
    struct gr_job *job = gr_job_at(core, slot);
    if (job->prev == NONE) {
        array->held_first = job->next;
    } else {
        gr_job_at(core, job->prev)->next = job->next;
    }
    if (job->next == NONE) {
        array->held_last = job->prev;
    } else {
        gr_job_at(core, job->next)->prev = job->prev;
    }
    job->next = job->prev = NONE;
}

// The first element without a place gets one.
static void place_give(struct gr_core *core, struct gr_array_row *array)
{
    uint32_t slot = array->held_first;
    if (slot == NONE) {
        return;
    }
    held_remove(core, array, slot);
    gr_links_at(core, slot)->flags |= GR_LINKS_PLACE;
    array->active++;
    pending_less(core, slot);
}

static void array_end(struct gr_core *core, uint32_t row)
{
    struct gr_array_row *array = gr_array_at(core, row);
    if (array->submitted == array->count && array->live == 0) {
        ring_settle(core, &array->waiters, array->bad == 0);
        array_free(core, row);
    }
}

// No edge that waits for the array to be done can be met any more.
static void array_spoil(struct gr_core *core, uint32_t row)
{
    struct gr_array_row *array = gr_array_at(core, row);
    uint32_t last = array->waiters == NONE ? NONE : gr_edge_at(core, array->waiters)->prev;
    for (uint32_t e = array->waiters, next; e != NONE; e = e == last ? NONE : next) {
        next = gr_edge_at(core, e)->next;
        if (gr_edge_at(core, e)->how == GR_AFTER_OK) {
            ring_remove(core, e);
            edge_lost(core, e);
        }
    }
}

static void element_leave(struct gr_core *core, uint32_t slot, bool done)
{
    const struct gr_links *links = gr_links_at(core, slot);
    uint32_t row = links->array;
    struct gr_array_row *array = gr_array_at(core, row);
    array->live--;
    array->bad += !done;
    if ((links->flags & GR_LINKS_PLACE) != 0) {
        array->active--;
        place_give(core, array);
    } else {
        held_remove(core, array, slot);
    }
    if (!done && array->bad == 1) {
        array_spoil(core, row);
    }
    array_end(core, row);
}

// --- what the rest of the core calls

bool gr_links_add(struct gr_core *core, uint32_t slot, const struct gr_event *event)
{
    if (event->submitted.array.array == 0 && event->edge_count == 0) {
        return false;
    }
    if (event->submitted.array.array != 0) {
        element_add(core, slot, event);
    }
    if (event->edge_count > 0) {
        edges_add(core, slot, event);
    }
    return gr_links_at(core, slot)->pending > 0;
}

void gr_links_leave(struct gr_core *core, uint32_t slot, bool done)
{
    struct gr_links *links = gr_links_at(core, slot);
    assert(gr_job_at(core, slot)->is_linked);
    edges_forget(core, links);
    if ((links->flags & GR_LINKS_DOOMED) != 0) {
        doomed_remove(core, links);
    }
    ring_settle(core, &links->waiters, done);
    if (links->array != NONE) {
        element_leave(core, slot, done);
    }
    *links = (struct gr_links){0};
}

void gr_links_close(struct gr_core *core)
{
    while (core->open_first != NONE) {
        uint32_t row = core->open_first;
        array_close(core, gr_array_at(core, row));
        array_end(core, row);
    }
}
