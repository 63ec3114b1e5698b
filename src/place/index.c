// The candidate index: which node has the best score for a shape, without looking at all nodes.
//
// A row of scores a node, a byte for each slot (a shape that is asked for), and above them rows
// that hold the byte-wise maximum of GR_FAN rows below: a tournament for all slots at once. A
// decision walks from the top to the leftmost highest leaf: a few dozen bytes. A change of a node
// recomputes its row and the rows above; that is deferred to the next decision, so that a gang's
// nodes under one row above cost that row once. Everything here follows from nodes, policy and
// slots; it may be thrown away.
#include "place/frag.h"
#include "place/state.h"

#include <string.h>

uint32_t gr_slot_memory(uint32_t memory_mib)
{
    return memory_mib < GR_SLOT_MEMORY ? 0 : 1u << (31 - __builtin_clz(memory_mib));
}

struct gr_shape gr_index_slot_shape(const struct gr_shape *shape)
{
    struct gr_shape rounded = *shape;
    rounded.memory_mib = gr_slot_memory(shape->memory_mib);
    return rounded;
}

// --- slots

static uint16_t *hash_table(const struct gr_place *place)
{
    return gr_at(place, place->hash_at);
}

static uint32_t hash_size(const struct gr_place *place)
{
    return 4 * place->limits.slots;
}

uint32_t gr_index_shape_hash(const struct gr_shape *shape)
{
    uint64_t words[2];
    memcpy(words, shape, sizeof words);
    uint64_t h = (words[0] ^ (words[1] * 0x9e3779b97f4a7c15u)) * 0xd6e8feb86659fd93u;
    return (uint32_t)(h >> 32);
}

int gr_index_slot_find(const struct gr_place *place, const struct gr_shape *shape)
{
    struct gr_shape wanted = gr_index_slot_shape(shape);
    const uint16_t *table = hash_table(place);
    uint32_t size = hash_size(place);
    for (uint32_t i = gr_index_shape_hash(&wanted) % size;; i = i + 1 == size ? 0 : i + 1) {
        if (table[i] == 0) {
            return -1;
        }
        if (memcmp(&gr_slot_at(place, table[i] - 1u)->shape, &wanted, sizeof wanted) == 0) {
            return table[i] - 1;
        }
    }
}

static void hash_rebuild(struct gr_place *place)
{
    uint16_t *table = hash_table(place);
    uint32_t size = hash_size(place);
    memset(table, 0, size * sizeof *table);
    for (uint32_t s = 0; s < place->slot_count; s++) {
        uint32_t i = gr_index_shape_hash(&gr_slot_at(place, s)->shape) % size;
        while (table[i] != 0) {
            i = i + 1 == size ? 0 : i + 1;
        }
        table[i] = (uint16_t)(s + 1);
    }
}

// Entries of the sorted list that are at most `value`.
static uint8_t rank_of(const uint32_t *list, uint32_t count, uint32_t value)
{
    uint32_t low = 0;
    for (uint32_t half = 128; half > 0; half /= 2) {
        if (low + half <= count && list[low + half - 1] <= value) {
            low += half;
        }
    }
    return (uint8_t)low;
}

// Inserts `value` into a sorted list without doubles; false if the list is full.
static bool threshold_add(uint32_t *list, uint32_t *count, uint32_t value)
{
    uint32_t at = value == 0 ? 0 : rank_of(list, *count, value - 1); // below it
    if (at < *count && list[at] == value) {
        return true;
    }
    if (*count == GR_THRESHOLDS) {
        return false;
    }
    memmove(list + at + 1, list + at, (*count - at) * sizeof *list);
    list[at] = value;
    (*count)++;
    return true;
}

// Lists the needs of all slots; false if there are too many different ones.
bool gr_index_thresholds(struct gr_place *place)
{
    place->cpu_count = place->memory_count = place->milli_count = 0;
    for (uint32_t s = 0; s < place->slot_count; s++) {
        const struct gr_shape *shape = &gr_slot_at(place, s)->shape;
        if (!threshold_add(place->cpu_threshold, &place->cpu_count, shape->cpu_milli) ||
            !threshold_add(place->memory_threshold, &place->memory_count, shape->memory_mib) ||
            !threshold_add(place->milli_threshold, &place->milli_count,
                           gr_shape_is_fraction(shape) ? shape->milli : 0)) {
            return false;
        }
    }
    return true;
}

