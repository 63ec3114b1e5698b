// Preferences and searches tier by tier: see prefer.h.
#include "core/prefer.h"

#include <string.h>

// What a mask allows of one tier.
static bool tier_mask(const struct gr_mask *mask, const struct gr_preference *preference,
                      unsigned tier, struct gr_mask *ret_mask)
{
    uint64_t variants[GR_VARIANT_WORDS];
    gr_preference_variants(preference, tier, variants);
    *ret_mask = *mask;
    gr_mask_keep_variants(ret_mask, variants);
    const uint64_t *words = &ret_mask->bits[0][0];
    uint64_t any = 0;
    for (size_t i = 0; i < sizeof *ret_mask / sizeof *words; i++) {
        any |= words[i];
    }
    return any != 0;
}

int gr_prefer_mask_tiers(const struct gr_core *core, const struct gr_preference *preference,
                         const struct gr_mask *mask, struct gr_tiers *ret_tiers,
                         struct gr_mask *ret_missing)
{
    unsigned tiers = gr_preference_tiers(preference);
    ret_tiers->count = 0;
    for (unsigned t = 1; t <= tiers; t++) {
        struct gr_mask part;
        if (!tier_mask(mask, preference, t, &part)) {
            continue;
        }
        int index = gr_place_mask_find(gr_pool(core), &part);
        if (index < 0) {
            if (ret_missing != NULL) {
                *ret_missing = part;
            }
            return (int)t;
        }
        ret_tiers->masks[ret_tiers->count] = (uint16_t)index;
        ret_tiers->tiers[ret_tiers->count++] = (uint8_t)t;
    }
    return -1;
}

static void tiers_none(const struct gr_demand *demand, struct gr_tiers *ret_tiers)
{
    ret_tiers->count = 1;
    ret_tiers->masks[0] = demand->shape.mask;
    ret_tiers->tiers[0] = 0;
}

int gr_prefer_tiers(const struct gr_core *core, const struct gr_demand *demand,
                    struct gr_tiers *ret_tiers, struct gr_mask *ret_missing)
{
    if (demand->preference == 0) {
        tiers_none(demand, ret_tiers);
        return -1;
    }
    assert(demand->preference <= core->preference_count);
    return gr_prefer_mask_tiers(core, gr_preference_at(core, demand->preference - 1u),
                                gr_place_mask_get(gr_pool(core), demand->shape.mask), ret_tiers,
                                ret_missing);
}

void gr_prefer_known(struct gr_core *core, const struct gr_demand *demand,
                     struct gr_tiers *ret_tiers)
{
    if (demand->preference == 0) {
        tiers_none(demand, ret_tiers);
        return;
    }
    uint32_t key = (uint32_t)demand->preference << 16 | demand->shape.mask;
    struct gr_known_tiers *known = &core->known_tiers[key * 2654435761u >> (32 - GR_KNOWN_BITS)];
    if (known->key != key) {
        struct gr_tiers tiers;
        int missing = gr_prefer_tiers(core, demand, &tiers, NULL);
        assert(missing < 0 && tiers.count > 0);
        (void)missing;
        known->key = key;
        known->count = tiers.count;
        memcpy(known->masks, tiers.masks, sizeof known->masks);
        memcpy(known->tiers, tiers.tiers, sizeof known->tiers);
    }
    ret_tiers->count = known->count;
    memcpy(ret_tiers->masks, known->masks, sizeof known->masks);
    memcpy(ret_tiers->tiers, known->tiers, sizeof known->tiers);
}

void gr_prefer_variants(const struct gr_core *core, const struct gr_need *need, unsigned tier,
                        uint64_t ret_variants[GR_VARIANT_WORDS])
{
    if (tier == 0) {
        memcpy(ret_variants, need->variants, sizeof need->variants);
        return;
    }
    assert(need->demand.preference != 0);
    gr_preference_variants(gr_preference_at(core, need->demand.preference - 1u), tier,
                           ret_variants);
    for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
        ret_variants[w] &= need->variants[w];
    }
}

