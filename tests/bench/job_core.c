// One job's way through the core on one thread: submission, start, first instruction, end; each
// decided, checked, encoded and applied. Without a journal. docs/benchmarks.md says more.
#include "bench.h"
#include "pool.h"

#include "codec/event_bytes.h"
#include "place/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODES 1250
#define JOBS 65536
#define ORGS 100
#define RUN_JOBS 500000
#define FULL 70.0
#define GROUP_BYTES (1u << 20)

struct jobs {
    struct gr_crowd crowd;
    uint8_t *group; // bytes that gather
    size_t size;    // of these
    uint64_t bytes; // encoded in all
};

static void fact(struct jobs *jobs, const struct gr_event *event)
{
    if (gr_core_step(jobs->crowd.core, event, NULL, NULL) != GR_REFUSED_NOTHING) {
        fprintf(stderr, "a decided fact is refused\n");
        abort();
    }
    long size = gr_event_encode(event, jobs->group + jobs->size, GROUP_BYTES - jobs->size);
    if (size < 0) { // the group is full: the journal would take it
        jobs->size = 0;
        size = gr_event_encode(event, jobs->group, GROUP_BYTES);
    }
    jobs->size += (size_t)size;
    jobs->bytes += (uint64_t)size;
}

static int jobs_begin(void *context, struct gr_err *err)
{
    struct jobs *jobs = context;
    struct gr_crowd_config config = {
        .nodes = NODES, .policy = gr_policies[0]->name, .jobs = JOBS, .pieces = 16};
    int rc = gr_crowd_begin(&config, &jobs->crowd, err);
    if (rc != 0) {
        return rc;
    }
    jobs->group = malloc(GROUP_BYTES);
    if (jobs->group == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for a group");
    }
    for (uint32_t i = 1; i < ORGS; i++) {
        struct gr_event event = gr_decide_fact(jobs->crowd.core, 0, GR_ORG_ADDED);
        event.org.parent = 0;
        (void)snprintf(event.org.name, sizeof event.org.name, "org-%u", i);
        fact(jobs, &event);
    }
    for (uint32_t i = 0; i < ORGS; i++) {
        struct gr_event event = gr_decide_fact(jobs->crowd.core, 0, GR_USER_ADDED);
        event.user_added.org = i;
        fact(jobs, &event);
    }
    gr_crowd_fill(&jobs->crowd, FULL);
    return 0;
}

static void job_submit(struct jobs *jobs, int64_t now)
{
    static struct gr_submission submission;
    struct gr_crowd *crowd = &jobs->crowd;
    struct gr_event events[2];
    unsigned count;
    submission.demand = (struct gr_demand){.shape = *gr_crowd_shape(crowd), .tasks = 1};
    submission.org = submission.user = (uint32_t)gr_crowd_draw(crowd, ORGS);
    submission.limit_ms = 3600000;
    gr_mask_fill(&submission.mask);
    if (gr_decide_submit(crowd->core, NULL, now, &submission, events, &count) !=
        GR_REFUSED_NOTHING) {
        fprintf(stderr, "a submission is refused\n");
        abort();
    }
    for (unsigned i = 0; i < count; i++) {
        fact(jobs, &events[i]);
    }
}

static int jobs_run(void *context, double *ret_values, struct gr_err *err)
{
    struct jobs *jobs = context;
    struct gr_crowd *crowd = &jobs->crowd;
    struct gr_event event;
    (void)err;
    jobs->bytes = 0;
    double begin = gr_bench_now_s();
    for (uint32_t i = 0; i < RUN_JOBS; i++) {
        int64_t now = ++crowd->now_ms;
        size_t leaving = gr_crowd_next(crowd);
        struct gr_ending ending = {.began_ms = now - 1, .cpu_ms = 5, .peak_kib = 1000};
        event = gr_decide_end(crowd->core, now, now, crowd->live[leaving], &ending);
        fact(jobs, &event);
        crowd->live[leaving] = crowd->live[--crowd->live_count];
        gr_crowd_next_draw(crowd);
        job_submit(jobs, now);
        while (gr_decide_start(crowd->core, NULL, now, crowd->pieces, &event)) {
            fact(jobs, &event);
            crowd->live[crowd->live_count++] = event.placed.job;
            uint32_t attempt = event.placed.attempt;
            event = gr_decide_fact(crowd->core, now, GR_JOB_STARTED);
            event.started.job = crowd->live[crowd->live_count - 1];
            event.started.attempt = attempt;
            fact(jobs, &event);
        }
    }
    ret_values[0] = RUN_JOBS / (gr_bench_now_s() - begin);
    fprintf(stderr, "# run: %.2f %% held, %zu running, %u waiting, %.0f bytes a job\n",
            gr_crowd_used_percent(crowd), crowd->live_count, gr_core_waiting(crowd->core),
            (double)jobs->bytes / RUN_JOBS);
    return 0;
}

static int jobs_audit(void *context, struct gr_err *err)
{
    const char *wrong = gr_core_audit(((struct jobs *)context)->crowd.core);
    return wrong == NULL ? 0 : gr_fail(err, -EIO, "%s", wrong);
}

static void jobs_end(void *context)
{
    struct jobs *jobs = context;
    gr_crowd_end(&jobs->crowd);
    free(jobs->group);
    *jobs = (struct jobs){0};
}

static struct jobs jobs;
static const struct gr_bench_figure figures[] = {
    {"job_core_per_s", "jobs/s", "limit", 250000},
};
static const struct gr_bench benches[] = {
    {figures, 1, 5, &jobs, jobs_begin, jobs_run, jobs_audit, jobs_end},
};

int main(int argc, char **argv)
{
    return gr_bench_main(argc, argv, benches, sizeof benches / sizeof *benches);
}
