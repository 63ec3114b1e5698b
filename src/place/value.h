// What a node's free devices and cpu are worth to the demand that is expected: the tables of the
// default policy and what is looked up in them. docs/design/policy.md has the derivation.
//
//   worth   of one device with r milli free: the milli it will still sell, less what the same
//           demand would bring elsewhere (value_price.c)
//   usable  share of a node's free milli that its free cpu will let it sell (value_strand.c)
//   hold    premium on wholly free devices that lie together, for demands of several
//
// Value of a node with devices worth W in all (hold included), free milli T and free cpu c, in one
// of two forms (`scaled`):
//   additive  W - T * (1 - usable(c, T))      what is lost for lack of cpu is taken off
//   scaled    W * usable(c, T)                all worth is sold in that proportion
// A placement's loss is the value before less the value after. All tables are integers.
#pragma once

#include "place/market.h"

// Patiences there are to choose from.
#define GR_VALUE_PATIENCES 6
// Entries of `usable` for all groups.
#define GR_VALUE_USABLE (GR_MARKET_GROUPS * GR_VALUE_ROWS * GR_VALUE_COLUMNS)
// Values of a device's free milli: 0, 10, ... 1000.
#define GR_VALUE_STEPS (GR_DEVICE_MILLI / GR_MARKET_STEP + 1)
// Free cpu is looked up in so many columns.
#define GR_VALUE_COLUMNS 128
// Free milli are looked up in at most so many rows, 0 included.
#define GR_VALUE_ROWS 81
// `usable` is in units of 1 / GR_VALUE_ONE.
#define GR_VALUE_ONE 32768

// The tables of one group of nodes.
struct gr_value_group {
    uint32_t rows;                         // of `usable`
    uint32_t row_factor;                   // rows a milli, times 65536, rounded up
    uint32_t row_milli;                    // milli a row
    uint32_t usable_at;                    // first entry of its rows
    float column_inverse;                  // columns a milli of cpu
    int32_t hold[GR_NODE_DEVICES_MAX + 1]; // milli, by wholly free devices
    int16_t worth[GR_VALUE_STEPS];         // milli, by steps that are free
};

// All tables. Plain data.
struct gr_value {
    uint32_t group_count;  // entries of `groups`
    uint32_t scaled;       // which form: 0 or 1
    uint32_t bucket_milli; // losses that differ by less may get the same score
    uint8_t group_of[GR_SITES_MAX][GR_POOL_VARIANTS_MAX]; // UINT8_MAX: no such node
    struct gr_value_group groups[GR_MARKET_GROUPS];
    // The least loss a demand can have on any group, cpu apart, by its steps or devices: scores
    // count from there.
    int32_t base_part[GR_VALUE_STEPS];
    int32_t base_whole[GR_NODE_DEVICES_MAX + 1];
    uint32_t usable_count; // entries of `usable`
    uint16_t usable[GR_VALUE_USABLE];
};

// Knobs that have no value good for every mix and fleet: chosen by rehearsal (rehearse.h).
struct gr_value_knobs {
    uint32_t patience;     // which `usable`: 0..GR_VALUE_PATIENCES - 1, see value_strand.c
    uint32_t hold_percent; // weight of `hold`
    uint32_t scaled;       // as in struct gr_value
    uint32_t bucket_milli; // as in struct gr_value
};

// Scratch that building takes; the caller's memory.
struct gr_value_scratch {
    uint16_t usable[GR_VALUE_PATIENCES][GR_VALUE_USABLE]; // to choose from
    float now[GR_VALUE_ROWS][2 * GR_VALUE_COLUMNS];       // milli sold after n knocks
    float next[GR_VALUE_ROWS][2 * GR_VALUE_COLUMNS];      // and after n + 1
};

// Finds prices of items and from them `worth`, and which share of each item every group will serve.
// Fills all of *ret_value but `usable`, `hold` and the knobs.
void gr_value_price(struct gr_market *market, struct gr_value *ret_value);
// Fills scratch->usable, for every patience. gr_value_price comes first.
void gr_value_strand(const struct gr_market *market, struct gr_value *value,
                     struct gr_value_scratch *ret_scratch);
