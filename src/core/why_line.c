// Who comes before a waiting job: counted by lanes, not by jobs. See why.h.
#include "core/why_parts.h"

#define NONE GR_NONE
// Jobs that are counted one by one when the order has no lanes.
#define COUNT_MOST 262144

// Where a job stands; smaller comes first.
struct stand {
    bool borrows;
    uint8_t priority;
    uint32_t rank; // of its queue
    uint64_t id;
};

// What counting takes along.
struct counting {
    const struct gr_why_ask *ask;
    const uint32_t *ranks; // by queue; those without waiting jobs are not written
    // By need: twice the milli of its demand, plus 1 if it may want the same variants; and its
    // priority. There are many more lanes than needs, whose rows would be looked up from anywhere
    // in memory. NULL: no room for them.
    const uint32_t *asks;
    const uint8_t *priorities;
    struct stand mine;
    struct stand front[GR_WHY_AHEAD]; // the first in order
    uint32_t front_slots[GR_WHY_AHEAD];
    struct stand first; // of line->first
    struct gr_why_line *line;
};

static int compare_class(const struct stand *a, const struct stand *b)
{
    if (a->borrows != b->borrows) {
        return a->borrows ? 1 : -1;
    }
    if (a->priority != b->priority) {
        return a->priority > b->priority ? -1 : 1;
    }
    return a->rank == b->rank ? 0 : a->rank < b->rank ? -1 : 1;
}

static bool is_before(const struct stand *a, const struct stand *b)
{
    int class = compare_class(a, b);
    return class != 0 ? class < 0 : a->id < b->id;
}

static bool borrows(const struct gr_core *core, const struct gr_need *need, uint32_t org)
{
    uint64_t variants[GR_VARIANT_WORDS];
    return core->quota_count > 0 &&
           !gr_quota_variants(core, need, org, gr_demand_milli(&need->demand), true, variants);
}

// --- the first of those before

static void front_add(struct counting *counting, const struct stand *stand, uint32_t slot)
{
    struct gr_why *why = counting->ask->why;
    uint32_t at = why->ahead_count < GR_WHY_AHEAD ? why->ahead_count++ : GR_WHY_AHEAD - 1;
    for (; at > 0 && is_before(stand, &counting->front[at - 1]); at--) {
        counting->front[at] = counting->front[at - 1];
        counting->front_slots[at] = counting->front_slots[at - 1];
    }
    counting->front[at] = *stand;
    counting->front_slots[at] = slot;
}

// Offers jobs of a lane from its first on, as long as they are among the first of all.
static void front_offer(struct counting *counting, struct stand stand, const struct gr_lane *lane)
{
    const struct gr_core *core = counting->ask->core;
    const struct gr_why *why = counting->ask->why;
    for (uint32_t s = lane->first; s != NONE; s = gr_waits_at(core, s)->next) {
        if (why->ahead_count == GR_WHY_AHEAD &&
            compare_class(&stand, &counting->front[GR_WHY_AHEAD - 1]) > 0) {
            return;
        }
        stand.id = gr_job_at(core, s)->id;
        if (!is_before(&stand, &counting->mine) ||
            (why->ahead_count == GR_WHY_AHEAD &&
             !is_before(&stand, &counting->front[GR_WHY_AHEAD - 1]))) {
            return;
        }
        front_add(counting, &stand, s);
    }
}

// --- lanes

// The first job of a lane but this one, if it comes before all known so far and may start.
static void first_offer(struct counting *counting, struct stand stand, const struct gr_lane *lane)
{
    const struct gr_core *core = counting->ask->core;
    uint64_t variants[GR_VARIANT_WORDS];
    uint32_t known = counting->line->first;
    if (known != NONE && compare_class(&stand, &counting->first) > 0) {
        return;
    }
    uint32_t slot =
        lane->first == counting->ask->slot ? gr_waits_at(core, lane->first)->next : lane->first;
    if (slot == NONE) {
        return;
    }
    const struct gr_need *need = gr_need_at(core, lane->need);
    const struct gr_queue *queue = gr_queue_at(core, lane->queue);
    uint64_t milli = gr_demand_milli(&need->demand);
    stand.id = gr_job_at(core, slot)->id;
    if ((known == NONE || is_before(&stand, &counting->first)) &&
        gr_terms_allow(core, queue->org, queue->user, milli) == GR_REFUSED_NOTHING &&
        (!stand.borrows || gr_quota_variants(core, need, queue->org, milli, false, variants))) {
        counting->first = stand;
        counting->line->first = slot;
    }
}

