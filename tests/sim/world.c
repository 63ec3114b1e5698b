// The simulator's books: what facts change, and what stands against them. See world.h.
#include "world.h"

#include <stdio.h>
#include <string.h>

struct world_job *world_job(const struct world *world, uint64_t id)
{
    for (uint32_t j = 0; j < world->jobs; j++) {
        if (world->job[j].id == id) {
            return (struct world_job *)(uintptr_t)&world->job[j];
        }
    }
    return NULL;
}

uint32_t world_queue(const struct world *world, const struct world_job *ret_jobs[WORLD_JOBS])
{
    uint32_t count = 0;
    for (int priority = 255; priority >= 0; priority--) {
        int64_t last = INT64_MIN;
        for (;;) { // the lowest place above the last one
            const struct world_job *next = NULL;
            for (uint32_t j = 0; j < world->jobs; j++) {
                const struct world_job *job = &world->job[j];
                if (!job->running && !job->held && job->demand.priority == priority &&
                    job->order > last && (next == NULL || job->order < next->order)) {
                    next = job;
                }
            }
            if (next == NULL) {
                break;
            }
            last = next->order;
            ret_jobs[count++] = next;
        }
    }
    return count;
}

// --- objections

static bool text_good(const char text[GR_NAME_SIZE])
{
    bool ended = false;
    for (int i = 0; i < GR_NAME_SIZE; i++) {
        if (text[i] == 0) {
            ended = true;
        } else if (ended || (text[i] > 0 && text[i] < ' ') || text[i] == 127) {
            return false;
        }
    }
    return ended && text[0] != 0;
}

static bool letters_good(const char c[3])
{
    return memcmp(c, "\0\0", 3) == 0 || (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", c[0]) != NULL &&
                                         strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", c[1]) != NULL &&
                                         c[0] != 0 && c[1] != 0 && c[2] == 0);
}

static world_set when(bool wrong, enum gr_refusal refusal)
{
    return wrong ? WORLD_NO(refusal) : 0;
}

