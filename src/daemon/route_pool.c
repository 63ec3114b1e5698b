// The pool as a whole, its engines, and metrics, over HTTP: see daemon.h and docs/api.
#include "base/json.h"
#include "core/show.h"
#include "daemon/daemon.h"
#include "daemon/openapi.h"
#include "daemon/view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const no_names[] = {NULL};

// How far the journal has been verified.
static json_t *view_verified(const struct gr_verified *verified)
{
    json_t *object = json_object();
    int rc = gr_json_set_text(object, "state", gr_slice_of(gr_verified_name(verified)));
    rc |= gr_json_set_int(object, "at", (int64_t)verified->at);
    rc |= gr_json_set_int(object, "last", (int64_t)verified->last);
    rc |= gr_json_set_text(object, "problem", gr_slice_of(verified->text));
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

void gr_route_pool(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    if (gr_daemon_query_is_wrong(request, no_names)) {
        return;
    }
    json_t *object = gr_view_pool(daemon->pool);
    json_t *verified = view_verified(gr_verifier_get(daemon->verifier));
    if (object != NULL && gr_json_set(json_object_get(object, "journal"), "verified", verified)) {
        json_decref(object);
        object = NULL;
    } else if (object == NULL) {
        json_decref(verified);
    }
    gr_daemon_reply(daemon, request, 200, object);
}

void gr_route_health(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    bool is_full = gr_commit_is_full(daemon->pool->commit);
    bool is_damaged = gr_verifier_get(daemon->verifier)->state == GR_VERIFIED_DAMAGED;
    const char *text = "{\"ok\":true}";
    if (is_full) {
        text = "{\"ok\":false,\"why\":\"the disk of the journal is full\"}";
    } else if (is_damaged) {
        text = "{\"ok\":true,\"degraded\":true,\"why\":\"the journal is damaged\"}";
    }
    gr_http_reply(request, is_full ? 503 : 200, "application/json", gr_slice_of(text));
}

void gr_route_whoami(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    const struct gr_identity *who = gr_daemon_who(request);
    uint32_t user = gr_pool_user_find(daemon->pool, who->uid);
    uint32_t org = user == UINT32_MAX ? 0 : gr_core_user_get(daemon->pool->core, user)->org;
    json_t *object = json_object();
    int rc = gr_json_set_int(object, "uid", who->uid);
    rc |= gr_json_set_text(object, "name", gr_slice_of(who->name));
    rc |= gr_json_set_bool(object, "operator", who->is_operator);
    rc |= gr_json_set_text(object, "organisation",
                           gr_slice_of(gr_core_org_get(daemon->pool->core, org)->name));
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}

void gr_route_shutdown(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {"dry_run", NULL};
    static const char *const keys[] = {"jobs", NULL};
    bool is_good;
    if (!gr_daemon_who(request)->is_operator) {
        gr_http_reply_error(request, 403, "forbidden", "only an operator may do this", NULL, NULL);
        return;
    }
    if (gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    bool is_dry = gr_daemon_query_flag(request, "dry_run", &is_good);
    json_t *body = is_good ? gr_daemon_body(request, keys) : NULL;
    if (body == NULL) {
        return;
    }
    const char *jobs = json_string_value(json_object_get(body, "jobs"));
    bool stops = jobs != NULL && strcmp(jobs, "stop") == 0;
    bool is_known = json_object_get(body, "jobs") == NULL || stops ||
                    (jobs != NULL && strcmp(jobs, "keep") == 0);
    json_decref(body);
    if (!is_known) {
        gr_http_reply_error(request, 400, "bad-request", "jobs must be keep or stop", NULL, "jobs");
        return;
    }
    if (is_dry) {
        gr_http_reply(request, 200, "application/json",
                      gr_slice_of(stops ? "{\"ending\":false,\"jobs\":\"stop\"}"
                                        : "{\"ending\":false,\"jobs\":\"keep\"}"));
        return;
    }
    daemon->is_ending = true;
    daemon->stops_jobs = stops;
    gr_http_reply(request, 202, "application/json",
                  gr_slice_of(stops ? "{\"ending\":true,\"jobs\":\"stop\"}"
                                    : "{\"ending\":true,\"jobs\":\"keep\"}"));
}

// --- engines

static json_t *view_can(uint32_t can)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{GR_CAN_CHOOSE_NODE, "choose-node"},
                 {GR_CAN_CHOOSE_DEVICE, "choose-device"},
                 {GR_CAN_FRACTION, "fraction"},
                 {GR_CAN_PUSH, "push"},
                 {GR_CAN_FENCE, "fence"},
                 {GR_CAN_LOGS, "logs"},
                 {GR_CAN_CONTAINER, "container"},
                 {GR_CAN_CPU_LIMIT, "cpu-limit"},
                 {GR_CAN_MEMORY_LIMIT, "memory-limit"},
                 {GR_CAN_DEVICE_LIMIT, "device-limit"},
                 {GR_CAN_USERS, "users"},
                 {GR_CAN_KILL_TREE, "kill-tree"}};
    json_t *array = json_array();
    int rc = array == NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((can & names[i].bit) != 0) {
            rc |= gr_json_append(array, gr_json_text(gr_slice_of(names[i].name)));
        }
    }
    if (rc != 0) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static json_t *view_checks(const struct gr_daemon *daemon)
{
    json_t *array = json_array();
    int rc = array == NULL;
    for (int i = 0; i < daemon->check_count; i++) {
        const struct gr_local_check *check = &daemon->checks[i];
        json_t *one = json_object();
        rc |= gr_json_set_text(one, "name", gr_slice_of(check->name));
        rc |= gr_json_set_bool(one, "there", check->is_there);
        rc |= gr_json_set_text(one, "how", gr_slice_of(check->how));
        rc |= gr_json_set_text(one, "without", gr_slice_of(check->without));
        rc |= gr_json_set_text(one, "remedy", gr_slice_of(check->remedy));
        rc |= gr_json_append(array, one);
    }
    if (rc != 0) {
        json_decref(array);
        return NULL;
    }
    return array;
}

