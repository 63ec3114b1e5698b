// The writer of a journal: see journal.h.
//
// The caller's thread hands a group over; the writer's thread commits it and writes the head; the
// settler's thread follows. After a failure that is not a full disk nothing is written any more,
// not even a checkpoint: what the disk holds is for the next start to judge.
#include "journal/journal.h"

#include "journal/chain.h"
#include "journal/disk.h"
#include "journal/end.h"
#include "journal/head.h"
#include "journal/lock.h"
#include "journal/settle.h"
#include "journal/store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { CHECKPOINT_MIB = 16 };

// Where a group is on its way.
enum stage {
    STAGE_NONE,  // nowhere
    STAGE_TAKEN, // handed over, or being written
    STAGE_DONE,  // the outcome waits for the caller
};

struct gr_journal {
    struct gr_lock *lock;
    struct gr_head head; // the writer's thread, once it runs
    sqlite3 *db;         // the writer's thread
    struct gr_store_adder adder;
    sqlite3_stmt *begin, *commit, *rollback;
    uint64_t log_pages; // length of the log after the last commit
    struct gr_settler *settler;
    struct gr_journal_tip tip; // the caller's thread: as it was told
    int event_fd;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex; // of what follows
    pthread_cond_t wake;   // the writer's thread
    pthread_cond_t done;   // the caller in gr_journal_wait
    enum stage stage;
    struct gr_journal_group group; // STAGE_TAKEN
    struct gr_journal_tip next;    // tip after the group
    int outcome;                   // STAGE_DONE: 1 or -ENOSPC
    int failure;                   // final; 0: none
    struct gr_err err;             // of outcome or failure
    bool is_stopping;
};

// --- the writer's thread

static int on_commit(void *context, sqlite3 *db, const char *name, int pages)
{
    struct gr_journal *journal = context;
    (void)db;
    (void)name;
    journal->log_pages = (uint64_t)pages;
    return SQLITE_OK;
}

static int step_once(sqlite3 *db, sqlite3_stmt *stmt, struct gr_err *err)
{
    int step = sqlite3_step(stmt);
    int rc = step == SQLITE_DONE ? 0 : gr_store_fail(db, err, "write the journal");
    sqlite3_reset(stmt);
    return rc;
}

// One transaction. Returns 0; -ENOSPC if there was no room and nothing was written; -errno.
static int write_group(struct gr_journal *journal, const struct gr_journal_group *group,
                       const uint8_t hash[GR_HASH_SIZE], struct gr_err *err)
{
    int rc = step_once(journal->db, journal->begin, err);
    if (rc == 0) {
        rc = gr_store_add(&journal->adder, group, hash, group->epoch, err);
    }
    if (rc == 0) {
        rc = step_once(journal->db, journal->commit, err);
    }
    // Some failures end the transaction by themselves.
    if (rc < 0 && sqlite3_get_autocommit(journal->db) == 0) {
        struct gr_err ignored;
        int undone = step_once(journal->db, journal->rollback, &ignored);
        if (undone < 0 && rc == -ENOSPC) {
            rc = gr_fail(err, -EIO,
                         "the journal's disk is full and what was begun cannot be undone");
        }
    }
    return rc;
}

// Makes the group durable and the head follow it. Returns 1, -ENOSPC or a final -errno.
static int make_durable(struct gr_journal *journal, const struct gr_journal_group *group,
                        struct gr_journal_tip *tip, struct gr_err *err)
{
    struct gr_journal_tip next = {.sequence = group->last, .epoch = group->epoch};
    gr_chain_next(tip->hash, group, next.hash);
    gr_settler_enter(journal->settler);
    int rc = write_group(journal, group, next.hash, err);
    int headed = rc < 0 ? rc : gr_head_write(&journal->head, &next, err);
    gr_settler_leave(journal->settler, journal->log_pages, rc == 0 && headed == 0);
    if (rc == 0 && headed < 0) {
        return headed == -ENOSPC ? -EIO : headed; // the group is written: not the retriable kind
    }
    if (rc < 0) {
        return rc;
    }
    *tip = next;
    return 1;
}

