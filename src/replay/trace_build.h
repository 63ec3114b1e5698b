// Putting a trace together: what the readers use and nobody else.
//
// A reader begins with gr_trace_init, adds nodes, then jobs, then an order. On any failure it calls
// gr_trace_done: nothing half-loaded leaves a reader.
#pragma once

#include "base/slice.h"
#include "replay/trace.h"

#include <stdbool.h>

// Makes `trace` an empty one with user "", queue "" and the set of every model. Returns 0 or
// -ENOMEM, with nothing to give back then.
int gr_trace_init(struct gr_trace *trace, struct gr_err *err);

// That the core takes `name` for a node, model or site: at most GR_NAME_SIZE - 1 bytes of UTF-8
// without control characters; it may be blank. 0, or -EINVAL with "a name ..., expected ..." for
// the caller to put the place before.
int gr_trace_check_name(struct gr_slice name, struct gr_err *err);

// The number of a model, which is new if the trace does not have it. -EINVAL as of
// gr_trace_check_name; -ERANGE if the trace would have more than GR_POOL_VARIANTS_MAX; -ENOMEM.
int gr_trace_add_model(struct gr_trace *trace, struct gr_slice name, uint32_t *ret_model,
                       struct gr_err *err);

// The number of a site; as gr_trace_add_model with GR_SITES_MAX.
int gr_trace_add_site(struct gr_trace *trace, struct gr_slice name, uint32_t *ret_site,
                      struct gr_err *err);

// The number of the domain `name` of `level` (0..GR_DOMAIN_LEVELS-1). 0 or -ENOMEM.
int gr_trace_add_domain(struct gr_trace *trace, unsigned level, struct gr_slice name,
                        uint32_t *ret_domain, struct gr_err *err);

// The first level (0..GR_DOMAIN_LEVELS-1) at which `node`, not yet added, would break the nesting:
// all nodes of a domain share the domain, or the lack of one, of each wider level. -1: it does not.
int gr_trace_domain_wrong(const struct gr_trace *trace, const struct gr_trace_node *node);

// The number of a user. 0 or -ENOMEM.
int gr_trace_add_user(struct gr_trace *trace, struct gr_slice name, uint32_t *ret_user,
                      struct gr_err *err);

// The number of a queue. 0 or -ENOMEM.
int gr_trace_add_queue(struct gr_trace *trace, struct gr_slice name, uint32_t *ret_queue,
                       struct gr_err *err);

// The number of a kind and of the set of models that it means: model names joined by '|', or "" for
// every model. Returns 0, -ENOENT with `ret_unknown` set to the name that no node has (a piece of
// `kind`), -ERANGE for more than GR_TRACE_KINDS_MAX different kinds, or -ENOMEM. The texts of
// -ENOENT and -ERANGE are left to the caller, who knows the line.
int gr_trace_find_kind(struct gr_trace *trace, struct gr_slice kind, uint32_t *ret_kind,
                       uint32_t *ret_models, struct gr_slice *ret_unknown, struct gr_err *err);

// Most different kinds that one trace's jobs may ask for.
#define GR_TRACE_KINDS_MAX 4096

// Appends a node; `node->name` is taken from `name`, which is copied. -EEXIST without a text if the
// trace has a node of this name, -ERANGE without a text at GR_NODES_MAX nodes, or -ENOMEM.
int gr_trace_add_node(struct gr_trace *trace, const struct gr_trace_node *node,
                      struct gr_slice name, struct gr_err *err);

// Takes out the nodes that are marked; those after them move up. Nodes can no longer be added then.
// `gone` has node_count entries. Returns how many are left.
size_t gr_trace_drop_nodes(struct gr_trace *trace, const bool *gone);

// Appends a job; `job->name` is taken from `name`, which is copied. -ERANGE without a text at
// GR_TRACE_JOBS_MAX jobs, or -ENOMEM.
int gr_trace_add_job(struct gr_trace *trace, const struct gr_trace_job *job, struct gr_slice name,
                     struct gr_err *err);

// The largest number of devices of a node whose model is in set `models`; 0 if none is.
uint32_t gr_trace_widest_node(const struct gr_trace *trace, uint32_t models);

// Reorders the nodes: the node that is k-th by name (bytes compared) becomes node ranks[k].
// `ranks` is a permutation of 0..node_count-1. 0 or -ENOMEM.
int gr_trace_rank_nodes(struct gr_trace *trace, const uint32_t *ranks, struct gr_err *err);

// Makes `order` the submission times' (equal times: file order) and moves the times so that the
// first arrival is at 0. 0 or -ENOMEM.
int gr_trace_order_by_time(struct gr_trace *trace, struct gr_err *err);

// Sets the order: a copy of `count` indexes, each below job_count. 0 or -ENOMEM.
int gr_trace_set_order(struct gr_trace *trace, const uint32_t *order, size_t count,
                       struct gr_err *err);
