// Processes found through /proc: see descendants.h.
#include "engine/local/descendants.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Bytes of an environment that are looked at; the marker stands among the first entries.
#define ENVIRONMENT_SIZE_MAX ((size_t)4 << 20)
// Bytes of a list of children.
#define CHILDREN_SIZE_MAX ((size_t)16 << 20)
// Descendants that are counted at one look.
#define LOOK_MAX 65536

// Reads a file of /proc whole, about `size_max` bytes at most, with a NUL behind. NULL if it cannot
// be read; the caller frees it.
static char *proc_read(const char *path, size_t size_max, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t room = 4096;
    size_t size = 0;
    char *bytes = fd < 0 ? NULL : malloc(room);
    while (bytes != NULL) {
        ssize_t count = read(fd, bytes + size, room - size - 1);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            break;
        }
        size += (size_t)count;
        if (size + 1 == room) {
            char *more = room >= size_max ? NULL : realloc(bytes, 2 * room);
            if (more == NULL) {
                break;
            }
            bytes = more;
            room *= 2;
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (bytes != NULL) {
        bytes[size] = '\0';
        *ret_size = size;
    }
    return bytes;
}

// The next number of a list "PID PID ... "; 0 at its end.
static pid_t number_next(char **at)
{
    char *end = *at;
    long number = strtol(*at, &end, 10);
    pid_t pid = end == *at ? 0 : (pid_t)number;
    *at = end;
    return pid;
}

// ---- one process --------------------------------------------------------------------------------

// What /proc/PID/stat says.
struct stat_line {
    char state;
    pid_t parent;
    uint64_t ticks; // user and system time
};

static bool stat_read(pid_t pid, struct stat_line *ret_line)
{
    char path[64];
    size_t size = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    char *text = proc_read(path, 8192, &size);
    // The name in brackets may hold anything, brackets too.
    const char *after = text == NULL ? NULL : strrchr(text, ')');
    unsigned long user = 0;
    unsigned long system = 0;
    int parent = 0;
    bool is_read =
        after != NULL && sscanf(after + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                &ret_line->state, &parent, &user, &system) == 4;
    ret_line->parent = parent;
    ret_line->ticks = (uint64_t)user + system;
    free(text);
    return is_read;
}

// The next directory of a process in /proc, or 0 at its end.
static pid_t proc_next(DIR *proc)
{
    struct dirent *entry;
    while ((entry = readdir(proc)) != NULL) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') {
            return (pid_t)strtol(entry->d_name, NULL, 10);
        }
    }
    return 0;
}

// ---- children -----------------------------------------------------------------------------------

// Without a list of children: all of /proc, asked for its parents.
static int kill_slowly(gr_descendants_spare *spare, void *context)
{
    DIR *proc = opendir("/proc");
    struct stat_line line;
    int count = 0;
    if (proc == NULL) {
        return -errno;
    }
    for (pid_t pid = proc_next(proc); pid != 0; pid = proc_next(proc)) {
        if (stat_read(pid, &line) && line.parent == getpid() &&
            (spare == NULL || !spare(pid, context))) {
            count += kill(pid, SIGKILL) == 0;
        }
    }
    (void)closedir(proc);
    return count;
}

int gr_descendants_kill(gr_descendants_spare *spare, void *context)
{
    char path[64];
    size_t size = 0;
    int self = (int)getpid();
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", self, self);
    char *text = proc_read(path, CHILDREN_SIZE_MAX, &size);
    if (text == NULL) {
        return kill_slowly(spare, context);
    }
    int count = 0;
    char *at = text;
    for (pid_t pid = number_next(&at); pid != 0; pid = number_next(&at)) {
        // A child stays ours, and its number with it, until we reap it.
        if (pid > 1 && (spare == NULL || !spare(pid, context))) {
            count += kill(pid, SIGKILL) == 0;
        }
    }
    free(text);
    return count;
}

