// Facts as bytes: see event_bytes.h. One function a body, used in both directions, so that what is
// written is what is read. Bodies:
//
//     org-added        u32 parent, u8 role, 3 seat, 3 ultimate parent, 48 name
//     site-added       u32 owner, 3 country, 48 name
//     variant-added    48 name
//     mask-added       u64 x sites x words
//     node-added       u32 cpu, u32 memory, u32 x 4 domains, u8 variant, u8 site, u8 devices,
//                      u8 state, 48 name
//     node-state-set   u32 node, u32 state
//     mix-set          u32 count; each: shape, u64 count, u64 label
//     job-submitted    u64 tag, i64 limit, demand, u32 org, u32 verdict, u64 rules version,
//                      u32 user, u16 attempts, u8 requeue on, u64 array, u32 index, u32 count,
//                      u32 parallel, 32 commitment, edges
//     job-placed       u64 job, u32 attempt, u32 verdict, u64 rules version, pieces
//     job-finished     u64 job, u32 attempt, ending
//     job-dropped      u64 job, u32 why
//     room-reserved    u64 job, i64 start, pieces
//     user-added       u32 org, 32 commitment
//     epoch-begun      16 version
//     job-started      u64 job, u32 attempt
//     job-requeued     u64 job, u32 attempt, ending
//     stop-asked       u64 job, u32 attempt, u32 why, i64 grace, u32 signal
//     devices-set      u32 node, u16 devices, u8 is out, u8 health
//     key-used         16 key, 16 request, u64 first, u64 last, u32 org, u32 code
//     quota-set        u32 org, u32 variant, u64 nominal, u64 borrow, u64 lend
//     org-terms-set    u32 org, u32 weight, u32 running, u32 user running, u64 held, u64 user held,
//                      u8 priority
//     queue-terms-set  i64 half-life, i64 notice, i64 min run, u64 lost per hour, u32 reclaim
//     checkpointed     u64 job, u32 attempt
//     room-held        u64 job, i64 until, pieces; version 2: and edges
//     room-freed       u64 job, u32 why
//     part-lost        u64 job, u32 attempt, u32 task, u32 part, u32 node, i64 until, u16 devices
//     part-placed      u64 job, u32 attempt, u32 verdict, u64 rules version, u32 part, pieces
//     preference-set   u32 row, 64 tiers
//     class-set        48 name, i64 limit, u8 priority
//     window-set       i64 start, i64 length, i64 every, u32 times, u32 org, u32 user, u8 which,
//                      48 name, ranges
//     window-opened, window-closed, window-ended    u64 window
//     ending           i64 began, u64 cpu ms, u64 peak KiB, u32 outcome, i32 exit code, u32 signal,
//                      u32 task
//     edges            u32 count; each: u64 job, u32 how
//     shape            u32 cpu, u32 memory, u16 mask, u16 milli, u8 devices, u8 level
//     demand           shape, u32 tasks, u32 tasks a domain, u8 level, u8 priority, u8 use, and if
//                      the use has 128 added u8 preference
//     ranges           u32 count; each: u32 first, u32 count
//     pieces           u32 count; each: u32 node, u16 devices, u16 milli, u32 cpu, u32 memory
#include "codec/event_bytes.h"

#include "codec/event_wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static void shape_pass(struct wire *wire, struct gr_shape *shape)
{
    u32_pass(wire, &shape->cpu_milli);
    u32_pass(wire, &shape->memory_mib);
    u16_pass(wire, &shape->mask);
    u16_pass(wire, &shape->milli);
    u8_pass(wire, &shape->devices);
    u8_pass(wire, &shape->level);
}

// A bit of the use that says that a preference follows it.
#define PREFERS 0x80u

static void use_pass(struct wire *wire, struct gr_demand *demand)
{
    uint8_t use = (uint8_t)(demand->use | (demand->preference != 0 ? PREFERS : 0));
    u8_pass(wire, &use);
    demand->use = use & (uint8_t)~PREFERS;
    if ((use & PREFERS) != 0) {
        u8_pass(wire, &demand->preference);
        if (wire->wrong == NULL && demand->preference == 0) {
            wire->wrong = "a preference that is none"; // there is one way to write a fact
        }
    }
}

