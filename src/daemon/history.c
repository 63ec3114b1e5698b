// Jobs that ended, on their way into the table: see history.h, and history_table.h for the table.
//
// A queue between two threads: the caller's adds at its end, the writer takes from its beginning
// what was said to be durable. Rows lie in blocks that are used again. Until it is told, a row is
// the caller's alone, so adding one takes no lock.
#include "daemon/history.h"

#include "base/clock.h"
#include "daemon/history_table.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Rows that may wait, in blocks, and rows of one transaction.
#define BLOCK_ROWS 4096u
#define BLOCKS 64u
#define QUEUE_MAX (BLOCK_ROWS * BLOCKS)
#define BATCH_MAX 32768u
// How long the writer lets rows gather, and how often old ones are removed.
#define GATHER_MS 200
#define PRUNE_SECONDS 3600

struct row {
    uint64_t sequence;
    struct gr_ended ended;
};

struct gr_history {
    struct gr_history_table *table;
    uint32_t keep_days;
    _Atomic int64_t now_ms; // the pool's time, as told last
    pthread_t thread;
    bool has_thread;
    // Rows are counted from 0 for ever; row n is in blocks[n / BLOCK_ROWS % BLOCKS].
    struct row *blocks[BLOCKS];
    uint64_t added;           // the caller's thread
    uint64_t oldest_block;    // its too: blocks before this one were taken to be used again
    _Atomic uint64_t written; // and before this the rows are the caller's again
    _Atomic uint64_t upto;    // the table is complete and durable up to here
    pthread_mutex_t mutex;    // of what follows
    pthread_cond_t wake;
    uint64_t ready; // rows before this are the writer's, of those up to:
    uint64_t told;  // a fact
    uint64_t stuck; // a fact that could not be told; 0: none. upto stays before it
    bool is_due;    // enough gathered
    bool ends;
    char problem[160];
    // The writer's.
    struct gr_history_row *batch; // BATCH_MAX
    uint64_t prune_after;         // the run that was looked through last; 0: it is to begin anew
    int64_t prune_at;             // and when, monotonic seconds
};

static struct row *row_at(const struct gr_history *history, uint64_t number)
{
    return &history->blocks[number / BLOCK_ROWS % BLOCKS][number % BLOCK_ROWS];
}

// --- the writer

// Says what is wrong; NULL: nothing any more, but for a job that could not be told.
static void set_problem(struct gr_history *history, const struct gr_err *err)
{
    pthread_mutex_lock(&history->mutex);
    if (err != NULL) {
        snprintf(history->problem, sizeof history->problem, "the table of ended jobs: %.120s",
                 err->text);
    } else if (history->stuck == 0) {
        history->problem[0] = '\0';
    }
    pthread_mutex_unlock(&history->mutex);
}

// Removes old rows, some thousand rows further each time.
static void prune(struct gr_history *history)
{
    int64_t now_s = gr_clock_ms() / 1000;
    if (history->keep_days == 0 || (history->prune_after == 0 && now_s < history->prune_at) ||
        atomic_load(&history->now_ms) == 0) {
        return;
    }
    // By the pool's time: a machine's clock that was set far ahead removes nothing.
    int64_t before_ms = atomic_load(&history->now_ms) - (int64_t)history->keep_days * 86400000;
    struct gr_err err;
    if (gr_history_table_prune(history->table, before_ms, &history->prune_after, &err) != 0) {
        set_problem(history, &err);
    }
    history->prune_at = now_s + PRUNE_SECONDS;
}

// What the writer does next.
struct batch {
    uint64_t first; // row
    uint32_t count;
    uint64_t upto; // fact up to which the table is complete then
};

