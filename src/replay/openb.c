// A folder of openb traces: see openb.h.
#include "replay/openb.h"

#include "base/csv.h"
#include "replay/jobs_csv.h"
#include "replay/nodes_csv.h"
#include "replay/order.h"
#include "replay/trace_build.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POD_FILE_BEGIN "openb_pod_list_"
#define POD_FILE_END ".csv"
#define NODE_FILE "openb_node_list_gpu_node.csv"
#define RUNS_FILE "arrivals/runs.csv"
#define CURVES_FILE "expected/analysis_allo_discrete.csv"

// Most runs and curves of a folder.
#define RUNS_MAX 10000

// Where the two files come from: a folder, or memory.
struct source {
    bool is_memory;
    struct gr_slice runs, curves; // in memory; curves without a text: there are none
};

// ---- runs ---------------------------------------------------------------------------------------

enum { RUN_TRACE, RUN_SEED, RUN_ORDER, RUN_ARRIVALS, RUN_RANKS, RUN_COLUMNS };
static const struct gr_csv_column run_columns[] = {
    [RUN_TRACE] = {"trace", true},         [RUN_SEED] = {"seed", true},
    [RUN_ORDER] = {"order_file", true},    [RUN_ARRIVALS] = {"n_arrivals", true},
    [RUN_RANKS] = {"noderank_file", true},
};

// Reads a name that becomes part of a path: it must not lead out of the folder.
static int read_name(const struct gr_csv *csv, size_t column, char *name, struct gr_err *err)
{
    int code = gr_csv_get_text(csv, column, name, GR_OPENB_NAME_SIZE, err);
    if (code == 0 && (strchr(name, '/') != NULL || name[0] == '.')) {
        return gr_csv_fail(
            csv, column, err,
            "found a path, expected a name without '/' that does not begin with '.'");
    }
    return code;
}

// One line of runs.csv; the trace's name is kept apart.
static int read_run_line(const struct gr_csv *csv, char *trace, struct gr_openb_run *ret_run,
                         struct gr_err *err)
{
    struct gr_openb_run run = {0};
    int64_t seed = 0, arrivals = 0;
    int code = read_name(csv, RUN_TRACE, trace, err);
    if (code == 0) {
        code = gr_csv_get_int(csv, RUN_SEED, 0, INT64_MAX, &seed, err);
    }
    if (code == 0) {
        code = read_name(csv, RUN_ORDER, run.order_file, err);
    }
    if (code == 0) {
        code = gr_csv_get_int(csv, RUN_ARRIVALS, 1, GR_TRACE_JOBS_MAX, &arrivals, err);
    }
    if (code == 0) {
        code = read_name(csv, RUN_RANKS, run.rank_file, err);
    }
    run.seed = (uint64_t)seed;
    run.arrivals = (uint32_t)arrivals;
    *ret_run = run;
    return code;
}

static uint32_t find_trace(const struct gr_openb *openb, const char *name)
{
    uint32_t trace = 0;
    while (trace < openb->trace_count && strcmp(openb->traces[trace], name) != 0) {
        trace++;
    }
    return trace;
}

// Adds a trace if its pod file is there. *ret_trace is trace_count if it is not.
static int add_trace(struct gr_openb *openb, const struct source *source, const char *name,
                     uint32_t *ret_trace, struct gr_err *err)
{
    char *path = NULL;
    if (asprintf(&path, "%s/" POD_FILE_BEGIN "%s" POD_FILE_END, openb->path, name) < 0) {
        return gr_fail(err, -ENOMEM, "no memory for %s", openb->path);
    }
    bool is_there = source->is_memory || access(path, F_OK) == 0;
    free(path);
    *ret_trace = (uint32_t)openb->trace_count;
    if (!is_there) {
        return 0;
    }
    void *grown = reallocarray(openb->traces, openb->trace_count + 1, sizeof *openb->traces);
    if (grown == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for %s", openb->path);
    }
    openb->traces = grown;
    memset(openb->traces[openb->trace_count], 0, sizeof *openb->traces);
    snprintf(openb->traces[openb->trace_count++], sizeof *openb->traces, "%s", name);
    return 0;
}

