// GET /v1/jobs/{id}/why: why a job is where it is, and what would start it. See core/why.h. GET
// /v1/estimates: how good it was at saying when.
#include "base/json.h"
#include "base/number.h"
#include "core/why.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <stdio.h>
#include <string.h>

// Who asks, and about what.
struct asking {
    struct gr_daemon *daemon;
    const struct gr_identity *who;
    const struct gr_core *core;
    const struct gr_why *why;
    int64_t now_ms; // of the question
};

static int set_milli(json_t *object, const char *key, uint64_t milli)
{
    return gr_json_set_decimal(object, key, milli > INT64_MAX ? INT64_MAX : (int64_t)milli, 3);
}

static int set_org(json_t *object, const char *key, const struct asking *asking, uint32_t org)
{
    const struct gr_org *row = gr_core_org_get(asking->core, org);
    return row == NULL ? gr_json_set_null(object, key)
                       : gr_json_set_text(object, key, gr_slice_of(row->name));
}

static int set_variant(json_t *object, const char *key, const struct asking *asking,
                       uint32_t variant)
{
    const char *name = gr_core_variant_get(asking->core, variant);
    return name == NULL ? gr_json_set_null(object, key)
                        : gr_json_set_text(object, key, gr_slice_of(name));
}

static int set_reason(json_t *object, const char *code, const char *text)
{
    json_t *reason = json_object();
    int rc = gr_json_set_text(reason, "code", gr_slice_of(code));
    rc |= gr_json_set_text(reason, "text", gr_slice_of(text));
    return rc | gr_json_set(object, "reason", reason);
}

static int set_limit(json_t *object, const struct asking *asking)
{
    static const char *const bounds[] = {
        [GR_BOUND_NONE] = "",
        [GR_BOUND_RUNNING] = "running",
        [GR_BOUND_USER_RUNNING] = "user-running",
        [GR_BOUND_HELD] = "devices",
        [GR_BOUND_USER_HELD] = "user-devices",
        [GR_BOUND_QUOTA] = "quota",
        [GR_BOUND_KEPT] = "kept",
    };
    const struct gr_why_limit *limit = &asking->why->limit;
    if (limit->bound == GR_BOUND_NONE) {
        return gr_json_set_null(object, "limit");
    }
    bool jobs = limit->bound == GR_BOUND_RUNNING || limit->bound == GR_BOUND_USER_RUNNING;
    uint64_t unit = jobs ? 1000 : 1; // jobs are whole
    json_t *one = json_object();
    int rc = gr_json_set_text(one, "bound", gr_slice_of(bounds[limit->bound]));
    rc |= set_org(one, "organisation", asking, limit->org);
    rc |= set_variant(one, "variant", asking, limit->variant);
    rc |= set_milli(one, "limit", limit->limit * unit);
    rc |= set_milli(one, "now", limit->now * unit);
    rc |= set_milli(one, "asked", limit->asked * unit);
    return rc | gr_json_set(object, "limit", one);
}

// A job's number, if the caller may know of it.
static int set_job(json_t *object, const char *key, const struct asking *asking, uint64_t job)
{
    const struct gr_job *row = gr_core_job_find(asking->core, job);
    return row != NULL && gr_daemon_may_see(asking->daemon, asking->who, row->org)
               ? gr_json_set_int(object, key, (int64_t)job)
               : gr_json_set_null(object, key);
}

static int set_kept(json_t *object, const struct asking *asking)
{
    if (asking->why->kept_nodes == 0) {
        return gr_json_set_null(object, "kept");
    }
    json_t *kept = json_object();
    int rc = set_job(kept, "job", asking, asking->why->kept_job);
    rc |= gr_json_set_int(kept, "nodes", asking->why->kept_nodes);
    rc |= gr_json_set_int(kept, "until_ms", asking->why->kept_ms);
    return rc | gr_json_set(object, "kept", kept);
}

static json_t *view_ahead(const struct asking *asking, const struct gr_why_ahead *ahead)
{
    json_t *row = json_object();
    bool share = ahead->before == GR_BEFORE_SHARE;
    int rc = set_job(row, "job", asking, ahead->job);
    const char *before = gr_why_before_name((enum gr_why_before)ahead->before);
    rc |= gr_json_set_text(row, "before", gr_slice_of(before));
    rc |= gr_json_set_int(row, "priority", ahead->priority);
    rc |= set_milli(row, "devices", ahead->milli);
    rc |= set_org(row, "organisation", asking, ahead->org);
    rc |= share ? set_milli(row, "share", ahead->share) : gr_json_set_null(row, "share");
    rc |= set_org(row, "own_organisation", asking, ahead->own_org);
    rc |=
        share ? set_milli(row, "own_share", ahead->own_share) : gr_json_set_null(row, "own_share");
    if (rc != 0) {
        json_decref(row);
        return NULL;
    }
    return row;
}

