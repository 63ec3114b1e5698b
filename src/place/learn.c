// Shapes without a slot: where they go without looking at all nodes, and which of them get one.
//
// A slot whose shape needs no more of anything *bounds* another shape: where the slot's does not
// fit, the other does not either. So only the nodes that a bound fits are looked at; where it fits
// nowhere, none is. Thousands of shapes lie close above one of some hundred slots. A slot is
// learned for a shape when the looking has cost as much as the slot does: one asked for once never
// drives out one that is of use. Where even the best bound fits many nodes, the index makes a slot
// of its own for those to come: the same devices, a round number of cpus, any kind.
//
// Where the policy says that more cpu never brings a higher score, the scores of a bound that asks
// for the same devices are bounds, too, and what they leave behind the best one so far is passed
// over.
//
// Only how long an answer takes depends on what is remembered here, never the answer.
#include "place/state.h"

#include <string.h>

// Times a shape was asked for, and nodes looked at for it, before it gets a slot. A slot costs
// about what looking at so many nodes does.
#define LEARN_ASKS 3
#define LEARN_VISITS 2048
// Nodes looked at for one answer that are worth a slot of the index's own.
#define OWN_VISITS 1024
// A slot's nodes are counted up to this, and again after so many decisions.
#define COUNT_MOST 1024
#define COUNT_AGE 4096

// --- bounds

// True if what fits `shape` fits `of`, masks apart: it needs no more of anything.
static bool needs_less(const struct gr_shape *of, const struct gr_shape *shape)
{
    return of->cpu_milli <= shape->cpu_milli && of->devices <= shape->devices &&
           of->milli <= shape->milli && of->memory_mib <= shape->memory_mib &&
           (of->level == 0 || of->level == shape->level);
}

static bool same_devices(const struct gr_shape *of, const struct gr_shape *shape)
{
    return of->devices == shape->devices && of->milli == shape->milli;
}

// True if whatever `mask` allows is allowed by `wider`; both by index.
static bool mask_within(const struct gr_place *place, uint16_t mask, uint16_t wider)
{
    if (wider == GR_MASK_ANY || wider == mask) {
        return true;
    }
    if (mask == GR_MASK_ANY) {
        return false;
    }
    const uint64_t *a = &gr_mask_at(place, mask)->bits[0][0];
    const uint64_t *b = &gr_mask_at(place, wider)->bits[0][0];
    for (size_t i = 0; i < sizeof(struct gr_mask) / sizeof *a; i++) {
        if ((a[i] & ~b[i]) != 0) {
            return false;
        }
    }
    return true;
}

// True if no node fits a slot.
static bool nowhere(const struct gr_place *place, uint32_t slot)
{
    for (uint32_t row = 0; row < place->row_count[place->levels - 1]; row++) {
        if (gr_score_at(place, place->levels - 1, row, slot) != 0) {
            return false;
        }
    }
    return true;
}

int gr_learn_bound(const struct gr_place *place, const struct gr_shape *shape)
{
    int best = -1;
    uint64_t least = UINT64_MAX;
    for (uint32_t s = 0; s < place->slot_count; s++) {
        const struct gr_slot *slot = gr_slot_at(place, s);
        if (!needs_less(&slot->shape, shape)) {
            continue;
        }
        bool none = nowhere(place, s);
        // Of two that were never counted, or fitted many, the one that needs the same or more.
        uint64_t needs = (uint64_t)same_devices(&slot->shape, shape) << 47 |
                         (uint64_t)slot->shape.devices * slot->shape.milli << 32 |
                         slot->shape.cpu_milli;
        uint64_t counted = slot->counted_at == 0 ? COUNT_MOST : slot->counted;
        uint64_t key = none ? 0 : (counted + 1) << 48 | ((UINT64_C(1) << 48) - 1 - needs);
        if (key < least && mask_within(place, shape->mask, slot->shape.mask)) {
            least = key;
            best = (int)s;
        }
        if (none && best == (int)s) {
            break;
        }
    }
    return best;
}

// Counts the nodes of the slots that may bound a shape, where that was long ago.
static void bounds_count(struct gr_place *place, const struct gr_shape *shape)
{
    for (uint32_t s = 0; s < place->slot_count; s++) {
        struct gr_slot *slot = gr_slot_at(place, s);
        if ((slot->counted_at != 0 && place->asked - slot->counted_at < COUNT_AGE) ||
            !needs_less(&slot->shape, shape)) {
            continue;
        }
        slot->counted = 0;
        slot->counted_at = place->asked;
        for (uint32_t node = gr_index_next(place, s, 0, 1);
             node != UINT32_MAX && slot->counted < COUNT_MOST;
             node = gr_index_next(place, s, node + 1, 1)) {
            slot->counted++;
        }
    }
}

