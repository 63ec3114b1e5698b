// The writer's lock: one writer a directory. For this folder only.
//
// A record lock (fcntl) on DIR/lock keeps other processes out: it ends with the process, and a
// child that was forked without exec does not inherit it, as it would a flock. Within the process,
// where record locks do not conflict, a list of the directories that are held does the same.
#pragma once

#include "base/err.h"

#include <stdbool.h>

struct gr_lock; // opaque; a lock that is held

// Takes the lock of the directory, whose lock file is made if it is not there. Does not block.
// Returns 0; -EBUSY if it is held, by this process or another; -errno.
int gr_lock_take(const char *dir, struct gr_lock **ret_lock, struct gr_err *err);
// Gives it back. NULL is allowed.
void gr_lock_free(struct gr_lock *lock);
// Whether some process, or this one, holds the lock now. Errors count as yes.
bool gr_lock_is_held(const char *dir);
