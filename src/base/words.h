// Lists of known words: which one somebody may have meant, and how to show the list.
#pragma once

#include "base/slice.h"

// The word of `words` (NULL-terminated) that is nearest to `text`, if it is near enough to be worth
// suggesting (at most a third of its letters differ, two neighbours swapped counting once, or one
// begins with the other). NULL if none is. Case is ignored. Of equals, one that begins alike wins,
// then the first. Borrowed from `words`.
const char *gr_words_nearest(struct gr_slice text, const char *const *words);

// Writes "a, b or c" into `buffer` (`size` bytes, at least 4), cut with "..." if it is too long.
// Returns `buffer`.
const char *gr_words_list(const char *const *words, char *buffer, size_t size);

// Writes what was found between single quotes, cut to about 40 characters with "...", into
// `buffer`, which is the caller's, GR_WORDS_QUOTE_SIZE bytes. Returns `buffer`.
const char *gr_words_quote(struct gr_slice text, char *buffer);

// Bytes that gr_words_quote writes at most.
#define GR_WORDS_QUOTE_SIZE 192
