// What the queue did: see queue_counts.h.
#include "daemon/queue_counts.h"

#include "core/show.h"

#include <assert.h>

const uint32_t gr_wait_steps[GR_WAIT_STEPS] = {1, 10, 60, 600, 3600, 21600, 86400, 604800};

const char *gr_preempted_name(enum gr_preempted why)
{
    static const char *const names[GR_PREEMPTED_WHYS] = {
        [GR_PREEMPTED_BORROWED] = "borrowed",
        [GR_PREEMPTED_PRIORITY] = "priority",
        [GR_PREEMPTED_NODE] = "node",
    };
    assert((unsigned)why < GR_PREEMPTED_WHYS);
    return names[why];
}

// Why it is; GR_PREEMPTED_WHYS: it is not for others' sake.
static enum gr_preempted why_of(const struct gr_core *core, const struct gr_job *job, uint32_t why)
{
    const struct gr_job *taker =
        why == GR_STOP_RECLAIM ? gr_core_job_find(core, gr_core_held_on(core, job->id)) : NULL;
    // Room that is borrowed is never taken back for work of the same organisation.
    return taker != NULL && taker->org == job->org ? GR_PREEMPTED_PRIORITY
           : why == GR_STOP_RECLAIM                ? GR_PREEMPTED_BORROWED
           : why == GR_STOP_NODE                   ? GR_PREEMPTED_NODE
                                                   : GR_PREEMPTED_WHYS;
}

static void stop_count(struct gr_queue_counts *counts, struct gr_core *core,
                       const struct gr_event *event)
{
    const struct gr_job *job = gr_core_job_find(core, event->stop_asked.job);
    if (job == NULL || job->state != GR_JOB_RUNNING || job->stop_why != GR_STOP_NOT) {
        return; // it was asked before
    }
    enum gr_preempted why = why_of(core, job, event->stop_asked.why);
    if (why < GR_PREEMPTED_WHYS) {
        uint64_t lost = 0;
        (void)gr_core_reclaimable(core, job->id, event->at_ms, &lost);
        counts->preempted[why]++;
        counts->lost[why] += lost;
    }
}

static void start_count(struct gr_queue_counts *counts, const struct gr_core *core,
                        const struct gr_event *event)
{
    const struct gr_job *job = gr_core_job_find(core, event->placed.job);
    if (job == NULL || event->placed.attempt != 1 || job->is_linked) {
        return;
    }
    int64_t wait_ms = event->at_ms > job->submitted_ms ? event->at_ms - job->submitted_ms : 0;
    unsigned step = 0;
    while (step < GR_WAIT_STEPS && wait_ms > gr_wait_steps[step] * INT64_C(1000)) {
        step++;
    }
    counts->waits[step]++;
    counts->waited_ms += (uint64_t)wait_ms;
}

void gr_queue_counts_fact(struct gr_queue_counts *counts, struct gr_core *core,
                          const struct gr_event *event)
{
    if (event->type == GR_STOP_ASKED) {
        stop_count(counts, core, event);
    } else if (event->type == GR_JOB_PLACED) {
        start_count(counts, core, event);
    }
}
