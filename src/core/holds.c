// Room that is held for the job it is being freed for, and who is called to free it. A hold ends
// when its job starts, or by a fact that says why it ends unused; until then nobody else starts on
// its nodes, and whom it called goes for nobody else.
#include "core/reclaim.h"
#include "core/tenants.h"
#include "core/window_parts.h"

#include "core/part.h"

#define HIDDEN 0x8000u // in a node's mark: it was up before it was hidden

static uint32_t row_find(const struct gr_core *core, uint64_t job)
{
    for (uint32_t h = 0; h < GR_HOLDS && core->hold_count > 0; h++) {
        if (core->holds[h].job == job) {
            return h;
        }
    }
    return GR_NONE;
}

const struct gr_hold *gr_hold_find(const struct gr_core *core, uint64_t job)
{
    uint32_t row = job == 0 ? GR_NONE : row_find(core, job);
    return row == GR_NONE ? NULL : &core->holds[row];
}

bool gr_hold_keeps(const struct gr_core *core, uint32_t node, uint64_t job)
{
    unsigned mark = gr_held_at(core)[node] & ~HIDDEN;
    return mark != 0 && core->holds[mark - 1].job != job;
}

// Calls `each` for the nodes of a hold, in order.
static void nodes_each(struct gr_core *core, uint32_t row,
                       void (*each)(struct gr_core *core, uint32_t node))
{
    uint32_t left = core->holds[row].node_count;
    for (uint32_t n = core->holds[row].first; left > 0; n++) {
        assert(n < gr_place_node_count(gr_pool(core)));
        if ((gr_held_at(core)[n] & ~HIDDEN) == row + 1) {
            left--;
            each(core, n);
        }
    }
}

static void node_hide(struct gr_core *core, uint32_t node)
{
    uint16_t *mark = &gr_held_at(core)[node];
    if (gr_place_node_get(gr_pool(core), node)->state == GR_NODE_UP) {
        *mark = (uint16_t)(*mark | HIDDEN);
        gr_place_node_set_state(gr_pool(core), node, GR_NODE_DRAINED);
    }
}

static void node_show(struct gr_core *core, uint32_t node)
{
    uint16_t *mark = &gr_held_at(core)[node];
    if ((*mark & HIDDEN) != 0) {
        *mark = (uint16_t)(*mark & ~HIDDEN);
        gr_place_node_set_state(gr_pool(core), node, GR_NODE_UP);
    }
}

void gr_holds_hide(struct gr_core *core, bool hidden)
{
    for (uint32_t h = 0; core->hold_count > 0 && h < GR_HOLDS; h++) {
        if (core->holds[h].job != 0) {
            nodes_each(core, h, hidden ? node_hide : node_show);
        }
    }
}

// --- who is called

struct touching {
    const struct gr_event *event;
    bool touches;
};

static void piece_touches(void *context, const struct gr_piece *piece)
{
    struct touching *touching = context;
    const struct gr_piece *pieces = touching->event->pieces;
    uint32_t low = 0, high = touching->event->piece_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pieces[middle].node < piece->node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    touching->touches = touching->touches ||
                        (low < touching->event->piece_count && pieces[low].node == piece->node);
}

// Running jobs that nobody asked to stop or called, that hold something where room is held.
static enum gr_refusal called_check(const struct gr_core *core, const struct gr_event *event)
{
    uint32_t count = event->edge_count;
    if (count > (event->version < 2 ? 0 : GR_CALLED_MAX) || (count > 0 && event->edges == NULL)) {
        return GR_REFUSED_FIELD;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct gr_edge *edge = &event->edges[i];
        uint32_t slot = gr_core_job_slot(core, edge->job);
        if ((edge->how != GR_STOP_RECLAIM && edge->how != GR_STOP_MOVE) ||
            edge->how != event->edges[0].how || edge->reserved != 0 ||
            (i > 0 && edge->job <= event->edges[i - 1].job)) {
            return GR_REFUSED_FIELD;
        }
        if (slot == GR_NONE) {
            return GR_REFUSED_JOB;
        }
        const struct gr_job *job = gr_job_at(core, slot);
        if (job->state != GR_JOB_RUNNING || job->stop_why != GR_STOP_NOT || job->called_for != 0) {
            return GR_REFUSED_STATE;
        }
        struct touching touching = {event, false};
        gr_jobs_pieces(core, gr_allocation_at(core, slot), piece_touches, &touching);
        if (!touching.touches) {
            return GR_REFUSED_PIECES;
        }
    }
    return GR_REFUSED_NOTHING;
}

