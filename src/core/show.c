// What the core shows of terms, use and order: see show.h.
#include "core/show.h"

#include "core/queue.h"
#include "core/reclaim.h"

struct gr_org_terms gr_core_org_terms(const struct gr_core *core, uint32_t org)
{
    assert(org < core->org_count);
    struct gr_org_terms terms = *gr_org_terms_at(core, org);
    if (terms.weight == 0) {
        terms = (struct gr_org_terms){
            .org = org, .weight = GR_WEIGHT_DEFAULT, .priority_max = GR_PRIORITY_MAX};
    }
    return terms;
}

struct gr_queue_terms gr_core_queue_terms(const struct gr_core *core)
{
    return core->queue_terms;
}

static struct gr_core_use use_of(const struct gr_core *core, const struct gr_past *past,
                                 const struct gr_use_now *now, uint32_t weight, int64_t at_ms)
{
    struct gr_past then = *past;
    int64_t half_life = core->queue_terms.half_life_ms;
    if (at_ms > then.at_ms) {
        gr_past_pass(&then, now->share_milli, half_life, at_ms);
    }
    uint64_t average = half_life == 0 ? 0 : (then.average + (UINT64_C(1) << 19)) >> 20;
    unsigned __int128 share =
        (unsigned __int128)(now->share_milli + average) * GR_WEIGHT_DEFAULT / weight;
    return (struct gr_core_use){.held_milli = now->held_milli,
                                .share_milli = now->share_milli,
                                .past_milli = average,
                                .share = share > UINT64_MAX ? UINT64_MAX : (uint64_t)share,
                                .running = now->running};
}

struct gr_core_use gr_core_org_use(const struct gr_core *core, uint32_t org, int64_t at_ms)
{
    return use_of(core, gr_org_past_at(core, org), gr_org_now_at(core, org),
                  gr_core_org_terms(core, org).weight, at_ms);
}

struct gr_core_use gr_core_user_use(const struct gr_core *core, uint32_t user, int64_t at_ms)
{
    assert(user < core->user_count);
    return use_of(core, gr_user_past_at(core, user), gr_user_now_at(core, user), GR_WEIGHT_DEFAULT,
                  at_ms);
}

uint64_t gr_core_quota_left(const struct gr_core *core, uint32_t org, uint32_t variant, bool own)
{
    return gr_quota_left(core, org, variant, own);
}

uint32_t gr_core_quotas(const struct gr_core *core)
{
    return core->quota_count;
}

struct gr_quota gr_core_quota_get(const struct gr_core *core, uint32_t row, uint64_t *ret_used)
{
    assert(row < core->quota_count);
    struct gr_quota quota = *gr_quota_at(core, row);
    bool found = gr_quota_find(core, quota.org, quota.variant, &quota, ret_used);
    assert(found);
    (void)found;
    return quota;
}

struct holding {
    const struct gr_core *core;
    uint64_t job; // for which
};

static void piece_held(void *context, const struct gr_piece *piece)
{
    struct holding *holding = context;
    for (uint32_t h = 0; h < GR_HOLDS && holding->job == 0; h++) {
        uint64_t job = holding->core->holds[h].job;
        bool mine = job != 0 && gr_hold_keeps(holding->core, piece->node, 0) &&
                    !gr_hold_keeps(holding->core, piece->node, job);
        holding->job = mine ? job : 0;
    }
}

uint64_t gr_core_held_on(const struct gr_core *core, uint64_t job)
{
    struct holding holding = {.core = core};
    uint32_t slot = gr_core_job_slot(core, job);
    if (core->hold_count > 0 && slot != GR_NONE && gr_job_at(core, slot)->state == GR_JOB_RUNNING) {
        gr_jobs_pieces(core, gr_allocation_at(core, slot), piece_held, &holding);
    }
    return holding.job;
}

struct gr_core_reserved gr_core_reserved(const struct gr_core *core)
{
    const struct gr_reserved_room *kept = &core->room_kept;
    return (struct gr_core_reserved){
        .job = kept->job, .start_ms = kept->start_ms, .nodes = kept->node_count};
}

// Is there a variant of which quotas leave the job all that it asks for?
static bool is_left(const struct gr_core *core, const struct gr_need *need, uint32_t org, bool own)
{
    uint64_t milli = gr_demand_milli(&need->demand);
    bool left = milli == 0 || core->quota_count == 0;
    for (uint32_t v = 0; !left && v < core->variant_count; v++) {
        left = (need->variants[v / 64] >> v % 64 & 1) != 0 &&
               gr_quota_left(core, org, v, own) >= milli;
    }
    return left;
}

enum gr_refusal gr_core_job_bar(const struct gr_core *core, uint64_t job)
{
    uint32_t slot = gr_core_job_slot(core, job);
    assert(slot != GR_NONE);
    const struct gr_job *row = gr_job_at(core, slot);
    if (core->order != GR_ORDER_FAIR) {
        return GR_REFUSED_NOTHING;
    }
    const struct gr_need *need = gr_need_at(core, gr_waits_at(core, slot)->need);
    if (gr_terms_allow(core, row->org, row->user, gr_demand_milli(&row->demand)) !=
        GR_REFUSED_NOTHING) {
        return GR_REFUSED_TERMS;
    }
    return is_left(core, need, row->org, true) || is_left(core, need, row->org, false)
               ? GR_REFUSED_NOTHING
               : GR_REFUSED_QUOTA;
}

// In order of shares, all jobs of a queue after those of the queue before it.
static uint32_t turns_fair(struct gr_core *core, struct gr_core_turn *turns, uint32_t most)
{
    uint32_t count = 0;
    uint64_t rank = 0;
    for (uint32_t q = gr_shares_first(core); q != GR_NONE; q = gr_shares_next(core, q), rank++) {
        const uint64_t *needs = gr_queue_bits(core, q);
        for (uint32_t n = 0; n < core->need_words * 64; n++) {
            if ((needs[n / 64] >> n % 64 & 1) == 0) {
                continue;
            }
            const struct gr_need *need = gr_need_at(core, n);
            bool own = is_left(core, need, gr_queue_at(core, q)->org, true);
            uint64_t turn = (uint64_t)!own << 40 | (uint64_t)(255u - need->demand.priority) << 32;
            const struct gr_lane *lane = gr_lane_at(core, gr_lane_find(core, q, n));
            for (uint32_t s = lane->first; s != GR_NONE && count < most;
                 s = gr_waits_at(core, s)->next) {
                turns[count++] = (struct gr_core_turn){gr_job_at(core, s)->id, turn | rank, own};
            }
        }
    }
    return count;
}

uint32_t gr_core_turns(struct gr_core *core, int64_t at_ms, struct gr_core_turn *ret_turns,
                       uint32_t most)
{
    uint32_t count = 0;
    if (core->order == GR_ORDER_FAIR) {
        gr_shares_order(core, at_ms);
        return turns_fair(core, ret_turns, most);
    }
    for (uint32_t s = gr_jobs_first(core); s != GR_NONE && count < most;
         s = gr_jobs_after(core, s)) {
        ret_turns[count] = (struct gr_core_turn){gr_job_at(core, s)->id, count, true};
        count++;
    }
    return count;
}
