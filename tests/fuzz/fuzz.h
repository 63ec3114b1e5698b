// What a fuzz target is: one function that is given any bytes at all and must return.
//
// A target must not print, keep state between calls, or read anything but its input. What it finds
// wrong it reports with assert or through a sanitizer.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Feeds `size` bytes at `data` (borrowed; may be NULL when `size` is 0) to one parser. Returns 0.
// Called by libFuzzer, or by corpus_main.c for each file of a corpus.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
