// Whose work goes. What is lost is what counts: the least in all, then the fewest jobs, then those
// that came first. For a job of one task (victims_one.c) that is found exactly, for a gang
// (victims_gang.c) nearly.
//
// Bounds of one decision: GR_SCOPE nodes that the job may use, from a place in the pool that moves
// with time, and a number of sets of victims.
#include "core/victims.h"

bool gr_victims_choose(const struct gr_taker *taker, struct gr_victims *ret_victims,
                       struct gr_piece *pieces)
{
    struct gr_scope scope;
    gr_scope_make(taker, &scope);
    *ret_victims = (struct gr_victims){.slots = gr_core_at(taker->core, taker->core->scratch_at)};
    bool found = scope.count > 0 && (taker->job->demand.tasks == 1
                                         ? gr_victims_one(taker, &scope, ret_victims, pieces)
                                         : gr_victims_gang(taker, &scope, ret_victims, pieces));
    for (uint32_t i = 0; found && i < ret_victims->count; i++) {
        gr_goes_at(taker->core)[ret_victims->slots[i]] = 0;
    }
    return found && ret_victims->count <= GR_CALLED_MAX &&
           ret_victims->cost <= gr_lost_left(taker->core, taker->at_ms);
}

bool gr_victims_still(const struct gr_taker *taker, const uint32_t *slots, uint32_t count,
                      struct gr_piece *pieces, enum gr_freed_why *ret_why)
{
    struct gr_core *core = taker->core;
    uint64_t cost = 0;
    uint32_t go = 0;
    while (go < count && gr_victim_may(taker, slots[go])) {
        uint64_t lost = gr_lost_of(core, gr_job_at(core, slots[go]), taker->at_ms);
        cost = lost > UINT64_MAX - cost ? UINT64_MAX : cost + lost;
        gr_goes_at(core)[slots[go]] = 1;
        gr_victim_trial(taker, slots[go++], true);
    }
    bool may = go == count && gr_taker_may(taker, 0);
    bool fits = may && (taker->moves || cost <= gr_lost_left(core, taker->at_ms)) &&
                gr_taker_fill(taker, true, pieces) == taker->job->demand.tasks;
    while (go > 0) {
        gr_victim_trial(taker, slots[--go], false);
        gr_goes_at(core)[slots[go]] = 0;
    }
    *ret_why = may ? GR_FREED_ROOM : GR_FREED_RIGHT;
    return fits;
}
