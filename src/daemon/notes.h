// Why a node is out of use, and who took it out: kept in STATE/notes beside the facts, which only
// say that it is. A line a node: name, "operator" or "care", text; tab between them.
#pragma once

#include "base/err.h"
#include "daemon/pool.h"

// Reads the notes of nodes that the pool has; none is no error, and a line that cannot be read is
// passed over: it is only for people. Returns 0 or -errno.
int gr_notes_read(struct gr_pool *pool, struct gr_err *err);
// Writes the notes of all nodes that are out of use. Returns 0 or -errno.
int gr_notes_write(const struct gr_pool *pool, struct gr_err *err);
