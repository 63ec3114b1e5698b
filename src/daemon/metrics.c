// GET /metrics: what the daemon knows as OpenMetrics text. See metrics.h.
#include "daemon/metrics.h"

#include "core/show.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void gr_metrics_family(FILE *out, const char *name, const char *type, const char *unit,
                       const char *help)
{
    fprintf(out, "# TYPE %s %s\n", name, type);
    if (unit[0] != '\0') {
        fprintf(out, "# UNIT %s %s\n", name, unit);
    }
    fprintf(out, "# HELP %s %s\n", name, help);
}

void gr_metrics_label(FILE *out, const char *name, const char *value, bool is_first)
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

void gr_metrics_created(FILE *out, const char *name, const char *labels, int64_t created_ms)
{
    fprintf(out, "%s_created%s %" PRId64 ".%03d\n", name, labels, created_ms / 1000,
            (int)(created_ms % 1000));
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
    gr_metrics_family(
        out, "granary_jobs_waiting", "gauge", "",
        "Jobs that wait by reason, counted at most every 10 s among the first 100000 jobs");
    fprintf(out, "granary_jobs_waiting{reason=\"terms\"} %u\n", reasons.terms);
    fprintf(out, "granary_jobs_waiting{reason=\"quota\"} %u\n", reasons.quota);
    fprintf(out, "granary_jobs_waiting{reason=\"room\"} %u\n", reasons.room);
}

// Running gangs that lost tasks with their nodes or devices.
static void write_parts(FILE *out, const struct gr_pool *pool)
{
    struct gr_core_part part;
    uint32_t cursor = 0, mending = 0;
    while (gr_core_part_next(pool->core, &cursor, &part)) {
        mending += part.missing > 0;
    }
    gr_metrics_family(out, "granary_jobs_mending", "gauge", "",
                      "Running jobs that lack lost tasks");
    fprintf(out, "granary_jobs_mending %u\n", mending);
    gr_metrics_family(out, "granary_parts_replaced", "counter", "",
                      "Lost tasks of running jobs that were replaced since the daemon started");
    fprintf(out, "granary_parts_replaced_total %" PRIu64 "\n", gr_pool_parts_replaced(pool));
    gr_metrics_created(out, "granary_parts_replaced", "", pool->started_ms);
}

