// What each policy leaves unallocated at the load that runs are compared at, as bars: the
// fragmented part, the rest, and the part that no policy could have avoided.
#include "replay/report_parts.h"
#include "replay/svg.h"

#include <math.h>

// Layout, in the picture's own units.
#define WIDTH 460.0
#define LEFT 92.0
#define RIGHT 404.0
#define TOP 24.0
#define ROW 26.0
#define BAR 13.0

static double get_left(const struct gr_page *page, size_t run)
{
    return 100 - gr_report_allocated(&page->what->results[run], page->load);
}

static double get_fragmented(const struct gr_page *page, size_t run)
{
    return gr_report_fragmented(&page->what->results[run], page->load);
}

// What even the best placement must leave.
static double get_least(const struct gr_page *page, size_t run)
{
    return 100 - gr_report_ceiling(page->what, run);
}

static void put_rect(struct gr_html *html, const char *class, size_t series, double x, double y,
                     double width)
{
    gr_html_put(html, "<path class=\"%s s%u\" d=\"M", class, (unsigned)(series % GR_SVG_COLOURS));
    gr_html_coordinate(html, x);
    gr_html_put(html, " ");
    gr_html_coordinate(html, y);
    gr_html_put(html, "h");
    gr_html_coordinate(html, width);
    gr_html_put(html, "v");
    gr_html_coordinate(html, BAR);
    gr_html_put(html, "h");
    gr_html_coordinate(html, -width);
    gr_html_put(html, "z\"/>");
}

static void open_text(struct gr_html *html, const char *class, double x, double y)
{
    gr_html_put(html, "<text class=\"%s\" x=\"", class);
    gr_html_coordinate(html, x);
    gr_html_put(html, "\" y=\"");
    gr_html_coordinate(html, y);
    gr_html_put(html, "\">");
}

// A vertical line through the row at `y`.
static void put_mark(struct gr_html *html, const char *class, double x, double y)
{
    gr_html_put(html, "<path class=\"%s\" d=\"M", class);
    gr_html_coordinate(html, x);
    gr_html_put(html, " ");
    gr_html_coordinate(html, y - (ROW - BAR) / 2);
    gr_html_put(html, "v");
    gr_html_coordinate(html, ROW);
    gr_html_put(html, "\"/>");
}

static void put_row(struct gr_page *page, size_t p, double y, double scale)
{
    struct gr_html *html = &page->html;
    double left = gr_report_mean(page, p, get_left);
    double fragmented = gr_report_mean(page, p, get_fragmented);
    double least = gr_report_mean(page, p, get_least);
    open_text(html, "e i", LEFT - 8, y + BAR - 2);
    gr_html_text(html, page->policies[p].name, 12);
    gr_html_put(html, "</text>");
    put_rect(html, "y", page->policies[p].series, LEFT, y, left * scale);
    if (isfinite(fragmented)) {
        put_rect(html, "x", page->policies[p].series, LEFT, y, fmin(fragmented, left) * scale);
    }
    open_text(html, "n", LEFT + left * scale + 6, y + BAR - 2);
    gr_html_decimal(html, left, 2);
    gr_html_put(html, "%%</text>");
    if (isfinite(least)) {
        put_mark(html, "o", LEFT + least * scale, y); // a rim, to stand out from every colour
        put_mark(html, "c", LEFT + least * scale, y);
    }
    gr_html_put(html, "\n");
}

void gr_report_put_left(struct gr_page *page)
{
    struct gr_html *html = &page->html;
    double most = 0;
    bool ceiling = false;
    bool fragmented = false;
    size_t rows = 0;
    for (size_t p = 0; p < page->policy_count; p++) {
        double left = gr_report_mean(page, p, get_left);
        rows += isfinite(left) ? 1 : 0;
        most = isfinite(left) ? fmax(most, left) : most;
        ceiling |= isfinite(gr_report_mean(page, p, get_least));
        fragmented |= isfinite(gr_report_mean(page, p, get_fragmented));
    }
    if (rows == 0 || most <= 0) {
        return;
    }
    gr_html_put(html,
                "<figure><figcaption>What is left at %zu&#160;%% load</figcaption>\n"
                "<svg class=\"chart\" role=\"img\" aria-label=\"unallocated share of the "
                "accelerators by policy\" viewBox=\"0 0 ",
                page->load);
    gr_html_coordinate(html, WIDTH);
    gr_html_put(html, " ");
    gr_html_coordinate(html, TOP + (double)rows * ROW);
    gr_html_put(html, "\">\n");
    open_text(html, "a", 0, 11);
    gr_html_put(html, "unallocated%s%s</text>\n", fragmented ? "; full colour: fragmented" : "",
                ceiling ? "; dashed: least possible" : "");
    double y = TOP + (ROW - BAR) / 2;
    for (size_t p = 0; p < page->policy_count; p++) {
        if (isfinite(gr_report_mean(page, p, get_left))) {
            put_row(page, p, y, (RIGHT - LEFT) / most);
            y += ROW;
        }
    }
    gr_html_put(html, "</svg></figure>\n");
}
