// Requests to the core, and what the books say must come of them. See parts.h.
#include "goals.h"
#include "parts.h"
#include "story.h"

#include <stdlib.h>
#include <string.h>

// --- hooks

static void allow(void *context, const struct gr_core *core, uint32_t org,
                  const struct gr_demand *demand, struct gr_mask *mask)
{
    struct rules *rules = context;
    (void)core;
    (void)org;
    (void)demand;
    if (rules->no_site >= 0) {
        memset(mask->bits[rules->no_site], 0, sizeof mask->bits[0]);
    }
}

static bool refused(const struct rules *rules, uint64_t what)
{
    return rules->no_every != 0 && what % rules->no_every == 0;
}

static enum gr_refusal admit(void *context, const struct gr_core *core, struct gr_event *event)
{
    struct rules *rules = context;
    if (event->type == GR_JOB_SUBMITTED) {
        return refused(rules, event->submitted.tag) ? GR_REFUSED_RULES
               : gr_core_org_jobs(core, event->submitted.org) >= rules->jobs_per_org
                   ? GR_REFUSED_LIMIT_ORG
                   : GR_REFUSED_NOTHING;
    }
    event->placed.verdict = 7;
    event->placed.rules_version = 70;
    return refused(rules, event->placed.job) ? GR_REFUSED_RULES : GR_REFUSED_NOTHING;
}

static struct gr_hooks hooks_of(struct drive *drive)
{
    return (struct gr_hooks){.context = &drive->rules, .allow = allow, .admit = admit};
}

// --- requests, and what must come of them

static bool sites_and_variants(const struct world *world, const struct gr_mask *mask)
{
    for (uint32_t s = 0; s < world->sites; s++) {
        if ((mask->bits[s][0] & ((UINT64_C(1) << world->variants) - 1)) != 0) {
            return true;
        }
    }
    return false;
}

// What the books say of the parts of a submission that become part of the fact as they are.
static world_set fact_objections(struct drive *drive, const struct gr_submission *submission,
                                 uint32_t mask, uint8_t prefers)
{
    bool known = mask < drive->world.masks;
    struct gr_event event = drive_fact(drive, GR_JOB_SUBMITTED);
    event.sequence += !known;
    event.submitted.org = submission->org;
    event.submitted.user = submission->user;
    event.submitted.limit_ms = submission->limit_ms;
    event.submitted.demand = submission->demand;
    event.submitted.demand.shape.mask = (uint16_t)mask;
    event.submitted.demand.preference = prefers;
    event.submitted.attempts = submission->attempts == 0 ? 1 : submission->attempts;
    event.submitted.requeue_on = submission->requeue_on;
    event.submitted.array = submission->array;
    if (submission->array.array == 0 && submission->array.count > 0) {
        event.submitted.array.array = event.sequence;
    }
    event.edges = submission->edges;
    event.edge_count = submission->edge_count;
    return world_submitted_objections(&drive->world, &event);
}

static bool prefers_none(const struct gr_preference *preference)
{
    static const struct gr_preference none;
    return memcmp(preference, &none, sizeof none) == 0;
}

// A preference that a submission has, as a row of other books; what its demand would name.
static struct gr_demand with_preference(struct world *books, const struct gr_submission *submission)
{
    struct gr_demand demand = submission->demand;
    demand.preference = !prefers_none(&submission->preference);
    books->preference[0] = submission->preference;
    return demand;
}

// What the books say of a preference: that its row is full, or a mask that it needs. *ret_row: what
// the demand will name, 0 while something must come first.
static world_set preference_objections(const struct world *world,
                                       const struct gr_submission *submission,
                                       const struct gr_mask *mask, bool known, uint8_t *ret_row)
{
    static struct world books;
    uint32_t row = world_preference_row(world, &submission->preference);
    bool full = world->masks == world->limits.place.masks;
    *ret_row = 0;
    if (prefers_none(&submission->preference)) {
        return 0;
    }
    struct gr_demand demand = with_preference(&books, submission);
    bool missing = false;
    for (uint32_t t = 1; t < 16; t++) {
        struct gr_mask part;
        missing |=
            world_tier_mask(&books, &demand, t, mask, &part) && !world_mask_known(world, &part);
    }
    bool is_there = row < world->preferences;
    *ret_row = is_there && known && !missing ? (uint8_t)(row + 1) : 0;
    return (missing && full) || (!is_there && !world_preference_room(world))
               ? WORLD_NO(GR_REFUSED_LIMIT_OTHER)
               : 0;
}

