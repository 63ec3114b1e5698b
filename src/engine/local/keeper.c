// A keeper's life: see keeper.h. It ends only when nothing is left of what it started and that is
// written down.
#include "engine/local/keeper.h"

#include "base/clock.h"
#include "engine/local/descendants.h"
#include "engine/local/keeper_parts.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// How often KILL is sent to what does not end.
#define KILL_AGAIN_MS 10
// After so long of killing, what is dead and cannot be reaped is given up.
#define CORPSE_MS 2000
// How often writing the end is tried again.
#define WRITE_AGAIN_MS 1000

int64_t gr_keeper_now_ms(void)
{
    return gr_clock_wall_ms();
}

int64_t gr_keeper_monotonic_ms(void)
{
    return gr_clock_ms();
}

void gr_keeper_hint_send(const struct keeper *keeper, uint32_t type, int64_t since_ms)
{
    struct gr_keeper_hint hint = {
        .job = keeper->order.start.job,
        .attempt = keeper->order.start.attempt,
        .type = type,
        .since_ms = since_ms,
    };
    // Nobody may be there to read it, or the pipe may be full: the launcher looks into records too.
    ssize_t count = write(keeper->config->hints, &hint, sizeof hint);
    (void)count;
}

void gr_keeper_person_send(const struct keeper *keeper)
{
    uint8_t bytes[sizeof(struct gr_keeper_hint) + GR_PERSON_BYTES_MAX];
    static_assert(sizeof bytes <= PIPE_BUF, "it must be written whole or not at all");
    struct gr_keeper_hint hint = {.type = GR_KEEPER_HINT_PERSON};
    size_t size = gr_person_pack(keeper->person, bytes + sizeof hint);
    hint.since_ms = (int64_t)size;
    memcpy(bytes, &hint, sizeof hint);
    if (size > 0) {
        ssize_t count = write(keeper->config->hints, bytes, sizeof hint + size);
        (void)count; // the next keeper looks it up again
    }
}

// ---- signals and stopping -----------------------------------------------------------------------

void gr_keeper_signal(struct keeper *keeper, int signal)
{
    for (uint32_t i = 0; i < keeper->task_count; i++) {
        const struct keeper_task *task = &keeper->tasks[i];
        if (task->pid == 0 || task->is_over) {
            continue;
        }
        if (task->container != NULL) {
            gr_keeper_container_kill(task, signal, false);
        } else if (kill(-task->pid, signal) != 0) {
            (void)kill(task->pid, signal); // not yet the leader of its own group
        }
    }
}

void gr_keeper_kill(struct keeper *keeper)
{
    keeper->killing_ms = keeper->is_killing ? keeper->killing_ms : gr_keeper_monotonic_ms();
    keeper->is_stopping = true;
    keeper->is_killing = true;
    for (uint32_t i = 0; i < keeper->task_count; i++) {
        const struct keeper_task *task = &keeper->tasks[i];
        if (task->container != NULL && !task->is_over) {
            gr_keeper_container_kill(task, SIGKILL, true);
        }
    }
    if (keeper->group != NULL) {
        (void)gr_cgroup_kill(keeper->group);
    }
    (void)gr_descendants_kill(NULL, NULL);
}

void gr_keeper_stop(struct keeper *keeper, uint32_t signal, int64_t grace_ms)
{
    int64_t kill_at_ms = gr_keeper_monotonic_ms() + (grace_ms < 0 ? 0 : grace_ms);
    if (!keeper->is_stopping || kill_at_ms < keeper->kill_at_ms) {
        keeper->kill_at_ms = kill_at_ms;
    }
    keeper->is_stopping = true;
    gr_keeper_signal(keeper, (int)signal);
    gr_keeper_signal(keeper, SIGCONT); // what was stopped must wake up to end in peace
}

