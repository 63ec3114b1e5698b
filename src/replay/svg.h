// Charts as inline SVG: a frame with axes, then lines and areas in it.
//
// Promises: ticks are round numbers of a unit that people use; whatever lies outside the axes is
// cut off at them; colours are classes (s0..s7 for series), so that the page's style sheet decides
// what they look like in light and in dark. Must never draw a value that is not known: NaN breaks a
// line.
#pragma once

#include "replay/html.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Colours of series before they repeat (then dashed).
#define GR_SVG_COLOURS 8

// What an axis counts; decides the ticks and their texts.
enum gr_svg_unit {
    GR_SVG_PERCENT, // the value is in percent
    GR_SVG_COUNT,   // whole things
    GR_SVG_TIME,    // the value is in milliseconds
};

// One axis. `low` < `high`, both finite.
struct gr_svg_axis {
    double low, high;
    enum gr_svg_unit unit;
    const char *label; // static text, or NULL: none
};

// One chart's frame. Sizes are in the chart's own units: it scales with the page.
struct gr_svg_chart {
    double width, height;            // of the whole, margins included
    double left, right, top, bottom; // margins around the plot
    struct gr_svg_axis x, y;         // across, up
    const char *title;               // static text: what a screen reader says
    int y_ticks;                     // about so many; 0: by height
};

// One point; a y that is NaN breaks the line there.
struct gr_svg_point {
    double x, y; // values on the axes
};

// How a line looks.
enum gr_svg_look {
    GR_SVG_LINE,      // the usual one
    GR_SVG_STRONG,    // the one to look at
    GR_SVG_PUBLISHED, // thin and dashed: somebody else's figures
};

// Widens [*low, *high] to round numbers, with some air; makes a range of at least `least` around
// equal values. Values must be finite.
void gr_svg_round_range(enum gr_svg_unit unit, double least, double *low, double *high);

// Opens the <svg>: title, grid, ticks, labels. Close it with gr_svg_close.
void gr_svg_open(struct gr_html *html, const struct gr_svg_chart *chart);

// Draws a line through `points` with series colour `series` (any number). `name`, if not NULL, is
// somebody's text and appears when the pointer rests on the line.
void gr_svg_line(struct gr_html *html, const struct gr_svg_chart *chart,
                 const struct gr_svg_point *points, size_t count, size_t series,
                 enum gr_svg_look look, const char *name);

// As gr_svg_line, and the area from the line down to the bottom is filled.
void gr_svg_area(struct gr_html *html, const struct gr_svg_chart *chart,
                 const struct gr_svg_point *points, size_t count, size_t series, const char *name);

// Draws a horizontal dashed mark across x from..to at height `y`, with `label` (static text, then
// the number `y` in percent) above it. Nothing is drawn outside the axes.
void gr_svg_mark(struct gr_html *html, const struct gr_svg_chart *chart, double from, double to,
                 double y, const char *label);

// A name to write at the right end of a line.
struct gr_svg_end {
    double y;         // the line's last value, in the axis' unit; NaN: skipped
    size_t series;    // its colour
    const char *name; // somebody's text
};

// Writes the names right of the plot, moved apart so that none covers another. Sorts `ends`.
void gr_svg_ends(struct gr_html *html, const struct gr_svg_chart *chart, struct gr_svg_end *ends,
                 size_t count);

// Closes the chart.
void gr_svg_close(struct gr_html *html);
