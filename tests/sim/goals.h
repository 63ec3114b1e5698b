// What a run must reach: a simulation that never comes to something tests nothing about it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Before all else: nothing is reached yet, by so many processes. 0, or -1 without memory.
int goals_begin(unsigned processes);
// Which of them this is, after a fork; 0 if nothing is said.
void goals_process(unsigned process);
// A goal was reached; `detail` tells its kinds apart (an enum value, below 64).
void goal_reach(const char *name, uint32_t detail);
// Prints what all processes reached, everything if `all`, else what was not; returns how many never
// were.
unsigned goals_print(bool all);
