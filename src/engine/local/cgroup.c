// Control groups of an attempt: see cgroup.h. Every function works on the directories that the
// group has, in v2, in v1, or in both; must never touch a group that it did not name itself.
#include "engine/local/cgroup.h"

#include "engine/local/cgroup_devices.h"
#include "engine/local/cgroup_parts.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// How often, and how long apart, a group that is still busy is tried again: its last process is
// gone, but not yet from the kernel's books.
#define TRIES_MAX 100
#define TRY_NS 2000000L
// Depth to which a job may have made groups of its own below ours, for removal.
#define DEPTH_MAX 16
// Length of a cpu period: what the kernel gives a new group, in v1 and v2.
#define CPU_PERIOD_US 100000u

static const char *const controller_names[GR_CGROUP_CONTROLLERS] = {
    "memory", "cpu", "cpuacct", "pids", "devices", "freezer",
};

const char *gr_cgroup_controller_name(enum gr_cgroup_controller controller)
{
    assert((unsigned)controller < GR_CGROUP_CONTROLLERS);
    return controller_names[controller];
}

static void wait_a_little(void)
{
    struct timespec wait = {.tv_nsec = TRY_NS};
    nanosleep(&wait, NULL);
}

// ---- files of a group ---------------------------------------------------------------------------

static int file_open(const char *dir, const char *name, int flags)
{
    char path[GR_CGROUP_PATH_SIZE + GR_CGROUP_FILE_SIZE];
    if (dir[0] == '\0') {
        return -ENOENT;
    }
    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path)) {
        return -ENAMETOOLONG;
    }
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

int gr_cgroup_write(const char *dir, const char *name, const char *text)
{
    int fd = file_open(dir, name, O_WRONLY | O_TRUNC);
    if (fd < 0) {
        return fd;
    }
    ssize_t wrote;
    do {
        wrote = write(fd, text, strlen(text));
    } while (wrote < 0 && errno == EINTR);
    int code = wrote < 0 ? -errno : 0;
    close(fd);
    return code;
}

int gr_cgroup_read(const char *dir, const char *name, char *ret_text, size_t size)
{
    int fd = file_open(dir, name, O_RDONLY);
    if (fd < 0) {
        return fd;
    }
    size_t have = 0;
    int code = 0;
    while (have < size - 1) {
        ssize_t got = read(fd, ret_text + have, size - 1 - have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            code = got < 0 ? -errno : 0;
            break;
        }
        have += (size_t)got;
    }
    close(fd);
    ret_text[have] = '\0';
    return code < 0 ? code : (int)have;
}

int gr_cgroup_read_number(const char *dir, const char *name, const char *key, uint64_t *ret_value)
{
    char text[4096];
    int code = gr_cgroup_read(dir, name, text, sizeof(text));
    if (code < 0) {
        return code;
    }
    size_t size = strlen(key);
    for (char *line = text; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        if (strncmp(line, key, size) == 0 && (size == 0 || line[size] == ' ')) {
            char *after;
            errno = 0;
            unsigned long long value = strtoull(line + size, &after, 10);
            if (errno != 0 || after == line + size) {
                return -ENOENT;
            }
            *ret_value = value;
            return 0;
        }
        line = end == NULL ? NULL : end + 1;
    }
    return -ENOENT;
}

// ---- limits -------------------------------------------------------------------------------------

bool gr_cgroup_in_v2(const struct gr_cgroup *group, enum gr_cgroup_controller controller)
{
    return group->v2[0] != '\0' && (group->means.v2_controllers & 1u << controller) != 0;
}

int gr_cgroup_set_memory(const struct gr_cgroup *group, uint32_t memory_mib)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)memory_mib << 20);
    if (gr_cgroup_in_v2(group, GR_CGROUP_MEMORY)) {
        int code = gr_cgroup_write(group->v2, "memory.max", text);
        // Swap would let it have more than the limit. Kernels without swap have no such file.
        int swap = gr_cgroup_write(group->v2, "memory.swap.max", "0");
        return code < 0 ? code : swap == -ENOENT ? 0 : swap;
    }
    const char *dir = group->v1[GR_CGROUP_MEMORY];
    int code = gr_cgroup_write(dir, "memory.limit_in_bytes", text);
    int swap = code < 0 ? 0 : gr_cgroup_write(dir, "memory.memsw.limit_in_bytes", text);
    return code < 0 ? code : swap == -ENOENT || swap == -EOPNOTSUPP ? 0 : swap;
}

