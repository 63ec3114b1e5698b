// Fuzzes the reader of quotas: what is taken names what the trace has and obeys the limits, what is
// refused has a place.
#include "fuzz.h"

#include "core/terms.h"
#include "replay/jobs_csv.h"
#include "replay/pool_spec.h"
#include "replay/quotas_csv.h"
#include "replay/trace_build.h"

#include <assert.h>
#include <string.h>

static const char jobs[] = "submit,duration,devices,cpu,memory,queue\n0,1,1,1,1,a\n0,1,1,1,1,b\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_trace trace;
    struct gr_jobs_options options = {0};
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_trace_init(&trace, &err);
    assert(code == 0);
    code = gr_pool_generate(&trace, "1x2xt4,1x2xh20", &err);
    assert(code == 0);
    code = gr_jobs_read_bytes(&trace, "j.csv", jobs, sizeof jobs - 1, &options, &err);
    assert(code == 0);
    code = gr_quotas_read_bytes(&trace, "q.csv", size > 0 ? (const char *)data : "", size, &err);
    if (code < 0) {
        assert(strncmp(err.text, "q.csv:", 6) == 0);
    }
    for (size_t i = 0; i < trace.quota_count; i++) {
        const struct gr_trace_quota *quota = &trace.quotas[i];
        assert(quota->queue > 0 && quota->queue < trace.queue_count);
        assert(quota->model < trace.model_count);
        assert(quota->nominal_milli <= GR_QUOTA_MILLI_MAX);
        assert(quota->lend_milli == GR_ANY_MILLI || quota->lend_milli <= quota->nominal_milli);
    }
    gr_trace_done(&trace);
    return 0;
}
