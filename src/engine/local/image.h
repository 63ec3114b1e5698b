// Images on disk: an OCI layout, or a bundle. Everything here runs in a process that has given up
// all rights but the submitter's; what it hands back is the submitter's word and no more.
#pragma once

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of one of an image's JSON documents, at most.
#define GR_IMAGE_JSON_MAX ((size_t)4 << 20)
// Layers of an image, at most.
#define GR_IMAGE_LAYERS_MAX 256
// Bytes and files that one image may unpack to.
#define GR_IMAGE_BYTES_MAX (UINT64_C(256) << 30)
#define GR_IMAGE_ENTRIES_MAX (UINT64_C(8) << 20)
// Unpacked images that are kept for one user, and their bytes in all; those in use stay.
#define GR_IMAGES_KEPT 16
#define GR_IMAGES_KEPT_BYTES (UINT64_C(256) << 30)

// What an image gives. Zero-initialise `root` and `lock` with -1.
struct gr_image {
    int root;         // folder of its files, O_PATH; owned
    int lock;         // as long as it is open, the unpacked image is kept; owned; -1: none
    json_t *env;      // array of "NAME=VALUE"; owned
    json_t *cwd;      // text: the working directory it wishes, absolute; owned
    bool is_readonly; // it asks for a root that cannot be written
};

// Finds the image "PATH", or "PATH:TAG" of a layout, checks it, and unpacks it: into the folder
// behind `cache` under its digest, once for all attempts (is_cache), or straight into the folder
// behind `cache` (else). A bundle is used where it is. Blocks; other processes that want the same
// image wait. Returns 0 with *ret_image, which gr_image_done ends; -EINVAL with a text if the image
// is wrong, -ENOENT if it is not there, other -errno with a text.
int gr_image_open(const char *image, int cache, bool is_cache, struct gr_image *ret_image,
                  struct gr_err *err);
// Closes and frees. An image of which nothing is set is allowed.
void gr_image_done(struct gr_image *image);

// What a layout's index says for a tag ("": the only image). Borrowed from `index`, NULL with a
// text if there is none. Pure.
const json_t *gr_image_choose(const json_t *index, const char *tag, struct gr_err *err);
// Reads one of the image's documents: an object, no key twice. NULL with a text. Pure.
json_t *gr_image_json(const char *bytes, size_t size, const char *what, struct gr_err *err);
// What of a bundle's config.json is used: args are not (a spec has its own), env, cwd, root.path
// and root.readonly are. *ret_rootfs is borrowed from `config`. 0 or -EINVAL with a text. Pure.
int gr_image_bundle_read(const json_t *config, struct gr_image *image, const char **ret_rootfs,
                         struct gr_err *err);
// As gr_image_bundle_read for the configuration of a layout's image: Env and WorkingDir; and its
// diff_ids, `count` of them, in the form of gr_sha256_parse into ret_ids (32 bytes each). Pure.
int gr_image_config_read(const json_t *config, size_t count, struct gr_image *image,
                         uint8_t *ret_ids, struct gr_err *err);
