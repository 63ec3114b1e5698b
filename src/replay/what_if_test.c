// Tests of changes of a pool, and of the comparison of two replays.
#include "replay/what_if.h"

#include "replay/compare.h"
#include "replay/jobs_csv.h"
#include "replay/nodes_csv.h"
#include "replay/pool_spec.h"
#include "replay/run.h"
#include "replay/trace_build.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// 4 nodes of 8 h20 in domains of 2, and 2 nodes of 4 t4.
static void make(struct gr_trace *trace)
{
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_trace_init(trace, &err), 0);
    assert_int_equal(gr_pool_generate(trace, "4x8xh20:domain=2,2x4xt4", &err), 0);
}

static int change(struct gr_trace *trace, const char *text, struct gr_err *err)
{
    struct gr_what_if *what_if = calloc(1, sizeof *what_if);
    gr_err_init(err);
    assert_non_null(what_if);
    int code = gr_what_if_read(text, what_if, err);
    code = code < 0 ? code : gr_what_if_apply(what_if, trace, err);
    free(what_if);
    return code;
}

static void expect(const char *text, size_t nodes, uint64_t devices)
{
    struct gr_trace trace;
    struct gr_err err;
    make(&trace);
    int code = change(&trace, text, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(code, 0);
    assert_int_equal(trace.node_count, nodes);
    assert_int_equal(gr_trace_capacity_milli(&trace), devices * 1000);
    gr_trace_done(&trace);
}

static void devices_come_and_go_as_whole_nodes(void **state)
{
    (void)state;
    expect("+16 h20", 8, 56);
    expect("-16 h20", 4, 24);
    expect("h20=8", 3, 16);
    expect("h20=32", 6, 40);
    expect("h20=48", 8, 56);
    expect("h20=0", 2, 8);
    expect("+8 h20, -4 t4", 6, 44);
    expect("-32 h20,+4 t4", 3, 12);
    expect("+3 nodes like t4-000004", 9, 52);
    expect("+1 node like t4-000004", 7, 44);
}

static void new_nodes_have_domains_of_their_own_as_large_as_the_old(void **state)
{
    (void)state;
    struct gr_trace trace;
    struct gr_err err;
    make(&trace);
    assert_int_equal(change(&trace, "+24 h20", &err), 0);
    assert_int_equal(trace.domain_count[0], 4);
    assert_int_equal(trace.nodes[6].domain[0], 2);
    assert_int_equal(trace.nodes[7].domain[0], 2);
    assert_int_equal(trace.nodes[8].domain[0], 3);
    assert_int_equal(trace.nodes[8].cpu_milli, trace.nodes[0].cpu_milli);
    gr_trace_done(&trace);
}

static void narrow_domains_of_new_nodes_stay_within_wide_ones(void **state)
{
    (void)state;
    static const char nodes[] = "name,kind,devices,cpu_milli,memory_mib,domain1,domain2\n"
                                "a,x,8,1,1,row1,rack1\nb,x,8,1,1,row1,rack1\n"
                                "c,x,8,1,1,row1,rack2\nd,x,8,1,1,row2,rack3\n";
    struct gr_trace trace;
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_trace_init(&trace, &err), 0);
    assert_int_equal(gr_nodes_read_bytes(&trace, "n", nodes, sizeof nodes - 1, &err), 0);
    assert_int_equal(change(&trace, "+40 x", &err), 0); // rows of three, racks of two
    static const uint32_t rows[] = {2, 2, 2, 3, 3}, racks[] = {3, 3, 4, 5, 5};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(trace.nodes[4 + i].domain[0], rows[i]);
        assert_int_equal(trace.nodes[4 + i].domain[1], racks[i]);
    }
    gr_trace_done(&trace);
}

