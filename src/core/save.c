// The digest of the state, and the state as bytes: one list of parts serves both, so that nothing
// can be in one and not in the other. See save.h.
#include "core/save.h"

#include "base/hash.h"
#include "core/part.h"
#include "core/prefer.h"
#include "core/queue.h"
#include "core/reclaim.h"
#include "core/state.h"
#include "core/window_parts.h"

#include <errno.h>
#include <string.h>

#define MAGIC "granary"

struct header {
    char magic[8];
    uint32_t format, digest_format;
    uint64_t state_size, rest_size;
};
static_assert(sizeof(struct header) == 32, "no padding");

// --- the parts of the state

typedef void part_function(void *context, const void *bytes, size_t size);

// Rows of the links table, of linked jobs only: the others' mean nothing.
static void links_parts(const struct gr_core *core, part_function *each, void *context)
{
    struct gr_links rows[64];
    size_t count = 0;
    for (uint32_t s = 0; s < core->job_top; s++) {
        if (gr_job_at(core, s)->is_linked) {
            rows[count++] = *gr_links_at(core, s);
        }
        if (count == sizeof rows / sizeof *rows) {
            each(context, rows, sizeof rows);
            count = 0;
        }
    }
    each(context, rows, count * sizeof *rows);
}

// The ring of keys from the oldest on.
static void keys_parts(const struct gr_core *core, part_function *each, void *context)
{
    uint32_t behind = core->limits.keys - core->key_first;
    uint32_t first = core->key_count < behind ? core->key_count : behind;
    const struct gr_key *keys = gr_core_at(core, core->keys_at);
    each(context, keys + core->key_first, first * sizeof *keys);
    each(context, keys, (core->key_count - first) * sizeof *keys);
}

static void state_parts(const struct gr_core *core, part_function *each, void *context)
{
    uint32_t nodes = gr_place_node_count(gr_pool(core));
    each(context, core, offsetof(struct gr_core, order));
    each(context, gr_core_at(core, core->orgs_at), core->org_count * sizeof(struct gr_org));
    each(context, gr_core_at(core, core->sites_at), core->site_count * sizeof(struct gr_site));
    each(context, gr_core_at(core, core->variants_at), core->variant_count * GR_NAME_SIZE);
    each(context, gr_user_at(core, 0), core->user_count * sizeof(struct gr_user));
    each(context, gr_job_at(core, 0), core->job_top * sizeof(struct gr_job));
    each(context, gr_allocation_at(core, 0), core->job_top * sizeof(struct gr_allocation));
    each(context, gr_more_at(core, 0), core->more_top * sizeof(struct gr_more));
    links_parts(core, each, context);
    each(context, gr_edge_at(core, 0), core->edge_top * sizeof(struct gr_edge_row));
    each(context, gr_array_at(core, 0), core->array_top * sizeof(struct gr_array_row));
    keys_parts(core, each, context);
    each(context, gr_org_terms_at(core, 0), core->org_count * sizeof(struct gr_org_terms));
    each(context, gr_org_past_at(core, 0), core->org_count * sizeof(struct gr_past));
    each(context, gr_user_past_at(core, 0), core->user_count * sizeof(struct gr_past));
    each(context, gr_quota_at(core, 0), core->quota_count * sizeof(struct gr_quota));
    each(context, gr_preference_at(core, 0), core->preference_count * sizeof(struct gr_preference));
    each(context, gr_window_at(core, 0), core->window_top * sizeof(struct gr_window));
    gr_place_parts(gr_pool(core), each, context);
    each(context, gr_kept_at(core), nodes);
    each(context, gr_held_at(core), nodes * sizeof(uint16_t));
    each(context, gr_shut_at(core), nodes);
    gr_windows_parts(core, each, context);
    each(context, gr_health_at(core, 0), (size_t)nodes * GR_NODE_DEVICES_MAX);
    each(context, gr_part_row_at(core, 0), core->part_count * sizeof(struct gr_part_row));
    each(context, gr_class_at(core, 0), core->class_count * sizeof(struct gr_class));
}

static void hash_begin(struct gr_hash *hash)
{
    uint32_t format = GR_DIGEST_FORMAT;
    gr_hash_init(hash);
    gr_hash_add(hash, &format, sizeof format);
}

static void part_hash(void *context, const void *bytes, size_t size)
{
    gr_hash_add(context, bytes, size);
}

