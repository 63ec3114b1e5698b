// The solver: column generation; see ceiling.h.
//
// Each round prices every node type at integer duals near those of the linear program. What is
// priced is a certificate already; the best one is kept, and the fillings found become columns.
// Must never give a bound whose duals were not priced in integers.
#include "replay/ceiling_parts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// About how many units of cpu a node is cut into.
#define CPU_STEPS 1000
// Units of cpu tried at most.
#define CPU_UNITS_TRIED 4096
// How near to the best duals known a pricing is done; halved where that finds no column.
#define WEIGHT_START 0.5
#define WEIGHT_LEAST 0.1

// ---- one set of types ---------------------------------------------------------------------------

static bool is_amount(int64_t value)
{
    return value >= 0 && value <= GR_CEILING_AMOUNT_MAX;
}

static bool is_type(const struct gr_ceiling_node_type *type)
{
    return type->model < GR_CEILING_MODELS_MAX && type->devices <= GR_CEILING_DEVICES_MAX &&
           is_amount(type->cpu_milli) && is_amount(type->memory_mib) &&
           type->count <= GR_CEILING_NODES_MAX;
}

static bool is_demand(const struct gr_ceiling_demand *demand)
{
    return demand->devices >= 1 && demand->devices <= GR_CEILING_DEVICES_MAX &&
           demand->milli >= 1 && demand->milli <= 1000 &&
           (demand->devices == 1 || demand->milli == 1000) && is_amount(demand->cpu_milli) &&
           is_amount(demand->memory_mib);
}

static int check_types(const struct gr_ceiling_node_type *types, size_t type_count,
                       const struct gr_ceiling_demand *demands, size_t demand_count,
                       struct gr_err *err)
{
    if (type_count > GR_CEILING_NODE_TYPES_MAX || demand_count > GR_CEILING_DEMANDS_MAX) {
        return gr_fail(err, -EINVAL,
                       "found %zu node types and %zu demands, expected at most %d, %d", type_count,
                       demand_count, GR_CEILING_NODE_TYPES_MAX, GR_CEILING_DEMANDS_MAX);
    }
    for (size_t t = 0; t < type_count; t++) {
        if (!is_type(&types[t])) {
            return gr_fail(err, -EINVAL, "node type %zu is beyond the limits of a ceiling", t);
        }
    }
    for (size_t j = 0; j < demand_count; j++) {
        if (!is_demand(&demands[j])) {
            return gr_fail(err, -EINVAL, "demand %zu is beyond the limits of a ceiling", j);
        }
    }
    return 0;
}

