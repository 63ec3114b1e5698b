// The table of jobs that ended, opened, written and pruned: see history_table.h.
#include "daemon/ended_bytes.h"
#include "daemon/history_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// Runs that are looked through for old jobs at a time. All at once could take minutes, while rows
// wait and, when very many do, requests are refused.
#define PRUNE_RUNS 64

static const char schema[] =
    // Of a file that is new: a run takes some ten thousand bytes.
    "PRAGMA page_size=8192;"
    // The log may hold several batches before it is copied into the table: the entries of one user
    // come together on a page, so most pages would be copied again by the next batch.
    "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA wal_autocheckpoint=4096;"
    "CREATE TABLE IF NOT EXISTS upto(one INTEGER PRIMARY KEY CHECK(one=1), sequence INTEGER);"
    "INSERT OR IGNORE INTO upto VALUES(1,0);"
    "CREATE TABLE IF NOT EXISTS runs(first INTEGER PRIMARY KEY, last INTEGER, oldest_ms INTEGER,"
    " rows BLOB);"
    "CREATE TABLE IF NOT EXISTS of_user(user INTEGER, first INTEGER, PRIMARY KEY(user, first))"
    " WITHOUT ROWID;";

int gr_history_fail(sqlite3 *db, const char *what, struct gr_err *err)
{
    return gr_fail(err, -EIO, "history: %s: %s", what, sqlite3_errmsg(db));
}

int gr_history_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, struct gr_err *err)
{
    return sqlite3_prepare_v2(db, sql, -1, ret_stmt, NULL) == SQLITE_OK
               ? 0
               : gr_history_fail(db, "prepare", err);
}

int gr_history_run(sqlite3 *db, const char *sql, struct gr_err *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                : gr_history_fail(db, "write", err);
}

static int step(sqlite3 *db, sqlite3_stmt *stmt, struct gr_err *err)
{
    int rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : gr_history_fail(db, "write", err);
    sqlite3_reset(stmt);
    return rc;
}

// Ends a transaction: all or nothing.
static int finish(sqlite3 *db, int rc, struct gr_err *err)
{
    rc = rc != 0 ? rc : gr_history_run(db, "COMMIT", err);
    if (rc != 0) {
        (void)gr_history_run(db, "ROLLBACK", NULL);
    }
    return rc;
}

// --- writing

// Notes that a user has jobs in the run, once a run.
static int add_user(struct gr_history_table *table, uint64_t first, uint32_t user,
                    struct gr_err *err)
{
    uint32_t at = user * UINT32_C(2654435761) % GR_HISTORY_SEEN;
    while (table->seen[at].run == table->run && table->seen[at].user != user) {
        at = (at + 1) % GR_HISTORY_SEEN;
    }
    if (table->seen[at].run == table->run) {
        return 0;
    }
    table->seen[at] = (struct gr_history_seen){.run = table->run, .user = user};
    sqlite3_bind_int64(table->add_user, 1, user);
    sqlite3_bind_int64(table->add_user, 2, (int64_t)first);
    return step(table->write_db, table->add_user, err);
}

// Writes one run: rows of one chunk, in order.
static int add_run(struct gr_history_table *table, const struct gr_history_row *rows,
                   uint32_t count, struct gr_err *err)
{
    assert(count > 0 && count <= GR_HISTORY_CHUNK);
    struct gr_ended_before before = {0};
    size_t size = 0;
    int64_t oldest_ms = INT64_MAX;
    int rc = 0;
    table->run++;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        const struct gr_ended *ended = rows[i].ended;
        size += gr_ended_bytes_write(&before, ended, table->bytes + size);
        oldest_ms = ended->ended_ms < oldest_ms ? ended->ended_ms : oldest_ms;
        rc = add_user(table, rows[0].id, ended->user, err);
    }
    if (rc != 0) {
        return rc;
    }
    sqlite3_bind_int64(table->add_run, 1, (int64_t)rows[0].id);
    sqlite3_bind_int64(table->add_run, 2, (int64_t)rows[count - 1].id);
    sqlite3_bind_int64(table->add_run, 3, oldest_ms);
    sqlite3_bind_blob64(table->add_run, 4, table->bytes, size, SQLITE_STATIC);
    return step(table->write_db, table->add_run, err);
}

