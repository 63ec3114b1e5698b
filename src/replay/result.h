// What one replay came to: counts, the curve over load, the samples over time.
//
// Written by run.c, read by the tables, the JSON and CSV output and the HTML report.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Points of the curve over arrived load: 0 % .. 200 %, one a whole percent.
#define GR_CURVE_POINTS 201

// Most samples of one run.
#define GR_RESULT_SAMPLES 2048

// One point of a curve: a mean over the events whose rounded arrived load is this percent.
struct gr_curve_point {
    double sum;  // of the allocation ratio in percent, each first rounded to 2 decimals
    double frag; // of the fragmented share of capacity in percent (FGD's measure F / capacity)
    uint64_t used_milli; // sum of what was allocated, exact
    uint32_t count;      // events; 0: no event fell here, the point is unknown
};

// One sample over virtual time (only traces with departures have them).
struct gr_sample {
    int64_t at_ms;             // virtual time
    uint64_t used_milli;       // allocated device milli
    uint32_t running, waiting; // jobs
};

// One node at the end of a run (or at its busiest sample), for the heat map.
struct gr_node_fill {
    uint32_t node;           // index into the trace's nodes
    uint32_t used_milli;     // allocated, of 1000 * devices
    uint32_t cpu_used_milli; // 1/1000 of a cpu
};

// What became of one arrival of a trace with departures.
struct gr_result_job {
    int64_t start_ms;     // its first start, virtual time; -1: never
    int64_t end_ms;       // when its work was done; -1: never
    int64_t waited_ms;    // from submission to start, and after each stop to the next
    double lost_milli_ms; // of devices, what it had to do again
    uint32_t stops;       // how often its room was taken back
};

// Owned by the caller; arrays are heap memory given back by gr_result_done.
struct gr_result {
    const char *policy;                          // static text
    uint64_t seed;                               // of the policy's draws
    uint64_t capacity_milli;                     // all devices * 1000
    uint64_t arrived, placed, dropped, finished; // jobs; placed: at least once
    uint64_t stopped;                            // attempts whose room was taken back
    double lost_milli_ms;    // of devices, what they had done since their last checkpoints
    uint32_t first_dropped;  // index into the trace's jobs, if any was dropped
    uint64_t waiting;        // jobs that were still waiting at the end
    uint64_t used_milli_end; // allocated at the end
    uint64_t facts;          // that made up the run
    bool has_departures;     // of the trace: a queue instead of drops
    bool has_fragmentation;  // it was measured
    // The figures of the summary, in percent of capacity. Without departures: the curve at 100 %
    // arrived load, or at the highest load below it that was reached. With: means over the time in
    // which jobs waited (over all time, if none ever did); utilisation is the mean over all time.
    double allocation, fragmentation;
    struct gr_curve_point curve[GR_CURVE_POINTS]; // [p]: at p % arrived load
    // Delay of started jobs: how long they waited in all, milliseconds.
    int64_t delay_mean_ms, delay_p50_ms, delay_p95_ms, delay_p99_ms, delay_max_ms;
    // Device-time used / device-time that existed between first arrival and last departure, in
    // parts per million; 0 for traces without departures.
    uint32_t utilisation_ppm;
    int64_t makespan_ms;        // from the first arrival to the last event
    struct gr_sample *samples;  // in order of time, at most GR_RESULT_SAMPLES
    size_t sample_count;        // 0 without departures
    struct gr_node_fill *fills; // one a node
    size_t fill_count;
    struct gr_result_job *jobs; // one an arrival, in order; NULL without departures
    size_t job_count;
    double wall_s;      // how long the replay took
    uint8_t digest[32]; // the core's state digest at the end
};

// `milli` of `capacity_milli` (not 0) in percent times `scale`, rounded to a whole number, to the
// even one of two that are as near: the published analysis' rounding of load (scale 1) and
// allocation (scale 100).
uint64_t gr_result_percent(uint64_t milli, uint64_t capacity_milli, uint64_t scale);

// Mean allocation at arrived load `percent` (below GR_CURVE_POINTS), in percent of capacity; a
// negative number if no event fell there.
double gr_result_allocation_at(const struct gr_result *result, unsigned percent);

// Mean fragmentation there, in percent of capacity; a negative number if it is not known.
double gr_result_fragmentation_at(const struct gr_result *result, unsigned percent);

// Gives back the arrays and zeroes the result.
void gr_result_done(struct gr_result *result);
