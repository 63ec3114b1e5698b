// The masks that demands name by number, and the hash that finds them. See place.h, state.h.
#include "place/place.h"
#include "place/state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

// Masks are found by a hash of their words: four at a time, so that they do not wait for each
// other.
static uint32_t mask_hash(const struct gr_mask *mask)
{
    const uint64_t *words = &mask->bits[0][0];
    const uint64_t by = 0x9e3779b97f4a7c15u;
    uint64_t a = 1, b = 2, c = 3, d = 4;
    static_assert(sizeof *mask / sizeof *words % 4 == 0, "four words at a time");
    for (size_t i = 0; i < sizeof *mask / sizeof *words; i += 4) {
        a = (a ^ words[i]) * by;
        b = (b ^ words[i + 1]) * by;
        c = (c ^ words[i + 2]) * by;
        d = (d ^ words[i + 3]) * by;
    }
    uint64_t all = ((a * 3 + b) * 3 + c) * 3 + d;
    return (uint32_t)((all ^ all >> 29) * 0xd6e8feb86659fd93u >> 40);
}

// Where the mask stands in the hash table, or the free place where it would.
static uint16_t *mask_place(const struct gr_place *place, const struct gr_mask *mask)
{
    uint16_t *table = gr_at(place, place->mask_hash_at);
    uint32_t size = GR_MASK_PLACES * place->limits.masks;
    uint32_t i = mask_hash(mask) % size;
    while (table[i] != 0 && memcmp(gr_mask_at(place, table[i] - 1u), mask, sizeof *mask) != 0) {
        i = i + 1 == size ? 0 : i + 1;
    }
    return &table[i];
}

void gr_masks_rehash(struct gr_place *place)
{
    memset(gr_at(place, place->mask_hash_at), 0,
           GR_MASK_PLACES * place->limits.masks * sizeof(uint16_t));
    for (uint32_t m = 0; m < place->mask_count; m++) {
        *mask_place(place, gr_mask_at(place, m)) = (uint16_t)(m + 1);
    }
}

int gr_place_mask_find(const struct gr_place *place, const struct gr_mask *mask)
{
    assert(place != NULL && mask != NULL);
    return *mask_place(place, mask) - 1;
}

int gr_place_mask_add(struct gr_place *place, const struct gr_mask *mask)
{
    assert(place != NULL && mask != NULL);
    int known = gr_place_mask_find(place, mask);
    if (known >= 0) {
        return known;
    }
    int index = gr_place_mask_try(place, mask);
    if (index >= 0) {
        *mask_place(place, mask) = (uint16_t)(index + 1);
        place->mask_count++;
    }
    return index;
}

int gr_place_mask_try(struct gr_place *place, const struct gr_mask *mask)
{
    assert(place != NULL && mask != NULL);
    if (place->mask_count == place->limits.masks) {
        return -ENOSPC;
    }
    *gr_mask_at(place, place->mask_count) = *mask;
    return (int)place->mask_count;
}

const struct gr_mask *gr_place_mask_get(const struct gr_place *place, unsigned index)
{
    assert(index < place->mask_count);
    return gr_mask_at(place, index);
}

unsigned gr_place_mask_count(const struct gr_place *place)
{
    assert(place != NULL);
    return place->mask_count;
}
