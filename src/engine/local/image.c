// Images on disk: see image.h. The documents of an image are read here; image_cache.c unpacks.
#include "engine/local/image.h"

#include "engine/local/image_parts.h"
#include "engine/local/unpack.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#else
#define ARCHITECTURE "unknown"
#endif

// Variables of an image at most, and bytes of each.
#define ENV_MAX 4096
#define TEXT_MAX 131072

void gr_image_done(struct gr_image *image)
{
    if (image->root >= 0) {
        close(image->root);
    }
    if (image->lock >= 0) {
        close(image->lock);
    }
    json_decref(image->env);
    json_decref(image->cwd);
    *image = (struct gr_image){.root = -1, .lock = -1};
}

// ---- documents ----------------------------------------------------------------------------------

json_t *gr_image_json(const char *bytes, size_t size, const char *what, struct gr_err *err)
{
    json_error_t fault;
    json_t *root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &fault);
    if (root == NULL) {
        gr_fail(err, -EINVAL, "%s: line %d: %s", what, fault.line, fault.text);
    } else if (!json_is_object(root)) {
        gr_fail(err, -EINVAL, "%s: is no JSON object", what);
        json_decref(root);
        root = NULL;
    }
    return root;
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static bool is_for_us(const json_t *descriptor)
{
    const json_t *platform = json_object_get(descriptor, "platform");
    return platform == NULL || (strcmp(text_at(platform, "os"), "linux") == 0 &&
                                strcmp(text_at(platform, "architecture"), ARCHITECTURE) == 0);
}

const json_t *gr_image_choose(const json_t *index, const char *tag, struct gr_err *err)
{
    const json_t *all = json_object_get(index, "manifests");
    const json_t *found = NULL;
    unsigned count = 0;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *at = json_array_get(all, i);
        const char *name =
            text_at(json_object_get(at, "annotations"), "org.opencontainers.image.ref.name");
        if ((tag[0] == '\0' || strcmp(name, tag) == 0) && is_for_us(at)) {
            found = found == NULL ? at : found;
            count++;
        }
    }
    if (found == NULL && tag[0] != '\0') {
        gr_fail(err, -ENOENT, "the layout has no image with the tag %.100s for linux/%s", tag,
                ARCHITECTURE);
    } else if (found == NULL) {
        gr_fail(err, -ENOENT, "the layout has no image for linux/%s", ARCHITECTURE);
    } else if (count > 1) {
        gr_fail(err, -EINVAL, "the layout has %u images that fit; name one as PATH:TAG", count);
        found = NULL;
    }
    return found;
}

// Takes an array of "NAME=VALUE" over. NULL is an empty one.
static int env_take(const json_t *env, struct gr_image *image, struct gr_err *err)
{
    json_t *copy = json_array();
    int code = copy == NULL ? -ENOMEM : 0;
    if (env != NULL && !json_is_null(env) &&
        (!json_is_array(env) || json_array_size(env) > ENV_MAX)) {
        code = -EINVAL;
    }
    for (size_t i = 0; code == 0 && i < json_array_size(env); i++) {
        json_t *item = json_array_get(env, i);
        const char *text = json_string_value(item);
        if (text == NULL || strchr(text, '=') == NULL || text[0] == '=' ||
            strlen(text) > TEXT_MAX) {
            code = -EINVAL;
        } else {
            code = json_array_append(copy, item) == 0 ? 0 : -ENOMEM;
        }
    }
    if (code < 0) {
        json_decref(copy);
        return gr_fail(err, code, "the image's environment is not a list of NAME=VALUE");
    }
    json_decref(image->env);
    image->env = copy;
    return 0;
}

static int cwd_take(const json_t *cwd, struct gr_image *image, struct gr_err *err)
{
    const char *text = json_string_value(cwd);
    if (text == NULL || text[0] == '\0') {
        text = "/";
    }
    if (text[0] != '/' || strlen(text) >= PATH_MAX) {
        return gr_fail(err, -EINVAL, "the image's working directory is not absolute");
    }
    json_decref(image->cwd);
    image->cwd = json_string(text);
    return image->cwd != NULL ? 0 : gr_fail(err, -ENOMEM, "not enough memory for the image");
}

