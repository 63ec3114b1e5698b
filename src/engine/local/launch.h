// Getting a launcher, and its program: for local.c and node_checks.c only.
#pragma once

#include "base/err.h"
#include "engine/local/wire.h"

#include <sys/types.h>

// Starts a launcher by executing this program anew (hidden subcommand `engine launcher DIR`), for a
// process that is too big to fork. Returns its pid, a child of the caller, or -errno with a text.
// Does not wait until it serves.
pid_t gr_launch_spawn(const char *dir, struct gr_err *err);
// Puts granary-launcher into a file in memory. Returns it open, close-on-exec, or -errno. Such a
// file cannot be executed everywhere: have another way.
int gr_launch_program_open(void);
// Waits until a frame of the given type came from the socket. Returns 0 with the body copied to
// `ret_body` (as much as it holds), -ETIMEDOUT after `wait_ms`, -ECONNRESET, other -errno.
int gr_launch_await(int socket, struct gr_wire_buffer *in, enum gr_wire_type type, int wait_ms,
                    void *ret_body, size_t size);
