// What happened lately in a run: told, with the seed, when something does not hold.
#pragma once

#include <stdint.h>

// Begins the story of a run; an assert that fails in it tells the story too.
void story_begin(uint64_t seed);
// The step that the run is at.
void story_step(uint64_t step);
// Adds a line, without its end; only the last lines are kept.
void story_add(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Says what does not hold, tells the story and ends the program with status 1.
void story_wrong(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
