// The live pool, opened, run and closed: see pool.h.
#include "daemon/pool.h"

#include "base/clock.h"
#include "daemon/aside.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t gr_pool_now(const struct gr_pool *pool)
{
    int64_t now_ms = pool->heard_ms;
    if (now_ms == 0 && pool->config.clock_ms != NULL) {
        now_ms = pool->config.clock_ms(pool->config.clock_context);
    } else if (now_ms == 0) {
        now_ms = gr_pool_clock_now(&pool->clock, gr_clock_wall_ms(), gr_clock_boot_ms());
    }
    int64_t last_ms = gr_core_now(pool->core);
    return now_ms > last_ms ? now_ms : last_ms; // a clock that was set back stands still
}

// --- effects: what a fact asks for, once it is durable

// A job leaves: its outcome is kept for those who ask.
static void remember_end(struct gr_pool *pool, const struct gr_event *event)
{
    struct gr_ended ended;
    gr_ended_from(pool->core, event, &ended);
    if (pool->ending_text != NULL && pool->ending_text[0] != '\0') {
        snprintf(ended.text, sizeof ended.text, "%s", pool->ending_text);
        gr_commit_aside(pool->commit, event->sequence, ended.text, strlen(ended.text));
    }
    gr_ended_ring_add(pool->ended, &ended);
    (void)gr_history_add(pool->history, event->sequence, &ended);
    unsigned outcome = event->type == GR_JOB_DROPPED ? 15 : event->finished.ending.outcome;
    pool->ended_total[outcome < 15 ? outcome : 15]++;
}

void gr_pool_fact(struct gr_pool *pool, const struct gr_event *event)
{
    assert(pool != NULL && event != NULL);
    static const uint8_t orders[] = {
        [GR_START_JOB] = GR_POOL_ORDER_START,
        [GR_STOP_JOB] = GR_POOL_ORDER_STOP,
        [GR_RELEASE_JOB] = GR_POOL_ORDER_FORGET,
        [GR_START_PART] = GR_POOL_ORDER_PART_START,
    };
    if (event->type == GR_JOB_FINISHED || event->type == GR_JOB_DROPPED) {
        remember_end(pool, event);
    }
    gr_queue_counts_fact(&pool->counts, pool->core, event);
    gr_pool_part_note(pool, event);
    struct gr_effect effects[GR_EFFECTS_MAX];
    gr_commit_fact(pool->commit, event);
    unsigned count = gr_core_apply(pool->core, event, effects);
    for (unsigned i = 0; i < count; i++) {
        gr_pool_order_then(pool, orders[effects[i].type], effects[i].job, effects[i].attempt);
    }
    gr_pool_estimates_fact(pool, event);
    pool->wants_schedule = true;
}

// --- opening

// What the engine said of an end stands in the group's aside.
static void recall_text(const struct gr_journal_group *group, struct gr_ended *ended)
{
    const uint8_t *bytes;
    size_t size;
    if (group != NULL &&
        gr_aside_find(group->aside, group->aside_size, ended->sequence, &bytes, &size)) {
        size_t most = sizeof ended->text - 1;
        memcpy(ended->text, bytes, size < most ? size : most);
    }
}

static bool history_is_well(const struct gr_pool *pool)
{
    char problem[160];
    gr_history_problem(pool->history, problem, sizeof problem);
    return problem[0] == '\0';
}

// Facts of the tail, before the core applies them: who ended is kept.
static void tail_fact(void *context, const struct gr_core *core, const struct gr_event *event)
{
    struct gr_pool *pool = context;
    if (event->type == GR_JOB_FINISHED || event->type == GR_JOB_DROPPED) {
        struct gr_ended ended;
        gr_ended_from(core, event, &ended);
        recall_text(pool->recovery.group, &ended);
        gr_ended_ring_add(pool->ended, &ended);
        // Nobody waits for an answer yet: the history may take its time. One that cannot be written
        // is not waited for: the next start completes it.
        const struct timespec pause = {.tv_nsec = 1000000};
        while (gr_history_waiting_percent(pool->history) > 90 && history_is_well(pool)) {
            nanosleep(&pause, NULL);
        }
        (void)gr_history_add(pool->history, event->sequence, &ended);
        gr_history_told(pool->history, event->sequence);
    }
}

struct start_progress {
    struct gr_pool *pool;
    void (*progress)(void *context, uint64_t at, uint64_t last);
    void *context;
};

static void forward_fact(void *context, const struct gr_core *core, const struct gr_event *event)
{
    tail_fact(((struct start_progress *)context)->pool, core, event);
}

static void forward_progress(void *context, uint64_t at, uint64_t last)
{
    struct start_progress *start = context;
    if (start->progress != NULL) {
        start->progress(start->context, at, last);
    }
}

