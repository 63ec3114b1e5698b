// What windows may be set, and which nodes are best for one: see windows.h. Pure.
#include "core/tenants.h"
#include "core/window_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NONE UINT32_MAX

// --- what stands against one

// Writes a sentence; returns the field.
__attribute__((format(printf, 4, 5))) static const char *wrong(const char *field, char *text,
                                                               size_t size, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, size, format, list);
    va_end(list);
    return field;
}

static const char *times_wrong(int64_t at_ms, const struct gr_window *window, char *text,
                               size_t size)
{
    if (window->start_ms < at_ms) {
        return wrong("from", text, size, "it is past; a window begins now or later");
    }
    if (window->start_ms - at_ms > GR_WINDOW_MS_MAX) {
        return wrong("from", text, size, "it is more than ten years ahead");
    }
    if (window->length_ms < 1 || window->length_ms > GR_WINDOW_MS_MAX) {
        return wrong("length", text, size, "it must be more than nothing and at most ten years");
    }
    if (window->every_ms < 0 || window->every_ms > GR_WINDOW_MS_MAX) {
        return wrong("every", text, size, "it must be more than nothing and at most ten years");
    }
    if (window->every_ms != 0 && window->every_ms < window->length_ms) {
        return wrong("every", text, size,
                     "it would overlap itself: it lasts %lld s and comes every %lld s; make it "
                     "shorter, or let it come less often",
                     (long long)(window->length_ms / 1000), (long long)(window->every_ms / 1000));
    }
    if (window->every_ms == 0 ? window->times != 1 : window->times == 1) {
        return wrong("times", text, size,
                     window->every_ms == 0 ? "without an interval a window comes once"
                                           : "a window with an interval comes at least twice; "
                                             "leave the interval out for one that comes once");
    }
    return NULL;
}

static const char *whose_wrong(const struct gr_core *core, const struct gr_window *window,
                               char *text, size_t size)
{
    if (window->which == GR_WINDOW_MAINTENANCE) {
        return window->org == NONE && window->user == NONE
                   ? NULL
                   : wrong("for", text, size, "maintenance is for nobody; leave this out");
    }
    if (window->org >= core->org_count) {
        return wrong("for", text, size, "a reservation is for an organisation that is known");
    }
    if (window->user != NONE &&
        (window->user >= core->user_count || gr_user_at(core, window->user)->org != window->org)) {
        return wrong("for", text, size, "there is no such user in that organisation");
    }
    return NULL;
}

// The first node of the ranges that is of a window, or NONE.
static uint32_t shared_node(const struct gr_core *core, uint32_t row, const struct gr_range *ranges,
                            uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t n = ranges[i].first; n < ranges[i].first + ranges[i].count; n++) {
            if (gr_window_has(core, row, n)) {
                return n;
            }
        }
    }
    return NONE;
}

static const char *nodes_wrong(const struct gr_core *core, const struct gr_window *window,
                               const struct gr_range *ranges, uint32_t count, char *text,
                               size_t size)
{
    uint64_t end = 0;
    if (count == 0 || count > GR_WINDOW_RANGES_MAX) {
        return wrong("nodes", text, size,
                     count == 0 ? "there must be at least one"
                                : "they lie in more than %u groups of neighbours; set several "
                                  "windows",
                     GR_WINDOW_RANGES_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (ranges[i].count == 0 || (i > 0 && ranges[i].first <= end)) {
            return wrong("nodes", text, size, "they are not in order");
        }
        end = (uint64_t)ranges[i].first + ranges[i].count;
    }
    if (end > gr_place_node_count(gr_pool(core))) {
        return wrong("nodes", text, size, "there is no node %llu", (unsigned long long)end - 1);
    }
    for (uint32_t row = 0; row < core->window_top; row++) {
        const struct gr_window *other = gr_window_at(core, row);
        uint32_t node = other->id == 0 || !gr_windows_overlap(window, other)
                            ? NONE
                            : shared_node(core, row, ranges, count);
        if (node != NONE) {
            return wrong("nodes", text, size,
                         "%s is in the window %s at some of these times; choose other nodes or "
                         "times, or end that one",
                         gr_place_cold_get(gr_pool(core), node)->name, other->name);
        }
    }
    return NULL;
}

const char *gr_window_wrong(const struct gr_core *core, int64_t at_ms,
                            const struct gr_window *window, const struct gr_range *ranges,
                            uint32_t count, char *text, size_t size)
{
    assert(core != NULL && window != NULL && text != NULL && size > 0);
    const char *field = times_wrong(at_ms, window, text, size);
    field = field != NULL ? field : whose_wrong(core, window, text, size);
    if (field == NULL && gr_core_window_named(core, window->name) != NULL) {
        field = wrong("name", text, size, "there is a window %s already; end it, or choose another",
                      window->name);
    }
    if (field == NULL && core->window_count == GR_WINDOWS_MAX) {
        field = wrong("name", text, size, "there are %u windows, the most there can be; end one",
                      GR_WINDOWS_MAX);
    }
    return field != NULL ? field : nodes_wrong(core, window, ranges, count, text, size);
}

// --- who is there

static bool stays(const struct gr_core *core, const struct gr_window *window,
                  const struct gr_job *job, int64_t at_ms)
{
    int64_t left = window->start_ms - at_ms;
    int64_t ran = at_ms > job->started_ms ? at_ms - job->started_ms : 0;
    return gr_core_window_lets(core, window, job->org, job->user) ||
           (job->limit_ms > 0 && job->limit_ms - ran <= left);
}

uint32_t gr_window_hits(const struct gr_core *core, int64_t at_ms, const struct gr_window *window,
                        const struct gr_range *ranges, uint32_t count, uint64_t *ret_jobs,
                        uint32_t most)
{
    uint32_t hits = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t n = ranges[i].first; n < ranges[i].first + ranges[i].count; n++) {
            for (uint32_t t = gr_tenants_first(core, n); t != NONE; t = gr_tenants_next(core, t)) {
                uint32_t slot = gr_tenant_slot(core, t);
                const struct gr_job *job = gr_job_at(core, slot);
                uint8_t *seen = (uint8_t *)gr_core_at(core, core->goes_at) + slot;
                if (*seen == 0 && !stays(core, window, job, at_ms)) {
                    *seen = 1;
                    if (hits < most) {
                        ret_jobs[hits] = job->id;
                    }
                    hits++;
                }
            }
        }
    }
    memset(gr_core_at(core, core->goes_at), 0, core->job_top); // zeros between calls
    return hits;
}

