// Tests of the jobs reader: openb's form, general files, maps, gangs, and what is refused.
#include "replay/jobs_csv.h"

#include "model/demand.h"
#include "replay/nodes_csv.h"
#include "replay/pool_spec.h"
#include "replay/trace_build.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int read_sized(const char *map, const char *text, size_t size, struct gr_trace *trace,
                      struct gr_err *err)
{
    struct gr_jobs_map parsed;
    gr_err_init(err);
    assert_int_equal(gr_trace_init(trace, err), 0);
    assert_int_equal(gr_pool_generate(trace, "4x8xh100,4x4xt4,1x0xcpu", err), 0);
    if (map != NULL) {
        assert_int_equal(gr_jobs_map_parse(map, &parsed, err), 0);
    }
    struct gr_jobs_options options = {.map = map != NULL ? &parsed : NULL};
    return gr_jobs_read_bytes(trace, "j.csv", text, size, &options, err);
}

static void assert_read(const char *map, const char *text, struct gr_trace *trace)
{
    struct gr_err err;
    int code = read_sized(map, text, strlen(text), trace, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(code, 0);
}

static void assert_refused(const char *map, const char *text, const char *expected)
{
    struct gr_trace trace;
    struct gr_err err;
    assert_int_equal(read_sized(map, text, strlen(text), &trace, &err), -EINVAL);
    assert_string_equal(err.text, expected);
    gr_trace_done(&trace);
}

#define OPENB "name,cpu_milli,memory_mib,num_gpu,gpu_milli"
#define GENERAL "submit,duration,devices,cpu,memory"

static void an_openb_file_is_known_by_its_columns(void **state)
{
    (void)state;
    struct gr_trace trace;
    assert_read(NULL, OPENB ",gpu_spec,qos\np0,8000,30517,0,0,,BE\np1,6000,1,1,460,t4|h100,LS\n",
                &trace);
    assert_int_equal(trace.job_count, 2);
    assert_int_equal(trace.order_count, 2);
    const struct gr_trace_job *job = &trace.jobs[1];
    assert_string_equal(job->name, "p1");
    assert_int_equal(job->milli, 460);
    assert_int_equal(trace.model_sets[job->models].bits[0], 3);
    assert_int_equal(trace.jobs[0].models, 0);
    assert_int_equal(job->duration_ms, GR_TRACE_FOREVER);
    assert_false(gr_trace_has_departures(&trace));
    gr_trace_done(&trace);
    assert_read(NULL, OPENB "\np1,6000,1,2,1000\n", &trace); // the five-column form
    assert_int_equal(gr_trace_job_milli(&trace.jobs[0]), 2000);
    gr_trace_done(&trace);
}

static void bad_openb_lines_are_refused_with_their_place(void **state)
{
    (void)state;
    assert_refused(NULL, OPENB "\np,1,1,0,100\n",
                   "j.csv:2:9: column 'gpu_milli': found 100 milli, expected 0, because the job "
                   "has no devices");
    assert_refused(NULL, OPENB "\np,1,1,1,0\n",
                   "j.csv:2:9: column 'gpu_milli': found 0 milli, expected 1 to 1000 of the one "
                   "device");
    assert_refused(NULL, OPENB "\np,1,1,2,500\n",
                   "j.csv:2:9: column 'gpu_milli': found 500 milli, expected 1000, because the job "
                   "has more than one device");
    assert_refused(NULL, OPENB "\np,1,1,17,1000\n",
                   "j.csv:2:7: column 'num_gpu': found 17 devices for one task, expected at most "
                   "16");
    assert_refused(NULL, OPENB "\np,1,,1,1000\n",
                   "j.csv:2:5: column 'memory_mib': found a blank field, expected a whole number "
                   "from 0 to 1000000000 mib");
    assert_refused(NULL, OPENB "\np,-5,1,1,1000\n",
                   "j.csv:2:3: column 'cpu_milli': found '-5', expected a whole number from 0 to "
                   "100000000 milli");
    assert_refused(NULL, OPENB "\np,18446744073709551616,1,1,1000\n",
                   "j.csv:2:3: column 'cpu_milli': found '18446744073709551616', expected a whole "
                   "number from 0 to 100000000 milli");
    assert_refused(NULL, OPENB ",gpu_spec\np,1,1,1,1000,h200\n",
                   "j.csv:2:14: column 'gpu_spec': found the kind 'h200', which no node has, "
                   "expected models of the nodes joined by '|', or blank for any");
    assert_refused(NULL, OPENB ",gpu_spec\np,1,1,1,1000,t4|\n",
                   "j.csv:2:14: column 'gpu_spec': found the kind '', which no node has, expected "
                   "models of the nodes joined by '|', or blank for any");
    assert_refused(NULL, "name,cpu_milli,num_gpu,gpu_milli\np,1,1,1000\n",
                   "j.csv:1:1: found no column for 'memory' or 'memory_per_device', expected one, "
                   "or a map with memory=COLUMN or memory=default:VALUE");
    assert_refused(NULL, OPENB ",devices\np,1,1,1,1000,1\n",
                   "j.csv:1:1: found the column 'devices' beside one called 'num_gpu', expected "
                   "the columns of an openb pod list, or those of a jobs file, or a map");
    assert_refused(NULL, OPENB "\n",
                   "j.csv:1:1: found no jobs, expected at least one line after the first");
    assert_refused(NULL, OPENB "\np,1,1,1",
                   "j.csv:2:1: found a last line that is cut off: 4 fields, expected 5 as in the "
                   "first line");
}

static void bad_bytes_are_refused_with_their_place(void **state)
{
    (void)state;
    struct gr_trace trace;
    struct gr_err err;
    static const char nul[] = OPENB "\np,1,1\0,1,1000\n";
    assert_int_equal(read_sized(NULL, nul, sizeof nul - 1, &trace, &err), -EINVAL);
    assert_memory_equal(err.text, "j.csv:2:6: ", 11);
    gr_trace_done(&trace);
    static const char bad[] = OPENB "\np\xc3,1,1,1,1000\n";
    assert_int_equal(read_sized(NULL, bad, sizeof bad - 1, &trace, &err), -EINVAL);
    assert_memory_equal(err.text, "j.csv:2:2: ", 11);
    gr_trace_done(&trace);
    assert_refused(NULL, "",
                   "j.csv:1:1: found an empty file, expected a first line that names "
                   "the columns");
}

static void a_general_file_needs_no_map_if_its_columns_have_our_names(void **state)
{
    (void)state;
    struct gr_trace trace;
    assert_read(NULL,
                GENERAL ",name,limit,milli,kind,user,queue,use,priority,domain\n"
                        "20.5,60,1,4000,8,b,90.001,300,t4,ann,night,serve,7,2\n"
                        "10,forever,0,1,1,a,,,,,,,,\n",
                &trace);
    assert_int_equal(trace.order[0], 1); // rows come in any order
    assert_int_equal(trace.jobs[1].submit_ms, 0);
    assert_int_equal(trace.jobs[1].priority, GR_TRACE_PRIORITY);
    const struct gr_trace_job *job = &trace.jobs[0];
    assert_int_equal(job->submit_ms, 10500);
    assert_int_equal(job->duration_ms, 60000);
    assert_int_equal(job->limit_ms, 90001);
    assert_int_equal(job->milli, 300);
    assert_string_equal(trace.users[job->user], "ann");
    assert_string_equal(trace.queues[job->queue], "night");
    assert_int_equal(job->use, GR_USE_SERVE);
    assert_int_equal(job->priority, 7);
    assert_int_equal(job->domain_level, 2);
    assert_true(gr_trace_has_departures(&trace));
    gr_trace_done(&trace);
}

static void equal_times_keep_the_order_of_the_file(void **state)
{
    (void)state;
    struct gr_trace trace;
    assert_read(NULL, GENERAL "\n5,1,1,1,1\n3,1,1,1,1\n5,1,1,1,1\n3,1,1,1,1\n", &trace);
    static const uint32_t expected[] = {1, 3, 0, 2};
    assert_memory_equal(trace.order, expected, sizeof expected);
    gr_trace_done(&trace);
}

static void a_map_names_columns_units_and_defaults(void **state)
{
    (void)state;
    struct gr_trace trace;
    assert_read("submit=timestamp,duration=duration,devices=num_gpus,user=cluster,queue=cluster,"
                "cpu_per_device=default:4:cpus,memory=mem:gib,memory=default:512",
                "timestamp,duration,num_gpus,gpu_time,cluster,mem\n"
                "2017-10-09 07:01:55,66.0,1,66.0,11cb48,1.5\n"
                "2017-10-09 06:01:55,2951.0,128,66.0,11cb48,\n",
                &trace);
    assert_int_equal(trace.jobs[0].submit_ms, 3600000);
    assert_int_equal(trace.jobs[0].duration_ms, 66000);
    assert_int_equal(trace.jobs[0].memory_mib, 1536);
    assert_int_equal(trace.jobs[0].cpu_milli, 4000);
    assert_string_equal(trace.queues[trace.jobs[0].queue], "11cb48");
    assert_int_equal(trace.jobs[1].tasks, 16);
    assert_int_equal(trace.jobs[1].devices, 8);
    assert_int_equal(trace.jobs[1].cpu_milli, 32000);
    assert_int_equal(trace.jobs[1].memory_mib, 32);
    gr_trace_done(&trace);
}

static void an_end_stands_for_a_duration(void **state)
{
    (void)state;
    struct gr_trace trace;
    const char map[] = "submit=from:ms,end=to:ms,devices=default:1,cpu=default:0,memory=default:0";
    assert_read(map, "from,to\n100,250\n", &trace);
    assert_int_equal(trace.jobs[0].duration_ms, 150);
    gr_trace_done(&trace);
    assert_refused(map, "from,to\n100,99\n",
                   "j.csv:2:5: column 'to': found an end before the submission, expected none "
                   "earlier");
}

static void a_wide_job_becomes_a_gang_of_the_fewest_equal_tasks(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        uint32_t tasks, devices, cpu;
    } cases[] = {
        {"0,1,8,80,1,,", 1, 8, 80},   {"0,1,12,80,1,,", 2, 6, 40},  {"0,1,13,80,1,,", 13, 1, 7},
        {"0,1,20,80,1,,", 4, 5, 20},  {"0,1,8,80,1,t4,", 2, 4, 40}, {"0,1,3,80,1,,5", 5, 3, 80},
        {"0,1,128,80,1,,", 16, 8, 5}, {"0,1,0,80,1,,", 1, 0, 80},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gr_trace trace;
        char text[128];
        snprintf(text, sizeof text, GENERAL ",kind,tasks\n%s\n", cases[i].row);
        assert_read(NULL, text, &trace);
        assert_int_equal(trace.jobs[0].tasks, cases[i].tasks);
        assert_int_equal(trace.jobs[0].devices, cases[i].devices);
        assert_int_equal(trace.jobs[0].cpu_milli, cases[i].cpu);
        gr_trace_done(&trace);
    }
    assert_refused(NULL, GENERAL ",kind\n0,1,8,1,1,cpu\n",
                   "j.csv:2:5: column 'devices': found 8 devices of a kind that no node has "
                   "devices of, expected at most 0");
    assert_refused(NULL, GENERAL "\n0,1,1048573,1,1\n", // a prime
                   "j.csv:2:5: column 'devices': found a gang of 1048573 tasks, expected at most "
                   "65536");
}

