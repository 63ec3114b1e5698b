// What a job asks for: tasks, devices a task, cpu, memory, and where it may go.
#pragma once

#include "model/limits.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

// What work is for. Rules and prices read it; placement does not.
enum gr_use {
    GR_USE_OTHER = 0,
    GR_USE_TRAIN,
    GR_USE_SERVE,
    GR_USE_RENDER,
    GR_USE_BATCH,
};
#define GR_USES 5

// Where work may go: site s and variant v are allowed together if bit v % 64 of bits[s][v / 64] is
// set. The kind asked for, rules, quotas and data location each clear bits.
struct gr_mask {
    uint64_t bits[GR_SITES_MAX][GR_POOL_VARIANTS_MAX / 64];
};

// Every site and variant.
void gr_mask_fill(struct gr_mask *mask);
// Leaves only the variants whose bit is set in `variants` (all sites alike).
void gr_mask_keep_variants(struct gr_mask *mask,
                           const uint64_t variants[GR_POOL_VARIANTS_MAX / 64]);
// Removes one site.
void gr_mask_remove_site(struct gr_mask *mask, unsigned site);
// True if work may go to variant `variant` at site `site`.
bool gr_mask_has(const struct gr_mask *mask, unsigned site, unsigned variant);

// One task's needs: what the candidate index is keyed by. All fields count for equality.
struct gr_shape {
    uint32_t cpu_milli;  // 1/1000 of a cpu
    uint32_t memory_mib; // MiB
    uint16_t mask;       // index of an interned gr_mask
    uint16_t milli;      // of each device: 1..1000; below 1000 only with devices == 1; 0 without
    uint8_t devices;     // whole devices, or 1 for a fraction; 0: cpu only
    uint8_t level;       // 1..GR_DOMAIN_LEVELS: a task lies within one domain of this level, which
                         // may be a group of devices inside the node; 0: anywhere in the node
    uint16_t reserved;   // zero
};
static_assert(sizeof(struct gr_shape) == 16, "no padding");

// A gang's needs. Tasks are alike.
struct gr_demand {
    struct gr_shape shape;
    uint32_t tasks;        // 1..GR_TASKS_MAX
    uint32_t domain_tasks; // so many tasks share each domain; 0: all of them share one
    uint8_t domain_level; // 1..GR_DOMAIN_LEVELS: the level they must share, an outer one where more
                          // than one task shares a domain; 0: none. A task that shares it with
                          // no other lies within the narrower of this and shape.level
    uint8_t priority;     // higher first
    uint8_t use;          // enum gr_use
    uint8_t preference; // which variants first: index of an interned gr_preference, plus 1; 0: none
};

// NULL if the demand is well formed, else one phrase that says what is wrong with it ("milli below
// 1000 with 2 devices"). Static text.
const char *gr_demand_wrong(const struct gr_demand *demand);
