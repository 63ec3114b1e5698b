// Starting a task as a process: everything between fork and the first instruction of its program.
//
// The child does all of it as the submitter, so that nothing is opened, read or executed with more
// rights than the submitter has. What goes wrong comes back as one line of text.
#pragma once

#include "base/err.h"
#include "engine/local/attempt.h"
#include "engine/local/cgroup.h"
#include "engine/local/environment.h"
#include "engine/local/person.h"
#include "model/spec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

// What a child says before its program begins. At most PIPE_BUF bytes: it arrives whole.
struct gr_process_word {
    uint32_t task;  // number within the gang
    int32_t code;   // 0: ready to execute, waits for the others; else a negative errno
    char text[256]; // NUL-terminated; "" if it is ready
};

// What the tasks of an attempt have in common. Borrowed.
struct gr_process_config {
    const struct gr_spec *spec;     // the job's
    const struct gr_person *person; // the submitter
    const char *work;               // the working directory's path
    int work_fd;                    // it, open; -1: the submitter opens it
    int words;                      // write end of a pipe (close-on-exec): struct gr_process_word
    int go[2];                // a pipe whose write end is closed when all may begin; -1: at once
    struct rlimit files;      // of open files, as it was before the launcher raised it
    int oom_adjust;           // see gr_process_oom_set
    bool may_gain_privileges; // set-user-ID programs work
};

// What is one task's own. Borrowed.
struct gr_process {
    struct gr_attempt_names names;
    struct gr_environment *environment; // without the secrets, which the child adds
    const struct gr_cgroup *group;      // NULL: none
    int output, error; // files of its own, open; -1: at the path that the spec says
};

// Forks and starts the task; returns its pid at once, or -errno with a text if it cannot fork. The
// child leads a session of its own. Its program has begun when it has said nothing and its end of
// `words` is closed.
pid_t gr_process_start(const struct gr_process_config *config, const struct gr_process *process,
                       struct gr_err *err);

// Sets how soon the kernel ends the calling process, and what it starts, when memory runs out: a
// task must not be as protected as its keeper. INT_MIN: leaves it as it is, as does a refusal.
void gr_process_oom_set(int adjust);

// Opens the file a task shall write to by the spec, with the rights of the calling process. Creates
// it with mode 0666 (the umask holds); empties it at the first attempt, and adds to it later.
// Returns a file descriptor or -errno with a text.
int gr_process_log_open(const struct gr_spec *spec, enum gr_attempt_stream stream,
                        const struct gr_attempt_names *names, const char *work, struct gr_err *err);
// Reads the spec's secrets with the rights of the calling process and sets them in the environment;
// a line end behind a secret is no part of it. Returns 0 or -errno with a text without any of them.
int gr_process_secrets_read(const struct gr_spec *spec, struct gr_environment *environment,
                            struct gr_err *err);
