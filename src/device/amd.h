// What AMD's kernel driver tells in sysfs of its devices, and the number under which the runtime
// knows them: no library is needed. Hygon's devices are numbered the same way.
#pragma once

#include "device/device.h"

#include <stdint.h>

// Reads memory, use, temperature, power, uncorrected errors and unique id of the device at
// `device->address`; what the driver does not tell stays unknown.
void gr_amd_read(const char *sysfs, struct gr_device *device);

// The number of the device at this PCI address among those that the compute driver lists, in its
// order, which ROCR_VISIBLE_DEVICES counts by. -ENOENT if it does not list it.
int gr_amd_index(const char *sysfs, const char *address, uint32_t *ret_index);
