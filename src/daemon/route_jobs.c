// Jobs over HTTP: submit, list, show, stop. See daemon.h and docs/api.
#include "base/json.h"
#include "base/number.h"
#include "base/quantity.h"
#include "codec/spec_json.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    if (!is_taken) {
        json_t *reason = json_object();
        rc |= gr_json_set_text(reason, "code", gr_slice_of(refusal.code));
        rc |= gr_json_set_text(reason, "text", gr_slice_of(refusal.text));
        rc |= gr_json_set_text(reason, "hint", gr_slice_of(refusal.hint));
        rc |= gr_json_set(object, "reason", reason);
    } else {
        rc |= gr_json_set_null(object, "reason");
    }
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

void gr_route_submit(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {"dry_run", NULL};
    if (((struct gr_caller *)gr_http_request_data(request))->bulk != NULL) {
        gr_route_submit_end(daemon, request);
        return;
    }
    bool is_good;
    if (gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    bool is_dry = gr_daemon_query_flag(request, "dry_run", &is_good);
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

// --- the list

#define LIST_MOST 1000
// held, waiting, starting, running, stopping
#define LIVE_STATES 0x1fu

struct list {
    uint32_t states; // bits of gr_view_states that are wanted
    uint64_t below;  // ids below this only
    uint32_t most;
    uint32_t user, org; // UINT32_MAX: any
    struct gr_slice name;
    bool has_name;
    uint64_t ids[LIST_MOST + 1]; // a heap, the smallest first: the greatest ids stay
    uint32_t count;
    int64_t until_ns; // names are looked up until then; 0: none was yet
    bool is_cut;      // there were more
};

// How long a list may look up names: each is in a spec, which may have to be read from the disk.
#define NAMES_NS INT64_C(100000000)

static unsigned state_index(const char *state)
{
    unsigned i = 0;
    while (strcmp(gr_view_states[i], state) != 0) {
        i++;
    }
    return i;
}

static void heap_down(uint64_t *ids, uint32_t count, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && ids[child + 1] < ids[child]) {
            child++;
        }
        if (ids[at] <= ids[child]) {
            return;
        }
        uint64_t id = ids[at];
        ids[at] = ids[child];
        ids[child] = id;
        at = child;
    }
}

// Keeps the id if it is among the greatest; one more than asked for, to know if there are more.
static void list_add(struct list *list, uint64_t id)
{
    if (list->count <= list->most) {
        uint32_t at = list->count++;
        list->ids[at] = id;
        while (at > 0 && list->ids[(at - 1) / 2] > list->ids[at]) {
            uint64_t other = list->ids[(at - 1) / 2];
            list->ids[(at - 1) / 2] = list->ids[at];
            list->ids[at] = other;
            at = (at - 1) / 2;
        }
    } else if (id > list->ids[0]) {
        list->ids[0] = id;
        heap_down(list->ids, list->count, 0);
    }
}

static int64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool has_name(struct gr_pool *pool, struct list *list, uint64_t id)
{
    struct gr_spec spec;
    int64_t now_ns = clock_ns();
    list->until_ns = list->until_ns == 0 ? now_ns + NAMES_NS : list->until_ns;
    list->is_cut = list->is_cut || now_ns >= list->until_ns;
    return !list->is_cut && gr_pool_spec(pool, id, &spec, NULL) == 0 &&
           gr_slice_is(list->name, spec.name);
}

// Whether a job could enter the list at all: asked first, for there may be a million.
static bool list_has_room(const struct list *list, uint64_t id)
{
    return id < list->below && (list->count <= list->most || id > list->ids[0]);
}

static bool list_wants(struct gr_pool *pool, struct list *list, uint64_t id, uint32_t user,
                       uint32_t org, const char *state)
{
    return list_has_room(list, id) && (list->user == UINT32_MAX || list->user == user) &&
           (list->org == UINT32_MAX || list->org == org) &&
           (list->states >> state_index(state) & 1u) != 0 &&
           (!list->has_name || has_name(pool, list, id));
}

// Rows of the history that a list looks at, at most: a filter that fits few of them ends earlier.
#define HISTORY_ROWS_MAX 20000u

struct list_pool {
    struct gr_pool *pool;
    struct list *list;
};

static bool list_old(void *context, const struct gr_ended *ended)
{
    struct list_pool *both = context;
    if (list_wants(both->pool, both->list, ended->id, ended->user, ended->org,
                   gr_view_ended_state(ended))) {
        list_add(both->list, ended->id);
    }
    // They come with falling ids: once the heap is full, none that follows can enter it.
    return both->list->count <= both->list->most || ended->id > both->list->ids[0];
}

static void list_fill(struct gr_pool *pool, struct list *list)
{
    uint32_t cursor = 0;
    const struct gr_job *job;
    while ((list->states & LIVE_STATES) != 0 &&
           (job = gr_core_job_next(pool->core, &cursor)) != NULL) {
        if (list_has_room(list, job->id) &&
            list_wants(pool, list, job->id, job->user, job->org, gr_view_job_state(pool, job))) {
            list_add(list, job->id);
        }
    }
    if ((list->states & ~LIVE_STATES) == 0) {
        return;
    }
    // Those that ended: the newest from memory, the others from the history.
    uint64_t upto = gr_history_upto(pool->history);
    const struct gr_ended *ended;
    for (uint32_t back = 0; (ended = gr_ended_ring_back(pool->ended, back)) != NULL; back++) {
        if (ended->sequence > upto && list_wants(pool, list, ended->id, ended->user, ended->org,
                                                 gr_view_ended_state(ended))) {
            list_add(list, ended->id);
        }
    }
    struct list_pool both = {.pool = pool, .list = list};
    struct gr_history_query query = {
        .below = list->below, .user = list->user, .org = list->org, .most = HISTORY_ROWS_MAX};
    (void)gr_history_list(pool->history, &query, list_old, &both, NULL);
}

