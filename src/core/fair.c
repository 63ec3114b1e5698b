// Who comes first, where quotas, shares and time limits count: GR_ORDER_FAIR. See queue.h and
// docs/design/queue.md. Changes nothing that is state.
//
// In order: who stays within its own quota before who borrows; by priority; by shares; by arrival.
// Of that order only lanes whose need is awake are looked at. The first job that finds no room has
// room reserved for it; who comes after it may start where that does not delay it.
#include "core/queue.h"

#include <string.h>

#define NONE GR_NONE
// A reservation that found no time is not tried again for so long; one whose time has passed, so
// long.
#define UNRESERVABLE_MS 60000
#define OVERDUE_MS 1000

// A job whose turn it may be.
struct turn {
    uint32_t slot, queue, need;
    bool own;                            // within its own quota
    uint64_t variants[GR_VARIANT_WORDS]; // where its quotas leave it enough
};

// What a search asks.
struct search {
    int64_t at_ms;
    bool own;           // only what stays within its own quota
    bool asleep;        // needs that sleep, too
    bool past_reserved; // what is reserved does not count
};

// --- who may

// The variants, of those a need names, of which its organisation may hold as much more as all its
// tasks take. False if there are none.
static bool variants_left(const struct gr_core *core, const struct gr_need *need, uint32_t org,
                          bool own, uint64_t ret_variants[GR_VARIANT_WORDS])
{
    uint64_t milli = gr_demand_milli(&need->demand);
    bool any = false;
    memcpy(ret_variants, need->variants, sizeof need->variants);
    if (milli == 0 || core->quota_count == 0) {
        return true;
    }
    for (unsigned v = 0; v < core->variant_count; v++) {
        uint64_t bit = UINT64_C(1) << v % 64;
        if ((ret_variants[v / 64] & bit) != 0) {
            bool left = gr_quota_left(core, org, v, own) >= milli;
            ret_variants[v / 64] &= left ? UINT64_MAX : ~bit;
            any = any || left;
        }
    }
    return any;
}

// Time until the reserved room is needed.
static int64_t until_reserved(const struct gr_core *core, int64_t at_ms)
{
    return core->room_kept.start_ms == INT64_MAX ? INT64_MAX : core->room_kept.start_ms - at_ms;
}

// Does a job end before the reserved room is needed?
static bool ends_in_time(const struct gr_core *core, const struct gr_job *job, int64_t at_ms)
{
    return job->limit_ms > 0 && job->limit_ms <= until_reserved(core, at_ms);
}

// The first job of a lane that may start though its need finds room only where it is reserved:
// that for which it is, or one that ends in time. NONE, and then it is known how short none is.
static uint32_t in_time_find(struct gr_core *core, uint32_t lane, int64_t at_ms)
{
    struct gr_lane *row = gr_lane_at(core, lane);
    uint32_t kept = gr_core_job_slot(core, core->room_kept.job);
    if (kept != NONE && gr_waits_at(core, kept)->lane == lane) {
        return kept;
    }
    if (row->shortest_ms > until_reserved(core, at_ms)) {
        return NONE;
    }
    int64_t shortest = INT64_MAX;
    for (uint32_t s = row->first; s != NONE; s = gr_waits_at(core, s)->next) {
        const struct gr_job *job = gr_job_at(core, s);
        if (ends_in_time(core, job, at_ms)) {
            return s;
        }
        shortest = job->limit_ms > 0 && job->limit_ms < shortest ? job->limit_ms : shortest;
    }
    row->shortest_ms = shortest;
    return NONE;
}

// The job of a lane whose turn it may be; NONE: there is none.
static uint32_t lane_turn(struct gr_core *core, const struct search *search, uint32_t lane)
{
    const struct gr_lane *row = gr_lane_at(core, lane);
    bool beside = (gr_bits_at(core, core->beside_at)[row->need / 64] >> row->need % 64 & 1) != 0;
    return search->past_reserved || beside || core->room_kept.job == 0
               ? row->first
               : in_time_find(core, lane, search->at_ms);
}

static bool queue_may(const struct gr_core *core, const struct search *search, uint32_t queue,
                      uint32_t row, uint64_t ret_variants[GR_VARIANT_WORDS])
{
    const struct gr_need *need = gr_need_at(core, row);
    const struct gr_queue *of = gr_queue_at(core, queue);
    return gr_terms_allow(core, of->org, of->user, gr_demand_milli(&need->demand)) ==
               GR_REFUSED_NOTHING &&
           variants_left(core, need, of->org, search->own, ret_variants);
}

