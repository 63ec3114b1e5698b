// Estimates of starts and what came of them, for the pool: whom to ask about, what happens to those
// who were, and the file STATE/estimates that outlives a restart. It is no fact of the pool's
// history and nothing hangs on it: a file that is damaged or not there, or that could not be
// written, makes bands those of the convention until enough are checked again.
#include "daemon/estimates.h"

#include "base/clock.h"
#include "base/file.h"
#include "core/why.h"
#include "daemon/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "estimates"
// How often the file is written, if there is something new.
#define SAVE_MS 60000

// --- the file

static void file_read(struct gr_pool *pool)
{
    char path[GR_STATE_PATH_SIZE];
    uint8_t *bytes = malloc(GR_ESTIMATES_BYTES);
    if (bytes == NULL || gr_state_path(pool->dir.path, FILE_NAME, path, NULL) != 0) {
        free(bytes);
        return;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    size_t have = 0;
    for (ssize_t more = 1; fd >= 0 && more > 0 && have < GR_ESTIMATES_BYTES;) {
        more = read(fd, bytes + have, GR_ESTIMATES_BYTES - have);
        have += more > 0 ? (size_t)more : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    (void)gr_estimates_load(pool->estimates, bytes, have);
    free(bytes);
}

// Not synced: after a power cut the file is the old one, the new one, or damaged.
static void file_write(struct gr_pool *pool)
{
    char path[GR_STATE_PATH_SIZE], path_new[GR_STATE_PATH_SIZE];
    uint8_t *bytes = malloc(GR_ESTIMATES_BYTES);
    if (bytes == NULL || gr_state_path(pool->dir.path, FILE_NAME, path, NULL) != 0 ||
        gr_state_path(pool->dir.path, FILE_NAME ".new", path_new, NULL) != 0) {
        free(bytes);
        return;
    }
    gr_estimates_save(pool->estimates, bytes);
    int fd = open(path_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd >= 0 && gr_file_write_all(fd, bytes, GR_ESTIMATES_BYTES) == 0;
    if (fd >= 0) {
        good = close(fd) == 0 && good;
    }
    if (good && rename(path_new, path) == 0) {
        pool->estimates->has_changed = false;
    }
    free(bytes);
}

// --- from start to end

// Those who were watched when the file was written, and what became of them since.
static void watched_compare(struct gr_pool *pool)
{
    for (uint32_t i = 0; i < GR_ESTIMATES_WATCHED; i++) {
        uint64_t id = pool->estimates->kept.watched[i].job;
        const struct gr_job *job = id == 0 ? NULL : gr_core_job_find(pool->core, id);
        if (job != NULL && job->state == GR_JOB_RUNNING) {
            gr_estimates_started(pool->estimates, id, job->started_ms);
        } else if (id != 0 && job == NULL) { // long ago, perhaps: when is not known
            gr_estimates_left(pool->estimates, id, 0);
        }
    }
}

int gr_pool_estimates_open(struct gr_pool *pool, struct gr_err *err)
{
    pool->estimates = malloc(sizeof *pool->estimates);
    if (pool->estimates == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for estimates");
    }
    gr_estimates_init(pool->estimates);
    file_read(pool);
    watched_compare(pool);
    pool->estimates_saved_ms = gr_pool_now(pool);
    return 0;
}

void gr_pool_estimates_save(struct gr_pool *pool)
{
    if (pool->estimates != NULL && pool->estimates->has_changed) {
        file_write(pool);
    }
}

void gr_pool_estimates_fact(struct gr_pool *pool, const struct gr_event *event)
{
    if (event->type == GR_JOB_PLACED) {
        gr_estimates_started(pool->estimates, event->placed.job, event->at_ms);
    } else if (event->type == GR_JOB_SUBMITTED) {
        gr_estimates_offer(pool->estimates, event->sequence);
    } else if (event->type == GR_JOB_REQUEUED) {
        gr_estimates_offer(pool->estimates, event->requeued.job);
    } else if (event->type == GR_JOB_DROPPED) {
        gr_estimates_left(pool->estimates, event->dropped.job, event->at_ms);
    }
}

// --- questions

unsigned gr_pool_estimate_class(const struct gr_job *job, const struct gr_why *why)
{
    return (why->estimate == GR_ESTIMATE_GUESSED ? GR_ESTIMATES_GUESSED : 0) |
           (job->demand.tasks > 1 ? GR_ESTIMATES_GANG : 0);
}

struct gr_estimate_band gr_pool_estimate_convention(const struct gr_why *why, int64_t now_ms)
{
    return (struct gr_estimate_band){why->earliest_ms - now_ms, why->likely_ms - now_ms,
                                     why->latest_ms - now_ms};
}

// Asks about one that began to wait.
static void ask(struct gr_pool *pool, const struct gr_job *job, int64_t now_ms)
{
    static struct gr_why why; // large; one question at a time
    gr_core_why(pool->core, now_ms, job->id, pool->pieces, &why);
    if (why.estimate != GR_ESTIMATE_NONE && why.reason != GR_WHY_TURN) {
        struct gr_estimate_band band = gr_pool_estimate_convention(&why, now_ms);
        (void)gr_estimates_watch(pool->estimates, job->id, now_ms,
                                 gr_pool_estimate_class(job, &why), &band);
    }
}

void gr_pool_estimates_run(struct gr_pool *pool)
{
    struct gr_estimates *estimates = pool->estimates;
    int64_t now_ms = gr_pool_now(pool), begin_ns = gr_clock_ns();
    bool asked = false;
    while (!asked && !pool->wants_schedule && gr_estimates_due(estimates, now_ms) == 0) {
        const struct gr_job *job = gr_core_job_find(pool->core, gr_estimates_next(estimates));
        asked = job != NULL && job->state == GR_JOB_WAITING;
        if (asked) {
            ask(pool, job, now_ms);
            gr_estimates_asked(estimates, now_ms, gr_clock_ns() - begin_ns);
        }
    }
    if (estimates->has_changed && now_ms - pool->estimates_saved_ms >= SAVE_MS) {
        pool->estimates_saved_ms = now_ms;
        file_write(pool);
    }
}