static bool wants_the_same(const struct gr_need *a, const struct gr_need *b)
{
    for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
        if ((a->variants[w] & b->variants[w]) != 0) {
            return true;
        }
    }
    return false;
}

static uint32_t ask_of(const struct counting *counting, const struct gr_need *need)
{
    uint64_t milli = gr_demand_milli(&need->demand);
    assert(milli <= UINT32_MAX / 2);
    return (uint32_t)milli * 2 + wants_the_same(need, counting->ask->need);
}

// `asked`: as in counting->asks.
static void count_work(struct counting *counting, uint32_t asked, uint64_t jobs,
                       uint64_t expected_ms)
{
    uint64_t milli = asked / 2;
    counting->ask->why->position += jobs;
    counting->ask->why->ahead_milli += jobs * milli;
    counting->line->work += asked % 2 != 0 ? (unsigned __int128)milli * expected_ms : 0;
}

// A lane of the job's own queue and class: those that came before it.
static void count_older(struct counting *counting, const struct gr_lane *lane, uint32_t asked)
{
    const struct gr_core *core = counting->ask->core;
    uint64_t jobs = 0, expected_ms = 0;
    for (uint32_t s = lane->first; s != NONE; s = gr_waits_at(core, s)->next) {
        const struct gr_job *job = gr_job_at(core, s);
        if (job->id >= counting->mine.id) {
            break;
        }
        jobs++;
        expected_ms += (uint64_t)gr_queue_expected_ms(job);
    }
    count_work(counting, asked, jobs, expected_ms);
}

static void count_lane(struct counting *counting, const struct gr_lane *lane)
{
    const struct gr_core *core = counting->ask->core;
    const struct gr_need *need = gr_need_at(core, lane->need);
    bool known = counting->asks != NULL;
    struct stand stand = {.priority =
                              known ? counting->priorities[lane->need] : need->demand.priority,
                          .rank = counting->ranks[lane->queue]};
    // Who comes after it even if it stays within its own quota need not be asked whether it does.
    if (compare_class(&stand, &counting->mine) > 0) {
        return;
    }
    stand.borrows =
        core->quota_count > 0 && borrows(core, need, gr_queue_at(core, lane->queue)->org);
    int class = compare_class(&stand, &counting->mine);
    if (class > 0) {
        return;
    }
    uint32_t asked = known ? counting->asks[lane->need] : ask_of(counting, need);
    if (class < 0) {
        count_work(counting, asked, lane->jobs, lane->expected_ms);
    } else {
        count_older(counting, lane, asked);
    }
    front_offer(counting, stand, lane);
    first_offer(counting, stand, lane);
}

// Writes what is asked of each need behind the ranks, if there is room in the scratch table.
static void needs_note(struct counting *counting, uint32_t *scratch)
{
    const struct gr_core *core = counting->ask->core;
    uint64_t room = (uint64_t)core->limits.jobs * sizeof *scratch;
    uint64_t used = (uint64_t)core->queue_top * sizeof *scratch;
    if (used + (uint64_t)core->need_top * (sizeof *scratch + 1) > room) {
        return;
    }
    uint32_t *asks = scratch + core->queue_top;
    uint8_t *priorities = (uint8_t *)(asks + core->need_top);
    for (uint32_t n = 0; n < core->need_top; n++) {
        const struct gr_need *need = gr_need_at(core, n);
        if (need->jobs > 0 && need->waiting > 0) {
            asks[n] = ask_of(counting, need);
            priorities[n] = need->demand.priority;
        }
    }
    counting->asks = asks;
    counting->priorities = priorities;
}

static void count_lanes(struct counting *counting)
{
    struct gr_core *core = counting->ask->core;
    uint32_t *ranks = gr_core_at(core, core->scratch_at);
    uint32_t rank = 0;
    uint32_t queue = gr_waits_at(core, counting->ask->slot)->queue;
    assert(core->queue_top <= core->limits.jobs);
    gr_shares_order(core, counting->ask->at_ms);
    for (uint32_t q = gr_shares_first(core); q != NONE; q = gr_shares_next(core, q)) {
        ranks[q] = rank++;
    }
    counting->ranks = ranks;
    needs_note(counting, ranks);
    counting->mine =
        (struct stand){.borrows = borrows(core, counting->ask->need, counting->ask->job->org),
                       .priority = counting->ask->need->demand.priority,
                       .rank = ranks[queue],
                       .id = counting->ask->job->id};
    for (uint32_t l = 0; l < core->lane_top; l++) {
        const struct gr_lane *lane = gr_lane_at(core, l);
        if (lane->queue != NONE && lane->jobs > 0) {
            count_lane(counting, lane);
        }
    }
}

// --- why one is before

