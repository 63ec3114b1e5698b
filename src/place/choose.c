// Does a shape fit a node, and which devices does it take there. Pure.
#include "place/state.h"

#include <string.h>

// Wholly free devices among `count` from `first` on.
static unsigned whole_in(const struct gr_node *node, unsigned first, unsigned count)
{
    unsigned whole = 0;
    for (unsigned i = first; i < first + count && i < node->devices; i++) {
        whole += node->free[i] == GR_DEVICE_MILLI;
    }
    return whole;
}

// Devices of one inner group that a shape must stay in; 0: it may use the whole node.
static unsigned group_size(const struct gr_node *node, const struct gr_shape *shape)
{
    if (shape->level == 0 || node->domain[shape->level - 1] == GR_DOMAIN_NONE ||
        (node->domain[shape->level - 1] & GR_DOMAIN_INNER) == 0) {
        return 0;
    }
    return node->domain[shape->level - 1] & ~GR_DOMAIN_INNER;
}

// First device of the tightest group that holds the shape, or UINT32_MAX.
static unsigned group_find(const struct gr_node *node, const struct gr_shape *shape, unsigned size)
{
    unsigned best = UINT32_MAX, best_whole = UINT32_MAX;
    for (unsigned first = 0; first < node->devices; first += size) {
        unsigned whole = whole_in(node, first, size);
        if (whole >= shape->devices && whole < best_whole) {
            best = first;
            best_whole = whole;
        }
    }
    return best;
}

static bool devices_fit(const struct gr_node *node, const struct gr_shape *shape)
{
    if (shape->devices == 0) {
        return true;
    }
    if (gr_shape_is_fraction(shape)) {
        return node->widest >= shape->milli;
    }
    if (node->whole < shape->devices) {
        return false;
    }
    unsigned size = group_size(node, shape);
    return size == 0 || group_find(node, shape, size) != UINT32_MAX;
}

enum gr_filter gr_choose_filter(const struct gr_place *place, const struct gr_node *node,
                                const struct gr_node_cold *cold, const struct gr_shape *shape)
{
    if (node->state != GR_NODE_UP) {
        return GR_FILTER_STATE;
    }
    if (!gr_mask_allows(place, shape->mask, node->site, node->variant)) {
        return GR_FILTER_MASK;
    }
    if (shape->level != 0 && node->domain[shape->level - 1] == GR_DOMAIN_NONE) {
        return GR_FILTER_DOMAIN;
    }
    unsigned size = group_size(node, shape);
    // What is free is within what there is: the cold row is looked at only if too little is free.
    if (shape->devices > node->devices || (size != 0 && shape->devices > size) ||
        (shape->cpu_milli > node->cpu_milli && shape->cpu_milli > cold->cpu_milli) ||
        (shape->memory_mib > node->memory_mib && shape->memory_mib > cold->memory_mib)) {
        return GR_FILTER_CAPACITY;
    }
    if (!devices_fit(node, shape)) {
        return GR_FILTER_DEVICES;
    }
    if (node->cpu_milli < shape->cpu_milli) {
        return GR_FILTER_CPU;
    }
    return node->memory_mib < shape->memory_mib ? GR_FILTER_MEMORY : GR_FILTER_NONE;
}

// True if no filter stands against it. What is free is within what there is, so that the hot row
// alone says so; what fails most often comes first.
static bool fits(const struct gr_place *place, const struct gr_node *node,
                 const struct gr_shape *shape)
{
    return node->cpu_milli >= shape->cpu_milli && node->memory_mib >= shape->memory_mib &&
           devices_fit(node, shape) && node->state == GR_NODE_UP &&
           (shape->level == 0 || node->domain[shape->level - 1] != GR_DOMAIN_NONE) &&
           gr_mask_allows(place, shape->mask, node->site, node->variant);
}

uint8_t gr_choose_score(const struct gr_place *place, uint32_t node, const struct gr_shape *shape)
{
    if (!fits(place, gr_node_at(place, node), shape)) {
        return 0;
    }
    uint8_t score = gr_place_policy(place)->score(place, node, shape);
    assert(score > 0);
    return score;
}

uint16_t gr_choose_whole(const struct gr_node *node, const struct gr_shape *shape)
{
    unsigned size = group_size(node, shape);
    unsigned first = size == 0 ? 0 : group_find(node, shape, size);
    assert(first != UINT32_MAX);
    unsigned wanted = shape->devices;
    unsigned devices = 0;
    for (unsigned i = first; i < node->devices && wanted > 0; i++) {
        if (node->free[i] == GR_DEVICE_MILLI) {
            devices |= 1u << i;
            wanted--;
        }
    }
    assert(wanted == 0);
    return (uint16_t)devices;
}

unsigned gr_choose_tightest(const struct gr_node *node, unsigned milli)
{
    unsigned best = UINT32_MAX;
    for (unsigned i = 0; i < node->devices; i++) {
        if (node->free[i] >= milli && (best == UINT32_MAX || node->free[i] < node->free[best])) {
            best = i;
        }
    }
    assert(best != UINT32_MAX);
    return best;
}

void gr_choose_piece(const struct gr_place *place, uint32_t node, const struct gr_shape *shape,
                     struct gr_piece *ret_piece)
{
    const struct gr_policy *policy = gr_place_policy(place);
    const struct gr_node *row = gr_node_at(place, node);
    uint16_t devices = 0;
    if (gr_shape_is_fraction(shape)) {
        unsigned device = policy->device != NULL ? policy->device(place, node, shape)
                                                 : gr_choose_tightest(row, shape->milli);
        devices = (uint16_t)(1u << device);
    } else if (shape->devices > 0) {
        devices = gr_choose_whole(row, shape);
    }
    *ret_piece = (struct gr_piece){.node = node,
                                   .devices = devices,
                                   .milli = shape->milli,
                                   .cpu_milli = shape->cpu_milli,
                                   .memory_mib = shape->memory_mib};
}
