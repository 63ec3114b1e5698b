// What subcommands that speak to a daemon share: see remote.h.
#include "cli/remote.h"

#include "cli/start.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool gr_cli_remote_open(struct gr_cli_remote *remote, int *ret_exit)
{
    assert(remote->command != NULL && remote->client == NULL);
    struct gr_client_config config = {.server = remote->server, .token_file = remote->token_file};
    struct gr_err err;
    gr_err_init(&err);
    if (gr_client_open(&config, &remote->client, &err) < 0) {
        *ret_exit = gr_cli_remote_fail(remote, &err);
        return false;
    }
    return true;
}

int gr_cli_remote_run(struct gr_cli_remote *remote, const struct gr_options *options, int argc,
                      char **argv, int (*work)(void *context, char **operands, size_t count),
                      void *context)
{
    size_t operands;
    int code;
    if (!gr_cli_start(options, argc, argv, &operands, &code) ||
        !gr_cli_remote_open(remote, &code)) {
        return code;
    }
    code = work(context, argv + 1, operands);
    gr_cli_remote_close(remote);
    return code;
}

void gr_cli_remote_close(struct gr_cli_remote *remote)
{
    gr_client_close(remote->client);
    remote->client = NULL;
}

enum gr_exit gr_cli_exit_of(long status, const char *code)
{
    switch (status) {
    case 400:
    case 413:
        return GR_EXIT_USAGE;
    case 422:
        // What was asked for is well said, but this pool could never do it.
        return strcmp(code, "never") == 0 || strcmp(code, "nowhere") == 0 ||
                       strcmp(code, "rules") == 0
                   ? GR_EXIT_REFUSED
                   : GR_EXIT_USAGE;
    case 401:
    case 403:
    case 451:
        return GR_EXIT_REFUSED;
    case 404:
        return GR_EXIT_NOT_FOUND;
    case 409:
    case 412:
        return GR_EXIT_CONFLICT;
    case 503:
        return strcmp(code, "no-capacity") == 0 || strcmp(code, "no-room") == 0
                   ? GR_EXIT_NO_CAPACITY
                   : GR_EXIT_FAILED;
    default:
        return GR_EXIT_FAILED;
    }
}

// Without an answer it is either this machine or the command line that is at fault.
static enum gr_exit exit_without_answer(int code)
{
    switch (-code) {
    case EINVAL:
    case ENAMETOOLONG:
        return GR_EXIT_USAGE;
    case ENOENT:
        return GR_EXIT_NOT_FOUND;
    case EEXIST:
        return GR_EXIT_CONFLICT;
    default:
        return GR_EXIT_FAILED;
    }
}

int gr_cli_remote_fail(const struct gr_cli_remote *remote, const struct gr_err *err)
{
    assert(err->code < 0);
    static const struct gr_client_answer none = {0};
    const struct gr_client_answer *answer =
        remote->client == NULL ? &none : gr_client_answer(remote->client);
    const char *hint = answer->status == 0 || answer->error == err->code ? answer->hint : "";
    if (hint[0] == '\0' && err->code == -ECONNREFUSED) {
        hint = "granary serve";
    }
    (void)fflush(stdout);
    fprintf(stderr, "granary %s: %s\n", remote->command, err->text);
    if (hint[0] != '\0') {
        fprintf(stderr, "  next: %s\n", hint);
    }
    // The answer may be that of an earlier call, to which there was another way.
    return answer->status > 0 && answer->error == err->code
               ? gr_cli_exit_of(answer->status, answer->code)
               : exit_without_answer(err->code);
}

void gr_cli_remote_fail_line(const struct gr_cli_remote *remote, const char *name, uint64_t line,
                             const json_t *error)
{
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *field = json_string_value(json_object_get(error, "field"));
    bool is_named =
        field != NULL && field[0] != '\0' && (message == NULL || strstr(message, field) == NULL);
    struct gr_err err; // makes it safe to print
    (void)gr_fail(&err, -EINVAL, "%s:%" PRIu64 ": %s%s%s", name, line, is_named ? field : "",
                  is_named ? ": " : "", message == NULL ? "refused" : message);
    fprintf(stderr, "granary %s: %s\n", remote->command, err.text);
}
