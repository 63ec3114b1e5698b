// Durations, sizes and signals as people write them, read exactly.
#pragma once

#include "base/slice.h"

#include <stdint.h>

// Bytes that hold whatever the functions of this file write, NUL included.
#define GR_QUANTITY_TEXT_SIZE 64

// Reads a duration in milliseconds: "1h30m", "90s", "2d", "1.5h", "500ms", units d h m s ms from
// large to small, each once; or "HH:MM:SS" and "D-HH:MM:SS", where MM and SS are below 60; or "0".
// Returns 0, -EINVAL (none of these; "10:30" and "90" are, because people mean different things by
// them), -EDOM (not a whole number of milliseconds) or -ERANGE (above 2^53 - 1 milliseconds).
// Stores nothing on failure.
int gr_duration_read(struct gr_slice text, int64_t *ret_ms);
// Writes a duration (at least 0) that gr_duration_read reads back: "1h30m", "1d1s", "250ms", "0s".
// `buffer` is the caller's, GR_QUANTITY_TEXT_SIZE bytes. Returns `buffer`.
const char *gr_duration_format(int64_t ms, char *buffer);

// Reads a size in bytes: a decimal number and a unit, KiB MiB GiB TiB PiB (or Ki, Mi, ...) for
// powers of 1024, kB MB GB TB PB for powers of 1000; upper or lower case.
// Returns 0, -EINVAL (no size; without a unit or with "80G" too, because people mean different
// things by them), -EDOM (not a whole number of bytes) or -ERANGE (above 2^63 - 1). Stores nothing
// on failure.
int gr_size_read(struct gr_slice text, int64_t *ret_bytes);
// Writes MiB (at least 0) with the largest unit that leaves a whole number: "80GiB", "1536MiB". As
// gr_duration_format otherwise.
const char *gr_size_format_mib(int64_t mib, char *buffer);

// Reads a signal: "TERM", "SIGTERM", "RTMIN+2", "RTMAX", "RTMAX-1" (case does not matter) or its
// number. Returns 0 or -EINVAL, and stores nothing then. Numbers that programs cannot be sent (0,
// 32, 33, above 64) are refused.
int gr_signal_read(struct gr_slice text, uint32_t *ret_number);
// Writes a signal's name without SIG ("TERM", "RTMIN+2"), or its number if it has none. As
// gr_duration_format otherwise.
const char *gr_signal_format(uint32_t number, char *buffer);
