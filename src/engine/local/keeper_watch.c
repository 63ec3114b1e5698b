// Whether an attempt's processes still do something, and what they used: see keeper_parts.h.
//
// Held-idle: devices are held, and no process has used cpu for so long that nobody can be at work,
// or all are stopped. One look a minute, and oftener only if the warning is to come sooner.
#include "engine/local/descendants.h"
#include "engine/local/keeper_parts.h"

#include <stdint.h>

#define LOOK_MS_MAX 60000
#define LOOK_MS_MIN 50
// Cpu time that counts as movement: one tick of what /proc tells.
#define MOVE_MS 10

static uint64_t cpu_now_ms(const struct keeper *keeper, bool *ret_any_goes)
{
    uint64_t cpu_ms = 0;
    gr_descendants_usage(&cpu_ms, ret_any_goes);
    // What was reaped meanwhile counts on; a control group knows of all.
    cpu_ms += keeper->cpu_us / 1000;
    struct gr_cgroup_usage usage = {0};
    if (keeper->group != NULL) {
        gr_cgroup_usage_get(keeper->group, &usage);
    }
    return usage.has_cpu ? usage.cpu_ms : cpu_ms;
}

static void idle_tell(struct keeper *keeper)
{
    struct gr_err err;
    gr_err_init(&err);
    keeper->is_idle_told = true;
    keeper->life.idle_ms = keeper->moved_ms;
    (void)gr_record_life_write(keeper->config->record, &keeper->life, &err);
    gr_keeper_hint_send(keeper, GR_REPORT_IDLE, keeper->moved_ms);
}

static void moved(struct keeper *keeper, uint64_t cpu_ms)
{
    keeper->moved_ms = gr_keeper_now_ms();
    keeper->look_cpu_ms = cpu_ms;
    if (keeper->is_idle_told) {
        struct gr_err err;
        gr_err_init(&err);
        keeper->is_idle_told = false;
        keeper->life.idle_ms = 0;
        (void)gr_record_life_write(keeper->config->record, &keeper->life, &err);
        gr_keeper_hint_send(keeper, GR_REPORT_STARTED, keeper->life.started_ms);
    }
}

void gr_keeper_look(struct keeper *keeper)
{
    int64_t now_ms = keeper->look_at_ms == INT64_MAX ? 0 : gr_keeper_monotonic_ms();
    int64_t warn_ms = keeper->config->idle_warn_ms;
    if (keeper->look_at_ms == INT64_MAX || now_ms < keeper->look_at_ms || keeper->is_stopping) {
        return;
    }
    bool is_first = keeper->look_at_ms == 0;
    int64_t every_ms = warn_ms / 4;
    every_ms = every_ms > LOOK_MS_MAX   ? LOOK_MS_MAX
               : every_ms < LOOK_MS_MIN ? LOOK_MS_MIN
                                        : every_ms;
    keeper->look_at_ms = now_ms + every_ms;
    if (is_first) {
        return; // it has just begun
    }
    bool any_goes = true;
    uint64_t cpu_ms = cpu_now_ms(keeper, &any_goes);
    if (cpu_ms >= keeper->look_cpu_ms + MOVE_MS && any_goes) {
        moved(keeper, cpu_ms);
    } else if (gr_keeper_now_ms() - keeper->moved_ms >= warn_ms) {
        idle_tell(keeper);
    }
}

void gr_keeper_usage(const struct keeper *keeper, struct gr_record_end *end)
{
    uint64_t cpu_ms = 0;
    uint64_t peak_kib = 0;
    bool has_cpu = true;
    bool has_peak = true;
    for (uint32_t i = 0; i < keeper->task_count; i++) {
        const struct keeper_task *task = &keeper->tasks[i];
        struct gr_cgroup_usage usage = {0};
        if (task->container != NULL) {
            gr_keeper_container_usage(task, &usage);
        } else if (task->group != NULL) {
            gr_cgroup_usage_get(task->group, &usage);
        }
        has_cpu = has_cpu && usage.has_cpu;
        has_peak = has_peak && usage.has_peak;
        cpu_ms += usage.cpu_ms;
        peak_kib = usage.peak_kib > peak_kib ? usage.peak_kib : peak_kib;
        end->is_out_of_memory = end->is_out_of_memory || usage.out_of_memory > 0;
    }
    end->cpu_ms = has_cpu ? cpu_ms : (keeper->cpu_us + 999) / 1000;
    end->peak_kib = has_peak ? peak_kib : keeper->peak_kib;
}
