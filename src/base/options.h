// The options of a subcommand, from one table: parsed strictly, and `--help` written from it.
//
// Taken: `--name VALUE`, `--name=VALUE`, `-x VALUE`, `-xVALUE`, `--` (only operands follow). A name
// must be given in full; an unknown one is answered with the nearest known one. An option given
// twice is an error unless it is a list. A separate value may not begin with `--`.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// Most values of one list option.
#define GR_OPTIONS_LIST_MAX 64

// Most options in one table.
#define GR_OPTIONS_MAX 64

// What gr_options_parse returns when `--help` or `-h` was asked for.
#define GR_OPTIONS_HELP 1

// What an option's value is, and to which type `store` points.
enum gr_option_type {
    GR_OPTION_FLAG,    // no value; bool
    GR_OPTION_TEXT,    // any text, not empty; const char *, borrowed from argv
    GR_OPTION_INT,     // a whole number from low to high; int64_t
    GR_OPTION_DECIMAL, // a decimal number scaled by 10^digits, low and high scaled too; int64_t
    GR_OPTION_WORD,    // one of words; size_t, its index
    GR_OPTION_LIST,    // any text, may be given again; struct gr_options_list
};

// The values of a list option, in the order given; borrowed from argv. Zero-initialise.
struct gr_options_list {
    size_t count; // of values
    const char *values[GR_OPTIONS_LIST_MAX];
};

// One option. All pointers but `store` and `given` are to static memory.
struct gr_option {
    const char *name; // without the dashes
    char letter;      // its short form, or 0
    enum gr_option_type type;
    const char *value;        // what the value is called in the help ("FILE"); NULL for a flag
    const char *help;         // one or more sentences; wrapped in the help; states the default
    void *store;              // set only if the option is given: holds the default before
    bool *given;              // set to true if the option is given; may be NULL
    int64_t low;              // for numbers: the smallest that is accepted
    int64_t high;             // and the largest
    unsigned digits;          // for GR_OPTION_DECIMAL
    const char *const *words; // for GR_OPTION_WORD, NULL-terminated
};

// A subcommand's command line. Pointers are to memory that outlives the call.
struct gr_options {
    const char *usage;               // what follows "usage: granary ", one line a form
    const char *about;               // a paragraph or several, separated by "\n\n"; wrapped
    const struct gr_option *options; // ended by one without a name
    const char *details;             // printed after the options as it is, or NULL
    size_t operands_min;             // how many operands there must be
    size_t operands_max;             // and how many there may be
    const char *operands;            // what they are, for errors: "a variant's name"
    bool operands_end;               // after the first operand only operands follow: a command line
};

// Parses argv[1..argc-1] and stores the values. Operands are moved, in order, to
// argv[1..*ret_operands]. Returns 0, GR_OPTIONS_HELP (nothing more was checked), or -EINVAL with a
// text that says what to do; then stored values are of no use.
int gr_options_parse(const struct gr_options *options, int argc, char **argv, size_t *ret_operands,
                     struct gr_err *err);

// Writes the help, at most 100 columns wide. Write errors are left to be found on `file`.
void gr_options_help(const struct gr_options *options, FILE *file);