void gr_core_digest(const struct gr_core *core, uint8_t ret_digest[32])
{
    assert(core != NULL && ret_digest != NULL);
    struct gr_hash hash;
    hash_begin(&hash);
    state_parts(core, part_hash, &hash);
    gr_hash_end(&hash, ret_digest);
}

// --- saving

static void part_count(void *context, const void *bytes, size_t size)
{
    (void)bytes;
    *(uint64_t *)context += size;
}

// The pool's mix and what was learned: how the core decides, which is not in the digest.
static void rest_parts(const struct gr_core *core, part_function *each, void *context)
{
    const struct gr_learned *learned = gr_learned_at(core);
    size_t count;
    const struct gr_mix_item *mix = gr_place_mix_get(gr_pool(core), &count);
    uint64_t head[4] = {count, learned->count, learned->submitted, learned->next_at};
    each(context, head, sizeof head);
    each(context, mix, count * sizeof *mix);
    each(context, learned->items, learned->count * sizeof *learned->items);
}

// Where parts go while they are hashed. After a failure nothing more is written.
struct sink {
    int (*write)(void *context, const void *bytes, size_t size, struct gr_err *err);
    void *context;
    struct gr_err *err;
    struct gr_hash *hash; // what is written is added to it
    int code;
};

static void part_write(void *context, const void *bytes, size_t size)
{
    struct sink *sink = context;
    if (sink->code == 0 && size > 0) {
        gr_hash_add(sink->hash, bytes, size);
        sink->code = sink->write(sink->context, bytes, size, sink->err);
    }
}

int gr_core_save(const struct gr_core *core,
                 int (*write)(void *context, const void *bytes, size_t size, struct gr_err *err),
                 void *context, struct gr_err *err)
{
    assert(core != NULL && write != NULL);
    struct header header = {
        .magic = MAGIC, .format = GR_SAVE_FORMAT, .digest_format = GR_DIGEST_FORMAT};
    struct gr_hash state, rest;
    uint8_t digests[2][32];
    struct sink sink = {.write = write, .context = context, .err = err, .hash = &rest};
    state_parts(core, part_count, &header.state_size);
    rest_parts(core, part_count, &header.rest_size);
    gr_hash_init(&rest);
    hash_begin(&state);
    part_write(&sink, &header, sizeof header);
    sink.hash = &state;
    state_parts(core, part_write, &sink);
    sink.hash = &rest;
    rest_parts(core, part_write, &sink);
    gr_hash_end(&state, digests[0]);
    gr_hash_end(&rest, digests[1]);
    return sink.code != 0 ? sink.code : write(context, digests, sizeof digests, err);
}

// --- loading

static int bytes_bad(struct gr_err *err, const char *why)
{
    return gr_fail(err, -EBADMSG, "the saved state %s", why);
}

// Everything is there, and is what was saved.
static int bytes_verify(const uint8_t *bytes, size_t size, struct header *ret_header,
                        struct gr_err *err)
{
    struct header header;
    if (size < sizeof header + 64) {
        return bytes_bad(err, "is too short");
    }
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, MAGIC, sizeof header.magic) != 0) {
        return bytes_bad(err, "does not begin as one");
    }
    if (header.format != GR_SAVE_FORMAT || header.digest_format != GR_DIGEST_FORMAT) {
        return gr_fail(err, -EBADMSG,
                       "the saved state has format %u.%u, this program reads %u.%u: start from the "
                       "journal",
                       header.format, header.digest_format, GR_SAVE_FORMAT, GR_DIGEST_FORMAT);
    }
    uint64_t room = size - sizeof header - 64;
    if (header.state_size > room || header.rest_size != room - header.state_size) {
        return bytes_bad(err, "has another size than it says");
    }
    struct gr_hash hash;
    uint8_t digest[32];
    const uint8_t *state = bytes + sizeof header;
    const uint8_t *rest = state + header.state_size;
    hash_begin(&hash);
    gr_hash_add(&hash, state, header.state_size);
    gr_hash_end(&hash, digest);
    if (memcmp(digest, rest + header.rest_size, sizeof digest) != 0) {
        return bytes_bad(err, "does not match its digest");
    }
    gr_hash_init(&hash);
    gr_hash_add(&hash, &header, sizeof header);
    gr_hash_add(&hash, rest, header.rest_size);
    gr_hash_end(&hash, digest);
    if (memcmp(digest, rest + header.rest_size + 32, sizeof digest) != 0) {
        return bytes_bad(err, "does not match its hash");
    }
    *ret_header = header;
    return 0;
}

// What is still to be read.
struct source {
    const uint8_t *bytes;
    uint64_t left;
    bool short_of; // they ended too early
};