// Would it fit a tier of the empty pool? `books`: those with its preference.
static bool tier_fits_empty(const struct world *world, const struct world *books,
                            const struct world_view *empty, const struct gr_demand *demand,
                            const struct gr_mask *mask)
{
    bool fits = false;
    for (uint32_t t = 1; t < 16; t++) {
        struct gr_mask part;
        fits |= world_tier_mask(books, demand, t, mask, &part) &&
                world_fits_one(world, empty, demand, &part);
    }
    return fits;
}

static world_set submission_objections(struct drive *drive, const struct gr_submission *submission)
{
    const struct world *world = &drive->world;
    struct gr_mask mask = submission->mask;
    struct world_view empty;
    world_set set = world_demand_objections(&submission->demand);
    if (set != 0) {
        return set;
    }
    uint32_t number = 0; // of the mask, maybe a new one
    static struct world books;
    struct gr_demand demand = with_preference(&books, submission);
    if (demand.preference != 0 && world_preference_wrong(&submission->preference)) {
        return WORLD_NO(GR_REFUSED_FIELD);
    }
    if (drive->rules.no_site >= 0) {
        memset(mask.bits[drive->rules.no_site], 0, sizeof mask.bits[0]);
    }
    if (demand.preference != 0) { // what it does not name it does not want
        struct gr_mask beyond;
        (void)world_tier_mask(&books, &demand, 0, &mask, &beyond);
        for (uint32_t s = 0; s < GR_SITES_MAX; s++) {
            mask.bits[s][0] &= ~beyond.bits[s][0];
            mask.bits[s][1] &= ~beyond.bits[s][1];
        }
    }
    while (number < world->masks && memcmp(&world->mask[number], &mask, sizeof mask) != 0) {
        number++;
    }
    bool known = number < world->masks;
    world_view_empty(world, &empty);
    uint32_t jobs = 0;
    for (uint32_t j = 0; j < world->jobs; j++) {
        jobs += world->job[j].org == submission->org;
    }
    uint8_t row;
    set |= preference_objections(world, submission, &mask, known, &row);
    set |= fact_objections(drive, submission, number, row);
    set |= submission->org < world->orgs &&
                   !world_priority_allowed(world, submission->org, submission->demand.priority)
               ? WORLD_NO(GR_REFUSED_PRIORITY)
               : 0;
    set |= jobs >= drive->rules.jobs_per_org ? WORLD_NO(GR_REFUSED_LIMIT_ORG) : 0;
    set |= !sites_and_variants(world, &mask) ? WORLD_NO(GR_REFUSED_NOWHERE) : 0;
    set |=
        !known && world->masks == world->limits.place.masks ? WORLD_NO(GR_REFUSED_LIMIT_OTHER) : 0;
    bool fits = demand.preference == 0 ? world_fits(world, &empty, &demand, &mask)
                                       : tier_fits_empty(world, &books, &empty, &demand, &mask);
    set |= !fits ? WORLD_NO(GR_REFUSED_NEVER) : 0;
    set |= refused(&drive->rules, submission->tag) ? WORLD_NO(GR_REFUSED_RULES) : 0;
    return set;
}

// Makes it the first of an array, or the next of one that is not complete, or neither.
static void element_choose(struct drive *drive, struct gr_submission *submission)
{
    const struct world *world = &drive->world;
    for (uint32_t a = 0; a < world->arrays; a++) {
        const struct world_array *array = &world->array[a];
        if (array->open && chance(drive, 60)) {
            submission->org = array->org;
            submission->user = array->user;
            submission->array =
                (struct gr_array_of){array->id, array->last_index + 1 + below(drive, 3),
                                     array->count, array->parallel, 0};
            if (chance(drive, 80)) {
                submission->edge_count = 0;
            }
            return;
        }
    }
    if (chance(drive, 15)) {
        submission->array = (struct gr_array_of){
            .index = below(drive, 3), .count = 1 + below(drive, 5), .parallel = below(drive, 3)};
    }
}

