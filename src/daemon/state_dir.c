// The state directory: see state_dir.h.
#include "daemon/state_dir.h"

#include "journal/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// How often a lock is tried whose owner lives no more, 5 ms apart.
#define LOCK_TRIES 400

int gr_state_path(const char *dir, const char *name, char ret_path[GR_STATE_PATH_SIZE],
                  struct gr_err *err)
{
    int size = snprintf(ret_path, GR_STATE_PATH_SIZE, "%s/%s", dir, name);
    if (size < 0 || size >= GR_STATE_PATH_SIZE) {
        return gr_fail(err, -ENAMETOOLONG, "%s/%s: the path is too long", dir, name);
    }
    return 0;
}

int gr_state_sync(const char *dir, struct gr_err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return gr_fail_errno(err, "open %s", dir);
    }
    int rc = fsync(fd) == 0 ? 0 : gr_fail_errno(err, "sync %s", dir);
    close(fd);
    return rc;
}

int gr_state_default(char ret_path[GR_STATE_PATH_SIZE], struct gr_err *err)
{
    if (geteuid() == 0) {
        return gr_state_path("/var/lib", "granary", ret_path, err);
    }
    const char *state = getenv("XDG_STATE_HOME");
    if (state != NULL && state[0] == '/') {
        return gr_state_path(state, "granary", ret_path, err);
    }
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/') {
        return gr_fail(err, -ENOENT, "$HOME is not set; say where with --state DIR");
    }
    return gr_state_path(home, ".local/state/granary", ret_path, err);
}

// mkdir -p; only the last part is the pool's own. Returns 1 if that was made, 0 if it was there.
static int make_parents(const char *path, struct gr_err *err)
{
    char part[GR_STATE_PATH_SIZE];
    for (const char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(at - path), path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return gr_fail_errno(err, "make directory %s", part);
        }
    }
    if (mkdir(path, 0711) != 0) {
        return errno == EEXIST ? 0 : gr_fail_errno(err, "make directory %s", path);
    }
    const char *slash = strrchr(path, '/');
    snprintf(part, sizeof part, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int rc = gr_state_sync(part, err); // what is durable in it must be found again
    return rc == 0 ? 1 : rc;
}

// Locks the open file. A process that was just killed may have left a child that is about to become
// another program and holds its descriptors until then: that is waited for.
static int lock_file(const char *dir, int fd)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
            return 0;
        }
        pid_t owner = gr_state_dir_owner(dir);
        if (owner > 0 && (kill(owner, 0) == 0 || errno != ESRCH)) {
            break; // it lives
        }
        nanosleep(&pause, NULL);
    }
    return -EBUSY;
}

static int take_lock(struct gr_state_dir *dir, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    int rc = gr_state_path(dir->path, "lock", path, err);
    if (rc != 0) {
        return rc;
    }
    dir->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (dir->lock_fd < 0) {
        return gr_fail_errno(err, "open %s", path);
    }
    if (lock_file(dir->path, dir->lock_fd) != 0) {
        pid_t owner = gr_state_dir_owner(dir->path);
        close(dir->lock_fd);
        dir->lock_fd = -1;
        return gr_fail(err, -EBUSY, "%s: a pool is served from here already, by process %ld",
                       dir->path, (long)owner);
    }
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(dir->lock_fd, 0) != 0 || pwrite(dir->lock_fd, text, (size_t)size, 0) != size) {
        return gr_fail_errno(err, "write %s", path);
    }
    return 0;
}

static int read_salt(struct gr_state_dir *dir, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    int rc = gr_state_path(dir->path, "salt", path, err);
    if (rc != 0) {
        return rc;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        ssize_t got = read(fd, dir->salt, sizeof dir->salt);
        close(fd);
        return got == (ssize_t)sizeof dir->salt
                   ? 0
                   : gr_fail(err, -EBADMSG,
                             "%s is not %d bytes long; restore it from the backup: without it "
                             "users are not known again",
                             path, GR_STATE_SALT_SIZE);
    }
    if (errno != ENOENT) {
        return gr_fail_errno(err, "open %s", path);
    }
    if (getrandom(dir->salt, sizeof dir->salt, 0) != (ssize_t)sizeof dir->salt) {
        return gr_fail_errno(err, "draw random bytes");
    }
    char beside[GR_STATE_PATH_SIZE];
    rc = gr_state_path(dir->path, "salt.new", beside, err);
    if (rc != 0) {
        return rc;
    }
    (void)unlink(beside);
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return gr_fail_errno(err, "create %s", beside);
    }
    bool is_written =
        write(fd, dir->salt, sizeof dir->salt) == (ssize_t)sizeof dir->salt && fsync(fd) == 0;
    int code = errno;
    close(fd);
    errno = code;
    if (!is_written || rename(beside, path) != 0) {
        return gr_fail_errno(err, "write %s", path);
    }
    return gr_state_sync(dir->path, err); // before facts name users by it
}

int gr_state_dir_open(const char *path, struct gr_state_dir *ret_dir, struct gr_err *err)
{
    assert(path != NULL && ret_dir != NULL);
    struct gr_state_dir dir = {.lock_fd = -1};
    ret_dir->lock_fd = -1;
    char here[GR_STATE_PATH_SIZE];
    if (path[0] != '/' && getcwd(here, sizeof here) == NULL) {
        return gr_fail_errno(err, "find the working directory");
    }
    int rc = path[0] == '/'
                 ? snprintf(dir.path, sizeof dir.path, "%s", path) >= (int)sizeof dir.path
                 : gr_state_path(here, path, dir.path, err);
    if (rc != 0) {
        return gr_fail(err, -ENAMETOOLONG, "%s: the path is too long", path);
    }
    rc = make_parents(dir.path, err);
    if (rc < 0) {
        return rc;
    }
    dir.is_made = rc == 1;
    struct stat stat_now;
    if (stat(dir.path, &stat_now) != 0) {
        return gr_fail_errno(err, "look at %s", dir.path);
    }
    if (!S_ISDIR(stat_now.st_mode) || stat_now.st_uid != geteuid() ||
        (stat_now.st_mode & 0022) != 0) {
        return gr_fail(err, -EPERM,
                       "%s must be a directory of user %ld that nobody else may write to", dir.path,
                       (long)geteuid());
    }
    rc = take_lock(&dir, err);
    rc = rc != 0 ? rc : read_salt(&dir, err);
    if (rc != 0) {
        gr_state_dir_close(&dir);
        return rc;
    }
    *ret_dir = dir;
    return 0;
}

void gr_state_dir_remove(const struct gr_state_dir *dir)
{
    assert(dir->lock_fd >= 0 && dir->is_made);
    (void)gr_disk_remove_dir(dir->path, NULL);
}

void gr_state_dir_close(struct gr_state_dir *dir)
{
    if (dir->lock_fd >= 0) {
        close(dir->lock_fd);
        dir->lock_fd = -1;
    }
}

pid_t gr_state_dir_owner(const char *path)
{
    char lock[GR_STATE_PATH_SIZE];
    if (gr_state_path(path, "lock", lock, NULL) != 0) {
        return 0;
    }
    int fd = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return 0;
    }
    long pid = 0;
    struct flock held = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_GETLK, &held) == 0 && held.l_type != F_UNLCK) {
        char text[32] = "";
        ssize_t got = pread(fd, text, sizeof text - 1, 0);
        pid = got > 0 ? strtol(text, NULL, 10) : 0;
    }
    close(fd);
    return (pid_t)pid;
}
