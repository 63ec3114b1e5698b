// Every policy, one file each; policy.c lists them.
#pragma once

#include "place/policy.h"

// Least loss of what the expected demand will still buy: the default.
extern const struct gr_policy gr_policy_granary;
// A feasible node drawn uniformly; the floor of every comparison.
extern const struct gr_policy gr_policy_random;
// Small alignment of demand and what is free.
extern const struct gr_policy gr_policy_dotprod;
// Tasks of the same width together.
extern const struct gr_policy gr_policy_clustering;
// Partly used devices before free ones, partly used nodes before empty ones.
extern const struct gr_policy gr_policy_packing;
// Least left over in cpu and devices.
extern const struct gr_policy gr_policy_bestfit;
// Fragmentation gradient descent.
extern const struct gr_policy gr_policy_fgd;
// The lowest node that fits; measures the bare index.
extern const struct gr_policy gr_policy_firstfit;