bool gr_descendants_is_corpse(pid_t pid)
{
    char path[64];
    struct stat_line line;
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    bool is_dead = threads != NULL;
    for (pid_t thread = is_dead ? proc_next(threads) : 0; thread != 0 && is_dead;
         thread = proc_next(threads)) {
        is_dead = stat_read(thread, &line) && (line.state == 'Z' || line.state == 'X');
    }
    if (threads != NULL) {
        (void)closedir(threads);
    }
    return is_dead;
}

bool gr_descendants_are_corpses(void)
{
    char path[64];
    size_t size = 0;
    int self = (int)getpid();
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", self, self);
    char *text = proc_read(path, CHILDREN_SIZE_MAX, &size);
    bool are_dead = text != NULL;
    char *at = text;
    for (pid_t pid = are_dead ? number_next(&at) : 0; pid != 0 && are_dead;
         pid = number_next(&at)) {
        are_dead = gr_descendants_is_corpse(pid);
    }
    free(text);
    return are_dead;
}

// ---- by environment -----------------------------------------------------------------------------

bool gr_descendants_is_marked(pid_t pid, const char *marker)
{
    char path[64];
    size_t size = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    char *bytes = proc_read(path, ENVIRONMENT_SIZE_MAX, &size);
    bool found = false;
    for (size_t at = 0; bytes != NULL && at < size && !found;) {
        found = strcmp(bytes + at, marker) == 0;
        at += strlen(bytes + at) + 1;
    }
    free(bytes);
    return found;
}

int gr_descendants_marked_kill(const char *marker)
{
    DIR *proc = opendir("/proc");
    int count = 0;
    if (proc == NULL) {
        return -errno;
    }
    for (pid_t pid = proc_next(proc); pid != 0; pid = proc_next(proc)) {
        if (pid != getpid() && gr_descendants_is_marked(pid, marker)) {
            count += kill(pid, SIGKILL) == 0;
        }
    }
    (void)closedir(proc);
    return count;
}

// ---- usage --------------------------------------------------------------------------------------

// Processes whose children are still to be looked at.
struct look {
    pid_t *pids;
    size_t count;
    size_t room;
};

static void look_add(struct look *look, pid_t pid)
{
    if (look->count == look->room) {
        size_t room = look->room == 0 ? 64 : 2 * look->room;
        pid_t *pids = room > LOOK_MAX ? NULL : realloc(look->pids, room * sizeof *pids);
        if (pids == NULL) {
            return;
        }
        look->pids = pids;
        look->room = room;
    }
    look->pids[look->count++] = pid;
}

// Adds the children of every thread of `pid`: the thread that forked is their parent.
static void look_children(struct look *look, pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    if (threads == NULL) {
        return;
    }
    for (pid_t thread = proc_next(threads); thread != 0; thread = proc_next(threads)) {
        size_t size = 0;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)thread);
        char *text = proc_read(path, CHILDREN_SIZE_MAX, &size);
        char *at = text;
        for (pid_t child = at == NULL ? 0 : number_next(&at); child != 0;
             child = number_next(&at)) {
            look_add(look, child);
        }
        free(text);
    }
    (void)closedir(threads);
}

void gr_descendants_usage(uint64_t *ret_cpu_ms, bool *ret_any_goes)
{
    struct look look = {0};
    uint64_t ticks = 0;
    bool any_goes = false;
    long per_second = sysconf(_SC_CLK_TCK);
    look_children(&look, getpid());
    for (size_t i = 0; i < look.count; i++) {
        struct stat_line line;
        if (stat_read(look.pids[i], &line)) {
            ticks += line.ticks;
            any_goes = any_goes || (line.state != 'T' && line.state != 't' && line.state != 'Z');
            look_children(&look, look.pids[i]);
        }
    }
    free(look.pids);
    *ret_cpu_ms = ticks * 1000 / (uint64_t)(per_second > 0 ? per_second : 100);
    *ret_any_goes = any_goes;
}
