// Fuzzes changes of a pool: what is taken leaves a whole trace, what is refused says what was
// found.
#include "fuzz.h"

#include "replay/pool_spec.h"
#include "replay/trace_build.h"
#include "replay/what_if.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_trace trace;
    struct gr_err err;
    char *text = calloc(size + 1, 1);
    struct gr_what_if *what_if = calloc(1, sizeof *what_if);
    assert(text != NULL && what_if != NULL);
    memcpy(text, data, size);
    gr_err_init(&err);
    int code = gr_trace_init(&trace, &err);
    assert(code == 0);
    code = gr_pool_generate(&trace, "4x8xh20:domain=2,2x4xt4", &err);
    assert(code == 0);
    code = gr_what_if_read(text, what_if, &err);
    code = code < 0 ? code : gr_what_if_apply(what_if, &trace, &err);
    if (code < 0) {
        assert(strstr(err.text, "found ") != NULL);
    } else {
        assert(trace.node_count > 0 && trace.node_count <= GR_NODES_MAX);
        for (size_t i = 0; i < trace.node_count; i++) {
            assert(trace.nodes[i].name[0] != '\0' && trace.nodes[i].model < trace.model_count);
        }
    }
    gr_trace_done(&trace);
    free(what_if);
    free(text);
    return 0;
}
