// DotProd: small alignment of what is free with what is asked (notes on Tetris, SIGCOMM 2014), in
// the form that FGD's evaluation uses: 100 * (1 - d / 2), d = c/128000 * a/128000 + G/8000 *
// g/8000, with c, G free before and a, g asked.
#include "place/policies.h"

#include "place/published.h"

static uint8_t score(const struct gr_place *place, uint32_t node, const struct gr_shape *shape)
{
    const struct gr_node *row = gr_node_at(place, node);
    double cpu = row->cpu_milli / GR_PUBLISHED_CPU * (shape->cpu_milli / GR_PUBLISHED_CPU);
    double milli = gr_published_free(row) / GR_PUBLISHED_MILLI *
                   (gr_published_asked(shape) / GR_PUBLISHED_MILLI);
    return gr_published_score(100.0 * (1.0 - (cpu + milli) / 2.0));
}

const struct gr_policy gr_policy_dotprod = {
    .name = "dotprod",
    .summary = "least alignment of free and asked cpu and devices (DotProd)",
    .score = score,
};