static void what_cannot_be_is_refused_with_what_would_be_right(void **state)
{
    (void)state;
    static const struct {
        const char *change, *text;
    } cases[] = {
        {"+8 h200", "found '+8 h200', expected a kind that the pool has: h20 or t4"},
        {"-40 h20", "found '-40 h20', expected at most 32: there are no more"},
        {"+9 h20", "found '+9 h20', expected whole nodes: a multiple of 8 devices"},
        {"h20=33", "found 'h20=33', expected whole nodes: a multiple of 8 devices"},
        {"-12 h20", "found '-12 h20', expected whole nodes: 8 or 16 devices fewer (the last ones "
                    "go first)"},
        {"+1 nodes like x", "found '+1 nodes like x', expected the name of a node, such as "
                            "'h20-000000'"},
        {"-1 nodes like h20-000000", "found '-1 nodes like h20-000000', expected -N KIND: fewer "
                                     "devices of a kind"},
        {"-32 h20,-8 t4", "found no node left, expected at least one"},
        {"+99999999999999999999 h20", "found '+99999999999999999999 h20', expected +N KIND"},
        {"+3000000 h20", "found '+3000000 h20', expected at most 262144 nodes in all"},
        {"+8", "found '+8', expected +N KIND"},
        {"8 h20", "found '8 h20', expected +N KIND"},
        {"policy=best", "found 'policy=best', expected policy= and a placement policy"},
        {"queue=", "found 'queue=', expected queue=fifo, queue=backfill or queue=fair"},
        {"notice=5", "found 'notice=5', expected a duration"},
        {"quotas=", "found 'quotas=', expected quotas= and a file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gr_trace trace;
        struct gr_err err;
        make(&trace);
        assert_true(change(&trace, cases[i].change, &err) < 0);
        assert_non_null(strstr(err.text, cases[i].text));
        gr_trace_done(&trace);
    }
}

static void the_waits_of_two_replays_are_compared_by_queue_kind_and_job(void **state)
{
    (void)state;
    // One device: a's second job waits 10 s, b's waits 19 s; with two devices 0 and 9.
    static const char jobs[] = "submit,duration,devices,cpu,memory,kind,queue\n"
                               "0,10,1,1,1,,a\n0,10,1,1,1,t4,a\n1,10,1,1,1,t4,b\n";
    struct gr_trace traces[2];
    struct gr_result results[2];
    struct gr_compare compare;
    struct gr_err err;
    gr_err_init(&err);
    for (unsigned i = 0; i < 2; i++) {
        struct gr_jobs_options options = {0};
        struct gr_run_config config = {.policy = "bestfit", .verify = true};
        assert_int_equal(gr_trace_init(&traces[i], &err), 0);
        assert_int_equal(gr_pool_generate(&traces[i], "1x1xt4", &err), 0);
        assert_int_equal(gr_jobs_read_bytes(&traces[i], "j", jobs, sizeof jobs - 1, &options, &err),
                         0);
        assert_int_equal(i == 0 ? 0 : change(&traces[i], "+1 t4", &err), 0);
        assert_int_equal(gr_run(&traces[i], &config, &results[i], &err), 0);
    }
    assert_int_equal(gr_compare_make(&traces[0], &results[0], &results[1], &compare, &err), 0);
    assert_int_equal(compare.queue_count, 2);
    assert_string_equal(compare.queues[0].name, "a");
    assert_int_equal(compare.queues[0].jobs, 2);
    assert_int_equal(compare.queues[0].waits.mean_ms[0], 5000);
    assert_int_equal(compare.queues[0].waits.mean_ms[1], 0);
    assert_int_equal(compare.queues[1].waits.p95_ms[0], 19000);
    assert_int_equal(compare.queues[1].waits.p95_ms[1], 9000);
    assert_string_equal(compare.kinds[0].name, "t4");
    assert_int_equal(compare.kinds[0].waits.mean_ms[0], 14500);
    assert_int_equal(compare.sooner, 2);
    assert_int_equal(compare.alike, 1);
    assert_int_equal(compare.helped_count, 2);
    assert_int_equal(compare.helped[0].waited_ms[0] - compare.helped[0].waited_ms[1], 10000);
    assert_int_equal(compare.hurt_count, 0);
    gr_compare_done(&compare);
    for (unsigned i = 0; i < 2; i++) {
        gr_result_done(&results[i]);
        gr_trace_done(&traces[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_come_and_go_as_whole_nodes),
        cmocka_unit_test(new_nodes_have_domains_of_their_own_as_large_as_the_old),
        cmocka_unit_test(narrow_domains_of_new_nodes_stay_within_wide_ones),
        cmocka_unit_test(what_cannot_be_is_refused_with_what_would_be_right),
        cmocka_unit_test(the_waits_of_two_replays_are_compared_by_queue_kind_and_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