static int add_run(struct gr_openb *openb, const struct source *source, const struct gr_csv *csv,
                   struct gr_err *err)
{
    char name[GR_OPENB_NAME_SIZE];
    struct gr_openb_run run;
    int code = read_run_line(csv, name, &run, err);
    if (code < 0) {
        return code;
    }
    run.trace = find_trace(openb, name);
    if (run.trace == openb->trace_count) {
        code = add_trace(openb, source, name, &run.trace, err);
        if (code < 0 || run.trace == openb->trace_count) {
            return code;
        }
    }
    for (size_t i = 0; i < openb->run_count; i++) {
        if (openb->runs[i].trace == run.trace && openb->runs[i].seed == run.seed) {
            return gr_csv_fail(csv, RUN_SEED, err,
                               "found a second line of this trace and seed, expected one");
        }
    }
    if (openb->run_count == RUNS_MAX) {
        return gr_csv_fail_line(csv, err, "found more than %d runs, expected no more", RUNS_MAX);
    }
    struct gr_openb_run *grown =
        reallocarray(openb->runs, openb->run_count + 1, sizeof *openb->runs);
    if (grown == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for %s", openb->path);
    }
    openb->runs = grown;
    openb->runs[openb->run_count++] = run;
    return 0;
}

static int compare_runs(const void *a, const void *b)
{
    const struct gr_openb_run *x = a, *y = b;
    if (x->trace != y->trace) {
        return x->trace < y->trace ? -1 : 1;
    }
    return x->seed < y->seed ? -1 : x->seed > y->seed;
}

// Opens a file of the folder that is CSV, or what stands for it in memory.
static int open_csv(const struct gr_openb *openb, const struct source *source, const char *file,
                    const struct gr_csv_column *columns, size_t count, struct gr_csv **ret_csv,
                    struct gr_err *err)
{
    struct gr_slice bytes = columns == run_columns ? source->runs : source->curves;
    if (source->is_memory) {
        return bytes.text == NULL ? -ENOENT
                                  : gr_csv_open_bytes(file, bytes.text, bytes.size, columns, count,
                                                      GR_CSV_STRICT, ret_csv, err);
    }
    char *path = NULL;
    if (asprintf(&path, "%s/%s", openb->path, file) < 0) {
        return gr_fail(err, -ENOMEM, "no memory for %s", openb->path);
    }
    int code = gr_csv_open(path, columns, count, GR_CSV_STRICT, ret_csv, err);
    free(path);
    return code;
}

static int read_runs(struct gr_openb *openb, const struct source *source, struct gr_err *err)
{
    struct gr_csv *csv = NULL;
    int code = open_csv(openb, source, RUNS_FILE, run_columns, RUN_COLUMNS, &csv, err);
    if (code < 0) {
        return code;
    }
    while ((code = gr_csv_next(csv, err)) == 1) {
        code = add_run(openb, source, csv, err);
        if (code < 0) {
            break;
        }
    }
    if (code == 0 && openb->run_count == 0) {
        code = gr_csv_fail_line(csv, err,
                                "found no run of a trace whose " POD_FILE_BEGIN "TRACE" POD_FILE_END
                                " is in %s, expected at least one",
                                openb->path);
    }
    gr_csv_close(csv);
    if (code == 0) {
        qsort(openb->runs, openb->run_count, sizeof *openb->runs, compare_runs);
    }
    return code;
}

// ---- published curves ---------------------------------------------------------------------------

enum { CURVE_TRACE, CURVE_POLICY, CURVE_TUNE, CURVE_SEED, CURVE_TOTAL, CURVE_POINT_0 };
#define CURVE_COLUMNS (CURVE_POINT_0 + GR_OPENB_POINTS)

