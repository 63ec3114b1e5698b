// What waits: needs, queues and lanes of live jobs, and shares in order. See queue.h. Rows that are
// not used are linked, last in, first out.
#include "core/queue.h"

#include "core/tenants.h"

#include <string.h>

#define NONE GR_NONE
#define DAY_MS INT64_C(86400000)

// --- rows by what they are of

static uint32_t mix(uint32_t h, uint32_t word)
{
    h = (h ^ word) * 0x9e3779b1u;
    return h ^ h >> 15;
}

static uint32_t need_hash(const struct gr_demand *demand)
{
    uint32_t words[sizeof *demand / sizeof(uint32_t)];
    uint32_t h = 3;
    memcpy(words, demand, sizeof words);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        h = mix(h, words[i]);
    }
    return h;
}

static struct gr_ids need_ids(const struct gr_core *core)
{
    return (struct gr_ids){gr_core_at(core, core->need_index_at), core->need_index_size};
}

static struct gr_ids queue_ids(const struct gr_core *core)
{
    return (struct gr_ids){gr_core_at(core, core->queue_index_at), core->queue_index_size};
}

static struct gr_ids lane_ids(const struct gr_core *core)
{
    return (struct gr_ids){gr_core_at(core, core->lane_index_at), core->lane_index_size};
}

static uint32_t need_find(const struct gr_core *core, uint32_t hash, const struct gr_demand *demand)
{
    struct gr_ids ids = need_ids(core);
    uint32_t at = gr_ids_home(ids, hash);
    uint32_t row;
    while ((row = gr_ids_next(ids, hash, &at)) != NONE) {
        if (memcmp(&gr_need_at(core, row)->demand, demand, sizeof *demand) == 0) {
            break;
        }
    }
    return row;
}

uint32_t gr_queue_find(const struct gr_core *core, uint32_t org, uint32_t user)
{
    struct gr_ids ids = queue_ids(core);
    uint32_t hash = mix(mix(1, org), user);
    uint32_t at = gr_ids_home(ids, hash);
    uint32_t row;
    while ((row = gr_ids_next(ids, hash, &at)) != NONE) {
        if (gr_queue_at(core, row)->org == org && gr_queue_at(core, row)->user == user) {
            break;
        }
    }
    return row;
}

uint32_t gr_lane_find(const struct gr_core *core, uint32_t queue, uint32_t need)
{
    struct gr_ids ids = lane_ids(core);
    uint32_t hash = mix(mix(2, queue), need);
    uint32_t at = gr_ids_home(ids, hash);
    uint32_t row;
    while ((row = gr_ids_next(ids, hash, &at)) != NONE) {
        if (gr_lane_at(core, row)->queue == queue && gr_lane_at(core, row)->need == need) {
            break;
        }
    }
    return row;
}

// --- bits

