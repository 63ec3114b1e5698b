// Reads quotas of a trace's queues from a CSV file:
//   queue     an organisation: a queue that the jobs name
//   kind      a model that a node has
//   nominal   devices that are its own
//   borrow    devices beyond that, while others leave them; blank: any
//   lend      of nominal, what others may hold while it is unused; blank: all
// Numbers have at most three digits behind the point. A queue and kind may come once.
#pragma once

#include "replay/trace.h"

// Adds the quotas of the file `path` to a trace that has its nodes and jobs. Returns 0; -EINVAL
// with "FILE:LINE:COLUMN: ..." for bad input (the trace may hold part of the file then: the caller
// gives it up); or what gr_csv_open returns. Blocks while reading.
int gr_quotas_read(struct gr_trace *trace, const char *path, struct gr_err *err);

// As gr_quotas_read from bytes in memory; `name` stands for the file in errors.
int gr_quotas_read_bytes(struct gr_trace *trace, const char *name, const char *bytes, size_t size,
                         struct gr_err *err);
