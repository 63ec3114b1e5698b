// The child that verifies the journal, and what the daemon knows of it: see verifier.h. What it
// says are whole structs through a pipe, each in one write.
#include "daemon/verifier.h"

#include "base/clock.h"
#include "daemon/state_dir.h"
#include "journal/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Progress is told each 8 MiB (journal.h): no more than 32 MiB a second are read.
#define TELL_APART_MS 250
// ioprio_set(2): the disk is asked when nobody else asks it.
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE (3 << 13)

_Static_assert(sizeof(struct gr_verified) <= PIPE_BUF, "what is said is one write");

struct gr_verifier {
    pid_t pid;
    int go_fd;  // closing it without a byte ends a child that has not begun
    int say_fd; // what the child says; -1: it is over
    struct gr_verified known;
};

// --- the child

struct child {
    int say_fd;
    int64_t told_ms;
    struct gr_verified said;
};

static void say(const struct child *child)
{
    ssize_t written = write(child->say_fd, &child->said, sizeof child->said);
    if (written < 0) {
        _exit(1); // nobody listens any more
    }
}

static void progress(void *context, uint64_t at, uint64_t last)
{
    struct child *child = context;
    child->said.at = at;
    child->said.last = last;
    say(child);
    int64_t left_ms = child->told_ms + TELL_APART_MS - gr_clock_ms();
    if (left_ms > 0) {
        const struct timespec pause = {.tv_nsec = (long)left_ms * 1000000};
        (void)nanosleep(&pause, NULL);
    }
    child->told_ms = gr_clock_ms();
}

static void verify(const char *journal, int say_fd)
{
    struct child child = {.say_fd = say_fd, .said = {.state = GR_VERIFIED_RUNS}};
    struct gr_journal_verified found;
    struct gr_err err;
    gr_err_init(&err);
    (void)setpriority(PRIO_PROCESS, 0, 19);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
    say(&child);
    child.told_ms = gr_clock_ms();
    int rc = gr_journal_verify(journal, progress, &child, &found, &err);
    child.said.state = rc == 0          ? GR_VERIFIED_GOOD
                       : rc == -EBADMSG ? GR_VERIFIED_DAMAGED
                                        : GR_VERIFIED_FAILED;
    if (rc == 0) {
        child.said.at = child.said.last = found.last;
    } else {
        snprintf(child.said.text, sizeof child.said.text, "%s", err.text);
    }
    say(&child);
}

// Nothing of the daemon's may stay open in it: its lock, what its caller waits on.
static void child_run(const char *journal, pid_t parent, int go_fd, int say_fd)
{
    char byte;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(go_fd, STDERR_FILENO + 1) < 0 ||
        dup2(say_fd, STDERR_FILENO + 2) < 0) {
        _exit(1);
    }
    (void)syscall(SYS_close_range, STDERR_FILENO + 3, ~0U, 0U);
    ssize_t got;
    do {
        got = read(STDERR_FILENO + 1, &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got == 1) {
        verify(journal, STDERR_FILENO + 2);
    }
    _exit(0);
}

// --- the daemon

int gr_verifier_open(const char *state_dir, struct gr_verifier **ret_verifier, struct gr_err *err)
{
    char journal[GR_STATE_PATH_SIZE];
    int go[2];
    int said[2];
    int rc = gr_state_path(state_dir, "journal", journal, err);
    struct gr_verifier *verifier = rc == 0 ? calloc(1, sizeof *verifier) : NULL;
    if (verifier == NULL) {
        return rc != 0 ? rc : gr_fail(err, -ENOMEM, "no memory to verify the journal");
    }
    if (pipe2(go, O_CLOEXEC) != 0) {
        rc = gr_fail_errno(err, "make a pipe");
        free(verifier);
        return rc;
    }
    if (pipe2(said, O_CLOEXEC) != 0) {
        rc = gr_fail_errno(err, "make a pipe");
        close(go[0]);
        close(go[1]);
        free(verifier);
        return rc;
    }
    // Beyond the numbers that the child gives to its own ends.
    int go_fd = fcntl(go[0], F_DUPFD_CLOEXEC, STDERR_FILENO + 3);
    int say_fd = fcntl(said[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 3);
    pid_t parent = getpid();
    verifier->pid = go_fd < 0 || say_fd < 0 ? -1 : fork();
    if (verifier->pid == 0) {
        child_run(journal, parent, go_fd, say_fd);
    }
    rc = verifier->pid < 0 ? gr_fail_errno(err, "start verifying the journal") : 0;
    const int done[] = {go[0], said[1], go_fd, say_fd};
    for (size_t i = 0; i < sizeof done / sizeof done[0]; i++) {
        if (done[i] >= 0) {
            close(done[i]);
        }
    }
    verifier->go_fd = go[1];
    verifier->say_fd = said[0];
    if (rc == 0 && fcntl(said[0], F_SETFL, O_NONBLOCK) != 0) {
        rc = gr_fail_errno(err, "start verifying the journal");
    }
    if (rc != 0) {
        gr_verifier_close(verifier);
        return rc;
    }
    *ret_verifier = verifier;
    return 0;
}

void gr_verifier_begin(struct gr_verifier *verifier)
{
    assert(verifier->go_fd >= 0);
    ssize_t written = write(verifier->go_fd, "1", 1);
    (void)written; // one that is gone is heard of by the other pipe
    close(verifier->go_fd);
    verifier->go_fd = -1;
    verifier->known.state = GR_VERIFIED_RUNS;
}

int gr_verifier_fd(const struct gr_verifier *verifier)
{
    return verifier->say_fd;
}

bool gr_verifier_hear(struct gr_verifier *verifier)
{
    struct gr_verified said;
    ssize_t got = -1;
    errno = EAGAIN;
    while (verifier->say_fd >= 0 && (got = read(verifier->say_fd, &said, sizeof said)) > 0) {
        if (got == (ssize_t)sizeof said) {
            verifier->known = said;
        }
    }
    if (verifier->say_fd < 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) {
        return false;
    }
    if (verifier->known.state == GR_VERIFIED_RUNS) {
        verifier->known.state = GR_VERIFIED_FAILED;
        snprintf(verifier->known.text, sizeof verifier->known.text,
                 "the process that verified the journal was ended");
    }
    close(verifier->say_fd);
    verifier->say_fd = -1;
    (void)waitpid(verifier->pid, NULL, 0);
    verifier->pid = 0;
    return true;
}

const struct gr_verified *gr_verifier_get(const struct gr_verifier *verifier)
{
    static const struct gr_verified not_begun;
    return verifier == NULL ? &not_begun : &verifier->known;
}

const char *gr_verified_name(const struct gr_verified *verified)
{
    switch (verified->state) {
    case GR_VERIFIED_NOT:
        return "not-begun";
    case GR_VERIFIED_RUNS:
        return "running";
    case GR_VERIFIED_GOOD:
        return "good";
    case GR_VERIFIED_DAMAGED:
        return "damaged";
    case GR_VERIFIED_FAILED:
        return "failed";
    }
    assert(!"a state");
    return "";
}

void gr_verifier_close(struct gr_verifier *verifier)
{
    if (verifier == NULL) {
        return;
    }
    if (verifier->go_fd >= 0) {
        close(verifier->go_fd);
    }
    if (verifier->say_fd >= 0) {
        close(verifier->say_fd);
    }
    if (verifier->pid > 0) {
        kill(verifier->pid, SIGKILL);
        (void)waitpid(verifier->pid, NULL, 0);
    }
    free(verifier);
}
