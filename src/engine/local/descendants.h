// Killing what a job left where no control group reaches it: through parenthood, which a process
// cannot shake off below a subreaper, and through the environment it was started with.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Asked of a child; true: it is left alone.
typedef bool gr_descendants_spare(pid_t pid, void *context);

// Sends KILL to every child of the calling process, but those that `spare` (NULL: none) wants left.
// A child's children become the caller's if it is a subreaper, so calling it again and again, and
// reaping, ends all. Returns how many were sent it; -errno if /proc cannot be read.
int gr_descendants_kill(gr_descendants_spare *spare, void *context);

// Whether all threads of a process are dead; false if it is not there.
bool gr_descendants_is_corpse(pid_t pid);

// Whether every child of the calling process is dead and only waits for whoever traces it (ptrace):
// a tracer need not ever look, and the parent can reap it only after that. False if a thread of one
// may still run, or if /proc cannot be read.
bool gr_descendants_are_corpses(void);

// Whether a process's first environment holds the entry `marker` ("NAME=VALUE"); false if it cannot
// be read.
bool gr_descendants_is_marked(pid_t pid, const char *marker);

// Sends KILL to every process whose first environment holds the entry `marker` ("NAME=VALUE"), but
// the caller. Returns how many there were; -errno if /proc cannot be read. Reads all of /proc.
int gr_descendants_marked_kill(const char *marker);

// Cpu time of all descendants of the calling process (those alive) in milliseconds, and whether
// there is one that is not stopped. Reads one file a descendant.
void gr_descendants_usage(uint64_t *ret_cpu_ms, bool *ret_any_goes);
