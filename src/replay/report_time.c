// The report's charts over time: used, running and waiting, of traces in which work ends.
#include "replay/report_parts.h"
#include "replay/svg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

// Most points of a line; more samples than half of this are drawn as means.
#define TIME_POINTS 360

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

// The line of a run over time: steps from sample to sample if they are few, for each holds until
// the next, else means over equal times. `points` has room for TIME_POINTS; returns how many were
// stored.
static size_t time_points(const struct gr_result *result, sample_fn *get, double end_ms,
                          struct gr_svg_point *points)
{
    size_t count = 0;
    if (result->sample_count <= TIME_POINTS / 2) {
        for (size_t i = 0; i < result->sample_count; i++) {
            const struct gr_sample *sample = &result->samples[i];
            if (i > 0) {
                points[count] = (struct gr_svg_point){(double)sample->at_ms, points[count - 1].y};
                count++;
            }
            points[count++] = (struct gr_svg_point){(double)sample->at_ms, get(result, sample)};
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
    struct gr_svg_chart chart = gr_report_chart("Accelerators in use over time",
                                                (struct gr_svg_axis){0, end_ms, GR_SVG_TIME, NULL},
                                                (struct gr_svg_axis){0, 100, GR_SVG_PERCENT, NULL});
    chart.height = 112;
    chart.bottom = 22;
    chart.top = 8;
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
    gr_report_close_figure(page);
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
            gr_report_widen(mine[p].y, &low, &high);
        }
    }
    gr_svg_round_range(GR_SVG_COUNT, 4, &low, &high);
    struct gr_svg_chart chart =
        gr_report_chart(heading, (struct gr_svg_axis){0, end_ms, GR_SVG_TIME, NULL},
                        (struct gr_svg_axis){0, high, GR_SVG_COUNT, label});
    chart.bottom = 22;
    gr_report_open_figure(page, heading);
    gr_svg_open(&page->html, &chart);
    for (size_t i = what->result_count; i-- > 0;) {
        gr_svg_line(
            &page->html, &chart, points + i * TIME_POINTS, counts[i], gr_report_series(page, i),
            gr_report_series(page, i) == 0 ? GR_SVG_STRONG : GR_SVG_LINE, what->results[i].policy);
    }
    gr_svg_close(&page->html);
    gr_report_close_figure(page);
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
