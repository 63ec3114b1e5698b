// What share of a node's free milli its free cpu will let it sell.
//
// The free milli count here as one amount, of which demands take parts together with cpu. F(c, T)
// is the milli expected to be sold of T with cpu c when demands knock, drawn as they are routed to
// the group (gr_value_price), and those that pay are taken:
//   A_0 = 0;  A_{n+1}(c, T) = A_n(c, T) + sum_i w_i/2 x max(0, t_i + A_n(c - c_i, T - t_i)
//                                                              - A_n(c, T))
// A demand larger than T counts with the part that T is of it, so that small remainders are not
// worthless. Knocks: patience x max(1, T / mean demand), in half steps; more patience waits for
// demands that take little cpu. usable(c, T) = F(c, T) / F(cpu without limit, T).
// One pass gives the tables of every patience: they differ in the step at which they are read off.
#include "place/value.h"

#include <string.h>

#define LANES 4
#define COLUMNS GR_VALUE_COLUMNS

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t choice __attribute__((vector_size(LANES * sizeof(int32_t))));

// A demand in cells of the table.
struct need {
    int32_t columns, rows;
    float weight; // chance of a half knock
};

// The demands of one group.
struct needs {
    uint32_t count;
    double mean_milli;
    struct need items[GR_MIX_MAX];
};

static lanes load(const float *from)
{
    lanes x;
    memcpy(&x, from, sizeof x);
    return x;
}

// True if a node of the group, empty, could hold the line.
static bool line_fits(const struct gr_market *market, uint32_t g, const struct gr_market_line *line)
{
    for (uint32_t t = 0; t < market->type_count; t++) {
        const struct gr_market_type *type = &market->types[t];
        if (type->group == g && type->devices >= line->devices &&
            type->cpu_milli >= line->cpu_milli) {
            return (line->groups >> g & 1) != 0;
        }
    }
    return false;
}

// Adds a demand; those of the same cells are one.
static void need_add(struct needs *needs, int32_t columns, int32_t rows, double weight)
{
    uint32_t i = 0;
    while (i < needs->count &&
           (needs->items[i].columns != columns || needs->items[i].rows != rows)) {
        i++;
    }
    if (i == needs->count) {
        needs->items[needs->count++] = (struct need){.columns = columns, .rows = rows};
    }
    needs->items[i].weight += (float)weight;
}

static void needs_collect(const struct gr_market *market, uint32_t g, double cell_cpu,
                          const struct gr_value_group *group, struct needs *ret_needs)
{
    double all = 0, milli = 0, cell_milli = group->row_milli;
    ret_needs->count = 0;
    for (uint32_t l = 0; l < market->line_count; l++) {
        const struct gr_market_line *line = &market->lines[l];
        if (line->devices == 0 || !line_fits(market, g, line)) {
            continue;
        }
        double weight = (double)line->weight * (double)market->items[line->item].share[g];
        if (weight <= 1e-12) {
            continue;
        }
        double asked = (double)line->devices * line->milli;
        int32_t rows = (int32_t)(asked / cell_milli + 0.5);
        rows = rows < 1 ? 1 : rows;
        // As much cpu for a row of milli as the demand has, whatever rounding made of its milli.
        double columns = (double)line->cpu_milli / cell_cpu * (rows * cell_milli / asked) + 0.5;
        all += weight;
        milli += weight * asked;
        if (rows < (int32_t)group->rows && columns < COLUMNS) {
            need_add(ret_needs, (int32_t)columns, rows, weight);
        }
    }
    ret_needs->mean_milli = all > 0 ? milli / all : 0;
    for (uint32_t i = 0; i < ret_needs->count; i++) {
        ret_needs->items[i].weight /= (float)(2 * all);
    }
}

// Half knocks for so many free milli, by patience.
static uint32_t knocks_for(double milli, double mean_milli, unsigned patience)
{
    static const unsigned half_knocks[GR_VALUE_PATIENCES] = {2, 4, 6, 9, 14, 24};
    double takes = milli / mean_milli;
    return (uint32_t)(half_knocks[patience] * (takes > 1 ? takes : 1));
}

