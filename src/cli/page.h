// Pages for people: lines of a label and a text, wrapped under one another.
#pragma once

#include "base/text.h"

// Where a page goes. Caller's memory.
struct gr_cli_page {
    const struct gr_terminal *terminal; // borrowed
    size_t width;                       // columns, at most GR_TEXT_COLUMNS
};

// Begins a page on the terminal, which is borrowed.
struct gr_cli_page gr_cli_page_of(const struct gr_terminal *terminal);
// One line, wrapped under its label; nothing if there is no text. Control characters in it become
// '?'; what is longer than 1000 bytes is cut.
void gr_cli_page_put(const struct gr_cli_page *page, const char *label, const char *text);
// A text that has lines of its own, such as a script: as they are, indented; at most 60 of them.
void gr_cli_page_put_lines(const struct gr_cli_page *page, const char *label, const char *text);
// As gr_cli_page_put, formatted.
void gr_cli_page_putf(const struct gr_cli_page *page, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
