// The aside of a group: what belongs to its facts and is personal or secret, so that it is no part
// of the hash chain. Items, one after the other:
//
//     u32 size of the bytes      u64 sequence of the fact      bytes
//
// little-endian. Where a fact carries a commitment, it is BLAKE2b-256 of the item's bytes, which
// begin with GR_ASIDE_SALT_BYTES random ones: who does not have them learns nothing from it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes before an item's own.
#define GR_ASIDE_HEADER_BYTES ((size_t)12)
// Random bytes that a committed item begins with.
#define GR_ASIDE_SALT_BYTES ((size_t)16)

// Writes one item (room for GR_ASIDE_HEADER_BYTES + size). Returns how many bytes it took.
size_t gr_aside_write(uint8_t *at, uint64_t sequence, const void *bytes, size_t size);
// The item at *at, and *at behind it; begin with 0. False at the end, or if the aside is damaged.
// Borrows.
bool gr_aside_next(const uint8_t *aside, size_t size, size_t *at, uint64_t *ret_sequence,
                   const uint8_t **ret_bytes, size_t *ret_size);
// Finds the item of a fact in an aside. False if there is none, or the aside is damaged. Borrows.
bool gr_aside_find(const uint8_t *aside, size_t size, uint64_t sequence, const uint8_t **ret_bytes,
                   size_t *ret_size);
