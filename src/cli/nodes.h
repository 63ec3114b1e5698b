// `granary nodes`, `cordon`, `uncordon` and `drain`: the machines of the pool, and which take work.
#pragma once

#include "cli/command.h"

// The subcommands, for the table in cli.c.
extern const struct gr_command gr_cli_nodes;
// See gr_cli_nodes.
extern const struct gr_command gr_cli_cordon;
// See gr_cli_nodes.
extern const struct gr_command gr_cli_uncordon;
// See gr_cli_nodes.
extern const struct gr_command gr_cli_drain;
