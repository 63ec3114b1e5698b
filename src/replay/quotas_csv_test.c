// Tests of the reader of quotas.
#include "replay/quotas_csv.h"

#include "core/terms.h"
#include "replay/jobs_csv.h"
#include "replay/pool_spec.h"
#include "replay/trace_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int read_quotas(const char *quotas, struct gr_trace *trace, struct gr_err *err)
{
    static const char jobs[] = "submit,duration,devices,cpu,memory,queue\n0,1,1,1,1,vision\n";
    struct gr_jobs_options options = {0};
    gr_err_init(err);
    assert_int_equal(gr_trace_init(trace, err), 0);
    assert_int_equal(gr_pool_generate(trace, "1x2xt4,1x2xh20", err), 0);
    assert_int_equal(gr_jobs_read_bytes(trace, "j.csv", jobs, sizeof jobs - 1, &options, err), 0);
    return gr_quotas_read_bytes(trace, "q.csv", quotas, strlen(quotas), err);
}

static void a_quota_has_three_amounts_and_blanks_mean_all(void **state)
{
    (void)state;
    struct gr_trace trace;
    struct gr_err err;
    int code = read_quotas("queue,kind,nominal,borrow,lend\nvision,h20,4,,1.5\nvision,t4,0,2,\n",
                           &trace, &err);
    assert_int_equal(code, 0);
    assert_int_equal(trace.quota_count, 2);
    assert_int_equal(trace.quotas[0].queue, 1);
    assert_int_equal(trace.quotas[0].model, 1);
    assert_true(trace.quotas[0].nominal_milli == 4000);
    assert_true(trace.quotas[0].borrow_milli == GR_ANY_MILLI);
    assert_true(trace.quotas[0].lend_milli == 1500);
    assert_true(trace.quotas[1].borrow_milli == 2000);
    assert_true(trace.quotas[1].lend_milli == GR_ANY_MILLI);
    gr_trace_done(&trace);
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *line, *text;
    } cases[] = {
        {"speech,h20,4,,", "q.csv:2:1: column 'queue': found 'speech', expected the name of a "
                           "queue that the jobs name"},
        {",h20,4,,", "q.csv:2:1: column 'queue': found '', expected the name of a queue that the "
                     "jobs name"},
        {"vision,b200,4,,",
         "q.csv:2:8: column 'kind': found 'b200', expected a model that a node has"},
        {"vision,h20,-1,,", "q.csv:2:12: column 'nominal': "},
        {"vision,h20,,,", "q.csv:2:12: column 'nominal': "},
        {"vision,h20,1.2345,,", "q.csv:2:12: column 'nominal': "},
        {"vision,h20,4,,5", "q.csv:2:15: column 'lend': "},
        {"vision,h20,4,,\nvision,h20,4,,",
         "q.csv:3:1: found a second quota for this queue and kind, expected one"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gr_trace trace;
        struct gr_err err;
        char file[256];
        snprintf(file, sizeof file, "queue,kind,nominal,borrow,lend\n%s\n", cases[i].line);
        assert_true(read_quotas(file, &trace, &err) < 0);
        assert_memory_equal(err.text, cases[i].text, strlen(cases[i].text));
        gr_trace_done(&trace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quota_has_three_amounts_and_blanks_mean_all),
        cmocka_unit_test(what_is_wrong_is_said_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
