// The openb benchmark: see bench_openb.h.
//
// Two kinds of task, taken from one list by all threads: the ceilings of a trace, and all policies
// of one run. Tasks share nothing but the list; the rows are made when all are done.
#include "replay/bench_openb.h"

#include "place/policy.h"
#include "replay/openb_ceiling.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREADS_MAX 256

// What one run under one policy came to.
struct outcome {
    double values[GR_OPENB_POINTS]; // %, or GR_OPENB_UNKNOWN
    uint64_t used_at_100;           // sum over the arrivals there, exact
    uint32_t count_at_100;
    double wall_s;
};

struct bench {
    const struct gr_openb *openb;
    const struct gr_bench_config *config;
    const char *policies[GR_BENCH_POLICIES_MAX];
    size_t policy_count;
    uint32_t *runs; // the chosen ones, indexes into openb->runs
    size_t run_count;
    uint32_t *traces; // the chosen ones, in order
    size_t trace_count;
    struct outcome *outcomes; // [run][policy]
    uint64_t *capacities;     // [run] milli
    // [kind][run] milli, negative: not known; the kinds from 0 that are wanted.
    int64_t *bounds[GR_OPENB_CEILINGS];
    size_t ceiling_kinds;

    pthread_mutex_t lock; // guards what follows
    size_t next_task;
    uint64_t done;
    int code;
    struct gr_err err;
};

// ---- what to run --------------------------------------------------------------------------------