static void demand_pass(struct wire *wire, struct gr_demand *demand)
{
    shape_pass(wire, &demand->shape);
    u32_pass(wire, &demand->tasks);
    u32_pass(wire, &demand->domain_tasks);
    u8_pass(wire, &demand->domain_level);
    u8_pass(wire, &demand->priority);
    use_pass(wire, demand);
}

static void piece_pass(struct wire *wire, struct gr_piece *piece)
{
    u32_pass(wire, &piece->node);
    u16_pass(wire, &piece->devices);
    u16_pass(wire, &piece->milli);
    u32_pass(wire, &piece->cpu_milli);
    u32_pass(wire, &piece->memory_mib);
}

// What is wrong with a fact whose arrays find no room behind those of others.
static const char no_room[] = "there is no room left for its arrays";

// A count that must not pass `most`.
static uint32_t count_pass(struct wire *wire, uint32_t count, uint32_t most)
{
    u32_pass(wire, &count);
    if (wire->wrong == NULL && count > most) {
        wire->wrong = "a list is longer than its limit";
    }
    return wire->wrong == NULL ? count : 0;
}

static void pieces_pass(struct wire *wire, struct gr_event *event, struct gr_event_room *room)
{
    event->piece_count = count_pass(wire, event->piece_count, GR_TASKS_MAX);
    struct gr_piece *pieces = room == NULL ? NULL : room->pieces + room->piece_count;
    if (room != NULL && event->piece_count > GR_TASKS_MAX - room->piece_count) {
        wire->wrong = no_room;
        return;
    }
    for (uint32_t i = 0; i < event->piece_count; i++) {
        struct gr_piece piece = {0};
        if (room == NULL) {
            piece = event->pieces[i];
        }
        piece_pass(wire, &piece);
        if (room != NULL) {
            pieces[i] = piece;
        }
    }
    if (room != NULL) {
        event->pieces = event->piece_count > 0 ? pieces : NULL;
        room->piece_count += event->piece_count;
    }
}

static void items_pass(struct wire *wire, struct gr_event *event, struct gr_event_room *room)
{
    event->item_count = count_pass(wire, event->item_count, GR_MIX_MAX);
    struct gr_mix_item *items = room == NULL ? NULL : room->items + room->item_count;
    if (room != NULL && event->item_count > GR_MIX_MAX - room->item_count) {
        wire->wrong = no_room;
        return;
    }
    for (uint32_t i = 0; i < event->item_count; i++) {
        struct gr_mix_item item = {0};
        if (room == NULL) {
            item = event->items[i];
        }
        shape_pass(wire, &item.shape);
        u64_pass(wire, &item.count);
        u64_pass(wire, &item.label);
        if (room != NULL) {
            items[i] = item;
        }
    }
    if (room != NULL) {
        event->items = event->item_count > 0 ? items : NULL;
        room->item_count += event->item_count;
    }
}

static void mask_pass(struct wire *wire, struct gr_event *event, struct gr_event_room *room)
{
    struct gr_mask mask = {0};
    if (room == NULL) {
        mask = *event->mask;
    } else if (room->mask_count != 0) {
        wire->wrong = no_room;
        return;
    }
    for (unsigned s = 0; s < GR_SITES_MAX; s++) {
        for (unsigned w = 0; w < GR_POOL_VARIANTS_MAX / 64; w++) {
            u64_pass(wire, &mask.bits[s][w]);
        }
    }
    if (room != NULL) {
        room->mask = mask;
        room->mask_count = 1;
        event->mask = &room->mask;
    }
}

static void node_pass(struct wire *wire, struct gr_event *event)
{
    struct gr_node *row = &event->node.row;
    u32_pass(wire, &row->cpu_milli);
    u32_pass(wire, &row->memory_mib);
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS; l++) {
        u32_pass(wire, &row->domain[l]);
    }
    u8_pass(wire, &row->variant);
    u8_pass(wire, &row->site);
    u8_pass(wire, &row->devices);
    u8_pass(wire, &row->state);
    bytes_pass(wire, event->node.name, GR_NAME_SIZE);
    if (wire->wrong != NULL) {
        return; // what was read so far is not to be trusted, the number of devices least of all
    }
    if (row->devices > GR_NODE_DEVICES_MAX) {
        wire->wrong = "a node has more devices than the limit of 16";
        return;
    }
    if (wire->in != NULL) { // a new node is wholly free: that is not written
        for (unsigned i = 0; i < row->devices; i++) {
            row->free[i] = GR_DEVICE_MILLI;
        }
        gr_node_summarise(row);
    }
}