static void bit_set(uint64_t *words, uint32_t bit)
{
    words[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void bit_clear(uint64_t *words, uint32_t bit)
{
    words[bit / 64] &= ~(UINT64_C(1) << bit % 64);
}

static bool bit_get(const uint64_t *words, uint32_t bit)
{
    return (words[bit / 64] >> bit % 64 & 1) != 0;
}

// --- live jobs

void gr_queue_init(struct gr_core *core)
{
    core->need_free = core->queue_free = core->lane_free = NONE;
    core->need_top = core->queue_top = core->lane_top = core->need_words = 0;
    core->share_first = core->share_last = NONE;
    core->share_tick = 0;
    core->freed_count = 1;
    memset(core->preference_needs, 0, sizeof core->preference_needs);
    memset(core->known_tiers, 0, sizeof core->known_tiers);
}

bool gr_queue_has_room(const struct gr_core *core, const struct gr_demand *demand, uint32_t org,
                       uint32_t user)
{
    bool need = core->need_free != NONE || core->need_top < core->limits.needs;
    bool queue = core->queue_free != NONE || core->queue_top < core->limits.queues;
    return (need || need_find(core, need_hash(demand), demand) != NONE) &&
           (queue || gr_queue_find(core, org, user) != NONE);
}

// Which sites' variants a mask allows, taken together.
static void variants_of(const struct gr_mask *mask, uint64_t ret_variants[GR_VARIANT_WORDS])
{
    memset(ret_variants, 0, GR_VARIANT_WORDS * sizeof *ret_variants);
    for (unsigned s = 0; s < GR_SITES_MAX; s++) {
        for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
            ret_variants[w] |= mask->bits[s][w];
        }
    }
}

static uint32_t need_come(struct gr_core *core, const struct gr_job *job)
{
    uint32_t hash = need_hash(&job->demand);
    uint32_t row = need_find(core, hash, &job->demand);
    if (row == NONE) {
        row = core->need_free;
        if (row != NONE) {
            core->need_free = gr_need_at(core, row)->next_free;
        } else {
            assert(core->need_top < core->limits.needs);
            row = core->need_top++;
            core->need_words = row / 64 + 1;
        }
        struct gr_need *need = gr_need_at(core, row);
        *need = (struct gr_need){.demand = job->demand,
                                 .lane_first = NONE,
                                 .next_free = NONE,
                                 .share_milli = gr_share_milli(&job->demand)};
        variants_of(gr_place_mask_get(gr_pool(core), job->demand.shape.mask), need->variants);
        gr_ids_add(need_ids(core), hash, row);
        core->preference_needs[job->demand.preference]++;
    }
    gr_need_at(core, row)->jobs++;
    return row;
}

static uint32_t queue_come(struct gr_core *core, const struct gr_job *job)
{
    uint32_t row = gr_queue_find(core, job->org, job->user);
    if (row == NONE) {
        row = core->queue_free;
        if (row != NONE) {
            core->queue_free = gr_queue_at(core, row)->next_free;
        } else {
            assert(core->queue_top < core->limits.queues);
            row = core->queue_top++;
        }
        *gr_queue_at(core, row) =
            (struct gr_queue){.org = job->org, .user = job->user, .next_free = NONE};
        gr_ids_add(queue_ids(core), mix(mix(1, job->org), job->user), row);
    }
    gr_queue_at(core, row)->jobs++;
    return row;
}

void gr_queue_come(struct gr_core *core, uint32_t slot)
{
    const struct gr_job *job = gr_job_at(core, slot);
    *gr_waits_at(core, slot) = (struct gr_waits){.queue = queue_come(core, job),
                                                 .need = need_come(core, job),
                                                 .lane = NONE,
                                                 .next = NONE,
                                                 .prev = NONE};
}

void gr_queue_leave(struct gr_core *core, uint32_t slot)
{
    const struct gr_waits *waits = gr_waits_at(core, slot);
    struct gr_need *need = gr_need_at(core, waits->need);
    struct gr_queue *queue = gr_queue_at(core, waits->queue);
    assert(waits->lane == NONE && need->jobs > 0 && queue->jobs > 0);
    if (--need->jobs == 0) {
        gr_ids_remove(need_ids(core), need_hash(&need->demand), waits->need);
        core->preference_needs[need->demand.preference]--;
        *need = (struct gr_need){.next_free = core->need_free, .lane_first = NONE};
        core->need_free = waits->need;
    }
    if (--queue->jobs == 0) {
        gr_ids_remove(queue_ids(core), mix(mix(1, queue->org), queue->user), waits->queue);
        *queue = (struct gr_queue){.next_free = core->queue_free};
        core->queue_free = waits->queue;
    }
}

// --- waiting jobs

static void need_fills(struct gr_core *core, uint32_t row)
{
    unsigned priority = gr_need_at(core, row)->demand.priority;
    bit_set(gr_priority_bits(core, priority), row);
    bit_set(gr_bits_at(core, core->awake_at), row); // nothing is known
    bit_set(gr_bits_at(core, core->beside_at), row);
    gr_need_at(core, row)->slept_at = 0;
    core->needs_filled[priority / 64] |= UINT64_C(1) << priority % 64;
}

static void need_empties(struct gr_core *core, uint32_t row)
{
    unsigned priority = gr_need_at(core, row)->demand.priority;
    uint64_t *bits = gr_priority_bits(core, priority);
    bit_clear(bits, row);
    bit_clear(gr_bits_at(core, core->awake_at), row);
    bit_clear(gr_bits_at(core, core->beside_at), row);
    for (uint32_t w = 0; w < core->need_words; w++) {
        if (bits[w] != 0) {
            return;
        }
    }
    core->needs_filled[priority / 64] &= ~(UINT64_C(1) << priority % 64);
}

static uint32_t lane_open(struct gr_core *core, uint32_t queue, uint32_t need)
{
    uint32_t row = core->lane_free;
    if (row != NONE) {
        core->lane_free = gr_lane_at(core, row)->next_same;
    } else {
        assert(core->lane_top < core->limits.jobs);
        row = core->lane_top++;
    }
    uint32_t next = gr_need_at(core, need)->lane_first;
    *gr_lane_at(core, row) = (struct gr_lane){.queue = queue,
                                              .need = need,
                                              .first = NONE,
                                              .last = NONE,
                                              .shortest_ms = INT64_MAX,
                                              .barred_ms = INT64_MAX,
                                              .next_same = next,
                                              .prev_same = NONE};
    if (next != NONE) {
        gr_lane_at(core, next)->prev_same = row;
    }
    gr_need_at(core, need)->lane_first = row;
    gr_ids_add(lane_ids(core), mix(mix(2, queue), need), row);
    bit_set(gr_queue_bits(core, queue), need);
    return row;
}

static void lane_close(struct gr_core *core, uint32_t row)
{
    struct gr_lane *lane = gr_lane_at(core, row);
    if (lane->prev_same == NONE) {
        gr_need_at(core, lane->need)->lane_first = lane->next_same;
    } else {
        gr_lane_at(core, lane->prev_same)->next_same = lane->next_same;
    }
    if (lane->next_same != NONE) {
        gr_lane_at(core, lane->next_same)->prev_same = lane->prev_same;
    }
    bit_clear(gr_queue_bits(core, lane->queue), lane->need);
    gr_ids_remove(lane_ids(core), mix(mix(2, lane->queue), lane->need), row);
    *lane = (struct gr_lane){.queue = NONE, .next_same = core->lane_free};
    core->lane_free = row;
}

int64_t gr_queue_expected_ms(const struct gr_job *job)
{
    return job->limit_ms == 0             ? DAY_MS
           : job->limit_ms < 365 * DAY_MS ? job->limit_ms
                                          : 365 * DAY_MS;
}

// Puts a job into its lane by its id: at the end, but for one that waits again.
static void lane_put(struct gr_core *core, uint32_t row, uint32_t slot)
{
    struct gr_lane *lane = gr_lane_at(core, row);
    struct gr_waits *waits = gr_waits_at(core, slot);
    uint64_t id = gr_job_at(core, slot)->id;
    uint32_t after = lane->last;
    if (after != NONE && gr_job_at(core, after)->id > id) { // mostly older than all, then
        after = NONE;
        uint32_t next = lane->first;
        while (next != NONE && gr_job_at(core, next)->id < id) {
            after = next;
            next = gr_waits_at(core, next)->next;
        }
    }
    int64_t limit = gr_job_at(core, slot)->limit_ms;
    lane->shortest_ms = limit > 0 && limit < lane->shortest_ms ? limit : lane->shortest_ms;
    lane->jobs++;
    lane->expected_ms += (uint64_t)gr_queue_expected_ms(gr_job_at(core, slot));
    waits->lane = row;
    waits->prev = after;
    waits->next = after == NONE ? lane->first : gr_waits_at(core, after)->next;
    *(after == NONE ? &lane->first : &gr_waits_at(core, after)->next) = slot;
    *(waits->next == NONE ? &lane->last : &gr_waits_at(core, waits->next)->prev) = slot;
}

void gr_queue_add(struct gr_core *core, uint32_t slot)
{
    if (core->order != GR_ORDER_FAIR) {
        return;
    }
    const struct gr_waits *waits = gr_waits_at(core, slot);
    struct gr_need *need = gr_need_at(core, waits->need);
    uint32_t lane = gr_lane_find(core, waits->queue, waits->need);
    if (lane == NONE) {
        lane = lane_open(core, waits->queue, waits->need);
    }
    lane_put(core, lane, slot);
    if (need->waiting++ == 0) {
        need_fills(core, waits->need);
    }
    gr_shares_more(core, waits->queue);
}

void gr_queue_remove(struct gr_core *core, uint32_t slot)
{
    if (core->order != GR_ORDER_FAIR) {
        return;
    }
    struct gr_waits *waits = gr_waits_at(core, slot);
    struct gr_lane *lane = gr_lane_at(core, waits->lane);
    struct gr_need *need = gr_need_at(core, waits->need);
    *(waits->prev == NONE ? &lane->first : &gr_waits_at(core, waits->prev)->next) = waits->next;
    *(waits->next == NONE ? &lane->last : &gr_waits_at(core, waits->next)->prev) = waits->prev;
    lane->jobs--;
    lane->expected_ms -= (uint64_t)gr_queue_expected_ms(gr_job_at(core, slot));
    if (lane->first == NONE) {
        assert(lane->jobs == 0 && lane->expected_ms == 0);
        lane_close(core, waits->lane);
    }
    if (--need->waiting == 0) {
        need_empties(core, waits->need);
    }
    waits->lane = waits->next = waits->prev = NONE;
    gr_shares_less(core, waits->queue);
}

// --- sleep

void gr_queue_sleep(struct gr_core *core, uint32_t row, uint32_t missing)
{
    bit_clear(gr_bits_at(core, core->awake_at), row);
    bit_clear(gr_bits_at(core, core->beside_at), row);
    gr_need_at(core, row)->missing = missing;
    gr_need_at(core, row)->slept_at = core->freed_count;
}

void gr_queue_sleep_beside(struct gr_core *core, uint32_t row)
{
    bit_clear(gr_bits_at(core, core->beside_at), row);
}

uint32_t gr_queue_freed(const struct gr_core *core, uint32_t need,
                        uint32_t ret_nodes[GR_QUEUE_FREED])
{
    uint64_t slept_at = gr_need_at(core, need)->slept_at;
    uint32_t count = 0;
    if (slept_at == 0 || core->freed_count - slept_at > GR_QUEUE_FREED) {
        return NONE;
    }
    for (uint64_t i = slept_at; i < core->freed_count; i++) {
        ret_nodes[count++] = core->freed[i % GR_QUEUE_FREED];
    }
    return count;
}

// A need that may use what a node has now. A gang needs as many more tasks as it lacked.
static void need_wake(struct gr_core *core, uint32_t row, uint32_t node)
{
    struct gr_need *need = gr_need_at(core, row);
    if (need->missing > 1) {
        uint32_t more = gr_place_node_tasks(gr_pool(core), node, &need->demand);
        need->missing = need->missing > more ? need->missing - more : 0;
        if (need->missing > 0) {
            return;
        }
    }
    bit_set(gr_bits_at(core, core->awake_at), row);
    bit_set(gr_bits_at(core, core->beside_at), row);
}

// Needs of a priority that could use what a node has now wake.
static void priority_wake(struct gr_core *core, unsigned priority, uint32_t node)
{
    const uint64_t *filled = gr_priority_bits(core, priority);
    const uint64_t *awake = gr_bits_at(core, core->awake_at);
    uint64_t *beside = gr_bits_at(core, core->beside_at);
    for (uint32_t w = 0; w < core->need_words; w++) {
        // What is beside is awake, too.
        for (uint64_t bits = filled[w] & ~beside[w]; bits != 0; bits &= bits - 1) {
            uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(bits);
            const struct gr_need *need = gr_need_at(core, row);
            if (gr_place_task_filter(gr_pool(core), node, &need->demand) != GR_FILTER_NONE) {
                continue;
            }
            if (bit_get(awake, row)) {
                bit_set(beside, row);
            } else {
                need_wake(core, row, node);
            }
        }
    }
}

void gr_queue_wake_node(struct gr_core *core, uint32_t node)
{
    if (core->order != GR_ORDER_FAIR) {
        return;
    }
    core->freed[core->freed_count++ % GR_QUEUE_FREED] = node;
    for (unsigned w = 0; w < 4; w++) {
        for (uint64_t bits = core->needs_filled[w]; bits != 0; bits &= bits - 1) {
            priority_wake(core, w * 64 + (unsigned)__builtin_ctzll(bits), node);
        }
    }
}

void gr_queue_wake_all(struct gr_core *core)
{
    core->windows_epoch++;
    for (uint32_t row = 0; core->order == GR_ORDER_FAIR && row < core->need_top; row++) {
        if (gr_need_at(core, row)->waiting > 0) {
            gr_need_at(core, row)->slept_at = 0;
            bit_set(gr_bits_at(core, core->awake_at), row);
            bit_set(gr_bits_at(core, core->beside_at), row);
        }
    }
}

void gr_queue_wake_beside(struct gr_core *core)
{
    core->windows_epoch++;
    memcpy(gr_core_at(core, core->beside_at), gr_core_at(core, core->awake_at),
           core->need_words * sizeof(uint64_t));
}

void gr_queue_rebuild(struct gr_core *core)
{
    for (uint32_t o = 0; o < core->org_count; o++) {
        gr_shares_org(core, o);
    }
    gr_past_rebuild(core);
    gr_quota_rebuild(core);
    for (uint32_t s = 0; s < core->job_top; s++) {
        if (gr_job_at(core, s)->state != 0) {
            gr_queue_come(core, s);
        }
    }
    gr_tenants_rebuild(core);
    // In the order of arrival, so that a lane grows at its end.
    for (uint32_t s = gr_jobs_first(core); s != NONE; s = gr_jobs_after(core, s)) {
        gr_queue_add(core, s);
    }
}

// --- audit

// A waiting job stands in the lane of its queue and need, after an older one.
static const char *job_audit(const struct gr_core *core, uint32_t slot, bool waits)
{
    const struct gr_job *job = gr_job_at(core, slot);
    const struct gr_waits *row = gr_waits_at(core, slot);
    const struct gr_need *need = gr_need_at(core, row->need);
    const struct gr_queue *queue = gr_queue_at(core, row->queue);
    if (queue->org != job->org || queue->user != job->user ||
        memcmp(&need->demand, &job->demand, sizeof job->demand) != 0) {
        return "a job belongs to another's queue or need";
    }
    if (!waits) {
        return row->lane == NONE ? NULL : "a job that does not wait is in a lane";
    }
    if (row->lane == NONE || row->lane != gr_lane_find(core, row->queue, row->need)) {
        return "a waiting job is in no lane, or another";
    }
    if (row->prev == NONE ? gr_lane_at(core, row->lane)->first != slot
                          : gr_waits_at(core, row->prev)->next != slot ||
                                gr_job_at(core, row->prev)->id >= job->id) {
        return "a lane is not in order";
    }
    if (job->limit_ms > 0 && job->limit_ms < gr_lane_at(core, row->lane)->shortest_ms) {
        return "a job ends before the shortest of its lane";
    }
    return NULL;
}

static const char *needs_audit(const struct gr_core *core, uint64_t *ret_jobs)
{
    uint64_t waiting = 0;
    uint32_t prefer[256] = {0};
    for (uint32_t row = 0; row < core->need_top; row++) {
        const struct gr_need *need = gr_need_at(core, row);
        unsigned p = need->demand.priority;
        bool filled = bit_get(gr_priority_bits(core, p), row);
        bool awake = bit_get(gr_bits_at(core, core->awake_at), row);
        bool beside = bit_get(gr_bits_at(core, core->beside_at), row);
        *ret_jobs += need->jobs;
        prefer[need->demand.preference] += need->jobs > 0;
        waiting += need->waiting;
        if (need->waiting > need->jobs || filled != (need->waiting > 0) || (awake && !filled) ||
            (beside && !awake) || (filled && (core->needs_filled[p / 64] >> p % 64 & 1) == 0)) {
            return "what is known of a need does not fit together";
        }
        if (filled && !awake && need->demand.domain_level == 0 && core->hold_count == 0 &&
            gr_core_room_tasks(core, &need->demand) == need->demand.tasks) {
            return "a need sleeps that would find room";
        }
    }
    if (memcmp(prefer, core->preference_needs, sizeof prefer) != 0) {
        return "live jobs name other preferences than is counted";
    }
    return core->order == GR_ORDER_FAIR && waiting != core->waiting
               ? "needs count other waiting jobs than there are"
               : NULL;
}

const char *gr_queue_audit(const struct gr_core *core)
{
    uint64_t of_needs = 0, of_queues = 0, jobs = 0;
    const char *wrong = needs_audit(core, &of_needs);
    for (uint32_t s = 0; s < core->job_top && wrong == NULL; s++) {
        unsigned state = gr_job_at(core, s)->state;
        jobs += state != 0;
        wrong = state == 0
                    ? NULL
                    : job_audit(core, s, state == GR_JOB_WAITING && core->order == GR_ORDER_FAIR);
    }
    for (uint32_t q = 0; q < core->queue_top; q++) {
        of_queues += gr_queue_at(core, q)->jobs;
    }
    if (wrong == NULL && (of_needs != jobs || of_queues != jobs)) {
        wrong = "needs or queues count other jobs than there are";
    }
    return wrong;
}