// Asks, and applies what comes of it. True: it is to be asked again.
static bool submit_once(struct drive *drive, struct gr_submission *submission)
{
    struct gr_hooks hooks = hooks_of(drive);
    struct gr_event events[2];
    unsigned count = 99;
    bool no_row =
        !prefers_none(&submission->preference) &&
        world_preference_row(&drive->world, &submission->preference) == drive->world.preferences &&
        !world_preference_room(&drive->world);
    world_set objections = submission_objections(drive, submission);
    enum gr_refusal answer =
        gr_decide_submit(drive->core, &hooks, drive->at, submission, events, &count);
    goal_reach("submission answered", (uint32_t)answer);
    if (answer == GR_REFUSED_NOTHING ? objections != 0 : (objections & WORLD_NO(answer)) == 0) {
        story_wrong("a submission is answered '%s', the books object with %llx",
                    gr_refusal_name(answer), (unsigned long long)objections);
    }
    if (answer != GR_REFUSED_NOTHING && count != 99) {
        story_wrong("a refusal wrote its outputs");
    }
    if (answer == GR_REFUSED_LIMIT_OTHER && no_row) {
        goal_reach("preference", 4);
    }
    for (unsigned i = 0; answer == GR_REFUSED_NOTHING && i < count; i++) {
        drive_apply(drive, &events[i]);
    }
    return answer == GR_REFUSED_NOTHING && events[count - 1].type != GR_JOB_SUBMITTED;
}

// One of many alike that fit most nodes, of whoever lends or borrows.
static void lent_choose(struct drive *drive, struct gr_submission *submission)
{
    submission->mask = drive->world.mask[0];
    submission->demand = (struct gr_demand){
        .shape = {.devices = (uint8_t)(1 + below(drive, 2)), .milli = GR_DEVICE_MILLI},
        .tasks = chance(drive, 80) ? 1 : 2 + below(drive, 3),
        .priority = (uint8_t)(100 + below(drive, 2)),
        .use = submission->demand.use};
    submission->limit_ms = 0;
    submission->requeue_on |= chance(drive, 80) ? GR_REQUEUE_RECLAIM | GR_REQUEUE_MOVE : 0;
}

void answer_submit(struct drive *drive)
{
    struct gr_submission submission = {.org = below(drive, drive->world.orgs),
                                       .demand = make_demand(drive),
                                       .tag = draw(drive),
                                       .user = UINT32_MAX,
                                       .attempts = (uint16_t)below(drive, 4),
                                       .requeue_on =
                                           (uint8_t)(below(drive, 16) | 16u * chance(drive, 60)),
                                       .limit_ms = chance(drive, 70) ? 1 + below(drive, 3000) : 0};
    bool known = chance(drive, 70);
    submission.mask =
        known ? drive->world.mask[below(drive, drive->world.masks)] : make_mask(drive);
    if (drive->lent && chance(drive, 80)) {
        lent_choose(drive, &submission);
    }
    if (chance(drive, 3)) {
        submission.demand.shape.milli = 1001;
    }
    if (chance(drive, 2)) {
        submission.org = drive->world.orgs;
    }
    if (chance(drive, 2)) {
        submission.mask = (struct gr_mask){0};
    }
    struct gr_edge edges[WORLD_JOB_EDGES];
    submission.edges = edges;
    submission.edge_count = make_edges(drive, edges);
    if (drive->world.users > 0 && chance(drive, 40)) {
        submission.user = below(drive, drive->world.users);
        submission.org =
            chance(drive, 95) ? drive->world.user[submission.user].org : submission.org;
    }
    element_choose(drive, &submission);
    if (chance(drive, 30)) {
        submission.preference = make_preference(drive);
    }
    for (unsigned asked = 0; submit_once(drive, &submission); asked++) {
        if (asked > 2 + GR_TIERS_MAX) {
            story_wrong("a submission is never done");
        }
    }
}

static uint32_t more_held(const struct world *world)
{
    uint32_t more = 0;
    for (uint32_t j = 0; j < world->jobs; j++) {
        more += world->job[j].running ? world->job[j].piece_count - 1 : 0;
    }
    return more;
}

