// Pretend devices: accelerators that exist only by name, so that a pool can be tried on a machine
// without any.
#pragma once

#include "base/err.h"
#include "device/device.h"
#include "model/catalogue.h"

#include <stddef.h>

// Reads "8xh20,4xh200": counts and names of variants, strictly, no blanks. On success the caller
// frees *ret_devices (NULL if `text` is NULL or empty: none). -EINVAL with a text that says what to
// write: a count or name that is none, a set of variants (`any-h20`), an unknown name (the nearest
// known one is given), more than GR_DEVICES_MAX devices in all. -ENOMEM. Nothing is stored on
// failure.
int gr_pretend_parse(const char *text, const struct gr_catalogue *catalogue,
                     struct gr_device **ret_devices, size_t *ret_count, struct gr_err *err);
