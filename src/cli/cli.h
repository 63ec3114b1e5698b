// The command line: finds the subcommand, runs it, turns its outcome into an exit code.
#pragma once

// Exit codes, the same for every subcommand.
enum gr_exit {
    GR_EXIT_OK = 0,
    GR_EXIT_FAILED = 1, // the work was tried and failed (a check did not hold, a disk was full)
    GR_EXIT_USAGE = 2,  // the command line or an input file is wrong
};

// Runs `granary ARGS...`. Reads argv, writes stdout and stderr, may block for as long as the
// subcommand works. Returns the exit code (enum gr_exit).
int gr_cli_main(int argc, char **argv);
