// The published curves of a folder of openb traces, reproduced: `openb_curves FOLDER [TRACES
// SEEDS]`.
//
// Every point of every curve of the five deterministic policies must be met to 0.011 (half of that
// is the rounding of what was published), and no run may exceed its ceiling. With TRACES and SEEDS
// the folder must hold at least so many: a folder that lost its files proves nothing. Exits with 77
// and a reason if the folder is not there.
#include "replay/bench_openb.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOLERANCE 0.011

static const char *const policies[] = {"dotprod", "clustering", "packing", "bestfit", "fgd"};
#define POLICIES (sizeof policies / sizeof policies[0])

static int fail(const struct gr_err *err)
{
    fprintf(stderr, "openb_curves: %s\n", err->text);
    return EXIT_FAILURE;
}

// Prints a row if it is wrong. Returns whether it is.
static bool is_wrong(const struct gr_bench_row *row)
{
    bool wrong = row->difference < 0 || row->difference > TOLERANCE || row->ceiling < 0;
    if (wrong) {
        fprintf(stderr,
                "openb_curves: trace %s, policy %s: largest difference %.4f, expected a published "
                "curve, at most %.3f from it, and a ceiling\n",
                row->trace, row->policy, row->difference, TOLERANCE);
    }
    return wrong;
}

static int compare(const struct gr_openb *openb, unsigned traces, unsigned seeds)
{
    struct gr_bench_config config = {.policies = policies, .policy_count = POLICIES};
    struct gr_bench_row *rows = NULL;
    size_t count = 0;
    struct gr_err err;
    gr_err_init(&err);
    if (gr_bench_openb(openb, &config, &rows, &count, &err) < 0) {
        return fail(&err);
    }
    unsigned wrong = 0, runs = 0;
    double largest = 0;
    for (size_t i = 0; i < count; i++) {
        wrong += is_wrong(&rows[i]) || rows[i].seeds < seeds;
        runs += rows[i].seeds;
        largest = rows[i].difference > largest ? rows[i].difference : largest;
    }
    free(rows);
    printf("%zu traces, %u runs, largest difference %.4f points\n", count / POLICIES, runs,
           largest);
    if (count < traces * POLICIES) {
        fprintf(stderr, "openb_curves: %zu traces, expected at least %u\n", count / POLICIES,
                traces);
        return EXIT_FAILURE;
    }
    return wrong > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: openb_curves FOLDER [TRACES SEEDS]\n");
        return 2;
    }
    if (access(argv[1], F_OK) < 0) {
        printf("SKIP: %s is not there; tests/data/openb is compared instead\n", argv[1]);
        return 77;
    }
    struct gr_openb openb;
    struct gr_err err;
    gr_err_init(&err);
    if (gr_openb_open(argv[1], &openb, &err) < 0) {
        return fail(&err);
    }
    unsigned traces = argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    unsigned seeds = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 1;
    int status = compare(&openb, traces, seeds);
    gr_openb_close(&openb);
    return status;
}