int gr_cgroup_set_cpu(const struct gr_cgroup *group, uint32_t cpu_milli)
{
    char text[64];
    uint64_t quota_us = (uint64_t)cpu_milli * CPU_PERIOD_US / 1000u;
    quota_us = quota_us < 1000 ? 1000 : quota_us; // the kernel's least
    if (gr_cgroup_in_v2(group, GR_CGROUP_CPU)) {
        snprintf(text, sizeof(text), "%llu %u", (unsigned long long)quota_us, CPU_PERIOD_US);
        return gr_cgroup_write(group->v2, "cpu.max", text);
    }
    // A new group's period is this one, and setting it looks at every group of the machine.
    snprintf(text, sizeof(text), "%llu", (unsigned long long)quota_us);
    return gr_cgroup_write(group->v1[GR_CGROUP_CPU], "cpu.cfs_quota_us", text);
}

int gr_cgroup_set_pids(const struct gr_cgroup *group, uint32_t pids)
{
    char text[32];
    snprintf(text, sizeof(text), "%u", pids);
    return gr_cgroup_write(gr_cgroup_in_v2(group, GR_CGROUP_PIDS) ? group->v2
                                                                  : group->v1[GR_CGROUP_PIDS],
                           "pids.max", text);
}

static int devices_v1(const char *dir, const struct gr_cgroup_rule *rules, int count)
{
    int code = gr_cgroup_write(dir, "devices.deny", "a");
    for (int i = 0; code == 0 && i < count; i++) {
        char text[64];
        gr_cgroup_rule_text(&rules[i], text, sizeof(text));
        code = gr_cgroup_write(dir, "devices.allow", text);
    }
    return code;
}

// Loads the program for these rules. Returns a file descriptor or -errno with a text.
static int program_load(const struct gr_cgroup_rule *rules, int count, struct gr_err *err)
{
    struct bpf_insn *program = calloc(GR_CGROUP_PROGRAM_MAX, sizeof(*program));
    if (program == NULL) {
        return gr_fail(err, -ENOMEM, "device limit: not enough memory");
    }
    size_t size = gr_cgroup_program_make(rules, (size_t)count, program);
    int fd = gr_cgroup_program_load(program, size, err);
    free(program);
    return fd;
}

static int program_attach(const char *dir, int program, struct gr_err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code =
        fd < 0 ? gr_fail_errno(err, "open %s", dir) : gr_cgroup_program_attach(fd, program, err);
    if (fd >= 0) {
        close(fd);
    }
    return code;
}

static int devices_v2(const char *dir, const struct gr_cgroup_rule *rules, int count,
                      struct gr_err *err)
{
    int program = program_load(rules, count, err);
    int code = program < 0 ? program : program_attach(dir, program, err);
    if (program >= 0) {
        close(program);
    }
    return code;
}

int gr_cgroup_no_device_program_load(const struct gr_cgroup_means *means)
{
    struct gr_cgroup_rule *rules =
        means->has_device_program ? calloc(GR_CGROUP_RULES_MAX, sizeof(*rules)) : NULL;
    if (rules == NULL) {
        return means->has_device_program ? -ENOMEM : -ENOENT;
    }
    int count = gr_cgroup_rules_make(NULL, 0, rules, NULL);
    int fd = program_load(rules, count, NULL);
    free(rules);
    return fd;
}

