// Why a job is where it is: the reason, and what would start it now. See why.h.
#include "core/why.h"

#include "core/reclaim.h"
#include "core/why_parts.h"

#include <string.h>

#define NONE GR_NONE
// Looks at nodes for one answer, beyond one at each; and nodes of a pool that is looked through for
// the room that would be reserved for another.
#define VISITS 125000
#define FORESEE_NODES 4096
// A shorter time limit ends so much before it must.
#define MINUTE_MS 60000

static const struct {
    const char *name, *text;
} reasons[GR_WHY_REASONS] = {
    [GR_WHY_RUNNING] = {"running", "runs"},
    [GR_WHY_STARTING] = {"starting", "was placed and is being started"},
    [GR_WHY_STOPPING] = {"stopping", "was asked to stop"},
    [GR_WHY_AFTER] = {"after", "waits for other jobs"},
    [GR_WHY_ARRAY] = {"array", "waits for other elements of its array: as many as may run at a "
                               "time are under way"},
    [GR_WHY_TERMS] = {"terms", "against the limits of its organisation or user now"},
    [GR_WHY_QUOTA] = {"quota", "quotas leave it nothing now"},
    [GR_WHY_FREEING] = {"freeing", "room is being freed for it: others were asked to stop"},
    [GR_WHY_RESERVED] = {"reserved",
                         "room is kept for a job that comes first, and it would not end in time"},
    [GR_WHY_FRAGMENTED] = {"fragmented", "enough devices are free, but not together"},
    [GR_WHY_NO_ROOM] = {"no-room", "waits until devices, cpu or memory are free"},
    [GR_WHY_BEHIND] = {"behind", "a job that comes first has no room, and lets nobody pass"},
    [GR_WHY_TURN] = {"turn", "waits for its turn"},
};

const char *gr_why_name(enum gr_why_reason reason)
{
    assert((unsigned)reason < GR_WHY_REASONS);
    return reasons[reason].name;
}

const char *gr_why_text(enum gr_why_reason reason)
{
    assert((unsigned)reason < GR_WHY_REASONS);
    return reasons[reason].text;
}

const char *gr_why_before_name(enum gr_why_before before)
{
    static const char *const names[] = {[GR_BEFORE_OWN] = "own-quota",
                                        [GR_BEFORE_PRIORITY] = "priority",
                                        [GR_BEFORE_SHARE] = "share",
                                        [GR_BEFORE_ARRIVAL] = "arrival"};
    assert((unsigned)before < sizeof names / sizeof *names);
    return names[before];
}

const char *gr_why_change_name(uint32_t change)
{
    return change == GR_WHY_LIMIT ? "shorter-limit" : gr_change_name((enum gr_change)change);
}

const char *gr_evict_name(enum gr_evict_by by)
{
    static const char *const names[] = {[GR_EVICT_NONE] = "none",
                                        [GR_EVICT_RIGHT] = "right",
                                        [GR_EVICT_QUOTA] = "quota",
                                        [GR_EVICT_PRIORITY] = "priority"};
    assert((unsigned)by < sizeof names / sizeof *names);
    return names[by];
}

// --- what quotas leave

// The demand with a mask of what quotas leave to so much, within its own or at all. False: nothing.
// The mask may be there on trial only.
static bool demand_allowed(const struct gr_why_ask *ask, struct gr_demand *demand)
{
    struct gr_core *core = ask->core;
    uint64_t own[GR_VARIANT_WORDS], any[GR_VARIANT_WORDS];
    uint64_t milli = gr_demand_milli(demand);
    uint32_t org = ask->job->org;
    bool has_own = gr_quota_variants(core, ask->need, org, milli, true, own);
    bool has_any = gr_quota_variants(core, ask->need, org, milli, false, any);
    if (core->order != GR_ORDER_FAIR || core->quota_count == 0) {
        return true;
    }
    for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
        own[w] = (has_own ? own[w] : 0) | (has_any ? any[w] : 0);
    }
    if (!has_own && !has_any) {
        return false;
    }
    struct gr_mask mask = *gr_place_mask_get(gr_pool(core), ask->need->demand.shape.mask);
    gr_mask_keep_variants(&mask, own);
    int index = gr_place_mask_find(gr_pool(core), &mask);
    index = index >= 0 ? index : gr_place_mask_try(gr_pool(core), &mask);
    if (index >= 0) {
        demand->shape.mask = (uint16_t)index;
    }
    return index >= 0;
}

static bool terms_allow(const struct gr_why_ask *ask, uint64_t milli)
{
    return ask->core->order != GR_ORDER_FAIR ||
           gr_terms_allow(ask->core, ask->job->org, ask->job->user, milli) == GR_REFUSED_NOTHING;
}

