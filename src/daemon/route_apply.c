// What an operator declares: organisations, users, states of nodes. Applying it twice changes
// nothing the second time. See daemon.h and docs/api.
//
// Everything is looked at before anything is changed: a declaration with a fault changes nothing.
#include "base/json.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// One pass over the declaration: first to check, then to do.
struct apply {
    struct gr_daemon *daemon;
    struct gr_http_request *request;
    bool is_real;    // change things; else only say what would change
    json_t *changed; // texts
    int64_t unchanged;
    char fault[320]; // "" while all is well
    char field[64];
    // Organisations that this declaration adds, known by name before they are there.
    const char *added[256];
    size_t added_count;
};

static bool fault(struct apply *apply, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static bool fault(struct apply *apply, const char *field, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(apply->fault, sizeof apply->fault, fmt, args);
    va_end(args);
    snprintf(apply->field, sizeof apply->field, "%s", field);
    return false;
}

static bool changed(struct apply *apply, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static bool changed(struct apply *apply, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (gr_json_append(apply->changed, gr_json_text(gr_slice_of(text))) != 0) {
        return fault(apply, "", "no memory");
    }
    return true;
}

// A text of an object, "" if it is not there; false: it is no text or too long.
static bool text_of(struct apply *apply, const json_t *object, const char *key, size_t most,
                    const char **ret_text)
{
    const json_t *value = json_object_get(object, key);
    *ret_text = "";
    if (value == NULL || json_is_null(value)) {
        return true;
    }
    if (!json_is_string(value) || json_string_length(value) > most) {
        return fault(apply, key, "%s must be a text of at most %zu bytes", key, most);
    }
    *ret_text = json_string_value(value);
    return true;
}

static bool keys_are_known(struct apply *apply, const json_t *object, const char *const *keys)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object)) {
        return fault(apply, "", "expected an object with the keys %s, ...", keys[0]);
    }
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        bool is_known = false;
        for (size_t i = 0; keys[i] != NULL; i++) {
            is_known = is_known || strcmp(key, keys[i]) == 0;
        }
        if (!is_known) {
            return fault(apply, key, "unknown key '%.64s'", key);
        }
    }
    return true;
}

static uint32_t org_find(const struct gr_pool *pool, const char *name)
{
    uint32_t count = gr_core_org_count(pool->core);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(gr_core_org_get(pool->core, i)->name, name) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

static bool org_is_known(const struct apply *apply, const char *name)
{
    for (size_t i = 0; i < apply->added_count; i++) {
        if (strcmp(apply->added[i], name) == 0) {
            return true;
        }
    }
    return org_find(apply->daemon->pool, name) != UINT32_MAX;
}

static bool is_country(const char *text)
{
    return text[0] == '\0' || (strlen(text) == 2 && text[0] >= 'A' && text[0] <= 'Z' &&
                               text[1] >= 'A' && text[1] <= 'Z');
}

static bool add_org(struct apply *apply, const char *name, const char *parent, unsigned role,
                    const char *seat, const char *ultimate)
{
    struct gr_pool *pool = apply->daemon->pool;
    struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_ORG_ADDED);
    event.org = (struct gr_org){.parent = parent[0] == '\0' ? UINT32_MAX : org_find(pool, parent),
                                .role = (uint8_t)role};
    memcpy(event.org.seat, seat, strlen(seat));
    memcpy(event.org.ultimate_parent, ultimate, strlen(ultimate));
    memcpy(event.org.name, name, strlen(name));
    enum gr_refusal refusal = gr_core_check(pool->core, &event);
    if (refusal != GR_REFUSED_NOTHING) {
        return fault(apply, "organisations", "organisation %s: %s", name, gr_refusal_text(refusal));
    }
    gr_pool_fact(pool, &event);
    return true;
}

