// What if: changes of a pool and of how its queue is run, for a second replay beside the first.
//
// A change is one of
//   +N KIND, -N KIND, KIND=N      so many devices of a kind more, fewer, or in all; whole nodes,
//                                 alike the commonest of the kind; the last ones go first
//   +N nodes like NAME            nodes like that one
//   policy=NAME, queue=WORD       another placement policy, another order
//   quotas=FILE                   other quotas
//   half-life=, notice=, min-run=, lost-work-per-hour=, reclaim=   other terms (terms_text.h)
// and a text holds changes joined by ','. What is new stands where its like stands: at the same
// site, in topology domains of its own that hold as many nodes.
#pragma once

#include "core/core.h"
#include "core/terms.h"
#include "replay/trace.h"

// Most changes at once.
#define GR_WHAT_IF_MAX 64

// A change of the nodes.
struct gr_what_if_nodes {
    int64_t amount;                // devices, or nodes if `like` is given; below 0: fewer
    bool is_total;                 // devices in all
    char kind[GR_NAME_SIZE];       // "": `like` is given
    char like[GR_NAME_SIZE];       // the name of a node
    char text[GR_NAME_SIZE + 48u]; // as it was said, for errors
};

// What is changed. Zero-initialise; texts are borrowed from what was read.
struct gr_what_if {
    struct gr_what_if_nodes nodes[GR_WHAT_IF_MAX];
    size_t node_changes;   // in use
    const char *policy;    // static text, or NULL
    int order;             // enum gr_order + 1, or 0
    char quotas[4096];     // a path, or ""
    char terms_text[1024]; // changes of terms joined by ',', or ""
};

// Adds the changes of a text. Returns 0, or -EINVAL with a text that quotes the change that is
// wrong and says what was expected.
int gr_what_if_read(const char *text, struct gr_what_if *what_if, struct gr_err *err);

// Changes the nodes of a whole trace; its jobs stay as they are. Returns 0; -EINVAL with a text:
// an unknown kind or node, fewer than there are, no whole nodes, none left, too many (the trace may
// be changed in part then: the caller gives it up); -ENOMEM.
int gr_what_if_apply(const struct gr_what_if *what_if, struct gr_trace *trace, struct gr_err *err);
