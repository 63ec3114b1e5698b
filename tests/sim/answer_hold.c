// Decisions that take room back: what the books say against them.
#include "goals.h"
#include "parts.h"
#include "story.h"

// Milli of a variant that an organisation and those below it hold, but for who was asked to stop.
static uint64_t stays(const struct world *world, uint32_t org, uint32_t variant)
{
    uint64_t milli = 0;
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *job = &world->job[j];
        milli +=
            job->running && job->stop_why == GR_STOP_NOT && world_is_below(world, job->org, org)
                ? world_job_held(world, job, variant)
                : 0;
    }
    return milli;
}

// Is room held for somebody of the organisation or below it, of a higher priority if `above` is
// given?
static bool is_for(const struct world *world, uint32_t org, const struct world_job *above)
{
    for (uint32_t n = 0; n < world->nodes; n++) {
        const struct world_job *job = world_job(world, world->held[n]);
        if (job != NULL && (above == NULL ? world_is_below(world, job->org, org)
                                          : job->org == above->org &&
                                                job->demand.priority > above->demand.priority)) {
            return true;
        }
    }
    return false;
}

static void stop_verify(struct drive *drive, const struct gr_event *event)
{
    const struct world *world = &drive->world;
    const struct world_job *job = world_job(world, event->stop_asked.job);
    uint64_t id = event->stop_asked.job;
    if (job == NULL || !job->running || job->stop_why != GR_STOP_NOT || job->called_for == 0 ||
        event->stop_asked.why != job->called_how ||
        event->stop_asked.grace_ms != world->queue_terms.notice_ms ||
        drive->at - job->started < world->queue_terms.min_run_ms) {
        story_wrong("job %llu is asked to stop that may not be", (unsigned long long)id);
    }
    bool is_lower =
        is_for(world, 0, job) && (world->queue_terms.reclaim & GR_RECLAIM_PRIORITY) != 0;
    if (!is_lower && (world->queue_terms.reclaim & GR_RECLAIM_BORROWED) == 0) {
        story_wrong("job %llu is asked to stop, but nothing is taken back", (unsigned long long)id);
    }
    for (uint32_t q = 0; q < world->quotas && !is_lower; q++) {
        const struct gr_quota *quota = &world->quota[q];
        uint64_t holds = world_job_held(world, job, quota->variant);
        if (holds > 0 && quota->nominal_milli > 0 && world_is_below(world, job->org, quota->org) &&
            !is_for(world, quota->org, NULL) &&
            stays(world, quota->org, quota->variant) - holds < quota->nominal_milli) {
            story_wrong("job %llu is asked to stop, which is its organisation's own",
                        (unsigned long long)id);
        }
    }
    goal_reach("job taken back", is_lower);
}

void answer_hold_verify(struct drive *drive, const struct gr_event *event)
{
    const struct world *world = &drive->world;
    if (event->type == GR_STOP_ASKED) {
        stop_verify(drive, event);
    } else if (event->type == GR_ROOM_FREED) {
        const struct world_job *job = world_job(world, event->freed.job);
        if (event->freed.why == GR_FREED_LEFT && job != NULL) {
            story_wrong("job %llu is still there", (unsigned long long)event->freed.job);
        }
        if (event->sequence == drive->held_at + 1 && drive->at == world->now) {
            story_wrong("room was held for job %llu in vain", (unsigned long long)event->freed.job);
        }
        goal_reach("hold ended", event->freed.why);
    } else {
        const struct world_job *job = world_job(world, event->held.job);
        if (job == NULL || job->running || job->held || world->queue_terms.reclaim == 0 ||
            !world_terms_allow(world, job)) {
            story_wrong("room is held for job %llu", (unsigned long long)event->held.job);
        }
        if (event->held.until_ms < drive->at + world->queue_terms.notice_ms) {
            story_wrong("room is held for less than the notice");
        }
        drive->held_at = event->sequence;
    }
}
