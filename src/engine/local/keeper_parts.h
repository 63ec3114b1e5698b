// The inside of a keeper, for keeper*.c only.
#pragma once

#include "engine/local/attempt.h"
#include "engine/local/cgroup.h"
#include "engine/local/container.h"
#include "engine/local/environment.h"
#include "engine/local/keeper.h"
#include "engine/local/order.h"
#include "engine/local/person.h"
#include "engine/local/record.h"
#include "model/spec.h"
#include "model/spec_bytes.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>

// One task of the attempt.
struct keeper_task {
    pid_t pid;    // 0: not started
    bool is_over; // its main process ended and was reaped
    int status;   // as waitpid has it
    struct gr_cgroup *group;
    struct gr_container *container; // NULL: a process
    uint32_t part;                  // in which it was placed
    bool is_leaving;                // it was asked to end singly
    bool is_lost;                   // it has, and nothing of it is left
    int64_t kill_at_ms;             // monotonic; when leaving becomes killing
    int64_t part_ms;                // Unix time; when it was lost, or took its place
};

// All that a keeper knows.
struct keeper {
    const struct gr_keeper_config *config; // the launcher's
    struct gr_order order;
    struct gr_spec spec;
    struct gr_spec_room room;
    const struct gr_person *person; // the submitter: known, or in `found`
    struct gr_person found;
    struct gr_environment environment;
    char name[GR_ATTEMPT_NAME_SIZE]; // "JOB.ATTEMPT"
    char dir[PATH_MAX];              // the attempt's
    char work[PATH_MAX];             // working directory
    int dir_fd;                      // see dir
    int work_fd;                     // -1: the submitter opens it
    struct keeper_task *tasks;       // heap
    uint32_t task_count;
    uint32_t going;          // tasks started and not over
    struct gr_cgroup *group; // of the attempt; NULL: none

    struct gr_record_life life;
    struct gr_record_wish seen; // of the wish, what was done
    bool is_stopping;           // the stop signal was sent
    bool is_killing;            // KILL is sent, again and again, until nothing is left
    int64_t kill_at_ms;         // monotonic; when stopping becomes killing
    int64_t killing_ms;         // monotonic; when KILL was sent first
    int64_t task_failed;        // index of the task that failed first; -1: none
    uint32_t task_last;         // index of the task that ended last

    uint32_t part_orders; // of part_files.h, that were obeyed
    uint32_t leaving;     // tasks that were asked to end singly, and are not gone
    bool is_in_part;      // an order of them is being obeyed
    bool is_part_untold;  // how tasks stand could not be written
    char part_text[256];  // why a task did not start in its new place; ""

    uint64_t cpu_us;   // of all that was reaped
    uint64_t peak_kib; // largest of all that was reaped

    int64_t look_at_ms;   // monotonic; next look at what the tasks do; INT64_MAX: never
    int64_t moved_ms;     // Unix time; when their cpu time was last seen to move
    uint64_t look_cpu_ms; // their cpu time then
    bool is_idle_told;    // since they last moved
};

// Unix time and monotonic time in milliseconds.
int64_t gr_keeper_now_ms(void);
// See gr_keeper_now_ms.
int64_t gr_keeper_monotonic_ms(void);

// Reads the order and makes ready what all tasks share: directories, environment, groups. Returns 0
// or -errno with the text of the refusal.
int gr_keeper_prepare(struct keeper *keeper, struct gr_err *err);
// Starts all tasks or none. Returns 0 when the programs run; -errno with the text of the refusal,
// and something may be left to kill; -EINTR if it was stopped before they ran.
int gr_keeper_start(struct keeper *keeper, struct gr_err *err);

// Starts one task in the place of one that was lost. Returns 0 when its program runs; -errno with a
// text; -EINTR if the attempt was stopped meanwhile.
int gr_keeper_task_start(struct keeper *keeper, uint32_t index, struct gr_err *err);
// Does what was ordered about single tasks, if the attempt runs (keeper_tasks.c).
void gr_keeper_tasks_obey(struct keeper *keeper);
// Goes on ending single tasks. Returns when it is to be called again at the latest, monotonic;
// INT64_MAX: no need.
int64_t gr_keeper_tasks_step(struct keeper *keeper);
// Reads the wish, sends the signals that are new in it and begins to stop if it says so.
void gr_keeper_obey(struct keeper *keeper);
// Sends `signal` to every task that goes.
void gr_keeper_signal(struct keeper *keeper, int signal);
// Sends `signal`, and KILL to everything after `grace_ms`.
void gr_keeper_stop(struct keeper *keeper, uint32_t signal, int64_t grace_ms);
// Sends KILL to everything the attempt started; to be called until gr_keeper_reap says that nothing
// is left.
void gr_keeper_kill(struct keeper *keeper);
// Reaps what ended and remembers it. Returns whether a descendant is left.
bool gr_keeper_reap(struct keeper *keeper);

// A task that is a container (keeper_container.c): creates it, not yet started. Returns 0 or -errno
// with a text.
int gr_keeper_container_create(struct keeper *keeper, uint32_t index, int output, int error,
                               struct gr_err *err);
// Starts what was created.
int gr_keeper_container_start(const struct keeper_task *task, struct gr_err *err);
// Sends a signal to its first process, or to all.
void gr_keeper_container_kill(const struct keeper_task *task, int signal, bool all);
// What it used.
void gr_keeper_container_usage(const struct keeper_task *task, struct gr_cgroup_usage *ret_usage);
// Deletes it if there is one.
void gr_keeper_container_done(struct keeper_task *task);

// Looks whether the tasks still do something, if it is time, and tells of what became idle.
void gr_keeper_look(struct keeper *keeper);
// Says to the launcher that there is news.
void gr_keeper_hint_send(const struct keeper *keeper, uint32_t type, int64_t since_ms);
// Tells the launcher about the submitter, who had to be looked up.
void gr_keeper_person_send(const struct keeper *keeper);
// Fills in what the tasks used. To be called when all ended, before groups and containers go.
void gr_keeper_usage(const struct keeper *keeper, struct gr_record_end *end);
