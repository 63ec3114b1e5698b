// Whose work goes. What is lost is what counts: the least in all, then the fewest jobs, then those
// that came first.
//
// For a job of one task that is found exactly, on each node among those whose work is cheapest
// (PICKS of them). For a gang, jobs are taken in order of the time they would lose until it fits;
// then those that it does not need there are left alone, longest first.
//
// Bounds of one decision: SCOPE nodes that the job may use, from a place in the pool that moves
// with time, and STEPS sets of victims.
#include "core/reclaim.h"
#include "core/tenants.h"

#include <string.h>

#define NONE GR_NONE
#define SCOPE 4096u
#define PICKS 16u
#define STEPS 65536u
// The place where nodes are looked at first moves after so long.
#define MOVES_MS 1000
// Variants that the pieces of a victim may lie on.
#define KINDS 8u

// --- what a job holds of each variant

struct kinds {
    const struct gr_core *core;
    uint64_t milli[KINDS];
    uint32_t variant[KINDS];
    uint32_t count;
    bool many;
};

static void piece_kind(void *context, const struct gr_piece *piece)
{
    struct kinds *kinds = context;
    uint32_t variant = gr_place_node_get(gr_pool(kinds->core), piece->node)->variant;
    uint64_t milli = (uint64_t)__builtin_popcount(piece->devices) * piece->milli;
    uint32_t k = 0;
    while (k < kinds->count && kinds->variant[k] != variant) {
        k++;
    }
    if (k == KINDS) {
        kinds->many = true;
        return;
    }
    if (k == kinds->count) {
        kinds->variant[kinds->count++] = variant;
    }
    kinds->milli[k] += milli;
}

static struct kinds kinds_of(const struct gr_core *core, uint32_t slot)
{
    struct kinds kinds = {.core = core};
    gr_jobs_pieces(core, gr_allocation_at(core, slot), piece_kind, &kinds);
    return kinds;
}

// Takes what a job holds away from what its organisation uses, or gives it back, on trial.
static void trial(const struct gr_taker *taker, uint32_t slot, bool take)
{
    struct kinds kinds = kinds_of(taker->core, slot);
    uint32_t org = gr_job_at(taker->core, slot)->org;
    assert(!kinds.many);
    for (uint32_t k = 0; k < kinds.count; k++) {
        (take ? gr_quota_less : gr_quota_more)(taker->core, org, kinds.variant[k], kinds.milli[k]);
    }
}

// --- who may go

static uint32_t parent_of(const struct gr_core *core, uint32_t org)
{
    return gr_core_org_get(core, org)->parent;
}

static bool is_above(const struct gr_core *core, uint32_t above, uint32_t org)
{
    while (org != NONE && org != above) {
        org = parent_of(core, org);
    }
    return org == above;
}

// True if `milli` of a variant that an organisation holds are borrowed, as the taker sees it: no
// organisation up to the first that is above both has its own nominal touched; and if none there
// has some, none further up has, which the two would share.
static bool is_borrowed(const struct gr_taker *taker, uint32_t org, uint32_t variant,
                        uint64_t milli)
{
    const struct gr_core *core = taker->core;
    bool has_own = false;
    bool below = true;
    for (uint32_t o = org; o != NONE; o = parent_of(core, o)) {
        struct gr_quota quota;
        uint64_t used;
        below = below && (variant != taker->variant || !is_above(core, o, taker->job->org));
        if (!below && has_own) {
            break; // further up it takes nothing from the taker's own
        }
        if (!gr_quota_find(core, o, variant, &quota, &used) || quota.nominal_milli == 0) {
            continue;
        }
        if (!below || used < milli || used - milli < quota.nominal_milli) {
            return false;
        }
        has_own = true;
    }
    return true;
}

