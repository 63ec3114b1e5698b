// Head syncs and checkpoints beside the writer: see settle.h.
//
// A checkpoint copies the log into the file. Its passive kind stops nobody, but while it copies the
// log grows, and the log begins anew only once all of it is copied. So the bulk goes first, beside
// the writer, and what has come meanwhile in a pause between two transactions.
#include "journal/settle.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

// A log that has outgrown its threshold so many times is cut to nothing when that is possible.
enum { LOG_TIMES_MAX = 8, LOG_FRAME_HEADER = 24 };
// While groups follow each other the head is synced at most so often: a sync for each group would
// contend with the group's own (docs/adr/0008-journal.md has the figures).
enum { HEAD_APART_MS = 5 };
// How long a reader is waited for when the log is to be cut: the writer waits too.
enum { CUT_WAIT_MS = 20 };

struct gr_settler {
    sqlite3 *db; // the thread's own
    struct gr_head *head;
    void (*failed)(void *context, const struct gr_err *err);
    void *context;
    uint64_t pages_most; // threshold
    pthread_t thread;
    pthread_mutex_t mutex; // of what follows
    pthread_cond_t wake;   // the thread
    pthread_cond_t gate;   // the writer, or the thread that waits for the writer to pause
    uint64_t log_pages;
    bool is_writing, is_shut, is_head_due, is_stopping;
};

// One checkpoint; *ret_left is how many pages of the log are not copied. A full disk or another's
// lock are no failures: the log waits.
static int checkpoint(struct gr_settler *settler, int mode, uint64_t *ret_left, struct gr_err *err)
{
    int in_log = 0;
    int copied = 0;
    int rc = sqlite3_wal_checkpoint_v2(settler->db, NULL, mode, &in_log, &copied);
    *ret_left = in_log > copied ? (uint64_t)(in_log - copied) : 0;
    if (rc == SQLITE_OK) {
        return 0;
    }
    int code = gr_store_fail(settler->db, err, "checkpoint of the journal");
    *ret_left = UINT64_MAX;
    return code == -EBUSY || code == -ENOSPC ? 0 : code;
}

// Copies the rest while the writer pauses.
static int checkpoint_rest(struct gr_settler *settler, uint64_t log_pages, struct gr_err *err)
{
    uint64_t left;
    pthread_mutex_lock(&settler->mutex);
    settler->is_shut = true;
    while (settler->is_writing) {
        pthread_cond_wait(&settler->gate, &settler->mutex);
    }
    pthread_mutex_unlock(&settler->mutex);
    bool is_too_big = log_pages / LOG_TIMES_MAX >= settler->pages_most;
    int rc = checkpoint(
        settler, is_too_big ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &left, err);
    pthread_mutex_lock(&settler->mutex);
    settler->is_shut = false;
    pthread_cond_broadcast(&settler->gate);
    pthread_mutex_unlock(&settler->mutex);
    return rc;
}

static int checkpoint_whole(struct gr_settler *settler, uint64_t log_pages, struct gr_err *err)
{
    uint64_t left = 0;
    uint64_t before = UINT64_MAX;
    int rc = checkpoint(settler, SQLITE_CHECKPOINT_PASSIVE, &left, err);
    // Again as long as that helps much: the shorter the rest, the shorter the pause.
    while (rc == 0 && left > settler->pages_most / 16 && left < before / 2) {
        before = left;
        rc = checkpoint(settler, SQLITE_CHECKPOINT_PASSIVE, &left, err);
    }
    return rc < 0 || left == UINT64_MAX ? rc : checkpoint_rest(settler, log_pages, err);
}

// Waits until something may be due: woken, or at that time. The mutex is held.
static void wait_until(struct gr_settler *settler, uint64_t at_ms)
{
    const struct timespec at = {.tv_sec = (time_t)(at_ms / 1000),
                                .tv_nsec = (long)(at_ms % 1000) * 1000000};
    (void)pthread_cond_clockwait(&settler->wake, &settler->mutex, CLOCK_MONOTONIC, &at);
}

