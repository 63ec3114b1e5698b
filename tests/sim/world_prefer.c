// The simulator's books of kinds in order of preference: which tier a variant is in, and what
// stands against preferences and demands that name one. See world.h.
#include "world.h"

#include <string.h>

uint32_t world_tier(const struct world *world, const struct gr_demand *demand, uint32_t variant)
{
    if (demand->preference == 0) {
        return 0;
    }
    uint8_t pair = world->preference[demand->preference - 1].tiers[variant / 2];
    return variant % 2 == 1 ? pair / 16u : pair % 16u;
}

bool world_tier_mask(const struct world *world, const struct gr_demand *demand, uint32_t tier,
                     const struct gr_mask *mask, struct gr_mask *ret_mask)
{
    uint64_t in[GR_POOL_VARIANTS_MAX / 64] = {0}, any = 0; // the variants of this tier
    for (uint32_t v = 0; v < GR_POOL_VARIANTS_MAX; v++) {
        in[v / 64] |= (uint64_t)(world_tier(world, demand, v) == tier) << v % 64;
    }
    for (uint32_t s = 0; s < GR_SITES_MAX; s++) {
        for (uint32_t w = 0; w < GR_POOL_VARIANTS_MAX / 64; w++) {
            ret_mask->bits[s][w] = mask->bits[s][w] & in[w];
            any |= ret_mask->bits[s][w];
        }
    }
    return any != 0;
}

bool world_mask_known(const struct world *world, const struct gr_mask *mask)
{
    bool known = false;
    for (uint32_t m = 0; m < world->masks; m++) {
        known |= memcmp(&world->mask[m], mask, sizeof *mask) == 0;
    }
    return known;
}

// How many live jobs name a row.
static uint32_t users_of(const struct world *world, uint32_t row)
{
    uint32_t count = 0;
    for (uint32_t j = 0; j < world->jobs; j++) {
        count += world->job[j].demand.preference == row + 1;
    }
    return count;
}

uint32_t world_preference_row(const struct world *world, const struct gr_preference *preference)
{
    uint32_t row = 0;
    while (row < world->preferences &&
           memcmp(&world->preference[row], preference, sizeof *preference) != 0) {
        row++;
    }
    return row;
}

bool world_preference_room(const struct world *world)
{
    bool room = world->preferences < world->limits.preferences;
    for (uint32_t r = 0; r < world->preferences; r++) {
        room |= users_of(world, r) == 0;
    }
    return room;
}

bool world_preference_wrong(const struct gr_preference *preference)
{
    uint32_t count[16] = {0};
    uint32_t highest = 0;
    for (uint32_t i = 0; i < sizeof preference->tiers; i++) {
        count[preference->tiers[i] / 16u]++;
        count[preference->tiers[i] % 16u]++;
    }
    for (uint32_t t = 1; t < 16; t++) {
        highest = count[t] > 0 ? t : highest;
    }
    bool gap = false;
    for (uint32_t t = 1; t < highest; t++) {
        gap |= count[t] == 0;
    }
    return highest < 2 || gap;
}

world_set world_preference_objections(const struct world *world, const struct gr_event *event)
{
    uint32_t row = event->preference_set.row;
    bool wrong =
        world_preference_wrong(&event->preference_set.preference) || row > world->preferences;
    return (wrong ? WORLD_NO(GR_REFUSED_FIELD) : 0) |
           (row == world->limits.preferences ? WORLD_NO(GR_REFUSED_LIMIT_OTHER) : 0) |
           (row < world->preferences && users_of(world, row) > 0 ? WORLD_NO(GR_REFUSED_STATE) : 0);
}

world_set world_prefers_objections(const struct world *world, const struct gr_demand *demand)
{
    struct gr_mask part;
    bool any = false, known = true;
    if (demand->preference == 0 || demand->shape.mask >= world->masks) {
        return 0;
    }
    if (demand->preference > world->preferences) {
        return WORLD_NO(GR_REFUSED_FIELD);
    }
    const struct gr_mask *mask = &world->mask[demand->shape.mask];
    for (uint32_t t = 1; t < 16; t++) {
        if (world_tier_mask(world, demand, t, mask, &part)) {
            any = true;
            known &= world_mask_known(world, &part);
        }
    }
    bool beyond = world_tier_mask(world, demand, 0, mask, &part);
    return !any || !known || beyond ? WORLD_NO(GR_REFUSED_MASK) : 0;
}

void world_preference_apply(struct world *world, const struct gr_event *event)
{
    uint32_t row = event->preference_set.row;
    world->preferences += row == world->preferences;
    world->preference[row] = event->preference_set.preference;
}

uint32_t world_tier_fits(const struct world *world, const struct world_view *view,
                         const struct gr_demand *demand, const struct gr_mask *mask)
{
    struct gr_mask part;
    for (uint32_t t = 1; t < 16; t++) {
        if (world_tier_mask(world, demand, t, mask, &part) &&
            world_fits_one(world, view, demand, &part)) {
            return t;
        }
    }
    return 0;
}