bool gr_victim_may(const struct gr_taker *taker, uint32_t slot)
{
    const struct gr_core *core = taker->core;
    const struct gr_job *job = gr_job_at(core, slot);
    uint32_t terms = core->queue_terms.reclaim;
    if (job->stop_why != GR_STOP_NOT || taker->at_ms < job->started_ms ||
        taker->at_ms - job->started_ms < core->queue_terms.min_run_ms) {
        return false;
    }
    struct kinds kinds = kinds_of(core, slot);
    if (kinds.many) {
        return false;
    }
    if ((terms & GR_RECLAIM_PRIORITY) != 0 && job->org == taker->job->org &&
        job->demand.priority < taker->job->demand.priority) {
        return true;
    }
    bool may = (terms & GR_RECLAIM_BORROWED) != 0 && gr_quota_has(core, taker->variant) &&
               job->org != taker->job->org && gr_demand_milli(&taker->job->demand) > 0 &&
               gr_demand_milli(&job->demand) > 0;
    for (uint32_t k = 0; k < kinds.count && may; k++) {
        may = is_borrowed(taker, job->org, kinds.variant[k], kinds.milli[k]);
    }
    return may;
}

bool gr_taker_may(const struct gr_taker *taker, uint64_t back)
{
    uint32_t org = taker->job->org;
    gr_quota_less(taker->core, org, taker->variant, back);
    bool may = gr_quota_left(taker->core, org, taker->variant, true) >=
               gr_demand_milli(&taker->job->demand);
    gr_quota_more(taker->core, org, taker->variant, back);
    return may;
}

// --- where

// Nodes that the job may use.
struct scope {
    uint32_t nodes[SCOPE];
    uint32_t count;
};

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
           gr_place_task_filter(gr_pool(core), node, &taker->job->demand) >= GR_FILTER_DEVICES;
}

// By domain, then by number: a shell sort, for no more than SCOPE.
static void scope_sort(const struct gr_taker *taker, struct scope *scope)
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

static void scope_make(const struct gr_taker *taker, struct scope *scope)
{
    bool reserved = reserved_stays(taker);
    uint32_t nodes = gr_place_node_count(gr_pool(taker->core));
    const struct gr_hold *hold = gr_hold_find(taker->core, taker->hold);
    uint64_t moves = (uint64_t)(taker->at_ms / MOVES_MS);
    uint32_t first = hold != NULL     ? hold->first
                     : nodes <= SCOPE ? 0
                                      : (uint32_t)((taker->job->id + moves) * 2654435761u % nodes);
    uint32_t left = hold != NULL ? hold->node_count : UINT32_MAX;
    scope->count = 0;
    for (uint32_t i = 0; i < nodes && left > 0 && scope->count < SCOPE; i++) {
        uint32_t node = first + i < nodes ? first + i : first + i - nodes;
        left -= hold != NULL && gr_held_at(taker->core)[node] != 0 &&
                !gr_hold_keeps(taker->core, node, taker->hold);
        if (usable(taker, node) && (!reserved || gr_kept_at(taker->core)[node] == 0)) {
            scope->nodes[scope->count++] = node;
        }
    }
    scope_sort(taker, scope);
}

// A byte a job: 1 if it goes, on trial.
static uint8_t *goes_at(const struct gr_core *core)
{
    return gr_core_at(core, core->goes_at);
}

// A node's row, with what those hold who go, and with `coming` those who were asked to.
static struct gr_node row_of(const struct gr_taker *taker, uint32_t node, bool coming)
{
    const struct gr_core *core = taker->core;
    struct gr_node row = *gr_place_node_get(gr_pool(core), node);
    for (uint32_t t = gr_tenants_first(core, node); t != NONE; t = gr_tenants_next(core, t)) {
        uint32_t slot = gr_tenant_slot(core, t);
        if (goes_at(core)[slot] != 0 ||
            (coming && gr_job_at(core, slot)->stop_why != GR_STOP_NOT)) {
            gr_tenant_give(core, t, &row);
        }
    }
    return row;
}

