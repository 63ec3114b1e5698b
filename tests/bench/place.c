// The big pool: how many place-and-release pairs a second, how long one placement takes at worst,
// what the bare index does, how long a gang of 16,384 accelerators takes. docs/benchmarks.md says
// more.
#include "bench.h"
#include "pool.h"

#include "place/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NODES 125000
#define STEADY_PAIRS 10000000
#define RUN_PAIRS 1000000
#define JOBS 1600000
#define PIECES 70000
#define FULL 95.0

static int audit_core(const struct gr_core *core, struct gr_err *err)
{
    const char *wrong = gr_core_audit(core);
    return wrong == NULL ? 0 : gr_fail(err, -EIO, "%s", wrong);
}

// --- place_pairs_per_s, place_p99_us, and the index under them: one crowd

struct steady {
    struct gr_crowd crowd;
    bool ready;
    uint64_t *samples; // nanoseconds, one a placement
    size_t sample_count;
    // the bare index: the crowd's nodes and pieces under first fit
    void *memory;
    struct gr_place *place;
    struct gr_piece *pieces;
    size_t piece_count;
};

static int steady_begin(void *context, struct gr_err *err)
{
    struct steady *steady = context;
    struct gr_crowd_config config = {
        .nodes = NODES, .policy = gr_policies[0]->name, .jobs = JOBS, .pieces = PIECES};
    if (steady->ready) {
        return 0;
    }
    int rc = gr_crowd_begin(&config, &steady->crowd, err);
    if (rc != 0) {
        return rc;
    }
    steady->samples = calloc(8 * (size_t)RUN_PAIRS, sizeof *steady->samples);
    if (steady->samples == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for samples");
    }
    gr_crowd_fill(&steady->crowd, FULL);
    gr_crowd_churn(&steady->crowd, STEADY_PAIRS, FULL);
    fprintf(stderr,
            "# steady: %zu live jobs, %.2f %% held, %ld different node states of %d, "
            "%llu of %d placements found no room on the way\n",
            steady->crowd.live_count, gr_crowd_used_percent(&steady->crowd),
            gr_crowd_classes(&steady->crowd), NODES, (unsigned long long)steady->crowd.failures,
            STEADY_PAIRS);
    steady->ready = true;
    return 0;
}

static int steady_run(void *context, double *ret_values, struct gr_err *err)
{
    struct steady *steady = context;
    struct gr_crowd *crowd = &steady->crowd;
    uint64_t most = (uint64_t)((double)crowd->capacity_milli * FULL / 100);
    (void)err;
    crowd->failures = 0;
    steady->sample_count = 0;
    double begin = gr_bench_now_s();
    uint64_t placed = 0;
    for (uint64_t i = 0; i < RUN_PAIRS; i++) {
        size_t leaving = gr_crowd_next(crowd);
        gr_crowd_release(crowd, leaving);
        gr_crowd_next_draw(crowd);
        for (unsigned t = 0; t < 4 && gr_core_used_milli(crowd->core) < most; t++) {
            uint64_t before = gr_bench_now_ns();
            placed += gr_crowd_place(crowd);
            steady->samples[steady->sample_count++] = gr_bench_now_ns() - before;
        }
    }
    double took = gr_bench_now_s() - begin;
    uint64_t pairs = placed < RUN_PAIRS ? placed : RUN_PAIRS;
    ret_values[0] = (double)pairs / took;
    ret_values[1] =
        (double)gr_bench_percentile(steady->samples, steady->sample_count, 99, 100) / 1e3;
    fprintf(stderr, "# run: %llu placed, %llu found no room, %.2f %% held\n",
            (unsigned long long)placed, (unsigned long long)crowd->failures,
            gr_crowd_used_percent(crowd));
    return 0;
}

static int steady_audit(void *context, struct gr_err *err)
{
    return audit_core(((struct steady *)context)->crowd.core, err);
}

