// Nodes generated from a short description, for replays that have a workload but no pool.
#pragma once

#include "replay/trace.h"

// Adds generated nodes to a trace that gr_trace_init made and that has none. `spec` is groups
// joined by ',', each NODESxDEVICESxKIND with settings appended as ":WORD=VALUE":
//   cpu      1/1000 of a cpu a node; else 12000 a device (12000 without devices)
//   memory   MiB a node; else 131072 a device (131072 without devices)
//   site     the site's name; else "site"
//   domain   so many nodes, one after the other, share a domain of level 1; else none
// "64x8xh100:site=lyon,404x2xt4:cpu=96000" is an example. Nodes are named KIND-000000, KIND-000001
// and so on, counted over the whole pool. Returns 0; -EINVAL with a text that quotes the group that
// is wrong and says what was expected (the trace may hold some nodes then: the caller gives it up);
// -ENOMEM.
int gr_pool_generate(struct gr_trace *trace, const char *spec, struct gr_err *err);
