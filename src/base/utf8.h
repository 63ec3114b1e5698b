// UTF-8: what is valid, how many characters, how many columns on a terminal.
//
// Valid means RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Reads one character at `text[0]`, of which `size` (at least 1) bytes exist. Returns its length in
// bytes (1 to 4) and stores the code point, or returns 0 and stores nothing if it is not valid.
size_t gr_utf8_read(const char *text, size_t size, uint32_t *ret_point);

// The offset of the first byte that does not start a valid character; `size` if all are valid.
size_t gr_utf8_check(const char *text, size_t size);

// The number of characters; every byte that is not a continuation byte counts as one, so that it
// also answers for bytes that are not valid.
size_t gr_utf8_count(const char *text, size_t size);

// Whether the character may move a terminal's cursor or change its state: C0, DEL and C1 controls.
bool gr_utf8_is_control(uint32_t point);
// Whether the character must not be shown as part of a line: it is a control, ends the line, or
// changes the direction of writing, so that what follows is read as something else.
bool gr_utf8_is_unruly(uint32_t point);

// Columns that the text takes on a terminal: 2 for wide (East Asian, emoji) characters, 0 for
// combining marks, 1 for all others and for each byte that is not valid. Independent of the locale.
size_t gr_utf8_width(const char *text, size_t size);

// The greatest number of bytes, at most `size`, that ends between characters and takes at most
// `columns` on a terminal.
size_t gr_utf8_fit(const char *text, size_t size, size_t columns);
