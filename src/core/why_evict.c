// Whom the pool would stop for a waiting job, and what that would cost: with the right it has, with
// a higher priority, or with a quota that it does not have. The questions of reclaim are asked,
// with a quota or a priority there on trial. See why.h.
#include "core/reclaim.h"
#include "core/why_parts.h"

#define NONE GR_NONE
// Variants that are looked at, the first of those it may have.
#define VARIANTS 3u

// One way to have room taken back.
struct evicting {
    const struct gr_why_ask *ask;
    enum gr_evict_by by;
    struct gr_why_evict best;
};

static void best_take(struct evicting *evicting, uint32_t variant, uint64_t needs,
                      const struct gr_victims *victims)
{
    const struct gr_why_ask *ask = evicting->ask;
    struct gr_core *core = ask->core;
    struct gr_why_evict *best = &evicting->best;
    if (victims->count == 0 || (best->by != GR_EVICT_NONE && best->lost <= victims->cost)) {
        return;
    }
    *best = (struct gr_why_evict){.by = (uint32_t)evicting->by,
                                  .variant = variant,
                                  .needs = needs,
                                  .jobs = victims->count,
                                  .lost = victims->cost,
                                  .notice_ms = core->queue_terms.notice_ms};
    for (uint32_t i = 0; i < victims->count; i++) {
        const struct gr_job *job = gr_job_at(core, victims->slots[i]);
        best->milli += gr_demand_milli(&job->demand);
        if (i < GR_WHY_EVICTED) {
            best->first[i] = job->id;
        }
        if (evicting->by == GR_EVICT_PRIORITY && job->org == ask->job->org &&
            job->demand.priority >= best->needs) {
            best->needs = job->demand.priority + 1u;
        }
    }
}

// Asks about one variant, with what is there on trial.
static void variant_ask(struct evicting *evicting, uint32_t variant, uint64_t needs)
{
    const struct gr_why_ask *ask = evicting->ask;
    struct gr_taker taker = {
        .core = ask->core, .job = ask->job, .at_ms = ask->at_ms, .variant = variant};
    struct gr_victims victims;
    gr_reclaim_try(ask->core, 0);
    if (gr_victims_choose(&taker, &victims, ask->pieces)) {
        best_take(evicting, variant, needs, &victims);
    }
    gr_reclaim_tried(ask->core, 0);
}

// With a nominal that leaves the job what it asks for; as it was afterwards.
static void quota_ask(struct evicting *evicting, uint32_t variant)
{
    const struct gr_why_ask *ask = evicting->ask;
    struct gr_core *core = ask->core;
    uint64_t milli = gr_demand_milli(&ask->job->demand), used;
    struct gr_quota was = {ask->job->org, variant, 0, GR_ANY_MILLI, GR_ANY_MILLI};
    struct gr_quota tried = was;
    if (gr_quota_find(core, ask->job->org, variant, &was, &used)) {
        tried = was;
    }
    tried.nominal_milli += milli;
    if (gr_quota_check(core, &tried) != GR_REFUSED_NOTHING) {
        return;
    }
    gr_quota_set(core, &tried);
    (void)gr_quota_find(core, ask->job->org, variant, &tried, &used);
    tried.nominal_milli = used + milli;
    if (tried.nominal_milli >= was.nominal_milli &&
        gr_quota_check(core, &tried) == GR_REFUSED_NOTHING) {
        gr_quota_set(core, &tried);
        variant_ask(evicting, variant, tried.nominal_milli);
    }
    gr_quota_set(core, &was);
}

// The highest priority that its organisation may ask for.
static uint8_t priority_most(const struct gr_why_ask *ask)
{
    unsigned most = GR_PRIORITY_MAX;
    while (most > ask->job->demand.priority && !gr_terms_priority(ask->core, ask->job->org, most)) {
        most--;
    }
    return (uint8_t)most;
}

static void variants_ask(struct evicting *evicting)
{
    const struct gr_why_ask *ask = evicting->ask;
    struct gr_job *job = gr_job_at(ask->core, ask->slot);
    uint8_t priority = job->demand.priority;
    uint32_t left = VARIANTS;
    if (evicting->by == GR_EVICT_PRIORITY) {
        job->demand.priority = priority_most(ask);
    }
    for (uint32_t v = 0; v < ask->core->variant_count && left > 0; v++) {
        if ((ask->need->variants[v / 64] >> v % 64 & 1) == 0) {
            continue;
        }
        left--;
        if (evicting->by == GR_EVICT_QUOTA && gr_quota_has(ask->core, v)) {
            quota_ask(evicting, v);
        } else if (evicting->by != GR_EVICT_QUOTA) {
            variant_ask(evicting, v, evicting->by == GR_EVICT_PRIORITY ? priority + 1u : 0);
        }
    }
    job->demand.priority = priority;
}

void gr_why_evict(const struct gr_why_ask *ask)
{
    struct gr_core *core = ask->core;
    uint32_t reason = ask->why->reason, terms = core->queue_terms.reclaim;
    bool waits = reason == GR_WHY_RESERVED || reason == GR_WHY_FRAGMENTED ||
                 reason == GR_WHY_NO_ROOM || reason == GR_WHY_QUOTA;
    bool may = (terms & GR_RECLAIM_PRIORITY) != 0 ||
               ((terms & GR_RECLAIM_BORROWED) != 0 && core->quota_count > 0);
    if (!waits || !may || core->order != GR_ORDER_FAIR || core->hold_count == GR_HOLDS ||
        gr_demand_milli(&ask->job->demand) == 0 ||
        gr_terms_allow(core, ask->job->org, ask->job->user, gr_demand_milli(&ask->job->demand)) !=
            GR_REFUSED_NOTHING) {
        return;
    }
    uint64_t cap = core->queue_terms.lost_per_hour;
    uint64_t left = gr_lost_left(core, ask->at_ms);
    core->queue_terms.lost_per_hour = GR_ANY_MILLI; // what it costs, be it too much or not
    struct evicting evicting = {.ask = ask, .by = GR_EVICT_RIGHT};
    variants_ask(&evicting);
    if (evicting.best.by == GR_EVICT_NONE) {
        evicting.by = GR_EVICT_QUOTA;
        if ((terms & GR_RECLAIM_BORROWED) != 0) {
            variants_ask(&evicting);
        }
        evicting.by = GR_EVICT_PRIORITY;
        if ((terms & GR_RECLAIM_PRIORITY) != 0 && priority_most(ask) > ask->job->demand.priority) {
            variants_ask(&evicting);
        }
    }
    core->queue_terms.lost_per_hour = cap;
    evicting.best.is_over_cap = evicting.best.lost > left;
    ask->why->evict = evicting.best;
}
