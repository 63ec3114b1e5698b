// `granary journal`, `granary backup`, `granary restore`: care of a pool's history, without its
// daemon.
#pragma once

#include "cli/command.h"

// verify, show, digest, seal, snapshot
extern const struct gr_command gr_cli_journal;
// Copies journal, limits, salt and tokens, beside a running daemon.
extern const struct gr_command gr_cli_backup;
// The reverse, into a new state directory.
extern const struct gr_command gr_cli_restore;
