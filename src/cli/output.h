// How lists are written: the columns of a noun (jobs, nodes, ...) are said once, and every format
// follows from them.
#pragma once

#include "base/err.h"
#include "base/options.h"
#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// The formats: indexes into gr_cli_output_words.
enum gr_cli_output {
    GR_CLI_OUTPUT_TABLE,
    GR_CLI_OUTPUT_WIDE,
    GR_CLI_OUTPUT_JSON,
    GR_CLI_OUTPUT_JSONL,
    GR_CLI_OUTPUT_CSV,
};

// Their names, NULL-terminated. Static memory.
extern const char *const gr_cli_output_words[];

// One line of a table of options: -o. `format` is a pointer to a size_t.
#define GR_CLI_OUTPUT_OPTION(format)                                                               \
    {                                                                                              \
        .name = "format", .letter = 'o', .type = GR_OPTION_WORD, .value = "FORMAT",                \
        .words = gr_cli_output_words, .store = (format),                                           \
        .help = "table (default), wide, json, jsonl (an object a line) or csv."                    \
    }

// One cell of a table.
struct gr_cli_cell {
    char text[512]; // what it shows
    enum gr_style style;
};

// In which formats a column is; bits.
enum gr_cli_where {
    GR_CLI_IN_TABLE = 1,
    GR_CLI_IN_WIDE = 2,
    GR_CLI_IN_CSV = 4,
    GR_CLI_IN_BOTH = 3,
    GR_CLI_IN_ALL = 7,
};

// One column. Static memory.
struct gr_cli_column {
    const char *head; // of the table; may hold "\n"
    enum gr_table_align align;
    enum gr_cli_where where;
    size_t least_width; // of the terminal, for the column to be in a table
    const char *key;    // of the object, and CSV's name for it; "a.b" looks inside; NULL: no CSV
    // Writes the cell, which is empty and plain; `now_ms` is the time that ages are counted to.
    // NULL: the value of `key` as it is, "-" for null.
    void (*show)(const json_t *row, int64_t now_ms, struct gr_cli_cell *cell);
};

// What a list is a list of. Static memory.
struct gr_cli_noun {
    const char *plural;                  // "jobs"
    const char *id;                      // the key whose value tells one from another
    const char *id_two;                  // a second one, if it takes two; NULL: it does not
    const char *none;                    // said where there is none
    const struct gr_cli_column *columns; // from left to right
    size_t count;                        // of columns
};

// Writes rows (an array of objects, borrowed) to `terminal`, whose file may be a stand-in. Tables
// say nothing if there are no rows; JSON is one array, indented. `has_head` false leaves the head
// of table and CSV out. 0; -ENOMEM or, for JSON, what writing says, with a text.
int gr_cli_rows_write(const struct gr_cli_noun *noun, const json_t *rows, enum gr_cli_output format,
                      bool has_head, int64_t now_ms, const struct gr_terminal *terminal,
                      struct gr_err *err);

// Writes one object (borrowed) as JSON: indented, or on one line. Errors as gr_json_write.
int gr_cli_object_write(const json_t *object, bool on_one_line, FILE *file, struct gr_err *err);
// Writes one object as CSV: the keys whose values are no objects, and their values.
void gr_cli_object_write_csv(const json_t *object, FILE *file);
