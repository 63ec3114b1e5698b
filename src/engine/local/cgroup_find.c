// Finds out what control groups can do here: where the trees are, which of them may be written, and
// by a trial group which limits hold. Leaves nothing behind but controllers that were handed on.
#include "engine/local/cgroup.h"

#include "engine/local/cgroup_parts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Bytes of /proc/self/mountinfo and of a cgroup.procs that are read at most.
#define TEXT_SIZE 262144
// Where this program's own processes go when they stand in the way of the controllers of v2.
#define OWN_GROUP "granary-daemon"
// The trees of a group: v2, then v1's.
#define TREES (GR_CGROUP_CONTROLLERS + 1)

// What is known while looking.
struct look {
    const char *root;                   // before every path; "": this machine
    char *mounts;                       // /proc/self/mountinfo
    char *groups;                       // /proc/self/cgroup
    char v2_mount[GR_CGROUP_PATH_SIZE]; // mount point of v2, "" if none
    char v2_own[GR_CGROUP_PATH_SIZE];   // the group that we are in
    struct gr_cgroup_means *means;
};

static char *text_read(const char *root, const char *path)
{
    char dir[GR_CGROUP_PATH_SIZE];
    char *text = malloc(TEXT_SIZE);
    snprintf(dir, sizeof(dir), "%s/proc/self", root);
    if (text != NULL && gr_cgroup_read(dir, path, text, TEXT_SIZE) < 0) {
        text[0] = '\0';
    }
    return text;
}

static void missing_add(struct gr_cgroup_means *means, const char *what, int code)
{
    size_t used = strlen(means->missing);
    snprintf(means->missing + used, sizeof(means->missing) - used, "%s%s: %s", used > 0 ? "; " : "",
             what, strerror(-code));
}

// ---- where the trees are ------------------------------------------------------------------------

// Whether a list "a,b,c" has the word.
static bool list_has(const char *list, size_t size, const char *word)
{
    size_t length = strlen(word);
    const char *end = list + size;
    for (const char *at = list; at < end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma == NULL ? end : comma;
        if ((size_t)(stop - at) == length && memcmp(at, word, length) == 0) {
            return true;
        }
        at = stop + 1;
    }
    return false;
}

// The path of our own group in the tree of a controller (NULL: v2), cut off at the line's end into
// ret_path. False if there is no such tree.
static bool own_path(const char *groups, const char *controller, char ret_path[GR_CGROUP_PATH_SIZE])
{
    for (const char *line = groups; line != NULL && *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        const char *list = memchr(line, ':', (size_t)(end - line));
        const char *path = list == NULL ? NULL : memchr(list + 1, ':', (size_t)(end - list - 1));
        if (path != NULL) {
            size_t size = (size_t)(path - list - 1);
            bool is_it = controller == NULL ? size == 0 : list_has(list + 1, size, controller);
            if (is_it && (size_t)(end - path - 1) < GR_CGROUP_PATH_SIZE) {
                memcpy(ret_path, path + 1, (size_t)(end - path - 1));
                ret_path[end - path - 1] = '\0';
                return true;
            }
        }
        line = *end == '\n' ? end + 1 : NULL;
    }
    return false;
}

// Our own group as a path in the file system: the mount shows the tree from `shown` on. A group
// outside what is shown counts as the mount point.
static void own_below(const char *root, const char *mount, const char *shown, const char *own,
                      char ret_path[GR_CGROUP_PATH_SIZE])
{
    size_t size = strcmp(shown, "/") == 0 ? 0 : strlen(shown);
    const char *rest = "";
    if (strncmp(own, shown, size) == 0 && (own[size] == '/' || own[size] == '\0') &&
        strstr(own, "/..") == NULL && strcmp(own + size, "/") != 0) {
        rest = own + size;
    }
    if (snprintf(ret_path, GR_CGROUP_PATH_SIZE, "%s%s%s", root, mount, rest) >=
        GR_CGROUP_PATH_SIZE) {
        ret_path[0] = '\0';
    }
}

// One mount of v1: the controllers that its options name.
static void mount_v1(struct look *look, const char *shown, const char *mount, const char *options)
{
    for (unsigned i = 0; i < GR_CGROUP_CONTROLLERS; i++) {
        const char *name = gr_cgroup_controller_name(i);
        char own[GR_CGROUP_PATH_SIZE];
        if (look->means->v1[i][0] == '\0' && list_has(options, strlen(options), name) &&
            own_path(look->groups, name, own)) {
            own_below(look->root, mount, shown, own, look->means->v1[i]);
        }
    }
}

