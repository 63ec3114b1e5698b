// `granary why`: why a job waits, and what would start it.
#pragma once

#include "cli/command.h"

// The subcommand, for the table in cli.c.
extern const struct gr_command gr_cli_why;