// Sets the knobs, with `usable` from scratch and `hold`. gr_value_strand comes first.
void gr_value_tune(const struct gr_market *market, const struct gr_value_scratch *scratch,
                   const struct gr_value_knobs *knobs, struct gr_value *value);

// A node as the tables see it.
struct gr_value_view {
    const struct gr_value *value;       // the tables
    const struct gr_value_group *group; // of the node
    const struct gr_node *node;
    int32_t milli;                        // free in all
    int32_t worth;                        // of all devices, hold included
    int32_t now;                          // value
    unsigned distinct;                    // different device states, and for each:
    uint16_t free[GR_NODE_DEVICES_MAX];   // milli
    uint8_t first[GR_NODE_DEVICES_MAX];   // lowest device
    int32_t premium[GR_NODE_DEVICES_MAX]; // hold lost by touching it
};

// What a need leaves of a node, cpu apart.
struct gr_value_after {
    int32_t fixed;   // milli
    int32_t slope;   // milli more if all of it can be used
    uint32_t row_at; // first entry of the row of `usable`
};

// The value of a node left so, with this entry of `usable`. Pure.
static inline int32_t gr_value_worth(int32_t fixed, int32_t slope, uint16_t usable)
{
    return fixed + (slope * (int32_t)usable >> 15);
}
static_assert(GR_VALUE_ONE == 1 << 15, "gr_value_worth shifts");

// Looks a node up. False if no table knows nodes like it. Pure; borrows both.
bool gr_value_look(const struct gr_value *value, const struct gr_node *node,
                   struct gr_value_view *ret_view);
// The worth lost by taking `devices` x `milli`, cpu apart, where it is least; *ret_device is the
// device if it is a fraction. 0 where they do not fit. Pure.
int32_t gr_value_take(const struct gr_value_view *view, unsigned devices, unsigned milli,
                      unsigned *ret_device);
// The least loss of such a demand anywhere. Pure.
int32_t gr_value_base(const struct gr_value *value, unsigned devices, unsigned milli);

// Column of `usable` for this much free cpu; below 0 is taken for 0.
static inline uint32_t gr_value_column(const struct gr_value_group *group, int32_t cpu_milli)
{
    int32_t column = (int32_t)((float)(cpu_milli < 0 ? 0 : cpu_milli) * group->column_inverse);
    return column < GR_VALUE_COLUMNS ? (uint32_t)column : GR_VALUE_COLUMNS - 1;
}

// What is left after losing `worth` and `milli`. Pure.
static inline struct gr_value_after gr_value_left(const struct gr_value_view *view, int32_t worth,
                                                  int32_t milli)
{
    const struct gr_value_group *group = view->group;
    int32_t left = view->milli - milli;
    uint32_t row =
        ((left < 0 ? 0 : (uint32_t)left) + group->row_milli / 2) * group->row_factor >> 16;
    row = row < group->rows ? row : group->rows - 1;
    int32_t rounded = (int32_t)(row * group->row_milli);
    bool scaled = view->value->scaled != 0;
    return (struct gr_value_after){
        .fixed = scaled ? 0 : view->worth - worth - rounded,
        .slope = scaled ? view->worth - worth : rounded,
        .row_at = group->usable_at + row * GR_VALUE_COLUMNS,
    };
}

// How losses become scores.
struct gr_value_scale {
    int32_t offset; // gains beyond the base that are told apart, milli
    int32_t limit;  // greatest loss that is told apart, counted from the greatest gain
    int32_t factor; // scores a milli, times 65536
};

// The scale for the tables' bucket.
struct gr_value_scale gr_value_scale_get(const struct gr_value *value);

// Score of a loss beyond the base: 255 for the greatest gain, at least 1. Pure.
static inline uint8_t gr_value_score(const struct gr_value_scale *scale, int32_t loss)
{
    int32_t above = loss + scale->offset;
    above &= ~(above >> 31); // below 0: 0, without a branch, which would be guessed wrong
    above = above > scale->limit ? scale->limit : above;
    return (uint8_t)(255 - (above * scale->factor >> 16));
}
