// A task that is an OCI container: image to bundle, crun or runc, create, start, delete.
#pragma once

#include "base/err.h"
#include "device/device.h"
#include "engine/local/cgroup.h"
#include "model/spec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Where a container sees its attempt's checkpoint file, and the folder with the daemon's socket: in
// its own /dev, where a mount can be put whatever the image holds, and if it cannot be written.
#define GR_CONTAINER_CHECKPOINT "/dev/granary.checkpoint"
// See GR_CONTAINER_CHECKPOINT.
#define GR_CONTAINER_DOOR "/dev/granary"

// What a container is made from. Everything is borrowed during the call.
struct gr_container_config {
    const char *engine;     // STATE/engine; unpacked images are kept in `images` below it
    const char *dir;        // directory of the task's own files; the bundle is made in it
    const char *work;       // working directory, absolute: mounted at the same path with the
                            // submitter's rights, and entered; "": the image's
    const char *checkpoint; // file shown at GR_CONTAINER_CHECKPOINT, writable; "" or NULL: none
    const char *door;       // folder shown at GR_CONTAINER_DOOR; "" or NULL: none
    const char *group;      // name for gr_cgroup_make: "JOB.ATTEMPT/task-N"
    const char *id;         // for the runtime: "granary-JOB.ATTEMPT-TASK"
    const char *runtime;    // path of crun or runc; its last part says which it is
    const struct gr_spec *spec;
    // Complete environment, NULL-terminated. The image's variables are added where it has no such
    // name; its PATH goes before this one, unless the spec names a PATH.
    const char *const *env;
    const struct gr_device *devices;
    uint32_t device_count;
    uint32_t cpu_milli;
    uint32_t memory_mib;    // 0: none
    uint32_t pids;          // limit of processes; 0: none
    const uint32_t *groups; // supplementary groups of the submitter
    uint32_t group_count;
    int output, error; // file descriptors for its standard output and error
    int oom_adjust;    // see gr_process_oom_set
    const struct gr_cgroup_means *means;
    // Asked about ten times a second while the image is read, which takes as long as the submitter
    // wants: whether the container is still wanted. NULL: it is.
    bool (*is_wanted)(void *context);
    void *context; // handed to it
};

struct gr_container; // opaque

// Makes the bundle from spec->image (an OCI layout directory "PATH" or "PATH:TAG", checked digest
// by digest and unpacked as the submitter sees it; or a bundle directory with config.json and
// rootfs) and creates the container, not yet started. Runs the runtime as a child and waits for it;
// the container's first process becomes a child of the caller, which must be a subreaper.
// `*ret_pid` is that process. The image is read with the submitter's rights. -EINVAL with a text
// for an image that is wrong. The caller does not make the control group: this does, with
// the limits. Blocks while an image is unpacked for the first time. On failure nothing is left.
int gr_container_create(const struct gr_container_config *config,
                        struct gr_container **ret_container, pid_t *ret_pid, struct gr_err *err);
// Starts what was created.
int gr_container_start(struct gr_container *container, struct gr_err *err);
// Sends a signal to its first process (all = false) or to all of its processes.
int gr_container_kill(struct gr_container *container, int signal, bool all, struct gr_err *err);
// What it used; call between its end and gr_container_delete.
void gr_container_usage(const struct gr_container *container, struct gr_cgroup_usage *ret_usage);
// Deletes container and bundle, also when it never started, and frees. NULL is allowed.
void gr_container_delete(struct gr_container *container);
// Removes what a container left in the directory of its task when the process that held it was
// killed, after its control group was killed and removed. Does nothing if there is nothing.
void gr_container_sweep(const char *dir);
