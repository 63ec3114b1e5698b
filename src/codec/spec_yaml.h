// Job files: specs as YAML. docs/formats/job.md is the reference.
//
// A file is one job, or several under the only key `jobs`, of which a later one may wait for an
// earlier one by its name.
#pragma once

#include "codec/spec_json.h"

#include <stdbool.h>

// Jobs of one file at most.
#define GR_SPEC_FILE_MAX 1000

// Stands in gr_spec_after.job for job `index` (from 0) of the same file. Never a job's number, and
// refused by gr_spec_wrong: gr_spec_link puts the numbers in their place.
#define GR_SPEC_SIBLING(index) (UINT64_C(1) << 63 | (uint64_t)(index))

// The jobs of a file, in its order; in the arena.
struct gr_spec_file {
    struct gr_spec *specs; // at least one
    uint32_t count;        // of specs
};

// Reads a job file. Errors name file, line and column ("FILE:3:8: tasks: found '0', expected a
// whole number from 1 to 65536") and stop at the first fault. Specs passed gr_spec_wrong but for
// references to siblings. Returns 0, -EINVAL, -ENOMEM, or -errno from reading; *ret_file is
// untouched on failure. input->name is not looked at. Blocks while reading.
int gr_spec_file_read(struct gr_spec_input *input, const char *path, struct gr_spec_file *ret_file,
                      struct gr_err *err);
// As gr_spec_file_read, from bytes in memory, borrowed during the call; input->name stands for the
// file and must be given.
int gr_spec_file_read_bytes(struct gr_spec_input *input, const char *bytes, size_t size,
                            struct gr_spec_file *ret_file, struct gr_err *err);
// Whether the spec waits for a job of its own file that has no number yet.
bool gr_spec_has_sibling(const struct gr_spec *spec);
// Puts the numbers of the file's jobs, ids[0..], in the place of references to siblings. Every one
// referred to must have its number. Returns 0 or -ENOMEM.
int gr_spec_link(struct gr_spec *spec, const uint64_t *ids, struct gr_arena *arena);

// A spec as a job file that gr_spec_file_read_bytes reads back, but for control characters other
// than tab and line feed, which no job file can hold. `show` as in gr_spec_to_json. The caller
// frees it; NULL if there is no memory.
char *gr_spec_to_yaml(const struct gr_spec *spec, uint32_t show);
