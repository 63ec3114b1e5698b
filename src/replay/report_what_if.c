// The report's part about a second replay beside the first: see report.h.
#include "replay/report_parts.h"

#include <math.h>
#include <stdlib.h>

static void put_cell(struct gr_page *page, double value, bool is_time)
{
    gr_html_put(&page->html, "<td>");
    if (is_time) {
        gr_html_put(&page->html, value < 0 ? "&#8722;" : "");
        gr_html_duration(&page->html, (int64_t)fabs(value));
    } else {
        gr_html_decimal(&page->html, value, 2);
    }
    gr_html_put(&page->html, "</td>");
}

// A row: its name, the two values, and their difference. `name` is static text.
static void put_row(struct gr_page *page, const char *name, double one, double two, bool is_time)
{
    gr_html_put(&page->html, "<tr><th scope=\"row\">%s</th>", name);
    put_cell(page, one, is_time);
    put_cell(page, two, is_time);
    put_cell(page, two - one, is_time);
    gr_html_put(&page->html, "</tr>\n");
}

static void open_table(struct gr_page *page, const char *first)
{
    gr_html_put(&page->html,
                "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">%s</th>"
                "<th scope=\"col\">Baseline</th><th scope=\"col\">Changed</th>"
                "<th scope=\"col\">Difference</th></tr></thead>\n<tbody>\n",
                first);
}

static void close_table(struct gr_page *page)
{
    gr_html_put(&page->html, "</tbody></table></div>\n");
}

// Mean waits of groups. `head` and `none` are static text.
static void put_groups(struct gr_page *page, const char *head, const char *none,
                       const struct gr_compare_group *groups, size_t count)
{
    if (count < 2) {
        return;
    }
    open_table(page, head);
    for (size_t i = 0; i < count && i < GR_REPORT_GROUPS_MAX; i++) {
        const struct gr_compare_waits *waits = &groups[i].waits;
        gr_html_put(&page->html, "<tr><th scope=\"row\">");
        gr_html_name(&page->html, groups[i].name[0] != '\0' ? groups[i].name : none);
        gr_html_put(&page->html, "</th>");
        put_cell(page, (double)waits->mean_ms[0], true);
        put_cell(page, (double)waits->mean_ms[1], true);
        put_cell(page, (double)(waits->mean_ms[1] - waits->mean_ms[0]), true);
        gr_html_put(&page->html, "</tr>\n");
    }
    close_table(page);
}

static void put_changes(struct gr_page *page)
{
    gr_html_put(&page->html, "<section><h2>What if</h2>\n<p>The same jobs again, with ");
    for (size_t i = 0; i < page->what->what_if_count; i++) {
        gr_html_put(&page->html, "%s<b>", i > 0 ? ", " : "");
        gr_html_text(&page->html, page->what->what_if[i], 200);
        gr_html_put(&page->html, "</b>");
    }
    gr_html_put(&page->html, ".</p>\n");
}

void gr_report_put_what_if(struct gr_page *page)
{
    const struct gr_compare *compare = page->what->compare;
    const struct gr_result *one = &page->what->results[0], *two = page->what->changed;
    if (two == NULL || compare == NULL) {
        return;
    }
    put_changes(page);
    open_table(page, "All jobs");
    put_row(page, "Accelerators", (double)one->capacity_milli / 1000,
            (double)two->capacity_milli / 1000, false);
    put_row(page, "Mean wait", (double)one->delay_mean_ms, (double)two->delay_mean_ms, true);
    put_row(page, "Median wait", (double)one->delay_p50_ms, (double)two->delay_p50_ms, true);
    put_row(page, "95 % wait", (double)one->delay_p95_ms, (double)two->delay_p95_ms, true);
    put_row(page, "Utilisation, %", one->utilisation_ppm / 1e4, two->utilisation_ppm / 1e4, false);
    put_row(page, "Lost work, device-hours", one->lost_milli_ms / 3.6e9, two->lost_milli_ms / 3.6e9,
            false);
    put_row(page, "Jobs finished", (double)one->finished, (double)two->finished, false);
    put_row(page, "Jobs dropped", (double)one->dropped, (double)two->dropped, false);
    close_table(page);
    put_groups(page, "Mean wait by queue", "(none)", compare->queues, compare->queue_count);
    put_groups(page, "Mean wait by kind", "(any)", compare->kinds, compare->kind_count);
    gr_html_put(&page->html, "<p>");
    gr_html_count(&page->html, compare->sooner);
    gr_html_put(&page->html, " jobs waited less, ");
    gr_html_count(&page->html, compare->later);
    gr_html_put(&page->html, " longer, ");
    gr_html_count(&page->html, compare->alike);
    gr_html_put(&page->html, " as long.</p>\n</section>\n");
}