// The engines with all that was found out about them; NULL: no memory.
static json_t *view_engines(struct gr_daemon *daemon)
{
    struct gr_pool *pool = daemon->pool;
    json_t *object = json_object();
    json_t *engines = json_array();
    int rc = 0;
    if (pool->engine != NULL) {
        json_t *one = json_object();
        rc |= gr_json_set_text(one, "name", gr_slice_of(pool->engine->ops->name));
        rc |= gr_json_set_text(one, "site", gr_slice_of("local"));
        rc |= gr_json_set_bool(one, "up", pool->engine_is_up);
        rc |= gr_json_set(one, "can", view_can(pool->engine->ops->can(pool->engine)));
        rc |= gr_json_set(one, "checks", view_checks(daemon));
        rc |= gr_json_append(engines, one);
    }
    rc |= gr_json_set(object, "engines", engines);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

void gr_route_engines(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    if (gr_daemon_query_is_wrong(request, no_names)) {
        return;
    }
    if (!daemon->is_checking) {
        gr_daemon_reply(daemon, request, 200, view_engines(daemon));
    } else if (daemon->check_waiter_count == GR_DAEMON_CHECKS) {
        gr_http_reply_error(request, 503, "unavailable", "the engine is still being tried out",
                            "try again in a second", NULL);
    } else {
        gr_http_request_defer(request, NULL);
        daemon->check_waiters[daemon->check_waiter_count++] = request;
    }
}

void gr_route_engines_ready(struct gr_daemon *daemon)
{
    unsigned count = daemon->check_waiter_count;
    daemon->check_waiter_count = 0;
    for (unsigned i = 0; i < count; i++) {
        json_t *object = view_engines(daemon);
        char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
        json_decref(object);
        if (text == NULL) {
            gr_http_reply_error(daemon->check_waiters[i], 503, "unavailable", "no memory", NULL,
                                NULL);
        } else {
            gr_http_reply_take(daemon->check_waiters[i], 200, "application/json", text,
                               strlen(text));
        }
    }
}

// --- metrics: OpenMetrics text

// One family: its head, before its samples.
static void family(FILE *out, const char *name, const char *type, const char *unit,
                   const char *help)
{
    fprintf(out, "# TYPE %s %s\n", name, type);
    if (unit[0] != '\0') {
        fprintf(out, "# UNIT %s %s\n", name, unit);
    }
    fprintf(out, "# HELP %s %s\n", name, help);
}

// A label's value with what OpenMetrics escapes.
static void label(FILE *out, const char *name, const char *value, bool is_first)
{
    fprintf(out, "%s%s=\"", is_first ? "" : ",", name);
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            fputc('\\', out);
        }
        if (*at == '\n') {
            fputs("\\n", out);
        } else {
            fputc(*at, out);
        }
    }
    fputc('"', out);
}