// Tells the caller's thread. The mutex is held.
static void tell(struct gr_journal *journal)
{
    uint64_t one = 1;
    ssize_t done;
    pthread_cond_signal(&journal->done);
    do {
        done = write(journal->event_fd, &one, sizeof one);
    } while (done < 0 && errno == EINTR);
    assert(done == sizeof one || errno == EAGAIN); // its counter is full: it is readable
}

// A failure for good. The mutex is held. The first is kept.
static void fail(struct gr_journal *journal, int code, const struct gr_err *err)
{
    assert(code < 0);
    if (journal->failure == 0) {
        journal->failure = code;
        journal->err = *err;
    }
}

static void settler_failed(void *context, const struct gr_err *err)
{
    struct gr_journal *journal = context;
    pthread_mutex_lock(&journal->mutex);
    fail(journal, err->code, err);
    tell(journal);
    pthread_mutex_unlock(&journal->mutex);
}

static void *write_groups(void *context)
{
    struct gr_journal *journal = context;
    struct gr_journal_tip tip = journal->tip;
    (void)pthread_setname_np(pthread_self(), "journal");
    pthread_mutex_lock(&journal->mutex);
    for (;;) {
        while (journal->stage != STAGE_TAKEN && !journal->is_stopping) {
            pthread_cond_wait(&journal->wake, &journal->mutex);
        }
        if (journal->stage != STAGE_TAKEN) {
            break;
        }
        struct gr_err err;
        gr_err_init(&err);
        struct gr_journal_group group = journal->group;
        int rc = journal->failure;
        if (rc == 0) {
            pthread_mutex_unlock(&journal->mutex);
            rc = make_durable(journal, &group, &tip, &err);
            pthread_mutex_lock(&journal->mutex);
        }
        journal->stage = STAGE_DONE;
        journal->next = tip;
        journal->outcome = rc;
        if (rc < 0 && rc != -ENOSPC) {
            fail(journal, rc, &err);
        } else if (journal->failure == 0) {
            journal->err = err;
        }
        tell(journal);
    }
    pthread_mutex_unlock(&journal->mutex);
    return NULL;
}

// --- opening

// Whether parts were sealed here: then a directory without the file has lost it.
static bool has_parts(const char *dir)
{
    char path[GR_DISK_PATH_SIZE];
    return gr_disk_path(dir, "sealed", path, NULL) == 0 && gr_disk_exists(path);
}

// Makes an empty journal if the directory holds none, and none is missing.
static int make_if_new(const char *dir, struct gr_err *err)
{
    char path[GR_DISK_PATH_SIZE];
    static const struct gr_store_state nothing;
    int rc = gr_disk_path(dir, GR_STORE_NAME, path, err);
    if (rc < 0 || gr_disk_exists(path)) {
        return rc;
    }
    rc = gr_disk_path(dir, GR_HEAD_NAME, path, err);
    if (rc < 0) {
        return rc;
    }
    if (gr_disk_exists(path) || has_parts(dir)) {
        return gr_fail(err, -EBADMSG,
                       "%s: there was a journal here and %s is missing; put it back, or restore a "
                       "backup into a new directory (docs/operate/backup.md)",
                       dir, GR_STORE_NAME);
    }
    return gr_store_create(dir, &nothing, err);
}

// Claims the next epoch: in the store first, then in the head, both durably.
static int claim(struct gr_journal *journal, const char *dir, struct gr_err *err)
{
    struct gr_store_state state;
    struct gr_journal_tip head;
    int rc = gr_end_check(dir, journal->db, false, &state, &journal->tip, &head, err);
    if (rc < 0) {
        return rc;
    }
    uint32_t epoch = state.epoch > head.epoch ? state.epoch : head.epoch;
    epoch = epoch > journal->tip.epoch ? epoch : journal->tip.epoch;
    if (epoch == UINT32_MAX) {
        return gr_fail(err, -EOVERFLOW, "%s: all epochs are used up", dir);
    }
    if (state.epoch == 0) {
        rc = gr_head_create(dir, &journal->tip, err); // before there is anything to lose
    }
    if (rc == 0) {
        rc = gr_head_open(dir, true, &journal->head, &head, err);
    }
    if (rc < 0) {
        return rc;
    }
    state.epoch = epoch + 1;
    journal->tip.epoch = state.epoch;
    rc = gr_store_claim(journal->db, &state, err);
    if (rc == 0) {
        rc = gr_head_write(&journal->head, &journal->tip, err);
    }
    return rc < 0 ? rc : gr_head_sync(&journal->head, err);
}