// The highest score of a slot.
static uint8_t highest(const struct gr_place *place, uint32_t slot)
{
    uint8_t most = 0;
    for (uint32_t row = 0; row < place->row_count[place->levels - 1]; row++) {
        uint8_t score = gr_score_at(place, place->levels - 1, row, slot);
        most = score > most ? score : most;
    }
    return most;
}

// The same as `look` where no node's score is higher than the bound's: nodes that it scores high
// are looked at first, and those whose bound is below the best score never. Returns how many were.
static uint32_t look_high(const struct gr_place *place, uint32_t bound,
                          const struct gr_shape *shape, uint32_t *ret_node)
{
    uint32_t visits = 0;
    uint8_t most = 0, least = highest(place, bound), upto = UINT8_MAX;
    *ret_node = UINT32_MAX;
    for (uint8_t step = 4;; step = step < 64 ? (uint8_t)(step * 4) : UINT8_MAX) {
        for (uint32_t node = gr_index_next(place, bound, 0, least); node != UINT32_MAX;
             node = gr_index_next(place, bound, node + 1, most > least ? most : least)) {
            uint8_t score = gr_score_at(place, 0, node, bound);
            visits++; // also of those that are passed over: the walk is what costs
            if (score > upto || (score == most && node > *ret_node)) { // was looked at, or too late
                continue;
            }
            score = gr_skips(place, node) ? 0 : gr_choose_score(place, node, shape);
            if (score > most || (score == most && score > 0 && node < *ret_node)) {
                most = score;
                *ret_node = node;
            }
        }
        if (most >= least || least == 1) { // the rest scores less
            break;
        }
        upto = (uint8_t)(least - 1);
        least = least > step ? (uint8_t)(least - step) : 1;
    }
    return visits;
}

// Looks at the nodes that a bound fits (-1: at all) for the best one. Returns how many those were.
static uint32_t look(const struct gr_place *place, int bound, const struct gr_shape *shape,
                     uint32_t *ret_node)
{
    uint32_t visits = 0, node = bound < 0 ? 0 : gr_index_next(place, (uint32_t)bound, 0, 1);
    uint8_t most = 0;
    *ret_node = UINT32_MAX;
    while (node < place->node_count) {
        uint32_t next = bound < 0 ? node + 1 : gr_index_next(place, (uint32_t)bound, node + 1, 1);
        if (next < place->node_count) {
            __builtin_prefetch(gr_node_at(place, next));
        }
        uint8_t score = gr_skips(place, node) ? 0 : gr_choose_score(place, node, shape);
        if (score > most) {
            most = score;
            *ret_node = node;
        }
        visits++;
        node = next;
    }
    return visits;
}

// --- slots

// The slot that was of no use for the longest, if that is long ago: shapes that come in turn must
// not chase each other out. -1: none.
static int slot_idle(const struct gr_place *place)
{
    uint32_t oldest = 0;
    for (uint32_t s = 1; s < place->slot_count; s++) {
        if (gr_slot_at(place, s)->last_asked < gr_slot_at(place, oldest)->last_asked) {
            oldest = s;
        }
    }
    return place->slot_count > 0 &&
                   place->asked - gr_slot_at(place, oldest)->last_asked >= 16u * place->limits.slots
               ? (int)oldest
               : -1;
}

// Fills a slot, whose scores are all 0, for the nodes that a bound fits (-1: for all).
static void slot_fill(struct gr_place *place, uint32_t slot, int bound)
{
    struct gr_slot *row = gr_slot_at(place, slot);
    gr_index_slot_prepare(place, slot);
    row->counted = 0;
    row->counted_at = place->asked;
    row->last_asked = place->asked;
    uint32_t node = bound < 0 ? 0 : gr_index_next(place, (uint32_t)bound, 0, 1);
    while (node < place->node_count) {
        uint8_t score = gr_choose_score(place, node, &row->shape);
        if (score > 0) {
            gr_index_score_set(place, slot, node, score);
            row->counted += row->counted < COUNT_MOST;
        }
        node = bound < 0 ? node + 1 : gr_index_next(place, (uint32_t)bound, node + 1, 1);
    }
}

// A new slot, if there is room. Returns it, or -1.
static int slot_new(struct gr_place *place, const struct gr_shape *shape, int bound)
{
    if (!gr_index_slot_add(place, shape)) {
        return -1;
    }
    uint32_t slot = place->slot_count - 1;
    if (slot % GR_LANES == 0) { // nobody kept this chunk until now
        gr_index_chunk_clear(place, slot / GR_LANES);
    }
    slot_fill(place, slot, bound);
    return (int)slot;
}