// One half knock of one demand on all rows.
static void knock(const struct need *need, double row_milli, uint32_t rows,
                  struct gr_value_scratch *scratch)
{
    const lanes none = {0, 0, 0, 0};
    for (int32_t t = 1; t < (int32_t)rows; t++) {
        int32_t part = need->rows < t ? need->rows : t;
        int32_t cpu = (need->columns * part + need->rows - 1) / need->rows;
        float gain = (float)(part * row_milli), weight = need->weight;
        const lanes gains = {gain, gain, gain, gain}, weights = {weight, weight, weight, weight};
        const float *from = scratch->now[t - part] + COLUMNS - cpu;
        const float *at = scratch->now[t] + COLUMNS;
        float *to = scratch->next[t] + COLUMNS;
        for (unsigned c = 0; c < COLUMNS; c += LANES) {
            lanes x = gains + load(from + c) - load(at + c);
            x = (lanes)((choice)x & (x > none));
            x = load(to + c) + weights * x;
            memcpy(to + c, &x, sizeof x);
        }
    }
}

// Reads one row of usable off scratch->now.
static void usable_read(const struct gr_value_scratch *scratch, uint32_t row, uint16_t *ret_usable)
{
    const float *sold = scratch->now[row] + COLUMNS;
    float most = sold[COLUMNS - 1];
    for (unsigned c = 0; c < COLUMNS; c++) {
        float share = most > 0 ? sold[c] / most : 1;
        ret_usable[c] = (uint16_t)(share * GR_VALUE_ONE + 0.5f);
    }
}

// The tables of one group, for every patience.
static void usable_find(const struct needs *needs, const struct gr_value_group *group,
                        struct gr_value_scratch *scratch)
{
    for (uint32_t t = 0; t < group->rows; t++) {
        for (unsigned c = 0; c < 2 * COLUMNS; c++) {
            scratch->now[t][c] = scratch->next[t][c] = c < COLUMNS ? -1e9f : 0;
        }
    }
    double most = (double)(group->rows - 1) * group->row_milli;
    uint32_t last = knocks_for(most, needs->mean_milli, GR_VALUE_PATIENCES - 1);
    for (uint32_t n = 0;; n++) {
        for (unsigned p = 0; p < GR_VALUE_PATIENCES; p++) {
            for (uint32_t t = 0; t < group->rows; t++) {
                if (knocks_for((double)t * group->row_milli, needs->mean_milli, p) == n) {
                    usable_read(scratch, t, scratch->usable[p] + group->usable_at + t * COLUMNS);
                }
            }
        }
        if (n == last) {
            return;
        }
        for (uint32_t i = 0; i < needs->count; i++) {
            knock(&needs->items[i], group->row_milli, group->rows, scratch);
        }
        memcpy(scratch->now, scratch->next, group->rows * sizeof scratch->now[0]);
    }
}

// Without demand every free milli counts as usable.
static void usable_fill(const struct gr_value_group *group, struct gr_value_scratch *scratch)
{
    for (unsigned p = 0; p < GR_VALUE_PATIENCES; p++) {
        for (uint32_t i = 0; i < group->rows * COLUMNS; i++) {
            scratch->usable[p][group->usable_at + i] = GR_VALUE_ONE;
        }
    }
}

void gr_value_strand(const struct gr_market *market, struct gr_value *value,
                     struct gr_value_scratch *ret_scratch)
{
    assert(market != NULL && value != NULL && ret_scratch != NULL);
    struct needs needs;
    value->usable_count = 0;
    for (uint32_t g = 0; g < value->group_count; g++) {
        struct gr_value_group *group = &value->groups[g];
        uint32_t most = market->node_devices[g] * GR_DEVICE_MILLI;
        group->row_milli = (most / (GR_VALUE_ROWS - 1) + 49) / 50 * 50;
        group->row_milli = group->row_milli > 0 ? group->row_milli : 50;
        group->rows = most / group->row_milli + 1;
        group->row_factor = 65536 / group->row_milli + 1;
        group->usable_at = value->usable_count;
        value->usable_count += group->rows * COLUMNS;
        assert(value->usable_count <= GR_VALUE_USABLE);
        // The last column is above the largest node: cpu without limit.
        uint32_t cell_cpu = market->node_cpu[g] / (COLUMNS - 2) + 1;
        group->column_inverse = 1.0f / (float)cell_cpu;
        needs_collect(market, g, cell_cpu, group, &needs);
        if (needs.count > 0) {
            usable_find(&needs, group, ret_scratch);
        } else {
            usable_fill(group, ret_scratch);
        }
    }
}
