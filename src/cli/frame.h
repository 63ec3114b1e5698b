// One picture of a terminal, made line by line in memory: whatever is put into it, no line is wider
// than the picture and nothing in it moves the cursor.
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// A picture. Caller's memory; zero until gr_frame_begin.
struct gr_frame {
    size_t columns, rows;      // of the picture
    bool has_colour, has_utf8; // what may be shown
    char *text;                // heap: the lines, each ended by a newline
    size_t size, room;         // bytes of it
    size_t row, column;        // where the next text goes; row == rows: the picture is full
    bool has_failed;           // there was no memory: it is not to be shown
};

// Begins an empty picture; what an earlier one holds in memory is used again.
void gr_frame_begin(struct gr_frame *frame, size_t columns, size_t rows, bool has_colour,
                    bool has_utf8);
// Frees what it holds.
void gr_frame_done(struct gr_frame *frame);

// Puts text on the line, as far as there is room. Control characters, those that change the
// direction of writing, bytes that are no UTF-8, and what is not ASCII where there is no UTF-8,
// become '?'.
void gr_frame_put(struct gr_frame *frame, enum gr_style style, const char *text);
// The same, formatted, at most 511 bytes.
void gr_frame_putf(struct gr_frame *frame, enum gr_style style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// Puts text into a cell of so many columns: cut with a ".." or filled with blanks, and one blank
// after it.
void gr_frame_cell(struct gr_frame *frame, enum gr_style style, size_t width, bool is_right,
                   const char *text);
// Fills with blanks up to `column`, counted from 0.
void gr_frame_to(struct gr_frame *frame, size_t column);
// A bar of so many columns: parts[i] of `whole` in styles[i], drawn with marks[i] (one character,
// for who sees no colours or UTF-8), the rest as dots. Each part that is not nothing has a column.
void gr_frame_bar(struct gr_frame *frame, size_t width, int64_t whole, const int64_t *parts,
                  const enum gr_style *styles, const char *marks, size_t count);
// Ends the line, without blanks at its end.
void gr_frame_end(struct gr_frame *frame);
// Lines that are left.
size_t gr_frame_left(const struct gr_frame *frame);

// Writes the picture over what the terminal shows; or, as text, the lines that were put into it.
void gr_frame_draw(const struct gr_frame *frame, FILE *file);
// See gr_frame_draw.
void gr_frame_print(const struct gr_frame *frame, FILE *file);
