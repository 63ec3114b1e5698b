// Waiting for jobs: what the daemon says as it happens, and only about the jobs that matter.
#pragma once

#include "base/err.h"
#include "client/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whom to wait for.
struct gr_cli_wait {
    struct gr_client *client; // borrowed
    const uint64_t *jobs;     // their numbers, growing
    size_t count;
    int64_t from;  // sequence from which events count: that of the submission; negative: look once
                   // at each job, and then at what comes
    int signals;   // from gr_cli_signals_open; -1: none
    void *context; // handed to the functions
    // Asked whenever something happened to a job, with what it is now. True: this one is waited for
    // no longer.
    bool (*is_enough)(void *context, const json_t *job);
    // Called when a signal came. Returns false to end at once.
    bool (*signal)(void *context, int number);
};

// Waits until every job is enough. Returns 0; 1 if `signal` said so; -errno with a text, as
// gr_client_send. Blocks.
int gr_cli_wait_run(const struct gr_cli_wait *wait, struct gr_err *err);