// What slots need, as ranks; kept in four rows: whole devices, milli, cpu, memory.
static void needs_build(struct gr_place *place)
{
    uint8_t *need = gr_at(place, place->need_at);
    uint32_t stride = place->stride;
    memset(need, 0xff, 4u * stride);
    place->special = 0;
    for (uint32_t s = 0; s < place->slot_count; s++) {
        const struct gr_shape *shape = &gr_slot_at(place, s)->shape;
        bool part = gr_shape_is_fraction(shape);
        need[s] = part ? 0 : shape->devices;
        need[stride + s] =
            rank_of(place->milli_threshold, place->milli_count, part ? shape->milli : 0u);
        need[2 * stride + s] = rank_of(place->cpu_threshold, place->cpu_count, shape->cpu_milli);
        need[3 * stride + s] =
            rank_of(place->memory_threshold, place->memory_count, shape->memory_mib);
        place->special += shape->level != 0;
    }
    for (uint32_t m = 0; m <= GR_DEVICE_MILLI; m++) {
        place->milli_rank[m] = rank_of(place->milli_threshold, place->milli_count, m);
    }
}

// Adds a slot without touching rows; false if there is no room.
bool gr_index_slot_add(struct gr_place *place, const struct gr_shape *shape)
{
    if (place->slot_count == place->limits.slots || gr_index_slot_find(place, shape) >= 0) {
        return false;
    }
    struct gr_slot *slot = gr_slot_at(place, place->slot_count);
    *slot = (struct gr_slot){.shape = gr_index_slot_shape(shape), .last_asked = place->asked};
    place->slot_count++;
    if (!gr_index_thresholds(place)) {
        place->slot_count--;
        bool fits = gr_index_thresholds(place);
        assert(fits);
        (void)fits;
        return false;
    }
    hash_rebuild(place);
    return true;
}

void gr_index_slots_reset(struct gr_place *place)
{
    place->slot_count = 0;
    memset(place->misses, 0, sizeof place->misses);
    hash_rebuild(place);
    for (uint32_t i = 0; i < place->mix_count; i++) {
        (void)gr_index_slot_add(place, &gr_mix_at(place)[i].shape);
    }
}

// --- rows

// 0xff where the pair of the node's site and variant is in the slot's mask. NULL: no row is left.
static const uint8_t *allow_row(struct gr_place *place, const struct gr_node *node)
{
    uint8_t *pair = &place->pair[node->site][node->variant];
    if (*pair == 0) {
        if (place->pair_count == GR_PAIRS - 1) {
            return NULL;
        }
        *pair = (uint8_t)++place->pair_count;
        uint8_t *row = (uint8_t *)gr_at(place, place->allow_at) + (uint64_t)(*pair) * place->stride;
        memset(row, 0, place->stride);
        for (uint32_t s = 0; s < place->slot_count; s++) {
            uint16_t mask = gr_slot_at(place, s)->shape.mask;
            row[s] = gr_mask_allows(place, mask, node->site, node->variant) ? 0xff : 0;
        }
    }
    return (uint8_t *)gr_at(place, place->allow_at) + (uint64_t)(*pair) * place->stride;
}

// Which slots fit a node, each tested by itself.
static void fits_slow(const struct gr_place *place, uint32_t number, uint8_t *fits)
{
    memset(fits, 0, place->stride);
    for (uint32_t s = 0; s < place->slot_count; s++) {
        fits[s] = gr_place_filter(place, number, &gr_slot_at(place, s)->shape) == GR_FILTER_NONE
                      ? 0xff
                      : 0;
    }
}

// What a node has, as ranks among what the slots need.
struct ranks {
    uint8_t whole, milli, cpu, memory;
};

