// Which device of this machine is which device of which node: kept in STATE/devices, so that a card
// that is missing at a start does not make the others change their numbers under running work.
//
// A line a device: node, index, address, variant, "pretend" or "real"; tab between them.
#pragma once

#include "base/err.h"
#include "device/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The place of one device.
struct gr_seat {
    char node[GR_NAME_SIZE];    // by name
    uint32_t index;             // within the node
    char address[32];           // as in gr_device
    char variant[GR_NAME_SIZE]; // id in the catalogue
    bool is_pretend;            // exists only by name
};

// All of them, by node, then index. Heap.
struct gr_seats {
    struct gr_seat *items; // [count]
    size_t count;
};

// Reads the file; none is no error and gives none. -EINVAL with file and line.
int gr_seats_read(const char *state_dir, struct gr_seats *ret_seats, struct gr_err *err);
// Writes the file, whole or not at all, durably.
int gr_seats_write(const char *state_dir, const struct gr_seats *seats, struct gr_err *err);
// Puts the devices that were found into the order of their seats. A seat whose device is not there
// gets one in its place that is GR_HEALTH_GONE. Devices without a seat come after all others, by
// variant and address, and get none. Returns 0 or -ENOMEM; the list is as it was then.
int gr_seats_order(const struct gr_seats *seats, struct gr_device_list *devices,
                   struct gr_err *err);
// Adds a seat at the end. Returns 0 or -ENOMEM.
int gr_seats_add(struct gr_seats *seats, const char *node, uint32_t index,
                 const struct gr_device *device, struct gr_err *err);
// Frees them.
void gr_seats_done(struct gr_seats *seats);
