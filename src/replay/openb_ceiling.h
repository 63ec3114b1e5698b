// The ceilings of a run: what no packing whatever can exceed, and what no policy can.
//
// Turns a trace whose jobs never leave, and the orders of its runs, into the types and counts of
// ceiling.h. A bound is on the mean allocation over the arrivals whose rounded load is 100 %.
// Models are numbered as certificates demand: those of nodes with devices, in the order of their
// bytes.
#pragma once

#include "replay/trace.h"

#include <stdint.h>

// Which ceiling.
enum gr_openb_ceiling_kind {
    GR_OPENB_OFFLINE,  // of any packing of what arrived, made with full knowledge
    GR_OPENB_PROTOCOL, // of any policy that rejects only what fits nowhere and moves nothing
};
#define GR_OPENB_CEILINGS 2

// The bounds of one trace's runs. Opaque; keeps the solvers and the columns they found.
struct gr_openb_ceiling;

// The kind's name in options and file names ("offline", "protocol"). Static text.
const char *gr_openb_ceiling_name(enum gr_openb_ceiling_kind kind);

// Prepares for the nodes and jobs of `trace`, which is not kept. Returns 0; -ENOTSUP with a text if
// the trace is beyond the solver's limits; -ENOMEM.
int gr_openb_ceiling_new(const struct gr_trace *trace, struct gr_openb_ceiling **ret_ceiling,
                         struct gr_err *err);

// Gives the solvers back. NULL is allowed.
void gr_openb_ceiling_free(struct gr_openb_ceiling *ceiling);

// Bounds the run whose order is that of `trace`, a trace of the same jobs and nodes (nodes in any
// order). Returns 1 and the bound on the mean of allocated milli; 0 if no arrival falls on 100 %;
// -ENOTSUP with a text for GR_OPENB_PROTOCOL if jobs have several tasks; -EIO, -ENOMEM as
// gr_ceiling_solve. CPU bound: about half a second for the first run of a trace, then milliseconds.
int gr_openb_ceiling_run(struct gr_openb_ceiling *ceiling, const struct gr_trace *trace,
                         enum gr_openb_ceiling_kind kind, int64_t *ret_bound_milli,
                         struct gr_err *err);

// Writes the certificate of the last bound of this kind to the file `path`, replacing it. Returns
// 0 or -errno with a text, and leaves no file then. Blocks while writing.
int gr_openb_ceiling_write(const struct gr_openb_ceiling *ceiling, enum gr_openb_ceiling_kind kind,
                           const char *path, struct gr_err *err);
