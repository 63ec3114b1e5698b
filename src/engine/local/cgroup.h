// Control groups of an attempt, whatever this machine has: v2, v1 controllers, or none.
//
// One group a pool, "granary-POOL" (POOL: eight digits made from the engine's directory, so that
// two pools on a machine never meet), in it one an attempt, "JOB.ATTEMPT", in it one a task,
// "task-N". Works with cgroup v2 with controllers, with v2 without (kill, populated, cpu time),
// with v1 controllers (memory, cpu, cpuacct, pids, devices, freezer), with both at once, or not at
// all: then every function does what is possible and says what it did.
//
// Where: v1, below the group that the caller is in. v2, in the nearest group above the caller's own
// in which controllers can be handed on: beside the service, not in it, so that a service manager
// neither ends the jobs with the daemon nor finds its group occupied when it starts another.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Bytes of a path in a tree of control groups.
#define GR_CGROUP_PATH_SIZE 512

// Controllers, in v1 each with a tree of its own.
enum gr_cgroup_controller {
    GR_CGROUP_MEMORY = 0,
    GR_CGROUP_CPU,
    GR_CGROUP_CPUACCT,
    GR_CGROUP_PIDS,
    GR_CGROUP_DEVICES,
    GR_CGROUP_FREEZER,
};
#define GR_CGROUP_CONTROLLERS 6

// What control groups can do here; found out once by trying. Of fixed size, without pointers that
// must be freed: a forked process may keep it.
struct gr_cgroup_means {
    bool has_group;    // a group can be made at all
    bool has_memory;   // memory limit, peak, out-of-memory count
    bool has_cpu;      // cpu limit
    bool has_usage;    // cpu time of the whole group
    bool has_pids;     // limit of processes
    bool has_devices;  // device allow list (v1 devices; v2 by a BPF program if built in)
    bool has_kill;     // cgroup.kill
    bool has_freezer;  // freeze, to kill without a race where there is no cgroup.kill
    char how[160];     // for people: "v2 at /sys/fs/cgroup/granary, controllers cpu memory pids"
    char missing[160]; // why something is missing; "" if nothing is

    // The rest is cgroup.c's own: the group's name of this pool; the directories in which it is
    // made, "" where there is none; which controllers (bits 1 << enum gr_cgroup_controller) v2 has.
    char pool[32];
    char v2[GR_CGROUP_PATH_SIZE];
    char v1[GR_CGROUP_CONTROLLERS][GR_CGROUP_PATH_SIZE];
    unsigned v2_controllers;
    bool has_device_program; // devices are limited by a program of the v2 group
    // The program of groups without devices, loaded: a file descriptor that stays open. 0: none,
    // each group loads its own. Set by whoever loaded it.
    int no_device_program;
    bool is_pool_kept; // see gr_cgroup_pool_keep
    // Tests only, else NULL: told of a directory that was made, or is about to be removed.
    void (*changed)(const char *path, bool is_made);
};

// Limits of a group.
struct gr_cgroup_limits {
    uint32_t cpu_milli;  // 0: none
    uint32_t memory_mib; // 0: none
    uint32_t pids;       // 0: none
    // Device files ("/dev/nvidia0") that may be opened besides the harmless ones (null, zero, full,
    // random, urandom, tty, ptmx, pts); NULL: no device limit is set.
    const char *const *devices;
    uint32_t device_count;
    // In every tree that there is, not only in those that a limit needs: for a runtime that makes
    // groups of its own below. Entering a tree costs a millisecond or more on a busy machine.
    bool is_whole;
};

// What a group used.
struct gr_cgroup_usage {
    bool has_cpu, has_peak; // whether cpu_ms and peak_kib are known
    uint64_t cpu_ms;        // user and system time of all processes, ended ones included
    uint64_t peak_kib;      // most memory of the whole group at a time
    uint32_t out_of_memory; // processes that the memory limit killed
};

struct gr_cgroup; // opaque

// Finds out what works, by making, using and removing a group. `dir` is the engine's directory,
// which must exist; NULL: a name of this process's own, for a trial. Never fails: what does not
// work is false. A few milliseconds; the launcher keeps the answer.
void gr_cgroup_means_find(const char *dir, struct gr_cgroup_means *ret_means);
// Loads the device program of groups without devices, where programs limit devices. Returns a file
// descriptor to be put into the means, or -errno.
int gr_cgroup_no_device_program_load(const struct gr_cgroup_means *means);
// Makes the pool's group in every tree and says so in the means. Groups of these means, and of
// copies of them, are made in it without another look, and leave it there when they are removed.
// Where it cannot be made nothing is kept: then each group makes and removes what is above it.
void gr_cgroup_pool_keep(struct gr_cgroup_means *means);
// Removes the pool's group, unless there are groups in it, and keeps it no longer.
void gr_cgroup_pool_leave(struct gr_cgroup_means *means);
// Makes the group `name` with these limits (NULL: none) ("JOB.ATTEMPT" or "JOB.ATTEMPT/task-N";
// made with its parents). Without means for one of them that limit is not set. Processes go into a
// task's group, never into one that has children. Returns 0 with a group (which may be one that can
// do nothing), or -errno if something that should work did not, and nothing is left behind.
int gr_cgroup_make(const struct gr_cgroup_means *means, const char *name,
                   const struct gr_cgroup_limits *limits, struct gr_cgroup **ret_group,
                   struct gr_err *err);
// As gr_cgroup_make; an empty group of that name, which an earlier pool of the same directory left,
// is removed first. -EEXIST if processes live in it.
int gr_cgroup_make_new(const struct gr_cgroup_means *means, const char *name,
                       const struct gr_cgroup_limits *limits, struct gr_cgroup **ret_group,
                       struct gr_err *err);
// As gr_cgroup_make for a group that is there already (after a restart); -ENOENT if it is not.
int gr_cgroup_find(const struct gr_cgroup_means *means, const char *name,
                   struct gr_cgroup **ret_group, struct gr_err *err);
// Puts the calling process into the group: async-signal-safe, for a child between fork and exec,
// before it gives up its rights. Returns 0 or -errno.
int gr_cgroup_enter(const struct gr_cgroup *group);
// As fork(2), for a process with one thread: where the kernel can, the child begins its life in the
// group's v2 directory, which costs nothing, while moving there later costs a millisecond or more.
// The child calls gr_cgroup_enter for the rest all the same. Returns as fork: -1 with errno.
pid_t gr_cgroup_fork(struct gr_cgroup *group);
// Whether a process is in the group or below; false where there are no groups.
bool gr_cgroup_is_populated(const struct gr_cgroup *group);
// KILLs everything in the group and below. Returns 1 if that reached all, whatever it forked; 0 if
// there are no means (the caller kills by session and /proc instead); -errno.
int gr_cgroup_kill(const struct gr_cgroup *group);
// What it used so far.
void gr_cgroup_usage_get(const struct gr_cgroup *group, struct gr_cgroup_usage *ret_usage);
// The group's directory in the v2 tree, else in the first v1 tree that there is; "" if there is
// none. Borrowed.
const char *gr_cgroup_path(const struct gr_cgroup *group);
// Removes the (empty) group with its children, and the groups above it of this pool if they are
// empty then (the pool's own only if it is not kept), and frees it. NULL is allowed.
void gr_cgroup_remove(struct gr_cgroup *group);
// As gr_cgroup_remove, and the pool's group too, kept or not: whoever keeps it is gone.
void gr_cgroup_remove_last(struct gr_cgroup *group);
// Frees without removing. NULL is allowed.
void gr_cgroup_release(struct gr_cgroup *group);