static int open_parts(struct gr_pool *pool, struct gr_err *err)
{
    int rc = gr_catalogue_load(NULL, &pool->catalogue, err);
    rc = rc != 0 ? rc : gr_kinds_load(NULL, &pool->catalogue, &pool->kinds, err);
    rc = rc != 0 ? rc : gr_ended_ring_new(pool->config.ended_most, &pool->ended, err);
    if (rc != 0) {
        return rc;
    }
    uint32_t gang = GR_TASKS_MAX;
    pool->nodes = calloc(pool->config.core.limits.place.nodes, sizeof *pool->nodes);
    pool->live_size = 1024;
    pool->live = calloc(pool->live_size, sizeof *pool->live);
    pool->pieces = malloc(gang * sizeof *pool->pieces);
    pool->room = malloc(sizeof *pool->room);
    pool->order_bytes = malloc(GR_SPEC_BYTES_MAX + GR_HASH_SIZE);
    if (pool->nodes == NULL || pool->live == NULL || pool->pieces == NULL || pool->room == NULL ||
        pool->order_bytes == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the pool");
    }
    return 0;
}

static int open_journal(struct gr_pool *pool, struct start_progress *start, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    int rc = gr_state_path(pool->dir.path, "history", path, err);
    rc = rc != 0 ? rc : gr_history_open(path, pool->config.history_days, &pool->history, err);
    rc = rc != 0 ? rc : gr_state_path(pool->dir.path, "journal", path, err);
    struct gr_journal_config config = {.dir = path,
                                       .limit_bytes = pool->config.journal_limit_bytes};
    rc = rc != 0 ? rc : gr_journal_open(&config, &pool->journal, err);
    if (rc != 0) {
        return rc;
    }
    pool->recovery =
        (struct gr_recovery){.fact = forward_fact, .progress = forward_progress, .context = start};
    // From where the history ends, so that it is whole afterwards, also if its table was lost; or,
    // if the journal does not reach back so far, from the newest snapshot all the same.
    pool->recovery.before = gr_history_upto(pool->history) + 1;
    rc = gr_recover(pool->dir.path, &pool->config.core, &pool->recovery, &pool->core, err);
    if (rc == -ENODATA) {
        pool->recovery.before = 0;
        rc = gr_recover(pool->dir.path, &pool->config.core, &pool->recovery, &pool->core, err);
    }
    if (rc != 0) {
        return rc;
    }
    pool->snapshot_at = pool->recovery.snapshot;
    struct gr_journal_tip tip = gr_journal_tip_get(pool->journal);
    if (pool->recovery.sequence != tip.sequence) {
        return gr_fail(err, -EBADMSG,
                       "the journal ends at fact %llu, but only %llu could be read; run `granary "
                       "journal verify`",
                       (unsigned long long)tip.sequence,
                       (unsigned long long)pool->recovery.sequence);
    }
    gr_history_told(pool->history, tip.sequence);
    return gr_specs_open(path, pool->config.spec_bytes_most, &pool->specs, err);
}

static void durable(void *context, const struct gr_journal_group *group)
{
    struct gr_pool *pool = context;
    gr_history_told(pool->history, group->last);
    if (pool->on_durable != NULL) {
        pool->on_durable(pool->on_durable_context, group);
    }
}

// The first fact of every start: this writer's epoch, and which release it is.
static void begin_epoch(struct gr_pool *pool)
{
    struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_EPOCH_BEGUN);
    event.epoch = gr_journal_tip_get(pool->journal).epoch;
    snprintf(event.epoch_begun.version, sizeof event.epoch_begun.version, "%s", GR_VERSION);
    gr_pool_fact(pool, &event);
}

// How often all devices are looked at.
#define LOOK_MS 10000

static int open_engine(struct gr_pool *pool, struct gr_err *err)
{
    if (!pool->config.has_engine) {
        return 0;
    }
    if (pool->config.engine != NULL) {
        if (pool->config.checks != NULL) {
            int rc = gr_care_open(pool->config.checks, pool->watch, LOOK_MS, &pool->care, err);
            if (rc != 0) {
                return rc;
            }
        }
        gr_pool_care_begin(pool);
        pool->engine = pool->config.engine;
        return pool->engine->ops->list(pool->engine, err);
    }
    char path[GR_STATE_PATH_SIZE];
    int rc = gr_state_path(pool->dir.path, "engine", path, err);
    struct gr_local_config config = {.dir = path,
                                     .checks = pool->config.checks,
                                     .server = pool->config.server,
                                     .door = pool->config.door,
                                     .epoch = gr_journal_tip_get(pool->journal).epoch,
                                     .idle_warn_ms = pool->config.idle_ms};
    rc = rc != 0 ? rc : gr_local_open(&config, &pool->engine, err);
    const char *checks = pool->config.checks == NULL ? "" : pool->config.checks;
    rc = rc != 0 ? rc : gr_care_open(checks, pool->watch, LOOK_MS, &pool->care, err);
    if (rc == 0) {
        gr_pool_care_begin(pool);
    }
    return rc != 0 ? rc : pool->engine->ops->list(pool->engine, err);
}

