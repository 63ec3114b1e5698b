// Single tasks of a running attempt that a keeper ends, and starts anew elsewhere while the others
// run on: see keeper_parts.h and part_files.h. The end of such a task is no end of the attempt, and
// it is told only when nothing of the task runs any more.
#include "engine/local/descendants.h"
#include "engine/local/keeper_parts.h"
#include "engine/local/part_files.h"
#include "engine/local/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

// How often KILL is sent to what does not end, and how often what could not be written is tried
// again.
#define KILL_AGAIN_MS 10
#define WRITE_AGAIN_MS 1000
// Exit status of a task that could not be started in the place of another.
#define STATUS_NOT_STARTED (127 << 8)

static uint32_t index_of(const struct keeper *keeper, uint32_t task)
{
    uint32_t index = 0;
    while (index < keeper->task_count && keeper->order.tasks[index].task != task) {
        index++;
    }
    return index;
}

// Tells the launcher how the tasks stand.
static void parts_tell(struct keeper *keeper)
{
    uint32_t count = 0;
    struct gr_err err;
    gr_err_init(&err);
    struct gr_part_entry *entries = calloc(keeper->task_count, sizeof *entries);
    for (uint32_t i = 0; entries != NULL && i < keeper->task_count; i++) {
        const struct keeper_task *task = &keeper->tasks[i];
        if (task->part > 0 || task->is_lost) {
            entries[count++] = (struct gr_part_entry){
                .task = keeper->order.tasks[i].task,
                .part = task->part,
                .state = task->is_lost ? GR_PART_ENDED : GR_PART_RUNS,
                .since_ms = task->part_ms,
            };
        }
    }
    keeper->is_part_untold =
        entries == NULL || gr_part_files_entries_write(keeper->dir_fd, entries, count, &err) != 0;
    free(entries);
    gr_keeper_hint_send(keeper, GR_KEEPER_HINT_PARTS, gr_keeper_now_ms());
}

// ---- ending
// ---------------------------------------------------------------------------------------

// Who is not of the task: another entry in the environment it was started with.
struct of_task {
    char marker[64];
};

static bool is_other(pid_t pid, void *context)
{
    const struct of_task *of = context;
    return !gr_descendants_is_marked(pid, of->marker);
}

// KILLs all of a task. Returns whether something of it was left.
static bool task_kill(const struct keeper *keeper, uint32_t index)
{
    const struct keeper_task *task = &keeper->tasks[index];
    struct of_task of;
    bool was_left = !task->is_over;
    if (!task->is_over && kill(-task->pid, SIGKILL) != 0) {
        (void)kill(task->pid, SIGKILL);
    }
    if (task->group != NULL) {
        (void)gr_cgroup_kill(task->group);
        was_left = gr_cgroup_is_populated(task->group) || was_left;
    }
    (void)snprintf(of.marker, sizeof of.marker, "GRANARY_TASK=%u", keeper->order.tasks[index].task);
    return gr_descendants_kill(is_other, &of) > 0 || was_left;
}

static void task_leave(struct keeper *keeper, const struct gr_wire_part *ask)
{
    uint32_t index = index_of(keeper, ask->task);
    if (index == keeper->task_count || ask->part < keeper->tasks[index].part) {
        return; // an old story
    }
    struct keeper_task *task = &keeper->tasks[index];
    task->part = ask->part;
    if (task->is_lost) {
        parts_tell(keeper);
    }
    if (task->is_over) {
        return; // by itself: nobody is to take its place
    }
    int64_t grace_ms = ask->ask.grace_ms < 0 ? 0 : ask->ask.grace_ms;
    int64_t kill_at_ms = gr_keeper_monotonic_ms() + grace_ms;
    if (!task->is_leaving || kill_at_ms < task->kill_at_ms) {
        task->kill_at_ms = kill_at_ms;
    }
    keeper->leaving += !task->is_leaving;
    task->is_leaving = true;
    if (kill(-task->pid, (int)ask->ask.signal) != 0) {
        (void)kill(task->pid, (int)ask->ask.signal);
    }
    (void)kill(-task->pid, SIGCONT);
}

// ---- starting
// -------------------------------------------------------------------------------------

// Takes a task's place, devices and node out of an order.
static int place_take(struct keeper *keeper, uint32_t index, const struct gr_engine_task *from,
                      const struct gr_device *devices)
{
    struct gr_engine_task *task = &keeper->order.tasks[index];
    uint32_t before = keeper->order.start.device_count;
    char *node = strdup(from->node);
    struct gr_device *all =
        realloc(keeper->order.devices,
                ((size_t)before + from->device_count + 1) * sizeof *keeper->order.devices);
    if (all != NULL) {
        keeper->order.devices = all;
        keeper->order.start.devices = all;
    }
    if (all == NULL || node == NULL) {
        free(node);
        return -ENOMEM;
    }
    if (from->device_count > 0) {
        memcpy(all + before, devices + from->device_first, from->device_count * sizeof *all);
    }
    keeper->order.start.device_count += from->device_count;
    *task = *from;
    task->device_first = before;
    task->node = node; // kept until the keeper ends
    return 0;
}