static bool apply_org(struct apply *apply, const json_t *object)
{
    static const char *const keys[] = {"name", "parent", "role", "seat", "ultimate_parent", NULL};
    static const char *const roles[GR_ROLES] = {"owner", "customer", "provider"};
    const char *name;
    const char *parent;
    const char *role;
    const char *seat;
    const char *ultimate;
    if (!keys_are_known(apply, object, keys) ||
        !text_of(apply, object, "name", GR_NAME_SIZE - 1, &name) ||
        !text_of(apply, object, "parent", GR_NAME_SIZE - 1, &parent) ||
        !text_of(apply, object, "role", 16, &role) || !text_of(apply, object, "seat", 2, &seat) ||
        !text_of(apply, object, "ultimate_parent", 2, &ultimate)) {
        return false;
    }
    unsigned number = role[0] == '\0' ? GR_ROLE_CUSTOMER : 0;
    while (role[0] != '\0' && number < GR_ROLES && strcmp(role, roles[number]) != 0) {
        number++;
    }
    if (!gr_catalogue_is_name(gr_slice_of(name))) {
        return fault(apply, "name",
                     "an organisation's name has 1 to %d of a-z 0-9 . - +, not '%.64s'",
                     GR_NAME_SIZE - 1, name);
    }
    if (number == GR_ROLES) {
        return fault(apply, "role", "role must be owner, customer or provider, not '%.16s'", role);
    }
    if (!is_country(seat) || !is_country(ultimate)) {
        return fault(apply, "seat", "seat and ultimate_parent are countries of two letters: CN");
    }
    uint32_t found = org_find(apply->daemon->pool, name);
    if (found != UINT32_MAX) {
        const struct gr_org *org = gr_core_org_get(apply->daemon->pool->core, found);
        if ((role[0] != '\0' && org->role != number) || strcmp(org->seat, seat) != 0) {
            if (seat[0] != '\0' || (role[0] != '\0' && org->role != number)) {
                return fault(apply, "organisations",
                             "organisation %s is there already with another role or seat, which "
                             "cannot be changed",
                             name);
            }
        }
        apply->unchanged++;
        return true;
    }
    if (parent[0] != '\0' && !org_is_known(apply, parent)) {
        return fault(apply, "parent", "there is no organisation '%s'; declare it before %s", parent,
                     name);
    }
    if (apply->is_real) {
        if (!add_org(apply, name, parent, number, seat, ultimate)) {
            return false;
        }
    } else if (apply->added_count == sizeof apply->added / sizeof apply->added[0]) {
        return fault(apply, "organisations", "more than 256 new organisations at a time");
    } else {
        apply->added[apply->added_count++] = name;
    }
    return changed(apply, "organisation %s added", name);
}

static bool apply_user(struct apply *apply, const json_t *object)
{
    static const char *const keys[] = {"name", "organisation", NULL};
    struct gr_pool *pool = apply->daemon->pool;
    const char *name;
    const char *org;
    uint32_t uid;
    if (!keys_are_known(apply, object, keys) || !text_of(apply, object, "name", 63, &name) ||
        !text_of(apply, object, "organisation", GR_NAME_SIZE - 1, &org)) {
        return false;
    }
    if (!gr_view_uid(gr_slice_of(name), &uid)) {
        return fault(apply, "name", "there is no user '%s' on this machine", name);
    }
    if (!org_is_known(apply, org)) {
        return fault(apply, "organisation", "there is no organisation '%s'", org);
    }
    uint32_t user = gr_pool_user_find(pool, uid);
    uint32_t number = org_find(pool, org);
    if (user != UINT32_MAX && number != UINT32_MAX &&
        gr_core_user_get(pool->core, user)->org == number) {
        apply->unchanged++;
        return true;
    }
    if (apply->is_real && !gr_pool_user_move(pool, uid, number)) {
        return fault(apply, "users", "as many users as the pool holds are known");
    }
    return changed(apply, "user %s belongs to %s", name, org);
}

