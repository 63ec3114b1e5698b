// Where the missing tasks of running gangs go: looked for before anything begins, on nodes that are
// neither held nor reserved for others, nor barred by windows, within limits and quotas as for a
// start. What found no place is looked at again when room has grown where a task of it fits.
// Changes nothing that is state.
#include "core/part.h"
#include "core/prefer.h"
#include "core/reclaim.h"
#include "core/window_parts.h"

#include <signal.h>
#include <string.h>

#define NONE GR_NONE

// What a search asks.
struct mend {
    struct gr_core *core;
    const struct gr_job *job;
    uint32_t slot, missing;
    struct gr_demand demand; // of one more task like the others, its mask narrowed by quotas
    struct gr_piece *pieces; // GR_TASKS_MAX of them
    struct gr_job left;      // the job as if it began now: its limit is what is left of it
    int64_t at_ms;
};

static struct gr_part_tried *tried_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_part_tried *)gr_core_at(core, core->parts_tried_at) + row;
}

// Tasks that share a domain, at a time; 1: none do.
static uint32_t block_of(const struct gr_demand *demand)
{
    return demand->domain_level == 0   ? 1
           : demand->domain_tasks != 0 ? demand->domain_tasks
                                       : demand->tasks;
}

// --- notes: domains, and how many tasks lack there, in the room of pieces

static bool before(const struct gr_piece *a, const struct gr_piece *b)
{
    return a->node != b->node ? a->node < b->node : a->devices < b->devices;
}

static void pieces_sort(struct gr_piece *pieces, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {
        for (uint32_t i = gap; i < count; i++) {
            struct gr_piece moving = pieces[i];
            uint32_t at = i;
            for (; at >= gap && before(&moving, &pieces[at - gap]); at -= gap) {
                pieces[at] = pieces[at - gap];
            }
            pieces[at] = moving;
        }
    }
}

struct listing {
    const struct gr_place *place;
    struct gr_piece *notes;
    uint32_t count;
    unsigned level;
};

static void piece_list(void *context, const struct gr_piece *piece)
{
    struct listing *listing = context;
    uint32_t domain = gr_place_node_get(listing->place, piece->node)->domain[listing->level];
    listing->notes[listing->count++] = (struct gr_piece){.node = domain};
}

// The domains that hold too few tasks for whole blocks, and how many lack there, at the end of
// `pieces`: what is filled in from the front never reaches those that are still to be read. Returns
// how many domains.
static uint32_t lacking_list(const struct mend *mend, uint32_t block)
{
    struct listing listing = {.place = gr_pool(mend->core),
                              .notes = mend->pieces,
                              .level = mend->demand.domain_level - 1u};
    gr_jobs_pieces(mend->core, gr_allocation_at(mend->core, mend->slot), piece_list, &listing);
    pieces_sort(mend->pieces, listing.count);
    uint32_t count = 0;
    for (uint32_t i = 0, end; i < listing.count; i = end) {
        uint32_t domain = mend->pieces[i].node;
        for (end = i + 1; end < listing.count && mend->pieces[end].node == domain; end++) {
        }
        if ((end - i) % block != 0) {
            mend->pieces[count++] =
                (struct gr_piece){.node = domain, .cpu_milli = block - (end - i) % block};
        }
    }
    memmove(mend->pieces + GR_TASKS_MAX - count, mend->pieces, count * sizeof *mend->pieces);
    return count;
}

// --- the search

static bool is_kept(const struct mend *mend, uint32_t node)
{
    const struct gr_core *core = mend->core;
    return gr_hold_keeps(core, node, 0) || gr_kept_at(core)[node] != 0 ||
           gr_window_bars(core, &mend->left, node, mend->at_ms);
}

// Places `tasks` tasks in one domain, in order of its nodes.
static bool domain_fill(const struct mend *mend, uint32_t domain, uint32_t tasks,
                        struct gr_piece *pieces)
{
    struct gr_place *place = gr_pool(mend->core);
    unsigned level = mend->demand.domain_level - 1u;
    uint32_t filled = 0;
    for (uint32_t n = gr_place_domain_head(place, level, domain); n != NONE && filled < tasks;
         n = gr_place_domain_next(place, level, n)) {
        if (!is_kept(mend, n)) {
            filled += gr_place_row_tasks(place, n, gr_place_node_get(place, n), &mend->demand,
                                         tasks - filled, pieces + filled);
        }
    }
    return filled == tasks;
}

