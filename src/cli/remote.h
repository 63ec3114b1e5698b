// What every subcommand that speaks to a daemon shares: its options, its connection, its failures.
#pragma once

#include "base/err.h"
#include "base/options.h"
#include "cli/cli.h"
#include "client/client.h"

#include <stdbool.h>

// The connection of a subcommand. Zero-initialise; filled by the options.
struct gr_cli_remote {
    const char *command;      // "submit"; static
    const char *server;       // --server
    const char *token_file;   // --token-file
    struct gr_client *client; // NULL until gr_cli_remote_open
};

// Two lines of a table of options: where the daemon is. `remote` is a pointer.
#define GR_CLI_REMOTE_OPTIONS(remote)                                                              \
    {.name = "server",                                                                             \
     .type = GR_OPTION_TEXT,                                                                       \
     .value = "ADDRESS",                                                                           \
     .store = &(remote)->server,                                                                   \
     .help = "The daemon: unix:PATH or http://HOST:PORT. Default: $GRANARY_SERVER, else your own " \
             "daemon's socket, else root's."},                                                     \
    {                                                                                              \
        .name = "token-file", .type = GR_OPTION_TEXT, .value = "FILE",                             \
        .store = &(remote)->token_file,                                                            \
        .help = "Holds the token for http. Default: $GRANARY_TOKEN."                               \
    }

// One line of a table of options: nothing is done, only said. `flag` is a pointer to a bool.
#define GR_CLI_DRY_RUN_OPTION(flag)                                                                \
    {                                                                                              \
        .name = "dry-run", .type = GR_OPTION_FLAG, .store = (flag),                                \
        .help = "Say what would happen, and do nothing."                                           \
    }

// Makes the connection ready. True: go on, and end with gr_cli_remote_close. False: the command is
// over with *ret_exit; what to do was written to standard error.
bool gr_cli_remote_open(struct gr_cli_remote *remote, int *ret_exit);
// Runs a subcommand that speaks to a daemon: parses the options, makes the connection ready, hands
// the operands to `work` with `context`, closes the connection. Returns the exit code, work's if it
// came to that.
int gr_cli_remote_run(struct gr_cli_remote *remote, const struct gr_options *options, int argc,
                      char **argv, int (*work)(void *context, char **operands, size_t count),
                      void *context);
// Closes it. May be called without an open one.
void gr_cli_remote_close(struct gr_cli_remote *remote);

// Writes what went wrong to standard error, in one line, and what to type next, if that is known,
// in a second one. Returns the exit code that suits it.
int gr_cli_remote_fail(const struct gr_cli_remote *remote, const struct gr_err *err);
// The exit code for an HTTP status and the code of an answer.
enum gr_exit gr_cli_exit_of(long status, const char *code);
// As gr_cli_remote_fail, of an {"error": ...} inside a reply, which stands for line `line` of the
// file `name`.
void gr_cli_remote_fail_line(const struct gr_cli_remote *remote, const char *name, uint64_t line,
                             const json_t *error);
