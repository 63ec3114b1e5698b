// Jobs that ended, as bytes: a list of rows, each written as what differs from the row before.
//
//     row   mask, then for each bit of it, the lowest first, the field's difference to the same
//           field of the row before (of the first row: to zero); then, if bit 26 is set, the
//           text's size and its bytes; before it, if bit 27 is set, because the nodes are not
//           those of the row before, how many they are and their numbers
//
// The mask and sizes are LEB128 numbers (seven bits a byte, the lowest first, the high bit: more
// follow); a difference wraps at 2^64 and is folded so that small ones of either sign are short: 0,
// -1, 1, -2, ... are 0, 1, 2, 3. Fields, from bit 0: id, array, array index, org, user, submitted,
// placed, ended, limit, cpu, memory, milli, devices, tasks, priority, use, attempt, attempts,
// dropped, outcome, began, cpu time, peak, exit code, signal, task. Their meaning is that of struct
// gr_ended and never changes; bits 26 and 27 are what is said above, a new field gets the next one.
#pragma once

#include "daemon/ended.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Fields that are numbers.
#define GR_ENDED_NUMBERS 26u
// Most bytes of a row: mask, numbers, text.
#define GR_ENDED_BYTES_MAX                                                                         \
    (4 + GR_ENDED_NUMBERS * 10 + 1 + GR_ENDED_NODES * 5 + 2 + sizeof(((struct gr_ended *)0)->text))

// The row before; all zero at the head of a list.
struct gr_ended_before {
    uint64_t numbers[GR_ENDED_NUMBERS]; // its fields, as listed above
    uint32_t node_count;                // and nodes
    uint32_t nodes[GR_ENDED_NODES];     // as in struct gr_ended
};

// Writes a row behind `before`, which becomes this row. `sequence` is not kept. Returns the bytes
// written to `ret_bytes`, which has room for GR_ENDED_BYTES_MAX.
size_t gr_ended_bytes_write(struct gr_ended_before *before, const struct gr_ended *ended,
                            uint8_t *ret_bytes);
// Reads the row at *at, which goes on to the next; `before` becomes this row. The sequence is zero.
// False: the bytes are not a row; nothing can be read from there on.
bool gr_ended_bytes_read(struct gr_ended_before *before, const uint8_t *bytes, size_t size,
                         size_t *at, struct gr_ended *ret_ended);
