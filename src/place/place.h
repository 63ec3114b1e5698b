// The pool as placement sees it: the nodes, and an index that finds the best one for a demand.
//
// A decision is a function of the state alone: the policy gives each (node, shape) a score of one
// byte, 0 where the shape does not fit; the highest score wins, ties go to the lowest node number.
// The index (index.h) only makes that fast: gr_place_find and gr_place_find_scan always agree.
//
// All of it lies in one block of the caller's memory and holds no pointers: a copy of the bytes is
// a copy of the pool. Nothing here allocates, reads a clock or draws random numbers; nothing is
// thread safe; two pools are independent.
#pragma once

#include "base/hash.h"
#include "model/demand.h"
#include "model/node.h"

#include <stddef.h>

struct gr_place; // opaque; place/state.h for the policies

// What a pool can hold; all of it is reserved at the start.
struct gr_place_limits {
    uint32_t nodes;                     // 1..GR_NODES_MAX
    uint32_t masks;                     // 1..4096 different masks
    uint32_t slots;                     // shapes the index keeps scores for, 32..512, step 32
    uint32_t domains[GR_DOMAIN_LEVELS]; // outer domains a level, may be 0
};

// One line of a demand mix: how often a shape is asked for. FGD's measure ignores memory; the
// default policy rehearses with it.
struct gr_mix_item {
    struct gr_shape shape;
    uint64_t count;
    uint64_t label; // FGD's measure keeps items of different labels apart, however alike (the
                    // published one groups by the text of the model list); 0 is fine
};
// Lines a mix can have.
#define GR_MIX_MAX 1024

// Why a node is lost to a demand: the first filter, in this order, that it does not pass.
enum gr_filter {
    GR_FILTER_STATE = 0, // drained or broken
    GR_FILTER_MASK,      // site or variant not asked for or not allowed
    GR_FILTER_DOMAIN,    // carries no domain of the level asked for
    GR_FILTER_CAPACITY,  // would not fit even if the node were empty
    GR_FILTER_DEVICES,   // not enough free devices, or no device with enough free milli
    GR_FILTER_CPU,       // not enough free cpu
    GR_FILTER_MEMORY,    // not enough free memory
    GR_FILTER_NONE,      // fits
};
#define GR_FILTERS 8

// Bytes that a pool of these limits takes. Asserts that the limits are in range.
size_t gr_place_size(const struct gr_place_limits *limits);

// Makes an empty pool in `memory` (gr_place_size bytes, 64-byte aligned, zero-filled) under the
// policy with this name. `seed` matters to the random policy only. Returns the pool, which is the
// memory, or NULL if there is no such policy.
struct gr_place *gr_place_init(void *memory, const struct gr_place_limits *limits,
                               const char *policy, uint64_t seed);

// Calls `each` with offset and size of what `nodes` nodes use of a pool's memory: for making it
// real before it is needed.
void gr_place_rows(const struct gr_place_limits *limits, uint32_t nodes,
                   void (*each)(void *context, uint64_t at, uint64_t bytes), void *context);

// The limits the pool was made with. Borrowed.
const struct gr_place_limits *gr_place_limits_get(const struct gr_place *place);
// The name of its policy. Static text.
const char *gr_place_policy_name(const struct gr_place *place);

// True if the policy draws lots: then the same question with another salt has another answer.
bool gr_place_draws(const struct gr_place *place);

// Adds a node and returns its number (0, 1, 2, ...). `node` states what is free, which is all there
// is: cold->cpu_milli and memory_mib are filled from it, `hosted` is zeroed. The caller has checked
// room, domain numbers, and that outer domains nest; asserted.
uint32_t gr_place_node_add(struct gr_place *place, const struct gr_node *node, const char *name);
// Sets a node's state. Running work stays.
void gr_place_node_set_state(struct gr_place *place, uint32_t node, enum gr_node_state state);
// Takes devices of a node out of use, or back in. What is free of a device out of use is withheld:
// nothing fits there, what holds it goes on, and what is given back is withheld too. The caller has
// checked that the node has them; asserted.
void gr_place_devices_set(struct gr_place *place, uint32_t node, uint16_t devices, bool out);
// Free milli that is withheld of a device; 0 if it is in use.
uint16_t gr_place_withheld_get(const struct gr_place *place, uint32_t node, uint32_t device);
// Nodes added so far.
uint32_t gr_place_node_count(const struct gr_place *place);
// Borrows a node's rows; valid as long as the pool.
const struct gr_node *gr_place_node_get(const struct gr_place *place, uint32_t node);
// See gr_place_node_get.
const struct gr_node_cold *gr_place_cold_get(const struct gr_place *place, uint32_t node);