// Within a node by device, as facts want them: few.
static void pieces_order(struct gr_piece *pieces, uint32_t count)
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
static uint32_t scope_fill(const struct gr_taker *taker, const struct scope *scope, bool coming,
                           struct gr_piece *pieces)
{
    const struct gr_demand *demand = &taker->job->demand;
    uint32_t block = block_of(demand), count = 0;
    for (uint32_t i = 0, end; i < scope->count && count < demand->tasks; i = end) {
        uint32_t inside = 0;
        for (end = i; end < scope->count &&
                      domain_of(taker, scope->nodes[end]) == domain_of(taker, scope->nodes[i]);
             end++) {
            struct gr_node row = row_of(taker, scope->nodes[end], coming);
            uint32_t more = demand->tasks - count - inside;
            uint32_t filled = gr_place_row_tasks(gr_pool(taker->core), scope->nodes[end], &row,
                                                 demand, more, pieces + count + inside);
            pieces_order(pieces + count + inside, filled);
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
static void pieces_sort(struct gr_piece *pieces, uint32_t count)
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
    struct scope scope;
    scope_make(taker, &scope);
    uint32_t count = scope_fill(taker, &scope, coming, pieces);
    pieces_sort(pieces, count);
    return count;
}

// What a job of the taker's organisation holds of its variant.
static uint64_t own_milli(const struct gr_taker *taker, uint32_t slot)
{
    struct kinds kinds = kinds_of(taker->core, slot);
    for (uint32_t k = 0; k < kinds.count; k++) {
        if (kinds.variant[k] == taker->variant &&
            gr_job_at(taker->core, slot)->org == taker->job->org) {
            return kinds.milli[k];
        }
    }
    return 0;
}

// --- one task: the best set of all

struct pick {
    uint32_t slot;
    uint64_t cost;
};

struct picking {
    const struct gr_taker *taker;
    uint32_t node, steps;
    uint64_t most; // that may be lost
    struct pick picks[PICKS];
    uint32_t count;
    bool found;
    uint64_t best_cost;
    uint32_t best_node, best_count;
    uint32_t best[PICKS], now[PICKS]; // slots
};

static bool pick_before(const struct gr_core *core, const struct pick *a, const struct pick *b)
{
    return a->cost != b->cost ? a->cost < b->cost
                              : gr_job_at(core, a->slot)->id < gr_job_at(core, b->slot)->id;
}

// The cheapest who may go from a node, in order.
static void picks_make(struct picking *picking)
{
    const struct gr_core *core = picking->taker->core;
    picking->count = 0;
    for (uint32_t t = gr_tenants_first(core, picking->node); t != NONE;
         t = gr_tenants_next(core, t)) {
        uint32_t slot = gr_tenant_slot(core, t);
        struct pick pick = {slot, gr_lost_of(core, gr_job_at(core, slot), picking->taker->at_ms)};
        bool known = false;
        for (uint32_t i = 0; i < picking->count; i++) {
            known = known || picking->picks[i].slot == slot;
        }
        if (known || pick.cost > picking->most || !gr_victim_may(picking->taker, slot)) {
            continue;
        }
        uint32_t at = picking->count < PICKS ? picking->count++ : PICKS;
        for (; at > 0 && pick_before(core, &pick, &picking->picks[at - 1]); at--) {
            if (at < PICKS) {
                picking->picks[at] = picking->picks[at - 1];
            }
        }
        if (at < PICKS) {
            picking->picks[at] = pick;
        }
    }
}

static void ids_sort(const struct gr_core *core, const uint32_t *slots, uint32_t count,
                     uint64_t *ids)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = gr_job_at(core, slots[i])->id;
        uint32_t at = i;
        for (; at > 0 && ids[at - 1] > id; at--) {
            ids[at] = ids[at - 1];
        }
        ids[at] = id;
    }
}

// Is the present set better than the best so far?
static bool is_better(const struct picking *picking, uint64_t cost, uint32_t count)
{
    uint64_t now[PICKS], best[PICKS];
    if (!picking->found || cost != picking->best_cost || count != picking->best_count) {
        return !picking->found || cost < picking->best_cost ||
               (cost == picking->best_cost && count < picking->best_count);
    }
    ids_sort(picking->taker->core, picking->now, count, now);
    ids_sort(picking->taker->core, picking->best, count, best);
    for (uint32_t i = 0; i < count; i++) {
        if (now[i] != best[i]) {
            return now[i] < best[i];
        }
    }
    return false;
}

