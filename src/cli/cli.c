// The table of subcommands and the way into them: see cli.h.
#include "cli/cli.h"

#include "cli/catalogue.h"
#include "cli/command.h"
#include "cli/replay.h"
#include "cli/start.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct gr_command *const commands[] = {
    &gr_cli_catalogue,
    &gr_cli_replay,
    NULL,
};

static void usage(FILE *out)
{
    fprintf(out, "usage: granary COMMAND [ARGS]\n\ncommands:\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out, "\n`granary COMMAND --help` explains one command.\n");
}

int gr_cli_main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return GR_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return gr_cli_finish("help");
    }
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strcmp(argv[1], commands[i]->name) == 0) {
            return commands[i]->run(argc - 1, argv + 1);
        }
    }
    struct gr_err err; // makes it safe to print
    (void)gr_fail(&err, -EINVAL, "there is no command '%s'; `granary help` lists them", argv[1]);
    fprintf(stderr, "granary: %s\n", err.text);
    return GR_EXIT_USAGE;
}
