// The folder for trials: made, removed, and removed for those who were killed in the middle of
// theirs. See check_parts.h.
//
// Whoever has one holds a lock on it, and so do the processes of its trials: one that nobody holds
// was left behind.
#include "engine/local/check_parts.h"
#include "engine/local/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "check-"

// Removes the folder behind `fd`, with the groups that have their names of it, if it was left.
static void left_remove(int parent_fd, const char *parent, const char *name, int fd)
{
    char path[PATH_MAX];
    struct stat found;
    struct gr_cgroup_means means;
    if (fstat(fd, &found) != 0 || found.st_uid != geteuid() || flock(fd, LOCK_EX | LOCK_NB) != 0 ||
        snprintf(path, sizeof(path), "%s/%s", parent, name) >= (int)sizeof(path)) {
        return;
    }
    gr_cgroup_means_find(path, &means);
    gr_check_sweep(&means);
    (void)gr_tree_remove(parent_fd, name);
}

// Removes what checks that were killed left in the engine's folder.
static void all_left_remove(const char *parent)
{
    DIR *dir = opendir(parent);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strncmp(entry->d_name, PREFIX, sizeof(PREFIX) - 1) != 0) {
            continue;
        }
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0) {
            left_remove(dirfd(dir), parent, entry->d_name, fd);
            close(fd);
        }
    }
    closedir(dir);
}

// Makes it from the template in check->dir and takes its lock. -EAGAIN: it was taken for one that
// was left, before the lock was ours.
static int make(struct gr_check *check)
{
    struct stat found;
    if (mkdtemp(check->dir) == NULL) {
        return -errno;
    }
    check->dir_fd = open(check->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (check->dir_fd >= 0 && flock(check->dir_fd, LOCK_SH) == 0 &&
        fstat(check->dir_fd, &found) == 0 && found.st_nlink > 0 &&
        fchmod(check->dir_fd, 0711) == 0) {
        return 0;
    }
    if (check->dir_fd >= 0) {
        close(check->dir_fd);
    }
    return -EAGAIN;
}

int gr_check_folder_make(struct gr_check *check, struct gr_err *err)
{
    const char *dir = check->config->dir == NULL ? "" : check->config->dir;
    int code = -ENOENT;
    if (dir[0] != '\0') {
        all_left_remove(dir);
    }
    for (int tries = 0; tries < 3 && code != 0 && dir[0] != '\0'; tries++) {
        snprintf(check->dir, sizeof(check->dir), "%.3900s/" PREFIX "XXXXXX", dir);
        code = make(check);
    }
    if (code != 0) {
        snprintf(check->dir, sizeof(check->dir), "/tmp/granary-" PREFIX "XXXXXX");
        code = make(check);
    }
    return code == 0 ? 0 : gr_fail(err, code, "make a folder for trials: %s", strerror(-code));
}

void gr_check_folder_remove(const struct gr_check *check)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof(parent), "%s", check->dir);
    char *slash = strrchr(parent, '/');
    *slash = '\0';
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)gr_tree_remove(fd, slash + 1);
        close(fd);
    }
    close(check->dir_fd);
}
