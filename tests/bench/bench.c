// Runs benchmarks and prints their figures: see bench.h. Never prints a figure that was not
// audited.
#include "bench.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

uint64_t gr_bench_now_ns(void)
{
    return (uint64_t)gr_clock_ns();
}

double gr_bench_now_s(void)
{
    return (double)gr_bench_now_ns() / 1e9;
}

static int compare_samples(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

uint64_t gr_bench_percentile(uint64_t *samples, size_t count, unsigned parts, unsigned of)
{
    assert(count > 0);
    assert(parts <= of && of > 0);
    qsort(samples, count, sizeof(samples[0]), compare_samples);
    size_t rank = (count * parts + of - 1) / of; // from 1
    return samples[rank == 0 ? 0 : rank - 1];
}

static int compare_values(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(const double *sorted, size_t count)
{
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

// Whole numbers from 1000 on, else four digits.
static void print_value(FILE *out, double value)
{
    fprintf(out, fabs(value) >= 1000 ? "%.0f" : "%.4g", value);
}

static bool is_wanted(const struct gr_bench_figure *figure, const char *only)
{
    return strstr(figure->name, only) != NULL;
}

// What came out of all runs of one benchmark.
struct outcome {
    double values[GR_BENCH_FIGURES_MAX][GR_BENCH_RUNS_MAX]; // sorted once all runs are done
    double medians[GR_BENCH_FIGURES_MAX];
};

static int run_all(const struct gr_bench *bench, struct outcome *outcome, struct gr_err *err)
{
    for (size_t run = 0; run < bench->runs; run++) {
        double values[GR_BENCH_FIGURES_MAX] = {0};
        int rc = bench->run(bench->context, values, err);
        if (rc < 0) {
            return rc;
        }
        for (size_t i = 0; i < bench->figure_count; i++) {
            if (!isfinite(values[i]) || values[i] <= 0) {
                return gr_fail(err, -ERANGE, "run %zu gave %s no value above 0", run + 1,
                               bench->figures[i].name);
            }
            outcome->values[i][run] = values[i];
        }
    }
    int rc = bench->audit(bench->context, err);
    if (rc < 0) {
        return gr_err_prefix(err, "the auditor objects");
    }
    for (size_t i = 0; i < bench->figure_count; i++) {
        qsort(outcome->values[i], bench->runs, sizeof(double), compare_values);
        outcome->medians[i] = median(outcome->values[i], bench->runs);
    }
    return 0;
}

// The value that figure `index` is compared with.
static double reference_of(const struct gr_bench *bench, const struct outcome *outcome,
                           size_t index)
{
    const struct gr_bench_figure *figure = &bench->figures[index];
    if (figure->reference > 0) {
        return figure->reference;
    }
    size_t rival = 0;
    while (rival < index && strcmp(bench->figures[rival].name, figure->ratio_to) != 0) {
        rival++;
    }
    assert(rival < index); // ratio_to names an earlier figure
    return outcome->medians[rival];
}

static void print_figure(const struct gr_bench *bench, const struct outcome *outcome, size_t index,
                         FILE *out)
{
    const struct gr_bench_figure *figure = &bench->figures[index];
    fprintf(out, "%s ", figure->name);
    print_value(out, outcome->medians[index]);
    fprintf(out, " %s ratio-to %s %.4g (runs: %zu, spread: ", figure->unit, figure->ratio_to,
            outcome->medians[index] / reference_of(bench, outcome, index), bench->runs);
    print_value(out, outcome->values[index][0]);
    fputs("..", out);
    print_value(out, outcome->values[index][bench->runs - 1]);
    fputs(")\n", out);
    fflush(out);
}

int gr_bench_run(const struct gr_bench *bench, const char *only, FILE *out, struct gr_err *err)
{
    assert(bench->figure_count >= 1 && bench->figure_count <= GR_BENCH_FIGURES_MAX);
    assert(bench->runs >= GR_BENCH_RUNS_MIN && bench->runs <= GR_BENCH_RUNS_MAX);
    assert(bench->run != NULL && bench->audit != NULL);
    size_t wanted = 0;
    for (size_t i = 0; i < bench->figure_count; i++) {
        wanted += is_wanted(&bench->figures[i], only);
    }
    if (wanted == 0) {
        return 0;
    }
    struct outcome *outcome = calloc(1, sizeof(*outcome));
    if (outcome == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the figures");
    }
    int rc = bench->begin == NULL ? 0 : bench->begin(bench->context, err);
    if (rc == 0) {
        rc = run_all(bench, outcome, err);
    }
    for (size_t i = 0; rc == 0 && i < bench->figure_count; i++) {
        if (is_wanted(&bench->figures[i], only)) {
            print_figure(bench, outcome, i, out);
        }
    }
    if (bench->end != NULL) {
        bench->end(bench->context);
    }
    free(outcome);
    return rc;
}

static void list_figures(const struct gr_bench *bench)
{
    for (size_t i = 0; i < bench->figure_count; i++) {
        const struct gr_bench_figure *figure = &bench->figures[i];
        printf("%s %s %s %.10g\n", figure->name, figure->unit, figure->ratio_to, figure->reference);
    }
}

static bool is_long;

bool gr_bench_is_long(void)
{
    return is_long;
}

int gr_bench_main(int argc, char **argv, const struct gr_bench *benches, size_t count)
{
    const char *only = "";
    bool list = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            list = true;
        } else if (strcmp(argv[i], "--long") == 0) {
            is_long = true;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else {
            fprintf(stderr, "usage: %s [--only WORD] [--long] | --list\n", argv[0]);
            return 2;
        }
    }
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        struct gr_err err;
        gr_err_init(&err);
        if (list) {
            list_figures(&benches[i]);
        } else if (gr_bench_run(&benches[i], only, stdout, &err) < 0) {
            fprintf(stderr, "%s: no figure: %s\n", benches[i].figures[0].name, err.text);
            status = 1;
        }
    }
    return status;
}
