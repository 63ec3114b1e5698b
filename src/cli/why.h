// `granary why`: why a job waits, and what would start it.
#pragma once

#include "cli/command.h"

#include <jansson.h>
#include <stddef.h>

// The subcommand, for the table in cli.c.
extern const struct gr_command gr_cli_why;

// Bytes of gr_cli_estimates_text.
#define GR_CLI_ESTIMATES_SIZE 128
// Says in a sentence how good estimates were. Returns `buffer`.
const char *gr_cli_estimates_text(const json_t *estimates, char buffer[GR_CLI_ESTIMATES_SIZE]);
