// The core's block of memory: where its tables lie, how it is made, touched, copied and given back.
#include "core/core.h"

#include "core/queue.h"
#include "core/state.h"
#include "core/tenants.h"
#include "core/window_parts.h"
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

// A limit that need not be given.
static uint32_t or_default(uint32_t limit)
{
    return limit == 0 ? 65536 : limit;
}

// Tables of shares and of what waits: queue.h, quota.c.
static void layout_queue(struct gr_core *core, uint64_t *end)
{
    const struct gr_core_limits *limits = &core->limits;
    uint64_t words = (limits->needs + UINT64_C(63)) / 64 * sizeof(uint64_t);
    core->need_index_size = gr_ids_size(limits->needs);
    core->queue_index_size = gr_ids_size(limits->queues);
    core->lane_index_size = gr_ids_size(limits->jobs);
    core->org_now_at = table(end, limits->orgs * sizeof(struct gr_use_now));
    core->user_now_at = table(end, limits->users * sizeof(struct gr_use_now));
    core->shares_at =
        table(end, ((uint64_t)limits->orgs + limits->queues) * sizeof(struct gr_share));
    core->queues_at = table(end, limits->queues * sizeof(struct gr_queue));
    core->needs_at = table(end, limits->needs * sizeof(struct gr_need));
    core->lanes_at = table(end, (uint64_t)limits->jobs * sizeof(struct gr_lane));
    core->waits_at = table(end, (uint64_t)limits->jobs * sizeof(struct gr_waits));
    core->need_index_at = table(end, (uint64_t)core->need_index_size * sizeof(struct gr_ids_entry));
    core->queue_index_at =
        table(end, (uint64_t)core->queue_index_size * sizeof(struct gr_ids_entry));
    core->lane_index_at = table(end, (uint64_t)core->lane_index_size * sizeof(struct gr_ids_entry));
    core->awake_at = table(end, words);
    core->beside_at = table(end, words);
    core->priorities_at = table(end, words * 256);
    core->queue_needs_at = table(end, words * limits->queues);
    core->quota_use_at = table(end, gr_quota_bytes(limits));
    core->tenants_at = table(end, limits->place.nodes * sizeof(uint32_t));
    core->more_tenants_at = table(end, gr_tenants_more_bytes(limits));
    core->goes_at = table(end, limits->jobs);
    core->called_at = table(end, GR_CALLED_MAX * sizeof(struct gr_edge));
    core->claims_at = table(end, limits->place.nodes * sizeof(uint16_t));
    core->claimed_at = table(end, (limits->place.nodes + UINT64_C(63)) / 64 * sizeof(uint64_t));
    core->swept_at = table(end, GR_WINDOWS_MAX * sizeof(struct gr_window_swept));
}

