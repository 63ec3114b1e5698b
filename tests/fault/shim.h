// A disk that fails: an SQLite VFS, and the system calls of the journal's own files, under one
// plan.
//
// Everything below the folder that is watched goes through it, from SQLite and from the journal.
// It can make the nth operation of a kind fail, once or for ever; and it can stop at the nth, as a
// power cut does, and then make the folder that the disk would hold: each write that was not synced
// is there, not there, or torn.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Kinds of operations. GR_SHIM_ANY: whatever changes the disk, counted together.
enum gr_shim_kind {
    GR_SHIM_WRITE,
    GR_SHIM_SYNC,
    GR_SHIM_OPEN,
    GR_SHIM_TRUNCATE,
    GR_SHIM_NAME, // rename, remove, make a folder
    GR_SHIM_READ,
    GR_SHIM_MAP, // the log's index in shared memory
    GR_SHIM_ANY,
    GR_SHIM_KINDS,
};

// What is to go wrong.
struct gr_shim_plan {
    enum gr_shim_kind kind;
    uint64_t nth;     // from 1; 0: nothing fails
    bool for_ever;    // and all after it, of this kind
    int code;         // errno: EIO or ENOSPC
    bool is_power;    // a power cut at the nth of GR_SHIM_ANY: nothing works from then on
    bool is_idle;     // nothing fails and nothing is noted; syncs are left out, for speed
    const char *only; // part of the path that the operation must have; NULL: any
};

// Makes the VFS the default one, and watches the folder. Once a process.
void gr_shim_install(void);
// Begins a run: forgets all, watches this folder (borrowed), and takes the plan.
void gr_shim_begin(const char *folder, const struct gr_shim_plan *plan);
// Ends it: nothing is watched or fails. Returns whether the plan was reached.
bool gr_shim_end(void);
// Makes in the folder `to` what the disk may hold now of the folder `from`, which was watched:
// `seed` 0: nothing that was not synced; 1: all; else torn at random.
void gr_shim_remains(const char *from, const char *to, uint64_t seed);
