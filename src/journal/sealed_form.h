// The form of sealed parts, shared by what reads and what writes them: see sealed.h.
#pragma once

#include "base/hash.h"

// Bytes of the header, of what stands before a group's bytes, of an entry of the index; the format.
enum { SEALED_HEADER = 128, SEALED_GROUP = 104, SEALED_ENTRY = 16, SEALED_FORMAT = 1 };

// The first bytes of a part.
static const char sealed_magic[8] = {'g', 'r', 'a', 'n', 's', 'e', 'a', 'l'};

// BLAKE2b-256 of some bytes.
static inline void sealed_hash(const void *bytes, size_t size, uint8_t ret_hash[GR_HASH_SIZE])
{
    struct gr_hash hash;
    gr_hash_init(&hash);
    gr_hash_add(&hash, bytes, size);
    gr_hash_end(&hash, ret_hash);
}
