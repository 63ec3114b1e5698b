// What work needs so that it uses the devices it holds and no others: variables that the vendors'
// runtimes read, and device files. From data/isolation.csv (docs/formats/isolation.md).
//
// A variable is a hint that a program may change; what holds is a container or a device cgroup that
// has only the files of gr_isolation_paths. Both are given to every task, also to one without
// devices and to one with pretend devices: these are shown none of the machine's.
#pragma once

#include "base/err.h"
#include "device/device.h"

#include <stddef.h>
#include <stdint.h>

// What the work can open, which decides how its devices are numbered.
enum gr_isolation_view {
    GR_ISOLATION_HOST, // all device files of the machine: numbers are the machine's
    GR_ISOLATION_OWN,  // only those of gr_isolation_paths (container, device cgroup): from 0
};

// Texts on the heap; valid after zero-initialisation (empty).
struct gr_isolation_list {
    char **items;   // NUL-terminated, owned; after the last a NULL, as execve wants it
    uint32_t count; // of items, the NULL not counted
};

// Bytes of a CDI kind ("nvidia.com/gpu"), terminating NUL included.
#define GR_ISOLATION_KIND_SIZE 64

// The environment entries ("CUDA_VISIBLE_DEVICES=0,3") of one task that holds these `count` devices
// (0: none; `devices` may be NULL then). Each name comes once; they must replace entries of the
// same name, the job's own included. Every variable that could show another device is set so that
// it shows none. Besides the vendors' variables: GRANARY_DEVICES, the PCI addresses of what the
// task holds ("" if nothing), and for pretend devices GRANARY_PRETEND_DEVICES, their addresses.
// The caller frees *ret_list with gr_isolation_list_done. -EINVAL if the devices are of several
// vendors, or pretend ones and real ones; -ENOTSUP if no way is known to show work the vendor's
// devices; -ENOMEM. *ret_list is untouched on failure. Does not block.
int gr_isolation_environment(const struct gr_device *devices, size_t count,
                             enum gr_isolation_view view, struct gr_isolation_list *ret_list,
                             struct gr_err *err);

// The device files that such a task may open besides harmless ones (null, zero, urandom, ...): each
// device's own and those that all of the vendor's work needs, as far as they exist. Empty for no
// devices and for pretend ones. `root` is put before paths that are looked at, not before those
// returned (tests; NULL: ""). The caller frees *ret_list. -ENODEV if a device's own file is not
// known or not there, else as gr_isolation_environment; *ret_list is untouched on failure. Looks at
// /dev and /sys: may block briefly.
int gr_isolation_paths(const struct gr_device *devices, size_t count, const char *root,
                       struct gr_isolation_list *ret_list, struct gr_err *err);

// Frees the texts and empties the list. An empty list is allowed.
void gr_isolation_list_done(struct gr_isolation_list *list);

// Writes the kind under which the vendor's devices are known to CDI into ret_kind
// (GR_ISOLATION_KIND_SIZE bytes). -ENOENT if there is none, -ENOMEM; ret_kind is untouched then.
int gr_isolation_cdi_kind(const char *vendor, char *ret_kind);
