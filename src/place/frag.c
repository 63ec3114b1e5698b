// FGD's fragmentation measure in integers: see frag.h.
#include "place/frag.h"

#include <string.h>

// A group of the mix: equal but for memory.
struct group {
    struct gr_shape shape;
    uint64_t label;
    int64_t count;
};

static bool group_before(const struct group *a, const struct group *b)
{
    if (a->count != b->count) {
        return a->count > b->count;
    }
    if (a->shape.cpu_milli != b->shape.cpu_milli) {
        return a->shape.cpu_milli > b->shape.cpu_milli;
    }
    if (a->shape.milli != b->shape.milli) {
        return a->shape.milli > b->shape.milli;
    }
    return a->shape.devices > b->shape.devices;
}

// Groups the mix without memory, commonest first; equals keep the mix's order. Returns the count.
static uint32_t groups_collect(const struct gr_place *place, struct group *groups,
                               int64_t *ret_total)
{
    uint32_t count = 0;
    *ret_total = 0;
    for (uint32_t i = 0; i < place->mix_count; i++) {
        struct gr_mix_item item = gr_mix_at(place)[i];
        item.shape.memory_mib = 0;
        *ret_total += (int64_t)item.count;
        uint32_t g = 0;
        while (g < count && (groups[g].label != item.label ||
                             memcmp(&groups[g].shape, &item.shape, sizeof item.shape) != 0)) {
            g++;
        }
        if (g == count) {
            groups[count++] = (struct group){.shape = item.shape, .label = item.label};
        }
        groups[g].count += (int64_t)item.count;
    }
    for (uint32_t i = 1; i < count; i++) {
        struct group moving = groups[i];
        uint32_t at = i;
        for (; at > 0 && group_before(&moving, &groups[at - 1]); at--) {
            groups[at] = groups[at - 1];
        }
        groups[at] = moving;
    }
    return count;
}

// The shortest prefix that covers 95 % of the mix; sets the total of the prefix.
static uint32_t typical_count(const struct group *groups, uint32_t count, int64_t total,
                              int64_t *ret_typical_total)
{
    int64_t covered = 0;
    uint32_t typical = 0;
    while (typical < count && covered * 100 < total * 95) {
        covered += groups[typical++].count;
    }
    *ret_typical_total = covered;
    return typical;
}

static struct gr_frag *frag_at(const struct gr_place *place)
{
    return gr_at(place, place->frag_at);
}

const struct gr_frag *gr_frag_get(const struct gr_place *place)
{
    return frag_at(place);
}

// The type of a shape with devices, added if new; -1 if there is no room.
static int type_of(struct gr_frag *frag, const struct gr_shape *shape)
{
    for (uint32_t t = 0; t < frag->types; t++) {
        if (frag->milli[t] == shape->milli && frag->devices[t] == shape->devices) {
            return (int)t;
        }
    }
    if (frag->types == GR_FRAG_TYPES) {
        return -1;
    }
    frag->milli[frag->types] = shape->milli;
    frag->devices[frag->types] = shape->devices;
    return (int)frag->types++;
}

static bool cpu_threshold_add(struct gr_frag *frag, uint32_t *count, uint32_t cpu_milli)
{
    uint32_t at = 0;
    while (at < *count && frag->cpu_threshold[at] < cpu_milli) {
        at++;
    }
    if (at < *count && frag->cpu_threshold[at] == cpu_milli) {
        return true;
    }
    if (*count == GR_THRESHOLDS) {
        return false;
    }
    memmove(frag->cpu_threshold + at + 1, frag->cpu_threshold + at,
            (*count - at) * sizeof *frag->cpu_threshold);
    frag->cpu_threshold[at] = cpu_milli;
    (*count)++;
    return true;
}

static int32_t *weights_at(struct gr_frag *frag, uint32_t pair, uint32_t rank)
{
    return frag->weight + ((uint64_t)pair * frag->cpu_ranks + rank) * frag->types;
}