// The oldest job of a queue, of this priority, that may have its turn.
static bool queue_turn(struct gr_core *core, const struct search *search, unsigned priority,
                       uint32_t queue, struct turn *ret_turn)
{
    const uint64_t *mine = gr_queue_bits(core, queue);
    const uint64_t *of_priority = gr_priority_bits(core, priority);
    const uint64_t *awake = gr_bits_at(core, core->awake_at);
    uint64_t best = UINT64_MAX;
    for (uint32_t w = 0; w < core->need_words; w++) {
        uint64_t bits = mine[w] & of_priority[w] & (search->asleep ? UINT64_MAX : awake[w]);
        for (; bits != 0; bits &= bits - 1) {
            uint32_t need = w * 64 + (uint32_t)__builtin_ctzll(bits);
            uint32_t lane = gr_lane_find(core, queue, need);
            uint64_t variants[GR_VARIANT_WORDS];
            if (gr_job_at(core, gr_lane_at(core, lane)->first)->id >= best ||
                (!search->asleep &&
                 gr_lane_at(core, lane)->passed_over[search->own] == core->sequence)) {
                continue;
            }
            uint32_t slot = lane_turn(core, search, lane);
            if (slot != NONE && gr_job_at(core, slot)->id < best &&
                queue_may(core, search, queue, need, variants)) {
                best = gr_job_at(core, slot)->id;
                *ret_turn =
                    (struct turn){.slot = slot, .queue = queue, .need = need, .own = search->own};
                memcpy(ret_turn->variants, variants, sizeof variants);
            }
        }
    }
    return best != UINT64_MAX;
}

// Is there anything to look at of this priority?
static bool priority_has(const struct gr_core *core, const struct search *search, unsigned priority)
{
    const uint64_t *of_priority = gr_priority_bits(core, priority);
    const uint64_t *awake = gr_bits_at(core, core->awake_at);
    if ((core->needs_filled[priority / 64] >> priority % 64 & 1) == 0) {
        return false;
    }
    for (uint32_t w = 0; w < core->need_words; w++) {
        if ((of_priority[w] & (search->asleep ? UINT64_MAX : awake[w])) != 0) {
            return true;
        }
    }
    return false;
}

static bool search_run(struct gr_core *core, const struct search *search, struct turn *ret_turn)
{
    for (unsigned p = 256; p-- > 0;) {
        if (!priority_has(core, search, p)) {
            continue;
        }
        for (uint32_t q = gr_shares_first(core); q != NONE; q = gr_shares_next(core, q)) {
            if (queue_turn(core, search, p, q, ret_turn)) {
                return true;
            }
        }
    }
    return false;
}

// The first in order: who stays within its own quota, then anybody.
static bool first_find(struct gr_core *core, const struct search *search, struct turn *ret_turn)
{
    struct search own = *search;
    own.own = true;
    return (core->quota_count > 0 && search_run(core, &own, ret_turn)) ||
           search_run(core, search, ret_turn);
}

// --- where to

// The demand with a mask of only those variants that are left to it. True if it is the job's own.
// False: *ret_index is the mask's, or -1 if it is not known; core->narrowed holds it.
static bool is_whole(struct gr_core *core, const struct turn *turn, int *ret_index)
{
    const struct gr_need *need = gr_need_at(core, turn->need);
    if (memcmp(turn->variants, need->variants, sizeof turn->variants) == 0) {
        return true;
    }
    uint64_t variants[GR_VARIANT_WORDS]; // of those that there are: fewer masks are made
    for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
        unsigned count = core->variant_count > w * 64 ? core->variant_count - w * 64 : 0;
        variants[w] = turn->variants[w] & (count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1);
    }
    core->narrowed = *gr_place_mask_get(gr_pool(core), need->demand.shape.mask);
    gr_mask_keep_variants(&core->narrowed, variants);
    *ret_index = gr_place_mask_find(gr_pool(core), &core->narrowed);
    return false;
}

static bool touches_reserved(const struct gr_core *core, const struct gr_piece *pieces,
                             uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (gr_kept_at(core)[pieces[i].node] != 0) {
            return true;
        }
    }
    return false;
}

// Finds room for the demand of a turn, with what is reserved out of bounds if it must be. False,
// and what is known from it is kept: the need sleeps, or the lane is passed over.
static bool room_find(struct gr_core *core, const struct turn *turn, const struct gr_demand *demand,
                      bool whole, int64_t at_ms, struct gr_piece *pieces)
{
    struct gr_place *place = gr_pool(core);
    const struct gr_job *job = gr_job_at(core, turn->slot);
    uint64_t salt = job->id * 65536;
    uint32_t placed = 0;
    bool draws = gr_place_draws(place);
    uint32_t nodes[GR_QUEUE_FREED];
    uint32_t count = demand->tasks == 1 && !draws ? gr_queue_freed(core, turn->need, nodes) : NONE;
    bool found = count != NONE ? gr_place_find_among(place, nodes, count, demand, pieces)
                               : gr_place_find_most(place, demand, salt, pieces, &placed);
    if (!found) {
        uint32_t missing = placed > 0 && !draws ? demand->tasks - placed : 0;
        if (whole) {
            gr_queue_sleep(core, turn->need, missing);
        }
        return false;
    }
    bool must_hide = core->room_kept.node_count > 0 && core->room_kept.job != job->id &&
                     !ends_in_time(core, job, at_ms);
    if (must_hide && touches_reserved(core, pieces, demand->tasks)) {
        gr_reserve_hide(core, true);
        found = gr_place_find_most(place, demand, salt, pieces, &placed);
        gr_reserve_hide(core, false);
        if (!found && whole) {
            gr_queue_sleep_beside(core, turn->need);
        }
    }
    return found;
}

