// Memory for many small things that go all at once. One thread at a time.
#pragma once

#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

// An arena. Caller's memory; zeroed, it is empty and without a limit. Fields are the arena's own.
struct gr_arena {
    struct gr_arena_block *newest; // what is filled now, and the filled ones behind it
    size_t used;                   // bytes of the newest block
    size_t held;                   // bytes of all blocks
    size_t most;                   // bytes that it may hold; 0: no limit
};

// An empty arena that holds at most about `most` bytes (0: no limit).
void gr_arena_init(struct gr_arena *arena, size_t most);
// `size` bytes, not zeroed, aligned for anything, good until reset or done. NULL if there is no
// memory or the limit is reached.
void *gr_arena_take(struct gr_arena *arena, size_t size);
// A copy of the text with a NUL behind it. NULL as gr_arena_take.
char *gr_arena_text(struct gr_arena *arena, struct gr_slice text);
// Takes everything back and keeps one block for what comes next: then nothing is allocated where
// the next things are as large as the last ones.
void gr_arena_reset(struct gr_arena *arena);
// Releases everything. The arena is empty then and may be used again.
void gr_arena_done(struct gr_arena *arena);
