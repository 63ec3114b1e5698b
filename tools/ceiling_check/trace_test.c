// Tests of reading a trace and comparing a certificate with it, on a small one made here.
#include "trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES_HEAD "sn,cpu_milli,memory_mib,gpu,model\n"
#define JOBS_HEAD "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n"

// Capacity 3000 milli. Models in order: A is 0, B is 1; C has no device.
static const char nodes[] = NODES_HEAD "n0,8000,100,1,B\nn1,8000,100,2,A\nn2,9,9,0,C\n";
static const char jobs[] = JOBS_HEAD "p0,1,1,1,500,\np1,2,2,2,1000,A\np2,1,1,1,500,A|B\n"
                                     "p3,5,5,0,0,\np4,2,2,1,1000,C|A\n";
// Arrived milli of seed 7: 500, 2500, 3000, 3000, 3500, 4500: events after the 3rd and the 4th.
static const char order[] = "1 0 0\n7 0 1 2 3 0 4\n";

// The instance of that, with duals that prove nothing; p0 and p2 are alike.
static const char about[] = "granary-ceiling 1\n"
                            "instance 2 2 1 2 1\n"
                            "node 1 1 8000 100 1 8 0 1000\n"
                            "node 0 2 8000 100 1 8 0 2000\n"
                            "demand 1 500 1 1 3 4 0\n"
                            "demand 2 1000 2 2 1 2 0\n"
                            "cut 0 0 1000 3000 0\n"
                            "bound 3000\n"
                            "end\n";

// Reads, plays and compares; `change` may alter what was read.
static bool matches(const char *nodes_text, const char *jobs_text, const char *order_text,
                    uint64_t arrivals, void (*change)(struct certificate *certificate),
                    struct reason *ret_why)
{
    struct certificate certificate;
    struct trace trace;
    char *nodes_copy = strdup(nodes_text), *jobs_copy = strdup(jobs_text);
    *ret_why = (struct reason){""};
    assert_true(certificate_read(about, strlen(about), &certificate, ret_why));
    if (change != NULL) {
        change(&certificate);
    }
    bool is_match = trace_read(nodes_copy, jobs_copy, &trace, ret_why) &&
                    trace_play(&trace, &certificate, order_text, 7, arrivals, 100, ret_why) &&
                    trace_matches(&trace, &certificate, ret_why);
    assert_true(is_match || ret_why->text[0] != '\0');
    trace_done(&trace);
    certificate_done(&certificate);
    free(nodes_copy);
    free(jobs_copy);
    return is_match;
}

static void a_certificate_matches_its_trace(void **state)
{
    (void)state;
    struct reason why;
    assert_true(matches(nodes, jobs, order, 6, NULL, &why));
    assert_true(matches(nodes, jobs, order, 4, NULL, &why)); // no event is lost
    assert_false(matches(nodes, jobs, order, 3, NULL, &why));
    assert_string_equal(why.text, "the trace has 1 events, the certificate 2");
}

// p1 dominates the pivot p0, as which p2 counts too: the left side is -1000, 1000, 0, 0, so that it
// has been 1000 at most by each of the two events.
static void least_limit(struct certificate *certificate)
{
    certificate->cuts[0].limit = 2000;
}

static void limit_too_low(struct certificate *certificate)
{
    certificate->cuts[0].limit = 1999;
}

static void lower_beta(struct certificate *certificate)
{
    certificate->cuts[0].limit = 2000;
    certificate->cuts[0].beta = 999;
}

static void other_count(struct certificate *certificate)
{
    certificate->demands[0].count++;
}

static void other_model(struct certificate *certificate)
{
    certificate->demands[1].models = 2;
}

static void other_memory(struct certificate *certificate)
{
    certificate->types[0].memory++;
}

static void fewer_nodes(struct certificate *certificate)
{
    certificate->types[1].count--;
}

