// Jobs as the API shows them: see view.h.
#include "base/json.h"
#include "base/quantity.h"
#include "core/show.h"
#include "core/why.h"
#include "daemon/pool_kind.h"
#include "daemon/shortage.h"
#include "daemon/view.h"

#include <stdio.h>
#include <string.h>

const char *const gr_view_states[] = {"held",       "waiting",       "starting",  "running",
                                      "stopping",   "done",          "failed",    "stopped",
                                      "time-limit", "out-of-memory", "lost",      "node-failed",
                                      "dropped",    "not-started",   "reclaimed", NULL};

const char *gr_view_job_state(const struct gr_pool *pool, const struct gr_job *job)
{
    (void)pool;
    switch ((int)job->state) {
    case GR_JOB_HELD:
        return "held";
    case GR_JOB_WAITING:
        return "waiting";
    default:
        return job->stop_why != GR_STOP_NOT ? "stopping"
               : job->began_ms == 0         ? "starting"
                                            : "running";
    }
}

// A time, or null for 0: never.
static int set_time(json_t *object, const char *key, int64_t at_ms)
{
    return at_ms == 0 ? gr_json_set_null(object, key) : gr_json_set_int(object, key, at_ms);
}

// What the spec says of a job: name, user, kind, class, domain. Unknown when the journal lost it.
static int set_spec(json_t *object, struct gr_pool *pool, uint64_t job, bool is_full)
{
    struct gr_spec spec;
    bool is_known = gr_pool_spec(pool, job, &spec, NULL) == 0;
    int rc = gr_json_set_text(object, "name", gr_slice_of(is_known ? spec.name : ""));
    rc |= gr_json_set_text(object, "user", gr_slice_of(is_known ? gr_view_user(spec.uid) : ""));
    rc |= gr_json_set_text(object, "kind", gr_slice_of(is_known ? spec.kind : ""));
    rc |= gr_json_set_text(object, "class", gr_slice_of(is_known ? spec.class : ""));
    rc |= gr_json_set_text(object, "domain", gr_slice_of(is_known ? spec.domain : ""));
    const struct gr_job *row = is_full && is_known ? gr_core_job_find(pool->core, job) : NULL;
    if (row != NULL && row->demand.preference != 0) {
        char order[GR_POOL_KIND_TEXT_SIZE];
        gr_pool_kind_text(pool, spec.kind, (enum gr_use)spec.use,
                          gr_core_preference_get(pool->core, row->demand.preference - 1u), order,
                          sizeof order);
        rc |= gr_json_set_text(object, "kind_order", gr_slice_of(order));
    }
    return rc;
}

static int set_array(json_t *object, uint64_t array, uint32_t index)
{
    if (array == 0) {
        return gr_json_set_null(object, "array") | gr_json_set_null(object, "array_index");
    }
    return gr_json_set_int(object, "array", (int64_t)array) |
           gr_json_set_int(object, "array_index", index);
}

static int set_demand(json_t *object, struct gr_pool *pool, const struct gr_demand *demand,
                      uint32_t org, int64_t limit_ms)
{
    const struct gr_org *row = gr_core_org_get(pool->core, org);
    int rc = gr_json_set_text(object, "organisation", gr_slice_of(row == NULL ? "" : row->name));
    rc |= gr_json_set_int(object, "tasks", demand->tasks);
    rc |= gr_json_set_int(object, "devices", demand->shape.devices);
    rc |= gr_json_set_int(object, "milli", demand->shape.milli);
    rc |= gr_json_set_decimal(object, "cpu", demand->shape.cpu_milli, 3);
    rc |= gr_json_set_int(object, "memory_mib", demand->shape.memory_mib);
    rc |= gr_json_set_int(object, "priority", demand->priority);
    rc |= set_time(object, "limit_ms", limit_ms);
    return rc;
}

static int piece_compare(const void *a, const void *b)
{
    uint32_t left = ((const struct gr_piece *)a)->node, right = ((const struct gr_piece *)b)->node;
    return left < right ? -1 : left > right;
}

