// The report's tables: headline figures, curves as numbers, how each run can be repeated.
#include "replay/report_parts.h"

#include <assert.h>
#include <math.h>

// How a column's values are written.
enum kind { PERCENT, COUNT, TIME };
// Which end of a column is the good one.
enum better { NEITHER, HIGH, LOW };

// One column: NaN where a run does not know the value; a column that no run knows is left out.
struct column {
    const char *name;
    const char *note; // what it is, for the pointer and for screen readers
    enum kind kind;
    enum better better;
    double (*get)(const struct gr_page *page, size_t run);
};

static const struct gr_result *result_of(const struct gr_page *page, size_t run)
{
    assert(run < page->what->result_count);
    return &page->what->results[run];
}

// A value that only runs in which work ends know.
static double departing(const struct gr_page *page, double value)
{
    return page->departs ? value : NAN;
}

static double get_utilisation(const struct gr_page *page, size_t run)
{
    return departing(page, result_of(page, run)->utilisation_ppm / 1e4);
}

static double get_pressed(const struct gr_page *page, size_t run)
{
    return departing(page, result_of(page, run)->allocation);
}

static double get_allocated(const struct gr_page *page, size_t run)
{
    return page->departs || page->load == 0 ? NAN : result_of(page, run)->allocation;
}

static double get_unallocated(const struct gr_page *page, size_t run)
{
    return page->departs || page->load > 0 ? 100 - result_of(page, run)->allocation : NAN;
}

static double get_fragmented(const struct gr_page *page, size_t run)
{
    const struct gr_result *result = result_of(page, run);
    return result->has_fragmentation ? result->fragmentation : NAN;
}

static double get_ceiling(const struct gr_page *page, size_t run)
{
    return gr_report_ceiling(page->what, run);
}

static double get_below_ceiling(const struct gr_page *page, size_t run)
{
    return get_ceiling(page, run) - get_allocated(page, run);
}

static double get_end(const struct gr_page *page, size_t run)
{
    const struct gr_result *result = result_of(page, run);
    if (page->departs || result->capacity_milli == 0) {
        return NAN;
    }
    return 100.0 * (double)result->used_milli_end / (double)result->capacity_milli;
}

static double get_delay_mean(const struct gr_page *page, size_t run)
{
    return departing(page, (double)result_of(page, run)->delay_mean_ms);
}

static double get_delay_p50(const struct gr_page *page, size_t run)
{
    return departing(page, (double)result_of(page, run)->delay_p50_ms);
}

static double get_delay_p95(const struct gr_page *page, size_t run)
{
    return departing(page, (double)result_of(page, run)->delay_p95_ms);
}

static double get_delay_max(const struct gr_page *page, size_t run)
{
    return departing(page, (double)result_of(page, run)->delay_max_ms);
}

static double get_makespan(const struct gr_page *page, size_t run)
{
    return departing(page, (double)result_of(page, run)->makespan_ms);
}

static double get_placed(const struct gr_page *page, size_t run)
{
    return (double)result_of(page, run)->placed;
}

// A count that is only worth a column if some run has any.
static double rare(const struct gr_page *page, size_t run, uint64_t (*of)(const struct gr_result *))
{
    for (size_t i = 0; i < page->what->result_count; i++) {
        if (of(result_of(page, i)) > 0) {
            return (double)of(result_of(page, run));
        }
    }
    return NAN;
}

static uint64_t waiting_of(const struct gr_result *result)
{
    return result->waiting;
}

static double get_waiting(const struct gr_page *page, size_t run)
{
    return rare(page, run, waiting_of);
}

static uint64_t dropped_of(const struct gr_result *result)
{
    return result->dropped;
}

static double get_dropped(const struct gr_page *page, size_t run)
{
    return rare(page, run, dropped_of);
}