bool gr_prefer_find(struct gr_core *core, const struct gr_demand *demand, uint64_t salt,
                    struct gr_piece *ret_pieces)
{
    struct gr_tiers tiers;
    struct gr_demand part = *demand;
    bool found = false;
    gr_prefer_known(core, demand, &tiers);
    for (uint32_t t = 0; t < tiers.count && !found; t++) {
        part.shape.mask = tiers.masks[t];
        found = gr_place_find_gang(gr_pool(core), &part, salt, ret_pieces);
    }
    return found;
}

// --- questions about what fits

// The most tasks of a demand that find room in one tier of a mask, counted by `count`.
static uint32_t most_tasks(struct gr_core *core, const struct gr_preference *preference,
                           const struct gr_mask *mask, struct gr_demand demand,
                           uint32_t (*count)(const struct gr_place *place,
                                             const struct gr_demand *demand))
{
    unsigned tiers = gr_preference_tiers(preference);
    uint32_t most = 0;
    for (unsigned t = 1; t <= tiers && most < demand.tasks; t++) {
        struct gr_mask part;
        if (!tier_mask(mask, preference, t, &part)) {
            continue;
        }
        int index = gr_place_mask_find(gr_pool(core), &part);
        index = index >= 0 ? index : gr_place_mask_try(gr_pool(core), &part);
        if (index >= 0) {
            demand.shape.mask = (uint16_t)index;
            uint32_t tasks = count(gr_pool(core), &demand);
            most = tasks > most ? tasks : most;
        }
    }
    return most;
}

static uint32_t submission_tasks(struct gr_core *core, const struct gr_submission *submission,
                                 uint32_t (*count)(const struct gr_place *place,
                                                   const struct gr_demand *demand))
{
    struct gr_demand demand = submission->demand;
    if (gr_preference_tiers(&submission->preference) > 0) {
        return most_tasks(core, &submission->preference, &submission->mask, demand, count);
    }
    int index = gr_place_mask_find(gr_pool(core), &submission->mask);
    index = index >= 0 ? index : gr_place_mask_try(gr_pool(core), &submission->mask);
    demand.shape.mask = (uint16_t)index;
    return index < 0 ? 0 : count(gr_pool(core), &demand);
}

uint32_t gr_core_submission_room(struct gr_core *core, const struct gr_submission *submission)
{
    return submission_tasks(core, submission, gr_place_room_tasks);
}

uint32_t gr_core_submission_fleet(struct gr_core *core, const struct gr_submission *submission)
{
    return submission_tasks(core, submission, gr_place_fleet_tasks);
}

uint32_t gr_core_room_tasks(const struct gr_core *core, const struct gr_demand *demand)
{
    struct gr_tiers tiers;
    struct gr_demand part = *demand;
    uint32_t most = 0;
    int missing = gr_prefer_tiers(core, demand, &tiers, NULL);
    for (uint32_t t = 0; missing < 0 && t < tiers.count && most < demand->tasks; t++) {
        part.shape.mask = tiers.masks[t];
        uint32_t tasks = gr_place_room_tasks(gr_pool(core), &part);
        most = tasks > most ? tasks : most;
    }
    return most;
}

const struct gr_preference *gr_core_preference_get(const struct gr_core *core, uint32_t row)
{
    return row < core->preference_count ? gr_preference_at(core, row) : NULL;
}

uint32_t gr_core_preference_count(const struct gr_core *core)
{
    return core->preference_count;
}

// --- the table

uint32_t gr_prefer_row(const struct gr_core *core, const struct gr_preference *preference)
{
    for (uint32_t r = 0; r < core->preference_count; r++) {
        if (memcmp(gr_preference_at(core, r), preference, sizeof *preference) == 0) {
            return r;
        }
    }
    return GR_NONE;
}

uint32_t gr_prefer_free(const struct gr_core *core)
{
    if (core->preference_count < core->limits.preferences) {
        return core->preference_count;
    }
    for (uint32_t r = 0; r < core->preference_count; r++) {
        if (core->preference_needs[r + 1] == 0) {
            return r;
        }
    }
    return GR_NONE;
}

