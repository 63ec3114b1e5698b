// The driver: what to try next, and what is compared after it. See drive.h.
#include "drive.h"

#include "goals.h"
#include "parts.h"
#include "place/policy.h"
#include "story.h"

#include <stdlib.h>
#include <string.h>

// --- facts

void *drive_copy_of(const void *bytes, size_t size)
{
    void *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL) {
        story_wrong("no memory");
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
            story_wrong("no memory");
        }
    }
    struct gr_event *fact = &drive->facts[drive->fact_count++];
    *fact = *event;
    fact->pieces = drive_copy_of(event->pieces, event->piece_count * sizeof *event->pieces);
    fact->items = drive_copy_of(event->items, event->item_count * sizeof *event->items);
    fact->edges = drive_copy_of(event->edges, event->edge_count * sizeof *event->edges);
    fact->mask =
        event->type == GR_MASK_ADDED ? drive_copy_of(event->mask, sizeof *event->mask) : NULL;
}

static void facts_free(struct drive *drive)
{
    for (size_t i = 0; i < drive->fact_count; i++) {
        free((void *)(uintptr_t)drive->facts[i].pieces);
        free((void *)(uintptr_t)drive->facts[i].items);
        free((void *)(uintptr_t)drive->facts[i].edges);
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
    case GR_JOB_STARTED:
    case GR_JOB_REQUEUED:
    case GR_STOP_ASKED:
    case GR_CHECKPOINTED:
    case GR_ROOM_HELD:
    case GR_ROOM_FREED:
    case GR_PART_LOST:
    case GR_PART_PLACED:
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

static void terms_count(struct drive *drive, const struct gr_event *event)
{
    const struct world *world = &drive->world;
    if (event->type == GR_QUOTA_SET) {
        bool is_there = false;
        for (uint32_t q = 0; q < world->quotas; q++) {
            is_there |= world->quota[q].org == event->quota.org &&
                        world->quota[q].variant == event->quota.variant;
        }
        bool is_none = event->quota.nominal_milli == 0 &&
                       event->quota.borrow_milli == GR_ANY_MILLI &&
                       event->quota.lend_milli == GR_ANY_MILLI;
        goal_reach("quota set", is_none ? 0 : is_there ? 2 : 1);
    } else if (event->type == GR_QUEUE_TERMS_SET) {
        goal_reach("terms of the queue set", event->queue_terms.half_life_ms > 0);
    } else if (event->type == GR_CLASS_SET) {
        bool is_there = false;
        for (uint32_t c = 0; c < world->classes; c++) {
            is_there |= strcmp(world->class[c].name, event->job_class.name) == 0;
        }
        goal_reach("class set", is_there);
    } else if (event->type == GR_CHECKPOINTED) {
        goal_reach("checkpoint", world_job(world, event->checkpointed.job)->safe > 0);
    }
}

static void applied_count(struct drive *drive, const struct gr_event *event)
{
    goal_reach("applied", event->type);
    if (event->type == GR_NODE_STATE_SET) {
        goal_reach("node went",
                   3 * drive->world.node[event->node_state.node].state + event->node_state.state);
    } else if (event->type == GR_JOB_FINISHED) {
        goal_reach("job ended", event->finished.ending.outcome);
    } else if (event->type == GR_JOB_DROPPED) {
        goal_reach("job dropped", event->dropped.why);
    } else if (event->type == GR_JOB_PLACED) {
        placed_count(drive, event);
    } else if (event->type == GR_ROOM_RESERVED) {
        goal_reach("room reserved", event->piece_count > 0);
    } else if (event->type == GR_MIX_SET) {
        goal_reach("mix learned", drive->config.learn_mix);
    } else if (event->type == GR_JOB_REQUEUED) {
        goal_reach("job requeued", event->requeued.ending.outcome);
    } else if (event->type == GR_STOP_ASKED) {
        goal_reach("stop asked", event->stop_asked.why);
    } else if (event->type == GR_DEVICES_SET) {
        goal_reach("devices set", event->devices_set.is_out);
    } else if (event->type == GR_PREFERENCE_SET) {
        goal_reach("preference", event->preference_set.row < drive->world.preferences ? 3 : 2);
    } else {
        terms_count(drive, event);
    }
}

static uint32_t state_of(const struct world_job *job)
{
    return job == NULL    ? 0
           : job->running ? GR_JOB_RUNNING
           : job->held    ? GR_JOB_HELD
                          : GR_JOB_WAITING;
}

// Every way from one state of a job to another, 0 being none.
static void states_count(const struct world *before, const struct world *after)
{
    for (uint32_t j = 0; j < before->jobs; j++) {
        uint32_t from = state_of(&before->job[j]);
        uint32_t to = state_of(world_job(after, before->job[j].id));
        if (from != to) {
            goal_reach("job went", 4 * from + to);
        }
    }
    for (uint32_t j = 0; j < after->jobs; j++) {
        if (world_job(before, after->job[j].id) == NULL) {
            goal_reach("job went", state_of(&after->job[j]));
        }
    }
}

static void effects_compare(const struct gr_event *event, unsigned count,
                            const struct gr_effect *effect)
{
    uint32_t type = event->type == GR_JOB_PLACED ? GR_START_JOB
                    : event->type == GR_JOB_FINISHED || event->type == GR_JOB_REQUEUED
                        ? GR_RELEASE_JOB
                    : event->type == GR_STOP_ASKED  ? GR_STOP_JOB
                    : event->type == GR_PART_PLACED ? GR_START_PART
                                                    : 0;
    if (count != (type != 0)) {
        story_wrong("%u effects", count);
    }
    if (type != 0) { // all begin with job and attempt
        if ((uint32_t)effect->type != type || effect->job != event->placed.job ||
            effect->attempt != event->placed.attempt || effect->epoch != event->epoch) {
            story_wrong("another effect");
        }
        goal_reach("effect", (uint32_t)effect->type);
    }
}

// Both say the same of the fact. Returns true if it may be applied.
bool drive_agreed(struct drive *drive, const struct gr_event *event)
{
    world_set objections = world_objections(&drive->world, event);
    enum gr_refusal answer = gr_core_check(drive->core, event);
    if (answer == GR_REFUSED_NOTHING ? objections != 0 : (objections & WORLD_NO(answer)) == 0) {
        story_wrong("check says '%s' to %s, the books object with %llx", gr_refusal_name(answer),
                    gr_event_type_name(event->type) == NULL ? "an unknown fact"
                                                            : gr_event_type_name(event->type),
                    (unsigned long long)objections);
    }
    goal_reach("check says", (uint32_t)answer);
    if (event->type == GR_QUOTA_SET && answer == GR_REFUSED_LIMIT_OTHER) {
        goal_reach("quota set", 3);
    }
    return answer == GR_REFUSED_NOTHING;
}

void drive_apply(struct drive *drive, const struct gr_event *event)
{
    struct gr_effect effects[GR_EFFECTS_MAX];
    memset(effects, 0, sizeof effects);
    story_add("  %llu at %lld %s %llu, %u pieces", (unsigned long long)event->sequence,
              (long long)event->at_ms, gr_event_type_name(event->type),
              (unsigned long long)subject(event), event->piece_count);
    if (!drive_agreed(drive, event)) {
        story_wrong("a decided fact is refused: %s",
                    gr_refusal_name(gr_core_check(drive->core, event)));
    }
    applied_count(drive, event);
    fact_keep(drive, event);
    unsigned count = gr_core_apply(drive->core, event, effects);
    effects_compare(event, count, effects);
    drive->before = drive->world;
    world_apply(&drive->world, event);
    states_count(&drive->before, &drive->world);
    if (drive->copy != NULL) {
        gr_core_soon(drive->copy, event, 1);
        if (gr_core_step(drive->copy, event, NULL, NULL) != GR_REFUSED_NOTHING) {
            story_wrong("a copy refuses the fact");
        }
    }
    const char *difference = world_compare(&drive->world, drive->core);
    if (difference != NULL) {
        story_wrong("%s than in the books", difference);
    }
    drive->at = event->at_ms;
}

struct gr_event drive_fact(struct drive *drive, enum gr_event_type type)
{
    return gr_decide_fact(drive->core, drive->at, type);
}

static void try_started(struct drive *drive)
{
    struct world *world = &drive->world;
    const struct world_job *job = world->jobs == 0 ? NULL : &world->job[below(drive, world->jobs)];
    if (job != NULL && job->running && job->began == 0) {
        struct gr_event event = drive_fact(drive, GR_JOB_STARTED);
        event.started.job = job->id;
        event.started.attempt = job->attempt;
        drive_apply(drive, &event);
    }
}

static void try_devices(struct drive *drive)
{
    struct world *world = &drive->world;
    uint32_t node = world->nodes == 0 ? 0 : below(drive, world->nodes);
    if (world->nodes > 0 && world->node[node].devices > 0) {
        struct gr_event event = drive_fact(drive, GR_DEVICES_SET);
        event.devices_set.node = node;
        event.devices_set.devices = (uint16_t)(1u << below(drive, world->node[node].devices));
        if (chance(drive, 20)) {
            event.devices_set.devices = (uint16_t)((1u << world->node[node].devices) - 1);
        }
        event.devices_set.is_out = chance(drive, 40);
        event.devices_set.health = (uint8_t)below(drive, GR_DEVICE_HEALTHS);
        drive_apply(drive, &event);
    }
}

static void try_key(struct drive *drive)
{
    struct gr_event event = drive_fact(drive, GR_KEY_USED);
    struct world *world = &drive->world;
    memset(event.key_used.key, (int)below(drive, 64), sizeof event.key_used.key);
    event.key_used.request[3] = (uint8_t)draw(drive);
    event.key_used.first = event.key_used.last = world->sequence;
    event.key_used.org = below(drive, world->orgs);
    if (drive_agreed(drive, &event)) {
        drive_apply(drive, &event);
    }
}

// What operators say of quotas and shares, and what jobs say of their work.
static void try_terms(struct drive *drive)
{
    const struct world *world = &drive->world;
    const struct world_job *job = world->jobs == 0 ? NULL : &world->job[below(drive, world->jobs)];
    struct gr_event event;
    switch (below(drive, 8)) {
    case 0:
    case 1:
    case 2:
        event = make_quota(drive);
        break;
    case 3:
    case 4:
        event = make_org_terms(drive);
        break;
    case 5:
        if (chance(drive, 50)) {
            event = make_class(drive);
            break;
        }
        if (!chance(drive, 35)) { // seldom, so that averages have time to become old
            return;
        }
        event = make_queue_terms(drive);
        break;
    default:
        if (job == NULL || !job->running) {
            return;
        }
        event = make_checkpoint(drive, job->id);
        break;
    }
    if (drive_agreed(drive, &event)) {
        drive_apply(drive, &event);
    }
}

static void try_drop(struct drive *drive)
{
    struct world *world = &drive->world;
    const struct world_job *job = world->jobs == 0 ? NULL : &world->job[below(drive, world->jobs)];
    if (job != NULL && !job->running && (!job->held || chance(drive, 30))) {
        struct gr_event event = gr_decide_drop(drive->core, drive->at, job->id, GR_REFUSED_BY_USER);
        drive_apply(drive, &event);
    }
}

static void try_mix(struct drive *drive)
{
    struct gr_mix_item items[40];
    struct gr_event event = drive_fact(drive, GR_MIX_SET);
    memset(items, 0, sizeof items);
    event.item_count = below(drive, 41);
    event.items = items;
    for (uint32_t i = 0; i < event.item_count; i++) {
        items[i].shape = make_shape(drive);
        items[i].count = below(drive, 50);
        items[i].label = below(drive, 2);
    }
    drive_apply(drive, &event);
}

static void try_node_state(struct drive *drive)
{
    if (drive->world.nodes > 0) {
        struct gr_event event = drive_fact(drive, GR_NODE_STATE_SET);
        event.node_state.node = below(drive, drive->world.nodes);
        event.node_state.state = chance(drive, 60) ? GR_NODE_UP : below(drive, GR_NODE_STATES);
        drive_apply(drive, &event);
    }
}

// A fact of the growing tables, which may find them full.
static void try_grow(struct drive *drive)
{
    struct gr_mask mask = make_mask(drive);
    struct gr_event event;
    switch (below(drive, 9)) {
    case 0:
        event = make_org(drive);
        break;
    case 8:
        event = drive_fact(drive, GR_USER_ADDED);
        event.user_added.org = below(drive, drive->world.orgs);
        event.user_added.commitment[7] = (uint8_t)draw(drive);
        break;
    case 1:
        event = make_site(drive);
        break;
    case 2:
        event = make_variant(drive);
        break;
    case 3:
        event = drive_fact(drive, GR_MASK_ADDED);
        event.mask = &mask;
        break;
    default:
        event = make_node(drive);
        break;
    }
    if (drive_agreed(drive, &event)) {
        drive_apply(drive, &event);
    }
}

static void try_bad(struct drive *drive)
{
    struct make_room room;
    memset(&room, 0, sizeof room);
    struct gr_event event = make_any(drive, &room);
    if (chance(drive, 70)) {
        make_damage(drive, &event, &room);
    }
    (void)drive_agreed(drive, &event);
}

// --- from time to time

static void time_goes(struct drive *drive)
{
    if (chance(drive, 30)) {
        drive->at += 1 + below(drive, 200);
    }
    if (below(drive, 150) == 0) { // somebody has lacked a part for long enough
        drive->at += 600000;
    }
    if (below(drive, 400) == 0) { // keys grow old
        drive->at += GR_KEY_MS / 2;
    }
    if (chance(drive, 1)) {
        struct gr_event event = drive_fact(drive, GR_EPOCH_BEGUN);
        drive_apply(drive, &event);
    }
    drive->rules.no_every = chance(drive, 30) ? 2 + below(drive, 4) : 0;
    drive->rules.jobs_per_org = chance(drive, 20) ? 3 : 100;
    drive->rules.no_site = chance(drive, 15) ? (int)below(drive, WORLD_SITES) : -1;
}

static void step(struct drive *drive)
{
    uint32_t what = below(drive, 100);
    time_goes(drive);
    if (what < 22) {
        answer_submit(drive);
    } else if (what < 45) {
        for (uint32_t i = 0; i < 4 && answer_start(drive); i++) {
        }
    } else if (what < 52) {
        answer_start_job(drive);
    } else if (what < 70) {
        answer_end(drive);
    } else if (what < 71) {
        try_drop(drive);
    } else if (what < 73) {
        answer_stop(drive);
    } else if (what < 76) {
        try_node_state(drive);
    } else if (what < 77) {
        if (chance(drive, 25)) {
            try_mix(drive);
        } else {
            try_devices(drive);
        }
    } else if (what < 79) {
        try_grow(drive);
    } else if (what < 81) {
        try_key(drive);
    } else if (what < 84) {
        try_started(drive);
    } else if (what < 88) {
        try_terms(drive);
    } else if (what < 94) {
        try_bad(drive);
    } else if (what < 96) {
        drive_index_compare(drive);
    } else if (what < 98) {
        for (uint32_t i = 0; i == 0 || (i < 4 && chance(drive, 50)); i++) {
            answer_part_lost(drive);
        }
    } else if (what < 99) {
        drive_audit(drive);
    } else if (chance(drive, 30)) {
        drive_copy_renew(drive);
    }
    if (drive->world.order == GR_ORDER_FAIR && chance(drive, 10)) {
        answer_defrag(drive);
    }
    answer_mix(drive);
    if (chance(drive, 60)) {
        answer_doomed(drive);
    }
}

// A pool of which one organisation owns much, and lends it; and may have it back soon.
static void begin_lent(struct drive *drive)
{
    struct gr_event event = drive_fact(drive, GR_QUEUE_TERMS_SET);
    event.queue_terms = drive->world.queue_terms;
    event.queue_terms.notice_ms = below(drive, 100);
    event.queue_terms.reclaim = 1 + below(drive, 3);
    drive_apply(drive, &event);
    event = make_org(drive);
    drive_apply(drive, &event);
    for (uint32_t v = 0; v < 2 && v < drive->world.limits.quotas; v++) {
        event = drive_fact(drive, GR_QUOTA_SET);
        event.quota = (struct gr_quota){.org = drive->world.orgs - 1,
                                        .variant = v,
                                        .nominal_milli = 1000 * (2 + below(drive, 30)),
                                        .borrow_milli = GR_ANY_MILLI,
                                        .lend_milli = GR_ANY_MILLI};
        drive_apply(drive, &event);
    }
}

static void begin(struct drive *drive)
{
    struct gr_mask every;
    memset(&every, 0xff, sizeof every);
    struct gr_event event = make_org(drive);
    drive_apply(drive, &event);
    for (int i = 0; i < 2; i++) {
        event = make_site(drive);
        drive_apply(drive, &event);
        event = make_variant(drive);
        drive_apply(drive, &event);
    }
    event = drive_fact(drive, GR_MASK_ADDED);
    event.mask = &every;
    drive_apply(drive, &event);
    uint32_t nodes = 1 + below(drive, 12);
    for (uint32_t i = 0; i < nodes && i < drive->config.limits.place.nodes; i++) {
        event = make_node(drive);
        drive_apply(drive, &event);
    }
    if (drive->lent) {
        begin_lent(drive);
    }
}

// The default policy, the first, takes long to learn a mix: one run in eighty is its.
static const char *policy_of(uint64_t seed)
{
    uint32_t count = 0;
    while (gr_policies[count] != NULL) {
        count++;
    }
    return gr_policies[seed % 80 == 0 ? 0 : 1 + seed % (count - 1)]->name;
}

void drive_run(uint64_t seed, uint64_t steps)
{
    struct drive *drive = calloc(1, sizeof *drive);
    struct gr_err err;
    if (drive == NULL) {
        story_wrong("no memory");
    }
    story_begin(seed);
    drive->random = seed * 0x9e3779b97f4a7c15u;
    drive->at = below(drive, 3) * 1000;
    enum gr_order order = chance(drive, 60)   ? GR_ORDER_FAIR
                          : chance(drive, 65) ? GR_ORDER_BACKFILL
                                              : GR_ORDER_FIFO;
    drive->lent = order == GR_ORDER_FAIR && chance(drive, 40);
    // Some pools stay small, so that they are full and room is taken back.
    uint32_t nodes = drive->lent || chance(drive, 25) ? 1 + below(drive, 4) : WORLD_NODES;
    drive->config = (struct gr_core_config){
        .limits =
            {.place = {.nodes = nodes, .masks = WORLD_MASKS, .slots = 32, .domains = {3, 8, 0, 0}},
             .jobs = 4 + below(drive, WORLD_JOBS - 3),
             .pieces = below(drive, WORLD_PIECES),
             .orgs = WORLD_ORGS,
             .sites = WORLD_SITES,
             .variants = WORLD_VARIANTS,
             .users = WORLD_USERS,
             .arrays = WORLD_ARRAYS,
             .edges = WORLD_EDGES,
             .keys = WORLD_KEYS,
             .keys_per_org = 1 + below(drive, WORLD_KEYS),
             .queues = 2 + below(drive, 8),
             .needs = 4 + below(drive, WORLD_JOBS),
             .quotas = 1 + below(drive, WORLD_QUOTAS),
             .preferences = 1 + below(drive, WORLD_PREFERENCES)},
        .policy = policy_of(seed),
        .seed = seed,
        .order = order,
        .learn_mix = chance(drive, 30)};
    drive->world.limits = drive->config.limits;
    drive->world.order = drive->config.order;
    drive->world.queue_terms = (struct gr_queue_terms){.half_life_ms = INT64_C(604800000),
                                                       .notice_ms = 30000,
                                                       .lost_per_hour = GR_ANY_MILLI,
                                                       .reclaim = GR_RECLAIM_BORROWED};
    drive->pieces = calloc(GR_TASKS_MAX, sizeof *drive->pieces);
    drive->copy_pieces = calloc(GR_TASKS_MAX, sizeof *drive->copy_pieces);
    if (drive->pieces == NULL || drive->copy_pieces == NULL ||
        gr_core_new(&drive->config, &drive->core, &err) != 0) {
        story_wrong("no memory");
    }
    begin(drive);
    for (uint64_t s = 0; s < steps; s++) {
        story_step(s);
        step(drive);
    }
    answer_rest(drive);
    drive_audit(drive);
    drive_copy_renew(drive);
    drive_history_replay(drive);
    gr_core_free(drive->copy);
    gr_core_free(drive->core);
    facts_free(drive);
    free(drive->pieces);
    free(drive->copy_pieces);
    free(drive);
}
