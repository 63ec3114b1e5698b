// Fragmentation of a node as seen by the demand mix: FGD's measure F ("Beware of Fragmentation:
// Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent", USENIX ATC 2023, section
// 3).
//
// F of a node = sum over typical demands of popularity x (free milli that the demand cannot use):
// all of it where the demand does not fit, else the devices too small for it. Kept in exact
// integers: popularity is a count, so F here is `total` times the published one. Typical: the
// commonest groups of the mix by (cpu, milli, devices, mask) that cover 95 % of it.
#pragma once

#include "place/state.h"

// Different (devices, milli) needs among the typical demands that the tables hold.
#define GR_FRAG_TYPES 96
// Bytes of the tables in the pool's block.
#define GR_FRAG_SIZE (1u << 20)

// One typical demand, commonest first.
struct gr_frag_typical {
    struct gr_shape shape;
    double popularity; // its share of the typical demands, 0..1
};

// Tables; `weight` rows follow in the same memory.
struct gr_frag {
    int64_t total;      // count of the typical demands, those without devices too
    uint32_t types;     // padded to a multiple of 8 with types nobody can use
    uint32_t cpu_ranks; // thresholds + 1
    uint32_t pairs;     // rows of weights there are
    uint32_t typical_count;
    struct gr_frag_typical typical[GR_MIX_MAX];
    int32_t milli[GR_FRAG_TYPES];                     // need of each type
    int32_t devices[GR_FRAG_TYPES];                   // and the devices it asks for
    uint32_t cpu_threshold[GR_THRESHOLDS + 2];        // where the rank changes, ascending
    uint8_t pair[GR_SITES_MAX][GR_POOL_VARIANTS_MAX]; // row of weights + 1; 0: none
    int32_t weight[]; // [pair][cpu rank][type]: counts of demands that cpu and mask allow
};

// A node's devices by type: how many are wide enough, and their free milli in all.
struct gr_frag_node {
    int32_t wide[GR_FRAG_TYPES];
    int32_t milli[GR_FRAG_TYPES];
};

// Builds the tables from mix and fleet. False if they do not fit (too many types, or pairs x cpu
// needs): then the tables are empty and F is 0 everywhere.
bool gr_frag_prepare(struct gr_place *place);

// Borrows the tables.
const struct gr_frag *gr_frag_get(const struct gr_place *place);

// Sorts a node's devices by type.
void gr_frag_node_fill(const struct gr_frag *frag, const struct gr_node *node,
                       struct gr_frag_node *ret_by_type);

// Weights for a node with this much free cpu.
const int32_t *gr_frag_weights(const struct gr_frag *frag, const struct gr_node *node,
                               uint32_t cpu_milli);

// Usable milli times popularity: total * free - F. Pure.
int64_t gr_frag_usable(const struct gr_frag *frag, const int32_t *weights,
                       const struct gr_frag_node *by_type);

// As gr_frag_usable after a task took `devices` wholly free devices.
int64_t gr_frag_usable_less(const struct gr_frag *frag, const int32_t *weights,
                            const struct gr_frag_node *by_type, int32_t devices);

// As gr_frag_usable after one device went from `was` to `now` free milli.
int64_t gr_frag_usable_part(const struct gr_frag *frag, const int32_t *weights,
                            const struct gr_frag_node *by_type, int32_t was, int32_t now);

// F of a node's row (maybe a copy) in milli, in doubles and in the order of operations of the
// published simulator: a sum for each of the six reasons, in order of popularity, then added.
// Differs from the integers only by rounding, which decides whether a change of nothing comes out
// as one.
double gr_frag_published(const struct gr_place *place, const struct gr_node *node);

// F of one node in milli (0 while it is not up); 0 without a mix.
double gr_frag_of_node(const struct gr_place *place, uint32_t node);
