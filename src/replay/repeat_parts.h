// The parts of a repetition: what was recorded as a plan, the loop, the comparison. For repeat*.c
// only.
#pragma once

#include "codec/event_bytes.h"
#include "replay/repeat.h"

#include <stdbool.h>

// "None", of an index.
#define GR_REPEAT_NONE UINT32_MAX

// Something that comes.
struct gr_repeat_step {
    int64_t at_ms;      // when it was recorded
    uint64_t sequence;  // of its fact; of an ask: of the first decision
    size_t offset;      // of its fact among the bytes
    uint32_t attempt;   // of a step of an attempt: index
    uint32_t next;      // of the same attempt
    uint32_t decisions; // of an ask: how many were made
    uint8_t type;       // enum gr_event_type; 0: the core is asked
    bool is_end;        // of its attempt
};

// An attempt of a job.
struct gr_repeat_attempt {
    uint32_t job;         // index
    uint32_t number;      // 1, 2, ...
    uint32_t before;      // the attempt before it; index
    uint32_t first;       // its first step; index
    uint32_t last;        // and last
    uint32_t end;         // its end's step; index, or none
    int64_t placed_ms;    // when it started
    int64_t stop_ms;      // when it was first asked to stop by its user or for its room; -1: never
    bool stop_is_by_user; // and not for its room
};

// A job.
struct gr_repeat_job {
    uint64_t recorded; // its id in the recording
    uint64_t now;      // and in the repetition; 0: it is not there
    int64_t submit_ms; // `since` of its submission; INT64_MIN: before the recording
    uint32_t last;     // its last attempt; index
    bool is_started;   // in the log that is being written
};

// A recorded decision, to be made again.
struct gr_repeat_expected {
    size_t offset;     // of its fact
    uint64_t sequence; // of its fact
};

// What was recorded, in order.
struct gr_repeat_plan {
    const struct gr_recording *recording; // borrowed
    struct gr_event_room *room;           // for decoding
    struct gr_repeat_step *steps;         // in order of their facts
    size_t step_count, step_room;         // in use, allocated
    struct gr_repeat_attempt *attempts;   // in order of their starts
    size_t attempt_count, attempt_room;   // in use, allocated
    struct gr_repeat_job *jobs;           // in order of their ids
    size_t job_count, job_room;           // in use, allocated
    struct gr_repeat_expected *expected;  // in order
    size_t expected_count, expected_room; // in use, allocated
    struct gr_mask *masks;                // as the recording numbers them
    size_t mask_count, mask_room;         // in use, allocated
};

// Makes a larger array: room for one more after `count`. 0 or -ENOMEM; *array stays on failure.
int gr_repeat_grow(void *array, size_t count, size_t *room, size_t size, struct gr_err *err);
// Reads the recording's facts into a plan; `core` is as before the first. Writes the recorded log
// and applies all facts to the core. 0, -EINVAL, -ENOMEM.
int gr_repeat_plan_make(const struct gr_recording *recording, struct gr_core *core,
                        struct gr_repeat_plan *ret_plan, struct gr_repeat_log *log,
                        struct gr_err *err);
// Gives it back. Safe on a zeroed one.
void gr_repeat_plan_done(struct gr_repeat_plan *plan);
// Index of the job with this id in the recording; GR_REPEAT_NONE: none.
uint32_t gr_repeat_job_find(const struct gr_repeat_plan *plan, uint64_t recorded);
// Reads the fact at an offset. Its arrays are borrowed from the plan's room.
void gr_repeat_fact_get(const struct gr_repeat_plan *plan, size_t offset,
                        struct gr_event *ret_event);
// True for what the core decides by itself. A new mask may be either; it is not.
bool gr_repeat_is_decided(const struct gr_event *event);

// Adds a start, part or stop to a log. 0 or -ENOMEM.
int gr_repeat_log_add(struct gr_repeat_log *log, const struct gr_event *event, uint64_t job,
                      struct gr_err *err);
// Works out the figures of a log from its decisions and the core at the end. 0 or -ENOMEM.
int gr_repeat_log_end(const struct gr_repeat_plan *plan, const struct gr_core *core,
                      const struct gr_device_time *before, struct gr_repeat_log *log,
                      struct gr_err *err);
// Finds the differences of two logs. 0 or -ENOMEM.
int gr_repeat_compare(struct gr_repeat *repeat, struct gr_err *err);
