// Running: orders go to the engine, its reports become facts. See pool.h.
#include "daemon/pool.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- orders: what the engine is told, in order, after the facts behind them are durable

// A type fits into three bits, an attempt into ten.
#define TYPE_BITS 3
#define ATTEMPT_BITS 10
#define JOB_MAX (UINT64_MAX >> (TYPE_BITS + ATTEMPT_BITS))
static_assert(GR_POOL_ORDER_PART_START < 1 << TYPE_BITS, "a type fits");
static_assert(GR_SPEC_ATTEMPTS_MAX < 1 << ATTEMPT_BITS, "an attempt fits");

static void order_add(struct gr_pool *pool, int type, uint64_t job, uint32_t attempt)
{
    if (pool->engine == NULL) {
        return;
    }
    if (pool->order_count == pool->order_room) {
        size_t room = pool->order_room == 0 ? 256 : pool->order_room * 2;
        struct gr_pool_order *orders = realloc(pool->orders, room * sizeof *orders);
        if (orders == NULL) {
            return; // as if it was lost on the way: reconciling after the next list mends it
        }
        pool->orders = orders;
        pool->order_room = room;
    }
    pool->orders[pool->order_count++] =
        (struct gr_pool_order){.type = type, .job = job, .attempt = attempt};
}

static void order_durable(void *context, uint64_t value)
{
    order_add(context, value & ((1u << TYPE_BITS) - 1), value >> (TYPE_BITS + ATTEMPT_BITS),
              value >> TYPE_BITS & ((1u << ATTEMPT_BITS) - 1));
}

void gr_pool_order_then(struct gr_pool *pool, int type, uint64_t job, uint32_t attempt)
{
    assert(attempt < 1u << ATTEMPT_BITS);
    gr_commit_then(pool->commit, order_durable, pool,
                   (job << ATTEMPT_BITS | attempt) << TYPE_BITS | (unsigned)type);
}

static uint32_t epoch_of(const struct gr_pool *pool)
{
    return gr_journal_tip_get(pool->journal).epoch;
}

// What an order to start is made from; one at a time. Kept from order to order, and as large as the
// largest so far: most jobs are small, and a gang may be very large.
struct gr_pool_start {
    struct gr_engine_task *tasks;
    const char **nodes;
    struct gr_device *devices;
    uint32_t task_room, device_room;
};

void gr_pool_start_free(struct gr_pool_start *start)
{
    if (start != NULL) {
        free(start->tasks);
        free(start->nodes);
        free(start->devices);
        free(start);
    }
}

// The scratch with room for so many tasks; NULL without memory.
static struct gr_pool_start *take_room(struct gr_pool *pool, uint32_t count)
{
    if (pool->start == NULL) {
        pool->start = calloc(1, sizeof *pool->start);
    }
    struct gr_pool_start *start = pool->start;
    if (start == NULL || count <= start->task_room) {
        return start;
    }
    uint32_t room = count < 64 ? 64 : count;
    free(start->tasks);
    free(start->nodes);
    start->tasks = malloc(room * sizeof *start->tasks);
    start->nodes = malloc(room * sizeof *start->nodes);
    bool is_there = start->tasks != NULL && start->nodes != NULL;
    start->task_room = is_there ? room : 0;
    return is_there ? start : NULL;
}

struct gr_pool_start *gr_pool_start_take(struct gr_pool *pool, uint32_t count,
                                         struct gr_engine_start *ret_order)
{
    struct gr_pool_start *start = take_room(pool, count);
    if (start != NULL) {
        ret_order->tasks = start->tasks;
        ret_order->nodes = start->nodes;
    }
    return start;
}

const struct gr_device *gr_pool_start_devices(const struct gr_pool_start *start)
{
    return start->devices;
}