// Does the job fit if those go that were chosen?
static bool pick_fits(const struct picking *picking)
{
    const struct gr_taker *taker = picking->taker;
    struct gr_node row = row_of(taker, picking->node, true);
    return gr_place_row_tasks(gr_pool(taker->core), picking->node, &row, &taker->job->demand, 1,
                              NULL) == 1 &&
           gr_taker_may(taker, 0);
}

// Goes on from candidate `from` with `count` chosen that lose `cost`.
static void pick_on(struct picking *picking, uint32_t from, uint32_t count, uint64_t cost)
{
    const struct gr_core *core = picking->taker->core;
    if (picking->steps == 0) {
        return;
    }
    picking->steps--;
    if (pick_fits(picking)) {
        if (is_better(picking, cost, count)) {
            picking->found = true;
            picking->best_cost = cost;
            picking->best_count = count;
            picking->best_node = picking->node;
            memcpy(picking->best, picking->now, count * sizeof *picking->now);
        }
        return;
    }
    for (uint32_t i = from; i < picking->count; i++) {
        const struct pick *pick = &picking->picks[i];
        if (pick->cost > picking->most - cost ||
            (picking->found && cost + pick->cost > picking->best_cost)) {
            return; // those behind cost as much
        }
        if (!gr_victim_may(picking->taker, pick->slot)) {
            continue; // its organisation has nothing borrowed left
        }
        picking->now[count] = pick->slot;
        goes_at(core)[pick->slot] = 1;
        trial(picking->taker, pick->slot, true);
        pick_on(picking, i + 1, count + 1, cost + pick->cost);
        trial(picking->taker, pick->slot, false);
        goes_at(core)[pick->slot] = 0;
    }
}

static bool one_choose(const struct gr_taker *taker, const struct scope *scope,
                       struct gr_victims *victims, struct gr_piece *pieces)
{
    struct picking picking = {
        .taker = taker, .steps = STEPS, .most = gr_lost_left(taker->core, taker->at_ms)};
    for (uint32_t i = 0; i < scope->count && picking.steps > 0; i++) {
        picking.node = scope->nodes[i];
        picks_make(&picking);
        pick_on(&picking, 0, 0, 0);
    }
    if (!picking.found) {
        return false;
    }
    victims->count = picking.best_count;
    victims->cost = picking.best_cost;
    memcpy(victims->slots, picking.best, picking.best_count * sizeof *picking.best);
    for (uint32_t i = 0; i < victims->count; i++) {
        goes_at(taker->core)[victims->slots[i]] = 1;
    }
    struct scope alone = {.nodes = {picking.best_node}, .count = 1};
    uint32_t filled = scope_fill(taker, &alone, true, pieces);
    assert(filled == 1);
    (void)filled;
    return true;
}

// --- gangs: enough, then no more than needed

static uint64_t lost_ms(const struct gr_taker *taker, uint32_t slot)
{
    const struct gr_job *job = gr_job_at(taker->core, slot);
    uint64_t milli = gr_demand_milli(&job->demand);
    return milli == 0 ? 0 : gr_lost_of(taker->core, job, taker->at_ms) / milli;
}

static bool goes_before(const struct gr_taker *taker, uint32_t a, uint32_t b)
{
    uint64_t ms_a = lost_ms(taker, a), ms_b = lost_ms(taker, b);
    return ms_a != ms_b ? ms_a < ms_b
                        : gr_job_at(taker->core, a)->id < gr_job_at(taker->core, b)->id;
}

// All who may go from these nodes, in order of the time they would lose.
static uint32_t list_make(const struct gr_taker *taker, const struct scope *scope, uint32_t *slots)
{
    const struct gr_core *core = taker->core;
    uint32_t count = 0;
    for (uint32_t i = 0; i < scope->count; i++) {
        for (uint32_t t = gr_tenants_first(core, scope->nodes[i]); t != NONE;
             t = gr_tenants_next(core, t)) {
            uint32_t slot = gr_tenant_slot(core, t);
            if (goes_at(core)[slot] == 0 && gr_victim_may(taker, slot)) {
                goes_at(core)[slot] = 1; // it is listed
                slots[count++] = slot;
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        goes_at(core)[slots[i]] = 0;
    }
    for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < count; i++) {
            uint32_t moving = slots[i], at = i;
            for (; at >= gap && goes_before(taker, moving, slots[at - gap]); at -= gap) {
                slots[at] = slots[at - gap];
            }
            slots[at] = moving;
        }
    }
    uint32_t left = 0; // what organisations may lose one after the other
    for (uint32_t i = 0; i < count; i++) {
        if (gr_victim_may(taker, slots[i])) {
            trial(taker, slots[i], true);
            slots[left++] = slots[i];
        }
    }
    for (uint32_t i = left; i-- > 0;) {
        trial(taker, slots[i], false);
    }
    return left;
}

