// What image.c and image_cache.c share; nobody else includes it.
#pragma once

#include "engine/local/image.h"
#include "engine/local/unpack.h"

// Bytes of a blob's path within a layout.
#define GR_IMAGE_BLOB_SIZE 96

// What is to be unpacked, by manifest and configuration.
struct gr_image_plan {
    int layout;                                          // the layout's folder; borrowed
    uint8_t digest[GR_SHA256_SIZE];                      // of the manifest: the image's name
    size_t layer_count;                                  // of layers and paths
    struct gr_unpack_layer layers[GR_IMAGE_LAYERS_MAX];  // `blob` not open
    char paths[GR_IMAGE_LAYERS_MAX][GR_IMAGE_BLOB_SIZE]; // of the blobs
};

// Opens a regular file below `dir`. Returns a file descriptor, or -errno with a text.
int gr_image_file_open(int dir, const char *path, uint64_t *ret_size, struct gr_err *err);
// Reads a JSON document, checked by `digest` unless it is NULL. NULL with a text.
json_t *gr_image_file_json(int dir, const char *path, const uint8_t *digest, struct gr_err *err);
// Where the blob of a descriptor is. 0 or -EINVAL with a text.
int gr_image_blob_path(const json_t *descriptor, char ret_path[GR_IMAGE_BLOB_SIZE],
                       uint8_t ret_digest[GR_SHA256_SIZE], struct gr_err *err);
// Unpacks the plan, or finds it unpacked; sets image->root and image->lock. See gr_image_open.
int gr_image_unpack(const struct gr_image_plan *plan, int cache, bool is_cache,
                    struct gr_image *image, struct gr_err *err);