// The nodes of a running job, each once.
static int set_held_nodes(json_t *object, struct gr_pool *pool, const struct gr_job *job)
{
    json_t *nodes = json_array();
    int rc = 0;
    uint32_t count = job->state == GR_JOB_RUNNING
                         ? gr_core_job_pieces(pool->core, job->id, pool->pieces, job->demand.tasks)
                         : 0;
    if (job->is_parted) { // what replaced others lies anywhere
        qsort(pool->pieces, count, sizeof *pool->pieces, piece_compare);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = pool->pieces[i].node;
        if (i == 0 || node != pool->pieces[i - 1].node) {
            rc |= gr_json_append(
                nodes, gr_json_text(
                           gr_slice_of(gr_place_cold_get(gr_core_place(pool->core), node)->name)));
        }
    }
    return rc | gr_json_set(object, "nodes", nodes);
}

struct places {
    struct gr_pool *pool;
    json_t *list;
    int rc;
};

static void add_place(void *context, uint32_t task, const struct gr_piece *piece, uint32_t part)
{
    struct places *places = context;
    const struct gr_place *place = gr_core_place(places->pool->core);
    (void)part;
    if (piece == NULL) {
        return; // lost, and not replaced yet
    }
    json_t *one = json_object();
    json_t *devices = json_array();
    for (uint32_t d = 0; d < GR_NODE_DEVICES_MAX; d++) {
        if ((piece->devices >> d & 1u) != 0) {
            places->rc |= gr_json_append(devices, json_integer(d));
        }
    }
    places->rc |= gr_json_set_int(one, "task", task);
    places->rc |=
        gr_json_set_text(one, "node", gr_slice_of(gr_place_cold_get(place, piece->node)->name));
    places->rc |= gr_json_set(one, "devices", devices);
    places->rc |= gr_json_set_bool(
        one, "pretend", gr_place_node_get(place, piece->node)->site == places->pool->site_pretend);
    places->rc |= gr_json_append(places->list, one);
}

// Nodes and places of a running job.
static int set_places(json_t *object, struct gr_pool *pool, const struct gr_job *job, bool is_full)
{
    int rc = set_held_nodes(object, pool, job);
    if (is_full) {
        struct places places = {.pool = pool, .list = json_array()};
        if (job->state == GR_JOB_RUNNING) {
            gr_core_job_tasks(pool->core, job->id, add_place, &places);
        }
        rc |= places.rc | gr_json_set(object, "places", places.list);
    }
    return rc;
}

// What a running gang has lost and got again.
static int set_part(json_t *object, struct gr_pool *pool, const struct gr_job *job)
{
    struct gr_core_part part;
    char text[256];
    if (!gr_core_part_find(pool->core, job->id, &part)) {
        return gr_json_set_null(object, "part");
    }
    json_t *one = json_object();
    gr_pool_part_text(pool, job, text, sizeof text);
    int rc = gr_json_set_int(one, "missing", part.missing);
    rc |= gr_json_set_int(one, "parts", part.parts);
    rc |= set_time(one, "since_ms", part.since_ms);
    rc |= set_time(one, "until_ms", part.until_ms);
    rc |= gr_json_set_text(one, "text", gr_slice_of(text));
    return rc | gr_json_set(object, "part", one);
}

// What the spec asks for and this engine cannot enforce: never silently weaker.
static int set_unenforced(json_t *object, const struct gr_pool *pool,
                          const struct gr_demand *demand)
{
    uint32_t can = pool->engine == NULL ? UINT32_MAX : pool->engine->ops->can(pool->engine);
    json_t *list = json_array();
    int rc = list == NULL;
    if (demand->shape.memory_mib > 0 && (can & GR_CAN_MEMORY_LIMIT) == 0) {
        rc |= gr_json_append(list, json_string("memory"));
    }
    if (demand->shape.cpu_milli > 0 && (can & GR_CAN_CPU_LIMIT) == 0) {
        rc |= gr_json_append(list, json_string("cpu"));
    }
    if (demand->shape.devices > 0 && (can & GR_CAN_DEVICE_LIMIT) == 0) {
        rc |= gr_json_append(list, json_string("devices"));
    }
    return rc | gr_json_set(object, "unenforced", list);
}

