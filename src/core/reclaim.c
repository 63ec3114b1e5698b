// Taking room back, fact by fact: room is held for the job that has a right to it, and those are
// called who make it fit there; they are asked to stop, one after the other; and it starts when
// they have ended. The hold's fact says who goes: nobody else is ever asked for it.
#include "core/reclaim.h"

#include "core/prefer.h"

#include <signal.h>

#define NONE GR_NONE
// A hold ends so long after the notice.
#define HOLD_MS 60000

// --- what will be

struct trial {
    struct gr_core *core;
    uint32_t org;
    bool more;
};

static void piece_trial(void *context, const struct gr_piece *piece)
{
    const struct trial *trial = context;
    uint32_t variant = gr_place_node_get(gr_pool(trial->core), piece->node)->variant;
    (trial->more ? gr_quota_more
                 : gr_quota_less)(trial->core, trial->org, variant,
                                  (uint64_t)__builtin_popcount(piece->devices) * piece->milli);
}

static uint32_t variant_of(const struct gr_core *core, const struct gr_hold *hold)
{
    return gr_place_node_get(gr_pool(core), hold->first)->variant;
}

static void trial(struct gr_core *core, uint64_t except, bool begins)
{
    for (uint32_t s = core->stopping_first; s != 0; s = gr_waits_at(core, s - 1)->stopping_next) {
        if (gr_job_at(core, s - 1)->stop_why == GR_STOP_MOVE) {
            continue; // it comes back
        }
        struct trial trial = {core, gr_job_at(core, s - 1)->org, !begins};
        gr_jobs_pieces(core, gr_allocation_at(core, s - 1), piece_trial, &trial);
    }
    for (uint32_t h = 0; h < GR_HOLDS && core->hold_count > 0; h++) {
        const struct gr_hold *hold = &core->holds[h];
        const struct gr_job *job =
            hold->job == 0 || hold->job == except ? NULL : gr_core_job_find(core, hold->job);
        if (job != NULL) {
            (begins ? gr_quota_more : gr_quota_less)(core, job->org, variant_of(core, hold),
                                                     gr_demand_milli(&job->demand));
        }
    }
}

void gr_reclaim_try(struct gr_core *core, uint64_t job)
{
    trial(core, job, true);
}

void gr_reclaim_tried(struct gr_core *core, uint64_t job)
{
    trial(core, job, false);
}

// --- holds

static struct gr_event freed(const struct gr_core *core, int64_t at_ms, uint64_t job,
                             enum gr_freed_why why)
{
    struct gr_event event = gr_decide_fact(core, at_ms, GR_ROOM_FREED);
    event.freed.job = job;
    event.freed.why = (uint32_t)why;
    return event;
}

// The start of a job on the nodes that are held for it, if it fits there now.
static bool hold_start(const struct gr_taker *taker, const struct gr_hooks *hooks,
                       struct gr_piece *pieces, struct gr_event *ret_event)
{
    const struct gr_core *core = taker->core;
    const struct gr_job *job = taker->job;
    return gr_terms_allow(core, job->org, job->user, gr_demand_milli(&job->demand)) ==
               GR_REFUSED_NOTHING &&
           gr_taker_may(taker, 0) && gr_taker_fill(taker, false, pieces) == job->demand.tasks &&
           gr_start_fact(core, hooks, taker->at_ms, job, pieces, ret_event) == GR_REFUSED_NOTHING;
}

// The order in which those are asked who were called: see gr_victim_is_lower; then by id.
static bool called_before(const struct gr_taker *taker, uint32_t a, uint32_t b)
{
    bool lower_a = gr_victim_is_lower(taker, a), lower_b = gr_victim_is_lower(taker, b);
    return lower_a != lower_b ? lower_b
                              : gr_job_at(taker->core, a)->id < gr_job_at(taker->core, b)->id;
}

static void called_sort(const struct gr_taker *taker, uint32_t *slots, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < count; i++) {
            uint32_t moving = slots[i], at = i;
            for (; at >= gap && called_before(taker, moving, slots[at - gap]); at -= gap) {
                slots[at] = slots[at - gap];
            }
            slots[at] = moving;
        }
    }
}

// What there is to do for one that does not start: the next of those who were called is asked to
// stop, or it ends. False: it waits for those who were asked.
static bool hold_go_on(const struct gr_taker *taker, const struct gr_hold *hold,
                       struct gr_piece *pieces, struct gr_event *ret_event)
{
    struct gr_core *core = taker->core;
    uint32_t *slots = gr_core_at(core, core->scratch_at);
    uint32_t count = gr_hold_called(core, hold, slots);
    enum gr_freed_why why;
    called_sort(taker, slots, count);
    if (!gr_victims_still(taker, slots, count, pieces, &why)) {
        *ret_event = freed(core, taker->at_ms, taker->job->id, why);
        return true;
    }
    if (count == 0) {
        return false;
    }
    *ret_event = gr_decide_stop(core, taker->at_ms, gr_job_at(core, slots[0])->id,
                                (enum gr_stop_why)hold->how, SIGTERM, core->queue_terms.notice_ms);
    return true;
}