static bool is_published(const char *policy)
{
    static const char *const names[] = {"random",  "dotprod", "clustering",
                                        "packing", "bestfit", "fgd"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(policy, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int choose_policies(struct bench *bench, struct gr_err *err)
{
    const struct gr_bench_config *config = bench->config;
    if (config->policies == NULL) {
        for (size_t i = 0; gr_policies[i] != NULL; i++) {
            const char *name = gr_policies[i]->name;
            if (is_published(name) || strcmp(name, "granary") == 0) {
                assert(bench->policy_count < GR_BENCH_POLICIES_MAX);
                bench->policies[bench->policy_count++] = name;
            }
        }
        return 0;
    }
    for (size_t i = 0; i < config->policy_count; i++) {
        const struct gr_policy *policy = gr_policy_find(config->policies[i]);
        if (policy == NULL) {
            return gr_fail(err, -EINVAL, "there is no policy '%s'", config->policies[i]);
        }
        if (bench->policy_count == GR_BENCH_POLICIES_MAX) {
            return gr_fail(err, -EINVAL, "more than %d policies", GR_BENCH_POLICIES_MAX);
        }
        bench->policies[bench->policy_count++] = policy->name;
    }
    return 0;
}

static bool wants_trace(const struct bench *bench, uint32_t trace)
{
    const struct gr_bench_config *config = bench->config;
    for (size_t i = 0; i < config->trace_count; i++) {
        if (strcmp(config->traces[i], bench->openb->traces[trace]) == 0) {
            return true;
        }
    }
    return config->traces == NULL;
}

static bool wants_seed(const struct bench *bench, uint64_t seed)
{
    const struct gr_bench_config *config = bench->config;
    for (size_t i = 0; i < config->seed_count; i++) {
        if (config->seeds[i] == seed) {
            return true;
        }
    }
    return config->seeds == NULL;
}

// That each trace asked for is there: a misspelt one must not vanish.
static int check_traces(const struct bench *bench, struct gr_err *err)
{
    const struct gr_bench_config *config = bench->config;
    for (size_t i = 0; i < config->trace_count; i++) {
        bool is_there = false;
        for (size_t t = 0; t < bench->openb->trace_count; t++) {
            is_there = is_there || strcmp(config->traces[i], bench->openb->traces[t]) == 0;
        }
        if (!is_there) {
            return gr_fail(err, -EINVAL, "%s: there is no trace '%s'", bench->openb->path,
                           config->traces[i]);
        }
    }
    return 0;
}

static int choose_runs(struct bench *bench, struct gr_err *err)
{
    const struct gr_openb *openb = bench->openb;
    int code = check_traces(bench, err);
    if (code < 0) {
        return code;
    }
    bench->runs = calloc(openb->run_count, sizeof *bench->runs);
    bench->traces = calloc(openb->trace_count, sizeof *bench->traces);
    if (bench->runs == NULL || bench->traces == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the benchmark");
    }
    for (uint32_t i = 0; i < openb->run_count; i++) {
        uint32_t trace = openb->runs[i].trace;
        if (!wants_trace(bench, trace) || !wants_seed(bench, openb->runs[i].seed)) {
            continue;
        }
        bench->runs[bench->run_count++] = i;
        if (bench->trace_count == 0 || bench->traces[bench->trace_count - 1] != trace) {
            bench->traces[bench->trace_count++] = trace;
        }
    }
    if (bench->run_count == 0) {
        return gr_fail(err, -EINVAL, "%s: there is no run of this trace and seed", openb->path);
    }
    bench->outcomes = calloc(bench->run_count * bench->policy_count, sizeof *bench->outcomes);
    bench->capacities = calloc(bench->run_count, sizeof *bench->capacities);
    if (bench->outcomes == NULL || bench->capacities == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the benchmark");
    }
    return 0;
}

// Which ceilings are wanted, and the folder for their certificates.
static int choose_ceilings(struct bench *bench, struct gr_err *err)
{
    const struct gr_bench_config *config = bench->config;
    bench->ceiling_kinds = config->no_ceilings ? 0 : config->protocol_ceilings ? 2 : 1;
    for (size_t k = 0; k < GR_OPENB_CEILINGS; k++) {
        bench->bounds[k] = calloc(bench->run_count, sizeof *bench->bounds[k]);
        if (bench->bounds[k] == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for the benchmark");
        }
        for (size_t i = 0; i < bench->run_count; i++) {
            bench->bounds[k][i] = -1;
        }
    }
    if (config->certificates != NULL && mkdir(config->certificates, 0777) < 0 && errno != EEXIST) {
        return gr_fail_errno(err, "%s", config->certificates);
    }
    return 0;
}

// ---- tasks --------------------------------------------------------------------------------------

static void count_done(struct bench *bench)
{
    pthread_mutex_lock(&bench->lock);
    bench->done++;
    if (bench->config->progress != NULL) {
        bench->config->progress(bench->config->context, bench->done,
                                bench->run_count * bench->policy_count);
    }
    pthread_mutex_unlock(&bench->lock);
}

static void keep_outcome(const struct gr_result *result, struct outcome *ret_outcome)
{
    static_assert(GR_CURVE_POINTS == GR_OPENB_POINTS, "the same points");
    for (unsigned i = 0; i < GR_OPENB_POINTS; i++) {
        double value = gr_result_allocation_at(result, i);
        ret_outcome->values[i] = value < 0 ? GR_OPENB_UNKNOWN : value;
    }
    ret_outcome->used_at_100 = result->curve[100].used_milli;
    ret_outcome->count_at_100 = result->curve[100].count;
    ret_outcome->wall_s = result->wall_s;
}

// One run under all policies. `kept` has a core a policy, see gr_run_config.
static int do_run(struct bench *bench, size_t index, struct gr_core **kept, struct gr_err *err)
{
    const struct gr_openb_run *run = &bench->openb->runs[bench->runs[index]];
    struct gr_trace trace;
    int code = gr_openb_read_run(bench->openb, bench->runs[index], &trace, err);
    if (code < 0) {
        return code;
    }
    bench->capacities[index] = gr_trace_capacity_milli(&trace);
    for (size_t p = 0; code == 0 && p < bench->policy_count; p++) {
        struct gr_run_config config = {
            .policy = bench->policies[p],
            .seed = run->seed,
            .learn_mix = bench->config->learn_mix,
            .kept = &kept[p],
        };
        struct gr_result result = {0};
        code = gr_run(&trace, &config, &result, err);
        if (code < 0) {
            gr_err_prefix(err, "trace %s, seed %" PRIu64 ", policy %s",
                          bench->openb->traces[run->trace], run->seed, bench->policies[p]);
            break;
        }
        keep_outcome(&result, &bench->outcomes[index * bench->policy_count + p]);
        gr_result_done(&result);
        count_done(bench);
    }
    gr_trace_done(&trace);
    return code;
}

// Writes the certificate of a run's ceiling: TRACE-SEED-KIND.cert.
static int write_certificate(const struct bench *bench, const struct gr_openb_ceiling *ceiling,
                             size_t index, enum gr_openb_ceiling_kind kind, struct gr_err *err)
{
    const struct gr_openb_run *run = &bench->openb->runs[bench->runs[index]];
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/%s-%" PRIu64 "-%s.cert", bench->config->certificates,
                        bench->openb->traces[run->trace], run->seed, gr_openb_ceiling_name(kind));
    if (size < 0 || (size_t)size >= sizeof path) {
        return gr_fail(err, -ENAMETOOLONG, "%s: the path is too long", bench->config->certificates);
    }
    return gr_openb_ceiling_write(ceiling, kind, path, err);
}

// The ceiling of one run, whose trace's solver is made if there is none yet.
static int do_ceiling(struct bench *bench, size_t index, enum gr_openb_ceiling_kind kind,
                      struct gr_openb_ceiling **ceiling, struct gr_err *err)
{
    struct gr_trace trace;
    int code = gr_openb_read_run(bench->openb, bench->runs[index], &trace, err);
    if (code < 0) {
        return code;
    }
    if (*ceiling == NULL) {
        code = gr_openb_ceiling_new(&trace, ceiling, err);
    }
    if (code == 0) {
        code = gr_openb_ceiling_run(*ceiling, &trace, kind, &bench->bounds[kind][index], err);
    }
    if (code == 1) {
        code = bench->config->certificates != NULL
                   ? write_certificate(bench, *ceiling, index, kind, err)
                   : 0;
    }
    gr_trace_done(&trace);
    return code;
}

// The ceilings of one kind of all chosen runs of a trace: the solver learns from run to run.
static int do_ceilings(struct bench *bench, uint32_t trace, enum gr_openb_ceiling_kind kind,
                       struct gr_err *err)
{
    struct gr_openb_ceiling *ceiling = NULL;
    int code = 0;
    for (size_t i = 0; code == 0 && i < bench->run_count; i++) {
        const struct gr_openb_run *run = &bench->openb->runs[bench->runs[i]];
        if (run->trace == trace) {
            code = do_ceiling(bench, i, kind, &ceiling, err);
            if (code < 0) {
                gr_err_prefix(err, "trace %s, seed %" PRIu64, bench->openb->traces[trace],
                              run->seed);
            }
        }
    }
    gr_openb_ceiling_free(ceiling);
    // Beyond the solver's limits the ceiling stays unknown, unless its certificate was asked for.
    return code == -ENOTSUP && bench->config->certificates == NULL ? 0 : code;
}

static void *work(void *context)
{
    struct bench *bench = context;
    struct gr_core *kept[GR_BENCH_POLICIES_MAX] = {NULL};
    size_t ceilings = bench->ceiling_kinds * bench->trace_count;
    for (;;) {
        pthread_mutex_lock(&bench->lock);
        size_t task = bench->code < 0 ? SIZE_MAX : bench->next_task++;
        pthread_mutex_unlock(&bench->lock);
        if (task >= ceilings + bench->run_count) {
            break;
        }
        struct gr_err err;
        gr_err_init(&err);
        int code = task < ceilings
                       ? do_ceilings(bench, bench->traces[task % bench->trace_count],
                                     (enum gr_openb_ceiling_kind)(task / bench->trace_count), &err)
                       : do_run(bench, task - ceilings, kept, &err);
        if (code < 0) {
            pthread_mutex_lock(&bench->lock);
            if (bench->code == 0) {
                bench->code = code;
                bench->err = err;
            }
            pthread_mutex_unlock(&bench->lock);
        }
    }
    for (size_t p = 0; p < bench->policy_count; p++) {
        gr_core_free(kept[p]);
    }
    return NULL;
}

// Runs the tasks on all threads; those that cannot be started are done without.
static void work_all(struct bench *bench)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted = bench->config->threads > 0 ? bench->config->threads
                      : processors > 0           ? (unsigned)processors
                                                 : 1;
    wanted = wanted < THREADS_MAX ? wanted : THREADS_MAX;
    pthread_t threads[THREADS_MAX];
    unsigned started = 0;
    while (started + 1 < wanted && pthread_create(&threads[started], NULL, work, bench) == 0) {
        started++;
    }
    work(bench);
    while (started > 0) {
        pthread_join(threads[--started], NULL);
    }
}

// ---- rows ---------------------------------------------------------------------------------------

static const struct outcome *outcome_of(const struct bench *bench, size_t run, size_t policy)
{
    return &bench->outcomes[run * bench->policy_count + policy];
}

static double hundredths(double value)
{
    return floor(value * 100 + 0.5);
}

// FGD's value at 100 % that a run is compared with: the published one, else our own, else negative.
static double rival_at_100(const struct bench *bench, size_t run)
{
    const struct gr_openb_run *source = &bench->openb->runs[bench->runs[run]];
    const struct gr_openb_curve *curve =
        gr_openb_curve_find(bench->openb, source->trace, source->seed, "fgd");
    if (curve != NULL) {
        return curve->values[100];
    }
    for (size_t p = 0; p < bench->policy_count; p++) {
        if (strcmp(bench->policies[p], "fgd") == 0) {
            return outcome_of(bench, run, p)->values[100];
        }
    }
    return -1;
}

// No packing whatever exceeds its ceiling, nor does a policy that of policies: if one seems to,
// policy or ceiling is wrong.
static int check_ceiling(const struct bench *bench, size_t run, size_t policy,
                         enum gr_openb_ceiling_kind kind, struct gr_err *err)
{
    const struct outcome *outcome = outcome_of(bench, run, policy);
    int64_t bound_milli = bench->bounds[kind][run];
    if (bound_milli < 0 || (unsigned __int128)outcome->used_at_100 <=
                               (unsigned __int128)bound_milli * outcome->count_at_100) {
        return 0;
    }
    const struct gr_openb_run *source = &bench->openb->runs[bench->runs[run]];
    return gr_fail(err, -EPROTO,
                   "trace %s, seed %" PRIu64 ", policy %s: %" PRIu64 " milli allocated on average "
                   "at 100 %% load, above the proven %s ceiling of %" PRId64 ": one of them is "
                   "wrong",
                   bench->openb->traces[source->trace], source->seed, bench->policies[policy],
                   outcome->used_at_100 / outcome->count_at_100, gr_openb_ceiling_name(kind),
                   bound_milli);
}

static int check_ceilings(const struct bench *bench, size_t run, size_t policy, struct gr_err *err)
{
    int code = check_ceiling(bench, run, policy, GR_OPENB_OFFLINE, err);
    return code < 0 ? code : check_ceiling(bench, run, policy, GR_OPENB_PROTOCOL, err);
}

// Means over the seeds of one row while they are added up.
struct sums {
    double mean, published, ceilings[GR_OPENB_CEILINGS];
    unsigned means, published_count, ceiling_count[GR_OPENB_CEILINGS], rivals;
    double curve[GR_OPENB_POINTS]; // ours - published, for `random`
    unsigned curve_count[GR_OPENB_POINTS];
};

static void add_curve(const struct outcome *outcome, const struct gr_openb_curve *curve,
                      struct sums *sums, struct gr_bench_row *row)
{
    for (unsigned i = 0; i < GR_OPENB_POINTS; i++) {
        if (curve->values[i] < 0) {
            continue; // not published
        }
        if (outcome->values[i] < 0) {
            row->difference = 100; // as large as can be: we have no such point
            continue;
        }
        double difference = outcome->values[i] - curve->values[i];
        sums->curve[i] += difference;
        sums->curve_count[i]++;
        row->difference = fmax(row->difference, fabs(difference));
    }
}

static void add_run(const struct bench *bench, size_t run, size_t policy, struct sums *sums,
                    struct gr_bench_row *row)
{
    const struct gr_openb_run *source = &bench->openb->runs[bench->runs[run]];
    const struct outcome *outcome = outcome_of(bench, run, policy);
    const char *name = bench->policies[policy];
    row->seeds++;
    row->wall_s += outcome->wall_s;
    if (outcome->values[100] >= 0) {
        sums->mean += outcome->values[100];
        sums->means++;
    }
    const struct gr_openb_curve *own =
        gr_openb_curve_find(bench->openb, source->trace, source->seed, name);
    if (own != NULL) {
        add_curve(outcome, own, sums, row);
    }
    const struct gr_openb_curve *shown =
        is_published(name) ? own
                           : gr_openb_curve_find(bench->openb, source->trace, source->seed, "fgd");
    if (shown != NULL && shown->values[100] >= 0) {
        sums->published += shown->values[100];
        sums->published_count++;
    }
    for (size_t k = 0; k < GR_OPENB_CEILINGS; k++) {
        if (bench->bounds[k][run] >= 0) {
            sums->ceilings[k] +=
                (double)bench->bounds[k][run] * 100 / (double)bench->capacities[run];
            sums->ceiling_count[k]++;
        }
    }
    double rival = rival_at_100(bench, run);
    if (rival >= 0 && outcome->values[100] >= 0) {
        sums->rivals++;
        row->seeds_better += hundredths(outcome->values[100]) > hundredths(rival);
    }
}

static double mean_ceiling(const struct sums *sums, unsigned seeds, enum gr_openb_ceiling_kind kind)
{
    return sums->ceiling_count[kind] == seeds ? sums->ceilings[kind] / seeds : -1;
}

static int make_row(const struct bench *bench, uint32_t trace, size_t policy,
                    struct gr_bench_row *ret_row, struct gr_err *err)
{
    struct sums sums = {0};
    struct gr_bench_row row = {
        .trace = bench->openb->traces[trace], .policy = bench->policies[policy], .difference = -1};
    for (size_t i = 0; i < bench->run_count; i++) {
        if (bench->openb->runs[bench->runs[i]].trace == trace) {
            int code = check_ceilings(bench, i, policy, err);
            if (code < 0) {
                return code;
            }
            add_run(bench, i, policy, &sums, &row);
        }
    }
    // A mean over some of the seeds only would be compared with one over all: unknown instead.
    row.mean_at_100 = sums.means == row.seeds ? sums.mean / row.seeds : -1;
    row.published = sums.published_count == row.seeds ? sums.published / row.seeds : -1;
    row.ceiling = mean_ceiling(&sums, row.seeds, GR_OPENB_OFFLINE);
    row.protocol_ceiling = mean_ceiling(&sums, row.seeds, GR_OPENB_PROTOCOL);
    row.seeds_better = sums.rivals == row.seeds ? row.seeds_better : -1;
    if (strcmp(row.policy, "random") == 0 && row.difference >= 0) {
        row.difference = 0;
        for (unsigned i = 0; i < GR_OPENB_POINTS; i++) {
            if (sums.curve_count[i] > 0) {
                row.difference = fmax(row.difference, fabs(sums.curve[i] / sums.curve_count[i]));
            }
        }
    }
    *ret_row = row;
    return 0;
}

static int make_rows(const struct bench *bench, struct gr_bench_row **ret_rows, size_t *ret_count,
                     struct gr_err *err)
{
    size_t count = bench->trace_count * bench->policy_count;
    struct gr_bench_row *rows = calloc(count, sizeof *rows);
    if (rows == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the benchmark");
    }
    for (size_t i = 0; i < count; i++) {
        int code = make_row(bench, bench->traces[i / bench->policy_count], i % bench->policy_count,
                            &rows[i], err);
        if (code < 0) {
            free(rows);
            return code;
        }
    }
    *ret_rows = rows;
    *ret_count = count;
    return 0;
}

int gr_bench_openb(const struct gr_openb *openb, const struct gr_bench_config *config,
                   struct gr_bench_row **ret_rows, size_t *ret_count, struct gr_err *err)
{
    struct bench bench = {.openb = openb, .config = config};
    int code = choose_policies(&bench, err);
    if (code == 0) {
        code = choose_runs(&bench, err);
    }
    if (code == 0) {
        code = choose_ceilings(&bench, err);
    }
    if (code == 0) {
        pthread_mutex_init(&bench.lock, NULL);
        work_all(&bench);
        pthread_mutex_destroy(&bench.lock);
        code = bench.code;
        if (code < 0) {
            gr_fail(err, code, "%s", bench.err.text);
        }
    }
    if (code == 0) {
        code = make_rows(&bench, ret_rows, ret_count, err);
    }
    free(bench.runs);
    free(bench.traces);
    free(bench.outcomes);
    free(bench.bounds[GR_OPENB_OFFLINE]);
    free(bench.bounds[GR_OPENB_PROTOCOL]);
    free(bench.capacities);
    return code;
}
