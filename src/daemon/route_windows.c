// Calendar reservations and maintenance over HTTP: see daemon.h, core/windows.h and docs/api.
#include "base/json.h"
#include "core/windows.h"
#include "daemon/apply_parts.h"
#include "daemon/daemon.h"
#include "daemon/pool_kind.h"
#include "daemon/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Jobs in the way that a reply names.
#define HITS_MOST 1000u

// A window that is asked for, and its nodes.
struct wanted {
    struct gr_window window;
    struct gr_range *ranges; // heap
    uint32_t count, room;
    uint64_t hits[HITS_MOST];
    uint32_t hit_count;
};

static bool is_no_operator(struct gr_http_request *request)
{
    if (gr_daemon_who(request)->is_operator) {
        return false;
    }
    gr_http_reply_error(request, 403, "forbidden", "only an operator may do this",
                        "ask root or the user who runs the pool's daemon", NULL);
    return true;
}

// Replies that a field is wrong. Returns false.
static bool wrong(struct gr_http_request *request, const char *field, const char *text)
{
    gr_http_reply_error(request, 422, "bad-window", text, "`granary reserve --help` explains",
                        field);
    return false;
}

// --- what is there

static bool may_see(struct gr_daemon *daemon, struct gr_http_request *request,
                    const struct gr_window *window)
{
    return window->org == UINT32_MAX ||
           gr_daemon_may_see(daemon, gr_daemon_who(request), window->org);
}

static int by_start(const void *a, const void *b)
{
    const struct gr_window *x = *(const struct gr_window *const *)a;
    const struct gr_window *y = *(const struct gr_window *const *)b;
    return x->start_ms != y->start_ms ? (x->start_ms < y->start_ms ? -1 : 1)
                                      : strcmp(x->name, y->name);
}

