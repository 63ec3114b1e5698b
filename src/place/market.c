// Reads demand and supply: see market.h.
#include "place/market.h"

#include <string.h>

// Words of a signature: a bit for each different mask of the mix.
#define WORDS (GR_MIX_MAX / 64)

// While groups are formed: the different masks of lines with devices, and which of them each group
// is allowed.
struct forming {
    uint32_t mask_count;
    uint16_t masks[GR_MIX_MAX];
    uint16_t mask_of[GR_MIX_MAX]; // by line
    uint64_t allowed[GR_MARKET_GROUPS][WORDS];
};

static int type_compare(const struct gr_market_type *a, const struct gr_market_type *b)
{
    if (a->site != b->site) {
        return a->site < b->site ? -1 : 1;
    }
    if (a->variant != b->variant) {
        return a->variant < b->variant ? -1 : 1;
    }
    if (a->devices != b->devices) {
        return a->devices < b->devices ? -1 : 1;
    }
    if (a->cpu_milli != b->cpu_milli) {
        return a->cpu_milli < b->cpu_milli ? -1 : 1;
    }
    if (a->memory_mib != b->memory_mib) {
        return a->memory_mib < b->memory_mib ? -1 : 1;
    }
    return 0;
}

// Rounds down to the highest `bits` binary digits.
static uint32_t coarse(uint32_t value, unsigned bits)
{
    unsigned used = value == 0 ? 0 : 32 - (unsigned)__builtin_clz(value);
    return used <= bits ? value : value >> (used - bits) << (used - bits);
}