uint32_t gr_hold_called(const struct gr_core *core, const struct gr_hold *hold, uint32_t *ret_slots)
{
    uint8_t *listed = gr_core_at(core, core->goes_at);
    uint32_t row = (uint32_t)(hold - core->holds), count = 0, left = hold->node_count;
    for (uint32_t n = hold->first; left > 0; n++) {
        if ((gr_held_at(core)[n] & ~HIDDEN) != row + 1) {
            continue;
        }
        left--;
        for (uint32_t t = gr_tenants_first(core, n); t != GR_NONE; t = gr_tenants_next(core, t)) {
            uint32_t slot = gr_tenant_slot(core, t);
            const struct gr_job *job = gr_job_at(core, slot);
            if (job->called_for == row + 1 && job->stop_why == GR_STOP_NOT && listed[slot] == 0) {
                assert(count < GR_CALLED_MAX);
                listed[slot] = 1;
                ret_slots[count++] = slot;
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        listed[ret_slots[i]] = 0;
    }
    return count;
}

// --- facts

enum gr_refusal gr_hold_check(const struct gr_core *core, const struct gr_event *event)
{
    if (event->type == GR_ROOM_FREED) {
        return gr_hold_find(core, event->freed.job) == NULL                     ? GR_REFUSED_JOB
               : event->freed.why < GR_FREED_WHYS && event->freed.reserved == 0 ? GR_REFUSED_NOTHING
                                                                                : GR_REFUSED_FIELD;
    }
    if (gr_hold_find(core, event->held.job) != NULL) {
        return GR_REFUSED_STATE;
    }
    if (core->hold_count == GR_HOLDS) {
        return GR_REFUSED_LIMIT_OTHER;
    }
    for (uint32_t i = 0; i < event->piece_count; i++) {
        if (gr_held_at(core)[event->pieces[i].node] != 0) {
            return GR_REFUSED_HELD;
        }
    }
    return event->held.until_ms >= event->at_ms ? called_check(core, event) : GR_REFUSED_FIELD;
}

void gr_hold_add(struct gr_core *core, const struct gr_event *event)
{
    uint32_t row = 0;
    while (core->holds[row].job != 0) {
        row++;
        assert(row < GR_HOLDS);
    }
    uint32_t nodes = 0;
    for (uint32_t i = 0; i < event->piece_count; i++) {
        uint16_t *mark = &gr_held_at(core)[event->pieces[i].node];
        nodes += *mark == 0;
        *mark = (uint16_t)(row + 1);
    }
    for (uint32_t i = 0; i < event->edge_count; i++) {
        struct gr_job *job = gr_job_at(core, gr_core_job_slot(core, event->edges[i].job));
        job->called_for = (uint16_t)(row + 1);
    }
    core->holds[row] =
        (struct gr_hold){.job = event->held.job,
                         .until_ms = event->held.until_ms,
                         .made_ms = event->at_ms,
                         .first = event->pieces[0].node,
                         .node_count = nodes & 0xffffff,
                         .how = (event->edge_count > 0 ? event->edges[0].how : 0) & 0xff};
    core->hold_count++;
}

struct standing {
    const struct gr_core *core;
    uint32_t row;
    bool stands;
};

static void piece_stands(void *context, const struct gr_piece *piece)
{
    struct standing *standing = context;
    standing->stands =
        standing->stands || gr_held_at(standing->core)[piece->node] == standing->row + 1;
}

// True if a job holds something where room is held by this row.
static bool stands_on(const struct gr_core *core, uint32_t slot, uint32_t row)
{
    struct standing standing = {core, row, false};
    gr_jobs_pieces(core, gr_allocation_at(core, slot), piece_stands, &standing);
    return standing.stands;
}

void gr_hold_look(struct gr_core *core, uint32_t slot)
{
    struct gr_job *job = gr_job_at(core, slot);
    if (job->called_for != 0 && !stands_on(core, slot, job->called_for - 1u)) {
        job->called_for = 0;
    }
}

// Whoever was called for it and is still there stays.
static void node_free(struct gr_core *core, uint32_t node)
{
    unsigned mark = gr_held_at(core)[node] & ~HIDDEN;
    for (uint32_t t = gr_tenants_first(core, node); t != GR_NONE; t = gr_tenants_next(core, t)) {
        struct gr_job *job = gr_job_at(core, gr_tenant_slot(core, t));
        if (job->called_for == mark) {
            job->called_for = 0;
        }
    }
    gr_held_at(core)[node] = 0;
    gr_queue_wake_node(core, node);
}

void gr_hold_end(struct gr_core *core, uint64_t job)
{
    uint32_t row = job == 0 ? GR_NONE : row_find(core, job);
    if (row == GR_NONE) {
        return;
    }
    nodes_each(core, row, node_free);
    core->holds[row] = (struct gr_hold){0};
    core->hold_count--;
    core->room++;
}

// Whoever is called runs, and holds something where room is held.
static bool called_good(const struct gr_core *core, uint32_t slot)
{
    const struct gr_job *job = gr_job_at(core, slot);
    if (job->called_for == 0) {
        return true;
    }
    if (job->state != GR_JOB_RUNNING || job->called_for > GR_HOLDS ||
        core->holds[job->called_for - 1].job == 0 || core->holds[job->called_for - 1].how == 0) {
        return false;
    }
    return stands_on(core, slot, job->called_for - 1u);
}

const char *gr_holds_audit(const struct gr_core *core)
{
    uint32_t nodes[GR_HOLDS] = {0}, rows = 0;
    for (uint32_t n = 0; n < gr_place_node_count(gr_pool(core)); n++) {
        unsigned mark = gr_held_at(core)[n];
        if (mark > GR_HOLDS) {
            return "a node is held by a hold that cannot be";
        }
        if (mark > 0) {
            nodes[mark - 1]++;
        }
    }
    for (uint32_t h = 0; h < GR_HOLDS; h++) {
        const struct gr_hold *hold = &core->holds[h];
        rows += hold->job != 0;
        if (nodes[h] != hold->node_count || (hold->job == 0) != (nodes[h] == 0)) {
            return "the nodes of a hold are miscounted";
        }
        if (hold->job != 0 && row_find(core, hold->job) != h) {
            return "a job has two holds";
        }
        const struct gr_job *job = hold->job == 0 ? NULL : gr_core_job_find(core, hold->job);
        if (job != NULL && job->state != GR_JOB_WAITING) {
            return "room is held for a job that does not wait";
        }
    }
    for (uint32_t s = 0; s < core->job_top; s++) {
        if (!called_good(core, s)) {
            return "a job is called for a hold that it does not stand on";
        }
    }
    return rows == core->hold_count ? NULL : "holds are miscounted";
}

bool gr_core_hold_next(const struct gr_core *core, uint32_t *cursor, struct gr_core_hold *ret_hold)
{
    assert(core != NULL && cursor != NULL && ret_hold != NULL);
    while (*cursor < GR_HOLDS) {
        const struct gr_hold *hold = &core->holds[(*cursor)++];
        if (hold->job != 0) {
            *ret_hold = (struct gr_core_hold){.job = hold->job,
                                              .made_ms = hold->made_ms,
                                              .until_ms = hold->until_ms,
                                              .nodes = hold->node_count};
            return true;
        }
    }
    return false;
}

int64_t gr_core_wake_ms(const struct gr_core *core)
{
    assert(core != NULL);
    int64_t wake = gr_part_wake_ms(core);
    int64_t window = gr_windows_wake_ms(core);
    wake = window < wake ? window : wake;
    for (uint32_t h = 0; h < GR_HOLDS && core->hold_count > 0; h++) {
        const struct gr_hold *hold = &core->holds[h];
        wake = hold->job != 0 && hold->until_ms < wake ? hold->until_ms : wake;
    }
    int64_t again = core->reclaim_at_ms;
    return again != 0 && core->waiting > 0 && again < wake ? again : wake;
}
