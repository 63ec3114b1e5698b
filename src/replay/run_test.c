// Tests of the replay loop: what is placed, dropped, waits and leaves, and the figures about it.
#include "replay/run.h"

#include "replay/jobs_csv.h"
#include "replay/mix.h"
#include "replay/pool_spec.h"
#include "replay/quotas_csv.h"
#include "replay/terms_text.h"
#include "replay/trace_build.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILL "name,cpu_milli,memory_mib,num_gpu,gpu_milli\n"
#define QUEUE "submit,duration,devices,cpu,memory,limit\n"

static void load(const char *pool, const char *jobs, struct gr_trace *trace)
{
    struct gr_err err;
    struct gr_jobs_options options = {0};
    gr_err_init(&err);
    assert_int_equal(gr_trace_init(trace, &err), 0);
    assert_int_equal(gr_pool_generate(trace, pool, &err), 0);
    int code = gr_jobs_read_bytes(trace, "j.csv", jobs, strlen(jobs), &options, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(code, 0);
}

static struct gr_result replay(const char *pool, const char *jobs, struct gr_run_config config)
{
    struct gr_trace trace;
    struct gr_result result = {0};
    struct gr_err err;
    gr_err_init(&err);
    load(pool, jobs, &trace);
    config.policy = config.policy != NULL ? config.policy : "bestfit";
    config.verify = true;
    config.measure_fragmentation = true;
    config.keep_fills = true;
    int code = gr_run(&trace, &config, &result, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(code, 0);
    gr_trace_done(&trace);
    return result;
}

static void a_fill_drops_what_does_not_fit_when_it_arrives(void **state)
{
    (void)state;
    struct gr_result result =
        replay("1x2xa", FILL "a,1,1,1,1000\nb,1,1,2,1000\nc,1,1,1,400\nd,1,1,0,0\n",
               (struct gr_run_config){0});
    assert_int_equal(result.arrived, 4);
    assert_int_equal(result.placed, 3);
    assert_int_equal(result.dropped, 1);
    assert_int_equal(result.used_milli_end, 1400);
    assert_int_equal(result.capacity_milli, 2000);
    assert_false(result.has_departures);
    assert_int_equal(result.curve[50].count, 1);
    assert_true(gr_result_allocation_at(&result, 50) == 50.0);
    assert_int_equal(result.curve[150].count, 1);
    assert_int_equal(result.curve[170].count, 2);
    assert_int_equal(result.curve[170].used_milli, 2800);
    assert_true(gr_result_allocation_at(&result, 170) == 70.0);
    assert_true(gr_result_allocation_at(&result, 100) < 0);
    assert_true(result.allocation == 50.0); // the highest load below 100 %
    assert_int_equal(result.fill_count, 1);
    assert_int_equal(result.fills[0].used_milli, 1400);
    assert_int_equal(result.fills[0].cpu_used_milli, 3);
    gr_result_done(&result);
}

static void what_would_not_fit_the_empty_pool_is_dropped_from_a_queue(void **state)
{
    (void)state;
    struct gr_result result = replay("2x2xa", QUEUE "0,10,2,1,1,\n0,10,1,99999999,1,\n0,1,8,1,1,\n",
                                     (struct gr_run_config){0});
    assert_int_equal(result.arrived, 3);
    assert_int_equal(result.placed, 1);
    assert_int_equal(result.dropped, 2);
    assert_int_equal(result.finished, 1);
    assert_int_equal(result.waiting, 0);
    gr_result_done(&result);
}

// One node of two devices: A takes one for 10 s; B wants both; C wants one for 5 s, D one for 20 s.
static const char blocked[] = QUEUE "0,10,1,1,1,10\n1,10,2,1,1,10\n2,5,1,1,1,5\n3,20,1,1,1,20\n";

static void a_blocked_first_job_blocks_a_fifo_queue(void **state)
{
    (void)state;
    struct gr_result result = replay("1x2xa", blocked, (struct gr_run_config){0});
    assert_true(result.has_departures);
    assert_int_equal(result.placed, 4);
    assert_int_equal(result.finished, 4);
    // A at 0, B at 10, C and D at 20; done at 40.
    assert_int_equal(result.makespan_ms, 40000);
    assert_int_equal(result.delay_mean_ms, (9000 + 18000 + 17000) / 4);
    assert_int_equal(result.delay_max_ms, 18000);
    assert_int_equal(result.delay_p50_ms, 9000);
    // 10 + 20 + 5 + 20 device-seconds of 80.
    assert_int_equal(result.utilisation_ppm, 687500);
    // Jobs waited from 1 to 20: one device for 9 s, then two for 10 s, of two for 19 s.
    assert_true(result.allocation > 76.315 && result.allocation < 76.316);
    gr_result_done(&result);
}

static void backfill_starts_only_what_does_not_delay_the_first(void **state)
{
    (void)state;
    struct gr_result result =
        replay("1x2xa", blocked, (struct gr_run_config){.order = GR_ORDER_BACKFILL});
    // C fits beside A before B can start at 10; D would not, and starts at 20.
    assert_int_equal(result.delay_mean_ms, (9000 + 0 + 17000) / 4);
    assert_int_equal(result.makespan_ms, 40000);
    assert_true(result.sample_count > 0);
    for (size_t i = 1; i < result.sample_count; i++) {
        assert_true(result.samples[i].at_ms > result.samples[i - 1].at_ms);
    }
    gr_result_done(&result);
}

static void a_fair_queue_serves_who_holds_least(void **state)
{
    (void)state;
    // One has all devices and asks for more; the other's job comes last and starts before them.
    static const char jobs[] = "submit,duration,devices,cpu,memory,queue,user\n"
                               "0,10,1,1,1,a,x\n0,10,1,1,1,a,x\n1,10,1,1,1,a,x\n1,10,1,1,1,a,x\n"
                               "2,10,1,1,1,b,y\n3,10,1,1,1,a,z\n";
    struct gr_result fifo = replay("1x2xa", jobs, (struct gr_run_config){0});
    struct gr_result fair = replay("1x2xa", jobs, (struct gr_run_config){.order = GR_ORDER_FAIR});
    assert_int_equal(fifo.finished, 6);
    assert_int_equal(fair.finished, 6);
    assert_int_equal(fifo.delay_mean_ms, (0 + 0 + 9000 + 9000 + 18000 + 17000) / 6);
    // At 10: b's (y), then of a's the user who holds nothing (z); x's two at 20.
    assert_int_equal(fair.delay_mean_ms, (0 + 0 + 8000 + 7000 + 19000 + 19000) / 6);
    gr_result_done(&fifo);
    gr_result_done(&fair);
}

// b owns both devices, a borrows them, and b asks for them at 10 s.
static struct gr_result replay_lent(const char *jobs)
{
    struct gr_trace trace;
    struct gr_result result = {0};
    struct gr_err err;
    struct gr_queue_terms terms = gr_terms_default();
    struct gr_run_config config = {
        .policy = "bestfit", .order = GR_ORDER_FAIR, .terms = &terms, .verify = true};
    static const char quotas[] = "queue,kind,nominal\nb,x,2\n";
    gr_err_init(&err);
    load("1x2xx", jobs, &trace);
    assert_int_equal(gr_quotas_read_bytes(&trace, "q.csv", quotas, sizeof quotas - 1, &err), 0);
    int code = gr_run(&trace, &config, &result, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(code, 0);
    gr_trace_done(&trace);
    return result;
}

#define LENT "submit,duration,devices,cpu,memory,queue,checkpoint\n"

static void borrowed_work_ends_after_its_notice_and_starts_over(void **state)
{
    (void)state;
    struct gr_result result = replay_lent(LENT "0,100,2,1,1,a,\n10,10,2,1,1,b,\n");
    assert_int_equal(result.finished, 2);
    assert_int_equal(result.placed, 2);
    assert_int_equal(result.stopped, 1);
    // a runs to 40, b from 40 to 50, a from 50 to 150.
    assert_int_equal(result.jobs[1].start_ms, 40000);
    assert_int_equal(result.jobs[0].start_ms, 0);
    assert_int_equal(result.jobs[0].waited_ms, 10000);
    assert_int_equal(result.jobs[0].end_ms, 150000);
    assert_int_equal(result.jobs[0].stops, 1);
    assert_true(result.lost_milli_ms == 2000.0 * 40000);
    assert_true(result.jobs[0].lost_milli_ms == result.lost_milli_ms);
    assert_int_equal(result.delay_mean_ms, (10000 + 30000) / 2);
    gr_result_done(&result);
}

static void borrowed_work_goes_on_from_its_last_checkpoint(void **state)
{
    (void)state;
    struct gr_result result = replay_lent(LENT "0,100,2,1,1,a,15\n10,10,2,1,1,b,\n");
    // Safe up to 30 s when it ends at 40; the other 70 s from 50.
    assert_int_equal(result.stopped, 1);
    assert_int_equal(result.jobs[0].end_ms, 120000);
    assert_true(result.lost_milli_ms == 2000.0 * 10000);
    gr_result_done(&result);
}

static void work_that_ends_within_its_notice_loses_nothing(void **state)
{
    (void)state;
    struct gr_result result = replay_lent(LENT "0,25,2,1,1,a,\n10,10,2,1,1,b,\n");
    assert_int_equal(result.stopped, 0);
    assert_int_equal(result.finished, 2);
    assert_int_equal(result.jobs[0].end_ms, 25000);
    assert_int_equal(result.jobs[1].start_ms, 25000);
    assert_true(result.lost_milli_ms == 0);
    gr_result_done(&result);
}

static void a_gang_starts_whole_or_not_at_all(void **state)
{
    (void)state;
    struct gr_result result =
        replay("2x2xa", QUEUE "0,10,1,1,1,\n0,10,4,1,1,\n", (struct gr_run_config){0});
    assert_int_equal(result.placed, 2);
    assert_int_equal(result.delay_max_ms, 10000);
    assert_int_equal(result.makespan_ms, 20000);
    gr_result_done(&result);
}

static void jobs_of_no_length_come_and_go(void **state)
{
    (void)state;
    struct gr_result result =
        replay("1x1xa", QUEUE "0,0,1,1,1,\n0,0,1,1,1,\n0,1,1,1,1,\n", (struct gr_run_config){0});
    assert_int_equal(result.finished, 3);
    assert_int_equal(result.makespan_ms, 1000);
    gr_result_done(&result);
}

static void a_job_without_end_keeps_its_place_in_a_queue(void **state)
{
    (void)state;
    struct gr_result result = replay("1x1xa", QUEUE "0,forever,1,1,1,\n5,1,1,1,1,\n0,1,0,1,1,\n",
                                     (struct gr_run_config){0});
    assert_int_equal(result.placed, 2);
    assert_int_equal(result.finished, 1);
    assert_int_equal(result.waiting, 1);
    gr_result_done(&result);
}

static void a_clock_that_would_run_out_is_an_error(void **state)
{
    (void)state;
    struct gr_trace trace;
    struct gr_result result;
    struct gr_err err;
    static const char year_9999[] = "0,250000000000,1,1,1,\n";
    char jobs[sizeof QUEUE + 6 * sizeof year_9999] = QUEUE;
    for (int i = 0; i < 5; i++) {
        strcat(jobs, year_9999);
    }
    load("1x1xa", jobs, &trace);
    struct gr_run_config config = {.policy = "bestfit"};
    assert_int_equal(gr_run(&trace, &config, &result, &err), -ERANGE);
    assert_string_equal(err.text, "job 4 of the file would end more than 31,000 years after the "
                                  "first arrival, expected less: is the unit of the durations "
                                  "right (--map duration=COLUMN:ms)?");
    gr_trace_done(&trace);
}

static void samples_are_thinned_and_stay_in_order(void **state)
{
    (void)state;
    size_t count = 3 * GR_RESULT_SAMPLES;
    char *text = calloc(count + 1, 32);
    assert_non_null(text);
    size_t size = (size_t)sprintf(text, QUEUE);
    for (size_t i = 0; i < count; i++) {
        size += (size_t)sprintf(text + size, "%zu,1,1,1,1,\n", i * 2);
    }
    struct gr_result result = replay("1x2xa", text, (struct gr_run_config){0});
    assert_in_range(result.sample_count, GR_RESULT_SAMPLES / 2, GR_RESULT_SAMPLES);
    for (size_t i = 1; i < result.sample_count; i++) {
        assert_true(result.samples[i].at_ms > result.samples[i - 1].at_ms);
    }
    assert_true(result.samples[result.sample_count - 1].at_ms > (int64_t)count * 1500);
    gr_result_done(&result);
    free(text);
}

static void the_same_replay_ends_in_the_same_state(void **state)
{
    (void)state;
    static const char *const policies[] = {"random",  "dotprod", "clustering",
                                           "packing", "bestfit", "fgd"};
    static const char jobs[] =
        FILL "a,9000,1,1,300\nb,12000,1,2,1000\nc,9000,1,1,700\nd,1,1,0,0\ne,5000,9,1,1000\n"
             "f,9000,1,1,300\ng,12000,1,2,1000\nh,9000,1,1,700\ni,1,1,4,1000\n";
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        struct gr_run_config config = {.policy = policies[i], .seed = 7};
        struct gr_result first = replay("3x4xa,2x2xb", jobs, config);
        struct gr_result second = replay("3x4xa,2x2xb", jobs, config);
        assert_memory_equal(first.digest, second.digest, sizeof first.digest);
        assert_int_equal(first.placed, second.placed);
        assert_true(first.placed >= 8);
        gr_result_done(&first);
        gr_result_done(&second);
    }
}

static void a_learned_mix_ends_in_a_verified_state_too(void **state)
{
    (void)state;
    static const char jobs[] = FILL "a,9,1,1,300\nb,12,1,2,1000\nc,9,1,1,700\nd,1,1,1,800\n";
    struct gr_run_config config = {.policy = "fgd", .learn_mix = true};
    struct gr_result result = replay("1x4xa", jobs, config);
    assert_int_equal(result.placed, 4);
    gr_result_done(&result);
}

static void an_unknown_policy_is_an_error(void **state)
{
    (void)state;
    struct gr_trace trace;
    struct gr_result result = {0};
    struct gr_err err;
    gr_err_init(&err);
    load("1x1xa", FILL "a,1,1,1,1000\n", &trace);
    struct gr_run_config config = {.policy = "nosuch"};
    assert_int_equal(gr_run(&trace, &config, &result, &err), -EINVAL);
    assert_true(err.text[0] != '\0');
    gr_trace_done(&trace);
}

static void percents_are_rounded_half_to_even(void **state)
{
    (void)state;
    assert_int_equal(gr_result_percent(1, 1000, 1), 0);
    assert_int_equal(gr_result_percent(5, 1000, 1), 0);
    assert_int_equal(gr_result_percent(15, 1000, 1), 2);
    assert_int_equal(gr_result_percent(25, 1000, 1), 2);
    assert_int_equal(gr_result_percent(26, 1000, 1), 3);
    assert_int_equal(gr_result_percent(1, 3, 100), 3333);
    assert_int_equal(gr_result_percent(UINT64_MAX, UINT64_MAX, 100), 10000);
}

static void the_mix_counts_tasks_and_keeps_the_commonest(void **state)
{
    (void)state;
    struct gr_trace trace;
    struct gr_err err;
    gr_err_init(&err);
    char text[65536] = QUEUE;
    size_t size = strlen(text);
    for (int i = 0; i < GR_MIX_MAX + 10; i++) { // shapes of their own; the first ten are gangs
        size += (size_t)snprintf(text + size, sizeof text - size, "0,1,%d,%d,%d,\n", i < 10 ? 4 : 1,
                                 4 * i + 4, i % 3);
    }
    load("4x2xa", text, &trace);
    uint16_t masks[] = {0};
    struct gr_mix_item *items = NULL;
    size_t count = 0, distinct = 0;
    assert_int_equal(gr_mix_collect(&trace, masks, &items, &count, &distinct, &err), 0);
    assert_int_equal(distinct, GR_MIX_MAX + 10);
    assert_int_equal(count, GR_MIX_MAX);
    size_t gangs = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || items[i].shape.cpu_milli <= items[i - 1].shape.cpu_milli);
        gangs += items[i].count == 2;
    }
    assert_int_equal(gangs, 10); // the rarest went, of those the ones with the least cpu
    free(items);
    gr_trace_done(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fill_drops_what_does_not_fit_when_it_arrives),
        cmocka_unit_test(what_would_not_fit_the_empty_pool_is_dropped_from_a_queue),
        cmocka_unit_test(a_blocked_first_job_blocks_a_fifo_queue),
        cmocka_unit_test(backfill_starts_only_what_does_not_delay_the_first),
        cmocka_unit_test(a_fair_queue_serves_who_holds_least),
        cmocka_unit_test(borrowed_work_ends_after_its_notice_and_starts_over),
        cmocka_unit_test(borrowed_work_goes_on_from_its_last_checkpoint),
        cmocka_unit_test(work_that_ends_within_its_notice_loses_nothing),
        cmocka_unit_test(a_gang_starts_whole_or_not_at_all),
        cmocka_unit_test(jobs_of_no_length_come_and_go),
        cmocka_unit_test(a_job_without_end_keeps_its_place_in_a_queue),
        cmocka_unit_test(a_clock_that_would_run_out_is_an_error),
        cmocka_unit_test(samples_are_thinned_and_stay_in_order),
        cmocka_unit_test(the_same_replay_ends_in_the_same_state),
        cmocka_unit_test(a_learned_mix_ends_in_a_verified_state_too),
        cmocka_unit_test(an_unknown_policy_is_an_error),
        cmocka_unit_test(percents_are_rounded_half_to_even),
        cmocka_unit_test(the_mix_counts_tasks_and_keeps_the_commonest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
