// Tokens of the HTTP API, over HTTP: see daemon.h, identity.h and docs/api. For operators only. A
// token's text is in the reply that made it and nowhere else; so no idempotency key is taken: a
// name that is used already is refused, which keeps a repeated request from making a second one.
#include "base/json.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_no_operator(struct gr_http_request *request)
{
    if (gr_daemon_who(request)->is_operator) {
        return false;
    }
    gr_http_reply_error(request, 403, "forbidden", "only an operator may do this",
                        "ask root or the user who runs the pool's daemon", NULL);
    return true;
}

static json_t *view_token(const struct gr_identity_token *token)
{
    json_t *object = json_object();
    int rc = gr_json_set_text(object, "name", gr_slice_of(token->name));
    rc |= gr_json_set_text(object, "user", gr_slice_of(gr_view_user(token->uid)));
    rc |= gr_json_set_int(object, "uid", token->uid);
    rc |= gr_json_set_bool(object, "operator", token->is_operator);
    rc |= gr_json_set(object, "since",
                      token->since == NULL ? json_null() : gr_json_text(gr_slice_of(token->since)));
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void add_to_list(void *context, const struct gr_identity_token *token)
{
    json_t *list = context;
    (void)json_array_append_new(list, view_token(token));
}

void gr_route_tokens(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {NULL};
    struct gr_err err;
    if (is_no_operator(request) || gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    json_t *list = json_array();
    gr_err_init(&err);
    if (gr_identities_tokens(daemon->identities, add_to_list, list, &err) != 0) {
        json_decref(list);
        gr_http_reply_error(request, 503, "unavailable", err.text, NULL, NULL);
        return;
    }
    json_t *object = json_object();
    if (gr_json_set(object, "tokens", list) != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}

// --- looking one up

struct search {
    struct gr_slice name;
    unsigned count;
};

static void count_named(void *context, const struct gr_identity_token *token)
{
    struct search *search = context;
    search->count += gr_slice_is(search->name, token->name);
}

// How many tokens have this name. False: a reply was made.
static bool count_tokens(struct gr_daemon *daemon, struct gr_http_request *request,
                         struct gr_slice name, unsigned *ret_count)
{
    struct search search = {.name = name};
    struct gr_err err;
    gr_err_init(&err);
    if (gr_identities_tokens(daemon->identities, count_named, &search, &err) != 0) {
        gr_http_reply_error(request, 503, "unavailable", err.text, NULL, NULL);
        return false;
    }
    *ret_count = search.count;
    return true;
}

// --- adding one

// What is asked for. False: a reply was made.
static bool read_body(struct gr_http_request *request, const json_t *body,
                      struct gr_identity_token *ret_token)
{
    const json_t *name = json_object_get(body, "name");
    const json_t *user = json_object_get(body, "user");
    const json_t *is_operator = json_object_get(body, "operator");
    uint32_t uid = (uint32_t)gr_daemon_who(request)->uid;
    if (!json_is_string(name) || json_string_length(name) != strlen(json_string_value(name))) {
        gr_http_reply_error(request, 400, "bad-request", "a token needs a name", NULL, "name");
        return false;
    }
    if (is_operator != NULL && !json_is_boolean(is_operator)) {
        gr_http_reply_error(request, 400, "bad-request", "operator must be true or false", NULL,
                            "operator");
        return false;
    }
    if (user != NULL && !json_is_null(user) &&
        (!json_is_string(user) || !gr_view_uid(gr_slice_of(json_string_value(user)), &uid))) {
        gr_http_reply_error(request, 422, "bad-request", "there is no such user on this machine",
                            "a name, a uid or uid-1234", "user");
        return false;
    }
    *ret_token = (struct gr_identity_token){
        .name = json_string_value(name), .uid = uid, .is_operator = json_is_true(is_operator)};
    return true;
}

// An operator's token opens the pool, not the accounts of the machine's users: as whom a token
// stands for jobs are run.
static bool may_make(struct gr_http_request *request, const struct gr_identity_token *wanted)
{
    uid_t uid = gr_daemon_who(request)->uid;
    if (uid == 0 || uid == geteuid() || uid == wanted->uid) {
        return true;
    }
    gr_http_reply_error(request, 403, "forbidden",
                        "only root and the user who runs the pool's daemon make tokens for others",
                        "ask one of them; a token for yourself you can make", "user");
    return false;
}

static void make_token(struct gr_daemon *daemon, struct gr_http_request *request,
                       const struct gr_identity_token *wanted)
{
    char text[64];
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_identities_token_add(daemon->identities, wanted->uid, wanted->is_operator,
                                       wanted->name, text, &err);
    if (code != 0) {
        bool is_askers = code == -EINVAL || code == -ENOSPC;
        gr_http_reply_error(request, is_askers ? 422 : 503,
                            is_askers ? "bad-request" : "unavailable", err.text, NULL, "name");
        return;
    }
    json_t *object = view_token(wanted);
    if (gr_json_set_text(object, "token", gr_slice_of(text)) != 0) {
        json_decref(object);
        object = NULL; // nobody will ever know this one: it can be removed by its name
    }
    explicit_bzero(text, sizeof text);
    gr_daemon_reply(daemon, request, 201, object);
}

void gr_route_token_add(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {"dry_run", NULL};
    static const char *const keys[] = {"name", "user", "operator", NULL};
    struct gr_identity_token wanted;
    bool is_good;
    unsigned count;
    if (is_no_operator(request) || gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    bool is_dry = gr_daemon_query_flag(request, "dry_run", &is_good);
    json_t *body = is_good ? gr_daemon_body(request, keys) : NULL;
    if (body == NULL) {
        return;
    }
    if (read_body(request, body, &wanted) && may_make(request, &wanted) &&
        count_tokens(daemon, request, gr_slice_of(wanted.name), &count)) {
        if (count > 0) {
            gr_http_reply_error(request, 409, "conflict", "a token of this name is there already",
                                "remove it first, or use another name", "name");
        } else if (is_dry) {
            gr_daemon_reply(daemon, request, 200, view_token(&wanted));
        } else {
            make_token(daemon, request, &wanted);
        }
    }
    json_decref(body);
}

// --- removing one

void gr_route_token_remove(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {"dry_run", NULL};
    static const char *const keys[] = {NULL};
    char name[128];
    struct gr_err err;
    bool is_good;
    unsigned count;
    if (is_no_operator(request) || gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    bool is_dry = gr_daemon_query_flag(request, "dry_run", &is_good);
    json_t *body = is_good ? gr_daemon_body(request, keys) : NULL;
    json_decref(body);
    struct gr_slice given = gr_http_request_param(request, "token");
    if (body == NULL || !count_tokens(daemon, request, given, &count)) {
        return;
    }
    if (count == 0 || given.size >= sizeof name) {
        gr_http_reply_error(request, 404, "not-found", "there is no token of this name",
                            "`granary token list` lists them", "token");
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)given.size, given.text);
    gr_err_init(&err);
    int removed = is_dry ? (int)count : gr_identities_token_remove(daemon->identities, name, &err);
    if (removed < 0) {
        gr_http_reply_error(request, 503, "unavailable", err.text, NULL, NULL);
        return;
    }
    json_t *object = json_object();
    int rc = gr_json_set_text(object, "name", gr_slice_of(name));
    rc |= gr_json_set_int(object, "removed", removed);
    rc |= gr_json_set_bool(object, "dry_run", is_dry);
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}
