// GpuPacking: used devices before free ones, used nodes before empty ones (MLaaS, NSDI 2022), in
// the form that FGD's evaluation uses.
#include "place/policies.h"

#include "place/published.h"

static unsigned most(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static uint8_t score(const struct gr_place *place, uint32_t node, const struct gr_shape *shape)
{
    const struct gr_node *row = gr_node_at(place, node);
    if (shape->devices == 0) {
        return gr_published_score(0);
    }
    if (row->whole == row->devices) { // an empty node; the smaller the better
        return gr_published_score(row->whole < 33 ? most(33u - row->whole, row->whole)
                                                  : row->whole);
    }
    if (!gr_shape_is_fraction(shape)) { // opens that many free devices of a used node
        return gr_published_score(most(50u - shape->devices, 33));
    }
    unsigned left = row->free[gr_choose_tightest(row, shape->milli)];
    if (left == GR_DEVICE_MILLI) {
        return gr_published_score(most(50 - 1, 33));
    }
    return gr_published_score(most(100 - 100 * left / GR_DEVICE_MILLI / 10, 50));
}

static bool cpu_lowers(const struct gr_place *place)
{
    (void)place;
    return true; // it does not count
}

const struct gr_policy gr_policy_packing = {
    .name = "packing",
    .summary = "used devices before free ones, used nodes before empty ones (GpuPacking)",
    .score = score,
    .cpu_lowers = cpu_lowers,
};
