// The driver: what to try next, and what must come of it. See drive.h.
#include "drive.h"

#include "goals.h"
#include "place/policy.h"
#include "world.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAST_FACTS 24
#define LINE 200

// What the hooks know; part of a step, not of the state.
struct rules {
    uint64_t no_every; // every so many-th tag or job is refused; 0: none
    int no_site;       // -1: none
};

struct drive {
    uint64_t random;
    struct gr_core_config config;
    struct gr_core *core, *copy; // the copy gets the same facts from some moment on
    struct world world;
    struct rules rules;
    struct gr_event *facts; // all of them, with arrays of their own
    size_t fact_count, fact_room;
    int64_t at;
    struct gr_piece *pieces; // GR_TASKS_MAX
};

// For the report of a failure, of whatever kind.
static struct {
    unsigned long long seed, step;
    char line[LAST_FACTS][LINE];
    unsigned count;
} story;

static void story_tell(void)
{
    char head[LINE];
    int size = snprintf(head, sizeof head, "sim: seed %llu, step %llu; the last facts:\n",
                        story.seed, story.step);
    ssize_t done = write(2, head, (size_t)size);
    unsigned first = story.count > LAST_FACTS ? story.count - LAST_FACTS : 0;
    for (unsigned i = first; i < story.count; i++) {
        const char *line = story.line[i % LAST_FACTS];
        done += write(2, line, strlen(line));
    }
    (void)done;
}

static void on_abort(int number)
{
    (void)number;
    story_tell();
    signal(SIGABRT, SIG_DFL);
}

static void __attribute__((format(printf, 1, 2))) story_add(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *line = story.line[story.count++ % LAST_FACTS];
    (void)vsnprintf(line, LINE - 1, format, args);
    va_end(args);
    strncat(line, "\n", 2);
}

static void __attribute__((format(printf, 1, 2), noreturn)) wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "sim: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    story_tell();
    exit(1);
}

// --- random numbers

static uint64_t draw(struct drive *drive)
{
    uint64_t z = drive->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(struct drive *drive, uint32_t limit)
{
    return (uint32_t)(draw(drive) % limit);
}

static bool chance(struct drive *drive, uint32_t of_hundred)
{
    return below(drive, 100) < of_hundred;
}

#define PICK(drive, list) ((list)[below((drive), sizeof(list) / sizeof *(list))])

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
    (void)core;
    if (event->type == GR_JOB_SUBMITTED) {
        return refused(rules, event->submitted.tag) ? GR_REFUSED_RULES : GR_REFUSED_NOTHING;
    }
    event->placed.verdict = 7;
    event->placed.rules_version = 70;
    return refused(rules, event->placed.job) ? GR_REFUSED_RULES : GR_REFUSED_NOTHING;
}

static struct gr_hooks hooks_of(struct drive *drive)
{
    return (struct gr_hooks){.context = &drive->rules, .allow = allow, .admit = admit};
}

// --- facts

