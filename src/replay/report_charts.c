// The report's charts: curves over arrived load, samples over time, the fleet.
#include "replay/heatmap.h"
#include "replay/report_parts.h"
#include "replay/svg.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Charts are drawn for a column of this width; at the right is room for the names of lines.
#define WIDTH 460.0
#define NAMES_WIDTH 84.0
// Most points of a line over time; more samples than this are drawn as means.
#define TIME_POINTS 360

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

static struct gr_svg_chart chart_of(const char *title, struct gr_svg_axis x, struct gr_svg_axis y)
{
    return (struct gr_svg_chart){
        .width = WIDTH,
        .height = 280,
        .left = 44,
        .right = NAMES_WIDTH,
        .top = 24,
        .bottom = 40,
        .x = x,
        .y = y,
        .title = title,
    };
}

static void open_figure(struct gr_page *page, const char *heading)
{
    gr_html_put(&page->html, "<figure><figcaption>%s</figcaption>\n", heading);
}

static void close_figure(struct gr_page *page)
{
    gr_html_put(&page->html, "</figure>\n");
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

static void widen(double value, double *low, double *high)
{
    if (isfinite(value)) {
        *low = fmin(*low, value);
        *high = fmax(*high, value);
    }
}

// The range of everything drawn between two loads.
static void range_between(const struct gr_report *what, size_t from, size_t to, double *ret_low,
                          double *ret_high)
{
    double low = INFINITY;
    double high = -INFINITY;
    for (size_t load = from; load <= to; load++) {
        for (size_t i = 0; i < what->result_count; i++) {
            widen(gr_report_allocated(&what->results[i], load), &low, &high);
        }
        for (size_t c = 0; c < what->published_count; c++) {
            widen(what->published[c].percent[load], &low, &high);
        }
    }
    for (size_t i = 0; i < what->result_count; i++) {
        widen(gr_report_ceiling(what, i), &low, &high);
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
    struct gr_svg_chart chart =
        chart_of("Allocated share of the accelerators over arrived load, whole range",
                 (struct gr_svg_axis){0, end, GR_SVG_PERCENT, "arrived load, share of capacity"},
                 (struct gr_svg_axis){0, 100, GR_SVG_PERCENT, "allocated, share of capacity"});
    chart.right = 16;
    open_figure(page, "From empty to full");
    gr_svg_open(&page->html, &chart);
    draw_published(page, &chart);
    int rc = draw_curves(page, &chart, gr_report_allocated, err);
    gr_svg_close(&page->html);
    close_figure(page);
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
    struct gr_svg_chart chart =
        chart_of("Allocated share of the accelerators over arrived load, around saturation",
                 (struct gr_svg_axis){(double)from, (double)last, GR_SVG_PERCENT,
                                      "arrived load, share of capacity"},
                 (struct gr_svg_axis){low, high, GR_SVG_PERCENT, "allocated, share of capacity"});
    open_figure(page, "Where the policies part");
    gr_svg_open(&page->html, &chart);
    draw_published(page, &chart);
    int rc = draw_curves(page, &chart, gr_report_allocated, err);
    draw_ceilings(page, &chart);
    gr_svg_close(&page->html);
    close_figure(page);
    return rc;
}

static int put_fragmentation(struct gr_page *page, size_t last, struct gr_err *err)
{
    double low = 0;
    double high = -1;
    for (size_t i = 0; i < page->what->result_count; i++) {
        for (size_t load = 0; load <= last; load++) {
            widen(gr_report_fragmented(&page->what->results[i], load), &low, &high);
        }
    }
    if (high < 0) {
        return 0; // it was not measured
    }
    gr_svg_round_range(GR_SVG_PERCENT, 1, &low, &high);
    low = 0;
    struct gr_svg_chart chart =
        chart_of("Fragmented share of the accelerators over arrived load",
                 (struct gr_svg_axis){0, ceil(fmax((double)last, 10) / 10) * 10, GR_SVG_PERCENT,
                                      "arrived load, share of capacity"},
                 (struct gr_svg_axis){low, high, GR_SVG_PERCENT, "fragmented, share of capacity"});
    open_figure(page, "Fragmentation");
    gr_svg_open(&page->html, &chart);
    int rc = draw_curves(page, &chart, gr_report_fragmented, err);
    gr_svg_close(&page->html);
    close_figure(page);
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

// What a line over time shows.
typedef double sample_fn(const struct gr_result *result, const struct gr_sample *sample);

static double used_of(const struct gr_result *result, const struct gr_sample *sample)
{
    return result->capacity_milli == 0
               ? NAN
               : 100.0 * (double)sample->used_milli / (double)result->capacity_milli;
}

static double running_of(const struct gr_result *result, const struct gr_sample *sample)
{
    (void)result;
    return sample->running;
}

static double waiting_of(const struct gr_result *result, const struct gr_sample *sample)
{
    (void)result;
    return sample->waiting;
}

// The last moment of any run's samples.
static int64_t last_sample_ms(const struct gr_report *what)
{
    int64_t last = 0;
    for (size_t i = 0; i < what->result_count; i++) {
        const struct gr_result *result = &what->results[i];
        if (result->sample_count > 0 && result->samples[result->sample_count - 1].at_ms > last) {
            last = result->samples[result->sample_count - 1].at_ms;
        }
    }
    return last;
}

// The mean from `from` to `to` of what the samples say; each holds until the next. `*at` is the
// sample to begin with and moves along. NaN before the first sample and after the last.
static double mean_between(const struct gr_result *result, sample_fn *get, double from, double to,
                           size_t *at)
{
    const struct gr_sample *samples = result->samples;
    size_t count = result->sample_count;
    double sum = 0;
    double known = 0;
    while (*at + 1 < count && (double)samples[*at + 1].at_ms <= from) {
        (*at)++;
    }
    for (size_t i = *at; i + 1 < count && (double)samples[i].at_ms < to; i++) {
        double begin = fmax(from, (double)samples[i].at_ms);
        double end = fmin(to, (double)samples[i + 1].at_ms);
        if (end > begin) {
            sum += get(result, &samples[i]) * (end - begin);
            known += end - begin;
        }
    }
    return known > 0 ? sum / known : NAN;
}

// The line of a run over time: its samples as they are if they are few, else means over equal
// times. `points` has room for TIME_POINTS; returns how many were stored.
static size_t time_points(const struct gr_result *result, sample_fn *get, double end_ms,
                          struct gr_svg_point *points)
{
    size_t count = 0;
    if (result->sample_count <= TIME_POINTS) {
        for (; count < result->sample_count; count++) {
            const struct gr_sample *sample = &result->samples[count];
            points[count] = (struct gr_svg_point){(double)sample->at_ms, get(result, sample)};
        }
        return count;
    }
    double width = end_ms / TIME_POINTS;
    for (size_t at = 0; count < TIME_POINTS; count++) {
        double from = (double)count * width;
        points[count] = (struct gr_svg_point){from + width / 2,
                                              mean_between(result, get, from, from + width, &at)};
    }
    return count;
}

// One strip: how much of the pool one run had in use.
static void put_used(struct gr_page *page, size_t run, double end_ms)
{
    const struct gr_result *result = &page->what->results[run];
    struct gr_svg_point points[TIME_POINTS];
    size_t count = time_points(result, used_of, end_ms, points);
    struct gr_svg_chart chart = chart_of("Accelerators in use over time",
                                         (struct gr_svg_axis){0, end_ms, GR_SVG_TIME, NULL},
                                         (struct gr_svg_axis){0, 100, GR_SVG_PERCENT, NULL});
    chart.height = 112;
    chart.bottom = 22;
    chart.top = 8;
    chart.right = 12;
    chart.y_ticks = 2;
    gr_html_put(&page->html, "<figure><figcaption><i class=\"k s%u\"></i>",
                (unsigned)(gr_report_series(page, run) % GR_SVG_COLOURS));
    gr_report_put_run(page, run);
    gr_html_put(&page->html, "<span>");
    gr_html_decimal(&page->html, result->utilisation_ppm / 1e4, 2);
    gr_html_put(&page->html, "&#160;%% of the device-time</span></figcaption>\n");
    gr_svg_open(&page->html, &chart);
    gr_svg_area(&page->html, &chart, points, count, gr_report_series(page, run), result->policy);
    gr_svg_close(&page->html);
    close_figure(page);
}

// All runs in one chart.
static int put_together(struct gr_page *page, const char *heading, const char *label,
                        sample_fn *get, double end_ms, struct gr_err *err)
{
    const struct gr_report *what = page->what;
    struct gr_svg_point *points = calloc(what->result_count, TIME_POINTS * sizeof points[0]);
    size_t *counts = calloc(what->result_count, sizeof counts[0]);
    if (points == NULL || counts == NULL) {
        free(points);
        free(counts);
        return gr_fail(err, -ENOMEM, "draw samples: out of memory");
    }
    double low = 0;
    double high = 0;
    for (size_t i = 0; i < what->result_count; i++) {
        struct gr_svg_point *mine = points + i * TIME_POINTS;
        counts[i] = time_points(&what->results[i], get, end_ms, mine);
        for (size_t p = 0; p < counts[i]; p++) {
            widen(mine[p].y, &low, &high);
        }
    }
    gr_svg_round_range(GR_SVG_COUNT, 4, &low, &high);
    struct gr_svg_chart chart =
        chart_of(heading, (struct gr_svg_axis){0, end_ms, GR_SVG_TIME, NULL},
                 (struct gr_svg_axis){0, high, GR_SVG_COUNT, label});
    chart.bottom = 22;
    chart.right = 12;
    open_figure(page, heading);
    gr_svg_open(&page->html, &chart);
    for (size_t i = what->result_count; i-- > 0;) {
        gr_svg_line(&page->html, &chart, points + i * TIME_POINTS, counts[i],
                    gr_report_series(page, i), GR_SVG_LINE, what->results[i].policy);
    }
    gr_svg_close(&page->html);
    close_figure(page);
    free(points);
    free(counts);
    return 0;
}

int gr_report_put_times(struct gr_page *page, struct gr_err *err)
{
    int64_t end_ms = last_sample_ms(page->what);
    if (end_ms <= 0) {
        return 0;
    }
    gr_html_put(&page->html, "<section><h2>Over time</h2>\n<p>Accelerators in use, share of the "
                             "pool.</p>\n<div class=\"grid\">\n");
    for (size_t i = 0; i < page->what->result_count && i < GR_REPORT_MAPS_MAX; i++) {
        put_used(page, i, (double)end_ms);
    }
    gr_html_put(&page->html, "</div>\n");
    gr_report_put_legend(page);
    gr_html_put(&page->html, "<div class=\"grid\">\n");
    int rc = put_together(page, "Waiting", "jobs", waiting_of, (double)end_ms, err);
    if (rc == 0) {
        rc = put_together(page, "Running", "jobs", running_of, (double)end_ms, err);
    }
    gr_html_put(&page->html, "</div>\n</section>\n");
    return rc;
}

static void put_fleet_intro(struct gr_page *page, const struct gr_heatmap *map)
{
    gr_html_put(&page->html, "<section><h2>The fleet</h2>\n<p>");
    if (map->nodes_per_cell == 1) {
        gr_html_put(&page->html, "One cell is a node");
    } else {
        gr_html_put(&page->html, "One cell is up to %u nodes of a kind", map->nodes_per_cell);
    }
    gr_html_put(&page->html,
                "; the stronger its colour, the fuller, %s. The same cell is the "
                "same node in every picture.",
                page->departs ? "at each run's busiest moment" : "when the last job had arrived");
    if (map->skipped > 0) {
        gr_html_put(&page->html, " Nodes without accelerators, ");
        gr_html_count(&page->html, map->skipped);
        gr_html_put(&page->html, " of them, are not drawn.");
    }
    if (page->what->result_count > GR_REPORT_MAPS_MAX) {
        gr_html_put(&page->html, " Only the first %d runs are drawn.", GR_REPORT_MAPS_MAX);
    }
    gr_html_put(&page->html, "</p>\n");
    gr_heatmap_draw_scale(&page->html);
}

int gr_report_put_fleets(struct gr_page *page, struct gr_err *err)
{
    const struct gr_report *what = page->what;
    size_t shown =
        what->result_count < GR_REPORT_MAPS_MAX ? what->result_count : GR_REPORT_MAPS_MAX;
    struct gr_heatmap map;
    int rc = gr_heatmap_init(&map, what->trace, shown, err);
    if (rc < 0) {
        return rc;
    }
    if (map.node_count > 0) {
        put_fleet_intro(page, &map);
        gr_html_put(&page->html, "<div class=\"grid\">\n");
        for (size_t i = 0; i < shown && rc == 0; i++) {
            gr_html_put(&page->html, "<figure><figcaption><i class=\"k s%u\"></i>",
                        (unsigned)(gr_report_series(page, i) % GR_SVG_COLOURS));
            gr_report_put_run(page, i);
            gr_html_put(&page->html, "</figcaption>\n");
            rc = gr_heatmap_draw(&map, &what->results[i], &page->html, err);
            close_figure(page);
        }
        gr_html_put(&page->html, "</div></section>\n");
    }
    gr_heatmap_done(&map);
    return rc;
}
