// How people name a job: its number, INDEX of an array (12_3), @last, or the beginning of its name.
#pragma once

#include "base/err.h"
#include "cli/remote.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

// For the help of commands that take one.
#define GR_CLI_REFERENCE_HELP                                                                      \
    "JOB is a number, ARRAY_INDEX for one element of an array (12_3), @last for the job you\n"     \
    "submitted last, or the beginning of a name that only one job has.\n"

// A job that was found.
struct gr_cli_job {
    uint64_t id;     // its number
    bool is_element; // named as one element of an array
    json_t *json;    // as the daemon describes it; the caller owns it
};

// Finds the job. -ENOENT if there is none; -EINVAL if the text is no reference or several jobs have
// a name that begins so; else as gr_client_send. Nothing is left behind on failure.
int gr_cli_job_find(struct gr_client *client, const char *text, struct gr_cli_job *ret_job,
                    struct gr_err *err);
// Releases what was found.
void gr_cli_job_done(struct gr_cli_job *job);
// Gets the job with this number. The caller owns *ret_json. As gr_client_get.
int gr_cli_job_get(struct gr_client *client, uint64_t id, json_t **ret_json, struct gr_err *err);

// Remembers for @last what was submitted from this terminal. Best effort: without a terminal or a
// home nothing is kept, and @last asks the daemon.
void gr_cli_last_set(const struct gr_client *client, uint64_t id);
// What was remembered for this terminal, session and daemon; 0: nothing.
uint64_t gr_cli_last_get(const struct gr_client *client);
