// Scores many needs on one node: see sheet.h.
#include "place/sheet.h"

#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "entries_list reads bytes lowest first");

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

// What a unit leaves of the node, as the loss of an entry needs it.
struct left {
    int32_t fixed, slope;
    const uint16_t *row;
};

static struct left unit_left(const struct gr_sheet *sheet, const struct gr_value_view *view,
                             uint32_t unit)
{
    unsigned device;
    int32_t worth = gr_value_take(view, sheet->devices[unit], sheet->milli[unit], &device);
    struct gr_value_after after =
        gr_value_left(view, worth, sheet->devices[unit] * sheet->milli[unit]);
    // The loss is what is now, less the base, less what is left.
    return (struct left){.fixed = view->now - sheet->base[unit] - after.fixed,
                         .slope = after.slope,
                         .row = view->value->usable + after.row_at};
}

// Entries that fit, in order. Most of a full pool's slots fit nowhere on a node: eight at a time
// are passed over.
static uint32_t entries_list(const struct gr_sheet *sheet, const uint8_t *fits, uint16_t *ret_list)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < sheet->count; at += 8) {
        uint64_t word = 0;
        uint32_t bytes = sheet->count - at < 8 ? sheet->count - at : 8;
        memcpy(&word, fits + at, bytes);
        while (word != 0) {
            uint32_t i = (uint32_t)__builtin_ctzll(word) / 8;
            ret_list[count++] = (uint16_t)(at + i);
            word &= ~(UINT64_C(0xff) << (8 * i));
        }
    }
    return count;
}

void gr_sheet_score(const struct gr_sheet *sheet, const struct gr_value_view *view,
                    const uint8_t *fits, uint8_t *ret_scores, size_t step)
{
    struct left left[GR_SHEET_MAX];
    bool known[GR_SHEET_MAX];
    uint16_t list[GR_SHEET_MAX + 8];
    uint32_t count = entries_list(sheet, fits, list);
    memset(known, 0, sheet->units);
    if (step == 1) {
        memset(ret_scores, 0, sheet->count);
    }
    for (uint32_t i = 0; step != 1 && i < sheet->count; i++) {
        ret_scores[i * step] = 0;
    }
    const struct gr_value_scale scale = sheet->scale;
    const int32_t cpu = (int32_t)view->node->cpu_milli;
    for (uint32_t n = 0; n < count; n++) {
        uint32_t i = list[n], unit = sheet->unit[i];
        if (!known[unit]) {
            left[unit] = unit_left(sheet, view, unit);
            known[unit] = true;
        }
        uint16_t share = left[unit].row[gr_value_column(view->group, cpu - sheet->cpu_milli[i])];
        int32_t loss = left[unit].fixed - gr_value_worth(0, left[unit].slope, share);
        ret_scores[i * step] = gr_value_score(&scale, loss);
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
