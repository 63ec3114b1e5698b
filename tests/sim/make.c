// Random pools, demands and facts, good and bad. See parts.h.
#include "parts.h"

#include <stdio.h>
#include <string.h>

// --- the pool

static const uint32_t cpus[] = {0, 1000, 4000, 8000, 16000, 31000, 64000};
static const uint32_t memories[] = {0, 1024, 3000, 4096, 5000, 65536, 70000, 200000};

static void pool_name(struct drive *drive, char name[GR_NAME_SIZE], const char *what)
{
    memset(name, 0, GR_NAME_SIZE);
    (void)snprintf(name, GR_NAME_SIZE, "%s%llu", what,
                   (unsigned long long)gr_core_next_sequence(drive->core));
}

struct gr_event make_org(struct drive *drive)
{
    struct gr_event event = drive_fact(drive, GR_ORG_ADDED);
    pool_name(drive, event.org.name, "org");
    event.org.parent = drive->world.orgs == 0 ? UINT32_MAX : below(drive, drive->world.orgs);
    event.org.role = (uint8_t)below(drive, GR_ROLES);
    memcpy(event.org.seat, chance(drive, 50) ? "DE" : "\0\0", 3);
    return event;
}

struct gr_event make_site(struct drive *drive)
{
    struct gr_event event = drive_fact(drive, GR_SITE_ADDED);
    pool_name(drive, event.site.name, "site");
    memcpy(event.site.country, "FR", 3);
    event.site.owner = drive->world.orgs == 0 ? 0 : below(drive, drive->world.orgs);
    return event;
}

struct gr_event make_variant(struct drive *drive)
{
    struct gr_event event = drive_fact(drive, GR_VARIANT_ADDED);
    pool_name(drive, event.variant, "variant");
    return event;
}

