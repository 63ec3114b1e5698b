// A recording: what a live pool did, as one file that replay repeats (docs/formats/trace.md,
// "Recordings"). It holds how the pool's core decided, the state before its first fact (none: the
// empty pool), and the facts as bytes. It names no user: facts have pseudonyms only.
//
//     granary trace 1\n
//     KEY VALUE\n                     policy, queue, seed, learn-mix, first, last, digest, state,
//                                     facts, and "limit NAME" for each limit of the core
//     \n
//     the state's bytes, the facts' bytes
//     BLAKE2b-256 of everything before
//
// Must never take a file for whole that was cut off or changed.
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "core/core.h"

#include <stdint.h>
#include <stdio.h>

// How a recording begins.
#define GR_RECORDING_MAGIC "granary trace 1\n"
// Largest file.
#define GR_RECORDING_BYTES_MAX ((size_t)4 << 30)

// A recording in memory. Bytes are owned by it when it was read.
struct gr_recording {
    struct gr_core_config config; // the policy's name is static memory
    uint64_t first, last;         // sequences of the facts
    uint8_t digest[GR_HASH_SIZE]; // of the core's state after the last fact
    const uint8_t *state;         // as gr_core_save wrote it; NULL: the empty pool
    size_t state_size;            // bytes
    const uint8_t *facts;         // packed, one after the other
    size_t facts_size;            // bytes
    void *memory;                 // what they lie in, or NULL
};

// True if the file begins as a recording does. False if it cannot be read, too.
bool gr_recording_is(const char *path);
// Reads and checks the file. Returns 0 and a recording that gr_recording_done gives back; -EINVAL
// with "PATH: ..." for what is none, was cut off or changed, or is of another release; other
// -errno. Blocks while reading.
int gr_recording_read(const char *path, struct gr_recording *ret_recording, struct gr_err *err);
// As gr_recording_read from bytes in memory, which are borrowed; `name` stands for the file.
int gr_recording_read_bytes(const char *name, const uint8_t *bytes, size_t size,
                            struct gr_recording *ret_recording, struct gr_err *err);
// Writes a recording to a stream. Returns 0 or -errno of the stream.
int gr_recording_write(const struct gr_recording *recording, FILE *file);
// Gives back its bytes. Safe on a zeroed one.
void gr_recording_done(struct gr_recording *recording);
// A core as it was before the first fact, deciding as it did then but for `config` (NULL: the
// recording's own). Errors as gr_core_new and gr_core_load.
int gr_recording_core(const struct gr_recording *recording, const struct gr_core_config *config,
                      struct gr_core **ret_core, struct gr_err *err);
