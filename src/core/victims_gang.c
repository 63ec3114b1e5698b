// Whose work goes for a gang: jobs are taken in order of the time they would lose until it fits;
// then those that it does not need there are left alone, longest first.
#include "core/victims.h"

#include "core/tenants.h"

#define NONE GR_NONE

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
static uint32_t list_make(const struct gr_taker *taker, const struct gr_scope *scope,
                          uint32_t *slots)
{
    const struct gr_core *core = taker->core;
    uint32_t count = 0;
    for (uint32_t i = 0; i < scope->count; i++) {
        for (uint32_t t = gr_tenants_first(core, scope->nodes[i]); t != NONE;
             t = gr_tenants_next(core, t)) {
            uint32_t slot = gr_tenant_slot(core, t);
            if (gr_goes_at(core)[slot] == 0 && gr_victim_may(taker, slot)) {
                gr_goes_at(core)[slot] = 1; // it is listed
                slots[count++] = slot;
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        gr_goes_at(core)[slots[i]] = 0;
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
            gr_victim_trial(taker, slots[i], true);
            slots[left++] = slots[i];
        }
    }
    for (uint32_t i = left; i-- > 0;) {
        gr_victim_trial(taker, slots[i], false);
    }
    return left;
}

// Marks the first `count` of a list, and no others.
static void list_mark(const struct gr_taker *taker, const uint32_t *slots, uint32_t all,
                      uint32_t count)
{
    for (uint32_t i = 0; i < all; i++) {
        gr_goes_at(taker->core)[slots[i]] = i < count;
    }
}

static bool gang_fits(const struct gr_taker *taker, const struct gr_scope *scope,
                      const uint32_t *slots, uint32_t count, struct gr_piece *pieces)
{
    uint64_t back = 0;
    for (uint32_t i = 0; i < count; i++) {
        back += gr_goes_at(taker->core)[slots[i]] != 0 ? gr_victim_own(taker, slots[i]) : 0;
    }
    return gr_taker_may(taker, back) &&
           gr_scope_fill(taker, scope, true, pieces) == taker->job->demand.tasks;
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
        struct gr_node row = gr_scope_row(taker, piece->node, true);
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
        gr_goes_at(taker->core)[slots[i]] = near.fits;
        back += near.fits ? gr_victim_own(taker, slots[i]) : 0;
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
        if (gr_goes_at(taker->core)[slots[i]] == 0) {
            continue;
        }
        uint64_t own = gr_victim_own(taker, slots[i]);
        struct fitting fitting = {taker, pieces, gr_taker_may(taker, back - own)};
        gr_goes_at(taker->core)[slots[i]] = 0;
        if (fitting.fits) {
            gr_jobs_pieces(taker->core, gr_allocation_at(taker->core, slots[i]), piece_fits,
                           &fitting);
        }
        gr_goes_at(taker->core)[slots[i]] = !fitting.fits;
        back -= fitting.fits ? own : 0;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (gr_goes_at(taker->core)[slots[i]] != 0) {
            slots[left++] = slots[i];
        }
    }
    return left;
}

bool gr_victims_gang(const struct gr_taker *taker, const struct gr_scope *scope,
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
    gr_pieces_sort(pieces, taker->job->demand.tasks);
    victims->count = gang_prune(taker, slots, high, pieces);
    if (victims->count > high) {
        list_mark(taker, slots, all, 0);
        return false;
    }
    for (uint32_t i = 0, end; i < taker->job->demand.tasks; i = end) { // on what is free then
        uint32_t node = pieces[i].node;
        end = i + pieces_on(pieces, taker->job->demand.tasks, node);
        struct gr_node row = gr_scope_row(taker, node, true);
        (void)gr_place_row_tasks(gr_pool(taker->core), node, &row, &taker->job->demand, end - i,
                                 pieces + i);
        gr_pieces_order(pieces + i, end - i);
    }
    for (uint32_t i = 0; i < victims->count; i++) {
        uint64_t lost = gr_lost_of(taker->core, gr_job_at(taker->core, slots[i]), taker->at_ms);
        victims->cost = lost > UINT64_MAX - victims->cost ? UINT64_MAX : victims->cost + lost;
    }
    return true;
}