// Counts nodes alike; false if there are too many types.
static bool types_read(const struct gr_place *place, unsigned bits, struct gr_market *market)
{
    market->type_count = 0;
    for (uint32_t n = 0; n < place->node_count; n++) {
        const struct gr_node *node = gr_node_at(place, n);
        const struct gr_node_cold *cold = gr_cold_at(place, n);
        struct gr_market_type type = {
            .cpu_milli = coarse(cold->cpu_milli, bits),
            .memory_mib = coarse(cold->memory_mib, bits),
            .count = 1,
            .site = node->site,
            .variant = node->variant,
            .devices = node->devices,
        };
        uint32_t low = 0, high = market->type_count;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (type_compare(&market->types[middle], &type) < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if (low < market->type_count && type_compare(&market->types[low], &type) == 0) {
            market->types[low].count++;
            continue;
        }
        if (market->type_count == GR_MARKET_TYPES) {
            return false;
        }
        memmove(&market->types[low + 1], &market->types[low],
                (market->type_count - low) * sizeof type);
        market->types[low] = type;
        market->type_count++;
    }
    return true;
}

// True if an empty node of some type could hold the shape.
static bool servable(const struct gr_place *place, const struct gr_market *market,
                     const struct gr_shape *shape)
{
    const struct gr_mask *mask = gr_mask_at(place, shape->mask);
    for (uint32_t t = 0; t < market->type_count; t++) {
        const struct gr_market_type *type = &market->types[t];
        if (type->devices >= shape->devices && type->cpu_milli >= shape->cpu_milli &&
            type->memory_mib >= shape->memory_mib && gr_mask_has(mask, type->site, type->variant)) {
            return true;
        }
    }
    return false;
}

static void lines_read(const struct gr_place *place, struct gr_market *market,
                       struct forming *forming)
{
    double count = 0, milli = 0, lost = 0;
    for (uint32_t i = 0; i < place->mix_count; i++) {
        count += (double)gr_mix_at(place)[i].count;
    }
    for (uint32_t i = 0; i < place->mix_count; i++) {
        const struct gr_mix_item *item = &gr_mix_at(place)[i];
        const struct gr_shape *shape = &item->shape;
        double asked = (double)item->count * shape->devices * shape->milli;
        milli += asked;
        if (!servable(place, market, shape)) {
            lost += asked;
            continue;
        }
        uint32_t mask = 0;
        while (mask < forming->mask_count && forming->masks[mask] != shape->mask) {
            mask++;
        }
        if (mask == forming->mask_count && shape->devices > 0) {
            forming->masks[forming->mask_count++] = shape->mask;
        }
        forming->mask_of[market->line_count] = (uint16_t)mask;
        market->lines[market->line_count++] = (struct gr_market_line){
            .cpu_milli = shape->cpu_milli,
            .memory_mib = shape->memory_mib,
            .weight = (float)((double)item->count / count),
            .item = UINT16_MAX,
            .milli = shape->milli,
            .devices = shape->devices,
        };
    }
    market->lost = milli > 0 ? lost / milli : 0;
}

// The group with these masks; a new one if there is room, else the one that differs least.
static uint32_t group_find(struct gr_market *market, struct forming *forming,
                           const uint64_t allowed[WORDS])
{
    uint32_t best = 0;
    int least = INT32_MAX;
    for (uint32_t g = 0; g < market->group_count; g++) {
        int differ = 0;
        for (unsigned w = 0; w < WORDS; w++) {
            differ += __builtin_popcountll(forming->allowed[g][w] ^ allowed[w]);
        }
        if (differ < least) {
            least = differ;
            best = g;
        }
    }
    if (least == 0 || market->group_count == GR_MARKET_GROUPS) {
        return best;
    }
    memcpy(forming->allowed[market->group_count], allowed, sizeof forming->allowed[0]);
    return market->group_count++;
}

static void groups_form(const struct gr_place *place, struct gr_market *market,
                        struct forming *forming)
{
    for (uint32_t t = 0; t < market->type_count; t++) {
        struct gr_market_type *type = &market->types[t];
        uint64_t allowed[WORDS] = {0};
        for (uint32_t m = 0; m < forming->mask_count; m++) {
            if (gr_mask_has(gr_mask_at(place, forming->masks[m]), type->site, type->variant)) {
                allowed[m / 64] |= UINT64_C(1) << m % 64;
            }
        }
        uint32_t g = group_find(market, forming, allowed);
        type->group = (uint8_t)g;
        market->devices[g] += (float)((double)type->count * type->devices);
        if (market->node_devices[g] < type->devices) {
            market->node_devices[g] = type->devices;
        }
        if (market->node_cpu[g] < type->cpu_milli) {
            market->node_cpu[g] = type->cpu_milli;
        }
    }
}

// The item of a line; a new one if there is room, else the one with the nearest need.
static uint16_t item_find(struct gr_market *market, const struct gr_market_line *line)
{
    uint32_t best = 0;
    int least = INT32_MAX;
    for (uint32_t i = 0; i < market->item_count; i++) {
        const struct gr_market_item *item = &market->items[i];
        int differ =
            item->milli > line->milli ? item->milli - line->milli : line->milli - item->milli;
        differ += item->groups == line->groups ? 0 : GR_DEVICE_MILLI;
        if (differ < least) {
            least = differ;
            best = i;
        }
    }
    if (least == 0 || market->item_count == GR_MARKET_ITEMS) {
        return (uint16_t)best;
    }
    market->items[market->item_count] = (struct gr_market_item){
        .groups = line->groups,
        .milli = line->milli,
        .steps = (line->milli + GR_MARKET_STEP - 1) / GR_MARKET_STEP,
    };
    return (uint16_t)market->item_count++;
}

static void items_form(struct gr_market *market, const struct forming *forming)
{
    double devices = 0;
    for (uint32_t l = 0; l < market->line_count; l++) {
        devices += (double)market->lines[l].weight * market->lines[l].devices;
    }
    for (uint32_t l = 0; l < market->line_count; l++) {
        struct gr_market_line *line = &market->lines[l];
        unsigned m = forming->mask_of[l];
        for (uint32_t g = 0; g < market->group_count; g++) {
            bool allowed = line->devices == 0 || (forming->allowed[g][m / 64] >> m % 64 & 1) != 0;
            line->groups |= (uint32_t)allowed << g;
        }
        if (line->devices > 0) {
            line->item = item_find(market, line);
            market->items[line->item].weight +=
                (float)((double)line->weight * line->devices / devices);
        }
    }
}

bool gr_market_read(const struct gr_place *place, struct gr_market *ret_market)
{
    assert(place != NULL && ret_market != NULL);
    static const unsigned precisions[] = {32, 6, 3, 1};
    struct forming forming;
    memset(&forming, 0, sizeof forming);
    memset(ret_market, 0, sizeof *ret_market);
    bool read = false;
    for (unsigned i = 0; i < sizeof precisions / sizeof precisions[0] && !read; i++) {
        read = types_read(place, precisions[i], ret_market);
    }
    if (!read) {
        return false;
    }
    lines_read(place, ret_market, &forming);
    groups_form(place, ret_market, &forming);
    items_form(ret_market, &forming);
    return ret_market->item_count > 0;
}

void gr_market_hash(const struct gr_market *market, struct gr_hash *hash)
{
    assert(market != NULL && hash != NULL);
    gr_hash_add(hash, &market->type_count, sizeof market->type_count);
    gr_hash_add(hash, market->types, market->type_count * sizeof market->types[0]);
    gr_hash_add(hash, &market->line_count, sizeof market->line_count);
    gr_hash_add(hash, market->lines, market->line_count * sizeof market->lines[0]);
    gr_hash_add(hash, &market->lost, sizeof market->lost);
}
