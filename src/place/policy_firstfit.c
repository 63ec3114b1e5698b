// The lowest node number that fits. Nothing but the index: its rate is the index's.
#include "place/policies.h"

#include "place/state.h"

static uint8_t score(const struct gr_place *place, uint32_t node, const struct gr_shape *shape)
{
    (void)place;
    (void)node;
    (void)shape;
    return 1;
}

static void chunk_ones(const uint8_t *restrict fits, uint8_t *restrict ret_scores)
{
    for (size_t i = 0; i < GR_LANES; i++) {
        ret_scores[i] = fits[i] & 1;
    }
}

static void score_slots(const struct gr_place *place, uint32_t node, const uint8_t *fits,
                        uint8_t *ret_scores)
{
    (void)node;
    for (uint32_t at = 0; at < place->stride; at += GR_LANES) {
        chunk_ones(fits + at, ret_scores + at);
    }
}

static bool cpu_lowers(const struct gr_place *place)
{
    (void)place;
    return true; // it does not count
}

const struct gr_policy gr_policy_firstfit = {
    .name = "firstfit",
    .summary = "the lowest node number that fits",
    .score = score,
    .cpu_lowers = cpu_lowers,
    .score_slots = score_slots,
};
