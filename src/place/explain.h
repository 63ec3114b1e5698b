// Why a demand does not fit now, and what would: nodes counted by the first filter that loses them,
// and the changes of one thing that would make it fit, the smallest first. Never a change of
// policy: a demand fits or it does not, whatever the policy.
#pragma once

#include "place/place.h"

// What could be changed.
enum gr_change {
    GR_CHANGE_CPU = 0, // ask for less cpu a task
    GR_CHANGE_MEMORY,  // ask for less memory a task
    GR_CHANGE_MILLI,   // ask for a smaller part of a device
    GR_CHANGE_DEVICES, // ask for fewer devices a task
    GR_CHANGE_TASKS,   // ask for fewer tasks
    GR_CHANGE_DOMAIN,  // give up the shared domain
    GR_CHANGE_KIND,    // accept the site and variant of `node`
    GR_CHANGE_STATE,   // bring nodes that are drained or broken back
};
#define GR_CHANGES 8

// One change that would do.
struct gr_suggestion {
    enum gr_change change;
    uint32_t from, to; // cpu milli, MiB, milli, devices or tasks; 0 for the others
    uint32_t node;     // KIND: a node that would take a task
    uint32_t
        size_ppm; // how much is given up, 1,000,000 is all of it; for the last three a fixed rank
};

// The whole answer.
struct gr_explanation {
    bool fits;                 // it fits now; nothing else is filled in but the counts
    uint32_t nodes;            // nodes there are
    uint32_t lost[GR_FILTERS]; // for one task; [GR_FILTER_NONE]: nodes that would take one
    uint32_t tasks_fit;        // tasks that fit now, of those asked for
    // Of nodes that are up and of a site and variant that the mask names, in milli of devices:
    // free, and in all.
    uint64_t free_milli, capacity_milli;
    bool is_cut;               // visits ran out: a change may be missing, or larger than need be
    uint32_t suggestion_count; // sorted, smallest change first
    struct gr_suggestion suggestions[GR_CHANGES];
};

// Explains a demand against the room there is now. The state is not changed. Visits every node a
// few dozen times: for people, not for the hot path.
void gr_place_explain(struct gr_place *place, const struct gr_demand *demand,
                      struct gr_explanation *ret_explanation);
// The same within a bound: looks at nodes at most `visits` times beyond the one look at each of
// them that counts them. One task without a domain is explained in whole by that one look.
void gr_place_explain_within(struct gr_place *place, const struct gr_demand *demand,
                             uint64_t visits, struct gr_explanation *ret_explanation);

// The filter's stable name ("cpu") and what it means. Static text.
const char *gr_filter_name(enum gr_filter filter);
// See gr_filter_name.
const char *gr_filter_text(enum gr_filter filter);
// The change's stable name ("fewer-tasks"). Static text.
const char *gr_change_name(enum gr_change change);
