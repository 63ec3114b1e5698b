// How the core of a state directory is made: its limits, policy and order, in STATE/limits.json, so
// that snapshots and offline commands make the same core as the daemon does.
#pragma once

#include "base/err.h"
#include "core/core.h"

// What a pool of this machine holds if nobody says otherwise.
struct gr_core_config gr_limits_default(void);
// Writes the file, whole or not at all.
int gr_limits_write(const char *state_dir, const struct gr_core_config *config, struct gr_err *err);
// Reads it; the default where there is none. The policy's name is static memory. -EINVAL with file
// and key.
int gr_limits_read(const char *state_dir, struct gr_core_config *ret_config, struct gr_err *err);
