// A growing buffer of HTML: our own markup goes in as it is, everybody else's text escaped.
//
// Promises: what gr_html_text wrote can neither end an element or an attribute nor contain a
// character that XML forbids or that turns the direction of writing, whatever it was given. The
// same calls give the same bytes on every machine and in every locale. A full memory is remembered
// and reported once, by gr_html_save. Must never write markup that somebody else supplied.
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

// Most characters of one name; what is longer is cut and ends in an ellipsis.
#define GR_HTML_NAME_CHARS 64

// Caller's memory; zeroed, or after gr_html_done, it is an empty page.
struct gr_html {
    char *text;        // heap, `size` bytes, not NUL-terminated
    size_t size, room; // bytes used, bytes allocated
    int failed;        // 0, or -ENOMEM: something is missing, and nothing more is added
};

// Gives back the memory and makes the page empty. Safe on a zeroed page.
void gr_html_done(struct gr_html *html);

// Appends markup of our own, printf style. Every %s must be static text of this program; whole
// numbers are fine, %f is not (it would follow the locale): use gr_html_decimal.
void gr_html_put(struct gr_html *html, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Appends `text` (NULL: nothing) as text that is safe inside elements and quoted attributes, cut
// after `chars_max` characters. Bytes that are not UTF-8, control characters and characters that
// turn the direction of writing appear as U+FFFD.
void gr_html_text(struct gr_html *html, const char *text, size_t chars_max);

// Appends gr_html_text with GR_HTML_NAME_CHARS: for names of policies, nodes, sites, models.
void gr_html_name(struct gr_html *html, const char *name);

// Appends a number rounded to `places` (0..6) places, a comma every three digits; "–" for a value
// that is not finite or beyond 10^15.
void gr_html_decimal(struct gr_html *html, double value, unsigned places);

// Appends a coordinate: at most one place, no needless zero, no commas. The value must be finite
// and within +-10^9; asserted.
void gr_html_coordinate(struct gr_html *html, double value);

// Appends a whole number, a comma every three digits.
void gr_html_count(struct gr_html *html, uint64_t count);

// Appends a length of time in its two largest units: "3 d 4 h", "12 min 5 s", "350 ms", "0 s".
// A negative one is "–".
void gr_html_duration(struct gr_html *html, int64_t ms);

// Writes the page to `path`. A regular or new file is replaced whole or not at all: a temporary
// file beside it is written, synced and renamed, and removed again on failure; a symbolic link is
// followed. Anything else that exists there (a pipe, a terminal, a device) is written to directly.
// Blocks on the disk. Returns 0 or -errno; then a file that was there before is as it was.
int gr_html_save(const struct gr_html *html, const char *path, struct gr_err *err);
