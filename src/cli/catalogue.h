// `granary catalogue`: what its files share, and the command itself.
#pragma once

#include "base/err.h"
#include "cli/catalogue_filter.h"
#include "cli/command.h"

// The subcommand, for the table in cli.c.
extern const struct gr_command gr_cli_catalogue;

// Bytes that hold a fact in a table, unit and mark of doubt included.
#define GR_CLI_FACT_SIZE 96

// How results are written: indexes into the words of -o.
enum gr_cli_format {
    GR_CLI_TABLE,
    GR_CLI_JSON,
    GR_CLI_CSV,
};

// Writes the chosen variants as a table of one line each, with a legend, to standard output.
// Returns 0 or -ENOMEM; write errors are left on the stream.
int gr_cli_catalogue_table(const struct gr_catalogue *catalogue, const struct gr_cli_choice *choice,
                           struct gr_err *err);

// Writes the chosen variants as a JSON array to standard output. Returns 0 or -errno.
int gr_cli_catalogue_json(const struct gr_catalogue *catalogue, const struct gr_cli_choice *choice,
                          struct gr_err *err);

// Writes all that is known of one variant, or a few side by side, or many as a table, to standard
// output. Returns 0 or -ENOMEM; write errors are left on the stream.
int gr_cli_catalogue_show(const struct gr_cli_books *books, const struct gr_cli_choice *choice,
                          struct gr_err *err);

// Writes the named kinds to standard output. Returns 0 or -errno.
int gr_cli_catalogue_kinds(const struct gr_cli_books *books, enum gr_cli_format format,
                           struct gr_err *err);
