// Tests of the report: it is well formed and loads nothing whatever it is told, its figures are the
// results', what is not known is a dash, and it stays small.
#include "replay/report.h"

#include "replay/html.h"
#include "replay/markup_check.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RUNS_MAX 16

// A replay that never was: nodes, and results made of simple curves.
struct fixture {
    struct gr_trace trace;
    struct gr_trace_job job;
    struct gr_result results[RUNS_MAX];
    double ceilings[RUNS_MAX];
    struct gr_report what;
};

static const char *const policies[] = {"granary", "fgd",    "bestfit",   "packing",
                                       "dotprod", "random", "clustering"};
static const char *models[] = {"h20", "h200", "910c"};
static const char *sites[] = {"north", "south"};

// Results as a trace without departures has them: run r allocates up to 97 - r percent.
static void fill_curve(struct gr_result *result, size_t r)
{
    for (size_t load = 0; load <= 130; load++) {
        double allocated = fmin((double)load, 97.0 - (double)r);
        result->curve[load] =
            (struct gr_curve_point){.sum = allocated * 2, .frag = 3 + (double)r, .count = 2};
    }
    result->allocation = 97.0 - (double)r;
    result->fragmentation = 1.5 + (double)r / 2;
    result->has_fragmentation = true;
}

// Results as a trace with departures has them.
static void fill_samples(struct gr_result *result, size_t count)
{
    result->samples = calloc(count + 1, sizeof result->samples[0]);
    assert_non_null(result->samples);
    result->sample_count = count;
    for (size_t i = 0; i < count; i++) {
        result->samples[i] = (struct gr_sample){
            .at_ms = (int64_t)i * 60000,
            .used_milli = result->capacity_milli / 100 * (50 + i % 40),
            .running = 100 + (uint32_t)(i % 7),
            .waiting = (uint32_t)(i % 13),
        };
    }
    result->utilisation_ppm = 912345;
    result->allocation = 93.5;
    result->delay_max_ms = 9000000;
    result->delay_mean_ms = 725000;
    result->finished = 100;
}

static void make(struct fixture *f, size_t nodes, size_t runs, size_t samples)
{
    *f = (struct fixture){0};
    f->trace = (struct gr_trace){
        .nodes = calloc(nodes + 1, sizeof f->trace.nodes[0]),
        .node_count = nodes,
        .models = models,
        .model_count = 3,
        .sites = sites,
        .site_count = 2,
        .jobs = &f->job,
        .job_count = 1,
    };
    assert_non_null(f->trace.nodes);
    f->job.duration_ms = samples > 0 ? 1000 : GR_TRACE_FOREVER;
    for (size_t i = 0; i < nodes; i++) {
        f->trace.nodes[i] = (struct gr_trace_node){
            .name = "n", .model = (uint32_t)i % 3, .site = (uint32_t)i % 2, .devices = 8};
    }
    for (size_t r = 0; r < runs; r++) {
        f->results[r] = (struct gr_result){
            .policy = policies[r % 7],
            .seed = 42 + r / 7,
            .capacity_milli = nodes * 8000,
            .arrived = 10866,
            .placed = 10000,
            .dropped = 866,
        };
        f->ceilings[r] = 97.93;
        if (samples > 0) {
            fill_samples(&f->results[r], samples);
        } else {
            fill_curve(&f->results[r], r);
        }
    }
    f->what = (struct gr_report){
        .jobs = "a/b/jobs.csv",
        .nodes = "nodes.csv",
        .trace = &f->trace,
        .results = f->results,
        .result_count = runs,
    };
}

static void drop(struct fixture *f)
{
    for (size_t r = 0; r < RUNS_MAX; r++) {
        free(f->results[r].samples);
    }
    free(f->trace.nodes);
}

static char path[] = "/tmp/granary-report-XXXXXX";

