// Reads the jobs of a trace from a CSV file: openb's pod lists, or any file that a map describes.
//
// Without a map, the first line decides. A file with a column `num_gpu` is an openb pod list (name,
// cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec, and the columns that its protocol ignores):
// its jobs arrive in the file's order (or in a recorded one) and never leave. Any other file names
// its columns as the fields of jobs_map.h and no others. With a map, columns that it does not name
// are skipped.
//
// Fields that a general file must give (as a column or as a default of the map): submit, duration
// or end, devices, cpu or cpu_per_device, memory or memory_per_device. The others have a meaning
// when they are missing or blank: no name, limit = duration, milli 1000, any kind, no user, no
// queue, use other, priority GR_TRACE_PRIORITY, no domain, the checkpoint of the options. A limit
// below the duration counts as the duration.
//
// Gangs: with `tasks`, a job is that many tasks of `devices` devices each, and cpu and memory are
// one task's. Without, `devices`, cpu and memory are the whole job's. A job of more devices than a
// node holds (the widest node that its kind allows, or `node_devices`) becomes the gang of fewest
// tasks that fit and are all alike: with 8 devices a node, 128 devices are 16 tasks of 8, 12 are 2
// tasks of 6, 13 are 13 tasks of 1. Each task gets its share of cpu and memory, rounded up.
#pragma once

#include "replay/jobs_map.h"
#include "replay/trace.h"

// How jobs are read. Zero-initialise.
struct gr_jobs_options {
    const struct gr_jobs_map *map; // borrowed; NULL: the first line decides
    uint32_t node_devices;         // devices a node for the split of gangs; 0: the widest node's
    int64_t checkpoint_ms;         // of jobs that state none; 0: they have no checkpoints
};

// Adds the jobs of the file `path` to a trace that has its nodes and no jobs, and orders them by
// arrival. Returns 0; -EINVAL with "FILE:LINE:COLUMN: ..." for bad input (the trace may hold part
// of the file then: the caller gives it up); or what gr_csv_open returns. Blocks while reading.
int gr_jobs_read(struct gr_trace *trace, const char *path, const struct gr_jobs_options *options,
                 struct gr_err *err);

// As gr_jobs_read from bytes in memory; `name` stands for the file in errors.
int gr_jobs_read_bytes(struct gr_trace *trace, const char *name, const char *bytes, size_t size,
                       const struct gr_jobs_options *options, struct gr_err *err);
