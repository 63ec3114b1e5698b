// The inside of a pool: where its tables lie in the block. For src/place only.
//
// Offsets instead of pointers; each table starts on a cache line. Index words:
//   slot   a shape that scores are kept for; `stride` bytes a row, one byte a slot
//   row    the scores of all slots for one node (level 0) or for a group of rows (levels above)
//   chunk  GR_LANES bytes of a row; the same chunk of GR_FAN neighbouring rows lies together, so
//   that
//          their maximum is taken over consecutive bytes
//   level  level l + 1 has a row for every GR_FAN rows of level l: their byte-wise maximum
#pragma once

#include "place/policy.h"

#define GR_FAN 16         // rows below one row
#define GR_LANES 32       // bytes a chunk
#define GR_LEVELS 6       // GR_NODES_MAX <= 16^5, and the top level is scanned
#define GR_THRESHOLDS 254 // distinct cpu (or memory, or milli) needs among the slots
#define GR_MASK_PLACES 4  // places in the hash table for each mask
#define GR_PAIRS 256      // (site, variant) pairs that have a row of their own of what is allowed
#define GR_MASK_ANY UINT16_MAX // mask of a slot that the index made for itself: allows everything

// One slot. `shape.memory_mib` is rounded down (gr_slot_memory): exact memory is checked at the
// leaf.
struct gr_slot {
    struct gr_shape shape;
    uint64_t last_asked; // value of gr_place.asked when it was last of use
    uint64_t counted_at; // value of gr_place.asked when nodes were counted; 0: never
    uint32_t counted;    // nodes it fitted then, at least
    uint32_t reserved;   // zero
};

// An outer domain.
struct gr_domain {
    uint32_t whole;       // wholly free devices on its nodes that are up
    uint32_t nodes;       // members
    uint32_t first, last; // members are linked in order of number
};

// A shape that was asked for and has no slot. One whose answers cost more than a slot does gets
// one.
struct gr_miss {
    struct gr_shape shape;
    uint32_t count;  // how often it was asked for
    uint32_t visits; // nodes that were looked at for it
};
#define GR_MISSES 4096   // a power of two
#define GR_MISS_PLACES 4 // where one shape may be remembered, side by side

// What the pool's block begins with.
struct gr_place {
    struct gr_place_limits limits;
    uint64_t seed; // of the random policy
    struct gr_place_totals totals;
    uint64_t variant_free[GR_POOL_VARIANTS_MAX]; // milli on nodes that are up
    uint64_t asked;                              // decisions so far; only ages the slots
    uint32_t policy;                             // index into gr_policies
    uint32_t node_count, mask_count, slot_count, mix_count;
    uint32_t stride;  // bytes a row, a multiple of 32
    uint32_t levels;  // levels with rows
    uint32_t special; // slots whose fit is no plain comparison (those with a level)
    uint32_t stale;   // tables and rows do not match fleet, mix or slots: rebuild before use
    uint32_t pair_count;
    uint32_t cpu_count, memory_count, milli_count; // thresholds
    uint32_t dirty_count;                          // nodes whose row is behind
    uint32_t skipping;                             // 1: nodes of the set at skip_at are passed over
    // Where the fit of some slot changes, ascending.
    uint32_t cpu_threshold[GR_THRESHOLDS + 2];
    uint32_t memory_threshold[GR_THRESHOLDS + 2];
    uint32_t milli_threshold[GR_THRESHOLDS + 2];
    uint8_t milli_rank[GR_DEVICE_MILLI + 1];          // thresholds <= milli
    uint8_t pair[GR_SITES_MAX][GR_POOL_VARIANTS_MAX]; // row in `allow` + 1; 0: none yet
    struct gr_miss misses[GR_MISSES];
    // Offsets of the tables from the start of the block.
    uint64_t nodes_at, cold_at, withheld_at, next_at, domains_at[GR_DOMAIN_LEVELS], masks_at,
        slots_at, mix_at;
    uint64_t mask_hash_at; // GR_MASK_PLACES numbers a mask: index plus 1, 0: free
    uint64_t need_at;   // 4 rows: what each slot needs of whole, milli rank, cpu rank, memory rank
    uint64_t allow_at;  // GR_PAIRS rows: 0xff where the slot's mask has the pair
    uint64_t hash_at;   // slot hash table
    uint64_t tables_at; // the policy's
    uint64_t frag_at;   // frag.h
    uint64_t rows_at[GR_LEVELS], row_count[GR_LEVELS]; // row_count is padded to GR_FAN
    uint64_t dirty_at, flags_at; // list of nodes whose row is behind, and a byte a node
    uint64_t skip_at;            // a bit a node, of meaning only while `skipping`
    uint64_t size;
};

