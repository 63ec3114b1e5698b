// Nodes, devices and what an operator declares, over HTTP: see daemon.h and docs/api.
#include "base/json.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Replies 403 to whoever is no operator. True: it did.
static bool is_no_operator(struct gr_http_request *request)
{
    if (gr_daemon_who(request)->is_operator) {
        return false;
    }
    gr_http_reply_error(request, 403, "forbidden", "only an operator may do this",
                        "ask root or the user who runs the pool's daemon", NULL);
    return true;
}

// The page that is asked for: of a list whose rows are counted from 0, those from *ret_first on, at
// most *ret_limit. False: a reply was made.
static bool page_of(struct gr_http_request *request, int64_t *ret_first, int64_t *ret_limit)
{
    *ret_first = 0;
    *ret_limit = 100;
    return gr_daemon_query_int(request, "after", 1, UINT32_MAX - 1, ret_first) &&
           gr_daemon_query_int(request, "limit", 1, 1000, ret_limit);
}

// Where the next page begins; 0: this was the last.
static int set_next(json_t *object, int64_t next)
{
    return next == 0 ? gr_json_set_null(object, "next") : gr_json_set_int(object, "next", next);
}

void gr_route_nodes(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    struct gr_pool *pool = daemon->pool;
    static const char *const names[] = {"site", "state", "after", "limit", NULL};
    int64_t first;
    int64_t limit;
    if (gr_daemon_query_is_wrong(request, names) || !page_of(request, &first, &limit)) {
        return;
    }
    struct gr_slice site = {0};
    struct gr_slice state = {0};
    bool has_site = gr_http_request_query(request, "site", &site);
    bool has_state = gr_http_request_query(request, "state", &state);
    json_t *nodes = json_array();
    uint32_t count = gr_place_node_count(gr_core_place(pool->core));
    uint32_t *counts = calloc((size_t)count + 1, sizeof *counts);
    int rc = nodes == NULL || counts == NULL;
    if (counts != NULL) {
        gr_view_jobs_count(pool, counts);
    }
    int64_t next = 0;
    for (uint32_t n = (uint32_t)first; n < count && rc == 0; n++) {
        const struct gr_node *row = gr_place_node_get(gr_core_place(pool->core), n);
        if (has_site && !gr_slice_is(site, gr_core_site_get(pool->core, row->site)->name)) {
            continue;
        }
        json_t *node = gr_view_node(pool, n, counts);
        const char *is = json_string_value(json_object_get(node, "state"));
        if (has_state && is != NULL && !gr_slice_is(state, is)) {
            json_decref(node);
            continue;
        }
        if (json_array_size(nodes) == (size_t)limit) {
            json_decref(node);
            next = n;
            break;
        }
        rc |= gr_json_append(nodes, node);
    }
    free(counts);
    json_t *object = json_object();
    rc |= gr_json_set(object, "nodes", nodes);
    rc |= set_next(object, next);
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}

// The node that the path names; UINT32_MAX: a reply was made.
static uint32_t node_of(struct gr_daemon *daemon, struct gr_http_request *request)
{
    struct gr_slice name = gr_http_request_param(request, "name");
    uint32_t node = gr_pool_node_find(daemon->pool, name);
    if (node == UINT32_MAX) {
        char text[160];
        snprintf(text, sizeof text, "there is no node '%.*s'",
                 (int)(name.size > 64 ? 64 : name.size), name.text);
        gr_http_reply_error(request, 404, "not-found", text, "`granary nodes` lists them", "name");
    }
    return node;
}

void gr_route_node(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {NULL};
    if (gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    uint32_t node = node_of(daemon, request);
    if (node != UINT32_MAX) {
        gr_daemon_reply(daemon, request, 200, gr_view_node(daemon->pool, node, NULL));
    }
}

// cordon, uncordon, drain: a state, a reason, and for drain a grace.
static void set_state(struct gr_daemon *daemon, struct gr_http_request *request,
                      enum gr_node_state state, bool drain)
{
    static const char *const names[] = {"dry_run", NULL};
    static const char *const keys[] = {"why", "grace_ms", NULL};
    bool is_good;
    if (is_no_operator(request) || gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    bool is_dry = gr_daemon_query_flag(request, "dry_run", &is_good);
    uint32_t node = is_good ? node_of(daemon, request) : UINT32_MAX;
    if (node == UINT32_MAX || (!is_dry && gr_daemon_is_refused(daemon, request))) {
        return;
    }
    json_t *body = gr_daemon_body(request, keys);
    if (body == NULL) {
        return;
    }
    const json_t *why = json_object_get(body, "why");
    const json_t *grace = json_object_get(body, "grace_ms");
    bool why_is_good = why == NULL || json_is_null(why) || json_is_string(why);
    bool grace_is_good = grace == NULL || json_is_null(grace) ||
                         (json_is_integer(grace) && json_integer_value(grace) >= 0 &&
                          json_integer_value(grace) <= GR_SPEC_MS_MAX);
    if (!why_is_good || !grace_is_good) {
        gr_http_reply_error(request, 400, "bad-request",
                            why_is_good ? "grace_ms must be milliseconds, not below 0"
                                        : "why must be a text",
                            NULL, why_is_good ? "grace_ms" : "why");
    } else {
        uint64_t last = gr_core_next_sequence(daemon->pool->core) - 1;
        int is_replayed = is_dry ? 0 : gr_daemon_key_take(daemon, request, last);
        if (is_replayed < 0) {
            json_decref(body);
            return;
        }
        bool is_real = !is_dry && is_replayed == 0;
        if (is_real && state == GR_NODE_UP) {
            gr_pool_node_return(daemon->pool, node);
        } else if (is_real) {
            gr_pool_node_set(daemon->pool, node, state, drain,
                             json_is_integer(grace) ? json_integer_value(grace) : -1,
                             json_is_string(why) ? json_string_value(why) : "");
        }
        gr_daemon_reply(daemon, request, 200, gr_view_node(daemon->pool, node, NULL));
    }
    json_decref(body);
}

void gr_route_cordon(void *context, struct gr_http_request *request)
{
    set_state(context, request, GR_NODE_DRAINED, false);
}

void gr_route_uncordon(void *context, struct gr_http_request *request)
{
    set_state(context, request, GR_NODE_UP, false);
}

void gr_route_drain(void *context, struct gr_http_request *request)
{
    set_state(context, request, GR_NODE_DRAINED, true);
}

void gr_route_devices(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {"after", "limit", NULL};
    int64_t first;
    int64_t limit;
    if (gr_daemon_query_is_wrong(request, names) || !page_of(request, &first, &limit)) {
        return;
    }
    json_t *object = json_object();
    uint32_t next = 0;
    json_t *devices = gr_view_devices(daemon->pool, (uint32_t)first, (uint32_t)limit, &next);
    int rc = gr_json_set(object, "devices", devices);
    rc |= set_next(object, next);
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}