// The first known column is drawn as a bar too.
static const struct column columns[] = {
    {"Allocated", "of all accelerators, when as much had arrived as fits, or all there was",
     PERCENT, HIGH, get_allocated},
    {"Allocated", "of all accelerators, mean over the time in which jobs waited", PERCENT, HIGH,
     get_pressed},
    {"Unallocated", "the rest: free while work was turned away or waited", PERCENT, LOW,
     get_unallocated},
    {"Fragmented", "free, but in pieces that the usual demands cannot use", PERCENT, LOW,
     get_fragmented},
    {"Ceiling", "no policy can have allocated more than this at 100 % load", PERCENT, NEITHER,
     get_ceiling},
    {"Below ceiling", "what is missing to the ceiling", PERCENT, LOW, get_below_ceiling},
    {"At the end", "allocated when the last job had arrived", PERCENT, HIGH, get_end},
    {"Utilisation", "device-time in use, of all device-time from the first arrival to the last end",
     PERCENT, HIGH, get_utilisation},
    {"Mean delay", "from submission to start", TIME, LOW, get_delay_mean},
    {"Median delay", "half of the jobs waited no longer", TIME, LOW, get_delay_p50},
    {"95 % delay", "95 of 100 jobs waited no longer", TIME, LOW, get_delay_p95},
    {"Longest delay", "the longest wait of a job that started", TIME, LOW, get_delay_max},
    {"Started", "jobs that started", COUNT, NEITHER, get_placed},
    {"Waiting", "jobs that still waited at the end", COUNT, LOW, get_waiting},
    {"Dropped", "jobs that never found a place", COUNT, LOW, get_dropped},
    {"Whole run", "from the first arrival to the last end, in the trace's own time", TIME, LOW,
     get_makespan},
};
#define COLUMNS (sizeof columns / sizeof columns[0])

// Whether any run knows the column's value.
static bool is_known(const struct gr_page *page, const struct column *column)
{
    for (size_t i = 0; i < page->what->result_count; i++) {
        if (isfinite(column->get(page, i))) {
            return true;
        }
    }
    return false;
}

// As far as a reader can see it: values that print alike count as alike.
static double seen(const struct column *column, double value)
{
    return column->kind == PERCENT ? round(value * 100)
           : column->kind == TIME  ? value
                                   : round(value);
}

// Whether the value is the best of its column, and not all are.
static bool is_best(const struct gr_page *page, const struct column *column, double value)
{
    bool better = false;
    if (column->better == NEITHER || !isfinite(value)) {
        return false;
    }
    for (size_t i = 0; i < page->what->result_count; i++) {
        double other = column->get(page, i);
        double lead = seen(column, value) - seen(column, other);
        lead = column->better == HIGH ? lead : -lead;
        if (lead < 0) {
            return false;
        }
        better |= lead > 0;
    }
    return better;
}

static void put_bar(struct gr_page *page, size_t run, double percent)
{
    double width = fmin(fmax(percent, 0), 100);
    gr_html_put(&page->html,
                "<svg class=\"bar\" aria-hidden=\"true\" viewBox=\"0 0 100 4\" "
                "preserveAspectRatio=\"none\"><path class=\"q\" d=\"M0 2h100\"/>"
                "<path class=\"l s%u\" d=\"M0 2h",
                (unsigned)(gr_report_series(page, run) % 8));
    gr_html_coordinate(&page->html, width);
    gr_html_put(&page->html, "\"/></svg>");
}

static void put_value(struct gr_page *page, size_t run, const struct column *column, bool bar)
{
    double value = column->get(page, run);
    bool best = is_best(page, column, value);
    gr_html_put(&page->html, best ? "<td><b>" : "<td>");
    switch (column->kind) {
    case PERCENT:
        gr_html_decimal(&page->html, value, 2);
        break;
    case COUNT:
        gr_html_decimal(&page->html, value, 0);
        break;
    case TIME:
        gr_html_duration(&page->html, isfinite(value) ? (int64_t)value : -1);
        break;
    }
    gr_html_put(&page->html, column->kind == PERCENT && isfinite(value) ? "&#160;%%" : "");
    gr_html_put(&page->html, best ? "</b>" : "");
    if (bar && isfinite(value)) {
        put_bar(page, run, value);
    }
    gr_html_put(&page->html, "</td>");
}

