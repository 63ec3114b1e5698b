// Which work would go elsewhere so that a waiting job fits: see defrag.h. Sets of restartable jobs
// are tried in order of their number; each that makes room is rehearsed: its jobs are given back,
// the nodes where room is made are closed, and all of them must find room, one after the other.
// Whatever is tried is undone before it returns.
#include "core/defrag.h"

#include "core/prefer.h"
#include "core/tenants.h"
#include "core/victims.h"

#include <string.h>

#define NONE GR_NONE
// Sets of up to so many jobs are looked at one by one; on a node, of its cheapest jobs.
#define EXACT 6u
#define PICKS 16u
// Bounds of one question: sets, rows of nodes that are looked at for them, and rehearsals.
#define SETS 65536u
#define ROWS (UINT32_C(1) << 22)
#define REHEARSALS 512u

struct search {
    struct gr_taker taker;
    struct gr_scope scope;
    struct gr_piece *pieces, *to;    // the caller's
    uint32_t sets, rows, rehearsals; // that are left
    uint32_t needed;
    bool found, cut; // cut: a bound was met
    uint32_t best[GR_DEFRAG_MOVES], best_count, best_variant, best_node;
    uint64_t best_lost;
};

const char *gr_defrag_name(enum gr_defrag_answer answer)
{
    static const char *const names[GR_DEFRAG_ANSWERS] = {
        "found",           "not-waiting",       "fits",    "barred",
        "nothing-to-move", "no-room-elsewhere", "too-many"};
    return names[answer];
}

const char *gr_defrag_text(enum gr_defrag_answer answer)
{
    static const char *const texts[GR_DEFRAG_ANSWERS] = {
        [GR_DEFRAG_FOUND] = "with these moves it fits",
        [GR_DEFRAG_NOT_WAITING] = "does not wait for room",
        [GR_DEFRAG_FITS] = "needs no move: there is room, or will be when those end that stop now",
        [GR_DEFRAG_BARRED] = "is held back by limits or quotas, not by room",
        [GR_DEFRAG_FEW] = "would not fit if all went that says requeue.on: [move] or is safe",
        [GR_DEFRAG_NOWHERE] = "would fit with some moves, but who moves finds no room elsewhere",
        [GR_DEFRAG_MANY] = "needs more moves than are looked for",
    };
    return texts[answer];
}

// --- sets

static uint64_t lost_of(const struct search *search, uint32_t slot)
{
    return gr_lost_of(search->taker.core, gr_job_at(search->taker.core, slot), search->taker.at_ms);
}

static bool cheaper(const struct search *search, uint32_t a, uint32_t b)
{
    uint64_t lost_a = lost_of(search, a), lost_b = lost_of(search, b);
    return lost_a != lost_b
               ? lost_a < lost_b
               : gr_job_at(search->taker.core, a)->id < gr_job_at(search->taker.core, b)->id;
}

// Restartable jobs that hold something on these nodes, the cheapest first, at most `most`.
static uint32_t list_make(const struct search *search, const uint32_t *nodes, uint32_t node_count,
                          uint32_t *slots, uint32_t most)
{
    struct gr_core *core = search->taker.core;
    uint32_t count = 0;
    for (uint32_t i = 0; i < node_count; i++) {
        for (uint32_t t = gr_tenants_first(core, nodes[i]); t != NONE;
             t = gr_tenants_next(core, t)) {
            uint32_t slot = gr_tenant_slot(core, t);
            bool known = false;
            for (uint32_t k = 0; k < count && !known; k++) {
                known = slots[k] == slot;
            }
            if (known || !gr_victim_may(&search->taker, slot)) {
                continue;
            }
            uint32_t at = count < most ? count++ : most;
            for (; at > 0 && cheaper(search, slot, slots[at - 1]); at--) {
                if (at < most) {
                    slots[at] = slots[at - 1];
                }
            }
            if (at < most) {
                slots[at] = slot;
            }
        }
    }
    return count;
}

static void marks_set(const struct search *search, const uint32_t *slots, uint32_t count, bool go)
{
    for (uint32_t i = 0; i < count; i++) {
        gr_goes_at(search->taker.core)[slots[i]] = go;
    }
}

