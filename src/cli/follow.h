// What a job writes, copied to standard output and standard error while it comes.
#pragma once

#include "base/err.h"
#include "client/client.h"

#include <stdbool.h>
#include <stdint.h>

// Tasks whose output can be followed at a time; each is a connection for each of its streams.
#define GR_CLI_FOLLOW_TASKS_MAX 32

// What is followed.
struct gr_cli_follow {
    struct gr_client *client; // borrowed
    uint64_t job;             // its number
    uint32_t attempt;         // 0: the newest
    uint32_t task_first;      // of the tasks
    uint32_t task_count; // at least 1, at most GR_CLI_FOLLOW_TASKS_MAX; several: lines begin with
                         // the task's number
    bool out, err;       // which streams
    int64_t from;        // bytes to skip; negative: not given
    bool is_followed;    // until the attempt has ended; else what is there now
    int signals;         // from gr_cli_signals_open; -1: none
    void *context;       // handed to `signal`
    // Called when a signal came. Returns false to end at once.
    bool (*signal)(void *context, int number);
};

// Copies until everything is ended. A connection that breaks is made again where it broke. Returns
// 0; 1 if `signal` said so; -errno with a text, as gr_client_send. Blocks.
int gr_cli_follow_run(const struct gr_cli_follow *follow, struct gr_err *err);