static void mount_v2(struct look *look, const char *shown, const char *mount)
{
    char own[GR_CGROUP_PATH_SIZE];
    if (look->v2_mount[0] == '\0' && own_path(look->groups, NULL, own)) {
        own_below(look->root, mount, shown, own, look->v2_own);
        if (snprintf(look->v2_mount, sizeof(look->v2_mount), "%s%s", look->root, mount) >=
            (int)sizeof(look->v2_mount)) {
            look->v2_mount[0] = '\0';
        }
    }
}

// Splits each line of mountinfo: "ID PARENT DEV SHOWN MOUNT OPTIONS TAG... - TYPE SOURCE OPTIONS".
static void mounts_find(struct look *look)
{
    char *lines;
    for (char *line = strtok_r(look->mounts, "\n", &lines); line != NULL;
         line = strtok_r(NULL, "\n", &lines)) {
        char *fields[5] = {NULL};
        char *type[3] = {NULL};
        char *rest;
        char *dash = strstr(line, " - ");
        if (dash == NULL || strchr(line, '\\') != NULL) {
            continue;
        }
        *dash = '\0';
        fields[0] = strtok_r(line, " ", &rest);
        for (int i = 1; i < 5; i++) {
            fields[i] = strtok_r(NULL, " ", &rest);
        }
        type[0] = strtok_r(dash + 3, " ", &rest);
        type[1] = strtok_r(NULL, " ", &rest);
        type[2] = strtok_r(NULL, " ", &rest);
        if (fields[4] == NULL || type[2] == NULL) {
            continue;
        }
        if (strcmp(type[0], "cgroup") == 0) {
            mount_v1(look, fields[3], fields[4], type[2]);
        } else if (strcmp(type[0], "cgroup2") == 0) {
            mount_v2(look, fields[3], fields[4]);
        }
    }
}

// ---- v2: which group
// -----------------------------------------------------------------------------

// Whether a list of words between blanks has the word.
static bool words_have(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += size) {
        bool begins = at == text || at[-1] == ' ';
        bool ends = at[size] == '\0' || at[size] == ' ' || at[size] == '\n';
        if (begins && ends) {
            return true;
        }
    }
    return false;
}

// Controllers of those we use that the group hands on to its children, made to if it can.
static unsigned handed_on(const char *dir)
{
    static const enum gr_cgroup_controller used[] = {GR_CGROUP_MEMORY, GR_CGROUP_CPU,
                                                     GR_CGROUP_PIDS};
    unsigned found = 0;
    for (unsigned i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
        const char *name = gr_cgroup_controller_name(used[i]);
        char text[1024];
        char order[32];
        snprintf(order, sizeof(order), "+%s", name);
        bool is_on = gr_cgroup_read(dir, "cgroup.subtree_control", text, sizeof(text)) >= 0 &&
                     words_have(text, name);
        if (!is_on && gr_cgroup_read(dir, "cgroup.controllers", text, sizeof(text)) >= 0 &&
            words_have(text, name)) {
            is_on = gr_cgroup_write(dir, "cgroup.subtree_control", order) == 0;
        }
        found |= is_on ? 1u << used[i] : 0;
    }
    return found;
}

// As handed_on, after all groups above were asked to hand on too.
static unsigned handed_down(const struct look *look, const char *dir)
{
    char above[GR_CGROUP_PATH_SIZE];
    snprintf(above, sizeof(above), "%s", dir);
    for (size_t at = strlen(look->v2_mount); above[at] != '\0'; at++) {
        if (above[at] == '/') {
            above[at] = '\0';
            (void)handed_on(above);
            above[at] = '/';
        }
    }
    return handed_on(dir);
}

// Whether a group can be made in `dir`; 0 or -errno.
static int try_dir(const struct look *look, const char *dir)
{
    char path[GR_CGROUP_PATH_SIZE];
    const struct gr_cgroup_means *means = look->means;
    if (snprintf(path, sizeof(path), "%s/granary-try-%d", dir, (int)getpid()) >=
        (int)sizeof(path)) {
        return -ENAMETOOLONG;
    }
    if (mkdir(path, 0755) != 0) {
        return -errno;
    }
    if (means->changed != NULL) {
        means->changed(path, true);
        means->changed(path, false);
    }
    return rmdir(path) == 0 ? 0 : -errno;
}

