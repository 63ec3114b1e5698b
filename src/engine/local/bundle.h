// A container's config.json, made by us from beginning to end: nothing of it comes from an image
// but its variables, its working directory, and the wish for a root that cannot be written.
#pragma once

#include "base/err.h"
#include "engine/local/container.h"
#include "engine/local/image.h"

#include <jansson.h>
#include <stdbool.h>

// Names within the folder that a container is made in (its bundle).
#define GR_BUNDLE_ROOT "rootfs"
#define GR_BUNDLE_WORK "work"

// How the container will be run.
struct gr_bundle_way {
    bool is_rootless;   // by an ordinary user, in a user namespace
    bool is_runc;       // else crun
    bool has_view;      // a view of pure v2 control groups may be mounted
    bool is_readonly;   // the root cannot be written: no overlay was to be had
    const char *cgroup; // cgroupsPath; "": none
};

// Makes the document. `cdi`: the task's devices (gr_cdi_make), applied. The caller releases it;
// NULL with a text. Looks whether files of the machine that are shown to the container are there.
json_t *gr_bundle_make(const struct gr_container_config *config, const struct gr_image *image,
                       const struct gr_bundle_way *way, const json_t *cdi, struct gr_err *err);