static bool hold_next(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                      const struct gr_hold *hold, struct gr_piece *pieces,
                      struct gr_event *ret_event)
{
    const struct gr_job *job = gr_core_job_find(core, hold->job);
    if (job == NULL) {
        *ret_event = freed(core, at_ms, hold->job, GR_FREED_LEFT);
        return true;
    }
    struct gr_taker taker = {
        core, job, at_ms, variant_of(core, hold), hold->job, hold->how == GR_STOP_MOVE};
    if (hold_start(&taker, hooks, pieces, ret_event)) {
        return true;
    }
    if (at_ms >= hold->until_ms) {
        *ret_event = freed(core, at_ms, hold->job, GR_FREED_TIME);
        return true;
    }
    gr_reclaim_try(core, hold->job);
    bool goes_on = hold_go_on(&taker, hold, pieces, ret_event);
    gr_reclaim_tried(core, hold->job);
    return goes_on;
}

bool gr_holds_next(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                   struct gr_piece *pieces, struct gr_event *ret_event)
{
    for (uint32_t h = 0; h < GR_HOLDS && core->hold_count > 0; h++) {
        if (core->holds[h].job != 0 &&
            hold_next(core, hooks, at_ms, &core->holds[h], pieces, ret_event)) {
            return true;
        }
    }
    return false;
}

// --- a new hold

// Names who goes, in order of ids, as facts want them.
static void call(struct gr_core *core, const struct gr_victims *victims, enum gr_stop_why how,
                 struct gr_event *event)
{
    struct gr_edge *edges = gr_core_at(core, core->called_at);
    assert(victims->count <= GR_CALLED_MAX);
    for (uint32_t i = 0; i < victims->count; i++) {
        edges[i] = (struct gr_edge){.job = gr_job_at(core, victims->slots[i])->id, .how = how};
    }
    for (uint32_t gap = victims->count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < victims->count; i++) {
            struct gr_edge moving = edges[i];
            uint32_t at = i;
            for (; at >= gap && moving.job < edges[at - gap].job; at -= gap) {
                edges[at] = edges[at - gap];
            }
            edges[at] = moving;
        }
    }
    event->edges = edges;
    event->edge_count = victims->count;
}

struct gr_event gr_hold_fact(struct gr_core *core, int64_t at_ms, const struct gr_job *job,
                             const struct gr_victims *victims, enum gr_stop_why how,
                             const struct gr_piece *pieces)
{
    struct gr_event event = gr_decide_fact(core, at_ms, GR_ROOM_HELD);
    int64_t notice = core->queue_terms.notice_ms;
    event.held.job = job->id;
    event.held.until_ms =
        at_ms < INT64_MAX - notice - HOLD_MS ? at_ms + notice + HOLD_MS : INT64_MAX;
    event.pieces = pieces;
    event.piece_count = job->demand.tasks;
    call(core, victims, how, &event);
    return event;
}

// The variant of a set where taking room back for the taker's job loses least; GR_NONE: none.
// *ret_last: the one that was asked about last, of which `victims` tells.
static uint32_t variant_best(struct gr_taker *taker, const uint64_t variants[GR_VARIANT_WORDS],
                             struct gr_victims *victims, struct gr_piece *pieces,
                             uint64_t *ret_cost, uint32_t *ret_last)
{
    uint32_t best = NONE;
    for (uint32_t v = 0; v < taker->core->variant_count; v++) {
        if ((variants[v / 64] >> v % 64 & 1) == 0) {
            continue;
        }
        taker->variant = *ret_last = v;
        if (gr_victims_choose(taker, victims, pieces) &&
            (best == NONE || victims->cost < *ret_cost)) {
            best = v;
            *ret_cost = victims->cost;
        }
    }
    return best;
}

bool gr_reclaim_for(struct gr_core *core, int64_t at_ms, const struct gr_job *job,
                    const uint64_t variants[GR_VARIANT_WORDS], struct gr_piece *pieces,
                    struct gr_event *ret_event)
{
    struct gr_taker taker = {.core = core, .job = job, .at_ms = at_ms};
    struct gr_victims victims;
    uint32_t best = NONE, last = NONE;
    uint64_t cost = UINT64_MAX;
    struct gr_tiers tiers;
    const struct gr_need *need =
        gr_need_at(core, gr_waits_at(core, gr_core_job_slot(core, job->id))->need);
    gr_prefer_known(core, &job->demand, &tiers);
    gr_reclaim_try(core, 0);
    for (uint32_t t = 0; t < tiers.count && best == NONE; t++) { // the first choice that can be had
        uint64_t some[GR_VARIANT_WORDS];
        gr_prefer_variants(core, need, tiers.tiers[t], some);
        for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
            some[w] &= variants[w];
        }
        best = variant_best(&taker, some, &victims, pieces, &cost, &last);
    }
    taker.variant = best;
    // What fits as it is waits for another reason: nobody must go for it.
    bool found = best != NONE &&
                 (cost > 0 || gr_taker_fill(&taker, false, pieces) < job->demand.tasks) &&
                 ((best == last && cost > 0) || gr_victims_choose(&taker, &victims, pieces));
    gr_reclaim_tried(core, 0);
    if (!found) {
        return false;
    }
    *ret_event = gr_hold_fact(core, at_ms, job, &victims, GR_STOP_RECLAIM, pieces);
    return true;
}
