// A document of texts, numbers, lists and mappings as a tree, whatever it was written in: what
// schemas (codec/spec_fields.h) read from. Every value knows where it stood.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/yaml.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

// Deepest nesting, most entries of one list or mapping, and most values of a whole document.
#define GR_VALUE_DEPTH_MAX 16
#define GR_VALUE_CHILDREN_MAX 10000
#define GR_VALUES_MAX 32768

// What a value is.
enum gr_value_type {
    GR_VALUE_NULL,
    GR_VALUE_BOOL,   // text: true or false
    GR_VALUE_NUMBER, // text: as it was written
    GR_VALUE_TEXT,   // valid UTF-8 without NUL
    GR_VALUE_WORD,   // a scalar of YAML: a text, number or anything that a text can say
    GR_VALUE_LIST,
    GR_VALUE_MAP,
};

// A value: an entry of a mapping (then it has a key), an item of a list, or the root. In an arena.
struct gr_value {
    enum gr_value_type type;
    uint32_t count;         // of the entries or items
    uint32_t line;          // where it stands, from 1; 0: not known, or only its offset
    uint32_t column;        // in characters from 1; with line 0 the offset in the bytes
    uint32_t key_line;      // where its key stands
    uint32_t key_column;    // the same
    struct gr_slice text;   // of a scalar; borrowed from the document's bytes or in the arena
    struct gr_slice key;    // the same; no text at all where there is none
    struct gr_value *first; // of the entries or items, in their order; NULL if none
    struct gr_value *next;  // entry or item of the same parent
};

// A document.
struct gr_document {
    const char *name;      // stands for the file in errors; NULL: errors say no place
    const char *bytes;     // that offsets are in; NULL if lines are known, or nothing is
    size_t size;           // of bytes
    struct gr_value *root; // in the arena
};

// Reads JSON (RFC 8259) that is exactly these bytes: one value, nothing but blanks around it. They
// are borrowed for as long as the document is used; values go to the arena. Refused, -EINVAL with
// the place: what is no JSON, invalid UTF-8, NUL in a text (\u0000), halves of surrogate pairs, the
// limits above. Keys that come twice are the reader's to find. -ENOMEM; *ret_document is untouched
// on failure. `name`: see struct gr_document.
int gr_document_read_json(const char *name, const char *bytes, size_t size, struct gr_arena *arena,
                          struct gr_document *ret_document, struct gr_err *err);
// As gr_document_read_json, from a tree of jansson's, which is borrowed as the bytes are. No value
// has a place.
int gr_document_take_json(const json_t *json, struct gr_arena *arena,
                          struct gr_document *ret_document, struct gr_err *err);
// As gr_document_read_json, from a file of YAML, which is borrowed as the bytes are. All scalars
// are words.
int gr_document_take_yaml(const char *name, const struct gr_yaml *yaml, struct gr_arena *arena,
                          struct gr_document *ret_document, struct gr_err *err);

// An error about a value (or its key): "NAME:LINE:COLUMN: " as far as known, and the formatted
// text. `value` may be NULL: no place. Returns -EINVAL.
int gr_document_fail(const struct gr_document *document, const struct gr_value *value, bool at_key,
                     struct gr_err *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

// The entry of a mapping with this key, or NULL; of a value that is no mapping: NULL. Borrowed.
const struct gr_value *gr_value_find(const struct gr_value *mapping, struct gr_slice key);
// Whether the value is, or can be read as, a text.
static inline bool gr_value_is_text(const struct gr_value *value)
{
    return value->type == GR_VALUE_TEXT || value->type == GR_VALUE_WORD;
}
// Whether it is a text or a number.
static inline bool gr_value_is_scalar(const struct gr_value *value)
{
    return gr_value_is_text(value) || value->type == GR_VALUE_NUMBER;
}
