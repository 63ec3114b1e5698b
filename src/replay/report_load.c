// The report's curves over arrived load: allocation from empty to full and around saturation,
// fragmentation.
#include "replay/report_parts.h"
#include "replay/svg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Room right of a plot for the names of lines.
#define NAMES_WIDTH 84.0

// Whose allocation a curve is drawn of.
typedef double get_fn(const struct gr_result *result, size_t load_percent);

// The points of a curve that are known; returns how many.
static size_t curve_points(const struct gr_result *result, get_fn *get, struct gr_svg_point *points)
{
    size_t count = 0;
    for (size_t load = 0; load < GR_CURVE_POINTS; load++) {
        double value = get(result, load);
        if (isfinite(value)) {
            points[count++] = (struct gr_svg_point){(double)load, value};
        }
    }
    return count;
}

// The colour of a published curve: that of the policy of the same name, else one of its own.
static size_t published_series(const struct gr_page *page, size_t published)
{
    for (size_t p = 0; p < page->policy_count; p++) {
        if (strcmp(page->policies[p].name, page->what->published[published].name) == 0) {
            return page->policies[p].series;
        }
    }
    return page->policy_count + published;
}

static void draw_published(struct gr_page *page, const struct gr_svg_chart *chart)
{
    for (size_t c = 0; c < page->what->published_count; c++) {
        struct gr_svg_point points[GR_CURVE_POINTS];
        for (size_t load = 0; load < GR_CURVE_POINTS; load++) {
            points[load] =
                (struct gr_svg_point){(double)load, page->what->published[c].percent[load]};
        }
        gr_svg_line(&page->html, chart, points, GR_CURVE_POINTS, published_series(page, c),
                    GR_SVG_PUBLISHED, page->what->published[c].name);
    }
}

// Draws one curve a run and, where there is room right of the plot, one name a policy.
static int draw_curves(struct gr_page *page, const struct gr_svg_chart *chart, get_fn *get,
                       struct gr_err *err)
{
    const struct gr_report *what = page->what;
    struct gr_svg_end *ends = calloc(page->policy_count, sizeof ends[0]);
    if (ends == NULL) {
        return gr_fail(err, -ENOMEM, "draw curves: out of memory");
    }
    for (size_t i = what->result_count; i-- > 0;) { // the first ends on top
        struct gr_svg_point points[GR_CURVE_POINTS];
        size_t count = curve_points(&what->results[i], get, points);
        size_t series = gr_report_series(page, i);
        gr_svg_line(&page->html, chart, points, count, series,
                    series == 0 ? GR_SVG_STRONG : GR_SVG_LINE, what->results[i].policy);
        ends[page->policy_of[i]] = (struct gr_svg_end){
            .y = count > 0 ? points[count - 1].y : NAN,
            .series = series,
            .name = what->results[i].policy,
        };
    }
    if (chart->right >= NAMES_WIDTH) {
        gr_svg_ends(&page->html, chart, ends, page->policy_count);
    }
    free(ends);
    return 0;
}

// Where allocation first falls behind what arrived by a percent: there the choice begins to matter.
static size_t saturation_start(const struct gr_report *what, size_t last)
{
    for (size_t load = 1; load <= last; load++) {
        for (size_t i = 0; i < what->result_count; i++) {
            if (gr_report_allocated(&what->results[i], load) < (double)load - 1) {
                return load < 5 ? 0 : (load - 1) / 5 * 5;
            }
        }
    }
    return last;
}

// The range of everything drawn between two loads.
static void range_between(const struct gr_report *what, size_t from, size_t to, double *ret_low,
                          double *ret_high)
{
    double low = INFINITY;
    double high = -INFINITY;
    for (size_t load = from; load <= to; load++) {
        for (size_t i = 0; i < what->result_count; i++) {
            gr_report_widen(gr_report_allocated(&what->results[i], load), &low, &high);
        }
        for (size_t c = 0; c < what->published_count; c++) {
            gr_report_widen(what->published[c].percent[load], &low, &high);
        }
    }
    for (size_t i = 0; i < what->result_count; i++) {
        gr_report_widen(gr_report_ceiling(what, i), &low, &high);
    }
    *ret_low = low;
    *ret_high = high;
}

// Marks each different ceiling around 100 % load.
static void draw_ceilings(struct gr_page *page, const struct gr_svg_chart *chart)
{
    const struct gr_report *what = page->what;
    for (size_t i = 0; i < what->result_count; i++) {
        bool seen = false;
        for (size_t j = 0; j < i; j++) {
            seen |= fabs(gr_report_ceiling(what, i) - gr_report_ceiling(what, j)) < 0.005;
        }
        if (!seen) {
            gr_svg_mark(&page->html, chart, 92, 108, gr_report_ceiling(what, i), "ceiling");
        }
    }
}

