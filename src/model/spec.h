// A job's spec: what a submitter asks for, in full. Everything here is the submitter's word; what
// was decided about it is in the core's facts.
//
// Forms: YAML and JSON for people (codec/spec_json.h, codec/spec_yaml.h), bytes for the journal's
// aside and for engines (model/spec_bytes.h). A spec owns nothing: its texts lie in memory of
// whoever made it.
#pragma once

#include "model/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Arguments of a command; variables of an environment; secrets; jobs that a job waits for; all at
// most. Bytes of a job name, NUL included.
#define GR_SPEC_ARGS_MAX 4096
#define GR_SPEC_ENV_MAX 4096
#define GR_SPEC_SECRETS_MAX 64
#define GR_SPEC_AFTER_MAX 256
#define GR_SPEC_NAME_SIZE 128
// Supplementary groups at most.
#define GR_SPEC_GROUPS_MAX 256
// Elements of one array.
#define GR_SPEC_ARRAY_MAX 65536
// Bytes of a spec in its byte form, and of its JSON or YAML form.
#define GR_SPEC_BYTES_MAX ((size_t)1 << 20)
// Longest time limit, notice and grace: ten years, in milliseconds.
#define GR_SPEC_MS_MAX INT64_C(315360000000)
// Most attempts of a job.
#define GR_SPEC_ATTEMPTS_MAX 1000

// How a job that another waits for must end.
enum gr_after {
    GR_AFTER_OK = 0, // done
    GR_AFTER_FAILED, // ended otherwise than done
    GR_AFTER_ANY,    // ended
};
#define GR_AFTERS 3

// What makes a job be tried again; bits of gr_spec.requeue_on.
enum gr_requeue {
    GR_REQUEUE_FAILED = 1u << 0,  // the work failed by itself
    GR_REQUEUE_NODE = 1u << 1,    // the node or device failed, or the attempt was lost
    GR_REQUEUE_RECLAIM = 1u << 2, // the pool took the room back; no attempt is counted for it
    GR_REQUEUE_MOVE = 1u << 3,    // the pool wants it elsewhere; no attempt is counted for it
    // Not again, but on: tasks lost with their node or device are replaced while the others run.
    GR_REQUEUE_PART = 1u << 4,
};

// An array of texts.
struct gr_spec_texts {
    const char *const *items; // borrowed; NUL-terminated each
    uint32_t count;
};

// A job that this one waits for.
struct gr_spec_after {
    uint64_t job; // id; of an array: all its elements
    uint32_t how; // enum gr_after
    uint32_t reserved;
};

// A spec. A text that was not given is "". Zero means "not given" unless said otherwise.
struct gr_spec {
    const char *name;          // for people; need not be unique
    struct gr_spec_texts argv; // of each task; argv[0] is looked up in the job's PATH
    struct gr_spec_texts env;  // "NAME=VALUE", each name once
    // "NAME=FILE": read as the submitter on the node at the start, never stored anywhere.
    struct gr_spec_texts secrets;
    const char *directory; // working directory, absolute; "": a new one of the attempt
    const char *image;     // an OCI layout ("PATH" or "PATH:TAG") or bundle, absolute; "": none
    // Files for standard output and error: absolute or below `directory`, with patterns (%j job, %a
    // array index, %t task, %n attempt, %% a percent sign); "": the attempt's own. With `output`
    // alone, errors go to the same file.
    const char *output;
    const char *error;

    // Who asks, as the daemon found out; never taken from the submitter's own words.
    uint32_t uid, gid;
    uint32_t umask; // as the submitter's, 0..0777

    // What each task needs, and how many there are.
    const char *kind;        // "h20", "h100|h200" (model/kind.h); "" with devices == 0
    const char *class;       // of the pool's classes; "": none
    const char *domain;      // that its tasks share, "rack" or "rack:8"; model/domain.h
    uint32_t tasks;          // 1..GR_TASKS_MAX
    uint32_t devices;        // of each task
    uint32_t milli;          // of one device if devices == 1; 1000: whole
    uint32_t cpu_milli;      // 1/1000 of a cpu
    uint32_t memory_mib;     // 0: no limit and none counted
    uint32_t priority;       // 0..255, higher first
    uint32_t use;            // enum gr_use
    uint32_t attempts;       // at most; 1: not for reasons that count
    uint32_t requeue_on;     // bits, enum gr_requeue
    int64_t limit_ms;        // time limit of an attempt; 0: none
    uint32_t stop_signal;    // number; 15 by default
    uint32_t notice_signal;  // sent notice_ms before the time limit; 0: none
    int64_t notice_ms;       // see notice_signal
    int64_t grace_ms;        // between stop_signal and KILL
    uint32_t array_first;    // index of the first element
    uint32_t array_count;    // 0: no array
    uint32_t array_step;     // between indexes, >= 1
    uint32_t array_parallel; // elements that may wait or run at a time; 0: all

    const struct gr_spec_after *after; // borrowed
    uint32_t after_count;
};

// A spec with every default filled in and no command: one task, 1 cpu, no devices, 1 attempt,
// again if its room is taken back, signal TERM, grace 30 s, umask 022.
struct gr_spec gr_spec_default(void);

// NULL if the spec is well formed, else the name of the first field that is not, with one phrase
// about it in *ret_why. Static texts. Pure; looks at no file.
const char *gr_spec_wrong(const struct gr_spec *spec, const char **ret_why);