// Adds the devices of one piece to the order.
static int fill_devices(struct gr_pool *pool, const struct gr_piece *piece, const char *name,
                        struct gr_pool_start *start, struct gr_engine_start *order,
                        struct gr_err *err)
{
    const struct gr_pool_node *node = &pool->nodes[piece->node];
    for (uint32_t d = 0; d < GR_NODE_DEVICES_MAX; d++) {
        if ((piece->devices >> d & 1u) == 0) {
            continue;
        }
        if (d >= node->device_count) {
            return gr_fail(err, -ENODEV, "%s has no device %u any more", name, d);
        }
        if (order->device_count == start->device_room) {
            uint32_t room = start->device_room == 0 ? 64 : start->device_room * 2;
            struct gr_device *devices = realloc(start->devices, room * sizeof *start->devices);
            if (devices == NULL) {
                return gr_fail(err, -ENOMEM, "no memory for an order to start");
            }
            start->devices = devices;
            start->device_room = room;
        }
        start->devices[order->device_count++] = pool->devices.devices[node->device_first + d];
    }
    return 0;
}

int gr_pool_start_add(struct gr_pool *pool, struct gr_pool_start *start,
                      struct gr_engine_start *order, uint32_t task, uint32_t part,
                      const struct gr_piece *piece, struct gr_err *err)
{
    const char *name = gr_place_cold_get(gr_core_place(pool->core), piece->node)->name;
    if (order->node_count == 0 || order->nodes[order->node_count - 1] != name) {
        start->nodes[order->node_count++] = name;
    }
    if (!pool->nodes[piece->node].is_here) {
        return 0;
    }
    struct gr_engine_task *added = &start->tasks[order->task_count++];
    *added = (struct gr_engine_task){.task = task,
                                     .device_first = order->device_count,
                                     .milli = piece->milli,
                                     .cpu_milli = piece->cpu_milli,
                                     .memory_mib = piece->memory_mib,
                                     .part = part,
                                     .node = name};
    int rc = fill_devices(pool, piece, name, start, order, err);
    added->device_count = order->device_count - added->device_first;
    return rc;
}