// The cell that names a run, in its colour.
static void put_run_head(struct gr_page *page, size_t run)
{
    gr_html_put(&page->html, "<th scope=\"row\"><i class=\"k s%u\"></i>",
                (unsigned)(gr_report_series(page, run) % 8));
    gr_report_put_run(page, run);
    gr_html_put(&page->html, "</th>");
}

void gr_report_put_table(struct gr_page *page)
{
    bool known[COLUMNS];
    size_t first = COLUMNS;
    gr_html_put(&page->html,
                "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Policy</th>");
    for (size_t c = 0; c < COLUMNS; c++) {
        known[c] = is_known(page, &columns[c]);
        if (known[c]) {
            first = first == COLUMNS ? c : first;
            gr_html_put(&page->html, "<th scope=\"col\" title=\"%s\">%s</th>", columns[c].note,
                        columns[c].name);
        }
    }
    gr_html_put(&page->html, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < page->what->result_count; i++) {
        gr_html_put(&page->html, "<tr>");
        put_run_head(page, i);
        for (size_t c = 0; c < COLUMNS; c++) {
            if (known[c]) {
                put_value(page, i, &columns[c], c == first && columns[c].kind == PERCENT);
            }
        }
        gr_html_put(&page->html, "</tr>\n");
    }
    gr_html_put(&page->html, "</tbody></table></div>\n");
}

void gr_report_put_curve_table(struct gr_page *page)
{
    const struct gr_report *what = page->what;
    gr_html_put(&page->html, "<details><summary>The curve as numbers</summary><div class=\"wide\">"
                             "<table>\n<thead><tr><th scope=\"col\">Allocated at load</th>");
    for (size_t i = 0; i < what->result_count; i++) {
        gr_html_put(&page->html, "<th scope=\"col\">");
        gr_report_put_run(page, i);
        gr_html_put(&page->html, "</th>");
    }
    gr_html_put(&page->html, "</tr></thead>\n<tbody>\n");
    for (size_t load = 10; load < GR_CURVE_POINTS; load += load < 80 ? 10 : 2) {
        bool any = false;
        for (size_t i = 0; i < what->result_count; i++) {
            any |= isfinite(gr_report_allocated(&what->results[i], load));
        }
        if (!any) {
            continue;
        }
        gr_html_put(&page->html, "<tr><th scope=\"row\">%zu&#160;%%</th>", load);
        for (size_t i = 0; i < what->result_count; i++) {
            gr_html_put(&page->html, "<td>");
            gr_html_decimal(&page->html, gr_report_allocated(&what->results[i], load), 2);
            gr_html_put(&page->html, "</td>");
        }
        gr_html_put(&page->html, "</tr>\n");
    }
    gr_html_put(&page->html, "</tbody></table></div></details>\n");
}

void gr_report_put_runs(struct gr_page *page)
{
    gr_html_put(&page->html,
                "<details><summary>The runs</summary><p>The same input, policy and seed end in the "
                "same state, on every machine: the digest of that state proves it.</p>"
                "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Policy</th>"
                "<th scope=\"col\">Seed</th><th scope=\"col\">Took</th>"
                "<th scope=\"col\">Digest of the final state</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < page->what->result_count; i++) {
        const struct gr_result *result = result_of(page, i);
        gr_html_put(&page->html, "<tr>");
        put_run_head(page, i);
        gr_html_put(&page->html, "<td>%llu</td><td>", (unsigned long long)result->seed);
        gr_html_decimal(&page->html, result->wall_s, 3);
        gr_html_put(&page->html, "&#160;s</td><td class=\"hex\">");
        for (size_t b = 0; b < sizeof result->digest; b++) {
            gr_html_put(&page->html, "%02x", result->digest[b]);
        }
        gr_html_put(&page->html, "</td></tr>\n");
    }
    gr_html_put(&page->html, "</tbody></table></div></details>\n");
}
