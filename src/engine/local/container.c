// A task that is an OCI container: see container.h and docs/design/containers.md.
//
//     DIR/box/             the bundle: all of it is removed with the container
//         config.json      made by bundle.c
//         cdi.json         the task's devices (cdi.c)
//         rootfs/ work/    places for mounts, in the runtime's own mount namespace
//         upper/ overlay/  what the container writes outside its working directory
//         state/ pid log   the runtime's
#include "engine/local/container.h"

#include "device/isolation.h"
#include "engine/local/bundle.h"
#include "engine/local/cdi.h"
#include "engine/local/container_parts.h"
#include "engine/local/descendants.h"
#include "engine/local/runtime.h"
#include "engine/local/tree.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOX "box"
// For starting, killing, deleting.
#define SHORT_MS 20000

struct gr_container {
    char *dir;     // of the task
    char *box;     // below it
    char *id;      // for the runtime
    char *program; // the runtime
    struct gr_cgroup *group;
    pid_t pid;       // first process; 0: not created
    int lock;        // of the image; -1: none
    bool is_created; // the runtime knows it
};

// ---- the bundle ---------------------------------------------------------------------------------

static struct gr_container *container_new(const struct gr_container_config *config)
{
    struct gr_container *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return NULL;
    }
    made->lock = -1;
    made->dir = strdup(config->dir);
    made->id = strdup(config->id);
    made->program = strdup(config->runtime);
    if (asprintf(&made->box, "%s/%s", config->dir, BOX) < 0) {
        made->box = NULL;
    }
    if (made->dir == NULL || made->id == NULL || made->program == NULL || made->box == NULL) {
        gr_container_delete(made);
        return NULL;
    }
    return made;
}

