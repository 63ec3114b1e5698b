// Charts as inline SVG: see svg.h.
#include "replay/svg.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

// Height of a line of text and width of a character, in chart units.
#define TEXT_HEIGHT 14.0
#define NAME_CHARS 11
// Lines may be this much thicker than the plot's edge before they are cut.
#define EDGE 2.0
// Coordinates beyond this are cut: far outside of any plot.
#define FAR 1e5

static double plot_width(const struct gr_svg_chart *chart)
{
    return chart->width - chart->left - chart->right;
}

static double plot_height(const struct gr_svg_chart *chart)
{
    return chart->height - chart->top - chart->bottom;
}

// Where a value lies along an axis of `length` units, from its low end.
static double along(const struct gr_svg_axis *axis, double value, double length)
{
    double at = (value - axis->low) / (axis->high - axis->low) * length;
    return at < -FAR ? -FAR : at > FAR ? FAR : at;
}

static double x_of(const struct gr_svg_chart *chart, double value)
{
    return along(&chart->x, value, plot_width(chart));
}

static double y_of(const struct gr_svg_chart *chart, double value)
{
    return plot_height(chart) - along(&chart->y, value, plot_height(chart));
}

// The step of 1, 2, 5, 10, 20, ... that is about `wanted`, and not much less.
static double decimal_step(double wanted)
{
    double power = pow(10, floor(log10(wanted)));
    double digit = wanted / power;
    return (digit <= 1.2 ? 1 : digit <= 2.4 ? 2 : digit <= 6 ? 5 : 10) * power;
}

// Steps of time that people count in, and the unit that ticks of that step are told in.
static const struct time_step {
    double ms, unit_ms;
    const char *unit; // behind a tick's number
} time_steps[] = {
    {1, 1, "&#160;ms"},
    {10, 1, "&#160;ms"},
    {100, 1, "&#160;ms"},
    {1e3, 1e3, "&#160;s"},
    {5e3, 1e3, "&#160;s"},
    {10e3, 1e3, "&#160;s"},
    {30e3, 1e3, "&#160;s"},
    {60e3, 60e3, "&#160;min"},
    {300e3, 60e3, "&#160;min"},
    {600e3, 60e3, "&#160;min"},
    {1800e3, 60e3, "&#160;min"},
    {3600e3, 3600e3, "&#160;h"},
    {2 * 3600e3, 3600e3, "&#160;h"},
    {4 * 3600e3, 3600e3, "&#160;h"},
    {6 * 3600e3, 3600e3, "&#160;h"},
    {12 * 3600e3, 3600e3, "&#160;h"},
    {86400e3, 86400e3, "&#160;d"},
    {2 * 86400e3, 86400e3, "&#160;d"},
    {5 * 86400e3, 86400e3, "&#160;d"},
    {7 * 86400e3, 86400e3, "&#160;d"},
    {14 * 86400e3, 86400e3, "&#160;d"},
    {30 * 86400e3, 86400e3, "&#160;d"},
};

// As decimal_step; past the table, round numbers of days.
static struct time_step time_step_of(double wanted)
{
    for (size_t i = 0; i < sizeof time_steps / sizeof time_steps[0]; i++) {
        if (time_steps[i].ms * 1.2 >= wanted) {
            return time_steps[i];
        }
    }
    return (struct time_step){decimal_step(wanted / 86400e3) * 86400e3, 86400e3, "&#160;d"};
}

// The distance of ticks, and what a tick's text is counted in.
static struct time_step step_of(enum gr_svg_unit unit, double range, int ticks)
{
    assert(range > 0);
    assert(ticks > 0);
    double wanted = range / ticks;
    if (unit == GR_SVG_TIME) {
        return time_step_of(wanted);
    }
    if (unit == GR_SVG_COUNT && wanted < 1) {
        wanted = 1;
    }
    return (struct time_step){decimal_step(wanted), 1, unit == GR_SVG_PERCENT ? "%" : ""};
}

void gr_svg_round_range(enum gr_svg_unit unit, double least, double *low, double *high)
{
    assert(isfinite(*low) && isfinite(*high));
    assert(*low <= *high);
    assert(least > 0);
    if (*high - *low < least) {
        double middle = (*high + *low) / 2;
        *low = middle - least / 2;
        *high = middle + least / 2;
    }
    double step = step_of(unit, *high - *low, 5).ms;
    *low = floor(*low / step + 1e-9) * step;
    *high = ceil(*high / step - 1e-9) * step;
    assert(*low < *high);
}

// Digits after the point that tell ticks of this step apart.
static unsigned places_of(double step)
{
    unsigned places = 0;
    while (places < 4 && step < 0.9999) {
        step *= 10;
        places++;
    }
    return places;
}

static void put_number(struct gr_html *html, const char *before, double value, const char *after)
{
    gr_html_put(html, "%s", before);
    gr_html_coordinate(html, value);
    gr_html_put(html, "%s", after);
}