// Whether a run begins with this job: 1, 0 or -errno.
static int has_run(struct gr_history_table *table, uint64_t first, struct gr_err *err)
{
    sqlite3_bind_int64(table->has_run, 1, (int64_t)first);
    int found = sqlite3_step(table->has_run);
    int rc = found == SQLITE_ROW    ? 1
             : found == SQLITE_DONE ? 0
                                    : gr_history_fail(table->write_db, "look for a run", err);
    sqlite3_reset(table->has_run);
    return rc;
}

int gr_history_add_runs(struct gr_history_table *table, const struct gr_history_row *rows,
                        uint32_t count, struct gr_err *err)
{
    int rc = 0;
    for (uint32_t begin = 0; begin < count && rc == 0;) {
        uint32_t end = begin + 1;
        while (end < count &&
               rows[end].id / GR_HISTORY_CHUNK == rows[begin].id / GR_HISTORY_CHUNK) {
            assert(rows[end].id > rows[end - 1].id);
            end++;
        }
        // A job that is told again is in the run that begins with it, beside others: that one
        // stays.
        int is_there = 1;
        while (begin < end && (is_there = has_run(table, rows[begin].id, err)) > 0) {
            begin++;
        }
        rc = is_there < 0 ? is_there : 0;
        if (rc == 0 && begin < end) {
            rc = add_run(table, rows + begin, end - begin, err);
        }
        begin = end;
    }
    return rc;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const struct gr_history_row *)a)->id;
    uint64_t y = ((const struct gr_history_row *)b)->id;
    return (x > y) - (x < y);
}

int gr_history_table_write(struct gr_history_table *table, struct gr_history_row *rows,
                           uint32_t count, uint64_t upto, struct gr_err *err)
{
    assert(table != NULL && (rows != NULL || count == 0));
    qsort(rows, count, sizeof *rows, by_id);
    uint32_t kept = count == 0 ? 0 : 1;
    for (uint32_t i = 1; i < count; i++) { // who was told twice is written once
        rows[kept] = rows[i];
        kept += rows[i].id != rows[kept - 1].id;
    }
    int rc = gr_history_run(table->write_db, "BEGIN IMMEDIATE", err);
    if (rc != 0) {
        return rc;
    }
    rc = gr_history_add_runs(table, rows, kept, err);
    sqlite3_bind_int64(table->mark, 1, (int64_t)upto);
    rc = rc != 0 ? rc : step(table->write_db, table->mark, err);
    return finish(table->write_db, rc, err);
}

// --- pruning

// What is taken out of a run.
struct pruned {
    int64_t before_ms;
    struct gr_ended *ended; // those that stay
    uint32_t *users;        // of all, those that go too
    uint32_t count, user_count, room;
    bool has_no_memory;
};

static bool keep_young(void *context, const struct gr_ended *ended)
{
    struct pruned *pruned = context;
    if (pruned->user_count == pruned->room) {
        uint32_t room = pruned->room == 0 ? 64 : pruned->room * 2;
        struct gr_ended *more = realloc(pruned->ended, room * sizeof *more);
        pruned->ended = more != NULL ? more : pruned->ended;
        uint32_t *users = realloc(pruned->users, room * sizeof *users);
        pruned->users = users != NULL ? users : pruned->users;
        pruned->has_no_memory = more == NULL || users == NULL;
        if (pruned->has_no_memory) {
            return false;
        }
        pruned->room = room;
    }
    pruned->users[pruned->user_count++] = ended->user;
    if (ended->ended_ms >= pruned->before_ms) {
        pruned->ended[pruned->count++] = *ended;
    }
    return true;
}

