// Node checks: an operator's scripts that look at the machine at enrolment, before and after a job,
// and when it comes back from repair. A script that fails takes the node, or one device, out of
// service. docs/operate/node-checks.md is the contract with their authors.
//
// A run is a process of its own that runs the scripts of one folder in the order of their names;
// the caller polls a file descriptor and never waits.
#pragma once

#include "base/err.h"
#include "device/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Devices that one run may report; what it says and what is kept of that, in bytes.
#define GR_NODE_CHECKS_DEVICES 64
#define GR_NODE_CHECKS_OUTPUT_MAX 16384
#define GR_NODE_CHECKS_TEXT_SIZE 256

// When the scripts run.
enum gr_node_checks_when {
    GR_CHECKS_START = 0, // start.d: the node joins the pool, or the daemon starts
    GR_CHECKS_BEFORE,    // before.d: before an attempt's first task here
    GR_CHECKS_AFTER,     // after.d: after an attempt's last task here
    GR_CHECKS_RETURN,    // return.d: back from reset or repair
};
#define GR_CHECKS_WHENS 4

// Name of the folder ("before.d"). Static text.
const char *gr_node_checks_folder(enum gr_node_checks_when when);

// What is run. Everything is borrowed during the call.
struct gr_node_checks_config {
    const char *dir; // holds the folders; "": no scripts, every run is well at once
    enum gr_node_checks_when when;
    const char *node;                // its name, GRANARY_NODE
    const struct gr_device *devices; // that it is about, GRANARY_DEVICES; may be NULL if 0
    uint32_t device_count;           // of devices
    uint64_t job;                    // GRANARY_JOB_ID; 0: none
    uint32_t attempt;                // GRANARY_ATTEMPT, with a job
    const char *user;                // GRANARY_USER, of the job; "": none
    int64_t limit_ms;                // for all scripts together; then they are killed
    int program; // from gr_node_checks_program, borrowed; 0: the caller is forked, however large
};

// A device that a script found unwell: its line "device ADDRESS CLASS TEXT".
struct gr_node_checks_device {
    char address[32];                    // one of the config's devices
    enum gr_health health;               // worse than good
    char text[GR_NODE_CHECKS_TEXT_SIZE]; // may be ""
};

// How a run went.
struct gr_node_checks_result {
    bool is_well;     // every script ended with 0
    bool is_late;     // the time limit ended it
    uint32_t ran;     // scripts
    char script[256]; // name of the one that failed; "" if none
    // Why the node is unwell: the script's last line, or what was wrong with it; "" if it is well.
    char text[GR_NODE_CHECKS_TEXT_SIZE];
    // Devices that scripts reported, also of a run that is well otherwise.
    struct gr_node_checks_device devices[GR_NODE_CHECKS_DEVICES];
    uint32_t device_count; // of devices
    int64_t took_ms;
};

// A run under way; opaque. gr_node_checks_close ends it.
struct gr_node_checks;

// Opens the small program that runs checks, for gr_node_checks_config.program: a file descriptor
// above 3, close-on-exec, that the caller closes; or -errno with a text.
int gr_node_checks_program(struct gr_err *err);
// Begins a run; returns at once. Scripts are the files of the folder that are executable and whose
// names consist of letters, digits, '-', '_' and '.', in the order of strcmp. Each must belong to
// root or to the daemon's user and be writable by nobody else, the folders too: else the run ends
// unwell with a text that says which (a script that anybody may change would run as root). Returns
// 0 or -errno with a text.
int gr_node_checks_open(const struct gr_node_checks_config *config,
                        struct gr_node_checks **ret_checks, struct gr_err *err);
// Becomes readable when there is something to do: call gr_node_checks_poll. Borrowed.
int gr_node_checks_fd(const struct gr_node_checks *checks);
// Goes on without blocking. Returns 1 and the result when the run is over (again at each further
// call), 0 if it is not; -errno with a text if it cannot be found out.
int gr_node_checks_poll(struct gr_node_checks *checks, struct gr_node_checks_result *ret_result,
                        struct gr_err *err);
// Kills what still runs, reaps it, and frees. May wait a few milliseconds for the killed. NULL is
// allowed.
void gr_node_checks_close(struct gr_node_checks *checks);

// Whether one more node may be taken out of service by checks and health alone, when of `total`
// nodes `drained` are so already: at most `limit_percent` (0..100) of them, rounded down, but
// always one, unless the limit is 0. A fault in a script must not empty the fleet; an operator's
// own drain is not counted and not limited. Pure.
bool gr_drain_allowed(uint64_t total, uint64_t drained, unsigned limit_percent);
