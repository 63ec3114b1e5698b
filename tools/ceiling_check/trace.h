// The trace that a certificate is about, read from its own files: nodes, jobs, order of arrival.
//
// NODES.csv: sn,cpu_milli,memory_mib,gpu,model. JOBS.csv:
// name,cpu_milli,memory_mib,num_gpu,gpu_milli[,gpu_spec...]. The order: lines "seed i0 i1 ..." of
// rows of JOBS.csv, from 0. Nodes without devices hold nothing that counts and are left out. Model
// bit b is the b-th name of a model of the other nodes, in the order of their bytes; a gpu_spec is
// names joined by '|', of which unknown ones set no bit; an empty one is all of them.
#pragma once

#include "certificate.h"

enum { MODELS_MAX = 64, MODEL_SIZE = 64 };

// A trace. Arrays are heap memory, given back by trace_done.
struct trace {
    char models[MODELS_MAX][MODEL_SIZE];
    int model_count;
    struct node_type *types; // [NODE_TYPES_MAX], with counts, no two alike
    int type_count;
    uint64_t capacity;   // device milli
    struct demand *jobs; // [job_count] one a row, `count` as trace_play leaves it
    int job_count, job_room;
    int64_t event_count;
    int64_t limits[CUTS_MAX]; // of the cuts, summed over the events
};

// Reads nodes and jobs; the texts are cut to pieces and end in a NUL. Returns whether they are
// good; if not, why. The caller gives the trace back either way.
bool trace_read(char *nodes, char *jobs, struct trace *ret_trace, struct reason *ret_why);

// Plays the first `arrivals` of the seed's line of `order`, and sums over the events, which are the
// arrivals after which the arrived load rounds to `load` percent (a load halfway between two rounds
// to the even one): into jobs[].count how often the row had arrived, into limits[] the most that
// the left side of each cut of `certificate` had been with all placed.
bool trace_play(struct trace *trace, const struct certificate *certificate, const char *order,
                uint64_t seed, uint64_t arrivals, uint64_t load, struct reason *ret_why);

// Whether the certificate is about this trace, as trace_play left it: the same nodes, demands,
// counts and events, and cuts that are true. Sorts the arrays of both: the last thing to ask.
bool trace_matches(struct trace *trace, struct certificate *certificate, struct reason *ret_why);

// Gives the arrays back. Safe on a zeroed one.
void trace_done(struct trace *trace);
