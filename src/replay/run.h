// Replays a trace through the core, on a virtual clock, and says what it came to.
//
// Every change of state is a fact that the core decided, admitted, checked and applied; there is no
// other way in. A trace whose jobs never leave is a fill: each job is placed when it arrives or
// dropped for good. Any other trace has a queue: jobs wait in the core's own order and leave when
// their time is over; only what would not fit the empty pool is dropped.
#pragma once

#include "core/core.h"
#include "replay/result.h"
#include "replay/trace.h"

// How to replay. Zero-initialise; `policy` must be set.
struct gr_run_config {
    const char *policy; // name of a placement policy; static text
    uint64_t seed;      // for the policy's own draws
    enum gr_order order;
    const struct gr_queue_terms *terms; // borrowed; NULL: the core's own. Only if the order is fair
    bool learn_mix; // the demand mix is learned from the arrivals so far, not taken from the trace
    bool measure_fragmentation; // fill the curve's `frag`; costs time at every step
    bool keep_fills;            // fill result->fills
    bool verify; // record the facts, apply them to a fresh core, compare digests, audit both
    // Where a core is kept from run to run, so that the policy's tables need not be made again for
    // the same fleet and mix; the caller frees the last one. Not for two threads at once. NULL:
    // none is.
    struct gr_core **kept;
    // Called now and then with the arrivals and departures so far; NULL: nobody asks.
    void (*progress)(void *context, uint64_t done);
    void *context;
};

// Replays `trace` (borrowed, unchanged: several threads may replay one). Returns 0 and a result
// that gr_result_done gives back; -EINVAL for no such policy or a trace beyond the core's limits;
// -ENOMEM; -EPROTO if verification fails or the core refuses a fact of its own: a defect, and the
// text says which. Blocks for as long as it computes.
int gr_run(const struct gr_trace *trace, const struct gr_run_config *config,
           struct gr_result *ret_result, struct gr_err *err);

// Arrivals and departures of a whole replay: what `progress` counts up to.
uint64_t gr_run_steps(const struct gr_trace *trace);
