// Whole files: in memory, for parsers of text that comes from outside; and writing all of
// something.
#pragma once

#include "base/err.h"

#include <stddef.h>

// Reads all of `path` (a file or a pipe) into memory that the caller frees; *ret_bytes has at least
// one byte even for an empty file. Stops early after a block that holds a NUL, which no text has,
// so that /dev/zero ends. Returns 0, or -errno with "PATH: ..." and nothing to free: -EISDIR for a
// folder, -EFBIG above `size_max` bytes. Blocks while reading.
int gr_file_read(const char *path, size_t size_max, char **ret_bytes, size_t *ret_size,
                 struct gr_err *err);

// Writes all of `bytes` (NULL if `size` is 0) to `fd`, however often that takes. Returns 0, or
// -errno with errno set to it and a part of it perhaps written: -EAGAIN from a descriptor that does
// not block. May block.
int gr_file_write_all(int fd, const void *bytes, size_t size);
