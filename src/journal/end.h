// The journal's end as a writer finds it: is it all there, and is it ours? For this folder only.
#pragma once

#include "journal/store.h"

// Reads the state and the tip and compares them with the head file, and the last group with its
// hash. A head that is missing is taken for good only if no writer ever opened the journal, or if
// `no_head` says so. Returns 0 and the state, the tip with the epoch of its group, and the head
// (zeros if there is none); -EBADMSG with the sequences and what to do; -errno.
int gr_end_check(const char *dir, sqlite3 *db, bool no_head, struct gr_store_state *ret_state,
                 struct gr_journal_tip *ret_tip, struct gr_journal_tip *ret_head,
                 struct gr_err *err);