// How often waiting jobs are looked at for their reasons, and how many rows of jobs then.
#define REASONS_MS 10000
#define REASONS_ROWS 100000

// Waiting jobs by what keeps them, as of at_ms.
struct reasons {
    int64_t at_ms;
    uint32_t terms, quota, room;
};

static void reasons_count(const struct gr_pool *pool, int64_t now_ms, struct reasons *reasons)
{
    uint32_t cursor = 0;
    const struct gr_job *job;
    *reasons = (struct reasons){.at_ms = now_ms};
    while (cursor < REASONS_ROWS && (job = gr_core_job_next(pool->core, &cursor)) != NULL) {
        if (job->state == GR_JOB_WAITING) {
            enum gr_refusal bar = gr_core_job_bar(pool->core, job->id);
            reasons->terms += bar == GR_REFUSED_TERMS;
            reasons->quota += bar == GR_REFUSED_QUOTA;
            reasons->room += bar == GR_REFUSED_NOTHING;
        }
    }
}

static void write_reasons(FILE *out, const struct gr_pool *pool)
{
    static struct reasons reasons; // of the pool; there is one
    int64_t now_ms = gr_pool_now(pool);
    if (reasons.at_ms == 0 || now_ms - reasons.at_ms >= REASONS_MS || now_ms < reasons.at_ms) {
        reasons_count(pool, now_ms, &reasons);
    }
    family(out, "granary_jobs_waiting", "gauge", "",
           "Jobs that wait by reason, counted at most every 10 s among the first 100000 jobs");
    fprintf(out, "granary_jobs_waiting{reason=\"terms\"} %u\n", reasons.terms);
    fprintf(out, "granary_jobs_waiting{reason=\"quota\"} %u\n", reasons.quota);
    fprintf(out, "granary_jobs_waiting{reason=\"room\"} %u\n", reasons.room);
}

static void write_jobs(FILE *out, const struct gr_pool *pool)
{
    family(out, "granary_jobs", "gauge", "", "Jobs by state");
    fprintf(out, "granary_jobs{state=\"held\"} %u\n", gr_core_held(pool->core));
    fprintf(out, "granary_jobs{state=\"waiting\"} %u\n", gr_core_waiting(pool->core));
    fprintf(out, "granary_jobs{state=\"running\"} %u\n", gr_core_running(pool->core));
    write_reasons(out, pool);
    family(out, "granary_jobs_submitted", "counter", "", "Jobs accepted since the daemon started");
    fprintf(out, "granary_jobs_submitted_total %" PRIu64 "\n", pool->submitted_total);
    family(out, "granary_jobs_placed", "counter", "", "Attempts placed since the daemon started");
    fprintf(out, "granary_jobs_placed_total %" PRIu64 "\n", pool->placed_total);
    family(out, "granary_jobs_ended", "counter", "",
           "Jobs that ended since the daemon started, by outcome");
    for (unsigned o = 0; o < GR_OUTCOMES; o++) {
        struct gr_ended ended = {.ending = {.outcome = o}};
        fprintf(out, "granary_jobs_ended_total{outcome=\"%s\"} %" PRIu64 "\n",
                gr_view_ended_state(&ended), pool->ended_total[o]);
    }
    fprintf(out, "granary_jobs_ended_total{outcome=\"dropped\"} %" PRIu64 "\n",
            pool->ended_total[15]);
}