// Marks the first `count` of a list, and no others.
static void list_mark(const struct gr_taker *taker, const uint32_t *slots, uint32_t all,
                      uint32_t count)
{
    for (uint32_t i = 0; i < all; i++) {
        goes_at(taker->core)[slots[i]] = i < count;
    }
}

static bool gang_fits(const struct gr_taker *taker, const struct scope *scope,
                      const uint32_t *slots, uint32_t count, struct gr_piece *pieces)
{
    uint64_t back = 0;
    for (uint32_t i = 0; i < count; i++) {
        back += goes_at(taker->core)[slots[i]] != 0 ? own_milli(taker, slots[i]) : 0;
    }
    return gr_taker_may(taker, back) &&
           scope_fill(taker, scope, true, pieces) == taker->job->demand.tasks;
}

// Pieces that lie on a node, of those in order of nodes.
static uint32_t pieces_on(const struct gr_piece *pieces, uint32_t count, uint32_t node)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pieces[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    uint32_t first = low;
    while (low < count && pieces[low].node == node) {
        low++;
    }
    return low - first;
}

// Whether the tasks that were given to each node still fit there, by its rows.
struct fitting {
    const struct gr_taker *taker;
    const struct gr_piece *pieces;
    bool fits;
};

static void piece_fits(void *context, const struct gr_piece *piece)
{
    struct fitting *fitting = context;
    const struct gr_taker *taker = fitting->taker;
    uint32_t tasks = pieces_on(fitting->pieces, taker->job->demand.tasks, piece->node);
    if (fitting->fits && tasks > 0) {
        struct gr_node row = row_of(taker, piece->node, true);
        fitting->fits = gr_place_row_tasks(gr_pool(taker->core), piece->node, &row,
                                           &taker->job->demand, tasks, NULL) == tasks;
    }
}

// True if a job holds something where tasks were given room.
static void piece_touches(void *context, const struct gr_piece *piece)
{
    struct fitting *fitting = context;
    fitting->fits = fitting->fits ||
                    pieces_on(fitting->pieces, fitting->taker->job->demand.tasks, piece->node) > 0;
}

// Those who hold nothing where tasks were given room stay. Returns how much of the taker's own
// comes back from the others.
static uint64_t gang_keep_near(const struct gr_taker *taker, const uint32_t *slots, uint32_t count,
                               const struct gr_piece *pieces)
{
    uint64_t back = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct fitting near = {taker, pieces, false};
        gr_jobs_pieces(taker->core, gr_allocation_at(taker->core, slots[i]), piece_touches, &near);
        goes_at(taker->core)[slots[i]] = near.fits;
        back += near.fits ? own_milli(taker, slots[i]) : 0;
    }
    return back;
}

// Lets those stay whom nobody needs to go; `pieces` say what goes where. Returns how many are left;
// `count` plus 1 if they would not be enough to give the taker its right.
static uint32_t gang_prune(const struct gr_taker *taker, uint32_t *slots, uint32_t count,
                           const struct gr_piece *pieces)
{
    uint64_t back = gang_keep_near(taker, slots, count, pieces);
    if (!gr_taker_may(taker, back)) {
        return count + 1;
    }
    for (uint32_t i = count; i-- > 0;) {
        if (goes_at(taker->core)[slots[i]] == 0) {
            continue;
        }
        uint64_t own = own_milli(taker, slots[i]);
        struct fitting fitting = {taker, pieces, gr_taker_may(taker, back - own)};
        goes_at(taker->core)[slots[i]] = 0;
        if (fitting.fits) {
            gr_jobs_pieces(taker->core, gr_allocation_at(taker->core, slots[i]), piece_fits,
                           &fitting);
        }
        goes_at(taker->core)[slots[i]] = !fitting.fits;
        back -= fitting.fits ? own : 0;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (goes_at(taker->core)[slots[i]] != 0) {
            slots[left++] = slots[i];
        }
    }
    return left;
}

