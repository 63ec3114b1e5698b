// What the parts of apply_queue.c share. For these only.
#pragma once

#include "daemon/apply_queue.h"
#include "daemon/apply_value.h"

#include <errno.h>

// See apply_queue.h.
struct gr_apply_queue {
    struct gr_event *facts;          // heap
    size_t count, room;              // of facts
    json_t *changed, *hits, *doubts; // lists
    int64_t unchanged;               // statements
};

// One pass over a declaration.
struct gr_apply_reading {
    struct gr_pool *pool;         // as it is
    struct gr_core *trial;        // the copy
    struct gr_apply_queue *queue; // what was found
    struct gr_apply_fault *fault; // where a fault is told
    char field[64];               // of the entry that is read
    char text[GR_APPLY_TEXT + 1]; // of values
};

// Notes what is wrong, and where. Returns -EINVAL.
int gr_apply_wrong(struct gr_apply_fault *fault, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// A text of an object; "" if it is not there or none. Borrowed.
const char *gr_apply_text_of(const json_t *object, const char *key);
// The organisation of this name; UINT32_MAX: none.
uint32_t gr_apply_org_find(const struct gr_core *core, const char *name);
// The organisations of a declaration (a list; NULL is none) and those that are there are a tree:
// each once, parents before their children, no loop. 0, or -EINVAL with a fault.
int gr_apply_tree_check(const struct gr_core *core, const json_t *list,
                        struct gr_apply_fault *fault);
// Notes what is wrong with the entry that is read, or with a key of it. Returns -EINVAL.
int gr_apply_reading_wrong(struct gr_apply_reading *reading, const char *key, const char *text);
// Applies a fact to the copy; keeps it if it is one of quotas, shares, classes or the queue. 0,
// -EINVAL with a fault, or -ENOMEM.
int gr_apply_try(struct gr_apply_reading *reading, struct gr_event *event);
// Reads what is said of classes (a list; NULL is none). As gr_apply_try.
int gr_apply_classes(struct gr_apply_reading *reading, const json_t *list);
// Adds a text to a list. Returns 0 or -ENOMEM.
int gr_apply_note(json_t *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// A limit of jobs as people write it; "none" for 0. `text`: GR_NUMBER_TEXT_SIZE bytes.
const char *gr_apply_count_text(uint32_t count, char *text);
// A limit of devices; see gr_apply_count_text.
const char *gr_apply_limit_text(uint64_t milli, char *text);
// The one variant of the pool that a kind means; -EINVAL with a fault.
int gr_apply_kind(struct gr_apply_reading *reading, const char *kind, uint32_t *ret_variant);
// Does all that was read agree with each other, and with what is set already? `list`: the
// organisations. 0, -EINVAL with a fault, or -ENOMEM.
int gr_apply_check(struct gr_apply_reading *reading, const json_t *list);
// Finds whom it hits. 0 or -ENOMEM.
int gr_apply_hits(struct gr_apply_reading *reading);
// Adds an object to `hits` if more is held than is allowed: by an organisation and those below it,
// of one variant or (UINT32_MAX) of all, or jobs that run (`of_jobs`). `what` says which limit it
// is. Returns 0 or -ENOMEM.
int gr_apply_hit(struct gr_pool *pool, json_t *hits, uint32_t org, uint32_t variant, bool of_jobs,
                 uint64_t allowed, const char *what);