// Does the job fit once those are gone that are marked: on this node, or (NONE) anywhere? Its
// pieces are in order then.
static bool set_fits(struct search *search, uint32_t node)
{
    const struct gr_demand *demand = &search->taker.job->demand;
    if (node != NONE) {
        struct gr_node row = gr_scope_row(&search->taker, node, true);
        search->rows--;
        return gr_place_row_tasks(gr_pool(search->taker.core), node, &row, demand, 1,
                                  search->pieces) == 1;
    }
    const struct gr_scope *scope = &search->scope;
    search->rows -= search->rows < scope->count ? search->rows : scope->count;
    bool fits = gr_scope_fill(&search->taker, scope, true, search->pieces) == demand->tasks;
    if (fits) {
        gr_pieces_sort(search->pieces, demand->tasks);
    }
    return fits;
}

struct near {
    const struct gr_piece *pieces;
    uint32_t count;
    bool is;
};

static void piece_near(void *context, const struct gr_piece *piece)
{
    struct near *near = context;
    for (uint32_t low = 0, high = near->count; low < high && !near->is;) {
        uint32_t middle = low + (high - low) / 2;
        near->is = near->pieces[middle].node == piece->node;
        if (near->pieces[middle].node < piece->node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
}

// Do all of them hold something where the job goes? Who does not would move in vain.
static bool all_near(const struct search *search, const uint32_t *slots, uint32_t count)
{
    const struct gr_core *core = search->taker.core;
    for (uint32_t i = 0; i < count; i++) {
        struct near near = {search->pieces, search->taker.job->demand.tasks, false};
        gr_jobs_pieces(core, gr_allocation_at(core, slots[i]), piece_near, &near);
        if (!near.is) {
            return false;
        }
    }
    return true;
}

// --- the rehearsal

static void give(void *context, const struct gr_piece *piece)
{
    gr_place_give(context, piece);
}

static void take(void *context, const struct gr_piece *piece)
{
    gr_place_take(context, piece);
}

// Nodes where the job goes are closed while the others look for room, or open again.
static void own_hide(const struct search *search, bool hidden)
{
    struct gr_place *place = gr_pool(search->taker.core);
    for (uint32_t i = 0; i < search->taker.job->demand.tasks; i++) {
        uint32_t node = search->pieces[i].node;
        if (i == 0 || search->pieces[i - 1].node != node) {
            gr_place_node_set_state(place, node, hidden ? GR_NODE_DRAINED : GR_NODE_UP);
        }
    }
}

static void all_hide(const struct search *search, bool hidden)
{
    if (hidden) {
        own_hide(search, true);
        gr_holds_hide(search->taker.core, true);
        gr_reserve_hide(search->taker.core, true);
    } else {
        gr_reserve_hide(search->taker.core, false);
        gr_holds_hide(search->taker.core, false);
        own_hide(search, false);
    }
}

// May a job that moves have these pieces? Of another variant than now only what quotas leave it.
static bool pieces_allowed(const struct search *search, uint32_t slot,
                           const struct gr_piece *pieces)
{
    const struct gr_core *core = search->taker.core;
    const struct gr_job *job = gr_job_at(core, slot);
    uint32_t has = gr_place_node_get(gr_pool(core), gr_jobs_first_piece(core, slot)->node)->variant;
    for (uint32_t i = 0; i < job->demand.tasks; i++) {
        uint32_t variant = gr_place_node_get(gr_pool(core), pieces[i].node)->variant;
        if (variant != has &&
            gr_quota_left(core, job->org, variant, false) < gr_demand_milli(&job->demand)) {
            return false;
        }
    }
    return true;
}

static bool larger(const struct gr_core *core, uint32_t a, uint32_t b)
{
    uint64_t milli_a = gr_demand_milli(&gr_job_at(core, a)->demand);
    uint64_t milli_b = gr_demand_milli(&gr_job_at(core, b)->demand);
    return milli_a != milli_b ? milli_a > milli_b : gr_job_at(core, a)->id < gr_job_at(core, b)->id;
}

// Would all of these find room elsewhere, the largest first? Where goes to `to`, and (unless NULL)
// to `moves`, one for each of `slots`.
static bool rehearse(const struct search *search, const uint32_t *slots, uint32_t count,
                     struct gr_defrag_move *moves)
{
    struct gr_core *core = search->taker.core;
    struct gr_place *place = gr_pool(core);
    uint32_t order[GR_DEFRAG_MOVES], done = 0, at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t to = i;
        for (; to > 0 && larger(core, slots[i], slots[order[to - 1]]); to--) {
            order[to] = order[to - 1];
        }
        order[to] = i;
    }
    for (uint32_t i = 0; i < count; i++) {
        gr_jobs_pieces(core, gr_allocation_at(core, slots[i]), give, place);
    }
    all_hide(search, true);
    for (; done < count; done++) {
        uint32_t slot = slots[order[done]];
        const struct gr_job *job = gr_job_at(core, slot);
        if (job->demand.tasks > GR_TASKS_MAX - at ||
            !gr_prefer_find(core, &job->demand, job->id * 65536, search->to + at) ||
            !pieces_allowed(search, slot, search->to + at)) {
            break;
        }
        for (uint32_t i = 0; i < job->demand.tasks; i++) {
            gr_place_take(place, &search->to[at + i]);
        }
        if (moves != NULL) {
            moves[order[done]].first = at;
            moves[order[done]].count = job->demand.tasks;
        }
        at += job->demand.tasks;
    }
    for (uint32_t i = 0; i < at; i++) {
        gr_place_give(place, &search->to[i]);
    }
    all_hide(search, false);
    for (uint32_t i = 0; i < count; i++) {
        gr_jobs_pieces(core, gr_allocation_at(core, slots[i]), take, place);
    }
    return done == count;
}

// --- the search

// A set that makes room: the best so far?
static void set_take(struct search *search, const uint32_t *slots, uint32_t count, uint32_t node)
{
    uint64_t lost = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t more = lost_of(search, slots[i]);
        lost = more > UINT64_MAX - lost ? UINT64_MAX : lost + more;
    }
    search->needed = search->needed == 0 || count < search->needed ? count : search->needed;
    if (!all_near(search, slots, count) || (search->found && lost >= search->best_lost)) {
        return;
    }
    if (search->rehearsals == 0) {
        search->cut = true;
        return;
    }
    search->rehearsals--;
    if (rehearse(search, slots, count, NULL)) {
        search->found = true;
        search->best_lost = lost;
        search->best_count = count;
        search->best_variant = search->taker.variant;
        search->best_node = node;
        memcpy(search->best, slots, count * sizeof *slots);
    }
}