static void write_pool(FILE *out, const struct gr_daemon *daemon)
{
    struct gr_pool *pool = daemon->pool;
    struct gr_device_time time = gr_core_device_time_at(pool->core, gr_pool_now(pool));
    uint64_t groups;
    uint64_t bytes;
    gr_commit_counts(pool->commit, &groups, &bytes);
    family(out, "granary_device_seconds", "counter", "seconds",
           "Device-time since the first fact, by state");
    const struct {
        const char *name;
        unsigned __int128 dms;
    } states[] = {{"used", time.used},
                  {"idle", time.idle},
                  {"maintenance", time.maintenance},
                  {"broken", time.broken}};
    for (size_t i = 0; i < 4; i++) {
        fprintf(out, "granary_device_seconds_total{state=\"%s\"} %" PRIu64 ".%03u\n",
                states[i].name, (uint64_t)(states[i].dms / 1000000),
                (unsigned)(states[i].dms / 1000 % 1000));
    }
    family(out, "granary_journal_sequence", "gauge", "", "Sequence of the newest durable fact");
    fprintf(out, "granary_journal_sequence %" PRIu64 "\n", gr_commit_durable(pool->commit));
    family(out, "granary_journal_groups", "counter", "", "Groups made durable since the start");
    fprintf(out, "granary_journal_groups_total %" PRIu64 "\n", groups);
    family(out, "granary_journal_bytes", "counter", "bytes", "Bytes made durable since the start");
    fprintf(out, "granary_journal_bytes_total %" PRIu64 "\n", bytes);
    family(out, "granary_journal_waiting_bytes", "gauge", "bytes", "Bytes that wait for the disk");
    fprintf(out, "granary_journal_waiting_bytes %zu\n", gr_commit_bytes(pool->commit));
    family(out, "granary_journal_full", "gauge", "", "1 while the disk of the journal is full");
    fprintf(out, "granary_journal_full %d\n", gr_commit_is_full(pool->commit));
    const struct gr_verified *verified = gr_verifier_get(daemon->verifier);
    family(out, "granary_journal_verified_sequence", "gauge", "",
           "Sequence up to which the journal was verified since the start");
    fprintf(out, "granary_journal_verified_sequence %" PRIu64 "\n", verified->at);
    family(out, "granary_journal_damaged", "gauge", "",
           "1 if verifying found the journal damaged; `granary pool` says where");
    fprintf(out, "granary_journal_damaged %d\n", verified->state == GR_VERIFIED_DAMAGED);
    family(out, "granary_journal_unverified", "gauge", "",
           "1 if the journal could not be verified; `granary pool` says why");
    fprintf(out, "granary_journal_unverified %d\n", verified->state == GR_VERIFIED_FAILED);
    family(out, "granary_history_sequence", "gauge", "",
           "Sequence up to which the table of ended jobs is complete");
    fprintf(out, "granary_history_sequence %" PRIu64 "\n", gr_history_upto(pool->history));
    char problem[160];
    gr_history_problem(pool->history, problem, sizeof problem);
    family(out, "granary_history_failed", "gauge", "",
           "1 while the table of ended jobs cannot be written; `granary pool` says why");
    fprintf(out, "granary_history_failed %d\n", problem[0] != '\0');
    family(out, "granary_engine_up", "gauge", "", "1 while the engine is reached");
    fprintf(out, "granary_engine_up %d\n", pool->engine_is_up);
    family(out, "granary_http_requests", "counter", "", "Requests served since the start");
    fprintf(out, "granary_http_requests_total %" PRIu64 "\n", daemon->requests);
    family(out, "granary_http_connections", "gauge", "", "Open connections");
    fprintf(out, "granary_http_connections %u\n", gr_http_connections(daemon->http));
    family(out, "granary_event_streams", "gauge", "", "Open streams of events");
    fprintf(out, "granary_event_streams %u\n", gr_events_streams(daemon->events));
}