static int box_make(const struct gr_container *container, const struct gr_spec *spec,
                    struct gr_err *err)
{
    static const char *const folders[] = {"state", GR_BUNDLE_WORK, "overlay"};
    int dir = open(container->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int box = -1;
    int code = dir < 0 ? -errno : gr_tree_remove(dir, BOX);
    if (code == 0 && mkdirat(dir, BOX, 0700) != 0) {
        code = -errno;
    }
    if (code == 0) {
        box = openat(dir, BOX, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        code = box < 0 ? -errno : 0;
    }
    for (size_t i = 0; code == 0 && i < sizeof(folders) / sizeof(folders[0]); i++) {
        code = mkdirat(box, folders[i], 0700) == 0 ? 0 : -errno;
    }
    // Both are the container's "/", which its user owns.
    int rootfs = code == 0 ? gr_container_owned_open(box, GR_BUNDLE_ROOT, spec, 0755) : -1;
    int upper = code == 0 ? gr_container_owned_open(box, "upper", spec, 0755) : -1;
    if (code == 0) {
        code = rootfs < 0 ? rootfs : upper < 0 ? upper : 0;
    }
    for (int i = 0; i < 4; i++) {
        int fd = (int[]){dir, box, rootfs, upper}[i];
        if (fd >= 0) {
            close(fd);
        }
    }
    return code == 0 ? 0 : gr_fail(err, code, "make %.200s: %s", container->box, strerror(-code));
}

static int json_put(const struct gr_container *container, const char *name, const json_t *json,
                    struct gr_err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/%s", container->box, name) >= (int)sizeof(path)) {
        return gr_fail(err, -ENAMETOOLONG, "%.200s: the path is too long", container->box);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return gr_fail_errno(err, "make %s", path);
    }
    int code = json_dumpfd(json, fd, JSON_INDENT(1)) == 0 ? 0 : -EIO;
    code = close(fd) == 0 ? code : -errno;
    return code == 0 ? 0 : gr_fail(err, code, "write %s: %s", path, strerror(-code));
}

// The document of the task's devices, and the list of their files for the device limit.
static json_t *devices_read(const struct gr_container_config *config,
                            struct gr_isolation_list *ret_paths, struct gr_err *err)
{
    if (gr_isolation_paths(config->devices, config->device_count, NULL, ret_paths, err) < 0) {
        return NULL;
    }
    json_t *cdi = gr_cdi_make(config->devices, config->device_count,
                              (const char *const *)ret_paths->items, ret_paths->count);
    if (cdi == NULL) {
        gr_fail(err, -ENOMEM, "not enough memory for the devices");
    }
    return cdi;
}

// Where runc makes its own group: below ours, in v2 by its path, in v1 by where it runs. It sets
// the device limit itself and would not get all it wants within another.
static void cgroup_way(const struct gr_container *container,
                       const struct gr_container_config *config, char *ret_path, size_t size)
{
    const struct gr_cgroup_means *means = config->means;
    ret_path[0] = '\0';
    if (!gr_runtime_is_runc(config->runtime) || !means->has_group || gr_runtime_is_rootless()) {
        return;
    }
    const char *path = gr_cgroup_path(container->group);
    const char *mount = "/sys/fs/cgroup";
    bool is_v1 = false;
    for (unsigned i = 0; i < GR_CGROUP_CONTROLLERS; i++) {
        is_v1 |= means->v1[i][0] != '\0';
    }
    if (is_v1) {
        snprintf(ret_path, size, "runc");
    } else if (strncmp(path, mount, strlen(mount)) == 0) {
        snprintf(ret_path, size, "%s", path + strlen(mount));
    }
}

static int group_make(struct gr_container *container, const struct gr_container_config *config,
                      const struct gr_isolation_list *paths, struct gr_err *err)
{
    static const char *const none[] = {NULL};
    bool is_runc = gr_runtime_is_runc(config->runtime) && !gr_runtime_is_rootless();
    struct gr_cgroup_limits limits = {
        .cpu_milli = config->cpu_milli,
        .memory_mib = config->memory_mib,
        .pids = config->pids,
        .devices = paths->items == NULL ? none : (const char *const *)paths->items,
        .device_count = paths->count,
    };
    if (is_runc) { // it sets the device limit itself, in a group below ours in every tree
        limits.devices = NULL;
        limits.is_whole = true;
    }
    return gr_cgroup_make_new(config->means, config->group, &limits, &container->group, err);
}

static int bundle_write(const struct gr_container *container,
                        const struct gr_container_config *config, const struct gr_image *image,
                        const json_t *cdi, bool is_readonly, struct gr_err *err)
{
    char cgroup[GR_CGROUP_PATH_SIZE];
    char work[PATH_MAX];
    struct gr_container_config inner = *config;
    cgroup_way(container, config, cgroup, sizeof(cgroup));
    snprintf(work, sizeof(work), "%s", container->box);
    inner.dir = work;
    struct gr_bundle_way way = {
        .is_rootless = gr_runtime_is_rootless(),
        .is_runc = gr_runtime_is_runc(config->runtime),
        .has_view = config->means->v2_controllers != 0 && !gr_runtime_is_rootless(),
        .is_readonly = is_readonly,
        .cgroup = cgroup,
    };
    json_t *json = gr_bundle_make(&inner, image, &way, cdi, err);
    int code = json == NULL ? -EINVAL : json_put(container, "config.json", json, err);
    json_decref(json);
    return code;
}

// ---- the runtime --------------------------------------------------------------------------------

// Most words of a call.
#define WORDS_MAX 16

static int runtime_call(const struct gr_container *container, const struct gr_runtime_stage *stage,
                        const char *const *words, int timeout_ms, struct gr_err *err)
{
    const char *argv[WORDS_MAX + 8];
    unsigned count = 0;
    argv[count++] = container->program;
    argv[count++] = "--root";
    argv[count++] = "state";
    argv[count++] = "--log";
    argv[count++] = "log";
    if (!gr_runtime_is_runc(container->program)) {
        argv[count++] = "--cgroup-manager=disabled";
    }
    for (unsigned i = 0; words[i] != NULL && i < WORDS_MAX; i++) {
        argv[count++] = words[i];
    }
    argv[count] = NULL;
    struct gr_runtime runtime = {
        .program = container->program,
        .box = container->box,
        .argv = argv,
        .stage = stage,
        .timeout_ms = timeout_ms,
    };
    return gr_runtime_run(&runtime, err);
}

static int pid_read(const struct gr_container *container, pid_t *ret_pid, struct gr_err *err)
{
    char path[PATH_MAX];
    char text[32] = "";
    snprintf(path, sizeof(path), "%s/pid", container->box);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) {
        close(fd);
    }
    long pid = got > 0 ? strtol(text, NULL, 10) : 0;
    if (pid <= 1 || pid > INT_MAX) {
        return gr_fail(err, -EIO, "the runtime did not say which process it made");
    }
    *ret_pid = (pid_t)pid;
    return 0;
}

