// What `granary top` knows of the pool: see top.h.
#include "cli/top.h"

#include "base/json.h"
#include "cli/listing.h"
#include "cli/units.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How long one question may take.
#define ASK_MS 10000

void top_data_done(struct top_data *data)
{
    json_t **answers[] = {&data->pool,   &data->nodes, &data->quotas,
                          &data->shares, &data->queue, &data->held_idle};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        json_decref(*answers[i]);
        *answers[i] = NULL;
    }
}

// ---- asking -------------------------------------------------------------------------------------

static int ask(struct gr_client *client, const struct gr_client_path *path, json_t **ret_object,
               struct gr_err *err)
{
    struct gr_client_call call = {.method = "GET", .path = path, .timeout_ms = ASK_MS};
    struct gr_client_reply reply;
    int code = gr_client_send(client, &call, &reply, err);
    if (code != 0) {
        return code;
    }
    json_t *object = json_loadb(reply.body, reply.size, JSON_REJECT_DUPLICATES, NULL);
    gr_client_reply_done(&reply);
    if (!json_is_object(object)) {
        json_decref(object);
        return gr_fail(err, -EPROTO, "the daemon's answer to %s is no object", path->text);
    }
    *ret_object = object;
    return 0;
}

static int ask_nodes(struct gr_client *client, json_t **ret_nodes, struct gr_err *err)
{
    struct gr_client_path path;
    gr_client_path_init(&path, "/v1/nodes");
    return gr_cli_fetch_pages(client, &path, "nodes", ret_nodes, err);
}

// Running jobs that are held-idle, of the newest that run.
static int ask_idle(struct gr_client *client, json_t **ret_jobs, struct gr_err *err)
{
    struct gr_client_path path;
    json_t *answer = NULL;
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_query(&path, "state", "running");
    gr_client_path_query_int(&path, "limit", TOP_RUNNING);
    int code = ask(client, &path, &answer, err);
    json_t *idle = code == 0 ? json_array() : NULL;
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(answer, "jobs"), index, row)
    {
        if (json_is_object(json_object_get(row, "held_idle"))) {
            (void)json_array_append(idle, row);
        }
    }
    json_decref(answer);
    *ret_jobs = idle;
    return code;
}

static int ask_plain(struct gr_client *client, const char *start, int limit, json_t **ret_object,
                     struct gr_err *err)
{
    struct gr_client_path path;
    gr_client_path_init(&path, start);
    if (limit > 0) {
        gr_client_path_query_int(&path, "limit", limit);
    }
    return ask(client, &path, ret_object, err);
}

// ---- counting -----------------------------------------------------------------------------------

static struct top_kind *kind_of(struct top_data *data, const char *variant)
{
    for (size_t i = 0; i < data->kind_count; i++) {
        if (strcmp(data->kinds[i].name, variant) == 0) {
            return &data->kinds[i];
        }
    }
    if (data->kind_count == TOP_KINDS) {
        return NULL;
    }
    struct top_kind *kind = &data->kinds[data->kind_count++];
    *kind = (struct top_kind){.is_pretend = true};
    snprintf(kind->name, sizeof kind->name, "%s", variant);
    return kind;
}

// Whether the list holds the number.
static bool has_number(const json_t *list, size_t number)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_integer_value(json_array_get(list, i)) == (json_int_t)number) {
            return true;
        }
    }
    return false;
}

