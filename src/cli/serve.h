// `granary serve`: the pool's daemon.
#pragma once

#include "cli/command.h"

// See the head of this file.
extern const struct gr_command gr_cli_serve;
