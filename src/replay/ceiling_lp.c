// The restricted linear program, in GLPK: the only file that knows it.
//
// Rows, from 1: demands ("at most what arrived"), node types ("at most the nodes there are"),
// memory of node types (as a share of one node's), cuts. Amounts are in devices, not milli.
//
// GLPK ends the program on its fatal errors, unless its error hook jumps away; then its environment
// has to be freed, with everything in it. It is freed after each use anyway, because it belongs to
// the thread and would be lost with it.
#include "replay/ceiling_parts.h"

#include <assert.h>
#include <errno.h>
#include <glpk.h>
#include <math.h>
#include <setjmp.h>
#include <string.h>

#define ITERATIONS_MAX 200000

static int row_of_type(const struct gr_ceiling *ceiling, int type)
{
    return ceiling->demand_count + 1 + type;
}

static int row_of_memory(const struct gr_ceiling *ceiling, int type)
{
    return ceiling->demand_count + ceiling->type_count + 1 + type;
}

static int row_of_cut(const struct gr_ceiling *ceiling, int cut)
{
    return ceiling->demand_count + 2 * ceiling->type_count + 1 + cut;
}

static void put(struct gr_ceiling *ceiling, int *count, int row, double value)
{
    if (value != 0) {
        ++*count;
        ceiling->lp_index[*count] = row;
        ceiling->lp_value[*count] = value;
    }
}

void gr_ceiling_lp_add(struct gr_ceiling *ceiling, int column)
{
    const struct gr_ceiling_column *added = &ceiling->columns[column];
    double earned = 0, memory_mib = 0, node_mib = (double)ceiling->types[added->type].memory_mib;
    int count = 0;
    for (int k = 0; k < added->count; k++) {
        const struct gr_ceiling_demand *demand = &ceiling->demands[added->demands[k]];
        earned += (double)demand->devices * demand->milli * added->copies[k];
        memory_mib += (double)demand->memory_mib * added->copies[k];
        put(ceiling, &count, added->demands[k] + 1, added->copies[k]);
    }
    put(ceiling, &count, row_of_type(ceiling, added->type), 1);
    if (node_mib > 0) {
        put(ceiling, &count, row_of_memory(ceiling, added->type), memory_mib / node_mib);
    }
    for (int c = 0; c < ceiling->cut_count; c++) {
        const int64_t *weights = ceiling->weights + (size_t)c * (size_t)ceiling->demand_count;
        double sum = 0;
        for (int k = 0; k < added->count; k++) {
            sum += (double)weights[added->demands[k]] * added->copies[k];
        }
        put(ceiling, &count, row_of_cut(ceiling, c), sum / 1000);
    }
    int at = glp_add_cols(ceiling->lp, 1);
    assert(at == column + 1);
    glp_set_col_bnds(ceiling->lp, at, GLP_LO, 0, 0);
    glp_set_obj_coef(ceiling->lp, at, earned / 1000);
    glp_set_mat_col(ceiling->lp, at, count, ceiling->lp_index, ceiling->lp_value);
    glp_set_col_stat(ceiling->lp, at, added->status != 0 ? added->status : GLP_NL);
}

static void set_row(struct gr_ceiling *ceiling, int row, double limit)
{
    int status = ceiling->row_status[row];
    glp_set_row_bnds(ceiling->lp, row, GLP_UP, 0, limit);
    glp_set_row_stat(ceiling->lp, row, status != 0 ? status : GLP_BS);
}

static void make_program(struct gr_ceiling *ceiling, const struct gr_ceiling_question *question)
{
    double events = (double)question->event_count;
    ceiling->lp = glp_create_prob();
    glp_set_obj_dir(ceiling->lp, GLP_MAX);
    int rows = row_of_cut(ceiling, ceiling->cut_count) - 1;
    if (rows > 0) { // GLPK takes 0 for an error
        glp_add_rows(ceiling->lp, rows);
    }
    for (int j = 0; j < ceiling->demand_count; j++) {
        set_row(ceiling, j + 1, (double)question->count_sums[j] / events);
    }
    for (int t = 0; t < ceiling->type_count; t++) {
        set_row(ceiling, row_of_type(ceiling, t), ceiling->types[t].count);
        set_row(ceiling, row_of_memory(ceiling, t), ceiling->types[t].count);
    }
    for (int c = 0; c < ceiling->cut_count; c++) {
        set_row(ceiling, row_of_cut(ceiling, c),
                (double)ceiling->cuts[c].limit_sum / events / 1000);
    }
    for (int i = 0; i < ceiling->column_count; i++) {
        gr_ceiling_lp_add(ceiling, i);
    }
}

