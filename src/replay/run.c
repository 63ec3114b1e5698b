// The loop of a replay: arrivals, departures, starts. See run.h.
#include "replay/run.h"

#include "base/clock.h"
#include "replay/run_parts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

// Steps between two calls of config->progress.
#define PROGRESS_STEPS 256

uint64_t gr_run_steps(const struct gr_trace *trace)
{
    return trace->order_count * (gr_trace_has_departures(trace) ? 2u : 1u);
}

int gr_run_fact(struct gr_run *run, const struct gr_event *event, struct gr_err *err)
{
    enum gr_refusal refusal = gr_core_check(run->core, event);
    if (refusal != GR_REFUSED_NOTHING) {
        return gr_fail(err, -EPROTO, "fact %" PRIu64 " (%s): %s", event->sequence,
                       gr_event_type_name(event->type), gr_refusal_text(refusal));
    }
    int code = run->config->verify ? gr_run_record(run, event, err) : 0;
    if (code == 0) {
        (void)gr_core_apply(run->core, event, NULL); // effects have nobody to go to in a replay
        run->result.facts++;
    }
    return code;
}

// ---- steps --------------------------------------------------------------------------------------

void gr_run_step(struct gr_run *run)
{
    if (++run->steps % PROGRESS_STEPS == 0 && run->config->progress != NULL) {
        run->config->progress(run->config->context, run->steps);
    }
}

// `job`: index into the trace's jobs.
static void note_drop(struct gr_run *run, uint32_t job)
{
    if (run->result.dropped++ == 0) {
        run->result.first_dropped = job;
    }
}

// Submits the job that arrives `index`-th. *ret_job is the core's id, or 0 if it is refused for
// good.
static int submit(struct gr_run *run, size_t index, int64_t at_ms, uint64_t *ret_job,
                  struct gr_err *err)
{
    const struct gr_trace_job *job = &run->trace->jobs[run->trace->order[index]];
    struct gr_submission submission = {
        .demand = {.shape = {.cpu_milli = job->cpu_milli,
                             .memory_mib = job->memory_mib,
                             .milli = (uint16_t)job->milli,
                             .devices = (uint8_t)job->devices},
                   .tasks = job->tasks,
                   .domain_level = job->domain_level,
                   .priority = job->priority,
                   .use = job->use},
        .mask = *gr_place_mask_get(gr_core_place(run->core), run->masks[job->models]),
        .limit_ms = job->limit_ms == GR_TRACE_FOREVER ? 0
                    : job->limit_ms > 0               ? job->limit_ms
                                                      : 1,
        .tag = index,
        .requeue_on = GR_REQUEUE_RECLAIM,
    };
    gr_run_owner_get(run, job, &submission.org, &submission.user);
    struct gr_event events[2];
    unsigned count = 0;
    enum gr_refusal refusal = gr_decide_submit(run->core, NULL, at_ms, &submission, events, &count);
    *ret_job = 0;
    run->result.arrived++;
    run->arrived_milli += gr_trace_job_milli(job);
    if (refusal == GR_REFUSED_NEVER || refusal == GR_REFUSED_NOWHERE) {
        note_drop(run, run->trace->order[index]);
        return 0;
    }
    if (refusal != GR_REFUSED_NOTHING) {
        return gr_fail(err, -EPROTO, "arrival %zu: %s", index, gr_refusal_text(refusal));
    }
    for (unsigned i = 0; i < count; i++) {
        int code = gr_run_fact(run, &events[i], err);
        if (code < 0) {
            return code;
        }
    }
    *ret_job = events[count - 1].sequence;
    struct gr_event mix;
    return gr_decide_mix(run->core, at_ms, &mix) ? gr_run_fact(run, &mix, err) : 0;
}

