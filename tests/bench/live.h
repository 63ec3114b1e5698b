// A real daemon for benchmarks: `granary serve` as a process of its own, with a state directory of
// its own, asked over its unix socket.
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// A daemon. Zeroed, there is none.
struct gr_live_daemon {
    char root[64];   // folder of its own, with the state in it; "": none
    char state[80];  // the state directory
    char socket[96]; // its socket
    pid_t pid;       // 0: it does not run
};

// The shortest way to a job with a command of 6 words, 10 variables and limits, as JSON without a
// line end.
extern const char gr_live_job[];

// Makes the folder, below $TMPDIR or /var/tmp.
int gr_live_folder(struct gr_live_daemon *daemon, struct gr_err *err);
// Starts `granary serve` with further arguments (NULL-terminated), and waits until it answers.
// *ret_s (may be NULL): how long that took, in seconds.
int gr_live_begin(struct gr_live_daemon *daemon, const char *const *arguments, double *ret_s,
                  struct gr_err *err);
// Ends the daemon with its jobs and launcher, as SIGUSR1 asks for. Blocks until it has.
void gr_live_stop(struct gr_live_daemon *daemon);
// Ends the daemon by a signal, waits for it, and leaves its launcher.
void gr_live_kill(struct gr_live_daemon *daemon, int signal);
// gr_live_stop, and removes the folder.
void gr_live_end(struct gr_live_daemon *daemon);

// One request on a connection of its own; the reply's body is in *ret_body, to be freed. Returns
// the status, or a negative errno with a text. Blocks, at most two minutes.
int gr_live_ask(const struct gr_live_daemon *daemon, const char *method, const char *path,
                const char *type, const char *body, size_t body_size, char **ret_body,
                struct gr_err *err);
// Waits until no job is live. Returns 0, or -ETIMEDOUT with a text after `most_s` seconds.
int gr_live_drain(const struct gr_live_daemon *daemon, double most_s, struct gr_err *err);
// Processor time that the daemon has used, in seconds, all threads.
double gr_live_cpu_s(const struct gr_live_daemon *daemon);
