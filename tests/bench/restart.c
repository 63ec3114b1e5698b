// A start of the real daemon with a big state: a snapshot, a tail of facts in the journal and a
// history that is nearly complete, as a daemon leaves them that is killed; killed again after each
// start. docs/benchmarks.md says more.
#include "bench.h"
#include "live.h"
#include "pool.h"

#include "codec/event_bytes.h"
#include "core/save.h"
#include "daemon/aside.h"
#include "daemon/history.h"
#include "daemon/serve.h"
#include "engine/local.h"
#include "journal/journal.h"
#include "journal/snapshot.h"
#include "place/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NODES 125000
#define JOBS 1600000
#define PIECES 70000
#define RUNNING_PERCENT 75.0 // of devices: about a million jobs
#define WAITING 200000
#define TAIL 2000000
// Racks are large here: as many as a pool has room for by default.
#define RACK_NODES 500
#define GROUP_FACTS 1000u
// Bytes of a spec beside each submission: a command, 10 variables, limits.
#define SPEC_BYTES 440u

struct restart {
    struct gr_live_daemon daemon;
    struct gr_crowd crowd;
    struct gr_journal *journal;
    struct gr_history *history;
    uint8_t *group; // bytes that gather
    size_t group_size, group_room;
    uint8_t *aside; // specs of the group
    size_t aside_size;
    uint64_t tail_last;
    uint32_t tail_count, live; // of them facts; jobs in the end
    bool is_cold;
};

static int group_write(struct restart *restart, struct gr_err *err)
{
    struct gr_journal_tip tip = gr_journal_tip_get(restart->journal);
    const struct gr_journal_group group = {.first = tip.sequence + 1,
                                           .last = restart->tail_last,
                                           .epoch = tip.epoch,
                                           .payload = restart->group,
                                           .payload_size = restart->group_size,
                                           .aside = restart->aside,
                                           .aside_size = restart->aside_size};
    int rc = gr_journal_append(restart->journal, &group, tip.sequence, err);
    rc = rc != 0 ? rc : gr_journal_wait(restart->journal, err);
    restart->group_size = restart->aside_size = 0;
    return rc < 0 ? rc : 0;
}

// The pool's history knows who ended.
static void tell(struct restart *restart, const struct gr_event *event)
{
    struct gr_ended ended;
    const struct timespec pause = {.tv_nsec = 1000000};
    gr_ended_from(restart->crowd.core, event, &ended);
    while (gr_history_waiting_percent(restart->history) > 50) {
        nanosleep(&pause, NULL);
    }
    (void)gr_history_add(restart->history, event->sequence, &ended);
    gr_history_told(restart->history, event->sequence);
}

// Applies a fact and adds it to the tail.
static int tail_fact(struct restart *restart, const struct gr_event *event, struct gr_err *err)
{
    if (event->type == GR_JOB_FINISHED) {
        tell(restart, event);
    }
    if (event->type == GR_JOB_SUBMITTED) {
        static const uint8_t spec[SPEC_BYTES];
        restart->aside_size += gr_aside_write(restart->aside + restart->aside_size, event->sequence,
                                              spec, sizeof spec);
    }
    long size = gr_event_encode(event, restart->group + restart->group_size,
                                restart->group_room - restart->group_size);
    if (size < 0 || gr_core_step(restart->crowd.core, event, NULL, NULL) != GR_REFUSED_NOTHING) {
        return gr_fail(err, -EIO, "the tail cannot be made");
    }
    restart->group_size += (size_t)size;
    restart->tail_last = event->sequence;
    restart->tail_count++;
    return restart->tail_count % GROUP_FACTS == 0 ? group_write(restart, err) : 0;
}

