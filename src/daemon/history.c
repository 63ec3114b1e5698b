// Jobs that ended, in a table: see history.h.
#include "daemon/history.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

// Rows that may wait, and rows of one transaction.
#define QUEUE_MAX 262144u
#define BATCH_MAX 8192u
// How long the writer lets rows gather, and how often old ones are removed.
#define GATHER_MS 200
#define PRUNE_SECONDS 3600
// Rows that are looked through for old ones at a time. All at once could take minutes, while rows
// wait and, when very many do, requests are refused.
#define PRUNE_ROWS 10000

struct row {
    uint64_t sequence;
    struct gr_ended ended;
};

struct gr_history {
    sqlite3 *write_db, *read_db; // of the thread, of the callers
    sqlite3_stmt *insert, *mark, *find;
    uint32_t keep_days;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct row *queue; // a ring
    uint32_t first, count;
    uint64_t told;  // everything up to here was told
    uint64_t upto;  // and is durable up to here
    uint64_t stuck; // a fact that could not be told; 0: none. upto stays before it
    bool ends;
    char problem[160];
    // The thread's own.
    int64_t prune_after; // rows up to this id were looked through; 0: it is to begin anew
    int64_t prune_at;    // and when, monotonic seconds
};

static const char schema[] =
    // The log may hold several batches before it is copied into the table: rows of one user come
    // together on a page, so most pages would be copied again by the next batch.
    "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA wal_autocheckpoint=8192;"
    "CREATE TABLE IF NOT EXISTS upto(one INTEGER PRIMARY KEY CHECK(one=1), sequence INTEGER);"
    "INSERT OR IGNORE INTO upto VALUES(1,0);"
    "CREATE TABLE IF NOT EXISTS ended(id INTEGER PRIMARY KEY, array INTEGER, array_index INTEGER,"
    " org INTEGER, user INTEGER, submitted_ms INTEGER, placed_ms INTEGER, ended_ms INTEGER,"
    " limit_ms INTEGER, cpu_milli INTEGER, memory_mib INTEGER, milli INTEGER, devices INTEGER,"
    " tasks INTEGER, priority INTEGER, use INTEGER, attempt INTEGER, attempts INTEGER,"
    " dropped INTEGER, outcome INTEGER, began_ms INTEGER, cpu_ms INTEGER, peak_kib INTEGER,"
    " exit_code INTEGER, signal INTEGER, task INTEGER, text TEXT);"
    "CREATE INDEX IF NOT EXISTS ended_by_user ON ended(user, id);";

#define COLUMNS                                                                                    \
    "id, array, array_index, org, user, submitted_ms, placed_ms, ended_ms, limit_ms, cpu_milli,"   \
    " memory_mib, milli, devices, tasks, priority, use, attempt, attempts, dropped, outcome,"      \
    " began_ms, cpu_ms, peak_kib, exit_code, signal, task, text"

static int fail_sql(sqlite3 *db, const char *what, struct gr_err *err)
{
    return gr_fail(err, -EIO, "history: %s: %s", what, sqlite3_errmsg(db));
}

static void bind_row(sqlite3_stmt *stmt, const struct gr_ended *e)
{
    const int64_t values[] = {(int64_t)e->id,
                              (int64_t)e->array,
                              e->array_index,
                              e->org,
                              e->user,
                              e->submitted_ms,
                              e->placed_ms,
                              e->ended_ms,
                              e->limit_ms,
                              e->demand.shape.cpu_milli,
                              e->demand.shape.memory_mib,
                              e->demand.shape.milli,
                              e->demand.shape.devices,
                              e->demand.tasks,
                              e->demand.priority,
                              e->demand.use,
                              e->attempt,
                              e->attempts,
                              e->dropped,
                              e->ending.outcome,
                              e->ending.began_ms,
                              (int64_t)e->ending.cpu_ms,
                              (int64_t)e->ending.peak_kib,
                              e->ending.exit_code,
                              e->ending.signal,
                              e->ending.task};
    int count = (int)(sizeof values / sizeof values[0]);
    for (int i = 0; i < count; i++) {
        sqlite3_bind_int64(stmt, i + 1, values[i]);
    }
    sqlite3_bind_text(stmt, count + 1, e->text, -1, SQLITE_STATIC);
}

