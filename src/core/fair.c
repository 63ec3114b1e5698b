// Who comes first, where quotas, shares and time limits count: GR_ORDER_FAIR. See queue.h and
// docs/design/queue.md. Changes nothing that is state.
//
// In order: who stays within its own quota before who borrows; by priority; by shares; by arrival.
// Of that order only lanes whose need is awake are looked at. The first job that finds no room has
// room reserved for it; who comes after it may start where that does not delay it.
#include "core/prefer.h"
#include "core/reclaim.h"
#include "core/window_parts.h"

#include <string.h>

#define NONE GR_NONE
// A reservation that found no time is not tried again for so long; one whose time has passed, so
// long.
#define UNRESERVABLE_MS 60000
#define OVERDUE_MS 1000
// Taking room back: after a search in vain not again for so long; a search looks at so many lanes,
// and at the victims for so many jobs.
#define TAKING_MS 1000
#define TAKING_LANES 4096
#define TAKING_TRIES 4

// A job whose turn it may be.
struct turn {
    uint32_t slot, queue, need;
    bool own;                            // within its own quota
    bool inside;                         // only where a reservation is open for it
    uint64_t variants[GR_VARIANT_WORDS]; // where its quotas leave it enough
};

// What a search asks.
struct search {
    int64_t at_ms;
    bool own;           // only what stays within its own quota
    bool asleep;        // needs that sleep, too
    bool past_reserved; // what is reserved does not count
    bool surely;        // nothing but room stands in its way
};

// --- who may

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

// How long a job may run at most; INT64_MAX: without end.
static int64_t most_ms(const struct gr_job *job)
{
    return job->limit_ms == 0 ? INT64_MAX : job->limit_ms;
}

