// Recorded orders: in which order jobs arrived, and which rank each node had, per seed.
//
// A text file, one line a seed: the seed and then whole numbers, separated by single blanks. Lines
// end with LF or CR LF. Other seeds' lines are skipped once their seed is read.
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

// Reads the numbers of `seed`'s line, each of which must be below `below`; at most `most` of them
// are read and returned, those after are not looked at. Returns 0 and an array that the caller
// frees (never NULL, count at least 1); -EINVAL with "FILE:LINE:COLUMN: ..." for anything that is
// not such a line, a seed with no line or two; -ENOENT and the like if the file cannot be read;
// -ENOMEM. Blocks while reading.
int gr_order_read(const char *path, uint64_t seed, uint32_t below, size_t most,
                  uint32_t **ret_numbers, size_t *ret_count, struct gr_err *err);

// Reads the ranks of `count` nodes: the numbers of `seed`'s line, which must be each of
// 0..count-1 once. Result and errors as gr_order_read.
int gr_ranks_read(const char *path, uint64_t seed, size_t count, uint32_t **ret_ranks,
                  struct gr_err *err);

// As gr_order_read from bytes in memory; `name` stands for the file in errors.
int gr_order_read_bytes(const char *name, const char *bytes, size_t size, uint64_t seed,
                        uint32_t below, size_t most, uint32_t **ret_numbers, size_t *ret_count,
                        struct gr_err *err);
