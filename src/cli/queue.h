// `granary quota`, `share`, `queue`: what each may have, whose turn it is; `granary checkpoint`.
#pragma once

#include "cli/command.h"

// The subcommand, for the table in cli.c.
extern const struct gr_command gr_cli_quota;
// See gr_cli_quota.
extern const struct gr_command gr_cli_share;
// See gr_cli_quota.
extern const struct gr_command gr_cli_queue;
// See gr_cli_quota.
extern const struct gr_command gr_cli_checkpoint;
// See gr_cli_quota.
extern const struct gr_command gr_cli_defrag;
