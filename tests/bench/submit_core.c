// Durable submissions without HTTP: the daemon's own pool, its journal on a real disk, and an
// engine that starts and ends what it is told at once. docs/benchmarks.md says more.
#include "bench.h"

#include "base/arena.h"
#include "codec/spec_json.h"
#include "daemon/pool.h"
#include "daemon/serve.h"
#include "journal/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ORGS 100u
// Of the pretend devices, 1,024, eight jobs each: three quarters of them are held.
#define LIVE_MAX 6144u
// Submitted in one turn of the loop.
#define TURN 256u
#define FIRST_UID 20000u
// Attempts that the engine may owe reports on.
#define OWED_MAX 65536u
#define PLAIN_S 0.25

uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void)
{
    return 0;
}

// --- the engine

struct owed {
    uint64_t job;
    uint32_t attempt;
};

struct instant {
    struct gr_engine engine; // first
    struct owed owed[OWED_MAX];
    uint32_t first, count;
    bool is_asked; // for the list
    bool has_started;
    uint64_t starts;
};

static int instant_start(struct gr_engine *engine, const struct gr_engine_start *start,
                         struct gr_err *err)
{
    struct instant *instant = (struct instant *)(void *)engine;
    (void)err;
    if (instant->count == OWED_MAX) {
        return -EAGAIN;
    }
    instant->owed[(instant->first + instant->count++) % OWED_MAX] =
        (struct owed){.job = start->job, .attempt = start->attempt};
    instant->starts++;
    return 0;
}

static int instant_stop(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                        uint32_t signal, int64_t grace_ms, struct gr_err *err)
{
    (void)engine, (void)job, (void)attempt, (void)epoch, (void)signal, (void)grace_ms, (void)err;
    return 0;
}

static int instant_signal(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                          uint32_t signal, struct gr_err *err)
{
    (void)engine, (void)job, (void)attempt, (void)epoch, (void)signal, (void)err;
    return 0;
}

static int instant_forget(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                          struct gr_err *err)
{
    (void)engine, (void)job, (void)attempt, (void)epoch, (void)err;
    return 0;
}

static int instant_list(struct gr_engine *engine, struct gr_err *err)
{
    (void)err;
    ((struct instant *)(void *)engine)->is_asked = true;
    return 0;
}

static int instant_fd(const struct gr_engine *engine)
{
    (void)engine;
    return -1;
}

// Each attempt is reported twice: it began, it ended.
static int instant_poll(struct gr_engine *engine, struct gr_engine_report *ret_reports,
                        unsigned most, struct gr_err *err)
{
    struct instant *instant = (struct instant *)(void *)engine;
    unsigned count = 0;
    (void)err;
    if (instant->is_asked && most > 0) {
        instant->is_asked = false;
        ret_reports[count++] = (struct gr_engine_report){.type = GR_REPORT_LISTED};
    }
    while (count < most && instant->count > 0) {
        const struct owed *owed = &instant->owed[instant->first];
        struct gr_engine_report *report = &ret_reports[count++];
        report->type = instant->has_started ? GR_REPORT_ENDED : GR_REPORT_STARTED;
        report->job = owed->job;
        report->attempt = owed->attempt;
        report->since_ms = report->started_ms = 0; // the pool takes the earliest that can be
        report->end = (struct gr_engine_end){.cpu_ms = 5, .peak_kib = 1000};
        report->text[0] = '\0';
        if (instant->has_started) {
            instant->first = (instant->first + 1) % OWED_MAX;
            instant->count--;
        }
        instant->has_started = !instant->has_started;
    }
    return (int)count;
}

static uint32_t instant_can(const struct gr_engine *engine)
{
    (void)engine;
    return GR_CAN_CHOOSE_NODE | GR_CAN_CHOOSE_DEVICE | GR_CAN_FRACTION | GR_CAN_PUSH;
}

static void instant_close(struct gr_engine *engine)
{
    (void)engine;
}

static const struct gr_engine_ops instant_ops = {
    .name = "instant",
    .start = instant_start,
    .stop = instant_stop,
    .signal = instant_signal,
    .forget = instant_forget,
    .list = instant_list,
    .fd = instant_fd,
    .poll = instant_poll,
    .can = instant_can,
    .close = instant_close,
};

// --- the pool

