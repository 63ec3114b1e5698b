// Files between launcher and keeper about single tasks: see part_files.h.
#include "engine/local/part_files.h"

#include "engine/local/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES "parts"
#define NAME_SIZE 32

static void order_name(uint32_t number, char ret_name[NAME_SIZE])
{
    (void)snprintf(ret_name, NAME_SIZE, "order.%" PRIu32, number);
}

// Of a file that is there: changes with each that takes its place, though numbers of files that are
// gone are given again.
static uint64_t version_of(const struct stat *about)
{
    return ((uint64_t)about->st_mtim.tv_sec * 1000000000u + (uint64_t)about->st_mtim.tv_nsec) *
               31u +
           (uint64_t)about->st_ino;
}

static int bytes_write(int fd, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t count = write(fd, at, size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return count < 0 ? -errno : -EIO;
        }
        at += count;
        size -= (size_t)count;
    }
    return 0;
}

// Writes a file of a head and a body under another name, and then renames it.
static int file_write(int dir, const char *name, const void *head, size_t head_size,
                      const void *body, size_t size, struct gr_err *err)
{
    char other[NAME_SIZE + 4];
    (void)snprintf(other, sizeof other, "%s.new", name);
    int fd = openat(dir, other, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return gr_fail_errno(err, "make %s", other);
    }
    int code = bytes_write(fd, head, head_size);
    code = code != 0 ? code : bytes_write(fd, body, size);
    (void)close(fd);
    if (code == 0 && renameat(dir, other, dir, name) != 0) {
        code = -errno;
    }
    if (code != 0) {
        (void)unlinkat(dir, other, 0);
        return gr_fail(err, code, "write %s: %s", name, strerror(-code));
    }
    return 0;
}

// Reads a file whole, onto the heap. -ENOENT, other -errno.
static int file_read(int dir, const char *name, uint8_t **ret_bytes, size_t *ret_size,
                     uint64_t *ret_version)
{
    struct stat about;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int code = fstat(fd, &about) != 0                            ? -errno
               : (uint64_t)about.st_size > 2 * GR_WIRE_FRAME_MAX ? -EFBIG
                                                                 : 0;
    size_t size = code == 0 ? (size_t)about.st_size : 0;
    uint8_t *bytes = code == 0 ? malloc(size + 1) : NULL;
    code = code == 0 && bytes == NULL ? -ENOMEM : code;
    for (size_t at = 0; code == 0 && at < size;) {
        ssize_t count = read(fd, bytes + at, size - at);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        code = count > 0 ? 0 : count == 0 ? -EIO : -errno;
        at += count > 0 ? (size_t)count : 0;
    }
    (void)close(fd);
    if (code != 0) {
        free(bytes);
        return code;
    }
    *ret_bytes = bytes;
    *ret_size = size;
    *ret_version = version_of(&about);
    return 0;
}

int gr_part_files_order_write(int dir, uint32_t number, uint32_t type, const uint8_t *body,
                              size_t size, struct gr_err *err)
{
    char name[NAME_SIZE];
    order_name(number, name);
    return file_write(dir, name, &type, sizeof type, body, size, err);
}

int gr_part_files_order_read(int dir, uint32_t number, uint32_t *ret_type, uint8_t **ret_body,
                             size_t *ret_size)
{
    char name[NAME_SIZE];
    uint8_t *bytes = NULL;
    size_t size = 0;
    uint64_t version;
    order_name(number, name);
    int code = file_read(dir, name, &bytes, &size, &version);
    if (code != 0 || size < sizeof *ret_type) {
        free(bytes);
        return code != 0 ? code : -EBADMSG;
    }
    memcpy(ret_type, bytes, sizeof *ret_type);
    memmove(bytes, bytes + sizeof *ret_type, size - sizeof *ret_type);
    *ret_body = bytes;
    *ret_size = size - sizeof *ret_type;
    return 0;
}

uint32_t gr_part_files_order_next(int dir)
{
    char name[NAME_SIZE];
    uint32_t number = 1;
    for (order_name(number, name); faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
         order_name(number, name)) {
        number++;
    }
    return number;
}

int gr_part_files_entries_write(int dir, const struct gr_part_entry *entries, uint32_t count,
                                struct gr_err *err)
{
    return file_write(dir, ENTRIES, NULL, 0, entries, count * sizeof *entries, err);
}

int gr_part_files_entries_read(int dir, struct gr_part_entry **ret_entries, uint32_t *ret_count,
                               uint64_t *ret_version)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int code = file_read(dir, ENTRIES, &bytes, &size, ret_version);
    if (code != 0) {
        return code;
    }
    *ret_entries = (struct gr_part_entry *)(void *)bytes;
    *ret_count = (uint32_t)(size / sizeof **ret_entries);
    return 0;
}

uint64_t gr_part_files_version(int dir)
{
    struct stat about;
    return fstatat(dir, ENTRIES, &about, AT_SYMLINK_NOFOLLOW) == 0 ? version_of(&about) : 0;
}

void gr_part_files_remove(int dir)
{
    char name[NAME_SIZE];
    uint32_t number = 1;
    for (order_name(number, name); unlinkat(dir, name, 0) == 0; order_name(++number, name)) {
    }
    (void)unlinkat(dir, ENTRIES, 0);
    (void)unlinkat(dir, ENTRIES ".new", 0);
}
