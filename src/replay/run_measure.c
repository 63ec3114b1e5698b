// What a replay measures: the curve over load, means over time, samples, delays. See run_parts.h.
#include "replay/run_parts.h"

#include "place/frag.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// The pool with its tables up to date, to be measured.
static const struct gr_place *refreshed(struct gr_run *run)
{
    struct gr_place *place = gr_core_place_refresh(run->core);
    gr_place_refresh(place);
    return place;
}

// Fragmentation of a pool that learns its mix changes everywhere at once: it is measured anew for
// each whole percent of load.
static double whole_fragmentation(struct gr_run *run)
{
    return gr_place_fragmentation(refreshed(run));
}

int gr_run_measure_begin(struct gr_run *run, struct gr_err *err)
{
    struct gr_result *result = &run->result;
    result->policy = run->config->policy;
    result->seed = run->config->seed;
    result->capacity_milli = gr_trace_capacity_milli(run->trace);
    result->has_departures = run->has_queue;
    result->has_fragmentation = run->config->measure_fragmentation;
    run->sample_step_ms = 1000;
    if (!result->has_fragmentation || run->config->learn_mix) {
        return 0;
    }
    run->node_frag = calloc(run->trace->node_count, sizeof *run->node_frag);
    if (run->node_frag == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the replay");
    }
    const struct gr_place *place = refreshed(run);
    for (uint32_t i = 0; i < run->trace->node_count; i++) {
        run->node_frag[i] = gr_frag_of_node(place, i);
        run->frag += run->node_frag[i];
    }
    return 0;
}

void gr_run_measure_pieces(struct gr_run *run, const struct gr_piece *pieces, size_t count)
{
    if (run->node_frag == NULL) {
        return;
    }
    const struct gr_place *place = refreshed(run);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && pieces[i].node == pieces[i - 1].node) {
            continue; // sorted by node
        }
        double now = gr_frag_of_node(place, pieces[i].node);
        run->frag += now - run->node_frag[pieces[i].node];
        run->node_frag[pieces[i].node] = now;
    }
}

static void add_time(const struct gr_run *run, double passed_ms, struct gr_run_time *time)
{
    time->passed_ms += passed_ms;
    time->used += (double)gr_core_used_milli(run->core) * passed_ms;
    time->frag += run->frag * passed_ms;
}

void gr_run_measure_time(struct gr_run *run, int64_t at_ms)
{
    double passed_ms = (double)(at_ms - run->before_ms);
    if (passed_ms <= 0) {
        return;
    }
    add_time(run, passed_ms, &run->all);
    if (gr_core_waiting(run->core) > 0) {
        add_time(run, passed_ms, &run->pressed);
    }
    run->before_ms = at_ms;
}

// Remembers how full each node is.
static int keep_fills(struct gr_run *run, struct gr_err *err)
{
    struct gr_result *result = &run->result;
    size_t count = run->trace->node_count;
    if (result->fills == NULL) {
        result->fills = calloc(count, sizeof *result->fills);
    }
    if (result->fills == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the replay");
    }
    const struct gr_place *place = gr_core_place(run->core);
    for (uint32_t i = 0; i < count; i++) {
        const struct gr_node *node = gr_place_node_get(place, i);
        uint32_t free_milli = 0;
        for (unsigned d = 0; d < node->devices; d++) {
            free_milli += node->free[d];
        }
        result->fills[i] = (struct gr_node_fill){
            .node = i,
            .used_milli = (uint32_t)node->devices * GR_DEVICE_MILLI - free_milli,
            .cpu_used_milli = gr_place_cold_get(place, i)->cpu_milli - node->cpu_milli};
    }
    result->fill_count = count;
    return 0;
}

// Halves the samples by keeping every other one; later ones come half as often.
static void thin_samples(struct gr_run *run)
{
    struct gr_result *result = &run->result;
    for (size_t i = 0; i < result->sample_count / 2; i++) {
        result->samples[i] = result->samples[2 * i];
    }
    result->sample_count /= 2;
    run->sample_step_ms *= 2;
}

int gr_run_measure_sample(struct gr_run *run, int64_t at_ms, struct gr_err *err)
{
    struct gr_result *result = &run->result;
    if (at_ms < run->sample_next_ms) {
        return 0;
    }
    if (result->samples == NULL) {
        result->samples = calloc(GR_RESULT_SAMPLES, sizeof *result->samples);
    }
    if (result->samples == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the replay");
    }
    if (result->sample_count == GR_RESULT_SAMPLES) {
        thin_samples(run);
    }
    uint64_t used_milli = gr_core_used_milli(run->core);
    result->samples[result->sample_count++] =
        (struct gr_sample){.at_ms = at_ms,
                           .used_milli = used_milli,
                           .running = gr_core_running(run->core),
                           .waiting = gr_core_waiting(run->core)};
    run->sample_next_ms = at_ms + run->sample_step_ms;
    if (run->config->keep_fills && (used_milli > run->most_used || result->fills == NULL)) {
        run->most_used = used_milli;
        return keep_fills(run, err);
    }
    return 0;
}

