// The core's block, and what facts do to it: see core.h. gr_core_apply cannot fail and asks nobody.
#include "core/core.h"

#include "base/hash.h"
#include "core/state.h"
#include "place/policy.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define NONE UINT32_MAX
#define FORMAT 1u

static uint64_t table(uint64_t *end, uint64_t bytes)
{
    uint64_t at = *end;
    *end = (at + bytes + 63) / 64 * 64;
    return at;
}

static void layout(struct gr_core *core, const struct gr_core_limits *limits)
{
    uint64_t end = (sizeof *core + 63) / 64 * 64;
    core->limits = *limits;
    core->index_size = 64;
    while (core->index_size < 2 * limits->jobs) {
        core->index_size *= 2;
    }
    core->orgs_at = table(&end, limits->orgs * sizeof(struct gr_org));
    core->sites_at = table(&end, limits->sites * sizeof(struct gr_site));
    core->variants_at = table(&end, (uint64_t)limits->variants * GR_NAME_SIZE);
    core->learned_at = table(&end, sizeof(struct gr_learned));
    core->kept_at = table(&end, limits->place.nodes);
    core->jobs_at = table(&end, (uint64_t)limits->jobs * sizeof(struct gr_job));
    core->allocations_at = table(&end, (uint64_t)limits->jobs * sizeof(struct gr_allocation));
    core->more_at = table(&end, (uint64_t)limits->pieces * sizeof(struct gr_more));
    core->index_at = table(&end, (uint64_t)core->index_size * sizeof(uint64_t));
    core->scratch_at = table(&end, (uint64_t)limits->jobs * sizeof(uint32_t));
    core->place_at = table(&end, gr_place_size(&limits->place));
    core->size = end;
}

// Names the limit that is out of range, or NULL.
static const char *limits_wrong(const struct gr_core_limits *limits)
{
    const struct gr_place_limits *place = &limits->place;
    bool domains = true;
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS; l++) {
        domains = domains && place->domains[l] <= GR_NODES_MAX;
    }
    return place->nodes < 1 || place->nodes > GR_NODES_MAX     ? "nodes"
           : place->masks < 1 || place->masks > 4096           ? "masks"
           : place->slots < 32 || place->slots > 512           ? "slots"
           : place->slots % 32 != 0                            ? "slots (a multiple of 32)"
           : !domains                                          ? "domains"
           : limits->jobs < 1 || limits->jobs > 16777216       ? "jobs"
           : limits->pieces > 16777216                         ? "pieces"
           : limits->orgs < 1 || limits->orgs > 65536          ? "orgs"
           : limits->sites < 1 || limits->sites > GR_SITES_MAX ? "sites"
           : limits->variants < 1 || limits->variants > GR_POOL_VARIANTS_MAX ? "variants"
                                                                             : NULL;
}

// Blocks of at least this size ask for huge pages: random reads then miss fewer translations.
#define HUGE_FROM (UINT64_C(32) << 20)

static int block_map(uint64_t size, struct gr_core **ret_core, struct gr_err *err)
{
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED) {
        return gr_fail_errno(err, "reserve %llu bytes for the pool; lower its limits",
                             (unsigned long long)size);
    }
    if (size >= HUGE_FROM) {
        (void)madvise(block, size, MADV_HUGEPAGE); // a hint: works without
    }
    *ret_core = block;
    return 0;
}

// Makes the pages of a table real now, instead of during service.
static int touch(struct gr_core *core, uint64_t at, uint64_t bytes, struct gr_err *err)
{
    uint64_t page = 4096;
    uint64_t first = at / page * page;
    uint64_t end = (at + bytes + page - 1) / page * page;
    end = end < core->size ? end : core->size;
    if (bytes == 0) {
        return 0;
    }
#ifdef MADV_POPULATE_WRITE
    if (madvise((char *)core + first, end - first, MADV_POPULATE_WRITE) == 0) {
        return 0;
    }
    if (errno != EINVAL) { // EINVAL: a kernel before 5.14
        return gr_fail_errno(err, "touch %llu bytes of the pool; lower its limits",
                             (unsigned long long)bytes);
    }
#endif
    for (uint64_t i = first; i < end; i += page) {
        volatile char *byte = (char *)core + i;
        *byte = *byte;
    }
    return 0;
}

