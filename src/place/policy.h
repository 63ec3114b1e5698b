// A placement policy: gives a node a score for a shape. One file a policy, one line in the table.
#pragma once

#include "place/place.h"

// What a policy keeps in the pool's block is at most this many bytes (tables made by `prepare`).
#define GR_POLICY_TABLES_SIZE (6u << 20)

// All texts are static. A score must be a function of the node's rows, the shape (its memory
// apart), the mix and the fleet: never of history or addresses. 0 means "does not fit" and nothing
// else.
struct gr_policy {
    const char *name;    // what users call it
    const char *summary; // one line: what it maximises and from where it is known
    size_t tables_size;  // bytes of tables, 0..GR_POLICY_TABLES_SIZE
    // Fills the tables from fleet and mix; NULL if there are none. Called when either changed.
    void (*prepare)(struct gr_place *place);
    // Called when the slots changed and neither fleet nor mix did: what is kept a slot is made
    // anew. NULL: `prepare` is called instead.
    void (*prepare_slots)(struct gr_place *place);
    // Score of a shape that fits the node: 1..255.
    uint8_t (*score)(const struct gr_place *place, uint32_t node, const struct gr_shape *shape);
    // Scores of all slots on one node, given which fit (0 or 0xff a slot); writes 0 where it does
    // not. NULL: `score` is called slot by slot.
    void (*score_slots)(const struct gr_place *place, uint32_t node, const uint8_t *fits,
                        uint8_t *ret_scores);
    // True if, of two shapes that differ in cpu, mask and level only, the one that asks for more
    // cpu has on no node that fits both the higher score: then the scores of one say where it need
    // not be looked for the other. Called after `prepare`. NULL: not so.
    bool (*cpu_lowers)(const struct gr_place *place);
    // The device for a fraction (it fits). NULL: the tightest, lowest number on ties.
    unsigned (*device)(const struct gr_place *place, uint32_t node, const struct gr_shape *shape);
    // Replaces the whole choice (the random policy). NULL: highest score, lowest node.
    bool (*find)(const struct gr_place *place, const struct gr_shape *shape, uint64_t salt,
                 uint32_t *ret_node, unsigned *ret_device);
};

// The table, ended by NULL; the first is the default.
extern const struct gr_policy *const gr_policies[];

// Finds a policy by name, or NULL.
const struct gr_policy *gr_policy_find(const char *name);