static bool quota_allows(const struct gr_why_ask *ask, uint32_t variant, uint64_t milli)
{
    return ask->core->order != GR_ORDER_FAIR || milli == 0 ||
           gr_quota_left(ask->core, ask->job->org, variant, true) >= milli ||
           gr_quota_left(ask->core, ask->job->org, variant, false) >= milli;
}

// --- room that is kept

// Is room kept for somebody else, that a job with this time limit would still hold then?
static bool is_kept_from(const struct gr_why_ask *ask)
{
    const struct gr_reserved_room *kept = &ask->core->room_kept;
    int64_t limit = ask->job->limit_ms;
    return kept->node_count > 0 && kept->job != ask->job->id &&
           (limit == 0 || limit > kept->start_ms - ask->at_ms);
}

static uint32_t kept_up(const struct gr_core *core)
{
    uint32_t up = 0, left = core->room_kept.node_count;
    for (uint32_t n = 0; left > 0; n++) {
        if (gr_kept_at(core)[n] != 0) {
            left--;
            up += gr_place_node_get(gr_pool(core), n)->state == GR_NODE_UP;
        }
    }
    return up;
}

// Would a demand, of which so many tasks find room elsewhere, fit if nothing were kept?
static bool fits_kept(const struct gr_why_ask *ask, const struct gr_demand *demand, uint32_t tasks)
{
    const struct gr_core *core = ask->core;
    uint32_t left = core->room_kept.node_count;
    if (demand->domain_level != 0) {
        return gr_place_room_tasks(gr_pool(core), demand) == demand->tasks;
    }
    for (uint32_t n = 0; left > 0 && tasks < demand->tasks; n++) {
        if (gr_kept_at(core)[n] != 0) {
            left--;
            tasks += gr_place_node_tasks(gr_pool(core), n, demand);
        }
    }
    return tasks >= demand->tasks;
}

// Takes nodes of pieces out of bounds that are up, or those back.
static void pieces_hide(const struct gr_why_ask *ask, uint32_t count, bool hidden)
{
    struct gr_place *place = gr_pool(ask->core);
    for (uint32_t i = 0; i < count; i++) {
        struct gr_piece *piece = &ask->pieces[i];
        if (hidden) {
            bool up = gr_place_node_get(place, piece->node)->state == GR_NODE_UP;
            piece->milli = up; // only those are to come back
            if (up) {
                gr_place_node_set_state(place, piece->node, GR_NODE_DRAINED);
            }
        } else if (piece->milli != 0) {
            gr_place_node_set_state(place, piece->node, GR_NODE_UP);
        }
    }
}

// --- changes

static void change_add(struct gr_why *why, struct gr_why_change change)
{
    if (why->change_count < sizeof why->changes / sizeof *why->changes) {
        why->changes[why->change_count++] = change;
    }
}

// Takes over what placement suggests and quotas and limits allow. `hides`: nodes are out of bounds
// that may be up, so that it is not known which would have to come back.
static void changes_take(const struct gr_why_ask *ask, const struct gr_explanation *room,
                         const struct gr_demand *demand, bool hides)
{
    for (uint32_t i = 0; i < room->suggestion_count; i++) {
        const struct gr_suggestion *from = &room->suggestions[i];
        struct gr_why_change change = {
            .change = from->change, .from = from->from, .to = from->to, .variant = NONE};
        if (from->change == GR_CHANGE_STATE && hides) {
            continue;
        }
        if (from->change == GR_CHANGE_KIND) {
            const struct gr_node *node = gr_place_node_get(gr_pool(ask->core), from->node);
            change.site = node->site;
            change.variant = node->variant;
            if (!quota_allows(ask, node->variant, gr_demand_milli(demand))) {
                continue;
            }
        }
        change_add(ask->why, change);
    }
}

// Does a demand find room within its quotas?
static bool would_fit(const struct gr_why_ask *ask, const struct gr_demand *demand)
{
    struct gr_demand allowed = *demand;
    return terms_allow(ask, gr_demand_milli(demand)) && demand_allowed(ask, &allowed) &&
           gr_place_room_tasks(gr_pool(ask->core), &allowed) == allowed.tasks;
}