// Everything but room that stands against a start.
world_set answer_start_objections(struct drive *drive, const struct world_job *job)
{
    const struct world *world = &drive->world;
    return (more_held(world) + job->demand.tasks - 1 > world->limits.pieces
                ? WORLD_NO(GR_REFUSED_LIMIT_PIECES)
                : 0) |
           (refused(&drive->rules, job->id) ? WORLD_NO(GR_REFUSED_RULES) : 0);
}

bool answer_refused(const struct drive *drive, const struct world_job *job)
{
    return refused(&drive->rules, job->id);
}

static bool fits_in(struct drive *drive, const struct world_view *view, const struct world_job *job)
{
    return world_fits(&drive->world, view, &job->demand,
                      &drive->world.mask[job->demand.shape.mask]);
}

void answer_tier_verify(struct drive *drive, const struct world_view *view,
                        const struct gr_event *event, const struct world_job *job,
                        const struct gr_mask *mask)
{
    const struct world *world = &drive->world;
    if (job->demand.preference == 0) {
        return;
    }
    uint32_t tier = world_tier(world, &job->demand, world->node[event->pieces[0].node].variant);
    for (uint32_t t = 1; t < tier; t++) {
        struct gr_mask part;
        bool can = world_tier_mask(world, &job->demand, t, mask, &part) &&
                   (world_mask_known(world, &part) || world->masks < world->limits.place.masks);
        if (can && world_fits_one(world, view, &job->demand, &part)) {
            story_wrong("job %llu gets choice %u, but there is room for choice %u",
                        (unsigned long long)job->id, tier, t);
        }
    }
    goal_reach("preference", tier > 1);
    if (job->demand.tasks > 1) {
        goal_reach("preference", 5);
    }
}

static void tier_verify(struct drive *drive, const struct world_view *view,
                        const struct gr_event *event, const struct world_job *job)
{
    answer_tier_verify(drive, view, event, job, &drive->world.mask[job->demand.shape.mask]);
}

void answer_pieces_verify(struct drive *drive, const struct world_view *view,
                          const struct gr_event *event, const struct world_job *job)
{
    const char *phrase =
        world_pieces_wrong(&drive->world, view, &job->demand, event->pieces, event->piece_count);
    if (phrase != NULL) {
        story_wrong("job %llu gets %s", (unsigned long long)job->id, phrase);
    }
    if (event->type == GR_JOB_PLACED &&
        (event->placed.job != job->id || event->placed.verdict != 7 ||
         event->placed.rules_version != 70 || event->placed.attempt != job->attempt + 1)) {
        story_wrong("another start than asked for");
    }
}

void answer_start_job(struct drive *drive)
{
    struct gr_hooks hooks = hooks_of(drive);
    struct world_view view;
    struct gr_event event;
    uint64_t id = drive->world.jobs > 0 && chance(drive, 95)
                      ? drive->world.job[below(drive, drive->world.jobs)].id
                      : draw(drive);
    const struct world_job *job = world_job(&drive->world, id);
    world_view_now(&drive->world, &view);
    answer_held_hide(drive, &view, 0);
    world_set objections = job == NULL                 ? WORLD_NO(GR_REFUSED_JOB)
                           : job->running || job->held ? WORLD_NO(GR_REFUSED_STATE)
                                                       : answer_start_objections(drive, job);
    if (job != NULL && !job->running && !job->held && !fits_in(drive, &view, job)) {
        objections |= WORLD_NO(GR_REFUSED_NO_ROOM);
    }
    enum gr_refusal answer =
        gr_decide_start_job(drive->core, &hooks, drive->at, id, drive->pieces, &event);
    goal_reach("start of one job answered", (uint32_t)answer);
    if (answer == GR_REFUSED_NOTHING ? objections != 0 : (objections & WORLD_NO(answer)) == 0) {
        story_wrong("the start of job %llu is answered '%s', the books object with %llx",
                    (unsigned long long)id, gr_refusal_name(answer),
                    (unsigned long long)objections);
    }
    if (answer == GR_REFUSED_NOTHING) {
        answer_pieces_verify(drive, &view, &event, job);
        tier_verify(drive, &view, &event, job);
        drive_apply(drive, &event);
        drive->world.promise = false; // it may take the room that was kept
    } else if (answer == GR_REFUSED_NO_ROOM && chance(drive, 20)) {
        event = gr_decide_drop(drive->core, drive->at, id, answer);
        drive_apply(drive, &event);
    }
}

