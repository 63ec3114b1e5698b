// The aside of a group: see aside.h.
#include "daemon/aside.h"

#include <assert.h>
#include <string.h>

static uint64_t get(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

size_t gr_aside_write(uint8_t *at, uint64_t sequence, const void *bytes, size_t size)
{
    assert(at != NULL && bytes != NULL && size <= UINT32_MAX);
    put(at, size, 4);
    put(at + 4, sequence, 8);
    memcpy(at + GR_ASIDE_HEADER_BYTES, bytes, size);
    return GR_ASIDE_HEADER_BYTES + size;
}

bool gr_aside_next(const uint8_t *aside, size_t size, size_t *at, uint64_t *ret_sequence,
                   const uint8_t **ret_bytes, size_t *ret_size)
{
    assert(at != NULL && ret_sequence != NULL && ret_bytes != NULL && ret_size != NULL);
    if (size - *at < GR_ASIDE_HEADER_BYTES) {
        return false;
    }
    size_t item = get(aside + *at, 4);
    size_t begin = *at + GR_ASIDE_HEADER_BYTES;
    if (item > size - begin) {
        return false;
    }
    *ret_sequence = get(aside + *at + 4, 8);
    *ret_bytes = aside + begin;
    *ret_size = item;
    *at = begin + item;
    return true;
}

bool gr_aside_find(const uint8_t *aside, size_t size, uint64_t sequence, const uint8_t **ret_bytes,
                   size_t *ret_size)
{
    assert(ret_bytes != NULL && ret_size != NULL);
    size_t at = 0;
    uint64_t of;
    while (gr_aside_next(aside, size, &at, &of, ret_bytes, ret_size)) {
        if (of == sequence) {
            return true;
        }
    }
    return false;
}