// Timers of what runs already.
static void timers_begin(struct gr_pool *pool)
{
    uint32_t cursor = 0;
    const struct gr_job *job;
    pool->timers.matters = gr_pool_timer_matters;
    pool->timers.context = pool;
    while ((job = gr_core_job_next(pool->core, &cursor)) != NULL) {
        if (job->state == GR_JOB_RUNNING) {
            gr_pool_timers_set(pool, job);
        }
    }
}

int gr_pool_open(const struct gr_pool_config *config, const struct gr_state_dir *dir,
                 void (*progress)(void *context, uint64_t at, uint64_t last), void *context,
                 struct gr_pool **ret_pool, struct gr_err *err)
{
    assert(config != NULL && dir != NULL && ret_pool != NULL);
    struct gr_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the pool");
    }
    pool->config = *config;
    pool->dir = *dir;
    for (unsigned i = 0; i < GR_POOL_CACHED; i++) {
        pool->users[i].user = UINT32_MAX;
    }
    struct start_progress start = {.pool = pool, .progress = progress, .context = context};
    struct gr_commit_watcher watcher = {.context = pool, .durable = durable};
    struct gr_device_config devices = {.pretend = config->pretend};
    int rc = open_parts(pool, err);
    rc = rc != 0 ? rc : gr_device_watch_open(&devices, &pool->watch, err);
    rc = rc != 0 ? rc : open_journal(pool, &start, err);
    rc = rc != 0 ? rc : gr_commit_open(pool->journal, &watcher, &pool->commit, err);
    if (rc == 0) {
        gr_pool_clock_init(&pool->clock, gr_clock_wall_ms(), gr_clock_boot_ms(),
                           gr_core_now(pool->core), config->believes_clock);
        pool->started_ms = gr_pool_now(pool);
        rc = gr_pool_estimates_open(pool, err);
    }
    if (rc == 0) {
        begin_epoch(pool);
        rc = gr_pool_enrol(pool, err);
    }
    rc = rc != 0 ? rc : gr_commit_flush(pool->commit, err);
    if (rc == 0) {
        gr_place_refresh(gr_core_place_refresh(pool->core));
        timers_begin(pool);
        rc = open_engine(pool, err);
    }
    if (rc != 0) {
        gr_pool_close(pool);
        return rc;
    }
    *ret_pool = pool;
    return 0;
}

void gr_pool_close(struct gr_pool *pool)
{
    if (pool != NULL && pool->commit != NULL) {
        (void)gr_commit_flush(pool->commit, NULL);
        gr_pool_estimates_save(pool);
    }
    gr_pool_free(pool);
}

void gr_pool_free(struct gr_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    if (pool->engine != NULL && pool->engine != pool->config.engine) {
        pool->engine->ops->close(pool->engine);
    }
    gr_care_close(pool->care);
    gr_pool_held_free(pool);
    gr_history_close(pool->history);
    gr_specs_close(pool->specs);
    gr_journal_close(pool->journal); // waits for the group on its way, whose bytes are the commit's
    gr_commit_close(pool->commit);
    gr_core_free(pool->core);
    gr_ended_ring_free(pool->ended);
    gr_timers_done(&pool->timers);
    gr_device_list_done(&pool->devices);
    gr_device_watch_close(pool->watch);
    gr_kinds_done(&pool->kinds);
    gr_catalogue_done(&pool->catalogue);
    free(pool->estimates);
    free(pool->reported);
    free(pool->orders);
    free(pool->nodes);
    for (uint32_t i = 0; pool->live != NULL && i < pool->live_size; i++) {
        free(pool->live[i].text);
    }
    free(pool->live);
    free(pool->pieces);
    free(pool->room);
    free(pool->order_bytes);
    gr_pool_start_free(pool->start);
    gr_pool_parts_free(pool);
    free(pool);
}

// --- running

unsigned gr_pool_refuses(const struct gr_pool *pool, const char **ret_code, const char **ret_text)
{
    if (gr_commit_is_full(pool->commit)) {
        *ret_code = "disk-full";
        *ret_text = "the disk of the journal is full: nothing can be written until there is room";
        return 507;
    }
    if (gr_commit_bytes(pool->commit) > pool->config.waiting_bytes_most ||
        gr_history_waiting_percent(pool->history) > 75) {
        *ret_code = "too-many";
        *ret_text = "more requests wait for the disk than may wait; try again in a second";
        return 503;
    }
    return 0;
}

