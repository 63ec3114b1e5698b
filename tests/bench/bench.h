// Benchmarks: run a thing several times, have the result audited, print one line a figure.
//
//     name value unit ratio-to NAME ratio (runs: N, spread: LOW..HIGH)
//
// The value is the median of the runs. docs/benchmarks.md lists every figure with its limit or
// rival, and a test compares that list with the programs. No figure is printed unless the audit of
// the final state passes.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// Fewest and most runs of a benchmark.
#define GR_BENCH_RUNS_MIN 5
#define GR_BENCH_RUNS_MAX 101
// Most figures of one benchmark.
#define GR_BENCH_FIGURES_MAX 16

// One number that comes out of a benchmark. Texts are static, without blanks.
struct gr_bench_figure {
    const char *name;
    const char *unit;     // "pairs/s", "us", "MiB", "ms", "s", ...
    const char *ratio_to; // "limit", or the name of a rival
    // The limit, or the rival's value. 0: `ratio_to` names an earlier figure of the same
    // benchmark, and its median is taken.
    double reference;
};

// One benchmark: figures that come out of the same runs.
struct gr_bench {
    const struct gr_bench_figure *figures; // static
    size_t figure_count;                   // 1..GR_BENCH_FIGURES_MAX
    size_t runs;                           // GR_BENCH_RUNS_MIN..GR_BENCH_RUNS_MAX
    void *context;                         // handed to the functions below; the caller's
    // Makes what all runs share; not measured. NULL: nothing to make. Returns 0 or a negative
    // errno with a text; `end` is called in either case.
    int (*begin)(void *context, struct gr_err *err);
    // One run; it measures itself (gr_bench_now_s). Stores a value above 0 for each figure.
    // Returns 0 or a negative errno with a text, and then no figure is printed.
    int (*run)(void *context, double *ret_values, struct gr_err *err);
    // Looks at the state that the last run left. Returns 0, or a negative errno with a text that
    // says what is wrong. Never NULL: a figure that nobody audits is not worth printing.
    int (*audit)(void *context, struct gr_err *err);
    // Gives back what `begin` made. NULL: nothing to give back.
    void (*end)(void *context);
};

// The main function of a benchmark program. Arguments: `--only WORD` runs those with a figure whose
// name holds the word, and prints only these figures; `--long` measures for as long as the
// requirement says; `--list` prints `name unit NAME reference` for each figure and runs nothing.
// Returns the exit code: 0; 1 if a run failed or an auditor
// objected (the text is on stderr); 2 for wrong arguments.
int gr_bench_main(int argc, char **argv, const struct gr_bench *benches, size_t count);

// Runs one benchmark and prints its figures whose name holds `only` ("" for all) to `out`. Returns
// 0, also if none does (then nothing is run), or a negative errno with a text, and then nothing is
// printed. Blocks for as long as the runs take.
int gr_bench_run(const struct gr_bench *bench, const char *only, FILE *out, struct gr_err *err);

// Whether `--long` was given: a benchmark that is cut short by default then takes its time.
bool gr_bench_is_long(void);

// Monotonic time in seconds, from an arbitrary start.
double gr_bench_now_s(void);

// The same in nanoseconds, for single operations. About 25 ns a call.
uint64_t gr_bench_now_ns(void);

// The value below which `parts` of `of` of the samples lie (99 of 100: the 99th percentile; the
// nearest rank). Sorts `samples` (`count` of them, at least 1) in place.
uint64_t gr_bench_percentile(uint64_t *samples, size_t count, unsigned parts, unsigned of);