// One chunk: a plain loop of fixed length over bytes that do not overlap, which compilers turn into
// a few vector instructions.
static void fits_chunk(const uint8_t *restrict whole, const uint8_t *restrict milli,
                       const uint8_t *restrict cpu, const uint8_t *restrict memory,
                       const uint8_t *restrict allow, struct ranks have, uint8_t *restrict fits)
{
    for (size_t i = 0; i < GR_LANES; i++) {
        uint8_t no =
            (uint8_t)((whole[i] > have.whole ? 0xff : 0) | (milli[i] > have.milli ? 0xff : 0) |
                      (cpu[i] > have.cpu ? 0xff : 0) | (memory[i] > have.memory ? 0xff : 0));
        fits[i] = (uint8_t)(~no & allow[i]);
    }
}

// Which slots fit a node: four comparisons of ranks for all slots at once.
static void fits_row(struct gr_place *place, uint32_t number, uint8_t *fits)
{
    const struct gr_node *node = gr_node_at(place, number);
    const uint8_t *allow = allow_row(place, node);
    if (allow == NULL) {
        fits_slow(place, number, fits);
        return;
    }
    const uint8_t *need = gr_at(place, place->need_at);
    size_t stride = place->stride;
    struct ranks have = {
        .whole = node->whole,
        .milli = place->milli_rank[node->widest],
        .cpu = rank_of(place->cpu_threshold, place->cpu_count, node->cpu_milli),
        .memory = rank_of(place->memory_threshold, place->memory_count, node->memory_mib),
    };
    for (size_t at = 0; at < stride; at += GR_LANES) {
        fits_chunk(need + at, need + stride + at, need + 2 * stride + at, need + 3 * stride + at,
                   allow + at, have, fits + at);
    }
    for (uint32_t s = 0; place->special > 0 && s < place->slot_count; s++) {
        if (fits[s] != 0 && gr_slot_at(place, s)->shape.level != 0 &&
            gr_place_filter(place, number, &gr_slot_at(place, s)->shape) != GR_FILTER_NONE) {
            fits[s] = 0;
        }
    }
}

static void scores_row(struct gr_place *place, uint32_t number, uint8_t *row)
{
    const struct gr_policy *policy = gr_place_policy(place);
    uint8_t fits[512] __attribute__((aligned(64)));
    if (gr_node_at(place, number)->state != GR_NODE_UP) {
        memset(row, 0, place->stride);
        return;
    }
    fits_row(place, number, fits);
    if (policy->score_slots != NULL) {
        policy->score_slots(place, number, fits, row);
        return;
    }
    memset(row, 0, place->stride);
    for (uint32_t s = 0; s < place->slot_count; s++) {
        if (fits[s] != 0) {
            row[s] = policy->score(place, number, &gr_slot_at(place, s)->shape);
        }
    }
}

// Chunks that hold slots.
static uint32_t chunks_used(const struct gr_place *place)
{
    return (place->slot_count + GR_LANES - 1) / GR_LANES;
}

// Raises each byte to the other's, if that is higher.
static void chunk_raise(uint8_t *restrict bytes, const uint8_t *restrict to)
{
    for (size_t i = 0; i < GR_LANES; i++) {
        bytes[i] = bytes[i] > to[i] ? bytes[i] : to[i];
    }
}

// The maximum of one chunk of the GR_FAN rows below a row.
static void chunk_maximum(const uint8_t *below, uint8_t *ret_most)
{
    uint8_t most[GR_LANES];
    memcpy(most, below, GR_LANES);
    for (size_t child = 1; child < GR_FAN; child++) {
        chunk_raise(most, below + child * GR_LANES);
    }
    memcpy(ret_most, most, GR_LANES);
}

// What a change below means for the chunk above.
enum carry {
    CARRY_NOTHING,
    CARRY_UP,   // some bytes rise, and that is all
    CARRY_DOWN, // some byte that was as high as the one above fell
};

