// A real daemon: see live.h.
#include "live.h"

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS_MAX 32
#define ASK_SECONDS 120

extern char **environ;

const char gr_live_job[] =
    "{\"name\":\"train-7\",\"command\":[\"python3\",\"train.py\",\"--config\",\"configs/"
    "base.yaml\","
    "\"--rate\",\"0.001\"],\"env\":{\"PATH\":\"/usr/local/bin:/usr/bin:/bin\",\"HOME\":"
    "\"/srv/alice\",\"LANG\":\"C.UTF-8\",\"OMP_NUM_THREADS\":\"8\",\"NCCL_DEBUG\":\"WARN\","
    "\"SEED\":\"17\",\"RUN\":\"night-7\",\"DATA\":\"/data/set-12\",\"STEPS\":\"100000\",\"MODE\":"
    "\"full\"},\"directory\":\"/srv/alice/run\",\"kind\":\"h20\",\"devices\":0.125,"
    "\"cpu\":1,\"memory\":\"8GiB\",\"limit\":\"1h30m\",\"priority\":5,\"use\":\"train\","
    "\"requeue\":{\"attempts\":3,\"on\":[\"node\",\"reclaim\"]}}";

static void pause_ms(unsigned ms)
{
    const struct timespec pause = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&pause, NULL);
}

int gr_live_folder(struct gr_live_daemon *daemon, struct gr_err *err)
{
    const char *place = getenv("TMPDIR");
    snprintf(daemon->root, sizeof daemon->root, "%.30s/granary-XXXXXX",
             place != NULL ? place : "/var/tmp");
    if (mkdtemp(daemon->root) == NULL) {
        daemon->root[0] = '\0';
        return gr_fail_errno(err, "make a folder for the pool");
    }
    // Users pass through to their jobs' folders.
    (void)chmod(daemon->root, 0711);
    snprintf(daemon->state, sizeof daemon->state, "%s/state", daemon->root);
    snprintf(daemon->socket, sizeof daemon->socket, "%s/socket", daemon->root);
    return 0;
}

// --- requests

static int connect_to(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof name) != 0) {
        close(fd);
        return -1;
    }
    const struct timeval most = {.tv_sec = ASK_SECONDS};
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    }
    return fd;
}

static bool send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

// Everything until the server closes. NULL without memory or on an error.
static char *read_all(int fd)
{
    size_t size = 0, room = 65536;
    char *bytes = malloc(room);
    while (bytes != NULL) {
        ssize_t got = recv(fd, bytes + size, room - size - 1, 0);
        if (got <= 0) {
            bytes[size] = '\0';
            if (got == 0) {
                return bytes;
            }
            break;
        }
        size += (size_t)got;
        if (room - size < 2) {
            char *more = realloc(bytes, room *= 2);
            if (more == NULL) {
                break;
            }
            bytes = more;
        }
    }
    free(bytes);
    return NULL;
}

int gr_live_ask(const struct gr_live_daemon *daemon, const char *method, const char *path,
                const char *type, const char *body, size_t body_size, char **ret_body,
                struct gr_err *err)
{
    char head[512];
    int size = snprintf(head, sizeof head,
                        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                        method, path, type, body_size);
    int fd = connect_to(daemon->socket);
    bool is_sent = fd >= 0 && send_all(fd, head, (size_t)size) && send_all(fd, body, body_size);
    char *reply = is_sent ? read_all(fd) : NULL;
    int failed = errno;
    if (fd >= 0) {
        close(fd);
    }
    char *end = reply == NULL ? NULL : strstr(reply, "\r\n\r\n");
    if (end == NULL || strncmp(reply, "HTTP/1.1 ", 9) != 0) {
        free(reply);
        return gr_fail(err, failed == 0 ? -EIO : -failed, "%s %s: no reply", method, path);
    }
    int status = (int)strtol(reply + 9, NULL, 10);
    memmove(reply, end + 4, strlen(end + 4) + 1);
    *ret_body = reply;
    return status;
}

// --- the process