static void read_row(sqlite3_stmt *stmt, struct gr_ended *e)
{
    int64_t v[26];
    for (int i = 0; i < 26; i++) {
        v[i] = sqlite3_column_int64(stmt, i);
    }
    *e = (struct gr_ended){.id = (uint64_t)v[0],
                           .array = (uint64_t)v[1],
                           .array_index = (uint32_t)v[2],
                           .org = (uint32_t)v[3],
                           .user = (uint32_t)v[4],
                           .submitted_ms = v[5],
                           .placed_ms = v[6],
                           .ended_ms = v[7],
                           .limit_ms = v[8],
                           .demand = {.shape = {.cpu_milli = (uint32_t)v[9],
                                                .memory_mib = (uint32_t)v[10],
                                                .milli = (uint16_t)v[11],
                                                .devices = (uint8_t)v[12]},
                                      .tasks = (uint32_t)v[13],
                                      .priority = (uint8_t)v[14],
                                      .use = (uint8_t)v[15]},
                           .attempt = (uint32_t)v[16],
                           .attempts = (uint32_t)v[17],
                           .dropped = (uint32_t)v[18],
                           .ending = {.outcome = (uint32_t)v[19],
                                      .began_ms = v[20],
                                      .cpu_ms = (uint64_t)v[21],
                                      .peak_kib = (uint64_t)v[22],
                                      .exit_code = (int32_t)v[23],
                                      .signal = (uint32_t)v[24],
                                      .task = (uint32_t)v[25]}};
    const char *text = (const char *)sqlite3_column_text(stmt, 26);
    snprintf(e->text, sizeof e->text, "%s", text == NULL ? "" : text);
}

// --- the writer

static void set_problem(struct gr_history *history)
{
    pthread_mutex_lock(&history->mutex);
    snprintf(history->problem, sizeof history->problem, "the table of ended jobs: %s",
             sqlite3_errmsg(history->write_db));
    pthread_mutex_unlock(&history->mutex);
}

