// A start with a big state: a saved core is loaded, and a tail of facts is read from bytes, checked
// and applied. docs/benchmarks.md says more.
#include "bench.h"
#include "pool.h"

#include "codec/event_bytes.h"
#include "core/save.h"
#include "place/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODES 125000
#define JOBS 1600000
#define PIECES 70000
#define RUNNING_PERCENT 75.0 // of devices: about a million jobs
#define WAITING 200000
#define TAIL 2000000
// Facts that are read, announced and applied together.
#define TOGETHER 64

struct restart {
    struct gr_crowd crowd;
    struct gr_core_config config;
    uint8_t *saved, *tail; // heap
    size_t saved_size, saved_room, tail_size, tail_room;
    uint32_t tail_count;
    struct gr_core *core; // the last one loaded
    struct gr_event_room *room;
    struct gr_event *events; // TOGETHER
};

static int saved_write(void *context, const void *bytes, size_t size, struct gr_err *err)
{
    struct restart *restart = context;
    if (restart->saved_size + size > restart->saved_room) {
        restart->saved_room = 2 * (restart->saved_size + size);
        restart->saved = realloc(restart->saved, restart->saved_room);
        if (restart->saved == NULL) {
            return gr_fail(err, -ENOMEM, "no memory to save");
        }
    }
    memcpy(restart->saved + restart->saved_size, bytes, size);
    restart->saved_size += size;
    return 0;
}

// Applies a fact and adds it to the tail.
static void tail_fact(struct restart *restart, const struct gr_event *event)
{
    if (restart->tail_room - restart->tail_size < 4096) {
        restart->tail_room = 2 * restart->tail_room + (64u << 20);
        restart->tail = realloc(restart->tail, restart->tail_room);
    }
    long size = restart->tail == NULL ? -1
                                      : gr_event_encode(event, restart->tail + restart->tail_size,
                                                        restart->tail_room - restart->tail_size);
    if (size < 0 || gr_core_step(restart->crowd.core, event, NULL, NULL) != GR_REFUSED_NOTHING) {
        fprintf(stderr, "the tail cannot be made\n");
        abort();
    }
    restart->tail_size += (size_t)size;
    restart->tail_count++;
}

// Work goes on: one ends, one is submitted, what fits is started, and begins.
static void tail_make(struct restart *restart)
{
    static struct gr_submission submission;
    struct gr_crowd *crowd = &restart->crowd;
    submission.user = UINT32_MAX;
    while (restart->tail_count < TAIL) {
        struct gr_event events[2];
        unsigned count = 0;
        int64_t now = ++crowd->now_ms;
        size_t leaving = gr_crowd_next(crowd);
        struct gr_ending ending = {.began_ms = now - 1, .cpu_ms = 5, .peak_kib = 1000};
        events[0] = gr_decide_end(crowd->core, now, now, crowd->live[leaving], &ending);
        tail_fact(restart, &events[0]);
        crowd->live[leaving] = crowd->live[--crowd->live_count];
        gr_crowd_next_draw(crowd);
        submission.demand =
            (struct gr_demand){.shape = *gr_crowd_shape(crowd), .tasks = 1, .priority = 1};
        gr_mask_fill(&submission.mask);
        (void)gr_decide_submit(crowd->core, NULL, now, &submission, events, &count);
        tail_fact(restart, &events[0]);
        uint64_t job = events[0].sequence;
        if (gr_decide_start_job(crowd->core, NULL, now, job, crowd->pieces, &events[0]) !=
            GR_REFUSED_NOTHING) {
            continue;
        }
        tail_fact(restart, &events[0]);
        crowd->live[crowd->live_count++] = job;
        events[1] = gr_decide_fact(crowd->core, now, GR_JOB_STARTED);
        events[1].started.job = job;
        events[1].started.attempt = 1;
        tail_fact(restart, &events[1]);
    }
}

static int waiting_make(struct restart *restart, struct gr_err *err)
{
    static struct gr_submission submission;
    struct gr_crowd *crowd = &restart->crowd;
    submission.user = UINT32_MAX;
    for (uint32_t i = 0; i < WAITING; i++) {
        struct gr_event events[2];
        unsigned count = 0;
        submission.demand = (struct gr_demand){.shape = *gr_crowd_shape(crowd), .tasks = 1};
        gr_mask_fill(&submission.mask);
        if (gr_decide_submit(crowd->core, NULL, crowd->now_ms, &submission, events, &count) !=
                GR_REFUSED_NOTHING ||
            gr_core_step(crowd->core, &events[0], NULL, NULL) != GR_REFUSED_NOTHING) {
            return gr_fail(err, -EIO, "a submission is refused");
        }
    }
    return 0;
}

