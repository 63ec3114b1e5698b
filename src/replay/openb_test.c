// Tests of the openb folder and its benchmark on small folders made here: what is read, compared
// and refused.
#include "replay/bench_openb.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// The files of a folder, each written anew for each test.
static const char *const names[] = {
    "openb_node_list_gpu_node.csv",
    "openb_pod_list_tiny.csv",
    "arrivals/runs.csv",
    "arrivals/order.txt",
    "arrivals/rank.txt",
    "expected/analysis_allo_discrete.csv",
};
enum { NODES, PODS, RUNS, ORDER, RANKS, CURVES, FILES };

static const char *const good[FILES] = {
    "sn,cpu_milli,memory_mib,gpu,model\nn0,8000,100,1,A\nn1,8000,100,1,B\n",
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli\np0,1,1,1,1000\np1,1,1,1,500\np2,1,1,1,700\n",
    "trace,seed,order_file,n_arrivals,noderank_file\ntiny,1,order.txt,3,rank.txt\n"
    "tiny,2,order.txt,2,rank.txt\nabsent,1,order.txt,3,rank.txt\n",
    "1 0 1 2\n2 1 0 2\n",
    "1 1 0\n2 0 1\n",
    "workload,sc_policy,tune,seed,total_gpus,50,75,110\n"
    "openb_pod_list_tiny,06-FGD,1.3,1,2,50.0,75.0,75.0\n"
    "openb_pod_list_tiny,06-FGD,1.3,2,2,,75.5,\n"
    "openb_pod_list_other,06-FGD,1.3,1,2,1,1,1\n"
    "openb_pod_list_tiny,09-Other,1.3,1,2,1,1,1\n",
};

static char folder[] = "/tmp/gr_openb_test_XXXXXX";

static void write_file(unsigned file, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, names[file]);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static void write_good(void)
{
    for (unsigned i = 0; i < FILES; i++) {
        write_file(i, good[i]);
    }
}

static int make_folder(void **state)
{
    (void)state;
    char path[256];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/arrivals", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/expected", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[256];
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/arrivals", folder);
    rmdir(path);
    snprintf(path, sizeof path, "%s/expected", folder);
    rmdir(path);
    return rmdir(folder);
}

// Opens the folder with one file replaced and expects an error about that file.
static void assert_refused(unsigned file, const char *text, const char *expected)
{
    struct gr_openb openb;
    struct gr_trace trace;
    struct gr_err err;
    gr_err_init(&err);
    write_good();
    write_file(file, text);
    int code = gr_openb_open(folder, &openb, &err);
    if (code == 0) {
        code = gr_openb_read_run(&openb, 0, &trace, &err);
        gr_openb_close(&openb);
    }
    assert_int_equal(code, -EINVAL);
    assert_memory_equal(err.text, folder, strlen(folder));
    assert_string_equal(err.text + strlen(folder) + 1, expected);
}

static void the_folder_says_what_there_is(void **state)
{
    (void)state;
    struct gr_openb openb;
    struct gr_trace trace;
    struct gr_err err;
    gr_err_init(&err);
    write_good();
    assert_int_equal(gr_openb_open(folder, &openb, &err), 0);
    assert_int_equal(openb.trace_count, 1); // the absent one is left out
    assert_string_equal(openb.traces[0], "tiny");
    assert_int_equal(openb.run_count, 2);
    assert_int_equal(openb.curve_count, 2);
    const struct gr_openb_curve *curve = gr_openb_curve_find(&openb, 0, 2, "fgd");
    assert_non_null(curve);
    assert_true(curve->values[75] == 75.5);
    assert_true(curve->values[50] == GR_OPENB_UNKNOWN);
    assert_null(gr_openb_curve_find(&openb, 0, 2, "bestfit"));
    assert_int_equal(gr_openb_read_run(&openb, 0, &trace, &err), 0);
    assert_int_equal(trace.order_count, 3);
    assert_string_equal(trace.nodes[0].name, "n1"); // its rank is 0
    gr_trace_done(&trace);
    assert_int_equal(gr_openb_read_run(&openb, 1, &trace, &err), 0);
    assert_int_equal(trace.order_count, 2); // of the three that the line has
    gr_trace_done(&trace);
    gr_openb_close(&openb);
}

static void bad_folders_are_refused_with_their_place(void **state)
{
    (void)state;
    static const char runs[] = "trace,seed,order_file,n_arrivals,noderank_file\n";
    char text[256];
    snprintf(text, sizeof text, "%stiny,1,../order.txt,3,rank.txt\n", runs);
    assert_refused(RUNS, text,
                   "arrivals/runs.csv:2:8: column 'order_file': found a path, expected a name "
                   "without '/' that does not begin with '.'");
    snprintf(text, sizeof text, "%stiny,1,order.txt,0,rank.txt\n", runs);
    assert_refused(RUNS, text,
                   "arrivals/runs.csv:2:18: column 'n_arrivals': found '0', expected a whole "
                   "number from 1 to 16777216");
    snprintf(text, sizeof text, "%stiny,1,order.txt,3,rank.txt\ntiny,1,order.txt,3,rank.txt\n",
             runs);
    assert_refused(RUNS, text,
                   "arrivals/runs.csv:3:6: column 'seed': found a second line of this trace and "
                   "seed, expected one");
    snprintf(text, sizeof text, "%stiny,1,order.txt,4,rank.txt\n", runs);
    assert_refused(RUNS, text,
                   "arrivals/order.txt: found 3 arrivals of seed 1, expected the 4 of "
                   "arrivals/runs.csv");
    assert_refused(ORDER, "1 0 3 2\n2 1 0 2\n",
                   "arrivals/order.txt:1:5: found '3', expected a whole number from 0 to 2");
    assert_refused(RANKS, "1 1 1\n",
                   "arrivals/rank.txt: seed 1: found 2 ranks, 1 of them different, expected each "
                   "of 0 to 1 once (one for each node)");
    assert_refused(CURVES,
                   "workload,sc_policy,tune,seed,total_gpus,50\nopenb_pod_list_tiny,06-FGD,1.3,1,"
                   "2,-1\n",
                   "expected/analysis_allo_discrete.csv:2:36: column '50': found '-1', expected a "
                   "number from 0 to 1000 with at most 6 digits after the point");
    assert_refused(PODS, "name,cpu_milli,memory_mib,num_gpu,gpu_milli\np0,1,1,1\n",
                   "openb_pod_list_tiny.csv:2:1: found 4 fields, expected 5 as in the first line");
}

