// Looks values up: see value.h. Integers only, so that every way to a score gives the same one.
#include "place/value.h"

#include <string.h>

// Premiums of H: see docs/design/policy.md. `hold[f]` counts for each demand of k > 1 devices in
// how many ways more than none f wholly free devices could begin one.
static void hold_fill(const struct gr_market *market, uint32_t percent, uint32_t g,
                      struct gr_value_group *group)
{
    for (unsigned f = 0; f <= GR_NODE_DEVICES_MAX; f++) {
        double hold = 0;
        for (uint32_t l = 0; l < market->line_count; l++) {
            const struct gr_market_line *line = &market->lines[l];
            if (line->devices > 1 && line->devices <= f && (line->groups >> g & 1) != 0) {
                hold += (double)line->weight * GR_DEVICE_MILLI * (f - line->devices + 1u);
            }
        }
        group->hold[f] = (int32_t)(hold * percent / 100 + 0.5);
    }
}

void gr_value_tune(const struct gr_market *market, const struct gr_value_scratch *scratch,
                   const struct gr_value_knobs *knobs, struct gr_value *value)
{
    assert(market != NULL && scratch != NULL && knobs != NULL && value != NULL);
    assert(knobs->bucket_milli > 0 && knobs->scaled <= 1);
    assert(knobs->patience < GR_VALUE_PATIENCES);
    value->scaled = knobs->scaled;
    value->bucket_milli = knobs->bucket_milli;
    memcpy(value->usable, scratch->usable[knobs->patience],
           value->usable_count * sizeof value->usable[0]);
    for (uint32_t g = 0; g < value->group_count; g++) {
        hold_fill(market, knobs->hold_percent, g, &value->groups[g]);
    }
}

struct gr_value_scale gr_value_scale_get(const struct gr_value *value)
{
    assert(value != NULL);
    int32_t bucket = (int32_t)value->bucket_milli;
    // A quarter of the scores for gains, as far as gains are usual.
    int32_t offset = 63 * bucket < 1260 ? 63 * bucket : 1260;
    return (struct gr_value_scale){
        .offset = offset, .limit = 254 * bucket, .factor = 65536 / bucket};
}

bool gr_value_look(const struct gr_value *value, const struct gr_node *node,
                   struct gr_value_view *ret_view)
{
    assert(value != NULL && node != NULL && ret_view != NULL);
    uint32_t g = value->group_of[node->site][node->variant];
    if (g >= value->group_count) {
        return false;
    }
    const struct gr_value_group *group = &value->groups[g];
    struct gr_value_view view = {.value = value, .group = group, .node = node};
    int32_t premium = node->whole > 0 ? group->hold[node->whole] - group->hold[node->whole - 1] : 0;
    for (unsigned i = 0; i < node->devices; i++) {
        uint16_t free = node->free[i];
        view.milli += free;
        view.worth += group->worth[free / GR_MARKET_STEP];
        unsigned d = 0;
        while (d < view.distinct && view.free[d] != free) {
            d++;
        }
        if (d == view.distinct) {
            view.free[d] = free;
            view.first[d] = (uint8_t)i;
            view.premium[d] = free == GR_DEVICE_MILLI ? premium : 0;
            view.distinct++;
        }
    }
    view.worth += group->hold[node->whole];
    struct gr_value_after now = gr_value_left(&view, 0, 0);
    uint32_t column = gr_value_column(group, (int32_t)node->cpu_milli);
    view.now = gr_value_worth(now.fixed, now.slope, value->usable[now.row_at + column]);
    *ret_view = view;
    return true;
}

int32_t gr_value_take(const struct gr_value_view *view, unsigned devices, unsigned milli,
                      unsigned *ret_device)
{
    const struct gr_value_group *group = view->group;
    if (devices == 0) {
        return 0;
    }
    if (devices > 1 || milli == GR_DEVICE_MILLI) {
        unsigned whole = view->node->whole;
        return whole < devices ? 0
                               : (int32_t)devices * group->worth[GR_VALUE_STEPS - 1] +
                                     group->hold[whole] - group->hold[whole - devices];
    }
    int32_t steps = (int32_t)(milli + GR_MARKET_STEP - 1) / GR_MARKET_STEP;
    int32_t least = INT32_MAX;
    for (unsigned d = 0; d < view->distinct; d++) {
        int32_t from = view->free[d] / GR_MARKET_STEP;
        int32_t to = from > steps ? from - steps : 0;
        int32_t loss = group->worth[from] - group->worth[to] + view->premium[d];
        if (view->free[d] >= milli && loss < least) {
            least = loss;
            *ret_device = view->first[d];
        }
    }
    return least == INT32_MAX ? 0 : least;
}

int32_t gr_value_base(const struct gr_value *value, unsigned devices, unsigned milli)
{
    if (devices == 1 && milli < GR_DEVICE_MILLI) {
        return value->base_part[(milli + GR_MARKET_STEP - 1) / GR_MARKET_STEP];
    }
    return value->base_whole[devices];
}
