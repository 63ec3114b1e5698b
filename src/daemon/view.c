// Nodes, devices, pool and facts as the API shows them: see view.h.
#include "daemon/view.h"

#include "base/json.h"
#include "base/number.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

const char *gr_view_user(uint32_t uid)
{
    static struct {
        uint32_t uid;
        char name[64];
    } cache[256]; // by uid; user databases are slow and seldom change
    unsigned at = uid % 256;
    if (cache[at].name[0] != '\0' && cache[at].uid == uid) {
        return cache[at].name;
    }
    char room[4096];
    struct passwd row;
    struct passwd *found = NULL;
    cache[at].uid = uid;
    if (getpwuid_r(uid, &row, room, sizeof room, &found) == 0 && found != NULL) {
        snprintf(cache[at].name, sizeof cache[at].name, "%s", row.pw_name);
    } else {
        snprintf(cache[at].name, sizeof cache[at].name, "uid-%" PRIu32, uid);
    }
    return cache[at].name;
}

bool gr_view_uid(struct gr_slice name, uint32_t *ret_uid)
{
    int64_t number;
    struct gr_slice digits = name;
    if (name.size > 4 && memcmp(name.text, "uid-", 4) == 0) {
        digits = (struct gr_slice){name.text + 4, name.size - 4};
    }
    if (gr_number_read_int(digits, 0, UINT32_MAX - 1, &number) == 0) {
        *ret_uid = (uint32_t)number;
        return true;
    }
    char text[64];
    char room[4096];
    struct passwd row;
    struct passwd *found = NULL;
    if (name.size >= sizeof text) {
        return false;
    }
    snprintf(text, sizeof text, "%.*s", (int)name.size, name.text);
    if (getpwnam_r(text, &row, room, sizeof room, &found) != 0 || found == NULL) {
        return false;
    }
    *ret_uid = found->pw_uid;
    return true;
}

static const char *const node_states[] = {
    [GR_NODE_UP] = "up", [GR_NODE_DRAINED] = "drained", [GR_NODE_BROKEN] = "broken"};

static int piece_compare(const void *a, const void *b)
{
    uint32_t left = ((const struct gr_piece *)a)->node, right = ((const struct gr_piece *)b)->node;
    return left < right ? -1 : left > right;
}

// Calls `each` once for every node that a running job holds something of.
static void each_held(struct gr_pool *pool,
                      void (*each)(void *context, uint32_t node, uint64_t job), void *context)
{
    uint32_t cursor = 0;
    uint32_t left = gr_core_running(pool->core);
    const struct gr_job *job;
    while (left > 0 && (job = gr_core_job_next(pool->core, &cursor)) != NULL) {
        if (job->state != GR_JOB_RUNNING) {
            continue;
        }
        left--;
        uint32_t count = gr_core_job_pieces(pool->core, job->id, pool->pieces, job->demand.tasks);
        if (job->is_parted) {
            qsort(pool->pieces, count, sizeof *pool->pieces, piece_compare);
        }
        for (uint32_t i = 0; i < count; i++) { // those of one node follow each other
            if (i == 0 || pool->pieces[i].node != pool->pieces[i - 1].node) {
                each(context, pool->pieces[i].node, job->id);
            }
        }
    }
}

static void count_held(void *context, uint32_t node, uint64_t job)
{
    (void)job;
    ((uint32_t *)context)[node]++;
}

void gr_view_jobs_count(struct gr_pool *pool, uint32_t *ret_counts)
{
    each_held(pool, count_held, ret_counts);
}

struct ids_of {
    uint32_t node;
    json_t *ids;
    int rc;
};

static void add_held(void *context, uint32_t node, uint64_t job)
{
    struct ids_of *of = context;
    if (node == of->node) {
        of->rc |= gr_json_append(of->ids, json_integer((json_int_t)job));
    }
}

