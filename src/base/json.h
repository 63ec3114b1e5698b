// Thin helpers over jansson for `-o json`: whole numbers and scaled decimals written exactly, keys
// in the order they were set, one final newline, write errors seen.
//
// The setters return 0 or -ENOMEM (an object or array that is NULL for lack of memory gives -ENOMEM
// too), and nothing else, so that a caller may `|=` the results of many and look once.
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

// Sets `key` to a text. Bytes that are not valid UTF-8 become '?'.
int gr_json_set_text(json_t *object, const char *key, struct gr_slice text);

// Sets `key` to a whole number, exactly.
int gr_json_set_int(json_t *object, const char *key, int64_t value);

// Sets `key` to value / 10^digits, written as the shortest decimal ("19.45", "80"); digits at most
// GR_NUMBER_DIGITS_MAX. More than 15 significant digits are more than a reader's double holds: such
// a value is written as a whole number, rounded half away from zero.
int gr_json_set_decimal(json_t *object, const char *key, int64_t value, unsigned digits);

// Sets `key` to true or false.
int gr_json_set_bool(json_t *object, const char *key, bool value);

// Sets `key` to null: not known.
int gr_json_set_null(json_t *object, const char *key);

// Sets `key` to `value`, whose ownership moves even on failure (NULL is a lack of memory).
int gr_json_set(json_t *object, const char *key, json_t *value);

// Appends `value` to an array; ownership as gr_json_set.
int gr_json_append(json_t *array, json_t *value);

// A text value as gr_json_set_text would set; the caller owns it; NULL if there is no memory.
json_t *gr_json_text(struct gr_slice text);

// Writes the document (borrowed) indented by two, reals with at most 15 significant digits, a
// newline at its end, and flushes. Returns 0 or -errno with "write NAME: ...": a full disk or
// closed pipe, for which the exit code is GR_EXIT_FAILED. Blocks while writing.
int gr_json_write(const json_t *root, FILE *file, const char *name, struct gr_err *err);
