// A CDI file (Container Device Interface 0.6.0) for the devices of one task, and what a file like
// it does to a container's config.json: runtimes do not read CDI themselves.
#pragma once

#include "base/err.h"
#include "device/device.h"

#include <jansson.h>
#include <stdint.h>

// The kind of the files that are made here.
#define GR_CDI_KIND "granary/device"

// Makes the document: one device of the kind GR_CDI_KIND for each of `devices`, named by its
// address, with its device file, and the files that all of them need besides. `paths` are those of
// gr_isolation_paths. The caller releases it. NULL if there is no memory. Pure.
json_t *gr_cdi_make(const struct gr_device *devices, uint32_t count, const char *const *paths,
                    uint32_t path_count);
// Applies all devices of a document to config.json: device nodes (looked up on this machine),
// mounts and variables; variables replace those of the same name. Hooks are refused: they would run
// as root. 0, or -EINVAL with a text, and config may hold a part.
int gr_cdi_apply(const json_t *cdi, json_t *config, struct gr_err *err);