// What is free of a device that is out, or of a node that takes no work, is not free to anybody;
// what is held of a broken one is out too.
static void count_node(struct top_data *data, const json_t *node)
{
    const char *variant = gr_cli_get_text(node, "variant", NULL);
    int64_t devices = gr_cli_get_int_or(node, "devices", 0);
    struct top_kind *kind = variant == NULL || devices <= 0 ? NULL : kind_of(data, variant);
    const json_t *free = json_object_get(node, "free_milli");
    const json_t *out = json_object_get(node, "out");
    bool is_up = strcmp(gr_cli_get_text(node, "state", ""), "up") == 0;
    bool is_broken = strcmp(gr_cli_get_text(node, "state", ""), "broken") == 0;
    if (kind == NULL) {
        return;
    }
    kind->nodes++;
    kind->is_pretend = kind->is_pretend && json_is_true(json_object_get(node, "pretend"));
    for (size_t d = 0; d < json_array_size(free); d++) {
        int64_t left = json_integer_value(json_array_get(free, d));
        left = left < 0 ? 0 : left > 1000 ? 1000 : left;
        bool is_out = is_broken || has_number(out, d);
        kind->whole += 1000;
        kind->used += is_out ? 0 : 1000 - left;
        kind->free += is_out || !is_up ? 0 : left;
        kind->out += is_out ? 1000 : is_up ? 0 : left;
    }
}

// Devices of held-idle jobs count with the kind of their first node.
static void count_idle(struct top_data *data)
{
    json_t *variants = json_object();
    size_t index;
    json_t *row;
    json_array_foreach(data->nodes, index, row)
    {
        (void)json_object_set(variants, gr_cli_get_text(row, "name", "?"),
                              json_object_get(row, "variant"));
    }
    json_array_foreach(data->held_idle, index, row)
    {
        const char *node = json_string_value(json_array_get(json_object_get(row, "nodes"), 0));
        const char *variant =
            node == NULL ? NULL : json_string_value(json_object_get(variants, node));
        struct top_kind *kind = variant == NULL ? NULL : kind_of(data, variant);
        int64_t milli = gr_cli_get_int_or(row, "tasks", 1) * gr_cli_get_int_or(row, "devices", 0) *
                        gr_cli_get_int_or(row, "milli", 1000);
        if (kind != NULL) {
            kind->idle += milli > kind->used - kind->idle ? kind->used - kind->idle : milli;
        }
    }
    json_decref(variants);
}

static void count_reasons(struct top_data *data)
{
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(data->queue, "jobs"), index, row)
    {
        const json_t *job = json_object_get(row, "job");
        const char *text = gr_cli_get_text_in(job, "reason", "text", "waits for its turn");
        size_t r = 0;
        while (r < data->reason_count && strcmp(data->reasons[r].text, text) != 0) {
            r++;
        }
        if (r == data->reason_count && r < TOP_REASONS) {
            data->reasons[data->reason_count++] = (struct top_reason){.text = text};
        }
        if (r < TOP_REASONS) {
            data->reasons[r].count++;
        }
    }
}

static int kind_order(const void *a, const void *b)
{
    return strcmp(((const struct top_kind *)a)->name, ((const struct top_kind *)b)->name);
}

static int reason_order(const void *a, const void *b)
{
    int64_t first = ((const struct top_reason *)a)->count;
    int64_t second = ((const struct top_reason *)b)->count;
    return (first < second) - (first > second);
}

static void count_all(struct top_data *data)
{
    size_t index;
    json_t *row;
    data->kind_count = data->reason_count = 0;
    json_array_foreach(data->nodes, index, row)
    {
        count_node(data, row);
    }
    count_idle(data);
    count_reasons(data);
    qsort(data->kinds, data->kind_count, sizeof data->kinds[0], kind_order);
    qsort(data->reasons, data->reason_count, sizeof data->reasons[0], reason_order);
}

int top_data_fetch(struct top_data *data, struct gr_client *client, struct gr_err *err)
{
    struct top_data got = {.pool = NULL};
    int code = ask_plain(client, "/v1/pool", 0, &got.pool, err);
    code = code != 0 ? code : ask_nodes(client, &got.nodes, err);
    code = code != 0 ? code : ask_plain(client, "/v1/quotas", 0, &got.quotas, err);
    code = code != 0 ? code : ask_plain(client, "/v1/shares", 0, &got.shares, err);
    code = code != 0 ? code : ask_plain(client, "/v1/queue", TOP_QUEUE, &got.queue, err);
    code = code != 0 ? code : ask_idle(client, &got.held_idle, err);
    if (code != 0) {
        top_data_done(&got);
        return code;
    }
    top_data_done(data);
    data->pool = got.pool;
    data->nodes = got.nodes;
    data->quotas = got.quotas;
    data->shares = got.shares;
    data->queue = got.queue;
    data->held_idle = got.held_idle;
    data->now_ms = gr_cli_now_ms();
    data->lost_ms = 0;
    count_all(data);
    return 0;
}