// --- the first blocked job

// Should room be reserved before anybody else starts? A reservation stays until its job starts or
// leaves, or one of higher priority is first; one whose time has come is made anew.
static bool reserve_due(struct gr_core *core, const struct gr_job *first, int64_t at_ms)
{
    const struct gr_reserved_room *kept = &core->room_kept;
    if (kept->job == 0) {
        return core->unreservable_ms == 0 || at_ms - core->unreservable_ms >= UNRESERVABLE_MS;
    }
    const struct gr_job *job = gr_core_job_find(core, kept->job);
    return job->demand.priority < first->demand.priority ||
           (kept->start_ms <= at_ms && at_ms - kept->made_ms >= OVERDUE_MS);
}

// True if the first job in order, which is another than this one, waits without room, and room is
// to be reserved for it.
static bool reserve_first(struct gr_core *core, const struct turn *turn, int64_t at_ms,
                          struct gr_piece *pieces, struct gr_event *ret_event)
{
    struct search all = {.at_ms = at_ms, .asleep = true, .past_reserved = true};
    struct turn first;
    if (core->room_kept.job == gr_job_at(core, turn->slot)->id || !first_find(core, &all, &first) ||
        first.slot == turn->slot) {
        return false;
    }
    const struct gr_job *job = gr_job_at(core, first.slot);
    if (core->room_kept.job != 0 && core->room_kept.job != job->id &&
        core->room_kept.start_ms <= at_ms) {
        job = gr_core_job_find(core, core->room_kept.job); // it keeps its turn
    }
    if (!reserve_due(core, gr_job_at(core, first.slot), at_ms)) {
        return false;
    }
    *ret_event = gr_reserve(core, at_ms, job, pieces);
    return true;
}

// --- the start

// What came of a turn.
enum outcome {
    TURN_IN_VAIN, // the next one
    TURN_FACT,    // *ret_event
};

static enum outcome turn_take(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                              const struct turn *turn, struct gr_piece *pieces,
                              struct gr_event *ret_event)
{
    struct gr_demand demand = gr_need_at(core, turn->need)->demand;
    struct gr_lane *lane = gr_lane_at(core, gr_lane_find(core, turn->queue, turn->need));
    int mask = 0;
    bool whole = is_whole(core, turn, &mask);
    if (!whole && mask < 0 && gr_place_mask_count(gr_pool(core)) < core->limits.place.masks) {
        *ret_event = gr_decide_fact(core, at_ms, GR_MASK_ADDED);
        ret_event->mask = &core->narrowed;
        return TURN_FACT;
    }
    if (!whole) {
        lane->passed_over[turn->own] = core->sequence;
        if (mask < 0) { // no more masks: it waits until its quota leaves it all its variants
            return TURN_IN_VAIN;
        }
        demand.shape.mask = (uint16_t)mask;
    }
    if (!room_find(core, turn, &demand, whole, at_ms, pieces)) {
        return TURN_IN_VAIN;
    }
    lane->passed_over[turn->own] = core->sequence;
    if (gr_start_fact(core, hooks, at_ms, gr_job_at(core, turn->slot), pieces, ret_event) !=
        GR_REFUSED_NOTHING) {
        return TURN_IN_VAIN;
    }
    lane->passed_over[turn->own] = 0;
    return TURN_FACT;
}

bool gr_fair_start(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                   struct gr_piece *pieces, struct gr_event *ret_event)
{
    struct search awake = {.at_ms = at_ms};
    struct turn turn;
    gr_shares_order(core, at_ms);
    while (first_find(core, &awake, &turn)) {
        if (turn_take(core, hooks, at_ms, &turn, pieces, ret_event) == TURN_FACT) {
            // Whoever comes before it and found no room is not to wait longer because of it.
            struct gr_event reserved;
            if (ret_event->type != GR_JOB_PLACED ||
                !reserve_first(core, &turn, at_ms, pieces, &reserved)) {
                return true;
            }
            *ret_event = reserved;
            return true;
        }
    }
    return false;
}
