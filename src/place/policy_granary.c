// The default: least loss of value, where value is what the expected demand will still buy.
//
// docs/design/policy.md. Tables follow from mix and fleet alone; preparing them takes a fraction of
// a second, so they are kept for as long as a digest of both stays the same.
#include "place/policies.h"

#include "place/rehearse.h"

#include <string.h>

struct tables {
    uint8_t digest[GR_HASH_SIZE]; // of the market that `value` was made for
    uint32_t kept;                // `value` and `digest` were made
    uint32_t ready;               // `value` belongs to the present mix and fleet
    uint32_t falling;             // more cpu never brings a higher score
    struct gr_value value;
    struct gr_sheet sheet; // of the index's slots
    struct gr_market market;
    struct gr_value_scratch scratch;
    struct gr_rehearse_scratch rehearse;
};
static_assert(sizeof(struct tables) <= GR_POLICY_TABLES_SIZE, "tables have room");

// The best knobs so far while they are sought.
struct search {
    struct tables *tables;
    struct gr_value_knobs knobs;
    double allocated;
};

// Rehearses with other knobs and keeps them if they allocate more.
static void attempt(struct search *search, struct gr_value_knobs knobs)
{
    struct tables *t = search->tables;
    gr_value_tune(&t->market, &t->scratch, &knobs, &t->value);
    double allocated = gr_rehearse(&t->market, &t->value, &t->rehearse);
    if (allocated > search->allocated) {
        search->allocated = allocated;
        search->knobs = knobs;
    }
}

// One knob after the other: the first matters most, the last least.
static void knobs_choose(struct tables *t)
{
    static const uint32_t hold_percents[] = {3, 30, 100};
    static const uint32_t buckets[] = {10, 40, 80};
    struct search search = {.tables = t, .allocated = -1};
    gr_value_strand(&t->market, &t->value, &t->scratch);
    for (uint32_t patience = 0; patience < GR_VALUE_PATIENCES; patience++) {
        for (uint32_t scaled = 0; scaled <= 1; scaled++) {
            attempt(&search, (struct gr_value_knobs){patience, 10, scaled, 20});
        }
    }
    struct gr_value_knobs chosen = search.knobs;
    for (unsigned i = 0; i < sizeof hold_percents / sizeof hold_percents[0]; i++) {
        chosen.hold_percent = hold_percents[i];
        attempt(&search, chosen);
    }
    chosen = search.knobs;
    for (unsigned i = 0; i < sizeof buckets / sizeof buckets[0]; i++) {
        chosen.bucket_milli = buckets[i];
        attempt(&search, chosen);
    }
    gr_value_tune(&t->market, &t->scratch, &search.knobs, &t->value);
}

// The sheet alone: the tables do not depend on the slots.
static void prepare_slots(struct gr_place *place)
{
    struct tables *t = gr_tables_at(place);
    if (!t->ready) {
        return;
    }
    gr_sheet_init(&t->sheet, &t->value);
    for (uint32_t s = 0; s < place->slot_count; s++) {
        const struct gr_shape *shape = &gr_slot_at(place, s)->shape;
        gr_sheet_add(&t->sheet, &t->value, shape->cpu_milli, shape->devices, shape->milli);
    }
}

// True if all nodes are in a table, and what is left of one is worth no less the more cpu there is:
// that follows from what the tables mean, and rounding is not trusted.
static bool is_falling(const struct gr_place *place, const struct gr_value *value)
{
    for (uint32_t n = 0; n < place->node_count; n++) {
        const struct gr_node *node = gr_node_at(place, n);
        if (value->group_of[node->site][node->variant] >= value->group_count) {
            return false;
        }
    }
    for (uint32_t g = 0; g < value->group_count; g++) {
        for (unsigned i = 0; i < GR_VALUE_STEPS; i++) {
            if (value->groups[g].worth[i] < 0) {
                return false;
            }
        }
    }
    for (uint32_t i = 1; i < value->usable_count; i++) {
        if (i % GR_VALUE_COLUMNS != 0 && value->usable[i] < value->usable[i - 1]) {
            return false;
        }
    }
    return true;
}

static void prepare(struct gr_place *place)
{
    struct tables *t = gr_tables_at(place);
    t->ready = gr_market_read(place, &t->market);
    t->falling = 0;
    if (!t->ready) {
        return;
    }
    struct gr_hash hash;
    uint8_t digest[GR_HASH_SIZE];
    gr_hash_init(&hash);
    gr_market_hash(&t->market, &hash);
    gr_hash_end(&hash, digest);
    if (!t->kept || memcmp(digest, t->digest, sizeof digest) != 0) {
        gr_value_price(&t->market, &t->value);
        knobs_choose(t);
        memcpy(t->digest, digest, sizeof digest);
        t->kept = 1;
    }
    t->falling = is_falling(place, &t->value);
    prepare_slots(place);
}

static bool cpu_lowers(const struct gr_place *place)
{
    const struct tables *t = gr_tables_at(place);
    return t->ready && t->falling;
}

// Looks a node up; false if values are unknown: no mix, or none that asks for devices.
static bool look(const struct gr_place *place, uint32_t node, struct gr_value_view *ret_view)
{
    const struct tables *t = gr_tables_at(place);
    return t->ready && gr_value_look(&t->value, gr_node_at(place, node), ret_view);
}

static uint8_t score(const struct gr_place *place, uint32_t node, const struct gr_shape *shape)
{
    struct gr_value_view view;
    if (!look(place, node, &view)) {
        return gr_policy_bestfit.score(place, node, shape);
    }
    return gr_sheet_score_one(&view, shape->cpu_milli, shape->devices, shape->milli);
}

static void score_slots(const struct gr_place *place, uint32_t node, const uint8_t *fits,
                        uint8_t *ret_scores)
{
    const struct tables *t = gr_tables_at(place);
    struct gr_value_view view;
    memset(ret_scores + place->slot_count, 0, place->stride - place->slot_count);
    if (look(place, node, &view)) {
        gr_sheet_score(&t->sheet, &view, fits, ret_scores, 1);
        return;
    }
    for (uint32_t s = 0; s < place->slot_count; s++) {
        const struct gr_shape *shape = &gr_slot_at(place, s)->shape;
        ret_scores[s] = fits[s] == 0 ? 0 : gr_policy_bestfit.score(place, node, shape);
    }
}

static unsigned device(const struct gr_place *place, uint32_t node, const struct gr_shape *shape)
{
    struct gr_value_view view;
    if (!look(place, node, &view)) {
        return gr_choose_tightest(gr_node_at(place, node), shape->milli);
    }
    unsigned chosen = 0;
    (void)gr_value_take(&view, shape->devices, shape->milli, &chosen);
    return chosen;
}

const struct gr_policy gr_policy_granary = {
    .name = "granary",
    .summary = "least loss of what the expected demand will still buy (docs/design/policy.md)",
    .tables_size = sizeof(struct tables),
    .prepare = prepare,
    .prepare_slots = prepare_slots,
    .score = score,
    .score_slots = score_slots,
    .cpu_lowers = cpu_lowers,
    .device = device,
};
