// A container's config.json: see bundle.h and docs/design/containers.md.
#include "engine/local/bundle.h"

#include "engine/local/cdi.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// Files that a container's processes may have open, as far as the keeper may itself.
#define FILES_MAX 65536

// Appends what json_pack makes; for use in a chain of `code |=`.
#define APPEND(array, ...) json_array_append_new(array, json_pack(__VA_ARGS__))

static const char *const masked[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    NULL,
};
static const char *const readonly[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};
// Files of the machine that the container sees: the network is the machine's.
static const char *const host_files[] = {"/etc/resolv.conf", "/etc/hosts", NULL};

static json_t *texts(const char *const *items)
{
    json_t *array = json_array();
    for (size_t i = 0; items[i] != NULL; i++) {
        if (json_array_append_new(array, json_string(items[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

// ---- the process --------------------------------------------------------------------------------

static bool same_name(const char *a, const char *b)
{
    size_t size = strcspn(a, "=");
    return strncmp(a, b, size) == 0 && b[size] == '=';
}

static bool is_named(const char *const *items, size_t count, const char *variable)
{
    for (size_t i = 0; i < count; i++) {
        if (same_name(variable, items[i])) {
            return true;
        }
    }
    return false;
}

static bool image_names(const struct gr_image *image, const char *variable)
{
    for (size_t i = 0; i < json_array_size(image->env); i++) {
        if (same_name(variable, json_string_value(json_array_get(image->env, i)))) {
            return true;
        }
    }
    return false;
}

// The given variables; those of the image that are not given; the image's PATH before the
// machine's, whose folders mean nothing in an image.
static json_t *env_make(const struct gr_container_config *config, const struct gr_image *image)
{
    json_t *env = json_array();
    size_t count = 0;
    int code = env == NULL ? -1 : 0;
    bool is_path_given = is_named(config->spec->env.items, config->spec->env.count, "PATH=");
    bool is_path_image = !is_path_given && image_names(image, "PATH=");
    for (; config->env[count] != NULL; count++) {
        const char *text = config->env[count];
        if (strchr(text, '=') != NULL && !(is_path_image && same_name("PATH=", text))) {
            code |= json_array_append_new(env, json_string(text));
        }
    }
    for (size_t i = 0; i < json_array_size(image->env); i++) {
        json_t *item = json_array_get(image->env, i);
        const char *text = json_string_value(item);
        bool is_path = same_name("PATH=", text);
        if (is_path ? is_path_image : !is_named(config->env, count, text)) {
            code |= json_array_append(env, item);
        }
    }
    if (code != 0) {
        json_decref(env);
        return NULL;
    }
    return env;
}

static json_t *process_make(const struct gr_container_config *config, const struct gr_image *image,
                            const struct gr_bundle_way *way)
{
    const struct gr_spec *spec = config->spec;
    json_t *args = json_array();
    json_t *groups = json_array();
    int code = args == NULL || groups == NULL ? -1 : 0;
    for (uint32_t i = 0; i < spec->argv.count; i++) {
        // Bytes that are no UTF-8 cannot stand in JSON; json_string refuses them.
        code |= json_array_append_new(args, json_string(spec->argv.items[i]));
    }
    for (uint32_t i = 0; i < config->group_count && !way->is_rootless; i++) {
        code |= json_array_append_new(groups, json_integer(config->groups[i]));
    }
    struct rlimit limit;
    json_int_t files = FILES_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < FILES_MAX) {
        files = (json_int_t)limit.rlim_max;
    }
    const char *cwd = config->work[0] != '\0' ? config->work : json_string_value(image->cwd);
    if (code != 0) {
        json_decref(args);
        json_decref(groups);
        return NULL;
    }
    return json_pack("{s:b, s:{s:I, s:I, s:I, s:o}, s:o, s:o, s:s, s:b, s:{s:[], s:[], s:[], "
                     "s:[], s:[]}, s:[{s:s, s:I, s:I}, {s:s, s:I, s:I}]}",
                     "terminal", 0, "user", "uid", (json_int_t)spec->uid, "gid",
                     (json_int_t)spec->gid, "umask", (json_int_t)spec->umask, "additionalGids",
                     groups, "args", args, "env", env_make(config, image), "cwd", cwd,
                     "noNewPrivileges", 1, "capabilities", "bounding", "effective", "inheritable",
                     "permitted", "ambient", "rlimits", "type", "RLIMIT_CORE", "soft",
                     (json_int_t)0, "hard", (json_int_t)0, "type", "RLIMIT_NOFILE", "soft", files,
                     "hard", files);
}

// ---- mounts -------------------------------------------------------------------------------------

static int mounts_bind(json_t *mounts, const char *source, const char *path, bool is_readonly)
{
    return APPEND(mounts, "{s:s, s:s, s:s, s:[s,s,s,s]}", "destination", path, "type", "bind",
                  "source", source, "options", "rbind", is_readonly ? "ro" : "rw", "nosuid",
                  "nodev");
}

static json_t *mounts_make(const struct gr_container_config *config,
                           const struct gr_bundle_way *way)
{
    json_t *mounts = json_array();
    int code = mounts == NULL ? -1 : 0;
    code |= APPEND(mounts, "{s:s, s:s, s:s, s:[s,s,s]}", "destination", "/proc", "type", "proc",
                   "source", "proc", "options", "nosuid", "noexec", "nodev");
    code |=
        APPEND(mounts, "{s:s, s:s, s:s, s:[s,s,s,s]}", "destination", "/dev", "type", "tmpfs",
               "source", "tmpfs", "options", "nosuid", "strictatime", "mode=755", "size=65536k");
    code |= APPEND(mounts, "{s:s, s:s, s:s, s:[s,s,s,s,s]}", "destination", "/dev/pts", "type",
                   "devpts", "source", "devpts", "options", "nosuid", "noexec", "newinstance",
                   "ptmxmode=0666", "mode=0620");
    code |= APPEND(mounts, "{s:s, s:s, s:s, s:[s,s,s,s]}", "destination", "/dev/shm", "type",
                   "tmpfs", "source", "shm", "options", "nosuid", "noexec", "nodev", "mode=1777");
    if (way->is_rootless) { // the network, and so sysfs, is not its own
        code |= mounts_bind(mounts, "/sys", "/sys", true);
    } else {
        code |= APPEND(mounts, "{s:s, s:s, s:s, s:[s,s,s,s]}", "destination", "/sys", "type",
                       "sysfs", "source", "sysfs", "options", "nosuid", "noexec", "nodev", "ro");
    }
    if (way->has_view) {
        code |=
            APPEND(mounts, "{s:s, s:s, s:s, s:[s,s,s,s]}", "destination", "/sys/fs/cgroup", "type",
                   "cgroup", "source", "cgroup", "options", "nosuid", "noexec", "nodev", "ro");
    }
    for (size_t i = 0; host_files[i] != NULL; i++) {
        if (access(host_files[i], R_OK) == 0) {
            code |= mounts_bind(mounts, host_files[i], host_files[i], true);
        }
    }
    if (way->is_readonly) {
        code |= APPEND(mounts, "{s:s, s:s, s:s, s:[s,s,s]}", "destination", "/tmp", "type", "tmpfs",
                       "source", "tmpfs", "options", "nosuid", "nodev", "mode=1777");
    }
    if (config->checkpoint != NULL && config->checkpoint[0] != '\0') {
        code |= mounts_bind(mounts, config->checkpoint, GR_CONTAINER_CHECKPOINT, false);
    }
    if (config->door != NULL && config->door[0] != '\0') {
        code |= mounts_bind(mounts, config->door, GR_CONTAINER_DOOR, true);
    }
    if (config->work[0] != '\0') {
        char source[4096];
        int size = snprintf(source, sizeof(source), "%s/%s", config->dir, GR_BUNDLE_WORK);
        code |= size >= (int)sizeof(source) ? -1 : mounts_bind(mounts, source, config->work, false);
    }
    if (code != 0) {
        json_decref(mounts);
        return NULL;
    }
    return mounts;
}

// ---- linux --------------------------------------------------------------------------------------

static int namespaces_add(json_t *linux_part, const struct gr_container_config *config,
                          const struct gr_bundle_way *way)
{
    json_t *list = json_pack("[{s:s}, {s:s}, {s:s}, {s:s}]", "type", "pid", "type", "mount", "type",
                             "ipc", "type", "uts");
    int code = list == NULL ? -1 : 0;
    if (way->has_view) {
        code |= APPEND(list, "{s:s}", "type", "cgroup");
    }
    if (way->is_rootless) {
        // Within the namespace that we made, where we are 0, it becomes the submitter again.
        json_int_t uid = config->spec->uid;
        json_int_t gid = config->spec->gid;
        code |= APPEND(list, "{s:s}", "type", "user");
        code |= json_object_set_new(
            linux_part, "uidMappings",
            json_pack("[{s:I, s:i, s:i}]", "containerID", uid, "hostID", 0, "size", 1));
        code |= json_object_set_new(
            linux_part, "gidMappings",
            json_pack("[{s:I, s:i, s:i}]", "containerID", gid, "hostID", 0, "size", 1));
    }
    return code | json_object_set_new(linux_part, "namespaces", list);
}

static json_t *linux_make(const struct gr_container_config *config, const struct gr_bundle_way *way)
{
    json_t *made = json_object();
    json_t *rules = json_pack("[{s:b, s:s}]", "allow", 0, "access", "rwm");
    int code = made == NULL ? -1 : 0;
    code |= namespaces_add(made, config, way);
    code |= json_object_set_new(made, "maskedPaths", texts(masked));
    code |= json_object_set_new(made, "readonlyPaths", texts(readonly));
    code |= json_object_set_new(made, "devices", json_array());
    code |= json_object_set_new(made, "resources", json_pack("{s:o}", "devices", rules));
    if (way->cgroup[0] != '\0') {
        code |= json_object_set_new(made, "cgroupsPath", json_string(way->cgroup));
    }
    if (code != 0) {
        json_decref(made);
        return NULL;
    }
    return made;
}

json_t *gr_bundle_make(const struct gr_container_config *config, const struct gr_image *image,
                       const struct gr_bundle_way *way, const json_t *cdi, struct gr_err *err)
{
    assert(config != NULL && image != NULL && way != NULL && cdi != NULL);
    json_t *made = json_pack("{s:s, s:o, s:{s:s, s:b}, s:o, s:o}", "ociVersion", "1.0.2", "process",
                             process_make(config, image, way), "root", "path", GR_BUNDLE_ROOT,
                             "readonly", way->is_readonly || image->is_readonly, "mounts",
                             mounts_make(config, way), "linux", linux_make(config, way));
    if (made == NULL) {
        gr_fail(err, -EINVAL,
                "an argument or a path of the job is no UTF-8, which a container's "
                "config.json cannot hold");
        return NULL;
    }
    if (gr_cdi_apply(cdi, made, err) < 0) {
        json_decref(made);
        return NULL;
    }
    return made;
}
