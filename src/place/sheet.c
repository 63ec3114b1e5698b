// Scores many needs on one node: see sheet.h.
#include "place/sheet.h"

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
    int32_t cpu_milli = (int32_t)view->node->cpu_milli;
    for (uint32_t i = 0; i < sheet->count; i++) {
        unsigned u = sheet->unit[i];
        uint32_t column = gr_value_column(view->group, cpu_milli - sheet->cpu_milli[i]);
        int32_t loss = after[u].fixed - gr_value_worth(0, after[u].slope, after[u].row[column]);
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
