// Memory: how much of it the process holds with 640,000 live jobs on a million accelerators.
#include "bench.h"
#include "pool.h"

#include "place/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define NODES 125000
#define LIVE 640000

// Resident memory of this process in MiB, or a negative errno.
static int resident_read(double *ret_mib, struct gr_err *err)
{
    long pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return gr_fail_errno(err, "open /proc/self/statm");
    }
    int fields = fscanf(file, "%*d %ld", &pages);
    fclose(file);
    if (fields != 1) {
        return gr_fail(err, -EIO, "/proc/self/statm has another form than expected");
    }
    *ret_mib = (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
    return 0;
}

static int run(void *context, double *ret_values, struct gr_err *err)
{
    struct gr_crowd *crowd = context;
    struct gr_crowd_config config = {
        .nodes = NODES, .policy = gr_policies[0]->name, .jobs = LIVE, .pieces = 70000};
    gr_crowd_end(crowd);
    int rc = gr_crowd_begin(&config, crowd, err);
    if (rc != 0) {
        return rc;
    }
    while (crowd->live_count < LIVE) {
        if (!gr_crowd_place(crowd)) {
            return gr_fail(err, -EIO, "no room for %d jobs", LIVE);
        }
    }
    return resident_read(ret_values, err);
}

static int audit(void *context, struct gr_err *err)
{
    const char *wrong = gr_core_audit(((struct gr_crowd *)context)->core);
    return wrong == NULL ? 0 : gr_fail(err, -EIO, "%s", wrong);
}

static void end(void *context)
{
    gr_crowd_end(context);
}

static struct gr_crowd crowd;

static const struct gr_bench_figure figures[] = {{"pool_rss_mib", "MiB", "limit", 512}};
static const struct gr_bench benches[] = {{figures, 1, 5, &crowd, NULL, run, audit, end}};

int main(int argc, char **argv)
{
    return gr_bench_main(argc, argv, benches, 1);
}
