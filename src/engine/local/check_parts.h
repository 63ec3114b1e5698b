// What check.c, check_container.c and check_folder.c share; nobody else includes it.
#pragma once

#include "engine/local.h"
#include "engine/local/cgroup.h"

#include <limits.h>

// What trials say besides 0: no, and "could not be tried".
#define GR_CHECK_NO 1
#define GR_CHECK_UNTRIED 2

// The list as it grows, and what all trials need.
struct gr_check {
    struct gr_local_check *lines;         // the caller's
    unsigned most;                        // of lines
    unsigned count;                       // of lines
    const struct gr_local_config *config; // the caller's
    struct gr_cgroup_means means;         // of this trial
    char dir[PATH_MAX];                   // a folder for trials
    int dir_fd;                           // the same, locked
    uint64_t throttled;                   // periods in which the last trial was denied cpu
};

// Adds a line; `fmt` says how. `without` and `remedy` are dropped if it is there.
void gr_check_add(struct gr_check *check, const char *name, bool is_there, const char *without,
                  const char *remedy, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
// Runs `work` in a process of its own, in the group if there is one, and waits for it. What it
// writes to `say` is put into ret_said. Returns its exit code, -1 if it was killed.
int gr_check_run(const struct gr_cgroup *group, int (*work)(void *context, int say), void *context,
                 char *ret_said, size_t size);
// Makes a folder of our own below the engine's, or in /tmp where that is not ours to write; what
// checks that were killed left below the engine's is removed first, with their groups. Returns 0 or
// -errno with a text.
int gr_check_folder_make(struct gr_check *check, struct gr_err *err);
// Removes it with all in it.
void gr_check_folder_remove(const struct gr_check *check);
// Ends and removes what a check that was killed left in groups that will have the names of ours.
void gr_check_sweep(const struct gr_cgroup_means *means);
// Tries a runtime ("crun", "runc") with a real container. `given`: its path, NULL: looked up in
// PATH, "": none.
void gr_check_runtime(struct gr_check *check, const char *name, const char *given);