// How often the engine is heard and the disk tried again when nothing else wakes the loop.
#define TICK_MS 1000

int gr_pool_run(struct gr_pool *pool, int *ret_wait_ms, struct gr_err *err)
{
    assert(pool != NULL && ret_wait_ms != NULL);
    (void)gr_pool_clock_turn(&pool->clock, gr_clock_wall_ms(), gr_clock_boot_ms());
    gr_history_now(pool->history, gr_pool_now(pool));
    int rc = gr_commit_run(pool->commit, err);
    if (rc != 0 && rc != -ENOSPC) {
        return rc;
    }
    bool is_full = gr_commit_is_full(pool->commit);
    if (!is_full) {
        rc = gr_pool_hear(pool, err);
        if (rc != 0) {
            return rc;
        }
        gr_pool_care_run(pool);
        gr_pool_tick(pool);
        // Held room is given up, and taking back is tried again, though nothing has happened.
        pool->wants_schedule |= gr_core_wake_ms(pool->core) <= gr_pool_now(pool);
        gr_pool_schedule(pool);
        gr_pool_estimates_run(pool);
    }
    rc = gr_commit_run(pool->commit, err);
    if (rc != 0 && rc != -ENOSPC) {
        return rc;
    }
    gr_pool_orders_run(pool);
    int64_t next_ms = gr_pool_may_tick(pool) ? gr_timers_next(&pool->timers) : INT64_MAX;
    int64_t wait_ms = next_ms == INT64_MAX ? TICK_MS : next_ms - gr_pool_now(pool);
    wait_ms = wait_ms < 0 ? 0 : wait_ms > TICK_MS ? TICK_MS : wait_ms;
    // While the disk is full no timer is acted on: only the disk is tried again.
    *ret_wait_ms = is_full ? GR_COMMIT_AGAIN_MS : pool->wants_schedule ? 0 : (int)wait_ms;
    return 0;
}

// --- what is known of live jobs beside the core

// Bytes of what is said of one.
#define LIVE_TEXT_MAX 95

static uint32_t live_slot(const struct gr_pool *pool, uint64_t job)
{
    uint32_t mask = pool->live_size - 1;
    uint32_t at = (uint32_t)((job * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;
    while (pool->live[at].job != 0 && pool->live[at].job != job) {
        at = (at + 1) & mask;
    }
    return at;
}

const struct gr_live *gr_pool_live_find(const struct gr_pool *pool, uint64_t job)
{
    const struct gr_live *live = &pool->live[live_slot(pool, job)];
    return live->job == job ? live : NULL;
}

static bool live_grow(struct gr_pool *pool)
{
    struct gr_live *old = pool->live;
    uint32_t old_size = pool->live_size;
    struct gr_live *live = calloc((size_t)old_size * 2, sizeof *live);
    if (live == NULL) {
        return false;
    }
    pool->live = live;
    pool->live_size = old_size * 2;
    for (uint32_t i = 0; i < old_size; i++) {
        if (old[i].job != 0) {
            live[live_slot(pool, old[i].job)] = old[i];
        }
    }
    free(old);
    return true;
}

struct gr_live *gr_pool_live_take(struct gr_pool *pool, uint64_t job)
{
    assert(job != 0);
    if (pool->live_count * 2 >= pool->live_size && !live_grow(pool)) {
        return NULL;
    }
    struct gr_live *live = &pool->live[live_slot(pool, job)];
    if (live->job == 0) {
        *live = (struct gr_live){.job = job};
        pool->live_count++;
    }
    return live;
}

void gr_pool_live_say(struct gr_live *live, const char *text)
{
    free(live->text);
    live->text = strndup(text, LIVE_TEXT_MAX);
}

void gr_pool_live_drop(struct gr_pool *pool, uint64_t job)
{
    uint32_t mask = pool->live_size - 1;
    uint32_t hole = live_slot(pool, job);
    if (pool->live[hole].job != job) {
        return;
    }
    pool->live_count--;
    free(pool->live[hole].text);
    // Those behind move up if their own place is not between the hole and where they are.
    for (uint32_t at = (hole + 1) & mask; pool->live[at].job != 0; at = (at + 1) & mask) {
        uint32_t home =
            (uint32_t)((pool->live[at].job * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            pool->live[hole] = pool->live[at];
            hole = at;
        }
    }
    pool->live[hole] = (struct gr_live){0};
}
