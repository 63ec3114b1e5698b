// The process that runs an operator's scripts for node_checks.c: starts them one after the other,
// hears them, ends what they leave behind, and says through a pipe how they went: whoever reaps the
// caller's children cannot take the answer away.
#pragma once

#include "engine/local/node_checks.h"

#include <stdint.h>

// Where the process has the pipe for its answer, a struct gr_node_checks_result; it has nothing
// else open but standard input, output and error.
#define GR_NODE_CHECKS_ANSWER 3
// First argument of granary-launcher for this; the folder, the moment's number and the limit
// follow.
#define GR_NODE_CHECKS_WORD "checks"

// Body of the process; its caller has made it a child of its own for this. `environment` is that of
// the scripts; GRANARY_DEVICES in it says which devices they may speak of. Never returns.
_Noreturn void gr_node_checks_run(const char *dir, enum gr_node_checks_when when, int64_t limit_ms,
                                  char *const *environment);
// The same for a program of its own, from its arguments and environment. Returns 2 if the arguments
// are wrong, else never.
int gr_node_checks_main(int argc, char **argv);
