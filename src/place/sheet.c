// Scores many needs on one node: see sheet.h.
#include "place/sheet.h"

#include <string.h>

#define LANES 4

typedef int32_t numbers __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
static_assert(GR_SHEET_MAX % LANES == 0, "entries are handled side by side");

void gr_sheet_init(struct gr_sheet *sheet, const struct gr_value *value)
{
    assert(sheet != NULL && value != NULL);
    sheet->count = sheet->units = 0;
    sheet->scale = gr_value_scale_get(value);
}

void gr_sheet_add(struct gr_sheet *sheet, const struct gr_value *value, uint32_t cpu_milli,
                  unsigned devices, unsigned milli)
{
    assert(sheet->count < GR_SHEET_MAX);
    uint32_t unit = 0;
    while (unit < sheet->units &&
           (sheet->devices[unit] != devices || sheet->milli[unit] != milli)) {
        unit++;
    }
    if (unit == sheet->units) {
        sheet->devices[unit] = (uint8_t)devices;
        sheet->milli[unit] = (uint16_t)milli;
        sheet->base[unit] = gr_value_base(value, devices, milli);
        sheet->units++;
    }
    sheet->cpu_milli[sheet->count] = (int32_t)cpu_milli;
    sheet->unit[sheet->count] = (uint16_t)unit;
    sheet->count++;
}

// gr_value_column for every entry.
static void columns_find(const struct gr_sheet *sheet, const struct gr_value_view *view,
                         int32_t *ret_columns)
{
    const int32_t cpu = (int32_t)view->node->cpu_milli, most = GR_VALUE_COLUMNS - 1;
    const float inverse = view->group->column_inverse;
    const numbers cpus = {cpu, cpu, cpu, cpu}, mosts = {most, most, most, most};
    const lanes inverses = {inverse, inverse, inverse, inverse};
    for (uint32_t i = 0; i < sheet->count; i += LANES) {
        numbers x;
        memcpy(&x, sheet->cpu_milli + i, sizeof x);
        x = cpus - x;
        x &= x > 0;
        x = __builtin_convertvector(__builtin_convertvector(x, lanes) * inverses, numbers);
        numbers within = x < mosts;
        x = (x & within) | (mosts & ~within);
        memcpy(ret_columns + i, &x, sizeof x);
    }
}

void gr_sheet_score(const struct gr_sheet *sheet, const struct gr_value_view *view,
                    const uint8_t *fits, uint8_t *ret_scores, size_t step)
{
    struct {
        int32_t fixed, slope;
        const uint16_t *row;
    } after[GR_SHEET_MAX];
    const uint16_t *usable = view->value->usable;
    for (uint32_t u = 0; u < sheet->units; u++) {
        unsigned device;
        int32_t worth = gr_value_take(view, sheet->devices[u], sheet->milli[u], &device);
        struct gr_value_after left =
            gr_value_left(view, worth, sheet->devices[u] * sheet->milli[u]);
        // The loss is what is now, less the base, less what is left.
        after[u].fixed = view->now - sheet->base[u] - left.fixed;
        after[u].slope = left.slope;
        after[u].row = usable + left.row_at;
    }
    const struct gr_value_scale scale = sheet->scale;
    int32_t columns[GR_SHEET_MAX];
    columns_find(sheet, view, columns);
    for (uint32_t i = 0; i < sheet->count; i++) {
        unsigned u = sheet->unit[i];
        uint16_t share = after[u].row[columns[i]];
        int32_t loss = after[u].fixed - gr_value_worth(0, after[u].slope, share);
        ret_scores[i * step] = gr_value_score(&scale, loss) & fits[i];
    }
}

uint8_t gr_sheet_score_one(const struct gr_value_view *view, uint32_t cpu_milli, unsigned devices,
                           unsigned milli)
{
    unsigned device;
    int32_t worth = gr_value_take(view, devices, milli, &device);
    struct gr_value_after left = gr_value_left(view, worth, (int32_t)(devices * milli));
    uint32_t column =
        gr_value_column(view->group, (int32_t)view->node->cpu_milli - (int32_t)cpu_milli);
    int32_t after =
        gr_value_worth(left.fixed, left.slope, view->value->usable[left.row_at + column]);
    struct gr_value_scale scale = gr_value_scale_get(view->value);
    return gr_value_score(&scale, view->now - gr_value_base(view->value, devices, milli) - after);
}