static bool run_sql(struct gr_history *history, const char *sql)
{
    return sqlite3_exec(history->write_db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool step(sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

// Writes a batch and how far it is complete, in one transaction.
static bool write_batch(struct gr_history *history, const struct row *rows, uint32_t count,
                        uint64_t upto)
{
    bool is_good = run_sql(history, "BEGIN IMMEDIATE");
    for (uint32_t i = 0; i < count && is_good; i++) {
        bind_row(history->insert, &rows[i].ended);
        is_good = step(history->insert);
    }
    sqlite3_bind_int64(history->mark, 1, (int64_t)upto);
    is_good = is_good && step(history->mark) && run_sql(history, "COMMIT");
    if (!is_good) {
        set_problem(history);
        (void)run_sql(history, "ROLLBACK");
    }
    return is_good;
}

// The id of the last of the rows that are to be looked through next; 0: there are none.
static int64_t prune_last(struct gr_history *history)
{
    static const char sql[] =
        "SELECT max(id) FROM (SELECT id FROM ended WHERE id > ?1 ORDER BY id LIMIT ?2)";
    sqlite3_stmt *stmt = NULL;
    int64_t last = 0;
    if (sqlite3_prepare_v2(history->write_db, sql, -1, &stmt, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, history->prune_after);
        sqlite3_bind_int64(stmt, 2, PRUNE_ROWS);
        last = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    }
    sqlite3_finalize(stmt);
    return last;
}

// Removes old rows, some thousand rows further each time.
static void prune(struct gr_history *history)
{
    int64_t now_s = gr_clock_ms() / 1000;
    if (history->keep_days == 0 || (history->prune_after == 0 && now_s < history->prune_at)) {
        return;
    }
    int64_t last = prune_last(history);
    int64_t before_ms = ((int64_t)time(NULL) - (int64_t)history->keep_days * 86400) * 1000;
    char sql[160];
    snprintf(sql, sizeof sql,
             "DELETE FROM ended WHERE id > %lld AND id <= %lld AND ended_ms < %lld",
             (long long)history->prune_after, (long long)last, (long long)before_ms);
    if (last != 0 && !run_sql(history, sql)) {
        set_problem(history);
    }
    history->prune_after = last;
    history->prune_at = now_s + PRUNE_SECONDS;
}

// Takes rows from the queue into `rows`, under the mutex. Returns how many, and up to which fact
// the table is complete once they are written.
static uint32_t take_rows(struct gr_history *history, struct row *rows, uint64_t *ret_upto)
{
    uint32_t count = history->count < BATCH_MAX ? history->count : BATCH_MAX;
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = history->queue[(history->first + i) % QUEUE_MAX];
    }
    uint64_t upto = history->told;
    if (count < history->count) {
        upto = history->queue[(history->first + count) % QUEUE_MAX].sequence - 1;
    }
    if (history->stuck != 0 && upto >= history->stuck) {
        upto = history->stuck - 1;
    }
    *ret_upto = upto;
    return count;
}

static void *writer(void *context)
{
    struct gr_history *history = context;
    struct row *rows = malloc(BATCH_MAX * sizeof *rows);
    (void)pthread_setname_np(pthread_self(), "history");
    pthread_mutex_lock(&history->mutex);
    while (rows != NULL) {
        struct timespec until;
        gr_clock_after(GATHER_MS, &until);
        if (!history->ends && history->count < BATCH_MAX) {
            // By a clock that does not jump: one that is set back must not hold up the table.
            (void)pthread_cond_clockwait(&history->wake, &history->mutex, CLOCK_MONOTONIC, &until);
        }
        uint64_t upto;
        uint32_t count = take_rows(history, rows, &upto);
        bool ends = history->ends;
        bool has_news = count > 0 || upto > history->upto;
        pthread_mutex_unlock(&history->mutex);
        bool is_written = has_news && write_batch(history, rows, count, upto);
        if (is_written) {
            prune(history);
        }
        pthread_mutex_lock(&history->mutex);
        if (is_written) {
            history->first = (history->first + count) % QUEUE_MAX;
            history->count -= count;
            history->upto = upto > history->upto ? upto : history->upto;
            history->problem[0] = '\0';
        }
        if (ends && (history->count == 0 || (has_news && !is_written))) {
            break;
        }
    }
    pthread_mutex_unlock(&history->mutex);
    free(rows);
    return NULL;
}

// --- opening

static int open_db(const char *path, const char *sql, sqlite3 **ret_db, struct gr_err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, ret_db, flags, NULL) != SQLITE_OK) {
        return fail_sql(*ret_db, path, err);
    }
    sqlite3_busy_timeout(*ret_db, 5000);
    return sqlite3_exec(*ret_db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                     : fail_sql(*ret_db, path, err);
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, struct gr_err *err)
{
    return sqlite3_prepare_v2(db, sql, -1, ret_stmt, NULL) == SQLITE_OK
               ? 0
               : fail_sql(db, "prepare", err);
}

static int open_all(struct gr_history *history, const char *dir, struct gr_err *err)
{
    char path[1024];
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return gr_fail_errno(err, "make directory %s", dir);
    }
    if (snprintf(path, sizeof path, "%s/ended.db", dir) >= (int)sizeof path) {
        return gr_fail(err, -ENAMETOOLONG, "%s: the path is too long", dir);
    }
    int rc = open_db(path, schema, &history->write_db, err);
    rc = rc != 0 ? rc : open_db(path, "PRAGMA query_only=1", &history->read_db, err);
    rc = rc != 0 ? rc
                 : prepare(history->write_db,
                           "INSERT OR REPLACE INTO ended(" COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,"
                           "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                           &history->insert, err);
    rc = rc != 0 ? rc
                 : prepare(history->write_db, "UPDATE upto SET sequence=?1 WHERE sequence<?1",
                           &history->mark, err);
    rc = rc != 0 ? rc
                 : prepare(history->read_db, "SELECT " COLUMNS " FROM ended WHERE id=?",
                           &history->find, err);
    sqlite3_stmt *upto = NULL;
    rc = rc != 0 ? rc : prepare(history->read_db, "SELECT sequence FROM upto", &upto, err);
    if (rc == 0 && sqlite3_step(upto) == SQLITE_ROW) {
        history->upto = (uint64_t)sqlite3_column_int64(upto, 0);
    }
    sqlite3_finalize(upto);
    return rc;
}

int gr_history_open(const char *dir, uint32_t keep_days, struct gr_history **ret_history,
                    struct gr_err *err)
{
    assert(dir != NULL && ret_history != NULL);
    struct gr_history *history = calloc(1, sizeof *history);
    if (history != NULL) {
        history->queue = malloc(QUEUE_MAX * sizeof *history->queue);
    }
    if (history == NULL || history->queue == NULL) {
        free(history);
        return gr_fail(err, -ENOMEM, "no memory for the history");
    }
    history->keep_days = keep_days;
    pthread_mutex_init(&history->mutex, NULL);
    pthread_cond_init(&history->wake, NULL);
    int rc = open_all(history, dir, err);
    if (rc == 0) {
        int code = pthread_create(&history->thread, NULL, writer, history);
        history->has_thread = code == 0;
        rc = code == 0 ? 0 : gr_fail(err, -code, "start the history's thread");
    }
    if (rc != 0) {
        gr_history_close(history);
        return rc;
    }
    *ret_history = history;
    return 0;
}

void gr_history_close(struct gr_history *history)
{
    if (history == NULL) {
        return;
    }
    if (history->has_thread) {
        pthread_mutex_lock(&history->mutex);
        history->ends = true;
        pthread_cond_signal(&history->wake);
        pthread_mutex_unlock(&history->mutex);
        pthread_join(history->thread, NULL);
    }
    sqlite3_finalize(history->insert);
    sqlite3_finalize(history->mark);
    sqlite3_finalize(history->find);
    sqlite3_close(history->write_db);
    sqlite3_close(history->read_db);
    pthread_mutex_destroy(&history->mutex);
    pthread_cond_destroy(&history->wake);
    free(history->queue);
    free(history);
}

// --- telling

bool gr_history_add(struct gr_history *history, uint64_t sequence, const struct gr_ended *ended)
{
    assert(history != NULL && ended != NULL);
    pthread_mutex_lock(&history->mutex);
    bool has_room = history->count < QUEUE_MAX;
    if (has_room && sequence > history->upto) {
        history->queue[(history->first + history->count++) % QUEUE_MAX] =
            (struct row){.sequence = sequence, .ended = *ended};
        if (history->count == BATCH_MAX) {
            pthread_cond_signal(&history->wake);
        }
    } else if (!has_room && history->stuck == 0) {
        history->stuck = sequence;
        snprintf(history->problem, sizeof history->problem,
                 "the table of ended jobs does not keep up; the next start completes it");
    }
    pthread_mutex_unlock(&history->mutex);
    return has_room;
}

void gr_history_missed(struct gr_history *history, uint64_t sequence)
{
    pthread_mutex_lock(&history->mutex);
    if (history->stuck == 0 || sequence < history->stuck) {
        history->stuck = sequence;
    }
    snprintf(history->problem, sizeof history->problem,
             "the table of ended jobs misses some; the next start completes it");
    pthread_mutex_unlock(&history->mutex);
}

void gr_history_told(struct gr_history *history, uint64_t sequence)
{
    pthread_mutex_lock(&history->mutex);
    history->told = sequence > history->told ? sequence : history->told;
    pthread_mutex_unlock(&history->mutex);
}

uint64_t gr_history_upto(const struct gr_history *history)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&history->mutex;
    pthread_mutex_lock(mutex);
    uint64_t upto = history->upto;
    pthread_mutex_unlock(mutex);
    return upto;
}

