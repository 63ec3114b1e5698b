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

// Bytes that one vector operation handles; rows are multiples of it.
#define LANES 32

uint32_t gr_slot_memory(uint32_t memory_mib)
{
    return memory_mib == 0 ? 0 : 1u << (31 - __builtin_clz(memory_mib));
}

static struct gr_shape slot_shape(const struct gr_shape *shape)
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

static uint32_t shape_hash(const struct gr_shape *shape)
{
    uint64_t words[2];
    memcpy(words, shape, sizeof words);
    uint64_t h = (words[0] ^ (words[1] * 0x9e3779b97f4a7c15u)) * 0xd6e8feb86659fd93u;
    return (uint32_t)(h >> 32);
}

int gr_index_slot_find(const struct gr_place *place, const struct gr_shape *shape)
{
    struct gr_shape wanted = slot_shape(shape);
    const uint16_t *table = hash_table(place);
    uint32_t size = hash_size(place);
    for (uint32_t i = shape_hash(&wanted) % size;; i = i + 1 == size ? 0 : i + 1) {
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
        uint32_t i = shape_hash(&gr_slot_at(place, s)->shape) % size;
        while (table[i] != 0) {
            i = i + 1 == size ? 0 : i + 1;
        }
        table[i] = (uint16_t)(s + 1);
    }
}

