// BLAKE2b-256 (RFC 7693) through libsodium: digests of state and, later, of the journal.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Bytes of a digest.
#define GR_HASH_SIZE 32

// A running hash; the caller's memory. `state` is libsodium's, opaque.
struct gr_hash {
    _Alignas(64) unsigned char state[384];
};

// Begins. Never fails.
void gr_hash_init(struct gr_hash *hash);
// Adds bytes; `bytes` may be NULL if `size` is 0. Never fails.
void gr_hash_add(struct gr_hash *hash, const void *bytes, size_t size);
// Ends; the hash must be begun anew before it is used again. Never fails.
void gr_hash_end(struct gr_hash *hash, uint8_t ret_digest[GR_HASH_SIZE]);
// Writes the digest as 64 lower-case hexadecimal digits and a NUL.
void gr_hash_text(const uint8_t digest[GR_HASH_SIZE], char ret_text[2 * GR_HASH_SIZE + 1]);