static int make_path(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

// Writes the report and reads it back, strictly; the caller frees.
static char *page_of(const struct fixture *f)
{
    struct gr_err err = {0};
    struct stat st;
    assert_int_equal(gr_report_write(path, &f->what, &err), 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    char *text = calloc((size_t)st.st_size + 1, 1);
    assert_non_null(text);
    assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
    close(fd);
    struct gr_markup markup;
    if (!gr_markup_check(&markup, text, (size_t)st.st_size)) {
        fail_msg("%s", markup.wrong);
    }
    return text;
}

static bool says(const char *page, const char *text)
{
    return strstr(page, text) != NULL;
}

static void a_page_is_well_formed_and_loads_nothing(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 60, 7, 0);
    f.what.ceilings = f.ceilings;
    char *page = page_of(&f);
    assert_true(says(page, "default-src 'none'"));
    assert_false(says(page, "url("));
    assert_false(says(page, "@import"));
    assert_false(says(page, "<script"));
    assert_true(says(page, "prefers-color-scheme:dark"));
    free(page);
    drop(&f);
}

static void the_figures_are_those_of_the_results(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 60, 7, 0);
    f.what.ceilings = f.ceilings;
    char *page = page_of(&f);
    assert_true(says(page, "<h1>Replay of jobs.csv</h1>"));
    assert_true(says(page, "<b>granary had 97.00&#160;%</b> of the accelerators allocated at "
                           "100&#160;% load; the next best, fgd, 96.00&#160;%. No policy can pass "
                           "97.93&#160;%."));
    assert_true(says(page, "<dt>Accelerators</dt><dd>480</dd>"));
    assert_true(says(page, "<dt>Jobs arrived</dt><dd>10,866</dd>"));
    assert_true(says(page, "<td><b>97.00&#160;%</b>")); // the best is bold
    assert_true(says(page, "<td>91.00&#160;%"));
    assert_true(says(page, "<td><b>0.93&#160;%</b></td>")); // below the ceiling
    assert_true(says(page, "ceiling 97.93%"));
    assert_false(says(page, "Utilisation"));
    assert_false(says(page, "Mean delay"));
    assert_false(says(page, "seed 42"));
    free(page);
    drop(&f);
}

static void a_workload_that_ends_is_told_by_time(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 60, 2, 1000);
    char *page = page_of(&f);
    assert_true(says(page, "granary kept 93.50&#160;%</b> of the accelerators allocated while jobs "
                           "waited; just as much with fgd. With granary, jobs waited "));
    assert_true(says(page, "12 min 5 s on average"));
    assert_true(says(page, "<td>91.23&#160;%"));
    assert_true(says(page, "<figcaption>Waiting</figcaption>"));
    assert_false(says(page, "Below ceiling"));
    free(page);
    drop(&f);
}

static void what_is_not_known_is_left_out_or_a_dash(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 10, 2, 0);
    f.results[1].has_fragmentation = false;
    char *page = page_of(&f);
    assert_true(says(page, "<td>–</td>"));
    assert_false(says(page, "Ceiling"));
    assert_false(says(page, "NaN"));
    assert_false(says(page, "nan"));
    free(page);
    drop(&f);
}

static void a_workload_smaller_than_the_pool_is_told_at_its_own_load(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 10, 2, 0);
    for (size_t r = 0; r < 2; r++) {
        memset(&f.results[r].curve[61], 0, (GR_CURVE_POINTS - 61) * sizeof f.results[r].curve[0]);
        f.results[r].allocation = 60;
        f.results[r].has_fragmentation = false;
    }
    char *page = page_of(&f);
    assert_true(says(page, "60.00&#160;%</b> of the accelerators allocated at 60&#160;% load; just "
                           "as much with fgd."));
    assert_true(says(page, "What is left at 60&#160;% load"));
    assert_false(says(page, "<figcaption>Fragmentation</figcaption>"));
    assert_false(says(page, "Where the policies part"));
    free(page);
    drop(&f);
}

static void a_replay_of_nothing_is_still_a_page(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 0, 1, 0);
    memset(f.results[0].curve, 0, sizeof f.results[0].curve);
    f.trace.job_count = 0;
    char *page = page_of(&f);
    assert_true(says(page, "<dt>Nodes</dt><dd>0</dd>"));
    assert_false(says(page, "<h2>Allocation over load</h2>"));
    assert_false(says(page, "<h2>The pool</h2>"));
    free(page);
    drop(&f);
    make(&f, 0, 1, 1); // one sample, at time 0
    page = page_of(&f);
    assert_false(says(page, "<h2>Over time</h2>"));
    free(page);
    drop(&f);
}