static void state_init(struct gr_core *core, const struct gr_core_config *config)
{
    core->format = FORMAT;
    core->order = config->order;
    core->learn_mix = config->learn_mix;
    core->job_free = core->more_free = NONE;
    for (unsigned p = 0; p < 256; p++) {
        core->head[p] = core->tail[p] = NONE;
    }
    core->room = 1; // entries of zeros are from before
    core->tried = NONE;
}

int gr_core_new(const struct gr_core_config *config, struct gr_core **ret_core, struct gr_err *err)
{
    assert(config != NULL && ret_core != NULL);
    const char *wrong = limits_wrong(&config->limits);
    if (wrong != NULL) {
        return gr_fail(err, -EINVAL, "the limit of %s is out of range", wrong);
    }
    if (config->policy == NULL || gr_policy_find(config->policy) == NULL) {
        return gr_fail(err, -EINVAL, "there is no placement policy '%s'",
                       config->policy == NULL ? "" : config->policy);
    }
    static const struct gr_core zero;
    struct gr_core shape = zero;
    layout(&shape, &config->limits);
    struct gr_core *core;
    int rc = block_map(shape.size, &core, err);
    if (rc != 0) {
        return rc;
    }
    *core = shape;
    state_init(core, config);
    uint64_t jobs =
        config->touch_jobs < config->limits.jobs ? config->touch_jobs : config->limits.jobs;
    uint64_t pieces =
        config->touch_pieces < config->limits.pieces ? config->touch_pieces : config->limits.pieces;
    rc = touch(core, core->jobs_at, jobs * sizeof(struct gr_job), err);
    rc = rc != 0 ? rc : touch(core, core->allocations_at, jobs * sizeof(struct gr_allocation), err);
    rc = rc != 0 ? rc : touch(core, core->more_at, pieces * sizeof(struct gr_more), err);
    if (rc != 0) {
        gr_core_free(core);
        return rc;
    }
    struct gr_place *place =
        gr_place_init(gr_pool(core), &config->limits.place, config->policy, config->seed);
    assert(place != NULL);
    (void)place;
    *ret_core = core;
    return 0;
}

int gr_core_clone(const struct gr_core *core, struct gr_core **ret_core, struct gr_err *err)
{
    assert(core != NULL && ret_core != NULL);
    struct gr_core *copy;
    int rc = block_map(core->size, &copy, err);
    if (rc != 0) {
        return rc;
    }
    // Only what is in use is copied; the rest is zeros in both.
    memcpy(copy, core, core->jobs_at);
    memcpy(gr_job_at(copy, 0), gr_job_at(core, 0), core->job_top * sizeof(struct gr_job));
    memcpy(gr_allocation_at(copy, 0), gr_allocation_at(core, 0),
           core->job_top * sizeof(struct gr_allocation));
    memcpy(gr_more_at(copy, 0), gr_more_at(core, 0), core->more_top * sizeof(struct gr_more));
    memcpy(gr_core_at(copy, core->index_at), gr_core_at(core, core->index_at),
           core->scratch_at - core->index_at);
    memcpy(gr_pool(copy), gr_pool(core), core->size - core->place_at);
    *ret_core = copy;
    return 0;
}

bool gr_core_tables_take(struct gr_core *core, const struct gr_core *from)
{
    assert(core != NULL && from != NULL);
    return gr_place_tables_take(gr_pool(core), gr_pool(from));
}

void gr_core_free(struct gr_core *core)
{
    if (core != NULL) {
        int rc = munmap(core, core->size);
        assert(rc == 0);
        (void)rc;
    }
}

// --- facts