// Takes a run away, with its users.
static int remove_run(struct gr_history_table *table, uint64_t first, const struct pruned *pruned,
                      struct gr_err *err)
{
    static const char *const sql[] = {"DELETE FROM runs WHERE first=?1",
                                      "DELETE FROM of_user WHERE user=?2 AND first=?1"};
    int rc = 0;
    for (unsigned i = 0; i < 2 && rc == 0; i++) {
        sqlite3_stmt *stmt = NULL;
        rc = gr_history_prepare(table->write_db, sql[i], &stmt, err);
        for (uint32_t u = 0; u < (i == 0 ? 1 : pruned->user_count) && rc == 0; u++) {
            sqlite3_bind_int64(stmt, 1, (int64_t)first);
            if (i == 1) {
                sqlite3_bind_int64(stmt, 2, pruned->users[u]);
            }
            rc = step(table->write_db, stmt, err);
        }
        sqlite3_finalize(stmt);
    }
    return rc;
}

// Writes a run again without what is old.
static int prune_run(struct gr_history_table *table, uint64_t first, int64_t before_ms,
                     struct gr_err *err)
{
    struct pruned pruned = {.before_ms = before_ms};
    sqlite3_stmt *stmt = NULL;
    int rc =
        gr_history_prepare(table->write_db, "SELECT rows FROM runs WHERE first=?1", &stmt, err);
    if (rc == 0) {
        sqlite3_bind_int64(stmt, 1, (int64_t)first);
        rc = sqlite3_step(stmt) == SQLITE_ROW
                 ? gr_history_run_read(sqlite3_column_blob(stmt, 0),
                                       (size_t)sqlite3_column_bytes(stmt, 0), keep_young, &pruned,
                                       err)
                 : gr_history_fail(table->write_db, "read a run", err);
    }
    sqlite3_finalize(stmt);
    struct gr_history_row *rows = calloc(pruned.count + 1, sizeof *rows);
    if (rc == 0 && (pruned.has_no_memory || rows == NULL)) {
        rc = gr_fail(err, -ENOMEM, "no memory to remove old jobs");
    }
    rc = rc != 0 ? rc : remove_run(table, first, &pruned, err);
    for (uint32_t i = 0; i < pruned.count && rc == 0; i++) {
        rows[i] = (struct gr_history_row){.id = pruned.ended[i].id, .ended = &pruned.ended[i]};
    }
    rc = rc != 0 ? rc : gr_history_add_runs(table, rows, pruned.count, err);
    free(rows);
    free(pruned.ended);
    free(pruned.users);
    return rc;
}

// The next runs behind `after` of which something is old; *ret_last: the last that was looked at,
// 0: there were no more.
static int old_runs(struct gr_history_table *table, int64_t before_ms, uint64_t after,
                    uint64_t ret_firsts[PRUNE_RUNS], uint32_t *ret_count, uint64_t *ret_last,
                    struct gr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = gr_history_prepare(
        table->write_db,
        "SELECT first, oldest_ms FROM runs WHERE first > ?1 ORDER BY first LIMIT ?2", &stmt, err);
    if (rc != 0) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, (int64_t)after);
    sqlite3_bind_int64(stmt, 2, PRUNE_RUNS);
    *ret_count = 0;
    *ret_last = 0;
    int found;
    while ((found = sqlite3_step(stmt)) == SQLITE_ROW) {
        *ret_last = (uint64_t)sqlite3_column_int64(stmt, 0);
        if (sqlite3_column_int64(stmt, 1) < before_ms) {
            ret_firsts[(*ret_count)++] = *ret_last;
        }
    }
    rc = found == SQLITE_DONE ? 0 : gr_history_fail(table->write_db, "look for old jobs", err);
    sqlite3_finalize(stmt);
    return rc;
}

int gr_history_table_prune(struct gr_history_table *table, int64_t before_ms, uint64_t *after,
                           struct gr_err *err)
{
    uint64_t firsts[PRUNE_RUNS];
    uint32_t count = 0;
    uint64_t last = 0;
    int rc = old_runs(table, before_ms, *after, firsts, &count, &last, err);
    if (rc == 0 && count > 0) {
        rc = gr_history_run(table->write_db, "BEGIN IMMEDIATE", err);
        if (rc != 0) {
            return rc;
        }
        for (uint32_t i = 0; i < count && rc == 0; i++) {
            rc = prune_run(table, firsts[i], before_ms, err);
        }
        rc = finish(table->write_db, rc, err);
    }
    *after = last;
    return rc;
}

