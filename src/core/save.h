// The state as bytes, for snapshots: what facts made, what the mix is, and a digest of both.
//
//     32 bytes header   "granary\0", u32 GR_SAVE_FORMAT, u32 GR_DIGEST_FORMAT, u64 size of the
//                       state, u64 size of the rest
//     state             the bytes that gr_core_digest hashes after its format, in their order: rows
//                       as they are in memory (little-endian, without padding)
//     rest              the pool's mix, and what was learned of submissions
//     32 bytes          the digest of the state
//     32 bytes          BLAKE2b-256 of header and rest
//
// Another build may have other rows: then GR_SAVE_FORMAT differs, the bytes are refused, and the
// state is made from the journal.
#pragma once

#include "core/core.h"

#include <stddef.h>

// What this build writes and reads.
#define GR_SAVE_FORMAT 3u

// Writes the state through `write`, a few large pieces and some small ones, in order. Returns 0 or
// what `write` returned when it was not 0. Changes nothing.
int gr_core_save(const struct gr_core *core,
                 int (*write)(void *context, const void *bytes, size_t size, struct gr_err *err),
                 void *context, struct gr_err *err);

// Makes a core from saved bytes. Limits, policy, seed and order come from `config`; limits may be
// larger than when it was saved. Everything derived is made anew; the candidate index by the first
// question that needs it. Returns 0 and the core, to be freed with gr_core_free; -ENOSPC with a
// text that names the limit that is too small; -EBADMSG if the bytes are not what was saved, or of
// another format; errors of gr_core_new.
int gr_core_load(const struct gr_core_config *config, const uint8_t *bytes, size_t size,
                 struct gr_core **ret_core, struct gr_err *err);
