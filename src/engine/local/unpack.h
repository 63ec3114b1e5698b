// Unpacks the layers of an image, one on the other, into a folder. Runs with the rights of whoever
// the image belongs to, and trusts nothing in it: digests are checked, names cannot leave the
// folder, sizes are bounded, devices are refused, owners and set-id bits are not taken over.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

// Bytes of a SHA-256 digest.
#define GR_SHA256_SIZE 32
// Bytes of its name, "sha256:" and 64 digits, NUL included.
#define GR_SHA256_TEXT_SIZE 72

// How much may be unpacked; counted down. The caller's memory.
struct gr_unpack_room {
    uint64_t bytes;   // of content
    uint64_t entries; // files, folders, links
};

// A layer of an image.
struct gr_unpack_layer {
    int blob;                        // file descriptor, borrowed; read from where it stands
    bool is_gzip;                    // compressed, else plain tar
    uint8_t digest[GR_SHA256_SIZE];  // of the blob
    uint8_t diff_id[GR_SHA256_SIZE]; // of the tar in it
};

// Reads "sha256:HEX". Returns 0 or -EINVAL; ret_digest is untouched then.
int gr_sha256_parse(const char *text, uint8_t ret_digest[GR_SHA256_SIZE]);
// Whether the bytes have the digest.
bool gr_sha256_is(const void *bytes, size_t size, const uint8_t digest[GR_SHA256_SIZE]);
// Unpacks a layer over what is in the folder behind `root`. Returns 0, or -errno with a text:
// -EINVAL for a layer that is wrong, -EFBIG if there is no room in `room`. What was unpacked until
// a failure stays: the caller removes the folder.
int gr_unpack_layer(int root, const struct gr_unpack_layer *layer, struct gr_unpack_room *room,
                    struct gr_err *err);
