// The openb benchmark: every trace, policy and seed of a folder, compared with what was published
// and with what is possible.
#pragma once

#include "replay/openb.h"
#include "replay/run.h"

// Policies compared at once at most.
#define GR_BENCH_POLICIES_MAX 32

// What to run. Zero-initialise; lists are borrowed.
struct gr_bench_config {
    const char *const *policies; // names, static texts; NULL: the published ones and `granary`
    size_t policy_count;
    const char *const *traces; // names; NULL: all of the folder
    size_t trace_count;
    const uint64_t *seeds; // NULL: all
    size_t seed_count;
    unsigned threads;       // 0: one a processor
    bool learn_mix;         // see gr_run_config
    bool no_ceilings;       // leave the ceilings unknown
    bool protocol_ceilings; // bound what policies can reach too, not only what any packing can
    // A folder, made if it is not there, for a certificate of each ceiling of each run
    // (docs/formats/certificate.md): TRACE-SEED-KIND.cert. NULL: none are written.
    const char *certificates;
    // Called from any thread, one at a time, with the runs done so far; NULL: nobody asks.
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
};

// One trace under one policy. Numbers that are not known are negative.
struct gr_bench_row {
    const char *trace;  // borrowed from the folder
    const char *policy; // static text
    unsigned seeds;     // runs
    double mean_at_100; // allocation at 100 % arrived load, % of capacity, mean over the seeds
    double published;  // the published mean of the same seeds; for `granary` that of FGD, its rival
    double difference; // largest difference to the published curves, over all points and seeds,
                       // in points; for `random`, whose draws differ, of the mean over the seeds;
                       // unknown for policies that nobody published
    double ceiling;    // mean of the proven bounds on any packing, %
    double protocol_ceiling; // mean of those on policies that reject only what fits nowhere, %
    int seeds_better;        // seeds on which it beats published FGD at 100 %, both to 0.01; where
                      // nothing was published, our own `fgd` run, if it is among the policies
    double wall_s; // sum over the runs
};

// Runs it all. Rows are ordered by trace (as in the folder), then policy (as given); the caller
// frees them. Returns 0; -EINVAL for a policy, trace or seed that there is not, or bad input;
// -EPROTO if a run exceeds its ceiling, or the core refuses a fact of its own; -ENOMEM. Blocks for
// as long as it computes.
int gr_bench_openb(const struct gr_openb *openb, const struct gr_bench_config *config,
                   struct gr_bench_row **ret_rows, size_t *ret_count, struct gr_err *err);