// Fills tasks, devices and node names from the pieces of a placement.
static int fill_tasks(struct gr_pool *pool, uint32_t count, struct gr_pool_start *start,
                      struct gr_engine_start *order, struct gr_err *err)
{
    order->task_count_all = count;
    for (uint32_t i = 0; i < count; i++) {
        int rc = gr_pool_start_add(pool, start, order, i, 0, &pool->pieces[i], err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

// The end of an attempt becomes a fact: finished, or requeued.
static void end_attempt(struct gr_pool *pool, const struct gr_job *job, int64_t since_ms,
                        const struct gr_ending *ending, const char *text)
{
    int64_t now_ms = gr_pool_now(pool);
    since_ms = since_ms < job->started_ms ? job->started_ms : since_ms;
    since_ms = since_ms > now_ms ? now_ms : since_ms;
    struct gr_event event = gr_decide_end(pool->core, now_ms, since_ms, job->id, ending);
    pool->ending_text = text;
    gr_pool_live_drop(pool, job->id);
    gr_pool_fact(pool, &event);
    pool->ending_text = NULL;
}

// The engine says that the attempt never ran and never will.
static void end_unstarted(struct gr_pool *pool, const struct gr_job *job, const char *text)
{
    const struct gr_live *live = gr_pool_live_find(pool, job->id);
    struct gr_ending ending = {.outcome = GR_OUTCOME_NOT_STARTED};
    char *why = NULL;
    if (live != NULL && live->attempt == job->attempt && live->is_given_up) {
        ending.outcome = live->is_unfit ? GR_OUTCOME_NODE : GR_OUTCOME_NOT_STARTED;
        why = live->text == NULL ? NULL : strdup(live->text); // the entry goes before it is used
        text = why == NULL ? "" : why;
    }
    if (job->stop_why == GR_STOP_BY_USER) {
        ending.outcome = GR_OUTCOME_STOPPED;
    }
    end_attempt(pool, job, gr_pool_now(pool), &ending, text);
    free(why);
}

// An attempt that cannot or must not start. An order to start it may have arrived all the same,
// from here or from the daemon before: so nothing is said to have ended yet. The engine is asked to
// end it, and its answer, an end or GR_REPORT_UNKNOWN, becomes the fact.
static void give_up(struct gr_pool *pool, const struct gr_job *job, bool is_unfit, const char *text)
{
    struct gr_live *live = gr_pool_live_take(pool, job->id);
    if (live == NULL) {
        return; // as if the order was lost on the way: the next list brings it again
    }
    live->attempt = job->attempt;
    live->is_given_up = true;
    live->is_unfit = is_unfit;
    live->care = GR_LIVE_CARE_NONE;
    gr_pool_live_say(live, text);
    gr_pool_order_then(pool, GR_POOL_ORDER_KILL, job->id, job->attempt);
}

// Hands over the order to start a placed job. -EAGAIN: later.
static int send_start(struct gr_pool *pool, const struct gr_pool_order *which)
{
    const struct gr_job *job = gr_core_job_find(pool->core, which->job);
    if (job == NULL || job->state != GR_JOB_RUNNING || job->attempt != which->attempt ||
        job->began_ms != 0) {
        return 0; // it is over already, or runs
    }
    const struct gr_live *known = gr_pool_live_find(pool, job->id);
    if (known != NULL && known->attempt == job->attempt && known->is_sent) {
        return 0;
    }
    struct gr_err err;
    struct gr_job_more more;
    gr_core_job_more(pool->core, job->id, &more);
    struct gr_engine_start order = {.job = job->id,
                                    .attempt = job->attempt,
                                    .epoch = epoch_of(pool),
                                    .array = more.array,
                                    .array_index = more.array_index,
                                    .user = ""};
    struct gr_pool_start *start = gr_pool_start_take(pool, job->demand.tasks, &order);
    if (start == NULL) {
        return -EAGAIN;
    }
    int rc = gr_pool_care_before(pool, job, &err);
    if (rc == 1) {
        return 0; // its node is looked at first; the order comes again
    }
    rc = rc != 0 ? rc
                 : gr_specs_get(pool->specs, more.array != 0 ? more.array : job->id, &order.spec,
                                &order.spec_size, &err);
    // Looking at the node has used the room for pieces.
    uint32_t count = gr_core_job_pieces(pool->core, job->id, pool->pieces, job->demand.tasks);
    rc = rc != 0 ? rc : fill_tasks(pool, count, start, &order, &err);
    order.devices = start->devices;
    if (rc == 0 && order.task_count > 0) {
        rc = pool->engine->ops->start(pool->engine, &order, &err);
    }
    if (rc == 0 && order.task_count > 0) {
        struct gr_live *live = gr_pool_live_take(pool, job->id);
        if (live != NULL) {
            live->is_sent = true;
            live->attempt = job->attempt;
        }
    } else if (rc != 0 && rc != -EAGAIN) {
        give_up(pool, job, false, err.text);
    }
    return rc == -EAGAIN ? rc : 0;
}

static int send_stop(struct gr_pool *pool, const struct gr_pool_order *which, struct gr_err *err)
{
    const struct gr_job *job = gr_core_job_find(pool->core, which->job);
    if (job == NULL || job->state != GR_JOB_RUNNING || job->attempt != which->attempt) {
        return 0;
    }
    return pool->engine->ops->stop(pool->engine, job->id, job->attempt, epoch_of(pool),
                                   job->stop_signal, job->grace_ms, err);
}

static int send_order(struct gr_pool *pool, const struct gr_pool_order *which)
{
    const struct gr_engine_ops *ops = pool->engine->ops;
    struct gr_err err;
    switch (which->type) {
    case GR_POOL_ORDER_START:
        return send_start(pool, which);
    case GR_POOL_ORDER_STOP:
        return send_stop(pool, which, &err);
    case GR_POOL_ORDER_KILL:
        return ops->stop(pool->engine, which->job, which->attempt, epoch_of(pool), SIGKILL, 0,
                         &err);
    case GR_POOL_ORDER_NOTICE: {
        const struct gr_job *job = gr_core_job_find(pool->core, which->job);
        uint32_t number = job == NULL ? 0 : (uint32_t)(job->tag >> 40) & 0xff;
        return number == 0 ? 0
                           : ops->signal(pool->engine, which->job, which->attempt, epoch_of(pool),
                                         number, &err);
    }
    case GR_POOL_ORDER_FORGET:
        return ops->forget(pool->engine, which->job, which->attempt, epoch_of(pool), &err);
    case GR_POOL_ORDER_PART_STOP:
        return gr_pool_part_send_stop(pool, which, epoch_of(pool));
    case GR_POOL_ORDER_PART_START:
        return gr_pool_part_send_start(pool, which, epoch_of(pool));
    }
    assert(!"an order has a type");
    return 0;
}

void gr_pool_orders_run(struct gr_pool *pool)
{
    while (pool->order_done < pool->order_count) {
        // Sending may add orders, so the array may move: a copy.
        struct gr_pool_order order = pool->orders[pool->order_done];
        int rc = send_order(pool, &order);
        if (rc == -EAGAIN || rc == -ENOTCONN || rc == -ENOMEM) {
            break; // an order that was lost here would be missed by nobody
        }
        pool->order_done++;
    }
    if (pool->order_done == pool->order_count) {
        pool->order_done = pool->order_count = 0;
    } else if (pool->order_done > 4096 && pool->order_done * 2 > pool->order_count) {
        size_t left = pool->order_count - pool->order_done;
        memmove(pool->orders, pool->orders + pool->order_done, left * sizeof *pool->orders);
        pool->order_count = left;
        pool->order_done = 0;
    }
}

// --- reports

static const struct gr_job *running_job(const struct gr_pool *pool,
                                        const struct gr_engine_report *report)
{
    const struct gr_job *job = gr_core_job_find(pool->core, report->job);
    bool is_it = job != NULL && job->state == GR_JOB_RUNNING && job->attempt == report->attempt;
    return is_it ? job : NULL;
}

static enum gr_outcome outcome_of(const struct gr_job *job, const struct gr_engine_end *end)
{
    // A job that was asked to stop and ended well by itself before the signal came is done.
    bool is_well = end->exit_code == 0 && end->signal == 0;
    if (job->stop_why != GR_STOP_NOT && (end->is_stopped || !is_well)) {
        static const enum gr_outcome outcomes[] = {
            [GR_STOP_BY_USER] = GR_OUTCOME_STOPPED,  [GR_STOP_TIME_LIMIT] = GR_OUTCOME_TIME_LIMIT,
            [GR_STOP_NODE] = GR_OUTCOME_NODE,        [GR_STOP_RECLAIM] = GR_OUTCOME_RECLAIMED,
            [GR_STOP_IDLE] = GR_OUTCOME_RECLAIMED,   [GR_STOP_MOVE] = GR_OUTCOME_RECLAIMED,
            [GR_STOP_WINDOW] = GR_OUTCOME_RECLAIMED,
        };
        return outcomes[job->stop_why];
    }
    return end->is_out_of_memory ? GR_OUTCOME_OUT_OF_MEMORY
           : is_well             ? GR_OUTCOME_DONE
                                 : GR_OUTCOME_FAILED;
}

static void hear_started(struct gr_pool *pool, const struct gr_engine_report *report)
{
    const struct gr_job *job = running_job(pool, report);
    if (job == NULL) {
        // Nobody placed it any more: it must not run on devices that others hold.
        gr_pool_order_then(pool, GR_POOL_ORDER_KILL, report->job, report->attempt);
        return;
    }
    struct gr_live *live = gr_pool_live_take(pool, job->id);
    if (live != NULL) {
        live->attempt = report->attempt;
        live->care = GR_LIVE_CARE_DONE;
        live->is_sent = live->is_known = true;
        live->is_idle = live->is_given_up = false;
    }
    if (job->began_ms != 0) {
        return;
    }
    int64_t now_ms = gr_pool_now(pool);
    struct gr_event event = gr_decide_fact(pool->core, now_ms, GR_JOB_STARTED);
    int64_t since_ms = report->since_ms < job->started_ms ? job->started_ms : report->since_ms;
    event.since_ms = since_ms > now_ms ? now_ms : since_ms;
    event.started.job = job->id;
    event.started.attempt = job->attempt;
    uint64_t id = job->id;
    gr_pool_fact(pool, &event);
    gr_pool_timers_set(pool, gr_core_job_find(pool->core, id));
}

static void hear_ended(struct gr_pool *pool, const struct gr_engine_report *report)
{
    const struct gr_job *job = running_job(pool, report);
    if (job != NULL && gr_pool_care_after(pool, job, report)) {
        return;
    }
    gr_pool_end_reported(pool, report);
}

void gr_pool_end_unfit(struct gr_pool *pool, const struct gr_job *job, const char *text)
{
    give_up(pool, job, true, text);
}

void gr_pool_end_reported(struct gr_pool *pool, const struct gr_engine_report *report)
{
    const struct gr_job *job = running_job(pool, report);
    if (job == NULL) {
        gr_pool_order_then(pool, GR_POOL_ORDER_FORGET, report->job, report->attempt);
        return;
    }
    if (report->type == GR_REPORT_LOST) {
        struct gr_ending lost = {.began_ms = job->began_ms, .outcome = GR_OUTCOME_LOST};
        end_attempt(pool, job, report->since_ms, &lost, report->text);
        return;
    }
    const struct gr_engine_end *end = &report->end;
    int64_t began_ms = report->started_ms < job->started_ms ? job->started_ms : report->started_ms;
    int64_t now_ms = gr_pool_now(pool);
    // What an engine says is the world's: nonsense must not meet the core's assertions.
    struct gr_ending ending = {.began_ms = began_ms > now_ms ? now_ms : began_ms,
                               .cpu_ms = end->cpu_ms,
                               .peak_kib = end->peak_kib,
                               .outcome = outcome_of(job, end),
                               .exit_code = end->exit_code,
                               .signal = end->signal < GR_SIGNALS ? end->signal : 0,
                               .task = end->task < job->demand.tasks ? end->task : 0};
    end_attempt(pool, job, report->since_ms, &ending, report->text);
}

static void hear_lost(struct gr_pool *pool, const struct gr_engine_report *report)
{
    const struct gr_job *job = running_job(pool, report);
    if (job == NULL) {
        gr_pool_order_then(pool, GR_POOL_ORDER_FORGET, report->job, report->attempt);
        return;
    }
    if (report->type == GR_REPORT_REFUSED || report->type == GR_REPORT_UNKNOWN) {
        end_unstarted(pool, job, report->text);
        return;
    }
    // Whatever ended it, its devices go to the next only when they were looked after.
    if (!gr_pool_care_after(pool, job, report)) {
        gr_pool_end_reported(pool, report);
    }
}

static void hear_idle(struct gr_pool *pool, const struct gr_engine_report *report)
{
    const struct gr_job *job = running_job(pool, report);
    struct gr_live *live = job == NULL ? NULL : gr_pool_live_take(pool, job->id);
    if (live == NULL) {
        return;
    }
    live->is_idle = true;
    live->idle_ms = report->since_ms;
    gr_pool_live_say(live, report->text[0] == '\0' ? "held-idle: its processes use no cpu"
                                                   : report->text);
    int64_t most_ms = pool->config.idle_stop_ms;
    struct gr_timer timer = {.at_ms = report->since_ms + most_ms,
                             .job = job->id,
                             .attempt = job->attempt,
                             .kind = GR_TIMER_IDLE};
    if (most_ms > 0) {
        (void)gr_timers_add(&pool->timers, &timer); // without memory it is only shown
    }
}

// Its checkpoint file was touched. What was safe before stays safe, and nothing is before the
// attempt began.
static void hear_checkpoint(struct gr_pool *pool, const struct gr_engine_report *report)
{
    const struct gr_job *job = running_job(pool, report);
    int64_t now_ms = gr_pool_now(pool);
    int64_t since_ms = report->since_ms > now_ms ? now_ms : report->since_ms;
    if (job == NULL || job->began_ms == 0 || since_ms <= job->began_ms ||
        since_ms <= job->safe_ms) {
        return;
    }
    struct gr_event event = gr_decide_fact(pool->core, now_ms, GR_CHECKPOINTED);
    event.since_ms = since_ms;
    event.checkpointed.job = job->id;
    event.checkpointed.attempt = job->attempt;
    if (gr_core_check(pool->core, &event) == GR_REFUSED_NOTHING) {
        gr_pool_fact(pool, &event);
    }
}

// Whether a running job is this engine's to run.
static bool is_here(struct gr_pool *pool, const struct gr_job *job)
{
    struct gr_piece piece;
    uint32_t count = gr_core_job_pieces(pool->core, job->id, &piece, 1);
    return count > 0 && pool->nodes[piece.node].is_here;
}

// The engine has told all that it knows: what should run and is not known is ordered again. The
// order may have been lost with the daemon; doing it twice is doing it once.
static void hear_listed(struct gr_pool *pool)
{
    pool->engine_is_up = true;
    uint32_t cursor = 0;
    const struct gr_job *job;
    while ((job = gr_core_job_next(pool->core, &cursor)) != NULL) {
        const struct gr_live *live = gr_pool_live_find(pool, job->id);
        bool is_known = live != NULL && (live->is_known || live->is_sent);
        if (job->state != GR_JOB_RUNNING || !is_here(pool, job)) {
            continue;
        }
        if (!is_known && gr_pool_care_holds(pool, job->id)) {
            continue; // it has ended, and its devices are looked after
        }
        if (!is_known && job->began_ms == 0) {
            gr_pool_order_then(pool, GR_POOL_ORDER_START, job->id, job->attempt);
        } else if (!is_known) {
            // It ran, and its record is gone: the engine's directory was lost.
            struct gr_engine_report lost = {.type = GR_REPORT_LOST,
                                            .job = job->id,
                                            .attempt = job->attempt,
                                            .since_ms = gr_pool_now(pool),
                                            .text = "the engine does not know it any more"};
            hear_lost(pool, &lost);
            continue;
        }
        // Also of one that is known to run: the order may be lost that the daemon before was to
        // give.
        if (job->stop_why != GR_STOP_NOT) {
            gr_pool_order_then(pool, GR_POOL_ORDER_STOP, job->id, job->attempt);
        }
    }
    gr_pool_parts_listed(pool);
}

// The engine was away: what it is told again must not be taken for known.
static void hear_down(struct gr_pool *pool)
{
    pool->engine_is_up = false;
    for (uint32_t i = 0; i < pool->live_size; i++) {
        pool->live[i].is_known = pool->live[i].is_sent = false;
    }
}

static int hear_one(struct gr_pool *pool, const struct gr_engine_report *report, struct gr_err *err)
{
    // What an engine says is the world's: about a job that cannot be, nothing can be ordered.
    if (report->attempt > GR_SPEC_ATTEMPTS_MAX || report->job > JOB_MAX) {
        return 0;
    }
    switch (report->type) {
    case GR_REPORT_STARTED:
        hear_started(pool, report);
        return 0;
    case GR_REPORT_ENDED:
        hear_ended(pool, report);
        return 0;
    case GR_REPORT_REFUSED:
    case GR_REPORT_LOST:
    case GR_REPORT_UNKNOWN:
        hear_lost(pool, report);
        return 0;
    case GR_REPORT_IDLE:
        hear_idle(pool, report);
        return 0;
    case GR_REPORT_CHECKPOINT:
        hear_checkpoint(pool, report);
        return 0;
    case GR_REPORT_LISTED:
        hear_listed(pool);
        return 0;
    case GR_REPORT_DOWN:
        hear_down(pool);
        return 0;
    case GR_REPORT_UP:
        return pool->engine->ops->list(pool->engine, err);
    case GR_REPORT_PART_ENDED:
    case GR_REPORT_PART_STARTED:
    case GR_REPORT_PART_REFUSED:
        gr_pool_part_hear(pool, report);
        return 0;
    }
    return 0;
}

int gr_pool_hear(struct gr_pool *pool, struct gr_err *err)
{
    const char *code;
    const char *text;
    if (pool->engine == NULL) {
        return 0;
    }
    struct gr_engine_report reports[64];
    // Bounded a turn, so that requests are served between; what is left wakes the loop again.
    for (unsigned turn = 0; turn < 16 && gr_pool_refuses(pool, &code, &text) == 0; turn++) {
        int count = pool->engine->ops->poll(pool->engine, reports, 64, err);
        if (count < 0) {
            return count;
        }
        // One time for all of them, as they came together: two clocks are asked for it.
        pool->heard_ms = gr_pool_now(pool);
        int rc = 0;
        for (int i = 0; i < count && rc == 0; i++) {
            rc = hear_one(pool, &reports[i], err);
        }
        pool->heard_ms = 0;
        if (rc != 0) {
            return rc;
        }
        if (count < 64) {
            break;
        }
    }
    return 0;
}