static int set_limit(struct gr_journal *journal, uint64_t limit_bytes, struct gr_err *err)
{
    char sql[64];
    if (limit_bytes == 0) {
        return 0;
    }
    uint64_t pages = limit_bytes / GR_STORE_PAGE_SIZE;
    pages = pages == 0 ? 1 : pages > UINT32_MAX - 1 ? UINT32_MAX - 1 : pages;
    (void)snprintf(sql, sizeof sql, "PRAGMA max_page_count=%llu", (unsigned long long)pages);
    return gr_store_exec(journal->db, sql, err);
}

static int open_store(struct gr_journal *journal, const struct gr_journal_config *config,
                      struct gr_err *err)
{
    int rc = make_if_new(config->dir, err);
    if (rc == 0) {
        rc = gr_store_open(config->dir, GR_STORE_WRITE, &journal->db, err);
    }
    if (rc == 0) {
        rc = claim(journal, config->dir, err);
    }
    if (rc == 0) {
        rc = set_limit(journal, config->limit_bytes, err);
    }
    if (rc == 0) {
        rc = gr_store_adder_open(journal->db, &journal->adder, err);
    }
    if (rc == 0) {
        rc = gr_store_prepare(journal->db, "BEGIN IMMEDIATE", &journal->begin, err);
    }
    if (rc == 0) {
        rc = gr_store_prepare(journal->db, "COMMIT", &journal->commit, err);
    }
    if (rc == 0) {
        rc = gr_store_prepare(journal->db, "ROLLBACK", &journal->rollback, err);
    }
    if (rc == 0) {
        sqlite3_wal_hook(journal->db, on_commit, journal);
    }
    return rc;
}

static int start_threads(struct gr_journal *journal, const struct gr_journal_config *config,
                         struct gr_err *err)
{
    uint64_t mib = config->checkpoint_mib == 0 ? CHECKPOINT_MIB : config->checkpoint_mib;
    int rc = gr_settler_start(config->dir, &journal->head, mib << 20, settler_failed, journal,
                              &journal->settler, err);
    if (rc < 0) {
        return rc;
    }
    sigset_t all;
    sigset_t before;
    sigfillset(&all); // signals are the caller's
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&journal->thread, NULL, write_groups, journal);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return gr_fail(err, -rc, "%s: cannot start a thread to write the journal", config->dir);
    }
    journal->has_thread = true;
    return 0;
}

// Stops the threads and gives everything back. A last checkpoint only if all is well.
static void stop(struct gr_journal *journal)
{
    if (journal->has_thread) {
        pthread_mutex_lock(&journal->mutex);
        journal->is_stopping = true;
        pthread_cond_signal(&journal->wake);
        pthread_mutex_unlock(&journal->mutex);
        pthread_join(journal->thread, NULL);
    }
    gr_settler_stop(journal->settler);
    gr_store_adder_close(&journal->adder);
    sqlite3_finalize(journal->begin);
    sqlite3_finalize(journal->commit);
    sqlite3_finalize(journal->rollback);
    if (journal->db != NULL && journal->has_thread && journal->failure == 0) {
        // The last connection then copies the log and removes it.
        sqlite3_db_config(journal->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    }
    gr_store_close(journal->db);
    gr_head_close(&journal->head);
    if (journal->event_fd >= 0) {
        close(journal->event_fd);
    }
    gr_lock_free(journal->lock);
    pthread_cond_destroy(&journal->done);
    pthread_cond_destroy(&journal->wake);
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}

int gr_journal_open(const struct gr_journal_config *config, struct gr_journal **ret_journal,
                    struct gr_err *err)
{
    assert(config != NULL && config->dir != NULL);
    assert(ret_journal != NULL);
    struct gr_journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        return gr_fail(err, -ENOMEM, "%s: no memory to open the journal", config->dir);
    }
    journal->head.fd = -1;
    pthread_mutex_init(&journal->mutex, NULL);
    pthread_cond_init(&journal->wake, NULL);
    pthread_cond_init(&journal->done, NULL);
    journal->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = journal->event_fd < 0 ? gr_fail_errno(err, "%s: eventfd", config->dir)
                                   : gr_disk_make_dir(config->dir, err);
    if (rc >= 0) {
        rc = gr_lock_take(config->dir, &journal->lock, err);
    }
    if (rc == 0) {
        rc = open_store(journal, config, err);
    }
    if (rc == 0) {
        rc = start_threads(journal, config, err);
    }
    if (rc < 0) {
        stop(journal);
        return rc;
    }
    *ret_journal = journal;
    return 0;
}

