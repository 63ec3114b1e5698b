// What the engine can do here, tried out by a child while the daemon starts: it takes the better
// part of a second. For serve.c.
#pragma once

#include "daemon/daemon.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// A child that tries things out, or none. fd is -1 before gr_tryout_begin.
struct gr_tryout {
    int fd;       // what it writes; -1: it is done, or was never begun
    pid_t pid;    // of the child
    size_t bytes; // of its answers that came
};

// Forks the child, while this process is small and has one thread; `state` is the state directory,
// `scripts` that of node checks or NULL. Without it the engine says less about itself, nothing
// more.
void gr_tryout_begin(struct gr_tryout *tryout, struct gr_daemon *daemon, const char *state,
                     const char *scripts);
// Takes what the child has said, when fd is ready. At its end those who asked meanwhile are
// answered, and fd is closed.
void gr_tryout_take(struct gr_tryout *tryout, struct gr_daemon *daemon);
// Waits until nothing is tried out in the state directory any more: what is tried makes files and
// mounts there, and takes them away. False: not within ten seconds.
bool gr_tryout_wait(const struct gr_tryout *tryout);
// Lets go of a child that is not done: it ends by itself, and cleans up. Killed, it would leave
// processes.
void gr_tryout_close(struct gr_tryout *tryout);