static int index_begin(void *context, struct gr_err *err)
{
    struct steady *steady = context;
    int rc = steady_begin(context, err);
    if (rc != 0) {
        return rc;
    }
    struct gr_crowd *crowd = &steady->crowd;
    const struct gr_place *from = gr_core_place(crowd->core);
    struct gr_place_limits limits = *gr_place_limits_get(from);
    size_t size = gr_place_size(&limits);
    size_t page = (size_t)2 << 20; // huge ones, as the core asks for
    steady->memory = aligned_alloc(page, (size + page - 1) / page * page);
    steady->pieces = calloc(crowd->live_max, sizeof *steady->pieces);
    if (steady->memory == NULL || steady->pieces == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the bare index");
    }
    (void)madvise(steady->memory, size, MADV_HUGEPAGE);
    memset(steady->memory, 0, size);
    steady->place = gr_place_init(steady->memory, &limits, "firstfit", 0);
    for (uint32_t n = 0; n < gr_place_node_count(from); n++) {
        struct gr_node node = *gr_place_node_get(from, n);
        const struct gr_node_cold *cold = gr_place_cold_get(from, n);
        node.cpu_milli = cold->cpu_milli;
        node.memory_mib = cold->memory_mib;
        for (unsigned i = 0; i < node.devices; i++) {
            node.free[i] = GR_DEVICE_MILLI;
        }
        (void)gr_place_node_add(steady->place, &node, cold->name);
    }
    (void)gr_place_mask_add(steady->place, gr_place_mask_get(from, 0));
    gr_place_mix_set(steady->place, crowd->mix, crowd->mix_count);
    for (size_t i = 0; i < crowd->live_count; i++) {
        (void)gr_core_job_pieces(crowd->core, crowd->live[i], &steady->pieces[i], 1);
        gr_place_take(steady->place, &steady->pieces[i]);
    }
    steady->piece_count = crowd->live_count;
    gr_place_refresh(steady->place);
    return 0;
}

static int index_run(void *context, double *ret_values, struct gr_err *err)
{
    struct steady *steady = context;
    struct gr_crowd *crowd = &steady->crowd;
    uint64_t placed = 0;
    (void)err;
    size_t at = gr_crowd_draw(crowd, steady->piece_count);
    double begin = gr_bench_now_s();
    for (uint64_t i = 0; i < RUN_PAIRS; i++) {
        gr_place_give(steady->place, &steady->pieces[at]);
        steady->pieces[at] = steady->pieces[--steady->piece_count];
        at = gr_crowd_draw(crowd, steady->piece_count); // one ahead, as gr_crowd_next_draw
        __builtin_prefetch(&steady->pieces[at]);
        for (unsigned t = 0; t < 2; t++) {
            if (gr_place_find(steady->place, gr_crowd_shape(crowd), 0,
                              &steady->pieces[steady->piece_count])) {
                gr_place_take(steady->place, &steady->pieces[steady->piece_count++]);
                placed++;
                break;
            }
        }
    }
    ret_values[0] = (double)placed / (gr_bench_now_s() - begin);
    return 0;
}

static int index_audit(void *context, struct gr_err *err)
{
    const char *wrong = gr_place_audit(((struct steady *)context)->place);
    return wrong == NULL ? 0 : gr_fail(err, -EIO, "%s", wrong);
}

static void index_end(void *context)
{
    struct steady *steady = context;
    gr_crowd_end(&steady->crowd);
    free(steady->samples);
    free(steady->memory);
    free(steady->pieces);
    *steady = (struct steady){0};
}

// --- gang_16384_ms

#define RACK_NODES 16
#define RACKS_FREE 320 // scattered over the fleet, of 7,813

struct gang {
    struct gr_crowd crowd;
};

static void rack_state(struct gr_crowd *crowd, uint32_t rack, enum gr_node_state state)
{
    for (uint32_t n = rack * RACK_NODES; n < (rack + 1) * RACK_NODES; n++) {
        struct gr_event event = gr_decide_fact(crowd->core, crowd->now_ms, GR_NODE_STATE_SET);
        event.node_state.node = n;
        event.node_state.state = (uint32_t)state;
        (void)gr_core_apply(crowd->core, &event, NULL);
    }
}

