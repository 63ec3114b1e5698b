// A machine with accelerators: what is free in it now, and what it has in all.
//
// Two rows a node: the hot one (64 bytes, one cache line) is all that a placement looks at; the
// cold one holds capacity and name. Rows have no padding, so that a digest of the bytes is one of
// the state.
#pragma once

#include "model/limits.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

// What a node may be used for. Only an `up` node takes new work.
enum gr_node_state {
    GR_NODE_UP = 0,
    GR_NODE_DRAINED = 1, // maintenance: running work goes on, nothing new comes
    GR_NODE_BROKEN = 2,  // out of use
};
#define GR_NODE_STATES 3

// In gr_node.domain: no domain at this level.
#define GR_DOMAIN_NONE UINT32_MAX
// In gr_node.domain: this level lies inside the node; the low bits are the devices of one group
// (two 4-device groups, two-die packages). Inner levels are narrower than all outer ones.
#define GR_DOMAIN_INNER 0x80000000u

// The hot row. `free[i]` is device i's free milli, 0 for i >= devices.
struct gr_node {
    uint16_t free[GR_NODE_DEVICES_MAX]; // milli, 0..1000
    uint32_t cpu_milli;                 // free cpu, 1/1000 of a cpu
    uint32_t memory_mib;                // free memory, MiB
    uint32_t domain[GR_DOMAIN_LEVELS];  // wide to narrow: an id, GR_DOMAIN_INNER | n, or NONE
    uint8_t variant;                    // index into the pool's variants
    uint8_t site;                       // index into the pool's sites
    uint8_t devices;                    // 0..GR_NODE_DEVICES_MAX
    uint8_t state;                      // enum gr_node_state
    uint8_t whole;                      // wholly free devices; follows from `free`
    uint8_t reserved;                   // zero
    uint16_t widest;                    // largest free milli of one device; follows from `free`
};
static_assert(sizeof(struct gr_node) == 64, "one cache line");

// The cold row. What a placement touches lies in its first cache line.
struct gr_node_cold {
    uint32_t cpu_milli;  // capacity, 1/1000 of a cpu
    uint32_t memory_mib; // capacity, MiB
    // Running tasks by the devices they hold: [0] fractions of one device, [k] k whole devices;
    // tasks without devices are not counted.
    uint16_t hosted[GR_NODE_DEVICES_MAX + 1];
    uint16_t out;            // devices out of use, bit i: device i; `free` of these is 0
    uint8_t reserved[36];    // zero
    char name[GR_NAME_SIZE]; // NUL-terminated, the rest zero
};
static_assert(sizeof(struct gr_node_cold) == 128, "two cache lines");

// What one task holds of one node. An allocation is a list of these.
struct gr_piece {
    uint32_t node;
    uint16_t devices; // bit i: device i
    uint16_t milli;   // taken of each of them, 1..1000; 0 when there are none
    uint32_t cpu_milli;
    uint32_t memory_mib;
};
static_assert(sizeof(struct gr_piece) == 16, "no padding");

// Recomputes `whole` and `widest` from `free`.
void gr_node_summarise(struct gr_node *node);

// True if `piece` fits into what is free in `node` now: state up, every named device with enough
// free milli, cpu and memory. Pure.
bool gr_node_can_take(const struct gr_node *node, const struct gr_piece *piece);

// Takes `piece` out of what is free. The caller has checked that it is free; asserted. In a node of
// any state: work that runs on a drained node is given back and taken again when starts are tried.
void gr_node_take(struct gr_node *node, const struct gr_piece *piece);
// The reverse of gr_node_take: adds `piece` to what is free; no device may pass 1000 milli.
void gr_node_give(struct gr_node *node, const struct gr_piece *piece);
