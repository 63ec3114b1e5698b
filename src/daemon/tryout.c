// A child that tries out the engine: see tryout.h. Answers are rows of memory of the same program.
#include "daemon/tryout.h"

#include "base/clock.h"
#include "daemon/state_dir.h"
#include "engine/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// How long a start that came to nothing waits for what it tried out.
#define WAIT_MS 10000

void gr_tryout_begin(struct gr_tryout *tryout, struct gr_daemon *daemon, const char *state,
                     const char *scripts)
{
    int ends[2];
    char path[GR_STATE_PATH_SIZE];
    if (gr_state_path(state, "engine", path, NULL) != 0 || pipe2(ends, O_CLOEXEC) != 0) {
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        // Nobody may be left with the lock of a daemon that is killed, or with what its caller
        // waits on.
        (void)dup2(ends[1], STDERR_FILENO + 1);
        (void)syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0U);
        struct gr_local_check checks[GR_DAEMON_CHECKS];
        struct gr_local_config config = {.dir = path, .checks = scripts};
        memset(checks, 0, sizeof checks);
        int count = gr_local_check(&config, checks, GR_DAEMON_CHECKS, NULL);
        // Texts of the program have the same addresses in the parent.
        ssize_t written =
            count > 0 ? write(STDERR_FILENO + 1, checks, (size_t)count * sizeof checks[0]) : 0;
        _exit(written < 0);
    }
    close(ends[1]);
    if (pid < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        close(ends[0]);
        return;
    }
    *tryout = (struct gr_tryout){.fd = ends[0], .pid = pid};
    daemon->is_checking = true;
}

void gr_tryout_take(struct gr_tryout *tryout, struct gr_daemon *daemon)
{
    size_t room = sizeof daemon->checks - tryout->bytes;
    ssize_t got = read(tryout->fd, (char *)daemon->checks + tryout->bytes, room);
    if (got > 0) {
        tryout->bytes += (size_t)got;
        return;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    close(tryout->fd);
    tryout->fd = -1;
    (void)waitpid(tryout->pid, NULL, 0);
    daemon->check_count = (int)(tryout->bytes / sizeof daemon->checks[0]);
    daemon->is_checking = false;
    gr_route_engines_ready(daemon);
}

bool gr_tryout_wait(const struct gr_tryout *tryout)
{
    char bytes[512];
    int64_t until_ms = gr_clock_ms() + WAIT_MS;
    while (tryout->fd >= 0) {
        struct pollfd fd = {.fd = tryout->fd, .events = POLLIN};
        int64_t left_ms = until_ms - gr_clock_ms();
        int rc = left_ms <= 0 ? 0 : poll(&fd, 1, (int)left_ms);
        if (rc == 0 || (rc < 0 && errno != EINTR)) {
            return false;
        }
        if (rc > 0 && read(tryout->fd, bytes, sizeof bytes) <= 0) {
            break; // all of its descriptors are closed: it has ended
        }
    }
    return tryout->fd < 0 || waitpid(tryout->pid, NULL, 0) == tryout->pid;
}

void gr_tryout_close(struct gr_tryout *tryout)
{
    if (tryout->fd >= 0) {
        close(tryout->fd);
        tryout->fd = -1;
    }
}
