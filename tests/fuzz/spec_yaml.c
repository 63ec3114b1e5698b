// Fuzzes job files: any bytes are refused with a text that names the file, or give jobs that are
// well formed once references within the file have their numbers, and that are written and read
// again as the same.
#include "fuzz.h"

#include "base/yaml.h"
#include "codec/spec_yaml.h"
#include "model/spec_bytes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint8_t bytes[GR_SPEC_BYTES_MAX], again[GR_SPEC_BYTES_MAX];

static void check_spec(struct gr_spec *spec, struct gr_arena *arena)
{
    static uint64_t ids[GR_SPEC_FILE_MAX];
    const char *why;
    struct gr_err err = {0};
    struct gr_spec_input input = {.arena = arena, .name = "again"};
    struct gr_spec_file back;
    for (uint64_t i = 0; i < GR_SPEC_FILE_MAX; i++) {
        ids[i] = (UINT64_C(1) << 61) + i;
    }
    int code = gr_spec_link(spec, ids, arena);
    assert(code == 0 && !gr_spec_has_sibling(spec));
    if (gr_spec_wrong(spec, &why) != NULL) {
        return; // waits for a job that happens to have the number just made up
    }
    long size = gr_spec_encode(spec, bytes, sizeof bytes);
    assert(size > 0);
    char *text = gr_spec_to_yaml(spec, GR_SPEC_SHOW_ENV | GR_SPEC_SHOW_SECRETS);
    code = gr_spec_file_read_bytes(&input, text, strlen(text), &back, &err);
    assert(code == 0 || strlen(text) > GR_YAML_SIZE_MAX);
    if (code == 0) {
        assert(gr_spec_encode(&back.specs[0], again, sizeof again) == size);
        assert(memcmp(bytes, again, (size_t)size) == 0);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_arena arena = {0};
    struct gr_spec_input input = {.arena = &arena, .name = "input", .base = "/base"};
    struct gr_spec_file file;
    struct gr_err err = {0};
    const char *text = size == 0 ? "" : (const char *)data;
    int code = gr_spec_file_read_bytes(&input, text, size, &file, &err);
    if (code < 0) {
        assert(code == -EINVAL || code == -EFBIG);
        assert(strncmp(err.text, "input:", 6) == 0);
    }
    for (uint32_t i = 0; code == 0 && i < file.count; i++) {
        check_spec(&file.specs[i], &arena);
    }
    gr_arena_done(&arena);
    return 0;
}
