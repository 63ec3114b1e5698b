// Parts of running gangs in the live pool: single tasks whose node or device failed are ended by
// the engine, become facts when nothing of them runs any more, and are started in another place.
// See pool.h and docs/design/queue.md.
#include "daemon/pool.h"

#include "device/health.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Jobs of which it is remembered what they lost.
#define SAID 256u

// A task that was asked to end.
struct asked {
    uint64_t job; // id
    uint32_t attempt, task, part;
    uint32_t signal;
    int64_t grace_ms;
    bool is_sent;
};

// What a job lost last, for people.
struct said {
    uint64_t job; // 0: a free row
    int64_t lost_ms, placed_ms;
    uint32_t lost, node;
    uint16_t devices;
    uint8_t health; // enum gr_health
};

struct gr_pool_parts {
    struct asked *asked; // heap
    size_t count, room;
    struct said said[SAID]; // a ring
    size_t said_at;
    uint64_t replaced; // tasks since this start
};

static struct gr_pool_parts *parts_take(struct gr_pool *pool)
{
    if (pool->parts == NULL) {
        pool->parts = calloc(1, sizeof *pool->parts);
    }
    return pool->parts;
}

void gr_pool_parts_free(struct gr_pool *pool)
{
    if (pool->parts != NULL) {
        free(pool->parts->asked);
        free(pool->parts);
        pool->parts = NULL;
    }
}

uint64_t gr_pool_parts_replaced(const struct gr_pool *pool)
{
    return pool->parts == NULL ? 0 : pool->parts->replaced;
}

// --- which tasks are hit

// Tasks of one job on a node, that hold one of some devices.
struct hitting {
    struct gr_pool *pool;
    const struct gr_job *job;
    uint32_t node, devices; // devices 0: all of them
    uint32_t signal;
    int64_t grace_ms;
    uint32_t hit; // so many, with those that were asked before
    bool adds, fails;
};

static struct asked *asked_find(const struct gr_pool_parts *parts, const struct gr_job *job,
                                uint32_t task, uint32_t part)
{
    for (size_t i = 0; i < parts->count; i++) {
        struct asked *asked = &parts->asked[i];
        if (asked->job == job->id && asked->attempt == job->attempt && asked->task == task &&
            asked->part == part) {
            return asked;
        }
    }
    return NULL;
}

static bool asked_add(struct gr_pool_parts *parts, const struct asked *asked)
{
    if (parts->count == parts->room) {
        size_t room = parts->room == 0 ? 16 : parts->room * 2;
        struct asked *all = realloc(parts->asked, room * sizeof *all);
        if (all == NULL) {
            return false;
        }
        parts->asked = all;
        parts->room = room;
    }
    parts->asked[parts->count++] = *asked;
    return true;
}

static void task_hit(void *context, uint32_t task, const struct gr_piece *piece, uint32_t part)
{
    struct hitting *hitting = context;
    struct gr_pool_parts *parts = hitting->pool->parts;
    if (piece == NULL) {
        return;
    }
    bool is_known = asked_find(parts, hitting->job, task, part) != NULL;
    bool is_hit = piece->node == hitting->node &&
                  (hitting->devices == 0 || (piece->devices & hitting->devices) != 0);
    hitting->hit += is_hit || is_known;
    if (hitting->adds && is_hit && !is_known) {
        struct asked asked = {.job = hitting->job->id,
                              .attempt = hitting->job->attempt,
                              .task = task,
                              .part = part,
                              .signal = hitting->signal,
                              .grace_ms = hitting->grace_ms};
        hitting->fails = !asked_add(parts, &asked) || hitting->fails;
    }
}

bool gr_pool_part_stop(struct gr_pool *pool, const struct gr_job *job, uint32_t node,
                       uint32_t devices, int64_t grace_ms)
{
    struct gr_spec spec;
    bool can = pool->engine != NULL && (pool->engine->ops->can(pool->engine) & GR_CAN_PART) != 0 &&
               (job->requeue_on & GR_REQUEUE_PART) != 0;
    if (!can || parts_take(pool) == NULL || gr_pool_spec(pool, job->id, &spec, NULL) != 0 ||
        spec.image[0] != '\0') {
        return false;
    }
    int64_t most_ms = pool->config.grace_most_ms;
    grace_ms = grace_ms < 0 ? spec.grace_ms : grace_ms;
    struct hitting hitting = {.pool = pool,
                              .job = job,
                              .node = node,
                              .devices = devices,
                              .signal = spec.stop_signal,
                              .grace_ms = most_ms > 0 && grace_ms > most_ms ? most_ms : grace_ms};
    gr_core_job_tasks(pool->core, job->id, task_hit, &hitting);
    if (gr_core_part_may(pool->core, job->id, hitting.hit) != GR_REFUSED_NOTHING) {
        return false; // too much of it, or it cannot go on: as a whole, then
    }
    size_t before = pool->parts->count;
    hitting.adds = true;
    gr_core_job_tasks(pool->core, job->id, task_hit, &hitting);
    if (hitting.fails) {
        pool->parts->count = before;
        return false;
    }
    if (pool->parts->count > before) {
        gr_pool_order_then(pool, GR_POOL_ORDER_PART_STOP, job->id, job->attempt);
    }
    return true;
}

