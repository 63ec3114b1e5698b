// The report of a replay: one HTML page that stands alone.
//
// Promises: the page loads nothing from anywhere, runs no script, and says so to the browser
// (Content-Security-Policy); it reads in light and dark, on paper and on a telephone; it is well
// formed as XML; the same input gives the same bytes. It stays below about 2 MB for any pool: large
// fleets are drawn several nodes to a cell, long runs as means. What is not known is shown as "–",
// never as 0. Must never let a name from a trace become markup.
#pragma once

#include "base/err.h"
#include "replay/compare.h"
#include "replay/result.h"
#include "replay/trace.h"

#include <stddef.h>

// More runs than this get lines, but no heat map and no strip of their own; the page says so.
#define GR_REPORT_MAPS_MAX 12

// Queues and kinds that a comparison shows at most.
#define GR_REPORT_GROUPS_MAX 40

// A curve that somebody published, for comparison.
struct gr_report_curve {
    const char *name;      // of the policy; drawn in the colour of the run of the same name
    const double *percent; // GR_CURVE_POINTS allocation ratios in percent; NaN: not known
};

// What to report. Everything is borrowed for the call.
struct gr_report {
    const char *title;               // NULL: "Replay of" and the name of the jobs' file
    const char *nodes, *jobs;        // names of the files, or NULL
    const struct gr_trace *trace;    // the nodes and names behind the results
    const struct gr_result *results; // one a run, in the order to show
    size_t result_count;             // at least 1
    // The most that any policy could have allocated at 100 % load, in percent of capacity, one a
    // result; NaN where it is not known. NULL: none is known.
    const double *ceilings;
    const struct gr_report_curve *published; // may be NULL
    size_t published_count;
    // A second replay beside results[0], the only one then: what was changed (texts), its result,
    // and the two compared. NULL: there is none.
    const char *const *what_if;
    size_t what_if_count;
    const struct gr_result *changed;
    const struct gr_compare *compare;
};

// Writes the page to `path` (see gr_html_save: whole or not at all, an old file stays on failure).
// Blocks on the disk. Returns 0 or -errno.
int gr_report_write(const char *path, const struct gr_report *what, struct gr_err *err);