unsigned gr_history_waiting_percent(const struct gr_history *history)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&history->mutex;
    pthread_mutex_lock(mutex);
    unsigned percent = (unsigned)((uint64_t)history->count * 100 / QUEUE_MAX);
    pthread_mutex_unlock(mutex);
    return percent;
}

void gr_history_problem(struct gr_history *history, char *ret_text, size_t size)
{
    pthread_mutex_lock(&history->mutex);
    snprintf(ret_text, size, "%s", history->problem);
    pthread_mutex_unlock(&history->mutex);
}

// --- asking

// Looks at the rows that are not written yet, the newest first.
static bool find_waiting(struct gr_history *history, uint64_t job, struct gr_ended *ret_ended)
{
    bool is_found = false;
    pthread_mutex_lock(&history->mutex);
    for (uint32_t i = history->count; i > 0 && !is_found; i--) {
        const struct row *row = &history->queue[(history->first + i - 1) % QUEUE_MAX];
        is_found = row->ended.id == job;
        if (is_found) {
            *ret_ended = row->ended;
        }
    }
    pthread_mutex_unlock(&history->mutex);
    return is_found;
}

int gr_history_find(struct gr_history *history, uint64_t job, struct gr_ended *ret_ended,
                    struct gr_err *err)
{
    assert(history != NULL && ret_ended != NULL);
    // First here: a row leaves only once it is in the table.
    if (find_waiting(history, job, ret_ended)) {
        return 1;
    }
    sqlite3_bind_int64(history->find, 1, (int64_t)job);
    int rc = sqlite3_step(history->find);
    if (rc == SQLITE_ROW) {
        read_row(history->find, ret_ended);
    }
    sqlite3_reset(history->find);
    return rc == SQLITE_ROW    ? 1
           : rc == SQLITE_DONE ? 0
                               : fail_sql(history->read_db, "find a job", err);
}

