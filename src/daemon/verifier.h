// Verifies the whole journal beside the daemon, once after its start: what lies before the newest
// snapshot is not read by a start.
//
// A child process does it, with the least priority, at a bounded rate, by a connection of its own.
// It is forked while the daemon is small and has one thread, and waits until it is told to begin.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct gr_verifier; // opaque

// How far it is. Texts of `state` are those of docs/api.
struct gr_verified {
    enum {
        GR_VERIFIED_NOT = 0, // it has not begun
        GR_VERIFIED_RUNS,
        GR_VERIFIED_GOOD,
        GR_VERIFIED_DAMAGED, // the journal is: `text` says where, and what to do
        GR_VERIFIED_FAILED,  // nobody knows: `text` says why
    } state;
    uint64_t at, last; // sequence that was reached, and the last one of when it began
    char text[1024];   // ""
};

// Forks the child for the journal in this state directory; it waits. Must be called while the
// process has one thread. Returns 0 or -errno.
int gr_verifier_open(const char *state_dir, struct gr_verifier **ret_verifier, struct gr_err *err);
// Lets it begin.
void gr_verifier_begin(struct gr_verifier *verifier);
// Readable when gr_verifier_hear has something; -1: it is over. Borrowed.
int gr_verifier_fd(const struct gr_verifier *verifier);
// Takes in what the child said. True, once: it is over.
bool gr_verifier_hear(struct gr_verifier *verifier);
// What is known. NULL is allowed: it has not begun. Borrowed.
const struct gr_verified *gr_verifier_get(const struct gr_verifier *verifier);
// A state as a word: "not-begun", "running", "good", "damaged", "failed".
const char *gr_verified_name(const struct gr_verified *verified);
// Ends the child and waits for it. NULL is allowed.
void gr_verifier_close(struct gr_verifier *verifier);
