// Tests of how a trace becomes the instance of a ceiling: models, nodes, demands, gangs, events.
#include "replay/openb_ceiling.h"

#include "replay/jobs_csv.h"
#include "replay/pool_spec.h"
#include "replay/trace_build.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n"

static char path[] = "/tmp/gr_openb_ceiling_test_XXXXXX";

static struct gr_trace make_trace(const char *pool, const char *jobs)
{
    struct gr_trace trace;
    struct gr_err err;
    struct gr_jobs_options options = {.map = NULL};
    gr_err_init(&err);
    assert_int_equal(gr_trace_init(&trace, &err), 0);
    assert_int_equal(gr_pool_generate(&trace, pool, &err), 0);
    assert_int_equal(gr_jobs_read_bytes(&trace, "jobs.csv", jobs, strlen(jobs), &options, &err), 0);
    return trace;
}

// The certificate that was written, which the caller frees.
static char *written(const struct gr_openb_ceiling *ceiling, enum gr_openb_ceiling_kind kind)
{
    struct gr_err err;
    gr_err_init(&err);
    char *text = calloc(1, 4096);
    assert_non_null(text);
    assert_int_equal(gr_openb_ceiling_write(ceiling, kind, path, &err), 0);
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    assert_true(fread(text, 1, 4095, in) > 0);
    fclose(in);
    return text;
}

// Models are numbered by their names among the nodes with devices (a is 0, z is 1; the pool names z
// first, and c is on no node with devices); nodes and demands alike are one type.
static void a_trace_becomes_types_and_counts(void **state)
{
    (void)state;
    struct gr_trace trace = make_trace("1x2xz:cpu=8000:memory=90,1x0xc,1x1xa:cpu=4000:memory=80,"
                                       "1x2xz:cpu=8000:memory=90",
                                       HEAD "p,10,1,1,1000,\np,20,2,2,1000,z\np,10,1,1,1000,a|z\n"
                                            "p,5,5,0,0,\np,30,3,1,500,a|c\np,30,3,1,500,c\n");
    struct gr_openb_ceiling *ceiling = NULL;
    struct gr_err err;
    int64_t bound_milli = -1;
    gr_err_init(&err);
    assert_int_equal(gr_openb_ceiling_new(&trace, &ceiling, &err), 0);
    // Arrived: 1000, 3000, 4000, 4000, 4500, 5000 of 5000 milli: one event.
    assert_int_equal(gr_openb_ceiling_run(ceiling, &trace, GR_OPENB_OFFLINE, &bound_milli, &err),
                     1);
    assert_in_range(bound_milli, 4500, 4560); // nobody can hold the last one
    char *text = written(ceiling, GR_OPENB_OFFLINE);
    assert_non_null(strstr(text, "instance 2 4 0 1 4096\n"
                                 "node 0 1 4000 80 1 "));
    assert_non_null(strstr(text, "\nnode 1 2 8000 90 2 "));
    assert_non_null(strstr(text, "\ndemand 1 1000 10 1 3 2 "));
    assert_non_null(strstr(text, "\ndemand 2 1000 20 2 2 1 "));
    assert_non_null(strstr(text, "\ndemand 1 500 30 3 1 1 "));
    assert_non_null(strstr(text, "\ndemand 1 500 30 3 0 1 "));
    free(text);
    gr_openb_ceiling_free(ceiling);
    gr_trace_done(&trace);
}

static void both_kinds_are_bounded_and_written(void **state)
{
    (void)state;
    // 100 halves and 50 wholes for 100 devices: by the rules, no half may be turned away for a
    // whole, and everything fits.
    char jobs[8192] = HEAD;
    for (int i = 0; i < 150; i++) {
        strcat(jobs, i % 3 < 2 ? "p,1,1,1,500,\n" : "p,1,1,1,1000,\n");
    }
    struct gr_trace trace = make_trace("25x4xa:cpu=1000:memory=1000", jobs);
    struct gr_openb_ceiling *ceiling = NULL;
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_openb_ceiling_new(&trace, &ceiling, &err), 0);
    for (unsigned kind = 0; kind < GR_OPENB_CEILINGS; kind++) {
        int64_t bound_milli = -1;
        assert_int_equal(gr_openb_ceiling_run(ceiling, &trace, (enum gr_openb_ceiling_kind)kind,
                                              &bound_milli, &err),
                         1);
        assert_in_range(bound_milli, 100000, 100060);
        char *text = written(ceiling, (enum gr_openb_ceiling_kind)kind);
        assert_true((strstr(text, "\ncut ") != NULL) == (kind == GR_OPENB_PROTOCOL));
        free(text);
    }
    assert_string_equal(gr_openb_ceiling_name(GR_OPENB_OFFLINE), "offline");
    assert_string_equal(gr_openb_ceiling_name(GR_OPENB_PROTOCOL), "protocol");
    gr_openb_ceiling_free(ceiling);
    gr_trace_done(&trace);
}

