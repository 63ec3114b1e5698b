// The specs of jobs, as bytes: a bounded cache of the newest ones before the journal's asides.
//
// A spec is found under the id of its job, or of its array's first element: elements share one.
#pragma once

#include "base/err.h"
#include "journal/journal.h"

#include <stddef.h>
#include <stdint.h>

struct gr_specs; // opaque

// Begins with an empty cache of at most `most_bytes`. The journal in `dir` is opened for reading
// when it is first asked.
int gr_specs_open(const char *dir, size_t most_bytes, struct gr_specs **ret_specs,
                  struct gr_err *err);
// NULL is allowed.
void gr_specs_close(struct gr_specs *specs);
// Keeps a copy. The oldest make room. Without memory nothing is kept, which only costs time later.
void gr_specs_put(struct gr_specs *specs, uint64_t job, const uint8_t *bytes, size_t size);
// The bytes of a job's spec (model/spec_bytes.h; without the salt), from the cache or the journal.
// Borrowed until the next call. What comes from the journal is checked against the commitment in
// the fact. Returns 0; -EBADMSG if it is not what was submitted; -ENOENT if the journal does not
// hold it (a sealed part was moved away); other -errno.
int gr_specs_get(struct gr_specs *specs, uint64_t job, const uint8_t **ret_bytes, size_t *ret_size,
                 struct gr_err *err);
