// What to do when an attempt ends, when somebody wants a job stopped, and with jobs that can never
// start: requests turned into facts, as decide.c does. Changes nothing.
#include "core/state.h"

#define NONE UINT32_MAX
#define ANY UINT32_MAX // a reason that need not be asked for

// The reason, as a bit of requeue_on, why the attempt may be tried again; 0: none. What granary did
// to it counts before what that looked like.
static unsigned requeue_reason(const struct gr_job *job, const struct gr_ending *ending)
{
    switch ((enum gr_stop_why)job->stop_why) {
    case GR_STOP_BY_USER:
    case GR_STOP_TIME_LIMIT:
    case GR_STOP_IDLE:
        return 0;
    case GR_STOP_NODE:
        return ending->outcome == GR_OUTCOME_DONE ? 0 : GR_REQUEUE_NODE;
    case GR_STOP_RECLAIM:
    case GR_STOP_WINDOW:
        return ending->outcome == GR_OUTCOME_DONE ? 0 : GR_REQUEUE_RECLAIM;
    case GR_STOP_MOVE: // restartable, as who asked for it knew
        return ending->outcome == GR_OUTCOME_DONE ? 0 : ANY;
    case GR_STOP_NOT:
        break;
    }
    static const uint8_t reasons[GR_OUTCOMES] = {[GR_OUTCOME_FAILED] = GR_REQUEUE_FAILED,
                                                 [GR_OUTCOME_OUT_OF_MEMORY] = GR_REQUEUE_FAILED,
                                                 [GR_OUTCOME_NODE] = GR_REQUEUE_NODE,
                                                 [GR_OUTCOME_LOST] = GR_REQUEUE_NODE,
                                                 [GR_OUTCOME_NOT_STARTED] = GR_REQUEUE_FAILED,
                                                 [GR_OUTCOME_RECLAIMED] = GR_REQUEUE_RECLAIM};
    return ending->outcome < GR_OUTCOMES ? reasons[ending->outcome] : 0;
}

struct gr_event gr_decide_end(const struct gr_core *core, int64_t at_ms, int64_t since_ms,
                              uint64_t job, const struct gr_ending *ending)
{
    assert(ending != NULL);
    const struct gr_job *row = gr_core_job_find(core, job);
    bool left =
        row != NULL && (row->attempt < row->attempts ||
                        ((row->stop_why == GR_STOP_RECLAIM || row->stop_why == GR_STOP_MOVE ||
                          row->stop_why == GR_STOP_WINDOW) &&
                         row->attempt < UINT16_MAX));
    unsigned reason = left ? requeue_reason(row, ending) : 0;
    bool again = reason == ANY || (reason != 0 && (row->requeue_on & reason) != 0);
    struct gr_event event = gr_decide_fact(core, at_ms, again ? GR_JOB_REQUEUED : GR_JOB_FINISHED);
    uint32_t attempt = row == NULL ? 0 : row->attempt;
    event.since_ms = since_ms;
    if (again) {
        event.requeued.job = job;
        event.requeued.attempt = attempt;
        event.requeued.ending = *ending;
    } else {
        event.finished.job = job;
        event.finished.attempt = attempt;
        event.finished.ending = *ending;
    }
    return event;
}

struct gr_event gr_decide_drop(const struct gr_core *core, int64_t at_ms, uint64_t job,
                               enum gr_refusal why)
{
    struct gr_event event = gr_decide_fact(core, at_ms, GR_JOB_DROPPED);
    event.dropped.job = job;
    event.dropped.why = (uint32_t)why;
    return event;
}

struct gr_event gr_decide_stop(const struct gr_core *core, int64_t at_ms, uint64_t job,
                               enum gr_stop_why why, uint32_t signal, int64_t grace_ms)
{
    const struct gr_job *row = gr_core_job_find(core, job);
    if (row == NULL || row->state != GR_JOB_RUNNING) {
        return gr_decide_drop(core, at_ms, job, GR_REFUSED_BY_USER);
    }
    struct gr_event event = gr_decide_fact(core, at_ms, GR_STOP_ASKED);
    event.stop_asked.job = job;
    event.stop_asked.attempt = row->attempt;
    event.stop_asked.why = (uint32_t)why;
    event.stop_asked.grace_ms = grace_ms;
    event.stop_asked.signal = signal;
    return event;
}

bool gr_decide_doomed(const struct gr_core *core, int64_t at_ms, struct gr_event *ret_event)
{
    assert(core != NULL && ret_event != NULL);
    if (core->doomed_first == NONE) {
        return false;
    }
    *ret_event =
        gr_decide_drop(core, at_ms, gr_job_at(core, core->doomed_first)->id, GR_REFUSED_AFTER);
    return true;
}