void answer_held_hide(const struct drive *drive, struct world_view *view, uint64_t job)
{
    for (uint32_t n = 0; n < drive->world.nodes && drive->world.order == GR_ORDER_FAIR; n++) {
        view->usable[n] &= drive->world.held[n] == 0 || drive->world.held[n] == job;
    }
}

// The first moment at which ends make room for a job; INT64_MAX if none does.
static int64_t start_at_the_latest(struct drive *drive, const struct world_job *job)
{
    int64_t best = INT64_MAX;
    struct world_view now;
    world_view_now(&drive->world, &now);
    answer_held_hide(drive, &now, job->id);
    if (drive->world.order == GR_ORDER_FAIR && fits_in(drive, &now, job)) {
        return drive->at; // there is room: something else stands against it
    }
    for (uint32_t j = 0; j < drive->world.jobs; j++) {
        const struct world_job *other = &drive->world.job[j];
        int64_t end = other->running ? world_end(&drive->world, other, drive->at) : INT64_MAX;
        struct world_view view;
        if (end < best) {
            world_view_later(&drive->world, drive->at, end, &view);
            answer_held_hide(drive, &view, job->id);
            best = fits_in(drive, &view, job) ? end : best;
        }
    }
    return best;
}

void answer_reservation_verify(struct drive *drive, const struct gr_event *event,
                               const struct world_job *first)
{
    int64_t start = start_at_the_latest(drive, first);
    if (event->type != GR_ROOM_RESERVED || event->reserved.job != first->id) {
        story_wrong("no room is kept for job %llu", (unsigned long long)first->id);
    }
    if (event->reserved.start_ms != start || (event->piece_count > 0) != (start != INT64_MAX)) {
        story_wrong("room from %lld on instead of %lld", (long long)event->reserved.start_ms,
                    (long long)start);
    }
    if (start != INT64_MAX) {
        struct world_view view;
        world_view_later(&drive->world, drive->at, start, &view);
        answer_held_hide(drive, &view, first->id);
        answer_pieces_verify(drive, &view, event, first);
        if (drive->world.order == GR_ORDER_FAIR) { // else ends at one time come one by one
            tier_verify(drive, &view, event, first);
        }
    }
}

// The job that may be backfilled now, and the view it may be placed in; NULL: none.
static const struct world_job *backfill_expect(struct drive *drive, const struct world_job **queue,
                                               uint32_t count, struct world_view *ret_view,
                                               bool *ret_beside)
{
    struct world *world = &drive->world;
    for (uint32_t i = 1; i < count; i++) {
        const struct world_job *job = queue[i];
        int64_t end = job->limit == 0 ? INT64_MAX : drive->at + job->limit;
        bool anything_kept = false;
        *ret_beside = end > world->kept_start;
        world_view_now(world, ret_view);
        for (uint32_t n = 0; *ret_beside && n < world->nodes; n++) {
            ret_view->usable[n] &= !world->kept[n];
            anything_kept |= world->kept[n];
        }
        *ret_beside &= anything_kept;
        if (fits_in(drive, ret_view, job) && answer_start_objections(drive, job) == 0) {
            return job;
        }
    }
    return NULL;
}

// Could the first job still start when it was promised?
void answer_promise_verify(struct drive *drive)
{
    struct world *world = &drive->world;
    const struct world_job *first = world_job(world, world->kept_job);
    struct world_view view;
    if (!world->promise || first == NULL || first->running || world->kept_start <= drive->at) {
        return;
    }
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *job = &world->job[j];
        if (job->running && job->limit != 0 && job->started + job->limit <= drive->at) {
            return; // somebody is over the limit: nothing was promised
        }
    }
    world_view_later(world, drive->at, world->kept_start, &view);
    if (!fits_in(drive, &view, first)) {
        story_wrong("job %llu cannot start at %lld any more", (unsigned long long)first->id,
                    (long long)world->kept_start);
    }
    goal_reach("promise of a start held", 0);
}