// All sets of `size` of these jobs, in order.
static void sets_try(struct search *search, const uint32_t *list, uint32_t count, uint32_t size,
                     uint32_t node)
{
    uint32_t at[EXACT], slots[EXACT];
    for (uint32_t i = 0; i < size; i++) {
        at[i] = i;
    }
    while (size <= count) {
        if (search->sets == 0 || search->rows == 0) {
            search->cut = true;
            return;
        }
        search->sets--;
        for (uint32_t i = 0; i < size; i++) {
            slots[i] = list[at[i]];
        }
        marks_set(search, slots, size, true);
        bool fits = set_fits(search, node);
        marks_set(search, slots, size, false);
        if (fits) {
            set_take(search, slots, size, node);
        }
        uint32_t i = size; // the next combination
        while (i > 0 && at[i - 1] == count - size + i - 1) {
            i--;
        }
        if (i == 0) {
            return;
        }
        at[i - 1]++;
        for (; i < size; i++) {
            at[i] = at[i - 1] + 1;
        }
    }
}

// Nodes of a variant that the job may use: none that is reserved for another.
static void scope_make(struct search *search, uint32_t variant)
{
    const struct gr_core *core = search->taker.core;
    uint32_t count = 0;
    search->taker.variant = variant;
    gr_scope_make(&search->taker, &search->scope);
    for (uint32_t i = 0; i < search->scope.count; i++) {
        uint32_t node = search->scope.nodes[i];
        if (gr_kept_at(core)[node] == 0 || core->room_kept.job == search->taker.job->id) {
            search->scope.nodes[count++] = node;
        }
    }
    search->scope.count = count;
}