enum gr_refusal gr_prefer_check(const struct gr_core *core, const struct gr_demand *demand,
                                const struct gr_mask *mask)
{
    struct gr_tiers tiers;
    uint64_t all[GR_VARIANT_WORDS];
    if (demand->preference == 0) {
        return GR_REFUSED_NOTHING;
    }
    if (demand->preference > core->preference_count) {
        return GR_REFUSED_FIELD;
    }
    const struct gr_preference *preference = gr_preference_at(core, demand->preference - 1u);
    gr_preference_variants(preference, 0, all);
    for (unsigned s = 0; s < GR_SITES_MAX; s++) {
        for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
            if ((mask->bits[s][w] & ~all[w]) != 0) {
                return GR_REFUSED_MASK;
            }
        }
    }
    return gr_prefer_mask_tiers(core, preference, mask, &tiers, NULL) < 0 && tiers.count > 0
               ? GR_REFUSED_NOTHING
               : GR_REFUSED_MASK;
}

enum gr_refusal gr_prefer_set_check(const struct gr_core *core, const struct gr_event *event)
{
    uint32_t row = event->preference_set.row;
    if (!gr_preference_good(&event->preference_set.preference) || row > core->preference_count) {
        return GR_REFUSED_FIELD;
    }
    if (row == core->limits.preferences) {
        return GR_REFUSED_LIMIT_OTHER;
    }
    return row < core->preference_count && core->preference_needs[row + 1] > 0 ? GR_REFUSED_STATE
                                                                               : GR_REFUSED_NOTHING;
}

void gr_prefer_set(struct gr_core *core, const struct gr_event *event)
{
    uint32_t row = event->preference_set.row;
    *gr_preference_at(core, row) = event->preference_set.preference;
    core->preference_count += row == core->preference_count;
    memset(core->known_tiers, 0, sizeof core->known_tiers);
    // What was remembered of demands that named the row was of another preference.
    for (uint32_t i = 0; i < GR_HOPELESS; i++) {
        if (core->hopeless[i].demand.preference == row + 1) {
            core->hopeless[i] = (struct gr_hopeless){0};
        }
        if (core->fleet_fit[i].demand.preference == row + 1) {
            core->fleet_fit[i] = (struct gr_fleet_fit){0};
        }
    }
}

// --- what quotas leave

int gr_prefer_narrow(struct gr_core *core, uint16_t mask, const uint64_t left[GR_VARIANT_WORDS])
{
    uint64_t variants[GR_VARIANT_WORDS]; // of those that there are: fewer masks are made
    for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
        unsigned count = core->variant_count > w * 64 ? core->variant_count - w * 64 : 0;
        variants[w] = left[w] & (count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1);
    }
    core->narrowed = *gr_place_mask_get(gr_pool(core), mask);
    gr_mask_keep_variants(&core->narrowed, variants);
    return gr_place_mask_find(gr_pool(core), &core->narrowed);
}

bool gr_prefer_starts(struct gr_core *core, uint32_t row, const uint64_t variants[GR_VARIANT_WORDS])
{
    const struct gr_need *need = gr_need_at(core, row);
    struct gr_demand demand = need->demand;
    struct gr_tiers tiers;
    if (demand.tasks > 1 && core->limits.pieces - core->more_used < demand.tasks - 1) {
        return false;
    }
    gr_prefer_known(core, &demand, &tiers);
    for (uint32_t t = 0; t < tiers.count; t++) {
        uint64_t all[GR_VARIANT_WORDS], left[GR_VARIANT_WORDS], any = 0;
        gr_prefer_variants(core, need, tiers.tiers[t], all);
        for (unsigned w = 0; w < GR_VARIANT_WORDS; w++) {
            left[w] = all[w] & variants[w];
            any |= left[w];
        }
        if (any != 0 && (memcmp(left, all, sizeof all) == 0 ||
                         gr_prefer_narrow(core, tiers.masks[t], left) >= 0 ||
                         gr_place_mask_count(gr_pool(core)) < core->limits.place.masks)) {
            return true;
        }
    }
    return false;
}