void gr_route_windows(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    const struct gr_core *core = daemon->pool->core;
    static const char *const names[] = {NULL};
    const struct gr_window *windows[GR_WINDOWS_MAX], *window;
    uint32_t cursor = 0, count = 0;
    if (gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    while ((window = gr_core_window_next(core, &cursor)) != NULL) {
        if (may_see(daemon, request, window)) {
            windows[count++] = window;
        }
    }
    qsort(windows, count, sizeof windows[0], by_start);
    json_t *rows = json_array(), *object = json_object();
    int rc = 0;
    for (uint32_t i = 0; i < count; i++) {
        rc |= gr_json_append(rows, gr_view_window(core, windows[i], false));
    }
    rc |= gr_json_set(object, "windows", rows);
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}

// The window that the path names; NULL: a reply was made.
static const struct gr_window *window_of(struct gr_daemon *daemon, struct gr_http_request *request)
{
    struct gr_slice name = gr_http_request_param(request, "window");
    const struct gr_window *window;
    uint32_t cursor = 0;
    while ((window = gr_core_window_next(daemon->pool->core, &cursor)) != NULL) {
        if (gr_slice_is(name, window->name) && may_see(daemon, request, window)) {
            return window;
        }
    }
    char text[160];
    snprintf(text, sizeof text, "there is no window '%.*s'", (int)(name.size > 64 ? 64 : name.size),
             name.text);
    gr_http_reply_error(request, 404, "not-found", text, "`granary reserve list` lists them",
                        "name");
    return NULL;
}

void gr_route_window(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {NULL};
    if (gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    const struct gr_window *window = window_of(daemon, request);
    if (window != NULL) {
        gr_daemon_reply(daemon, request, 200, gr_view_window(daemon->pool->core, window, true));
    }
}

// --- reading one

// A whole number of the body; `ret` keeps its value if it is not there. False: a reply was made.
static bool read_int(struct gr_http_request *request, const json_t *body, const char *key,
                     int64_t *ret)
{
    const json_t *value = json_object_get(body, key);
    if (value == NULL || json_is_null(value)) {
        return true;
    }
    if (!json_is_integer(value)) {
        return wrong(request, key, "it must be a whole number");
    }
    *ret = json_integer_value(value);
    return true;
}

// Letters, digits, dots, dashes and underscores: it is part of a path.
static bool name_good(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size < GR_NAME_SIZE &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               size;
}

static const char *text_of(const json_t *body, const char *key)
{
    const json_t *value = json_object_get(body, key);
    return json_is_string(value) ? json_string_value(value) : NULL;
}

static bool read_whose(struct gr_daemon *daemon, struct gr_http_request *request,
                       const json_t *body, struct gr_window *window)
{
    const char *org = text_of(body, "organisation"), *user = text_of(body, "user");
    uint32_t uid;
    window->org = window->user = UINT32_MAX;
    window->which = json_is_true(json_object_get(body, "maintenance")) ? GR_WINDOW_MAINTENANCE : 0;
    if (org != NULL) {
        window->org = gr_apply_org_find(daemon->pool->core, org);
        if (window->org == UINT32_MAX) {
            return wrong(request, "organisation", "there is no such organisation");
        }
    }
    if (window->which != GR_WINDOW_MAINTENANCE && org == NULL) {
        return wrong(request, "organisation",
                     "a reservation is for an organisation; name it, or say maintenance");
    }
    if (user != NULL) {
        window->user = gr_view_uid(gr_slice_of(user), &uid) ? gr_pool_user_find(daemon->pool, uid)
                                                            : UINT32_MAX;
        if (window->user == UINT32_MAX ||
            gr_core_user_get(daemon->pool->core, window->user)->org != window->org) {
            return wrong(request, "user", "there is no such user in that organisation");
        }
    }
    return true;
}

static bool read_times(struct gr_http_request *request, const json_t *body,
                       struct gr_window *window)
{
    int64_t times = -1, until = -1;
    if (!read_int(request, body, "start_ms", &window->start_ms) ||
        !read_int(request, body, "length_ms", &window->length_ms) ||
        !read_int(request, body, "every_ms", &window->every_ms) ||
        !read_int(request, body, "times", &times) || !read_int(request, body, "until_ms", &until)) {
        return false;
    }
    if (times >= 0 && until >= 0) {
        return wrong(request, "times", "say how often or until when, not both");
    }
    if (times == 0 || times > UINT32_MAX) {
        return wrong(request, "times", "it comes at least once, and at most 4294967295 times");
    }
    if (until >= 0 && (window->every_ms <= 0 || until < window->start_ms)) {
        return wrong(request, "until_ms", "it needs an interval, and lies behind the start");
    }
    if (until >= 0) { // those that begin before it
        times = (until - window->start_ms) / window->every_ms + 1;
        times = times > UINT32_MAX ? UINT32_MAX : times;
    }
    if (times == 1) {
        window->every_ms = 0;
    }
    window->times = times > 0 ? (uint32_t)times : window->every_ms == 0;
    return true;
}

// --- its nodes

static bool range_add(struct wanted *wanted, uint32_t node)
{
    if (wanted->count > 0 &&
        wanted->ranges[wanted->count - 1].first + wanted->ranges[wanted->count - 1].count == node) {
        wanted->ranges[wanted->count - 1].count++;
        return true;
    }
    if (wanted->count == wanted->room) {
        return false;
    }
    wanted->ranges[wanted->count++] = (struct gr_range){node, 1};
    return true;
}

static bool read_named(struct gr_daemon *daemon, struct gr_http_request *request,
                       const json_t *names, struct wanted *wanted)
{
    const struct gr_place *place = gr_core_place(daemon->pool->core);
    uint32_t nodes = gr_place_node_count(place);
    uint8_t *named = calloc((size_t)nodes + 1, 1);
    bool good = named != NULL;
    size_t i;
    const json_t *name;
    json_array_foreach(names, i, name)
    {
        const char *text = json_is_string(name) ? json_string_value(name) : "";
        uint32_t node = gr_pool_node_find(daemon->pool, gr_slice_of(text));
        if (good && node == UINT32_MAX) {
            char said[160];
            snprintf(said, sizeof said, "there is no node '%.64s'", text);
            good = wrong(request, "nodes", said);
        } else if (good) {
            named[node] = 1;
        }
    }
    for (uint32_t n = 0; good && n < nodes; n++) {
        good = named[n] == 0 || range_add(wanted, n) ||
               wrong(request, "nodes", "they lie in too many groups of neighbours");
    }
    free(named);
    return good;
}

static bool choose_nodes(struct gr_daemon *daemon, struct gr_http_request *request,
                         const json_t *body, struct wanted *wanted)
{
    struct gr_pool *pool = daemon->pool;
    const char *kind = text_of(body, "kind");
    struct gr_err err;
    struct gr_mask mask;
    int64_t devices = 0;
    uint64_t most;
    char text[200];
    gr_err_init(&err);
    gr_mask_fill(&mask);
    if (!read_int(request, body, "devices", &devices)) {
        return false;
    }
    if (devices < 1) {
        return wrong(request, "devices", "name nodes, or say how many devices it takes");
    }
    if (kind != NULL) {
        struct gr_pool_cached_kind found;
        if (gr_pool_kind_find(pool, kind, GR_USE_TRAIN, &found, &err) != 0) {
            return wrong(request, "kind", err.text);
        }
        gr_mask_keep_variants(&mask, found.bits);
    }
    wanted->count = gr_window_choose(pool->core, gr_pool_now(pool), &wanted->window, &mask,
                                     (uint64_t)devices, wanted->ranges, wanted->room, &most);
    if (wanted->count == 0) {
        snprintf(text, sizeof text,
                 "%llu devices could be had at these times, on nodes that are up and of no other "
                 "window",
                 (unsigned long long)most);
        return wrong(request, "devices", text);
    }
    return true;
}

// Reads what is asked for, all of it. False: a reply was made.
static bool read_window(struct gr_daemon *daemon, struct gr_http_request *request,
                        const json_t *body, struct wanted *wanted)
{
    static const char *const ours[] = {"from", "length", "every", "for"};
    static const char *const theirs[] = {"start_ms", "length_ms", "every_ms", "organisation"};
    const char *name = text_of(body, "name");
    const json_t *nodes = json_object_get(body, "nodes");
    int64_t at_ms = gr_pool_now(daemon->pool);
    char text[300];
    if (name == NULL || !name_good(name)) {
        return wrong(request, "name",
                     "it has 1 to 47 letters, digits, dots, dashes and underscores");
    }
    snprintf(wanted->window.name, sizeof wanted->window.name, "%s", name);
    if (!read_whose(daemon, request, body, &wanted->window) ||
        !read_times(request, body, &wanted->window)) {
        return false;
    }
    // Its times first: nodes are chosen for them.
    struct gr_range none = {0, 1};
    const char *field =
        gr_window_wrong(daemon->pool->core, at_ms, &wanted->window, &none, 1, text, sizeof text);
    if (field == NULL || strcmp(field, "nodes") == 0) {
        if (json_is_array(nodes) && json_array_size(nodes) > 0
                ? !read_named(daemon, request, nodes, wanted)
                : !choose_nodes(daemon, request, body, wanted)) {
            return false;
        }
        field = gr_window_wrong(daemon->pool->core, at_ms, &wanted->window, wanted->ranges,
                                wanted->count, text, sizeof text);
    }
    for (unsigned i = 0; field != NULL && i < 4; i++) {
        field = strcmp(field, ours[i]) == 0 ? theirs[i] : field;
    }
    return field == NULL || wrong(request, field, text);
}

// --- setting one

// What is set, or would be, and whom it hits.
static json_t *view_wanted(const struct gr_core *core, const struct wanted *wanted)
{
    const struct gr_place *place = gr_core_place(core);
    json_t *object = gr_view_window(core, &wanted->window, false);
    json_t *nodes = json_array(), *hits = json_array();
    int64_t count = 0, devices = 0;
    for (uint32_t i = 0; i < wanted->count; i++) {
        for (uint32_t n = 0; n < wanted->ranges[i].count; n++) {
            uint32_t node = wanted->ranges[i].first + n;
            (void)gr_json_append(nodes,
                                 gr_json_text(gr_slice_of(gr_place_cold_get(place, node)->name)));
            devices += gr_place_node_get(place, node)->devices;
            count++;
        }
    }
    for (uint32_t i = 0; i < wanted->hit_count && i < HITS_MOST; i++) {
        (void)gr_json_append(hits, json_integer((json_int_t)wanted->hits[i]));
    }
    int rc = gr_json_set_int(object, "node_count", count);
    rc |= gr_json_set_int(object, "devices", devices);
    rc |= gr_json_set(object, "nodes", nodes);
    rc |= gr_json_set_int(object, "hit_count", wanted->hit_count);
    rc |= gr_json_set(object, "hits", hits);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void window_set(struct gr_daemon *daemon, struct wanted *wanted)
{
    struct gr_pool *pool = daemon->pool;
    struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_WINDOW_SET);
    event.window_set = wanted->window;
    event.ranges = wanted->ranges;
    event.range_count = wanted->count;
    // The clock may have passed the start since it was read.
    event.window_set.start_ms =
        wanted->window.start_ms < event.at_ms ? event.at_ms : wanted->window.start_ms;
    gr_pool_fact(pool, &event);
    wanted->window = *gr_core_window_find(pool->core, event.sequence);
}

// Sets what was asked for, or says what would be.
static void window_make(struct gr_daemon *daemon, struct gr_http_request *request,
                        const json_t *body, bool is_dry)
{
    struct wanted *wanted = calloc(1, sizeof *wanted);
    struct gr_pool *pool = daemon->pool;
    if (wanted == NULL ||
        (wanted->ranges = calloc(GR_WINDOW_RANGES_MAX, sizeof *wanted->ranges)) == NULL) {
        free(wanted);
        gr_daemon_reply(daemon, request, 201, NULL);
        return;
    }
    wanted->room = GR_WINDOW_RANGES_MAX;
    if (read_window(daemon, request, body, wanted)) {
        uint64_t last = gr_core_next_sequence(pool->core) - 1;
        wanted->hit_count = gr_window_hits(pool->core, gr_pool_now(pool), &wanted->window,
                                           wanted->ranges, wanted->count, wanted->hits, HITS_MOST);
        if (is_dry || gr_daemon_key_take(daemon, request, last) == 0) {
            if (!is_dry) {
                window_set(daemon, wanted);
            }
            gr_daemon_reply(daemon, request, is_dry ? 200 : 201, view_wanted(pool->core, wanted));
        }
    }
    free(wanted->ranges);
    free(wanted);
}

void gr_route_window_set(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {"dry_run", NULL};
    static const char *const keys[] = {
        "name",     "maintenance", "organisation", "user",    "start_ms", "length_ms", "every_ms",
        "until_ms", "times",       "nodes",        "devices", "kind",     NULL};
    bool is_good;
    if (is_no_operator(request) || gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    bool is_dry = gr_daemon_query_flag(request, "dry_run", &is_good);
    if (!is_good || (!is_dry && gr_daemon_is_refused(daemon, request))) {
        return;
    }
    json_t *body = gr_daemon_body(request, keys);
    int is_replayed = body == NULL ? -1 : is_dry ? 0 : gr_daemon_key_take(daemon, request, 0);
    if (is_replayed == 1) {
        const char *name = text_of(body, "name");
        const struct gr_window *window =
            name == NULL ? NULL : gr_core_window_named(daemon->pool->core, name);
        gr_daemon_reply(daemon, request, 200,
                        window == NULL ? json_object()
                                       : gr_view_window(daemon->pool->core, window, true));
    } else if (is_replayed == 0) {
        window_make(daemon, request, body, is_dry);
    }
    json_decref(body);
}

void gr_route_window_end(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {"dry_run", NULL};
    static const char *const keys[] = {NULL};
    bool is_good;
    if (is_no_operator(request) || gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    bool is_dry = gr_daemon_query_flag(request, "dry_run", &is_good);
    if (!is_good || (!is_dry && gr_daemon_is_refused(daemon, request))) {
        return;
    }
    json_t *body = gr_daemon_body(request, keys);
    if (body == NULL) {
        return;
    }
    json_decref(body);
    int is_replayed = is_dry ? 0 : gr_daemon_key_take(daemon, request, 0);
    if (is_replayed == 1) {
        gr_daemon_reply(daemon, request, 200, json_object());
        return;
    }
    const struct gr_window *window = is_replayed < 0 ? NULL : window_of(daemon, request);
    if (window == NULL) {
        return;
    }
    json_t *object = gr_view_window(daemon->pool->core, window, true);
    uint64_t id = window->id;
    if (!is_dry) {
        uint64_t last = gr_core_next_sequence(daemon->pool->core) - 1;
        if (gr_daemon_key_take(daemon, request, last) != 0) {
            json_decref(object);
            return;
        }
        struct gr_event event =
            gr_decide_fact(daemon->pool->core, gr_pool_now(daemon->pool), GR_WINDOW_ENDED);
        event.window_turn.window = id;
        gr_pool_fact(daemon->pool, &event);
    }
    gr_daemon_reply(daemon, request, 200, object);
}
