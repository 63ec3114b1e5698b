// The ceilings of a run: see openb_ceiling.h.
#include "replay/openb_ceiling.h"

#include "replay/ceiling.h"
#include "replay/result.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A bound is at most this far above the linear program's optimum, in milli.
#define GAP_MILLI 60
#define ROUNDS_MAX 400
#define ROUNDS_SIZES 64 // different sizes of parts up to which ROUNDS_MAX is affordable

#define NO_MODEL UINT32_MAX

struct gr_openb_ceiling {
    struct gr_ceiling_node_type *types;
    struct gr_ceiling_demand *demands;
    size_t type_count, demand_count, job_count;
    uint32_t *demand_of_job; // [job] or GR_CEILING_NO_DEMAND
    bool has_gangs;

    // The run at hand.
    uint32_t *arrived; // [order_room] the demand of each arrival
    bool *are_events;  // [order_room] whether the load rounds to 100 % after it
    size_t order_room;
    int64_t *counts, *sums; // [demand] arrived so far; over the events

    struct gr_ceiling *solvers[GR_OPENB_CEILINGS]; // NULL before the first use
};

const char *gr_openb_ceiling_name(enum gr_openb_ceiling_kind kind)
{
    return kind == GR_OPENB_OFFLINE ? "offline" : "protocol";
}

// ---- types --------------------------------------------------------------------------------------

// Numbers the models of nodes with devices by their names' bytes; NO_MODEL for the others. Returns
// how many there are.
static uint32_t number_models(const struct gr_trace *trace, uint32_t bits[GR_POOL_VARIANTS_MAX])
{
    bool is_used[GR_POOL_VARIANTS_MAX] = {false};
    uint32_t count = 0;
    for (size_t i = 0; i < trace->node_count; i++) {
        if (trace->nodes[i].devices > 0) {
            is_used[trace->nodes[i].model] = true;
        }
    }
    for (size_t m = 0; m < trace->model_count; m++) {
        bits[m] = is_used[m] ? 0 : NO_MODEL;
        count += is_used[m];
        for (size_t k = 0; k < trace->model_count && is_used[m]; k++) {
            bits[m] += is_used[k] && strcmp(trace->models[k], trace->models[m]) < 0;
        }
    }
    return count;
}

// By the numbers they have, not by their count.
static int compare_types(const void *left, const void *right)
{
    const struct gr_ceiling_node_type *a = left, *b = right;
    if (a->model != b->model) {
        return a->model < b->model ? -1 : 1;
    }
    if (a->devices != b->devices) {
        return a->devices < b->devices ? -1 : 1;
    }
    if (a->cpu_milli != b->cpu_milli) {
        return a->cpu_milli < b->cpu_milli ? -1 : 1;
    }
    return a->memory_mib < b->memory_mib ? -1 : a->memory_mib > b->memory_mib;
}

static int add_type(struct gr_openb_ceiling *ceiling, const struct gr_ceiling_node_type *type)
{
    for (size_t i = 0; i < ceiling->type_count; i++) {
        if (compare_types(&ceiling->types[i], type) == 0) {
            ceiling->types[i].count++;
            return 0;
        }
    }
    if (ceiling->type_count == GR_CEILING_NODE_TYPES_MAX) {
        return -ENOTSUP;
    }
    ceiling->types[ceiling->type_count++] = *type;
    return 0;
}

// Nodes without devices hold no job that counts. Sorted, because ranks differ from run to run.
static int collect_types(struct gr_openb_ceiling *ceiling, const struct gr_trace *trace,
                         const uint32_t *bits)
{
    for (size_t i = 0; i < trace->node_count; i++) {
        const struct gr_trace_node *node = &trace->nodes[i];
        struct gr_ceiling_node_type type = {.model = bits[node->model],
                                            .devices = node->devices,
                                            .cpu_milli = node->cpu_milli,
                                            .memory_mib = node->memory_mib,
                                            .count = 1};
        int code = node->devices > 0 ? add_type(ceiling, &type) : 0;
        if (code < 0) {
            return code;
        }
    }
    qsort(ceiling->types, ceiling->type_count, sizeof *ceiling->types, compare_types);
    return 0;
}

static uint64_t mask_of(const struct gr_trace *trace, uint32_t set, const uint32_t *bits)
{
    uint64_t mask = 0;
    for (uint32_t m = 0; m < trace->model_count; m++) {
        bool is_in = (trace->model_sets[set].bits[m / 64] >> (m % 64) & 1) != 0;
        mask |= is_in && bits[m] != NO_MODEL ? UINT64_C(1) << bits[m] : 0;
    }
    return mask;
}

