// The end of a run: nothing comes from outside any more but that work ends. Then asking others to
// stop comes to an end before the next work does, and whoever can ever start has started when none
// is left. See parts.h.
#include "goals.h"
#include "parts.h"
#include "story.h"

// Between two events from outside at most so many stops are asked for a live job, and so many
// decisions made.
#define STOPS_A_JOB 1
#define FACTS_A_JOB 16
// Longer than whatever is not tried again for a while.
#define WHILE_MS 61000

// What the goal "rest" counts.
enum rest {
    REST_STARTED, // somebody who waited when all became quiet has started
    REST_STOPPED, // somebody was asked to stop after that
    REST_NEVER,   // somebody waits who fits nowhere, has no right, or is not first in a plain queue
    REST_HELD,    // room was held
    REST_EMPTY,   // nobody waits any more
};

// Facts since `first` of a type, or of any if it is 0.
static uint32_t facts_of(const struct drive *drive, size_t first, uint32_t type)
{
    uint32_t count = 0;
    for (size_t i = first; i < drive->fact_count; i++) {
        count += type == 0 || drive->facts[i].type == type;
    }
    return count;
}

// A running job: one that was asked to stop, or any. NULL: there is none.
static const struct world_job *running_find(struct drive *drive, bool asked)
{
    const struct world *world = &drive->world;
    uint32_t first = world->jobs == 0 ? 0 : below(drive, world->jobs);
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *job = &world->job[(first + j) % world->jobs];
        if (job->running && (!asked || job->stop_why != GR_STOP_NOT)) {
            return job;
        }
    }
    return NULL;
}

static void end(struct drive *drive, const struct world_job *job, enum gr_outcome outcome)
{
    struct gr_ending ending = {.began_ms = drive->at, .outcome = (uint32_t)outcome};
    struct gr_event event = gr_decide_end(drive->core, drive->at, drive->at, job->id, &ending);
    drive_apply(drive, &event);
}

// When the last hold ends by itself; 0: there is none.
static int64_t holds_until(const struct world *world)
{
    int64_t until = 0;
    for (uint32_t n = 0; n < world->nodes; n++) {
        until = world->held[n] != 0 && world->held_until[n] > until ? world->held_until[n] : until;
    }
    return until;
}

// Decides until nothing is to be done, now or after a while; who is asked to stop does.
static void rest(struct drive *drive)
{
    const size_t first = drive->fact_count;
    const uint32_t live = drive->world.jobs;
    bool waited = false;
    for (;;) {
        const size_t before = drive->fact_count;
        while (answer_start(drive)) {
            if (facts_of(drive, before, 0) > FACTS_A_JOB * (live + 1)) {
                story_wrong("deciding does not come to an end");
            }
        }
        answer_doomed(drive);
        const struct world_job *job = running_find(drive, true);
        int64_t until = holds_until(&drive->world);
        // A reservation whose time has come is made anew again and again while others run.
        waited = waited && facts_of(drive, before, 0) == facts_of(drive, before, GR_ROOM_RESERVED);
        if (job != NULL) {
            end(drive, job,
                job->stop_why == GR_STOP_RECLAIM ? GR_OUTCOME_RECLAIMED : GR_OUTCOME_STOPPED);
        } else if (until != 0) {
            drive->at = until > drive->at ? until : drive->at + 1;
        } else if (!waited) {
            drive->at += WHILE_MS;
            waited = true;
        } else {
            break;
        }
    }
    uint32_t stops = facts_of(drive, first, GR_STOP_ASKED);
    if (stops > STOPS_A_JOB * live) {
        story_wrong("%u stops of %u jobs, and nothing happened", stops, live);
    }
    if (stops > 0) {
        goal_reach("rest", REST_STOPPED);
    }
    if (facts_of(drive, first, GR_ROOM_HELD) > 0) {
        goal_reach("rest", REST_HELD);
    }
}

// Is room reserved where its job has no right to be? Reservations do not ask quotas which kinds
// they leave to a job that may still have others: then that room waits with it.
static bool is_kept_in_vain(const struct world *world)
{
    const struct world_job *job = world_job(world, world->kept_job);
    bool in_vain = false;
    for (uint32_t n = 0; n < world->nodes && job != NULL; n++) {
        const struct gr_mask left = answer_mask_left(world, job, job->demand.tasks, false);
        uint32_t variant = world->node[n].variant, site = world->node[n].site;
        bool own_left = world_quota_left(world, job->org, variant, true) > 0;
        in_vain |= world->kept[n] && ((left.bits[site][0] >> variant & 1) == 0 || !own_left);
    }
    return in_vain;
}

// Nothing runs. Who waits could not start, whatever was reserved for whom.
static void idle_verify(struct drive *drive)
{
    const struct world *world = &drive->world;
    const struct world_job *queue[WORLD_JOBS];
    uint32_t count = world_queue(world, queue);
    for (uint32_t i = 0; i < count && (i == 0 || world->order != GR_ORDER_FIFO); i++) {
        if (answer_starts_alone(drive, queue[i]) && !is_kept_in_vain(world)) {
            story_wrong("job %llu has the pool for itself, and waits",
                        (unsigned long long)queue[i]->id);
        }
        goal_reach("rest", REST_NEVER);
    }
    if (count == 0) {
        goal_reach("rest", REST_EMPTY);
    }
}

void answer_rest(struct drive *drive)
{
    drive->rules = (struct rules){.no_site = -1, .jobs_per_org = 100};
    // Another writer: who was refused by rules is asked again, and no array grows any more.
    struct gr_event event = drive_fact(drive, GR_EPOCH_BEGUN);
    drive_apply(drive, &event);
    const size_t first = drive->fact_count;
    const struct world_job *job;
    for (uint32_t left = drive->world.jobs;; left--) {
        rest(drive);
        job = running_find(drive, false);
        if (job == NULL) {
            break;
        }
        if (left == 0) {
            story_wrong("more work ended than there was");
        }
        end(drive, job, GR_OUTCOME_DONE);
    }
    if (facts_of(drive, first, GR_JOB_PLACED) > 0) {
        goal_reach("rest", REST_STARTED);
    }
    idle_verify(drive);
}