// Address of the table at offset `at`.
static inline void *gr_at(const struct gr_place *place, uint64_t at)
{
    return (char *)(uintptr_t)place + at;
}

// A node's hot row.
static inline struct gr_node *gr_node_at(const struct gr_place *place, uint32_t node)
{
    return (struct gr_node *)gr_at(place, place->nodes_at) + node;
}

// A node's cold row.
static inline struct gr_node_cold *gr_cold_at(const struct gr_place *place, uint32_t node)
{
    return (struct gr_node_cold *)gr_at(place, place->cold_at) + node;
}

// What is withheld of a node's devices: GR_NODE_DEVICES_MAX numbers. Meaningless for devices in
// use.
static inline uint16_t *gr_withheld_at(const struct gr_place *place, uint32_t node)
{
    return (uint16_t *)gr_at(place, place->withheld_at) + (uint64_t)node * GR_NODE_DEVICES_MAX;
}

// True if a node is passed over at present.
static inline bool gr_skips(const struct gr_place *place, uint32_t node)
{
    const uint64_t *bits = gr_at(place, place->skip_at);
    return place->skipping != 0 && (bits[node / 64] >> node % 64 & 1) != 0;
}

// A slot.
static inline struct gr_slot *gr_slot_at(const struct gr_place *place, uint32_t slot)
{
    return (struct gr_slot *)gr_at(place, place->slots_at) + slot;
}

// The mix, commonest first.
static inline struct gr_mix_item *gr_mix_at(const struct gr_place *place)
{
    return gr_at(place, place->mix_at);
}

// A mask.
static inline struct gr_mask *gr_mask_at(const struct gr_place *place, unsigned mask)
{
    return (struct gr_mask *)gr_at(place, place->masks_at) + mask;
}

// The policy's tables.
static inline void *gr_tables_at(const struct gr_place *place)
{
    return gr_at(place, place->tables_at);
}

// Chunk `chunk` of row `row` of a level.
static inline uint8_t *gr_chunk_at(const struct gr_place *place, unsigned level, uint32_t row,
                                   uint32_t chunk)
{
    uint64_t chunks = place->stride / GR_LANES;
    uint64_t at = ((row / GR_FAN) * chunks + chunk) * GR_FAN + row % GR_FAN;
    return (uint8_t *)gr_at(place, place->rows_at[level]) + at * GR_LANES;
}

// The score of one slot in a row.
static inline uint8_t gr_score_at(const struct gr_place *place, unsigned level, uint32_t row,
                                  unsigned slot)
{
    return gr_chunk_at(place, level, row, slot / GR_LANES)[slot % GR_LANES];
}

// The domain `id` of outer level `level` (0-based).
static inline struct gr_domain *gr_domain_at(const struct gr_place *place, unsigned level,
                                             uint32_t id)
{
    return (struct gr_domain *)gr_at(place, place->domains_at[level]) + id;
}

// The next member of the same domain of `level` after `node`, or UINT32_MAX.
static inline uint32_t *gr_next_at(const struct gr_place *place, unsigned level, uint32_t node)
{
    return (uint32_t *)gr_at(place, place->next_at) + (uint64_t)node * GR_DOMAIN_LEVELS + level;
}

// True if `shape` asks for a part of one device.
static inline bool gr_shape_is_fraction(const struct gr_shape *shape)
{
    return shape->devices == 1 && shape->milli < GR_DEVICE_MILLI;
}

// True if a mask, by its index, lets work go to a variant at a site.
static inline bool gr_mask_allows(const struct gr_place *place, uint16_t mask, unsigned site,
                                  unsigned variant)
{
    return mask == GR_MASK_ANY || gr_mask_has(gr_mask_at(place, mask), site, variant);
}

