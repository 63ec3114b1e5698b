// The table of routes, and what they share: see daemon.h and docs/api.
#include "base/hash.h"
#include "base/json.h"
#include "base/number.h"
#include "daemon/daemon.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct gr_http_route gr_daemon_routes[] = {
    {"GET", "/metrics", gr_route_metrics, NULL, false},
    {"POST", "/v1/apply", gr_route_apply, NULL, false},
    {"POST", "/v1/defrag", gr_route_defrag, NULL, false},
    {"GET", "/v1/devices", gr_route_devices, NULL, false},
    {"GET", "/v1/engines", gr_route_engines, NULL, false},
    {"GET", "/v1/estimates", gr_route_estimates, NULL, false},
    {"GET", "/v1/events", gr_route_events, NULL, false},
    {"GET", "/v1/health", gr_route_health, NULL, true},
    {"GET", "/v1/jobs", gr_route_jobs, NULL, false},
    {"POST", "/v1/jobs", gr_route_submit, gr_route_submit_line, false},
    {"GET", "/v1/jobs/{id}", gr_route_job, NULL, false},
    {"POST", "/v1/jobs/{id}/checkpoint", gr_route_checkpoint, NULL, false},
    {"GET", "/v1/jobs/{id}/logs", gr_route_logs, NULL, false},
    {"POST", "/v1/jobs/{id}/stop", gr_route_stop, NULL, false},
    {"GET", "/v1/jobs/{id}/why", gr_route_why, NULL, false},
    {"GET", "/v1/nodes", gr_route_nodes, NULL, false},
    {"GET", "/v1/nodes/{name}", gr_route_node, NULL, false},
    {"POST", "/v1/nodes/{name}/cordon", gr_route_cordon, NULL, false},
    {"POST", "/v1/nodes/{name}/drain", gr_route_drain, NULL, false},
    {"POST", "/v1/nodes/{name}/uncordon", gr_route_uncordon, NULL, false},
    {"GET", "/v1/openapi.json", gr_route_openapi, NULL, true},
    {"GET", "/v1/pool", gr_route_pool, NULL, false},
    {"GET", "/v1/queue", gr_route_queue, NULL, false},
    {"GET", "/v1/quotas", gr_route_quotas, NULL, false},
    {"GET", "/v1/classes", gr_route_classes, NULL, false},
    {"GET", "/v1/shares", gr_route_shares, NULL, false},
    {"POST", "/v1/shutdown", gr_route_shutdown, NULL, false},
    {"GET", "/v1/tokens", gr_route_tokens, NULL, false},
    {"POST", "/v1/tokens", gr_route_token_add, NULL, false},
    {"POST", "/v1/tokens/{token}/remove", gr_route_token_remove, NULL, false},
    {"GET", "/v1/whoami", gr_route_whoami, NULL, false},
    {"GET", "/v1/windows", gr_route_windows, NULL, false},
    {"POST", "/v1/windows", gr_route_window_set, NULL, false},
    {"GET", "/v1/windows/{window}", gr_route_window, NULL, false},
    {"POST", "/v1/windows/{window}/end", gr_route_window_end, NULL, false},
    {NULL, NULL, NULL, NULL, false},
};

// What may be asked through the door, that is by containers: whoever wrote an image is not to be
// trusted with what its user may do outside. A job that it hands in would run with all of the
// user's files; specs and logs of other jobs hold secrets.
static void (*const through_door[])(void *context, struct gr_http_request *request) = {
    gr_route_checkpoint, gr_route_classes, gr_route_estimates, gr_route_metrics, gr_route_pool,
    gr_route_queue,      gr_route_quotas,  gr_route_shares,    gr_route_whoami,  gr_route_why,
};

static bool is_for_door(const struct gr_http_request *request)
{
    bool is = false;
    for (size_t i = 0; i < sizeof through_door / sizeof through_door[0]; i++) {
        is = is || gr_http_request_route(request)->handle == through_door[i];
    }
    return is;
}

static void free_caller(void *data)
{
    struct gr_caller *caller = data;
    gr_bulk_free(caller->bulk);
    gr_shares_give(caller->shares, caller->who.uid);
    free(caller);
}