static int set_line(json_t *object, const struct asking *asking)
{
    const struct gr_why *why = asking->why;
    json_t *rows = json_array();
    int rc = gr_json_set_int(object, "waiting", why->waiting);
    rc |= why->position == 0 ? gr_json_set_null(object, "position")
                             : gr_json_set_int(object, "position", (int64_t)why->position);
    rc |= gr_json_set_bool(object, "position_cut", why->is_position_cut);
    rc |= set_milli(object, "ahead_devices", why->ahead_milli);
    for (uint32_t i = 0; i < why->ahead_count; i++) {
        rc |= gr_json_append(rows, view_ahead(asking, &why->ahead[i]));
    }
    return rc | gr_json_set(object, "ahead", rows);
}

static int set_nodes(json_t *object, const struct asking *asking)
{
    const struct gr_why *why = asking->why;
    json_t *rows = json_array();
    int rc = 0;
    for (unsigned f = 0; f < GR_FILTERS && why->position > 0; f++) {
        uint32_t kept = f == GR_FILTER_STATE ? why->kept_nodes : 0;
        uint32_t nodes = why->room.lost[f] > kept ? why->room.lost[f] - kept : 0;
        json_t *row = json_object();
        rc |= gr_json_set_text(row, "filter", gr_slice_of(gr_filter_name((enum gr_filter)f)));
        rc |= gr_json_set_int(row, "nodes", nodes);
        rc |= gr_json_set_text(row, "text", gr_slice_of(gr_filter_text((enum gr_filter)f)));
        rc |= gr_json_append(rows, row);
    }
    rc |= gr_json_set(object, "nodes", rows);
    rc |= gr_json_set_int(object, "tasks_fit", why->room.tasks_fit);
    return rc | set_milli(object, "free_devices", why->room.free_milli);
}

// What to write behind `granary submit`; "" for a change that is not the submitter's.
static const char *options_of(const struct asking *asking, const struct gr_why_change *change,
                              char *text, size_t size)
{
    long long to = (long long)change->to;
    const char *variant = gr_core_variant_get(asking->core, change->variant);
    text[0] = '\0';
    switch (change->change) {
    case GR_CHANGE_CPU:
        snprintf(text, size, "--cpu %lld.%03lld", to / 1000, to % 1000);
        break;
    case GR_CHANGE_MEMORY:
        snprintf(text, size, "--memory %lldMiB", to);
        break;
    case GR_CHANGE_MILLI:
        snprintf(text, size, "--devices 0.%03lld", to);
        break;
    case GR_CHANGE_DEVICES:
        snprintf(text, size, "--devices %lld", to);
        break;
    case GR_CHANGE_TASKS:
        snprintf(text, size, "--tasks %lld", to);
        break;
    case GR_CHANGE_KIND:
        snprintf(text, size, "--kind %s", variant == NULL ? "" : variant);
        break;
    case GR_WHY_LIMIT:
        snprintf(text, size, "--limit %lldm", to / 60000);
        break;
    default:
        break;
    }
    return text;
}

static int set_changes(json_t *object, const struct asking *asking)
{
    json_t *rows = json_array();
    int rc = 0;
    for (uint32_t i = 0; i < asking->why->change_count; i++) {
        const struct gr_why_change *change = &asking->why->changes[i];
        char text[GR_NAME_SIZE + 32];
        json_t *row = json_object();
        bool is_number = change->change <= GR_CHANGE_TASKS || change->change == GR_WHY_LIMIT;
        rc |= gr_json_set_text(row, "change", gr_slice_of(gr_why_change_name(change->change)));
        rc |=
            is_number ? gr_json_set_int(row, "from", change->from) : gr_json_set_null(row, "from");
        rc |= is_number ? gr_json_set_int(row, "to", change->to) : gr_json_set_null(row, "to");
        const char *options = options_of(asking, change, text, sizeof text);
        rc |= gr_json_set_text(row, "options", gr_slice_of(options));
        rc |= gr_json_append(rows, row);
    }
    return rc | gr_json_set(object, "changes", rows);
}

// A band that begins at now_ms.
static int set_band(json_t *object, int64_t now_ms, const struct gr_estimate_band *band)
{
    const int64_t most = INT64_MAX - now_ms;
    const int64_t times[] = {band->earliest_ms, band->likely_ms, band->latest_ms};
    static const char *const keys[] = {"earliest_ms", "likely_ms", "latest_ms"};
    int rc = 0;
    for (unsigned i = 0; i < 3; i++) {
        rc |= gr_json_set_int(object, keys[i], now_ms + (times[i] < most ? times[i] : most));
    }
    return rc;
}

// The band as it is told, and as it would be by convention.
static int set_estimate(json_t *object, const struct asking *asking, uint64_t id)
{
    const struct gr_pool *pool = asking->daemon->pool;
    const struct gr_job *job = gr_core_job_find(asking->core, id);
    const struct gr_why *why = asking->why;
    int rc = gr_json_set(object, "estimates", gr_view_estimates(pool, false));
    if (why->estimate == GR_ESTIMATE_NONE || job == NULL) {
        return rc | gr_json_set_null(object, "estimate");
    }
    struct gr_estimate_band band = gr_pool_estimate_convention(why, asking->now_ms), told;
    enum gr_estimate_from from = gr_estimates_band(
        pool->estimates, gr_pool_estimate_class(job, why), asking->now_ms, &band, &told);
    json_t *estimate = json_object();
    json_t *convention = json_object();
    rc |= set_band(estimate, asking->now_ms, &told);
    rc |= gr_json_set_bool(estimate, "guessed", why->estimate == GR_ESTIMATE_GUESSED);
    rc |= gr_json_set_bool(estimate, "sampled", why->is_sampled);
    rc |= gr_json_set_text(estimate, "from", gr_slice_of(gr_view_estimate_from(from)));
    rc |= set_band(convention, asking->now_ms, &band);
    rc |= gr_json_set(estimate, "convention", convention);
    return rc | gr_json_set(object, "estimate", estimate);
}