// The parent of a share; NONE: it is a root.
static uint32_t share_parent(const struct gr_core *core, uint32_t share)
{
    return share >= core->limits.orgs ? gr_queue_at(core, share - core->limits.orgs)->org
                                      : gr_core_org_get(core, share)->parent;
}

static uint32_t share_depth(const struct gr_core *core, uint32_t share)
{
    uint32_t depth = 0;
    for (uint32_t s = share_parent(core, share); s != NONE; s = share_parent(core, s)) {
        depth++;
    }
    return depth;
}

// The siblings above two different shares (themselves, maybe) that differ first from the root on.
static void siblings_find(const struct gr_core *core, uint32_t *a, uint32_t *b)
{
    uint32_t depth_a = share_depth(core, *a), depth_b = share_depth(core, *b);
    for (; depth_a > depth_b; depth_a--) {
        *a = share_parent(core, *a);
    }
    for (; depth_b > depth_a; depth_b--) {
        *b = share_parent(core, *b);
    }
    while (*a != *b && share_parent(core, *a) != share_parent(core, *b)) {
        *a = share_parent(core, *a);
        *b = share_parent(core, *b);
    }
}

// Who a share is of, and how large it is.
static uint64_t share_show(const struct gr_why_ask *ask, uint32_t share, uint32_t *ret_org,
                           uint32_t *ret_user)
{
    const struct gr_core *core = ask->core;
    bool is_queue = share >= core->limits.orgs;
    *ret_org = is_queue ? NONE : share;
    *ret_user = is_queue ? gr_queue_at(core, share - core->limits.orgs)->user : NONE;
    return gr_share_key(core, share, ask->at_ms) >> 20;
}

static void front_show(struct counting *counting, uint32_t index)
{
    const struct gr_why_ask *ask = counting->ask;
    const struct gr_core *core = ask->core;
    const struct stand *stand = &counting->front[index];
    const struct gr_job *job = gr_job_at(core, counting->front_slots[index]);
    struct gr_why_ahead *ahead = &ask->why->ahead[index];
    *ahead = (struct gr_why_ahead){.job = job->id,
                                   .priority = job->demand.priority,
                                   .milli = gr_demand_milli(&job->demand),
                                   .org = NONE,
                                   .user = NONE,
                                   .own_org = NONE,
                                   .own_user = NONE};
    ahead->before = stand->borrows != counting->mine.borrows     ? GR_BEFORE_OWN
                    : stand->priority != counting->mine.priority ? GR_BEFORE_PRIORITY
                    : stand->rank != counting->mine.rank         ? GR_BEFORE_SHARE
                                                                 : GR_BEFORE_ARRIVAL;
    if (ahead->before == GR_BEFORE_SHARE) {
        uint32_t theirs =
            core->limits.orgs + gr_waits_at(core, counting->front_slots[index])->queue;
        uint32_t mine = core->limits.orgs + gr_waits_at(core, ask->slot)->queue;
        siblings_find(core, &theirs, &mine);
        ahead->share = share_show(ask, theirs, &ahead->org, &ahead->user);
        ahead->own_share = share_show(ask, mine, &ahead->own_org, &ahead->own_user);
    }
}

// --- orders without lanes

static void count_jobs(struct counting *counting)
{
    const struct gr_why_ask *ask = counting->ask;
    struct gr_core *core = ask->core;
    uint32_t count = 0;
    counting->mine = (struct stand){.priority = ask->job->demand.priority, .id = UINT64_MAX};
    for (uint32_t s = gr_jobs_first(core); s != ask->slot; s = gr_jobs_after(core, s), count++) {
        const struct gr_job *job = gr_job_at(core, s);
        struct stand stand = {.priority = job->demand.priority, .id = count};
        assert(s != NONE);
        if (count == COUNT_MOST) {
            ask->why->is_position_cut = true;
            return;
        }
        count_work(counting, ask_of(counting, gr_need_at(core, gr_waits_at(core, s)->need)), 1,
                   (uint64_t)gr_queue_expected_ms(job));
        if (ask->why->ahead_count < GR_WHY_AHEAD) {
            front_add(counting, &stand, s);
        }
    }
}

struct gr_why_line gr_why_line_count(const struct gr_why_ask *ask)
{
    struct gr_why_line line = {.first = NONE};
    struct counting counting = {.ask = ask, .line = &line};
    ask->why->position = 1;
    if (ask->core->order == GR_ORDER_FAIR) {
        count_lanes(&counting);
    } else {
        count_jobs(&counting);
    }
    for (uint32_t i = 0; i < ask->why->ahead_count; i++) {
        front_show(&counting, i);
    }
    return line;
}
