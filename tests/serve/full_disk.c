// A disk that is full, for a program that is started with this in LD_PRELOAD: while the file exists
// whose path is in FULL_DISK, no regular file can grow. For where nothing can be mounted.
#undef _FILE_OFFSET_BITS // both names of each call are needed: pwrite and pwrite64
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

// Whether the file may not become as long as this.
static bool is_full(int fd, off64_t end)
{
    const char *sign = getenv("FULL_DISK");
    int before = errno;
    struct stat st;
    bool is_beyond = sign != NULL && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                     st.st_size < end && access(sign, F_OK) == 0;
    errno = before;
    return is_beyond;
}

SHOWN ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (is_full(fd, offset + (off64_t)size)) {
        errno = ENOSPC;
        return -1;
    }
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
    }
    return real(fd, bytes, size, offset);
}

SHOWN ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return pwrite64(fd, bytes, size, offset);
}

SHOWN ssize_t write(int fd, const void *bytes, size_t size)
{
    static ssize_t (*real)(int, const void *, size_t);
    off64_t at = lseek64(fd, 0, SEEK_CUR);
    if (at >= 0 && is_full(fd, at + (off64_t)size)) {
        errno = ENOSPC;
        return -1;
    }
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "write");
    }
    return real(fd, bytes, size);
}

SHOWN int posix_fallocate64(int fd, off64_t offset, off64_t size)
{
    static int (*real)(int, off64_t, off64_t);
    if (is_full(fd, offset + size)) {
        return ENOSPC;
    }
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "posix_fallocate64");
    }
    return real(fd, offset, size);
}

SHOWN int posix_fallocate(int fd, off_t offset, off_t size)
{
    return posix_fallocate64(fd, offset, size);
}
