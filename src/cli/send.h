// Sending the jobs of a command line, for `submit` and `run`.
#pragma once

#include "base/err.h"
#include "cli/ask.h"
#include "cli/remote.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

// What became of one job.
struct gr_cli_sent {
    uint64_t first, last; // numbers: of an array, of its first and last element; 0 in a dry run
    uint64_t sequence;    // at which it was submitted
    json_t *answer;       // the daemon's, with the job's name added; the caller owns it
};

// Sends them in order. `key` is the idempotency key, NULL for random ones; several jobs get /1, /2
// behind it. *ret_sent, which the caller ends with gr_cli_sent_done, holds *ret_count of them, on
// failure those before the one that failed. Errors as gr_cli_ask_body and gr_client_send.
int gr_cli_send(const struct gr_cli_ask *ask, struct gr_cli_remote *remote, const char *key,
                bool dry_run, struct gr_cli_sent **ret_sent, size_t *ret_count, struct gr_err *err);
// Releases the answers. NULL is allowed.
void gr_cli_sent_done(struct gr_cli_sent *sent, size_t count);
