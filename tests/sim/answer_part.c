// Tasks of running gangs that are lost and replaced: what is driven, what the books say against the
// decisions, and what nobody may leave undone. See parts.h.
#include "goals.h"
#include "parts.h"
#include "story.h"

#include <string.h>

// What the goal "part" counts.
enum part {
    PART_LOST_FIRST, // a job's first loss
    PART_LOST_MORE,  // one more while it lacks tasks already
    PART_LOST_AGAIN, // the task that took another's place
    PART_PLACED,
    PART_PLACED_MANY,   // several tasks at once
    PART_PLACED_SHARED, // with tasks that share domains with others
    PART_WAITS,         // there is no room
    PART_WAITS_QUOTA,   // there is, but not for it
    PART_STOPPED,       // it waited too long
    PART_LAST,          // no more can be lost
    PART_ENDED,         // a job ends while it lacks tasks
};

// So long a job waits.
#define MENDING_MS 600000

static uint32_t block_of(const struct gr_demand *demand)
{
    return demand->domain_level == 0  ? 1
           : demand->domain_tasks > 0 ? demand->domain_tasks
                                      : demand->tasks;
}

static bool is_mending(const struct world_job *job)
{
    return job->running && job->stop_why == GR_STOP_NOT && world_lost(job) > 0;
}

void answer_part_lost(struct drive *drive)
{
    struct world *world = &drive->world;
    for (uint32_t tries = 0; tries < 40 && world->jobs > 0; tries++) {
        struct world_job *job = &world->job[below(drive, world->jobs)];
        bool may_lose = job->requeue_on >= 16 && job->piece_count > 1;
        if (!job->running || (tries < 30 && !may_lose) || (tries < 12 && !job->has_lost)) {
            continue;
        }
        if (job->began == 0 && job->requeue_on >= 16) { // so that there is something to lose
            struct gr_event begun = drive_fact(drive, GR_JOB_STARTED);
            begun.started.job = job->id;
            begun.started.attempt = job->attempt;
            drive_apply(drive, &begun);
        }
        uint32_t task = below(drive, job->piece_count);
        struct gr_event event =
            gr_decide_part_lost(drive->core, drive->at, drive->at, job->id, task, job->part[task]);
        uint32_t lost = world_lost(job);
        int64_t until = lost > 0 ? job->mend_until : drive->at + MENDING_MS;
        if (event.part_lost.until_ms != (until < drive->at ? drive->at : until)) {
            story_wrong("job %llu waits until %lld", (unsigned long long)job->id,
                        (long long)event.part_lost.until_ms);
        }
        enum gr_refusal may = gr_core_part_may(drive->core, job->id, 1);
        bool good = job->requeue_on >= 16 && job->began != 0 && job->stop_why == GR_STOP_NOT &&
                    lost + 1 < job->piece_count;
        if ((may == GR_REFUSED_NOTHING) != good) {
            story_wrong("job %llu may lose a part, or may not", (unsigned long long)job->id);
        }
        if (!good && may == GR_REFUSED_PIECES) {
            goal_reach("part", PART_LAST);
        }
        if (drive_agreed(drive, &event)) {
            goal_reach("part", job->part[task] > 0 ? PART_LOST_AGAIN
                               : lost > 0          ? PART_LOST_MORE
                                                   : PART_LOST_FIRST);
            drive_apply(drive, &event);
        }
        return;
    }
}

void answer_part_ends(const struct world_job *job)
{
    if (world_lost(job) > 0) {
        goal_reach("part", PART_ENDED);
    }
}

// What is free for what a job lacks.
static void view_for(const struct drive *drive, struct world_view *ret_view)
{
    const struct world *world = &drive->world;
    world_view_now(world, ret_view);
    for (uint32_t n = 0; n < world->nodes; n++) {
        ret_view->usable[n] &= world->held[n] == 0 && !world->kept[n];
    }
}

// Whole blocks: what it has with what it gets.
static bool blocks_whole(const struct world *world, const struct world_job *job,
                         const struct gr_event *event)
{
    uint32_t counts[64] = {0};
    uint32_t block = block_of(&job->demand);
    for (uint32_t p = 0; block > 1 && p < job->piece_count + event->piece_count; p++) {
        bool is_new = p >= job->piece_count;
        const struct gr_piece *piece =
            is_new ? &event->pieces[p - job->piece_count] : &job->pieces[p];
        uint32_t domain = world->node[piece->node].domain[job->demand.domain_level - 1];
        if (!is_new && job->lost[p]) {
            continue;
        }
        if (domain >= 64) {
            return false;
        }
        counts[domain]++;
    }
    for (uint32_t d = 0; d < 64; d++) {
        if (block > 1 && counts[d] % block != 0) {
            return false;
        }
    }
    return true;
}

// The tier of its preference in which a job's tasks are; 0: it prefers none.
static uint32_t tier_of(const struct world *world, const struct world_job *job)
{
    uint32_t p = 0;
    while (job->lost[p]) {
        p++;
    }
    return world_tier(world, &job->demand, world->node[job->pieces[p].node].variant);
}