int gr_image_bundle_read(const json_t *config, struct gr_image *image, const char **ret_rootfs,
                         struct gr_err *err)
{
    const json_t *process = json_object_get(config, "process");
    const json_t *root = json_object_get(config, "root");
    const char *path = text_at(root, "path");
    if (path[0] == '\0' || strlen(path) >= PATH_MAX) {
        return gr_fail(err, -EINVAL, "config.json: root.path is missing");
    }
    int code = env_take(json_object_get(process, "env"), image, err);
    code = code == 0 ? cwd_take(json_object_get(process, "cwd"), image, err) : code;
    if (code == 0) {
        image->is_readonly = json_is_true(json_object_get(root, "readonly"));
        *ret_rootfs = path;
    }
    return code;
}

int gr_image_config_read(const json_t *config, size_t count, struct gr_image *image,
                         uint8_t *ret_ids, struct gr_err *err)
{
    const json_t *inner = json_object_get(config, "config");
    const json_t *ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
    const char *os = text_at(config, "os");
    const char *architecture = text_at(config, "architecture");
    if ((os[0] != '\0' && strcmp(os, "linux") != 0) ||
        (architecture[0] != '\0' && strcmp(architecture, ARCHITECTURE) != 0)) {
        return gr_fail(err, -EINVAL, "the image is for %.20s/%.20s, this machine is linux/%s", os,
                       architecture, ARCHITECTURE);
    }
    if (!json_is_array(ids) || json_array_size(ids) != count) {
        return gr_fail(err, -EINVAL, "the image has %zu layers and %zu diff_ids", count,
                       json_array_size(ids));
    }
    for (size_t i = 0; i < count; i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        if (id == NULL || gr_sha256_parse(id, ret_ids + i * GR_SHA256_SIZE) < 0) {
            return gr_fail(err, -EINVAL, "diff_id %zu is no sha256 digest", i + 1);
        }
    }
    int code = env_take(json_object_get(inner, "Env"), image, err);
    return code == 0 ? cwd_take(json_object_get(inner, "WorkingDir"), image, err) : code;
}

// ---- files --------------------------------------------------------------------------------------

int gr_image_file_open(int dir, const char *path, uint64_t *ret_size, struct gr_err *err)
{
    struct stat st;
    // Non-blocking, so that a pipe in a file's place holds nobody up.
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return gr_fail_errno(err, "open %.200s", path);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return gr_fail(err, -EINVAL, "%.200s is no file", path);
    }
    *ret_size = (uint64_t)st.st_size;
    return fd;
}

// Reads a small file whole; with `digest`, checks it. NULL with a text.
static char *file_read(int dir, const char *path, const uint8_t *digest, size_t *ret_size,
                       struct gr_err *err)
{
    uint64_t size = 0;
    int fd = gr_image_file_open(dir, path, &size, err);
    if (fd < 0) {
        return NULL;
    }
    char *bytes = size > GR_IMAGE_JSON_MAX ? NULL : malloc((size_t)size + 1);
    size_t have = 0;
    if (bytes == NULL) {
        gr_fail(err, -EFBIG, "%.200s has %llu bytes, more than such a file may have", path,
                (unsigned long long)size);
    }
    while (bytes != NULL && have < size) {
        ssize_t got = read(fd, bytes + have, (size_t)size - have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            gr_fail(err, -EIO, "read %.200s: it became shorter", path);
            free(bytes);
            bytes = NULL;
            break;
        }
        have += (size_t)got;
    }
    close(fd);
    if (bytes != NULL && digest != NULL && !gr_sha256_is(bytes, have, digest)) {
        gr_fail(err, -EINVAL, "%.200s does not have the digest of its name", path);
        free(bytes);
        return NULL;
    }
    *ret_size = have;
    return bytes;
}

