// Which devices on the PCI bus are accelerators, whose they are, and which variant of the catalogue
// they are. From data/pci-ids.csv and data/device-names.csv; what is not certain stays unknown.
#pragma once

#include "base/err.h"
#include "device/device.h"
#include "model/catalogue.h"

#include <stdbool.h>
#include <stdint.h>

// The tables and the shipped catalogue, read once. Opaque, heap.
struct gr_ids;

// Reads the shipped files. -ENOMEM, or -EINVAL if one of them is wrong (a fault of the build). The
// caller frees *ret_ids with gr_ids_free.
int gr_ids_new(struct gr_ids **ret_ids, struct gr_err *err);

// Releases it. NULL is allowed.
void gr_ids_free(struct gr_ids *ids);

// The shipped catalogue. Borrowed until gr_ids_free.
const struct gr_catalogue *gr_ids_catalogue(const struct gr_ids *ids);

// Whether a PCI device of this vendor, device and class (base and sub class, 0x0302) is an
// accelerator: its vendor's row names the class, or a row names the device itself.
bool gr_ids_is_accelerator(const struct gr_ids *ids, uint16_t vendor_id, uint16_t device_id,
                           uint16_t class_code);

// The vendor as in the catalogue, or NULL if no row has this vendor. Borrowed.
const char *gr_ids_vendor(const struct gr_ids *ids, uint16_t vendor_id);

// What the device is called by its PCI ids; "" if no row names it. Borrowed.
const char *gr_ids_name(const struct gr_ids *ids, uint16_t vendor_id, uint16_t device_id);

// Whether work can use a device of this vendor through this kernel driver ("" for none). Where no
// driver's name is known for the vendor, any will do.
bool gr_ids_has_driver(const struct gr_ids *ids, uint16_t vendor_id, const char *driver);

// Decides `device->variant` from the library's name (`device->name`, "" if no library named it),
// the PCI ids and, where it is known, the memory. "" if that is not exactly one variant, and then
// `device->problem` says why, unless it already says something.
void gr_ids_identify(const struct gr_ids *ids, uint16_t vendor_id, uint16_t device_id,
                     struct gr_device *device);
