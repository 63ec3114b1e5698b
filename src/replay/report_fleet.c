// The report's pictures of the fleet, one a run.
#include "replay/heatmap.h"
#include "replay/report_parts.h"
#include "replay/svg.h"

static void put_fleet_intro(struct gr_page *page, const struct gr_heatmap *map)
{
    gr_html_put(&page->html, "<section><h2>The pool</h2>\n<p>");
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
            gr_report_close_figure(page);
        }
        gr_html_put(&page->html, "</div></section>\n");
    }
    gr_heatmap_done(&map);
    return rc;
}
