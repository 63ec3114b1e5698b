// A feasible node drawn uniformly, and a fitting device of it drawn uniformly.
//
// The draw is a hash of seed, salt and node, so that the same question has the same answer: the
// feasible node with the highest hash wins, which is uniform over them.
#include "place/policies.h"

#include "base/rng.h"
#include "place/state.h"

static unsigned device_draw(const struct gr_node *node, unsigned milli, uint64_t draw)
{
    unsigned fitting = 0;
    for (unsigned i = 0; i < node->devices; i++) {
        fitting += node->free[i] >= milli;
    }
    unsigned skip = (unsigned)(draw % fitting);
    for (unsigned i = 0;; i++) {
        assert(i < node->devices);
        if (node->free[i] >= milli && skip-- == 0) {
            return i;
        }
    }
}

static bool find(const struct gr_place *place, const struct gr_shape *shape, uint64_t salt,
                 uint32_t *ret_node, unsigned *ret_device)
{
    uint64_t base = gr_rng_mix(place->seed + GR_RNG_STEP * (salt + 1));
    uint64_t most = 0;
    bool found = false;
    for (uint32_t n = 0; n < place->node_count; n++) {
        if (gr_skips(place, n) || gr_choose_filter(place, gr_node_at(place, n),
                                                   gr_cold_at(place, n), shape) != GR_FILTER_NONE) {
            continue;
        }
        uint64_t draw = gr_rng_mix(base + n);
        if (!found || draw > most) {
            found = true;
            most = draw;
            *ret_node = n;
        }
    }
    if (found && gr_shape_is_fraction(shape)) {
        *ret_device =
            device_draw(gr_node_at(place, *ret_node), shape->milli, gr_rng_mix(most + base));
    }
    return found;
}

static uint8_t score(const struct gr_place *place, uint32_t node, const struct gr_shape *shape)
{
    (void)place;
    (void)node;
    (void)shape;
    return 1;
}

const struct gr_policy gr_policy_random = {
    .name = "random",
    .summary = "a feasible node, drawn uniformly (seeded)",
    .score = score,
    .find = find,
};
