// Jobs over HTTP: submit, show, stop. See daemon.h and docs/api.
#include "base/json.h"
#include "base/number.h"
#include "base/quantity.h"
#include "codec/spec_json.h"
#include "daemon/daemon.h"
#include "daemon/pool_kind.h"
#include "daemon/view.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool gr_route_spec_read(struct gr_daemon *daemon, struct gr_http_request *request,
                        struct gr_slice bytes, struct gr_spec *ret_spec,
                        struct gr_pool_refusal *ret_refusal)
{
    const struct gr_identity *who = gr_daemon_who(request);
    struct gr_spec_input input = {.arena = daemon->arena};
    struct gr_err err;
    gr_arena_reset(daemon->arena);
    if (bytes.size > GR_SPEC_BYTES_MAX) {
        *ret_refusal = (struct gr_pool_refusal){
            .refusal = GR_REFUSED_FIELD, .status = 413, .code = "too-large"};
        snprintf(ret_refusal->text, sizeof ret_refusal->text,
                 "a job of more than 1 MiB, which is the limit");
        snprintf(ret_refusal->hint, sizeof ret_refusal->hint, "pass large data in files");
        return false;
    }
    int rc = gr_spec_from_json_bytes(&input, bytes.text, bytes.size, ret_spec, &err);
    if (rc != 0) {
        *ret_refusal = (struct gr_pool_refusal){
            .refusal = GR_REFUSED_FIELD, .status = rc == -ENOMEM ? 413 : 400, .code = "bad-spec"};
        snprintf(ret_refusal->text, sizeof ret_refusal->text, "%.300s", err.text);
        snprintf(ret_refusal->hint, sizeof ret_refusal->hint,
                 "docs/formats/job.md lists all fields");
        char *field = gr_arena_text(daemon->arena, gr_slice_of(input.field));
        ret_refusal->field = field == NULL || field[0] == '\0' ? NULL : field;
        return false;
    }
    ret_spec->uid = (uint32_t)who->uid;
    ret_spec->gid = (uint32_t)who->gid;
    return true;
}

static void reply_submitted(struct gr_daemon *daemon, struct gr_http_request *request,
                            const struct gr_pool_submitted *done, bool is_replayed)
{
    char *text = malloc(256);
    int size = 0;
    if (text != NULL) {
        const struct gr_job *job = gr_core_job_find(daemon->pool->core, done->first);
        const char *state = job == NULL ? "ended" : gr_view_job_state(daemon->pool, job);
        size = snprintf(text, 256,
                        "{\"id\":%llu,\"first\":%llu,\"last\":%llu,\"count\":%u,\"sequence\":%llu,"
                        "\"state\":\"%s\"}",
                        (unsigned long long)done->first, (unsigned long long)done->first,
                        (unsigned long long)done->last, done->count,
                        (unsigned long long)done->sequence, state);
    }
    if (is_replayed) {
        (void)gr_http_reply_header(request, "Granary-Replayed", "true");
    }
    gr_daemon_reply_text(daemon, request, is_replayed ? 200 : 201, "application/json", text,
                         (size_t)size);
}

static void reply_dry(struct gr_daemon *daemon, struct gr_http_request *request,
                      const struct gr_spec *spec)
{
    struct gr_pool *pool = daemon->pool;
    struct gr_pool_refusal refusal;
    bool starts = false;
    bool has_places = false;
    bool is_taken = gr_pool_submit_try(pool, spec, &starts, &has_places, &refusal);
    json_t *object = json_object();
    int rc = gr_json_set_bool(object, "dry_run", true);
    rc |= gr_json_set_text(object, "would",
                           gr_slice_of(!is_taken ? "refuse"
                                       : starts  ? "start now"
                                                 : "wait"));
    if (!is_taken || !starts) {
        json_t *reason = json_object();
        rc |= gr_json_set_text(reason, "code", gr_slice_of(refusal.code));
        rc |= gr_json_set_text(reason, "text", gr_slice_of(refusal.text));
        rc |= gr_json_set_text(reason, "hint", gr_slice_of(refusal.hint));
        rc |= gr_json_set(object, "reason", reason);
    } else {
        rc |= gr_json_set_null(object, "reason");
    }
    char order[GR_POOL_KIND_TEXT_SIZE];
    gr_pool_kind_say(pool, spec->kind, (enum gr_use)spec->use, order, sizeof order);
    rc |= gr_json_set_text(object, "kind_order", gr_slice_of(order));
    json_t *places = json_array();
    for (uint32_t i = 0; is_taken && has_places && i < spec->tasks; i++) {
        const struct gr_piece *piece = &pool->pieces[i];
        json_t *one = json_object();
        json_t *devices = json_array();
        for (uint32_t d = 0; d < GR_NODE_DEVICES_MAX; d++) {
            if ((piece->devices >> d & 1u) != 0) {
                rc |= gr_json_append(devices, json_integer(d));
            }
        }
        rc |= gr_json_set_int(one, "task", i);
        rc |= gr_json_set_text(
            one, "node",
            gr_slice_of(gr_place_cold_get(gr_core_place(pool->core), piece->node)->name));
        rc |= gr_json_set(one, "devices", devices);
        rc |= gr_json_append(places, one);
    }
    rc |= gr_json_set(object, "places", places);
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}

