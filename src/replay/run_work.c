// Work of a replay: it starts, signals checkpoints, is asked to stop, ends, and goes on later. See
// run_parts.h.
#include "replay/run_parts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

// The latest end of a job on the virtual clock: times of 15 digits are exact everywhere, also in
// JSON, and no sum of them overflows.
#define END_MAX_MS INT64_C(999999999999999)

// That the job's end is a time that the clock can show.
static int check_end(const struct gr_trace *trace, uint32_t job, int64_t start_ms,
                     struct gr_err *err)
{
    int64_t duration_ms = trace->jobs[job].duration_ms;
    assert(start_ms >= 0 && start_ms <= END_MAX_MS);
    if (duration_ms == GR_TRACE_FOREVER || duration_ms <= END_MAX_MS - start_ms) {
        return 0;
    }
    return gr_fail(err, -ERANGE,
                   "job %" PRIu32 " of the file would end more than 31,000 years after the first "
                   "arrival, expected less: is the unit of the durations right "
                   "(--map duration=COLUMN:ms)?",
                   job + 1);
}

static const struct gr_trace_job *source_of(const struct gr_run *run, const struct gr_job *job)
{
    return &run->trace->jobs[run->trace->order[job->tag]];
}

int gr_run_work_begin(struct gr_run *run, struct gr_err *err)
{
    size_t count = run->trace->order_count;
    run->work = calloc(count + 1, sizeof *run->work);
    run->result.jobs = calloc(count + 1, sizeof *run->result.jobs);
    if (run->work == NULL || run->result.jobs == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the replay");
    }
    run->result.job_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct gr_trace_job *job = &run->trace->jobs[run->trace->order[i]];
        run->work[i] =
            (struct gr_run_work){.left_ms = job->duration_ms, .waits_ms = job->submit_ms};
        run->result.jobs[i] = (struct gr_result_job){.start_ms = -1, .end_ms = -1};
    }
    return 0;
}

// ---- starts and checkpoints ---------------------------------------------------------------------

// Notes when the attempt that a fact has just begun leaves, and its first checkpoint.
static int note_start(struct gr_run *run, const struct gr_event *event, const struct gr_job *job,
                      struct gr_err *err)
{
    struct gr_run_work *work = &run->work[job->tag];
    struct gr_result_job *result = &run->result.jobs[job->tag];
    int64_t every_ms = source_of(run, job)->checkpoint_ms;
    work->began_ms = event->at_ms;
    result->waited_ms += event->at_ms - work->waits_ms;
    if (result->start_ms < 0) {
        result->start_ms = event->at_ms;
        run->result.placed++;
    }
    struct gr_run_end end = {.sequence = event->sequence,
                             .job = job->id,
                             .attempt = job->attempt,
                             .what = GR_RUN_END_DONE};
    int code = 0;
    if (work->left_ms != GR_TRACE_FOREVER) {
        end.at_ms = event->at_ms + work->left_ms;
        code = gr_run_end_push(run, end, err);
    }
    if (code == 0 && every_ms > 0 && every_ms < work->left_ms) {
        end.at_ms = event->at_ms + every_ms;
        end.what = GR_RUN_END_CHECKPOINT;
        code = gr_run_end_push(run, end, err);
    }
    return code;
}

static int checkpoint(struct gr_run *run, const struct gr_run_end *end, const struct gr_job *job,
                      struct gr_err *err)
{
    const struct gr_run_work *work = &run->work[job->tag];
    struct gr_event event = gr_decide_fact(run->core, end->at_ms, GR_CHECKPOINTED);
    event.checkpointed.job = job->id;
    event.checkpointed.attempt = job->attempt;
    struct gr_run_end next = *end;
    next.at_ms += source_of(run, job)->checkpoint_ms;
    bool again = work->left_ms == GR_TRACE_FOREVER || next.at_ms < work->began_ms + work->left_ms;
    int code = gr_run_fact(run, &event, err);
    return code == 0 && again && next.at_ms <= END_MAX_MS ? gr_run_end_push(run, next, err) : code;
}

