// A rehearsal: a small fleet like the real one is filled with demands like the expected ones, to
// see how much of it these tables allocate. A function of market and tables alone.
#pragma once

#include "place/sheet.h"

// Nodes of the small fleet.
#define GR_REHEARSE_NODES 512
// Tasks that it is filled with at most.
#define GR_REHEARSE_TASKS 32768

// Scratch; the caller's memory, contents of no meaning afterwards.
struct gr_rehearse_scratch {
    struct gr_node nodes[GR_REHEARSE_NODES];
    uint16_t types[GR_REHEARSE_NODES]; // of the market, by node
    uint16_t tasks[GR_REHEARSE_TASKS]; // lines, in order of arrival
    struct gr_sheet sheet;
    uint8_t scores[GR_SHEET_MAX][GR_REHEARSE_NODES]; // by line and node; 0: does not fit
};

// Returns the mean share of the devices that is allocated, 0..1, while the demand that arrived goes
// from 95 to 105 % of what the fleet has (less what no node can serve). Nothing ever leaves.
double gr_rehearse(const struct gr_market *market, const struct gr_value *value,
                   struct gr_rehearse_scratch *scratch);
