// `granary token`: who may come in over HTTP.
#pragma once

#include "cli/command.h"

// The subcommand, for the table in cli.c.
extern const struct gr_command gr_cli_token;
