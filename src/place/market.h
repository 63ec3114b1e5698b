// Demand and supply in brief: the demand mix and the fleet as the default policy values them.
//
// Nodes alike in site, variant, devices, cpu and memory are one type. Types that the same demands
// may use are one group: values are kept a group. Lines of the mix that need the same of a device
// and may use the same groups are one item: prices are kept an item. Nothing here depends on the
// order of the nodes.
#pragma once

#include "place/state.h"

// Groups of types; what would be one more joins the group most like it.
#define GR_MARKET_GROUPS 32
// Types; with more, cpu and memory are rounded down until so many are left.
#define GR_MARKET_TYPES 1024
// Items; a line that would be one more joins the item most like it.
#define GR_MARKET_ITEMS 512
// Free milli are valued in steps of so many.
#define GR_MARKET_STEP 10

// Nodes alike.
struct gr_market_type {
    uint32_t cpu_milli, memory_mib; // of an empty node
    uint32_t count;                 // nodes
    uint8_t site;                   // of all of them
    uint8_t variant;                // index into the pool's variants
    uint8_t devices;                // of each node
    uint8_t group;                  // that the type belongs to
};

// A line of the mix that some empty node could hold.
struct gr_market_line {
    uint32_t cpu_milli, memory_mib;
    uint32_t groups; // bit g: group g's masks allow it
    float weight;    // its share of all that is asked for, by count
    uint16_t item;   // UINT16_MAX: no devices
    uint16_t milli;  // of each device
    uint8_t devices;
    uint8_t reserved[3]; // zero
};

// What lines need of one device.
struct gr_market_item {
    uint32_t groups;               // as gr_market_line
    int32_t milli;                 // of the device
    int32_t steps;                 // the same in steps, rounded up
    float weight;                  // its share of the devices asked for
    float price;                   // milli; see value_price.c
    float accepted;                // devices that take it, while prices are sought
    float share[GR_MARKET_GROUPS]; // of its demand, served by each group at the final prices
};

// See above. Plain data.
struct gr_market {
    uint32_t type_count;  // entries of `types`
    uint32_t line_count;  // entries of `lines`
    uint32_t item_count;  // entries of `items`
    uint32_t group_count; // groups that types were formed into
    double lost;          // share of the milli asked for that no empty node could serve, 0..1
    float devices[GR_MARKET_GROUPS];              // in all
    uint32_t node_devices[GR_MARKET_GROUPS];      // of the widest node
    uint32_t node_cpu[GR_MARKET_GROUPS];          // milli, of the node with most
    struct gr_market_type types[GR_MARKET_TYPES]; // sorted by site, variant, devices, cpu, memory
    struct gr_market_line lines[GR_MIX_MAX];      // commonest first
    struct gr_market_item items[GR_MARKET_ITEMS];
};

// Reads mix and fleet of a pool. False if there is nothing to value (no line asks for devices that
// a node has) or if even rounded types are too many; *ret_market is of no use then. Visits every
// node.
bool gr_market_read(const struct gr_place *place, struct gr_market *ret_market);

// Adds all that values follow from to a hash.
void gr_market_hash(const struct gr_market *market, struct gr_hash *hash);
