// The table of subcommands and the way into them: see cli.h.
#include "cli/cli.h"

#include "base/words.h"
#include "cli/apply.h"
#include "cli/catalogue.h"
#include "cli/classes.h"
#include "cli/command.h"
#include "cli/devices.h"
#include "cli/engine.h"
#include "cli/events.h"
#include "cli/export.h"
#include "cli/journal.h"
#include "cli/logs.h"
#include "cli/nodes.h"
#include "cli/pool.h"
#include "cli/ps.h"
#include "cli/queue.h"
#include "cli/replay.h"
#include "cli/reserve.h"
#include "cli/run.h"
#include "cli/serve.h"
#include "cli/show.h"
#include "cli/start.h"
#include "cli/stop.h"
#include "cli/submit.h"
#include "cli/token.h"
#include "cli/top.h"
#include "cli/why.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { GROUP_MAX = 16, COMMANDS_MAX = 64 };

// The commands as the help lists them; each group ends with NULL.
static const struct {
    const char *title;
    const struct gr_command *commands[GROUP_MAX];
} groups[] = {
    {"work",
     {&gr_cli_submit, &gr_cli_run, &gr_cli_ps, &gr_cli_show, &gr_cli_why, &gr_cli_logs,
      &gr_cli_stop, &gr_cli_checkpoint}},
    {"the pool",
     {&gr_cli_serve, &gr_cli_journal, &gr_cli_backup, &gr_cli_restore, &gr_cli_pool, &gr_cli_top,
      &gr_cli_nodes, &gr_cli_devices, &gr_cli_queue, &gr_cli_quota, &gr_cli_share, &gr_cli_classes,
      &gr_cli_events, &gr_cli_engine}},
    {"for operators",
     {&gr_cli_apply, &gr_cli_cordon, &gr_cli_uncordon, &gr_cli_drain, &gr_cli_defrag,
      &gr_cli_reserve, &gr_cli_token}},
    {"without a pool", {&gr_cli_catalogue, &gr_cli_replay, &gr_cli_export}},
};
enum { GROUPS = sizeof groups / sizeof groups[0] };

static void usage(FILE *out)
{
    fprintf(out, "usage: granary COMMAND [ARGS]\n");
    for (size_t g = 0; g < GROUPS; g++) {
        fprintf(out, "\n%s:\n", groups[g].title);
        for (size_t i = 0; groups[g].commands[i] != NULL; i++) {
            const struct gr_command *command = groups[g].commands[i];
            fprintf(out, "  %-12s %s\n", command->name, command->summary);
        }
    }
    fprintf(out, "\n`granary COMMAND --help` explains one command; `granary --version` says which "
                 "release this is.\n");
}

static const struct gr_command *find_command(const char *name)
{
    for (size_t g = 0; g < GROUPS; g++) {
        for (size_t i = 0; groups[g].commands[i] != NULL; i++) {
            if (strcmp(name, groups[g].commands[i]->name) == 0) {
                return groups[g].commands[i];
            }
        }
    }
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[COMMANDS_MAX + 1] = {NULL};
    size_t count = 0;
    for (size_t g = 0; g < GROUPS; g++) {
        for (size_t i = 0; groups[g].commands[i] != NULL && count < COMMANDS_MAX; i++) {
            names[count++] = groups[g].commands[i]->name;
        }
    }
    const char *nearest = gr_words_nearest(gr_slice_of(name), names);
    struct gr_err err; // makes it safe to print
    (void)gr_fail(&err, -EINVAL, "there is no command '%s'%s%s%s; `granary help` lists them", name,
                  nearest == NULL ? "" : ", perhaps '", nearest == NULL ? "" : nearest,
                  nearest == NULL ? "" : "' is meant");
    fprintf(stderr, "granary: %s\n", err.text);
    return GR_EXIT_USAGE;
}

int gr_cli_main(int argc, char **argv)
{
    static char help[] = "--help";
    if (argc < 2) {
        usage(stderr);
        return GR_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("granary %s\n", GR_VERSION);
        return gr_cli_finish("--version");
    }
    bool is_help =
        strcmp(argv[1], help) == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0;
    if (is_help && argc == 2) {
        usage(stdout);
        return gr_cli_finish("help");
    }
    char *name = argv[is_help ? 2 : 1];
    const struct gr_command *command = find_command(name);
    if (command == NULL) {
        return unknown(name);
    }
    char *help_argv[] = {name, help, NULL};
    return is_help ? command->run(2, help_argv) : command->run(argc - 1, argv + 1);
}
