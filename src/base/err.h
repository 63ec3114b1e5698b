// One line of text that says what went wrong, where, and what to do about it.
//
// The world's errors travel as `int` (0 or -errno) with a `struct gr_err *err` as the last
// argument. Library folders never print; the program prints the text once, at the top.
#pragma once

#include <stddef.h>

// Longest error text, terminating NUL included; longer texts are cut with "...".
#define GR_ERR_TEXT_SIZE 1024

// Caller's memory; valid after gr_err_init or zero-initialisation.
struct gr_err {
    int code;                    // 0 or a negative errno
    char text[GR_ERR_TEXT_SIZE]; // UTF-8, no newline, "" if nothing went wrong
};

// Empties `err`. Never fails.
void gr_err_init(struct gr_err *err);

// Stores `code` (a negative errno) and the formatted text in `err`; control characters in the
// result are replaced by '?', so that hostile input cannot move the reader's cursor.
// `err` may be NULL: then nothing is stored. Returns `code`, to be used as `return gr_fail(...)`.
int gr_fail(struct gr_err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// As gr_fail with the code -errno, read before anything else; ": " and the system's text for it
// are appended. errno 0 is taken as EIO.
int gr_fail_errno(struct gr_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Puts "context: " before the text already in `err` and returns its code. For adding the file's
// name, say, to an error of a deeper layer. `err` may be NULL: then returns -EIO.
int gr_err_prefix(struct gr_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