static void placed_verify(struct drive *drive, const struct gr_event *event)
{
    const struct world *world = &drive->world;
    const struct world_job *job = world_job(world, event->part_placed.job);
    struct world_view view;
    if (job == NULL || !is_mending(job) || drive->at >= job->mend_until) {
        story_wrong("job %llu gets a part", (unsigned long long)event->part_placed.job);
    }
    view_for(drive, &view);
    struct gr_demand alone = job->demand; // how its tasks lie together is asked below
    alone.tasks = world_lost(job);
    alone.preference = 0;
    if (block_of(&job->demand) > 1) {
        alone.domain_level = 0;
        alone.domain_tasks = 0;
    } else if (alone.domain_level != 0) {
        alone.domain_tasks = 1;
    }
    const char *phrase =
        world_pieces_wrong(world, &view, &alone, event->pieces, event->piece_count);
    for (uint32_t p = 0; p < event->piece_count && phrase == NULL; p++) {
        uint32_t tier = world_tier(world, &job->demand, world->node[event->pieces[p].node].variant);
        phrase = tier != tier_of(world, job) ? "a piece of another choice" : NULL;
    }
    if (phrase != NULL || !blocks_whole(world, job, event)) {
        story_wrong("job %llu gets, as a part, %s", (unsigned long long)job->id,
                    phrase == NULL ? "a part of a block" : phrase);
    }
    if (event->part_placed.part != job->parts + 1 || event->part_placed.attempt != job->attempt ||
        event->part_placed.verdict != 7 || event->part_placed.rules_version != 70) {
        story_wrong("another part than is due");
    }
    if (world->order == GR_ORDER_FAIR && (!answer_quota_allows(world, job, event) ||
                                          !world_terms_allow_more(world, job, alone.tasks))) {
        story_wrong("job %llu gets a part beyond its limits", (unsigned long long)job->id);
    }
    goal_reach("part", block_of(&job->demand) > 1 ? PART_PLACED_SHARED
                       : event->piece_count > 1   ? PART_PLACED_MANY
                                                  : PART_PLACED);
}

bool answer_part_is(const struct gr_event *event)
{
    return event->type == GR_PART_PLACED ||
           (event->type == GR_STOP_ASKED && event->stop_asked.why == GR_STOP_NODE);
}

void answer_part_verify(struct drive *drive, const struct gr_event *event)
{
    if (event->type == GR_PART_PLACED) {
        placed_verify(drive, event);
        return;
    }
    const struct world_job *job = world_job(&drive->world, event->stop_asked.job);
    if (job == NULL || !is_mending(job) || drive->at < job->mend_until ||
        event->stop_asked.grace_ms != drive->world.queue_terms.notice_ms) {
        story_wrong("job %llu is stopped for what it lacks",
                    (unsigned long long)event->stop_asked.job);
    }
    goal_reach("part", PART_STOPPED);
}

// Would the missing tasks of a job find room of these variants and sites?
static bool has_room(const struct drive *drive, const struct world_job *job,
                     const struct gr_mask *mask)
{
    const struct world *world = &drive->world;
    struct world_view view;
    struct gr_demand one = job->demand;
    uint32_t block = block_of(&job->demand);
    uint32_t has[64] = {0};
    uint32_t left = world_lost(job);
    view_for(drive, &view);
    one.preference = 0; // the mask is of one tier
    if (block == 1) {
        one.tasks = left;
        one.domain_tasks = one.domain_level != 0 ? 1 : one.domain_tasks;
        return world_fits(world, &view, &one, mask);
    }
    for (uint32_t p = 0; p < job->piece_count; p++) {
        uint32_t domain =
            job->lost[p] ? 64
                         : world->node[job->pieces[p].node].domain[job->demand.domain_level - 1];
        has[domain < 64 ? domain : 0] += domain < 64;
    }
    uint32_t blocks = 0;
    one.tasks = 1;
    one.domain_level = 0;
    one.domain_tasks = 0;
    for (uint32_t d = 0; d < 64; d++) {
        struct world_view here = view;
        bool any = false;
        for (uint32_t n = 0; n < world->nodes; n++) {
            bool is_in = world->node[n].domain[job->demand.domain_level - 1] == d;
            any |= is_in;
            here.usable[n] &= is_in;
        }
        uint32_t lacks = (block - has[d] % block) % block;
        uint32_t room = 0;
        for (one.tasks = 1; any && one.tasks <= WORLD_TASKS; one.tasks++) {
            room = world_fits(world, &here, &one, mask) ? one.tasks : room;
        }
        if (lacks > room || lacks > left) {
            return false;
        }
        left -= lacks;
        blocks += (room - lacks) / block;
    }
    return left / block <= blocks;
}

// Leaves of a mask what is of the choice in which the job's tasks are. False: nothing.
static bool tier_keep(const struct world *world, const struct world_job *job, struct gr_mask *mask)
{
    struct gr_mask all = *mask;
    return job->demand.preference == 0 ||
           world_tier_mask(world, &job->demand, tier_of(world, job), &all, mask);
}

void answer_part_none(struct drive *drive)
{
    const struct world *world = &drive->world;
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *job = &world->job[j];
        if (!is_mending(job)) {
            continue;
        }
        if (drive->at >= job->mend_until) {
            story_wrong("job %llu has waited too long for a part", (unsigned long long)job->id);
        }
        bool is_fair = world->order == GR_ORDER_FAIR;
        struct gr_mask whole = world->mask[job->demand.shape.mask];
        bool may = !is_fair || world_terms_allow_more(world, job, world_lost(job));
        bool found = false;
        for (int own = is_fair; own >= 0 && may; own--) {
            struct gr_mask mask =
                is_fair ? answer_mask_left(world, job, world_lost(job), own != 0) : whole;
            found |= tier_keep(world, job, &mask) && has_room(drive, job, &mask) &&
                     answer_mask_known(world, &mask, job);
        }
        if (found && !answer_refused(drive, job) && drive->refused_at != world->sequence) {
            story_wrong("job %llu could get what it lacks", (unsigned long long)job->id);
        }
        (void)tier_keep(world, job, &whole);
        goal_reach("part", has_room(drive, job, &whole) ? PART_WAITS_QUOTA : PART_WAITS);
    }
}
