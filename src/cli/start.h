// What every subcommand does first and last: options, help, error lines, exit codes.
#pragma once

#include "base/err.h"
#include "base/options.h"
#include "cli/cli.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// Adds a part to a table of options that is too long for one function: `table` has room for
// GR_OPTIONS_MAX and one without a name, `count` are in it. Returns how many there are then.
size_t gr_cli_options_add(struct gr_option *table, size_t count, const struct gr_option *part,
                          size_t more);
// The same, of a whole array.
#define GR_CLI_OPTIONS_ADD(table, count, part)                                                     \
    gr_cli_options_add(table, count, part, sizeof(part) / sizeof(part)[0])

// Parses the options. True: go on, with the operands in argv[1..*ret_operands]. False: the command
// is over with *ret_exit, because the help was asked for (written to standard output) or because
// the command line is wrong (one line written to standard error).
bool gr_cli_start(const struct gr_options *options, int argc, char **argv, size_t *ret_operands,
                  int *ret_exit);

// Writes "granary COMMAND: TEXT" to standard error and returns the exit code that suits the error:
// GR_EXIT_FAILED where something of this machine failed (memory, a full disk, a closed pipe, an
// I/O error) or a check of granary's own did not hold (EPROTO), GR_EXIT_USAGE for everything that
// the user's input can cause.
int gr_cli_fail(const char *command, const struct gr_err *err);

// Ends a command that has written its results: flushes standard output. Returns GR_EXIT_OK, or says
// what failed and returns GR_EXIT_FAILED.
int gr_cli_finish(const char *command);