struct gr_event make_node(struct drive *drive)
{
    static const uint8_t widths[] = {0, 1, 2, 4, 8, 8, 8, 16};
    struct gr_event event = drive_fact(drive, GR_NODE_ADDED);
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

struct gr_mask make_mask(struct drive *drive)
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

struct gr_shape make_shape(struct drive *drive)
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

struct gr_demand make_demand(struct drive *drive)
{
    struct gr_demand demand = {.shape = make_shape(drive), .tasks = 1};
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

struct gr_preference make_preference(struct drive *drive)
{
    struct gr_preference preference = {0};
    uint32_t last = 0;
    if (chance(drive, 3)) { // nonsense
        preference.tiers[below(drive, sizeof preference.tiers)] = (uint8_t)draw(drive);
        return preference;
    }
    for (uint32_t v = below(drive, 2), left = 2 + below(drive, 3); v < 4 && left > 0; v++, left--) {
        uint32_t tier = last < 2 || chance(drive, 60) ? ++last : 1 + below(drive, last);
        preference.tiers[v / 2] |= (uint8_t)(tier << v % 2 * 4);
    }
    if (chance(drive, 50)) { // the last variants first
        for (uint32_t i = 0; i < 2; i++) {
            uint8_t pair = preference.tiers[i];
            uint32_t low = pair % 16u, high = pair / 16u;
            low = low == 0 ? 0 : last + 1 - low;
            high = high == 0 ? 0 : last + 1 - high;
            preference.tiers[i] = (uint8_t)(high * 16 + low);
        }
    }
    return preference;
}

// --- quotas, shares and checkpoints

struct gr_event make_quota(struct drive *drive)
{
    static const uint64_t amounts[] = {0, 1, 500, 1000, 2000, 4000, 8000, 16000, 64000};
    const struct world *world = &drive->world;
    struct gr_event event = drive_fact(drive, GR_QUOTA_SET);
    struct gr_quota *quota = &event.quota;
    *quota = (struct gr_quota){.org = below(drive, world->orgs),
                               .variant = below(drive, world->variants),
                               .borrow_milli = GR_ANY_MILLI,
                               .lend_milli = GR_ANY_MILLI};
    if (world->quotas > 0 && chance(drive, 30)) {
        const struct gr_quota *old = &world->quota[below(drive, world->quotas)];
        quota->org = old->org;
        quota->variant = old->variant;
    }
    if (chance(drive, 25)) {
        return event; // none any more
    }
    if (world->jobs > 0 && chance(drive, 30)) { // for one who may be without what is its own
        const struct world_job *job = &world->job[below(drive, world->jobs)];
        *quota = (struct gr_quota){.org = job->org,
                                   .variant = quota->variant,
                                   .nominal_milli = 64000,
                                   .borrow_milli = GR_ANY_MILLI,
                                   .lend_milli = GR_ANY_MILLI};
        return event;
    }
    quota->nominal_milli = chance(drive, 2) ? GR_QUOTA_MILLI_MAX : PICK(drive, amounts);
    quota->borrow_milli = chance(drive, 40) ? GR_ANY_MILLI : PICK(drive, amounts);
    quota->lend_milli = chance(drive, 40) ? GR_ANY_MILLI : draw(drive) % (quota->nominal_milli + 1);
    return event;
}

struct gr_event make_org_terms(struct drive *drive)
{
    static const uint32_t weights[] = {1, 2, 500, GR_WEIGHT_DEFAULT, 3000, GR_WEIGHT_MAX};
    static const uint64_t amounts[] = {1, 1000, 3000, 8000, 16000, GR_ANY_MILLI};
    struct gr_event event = drive_fact(drive, GR_ORG_TERMS_SET);
    struct gr_org_terms *terms = &event.org_terms;
    *terms = (struct gr_org_terms){.org = below(drive, drive->world.orgs),
                                   .weight = PICK(drive, weights),
                                   .priority_max = chance(drive, 70) ? 255 : 200};
    terms->running_max = chance(drive, 80) ? 0 : 1 + below(drive, 4);
    terms->user_running_max = chance(drive, 80) ? 0 : 1 + below(drive, 3);
    terms->held_milli_max = chance(drive, 80) ? 0 : PICK(drive, amounts);
    terms->user_held_milli_max = chance(drive, 80) ? 0 : PICK(drive, amounts);
    return event;
}

struct gr_event make_queue_terms(struct drive *drive)
{
    static const int64_t half_lives[] = {0, 0, 1, 50, 700, 5000, 60000, 604800000, GR_QUEUE_MS_MAX};
    static const int64_t times[] = {0, 1, 100, 30000, GR_QUEUE_MS_MAX};
    struct gr_event event = drive_fact(drive, GR_QUEUE_TERMS_SET);
    event.queue_terms = (struct gr_queue_terms){
        .half_life_ms = PICK(drive, half_lives),
        .notice_ms = PICK(drive, times),
        .min_run_ms = PICK(drive, times),
        .lost_per_hour = chance(drive, 50) ? GR_ANY_MILLI : draw(drive) >> 8,
        .reclaim = below(drive, 4)};
    return event;
}

struct gr_event make_class(struct drive *drive)
{
    struct gr_event event = drive_fact(drive, GR_CLASS_SET);
    // More names than there may be classes.
    snprintf(event.job_class.name, GR_NAME_SIZE, "class-%u", below(drive, GR_CLASSES_MAX + 8));
    event.job_class.limit_ms = chance(drive, 50) ? 0 : (int64_t)below(drive, 1 << 20);
    event.job_class.priority = (uint8_t)below(drive, 256);
    return event;
}

struct gr_event make_checkpoint(struct drive *drive, uint64_t id)
{
    const struct world_job *job = world_job(&drive->world, id);
    struct gr_event event = drive_fact(drive, GR_CHECKPOINTED);
    event.checkpointed.job = id;
    event.checkpointed.attempt = job == NULL ? 1 : job->attempt;
    if (chance(drive, 40)) { // it may be too long ago
        event.since_ms -= event.since_ms == 0 ? 0 : below(drive, 300) % event.since_ms;
    }
    return event;
}

// One of these facts with something in it that should not be there.
static struct gr_event terms_fact(struct drive *drive, unsigned type, uint64_t id)
{
    static const uint64_t amounts[] = {
        0, 1, 4000, GR_QUOTA_MILLI_MAX, GR_QUOTA_MILLI_MAX + 1, GR_ANY_MILLI - 1, GR_ANY_MILLI};
    static const int64_t times[] = {INT64_MIN,           -1,       0, GR_QUEUE_MS_MAX,
                                    GR_QUEUE_MS_MAX + 1, INT64_MAX};
    struct gr_event event;
    if (type == GR_QUOTA_SET) {
        event = make_quota(drive);
        event.quota.org = below(drive, drive->world.orgs + 1);
        event.quota.variant = below(drive, drive->world.variants + 1);
        event.quota.nominal_milli = PICK(drive, amounts);
        event.quota.borrow_milli = PICK(drive, amounts);
        event.quota.lend_milli = PICK(drive, amounts);
        return event;
    }
    if (type == GR_ORG_TERMS_SET) {
        event = make_org_terms(drive);
        event.org_terms.org = below(drive, drive->world.orgs + 1);
        event.org_terms.weight = chance(drive, 30)   ? 0
                                 : chance(drive, 30) ? GR_WEIGHT_MAX + below(drive, 2)
                                                     : 5;
        event.org_terms.held_milli_max = PICK(drive, amounts);
        event.org_terms.reserved[below(drive, 7)] = (uint8_t)chance(drive, 20);
        return event;
    }
    if (type == GR_QUEUE_TERMS_SET) {
        event = make_queue_terms(drive);
        *(chance(drive, 30)   ? &event.queue_terms.half_life_ms
          : chance(drive, 50) ? &event.queue_terms.notice_ms
                              : &event.queue_terms.min_run_ms) = PICK(drive, times);
        event.queue_terms.reclaim = below(drive, 6);
        event.queue_terms.reserved = chance(drive, 10);
        return event;
    }
    if (type == GR_CLASS_SET) {
        event = make_class(drive);
        event.job_class.name[below(drive, GR_NAME_SIZE)] = (char)(chance(drive, 50) ? 'x' : '\0');
        event.job_class.limit_ms = PICK(drive, times);
        event.job_class.reserved[below(drive, 7)] = (uint8_t)chance(drive, 20);
        return event;
    }
    event = make_checkpoint(drive, id);
    event.checkpointed.attempt += chance(drive, 20);
    event.checkpointed.reserved = chance(drive, 10);
    return event;
}

// --- facts as nobody should make them

// Jobs that are called for a hold, most often running ones in order of their ids.
static uint32_t called_make(struct drive *drive, struct gr_edge *edges)
{
    const struct world *world = &drive->world;
    uint64_t last = 0;
    uint32_t count = 0, how = chance(drive, 40) ? GR_STOP_MOVE : GR_STOP_RECLAIM;
    while (world->jobs > 0 && count < WORLD_JOB_EDGES && chance(drive, 60)) {
        const struct world_job *job = &world->job[below(drive, world->jobs)];
        if ((job->running && job->id > last) || chance(drive, 5)) {
            last = job->id;
            edges[count++] =
                (struct gr_edge){.job = chance(drive, 97) ? job->id : 1,
                                 .how = chance(drive, 95) ? how : below(drive, GR_STOP_WHYS + 1)};
        }
    }
    return count;
}

static struct gr_event placed_fact(struct drive *drive, struct make_room *room)
{
    struct gr_piece *pieces = room->pieces;
    static const enum gr_event_type types[] = {GR_JOB_PLACED, GR_JOB_PLACED, GR_ROOM_RESERVED,
                                               GR_ROOM_HELD, GR_ROOM_FREED};
    struct gr_event event = drive_fact(drive, PICK(drive, types));
    struct world *world = &drive->world;
    const struct world_job *job = world->jobs == 0 ? NULL : &world->job[below(drive, world->jobs)];
    event.placed.job = job == NULL ? 1 : job->id;
    event.pieces = pieces;
    event.piece_count = job == NULL ? 1 : job->demand.tasks;
    if (event.type == GR_ROOM_FREED) {
        event.freed.why = below(drive, GR_FREED_WHYS + 1);
        event.pieces = NULL;
        event.piece_count = 0;
        return event;
    }
    if (event.type == GR_ROOM_HELD) {
        event.held.until_ms = event.at_ms + below(drive, 9) - 1;
        event.version -= chance(drive, 20);
        event.edge_count = chance(drive, 50) ? called_make(drive, room->edges) : 0;
        event.edges = room->edges;
    }
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
        const struct world_job *called =
            p < event.edge_count ? world_job(world, event.edges[p].job) : NULL;
        if (called != NULL && called->running) {
            pieces[p].node = called->pieces[0].node;
        }
    }
    return event;
}

uint32_t make_edges(struct drive *drive, struct gr_edge *ret_edges)
{
    const struct world *world = &drive->world;
    uint32_t count = world->jobs == 0 || chance(drive, 65) ? 0 : 1 + below(drive, WORLD_JOB_EDGES);
    for (uint32_t e = 0; e < count; e++) {
        uint64_t job = world->job[below(drive, world->jobs)].id;
        if (world->arrays > 0 && chance(drive, 40)) {
            job = world->array[below(drive, world->arrays)].id;
        }
        ret_edges[e] =
            (struct gr_edge){.job = chance(drive, 85) ? job : 1, .how = below(drive, GR_AFTERS)};
    }
    return count;
}

struct gr_ending make_ending(struct drive *drive)
{
    return (struct gr_ending){.began_ms = drive->at,
                              .cpu_ms = draw(drive),
                              .peak_kib = draw(drive),
                              .outcome = below(drive, GR_OUTCOMES),
                              .exit_code = (int32_t)draw(drive),
                              .signal = below(drive, GR_SIGNALS)};
}

// A submission as nobody should make it.
static struct gr_event submitted_fact(struct drive *drive, struct make_room *room)
{
    struct world *world = &drive->world;
    struct gr_event event = drive_fact(drive, GR_JOB_SUBMITTED);
    event.submitted.demand = make_demand(drive);
    event.submitted.demand.preference =
        (uint8_t)(chance(drive, 88) ? 0 : below(drive, world->preferences + 2));
    event.submitted.org = below(drive, world->orgs + 1);
    event.submitted.limit_ms = (int64_t)below(drive, 20) - 1;
    event.submitted.user = chance(drive, 50) ? UINT32_MAX : below(drive, WORLD_USERS + 1);
    event.submitted.attempts = (uint16_t)(chance(drive, 90) ? 1 : below(drive, 1002));
    event.submitted.requeue_on = (uint8_t)(chance(drive, 97) ? below(drive, 32) : draw(drive));
    event.edge_count = make_edges(drive, room->edges);
    event.edges = room->edges;
    if (chance(drive, 40)) {
        const struct world_array *array =
            world->arrays == 0 ? NULL : &world->array[below(drive, world->arrays)];
        event.submitted.array = (struct gr_array_of){event.sequence, 0, below(drive, 4), 2, 0};
        if (array != NULL && chance(drive, 80)) {
            event.submitted.org = array->org;
            event.submitted.user = array->user;
            event.submitted.array = (struct gr_array_of){chance(drive, 90) ? array->id : 2,
                                                         array->last_index + below(drive, 3),
                                                         array->count, array->parallel, 0};
        }
    }
    return event;
}

// A lost task, or its place, as nobody should make it.
static struct gr_event part_fact(struct drive *drive, unsigned type, struct gr_piece *pieces)
{
    struct world *world = &drive->world;
    const struct world_job *job = world->jobs == 0 ? NULL : &world->job[below(drive, world->jobs)];
    struct gr_event event = drive_fact(drive, type);
    uint32_t task = job == NULL || job->piece_count == 0 ? 0 : below(drive, job->piece_count + 1);
    if (type == GR_PART_LOST) {
        event.part_lost.job = job == NULL ? 1 : job->id;
        event.part_lost.attempt = job == NULL ? 1 : job->attempt + chance(drive, 5);
        event.part_lost.task = task;
        event.part_lost.until_ms = event.at_ms + below(drive, 9) - 1;
        if (job != NULL && task < job->piece_count) {
            event.part_lost.part = job->part[task] + chance(drive, 10);
            event.part_lost.node = job->pieces[task].node;
            event.part_lost.devices = (uint16_t)(job->pieces[task].devices ^ chance(drive, 10));
        }
        return event;
    }
    event.part_placed.job = job == NULL ? 1 : job->id;
    event.part_placed.attempt = job == NULL ? 1 : job->attempt;
    event.part_placed.part = (job == NULL ? 0 : job->parts) + chance(drive, 90);
    event.pieces = pieces;
    event.piece_count = job == NULL ? 1 : world_lost(job) + chance(drive, 20);
    event.piece_count = event.piece_count > WORLD_TASKS ? WORLD_TASKS : event.piece_count;
    for (uint32_t p = 0; p < event.piece_count && job != NULL; p++) {
        const struct gr_shape *shape = &job->demand.shape;
        uint32_t first = below(drive, 4);
        pieces[p] = (struct gr_piece){.node = below(drive, world->nodes + 1),
                                      .milli = shape->milli,
                                      .cpu_milli = shape->cpu_milli,
                                      .memory_mib = shape->memory_mib,
                                      .devices = (uint16_t)(((1u << shape->devices) - 1) << first)};
    }
    return event;
}

static struct gr_event attempt_fact(struct drive *drive, uint64_t id)
{
    const struct world_job *job = world_job(&drive->world, id);
    uint32_t attempt = job == NULL ? 1 : job->attempt;
    struct gr_event event = drive_fact(drive, GR_JOB_STARTED);
    switch (below(drive, 3)) {
    case 0:
        event.started.job = id;
        event.started.attempt = attempt;
        return event;
    case 1:
        event.type = GR_JOB_REQUEUED;
        event.requeued.job = id;
        event.requeued.attempt = attempt;
        event.requeued.ending = make_ending(drive);
        return event;
    default:
        event.type = GR_STOP_ASKED;
        event.stop_asked.job = id;
        event.stop_asked.attempt = attempt;
        event.stop_asked.why = below(drive, GR_STOP_WHYS + 1);
        event.stop_asked.signal = below(drive, 140);
        event.stop_asked.grace_ms = (int64_t)below(drive, 9) - 1;
        return event;
    }
}

static struct gr_event key_fact(struct drive *drive)
{
    struct gr_event event = drive_fact(drive, GR_KEY_USED);
    memset(event.key_used.key, (int)below(drive, 64), sizeof event.key_used.key);
    event.key_used.first = below(drive, 3);
    event.key_used.last = 1;
    event.key_used.org = below(drive, drive->world.orgs + 1);
    return event;
}

struct gr_event make_any(struct drive *drive, struct make_room *room)
{
    struct world *world = &drive->world;
    struct gr_mix_item *item = &room->item;
    struct gr_mask *mask = &room->mask;
    uint64_t id = world->jobs == 0 ? 1 : world->job[below(drive, world->jobs)].id;
    struct gr_event event;
    unsigned type = 1 + below(drive, GR_EVENT_TYPES - 1);
    switch (type) {
    case GR_ORG_ADDED:
        return make_org(drive);
    case GR_SITE_ADDED:
        return make_site(drive);
    case GR_VARIANT_ADDED:
        return make_variant(drive);
    case GR_MASK_ADDED:
        *mask = chance(drive, 50) ? world->mask[below(drive, world->masks)] : make_mask(drive);
        event = drive_fact(drive, GR_MASK_ADDED);
        event.mask = mask;
        return event;
    case GR_NODE_ADDED:
        event = make_node(drive);
        event.node.row.site = (uint8_t)below(drive, world->sites + 1);
        event.node.row.variant = (uint8_t)below(drive, world->variants + 1);
        if (chance(drive, 50)) {
            event.node.row.domain[below(drive, GR_DOMAIN_LEVELS)] =
                below(drive, 9) | (chance(drive, 30) ? GR_DOMAIN_INNER : 0);
        }
        return event;
    case GR_NODE_STATE_SET:
        event = drive_fact(drive, GR_NODE_STATE_SET);
        event.node_state.node = below(drive, world->nodes + 1);
        event.node_state.state = below(drive, 4);
        return event;
    case GR_MIX_SET:
        memset(item, 0, sizeof *item);
        event = drive_fact(drive, GR_MIX_SET);
        event.items = item;
        event.item_count = 1;
        item->shape = make_shape(drive);
        item->count = draw(drive) >> below(drive, 64);
        return event;
    case GR_JOB_SUBMITTED:
        return submitted_fact(drive, room);
    case GR_JOB_FINISHED:
        return gr_decide_end(drive->core, drive->at, drive->at, id, &(struct gr_ending){0});
    case GR_JOB_DROPPED:
        return gr_decide_drop(drive->core, drive->at, id, GR_REFUSED_BY_USER);
    case GR_USER_ADDED:
        event = drive_fact(drive, GR_USER_ADDED);
        event.user_added.org = below(drive, world->orgs + 1);
        return event;
    case GR_EPOCH_BEGUN:
        event = drive_fact(drive, GR_EPOCH_BEGUN);
        memcpy(event.epoch_begun.version, "1.2.3-4.5.6-7.8.9", 16);
        event.epoch_begun.version[below(drive, 16)] = '\0';
        return event;
    case GR_JOB_STARTED:
    case GR_JOB_REQUEUED:
    case GR_STOP_ASKED:
        return attempt_fact(drive, id);
    case GR_DEVICES_SET:
        event = drive_fact(drive, GR_DEVICES_SET);
        event.devices_set.node = below(drive, world->nodes + 1);
        event.devices_set.devices = (uint16_t)(1u << below(drive, 17));
        event.devices_set.is_out = (uint8_t)below(drive, 3);
        event.devices_set.health = (uint8_t)below(drive, GR_DEVICE_HEALTHS + 1);
        return event;
    case GR_KEY_USED:
        return key_fact(drive);
    case GR_QUOTA_SET:
    case GR_ORG_TERMS_SET:
    case GR_QUEUE_TERMS_SET:
    case GR_CLASS_SET:
    case GR_CHECKPOINTED:
        return terms_fact(drive, type, id);
    case GR_PREFERENCE_SET:
        event = drive_fact(drive, GR_PREFERENCE_SET);
        event.preference_set.row = below(drive, world->preferences + 2);
        event.preference_set.preference = make_preference(drive);
        return event;
    case GR_PART_LOST:
    case GR_PART_PLACED:
        return part_fact(drive, type, room->pieces);
    default:
        return placed_fact(drive, room);
    }
}

// Damages one field.
void make_damage(struct drive *drive, struct gr_event *event, struct make_room *room)
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
            ((uint8_t *)room->pieces)[below(drive, sizeof *room->pieces)] ^=
                (uint8_t)(1u << below(drive, 8));
        }
        break;
    case 7:
        event->piece_count += event->pieces != NULL && event->piece_count > 0 ? UINT32_MAX : 0;
        break;
    default: // a bit somewhere in what the fact is about
        if (event->edge_count > 0 && chance(drive, 50)) {
            ((uint8_t *)room->edges)[below(drive, sizeof *room->edges)] ^=
                (uint8_t)(1u << below(drive, 8));
            break;
        }
        body[below(drive, sizeof event->submitted)] ^= (uint8_t)(1u << below(drive, 8));
        break;
    }
}
