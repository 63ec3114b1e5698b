// Bulk submission: lines of JSON from a file or a pipe, sent in pieces of bounded size.
#pragma once

#include "base/err.h"
#include "client/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct gr_client_path;

// Bytes of one line at most, as the daemon takes them.
#define GR_CLIENT_LINE_MAX ((size_t)1 << 20)

// What to send, and who hears what became of it.
struct gr_client_bulk {
    const struct gr_client_path *path; // where to, with its query; borrowed
    int fd;                            // read to its end; borrowed
    const char *name;                  // of the file, for errors
    void *context;                     // handed to `each`
    // Called for each line in order: `line` is its number in the file, from 1; `reply` the daemon's
    // word on it ({"id"} or {"error"}), borrowed. Returns 0 to go on; anything else ends the
    // upload, and is what gr_client_bulk_send returns.
    int (*each)(void *context, uint64_t line, const json_t *reply, struct gr_err *err);
};

// Sends everything. Blank lines are skipped and counted. Returns 0 also if the daemon refused some
// lines: `each` was told. On an error lines before *ret_line were answered; from it on nothing is
// known. Errors as gr_client_send; -EFBIG for a line that is too long; what reading `fd` says.
int gr_client_bulk_send(struct gr_client *client, const struct gr_client_bulk *bulk,
                        uint64_t *ret_line, struct gr_err *err);
