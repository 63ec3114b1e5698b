// A local engine in a folder of its own, for tests with real processes.
#pragma once

#include "engine/engine.h"
#include "engine/local.h"
#include "model/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Reports that a fixture remembers at most.
#define FIXTURE_REPORTS_MAX 20000
// How long anything may take before a test fails.
#define FIXTURE_WAIT_MS 60000

// The engine and what it said. Caller's memory.
struct fixture {
    char root[64]; // a temporary folder
    char dir[96];  // the engine's directory in it
    uint32_t epoch;
    int64_t idle_warn_ms;
    struct gr_engine *engine; // NULL: not open
    struct gr_engine_report *reports;
    size_t count;
    bool is_up;
};

// A job in the making. `spec` may be changed before it is started.
struct fixture_job {
    struct gr_spec spec;
    const char *argv[8];
    uint64_t id;
    uint32_t attempt;
    uint64_t array;
    uint32_t array_index;
    const struct gr_device *devices; // of each task
    uint32_t device_count;
};

// Makes the folder, starts a launcher, opens the engine. Fails the test if that fails.
void fixture_open(struct fixture *fixture);
// Ends every attempt that still runs, the launcher, and removes the folder.
void fixture_close(struct fixture *fixture);
// Closes the engine as a daemon that dies does, and opens it again with a newer epoch.
void fixture_reopen(struct fixture *fixture);

// A job that runs `sh -c SCRIPT` as the test's own user.
struct fixture_job fixture_script(uint64_t id, const char *script);
// Orders it. Returns what the engine said.
int fixture_start(struct fixture *fixture, const struct fixture_job *job, struct gr_err *err);
// Orders a script and expects no refusal of the order itself.
void fixture_run(struct fixture *fixture, uint64_t id, const char *script);

// Takes in reports that are there, waiting at most `wait_ms` for the first.
void fixture_poll(struct fixture *fixture, int wait_ms);
// Waits for a report of this type about the job. Fails the test after FIXTURE_WAIT_MS, or if
// another end came. Borrowed from the fixture until the next poll.
const struct gr_engine_report *fixture_await(struct fixture *fixture, uint64_t job,
                                             enum gr_engine_report_type type);
// How many reports of the type came about the job (0: any job).
size_t fixture_count(const struct fixture *fixture, uint64_t job, enum gr_engine_report_type type);
// Forgets the reports that came.
void fixture_clear(struct fixture *fixture);
// Asks for all reports again and waits until they are there.
void fixture_list(struct fixture *fixture);

// Contents of a file below the fixture's folder, or absolute, in static memory; "" if there is
// none.
const char *fixture_read(const struct fixture *fixture, const char *path);
// Contents of a task's output (stream 1) or error (2).
const char *fixture_output(const struct fixture *fixture, uint64_t job, uint32_t task,
                           unsigned stream);
// Waits until the file holds something, or `lines` lines.
void fixture_await_lines(const struct fixture *fixture, const char *path, size_t lines);
// Makes an empty file below the folder.
void fixture_touch(const struct fixture *fixture, const char *name);
// Waits until no process with this pid is there.
void fixture_await_gone(pid_t pid);
// Pid of the launcher, or of an attempt's keeper.
pid_t fixture_launcher(const struct fixture *fixture);
// See fixture_launcher.
pid_t fixture_keeper(const struct fixture *fixture, uint64_t job);
