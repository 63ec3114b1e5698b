// Numbers as text, exactly: whole numbers and decimal numbers scaled to integers. No locale, no
// floating point, and none of strtol's generosity: no blanks, no plus sign, no hexadecimal.
#pragma once

#include "base/slice.h"

#include <stdint.h>

// Bytes that hold any number that gr_number_format writes, NUL included.
#define GR_NUMBER_TEXT_SIZE 48

// Most digits after the point that the scaled forms know.
#define GR_NUMBER_DIGITS_MAX 9

// Reads a whole number: an optional '-' and digits (leading zeros allowed). Returns 0 and stores
// it, -EINVAL if the text is not such a number, -ERANGE if it is below `low` or above `high` (or
// does not fit in 64 bits). Stores nothing on failure.
int gr_number_read_int(struct gr_slice text, int64_t low, int64_t high, int64_t *ret_value);

// Reads a decimal number as an integer scaled by 10^digits (digits 0 to GR_NUMBER_DIGITS_MAX):
// "19.45" with digits 3 is 19450. At least one digit on each side of a point; no exponent; more
// than `digits` places only if the surplus is zeros. `low` and `high` are scaled too. Returns 0,
// -EINVAL (no such number), -EDOM (too many places: it would have to be rounded) or -ERANGE.
int gr_number_read_decimal(struct gr_slice text, unsigned digits, int64_t low, int64_t high,
                           int64_t *ret_value);

// Writes a scaled number back, without needless zeros: 19450 with digits 3 is "19.45", 80000 is
// "80". `buffer` is the caller's, GR_NUMBER_TEXT_SIZE bytes. Returns `buffer`.
const char *gr_number_format(int64_t value, unsigned digits, char *buffer);

// As gr_number_format, rounded half away from zero to exactly `places` (at most `digits`) places:
// 19450 with digits 3 and places 1 is "19.5". For columns of a table. Returns `buffer`.
const char *gr_number_format_fixed(int64_t value, unsigned digits, unsigned places, char *buffer);
