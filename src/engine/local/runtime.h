// Runs crun or runc: in a mount namespace of its own, which holds everything that is mounted for a
// container, so that nothing is left mounted whatever goes wrong; and for at most a time.
#pragma once

#include "base/err.h"
#include "engine/local/cgroup.h"

#include <stdbool.h>
#include <stdint.h>

// Longest time of one call; a runtime that hangs is killed then.
#define GR_RUNTIME_MS_MAX 60000

// What is done in the new namespace before the runtime runs, for creating a container. Borrowed.
struct gr_runtime_stage {
    int root;          // folder to be the container's root, O_PATH; -1: ROOT below `box` as it is
    bool is_overlay;   // what is written goes to an overlay in `box`; else `root` itself, read-only
    const char *work;  // folder to be shown to the container; "": none
    uint32_t uid, gid; // with whose rights `work` is opened
    const uint32_t *groups;        // supplementary groups of that user
    uint32_t group_count;          // of groups
    const struct gr_cgroup *group; // entered first; NULL: none
    int output, error;             // become its standard output and error
    int oom_adjust;                // see gr_process_oom_set
};

// One call of a runtime. Borrowed.
struct gr_runtime {
    const char *program;                  // path
    const char *box;                      // folder of the bundle; becomes the working directory
    const char *const *argv;              // NULL-terminated
    const struct gr_runtime_stage *stage; // NULL: none
    int timeout_ms;                       // at most GR_RUNTIME_MS_MAX
};

// Whether the daemon, and so the runtime, runs without root's rights, in a user namespace then.
bool gr_runtime_is_rootless(void);
// Whether this program is runc, by the last part of its path; else it is taken for crun.
bool gr_runtime_is_runc(const char *program);
// Whether v1 and v2 control groups are mounted side by side, which crun refuses to work with: then
// it is shown the v1 ones only.
bool gr_runtime_is_hybrid(void);
// Runs it and waits. Returns 0; -ENOTSUP if the stage's overlay cannot be mounted; -ETIMEDOUT; -EIO
// with a text if the runtime failed, its own last words (of BOX/log) included; other -errno.
int gr_runtime_run(const struct gr_runtime *runtime, struct gr_err *err);
// First line of `PROGRAM --version` ("crun version 1.8.1"). Returns 0 or -errno with a text.
int gr_runtime_version(const char *program, char *ret_text, size_t size, struct gr_err *err);