// Device-time passes up to `at_ms`.
static void advance(struct gr_core *core, int64_t at_ms)
{
    if (core->sequence == 0) {
        core->first_ms = core->now_ms = at_ms;
    }
    assert(at_ms >= core->now_ms);
    unsigned __int128 passed = (unsigned __int128)((uint64_t)at_ms - (uint64_t)core->now_ms);
    if (passed != 0) {
        struct gr_place_totals totals = gr_place_totals_get(gr_pool(core));
        uint64_t held_broken = core->broken_milli - totals.free_milli[GR_NODE_BROKEN];
        core->time.used += (core->used_milli - held_broken) * passed;
        core->time.idle += totals.free_milli[GR_NODE_UP] * passed;
        core->time.maintenance += totals.free_milli[GR_NODE_DRAINED] * passed;
        core->time.broken += core->broken_milli * passed;
        core->time_all += totals.all_milli * passed;
        core->now_ms = at_ms;
    }
}

// The learned mix is used anew each time submissions grew by a quarter.
static void learn(struct gr_core *core, const struct gr_shape *shape, uint64_t tasks)
{
    struct gr_learned *learned = gr_learned_at(core);
    uint32_t at = 0;
    while (at < learned->count && memcmp(&learned->items[at].shape, shape, sizeof *shape) != 0) {
        at++;
    }
    if (at == GR_MIX_MAX) { // full: the rarest makes room
        at = 0;
        for (uint32_t i = 1; i < GR_MIX_MAX; i++) {
            at = learned->items[i].count < learned->items[at].count ? i : at;
        }
        learned->items[at] = (struct gr_mix_item){.shape = *shape};
    } else if (at == learned->count) {
        learned->items[learned->count++] = (struct gr_mix_item){.shape = *shape};
    }
    learned->items[at].count += tasks;
    if (++learned->submitted >= learned->next_at) {
        learned->next_at = learned->submitted + learned->submitted / 4 + 16;
        gr_place_mix_set(gr_pool(core), learned->items, learned->count);
    }
}

static void room_forget(struct gr_core *core)
{
    memset(gr_kept_at(core), 0, gr_place_node_count(gr_pool(core)));
    core->room_kept = (struct gr_reserved_room){0};
    core->room++;
}

// Room may have grown: what found none is tried again, and so is a start of which no end was known.
static void room_grew(struct gr_core *core)
{
    core->room++;
    if (core->room_kept.job != 0 && core->room_kept.start_ms == INT64_MAX) {
        room_forget(core);
    }
}

static void room_keep(struct gr_core *core, const struct gr_event *event)
{
    room_forget(core);
    core->room_kept.job = event->reserved.job;
    core->room_kept.start_ms = event->reserved.start_ms;
    for (uint32_t i = 0; i < event->piece_count; i++) {
        uint8_t *kept = &gr_kept_at(core)[event->pieces[i].node];
        core->room_kept.node_count += *kept == 0;
        *kept = 1;
    }
}

static void job_leaves(struct gr_core *core, uint64_t job)
{
    gr_jobs_remove(core, gr_core_job_slot(core, job));
    if (core->room_kept.job == job) {
        room_forget(core);
    }
}

static uint64_t capacity_if_broken(const struct gr_node *node)
{
    return node->state == GR_NODE_BROKEN ? (uint64_t)node->devices * GR_DEVICE_MILLI : 0;
}

static void node_added(struct gr_core *core, const struct gr_event *event)
{
    uint32_t number = gr_place_node_add(gr_pool(core), &event->node.row, event->node.name);
    assert(number < core->limits.place.nodes);
    (void)number;
    core->broken_milli += capacity_if_broken(&event->node.row);
    room_grew(core);
}

// The room kept on a node is worth nothing any more, or more than before.
static void node_state_set(struct gr_core *core, const struct gr_event *event)
{
    uint32_t number = event->node_state.node;
    const struct gr_node *node = gr_place_node_get(gr_pool(core), number);
    core->broken_milli -= capacity_if_broken(node);
    gr_place_node_set_state(gr_pool(core), number, (enum gr_node_state)event->node_state.state);
    core->broken_milli += capacity_if_broken(node);
    if (gr_kept_at(core)[number] != 0) {
        room_forget(core);
    }
    room_grew(core);
}

