// Snapshots: files that hold the state at one sequence, so that a start need not read all history.
//
// The bytes are the caller's; the file adds a header (magic, format, sequence, hash of the
// journal's group that ends there, size) and BLAKE2b-256 over everything. A file appears whole or
// not at all: written beside, synced, renamed. Named SEQUENCE.snapshot with 20 digits.
#pragma once

#include "base/err.h"
#include "base/hash.h"

#include <stddef.h>
#include <stdint.h>

// Format of the file that this build writes.
#define GR_SNAPSHOT_FORMAT 1u

// What a snapshot stands for.
struct gr_snapshot_mark {
    uint64_t sequence;          // of the last fact in it
    uint8_t hash[GR_HASH_SIZE]; // of the journal's group that ends with that fact
};

struct gr_snapshot_writer; // opaque
struct gr_snapshot;        // opaque; an open snapshot, mapped

// Begins a snapshot in `dir`, which is made (0700) if it is not there.
int gr_snapshot_create(const char *dir, const struct gr_snapshot_mark *mark,
                       struct gr_snapshot_writer **ret_writer, struct gr_err *err);
// Adds bytes. `writer` is a struct gr_snapshot_writer: the signature suits a callback.
int gr_snapshot_write(void *writer, const void *bytes, size_t size, struct gr_err *err);
// Ends it durably and frees the writer, also on failure. Older snapshots beyond the newest `keep`
// are removed (keep >= 1).
int gr_snapshot_commit(struct gr_snapshot_writer *writer, unsigned keep, struct gr_err *err);
// Gives it up and removes what was written. NULL is allowed.
void gr_snapshot_abort(struct gr_snapshot_writer *writer);

// Opens the newest good snapshot at or before sequence `most`: size and hash are checked; a bad one
// is passed over (reported in `ret_passed`, one name a line, cut at `passed_size`; may be NULL).
// -ENOENT if there is none.
int gr_snapshot_open(const char *dir, uint64_t most, char *ret_passed, size_t passed_size,
                     struct gr_snapshot **ret_snapshot, struct gr_err *err);
// What it stands for, and its bytes; borrowed until close.
struct gr_snapshot_mark gr_snapshot_mark_get(const struct gr_snapshot *snapshot);
// See gr_snapshot_mark_get.
const uint8_t *gr_snapshot_bytes(const struct gr_snapshot *snapshot, size_t *ret_size);
// NULL is allowed.
void gr_snapshot_close(struct gr_snapshot *snapshot);
