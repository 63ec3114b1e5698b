// What launcher and keeper say to each other about single tasks of a running attempt: files in the
// attempt's directory, each written whole under another name and then renamed, so that whoever is
// killed leaves a whole one or none.
//
//     order.1, order.2, ...   by the launcher: a type (enum gr_wire_type) and the frame's body
//     parts                   by the keeper: how the tasks stand that were ended singly
//
// Nobody but the engine can put anything into that directory.
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

// How a task stands that was ended singly, or replaced another.
enum gr_part_state {
    GR_PART_RUNS = 1,
    GR_PART_ENDED = 2, // nothing of it runs any more
};

// One task in the file `parts`.
struct gr_part_entry {
    uint32_t task;  // number within the gang
    uint32_t part;  // in which it was placed
    uint32_t state; // enum gr_part_state
    uint32_t reserved;
    int64_t since_ms; // Unix time
};

// Writes order number `number` into the attempt's directory. Returns 0 or -errno with a text, and
// nothing is left.
int gr_part_files_order_write(int dir, uint32_t number, uint32_t type, const uint8_t *body,
                              size_t size, struct gr_err *err);
// Reads it: the type, and the body on the heap. -ENOENT if there is none (yet); other -errno.
int gr_part_files_order_read(int dir, uint32_t number, uint32_t *ret_type, uint8_t **ret_body,
                             size_t *ret_size);
// The first number of which there is no order.
uint32_t gr_part_files_order_next(int dir);
// Writes the file `parts`. Returns 0 or -errno with a text.
int gr_part_files_entries_write(int dir, const struct gr_part_entry *entries, uint32_t count,
                                struct gr_err *err);
// Reads it, on the heap, and a number that changes with each write. -ENOENT: there is none.
int gr_part_files_entries_read(int dir, struct gr_part_entry **ret_entries, uint32_t *ret_count,
                               uint64_t *ret_version);
// The number that changes with each write; 0: there is no such file.
uint64_t gr_part_files_version(int dir);
// Removes all of them.
void gr_part_files_remove(int dir);