// --- nodes for one

// How well a node suits: 0 it is free of work, 1 its work stays or ends in time, 2 it does not;
// 3: it cannot be taken.
static unsigned node_rank(const struct gr_core *core, int64_t at_ms, const struct gr_window *window,
                          const struct gr_mask *mask, const uint64_t taken[GR_WINDOWS_MAX / 64],
                          uint32_t node)
{
    const struct gr_node *row = gr_place_node_get(gr_pool(core), node);
    unsigned rank = 0;
    if (row->devices == 0 || !gr_mask_has(mask, row->site, row->variant) ||
        gr_core_node_state(core, node) != GR_NODE_UP) {
        return 3;
    }
    for (uint32_t r = 0; r < core->window_top && gr_claims_at(core)[node] > 0; r++) {
        if ((taken[r / 64] >> r % 64 & 1) != 0 && gr_window_has(core, r, node)) {
            return 3;
        }
    }
    for (uint32_t t = gr_tenants_first(core, node); t != NONE && rank < 2;
         t = gr_tenants_next(core, t)) {
        rank = stays(core, window, gr_job_at(core, gr_tenant_slot(core, t)), at_ms) ? 1 : 2;
    }
    return rank;
}

// The worst rank of nodes that are needed, and how many devices of it; UINT32_MAX: there are too
// few. *ret_devices: how many there are.
static unsigned worst_rank(const uint64_t devices[3], uint64_t wanted, uint64_t *ret_left,
                           uint64_t *ret_devices)
{
    uint64_t sum = 0;
    *ret_devices = devices[0] + devices[1] + devices[2];
    for (unsigned rank = 0; rank < 3; rank++) {
        if (sum + devices[rank] >= wanted) {
            *ret_left = wanted - sum;
            return rank;
        }
        sum += devices[rank];
    }
    return UINT32_MAX;
}

uint32_t gr_window_choose(const struct gr_core *core, int64_t at_ms, const struct gr_window *window,
                          const struct gr_mask *mask, uint64_t devices, struct gr_range *ret_ranges,
                          uint32_t most, uint64_t *ret_devices)
{
    assert(core != NULL && window != NULL && mask != NULL && ret_ranges != NULL);
    uint64_t taken[GR_WINDOWS_MAX / 64] = {0}, of_rank[3] = {0}, left = 0;
    uint32_t nodes = gr_place_node_count(gr_pool(core)), count = 0;
    for (uint32_t r = 0; r < core->window_top; r++) {
        bool meets =
            gr_window_at(core, r)->id != 0 && gr_windows_overlap(window, gr_window_at(core, r));
        taken[r / 64] |= (uint64_t)meets << r % 64;
    }
    for (uint32_t n = 0; n < nodes; n++) {
        unsigned rank = node_rank(core, at_ms, window, mask, taken, n);
        of_rank[rank < 3 ? rank : 0] += rank < 3 ? gr_place_node_get(gr_pool(core), n)->devices : 0;
    }
    unsigned worst = worst_rank(of_rank, devices, &left, ret_devices);
    for (uint32_t n = 0; n < nodes && worst != UINT32_MAX; n++) {
        unsigned rank = node_rank(core, at_ms, window, mask, taken, n);
        unsigned here = gr_place_node_get(gr_pool(core), n)->devices;
        if (rank > worst || (rank == worst && left == 0)) {
            continue;
        }
        left -= rank < worst ? 0 : here < left ? here : left;
        if (count > 0 && ret_ranges[count - 1].first + ret_ranges[count - 1].count == n) {
            ret_ranges[count - 1].count++;
        } else if (count == most) {
            return 0;
        } else {
            ret_ranges[count++] = (struct gr_range){n, 1};
        }
    }
    return count;
}