void gr_run_measure_arrival(struct gr_run *run)
{
    struct gr_result *result = &run->result;
    uint64_t capacity = result->capacity_milli;
    if (capacity == 0) {
        return;
    }
    // Load to a whole percent, allocation to a hundredth of one, as in the published analysis.
    uint64_t load = gr_result_percent(run->arrived_milli, capacity, 1);
    if (load >= GR_CURVE_POINTS) {
        return;
    }
    struct gr_curve_point *point = &result->curve[load];
    if (point->count == 0 && result->has_fragmentation && run->node_frag == NULL) {
        run->frag = whole_fragmentation(run);
    }
    uint64_t used_milli = gr_core_used_milli(run->core);
    point->sum += (double)gr_result_percent(used_milli, capacity, 100) / 100;
    point->used_milli += used_milli;
    point->frag += run->frag * 100 / (double)capacity;
    point->count++;
}

static int compare_delays(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

// The smallest delay that at least `percent` of the jobs did not exceed.
static int64_t percentile(const int64_t *delays, size_t count, unsigned percent)
{
    size_t at = (count * percent + 99) / 100;
    return delays[at > 0 ? at - 1 : 0];
}

static int end_delays(struct gr_run *run, struct gr_err *err)
{
    struct gr_result *result = &run->result;
    int64_t *delays = calloc(result->job_count + 1, sizeof *delays);
    size_t count = 0;
    __int128 sum = 0;
    if (delays == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the replay");
    }
    for (size_t i = 0; i < result->job_count; i++) {
        if (result->jobs[i].start_ms >= 0) {
            delays[count++] = result->jobs[i].waited_ms;
            sum += result->jobs[i].waited_ms;
        }
    }
    if (count > 0) {
        qsort(delays, count, sizeof *delays, compare_delays);
        result->delay_mean_ms = (int64_t)(sum / (__int128)count);
        result->delay_p50_ms = percentile(delays, count, 50);
        result->delay_p95_ms = percentile(delays, count, 95);
        result->delay_p99_ms = percentile(delays, count, 99);
        result->delay_max_ms = delays[count - 1];
    }
    free(delays);
    return 0;
}

// The figures of a trace without departures: at 100 % arrived load, or the highest below it.
static void end_curve(struct gr_result *result)
{
    unsigned percent = 100;
    while (percent > 0 && result->curve[percent].count == 0) {
        percent--;
    }
    if (result->curve[percent].count > 0) {
        result->allocation = gr_result_allocation_at(result, percent);
        double fragmentation = gr_result_fragmentation_at(result, percent);
        result->fragmentation = fragmentation < 0 ? 0 : fragmentation;
    }
}

static void end_times(struct gr_run *run)
{
    struct gr_result *result = &run->result;
    const struct gr_run_time *time = run->pressed.passed_ms > 0 ? &run->pressed : &run->all;
    double existed = (double)result->capacity_milli * time->passed_ms;
    result->makespan_ms = run->before_ms;
    if (existed > 0) {
        result->allocation = time->used * 100 / existed;
        result->fragmentation = time->frag * 100 / existed;
    }
    struct gr_device_time books = gr_core_device_time(run->core);
    unsigned __int128 all = books.used + books.idle + books.maintenance + books.broken;
    result->utilisation_ppm = all > 0 ? (uint32_t)(books.used * 1000000 / all) : 0;
}

int gr_run_measure_end(struct gr_run *run, struct gr_err *err)
{
    struct gr_result *result = &run->result;
    result->used_milli_end = gr_core_used_milli(run->core);
    result->waiting = gr_core_waiting(run->core);
    int code = run->has_queue ? end_delays(run, err) : 0;
    if (code < 0) {
        return code;
    }
    if (run->has_queue) {
        end_times(run);
        // A queue that learns its mix has no fragmentation over time: see whole_fragmentation.
        result->has_fragmentation = run->node_frag != NULL;
    } else {
        end_curve(result);
    }
    gr_core_digest(run->core, result->digest);
    return run->config->keep_fills && result->fills == NULL ? keep_fills(run, err) : 0;
}