static unsigned job_placed(struct gr_core *core, const struct gr_event *event,
                           struct gr_effect *ret_effects)
{
    gr_jobs_start(core, event);
    if (core->room_kept.job == event->placed.job) {
        room_forget(core);
    }
    if (ret_effects != NULL) {
        ret_effects[0] = (struct gr_effect){.type = GR_START_JOB,
                                            .epoch = event->epoch,
                                            .job = event->placed.job,
                                            .attempt = event->placed.attempt};
    }
    return 1;
}

static unsigned job_finished(struct gr_core *core, const struct gr_event *event,
                             struct gr_effect *ret_effects)
{
    job_leaves(core, event->finished.job);
    room_grew(core);
    if (ret_effects != NULL) {
        ret_effects[0] = (struct gr_effect){.type = GR_RELEASE_JOB,
                                            .epoch = event->epoch,
                                            .job = event->finished.job,
                                            .attempt = event->finished.attempt};
    }
    return 1;
}

static void mix_set(struct gr_core *core, const struct gr_event *event)
{
    struct gr_hash hash;
    gr_hash_init(&hash);
    gr_hash_add(&hash, event->items, event->item_count * sizeof(struct gr_mix_item));
    gr_hash_end(&hash, core->mix_digest);
    gr_place_mix_set(gr_pool(core), event->items, event->item_count);
}

// Everything but the header. Returns the number of effects.
static unsigned apply_body(struct gr_core *core, const struct gr_event *event,
                           struct gr_effect *ret_effects)
{
    switch ((enum gr_event_type)event->type) {
    case GR_ORG_ADDED:
        ((struct gr_org *)gr_core_at(core, core->orgs_at))[core->org_count++] = event->org;
        return 0;
    case GR_SITE_ADDED:
        ((struct gr_site *)gr_core_at(core, core->sites_at))[core->site_count++] = event->site;
        return 0;
    case GR_VARIANT_ADDED:
        memcpy((char *)gr_core_at(core, core->variants_at) + core->variant_count++ * GR_NAME_SIZE,
               event->variant, GR_NAME_SIZE);
        return 0;
    case GR_MASK_ADDED: {
        int index = gr_place_mask_add(gr_pool(core), event->mask);
        assert(index >= 0);
        (void)index;
        return 0;
    }
    case GR_NODE_ADDED:
        node_added(core, event);
        return 0;
    case GR_NODE_STATE_SET:
        node_state_set(core, event);
        return 0;
    case GR_MIX_SET:
        mix_set(core, event);
        core->room++; // another policy table may find what the last did not
        return 0;
    case GR_JOB_SUBMITTED:
        gr_jobs_add(core, event);
        if (core->learn_mix) {
            learn(core, &event->submitted.demand.shape, event->submitted.demand.tasks);
        }
        return 0;
    case GR_JOB_PLACED:
        return job_placed(core, event, ret_effects);
    case GR_JOB_FINISHED:
        return job_finished(core, event, ret_effects);
    case GR_JOB_DROPPED:
        job_leaves(core, event->dropped.job);
        return 0;
    case GR_ROOM_RESERVED:
        room_keep(core, event);
        return 0;
    }
    assert(!"an unknown event was checked");
    return 0;
}

unsigned gr_core_apply(struct gr_core *core, const struct gr_event *event,
                       struct gr_effect *ret_effects)
{
    assert(core != NULL && event != NULL);
    assert(gr_core_check(core, event) == GR_REFUSED_NOTHING);
    advance(core, event->at_ms);
    core->sequence = event->sequence;
    core->epoch = event->epoch;
    return apply_body(core, event, ret_effects);
}

