// The catalogue: what is known of each accelerator variant, from a CSV file
// (docs/formats/catalogue.md says what the columns mean).
//
// Unknown is not zero: each fact has a validity bit, and a fact without it is never read. Facts are
// exact integers scaled by 10^digits (gr_fact_info). Two facts are computed: FLOP per byte of
// memory traffic and performance density; they are unknown where a fact that they need is.
#pragma once

#include "base/csv.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/limits.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// A number that may be known of a variant.
enum gr_fact {
    GR_FACT_YEAR,      // of release
    GR_FACT_MEMORY,    // GiB as the maker prints it
    GR_FACT_BANDWIDTH, // of the memory, GB/s
    GR_FACT_FP16,      // dense peak rates, 10^12 operations a second, a multiply-add being two
    GR_FACT_FP8,
    GR_FACT_INT8,
    GR_FACT_FP4,
    GR_FACT_LINK,  // chip to chip, both directions added, GB/s
    GR_FACT_TDP,   // W
    GR_FACT_TPP,   // total processing performance: largest of rate x bit length
    GR_FACT_DIE,   // area of all logic dies of a non-planar process, mm2
    GR_FACT_PRICE, // of purchase, USD, indicative
    // computed, not columns of the file:
    GR_FACT_DENSITY,       // TPP / die area
    GR_FACT_FLOP_PER_BYTE, // FP16 rate / bandwidth
    GR_FACT_COUNT,
};

// The facts that are columns of the file come first.
#define GR_FACT_READ_COUNT GR_FACT_DENSITY

// What a fact is called and which values are possible.
struct gr_fact_info {
    const char *name; // its column, and its key in JSON
    const char *word; // short name on the command line: "memory"
    const char *unit; // "GiB", or ""
    const char *text; // what it is, for people: "memory bandwidth"
    unsigned digits;  // scale: the value is the number times 10^digits
    int64_t low;      // smallest possible, scaled
    int64_t high;     // greatest possible, scaled
};

// The table of facts, indexed by enum gr_fact. Static memory.
const struct gr_fact_info *gr_fact_info(enum gr_fact fact);

// A text that may be known of a variant; "" is unknown. Those marked as lists hold words separated
// by ';' (gr_variant_next).
enum gr_variant_text {
    GR_VARIANT_ID,           // never changes, never blank
    GR_VARIANT_NAMES,        // list: what users call it; the first is shown
    GR_VARIANT_VENDOR,       // never blank
    GR_VARIANT_MODEL,        // never blank
    GR_VARIANT_ARCHITECTURE, // the maker's word
    GR_VARIANT_FORM,         // form factor
    GR_VARIANT_MEMORY_TYPE,
    GR_VARIANT_LINK_TYPE,
    GR_VARIANT_TPP_BASIS, // the rate that gave the TPP: fp16, fp8, int8, fp4, or analyst
    GR_VARIANT_SHARING,   // list: what the hardware offers for sharing it
    GR_VARIANT_UNCERTAIN, // list: columns not to rely on, or "all"
    GR_VARIANT_SOURCES,   // list: codes of data/sources.csv
    GR_VARIANT_NOTE,
    GR_VARIANT_TEXT_COUNT,
};

// How far a row is to be trusted.
enum gr_confidence {
    GR_CONFIDENCE_HIGH,   // the maker's document, or two independent sources agree
    GR_CONFIDENCE_MEDIUM, // one good source, or derived
    GR_CONFIDENCE_LOW,    // press, wiki, or mixed
};

// The words for enum gr_confidence, NULL-terminated. Static memory.
extern const char *const gr_confidence_words[];

// One variant. Texts are owned by its catalogue.
struct gr_variant {
    const char *text[GR_VARIANT_TEXT_COUNT]; // indexed by enum gr_variant_text, never NULL
    int64_t facts[GR_FACT_COUNT];            // read with gr_variant_get
    uint32_t known;                          // bit f: fact f is known
    uint32_t doubtful;                       // bit f: fact f is not to be relied on
    enum gr_confidence confidence;           // of the row as a whole
    bool datacentre;                         // made and sold for data centres
};
static_assert(GR_FACT_COUNT <= 32, "one bit a fact");

// A name and whose it is.
struct gr_variant_name {
    const char *name; // lower case, owned by the catalogue
    uint32_t variant; // index
};

// A catalogue. Caller's memory, filled by gr_catalogue_load, emptied by gr_catalogue_done.
struct gr_catalogue {
    struct gr_variant *variants;   // in the order of the file
    size_t count;                  // of variants
    struct gr_variant_name *names; // all ids and names, in the order of the file
    size_t name_count;             // of names
    uint32_t *name_slots;          // open hash table: index into names + 1, or 0
    char *text;                    // what all texts lie in
};

// Loads `path`, or the catalogue built into the program if `path` is NULL. Refuses, with file, line
// and column: unknown, missing or repeated columns, ids or names given twice or ill-formed, numbers
// that are impossible (docs/formats/catalogue.md has the ranges), a TPP that its rate contradicts,
// words that are not in their list. On failure (-EINVAL for content) *ret_catalogue is untouched.
// Blocks while reading.
int gr_catalogue_load(const char *path, struct gr_catalogue *ret_catalogue, struct gr_err *err);

// As gr_catalogue_load on bytes in memory, borrowed during the call; `name` stands for the file.
int gr_catalogue_load_bytes(const char *name, const char *bytes, size_t size,
                            struct gr_catalogue *ret_catalogue, struct gr_err *err);

// Releases what a loaded (or zeroed) catalogue holds and zeroes it.
void gr_catalogue_done(struct gr_catalogue *catalogue);

// The index of the variant with this id or name; case is ignored. -ENOENT if there is none.
int gr_catalogue_find(const struct gr_catalogue *catalogue, struct gr_slice name);

// The known name nearest to `name`, or NULL if none is near. Borrowed from the catalogue.
const char *gr_catalogue_suggest(const struct gr_catalogue *catalogue, struct gr_slice name);

// The first of the variant's names. It is what tables show and what a user asks by.
struct gr_slice gr_variant_name(const struct gr_variant *variant);

// Reads a fact, scaled by its digits. False, and nothing stored, if it is unknown.
bool gr_variant_get(const struct gr_variant *variant, enum gr_fact fact, int64_t *ret_value);

// Whether the fact is known but marked as not to be relied on (for computed facts: one they need).
bool gr_variant_doubts(const struct gr_variant *variant, enum gr_fact fact);

// Takes the next word of a list text: `*rest` (start with the whole text) is shortened. False at
// the end.
bool gr_variant_next(struct gr_slice *rest, struct gr_slice *ret_word);

// Whether `text` is a well-formed id or name: 1 to GR_NAME_SIZE - 1 of a-z 0-9 . - +, the first a
// letter or digit. For kinds too.
bool gr_catalogue_is_name(struct gr_slice text);

// Writes the row as the file has it (the same columns; gr_catalogue_write_head writes their names),
// so that what is written can be loaded again. Write errors are left on the stream.
void gr_catalogue_write(const struct gr_variant *variant, FILE *file);

// Writes the first line of a catalogue file. Write errors are left on the stream.
void gr_catalogue_write_head(FILE *file);
