// Moments as people write them.
#pragma once

#include "base/err.h"

#include <stdint.h>

// What gr_cli_when_read takes, for messages and help.
#define GR_CLI_WHEN_FORMS                                                                          \
    "now, +2h, 21:30, 'tomorrow 09:00', '2027-03-01 09:00' (local time) or 2027-03-01T09:00:00Z"

// Reads a moment: Unix time in milliseconds. A bare time of day is the next one; without a zone it
// is local time. Returns 0, or -EINVAL with a text that begins with `what`.
int gr_cli_when_read(const char *text, int64_t now_ms, const char *what, int64_t *ret_ms,
                     struct gr_err *err);
// Writes a moment in local time, with its zone. Returns `buffer` (GR_CLI_UNIT_SIZE).
const char *gr_cli_when_format(int64_t ms, char *buffer);