static int find_demand(struct gr_openb_ceiling *ceiling, const struct gr_ceiling_demand *demand,
                       uint32_t *ret_index)
{
    for (uint32_t i = 0; i < ceiling->demand_count; i++) {
        const struct gr_ceiling_demand *known = &ceiling->demands[i];
        if (known->devices == demand->devices && known->milli == demand->milli &&
            known->cpu_milli == demand->cpu_milli && known->memory_mib == demand->memory_mib &&
            known->models == demand->models) {
            *ret_index = i;
            return 0;
        }
    }
    if (ceiling->demand_count == GR_CEILING_DEMANDS_MAX) {
        return -ENOTSUP;
    }
    ceiling->demands[ceiling->demand_count] = *demand;
    *ret_index = (uint32_t)ceiling->demand_count++;
    return 0;
}

static int collect_demands(struct gr_openb_ceiling *ceiling, const struct gr_trace *trace,
                           const uint32_t *bits)
{
    for (size_t i = 0; i < trace->job_count; i++) {
        const struct gr_trace_job *job = &trace->jobs[i];
        ceiling->demand_of_job[i] = GR_CEILING_NO_DEMAND;
        if (job->devices == 0) {
            continue;
        }
        ceiling->has_gangs |= job->tasks > 1;
        struct gr_ceiling_demand demand = {.devices = job->devices,
                                           .milli = job->milli,
                                           .cpu_milli = job->cpu_milli,
                                           .memory_mib = job->memory_mib,
                                           .models = mask_of(trace, job->models, bits)};
        int code = find_demand(ceiling, &demand, &ceiling->demand_of_job[i]);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

static int collect(struct gr_openb_ceiling *ceiling, const struct gr_trace *trace)
{
    uint32_t bits[GR_POOL_VARIANTS_MAX];
    int code = number_models(trace, bits) > GR_CEILING_MODELS_MAX ? -ENOTSUP : 0;
    if (code == 0) {
        code = collect_types(ceiling, trace, bits);
    }
    return code < 0 ? code : collect_demands(ceiling, trace, bits);
}

int gr_openb_ceiling_new(const struct gr_trace *trace, struct gr_openb_ceiling **ret_ceiling,
                         struct gr_err *err)
{
    struct gr_openb_ceiling *ceiling = calloc(1, sizeof *ceiling);
    if (ceiling == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for a ceiling");
    }
    ceiling->job_count = trace->job_count;
    ceiling->types = calloc(GR_CEILING_NODE_TYPES_MAX, sizeof *ceiling->types);
    ceiling->demands = calloc(GR_CEILING_DEMANDS_MAX, sizeof *ceiling->demands);
    ceiling->demand_of_job = calloc(trace->job_count + 1, sizeof *ceiling->demand_of_job);
    ceiling->counts = calloc(GR_CEILING_DEMANDS_MAX, sizeof *ceiling->counts);
    ceiling->sums = calloc(GR_CEILING_DEMANDS_MAX, sizeof *ceiling->sums);
    int code = ceiling->types != NULL && ceiling->demands != NULL &&
                       ceiling->demand_of_job != NULL && ceiling->counts != NULL &&
                       ceiling->sums != NULL
                   ? collect(ceiling, trace)
                   : -ENOMEM;
    if (code < 0) {
        gr_openb_ceiling_free(ceiling);
        return gr_fail(err, code,
                       code == -ENOMEM ? "no memory for a ceiling"
                                       : "no ceiling: too many models, kinds of nodes or demands");
    }
    *ret_ceiling = ceiling;
    return 0;
}

void gr_openb_ceiling_free(struct gr_openb_ceiling *ceiling)
{
    if (ceiling == NULL) {
        return;
    }
    for (size_t i = 0; i < GR_OPENB_CEILINGS; i++) {
        gr_ceiling_free(ceiling->solvers[i]);
    }
    free(ceiling->types);
    free(ceiling->demands);
    free(ceiling->demand_of_job);
    free(ceiling->arrived);
    free(ceiling->are_events);
    free(ceiling->counts);
    free(ceiling->sums);
    free(ceiling);
}

// ---- one run ------------------------------------------------------------------------------------

static int make_room(struct gr_openb_ceiling *ceiling, size_t count)
{
    if (count <= ceiling->order_room) {
        return 0;
    }
    void *arrived = realloc(ceiling->arrived, count * sizeof *ceiling->arrived);
    ceiling->arrived = arrived != NULL ? arrived : ceiling->arrived;
    void *are_events = realloc(ceiling->are_events, count * sizeof *ceiling->are_events);
    ceiling->are_events = are_events != NULL ? are_events : ceiling->are_events;
    if (arrived == NULL || are_events == NULL) {
        return -ENOMEM;
    }
    ceiling->order_room = count;
    return 0;
}

// Plays the arrivals: which demand, whether an event, and the sums over the events. Each task of a
// gang is a demand: a gang is placed whole, and to place some of its tasks is only easier.
static int64_t play(struct gr_openb_ceiling *ceiling, const struct gr_trace *trace)
{
    uint64_t capacity_milli = gr_trace_capacity_milli(trace), arrived_milli = 0;
    int64_t events = 0;
    memset(ceiling->counts, 0, ceiling->demand_count * sizeof *ceiling->counts);
    memset(ceiling->sums, 0, ceiling->demand_count * sizeof *ceiling->sums);
    for (size_t i = 0; i < trace->order_count; i++) {
        const struct gr_trace_job *job = &trace->jobs[trace->order[i]];
        uint32_t demand = ceiling->demand_of_job[trace->order[i]];
        ceiling->arrived[i] = demand;
        if (demand != GR_CEILING_NO_DEMAND) {
            ceiling->counts[demand] += job->tasks;
        }
        arrived_milli += gr_trace_job_milli(job);
        ceiling->are_events[i] = gr_result_percent(arrived_milli, capacity_milli, 1) == 100;
        events += ceiling->are_events[i];
        for (size_t d = 0; d < ceiling->demand_count && ceiling->are_events[i]; d++) {
            ceiling->sums[d] += ceiling->counts[d];
        }
    }
    return events;
}

// Rounds that are worth their time. A round prices every filling of a device with every size of
// part: with many sizes it takes long, and the bound is proven however early it stops.
static int rounds_worth(const struct gr_openb_ceiling *ceiling)
{
    bool seen[GR_DEVICE_MILLI + 1] = {false};
    int sizes = 0;
    for (size_t d = 0; d < ceiling->demand_count; d++) {
        uint32_t milli = ceiling->demands[d].milli;
        sizes += milli <= GR_DEVICE_MILLI && !seen[milli];
        seen[milli <= GR_DEVICE_MILLI ? milli : 0] = true;
    }
    return sizes <= ROUNDS_SIZES ? ROUNDS_MAX : ROUNDS_MAX * ROUNDS_SIZES / (4 * sizes) + 1;
}

static int solve(struct gr_openb_ceiling *ceiling, const struct gr_trace *trace,
                 enum gr_openb_ceiling_kind kind, int64_t events,
                 struct gr_ceiling_answer *ret_answer, struct gr_err *err)
{
    struct gr_ceiling_cut cuts[GR_CEILING_CUTS_MAX];
    struct gr_ceiling_question question = {.count_sums = ceiling->sums,
                                           .event_count = events,
                                           .cuts = cuts,
                                           .gap_milli = GAP_MILLI,
                                           .rounds_max = rounds_worth(ceiling)};
    struct gr_ceiling_arrivals arrivals = {.demands = ceiling->arrived,
                                           .are_events = ceiling->are_events,
                                           .count = trace->order_count};
    int code = 0;
    if (ceiling->solvers[kind] == NULL) {
        code = gr_ceiling_new(ceiling->types, ceiling->type_count, ceiling->demands,
                              ceiling->demand_count, &ceiling->solvers[kind], err);
    }
    if (code == 0 && kind == GR_OPENB_PROTOCOL) {
        code = gr_ceiling_cuts_choose(ceiling->demands, ceiling->demand_count, &arrivals,
                                      ceiling->sums, cuts, &question.cut_count, err);
    }
    return code < 0 ? code : gr_ceiling_solve(ceiling->solvers[kind], &question, ret_answer, err);
}

int gr_openb_ceiling_run(struct gr_openb_ceiling *ceiling, const struct gr_trace *trace,
                         enum gr_openb_ceiling_kind kind, int64_t *ret_bound_milli,
                         struct gr_err *err)
{
    assert(trace->job_count == ceiling->job_count);
    if (kind == GR_OPENB_PROTOCOL && ceiling->has_gangs) {
        return gr_fail(err, -ENOTSUP, "no protocol ceiling: jobs have several tasks");
    }
    if (gr_trace_capacity_milli(trace) == 0) {
        return 0;
    }
    if (make_room(ceiling, trace->order_count) < 0) {
        return gr_fail(err, -ENOMEM, "no memory for a ceiling");
    }
    int64_t events = play(ceiling, trace);
    struct gr_ceiling_answer answer = {0};
    int code = events > 0 ? solve(ceiling, trace, kind, events, &answer, err) : 0;
    if (code < 0 || events == 0) {
        return code;
    }
    *ret_bound_milli = answer.bound_milli;
    return 1;
}

int gr_openb_ceiling_write(const struct gr_openb_ceiling *ceiling, enum gr_openb_ceiling_kind kind,
                           const char *path, struct gr_err *err)
{
    assert(ceiling->solvers[kind] != NULL);
    FILE *out = fopen(path, "we");
    if (out == NULL) {
        return gr_fail_errno(err, "%s", path);
    }
    int code = gr_ceiling_write(ceiling->solvers[kind], out, err);
    if (fclose(out) != 0 && code == 0) {
        code = gr_fail_errno(err, "%s", path);
    } else if (code < 0) {
        gr_err_prefix(err, "%s", path);
    }
    if (code < 0) {
        unlink(path);
    }
    return code;
}
