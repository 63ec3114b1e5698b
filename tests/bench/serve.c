// The whole daemon over its socket: submissions by NDJSON and one by one, how soon a job's first
// instruction runs, and how many trivial jobs a second it runs. docs/benchmarks.md says more.
#include "bare.h"
#include "bench.h"
#include "live.h"
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// Lines of one request, and of how many jobs the journal must know in the end.
#define LINES 50000u
#define POST_RATE 20000.0
#define CONNECTIONS 64
#define STAMPS 40u
#define TRIVIAL 1500u

struct work {
    struct gr_live_daemon daemon;
    char *lines; // LINES jobs
    size_t lines_size;
    char bare_path[96];
    pid_t bare_pid;
    uint64_t submitted, refused;
    char fifo[96]; // where stamps come from
    int fifo_fd;
};

static int fail_status(int status, char *body, struct gr_err *err)
{
    if (status >= 0) {
        (void)gr_fail(err, -EIO, "the daemon answered %d: %.100s", status, body);
        free(body);
        return -EIO;
    }
    return status;
}

// `count` times the text and a line end.
static char *repeat(const char *text, size_t count, size_t *ret_size)
{
    size_t size = strlen(text);
    char *lines = malloc((size + 1) * count + 1);
    for (size_t i = 0; lines != NULL && i < count; i++) {
        memcpy(lines + i * (size + 1), text, size);
        lines[i * (size + 1) + size] = '\n';
    }
    *ret_size = (size + 1) * count;
    return lines;
}

// Submits lines; every one must be taken.
static int submit_lines(struct work *work, const char *lines, size_t size, size_t count,
                        struct gr_err *err)
{
    char *body = NULL;
    int status = gr_live_ask(&work->daemon, "POST", "/v1/jobs", "application/x-ndjson", lines, size,
                             &body, err);
    if (status != 200) {
        return fail_status(status, body, err);
    }
    size_t taken = 0;
    for (const char *at = body; (at = strstr(at, "\"id\":")) != NULL; at++) {
        taken++;
    }
    if (taken != count) {
        (void)gr_fail(err, -EIO, "%zu of %zu lines were taken: %.100s", taken, count, body);
    }
    free(body);
    work->submitted += taken;
    return taken == count ? 0 : -EIO;
}

// What the pool says it has taken must be what was sent.
static int audit_count(struct work *work, struct gr_err *err)
{
    char *body = NULL;
    int status =
        gr_live_ask(&work->daemon, "GET", "/v1/pool", "application/json", "", 0, &body, err);
    if (status != 200) {
        return fail_status(status, body, err);
    }
    unsigned long long held = 0, waiting = 0, running = 0;
    const char *jobs = strstr(body, "\"jobs\":{");
    int found = jobs == NULL ? 0
                             : sscanf(jobs,
                                      "\"jobs\":{\"held\":%llu,\"waiting\":%llu,"
                                      "\"running\":%llu}",
                                      &held, &waiting, &running);
    free(body);
    if (found != 3 || held + waiting + running != work->submitted || work->refused != 0) {
        return gr_fail(err, -EIO, "%llu were submitted, %llu refused, %llu are there",
                       (unsigned long long)work->submitted, (unsigned long long)work->refused,
                       held + waiting + running);
    }
    return 0;
}

// --- submissions: another job holds the only device, so that what is measured is the way to the
// journal and into a queue that grows

static const char holder[] =
    "{\"command\":[\"/bin/sleep\",\"3600\"],\"kind\":\"h20\","
    "\"devices\":1,\"cpu\":0.01,\"memory\":\"0\",\"stop\":{\"grace\":\"1s\"}}";

static int quiet_begin(void *context, struct gr_err *err)
{
    struct work *work = context;
    static const char *const arguments[] = {"--pretend", "1xh20", NULL};
    work->lines = repeat(gr_live_job, LINES, &work->lines_size);
    if (work->lines == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the lines");
    }
    char *body = NULL;
    int rc = gr_live_folder(&work->daemon, err);
    rc = rc != 0 ? rc : gr_live_begin(&work->daemon, arguments, NULL, err);
    if (rc != 0) {
        return rc;
    }
    int status = gr_live_ask(&work->daemon, "POST", "/v1/jobs", "application/json", holder,
                             sizeof holder - 1, &body, err);
    if (status != 201) {
        return fail_status(status, body, err);
    }
    free(body);
    work->submitted++;
    return 0;
}

static void live_end(void *context)
{
    struct work *work = context;
    gr_live_end(&work->daemon);
    free(work->lines);
    if (work->bare_pid > 0) {
        kill(work->bare_pid, SIGKILL);
        waitpid(work->bare_pid, NULL, 0);
    }
    if (work->fifo_fd > 0) {
        close(work->fifo_fd);
    }
    *work = (struct work){0};
}

