// Fuzzes the description of a generated pool: what is taken obeys the limits, the rest has a text.
#include "fuzz.h"

#include "replay/pool_spec.h"
#include "replay/trace_build.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(size + 1, 1);
    assert(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    struct gr_trace trace;
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_trace_init(&trace, &err);
    assert(code == 0);
    if (gr_pool_generate(&trace, text, &err) < 0) {
        assert(err.text[0] != '\0');
    } else {
        assert(trace.node_count > 0 && trace.node_count <= GR_NODES_MAX);
    }
    gr_trace_done(&trace);
    free(text);
    return 0;
}
