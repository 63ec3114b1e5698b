// What starts and stops work at a site. Two streams: orders out, reports in. An engine never blocks
// its caller, and says what it can do.
//
// Orders carry job, attempt and epoch. Doing one twice is doing it once; an order of an older epoch
// than the engine has seen is refused. Reports may be lost while the daemon is down: after
// gr_engine_list they come again.
#pragma once

#include "base/err.h"
#include "device/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What an engine can do; bits.
enum gr_engine_can {
    GR_CAN_CHOOSE_NODE = 1u << 0,
    GR_CAN_CHOOSE_DEVICE = 1u << 1,
    GR_CAN_FRACTION = 1u << 2,
    GR_CAN_PUSH = 1u << 3, // reports come by themselves
    GR_CAN_FENCE = 1u << 4,
    GR_CAN_LOGS = 1u << 5,
    GR_CAN_CONTAINER = 1u << 6,
    GR_CAN_CPU_LIMIT = 1u << 7,
    GR_CAN_MEMORY_LIMIT = 1u << 8,
    GR_CAN_DEVICE_LIMIT = 1u << 9, // other devices cannot be opened, not only not seen
    GR_CAN_USERS = 1u << 10,       // runs work of users other than the daemon's own
    GR_CAN_KILL_TREE = 1u << 11,   // KILL reaches all that a job started, whatever it did
    GR_CAN_PART = 1u << 12,        // ends and starts tasks of a running attempt (processes)
};

// One task to start here.
struct gr_engine_task {
    uint32_t task;         // number within the gang
    uint32_t device_first; // into gr_engine_start.devices
    uint32_t device_count;
    uint32_t milli;      // of each device; 1000: whole
    uint32_t cpu_milli;  // 1/1000 of a cpu
    uint32_t memory_mib; // 0: no limit
    uint32_t part;       // 0: placed at the start of the attempt; else it replaces a lost one
    const char *node;    // name of the node, for the job's environment
};

// An order to start an attempt's tasks. Everything is borrowed during the call.
struct gr_engine_start {
    uint64_t job;            // id
    uint32_t attempt;        // of the job, from 1
    uint32_t epoch;          // of the writer who orders it
    uint64_t array;          // id of the array's first element; 0: none
    uint32_t array_index;    // of this element
    uint32_t task_count_all; // of the gang, at all sites
    const char *user;        // name of the submitter, for LOGNAME; "" if none
    const uint8_t *spec;     // model/spec_bytes form; the engine hands it on
    size_t spec_size;        // bytes
    const struct gr_engine_task *tasks;
    uint32_t task_count;
    const struct gr_device *devices; // those of all tasks, in the order of the tasks
    uint32_t device_count;
    const char *const *nodes; // names of all nodes of the gang, in the order of first tasks
    uint32_t node_count;
};

// What a report says.
enum gr_engine_report_type {
    GR_REPORT_STARTED =
        1,             // the first task's program runs, since `since_ms`; again: held-idle is over
    GR_REPORT_ENDED,   // all tasks ended
    GR_REPORT_REFUSED, // could not be started: `text` says why; nothing runs
    GR_REPORT_LOST,    // was started, and nobody knows how it ended (reboot, keeper killed)
    GR_REPORT_UNKNOWN, // gr_engine_stop or list asked for an attempt that was never started
    GR_REPORT_IDLE,    // held-idle: no process of it lives or has used cpu since `since_ms`
    GR_REPORT_LISTED,  // all attempts were reported after gr_engine_list
    GR_REPORT_DOWN,    // the engine cannot be reached; it tries again by itself
    GR_REPORT_UP,      // it is reached again
    GR_REPORT_CHECKPOINT,   // its work up to `since_ms` is safe: the checkpoint file was touched
    GR_REPORT_PART_ENDED,   // one task, `end.task` of `part`, ended as gr_engine_stop_part asked
    GR_REPORT_PART_STARTED, // its program runs in the place of a lost one
    GR_REPORT_PART_REFUSED, // tasks of this attempt cannot be ended singly
};