static void layout(struct gr_core *core, const struct gr_core_limits *given)
{
    uint64_t end = (sizeof *core + 63) / 64 * 64;
    struct gr_core_limits *limits = &core->limits;
    *limits = *given;
    limits->queues = or_default(limits->queues);
    limits->needs = or_default(limits->needs);
    limits->quotas = or_default(limits->quotas);
    limits->preferences = limits->preferences == 0 ? 255 : limits->preferences;
    core->index_size = gr_ids_size(limits->jobs);
    core->array_index_size = gr_ids_size(limits->arrays);
    core->key_index_size = gr_ids_size(limits->keys);
    core->orgs_at = table(&end, limits->orgs * sizeof(struct gr_org));
    core->sites_at = table(&end, limits->sites * sizeof(struct gr_site));
    core->variants_at = table(&end, (uint64_t)limits->variants * GR_NAME_SIZE);
    core->users_at = table(&end, limits->users * sizeof(struct gr_user));
    core->org_use_at = table(&end, limits->orgs * sizeof(struct gr_org_use));
    core->org_terms_at = table(&end, limits->orgs * sizeof(struct gr_org_terms));
    core->org_past_at = table(&end, limits->orgs * sizeof(struct gr_past));
    core->preferences_at = table(&end, limits->preferences * sizeof(struct gr_preference));
    core->learned_at = table(&end, sizeof(struct gr_learned));
    core->health_at = table(&end, (uint64_t)limits->place.nodes * GR_NODE_DEVICES_MAX);
    core->kept_at = table(&end, limits->place.nodes);
    core->held_nodes_at = table(&end, limits->place.nodes * sizeof(uint16_t));
    core->classes_at = table(&end, GR_CLASSES_MAX * sizeof(struct gr_class));
    core->parts_at = table(&end, GR_PARTS * sizeof(struct gr_part_row));
    core->parts_tried_at = table(&end, GR_PARTS * sizeof(struct gr_part_tried));
    core->shut_at = table(&end, limits->place.nodes);
    core->jobs_at = table(&end, (uint64_t)limits->jobs * sizeof(struct gr_job));
    core->allocations_at = table(&end, (uint64_t)limits->jobs * sizeof(struct gr_allocation));
    core->more_at = table(&end, (uint64_t)limits->pieces * sizeof(struct gr_more));
    core->links_at = table(&end, (uint64_t)limits->jobs * sizeof(struct gr_links));
    core->edges_at = table(&end, (uint64_t)limits->edges * sizeof(struct gr_edge_row));
    core->arrays_at = table(&end, (uint64_t)limits->arrays * sizeof(struct gr_array_row));
    core->keys_at = table(&end, (uint64_t)limits->keys * sizeof(struct gr_key));
    core->index_at = table(&end, (uint64_t)core->index_size * sizeof(struct gr_ids_entry));
    core->array_index_at =
        table(&end, (uint64_t)core->array_index_size * sizeof(struct gr_ids_entry));
    core->key_index_at = table(&end, (uint64_t)core->key_index_size * sizeof(struct gr_ids_entry));
    core->scratch_at = table(&end, (uint64_t)limits->jobs * sizeof(uint32_t));
    core->user_past_at = table(&end, limits->users * sizeof(struct gr_past));
    core->quotas_at = table(&end, limits->quotas * sizeof(struct gr_quota));
    core->windows_at = table(&end, GR_WINDOWS_MAX * sizeof(struct gr_window));
    core->window_nodes_at = table(
        &end, GR_WINDOWS_MAX * ((limits->place.nodes + UINT64_C(63)) / 64) * sizeof(uint64_t));
    layout_queue(core, &end);
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
           : limits->users > 16777216                                        ? "users"
           : limits->arrays > 16777216                                       ? "arrays"
           : limits->edges > 16777216                                        ? "edges"
           : limits->keys > 16777216                                         ? "keys"
           : limits->queues > 262144                                         ? "queues"
           : limits->needs > 262144                                          ? "needs"
           : limits->quotas > 1048576                                        ? "quotas"
           : limits->preferences > 255                                       ? "preferences"
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

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// A table of the pool, as gr_place_rows_touch names it.
struct touching {
    struct gr_core *core;
    struct gr_err *err;
    int code;
};

static void place_touch(void *context, uint64_t at, uint64_t bytes)
{
    struct touching *touching = context;
    if (touching->code == 0) {
        touching->code = touch(touching->core, touching->core->place_at + at, bytes, touching->err);
    }
}

// Makes the working size real. Of an index all of it: its entries are scattered.
static int tables_touch(struct gr_core *core, const struct gr_core_config *config,
                        struct gr_err *err)
{
    uint64_t jobs = least(config->touch_jobs, config->limits.jobs);
    uint64_t pieces = least(config->touch_pieces, config->limits.pieces);
    uint64_t index = (uint64_t)core->index_size * sizeof(struct gr_ids_entry);
    const struct {
        uint64_t at, bytes;
    } tables[] = {{core->jobs_at, jobs * sizeof(struct gr_job)},
                  {core->allocations_at, jobs * sizeof(struct gr_allocation)},
                  {core->scratch_at, jobs * sizeof(uint32_t)},
                  {core->index_at, jobs > 0 ? index : 0},
                  {core->more_at, pieces * sizeof(struct gr_more)}};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        int rc = touch(core, tables[t].at, tables[t].bytes, err);
        if (rc != 0) {
            return rc;
        }
    }
    struct touching touching = {core, err, 0};
    gr_place_rows(&config->limits.place,
                  (uint32_t)least(config->touch_nodes, config->limits.place.nodes), place_touch,
                  &touching);
    return touching.code;
}

static void state_init(struct gr_core *core, const struct gr_core_config *config)
{
    core->format = FORMAT;
    core->order = config->order;
    core->learn_mix = config->learn_mix;
    core->job_free = core->more_free = core->edge_free = core->array_free = NONE;
    core->doomed_first = core->doomed_last = core->open_first = core->open_last = NONE;
    for (unsigned p = 0; p < 256; p++) {
        core->head[p] = core->tail[p] = NONE;
    }
    core->room = 1; // entries of zeros are from before
    core->tried = NONE;
    core->queue_terms = (struct gr_queue_terms){.half_life_ms = GR_HALF_LIFE_DEFAULT_MS,
                                                .notice_ms = GR_NOTICE_DEFAULT_MS,
                                                .lost_per_hour = GR_ANY_MILLI,
                                                .reclaim = GR_RECLAIM_BORROWED};
    gr_queue_init(core);
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
    rc = tables_touch(core, config, err);
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

// Most jobs have no links, and then their rows are not even real.
static void links_copy(struct gr_core *to, const struct gr_core *from)
{
    for (uint32_t s = 0; s < from->job_top; s++) {
        if (gr_job_at(from, s)->is_linked) {
            *gr_links_at(to, s) = *gr_links_at(from, s);
        }
    }
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
    memcpy(gr_edge_at(copy, 0), gr_edge_at(core, 0), core->edge_top * sizeof(struct gr_edge_row));
    memcpy(gr_array_at(copy, 0), gr_array_at(core, 0),
           core->array_top * sizeof(struct gr_array_row));
    links_copy(copy, core);
    memcpy(gr_core_at(copy, core->keys_at), gr_core_at(core, core->keys_at),
           core->scratch_at - core->keys_at);
    memcpy(gr_core_at(copy, core->user_past_at), gr_core_at(core, core->user_past_at),
           core->user_count * sizeof(struct gr_past));
    memcpy(gr_core_at(copy, core->quotas_at), gr_core_at(core, core->quotas_at),
           core->quota_count * sizeof(struct gr_quota));
    gr_windows_copy(copy, core);
    memcpy(gr_pool(copy), gr_pool(core), core->size - core->place_at);
    gr_windows_rebuild(copy);
    gr_queue_init(copy);
    gr_queue_rebuild(copy);
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