// The published names, and ours.
static const char *const published[][2] = {
    {"Random", "random"},      {"DotProd", "dotprod"}, {"GpuClustering", "clustering"},
    {"GpuPacking", "packing"}, {"BestFit", "bestfit"}, {"FGD", "fgd"},
};

// Reads "NN-NAME" as our name. False if it is none that we know.
static bool read_policy(struct gr_slice text, char *ret_policy)
{
    const char *dash = text.size > 0 ? memchr(text.text, '-', text.size) : NULL;
    size_t skip = dash == NULL ? 0 : (size_t)(dash - text.text) + 1;
    struct gr_slice name = {text.text + skip, text.size - skip};
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        if (gr_slice_is(name, published[i][0])) {
            snprintf(ret_policy, GR_OPENB_NAME_SIZE, "%s", published[i][1]);
            return true;
        }
    }
    return false;
}

// Reads the trace of "openb_pod_list_TRACE". False if the folder does not hold it.
static bool read_workload(const struct gr_openb *openb, struct gr_slice text, uint32_t *ret_trace)
{
    size_t begin = sizeof POD_FILE_BEGIN - 1;
    if (text.size <= begin || memcmp(text.text, POD_FILE_BEGIN, begin) != 0) {
        return false;
    }
    struct gr_slice name = {text.text + begin, text.size - begin};
    for (uint32_t i = 0; i < openb->trace_count; i++) {
        if (gr_slice_is(name, openb->traces[i])) {
            *ret_trace = i;
            return true;
        }
    }
    return false;
}

// Reads one line; *ret_is_ours says whether it is of a trace and policy that matter here.
static int read_curve(const struct gr_openb *openb, const struct gr_csv *csv,
                      struct gr_openb_curve *ret_curve, bool *ret_is_ours, struct gr_err *err)
{
    memset(ret_curve, 0, sizeof *ret_curve);
    *ret_is_ours = read_workload(openb, gr_csv_get(csv, CURVE_TRACE), &ret_curve->trace) &&
                   read_policy(gr_csv_get(csv, CURVE_POLICY), ret_curve->policy);
    int64_t seed = 0, value = 0;
    int code = gr_csv_get_int(csv, CURVE_SEED, 0, INT64_MAX, &seed, err);
    ret_curve->seed = (uint64_t)seed;
    for (size_t i = 0; code == 0 && i < GR_OPENB_POINTS; i++) {
        ret_curve->values[i] = GR_OPENB_UNKNOWN;
        if (!gr_csv_is_blank(csv, CURVE_POINT_0 + i)) {
            code = gr_csv_get_decimal(csv, CURVE_POINT_0 + i, 6, 0, 1000000000, &value, err);
            ret_curve->values[i] = (double)value / 1e6;
        }
    }
    return code;
}

static int add_curve(struct gr_openb *openb, const struct gr_openb_curve *curve, size_t *room,
                     struct gr_err *err)
{
    if (openb->curve_count == *room) {
        size_t wanted = *room == 0 ? 256 : *room * 2;
        struct gr_openb_curve *grown = reallocarray(openb->curves, wanted, sizeof *grown);
        if (grown == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for %s", openb->path);
        }
        openb->curves = grown;
        *room = wanted;
    }
    openb->curves[openb->curve_count++] = *curve;
    return 0;
}

static int read_curve_lines(struct gr_openb *openb, struct gr_csv *csv, struct gr_err *err)
{
    size_t room = 0;
    int code;
    while ((code = gr_csv_next(csv, err)) == 1) {
        struct gr_openb_curve curve;
        bool is_ours = false;
        code = read_curve(openb, csv, &curve, &is_ours, err);
        if (code == 0 && is_ours &&
            gr_openb_curve_find(openb, curve.trace, curve.seed, curve.policy) != NULL) {
            code = gr_csv_fail_line(
                csv, err, "found a second line of this workload, policy and seed, expected one");
        }
        if (code == 0 && is_ours) {
            code = openb->curve_count == RUNS_MAX
                       ? gr_csv_fail_line(csv, err, "found more than %d curves, expected no more",
                                          RUNS_MAX)
                       : add_curve(openb, &curve, &room, err);
        }
        if (code < 0) {
            return code;
        }
    }
    return code;
}