static void bad_general_files_are_refused_with_their_place(void **state)
{
    (void)state;
    assert_refused(NULL, "submit,duration,devices,cpu\n0,1,1,1\n",
                   "j.csv:1:1: found no column for 'memory' or 'memory_per_device', expected one, "
                   "or a map with memory=COLUMN or memory=default:VALUE");
    assert_refused(NULL, GENERAL ",end\n0,1,1,1,1,5\n",
                   "j.csv:1:1: found both 'duration' and 'end', expected one");
    assert_refused(NULL, GENERAL "\n0,1,1,1,1\n2017-01-01 00:00:00,1,1,1,1\n",
                   "j.csv:3:1: column 'submit': found a date, expected a number as on the lines "
                   "before");
    assert_refused(NULL, GENERAL "\n2017-02-29 00:00:00,1,1,1,1\n",
                   "j.csv:2:1: column 'submit': found '2017-02-29 00:00:00', expected a number "
                   "from 0 to 253402300799 s, or YYYY-MM-DD HH:MM:SS");
    assert_refused(NULL, GENERAL "\n0,1.0005,1,1,1\n",
                   "j.csv:2:3: column 'duration': found '1.0005', expected a number from 0 to "
                   "253402300799 s, or forever");
    assert_refused(NULL, GENERAL "\n0,,1,1,1\n",
                   "j.csv:2:3: column 'duration': found a blank field, expected a number from 0 to "
                   "253402300799 s, or forever");
    assert_refused(NULL, GENERAL ",use\n0,1,1,1,1,play\n",
                   "j.csv:2:11: column 'use': found 'play', expected other, train, serve, render "
                   "or batch");
    assert_refused("cpu_per_device=c,submit=s,duration=default:1,devices=default:16,"
                   "memory=default:1",
                   "s,c\n0,100000000\n",
                   "j.csv:2:3: column 'c': found 800000000 in all for one task, expected at most "
                   "100000000");
    assert_refused("submit=s,duration=d,devices=n,cpu=c,memory=m", "s,d,n,c\n1,1,1,1\n",
                   "j.csv:1:1: found no column 'm', expected it in the first line");
}

