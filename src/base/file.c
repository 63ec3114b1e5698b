// Whole files in memory: see file.h.
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The first block: a regular file whole and one byte more, to see its end; else 64 KiB.
static size_t first_room(const struct stat *status, size_t size_max)
{
    if (S_ISREG(status->st_mode) && status->st_size > 0 && (uint64_t)status->st_size <= size_max) {
        return (size_t)status->st_size + 1;
    }
    return 65536;
}

// Reads until the end, a NUL or an error, growing *bytes. Returns 0 or -errno with a text.
static int read_rest(int fd, const char *path, size_t size_max, size_t room, char **bytes,
                     size_t *size, struct gr_err *err)
{
    for (;;) {
        if (*size == room) {
            room = room > size_max / 2 ? size_max + 1 : room * 2;
            char *more = realloc(*bytes, room);
            if (more == NULL) {
                return gr_fail(err, -ENOMEM, "%s: not enough memory to read it", path);
            }
            *bytes = more;
        }
        ssize_t got = read(fd, *bytes + *size, room - *size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return gr_fail_errno(err, "read %s", path);
        }
        bool nul = memchr(*bytes + *size, '\0', (size_t)got) != NULL;
        *size += (size_t)got;
        if (*size > size_max) {
            return gr_fail(err, -EFBIG, "%s: is larger than %zu MiB, the limit for such a file",
                           path, size_max >> 20);
        }
        if (got == 0 || nul) {
            return 0;
        }
    }
}

int gr_file_read(const char *path, size_t size_max, char **ret_bytes, size_t *ret_size,
                 struct gr_err *err)
{
    assert(path != NULL);
    assert(size_max < SIZE_MAX / 2);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return gr_fail_errno(err, "open %s", path);
    }
    struct stat status;
    int code = 0;
    char *bytes = NULL;
    size_t size = 0;
    if (fstat(fd, &status) < 0) {
        code = gr_fail_errno(err, "%s", path);
    } else if (S_ISDIR(status.st_mode)) {
        code = gr_fail(err, -EISDIR, "%s: is a folder, expected a file", path);
    } else {
        size_t room = first_room(&status, size_max);
        bytes = malloc(room);
        code = bytes == NULL ? gr_fail(err, -ENOMEM, "%s: not enough memory to read it", path)
                             : read_rest(fd, path, size_max, room, &bytes, &size, err);
    }
    close(fd);
    if (code < 0) {
        free(bytes);
        return code;
    }
    *ret_bytes = bytes;
    *ret_size = size;
    return 0;
}

int gr_file_write_all(int fd, const void *bytes, size_t size)
{
    assert(bytes != NULL || size == 0);
    const char *at = bytes;
    while (size > 0) {
        ssize_t put = write(fd, at, size);
        if (put < 0 && errno != EINTR) {
            return -errno;
        }
        at += put > 0 ? put : 0;
        size -= put > 0 ? (size_t)put : 0;
    }
    return 0;
}