// What a limit or a quota leaves: fewer tasks, or fewer devices a task.
static void changes_bound(const struct gr_why_ask *ask)
{
    const struct gr_demand *demand = &ask->job->demand;
    uint64_t left = gr_why_bound_left(ask);
    uint64_t milli = gr_demand_milli(demand);
    uint32_t block = demand->domain_tasks != 0 ? demand->domain_tasks : 1;
    struct gr_demand other = *demand;
    if (milli == 0 || left >= milli) {
        return;
    }
    other.tasks = (uint32_t)(left / (milli / demand->tasks)) / block * block;
    if (other.tasks > 0 && other.tasks < demand->tasks && would_fit(ask, &other)) {
        change_add(ask->why, (struct gr_why_change){.change = GR_CHANGE_TASKS,
                                                    .from = demand->tasks,
                                                    .to = other.tasks,
                                                    .variant = NONE});
    }
    other = *demand;
    other.shape.devices = (uint8_t)(left / demand->tasks / demand->shape.milli);
    if (demand->shape.devices > 1 && other.shape.devices > 0 && would_fit(ask, &other)) {
        change_add(ask->why, (struct gr_why_change){.change = GR_CHANGE_DEVICES,
                                                    .from = demand->shape.devices,
                                                    .to = other.shape.devices,
                                                    .variant = NONE});
    }
}

// A limit with which it ends before the kept room is needed.
static void change_limit(const struct gr_why_ask *ask)
{
    int64_t until = ask->core->room_kept.start_ms - ask->at_ms;
    int64_t to = until / MINUTE_MS * MINUTE_MS;
    if (to > 0) {
        change_add(ask->why, (struct gr_why_change){.change = GR_WHY_LIMIT,
                                                    .from = ask->job->limit_ms,
                                                    .to = to,
                                                    .variant = NONE});
    }
}

// May a changed job, which comes last of its like, start past those before it?
static bool may_pass(const struct gr_why_ask *ask)
{
    const struct gr_core *core = ask->core;
    return core->order == GR_ORDER_FAIR || core->waiting == 1 ||
           (core->order == GR_ORDER_BACKFILL && core->room_kept.job != 0 &&
            core->room_kept.job != ask->job->id);
}

// Would others start where room is kept, if it were not? Needs tell: they found room, but none
// beside it.
static bool has_kept_out(const struct gr_core *core)
{
    const uint64_t *awake = gr_bits_at(core, core->awake_at);
    const uint64_t *beside = gr_bits_at(core, core->beside_at);
    for (uint32_t w = 0; w < core->need_words; w++) {
        if ((awake[w] & ~beside[w]) != 0) {
            return true;
        }
    }
    return false;
}

// What would start it beside the room that is kept for this job itself: with the job it goes to
// others.
static void changes_beside(const struct gr_why_ask *ask, const struct gr_demand *demand)
{
    struct gr_explanation room;
    gr_reserve_hide(ask->core, true);
    gr_place_explain_within(gr_pool(ask->core), demand, VISITS, &room);
    gr_reserve_hide(ask->core, false);
    changes_take(ask, &room, demand, true);
}

// What would start it if another got room reserved first: once this job is gone, or a changed one
// passes it.
static void changes_foresee(const struct gr_why_ask *ask, const struct gr_demand *demand,
                            const struct gr_job *job)
{
    struct gr_core *core = ask->core;
    struct gr_explanation room;
    int64_t start_ms;
    if (!gr_ready_find(core, ask->at_ms, job, ask->pieces, &start_ms)) {
        changes_take(ask, &ask->why->room, demand, is_kept_from(ask));
        return;
    }
    uint32_t tasks = job->demand.tasks;
    bool in_time = ask->job->limit_ms > 0 && ask->job->limit_ms <= start_ms - ask->at_ms;
    bool hides = is_kept_from(ask); // until then
    if (hides) {
        gr_reserve_hide(core, true);
    }
    if (!in_time) {
        pieces_hide(ask, tasks, true);
    }
    gr_place_explain_within(gr_pool(core), demand, VISITS, &room);
    if (!in_time) {
        pieces_hide(ask, tasks, false);
    }
    if (hides) {
        gr_reserve_hide(core, false);
    }
    changes_take(ask, &room, demand, hides || !in_time);
}

// The job for which room will be reserved before a changed one starts, as fair.c does it; NULL:
// what is reserved stays as it is.
static const struct gr_job *next_reserved(const struct gr_why_ask *ask,
                                          const struct gr_why_line *line)
{
    const struct gr_core *core = ask->core;
    const struct gr_reserved_room *kept = &core->room_kept;
    const struct gr_job *first = line->first == NONE ? NULL : gr_job_at(core, line->first);
    if (core->order != GR_ORDER_FAIR || first == NULL || kept->job == 0 ||
        kept->job == ask->job->id) {
        return core->order == GR_ORDER_FAIR ? first : NULL;
    }
    const struct gr_job *job = gr_core_job_find(core, kept->job);
    return first->demand.priority > job->demand.priority ? first
           : kept->start_ms <= ask->at_ms                ? job
                                                         : NULL;
}

// --- room