void gr_keeper_obey(struct keeper *keeper)
{
    struct gr_record_wish wish;
    gr_record_wish_read(keeper->config->record, &wish);
    for (unsigned signal = 1; signal < GR_RECORD_SIGNALS; signal++) {
        if (wish.signals[signal] != keeper->seen.signals[signal] && keeper->life.started_ms != 0) {
            gr_keeper_signal(keeper, (int)signal);
        }
    }
    bool is_new = wish.stop_signal != 0 && (keeper->seen.stop_signal != wish.stop_signal ||
                                            keeper->seen.grace_ms != wish.grace_ms);
    keeper->seen = wish;
    if (is_new) {
        gr_keeper_stop(keeper, wish.stop_signal, wish.grace_ms);
    }
    gr_keeper_tasks_obey(keeper);
}

// ---- reaping ------------------------------------------------------------------------------------

static bool is_failure(int status)
{
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void task_ended(struct keeper *keeper, uint32_t index, int status)
{
    struct keeper_task *task = &keeper->tasks[index];
    task->is_over = true;
    task->status = status;
    keeper->going--;
    if (task->is_leaving) {
        return; // its end counts for nothing
    }
    keeper->task_last = index;
    if (keeper->task_failed < 0 && is_failure(status)) {
        keeper->task_failed = index;
        if (keeper->going > 0 && !keeper->is_stopping) {
            gr_keeper_stop(keeper, keeper->spec.stop_signal, keeper->spec.grace_ms);
        }
    }
}

bool gr_keeper_reap(struct keeper *keeper)
{
    for (;;) {
        struct rusage usage;
        int status = 0;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid <= 0) {
            return pid == 0;
        }
        keeper->cpu_us += (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                          (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
        if ((uint64_t)usage.ru_maxrss > keeper->peak_kib) {
            keeper->peak_kib = (uint64_t)usage.ru_maxrss;
        }
        for (uint32_t i = 0; i < keeper->task_count; i++) {
            if (keeper->tasks[i].pid == pid && !keeper->tasks[i].is_over) {
                task_ended(keeper, i, status);
                break;
            }
        }
    }
}

// Waits for a signal, at most until `until_ms` (monotonic).
static void wait_for_news(int64_t until_ms)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, GR_KEEPER_SIGNAL);
    if (until_ms == INT64_MAX) {
        (void)sigwaitinfo(&set, NULL);
        return;
    }
    int64_t left_ms = until_ms - gr_keeper_monotonic_ms();
    left_ms = left_ms < 0 ? 0 : left_ms;
    struct timespec timeout = {.tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000};
    (void)sigtimedwait(&set, NULL, &timeout);
}

// Whether all that is left is dead, and held back by a tracer outside of the attempt: what a user
// could hold devices with for ever. Those are given up; their tasks ended by the KILL.
static bool is_only_held_back(struct keeper *keeper)
{
    if (!keeper->is_killing || gr_keeper_monotonic_ms() - keeper->killing_ms < CORPSE_MS ||
        !gr_descendants_are_corpses()) {
        return false;
    }
    for (uint32_t i = 0; i < keeper->task_count; i++) {
        if (keeper->tasks[i].pid != 0 && !keeper->tasks[i].is_over) {
            task_ended(keeper, i, SIGKILL);
        }
    }
    return true;
}

// Goes on until nothing is left of the attempt.
static void wait_for_end(struct keeper *keeper)
{
    // The signal that says so may have been used up while the programs began.
    gr_keeper_obey(keeper);
    while (gr_keeper_reap(keeper) && !is_only_held_back(keeper)) {
        // Whoever outlives the tasks' own processes is not waited for.
        bool is_time = keeper->is_stopping && gr_keeper_monotonic_ms() >= keeper->kill_at_ms;
        if (keeper->going == 0 || is_time || keeper->is_killing) {
            gr_keeper_kill(keeper);
        }
        int64_t task_ms = gr_keeper_tasks_step(keeper);
        int64_t until_ms = keeper->is_killing    ? gr_keeper_monotonic_ms() + KILL_AGAIN_MS
                           : keeper->is_stopping ? keeper->kill_at_ms
                                                 : keeper->look_at_ms;
        wait_for_news(task_ms < until_ms ? task_ms : until_ms);
        gr_keeper_obey(keeper);
        gr_keeper_look(keeper);
    }
}

