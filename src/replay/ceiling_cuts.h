// Cuts: what the rules of the benchmark add to a ceiling.
//
// They hold for every policy that (1) rejects a demand only if no node can hold it at that moment,
// and (2) never moves, stops or shrinks what it placed; it may know the future. Demand d dominates
// demand p if wherever d fits, p fits. Free room only shrinks, so once p was rejected neither p nor
// any d that dominates it is ever placed again: what is placed of d is at most what had arrived by
// then, what is placed of p is exactly that. A cut puts this into one line (gr_ceiling_cut). The
// proof is in docs/design/ceiling.md.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Most cuts of one question.
#define GR_CEILING_CUTS_MAX 256

// In gr_ceiling_arrivals.demands: an arrival that asks for no device.
#define GR_CEILING_NO_DEMAND UINT32_MAX

// Demands that are alike. `devices` is 1..GR_CEILING_DEVICES_MAX; `milli`, of each device, is
// 1..1000, and 1000 when there are more devices than one.
struct gr_ceiling_demand {
    uint32_t devices, milli;
    int64_t cpu_milli, memory_mib; // 0..GR_CEILING_AMOUNT_MAX
    uint64_t models;               // a bit for each model that will do
};

// Which of the demands that dominate the pivot are in a cut.
enum gr_ceiling_cut_kind {
    GR_CEILING_CUT_ALL = 0,
    GR_CEILING_CUT_FRACTIONAL = 1, // milli < 1000
    GR_CEILING_CUT_WHOLE = 2,      // milli = 1000
};

// That the device milli placed of all demands other than `pivot` that dominate it and are of this
// kind, less beta_milli for each pivot placed, summed over the events, are at most limit_sum.
struct gr_ceiling_cut {
    uint32_t pivot; // index of a demand
    enum gr_ceiling_cut_kind kind;
    int64_t beta_milli; // 0..2^30
    int64_t limit_sum;  // milli, 0..2^50
};

// What arrived, in order.
struct gr_ceiling_arrivals {
    const uint32_t *demands; // [count] the demand that arrived, or GR_CEILING_NO_DEMAND; borrowed
    const bool *are_events;  // [count] whether the moment after it counts; borrowed
    size_t count;
};

// Whether `demand` dominates `other`: wherever it fits, `other` fits, whatever is placed. A demand
// dominates itself.
bool gr_ceiling_demand_dominates(const struct gr_ceiling_demand *demand,
                                 const struct gr_ceiling_demand *other);

// The coefficient of demand number `demand` in a cut over `demands`: its device milli if it is one
// of those that dominate, -beta_milli for the pivot, else 0.
int64_t gr_ceiling_cut_weight(const struct gr_ceiling_cut *cut,
                              const struct gr_ceiling_demand *demands, uint32_t demand);

// Sets the limit_sum of each cut to the least that is true for these arrivals: the sum over the
// events of the largest value its left side has had so far if all that arrived were placed. Returns
// 0 or -ENOMEM.
int gr_ceiling_cuts_limit(struct gr_ceiling_cut *cuts, size_t cut_count,
                          const struct gr_ceiling_demand *demands, size_t demand_count,
                          const struct gr_ceiling_arrivals *arrivals, struct gr_err *err);

// Chooses cuts for these arrivals, with limits: one of each kind for each demand that arrived often
// and that others dominate. `count_sums` is as in gr_ceiling_question. No two demands may be alike.
// Writes at most GR_CEILING_CUTS_MAX to `cuts` and their number to *ret_count. Returns 0 or
// -ENOMEM.
int gr_ceiling_cuts_choose(const struct gr_ceiling_demand *demands, size_t demand_count,
                           const struct gr_ceiling_arrivals *arrivals, const int64_t *count_sums,
                           struct gr_ceiling_cut *cuts, size_t *ret_count, struct gr_err *err);
