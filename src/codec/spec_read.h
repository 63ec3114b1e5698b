// Reading a spec from a document, whatever it was written in; for spec_*.c only.
#pragma once

#include "codec/spec_fields.h"
#include "codec/spec_json.h"
#include "codec/value.h"

// What reading one spec needs.
struct gr_spec_reader {
    struct gr_spec_input *input;            // the caller's; its field is set on failure
    const struct gr_document *document;     // where the value is from, for errors
    const struct gr_value *const *siblings; // earlier jobs of the file; NULL if it holds only one
    uint32_t sibling_count;
    struct gr_spec spec;               // made so far
    const struct gr_spec_field *outer; // field that is being read, or the group that it is in
    const struct gr_spec_field *inner; // field of the group; NULL outside of groups
    struct gr_slice item;              // key of the entry that is being read; no text: none
    int64_t index;                     // of the item that is being read; -1: none
    uint64_t seen;                     // outermost fields given, bit i for gr_spec_fields[i]
    uint32_t seen_inner;               // fields given of the group that is being read
    bool is_fraction;                  // devices were given as a part of one
    int64_t array_last;                // last index, once it is known
    struct gr_err *err;                // never NULL
};

// Reads the mapping `root` into *ret_spec. reader->input, document, siblings and err are set, the
// rest is zero. As gr_spec_from_json_bytes, of which it is the larger half.
int gr_spec_read(struct gr_spec_reader *reader, const struct gr_value *root,
                 struct gr_spec *ret_spec);

// Reads one value into the field's place, for fields that are no group. 0, -EINVAL or -ENOMEM, with
// the text.
int gr_spec_read_field(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                       const struct gr_value *value);

// The texts among gr_spec_read_field's: names, paths, commands, environments, kinds.
int gr_spec_read_text(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                      const struct gr_value *value);
// The text form of an array, as gr_spec_read_field.
int gr_spec_read_range(struct gr_spec_reader *reader, const struct gr_value *value);
// The jobs to wait for, as gr_spec_read_field.
int gr_spec_read_after(struct gr_spec_reader *reader, const struct gr_value *value);
// Which of the words (NULL-terminated) the value is, as gr_spec_read_field.
int gr_spec_read_word(struct gr_spec_reader *reader, const struct gr_value *value,
                      const char *const *words, uint32_t *ret_index);

// An error about a value: the field's path and the formatted text. Returns -EINVAL.
int gr_spec_read_fail(struct gr_spec_reader *reader, const struct gr_value *value, const char *fmt,
                      ...) __attribute__((format(printf, 3, 4)));
// "found X, expected WHAT" about a value. Returns -EINVAL.
int gr_spec_read_unlike(struct gr_spec_reader *reader, const struct gr_value *value,
                        const char *what);
// Lack of memory. Returns -ENOMEM.
int gr_spec_read_memory(struct gr_spec_reader *reader);
