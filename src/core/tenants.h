// Who holds what of a node: a list for each node of the pieces that lie on it. Follows from the
// jobs. A *tenant* is the number of a piece: the slot of a running job for its first one, and
// limits.jobs plus the row for a further one. The order in a list means nothing.
#pragma once

#include "core/state.h"

// The pieces of a job that has just been given its allocation. Constant time for each.
void gr_tenants_add(struct gr_core *core, uint32_t slot);
// The pieces of a job whose allocation is about to be given back. Constant time for each.
void gr_tenants_remove(struct gr_core *core, uint32_t slot);
// One piece that has just been taken, or is about to be given back; nothing if it is missing.
void gr_tenant_comes(struct gr_core *core, uint32_t tenant);
// See gr_tenant_comes.
void gr_tenant_goes(struct gr_core *core, uint32_t tenant);
// A tenant of the node, and the one after it; UINT32_MAX at the end.
uint32_t gr_tenants_first(const struct gr_core *core, uint32_t node);
// See gr_tenants_first.
uint32_t gr_tenants_next(const struct gr_core *core, uint32_t tenant);
// Slot of the job whose piece it is.
uint32_t gr_tenant_slot(const struct gr_core *core, uint32_t tenant);
// The piece. Borrowed.
const struct gr_piece *gr_tenant_piece(const struct gr_core *core, uint32_t tenant);
// Adds a tenant's piece to what is free in a copy of its node's row, but for devices that are out
// of use.
void gr_tenant_give(const struct gr_core *core, uint32_t tenant, struct gr_node *row);
// A running job is asked to stop for the first time; it gives its allocation back. They are linked
// from core->stopping_first.
void gr_stopping_add(struct gr_core *core, uint32_t slot);
// See gr_stopping_add.
void gr_stopping_remove(struct gr_core *core, uint32_t slot);
// Makes all lists anew, from the jobs: after a load or for a copy, whose lists are empty.
void gr_tenants_rebuild(struct gr_core *core);
// Bytes of the table of places of further pieces.
uint64_t gr_tenants_more_bytes(const struct gr_core_limits *limits);
// NULL, or what does not hold.
const char *gr_tenants_audit(const struct gr_core *core);