// Moves every process of the group `from` to `to`, if `exe` says so for all. Returns 0 or -errno.
static int procs_move(const char *from, const char *to, const struct stat *exe)
{
    char *text = malloc(TEXT_SIZE);
    if (text == NULL) {
        return -ENOMEM;
    }
    int code = gr_cgroup_read(from, "cgroup.procs", text, TEXT_SIZE);
    char *rest = NULL;
    for (int pass = 0; code >= 0 && pass < 2; pass++) {
        char *copy = strdup(text);
        char *pid = copy == NULL ? NULL : strtok_r(copy, "\n", &rest);
        for (; code >= 0 && pid != NULL; pid = strtok_r(NULL, "\n", &rest)) {
            char path[64];
            struct stat st;
            snprintf(path, sizeof(path), "/proc/%.10s/exe", pid);
            if (pass == 0) {
                bool is_ours =
                    stat(path, &st) == 0 && st.st_dev == exe->st_dev && st.st_ino == exe->st_ino;
                code = is_ours ? 0 : -EBUSY;
            } else {
                code = gr_cgroup_write(to, "cgroup.procs", pid);
                code = code == -ESRCH ? 0 : code; // it ended meanwhile
            }
        }
        free(copy);
    }
    free(text);
    return code < 0 ? code : 0;
}

// A group with processes hands nothing on. Where all of them run this program (in a container, say,
// that it was started in alone) they move down a level. Returns the controllers handed on then.
static unsigned own_cleared(const struct look *look)
{
    char below[GR_CGROUP_PATH_SIZE];
    struct stat exe;
    if (look->root[0] != '\0' || stat("/proc/self/exe", &exe) != 0 ||
        snprintf(below, sizeof(below), "%s/%s", look->v2_own, OWN_GROUP) >= (int)sizeof(below) ||
        (mkdir(below, 0755) != 0 && errno != EEXIST)) {
        return 0;
    }
    unsigned found = 0;
    if (procs_move(look->v2_own, below, &exe) == 0) {
        found = handed_on(look->v2_own);
        if (found == 0) {
            (void)procs_move(below, look->v2_own, &exe);
        }
    }
    (void)rmdir(below); // only if it is empty
    return found;
}

static unsigned bit_count(unsigned bits)
{
    return (unsigned)__builtin_popcount(bits);
}

// Chooses where in v2 the pool's group goes: the nearest group above our own with most controllers,
// else our own, else the nearest in which a group can be made at all.
static void v2_choose(struct look *look)
{
    struct gr_cgroup_means *means = look->means;
    char dir[GR_CGROUP_PATH_SIZE];
    int code = -ENOENT;
    bool is_own = strcmp(look->v2_own, look->v2_mount) == 0;
    snprintf(dir, sizeof(dir), "%s", look->v2_own);
    while (look->v2_mount[0] != '\0' && strlen(dir) >= strlen(look->v2_mount)) {
        if (is_own || strcmp(dir, look->v2_own) != 0) {
            int tried = try_dir(look, dir);
            unsigned found = tried == 0 ? handed_down(look, dir) : 0;
            code = code == 0 ? 0 : tried;
            if (tried == 0 &&
                (means->v2[0] == '\0' || bit_count(found) > bit_count(means->v2_controllers))) {
                memcpy(means->v2, dir, sizeof(dir));
                means->v2_controllers = found;
            }
        }
        char *slash = strrchr(dir, '/');
        if (slash == NULL || slash == dir) {
            break;
        }
        *slash = '\0';
    }
    if (look->v2_mount[0] == '\0') {
        return;
    }
    if (means->v2_controllers == 0 && try_dir(look, look->v2_own) == 0) {
        unsigned found = own_cleared(look);
        if (found != 0 || means->v2[0] == '\0') {
            memcpy(means->v2, look->v2_own, sizeof(means->v2));
            means->v2_controllers = found;
        }
    }
    if (means->v2[0] == '\0') {
        missing_add(means, look->v2_own, code);
    }
}

// ---- the trial ----------------------------------------------------------------------------------

static char *base_of(struct gr_cgroup_means *means, unsigned tree)
{
    return tree == 0 ? means->v2 : means->v1[tree - 1];
}

