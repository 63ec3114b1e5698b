// Accelerators on the PCI bus, as sysfs shows them: the floor for every vendor. Needs no library
// and no rights.
#pragma once

#include "base/err.h"
#include "device/ids.h"

#include <stddef.h>
#include <stdint.h>

// One accelerator on the bus. Texts are NUL-terminated, "" if there is none.
struct gr_pci_device {
    char address[32];   // "0000:3b:00.0"
    uint16_t vendor_id; // PCI id: 0x10de
    uint16_t device_id; // PCI id: 0x2335
    int32_t numa;       // node, -1 if the machine does not say
    char driver[32];    // kernel driver that is bound to it
    char render[48]; // file of its render node ("/dev/dri/renderD128"), for drivers that have one
};

// Lists the accelerators below `sysfs` ("/sys"), sorted by address, at most `max` of them (-E2BIG
// for more). A machine without a PCI bus has none. A device that cannot be read is left out:
// without vendor and class nobody knows that it is one. Virtual functions of a device that is here
// itself are not listed: they are for virtual machines. Returns 0 or -errno.
int gr_pci_scan(const char *sysfs, const struct gr_ids *ids, struct gr_pci_device *devices,
                size_t max, size_t *ret_count, struct gr_err *err);