static int put_whole_curve(struct gr_page *page, size_t last, struct gr_err *err)
{
    double end = ceil(fmax((double)last, 10) / 10) * 10;
    struct gr_svg_chart chart = gr_report_chart(
        "Allocated share of the accelerators over arrived load, whole range",
        (struct gr_svg_axis){0, end, GR_SVG_PERCENT, "arrived load, share of capacity"},
        (struct gr_svg_axis){0, 100, GR_SVG_PERCENT, "allocated, share of capacity"});
    gr_report_open_figure(page, "From empty to full");
    gr_svg_open(&page->html, &chart);
    draw_published(page, &chart);
    int rc = draw_curves(page, &chart, gr_report_allocated, err);
    gr_svg_close(&page->html);
    gr_report_close_figure(page);
    return rc;
}

// The same where the policies part.
static int put_zoomed_curve(struct gr_page *page, size_t last, struct gr_err *err)
{
    size_t from = saturation_start(page->what, last);
    double low, high;
    if (from + 5 > last) {
        return 0;
    }
    // The steep beginning would take the room from the part where the policies differ: it is cut.
    size_t flat = from + 10 < last ? from + 10 : last;
    range_between(page->what, flat < 100 ? flat : 100, last, &low, &high);
    gr_svg_round_range(GR_SVG_PERCENT, 1, &low, &high);
    struct gr_svg_chart chart = gr_report_chart(
        "Allocated share of the accelerators over arrived load, around saturation",
        (struct gr_svg_axis){(double)from, (double)last, GR_SVG_PERCENT,
                             "arrived load, share of capacity"},
        (struct gr_svg_axis){low, high, GR_SVG_PERCENT, "allocated, share of capacity"});
    chart.right = NAMES_WIDTH;
    gr_report_open_figure(page, "Where the policies part");
    gr_svg_open(&page->html, &chart);
    draw_published(page, &chart);
    int rc = draw_curves(page, &chart, gr_report_allocated, err);
    draw_ceilings(page, &chart);
    gr_svg_close(&page->html);
    gr_report_close_figure(page);
    return rc;
}

static int put_fragmentation(struct gr_page *page, size_t last, struct gr_err *err)
{
    double low = 0;
    double high = -1;
    for (size_t i = 0; i < page->what->result_count; i++) {
        for (size_t load = 0; load <= last; load++) {
            gr_report_widen(gr_report_fragmented(&page->what->results[i], load), &low, &high);
        }
    }
    if (high < 0) {
        return 0; // it was not measured
    }
    gr_svg_round_range(GR_SVG_PERCENT, 1, &low, &high);
    low = 0;
    struct gr_svg_chart chart = gr_report_chart(
        "Fragmented share of the accelerators over arrived load",
        (struct gr_svg_axis){0, ceil(fmax((double)last, 10) / 10) * 10, GR_SVG_PERCENT,
                             "arrived load, share of capacity"},
        (struct gr_svg_axis){low, high, GR_SVG_PERCENT, "fragmented, share of capacity"});
    chart.right = NAMES_WIDTH;
    gr_report_open_figure(page, "Fragmentation");
    gr_svg_open(&page->html, &chart);
    int rc = draw_curves(page, &chart, gr_report_fragmented, err);
    gr_svg_close(&page->html);
    gr_report_close_figure(page);
    return rc;
}

int gr_report_put_curves(struct gr_page *page, struct gr_err *err)
{
    size_t last = gr_report_last_load(page->what);
    if (last == 0) {
        return 0;
    }
    gr_html_put(
        &page->html,
        "<section><h2>Allocation over load</h2>\n<p>Load is the sum of everything that has "
        "asked so far, as a share of the accelerators. A perfect fit follows the diagonal "
        "to 100&#160;%% and stays there. Fragmented is what is free, but in pieces that the "
        "usual demands cannot use.%s%s</p>\n",
        page->departs ? " In this workload jobs end, so the pool empties as it fills; what "
                        "counts is the time below."
                      : "",
        page->what->published_count > 0 ? " Thin dashed lines are published curves." : "");
    gr_report_put_legend(page);
    gr_html_put(&page->html, "<div class=\"grid\">\n");
    int rc = put_whole_curve(page, last, err);
    if (rc == 0) {
        rc = put_zoomed_curve(page, last, err);
    }
    if (rc == 0) {
        rc = put_fragmentation(page, last, err);
    }
    gr_report_put_left(page);
    gr_html_put(&page->html, "</div>\n");
    gr_report_put_curve_table(page);
    gr_html_put(&page->html, "</section>\n");
    return rc;
}