// The first job of a lane that may start though its need finds room only where it is reserved, or
// where windows are in the way: that for which it is reserved, or one that runs for at most
// `limit_ms` and not longer than windows were found to let it. NONE, and then it is known how short
// none is.
static uint32_t in_time_find(struct gr_core *core, uint32_t lane, int64_t limit_ms,
                             int64_t windows_ms)
{
    struct gr_lane *row = gr_lane_at(core, lane);
    uint32_t kept = gr_core_job_slot(core, core->room_kept.job);
    limit_ms = limit_ms < windows_ms ? limit_ms : windows_ms;
    if (kept != NONE && gr_waits_at(core, kept)->lane == lane &&
        most_ms(gr_job_at(core, kept)) <= windows_ms) {
        return kept;
    }
    if (row->shortest_ms > limit_ms) {
        return NONE;
    }
    int64_t shortest = INT64_MAX;
    for (uint32_t s = row->first; s != NONE; s = gr_waits_at(core, s)->next) {
        const struct gr_job *job = gr_job_at(core, s);
        if (job->limit_ms > 0 && job->limit_ms <= limit_ms) {
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
    if (search->past_reserved) {
        return row->first;
    }
    beside = beside || core->room_kept.job == 0;
    int64_t windows_ms = gr_window_lane_ms(core, lane, search->at_ms);
    return beside && windows_ms == INT64_MAX
               ? row->first
               : in_time_find(core, lane, beside ? INT64_MAX : until_reserved(core, search->at_ms),
                              windows_ms);
}

// *ret_inside: what others keep leaves it nothing, but where a reservation is open for it.
static bool queue_may(const struct gr_core *core, const struct search *search, uint32_t queue,
                      uint32_t row, uint64_t ret_variants[GR_VARIANT_WORDS], bool *ret_inside)
{
    const struct gr_need *need = gr_need_at(core, row);
    const struct gr_queue *of = gr_queue_at(core, queue);
    uint64_t milli = gr_demand_milli(&need->demand);
    *ret_inside = false;
    if (gr_terms_allow(core, of->org, of->user, milli) != GR_REFUSED_NOTHING) {
        return false;
    }
    if (gr_quota_variants(core, need, of->org, milli, search->own, ret_variants)) {
        return true;
    }
    *ret_inside = true;
    return !search->own && gr_window_variants(core, need, of, milli, ret_variants);
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
            bool inside;
            if (gr_job_at(core, gr_lane_at(core, lane)->first)->id >= best ||
                (!search->asleep &&
                 gr_lane_at(core, lane)->passed_over[search->own] == core->sequence)) {
                continue;
            }
            uint32_t slot = lane_turn(core, search, lane);
            if (slot != NONE && gr_job_at(core, slot)->id < best &&
                queue_may(core, search, queue, need, variants, &inside) &&
                (!search->surely || gr_prefer_starts(core, need, variants))) {
                best = gr_job_at(core, slot)->id;
                *ret_turn = (struct turn){.slot = slot,
                                          .queue = queue,
                                          .need = need,
                                          .own = search->own,
                                          .inside = inside};
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
    for (uint32_t w = 0; w < core->need_words; w++) {
        if ((of_priority[w] & (search->asleep ? UINT64_MAX : awake[w])) != 0) {
            return true;
        }
    }
    return false;
}

static bool priority_turn(struct gr_core *core, const struct search *search, unsigned priority,
                          struct turn *ret_turn)
{
    for (uint32_t q = gr_shares_first(core); q != NONE; q = gr_shares_next(core, q)) {
        if (queue_turn(core, search, priority, q, ret_turn)) {
            return true;
        }
    }
    return false;
}

static bool search_run(struct gr_core *core, const struct search *search, struct turn *ret_turn)
{
    for (unsigned w = 4; w-- > 0;) {
        for (uint64_t bits = core->needs_filled[w], high; bits != 0; bits &= ~high) {
            unsigned bit = 63u - (unsigned)__builtin_clzll(bits);
            high = UINT64_C(1) << bit;
            if (priority_has(core, search, w * 64 + bit) &&
                priority_turn(core, search, w * 64 + bit, ret_turn)) {
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

static bool touches_held(const struct gr_core *core, const struct gr_piece *pieces, uint32_t count)
{
    for (uint32_t i = 0; i < count && core->hold_count > 0; i++) {
        if (gr_held_at(core)[pieces[i].node] != 0) {
            return true;
        }
    }
    return false;
}

// What a search for room came to.
enum room {
    ROOM_FOUND,
    ROOM_NONE,
    ROOM_RESERVED, // only where it is reserved for another
    ROOM_BARRED,   // windows leave it none
};

// What is known of room that was not found.
struct lacking {
    uint32_t missing;  // so many tasks found none; 0: nobody counted
    int64_t barred_ms; // windows leave none to who may run for longer; -1: they are not the reason
};

// As room_find, where windows matter and there is room without them.
static enum room windows_find(struct gr_core *core, const struct turn *turn,
                              const struct gr_demand *demand, const struct gr_window_view *view,
                              int64_t at_ms, struct gr_piece *pieces, struct lacking *ret_lacking)
{
    const struct gr_job *job = gr_job_at(core, turn->slot);
    bool must_hide = core->room_kept.node_count > 0 && core->room_kept.job != job->id &&
                     !ends_in_time(core, job, at_ms);
    uint64_t salt = job->id * 65536;
    bool yields = must_hide && view->is_mine && gr_window_yields(core, view);
    gr_holds_hide(core, true);
    gr_reserve_hide(core, must_hide && !yields);
    bool found = gr_window_room_inside(core, view, demand, salt, pieces);
    gr_reserve_hide(core, must_hide);
    found = found || (!turn->inside && gr_window_room_outside(core, view, demand, salt, pieces));
    gr_reserve_hide(core, false);
    gr_holds_hide(core, false);
    if (found) {
        return ROOM_FOUND;
    }
    if (view->is_barred || view->is_mine) {
        int64_t until = must_hide ? until_reserved(core, at_ms) : 0;
        ret_lacking->barred_ms = view->shorter_ms > until ? view->shorter_ms : until;
        return ROOM_BARRED;
    }
    return must_hide ? ROOM_RESERVED : ROOM_NONE; // else until a hold ends
}

// Finds room for the demand of a turn in one tier, with what is held, and reserved if it must be,
// out of bounds: a job that has a hold is started there by gr_holds_next, or here elsewhere.
static enum room room_find(struct gr_core *core, const struct turn *turn,
                           const struct gr_demand *demand, int64_t at_ms, struct gr_piece *pieces,
                           struct lacking *ret_lacking)
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
        ret_lacking->missing = placed > 0 && !draws ? demand->tasks - placed : 0;
        return ROOM_NONE;
    }
    if (core->window_count > 0) {
        struct gr_window_view view;
        gr_window_look(core, job->org, job->user, job->limit_ms, at_ms, &view);
        // What is looked for again, beside what is kept, must not end up where it is barred.
        if (view.is_mine || gr_window_touches(core, pieces, demand->tasks) ||
            touches_held(core, pieces, demand->tasks) ||
            touches_reserved(core, pieces, demand->tasks)) {
            return windows_find(core, turn, demand, &view, at_ms, pieces, ret_lacking);
        }
    }
    if (touches_held(core, pieces, demand->tasks)) {
        gr_holds_hide(core, true);
        found = gr_place_find_most(place, demand, salt, pieces, &placed);
        gr_holds_hide(core, false);
        if (!found) {
            return ROOM_NONE; // until a hold ends
        }
    }
    bool must_hide = core->room_kept.node_count > 0 && core->room_kept.job != job->id &&
                     !ends_in_time(core, job, at_ms);
    if (must_hide && touches_reserved(core, pieces, demand->tasks)) {
        gr_holds_hide(core, true);
        gr_reserve_hide(core, true);
        found = gr_place_find_most(place, demand, salt, pieces, &placed);
        gr_reserve_hide(core, false);
        gr_holds_hide(core, false);
    }
    return found ? ROOM_FOUND : ROOM_RESERVED;
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
    struct search all = {.at_ms = at_ms, .asleep = true, .past_reserved = true, .surely = true};
    struct turn first;
    if (core->room_kept.job == gr_job_at(core, turn->slot)->id || !first_find(core, &all, &first) ||
        first.slot == turn->slot || gr_hold_find(core, gr_job_at(core, first.slot)->id) != NULL) {
        return false;
    }
    const struct gr_job *job = gr_job_at(core, first.slot);
    const struct gr_job *kept = gr_core_job_find(core, core->room_kept.job);
    if (kept != NULL && core->room_kept.start_ms <= at_ms &&
        kept->demand.priority >= job->demand.priority) {
        job = kept; // it keeps its turn
    }
    if (!reserve_due(core, gr_job_at(core, first.slot), at_ms)) {
        return false;
    }
    *ret_event = gr_reserve(core, at_ms, job, pieces);
    return true;
}

// Has the job for which room is reserved a right to start, whenever that is free?
static bool kept_may(struct gr_core *core)
{
    const struct gr_waits *waits = gr_waits_at(core, gr_core_job_slot(core, core->room_kept.job));
    const struct gr_lane *lane = gr_lane_at(core, waits->lane);
    bool may = false;
    for (unsigned own = 0; own < 2 && !may; own++) {
        const struct search search = {.own = own != 0};
        uint64_t variants[GR_VARIANT_WORDS];
        bool inside;
        may = queue_may(core, &search, lane->queue, lane->need, variants, &inside) &&
              gr_prefer_starts(core, lane->need, variants);
    }
    return may;
}

// A job that lost its right to start while room is reserved for it, by a quota or a limit, would
// keep that room from everybody for as long as it waits: the next in order gets the reservation.
static bool reserve_passes(struct gr_core *core, int64_t at_ms, struct gr_piece *pieces,
                           struct gr_event *ret_event)
{
    const struct search all = {
        .at_ms = at_ms, .asleep = true, .past_reserved = true, .surely = true};
    struct turn next;
    if (core->room_kept.node_count == 0 || kept_may(core) || !first_find(core, &all, &next) ||
        gr_hold_find(core, gr_job_at(core, next.slot)->id) != NULL) {
        return false;
    }
    *ret_event = gr_reserve(core, at_ms, gr_job_at(core, next.slot), pieces);
    return true;
}

// --- the start

// What came of a turn.
enum outcome {
    TURN_IN_VAIN, // the next one
    TURN_FACT,    // *ret_event
};

// What the tiers of a turn came to that had no room.
struct tally {
    uint32_t missing;  // the fewest tasks that lacked room in a tier; 0: nobody counted
    int64_t barred_ms; // see struct lacking
    bool reserved;     // there is room, where it is reserved
    bool partly;       // quotas kept some of it from being looked at
};

// Room for a turn in one tier: true and pieces, or with *ret_makes_mask room that quotas may not
// leave to it, which is looked for once core->narrowed is a mask.
static bool tier_find(struct gr_core *core, const struct turn *turn, unsigned tier,
                      struct gr_demand *demand, int64_t at_ms, struct gr_piece *pieces,
                      struct tally *tally, bool *ret_makes_mask)
{
    uint64_t all[GR_VARIANT_WORDS], left[GR_VARIANT_WORDS], any = 0;
    gr_prefer_variants(core, gr_need_at(core, turn->need), tier, all);
    for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
        left[w] = all[w] & turn->variants[w];
        any |= left[w];
    }
    bool whole = memcmp(left, all, sizeof all) == 0;
    int mask = whole || any == 0 ? -1 : gr_prefer_narrow(core, demand->shape.mask, left);
    bool can_add = gr_place_mask_count(gr_pool(core)) < core->limits.place.masks;
    tally->partly = tally->partly || (!whole && (any == 0 || mask >= 0 || !can_add));
    if (!whole && (any == 0 || (mask < 0 && !can_add))) {
        return false; // no more masks: it waits until its quota leaves it all its variants
    }
    if (mask >= 0) {
        demand->shape.mask = (uint16_t)mask;
    }
    struct lacking lacking = {.barred_ms = -1};
    enum room room = room_find(core, turn, demand, at_ms, pieces, &lacking);
    tally->barred_ms = lacking.barred_ms > tally->barred_ms ? lacking.barred_ms : tally->barred_ms;
    tally->reserved = tally->reserved || room == ROOM_RESERVED;
    tally->missing = lacking.missing < tally->missing ? lacking.missing : tally->missing;
    *ret_makes_mask = !whole && mask < 0; // for what has no room at all no mask is made
    return room == ROOM_FOUND;
}

// No tier had room: the need sleeps, if all of it was looked at.
static void turn_sleeps(struct gr_core *core, const struct turn *turn, const struct tally *tally,
                        int64_t at_ms)
{
    const struct gr_need *need = gr_need_at(core, turn->need);
    uint32_t lane = gr_lane_find(core, turn->queue, turn->need);
    bool inside = turn->inside && tally->barred_ms >= 0;
    if (inside || memcmp(turn->variants, need->variants, sizeof turn->variants) != 0) {
        gr_lane_at(core, lane)->passed_over[turn->own] = core->sequence;
    }
    if (tally->partly || inside) {
        return;
    }
    if (tally->barred_ms >= 0) { // where it is reserved is for those who end in time
        int64_t until = tally->reserved ? until_reserved(core, at_ms) : 0;
        until = until == INT64_MAX ? 0 : until;
        gr_window_lane_bar(core, lane, until > tally->barred_ms ? until : tally->barred_ms);
        return;
    }
    if (tally->reserved) {
        gr_queue_sleep_beside(core, turn->need);
    } else {
        gr_queue_sleep(core, turn->need, tally->missing);
    }
}

static enum outcome turn_take(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                              const struct turn *turn, struct gr_piece *pieces,
                              struct gr_event *ret_event)
{
    struct gr_demand demand = gr_need_at(core, turn->need)->demand;
    struct gr_lane *lane = gr_lane_at(core, gr_lane_find(core, turn->queue, turn->need));
    struct gr_tiers tiers;
    struct tally tally = {.missing = UINT32_MAX, .barred_ms = -1};
    bool found = false, makes_mask = false;
    gr_prefer_known(core, &demand, &tiers);
    for (uint32_t t = 0; t < tiers.count && !found; t++) {
        demand.shape.mask = tiers.masks[t];
        found = tier_find(core, turn, tiers.tiers[t], &demand, at_ms, pieces, &tally, &makes_mask);
    }
    if (!found) {
        turn_sleeps(core, turn, &tally, at_ms);
        return TURN_IN_VAIN;
    }
    if (makes_mask) {
        *ret_event = gr_decide_fact(core, at_ms, GR_MASK_ADDED);
        ret_event->mask = &core->narrowed;
        return TURN_FACT;
    }
    lane->passed_over[turn->own] = core->sequence;
    if (gr_start_fact(core, hooks, at_ms, gr_job_at(core, turn->slot), pieces, ret_event) !=
        GR_REFUSED_NOTHING) {
        return TURN_IN_VAIN;
    }
    lane->passed_over[turn->own] = 0;
    return TURN_FACT;
}

// --- room that is taken back

// What a search for one who may take room back has left to do.
struct taking {
    int64_t at_ms;
    bool own;              // who stays within its own quota; else whoever has a higher priority
    unsigned lanes, tries; // bounds
};

// The first job of a lane that has no hold yet, if the lane was tried in vain; NONE: there is none.
static uint32_t lane_blocked(struct gr_core *core, uint32_t row, int64_t at_ms)
{
    const struct gr_lane *lane = gr_lane_at(core, row);
    const uint64_t *awake = gr_bits_at(core, core->awake_at);
    const uint64_t *beside = gr_bits_at(core, core->beside_at);
    bool looks = (awake[lane->need / 64] & beside[lane->need / 64]) >> lane->need % 64 & 1;
    if (looks && lane->passed_over[0] != core->sequence && lane->passed_over[1] != core->sequence &&
        gr_window_lane_ms(core, row, at_ms) == INT64_MAX) {
        return NONE;
    }
    uint32_t slot = lane->first;
    while (slot != NONE && gr_hold_find(core, gr_job_at(core, slot)->id) != NULL) {
        slot = gr_waits_at(core, slot)->next;
    }
    return slot;
}

// Is there room for its pieces? Else those who went for it would have gone in vain.
static bool has_pieces(const struct gr_core *core, const struct gr_demand *demand)
{
    return core->limits.pieces - core->more_used >= demand->tasks - 1;
}

// Tries it for the lanes of a queue that have this priority, oldest needs first in no order.
static bool queue_takes(struct gr_core *core, struct taking *taking, unsigned priority,
                        uint32_t queue, struct gr_piece *pieces, struct gr_event *ret_event)
{
    const uint64_t *mine = gr_queue_bits(core, queue);
    const uint64_t *of_priority = gr_priority_bits(core, priority);
    const struct gr_queue *of = gr_queue_at(core, queue);
    for (uint32_t w = 0; w < core->need_words; w++) {
        for (uint64_t bits = mine[w] & of_priority[w]; bits != 0; bits &= bits - 1) {
            uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(bits);
            if (taking->lanes == 0 || taking->tries == 0) {
                return false;
            }
            taking->lanes--;
            const struct gr_need *need = gr_need_at(core, row);
            uint64_t milli = gr_demand_milli(&need->demand);
            uint64_t variants[GR_VARIANT_WORDS];
            uint32_t slot = lane_blocked(core, gr_lane_find(core, queue, row), taking->at_ms);
            memcpy(variants, need->variants, sizeof variants);
            if (slot == NONE || (taking->own && milli == 0) || !has_pieces(core, &need->demand) ||
                gr_terms_allow(core, of->org, of->user, milli) != GR_REFUSED_NOTHING ||
                (taking->own &&
                 !gr_quota_variants(core, need, of->org, gr_demand_milli(&need->demand), true,
                                    variants))) {
                continue;
            }
            taking->tries--;
            if (gr_reclaim_for(core, taking->at_ms, gr_job_at(core, slot), variants, pieces,
                               ret_event)) {
                return true;
            }
        }
    }
    return false;
}

static bool all_take(struct gr_core *core, struct taking *taking, struct gr_piece *pieces,
                     struct gr_event *ret_event)
{
    for (unsigned p = 256; p-- > 0;) {
        if ((core->needs_filled[p / 64] >> p % 64 & 1) == 0) {
            continue;
        }
        for (uint32_t q = gr_shares_first(core); q != NONE && taking->tries > 0;
             q = gr_shares_next(core, q)) {
            if (queue_takes(core, taking, p, q, pieces, ret_event)) {
                return true;
            }
        }
    }
    return false;
}

// Room is held for the first in order who may take it back from others. What was tried in vain is
// not tried again for a while, unless somebody else has begun to wait.
static bool take_back(struct gr_core *core, int64_t at_ms, struct gr_piece *pieces,
                      struct gr_event *ret_event)
{
    uint32_t terms = core->queue_terms.reclaim;
    bool borrowed = (terms & GR_RECLAIM_BORROWED) != 0 && core->quota_count > 0;
    bool by_priority = (terms & GR_RECLAIM_PRIORITY) != 0;
    if ((!borrowed && !by_priority) || core->running == 0 || core->hold_count == GR_HOLDS ||
        (core->reclaim_new == 0 && at_ms < core->reclaim_at_ms)) {
        return false;
    }
    struct taking own = {at_ms, true, TAKING_LANES, TAKING_TRIES};
    struct taking higher = {at_ms, false, TAKING_LANES, TAKING_TRIES};
    if ((borrowed && all_take(core, &own, pieces, ret_event)) ||
        (by_priority && all_take(core, &higher, pieces, ret_event))) {
        return true;
    }
    core->reclaim_new = 0;
    core->reclaim_at_ms = at_ms < INT64_MAX - TAKING_MS ? at_ms + TAKING_MS : INT64_MAX;
    return false;
}

bool gr_fair_start(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                   struct gr_piece *pieces, struct gr_event *ret_event)
{
    struct search awake = {.at_ms = at_ms};
    struct turn turn;
    bool is_taken = false; // whoever has a right to room was heard
    gr_shares_order(core, at_ms);
    if (gr_holds_next(core, hooks, at_ms, pieces, ret_event)) {
        return true;
    }
    while (first_find(core, &awake, &turn)) {
        if (!turn.own && !is_taken && take_back(core, at_ms, pieces, ret_event)) {
            return true;
        }
        is_taken = is_taken || !turn.own;
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
        if (turn.own || (core->queue_terms.reclaim & GR_RECLAIM_PRIORITY) != 0) {
            core->reclaim_new = 1; // one more who finds no room
        }
    }
    return reserve_passes(core, at_ms, pieces, ret_event) ||
           take_back(core, at_ms, pieces, ret_event);
}