// Forgets the v1 trees in which no group can be made, and those that v2 makes needless.
static void v1_choose(struct look *look)
{
    struct gr_cgroup_means *means = look->means;
    int code = 0;
    for (unsigned i = 0; i < GR_CGROUP_CONTROLLERS; i++) {
        if (means->v1[i][0] != '\0') {
            int tried = try_dir(look, means->v1[i]);
            if (tried < 0 || (means->v2_controllers & 1u << i) != 0) {
                code = code < 0 ? code : tried;
                means->v1[i][0] = '\0';
            }
        }
    }
    if (code < 0) {
        missing_add(means, "v1", code);
    }
}

// Puts a process into each directory of the group. Returns 0, or the place in `procs` + 1 of the
// first that refuses, or -errno.
static int try_enter(const struct gr_cgroup *group)
{
    pid_t pid = fork();
    if (pid < 0) {
        return -errno;
    }
    if (pid == 0) {
        for (unsigned i = 0; i < group->procs_count; i++) {
            int fd = open(group->procs[i], O_WRONLY | O_CLOEXEC);
            if (fd < 0 || write(fd, "0", 1) != 1) {
                _exit((int)i + 1);
            }
        }
        _exit(0);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

// Forgets the tree whose directory is the `place`th of the group.
static void tree_drop(struct gr_cgroup_means *means, const struct gr_cgroup *group, int place)
{
    size_t size = strlen(group->procs[place - 1]) - strlen("/cgroup.procs");
    for (unsigned i = 0; i < TREES; i++) {
        const char *path = i == 0 ? group->v2 : group->v1[i - 1];
        if (strlen(path) == size && strncmp(path, group->procs[place - 1], size) == 0) {
            base_of(means, i)[0] = '\0';
            means->v2_controllers = i == 0 ? 0 : means->v2_controllers;
        }
    }
}

// A group that a process can enter, in fewer trees if need be. NULL if there is none; the reason is
// in means->missing then.
static struct gr_cgroup *trial_make(struct gr_cgroup_means *means, bool is_real)
{
    char name[64];
    struct gr_err err = {0};
    snprintf(name, sizeof(name), "trial.%d/task-0", (int)getpid());
    for (int i = 0; i < 2 * TREES; i++) {
        struct gr_cgroup *group;
        bool is_any = false;
        for (unsigned tree = 0; tree < TREES; tree++) {
            is_any |= base_of(means, tree)[0] != '\0';
        }
        if (!is_any) {
            return NULL;
        }
        static const struct gr_cgroup_limits whole = {.is_whole = true};
        int code = gr_cgroup_make(means, name, &whole, &group, &err);
        if (code < 0 && means->v2_controllers != 0) {
            missing_add(means, "v2 controllers", code);
            means->v2_controllers = 0;
            continue;
        }
        if (code < 0) {
            missing_add(means, "make a group", code);
            return NULL;
        }
        int place = is_real ? try_enter(group) : 0;
        if (place == 0) {
            return group;
        }
        if (place > 0) {
            missing_add(means, "enter a group", -EPERM);
            tree_drop(means, group, place);
        }
        gr_cgroup_remove(group);
        if (place < 0) {
            missing_add(means, "start a process", place);
            return NULL;
        }
    }
    return NULL;
}

static bool found(struct gr_cgroup_means *means, const char *what, int code)
{
    if (code < 0 && code != -ENOENT) {
        missing_add(means, what, code);
    }
    return code == 0;
}

// A program needs no tree to be entered, so it comes first; v1's controller where it cannot be had.
static void trial_devices(struct gr_cgroup_means *means, struct gr_cgroup *group)
{
    char v1[GR_CGROUP_PATH_SIZE];
    memcpy(v1, group->v1[GR_CGROUP_DEVICES], sizeof(v1));
    group->v1[GR_CGROUP_DEVICES][0] = '\0';
    int code = gr_cgroup_set_devices(group, NULL, 0, NULL);
    memcpy(group->v1[GR_CGROUP_DEVICES], v1, sizeof(v1));
    means->has_devices = code == 0;
    means->has_device_program = code == 0;
    if (code < 0 && v1[0] != '\0') {
        code = gr_cgroup_set_devices(group, NULL, 0, NULL);
    }
    means->has_devices = found(means, "device limit", code);
}

// Uses each ability once on the trial group.
static void trial_use(struct gr_cgroup_means *means, struct gr_cgroup *group)
{
    struct gr_cgroup_usage usage;
    char text[32];
    means->has_memory = found(means, "memory limit", gr_cgroup_set_memory(group, 64));
    means->has_cpu = found(means, "cpu limit", gr_cgroup_set_cpu(group, 1000));
    means->has_pids = found(means, "process limit", gr_cgroup_set_pids(group, 16));
    trial_devices(means, group);
    gr_cgroup_usage_get(group, &usage);
    means->has_usage = usage.has_cpu;
    // Nothing is in it: a kill is harmless.
    means->has_kill = gr_cgroup_write(group->v2, "cgroup.kill", "1") == 0;
    means->has_freezer =
        group->v1[GR_CGROUP_FREEZER][0] != '\0' &&
        gr_cgroup_read(group->v1[GR_CGROUP_FREEZER], "freezer.state", text, sizeof(text)) > 0;
}

static void how_write(struct gr_cgroup_means *means)
{
    char list[96] = "";
    size_t used = 0;
    bool is_v1 = false;
    for (unsigned i = 0; i < GR_CGROUP_CONTROLLERS; i++) {
        bool is_here = means->v2_controllers != 0 ? (means->v2_controllers & 1u << i) != 0
                                                  : means->v1[i][0] != '\0';
        is_v1 |= means->v1[i][0] != '\0';
        if (is_here) {
            used += (size_t)snprintf(list + used, sizeof(list) - used, " %s",
                                     gr_cgroup_controller_name(i));
        }
    }
    if (!means->has_group) {
        snprintf(means->how, sizeof(means->how), "no control groups");
    } else if (means->v2_controllers != 0) {
        snprintf(means->how, sizeof(means->how), "v2 at %.60s:%s", means->v2, list);
    } else {
        snprintf(means->how, sizeof(means->how), "%s%s%s%s%.48s", is_v1 ? "v1:" : "", list,
                 is_v1 && means->v2[0] != '\0' ? "; " : "",
                 means->v2[0] != '\0' ? "v2 without controllers at " : "", means->v2);
    }
}

// The pool's name from the directory that it keeps for itself: its place on disk.
static void pool_name(const char *dir, char *ret_name, size_t size)
{
    struct stat st;
    if (dir == NULL || stat(dir, &st) != 0) {
        snprintf(ret_name, size, "granary-trial-%d", (int)getpid());
        return;
    }
    uint64_t words[2] = {(uint64_t)st.st_dev, (uint64_t)st.st_ino};
    uint64_t hash = 14695981039346656037u; // FNV-1a
    for (unsigned i = 0; i < 16; i++) {
        hash = (hash ^ (words[i / 8] >> i % 8 * 8 & 255)) * 1099511628211u;
    }
    snprintf(ret_name, size, "granary-%08x", (unsigned)(hash ^ hash >> 32));
}

void gr_cgroup_means_find_below(const char *root, const char *dir,
                                void (*changed)(const char *path, bool is_made),
                                struct gr_cgroup_means *ret_means)
{
    assert(root != NULL && ret_means != NULL);
    memset(ret_means, 0, sizeof(*ret_means));
    struct gr_cgroup_means *means = ret_means;
    struct look look = {.root = root, .means = means};
    means->changed = changed;
    pool_name(dir, means->pool, sizeof(means->pool));
    look.mounts = text_read(root, "mountinfo");
    look.groups = text_read(root, "cgroup");
    if (look.mounts != NULL && look.groups != NULL) {
        mounts_find(&look);
        v2_choose(&look);
        v1_choose(&look);
    }
    free(look.mounts);
    free(look.groups);
    means->has_group = true; // as far as is known; the trial says
    struct gr_cgroup *group = trial_make(means, root[0] == '\0');
    means->has_group = group != NULL;
    if (group != NULL) {
        trial_use(means, group);
        gr_cgroup_remove(group);
    } else if (means->missing[0] == '\0') {
        snprintf(means->missing, sizeof(means->missing), "no control groups are mounted");
    }
    how_write(means);
}

void gr_cgroup_means_find(const char *dir, struct gr_cgroup_means *ret_means)
{
    gr_cgroup_means_find_below("", dir, NULL, ret_means);
}