// How an attempt ended, of the task that failed first (or of the longest if none did).
struct gr_engine_end {
    int32_t exit_code;     // 0..255; 0 if ended by a signal
    uint32_t signal;       // 0: none
    uint32_t task;         // whose exit this is
    bool is_out_of_memory; // the memory limit killed it
    bool is_stopped;       // it ended after gr_engine_stop
    uint64_t cpu_ms;       // user and system time of all tasks
    uint64_t peak_kib;     // largest memory of one task, or of the whole by cgroup
};

// A report. `text` is NUL-terminated.
struct gr_engine_report {
    enum gr_engine_report_type type;
    uint64_t job;       // id; 0 for LISTED, DOWN, UP
    uint32_t attempt;   // of the job
    int64_t since_ms;   // when it happened, Unix time by the engine's clock
    int64_t started_ms; // ENDED: when the first task's program began
    uint32_t part;      // PART_*: in which the task was placed
    struct gr_engine_end end;
    char text[256];
};

struct gr_engine; // opaque: begins with a pointer to its gr_engine_ops

// The functions of an engine. All return at once.
struct gr_engine_ops {
    const char *name; // "local"
    // Hands an order over. -EAGAIN: the stream is full; try again after the next report. -EINVAL
    // with a text: this order can never be carried out (it was not handed over).
    int (*start)(struct gr_engine *engine, const struct gr_engine_start *start, struct gr_err *err);
    // Asks all tasks to end: `signal` now, KILL after `grace_ms`. An attempt that was never started
    // is reported GR_REPORT_UNKNOWN, and will not start any more.
    int (*stop)(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                uint32_t signal, int64_t grace_ms, struct gr_err *err);
    // Sends a signal to all tasks, nothing more (the notice before a limit).
    int (*signal)(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                  uint32_t signal, struct gr_err *err);
    // Asks one task of a running attempt to end, by its number and the part in which it was placed:
    // `signal` now, KILL of all that it started after `grace_ms`. The others run on, and its end
    // counts for nothing but GR_REPORT_PART_ENDED, which comes when nothing of it runs any more. A
    // task of a later part stays; one of an earlier part ends, and none of this part will start.
    // NULL without GR_CAN_PART.
    int (*stop_part)(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                     uint32_t task, uint32_t part, uint32_t signal, int64_t grace_ms,
                     struct gr_err *err);
    // Starts tasks of a running attempt in the place of lost ones, each at most once: those whose
    // part is later than that of the one which ended. One that cannot start ends the attempt, as
    // one that fails. NULL without GR_CAN_PART.
    int (*start_part)(struct gr_engine *engine, const struct gr_engine_start *start,
                      struct gr_err *err);
    // The end of an attempt is durable in the journal: its record may go (logs stay).
    int (*forget)(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                  struct gr_err *err);
    // Asks for a report on every attempt that the engine knows (STARTED, ENDED, REFUSED, LOST),
    // then GR_REPORT_LISTED. Of an attempt with parts also PART_ENDED or PART_STARTED of each task
    // that was ended singly, or replaced one.
    int (*list)(struct gr_engine *engine, struct gr_err *err);
    // A file descriptor that is readable when there are reports, and the reports: at most `most`.
    int (*fd)(const struct gr_engine *engine);
    // See fd. Returns how many, or -errno.
    int (*poll)(struct gr_engine *engine, struct gr_engine_report *ret_reports, unsigned most,
                struct gr_err *err);
    // What it can do, bits of enum gr_engine_can.
    uint32_t (*can)(const struct gr_engine *engine);
    // Lets go; running work goes on.
    void (*close)(struct gr_engine *engine);
};

// What every engine begins with.
struct gr_engine {
    const struct gr_engine_ops *ops; // static
};
