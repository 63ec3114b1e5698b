// The demand mix of a trace: see mix.h.
#include "replay/mix.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// One line before it is counted.
struct line {
    struct gr_shape shape;
    const char *kind;
    uint32_t kind_index;
    uint64_t count;
};

struct gr_shape gr_mix_shape(const struct gr_trace_job *job, const uint16_t *masks)
{
    return (struct gr_shape){.cpu_milli = job->cpu_milli,
                             .memory_mib = job->memory_mib,
                             .mask = masks[job->models],
                             .milli = (uint16_t)job->milli,
                             .devices = (uint8_t)job->devices};
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a > b ? -1 : a < b;
}

// Larger first: cpu, milli, devices, the text of the kind, memory.
static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = compare_numbers(x->shape.cpu_milli, y->shape.cpu_milli);
    order = order != 0 ? order : compare_numbers(x->shape.milli, y->shape.milli);
    order = order != 0 ? order : compare_numbers(x->shape.devices, y->shape.devices);
    order = order != 0 ? order : -strcmp(x->kind, y->kind);
    return order != 0 ? order : compare_numbers(x->shape.memory_mib, y->shape.memory_mib);
}

// Adds up equal neighbours; returns how many lines are left.
static size_t merge(struct line *lines, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && compare_lines(&lines[kept - 1], &lines[i]) == 0) {
            lines[kept - 1].count += lines[i].count;
        } else {
            lines[kept++] = lines[i];
        }
    }
    return kept;
}

static int compare_counts(const void *a, const void *b)
{
    return compare_numbers(*(const uint64_t *)a, *(const uint64_t *)b);
}

// Drops the rarest lines beyond GR_MIX_MAX, the last of equal ones first, and keeps the order.
static int drop_rarest(struct line *lines, size_t *count, struct gr_err *err)
{
    if (*count <= GR_MIX_MAX) {
        return 0;
    }
    uint64_t *counts = calloc(*count, sizeof *counts);
    if (counts == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the demand mix");
    }
    for (size_t i = 0; i < *count; i++) {
        counts[i] = lines[i].count;
    }
    qsort(counts, *count, sizeof *counts, compare_counts);
    uint64_t least = counts[GR_MIX_MAX - 1];
    size_t equal = 0; // lines with exactly `least` that stay
    while (equal < GR_MIX_MAX && counts[GR_MIX_MAX - 1 - equal] == least) {
        equal++;
    }
    free(counts);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        if (lines[i].count > least || (lines[i].count == least && equal > 0 && equal--)) {
            lines[kept++] = lines[i];
        }
    }
    assert(kept == GR_MIX_MAX);
    *count = kept;
    return 0;
}

int gr_mix_collect(const struct gr_trace *trace, const uint16_t *masks,
                   struct gr_mix_item **ret_items, size_t *ret_count, size_t *ret_distinct,
                   struct gr_err *err)
{
    struct line *lines = calloc(trace->job_count + 1, sizeof *lines);
    struct gr_mix_item *items = calloc(GR_MIX_MAX, sizeof *items);
    if (lines == NULL || items == NULL) {
        free(lines);
        free(items);
        return gr_fail(err, -ENOMEM, "no memory for the demand mix");
    }
    for (size_t i = 0; i < trace->job_count; i++) {
        const struct gr_trace_job *job = &trace->jobs[i];
        lines[i] = (struct line){.shape = gr_mix_shape(job, masks),
                                 .kind = trace->kinds[job->kind],
                                 .kind_index = job->kind,
                                 .count = job->tasks};
    }
    qsort(lines, trace->job_count, sizeof *lines, compare_lines);
    size_t count = merge(lines, trace->job_count);
    *ret_distinct = count;
    int code = drop_rarest(lines, &count, err);
    if (code < 0) {
        free(lines);
        free(items);
        return code;
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct gr_mix_item){
            .shape = lines[i].shape, .count = lines[i].count, .label = lines[i].kind_index};
    }
    free(lines);
    *ret_items = items;
    *ret_count = count;
    return 0;
}
