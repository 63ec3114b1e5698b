// Decisions where rights, priorities and shares count (GR_ORDER_FAIR): what the books say against
// them. The books do not say which job is the one, but no answer may break a right or a limit, pass
// over somebody who surely comes first, or leave room to nobody while somebody could use it.
#include "goals.h"
#include "parts.h"
#include "story.h"

#include <string.h>

// What the goal "fair" counts.
enum fair {
    FAIR_OWN,      // a start within an own quota, while there are quotas
    FAIR_BORROWED, // one beyond it
    FAIR_QUOTA,    // a quota keeps a job from room that there is
    FAIR_TERMS,    // limits do
    FAIR_NARROWED, // a mask of the variants that a quota leaves
    FAIR_SHARES,   // somebody waits because others have the smaller share
    FAIR_BESIDE,   // a start beside reserved room
    FAIR_BEFORE,   // one that ends before it is needed
    FAIR_RESERVED, // room is reserved
    FAIR_NOBODY,   // nobody can start
};

// Variants that a job's mask names and of which its quotas leave so many of its tasks enough.
struct gr_mask answer_mask_left(const struct world *world, const struct world_job *job,
                                uint32_t tasks, bool own)
{
    struct gr_mask mask = world->mask[job->demand.shape.mask];
    uint64_t milli = (uint64_t)tasks * job->demand.shape.devices * job->demand.shape.milli;
    uint64_t bits = 0;
    for (uint32_t v = 0; v < world->variants; v++) {
        bool is_left = milli == 0 || world_quota_left(world, job->org, v, own) >= milli;
        bits |= (uint64_t)is_left << v;
    }
    for (uint32_t s = 0; s < GR_SITES_MAX; s++) {
        for (uint32_t w = 0; w < GR_POOL_VARIANTS_MAX / 64; w++) {
            mask.bits[s][w] &= w == 0 ? bits : 0;
        }
    }
    return mask;
}

// The same for all of its tasks.
static struct gr_mask mask_left(const struct world *world, const struct world_job *job, bool own)
{
    return answer_mask_left(world, job, job->demand.tasks, own);
}

bool answer_mask_is_any(const struct world *world, const struct gr_mask *mask)
{
    uint64_t bits = 0;
    for (uint32_t s = 0; s < GR_SITES_MAX; s++) {
        bits |= mask->bits[s][0] & ((UINT64_C(1) << world->variants) - 1);
    }
    return bits != 0;
}

// Where a quota leaves a job less than its mask names, a mask of that must be known, or have room.
bool answer_mask_known(const struct world *world, const struct gr_mask *mask,
                       const struct world_job *job)
{
    const struct gr_mask *whole = &world->mask[job->demand.shape.mask];
    bool known = world->masks < world->limits.place.masks;
    for (uint32_t m = 0; m < world->masks; m++) {
        known |= memcmp(&world->mask[m], mask, sizeof *mask) == 0;
    }
    return known || memcmp(mask, whole, sizeof *mask) == 0;
}

// Does it surely end before the reserved room is needed? Jobs whose limits differ by less than an
// eighth count as alike.
static bool surely_in_time(const struct drive *drive, const struct world_job *job)
{
    int64_t left = drive->world.kept_start - drive->at;
    return job->limit > 0 && job->limit < left && job->limit / 8 + 1 <= left - job->limit;
}

static bool in_time(const struct drive *drive, const struct world_job *job)
{
    return job->limit > 0 && job->limit <= drive->world.kept_start - drive->at;
}

// Does it fit a mask of what is left to it, or a tier of that, which is known?
static bool fits_known(const struct world *world, const struct world_view *view,
                       const struct gr_mask *mask, const struct world_job *job)
{
    bool fits = false;
    if (job->demand.preference == 0) {
        return world_fits(world, view, &job->demand, mask) && answer_mask_known(world, mask, job);
    }
    for (uint32_t t = 1; t < 16; t++) {
        struct gr_mask part;
        fits |= world_tier_mask(world, &job->demand, t, mask, &part) &&
                world_fits_one(world, view, &job->demand, &part) &&
                answer_mask_known(world, &part, job);
    }
    return fits;
}