int gr_daemon_admit(void *context, struct gr_http_request *request, struct gr_err *err)
{
    struct gr_daemon *daemon = context;
    const struct gr_identity *who;
    int status = gr_identities_find(daemon->identities, gr_http_request_peer(request), &who, err);
    if (status != 0) {
        return status;
    }
    if (gr_http_request_peer(request)->is_door && !is_for_door(request)) {
        gr_http_reply_error(request, 403, "forbidden",
                            "a container may say that its work is safe and ask about the queue, "
                            "nothing else",
                            "do it outside of containers", NULL);
        return 403;
    }
    if (!gr_shares_take(&daemon->shares, who->uid)) {
        (void)gr_http_reply_header(request, "Retry-After", "1");
        gr_http_reply_error(request, 429, "too-many", "you have too many requests under way",
                            "wait until some are answered, or end what follows logs and events",
                            NULL);
        return 429;
    }
    struct gr_caller *caller = malloc(sizeof *caller);
    if (caller == NULL) {
        gr_shares_give(&daemon->shares, who->uid);
        (void)gr_fail(err, -ENOMEM, "no memory for the request; try again in a second");
        return 503;
    }
    *caller = (struct gr_caller){.who = *who, .shares = &daemon->shares};
    gr_http_request_data_set(request, caller, free_caller);
    gr_http_request_user_set(request, &caller->who);
    daemon->requests++;
    return 0;
}

const struct gr_identity *gr_daemon_who(const struct gr_http_request *request)
{
    const struct gr_identity *who = gr_http_request_user(request);
    assert(who != NULL);
    return who;
}

bool gr_daemon_may(const struct gr_identity *who, uint32_t uid)
{
    return who->is_operator || who->uid == uid;
}

// A reply that waits for its group.
struct later {
    struct gr_http_request *request;
    unsigned status;
    const char *type; // static
    char *text;
    size_t size;
};

static void send_later(void *context, uint64_t value)
{
    struct later *later = context;
    (void)value;
    gr_http_reply_take(later->request, later->status, later->type, later->text, later->size);
    free(later);
}

void gr_daemon_reply_text(struct gr_daemon *daemon, struct gr_http_request *request,
                          unsigned status, const char *type, char *text, size_t size)
{
    struct later *later = text == NULL ? NULL : malloc(sizeof *later);
    if (later == NULL) {
        free(text);
        gr_http_reply_error(request, 503, "unavailable", "no memory for the reply",
                            "try again in a second", NULL);
        return;
    }
    // What is to be shown may not be durable, and nobody knows when it will be.
    if (gr_commit_is_full(daemon->pool->commit) &&
        !gr_slice_is(gr_http_request_method(request), "POST")) {
        free(text);
        free(later);
        (void)gr_http_reply_header(request, "Retry-After", "1");
        gr_http_reply_error(request, 503, "disk-full",
                            "the disk of the journal is full: what is not durable is not shown",
                            "make room; the pool goes on by itself", NULL);
        return;
    }
    *later = (struct later){
        .request = request, .status = status, .type = type, .text = text, .size = size};
    gr_http_request_defer(request, NULL);
    gr_commit_then(daemon->pool->commit, send_later, later, 0);
}

void gr_daemon_reply(struct gr_daemon *daemon, struct gr_http_request *request, unsigned status,
                     json_t *object)
{
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    gr_daemon_reply_text(daemon, request, status, "application/json", text,
                         text == NULL ? 0 : strlen(text));
}

static void send_refusal(struct gr_http_request *request, const struct gr_pool_refusal *refusal)
{
    if (refusal->status == 429 || refusal->status == 503) {
        (void)gr_http_reply_header(request, "Retry-After", "1");
    }
    gr_http_reply_error(request, refusal->status, refusal->code, refusal->text,
                        refusal->hint[0] == '\0' ? NULL : refusal->hint, refusal->field);
}

// A refusal that waits for its group.
struct later_refusal {
    struct gr_http_request *request;
    struct gr_pool_refusal refusal;
    char field[128]; // a copy: it may lie in the arena of the request's spec
};