static int ndjson_run(void *context, double *ret_values, struct gr_err *err)
{
    struct work *work = context;
    double begin = gr_bench_now_s();
    double cpu_s = gr_live_cpu_s(&work->daemon);
    int rc = submit_lines(work, work->lines, work->lines_size, LINES, err);
    ret_values[0] = LINES / (gr_bench_now_s() - begin);
    fprintf(stderr, "# ndjson: %.1f us of the daemon's processors a job\n",
            (gr_live_cpu_s(&work->daemon) - cpu_s) * 1e6 / LINES);
    return rc;
}

static int ndjson_audit(void *context, struct gr_err *err)
{
    return audit_count(context, err);
}

// --- one by one

static int bare_begin(struct work *work, struct gr_err *err)
{
    int tell[2];
    unsigned port;
    snprintf(work->bare_path, sizeof work->bare_path, "%s/bare", work->daemon.root);
    if (pipe2(tell, O_CLOEXEC) != 0) {
        return gr_fail_errno(err, "open a pipe");
    }
    work->bare_pid = fork();
    if (work->bare_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        gr_bare_main(work->bare_path, tell[1]);
    }
    close(tell[1]);
    bool is_there = read(tell[0], &port, sizeof port) == (ssize_t)sizeof port;
    close(tell[0]);
    return is_there ? 0 : gr_fail(err, -EIO, "the bare server did not start");
}

static int post_begin(void *context, struct gr_err *err)
{
    struct work *work = context;
    int rc = quiet_begin(context, err);
    return rc != 0 ? rc : bare_begin(work, err);
}

static int post_load(struct work *work, const char *path, bool is_ours, double *ret_p99_ms,
                     struct gr_err *err)
{
    struct gr_load_config config = {.unix_path = path,
                                    .method = "POST",
                                    .path = "/v1/jobs",
                                    .headers = "Content-Type: application/json\r\n",
                                    .body = gr_live_job,
                                    .connections = CONNECTIONS,
                                    .rate = POST_RATE,
                                    .seconds = gr_bench_is_long() ? 10 : 1};
    struct gr_load_result result;
    int rc = gr_load_run(&config, &result, err);
    if (rc != 0) {
        return rc;
    }
    if (is_ours) {
        work->submitted += result.ok;
        work->refused += result.sent - result.ok;
    }
    uint64_t p50 = gr_bench_percentile(result.latencies, (size_t)result.replied, 50, 100);
    uint64_t p99 = gr_bench_percentile(result.latencies, (size_t)result.replied, 99, 100);
    *ret_p99_ms = (double)p99 / 1e6;
    fprintf(stderr, "# %s: %llu sent, %llu ok, p50 %.2f ms, p99 %.2f ms\n",
            is_ours ? "daemon" : "bare", (unsigned long long)result.sent,
            (unsigned long long)result.ok, (double)p50 / 1e6, *ret_p99_ms);
    gr_load_result_done(&result);
    return 0;
}

static int post_run(void *context, double *ret_values, struct gr_err *err)
{
    struct work *work = context;
    int rc = post_load(work, work->bare_path, false, &ret_values[0], err);
    double cpu_s = gr_live_cpu_s(&work->daemon);
    uint64_t before = work->submitted;
    rc = rc != 0 ? rc : post_load(work, work->daemon.socket, true, &ret_values[1], err);
    ret_values[2] = ret_values[1];
    fprintf(stderr, "# post: %.1f us of the daemon's processors a job\n",
            (gr_live_cpu_s(&work->daemon) - cpu_s) * 1e6 / (double)(work->submitted - before + 1));
    return rc;
}

// --- real processes

static int run_begin(void *context, struct gr_err *err)
{
    struct work *work = context;
    int rc = gr_live_folder(&work->daemon, err);
    snprintf(work->fifo, sizeof work->fifo, "%s/stamps", work->daemon.root);
    if (rc == 0 && mkfifo(work->fifo, 0666) != 0) {
        rc = gr_fail_errno(err, "make %s", work->fifo);
    }
    work->fifo_fd = rc == 0 ? open(work->fifo, O_RDWR | O_CLOEXEC | O_NONBLOCK) : -1;
    if (rc == 0 && work->fifo_fd < 0) {
        rc = gr_fail_errno(err, "open %s", work->fifo);
    }
    return rc != 0 ? rc : gr_live_begin(&work->daemon, NULL, NULL, err);
}

// One job; how long from the request until its first instruction.
static int stamp_one(struct work *work, uint64_t *ret_ns, struct gr_err *err)
{
    char json[512];
    char *body = NULL;
    int size =
        snprintf(json, sizeof json, "{\"command\":[\"%s\",\"%s\"],\"cpu\":0.01,\"memory\":\"0\"}",
                 GR_STAMP, work->fifo);
    uint64_t begin = gr_bench_now_ns();
    int status = gr_live_ask(&work->daemon, "POST", "/v1/jobs", "application/json", json,
                             (size_t)size, &body, err);
    if (status != 201) {
        return fail_status(status, body, err);
    }
    free(body);
    struct pollfd fd = {.fd = work->fifo_fd, .events = POLLIN};
    uint64_t stamp;
    if (poll(&fd, 1, 10000) != 1 ||
        read(work->fifo_fd, &stamp, sizeof stamp) != (ssize_t)sizeof stamp) {
        return gr_fail(err, -ETIMEDOUT, "a job does not start");
    }
    *ret_ns = stamp - begin;
    return 0;
}