static void *copy_of(const void *bytes, size_t size)
{
    void *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL) {
        wrong("no memory");
    }
    if (size != 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

static void fact_keep(struct drive *drive, const struct gr_event *event)
{
    if (drive->fact_count == drive->fact_room) {
        drive->fact_room = 2 * drive->fact_room + 64;
        drive->facts = realloc(drive->facts, drive->fact_room * sizeof *drive->facts);
        if (drive->facts == NULL) {
            wrong("no memory");
        }
    }
    struct gr_event *fact = &drive->facts[drive->fact_count++];
    *fact = *event;
    fact->pieces = copy_of(event->pieces, event->piece_count * sizeof *event->pieces);
    fact->items = copy_of(event->items, event->item_count * sizeof *event->items);
    fact->mask = event->type == GR_MASK_ADDED ? copy_of(event->mask, sizeof *event->mask) : NULL;
}

static void facts_free(struct drive *drive)
{
    for (size_t i = 0; i < drive->fact_count; i++) {
        free((void *)(uintptr_t)drive->facts[i].pieces);
        free((void *)(uintptr_t)drive->facts[i].items);
        free((void *)(uintptr_t)drive->facts[i].mask);
    }
    free(drive->facts);
}

static uint64_t subject(const struct gr_event *event)
{
    switch (event->type) {
    case GR_NODE_STATE_SET:
        return event->node_state.node * 10 + event->node_state.state;
    case GR_JOB_SUBMITTED:
        return event->sequence;
    case GR_JOB_PLACED:
    case GR_JOB_FINISHED:
    case GR_JOB_DROPPED:
    case GR_ROOM_RESERVED:
        return event->placed.job; // all begin with the job
    default:
        return 0;
    }
}

// Which kind of thing was placed: 0 cpu only, 1 a fraction, 2 one device, 3 several, 4 a group.
static uint32_t width_of(const struct gr_shape *shape)
{
    return shape->devices == 0   ? 0
           : shape->milli < 1000 ? 1
           : shape->level > 0    ? 4
           : shape->devices == 1 ? 2
                                 : 3;
}

static void placed_count(struct drive *drive, const struct gr_event *event)
{
    const struct gr_demand *demand = &world_job(&drive->world, event->placed.job)->demand;
    goal_reach("shape placed", width_of(&demand->shape));
    if (demand->tasks > 1) {
        goal_reach("gang placed", demand->domain_level == 0   ? 0
                                  : demand->domain_tasks == 0 ? 1
                                  : demand->domain_tasks > 1  ? 2
                                                              : 3);
    }
}

static void applied_count(struct drive *drive, const struct gr_event *event)
{
    goal_reach("applied", event->type);
    if (event->type == GR_NODE_STATE_SET) {
        goal_reach("node went",
                   3 * drive->world.node[event->node_state.node].state + event->node_state.state);
    } else if (event->type == GR_JOB_FINISHED) {
        goal_reach("job ended", event->finished.outcome);
    } else if (event->type == GR_JOB_DROPPED) {
        goal_reach("job dropped", event->dropped.why);
    } else if (event->type == GR_JOB_PLACED) {
        placed_count(drive, event);
    } else if (event->type == GR_ROOM_RESERVED) {
        goal_reach("room reserved", event->piece_count > 0);
    } else if (event->type == GR_MIX_SET) {
        goal_reach("mix learned", drive->config.learn_mix);
    }
}

static void effects_compare(const struct gr_event *event, unsigned count,
                            const struct gr_effect *effect)
{
    bool any = event->type == GR_JOB_PLACED || event->type == GR_JOB_FINISHED;
    enum gr_effect_type type = event->type == GR_JOB_PLACED ? GR_START_JOB : GR_RELEASE_JOB;
    if (count != any) {
        wrong("%u effects", count);
    }
    if (any) {
        if (effect->type != type || effect->job != event->placed.job ||
            effect->attempt != event->placed.attempt || effect->epoch != event->epoch) {
            wrong("another effect");
        }
        goal_reach("effect", (uint32_t)effect->type);
    }
}

// Both say the same of the fact. Returns true if it may be applied.
static bool agreed(struct drive *drive, const struct gr_event *event)
{
    world_set objections = world_objections(&drive->world, event);
    enum gr_refusal answer = gr_core_check(drive->core, event);
    if (answer == GR_REFUSED_NOTHING ? objections != 0 : (objections & WORLD_NO(answer)) == 0) {
        wrong("check says '%s' to %s, the books object with %x", gr_refusal_name(answer),
              gr_event_type_name(event->type) == NULL ? "an unknown fact"
                                                      : gr_event_type_name(event->type),
              objections);
    }
    goal_reach("check says", (uint32_t)answer);
    return answer == GR_REFUSED_NOTHING;
}

static void apply(struct drive *drive, const struct gr_event *event)
{
    struct gr_effect effects[GR_EFFECTS_MAX];
    memset(effects, 0, sizeof effects);
    story_add("  %llu at %lld %s %llu, %u pieces", (unsigned long long)event->sequence,
              (long long)event->at_ms, gr_event_type_name(event->type),
              (unsigned long long)subject(event), event->piece_count);
    if (!agreed(drive, event)) {
        wrong("a decided fact is refused");
    }
    applied_count(drive, event);
    fact_keep(drive, event);
    unsigned count = gr_core_apply(drive->core, event, effects);
    effects_compare(event, count, effects);
    world_apply(&drive->world, event);
    if (drive->copy != NULL) {
        (void)gr_core_apply(drive->copy, event, NULL);
    }
    const char *difference = world_compare(&drive->world, drive->core);
    if (difference != NULL) {
        wrong("%s than in the books", difference);
    }
    drive->at = event->at_ms;
}

static struct gr_event fact(struct drive *drive, enum gr_event_type type)
{
    return gr_decide_fact(drive->core, drive->at, type);
}

// --- the pool

static const uint32_t cpus[] = {0, 1000, 4000, 8000, 16000, 31000, 64000};
static const uint32_t memories[] = {0, 1024, 3000, 4096, 5000, 65536, 70000, 200000};

static void pool_name(struct drive *drive, char name[GR_NAME_SIZE], const char *what)
{
    memset(name, 0, GR_NAME_SIZE);
    (void)snprintf(name, GR_NAME_SIZE, "%s%llu", what,
                   (unsigned long long)gr_core_next_sequence(drive->core));
}

static struct gr_event org_fact(struct drive *drive)
{
    struct gr_event event = fact(drive, GR_ORG_ADDED);
    pool_name(drive, event.org.name, "org");
    event.org.parent = drive->world.orgs == 0 ? UINT32_MAX : below(drive, drive->world.orgs);
    event.org.role = (uint8_t)below(drive, GR_ROLES);
    memcpy(event.org.seat, chance(drive, 50) ? "DE" : "\0\0", 3);
    return event;
}

static struct gr_event site_fact(struct drive *drive)
{
    struct gr_event event = fact(drive, GR_SITE_ADDED);
    pool_name(drive, event.site.name, "site");
    memcpy(event.site.country, "FR", 3);
    event.site.owner = drive->world.orgs == 0 ? 0 : below(drive, drive->world.orgs);
    return event;
}

static struct gr_event variant_fact(struct drive *drive)
{
    struct gr_event event = fact(drive, GR_VARIANT_ADDED);
    pool_name(drive, event.variant, "variant");
    return event;
}

static struct gr_event node_fact(struct drive *drive)
{
    static const uint8_t widths[] = {0, 1, 2, 4, 8, 8, 8, 16};
    struct gr_event event = fact(drive, GR_NODE_ADDED);
    struct gr_node *row = &event.node.row;
    pool_name(drive, event.node.name, "node");
    row->devices = PICK(drive, widths);
    row->site = (uint8_t)(drive->world.sites == 0 ? 0 : below(drive, drive->world.sites));
    row->variant = (uint8_t)(drive->world.variants == 0 ? 0 : below(drive, drive->world.variants));
    row->cpu_milli = 8000u << below(drive, 5);
    row->memory_mib = 16384u << below(drive, 5);
    row->state = chance(drive, 90) ? GR_NODE_UP : (uint8_t)below(drive, GR_NODE_STATES);
    for (unsigned i = 0; i < row->devices; i++) {
        row->free[i] = GR_DEVICE_MILLI;
    }
    for (int l = 0; l < GR_DOMAIN_LEVELS; l++) {
        row->domain[l] = GR_DOMAIN_NONE;
    }
    if (chance(drive, 80)) {
        row->domain[0] = below(drive, 3);
        row->domain[1] = row->domain[0] * 2 + below(drive, 2);
    } else if (chance(drive, 30)) {
        row->domain[1] = 6 + below(drive, 2); // a narrow one without a wide one
    }
    if (row->devices > 0 && chance(drive, 60)) {
        row->domain[2] = GR_DOMAIN_INNER | (row->devices + 1u) / 2;
        row->domain[3] = chance(drive, 60) ? GR_DOMAIN_INNER | 1 : GR_DOMAIN_NONE;
    }
    return event;
}

static struct gr_mask mask_make(struct drive *drive)
{
    struct gr_mask mask;
    memset(&mask, 0, sizeof mask);
    uint64_t variants = chance(drive, 50) ? ~UINT64_C(0) : 1 + draw(drive) % 15;
    uint32_t sites = chance(drive, 70) ? 7 : 1 + below(drive, 7);
    for (unsigned s = 0; s < 3; s++) {
        mask.bits[s][0] = sites >> s & 1 ? variants : 0;
    }
    return mask;
}

static struct gr_shape shape_make(struct drive *drive)
{
    static const uint8_t widths[] = {0, 1, 1, 1, 1, 1, 2, 2, 4, 8, 16};
    static const uint16_t fractions[] = {1, 100, 250, 333, 500, 500, 999};
    struct gr_shape shape = {.cpu_milli = PICK(drive, cpus), .memory_mib = PICK(drive, memories)};
    shape.devices = PICK(drive, widths);
    shape.milli = shape.devices == 0 ? 0 : GR_DEVICE_MILLI;
    if (shape.devices == 1 && chance(drive, 50)) {
        shape.milli = PICK(drive, fractions);
    }
    shape.level = chance(drive, 25) ? (uint8_t)below(drive, 5) : 0;
    shape.mask = (uint16_t)below(drive, drive->world.masks);
    return shape;
}

static struct gr_demand demand_make(struct drive *drive)
{
    struct gr_demand demand = {.shape = shape_make(drive), .tasks = 1};
    if (chance(drive, 40)) {
        demand.tasks = 1 + below(drive, 12);
    }
    if (chance(drive, 30)) {
        demand.domain_level = (uint8_t)(1 + below(drive, 4));
        uint32_t block = 1 + below(drive, 4);
        if (chance(drive, 60)) {
            demand.domain_tasks = block;
            demand.tasks = block * (1 + below(drive, 4));
        }
    }
    demand.priority = chance(drive, 70) ? 100 : (uint8_t)below(drive, 256);
    demand.use = (uint8_t)below(drive, GR_USES);
    return demand;
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

static world_set submission_objections(struct drive *drive, const struct gr_submission *submission)
{
    const struct world *world = &drive->world;
    struct gr_mask mask = submission->mask;
    struct world_view empty;
    world_set set = world_demand_objections(&submission->demand);
    if (set != 0) {
        return set;
    }
    bool known = false;
    if (drive->rules.no_site >= 0) {
        memset(mask.bits[drive->rules.no_site], 0, sizeof mask.bits[0]);
    }
    for (uint32_t m = 0; m < world->masks; m++) {
        known |= memcmp(&world->mask[m], &mask, sizeof mask) == 0;
    }
    world_view_empty(world, &empty);
    set |= submission->limit_ms < 0 ? WORLD_NO(GR_REFUSED_FIELD) : 0;
    set |= submission->org >= world->orgs ? WORLD_NO(GR_REFUSED_ORG) : 0;
    set |= !sites_and_variants(world, &mask) ? WORLD_NO(GR_REFUSED_NOWHERE) : 0;
    set |=
        !known && world->masks == world->limits.place.masks ? WORLD_NO(GR_REFUSED_LIMIT_OTHER) : 0;
    set |= !world_fits(world, &empty, &submission->demand, &mask) ? WORLD_NO(GR_REFUSED_NEVER) : 0;
    set |= world->jobs == world->limits.jobs ? WORLD_NO(GR_REFUSED_LIMIT_JOBS) : 0;
    set |= refused(&drive->rules, submission->tag) ? WORLD_NO(GR_REFUSED_RULES) : 0;
    return set;
}

static void try_submit(struct drive *drive)
{
    struct gr_hooks hooks = hooks_of(drive);
    struct gr_event events[2];
    unsigned count = 99;
    struct gr_submission submission = {.org = below(drive, drive->world.orgs),
                                       .demand = demand_make(drive),
                                       .tag = draw(drive),
                                       .limit_ms = chance(drive, 70) ? 1 + below(drive, 3000) : 0};
    bool known = chance(drive, 70);
    submission.mask =
        known ? drive->world.mask[below(drive, drive->world.masks)] : mask_make(drive);
    if (chance(drive, 3)) {
        submission.demand.shape.milli = 1001;
    }
    if (chance(drive, 2)) {
        submission.org = drive->world.orgs;
    }
    if (chance(drive, 2)) {
        submission.mask = (struct gr_mask){0};
    }
    world_set objections = submission_objections(drive, &submission);
    enum gr_refusal answer =
        gr_decide_submit(drive->core, &hooks, drive->at, &submission, events, &count);
    goal_reach("submission answered", (uint32_t)answer);
    if (answer == GR_REFUSED_NOTHING ? objections != 0 : (objections & WORLD_NO(answer)) == 0) {
        wrong("a submission is answered '%s', the books object with %x", gr_refusal_name(answer),
              objections);
    }
    if (answer != GR_REFUSED_NOTHING && count != 99) {
        wrong("a refusal wrote its outputs");
    }
    for (unsigned i = 0; answer == GR_REFUSED_NOTHING && i < count; i++) {
        apply(drive, &events[i]);
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
static world_set start_objections(struct drive *drive, const struct world_job *job)
{
    const struct world *world = &drive->world;
    return (more_held(world) + job->demand.tasks - 1 > world->limits.pieces
                ? WORLD_NO(GR_REFUSED_LIMIT_PIECES)
                : 0) |
           (refused(&drive->rules, job->id) ? WORLD_NO(GR_REFUSED_RULES) : 0);
}

static bool fits_in(struct drive *drive, const struct world_view *view, const struct world_job *job)
{
    return world_fits(&drive->world, view, &job->demand,
                      &drive->world.mask[job->demand.shape.mask]);
}

static void pieces_verify(struct drive *drive, const struct world_view *view,
                          const struct gr_event *event, const struct world_job *job)
{
    const char *phrase =
        world_pieces_wrong(&drive->world, view, &job->demand, event->pieces, event->piece_count);
    if (phrase != NULL) {
        wrong("job %llu gets %s", (unsigned long long)job->id, phrase);
    }
    if (event->type == GR_JOB_PLACED &&
        (event->placed.job != job->id || event->placed.verdict != 7 ||
         event->placed.rules_version != 70 || event->placed.attempt != job->attempt + 1)) {
        wrong("another start than asked for");
    }
}

static void try_start_job(struct drive *drive)
{
    struct gr_hooks hooks = hooks_of(drive);
    struct world_view view;
    struct gr_event event;
    uint64_t id = drive->world.jobs > 0 && chance(drive, 95)
                      ? drive->world.job[below(drive, drive->world.jobs)].id
                      : draw(drive);
    const struct world_job *job = world_job(&drive->world, id);
    world_view_now(&drive->world, &view);
    world_set objections = job == NULL    ? WORLD_NO(GR_REFUSED_JOB)
                           : job->running ? WORLD_NO(GR_REFUSED_STATE)
                                          : start_objections(drive, job);
    if (job != NULL && !job->running && !fits_in(drive, &view, job)) {
        objections |= WORLD_NO(GR_REFUSED_NO_ROOM);
    }
    enum gr_refusal answer =
        gr_decide_start_job(drive->core, &hooks, drive->at, id, drive->pieces, &event);
    goal_reach("start of one job answered", (uint32_t)answer);
    if (answer == GR_REFUSED_NOTHING ? objections != 0 : (objections & WORLD_NO(answer)) == 0) {
        wrong("the start of job %llu is answered '%s', the books object with %x",
              (unsigned long long)id, gr_refusal_name(answer), objections);
    }
    if (answer == GR_REFUSED_NOTHING) {
        pieces_verify(drive, &view, &event, job);
        apply(drive, &event);
        drive->world.promise = false; // it may take the room that was kept
    } else if (answer == GR_REFUSED_NO_ROOM && chance(drive, 20)) {
        event = gr_decide_drop(drive->core, drive->at, id, answer);
        apply(drive, &event);
    }
}

// The first moment at which ends make room for a job; INT64_MAX if none does.
static int64_t start_at_the_latest(struct drive *drive, const struct world_job *job)
{
    int64_t best = INT64_MAX;
    for (uint32_t j = 0; j < drive->world.jobs; j++) {
        const struct world_job *other = &drive->world.job[j];
        int64_t end = other->running ? world_end(other, drive->at) : INT64_MAX;
        struct world_view view;
        if (end < best) {
            world_view_later(&drive->world, drive->at, end, &view);
            best = fits_in(drive, &view, job) ? end : best;
        }
    }
    return best;
}

static void reservation_verify(struct drive *drive, const struct gr_event *event,
                               const struct world_job *first)
{
    int64_t start = start_at_the_latest(drive, first);
    if (event->type != GR_ROOM_RESERVED || event->reserved.job != first->id) {
        wrong("no room is kept for job %llu", (unsigned long long)first->id);
    }
    if (event->reserved.start_ms != start || (event->piece_count > 0) != (start != INT64_MAX)) {
        wrong("room from %lld on instead of %lld", (long long)event->reserved.start_ms,
              (long long)start);
    }
    if (start != INT64_MAX) {
        struct world_view view;
        world_view_later(&drive->world, drive->at, start, &view);
        pieces_verify(drive, &view, event, first);
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
        if (fits_in(drive, ret_view, job) && start_objections(drive, job) == 0) {
            return job;
        }
    }
    return NULL;
}

// Could the first job still start when it was promised?
static void promise_verify(struct drive *drive)
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
        wrong("job %llu cannot start at %lld any more", (unsigned long long)first->id,
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
        wrong("after a decision: %s than in the books", difference);
    }
    return answer;
}

static void copy_decides_the_same(struct drive *drive, bool answer, const struct gr_event *event)
{
    if (drive->copy == NULL) {
        return;
    }
    struct gr_hooks hooks = hooks_of(drive);
    struct gr_piece *pieces = copy_of(NULL, 0);
    pieces = realloc(pieces, GR_TASKS_MAX * sizeof *pieces);
    struct gr_event other;
    if (pieces == NULL) {
        wrong("no memory");
    }
    bool same = gr_decide_start(drive->copy, &hooks, drive->at, pieces, &other) == answer;
    if (same && answer) {
        same = event->type == other.type && event->placed.job == other.placed.job &&
               event->piece_count == other.piece_count &&
               memcmp(pieces, drive->pieces, event->piece_count * sizeof *pieces) == 0;
    }
    if (!same) {
        wrong("a copy decides another way");
    }
    free(pieces);
}

// One decision about the queue. Returns true if it made a fact.
static bool try_start(struct drive *drive)
{
    struct world *world = &drive->world;
    const struct world_job *queue[WORLD_JOBS];
    struct world_view view;
    struct gr_event event;
    uint32_t count = world_queue(world, queue);
    bool answer = decide(drive, &event);
    copy_decides_the_same(drive, answer, &event);
    if (count == 0) {
        if (answer) {
            wrong("a start out of an empty queue");
        }
        return false;
    }
    world_view_now(world, &view);
    const struct world_job *job = queue[0];
    bool beside = false;
    if (fits_in(drive, &view, job) && start_objections(drive, job) == 0) {
        goal_reach("first in the queue started", world->backfill);
        world->promise = false; // somebody of a higher priority may be first now
    } else if (!world->backfill || count == 1) {
        job = NULL;
    } else if (world->kept_job != job->id || world->kept_start <= drive->at) {
        reservation_verify(drive, &event, job);
        apply(drive, &event);
        return true;
    } else {
        job = backfill_expect(drive, queue, count, &view, &beside);
        if (job != NULL) {
            goal_reach("job backfilled", beside);
        }
    }
    if (answer != (job != NULL) ||
        (answer && (event.type != GR_JOB_PLACED || event.placed.job != job->id))) {
        wrong("job %llu starts, the books say %llu",
              (unsigned long long)(answer ? event.placed.job : 0),
              (unsigned long long)(job == NULL ? 0 : job->id));
    }
    if (job == NULL) {
        goal_reach("queue blocked", world->backfill);
        return false;
    }
    pieces_verify(drive, &view, &event, job);
    apply(drive, &event);
    promise_verify(drive);
    return true;
}

static void try_finish(struct drive *drive)
{
    struct world *world = &drive->world;
    for (uint32_t tries = 0; tries < 8 && world->jobs > 0; tries++) {
        const struct world_job *job = &world->job[below(drive, world->jobs)];
        if (job->running) {
            int64_t since = drive->at - (drive->at > 5 && chance(drive, 20) ? 5 : 0);
            struct gr_event event = gr_decide_finish(drive->core, drive->at, since, job->id,
                                                     (enum gr_outcome)below(drive, GR_OUTCOMES));
            apply(drive, &event);
            return;
        }
    }
}

static void try_drop(struct drive *drive)
{
    struct world *world = &drive->world;
    const struct world_job *job = world->jobs == 0 ? NULL : &world->job[below(drive, world->jobs)];
    if (job != NULL && !job->running) {
        struct gr_event event = gr_decide_drop(drive->core, drive->at, job->id, GR_REFUSED_BY_USER);
        apply(drive, &event);
    }
}

static void try_mix(struct drive *drive)
{
    struct gr_mix_item items[40];
    struct gr_event event = fact(drive, GR_MIX_SET);
    memset(items, 0, sizeof items);
    event.item_count = below(drive, 41);
    event.items = items;
    for (uint32_t i = 0; i < event.item_count; i++) {
        items[i].shape = shape_make(drive);
        items[i].count = below(drive, 50);
        items[i].label = below(drive, 2);
    }
    apply(drive, &event);
}

static void try_node_state(struct drive *drive)
{
    if (drive->world.nodes > 0) {
        struct gr_event event = fact(drive, GR_NODE_STATE_SET);
        event.node_state.node = below(drive, drive->world.nodes);
        event.node_state.state = chance(drive, 60) ? GR_NODE_UP : below(drive, GR_NODE_STATES);
        apply(drive, &event);
    }
}

// A fact of the growing tables, which may find them full.
static void try_grow(struct drive *drive)
{
    struct gr_mask mask = mask_make(drive);
    struct gr_event event;
    switch (below(drive, 8)) {
    case 0:
        event = org_fact(drive);
        break;
    case 1:
        event = site_fact(drive);
        break;
    case 2:
        event = variant_fact(drive);
        break;
    case 3:
        event = fact(drive, GR_MASK_ADDED);
        event.mask = &mask;
        break;
    default:
        event = node_fact(drive);
        break;
    }
    if (agreed(drive, &event)) {
        apply(drive, &event);
    }
}

// --- facts as nobody should make them

static struct gr_event placed_fact(struct drive *drive, struct gr_piece *pieces)
{
    struct gr_event event = fact(drive, chance(drive, 70) ? GR_JOB_PLACED : GR_ROOM_RESERVED);
    struct world *world = &drive->world;
    const struct world_job *job = world->jobs == 0 ? NULL : &world->job[below(drive, world->jobs)];
    event.placed.job = job == NULL ? 1 : job->id;
    event.pieces = pieces;
    event.piece_count = job == NULL ? 1 : job->demand.tasks;
    if (event.type == GR_JOB_PLACED) {
        event.placed.attempt = job == NULL ? 1 : job->attempt + 1;
    }
    for (uint32_t p = 0; p < event.piece_count && job != NULL; p++) {
        const struct gr_shape *shape = &job->demand.shape;
        uint32_t first = below(drive, 16);
        pieces[p] = (struct gr_piece){.node = (p + first) % (world->nodes + 1),
                                      .milli = shape->milli,
                                      .cpu_milli = shape->cpu_milli,
                                      .memory_mib = shape->memory_mib,
                                      .devices = (uint16_t)(((1u << shape->devices) - 1) << first)};
        if (chance(drive, 70)) {
            pieces[p].node = below(drive, world->nodes);
            pieces[p].devices = (uint16_t)((1u << shape->devices) - 1);
        }
    }
    return event;
}

static struct gr_event any_fact(struct drive *drive, struct gr_piece *pieces,
                                struct gr_mix_item *item, struct gr_mask *mask)
{
    struct world *world = &drive->world;
    uint64_t id = world->jobs == 0 ? 1 : world->job[below(drive, world->jobs)].id;
    struct gr_event event;
    switch (1 + below(drive, GR_EVENT_TYPES - 1)) {
    case GR_ORG_ADDED:
        return org_fact(drive);
    case GR_SITE_ADDED:
        return site_fact(drive);
    case GR_VARIANT_ADDED:
        return variant_fact(drive);
    case GR_MASK_ADDED:
        *mask = chance(drive, 50) ? world->mask[below(drive, world->masks)] : mask_make(drive);
        event = fact(drive, GR_MASK_ADDED);
        event.mask = mask;
        return event;
    case GR_NODE_ADDED:
        event = node_fact(drive);
        event.node.row.site = (uint8_t)below(drive, world->sites + 1);
        event.node.row.variant = (uint8_t)below(drive, world->variants + 1);
        if (chance(drive, 50)) {
            event.node.row.domain[below(drive, GR_DOMAIN_LEVELS)] =
                below(drive, 9) | (chance(drive, 30) ? GR_DOMAIN_INNER : 0);
        }
        return event;
    case GR_NODE_STATE_SET:
        event = fact(drive, GR_NODE_STATE_SET);
        event.node_state.node = below(drive, world->nodes + 1);
        event.node_state.state = below(drive, 4);
        return event;
    case GR_MIX_SET:
        memset(item, 0, sizeof *item);
        event = fact(drive, GR_MIX_SET);
        event.items = item;
        event.item_count = 1;
        item->shape = shape_make(drive);
        item->count = draw(drive) >> below(drive, 64);
        return event;
    case GR_JOB_SUBMITTED:
        event = fact(drive, GR_JOB_SUBMITTED);
        event.submitted.demand = demand_make(drive);
        event.submitted.org = below(drive, world->orgs + 1);
        event.submitted.limit_ms = (int64_t)below(drive, 20) - 1;
        return event;
    case GR_JOB_FINISHED:
        event = gr_decide_finish(drive->core, drive->at, drive->at, id, GR_OUTCOME_DONE);
        return event;
    case GR_JOB_DROPPED:
        return gr_decide_drop(drive->core, drive->at, id, GR_REFUSED_BY_USER);
    default:
        return placed_fact(drive, pieces);
    }
}

// Damages one field.
static void damage(struct drive *drive, struct gr_event *event, struct gr_piece *pieces)
{
    uint8_t *body = (uint8_t *)&event->org;
    switch (below(drive, 10)) {
    case 0:
        event->sequence += chance(drive, 50) ? 1 : UINT64_MAX;
        break;
    case 1:
        event->epoch -= 1;
        break;
    case 2:
        event->at_ms -= 1 + below(drive, 1000);
        break;
    case 3:
        event->version = (uint16_t)below(drive, 3);
        break;
    case 4:
        event->type = (uint16_t)(chance(drive, 50) ? 0 : GR_EVENT_TYPES + below(drive, 1000));
        break;
    case 5:
        event->since_ms = -1;
        break;
    case 6:
        if (event->pieces != NULL && event->piece_count > 0) {
            ((uint8_t *)pieces)[below(drive, sizeof *pieces)] ^= (uint8_t)(1u << below(drive, 8));
        }
        break;
    case 7:
        event->piece_count += event->pieces != NULL && event->piece_count > 0 ? UINT32_MAX : 0;
        break;
    default: // a bit somewhere in what the fact is about
        body[below(drive, sizeof(struct gr_node))] ^= (uint8_t)(1u << below(drive, 8));
        break;
    }
}

static void try_bad(struct drive *drive)
{
    struct gr_piece pieces[WORLD_TASKS + 1];
    struct gr_mix_item item;
    struct gr_mask mask;
    memset(pieces, 0, sizeof pieces);
    struct gr_event event = any_fact(drive, pieces, &item, &mask);
    if (chance(drive, 70)) {
        damage(drive, &event, pieces);
    }
    (void)agreed(drive, &event);
}

// --- from time to time

static void index_agrees(struct drive *drive)
{
    struct gr_place *place = gr_core_place_refresh(drive->core);
    struct gr_shape shape = shape_make(drive);
    struct gr_piece found, scanned;
    uint64_t salt = draw(drive);
    bool answer = gr_place_find(place, &shape, salt, &found);
    gr_place_refresh(place);
    bool other = gr_place_find_scan(place, &shape, salt, &scanned);
    if (answer != other || (answer && memcmp(&found, &scanned, sizeof found) != 0)) {
        wrong("the index and the scan differ");
    }
    goal_reach("index asked", answer);
}

static void copy_renew(struct drive *drive)
{
    uint8_t a[32], b[32];
    struct gr_err err;
    if (drive->copy != NULL) {
        gr_core_digest(drive->core, a);
        gr_core_digest(drive->copy, b);
        if (memcmp(a, b, 32) != 0) {
            wrong("a copy with the same facts has another digest");
        }
        goal_reach("clone agreed", 0);
        gr_core_free(drive->copy);
    }
    if (gr_core_clone(drive->core, &drive->copy, &err) != 0) {
        wrong("%s", err.text);
    }
}

static void audit(struct drive *drive)
{
    const char *phrase = gr_core_audit(drive->core);
    if (phrase != NULL) {
        wrong("the auditor says: %s", phrase);
    }
}

// The recorded facts, from the beginning, give the same state.
static void history_replay(struct drive *drive)
{
    struct gr_core *core;
    struct gr_err err;
    uint8_t a[32], b[32];
    if (gr_core_new(&drive->config, &core, &err) != 0) {
        wrong("%s", err.text);
    }
    for (size_t i = 0; i < drive->fact_count; i++) {
        if (gr_core_check(core, &drive->facts[i]) != GR_REFUSED_NOTHING) {
            wrong("fact %zu is refused in replay", i + 1);
        }
        (void)gr_core_apply(core, &drive->facts[i], NULL);
    }
    gr_core_digest(drive->core, a);
    gr_core_digest(core, b);
    if (memcmp(a, b, 32) != 0) {
        wrong("the replayed history has another digest");
    }
    goal_reach("history replayed", 0);
    gr_core_free(core);
}

static void time_goes(struct drive *drive)
{
    if (chance(drive, 30)) {
        drive->at += 1 + below(drive, 200);
    }
    if (chance(drive, 1)) {
        struct gr_event event = fact(drive, GR_NODE_STATE_SET);
        event.epoch++;
        if (drive->world.nodes > 0) {
            event.node_state.state = drive->world.node[0].state;
            apply(drive, &event);
            goal_reach("epoch raised", 0);
        }
    }
    drive->rules.no_every = chance(drive, 30) ? 2 + below(drive, 4) : 0;
    drive->rules.no_site = chance(drive, 15) ? (int)below(drive, WORLD_SITES) : -1;
}

static void step(struct drive *drive)
{
    uint32_t what = below(drive, 100);
    time_goes(drive);
    if (what < 22) {
        try_submit(drive);
    } else if (what < 45) {
        for (uint32_t i = 0; i < 4 && try_start(drive); i++) {
        }
    } else if (what < 52) {
        try_start_job(drive);
    } else if (what < 70) {
        try_finish(drive);
    } else if (what < 73) {
        try_drop(drive);
    } else if (what < 76) {
        try_node_state(drive);
    } else if (what < 77) {
        try_mix(drive);
    } else if (what < 79) {
        try_grow(drive);
    } else if (what < 89) {
        try_bad(drive);
    } else if (what < 98) {
        index_agrees(drive);
    } else if (what < 99) {
        audit(drive);
    } else if (chance(drive, 30)) {
        copy_renew(drive);
    }
}

static void begin(struct drive *drive)
{
    struct gr_mask every;
    memset(&every, 0xff, sizeof every);
    struct gr_event event = org_fact(drive);
    apply(drive, &event);
    for (int i = 0; i < 2; i++) {
        event = site_fact(drive);
        apply(drive, &event);
        event = variant_fact(drive);
        apply(drive, &event);
    }
    event = fact(drive, GR_MASK_ADDED);
    event.mask = &every;
    apply(drive, &event);
    uint32_t nodes = 1 + below(drive, 12);
    for (uint32_t i = 0; i < nodes; i++) {
        event = node_fact(drive);
        apply(drive, &event);
    }
}

static uint32_t policy_count(void)
{
    uint32_t count = 0;
    while (gr_policies[count] != NULL) {
        count++;
    }
    return count;
}

void drive_run(uint64_t seed, uint64_t steps)
{
    struct drive *drive = calloc(1, sizeof *drive);
    struct gr_err err;
    if (drive == NULL) {
        wrong("no memory");
    }
    story.seed = seed;
    story.count = 0;
    signal(SIGABRT, on_abort);
    drive->random = seed * 0x9e3779b97f4a7c15u;
    drive->at = below(drive, 3) * 1000;
    drive->config =
        (struct gr_core_config){.limits = {.place = {.nodes = WORLD_NODES,
                                                     .masks = WORLD_MASKS,
                                                     .slots = 32,
                                                     .domains = {3, 8, 0, 0}},
                                           .jobs = 6 + below(drive, WORLD_JOBS - 5),
                                           .pieces = below(drive, WORLD_PIECES),
                                           .orgs = WORLD_ORGS,
                                           .sites = WORLD_SITES,
                                           .variants = WORLD_VARIANTS},
                                .policy = gr_policies[seed % policy_count()]->name,
                                .seed = seed,
                                .order = chance(drive, 65) ? GR_ORDER_BACKFILL : GR_ORDER_FIFO,
                                .learn_mix = chance(drive, 30)};
    drive->world.limits = drive->config.limits;
    drive->world.backfill = drive->config.order == GR_ORDER_BACKFILL;
    drive->pieces = calloc(GR_TASKS_MAX, sizeof *drive->pieces);
    if (drive->pieces == NULL || gr_core_new(&drive->config, &drive->core, &err) != 0) {
        wrong("no memory");
    }
    begin(drive);
    for (uint64_t s = 0; s < steps; s++) {
        story.step = s;
        step(drive);
    }
    audit(drive);
    copy_renew(drive);
    history_replay(drive);
    gr_core_free(drive->copy);
    gr_core_free(drive->core);
    facts_free(drive);
    free(drive->pieces);
    free(drive);
}