static void refuse_later(void *context, uint64_t value)
{
    struct later_refusal *later = context;
    (void)value;
    send_refusal(later->request, &later->refusal);
    free(later);
}

void gr_daemon_refuse(struct gr_daemon *daemon, struct gr_http_request *request,
                      const struct gr_pool_refusal *refusal)
{
    struct later_refusal *later = malloc(sizeof *later);
    if (later == NULL) {
        gr_http_reply_error(request, 503, "unavailable", "no memory for the reply",
                            "try again in a second", NULL);
        return;
    }
    later->request = request;
    later->refusal = *refusal;
    if (refusal->field != NULL) {
        snprintf(later->field, sizeof later->field, "%s", refusal->field);
        later->refusal.field = later->field;
    }
    gr_http_request_defer(request, NULL);
    gr_commit_then(daemon->pool->commit, refuse_later, later, 0);
}

// Law: projections are made for whom asks.
bool gr_daemon_may_see(struct gr_daemon *daemon, const struct gr_identity *who, uint32_t org)
{
    if (who->is_operator) {
        return true;
    }
    uint32_t user = gr_pool_user_find(daemon->pool, who->uid);
    uint32_t mine = user == UINT32_MAX ? 0 : gr_core_user_get(daemon->pool->core, user)->org;
    return mine == org;
}

bool gr_daemon_is_refused(struct gr_daemon *daemon, struct gr_http_request *request)
{
    const char *code;
    const char *text;
    unsigned status = gr_pool_refuses(daemon->pool, &code, &text);
    if (status == 0 && daemon->is_ending) {
        status = 503;
        code = "unavailable";
        text = "the pool's daemon is ending; try again when it is back";
    }
    if (status == 0) {
        return false;
    }
    (void)gr_http_reply_header(request, "Retry-After", "1");
    gr_http_reply_error(request, status, code, text, NULL, NULL);
    return true;
}

struct query_check {
    struct gr_http_request *request;
    const char *const *names;
    struct gr_slice unknown;
};

static void check_name(void *context, struct gr_slice name, struct gr_slice value)
{
    struct query_check *check = context;
    (void)value;
    for (size_t i = 0; check->names[i] != NULL; i++) {
        if (gr_slice_is(name, check->names[i])) {
            return;
        }
    }
    check->unknown = name.size == 0 ? gr_slice_of("(empty)") : name;
}

bool gr_daemon_query_is_wrong(struct gr_http_request *request, const char *const *names)
{
    struct query_check check = {.request = request, .names = names};
    gr_http_request_query_each(request, check_name, &check);
    if (check.unknown.size == 0) {
        return false;
    }
    char text[160];
    snprintf(text, sizeof text, "unknown query parameter '%.*s'",
             (int)(check.unknown.size > 64 ? 64 : check.unknown.size), check.unknown.text);
    gr_http_reply_error(request, 400, "bad-request", text, "docs/api lists the parameters", NULL);
    return true;
}

bool gr_daemon_query_int(struct gr_http_request *request, const char *name, int64_t low,
                         int64_t high, int64_t *ret_value)
{
    struct gr_slice text;
    if (!gr_http_request_query(request, name, &text)) {
        return true;
    }
    int64_t value;
    if (gr_number_read_int(text, low, high, &value) == 0) {
        *ret_value = value;
        return true;
    }
    char message[200];
    snprintf(message, sizeof message, "%s must be a whole number from %lld to %lld", name,
             (long long)low, (long long)high);
    gr_http_reply_error(request, 400, "bad-request", message, NULL, name);
    return false;
}

bool gr_daemon_query_flag(struct gr_http_request *request, const char *name, bool *ret_ok)
{
    struct gr_slice text;
    *ret_ok = true;
    if (!gr_http_request_query(request, name, &text)) {
        return false;
    }
    if (gr_slice_is(text, "true") || gr_slice_is(text, "1")) {
        return true;
    }
    if (!gr_slice_is(text, "false") && !gr_slice_is(text, "0")) {
        char message[120];
        snprintf(message, sizeof message, "%s must be true or false", name);
        gr_http_reply_error(request, 400, "bad-request", message, NULL, name);
        *ret_ok = false;
    }
    return false;
}

