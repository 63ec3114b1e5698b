// Shows a list or a page once, or again whenever the daemon says that something changed.
//
// On a terminal the picture is drawn over the old one, without flicker. On a pipe the first picture
// is written whole, then only what changed: the rows of a list, the whole of a page.
#pragma once

#include "base/err.h"
#include "base/options.h"
#include "cli/output.h"
#include "cli/remote.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

// What is shown, and how it is had. All pointers but `context` are to static memory.
struct gr_cli_listing {
    const struct gr_cli_noun *noun; // of a list; NULL for a page
    void *context;                  // handed to the functions
    // Gets what is shown: an array of rows, or a page's object; the caller owns it. Errors as
    // gr_client_send.
    int (*fetch)(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err);
    // Writes a page for people to `terminal`. NULL for a list.
    void (*page)(void *context, const json_t *page, int64_t now_ms,
                 const struct gr_terminal *terminal);
    // For a list, writes what stands below the table; may be NULL.
    void (*foot)(void *context, const json_t *rows, const struct gr_terminal *terminal);
    // A row that left the list, as it is now, owned by the caller; NULL if there is nothing to say.
    // May itself be NULL.
    json_t *(*gone)(void *context, struct gr_client *client, const json_t *row);
    // Whether the page can never change any more; may be NULL.
    bool (*is_over)(void *context, const json_t *value);
    int refresh_ms; // asked for again after so long without an event; 0: never
};

// Shows it in the format, once or (`watch`) until it is over or a signal comes. Writes errors to
// standard error, and flushes standard output. Returns the exit code. Blocks.
int gr_cli_listing_run(const struct gr_cli_listing *listing, struct gr_cli_remote *remote,
                       enum gr_cli_output format, bool watch);

// One line of a table of options: --watch. `flag` is a pointer to a bool.
#define GR_CLI_WATCH_OPTION(flag)                                                                  \
    {                                                                                              \
        .name = "watch", .letter = 'w', .type = GR_OPTION_FLAG, .store = (flag),                   \
        .help = "Go on until Ctrl-C: drawn anew on a terminal whenever something changes; on a "   \
                "pipe only what changed is written."                                               \
    }

// The last lines of a list's table of options: --watch, -o and where the daemon is.
#define GR_CLI_LIST_OPTIONS(watch, format, remote)                                                 \
    GR_CLI_WATCH_OPTION(watch), GR_CLI_OUTPUT_OPTION(format), GR_CLI_REMOTE_OPTIONS(remote),       \
    {                                                                                              \
        .name = NULL                                                                               \
    }

struct gr_client_path;

// As gr_cli_fetch_list, of a list that comes in pages: all of them.
int gr_cli_fetch_pages(struct gr_client *client, const struct gr_client_path *path, const char *key,
                       json_t **ret_rows, struct gr_err *err);
// Gets an object and takes the list under `key` out of it; the caller owns *ret_rows. Errors as
// gr_client_get; -EPROTO if there is no such list.
int gr_cli_fetch_list(struct gr_client *client, const struct gr_client_path *path, const char *key,
                      json_t **ret_rows, struct gr_err *err);
