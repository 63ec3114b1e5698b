// GpuClustering: tasks of one width together (Gandiva, OSDI 2018), in the form that FGD's
// evaluation uses. Widths: fractions, and k whole devices for each k.
#include "place/policies.h"

#include "place/published.h"

static uint8_t score(const struct gr_place *place, uint32_t node, const struct gr_shape *shape)
{
    const struct gr_node *row = gr_node_at(place, node);
    const struct gr_node_cold *cold = gr_cold_at(place, node);
    if (shape->devices == 0) {
        return gr_published_score(0);
    }
    unsigned mine = gr_shape_is_fraction(shape) ? 0 : shape->devices;
    bool others = false;
    for (unsigned k = 0; k <= GR_NODE_DEVICES_MAX; k++) {
        others |= k != mine && cold->hosted[k] > 0;
    }
    double used = GR_PUBLISHED_MILLI - gr_published_free(row);
    int base = used < 0 ? 0 : (int)(25.0 * used / GR_PUBLISHED_MILLI);
    if (cold->hosted[mine] > 0) {
        return gr_published_score(base + (others ? 50 : 75));
    }
    return gr_published_score(base + (others ? 0 : 25));
}

static bool cpu_lowers(const struct gr_place *place)
{
    (void)place;
    return true; // it does not count
}

const struct gr_policy gr_policy_clustering = {
    .name = "clustering",
    .summary = "tasks of one width together (GpuClustering)",
    .score = score,
    .cpu_lowers = cpu_lowers,
};
