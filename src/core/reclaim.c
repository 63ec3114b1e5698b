// Taking room back, fact by fact: room is held for the job that has a right to it, those are asked
// to stop who make it fit there, and it starts when they have ended. Nothing is remembered between
// the facts but the hold: who is still to be asked follows from who is there.
#include "core/reclaim.h"

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

// What there is to do for one that does not start: somebody else is asked to stop, or it ends.
// False: it waits for those who were asked.
static bool hold_go_on(const struct gr_taker *taker, struct gr_piece *pieces,
                       struct gr_event *ret_event)
{
    struct gr_core *core = taker->core;
    struct gr_victims victims;
    bool fits = gr_taker_fill(taker, true, pieces) == taker->job->demand.tasks;
    if (fits && gr_taker_may(taker, 0)) {
        return false;
    }
    if (!gr_victims_choose(taker, &victims, pieces) || victims.count == 0) {
        *ret_event = freed(core, taker->at_ms, taker->job->id,
                           gr_taker_may(taker, 0) ? GR_FREED_ROOM : GR_FREED_RIGHT);
        return true;
    }
    *ret_event = gr_decide_stop(core, taker->at_ms, gr_job_at(core, victims.slots[0])->id,
                                GR_STOP_RECLAIM, SIGTERM, core->queue_terms.notice_ms);
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
    struct gr_taker taker = {core, job, at_ms, variant_of(core, hold), hold->job};
    if (hold_start(&taker, hooks, pieces, ret_event)) {
        return true;
    }
    if (at_ms >= hold->until_ms) {
        *ret_event = freed(core, at_ms, hold->job, GR_FREED_TIME);
        return true;
    }
    gr_reclaim_try(core, hold->job);
    bool goes_on = hold_go_on(&taker, pieces, ret_event);
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

bool gr_reclaim_for(struct gr_core *core, int64_t at_ms, const struct gr_job *job,
                    const uint64_t variants[GR_VARIANT_WORDS], struct gr_piece *pieces,
                    struct gr_event *ret_event)
{
    struct gr_taker taker = {.core = core, .job = job, .at_ms = at_ms};
    struct gr_victims victims;
    uint32_t best = NONE, last = NONE;
    uint64_t cost = UINT64_MAX;
    gr_reclaim_try(core, 0);
    for (uint32_t v = 0; v < core->variant_count; v++) {
        if ((variants[v / 64] >> v % 64 & 1) == 0) {
            continue;
        }
        taker.variant = last = v;
        if (gr_victims_choose(&taker, &victims, pieces)) {
            best = best == NONE || victims.cost < cost ? v : best;
            cost = best == v ? victims.cost : cost;
        }
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
    int64_t notice = core->queue_terms.notice_ms;
    *ret_event = gr_decide_fact(core, at_ms, GR_ROOM_HELD);
    ret_event->held.job = job->id;
    ret_event->held.until_ms =
        at_ms < INT64_MAX - notice - HOLD_MS ? at_ms + notice + HOLD_MS : INT64_MAX;
    ret_event->pieces = pieces;
    ret_event->piece_count = job->demand.tasks;
    return true;
}
