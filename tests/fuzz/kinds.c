// Fuzzes kinds: any bytes as a file of kinds either fail with a text that names the file, or give
// kinds whose variants exist, each once; and the same bytes as an inline kind (`h100|h200`) resolve
// or fail with a text.
#include "fuzz.h"

#include "model/kind.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static void check_kind(const struct gr_catalogue *catalogue, const struct gr_kind *kind)
{
    uint16_t ranked[GR_KIND_VARIANTS_MAX];
    assert(kind->count >= 1 && kind->count <= GR_KIND_VARIANTS_MAX);
    assert(memchr(kind->name, '\0', sizeof(kind->name)) != NULL);
    gr_kind_rank(kind, catalogue, ranked);
    for (size_t i = 0; i < kind->count; i++) {
        assert(kind->variants[i] < catalogue->count);
        assert(gr_kind_has(kind, ranked[i]));
        for (size_t j = 0; j < i; j++) {
            assert(ranked[j] != ranked[i]);
        }
    }
}

static void try_file(const struct gr_catalogue *catalogue, const char *text, size_t size)
{
    struct gr_err err = {0};
    struct gr_kinds kinds;
    int code = gr_kinds_load_bytes("input", text, size, catalogue, &kinds, &err);
    if (code < 0) {
        assert(code == -EINVAL || code == -EFBIG);
        assert(strncmp(err.text, "input:", 6) == 0);
        return;
    }
    for (size_t i = 0; i < kinds.count; i++) {
        struct gr_kind kind;
        check_kind(catalogue, &kinds.items[i]);
        code = gr_kind_resolve(catalogue, &kinds, gr_slice_of(kinds.items[i].name), &kind, &err);
        assert(code == 0);
        assert(strcmp(kind.name, kinds.items[i].name) == 0);
    }
    gr_kinds_done(&kinds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_err err = {0};
    struct gr_catalogue catalogue;
    struct gr_kinds kinds;
    struct gr_kind kind;
    const char *text = size == 0 ? "" : (const char *)data;
    int code = gr_catalogue_load(NULL, &catalogue, &err);
    assert(code == 0);
    code = gr_kinds_load(NULL, &catalogue, &kinds, &err);
    assert(code == 0);
    try_file(&catalogue, text, size);
    code = gr_kind_resolve(&catalogue, &kinds, (struct gr_slice){text, size}, &kind, &err);
    if (code == 0) {
        check_kind(&catalogue, &kind);
    } else {
        assert(err.text[0] != '\0');
    }
    gr_kinds_done(&kinds);
    gr_catalogue_done(&catalogue);
    return 0;
}
