// The launcher: a small process that takes the daemon's orders, forks a keeper for each attempt and
// passes on what keepers say. It outlives the daemon; its own death loses nothing, because all it
// knows stands in the records, and the next launcher reads them.
#pragma once

#include "base/err.h"

// Serves the engine's directory until it is told to end. `ready` (-1: none) is a pipe: one byte 0
// is written when the launcher serves (or another one does), or a line of text with what failed;
// then it is closed. The process should be fresh: all file descriptors are closed, signals set.
// Returns 0, also if another launcher serves; -errno with a text.
int gr_launcher_serve(const char *dir, int ready, struct gr_err *err);
