// Choosing variants of the catalogue by what a user asks for.
#pragma once

#include "base/err.h"
#include "base/options.h"
#include "model/catalogue.h"
#include "model/kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The catalogue and the kinds that name its variants. Caller's memory.
struct gr_cli_books {
    struct gr_catalogue catalogue; // all variants
    struct gr_kinds kinds;         // named sets of them
};

// Loads both; NULL stands for the file that comes with granary. If only the catalogue is another
// file, the kinds that come with granary are left out, because they name variants that it may lack.
// Returns 0 or -errno with nothing left behind. Blocks while reading.
int gr_cli_books_open(const char *file, const char *kinds_file, struct gr_cli_books *ret_books,
                      struct gr_err *err);

// Releases what was loaded.
void gr_cli_books_close(struct gr_cli_books *books);

// One limit on a fact. A variant of which the fact is unknown does not keep it.
struct gr_cli_bound {
    enum gr_fact fact; // what is limited
    bool is_max;       // at most the value; else at least
    bool given;        // false: no limit
    int64_t value;     // scaled as the fact
};

// What is asked for. Zeroed: everything, in the order of the file.
struct gr_cli_filter {
    struct gr_options_list vendors;    // any of these; none: all
    const char *name;                  // part of an id, name, model or architecture; NULL: any
    const char *kind;                  // a kind; NULL: any
    bool datacentre;                   // only those for data centres
    const struct gr_cli_bound *bounds; // all must be kept
    size_t bound_count;                // of bounds
    bool is_sorted;                    // by `sort`
    size_t sort;                       // index into gr_cli_sort_words
    bool reverse;                      // greatest first
};

// What variants can be ordered by, NULL-terminated. Static memory.
extern const char *const gr_cli_sort_words[];

// Chosen variants. Filled by gr_cli_choose, released by gr_cli_choice_done.
struct gr_cli_choice {
    uint16_t *variants;   // indexes into the catalogue, in the order to be shown
    size_t count;         // of variants
    size_t unknown_count; // left out only because a limited fact is unknown
};

// Whether anything but everything is asked for.
bool gr_cli_filter_is_used(const struct gr_cli_filter *filter);

// Chooses. -EINVAL if a vendor or kind does not exist, with the nearest one that does; -ENOMEM.
int gr_cli_choose(const struct gr_cli_books *books, const struct gr_cli_filter *filter,
                  struct gr_cli_choice *ret_choice, struct gr_err *err);

// Chooses by names of variants and kinds, in their order, each variant once. Errors as
// gr_cli_choose.
int gr_cli_choose_names(const struct gr_cli_books *books, char *const *names, size_t count,
                        struct gr_cli_choice *ret_choice, struct gr_err *err);

// Releases a choice.
void gr_cli_choice_done(struct gr_cli_choice *choice);
