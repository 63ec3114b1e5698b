// Two replays of the same jobs side by side: how long the jobs of each organisation and kind waited
// in one and in the other, and which jobs were helped or hurt most.
#pragma once

#include "base/err.h"
#include "replay/result.h"
#include "replay/trace.h"

// Jobs helped most, and hurt most, that are named.
#define GR_COMPARE_JOBS 5

// How long jobs waited in the two replays. Means and percentiles are of those that started there.
struct gr_compare_waits {
    uint64_t started[2]; // jobs
    int64_t mean_ms[2];  // of all their waits
    int64_t p50_ms[2];   // half of them waited no longer
    int64_t p95_ms[2];   // 95 of 100 waited no longer
};

// A group of jobs: of one organisation, or asked for by one kind.
struct gr_compare_group {
    const char *name; // borrowed from the trace; "": none given, or any
    uint64_t jobs;    // that arrived
    struct gr_compare_waits waits;
};

// A job that started in both.
struct gr_compare_job {
    size_t arrival;       // index into the trace's order
    int64_t waited_ms[2]; // in all, in the first replay and in the second
};

// A comparison. Heap; given back by gr_compare_done.
struct gr_compare {
    struct gr_compare_group *queues, *kinds; // those with jobs; most jobs first
    size_t queue_count, kind_count;
    struct gr_compare_job helped[GR_COMPARE_JOBS]; // the most first; only those that were
    struct gr_compare_job hurt[GR_COMPARE_JOBS];
    size_t helped_count, hurt_count;
    uint64_t sooner, later, alike; // jobs that started in both
    uint64_t only[2];              // that started in one of them only
};

// Compares two results of traces that differ in their nodes at most; `trace` is one of them, with
// departures. 0, or -ENOMEM with nothing to give back.
int gr_compare_make(const struct gr_trace *trace, const struct gr_result *first,
                    const struct gr_result *second, struct gr_compare *ret_compare,
                    struct gr_err *err);
// Gives it back. Safe on a zeroed one.
void gr_compare_done(struct gr_compare *compare);