// The slot of another shape that is of no use. Returns it, or -1.
static int slot_replace(struct gr_place *place, const struct gr_shape *shape, int bound)
{
    int idle = slot_idle(place);
    if (idle < 0 || idle == bound) {
        return -1;
    }
    struct gr_slot *slot = gr_slot_at(place, (uint32_t)idle);
    struct gr_slot was = *slot;
    *slot = (struct gr_slot){.shape = *shape};
    if (!gr_index_thresholds(place)) {
        *slot = was;
        bool fits = gr_index_thresholds(place);
        assert(fits);
        (void)fits;
        return -1;
    }
    gr_index_slot_clear(place, (uint32_t)idle);
    slot_fill(place, (uint32_t)idle, bound);
    return idle;
}

// What is remembered of a shape; what cost least makes room.
static struct gr_miss *miss_get(struct gr_place *place, const struct gr_shape *wanted)
{
    uint32_t home = gr_index_shape_hash(wanted) * 0x9e3779b1u >> 20;
    struct gr_miss *least = NULL;
    for (uint32_t i = 0; i < GR_MISS_PLACES; i++) {
        struct gr_miss *miss = &place->misses[(home + i) % GR_MISSES];
        if (memcmp(&miss->shape, wanted, sizeof *wanted) == 0) {
            return miss;
        }
        least = least == NULL || miss->visits < least->visits ? miss : least;
    }
    *least = (struct gr_miss){.shape = *wanted};
    return least;
}

// About how many nodes are looked at to fill a slot from a bound.
static uint32_t fill_visits(const struct gr_place *place, int bound)
{
    uint32_t rows = 0;
    if (bound < 0) {
        return place->node_count;
    }
    for (uint32_t node = gr_index_next(place, (uint32_t)bound, 0, 1); node != UINT32_MAX;
         node = gr_index_next(place, (uint32_t)bound, (node / GR_FAN + 1) * GR_FAN, 1)) {
        rows++;
    }
    rows *= GR_FAN / 4;
    return rows < place->node_count ? rows : place->node_count;
}

// Gives a shape a slot, if what was spent on it is enough; -1: it has none.
static int learn(struct gr_place *place, const struct gr_shape *wanted, struct gr_miss *miss,
                 int bound)
{
    uint32_t enough = place->node_count < LEARN_VISITS / 2 ? 2 * place->node_count : LEARN_VISITS;
    if (miss->count < LEARN_ASKS - 1 || miss->visits < enough ||
        miss->visits < fill_visits(place, bound)) {
        return -1;
    }
    miss->visits = 0; // whether there is room or not: it has to be earned again
    int slot = slot_new(place, wanted, bound);
    return slot >= 0 ? slot : slot_replace(place, wanted, bound);
}

// What the index may keep a slot of its own for: the largest power of two of cpus; for parts
// of devices, of which there are more, of four.
static struct gr_shape own_shape(const struct gr_shape *shape)
{
    struct gr_shape own = {.devices = shape->devices, .milli = shape->milli, .mask = GR_MASK_ANY};
    if (shape->cpu_milli >= 1000) {
        unsigned power = 31u - (unsigned)__builtin_clz(shape->cpu_milli / 1000);
        own.cpu_milli = 1000u << (gr_shape_is_fraction(shape) ? power / 2 * 2 : power);
    }
    return own;
}

bool gr_learn_best(struct gr_place *place, const struct gr_shape *shape, uint32_t *ret_node)
{
    assert(place->dirty_count == 0 && !place->stale);
    struct gr_shape wanted = gr_index_slot_shape(shape);
    bounds_count(place, &wanted);
    int bound = gr_learn_bound(place, &wanted);
    if (bound >= 0) {
        gr_slot_at(place, (uint32_t)bound)->last_asked = place->asked;
        if (nowhere(place, (uint32_t)bound)) {
            return false;
        }
    }
    struct gr_miss *miss = miss_get(place, &wanted);
    int slot = learn(place, &wanted, miss, bound);
    if (slot >= 0) {
        return gr_index_best(place, (unsigned)slot, shape, ret_node);
    }
    bool (*cpu_lowers)(const struct gr_place *) = gr_place_policy(place)->cpu_lowers;
    bool high = bound >= 0 && cpu_lowers != NULL && cpu_lowers(place) &&
                same_devices(&gr_slot_at(place, (uint32_t)bound)->shape, &wanted);
    uint32_t visits = high ? look_high(place, (uint32_t)bound, shape, ret_node)
                           : look(place, bound, shape, ret_node);
    miss->count++;
    miss->visits += visits;
    if (visits >= OWN_VISITS) {
        struct gr_shape own = own_shape(&wanted);
        if (gr_index_slot_find(place, &own) < 0) {
            bound = gr_learn_bound(place, &own);
            if (slot_new(place, &own, bound) < 0) {
                (void)slot_replace(place, &own, bound);
            }
        }
    }
    return *ret_node != UINT32_MAX;
}
