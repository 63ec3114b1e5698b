// What the fault tests share: a small workload, and what must be left of it.
#pragma once

#include "shim.h"

#include "journal/fixture.h"

// What a workload was told.
struct gr_told {
    uint64_t durable;   // last sequence that was said to be durable
    uint64_t attempted; // last sequence that was handed over
    int failure;        // final failure of the journal; 0: none
    unsigned refusals;  // groups refused for want of room
};

// How many values of n are tried: 1 for all, else every so many, from the argument of the program
// ("whole" or none).
unsigned gr_fault_stride(unsigned slice);
// Takes the program's arguments.
void gr_fault_arguments(int argc, char **argv);

// Opens the journal at `dir`, adds `groups` groups of up to `size` bytes, closes it. Goes on from
// what `told` says, stops at the first failure, tries a group three times if there is no room.
void gr_fault_write(const char *dir, unsigned groups, size_t size, struct gr_told *told);
// The real disk again: the journal opens, holds all that is durable, and nothing but a beginning of
// what was attempted; it verifies; it takes another group. `where` names the run in failures.
void gr_fault_check(const char *dir, const struct gr_told *told, const char *where);