int gr_cgroup_set_devices(const struct gr_cgroup *group, const char *const *paths, uint32_t count,
                          struct gr_err *err)
{
    const struct gr_cgroup_means *means = &group->means;
    if (count == 0 && means->no_device_program > 0 && group->v2[0] != '\0') {
        return program_attach(group->v2, means->no_device_program, err);
    }
    struct gr_cgroup_rule *rules = calloc(GR_CGROUP_RULES_MAX, sizeof(*rules));
    if (rules == NULL) {
        return gr_fail(err, -ENOMEM, "device limit: not enough memory");
    }
    const char *v1 = means->has_device_program ? "" : group->v1[GR_CGROUP_DEVICES];
    int made = gr_cgroup_rules_make(paths, count, rules, err);
    int code = made;
    if (made >= 0 && v1[0] != '\0') {
        code = devices_v1(v1, rules, made);
        if (code < 0) {
            code = gr_fail(err, code, "%s/devices.allow: %s", v1, strerror(-code));
        }
    } else if (made >= 0 && group->v2[0] != '\0') {
        code = devices_v2(group->v2, rules, made, err);
    } else if (made >= 0) {
        code = gr_fail(err, -ENOENT, "there is no control group to limit devices with");
    }
    free(rules);
    return code;
}

static int set_limits(const struct gr_cgroup *group, const struct gr_cgroup_limits *limits,
                      struct gr_err *err)
{
    const struct gr_cgroup_means *means = &group->means;
    int code;
    if (limits->memory_mib > 0 && means->has_memory &&
        (code = gr_cgroup_set_memory(group, limits->memory_mib)) < 0) {
        return gr_fail(err, code, "memory limit of %u MiB: %s", limits->memory_mib,
                       strerror(-code));
    }
    if (limits->cpu_milli > 0 && means->has_cpu &&
        (code = gr_cgroup_set_cpu(group, limits->cpu_milli)) < 0) {
        return gr_fail(err, code, "cpu limit of %u/1000: %s", limits->cpu_milli, strerror(-code));
    }
    if (limits->pids > 0 && means->has_pids &&
        (code = gr_cgroup_set_pids(group, limits->pids)) < 0) {
        return gr_fail(err, code, "limit of %u processes: %s", limits->pids, strerror(-code));
    }
    if (limits->devices != NULL && means->has_devices) {
        return gr_cgroup_set_devices(group, limits->devices, limits->device_count, err);
    }
    return 0;
}

// ---- making -------------------------------------------------------------------------------------

static int dir_make(const struct gr_cgroup_means *means, const char *path)
{
    if (mkdir(path, 0755) != 0) {
        return -errno;
    }
    if (means->changed != NULL) {
        means->changed(path, true);
    }
    return 0;
}

static int dir_remove(const struct gr_cgroup_means *means, const char *path)
{
    if (means->changed != NULL) {
        means->changed(path, false);
    }
    return rmdir(path) == 0 ? 0 : -errno;
}

int gr_cgroup_hand_on(const struct gr_cgroup_means *means, const char *dir)
{
    int first = 0;
    for (unsigned i = 0; i < GR_CGROUP_CONTROLLERS; i++) {
        if ((means->v2_controllers & 1u << i) != 0) {
            char text[32];
            snprintf(text, sizeof(text), "+%s", controller_names[i]);
            int code = gr_cgroup_write(dir, "cgroup.subtree_control", text);
            first = first < 0 ? first : code;
        }
    }
    return first;
}

// Makes the levels of `path` below `base`; the last must not be there yet. Levels above the last
// hand the controllers on, in v2. -ENOENT: another process removed a level meanwhile.
static int levels_make(const struct gr_cgroup_means *means, const char *base, char *path,
                       bool is_v2)
{
    char *slash = path + strlen(base);
    while ((slash = strchr(slash + 1, '/')) != NULL) {
        *slash = '\0';
        int code = dir_make(means, path);
        if (is_v2 && (code == 0 || code == -EEXIST)) {
            code = gr_cgroup_hand_on(means, path);
        }
        *slash = '/';
        if (code < 0 && code != -EEXIST) {
            return code;
        }
    }
    return dir_make(means, path);
}

// Removes the levels above `path` and below `base` from the last upwards, as far as they are empty;
// not the pool's own while it is kept.
static void levels_above_remove(const struct gr_cgroup_means *means, const char *base,
                                const char *path)
{
    char level[GR_CGROUP_PATH_SIZE];
    size_t end = strlen(base) + (means->is_pool_kept ? 1 + strlen(means->pool) : 0);
    snprintf(level, sizeof(level), "%s", path);
    for (*strrchr(level, '/') = '\0'; strlen(level) > end; *strrchr(level, '/') = '\0') {
        int code = dir_remove(means, level);
        if (code < 0 && code != -ENOENT) {
            return;
        }
    }
}

