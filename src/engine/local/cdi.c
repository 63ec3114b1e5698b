// CDI: see cdi.h and docs/formats/cdi.md.
#include "engine/local/cdi.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define VERSION "0.6.0"

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

// ---- making -------------------------------------------------------------------------------------

static json_t *node_make(const char *path)
{
    return json_pack("{s:s, s:s}", "path", path, "permissions", "rw");
}

static bool is_own(const struct gr_device *devices, uint32_t count, const char *path)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(devices[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

json_t *gr_cdi_make(const struct gr_device *devices, uint32_t count, const char *const *paths,
                    uint32_t path_count)
{
    json_t *list = json_array();
    json_t *common = json_array();
    int code = list == NULL || common == NULL ? -1 : 0;
    for (uint32_t i = 0; code == 0 && i < count; i++) {
        json_t *nodes = json_array();
        if (devices[i].path[0] != '\0') {
            code |= json_array_append_new(nodes, node_make(devices[i].path));
        }
        code |= json_array_append_new(list, json_pack("{s:s, s:{s:o}}", "name", devices[i].address,
                                                      "containerEdits", "deviceNodes", nodes));
    }
    for (uint32_t i = 0; code == 0 && i < path_count; i++) {
        if (!is_own(devices, count, paths[i])) {
            code |= json_array_append_new(common, node_make(paths[i]));
        }
    }
    json_t *made = NULL;
    if (code == 0) {
        made = json_pack("{s:s, s:s, s:O, s:{s:O}}", "cdiVersion", VERSION, "kind", GR_CDI_KIND,
                         "devices", list, "containerEdits", "deviceNodes", common);
    }
    json_decref(list);
    json_decref(common);
    return made;
}

// ---- applying -----------------------------------------------------------------------------------

// The array at `key` of an object, made if it is not there; NULL if there is no memory.
static json_t *array_at(json_t *object, const char *key)
{
    json_t *found = json_object_get(object, key);
    if (found == NULL && object != NULL && json_object_set_new(object, key, json_array()) == 0) {
        found = json_object_get(object, key);
    }
    return json_is_array(found) ? found : NULL;
}

static json_t *object_at(json_t *object, const char *key)
{
    json_t *found = json_object_get(object, key);
    if (found == NULL && json_object_set_new(object, key, json_object()) == 0) {
        found = json_object_get(object, key);
    }
    return json_is_object(found) ? found : NULL;
}

static bool has_node(const json_t *nodes, const char *path)
{
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        if (strcmp(text_at(json_array_get(nodes, i), "path"), path) == 0) {
            return true;
        }
    }
    return false;
}

static int node_apply(const json_t *node, json_t *config, struct gr_err *err)
{
    const char *path = text_at(node, "path");
    const char *host = text_at(node, "hostPath");
    const char *access = text_at(node, "permissions");
    struct stat st;
    host = host[0] == '\0' ? path : host;
    access = access[0] == '\0' ? "rw" : access;
    if (path[0] != '/' || host[0] != '/' || strspn(access, "rwm") != strlen(access)) {
        return gr_fail(err, -EINVAL, "CDI: a device node needs an absolute path, and r, w or m");
    }
    if (stat(host, &st) != 0) {
        return gr_fail_errno(err, "CDI: %.200s", host);
    }
    if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) {
        return gr_fail(err, -EINVAL, "CDI: %.200s is no device file", host);
    }
    const char *type = S_ISCHR(st.st_mode) ? "c" : "b";
    json_int_t major_number = (json_int_t)major(st.st_rdev);
    json_int_t minor_number = (json_int_t)minor(st.st_rdev);
    json_t *linux_part = object_at(config, "linux");
    json_t *nodes = array_at(linux_part, "devices");
    json_t *rules = array_at(object_at(linux_part, "resources"), "devices");
    if (has_node(nodes, path)) {
        return 0;
    }
    int code = json_array_append_new(
        nodes, json_pack("{s:s, s:s, s:I, s:I, s:i, s:I, s:I}", "path", path, "type", type, "major",
                         major_number, "minor", minor_number, "fileMode", (int)(st.st_mode & 0777),
                         "uid", (json_int_t)st.st_uid, "gid", (json_int_t)st.st_gid));
    code |= json_array_append_new(rules, json_pack("{s:b, s:s, s:I, s:I, s:s}", "allow", 1, "type",
                                                   type, "major", major_number, "minor",
                                                   minor_number, "access", access));
    return code == 0 ? 0 : gr_fail(err, -ENOMEM, "CDI: not enough memory");
}