// Replies if a submission that will not wait would have to. False: it did.
static bool can_start_now(struct gr_daemon *daemon, struct gr_http_request *request,
                          const struct gr_spec *spec)
{
    struct gr_pool_refusal refusal;
    bool starts = false;
    bool has_places;
    if (!gr_pool_submit_try(daemon->pool, spec, &starts, &has_places, &refusal)) {
        gr_daemon_refuse(daemon, request, &refusal);
        return false;
    }
    if (!starts) {
        gr_http_reply_error(
            request, 503, "no-capacity", refusal.text,
            refusal.hint[0] != '\0'
                ? refusal.hint
                : "submit it without --now and it waits; `granary ps` shows what runs",
            NULL);
    }
    return starts;
}

void gr_route_submit(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {"dry_run", "now", NULL};
    if (((struct gr_caller *)gr_http_request_data(request))->bulk != NULL) {
        gr_route_submit_end(daemon, request);
        return;
    }
    bool is_good;
    if (gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    bool is_dry = gr_daemon_query_flag(request, "dry_run", &is_good);
    bool is_now = is_good && gr_daemon_query_flag(request, "now", &is_good);
    uint8_t key[32];
    int has_key = is_good ? gr_daemon_key(daemon, request, key) : -1;
    if (has_key < 0 || (!is_dry && gr_daemon_is_refused(daemon, request))) {
        return;
    }
    struct gr_pool_submitted done;
    int found = has_key > 0 && !is_dry ? gr_pool_key_find(daemon->pool, key, &done) : 0;
    if (found < 0) {
        gr_http_reply_error(request, 409, "conflict",
                            "this Idempotency-Key was used for another request",
                            "use a new key for a new request", NULL);
        return;
    }
    if (found > 0) {
        reply_submitted(daemon, request, &done, true);
        return;
    }
    struct gr_spec spec;
    struct gr_pool_refusal refusal;
    if (!gr_route_spec_read(daemon, request, gr_http_request_body(request), &spec, &refusal)) {
        gr_daemon_refuse(daemon, request, &refusal);
        return;
    }
    if (is_dry) {
        reply_dry(daemon, request, &spec);
        return;
    }
    if (is_now && !can_start_now(daemon, request, &spec)) {
        return;
    }
    if (!gr_pool_submit(daemon->pool, &spec, has_key > 0 ? key : NULL, &done, &refusal)) {
        gr_daemon_refuse(daemon, request, &refusal);
        return;
    }
    reply_submitted(daemon, request, &done, false);
}

// --- one job

// The job that the path names; 0: a reply was made.
static uint64_t job_id_of(struct gr_http_request *request)
{
    struct gr_slice text = gr_http_request_param(request, "id");
    int64_t id;
    if (gr_number_read_int(text, 1, INT64_MAX, &id) != 0) {
        gr_http_reply_error(request, 404, "not-found", "a job's id is a whole number",
                            "`granary ps` lists jobs", "id");
        return 0;
    }
    return (uint64_t)id;
}

static void reply_no_job(struct gr_http_request *request, uint64_t id)
{
    char text[96];
    snprintf(text, sizeof text, "there is no job %llu", (unsigned long long)id);
    gr_http_reply_error(request, 404, "not-found", text, "`granary ps --all` lists jobs", "id");
}

void gr_route_job(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {NULL};
    uint64_t id = gr_daemon_query_is_wrong(request, names) ? 0 : job_id_of(request);
    if (id == 0) {
        return;
    }
    struct gr_pool *pool = daemon->pool;
    const struct gr_identity *who = gr_daemon_who(request);
    const struct gr_job *job = gr_core_job_find(pool->core, id);
    struct gr_ended ended;
    bool has_ended = job == NULL && gr_pool_ended_find(pool, id, &ended);
    if ((job == NULL && !has_ended) ||
        !gr_daemon_may_see(daemon, who, job != NULL ? job->org : ended.org)) {
        reply_no_job(request, id);
        return;
    }
    json_t *object = job != NULL ? gr_view_job(pool, job, true) : gr_view_ended(pool, &ended, true);
    struct gr_spec spec;
    struct gr_err err;
    int rc = 0;
    if (gr_pool_spec(pool, id, &spec, &err) == 0) {
        uint32_t show = gr_daemon_may(who, spec.uid) ? GR_SPEC_SHOW_SECRETS : 0;
        rc = gr_json_set(object, "spec", gr_spec_to_json(&spec, show));
    } else {
        rc = gr_json_set_null(object, "spec");
    }
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}

// --- stop

static bool read_stop(struct gr_http_request *request, uint32_t *ret_signal, int64_t *ret_grace_ms)
{
    static const char *const keys[] = {"signal", "grace_ms", NULL};
    json_t *body = gr_daemon_body(request, keys);
    if (body == NULL) {
        return false;
    }
    json_t *signal = json_object_get(body, "signal");
    json_t *grace = json_object_get(body, "grace_ms");
    bool is_good = true;
    *ret_signal = 0;
    *ret_grace_ms = -1;
    if (signal != NULL && !json_is_null(signal)) {
        is_good =
            json_is_string(signal) &&
            gr_signal_read((struct gr_slice){json_string_value(signal), json_string_length(signal)},
                           ret_signal) == 0;
        if (!is_good) {
            gr_http_reply_error(request, 400, "bad-request", "signal: there is no such signal",
                                "write TERM, INT, USR1, ...", "signal");
        }
    }
    if (is_good && grace != NULL && !json_is_null(grace)) {
        is_good = json_is_integer(grace) && json_integer_value(grace) >= 0 &&
                  json_integer_value(grace) <= GR_SPEC_MS_MAX;
        if (is_good) {
            *ret_grace_ms = json_integer_value(grace);
        } else {
            gr_http_reply_error(request, 400, "bad-request",
                                "grace_ms must be milliseconds, not below 0", NULL, "grace_ms");
        }
    }
    json_decref(body);
    return is_good;
}

// Asks a job to stop, or all live elements of an array. These have ids in a row, since a submission
// is decided as one: what else is live behind them ends the search.
static void stop_all(struct gr_pool *pool, uint64_t id, uint32_t signal, int64_t grace_ms)
{
    uint64_t next = gr_core_next_sequence(pool->core);
    for (uint64_t at = id; at < next && at - id < GR_SPEC_ARRAY_MAX; at++) {
        struct gr_job_more more;
        if (gr_core_job_find(pool->core, at) == NULL) {
            continue;
        }
        gr_core_job_more(pool->core, at, &more);
        if (at != id && more.array != id) {
            return;
        }
        (void)gr_pool_stop(pool, at, GR_STOP_BY_USER, signal, grace_ms);
    }
}

void gr_route_stop(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    struct gr_pool *pool = daemon->pool;
    static const char *const names[] = {"dry_run", "array", NULL};
    uint64_t id = gr_daemon_query_is_wrong(request, names) ? 0 : job_id_of(request);
    uint32_t signal;
    int64_t grace_ms;
    bool is_good = true;
    bool is_dry = id != 0 && gr_daemon_query_flag(request, "dry_run", &is_good);
    bool is_array = id != 0 && is_good && gr_daemon_query_flag(request, "array", &is_good);
    if (id == 0 || !is_good || !read_stop(request, &signal, &grace_ms) ||
        (!is_dry && gr_daemon_is_refused(daemon, request))) {
        return;
    }
    const struct gr_identity *who = gr_daemon_who(request);
    const struct gr_job *job = gr_core_job_find(pool->core, id);
    struct gr_ended ended;
    bool has_ended = job == NULL && gr_pool_ended_find(pool, id, &ended);
    uint32_t org = job != NULL ? job->org : has_ended ? ended.org : 0;
    if ((job == NULL && !has_ended) || !gr_daemon_may_see(daemon, who, org)) {
        reply_no_job(request, id);
        return;
    }
    struct gr_spec spec;
    if (!who->is_operator && (gr_pool_spec(pool, id, &spec, NULL) != 0 || spec.uid != who->uid)) {
        gr_http_reply_error(request, 403, "forbidden", "only its owner or an operator may stop it",
                            NULL, NULL);
        return;
    }
    // One that stops nothing uses no key: there is nothing to do only once.
    int is_replayed = is_dry ? 0 : gr_daemon_key_take(daemon, request, job == NULL ? 0 : id);
    if (is_replayed < 0) {
        return;
    }
    if (job == NULL && !is_array && !is_replayed) {
        gr_daemon_refuse(daemon, request,
                         &(struct gr_pool_refusal){.status = 409,
                                                   .code = "ended",
                                                   .text = "the job has ended already",
                                                   .hint = "`granary show ID` tells how"});
        return;
    }
    if (is_dry || is_replayed) {
        // nothing more is done
    } else if (is_array) {
        stop_all(pool, id, signal, grace_ms);
    } else {
        (void)gr_pool_stop(pool, id, GR_STOP_BY_USER, signal, grace_ms);
    }
    job = gr_core_job_find(pool->core, id);
    has_ended = job == NULL && gr_pool_ended_find(pool, id, &ended);
    assert(job != NULL || has_ended);
    gr_daemon_reply(daemon, request, is_dry ? 200 : 202,
                    job != NULL ? gr_view_job(pool, job, true) : gr_view_ended(pool, &ended, true));
}