// The same with `path` itself.
static void levels_remove(const struct gr_cgroup_means *means, const char *base, const char *path)
{
    int code = dir_remove(means, path);
    if (code == 0 || code == -ENOENT) {
        levels_above_remove(means, base, path);
    }
}

static int tree_make(const struct gr_cgroup_means *means, const char *base, char *path, bool is_v2)
{
    // Straight below the pool's group nothing else is to be looked at.
    bool is_below = strchr(path + strlen(base) + 1, '/') == strrchr(path, '/');
    int code = means->is_pool_kept && is_below ? dir_make(means, path) : -ENOENT;
    for (int i = 0; i < TRIES_MAX && code == -ENOENT; i++) {
        code = levels_make(means, base, path, is_v2);
    }
    if (code < 0 && code != -EEXIST) {
        levels_remove(means, base, path);
    }
    return code;
}

// The trees of a group in order: v2, then v1's.
#define TREES (GR_CGROUP_CONTROLLERS + 1)
#define ALL_TREES ((1u << TREES) - 1)

static char *tree_path(struct gr_cgroup *group, unsigned tree)
{
    return tree == 0 ? group->v2 : group->v1[tree - 1];
}

static const char *tree_base(const struct gr_cgroup_means *means, unsigned tree)
{
    return tree == 0 ? means->v2 : means->v1[tree - 1];
}

static void procs_add(struct gr_cgroup *group, const char *dir)
{
    if (dir[0] != '\0') {
        char *to = group->procs[group->procs_count++];
        snprintf(to, sizeof(group->procs[0]), "%s/cgroup.procs", dir);
    }
}

// Writes BASE/POOL/NAME; "" for a base of "".
static int path_make(const struct gr_cgroup_means *means, const char *base, const char *name,
                     char ret_path[GR_CGROUP_PATH_SIZE])
{
    ret_path[0] = '\0';
    if (base[0] == '\0') {
        return 0;
    }
    int size = snprintf(ret_path, GR_CGROUP_PATH_SIZE, "%s/%s/%s", base, means->pool, name);
    return size < GR_CGROUP_PATH_SIZE ? 0 : -ENAMETOOLONG;
}

// A group with its paths in these trees (bits), none of them made.
static int group_new(const struct gr_cgroup_means *means, const char *name, unsigned trees,
                     struct gr_cgroup **ret_group, struct gr_err *err)
{
    assert(name[0] != '\0' && name[0] != '/' && strstr(name, "..") == NULL);
    struct gr_cgroup *group = calloc(1, sizeof(*group));
    if (group == NULL) {
        return gr_fail(err, -ENOMEM, "control group %s: not enough memory", name);
    }
    group->means = *means;
    group->trees = trees;
    if (snprintf(group->name, sizeof(group->name), "%s", name) >= (int)sizeof(group->name)) {
        free(group);
        return gr_fail(err, -ENAMETOOLONG, "control group %.60s: its name is too long", name);
    }
    int code = 0;
    for (unsigned i = 0; means->has_group && code == 0 && i < TREES; i++) {
        if ((trees & 1u << i) != 0) {
            code = path_make(means, tree_base(means, i), name, tree_path(group, i));
        }
    }
    if (code < 0) {
        free(group);
        return gr_fail(err, code, "control group %s: its path is too long", name);
    }
    for (unsigned i = 0; i < TREES; i++) {
        procs_add(group, tree_path(group, i));
    }
    *ret_group = group;
    return 0;
}

// Whether an earlier tree has the same directory: v1 may hold two controllers in one
// ("cpu,cpuacct").
static bool is_doubled(struct gr_cgroup *group, unsigned tree)
{
    for (unsigned i = 0; i < tree; i++) {
        if (strcmp(tree_path(group, i), tree_path(group, tree)) == 0) {
            return true;
        }
    }
    return false;
}

