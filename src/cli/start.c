// The beginning and the end of a subcommand: see start.h.
#include "cli/start.h"

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int gr_cli_fail(const char *command, const struct gr_err *err)
{
    assert(err->code < 0);
    fprintf(stderr, "granary %s: %s\n", command, err->text);
    switch (-err->code) {
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EPIPE:
    case EIO:
    case EBADF:
    case EPROTO:
        return GR_EXIT_FAILED;
    default:
        return GR_EXIT_USAGE;
    }
}

int gr_cli_finish(const char *command)
{
    struct gr_err err;
    gr_err_init(&err);
    if (gr_text_finish(stdout, "standard output", &err) < 0) {
        return gr_cli_fail(command, &err);
    }
    return GR_EXIT_OK;
}

size_t gr_cli_options_add(struct gr_option *table, size_t count, const struct gr_option *part,
                          size_t more)
{
    assert(count + more <= GR_OPTIONS_MAX);
    memcpy(table + count, part, more * sizeof *part);
    return count + more;
}

bool gr_cli_start(const struct gr_options *options, int argc, char **argv, size_t *ret_operands,
                  int *ret_exit)
{
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_options_parse(options, argc, argv, ret_operands, &err);
    if (code == GR_OPTIONS_HELP) {
        gr_options_help(options, stdout);
        *ret_exit = gr_cli_finish(argv[0]);
        return false;
    }
    if (code < 0) {
        *ret_exit = gr_cli_fail(argv[0], &err);
        return false;
    }
    return true;
}
