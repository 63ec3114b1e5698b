// `granary engine`: what starts work, and what it can do here.
#pragma once

#include "cli/command.h"

// The subcommand, for the table in cli.c.
extern const struct gr_command gr_cli_engine;
