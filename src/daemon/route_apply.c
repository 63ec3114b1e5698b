// What an operator declares: organisations, users, states of nodes; apply_queue.c has what is said
// of shares, quotas and the queue. Applying it twice changes nothing the second time. See daemon.h
// and docs/api.
//
// All or nothing: the declaration is read into steps, and they are taken only if all of it is well
// and there is room for all of it. No step can fail then.
#include "base/json.h"
#include "daemon/apply_queue.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// New organisations of one declaration: each is compared with those before it.
#define ORGS_AT_ONCE 4096

// One thing to change. Texts lie in the request's body.
struct step {
    enum { ADD_ORG, MOVE_USER, SET_NODE } what;
    struct gr_org org;        // ADD_ORG: all but its parent
    const char *org_name;     // ADD_ORG: its parent's name, or ""; MOVE_USER: the organisation's
    uint32_t uid;             // MOVE_USER
    uint32_t node;            // SET_NODE
    enum gr_node_state state; // SET_NODE
    const char *why;          // SET_NODE
};

// Rows of one sort that a declaration names, by number.
struct named {
    uint32_t *numbers; // heap
    size_t count, room;
};

// A declaration that is read.
struct apply {
    struct gr_daemon *daemon;
    struct gr_http_request *request;
    struct gr_apply_queue *queue; // shares, quotas, the queue; owned
    json_t *changed;              // texts
    int64_t unchanged;
    char fault[320]; // "" while all is well
    char field[96];
    struct step *steps; // heap
    size_t step_count, step_room;
    uint32_t orgs, users;                              // rows that the steps add
    struct named named_orgs, named_users, named_nodes; // of those that are there, uids, nodes
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

// Adds a step, and says what it changes. NULL: no memory.
static struct step *step_add(struct apply *apply, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static struct step *step_add(struct apply *apply, const char *fmt, ...)
{
    char text[256];
    va_list args;
    if (apply->step_count == apply->step_room) {
        size_t room = apply->step_room == 0 ? 64 : apply->step_room * 2;
        struct step *more = realloc(apply->steps, room * sizeof *more);
        if (more == NULL) {
            (void)fault(apply, "", "no memory");
            return NULL;
        }
        apply->steps = more;
        apply->step_room = room;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (gr_json_append(apply->changed, gr_json_text(gr_slice_of(text))) != 0) {
        (void)fault(apply, "", "no memory");
        return NULL;
    }
    struct step *step = &apply->steps[apply->step_count++];
    *step = (struct step){0};
    return step;
}

static bool name_add(struct apply *apply, struct named *named, uint32_t number)
{
    if (named->count == named->room) {
        size_t room = named->room == 0 ? 64 : named->room * 2;
        uint32_t *more = realloc(named->numbers, room * sizeof *more);
        if (more == NULL) {
            return fault(apply, "", "no memory");
        }
        named->numbers = more;
        named->room = room;
    }
    named->numbers[named->count++] = number;
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

// Whether an earlier step adds it.
static bool org_is_added(const struct apply *apply, const char *name)
{
    for (size_t i = 0; i < apply->step_count; i++) {
        if (apply->steps[i].what == ADD_ORG && strcmp(apply->steps[i].org.name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool org_is_known(const struct apply *apply, const char *name)
{
    return org_is_added(apply, name) || org_find(apply->daemon->pool, name) != UINT32_MAX;
}

static bool is_country(const char *text)
{
    return text[0] == '\0' || (strlen(text) == 2 && text[0] >= 'A' && text[0] <= 'Z' &&
                               text[1] >= 'A' && text[1] <= 'Z');
}

static bool apply_org(struct apply *apply, const json_t *object)
{
    static const char *const keys[] = {"name",   "parent", "role",   "seat", "ultimate_parent",
                                       "weight", "limits", "quotas", NULL};
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
        return name_add(apply, &apply->named_orgs, found);
    }
    if (parent[0] != '\0' && !org_is_known(apply, parent)) {
        return fault(apply, "parent", "there is no organisation '%s'; declare it before %s", parent,
                     name);
    }
    if (apply->orgs == ORGS_AT_ONCE) {
        return fault(apply, "organisations", "more than %d new organisations at a time",
                     ORGS_AT_ONCE);
    }
    if (org_is_added(apply, name)) {
        return fault(apply, "name", "organisation %s is declared twice", name);
    }
    struct step *step = step_add(apply, "organisation %s added", name);
    if (step == NULL) {
        return false;
    }
    step->what = ADD_ORG;
    step->org_name = parent;
    step->org.role = (uint8_t)number;
    memcpy(step->org.seat, seat, strlen(seat));
    memcpy(step->org.ultimate_parent, ultimate, strlen(ultimate));
    memcpy(step->org.name, name, strlen(name));
    apply->orgs++;
    return true;
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
    if (!name_add(apply, &apply->named_users, uid)) {
        return false;
    }
    if (user != UINT32_MAX && number != UINT32_MAX &&
        gr_core_user_get(pool->core, user)->org == number) {
        apply->unchanged++;
        return true;
    }
    struct step *step = step_add(apply, "user %s belongs to %s", name, org);
    if (step == NULL) {
        return false;
    }
    step->what = MOVE_USER;
    step->org_name = org;
    step->uid = uid;
    apply->users++; // a move is a row of its own
    return true;
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
    if (!name_add(apply, &apply->named_nodes, node)) {
        return false;
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
    struct step *step = step_add(apply, "node %s is %s", name, state);
    if (step == NULL) {
        return false;
    }
    step->what = SET_NODE;
    step->node = node;
    step->state = wanted;
    step->why = why;
    return true;
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

static int compare_numbers(const void *a, const void *b)
{
    const uint32_t *left = a;
    const uint32_t *right = b;
    return (*left > *right) - (*left < *right);
}

// The first number that is there twice; false: there is none.
static bool find_twice(struct named *named, uint32_t *ret_number)
{
    if (named->count > 0) {
        qsort(named->numbers, named->count, sizeof *named->numbers, compare_numbers);
    }
    for (size_t i = 1; i < named->count; i++) {
        if (named->numbers[i] == named->numbers[i - 1]) {
            *ret_number = named->numbers[i];
            return true;
        }
    }
    return false;
}

// Whether nothing is named twice: who did would not know which of the two counts.
static bool are_distinct(struct apply *apply)
{
    const struct gr_core *core = apply->daemon->pool->core;
    uint32_t number;
    if (find_twice(&apply->named_orgs, &number)) {
        return fault(apply, "organisations", "organisation %s is declared twice",
                     gr_core_org_get(core, number)->name);
    }
    if (find_twice(&apply->named_users, &number)) {
        return fault(apply, "users", "the user with uid %u is declared twice", number);
    }
    if (find_twice(&apply->named_nodes, &number)) {
        return fault(apply, "nodes", "node %s is declared twice",
                     gr_place_cold_get(gr_core_place(core), number)->name);
    }
    return true;
}

// Whether the core has room for all rows. The caller becomes a user with the key, if there is one.
static bool has_room(struct apply *apply)
{
    struct gr_pool *pool = apply->daemon->pool;
    const struct gr_core_limits *limits = &pool->config.core.limits;
    uint32_t caller = (uint32_t)gr_daemon_who(apply->request)->uid;
    uint64_t users = (uint64_t)gr_core_user_count(pool->core) + apply->users +
                     (gr_pool_user_find(pool, caller) == UINT32_MAX);
    if (apply->orgs > 0 && (uint64_t)gr_core_org_count(pool->core) + apply->orgs > limits->orgs) {
        return fault(apply, "organisations",
                     "the pool holds %u organisations at most, and %u are there", limits->orgs,
                     gr_core_org_count(pool->core));
    }
    if (apply->users > 0 && users > limits->users) {
        return fault(apply, "users", "the pool holds %u users and moves at most, and %u are there",
                     limits->users, gr_core_user_count(pool->core));
    }
    return true;
}

static bool read_queue(struct apply *apply, const json_t *body)
{
    struct gr_apply_fault wrong = {.text = "no memory"};
    if (gr_apply_queue_new(apply->daemon->pool, body, &apply->queue, &wrong) == 0) {
        return true;
    }
    return fault(apply, wrong.field, "%s", wrong.text);
}

static bool read_all(struct apply *apply, const json_t *body)
{
    apply->changed = json_array();
    return read_queue(apply, body) && apply_list(apply, body, "organisations", apply_org) &&
           apply_list(apply, body, "users", apply_user) &&
           apply_list(apply, body, "nodes", apply_node) && are_distinct(apply) && has_room(apply);
}

static void take_step(struct gr_pool *pool, const struct step *step)
{
    switch (step->what) {
    case ADD_ORG: {
        struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_ORG_ADDED);
        event.org = step->org;
        event.org.parent = step->org_name[0] == '\0' ? UINT32_MAX : org_find(pool, step->org_name);
        assert(gr_core_check(pool->core, &event) == GR_REFUSED_NOTHING);
        gr_pool_fact(pool, &event);
        return;
    }
    case MOVE_USER: {
        bool is_moved = gr_pool_user_move(pool, step->uid, org_find(pool, step->org_name));
        assert(is_moved);
        (void)is_moved;
        return;
    }
    case SET_NODE:
        if (step->state == GR_NODE_UP) {
            gr_pool_node_return(pool, step->node);
        } else {
            gr_pool_node_set(pool, step->node, step->state, false, -1, step->why);
        }
        return;
    }
}

static void reply(struct apply *apply, bool is_dry)
{
    json_t *object = json_object();
    int rc = gr_apply_queue_tell(apply->queue, apply->changed, object);
    rc |= gr_json_set(object, "changed", json_incref(apply->changed));
    rc |= gr_json_set_int(object, "unchanged",
                          apply->unchanged + gr_apply_queue_unchanged(apply->queue));
    rc |= gr_json_set_bool(object, "dry_run", is_dry);
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(apply->daemon, apply->request, 200, object);
}

void gr_route_apply(void *context, struct gr_http_request *request)
{
    static const char *const names[] = {"dry_run", NULL};
    static const char *const keys[] = {"organisations", "users", "nodes", "queue", "classes", NULL};
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
    uint64_t last = gr_core_next_sequence(apply.daemon->pool->core) - 1;
    if (!read_all(&apply, body)) {
        gr_http_reply_error(request, 422, "bad-request", apply.fault,
                            "docs/formats/declaration.md lists what can be declared", apply.field);
    } else if (is_dry) {
        reply(&apply, true);
    } else if (gr_daemon_key_take(context, request, last) >= 0) {
        // Applied again it changes nothing by itself; the key only keeps another one from passing
        // for it.
        for (size_t i = 0; i < apply.step_count; i++) {
            take_step(apply.daemon->pool, &apply.steps[i]);
        }
        gr_apply_queue_do(apply.queue, apply.daemon->pool);
        reply(&apply, false);
    }
    json_decref(body);
    json_decref(apply.changed);
    gr_apply_queue_free(apply.queue);
    free(apply.steps);
    free(apply.named_orgs.numbers);
    free(apply.named_users.numbers);
    free(apply.named_nodes.numbers);
}
