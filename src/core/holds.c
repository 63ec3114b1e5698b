// Room that is held for the job it is being freed for. A hold ends when its job starts, or by a
// fact that says why it ends unused; until then nobody else starts on its nodes.
#include "core/reclaim.h"

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
    return event->held.until_ms >= event->at_ms ? GR_REFUSED_NOTHING : GR_REFUSED_FIELD;
}

void gr_hold_add(struct gr_core *core, const struct gr_event *event)
{
    uint32_t row = 0;
    while (core->holds[row].job != 0) {
        row++;
        assert(row < GR_HOLDS);
    }
    struct gr_hold *hold = &core->holds[row];
    *hold = (struct gr_hold){.job = event->held.job,
                             .until_ms = event->held.until_ms,
                             .made_ms = event->at_ms,
                             .first = event->pieces[0].node};
    for (uint32_t i = 0; i < event->piece_count; i++) {
        uint16_t *mark = &gr_held_at(core)[event->pieces[i].node];
        hold->node_count += *mark == 0;
        *mark = (uint16_t)(row + 1);
    }
    core->hold_count++;
}

static void node_free(struct gr_core *core, uint32_t node)
{
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
    for (uint32_t h = 0; h < GR_HOLDS && core->hold_count > 0; h++) {
        const struct gr_hold *hold = &core->holds[h];
        wake = hold->job != 0 && hold->until_ms < wake ? hold->until_ms : wake;
    }
    int64_t again = core->reclaim_at_ms > core->reclaim_not_before_ms ? core->reclaim_at_ms
                                                                      : core->reclaim_not_before_ms;
    return again != 0 && core->waiting > 0 && again < wake ? again : wake;
}