// --- opening

static int open_db(const char *path, const char *sql, sqlite3 **ret_db, struct gr_err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, ret_db, flags, NULL) != SQLITE_OK) {
        return gr_history_fail(*ret_db, path, err);
    }
    sqlite3_busy_timeout(*ret_db, 5000);
    return sqlite3_exec(*ret_db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : gr_history_fail(*ret_db, path, err);
}

static int prepare_all(struct gr_history_table *table, struct gr_err *err)
{
    int rc = gr_history_prepare(table->write_db, "INSERT INTO runs VALUES(?1,?2,?3,?4)",
                                &table->add_run, err);
    rc = rc != 0 ? rc
                 : gr_history_prepare(table->write_db, "SELECT 1 FROM runs WHERE first=?1",
                                      &table->has_run, err);
    rc = rc != 0
             ? rc
             : gr_history_prepare(table->write_db, "INSERT OR IGNORE INTO of_user VALUES(?1,?2)",
                                  &table->add_user, err);
    rc = rc != 0
             ? rc
             : gr_history_prepare(table->write_db, "UPDATE upto SET sequence=?1 WHERE sequence<?1",
                                  &table->mark, err);
    // Of the chunk: what begins after the job cannot hold it.
    return rc != 0 ? rc
                   : gr_history_prepare(table->read_db,
                                        "SELECT rows FROM runs WHERE first BETWEEN ?2 AND ?1 AND"
                                        " last >= ?1 ORDER BY first DESC",
                                        &table->find, err);
}

static int open_all(struct gr_history_table *table, const char *dir, uint64_t *ret_upto,
                    struct gr_err *err)
{
    char path[1024];
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return gr_fail_errno(err, "make directory %s", dir);
    }
    if (snprintf(path, sizeof path, "%s/ended.db", dir) >= (int)sizeof path) {
        return gr_fail(err, -ENAMETOOLONG, "%s: the path is too long", dir);
    }
    int rc = open_db(path, schema, &table->write_db, err);
    rc = rc != 0 ? rc : open_db(path, "PRAGMA query_only=1", &table->read_db, err);
    rc = rc != 0 ? rc : prepare_all(table, err);
    rc = rc != 0 ? rc : gr_history_convert(table, err);
    sqlite3_stmt *upto = NULL;
    rc = rc != 0 ? rc : gr_history_prepare(table->read_db, "SELECT sequence FROM upto", &upto, err);
    if (rc == 0 && sqlite3_step(upto) == SQLITE_ROW) {
        *ret_upto = (uint64_t)sqlite3_column_int64(upto, 0);
    }
    sqlite3_finalize(upto);
    return rc;
}

int gr_history_table_open(const char *dir, struct gr_history_table **ret_table, uint64_t *ret_upto,
                          struct gr_err *err)
{
    assert(dir != NULL && ret_table != NULL && ret_upto != NULL);
    struct gr_history_table *table = calloc(1, sizeof *table);
    if (table != NULL) {
        table->bytes = malloc(GR_HISTORY_CHUNK * GR_ENDED_BYTES_MAX);
        table->seen = calloc(GR_HISTORY_SEEN, sizeof *table->seen);
    }
    int rc = table == NULL || table->bytes == NULL || table->seen == NULL
                 ? gr_fail(err, -ENOMEM, "no memory for the history")
                 : open_all(table, dir, ret_upto, err);
    if (rc != 0) {
        gr_history_table_close(table);
        return rc;
    }
    *ret_table = table;
    return 0;
}

void gr_history_table_close(struct gr_history_table *table)
{
    if (table == NULL) {
        return;
    }
    sqlite3_finalize(table->add_run);
    sqlite3_finalize(table->has_run);
    sqlite3_finalize(table->add_user);
    sqlite3_finalize(table->mark);
    sqlite3_finalize(table->find);
    sqlite3_close(table->write_db);
    sqlite3_close(table->read_db);
    free(table->bytes);
    free(table->seen);
    free(table);
}