// Starts what the core's order lets start now.
static int start_waiting(struct gr_run *run, int64_t at_ms, struct gr_err *err)
{
    struct gr_event event;
    while (gr_decide_start(run->core, NULL, at_ms, run->pieces, &event)) {
        int code = event.type == GR_JOB_PLACED   ? gr_run_place(run, &event, err)
                   : event.type == GR_STOP_ASKED ? gr_run_stop(run, &event, err)
                                                 : gr_run_fact(run, &event, err);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

// Places a job that has just arrived, or drops it for good.
static int place_or_drop(struct gr_run *run, uint64_t job, int64_t at_ms, struct gr_err *err)
{
    struct gr_event event;
    enum gr_refusal refusal = gr_decide_start_job(run->core, NULL, at_ms, job, run->pieces, &event);
    if (refusal == GR_REFUSED_NOTHING) {
        return gr_run_place(run, &event, err);
    }
    note_drop(run, run->trace->order[gr_core_job_find(run->core, job)->tag]);
    event = gr_decide_drop(run->core, at_ms, job, refusal);
    return gr_run_fact(run, &event, err);
}

// A trace whose jobs never leave: one arrival after the other.
static int run_fill(struct gr_run *run, struct gr_err *err)
{
    for (size_t i = 0; i < run->trace->order_count; i++) {
        uint64_t job = 0;
        int64_t at_ms = run->trace->jobs[run->trace->order[i]].submit_ms;
        int code = submit(run, i, at_ms, &job, err);
        if (code == 0 && job != 0) {
            code = place_or_drop(run, job, at_ms, err);
        }
        if (code < 0) {
            return code;
        }
        gr_run_measure_arrival(run);
        gr_run_step(run);
    }
    return 0;
}

// All that happens at one moment: departures, then arrivals, then starts.
static int run_moment(struct gr_run *run, size_t *next, int64_t at_ms, struct gr_err *err)
{
    const struct gr_trace *trace = run->trace;
    gr_run_measure_time(run, at_ms);
    int code = gr_run_ends(run, at_ms, err);
    while (code == 0 && *next < trace->order_count &&
           trace->jobs[trace->order[*next]].submit_ms == at_ms) {
        uint64_t job = 0;
        code = submit(run, (*next)++, at_ms, &job, err);
        gr_run_step(run);
    }
    if (code == 0) {
        code = start_waiting(run, at_ms, err);
    }
    return code < 0 ? code : gr_run_measure_sample(run, at_ms, err);
}

// When the next hold is given up; INT64_MAX: there is none. That taking room back may be tried
// again is no moment of its own: it is, whenever something happens.
static int64_t hold_ends(const struct gr_run *run)
{
    int64_t first_ms = INT64_MAX;
    struct gr_core_hold hold;
    for (uint32_t cursor = 0; gr_core_hold_next(run->core, &cursor, &hold);) {
        int64_t until_ms = hold.until_ms > run->before_ms ? hold.until_ms : run->before_ms + 1;
        first_ms = until_ms < first_ms ? until_ms : first_ms;
    }
    return first_ms;
}

static int run_queue(struct gr_run *run, struct gr_err *err)
{
    const struct gr_trace *trace = run->trace;
    size_t next = 0;
    int code = gr_run_work_begin(run, err);
    while (code == 0) {
        int64_t arrival_ms =
            next < trace->order_count ? trace->jobs[trace->order[next]].submit_ms : INT64_MAX;
        int64_t end_ms = gr_run_ends_next(run);
        int64_t hold_ms = hold_ends(run);
        int64_t at_ms = arrival_ms < end_ms ? arrival_ms : end_ms;
        at_ms = hold_ms < at_ms ? hold_ms : at_ms;
        if (at_ms == INT64_MAX) {
            break;
        }
        code = run_moment(run, &next, at_ms, err);
    }
    return code;
}

static double now_s(void)
{
    return (double)gr_clock_ns() / 1e9;
}

static int run_all(struct gr_run *run, struct gr_err *err)
{
    double begin_s = now_s();
    int code = gr_run_set_up(run, err);
    if (code == 0 && run->config->kept != NULL && *run->config->kept != NULL) {
        (void)gr_core_tables_take(run->core, *run->config->kept); // other policy: makes its own
    }
    if (code == 0) {
        code = gr_run_measure_begin(run, err);
    }
    if (code == 0) {
        code = run->has_queue ? run_queue(run, err) : run_fill(run, err);
    }
    run->result.wall_s = now_s() - begin_s;
    if (code == 0) {
        code = gr_run_measure_end(run, err);
    }
    return code < 0 || !run->config->verify ? code : gr_run_verify(run, err);
}

int gr_run(const struct gr_trace *trace, const struct gr_run_config *config,
           struct gr_result *ret_result, struct gr_err *err)
{
    assert(trace->node_count > 0);
    assert(config->policy != NULL);
    struct gr_run run = {
        .trace = trace, .config = config, .has_queue = gr_trace_has_departures(trace)};
    int code = run_all(&run, err);
    if (config->kept != NULL) {
        gr_core_free(*config->kept);
        *config->kept = run.core;
    } else {
        gr_core_free(run.core);
    }
    free(run.masks);
    free(run.owners);
    free(run.pieces);
    free(run.work);
    free(run.ends);
    free(run.facts);
    free(run.node_frag);
    if (code < 0) {
        gr_result_done(&run.result);
        return code;
    }
    *ret_result = run.result;
    return 0;
}