static bool decide(struct drive *drive, struct gr_event *ret_event)
{
    struct gr_hooks hooks = hooks_of(drive);
    bool answer = gr_decide_start(drive->core, &hooks, drive->at, drive->pieces, ret_event);
    const char *difference = world_compare(&drive->world, drive->core);
    if (difference != NULL) {
        story_wrong("after a decision: %s than in the books", difference);
    }
    return answer;
}

static void copy_decides_the_same(struct drive *drive, bool answer, const struct gr_event *event)
{
    // A copy that was made since does not know who was refused meanwhile, and rules change.
    if (drive->copy == NULL || drive->refused_at == drive->world.sequence) {
        return;
    }
    struct gr_hooks hooks = hooks_of(drive);
    struct gr_piece *pieces = drive->copy_pieces;
    struct gr_event other;
    bool answered = gr_decide_start(drive->copy, &hooks, drive->at, pieces, &other);
    bool same = answered == answer;
    if (same && answer) {
        same = event->type == other.type && event->placed.job == other.placed.job &&
               event->piece_count == other.piece_count &&
               memcmp(pieces, drive->pieces, event->piece_count * sizeof *pieces) == 0;
    }
    // Who sleeps is no part of the state: where shares count a copy may ask in another way, and
    // then its answer must be as good.
    if (!same && drive->world.order == GR_ORDER_FAIR) {
        other.pieces = pieces;
        answer_fair_verify(drive, answered, &other);
    } else if (!same) {
        story_wrong("a copy decides another way");
    }
}

// One decision about the queue. Returns true if it made a fact.
bool answer_start(struct drive *drive)
{
    struct world *world = &drive->world;
    const struct world_job *queue[WORLD_JOBS];
    struct world_view view;
    struct gr_event event;
    uint32_t count = world_queue(world, queue);
    bool answer = decide(drive, &event);
    copy_decides_the_same(drive, answer, &event);
    if (answer && answer_part_is(&event)) {
        answer_part_verify(drive, &event);
        drive_apply(drive, &event);
        answer_promise_verify(drive);
        return true;
    }
    if (!answer || event.type != GR_MASK_ADDED) { // a mask may be for what somebody lacks
        answer_part_none(drive);
    }
    if (!answer && drive->rules.no_every != 0) {
        drive->refused_at = world->sequence;
    }
    if (count == 0) {
        if (answer && event.type != GR_ROOM_FREED && event.type != GR_MASK_ADDED) {
            story_wrong("a start out of an empty queue");
        }
        return answer && answer_start_fair(drive, answer, &event);
    }
    if (world->order == GR_ORDER_FAIR) {
        return answer_start_fair(drive, answer, &event);
    }
    if (answer && event.type == GR_MASK_ADDED) { // for tasks that somebody lacks
        drive_apply(drive, &event);
        return true;
    }
    world_view_now(world, &view);
    const struct world_job *job = queue[0];
    bool beside = false;
    if (fits_in(drive, &view, job) && answer_start_objections(drive, job) == 0) {
        goal_reach("first in the queue started", world->order);
        world->promise = false; // somebody of a higher priority may be first now
    } else if (world->order == GR_ORDER_FIFO || count == 1) {
        job = NULL;
    } else if (world->kept_job != job->id || world->kept_start <= drive->at) {
        answer_reservation_verify(drive, &event, job);
        drive_apply(drive, &event);
        return true;
    } else {
        job = backfill_expect(drive, queue, count, &view, &beside);
        if (job != NULL) {
            goal_reach("job backfilled", beside);
        }
    }
    if (answer != (job != NULL) ||
        (answer && (event.type != GR_JOB_PLACED || event.placed.job != job->id))) {
        story_wrong("job %llu starts, the books say %llu",
                    (unsigned long long)(answer ? event.placed.job : 0),
                    (unsigned long long)(job == NULL ? 0 : job->id));
    }
    if (job == NULL) {
        goal_reach("queue blocked", world->order);
        return false;
    }
    answer_pieces_verify(drive, &view, &event, job);
    tier_verify(drive, &view, &event, job);
    drive_apply(drive, &event);
    answer_promise_verify(drive);
    return true;
}
