// The command line: finds the subcommand, runs it, turns its outcome into an exit code.
#pragma once

// Exit codes, the same for every subcommand.
enum gr_exit {
    GR_EXIT_OK = 0,        // done
    GR_EXIT_FAILED = 1,    // the work was tried and failed (a check did not hold, a disk was full)
    GR_EXIT_USAGE = 2,     // the command line or an input file is wrong
    GR_EXIT_NOT_FOUND = 3, // there is no such job, node, ...
    GR_EXIT_REFUSED = 4,   // a rule, or who asks, does not allow it
    GR_EXIT_NO_CAPACITY = 5, // there is no room for it now
    GR_EXIT_CONFLICT = 6,    // what it was meant for has changed, or is over
};

// Runs `granary ARGS...`. Reads argv, writes stdout and stderr, may block for as long as the
// subcommand works. Returns the exit code (enum gr_exit).
int gr_cli_main(int argc, char **argv);