static void source_read(struct source *source, void *to, uint64_t size)
{
    if (source->left < size) {
        source->short_of = true;
        return;
    }
    if (size > 0) {
        memcpy(to, source->bytes, size);
        source->bytes += size;
        source->left -= size;
    }
}

// Names the limit that the saved state does not fit, and sets what it needs; or NULL.
static const char *limit_small(const struct gr_core *core, const struct gr_core *saved,
                               uint32_t *ret_needed)
{
    const struct gr_core_limits *limits = &core->limits;
    const struct {
        const char *name;
        uint32_t needed, limit;
    } all[] = {{"jobs", saved->job_top, limits->jobs},
               {"pieces", saved->more_top, limits->pieces},
               {"orgs", saved->org_count, limits->orgs},
               {"sites", saved->site_count, limits->sites},
               {"variants", saved->variant_count, limits->variants},
               {"users", saved->user_count, limits->users},
               {"arrays", saved->array_top, limits->arrays},
               {"edges", saved->edge_top, limits->edges},
               {"keys", saved->key_count, limits->keys},
               {"quotas", saved->quota_count, limits->quotas},
               {"parts", saved->part_count, GR_PARTS},
               {"preferences", saved->preference_count, limits->preferences},
               {"classes", saved->class_count, GR_CLASSES_MAX},
               {"windows", saved->window_top, GR_WINDOWS_MAX}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].needed > all[i].limit) {
            *ret_needed = all[i].needed;
            return all[i].name;
        }
    }
    return NULL;
}

static int head_load(struct gr_core *core, struct source *source, struct gr_err *err)
{
    static const struct gr_core zero;
    struct gr_core saved = zero;
    uint32_t needed = 0;
    source_read(source, &saved, offsetof(struct gr_core, order));
    if (source->short_of || saved.format != core->format) {
        return bytes_bad(err, "is of another build");
    }
    const char *small = limit_small(core, &saved, &needed);
    if (small != NULL) {
        return gr_fail(err, -ENOSPC, "the saved state holds %u %s; raise that limit", needed,
                       small);
    }
    memcpy(core, &saved, offsetof(struct gr_core, order));
    return 0;
}

static void links_load(struct gr_core *core, struct source *source)
{
    for (uint32_t s = 0; s < core->job_top; s++) {
        if (gr_job_at(core, s)->is_linked) {
            source_read(source, gr_links_at(core, s), sizeof(struct gr_links));
        }
    }
}

static void tables_load(struct gr_core *core, struct source *source)
{
    source_read(source, gr_core_at(core, core->orgs_at), core->org_count * sizeof(struct gr_org));
    source_read(source, gr_core_at(core, core->sites_at),
                core->site_count * sizeof(struct gr_site));
    source_read(source, gr_core_at(core, core->variants_at), core->variant_count * GR_NAME_SIZE);
    source_read(source, gr_user_at(core, 0), core->user_count * sizeof(struct gr_user));
    source_read(source, gr_job_at(core, 0), core->job_top * sizeof(struct gr_job));
    source_read(source, gr_allocation_at(core, 0), core->job_top * sizeof(struct gr_allocation));
    source_read(source, gr_more_at(core, 0), core->more_top * sizeof(struct gr_more));
    links_load(core, source);
    source_read(source, gr_edge_at(core, 0), core->edge_top * sizeof(struct gr_edge_row));
    source_read(source, gr_array_at(core, 0), core->array_top * sizeof(struct gr_array_row));
    source_read(source, gr_core_at(core, core->keys_at), core->key_count * sizeof(struct gr_key));
    source_read(source, gr_org_terms_at(core, 0), core->org_count * sizeof(struct gr_org_terms));
    source_read(source, gr_org_past_at(core, 0), core->org_count * sizeof(struct gr_past));
    source_read(source, gr_user_past_at(core, 0), core->user_count * sizeof(struct gr_past));
    source_read(source, gr_quota_at(core, 0), core->quota_count * sizeof(struct gr_quota));
    source_read(source, gr_preference_at(core, 0),
                core->preference_count * sizeof(struct gr_preference));
    source_read(source, gr_window_at(core, 0), core->window_top * sizeof(struct gr_window));
}