struct work {
    char root[64], plain[96]; // folder of its own; a file in it
    struct gr_state_dir dir;
    struct gr_pool *pool;
    struct gr_arena arena;
    struct gr_spec spec; // what everybody submits
    struct instant instant;
    uint64_t submitted, refused;                 // in all
    uint64_t payload_bytes, group_bytes, groups; // durable in this run
    uint64_t all_bytes, all_jobs;                // in all
    uint8_t *bytes;                              // for the plain file
    size_t bytes_size;
};

static const char json[] =
    "{\"name\":\"train-7\",\"command\":[\"python3\",\"train.py\",\"--config\",\"configs/"
    "base.yaml\","
    "\"--rate\",\"0.001\"],\"env\":{\"PATH\":\"/usr/local/bin:/usr/bin:/bin\",\"HOME\":"
    "\"/srv/alice\",\"LANG\":\"C.UTF-8\",\"OMP_NUM_THREADS\":\"8\",\"NCCL_DEBUG\":\"WARN\","
    "\"SEED\":\"17\",\"RUN\":\"night-7\",\"DATA\":\"/data/set-12\",\"STEPS\":\"100000\",\"MODE\":"
    "\"full\"},\"directory\":\"/srv/alice/run\",\"kind\":\"h20\",\"devices\":0.125,"
    "\"cpu\":1,\"memory\":\"8GiB\",\"limit\":\"1h30m\",\"priority\":5,\"use\":\"train\","
    "\"requeue\":{\"attempts\":3,\"on\":[\"node\",\"reclaim\"]}}";

static void durable(void *context, const struct gr_journal_group *group)
{
    struct work *work = context;
    work->groups++;
    work->payload_bytes += group->payload_size;
    work->group_bytes += group->payload_size + group->aside_size;
}

static int add_orgs(struct gr_pool *pool, struct gr_err *err)
{
    for (uint32_t i = 0; i < ORGS; i++) {
        if (i > 0) {
            struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_ORG_ADDED);
            event.org.parent = 0;
            snprintf(event.org.name, sizeof event.org.name, "org-%u", i);
            if (gr_core_check(pool->core, &event) != GR_REFUSED_NOTHING) {
                return gr_fail(err, -EIO, "an organisation is refused");
            }
            gr_pool_fact(pool, &event);
        }
        if (!gr_pool_user_move(pool, FIRST_UID + i, i)) {
            return gr_fail(err, -EIO, "a user is refused");
        }
    }
    return 0;
}

static int submit_begin(void *context, struct gr_err *err)
{
    struct work *work = context;
    const char *place = getenv("TMPDIR");
    struct gr_spec_input input = {.arena = &work->arena};
    struct gr_pool_config config = gr_serve_default().pool;
    work->dir.lock_fd = -1;
    snprintf(work->root, sizeof work->root, "%.30s/granary-XXXXXX",
             place != NULL ? place : "/var/tmp");
    if (mkdtemp(work->root) == NULL) {
        work->root[0] = '\0';
        return gr_fail_errno(err, "make a folder for the pool");
    }
    snprintf(work->plain, sizeof work->plain, "%s/plain", work->root);
    work->instant.engine.ops = &instant_ops;
    config.pretend = "1024xh20";
    config.engine = &work->instant.engine;
    int rc = gr_state_dir_open(work->root, &work->dir, err);
    rc = rc != 0 ? rc : gr_pool_open(&config, &work->dir, NULL, NULL, &work->pool, err);
    rc = rc != 0 ? rc : gr_spec_from_json_bytes(&input, json, sizeof json - 1, &work->spec, err);
    rc = rc != 0 ? rc : add_orgs(work->pool, err);
    if (rc == 0) {
        work->pool->on_durable = durable;
        work->pool->on_durable_context = work;
    }
    return rc;
}

static uint32_t live(const struct gr_pool *pool)
{
    return gr_core_waiting(pool->core) + gr_core_running(pool->core);
}