// How much room there is, why it is not enough, and what would be.
static void room_judge(const struct gr_why_ask *ask, const struct gr_why_line *line)
{
    struct gr_core *core = ask->core;
    struct gr_why *why = ask->why;
    struct gr_demand demand = ask->job->demand;
    uint64_t milli = gr_demand_milli(&demand);
    bool terms_good = terms_allow(ask, milli);
    bool quota_good = demand_allowed(ask, &demand);
    bool hides = is_kept_from(ask);
    bool pass = may_pass(ask);
    if (hides) {
        why->kept_nodes = kept_up(core);
        why->kept_job = core->room_kept.job;
        why->kept_ms = core->room_kept.start_ms;
        gr_reserve_hide(core, true);
    }
    gr_place_explain_within(gr_pool(core), &demand, VISITS, &why->room);
    bool bound = !terms_good || !quota_good;
    if (bound && pass) {
        changes_bound(ask);
    }
    if (hides) {
        gr_reserve_hide(core, false);
    }
    bool fits = why->room.fits;
    bool beyond = !fits && hides && fits_kept(ask, &demand, why->room.tasks_fit);
    why->reason =
        !terms_good   ? GR_WHY_TERMS
        : !quota_good ? GR_WHY_QUOTA
        : beyond      ? GR_WHY_RESERVED
        : fits ? (core->order != GR_ORDER_FAIR && why->position > 1 ? GR_WHY_BEHIND : GR_WHY_TURN)
        : milli > 0 && why->room.free_milli >= milli && why->room.lost[GR_FILTER_DEVICES] > 0
            ? GR_WHY_FRAGMENTED
            : GR_WHY_NO_ROOM;
    if (bound) {
        gr_why_bound_find(ask);
        return;
    }
    if (fits || !pass) {
        return;
    }
    const struct gr_job *next = next_reserved(ask, line);
    bool stays = core->room_kept.job != 0 && core->room_kept.job != ask->job->id;
    if (beyond && next == NULL) {
        change_limit(ask);
    }
    bool own_kept = core->room_kept.job == ask->job->id && core->room_kept.node_count > 0;
    if (core->order == GR_ORDER_FAIR && own_kept && has_kept_out(core)) {
        changes_beside(ask, &demand);
    } else if (next != NULL && stays && has_kept_out(core)) {
        return; // room that is kept is about to be kept elsewhere, and others go there first
    } else if (next == NULL || gr_place_node_count(gr_pool(core)) > FORESEE_NODES) {
        changes_take(ask, &why->room, &demand, hides);
    } else {
        changes_foresee(ask, &demand, next);
    }
}

static void room_find(const struct gr_why_ask *ask, const struct gr_why_line *line)
{
    const struct gr_hold *hold = gr_hold_find(ask->core, ask->job->id);
    if (hold == NULL) { // what is held is for others
        gr_holds_hide(ask->core, true);
        room_judge(ask, line);
        gr_holds_hide(ask->core, false);
        return;
    }
    room_judge(ask, line);
    ask->why->reason = GR_WHY_FREEING;
    ask->why->change_count = 0;
    ask->why->kept_ms = hold->until_ms;
}

static void held_find(const struct gr_why_ask *ask)
{
    struct gr_job_more more;
    gr_core_job_more(ask->core, ask->job->id, &more);
    ask->why->edges = more.edge_count;
    ask->why->reason = more.edge_count > 0 ? GR_WHY_AFTER : GR_WHY_ARRAY;
}

void gr_core_why(struct gr_core *core, int64_t at_ms, uint64_t job, struct gr_piece *pieces,
                 struct gr_why *ret_why)
{
    assert(core != NULL && pieces != NULL && ret_why != NULL);
    uint32_t slot = gr_core_job_slot(core, job);
    assert(slot != NONE);
    const struct gr_job *row = gr_job_at(core, slot);
    struct gr_why_ask ask = {.core = core,
                             .job = row,
                             .need = gr_need_at(core, gr_waits_at(core, slot)->need),
                             .slot = slot,
                             .at_ms = at_ms,
                             .pieces = pieces,
                             .why = ret_why};
    memset(ret_why, 0, sizeof *ret_why);
    ret_why->waiting = core->waiting;
    if (row->state == GR_JOB_HELD) {
        held_find(&ask);
    } else if (row->state == GR_JOB_RUNNING) {
        ret_why->reason = row->stop_why != GR_STOP_NOT ? GR_WHY_STOPPING
                          : row->began_ms == 0         ? GR_WHY_STARTING
                                                       : GR_WHY_RUNNING;
    } else {
        struct gr_why_line line = gr_why_line_count(&ask);
        room_find(&ask, &line);
        gr_why_evict(&ask);
        gr_why_when(&ask, line.work);
    }
}
