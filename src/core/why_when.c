// When a waiting job can start, as a band. docs/design/queue.md has the formula and says what it is
// worth. See why.h.
#include "core/tenants.h"
#include "core/why_parts.h"

#include <stdlib.h>

#define NONE GR_NONE
// Pools of more nodes are looked at in part: every so manieth node.
#define NODES_MOST 2048
#define NODES_SAMPLED 512
// Ends on a node that are looked at.
#define ENDS 32

static int64_t add(int64_t at_ms, uint64_t ms)
{
    return ms > (uint64_t)(INT64_MAX - at_ms) ? INT64_MAX : at_ms + (int64_t)ms;
}

// --- ends

// When a node takes a task, by the ends of who holds it; INT64_MAX: never. Notes if an end is
// guessed.
static int64_t node_when(const struct gr_why_ask *ask, uint32_t node, bool *guessed)
{
    const struct gr_core *core = ask->core;
    struct gr_node row = *gr_place_node_get(gr_pool(core), node);
    int64_t last = ask->at_ms;
    for (unsigned step = 0; step < ENDS; step++) {
        if (gr_place_row_tasks(gr_pool(core), node, &row, &ask->job->demand, 1, NULL) == 1) {
            return last;
        }
        int64_t next = INT64_MAX;
        for (uint32_t t = gr_tenants_first(core, node); t != NONE; t = gr_tenants_next(core, t)) {
            const struct gr_job *job = gr_job_at(core, gr_tenant_slot(core, t));
            int64_t end = gr_reserve_end(core, job, ask->at_ms);
            next = end > last && end < next ? end : next;
        }
        if (next == INT64_MAX) {
            break;
        }
        for (uint32_t t = gr_tenants_first(core, node); t != NONE; t = gr_tenants_next(core, t)) {
            const struct gr_job *job = gr_job_at(core, gr_tenant_slot(core, t));
            if (gr_reserve_end(core, job, ask->at_ms) == next) {
                gr_tenant_give(core, t, &row);
                *guessed = *guessed || job->limit_ms == 0;
            }
        }
        last = next;
    }
    return INT64_MAX;
}

static int by_time(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

// As gr_ready_find, from some of the nodes, as if those between them were like them and tasks did
// not share domains.
static bool ready_sampled(const struct gr_why_ask *ask, int64_t *ret_ms, bool *guessed)
{
    const struct gr_place *place = gr_pool(ask->core);
    int64_t times[NODES_SAMPLED];
    uint32_t step = (gr_place_node_count(place) + NODES_SAMPLED - 1) / NODES_SAMPLED, count = 0;
    uint32_t wanted = (ask->job->demand.tasks + step - 1) / step;
    for (uint32_t n = 0; n < gr_place_node_count(place); n += step) {
        if (gr_place_filter(place, n, &ask->job->demand.shape) >= GR_FILTER_DEVICES) {
            int64_t time = node_when(ask, n, guessed);
            times[count] = time;
            count += time != INT64_MAX;
        }
    }
    if (count < wanted) {
        return false;
    }
    qsort(times, count, sizeof *times, by_time);
    *ret_ms = times[wanted - 1];
    return true;
}

// Is one of those who hold these nodes without a time limit?
static bool is_guessed(const struct gr_why_ask *ask)
{
    const struct gr_core *core = ask->core;
    uint32_t last = NONE;
    for (uint32_t i = 0; i < ask->job->demand.tasks; i++) {
        uint32_t node = ask->pieces[i].node;
        for (uint32_t t = node == last ? NONE : gr_tenants_first(core, node); t != NONE;
             t = gr_tenants_next(core, t)) {
            if (gr_job_at(core, gr_tenant_slot(core, t))->limit_ms == 0) {
                return true;
            }
        }
        last = node;
    }
    return false;
}

// When there is room for it by the expected ends of what runs, if nobody came before it.
static bool ready_find(const struct gr_why_ask *ask, int64_t *ret_ms, bool *guessed)
{
    const struct gr_core *core = ask->core;
    struct gr_why *why = ask->why;
    if (why->reason == GR_WHY_FREEING) {
        *ret_ms = why->kept_ms;
        return true;
    }
    if (why->reason == GR_WHY_RESERVED) { // when the one for whom it is kept has ended, too
        const struct gr_job *kept = gr_core_job_find(core, why->kept_job);
        *guessed = kept->limit_ms == 0;
        *ret_ms = why->kept_ms == INT64_MAX
                      ? INT64_MAX
                      : add(why->kept_ms, (uint64_t)gr_queue_expected_ms(kept));
        return *ret_ms != INT64_MAX;
    }
    if (core->room_kept.job == ask->job->id && core->room_kept.start_ms > ask->at_ms &&
        core->room_kept.start_ms != INT64_MAX) {
        *ret_ms = core->room_kept.start_ms;
        *guessed = false;
        return true;
    }
    why->is_sampled = gr_place_node_count(gr_pool(core)) > NODES_MOST;
    if (why->is_sampled) {
        return ready_sampled(ask, ret_ms, guessed);
    }
    bool found = gr_ready_find(core, ask->at_ms, ask->job, ask->pieces, ret_ms);
    *guessed = found && is_guessed(ask);
    return found;
}

void gr_why_when(const struct gr_why_ask *ask, unsigned __int128 work)
{
    struct gr_why *why = ask->why;
    int64_t ready_ms = ask->at_ms;
    bool guessed = false;
    bool waits_for_room = why->reason >= GR_WHY_FREEING;
    if (!waits_for_room || !ready_find(ask, &ready_ms, &guessed) || ready_ms == INT64_MAX) {
        return;
    }
    bool is_next = ask->core->room_kept.job == ask->job->id || why->reason == GR_WHY_FREEING;
    unsigned __int128 queued =
        is_next || why->room.capacity_milli == 0 ? 0 : work / why->room.capacity_milli;
    uint64_t queued_ms = queued > INT64_MAX ? INT64_MAX : (uint64_t)queued;
    uint64_t ready_in = ready_ms > ask->at_ms ? (uint64_t)(ready_ms - ask->at_ms) : 0;
    why->estimate = guessed ? GR_ESTIMATE_GUESSED : GR_ESTIMATE_GOOD;
    why->earliest_ms = add(ask->at_ms, ready_in / 8);
    why->likely_ms = add(ask->at_ms, ready_in / 2 + queued_ms / 2);
    why->latest_ms = add(add(ask->at_ms, ready_in), queued_ms);
}