static void *settle(void *context)
{
    struct gr_settler *settler = context;
    (void)pthread_setname_np(pthread_self(), "checkpoint");
    struct gr_err err;
    uint64_t next_head_ms = 0;
    int rc = 0;
    gr_err_init(&err);
    pthread_mutex_lock(&settler->mutex);
    while (rc == 0) {
        bool is_full = settler->log_pages >= settler->pages_most && !settler->is_stopping;
        bool is_early =
            settler->is_head_due && !settler->is_stopping && (uint64_t)gr_clock_ms() < next_head_ms;
        bool is_head_due = settler->is_head_due && !is_early;
        uint64_t log_pages = settler->log_pages;
        if (!is_full && !is_head_due) {
            if (settler->is_stopping) {
                break;
            }
            if (is_early) {
                wait_until(settler, next_head_ms);
            } else {
                pthread_cond_wait(&settler->wake, &settler->mutex);
            }
            continue;
        }
        settler->is_head_due = is_early;
        settler->log_pages = is_full ? 0 : log_pages; // known again after the next commit
        pthread_mutex_unlock(&settler->mutex);
        if (is_head_due) {
            rc = gr_head_sync(settler->head, &err);
            next_head_ms = (uint64_t)gr_clock_ms() + HEAD_APART_MS;
        }
        if (rc == 0 && is_full) {
            rc = checkpoint_whole(settler, log_pages, &err);
        }
        pthread_mutex_lock(&settler->mutex);
    }
    pthread_mutex_unlock(&settler->mutex);
    if (rc < 0) {
        settler->failed(settler->context, &err);
    }
    return NULL;
}

static uint64_t pages_of(sqlite3 *db, uint64_t log_bytes)
{
    sqlite3_stmt *stmt = NULL;
    uint64_t page_size = 4096;
    if (sqlite3_prepare_v2(db, "PRAGMA page_size", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        page_size = (uint64_t)sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    uint64_t pages = log_bytes / (page_size + LOG_FRAME_HEADER);
    return pages == 0 ? 1 : pages;
}

// Starts a thread that takes no signals: they are the caller's.
static int start_quiet(pthread_t *thread, void *(*run)(void *), void *context)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

int gr_settler_start(const char *dir, struct gr_head *head, uint64_t log_bytes,
                     void (*failed)(void *context, const struct gr_err *err), void *context,
                     struct gr_settler **ret_settler, struct gr_err *err)
{
    assert(head->fd >= 0 && failed != NULL);
    struct gr_settler *settler = calloc(1, sizeof *settler);
    if (settler == NULL) {
        return gr_fail(err, -ENOMEM, "%s: no memory to write the journal", dir);
    }
    settler->head = head;
    settler->failed = failed;
    settler->context = context;
    int rc = gr_store_open(dir, GR_STORE_WRITE, &settler->db, err);
    if (rc < 0) {
        free(settler);
        return rc;
    }
    sqlite3_busy_timeout(settler->db, CUT_WAIT_MS);
    settler->pages_most = pages_of(settler->db, log_bytes);
    pthread_mutex_init(&settler->mutex, NULL);
    pthread_cond_init(&settler->wake, NULL);
    pthread_cond_init(&settler->gate, NULL);
    rc = start_quiet(&settler->thread, settle, settler);
    if (rc < 0) {
        gr_store_close(settler->db);
        free(settler);
        return gr_fail(err, rc, "%s: cannot start a thread for checkpoints", dir);
    }
    *ret_settler = settler;
    return 0;
}

void gr_settler_stop(struct gr_settler *settler)
{
    if (settler == NULL) {
        return;
    }
    pthread_mutex_lock(&settler->mutex);
    settler->is_stopping = true;
    pthread_cond_signal(&settler->wake);
    pthread_mutex_unlock(&settler->mutex);
    pthread_join(settler->thread, NULL);
    gr_store_close(settler->db);
    pthread_cond_destroy(&settler->gate);
    pthread_cond_destroy(&settler->wake);
    pthread_mutex_destroy(&settler->mutex);
    free(settler);
}

void gr_settler_enter(struct gr_settler *settler)
{
    pthread_mutex_lock(&settler->mutex);
    while (settler->is_shut) {
        pthread_cond_wait(&settler->gate, &settler->mutex);
    }
    settler->is_writing = true;
    pthread_mutex_unlock(&settler->mutex);
}

void gr_settler_leave(struct gr_settler *settler, uint64_t log_pages, bool has_head)
{
    pthread_mutex_lock(&settler->mutex);
    settler->is_writing = false;
    settler->log_pages = log_pages;
    bool is_news = has_head && !settler->is_head_due; // else the thread waits for its time already
    settler->is_head_due = settler->is_head_due || has_head;
    if (settler->is_shut) {
        pthread_cond_broadcast(&settler->gate);
    }
    if (is_news || settler->log_pages >= settler->pages_most) {
        pthread_cond_signal(&settler->wake);
    }
    pthread_mutex_unlock(&settler->mutex);
}
