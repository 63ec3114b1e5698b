// The environment of a task: see environment.h.
#include "engine/local/environment.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gr_environment_done(struct gr_environment *environment)
{
    for (size_t i = 0; i < environment->count; i++) {
        free(environment->items[i]);
    }
    free(environment->items);
    *environment = (struct gr_environment){0};
}

// Where the entry with this name is; `count` if there is none.
static size_t entry_at(const struct gr_environment *environment, const char *name, size_t size)
{
    size_t i = 0;
    while (i < environment->count && (strncmp(environment->items[i], name, size) != 0 ||
                                      environment->items[i][size] != '=')) {
        i++;
    }
    return i;
}

// Puts an entry that is on the heap at its place; owns it.
static int entry_take(struct gr_environment *environment, size_t at, char *entry)
{
    if (entry != NULL && at == environment->count && environment->count + 2 > environment->room) {
        size_t room = environment->room == 0 ? 64 : 2 * environment->room;
        char **items = realloc(environment->items, room * sizeof *items);
        if (items == NULL) {
            free(entry);
            return -ENOMEM;
        }
        environment->items = items;
        environment->room = room;
    }
    if (entry == NULL) {
        return -ENOMEM;
    }
    if (at == environment->count) {
        environment->count++;
        environment->items[environment->count] = NULL;
    } else {
        free(environment->items[at]);
    }
    environment->items[at] = entry;
    return 0;
}

int gr_environment_put(struct gr_environment *environment, const char *entry)
{
    const char *equals = strchr(entry, '=');
    if (equals == NULL || equals == entry) {
        return -EINVAL;
    }
    size_t at = entry_at(environment, entry, (size_t)(equals - entry));
    return entry_take(environment, at, strdup(entry));
}

int gr_environment_append(struct gr_environment *environment, const char *entry)
{
    return entry_take(environment, environment->count, strdup(entry));
}

int gr_environment_set(struct gr_environment *environment, const char *name, const char *fmt, ...)
{
    va_list args;
    char *value = NULL;
    char *entry = NULL;
    va_start(args, fmt);
    int length = vasprintf(&value, fmt, args);
    va_end(args);
    if (length < 0) {
        return -ENOMEM;
    }
    length = asprintf(&entry, "%s=%s", name, value);
    free(value);
    if (length < 0) {
        return -ENOMEM;
    }
    return entry_take(environment, entry_at(environment, name, strlen(name)), entry);
}

const char *gr_environment_get(const struct gr_environment *environment, const char *name)
{
    size_t size = strlen(name);
    size_t at = entry_at(environment, name, size);
    return at < environment->count ? environment->items[at] + size + 1 : NULL;
}