static bool apply_node(struct apply *apply, const json_t *object)
{
    static const char *const keys[] = {"name", "state", "why", NULL};
    struct gr_pool *pool = apply->daemon->pool;
    const char *name;
    const char *state;
    const char *why;
    if (!keys_are_known(apply, object, keys) ||
        !text_of(apply, object, "name", GR_NAME_SIZE - 1, &name) ||
        !text_of(apply, object, "state", 16, &state) || !text_of(apply, object, "why", 127, &why)) {
        return false;
    }
    uint32_t node = gr_pool_node_find(pool, gr_slice_of(name));
    if (node == UINT32_MAX) {
        return fault(apply, "name", "there is no node '%s'", name);
    }
    bool is_up = strcmp(state, "up") == 0;
    if (!is_up && strcmp(state, "drained") != 0) {
        return fault(apply, "state", "state must be up or drained, not '%s'", state);
    }
    enum gr_node_state wanted = is_up ? GR_NODE_UP : GR_NODE_DRAINED;
    if (gr_place_node_get(gr_core_place(pool->core), node)->state == wanted) {
        apply->unchanged++;
        return true;
    }
    if (apply->is_real && is_up) {
        gr_pool_node_return(pool, node);
    } else if (apply->is_real) {
        gr_pool_node_set(pool, node, wanted, false, -1, why);
    }
    return changed(apply, "node %s is %s", name, state);
}

static bool apply_list(struct apply *apply, const json_t *body, const char *key,
                       bool (*each)(struct apply *apply, const json_t *object))
{
    const json_t *list = json_object_get(body, key);
    if (list == NULL || json_is_null(list)) {
        return true;
    }
    if (!json_is_array(list)) {
        return fault(apply, key, "%s must be a list", key);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!each(apply, json_array_get(list, i))) {
            char before[sizeof apply->fault];
            memcpy(before, apply->fault, sizeof before);
            snprintf(apply->fault, sizeof apply->fault, "%s[%zu]: %.250s", key, i, before);
            return false;
        }
    }
    return true;
}

static bool apply_all(struct apply *apply, const json_t *body)
{
    json_decref(apply->changed);
    apply->changed = json_array();
    apply->unchanged = 0;
    return apply_list(apply, body, "organisations", apply_org) &&
           apply_list(apply, body, "users", apply_user) &&
           apply_list(apply, body, "nodes", apply_node);
}

void gr_route_apply(void *context, struct gr_http_request *request)
{
    static const char *const names[] = {"dry_run", NULL};
    static const char *const keys[] = {"organisations", "users", "nodes", NULL};
    struct apply apply = {.daemon = context, .request = request};
    bool is_good;
    if (!gr_daemon_who(request)->is_operator) {
        gr_http_reply_error(request, 403, "forbidden", "only an operator may do this", NULL, NULL);
        return;
    }
    if (gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    bool is_dry = gr_daemon_query_flag(request, "dry_run", &is_good);
    if (!is_good || (!is_dry && gr_daemon_is_refused(context, request))) {
        return;
    }
    json_t *body = gr_daemon_body(request, keys);
    if (body == NULL) {
        return;
    }
    bool is_done = apply_all(&apply, body);
    uint64_t last = gr_core_next_sequence(apply.daemon->pool->core) - 1;
    // Applied again it changes nothing by itself; the key only keeps another one from passing for
    // it.
    if (is_done && !is_dry && gr_daemon_key_take(context, request, last) < 0) {
        json_decref(body);
        json_decref(apply.changed);
        return;
    }
    if (is_done && !is_dry) {
        apply.is_real = true;
        is_done = apply_all(&apply, body);
    }
    json_decref(body);
    if (!is_done) {
        json_decref(apply.changed);
        gr_http_reply_error(request, 422, "bad-request", apply.fault,
                            "docs/formats/declaration.md lists what can be declared", apply.field);
        return;
    }
    json_t *object = json_object();
    int rc = gr_json_set(object, "changed", apply.changed);
    rc |= gr_json_set_int(object, "unchanged", apply.unchanged);
    rc |= gr_json_set_bool(object, "dry_run", is_dry);
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(context, request, 200, object);
}
