// Tests of the charts: ticks, unknown values, what is cut off, names that keep apart.
#include "replay/svg.h"

#include "replay/markup_check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gr_svg_chart chart_of(enum gr_svg_unit unit, double low, double high)
{
    return (struct gr_svg_chart){
        .width = 460,
        .height = 280,
        .left = 40,
        .right = 80,
        .top = 20,
        .bottom = 40,
        .x = {low, high, unit, NULL},
        .y = {0, 100, GR_SVG_PERCENT, "allocated"},
        .title = "a chart",
    };
}

// The page as a C string; the page is emptied. The caller frees.
static char *text_of(struct gr_html *html)
{
    struct gr_markup markup;
    assert_int_equal(html->failed, 0);
    if (!gr_markup_check(&markup, html->text, html->size)) {
        fail_msg("%s", markup.wrong);
    }
    char *text = calloc(html->size + 1, 1);
    assert_non_null(text);
    memcpy(text, html->text, html->size);
    gr_html_done(html);
    return text;
}

// The texts of the ticks along x, joined by '|'.
static void assert_ticks(enum gr_svg_unit unit, double low, double high, const char *expected)
{
    struct gr_html html = {0};
    struct gr_svg_chart chart = chart_of(unit, low, high);
    gr_svg_open(&html, &chart);
    gr_svg_close(&html);
    char *text = text_of(&html);
    char ticks[512] = "";
    for (char *at = strstr(text, "class=\"m\""); at != NULL; at = strstr(at, "class=\"m\"")) {
        at = strchr(at, '>') + 1;
        size_t used = strlen(ticks);
        snprintf(ticks + used, sizeof ticks - used, "%.*s|", (int)strcspn(at, "<"), at);
    }
    free(text);
    assert_string_equal(ticks, expected);
}

static void ticks_are_round_numbers_of_units_that_people_use(void **state)
{
    (void)state;
    assert_ticks(GR_SVG_PERCENT, 0, 130, "0%|20%|40%|60%|80%|100%|120%|");
    assert_ticks(GR_SVG_PERCENT, 97.5, 99, "97.5%|98.0%|98.5%|99.0%|");
    assert_ticks(GR_SVG_COUNT, 0, 3, "0|1|2|3|");
    assert_ticks(GR_SVG_COUNT, 0, 640000, "0|100,000|200,000|300,000|400,000|500,000|600,000|");
    assert_ticks(GR_SVG_TIME, 0, 7 * 86400e3,
                 "0&#160;d|1&#160;d|2&#160;d|3&#160;d|4&#160;d|5&#160;d|6&#160;d|7&#160;d|");
    assert_ticks(GR_SVG_TIME, 0, 90 * 60e3, "0&#160;min|30&#160;min|60&#160;min|90&#160;min|");
    assert_ticks(GR_SVG_TIME, 0, 5, "0&#160;ms|1&#160;ms|2&#160;ms|3&#160;ms|4&#160;ms|5&#160;ms|");
    assert_ticks(GR_SVG_TIME, 0, 1000 * 86400e3,
                 "0&#160;d|200&#160;d|400&#160;d|600&#160;d|800&#160;d|1,000&#160;d|");
}

static void ranges_are_widened_to_round_numbers(void **state)
{
    (void)state;
    double low = 86.17;
    double high = 97.93;
    gr_svg_round_range(GR_SVG_PERCENT, 1, &low, &high);
    assert_true(low == 86 && high == 98);
    low = high = 50;
    gr_svg_round_range(GR_SVG_PERCENT, 1, &low, &high);
    assert_true(low < 50 && high > 50 && high - low < 2);
    low = high = 0;
    gr_svg_round_range(GR_SVG_COUNT, 4, &low, &high);
    assert_true(low == -2 && high == 2);
}

static char *line_of(const struct gr_svg_point *points, size_t count)
{
    struct gr_html html = {0};
    struct gr_svg_chart chart = chart_of(GR_SVG_PERCENT, 0, 100);
    gr_svg_line(&html, &chart, points, count, 3, GR_SVG_LINE, "<b>");
    return text_of(&html);
}