// One turn of the daemon's loop, with `most` new submissions.
static int turn(struct work *work, uint32_t most, struct gr_err *err)
{
    struct gr_pool *pool = work->pool;
    const char *code;
    const char *text;
    uint32_t count = 0;
    for (; count < most && live(pool) < LIVE_MAX && gr_pool_refuses(pool, &code, &text) == 0;
         count++) {
        struct gr_pool_submitted done;
        struct gr_pool_refusal refusal;
        work->spec.uid = work->spec.gid = FIRST_UID + (uint32_t)(work->submitted % ORGS);
        if (!gr_pool_submit(pool, &work->spec, NULL, &done, &refusal)) {
            return gr_fail(err, -EIO, "a submission is refused: %s", refusal.text);
        }
        work->submitted++;
    }
    int wait_ms;
    int rc = gr_pool_run(pool, &wait_ms, err);
    if (rc == 0 && count == 0 && most > 0 && work->instant.count == 0) {
        struct pollfd fd = {.fd = gr_journal_fd(pool->journal), .events = POLLIN};
        (void)poll(&fd, 1, 1);
    }
    return rc;
}

// The disk alone: groups of `size` bytes at the end of a file, each synced. Groups a second.
static int run_plain(struct work *work, size_t size, double *ret_groups, struct gr_err *err)
{
    if (size > work->bytes_size) {
        free(work->bytes);
        work->bytes = malloc(size);
        work->bytes_size = work->bytes == NULL ? 0 : size;
        if (work->bytes == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for a group");
        }
        randombytes_buf(work->bytes, size);
    }
    uint64_t groups = 0;
    double start = gr_bench_now_s();
    double now = start;
    int fd = gr_disk_open(work->plain, O_WRONLY | O_CREAT | O_TRUNC, err);
    int rc = fd < 0 ? fd : 0;
    for (; rc == 0 && now - start < PLAIN_S; now = gr_bench_now_s()) {
        rc = gr_disk_write(fd, work->bytes, size, groups * size, work->plain, err);
        rc = rc < 0 ? rc : gr_disk_sync(fd, work->plain, err);
        groups++;
    }
    if (fd >= 0) {
        close(fd);
        unlink(work->plain);
    }
    *ret_groups = (double)groups / (now - start);
    return rc;
}