static int restart_begin(void *context, struct gr_err *err)
{
    struct restart *restart = context;
    struct gr_crowd_config config = {
        .nodes = NODES, .policy = gr_policies[0]->name, .jobs = JOBS, .pieces = PIECES};
    restart->room = malloc(sizeof *restart->room);
    restart->events = calloc(TOGETHER, sizeof *restart->events);
    if (restart->room == NULL || restart->events == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for facts");
    }
    int rc = gr_crowd_begin(&config, &restart->crowd, err);
    if (rc != 0) {
        return rc;
    }
    restart->config = gr_crowd_core(&config);
    gr_crowd_fill(&restart->crowd, RUNNING_PERCENT);
    rc = waiting_make(restart, err);
    rc = rc != 0 ? rc : gr_core_save(restart->crowd.core, saved_write, restart, err);
    if (rc != 0) {
        return rc;
    }
    fprintf(stderr, "# saved: %u running, %u waiting, %.0f MiB\n",
            gr_core_running(restart->crowd.core), gr_core_waiting(restart->crowd.core),
            (double)restart->saved_size / 1048576);
    tail_make(restart);
    fprintf(stderr, "# tail: %u facts, %.0f bytes each\n", restart->tail_count,
            (double)restart->tail_size / restart->tail_count);
    return 0;
}

static int tail_apply(struct restart *restart, struct gr_err *err)
{
    size_t at = 0;
    while (at < restart->tail_size) {
        uint32_t count;
        long used = gr_event_decode_many(restart->tail + at, restart->tail_size - at, restart->room,
                                         restart->events, TOGETHER, &count, err);
        if (used <= 0) {
            return -EIO;
        }
        gr_core_soon(restart->core, restart->events, count);
        for (uint32_t i = 0; i < count; i++) {
            if (gr_core_step(restart->core, &restart->events[i], NULL, NULL) !=
                GR_REFUSED_NOTHING) {
                return gr_fail(err, -EIO, "a fact of the tail is refused");
            }
        }
        at += (size_t)used;
    }
    return 0;
}

static int restart_run(void *context, double *ret_values, struct gr_err *err)
{
    struct restart *restart = context;
    gr_core_free(restart->core);
    restart->core = NULL;
    double begin = gr_bench_now_s();
    int rc =
        gr_core_load(&restart->config, restart->saved, restart->saved_size, &restart->core, err);
    if (rc != 0) {
        return rc;
    }
    double loaded = gr_bench_now_s();
    rc = tail_apply(restart, err);
    if (rc != 0) {
        return rc;
    }
    double applied = gr_bench_now_s();
    gr_place_refresh(gr_core_place_refresh(restart->core));
    ret_values[0] = loaded - begin;
    ret_values[1] = restart->tail_count / (applied - loaded);
    ret_values[2] = gr_bench_now_s() - applied;
    return 0;
}

static int restart_audit(void *context, struct gr_err *err)
{
    struct restart *restart = context;
    uint8_t one[32], two[32];
    gr_core_digest(restart->core, one);
    gr_core_digest(restart->crowd.core, two);
    const char *wrong = gr_core_audit(restart->core);
    return wrong != NULL                       ? gr_fail(err, -EIO, "%s", wrong)
           : memcmp(one, two, sizeof one) != 0 ? gr_fail(err, -EIO, "another digest")
                                               : 0;
}

static void restart_end(void *context)
{
    struct restart *restart = context;
    gr_crowd_end(&restart->crowd);
    gr_core_free(restart->core);
    free(restart->saved);
    free(restart->tail);
    free(restart->room);
    free(restart->events);
    *restart = (struct restart){0};
}

static struct restart restart;
static const struct gr_bench_figure figures[] = {
    {"restart_load_s", "s", "limit", 1},
    {"restart_tail_per_s", "facts/s", "limit", 1000000},
    {"restart_index_s", "s", "limit", 1},
};
static const struct gr_bench benches[] = {
    {figures, 3, 5, &restart, restart_begin, restart_run, restart_audit, restart_end},
};

int main(int argc, char **argv)
{
    return gr_bench_main(argc, argv, benches, sizeof benches / sizeof *benches);
}