// Inserts `value` into a sorted list without doubles; false if the list is full.
static bool threshold_add(uint32_t *list, uint32_t *count, uint32_t value)
{
    uint32_t at = 0;
    while (at < *count && list[at] < value) {
        at++;
    }
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

// Lists the needs of all slots; false if there are too many different ones.
static bool thresholds_collect(struct gr_place *place)
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
static bool slot_add(struct gr_place *place, const struct gr_shape *shape)
{
    if (place->slot_count == place->limits.slots || gr_index_slot_find(place, shape) >= 0) {
        return false;
    }
    struct gr_slot *slot = gr_slot_at(place, place->slot_count);
    *slot = (struct gr_slot){.shape = slot_shape(shape), .last_asked = place->asked};
    place->slot_count++;
    if (!thresholds_collect(place)) {
        place->slot_count--;
        bool fits = thresholds_collect(place);
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
        (void)slot_add(place, &gr_mix_at(place)[i].shape);
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
            const struct gr_mask *mask = gr_mask_at(place, gr_slot_at(place, s)->shape.mask);
            row[s] = gr_mask_has(mask, node->site, node->variant) ? 0xff : 0;
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
    uint32_t stride = place->stride;
    uint8_t whole = node->whole;
    uint8_t milli = place->milli_rank[node->widest];
    uint8_t cpu = rank_of(place->cpu_threshold, place->cpu_count, node->cpu_milli);
    uint8_t memory = rank_of(place->memory_threshold, place->memory_count, node->memory_mib);
    for (uint32_t at = 0; at < stride; at += LANES) {
        for (uint32_t i = at; i < at + LANES; i++) {
            uint8_t fit =
                (uint8_t)((need[i] <= whole) & (need[stride + i] <= milli) &
                          (need[2 * stride + i] <= cpu) & (need[3 * stride + i] <= memory));
            fits[i] = (uint8_t)(-fit & allow[i]);
        }
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

// The maximum of GR_FAN rows, for the slots in use. True if it changed what stood there.
static bool inner_row(const struct gr_place *place, const uint8_t *below, uint8_t *row)
{
    uint32_t stride = place->stride;
    uint32_t used = (place->slot_count + LANES - 1) / LANES * LANES;
    uint8_t differs = 0;
    for (uint32_t at = 0; at < used; at += LANES) {
        uint8_t most[LANES] = {0};
        for (uint32_t child = 0; child < GR_FAN; child++) {
            const uint8_t *from = below + child * stride + at;
            for (uint32_t i = 0; i < LANES; i++) {
                most[i] = from[i] > most[i] ? from[i] : most[i];
            }
        }
        for (uint32_t i = 0; i < LANES; i++) {
            differs |= (uint8_t)(most[i] ^ row[at + i]);
        }
        memcpy(row + at, most, LANES);
    }
    return differs != 0;
}

void gr_index_touch(struct gr_place *place, uint32_t node)
{
    uint8_t *flags = gr_at(place, place->flags_at[0]);
    if (flags[node] == 0) {
        flags[node] = 1;
        ((uint32_t *)gr_at(place, place->dirty_at[0]))[place->dirty_count++] = node;
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
    bool fits = thresholds_collect(place);
    assert(fits);
    (void)fits;
    needs_build(place);
    (void)gr_frag_prepare(place); // without tables F is 0, which place.h states
    if (policy->prepare != NULL) {
        policy->prepare(place);
    }
    memset(gr_at(place, place->flags_at[0]), 0, place->row_count[0]);
    place->dirty_count = 0;
    place->stale = 0;
    for (uint32_t n = 0; n < place->node_count; n++) {
        scores_row(place, n, gr_row_at(place, 0, n));
    }
    for (unsigned l = 1; l < place->levels; l++) {
        for (uint32_t r = 0; r < place->row_count[l - 1] / GR_FAN; r++) {
            (void)inner_row(place, gr_row_at(place, l - 1, r * GR_FAN), gr_row_at(place, l, r));
        }
    }
}

// Recomputes the inner rows above the listed rows of `level`, then those above them.
static void flush_above(struct gr_place *place, uint32_t count)
{
    for (unsigned l = 1; l < place->levels && count > 0; l++) {
        uint32_t *list = gr_at(place, place->dirty_at[l]);
        uint8_t *flags = gr_at(place, place->flags_at[l]);
        uint32_t changed = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t row = list[i];
            flags[row] = 0;
            if (inner_row(place, gr_row_at(place, l - 1, row * GR_FAN), gr_row_at(place, l, row)) &&
                l + 1 < place->levels) {
                uint32_t above = row / GR_FAN;
                uint8_t *marked = gr_at(place, place->flags_at[l + 1]);
                if (marked[above] == 0) {
                    marked[above] = 1;
                    ((uint32_t *)gr_at(place, place->dirty_at[l + 1]))[changed++] = above;
                }
            }
        }
        count = changed;
    }
}

void gr_index_flush(struct gr_place *place)
{
    if (place->stale) {
        rebuild(place);
        return;
    }
    uint32_t *list = gr_at(place, place->dirty_at[0]);
    uint8_t *flags = gr_at(place, place->flags_at[0]);
    uint8_t *marked = place->levels > 1 ? gr_at(place, place->flags_at[1]) : NULL;
    uint32_t *above = place->levels > 1 ? gr_at(place, place->dirty_at[1]) : NULL;
    uint8_t row[512] __attribute__((aligned(64)));
    uint32_t changed = 0;
    for (uint32_t i = 0; i < place->dirty_count; i++) {
        uint32_t node = list[i];
        flags[node] = 0;
        scores_row(place, node, row);
        uint8_t *was = gr_row_at(place, 0, node);
        if (memcmp(row, was, place->stride) == 0) {
            continue;
        }
        memcpy(was, row, place->stride);
        if (marked != NULL && marked[node / GR_FAN] == 0) {
            marked[node / GR_FAN] = 1;
            above[changed++] = node / GR_FAN;
        }
    }
    place->dirty_count = 0;
    flush_above(place, changed);
}

// --- decisions

// Rows at the top level that are in use.
static uint32_t top_rows(const struct gr_place *place)
{
    return (uint32_t)place->row_count[place->levels - 1];
}

// Index of the first of GR_FAN rows whose byte `slot` is the highest, and that byte.
static uint32_t row_best(const struct gr_place *place, const uint8_t *rows, unsigned slot,
                         uint8_t *ret_score)
{
    uint32_t best = 0;
    uint8_t most = 0;
    for (uint32_t i = 0; i < GR_FAN; i++) {
        uint8_t score = rows[i * place->stride + slot];
        if (score > most) {
            most = score;
            best = i;
        }
    }
    *ret_score = most;
    return best;
}

// First of GR_FAN rows whose byte is `score`; the caller knows that there is one.
static uint32_t row_first(const struct gr_place *place, const uint8_t *rows, unsigned slot,
                          uint8_t score)
{
    uint32_t i = 0;
    while (rows[i * place->stride + slot] != score) {
        i++;
        assert(i < GR_FAN);
    }
    return i;
}

// Leaves whose score is exactly `score` and which have enough memory: the first one, or UINT32_MAX;
// then *ret_next is the highest score below `score` that was met. Depth-first, without recursion.
static uint32_t search_exact(const struct gr_place *place, unsigned slot, uint32_t memory_mib,
                             uint8_t score, uint8_t *ret_next)
{
    uint32_t at[GR_LEVELS] = {0};
    int level = (int)place->levels - 1;
    int top = level;
    *ret_next = 0;
    while (level <= top) {
        uint32_t row = at[level];
        if (level == top ? row == top_rows(place) : row / GR_FAN != at[level + 1]) {
            level++;
            if (level <= top) {
                at[level]++;
            }
            continue;
        }
        uint8_t byte = gr_row_at(place, (unsigned)level, row)[slot];
        if (byte < score) {
            *ret_next = byte > *ret_next ? byte : *ret_next;
        } else if (level == 0) {
            if (byte == score && gr_node_at(place, row)->memory_mib >= memory_mib) {
                return row;
            }
        } else {
            level--;
            at[level] = row * GR_FAN;
            continue;
        }
        at[level]++;
    }
    return UINT32_MAX;
}

bool gr_index_best(const struct gr_place *place, unsigned slot, const struct gr_shape *shape,
                   uint32_t *ret_node)
{
    assert(slot < place->slot_count);
    assert(place->dirty_count == 0 && !place->stale);
    unsigned level = place->levels - 1;
    uint8_t score;
    uint32_t row = row_best(place, gr_row_at(place, level, 0), slot, &score);
    if (score == 0) {
        return false;
    }
    while (level > 0) {
        level--;
        row = row * GR_FAN + row_first(place, gr_row_at(place, level, row * GR_FAN), slot, score);
    }
    if (gr_node_at(place, row)->memory_mib >= shape->memory_mib) {
        *ret_node = row;
        return true;
    }
    while (score > 0) {
        uint8_t next;
        row = search_exact(place, slot, shape->memory_mib, score, &next);
        if (row != UINT32_MAX) {
            *ret_node = row;
            return true;
        }
        score = next;
    }
    return false;
}

// Asked for this often without a slot: worth one.
#define LEARN_ASKS 3

int gr_index_slot_learn(struct gr_place *place, const struct gr_shape *shape)
{
    struct gr_shape wanted = slot_shape(shape);
    struct gr_miss *miss = &place->misses[shape_hash(&wanted) % GR_MISSES];
    if (memcmp(&miss->shape, &wanted, sizeof wanted) != 0) {
        *miss = (struct gr_miss){.shape = wanted};
    }
    if (++miss->count < LEARN_ASKS) {
        return -1;
    }
    if (slot_add(place, &wanted)) {
        gr_index_stale(place);
        gr_index_flush(place);
        return (int)place->slot_count - 1;
    }
    uint32_t oldest = 0;
    for (uint32_t s = 1; s < place->slot_count; s++) {
        if (gr_slot_at(place, s)->last_asked < gr_slot_at(place, oldest)->last_asked) {
            oldest = s;
        }
    }
    // A slot costs a pass over all nodes: it must have been idle for a good while.
    if (place->slot_count == 0 ||
        place->asked - gr_slot_at(place, oldest)->last_asked < 16u * place->limits.slots) {
        return -1;
    }
    struct gr_slot was = *gr_slot_at(place, oldest);
    *gr_slot_at(place, oldest) = (struct gr_slot){.shape = wanted, .last_asked = place->asked};
    if (!thresholds_collect(place)) {
        *gr_slot_at(place, oldest) = was;
        return -1;
    }
    hash_rebuild(place);
    gr_index_stale(place);
    gr_index_flush(place);
    return (int)oldest;
}

const char *gr_index_audit(const struct gr_place *place)
{
    if (place->stale) {
        return NULL;
    }
    const uint8_t *flags = gr_at(place, place->flags_at[0]);
    for (uint32_t n = 0; n < place->node_count; n++) {
        for (uint32_t s = 0; s < place->slot_count && flags[n] == 0; s++) {
            if (gr_row_at(place, 0, n)[s] !=
                gr_choose_score(place, n, &gr_slot_at(place, s)->shape)) {
                return "a score in the index is not the policy's";
            }
        }
    }
    for (unsigned l = 1; l < place->levels && place->dirty_count == 0; l++) {
        for (uint32_t r = 0; r < place->row_count[l - 1] / GR_FAN; r++) {
            for (uint32_t s = 0; s < place->slot_count; s++) {
                uint8_t score;
                (void)row_best(place, gr_row_at(place, l - 1, r * GR_FAN), s, &score);
                if (score != gr_row_at(place, l, r)[s]) {
                    return "an inner row of the index is not the maximum below";
                }
            }
        }
    }
    return NULL;
}
