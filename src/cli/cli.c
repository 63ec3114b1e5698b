// The table of subcommands and the way into them: see cli.h.
#include "cli/cli.h"

#include "cli/catalogue.h"
#include "cli/command.h"
#include "cli/replay.h"
#include "cli/start.h"

#include <errno.h>
#include <stdbool.h>
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

static const struct gr_command *find_command(const char *name)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strcmp(name, commands[i]->name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

int gr_cli_main(int argc, char **argv)
{
    static char help[] = "--help";
    if (argc < 2) {
        usage(stderr);
        return GR_EXIT_USAGE;
    }
    bool is_help = strcmp(argv[1], help) == 0 || strcmp(argv[1], "help") == 0;
    if (is_help && argc == 2) {
        usage(stdout);
        return gr_cli_finish("help");
    }
    char *name = argv[is_help ? 2 : 1];
    const struct gr_command *command = find_command(name);
    if (command != NULL) {
        char *help_argv[] = {name, help, NULL};
        return is_help ? command->run(2, help_argv) : command->run(argc - 1, argv + 1);
    }
    struct gr_err err; // makes it safe to print
    (void)gr_fail(&err, -EINVAL, "there is no command '%s'; `granary help` lists them", name);
    fprintf(stderr, "granary: %s\n", err.text);
    return GR_EXIT_USAGE;
}
