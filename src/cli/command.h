// One subcommand: one file, one struct, one line in the table in cli.c.
#pragma once

// A subcommand. All pointers are to static memory.
struct gr_command {
    const char *name;    // the word after `granary`
    const char *summary; // at most 60 characters, for the list of commands
    // Runs it: argv[0] is the subcommand's name. Prints its own errors to stderr, one line each,
    // beginning with "granary NAME: ". Returns the exit code (enum gr_exit).
    int (*run)(int argc, char **argv);
};