static bool any_kept(const struct mend *mend, const struct gr_piece *pieces, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (is_kept(mend, pieces[i].node)) {
            return true;
        }
    }
    return false;
}

// Places tasks that share no domain with the others, in whole blocks.
static bool blocks_fill(const struct mend *mend, uint32_t tasks, struct gr_piece *pieces)
{
    struct gr_core *core = mend->core;
    struct gr_demand demand = mend->demand;
    uint64_t salt = mend->job->id * 65536;
    demand.tasks = tasks;
    if (!gr_place_find_gang(gr_pool(core), &demand, salt, pieces)) {
        return false;
    }
    if (!any_kept(mend, pieces, tasks)) {
        return true;
    }
    gr_holds_hide(core, true);
    gr_reserve_hide(core, true);
    gr_window_skip(core, &mend->left, mend->at_ms, true);
    bool found = gr_place_find_gang(gr_pool(core), &demand, salt, pieces);
    gr_window_skip(core, &mend->left, mend->at_ms, false);
    gr_reserve_hide(core, false);
    gr_holds_hide(core, false);
    return found;
}

// Places all missing tasks: in the domains of the others as far as they lack there, the rest as
// whole blocks anywhere.
static bool room_find(const struct mend *mend)
{
    struct gr_place *place = gr_pool(mend->core);
    uint32_t block = block_of(&mend->demand);
    uint32_t lacking = block > 1 ? lacking_list(mend, block) : 0;
    uint32_t filled = 0;
    for (uint32_t i = 0; i < lacking; i++) {
        struct gr_piece note = mend->pieces[GR_TASKS_MAX - lacking + i];
        if (note.cpu_milli > mend->missing - filled ||
            !domain_fill(mend, note.node, note.cpu_milli, mend->pieces + filled)) {
            return false;
        }
        filled += note.cpu_milli;
    }
    uint32_t rest = mend->missing - filled;
    if (rest % block != 0) {
        return false; // it did not lie in whole blocks before, either
    }
    for (uint32_t i = 0; i < filled && rest > 0; i++) {
        gr_place_take(place, &mend->pieces[i]);
    }
    bool found = rest == 0 || blocks_fill(mend, rest, mend->pieces + filled);
    for (uint32_t i = 0; i < filled && rest > 0; i++) {
        gr_place_give(place, &mend->pieces[i]);
    }
    if (found) {
        pieces_sort(mend->pieces, mend->missing);
    }
    return found;
}

// --- what it may

// Of a set of variants, those of the choice in which the other tasks are. False: none.
static bool choice_keep(const struct mend *mend, uint64_t variants[GR_VARIANT_WORDS])
{
    const struct gr_core *core = mend->core;
    const struct gr_need *need = gr_need_at(core, gr_waits_at(core, mend->slot)->need);
    uint64_t tier[GR_VARIANT_WORDS], any = 0;
    if (need->demand.preference == 0) {
        return true;
    }
    uint32_t node = gr_jobs_first_piece(core, mend->slot)->node;
    unsigned number = gr_preference_tier(gr_preference_at(core, need->demand.preference - 1u),
                                         gr_place_node_get(gr_pool(core), node)->variant);
    gr_prefer_variants(core, need, number, tier);
    for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
        variants[w] &= tier[w];
        any |= variants[w];
    }
    return any != 0;
}

// The variants where quotas leave it enough for what is missing, within its own or at all; false:
// nowhere.
static bool variants_find(const struct mend *mend, bool own,
                          uint64_t ret_variants[GR_VARIANT_WORDS])
{
    const struct gr_core *core = mend->core;
    const struct gr_need *need = gr_need_at(core, gr_waits_at(core, mend->slot)->need);
    struct gr_demand more = mend->job->demand;
    more.tasks = mend->missing;
    memcpy(ret_variants, need->variants, sizeof need->variants);
    bool left =
        core->order != GR_ORDER_FAIR || // who asks for no quotas at a start
        gr_quota_variants(core, need, mend->job->org, gr_demand_milli(&more), own, ret_variants);
    return left && choice_keep(mend, ret_variants);
}

