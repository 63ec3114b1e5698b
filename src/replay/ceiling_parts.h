// The parts of one solver: columns, pricing, the linear program. For ceiling*.c only.
#pragma once

#include "replay/ceiling.h"

// y, z are in 1/SCALE device milli; 16 devices x 1000 milli x SCALE stays far below 2^31.
#define GR_CEILING_SCALE 4096
// mu is in 1/2^MEMORY_SHIFT of 1/SCALE milli for each MiB.
#define GR_CEILING_MEMORY_SHIFT 10
// q, the price of a cut, is in 1/2^PRICE_SHIFT of 1/SCALE.
#define GR_CEILING_PRICE_SHIFT 12

// A demand never earns more than this times its worth: all sums then fit 32 bits.
#define GR_CEILING_LIFT 16
// Largest mu times the memory of a node.
#define GR_CEILING_MEMORY_PAID_MAX (INT64_C(1) << 59)
// Largest y, mu and z of a certificate.
#define GR_CEILING_DUAL_MAX (INT64_C(1) << 50)

// Most arrays of one solver.
#define GR_CEILING_BLOCKS_MAX 40

// Integer duals, one set of which is a certificate.
struct gr_ceiling_duals {
    int64_t *y;     // [demand] what one pays
    int64_t *mu;    // [type] what one MiB pays
    int64_t *z;     // [type] what a node may earn beyond what is paid
    int64_t *price; // [cut] what one milli of its limit pays
};

// The duals of the linear program, in milli.
struct gr_ceiling_lp_duals {
    double *y, *mu, *z, *price; // as in gr_ceiling_duals
};

// One way to fill a node of a type.
struct gr_ceiling_column {
    int type;
    int count;     // of pairs
    int *demands;  // [count], one allocation with `copies`
    int *copies;   // [count] how many of that demand, at least 1
    int status;    // GLPK's, kept between programs; 0: not known
    int idle;      // solves since it was last basic
    bool is_basic; // in the last program's answer
};

// A demand as the pricing of one node type sees it.
struct gr_ceiling_item {
    int demand;    // index
    int devices;   // whole ones, 1 for a fraction
    int grains;    // milli of each device in grains
    int steps;     // cpu in units, rounded down
    int32_t value; // worth of one copy at the prices of the round
};

// What pricing works in.
struct gr_ceiling_tables {
    struct gr_ceiling_item *items; // [demand_count]
    int32_t *device;               // [device_grains + 1][steps_max + 1] most in one device
    int32_t *node;                 // [GR_CEILING_DEVICES_MAX + 1][steps_max + 1]
    int *rises;                    // steps at which the last row of `device` rises
    int rise_count;
    int steps_max; // most steps of cpu of any node type
};

// A solver. All memory is its own; `blocks` are all arrays of fixed size.
struct gr_ceiling {
    struct gr_ceiling_node_type *types; // [type_count]
    struct gr_ceiling_demand *demands;  // [demand_count]
    int type_count, demand_count, cut_count;
    int grain;         // milli: divides 1000 and every demand's
    int device_grains; // of a whole device
    int64_t *unit;     // [type] milli of cpu that are one step

    struct gr_ceiling_cut *cuts; // [GR_CEILING_CUTS_MAX]
    int64_t *weights;            // [cut][demand]
    int64_t *count_sums;         // [demand] of the last question
    int64_t event_count;

    struct gr_ceiling_lp_duals lp_duals;
    struct gr_ceiling_duals duals, best; // of this round; of the lowest bound so far
    int64_t *paid;                       // [demand] y and the prices of its cuts together

    struct gr_ceiling_column *columns; // in the order found
    int column_count, column_room;     // in use, allocated
    int *pick;                         // [demand] copies in the filling that was priced last

    struct gr_ceiling_tables tables;

    void *lp;           // GLPK's program while a solve runs
    int *row_status;    // [1 + rows] GLPK's, kept between programs; 0: not known
    int *lp_index;      // one column for GLPK
    double *lp_value;   // the same
    char lp_words[160]; // what GLPK said last

    __int128 best_sum;            // of `best`, in 1/(SCALE * event_count) milli; -1: there is none
    double lp_milli;              // the last program's value
    int rounds;                   // of pricing
    int64_t bound_milli;          // the proven bound, rounded up
    bool is_solved, is_converged; // a bound stands; the gap asked for was reached

    void *blocks[GR_CEILING_BLOCKS_MAX];
    int block_count;
    bool lacks_memory; // an array could not be made
};

// Whether a node of this type, empty, can hold the demand.
bool gr_ceiling_fits(const struct gr_ceiling_demand *demand,
                     const struct gr_ceiling_node_type *type);

// What one of this demand is worth: its device milli, in 1/SCALE.
int64_t gr_ceiling_worth(const struct gr_ceiling_demand *demand);

// Prices type `type` at `duals`: sets duals.z[type] to the exact most that a node of it can earn
// beyond what is paid, and `pick` to a filling that earns it.
void gr_ceiling_price(struct gr_ceiling *ceiling, int type);

// The coefficients of a cut, one a demand.
const int64_t *gr_ceiling_weights(const struct gr_ceiling *ceiling, int cut);

// Sets `duals`, but for z, and `paid`: `weight` (0..1) of the way from the program's duals to the
// best ones known.
void gr_ceiling_duals_mix(struct gr_ceiling *ceiling, double weight);
// What `duals` bound the sum over the events by, in 1/SCALE milli.
__int128 gr_ceiling_duals_sum(const struct gr_ceiling *ceiling,
                              const struct gr_ceiling_duals *duals,
                              const struct gr_ceiling_question *question);
// Keeps `duals`, which were priced and bound by `sum`, if that is lower than the best one, or none
// is known.
void gr_ceiling_duals_keep(struct gr_ceiling *ceiling, __int128 sum);

// Keeps `pick` as a column of `type`: 1 if it is new, 0 if it is known or empty, or -ENOMEM.
int gr_ceiling_columns_add(struct gr_ceiling *ceiling, int type);
// Counts one more solve, and drops columns that were not basic for long if there are many.
void gr_ceiling_columns_trim(struct gr_ceiling *ceiling);
// Gives all columns back.
void gr_ceiling_columns_done(struct gr_ceiling *ceiling);

// Makes the program for the question in `ceiling`, runs `body` with it, and takes it down. GLPK's
// fatal errors, most of all lack of memory, leave `body` by a jump and become -EIO with GLPK's
// words: `body` must own nothing. Else returns what `body` returns.
int gr_ceiling_lp_run(struct gr_ceiling *ceiling,
                      int (*body)(struct gr_ceiling *ceiling,
                                  const struct gr_ceiling_question *question, struct gr_err *err),
                      const struct gr_ceiling_question *question, struct gr_err *err);
// Adds column `column`. Within gr_ceiling_lp_run only, as the next two.
void gr_ceiling_lp_add(struct gr_ceiling *ceiling, int column);
// Solves it and reads its duals and value. False if GLPK gave no optimum: then nothing changes.
bool gr_ceiling_lp_solve(struct gr_ceiling *ceiling);
// Keeps the basis for the next program.
void gr_ceiling_lp_keep_basis(struct gr_ceiling *ceiling);
