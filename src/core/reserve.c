// Room for the first blocked job, so that those behind it do not delay it (EASY: Lifka, "The
// ANL/IBM SP Scheduling System", JSSPP 1995).
#include "core/prefer.h"
#include "core/state.h"
#include "core/window_parts.h"

#define NONE UINT32_MAX
// Work without a time limit is expected to last so long, and then for so long at a time: without a
// guess nothing could ever be kept for who waits behind it.
#define GUESS_MS INT64_C(86400000)
#define GUESS_MORE_MS INT64_C(3600000)

int64_t gr_reserve_end(const struct gr_core *core, const struct gr_job *job, int64_t at_ms)
{
    int64_t limit = job->limit_ms;
    int64_t more = 1;
    if (limit == 0 && core->order == GR_ORDER_FAIR) {
        limit = GUESS_MS;
        more = GUESS_MORE_MS;
    }
    if (limit == 0 || limit > INT64_MAX - job->started_ms) {
        return INT64_MAX;
    }
    int64_t end = job->started_ms + limit;
    return end > at_ms ? end : at_ms < INT64_MAX - more ? at_ms + more : INT64_MAX;
}

static bool ends_before(const struct gr_core *core, int64_t at_ms, uint32_t a, uint32_t b)
{
    int64_t end_a = gr_reserve_end(core, gr_job_at(core, a), at_ms);
    int64_t end_b = gr_reserve_end(core, gr_job_at(core, b), at_ms);
    return end_a != end_b ? end_a < end_b : a < b;
}

static void ends_sift(const struct gr_core *core, int64_t at_ms, uint32_t *slots, uint32_t root,
                      uint32_t count)
{
    uint32_t moving = slots[root];
    for (uint32_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && ends_before(core, at_ms, slots[child], slots[child + 1])) {
            child++;
        }
        if (!ends_before(core, at_ms, moving, slots[child])) {
            break;
        }
        slots[root] = slots[child];
        root = child;
    }
    slots[root] = moving;
}

// Lists the slots of running jobs with a limit in order of their ends. Returns how many.
static uint32_t ends_list(struct gr_core *core, int64_t at_ms, uint32_t *slots)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < core->job_top; s++) {
        const struct gr_job *job = gr_job_at(core, s);
        if (job->state == GR_JOB_RUNNING && gr_reserve_end(core, job, at_ms) != INT64_MAX) {
            slots[count++] = s;
        }
    }
    for (uint32_t root = count / 2; root-- > 0;) {
        ends_sift(core, at_ms, slots, root, count);
    }
    for (uint32_t left = count; left > 1; left--) {
        uint32_t last = slots[left - 1];
        slots[left - 1] = slots[0];
        slots[0] = last;
        ends_sift(core, at_ms, slots, 0, left - 1);
    }
    return count;
}

static void give(void *context, const struct gr_piece *piece)
{
    gr_place_give(context, piece);
}

static void take(void *context, const struct gr_piece *piece)
{
    gr_place_take(context, piece);
}

// True if the job fits the pool as it is; the totals say no at less cost.
static bool reserve_fits(struct gr_core *core, const struct gr_job *job, struct gr_piece *pieces)
{
    uint64_t wanted =
        (uint64_t)job->demand.tasks * job->demand.shape.devices * job->demand.shape.milli;
    return gr_place_totals_get(gr_pool(core)).free_milli[GR_NODE_UP] >= wanted &&
           gr_prefer_find(core, &job->demand, job->id * 65536, pieces);
}

// Gives back what the jobs of these slots hold, from `now` jobs given to `then`; or takes it again.
static void reserve_give(struct gr_core *core, const uint32_t *slots, uint32_t now, uint32_t then)
{
    for (; now < then; now++) {
        gr_jobs_pieces(core, gr_allocation_at(core, slots[now]), give, gr_pool(core));
    }
    for (; now > then; now--) {
        gr_jobs_pieces(core, gr_allocation_at(core, slots[now - 1]), take, gr_pool(core));
    }
}

// Without shares: gives running jobs back to the pool in order of their ends until `job` fits,
// notes when and where, and takes everything again. More room never makes a demand unfit, so the
// number of jobs is found by steps that double and then halve: the question is asked a few dozen
// times, not once a running job.
struct gr_event gr_reserve(struct gr_core *core, int64_t at_ms, const struct gr_job *job,
                           struct gr_piece *pieces)
{
    struct gr_event event = gr_decide_fact(core, at_ms, GR_ROOM_RESERVED);
    event.reserved.job = job->id;
    event.reserved.start_ms = INT64_MAX;
    if (core->order == GR_ORDER_FAIR) {
        if (gr_ready_find(core, at_ms, job, pieces, &event.reserved.start_ms)) {
            event.pieces = pieces;
            event.piece_count = job->demand.tasks;
        }
        return event;
    }
    gr_window_skip_gang(core, job, at_ms);
    uint32_t *slots = gr_core_at(core, core->scratch_at);
    uint32_t count = ends_list(core, at_ms, slots);
    uint32_t low = 0, high = 0; // too few were given; enough
    bool fits = false;
    while (!fits && low < count) {
        high = count - low > low + 1 ? 2 * low + 1 : count;
        reserve_give(core, slots, low, high);
        fits = reserve_fits(core, job, pieces);
        low = fits ? low : high;
    }
    uint32_t given = high;
    while (fits && high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        reserve_give(core, slots, given, middle);
        given = middle;
        *(reserve_fits(core, job, pieces) ? &high : &low) = middle;
    }
    if (fits) {
        reserve_give(core, slots, given, high);
        given = high;
        bool found = reserve_fits(core, job, pieces); // the pieces of the last yes
        assert(found);
        (void)found;
        event.reserved.start_ms = gr_reserve_end(core, gr_job_at(core, slots[high - 1]), at_ms);
        event.pieces = pieces;
        event.piece_count = job->demand.tasks;
    }
    reserve_give(core, slots, given, 0);
    gr_window_skip(core, job, at_ms, false);
    return event;
}

void gr_reserve_hide(struct gr_core *core, bool hidden)
{
    struct gr_place *place = gr_pool(core);
    uint32_t left = core->room_kept.node_count;
    for (uint32_t n = 0; left > 0; n++) {
        assert(n < gr_place_node_count(place));
        if (gr_kept_at(core)[n] == 0) {
            continue;
        }
        left--;
        enum gr_node_state state = (enum gr_node_state)gr_place_node_get(place, n)->state;
        if (hidden && state == GR_NODE_UP) {
            gr_kept_at(core)[n] = 2;
            gr_place_node_set_state(place, n, GR_NODE_DRAINED);
        } else if (!hidden && gr_kept_at(core)[n] == 2) {
            gr_kept_at(core)[n] = 1;
            gr_place_node_set_state(place, n, GR_NODE_UP);
        }
    }
}