// --- orders

static bool is_current(const struct gr_pool *pool, const struct asked *asked)
{
    const struct gr_job *job = gr_core_job_find(pool->core, asked->job);
    return job != NULL && job->state == GR_JOB_RUNNING && job->attempt == asked->attempt;
}

int gr_pool_part_send_stop(struct gr_pool *pool, const struct gr_pool_order *which, uint32_t epoch)
{
    struct gr_pool_parts *parts = pool->parts;
    size_t kept = 0;
    int rc = 0;
    for (size_t i = 0; parts != NULL && i < parts->count; i++) {
        struct asked asked = parts->asked[i];
        if (!is_current(pool, &asked)) {
            continue; // it is over
        }
        if (rc == 0 && !asked.is_sent && asked.job == which->job) {
            struct gr_err err;
            rc = pool->engine->ops->stop_part(pool->engine, asked.job, asked.attempt, epoch,
                                              asked.task, asked.part, asked.signal, asked.grace_ms,
                                              &err);
            asked.is_sent = rc == 0;
        }
        parts->asked[kept++] = asked;
    }
    if (parts != NULL) {
        parts->count = kept;
    }
    return rc;
}

struct placing {
    struct gr_pool *pool;
    struct gr_pool_start *start;
    struct gr_engine_start *order;
    struct gr_err *err;
    int rc;
};

static void task_place(void *context, uint32_t task, const struct gr_piece *piece, uint32_t part)
{
    struct placing *placing = context;
    if (piece != NULL && part > 0 && placing->rc == 0) {
        placing->rc = gr_pool_start_add(placing->pool, placing->start, placing->order, task, part,
                                        piece, placing->err);
    }
}

int gr_pool_part_send_start(struct gr_pool *pool, const struct gr_pool_order *which, uint32_t epoch)
{
    const struct gr_job *job = gr_core_job_find(pool->core, which->job);
    if (job == NULL || job->state != GR_JOB_RUNNING || job->attempt != which->attempt) {
        return 0;
    }
    struct gr_err err;
    struct gr_job_more more;
    struct gr_engine_start order = {.job = job->id,
                                    .attempt = job->attempt,
                                    .epoch = epoch,
                                    .task_count_all = job->demand.tasks,
                                    .user = ""};
    struct placing placing = {.pool = pool, .order = &order, .err = &err};
    placing.start = gr_pool_start_take(pool, job->demand.tasks, &order);
    if (placing.start == NULL) {
        return -EAGAIN;
    }
    gr_core_job_more(pool->core, job->id, &more);
    order.array = more.array;
    order.array_index = more.array_index;
    gr_core_job_tasks(pool->core, job->id, task_place, &placing);
    int rc = placing.rc;
    rc = rc != 0 ? rc
                 : gr_specs_get(pool->specs, more.array != 0 ? more.array : job->id, &order.spec,
                                &order.spec_size, &err);
    if (rc == 0 && order.task_count > 0) {
        order.devices = gr_pool_start_devices(placing.start);
        rc = pool->engine->ops->start_part(pool->engine, &order, &err);
    }
    if (rc != 0 && rc != -EAGAIN && job->stop_why == GR_STOP_NOT) {
        gr_pool_stop(pool, job->id, GR_STOP_NODE, 0, -1); // it can never start there
    }
    return rc == -EAGAIN ? rc : 0;
}

void gr_pool_parts_listed(struct gr_pool *pool)
{
    struct gr_core_part part;
    uint32_t cursor = 0;
    while (gr_core_part_next(pool->core, &cursor, &part)) {
        const struct gr_job *job = gr_core_job_find(pool->core, part.job);
        if (part.parts > 0) {
            gr_pool_order_then(pool, GR_POOL_ORDER_PART_START, job->id, job->attempt);
        }
    }
    for (size_t i = 0; pool->parts != NULL && i < pool->parts->count; i++) {
        struct asked *asked = &pool->parts->asked[i];
        asked->is_sent = false;
        gr_pool_order_then(pool, GR_POOL_ORDER_PART_STOP, asked->job, asked->attempt);
    }
}

// --- reports

struct finding {
    uint32_t task, part;
    bool found;
};

static void task_find(void *context, uint32_t task, const struct gr_piece *piece, uint32_t part)
{
    struct finding *finding = context;
    finding->found |= task == finding->task && part == finding->part && piece != NULL;
}

static void lost(struct gr_pool *pool, const struct gr_job *job,
                 const struct gr_engine_report *report)
{
    struct finding finding = {.task = report->end.task, .part = report->part};
    gr_core_job_tasks(pool->core, job->id, task_find, &finding);
    if (!finding.found || job->stop_why != GR_STOP_NOT) {
        return; // an old story, or it ends as a whole
    }
    if (gr_core_part_may(pool->core, job->id, 1) != GR_REFUSED_NOTHING) {
        gr_pool_stop(pool, job->id, GR_STOP_NODE, 0, -1);
        return;
    }
    int64_t now_ms = gr_pool_now(pool);
    int64_t since_ms = report->since_ms < job->started_ms ? job->started_ms : report->since_ms;
    struct gr_event event =
        gr_decide_part_lost(pool->core, now_ms, since_ms > now_ms ? now_ms : since_ms, job->id,
                            report->end.task, report->part);
    gr_pool_fact(pool, &event);
}

