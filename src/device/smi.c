// Running nvidia-smi to reset a device: see smi.h. The program may hang in the driver, where even
// KILL does not reach it: then it is left behind, and the device is not given to anybody.
#include "device/smi.h"

#include "base/clock.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// Exit codes of nvidia-smi, as its manual lists them.
enum { EXIT_NOT_AVAILABLE = 3, EXIT_NO_PERMISSION = 4 };

struct output {
    char text[512]; // what the program wrote first
    size_t size;
};

const char *gr_smi_find(void)
{
    static const char *const places[] = {"/usr/bin/nvidia-smi", "/usr/local/nvidia/bin/nvidia-smi",
                                         "/usr/local/bin/nvidia-smi", "/opt/bin/nvidia-smi"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (access(places[i], X_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

// No signal is blocked or ignored in the program, whatever the calling thread does with them.
static int init_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    int rc = posix_spawnattr_init(attributes);
    if (rc != 0) {
        return rc;
    }
    rc = posix_spawnattr_setsigmask(attributes, &none);
    if (rc == 0) {
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    }
    if (rc == 0) {
        rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    if (rc != 0) {
        posix_spawnattr_destroy(attributes);
    }
    return rc;
}

static int start(const char *program, const char *address, int out, pid_t *ret_pid)
{
    // posix_spawn wants the arguments writable; nobody writes.
    char option[] = "--gpu-reset";
    char which[] = "-i";
    char name[256];
    char where[64];
    snprintf(name, sizeof name, "%s", program);
    snprintf(where, sizeof where, "%s", address);
    char *arguments[] = {name, option, which, where, NULL};
    char *environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0) {
        return -rc;
    }
    rc = init_attributes(&attributes);
    if (rc != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -rc;
    }
    rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, out, 1);
    }
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, out, 2);
    }
    if (rc == 0) {
        rc = posix_spawn(ret_pid, program, &actions, &attributes, arguments, environment);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -rc;
}

// Collects what the program writes until it closes its output or time is up. False: time is up.
static bool collect(int fd, int64_t deadline_ms, struct output *output)
{
    for (;;) {
        char block[512];
        int64_t left_ms = deadline_ms - gr_clock_ms();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = left_ms <= 0 ? 0 : poll(&wait, 1, (int)left_ms);
        if (ready == 0) {
            return false;
        }
        ssize_t got = ready < 0 ? -1 : read(fd, block, sizeof block);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return true;
        }
        size_t room = sizeof output->text - 1 - output->size;
        size_t keep = (size_t)got < room ? (size_t)got : room;
        memcpy(output->text + output->size, block, keep);
        output->size += keep;
    }
}

// Waits for the end until time is up; after that kills, and waits a second more. False: it is
// still there.
static bool wait_for_end(pid_t pid, int64_t deadline_ms, int *ret_status, bool *ret_killed)
{
    *ret_killed = false;
    for (;;) {
        pid_t ended = waitpid(pid, ret_status, WNOHANG);
        if (ended == pid || (ended < 0 && errno != EINTR)) {
            return ended == pid;
        }
        if (gr_clock_ms() >= deadline_ms) {
            if (*ret_killed) {
                return false;
            }
            kill(pid, SIGKILL);
            *ret_killed = true;
            deadline_ms = gr_clock_ms() + 1000;
        }
        poll(NULL, 0, 5);
    }
}

// One line of what the program said.
static void tidy(struct output *output)
{
    while (output->size > 0 && isspace((unsigned char)output->text[output->size - 1])) {
        output->size--;
    }
    output->text[output->size] = '\0';
    for (size_t i = 0; i < output->size; i++) {
        if (output->text[i] == '\n') {
            output->text[i] = ' ';
        }
    }
}

// nvidia-smi says only in words that cards must be reset together, or that one is busy.
static bool says(const struct output *output, const char *words)
{
    return strcasestr(output->text, words) != NULL;
}

static int judge(int status, const struct output *output, struct gr_err *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    if (says(output, "in use")) {
        return gr_fail(err, -EBUSY, "nvidia-smi: %s", output->text);
    }
    if (code == EXIT_NOT_AVAILABLE || code == EXIT_NO_PERMISSION || says(output, "not supported") ||
        says(output, "nvlink")) {
        return gr_fail(err, -ENOTSUP, "nvidia-smi cannot reset it: %s", output->text);
    }
    return gr_fail(err, -EIO, "nvidia-smi ended with %d: %s", code, output->text);
}

int gr_smi_reset(const char *program, const char *address, int limit_ms, struct gr_err *err)
{
    int fds[2];
    pid_t pid = -1;
    int status = 0;
    bool killed = false;
    struct output output = {.size = 0};
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return gr_fail_errno(err, "reset %s: make a pipe", address);
    }
    int64_t deadline_ms = gr_clock_ms() + limit_ms;
    int rc = start(program, address, fds[1], &pid);
    close(fds[1]);
    if (rc < 0) {
        close(fds[0]);
        return gr_fail(err, rc, "reset %s: run %s: %s", address, program, strerror(-rc));
    }
    collect(fds[0], deadline_ms, &output);
    close(fds[0]);
    bool ended = wait_for_end(pid, deadline_ms, &status, &killed);
    tidy(&output);
    if (!killed && !ended) {
        return gr_fail(err, -EIO, "reset %s: nobody knows how %s ended", address, program);
    }
    if (killed) {
        return gr_fail(err, -ETIMEDOUT, "reset %s: %s took more than %d ms", address, program,
                       limit_ms);
    }
    rc = judge(status, &output, err);
    return rc < 0 ? (gr_err_prefix(err, "reset %s", address), rc) : 0;
}
