// Questions to the table of jobs that ended: see history_table.h.
#include "daemon/ended_bytes.h"
#include "daemon/history_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int gr_history_run_read(const void *bytes, size_t size,
                        bool (*each)(void *context, const struct gr_ended *ended), void *context,
                        struct gr_err *err)
{
    struct gr_ended_before before = {0};
    uint64_t id = 0;
    for (size_t at = 0; at < size;) {
        struct gr_ended ended;
        if (!gr_ended_bytes_read(&before, bytes, size, &at, &ended) || ended.id <= id) {
            return gr_fail(err, -EIO, "history: the jobs behind %llu are damaged",
                           (unsigned long long)id);
        }
        id = ended.id;
        if (!each(context, &ended)) {
            break;
        }
    }
    return 0;
}

// --- one job

struct wanted {
    uint64_t job;
    struct gr_ended ended; // id 0: not found
};

static bool look(void *context, const struct gr_ended *ended)
{
    struct wanted *wanted = context;
    if (ended->id == wanted->job) {
        wanted->ended = *ended;
    }
    return ended->id < wanted->job;
}

int gr_history_table_find(struct gr_history_table *table, uint64_t job, struct gr_ended *ret_ended,
                          struct gr_err *err)
{
    struct wanted wanted = {.job = job};
    if (job == 0 || job > INT64_MAX) {
        return 0;
    }
    sqlite3_bind_int64(table->find, 1, (int64_t)job);
    sqlite3_bind_int64(table->find, 2, (int64_t)(job / GR_HISTORY_CHUNK * GR_HISTORY_CHUNK));
    int rc = 0;
    int found = SQLITE_DONE;
    while (rc == 0 && wanted.ended.id == 0 && (found = sqlite3_step(table->find)) == SQLITE_ROW) {
        rc = gr_history_run_read(sqlite3_column_blob(table->find, 0),
                                 (size_t)sqlite3_column_bytes(table->find, 0), look, &wanted, err);
    }
    if (rc == 0 && found != SQLITE_DONE && found != SQLITE_ROW) {
        rc = gr_history_fail(table->read_db, "find a job", err);
    }
    sqlite3_reset(table->find);
    if (rc != 0 || wanted.ended.id == 0) {
        return rc;
    }
    *ret_ended = wanted.ended;
    return 1;
}

// --- lists

// The jobs of one chunk that fit, from all its runs: they lie between each other.
struct chunk {
    const struct gr_history_query *query;
    uint64_t number;
    struct gr_ended *ended;
    uint32_t count, room;
    uint64_t looked; // rows in all
    bool has_no_memory;
};

static bool take(void *context, const struct gr_ended *ended)
{
    struct chunk *chunk = context;
    const struct gr_history_query *query = chunk->query;
    if (ended->id >= query->below) {
        return false;
    }
    chunk->looked++;
    if ((query->user != UINT32_MAX && query->user != ended->user) ||
        (query->org != UINT32_MAX && query->org != ended->org)) {
        return true;
    }
    if (chunk->count == chunk->room) {
        uint32_t room = chunk->room == 0 ? 256 : chunk->room * 2;
        struct gr_ended *more = realloc(chunk->ended, room * sizeof *more);
        if (more == NULL) {
            chunk->has_no_memory = true;
            return false;
        }
        chunk->ended = more;
        chunk->room = room;
    }
    chunk->ended[chunk->count++] = *ended;
    return true;
}

static int greatest_first(const void *a, const void *b)
{
    uint64_t x = ((const struct gr_ended *)a)->id;
    uint64_t y = ((const struct gr_ended *)b)->id;
    return (x < y) - (x > y);
}

// Hands over what was taken; false: there is enough. `left`: how many are wanted still.
static bool tell(struct chunk *chunk, uint32_t *left,
                 bool (*each)(void *context, const struct gr_ended *ended), void *context)
{
    bool goes_on = *left > 0;
    if (chunk->count > 0) {
        qsort(chunk->ended, chunk->count, sizeof *chunk->ended, greatest_first);
    }
    for (uint32_t i = 0; i < chunk->count && goes_on; i++) {
        // A job that was told again after something was missed can be in two runs.
        if (i > 0 && chunk->ended[i].id == chunk->ended[i - 1].id) {
            continue;
        }
        (*left)--;
        goes_on = each(context, &chunk->ended[i]) && *left > 0;
    }
    chunk->count = 0;
    return goes_on;
}

// Whether enough was looked at: then the chunk is the last, and it is whole.
static bool is_enough(const struct chunk *chunk)
{
    const struct gr_history_query *query = chunk->query;
    if (query->looks == 0 || chunk->looked < query->looks) {
        return false;
    }
    if (query->ret_below != NULL) {
        *query->ret_below = chunk->number * GR_HISTORY_CHUNK;
    }
    return true;
}

static int list_runs(sqlite3_stmt *stmt, struct chunk *chunk,
                     bool (*each)(void *context, const struct gr_ended *ended), void *context,
                     struct gr_err *err)
{
    uint32_t left = chunk->query->most;
    bool goes_on = left > 0;
    int rc = 0;
    int found = SQLITE_DONE;
    while (rc == 0 && goes_on && (found = sqlite3_step(stmt)) == SQLITE_ROW) {
        uint64_t number = (uint64_t)sqlite3_column_int64(stmt, 0) / GR_HISTORY_CHUNK;
        if (number != chunk->number) {
            goes_on = tell(chunk, &left, each, context) && !is_enough(chunk);
        }
        chunk->number = number;
        rc = !goes_on
                 ? 0
                 : gr_history_run_read(sqlite3_column_blob(stmt, 1),
                                       (size_t)sqlite3_column_bytes(stmt, 1), take, chunk, err);
        if (rc == 0 && chunk->has_no_memory) {
            rc = gr_fail(err, -ENOMEM, "no memory to list jobs");
        }
    }
    if (rc == 0 && goes_on && found != SQLITE_DONE) {
        return gr_history_fail(sqlite3_db_handle(stmt), "list jobs", err);
    }
    if (rc == 0 && goes_on) {
        (void)tell(chunk, &left, each, context);
    }
    return rc;
}

int gr_history_table_list(struct gr_history_table *table, const struct gr_history_query *query,
                          bool (*each)(void *context, const struct gr_ended *ended), void *context,
                          struct gr_err *err)
{
    const char *sql = query->user != UINT32_MAX
                          ? "SELECT u.first, r.rows FROM of_user u JOIN runs r ON r.first=u.first"
                            " WHERE u.user=?2 AND u.first<?1 ORDER BY u.first DESC"
                          : "SELECT first, rows FROM runs WHERE first<?1 ORDER BY first DESC";
    sqlite3_stmt *stmt = NULL;
    int rc = gr_history_prepare(table->read_db, sql, &stmt, err);
    if (rc != 0) {
        return rc;
    }
    uint64_t below = query->below > INT64_MAX ? INT64_MAX : query->below;
    sqlite3_bind_int64(stmt, 1, (int64_t)below);
    if (query->user != UINT32_MAX) {
        sqlite3_bind_int64(stmt, 2, query->user);
    }
    struct chunk chunk = {.query = query};
    if (query->ret_below != NULL) {
        *query->ret_below = 0;
    }
    rc = list_runs(stmt, &chunk, each, context, err);
    sqlite3_finalize(stmt);
    free(chunk.ended);
    return rc;
}