static int read_curves(struct gr_openb *openb, const struct source *source, struct gr_err *err)
{
    char names[GR_OPENB_POINTS][8];
    struct gr_csv_column columns[CURVE_COLUMNS] = {
        [CURVE_TRACE] = {"workload", true},    [CURVE_POLICY] = {"sc_policy", true},
        [CURVE_TUNE] = {"tune", false},        [CURVE_SEED] = {"seed", true},
        [CURVE_TOTAL] = {"total_gpus", false},
    };
    for (size_t i = 0; i < GR_OPENB_POINTS; i++) {
        snprintf(names[i], sizeof names[i], "%zu", i);
        columns[CURVE_POINT_0 + i] = (struct gr_csv_column){names[i], false};
    }
    struct gr_csv *csv = NULL;
    struct gr_err why;
    gr_err_init(&why);
    int code = open_csv(openb, source, CURVES_FILE, columns, CURVE_COLUMNS, &csv, &why);
    if (code == -ENOENT) {
        return 0; // nothing was published for these traces
    }
    if (code < 0) {
        return gr_fail(err, code, "%s", why.text);
    }
    code = read_curve_lines(openb, csv, err);
    gr_csv_close(csv);
    return code;
}

const struct gr_openb_curve *gr_openb_curve_find(const struct gr_openb *openb, uint32_t trace,
                                                 uint64_t seed, const char *policy)
{
    for (size_t i = 0; i < openb->curve_count; i++) {
        const struct gr_openb_curve *curve = &openb->curves[i];
        if (curve->trace == trace && curve->seed == seed && strcmp(curve->policy, policy) == 0) {
            return curve;
        }
    }
    return NULL;
}

// ---- the folder ---------------------------------------------------------------------------------

static int open_source(const char *path, const struct source *source, struct gr_openb *ret_openb,
                       struct gr_err *err)
{
    struct gr_openb openb = {.path = strdup(path)};
    if (openb.path == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for %s", path);
    }
    int code = read_runs(&openb, source, err);
    if (code == 0) {
        code = read_curves(&openb, source, err);
    }
    if (code < 0) {
        gr_openb_close(&openb);
        return code;
    }
    *ret_openb = openb;
    return 0;
}

int gr_openb_open(const char *path, struct gr_openb *ret_openb, struct gr_err *err)
{
    return open_source(path, &(struct source){0}, ret_openb, err);
}

int gr_openb_open_bytes(struct gr_slice runs, struct gr_slice curves, struct gr_openb *ret_openb,
                        struct gr_err *err)
{
    assert(runs.text != NULL);
    struct source source = {.is_memory = true, .runs = runs, .curves = curves};
    return open_source(".", &source, ret_openb, err);
}

void gr_openb_close(struct gr_openb *openb)
{
    free(openb->path);
    free(openb->traces);
    free(openb->runs);
    free(openb->curves);
    *openb = (struct gr_openb){0};
}