// ---- the end ------------------------------------------------------------------------------------

// Writes the end down; if the disk does not take it, waits until it does: whoever holds the answer
// must not go.
static void end_write(struct keeper *keeper, const struct gr_record_end *end)
{
    struct gr_err err;
    gr_err_init(&err);
    while (gr_record_end_write(keeper->config->record, end, &err) != 0) {
        wait_for_news(gr_keeper_monotonic_ms() + WRITE_AGAIN_MS);
    }
}

static void refuse(struct keeper *keeper, const struct gr_err *why)
{
    struct gr_record_end end = {.type = GR_REPORT_REFUSED, .ended_ms = gr_keeper_now_ms()};
    (void)snprintf(end.text, sizeof end.text, "%.255s", why->text);
    end_write(keeper, &end);
}

// Stopped before its programs ran: ended by the signal that stopped it.
static void stopped_early(struct keeper *keeper)
{
    struct gr_record_end end = {
        .type = GR_REPORT_ENDED,
        .ended_ms = gr_keeper_now_ms(),
        .started_ms = gr_keeper_now_ms(),
        .signal = keeper->seen.stop_signal,
        .is_stopped = true,
    };
    end_write(keeper, &end);
}

static void ended(struct keeper *keeper)
{
    uint32_t index = keeper->task_failed >= 0 ? (uint32_t)keeper->task_failed : keeper->task_last;
    int status = keeper->tasks[index].status;
    struct gr_record_end end = {
        .type = GR_REPORT_ENDED,
        .ended_ms = gr_keeper_now_ms(),
        .started_ms = keeper->life.started_ms,
        .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
        .signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0,
        .task = keeper->order.start.tasks[index].task,
        .is_stopped = keeper->seen.stop_signal != 0,
    };
    gr_keeper_usage(keeper, &end);
    end.is_out_of_memory = end.is_out_of_memory && is_failure(status);
    memcpy(end.text, keeper->part_text, sizeof end.text);
    end_write(keeper, &end);
}

// Takes away what the attempt needed only while it ran.
static void clean_up(struct keeper *keeper)
{
    for (uint32_t i = 0; i < keeper->task_count; i++) {
        gr_keeper_container_done(&keeper->tasks[i]);
        if (keeper->tasks[i].group != keeper->group) {
            gr_cgroup_release(keeper->tasks[i].group);
        }
    }
    if (getppid() == keeper->config->launcher) {
        gr_cgroup_remove(keeper->group);
    } else {
        gr_cgroup_remove_last(keeper->group);
    }
}

static void name_set(const struct keeper *keeper)
{
    char name[GR_ATTEMPT_NAME_SIZE + 8];
    (void)snprintf(name, sizeof name, "keep %s", keeper->name);
    (void)prctl(PR_SET_NAME, name); // cut to 15 bytes by the kernel
}

_Noreturn void gr_keeper_run(const struct gr_keeper_config *config)
{
    static struct keeper keeper; // half a megabyte, touched as far as it is used
    static struct gr_err err;
    keeper.config = config;
    keeper.dir_fd = -1;
    keeper.work_fd = -1;
    keeper.task_failed = -1;
    keeper.look_at_ms = INT64_MAX;
    keeper.life.pid = getpid();
    gr_err_init(&err);
    (void)setsid();
    int code = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 ? 0 : gr_fail_errno(&err, "become subreaper");
    code = code != 0 ? code : gr_keeper_prepare(&keeper, &err);
    if (code == 0) {
        // So that a launcher that has not seen us begin can wake us.
        code = gr_record_life_write(config->record, &keeper.life, &err);
        name_set(&keeper);
    }
    if (code == 0) {
        code = gr_keeper_start(&keeper, &err);
    }
    if (code != 0) {
        gr_keeper_kill(&keeper);
    }
    wait_for_end(&keeper);
    if (code == -EINTR) {
        stopped_early(&keeper);
    } else if (code != 0) {
        refuse(&keeper, &err);
    } else {
        ended(&keeper);
    }
    clean_up(&keeper);
    _exit(0);
}