static double row_dual(const struct gr_ceiling *ceiling, int row)
{
    return fmax(0, glp_get_row_dual(ceiling->lp, row));
}

static void read_duals(struct gr_ceiling *ceiling)
{
    struct gr_ceiling_lp_duals *duals = &ceiling->lp_duals;
    for (int j = 0; j < ceiling->demand_count; j++) {
        duals->y[j] = row_dual(ceiling, j + 1) * 1000;
    }
    for (int t = 0; t < ceiling->type_count; t++) {
        double node_mib = (double)ceiling->types[t].memory_mib;
        double of_node = row_dual(ceiling, row_of_memory(ceiling, t)) * 1000;
        duals->mu[t] = node_mib > 0 ? of_node / node_mib : 0;
        duals->z[t] = row_dual(ceiling, row_of_type(ceiling, t)) * 1000;
    }
    for (int c = 0; c < ceiling->cut_count; c++) {
        duals->price[c] = row_dual(ceiling, row_of_cut(ceiling, c));
    }
}

bool gr_ceiling_lp_solve(struct gr_ceiling *ceiling)
{
    glp_smcp parameters;
    glp_init_smcp(&parameters);
    parameters.msg_lev = GLP_MSG_OFF;
    parameters.it_lim = ITERATIONS_MAX;
    int code = glp_simplex(ceiling->lp, &parameters);
    if (code != 0 || glp_get_status(ceiling->lp) != GLP_OPT) {
        glp_std_basis(ceiling->lp); // all slacks: feasible, for nothing placed is
        code = glp_simplex(ceiling->lp, &parameters);
    }
    if (code != 0 || glp_get_status(ceiling->lp) != GLP_OPT) {
        return false;
    }
    read_duals(ceiling);
    ceiling->lp_milli = glp_get_obj_val(ceiling->lp) * 1000;
    return true;
}

void gr_ceiling_lp_keep_basis(struct gr_ceiling *ceiling)
{
    for (int r = 1; r < row_of_cut(ceiling, ceiling->cut_count); r++) {
        ceiling->row_status[r] = glp_get_row_stat(ceiling->lp, r);
    }
    for (int i = 0; i < ceiling->column_count; i++) {
        struct gr_ceiling_column *column = &ceiling->columns[i];
        column->status = glp_get_col_stat(ceiling->lp, i + 1);
        column->is_basic = column->status == GLP_BS;
        column->idle = column->is_basic ? 0 : column->idle;
    }
}

// ---- GLPK's fatal errors ------------------------------------------------------------------------

// Where to go when GLPK gives up, and what it said before.
struct way_out {
    jmp_buf to;
    struct gr_ceiling *ceiling;
};

static void leave(void *info)
{
    struct way_out *out = info;
    longjmp(out->to, 1);
}

// Keeps GLPK's last line instead of printing it; not the one that names the line of its source.
static int keep_words(void *info, const char *text)
{
    struct way_out *out = info;
    size_t size = strncmp(text, "Error detected", 14) != 0 ? strcspn(text, "\n") : 0;
    size = size < sizeof out->ceiling->lp_words ? size : sizeof out->ceiling->lp_words - 1;
    if (size > 0) {
        memcpy(out->ceiling->lp_words, text, size);
        out->ceiling->lp_words[size] = '\0';
    }
    return 1;
}

int gr_ceiling_lp_run(struct gr_ceiling *ceiling,
                      int (*body)(struct gr_ceiling *ceiling,
                                  const struct gr_ceiling_question *question, struct gr_err *err),
                      const struct gr_ceiling_question *question, struct gr_err *err)
{
    struct way_out out = {.ceiling = ceiling};
    if (glp_init_env() > 1) {
        return gr_fail(err, -ENOMEM, "no memory for GLPK");
    }
    ceiling->lp_words[0] = '\0';
    if (setjmp(out.to) != 0) {
        glp_free_env();
        ceiling->lp = NULL;
        return gr_fail(err, -EIO, "GLPK failed: %s", ceiling->lp_words);
    }
    glp_error_hook(leave, &out);
    glp_term_hook(keep_words, &out);
    make_program(ceiling, question);
    int code = body(ceiling, question, err);
    glp_delete_prob(ceiling->lp);
    ceiling->lp = NULL;
    glp_free_env();
    return code;
}