// The room that a job may use: not what is reserved for another one, if it could be in its way.
static void room_for(const struct drive *drive, const struct world_job *job,
                     struct world_view *ret_view)
{
    const struct world *world = &drive->world;
    world_view_now(world, ret_view);
    answer_held_hide(drive, ret_view, 0);
    if (world->kept_job == 0 || world->kept_job == job->id || surely_in_time(drive, job)) {
        return;
    }
    for (uint32_t n = 0; n < world->nodes; n++) {
        ret_view->usable[n] &= !world->kept[n];
    }
}

// Could it surely start now, within its own quota or at all?
static bool can_start(struct drive *drive, const struct world_job *job, bool own)
{
    const struct world *world = &drive->world;
    struct gr_mask mask = mask_left(world, job, own);
    struct world_view view;
    room_for(drive, job, &view);
    return world_terms_allow(world, job) && answer_start_objections(drive, job) == 0 &&
           fits_known(world, &view, &mask, job);
}

bool answer_starts_alone(struct drive *drive, const struct world_job *job)
{
    const struct world *world = &drive->world;
    struct world_view view;
    world_view_now(world, &view);
    if (answer_start_objections(drive, job) != 0) {
        return false;
    }
    if (world->order != GR_ORDER_FAIR) {
        return world_fits(world, &view, &job->demand, &world->mask[job->demand.shape.mask]);
    }
    struct gr_mask mask = mask_left(world, job, false);
    return world_terms_allow(world, job) && fits_known(world, &view, &mask, job);
}

// Of those of a user that ask for the same only the first has its turn.
static bool is_first_of_lane(const struct world *world, const struct world_job *job)
{
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *other = &world->job[j];
        int64_t low = other->limit < job->limit ? other->limit : job->limit;
        int64_t high = other->limit < job->limit ? job->limit : other->limit;
        bool is_alike = (low == 0) == (high == 0) && high - low <= low / 8 + 1;
        if (!other->running && !other->held && other->id < job->id && other->org == job->org &&
            other->user == job->user && is_alike &&
            memcmp(&other->demand, &job->demand, sizeof job->demand) == 0) {
            return false;
        }
    }
    return true;
}

// --- who comes first

// The organisations from the root down to one; returns how many.
static uint32_t path_of(const struct world *world, uint32_t org, uint32_t ret_path[WORLD_ORGS])
{
    uint32_t depth = 0;
    for (uint32_t o = org; o != UINT32_MAX; o = world->org[o].parent) {
        depth++;
    }
    for (uint32_t o = org, at = depth; o != UINT32_MAX; o = world->org[o].parent) {
        ret_path[--at] = o;
    }
    return depth;
}

// Has `a` surely the smaller share? Compared where their ways down the tree part.
static bool has_smaller_share(const struct world *world, const struct world_job *a,
                              const struct world_job *b)
{
    uint32_t path_a[WORLD_ORGS], path_b[WORLD_ORGS];
    uint32_t depth_a = path_of(world, a->org, path_a);
    uint32_t depth_b = path_of(world, b->org, path_b);
    uint32_t at = 0;
    while (at < depth_a && at < depth_b && path_a[at] == path_b[at]) {
        at++;
    }
    if (at == depth_a && at == depth_b && a->user == b->user) {
        return false;
    }
    // What nobody in particular asked for has the share of its organisation, as of some moment of
    // late.
    if ((at == depth_a && a->user == UINT32_MAX) || (at == depth_b && b->user == UINT32_MAX)) {
        return false;
    }
    struct world_key key_a =
        at < depth_a ? world_org_key(world, path_a[at]) : world_user_key(world, a->org, a->user);
    struct world_key key_b =
        at < depth_b ? world_org_key(world, path_b[at]) : world_user_key(world, b->org, b->user);
    return key_a.high * 1.002L + 1.0L < key_b.low;
}

static bool is_before(const struct world *world, const struct world_job *a,
                      const struct world_job *b)
{
    return a->demand.priority != b->demand.priority ? a->demand.priority > b->demand.priority
           : a->org == b->org && a->user == b->user ? a->id < b->id
                                                    : has_smaller_share(world, a, b);
}

