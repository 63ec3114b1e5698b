// What cgroup.c and cgroup_find.c share; nobody else includes it.
#pragma once

#include "engine/local/cgroup.h"

// Bytes of the longest file name in a group that is written to, with its slash.
#define GR_CGROUP_FILE_SIZE 40

// A group: its directories, "" where it has none.
struct gr_cgroup {
    struct gr_cgroup_means means; // a copy
    char name[128];               // below the pool's group
    char v2[GR_CGROUP_PATH_SIZE]; // its directory in v2
    // Its directories in v1, by controller.
    char v1[GR_CGROUP_CONTROLLERS][GR_CGROUP_PATH_SIZE];
    // The cgroup.procs files of all of them, for gr_cgroup_enter, which may format nothing.
    char procs[GR_CGROUP_CONTROLLERS + 1][GR_CGROUP_PATH_SIZE + GR_CGROUP_FILE_SIZE];
    // Trees in which it, or a child of it, may have a directory: bit 0 v2, then v1's.
    unsigned trees;
    unsigned procs_count; // of procs
    unsigned procs_begin; // the first that this process is not in yet
};

// The controller's name in v1, and in v2 where it has one. Static text.
const char *gr_cgroup_controller_name(enum gr_cgroup_controller controller);

// As gr_cgroup_means_find, for a machine whose /proc and mount points lie below `root` ("": this
// one), with `changed` called as the field says. With a root no process is put into a group.
void gr_cgroup_means_find_below(const char *root, const char *dir,
                                void (*changed)(const char *path, bool is_made),
                                struct gr_cgroup_means *ret_means);

// Writes `text` to the file `name` in the directory `dir`. Returns 0 or -errno; -ENOENT if there is
// no such directory or file.
int gr_cgroup_write(const char *dir, const char *name, const char *text);
// Reads the file `name` in `dir` into ret_text, NUL-terminated, cut to size - 1 bytes. Returns how
// many bytes, or -errno.
int gr_cgroup_read(const char *dir, const char *name, char *ret_text, size_t size);
// The number behind `key` in a file of lines "KEY NUMBER" (for "" the file's first number). Returns
// 0, or -ENOENT if it is not there, other -errno.
int gr_cgroup_read_number(const char *dir, const char *name, const char *key, uint64_t *ret_value);

// Set one limit each. Return 0, -ENOENT if no controller for it was found, other -errno.
int gr_cgroup_set_memory(const struct gr_cgroup *group, uint32_t memory_mib);
// See gr_cgroup_set_memory.
int gr_cgroup_set_cpu(const struct gr_cgroup *group, uint32_t cpu_milli);
// See gr_cgroup_set_memory.
int gr_cgroup_set_pids(const struct gr_cgroup *group, uint32_t pids);
// See gr_cgroup_set_memory. v1 where it is there, else a BPF program.
int gr_cgroup_set_devices(const struct gr_cgroup *group, const char *const *paths, uint32_t count,
                          struct gr_err *err);
// Hands the controllers that v2 has here on to the children of the group `dir`. Returns 0 or the
// first -errno (-EBUSY: it has processes of its own).
int gr_cgroup_hand_on(const struct gr_cgroup_means *means, const char *dir);
// Calls `each` for every directory below `path` from the deepest up, then for `path` itself.
void gr_cgroup_walk(const char *path, unsigned depth, void (*each)(const char *path, void *context),
                    void *context);
// Whether the group has the controller in v2.
bool gr_cgroup_in_v2(const struct gr_cgroup *group, enum gr_cgroup_controller controller);
