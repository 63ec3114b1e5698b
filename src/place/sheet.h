// Needs side by side, and their scores on one node at once: the hot loop of the default policy.
//
// Entries (the slots of the index, or the lines of a rehearsal) that need the same devices share a
// unit: what they leave of a node is worked out once a unit, and for each entry only its cpu is
// looked up.
#pragma once

#include "place/value.h"

// Entries a sheet can have.
#define GR_SHEET_MAX 512

// See above. Plain data.
struct gr_sheet {
    uint32_t count; // entries, below `entry`
    uint32_t units; // units, `by unit`
    struct gr_value_scale scale;
    int32_t cpu_milli[GR_SHEET_MAX]; // of each entry; room is a multiple of what is handled at once
    uint16_t unit[GR_SHEET_MAX];     // of each entry
    // By unit.
    uint16_t milli[GR_SHEET_MAX]; // of each device
    uint8_t devices[GR_SHEET_MAX];
    int32_t base[GR_SHEET_MAX]; // gr_value_base
};

// Makes an empty sheet for these tables.
void gr_sheet_init(struct gr_sheet *sheet, const struct gr_value *value);
// Appends an entry; the caller has checked count < GR_SHEET_MAX, asserted.
void gr_sheet_add(struct gr_sheet *sheet, const struct gr_value *value, uint32_t cpu_milli,
                  unsigned devices, unsigned milli);

// Writes the score of entry i to ret_scores[i * step], 0 where fits[i] is 0. The node has been
// looked up in the tables that the sheet was made for. Pure.
void gr_sheet_score(const struct gr_sheet *sheet, const struct gr_value_view *view,
                    const uint8_t *fits, uint8_t *ret_scores, size_t step);

// Score of one need on a node it fits: what gr_sheet_score gives an entry like it. Pure.
uint8_t gr_sheet_score_one(const struct gr_value_view *view, uint32_t cpu_milli, unsigned devices,
                           unsigned milli);
