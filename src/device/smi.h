// Resetting a device with the vendor's own program, because the library has no call for it.
#pragma once

#include "base/err.h"

// How long a reset may take before its program is killed.
#define GR_SMI_RESET_MS 60000

// The nvidia-smi that would be run: the first of the places where drivers install it, or NULL if it
// is in none. Static text. Nothing is looked for in $PATH: this may run as root.
const char *gr_smi_find(void);

// Runs `program --gpu-reset -i ADDRESS` with an empty environment and no input. Returns 0 done;
// -ENOTSUP if the device cannot be reset alone or this user may not; -EBUSY if somebody uses it;
// -ETIMEDOUT if it took longer than `limit_ms` (it was killed); -EIO if it failed otherwise; other
// -errno if it could not be run. The text holds what the program said. Blocks.
int gr_smi_reset(const char *program, const char *address, int limit_ms, struct gr_err *err);