static int runtime_create(struct gr_container *container, const struct gr_container_config *config,
                          int root, bool is_overlay, struct gr_err *err)
{
    struct gr_runtime_stage stage = {
        .root = root,
        .is_overlay = is_overlay,
        .work = config->work,
        .uid = config->spec->uid,
        .gid = config->spec->gid,
        .groups = config->groups,
        .group_count = config->group_count,
        .group = config->means->has_group ? container->group : NULL,
        .output = config->output,
        .error = config->error,
        .oom_adjust = config->oom_adjust,
    };
    char box[PATH_MAX];
    char pid[PATH_MAX + 8];
    if (realpath(container->box, box) == NULL) {
        return gr_fail_errno(err, "%.200s", container->box);
    }
    snprintf(pid, sizeof(pid), "%s/pid", box);
    const char *const words[] = {"create", "--bundle", box, "--pid-file", pid, container->id, NULL};
    int code = runtime_call(container, &stage, words, GR_RUNTIME_MS_MAX, err);
    // Also after a failure: what it may have left is deleted by it.
    container->is_created = code != -ENOTSUP;
    return code == 0 ? pid_read(container, &container->pid, err) : code;
}

// Bundle and container with this image; -ENOTSUP if there is no overlay here.
static int create_with(struct gr_container *container, const struct gr_container_config *config,
                       const struct gr_image *image, const json_t *cdi, bool is_overlay,
                       bool is_readonly, struct gr_err *err)
{
    int code = box_make(container, config->spec, err);
    code = code == 0 ? json_put(container, "cdi.json", cdi, err) : code;
    code = code == 0 ? bundle_write(container, config, image, cdi, is_readonly, err) : code;
    return code == 0 ? runtime_create(container, config, image->root, is_overlay, err) : code;
}

// Without an overlay: a layout is unpacked once more, for this attempt alone; a bundle's own root
// is shown as it is, read-only.
static int create_plain(struct gr_container *container, const struct gr_container_config *config,
                        const json_t *cdi, struct gr_err *err)
{
    struct gr_image image = {.root = -1, .lock = -1};
    char path[PATH_MAX];
    int code = box_make(container, config->spec, err);
    snprintf(path, sizeof(path), "%s/%s", container->box, GR_BUNDLE_ROOT);
    int root = code < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (root < 0) {
        return code < 0 ? code : gr_fail_errno(err, "open %s", path);
    }
    code = gr_container_image_read(config, root, false, &image, err);
    struct stat own, found;
    if (code == 0 && fstat(root, &own) == 0 && fstat(image.root, &found) == 0) {
        bool is_bundle = own.st_dev != found.st_dev || own.st_ino != found.st_ino;
        struct gr_image given = image;
        given.root = is_bundle ? image.root : -1;
        code = json_put(container, "cdi.json", cdi, err);
        code = code == 0 ? bundle_write(container, config, &given, cdi, is_bundle, err) : code;
        code = code == 0 ? runtime_create(container, config, given.root, false, err) : code;
    }
    close(root);
    gr_image_done(&image);
    return code;
}

