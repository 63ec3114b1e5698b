// What tasks wrote, over HTTP: all of it, or as it comes. See daemon.h and docs/api.
#include "base/clock.h"
#include "base/json.h"
#include "base/number.h"
#include "daemon/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// How often a log that is not there yet is looked for, in milliseconds: it costs walks of paths.
#define OPEN_MS 200

// One stream of a log.
struct gr_log_stream {
    struct gr_daemon *daemon;
    struct gr_http_stream *http;
    struct gr_log_stream *next; // of those that follow
    uint64_t job;
    uint32_t attempt, task;
    unsigned stream; // 1 output, 2 error
    bool follows;
    int fd;          // -1: not there yet
    int64_t open_ms; // then it is tried again at this time, monotonic
    off_t at;
};

// Whether the attempt can still write: it runs, or is still to come.
static bool is_live(const struct gr_log_stream *log)
{
    const struct gr_job *job = gr_core_job_find(log->daemon->pool->core, log->job);
    if (job == NULL) {
        return false;
    }
    bool runs = job->state == GR_JOB_RUNNING;
    return runs ? job->attempt <= log->attempt : job->attempt < log->attempt;
}

static int open_log(struct gr_log_stream *log)
{
    char path[GR_STATE_PATH_SIZE];
    struct gr_err err;
    int rc = gr_state_path(log->daemon->pool->dir.path, "engine", path, &err);
    return rc != 0 ? rc
                   : gr_local_log_open(path, log->job, log->attempt, log->task, log->stream, &err);
}

// Opens the log if it is not open, and is not to be looked for later. Whether it is open then.
static bool is_open(struct gr_log_stream *log, bool is_due)
{
    int64_t now_ms = gr_clock_ms();
    if (log->fd < 0 && (is_due || now_ms >= log->open_ms)) {
        int fd = open_log(log);
        log->fd = fd < 0 ? -1 : fd;
        log->open_ms = now_ms + OPEN_MS;
    }
    return log->fd >= 0;
}

static long read_log(void *context, char *bytes, size_t size)
{
    struct gr_log_stream *log = context;
    // Asked before reading: what is written until the end is read after it.
    bool goes_on = log->follows && is_live(log);
    if (!is_open(log, !goes_on)) {
        return goes_on ? 0 : -1;
    }
    ssize_t got;
    do {
        got = pread(log->fd, bytes, size, log->at);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        log->at += got;
        return got;
    }
    return got == 0 && goes_on ? 0 : -1;
}

// Whether read_log has something to say. A stream that is woken for nothing is never quiet for so
// long that one looks whether its client is still there.
static bool has_news(struct gr_log_stream *log)
{
    char byte;
    if (!log->follows || !is_live(log)) {
        return true;
    }
    return is_open(log, false) && pread(log->fd, &byte, 1, log->at) != 0;
}

static void done_log(void *context)
{
    struct gr_log_stream *log = context;
    struct gr_log_stream **at = &log->daemon->logs;
    while (*at != NULL && *at != log) {
        at = &(*at)->next;
    }
    if (*at == log) {
        *at = log->next;
    }
    if (log->fd >= 0) {
        close(log->fd);
    }
    free(log);
}

bool gr_logs_wake(struct gr_daemon *daemon)
{
    struct gr_log_stream *next;
    for (struct gr_log_stream *log = daemon->logs; log != NULL; log = next) {
        next = log->next;
        if (has_news(log)) {
            gr_http_stream_wake(log->http);
        }
    }
    return daemon->logs != NULL;
}

static void begin_stream(void *context, uint64_t value)
{
    struct gr_log_stream *log = context;
    struct gr_http_request *request = (struct gr_http_request *)(uintptr_t)value;
    char offset[32];
    snprintf(offset, sizeof offset, "%lld", (long long)log->at);
    (void)gr_http_reply_header(request, "Granary-Log-Offset", offset);
    struct gr_http_source source = {.context = log, .read = read_log, .done = done_log};
    // It must be in the list before it can be done.
    log->next = log->daemon->logs;
    log->daemon->logs = log;
    log->http = gr_http_reply_stream(request, 200, "text/plain; charset=utf-8", &source);
}