static enum carry carry_needed(const uint8_t *restrict above, const uint8_t *restrict was,
                               const uint8_t *restrict now)
{
    uint8_t up[GR_LANES], down[GR_LANES];
    for (size_t i = 0; i < GR_LANES; i++) {
        up[i] = now[i] > above[i] ? 0xff : 0;
        down[i] = (uint8_t)((was[i] == above[i] ? 0xff : 0) & (now[i] < was[i] ? 0xff : 0));
    }
    uint64_t any_up = 0, any_down = 0, word;
    for (size_t i = 0; i < GR_LANES; i += sizeof word) {
        memcpy(&word, up + i, sizeof word);
        any_up |= word;
        memcpy(&word, down + i, sizeof word);
        any_down |= word;
    }
    return any_down != 0 ? CARRY_DOWN : any_up != 0 ? CARRY_UP : CARRY_NOTHING;
}

// Carries a change of one chunk of a row upwards until it makes no difference. `was` and `now` are
// what stood and stands there; overwritten.
static void chunk_carry(struct gr_place *place, uint32_t row, uint32_t chunk, uint8_t *was,
                        uint8_t *now)
{
    for (unsigned level = 1; level < place->levels; level++) {
        row /= GR_FAN;
        uint8_t *above = gr_chunk_at(place, level, row, chunk);
        enum carry carry = carry_needed(above, was, now);
        if (carry == CARRY_NOTHING) {
            return;
        }
        memcpy(was, above, GR_LANES);
        if (carry == CARRY_DOWN) { // it may have been the only one as high: look at all below
            chunk_maximum(gr_chunk_at(place, level - 1, row * GR_FAN, chunk), now);
        } else {
            chunk_raise(now, above);
        }
        if (memcmp(was, now, GR_LANES) == 0) {
            return;
        }
        memcpy(above, now, GR_LANES);
    }
}

// Stores a node's new row and carries what changed upwards.
static void row_store(struct gr_place *place, uint32_t node, const uint8_t *row)
{
    for (uint32_t chunk = 0; chunk < chunks_used(place); chunk++) {
        uint8_t *stored = gr_chunk_at(place, 0, node, chunk);
        if (memcmp(stored, row + chunk * GR_LANES, GR_LANES) != 0) {
            uint8_t was[GR_LANES], now[GR_LANES];
            memcpy(was, stored, GR_LANES);
            memcpy(now, row + chunk * GR_LANES, GR_LANES);
            memcpy(stored, now, GR_LANES);
            chunk_carry(place, node, chunk, was, now);
        }
    }
}

void gr_index_touch(struct gr_place *place, uint32_t node)
{
    uint8_t *flags = gr_at(place, place->flags_at);
    if (flags[node] == 0) {
        flags[node] = 1;
        ((uint32_t *)gr_at(place, place->dirty_at))[place->dirty_count++] = node;
        for (uint32_t chunk = 0; chunk < chunks_used(place); chunk++) {
            __builtin_prefetch(gr_chunk_at(place, 0, node, chunk), 1);
            __builtin_prefetch(gr_chunk_at(place, 1, node / GR_FAN, chunk), 1);
        }
    }
}

void gr_index_stale(struct gr_place *place)
{
    place->stale = 1;
}

// Everything from the beginning: tables, slots' needs, all rows.
static void rebuild(struct gr_place *place)
{
    const struct gr_policy *policy = gr_place_policy(place);
    memset(place->pair, 0, sizeof place->pair);
    place->pair_count = 0;
    bool fits = gr_index_thresholds(place);
    assert(fits);
    (void)fits;
    needs_build(place);
    (void)gr_frag_prepare(place); // without tables F is 0, which place.h states
    if (policy->prepare != NULL) {
        policy->prepare(place);
    }
    memset(gr_at(place, place->flags_at), 0, place->node_count);
    place->dirty_count = 0;
    place->stale = 0;
    uint8_t row[512] __attribute__((aligned(64)));
    for (uint32_t n = 0; n < place->node_count; n++) {
        scores_row(place, n, row);
        for (uint32_t chunk = 0; chunk < chunks_used(place); chunk++) {
            memcpy(gr_chunk_at(place, 0, n, chunk), row + chunk * GR_LANES, GR_LANES);
        }
    }
    for (unsigned l = 1; l < place->levels; l++) {
        for (uint32_t r = 0; r < place->row_count[l - 1] / GR_FAN; r++) {
            for (uint32_t chunk = 0; chunk < chunks_used(place); chunk++) {
                chunk_maximum(gr_chunk_at(place, l - 1, r * GR_FAN, chunk),
                              gr_chunk_at(place, l, r, chunk));
            }
        }
    }
}