// The first node of an outer domain of `level` (0-based), or NULL if it has none yet. Borrowed.
const struct gr_node *gr_place_domain_first(const struct gr_place *place, unsigned level,
                                            uint32_t domain);

// The member of an outer domain after `node`, and the domain's first; UINT32_MAX at the end, or if
// it has none.
uint32_t gr_place_domain_next(const struct gr_place *place, unsigned level, uint32_t node);
// See gr_place_domain_next.
uint32_t gr_place_domain_head(const struct gr_place *place, unsigned level, uint32_t domain);

// Finds or adds a mask; returns its index, or -ENOSPC when the pool holds no more masks.
int gr_place_mask_add(struct gr_place *place, const struct gr_mask *mask);
// Puts a mask where the next one would be added, so that questions can name it before it is part of
// the state; it holds until the next call of this or of gr_place_mask_add. Returns the index, or
// -ENOSPC when the pool holds no more masks. The caller knows that it was not added before.
int gr_place_mask_try(struct gr_place *place, const struct gr_mask *mask);
// Index of a mask, or -1 if it was never added.
int gr_place_mask_find(const struct gr_place *place, const struct gr_mask *mask);
// Borrows a mask.
const struct gr_mask *gr_place_mask_get(const struct gr_place *place, unsigned index);
// Masks added so far.
unsigned gr_place_mask_count(const struct gr_place *place);

// Tells the policy which demands to expect and keeps slots for the commonest. Items with count 0
// are left out; of equal counts the larger cpu, then milli, then devices come first, then the order
// given. Rebuilds the policy's tables and the whole index: cost in proportion to nodes x slots. The
// caller has checked count <= GR_MIX_MAX.
void gr_place_mix_set(struct gr_place *place, const struct gr_mix_item *items, size_t count);

// Lends `to` the policy's tables of `from`, so that the next rebuild keeps them if mix and fleet
// are the same (a policy whose tables take long compares them; the others make theirs anew). For
// many runs of one fleet and mix. False, and nothing done, if the policies differ or have no
// tables.
bool gr_place_tables_take(struct gr_place *to, const struct gr_place *from);

// Takes or gives back one piece; the caller has checked, asserted.
void gr_place_take(struct gr_place *place, const struct gr_piece *piece);
// The reverse of gr_place_take.
void gr_place_give(struct gr_place *place, const struct gr_piece *piece);

// Finds where one task of `shape` goes, by the index. `salt` makes different draws of the random
// policy independent and is ignored by the others. Returns true and the piece, or false: it fits
// nowhere. The state is not changed (deferred index work may be done).
bool gr_place_find(struct gr_place *place, const struct gr_shape *shape, uint64_t salt,
                   struct gr_piece *ret_piece);
// The same answer by looking at every node: the reference, and the way for shapes without a slot.
// gr_place_refresh must have been called since the last change of fleet or mix.
bool gr_place_find_scan(const struct gr_place *place, const struct gr_shape *shape, uint64_t salt,
                        struct gr_piece *ret_piece);

// How many tasks of a demand the fleet would hold if it were empty and up, in whole blocks of tasks
// that share a domain if the demand asks for that; counts no further than demand->tasks. Visits
// every node.
uint32_t gr_place_fleet_tasks(const struct gr_place *place, const struct gr_demand *demand);

// The same for the room there is now: how many tasks would fit beside what runs. A demand without
// shared domains fits if and only if this is demand->tasks.
uint32_t gr_place_room_tasks(const struct gr_place *place, const struct gr_demand *demand);

// The same if all nodes were up.
uint32_t gr_place_up_tasks(const struct gr_place *place, const struct gr_demand *demand);

// Does all deferred work: policy tables, slots, index. Cost in proportion to what was deferred.
void gr_place_refresh(struct gr_place *place);

