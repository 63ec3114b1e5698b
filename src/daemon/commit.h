// Group commit: gathers facts while the group before is on its way to the disk, and holds back
// whatever may only happen once they are durable.
//
// Facts were checked and applied to the core already; nobody outside sees anything of them before
// the journal has them: replies and effects are handed over as "then" and run in order when their
// group is durable. One thread.
#pragma once

#include "base/err.h"
#include "core/event.h"
#include "journal/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How soon a disk that was full is tried again, in milliseconds.
#define GR_COMMIT_AGAIN_MS 200

struct gr_commit; // opaque

// What is told when a group became durable, before its thens run.
struct gr_commit_watcher {
    void *context; // handed to it
    void (*durable)(void *context, const struct gr_journal_group *group);
};

// Begins at the journal's end. The journal is borrowed until close.
int gr_commit_open(struct gr_journal *journal, const struct gr_commit_watcher *watcher,
                   struct gr_commit **ret_commit, struct gr_err *err);
// What was not handed over is lost; thens do not run. No group may be on its way, for the journal
// reads its bytes: flush first, or close the journal first. NULL is allowed.
void gr_commit_close(struct gr_commit *commit);

// Adds a fact that the core has applied. Lack of memory is kept and told by gr_commit_run: the
// process must end then, for the core knows what the journal does not.
void gr_commit_fact(struct gr_commit *commit, const struct gr_event *event);
// Adds bytes to the aside, as belonging to the fact with this sequence.
void gr_commit_aside(struct gr_commit *commit, uint64_t sequence, const void *bytes, size_t size);
// Runs `then` when everything added so far is durable: at the next gr_commit_run, or at once if it
// is already (never before this returns, except then).
void gr_commit_then(struct gr_commit *commit, void (*then)(void *context, uint64_t value),
                    void *context, uint64_t value);
// Hears from the journal, runs what may run, hands the next group over. Does not block. 0; -ENOSPC
// while the disk is full (everything is kept; call again later); any other error is final.
int gr_commit_run(struct gr_commit *commit, struct gr_err *err);
// Lets facts gather: from now on a group is handed over no sooner than `ns` nanoseconds after the
// one before became durable, unless it is large already. 0, as at first: as soon as can be.
void gr_commit_gather(struct gr_commit *commit, int64_t ns);
// For how many nanoseconds facts are held back for the sake of gr_commit_gather alone, at least 1
// if they were when gr_commit_run was called last; 0: none are.
int64_t gr_commit_gather_ns(const struct gr_commit *commit);
// Whether a group is on its way to the disk.
bool gr_commit_is_sending(const struct gr_commit *commit);
// As gr_commit_run, until nothing is left. Blocks.
int gr_commit_flush(struct gr_commit *commit, struct gr_err *err);

// The disk is full: no new facts should be made.
bool gr_commit_is_full(const struct gr_commit *commit);
// Bytes that wait to be durable.
size_t gr_commit_bytes(const struct gr_commit *commit);
// Sequence up to which everything is durable.
uint64_t gr_commit_durable(const struct gr_commit *commit);
// Bytes that waited so far, and groups that became durable, since the start; for metrics.
void gr_commit_counts(const struct gr_commit *commit, uint64_t *ret_groups, uint64_t *ret_bytes);