// Do limits allow it to hold what is missing?
static bool terms_allow(const struct mend *mend)
{
    struct gr_demand more = mend->job->demand;
    more.tasks = mend->missing;
    return mend->core->order != GR_ORDER_FAIR ||
           gr_terms_allow_more(mend->core, mend->job->org, mend->job->user,
                               gr_demand_milli(&more)) == GR_REFUSED_NOTHING;
}

// Narrows the demand's mask to these variants. -1: the mask is not known, core->narrowed holds it.
static int mask_narrow(struct mend *mend, const uint64_t variants[GR_VARIANT_WORDS])
{
    struct gr_core *core = mend->core;
    const struct gr_need *need = gr_need_at(core, gr_waits_at(core, mend->slot)->need);
    if (memcmp(variants, need->variants, sizeof need->variants) == 0) {
        return mend->demand.shape.mask;
    }
    uint64_t there[GR_VARIANT_WORDS]; // of those that there are: fewer masks are made
    for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
        unsigned count = core->variant_count > w * 64 ? core->variant_count - w * 64 : 0;
        there[w] = variants[w] & (count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1);
    }
    core->narrowed = *gr_place_mask_get(gr_pool(core), mend->demand.shape.mask);
    gr_mask_keep_variants(&core->narrowed, there);
    return gr_place_mask_find(gr_pool(core), &core->narrowed);
}

static bool placed(struct mend *mend, const struct gr_hooks *hooks, int64_t at_ms,
                   struct gr_event *ret_event)
{
    struct gr_event event = gr_decide_fact(mend->core, at_ms, GR_PART_PLACED);
    event.part_placed.job = mend->job->id;
    event.part_placed.attempt = mend->job->attempt;
    event.part_placed.part =
        gr_part_row_at(mend->core, gr_part_row_find(mend->core, mend->job))->parts + 1u;
    event.pieces = mend->pieces;
    event.piece_count = mend->missing;
    if (hooks != NULL && hooks->admit != NULL &&
        hooks->admit(hooks->context, mend->core, &event) != GR_REFUSED_NOTHING) {
        return false;
    }
    *ret_event = event;
    return true;
}

// --- when to look

// Has room grown where a task fits since it was last looked for?
static bool has_grown(const struct mend *mend, const struct gr_part_tried *tried)
{
    const struct gr_core *core = mend->core;
    if (tried->room == core->room) {
        return false;
    }
    uint64_t freed = core->freed_count - tried->freed;
    if (tried->room == 0 || core->order != GR_ORDER_FAIR || tried->freed == 0 || freed == 0 ||
        freed > GR_QUEUE_FREED) {
        return true; // it is not known where
    }
    for (uint64_t i = tried->freed; i < core->freed_count; i++) {
        if (gr_place_task_filter(gr_pool(core), core->freed[i % GR_QUEUE_FREED], &mend->demand) ==
            GR_FILTER_NONE) {
            return true;
        }
    }
    return false;
}

// How many nodes had been freed until now; 0 if room may grow elsewhere, too.
static uint64_t freed_count(const struct gr_core *core)
{
    return core->hold_count > 0 || core->room_kept.node_count > 0 ? 0 : core->freed_count;
}

// What came of looking on some variants.
enum outcome {
    MEND_IN_VAIN,   // nowhere, until room grows
    MEND_UNCERTAIN, // nowhere on what quotas leave it now
    MEND_FACT,      // *ret_event
    MEND_REFUSED,   // by admit
};