static void nothing_published_is_no_error(void **state)
{
    (void)state;
    struct gr_openb openb;
    struct gr_err err;
    char path[256];
    gr_err_init(&err);
    write_good();
    snprintf(path, sizeof path, "%s/%s", folder, names[CURVES]);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(gr_openb_open(folder, &openb, &err), 0);
    assert_int_equal(openb.curve_count, 0);
    gr_openb_close(&openb);
}

static void the_benchmark_compares_by_trace_and_policy(void **state)
{
    (void)state;
    static const char *const policies[] = {"fgd", "bestfit"};
    static const uint64_t seeds[] = {1};
    struct gr_openb openb;
    struct gr_err err;
    struct gr_bench_row *rows = NULL;
    size_t count = 0;
    gr_err_init(&err);
    write_good();
    assert_int_equal(gr_openb_open(folder, &openb, &err), 0);
    struct gr_bench_config config = {.policies = policies, .policy_count = 2, .threads = 2};
    assert_int_equal(gr_bench_openb(&openb, &config, &rows, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_string_equal(rows[0].trace, "tiny");
    assert_string_equal(rows[0].policy, "fgd");
    assert_int_equal(rows[0].seeds, 2);
    // Seed 1 has arrivals at 50, 75 and 110 %, seed 2 at 25 and 75 %: none has one at 100 %.
    assert_true(rows[0].mean_at_100 < 0);
    assert_true(rows[0].published < 0);
    assert_true(rows[0].difference > 0.499 && rows[0].difference < 0.501);
    assert_int_equal(rows[0].seeds_better, -1);
    assert_true(rows[1].difference < 0); // nobody published bestfit here
    free(rows);
    config.seeds = seeds;
    config.seed_count = 1;
    assert_int_equal(gr_bench_openb(&openb, &config, &rows, &count, &err), 0);
    assert_int_equal(rows[0].seeds, 1);
    assert_true(rows[0].difference < 0.001);
    free(rows);
    gr_openb_close(&openb);
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    static const char *const traces[] = {"tinny"}, *const policies[] = {"fdg"};
    static const uint64_t seeds[] = {9};
    struct gr_openb openb;
    struct gr_err err;
    struct gr_bench_row *rows = NULL;
    size_t count = 0;
    gr_err_init(&err);
    write_good();
    assert_int_equal(gr_openb_open(folder, &openb, &err), 0);
    struct gr_bench_config config = {.traces = traces, .trace_count = 1};
    assert_int_equal(gr_bench_openb(&openb, &config, &rows, &count, &err), -EINVAL);
    assert_non_null(strstr(err.text, "there is no trace 'tinny'"));
    config = (struct gr_bench_config){.policies = policies, .policy_count = 1};
    assert_int_equal(gr_bench_openb(&openb, &config, &rows, &count, &err), -EINVAL);
    assert_non_null(strstr(err.text, "there is no policy 'fdg'"));
    config = (struct gr_bench_config){.seeds = seeds, .seed_count = 1};
    assert_int_equal(gr_bench_openb(&openb, &config, &rows, &count, &err), -EINVAL);
    gr_openb_close(&openb);
    assert_int_equal(gr_openb_open("/nonexistent", &openb, &err), -ENOENT);
}

static void the_runs_file_beside_an_order_says_how_much_of_it_counts(void **state)
{
    (void)state;
    struct gr_err err;
    uint32_t arrivals = 0;
    char order[256];
    gr_err_init(&err);
    write_good();
    snprintf(order, sizeof order, "%s/arrivals/order.txt", folder);
    assert_int_equal(gr_openb_find_arrivals(order, "x/openb_pod_list_tiny.csv", 2, &arrivals, &err),
                     1);
    assert_int_equal(arrivals, 2);
    assert_int_equal(gr_openb_find_arrivals(order, "x/other.csv", 2, &arrivals, &err), 0);
    assert_int_equal(gr_openb_find_arrivals("order.txt", "tiny.csv", 2, &arrivals, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_folder_says_what_there_is),
        cmocka_unit_test(bad_folders_are_refused_with_their_place),
        cmocka_unit_test(nothing_published_is_no_error),
        cmocka_unit_test(the_benchmark_compares_by_trace_and_policy),
        cmocka_unit_test(what_is_not_there_is_said),
        cmocka_unit_test(the_runs_file_beside_an_order_says_how_much_of_it_counts),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