void gr_pool_part_hear(struct gr_pool *pool, const struct gr_engine_report *report)
{
    const struct gr_job *job = gr_core_job_find(pool->core, report->job);
    if (job == NULL || job->state != GR_JOB_RUNNING || job->attempt != report->attempt) {
        return;
    }
    if (report->type == GR_REPORT_PART_ENDED) {
        lost(pool, job, report);
    } else if (report->type == GR_REPORT_PART_REFUSED && job->stop_why == GR_STOP_NOT) {
        gr_pool_stop(pool, job->id, GR_STOP_NODE, 0, -1);
    }
}

void gr_pool_part_stop_fill(struct gr_pool *pool, struct gr_event *event)
{
    struct gr_spec spec;
    if (event->type == GR_STOP_ASKED && event->stop_asked.why == GR_STOP_NODE &&
        gr_pool_spec(pool, event->stop_asked.job, &spec, NULL) == 0) {
        int64_t most_ms = pool->config.grace_most_ms;
        event->stop_asked.signal = spec.stop_signal;
        event->stop_asked.grace_ms =
            most_ms > 0 && spec.grace_ms > most_ms ? most_ms : spec.grace_ms;
    }
}

// --- what people are told

static struct said *said_find(const struct gr_pool *pool, uint64_t job)
{
    for (size_t i = 0; pool->parts != NULL && i < SAID; i++) {
        if (pool->parts->said[i].job == job) {
            return &pool->parts->said[i];
        }
    }
    return NULL;
}

void gr_pool_part_note(struct gr_pool *pool, const struct gr_event *event)
{
    if ((event->type != GR_PART_LOST && event->type != GR_PART_PLACED) ||
        parts_take(pool) == NULL) {
        return;
    }
    struct said *said = said_find(pool, event->part_lost.job); // both begin with the job
    if (event->type == GR_PART_PLACED) {
        pool->parts->replaced += event->piece_count;
        if (said != NULL) {
            said->placed_ms = event->at_ms;
        }
        return;
    }
    if (said == NULL) {
        said = &pool->parts->said[pool->parts->said_at++ % SAID];
        *said = (struct said){.job = event->part_lost.job};
    }
    if (said->placed_ms != 0 || said->node != event->part_lost.node) {
        *said = (struct said){.job = said->job, .lost = said->placed_ms != 0 ? 0 : said->lost};
    }
    said->lost++;
    said->lost_ms = event->since_ms;
    said->node = event->part_lost.node;
    said->devices = (uint16_t)(said->devices | event->part_lost.devices);
    for (uint32_t d = 0; d < GR_NODE_DEVICES_MAX; d++) {
        uint8_t health = (event->part_lost.devices >> d & 1) == 0
                             ? 0
                             : gr_core_device_health(pool->core, said->node, d);
        said->health = health > said->health ? health : said->health;
    }
}

static void clock_format(int64_t ms, char ret_text[16])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm when;
    if (localtime_r(&seconds, &when) == NULL || strftime(ret_text, 16, "%H:%M:%S", &when) == 0) {
        ret_text[0] = '\0';
    }
}

void gr_pool_part_text(const struct gr_pool *pool, const struct gr_job *job, char *text,
                       size_t size)
{
    struct gr_core_part part;
    const struct said *said = said_find(pool, job->id);
    text[0] = '\0';
    if (!gr_core_part_find(pool->core, job->id, &part)) {
        return;
    }
    if (said == NULL) { // this daemon did not see it
        snprintf(text, size, "%u of %u tasks are lost; parts replaced so far: %u", part.missing,
                 job->demand.tasks, part.parts);
        return;
    }
    char lost[16], placed[16], devices[80] = "";
    clock_format(said->lost_ms, lost);
    clock_format(said->placed_ms, placed);
    for (uint32_t d = 0, at = 0; d < GR_NODE_DEVICES_MAX && at < 60; d++) {
        if ((said->devices >> d & 1) != 0) {
            at += (uint32_t)snprintf(devices + at, sizeof devices - at, "%s%u",
                                     at == 0 ? " (device " : ", ", d);
        }
    }
    if (devices[0] != '\0') {
        size_t at = strlen(devices);
        snprintf(devices + at, sizeof devices - at, "%s%s)", said->health > 0 ? ": " : "",
                 said->health > 0 ? gr_health_name((enum gr_health)said->health) : "");
    }
    snprintf(text, size, "%u of %u tasks lost at %s on %s%s%s%s", said->lost, job->demand.tasks,
             lost, gr_place_cold_get(gr_core_place(pool->core), said->node)->name, devices,
             part.missing > 0 ? ", looking for room" : ", replaced at ",
             part.missing > 0 ? "" : placed);
}
