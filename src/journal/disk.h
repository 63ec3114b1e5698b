// Files as the journal needs them: whole reads and writes, syncs, folders that survive a power cut.
//
// For this folder only. All files are opened O_CLOEXEC and never through a symbolic link in the
// last component; folders may be links.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Longest path that this folder builds, NUL included.
#define GR_DISK_PATH_SIZE 4096

// Joins "dir/name" into `ret_path`. Returns 0, or -ENAMETOOLONG with a text.
int gr_disk_path(const char *dir, const char *name, char ret_path[GR_DISK_PATH_SIZE],
                 struct gr_err *err);
// Opens a file with these flags of open(2), mode 0600 if it is made. Returns the descriptor, which
// the caller closes, or -errno with a text.
int gr_disk_open(const char *path, int flags, struct gr_err *err);
// Writes all bytes at the offset. `path` is for the text only. Returns 0 or -errno.
int gr_disk_write(int fd, const void *bytes, size_t size, uint64_t offset, const char *path,
                  struct gr_err *err);
// Reads `size` bytes at the offset. Returns 0; -ENODATA if the file ends before; -errno.
int gr_disk_read(int fd, void *ret_bytes, size_t size, uint64_t offset, const char *path,
                 struct gr_err *err);
// Makes the bytes of a file durable. Returns 0 or -errno; a failure is final.
int gr_disk_sync(int fd, const char *path, struct gr_err *err);
// Makes the names in a folder durable. Returns 0 or -errno; a failure is final.
int gr_disk_sync_dir(const char *dir, struct gr_err *err);
// Makes the folder (0700) if it is not there, and its name durable. Its parent must exist. Returns
// 1 if it was made, 0 if it was there, or -errno.
int gr_disk_make_dir(const char *dir, struct gr_err *err);
// Renames durably: what `to` names is replaced in one step. Both must lie in the folder `dir`.
int gr_disk_rename(const char *dir, const char *from, const char *to, struct gr_err *err);
// Removes a file, or an empty folder. Returns 1; 0 if there was none; -errno.
int gr_disk_remove(const char *path, struct gr_err *err);
// Removes a folder with the files and folders in it, two levels deep. None is no error.
int gr_disk_remove_dir(const char *path, struct gr_err *err);
// Copies a file to a new one (which must not exist) and syncs it. Returns 0 or -errno; what was
// written of the copy stays.
int gr_disk_copy(const char *from, const char *to, struct gr_err *err);
// Whether there is something of that name. Errors count as no.
bool gr_disk_exists(const char *path);

// Numbers in files are little-endian. Caller's memory, at least 4 or 8 bytes.
void gr_disk_put32(uint8_t *bytes, uint32_t value);
// See gr_disk_put32.
void gr_disk_put64(uint8_t *bytes, uint64_t value);
// See gr_disk_put32.
uint32_t gr_disk_get32(const uint8_t *bytes);
// See gr_disk_put32.
uint64_t gr_disk_get64(const uint8_t *bytes);