void gr_journal_close(struct gr_journal *journal)
{
    if (journal != NULL) {
        stop(journal);
    }
}

// --- the caller's thread

struct gr_journal_tip gr_journal_tip_get(const struct gr_journal *journal)
{
    return journal->tip;
}

int gr_journal_fd(const struct gr_journal *journal)
{
    return journal->event_fd;
}

// What the caller was told last, again. The mutex is held.
static int repeat(const struct gr_journal *journal, int code, struct gr_err *err)
{
    if (err != NULL) {
        *err = journal->err;
    }
    return code;
}

int gr_journal_append(struct gr_journal *journal, const struct gr_journal_group *group,
                      uint64_t expected_sequence, struct gr_err *err)
{
    assert(group->payload != NULL && group->payload_size > 0);
    assert(group->payload_size <= GR_JOURNAL_GROUP_BYTES_MAX);
    assert(group->aside_size <= GR_JOURNAL_GROUP_BYTES_MAX);
    assert(group->first <= group->last && group->last < GR_STORE_SEQUENCE_MAX);
    int rc = 0;
    pthread_mutex_lock(&journal->mutex);
    if (journal->failure < 0) {
        rc = repeat(journal, journal->failure, err);
    } else if (journal->stage != STAGE_NONE) {
        rc = gr_fail(err, -EBUSY, "a group is on its way to the journal");
    } else if (expected_sequence != journal->tip.sequence ||
               group->first != expected_sequence + 1) {
        rc = gr_fail(err, -ESTALE, "the journal ends at sequence %llu, the group begins at %llu",
                     (unsigned long long)journal->tip.sequence, (unsigned long long)group->first);
    } else if (group->epoch != journal->tip.epoch) {
        rc = gr_fail(err, -ESTALE, "the journal's writer has epoch %u, the group %u",
                     journal->tip.epoch, group->epoch);
    } else {
        journal->group = *group;
        journal->stage = STAGE_TAKEN;
        pthread_cond_signal(&journal->wake);
    }
    pthread_mutex_unlock(&journal->mutex);
    return rc;
}

// The outcome, if there is one. The mutex is held.
static int take_outcome(struct gr_journal *journal, struct gr_err *err)
{
    uint64_t count;
    if (journal->failure < 0) {
        return repeat(journal, journal->failure, err);
    }
    if (journal->stage != STAGE_DONE) {
        return 0;
    }
    (void)!read(journal->event_fd, &count, sizeof count); // empty, or emptied
    journal->stage = STAGE_NONE;
    journal->tip = journal->next;
    return journal->outcome < 0 ? repeat(journal, journal->outcome, err) : journal->outcome;
}

int gr_journal_poll(struct gr_journal *journal, struct gr_err *err)
{
    pthread_mutex_lock(&journal->mutex);
    int rc = take_outcome(journal, err);
    pthread_mutex_unlock(&journal->mutex);
    return rc;
}

int gr_journal_wait(struct gr_journal *journal, struct gr_err *err)
{
    pthread_mutex_lock(&journal->mutex);
    while (journal->stage == STAGE_TAKEN) {
        pthread_cond_wait(&journal->done, &journal->mutex);
    }
    int rc = take_outcome(journal, err);
    pthread_mutex_unlock(&journal->mutex);
    return rc;
}
