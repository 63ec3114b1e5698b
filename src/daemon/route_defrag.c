// POST /v1/defrag: which work would go elsewhere so that a waiting job fits; and does it. See
// core/defrag.h. For operators: it names jobs of everybody.
#include "core/defrag.h"

#include "base/json.h"
#include "core/show.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <stdlib.h>

// Milli x milliseconds of devices in a thousandth of a device-hour.
#define MILLI_HOUR UINT64_C(3600000)
// Without a job so many of the first in order are asked about.
#define FIRST 64

static int set_lost(json_t *object, uint64_t lost)
{
    return gr_json_set_decimal(object, "lost_work", (int64_t)(lost / MILLI_HOUR), 3);
}

// Names of the nodes of pieces, each once.
static json_t *nodes_of(const struct gr_pool *pool, const struct gr_piece *pieces, uint32_t count)
{
    json_t *names = json_array();
    int rc = names == NULL ? -1 : 0;
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = pieces[i].node;
        if (node == last || node >= gr_place_node_count(gr_core_place(pool->core))) {
            continue;
        }
        last = node;
        const char *name = gr_place_cold_get(gr_core_place(pool->core), node)->name;
        rc |= gr_json_append(names, gr_json_text(gr_slice_of(name)));
    }
    if (rc != 0) {
        json_decref(names);
        return NULL;
    }
    return names;
}

static json_t *view_move(struct gr_pool *pool, const struct gr_defrag_move *move,
                         const struct gr_piece *to)
{
    const struct gr_job *job = gr_core_job_find(pool->core, move->job);
    struct gr_piece *from = calloc(move->count, sizeof *from);
    json_t *object = json_object();
    int rc = from == NULL ? -1 : gr_json_set_int(object, "job", (int64_t)move->job);
    if (from != NULL) {
        uint32_t count = gr_core_job_pieces(pool->core, move->job, from, move->count);
        uint64_t milli =
            (uint64_t)job->demand.tasks * job->demand.shape.devices * job->demand.shape.milli;
        rc |= gr_json_set(object, "from", nodes_of(pool, from, count));
        rc |= gr_json_set(object, "to", nodes_of(pool, to + move->first, move->count));
        rc |= gr_json_set_decimal(object, "devices", (int64_t)milli, 3);
        rc |= set_lost(object, move->lost);
        rc |= gr_json_set_int(object, "notice_ms", gr_core_queue_terms(pool->core).notice_ms);
    }
    free(from);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *view_defrag(struct gr_pool *pool, uint64_t job, const struct gr_defrag *defrag,
                           const struct gr_piece *pieces, const struct gr_piece *to, bool is_done)
{
    enum gr_defrag_answer answer = (enum gr_defrag_answer)defrag->answer;
    const struct gr_job *row = gr_core_job_find(pool->core, job);
    bool found = answer == GR_DEFRAG_FOUND && row != NULL;
    json_t *object = json_object();
    json_t *moves = json_array();
    int rc =
        job == 0 ? gr_json_set_null(object, "job") : gr_json_set_int(object, "job", (int64_t)job);
    rc |= gr_json_set_text(object, "answer", gr_slice_of(gr_defrag_name(answer)));
    rc |= gr_json_set_text(object, "text", gr_slice_of(gr_defrag_text(answer)));
    rc |= defrag->needed == 0 ? gr_json_set_null(object, "needed")
                              : gr_json_set_int(object, "needed", defrag->needed);
    rc |= gr_json_set_bool(object, "fewest", defrag->is_fewest);
    rc |= gr_json_set_bool(object, "done", is_done);
    rc |= set_lost(object, defrag->lost);
    rc |=
        gr_json_set(object, "on", found ? nodes_of(pool, pieces, row->demand.tasks) : json_array());
    for (uint32_t i = 0; i < defrag->move_count; i++) {
        rc |= gr_json_append(moves, view_move(pool, &defrag->moves[i], to));
    }
    rc |= gr_json_set(object, "moves", moves);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int by_turn(const void *a, const void *b)
{
    const struct gr_core_turn *left = a, *right = b;
    return left->turn != right->turn ? (left->turn < right->turn ? -1 : 1)
                                     : (left->job < right->job ? -1 : left->job > right->job);
}

// The first in order of those for whom moves would do, or the first of all; 0: nobody waits.
static uint64_t first_find(struct gr_pool *pool, struct gr_piece *to, struct gr_defrag *defrag)
{
    uint32_t most = gr_core_waiting(pool->core);
    struct gr_core_turn *turns = most == 0 ? NULL : calloc(most, sizeof *turns);
    uint64_t first = 0;
    uint32_t count = turns == NULL ? 0 : gr_core_turns(pool->core, gr_pool_now(pool), turns, most);
    if (count > 0) {
        qsort(turns, count, sizeof *turns, by_turn);
        first = turns[0].job;
    }
    for (uint32_t i = 0; i < count && i < FIRST; i++) {
        gr_core_defrag(pool->core, gr_pool_now(pool), turns[i].job, pool->pieces, to, defrag);
        if (defrag->answer == GR_DEFRAG_FOUND) {
            first = turns[i].job;
            break;
        }
    }
    free(turns);
    return first;
}

static void answer(struct gr_daemon *daemon, struct gr_http_request *request, uint64_t job,
                   bool is_dry)
{
    struct gr_pool *pool = daemon->pool;
    struct gr_piece *to = malloc(GR_TASKS_MAX * sizeof *to);
    struct gr_defrag defrag = {.answer = GR_DEFRAG_NOT_WAITING};
    int is_replayed =
        is_dry || to == NULL
            ? 0
            : gr_daemon_key_take(daemon, request, gr_core_next_sequence(pool->core) - 1);
    if (is_replayed < 0) {
        free(to);
        return;
    }
    if (to != NULL) {
        job = job != 0 ? job : first_find(pool, to, &defrag);
        gr_core_defrag(pool->core, gr_pool_now(pool), job, pool->pieces, to, &defrag);
    }
    bool does = to != NULL && !is_dry && is_replayed == 0 && defrag.answer == GR_DEFRAG_FOUND;
    json_t *view = to == NULL ? NULL : view_defrag(pool, job, &defrag, pool->pieces, to, does);
    if (does && view != NULL) {
        struct gr_event event =
            gr_decide_defrag(pool->core, gr_pool_now(pool), job, pool->pieces, &defrag);
        gr_pool_fact(pool, &event);
    }
    free(to);
    gr_daemon_reply(daemon, request, 200, view);
}

void gr_route_defrag(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    static const char *const names[] = {"dry_run", NULL};
    static const char *const keys[] = {"job", NULL};
    bool is_good;
    if (!gr_daemon_who(request)->is_operator) {
        gr_http_reply_error(request, 403, "forbidden", "only an operator may do this",
                            "ask root or the user who runs the pool's daemon", NULL);
        return;
    }
    if (gr_daemon_query_is_wrong(request, names)) {
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
    const json_t *job = json_object_get(body, "job");
    bool has_job = job != NULL && !json_is_null(job);
    if (has_job && (!json_is_integer(job) || json_integer_value(job) < 1)) {
        gr_http_reply_error(request, 400, "bad-request", "job must be the number of a job", NULL,
                            "job");
    } else if (has_job &&
               gr_core_job_find(daemon->pool->core, (uint64_t)json_integer_value(job)) == NULL) {
        gr_http_reply_error(request, 404, "not-found", "there is no such job",
                            "`granary queue` lists jobs that wait", "job");
    } else {
        answer(daemon, request, has_job ? (uint64_t)json_integer_value(job) : 0, is_dry);
    }
    json_decref(body);
}