// Ranks the nodes and sets the order of a run.
static int read_recorded(const struct gr_openb *openb, const struct gr_openb_run *run,
                         struct gr_trace *trace, struct gr_err *err)
{
    char *path = NULL;
    if (asprintf(&path, "%s/arrivals/%s", openb->path, run->rank_file) < 0) {
        return gr_fail(err, -ENOMEM, "no memory for %s", openb->path);
    }
    uint32_t *numbers = NULL;
    int code = gr_ranks_read(path, run->seed, trace->node_count, &numbers, err);
    free(path);
    if (code == 0) {
        code = gr_trace_rank_nodes(trace, numbers, err);
        free(numbers);
    }
    if (code < 0) {
        return code;
    }
    if (asprintf(&path, "%s/arrivals/%s", openb->path, run->order_file) < 0) {
        return gr_fail(err, -ENOMEM, "no memory for %s", openb->path);
    }
    size_t count = 0;
    code = gr_order_read(path, run->seed, (uint32_t)trace->job_count, run->arrivals, &numbers,
                         &count, err);
    if (code == 0 && count < run->arrivals) {
        free(numbers);
        code = gr_fail(err, -EINVAL, "%s: found %zu arrivals of seed %llu, expected the %u of %s",
                       path, count, (unsigned long long)run->seed, run->arrivals, RUNS_FILE);
    }
    free(path);
    if (code == 0) {
        code = gr_trace_set_order(trace, numbers, count, err);
        free(numbers);
    }
    return code;
}

int gr_openb_read_run(const struct gr_openb *openb, size_t run, struct gr_trace *ret_trace,
                      struct gr_err *err)
{
    assert(run < openb->run_count);
    struct gr_trace trace;
    char *nodes = NULL, *jobs = NULL;
    const char *name = openb->traces[openb->runs[run].trace];
    if (asprintf(&nodes, "%s/" NODE_FILE, openb->path) < 0) {
        return gr_fail(err, -ENOMEM, "no memory for %s", openb->path);
    }
    if (asprintf(&jobs, "%s/" POD_FILE_BEGIN "%s" POD_FILE_END, openb->path, name) < 0) {
        free(nodes);
        return gr_fail(err, -ENOMEM, "no memory for %s", openb->path);
    }
    int code = gr_trace_init(&trace, err);
    if (code == 0) {
        code = gr_nodes_read(&trace, nodes, err);
        if (code == 0) {
            struct gr_jobs_options options = {0};
            code = gr_jobs_read(&trace, jobs, &options, err);
        }
        if (code == 0) {
            code = read_recorded(openb, &openb->runs[run], &trace, err);
        }
        if (code < 0) {
            gr_trace_done(&trace);
        }
    }
    free(nodes);
    free(jobs);
    if (code == 0) {
        *ret_trace = trace;
    }
    return code;
}

// The last part of a path.
static struct gr_slice base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return gr_slice_of(slash == NULL ? path : slash + 1);
}

int gr_openb_find_arrivals(const char *order_path, const char *jobs_path, uint64_t seed,
                           uint32_t *ret_arrivals, struct gr_err *err)
{
    struct gr_slice order = base_name(order_path), jobs = base_name(jobs_path);
    char *path = NULL;
    if (asprintf(&path, "%.*sruns.csv", (int)(order.text - order_path), order_path) < 0) {
        return gr_fail(err, -ENOMEM, "no memory for %s", order_path);
    }
    struct gr_csv *csv = NULL;
    int code = access(path, F_OK) < 0
                   ? 0
                   : gr_csv_open(path, run_columns, RUN_COLUMNS, GR_CSV_STRICT, &csv, err);
    free(path);
    if (csv == NULL) {
        return code;
    }
    while ((code = gr_csv_next(csv, err)) == 1) {
        char name[GR_OPENB_NAME_SIZE],
            file[GR_OPENB_NAME_SIZE + sizeof POD_FILE_BEGIN + sizeof POD_FILE_END];
        struct gr_openb_run run;
        code = read_run_line(csv, name, &run, err);
        if (code < 0) {
            break;
        }
        snprintf(file, sizeof file, POD_FILE_BEGIN "%s" POD_FILE_END, name);
        if (run.seed == seed && gr_slice_is(jobs, file) && gr_slice_is(order, run.order_file)) {
            *ret_arrivals = run.arrivals;
            code = 1;
            break;
        }
    }
    gr_csv_close(csv);
    return code;
}
