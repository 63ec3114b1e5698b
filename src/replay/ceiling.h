// A proven upper bound on what any placement of a demand on a pool can have allocated.
//
// The bound is the dual of a linear program with one column for each way to fill a node, found by
// column generation with GLPK. Floating point only chooses the duals: every bound that is given was
// priced in integers, and can be written as a certificate that a separate program checks
// (tools/ceiling_check). The statement and its proof are in docs/design/ceiling.md, the format of a
// certificate in docs/formats/certificate.md.
//
// Reads no clock, prints nothing. Calls from several threads are safe as long as each solver is
// used by one at a time. A solve uses GLPK's environment of the calling thread and frees it: no
// object of GLPK in the same thread outlives one.
#pragma once

#include "base/err.h"
#include "replay/ceiling_cuts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// Limits of one instance.
#define GR_CEILING_NODE_TYPES_MAX 256
#define GR_CEILING_DEMANDS_MAX 4096
#define GR_CEILING_DEVICES_MAX 16                // of one node
#define GR_CEILING_MODELS_MAX 64                 // bits of a mask of models
#define GR_CEILING_NODES_MAX 1000000             // of one type
#define GR_CEILING_AMOUNT_MAX (INT64_C(1) << 40) // of cpu, memory, counts and events

// Nodes that are alike.
struct gr_ceiling_node_type {
    uint32_t model;   // bit number in gr_ceiling_demand.models, below GR_CEILING_MODELS_MAX
    uint32_t devices; // of 1000 milli each, 0..GR_CEILING_DEVICES_MAX
    int64_t cpu_milli, memory_mib; // of one node, 0..GR_CEILING_AMOUNT_MAX
    uint32_t count;                // nodes, 0..GR_CEILING_NODES_MAX
};

// What is asked: the arrivals, as sums over some events (moments), and how exact the answer is.
struct gr_ceiling_question {
    // [demand] sum over the events of how many had arrived, 0..GR_CEILING_AMOUNT_MAX; borrowed.
    const int64_t *count_sums;
    int64_t event_count; // 1..GR_CEILING_AMOUNT_MAX
    // Borrowed; their truth is the caller's to answer for. None: the bound holds for any packing.
    const struct gr_ceiling_cut *cuts;
    size_t cut_count; // 0..GR_CEILING_CUTS_MAX
    double gap_milli; // stop within this of the linear program's optimum, at least 0
    int rounds_max;   // stop after this many rounds of pricing, at least 1
};

// A bound on the mean over the events, and what it took.
struct gr_ceiling_answer {
    int64_t bound_milli; // proven, rounded up
    double lp_milli;     // value of the last restricted program: the bound is at most this far off
    int rounds;          // of pricing
    int columns;         // held now
    bool is_converged;   // the gap asked for was reached
};

// A solver for one set of types; it keeps the columns it found for later questions. Opaque.
struct gr_ceiling;

// Makes a solver for these types; both arrays are copied. Demands that no node can hold are allowed
// and count for nothing. Returns 0 and a solver for gr_ceiling_free; -EINVAL with a text if a type
// or a number of types is beyond the limits; -ENOMEM.
int gr_ceiling_new(const struct gr_ceiling_node_type *types, size_t type_count,
                   const struct gr_ceiling_demand *demands, size_t demand_count,
                   struct gr_ceiling **ret_ceiling, struct gr_err *err);

// Gives a solver back. NULL is allowed.
void gr_ceiling_free(struct gr_ceiling *ceiling);

// Answers one question. With cuts no two demands may be alike. The bound is proven whether or not
// it converged. Returns 0; -EINVAL for counts or cuts out of range; -EOVERFLOW if the bound does
// not fit; -ENOMEM; -EIO with GLPK's words if GLPK failed, or found no optimum before any bound
// was found. After a failure *ret_answer is untouched, and the solver may be asked again. CPU
// bound, no I/O: about half a second for the first question on a published openb trace, then
// milliseconds.
int gr_ceiling_solve(struct gr_ceiling *ceiling, const struct gr_ceiling_question *question,
                     struct gr_ceiling_answer *ret_answer, struct gr_err *err);

// Writes the certificate of the last answer of this solver to `out`, which stays the caller's and
// is not flushed. Returns 0; -ENODATA if the last question has no answer, or there was none; -EIO
// if the stream reports an error (part of the text may have been written).
int gr_ceiling_write(const struct gr_ceiling *ceiling, FILE *out, struct gr_err *err);
