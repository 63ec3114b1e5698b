// The shim as the journal's own files see it: system calls, replaced at link time. See shim.h.
#include "shim.h"
#include "shim_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { FDS = 1024, PATH_SIZE = 512 };

// The linker sends the callers of NAME to __wrap_NAME, and __real_NAME to NAME.
int __real_open64(const char *path, int flags, ...);
int __real_mkdir(const char *path, mode_t mode);
int __real_unlink(const char *path);
int __real_rmdir(const char *path);
int __real_rename(const char *from, const char *to);
int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
ssize_t __real_pwrite64(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __real_pread64(int fd, void *bytes, size_t size, off_t offset);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_unlink(const char *path);
int __wrap_rmdir(const char *path);
int __wrap_rename(const char *from, const char *to);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread64(int fd, void *bytes, size_t size, off_t offset);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char paths[FDS][PATH_SIZE]; // of descriptors that were opened while watched; "": not

// Writes the path of a descriptor; false if it is not watched.
static bool path_of(int fd, char path[PATH_SIZE])
{
    pthread_mutex_lock(&mutex);
    memcpy(path, fd >= 0 && fd < FDS ? paths[fd] : "", fd >= 0 && fd < FDS ? PATH_SIZE : 1);
    pthread_mutex_unlock(&mutex);
    return shim_watches(path);
}

// Returns -1 with errno if the plan says so.
static int refuse(enum gr_shim_kind kind, const char *path)
{
    int code = shim_watches(path) ? shim_fails(kind, path) : 0;
    errno = code != 0 ? code : errno;
    return code != 0 ? -1 : 0;
}

int __wrap_open64(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    bool is_watched = shim_watches(path);
    if (refuse(GR_SHIM_OPEN, path) < 0) {
        return -1;
    }
    int fd = __real_open64(path, flags, mode);
    if (fd < 0 || fd >= FDS) {
        return fd;
    }
    pthread_mutex_lock(&mutex);
    snprintf(paths[fd], PATH_SIZE, "%s", is_watched ? path : "");
    pthread_mutex_unlock(&mutex);
    if (is_watched && (flags & O_CREAT) != 0 && !shim_exists(path)) {
        shim_note_create(path);
    } else if (is_watched && (flags & O_TRUNC) != 0) {
        shim_note_truncate(path, 0);
    }
    return fd;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    if (refuse(GR_SHIM_NAME, path) < 0) {
        return -1;
    }
    int rc = __real_mkdir(path, mode);
    if (rc == 0 && shim_watches(path)) {
        shim_note_make_dir(path);
    }
    return rc;
}

int __wrap_unlink(const char *path)
{
    if (refuse(GR_SHIM_NAME, path) < 0) {
        return -1;
    }
    int rc = __real_unlink(path);
    if (rc == 0 && shim_watches(path)) {
        shim_note_remove(path);
    }
    return rc;
}

int __wrap_rmdir(const char *path)
{
    if (refuse(GR_SHIM_NAME, path) < 0) {
        return -1;
    }
    int rc = __real_rmdir(path);
    if (rc == 0 && shim_watches(path)) {
        shim_note_remove(path);
    }
    return rc;
}

int __wrap_rename(const char *from, const char *to)
{
    if (refuse(GR_SHIM_NAME, from) < 0) {
        return -1;
    }
    int rc = __real_rename(from, to);
    if (rc == 0 && shim_watches(from)) {
        shim_note_rename(from, to);
    }
    return rc;
}

// The journal gives whole paths.
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    if (refuse(GR_SHIM_NAME, from) < 0) {
        return -1;
    }
    int rc = __real_renameat2(from_dir, from, to_dir, to, flags);
    if (rc == 0 && shim_watches(from)) {
        shim_note_rename(from, to);
    }
    return rc;
}

ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t offset)
{
    char path[PATH_SIZE];
    if (path_of(fd, path)) {
        if (refuse(GR_SHIM_WRITE, path) < 0) {
            return -1;
        }
        shim_note_write(path, bytes, size, (uint64_t)offset);
    }
    return __real_pwrite64(fd, bytes, size, offset);
}

ssize_t __wrap_pread64(int fd, void *bytes, size_t size, off_t offset)
{
    char path[PATH_SIZE];
    if (path_of(fd, path) && refuse(GR_SHIM_READ, path) < 0) {
        return -1;
    }
    return __real_pread64(fd, bytes, size, offset);
}

int __wrap_fdatasync(int fd)
{
    char path[PATH_SIZE];
    if (path_of(fd, path)) {
        if (refuse(GR_SHIM_SYNC, path) < 0) {
            return -1;
        }
        shim_note_sync(path);
        return 0; // the real one is left out: nobody pulls the plug while the test runs
    }
    return __real_fdatasync(fd);
}

// Only folders are synced so; "X/.." is the folder that holds X.
int __wrap_fsync(int fd)
{
    char path[PATH_SIZE];
    if (!path_of(fd, path)) {
        return __real_fsync(fd);
    }
    if (refuse(GR_SHIM_SYNC, path) < 0) {
        return -1;
    }
    size_t length = strlen(path);
    if (length > 3 && strcmp(path + length - 3, "/..") == 0) {
        path[length - 3] = '\0';
        shim_note_sync_dir_of(path);
    } else {
        shim_note_sync_dir(path);
    }
    return 0;
}