static int set_after(json_t *object, struct gr_pool *pool, const struct gr_job *job)
{
    static const char *const hows[GR_AFTERS] = {
        [GR_AFTER_OK] = "ok", [GR_AFTER_FAILED] = "failed", [GR_AFTER_ANY] = "any"};
    struct gr_edge edges[GR_SPEC_AFTER_MAX];
    uint32_t count = job->state == GR_JOB_HELD
                         ? gr_core_job_edges(pool->core, job->id, edges, GR_SPEC_AFTER_MAX)
                         : 0;
    json_t *after = json_array();
    int rc = 0;
    for (uint32_t i = 0; i < count; i++) {
        json_t *one = json_object();
        rc |= gr_json_set_int(one, "job", (int64_t)edges[i].job);
        rc |= gr_json_set_text(one, "how", gr_slice_of(hows[edges[i].how % GR_AFTERS]));
        rc |= gr_json_append(after, one);
    }
    return rc | gr_json_set(object, "after", after);
}

// Whether nodes that are drained or broken would have room for it.
static bool has_room_out_of_use(const struct gr_why *why)
{
    for (uint32_t i = 0; i < why->change_count; i++) {
        if (why->changes[i].change == GR_CHANGE_STATE) {
            return true;
        }
    }
    return false;
}

// The whole answer to why a job waits takes a few looks at each node.
static void reason_in_full(struct gr_pool *pool, uint64_t job, const char **ret_code,
                           const char **ret_text)
{
    static struct gr_why why; // large
    gr_core_why(pool->core, gr_pool_now(pool), job, pool->pieces, &why);
    *ret_code = gr_why_name((enum gr_why_reason)why.reason);
    *ret_text =
        has_room_out_of_use(&why)
            ? "waits until devices, cpu or memory are free; there is room on nodes that are "
              "drained or broken"
            : gr_why_text((enum gr_why_reason)why.reason);
}

// Why a job waits, as far as the pool can say at once; in full: also what takes a look at each
// node.
static int set_reason(json_t *object, struct gr_pool *pool, const struct gr_job *job, bool is_full)
{
    const char *code = NULL;
    const char *text = NULL;
    struct gr_shortage shortage = {.hint = ""};
    char detail[640];
    if (job->state == GR_JOB_HELD) {
        struct gr_job_more more;
        gr_core_job_more(pool->core, job->id, &more);
        code = more.edge_count > 0 ? "after" : "array";
        text = more.edge_count > 0 ? "waits for other jobs"
                                   : "waits for other elements of its array: as many as may run "
                                     "at a time are under way";
    } else if (job->state == GR_JOB_WAITING && is_full) {
        reason_in_full(pool, job->id, &code, &text);
        if (gr_core_room_tasks(pool->core, &job->demand) < job->demand.tasks) {
            struct gr_spec spec;
            bool has_spec = gr_pool_spec(pool, job->id, &spec, NULL) == 0;
            gr_shortage_now(pool, &job->demand, has_spec ? spec.kind : "", &shortage);
            snprintf(detail, sizeof detail, "%s: %s", text, shortage.text);
            text = detail;
        }
    } else if (job->state == GR_JOB_WAITING) {
        bool would_fit = gr_core_room_tasks(pool->core, &job->demand) >= job->demand.tasks;
        enum gr_refusal bar = gr_core_job_bar(pool->core, job->id);
        code = bar != GR_REFUSED_NOTHING ? gr_refusal_name(bar)
               : would_fit               ? "turn"
                                         : gr_refusal_name(GR_REFUSED_NO_ROOM);
        text = bar != GR_REFUSED_NOTHING ? gr_refusal_text(bar)
               : would_fit               ? "waits for its turn"
                                         : "waits until devices, cpu or memory are free";
    }
    if (code == NULL) {
        return gr_json_set_null(object, "reason");
    }
    json_t *reason = json_object();
    int rc = gr_json_set_text(reason, "code", gr_slice_of(code));
    rc |= gr_json_set_text(reason, "text", gr_slice_of(text));
    if (shortage.hint[0] != '\0') {
        rc |= gr_json_set_text(reason, "hint", gr_slice_of(shortage.hint));
    }
    return rc | gr_json_set(object, "reason", reason);
}

