// What the pool calls: the simulated engine's side of engine/engine.h. Orders are put on their way;
// see world.c for what becomes of them.
#include "parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct world *const world = &sim.world;

// Room and a connection for an order; NULL: not now.
static struct world_order *may_order(struct gr_err *err, int *ret_rc)
{
    *ret_rc = 0;
    if (!wrap_leaves()) {
        return NULL;
    }
    *ret_rc = gr_fail(err, -EAGAIN, "not now");
    if (!world->is_up || world->order_count == SIM_ORDERS) {
        return NULL;
    }
    if (world->is_rough && sim_chance(4)) {
        goal_reach("fault", FAULT_STREAM_FULL);
        return NULL;
    }
    *ret_rc = 0;
    struct world_order *order = &world->orders[world->order_count++];
    uint32_t delay_ms = world->is_rough ? sim_below(300) : 0;
    *order = (struct world_order){.due_ms = sim.true_ms + delay_ms};
    return order;
}

static int world_start(struct gr_engine *engine, const struct gr_engine_start *start,
                       struct gr_err *err)
{
    (void)engine;
    int rc;
    if (world->is_up && world->is_rough && !sim.is_dead && sim_chance(2)) {
        struct book_job *job = books_job(start->job);
        goal_reach("fault", FAULT_IMPOSSIBLE);
        if (job != NULL) {
            job->is_given_up = true;
        }
        return gr_fail(err, -EINVAL, "impossible in a simulated way");
    }
    struct world_order *order = may_order(err, &rc);
    if (order == NULL) {
        return rc;
    }
    order->type = ORDER_START;
    order->job = start->job;
    order->attempt = start->attempt;
    order->epoch = start->epoch;
    order->tasks = start->task_count_all;
    for (uint32_t t = 0; t < start->task_count; t++) {
        const struct gr_engine_task *task = &start->tasks[t];
        for (uint32_t d = 0; d < task->device_count; d++) {
            const char *address = start->devices[task->device_first + d].address;
            uint32_t device = strncmp(address, "pretend:", 8) == 0
                                  ? (uint32_t)strtoul(address + 8, NULL, 10)
                                  : SIM_DEVICES;
            if (device >= SIM_DEVICES || order->hold_count == SIM_DEVICES) {
                sim_wrong("an order names device %s", address);
            }
            order->holds[order->hold_count++] =
                (struct world_hold){.device = device, .milli = task->milli};
        }
    }
    books_order(ORDER_START, start->job, start->attempt, 0, 0);
    care_starts(start->job, start->attempt);
    sim_tell("  order: start %llu.%u", (unsigned long long)start->job, start->attempt);
    return 0;
}

static int order_about(enum world_order_type type, uint64_t job, uint32_t attempt, uint32_t epoch,
                       uint32_t signal, int64_t grace_ms, struct gr_err *err)
{
    int rc;
    struct world_order *order = may_order(err, &rc);
    if (order == NULL) {
        return rc;
    }
    order->type = type;
    order->job = job;
    order->attempt = attempt;
    order->epoch = epoch;
    order->signal = signal;
    order->grace_ms = grace_ms;
    books_order(type, job, attempt, signal, grace_ms);
    sim_tell("  order: %u of %llu.%u", (unsigned)type, (unsigned long long)job, attempt);
    return 0;
}

static int world_stop(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                      uint32_t signal, int64_t grace_ms, struct gr_err *err)
{
    (void)engine;
    return order_about(ORDER_STOP, job, attempt, epoch, signal, grace_ms, err);
}

static int world_signal(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                        uint32_t signal, struct gr_err *err)
{
    (void)engine;
    return order_about(ORDER_SIGNAL, job, attempt, epoch, signal, 0, err);
}

static int world_forget(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                        struct gr_err *err)
{
    (void)engine;
    return order_about(ORDER_FORGET, job, attempt, epoch, 0, 0, err);
}

static int world_list(struct gr_engine *engine, struct gr_err *err)
{
    (void)engine;
    (void)err;
    if (!wrap_leaves()) {
        return 0;
    }
    if (!world->is_up) {
        return 0; // when it is back it says so, and is asked again
    }
    // A new connection says its epoch first.
    world->epoch = world->hello_epoch > world->epoch ? world->hello_epoch : world->epoch;
    if (world->order_count == SIM_ORDERS) {
        sim_wrong("more orders than the simulator keeps");
    }
    world->orders[world->order_count++] =
        (struct world_order){.type = ORDER_LIST, .due_ms = sim.true_ms + sim_below(300)};
    return 0;
}

static int world_fd(const struct gr_engine *engine)
{
    (void)engine;
    return -1;
}

static int world_poll(struct gr_engine *engine, struct gr_engine_report *ret_reports, unsigned most,
                      struct gr_err *err)
{
    (void)engine;
    (void)err;
    if (sim.is_dead) {
        return 0;
    }
    unsigned count = 0;
    while (count < most && count < world->report_count &&
           world->reports[count].due_ms <= sim.true_ms) {
        ret_reports[count] = world->reports[count].report;
        count++;
    }
    world->report_count -= count;
    memmove(world->reports, world->reports + count, world->report_count * sizeof *world->reports);
    return (int)count;
}

static uint32_t world_can(const struct gr_engine *engine)
{
    (void)engine;
    return UINT32_MAX;
}

static void world_close(struct gr_engine *engine)
{
    (void)engine;
}

static const struct gr_engine_ops world_ops = {
    .name = "simulated",
    .start = world_start,
    .stop = world_stop,
    .signal = world_signal,
    .forget = world_forget,
    .list = world_list,
    .fd = world_fd,
    .poll = world_poll,
    .can = world_can,
    .close = world_close,
};

struct sim sim = {.world = {.engine = {.ops = &world_ops}}};