// Whom the pool would stop for it; jobs that the caller may not know of are left out.
static int set_evict(json_t *object, const struct asking *asking)
{
    const struct gr_why_evict *evict = &asking->why->evict;
    if (evict->by == GR_EVICT_NONE) {
        return gr_json_set_null(object, "evicts");
    }
    json_t *one = json_object();
    json_t *first = json_array();
    const char *by = gr_evict_name((enum gr_evict_by)evict->by);
    int rc = gr_json_set_text(one, "by", gr_slice_of(by));
    rc |= set_variant(one, "variant", asking, evict->variant);
    rc |= evict->by == GR_EVICT_QUOTA ? set_milli(one, "nominal", evict->needs)
                                      : gr_json_set_null(one, "nominal");
    rc |= evict->by == GR_EVICT_PRIORITY ? gr_json_set_int(one, "priority", (int64_t)evict->needs)
                                         : gr_json_set_null(one, "priority");
    rc |= gr_json_set_int(one, "jobs", evict->jobs);
    rc |= set_milli(one, "devices", evict->milli);
    rc |= set_milli(one, "lost_device_seconds", evict->lost / 1000);
    rc |= gr_json_set_int(one, "notice_ms", evict->notice_ms);
    rc |= gr_json_set_bool(one, "over_cap", evict->is_over_cap);
    for (uint32_t i = 0; i < evict->jobs && i < GR_WHY_EVICTED; i++) {
        const struct gr_job *job = gr_core_job_find(asking->core, evict->first[i]);
        if (job != NULL && gr_daemon_may_see(asking->daemon, asking->who, job->org)) {
            rc |= gr_json_append(first, json_integer((json_int_t)job->id));
        }
    }
    rc |= gr_json_set(one, "first", first);
    return rc | gr_json_set(object, "evicts", one);
}

static json_t *view_why(const struct asking *asking, uint64_t id, const char *state,
                        const char *code, const char *text)
{
    json_t *object = json_object();
    int rc = gr_json_set_int(object, "id", (int64_t)id);
    rc |= gr_json_set_text(object, "state", gr_slice_of(state));
    rc |= set_reason(object, code, text);
    rc |= set_limit(object, asking);
    rc |= set_kept(object, asking);
    rc |= set_line(object, asking);
    rc |= set_nodes(object, asking);
    rc |= set_changes(object, asking);
    rc |= set_evict(object, asking);
    rc |= set_estimate(object, asking, id);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

void gr_route_why(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    struct gr_pool *pool = daemon->pool;
    static const char *const names[] = {NULL};
    static struct gr_why why; // large; one request at a time
    struct asking asking = {daemon, gr_daemon_who(request), pool->core, &why, gr_pool_now(pool)};
    struct gr_ended ended;
    int64_t id = 0;
    if (gr_daemon_query_is_wrong(request, names)) {
        return;
    }
    bool is_number =
        gr_number_read_int(gr_http_request_param(request, "id"), 1, INT64_MAX, &id) == 0;
    const struct gr_job *job = is_number ? gr_core_job_find(pool->core, (uint64_t)id) : NULL;
    bool has_ended = is_number && job == NULL && gr_pool_ended_find(pool, (uint64_t)id, &ended);
    if ((job == NULL && !has_ended) ||
        !gr_daemon_may_see(daemon, asking.who, job != NULL ? job->org : ended.org)) {
        gr_http_reply_error(request, 404, "not-found", "there is no such job",
                            "`granary ps --all` lists jobs", "id");
        return;
    }
    memset(&why, 0, sizeof why);
    if (job == NULL) {
        const char *state = gr_view_ended_state(&ended);
        gr_daemon_reply(
            daemon, request, 200,
            view_why(&asking, (uint64_t)id, state, state, "has ended; `granary show` says how"));
        return;
    }
    gr_core_why(pool->core, asking.now_ms, job->id, pool->pieces, &why);
    enum gr_why_reason reason = (enum gr_why_reason)why.reason;
    gr_daemon_reply(daemon, request, 200,
                    view_why(&asking, job->id, gr_view_job_state(pool, job), gr_why_name(reason),
                             gr_why_text(reason)));
}

void gr_route_estimates(void *context, struct gr_http_request *request)
{
    static const char *const names[] = {NULL};
    struct gr_daemon *daemon = context;
    if (!gr_daemon_query_is_wrong(request, names)) {
        gr_daemon_reply(daemon, request, 200, gr_view_estimates(daemon->pool, true));
    }
}