// Work goes on: one ends, one is submitted, it is started if it fits, and begins.
static int tail_step(struct restart *restart, struct gr_err *err)
{
    static struct gr_submission submission;
    struct gr_crowd *crowd = &restart->crowd;
    struct gr_event events[2];
    unsigned count = 0;
    int64_t now = ++crowd->now_ms;
    size_t leaving = gr_crowd_next(crowd);
    struct gr_ending ending = {.began_ms = now - 1, .cpu_ms = 5, .peak_kib = 1000};
    events[0] = gr_decide_end(crowd->core, now, now, crowd->live[leaving], &ending);
    int rc = tail_fact(restart, &events[0], err);
    crowd->live[leaving] = crowd->live[--crowd->live_count];
    gr_crowd_next_draw(crowd);
    submission.user = UINT32_MAX;
    submission.demand =
        (struct gr_demand){.shape = *gr_crowd_shape(crowd), .tasks = 1, .priority = 1};
    gr_mask_fill(&submission.mask);
    (void)gr_decide_submit(crowd->core, NULL, now, &submission, events, &count);
    rc = rc != 0 ? rc : tail_fact(restart, &events[0], err);
    uint64_t job = events[0].sequence;
    if (rc != 0 || gr_decide_start_job(crowd->core, NULL, now, job, crowd->pieces, &events[0]) !=
                       GR_REFUSED_NOTHING) {
        return rc;
    }
    rc = tail_fact(restart, &events[0], err);
    crowd->live[crowd->live_count++] = job;
    events[1] = gr_decide_fact(crowd->core, now, GR_JOB_STARTED);
    events[1].started.job = job;
    events[1].started.attempt = 1;
    return rc != 0 ? rc : tail_fact(restart, &events[1], err);
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

// What came before the snapshot: nobody reads it, so it is one group of one byte.
static int past_write(struct restart *restart, struct gr_err *err)
{
    restart->group[0] = 0;
    restart->group_size = 1;
    restart->tail_last = gr_core_next_sequence(restart->crowd.core) - 1;
    return group_write(restart, err);
}

static int snapshot_write(struct restart *restart, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    struct gr_journal_tip tip = gr_journal_tip_get(restart->journal);
    struct gr_snapshot_mark mark = {.sequence = tip.sequence};
    struct gr_snapshot_writer *writer = NULL;
    memcpy(mark.hash, tip.hash, sizeof mark.hash);
    int rc = gr_state_path(restart->daemon.state, "snapshots", path, err);
    rc = rc != 0 ? rc : gr_snapshot_create(path, &mark, &writer, err);
    rc = rc != 0 ? rc : gr_core_save(restart->crowd.core, gr_snapshot_write, writer, err);
    if (rc != 0) {
        gr_snapshot_abort(writer);
        return rc;
    }
    return gr_snapshot_commit(writer, 1, err);
}

static int state_open(struct restart *restart, struct gr_state_dir *dir, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    char history[GR_STATE_PATH_SIZE];
    int rc = gr_state_dir_open(restart->daemon.state, dir, err);
    rc = rc != 0 ? rc : gr_state_path(restart->daemon.state, "journal", path, err);
    rc = rc != 0 ? rc : gr_state_path(restart->daemon.state, "history", history, err);
    struct gr_journal_config config = {.dir = path};
    rc = rc != 0 ? rc : gr_journal_open(&config, &restart->journal, err);
    return rc != 0 ? rc : gr_history_open(history, 0, &restart->history, err);
}

static int state_fill(struct restart *restart, struct gr_err *err)
{
    int rc = past_write(restart, err);
    rc = rc != 0 ? rc : snapshot_write(restart, err);
    while (rc == 0 && restart->tail_count < TAIL) {
        rc = tail_step(restart, err);
    }
    rc = rc != 0 || restart->group_size == 0 ? rc : group_write(restart, err);
    if (rc == 0) {
        gr_history_told(restart->history, restart->tail_last);
    }
    return rc;
}

static int restart_begin(void *context, struct gr_err *err)
{
    struct restart *restart = context;
    struct gr_state_dir dir = {.lock_fd = -1};
    struct gr_crowd_config config = {.nodes = NODES,
                                     .policy = gr_policies[0]->name,
                                     .jobs = JOBS,
                                     .pieces = PIECES,
                                     .rack = RACK_NODES};
    restart->group_room = (size_t)4096 * GROUP_FACTS;
    restart->group = malloc(restart->group_room);
    restart->aside = malloc((size_t)GROUP_FACTS * (SPEC_BYTES + GR_ASIDE_HEADER_BYTES));
    if (restart->group == NULL || restart->aside == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for a group");
    }
    int rc = gr_live_folder(&restart->daemon, err);
    rc = rc != 0 ? rc : gr_crowd_begin(&config, &restart->crowd, err);
    if (rc != 0) {
        return rc;
    }
    gr_crowd_fill(&restart->crowd, RUNNING_PERCENT);
    rc = waiting_make(restart, err);
    rc = rc != 0 ? rc : state_open(restart, &dir, err);
    rc = rc != 0 ? rc : state_fill(restart, err);
    gr_history_close(restart->history);
    gr_journal_close(restart->journal);
    restart->history = NULL;
    restart->journal = NULL;
    if (dir.lock_fd >= 0) {
        gr_state_dir_close(&dir);
    }
    restart->live = gr_core_running(restart->crowd.core) + gr_core_waiting(restart->crowd.core);
    fprintf(stderr, "# state: %u running, %u waiting, %u facts in the tail\n",
            gr_core_running(restart->crowd.core), gr_core_waiting(restart->crowd.core),
            restart->tail_count);
    gr_crowd_end(&restart->crowd); // its memory is wanted for the daemon
    return rc;
}

// Nothing of the state is in memory any more, if this may be asked for.
static bool caches_drop(void)
{
    sync();
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    bool is_done = fd >= 0 && write(fd, "3", 1) == 1;
    if (fd >= 0) {
        close(fd);
    }
    return is_done;
}

static int restart_run(void *context, double *ret_values, struct gr_err *err)
{
    struct restart *restart = context;
    static const char *const arguments[] = {"--max-nodes",
                                            "131072",
                                            "--max-jobs",
                                            "1600000",
                                            "--max-pieces",
                                            "131072",
                                            "--max-organisation-jobs",
                                            "1600000",
                                            "--snapshot-every",
                                            "0",
                                            NULL};
    gr_live_kill(&restart->daemon, SIGKILL);
    unlink(restart->daemon.socket);
    restart->is_cold = caches_drop();
    int rc = gr_live_begin(&restart->daemon, arguments, &ret_values[0], err);
    if (rc == 0) {
        fprintf(stderr, "# start: %.2f s, %s cache, %.2f s of processors\n", ret_values[0],
                restart->is_cold ? "cold" : "warm", gr_live_cpu_s(&restart->daemon));
    }
    return rc;
}

// No job is missing and none came.
static int restart_audit(void *context, struct gr_err *err)
{
    struct restart *restart = context;
    char *body = NULL;
    int status =
        gr_live_ask(&restart->daemon, "GET", "/v1/pool", "application/json", "", 0, &body, err);
    if (status < 0) {
        return status;
    }
    unsigned held = 0, waiting = 0, running = 0;
    const char *jobs = strstr(body, "\"jobs\":{");
    int found = jobs == NULL ? 0
                             : sscanf(jobs, "\"jobs\":{\"held\":%u,\"waiting\":%u,\"running\":%u}",
                                      &held, &waiting, &running);
    free(body);
    if (found != 3 || held + waiting + running != restart->live) {
        return gr_fail(err, -EIO, "%u jobs were saved, %u are there", restart->live,
                       held + waiting + running);
    }
    return 0;
}

static void restart_end(void *context)
{
    struct restart *restart = context;
    char path[GR_STATE_PATH_SIZE];
    gr_live_kill(&restart->daemon, SIGKILL);
    if (restart->daemon.root[0] != '\0' &&
        gr_state_path(restart->daemon.state, "engine", path, NULL) == 0) {
        (void)gr_local_launcher_stop(path, NULL);
    }
    gr_live_end(&restart->daemon);
    gr_history_close(restart->history);
    gr_journal_close(restart->journal);
    gr_crowd_end(&restart->crowd);
    free(restart->group);
    free(restart->aside);
    *restart = (struct restart){0};
}

static struct restart restart;
static const struct gr_bench_figure figures[] = {
    {"restart_s", "s", "limit", 5},
};
static const struct gr_bench benches[] = {
    {figures, 1, 5, &restart, restart_begin, restart_run, restart_audit, restart_end},
};

int main(int argc, char **argv)
{
    return gr_bench_main(argc, argv, benches, sizeof benches / sizeof *benches);
}