// Finds the rows that are to be written. `ready`, `told` and `stuck` are as they were.
static struct batch take_rows(struct gr_history *history, uint64_t ready, uint64_t told,
                              uint64_t stuck)
{
    struct batch batch = {.first = atomic_load(&history->written), .upto = told};
    for (uint64_t n = batch.first; n < ready; n++) {
        const struct row *row = row_at(history, n);
        if (row->sequence > told || batch.count == BATCH_MAX) {
            batch.upto = row->sequence <= told ? row->sequence - 1 : told;
            break;
        }
        history->batch[batch.count++] =
            (struct gr_history_row){.id = row->ended.id, .ended = &row->ended};
    }
    if (stuck != 0 && batch.upto >= stuck) {
        batch.upto = stuck - 1;
    }
    return batch;
}

// Waits until enough gathered, or for as long as rows may. The mutex is held.
static void wait_for_rows(struct gr_history *history)
{
    struct timespec until;
    gr_clock_after(GATHER_MS, &until);
    int rc = 0;
    while (rc == 0 && !history->ends && !history->is_due) {
        // By a clock that does not jump: one that is set back must not hold up the table.
        rc = pthread_cond_clockwait(&history->wake, &history->mutex, CLOCK_MONOTONIC, &until);
    }
}

// Writes a batch and how far the table is complete with it.
static bool write_batch(struct gr_history *history, const struct batch *batch)
{
    struct gr_err err;
    uint64_t upto = atomic_load(&history->upto);
    if (batch->count == 0 && batch->upto <= upto) {
        return true;
    }
    if (gr_history_table_write(history->table, history->batch, batch->count, batch->upto, &err) !=
        0) {
        set_problem(history, &err);
        return false;
    }
    set_problem(history, NULL);
    prune(history);
    atomic_store(&history->written, batch->first + batch->count);
    if (batch->upto > upto) {
        atomic_store(&history->upto, batch->upto);
    }
    return true;
}

static void *writer(void *context)
{
    struct gr_history *history = context;
    bool has_more = false;
    bool ends = false;
    (void)pthread_setname_np(pthread_self(), "history");
    while (has_more || !ends) {
        pthread_mutex_lock(&history->mutex);
        if (!has_more) {
            wait_for_rows(history);
        }
        history->is_due = false;
        ends = history->ends;
        uint64_t ready = history->ready;
        uint64_t told = history->told;
        uint64_t stuck = history->stuck;
        pthread_mutex_unlock(&history->mutex);
        struct batch batch = take_rows(history, ready, told, stuck);
        has_more = write_batch(history, &batch) && batch.count == BATCH_MAX;
    }
    return NULL;
}

// --- opening

