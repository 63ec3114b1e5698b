// The writer's lock: see lock.h. The lock file must never be opened by a process that holds its
// lock: closing any descriptor of it would end the lock.
#include "journal/lock.h"

#include "journal/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct gr_lock {
    struct gr_lock *next;
    dev_t device; // of the directory
    ino_t inode;
    int fd; // of the lock file
};

// The locks that this process holds.
static pthread_mutex_t held_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct gr_lock *held;

// Whether the directory is on the list. The mutex is held.
static bool list_has(dev_t device, ino_t inode)
{
    for (const struct gr_lock *lock = held; lock != NULL; lock = lock->next) {
        if (lock->device == device && lock->inode == inode) {
            return true;
        }
    }
    return false;
}

// Puts the lock on the list, unless the directory is there already.
static bool list_add(struct gr_lock *lock)
{
    pthread_mutex_lock(&held_mutex);
    bool is_free = !list_has(lock->device, lock->inode);
    if (is_free) {
        lock->next = held;
        held = lock;
    }
    pthread_mutex_unlock(&held_mutex);
    return is_free;
}

static void list_remove(const struct gr_lock *lock)
{
    pthread_mutex_lock(&held_mutex);
    struct gr_lock **at = &held;
    while (*at != lock) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = lock->next;
    pthread_mutex_unlock(&held_mutex);
}

static int busy(const char *dir, struct gr_err *err)
{
    return gr_fail(err, -EBUSY,
                   "%s: another process writes this journal; stop the pool that uses it first",
                   dir);
}

static int lock_file(const char *dir, int *ret_fd, struct gr_err *err)
{
    char path[GR_DISK_PATH_SIZE];
    int rc = gr_disk_path(dir, "lock", path, err);
    if (rc < 0) {
        return rc;
    }
    int fd = gr_disk_open(path, O_RDWR | O_CREAT, err);
    if (fd < 0) {
        return fd;
    }
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &whole) < 0) {
        rc = errno == EACCES || errno == EAGAIN ? busy(dir, err)
                                                : gr_fail_errno(err, "lock %s", path);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

int gr_lock_take(const char *dir, struct gr_lock **ret_lock, struct gr_err *err)
{
    struct stat st;
    if (stat(dir, &st) < 0) {
        return gr_fail_errno(err, "%s", dir);
    }
    struct gr_lock *lock = calloc(1, sizeof *lock);
    if (lock == NULL) {
        return gr_fail(err, -ENOMEM, "%s: no memory for its lock", dir);
    }
    lock->device = st.st_dev;
    lock->inode = st.st_ino;
    if (!list_add(lock)) {
        free(lock);
        return busy(dir, err);
    }
    int rc = lock_file(dir, &lock->fd, err);
    if (rc < 0) {
        list_remove(lock);
        free(lock);
        return rc;
    }
    *ret_lock = lock;
    return 0;
}

void gr_lock_free(struct gr_lock *lock)
{
    if (lock != NULL) {
        close(lock->fd); // ends the record lock; before another thread may take it from the list
        list_remove(lock);
        free(lock);
    }
}

bool gr_lock_is_held(const char *dir)
{
    char path[GR_DISK_PATH_SIZE];
    struct stat st;
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (stat(dir, &st) < 0 || gr_disk_path(dir, "lock", path, NULL) < 0) {
        return true;
    }
    // The mutex is kept to the end: nobody in this process may take the lock while its file is open
    // here, since closing it would end the lock.
    pthread_mutex_lock(&held_mutex);
    bool is_held = list_has(st.st_dev, st.st_ino);
    int fd = is_held ? -1 : gr_disk_open(path, O_RDONLY, NULL);
    if (fd >= 0) {
        is_held = fcntl(fd, F_GETLK, &whole) < 0 || whole.l_type != F_UNLCK;
        close(fd);
    } else if (!is_held) {
        is_held = errno != ENOENT; // no lock file: no writer was ever here
    }
    pthread_mutex_unlock(&held_mutex);
    return is_held;
}