static void write_jobs(FILE *out, const struct gr_pool *pool)
{
    gr_metrics_family(out, "granary_jobs", "gauge", "", "Jobs by state");
    fprintf(out, "granary_jobs{state=\"held\"} %u\n", gr_core_held(pool->core));
    fprintf(out, "granary_jobs{state=\"waiting\"} %u\n", gr_core_waiting(pool->core));
    fprintf(out, "granary_jobs{state=\"running\"} %u\n", gr_core_running(pool->core));
    write_parts(out, pool);
    write_reasons(out, pool);
    gr_metrics_family(out, "granary_jobs_submitted", "counter", "",
                      "Jobs accepted since the daemon started");
    fprintf(out, "granary_jobs_submitted_total %" PRIu64 "\n", pool->submitted_total);
    gr_metrics_created(out, "granary_jobs_submitted", "", pool->started_ms);
    gr_metrics_family(out, "granary_jobs_placed", "counter", "",
                      "Attempts placed since the daemon started");
    fprintf(out, "granary_jobs_placed_total %" PRIu64 "\n", pool->placed_total);
    gr_metrics_created(out, "granary_jobs_placed", "", pool->started_ms);
    gr_metrics_family(out, "granary_jobs_ended", "counter", "",
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
    gr_metrics_family(out, "granary_device_seconds", "counter", "seconds",
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
    gr_metrics_family(out, "granary_journal_sequence", "gauge", "",
                      "Sequence of the newest durable fact");
    fprintf(out, "granary_journal_sequence %" PRIu64 "\n", gr_commit_durable(pool->commit));
    gr_metrics_family(out, "granary_journal_groups", "counter", "",
                      "Groups made durable since the start");
    fprintf(out, "granary_journal_groups_total %" PRIu64 "\n", groups);
    gr_metrics_family(out, "granary_journal_bytes", "counter", "bytes",
                      "Bytes made durable since the start");
    fprintf(out, "granary_journal_bytes_total %" PRIu64 "\n", bytes);
    gr_metrics_family(out, "granary_journal_waiting_bytes", "gauge", "bytes",
                      "Bytes that wait for the disk");
    fprintf(out, "granary_journal_waiting_bytes %zu\n", gr_commit_bytes(pool->commit));
    gr_metrics_family(out, "granary_journal_full", "gauge", "",
                      "1 while the disk of the journal is full");
    fprintf(out, "granary_journal_full %d\n", gr_commit_is_full(pool->commit));
    const struct gr_verified *verified = gr_verifier_get(daemon->verifier);
    gr_metrics_family(out, "granary_journal_verified_sequence", "gauge", "",
                      "Sequence up to which the journal was verified since the start");
    fprintf(out, "granary_journal_verified_sequence %" PRIu64 "\n", verified->at);
    gr_metrics_family(out, "granary_journal_damaged", "gauge", "",
                      "1 if verifying found the journal damaged; `granary pool` says where");
    fprintf(out, "granary_journal_damaged %d\n", verified->state == GR_VERIFIED_DAMAGED);
    gr_metrics_family(out, "granary_journal_unverified", "gauge", "",
                      "1 if the journal could not be verified; `granary pool` says why");
    fprintf(out, "granary_journal_unverified %d\n", verified->state == GR_VERIFIED_FAILED);
    gr_metrics_family(out, "granary_history_sequence", "gauge", "",
                      "Sequence up to which the table of ended jobs is complete");
    fprintf(out, "granary_history_sequence %" PRIu64 "\n", gr_history_upto(pool->history));
    char problem[160];
    gr_history_problem(pool->history, problem, sizeof problem);
    gr_metrics_family(out, "granary_history_failed", "gauge", "",
                      "1 while the table of ended jobs cannot be written; `granary pool` says why");
    fprintf(out, "granary_history_failed %d\n", problem[0] != '\0');
    gr_metrics_family(out, "granary_engine_up", "gauge", "", "1 while the engine is reached");
    fprintf(out, "granary_engine_up %d\n", pool->engine_is_up);
    gr_metrics_family(out, "granary_http_requests", "counter", "",
                      "Requests served since the start");
    fprintf(out, "granary_http_requests_total %" PRIu64 "\n", daemon->requests);
    gr_metrics_family(out, "granary_http_connections", "gauge", "", "Open connections");
    fprintf(out, "granary_http_connections %u\n", gr_http_connections(daemon->http));
    gr_metrics_family(out, "granary_event_streams", "gauge", "", "Open streams of events");
    fprintf(out, "granary_event_streams %u\n", gr_events_streams(daemon->events));
}

// One measurement of all devices that have it, under the name that dashboards know from DCGM.
static void write_measure(FILE *out, const struct gr_pool *pool, const char *name, const char *type,
                          const char *help, unsigned bit,
                          uint64_t (*get)(const struct gr_device *device))
{
    gr_metrics_family(out, name, type, "", help);
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
            gr_metrics_label(out, "gpu", number, true);
            gr_metrics_label(out, "UUID", device->uuid, false);
            gr_metrics_label(out, "pci_bus_id", device->address, false);
            gr_metrics_label(out, "modelName", device->name, false);
            gr_metrics_label(out, "variant", device->variant, false);
            gr_metrics_label(out, "node", gr_place_cold_get(place, n)->name, false);
            gr_metrics_label(out, "pretend", device->is_pretend ? "true" : "false", false);
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
        gr_metrics_queue(out, daemon, gr_daemon_who(request));
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