static void edges_pass(struct wire *wire, struct gr_event *event, uint32_t most,
                       struct gr_event_room *room)
{
    event->edge_count = count_pass(wire, event->edge_count, most);
    struct gr_edge *edges = room == NULL ? NULL : room->edges + room->edge_count;
    if (room != NULL && event->edge_count > GR_EVENT_EDGES - room->edge_count) {
        wire->wrong = no_room;
        return;
    }
    for (uint32_t i = 0; i < event->edge_count; i++) {
        struct gr_edge edge = {0};
        if (room == NULL) {
            edge = event->edges[i];
        }
        u64_pass(wire, &edge.job);
        u32_pass(wire, &edge.how);
        if (room != NULL) {
            edges[i] = edge;
        }
    }
    if (room != NULL) {
        event->edges = event->edge_count > 0 ? edges : NULL;
        room->edge_count += event->edge_count;
    }
}

static void submitted_pass(struct wire *wire, struct gr_event *event, struct gr_event_room *room)
{
    struct gr_array_of *array = &event->submitted.array;
    u64_pass(wire, &event->submitted.tag);
    i64_pass(wire, &event->submitted.limit_ms);
    demand_pass(wire, &event->submitted.demand);
    u32_pass(wire, &event->submitted.org);
    u32_pass(wire, &event->submitted.verdict);
    u64_pass(wire, &event->submitted.rules_version);
    u32_pass(wire, &event->submitted.user);
    u16_pass(wire, &event->submitted.attempts);
    u8_pass(wire, &event->submitted.requeue_on);
    u64_pass(wire, &array->array);
    u32_pass(wire, &array->index);
    u32_pass(wire, &array->count);
    u32_pass(wire, &array->parallel);
    bytes_pass(wire, event->submitted.commitment, sizeof event->submitted.commitment);
    edges_pass(wire, event, GR_SPEC_AFTER_MAX, room);
}

static void ending_pass(struct wire *wire, int64_t since_ms, struct gr_ending *ending)
{
    uint32_t exit_code = (uint32_t)ending->exit_code;
    time_pass(wire, &ending->began_ms, since_ms);
    u64_pass(wire, &ending->cpu_ms);
    u64_pass(wire, &ending->peak_kib);
    u32_pass(wire, &ending->outcome);
    u32_pass(wire, &exit_code);
    u32_pass(wire, &ending->signal);
    u32_pass(wire, &ending->task);
    ending->exit_code = (int32_t)exit_code;
}

// --- bodies without arrays

static void org_pass(struct wire *wire, struct gr_event *event)
{
    struct gr_org *org = &event->org;
    u32_pass(wire, &org->parent);
    u8_pass(wire, &org->role);
    bytes_pass(wire, org->seat, sizeof org->seat);
    bytes_pass(wire, org->ultimate_parent, sizeof org->ultimate_parent);
    bytes_pass(wire, org->name, sizeof org->name);
}

static void site_pass(struct wire *wire, struct gr_event *event)
{
    u32_pass(wire, &event->site.owner);
    bytes_pass(wire, event->site.country, sizeof event->site.country);
    bytes_pass(wire, event->site.name, sizeof event->site.name);
}

static void variant_pass(struct wire *wire, struct gr_event *event)
{
    bytes_pass(wire, event->variant, sizeof event->variant);
}

static void node_state_pass(struct wire *wire, struct gr_event *event)
{
    u32_pass(wire, &event->node_state.node);
    u32_pass(wire, &event->node_state.state);
}

static void finished_pass(struct wire *wire, struct gr_event *event)
{
    u64_pass(wire, &event->finished.job);
    u32_pass(wire, &event->finished.attempt);
    ending_pass(wire, event->since_ms, &event->finished.ending);
}

