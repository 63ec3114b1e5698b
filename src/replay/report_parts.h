// The parts of the report's page, one function a part. Only report*.c include this.
#pragma once

#include "base/err.h"
#include "replay/html.h"
#include "replay/report.h"
#include "replay/svg.h"

#include <stdbool.h>
#include <stddef.h>

// A policy of the report; several runs (seeds) may share it.
struct gr_report_policy {
    const char *name; // borrowed from the first of its results
    size_t series;    // its colour: granary has 0 on every page
    size_t first;     // its first result
};

// A page on its way. Caller's memory; `policies` and `policy_of` are heap, owned by report.c.
struct gr_page {
    struct gr_html html;
    const struct gr_report *what; // borrowed from the caller
    struct gr_report_policy *policies;
    size_t policy_count;
    size_t *policy_of; // by result
    bool seeds;        // some policy has several runs, so a run is named with its seed
    size_t load;       // percent of arrived load at which runs are compared: 100, or all there was
    bool departs;      // work ends: there are waits, utilisation, samples
};

// The style sheet. Static text without '<' and '&'.
extern const char gr_report_style[];

// The mean allocation ratio at a load, in percent; NaN where no event fell.
double gr_report_allocated(const struct gr_result *result, size_t load_percent);

// The highest arrived load, in percent, at which any run knows its allocation; 0: no curve.
size_t gr_report_last_load(const struct gr_report *what);

// As gr_report_allocated for the fragmented share of capacity, in percent.
double gr_report_fragmented(const struct gr_result *result, size_t load_percent);

// A figure of a run; NaN where it is not known.
typedef double gr_report_get(const struct gr_page *page, size_t run);

// The mean of a figure over the runs of policy `p` that know it; NaN if none does.
double gr_report_mean(const struct gr_page *page, size_t p, gr_report_get *get);

// The ceiling of result `i` in percent, NaN if it is not known.
double gr_report_ceiling(const struct gr_report *what, size_t i);

// The colour of result `i`.
size_t gr_report_series(const struct gr_page *page, size_t i);

// The frame of a chart that fills a column of the page. Margins may be changed afterwards. `title`
// and the labels are static text.
struct gr_svg_chart gr_report_chart(const char *title, struct gr_svg_axis x, struct gr_svg_axis y);

// Opens a figure with the heading `heading` (static text).
void gr_report_open_figure(struct gr_page *page, const char *heading);

// Closes the figure.
void gr_report_close_figure(struct gr_page *page);

// Widens [*low, *high] to hold `value`, unless that is not known.
void gr_report_widen(double value, double *low, double *high);

// Writes the name of run `i`: its policy, and its seed where that tells runs apart.
void gr_report_put_run(struct gr_page *page, size_t i);

// Writes the legend of all policies.
void gr_report_put_legend(struct gr_page *page);

// Writes the table of headline figures, one row a run.
void gr_report_put_table(struct gr_page *page);

// Writes the curves over load as a folded table.
void gr_report_put_curve_table(struct gr_page *page);

// Writes seed, duration and digest of each run as a folded table.
void gr_report_put_runs(struct gr_page *page);

// Draws allocation and fragmentation over arrived load, if a curve has points. 0 or -ENOMEM.
int gr_report_put_curves(struct gr_page *page, struct gr_err *err);

// Draws what each policy leaves unallocated at page->load: how much of it is fragmented.
void gr_report_put_left(struct gr_page *page);

// Draws used, running and waiting over time, if there are samples. 0 or -ENOMEM.
int gr_report_put_times(struct gr_page *page, struct gr_err *err);

// Writes the comparison with a second replay, if there is one.
void gr_report_put_what_if(struct gr_page *page);

// Draws the fleet of each run, if the trace has nodes with accelerators. 0 or -ENOMEM.
int gr_report_put_fleets(struct gr_page *page, struct gr_err *err);
