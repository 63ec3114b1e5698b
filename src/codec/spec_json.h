// A job's spec as JSON: what the API takes and gives, and what job files are inside.
// docs/formats/job.md is its reference.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "model/spec.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of a field's path in errors ("requeue.on[2]"), NUL included.
#define GR_SPEC_FIELD_SIZE 128

// What reading needs. Caller's memory, zeroed but for what is wanted.
struct gr_spec_input {
    struct gr_arena *arena; // where what the spec points to goes; the caller resets it
    const char *name;       // stands for the file in errors; NULL: errors say no place
    // An absolute folder at which relative paths begin (directory, image, secrets); NULL: they are
    // refused.
    const char *base;
    char field[GR_SPEC_FIELD_SIZE]; // out: which field a failure is about; "" if none
};

// Reads a spec from JSON that is exactly these bytes. Strict: unknown keys (with what may have been
// meant), keys given twice, wrong types, values out of their range; all at once never, the first
// one. null is as if the key were not there. What it gives passed gr_spec_wrong; user and group are
// 0, for the caller to set. It points to the arena only, not to the bytes. Returns 0; -EINVAL with
// "NAME:LINE:COLUMN: FIELD: what was found and what is expected"; -ENOMEM (the arena's limit too).
// *ret_spec is untouched on failure.
int gr_spec_from_json_bytes(struct gr_spec_input *input, const char *bytes, size_t size,
                            struct gr_spec *ret_spec, struct gr_err *err);
// As gr_spec_from_json_bytes, from jansson's tree, and slower. Errors say no place.
int gr_spec_from_json(struct gr_spec_input *input, const json_t *object, struct gr_spec *ret_spec,
                      struct gr_err *err);

// The directory of a spec that was read from `directory: new`: "", and this very pointer, so that
// gr_spec_to_json says `new` again where somebody else (granary submit) has another default.
extern const char gr_spec_new[];

// What gr_spec_to_json leaves out unless asked; bits.
enum gr_spec_show {
    GR_SPEC_SHOW_ENV = 1u << 0,     // the environment
    GR_SPEC_SHOW_SECRETS = 1u << 1, // names and files of secrets
};

// A spec as a JSON object that gr_spec_from_json reads back as the same spec (but for user and
// group, and what `show` leaves out). Fields that have their default are left out. The caller owns
// it; NULL if there is no memory.
json_t *gr_spec_to_json(const struct gr_spec *spec, uint32_t show);

// The JSON schema (2020-12) of a spec, from the same table. The caller owns it; NULL if there is no
// memory.
json_t *gr_spec_schema(void);