// Makes all directories of the group. On failure those that were made are removed, and no others.
static int group_make(struct gr_cgroup *group, struct gr_err *err)
{
    struct gr_cgroup_means *means = &group->means;
    for (unsigned i = 0; i < TREES; i++) {
        char *path = tree_path(group, i);
        int code = path[0] == '\0' || is_doubled(group, i)
                       ? 0
                       : tree_make(means, tree_base(means, i), path, i == 0);
        if (code < 0) {
            gr_fail(err, code, "make control group %s: %s", path, strerror(-code));
            for (unsigned j = 0; j < i; j++) {
                if (tree_path(group, j)[0] != '\0') {
                    levels_remove(means, tree_base(means, j), tree_path(group, j));
                }
            }
            return code;
        }
    }
    return 0;
}

// The trees that a group with these limits needs: those of the limits, and one to count and kill
// by.
static unsigned trees_needed(const struct gr_cgroup_means *means,
                             const struct gr_cgroup_limits *limits)
{
#define TREE(controller) (1u << (1 + (controller)))
    static const struct gr_cgroup_limits none;
    bool has_v2 = means->v2[0] != '\0';
    limits = limits == NULL ? &none : limits;
    if (limits->is_whole) {
        return ALL_TREES;
    }
    unsigned trees = 1u; // v2
    trees |= limits->memory_mib > 0 ? TREE(GR_CGROUP_MEMORY) : 0;
    trees |= limits->cpu_milli > 0 ? TREE(GR_CGROUP_CPU) : 0;
    trees |= limits->pids > 0 ? TREE(GR_CGROUP_PIDS) : 0;
    trees |= limits->devices != NULL && !means->has_device_program ? TREE(GR_CGROUP_DEVICES) : 0;
    trees |= has_v2 ? 0 : TREE(GR_CGROUP_CPUACCT);
    if (!has_v2 || !means->has_kill) {
        bool has_freezer = means->v1[GR_CGROUP_FREEZER][0] != '\0';
        trees |= has_freezer ? TREE(GR_CGROUP_FREEZER) : TREE(GR_CGROUP_PIDS);
    }
    for (unsigned i = 0; i < TREES; i++) {
        if ((trees & 1u << i) != 0 && tree_base(means, i)[0] != '\0') {
            return trees;
        }
    }
    return ALL_TREES; // whatever there is
#undef TREE
}

int gr_cgroup_make(const struct gr_cgroup_means *means, const char *name,
                   const struct gr_cgroup_limits *limits, struct gr_cgroup **ret_group,
                   struct gr_err *err)
{
    assert(means != NULL && name != NULL && ret_group != NULL);
    struct gr_cgroup *group;
    int code = group_new(means, name, trees_needed(means, limits), &group, err);
    if (code < 0) {
        return code;
    }
    code = group_make(group, err);
    if (code < 0) {
        gr_cgroup_release(group);
        return code;
    }
    if (limits == NULL) {
        group->trees = ALL_TREES; // it has children, who may be in more trees than it is itself
    } else if (means->has_group) {
        code = set_limits(group, limits, err);
    }
    if (code < 0) {
        gr_cgroup_remove(group);
        return code;
    }
    *ret_group = group;
    return 0;
}

int gr_cgroup_make_new(const struct gr_cgroup_means *means, const char *name,
                       const struct gr_cgroup_limits *limits, struct gr_cgroup **ret_group,
                       struct gr_err *err)
{
    struct gr_cgroup *old;
    int code = gr_cgroup_make(means, name, limits, ret_group, err);
    if (code != -EEXIST || gr_cgroup_find(means, name, &old, NULL) != 0) {
        return code;
    }
    if (gr_cgroup_is_populated(old)) {
        gr_cgroup_release(old);
        return code;
    }
    gr_cgroup_remove(old);
    return gr_cgroup_make(means, name, limits, ret_group, err);
}

int gr_cgroup_find(const struct gr_cgroup_means *means, const char *name,
                   struct gr_cgroup **ret_group, struct gr_err *err)
{
    assert(means != NULL && name != NULL && ret_group != NULL);
    struct gr_cgroup *group;
    int code = group_new(means, name, ALL_TREES, &group, err);
    if (code < 0) {
        return code;
    }
    bool is_there = false;
    group->procs_count = 0;
    for (unsigned i = 0; i < TREES; i++) {
        char *path = tree_path(group, i);
        if (path[0] != '\0' && access(path, F_OK) == 0) {
            is_there = true;
            procs_add(group, path);
        } else {
            path[0] = '\0';
        }
    }
    if (!is_there) {
        gr_cgroup_release(group);
        return gr_fail(err, -ENOENT, "there is no control group %s", name);
    }
    *ret_group = group;
    return 0;
}

