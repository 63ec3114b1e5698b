// What lanes know of windows: jobs that were tried in vain because of them are not tried again
// until a window changes, or room grows where one of them may be. Nothing here is state.
#include "core/window_parts.h"

#include <string.h>

// Could any job of the lane use a node where room has grown? The one that ends first has the
// fewest windows in its way.
static bool node_helps(const struct gr_core *core, const struct gr_lane *lane, uint32_t node,
                       int64_t at_ms)
{
    const struct gr_queue *queue = gr_queue_at(core, lane->queue);
    struct gr_job shortest = {.org = queue->org,
                              .user = queue->user,
                              .limit_ms = lane->shortest_ms == INT64_MAX ? 0 : lane->shortest_ms};
    return gr_place_task_filter(gr_pool(core), node, &gr_need_at(core, lane->need)->demand) ==
               GR_FILTER_NONE &&
           !gr_window_bars(core, &shortest, node, at_ms);
}

int64_t gr_window_lane_ms(struct gr_core *core, uint32_t lane, int64_t at_ms)
{
    struct gr_lane *row = gr_lane_at(core, lane);
    if (row->barred_ms == INT64_MAX) {
        return INT64_MAX;
    }
    bool helps = core->window_count == 0 || row->barred_epoch != core->windows_epoch ||
                 core->freed_count - row->barred_freed > GR_QUEUE_FREED;
    for (uint64_t i = row->barred_freed; !helps && i < core->freed_count; i++) {
        helps = node_helps(core, row, core->freed[i % GR_QUEUE_FREED], at_ms);
    }
    row->barred_freed = core->freed_count;
    row->barred_ms = helps ? INT64_MAX : row->barred_ms;
    return row->barred_ms;
}

void gr_window_lane_bar(struct gr_core *core, uint32_t lane, int64_t limit_ms)
{
    struct gr_lane *row = gr_lane_at(core, lane);
    assert(limit_ms < INT64_MAX);
    row->barred_ms = limit_ms < 0 ? 0 : limit_ms;
    row->barred_freed = core->freed_count;
    row->barred_epoch = core->windows_epoch;
}

bool gr_window_variants(const struct gr_core *core, const struct gr_need *need,
                        const struct gr_queue *queue, uint64_t milli,
                        uint64_t ret_variants[GR_VARIANT_WORDS])
{
    bool is_mine = false, any = false;
    for (uint32_t row = 0; row < core->window_top && !is_mine; row++) {
        const struct gr_window *window = gr_window_at(core, row);
        is_mine =
            window->is_open != 0 && gr_core_window_lets(core, window, queue->org, queue->user);
    }
    memcpy(ret_variants, need->variants, sizeof need->variants);
    for (uint32_t v = 0; v < core->variant_count && is_mine; v++) {
        uint64_t bit = UINT64_C(1) << v % 64;
        bool left = gr_quota_allowed(core, queue->org, v) >= milli;
        ret_variants[v / 64] &= left ? UINT64_MAX : ~bit;
        any = any || (ret_variants[v / 64] & bit) != 0;
    }
    return any;
}
