// Fuzzes the reader of specs in bytes: any bytes are refused with a text, or are a well-formed spec
// that is written again as the same bytes.
#include "fuzz.h"

#include "model/spec_bytes.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static struct gr_spec_room room;
static uint8_t again[GR_SPEC_BYTES_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_spec spec;
    struct gr_err err = {0};
    const char *why;
    int code = gr_spec_decode(data, size, &room, &spec, &err);
    if (code < 0) {
        assert(code == -EINVAL && strncmp(err.text, "byte ", 5) == 0);
        return 0;
    }
    assert(gr_spec_wrong(&spec, &why) == NULL);
    assert(gr_spec_encode(&spec, again, sizeof again) == (long)size);
    assert(memcmp(again, data, size) == 0);
    return 0;
}
