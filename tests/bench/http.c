// Requests a second that the daemon's HTTP server answers, over its unix socket and TCP, with
// bodies and without, on 64 connections that stay; beside it a bare epoll loop that checks nothing,
// in the same run, as the rival: what the kernel and this machine allow. Each server is a process
// of its own with one thread.
#include "bare.h"
#include "bench.h"
#include "load.h"

#include "daemon/http.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 64
#define RUN_SECONDS 0.5

static const char reply_body[] = GR_BARE_REPLY;

// What both servers are asked, one figure each.
static const struct ask {
    bool is_unix, is_post;
} asks[] = {{true, false}, {true, true}, {false, false}, {false, true}};
#define ASKS (sizeof(asks) / sizeof(asks[0]))

struct server {
    pid_t pid;
    char path[64];
    unsigned port;
    double cpu_s; // when it was looked at last
};

struct http_bench {
    char folder[32];
    struct server bare, ours;
    char body[1025];
    double cpu_us[2 * ASKS]; // of the last run, a request
    uint64_t refused;
};

// ---- ours

static void answer(void *context, struct gr_http_request *request)
{
    (void)context;
    gr_http_reply(request, 200, "application/json",
                  (struct gr_slice){reply_body, sizeof(reply_body) - 1});
}

static const struct gr_http_route routes[] = {
    {"GET", "/v1/jobs/{id}", answer, NULL, false},
    {"POST", "/v1/jobs", answer, NULL, false},
    {NULL, NULL, NULL, NULL, false},
};

_Noreturn static void ours_main(const char *path, int tell)
{
    struct gr_http_config config = {.unix_path = path, .address = "127.0.0.1:0", .routes = routes};
    struct gr_http *http = NULL;
    if (gr_http_open(&config, &http, NULL) != 0) {
        _exit(1);
    }
    unsigned port = gr_http_port(http);
    if (write(tell, &port, sizeof(port)) != sizeof(port)) {
        _exit(1);
    }
    for (;;) {
        struct pollfd fd = {gr_http_fd(http), POLLIN, 0};
        poll(&fd, 1, gr_http_run(http));
    }
}

// ---- the benchmark

static int server_start(struct server *server, const char *folder, const char *name,
                        void (*serve)(const char *path, int tell), struct gr_err *err)
{
    int tell[2];
    snprintf(server->path, sizeof(server->path), "%s/%s", folder, name);
    if (pipe(tell) < 0) {
        return gr_fail_errno(err, "open a pipe");
    }
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(tell[0]);
        serve(server->path, tell[1]);
        _exit(0);
    }
    close(tell[1]);
    bool is_there = server->pid > 0 &&
                    read(tell[0], &server->port, sizeof(server->port)) == sizeof(server->port);
    close(tell[0]);
    return is_there ? 0 : gr_fail(err, -EIO, "the server '%s' did not start", name);
}

static void server_stop(struct server *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        unlink(server->path);
    }
}

static double server_cpu_s(const struct server *server)
{
    clockid_t clock;
    struct timespec used = {0, 0};
    if (clock_getcpuclockid(server->pid, &clock) == 0) {
        clock_gettime(clock, &used);
    }
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static int http_begin(void *context, struct gr_err *err)
{
    struct http_bench *bench = context;
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/granary-bench-XXXXXX");
    if (mkdtemp(bench->folder) == NULL) {
        return gr_fail_errno(err, "make a folder");
    }
    memset(bench->body, 'x', sizeof(bench->body) - 1);
    int code = server_start(&bench->bare, bench->folder, "bare", gr_bare_main, err);
    return code != 0 ? code : server_start(&bench->ours, bench->folder, "ours", ours_main, err);
}

static int ask_run(struct http_bench *bench, struct server *server, const struct ask *ask,
                   double *ret_rate, double *ret_cpu_us, struct gr_err *err)
{
    struct gr_load_config config = {.unix_path = ask->is_unix ? server->path : NULL,
                                    .port = server->port,
                                    .method = ask->is_post ? "POST" : "GET",
                                    .path = ask->is_post ? "/v1/jobs" : "/v1/jobs/{n}",
                                    .headers = "Content-Type: application/json\r\n",
                                    .body = ask->is_post ? bench->body : NULL,
                                    .connections = CONNECTIONS,
                                    .seconds = RUN_SECONDS};
    struct gr_load_result result;
    double cpu_s = server_cpu_s(server);
    int code = gr_load_run(&config, &result, err);
    if (code != 0) {
        return code;
    }
    bench->refused += result.sent - result.ok;
    *ret_rate = (double)result.replied / result.seconds;
    *ret_cpu_us = (server_cpu_s(server) - cpu_s) * 1e6 / (double)result.replied;
    gr_load_result_done(&result);
    return 0;
}

static int http_run(void *context, double *ret_values, struct gr_err *err)
{
    struct http_bench *bench = context;
    for (size_t i = 0; i < ASKS; i++) {
        int code =
            ask_run(bench, &bench->bare, &asks[i], &ret_values[2 * i], &bench->cpu_us[2 * i], err);
        code = code != 0 ? code
                         : ask_run(bench, &bench->ours, &asks[i], &ret_values[2 * i + 1],
                                   &bench->cpu_us[2 * i + 1], err);
        if (code != 0) {
            return code;
        }
    }
    fprintf(stderr, "# us of the server's processor a request, bare and ours:");
    for (size_t i = 0; i < ASKS; i++) {
        fprintf(stderr, " %s %s %.1f %.1f", asks[i].is_post ? "POST" : "GET",
                asks[i].is_unix ? "unix" : "tcp", bench->cpu_us[2 * i], bench->cpu_us[2 * i + 1]);
    }
    fputc('\n', stderr);
    return 0;
}

static int http_audit(void *context, struct gr_err *err)
{
    const struct http_bench *bench = context;
    return bench->refused == 0 ? 0
                               : gr_fail(err, -EIO, "%llu requests were not answered with 200",
                                         (unsigned long long)bench->refused);
}

static void http_end(void *context)
{
    struct http_bench *bench = context;
    server_stop(&bench->bare);
    server_stop(&bench->ours);
    rmdir(bench->folder);
}

static const struct gr_bench_figure figures[2 * ASKS] = {
    {"bare_get_unix_per_s", "requests/s", "limit", 20000},
    {"http_get_unix_per_s", "requests/s", "bare_get_unix_per_s", 0},
    {"bare_post_unix_per_s", "requests/s", "limit", 20000},
    {"http_post_unix_per_s", "requests/s", "bare_post_unix_per_s", 0},
    {"bare_get_tcp_per_s", "requests/s", "limit", 20000},
    {"http_get_tcp_per_s", "requests/s", "bare_get_tcp_per_s", 0},
    {"bare_post_tcp_per_s", "requests/s", "limit", 20000},
    {"http_post_tcp_per_s", "requests/s", "bare_post_tcp_per_s", 0},
};

int main(int argc, char **argv)
{
    static struct http_bench state;
    const struct gr_bench benches[] = {{
        .figures = figures,
        .figure_count = sizeof(figures) / sizeof(figures[0]),
        .runs = GR_BENCH_RUNS_MIN,
        .context = &state,
        .begin = http_begin,
        .run = http_run,
        .audit = http_audit,
        .end = http_end,
    }};
    return gr_bench_main(argc, argv, benches, 1);
}
