// An index from ids to slots: open addressing with linear probing, in memory of the caller's. For
// src/core only. It knows the low 32 bits of an id; whoever asks compares the rest.
#pragma once

#include <assert.h>
#include <stdint.h>

// An entry: the slot and enough of the id to know its home and, almost always, that it is
// another's, without a look at the row.
struct gr_ids_entry {
    uint32_t slot; // plus 1; 0: nothing here
    uint32_t low;  // of the id
};

// An index. `size` is a power of two, at least 8, and more than the slots in it.
struct gr_ids {
    struct gr_ids_entry *entries; // borrowed
    uint32_t size;
};

// Entries for this many slots: a power of two, at most half of it used.
static inline uint32_t gr_ids_size(uint32_t slots)
{
    uint32_t size = 64;
    while (size < 2 * slots) {
        size *= 2;
    }
    return size;
}

// Ids are sequence numbers: eight of a row lie side by side in one cache line, and the eights are
// scattered. Were they not, those that wait since a burst would be one long run, and each job that
// comes when the numbers have gone round once would have to pass it.
static inline uint32_t gr_ids_home(struct gr_ids ids, uint32_t low)
{
    return ((low >> 3) * 0x9e3779b1u << 3 | (low & 7)) & (ids.size - 1);
}

// The next slot whose id may have this low part, from place *at on (gr_ids_home to begin; moved
// behind what is returned); UINT32_MAX: none.
static inline uint32_t gr_ids_next(struct gr_ids ids, uint32_t low, uint32_t *at)
{
    for (uint32_t i = *at; ids.entries[i].slot != 0; i = (i + 1) & (ids.size - 1)) {
        if (ids.entries[i].low == low) {
            *at = (i + 1) & (ids.size - 1);
            return ids.entries[i].slot - 1;
        }
    }
    return UINT32_MAX;
}

// Adds a slot that is not there.
static inline void gr_ids_add(struct gr_ids ids, uint32_t low, uint32_t slot)
{
    uint32_t i = gr_ids_home(ids, low);
    while (ids.entries[i].slot != 0) {
        i = (i + 1) & (ids.size - 1);
    }
    ids.entries[i] = (struct gr_ids_entry){.slot = slot + 1, .low = low};
}

// Removes a slot that is there, and moves later entries back, so that no search ends too early
// (Knuth, TAOCP 3, 6.4, algorithm R).
static inline void gr_ids_remove(struct gr_ids ids, uint32_t low, uint32_t slot)
{
    uint32_t mask = ids.size - 1;
    uint32_t hole = gr_ids_home(ids, low);
    while (ids.entries[hole].slot != slot + 1) {
        assert(ids.entries[hole].slot != 0);
        hole = (hole + 1) & mask;
    }
    for (uint32_t i = (hole + 1) & mask; ids.entries[i].slot != 0; i = (i + 1) & mask) {
        uint32_t home = gr_ids_home(ids, ids.entries[i].low);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            ids.entries[hole] = ids.entries[i];
            hole = i;
        }
    }
    ids.entries[hole] = (struct gr_ids_entry){0};
}