int gr_history_open(const char *dir, uint32_t keep_days, struct gr_history **ret_history,
                    struct gr_err *err)
{
    assert(dir != NULL && ret_history != NULL);
    struct gr_history *history = calloc(1, sizeof *history);
    if (history == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the history");
    }
    history->keep_days = keep_days;
    pthread_mutex_init(&history->mutex, NULL);
    pthread_cond_init(&history->wake, NULL);
    history->batch = malloc(BATCH_MAX * sizeof *history->batch);
    uint64_t upto = 0;
    int rc = history->batch == NULL ? gr_fail(err, -ENOMEM, "no memory for the history")
                                    : gr_history_table_open(dir, &history->table, &upto, err);
    if (rc == 0) {
        atomic_store(&history->upto, upto);
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
    gr_history_table_close(history->table);
    pthread_mutex_destroy(&history->mutex);
    pthread_cond_destroy(&history->wake);
    for (unsigned i = 0; i < BLOCKS; i++) {
        free(history->blocks[i]);
    }
    free(history->batch);
    free(history);
}

// --- telling

// Makes room for the first row of a block. The oldest is used again if all in it is written; once
// all blocks are there, each row is written over the one that was there QUEUE_MAX rows before.
static bool begin_block(struct gr_history *history)
{
    uint64_t block = history->added / BLOCK_ROWS;
    struct row **at = &history->blocks[block % BLOCKS];
    if (*at == NULL && history->oldest_block < atomic_load(&history->written) / BLOCK_ROWS) {
        struct row **oldest = &history->blocks[history->oldest_block++ % BLOCKS];
        *at = *oldest;
        *oldest = NULL;
    }
    if (*at == NULL) {
        *at = malloc(BLOCK_ROWS * sizeof **at);
    }
    return *at != NULL;
}

// A job that cannot be told.
static void stick(struct gr_history *history, uint64_t sequence)
{
    pthread_mutex_lock(&history->mutex);
    if (history->stuck == 0) {
        history->stuck = sequence;
        snprintf(history->problem, sizeof history->problem,
                 "the table of ended jobs does not keep up; the next start completes it");
    }
    pthread_mutex_unlock(&history->mutex);
}

bool gr_history_add(struct gr_history *history, uint64_t sequence, const struct gr_ended *ended)
{
    assert(history != NULL && ended != NULL);
    if (sequence <= atomic_load(&history->upto)) {
        return true;
    }
    if (history->added - atomic_load(&history->written) == QUEUE_MAX ||
        (history->added % BLOCK_ROWS == 0 && !begin_block(history))) {
        stick(history, sequence);
        return false;
    }
    struct row *row = row_at(history, history->added++);
    row->sequence = sequence;
    gr_ended_copy(&row->ended, ended);
    return true;
}

void gr_history_now(struct gr_history *history, int64_t now_ms)
{
    atomic_store(&history->now_ms, now_ms);
}

void gr_history_told(struct gr_history *history, uint64_t sequence)
{
    pthread_mutex_lock(&history->mutex);
    history->told = sequence > history->told ? sequence : history->told;
    history->ready = history->added;
    if (!history->is_due && history->ready - atomic_load(&history->written) >= BATCH_MAX) {
        history->is_due = true;
        pthread_cond_signal(&history->wake);
    }
    pthread_mutex_unlock(&history->mutex);
}

uint64_t gr_history_upto(const struct gr_history *history)
{
    return atomic_load(&history->upto);
}

unsigned gr_history_waiting_percent(const struct gr_history *history)
{
    return (unsigned)((history->added - atomic_load(&history->written)) * 100 / QUEUE_MAX);
}

void gr_history_problem(struct gr_history *history, char *ret_text, size_t size)
{
    pthread_mutex_lock(&history->mutex);
    snprintf(ret_text, size, "%s", history->problem);
    pthread_mutex_unlock(&history->mutex);
}

// --- asking

int gr_history_find(struct gr_history *history, uint64_t job, struct gr_ended *ret_ended,
                    struct gr_err *err)
{
    assert(history != NULL && ret_ended != NULL);
    // First the rows that are not written yet, the newest first: a row leaves only once it is in
    // the table, and nobody but this thread uses its room again.
    uint64_t written = atomic_load(&history->written);
    for (uint64_t n = history->added; n > written; n--) {
        const struct row *row = row_at(history, n - 1);
        if (row->ended.id == job) {
            gr_ended_copy(ret_ended, &row->ended);
            return 1;
        }
    }
    return gr_history_table_find(history->table, job, ret_ended, err);
}

void gr_history_list_waiting(const struct gr_history *history, uint64_t above,
                             bool (*each)(void *context, const struct gr_ended *ended),
                             void *context)
{
    assert(history != NULL && each != NULL);
    bool goes_on = true;
    for (uint64_t n = atomic_load(&history->written); n < history->added && goes_on; n++) {
        const struct row *row = row_at(history, n);
        goes_on = row->sequence <= above || each(context, &row->ended);
    }
}

int gr_history_list(struct gr_history *history, const struct gr_history_query *query,
                    bool (*each)(void *context, const struct gr_ended *ended), void *context,
                    struct gr_err *err)
{
    assert(history != NULL && query != NULL && each != NULL);
    return gr_history_table_list(history->table, query, each, context, err);
}
