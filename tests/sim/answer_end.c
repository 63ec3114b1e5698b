// Ends, stops, jobs that can never start, and mixes that are due: what the core decides about them,
// and what the books say must come of it. See parts.h.
#include "goals.h"
#include "parts.h"
#include "story.h"

#include <string.h>

// Bits of requeue_on that an outcome calls for, if nobody asked the job to stop.
static uint32_t reason_of(uint32_t outcome)
{
    switch (outcome) {
    case GR_OUTCOME_FAILED:
    case GR_OUTCOME_OUT_OF_MEMORY:
    case GR_OUTCOME_NOT_STARTED:
        return GR_REQUEUE_FAILED;
    case GR_OUTCOME_NODE:
    case GR_OUTCOME_LOST:
        return GR_REQUEUE_NODE;
    case GR_OUTCOME_RECLAIMED:
        return GR_REQUEUE_RECLAIM;
    default:
        return 0;
    }
}

static bool again(const struct world_job *job, uint32_t outcome)
{
    uint32_t reason = reason_of(outcome);
    if (job->stop_why == GR_STOP_MOVE) {
        return outcome != GR_OUTCOME_DONE;
    }
    bool is_pools = job->stop_why == GR_STOP_RECLAIM || job->stop_why == GR_STOP_WINDOW;
    if (job->stop_why == GR_STOP_NODE || is_pools) {
        uint32_t pool = job->stop_why == GR_STOP_NODE ? GR_REQUEUE_NODE : GR_REQUEUE_RECLAIM;
        reason = outcome == GR_OUTCOME_DONE ? 0 : pool;
    } else if (job->stop_why != GR_STOP_NOT) {
        reason = 0;
    }
    return (job->requeue_on & reason) != 0 && (job->attempt < job->attempts || is_pools);
}

void answer_end(struct drive *drive)
{
    struct world *world = &drive->world;
    if (drive->lent && chance(drive, 40)) {
        return; // so that the pool is full
    }
    for (uint32_t tries = 0; tries < 8 && world->jobs > 0; tries++) {
        const struct world_job *job = &world->job[below(drive, world->jobs)];
        if (!job->running) {
            continue;
        }
        answer_part_ends(job);
        int64_t since = drive->at - (drive->at > 5 && chance(drive, 20) ? 5 : 0);
        struct gr_ending ending = make_ending(drive);
        ending.outcome = !chance(drive, 50)   ? ending.outcome
                         : job->stop_why == 0 ? (uint32_t)GR_OUTCOME_DONE
                                              : (uint32_t)GR_OUTCOME_STOPPED;
        struct gr_event event = gr_decide_end(drive->core, drive->at, since, job->id, &ending);
        uint32_t expected = again(job, ending.outcome) ? GR_JOB_REQUEUED : GR_JOB_FINISHED;
        if (event.type != expected || event.finished.job != job->id || event.since_ms != since ||
            event.finished.attempt != job->attempt ||
            memcmp(&event.finished.ending, &ending, sizeof ending) != 0) {
            story_wrong("the end of job %llu becomes another fact", (unsigned long long)job->id);
        }
        drive_apply(drive, &event);
        return;
    }
}

void answer_stop(struct drive *drive)
{
    struct world *world = &drive->world;
    if (world->jobs == 0) {
        return;
    }
    const struct world_job *job = &world->job[below(drive, world->jobs)];
    enum gr_stop_why why = (enum gr_stop_why)(1 + below(drive, GR_STOP_WHYS - 1));
    int64_t grace = below(drive, 50);
    struct gr_event event = gr_decide_stop(drive->core, drive->at, job->id, why, 15, grace);
    bool good = job->running ? event.type == GR_STOP_ASKED && event.stop_asked.job == job->id &&
                                   event.stop_asked.why == (uint32_t)why &&
                                   event.stop_asked.grace_ms == grace
                             : event.type == GR_JOB_DROPPED && event.dropped.job == job->id;
    if (!good) {
        story_wrong("the stop of job %llu becomes another fact", (unsigned long long)job->id);
    }
    drive_apply(drive, &event);
}

void answer_doomed(struct drive *drive)
{
    struct gr_event event;
    for (;;) {
        const struct world_job *job = world_doomed(&drive->world);
        bool answer = gr_decide_doomed(drive->core, drive->at, &event);
        if (answer != (job != NULL) ||
            (answer && (event.type != GR_JOB_DROPPED || event.dropped.job != job->id ||
                        event.dropped.why != GR_REFUSED_AFTER))) {
            story_wrong("another job is doomed");
        }
        if (!answer) {
            return;
        }
        drive_apply(drive, &event);
    }
}

void answer_mix(struct drive *drive)
{
    const struct world *world = &drive->world;
    struct gr_event event;
    bool due =
        drive->config.learn_mix && world->submitted > 0 && world->submitted >= world->mix_due;
    if (gr_decide_mix(drive->core, drive->at, &event) != due) {
        story_wrong("a mix is due, or is not");
    }
    if (!due) {
        return;
    }
    uint64_t tasks = 0;
    for (uint32_t i = 0; i < event.item_count; i++) {
        tasks += event.items[i].count;
    }
    if (event.type != GR_MIX_SET || (event.item_count < GR_MIX_MAX && tasks != world->tasks)) {
        story_wrong("the mix is not what was submitted");
    }
    drive_apply(drive, &event);
}
