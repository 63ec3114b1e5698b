// Quotas, shares, the queue and checkpoints over HTTP: see daemon.h and docs/api.
#include "base/json.h"
#include "base/number.h"
#include "core/show.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Users with rows of their own, at most: each one's name may have to be read from the disk.
#define USERS_MOST 1000
// Rows of the queue at most.
#define QUEUE_MOST 1000

static const char *const no_names[] = {NULL};

static int set_amount(json_t *object, const char *key, uint64_t milli)
{
    return milli > INT64_MAX ? gr_json_set_null(object, key)
                             : gr_json_set_decimal(object, key, (int64_t)milli, 3);
}

static void reply_rows(struct gr_daemon *daemon, struct gr_http_request *request, json_t *object,
                       int rc)
{
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}

// --- quotas

static json_t *view_quota(const struct gr_core *core, const struct gr_quota *quota, uint64_t used)
{
    json_t *row = json_object();
    uint64_t borrowed = used > quota->nominal_milli ? used - quota->nominal_milli : 0;
    int rc =
        gr_json_set_text(row, "organisation", gr_slice_of(gr_core_org_get(core, quota->org)->name));
    rc |= gr_json_set_text(row, "variant", gr_slice_of(gr_core_variant_get(core, quota->variant)));
    rc |= gr_view_quota_terms(row, quota);
    rc |= set_amount(row, "used", used);
    rc |= set_amount(row, "borrowed", borrowed);
    rc |= set_amount(row, "left_own", gr_core_quota_left(core, quota->org, quota->variant, true));
    rc |= set_amount(row, "left", gr_core_quota_left(core, quota->org, quota->variant, false));
    if (rc != 0) {
        json_decref(row);
        return NULL;
    }
    return row;
}

void gr_route_quotas(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    const struct gr_core *core = daemon->pool->core;
    if (gr_daemon_query_is_wrong(request, no_names)) {
        return;
    }
    json_t *rows = json_array();
    json_t *object = json_object();
    int rc = 0;
    for (uint32_t o = 0; o < gr_core_org_count(core); o++) {
        if (!gr_daemon_may_see(daemon, gr_daemon_who(request), o)) {
            continue;
        }
        for (uint32_t v = 0; v < gr_core_variant_count(core); v++) {
            struct gr_quota quota;
            uint64_t used;
            if (gr_quota_find(core, o, v, &quota, &used)) {
                rc |= gr_json_append(rows, view_quota(core, &quota, used));
            }
        }
    }
    rc |= gr_json_set(object, "quotas", rows);
    reply_rows(daemon, request, object, rc);
}

// --- shares

// Live jobs by organisation (itself, not those below) and by user.
struct counts {
    uint32_t *org_waiting;  // heap
    uint32_t *user_waiting; // heap
    uint64_t *user_job;     // heap; one of the user's; 0: none
};

static bool count_jobs(const struct gr_core *core, struct counts *counts)
{
    uint32_t orgs = gr_core_org_count(core), users = gr_core_user_count(core), cursor = 0;
    const struct gr_job *job;
    counts->org_waiting = calloc((size_t)orgs + 1, sizeof *counts->org_waiting);
    counts->user_waiting = calloc((size_t)users + 1, sizeof *counts->user_waiting);
    counts->user_job = calloc((size_t)users + 1, sizeof *counts->user_job);
    if (counts->org_waiting == NULL || counts->user_waiting == NULL || counts->user_job == NULL) {
        return false;
    }
    while ((job = gr_core_job_next(core, &cursor)) != NULL) {
        bool waits = job->state == GR_JOB_WAITING;
        counts->org_waiting[job->org] += waits;
        if (job->user < users) {
            counts->user_waiting[job->user] += waits;
            counts->user_job[job->user] = job->id;
        }
    }
    for (uint32_t o = orgs; o-- > 0;) { // a parent has a lower number
        uint32_t parent = gr_core_org_get(core, o)->parent;
        if (parent != UINT32_MAX) {
            counts->org_waiting[parent] += counts->org_waiting[o];
        }
    }
    return true;
}

static int set_use(json_t *row, const struct gr_core_use *use, uint32_t waiting)
{
    int rc = gr_json_set_int(row, "running", use->running);
    rc |= gr_json_set_int(row, "waiting", waiting);
    rc |= set_amount(row, "held", use->held_milli);
    rc |= set_amount(row, "past", use->past_milli);
    return rc | set_amount(row, "share", use->share);
}