// Fills the rows of one pair of site and variant.
static void pair_fill(const struct gr_place *place, struct gr_frag *frag, uint32_t pair,
                      const struct gr_node *node, const struct group *groups, uint32_t typical)
{
    for (uint32_t g = 0; g < typical; g++) {
        const struct gr_shape *shape = &groups[g].shape;
        if (shape->devices == 0 ||
            !gr_mask_has(gr_mask_at(place, shape->mask), node->site, node->variant)) {
            continue;
        }
        int type = type_of(frag, shape);
        for (uint32_t rank = 1; rank < frag->cpu_ranks; rank++) {
            if (shape->cpu_milli <= frag->cpu_threshold[rank - 1]) {
                weights_at(frag, pair, rank)[type] += (int32_t)groups[g].count;
            }
        }
    }
}

static bool pairs_fill(const struct gr_place *place, struct gr_frag *frag,
                       const struct group *groups, uint32_t typical)
{
    uint64_t row_bytes = (uint64_t)frag->cpu_ranks * frag->types * sizeof(int32_t);
    for (uint32_t n = 0; n < place->node_count; n++) {
        const struct gr_node *node = gr_node_at(place, n);
        if (frag->pair[node->site][node->variant] != 0) {
            continue;
        }
        if (frag->pairs == 255 || sizeof *frag + (frag->pairs + 1) * row_bytes > GR_FRAG_SIZE) {
            return false;
        }
        frag->pair[node->site][node->variant] = (uint8_t)(frag->pairs + 1);
        pair_fill(place, frag, frag->pairs, node, groups, typical);
        frag->pairs++;
    }
    return true;
}

// Scales counts down so that all sums of weight x milli stay within 63 bits and a weight in 31.
static void groups_scale(struct group *groups, uint32_t count, int64_t total)
{
    for (; total > 1000000000; total /= 2) {
        for (uint32_t g = 0; g < count; g++) {
            groups[g].count = (groups[g].count + 1) / 2;
        }
    }
}

bool gr_frag_prepare(struct gr_place *place)
{
    struct gr_frag *frag = frag_at(place);
    struct group groups[GR_MIX_MAX];
    int64_t total;
    memset(frag, 0, GR_FRAG_SIZE);
    uint32_t count = groups_collect(place, groups, &total);
    groups_scale(groups, count, total);
    total = 0;
    for (uint32_t g = 0; g < count; g++) {
        total += groups[g].count;
    }
    uint32_t typical = typical_count(groups, count, total, &frag->total);
    uint32_t thresholds = 0;
    bool fits = true;
    for (uint32_t g = 0; g < typical && fits; g++) {
        if (groups[g].shape.devices > 0) {
            fits = type_of(frag, &groups[g].shape) >= 0 &&
                   cpu_threshold_add(frag, &thresholds, groups[g].shape.cpu_milli);
        }
    }
    for (; fits && frag->types % 8 != 0; frag->types++) { // padding: weight 0, never wide enough
        frag->milli[frag->types] = GR_DEVICE_MILLI + 1;
        frag->devices[frag->types] = GR_NODE_DEVICES_MAX + 1;
    }
    frag->cpu_ranks = thresholds + 1;
    frag->typical_count = typical;
    for (uint32_t g = 0; g < typical; g++) {
        frag->typical[g].shape = groups[g].shape;
        frag->typical[g].popularity = (double)groups[g].count / (double)total;
        if (typical < count) { // divided twice, as the simulator does: the last bit matters
            frag->typical[g].popularity /= (double)frag->total / (double)total;
        }
    }
    if (!fits || !pairs_fill(place, frag, groups, typical)) {
        memset(frag, 0, GR_FRAG_SIZE);
        return false;
    }
    return true;
}

void gr_frag_node_fill(const struct gr_frag *frag, const struct gr_node *node,
                       struct gr_frag_node *ret_by_type)
{
    uint32_t types = frag->types;
    memset(ret_by_type->wide, 0, types * sizeof *ret_by_type->wide);
    memset(ret_by_type->milli, 0, types * sizeof *ret_by_type->milli);
    for (unsigned i = 0; i < node->devices; i++) {
        int32_t milli = node->free[i];
        for (uint32_t t = 0; milli > 0 && t < types; t++) {
            int32_t wide = milli >= frag->milli[t];
            ret_by_type->wide[t] += wide;
            ret_by_type->milli[t] += -wide & milli;
        }
    }
}

