// The core as the journal left it: newest good snapshot, then the journal's tail. The same way is
// gone at a start, for the next snapshot, and by the offline commands.
#pragma once

#include "base/err.h"
#include "core/core.h"
#include "journal/journal.h"

#include <stdint.h>

// What recovery did, and whom it tells.
struct gr_recovery {
    // Told of each fact of the tail that ends a job, before it is applied; may be NULL.
    void (*fact)(void *context, const struct gr_core *core, const struct gr_event *event);
    // Told now and then how far it is; may be NULL.
    void (*progress)(void *context, uint64_t at, uint64_t last);
    void *context;                        // handed to both
    const struct gr_journal_group *group; // out, for `fact`: what the fact came in, with its aside
    uint64_t until;                       // apply no group that ends after this sequence; 0: all
    uint64_t before;                      // begin with a snapshot of an earlier fact; 0: any
    uint64_t snapshot;                    // out: sequence of the snapshot it began with; 0: none
    uint64_t sequence;                    // out: of the last fact
    uint8_t hash[GR_HASH_SIZE];           // out: of the last group
    char passed[512];                     // out: snapshots that were passed over, one a line
};

// Makes a core and brings it to the journal's end (or as far as `until` says). A journal that is
// not there or empty gives an empty core. -EBADMSG with the sequence and what to do if a group does
// not chain, a fact cannot be read or the core refuses it; -ENODATA if the journal does not reach
// back to where the core would begin. Blocks.
int gr_recover(const char *state_dir, const struct gr_core_config *config,
               struct gr_recovery *recovery, struct gr_core **ret_core, struct gr_err *err);
// As gr_recover, then writes a snapshot of what it found, unless there is one of that sequence.
int gr_recover_and_save(const char *state_dir, const struct gr_core_config *config,
                        struct gr_recovery *recovery, struct gr_err *err);
