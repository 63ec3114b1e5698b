// What follows a commit without holding it up: the head file's sync, and checkpoints, both in a
// thread of their own. For this folder only.
#pragma once

#include "journal/head.h"
#include "journal/store.h"

struct gr_settler; // opaque

// Starts the thread, with a connection of its own. `head` is borrowed; `log_bytes` is the size of
// the log at which a checkpoint is made. `failed` is called in the thread, once, when something
// failed for good: the process must stop. Returns 0 or -errno.
int gr_settler_start(const char *dir, struct gr_head *head, uint64_t log_bytes,
                     void (*failed)(void *context, const struct gr_err *err), void *context,
                     struct gr_settler **ret_settler, struct gr_err *err);
// Stops the thread after what it is doing, syncs the head if that was due. NULL is allowed.
void gr_settler_stop(struct gr_settler *settler);

// The writer calls these around each transaction: the end of a checkpoint needs a moment without
// one. Enter blocks for that moment.
void gr_settler_enter(struct gr_settler *settler);
// See gr_settler_enter. `log_pages` is the length of the log after it, `has_head` whether the head
// file was written.
void gr_settler_leave(struct gr_settler *settler, uint64_t log_pages, bool has_head);