static void runs_of_one_policy_are_told_apart_by_their_seed(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 60, 14, 0);
    char *page = page_of(&f);
    assert_true(says(page, "granary, seed 42"));
    assert_true(says(page, "granary, seed 43"));
    assert_true(says(page, "(mean over its runs)"));
    assert_true(says(page, "Only the first 12 runs are drawn."));
    free(page);
    drop(&f);
}

static void published_curves_share_the_colour_of_their_policy(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 60, 2, 0);
    double percent[GR_CURVE_POINTS];
    for (size_t i = 0; i < GR_CURVE_POINTS; i++) {
        percent[i] = i <= 130 ? (double)i / 2 : NAN;
    }
    struct gr_report_curve published[] = {{"fgd", percent}, {"other", percent}};
    f.what.published = published;
    f.what.published_count = 2;
    char *page = page_of(&f);
    assert_true(says(page, "class=\"l p s1\"")); // fgd
    assert_true(says(page, "class=\"l p s3\"")); // nobody's
    assert_true(says(page, "Thin dashed lines are published curves."));
    free(page);
    drop(&f);
}

static void hostile_names_stay_text(void **state)
{
    (void)state;
    static const char *hostile_sites[] = {"</svg><script>alert(1)</script>", "\" onclick=\"x"};
    static const char *hostile_models[] = {"]]>", "<!--", "a\xff\x01\xe2\x80\xae"};
    struct fixture f;
    make(&f, 60, 2, 0);
    f.trace.sites = hostile_sites;
    f.trace.models = hostile_models;
    f.trace.nodes[3].name = "'\"><img src=x onerror=alert(1)>";
    f.results[1].policy = "</title><style>*{display:none}";
    f.what.title = "</title><script>alert(2)</script>";
    f.what.jobs = "<jobs>";
    f.what.nodes = "&nodes;";
    char *page = page_of(&f); // which reads it strictly
    assert_false(says(page, "<script"));
    assert_false(says(page, "<img"));
    assert_true(says(page, "&lt;script&gt;"));
    free(page);
    drop(&f);
}

static void the_same_input_gives_the_same_bytes(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 60, 3, 500);
    char *one = page_of(&f);
    char *two = page_of(&f);
    assert_string_equal(one, two);
    free(one);
    free(two);
    drop(&f);
}

static void a_pool_of_a_million_is_a_small_page(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 125000, 7, 20000);
    char *page = page_of(&f);
    assert_true(strlen(page) < 1500000);
    assert_true(says(page, "One cell is up to 64 nodes of a kind"));
    free(page);
    drop(&f);
}

static void an_error_of_writing_is_told(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_err err = {0};
    make(&f, 10, 1, 0);
    assert_int_equal(gr_report_write("/dev/full", &f.what, &err), -ENOSPC);
    assert_string_equal(err.text, "write /dev/full: No space left on device");
    drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_well_formed_and_loads_nothing),
        cmocka_unit_test(the_figures_are_those_of_the_results),
        cmocka_unit_test(a_workload_that_ends_is_told_by_time),
        cmocka_unit_test(what_is_not_known_is_left_out_or_a_dash),
        cmocka_unit_test(a_workload_smaller_than_the_pool_is_told_at_its_own_load),
        cmocka_unit_test(a_replay_of_nothing_is_still_a_page),
        cmocka_unit_test(runs_of_one_policy_are_told_apart_by_their_seed),
        cmocka_unit_test(published_curves_share_the_colour_of_their_policy),
        cmocka_unit_test(hostile_names_stay_text),
        cmocka_unit_test(the_same_input_gives_the_same_bytes),
        cmocka_unit_test(a_pool_of_a_million_is_a_small_page),
        cmocka_unit_test(an_error_of_writing_is_told),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