// Who is refused by somebody who is asked is not asked again until something happens: nothing is
// known of the order then, for rules change between steps.
//
// Nobody who surely comes before the job could have started instead.
static void order_verify(struct drive *drive, const struct world_job *job, bool own)
{
    const struct world *world = &drive->world;
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *other = &world->job[j];
        if (other->running || other->held || other == job || !is_first_of_lane(world, other) ||
            drive->refused_at == world->sequence) {
            continue;
        }
        bool first_by_right = !own && can_start(drive, other, true);
        bool first_in_order =
            is_before(world, other, job) &&
            (can_start(drive, other, true) || (!own && can_start(drive, other, false)));
        if (first_by_right || first_in_order) {
            story_wrong("job %llu starts, but %llu comes first %s", (unsigned long long)job->id,
                        (unsigned long long)other->id, first_by_right ? "by right" : "in order");
        }
        if (has_smaller_share(world, job, other)) {
            goal_reach("fair", FAIR_SHARES);
        }
    }
}

// --- answers

// Is what the pieces take of each variant left to the job? `own`: within its own quota.
static bool quota_allows(const struct world *world, const struct world_job *job,
                         const struct gr_event *event, bool own)
{
    for (uint32_t v = 0; v < world->variants; v++) {
        uint64_t takes = 0;
        for (uint32_t p = 0; p < event->piece_count; p++) {
            const struct gr_piece *piece = &event->pieces[p];
            bool is_it = world->node[piece->node].variant == v;
            takes += is_it ? (uint64_t)__builtin_popcount(piece->devices) * piece->milli : 0;
        }
        if (takes > 0 && takes > world_quota_left(world, job->org, v, own)) {
            return false;
        }
    }
    return true;
}

bool answer_quota_allows(const struct world *world, const struct world_job *job,
                         const struct gr_event *event)
{
    return quota_allows(world, job, event, true) || quota_allows(world, job, event, false);
}

static void reserved_verify(struct drive *drive, const struct gr_event *event,
                            const struct world_job *job)
{
    const struct world *world = &drive->world;
    bool anything = false;
    for (uint32_t n = 0; n < world->nodes; n++) {
        anything |= world->kept[n];
    }
    if (!anything || world->kept_job == job->id) {
        return;
    }
    for (uint32_t p = 0; p < event->piece_count && !in_time(drive, job); p++) {
        if (world->kept[event->pieces[p].node]) {
            story_wrong("job %llu takes room that is reserved for %llu",
                        (unsigned long long)job->id, (unsigned long long)world->kept_job);
        }
    }
    goal_reach("fair", in_time(drive, job) ? FAIR_BEFORE : FAIR_BESIDE);
}

// No earlier choice had room for it, within its own quota if it starts so.
static void choice_verify(struct drive *drive, const struct gr_event *event,
                          const struct world_job *job, bool own)
{
    struct gr_mask mask = mask_left(&drive->world, job, own);
    struct world_view view;
    room_for(drive, job, &view);
    if (drive->refused_at != drive->world.sequence) {
        answer_tier_verify(drive, &view, event, job, &mask);
    }
}

// order_verify with averages as of the decision: the books' are those of the last fact.
static void order_verify_now(struct drive *drive, const struct world_job *job, bool own)
{
    struct world *world = &drive->world;
    struct world_past orgs[WORLD_ORGS], users[WORLD_USERS];
    int64_t now = world->now;
    memcpy(orgs, world->org_past, sizeof orgs);
    memcpy(users, world->user_past, sizeof users);
    world->now = drive->at;
    world_pasts_pass(world, drive->at - now);
    order_verify(drive, job, own);
    memcpy(world->org_past, orgs, sizeof orgs);
    memcpy(world->user_past, users, sizeof users);
    world->now = now;
}

