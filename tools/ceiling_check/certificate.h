// A ceiling's certificate, as read from its file. The format is in docs/formats/certificate.md.
//
// This program shares no code with granary, on purpose: whoever trusts a ceiling has to trust only
// the files in this folder. Integers only, libc only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Limits of the format.
enum {
    NODE_TYPES_MAX = 256,
    DEMANDS_MAX = 4096,
    CUTS_MAX = 256,
    DEVICES_MAX = 16,
    STEPS_MAX = 4000, // cpu of a node in its units
    NODES_MAX = 1000000,
};
#define AMOUNT_MAX (UINT64_C(1) << 40) // cpu, memory, counts, events, beta
#define DUAL_MAX (UINT64_C(1) << 50)   // duals, and limits of cuts
#define SCALE_MAX (UINT64_C(1) << 20)

// Nodes that are alike, with the duals of the type.
struct node_type {
    uint64_t model, devices, cpu, memory, count;
    int64_t unit, mu, z;
};

// Demands that are alike: how many had arrived, summed over the events, and the dual.
struct demand {
    uint64_t devices, milli, cpu, memory, models, count;
    int64_t y;
};

// What is placed of the demands that dominate the pivot, in milli, less beta for each pivot placed,
// is at most limit. kind 0: all of them; 1: those below 1000 milli; 2: those of 1000 milli.
struct cut {
    uint64_t pivot, kind;
    int64_t beta, limit, price;
};

// A whole file. The arrays are heap memory, given back by certificate_done.
struct certificate {
    int type_count, demand_count, cut_count;
    int64_t event_count, scale;
    int64_t bound; // milli
    struct node_type *types;
    struct demand *demands;
    struct cut *cuts;
};

// Why something was refused: one line.
struct reason {
    char text[240];
};

// Writes a reason. Returns false, for `return refuse(...)`.
bool refuse(struct reason *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Text that is being read.
struct cursor {
    const char *at, *end;
    int line; // from 1
};

// Goes past `word` if it is next; a word that ends in a newline ends a line.
bool cursor_word(struct cursor *cursor, const char *word);

// Goes past a number in base 10 or 16 (lower case), without sign or leading zeros, at most `max`,
// and past `after`. False, with the cursor anywhere, if there is none.
bool cursor_number(struct cursor *cursor, unsigned base, uint64_t max, const char *after,
                   uint64_t *ret_value);

// Reads a certificate; every byte is accounted for, every number is within its limits. Returns
// whether it is one; if not, why, and nothing to give back.
bool certificate_read(const char *text, size_t size, struct certificate *ret_certificate,
                      struct reason *ret_why);

// Gives the arrays back. Safe on a zeroed one.
void certificate_done(struct certificate *certificate);