json_t *gr_image_file_json(int dir, const char *path, const uint8_t *digest, struct gr_err *err)
{
    size_t size = 0;
    char *bytes = file_read(dir, path, digest, &size, err);
    json_t *root = bytes == NULL ? NULL : gr_image_json(bytes, size, path, err);
    free(bytes);
    return root;
}

int gr_image_blob_path(const json_t *descriptor, char ret_path[GR_IMAGE_BLOB_SIZE],
                       uint8_t ret_digest[GR_SHA256_SIZE], struct gr_err *err)
{
    const char *digest = text_at(descriptor, "digest");
    if (gr_sha256_parse(digest, ret_digest) < 0) {
        return gr_fail(err, -EINVAL, "\"%.80s\" is no sha256 digest", digest);
    }
    snprintf(ret_path, GR_IMAGE_BLOB_SIZE, "blobs/sha256/%s", digest + strlen("sha256:"));
    return 0;
}

// ---- a layout -----------------------------------------------------------------------------------

static json_t *blob_json(int layout, const json_t *descriptor, uint8_t *ret_digest,
                         struct gr_err *err)
{
    char path[GR_IMAGE_BLOB_SIZE];
    return gr_image_blob_path(descriptor, path, ret_digest, err) < 0
               ? NULL
               : gr_image_file_json(layout, path, ret_digest, err);
}

// Finds the manifest, through one index of platforms if need be. The caller releases it.
static json_t *manifest_find(int layout, const char *tag, uint8_t *ret_digest, struct gr_err *err)
{
    json_t *index = gr_image_file_json(layout, "index.json", NULL, err);
    for (int level = 0; index != NULL && level < 2; level++) {
        const json_t *chosen = gr_image_choose(index, level == 0 ? tag : "", err);
        json_t *found = chosen == NULL ? NULL : blob_json(layout, chosen, ret_digest, err);
        json_decref(index);
        if (found == NULL || !json_is_array(json_object_get(found, "manifests"))) {
            return found;
        }
        index = found;
    }
    if (index != NULL) {
        json_decref(index);
        gr_fail(err, -EINVAL, "the layout's indexes lead to each other");
    }
    return NULL;
}

