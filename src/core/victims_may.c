// Whose work may go for whom, by what organisations hold of each variant.
#include "core/victims.h"

#define NONE GR_NONE
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
void gr_victim_trial(const struct gr_taker *taker, uint32_t slot, bool take)
{
    if (taker->moves) {
        return; // it goes on elsewhere
    }
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

bool gr_victim_is_lower(const struct gr_taker *taker, uint32_t slot)
{
    const struct gr_job *job = gr_job_at(taker->core, slot);
    return (taker->core->queue_terms.reclaim & GR_RECLAIM_PRIORITY) != 0 &&
           job->org == taker->job->org && job->demand.priority < taker->job->demand.priority;
}

bool gr_victim_may(const struct gr_taker *taker, uint32_t slot)
{
    const struct gr_core *core = taker->core;
    const struct gr_job *job = gr_job_at(core, slot);
    uint32_t terms = core->queue_terms.reclaim;
    if ((job->called_for != 0 && core->holds[job->called_for - 1].job != taker->hold) ||
        job->stop_why != GR_STOP_NOT || taker->at_ms < job->started_ms ||
        taker->at_ms - job->started_ms < core->queue_terms.min_run_ms) {
        return false;
    }
    struct kinds kinds = kinds_of(core, slot);
    if (kinds.many) {
        return false;
    }
    if (taker->moves) {
        return ((job->requeue_on & GR_REQUEUE_MOVE) != 0 || job->safe_ms != 0) &&
               job->attempt < UINT16_MAX && job->is_parted == 0;
    }
    if (gr_victim_is_lower(taker, slot)) {
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
    if (taker->moves) {
        uint64_t milli = gr_demand_milli(&taker->job->demand);
        return gr_quota_left(taker->core, org, taker->variant, true) >= milli ||
               gr_quota_left(taker->core, org, taker->variant, false) >= milli;
    }
    gr_quota_less(taker->core, org, taker->variant, back);
    bool may = gr_quota_left(taker->core, org, taker->variant, true) >=
               gr_demand_milli(&taker->job->demand);
    gr_quota_more(taker->core, org, taker->variant, back);
    return may;
}

// What a job of the taker's organisation holds of its variant.
uint64_t gr_victim_own(const struct gr_taker *taker, uint32_t slot)
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
