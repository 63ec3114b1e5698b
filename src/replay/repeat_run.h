// A repetition in progress. For repeat.c and repeat_facts.c only.
#pragma once

#include "replay/repeat_parts.h"

// What comes to an attempt that was started in the repetition.
struct gr_repeat_coming {
    int64_t at_ms;   // when
    uint64_t order;  // of its fact in the recording: breaks ties
    uint64_t job;    // id in the repetition
    uint32_t number; // of the attempt; if the job is at another by then, nothing comes
    uint32_t step;   // index; none: an end that was not recorded
    bool is_natural; // an end that comes only if the attempt was not asked to stop for its room
};

// The loop's own.
struct gr_repeat_run {
    struct gr_repeat_plan *plan;           // borrowed
    const struct gr_repeat_config *config; // borrowed
    struct gr_repeat *repeat;              // borrowed; the repeated log is written
    struct gr_core *core;                  // owned
    struct gr_core_config core_config;     // how it decides
    struct gr_piece *pieces;               // [GR_TASKS_MAX]
    struct gr_repeat_coming *coming;       // a heap: the earliest first
    size_t coming_count, coming_room;      // in use, allocated
    struct gr_repeat_id {                  // ids of the repetition, ascending
        uint64_t now;                      // the id
        uint32_t job;                      // index
    } * ids;
    size_t id_count, id_room; // in use, allocated
    size_t expect;            // the next decision that was recorded
    int64_t now_ms;           // of the last thing that happened
    bool is_exact;            // all was decided as recorded so far
    bool is_dirty;            // something happened since the core was asked
};

// Adds to what comes. 0 or -ENOMEM.
int gr_repeat_come(struct gr_repeat_run *run, struct gr_repeat_coming coming, struct gr_err *err);
// Checks and applies a fact; what is refused is left out, and nothing is exact from then on. 0 or
// -ENOMEM.
int gr_repeat_apply(struct gr_repeat_run *run, const struct gr_event *event, struct gr_err *err);
// From here on nothing is as recorded: in place of the fact with this sequence there is the event
// (NULL: nothing).
void gr_repeat_part_ways(struct gr_repeat_run *run, uint64_t sequence,
                         const struct gr_event *event);
// True if a fact is, byte for byte, the recorded one at an offset.
bool gr_repeat_is_recorded(const struct gr_repeat_run *run, const struct gr_event *event,
                           size_t offset);
// Index of the job with this id in the repetition; GR_REPEAT_NONE: none.
uint32_t gr_repeat_job_now(const struct gr_repeat_run *run, uint64_t now);

// --- repeat_facts.c: what comes from outside

// A fact that comes at its time. 0, -ENOMEM, or errors of gr_core_load.
int gr_repeat_outside(struct gr_repeat_run *run, const struct gr_repeat_step *step,
                      struct gr_err *err);
// A fact that comes with an attempt. 0 or -ENOMEM.
int gr_repeat_inside(struct gr_repeat_run *run, const struct gr_repeat_coming *coming,
                     struct gr_err *err);
// An attempt has begun: what comes to it. 0 or -ENOMEM.
int gr_repeat_begun(struct gr_repeat_run *run, const struct gr_event *event, struct gr_err *err);
// An attempt was asked to stop: when it ends. 0 or -ENOMEM.
int gr_repeat_stopped(struct gr_repeat_run *run, const struct gr_event *event, struct gr_err *err);
// What comes to the attempts that ran before the first fact. 0 or -ENOMEM.
int gr_repeat_begin(struct gr_repeat_run *run, struct gr_err *err);