json_t *gr_daemon_body(struct gr_http_request *request, const char *const *keys)
{
    struct gr_slice body = gr_http_request_body(request);
    if (body.size == 0) {
        json_t *empty = json_object();
        if (empty == NULL) {
            gr_http_reply_error(request, 503, "unavailable", "no memory", NULL, NULL);
        }
        return empty;
    }
    json_error_t error;
    json_t *object = json_loadb(body.text, body.size, JSON_REJECT_DUPLICATES, &error);
    char text[320];
    if (!json_is_object(object)) {
        if (object == NULL) {
            snprintf(text, sizeof text, "body: line %d, column %d: %s", error.line, error.column,
                     error.text);
        } else {
            snprintf(text, sizeof text, "body: expected an object");
        }
        json_decref(object);
        gr_http_reply_error(request, 400, "bad-request", text, NULL, NULL);
        return NULL;
    }
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        bool is_known = false;
        for (size_t i = 0; keys[i] != NULL; i++) {
            is_known = is_known || strcmp(key, keys[i]) == 0;
        }
        if (!is_known) {
            snprintf(text, sizeof text, "body: unknown key '%.64s'", key);
            json_decref(object);
            gr_http_reply_error(request, 400, "bad-request", text, "docs/api lists the keys", NULL);
            return NULL;
        }
    }
    return object;
}

int gr_daemon_key(const struct gr_daemon *daemon, struct gr_http_request *request,
                  uint8_t ret_key[32])
{
    (void)daemon;
    struct gr_slice key;
    if (!gr_http_request_header(request, "Idempotency-Key", &key)) {
        return 0;
    }
    bool is_good = key.size >= 1 && key.size <= 128;
    for (size_t i = 0; i < key.size && is_good; i++) {
        is_good = key.text[i] > ' ' && key.text[i] < 127;
    }
    if (!is_good) {
        gr_http_reply_error(request, 400, "bad-request",
                            "Idempotency-Key must be 1 to 128 printable characters", NULL, NULL);
        return -1;
    }
    uint8_t digest[GR_HASH_SIZE];
    struct gr_hash hash;
    uint32_t uid = (uint32_t)gr_daemon_who(request)->uid;
    gr_hash_init(&hash);
    gr_hash_add(&hash, &uid, sizeof uid);
    gr_hash_add(&hash, key.text, key.size);
    gr_hash_end(&hash, digest);
    memcpy(ret_key, digest, 16);
    struct gr_slice path = gr_http_request_path(request);
    struct gr_slice body = gr_http_request_body(request);
    gr_hash_init(&hash);
    gr_hash_add(&hash, path.text, path.size);
    gr_hash_add(&hash, "", 1);
    gr_hash_add(&hash, body.text, body.size);
    gr_hash_end(&hash, digest);
    memcpy(ret_key + 16, digest, 16);
    return 1;
}

int gr_daemon_key_take(struct gr_daemon *daemon, struct gr_http_request *request, uint64_t about)
{
    struct gr_pool *pool = daemon->pool;
    uint8_t key[32];
    struct gr_pool_submitted done;
    int has_key = gr_daemon_key(daemon, request, key);
    if (has_key <= 0) {
        return has_key;
    }
    int found = gr_pool_key_find(pool, key, &done);
    if (found > 0) {
        (void)gr_http_reply_header(request, "Granary-Replayed", "true");
        return 1;
    }
    if (found < 0) {
        gr_http_reply_error(request, 409, "conflict",
                            "this Idempotency-Key was used for another request",
                            "use a new key for a new request", NULL);
        return -1;
    }
    uint32_t user = about == 0 ? UINT32_MAX : gr_pool_user_take(pool, gr_daemon_who(request)->uid);
    if (user != UINT32_MAX &&
        !gr_pool_key_use(pool, key, gr_core_user_get(pool->core, user)->org, about)) {
        (void)gr_http_reply_header(request, "Retry-After", "1");
        gr_http_reply_error(request, 429, gr_refusal_name(GR_REFUSED_LIMIT_KEYS),
                            gr_refusal_text(GR_REFUSED_LIMIT_KEYS),
                            "send it without an idempotency key", NULL);
        return -1;
    }
    return 0;
}
