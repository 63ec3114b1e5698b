// Text for people at a terminal: what the terminal can do, tables, wrapped paragraphs, progress.
//
// Colour only if the stream is a terminal that can show it and NO_COLOR is not set (to something).
// Control characters in anything shown are replaced by '?', so that data cannot move the cursor.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// Columns that output is made for when it does not go to a terminal.
#define GR_TEXT_COLUMNS 100

// Where text goes. Caller's memory.
struct gr_terminal {
    FILE *file;          // borrowed
    bool is_terminal;    // somebody may be watching
    bool has_colour;     // escape sequences for colour are welcome
    size_t column_count; // the terminal's width, at least 40; GR_TEXT_COLUMNS if it is none
};

// Meaning of a piece of text, shown as colour where there is colour.
enum gr_style {
    GR_STYLE_PLAIN,
    GR_STYLE_HEAD, // headings: bold
    GR_STYLE_FAINT,
    GR_STYLE_GOOD, // green
    GR_STYLE_WARN, // yellow
    GR_STYLE_BAD,  // red
};

// Looks at the stream and the environment (NO_COLOR, TERM). Never fails.
void gr_terminal_init(struct gr_terminal *terminal, FILE *file);

// The escape sequence that begins the style, or "" without colour; GR_STYLE_PLAIN ends any.
// Static memory.
const char *gr_terminal_style(const struct gr_terminal *terminal, enum gr_style style);

// Flushes the stream and asks whether everything written to it so far arrived. Call once at the end
// of all output. Returns 0 or -errno with "write NAME: ..." (a full disk, a closed pipe); the exit
// code for that is GR_EXIT_FAILED. Blocks while flushing.
int gr_text_finish(FILE *file, const char *name, struct gr_err *err);

// Writes `text` filled to lines of at most `width` columns, each indented by `indent`, where the
// first line already holds `used` columns. Runs of blanks become one; "\n" in the text begins a new
// line, so "\n\n" makes a paragraph. Ends with a line end.
void gr_text_wrap(FILE *file, const char *text, size_t indent, size_t width, size_t used);

// ---- tables -------------------------------------------------------------------------------------

// How a column of a table is laid out.
enum gr_table_align {
    GR_TABLE_LEFT,
    GR_TABLE_RIGHT, // numbers
    GR_TABLE_FILL,  // left, and cut with an ellipsis first when the table is too wide
};

// One column. Static or outliving memory.
struct gr_table_column {
    const char *head; // may hold "\n": "memory\nGiB"
    enum gr_table_align align;
};

// A table: columns and cells, written when it is complete. Heap.
struct gr_table;

// A table of `count` columns (1 to 64), borrowed until gr_table_free. NULL if there is no memory.
struct gr_table *gr_table_new(const struct gr_table_column *columns, size_t count);

// Releases it. NULL is allowed.
void gr_table_free(struct gr_table *table);

// Appends the next cell, from left to right, row by row; the text is copied. Lack of memory is
// remembered and returned by gr_table_write.
void gr_table_add(struct gr_table *table, const char *text);

// As gr_table_add, formatted, at most 1023 bytes.
void gr_table_addf(struct gr_table *table, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

// As gr_table_add, shown in the style.
void gr_table_add_styled(struct gr_table *table, enum gr_style style, const char *text);

// Writes the table: headings, then the rows (the last row must be complete), at most the
// terminal's width if the columns that fill can give way that far. Lines end without trailing
// blanks. Returns 0 or -ENOMEM; write errors are left for gr_text_finish.
int gr_table_write(const struct gr_table *table, const struct gr_terminal *terminal,
                   struct gr_err *err);

// ---- progress -----------------------------------------------------------------------------------

// A progress line on standard error: label, bar, percent, rate, time left. Shown only on a
// terminal and only for work longer than a quarter of a second. Caller's memory; one thread.
struct gr_progress {
    struct gr_terminal terminal;
    const char *label;   // borrowed
    const char *unit;    // what is counted ("runs"), borrowed
    uint64_t total;      // 0: not known
    uint64_t started_ns; // CLOCK_MONOTONIC
    uint64_t shown_ns;   // when the line was last written, 0 if never
};

// Starts the clock. `label` and `unit` are borrowed until gr_progress_done.
void gr_progress_init(struct gr_progress *progress, const char *label, const char *unit,
                      uint64_t total);

// Says how much is done; writes at most ten times a second, so it may be called often (one clock
// reading a call).
void gr_progress_set(struct gr_progress *progress, uint64_t done);

// Takes the line away again. Call before anything else is written to standard error.
void gr_progress_done(struct gr_progress *progress);