static void start_verify(struct drive *drive, const struct gr_event *event)
{
    const struct world *world = &drive->world;
    const struct world_job *job = world_job(world, event->placed.job);
    struct world_view view;
    if (job == NULL || job->running || job->held) {
        story_wrong("job %llu starts, which does not wait", (unsigned long long)event->placed.job);
    }
    world_view_now(world, &view);
    answer_held_hide(drive, &view, job->id);
    answer_pieces_verify(drive, &view, event, job);
    bool own = quota_allows(world, job, event, true);
    if (!own && !quota_allows(world, job, event, false)) {
        story_wrong("job %llu starts beyond its quota", (unsigned long long)job->id);
    }
    if (!world_terms_allow(world, job) || answer_start_objections(drive, job) != 0) {
        story_wrong("job %llu starts beyond its limits", (unsigned long long)job->id);
    }
    if (world->held[event->pieces[0].node] == job->id) { // its turn was when room was held for it
        goal_reach("hold ended", GR_FREED_WHYS);
    } else {
        reserved_verify(drive, event, job);
        order_verify_now(drive, job, own || world->quotas == 0);
        choice_verify(drive, event, job, own && world->quotas > 0);
    }
    if (world->quotas > 0) {
        goal_reach("fair", own ? FAIR_OWN : FAIR_BORROWED);
    }
}

static void reservation_verify(struct drive *drive, const struct gr_event *event)
{
    struct world *world = &drive->world;
    const struct world_job *job = world_job(world, event->reserved.job);
    if (job == NULL || job->running || job->held) {
        story_wrong("room is kept for job %llu, which does not wait",
                    (unsigned long long)event->reserved.job);
    }
    if (world->kept_job == job->id && world->kept_start > drive->at) {
        story_wrong("room is kept for job %llu once more", (unsigned long long)job->id);
    }
    answer_reservation_verify(drive, event, job);
    goal_reach("fair", FAIR_RESERVED);
}

// Nobody can start: is that so?
static void nobody_verify(struct drive *drive)
{
    const struct world *world = &drive->world;
    struct world_view view;
    if (drive->refused_at == world->sequence) {
        return;
    }
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *job = &world->job[j];
        if (job->running || job->held) {
            continue;
        }
        if (is_first_of_lane(world, job) &&
            (can_start(drive, job, false) || can_start(drive, job, true))) {
            struct gr_mask own = mask_left(world, job, true), any = mask_left(world, job, false);
            story_wrong(
                "nobody starts, but job %llu of %llx could (own %llx%s, any %llx%s)",
                (unsigned long long)job->id,
                (unsigned long long)world->mask[job->demand.shape.mask].bits[0][0],
                (unsigned long long)own.bits[0][0], can_start(drive, job, true) ? " fits" : "",
                (unsigned long long)any.bits[0][0], can_start(drive, job, false) ? " fits" : "");
        }
        world_view_now(world, &view);
        if (world_fits(world, &view, &job->demand, &world->mask[job->demand.shape.mask]) &&
            answer_start_objections(drive, job) == 0) {
            struct gr_mask mask = mask_left(world, job, false);
            if (!world_terms_allow(world, job)) {
                goal_reach("fair", FAIR_TERMS);
            } else if (!world_fits(world, &view, &job->demand, &mask)) {
                goal_reach("fair", FAIR_QUOTA);
            }
        }
    }
    goal_reach("fair", FAIR_NOBODY);
}

void answer_fair_verify(struct drive *drive, bool answer, const struct gr_event *event)
{
    if (!answer) {
        nobody_verify(drive);
    } else if (answer_part_is(event)) {
        answer_part_verify(drive, event);
    } else if (event->type == GR_MASK_ADDED) {
        goal_reach("fair", FAIR_NARROWED);
    } else if (event->type == GR_ROOM_RESERVED) {
        reservation_verify(drive, event);
    } else if (event->type == GR_JOB_PLACED) {
        start_verify(drive, event);
    } else if (event->type == GR_ROOM_HELD || event->type == GR_ROOM_FREED ||
               event->type == GR_STOP_ASKED) {
        answer_hold_verify(drive, event);
    } else {
        story_wrong("a decision about the queue is none");
    }
}

bool answer_start_fair(struct drive *drive, bool answer, const struct gr_event *event)
{
    answer_fair_verify(drive, answer, event);
    if (!answer) {
        drive->refused_at = drive->rules.no_every != 0 ? drive->world.sequence : drive->refused_at;
        return false;
    }
    drive_apply(drive, event);
    if (event->type == GR_JOB_PLACED) {
        answer_promise_verify(drive);
    }
    return true;
}
