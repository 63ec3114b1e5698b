// A long queue on a big pool: one job ends, who is next. docs/benchmarks.md says more.
#include "bench.h"
#include "pool.h"

#include "core/why.h"
#include "place/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NODES 125000
#define JOBS 2000000
#define PIECES 400000
#define RACK_NODES 500
#define QUEUES 500
#define GROUPS 20
#define WAITING 200000
#define FULL 95.0
#define ENDS 20000
#define KIND_MASKS 8
#define WHYS 500

struct line {
    struct gr_crowd crowd;
    uint64_t *ns, *cpu_ns; // ENDS of each
    uint64_t *waiting;     // ids, room for all there can be
    uint32_t placed, reserved;
};

// Processor time of this thread: what is left of a time when the machine is shared.
static uint64_t cpu_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fact(struct line *line, const struct gr_event *event)
{
    if (gr_core_step(line->crowd.core, event, NULL, NULL) != GR_REFUSED_NOTHING) {
        fprintf(stderr, "a decided fact is refused\n");
        abort();
    }
}

// Organisations in a tree of three levels, of different weights, with one user each.
static void orgs_make(struct line *line)
{
    struct gr_core *core = line->crowd.core;
    for (uint32_t i = 1; i <= GROUPS + QUEUES; i++) {
        struct gr_event event = gr_decide_fact(core, line->crowd.now_ms, GR_ORG_ADDED);
        event.org.parent = i <= GROUPS ? 0 : 1 + i % GROUPS;
        (void)snprintf(event.org.name, sizeof event.org.name, "org-%u", i);
        fact(line, &event);
        event = gr_decide_fact(core, line->crowd.now_ms, GR_ORG_TERMS_SET);
        event.org_terms =
            (struct gr_org_terms){.org = i,
                                  .weight = 500 + (uint32_t)gr_crowd_draw(&line->crowd, 4000),
                                  .priority_max = 255};
        fact(line, &event);
        event = gr_decide_fact(core, line->crowd.now_ms, GR_USER_ADDED);
        event.user_added.org = i;
        fact(line, &event);
    }
}

// What a waiting job asks for: some thousand different things.
static void submission_draw(struct line *line, struct gr_submission *ret)
{
    static const uint8_t devices[] = {1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 8, 0};
    static const uint8_t hours[] = {1, 2, 4, 8, 12, 24, 48, 72, 168, 0};
    struct gr_crowd *crowd = &line->crowd;
    struct gr_demand *demand = &ret->demand;
    uint32_t who = GROUPS + 1 + (uint32_t)gr_crowd_draw(crowd, QUEUES);
    unsigned count = devices[gr_crowd_draw(crowd, sizeof devices)];
    uint32_t cpus = 1 + (uint32_t)gr_crowd_draw(crowd, 12);
    memset(demand, 0, sizeof *demand);
    demand->shape.devices = (uint8_t)count;
    demand->shape.milli = count == 0 ? 0 : GR_DEVICE_MILLI;
    demand->shape.cpu_milli = cpus * 1000 * (count == 0 ? 1 : count);
    demand->shape.memory_mib = 8192u * (1 + (uint32_t)gr_crowd_draw(crowd, 2));
    demand->tasks = count == 8 ? 1u << gr_crowd_draw(crowd, 7) : 1;
    demand->priority = (uint8_t)(50 + 50 * gr_crowd_draw(crowd, 3));
    ret->limit_ms = hours[gr_crowd_draw(crowd, sizeof hours)] * INT64_C(3600000);
    ret->org = who;
    ret->user = who - 1; // users were added in the order of organisations 1, 2, ...
    ret->attempts = 1;
    gr_mask_fill(&ret->mask);
    if (gr_crowd_draw(crowd, 2) == 0) {
        uint64_t kind[GR_POOL_VARIANTS_MAX / 64] = {UINT64_C(1)
                                                    << gr_crowd_draw(crowd, KIND_MASKS)};
        gr_mask_keep_variants(&ret->mask, kind);
    }
}

static void waiting_make(struct line *line)
{
    static struct gr_submission submission;
    for (uint32_t i = 0; i < WAITING; i++) {
        struct gr_event events[2];
        unsigned count = 0;
        submission_draw(line, &submission);
        enum gr_refusal refusal = gr_decide_submit(line->crowd.core, NULL, line->crowd.now_ms,
                                                   &submission, events, &count);
        if (refusal != GR_REFUSED_NOTHING) {
            fprintf(stderr, "a submission is refused: %s\n", gr_refusal_text(refusal));
            abort();
        }
        for (unsigned e = 0; e < count; e++) {
            fact(line, &events[e]);
        }
    }
}

