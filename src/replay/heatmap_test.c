// Tests of the fleet's picture: every node once, groups in order, bounded however large the fleet.
#include "replay/heatmap.h"

#include "replay/markup_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *models[200];
static const char *sites[] = {"north", "south <b>"};

static int name_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < 200; i++) {
        static char names[200][8];
        snprintf(names[i], sizeof names[i], "m%zu", i);
        models[i] = names[i];
    }
    return 0;
}

// A trace of `count` nodes; node i has model i % models_used. The caller frees trace.nodes.
static struct gr_trace fleet(size_t count, uint32_t models_used, uint32_t site_count)
{
    struct gr_trace trace = {
        .nodes = calloc(count + 1, sizeof trace.nodes[0]),
        .node_count = count,
        .models = models,
        .model_count = models_used,
        .sites = sites,
        .site_count = site_count,
    };
    assert_non_null(trace.nodes);
    for (size_t i = 0; i < count; i++) {
        trace.nodes[i] = (struct gr_trace_node){
            .name = "node",
            .model = (uint32_t)i % models_used,
            .site = (uint32_t)(i % site_count),
            .devices = 8,
        };
    }
    return trace;
}

// Draws the fleet with nothing in use but `fills`; the caller frees.
static char *draw(const struct gr_trace *trace, struct gr_node_fill *fills, size_t fill_count,
                  size_t runs)
{
    struct gr_heatmap map;
    struct gr_html html = {0};
    struct gr_result result = {.fills = fills, .fill_count = fill_count};
    struct gr_err err = {0};
    assert_int_equal(gr_heatmap_init(&map, trace, runs, &err), 0);
    assert_int_equal(gr_heatmap_draw(&map, &result, &html, &err), 0);
    gr_heatmap_done(&map);
    struct gr_markup markup;
    if (!gr_markup_check(&markup, html.text, html.size)) {
        fail_msg("%s", markup.wrong);
    }
    char *text = calloc(html.size + 1, 1);
    assert_non_null(text);
    memcpy(text, html.text, html.size);
    gr_html_done(&html);
    return text;
}

static size_t count_of(const char *text, const char *piece)
{
    size_t count = 0;
    for (const char *at = strstr(text, piece); at != NULL; at = strstr(at + 1, piece)) {
        count++;
    }
    return count;
}

static void every_node_is_a_cell_with_its_name(void **state)
{
    (void)state;
    struct gr_trace trace = fleet(10, 3, 2);
    trace.nodes[9].devices = 0;
    trace.nodes[0].name = "</path>";
    struct gr_node_fill fills[] = {{0, 8000, 0}, {1, 7999, 0}, {2, 1, 0}};
    char *text = draw(&trace, fills, 3, 1);
    assert_int_equal(count_of(text, "h12.5v12.5h-12.5z"), 9);
    assert_int_equal(count_of(text, "class=\"h10\""), 1);
    assert_int_equal(count_of(text, "class=\"h9\""), 1);
    assert_int_equal(count_of(text, "class=\"h1\""), 1);
    assert_int_equal(count_of(text, "class=\"h0\""), 6);
    assert_non_null(strstr(text, "<title>&lt;/path&gt;: 8 of 8</title>"));
    assert_non_null(strstr(text, "<title>node: 8.00 of 8</title>"));
    assert_int_equal(count_of(text, ">north<"), 1);
    assert_int_equal(count_of(text, ">south &lt;b&gt;<"), 1);
    free(text);
    free(trace.nodes);
}

static void one_site_needs_no_heading(void **state)
{
    (void)state;
    struct gr_trace trace = fleet(10, 3, 1);
    char *text = draw(&trace, NULL, 0, 1);
    assert_null(strstr(text, "north"));
    free(text);
    free(trace.nodes);
}

static void a_large_fleet_shares_cells(void **state)
{
    (void)state;
    struct gr_trace trace = fleet(125000, 8, 2);
    char *text = draw(&trace, NULL, 0, 7);
    size_t cells = count_of(text, "z\"") + count_of(text, "zM");
    assert_true(cells > 1000 && cells <= GR_HEATMAP_CELLS_MAX + 16);
    assert_true(strlen(text) < 80000);
    assert_null(strstr(text, "<title>"));
    free(text);
    free(trace.nodes);
}

static void small_groups_become_one_when_there_are_too_many(void **state)
{
    (void)state;
    struct gr_trace trace = fleet(400, 200, 2);
    trace.nodes[399].devices = 16; // makes model 199 the largest
    char *text = draw(&trace, NULL, 0, 1);
    assert_int_equal(count_of(text, "class=\"i\""), GR_HEATMAP_GROUPS_MAX);
    assert_int_equal(count_of(text, "all others"), 1);
    assert_int_equal(count_of(text, "<title>"), 400);
    assert_non_null(strstr(text, ">m199<"));
    free(text);
    free(trace.nodes);
}

static void a_fleet_without_accelerators_is_an_empty_picture(void **state)
{
    (void)state;
    struct gr_trace trace = fleet(0, 1, 1);
    char *text = draw(&trace, NULL, 0, 1);
    assert_null(strstr(text, "<path"));
    free(text);
    free(trace.nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_is_a_cell_with_its_name),
        cmocka_unit_test(one_site_needs_no_heading),
        cmocka_unit_test(a_large_fleet_shares_cells),
        cmocka_unit_test(small_groups_become_one_when_there_are_too_many),
        cmocka_unit_test(a_fleet_without_accelerators_is_an_empty_picture),
    };
    return cmocka_run_group_tests(tests, name_models, NULL);
}
