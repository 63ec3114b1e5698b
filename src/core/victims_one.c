// Whose work goes for a job of one task: the set that loses least, on each node among those whose
// work is cheapest (PICKS of them), within STEPS sets.
#include "core/victims.h"

#include "core/tenants.h"

#include <string.h>

#define NONE GR_NONE
#define PICKS 16u
#define STEPS 65536u

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
    struct gr_node row = gr_scope_row(taker, picking->node, true);
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
        gr_goes_at(core)[pick->slot] = 1;
        gr_victim_trial(picking->taker, pick->slot, true);
        pick_on(picking, i + 1, count + 1, cost + pick->cost);
        gr_victim_trial(picking->taker, pick->slot, false);
        gr_goes_at(core)[pick->slot] = 0;
    }
}

bool gr_victims_one(const struct gr_taker *taker, const struct gr_scope *scope,
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
        gr_goes_at(taker->core)[victims->slots[i]] = 1;
    }
    struct gr_scope alone = {.nodes = {picking.best_node}, .count = 1};
    uint32_t filled = gr_scope_fill(taker, &alone, true, pieces);
    assert(filled == 1);
    (void)filled;
    return true;
}
