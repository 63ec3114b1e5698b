// Jobs that ended, from memory and from the history at once: see pool.h. A thread writes the
// history meanwhile, so a job may come into it between two looks; here each is seen once.
#include "daemon/pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

bool gr_pool_ended_find(struct gr_pool *pool, uint64_t job, struct gr_ended *ret_ended)
{
    const struct gr_ended *ended = gr_ended_ring_find(pool->ended, job);
    if (ended != NULL) {
        *ret_ended = *ended;
        return true;
    }
    return gr_history_find(pool->history, job, ret_ended, NULL) == 1;
}

// --- lists

struct ended_list {
    struct gr_pool *pool;
    const struct gr_history_query *query;
    bool (*each)(void *context, const struct gr_ended *ended);
    void *context;
    uint64_t upto; // memory tells of what ended after this fact
    // Jobs that memory told of and the ring does not hold: more waits to be written than it holds.
    uint64_t *ids;
    size_t count, room;
    bool has_no_memory;
};

static void tell(const struct ended_list *list, const struct gr_ended *ended)
{
    const struct gr_history_query *query = list->query;
    if (ended->id < query->below && (query->user == UINT32_MAX || query->user == ended->user) &&
        (query->org == UINT32_MAX || query->org == ended->org)) {
        (void)list->each(list->context, ended);
    }
}

static bool tell_waiting(void *context, const struct gr_ended *ended)
{
    struct ended_list *list = context;
    if (gr_ended_ring_find(list->pool->ended, ended->id) != NULL) {
        return true; // told already
    }
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 1024 : list->room * 2;
        uint64_t *more = realloc(list->ids, room * sizeof *more);
        if (more == NULL) {
            list->has_no_memory = true;
            return false;
        }
        list->ids = more;
        list->room = room;
    }
    list->ids[list->count++] = ended->id;
    tell(list, ended);
    return true;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// Of a row of the table, which may have come there after memory told of it.
static bool tell_written(void *context, const struct gr_ended *ended)
{
    const struct ended_list *list = context;
    const struct gr_ended *known = gr_ended_ring_find(list->pool->ended, ended->id);
    if (known != NULL ? known->sequence > list->upto
                      : list->count > 0 && bsearch(&ended->id, list->ids, list->count,
                                                   sizeof *list->ids, compare) != NULL) {
        return true;
    }
    return list->each(list->context, ended);
}

int gr_pool_ended_list(struct gr_pool *pool, const struct gr_history_query *query,
                       bool (*each)(void *context, const struct gr_ended *ended), void *context,
                       struct gr_err *err)
{
    assert(pool != NULL && query != NULL && each != NULL);
    struct ended_list list = {.pool = pool,
                              .query = query,
                              .each = each,
                              .context = context,
                              .upto = gr_history_upto(pool->history)};
    const struct gr_ended *ended;
    for (uint32_t back = 0; (ended = gr_ended_ring_back(pool->ended, back)) != NULL; back++) {
        if (ended->sequence > list.upto) {
            tell(&list, ended);
        }
    }
    gr_history_list_waiting(pool->history, list.upto, tell_waiting, &list);
    if (list.count > 0) {
        qsort(list.ids, list.count, sizeof *list.ids, compare);
    }
    int rc = list.has_no_memory ? gr_fail(err, -ENOMEM, "no memory to list jobs")
                                : gr_history_list(pool->history, query, tell_written, &list, err);
    free(list.ids);
    return rc;
}
