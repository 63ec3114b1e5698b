// Which variants are to be tried first: a preference puts the variants of a kind into *tiers*, the
// first choice, the second, and so on. Variants of one tier are as good as each other.
#pragma once

#include "model/limits.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

// Choices one after the other at most; what would come later stands in the last one.
#define GR_TIERS_MAX 15
// Words of a set of variants.
#define GR_PREFERENCE_WORDS (GR_POOL_VARIANTS_MAX / 64)

// A preference: plain data, equal ones are equal bytes. All zero: none.
struct gr_preference {
    uint8_t tiers[GR_POOL_VARIANTS_MAX / 2]; // four bits a variant, the even one low; see below
};
static_assert(sizeof(struct gr_preference) == 64, "no padding");

// Tier of a variant of the pool: 1 for the first choice, at most GR_TIERS_MAX; 0: not wanted.
unsigned gr_preference_tier(const struct gr_preference *preference, unsigned variant);
// Puts a variant into a tier (0..GR_TIERS_MAX); asserted.
void gr_preference_put(struct gr_preference *preference, unsigned variant, unsigned tier);
// Tiers that it has: the highest that a variant is in.
unsigned gr_preference_tiers(const struct gr_preference *preference);
// The variants of one tier as a set of bits; of tier 0: all that are in some tier.
void gr_preference_variants(const struct gr_preference *preference, unsigned tier,
                            uint64_t ret_variants[GR_PREFERENCE_WORDS]);
// True if it is well formed: at least two tiers, none of them empty.
bool gr_preference_good(const struct gr_preference *preference);