// A text element of class `class` at x, y; the caller adds the text and the end.
static void put_text(struct gr_html *html, const char *class, double x, double y)
{
    gr_html_put(html, "<text class=\"%s\"", class);
    put_number(html, " x=\"", x, "\"");
    put_number(html, " y=\"", y, "\">");
}

static void put_x_ticks(struct gr_html *html, const struct gr_svg_chart *chart,
                        struct time_step step)
{
    double bottom = chart->top + plot_height(chart);
    double first = ceil(chart->x.low / step.ms - 1e-9);
    for (double i = first; i * step.ms <= chart->x.high + step.ms * 1e-6; i++) {
        double x = chart->left + x_of(chart, i * step.ms);
        put_number(html, "<path class=\"t\" d=\"M", x, "");
        put_number(html, " ", bottom, "v4\"/>");
        put_text(html, "m", x, bottom + 17);
        gr_html_decimal(html, i * step.ms / step.unit_ms, places_of(step.ms / step.unit_ms));
        gr_html_put(html, "%s</text>", step.unit);
    }
}

static void put_y_ticks(struct gr_html *html, const struct gr_svg_chart *chart,
                        struct time_step step)
{
    double first = ceil(chart->y.low / step.ms - 1e-9);
    for (double i = first; i * step.ms <= chart->y.high + step.ms * 1e-6; i++) {
        double y = chart->top + y_of(chart, i * step.ms);
        put_number(html, i == first ? "<path class=\"b\" d=\"M" : "<path class=\"q\" d=\"M",
                   chart->left, "");
        put_number(html, " ", y, "");
        put_number(html, "h", plot_width(chart), "\"/>");
        put_text(html, "e", chart->left - 6, y + 4);
        gr_html_decimal(html, i * step.ms / step.unit_ms, places_of(step.ms / step.unit_ms));
        gr_html_put(html, "%s</text>", step.unit);
    }
}

void gr_svg_open(struct gr_html *html, const struct gr_svg_chart *chart)
{
    assert(chart->x.low < chart->x.high);
    assert(chart->y.low < chart->y.high);
    assert(plot_width(chart) > 0 && plot_height(chart) > 0);
    int y_ticks = chart->y_ticks > 0 ? chart->y_ticks : (int)(plot_height(chart) / 36) + 1;
    struct time_step x_step =
        step_of(chart->x.unit, chart->x.high - chart->x.low, (int)(plot_width(chart) / 60) + 1);
    struct time_step y_step = step_of(chart->y.unit, chart->y.high - chart->y.low, y_ticks);

    put_number(html, "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 ", chart->width, " ");
    put_number(html, "", chart->height, "\"");
    gr_html_put(html, " aria-label=\"%s\">", chart->title);
    put_y_ticks(html, chart, y_step);
    put_x_ticks(html, chart, x_step);
    if (chart->y.label != NULL) {
        put_text(html, "a", 0, TEXT_HEIGHT - 2);
        gr_html_put(html, "%s</text>", chart->y.label);
    }
    if (chart->x.label != NULL) {
        put_text(html, "a z", chart->left + plot_width(chart), chart->height - 2);
        gr_html_put(html, "%s</text>", chart->x.label);
    }
}

void gr_svg_close(struct gr_html *html)
{
    gr_html_put(html, "</svg>\n");
}

// Opens an <svg> inside the chart that cuts off what leaves the plot.
static void open_plot(struct gr_html *html, const struct gr_svg_chart *chart)
{
    put_number(html, "<svg overflow=\"hidden\" x=\"", chart->left, "\"");
    put_number(html, " y=\"", chart->top - EDGE, "\"");
    put_number(html, " width=\"", plot_width(chart) + EDGE, "\"");
    put_number(html, " height=\"", plot_height(chart) + 2 * EDGE, "\">");
}

static bool is_drawn(const struct gr_svg_point *point)
{
    return isfinite(point->x) && isfinite(point->y);
}

static void put_point(struct gr_html *html, const struct gr_svg_chart *chart, const char *command,
                      const struct gr_svg_point *point)
{
    put_number(html, command, x_of(chart, point->x), " ");
    put_number(html, "", y_of(chart, point->y) + EDGE, "");
}

// A path's commands for all unbroken stretches; closed down to the bottom if `filled`.
static void put_path(struct gr_html *html, const struct gr_svg_chart *chart,
                     const struct gr_svg_point *points, size_t count, bool filled)
{
    double bottom = plot_height(chart) + EDGE;
    for (size_t i = 0; i < count; i++) {
        bool starts = i == 0 || !is_drawn(&points[i - 1]);
        bool ends = i + 1 == count || !is_drawn(&points[i + 1]);
        if (!is_drawn(&points[i])) {
            continue;
        }
        if (filled && starts) {
            put_number(html, "M", x_of(chart, points[i].x), " ");
            put_number(html, "", bottom, "");
        }
        put_point(html, chart, starts && !filled ? "M" : "L", &points[i]);
        if (starts && ends) {
            gr_html_put(html, "h1"); // a lone point is a dot
        }
        if (filled && ends) {
            put_number(html, "V", bottom, "Z");
        }
    }
}

