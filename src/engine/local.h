// The engine of this machine: processes and OCI containers, held by keepers that outlive the
// daemon.
#pragma once

#include "base/err.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// How the local engine works.
struct gr_local_config {
    const char *dir;    // STATE/engine; made (0711) if it is not there
    const char *checks; // directory with scripts start.d, before.d, after.d, return.d; "": none
    const char *crun, *runc; // programs; NULL: looked up in PATH; "": none
    uint32_t epoch;          // of the journal's writer
    int64_t idle_warn_ms;    // held-idle is reported after so long without cpu use; 0: never
    // What jobs get as $GRANARY_SERVER; "" or NULL: nothing.
    const char *server;
    // A folder with another socket of the daemon, `granary.sock`, shown to containers; "" or NULL:
    // none. The folder stays when the daemon starts again, the socket does not.
    const char *door;
};

// Connects to the launcher of this directory, or forks one. Must be called early, while the process
// is small and has one thread: gr_local_launch first, gr_local_open later.
// gr_local_launch returns 0 when a launcher serves `dir`, whether it was there or not.
int gr_local_launch(const struct gr_local_config *config, struct gr_err *err);
// Whether a launcher that gr_local_launch would use serves `dir` already. Waits for its answer.
bool gr_local_launcher_answers(const char *dir);
// See gr_local_launch. If the launcher dies later, the engine starts another by executing the
// program anew (/proc/self/exe, hidden subcommand `engine launcher DIR`).
int gr_local_open(const struct gr_local_config *config, struct gr_engine **ret_engine,
                  struct gr_err *err);
// Body of the hidden subcommand: serves until it is told to end. Returns an exit code.
int gr_local_launcher_main(const char *dir, struct gr_err *err);
// Tells the launcher of `dir` to end; keepers and their jobs go on. 0 also if there is none.
int gr_local_launcher_stop(const char *dir, struct gr_err *err);

// One line of `granary engine check`.
struct gr_local_check {
    const char *name;  // "memory limit"; static
    bool is_there;     // it works here
    char how[160];     // by what means ("cgroup v2 memory.max"), or what is missing and why
    char without[160]; // what follows for jobs if it is missing; "" if it is there
    char remedy[160];  // what to do to have it; "" if it is there
};
// Tries out what works here (cgroups, users, namespaces, crun, runc, device limits, cgroup.kill,
// CDI, ...), really, with short-lived processes. Returns how many lines (at most `most`), or
// -errno.
int gr_local_check(const struct gr_local_config *config, struct gr_local_check *ret_checks,
                   unsigned most, struct gr_err *err);

// Directory of an attempt's files, where its logs are: DIR/attempts/JOB.ATTEMPT. Returns 0, or
// -ENAMETOOLONG.
int gr_local_attempt_dir(const char *dir, uint64_t job, uint32_t attempt, char *ret_path,
                         size_t size);
// Opens a task's output (stream 1) or error (stream 2) for reading, wherever the spec put it, safe
// against links that the submitter planted: it must be a regular file of that uid. Returns a file
// descriptor, or -ENOENT (none yet), -EACCES, other -errno.
int gr_local_log_open(const char *dir, uint64_t job, uint32_t attempt, uint32_t task,
                      unsigned stream, struct gr_err *err);