// Finds places for all tasks of a demand, or none: `ret_pieces` (room for demand->tasks) is sorted
// by node. Tasks without a domain are placed one after the other, each by the policy; with an outer
// domain, the tightest domains (fewest wholly free devices, then lowest number) that hold
// domain_tasks each are filled in order of node number. The state is the same afterwards.
bool gr_place_find_gang(struct gr_place *place, const struct gr_demand *demand, uint64_t salt,
                        struct gr_piece *ret_pieces);

// gr_place_find_gang that says, when it fails, how many tasks found room one after the other; 0 for
// a demand whose tasks share domains, where nobody counted.
bool gr_place_find_most(struct gr_place *place, const struct gr_demand *demand, uint64_t salt,
                        struct gr_piece *ret_pieces, uint32_t *ret_placed);

// Where the only task of a demand goes if it must go to one of these nodes: true and the piece, or
// false. Not for policies that draw lots.
bool gr_place_find_among(struct gr_place *place, const uint32_t *nodes, uint32_t count,
                         const struct gr_demand *demand, struct gr_piece *ret_piece);

// How many tasks of a demand would find room on this node now.
uint32_t gr_place_node_tasks(const struct gr_place *place, uint32_t node,
                             const struct gr_demand *demand);

// How many tasks of a demand, at most `most`, would find room on this node if `row` were its row
// (what is free may differ). Their pieces, each with the tightest devices, go to `ret_pieces` (room
// for `most`; NULL: not wanted).
uint32_t gr_place_row_tasks(const struct gr_place *place, uint32_t node, const struct gr_node *row,
                            const struct gr_demand *demand, uint32_t most,
                            struct gr_piece *ret_pieces);

// The set of nodes that are skipped while gr_place_skip says so: a bit a node, to be written by the
// caller, whose bits beyond the last node mean nothing. Borrowed.
uint64_t *gr_place_skip_bits(struct gr_place *place);
// From here on gr_place_find, gr_place_find_gang and gr_place_find_most pass over these nodes, or
// they do not any more. A gang of many tasks then fills nodes in order of number instead of asking
// the policy for each task. Never part of the state: a caller ends what it began.
void gr_place_skip(struct gr_place *place, bool skip);

// The first filter that `shape` does not pass on this node. Pure.
enum gr_filter gr_place_filter(const struct gr_place *place, uint32_t node,
                               const struct gr_shape *shape);

// The first filter that a task of the demand does not pass on this node. Pure.
enum gr_filter gr_place_task_filter(const struct gr_place *place, uint32_t node,
                                    const struct gr_demand *demand);

// All device milli, and how much of it is free on nodes in each state.
struct gr_place_totals {
    uint64_t all_milli;                  // capacity
    uint64_t free_milli[GR_NODE_STATES]; // by enum gr_node_state
    uint64_t withheld_milli;             // held by nobody, of devices out of use
};
// See struct gr_place_totals. Constant time.
struct gr_place_totals gr_place_totals_get(const struct gr_place *place);
// Free device milli of a variant, on nodes that are up. Constant time.
uint64_t gr_place_variant_free(const struct gr_place *place, uint32_t variant);

// FGD's fragmentation measure summed over the nodes (milli), for the mix that was set; 0 without
// one. "Beware of Fragmentation", USENIX ATC 2023, section 3. Visits every node. gr_place_refresh
// must have been called since the last change of fleet or mix.
double gr_place_fragmentation(const struct gr_place *place);

// Calls `each` for all that facts made of the pool, piece by piece, in an order that never changes:
// neither the policy, which may change without changing history, nor what follows from the rest.
void gr_place_parts(const struct gr_place *place,
                    void (*each)(void *context, const void *bytes, size_t size), void *context);
// Fills a pool that holds nothing yet from the bytes that gr_place_parts showed. *ret_used: how
// many they were. Returns 0; -ENOSPC if its limits are too small, -EBADMSG if the bytes end too
// early, and then the pool is not to be used.
int gr_place_restore(struct gr_place *place, const uint8_t *bytes, size_t size, size_t *ret_used);
// The mix as it was set last, commonest first, without items of count 0. Borrowed.
const struct gr_mix_item *gr_place_mix_get(const struct gr_place *place, size_t *ret_count);

// Recomputes everything that follows from the nodes and compares it with what is kept (whole,
// widest, domain sums, scores of clean nodes, inner rows). For tests and the auditor. Returns NULL
// or a phrase.
const char *gr_place_audit(const struct gr_place *place);
