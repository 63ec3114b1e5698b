// Fuzzes the reader of jobs, without a map and with one: what is taken obeys the limits, what is
// refused has a place.
#include "fuzz.h"

#include "replay/jobs_csv.h"
#include "replay/pool_spec.h"
#include "replay/trace_build.h"

#include <assert.h>
#include <string.h>

static void check_jobs(const struct gr_trace *trace)
{
    assert(trace->job_count > 0);
    assert(trace->order_count == trace->job_count);
    int64_t before_ms = 0;
    for (size_t i = 0; i < trace->order_count; i++) {
        const struct gr_trace_job *job = &trace->jobs[trace->order[i]];
        assert(job->submit_ms >= before_ms);
        before_ms = job->submit_ms;
        assert(job->tasks >= 1 && job->tasks <= GR_TASKS_MAX);
        assert(job->devices <= GR_NODE_DEVICES_MAX);
        assert((job->milli == 0) == (job->devices == 0));
        assert(job->milli == GR_DEVICE_MILLI || job->devices <= 1);
        assert(job->limit_ms >= job->duration_ms);
        assert(job->cpu_milli <= GR_CPU_MILLI_MAX);
        assert(job->memory_mib <= GR_MEMORY_MIB_MAX);
    }
}

static void read_with(const struct gr_jobs_map *map, const uint8_t *data, size_t size)
{
    struct gr_trace trace;
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_trace_init(&trace, &err);
    assert(code == 0);
    code = gr_pool_generate(&trace, "2x8xa,1x4xb,1x0xc", &err);
    assert(code == 0);
    struct gr_jobs_options options = {.map = map};
    code = gr_jobs_read_bytes(&trace, "j.csv", size > 0 ? (const char *)data : "", size, &options,
                              &err);
    if (code < 0) {
        assert(strncmp(err.text, "j.csv:", 6) == 0);
    } else {
        check_jobs(&trace);
    }
    gr_trace_done(&trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_jobs_map map;
    int code = gr_jobs_map_parse("submit=t,end=e:ms,devices=n,milli=m,milli=default:1000,kind=k,"
                                 "cpu_per_device=c:cpus,memory=default:1:gib,tasks=default:2",
                                 &map, NULL);
    assert(code == 0);
    read_with(NULL, data, size);
    read_with(&map, data, size);
    return 0;
}
