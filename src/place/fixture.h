// What the tests of src/place share: a pool in memory of its own, nodes in one line, random
// numbers.
#pragma once

#include "base/rng.h"
#include "place/frag.h"
#include "place/place.h"
#include "place/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// An empty pool of this many nodes under a policy, with one mask of everything. To be freed.
static inline struct gr_place *fixture_place(const struct gr_place_limits *limits,
                                             const char *policy)
{
    size_t size = (gr_place_size(limits) + 63) / 64 * 64;
    void *memory = aligned_alloc(64, size);
    assert_non_null(memory);
    memset(memory, 0, size);
    struct gr_place *place = gr_place_init(memory, limits, policy, 42);
    assert_non_null(place);
    struct gr_mask mask;
    gr_mask_fill(&mask);
    assert_int_equal(gr_place_mask_add(place, &mask), 0);
    return place;
}

// Limits that most tests need.
static inline struct gr_place_limits fixture_limits(uint32_t nodes)
{
    return (struct gr_place_limits){
        .nodes = nodes, .masks = 8, .slots = 32, .domains = {4, 8, 0, 0}};
}

// A copy of a pool, byte for byte, in other memory. To be freed.
static inline struct gr_place *fixture_copy(const struct gr_place *place)
{
    size_t size = (gr_place_size(gr_place_limits_get(place)) + 63) / 64 * 64;
    void *memory = aligned_alloc(64, size);
    assert_non_null(memory);
    memcpy(memory, place, gr_place_size(gr_place_limits_get(place)));
    return memory;
}

// A node of `devices` devices, free, at site 0 and variant 0, without domains.
static inline struct gr_node fixture_node(unsigned devices, uint32_t cpu_milli, uint32_t memory_mib)
{
    struct gr_node node;
    memset(&node, 0, sizeof node);
    node.devices = (uint8_t)devices;
    node.cpu_milli = cpu_milli;
    node.memory_mib = memory_mib;
    for (unsigned i = 0; i < devices; i++) {
        node.free[i] = GR_DEVICE_MILLI;
    }
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS; l++) {
        node.domain[l] = GR_DOMAIN_NONE;
    }
    return node;
}

// Takes `milli` of one device for a task without cpu and memory.
static inline void fixture_use(struct gr_place *place, uint32_t node, unsigned device,
                               unsigned milli)
{
    struct gr_piece piece = {
        .node = node, .devices = (uint16_t)(1u << device), .milli = (uint16_t)milli};
    gr_place_take(place, &piece);
}

// The next random number of a seed (SplitMix64).
static inline uint64_t fixture_draw(uint64_t *random)
{
    return gr_rng_next(random);
}

// A random number below `limit`.
static inline uint32_t fixture_below(uint64_t *random, uint32_t limit)
{
    return (uint32_t)(fixture_draw(random) % limit);
}