json_t *gr_view_node(struct gr_pool *pool, uint32_t node, const uint32_t *counts)
{
    const struct gr_place *place = gr_core_place(pool->core);
    const struct gr_node *row = gr_place_node_get(place, node);
    const struct gr_node_cold *cold = gr_place_cold_get(place, node);
    const struct gr_site *site = gr_core_site_get(pool->core, row->site);
    json_t *object = json_object();
    json_t *free_milli = json_array();
    json_t *out = json_array();
    int rc = 0;
    for (uint32_t d = 0; d < row->devices; d++) {
        rc |= gr_json_append(free_milli, json_integer(row->free[d]));
        if ((cold->out >> d & 1u) != 0) {
            rc |= gr_json_append(out, json_integer(d));
        }
    }
    rc |= gr_json_set_text(object, "name", gr_slice_of(cold->name));
    rc |= gr_json_set_text(object, "site", gr_slice_of(site->name));
    rc |= gr_json_set_text(object, "state", gr_slice_of(node_states[row->state]));
    if (row->devices > 0) {
        rc |= gr_json_set_text(object, "variant",
                               gr_slice_of(gr_core_variant_get(pool->core, row->variant)));
    } else {
        rc |= gr_json_set_null(object, "variant");
    }
    rc |= gr_json_set_bool(object, "pretend", row->site == pool->site_pretend);
    rc |= gr_json_set_int(object, "devices", row->devices);
    rc |= gr_json_set(object, "free_milli", free_milli);
    rc |= gr_json_set(object, "out", out);
    rc |= gr_json_set_decimal(object, "cpu", cold->cpu_milli, 3);
    rc |= gr_json_set_decimal(object, "cpu_free", row->cpu_milli, 3);
    rc |= gr_json_set_int(object, "memory_mib", cold->memory_mib);
    rc |= gr_json_set_int(object, "memory_free_mib", row->memory_mib);
    struct ids_of of = {.node = node};
    if (counts == NULL) {
        of.ids = json_array();
        each_held(pool, add_held, &of);
    }
    rc |= of.rc;
    rc |= gr_json_set_int(object, "jobs",
                          counts != NULL ? counts[node] : (int64_t)json_array_size(of.ids));
    const struct gr_window *window = gr_core_node_window(pool->core, node);
    rc |= window == NULL ? gr_json_set_null(object, "window")
                         : gr_json_set_text(object, "window", gr_slice_of(window->name));
    if (pool->nodes[node].why[0] != '\0') {
        rc |= gr_json_set_text(object, "why", gr_slice_of(pool->nodes[node].why));
    } else {
        rc |= gr_json_set_null(object, "why");
    }
    if (counts == NULL) {
        rc |= gr_json_set(object, "running", of.ids);
    }
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

// A number that was measured, or null.
static int set_known(json_t *object, const char *key, const struct gr_device *device, unsigned bit,
                     uint64_t value)
{
    return (device->known & bit) != 0 ? gr_json_set_int(object, key, (int64_t)value)
                                      : gr_json_set_null(object, key);
}

static json_t *view_device(struct gr_pool *pool, uint32_t node, uint32_t index,
                           const struct gr_device *device)
{
    const struct gr_place *place = gr_core_place(pool->core);
    json_t *object = json_object();
    int rc = 0;
    if (node != UINT32_MAX) {
        const struct gr_node_cold *cold = gr_place_cold_get(place, node);
        rc |= gr_json_set_text(object, "node", gr_slice_of(cold->name));
        rc |= gr_json_set_int(object, "index", index);
        rc |= gr_json_set_int(object, "free_milli", gr_place_node_get(place, node)->free[index]);
        rc |= gr_json_set_bool(object, "out", (cold->out >> index & 1u) != 0);
    } else {
        rc |= gr_json_set_null(object, "node");
        rc |= gr_json_set_null(object, "index");
        rc |= gr_json_set_int(object, "free_milli", 0);
        rc |= gr_json_set_bool(object, "out", true);
    }
    rc |= gr_json_set_text(object, "variant", gr_slice_of(device->variant));
    rc |= gr_json_set_text(object, "name", gr_slice_of(device->name));
    rc |= gr_json_set_text(object, "vendor", gr_slice_of(device->vendor));
    rc |= gr_json_set_text(object, "uuid", gr_slice_of(device->uuid));
    rc |= gr_json_set_text(object, "address", gr_slice_of(device->address));
    rc |= gr_json_set_bool(object, "pretend", device->is_pretend);
    rc |= gr_json_set_text(object, "health", gr_slice_of(gr_health_name(device->health)));
    rc |= gr_json_set_text(object, "code", gr_slice_of(device->code));
    rc |= gr_json_set_text(object, "problem", gr_slice_of(device->problem));
    rc |= set_known(object, "memory_mib", device, GR_DEVICE_MEMORY, device->memory_mib);
    rc |= set_known(object, "memory_used_mib", device, GR_DEVICE_MEMORY_USED,
                    device->memory_used_mib);
    rc |= set_known(object, "utilisation", device, GR_DEVICE_UTILISATION, device->utilisation);
    rc |= set_known(object, "temperature", device, GR_DEVICE_TEMPERATURE, device->temperature);
    rc |= set_known(object, "power_mw", device, GR_DEVICE_POWER, device->power_mw);
    rc |= set_known(object, "ecc_errors", device, GR_DEVICE_ECC, device->ecc_errors);
    rc |= set_known(object, "xid", device, GR_DEVICE_XID, device->xid);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

// Part of a list.
struct part {
    json_t *array;
    uint32_t at, first, limit, next;
};

// Whether the row that comes now is in it.
static bool part_takes(struct part *part)
{
    uint32_t at = part->at++;
    if (at >= part->first && json_array_size(part->array) < part->limit) {
        return true;
    }
    part->next = at >= part->first && part->next == 0 ? at : part->next;
    return false;
}

json_t *gr_view_devices(struct gr_pool *pool, uint32_t first, uint32_t limit, uint32_t *ret_next)
{
    const struct gr_place *place = gr_core_place(pool->core);
    json_t *array = json_array();
    int rc = array == NULL;
    struct part part = {.array = array, .first = first, .limit = limit};
    uint32_t nodes = gr_place_node_count(place);
    bool seen[GR_DEVICES_MAX] = {false};
    for (uint32_t n = 0; n < nodes; n++) {
        const struct gr_pool_node *node = &pool->nodes[n];
        for (uint32_t d = 0; d < node->device_count; d++) {
            const struct gr_device *device = &pool->devices.devices[node->device_first + d];
            seen[node->device_first + d] = true;
            if (part_takes(&part)) {
                rc |= gr_json_append(array, view_device(pool, n, d, device));
            }
        }
    }
    for (size_t i = 0; i < pool->devices.count; i++) {
        // No catalogue row is known for it: shown, never given.
        if (!seen[i] && part_takes(&part)) {
            rc |=
                gr_json_append(array, view_device(pool, UINT32_MAX, 0, &pool->devices.devices[i]));
        }
    }
    if (rc != 0) {
        json_decref(array);
        return NULL;
    }
    *ret_next = part.next;
    return array;
}

// 128-bit milli x milliseconds as a text, in device-seconds with three digits.
static int set_device_time(json_t *object, const char *key, unsigned __int128 dms)
{
    uint64_t milliseconds = (uint64_t)(dms / 1000); // of whole devices
    char text[48];
    snprintf(text, sizeof text, "%" PRIu64 ".%03u", milliseconds / 1000,
             (unsigned)(milliseconds % 1000));
    return gr_json_set_text(object, key, gr_slice_of(text));
}

static json_t *view_counts(struct gr_pool *pool)
{
    const struct gr_place *place = gr_core_place(pool->core);
    uint32_t nodes = gr_place_node_count(place);
    int64_t states[GR_NODE_STATES] = {0};
    int64_t devices = 0;
    int64_t pretend = 0;
    int64_t out = 0;
    for (uint32_t n = 0; n < nodes; n++) {
        const struct gr_node *row = gr_place_node_get(place, n);
        states[row->state]++;
        devices += row->devices;
        pretend += row->site == pool->site_pretend ? row->devices : 0;
        out += __builtin_popcount(gr_place_cold_get(place, n)->out);
    }
    json_t *object = json_object();
    json_t *node_counts = json_object();
    json_t *device_counts = json_object();
    int rc = 0;
    for (unsigned s = 0; s < GR_NODE_STATES; s++) {
        rc |= gr_json_set_int(node_counts, node_states[s], states[s]);
    }
    struct gr_place_totals totals = gr_place_totals_get(place);
    rc |= gr_json_set_int(device_counts, "total", devices);
    rc |= gr_json_set_int(device_counts, "pretend", pretend);
    rc |= gr_json_set_int(device_counts, "out", out);
    rc |= gr_json_set_int(device_counts, "free_milli", (int64_t)totals.free_milli[GR_NODE_UP]);
    rc |= gr_json_set(object, "nodes", node_counts);
    rc |= gr_json_set(object, "devices", device_counts);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *gr_view_pool(struct gr_pool *pool)
{
    json_t *object = view_counts(pool);
    json_t *jobs = json_object();
    json_t *time = json_object();
    json_t *journal = json_object();
    json_t *history = json_object();
    json_t *engine = json_object();
    struct gr_device_time device_time = gr_core_device_time_at(pool->core, gr_pool_now(pool));
    int rc = object == NULL;
    rc |= gr_json_set_text(object, "version", gr_slice_of(GR_VERSION));
    rc |= gr_json_set_int(object, "epoch", gr_journal_tip_get(pool->journal).epoch);
    rc |= gr_json_set_int(object, "sequence", (int64_t)gr_core_next_sequence(pool->core) - 1);
    rc |= gr_json_set_text(object, "state_dir", gr_slice_of(pool->dir.path));
    rc |= gr_json_set_int(object, "started_ms", pool->started_ms);
    rc |= gr_json_set_int(object, "now_ms", gr_pool_now(pool));
    rc |= gr_json_set_bool(object, "clock_doubted", pool->clock.is_doubted);
    rc |= gr_json_set_text(object, "policy",
                           gr_slice_of(gr_place_policy_name(gr_core_place(pool->core))));
    rc |= gr_json_set_int(jobs, "held", gr_core_held(pool->core));
    rc |= gr_json_set_int(jobs, "waiting", gr_core_waiting(pool->core));
    rc |= gr_json_set_int(jobs, "running", gr_core_running(pool->core));
    rc |= gr_json_set(object, "jobs", jobs);
    rc |= set_device_time(time, "used", device_time.used);
    rc |= set_device_time(time, "idle", device_time.idle);
    rc |= set_device_time(time, "maintenance", device_time.maintenance);
    rc |= set_device_time(time, "broken", device_time.broken);
    rc |= gr_json_set(object, "device_time", time);
    rc |= gr_json_set_int(journal, "durable", (int64_t)gr_commit_durable(pool->commit));
    rc |= gr_json_set_int(journal, "snapshot", (int64_t)pool->snapshot_at);
    rc |= gr_json_set_bool(journal, "full", gr_commit_is_full(pool->commit));
    char problem[160];
    gr_history_problem(pool->history, problem, sizeof problem);
    rc |= gr_json_set_text(history, "problem", gr_slice_of(problem));
    rc |= gr_json_set_int(history, "upto", (int64_t)gr_history_upto(pool->history));
    rc |= gr_json_set(object, "journal", journal);
    rc |= gr_json_set(object, "history", history);
    rc |= gr_json_set_text(engine, "name",
                           gr_slice_of(pool->engine == NULL ? "none" : pool->engine->ops->name));
    rc |= gr_json_set_bool(engine, "up", pool->engine_is_up);
    rc |= gr_json_set(object, "engine", engine);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

// The job that a fact is about; 0: none.
static uint64_t job_of(const struct gr_event *event)
{
    switch ((int)event->type) {
    case GR_JOB_SUBMITTED:
        return event->sequence;
    case GR_JOB_PLACED:
        return event->placed.job;
    case GR_JOB_STARTED:
        return event->started.job;
    case GR_JOB_FINISHED:
        return event->finished.job;
    case GR_JOB_REQUEUED:
        return event->requeued.job;
    case GR_JOB_DROPPED:
        return event->dropped.job;
    case GR_STOP_ASKED:
        return event->stop_asked.job;
    case GR_ROOM_RESERVED:
        return event->reserved.job;
    case GR_CHECKPOINTED:
        return event->checkpointed.job;
    case GR_ROOM_HELD:
        return event->held.job;
    case GR_ROOM_FREED:
        return event->freed.job;
    case GR_PART_LOST:
        return event->part_lost.job;
    case GR_PART_PLACED:
        return event->part_placed.job;
    default:
        return 0;
    }
}

static const char *const outcomes[GR_OUTCOMES] = {
    [GR_OUTCOME_DONE] = "done",
    [GR_OUTCOME_FAILED] = "failed",
    [GR_OUTCOME_STOPPED] = "stopped",
    [GR_OUTCOME_TIME_LIMIT] = "time-limit",
    [GR_OUTCOME_OUT_OF_MEMORY] = "out-of-memory",
    [GR_OUTCOME_NODE] = "node-failed",
    [GR_OUTCOME_LOST] = "lost",
    [GR_OUTCOME_NOT_STARTED] = "not-started",
    [GR_OUTCOME_RECLAIMED] = "reclaimed",
};

json_t *gr_view_event(const struct gr_view_names *names, const struct gr_event *event)
{
    json_t *object = json_object();
    uint64_t job = job_of(event);
    int rc = 0;
    rc |= gr_json_set_int(object, "sequence", (int64_t)event->sequence);
    rc |= gr_json_set_int(object, "at_ms", event->at_ms);
    rc |= gr_json_set_int(object, "since_ms", event->since_ms);
    rc |= gr_json_set_text(object, "type", gr_slice_of(gr_event_type_name(event->type)));
    if (job != 0) {
        rc |= gr_json_set_int(object, "job", (int64_t)job);
    }
    const struct gr_ending *ending = event->type == GR_JOB_FINISHED   ? &event->finished.ending
                                     : event->type == GR_JOB_REQUEUED ? &event->requeued.ending
                                                                      : NULL;
    if (ending != NULL && ending->outcome < GR_OUTCOMES) {
        rc |= gr_json_set_text(object, "outcome", gr_slice_of(outcomes[ending->outcome]));
        rc |= gr_json_set_int(object, "exit_code", ending->exit_code);
    }
    if (event->type == GR_JOB_DROPPED) {
        rc |= gr_json_set_text(object, "why", gr_slice_of(gr_refusal_name(event->dropped.why)));
    }
    if (event->type == GR_PART_LOST) {
        rc |= gr_json_set_int(object, "task", event->part_lost.task);
        rc |= gr_json_set_int(object, "node", event->part_lost.node);
    }
    if (event->type == GR_PART_PLACED) {
        rc |= gr_json_set_int(object, "part", event->part_placed.part);
        rc |= gr_json_set_int(object, "tasks", event->piece_count);
    }
    if (event->type == GR_NODE_STATE_SET) {
        rc |= gr_json_set_int(object, "node", event->node_state.node);
        rc |= gr_json_set_text(object, "state", gr_slice_of(node_states[event->node_state.state]));
    }
    rc |= gr_view_hold(object, event);
    rc |= gr_view_window_event(object, names, event);
    rc |= gr_view_terms(object, names, event);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

const char *gr_view_ended_state(const struct gr_ended *ended)
{
    if (ended->dropped == GR_REFUSED_BY_USER) {
        return "stopped";
    }
    return ended->dropped != 0 ? "dropped" : outcomes[ended->ending.outcome % GR_OUTCOMES];
}
