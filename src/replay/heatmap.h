// The fleet as a picture: one cell a node, or a few nodes where there are many, grouped by site and
// model; the colour says how full.
//
// Promises: the same cell is the same node in every run's picture, so that two policies can be
// compared at a glance. Nodes without accelerators are counted, not drawn.
#pragma once

#include "base/err.h"
#include "replay/html.h"
#include "replay/result.h"
#include "replay/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Most cells of one picture, about; more nodes than that share cells.
#define GR_HEATMAP_CELLS_MAX 2400
// Most groups; what is beyond shares one group of its own.
#define GR_HEATMAP_GROUPS_MAX 48

// How the fleet is laid out: the same for every run. Caller's memory.
struct gr_heatmap {
    const struct gr_trace *trace; // borrowed
    uint32_t *nodes;              // nodes with accelerators, sorted by group, then as in the file
    size_t node_count;
    struct gr_heatmap_group *groups; // in the order of the page
    size_t group_count;
    uint32_t nodes_per_cell; // at least 1
    size_t skipped;          // nodes without accelerators
    bool named;              // cells tell their node's name to the pointer
};

// Lays out the fleet of `trace` (borrowed until done) for `runs` pictures on one page. Returns 0 or
// -ENOMEM with nothing left behind.
int gr_heatmap_init(struct gr_heatmap *map, const struct gr_trace *trace, size_t runs,
                    struct gr_err *err);

// Gives back all memory and zeroes the layout. Safe on a zeroed one.
void gr_heatmap_done(struct gr_heatmap *map);

// Draws the fleet as `result` left it. Nodes that result->fills does not name are empty. Returns 0
// or -ENOMEM.
int gr_heatmap_draw(const struct gr_heatmap *map, const struct gr_result *result,
                    struct gr_html *html, struct gr_err *err);

// Draws the scale of colours.
void gr_heatmap_draw_scale(struct gr_html *html);