int gr_live_begin(struct gr_live_daemon *daemon, const char *const *arguments, double *ret_s,
                  struct gr_err *err)
{
    const char *argv[ARGUMENTS_MAX + 1] = {"granary",  "serve", "--quiet",  "--state", NULL,
                                           "--socket", NULL,    "--listen", "none"};
    argv[4] = daemon->state;
    argv[6] = daemon->socket;
    for (int at = 9; arguments != NULL && *arguments != NULL && at < ARGUMENTS_MAX; at++) {
        argv[at] = *arguments++;
    }
    double begin = gr_bench_now_s();
    int failed =
        posix_spawn(&daemon->pid, GR_PROGRAM, NULL, NULL, (char *const *)(uintptr_t)argv, environ);
    if (failed != 0) {
        daemon->pid = 0;
        return gr_fail(err, -failed, "start %s", GR_PROGRAM);
    }
    while (gr_bench_now_s() - begin < ASK_SECONDS) {
        char *body;
        int status =
            gr_live_ask(daemon, "GET", "/v1/health", "application/json", "", 0, &body, err);
        if (status > 0) {
            free(body);
            if (ret_s != NULL) {
                *ret_s = gr_bench_now_s() - begin;
            }
            return status == 200 ? 0 : gr_fail(err, -EIO, "the daemon's health is %d", status);
        }
        if (waitpid(daemon->pid, NULL, WNOHANG) == daemon->pid) {
            daemon->pid = 0;
            return gr_fail(err, -ECHILD, "the daemon has ended");
        }
        pause_ms(1);
    }
    return gr_fail(err, -ETIMEDOUT, "the daemon does not answer");
}

void gr_live_stop(struct gr_live_daemon *daemon)
{
    if (daemon->pid == 0) {
        return;
    }
    kill(daemon->pid, SIGUSR1);
    for (int i = 0; i < 20000; i++) {
        if (waitpid(daemon->pid, NULL, WNOHANG) == daemon->pid) {
            daemon->pid = 0;
            return;
        }
        pause_ms(1);
    }
    kill(daemon->pid, SIGKILL);
    waitpid(daemon->pid, NULL, 0);
    daemon->pid = 0;
}

void gr_live_kill(struct gr_live_daemon *daemon, int signal)
{
    if (daemon->pid != 0) {
        kill(daemon->pid, signal);
        waitpid(daemon->pid, NULL, 0);
        daemon->pid = 0;
    }
}

void gr_live_end(struct gr_live_daemon *daemon)
{
    gr_live_stop(daemon);
    // Keepers may still put away what the last jobs left.
    for (int i = 0; i < 50 && daemon->root[0] != '\0'; i++) {
        const char *argv[] = {"rm", "-rf", "--one-file-system", daemon->root, NULL};
        pid_t pid;
        if (posix_spawnp(&pid, "rm", NULL, NULL, (char *const *)(uintptr_t)argv, environ) == 0) {
            waitpid(pid, NULL, 0);
        }
        if (access(daemon->root, F_OK) != 0) {
            daemon->root[0] = '\0';
            return;
        }
        pause_ms(20);
    }
    daemon->root[0] = '\0';
}

int gr_live_drain(const struct gr_live_daemon *daemon, double most_s, struct gr_err *err)
{
    double end = gr_bench_now_s() + most_s;
    while (gr_bench_now_s() < end) {
        char *body;
        int status = gr_live_ask(daemon, "GET", "/v1/pool", "application/json", "", 0, &body, err);
        if (status < 0) {
            return status;
        }
        bool is_empty = strstr(body, "\"jobs\":{\"held\":0,\"waiting\":0,\"running\":0}") != NULL;
        free(body);
        if (is_empty) {
            return 0;
        }
        pause_ms(10);
    }
    return gr_fail(err, -ETIMEDOUT, "jobs do not end");
}

double gr_live_cpu_s(const struct gr_live_daemon *daemon)
{
    clockid_t clock;
    struct timespec used = {0};
    if (clock_getcpuclockid(daemon->pid, &clock) == 0) {
        clock_gettime(clock, &used);
    }
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}
