// Verifying with a choice: see gr_journal_verify. For this folder only.
#pragma once

#include "journal/journal.h"

// As gr_journal_verify; with `no_head`, a head file that is missing is taken for good: its owner
// chose to go on with what is there.
int gr_verify(const char *dir, bool no_head,
              void (*progress)(void *context, uint64_t at, uint64_t last), void *context,
              struct gr_journal_verified *ret_verified, struct gr_err *err);