// The policy a pool was made with.
const struct gr_policy *gr_place_policy(const struct gr_place *place);

// Memory needs below this, in MiB, make no slot; nodes with accelerators rarely have less free.
#define GR_SLOT_MEMORY 131072

// Memory need that a slot stands for: nothing below GR_SLOT_MEMORY, else rounded down to a power of
// two, so that shapes that differ little in memory share one.
uint32_t gr_slot_memory(uint32_t memory_mib);

// --- masks.c

// Makes the hash of the masks anew, after they were read. Touches the whole table.
void gr_masks_rehash(struct gr_place *place);

// --- index.c

// Marks a node's row as behind. Constant time.
void gr_index_touch(struct gr_place *place, uint32_t node);
// Marks everything as behind.
void gr_index_stale(struct gr_place *place);
// Brings all rows up to date.
void gr_index_flush(struct gr_place *place);
// Empties the slots and gives one to each shape of the mix, commonest first, while there is room.
void gr_index_slots_reset(struct gr_place *place);
// The slot of a shape (its memory rounded), or -1.
int gr_index_slot_find(const struct gr_place *place, const struct gr_shape *shape);
// The best node for a shape that has a slot; rows must be up to date. False: it fits nowhere.
bool gr_index_best(const struct gr_place *place, unsigned slot, const struct gr_shape *shape,
                   uint32_t *ret_node);
// The shape that a slot for `shape` has: memory is rounded.
struct gr_shape gr_index_slot_shape(const struct gr_shape *shape);
// A hash of it.
uint32_t gr_index_shape_hash(const struct gr_shape *shape);
// Adds a slot without touching rows; false if there is no room, for it or for what it needs.
bool gr_index_slot_add(struct gr_place *place, const struct gr_shape *shape);
// Lists what the slots need; false if there are too many different needs, and then it is to be
// called again with fewer.
bool gr_index_thresholds(struct gr_place *place);
// Makes everything right for a slot that changed, but its scores.
void gr_index_slot_prepare(struct gr_place *place, uint32_t slot);
// The first node from `from` on whose score is at least `least` (> 0), or UINT32_MAX. Rows above
// are up to date.
uint32_t gr_index_next(const struct gr_place *place, uint32_t slot, uint32_t from, uint8_t least);
// Sets a score that was 0, in the rows above as well.
void gr_index_score_set(struct gr_place *place, uint32_t slot, uint32_t node, uint8_t score);
// Makes all scores of a slot 0.
void gr_index_slot_clear(struct gr_place *place, uint32_t slot);
// Makes all scores of the slots of a chunk 0, whatever stands there.
void gr_index_chunk_clear(struct gr_place *place, uint32_t chunk);
// Compares all rows that are not behind with what the policy says now. NULL or a phrase.
const char *gr_index_audit(const struct gr_place *place);

// --- learn.c

// The best node for a shape that has no slot; rows must be up to date. False: it fits nowhere.
bool gr_learn_best(struct gr_place *place, const struct gr_shape *shape, uint32_t *ret_node);
// A slot that fits wherever `shape` does, on as few nodes more as possible, or -1: there is none.
// Pure.
int gr_learn_bound(const struct gr_place *place, const struct gr_shape *shape);

// --- choose.c

// Score of a shape on a node, 0 where it does not fit.
uint8_t gr_choose_score(const struct gr_place *place, uint32_t node, const struct gr_shape *shape);
// The piece a shape takes on a node it fits, with the policy's choice of device.
void gr_choose_piece(const struct gr_place *place, uint32_t node, const struct gr_shape *shape,
                     struct gr_piece *ret_piece);
// The lowest wholly free devices that hold `shape` in `node` (a row of the pool or a copy of one).
uint16_t gr_choose_whole(const struct gr_node *node, const struct gr_shape *shape);
// Tightest device for a fraction, lowest number on ties; it fits.
unsigned gr_choose_tightest(const struct gr_node *node, unsigned milli);
// The first filter that a row (maybe a copy) does not pass.
enum gr_filter gr_choose_filter(const struct gr_place *place, const struct gr_node *node,
                                const struct gr_node_cold *cold, const struct gr_shape *shape);