// All restartable jobs of the scope, in the core's scratch table.
static uint32_t scope_list(struct search *search, uint32_t *slots)
{
    struct gr_core *core = search->taker.core;
    uint32_t count = 0;
    for (uint32_t i = 0; i < search->scope.count; i++) {
        for (uint32_t t = gr_tenants_first(core, search->scope.nodes[i]); t != NONE;
             t = gr_tenants_next(core, t)) {
            uint32_t slot = gr_tenant_slot(core, t);
            if (gr_goes_at(core)[slot] == 0 && gr_victim_may(&search->taker, slot)) {
                gr_goes_at(core)[slot] = 1;
                slots[count++] = slot;
            }
        }
    }
    marks_set(search, slots, count, false);
    for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < count; i++) {
            uint32_t moving = slots[i], at = i;
            for (; at >= gap && cheaper(search, moving, slots[at - gap]); at -= gap) {
                slots[at] = slots[at - gap];
            }
            slots[at] = moving;
        }
    }
    return count;
}

// Sets of `size` jobs on the nodes of one variant.
static void variant_try(struct search *search, uint32_t size)
{
    uint32_t *all = gr_core_at(search->taker.core, search->taker.core->scratch_at);
    if (search->taker.job->demand.tasks > 1) {
        sets_try(search, all, scope_list(search, all), size, NONE);
        return;
    }
    for (uint32_t i = 0; i < search->scope.count; i++) {
        uint32_t list[PICKS];
        uint32_t node = search->scope.nodes[i];
        sets_try(search, list, list_make(search, &node, 1, list, PICKS), size, node);
    }
}

// For a gang that needs more moves than were tried: enough, then no more than needed.
static void variant_gang(struct search *search)
{
    struct gr_core *core = search->taker.core;
    struct gr_victims victims = {.slots = gr_core_at(core, core->scratch_at)};
    if (gr_victims_gang(&search->taker, &search->scope, &victims, search->pieces)) {
        marks_set(search, victims.slots, victims.count, false);
        if (victims.count <= GR_DEFRAG_MOVES) {
            set_take(search, victims.slots, victims.count, NONE);
        }
    }
}

// --- the question

// The variants that quotas leave to the job.
static bool variants_left(const struct gr_core *core, uint32_t slot,
                          uint64_t ret_variants[GR_VARIANT_WORDS])
{
    const struct gr_job *job = gr_job_at(core, slot);
    const struct gr_need *need = gr_need_at(core, gr_waits_at(core, slot)->need);
    uint64_t milli = gr_demand_milli(&job->demand), own[GR_VARIANT_WORDS];
    bool any = gr_quota_variants(core, need, job->org, milli, false, ret_variants);
    if (gr_quota_variants(core, need, job->org, milli, true, own)) {
        for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
            ret_variants[w] = (any ? ret_variants[w] : 0) | own[w];
        }
        any = true;
    }
    return any && gr_terms_allow(core, job->org, job->user, milli) == GR_REFUSED_NOTHING;
}

// Does it fit when nobody moves, or never if all do? On the nodes of any variant that is left.
static bool variants_fit(struct search *search, const uint64_t variants[GR_VARIANT_WORDS], bool all)
{
    struct gr_core *core = search->taker.core;
    uint32_t *slots = gr_core_at(core, core->scratch_at);
    for (uint32_t v = 0; v < core->variant_count; v++) {
        if ((variants[v / 64] >> v % 64 & 1) == 0) {
            continue;
        }
        scope_make(search, v);
        uint32_t count = all ? scope_list(search, slots) : 0;
        marks_set(search, slots, count, true);
        bool fits = set_fits(search, NONE);
        marks_set(search, slots, count, false);
        if (fits) {
            return true;
        }
    }
    return false;
}

