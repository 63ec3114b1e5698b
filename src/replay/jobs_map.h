// Which column of a jobs file is which field of a job, in which unit, and what stands for a blank.
//
// Written on the command line as entries joined by ',': FIELD=COLUMN[:UNIT] names the column,
// FIELD=default:VALUE[:UNIT] what to take where the file has no such column or the field is blank.
// Both may be given for one field.
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The fields. Their words, units and ranges are in gr_jobs_fields.
enum gr_jobs_field {
    GR_JOBS_NAME,
    GR_JOBS_SUBMIT,
    GR_JOBS_DURATION,
    GR_JOBS_END,
    GR_JOBS_LIMIT,
    GR_JOBS_TASKS,
    GR_JOBS_DEVICES,
    GR_JOBS_MILLI,
    GR_JOBS_KIND,
    GR_JOBS_CPU,
    GR_JOBS_CPU_PER_DEVICE,
    GR_JOBS_MEMORY,
    GR_JOBS_MEMORY_PER_DEVICE,
    GR_JOBS_USER,
    GR_JOBS_QUEUE,
    GR_JOBS_USE,
    GR_JOBS_PRIORITY,
    GR_JOBS_DOMAIN,
    GR_JOBS_CHECKPOINT,
};
#define GR_JOBS_FIELDS 19

// Bytes of a column's name or a default's text in a map, NUL included.
#define GR_JOBS_TEXT_SIZE 128

// The latest time and longest duration that a file may state: the end of the year 9999.
#define GR_JOBS_TIME_MAX_MS 253402300799999

// A unit: its word, and what one of it is in the field's own unit (ms, milli, MiB).
struct gr_jobs_unit {
    const char *word; // NULL ends a list
    int64_t factor;   // at least 1
};

// What a field is. All memory is static.
struct gr_jobs_field_info {
    const char *word;                 // in the map, and the column's name where no map is given
    const struct gr_jobs_unit *units; // the first holds where none is named; NULL: not a number
    int64_t low, high;                // in the field's own unit
    const char *help;                 // one phrase
};

// The fields, by number.
extern const struct gr_jobs_field_info gr_jobs_fields[GR_JOBS_FIELDS];

// Where one field comes from.
struct gr_jobs_source {
    char column[GR_JOBS_TEXT_SIZE]; // "": none
    unsigned unit;                  // of the column: index into the field's units
    bool has_default;               // value or text is used where the column is blank or missing
    int64_t value;                  // the default of a number, use or time
    char text[GR_JOBS_TEXT_SIZE];   // the default of a name, kind, user or queue
};

// A whole map. Caller's memory.
struct gr_jobs_map {
    struct gr_jobs_source sources[GR_JOBS_FIELDS];
};

// Reads a map from its text. Returns 0; -EINVAL with a text that quotes the entry that is wrong and
// says what was expected; *ret_map is untouched then. An entry given twice is refused.
int gr_jobs_map_parse(const char *text, struct gr_jobs_map *ret_map, struct gr_err *err);

// Reads the value of a field that is not a name, kind, user or queue: a number in the unit `unit`
// (index into the field's units), for GR_JOBS_USE a word (enum gr_use), for GR_JOBS_DURATION also
// "forever" (GR_TRACE_FOREVER), for GR_JOBS_SUBMIT and GR_JOBS_END also `YYYY-MM-DD HH:MM:SS` (UTC,
// a 'T' may stand for the blank). Times come out in ms. Returns 0, or -EINVAL without a text: the
// caller knows the place, gr_jobs_expected the rest.
int gr_jobs_value(enum gr_jobs_field field, unsigned unit, struct gr_slice text,
                  int64_t *ret_value);

// Whether the text has the form of a date: digits and a '-' after the fourth.
bool gr_jobs_is_date(struct gr_slice text);

// What gr_jobs_value takes, as a phrase for errors, into the caller's `buffer`. Returns `buffer`.
const char *gr_jobs_expected(enum gr_jobs_field field, unsigned unit, char *buffer, size_t size);