static bool gang_choose(const struct gr_taker *taker, const struct scope *scope,
                        struct gr_victims *victims, struct gr_piece *pieces)
{
    uint32_t *slots = victims->slots;
    uint32_t all = list_make(taker, scope, slots);
    uint32_t low = 0, high = all; // enough are at most `high`
    list_mark(taker, slots, all, all);
    bool fits = gang_fits(taker, scope, slots, all, pieces);
    while (fits && low < high) {
        uint32_t middle = low + (high - low) / 2;
        list_mark(taker, slots, all, middle);
        if (gang_fits(taker, scope, slots, middle, pieces)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    list_mark(taker, slots, all, fits ? high : 0);
    if (!fits) {
        return false;
    }
    fits = gang_fits(taker, scope, slots, high, pieces);
    assert(fits);
    pieces_sort(pieces, taker->job->demand.tasks);
    victims->count = gang_prune(taker, slots, high, pieces);
    if (victims->count > high) {
        list_mark(taker, slots, all, 0);
        return false;
    }
    for (uint32_t i = 0, end; i < taker->job->demand.tasks; i = end) { // on what is free then
        uint32_t node = pieces[i].node;
        end = i + pieces_on(pieces, taker->job->demand.tasks, node);
        struct gr_node row = row_of(taker, node, true);
        (void)gr_place_row_tasks(gr_pool(taker->core), node, &row, &taker->job->demand, end - i,
                                 pieces + i);
        pieces_order(pieces + i, end - i);
    }
    for (uint32_t i = 0; i < victims->count; i++) {
        uint64_t lost = gr_lost_of(taker->core, gr_job_at(taker->core, slots[i]), taker->at_ms);
        victims->cost = lost > UINT64_MAX - victims->cost ? UINT64_MAX : victims->cost + lost;
    }
    return true;
}

bool gr_victims_choose(const struct gr_taker *taker, struct gr_victims *ret_victims,
                       struct gr_piece *pieces)
{
    struct scope scope;
    scope_make(taker, &scope);
    *ret_victims = (struct gr_victims){.slots = gr_core_at(taker->core, taker->core->scratch_at)};
    bool found = scope.count > 0 &&
                 (taker->job->demand.tasks == 1 ? one_choose(taker, &scope, ret_victims, pieces)
                                                : gang_choose(taker, &scope, ret_victims, pieces));
    for (uint32_t i = 0; found && i < ret_victims->count; i++) {
        goes_at(taker->core)[ret_victims->slots[i]] = 0;
    }
    return found && ret_victims->cost <= gr_lost_left(taker->core, taker->at_ms);
}

bool gr_core_reclaimable(struct gr_core *core, uint64_t job, int64_t at_ms, uint64_t *ret_lost)
{
    assert(core != NULL);
    uint32_t slot = gr_core_job_slot(core, job);
    if (slot == NONE || gr_job_at(core, slot)->state != GR_JOB_RUNNING) {
        return false;
    }
    // One of everybody's: it stands above nobody, has a right to anything, and no job of its own.
    const struct gr_job nobody = {.org = NONE,
                                  .demand = {.shape = {.devices = 1, .milli = 1}, .tasks = 1}};
    uint32_t variant =
        gr_place_node_get(gr_pool(core), gr_jobs_first_piece(core, slot)->node)->variant;
    struct gr_taker taker = {.core = core, .job = &nobody, .at_ms = at_ms, .variant = variant};
    if (ret_lost != NULL) {
        *ret_lost = gr_lost_of(core, gr_job_at(core, slot), at_ms);
    }
    return gr_victim_may(&taker, slot);
}
