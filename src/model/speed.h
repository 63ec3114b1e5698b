// How fast a device of a variant does work of a use, and what the work costs there: the figures
// that `cheapest:` and `fastest:` order by. docs/formats/kinds.md says where they come from.
#pragma once

#include "model/catalogue.h"
#include "model/demand.h"
#include "model/kind.h"

// A speed of 1,000: an H100 SXM (nv-h100-sxm-80 of the catalogue).
#define GR_SPEED_ONE 1000
// Hours over which a price of purchase is spread where no cost is given: four years.
#define GR_COST_HOURS 35040

// What is known of a device for an order of kinds; 0: unknown.
struct gr_worth {
    uint32_t speed;     // thousandths of GR_SPEED_ONE's device
    uint64_t hour_cost; // millionths of a USD, or whatever costs are given in, a device-hour
};

// The speed of a variant for a use by the catalogue: work that is bound by compute goes by the
// dense FP16 rate; serving by rate and memory bandwidth, as weighted in docs/formats/kinds.md. 0 if
// a figure that it needs is unknown.
uint32_t gr_speed_default(const struct gr_variant *variant, enum gr_use use);
// The catalogue's price spread over GR_COST_HOURS, in millionths of a USD an hour; 0: unknown.
uint64_t gr_cost_default(const struct gr_variant *variant);
// What an hour of GR_SPEED_ONE's work costs: cost / speed, in millionths; UINT64_MAX: unknown.
uint64_t gr_worth_work_cost(const struct gr_worth *worth);
// Orders `count` things that are listed: ret_tiers[i] is 1 for the first choice, equal for equals,
// with no gaps. GR_KIND_LISTED: each after the one before it. GR_KIND_CHEAPEST: by
// gr_worth_work_cost. GR_KIND_FASTEST: by speed. What is unknown comes last, as listed, one after
// the other.
void gr_worth_tiers(enum gr_kind_order order, const struct gr_worth *worth, size_t count,
                    uint16_t *ret_tiers);