static void each_task_of_a_gang_is_a_demand(void **state)
{
    (void)state;
    struct gr_trace trace = make_trace("4x2xa:cpu=8000:memory=90", HEAD "p,10,1,2,1000,\n");
    struct gr_openb_ceiling *ceiling = NULL;
    struct gr_err err;
    int64_t bound_milli = -1;
    gr_err_init(&err);
    trace.jobs[0].tasks = 4;
    assert_int_equal(gr_openb_ceiling_new(&trace, &ceiling, &err), 0);
    assert_int_equal(gr_openb_ceiling_run(ceiling, &trace, GR_OPENB_OFFLINE, &bound_milli, &err),
                     1);
    assert_int_equal(bound_milli, 8000);
    assert_int_equal(gr_openb_ceiling_run(ceiling, &trace, GR_OPENB_PROTOCOL, &bound_milli, &err),
                     -ENOTSUP);
    assert_string_equal(err.text, "no protocol ceiling: jobs have several tasks");
    gr_openb_ceiling_free(ceiling);
    gr_trace_done(&trace);
}

static void a_trace_that_never_comes_to_full_load_has_no_ceiling(void **state)
{
    (void)state;
    const char *const pools[] = {"4x2xa", "4x0xa"};
    for (size_t i = 0; i < 2; i++) {
        struct gr_trace trace = make_trace(pools[i], HEAD "p,10,1,0,0,\np,10,1,1,900,a\n");
        struct gr_openb_ceiling *ceiling = NULL;
        struct gr_err err;
        int64_t bound_milli = -1;
        gr_err_init(&err);
        assert_int_equal(gr_openb_ceiling_new(&trace, &ceiling, &err), 0);
        assert_int_equal(
            gr_openb_ceiling_run(ceiling, &trace, GR_OPENB_OFFLINE, &bound_milli, &err), 0);
        assert_int_equal(bound_milli, -1);
        gr_openb_ceiling_free(ceiling);
        gr_trace_done(&trace);
    }
}

static void too_many_models_are_not_supported(void **state)
{
    (void)state;
    char pool[2048] = "1x1xm0";
    for (int i = 1; i < 65; i++) {
        char group[32];
        snprintf(group, sizeof group, ",1x1xm%d", i);
        strcat(pool, group);
    }
    struct gr_trace trace = make_trace(pool, HEAD "p,10,1,1,900,\n");
    struct gr_openb_ceiling *ceiling = NULL;
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_openb_ceiling_new(&trace, &ceiling, &err), -ENOTSUP);
    assert_null(ceiling);
    assert_string_equal(err.text, "no ceiling: too many models, kinds of nodes or demands");
    gr_trace_done(&trace);
}

static void a_certificate_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    struct gr_trace trace = make_trace("1x1xa", HEAD "p,10,1,1,1000,\n");
    struct gr_openb_ceiling *ceiling = NULL;
    struct gr_err err;
    int64_t bound_milli = -1;
    gr_err_init(&err);
    assert_int_equal(gr_openb_ceiling_new(&trace, &ceiling, &err), 0);
    assert_int_equal(gr_openb_ceiling_run(ceiling, &trace, GR_OPENB_OFFLINE, &bound_milli, &err),
                     1);
    assert_int_equal(gr_openb_ceiling_write(ceiling, GR_OPENB_OFFLINE, "/tmp/absent/x.cert", &err),
                     -ENOENT);
    assert_memory_equal(err.text, "/tmp/absent/x.cert: ", 20);
    gr_openb_ceiling_free(ceiling);
    gr_trace_done(&trace);
}

static int make_path(void **state)
{
    (void)state;
    int file = mkstemp(path);
    return file < 0 || close(file) < 0 ? -1 : 0;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_becomes_types_and_counts),
        cmocka_unit_test(both_kinds_are_bounded_and_written),
        cmocka_unit_test(each_task_of_a_gang_is_a_demand),
        cmocka_unit_test(a_trace_that_never_comes_to_full_load_has_no_ceiling),
        cmocka_unit_test(too_many_models_are_not_supported),
        cmocka_unit_test(a_certificate_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
