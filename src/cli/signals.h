// Ctrl-C and its like as something to wait for, instead of the end of the program.
#pragma once

#include "base/err.h"

// Blocks INT and TERM and makes a file descriptor that is readable when one of them came; -1 with a
// text if the system has none left. Close it to stop listening; the signals stay blocked.
int gr_cli_signals_open(struct gr_err *err);
// The signal that came, or 0 if none did. Never blocks.
int gr_cli_signals_take(int fd);
