// Fuzzes specs as JSON: any bytes are refused with a text, or give a well-formed spec that is
// written and read again as the same. What jansson refuses is refused, what it takes as no object
// too.
#include "fuzz.h"

#include "codec/spec_json.h"
#include "model/spec_bytes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint8_t bytes[GR_SPEC_BYTES_MAX], again[GR_SPEC_BYTES_MAX];

static void check_spec(const struct gr_spec *spec, struct gr_arena *arena)
{
    const char *why;
    struct gr_spec back;
    struct gr_err err = {0};
    struct gr_spec_input input = {.arena = arena};
    assert(gr_spec_wrong(spec, &why) == NULL);
    long size = gr_spec_encode(spec, bytes, sizeof bytes);
    assert(size > 0);
    json_t *json = gr_spec_to_json(spec, GR_SPEC_SHOW_ENV | GR_SPEC_SHOW_SECRETS);
    char *text = json_dumps(json, JSON_COMPACT);
    int code = gr_spec_from_json_bytes(&input, text, strlen(text), &back, &err);
    // A spec of nearly 1 MiB may be larger as JSON.
    assert(code == 0 || strlen(text) > GR_SPEC_BYTES_MAX);
    if (code == 0) {
        assert(gr_spec_encode(&back, again, sizeof again) == size);
        assert(memcmp(bytes, again, (size_t)size) == 0);
    }
    free(text);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_arena arena = {0};
    struct gr_spec_input input = {.arena = &arena, .name = size % 2 == 0 ? "input" : NULL};
    struct gr_spec spec;
    struct gr_err err = {0};
    const char *text = size == 0 ? "" : (const char *)data;
    int code = gr_spec_from_json_bytes(&input, text, size, &spec, &err);
    if (code == 0) {
        json_t *json = json_loadb(text, size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
        assert(json != NULL);
        json_decref(json);
        check_spec(&spec, &arena);
    } else {
        assert(code == -EINVAL && err.text[0] != '\0');
    }
    gr_arena_done(&arena);
    return 0;
}
