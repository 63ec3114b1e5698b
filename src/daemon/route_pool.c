// The pool as a whole, and its engines, over HTTP: see daemon.h and docs/api.
#include "base/json.h"
#include "daemon/daemon.h"
#include "daemon/openapi.h"
#include "daemon/view.h"

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
                 {GR_CAN_KILL_TREE, "kill-tree"},
                 {GR_CAN_PART, "part"}};
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

void gr_route_openapi(void *context, struct gr_http_request *request)
{
    (void)context;
    gr_http_reply(request, 200, "application/json", gr_shipped_openapi());
}
