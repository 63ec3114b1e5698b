// Kinds in order of preference: the tiers of a demand, and its search tier by tier. For src/core
// only; docs/design/queue.md has the rules. Preferences are state (GR_PREFERENCE_SET); a demand
// names one by its row plus 1.
//
// A gang lies within one tier. Each tier of a live job's mask is an interned mask of its own, so
// that placement looks for it as for any other demand.
#pragma once

#include "core/queue.h"

// The tiers of a mask that are not empty, first choice first; without a preference the mask itself.
struct gr_tiers {
    uint32_t count;               // at least 1
    uint16_t masks[GR_TIERS_MAX]; // indexes
    uint8_t tiers[GR_TIERS_MAX];  // which tier of the preference that is; 0: there is none
};

// The tiers of a demand. -1 if each has its mask; else the number (as in `tiers`) of one that has
// not, whose mask goes to `ret_missing` (may be NULL). Pure.
int gr_prefer_tiers(const struct gr_core *core, const struct gr_demand *demand,
                    struct gr_tiers *ret_tiers, struct gr_mask *ret_missing);
// The same of a mask that need not be known, by a preference that need not be.
int gr_prefer_mask_tiers(const struct gr_core *core, const struct gr_preference *preference,
                         const struct gr_mask *mask, struct gr_tiers *ret_tiers,
                         struct gr_mask *ret_missing);
// The tiers of a live job's demand, all of which have their masks: remembered for a while.
void gr_prefer_known(struct gr_core *core, const struct gr_demand *demand,
                     struct gr_tiers *ret_tiers);
// The variants of a tier, of those that a need names.
void gr_prefer_variants(const struct gr_core *core, const struct gr_need *need, unsigned tier,
                        uint64_t ret_variants[GR_VARIANT_WORDS]);
// A mask's index with only these variants of it, of those that there are; -1 if it is not known.
// core->narrowed holds it.
int gr_prefer_narrow(struct gr_core *core, uint16_t mask, const uint64_t left[GR_VARIANT_WORDS]);
// Does nothing but room stand against a start of a need (a row) on these variants, which quotas
// leave it: is there a mask for what they leave of a tier, or room for one, and for its pieces?
bool gr_prefer_starts(struct gr_core *core, uint32_t row,
                      const uint64_t variants[GR_VARIANT_WORDS]);
// gr_place_find_gang in the first tier where all tasks find room.
bool gr_prefer_find(struct gr_core *core, const struct gr_demand *demand, uint64_t salt,
                    struct gr_piece *ret_pieces);
// Row of a preference, or GR_NONE if it was never set.
uint32_t gr_prefer_row(const struct gr_core *core, const struct gr_preference *preference);
// A row for one more: the next, or one that no live job names; GR_NONE: there is none.
uint32_t gr_prefer_free(const struct gr_core *core);
// May the demand name its preference: is it there, does it name all variants of the mask (`mask`,
// whose index the demand has), and is each tier's mask there? `new_mask`: that of the demand will
// have been added before.
enum gr_refusal gr_prefer_check(const struct gr_core *core, const struct gr_demand *demand,
                                const struct gr_mask *mask);
// The fact GR_PREFERENCE_SET: may it be, and what it does.
enum gr_refusal gr_prefer_set_check(const struct gr_core *core, const struct gr_event *event);
// See gr_prefer_set_check.
void gr_prefer_set(struct gr_core *core, const struct gr_event *event);

// A preference by row.
static inline struct gr_preference *gr_preference_at(const struct gr_core *core, uint32_t row)
{
    return (struct gr_preference *)gr_core_at(core, core->preferences_at) + row;
}