static void dropped_pass(struct wire *wire, struct gr_event *event)
{
    u64_pass(wire, &event->dropped.job);
    u32_pass(wire, &event->dropped.why);
}

static void user_pass(struct wire *wire, struct gr_event *event)
{
    u32_pass(wire, &event->user_added.org);
    bytes_pass(wire, event->user_added.commitment, sizeof event->user_added.commitment);
}

static void epoch_pass(struct wire *wire, struct gr_event *event)
{
    bytes_pass(wire, event->epoch_begun.version, sizeof event->epoch_begun.version);
}

static void started_pass(struct wire *wire, struct gr_event *event)
{
    u64_pass(wire, &event->started.job);
    u32_pass(wire, &event->started.attempt);
}

static void requeued_pass(struct wire *wire, struct gr_event *event)
{
    u64_pass(wire, &event->requeued.job);
    u32_pass(wire, &event->requeued.attempt);
    ending_pass(wire, event->since_ms, &event->requeued.ending);
}

static void stop_asked_pass(struct wire *wire, struct gr_event *event)
{
    u64_pass(wire, &event->stop_asked.job);
    u32_pass(wire, &event->stop_asked.attempt);
    u32_pass(wire, &event->stop_asked.why);
    i64_pass(wire, &event->stop_asked.grace_ms);
    u32_pass(wire, &event->stop_asked.signal);
}

static void devices_pass(struct wire *wire, struct gr_event *event)
{
    u32_pass(wire, &event->devices_set.node);
    u16_pass(wire, &event->devices_set.devices);
    u8_pass(wire, &event->devices_set.is_out);
    u8_pass(wire, &event->devices_set.health);
}

static void key_pass(struct wire *wire, struct gr_event *event)
{
    struct gr_key *key = &event->key_used;
    bytes_pass(wire, key->key, sizeof key->key);
    bytes_pass(wire, key->request, sizeof key->request);
    u64_pass(wire, &key->first);
    u64_pass(wire, &key->last);
    u32_pass(wire, &key->org);
    u32_pass(wire, &key->code);
}

static void quota_pass(struct wire *wire, struct gr_event *event)
{
    struct gr_quota *quota = &event->quota;
    u32_pass(wire, &quota->org);
    u32_pass(wire, &quota->variant);
    u64_pass(wire, &quota->nominal_milli);
    u64_pass(wire, &quota->borrow_milli);
    u64_pass(wire, &quota->lend_milli);
}

static void org_terms_pass(struct wire *wire, struct gr_event *event)
{
    struct gr_org_terms *terms = &event->org_terms;
    u32_pass(wire, &terms->org);
    u32_pass(wire, &terms->weight);
    u32_pass(wire, &terms->running_max);
    u32_pass(wire, &terms->user_running_max);
    u64_pass(wire, &terms->held_milli_max);
    u64_pass(wire, &terms->user_held_milli_max);
    u8_pass(wire, &terms->priority_max);
}

static void queue_terms_pass(struct wire *wire, struct gr_event *event)
{
    struct gr_queue_terms *terms = &event->queue_terms;
    i64_pass(wire, &terms->half_life_ms);
    i64_pass(wire, &terms->notice_ms);
    i64_pass(wire, &terms->min_run_ms);
    u64_pass(wire, &terms->lost_per_hour);
    u32_pass(wire, &terms->reclaim);
}

static void class_pass(struct wire *wire, struct gr_event *event)
{
    struct gr_class *of = &event->job_class;
    bytes_pass(wire, of->name, sizeof of->name);
    i64_pass(wire, &of->limit_ms);
    u8_pass(wire, &of->priority);
}

static void checkpointed_pass(struct wire *wire, struct gr_event *event)
{
    u64_pass(wire, &event->checkpointed.job);
    u32_pass(wire, &event->checkpointed.attempt);
}

static void freed_pass(struct wire *wire, struct gr_event *event)
{
    u64_pass(wire, &event->freed.job);
    u32_pass(wire, &event->freed.why);
}