void gr_index_flush(struct gr_place *place)
{
    if (place->stale) {
        rebuild(place);
        return;
    }
    uint32_t *list = gr_at(place, place->dirty_at);
    uint8_t *flags = gr_at(place, place->flags_at);
    uint8_t row[512] __attribute__((aligned(64)));
    for (uint32_t i = 0; i < place->dirty_count; i++) {
        flags[list[i]] = 0;
        scores_row(place, list[i], row);
        row_store(place, list[i], row);
    }
    place->dirty_count = 0;
}

// --- learning

// Makes the rows of what is allowed right for one slot.
static void allow_column(struct gr_place *place, uint32_t slot)
{
    uint16_t mask = gr_slot_at(place, slot)->shape.mask;
    uint8_t *rows = gr_at(place, place->allow_at);
    for (unsigned site = 0; site < GR_SITES_MAX; site++) {
        for (unsigned variant = 0; variant < GR_POOL_VARIANTS_MAX; variant++) {
            uint64_t pair = place->pair[site][variant];
            if (pair != 0) {
                rows[pair * place->stride + slot] =
                    gr_mask_allows(place, mask, site, variant) ? 0xff : 0;
            }
        }
    }
}

void gr_index_slot_prepare(struct gr_place *place, uint32_t slot)
{
    const struct gr_policy *policy = gr_place_policy(place);
    hash_rebuild(place);
    needs_build(place);
    allow_column(place, slot);
    if (policy->prepare_slots != NULL) {
        policy->prepare_slots(place);
    } else if (policy->prepare != NULL) {
        policy->prepare(place);
    }
}

uint32_t gr_index_next(const struct gr_place *place, uint32_t slot, uint32_t from, uint8_t least)
{
    unsigned level = 0, top = place->levels - 1;
    uint32_t row = from;
    for (;;) {
        while (row % GR_FAN == 0 && level < top) { // the row above says whether to look below
            row /= GR_FAN;
            level++;
        }
        if (row >= place->row_count[level]) {
            return UINT32_MAX;
        }
        if (gr_score_at(place, level, row, slot) < least) {
            row++;
            continue;
        }
        while (level > 0) {
            level--;
            row *= GR_FAN;
            while (gr_score_at(place, level, row, slot) < least) {
                row++;
            }
        }
        return row;
    }
}

void gr_index_score_set(struct gr_place *place, uint32_t slot, uint32_t node, uint8_t score)
{
    uint32_t row = node;
    for (unsigned level = 0; level < place->levels; level++, row /= GR_FAN) {
        uint8_t *byte = &gr_chunk_at(place, level, row, slot / GR_LANES)[slot % GR_LANES];
        if (level > 0 && *byte >= score) {
            return;
        }
        *byte = score;
    }
}

void gr_index_slot_clear(struct gr_place *place, uint32_t slot)
{
    for (uint32_t node = gr_index_next(place, slot, 0, 1); node != UINT32_MAX;
         node = gr_index_next(place, slot, node + 1, 1)) { // never looks above a node it has passed
        uint32_t row = node;
        for (unsigned level = 0; level < place->levels; level++, row /= GR_FAN) {
            uint8_t *byte = &gr_chunk_at(place, level, row, slot / GR_LANES)[slot % GR_LANES];
            if (*byte == 0) {
                break;
            }
            *byte = 0;
        }
    }
}

void gr_index_chunk_clear(struct gr_place *place, uint32_t chunk)
{
    for (unsigned level = 0; level < place->levels; level++) {
        for (uint32_t row = 0; row < place->row_count[level]; row += GR_FAN) {
            memset(gr_chunk_at(place, level, row, chunk), 0, (size_t)GR_FAN * GR_LANES);
        }
    }
}