// The layers by the manifest, with what their media types say. Blobs are not opened yet.
static int layers_read(struct gr_image_plan *plan, const json_t *manifest, struct gr_err *err)
{
    static const struct {
        const char *name;
        bool is_gzip;
    } types[] = {
        {"application/vnd.oci.image.layer.v1.tar", false},
        {"application/vnd.oci.image.layer.v1.tar+gzip", true},
        {"application/vnd.docker.image.rootfs.diff.tar", false},
        {"application/vnd.docker.image.rootfs.diff.tar.gzip", true},
    };
    const json_t *layers = json_object_get(manifest, "layers");
    plan->layer_count = json_array_size(layers);
    if (plan->layer_count == 0 || plan->layer_count > GR_IMAGE_LAYERS_MAX) {
        return gr_fail(err, -EINVAL, "the manifest has %zu layers; 1 to %d are taken",
                       plan->layer_count, GR_IMAGE_LAYERS_MAX);
    }
    for (size_t i = 0; i < plan->layer_count; i++) {
        const json_t *layer = json_array_get(layers, i);
        const char *type = text_at(layer, "mediaType");
        bool is_known = false;
        for (size_t j = 0; j < sizeof(types) / sizeof(types[0]); j++) {
            if (strcmp(type, types[j].name) == 0) {
                is_known = true;
                plan->layers[i].is_gzip = types[j].is_gzip;
            }
        }
        if (!is_known) {
            return gr_fail(err, -EINVAL,
                           "layer %zu has the type \"%.80s\"; tar and tar+gzip are "
                           "taken",
                           i + 1, type);
        }
        int code = gr_image_blob_path(layer, plan->paths[i], plan->layers[i].digest, err);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

static int layout_open(int layout, const char *tag, int cache, bool is_cache,
                       struct gr_image *image, struct gr_err *err)
{
    uint8_t config_digest[GR_SHA256_SIZE];
    struct gr_image_plan *plan = calloc(1, sizeof(*plan));
    json_t *mark = gr_image_file_json(layout, "oci-layout", NULL, err);
    json_t *manifest = NULL;
    json_t *config = NULL;
    int code = -EINVAL;
    if (plan != NULL && mark != NULL) {
        plan->layout = layout;
        if (strcmp(text_at(mark, "imageLayoutVersion"), "1.0.0") != 0) {
            gr_fail(err, -EINVAL, "oci-layout: the version is not 1.0.0");
        } else {
            manifest = manifest_find(layout, tag, plan->digest, err);
        }
    }
    if (manifest != NULL) {
        config = blob_json(layout, json_object_get(manifest, "config"), config_digest, err);
    }
    if (config != NULL) {
        code = layers_read(plan, manifest, err);
        uint8_t *ids = code == 0 ? calloc(plan->layer_count, GR_SHA256_SIZE) : NULL;
        if (ids != NULL) {
            code = gr_image_config_read(config, plan->layer_count, image, ids, err);
            for (size_t i = 0; code == 0 && i < plan->layer_count; i++) {
                memcpy(plan->layers[i].diff_id, ids + i * GR_SHA256_SIZE, GR_SHA256_SIZE);
            }
            free(ids);
        }
        code = code == 0 ? gr_image_unpack(plan, cache, is_cache, image, err) : code;
    } else if (err != NULL && err->code < 0) {
        code = err->code;
    }
    json_decref(config);
    json_decref(manifest);
    json_decref(mark);
    free(plan);
    return code;
}

static int bundle_open(int bundle, struct gr_image *image, struct gr_err *err)
{
    const char *rootfs;
    json_t *config = gr_image_file_json(bundle, "config.json", NULL, err);
    if (config == NULL) {
        return err != NULL ? err->code : -EINVAL;
    }
    int code = gr_image_bundle_read(config, image, &rootfs, err);
    if (code == 0) {
        image->root = openat(bundle, rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
        code = image->root >= 0 ? 0 : gr_fail_errno(err, "open %.200s", rootfs);
    }
    json_decref(config);
    return code;
}

// Opens the image's folder: the path as it is, else what is before its last colon. *ret_tag is ""
// without one.
static int folder_open(const char *image, const char **ret_tag, struct gr_err *err)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int fd = open(image, flags);
    const char *colon = strrchr(image, ':');
    *ret_tag = "";
    if (fd < 0 && errno == ENOENT && colon != NULL && strchr(colon, '/') == NULL) {
        char *path = strndup(image, (size_t)(colon - image));
        fd = path == NULL ? -1 : open(path, flags);
        free(path);
        *ret_tag = colon + 1;
    }
    return fd >= 0 ? fd : gr_fail_errno(err, "open the image");
}

int gr_image_open(const char *image, int cache, bool is_cache, struct gr_image *ret_image,
                  struct gr_err *err)
{
    assert(image != NULL && ret_image != NULL);
    const char *tag;
    struct gr_image made = {.root = -1, .lock = -1};
    struct gr_err own = {0};
    err = err == NULL ? &own : err; // its code is looked at
    int dir = folder_open(image, &tag, err);
    int code = dir;
    if (dir >= 0) {
        bool is_bundle = tag[0] == '\0' && faccessat(dir, "oci-layout", F_OK, 0) != 0 &&
                         faccessat(dir, "config.json", F_OK, 0) == 0;
        code = is_bundle ? bundle_open(dir, &made, err)
                         : layout_open(dir, tag, cache, is_cache, &made, err);
        close(dir);
    }
    if (code < 0) {
        gr_image_done(&made);
        if (err->code == 0) {
            return gr_fail(err, code, "image %.200s: %s", image, strerror(-code));
        }
        return gr_err_prefix(err, "image %.200s", image);
    }
    *ret_image = made;
    return 0;
}
