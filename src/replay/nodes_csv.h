// Reads the nodes of a pool from a CSV file.
//
// The file's first line names its columns, in any order:
//   name (or sn)        the node's name: not blank, no two alike, at most GR_NAME_SIZE - 1 bytes
//   kind (or model)     its accelerator model, without '|'; may be blank if it has no devices
//   devices (or gpu)    accelerators, 0..GR_NODE_DEVICES_MAX
//   cpu_milli           cpu, 1/1000 of a cpu
//   memory_mib          memory, MiB
//   site                optional, the site's name; blank or no column: one site called "site"
//   domain1 .. domain4  optional topology domains, wide to narrow; blank: none at this level. A
//                       narrow domain lies within one domain of each wider level
// So the openb node files (sn, cpu_milli, memory_mib, gpu, model) read as they are.
#pragma once

#include "replay/trace.h"

// Adds the nodes of the file `path` to a trace that gr_trace_init made and that has no nodes.
// Returns 0; -EINVAL with "FILE:LINE:COLUMN: ..." for bad input (the trace may hold part of the
// file then: the caller gives it up); or what gr_csv_open returns. Blocks while reading.
int gr_nodes_read(struct gr_trace *trace, const char *path, struct gr_err *err);

// As gr_nodes_read from bytes in memory; `name` stands for the file in errors.
int gr_nodes_read_bytes(struct gr_trace *trace, const char *name, const char *bytes, size_t size,
                        struct gr_err *err);
