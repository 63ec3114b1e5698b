// Care between holders: an operator's scripts (engine/local/node_checks.h) and what the drivers say
// (device/device.h) before a node takes work, before and after an attempt, and when it comes back.
// A device that needs a reset, by its driver or by a script, gets it here, and the scripts of
// return.d have their say before the visit is over.
//
// Scripts are processes that are polled; drivers may hang and are asked by a thread, which also
// looks at all devices now and then. Nothing here blocks after gr_care_open.
#pragma once

#include "base/err.h"
#include "device/device.h"
#include "engine/local/node_checks.h"

#include <stdbool.h>
#include <stdint.h>

struct gr_care; // opaque

// One visit to a node: what it is about. Everything is borrowed during the call.
struct gr_care_visit {
    enum gr_node_checks_when when;
    uint32_t node;    // number, handed back
    const char *name; // of the node
    uint64_t job;     // id; 0: none
    uint32_t attempt; // of the job
    const char *user; // of the job; ""
    const struct gr_device *devices;
    uint32_t device_count;
    bool checks_devices; // ask the drivers too whether the devices are fit for the next holder
    // Nobody holds the devices and they need a reset: that first, then the scripts of
    // GR_CHECKS_RETURN, which `when` is. The node takes work meanwhile.
    bool is_reset;
};

// How a visit went.
struct gr_care_answer {
    // As in the visit.
    enum gr_node_checks_when when;
    uint32_t node;
    uint64_t job;
    uint32_t attempt;
    bool is_reset;
    const struct gr_device *about; // the visit's devices; borrowed until the next gr_care_poll
    uint32_t about_count;          // of about

    bool has_run;                                                 // scripts did
    bool is_well;                                                 // no script found a fault
    char text[GR_NODE_CHECKS_TEXT_SIZE];                          // what is wrong; ""
    struct gr_node_checks_device devices[GR_NODE_CHECKS_DEVICES]; // found unwell
    uint32_t device_count;                                        // of devices
    // Devices that were reset and came back, with the scripts for that; those that could not be are
    // among `devices`.
    char resets[GR_NODE_CHECKS_DEVICES][32];
    uint32_t reset_count; // of resets
};

// Starts the thread, which has `watch` from then on (borrowed until close). `checks`: the directory
// of scripts; "": none. `look_ms`: between looks at all devices.
int gr_care_open(const char *checks, struct gr_device_watch *watch, int64_t look_ms,
                 struct gr_care **ret_care, struct gr_err *err);
// Ends what is under way. Waits for a driver that is being asked. NULL is allowed.
void gr_care_close(struct gr_care *care);
// Readable when gr_care_poll or gr_care_found has something. Borrowed.
int gr_care_fd(const struct gr_care *care);
// Whether there are scripts for this moment. Asks the disk whether its folder has changed.
bool gr_care_has(struct gr_care *care, enum gr_node_checks_when when);
// Begins a visit. Returns 0 or -errno with a text: then it did not begin, and the node must not be
// taken for well.
int gr_care_begin(struct gr_care *care, const struct gr_care_visit *visit, struct gr_err *err);
// A visit that is over: 1 and the answer, or 0.
int gr_care_poll(struct gr_care *care, struct gr_care_answer *ret_answer);
// What the newest look at all devices found, once; the caller owns it. False: nothing new.
bool gr_care_found(struct gr_care *care, struct gr_device_list *ret_list);
// Takes away what is held against a device: for a person who looked after it.
void gr_care_forget(struct gr_care *care, const char *address);