static void cuts_are_checked_against_the_arrivals(void **state)
{
    (void)state;
    struct reason why;
    assert_true(matches(nodes, jobs, order, 6, least_limit, &why));
    assert_false(matches(nodes, jobs, order, 6, limit_too_low, &why));
    assert_string_equal(why.text, "cut 0 is not true of the trace");
    assert_false(matches(nodes, jobs, order, 6, lower_beta, &why));
    assert_string_equal(why.text, "cut 0 is not true of the trace");
}

static void another_instance_is_refused(void **state)
{
    (void)state;
    struct reason why;
    assert_false(matches(nodes, jobs, order, 6, other_count, &why));
    assert_string_equal(why.text, "other demands than the trace");
    assert_false(matches(nodes, jobs, order, 6, other_model, &why));
    assert_string_equal(why.text, "other demands than the trace");
    assert_false(matches(nodes, jobs, order, 6, other_memory, &why));
    assert_string_equal(why.text, "other nodes than the trace");
    assert_false(matches(nodes, jobs, order, 6, fewer_nodes, &why));
    assert_string_equal(why.text, "other nodes than the trace");
}

static void files_that_are_no_trace_are_refused(void **state)
{
    (void)state;
    struct reason why;
    assert_false(matches("", jobs, order, 6, NULL, &why));
    assert_false(matches("sn,cpu,memory_mib,gpu,model\n", jobs, order, 6, NULL, &why));
    assert_false(matches(NODES_HEAD "n0,8000,100,1\n", jobs, order, 6, NULL, &why));
    assert_string_equal(why.text, "nodes: line 2 is no node");
    assert_false(matches(NODES_HEAD "n0,8000,100,17,A\n", jobs, order, 6, NULL, &why));
    assert_false(matches(nodes, "name,cpu_milli\n", order, 6, NULL, &why));
    assert_false(matches(nodes, JOBS_HEAD "p0,1,1,1,0,\n", order, 6, NULL, &why));
    assert_string_equal(why.text, "jobs: line 2 is no job");
    assert_false(matches(nodes, JOBS_HEAD "p0,1,1,2,500,\n", order, 6, NULL, &why));
    assert_false(matches(nodes, jobs, "1 0 0\n", 6, NULL, &why));
    assert_string_equal(why.text, "order: there is no line of seed 7");
    assert_false(matches(nodes, jobs, order, 7, NULL, &why));
    assert_string_equal(why.text, "order: expected 7 rows of the jobs after seed 7");
    assert_false(matches(nodes, jobs, "7 0 1 5 3 0 4\n", 6, NULL, &why));
    assert_false(matches(nodes, jobs, "7 0 1 2 3  0 4\n", 6, NULL, &why));
}

static void a_load_between_two_rounds_to_the_even_one(void **state)
{
    (void)state;
    struct reason why;
    struct certificate certificate;
    char nodes_copy[] = NODES_HEAD "n0,8000,100,2,A\n";
    char jobs_copy[] = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\n"
                       "p0,1,1,1,1000\np1,1,1,1,990\np2,1,1,1,20\np3,1,1,1,1\n";
    struct trace trace;
    assert_true(certificate_read(about, strlen(about), &certificate, &why));
    assert_true(trace_read(nodes_copy, jobs_copy, &trace, &why));
    // 1000, 1990 (99.5 %), 2010 (100.5 %), 2011
    assert_true(trace_play(&trace, &certificate, "7 0 1 2 3\n", 7, 4, 100, &why));
    assert_int_equal(trace.event_count, 2);
    trace.event_count = 0;
    assert_true(trace_play(&trace, &certificate, "7 0 1 2 3\n", 7, 4, 101, &why));
    assert_int_equal(trace.event_count, 1);
    trace_done(&trace);
    certificate_done(&certificate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_matches_its_trace),
        cmocka_unit_test(cuts_are_checked_against_the_arrivals),
        cmocka_unit_test(another_instance_is_refused),
        cmocka_unit_test(files_that_are_no_trace_are_refused),
        cmocka_unit_test(a_load_between_two_rounds_to_the_even_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