// The last attempt of a job that ran; 0: it never did.
static uint32_t last_attempt(struct gr_pool *pool, uint64_t id)
{
    const struct gr_job *job = gr_core_job_find(pool->core, id);
    struct gr_ended ended;
    if (job != NULL) {
        return job->attempt;
    }
    return gr_pool_ended_find(pool, id, &ended) ? ended.attempt : 0;
}

static bool may_read(struct gr_daemon *daemon, struct gr_http_request *request, uint64_t id)
{
    struct gr_spec spec;
    struct gr_ended ended;
    const struct gr_job *job = gr_core_job_find(daemon->pool->core, id);
    bool is_there = job != NULL || gr_pool_ended_find(daemon->pool, id, &ended);
    bool is_seen = is_there && gr_daemon_may_see(daemon, gr_daemon_who(request),
                                                 job != NULL ? job->org : ended.org);
    if (!is_seen || gr_pool_spec(daemon->pool, id, &spec, NULL) != 0) {
        gr_http_reply_error(request, 404, "not-found", "there is no such job",
                            "`granary ps --all` lists jobs", "id");
        return false;
    }
    if (!gr_daemon_may(gr_daemon_who(request), spec.uid)) {
        gr_http_reply_error(request, 403, "forbidden",
                            "only the job's owner or an operator may read its output", NULL, NULL);
        return false;
    }
    return true;
}

void gr_route_logs(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {"task", "stream", "from", "follow", "attempt", NULL};
    int64_t id = 0;
    int64_t task = 0;
    int64_t from = 0;
    int64_t attempt = 0;
    bool is_good;
    if (gr_daemon_query_is_wrong(request, names) ||
        !gr_daemon_query_int(request, "task", 0, GR_TASKS_MAX - 1, &task) ||
        !gr_daemon_query_int(request, "from", 0, INT64_MAX, &from) ||
        !gr_daemon_query_int(request, "attempt", 1, GR_SPEC_ATTEMPTS_MAX, &attempt)) {
        return;
    }
    bool follows = gr_daemon_query_flag(request, "follow", &is_good);
    struct gr_slice stream = gr_slice_of("out");
    (void)gr_http_request_query(request, "stream", &stream);
    bool is_error = gr_slice_is(stream, "err");
    if (is_good && !is_error && !gr_slice_is(stream, "out")) {
        gr_http_reply_error(request, 400, "bad-request", "stream must be out or err", NULL,
                            "stream");
        return;
    }
    if (!is_good || gr_number_read_int(gr_http_request_param(request, "id"), 1, INT64_MAX, &id)) {
        if (is_good) {
            gr_http_reply_error(request, 404, "not-found", "a job's id is a whole number",
                                "`granary ps` lists jobs", "id");
        }
        return;
    }
    if (!may_read(daemon, request, (uint64_t)id)) {
        return;
    }
    uint32_t last = last_attempt(daemon->pool, (uint64_t)id);
    if (attempt == 0) {
        const struct gr_job *job = gr_core_job_find(daemon->pool->core, (uint64_t)id);
        // One that waits has its next attempt ahead; who follows wants that one.
        bool waits = job != NULL && job->state != GR_JOB_RUNNING;
        attempt = follows && waits ? (int64_t)last + 1 : last == 0 ? 1 : last;
    }
    struct gr_log_stream *log = malloc(sizeof *log);
    if (log == NULL) {
        gr_http_reply_error(request, 503, "unavailable", "no memory", NULL, NULL);
        return;
    }
    *log = (struct gr_log_stream){.daemon = daemon,
                                  .job = (uint64_t)id,
                                  .attempt = (uint32_t)attempt,
                                  .task = (uint32_t)task,
                                  .stream = is_error ? 2 : 1,
                                  .follows = follows,
                                  .fd = -1,
                                  .at = (off_t)from};
    gr_http_request_defer(request, NULL);
    gr_commit_then(daemon->pool->commit, begin_stream, log, (uint64_t)(uintptr_t)request);
}
