// BestFit: least left over, half cpu and half devices, in the form that FGD's evaluation uses:
// trunc(100 * (1 - (c - a)/256000 - (G - g)/16000)). The published plugin then stretches the scores
// of the feasible nodes to 0..100; the highest stays the highest and only the highest reaches 100,
// so the choice is the same without.
#include "place/policies.h"

#include "place/published.h"

static uint8_t score(const struct gr_place *place, uint32_t node, const struct gr_shape *shape)
{
    const struct gr_node *row = gr_node_at(place, node);
    double cpu = (row->cpu_milli - shape->cpu_milli) / GR_PUBLISHED_CPU;
    double milli = (gr_published_free(row) - gr_published_asked(shape)) / GR_PUBLISHED_MILLI;
    return gr_published_score(100.0 * (1.0 - 0.5 * cpu - 0.5 * milli));
}

const struct gr_policy gr_policy_bestfit = {
    .name = "bestfit",
    .summary = "least cpu and devices left over (BestFit)",
    .score = score,
};