static void search_run(struct search *search, const uint64_t variants[GR_VARIANT_WORDS])
{
    const struct gr_core *core = search->taker.core;
    for (uint32_t size = 1; size <= EXACT + 1 && !search->found; size++) {
        for (uint32_t v = 0; v < core->variant_count; v++) {
            if ((variants[v / 64] >> v % 64 & 1) == 0) {
                continue;
            }
            scope_make(search, v);
            if (size <= EXACT) {
                variant_try(search, size);
            } else if (search->taker.job->demand.tasks > 1) {
                variant_gang(search);
            }
        }
        if (search->found && size <= EXACT && !search->cut) {
            return;
        }
    }
    search->cut = true;
}

// The moves in order of ids, and the pieces of all.
static void answer_fill(struct search *search, struct gr_defrag *defrag)
{
    struct gr_core *core = search->taker.core;
    uint32_t *slots = search->best;
    for (uint32_t i = 1; i < search->best_count; i++) {
        uint32_t moving = slots[i], at = i;
        for (; at > 0 && gr_job_at(core, moving)->id < gr_job_at(core, slots[at - 1])->id; at--) {
            slots[at] = slots[at - 1];
        }
        slots[at] = moving;
    }
    scope_make(search, search->best_variant);
    marks_set(search, slots, search->best_count, true);
    bool fits = set_fits(search, search->best_node);
    marks_set(search, slots, search->best_count, false);
    fits = fits && rehearse(search, slots, search->best_count, defrag->moves);
    assert(fits);
    (void)fits;
    for (uint32_t i = 0; i < search->best_count; i++) {
        defrag->moves[i].job = gr_job_at(core, slots[i])->id;
        defrag->moves[i].lost = lost_of(search, slots[i]);
    }
    defrag->move_count = search->best_count;
    defrag->lost = search->best_lost;
    defrag->is_fewest = !search->cut;
}

void gr_core_defrag(struct gr_core *core, int64_t at_ms, uint64_t job, struct gr_piece *pieces,
                    struct gr_piece *to, struct gr_defrag *ret_defrag)
{
    assert(core != NULL && pieces != NULL && to != NULL && ret_defrag != NULL);
    uint32_t slot = gr_core_job_slot(core, job);
    uint64_t variants[GR_VARIANT_WORDS];
    memset(ret_defrag, 0, sizeof *ret_defrag);
    if (slot == NONE || gr_job_at(core, slot)->state != GR_JOB_WAITING ||
        gr_hold_find(core, job) != NULL) {
        ret_defrag->answer = GR_DEFRAG_NOT_WAITING;
        return;
    }
    struct search search = {
        .taker = {.core = core, .job = gr_job_at(core, slot), .at_ms = at_ms, .moves = true},
        .pieces = pieces,
        .to = to,
        .sets = SETS,
        .rows = ROWS,
        .rehearsals = REHEARSALS};
    gr_reclaim_try(core, 0); // as it will be asked before each stop
    if (!variants_left(core, slot, variants)) {
        ret_defrag->answer = GR_DEFRAG_BARRED;
    } else if (variants_fit(&search, variants, false)) {
        ret_defrag->answer = GR_DEFRAG_FITS;
    } else if (!variants_fit(&search, variants, true)) {
        ret_defrag->answer = GR_DEFRAG_FEW;
    } else {
        search_run(&search, variants);
        ret_defrag->needed = search.needed;
        ret_defrag->answer = search.found        ? GR_DEFRAG_FOUND
                             : search.needed > 0 ? GR_DEFRAG_NOWHERE
                                                 : GR_DEFRAG_MANY;
        if (search.found) {
            answer_fill(&search, ret_defrag);
        }
    }
    gr_reclaim_tried(core, 0);
}

struct gr_event gr_decide_defrag(struct gr_core *core, int64_t at_ms, uint64_t job,
                                 const struct gr_piece *pieces, const struct gr_defrag *defrag)
{
    assert(defrag->answer == GR_DEFRAG_FOUND);
    uint32_t *slots = gr_core_at(core, core->scratch_at);
    for (uint32_t i = 0; i < defrag->move_count; i++) {
        slots[i] = gr_core_job_slot(core, defrag->moves[i].job);
    }
    struct gr_victims victims = {.slots = slots, .count = defrag->move_count};
    return gr_hold_fact(core, at_ms, gr_core_job_find(core, job), &victims, GR_STOP_MOVE, pieces);
}