const int32_t *gr_frag_weights(const struct gr_frag *frag, const struct gr_node *node,
                               uint32_t cpu_milli)
{
    uint32_t rank = 0;
    uint32_t count = frag->cpu_ranks - 1;
    for (uint32_t half = 128; half > 0; half /= 2) {
        if (rank + half <= count && frag->cpu_threshold[rank + half - 1] <= cpu_milli) {
            rank += half;
        }
    }
    uint32_t pair = frag->pair[node->site][node->variant];
    assert(pair > 0);
    return frag->weight + ((uint64_t)(pair - 1) * frag->cpu_ranks + rank) * frag->types;
}

int64_t gr_frag_usable(const struct gr_frag *frag, const int32_t *weights,
                       const struct gr_frag_node *by_type)
{
    return gr_frag_usable_less(frag, weights, by_type, 0);
}

int64_t gr_frag_usable_less(const struct gr_frag *frag, const int32_t *weights,
                            const struct gr_frag_node *by_type, int32_t devices)
{
    int64_t sum = 0;
    for (uint32_t t = 0; t < frag->types; t++) {
        int32_t enough = by_type->wide[t] - devices >= frag->devices[t];
        int32_t milli = by_type->milli[t] - devices * GR_DEVICE_MILLI;
        sum += (int64_t)(-enough & weights[t]) * milli;
    }
    return sum;
}

int64_t gr_frag_usable_part(const struct gr_frag *frag, const int32_t *weights,
                            const struct gr_frag_node *by_type, int32_t was, int32_t now)
{
    int64_t sum = 0;
    for (uint32_t t = 0; t < frag->types; t++) {
        int32_t before = was >= frag->milli[t];
        int32_t after = now >= frag->milli[t];
        int32_t enough = by_type->wide[t] - before + after >= frag->devices[t];
        int32_t milli = by_type->milli[t] - (-before & was) + (-after & now);
        sum += (int64_t)(-enough & weights[t]) * milli;
    }
    return sum;
}

double gr_frag_published(const struct gr_place *place, const struct gr_node *node)
{
    const struct gr_frag *frag = frag_at(place);
    double lack_both = 0, lack_devices = 0, lack_cpu = 0, cpu_fits = 0, cpu_lacks = 0, mask = 0;
    int milli = 0;
    for (unsigned i = 0; i < node->devices; i++) {
        milli += node->free[i];
    }
    for (uint32_t j = 0; j < frag->typical_count; j++) {
        const struct gr_shape *shape = &frag->typical[j].shape;
        double all = frag->typical[j].popularity * milli;
        bool cpu = node->cpu_milli >= shape->cpu_milli;
        if (shape->devices == 0) {
            *(cpu ? &cpu_fits : &cpu_lacks) += all;
            continue;
        }
        if (!gr_mask_has(gr_mask_at(place, shape->mask), node->site, node->variant)) {
            mask += all;
            continue;
        }
        int wide = 0, narrow = 0;
        for (unsigned i = 0; i < node->devices; i++) {
            wide += node->free[i] >= shape->milli;
            narrow += node->free[i] >= shape->milli ? 0 : node->free[i];
        }
        if (wide < shape->devices) {
            *(cpu ? &lack_devices : &lack_both) += all;
        } else if (cpu) {
            lack_devices += frag->typical[j].popularity * narrow;
        } else {
            lack_cpu += all;
        }
    }
    return lack_both + lack_devices + lack_cpu + cpu_fits + cpu_lacks + mask;
}

double gr_frag_of_node(const struct gr_place *place, uint32_t number)
{
    assert(number < place->node_count);
    assert(!place->stale);
    const struct gr_frag *frag = frag_at(place);
    const struct gr_node *node = gr_node_at(place, number);
    if (node->state != GR_NODE_UP || frag->total == 0) {
        return 0;
    }
    struct gr_frag_node by_type;
    gr_frag_node_fill(frag, node, &by_type);
    int64_t milli = 0;
    for (unsigned i = 0; i < node->devices; i++) {
        milli += node->free[i];
    }
    int64_t usable = gr_frag_usable(frag, gr_frag_weights(frag, node, node->cpu_milli), &by_type);
    return (double)(milli * frag->total - usable) / (double)frag->total;
}

double gr_place_fragmentation(const struct gr_place *place)
{
    double sum = 0;
    for (uint32_t n = 0; n < place->node_count; n++) {
        sum += gr_frag_of_node(place, n);
    }
    return sum;
}