// One measurement of all devices that have it, under the name that dashboards know from DCGM.
static void write_measure(FILE *out, const struct gr_pool *pool, const char *name, const char *type,
                          const char *help, unsigned bit,
                          uint64_t (*get)(const struct gr_device *device))
{
    family(out, name, type, "", help);
    const struct gr_place *place = gr_core_place(pool->core);
    uint32_t count = gr_place_node_count(place);
    for (uint32_t n = 0; n < count; n++) {
        const struct gr_pool_node *node = &pool->nodes[n];
        for (uint32_t d = 0; d < node->device_count; d++) {
            const struct gr_device *device = &pool->devices.devices[node->device_first + d];
            if (bit != 0 && (device->known & bit) == 0) {
                continue;
            }
            char number[16];
            snprintf(number, sizeof number, "%" PRIu32, d);
            fprintf(out, "%s{", name);
            label(out, "gpu", number, true);
            label(out, "UUID", device->uuid, false);
            label(out, "pci_bus_id", device->address, false);
            label(out, "modelName", device->name, false);
            label(out, "variant", device->variant, false);
            label(out, "node", gr_place_cold_get(place, n)->name, false);
            label(out, "pretend", device->is_pretend ? "true" : "false", false);
            fprintf(out, "} %" PRIu64 "\n", get(device));
        }
    }
}

static uint64_t get_use(const struct gr_device *device)
{
    return device->utilisation;
}

static uint64_t get_memory_used(const struct gr_device *device)
{
    return device->memory_used_mib;
}

static uint64_t get_temperature(const struct gr_device *device)
{
    return device->temperature;
}

static uint64_t get_power(const struct gr_device *device)
{
    return device->power_mw / 1000;
}

static uint64_t get_xid(const struct gr_device *device)
{
    return device->xid;
}

static uint64_t get_health(const struct gr_device *device)
{
    return device->health;
}

static void write_devices(FILE *out, const struct gr_pool *pool)
{
    write_measure(out, pool, "DCGM_FI_DEV_GPU_UTIL", "gauge", "Utilisation in percent",
                  GR_DEVICE_UTILISATION, get_use);
    write_measure(out, pool, "DCGM_FI_DEV_FB_USED", "gauge", "Memory used in MiB",
                  GR_DEVICE_MEMORY_USED, get_memory_used);
    write_measure(out, pool, "DCGM_FI_DEV_GPU_TEMP", "gauge", "Temperature in degrees Celsius",
                  GR_DEVICE_TEMPERATURE, get_temperature);
    write_measure(out, pool, "DCGM_FI_DEV_POWER_USAGE", "gauge", "Power in watts", GR_DEVICE_POWER,
                  get_power);
    write_measure(out, pool, "DCGM_FI_DEV_XID_ERRORS", "gauge", "Last XID", GR_DEVICE_XID, get_xid);
    write_measure(out, pool, "granary_device_health", "gauge",
                  "0 good, 1 app, 2 watch, 3 reset, 4 repair, 5 gone", 0, get_health);
}

void gr_route_metrics(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out != NULL) {
        write_jobs(out, daemon->pool);
        write_pool(out, daemon);
        write_devices(out, daemon->pool);
        fputs("# EOF\n", out);
        if (fclose(out) != 0) {
            free(text);
            text = NULL;
        }
    }
    gr_daemon_reply_text(daemon, request, 200,
                         "application/openmetrics-text; version=1.0.0; charset=utf-8", text, size);
}

void gr_route_openapi(void *context, struct gr_http_request *request)
{
    (void)context;
    gr_http_reply(request, 200, "application/json", gr_shipped_openapi());
}
