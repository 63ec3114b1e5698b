// Reads a whole trace as a command line describes it: nodes, jobs, and what was recorded of them.
#pragma once

#include "replay/trace.h"

// Where the parts come from. Zero-initialise; texts are borrowed; NULL: not given.
struct gr_load {
    const char *nodes;      // a file of nodes (nodes_csv.h), or
    const char *pool;       // a description of nodes (pool_spec.h): exactly one of the two
    const char *jobs;       // a file of jobs (jobs_csv.h)
    const char *map;        // how its columns are called (jobs_map.h)
    const char *order;      // a file of recorded orders (order.h); only where no job leaves
    const char *node_ranks; // a file of recorded ranks (order.h)
    uint64_t seed;          // which line of `order` and `node_ranks`
    uint32_t arrivals;      // how many entries of the order count; 0: what the runs.csv beside the
                            // order file says (openb.h), else the whole line
    const char *quotas;     // a file of quotas (quotas_csv.h)
    int64_t checkpoint_ms;  // of jobs that state none (jobs_csv.h)
    uint32_t node_devices;  // for the split of gangs (jobs_csv.h); 0: the widest node's
};

// Reads it. Returns 0 and a trace that gr_trace_done gives back, or -errno with a text (-EINVAL for
// bad input, with its place) and nothing. Blocks while reading.
int gr_load_trace(const struct gr_load *load, struct gr_trace *ret_trace, struct gr_err *err);
