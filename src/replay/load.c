// Reading a whole trace: see load.h.
#include "replay/load.h"

#include "replay/jobs_csv.h"
#include "replay/nodes_csv.h"
#include "replay/openb.h"
#include "replay/order.h"
#include "replay/pool_spec.h"
#include "replay/quotas_csv.h"
#include "replay/trace_build.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static int read_ranks(const struct gr_load *load, struct gr_trace *trace, struct gr_err *err)
{
    uint32_t *ranks = NULL;
    int code = gr_ranks_read(load->node_ranks, load->seed, trace->node_count, &ranks, err);
    if (code == 0) {
        code = gr_trace_rank_nodes(trace, ranks, err);
        free(ranks);
    }
    return code;
}

static int read_jobs(const struct gr_load *load, struct gr_trace *trace, struct gr_err *err)
{
    struct gr_jobs_map map;
    struct gr_jobs_options options = {.node_devices = load->node_devices,
                                      .checkpoint_ms = load->checkpoint_ms};
    if (load->map != NULL) {
        int code = gr_jobs_map_parse(load->map, &map, err);
        if (code < 0) {
            return code;
        }
        options.map = &map;
    }
    return gr_jobs_read(trace, load->jobs, &options, err);
}

static int read_order(const struct gr_load *load, struct gr_trace *trace, struct gr_err *err)
{
    if (gr_trace_has_departures(trace)) {
        return gr_fail(
            err, -EINVAL,
            "%s: found an order for jobs that have times of their own, expected one only "
            "where no job leaves",
            load->order);
    }
    uint32_t arrivals = load->arrivals;
    int code = arrivals > 0
                   ? 0
                   : gr_openb_find_arrivals(load->order, load->jobs, load->seed, &arrivals, err);
    if (code < 0) {
        return code;
    }
    uint32_t *order = NULL;
    size_t count = 0;
    size_t most = arrivals > 0 ? arrivals : GR_TRACE_JOBS_MAX;
    code = gr_order_read(load->order, load->seed, (uint32_t)trace->job_count, most, &order, &count,
                         err);
    if (code == 0 && count < arrivals) {
        code = gr_fail(err, -EINVAL, "%s: found %zu arrivals in the seed's line, expected %u",
                       load->order, count, arrivals);
    } else if (code == 0) {
        code = gr_trace_set_order(trace, order, count, err);
    }
    free(order);
    return code;
}

int gr_load_trace(const struct gr_load *load, struct gr_trace *ret_trace, struct gr_err *err)
{
    assert((load->nodes != NULL) != (load->pool != NULL));
    assert(load->jobs != NULL);
    struct gr_trace trace;
    int code = gr_trace_init(&trace, err);
    if (code < 0) {
        return code;
    }
    code = load->nodes != NULL ? gr_nodes_read(&trace, load->nodes, err)
                               : gr_pool_generate(&trace, load->pool, err);
    if (code == 0 && load->node_ranks != NULL) {
        code = read_ranks(load, &trace, err);
    }
    if (code == 0) {
        code = read_jobs(load, &trace, err);
    }
    if (code == 0 && load->quotas != NULL) {
        code = gr_quotas_read(&trace, load->quotas, err);
    }
    if (code == 0 && load->order != NULL) {
        code = read_order(load, &trace, err);
    }
    if (code < 0) {
        gr_trace_done(&trace);
        return code;
    }
    *ret_trace = trace;
    return 0;
}