void gr_core_digest(const struct gr_core *core, uint8_t ret_digest[32])
{
    assert(core != NULL);
    struct gr_hash hash;
    uint32_t format = GR_DIGEST_FORMAT;
    gr_hash_init(&hash);
    gr_hash_add(&hash, &format, sizeof format);
    gr_hash_add(&hash, core, offsetof(struct gr_core, order));
    gr_hash_add(&hash, gr_core_at(core, core->orgs_at), core->org_count * sizeof(struct gr_org));
    gr_hash_add(&hash, gr_core_at(core, core->sites_at), core->site_count * sizeof(struct gr_site));
    gr_hash_add(&hash, gr_core_at(core, core->variants_at), core->variant_count * GR_NAME_SIZE);
    gr_hash_add(&hash, gr_job_at(core, 0), core->job_top * sizeof(struct gr_job));
    gr_hash_add(&hash, gr_allocation_at(core, 0), core->job_top * sizeof(struct gr_allocation));
    gr_hash_add(&hash, gr_more_at(core, 0), core->more_top * sizeof(struct gr_more));
    gr_hash_add(&hash, gr_kept_at(core), gr_place_node_count(gr_pool(core)));
    gr_place_hash(gr_pool(core), &hash);
    gr_hash_end(&hash, ret_digest);
}

// --- what is there

uint64_t gr_core_next_sequence(const struct gr_core *core)
{
    return core->sequence + 1;
}

int64_t gr_core_now(const struct gr_core *core)
{
    return core->now_ms;
}

const struct gr_place *gr_core_place(const struct gr_core *core)
{
    return gr_pool(core);
}

struct gr_place *gr_core_place_refresh(struct gr_core *core)
{
    return gr_pool(core);
}

const struct gr_job *gr_core_job_find(const struct gr_core *core, uint64_t job)
{
    uint32_t slot = gr_core_job_slot(core, job);
    return slot == NONE ? NULL : gr_job_at(core, slot);
}

uint32_t gr_core_waiting(const struct gr_core *core)
{
    return core->waiting;
}

uint32_t gr_core_running(const struct gr_core *core)
{
    return core->running;
}

uint64_t gr_core_waiting_next(const struct gr_core *core, uint64_t job)
{
    uint32_t slot =
        job == 0 ? gr_jobs_first(core) : gr_jobs_after(core, gr_core_job_slot(core, job));
    return slot == NONE ? 0 : gr_job_at(core, slot)->id;
}

struct copying {
    struct gr_piece *pieces;
    uint32_t count, most;
};

static void piece_copy(void *context, const struct gr_piece *piece)
{
    struct copying *copying = context;
    if (copying->count < copying->most) {
        copying->pieces[copying->count] = *piece;
    }
    copying->count++;
}

uint32_t gr_core_job_pieces(const struct gr_core *core, uint64_t job, struct gr_piece *ret_pieces,
                            uint32_t most)
{
    const struct gr_job *row = gr_core_job_find(core, job);
    assert(row != NULL && row->state == GR_JOB_RUNNING);
    struct copying copying = {.pieces = ret_pieces, .most = most};
    gr_jobs_pieces(core, gr_allocation_at(core, row->allocation), piece_copy, &copying);
    return copying.count;
}

uint64_t gr_core_used_milli(const struct gr_core *core)
{
    return core->used_milli;
}

struct gr_device_time gr_core_device_time(const struct gr_core *core)
{
    return core->time;
}

const struct gr_org *gr_core_org_get(const struct gr_core *core, uint32_t index)
{
    return index < core->org_count ? (struct gr_org *)gr_core_at(core, core->orgs_at) + index
                                   : NULL;
}

const struct gr_site *gr_core_site_get(const struct gr_core *core, uint32_t index)
{
    return index < core->site_count ? (struct gr_site *)gr_core_at(core, core->sites_at) + index
                                    : NULL;
}

const char *gr_core_variant_get(const struct gr_core *core, uint32_t index)
{
    return index < core->variant_count
               ? (char *)gr_core_at(core, core->variants_at) + (uint64_t)index * GR_NAME_SIZE
               : NULL;
}
