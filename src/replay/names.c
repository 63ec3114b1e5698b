// The set of names: see names.h. An open-addressed table of indexes over texts that lie in chunks.
#include "replay/names.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 * 1024)

struct gr_names_chunk {
    struct gr_names_chunk *next;
    size_t size, used;
    char bytes[];
};

static uint64_t hash(struct gr_slice text)
{
    uint64_t value = 0xcbf29ce484222325u; // FNV-1a, 64 bits
    for (size_t i = 0; i < text.size; i++) {
        value = (value ^ (unsigned char)text.text[i]) * 0x100000001b3u;
    }
    return value ^ value >> 29;
}

// The slot that holds `text`, or the free one where it belongs.
static size_t probe(const struct gr_names *names, struct gr_slice text)
{
    assert(names->slot_count > names->count);
    size_t slot = (size_t)hash(text) & (names->slot_count - 1);
    while (names->slots[slot] != 0 && !gr_slice_is(text, names->texts[names->slots[slot] - 1])) {
        slot = (slot + 1) & (names->slot_count - 1);
    }
    return slot;
}

uint32_t gr_names_find(const struct gr_names *names, struct gr_slice text)
{
    if (names->count == 0) {
        return GR_NAMES_NONE;
    }
    uint32_t index = names->slots[probe(names, text)];
    return index == 0 ? GR_NAMES_NONE : index - 1;
}

int gr_names_keep(struct gr_names *names, struct gr_slice text, const char **ret_text,
                  struct gr_err *err)
{
    assert(text.size == 0 || memchr(text.text, '\0', text.size) == NULL);
    struct gr_names_chunk *chunk = names->chunks;
    if (chunk == NULL || chunk->size - chunk->used <= text.size) {
        size_t size = text.size + 1 > CHUNK_BYTES ? text.size + 1 : CHUNK_BYTES;
        chunk = malloc(sizeof *chunk + size);
        if (chunk == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for names");
        }
        *chunk = (struct gr_names_chunk){.next = names->chunks, .size = size};
        names->chunks = chunk;
    }
    char *copy = chunk->bytes + chunk->used;
    if (text.size > 0) {
        memcpy(copy, text.text, text.size);
    }
    copy[text.size] = '\0';
    chunk->used += text.size + 1;
    *ret_text = copy;
    return 0;
}

static int grow_slots(struct gr_names *names, struct gr_err *err)
{
    size_t count = names->slot_count == 0 ? 64 : names->slot_count * 2;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (slots == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for names");
    }
    free(names->slots);
    names->slots = slots;
    names->slot_count = count;
    for (uint32_t i = 0; i < names->count; i++) {
        slots[probe(names, gr_slice_of(names->texts[i]))] = i + 1;
    }
    return 0;
}

static int grow_texts(struct gr_names *names, struct gr_err *err)
{
    size_t room = names->room == 0 ? 32 : names->room * 2;
    const char **texts = realloc(names->texts, room * sizeof *texts);
    if (texts == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for names");
    }
    names->texts = texts;
    names->room = room;
    return 0;
}

int gr_names_add(struct gr_names *names, struct gr_slice text, uint32_t *ret_index,
                 struct gr_err *err)
{
    uint32_t known = gr_names_find(names, text);
    if (known != GR_NAMES_NONE) {
        *ret_index = known;
        return 0;
    }
    int code = 0;
    if (names->slot_count < (names->count + 1) * 2) {
        code = grow_slots(names, err);
    }
    if (code == 0 && names->count == names->room) {
        code = grow_texts(names, err);
    }
    const char *copy = NULL;
    if (code == 0) {
        code = gr_names_keep(names, text, &copy, err);
    }
    if (code < 0) {
        return code;
    }
    assert(names->count < GR_NAMES_NONE - 1);
    uint32_t index = (uint32_t)names->count++;
    names->texts[index] = copy;
    names->slots[probe(names, text)] = index + 1;
    *ret_index = index;
    return 0;
}

void gr_names_done(struct gr_names *names)
{
    while (names->chunks != NULL) {
        struct gr_names_chunk *next = names->chunks->next;
        free(names->chunks);
        names->chunks = next;
    }
    free(names->texts);
    free(names->slots);
    *names = (struct gr_names){0};
}