// Applies a decision.
static void decided(struct line *line, const struct gr_event *event)
{
    struct gr_crowd *crowd = &line->crowd;
    fact(line, event);
    if (event->type == GR_JOB_PLACED) {
        crowd->live[crowd->live_count++] = event->placed.job;
        line->placed++;
    } else {
        line->reserved++;
    }
}

// Everything that can start starts.
static void pass(struct line *line)
{
    struct gr_event event;
    while (
        gr_decide_start(line->crowd.core, NULL, line->crowd.now_ms, line->crowd.pieces, &event)) {
        decided(line, &event);
    }
}

static int line_begin(void *context, struct gr_err *err)
{
    struct line *line = context;
    struct gr_crowd_config config = {.nodes = NODES,
                                     .policy = gr_policies[0]->name,
                                     .jobs = JOBS,
                                     .pieces = PIECES,
                                     .rack = RACK_NODES,
                                     .order = GR_ORDER_FAIR,
                                     .orgs = 1 + GROUPS + QUEUES,
                                     .slots = 512};
    line->ns = calloc(ENDS, sizeof *line->ns);
    line->cpu_ns = calloc(ENDS, sizeof *line->cpu_ns);
    line->waiting = calloc(WAITING, sizeof *line->waiting);
    if (line->ns == NULL || line->cpu_ns == NULL || line->waiting == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for times");
    }
    int rc = gr_crowd_begin(&config, &line->crowd, err);
    if (rc != 0) {
        return rc;
    }
    gr_crowd_fill(&line->crowd, FULL);
    orgs_make(line);
    waiting_make(line);
    double begin = gr_bench_now_s();
    pass(line);
    fprintf(stderr, "# %u waiting, %u started at once in %.1f s\n",
            gr_core_waiting(line->crowd.core), line->placed, gr_bench_now_s() - begin);
    return 0;
}

// The policy changes for everybody: a mix is set (the same one), so that all needs wake, slots that
// were learned are forgotten, and whoever can start starts. Returns seconds; *ret_cpu_s: of the
// processor, *ret_index_s: of these for making the index anew.
static double policy_pass(struct line *line, double *ret_cpu_s, double *ret_index_s)
{
    struct gr_crowd *crowd = &line->crowd;
    struct gr_event event = gr_decide_fact(crowd->core, crowd->now_ms, GR_MIX_SET);
    event.items = crowd->mix;
    event.item_count = (uint32_t)crowd->mix_count;
    double begin = gr_bench_now_s();
    uint64_t cpu = cpu_now_ns();
    fact(line, &event);
    gr_place_refresh(gr_core_place_refresh(crowd->core));
    *ret_index_s = (double)(cpu_now_ns() - cpu) * 1e-9;
    pass(line);
    *ret_cpu_s = (double)(cpu_now_ns() - cpu) * 1e-9;
    return gr_bench_now_s() - begin;
}

// One job ends, and who can start starts. Returns nanoseconds until it was known who is next;
// *ret_cpu_ns: of the processor.
static uint64_t end_one(struct line *line, uint64_t *ret_cpu_ns)
{
    struct gr_crowd *crowd = &line->crowd;
    struct gr_event event;
    size_t leaving = gr_crowd_draw(crowd, crowd->live_count);
    crowd->now_ms += 20;
    uint64_t begin = gr_bench_now_ns(), cpu = cpu_now_ns();
    gr_crowd_release(crowd, leaving);
    bool more = gr_decide_start(crowd->core, NULL, crowd->now_ms, crowd->pieces, &event);
    *ret_cpu_ns = cpu_now_ns() - cpu;
    uint64_t ns = gr_bench_now_ns() - begin;
    if (more) {
        decided(line, &event);
        pass(line);
    }
    return ns;
}

static uint32_t waiting_list(struct line *line)
{
    const struct gr_job *job;
    uint32_t cursor = 0, count = 0;
    while (count < WAITING && (job = gr_core_job_next(line->crowd.core, &cursor)) != NULL) {
        if (job->state == GR_JOB_WAITING) {
            line->waiting[count++] = job->id;
        }
    }
    return count;
}