static int gang_begin(void *context, struct gr_err *err)
{
    struct gang *gang = context;
    struct gr_crowd_config config = {
        .nodes = NODES, .policy = gr_policies[0]->name, .jobs = JOBS, .pieces = PIECES};
    int rc = gr_crowd_begin(&config, &gang->crowd, err);
    if (rc != 0) {
        return rc;
    }
    uint32_t racks[RACKS_FREE];
    for (unsigned i = 0; i < RACKS_FREE; i++) {
        racks[i] = (uint32_t)gr_crowd_draw(&gang->crowd, NODES / RACK_NODES);
        rack_state(&gang->crowd, racks[i], GR_NODE_DRAINED);
    }
    gr_crowd_fill(&gang->crowd, 80.0);
    for (unsigned i = 0; i < RACKS_FREE; i++) {
        rack_state(&gang->crowd, racks[i], GR_NODE_UP);
    }
    gr_place_refresh(gr_core_place_refresh(gang->crowd.core));
    return 0;
}

static int gang_run(void *context, double *ret_values, struct gr_err *err)
{
    struct gang *gang = context;
    struct gr_core *core = gang->crowd.core;
    static struct gr_submission submission;
    struct gr_event facts[2];
    unsigned count;
    submission.demand = (struct gr_demand){
        .shape = {.cpu_milli = 96000, .memory_mib = 262144, .milli = GR_DEVICE_MILLI, .devices = 8},
        .tasks = 2048,
        .domain_level = 2,
        .domain_tasks = RACK_NODES};
    submission.user = UINT32_MAX;
    gr_mask_fill(&submission.mask);
    int64_t now = ++gang->crowd.now_ms;
    enum gr_refusal refusal = gr_decide_submit(core, NULL, now, &submission, facts, &count);
    if (refusal != GR_REFUSED_NOTHING) {
        return gr_fail(err, -EIO, "submission refused: %s", gr_refusal_text(refusal));
    }
    (void)gr_core_apply(core, &facts[0], NULL);
    uint64_t job = facts[0].sequence;
    double begin = gr_bench_now_s();
    refusal = gr_decide_start_job(core, NULL, now, job, gang->crowd.pieces, &facts[1]);
    if (refusal == GR_REFUSED_NOTHING) {
        refusal = gr_core_check(core, &facts[1]);
    }
    if (refusal != GR_REFUSED_NOTHING) {
        return gr_fail(err, -EIO, "the gang was refused: %s", gr_refusal_text(refusal));
    }
    (void)gr_core_apply(core, &facts[1], NULL);
    gr_place_refresh(gr_core_place_refresh(core)); // the index is ready for the next decision
    ret_values[0] = (gr_bench_now_s() - begin) * 1e3;
    now = ++gang->crowd.now_ms;
    struct gr_ending ending = {.outcome = GR_OUTCOME_DONE};
    facts[0] = gr_decide_end(core, now, now, job, &ending);
    (void)gr_core_apply(core, &facts[0], NULL);
    gr_place_refresh(gr_core_place_refresh(core));
    return 0;
}

static int gang_audit(void *context, struct gr_err *err)
{
    return audit_core(((struct gang *)context)->crowd.core, err);
}

static void gang_end(void *context)
{
    gr_crowd_end(&((struct gang *)context)->crowd);
}

static struct steady steady;
static struct gang gang;

static const struct gr_bench_figure pair_figures[] = {
    {"place_pairs_per_s", "pairs/s", "limit", 250000},
    {"place_p99_us", "us", "limit", 10},
};
static const struct gr_bench_figure index_figures[] = {
    {"index_pairs_per_s", "pairs/s", "limit", 1000000},
};
static const struct gr_bench_figure gang_figures[] = {
    {"gang_16384_ms", "ms", "limit", 2},
};

static const struct gr_bench benches[] = {
    {pair_figures, 2, 5, &steady, steady_begin, steady_run, steady_audit, NULL},
    {index_figures, 1, 5, &steady, index_begin, index_run, index_audit, index_end},
    {gang_figures, 1, 11, &gang, gang_begin, gang_run, gang_audit, gang_end},
};

int main(int argc, char **argv)
{
    return gr_bench_main(argc, argv, benches, sizeof benches / sizeof *benches);
}