static int create(struct gr_container *container, const struct gr_container_config *config,
                  const json_t *cdi, struct gr_err *err)
{
    struct gr_image image = {.root = -1, .lock = -1};
    struct gr_err own = {0};
    err = err == NULL ? &own : err;
    int cache = gr_container_cache_open(config, err);
    int code = cache < 0 ? cache : gr_container_image_read(config, cache, true, &image, err);
    if (code == 0) {
        code = create_with(container, config, &image, cdi, true, false, err);
    }
    if (code == -ENOTSUP) {
        gr_err_init(err);
        code = create_plain(container, config, cdi, err);
    }
    container->lock = image.lock;
    image.lock = -1;
    gr_image_done(&image);
    if (cache >= 0) {
        close(cache);
    }
    return code;
}

// ---- processes of a runtime that was killed -----------------------------------------------------

// How long they are waited for after KILL.
#define ORPHANS_MS 2000

// Children of ours.
struct children {
    pid_t *pids;
    size_t count, room;
    size_t others; // seen that are not among them
    bool has_no_memory;
};

static bool child_note(pid_t pid, void *context)
{
    struct children *known = context;
    if (known->count == known->room) {
        size_t room = known->room == 0 ? 16 : known->room * 2;
        pid_t *more = reallocarray(known->pids, room, sizeof *more);
        if (more == NULL) {
            known->has_no_memory = true;
            return true;
        }
        known->pids = more;
        known->room = room;
    }
    known->pids[known->count++] = pid;
    return true;
}

static bool child_end(pid_t pid, void *context)
{
    struct children *known = context;
    for (size_t i = 0; i < known->count; i++) {
        if (known->pids[i] == pid) {
            return true;
        }
    }
    known->others++;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, WNOHANG);
    return true;
}

// Ends what a runtime that was killed had made and told nobody of: it became our child. Without a
// control group nothing else knows it.
static void orphans_end(struct children *known)
{
    for (unsigned wait_ms = 0; !known->has_no_memory && wait_ms < ORPHANS_MS; wait_ms++) {
        known->others = 0;
        if (gr_descendants_kill(child_end, known) < 0 || known->others == 0) {
            return;
        }
        (void)poll(NULL, 0, 1);
    }
}

int gr_container_create(const struct gr_container_config *config,
                        struct gr_container **ret_container, pid_t *ret_pid, struct gr_err *err)
{
    assert(config->spec != NULL);
    if (config->spec->image[0] != '/') { // it came from afar: no reason to end a keeper
        return gr_fail(err, -EINVAL, "the image \"%.200s\" is not an absolute path",
                       config->spec->image);
    }
    assert(config->env != NULL && config->work != NULL && config->means != NULL);
    if (gr_runtime_is_rootless() &&
        (config->spec->uid != geteuid() || config->spec->gid != getegid())) {
        return gr_fail(err, -EPERM, "a daemon that is not root runs only its own user's jobs");
    }
    if (gr_runtime_is_rootless() && gr_runtime_is_runc(config->runtime)) {
        // It wants somebody to be root in the container, and there is only the submitter.
        return gr_fail(err, -ENOTSUP,
                       "runc runs no containers for a daemon that is not root; "
                       "crun does: install crun");
    }
    struct gr_container *container = container_new(config);
    if (container == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for the container");
    }
    struct gr_isolation_list paths = {0};
    json_t *cdi = devices_read(config, &paths, err);
    int code = cdi == NULL ? -EINVAL : group_make(container, config, &paths, err);
    struct children known = {0};
    (void)gr_descendants_kill(child_note, &known);
    code = code == 0 ? create(container, config, cdi, err) : code;
    json_decref(cdi);
    gr_isolation_list_done(&paths);
    if (code < 0) {
        gr_container_delete(container);
        orphans_end(&known);
    }
    free(known.pids);
    if (code < 0) {
        return code;
    }
    *ret_container = container;
    *ret_pid = container->pid;
    return 0;
}