// Asks why jobs wait, any of those that do, each after another end. Returns milliseconds at p99.
static double whys(struct line *line)
{
    static struct gr_why why;
    struct gr_crowd *crowd = &line->crowd;
    uint32_t count = waiting_list(line), asked = 0;
    uint32_t reasons[GR_WHY_REASONS] = {0};
    while (asked < WHYS) {
        uint64_t job = line->waiting[gr_crowd_draw(crowd, count)], unused;
        (void)end_one(line, &unused);
        const struct gr_job *row = gr_core_job_find(crowd->core, job);
        if (row == NULL || row->state != GR_JOB_WAITING) {
            continue; // it started meanwhile
        }
        uint64_t begin = gr_bench_now_ns(), cpu = cpu_now_ns();
        gr_core_why(crowd->core, crowd->now_ms, job, crowd->pieces, &why);
        line->cpu_ns[asked] = cpu_now_ns() - cpu;
        line->ns[asked++] = gr_bench_now_ns() - begin;
        reasons[why.reason]++;
    }
    double p99_ms = (double)gr_bench_percentile(line->ns, asked, 99, 100) * 1e-6;
    fprintf(stderr,
            "# why: median %.3f ms, p99 %.3f, most %.3f; of the processor: median %.3f ms, p99 "
            "%.3f, most %.3f;",
            (double)gr_bench_percentile(line->ns, asked, 50, 100) * 1e-6, p99_ms,
            (double)gr_bench_percentile(line->ns, asked, 1, 1) * 1e-6,
            (double)gr_bench_percentile(line->cpu_ns, asked, 50, 100) * 1e-6,
            (double)gr_bench_percentile(line->cpu_ns, asked, 99, 100) * 1e-6,
            (double)gr_bench_percentile(line->cpu_ns, asked, 1, 1) * 1e-6);
    for (unsigned r = 0; r < GR_WHY_REASONS; r++) {
        if (reasons[r] > 0) {
            fprintf(stderr, " %u %s", reasons[r], gr_why_name((enum gr_why_reason)r));
        }
    }
    fprintf(stderr, "\n");
    return p99_ms;
}

static int line_run(void *context, double *ret_values, struct gr_err *err)
{
    struct line *line = context;
    struct gr_crowd *crowd = &line->crowd;
    double all = 0;
    (void)err;
    line->placed = line->reserved = 0;
    for (uint32_t i = 0; i < ENDS; i++) {
        uint64_t begin = gr_bench_now_ns();
        line->ns[i] = end_one(line, &line->cpu_ns[i]);
        all += (double)(gr_bench_now_ns() - begin);
    }
    ret_values[0] = (double)gr_bench_percentile(line->ns, ENDS, 99, 100) * 1e-6;
    double pass_cpu_s = 0, index_s = 0;
    uint32_t placed = line->placed;
    ret_values[1] = policy_pass(line, &pass_cpu_s, &index_s);
    fprintf(stderr,
            "# run: %.2f %% held, %zu running, %u waiting, %u placed, %u reserved; median %.3f ms, "
            "p99.9 %.3f, most %.1f; %.3f ms an end in all; of the processor: p99 %.3f ms, p99.9 "
            "%.3f; pass %.3f s, %.3f of it the index, %u started\n",
            gr_crowd_used_percent(crowd), crowd->live_count, gr_core_waiting(crowd->core),
            line->placed, line->reserved,
            (double)gr_bench_percentile(line->ns, ENDS, 50, 100) * 1e-6,
            (double)gr_bench_percentile(line->ns, ENDS, 999, 1000) * 1e-6,
            (double)gr_bench_percentile(line->ns, ENDS, 1, 1) * 1e-6, all / ENDS * 1e-6,
            (double)gr_bench_percentile(line->cpu_ns, ENDS, 99, 100) * 1e-6,
            (double)gr_bench_percentile(line->cpu_ns, ENDS, 999, 1000) * 1e-6, pass_cpu_s, index_s,
            line->placed - placed);
    ret_values[2] = whys(line);
    return 0;
}

static int line_audit(void *context, struct gr_err *err)
{
    const char *wrong = gr_core_audit(((struct line *)context)->crowd.core);
    return wrong == NULL ? 0 : gr_fail(err, -EIO, "%s", wrong);
}

static void line_end(void *context)
{
    struct line *line = context;
    gr_crowd_end(&line->crowd);
    free(line->ns);
    free(line->cpu_ns);
    free(line->waiting);
    *line = (struct line){0};
}

static struct line line;
static const struct gr_bench_figure figures[] = {
    {"wake_ms", "ms", "limit", 1},
    {"pass_s", "s", "limit", 1},
    {"why_ms", "ms", "limit", 10},
};
static const struct gr_bench benches[] = {
    {figures, 3, 5, &line, line_begin, line_run, line_audit, line_end},
};

int main(int argc, char **argv)
{
    return gr_bench_main(argc, argv, benches, sizeof benches / sizeof *benches);
}
