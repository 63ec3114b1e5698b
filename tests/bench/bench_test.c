// Tests of the benchmark runner: what it prints, and when it prints nothing.
#include "bench.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// A benchmark that was written down beforehand.
struct script {
    const double *values; // a run's values after the other's
    size_t width;         // values a run
    size_t runs;          // runs so far
    int audit;            // what the auditor returns
    int begun, ended;
};

static int script_begin(void *context, struct gr_err *err)
{
    (void)err;
    ((struct script *)context)->begun++;
    return 0;
}

static int script_run(void *context, double *ret_values, struct gr_err *err)
{
    struct script *script = context;
    const double *values = script->values + script->runs++ * script->width;
    if (values[0] < 0) {
        return gr_fail(err, -EIO, "the run failed");
    }
    memcpy(ret_values, values, script->width * sizeof(double));
    return 0;
}

static int script_audit(void *context, struct gr_err *err)
{
    struct script *script = context;
    return script->audit == 0 ? 0 : gr_fail(err, script->audit, "two holders of one device");
}

static void script_end(void *context)
{
    ((struct script *)context)->ended++;
}

static const struct gr_bench_figure figures[] = {
    {"sort_per_s", "items/s", "limit", 1000},
    {"sort_us", "us", "sort_per_s", 0},
};

// Runs the script and returns what it printed, in static memory.
static const char *play(struct script *script, size_t runs, const char *only, int expected,
                        struct gr_err *err)
{
    static char text[1024];
    memset(text, 0, sizeof(text));
    FILE *out = fmemopen(text, sizeof(text), "w");
    assert_non_null(out);
    struct gr_bench bench = {
        .figures = figures,
        .figure_count = script->width,
        .runs = runs,
        .context = script,
        .begin = script_begin,
        .run = script_run,
        .audit = script_audit,
        .end = script_end,
    };
    gr_err_init(err);
    assert_int_equal(gr_bench_run(&bench, only, out, err), expected);
    fclose(out);
    return text;
}

static const double five[] = {1500, 2, 5000, 4, 1000, 3, 2000, 1, 3000, 5};

static void a_line_holds_median_ratio_and_spread(void **state)
{
    (void)state;
    struct gr_err err;
    struct script script = {.values = five, .width = 2};
    const char *text = play(&script, 5, "", 0, &err);
    assert_string_equal(text,
                        "sort_per_s 2000 items/s ratio-to limit 2 (runs: 5, spread: 1000..5000)\n"
                        "sort_us 3 us ratio-to sort_per_s 0.0015 (runs: 5, spread: 1..5)\n");
    assert_int_equal(script.begun, 1);
    assert_int_equal(script.ended, 1);
}

static void the_median_of_an_even_number_lies_between(void **state)
{
    (void)state;
    static const double values[] = {600, 100, 300, 200, 500, 400};
    struct gr_err err;
    struct script script = {.values = values, .width = 1};
    const char *text = play(&script, 6, "", 0, &err);
    assert_string_equal(text,
                        "sort_per_s 350 items/s ratio-to limit 0.35 (runs: 6, spread: 100..600)\n");
}

static void only_figures_that_hold_the_word_are_printed(void **state)
{
    (void)state;
    struct gr_err err;
    struct script script = {.values = five, .width = 2};
    assert_string_equal(play(&script, 5, "_us", 0, &err),
                        "sort_us 3 us ratio-to sort_per_s 0.0015 (runs: 5, spread: 1..5)\n");
}

static void a_benchmark_without_wanted_figures_is_not_run(void **state)
{
    (void)state;
    struct gr_err err;
    struct script script = {.values = five, .width = 2};
    assert_string_equal(play(&script, 5, "place", 0, &err), "");
    assert_int_equal(script.runs, 0);
    assert_int_equal(script.begun, 0);
}

static void nothing_is_printed_if_the_auditor_objects(void **state)
{
    (void)state;
    struct gr_err err;
    struct script script = {.values = five, .width = 2, .audit = -EINVAL};
    assert_string_equal(play(&script, 5, "", -EINVAL, &err), "");
    assert_string_equal(err.text, "the auditor objects: two holders of one device");
    assert_int_equal(script.ended, 1);
}

static void nothing_is_printed_if_a_run_fails(void **state)
{
    (void)state;
    static const double values[] = {1, 1, 1, 1, -1};
    struct gr_err err;
    struct script script = {.values = values, .width = 1};
    assert_string_equal(play(&script, 5, "", -EIO, &err), "");
    assert_string_equal(err.text, "the run failed");
    assert_int_equal(script.ended, 1);
}

static void a_run_without_a_value_is_an_error(void **state)
{
    (void)state;
    static const double values[] = {1, 1, 0, 1, 1};
    struct gr_err err;
    struct script script = {.values = values, .width = 1};
    assert_string_equal(play(&script, 5, "", -ERANGE, &err), "");
    assert_string_equal(err.text, "run 3 gave sort_per_s no value above 0");
}

static void the_percentile_is_the_nearest_rank(void **state)
{
    (void)state;
    uint64_t samples[200];
    for (size_t i = 0; i < 200; i++) {
        samples[i] = 200 - i;
    }
    assert_int_equal(gr_bench_percentile(samples, 200, 99, 100), 198);
    assert_int_equal(gr_bench_percentile(samples, 200, 1, 1), 200);
    assert_int_equal(gr_bench_percentile(samples, 200, 0, 1), 1);
    assert_int_equal(gr_bench_percentile(samples, 1, 50, 100), 1);
}

static void time_does_not_go_back(void **state)
{
    (void)state;
    uint64_t before = gr_bench_now_ns();
    assert_true(gr_bench_now_ns() >= before);
    assert_true(gr_bench_now_s() >= (double)before / 1e9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_holds_median_ratio_and_spread),
        cmocka_unit_test(the_median_of_an_even_number_lies_between),
        cmocka_unit_test(only_figures_that_hold_the_word_are_printed),
        cmocka_unit_test(a_benchmark_without_wanted_figures_is_not_run),
        cmocka_unit_test(nothing_is_printed_if_the_auditor_objects),
        cmocka_unit_test(nothing_is_printed_if_a_run_fails),
        cmocka_unit_test(a_run_without_a_value_is_an_error),
        cmocka_unit_test(the_percentile_is_the_nearest_rank),
        cmocka_unit_test(time_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