static int mount_apply(const json_t *mount, json_t *config, struct gr_err *err)
{
    const char *host = text_at(mount, "hostPath");
    const char *path = text_at(mount, "containerPath");
    json_t *options = json_object_get(mount, "options");
    if (host[0] != '/' || path[0] != '/') {
        return gr_fail(err, -EINVAL, "CDI: a mount needs absolute paths");
    }
    json_t *list = json_is_array(options) ? json_copy(options)
                                          : json_pack("[s,s,s,s]", "ro", "nosuid", "nodev", "bind");
    int code = json_array_append_new(array_at(config, "mounts"),
                                     json_pack("{s:s, s:s, s:s, s:o}", "destination", path, "type",
                                               "bind", "source", host, "options", list));
    return code == 0 ? 0 : gr_fail(err, -ENOMEM, "CDI: not enough memory");
}

static int env_apply(const char *text, json_t *config, struct gr_err *err)
{
    const char *equals = text == NULL ? NULL : strchr(text, '=');
    json_t *env = array_at(object_at(config, "process"), "env");
    if (equals == NULL || equals == text) {
        return gr_fail(err, -EINVAL, "CDI: a variable is not NAME=VALUE");
    }
    size_t size = (size_t)(equals - text) + 1;
    for (size_t i = json_array_size(env); i > 0; i--) {
        const char *other = json_string_value(json_array_get(env, i - 1));
        if (other != NULL && strncmp(other, text, size) == 0) {
            json_array_remove(env, i - 1);
        }
    }
    return json_array_append_new(env, json_string(text)) == 0
               ? 0
               : gr_fail(err, -ENOMEM, "CDI: not enough memory");
}

static int edits_apply(const json_t *edits, json_t *config, struct gr_err *err)
{
    const json_t *nodes = json_object_get(edits, "deviceNodes");
    const json_t *mounts = json_object_get(edits, "mounts");
    const json_t *env = json_object_get(edits, "env");
    int code = 0;
    if (json_array_size(json_object_get(edits, "hooks")) > 0) {
        return gr_fail(err, -EINVAL, "CDI: hooks are not run");
    }
    for (size_t i = 0; code == 0 && i < json_array_size(nodes); i++) {
        code = node_apply(json_array_get(nodes, i), config, err);
    }
    for (size_t i = 0; code == 0 && i < json_array_size(mounts); i++) {
        code = mount_apply(json_array_get(mounts, i), config, err);
    }
    for (size_t i = 0; code == 0 && i < json_array_size(env); i++) {
        code = env_apply(json_string_value(json_array_get(env, i)), config, err);
    }
    return code;
}

int gr_cdi_apply(const json_t *cdi, json_t *config, struct gr_err *err)
{
    const json_t *devices = json_object_get(cdi, "devices");
    if (!json_is_object(config) || text_at(cdi, "cdiVersion")[0] == '\0' ||
        !json_is_array(devices)) {
        return gr_fail(err, -EINVAL, "CDI: this is no CDI document");
    }
    int code = edits_apply(json_object_get(cdi, "containerEdits"), config, err);
    for (size_t i = 0; code == 0 && i < json_array_size(devices); i++) {
        code =
            edits_apply(json_object_get(json_array_get(devices, i), "containerEdits"), config, err);
    }
    return code;
}
