// What the report's charts share: their frame, their figure, their ranges.
#include "replay/report_parts.h"

#include <math.h>

struct gr_svg_chart gr_report_chart(const char *title, struct gr_svg_axis x, struct gr_svg_axis y)
{
    return (struct gr_svg_chart){
        .width = 460,
        .height = 280,
        .left = 44,
        .right = 12,
        .top = 24,
        .bottom = 40,
        .x = x,
        .y = y,
        .title = title,
    };
}

void gr_report_open_figure(struct gr_page *page, const char *heading)
{
    gr_html_put(&page->html, "<figure><figcaption>%s</figcaption>\n", heading);
}

void gr_report_close_figure(struct gr_page *page)
{
    gr_html_put(&page->html, "</figure>\n");
}

void gr_report_widen(double value, double *low, double *high)
{
    if (isfinite(value)) {
        *low = fmin(*low, value);
        *high = fmax(*high, value);
    }
}
