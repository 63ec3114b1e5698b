// Fuzzes the reader of node files: what is taken obeys the limits, what is refused has a place.
#include "fuzz.h"

#include "replay/nodes_csv.h"
#include "replay/trace_build.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_trace trace;
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_trace_init(&trace, &err);
    assert(code == 0);
    code = gr_nodes_read_bytes(&trace, "n.csv", size > 0 ? (const char *)data : "", size, &err);
    if (code < 0) {
        assert(strncmp(err.text, "n.csv:", 6) == 0);
    } else {
        assert(trace.node_count > 0);
        for (size_t i = 0; i < trace.node_count; i++) {
            assert(trace.nodes[i].devices <= GR_NODE_DEVICES_MAX);
            assert(trace.nodes[i].model < trace.model_count);
            assert(trace.nodes[i].name[0] != '\0');
        }
    }
    gr_trace_done(&trace);
    return 0;
}
