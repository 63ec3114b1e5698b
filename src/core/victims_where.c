// Where a job fits once others have gone: the nodes that it may use, their rows without who goes,
// and its pieces there.
#include "core/victims.h"

#include "core/tenants.h"
#include "core/window_parts.h"

#define NONE GR_NONE
// The place where nodes are looked at first moves after so long.
#define MOVES_MS 1000

// Tasks that share a domain; 1: they share none.
static uint32_t block_of(const struct gr_demand *demand)
{
    return demand->domain_level == 0   ? 1
           : demand->domain_tasks != 0 ? demand->domain_tasks
                                       : demand->tasks;
}

static uint32_t domain_of(const struct gr_taker *taker, uint32_t node)
{
    unsigned level = taker->job->demand.domain_level;
    return block_of(&taker->job->demand) < 2
               ? 0
               : gr_place_node_get(gr_pool(taker->core), node)->domain[level - 1];
}

static bool usable(const struct gr_taker *taker, uint32_t node)
{
    const struct gr_core *core = taker->core;
    unsigned mark = gr_held_at(core)[node];
    bool mine = taker->hold == 0 ? mark == 0 : mark != 0 && !gr_hold_keeps(core, node, taker->hold);
    // One of an outer domain, if tasks share one: an inner one, and none, have the same bit.
    return mine && (domain_of(taker, node) & GR_DOMAIN_INNER) == 0 &&
           gr_place_node_get(gr_pool(core), node)->variant == taker->variant &&
           gr_place_task_filter(gr_pool(core), node, &taker->job->demand) >= GR_FILTER_DEVICES &&
           !gr_window_bars(core, taker->job, node, taker->at_ms);
}

// By domain, then by number: a shell sort, for no more than GR_SCOPE.
static void scope_sort(const struct gr_taker *taker, struct gr_scope *scope)
{
    for (uint32_t gap = scope->count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < scope->count; i++) {
            uint32_t moving = scope->nodes[i], domain = domain_of(taker, moving), at = i;
            for (; at >= gap; at -= gap) {
                uint32_t other = scope->nodes[at - gap], theirs = domain_of(taker, other);
                if (theirs != domain ? theirs < domain : other < moving) {
                    break;
                }
                scope->nodes[at] = other;
            }
            scope->nodes[at] = moving;
        }
    }
}

// True if room is reserved for another job that has a right to as much: it keeps its turn.
static bool reserved_stays(const struct gr_taker *taker)
{
    const struct gr_core *core = taker->core;
    const struct gr_job *other = gr_core_job_find(core, core->room_kept.job);
    return taker->hold == 0 && other != NULL && other != taker->job &&
           core->room_kept.node_count > 0 &&
           gr_quota_left(core, other->org, taker->variant, true) >= gr_demand_milli(&other->demand);
}

void gr_scope_make(const struct gr_taker *taker, struct gr_scope *scope)
{
    bool reserved = reserved_stays(taker);
    uint32_t nodes = gr_place_node_count(gr_pool(taker->core));
    const struct gr_hold *hold = gr_hold_find(taker->core, taker->hold);
    uint64_t moves = (uint64_t)(taker->at_ms / MOVES_MS);
    uint32_t first = hold != NULL ? hold->first
                     : nodes <= GR_SCOPE
                         ? 0
                         : (uint32_t)((taker->job->id + moves) * 2654435761u % nodes);
    uint32_t left = hold != NULL ? hold->node_count : UINT32_MAX;
    scope->count = 0;
    for (uint32_t i = 0; i < nodes && left > 0 && scope->count < GR_SCOPE; i++) {
        uint32_t node = first + i < nodes ? first + i : first + i - nodes;
        left -= hold != NULL && gr_held_at(taker->core)[node] != 0 &&
                !gr_hold_keeps(taker->core, node, taker->hold);
        if (usable(taker, node) && (!reserved || gr_kept_at(taker->core)[node] == 0)) {
            scope->nodes[scope->count++] = node;
        }
    }
    scope_sort(taker, scope);
}

// A node's row, with what those hold who go, and with `coming` those who were asked to.
struct gr_node gr_scope_row(const struct gr_taker *taker, uint32_t node, bool coming)
{
    const struct gr_core *core = taker->core;
    struct gr_node row = *gr_place_node_get(gr_pool(core), node);
    for (uint32_t t = gr_tenants_first(core, node); t != NONE; t = gr_tenants_next(core, t)) {
        uint32_t slot = gr_tenant_slot(core, t);
        if (gr_goes_at(core)[slot] != 0 ||
            (coming && gr_job_at(core, slot)->stop_why != GR_STOP_NOT)) {
            gr_tenant_give(core, t, &row);
        }
    }
    return row;
}

// Within a node by device, as facts want them: few.
void gr_pieces_order(struct gr_piece *pieces, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct gr_piece moving = pieces[i];
        uint32_t at = i;
        for (; at > 0 && pieces[at - 1].node == moving.node &&
               pieces[at - 1].devices > moving.devices;
             at--) {
            pieces[at] = pieces[at - 1];
        }
        pieces[at] = moving;
    }
}

// Fills the nodes in order, whole blocks of a domain. Returns how many tasks found room.
uint32_t gr_scope_fill(const struct gr_taker *taker, const struct gr_scope *scope, bool coming,
                       struct gr_piece *pieces)
{
    const struct gr_demand *demand = &taker->job->demand;
    uint32_t block = block_of(demand), count = 0;
    for (uint32_t i = 0, end; i < scope->count && count < demand->tasks; i = end) {
        uint32_t inside = 0;
        for (end = i; end < scope->count &&
                      domain_of(taker, scope->nodes[end]) == domain_of(taker, scope->nodes[i]);
             end++) {
            struct gr_node row = gr_scope_row(taker, scope->nodes[end], coming);
            uint32_t more = demand->tasks - count - inside;
            uint32_t filled = gr_place_row_tasks(gr_pool(taker->core), scope->nodes[end], &row,
                                                 demand, more, pieces + count + inside);
            gr_pieces_order(pieces + count + inside, filled);
            inside += filled;
            if (count + inside == demand->tasks) {
                break;
            }
        }
        count += inside / block * block;
        end = end == i ? i + 1 : end;
    }
    return count;
}

static bool piece_before(const struct gr_piece *a, const struct gr_piece *b)
{
    return a->node != b->node ? a->node < b->node : a->devices < b->devices;
}

// Nodes come by domain: by number, as facts want them.
void gr_pieces_sort(struct gr_piece *pieces, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < count; i++) {
            struct gr_piece moving = pieces[i];
            uint32_t at = i;
            for (; at >= gap && piece_before(&moving, &pieces[at - gap]); at -= gap) {
                pieces[at] = pieces[at - gap];
            }
            pieces[at] = moving;
        }
    }
}

uint32_t gr_taker_fill(const struct gr_taker *taker, bool coming, struct gr_piece *pieces)
{
    struct gr_scope scope;
    gr_scope_make(taker, &scope);
    uint32_t count = gr_scope_fill(taker, &scope, coming, pieces);
    gr_pieces_sort(pieces, count);
    return count;
}