// ---- events -------------------------------------------------------------------------------------

void top_data_event(struct top_data *data, const struct gr_client_event *event)
{
    static const char *const keys[] = {"name", "user", "organisation", "node", "outcome", "why"};
    struct top_event *made = &data->events[data->event_next];
    data->event_next = (data->event_next + 1) % TOP_EVENTS;
    data->event_count += data->event_count < TOP_EVENTS;
    made->at_ms = gr_cli_get_int_or(event->data, "at_ms", 0);
    size_t used = (size_t)snprintf(made->text, sizeof made->text, "%-16.40s", event->type);
    int64_t job;
    if (gr_cli_get_int(event->data, "job", &job)) {
        used += (size_t)snprintf(made->text + used, sizeof made->text - used, " job %" PRId64, job);
    }
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        const char *text = gr_cli_get_text(event->data, keys[k], NULL);
        char clean[40];
        if (text != NULL && text[0] != '\0' && used + sizeof clean + 16 < sizeof made->text) {
            used += (size_t)snprintf(made->text + used, sizeof made->text - used, " %s %s", keys[k],
                                     gr_cli_clean(text, clean, sizeof clean));
        }
    }
}

// ---- as an object -------------------------------------------------------------------------------

static json_t *kinds_json(const struct top_data *data)
{
    json_t *list = json_array();
    for (size_t i = 0; i < data->kind_count; i++) {
        const struct top_kind *kind = &data->kinds[i];
        json_t *row = json_object();
        int code = gr_json_set_text(row, "variant", gr_slice_of(kind->name));
        code |= gr_json_set_int(row, "nodes", kind->nodes);
        code |= gr_json_set_decimal(row, "devices", kind->whole, 3);
        code |= gr_json_set_decimal(row, "used", kind->used, 3);
        code |= gr_json_set_decimal(row, "held_idle", kind->idle, 3);
        code |= gr_json_set_decimal(row, "free", kind->free, 3);
        code |= gr_json_set_decimal(row, "out", kind->out, 3);
        code |= gr_json_set_bool(row, "pretend", kind->is_pretend);
        code |= gr_json_append(list, row);
        if (code != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *reasons_json(const struct top_data *data)
{
    json_t *list = json_array();
    for (size_t i = 0; i < data->reason_count; i++) {
        json_t *row = json_object();
        int code = gr_json_set_text(row, "text", gr_slice_of(data->reasons[i].text));
        code |= gr_json_set_int(row, "jobs", data->reasons[i].count);
        if ((code | gr_json_append(list, row)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *top_data_json(const struct top_data *data)
{
    json_t *object = json_object();
    int code = gr_json_set_int(object, "at_ms", data->now_ms);
    code |= gr_json_set(object, "pool", json_incref(data->pool));
    code |= gr_json_set(object, "kinds", kinds_json(data));
    code |= gr_json_set(object, "quotas", json_incref(json_object_get(data->quotas, "quotas")));
    code |= gr_json_set(object, "shares", json_incref(json_object_get(data->shares, "shares")));
    code |= gr_json_set(object, "waiting", json_incref(json_object_get(data->queue, "waiting")));
    code |= gr_json_set(object, "reasons", reasons_json(data));
    code |= gr_json_set(object, "queue", json_incref(json_object_get(data->queue, "jobs")));
    code |= gr_json_set(object, "held_idle", json_incref(data->held_idle));
    if (code != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}
