// Two replays side by side: see compare.h.
#include "replay/compare.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

// What is compared.
struct pair {
    const struct gr_trace *trace;
    const struct gr_result *results[2];
    int64_t *waits; // room for one an arrival
};

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

// The smallest wait that at least `percent` of the jobs did not exceed.
static int64_t percentile(const int64_t *waits, size_t count, unsigned percent)
{
    size_t at = (count * percent + 99) / 100;
    return waits[at > 0 ? at - 1 : 0];
}

// The waits of some arrivals (indexes into the order).
static void find_waits(const struct pair *pair, const uint32_t *arrivals, size_t count,
                       struct gr_compare_waits *ret_waits)
{
    *ret_waits = (struct gr_compare_waits){0};
    for (unsigned r = 0; r < 2; r++) {
        size_t started = 0;
        __int128 sum = 0;
        for (size_t i = 0; i < count; i++) {
            const struct gr_result_job *job = &pair->results[r]->jobs[arrivals[i]];
            if (job->start_ms >= 0) {
                pair->waits[started++] = job->waited_ms;
                sum += job->waited_ms;
            }
        }
        ret_waits->started[r] = started;
        if (started > 0) {
            qsort(pair->waits, started, sizeof *pair->waits, compare_times);
            ret_waits->mean_ms[r] = (int64_t)(sum / (__int128)started);
            ret_waits->p50_ms[r] = percentile(pair->waits, started, 50);
            ret_waits->p95_ms[r] = percentile(pair->waits, started, 95);
        }
    }
}

static int compare_groups(const void *a, const void *b)
{
    const struct gr_compare_group *x = a, *y = b;
    return (x->jobs < y->jobs) - (x->jobs > y->jobs);
}

static uint32_t group_of(const struct pair *pair, size_t arrival, bool by_queue)
{
    const struct gr_trace_job *job = &pair->trace->jobs[pair->trace->order[arrival]];
    return by_queue ? job->queue : job->kind;
}

// Groups all arrivals by the queue or the kind of their jobs.
static int group(const struct pair *pair, bool by_queue, struct gr_compare_group **ret_groups,
                 size_t *ret_count, struct gr_err *err)
{
    const struct gr_trace *trace = pair->trace;
    size_t names = by_queue ? trace->queue_count : trace->kind_count;
    size_t *first = calloc(names + 2, sizeof *first);
    uint32_t *sorted = calloc(trace->order_count + 1, sizeof *sorted);
    struct gr_compare_group *groups = calloc(names + 1, sizeof *groups);
    if (first == NULL || sorted == NULL || groups == NULL) {
        free(first);
        free(sorted);
        free(groups);
        return gr_fail(err, -ENOMEM, "no memory to compare replays");
    }
    for (size_t i = 0; i < trace->order_count; i++) {
        first[group_of(pair, i, by_queue) + 2]++;
    }
    for (size_t g = 2; g < names + 2; g++) {
        first[g] += first[g - 1];
    }
    for (size_t i = 0; i < trace->order_count; i++) {
        sorted[first[group_of(pair, i, by_queue) + 1]++] = (uint32_t)i;
    }
    size_t count = 0;
    for (size_t g = 0; g < names; g++) {
        size_t jobs = first[g + 1] - first[g];
        if (jobs > 0) {
            groups[count].name = by_queue ? trace->queues[g] : trace->kinds[g];
            groups[count].jobs = jobs;
            find_waits(pair, &sorted[first[g]], jobs, &groups[count++].waits);
        }
    }
    free(first);
    free(sorted);
    qsort(groups, count, sizeof *groups, compare_groups);
    *ret_groups = groups;
    *ret_count = count;
    return 0;
}

// Puts a job among those with the largest differences.
static void rank(struct gr_compare_job *jobs, size_t *count, const struct gr_compare_job *job)
{
    int64_t difference = llabs(job->waited_ms[1] - job->waited_ms[0]);
    size_t at = *count;
    while (at > 0 && llabs(jobs[at - 1].waited_ms[1] - jobs[at - 1].waited_ms[0]) < difference) {
        at--;
    }
    if (at == GR_COMPARE_JOBS) {
        return;
    }
    *count += *count < GR_COMPARE_JOBS;
    for (size_t i = *count - 1; i > at; i--) {
        jobs[i] = jobs[i - 1];
    }
    jobs[at] = *job;
}

static void find_jobs(const struct pair *pair, struct gr_compare *compare)
{
    for (size_t i = 0; i < pair->trace->order_count; i++) {
        const struct gr_result_job *one = &pair->results[0]->jobs[i];
        const struct gr_result_job *two = &pair->results[1]->jobs[i];
        struct gr_compare_job job = {i, {one->waited_ms, two->waited_ms}};
        if (one->start_ms < 0 || two->start_ms < 0) {
            compare->only[0] += one->start_ms >= 0;
            compare->only[1] += two->start_ms >= 0;
        } else if (two->waited_ms < one->waited_ms) {
            compare->sooner++;
            rank(compare->helped, &compare->helped_count, &job);
        } else if (two->waited_ms > one->waited_ms) {
            compare->later++;
            rank(compare->hurt, &compare->hurt_count, &job);
        } else {
            compare->alike++;
        }
    }
}

int gr_compare_make(const struct gr_trace *trace, const struct gr_result *first,
                    const struct gr_result *second, struct gr_compare *ret_compare,
                    struct gr_err *err)
{
    assert(first->job_count == trace->order_count && second->job_count == trace->order_count);
    struct pair pair = {.trace = trace,
                        .results = {first, second},
                        .waits = calloc(trace->order_count + 1, sizeof *pair.waits)};
    struct gr_compare compare = {0};
    int code = pair.waits == NULL ? gr_fail(err, -ENOMEM, "no memory to compare replays") : 0;
    if (code == 0) {
        code = group(&pair, true, &compare.queues, &compare.queue_count, err);
    }
    if (code == 0) {
        code = group(&pair, false, &compare.kinds, &compare.kind_count, err);
    }
    if (code == 0) {
        find_jobs(&pair, &compare);
        *ret_compare = compare;
    } else {
        gr_compare_done(&compare);
    }
    free(pair.waits);
    return code;
}

void gr_compare_done(struct gr_compare *compare)
{
    free(compare->queues);
    free(compare->kinds);
    *compare = (struct gr_compare){0};
}