static void part_lost_pass(struct wire *wire, struct gr_event *event)
{
    u64_pass(wire, &event->part_lost.job);
    u32_pass(wire, &event->part_lost.attempt);
    u32_pass(wire, &event->part_lost.task);
    u32_pass(wire, &event->part_lost.part);
    u32_pass(wire, &event->part_lost.node);
    i64_pass(wire, &event->part_lost.until_ms);
    u16_pass(wire, &event->part_lost.devices);
}

static void preference_pass(struct wire *wire, struct gr_event *event)
{
    u32_pass(wire, &event->preference_set.row);
    bytes_pass(wire, event->preference_set.preference.tiers,
               sizeof event->preference_set.preference.tiers);
}

// --- bodies with arrays

static void placed_pass(struct wire *wire, struct gr_event *event, struct gr_event_room *room)
{
    u64_pass(wire, &event->placed.job);
    u32_pass(wire, &event->placed.attempt);
    u32_pass(wire, &event->placed.verdict);
    u64_pass(wire, &event->placed.rules_version);
    pieces_pass(wire, event, room);
}

static void reserved_pass(struct wire *wire, struct gr_event *event, struct gr_event_room *room)
{
    u64_pass(wire, &event->reserved.job);
    i64_pass(wire, &event->reserved.start_ms);
    pieces_pass(wire, event, room);
}

static void held_pass(struct wire *wire, struct gr_event *event, struct gr_event_room *room)
{
    u64_pass(wire, &event->held.job);
    i64_pass(wire, &event->held.until_ms);
    pieces_pass(wire, event, room);
    if (event->version >= 2) {
        edges_pass(wire, event, GR_CALLED_MAX, room);
    }
}

static void part_placed_pass(struct wire *wire, struct gr_event *event, struct gr_event_room *room)
{
    u64_pass(wire, &event->part_placed.job);
    u32_pass(wire, &event->part_placed.attempt);
    u32_pass(wire, &event->part_placed.verdict);
    u64_pass(wire, &event->part_placed.rules_version);
    u32_pass(wire, &event->part_placed.part);
    pieces_pass(wire, event, room);
}

static void ranges_pass(struct wire *wire, struct gr_event *event, struct gr_event_room *room)
{
    event->range_count = count_pass(wire, event->range_count, GR_WINDOW_RANGES_MAX);
    struct gr_range *ranges = room == NULL ? NULL : room->ranges + room->range_count;
    if (room != NULL && event->range_count > GR_WINDOW_RANGES_MAX - room->range_count) {
        wire->wrong = no_room;
        return;
    }
    for (uint32_t i = 0; i < event->range_count; i++) {
        struct gr_range range = {0};
        if (room == NULL) {
            range = event->ranges[i];
        }
        u32_pass(wire, &range.first);
        u32_pass(wire, &range.count);
        if (room != NULL) {
            ranges[i] = range;
        }
    }
    if (room != NULL) {
        event->ranges = event->range_count > 0 ? ranges : NULL;
        room->range_count += event->range_count;
    }
}

static void window_pass(struct wire *wire, struct gr_event *event, struct gr_event_room *room)
{
    struct gr_window *window = &event->window_set;
    time_pass(wire, &window->start_ms, event->at_ms);
    i64_pass(wire, &window->length_ms);
    i64_pass(wire, &window->every_ms);
    u32_pass(wire, &window->times);
    u32_pass(wire, &window->org);
    u32_pass(wire, &window->user);
    u8_pass(wire, &window->which);
    bytes_pass(wire, window->name, sizeof window->name);
    ranges_pass(wire, event, room);
}

static void window_turn_pass(struct wire *wire, struct gr_event *event)
{
    u64_pass(wire, &event->window_turn.window);
}

