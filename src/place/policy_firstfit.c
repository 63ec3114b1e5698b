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

static void score_slots(const struct gr_place *place, uint32_t node, const uint8_t *fits,
                        uint8_t *ret_scores)
{
    (void)node;
    for (uint32_t i = 0; i < place->stride; i++) {
        ret_scores[i] = fits[i] & 1;
    }
}

const struct gr_policy gr_policy_firstfit = {
    .name = "firstfit",
    .summary = "the lowest node number that fits",
    .score = score,
    .score_slots = score_slots,
};