int gr_container_start(struct gr_container *container, struct gr_err *err)
{
    const char *const words[] = {"start", container->id, NULL};
    return runtime_call(container, NULL, words, SHORT_MS, err);
}

// ---- signals ------------------------------------------------------------------------------------

// A line of /proc/PID/status as a number in base 16.
static uint64_t status_bits(pid_t pid, const char *key)
{
    char path[64];
    char line[256];
    uint64_t bits = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            bits = strtoull(line + strlen(key), NULL, 16);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return bits;
}

// The kernel drops a signal to the first process of a pid namespace that it does not handle, even
// if any other would end by it. The same end is made by KILL, the one that is never dropped.
static int first_signal(pid_t pid, int signal)
{
    switch (signal) {
    case SIGHUP:
    case SIGINT:
    case SIGQUIT:
    case SIGTERM:
    case SIGUSR1:
    case SIGUSR2:
    case SIGALRM:
        break;
    default:
        return signal;
    }
    uint64_t heard = status_bits(pid, "SigCgt:") | status_bits(pid, "SigIgn:");
    return (heard >> (signal - 1) & 1) != 0 ? signal : SIGKILL;
}

static bool namespace_of(pid_t pid, struct stat *ret_stat)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
    return stat(path, ret_stat) == 0;
}

// Sends the signal to all processes of the container's pid namespace but the first. Returns how
// many there were.
static unsigned others_signal(pid_t first, int signal)
{
    struct stat want, found;
    unsigned count = 0;
    DIR *dir = namespace_of(first, &want) ? opendir("/proc") : NULL;
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end != '\0' || pid <= 1 || pid > INT_MAX || pid == first) {
            continue;
        }
        // The descriptor first: then what is looked at is what is sent to.
        int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0u);
        if (fd >= 0 && namespace_of((pid_t)pid, &found) && found.st_ino == want.st_ino &&
            found.st_dev == want.st_dev) {
            count++;
            (void)syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0u);
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

int gr_container_kill(struct gr_container *container, int signal, bool all, struct gr_err *err)
{
    if (container->pid <= 0) {
        return 0;
    }
    pid_t pid = container->pid;
    if (signal == SIGKILL && all) {
        (void)gr_cgroup_kill(container->group);
    } else if (all && others_signal(pid, signal) > 0) {
        // They may need the time that they are given: the first's end would be theirs.
        return kill(pid, signal) == 0 || errno == ESRCH ? 0 : gr_fail_errno(err, "signal");
    }
    if (kill(pid, first_signal(pid, signal)) != 0 && errno != ESRCH) {
        return gr_fail_errno(err, "send signal %d to the container", signal);
    }
    return 0;
}

// ---- the end ------------------------------------------------------------------------------------

void gr_container_usage(const struct gr_container *container, struct gr_cgroup_usage *ret_usage)
{
    if (container->group == NULL) {
        *ret_usage = (struct gr_cgroup_usage){0};
        return;
    }
    gr_cgroup_usage_get(container->group, ret_usage);
}

// The runtime knows the container, or may: what it left is deleted, by hand if it will not.
static void runtime_delete(const struct gr_container *container)
{
    const char *const words[] = {"delete", "--force", container->id, NULL};
    (void)runtime_call(container, NULL, words, SHORT_MS, NULL);
    if (container->group != NULL) {
        (void)gr_cgroup_kill(container->group);
    }
}

void gr_container_sweep(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)gr_tree_remove(fd, BOX);
        close(fd);
    }
}

void gr_container_delete(struct gr_container *container)
{
    if (container == NULL) {
        return;
    }
    if (container->is_created) {
        runtime_delete(container);
    }
    gr_cgroup_remove(container->group);
    if (container->dir != NULL) {
        gr_container_sweep(container->dir);
    }
    if (container->lock >= 0) {
        close(container->lock);
    }
    free(container->dir);
    free(container->box);
    free(container->id);
    free(container->program);
    free(container);
}
