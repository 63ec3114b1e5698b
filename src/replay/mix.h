// The demand mix of a trace: how often each shape of task is asked for.
#pragma once

#include "place/place.h"
#include "replay/trace.h"

// Collects the mix of all jobs of the trace, each counted once however often its order names it,
// and each task of a gang for itself. Jobs that differ in memory or in the text of their kind are
// different lines. Lines are sorted as the published measure breaks its ties: larger cpu, milli and
// devices first, then the greater text; at most GR_MIX_MAX of them, the commonest, are kept.
// `masks[s]` is the pool's number of model set s. Returns 0 and an array that the caller frees, or
// -ENOMEM. *ret_distinct is the number of different shapes before any were left out.
int gr_mix_collect(const struct gr_trace *trace, const uint16_t *masks,
                   struct gr_mix_item **ret_items, size_t *ret_count, size_t *ret_distinct,
                   struct gr_err *err);

// The shape of one task of a job.
struct gr_shape gr_mix_shape(const struct gr_trace_job *job, const uint16_t *masks);
