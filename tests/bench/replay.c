// Replays of recorded workloads: one run of FGD, and all of the published benchmark where its data
// are.
#include "bench.h"

#include "replay/bench_openb.h"
#include "replay/openb.h"
#include "replay/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// --- replay_fgd_default_s: the reduced trace of tests/data, seed 42, reading included in nothing

struct one {
    struct gr_trace trace;
    struct gr_result result;
    double published; // allocation at 100 % load
};

static int one_begin(void *context, struct gr_err *err)
{
    struct one *one = context;
    struct gr_openb openb;
    int rc = gr_openb_open(GR_SOURCE_ROOT "/tests/data/openb", &openb, err);
    if (rc != 0) {
        return rc;
    }
    rc = gr_openb_read_run(&openb, 0, &one->trace, err);
    const struct gr_openb_curve *curve =
        rc == 0 ? gr_openb_curve_find(&openb, 0, openb.runs[0].seed, "fgd") : NULL;
    if (rc == 0 && curve == NULL) {
        rc = gr_fail(err, -ENOENT, "tests/data/openb lacks the published curve of fgd");
    }
    one->published = curve == NULL ? 0 : curve->values[100];
    gr_openb_close(&openb);
    return rc;
}

static int one_run(void *context, double *ret_values, struct gr_err *err)
{
    struct one *one = context;
    const struct gr_run_config config = {.policy = "fgd", .seed = 42};
    gr_result_done(&one->result);
    double begin = gr_bench_now_s();
    int rc = gr_run(&one->trace, &config, &one->result, err);
    ret_values[0] = gr_bench_now_s() - begin;
    return rc;
}

// The auditor of a replay: the published curve, and the core's own books in one more run.
static int one_audit(void *context, struct gr_err *err)
{
    struct one *one = context;
    const struct gr_curve_point *point = &one->result.curve[100];
    double ours = point->count == 0 ? 0 : point->sum / point->count;
    if (ours < one->published - 0.011 || ours > one->published + 0.011) {
        return gr_fail(err, -EIO, "%.4f %% at load 100, published are %.2f %%", ours,
                       one->published);
    }
    const struct gr_run_config config = {.policy = "fgd", .seed = 42, .verify = true};
    gr_result_done(&one->result);
    return gr_run(&one->trace, &config, &one->result, err);
}

static void one_end(void *context)
{
    struct one *one = context;
    gr_result_done(&one->result);
    gr_trace_done(&one->trace);
}

// --- openb_all_s: every trace, seed and policy, in parallel, without the ceilings

struct all {
    struct gr_openb openb;
    struct gr_bench_row *rows;
    size_t row_count;
};

static int all_begin(void *context, struct gr_err *err)
{
    struct all *all = context;
    const char *path = getenv("GRANARY_OPENB");
    return gr_openb_open(path != NULL ? path : GR_SOURCE_ROOT "/../shared/data/openb", &all->openb,
                         err);
}

static int all_run(void *context, double *ret_values, struct gr_err *err)
{
    struct all *all = context;
    const struct gr_bench_config config = {.no_ceilings = true};
    free(all->rows);
    all->rows = NULL;
    double begin = gr_bench_now_s();
    int rc = gr_bench_openb(&all->openb, &config, &all->rows, &all->row_count, err);
    ret_values[0] = gr_bench_now_s() - begin;
    return rc;
}

// The deterministic policies must be as published.
static int all_audit(void *context, struct gr_err *err)
{
    struct all *all = context;
    for (size_t i = 0; i < all->row_count; i++) {
        const struct gr_bench_row *row = &all->rows[i];
        if (strcmp(row->policy, "random") != 0 && row->difference > 0.011) {
            return gr_fail(err, -EIO, "%s under %s differs from what was published by %.3f points",
                           row->trace, row->policy, row->difference);
        }
    }
    return all->row_count > 0 ? 0 : gr_fail(err, -EIO, "nothing was run");
}

static void all_end(void *context)
{
    struct all *all = context;
    free(all->rows);
    gr_openb_close(&all->openb);
}

static struct one one;
static struct all all;

static const struct gr_bench_figure one_figures[] = {{"replay_fgd_default_s", "s", "limit", 0.1}};
static const struct gr_bench_figure all_figures[] = {{"openb_all_s", "s", "limit", 60}};

static const struct gr_bench benches[] = {
    {one_figures, 1, 11, &one, one_begin, one_run, one_audit, one_end},
    {all_figures, 1, 5, &all, all_begin, all_run, all_audit, all_end},
};

int main(int argc, char **argv)
{
    return gr_bench_main(argc, argv, benches, sizeof benches / sizeof *benches);
}
