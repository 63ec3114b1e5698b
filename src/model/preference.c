// Preferences: see preference.h.
#include "model/preference.h"

#include <stddef.h>
#include <string.h>

unsigned gr_preference_tier(const struct gr_preference *preference, unsigned variant)
{
    assert(preference != NULL && variant < GR_POOL_VARIANTS_MAX);
    return preference->tiers[variant / 2] >> variant % 2 * 4 & 15u;
}

void gr_preference_put(struct gr_preference *preference, unsigned variant, unsigned tier)
{
    assert(preference != NULL && variant < GR_POOL_VARIANTS_MAX && tier <= GR_TIERS_MAX);
    unsigned shift = variant % 2 * 4;
    unsigned rest = preference->tiers[variant / 2] & ~(15u << shift);
    preference->tiers[variant / 2] = (uint8_t)(rest | tier << shift);
}

// Bit t: some variant is in tier t.
static unsigned tiers_seen(const struct gr_preference *preference)
{
    unsigned seen = 0;
    for (size_t i = 0; i < sizeof preference->tiers; i++) {
        seen |= 1u << (preference->tiers[i] & 15u) | 1u << (preference->tiers[i] >> 4);
    }
    return seen & ~1u;
}

unsigned gr_preference_tiers(const struct gr_preference *preference)
{
    assert(preference != NULL);
    unsigned seen = tiers_seen(preference);
    return seen == 0 ? 0 : 31u - (unsigned)__builtin_clz(seen);
}

void gr_preference_variants(const struct gr_preference *preference, unsigned tier,
                            uint64_t ret_variants[GR_PREFERENCE_WORDS])
{
    assert(tier <= GR_TIERS_MAX);
    memset(ret_variants, 0, GR_PREFERENCE_WORDS * sizeof *ret_variants);
    for (unsigned v = 0; v < GR_POOL_VARIANTS_MAX; v++) {
        unsigned of = gr_preference_tier(preference, v);
        uint64_t bit = of != 0 && (tier == 0 || of == tier);
        ret_variants[v / 64] |= bit << v % 64;
    }
}

bool gr_preference_good(const struct gr_preference *preference)
{
    unsigned tiers = gr_preference_tiers(preference);
    return tiers >= 2 && tiers_seen(preference) == (1u << (tiers + 1)) - 2;
}
