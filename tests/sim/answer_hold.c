// Decisions that take room back: what the books say against them.
#include "core/defrag.h"
#include "goals.h"
#include "parts.h"
#include "story.h"

// Milli of a variant that an organisation and those below it hold, but for who was asked to stop;
// who moves comes back.
static uint64_t stays(const struct world *world, uint32_t org, uint32_t variant)
{
    uint64_t milli = 0;
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *job = &world->job[j];
        milli += job->running && (job->stop_why == GR_STOP_NOT || job->stop_why == GR_STOP_MOVE) &&
                         world_is_below(world, job->org, org)
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
    if (job->called_how == GR_STOP_MOVE) {
        if ((job->requeue_on & GR_REQUEUE_MOVE) == 0 && job->safe == 0) {
            story_wrong("job %llu is to move, which may not be restarted", (unsigned long long)id);
        }
        goal_reach("job taken back", 2);
        return;
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

// Adds pieces to what is free, or takes them.
static void view_add(const struct world *world, struct world_view *view,
                     const struct gr_piece *pieces, uint32_t count, int sign)
{
    for (uint32_t p = 0; p < count; p++) {
        const struct gr_piece *piece = &pieces[p];
        view->cpu[piece->node] += sign * (int64_t)piece->cpu_milli;
        view->memory[piece->node] += sign * (int64_t)piece->memory_mib;
        for (uint32_t d = 0; d < GR_NODE_DEVICES_MAX; d++) {
            bool is_out = (world->node[piece->node].out >> d & 1) != 0;
            bool has = (piece->devices >> d & 1) != 0;
            view->milli[piece->node][d] += has && !is_out ? sign * (int)piece->milli : 0;
        }
    }
}

// All who move may be restarted, and fit elsewhere, all together, on nodes that are for nobody.
static void moves_verify(struct drive *drive, const struct gr_defrag *defrag,
                         const struct world_job *waits, const struct gr_piece *to)
{
    const struct world *world = &drive->world;
    struct world_view view;
    world_view_now(world, &view);
    answer_held_hide(drive, &view, 0);
    for (uint32_t n = 0; n < world->nodes; n++) {
        view.usable[n] &= !world->kept[n];
    }
    for (uint32_t p = 0; p < waits->demand.tasks; p++) {
        view.usable[drive->pieces[p].node] = false;
    }
    for (uint32_t m = 0; m < defrag->move_count; m++) {
        const struct world_job *job = world_job(world, defrag->moves[m].job);
        if (job == NULL || !job->running || job->stop_why != GR_STOP_NOT || job->called_for != 0 ||
            ((job->requeue_on & GR_REQUEUE_MOVE) == 0 && job->safe == 0) ||
            drive->at - job->started < world->queue_terms.min_run_ms) {
            story_wrong("job %llu is to move", (unsigned long long)defrag->moves[m].job);
        }
        view_add(world, &view, job->pieces, job->piece_count, 1);
    }
    for (uint32_t m = 0; m < defrag->move_count; m++) {
        const struct gr_defrag_move *move = &defrag->moves[m];
        const char *wrong = world_pieces_wrong(world, &view, &world_job(world, move->job)->demand,
                                               to + move->first, move->count);
        if (wrong != NULL) {
            story_wrong("job %llu fits nowhere else: %s", (unsigned long long)move->job, wrong);
        }
        view_add(world, &view, to + move->first, move->count, -1);
    }
}

void answer_defrag(struct drive *drive)
{
    static struct gr_piece to[GR_TASKS_MAX];
    const struct world *world = &drive->world;
    const struct world_job *job = world->jobs == 0 ? NULL : &world->job[below(drive, world->jobs)];
    struct gr_defrag defrag;
    if (job == NULL) {
        return;
    }
    gr_core_defrag(drive->core, drive->at, job->id, drive->pieces, to, &defrag);
    goal_reach("moves asked for", defrag.answer);
    if ((defrag.answer == GR_DEFRAG_NOT_WAITING) !=
        (job->running || job->held || world_has_hold(world, job->id))) {
        story_wrong("job %llu waits, or it does not", (unsigned long long)job->id);
    }
    if (defrag.answer == GR_DEFRAG_FOUND) {
        moves_verify(drive, &defrag, job, to);
        struct gr_event event =
            gr_decide_defrag(drive->core, drive->at, job->id, drive->pieces, &defrag);
        drive->held_at = event.sequence;
        drive_apply(drive, &event);
    }
}
