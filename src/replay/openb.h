// A folder of openb traces: which runs it holds, their files, and the published curves.
//
//   DIR/openb_node_list_gpu_node.csv          the cluster
//   DIR/openb_pod_list_TRACE.csv              one a trace
//   DIR/arrivals/runs.csv                     trace, seed, order_file, n_arrivals, noderank_file
//   DIR/arrivals/*.txt                        the recorded orders and ranks (order.h)
//   DIR/expected/analysis_allo_discrete.csv   optional: workload (openb_pod_list_TRACE), sc_policy
//                                             (NN-NAME), tune, seed, total_gpus, then 0, 1, ...:
//                                             allocation in % at that arrived load in %
// A trace that runs.csv names and whose pod file is missing is left out.
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "replay/trace.h"

#include <stddef.h>
#include <stdint.h>

// Bytes of a trace's or file's name, NUL included.
#define GR_OPENB_NAME_SIZE 96

// Loads that a published curve may have: 0 % .. 200 %.
#define GR_OPENB_POINTS 201

// A point of a published curve that the file leaves blank.
#define GR_OPENB_UNKNOWN (-1.0)

// One run that is to be done for each policy.
struct gr_openb_run {
    uint32_t trace;                      // index into gr_openb.traces
    uint64_t seed;                       // of the recorded order
    uint32_t arrivals;                   // entries of the order that count
    char order_file[GR_OPENB_NAME_SIZE]; // within the folder
    char rank_file[GR_OPENB_NAME_SIZE];  // the same
};

// One published curve.
struct gr_openb_curve {
    uint32_t trace;
    uint64_t seed;
    char policy[GR_OPENB_NAME_SIZE]; // our name for it ("fgd")
    double values[GR_OPENB_POINTS];  // %, or GR_OPENB_UNKNOWN
};

// A folder. Arrays are heap memory given back by gr_openb_close.
struct gr_openb {
    char *path;                         // of the folder
    char (*traces)[GR_OPENB_NAME_SIZE]; // in order of first mention
    size_t trace_count;
    struct gr_openb_run *runs; // those of one trace together, in order of mention
    size_t run_count;
    struct gr_openb_curve *curves; // in the order of the file
    size_t curve_count;
};

// Reads what `path` holds: runs and published curves, no jobs. Returns 0; -EINVAL with
// "FILE:LINE:COLUMN: ..." for bad input; -ENOENT and the like for a file that cannot be read (the
// published curves may be missing); -ENOMEM. Nothing is left behind on failure. Blocks while
// reading.
int gr_openb_open(const char *path, struct gr_openb *ret_openb, struct gr_err *err);

// As gr_openb_open with runs.csv and the published curves (without a text: none) from memory; every
// trace counts as there.
int gr_openb_open_bytes(struct gr_slice runs, struct gr_slice curves, struct gr_openb *ret_openb,
                        struct gr_err *err);

// Gives back all memory. Safe on a zeroed one.
void gr_openb_close(struct gr_openb *openb);

// The published curve of a trace, seed and policy, or NULL. Borrowed.
const struct gr_openb_curve *gr_openb_curve_find(const struct gr_openb *openb, uint32_t trace,
                                                 uint64_t seed, const char *policy);

// Reads nodes, jobs, ranks and order of one run (index into runs): a whole trace. Errors as
// gr_openb_open; on success the caller owns *ret_trace.
int gr_openb_read_run(const struct gr_openb *openb, size_t run, struct gr_trace *ret_trace,
                      struct gr_err *err);

// The number of arrivals that the runs.csv beside an order file states for it: the line whose
// order_file is the file's name, whose seed is `seed`, and whose trace is that of the pod file
// `jobs_path`. Returns 1 and the number; 0 if there is no runs.csv or no such line; -EINVAL for a
// bad one.
int gr_openb_find_arrivals(const char *order_path, const char *jobs_path, uint64_t seed,
                           uint32_t *ret_arrivals, struct gr_err *err);
