// What to do next: turns requests and the state into facts. Changes nothing that is state; the
// pool's pieces that it tries out are given back before it returns.
#include "core/part.h"
#include "core/prefer.h"
#include "core/queue.h"
#include "core/reclaim.h"
#include "core/state.h"
#include "core/window_parts.h"

#include <string.h>

#define NONE UINT32_MAX

struct gr_event gr_decide_fact(const struct gr_core *core, int64_t at_ms, enum gr_event_type type)
{
    assert(core != NULL);
    struct gr_event event;
    memset(&event, 0, sizeof event); // padding too: facts are compared as bytes in tests
    event.sequence = core->sequence + 1;
    event.at_ms = at_ms;
    event.since_ms = at_ms;
    event.epoch = core->epoch + (type == GR_EPOCH_BEGUN);
    event.type = (uint16_t)type;
    event.version = gr_event_version(type);
    return event;
}

static uint32_t demand_hash(const struct gr_demand *demand)
{
    uint32_t words[sizeof *demand / sizeof(uint32_t)];
    memcpy(words, demand, sizeof words);
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        h = (h ^ words[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return (uint32_t)(h >> 32) % GR_HOPELESS;
}

// --- submissions

// Would all tasks of the demand, one tier after the other, fit the fleet if it were empty?
static bool tiers_fit(struct gr_core *core, const struct gr_demand *demand)
{
    struct gr_tiers tiers;
    struct gr_demand part = *demand;
    bool fits = false;
    gr_prefer_known(core, demand, &tiers);
    for (uint32_t t = 0; t < tiers.count && !fits; t++) {
        part.shape.mask = tiers.masks[t];
        fits = gr_place_fleet_tasks(gr_pool(core), &part) == demand->tasks;
    }
    return fits;
}

// As tiers_fit, found out once for each demand and fleet.
static bool fleet_fits(struct gr_core *core, const struct gr_demand *demand)
{
    uint64_t fleet = (uint64_t)gr_place_node_count(gr_pool(core)) + 1;
    struct gr_fleet_fit *known = &core->fleet_fit[demand_hash(demand)];
    if (known->fleet != fleet || memcmp(&known->demand, demand, sizeof *demand) != 0) {
        known->fleet = fleet;
        known->demand = *demand;
        known->fits = tiers_fit(core, demand);
    }
    return known->fits;
}

// True if a site and a variant of the pool are in the mask.
static bool mask_anywhere(const struct gr_core *core, const struct gr_mask *mask)
{
    for (unsigned s = 0; s < core->site_count; s++) {
        for (unsigned v = 0; v < core->variant_count; v++) {
            if (gr_mask_has(mask, s, v)) {
                return true;
            }
        }
    }
    return false;
}

// Is the row of a submission's preference known, and a mask for each of its tiers? If not: the fact
// that is missing first, which borrows from the core.
static enum gr_refusal preference_find(struct gr_core *core, int64_t at_ms,
                                       struct gr_submission *submission, bool new_mask,
                                       struct gr_event *ret_event, bool *ret_missing)
{
    struct gr_tiers tiers;
    uint32_t row = gr_prefer_row(core, &submission->preference);
    int tier = gr_prefer_mask_tiers(core, &submission->preference, &submission->mask, &tiers,
                                    &core->narrowed);
    bool full = gr_place_mask_count(gr_pool(core)) == core->limits.place.masks;
    *ret_missing = row == GR_NONE || new_mask || tier >= 0;
    if (row == GR_NONE) {
        row = gr_prefer_free(core);
        *ret_event = gr_decide_fact(core, at_ms, GR_PREFERENCE_SET);
        ret_event->preference_set.row = row;
        ret_event->preference_set.preference = submission->preference;
    } else {
        *ret_event = gr_decide_fact(core, at_ms, GR_MASK_ADDED);
        ret_event->mask = new_mask ? &submission->mask : &core->narrowed;
        submission->demand.preference = (uint8_t)(row + 1);
    }
    return row == GR_NONE || (full && (new_mask || tier >= 0)) ? GR_REFUSED_LIMIT_OTHER
                                                               : GR_REFUSED_NOTHING;
}

// What stands against a submission, but for admit. Narrows its mask and sets the demand's; true in
// `ret_new_mask` if no job asked for this mask before, in `ret_missing` if another fact must come
// first, for the sake of its preference.
static enum gr_refusal submission_check(struct gr_core *core, const struct gr_hooks *hooks,
                                        int64_t at_ms, struct gr_submission *submission,
                                        bool *ret_new_mask, bool *ret_missing,
                                        struct gr_event *ret_event)
{
    struct gr_demand *demand = &submission->demand;
    bool prefers = gr_preference_tiers(&submission->preference) > 0;
    uint64_t named[GR_VARIANT_WORDS];
    demand->shape.mask = 0;
    demand->preference = 0;
    *ret_missing = false;
    if (gr_demand_wrong(demand) != NULL || submission->limit_ms < 0 ||
        (prefers && !gr_preference_good(&submission->preference))) {
        return GR_REFUSED_FIELD;
    }
    if (submission->org >= core->org_count) {
        return GR_REFUSED_ORG;
    }
    if (!gr_terms_priority(core, submission->org, demand->priority)) {
        return GR_REFUSED_PRIORITY;
    }
    if (hooks != NULL && hooks->allow != NULL) {
        hooks->allow(hooks->context, core, submission->org, demand, &submission->mask);
    }
    if (prefers) {
        gr_preference_variants(&submission->preference, 0, named);
        gr_mask_keep_variants(&submission->mask, named);
    }
    if (!mask_anywhere(core, &submission->mask)) {
        return GR_REFUSED_NOWHERE;
    }
    int mask = gr_place_mask_find(gr_pool(core), &submission->mask);
    *ret_new_mask = mask < 0;
    if (mask < 0) {
        mask = gr_place_mask_try(gr_pool(core), &submission->mask);
    }
    if (mask < 0) {
        return GR_REFUSED_LIMIT_OTHER;
    }
    demand->shape.mask = (uint16_t)mask;
    if (prefers) {
        enum gr_refusal refusal =
            preference_find(core, at_ms, submission, *ret_new_mask, ret_event, ret_missing);
        if (refusal != GR_REFUSED_NOTHING) {
            return refusal;
        }
    }
    bool fits = *ret_new_mask || *ret_missing // nothing is remembered of what may never be added
                    ? gr_core_submission_fleet(core, submission) == demand->tasks
                    : fleet_fits(core, demand);
    return fits ? GR_REFUSED_NOTHING : GR_REFUSED_NEVER;
}

// The fact of a submission that nothing stands against yet. `new_mask`: another fact comes first.
static struct gr_event submission_fact(const struct gr_core *core, int64_t at_ms,
                                       const struct gr_submission *submission, bool new_mask)
{
    struct gr_event event = gr_decide_fact(core, at_ms, GR_JOB_SUBMITTED);
    event.sequence += new_mask;
    event.submitted.tag = submission->tag;
    event.submitted.limit_ms = submission->limit_ms;
    event.submitted.demand = submission->demand;
    event.submitted.org = submission->org;
    event.submitted.user = submission->user;
    event.submitted.attempts = submission->attempts == 0 ? 1 : submission->attempts;
    event.submitted.requeue_on = submission->requeue_on;
    event.submitted.array = submission->array;
    if (submission->array.count > 0 && submission->array.array == 0) {
        event.submitted.array.array = event.sequence;
    }
    memcpy(event.submitted.commitment, submission->commitment, sizeof event.submitted.commitment);
    event.edges = submission->edges;
    event.edge_count = submission->edge_count;
    return event;
}

enum gr_refusal gr_decide_submit(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                                 struct gr_submission *submission, struct gr_event ret_events[2],
                                 unsigned *ret_count)
{
    assert(core != NULL && submission != NULL && ret_events != NULL && ret_count != NULL);
    bool new_mask, missing;
    struct gr_event before;
    enum gr_refusal refusal =
        submission_check(core, hooks, at_ms, submission, &new_mask, &missing, &before);
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    if (missing) { // nothing is added for a submission that is refused for something else
        submission->demand.preference = 0;
    }
    struct gr_event event = submission_fact(core, at_ms, submission, new_mask);
    refusal = gr_check_submitted(core, &event, new_mask);
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    if (hooks != NULL && hooks->admit != NULL) {
        refusal = hooks->admit(hooks->context, core, &event);
    }
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    unsigned count = 0;
    if (missing) {
        ret_events[0] = before;
        *ret_count = 1;
        return GR_REFUSED_NOTHING;
    }
    if (new_mask) {
        ret_events[count] = gr_decide_fact(core, at_ms, GR_MASK_ADDED);
        ret_events[count++].mask = &submission->mask;
    }
    ret_events[count++] = event;
    *ret_count = count;
    return GR_REFUSED_NOTHING;
}

// --- starts

// Where the answer to a question is kept while it is no.
static struct gr_hopeless *hopeless_at(struct gr_core *core, const struct gr_demand *demand,
                                       bool hidden)
{
    return &core->hopeless[(demand_hash(demand) + hidden) % GR_HOPELESS];
}

// True if the demand found no room since room last grew.
static bool is_hopeless(struct gr_core *core, const struct gr_demand *demand, bool hidden)
{
    const struct gr_hopeless *known = hopeless_at(core, demand, hidden);
    return known->room == core->room && known->hidden == hidden &&
           memcmp(&known->demand, demand, sizeof *demand) == 0;
}

// Finds pieces for a job where windows let it, kind by kind.
static bool windows_room(struct gr_core *core, const struct gr_job *job,
                         const struct gr_window_view *view, struct gr_piece *pieces)
{
    struct gr_tiers tiers;
    struct gr_demand part = job->demand;
    uint64_t salt = job->id * 65536;
    bool found = false;
    gr_prefer_known(core, &job->demand, &tiers);
    for (uint32_t t = 0; t < tiers.count && !found; t++) {
        part.shape.mask = tiers.masks[t];
        found = gr_window_room_inside(core, view, &part, salt, pieces) ||
                gr_window_room_outside(core, view, &part, salt, pieces);
    }
    return found;
}

// Finds pieces for a job now. `hidden`: nodes of the reserved room are out of bounds at present.
static bool find_room(struct gr_core *core, const struct gr_job *job, int64_t at_ms, bool hidden,
                      struct gr_piece *pieces)
{
    struct gr_window_view view;
    struct gr_place *place = gr_pool(core);
    uint64_t salt = job->id * 65536;
    if (is_hopeless(core, &job->demand, hidden)) {
        return false;
    }
    if (gr_prefer_find(core, &job->demand, salt, pieces)) {
        if (core->window_count == 0) {
            return true;
        }
        gr_window_look(core, job->org, job->user, job->limit_ms, at_ms, &view);
        return (!view.is_mine && !gr_window_touches(core, pieces, job->demand.tasks)) ||
               windows_room(core, job, &view, pieces);
    }
    if (!gr_place_draws(place)) { // each draw is another question
        *hopeless_at(core, &job->demand, hidden) =
            (struct gr_hopeless){.demand = job->demand, .hidden = hidden, .room = core->room};
    }
    return false;
}

enum gr_refusal gr_start_fact(const struct gr_core *core, const struct gr_hooks *hooks,
                              int64_t at_ms, const struct gr_job *job,
                              const struct gr_piece *pieces, struct gr_event *ret_event)
{
    struct gr_event event = gr_decide_fact(core, at_ms, GR_JOB_PLACED);
    event.placed.job = job->id;
    event.placed.attempt = job->attempt + 1u;
    event.pieces = pieces;
    event.piece_count = job->demand.tasks;
    if (job->demand.tasks > 1 && core->limits.pieces - core->more_used < job->demand.tasks - 1) {
        return GR_REFUSED_LIMIT_PIECES;
    }
    enum gr_refusal refusal = hooks != NULL && hooks->admit != NULL
                                  ? hooks->admit(hooks->context, core, &event)
                                  : GR_REFUSED_NOTHING;
    if (refusal == GR_REFUSED_NOTHING) {
        *ret_event = event;
    }
    return refusal;
}

enum gr_refusal gr_decide_start_job(struct gr_core *core, const struct gr_hooks *hooks,
                                    int64_t at_ms, uint64_t job, struct gr_piece *pieces,
                                    struct gr_event *ret_event)
{
    assert(core != NULL && pieces != NULL && ret_event != NULL);
    const struct gr_job *row = gr_core_job_find(core, job);
    if (row == NULL) {
        return GR_REFUSED_JOB;
    }
    if (row->state != GR_JOB_WAITING) {
        return GR_REFUSED_STATE;
    }
    gr_holds_hide(core, true);
    bool found = find_room(core, row, at_ms, false, pieces);
    gr_holds_hide(core, false);
    if (!found) {
        return GR_REFUSED_NO_ROOM;
    }
    return gr_start_fact(core, hooks, at_ms, row, pieces, ret_event);
}

// --- backfill

// The last waiting job that was tried in vain and need not be tried again: starts since then only
// took room, and time only makes a job end later. With lots or somebody to ask nothing is known.
static uint32_t tried_get(const struct gr_core *core, const struct gr_hooks *hooks, uint32_t first)
{
    bool known = core->tried != NONE && core->tried_room == core->room &&
                 core->tried_first == gr_job_at(core, first)->id;
    return known && !gr_place_draws(gr_pool(core)) && (hooks == NULL || hooks->admit == NULL)
               ? core->tried
               : first;
}

// Tries the jobs behind the first: those that end before the reserved start may go anywhere, the
// others only beside the reserved nodes.
static bool backfill(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                     uint32_t first, struct gr_piece *pieces, struct gr_event *ret_event)
{
    bool hidden = false;
    bool found = false;
    uint32_t last = tried_get(core, hooks, first);
    for (uint32_t s = gr_jobs_after(core, last); s != NONE; s = gr_jobs_after(core, s)) {
        const struct gr_job *job = gr_job_at(core, s);
        int64_t end = job->limit_ms == 0 || job->limit_ms > INT64_MAX - at_ms
                          ? INT64_MAX
                          : at_ms + job->limit_ms;
        bool must_hide = core->room_kept.node_count > 0 && end > core->room_kept.start_ms;
        if (!is_hopeless(core, &job->demand, must_hide)) {
            if (must_hide != hidden) {
                gr_reserve_hide(core, must_hide);
                hidden = must_hide;
            }
            found = find_room(core, job, at_ms, hidden, pieces);
        }
        if (found && hidden) { // admit sees the pool as it is
            gr_reserve_hide(core, false);
            hidden = false;
        }
        found = found &&
                gr_start_fact(core, hooks, at_ms, job, pieces, ret_event) == GR_REFUSED_NOTHING;
        if (found) {
            break;
        }
        last = s;
    }
    if (hidden) {
        gr_reserve_hide(core, false);
    }
    core->tried = last;
    core->tried_room = core->room;
    core->tried_first = gr_job_at(core, first)->id;
    return found;
}

bool gr_decide_start(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                     struct gr_piece *pieces, struct gr_event *ret_event)
{
    assert(core != NULL && pieces != NULL && ret_event != NULL);
    if (gr_windows_next(core, at_ms, ret_event)) {
        return true;
    }
    uint32_t first = gr_jobs_first(core);
    if (core->part_count > 0 && gr_part_next(core, hooks, at_ms, pieces, ret_event)) {
        return true; // what runs is made whole before anything begins
    }
    if (first == NONE && core->hold_count == 0) {
        return false;
    }
    if (core->order == GR_ORDER_FAIR || first == NONE) {
        return gr_fair_start(core, hooks, at_ms, pieces, ret_event);
    }
    const struct gr_job *job = gr_job_at(core, first);
    if (find_room(core, job, at_ms, false, pieces) &&
        gr_start_fact(core, hooks, at_ms, job, pieces, ret_event) == GR_REFUSED_NOTHING) {
        return true;
    }
    if (core->order == GR_ORDER_FIFO) {
        return false;
    }
    if (gr_jobs_after(core, first) == NONE) {
        return false; // nobody to keep the room from
    }
    if (core->room_kept.job != job->id || core->room_kept.start_ms <= at_ms) {
        *ret_event = gr_reserve(core, at_ms, job, pieces);
        return true;
    }
    return backfill(core, hooks, at_ms, first, pieces, ret_event);
}