int gr_run_place(struct gr_run *run, const struct gr_event *event, struct gr_err *err)
{
    const struct gr_job *job = gr_core_job_find(run->core, event->placed.job);
    assert(job != NULL);
    int code = check_end(run->trace, run->trace->order[job->tag], event->at_ms, err);
    code = code < 0 ? code : gr_run_fact(run, event, err);
    if (code < 0) {
        return code;
    }
    gr_run_measure_pieces(run, event->pieces, event->piece_count);
    if (!run->has_queue) {
        run->result.placed++;
        return 0;
    }
    return note_start(run, event, gr_core_job_find(run->core, event->placed.job), err);
}

// ---- ends ---------------------------------------------------------------------------------------

int gr_run_stop(struct gr_run *run, const struct gr_event *event, struct gr_err *err)
{
    int code = gr_run_fact(run, event, err);
    int64_t grace_ms = event->stop_asked.grace_ms;
    struct gr_run_end end = {.at_ms = grace_ms < END_MAX_MS - event->at_ms ? event->at_ms + grace_ms
                                                                           : END_MAX_MS,
                             .sequence = event->sequence,
                             .job = event->stop_asked.job,
                             .attempt = event->stop_asked.attempt,
                             .what = GR_RUN_END_STOPPED};
    return code < 0 ? code : gr_run_end_push(run, end, err);
}

// What a stopped attempt leaves to be done again.
static void lose(struct gr_run *run, const struct gr_run_end *end, const struct gr_job *job)
{
    struct gr_run_work *work = &run->work[job->tag];
    struct gr_result_job *result = &run->result.jobs[job->tag];
    const struct gr_trace_job *source = source_of(run, job);
    int64_t ran_ms = end->at_ms - work->began_ms;
    int64_t lost_ms = source->checkpoint_ms > 0 ? ran_ms % source->checkpoint_ms : ran_ms;
    if (work->left_ms != GR_TRACE_FOREVER) {
        work->left_ms -= ran_ms - lost_ms;
    }
    work->waits_ms = end->at_ms;
    result->stops++;
    result->lost_milli_ms += (double)gr_trace_job_milli(source) * (double)lost_ms;
    run->result.stopped++;
    run->result.lost_milli_ms += (double)gr_trace_job_milli(source) * (double)lost_ms;
}

static int finish(struct gr_run *run, const struct gr_run_end *end, const struct gr_job *job,
                  struct gr_err *err)
{
    uint32_t count = gr_core_job_pieces(run->core, end->job, run->pieces, GR_TASKS_MAX);
    bool is_done = end->what == GR_RUN_END_DONE;
    struct gr_ending ending = {.outcome = is_done ? GR_OUTCOME_DONE : GR_OUTCOME_RECLAIMED};
    struct gr_event event = gr_decide_end(run->core, end->at_ms, end->at_ms, end->job, &ending);
    if (is_done) {
        run->result.jobs[job->tag].end_ms = end->at_ms;
    } else {
        lose(run, end, job);
    }
    int code = gr_run_fact(run, &event, err);
    if (code < 0) {
        return code;
    }
    gr_run_measure_pieces(run, run->pieces, count);
    if (event.type == GR_JOB_FINISHED) {
        run->result.finished++;
        gr_run_step(run);
    }
    return 0;
}

// The running job that an end is about; NULL if that attempt is over.
static const struct gr_job *job_of(const struct gr_run *run, const struct gr_run_end *end)
{
    const struct gr_job *job = gr_core_job_find(run->core, end->job);
    return job != NULL && job->state == GR_JOB_RUNNING && job->attempt == end->attempt ? job : NULL;
}

int64_t gr_run_ends_next(struct gr_run *run)
{
    while (run->end_count > 0 && job_of(run, &run->ends[0]) == NULL) {
        (void)gr_run_end_take(run);
    }
    return run->end_count > 0 ? run->ends[0].at_ms : INT64_MAX;
}

int gr_run_ends(struct gr_run *run, int64_t at_ms, struct gr_err *err)
{
    while (gr_run_ends_next(run) == at_ms) {
        struct gr_run_end end = gr_run_end_take(run);
        const struct gr_job *job = job_of(run, &end);
        int code = end.what == GR_RUN_END_CHECKPOINT ? checkpoint(run, &end, job, err)
                                                     : finish(run, &end, job, err);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}
