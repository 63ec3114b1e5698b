// Accelerators in this machine: what is there and how it is.
//
// The floor for every vendor is the PCI tree in sysfs; a vendor's library, opened with dlopen, adds
// names, memory and measurements. One failing card hides no other: what could not be asked is
// unknown (its bit in `known` is 0), never zero. Pretend devices exist only by name.
#pragma once

#include "base/err.h"
#include "model/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Most devices of one machine, pretend ones included.
#define GR_DEVICES_MAX 1024

// How well a device is, from best to worst. What each does to new and running work is a table in
// data/health-classes.csv.
enum gr_health {
    GR_HEALTH_GOOD = 0,
    GR_HEALTH_APP,    // the application did something wrong; the device is fine
    GR_HEALTH_WATCH,  // goes on, somebody should look at it
    GR_HEALTH_RESET,  // needs a reset before it may take new work
    GR_HEALTH_REPAIR, // needs a person
    GR_HEALTH_GONE,   // does not answer or is not there
};
#define GR_HEALTHS 6

// Stable name of a class ("watch"). Static text.
const char *gr_health_name(enum gr_health health);

// What is known of the measurements; bits of gr_device.known.
enum gr_device_known {
    GR_DEVICE_MEMORY = 1u << 0,
    GR_DEVICE_MEMORY_USED = 1u << 1,
    GR_DEVICE_UTILISATION = 1u << 2,
    GR_DEVICE_TEMPERATURE = 1u << 3,
    GR_DEVICE_POWER = 1u << 4,
    GR_DEVICE_ECC = 1u << 5,
    GR_DEVICE_XID = 1u << 6,
    GR_DEVICE_NUMA = 1u << 7,
};

// Texts of a device, terminating NUL included.
#define GR_DEVICE_TEXT_SIZE 96

// A device. Texts are NUL-terminated, "" if unknown.
struct gr_device {
    char variant[GR_NAME_SIZE];        // id of the catalogue's row; "" if none is known for it
    char name[GR_DEVICE_TEXT_SIZE];    // what the vendor's library or the PCI ids call it
    char vendor[GR_NAME_SIZE];         // as in the catalogue
    char uuid[GR_DEVICE_TEXT_SIZE];    // the vendor's unique id, where there is one
    char address[32];                  // PCI address "0000:3b:00.0"; pretend devices: "pretend:N"
    char path[GR_DEVICE_TEXT_SIZE];    // device file that work needs ("/dev/nvidia0")
    char problem[GR_DEVICE_TEXT_SIZE]; // why something of it could not be asked, or what is wrong
    char code[32];                     // the vendor's raw code behind `health` ("XID 79")
    enum gr_health health;
    bool is_pretend;          // exists only by name
    uint32_t index;           // the vendor's own number (of CUDA_VISIBLE_DEVICES and the like)
    uint32_t known;           // enum gr_device_known: which of what follows was measured
    uint32_t numa;            // NUMA node
    uint64_t memory_mib;      // in all
    uint64_t memory_used_mib; // by work, where the driver can tell its own use apart
    uint32_t utilisation;     // percent, 0..100
    uint32_t temperature;     // degrees Celsius
    uint32_t power_mw;        // milliwatt
    uint64_t ecc_errors;      // uncorrected, since the driver was loaded
    uint32_t xid;             // last XID
    uint32_t look_ms;         // how long asking about it took; a driver that hangs shows here
};

// All devices of one look, in a stable order: real ones by PCI address, then pretend ones.
struct gr_device_list {
    struct gr_device *devices; // heap
    size_t count;
};

// Where to look. Zero-initialised: this machine.
struct gr_device_config {
    const char *sysfs;   // instead of /sys (tests)
    const char *nvml;    // instead of libnvidia-ml.so.1; "" for none
    const char *smi;     // instead of nvidia-smi where it is usually installed; "" for none
    const char *pretend; // "8xh20,4xh200": devices that exist only by name; NULL: none
};

struct gr_device_watch; // opaque: keeps vendor libraries open between looks

// Opens what there is to ask. A library that is missing is no error. -EINVAL with a text if
// `pretend` cannot be read or names no variant of the shipped catalogue (nearest name given).
int gr_device_watch_open(const struct gr_device_config *config, struct gr_device_watch **ret_watch,
                         struct gr_err *err);
// NULL is allowed.
void gr_device_watch_close(struct gr_device_watch *watch);
// Looks at every device anew. The caller frees *ret_list with gr_device_list_done. A device that
// was there in an earlier look of this watch and is missing now is listed with GR_HEALTH_GONE. May
// block for as long as a driver does: never call it in the event loop's thread.
int gr_device_watch_look(struct gr_device_watch *watch, struct gr_device_list *ret_list,
                         struct gr_err *err);
// Frees what a look returned.
void gr_device_list_done(struct gr_device_list *list);
// Inner domain of the devices that share the fastest connection, by the vendor's topology: a number
// for each device of the list, equal numbers are connected; GR_DOMAIN_NONE (model/node.h) if
// unknown.
void gr_device_watch_domains(struct gr_device_watch *watch, const struct gr_device_list *list,
                             uint32_t *ret_domains);

// What a health class does to work; from data/health-classes.csv.
struct gr_health_effect {
    bool takes_new;     // new work may be placed on the device
    bool stops_running; // running work is stopped (and requeued where the job allows it)
    bool drains_node;   // the whole node takes no new work
};
// The effect of a class. Never fails.
struct gr_health_effect gr_health_effect_of(enum gr_health health);
// The class of a vendor's raw code ("nvidia", "XID 79"); GR_HEALTH_WATCH for one that the table
// does not hold. Never fails.
enum gr_health gr_health_of(const char *vendor, const char *code);

// Takes away what is held against the device at this PCI address, of whatever class: for a person
// who looked after it. What still holds is found again by the next look. -ENOENT if no look found
// such a device.
int gr_device_forget(struct gr_device_watch *watch, const char *address, struct gr_err *err);

// Checks a device between holders, without a reset: that no process is left on it, its memory is
// free, and nothing holds that keeps it from new work. 0 nothing wrong (pretend devices: always),
// -ENOTSUP if nobody can be asked, -EBUSY if processes still use it, -EIO if something is wrong:
// the device must not be given to anybody then. May block for as long as the driver does.
int gr_device_check(struct gr_device_watch *watch, const struct gr_device *device,
                    struct gr_err *err);

// Resets a device and checks its memory between holders, where the vendor's tools can; nothing is
// held against it up to GR_HEALTH_RESET after that. Returns 0 done (for pretend devices at once),
// -ENOTSUP if it cannot be reset (the text says what is missing) and the check found nothing wrong,
// -EBUSY if processes still use it, other -errno: the device must not be given to anybody. May
// block for seconds. This is for devices that need it: where services of the machine (NVIDIA's
// persistence or monitoring daemons) keep devices open, no reset is possible.
int gr_device_reset(struct gr_device_watch *watch, const struct gr_device *device,
                    struct gr_err *err);