// Processor time so far, in seconds, of the calling thread or of all.
static double cpu_s(clockid_t clock)
{
    struct timespec used = {0};
    clock_gettime(clock, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

// Processor time of each thread but the first, by name: those of the journal and the history.
#define THREADS_MAX 8u
struct thread_time {
    char name[32];
    uint64_t ns;
};

static unsigned thread_times(struct thread_time ret_times[THREADS_MAX])
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    while (tasks != NULL && count < THREADS_MAX && (entry = readdir(tasks)) != NULL) {
        static const char *const names[] = {"comm", "schedstat"};
        struct thread_time *time = &ret_times[count];
        bool is_read = entry->d_name[0] != '.' && atol(entry->d_name) != getpid();
        for (unsigned i = 0; i < 2 && is_read; i++) {
            char path[64];
            snprintf(path, sizeof path, "/proc/self/task/%.16s/%s", entry->d_name, names[i]);
            FILE *file = fopen(path, "re");
            is_read = file != NULL && (i == 0 ? fscanf(file, "%31s", time->name)
                                              : fscanf(file, "%" SCNu64, &time->ns)) == 1;
            if (file != NULL) {
                fclose(file);
            }
        }
        count += is_read;
    }
    if (tasks != NULL) {
        closedir(tasks);
    }
    return count;
}

static void print_threads(const struct thread_time *before, unsigned before_count, double jobs)
{
    struct thread_time now[THREADS_MAX];
    unsigned count = thread_times(now);
    fprintf(stderr, "# us a job of the other threads:");
    for (unsigned i = 0; i < count; i++) {
        uint64_t from_ns = 0;
        for (unsigned b = 0; b < before_count; b++) {
            from_ns = strcmp(before[b].name, now[i].name) == 0 ? before[b].ns : from_ns;
        }
        fprintf(stderr, " %s %.2f", now[i].name, (double)(now[i].ns - from_ns) / 1e3 / jobs);
    }
    fprintf(stderr, "\n");
}

static int submit_run(void *context, double *ret_values, struct gr_err *err)
{
    struct work *work = context;
    struct gr_pool *pool = work->pool;
    double slice_s = gr_bench_is_long() ? 6 : 1;
    work->groups = work->group_bytes = work->payload_bytes = 0;
    uint64_t before = pool->ended_total[GR_OUTCOME_DONE];
    struct thread_time threads[THREADS_MAX];
    unsigned thread_count = thread_times(threads);
    double thread_s = cpu_s(CLOCK_THREAD_CPUTIME_ID);
    double all_s = cpu_s(CLOCK_PROCESS_CPUTIME_ID);
    double begin = gr_bench_now_s();
    double now = begin;
    int rc = 0;
    for (; rc == 0 && now - begin < slice_s; now = gr_bench_now_s()) {
        rc = turn(work, TURN, err);
    }
    double jobs = (double)(pool->ended_total[GR_OUTCOME_DONE] - before);
    if (rc != 0 || jobs == 0 || work->groups == 0) {
        return rc != 0 ? rc : gr_fail(err, -EIO, "no job ended");
    }
    thread_s = cpu_s(CLOCK_THREAD_CPUTIME_ID) - thread_s;
    all_s = cpu_s(CLOCK_PROCESS_CPUTIME_ID) - all_s;
    print_threads(threads, thread_count, jobs);
    double groups = (double)work->groups;
    double jobs_per_group = jobs / groups;
    double whole = 0;
    double payload = 0;
    ret_values[0] = jobs / (now - begin);
    rc = run_plain(work, (size_t)((double)work->group_bytes / groups), &whole, err);
    rc = rc != 0 ? rc
                 : run_plain(work, (size_t)((double)work->payload_bytes / groups), &payload, err);
    ret_values[1] = whole * jobs_per_group;
    ret_values[2] = payload * jobs_per_group;
    work->all_jobs += (uint64_t)jobs;
    work->all_bytes += work->group_bytes;
    fprintf(stderr,
            "# run: %.0f jobs/s, %.0f bytes a job (%.0f of them facts), %.0f jobs a group, %.0f "
            "groups/s, %u waiting, %u running, history %u %%, %.2f us of the deciding thread a "
            "job, %.2f of all\n",
            ret_values[0], (double)work->group_bytes / jobs, (double)work->payload_bytes / jobs,
            jobs_per_group, groups / (now - begin), gr_core_waiting(pool->core),
            gr_core_running(pool->core), gr_history_waiting_percent(pool->history),
            thread_s * 1e6 / jobs, all_s * 1e6 / jobs);
    return rc;
}

// Every job that was submitted must have started once and ended, the books must be right, and the
// journal whole.
static int submit_audit(void *context, struct gr_err *err)
{
    struct work *work = context;
    struct gr_pool *pool = work->pool;
    int rc = 0;
    for (double end = gr_bench_now_s() + 30; rc == 0 && live(pool) > 0;) {
        rc = turn(work, 0, err);
        if (gr_bench_now_s() > end) {
            return gr_fail(err, -EIO, "%u jobs do not end", live(pool));
        }
    }
    const char *wrong = rc == 0 ? gr_core_audit(pool->core) : NULL;
    uint64_t ended = pool->ended_total[GR_OUTCOME_DONE];
    if (wrong != NULL || ended != work->submitted || work->instant.starts != ended) {
        return gr_fail(err, -EIO, "%s: %llu submitted, %llu started, %llu ended",
                       wrong != NULL ? wrong : "jobs are missing",
                       (unsigned long long)work->submitted,
                       (unsigned long long)work->instant.starts, (unsigned long long)ended);
    }
    gr_pool_close(work->pool);
    work->pool = NULL;
    char path[GR_STATE_PATH_SIZE];
    struct gr_journal_verified found;
    rc = rc != 0 ? rc : gr_state_path(work->root, "journal", path, err);
    rc = rc != 0 ? rc : gr_journal_verify(path, NULL, NULL, &found, err);
    return rc != 0 || found.is_whole ? rc : gr_fail(err, -EIO, "the journal is not whole");
}

static void submit_end(void *context)
{
    struct work *work = context;
    gr_pool_close(work->pool);
    gr_arena_done(&work->arena);
    free(work->bytes);
    if (work->dir.lock_fd >= 0) {
        gr_state_dir_close(&work->dir);
    }
    if (work->root[0] != '\0') {
        (void)gr_disk_remove_dir(work->root, NULL);
    }
}

static struct work work;
static const struct gr_bench_figure figures[] = {
    {"submit_core_per_s", "jobs/s", "limit", 250000},
    {"submit_append_per_s", "jobs/s", "submit_core_per_s", 0},
    {"submit_append_facts_per_s", "jobs/s", "submit_core_per_s", 0},
};
static const struct gr_bench benches[] = {
    {figures, 3, 5, &work, submit_begin, submit_run, submit_audit, submit_end},
};

int main(int argc, char **argv)
{
    return gr_bench_main(argc, argv, benches, sizeof benches / sizeof *benches);
}