int gr_history_list(struct gr_history *history, const struct gr_history_query *query,
                    bool (*each)(void *context, const struct gr_ended *ended), void *context,
                    struct gr_err *err)
{
    assert(history != NULL && query != NULL && each != NULL);
    const char *sql = query->user != UINT32_MAX
                          ? "SELECT " COLUMNS " FROM ended WHERE id<?1 AND user=?2 AND"
                            " (?3<0 OR org=?3) ORDER BY id DESC LIMIT ?4"
                          : "SELECT " COLUMNS " FROM ended WHERE id<?1 AND (?3<0 OR org=?3)"
                            " ORDER BY id DESC LIMIT ?4";
    sqlite3_stmt *stmt = NULL;
    int rc = prepare(history->read_db, sql, &stmt, err);
    if (rc != 0) {
        return rc;
    }
    uint64_t below = query->below > INT64_MAX ? INT64_MAX : query->below;
    sqlite3_bind_int64(stmt, 1, (int64_t)below);
    if (query->user != UINT32_MAX) {
        sqlite3_bind_int64(stmt, 2, query->user);
    }
    sqlite3_bind_int64(stmt, 3, query->org == UINT32_MAX ? -1 : (int64_t)query->org);
    sqlite3_bind_int64(stmt, 4, query->most);
    int step_rc;
    bool goes_on = true;
    while (goes_on && (step_rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct gr_ended ended;
        read_row(stmt, &ended);
        goes_on = each(context, &ended);
    }
    rc = goes_on && step_rc != SQLITE_DONE ? fail_sql(history->read_db, "list jobs", err) : 0;
    sqlite3_finalize(stmt);
    return rc;
}
