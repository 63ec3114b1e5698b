// The work of `granary replay`: one trace under several policies, or the benchmark. See replay.h.
#include "cli/replay.h"

#include "base/text.h"
#include "replay/openb.h"
#include "replay/openb_ceiling.h"
#include "replay/report.h"
#include "replay/run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

// ---- one trace ----------------------------------------------------------------------------------

// Progress over the runs of several policies.
struct watch {
    struct gr_progress progress;
    uint64_t before; // steps of the runs that are over
};

static void watch_steps(void *context, uint64_t done)
{
    struct watch *watch = context;
    gr_progress_set(&watch->progress, watch->before + done);
}

static int run_policies(const struct gr_cli_replay_request *request, const struct gr_trace *trace,
                        const struct gr_cli_replay_policies *policies, struct gr_result *results,
                        struct gr_err *err)
{
    struct watch watch = {0};
    uint64_t steps = gr_run_steps(trace);
    gr_progress_init(&watch.progress, "replay", "steps", steps * policies->count);
    int code = 0;
    for (size_t i = 0; code == 0 && i < policies->count; i++) {
        struct gr_run_config config = {
            .policy = policies->names[i],
            .seed = request->load.seed,
            .order = (enum gr_order)request->queue,
            .terms = request->terms_text != NULL ? &request->terms : NULL,
            .learn_mix = request->mix == 1,
            .measure_fragmentation = true,
            .keep_fills = request->report != NULL,
            .verify = request->verify,
            .progress = watch_steps,
            .context = &watch,
        };
        code = gr_run(trace, &config, &results[i], err);
        if (code < 0) {
            gr_err_prefix(err, "policy %s", policies->names[i]);
        }
        watch.before += steps;
    }
    gr_progress_done(&watch.progress);
    return code;
}

// The ceiling of a trace whose jobs never leave, in percent of capacity; NaN if there is none.
static int find_ceiling(const struct gr_trace *trace, double *ret_percent, struct gr_err *err)
{
    struct gr_openb_ceiling *ceiling = NULL;
    int64_t bound_milli = 0;
    *ret_percent = NAN;
    int code = gr_openb_ceiling_new(trace, &ceiling, err);
    if (code == 0) {
        code = gr_openb_ceiling_run(ceiling, trace, GR_OPENB_OFFLINE, &bound_milli, err);
    }
    gr_openb_ceiling_free(ceiling);
    if (code == 1) {
        *ret_percent = (double)bound_milli * 100 / (double)gr_trace_capacity_milli(trace);
    }
    return code == 1 || code == -ENOTSUP ? 0 : code;
}

static int write_report(const struct gr_cli_replay_request *request, const struct gr_trace *trace,
                        const struct gr_result *results, size_t count, struct gr_err *err)
{
    double ceilings[GR_BENCH_POLICIES_MAX] = {0};
    double ceiling = NAN;
    if (request->ceiling != GR_CLI_REPLAY_NONE && !gr_trace_has_departures(trace)) {
        int code = find_ceiling(trace, &ceiling, err);
        if (code < 0) {
            return code;
        }
    }
    for (size_t i = 0; i < count; i++) {
        ceilings[i] = ceiling;
    }
    struct gr_report report = {
        .nodes = request->load.nodes != NULL ? request->load.nodes : request->load.pool,
        .jobs = request->load.jobs,
        .trace = trace,
        .results = results,
        .result_count = count,
        .ceilings = ceilings,
    };
    return gr_report_write(request->report, &report, err);
}

// The report and the results. Each is tried, whatever becomes of the other: the work may have taken
// long. The first error counts.
static int show(const struct gr_cli_replay_request *request, const struct gr_trace *trace,
                const struct gr_result *results, size_t count, struct gr_err *err)
{
    int reported = request->report != NULL ? write_report(request, trace, results, count, err) : 0;
    int printed =
        gr_cli_replay_results(trace, results, count, (enum gr_cli_replay_format)request->format,
                              request->timing, reported < 0 ? NULL : err);
    return reported < 0 ? reported : printed;
}

int gr_cli_replay_trace(const struct gr_cli_replay_request *request,
                        const struct gr_cli_replay_policies *policies, struct gr_err *err)
{
    struct gr_trace trace;
    struct gr_result results[GR_BENCH_POLICIES_MAX] = {0};
    int code = gr_load_trace(&request->load, &trace, err);
    if (code < 0) {
        return code;
    }
    if (request->has_queue && !gr_trace_has_departures(&trace)) {
        code = gr_fail(err, -EINVAL,
                       "found --queue for jobs that never leave, expected it only "
                       "for a trace with durations");
    }
    if (code == 0) {
        code = run_policies(request, &trace, policies, results, err);
    }
    if (code == 0) {
        code = show(request, &trace, results, policies->count, err);
    }
    for (size_t i = 0; i < policies->count; i++) {
        gr_result_done(&results[i]);
    }
    gr_trace_done(&trace);
    return code;
}

// ---- the benchmark ------------------------------------------------------------------------------

static void watch_runs(void *context, uint64_t done, uint64_t total)
{
    struct gr_progress *progress = context;
    progress->total = total;
    gr_progress_set(progress, done);
}

int gr_cli_replay_bench(const struct gr_cli_replay_request *request, const char *folder,
                        const struct gr_cli_replay_policies *policies, const uint64_t *seeds,
                        struct gr_err *err)
{
    struct gr_openb openb;
    int code = gr_openb_open(folder, &openb, err);
    if (code < 0) {
        return code;
    }
    struct gr_progress progress;
    struct gr_bench_config config = {
        .policies = policies->count > 0 ? policies->names : NULL,
        .policy_count = policies->count,
        .traces = request->traces.count > 0 ? request->traces.values : NULL,
        .trace_count = request->traces.count,
        .seeds = request->seeds.count > 0 ? seeds : NULL,
        .seed_count = request->seeds.count,
        .threads = (unsigned)request->threads,
        .learn_mix = request->mix == 1,
        .no_ceilings = request->ceiling == GR_CLI_REPLAY_NONE,
        .protocol_ceilings = request->ceiling == GR_CLI_REPLAY_PROTOCOL,
        .certificates = request->certificates,
        .progress = watch_runs,
        .context = &progress,
    };
    struct gr_bench_row *rows = NULL;
    size_t count = 0;
    gr_progress_init(&progress, "openb", "runs", 0);
    code = gr_bench_openb(&openb, &config, &rows, &count, err);
    gr_progress_done(&progress);
    if (code == 0) {
        code = gr_cli_replay_rows(rows, count, (enum gr_cli_replay_format)request->format,
                                  request->timing, err);
    }
    free(rows);
    gr_openb_close(&openb);
    return code;
}
