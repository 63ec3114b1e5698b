// One run of the simulator: a core and the books beside it, driven by random numbers of one seed.
#pragma once

#include <stdint.h>

// Runs `steps` steps of `seed`; the same seed is the same run. Whatever does not hold is printed
// with the seed and the last facts, and ends the program with status 1.
void drive_run(uint64_t seed, uint64_t steps);