static void an_unknown_value_breaks_the_line(void **state)
{
    (void)state;
    const struct gr_svg_point points[] = {{0, 0},   {50, 50},  {60, NAN},
                                          {70, 60}, {80, 100}, {90, NAN}};
    char *text = line_of(points, 6);
    assert_non_null(strstr(text, "d=\"M0 222L170 112M238 90L272 2\""));
    assert_non_null(strstr(text, "<title>&lt;b&gt;</title>"));
    free(text);
    text = line_of(NULL, 0);
    assert_non_null(strstr(text, "d=\"\""));
    free(text);
}

static void a_lone_value_is_a_dot(void **state)
{
    (void)state;
    const struct gr_svg_point points[] = {{0, NAN}, {50, 50}, {60, NAN}};
    char *text = line_of(points, 3);
    assert_non_null(strstr(text, "d=\"M170 112h1\""));
    free(text);
}

static void values_far_outside_stay_finite(void **state)
{
    (void)state;
    const struct gr_svg_point points[] = {{-1e300, 1e300}, {1e300, -1e300}, {INFINITY, 0}};
    char *text = line_of(points, 3);
    assert_non_null(strstr(text, "M-100000 -99778L100000 100222\""));
    free(text);
}

static void an_area_goes_down_to_the_axis(void **state)
{
    (void)state;
    const struct gr_svg_point points[] = {{0, 50}, {100, 100}};
    struct gr_html html = {0};
    struct gr_svg_chart chart = chart_of(GR_SVG_PERCENT, 0, 100);
    gr_svg_area(&html, &chart, points, 2, 0, NULL);
    char *text = text_of(&html);
    assert_non_null(strstr(text, "d=\"M0 222L0 112L340 2V222Z\""));
    free(text);
}

static void marks_outside_the_axes_are_left_out(void **state)
{
    (void)state;
    struct gr_html html = {0};
    struct gr_svg_chart chart = chart_of(GR_SVG_PERCENT, 0, 130);
    gr_svg_mark(&html, &chart, 92, 108, 101, "ceiling");
    gr_svg_mark(&html, &chart, 92, 108, NAN, "ceiling");
    gr_svg_mark(&html, &chart, 140, 150, 50, "ceiling");
    assert_int_equal(html.size, 0);
    gr_svg_mark(&html, &chart, 92, 108, 97.93, "ceiling");
    char *text = text_of(&html);
    assert_non_null(strstr(text, ">ceiling 97.93%</text>"));
    free(text);
}

static void names_at_the_ends_keep_apart(void **state)
{
    (void)state;
    struct gr_html html = {0};
    struct gr_svg_chart chart = chart_of(GR_SVG_PERCENT, 0, 100);
    struct gr_svg_end ends[] = {{1, 0, "d"},  {97, 1, "b"},  {NAN, 2, "x"}, {97.1, 3, "a"},
                                {97, 4, "c"}, {-50, 5, "e"}, {0, 6, "f"}};
    gr_svg_ends(&html, &chart, ends, 7);
    char *text = text_of(&html);
    double last = -100;
    size_t names = 0;
    for (char *at = strstr(text, " y=\""); at != NULL; at = strstr(at + 1, " y=\"")) {
        double y = strtod(at + 4, NULL);
        assert_true(y - last > 13.8);
        assert_true(y < 280);
        last = y;
        names++;
    }
    assert_int_equal(names, 6);
    assert_null(strstr(text, ">x<"));
    assert_true(strstr(text, ">a<") < strstr(text, ">b<"));
    free(text);
}

static void too_many_names_are_left_to_the_legend(void **state)
{
    (void)state;
    struct gr_html html = {0};
    struct gr_svg_chart chart = chart_of(GR_SVG_PERCENT, 0, 100);
    struct gr_svg_end ends[40];
    for (size_t i = 0; i < 40; i++) {
        ends[i] = (struct gr_svg_end){(double)i, i, "name"};
    }
    gr_svg_ends(&html, &chart, ends, 40);
    gr_svg_ends(&html, &chart, ends, 0);
    assert_int_equal(html.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_are_round_numbers_of_units_that_people_use),
        cmocka_unit_test(ranges_are_widened_to_round_numbers),
        cmocka_unit_test(an_unknown_value_breaks_the_line),
        cmocka_unit_test(a_lone_value_is_a_dot),
        cmocka_unit_test(values_far_outside_stay_finite),
        cmocka_unit_test(an_area_goes_down_to_the_axis),
        cmocka_unit_test(marks_outside_the_axes_are_left_out),
        cmocka_unit_test(names_at_the_ends_keep_apart),
        cmocka_unit_test(too_many_names_are_left_to_the_legend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
