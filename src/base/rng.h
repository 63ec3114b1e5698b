// SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014):
// numbers that look random and are the same for the same seed on every machine. Recorded digests
// hang on them. Never for secrets: who sees one number knows all that follow.
#pragma once

#include <stdint.h>

// What the state grows by at each draw: 2^64 by the golden ratio, made odd.
#define GR_RNG_STEP UINT64_C(0x9e3779b97f4a7c15)

// The generator's finisher: each bit of `z` reaches all bits of what it returns; one to one.
static inline uint64_t gr_rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

// Draws 64 bits. *state is the seed before the first draw, the caller's memory, and any value of it
// is a good one.
static inline uint64_t gr_rng_next(uint64_t *state)
{
    return gr_rng_mix(*state += GR_RNG_STEP);
}