static bool zeros(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

world_set world_demand_objections(const struct gr_demand *demand)
{
    const struct gr_shape *s = &demand->shape;
    bool milli_good = s->devices == 0   ? s->milli == 0
                      : s->devices == 1 ? s->milli >= 1 && s->milli <= 1000
                                        : s->milli == 1000;
    bool blocks_good = demand->domain_tasks == 0 ||
                       (demand->domain_level != 0 && demand->domain_tasks <= demand->tasks &&
                        demand->tasks % demand->domain_tasks == 0);
    return when(demand->tasks < 1 || demand->tasks > GR_TASKS_MAX || s->devices > 16 ||
                    !milli_good || s->cpu_milli > GR_CPU_MILLI_MAX ||
                    s->memory_mib > GR_MEMORY_MIB_MAX || s->level > 4 || demand->domain_level > 4 ||
                    !blocks_good || demand->use > 4 || s->reserved != 0,
                GR_REFUSED_FIELD);
}

static world_set node_objections(const struct world *world, const struct gr_event *event)
{
    const struct gr_node *row = &event->node.row;
    world_set set = when(world->nodes >= world->limits.place.nodes, GR_REFUSED_LIMIT_OTHER) |
                    when(row->site >= world->sites, GR_REFUSED_SITE) |
                    when(row->variant >= world->variants, GR_REFUSED_VARIANT) |
                    when(!text_good(event->node.name) || row->devices > 16 || row->state > 2 ||
                             row->cpu_milli > GR_CPU_MILLI_MAX ||
                             row->memory_mib > GR_MEMORY_MIB_MAX || row->reserved != 0,
                         GR_REFUSED_FIELD);
    for (uint32_t i = 0; i < 16; i++) {
        set |= when(row->free[i] != (i < row->devices ? 1000 : 0), GR_REFUSED_FIELD);
    }
    bool inside = false;
    uint32_t within = row->devices;
    for (int l = 0; l < 4; l++) {
        uint32_t d = row->domain[l];
        if (d == GR_DOMAIN_NONE) {
            continue;
        }
        if (d >= GR_DOMAIN_INNER) {
            uint32_t size = d - GR_DOMAIN_INNER;
            set |= when(size == 0 || size > within || within % (size == 0 ? 1 : size) != 0,
                        GR_REFUSED_DOMAIN);
            within = size == 0 ? within : size;
            inside = true;
            continue;
        }
        set |= when(inside || d >= world->limits.place.domains[l], GR_REFUSED_DOMAIN);
        for (uint32_t n = 0; n < world->nodes; n++) { // who shares this one shares the wider ones
            for (int wider = 0; wider < l && world->node[n].domain[l] == d; wider++) {
                set |= when(world->node[n].domain[wider] != row->domain[wider], GR_REFUSED_DOMAIN);
            }
        }
    }
    return set;
}

static world_set pieces_objections(const struct world *world, const struct gr_event *event,
                                   const struct gr_demand *demand, bool now)
{
    struct world_view view;
    world_view_now(world, &view);
    world_set set = when(event->piece_count != demand->tasks, GR_REFUSED_PIECES);
    for (uint32_t p = 0; p < event->piece_count; p++) {
        const struct gr_piece *piece = &event->pieces[p];
        if (piece->node >= world->nodes) {
            return set | WORLD_NO(GR_REFUSED_NODE);
        }
        int count = 0;
        for (int i = 0; i < 16; i++) {
            bool named = (piece->devices & (1 << i)) != 0;
            count += named;
            view.milli[piece->node][i] -= named ? piece->milli : 0;
            set |= when(now && view.milli[piece->node][i] < 0, GR_REFUSED_HELD);
        }
        view.cpu[piece->node] -= piece->cpu_milli;
        view.memory[piece->node] -= piece->memory_mib;
        set |= when(now && (!view.usable[piece->node] || view.cpu[piece->node] < 0 ||
                            view.memory[piece->node] < 0),
                    GR_REFUSED_HELD);
        const struct gr_piece *before = p == 0 ? NULL : &event->pieces[p - 1];
        bool sorted = before == NULL || before->node < piece->node ||
                      (before->node == piece->node && before->devices <= piece->devices);
        set |=
            when(!sorted || count != demand->shape.devices || piece->milli != demand->shape.milli ||
                     piece->cpu_milli != demand->shape.cpu_milli ||
                     piece->memory_mib != demand->shape.memory_mib,
                 GR_REFUSED_PIECES);
    }
    return set;
}

static uint32_t more_held(const struct world *world)
{
    uint32_t more = 0;
    for (uint32_t j = 0; j < world->jobs; j++) {
        more += world->job[j].running ? world->job[j].piece_count - 1 : 0;
    }
    return more;
}

static world_set job_objections(const struct world_job *job, bool running)
{
    return job == NULL ? WORLD_NO(GR_REFUSED_JOB)
                       : when(job->running != running || job->held, GR_REFUSED_STATE);
}

// Of a fact about the attempt of a running job.
static world_set attempt_objections(const struct world_job *job, uint32_t attempt,
                                    uint32_t reserved, bool wrong)
{
    world_set set = job_objections(job, true);
    return set != 0 ? set
                    : when(attempt != job->attempt || reserved != 0 || wrong, GR_REFUSED_FIELD);
}

static bool ending_wrong(const struct world_job *job, const struct gr_ending *ending)
{
    return ending->outcome > 8 || ending->signal > 127 || ending->began_ms < 0 ||
           (job != NULL && ending->task >= job->demand.tasks);
}

static world_set key_objections(const struct world *world, const struct gr_event *event)
{
    const struct gr_key *key = &event->key_used;
    uint32_t all = 0, of_org = 0;
    world_set set = when(key->org >= world->orgs, GR_REFUSED_ORG) |
                    when(key->at_ms != 0 || key->first > key->last, GR_REFUSED_FIELD);
    for (uint32_t k = 0; k < world->keys; k++) {
        if (event->at_ms < world->key[k].at_ms + 86400000) {
            all++;
            of_org += world->key[k].org == key->org;
            set |= when(memcmp(world->key[k].key, key->key, 16) == 0, GR_REFUSED_KEY);
        }
    }
    return set | when(all >= world->limits.keys || of_org >= world->limits.keys_per_org,
                      GR_REFUSED_LIMIT_KEYS);
}

static world_set devices_objections(const struct world *world, const struct gr_event *event)
{
    uint32_t node = event->devices_set.node;
    uint32_t devices = event->devices_set.devices;
    if (node >= world->nodes) {
        return WORLD_NO(GR_REFUSED_NODE);
    }
    return when(devices == 0 || (devices & ~((1u << world->node[node].devices) - 1)) != 0,
                GR_REFUSED_DEVICE) |
           when(event->devices_set.is_out > 1 || event->devices_set.health > 5, GR_REFUSED_FIELD);
}

static bool version_wrong(const char version[16])
{
    bool ended = false, wrong = false;
    for (int i = 0; i < 16; i++) {
        wrong |= ended ? version[i] != 0 : version[i] != 0 && (version[i] < 33 || version[i] > 126);
        ended |= version[i] == 0;
    }
    return wrong || !ended;
}

static world_set mix_objections(const struct world *world, const struct gr_event *event)
{
    world_set set = when(event->item_count > GR_MIX_MAX, GR_REFUSED_FIELD);
    for (uint32_t i = 0; i < event->item_count && set == 0; i++) {
        struct gr_demand demand = {.shape = event->items[i].shape, .tasks = 1};
        set |= world_demand_objections(&demand);
        set |= when(demand.shape.mask >= world->masks, GR_REFUSED_MASK);
        set |= when(event->items[i].count > UINT64_C(1099511627776), GR_REFUSED_FIELD);
    }
    return set;
}

static world_set body_objections(const struct world *world, const struct gr_event *event)
{
    const struct world_job *job;
    world_set set;
    switch (event->type) {
    case GR_ORG_ADDED:
        return when(world->orgs >= world->limits.orgs, GR_REFUSED_LIMIT_OTHER) |
               when(event->org.parent != UINT32_MAX && event->org.parent >= world->orgs,
                    GR_REFUSED_ORG) |
               when(!text_good(event->org.name) || event->org.role > 2 ||
                        !letters_good(event->org.seat) ||
                        !letters_good(event->org.ultimate_parent) ||
                        !zeros(event->org.reserved, sizeof event->org.reserved),
                    GR_REFUSED_FIELD);
    case GR_SITE_ADDED:
        return when(world->sites >= world->limits.sites, GR_REFUSED_LIMIT_OTHER) |
               when(event->site.owner >= world->orgs, GR_REFUSED_ORG) |
               when(!text_good(event->site.name) || !letters_good(event->site.country) ||
                        !zeros(event->site.reserved, sizeof event->site.reserved),
                    GR_REFUSED_FIELD);
    case GR_VARIANT_ADDED:
        return when(world->variants >= world->limits.variants, GR_REFUSED_LIMIT_OTHER) |
               when(!text_good(event->variant), GR_REFUSED_FIELD);
    case GR_MASK_ADDED:
        set = when(world->masks >= world->limits.place.masks, GR_REFUSED_LIMIT_OTHER);
        for (uint32_t m = 0; event->mask != NULL && m < world->masks; m++) {
            set |= when(memcmp(&world->mask[m], event->mask, sizeof *event->mask) == 0,
                        GR_REFUSED_MASK);
        }
        return set | when(event->mask == NULL, GR_REFUSED_FIELD);
    case GR_NODE_ADDED:
        return node_objections(world, event);
    case GR_NODE_STATE_SET:
        return when(event->node_state.node >= world->nodes, GR_REFUSED_NODE) |
               when(event->node_state.state > 2, GR_REFUSED_FIELD);
    case GR_MIX_SET:
        return mix_objections(world, event);
    case GR_JOB_SUBMITTED:
        return when(event->submitted.demand.shape.mask >= world->masks, GR_REFUSED_MASK) |
               world_demand_objections(&event->submitted.demand) |
               world_prefers_objections(world, &event->submitted.demand) |
               world_submitted_objections(world, event);
    case GR_JOB_PLACED:
        job = world_job(world, event->placed.job);
        set = job_objections(job, false);
        return set != 0
                   ? set
                   : when(event->placed.attempt != job->attempt + 1, GR_REFUSED_FIELD) |
                         when(event->piece_count > 0 &&
                                  more_held(world) + event->piece_count - 1 > world->limits.pieces,
                              GR_REFUSED_LIMIT_PIECES) |
                         pieces_objections(world, event, &job->demand, true);
    case GR_ROOM_RESERVED:
        job = world_job(world, event->reserved.job);
        set = job_objections(job, false);
        return set != 0 || event->piece_count == 0
                   ? set
                   : pieces_objections(world, event, &job->demand, false);
    case GR_ROOM_HELD:
        job = world_job(world, event->held.job);
        set = job_objections(job, false);
        return set != 0 ? set
                        : pieces_objections(world, event, &job->demand, false) |
                              world_holds_objections(world, event);
    case GR_ROOM_FREED:
        return world_holds_objections(world, event);
    case GR_PART_LOST:
        job = world_job(world, event->part_lost.job);
        set = attempt_objections(job, event->part_lost.attempt,
                                 event->part_lost.reserved | event->part_lost.reserved_too, false);
        return job == NULL || !job->running ? set : set | world_part_lost_objections(job, event);
    case GR_PART_PLACED: {
        job = world_job(world, event->part_placed.job);
        set =
            attempt_objections(job, event->part_placed.attempt, event->part_placed.reserved, false);
        if (job == NULL || !job->running) {
            return set;
        }
        struct gr_demand missing = job->demand;
        missing.tasks = world_lost(job);
        return set | world_part_placed_objections(job, event) |
               pieces_objections(world, event, &missing, true);
    }
    case GR_JOB_FINISHED:
        job = world_job(world, event->finished.job);
        return attempt_objections(job, event->finished.attempt, event->finished.reserved,
                                  ending_wrong(job, &event->finished.ending));
    case GR_JOB_REQUEUED:
        job = world_job(world, event->requeued.job);
        return attempt_objections(
            job, event->requeued.attempt, event->requeued.reserved,
            ending_wrong(job, &event->requeued.ending) ||
                (job != NULL && job->stop_why != GR_STOP_RECLAIM && job->stop_why != GR_STOP_MOVE &&
                 job->stop_why != GR_STOP_WINDOW && job->attempt >= job->attempts));
    case GR_JOB_STARTED:
        job = world_job(world, event->started.job);
        return attempt_objections(job, event->started.attempt, event->started.reserved, false) |
               when(job != NULL && job->began != 0, GR_REFUSED_STATE);
    case GR_STOP_ASKED:
        return attempt_objections(world_job(world, event->stop_asked.job),
                                  event->stop_asked.attempt, event->stop_asked.reserved,
                                  event->stop_asked.why < 1 || event->stop_asked.why > 7 ||
                                      event->stop_asked.signal > 127 ||
                                      event->stop_asked.grace_ms < 0);
    case GR_JOB_DROPPED:
        job = world_job(world, event->dropped.job);
        return when(job == NULL, GR_REFUSED_JOB) |
               when(job != NULL && job->running, GR_REFUSED_STATE) |
               when(event->dropped.why >= GR_REFUSALS || event->dropped.reserved != 0,
                    GR_REFUSED_FIELD);
    case GR_EPOCH_BEGUN:
        return when(version_wrong(event->epoch_begun.version), GR_REFUSED_FIELD);
    case GR_USER_ADDED:
        return when(world->users >= world->limits.users, GR_REFUSED_LIMIT_OTHER) |
               when(event->user_added.org >= world->orgs, GR_REFUSED_ORG) |
               when(event->user_added.reserved != 0, GR_REFUSED_FIELD);
    case GR_DEVICES_SET:
        return devices_objections(world, event);
    case GR_QUOTA_SET:
    case GR_ORG_TERMS_SET:
    case GR_QUEUE_TERMS_SET:
    case GR_CLASS_SET:
        return world_terms_objections(world, event);
    case GR_PREFERENCE_SET:
        return world_preference_objections(world, event);
    case GR_CHECKPOINTED:
        job = world_job(world, event->checkpointed.job);
        return attempt_objections(
            job, event->checkpointed.attempt, event->checkpointed.reserved,
            job != NULL && (event->since_ms < job->started || event->since_ms < job->safe));
    case GR_KEY_USED:
        return key_objections(world, event);
    default:
        return WORLD_NO(GR_REFUSED_TYPE);
    }
}

world_set world_objections(const struct world *world, const struct gr_event *event)
{
    return body_objections(world, event) |
           when(event->sequence != world->sequence + 1, GR_REFUSED_SEQUENCE) |
           when(event->type == GR_EPOCH_BEGUN ? event->epoch <= world->epoch
                                              : event->epoch != world->epoch,
                GR_REFUSED_EPOCH) |
           when(event->version < 1 || event->version > (event->type == GR_ROOM_HELD ? 2 : 1),
                GR_REFUSED_TYPE) |
           when(event->at_ms < world->now || event->at_ms < 0, GR_REFUSED_TIME) |
           when(event->since_ms < 0 || event->since_ms > event->at_ms, GR_REFUSED_FIELD);
}

// --- facts

static void time_pass(struct world *world, int64_t at)
{
    struct world_view view;
    int64_t passed = world->sequence == 0 ? 0 : at - world->now;
    world->now = at;
    if (passed == 0) {
        return;
    }
    world_pasts_pass(world, passed);
    world_view_now(world, &view);
    for (uint32_t n = 0; n < world->nodes; n++) {
        for (uint32_t i = 0; i < world->node[n].devices; i++) {
            int free = view.milli[n][i];
            bool out = (world->node[n].out & 1u << i) != 0;
            unsigned __int128 free_time = (unsigned __int128)passed * (unsigned)free;
            unsigned __int128 held_time = (unsigned __int128)passed * (unsigned)(1000 - free);
            if (world->node[n].state == GR_NODE_BROKEN || out) {
                world->broken += free_time + held_time;
                continue;
            }
            world->used += held_time;
            *(world->node[n].state == GR_NODE_UP ? &world->idle : &world->maintenance) += free_time;
        }
    }
}

static void keep_nothing(struct world *world)
{
    world->kept_job = 0;
    world->kept_start = 0;
    memset(world->kept, 0, sizeof world->kept);
}

// Who was told that no end is known asks again when room grew.
static void room_grew(struct world *world)
{
    if (world->kept_start == INT64_MAX) {
        keep_nothing(world);
    }
}

static void job_gone(struct world *world, uint64_t id, bool done)
{
    world_leave(world, id, done);
    if (world->kept_job == id) {
        keep_nothing(world);
    }
}

static void node_added(struct world *world, const struct gr_event *event)
{
    struct world_node *node = &world->node[world->nodes++];
    node->site = event->node.row.site;
    node->variant = event->node.row.variant;
    node->devices = event->node.row.devices;
    node->state = event->node.row.state;
    node->cpu = event->node.row.cpu_milli;
    node->memory = event->node.row.memory_mib;
    memcpy(node->domain, event->node.row.domain, sizeof node->domain);
    memcpy(node->name, event->node.name, sizeof node->name);
    room_grew(world);
}

static void job_placed(struct world *world, const struct gr_event *event)
{
    struct world_job *job = world_job(world, event->placed.job);
    job->running = true;
    job->attempt = event->placed.attempt;
    job->started = event->since_ms;
    job->piece_count = event->piece_count;
    memcpy(job->pieces, event->pieces, event->piece_count * sizeof *event->pieces);
    if (world->kept_job == job->id) {
        keep_nothing(world);
    }
    world_hold_end(world, job->id);
}

static void stop_asked(struct world *world, struct world_job *job, const struct gr_event *event)
{
    if (event->stop_asked.why == GR_STOP_RECLAIM && job->stop_why != GR_STOP_RECLAIM) {
        world_lost_add(world, job);
    }
    job->stop = event->since_ms;
    job->grace = event->stop_asked.grace_ms;
    job->stop_why = event->stop_asked.why;
    job->stop_signal = event->stop_asked.signal;
}

static void devices_set(struct world *world, const struct gr_event *event)
{
    struct world_node *node = &world->node[event->devices_set.node];
    for (uint32_t i = 0; i < node->devices; i++) {
        if ((event->devices_set.devices >> i & 1) != 0) {
            node->health[i] = event->devices_set.health;
            node->out &= ~(1u << i);
            node->out |= (uint32_t)event->devices_set.is_out << i;
        }
    }
    world->promise = false;
    if (world->kept[event->devices_set.node]) {
        keep_nothing(world);
    }
    room_grew(world);
}

// Keys are kept for a day.
static void keys_forget(struct world *world)
{
    uint32_t kept = 0;
    for (uint32_t k = 0; k < world->keys; k++) {
        if (world->now < world->key[k].at_ms + 86400000) {
            world->key[kept++] = world->key[k];
        }
    }
    world->keys = kept;
}

void world_apply(struct world *world, const struct gr_event *event)
{
    time_pass(world, event->at_ms);
    keys_forget(world);
    world->sequence = event->sequence;
    world->epoch = event->epoch;
    switch (event->type) {
    case GR_ORG_ADDED:
        world->org[world->orgs++] = event->org;
        break;
    case GR_SITE_ADDED:
        world->site[world->sites++] = event->site;
        break;
    case GR_VARIANT_ADDED:
        memcpy(world->variant[world->variants++], event->variant, GR_NAME_SIZE);
        break;
    case GR_MASK_ADDED:
        world->mask[world->masks++] = *event->mask;
        break;
    case GR_NODE_ADDED:
        node_added(world, event);
        break;
    case GR_NODE_STATE_SET:
        world->node[event->node_state.node].state = event->node_state.state;
        world->promise = false;
        if (world->kept[event->node_state.node]) {
            keep_nothing(world);
        }
        room_grew(world);
        break;
    case GR_JOB_SUBMITTED:
        world_submitted(world, event);
        break;
    case GR_JOB_PLACED:
        job_placed(world, event);
        break;
    case GR_JOB_FINISHED:
        job_gone(world, event->finished.job, event->finished.ending.outcome == 0);
        room_grew(world);
        break;
    case GR_JOB_DROPPED:
        job_gone(world, event->dropped.job, false);
        break;
    case GR_ROOM_RESERVED:
        keep_nothing(world);
        world->kept_job = event->reserved.job;
        world->kept_start = event->reserved.start_ms;
        world->promise = event->piece_count > 0;
        for (uint32_t p = 0; p < event->piece_count; p++) {
            world->kept[event->pieces[p].node] = true;
        }
        break;
    case GR_ROOM_HELD:
    case GR_ROOM_FREED:
        world_holds_apply(world, event);
        break;
    case GR_MIX_SET:
        world->mix_due = world->submitted + world->submitted / 4 + 16;
        break;
    case GR_USER_ADDED:
        world->user[world->users++] = event->user_added;
        break;
    case GR_EPOCH_BEGUN:
        world_epoch(world);
        break;
    case GR_JOB_STARTED:
        world_job(world, event->started.job)->began = event->since_ms;
        break;
    case GR_PART_LOST:
        world_part_lost(world, world_job(world, event->part_lost.job), event);
        room_grew(world);
        break;
    case GR_PART_PLACED:
        world_part_placed(world_job(world, event->part_placed.job), event);
        break;
    case GR_JOB_REQUEUED:
        world_requeue(world, world_job(world, event->requeued.job));
        room_grew(world);
        break;
    case GR_STOP_ASKED:
        stop_asked(world, world_job(world, event->stop_asked.job), event);
        break;
    case GR_DEVICES_SET:
        devices_set(world, event);
        break;
    case GR_QUOTA_SET:
    case GR_ORG_TERMS_SET:
    case GR_QUEUE_TERMS_SET:
    case GR_CLASS_SET:
        world_terms_apply(world, event);
        break;
    case GR_PREFERENCE_SET:
        world_preference_apply(world, event);
        break;
    case GR_CHECKPOINTED:
        world_job(world, event->checkpointed.job)->safe = event->since_ms;
        break;
    case GR_KEY_USED:
        world->key[world->keys] = event->key_used;
        world->key[world->keys++].at_ms = event->at_ms;
        break;
    default:
        break;
    }
}
