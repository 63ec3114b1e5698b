// Jobs over HTTP: the list. See daemon.h and docs/api.
#include "base/clock.h"
#include "base/json.h"
#include "base/number.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <stdlib.h>
#include <string.h>

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
    uint64_t left;    // jobs that ended were not looked at below this id; 0: all were
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

static bool has_name(struct gr_pool *pool, struct list *list, uint64_t id)
{
    struct gr_spec spec;
    int64_t now_ns = gr_clock_ns();
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

// After how many rows of the history a page ends: a filter that fits few of them has short pages.
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
    // Of the history they come with falling ids: once the heap is full, none that follows can enter
    // it.
    return both->list->count <= both->list->most || ended->id > both->list->ids[0];
}

// Fails if the history cannot be read.
static int list_fill(struct gr_pool *pool, struct list *list)
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
        return 0;
    }
    struct list_pool both = {.pool = pool, .list = list};
    struct gr_history_query query = {.below = list->below,
                                     .user = list->user,
                                     .org = list->org,
                                     .most = UINT32_MAX,
                                     .looks = HISTORY_ROWS_MAX,
                                     .ret_below = &list->left};
    return gr_pool_ended_list(pool, &query, list_old, &both, NULL);
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
    if (list_fill(pool, &list) != 0) {
        gr_http_reply_error(request, 503, "unavailable",
                            "the table of jobs that ended cannot be read",
                            "`granary pool` says why; list live jobs without all=true", NULL);
        return;
    }
    if (list.is_cut) {
        gr_http_reply_error(request, 422, "too-many",
                            "there are more jobs than can be looked through by name at once",
                            "narrow the list with user= or state=", "name");
        return;
    }
    qsort(list.ids, list.count, sizeof *list.ids, compare_ids);
    while (list.count > 0 && list.ids[list.count - 1] < list.left) {
        list.count--; // live ones further down: they belong to later pages
    }
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
    uint64_t next = shown < list.count ? list.ids[shown - 1] : list.left;
    rc |= next > 0 ? gr_json_set_int(object, "next", (int64_t)next)
                   : gr_json_set_null(object, "next");
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}