static int common_divisor(int a, int b)
{
    while (b != 0) {
        int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// What rounding cpu down to units of `unit` loses, over the demands that this type can hold.
static double loss_of(const struct gr_ceiling *ceiling, const struct gr_ceiling_node_type *type,
                      int64_t unit)
{
    double loss = 0;
    for (int j = 0; j < ceiling->demand_count; j++) {
        const struct gr_ceiling_demand *demand = &ceiling->demands[j];
        if (gr_ceiling_fits(demand, type) && demand->cpu_milli > 0) {
            loss += (double)(demand->cpu_milli % unit) / (double)demand->cpu_milli;
        }
    }
    return loss;
}

// The unit of cpu that loses least.
static int64_t best_unit(const struct gr_ceiling *ceiling, const struct gr_ceiling_node_type *type)
{
    int64_t from = type->cpu_milli / (CPU_STEPS + CPU_STEPS / 10);
    int64_t to = type->cpu_milli / (CPU_STEPS - CPU_STEPS / 4);
    from = from < 1 ? 1 : from;
    to = to > from + CPU_UNITS_TRIED ? from + CPU_UNITS_TRIED : to;
    int64_t best = from;
    double best_loss = loss_of(ceiling, type, from);
    for (int64_t unit = from + 1; unit <= to; unit++) {
        double loss = loss_of(ceiling, type, unit);
        if (loss < best_loss) {
            best_loss = loss;
            best = unit;
        }
    }
    return best;
}

// An array of zeroes that lives as long as the solver; NULL leaves a note.
static void *make(struct gr_ceiling *ceiling, size_t count, size_t size)
{
    void *block = calloc(count > 0 ? count : 1, size);
    if (block == NULL) {
        ceiling->lacks_memory = true;
        return NULL;
    }
    assert(ceiling->block_count < GR_CEILING_BLOCKS_MAX);
    ceiling->blocks[ceiling->block_count++] = block;
    return block;
}

static void make_duals(struct gr_ceiling *ceiling, struct gr_ceiling_duals *duals)
{
    duals->y = make(ceiling, (size_t)ceiling->demand_count, sizeof *duals->y);
    duals->mu = make(ceiling, (size_t)ceiling->type_count, sizeof *duals->mu);
    duals->z = make(ceiling, (size_t)ceiling->type_count, sizeof *duals->z);
    duals->price = make(ceiling, GR_CEILING_CUTS_MAX, sizeof *duals->price);
}

static void make_arrays(struct gr_ceiling *ceiling)
{
    struct gr_ceiling_lp_duals *lp = &ceiling->lp_duals;
    struct gr_ceiling_tables *tables = &ceiling->tables;
    size_t demands = (size_t)ceiling->demand_count, types = (size_t)ceiling->type_count;
    size_t width = (size_t)tables->steps_max + 1;
    size_t rows = demands + 2 * types + GR_CEILING_CUTS_MAX;
    make_duals(ceiling, &ceiling->duals);
    make_duals(ceiling, &ceiling->best);
    lp->y = make(ceiling, demands, sizeof *lp->y);
    lp->mu = make(ceiling, types, sizeof *lp->mu);
    lp->z = make(ceiling, types, sizeof *lp->z);
    lp->price = make(ceiling, GR_CEILING_CUTS_MAX, sizeof *lp->price);
    ceiling->cuts = make(ceiling, GR_CEILING_CUTS_MAX, sizeof *ceiling->cuts);
    ceiling->weights = make(ceiling, demands * GR_CEILING_CUTS_MAX, sizeof *ceiling->weights);
    ceiling->count_sums = make(ceiling, demands, sizeof *ceiling->count_sums);
    ceiling->paid = make(ceiling, demands, sizeof *ceiling->paid);
    ceiling->pick = make(ceiling, demands, sizeof *ceiling->pick);
    ceiling->row_status = make(ceiling, rows + 1, sizeof *ceiling->row_status);
    ceiling->lp_index = make(ceiling, rows + 1, sizeof *ceiling->lp_index);
    ceiling->lp_value = make(ceiling, rows + 1, sizeof *ceiling->lp_value);
    tables->items = make(ceiling, demands, sizeof *tables->items);
    tables->rises = make(ceiling, width, sizeof *tables->rises);
    tables->device =
        make(ceiling, ((size_t)ceiling->device_grains + 1) * width, sizeof *tables->device);
    tables->node = make(ceiling, (GR_CEILING_DEVICES_MAX + 1) * width, sizeof *tables->node);
}

static void copy_types(struct gr_ceiling *ceiling, const struct gr_ceiling_node_type *types,
                       const struct gr_ceiling_demand *demands)
{
    ceiling->grain = 1000;
    for (int j = 0; j < ceiling->demand_count; j++) {
        ceiling->demands[j] = demands[j];
        ceiling->grain = common_divisor(ceiling->grain, (int)demands[j].milli);
    }
    ceiling->device_grains = 1000 / ceiling->grain;
    for (int t = 0; t < ceiling->type_count; t++) {
        ceiling->types[t] = types[t];
        ceiling->unit[t] = best_unit(ceiling, &types[t]);
        int steps = (int)(types[t].cpu_milli / ceiling->unit[t]);
        if (steps > ceiling->tables.steps_max) {
            ceiling->tables.steps_max = steps;
        }
    }
}

int gr_ceiling_new(const struct gr_ceiling_node_type *types, size_t type_count,
                   const struct gr_ceiling_demand *demands, size_t demand_count,
                   struct gr_ceiling **ret_ceiling, struct gr_err *err)
{
    assert(types != NULL || type_count == 0);
    assert(demands != NULL || demand_count == 0);
    int code = check_types(types, type_count, demands, demand_count, err);
    if (code < 0) {
        return code;
    }
    struct gr_ceiling *ceiling = calloc(1, sizeof *ceiling);
    if (ceiling != NULL) {
        ceiling->type_count = (int)type_count;
        ceiling->demand_count = (int)demand_count;
        ceiling->types = make(ceiling, type_count, sizeof *types);
        ceiling->demands = make(ceiling, demand_count, sizeof *demands);
        ceiling->unit = make(ceiling, type_count, sizeof *ceiling->unit);
        if (!ceiling->lacks_memory) {
            copy_types(ceiling, types, demands);
            make_arrays(ceiling);
        }
    }
    if (ceiling == NULL || ceiling->lacks_memory) {
        gr_ceiling_free(ceiling);
        return gr_fail(err, -ENOMEM, "no memory for a ceiling");
    }
    *ret_ceiling = ceiling;
    return 0;
}

void gr_ceiling_free(struct gr_ceiling *ceiling)
{
    if (ceiling == NULL) {
        return;
    }
    gr_ceiling_columns_done(ceiling);
    while (ceiling->block_count > 0) {
        free(ceiling->blocks[--ceiling->block_count]);
    }
    free(ceiling);
}

// ---- column generation --------------------------------------------------------------------------

// What a node filled with `pick` earns beyond the program's duals, milli: above 0 it belongs there.
static double pick_earns(const struct gr_ceiling *ceiling, int type)
{
    const struct gr_ceiling_lp_duals *lp = &ceiling->lp_duals;
    double earned = -lp->z[type];
    for (int j = 0; j < ceiling->demand_count; j++) {
        if (ceiling->pick[j] == 0) {
            continue;
        }
        const struct gr_ceiling_demand *demand = &ceiling->demands[j];
        double one = (double)demand->devices * demand->milli - lp->y[j] -
                     lp->mu[type] * (double)demand->memory_mib;
        for (int c = 0; c < ceiling->cut_count; c++) {
            one -= lp->price[c] * (double)gr_ceiling_weights(ceiling, c)[j];
        }
        earned += ceiling->pick[j] * one;
    }
    return earned;
}

// Prices every type, and adds the fillings found. Returns how many are new, or -ENOMEM.
static int price_types(struct gr_ceiling *ceiling)
{
    int added = 0;
    for (int t = 0; t < ceiling->type_count; t++) {
        gr_ceiling_price(ceiling, t);
        int code = pick_earns(ceiling, t) > 1e-6 ? gr_ceiling_columns_add(ceiling, t) : 0;
        if (code < 0) {
            return code;
        }
        if (code > 0) {
            gr_ceiling_lp_add(ceiling, ceiling->column_count - 1);
            added++;
        }
    }
    return added;
}

static bool is_close(const struct gr_ceiling *ceiling, const struct gr_ceiling_question *question)
{
    double bound_milli =
        (double)ceiling->best_sum / GR_CEILING_SCALE / (double)question->event_count;
    return ceiling->best_sum >= 0 && bound_milli - ceiling->lp_milli <= question->gap_milli;
}

// Rounds of pricing until the gap is closed, nothing more is found, or there were enough of them.
static int generate(struct gr_ceiling *ceiling, const struct gr_ceiling_question *question,
                    struct gr_err *err)
{
    double weight = ceiling->best_sum >= 0 ? WEIGHT_START : 0;
    bool is_solved = gr_ceiling_lp_solve(ceiling);
    while (is_solved && ceiling->rounds < question->rounds_max) {
        gr_ceiling_duals_mix(ceiling, weight);
        int added = price_types(ceiling);
        if (added < 0) {
            return gr_fail(err, added, "no memory for a ceiling");
        }
        ceiling->rounds++;
        gr_ceiling_duals_keep(ceiling, gr_ceiling_duals_sum(ceiling, &ceiling->duals, question));
        is_solved = added == 0 || gr_ceiling_lp_solve(ceiling);
        if (!is_solved || is_close(ceiling, question) || (added == 0 && weight == 0)) {
            break;
        }
        weight = added > 0 ? WEIGHT_START : weight < WEIGHT_LEAST ? 0 : weight / 2;
    }
    if (!is_solved && ceiling->best_sum < 0) {
        return gr_fail(err, -EIO, "GLPK found no optimum of the linear program");
    }
    ceiling->is_converged = is_solved && is_close(ceiling, question);
    if (is_solved) {
        gr_ceiling_lp_keep_basis(ceiling);
    }
    return 0;
}

static bool is_cut(const struct gr_ceiling *ceiling, const struct gr_ceiling_cut *cut)
{
    return cut->pivot < (uint32_t)ceiling->demand_count && cut->kind <= GR_CEILING_CUT_WHOLE &&
           cut->beta_milli >= 0 && cut->beta_milli <= GR_CEILING_AMOUNT_MAX >> 10 &&
           cut->limit_sum >= 0 && cut->limit_sum <= GR_CEILING_AMOUNT_MAX << 10;
}

static int check_question(const struct gr_ceiling *ceiling,
                          const struct gr_ceiling_question *question, struct gr_err *err)
{
    if (question->event_count < 1 || question->event_count > GR_CEILING_AMOUNT_MAX) {
        return gr_fail(err, -EINVAL, "a ceiling is over 1 to 2^40 events");
    }
    for (int j = 0; j < ceiling->demand_count; j++) {
        if (!is_amount(question->count_sums[j])) {
            return gr_fail(err, -EINVAL,
                           "demand %d: found the count %" PRId64 ", expected 0 to 2^40", j,
                           question->count_sums[j]);
        }
    }
    if (question->cut_count > GR_CEILING_CUTS_MAX) {
        return gr_fail(err, -EINVAL, "found %zu cuts, expected at most %d", question->cut_count,
                       GR_CEILING_CUTS_MAX);
    }
    for (size_t c = 0; c < question->cut_count; c++) {
        if (!is_cut(ceiling, &question->cuts[c])) {
            return gr_fail(err, -EINVAL, "cut %zu is beyond the limits of a ceiling", c);
        }
    }
    return 0;
}

// Takes the question over. The best duals of the last one still hold if neither has cuts.
static void begin(struct gr_ceiling *ceiling, const struct gr_ceiling_question *question)
{
    bool is_known = ceiling->is_solved && ceiling->cut_count == 0 && question->cut_count == 0;
    ceiling->is_solved = ceiling->is_converged = false;
    ceiling->rounds = 0;
    ceiling->cut_count = (int)question->cut_count;
    ceiling->event_count = question->event_count;
    for (int c = 0; c < ceiling->cut_count; c++) {
        ceiling->cuts[c] = question->cuts[c];
        int64_t *weights = ceiling->weights + (size_t)c * (size_t)ceiling->demand_count;
        for (int j = 0; j < ceiling->demand_count; j++) {
            weights[j] = gr_ceiling_cut_weight(&ceiling->cuts[c], ceiling->demands, (uint32_t)j);
        }
    }
    for (int j = 0; j < ceiling->demand_count; j++) {
        ceiling->count_sums[j] = question->count_sums[j];
    }
    ceiling->best_sum = is_known ? gr_ceiling_duals_sum(ceiling, &ceiling->best, question) : -1;
    gr_ceiling_columns_trim(ceiling);
}

int gr_ceiling_solve(struct gr_ceiling *ceiling, const struct gr_ceiling_question *question,
                     struct gr_ceiling_answer *ret_answer, struct gr_err *err)
{
    assert(question->count_sums != NULL || ceiling->demand_count == 0);
    assert(question->cuts != NULL || question->cut_count == 0);
    assert(question->gap_milli >= 0 && question->rounds_max >= 1);
    int code = check_question(ceiling, question, err);
    if (code < 0) {
        return code;
    }
    begin(ceiling, question);
    code = gr_ceiling_lp_run(ceiling, generate, question, err);
    if (code < 0) {
        return code;
    }
    __int128 whole = (__int128)GR_CEILING_SCALE * question->event_count;
    __int128 bound = (ceiling->best_sum + whole - 1) / whole;
    if (ceiling->best_sum < 0 || bound >> 62 != 0) {
        return gr_fail(err, -EOVERFLOW, "a ceiling is too large for its number");
    }
    ceiling->bound_milli = (int64_t)bound;
    ceiling->is_solved = true;
    *ret_answer = (struct gr_ceiling_answer){.bound_milli = ceiling->bound_milli,
                                             .lp_milli = ceiling->lp_milli,
                                             .rounds = ceiling->rounds,
                                             .columns = ceiling->column_count,
                                             .is_converged = ceiling->is_converged};
    return 0;
}