static json_t *view_org(const struct gr_core *core, uint32_t org, int64_t at_ms, uint32_t waiting)
{
    const struct gr_org *row = gr_core_org_get(core, org);
    struct gr_org_terms terms = gr_core_org_terms(core, org);
    struct gr_core_use use = gr_core_org_use(core, org, at_ms);
    json_t *object = json_object();
    int rc = gr_json_set_text(object, "organisation", gr_slice_of(row->name));
    rc |= row->parent == UINT32_MAX
              ? gr_json_set_null(object, "parent")
              : gr_json_set_text(object, "parent",
                                 gr_slice_of(gr_core_org_get(core, row->parent)->name));
    rc |= gr_json_set_null(object, "user");
    rc |= gr_view_org_terms(object, &terms);
    rc |= set_use(object, &use, waiting);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *view_user(struct gr_pool *pool, uint32_t user, int64_t at_ms,
                         const struct counts *counts)
{
    struct gr_spec spec;
    uint32_t org = gr_core_user_get(pool->core, user)->org;
    struct gr_core_use use = gr_core_user_use(pool->core, user, at_ms);
    bool is_known = gr_pool_spec(pool, counts->user_job[user], &spec, NULL) == 0;
    struct gr_slice name = gr_slice_of(gr_core_org_get(pool->core, org)->name);
    json_t *object = json_object();
    int rc = gr_json_set_text(object, "organisation", name);
    rc |= gr_json_set_text(object, "parent", name);
    rc |= gr_json_set_text(object, "user", gr_slice_of(is_known ? gr_view_user(spec.uid) : "?"));
    rc |= gr_json_set_int(object, "weight", GR_WEIGHT_DEFAULT);
    rc |= gr_json_set_null(object, "limits");
    rc |= set_use(object, &use, counts->user_waiting[user]);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

void gr_route_shares(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    struct gr_pool *pool = daemon->pool;
    const struct gr_identity *who = gr_daemon_who(request);
    struct counts counts = {0};
    if (gr_daemon_query_is_wrong(request, no_names)) {
        return;
    }
    json_t *rows = json_array();
    json_t *queue = json_object();
    json_t *object = json_object();
    int64_t at_ms = gr_pool_now(pool);
    struct gr_queue_terms terms = gr_core_queue_terms(pool->core);
    int rc = count_jobs(pool->core, &counts) ? gr_view_queue_terms(queue, &terms) : -1;
    for (uint32_t o = 0; rc == 0 && o < gr_core_org_count(pool->core); o++) {
        if (gr_daemon_may_see(daemon, who, o)) {
            rc |= gr_json_append(rows, view_org(pool->core, o, at_ms, counts.org_waiting[o]));
        }
    }
    uint32_t shown = 0;
    for (uint32_t u = 0; rc == 0 && u < gr_core_user_count(pool->core) && shown < USERS_MOST; u++) {
        if (counts.user_job[u] != 0 &&
            gr_daemon_may_see(daemon, who, gr_core_user_get(pool->core, u)->org)) {
            rc |= gr_json_append(rows, view_user(pool, u, at_ms, &counts));
            shown++;
        }
    }
    rc |= gr_json_set(object, "shares", rows);
    rc |= gr_json_set(object, "queue", queue);
    free(counts.org_waiting);
    free(counts.user_waiting);
    free(counts.user_job);
    reply_rows(daemon, request, object, rc);
}

// --- the queue

static int in_order(const void *a, const void *b)
{
    const struct gr_core_turn *left = a, *right = b;
    return left->turn != right->turn ? (left->turn < right->turn ? -1 : 1)
           : left->job != right->job ? (left->job < right->job ? -1 : 1)
                                     : 0;
}

static json_t *view_turn(struct gr_pool *pool, const struct gr_core_turn *turn, uint32_t position)
{
    json_t *row = json_object();
    int rc = gr_json_set_int(row, "position", position);
    rc |= gr_json_set_int(row, "id", (int64_t)turn->job);
    rc |= gr_json_set_bool(row, "by_right", turn->is_own);
    rc |=
        gr_json_set(row, "job", gr_view_job(pool, gr_core_job_find(pool->core, turn->job), false));
    if (rc != 0) {
        json_decref(row);
        return NULL;
    }
    return row;
}

void gr_route_queue(void *context, struct gr_http_request *request)
{
    static const char *const names[] = {"limit", NULL};
    struct gr_daemon *daemon = context;
    struct gr_pool *pool = daemon->pool;
    int64_t limit = 100;
    if (gr_daemon_query_is_wrong(request, names) ||
        !gr_daemon_query_int(request, "limit", 1, QUEUE_MOST, &limit)) {
        return;
    }
    uint32_t most = gr_core_waiting(pool->core);
    struct gr_core_turn *turns = calloc((size_t)most + 1, sizeof *turns);
    json_t *rows = json_array();
    json_t *object = json_object();
    uint32_t count = turns == NULL ? 0 : gr_core_turns(pool->core, gr_pool_now(pool), turns, most);
    int rc = turns == NULL;
    if (turns != NULL) {
        qsort(turns, count, sizeof *turns, in_order);
    }
    for (uint32_t i = 0; i < count && json_array_size(rows) < (size_t)limit; i++) {
        uint32_t org = gr_core_job_find(pool->core, turns[i].job)->org;
        if (gr_daemon_may_see(daemon, gr_daemon_who(request), org)) {
            rc |= gr_json_append(rows, view_turn(pool, &turns[i], i + 1));
        }
    }
    free(turns);
    rc |= gr_json_set(object, "jobs", rows);
    rc |= gr_json_set_int(object, "waiting", count);
    rc |= gr_json_set(object, "estimates", gr_view_estimates(pool, false));
    reply_rows(daemon, request, object, rc);
}

// --- checkpoints

// The job that the caller may speak for; NULL: a reply was made.
static const struct gr_job *job_of(struct gr_daemon *daemon, struct gr_http_request *request)
{
    struct gr_pool *pool = daemon->pool;
    const struct gr_identity *who = gr_daemon_who(request);
    int64_t id;
    struct gr_spec spec;
    bool is_id = gr_number_read_int(gr_http_request_param(request, "id"), 1, INT64_MAX, &id) == 0;
    const struct gr_job *job = is_id ? gr_core_job_find(pool->core, (uint64_t)id) : NULL;
    struct gr_ended ended;
    bool has_ended = is_id && job == NULL && gr_pool_ended_find(pool, (uint64_t)id, &ended);
    if ((job == NULL && !has_ended) ||
        !gr_daemon_may_see(daemon, who, job != NULL ? job->org : ended.org)) {
        gr_http_reply_error(request, 404, "not-found", "there is no job of this number",
                            "`granary ps --all` lists jobs", "id");
        return NULL;
    }
    if (has_ended) {
        gr_http_reply_error(request, 409, "ended", "the job has ended already",
                            "`granary show ID` tells how", NULL);
        return NULL;
    }
    if (!who->is_operator &&
        (gr_pool_spec(pool, job->id, &spec, NULL) != 0 || spec.uid != who->uid)) {
        gr_http_reply_error(request, 403, "forbidden",
                            "only its owner or an operator may speak for it", NULL, NULL);
        return NULL;
    }
    if (job->state != GR_JOB_RUNNING) {
        gr_http_reply_error(request, 409, "state", "the job does not run: it has no work to lose",
                            NULL, NULL);
        return NULL;
    }
    return job;
}

// Does the job run that attempt? False: a reply was made.
static bool is_attempt(struct gr_http_request *request, const struct gr_job *job,
                       const json_t *attempt)
{
    if (attempt != NULL && !json_is_integer(attempt)) {
        gr_http_reply_error(request, 400, "bad-request", "attempt must be a whole number", NULL,
                            "attempt");
        return false;
    }
    if (attempt != NULL && json_integer_value(attempt) != job->attempt) {
        gr_http_reply_error(request, 409, "state", "that attempt of the job does not run", NULL,
                            "attempt");
        return false;
    }
    return true;
}

void gr_route_checkpoint(void *context, struct gr_http_request *request)
{
    static const char *const keys[] = {"attempt", NULL};
    struct gr_daemon *daemon = context;
    struct gr_pool *pool = daemon->pool;
    if (gr_daemon_query_is_wrong(request, no_names) || gr_daemon_is_refused(daemon, request)) {
        return;
    }
    json_t *body = gr_daemon_body(request, keys);
    const struct gr_job *job = body == NULL ? NULL : job_of(daemon, request);
    job = job == NULL || is_attempt(request, job, json_object_get(body, "attempt")) ? job : NULL;
    json_decref(body);
    uint64_t id = job == NULL ? 0 : job->id;
    uint32_t attempt = job == NULL ? 0 : job->attempt;
    int is_replayed = id == 0 ? -1 : gr_daemon_key_take(daemon, request, id);
    if (is_replayed < 0) {
        return;
    }
    struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_CHECKPOINTED);
    event.checkpointed.job = id;
    event.checkpointed.attempt = attempt;
    if (is_replayed == 0 && gr_core_check(pool->core, &event) == GR_REFUSED_NOTHING) {
        gr_pool_fact(pool, &event);
    }
    json_t *object = json_object();
    int rc = gr_json_set_int(object, "id", (int64_t)id);
    rc |= gr_json_set_int(object, "checkpoint_ms", gr_core_job_find(pool->core, id)->safe_ms);
    reply_rows(daemon, request, object, rc);
}