// A task that cannot start fails, and the others end as after any failure.
static void task_fails(struct keeper *keeper, uint32_t index, const struct gr_err *why)
{
    struct keeper_task *task = &keeper->tasks[index];
    (void)snprintf(keeper->part_text, sizeof keeper->part_text,
                   "task %u could not start in its new place: %.180s",
                   keeper->order.tasks[index].task, why->text);
    if (task->pid == 0) {
        task->is_over = true;
        task->status = STATUS_NOT_STARTED;
    }
    if (keeper->task_failed < 0) {
        keeper->task_failed = index;
        gr_keeper_stop(keeper, keeper->spec.stop_signal, keeper->spec.grace_ms);
    }
}

static void task_replace(struct keeper *keeper, const struct gr_order *order, uint32_t which)
{
    const struct gr_engine_task *from = &order->tasks[which];
    uint32_t index = index_of(keeper, from->task);
    if (index == keeper->task_count || from->part <= keeper->tasks[index].part ||
        !keeper->tasks[index].is_lost) {
        return; // it was started, or is not to be
    }
    struct keeper_task *task = &keeper->tasks[index];
    struct gr_err err;
    gr_err_init(&err);
    int code = place_take(keeper, index, from, order->devices);
    code = code != 0 ? gr_fail(&err, code, "no memory for it") : 0;
    *task = (struct keeper_task){.part = from->part, .part_ms = gr_keeper_now_ms()};
    code = code != 0 ? code : gr_keeper_task_start(keeper, index, &err);
    if (code != 0 && code != -EINTR) {
        task_fails(keeper, index, &err);
    }
}

static void order_obey(struct keeper *keeper, const uint8_t *body, size_t size)
{
    struct gr_order order;
    struct gr_err err;
    gr_err_init(&err);
    if (gr_order_decode(body, size, &order, &err) != 0) {
        return; // the daemon lists, and sees that it was not started
    }
    for (uint32_t i = 0; i < order.start.task_count && !keeper->is_stopping; i++) {
        task_replace(keeper, &order, i);
    }
    gr_order_done(&order);
    parts_tell(keeper);
}

// ---- what the loop calls
// --------------------------------------------------------------------------

void gr_keeper_tasks_obey(struct keeper *keeper)
{
    uint8_t *body = NULL;
    size_t size = 0;
    uint32_t type = 0;
    if (keeper->life.started_ms == 0 || keeper->is_in_part) {
        return;
    }
    keeper->is_in_part = true; // starting a task looks at wishes, too
    while (!keeper->is_stopping && gr_part_files_order_read(keeper->dir_fd, keeper->part_orders + 1,
                                                            &type, &body, &size) == 0) {
        struct gr_wire_part ask;
        keeper->part_orders++;
        if (type == GR_WIRE_PART_START) {
            order_obey(keeper, body, size);
        } else if (type == GR_WIRE_PART_STOP && size == sizeof ask) {
            memcpy(&ask, body, sizeof ask);
            task_leave(keeper, &ask);
        }
        free(body);
        body = NULL;
    }
    keeper->is_in_part = false;
}

int64_t gr_keeper_tasks_step(struct keeper *keeper)
{
    int64_t now_ms = gr_keeper_monotonic_ms();
    int64_t until_ms = keeper->is_part_untold ? now_ms + WRITE_AGAIN_MS : INT64_MAX;
    bool is_news = keeper->is_part_untold && !keeper->is_killing;
    for (uint32_t i = 0; keeper->leaving > 0 && i < keeper->task_count; i++) {
        struct keeper_task *task = &keeper->tasks[i];
        if (!task->is_leaving || task->is_lost) {
            continue;
        }
        // Whoever outlives the task's own process is not waited for.
        bool is_time = task->is_over || now_ms >= task->kill_at_ms;
        if (is_time && !task_kill(keeper, i)) {
            if (task->group != NULL) {
                gr_cgroup_remove(task->group);
                task->group = NULL;
            }
            task->is_leaving = false;
            keeper->leaving--;
            task->is_lost = true;
            task->part_ms = gr_keeper_now_ms();
            is_news = true;
            continue;
        }
        int64_t next_ms = is_time ? now_ms + KILL_AGAIN_MS : task->kill_at_ms;
        until_ms = next_ms < until_ms ? next_ms : until_ms;
    }
    if (is_news) {
        parts_tell(keeper);
    }
    return until_ms;
}
