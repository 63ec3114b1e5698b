// Jobs as lists and pages show them: columns, states, texts.
#pragma once

#include "base/text.h"
#include "cli/output.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The noun of job lists.
extern const struct gr_cli_noun gr_cli_jobs;

// The words for states, NULL-terminated: first those of jobs that go on. Static memory.
extern const char *const gr_cli_job_states[];

// Whether a job in this state has ended. An unknown word is taken for a state that goes on.
bool gr_cli_job_has_ended(const char *state);
// The style that shows the state.
enum gr_style gr_cli_job_style(const char *state);
// What the job asks for, in few words: "4 x 2 h20", "0.25 h20", "2 cpu". Returns `buffer`.
const char *gr_cli_job_asks(const json_t *job, char *buffer, size_t size);
// How an ended job ended, or why one that waits does not run; "" if there is nothing to say.
// Returns `buffer`.
const char *gr_cli_job_why(const json_t *job, char *buffer, size_t size);
// The exit code that a job's end stands for: its own, 128 and the signal, 0 if it is done, else 1.
int gr_cli_job_exit(const json_t *job);
// What to type next about the job; "" if nothing. Returns `buffer`.
const char *gr_cli_job_next(const json_t *job, char *buffer, size_t size);
