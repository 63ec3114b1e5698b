// A set of names: each distinct text is stored once and has a number, in order of first sight.
//
// Reading a trace meets the same model, user and queue over and over; this keeps one copy. Memory
// grows with the distinct names only. Never compares by locale, never changes a text.
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

// "There is no such name".
#define GR_NAMES_NONE UINT32_MAX

// Caller's memory; zeroed, or after gr_names_done, it is an empty set.
struct gr_names {
    const char **texts; // [count], NUL-terminated, owned by the set; they do not move
    size_t count;
    size_t room;     // of texts
    uint32_t *slots; // hash table of indexes + 1; 0 is free
    size_t slot_count;
    struct gr_names_chunk *chunks; // where the texts lie
};

// The number of `text`, which is added (copied) if it is new. A text with a NUL inside is asserted
// against: the CSV reader refuses those. Returns 0, or -ENOMEM with the set unchanged.
int gr_names_add(struct gr_names *names, struct gr_slice text, uint32_t *ret_index,
                 struct gr_err *err);

// The number of `text`, or GR_NAMES_NONE. Never fails.
uint32_t gr_names_find(const struct gr_names *names, struct gr_slice text);

// Stores a copy of `text` without making it a member: for names that need no number and may be
// many. The copy lives as long as the set. Returns 0 or -ENOMEM.
int gr_names_keep(struct gr_names *names, struct gr_slice text, const char **ret_text,
                  struct gr_err *err);

// Gives back all memory and makes the set empty. Safe on a zeroed set.
void gr_names_done(struct gr_names *names);