static void put_name(struct gr_html *html, const char *name)
{
    if (name == NULL) {
        gr_html_put(html, "\"/>");
        return;
    }
    gr_html_put(html, "\"><title>");
    gr_html_name(html, name);
    gr_html_put(html, "</title></path>");
}

static void put_line(struct gr_html *html, const struct gr_svg_chart *chart,
                     const struct gr_svg_point *points, size_t count, size_t series,
                     const char *look, const char *name)
{
    gr_html_put(html, "<path class=\"l%s%s s%u\" d=\"", look, series >= GR_SVG_COLOURS ? " r" : "",
                (unsigned)(series % GR_SVG_COLOURS));
    put_path(html, chart, points, count, false);
    put_name(html, name);
}

void gr_svg_line(struct gr_html *html, const struct gr_svg_chart *chart,
                 const struct gr_svg_point *points, size_t count, size_t series,
                 enum gr_svg_look look, const char *name)
{
    static const char *const looks[] = {
        [GR_SVG_LINE] = "", [GR_SVG_STRONG] = " g", [GR_SVG_PUBLISHED] = " p"};
    assert(points != NULL || count == 0);
    open_plot(html, chart);
    put_line(html, chart, points, count, series, looks[look], name);
    gr_html_put(html, "</svg>\n");
}

void gr_svg_area(struct gr_html *html, const struct gr_svg_chart *chart,
                 const struct gr_svg_point *points, size_t count, size_t series, const char *name)
{
    assert(points != NULL || count == 0);
    open_plot(html, chart);
    gr_html_put(html, "<path class=\"v s%u\" d=\"", (unsigned)(series % GR_SVG_COLOURS));
    put_path(html, chart, points, count, true);
    put_name(html, name);
    put_line(html, chart, points, count, series, "", NULL);
    gr_html_put(html, "</svg>\n");
}

void gr_svg_mark(struct gr_html *html, const struct gr_svg_chart *chart, double from, double to,
                 double y, const char *label)
{
    assert(from < to);
    if (!isfinite(y) || y < chart->y.low || y > chart->y.high) {
        return;
    }
    double left = fmax(x_of(chart, from), 0);
    double right = fmin(x_of(chart, to), plot_width(chart));
    if (left >= right) {
        return;
    }
    put_number(html, "<path class=\"c\" d=\"M", chart->left + left, " ");
    put_number(html, "", chart->top + y_of(chart, y), "");
    put_number(html, "h", right - left, "\"/>");
    put_text(html, "n", chart->left + left, chart->top + y_of(chart, y) - 5);
    gr_html_put(html, "%s ", label);
    gr_html_decimal(html, y, 2);
    gr_html_put(html, "%%</text>\n");
}

static int by_height(const void *a, const void *b)
{
    double one = ((const struct gr_svg_end *)a)->y;
    double two = ((const struct gr_svg_end *)b)->y;
    return (one < two) - (one > two); // the highest value first: it is at the top
}

// Moves heights `at` (ascending) apart to TEXT_HEIGHT and back into [0, limit] where they fit.
static void spread(double *at, size_t count, double limit)
{
    for (size_t i = 1; i < count; i++) {
        at[i] = fmax(at[i], at[i - 1] + TEXT_HEIGHT);
    }
    double last = limit;
    for (size_t i = count; i-- > 0; last -= TEXT_HEIGHT) {
        at[i] = fmin(at[i], last);
    }
}

void gr_svg_ends(struct gr_html *html, const struct gr_svg_chart *chart, struct gr_svg_end *ends,
                 size_t count)
{
    double at[32];
    size_t shown = 0;
    for (size_t i = 0; i < count; i++) {
        if (isfinite(ends[i].y)) {
            ends[shown++] = ends[i];
        }
    }
    // More names than lines of text fit beside the plot: the legend must do.
    if (shown > sizeof at / sizeof at[0] || (double)shown * TEXT_HEIGHT > chart->height) {
        return;
    }
    qsort(ends, shown, sizeof ends[0], by_height);
    for (size_t i = 0; i < shown; i++) {
        double y = fmin(fmax(ends[i].y, chart->y.low), chart->y.high);
        at[i] = y_of(chart, y);
    }
    spread(at, shown, plot_height(chart) + 4);
    for (size_t i = 0; i < shown; i++) {
        gr_html_put(html, "<text class=\"w s%u\"", (unsigned)(ends[i].series % GR_SVG_COLOURS));
        put_number(html, " x=\"", chart->left + plot_width(chart) + 6, "\"");
        put_number(html, " y=\"", chart->top + at[i] + 4, "\">");
        gr_html_text(html, ends[i].name, NAME_CHARS);
        gr_html_put(html, "</text>\n");
    }
}
