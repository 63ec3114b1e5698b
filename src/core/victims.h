// The parts of victims.c: for src/core/victims*.c. reclaim.h has what others ask.
#pragma once

#include "core/reclaim.h"

// --- victims_may.c

// Takes what a job holds away from what its organisation uses, or gives it back, on trial. A job
// that may go: gr_victim_may.
void gr_victim_trial(const struct gr_taker *taker, uint32_t slot, bool take);
// What a job of the taker's organisation holds of its variant, in milli; 0 for others.
uint64_t gr_victim_own(const struct gr_taker *taker, uint32_t slot);

// --- victims_where.c

// Nodes that one decision looks at.
#define GR_SCOPE 4096u
// Nodes that a job may use.
struct gr_scope {
    uint32_t nodes[GR_SCOPE]; // numbers
    uint32_t count;           // of these
};

// A byte a job, by slot: 1 if it goes, on trial. Zeros between calls.
static inline uint8_t *gr_goes_at(const struct gr_core *core)
{
    return gr_core_at(core, core->goes_at);
}
// The nodes that the taker may use, by domain, then by number.
void gr_scope_make(const struct gr_taker *taker, struct gr_scope *scope);
// A node's row, with what those hold who go, and with `coming` those who were asked to stop.
struct gr_node gr_scope_row(const struct gr_taker *taker, uint32_t node, bool coming);
// Fills the nodes in order, whole blocks of a domain. Returns how many tasks found room; the pieces
// come in order of the scope's nodes.
uint32_t gr_scope_fill(const struct gr_taker *taker, const struct gr_scope *scope, bool coming,
                       struct gr_piece *pieces);
// Orders the pieces of each node by device, as facts want them: few on a node.
void gr_pieces_order(struct gr_piece *pieces, uint32_t count);
// Orders pieces by node, then by device.
void gr_pieces_sort(struct gr_piece *pieces, uint32_t count);

// --- victims_one.c and victims_gang.c

// Chooses for a job of one task, within the scope. True: *victims, the piece, and gr_goes_at of
// each victim is set.
bool gr_victims_one(const struct gr_taker *taker, const struct gr_scope *scope,
                    struct gr_victims *victims, struct gr_piece *pieces);
// The same for a gang.
bool gr_victims_gang(const struct gr_taker *taker, const struct gr_scope *scope,
                     struct gr_victims *victims, struct gr_piece *pieces);