// The body of each type, one of the two. `room`: where arrays go when reading, NULL when writing.
static const struct body {
    void (*plain)(struct wire *wire, struct gr_event *event);
    void (*listed)(struct wire *wire, struct gr_event *event, struct gr_event_room *room);
} bodies[GR_EVENT_TYPES] = {
    [GR_ORG_ADDED] = {.plain = org_pass},
    [GR_SITE_ADDED] = {.plain = site_pass},
    [GR_VARIANT_ADDED] = {.plain = variant_pass},
    [GR_MASK_ADDED] = {.listed = mask_pass},
    [GR_NODE_ADDED] = {.plain = node_pass},
    [GR_NODE_STATE_SET] = {.plain = node_state_pass},
    [GR_MIX_SET] = {.listed = items_pass},
    [GR_JOB_SUBMITTED] = {.listed = submitted_pass},
    [GR_JOB_PLACED] = {.listed = placed_pass},
    [GR_JOB_FINISHED] = {.plain = finished_pass},
    [GR_JOB_DROPPED] = {.plain = dropped_pass},
    [GR_ROOM_RESERVED] = {.listed = reserved_pass},
    [GR_USER_ADDED] = {.plain = user_pass},
    [GR_EPOCH_BEGUN] = {.plain = epoch_pass},
    [GR_JOB_STARTED] = {.plain = started_pass},
    [GR_JOB_REQUEUED] = {.plain = requeued_pass},
    [GR_STOP_ASKED] = {.plain = stop_asked_pass},
    [GR_DEVICES_SET] = {.plain = devices_pass},
    [GR_KEY_USED] = {.plain = key_pass},
    [GR_QUOTA_SET] = {.plain = quota_pass},
    [GR_ORG_TERMS_SET] = {.plain = org_terms_pass},
    [GR_QUEUE_TERMS_SET] = {.plain = queue_terms_pass},
    [GR_CHECKPOINTED] = {.plain = checkpointed_pass},
    [GR_ROOM_HELD] = {.listed = held_pass},
    [GR_ROOM_FREED] = {.plain = freed_pass},
    [GR_PART_LOST] = {.plain = part_lost_pass},
    [GR_PART_PLACED] = {.listed = part_placed_pass},
    [GR_PREFERENCE_SET] = {.plain = preference_pass},
    [GR_CLASS_SET] = {.plain = class_pass},
    [GR_WINDOW_SET] = {.listed = window_pass},
    [GR_WINDOW_OPENED] = {.plain = window_turn_pass},
    [GR_WINDOW_CLOSED] = {.plain = window_turn_pass},
    [GR_WINDOW_ENDED] = {.plain = window_turn_pass},
};

static void body_pass(struct wire *wire, struct gr_event *event, struct gr_event_room *room)
{
    static const struct body none;
    const struct body *body = event->type < GR_EVENT_TYPES ? &bodies[event->type] : &none;
    if (body->plain != NULL) {
        body->plain(wire, event);
    } else if (body->listed != NULL) {
        body->listed(wire, event, room);
    } else {
        wire->wrong = "the type of the fact is not known";
    }
}

static void header_pass(struct wire *wire, struct gr_event *event)
{
    u16_pass(wire, &event->type);
    u16_pass(wire, &event->version);
    u64_pass(wire, &event->sequence);
    i64_pass(wire, &event->at_ms);
    time_pass(wire, &event->since_ms, event->at_ms);
    u32_pass(wire, &event->epoch);
    if (wire->wrong == NULL &&
        (event->version < 1 || event->version > gr_event_version(event->type))) {
        wire->wrong = "the version of the fact is not known";
    }
}

// What the size before a fact says of its form.
#define PACKED (UINT32_C(1) << 31)

// Writes one of the four facts that each job has, packed, behind the place for its size; false: it
// is another one. All of it is one function, so that the compiler sees which way the cursor goes
// and keeps it in registers: a job's facts take half as many instructions.
__attribute__((flatten)) static bool write_often(const struct gr_event *event, struct wire *wire)
{
    struct gr_event copy = *event; // the cursor passes both ways
    struct wire own = {.out = wire->out, .at = 4, .size = wire->size, .is_packed = true};
    assert(own.out != NULL);
    switch (event->type) {
    case GR_JOB_SUBMITTED:
        header_pass(&own, &copy);
        submitted_pass(&own, &copy, NULL);
        break;
    case GR_JOB_PLACED:
        header_pass(&own, &copy);
        placed_pass(&own, &copy, NULL);
        break;
    case GR_JOB_STARTED:
        header_pass(&own, &copy);
        started_pass(&own, &copy);
        break;
    case GR_JOB_FINISHED:
        header_pass(&own, &copy);
        finished_pass(&own, &copy);
        break;
    default:
        return false;
    }
    wire->at = own.at;
    wire->wrong = own.wrong;
    return true;
}