static int pool_load(struct gr_core *core, struct source *source, struct gr_err *err)
{
    size_t used = 0;
    int rc = source->short_of ? -EBADMSG
                              : gr_place_restore(gr_pool(core), source->bytes, source->left, &used);
    if (rc == -ENOSPC) {
        return gr_fail(err, rc,
                       "the saved state holds more nodes, domains or masks; raise that limit");
    }
    if (rc != 0) {
        return bytes_bad(err, "ends too early");
    }
    uint32_t nodes = gr_place_node_count(gr_pool(core));
    source->bytes += used;
    source->left -= used;
    source_read(source, gr_kept_at(core), nodes);
    source_read(source, gr_held_at(core), nodes * sizeof(uint16_t));
    source_read(source, gr_shut_at(core), nodes);
    for (uint32_t row = 0; row < core->window_top; row++) {
        if (gr_window_at(core, row)->id != 0) {
            source_read(source, gr_window_nodes(core, row), (nodes + 63u) / 64 * sizeof(uint64_t));
        }
    }
    source_read(source, gr_health_at(core, 0), (uint64_t)nodes * GR_NODE_DEVICES_MAX);
    source_read(source, gr_part_row_at(core, 0), core->part_count * sizeof(struct gr_part_row));
    source_read(source, gr_class_at(core, 0), core->class_count * sizeof(struct gr_class));
    return source->short_of || source->left != 0 ? bytes_bad(err, "ends too early or too late") : 0;
}

static int rest_load(struct gr_core *core, struct source *source, bool learn, struct gr_err *err)
{
    static struct gr_mix_item none;
    struct gr_learned *learned = gr_learned_at(core);
    uint64_t head[4] = {0};
    source_read(source, head, sizeof head);
    if (source->short_of || head[0] > GR_MIX_MAX || head[1] > GR_MIX_MAX ||
        source->left != (head[0] + head[1]) * sizeof none) {
        return bytes_bad(err, "has another mix than it says");
    }
    source_read(source, learned->items, head[0] * sizeof none); // on the way to the pool
    gr_place_mix_set(gr_pool(core), learned->items, head[0]);
    memset(learned->items, 0, head[0] * sizeof none);
    if (learn) {
        learned->count = (uint32_t)head[1];
        learned->submitted = head[2];
        learned->next_at = head[3];
        source_read(source, learned->items, head[1] * sizeof none);
        gr_learned_index(learned);
    }
    return 0;
}

// Jobs whose index entry is on the way from memory while others are added.
#define AHEAD 16

static void jobs_index(struct gr_core *core)
{
    struct gr_ids ids = {gr_core_at(core, core->index_at), core->index_size};
    for (uint32_t s = 0; s < core->job_top; s++) {
        const struct gr_job *job = gr_job_at(core, s);
        if (s + AHEAD < core->job_top) {
            uint32_t low = (uint32_t)gr_job_at(core, s + AHEAD)->id;
            __builtin_prefetch(&ids.entries[gr_ids_home(ids, low)], 1);
        }
        if (job->state != 0) {
            gr_ids_add(ids, (uint32_t)job->id, s);
            gr_org_use_at(core, job->org)->jobs++;
        }
    }
}

static void derived_make(struct gr_core *core)
{
    struct gr_ids arrays = {gr_core_at(core, core->array_index_at), core->array_index_size};
    jobs_index(core);
    gr_jobs_filled(core);
    for (uint32_t row = 0; row < core->array_top; row++) {
        if (gr_array_at(core, row)->id != 0) {
            gr_ids_add(arrays, (uint32_t)gr_array_at(core, row)->id, row);
        }
    }
    for (uint32_t k = 0; k < core->key_count; k++) {
        gr_keys_index(core, k);
    }
    gr_windows_rebuild(core);
    gr_queue_rebuild(core);
}

int gr_core_load(const struct gr_core_config *config, const uint8_t *bytes, size_t size,
                 struct gr_core **ret_core, struct gr_err *err)
{
    assert(config != NULL && bytes != NULL && ret_core != NULL);
    struct header header = {0};
    struct gr_core *core;
    int rc = bytes_verify(bytes, size, &header, err);
    if (rc != 0) {
        return rc;
    }
    rc = gr_core_new(config, &core, err);
    if (rc != 0) {
        return rc;
    }
    struct source state = {bytes + sizeof header, header.state_size, false};
    struct source rest = {state.bytes + header.state_size, header.rest_size, false};
    rc = head_load(core, &state, err);
    if (rc == 0) {
        tables_load(core, &state);
        rc = pool_load(core, &state, err);
    }
    if (rc == 0) {
        rc = rest_load(core, &rest, config->learn_mix, err);
    }
    if (rc != 0) {
        gr_core_free(core);
        return rc;
    }
    derived_make(core);
    *ret_core = core;
    return 0;
}