// Reads "running,waiting". False: a reply was made.
static bool read_states(struct gr_http_request *request, uint32_t *ret_states)
{
    struct gr_slice text;
    bool is_good;
    bool all = gr_daemon_query_flag(request, "all", &is_good);
    if (!is_good) {
        return false;
    }
    *ret_states = all ? UINT32_MAX : LIVE_STATES;
    if (!gr_http_request_query(request, "state", &text)) {
        return true;
    }
    *ret_states = 0;
    while (text.size > 0) {
        const char *comma = memchr(text.text, ',', text.size);
        struct gr_slice word = {text.text, comma == NULL ? text.size : (size_t)(comma - text.text)};
        unsigned i = 0;
        while (gr_view_states[i] != NULL && !gr_slice_is(word, gr_view_states[i])) {
            i++;
        }
        if (gr_view_states[i] == NULL) {
            gr_http_reply_error(request, 400, "bad-request", "state: there is no such state",
                                "states: held, waiting, starting, running, stopping, done, "
                                "failed, stopped, time-limit, out-of-memory, lost, ...",
                                "state");
            return false;
        }
        *ret_states |= 1u << i;
        text.text += word.size + (comma != NULL);
        text.size -= word.size + (comma != NULL);
    }
    return true;
}

// Whom and what to list. False: a reply was made.
static bool read_list(struct gr_daemon *daemon, struct gr_http_request *request, struct list *list)
{
    static const char *const names[] = {"state", "user",  "name",  "organisation",
                                        "all",   "after", "limit", NULL};
    int64_t after = INT64_MAX;
    int64_t limit = 100;
    const struct gr_identity *who = gr_daemon_who(request);
    struct gr_pool *pool = daemon->pool;
    if (gr_daemon_query_is_wrong(request, names) || !read_states(request, &list->states) ||
        !gr_daemon_query_int(request, "after", 1, INT64_MAX, &after) ||
        !gr_daemon_query_int(request, "limit", 1, LIST_MOST, &limit)) {
        return false;
    }
    list->below = (uint64_t)after;
    list->most = (uint32_t)limit;
    list->user = list->org = UINT32_MAX;
    list->has_name = gr_http_request_query(request, "name", &list->name);
    struct gr_slice text;
    if (gr_http_request_query(request, "user", &text)) {
        uint32_t uid;
        list->user = gr_view_uid(text, &uid) ? gr_pool_user_find(pool, uid) : UINT32_MAX;
        if (list->user == UINT32_MAX) {
            list->states = 0; // nobody of that name has submitted anything
        }
    }
    if (gr_http_request_query(request, "organisation", &text)) {
        uint32_t count = gr_core_org_count(pool->core);
        for (uint32_t i = 0; i < count && list->org == UINT32_MAX; i++) {
            list->org = gr_slice_is(text, gr_core_org_get(pool->core, i)->name) ? i : list->org;
        }
        list->states = list->org == UINT32_MAX ? 0 : list->states;
    }
    if (!who->is_operator) {
        uint32_t user = gr_pool_user_find(pool, who->uid);
        uint32_t mine = user == UINT32_MAX ? 0 : gr_core_user_get(pool->core, user)->org;
        list->states = list->org != UINT32_MAX && list->org != mine ? 0 : list->states;
        list->org = mine;
    }
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? 1 : left > right ? -1 : 0;
}

void gr_route_jobs(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    struct gr_pool *pool = daemon->pool;
    struct list list = {0};
    if (!read_list(daemon, request, &list)) {
        return;
    }
    list_fill(pool, &list);
    if (list.is_cut) {
        gr_http_reply_error(request, 422, "too-many",
                            "there are more jobs than can be looked through by name at once",
                            "narrow the list with user= or state=", "name");
        return;
    }
    qsort(list.ids, list.count, sizeof *list.ids, compare_ids);
    json_t *jobs = json_array();
    int rc = jobs == NULL;
    uint32_t shown = list.count > list.most ? list.most : list.count;
    for (uint32_t i = 0; i < shown; i++) {
        const struct gr_job *job = gr_core_job_find(pool->core, list.ids[i]);
        struct gr_ended ended;
        if (job != NULL) {
            rc |= gr_json_append(jobs, gr_view_job(pool, job, false));
        } else if (gr_pool_ended_find(pool, list.ids[i], &ended)) {
            rc |= gr_json_append(jobs, gr_view_ended(pool, &ended, false));
        }
    }
    json_t *object = json_object();
    rc |= gr_json_set(object, "jobs", jobs);
    rc |= shown < list.count ? gr_json_set_int(object, "next", (int64_t)list.ids[shown - 1])
                             : gr_json_set_null(object, "next");
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}
