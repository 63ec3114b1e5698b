// `granary reserve`: nodes by the calendar, for an organisation or for maintenance.
#pragma once

#include "cli/command.h"

// The subcommand, for the table in cli.c.
extern const struct gr_command gr_cli_reserve;
