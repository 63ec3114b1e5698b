// Kinds: the names that users ask by. A kind is a variant (`h20`) or a set of variants, either in
// order of preference or whichever is cheapest. Named sets come from a file
// (docs/formats/kinds.md); others are written where they are used (`h100|h200`).
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "model/catalogue.h"
#include "model/limits.h"

#include <stdint.h>

// Which of a kind's variants is to be taken first.
enum gr_kind_order {
    GR_KIND_LISTED,   // as listed
    GR_KIND_CHEAPEST, // whichever does the work at least cost, where and when it is asked for
    GR_KIND_FASTEST,  // whichever does the work fastest
};

// The words for enum gr_kind_order, NULL-terminated. Static memory.
extern const char *const gr_kind_order_words[];

// A resolved kind. Plain data: may be copied.
struct gr_kind {
    char name[GR_NAME_SIZE];                 // "" if it has none (`h100|h200`)
    char summary[GR_KIND_SUMMARY_SIZE];      // one line for people, or ""
    enum gr_kind_order order;                // how to choose among them
    uint16_t count;                          // of variants, at least 1
    uint16_t variants[GR_KIND_VARIANTS_MAX]; // indexes into the catalogue, as listed, each once
};

// Named kinds. Caller's memory, filled by gr_kinds_load, emptied by gr_kinds_done; zeroed: none.
struct gr_kinds {
    struct gr_kind *items; // in the order of the file
    size_t count;          // of items
};

// Loads `path`, or the file built into the program if `path` is NULL. Refuses, with file, line and
// column: everything that base/yaml.h refuses, unknown keys, unknown variants (with the nearest
// known one), variants listed twice, names that are ill-formed, given twice or a variant's. On
// failure (-EINVAL for content) *ret_kinds is untouched. Blocks while reading.
int gr_kinds_load(const char *path, const struct gr_catalogue *catalogue,
                  struct gr_kinds *ret_kinds, struct gr_err *err);

// As gr_kinds_load on bytes in memory, borrowed during the call; `name` stands for the file.
int gr_kinds_load_bytes(const char *name, const char *bytes, size_t size,
                        const struct gr_catalogue *catalogue, struct gr_kinds *ret_kinds,
                        struct gr_err *err);

// Releases what loaded (or zeroed) kinds hold and zeroes them.
void gr_kinds_done(struct gr_kinds *kinds);

// The named kind, or NULL. Case is ignored. Borrowed.
const struct gr_kind *gr_kinds_find(const struct gr_kinds *kinds, struct gr_slice name);

// Resolves what a user wrote: an id or name of a variant, the name of a kind, or several of these
// with '|' between them, in order of preference; `cheapest:` or `fastest:` before it asks for
// whichever is. Variants that come twice through sets are taken once. -EINVAL with the nearest
// known name if one is unknown, -E2BIG above GR_KIND_VARIANTS_MAX; *ret_kind is untouched then.
int gr_kind_resolve(const struct gr_catalogue *catalogue, const struct gr_kinds *kinds,
                    struct gr_slice text, struct gr_kind *ret_kind, struct gr_err *err);

// Whether the variant (an index into the catalogue) is one of the kind's.
bool gr_kind_has(const struct gr_kind *kind, size_t variant);

// Writes the kind's variants into ret_variants (kind->count of them) in the order in which they are
// to be tried: as listed, by the catalogue's purchase price, or by its FP16 rate, what is unknown
// last. Equal and unknown ones keep the listed order. Who knows better (a pool knows costs, speeds
// and what the work is) orders by that instead: speed.h.
void gr_kind_rank(const struct gr_kind *kind, const struct gr_catalogue *catalogue,
                  uint16_t *ret_variants);
