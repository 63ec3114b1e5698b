// The environment of a task, in the making: entries "NAME=VALUE", each name once.
#pragma once

#include "base/err.h"

#include <stddef.h>

// Entries on the heap; valid when zero. `items` ends with NULL, as execve wants it.
struct gr_environment {
    char **items;
    size_t count;
    size_t room; // entries that `items` has memory for
};

// Frees all of it.
void gr_environment_done(struct gr_environment *environment);
// Sets NAME=VALUE, given whole; replaces an entry of that name. -ENOMEM, or -EINVAL if there is no
// "=" in it. Nothing is changed on failure.
int gr_environment_put(struct gr_environment *environment, const char *entry);
// As gr_environment_put for an entry whose name is known to be new: does not search.
int gr_environment_append(struct gr_environment *environment, const char *entry);
// Sets `name` to the formatted text.
int gr_environment_set(struct gr_environment *environment, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// Value of a name, or NULL. Borrowed.
const char *gr_environment_get(const struct gr_environment *environment, const char *name);
