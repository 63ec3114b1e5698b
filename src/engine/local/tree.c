// Removes folders that others have filled: see tree.h.
#include "engine/local/tree.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Levels that are gone down at a time; what lies deeper is moved up first.
#define LEVELS_MAX 64
#define PATH_SIZE 4096

// A removal under way.
struct removal {
    int top;        // the folder that the tree is in
    unsigned moved; // trees moved up so far, for their names
    int code;       // first failure
};

static void failed(struct removal *removal, int code)
{
    if (removal->code == 0 && code != -ENOENT) {
        removal->code = code;
    }
}

static void moved_name(unsigned number, char *ret_name, size_t size)
{
    snprintf(ret_name, size, ".granary-removed-%ld-%u", (long)getpid(), number);
}

static int folder_open(int dir_fd, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir_fd, name, flags);
    if (fd < 0 && errno == EACCES && fchmodat(dir_fd, name, 0700, 0) == 0) {
        fd = openat(dir_fd, name, flags); // its owner had locked himself out
    }
    return fd;
}

static void remove_below(struct removal *removal, int dir_fd, const char *name, unsigned level);

// Removes what is in the open folder; takes the file descriptor.
static void folder_empty(struct removal *removal, int fd, unsigned level)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700) {
        (void)fchmod(fd, 0700);
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        failed(removal, -errno);
        close(fd);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            remove_below(removal, fd, entry->d_name, level + 1);
        }
    }
    closedir(dir);
}

// A tree that lies too deep goes to the top under a name of its own; it is removed when the folders
// open now are closed.
static void move_up(struct removal *removal, int dir_fd, const char *name)
{
    char up[64];
    moved_name(removal->moved, up, sizeof(up));
    if (renameat(dir_fd, name, removal->top, up) != 0) {
        failed(removal, -errno);
        return;
    }
    removal->moved++;
}

static void remove_below(struct removal *removal, int dir_fd, const char *name, unsigned level)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT) {
        return;
    }
    if (errno != EISDIR && errno != EPERM && errno != EBUSY) {
        failed(removal, -errno);
        return;
    }
    if (level >= LEVELS_MAX) {
        move_up(removal, dir_fd, name);
        return;
    }
    int fd = folder_open(dir_fd, name);
    if (fd < 0) {
        failed(removal, -errno);
        return;
    }
    folder_empty(removal, fd, level);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) != 0) {
        failed(removal, -errno);
    }
}

int gr_tree_remove(int dir_fd, const char *name)
{
    assert(name != NULL && strchr(name, '/') == NULL);
    assert(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    struct removal removal = {.top = dir_fd};
    remove_below(&removal, dir_fd, name, 0);
    for (unsigned i = 0; i < removal.moved; i++) { // grows while it runs
        char up[64];
        moved_name(i, up, sizeof(up));
        remove_below(&removal, dir_fd, up, 0);
    }
    return removal.code;
}

int gr_tree_make(int dir_fd, const char *path, unsigned mode)
{
    char part[PATH_SIZE];
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof(part)) {
        return size == 0 ? -ENOENT : -ENAMETOOLONG;
    }
    memcpy(part, path, size + 1);
    for (char *at = part + 1;; at++) {
        if (*at == '/' || *at == '\0') {
            char was = *at;
            *at = '\0';
            if (mkdirat(dir_fd, part, mode) != 0 && errno != EEXIST) {
                return -errno;
            }
            *at = was;
            if (was == '\0') {
                return 0;
            }
        }
    }
}
