// Memory that runs out: the program's own allocations (replaced at link time), SQLite's and
// jansson's, counted together.
#pragma once

#include <stdbool.h>

// Puts the shim between SQLite and jansson and their memory. Once a process, before SQLite is used.
void gr_memory_install(void);
// From now on allocations are counted, in all threads, and the nth fails, with all after it if
// `for_ever`. 0: none.
void gr_memory_begin(unsigned long nth, bool for_ever);
// There is memory again. Returns whether the nth was asked for.
bool gr_memory_end(void);
