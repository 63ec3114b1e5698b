// What a run of the simulator must have reached: counts by name. A goal never reached fails it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Counts one more of this goal; `detail` distinguishes goals of one name (a refusal's code, say).
// An unknown goal ends the program.
void goal_reach(const char *name, uint32_t detail);

// Prints what was reached; returns how many goals never were.
unsigned goals_print(bool all);
