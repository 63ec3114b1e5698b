// Memory for many small things: see arena.h. Blocks from the heap, each twice as large as the last.
#include "base/arena.h"

#include <assert.h>
#include <stdlib.h>

enum { ALIGN = _Alignof(max_align_t), FIRST = 8192, LARGEST = 1 << 20 };

struct gr_arena_block {
    struct gr_arena_block *older;
    size_t size; // bytes of `bytes`
    max_align_t bytes[];
};

void gr_arena_init(struct gr_arena *arena, size_t most)
{
    *arena = (struct gr_arena){.most = most};
}

// Makes a block that holds at least `size` bytes the newest one.
static int add_block(struct gr_arena *arena, size_t size)
{
    size_t wanted = arena->newest == NULL ? FIRST : 2 * arena->newest->size;
    wanted = wanted > LARGEST ? LARGEST : wanted;
    wanted = wanted < size ? size : wanted;
    if (arena->most != 0 && wanted > arena->most - arena->held) {
        wanted = arena->most - arena->held;
    }
    if (wanted < size) {
        return -1;
    }
    struct gr_arena_block *block = malloc(sizeof *block + wanted);
    if (block == NULL) {
        return -1;
    }
    block->older = arena->newest;
    block->size = wanted;
    arena->newest = block;
    arena->held += wanted;
    arena->used = 0;
    return 0;
}

void *gr_arena_take(struct gr_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    if ((arena->newest == NULL || arena->newest->size - arena->used < size) &&
        add_block(arena, size) < 0) {
        return NULL;
    }
    void *taken = (char *)arena->newest->bytes + arena->used;
    arena->used += size;
    assert(arena->used <= arena->newest->size);
    return taken;
}

char *gr_arena_text(struct gr_arena *arena, struct gr_slice text)
{
    char *copy = gr_arena_take(arena, text.size + 1);
    if (copy != NULL) {
        if (text.size > 0) {
            memcpy(copy, text.text, text.size);
        }
        copy[text.size] = '\0';
    }
    return copy;
}

// Releases this block and all older ones.
static void free_blocks(struct gr_arena_block *block)
{
    while (block != NULL) {
        struct gr_arena_block *older = block->older;
        free(block);
        block = older;
    }
}

void gr_arena_reset(struct gr_arena *arena)
{
    if (arena->newest == NULL) {
        return;
    }
    free_blocks(arena->newest->older);
    arena->newest->older = NULL;
    arena->held = arena->newest->size;
    arena->used = 0;
}

void gr_arena_done(struct gr_arena *arena)
{
    free_blocks(arena->newest);
    *arena = (struct gr_arena){.most = arena->most};
}