static long encode(const struct gr_event *event, bool is_packed, uint8_t *bytes, size_t size)
{
    assert(event != NULL && bytes != NULL);
    assert(event->type > 0 && event->type < GR_EVENT_TYPES);
    struct wire wire = {.out = bytes, .at = 4, .size = size, .is_packed = is_packed};
    if (size < 4) {
        return -ENOSPC;
    }
    if (!is_packed || !write_often(event, &wire)) {
        struct gr_event copy = *event; // the cursor passes both ways
        header_pass(&wire, &copy);
        body_pass(&wire, &copy, NULL);
    }
    if (wire.wrong != NULL) {
        return -ENOSPC;
    }
    struct wire head = {.out = bytes, .size = 4};
    uint32_t rest = (uint32_t)(wire.at - 4) | (is_packed ? PACKED : 0);
    u32_pass(&head, &rest);
    return (long)wire.at;
}

long gr_event_encode(const struct gr_event *event, uint8_t *bytes, size_t size)
{
    return encode(event, true, bytes, size);
}

long gr_event_encode_fixed(const struct gr_event *event, uint8_t *bytes, size_t size)
{
    return encode(event, false, bytes, size);
}

// One fact behind those that are in the room already. *ret_full: its arrays find no room there.
static long decode(const uint8_t *bytes, size_t size, struct gr_event_room *room,
                   struct gr_event *ret_event, bool *ret_full, struct gr_err *err)
{
    struct wire head = {.in = bytes, .size = size};
    uint32_t rest = 0;
    u32_pass(&head, &rest);
    if (head.wrong != NULL) {
        return 0;
    }
    bool is_packed = (rest & PACKED) != 0;
    rest &= ~PACKED;
    if (rest > GR_EVENT_BYTES_MAX) {
        return gr_fail(err, -EINVAL, "byte 0: a fact of %u bytes, at most %u are possible", rest,
                       GR_EVENT_BYTES_MAX);
    }
    if (size - 4 < rest) {
        return 0;
    }
    struct gr_event event;
    memset(&event, 0, sizeof event);
    struct wire wire = {.in = bytes, .at = 4, .size = 4 + (size_t)rest, .is_packed = is_packed};
    header_pass(&wire, &event);
    if (wire.wrong == NULL) {
        body_pass(&wire, &event, room);
    }
    if (wire.wrong == NULL && wire.at != wire.size) {
        wire.wrong = "the fact has bytes left over";
    }
    *ret_full = wire.wrong == no_room;
    if (wire.wrong != NULL) {
        return gr_fail(err, -EINVAL, "byte %zu: %s (type %u, version %u)", wire.at, wire.wrong,
                       event.type, event.version);
    }
    *ret_event = event;
    return (long)wire.at;
}

static void room_empty(struct gr_event_room *room)
{
    room->piece_count = room->item_count = room->edge_count = room->mask_count = 0;
    room->range_count = 0;
}

long gr_event_decode(const uint8_t *bytes, size_t size, struct gr_event_room *room,
                     struct gr_event *ret_event, struct gr_err *err)
{
    assert(bytes != NULL || size == 0);
    assert(room != NULL && ret_event != NULL);
    bool full;
    room_empty(room);
    return decode(bytes, size, room, ret_event, &full, err);
}

long gr_event_decode_many(const uint8_t *bytes, size_t size, struct gr_event_room *room,
                          struct gr_event *ret_events, uint32_t most, uint32_t *ret_count,
                          struct gr_err *err)
{
    assert(bytes != NULL || size == 0);
    assert(room != NULL && ret_events != NULL && most > 0 && ret_count != NULL);
    size_t at = 0;
    uint32_t count = 0;
    room_empty(room);
    while (count < most) {
        bool full = false;
        struct gr_err wrong;
        long used = decode(bytes + at, size - at, room, &ret_events[count], &full, &wrong);
        if (used < 0 && count == 0) {
            return gr_fail(err, (int)used, "%s", wrong.text);
        }
        if (used <= 0) {
            break;
        }
        at += (size_t)used;
        count++;
    }
    *ret_count = count;
    return (long)at;
}