// ---- the pool's group ---------------------------------------------------------------------------

// Calls `each` with the pool's group in every tree until it fails. Returns 0 or -errno.
static int pool_each(const struct gr_cgroup_means *means,
                     int (*each)(const struct gr_cgroup_means *means, const char *path, bool is_v2))
{
    int code = 0;
    for (unsigned i = 0; means->has_group && i < TREES && code == 0; i++) {
        char path[GR_CGROUP_PATH_SIZE];
        const char *base = tree_base(means, i);
        if (base[0] != '\0') {
            int size = snprintf(path, sizeof(path), "%s/%s", base, means->pool);
            code = size < (int)sizeof(path) ? each(means, path, i == 0) : -ENAMETOOLONG;
        }
    }
    return code;
}

static int pool_make(const struct gr_cgroup_means *means, const char *path, bool is_v2)
{
    int code = dir_make(means, path);
    code = code == -EEXIST ? 0 : code;
    return code == 0 && is_v2 ? gr_cgroup_hand_on(means, path) : code;
}

static int pool_remove(const struct gr_cgroup_means *means, const char *path, bool is_v2)
{
    (void)is_v2;
    (void)dir_remove(means, path); // not where something is left in it
    return 0;
}

void gr_cgroup_pool_keep(struct gr_cgroup_means *means)
{
    if (!means->is_pool_kept && means->has_group) {
        means->is_pool_kept = pool_each(means, pool_make) == 0;
    }
}

void gr_cgroup_pool_leave(struct gr_cgroup_means *means)
{
    if (means->is_pool_kept) {
        means->is_pool_kept = false;
        (void)pool_each(means, pool_remove);
    }
}

// ---- the end ------------------------------------------------------------------------------------

void gr_cgroup_walk(const char *path, unsigned depth, void (*each)(const char *path, void *context),
                    void *context)
{
    DIR *dir = depth < DEPTH_MAX ? opendir(path) : NULL;
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char below[GR_CGROUP_PATH_SIZE + NAME_MAX];
        bool is_group = entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
                        strcmp(entry->d_name, "..") != 0;
        if (is_group &&
            snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) < (int)sizeof(below)) {
            gr_cgroup_walk(below, depth + 1, each, context);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    each(path, context);
}

static void remove_group(const char *path, void *context)
{
    const struct gr_cgroup_means *means = context;
    for (int i = 0; i < TRIES_MAX && dir_remove(means, path) == -EBUSY; i++) {
        wait_a_little(); // what was killed is on its way out
    }
}

static void tree_remove(struct gr_cgroup_means *means, const char *base, const char *path)
{
    if (path[0] == '\0') {
        return;
    }
    int code = dir_remove(means, path);
    if (code == -EBUSY || code == -ENOTEMPTY) {
        gr_cgroup_walk(path, 0, remove_group, means);
    }
    levels_above_remove(means, base, path);
}

void gr_cgroup_remove(struct gr_cgroup *group)
{
    if (group == NULL) {
        return;
    }
    for (unsigned i = 0; group->means.has_group && i < TREES; i++) {
        char path[GR_CGROUP_PATH_SIZE];
        const char *base = tree_base(&group->means, i);
        if ((group->trees & 1u << i) != 0 &&
            path_make(&group->means, base, group->name, path) == 0) {
            tree_remove(&group->means, base, path);
        }
    }
    gr_cgroup_release(group);
}

void gr_cgroup_remove_last(struct gr_cgroup *group)
{
    if (group != NULL && group->means.is_pool_kept) {
        group->trees = ALL_TREES; // the pool's group is in all of them
        group->means.is_pool_kept = false;
    }
    gr_cgroup_remove(group);
}

void gr_cgroup_release(struct gr_cgroup *group)
{
    free(group);
}
