// Files as the journal needs them: see disk.h. Must never retry a sync that failed: the kernel may
// have dropped what it could not write and then say that all is well.
#include "journal/disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int gr_disk_path(const char *dir, const char *name, char ret_path[GR_DISK_PATH_SIZE],
                 struct gr_err *err)
{
    assert(dir != NULL && name != NULL);
    char path[GR_DISK_PATH_SIZE];
    int wanted = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (wanted < 0 || (size_t)wanted >= sizeof path) {
        return gr_fail(err, -ENAMETOOLONG, "%.200s...: the path is too long", dir);
    }
    memcpy(ret_path, path, (size_t)wanted + 1);
    return 0;
}

int gr_disk_open(const char *path, int flags, struct gr_err *err)
{
    assert(path != NULL);
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? gr_fail_errno(err, "open %s", path) : fd;
}

int gr_disk_write(int fd, const void *bytes, size_t size, uint64_t offset, const char *path,
                  struct gr_err *err)
{
    assert(fd >= 0);
    assert(bytes != NULL || size == 0);
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t done = pwrite(fd, at, size, (off_t)offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            errno = done == 0 ? EIO : errno;
            return gr_fail_errno(err, "write %s", path);
        }
        at += done;
        size -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

int gr_disk_read(int fd, void *ret_bytes, size_t size, uint64_t offset, const char *path,
                 struct gr_err *err)
{
    assert(fd >= 0);
    assert(ret_bytes != NULL || size == 0);
    uint8_t *at = ret_bytes;
    while (size > 0) {
        ssize_t done = pread(fd, at, size, (off_t)offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return gr_fail_errno(err, "read %s", path);
        }
        if (done == 0) {
            return gr_fail(err, -ENODATA, "%s: the file ends too early", path);
        }
        at += done;
        size -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

int gr_disk_sync(int fd, const char *path, struct gr_err *err)
{
    assert(fd >= 0);
    return fdatasync(fd) < 0 ? gr_fail_errno(err, "sync %s", path) : 0;
}

int gr_disk_sync_dir(const char *dir, struct gr_err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC); // a folder's name may be a link
    if (fd < 0) {
        return gr_fail_errno(err, "open %s", dir);
    }
    int rc = fsync(fd) < 0 ? gr_fail_errno(err, "sync %s", dir) : 0;
    close(fd);
    return rc;
}

// Syncs the folder that holds `path`.
static int sync_parent(const char *path, struct gr_err *err)
{
    char parent[GR_DISK_PATH_SIZE];
    int rc = gr_disk_path(path, "..", parent, err);
    return rc < 0 ? rc : gr_disk_sync_dir(parent, err);
}

int gr_disk_make_dir(const char *dir, struct gr_err *err)
{
    assert(dir != NULL);
    if (mkdir(dir, 0700) < 0) {
        return errno == EEXIST ? 0 : gr_fail_errno(err, "make the folder %s", dir);
    }
    int rc = sync_parent(dir, err);
    return rc < 0 ? rc : 1;
}

int gr_disk_rename(const char *dir, const char *from, const char *to, struct gr_err *err)
{
    char from_path[GR_DISK_PATH_SIZE];
    char to_path[GR_DISK_PATH_SIZE];
    int rc = gr_disk_path(dir, from, from_path, err);
    if (rc == 0) {
        rc = gr_disk_path(dir, to, to_path, err);
    }
    if (rc == 0 && rename(from_path, to_path) < 0) {
        rc = gr_fail_errno(err, "rename %s to %s", from_path, to);
    }
    return rc < 0 ? rc : gr_disk_sync_dir(dir, err);
}

int gr_disk_remove(const char *path, struct gr_err *err)
{
    assert(path != NULL);
    if (unlink(path) == 0 || (errno == EISDIR && rmdir(path) == 0)) {
        return 1;
    }
    return errno == ENOENT ? 0 : gr_fail_errno(err, "remove %s", path);
}

// Removes the folder; folders in it only while `depth` lasts.
static int remove_dir(const char *path, unsigned depth, struct gr_err *err)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return errno == ENOENT ? 0 : gr_fail_errno(err, "open %s", path);
    }
    int rc = 0;
    struct dirent *entry;
    while (rc >= 0 && (errno = 0, entry = readdir(folder)) != NULL) {
        char inner[GR_DISK_PATH_SIZE];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        rc = gr_disk_path(path, entry->d_name, inner, err);
        if (rc == 0 && lstat(inner, &st) < 0) {
            rc = gr_fail_errno(err, "%s", inner);
        } else if (rc == 0 && S_ISDIR(st.st_mode) && depth > 0) {
            rc = remove_dir(inner, depth - 1, err);
        } else if (rc == 0) {
            rc = gr_disk_remove(inner, err);
        }
    }
    closedir(folder);
    if (rc >= 0 && rmdir(path) < 0) {
        rc = gr_fail_errno(err, "remove %s", path);
    }
    return rc < 0 ? rc : 0;
}

int gr_disk_remove_dir(const char *path, struct gr_err *err)
{
    assert(path != NULL);
    return remove_dir(path, 1, err);
}

// Copies from the one descriptor to the other until the end.
static int copy_bytes(int from, int to, const char *from_path, const char *to_path,
                      struct gr_err *err)
{
    enum { BLOCK = 1 << 20 };
    uint8_t *block = malloc(BLOCK);
    if (block == NULL) {
        return gr_fail(err, -ENOMEM, "copy %s: no memory", from_path);
    }
    int rc = 0;
    uint64_t offset = 0;
    for (;;) {
        ssize_t got = pread(from, block, BLOCK, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            rc = got < 0 ? gr_fail_errno(err, "read %s", from_path) : 0;
            break;
        }
        rc = gr_disk_write(to, block, (size_t)got, offset, to_path, err);
        if (rc < 0) {
            break;
        }
        offset += (uint64_t)got;
    }
    free(block);
    return rc < 0 ? rc : gr_disk_sync(to, to_path, err);
}

int gr_disk_copy(const char *from, const char *to, struct gr_err *err)
{
    int source = gr_disk_open(from, O_RDONLY, err);
    if (source < 0) {
        return source;
    }
    int target = gr_disk_open(to, O_WRONLY | O_CREAT | O_EXCL, err);
    int rc = target < 0 ? target : copy_bytes(source, target, from, to, err);
    if (target >= 0) {
        close(target);
    }
    close(source);
    return rc;
}

bool gr_disk_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

void gr_disk_put32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

void gr_disk_put64(uint8_t *bytes, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

uint32_t gr_disk_get32(const uint8_t *bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        value |= (uint32_t)bytes[i] << (8 * i);
    }
    return value;
}

uint64_t gr_disk_get64(const uint8_t *bytes)
{
    return gr_disk_get32(bytes) | (uint64_t)gr_disk_get32(bytes + 4) << 32;
}
