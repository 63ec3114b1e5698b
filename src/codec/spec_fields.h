// The fields of a job file: one table for reading and writing, in YAML and JSON, and for the
// reference in docs/formats/job.md.
#pragma once

#include "base/slice.h"
#include "model/spec.h"

#include <stddef.h>
#include <stdint.h>

// What a field holds and how people write it.
enum gr_spec_type {
    GR_SPEC_TEXT,      // a text; const char *
    GR_SPEC_PATH,      // the same, a path that may begin at the folder of the job file
    GR_SPEC_DIRECTORY, // the same, or `new`, which is stored as ""
    GR_SPEC_COMMAND,   // a list of texts, or a text for /bin/sh -c; struct gr_spec_texts
    GR_SPEC_SCRIPT,    // a text that is a program of its own; into the command
    GR_SPEC_MAP,       // names and texts; struct gr_spec_texts of "NAME=TEXT"
    GR_SPEC_FILES,     // names and paths; the same
    GR_SPEC_KIND,      // a text or a list of names; const char *
    GR_SPEC_WHOLE,     // a whole number from low to high; uint32_t
    GR_SPEC_THOUSAND,  // a decimal number with three places; uint32_t, in thousandths
    GR_SPEC_DEVICES,   // a whole number, or a fraction of one; devices and milli
    GR_SPEC_MEMORY,    // a size; uint32_t, in MiB
    GR_SPEC_TIME,      // a duration; int64_t, in milliseconds
    GR_SPEC_SIGNAL,    // a signal's name or number; uint32_t
    GR_SPEC_WORD,      // one of words; uint32_t, its index
    GR_SPEC_BITS,      // a list of words; uint32_t, bit i for word i, other bits left alone
    GR_SPEC_FLAG,      // true or false; uint32_t, the bits of `high`
    GR_SPEC_OCTAL,     // octal digits in a text; uint32_t
    GR_SPEC_AFTER,     // jobs and how they must end; struct gr_spec_after
    GR_SPEC_ARRAY,     // fields of its own, or a text such as 1-100:2%5
    GR_SPEC_LAST,      // the last index of an array; with first and step makes the count
    GR_SPEC_GROUP,     // a mapping with fields of its own
};

// One field. Static memory.
struct gr_spec_field {
    const char *name;                   // in files
    size_t name_size;                   // its bytes
    enum gr_spec_type type;             // see there
    size_t at;                          // where it is in struct gr_spec
    int64_t low, high;                  // of numbers
    const char *const *words;           // of GR_SPEC_WORD and GR_SPEC_BITS; NULL-terminated
    const struct gr_spec_field *fields; // of a group or array; ended by one without a name
    const char *value;                  // how it is written, for people
    const char *help;                   // one sentence or two
};

// All fields, in the order in which they are written; ended by one without a name.
extern const struct gr_spec_field gr_spec_fields[];
// The words for enum gr_after, NULL-terminated.
extern const char *const gr_spec_after_words[];
// The words for enum gr_use, NULL-terminated.
extern const char *const gr_spec_use_words[];

// What somebody who wrote `key` may have meant: a field for a word of other systems ("gpus"), as a
// phrase in quotes ("'devices'"), or NULL. Static memory.
const char *gr_spec_other_word(struct gr_slice key);
