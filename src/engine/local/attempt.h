// The files of an attempt, and where they are.
//
//     DIR/attempts/JOB.ATTEMPT/           0711, the engine's own: made once and never again
//         output.T  error.T               of task T, the submitter's, unless the spec names others
//         logs                            where they are if the spec does (struct gr_attempt_logs)
//         checkpoint                      0600, the submitter's: touched when work is safe
//         work/                           0700, the submitter's, if the spec names no directory
//         task-T/                         0700, the engine's: bundle of a container
//     DIR/live/JOB.ATTEMPT                0600: the record (record.h), until the attempt is
//                                         forgotten; locked by the keeper for as long as it lives
//
// Nobody but the engine can put anything into the attempt's directory itself.
#pragma once

#include "base/err.h"
#include "model/spec.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of "JOB.ATTEMPT", NUL included; the longest have 31.
#define GR_ATTEMPT_NAME_SIZE 32

// Writes "JOB.ATTEMPT" into ret_name (GR_ATTEMPT_NAME_SIZE bytes). Never fails.
void gr_attempt_name(uint64_t job, uint32_t attempt, char *ret_name);
// Reads what gr_attempt_name wrote, and nothing else (no signs, blanks, leading zeros). Returns 0
// or -EINVAL; then the results are untouched.
int gr_attempt_name_parse(const char *name, uint64_t *ret_job, uint32_t *ret_attempt);

// Which file a task writes to.
enum gr_attempt_stream {
    GR_ATTEMPT_OUTPUT = 1,
    GR_ATTEMPT_ERROR = 2,
};

// What the patterns of a file name stand for.
struct gr_attempt_names {
    uint64_t job;         // %j
    uint32_t attempt;     // %n
    uint32_t array_index; // %a
    uint32_t task;        // %t
    uint32_t
        part; // in which it was placed: only at the start of the first attempt files are emptied
};

// Where a task's output or error goes by the spec: its path with the patterns filled in (%% is a
// percent sign; any other pattern stays as it is), made absolute by `work`, the working directory.
// "" if it goes to the attempt's own file. An error that the spec does not name goes where the
// output goes, if the spec names that. Returns 0, or -ENAMETOOLONG with a text.
int gr_attempt_log_path(const struct gr_spec *spec, enum gr_attempt_stream stream,
                        const struct gr_attempt_names *names, const char *work,
                        char ret_path[PATH_MAX], struct gr_err *err);

// Remembers in the attempt's directory (open as `attempt_dir`) where its logs are, if the spec
// names places of its own; nothing otherwise. Returns 0 or -errno with a text.
int gr_attempt_logs_write(int attempt_dir, const struct gr_spec *spec,
                          const struct gr_attempt_names *names, const char *work,
                          struct gr_err *err);
// Where a task's output or error is, also when the attempt is over and forgotten: "output.T" or
// "error.T" below the attempt's directory, or an absolute path that the submitter chose and may
// have filled with links (then *ret_is_chosen). *ret_uid is the submitter's, known if it is chosen.
// Returns 0; -ENOENT if there is no such attempt; other -errno with a text.
int gr_attempt_logs_find(const char *dir, uint64_t job, uint32_t attempt, uint32_t task,
                         enum gr_attempt_stream stream, char ret_path[PATH_MAX],
                         bool *ret_is_chosen, uint32_t *ret_uid, struct gr_err *err);

// Name of a task's own file ("output.3") into ret_name (GR_ATTEMPT_NAME_SIZE bytes). Never fails.
void gr_attempt_log_name(enum gr_attempt_stream stream, uint32_t task, char *ret_name);
