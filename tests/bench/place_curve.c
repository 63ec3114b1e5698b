// Cost of a place-and-release pair against the size of the fleet, from 1,000 to 1,000,000
// accelerators, with the number of different node states met on the way (to stderr).
#include "bench.h"
#include "pool.h"

#include "place/policy.h"

#include <errno.h>
#include <stdio.h>

#define SIZES 4
#define RUN_PAIRS 200000
#define FULL 95.0

static const uint32_t nodes[SIZES] = {125, 1250, 12500, 125000};

struct curve {
    struct gr_crowd crowds[SIZES];
};

static int begin(void *context, struct gr_err *err)
{
    struct curve *curve = context;
    for (unsigned s = 0; s < SIZES; s++) {
        struct gr_crowd_config config = {.nodes = nodes[s],
                                         .policy = gr_policies[0]->name,
                                         .jobs = nodes[s] * 60 + 20000,
                                         .pieces = 0};
        int rc = gr_crowd_begin(&config, &curve->crowds[s], err);
        if (rc != 0) {
            return rc;
        }
        gr_crowd_fill(&curve->crowds[s], FULL);
        gr_crowd_churn(&curve->crowds[s], curve->crowds[s].live_count * 2, FULL);
        fprintf(stderr, "# %u accelerators: %ld different states of %u nodes, %zu live jobs\n",
                nodes[s] * 8, gr_crowd_classes(&curve->crowds[s]), nodes[s],
                curve->crowds[s].live_count);
    }
    return 0;
}

static int run(void *context, double *ret_values, struct gr_err *err)
{
    struct curve *curve = context;
    (void)err;
    for (unsigned s = 0; s < SIZES; s++) {
        double start = gr_bench_now_s();
        gr_crowd_churn(&curve->crowds[s], RUN_PAIRS, FULL);
        ret_values[s] = (gr_bench_now_s() - start) * 1e6 / RUN_PAIRS;
    }
    return 0;
}

static int audit(void *context, struct gr_err *err)
{
    struct curve *curve = context;
    for (unsigned s = 0; s < SIZES; s++) {
        const char *wrong = gr_core_audit(curve->crowds[s].core);
        if (wrong != NULL) {
            return gr_fail(err, -EIO, "%u nodes: %s", nodes[s], wrong);
        }
    }
    return 0;
}

static void end(void *context)
{
    struct curve *curve = context;
    for (unsigned s = 0; s < SIZES; s++) {
        gr_crowd_end(&curve->crowds[s]);
    }
}

static struct curve curve;

static const struct gr_bench_figure figures[] = {
    {"pair_1000_us", "us", "limit", 4},
    {"pair_10000_us", "us", "pair_1000_us", 0},
    {"pair_100000_us", "us", "pair_1000_us", 0},
    {"pair_1000000_us", "us", "pair_1000_us", 0},
};
static const struct gr_bench benches[] = {{figures, SIZES, 5, &curve, begin, run, audit, end}};

int main(int argc, char **argv)
{
    return gr_bench_main(argc, argv, benches, 1);
}
