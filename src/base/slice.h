// A piece of somebody else's text: a pointer and a size, no terminating NUL. Never owns memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

// Borrowed bytes; `text` may be NULL only when `size` is 0. Who owns them, and for how long they
// stay, is said by whoever hands the slice out.
struct gr_slice {
    const char *text;
    size_t size; // bytes
};

// The bytes of a C string, without its NUL. Borrows `text`, which must not be NULL.
static inline struct gr_slice gr_slice_of(const char *text)
{
    return (struct gr_slice){text, strlen(text)};
}

// Whether the two hold the same bytes. Never fails.
static inline bool gr_slice_equal(struct gr_slice a, struct gr_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.text, b.text, a.size) == 0);
}

// Whether the slice holds the same bytes as the C string. Never fails.
static inline bool gr_slice_is(struct gr_slice a, const char *text)
{
    return gr_slice_equal(a, gr_slice_of(text));
}
