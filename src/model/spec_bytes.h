// A job's spec as bytes: what the journal's aside holds and what engines get. Little-endian, one
// form a version; texts are NUL-terminated inside, so that a decoded spec points into the bytes.
#pragma once

#include "base/err.h"
#include "model/spec.h"

#include <stddef.h>
#include <stdint.h>

// The newest form; written only where an older one cannot say all.
#define GR_SPEC_BYTES_VERSION 2u

// Where the arrays of a decoded spec go; the caller's, about 70 KiB.
struct gr_spec_room {
    // Arguments, variables, secrets, one after the other.
    const char *texts[GR_SPEC_ARGS_MAX + GR_SPEC_ENV_MAX + GR_SPEC_SECRETS_MAX];
    struct gr_spec_after after[GR_SPEC_AFTER_MAX]; // jobs waited for
};

// How many bytes gr_spec_encode writes. Pure.
size_t gr_spec_size(const struct gr_spec *spec);
// Writes a spec that passed gr_spec_wrong. Returns how many bytes it took, -ENOSPC if `size` is too
// small (GR_SPEC_BYTES_MAX is always enough). Pure.
long gr_spec_encode(const struct gr_spec *spec, uint8_t *bytes, size_t size);
// Reads a spec that is exactly `size` bytes. Texts borrow from `bytes`, arrays from `room`. -EINVAL
// with a text that says at which byte what is wrong; *ret_spec is untouched then. What it returns
// passed gr_spec_wrong.
int gr_spec_decode(const uint8_t *bytes, size_t size, struct gr_spec_room *room,
                   struct gr_spec *ret_spec, struct gr_err *err);
