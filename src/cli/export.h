// `granary export`: what a pool did, as a file for others. See export.c.
#pragma once

#include "cli/command.h"

// export trace
extern const struct gr_command gr_cli_export;