static void a_wrong_map_is_quoted(void **state)
{
    (void)state;
    static const char *const maps[] = {
        "",
        "submit",
        "submit=",
        "submitt=a",
        "cpu=default:x",
        "cpu=default:",
        "cpu=a,",
        "cpu=a,cpu=b",
        "cpu=default:1,cpu=default:2",
        "duration=default:-1",
        "tasks=default:0",
        "use=default:play",
        "domain=default:5",
        "submit=default:2017-13-01 00:00:00",
    };
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        struct gr_jobs_map map;
        struct gr_err err;
        gr_err_init(&err);
        assert_int_equal(gr_jobs_map_parse(maps[i], &map, &err), -EINVAL);
        assert_memory_equal(err.text, "map entry '", 11);
        assert_non_null(strstr(err.text, ": expected "));
    }
}

static void a_map_without_a_column_is_refused(void **state)
{
    (void)state;
    assert_refused("submit=default:0,duration=default:1,devices=default:1,cpu=default:0,"
                   "memory=default:0",
                   GENERAL "\n0,1,1,1,1\n",
                   "j.csv: found a map of defaults only, expected a FIELD=COLUMN for at least one "
                   "column of the file");
}

static void dates_are_utc_of_the_gregorian_calendar(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"1970-01-01 00:00:00", 0},
        {"2000-02-29T12:00:01", 951825601},
        {"2017-10-09 07:01:55", 1507532515},
        {"2100-03-01 00:00:00", 4107542400},
        {"9999-12-31 23:59:59", 253402300799},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 0;
        assert_int_equal(gr_jobs_value(GR_JOBS_SUBMIT, 0, gr_slice_of(cases[i].text), &value), 0);
        assert_int_equal(value, cases[i].seconds * 1000);
    }
    static const char *const wrong[] = {"1969-12-31 23:59:59",  "2100-02-29 00:00:00",
                                        "2017-00-01 00:00:00",  "2017-01-01 24:00:00",
                                        "2017-01-01 00:00:60",  "2017-01-01",
                                        "2017-01-01 00:00:00 ", "2017-1-01 00:00:000"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t value = 0;
        assert_int_equal(gr_jobs_value(GR_JOBS_SUBMIT, 0, gr_slice_of(wrong[i]), &value), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_openb_file_is_known_by_its_columns),
        cmocka_unit_test(bad_openb_lines_are_refused_with_their_place),
        cmocka_unit_test(bad_bytes_are_refused_with_their_place),
        cmocka_unit_test(a_general_file_needs_no_map_if_its_columns_have_our_names),
        cmocka_unit_test(equal_times_keep_the_order_of_the_file),
        cmocka_unit_test(a_map_names_columns_units_and_defaults),
        cmocka_unit_test(an_end_stands_for_a_duration),
        cmocka_unit_test(a_wide_job_becomes_a_gang_of_the_fewest_equal_tasks),
        cmocka_unit_test(bad_general_files_are_refused_with_their_place),
        cmocka_unit_test(a_wrong_map_is_quoted),
        cmocka_unit_test(a_map_without_a_column_is_refused),
        cmocka_unit_test(dates_are_utc_of_the_gregorian_calendar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