static int start_run(void *context, double *ret_values, struct gr_err *err)
{
    struct work *work = context;
    uint64_t samples[STAMPS];
    int rc = 0;
    for (unsigned i = 0; i < STAMPS && rc == 0; i++) {
        rc = stamp_one(work, &samples[i], err);
        rc = rc != 0 ? rc : gr_live_drain(&work->daemon, 10, err);
    }
    if (rc == 0) {
        ret_values[0] = (double)gr_bench_percentile(samples, STAMPS, 50, 100) / 1e6;
        fprintf(stderr, "# start: p50 %.2f ms, p90 %.2f ms\n", ret_values[0],
                (double)gr_bench_percentile(samples, STAMPS, 90, 100) / 1e6);
    }
    return rc;
}

// All that were submitted must have ended well.
static int run_audit(void *context, struct gr_err *err)
{
    struct work *work = context;
    char *body = NULL;
    int status = gr_live_ask(&work->daemon, "GET", "/v1/jobs?state=failed,lost,not-started",
                             "application/json", "", 0, &body, err);
    if (status != 200) {
        return fail_status(status, body, err);
    }
    bool is_good = strstr(body, "\"jobs\":[]") != NULL;
    int rc = is_good ? 0 : gr_fail(err, -EIO, "jobs failed: %.200s", body);
    free(body);
    return rc;
}

static int spawn_bare(double *ret_rate, struct gr_err *err)
{
    char name[] = "true";
    char *argv[] = {name, NULL};
    double begin = gr_bench_now_s();
    for (unsigned i = 0; i < TRIVIAL; i++) {
        pid_t pid;
        int status;
        if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) != 0 ||
            waitpid(pid, &status, 0) != pid || status != 0) {
            return gr_fail(err, -EIO, "/bin/true does not run");
        }
    }
    *ret_rate = TRIVIAL / (gr_bench_now_s() - begin);
    return 0;
}

static int spawn_run(void *context, double *ret_values, struct gr_err *err)
{
    struct work *work = context;
    if (work->lines == NULL) {
        work->lines = repeat("{\"command\":[\"/bin/true\"],\"cpu\":0.01,\"memory\":\"0\"}", TRIVIAL,
                             &work->lines_size);
    }
    double bare = 0;
    int rc = work->lines == NULL ? gr_fail(err, -ENOMEM, "no memory for the lines")
                                 : spawn_bare(&bare, err);
    if (rc != 0) {
        return rc;
    }
    double begin = gr_bench_now_s();
    double cpu_s = gr_live_cpu_s(&work->daemon);
    rc = submit_lines(work, work->lines, work->lines_size, TRIVIAL, err);
    rc = rc != 0 ? rc : gr_live_drain(&work->daemon, 120, err);
    double ours = TRIVIAL / (gr_bench_now_s() - begin);
    ret_values[0] = ours / bare;
    fprintf(stderr, "# bare %.0f/s, daemon %.0f/s, %.0f us of the daemon's processors a job\n",
            bare, ours, (gr_live_cpu_s(&work->daemon) - cpu_s) * 1e6 / TRIVIAL);
    return rc;
}

static struct work work;
static const struct gr_bench_figure ndjson_figures[] = {
    {"submit_ndjson_per_s", "jobs/s", "limit", 50000},
};
static const struct gr_bench_figure post_figures[] = {
    {"bare_post_p99_ms", "ms", "limit", 5},
    {"submit_post_p99_ms", "ms", "limit", 5},
    {"submit_post_p99_bare_ms", "ms", "bare_post_p99_ms", 0},
};
static const struct gr_bench_figure start_figures[] = {
    {"start_latency_ms", "ms", "limit", 5},
};
static const struct gr_bench_figure spawn_figures[] = {
    {"spawn_ratio", "jobs/spawn", "limit", 0.5},
};
static const struct gr_bench benches[] = {
    {ndjson_figures, 1, 5, &work, quiet_begin, ndjson_run, ndjson_audit, live_end},
    {post_figures, 3, 5, &work, post_begin, post_run, ndjson_audit, live_end},
    {start_figures, 1, 5, &work, run_begin, start_run, run_audit, live_end},
    {spawn_figures, 1, 5, &work, run_begin, spawn_run, run_audit, live_end},
};

int main(int argc, char **argv)
{
    return gr_bench_main(argc, argv, benches, sizeof benches / sizeof *benches);
}