static int set_stop(json_t *object, const struct gr_job *job)
{
    if (job->stop_why == GR_STOP_NOT) {
        return gr_json_set_null(object, "stop");
    }
    json_t *stop = json_object();
    int rc = gr_json_set_text(stop, "why", gr_slice_of(gr_view_stop(job->stop_why)));
    return rc | gr_json_set(object, "stop", stop);
}

static int set_idle(json_t *object, const struct gr_pool *pool, uint64_t job)
{
    const struct gr_live *live = gr_pool_live_find(pool, job);
    if (live == NULL || !live->is_idle) {
        return gr_json_set_null(object, "held_idle");
    }
    json_t *idle = json_object();
    int rc = gr_json_set_int(idle, "since_ms", live->idle_ms);
    rc |= gr_json_set_text(idle, "text", gr_slice_of(live->text == NULL ? "" : live->text));
    return rc | gr_json_set(object, "held_idle", idle);
}

json_t *gr_view_job(struct gr_pool *pool, const struct gr_job *job, bool is_full)
{
    struct gr_job_more more;
    gr_core_job_more(pool->core, job->id, &more);
    json_t *object = json_object();
    int rc = gr_json_set_int(object, "id", (int64_t)job->id);
    rc |= set_array(object, more.array, more.array_index);
    rc |= set_spec(object, pool, job->id, is_full);
    rc |= gr_json_set_text(object, "state", gr_slice_of(gr_view_job_state(pool, job)));
    rc |= set_reason(object, pool, job, is_full);
    rc |= set_demand(object, pool, &job->demand, job->org, job->limit_ms);
    rc |= gr_json_set_int(object, "attempt", job->attempt);
    rc |= gr_json_set_int(object, "attempts", job->attempts);
    rc |= gr_json_set_int(object, "submitted_ms", job->submitted_ms);
    rc |= set_time(object, "placed_ms", job->state == GR_JOB_RUNNING ? job->started_ms : 0);
    rc |= set_time(object, "started_ms", job->began_ms);
    rc |= set_time(object, "checkpoint_ms", job->safe_ms);
    for (unsigned i = 0; i < 5; i++) {
        static const char *const unknown[] = {"ended_ms", "exit_code", "signal", "cpu_ms",
                                              "peak_kib"};
        rc |= gr_json_set_null(object, unknown[i]);
    }
    rc |= gr_json_set_bool(object, "out_of_memory", false);
    rc |= set_places(object, pool, job, is_full);
    rc |= set_stop(object, job);
    rc |= set_idle(object, pool, job->id);
    rc |= set_part(object, pool, job);
    if (is_full) {
        rc |= set_after(object, pool, job);
        rc |= set_unenforced(object, pool, &job->demand);
    }
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

// How it ended: exit code, signal, what it used; all null if it never ran.
static int set_ending(json_t *object, const struct gr_ended *ended)
{
    const struct gr_ending *ending = &ended->ending;
    bool has_run = ended->dropped == 0 && ending->began_ms != 0;
    bool is_lost = ended->dropped == 0 && ending->outcome == GR_OUTCOME_LOST;
    int rc = set_time(object, "started_ms", ending->began_ms);
    if (!has_run || is_lost) {
        rc |= gr_json_set_null(object, "exit_code") | gr_json_set_null(object, "signal");
        rc |= gr_json_set_null(object, "cpu_ms") | gr_json_set_null(object, "peak_kib");
    } else {
        rc |= ending->signal != 0 ? gr_json_set_null(object, "exit_code")
                                  : gr_json_set_int(object, "exit_code", ending->exit_code);
        char name[GR_QUANTITY_TEXT_SIZE];
        rc |= ending->signal == 0
                  ? gr_json_set_null(object, "signal")
                  : gr_json_set_text(object, "signal",
                                     gr_slice_of(gr_signal_format(ending->signal, name)));
        rc |= gr_json_set_int(object, "cpu_ms", (int64_t)ending->cpu_ms);
        rc |= gr_json_set_int(object, "peak_kib", (int64_t)ending->peak_kib);
    }
    rc |= gr_json_set_bool(object, "out_of_memory",
                           ended->dropped == 0 && ending->outcome == GR_OUTCOME_OUT_OF_MEMORY);
    return rc;
}

static int set_ended_reason(json_t *object, const struct gr_ended *ended)
{
    if (ended->dropped == 0 && ended->text[0] == '\0') {
        return gr_json_set_null(object, "reason");
    }
    json_t *reason = json_object();
    int rc;
    if (ended->dropped != 0) {
        rc = gr_json_set_text(reason, "code", gr_slice_of(gr_refusal_name(ended->dropped)));
        rc |= gr_json_set_text(reason, "text", gr_slice_of(gr_refusal_text(ended->dropped)));
    } else {
        rc = gr_json_set_text(reason, "code", gr_slice_of(gr_view_ended_state(ended)));
        rc |= gr_json_set_text(reason, "text", gr_slice_of(ended->text));
    }
    return rc | gr_json_set(object, "reason", reason);
}

// Where it ran.
static int set_nodes(json_t *object, const struct gr_pool *pool, const struct gr_ended *ended)
{
    const struct gr_place *place = gr_core_place(pool->core);
    json_t *nodes = json_array();
    int rc = 0;
    for (uint32_t i = 0; i < ended->node_count; i++) {
        if (ended->nodes[i] < gr_place_node_count(place)) { // what the table says is the world's
            const char *name = gr_place_cold_get(place, ended->nodes[i])->name;
            rc |= gr_json_append(nodes, gr_json_text(gr_slice_of(name)));
        }
    }
    return rc | gr_json_set(object, "nodes", nodes);
}

json_t *gr_view_ended(struct gr_pool *pool, const struct gr_ended *ended, bool is_full)
{
    json_t *object = json_object();
    int rc = gr_json_set_int(object, "id", (int64_t)ended->id);
    rc |= set_array(object, ended->array, ended->array_index);
    rc |= set_spec(object, pool, ended->id, false);
    rc |= gr_json_set_text(object, "state", gr_slice_of(gr_view_ended_state(ended)));
    rc |= set_ended_reason(object, ended);
    rc |= set_demand(object, pool, &ended->demand, ended->org, ended->limit_ms);
    rc |= gr_json_set_int(object, "attempt", ended->attempt);
    rc |= gr_json_set_int(object, "attempts", ended->attempts);
    rc |= gr_json_set_int(object, "submitted_ms", ended->submitted_ms);
    rc |= set_time(object, "placed_ms", ended->placed_ms);
    rc |= gr_json_set_null(object, "checkpoint_ms");
    rc |= gr_json_set_int(object, "ended_ms", ended->ended_ms);
    rc |= set_ending(object, ended);
    rc |= set_nodes(object, pool, ended);
    rc |= gr_json_set_null(object, "stop");
    rc |= gr_json_set_null(object, "held_idle");
    rc |= gr_json_set_null(object, "part");
    if (is_full) {
        rc |= gr_json_set(object, "places", json_array());
        rc |= gr_json_set(object, "after", json_array());
        rc |= set_unenforced(object, pool, &ended->demand);
    }
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}