// Looks for room within its own quota, or where quotas leave it any.
static enum outcome mend_try(struct mend *mend, const struct gr_hooks *hooks, int64_t at_ms,
                             bool own, struct gr_event *ret_event)
{
    struct gr_core *core = mend->core;
    uint64_t variants[GR_VARIANT_WORDS];
    uint16_t whole = mend->job->demand.shape.mask;
    mend->demand.shape.mask = whole;
    if (!variants_find(mend, own, variants)) {
        return MEND_UNCERTAIN;
    }
    int mask = mask_narrow(mend, variants);
    if (mask < 0 && gr_place_mask_count(gr_pool(core)) == core->limits.place.masks) {
        return MEND_UNCERTAIN;
    }
    mend->demand.shape.mask = mask < 0 ? whole : (uint16_t)mask;
    if (!room_find(mend)) {
        return mend->demand.shape.mask == whole ? MEND_IN_VAIN : MEND_UNCERTAIN;
    }
    if (mask < 0) { // for what has no room at all no mask is made
        *ret_event = gr_decide_fact(core, at_ms, GR_MASK_ADDED);
        ret_event->mask = &core->narrowed;
        return MEND_FACT;
    }
    return placed(mend, hooks, at_ms, ret_event) ? MEND_FACT : MEND_REFUSED;
}

static bool mend_next(struct mend *mend, const struct gr_hooks *hooks, int64_t at_ms, uint32_t row,
                      struct gr_event *ret_event)
{
    struct gr_core *core = mend->core;
    struct gr_part_tried *tried = tried_at(core, row);
    if (tried->sequence == core->sequence) {
        return false;
    }
    if (!has_grown(mend, tried)) {
        tried->freed = tried->room == core->room ? tried->freed : core->freed_count;
        tried->room = core->room;
        return false;
    }
    tried->sequence = core->sequence; // until the next fact, if anything but room is against it
    if (!terms_allow(mend)) {
        return false;
    }
    enum outcome outcome = mend_try(mend, hooks, at_ms, true, ret_event);
    if (outcome == MEND_UNCERTAIN && core->order == GR_ORDER_FAIR) {
        outcome = mend_try(mend, hooks, at_ms, false, ret_event);
    }
    if (outcome == MEND_FACT) {
        tried->sequence = 0;
        return true;
    }
    // Where quotas narrow it nothing is remembered: they may leave it more any time.
    tried->room = outcome == MEND_IN_VAIN ? core->room : 0;
    tried->freed = freed_count(core);
    return false;
}

bool gr_part_next(struct gr_core *core, const struct gr_hooks *hooks, int64_t at_ms,
                  struct gr_piece *pieces, struct gr_event *ret_event)
{
    for (uint32_t r = 0; r < core->part_count; r++) {
        const struct gr_part_row *part = gr_part_row_at(core, r);
        uint32_t slot = part->missing == 0 ? NONE : gr_core_job_slot(core, part->job);
        const struct gr_job *job = slot == NONE ? NULL : gr_job_at(core, slot);
        if (job == NULL || job->stop_why != GR_STOP_NOT) {
            continue;
        }
        if (at_ms >= part->until_ms) {
            *ret_event = gr_decide_stop(core, at_ms, job->id, GR_STOP_NODE, SIGTERM,
                                        core->queue_terms.notice_ms);
            return true;
        }
        struct mend mend = {.core = core,
                            .job = job,
                            .slot = slot,
                            .missing = part->missing,
                            .demand = job->demand,
                            .pieces = pieces,
                            .left = *job,
                            .at_ms = at_ms};
        int64_t ran = at_ms > job->started_ms ? at_ms - job->started_ms : 0;
        mend.left.limit_ms = job->limit_ms > ran ? job->limit_ms - ran : job->limit_ms == 0 ? 0 : 1;
        if (mend_next(&mend, hooks, at_ms, r, ret_event)) {
            return true;
        }
    }
    return false;
}

int64_t gr_part_wake_ms(const struct gr_core *core)
{
    int64_t wake = INT64_MAX;
    for (uint32_t r = 0; r < core->part_count; r++) {
        const struct gr_part_row *part = gr_part_row_at(core, r);
        const struct gr_job *job = part->missing == 0 ? NULL : gr_core_job_find(core, part->job);
        wake = job != NULL && job->stop_why == GR_STOP_NOT && part->until_ms < wake ? part->until_ms
                                                                                    : wake;
    }
    return wake;
}
