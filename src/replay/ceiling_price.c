// Pricing: the most that one node can earn at given duals, exactly, in integers.
//
// A node is a row of devices. What fits into one device within so much cpu is an unbounded knapsack
// (milli by cpu); a node is devices side by side, and demands for several devices across them. Cpu
// is counted in units, rounded down: every true filling is among those considered, so the result is
// never too low. Memory is not counted but paid for. No step uses floating point.
#include "replay/ceiling_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Four numbers at once: gcc -O2 leaves the plain loop scalar, four times slower.
typedef int32_t lanes __attribute__((vector_size(16)));

bool gr_ceiling_fits(const struct gr_ceiling_demand *demand,
                     const struct gr_ceiling_node_type *type)
{
    return demand->devices <= type->devices && demand->cpu_milli <= type->cpu_milli &&
           demand->memory_mib <= type->memory_mib && ((demand->models >> type->model) & 1) != 0;
}

// By devices, milli, cpu; the dearer first.
static int compare_items(const void *left, const void *right)
{
    const struct gr_ceiling_item *a = left, *b = right;
    if (a->devices != b->devices) {
        return a->devices < b->devices ? -1 : 1;
    }
    if (a->grains != b->grains) {
        return a->grains < b->grains ? -1 : 1;
    }
    if (a->steps != b->steps) {
        return a->steps < b->steps ? -1 : 1;
    }
    return a->value > b->value ? -1 : a->value < b->value;
}

// Drops the items that a smaller one of at least the same value can replace. Returns what is left.
static int drop_replaced(struct gr_ceiling_item *items, int count)
{
    int kept = 0;
    for (int i = 0; i < count; i++) {
        bool is_useful = true;
        for (int k = 0; k < kept && is_useful; k++) {
            is_useful = items[k].devices < items[i].devices || items[k].steps > items[i].steps ||
                        items[k].value < items[i].value;
        }
        if (is_useful) {
            items[kept++] = items[i];
        }
    }
    return kept;
}

int64_t gr_ceiling_worth(const struct gr_ceiling_demand *demand)
{
    return (int64_t)GR_CEILING_SCALE * demand->devices * demand->milli;
}

// What this much memory pays on a node of this type, which has at least as much.
static int64_t memory_pays(const struct gr_ceiling *ceiling, int type, int64_t memory_mib)
{
    __int128 paid = (__int128)ceiling->duals.mu[type] * memory_mib;
    assert(paid <= GR_CEILING_MEMORY_PAID_MAX);
    return (int64_t)(paid >> GR_CEILING_MEMORY_SHIFT);
}

// What one of `demand`, which fits, earns on a node of this type beyond what it pays.
static int64_t value_of(const struct gr_ceiling *ceiling, int type, int demand)
{
    const struct gr_ceiling_demand *d = &ceiling->demands[demand];
    return gr_ceiling_worth(d) - ceiling->paid[demand] - memory_pays(ceiling, type, d->memory_mib);
}

// Lists the demands that are worth anything on this type.
static int list_items(struct gr_ceiling *ceiling, int type)
{
    struct gr_ceiling_item *items = ceiling->tables.items;
    int count = 0;
    for (int j = 0; j < ceiling->demand_count; j++) {
        const struct gr_ceiling_demand *demand = &ceiling->demands[j];
        int64_t value =
            gr_ceiling_fits(demand, &ceiling->types[type]) ? value_of(ceiling, type, j) : 0;
        if (value <= 0) {
            continue;
        }
        assert(value <= GR_CEILING_LIFT * gr_ceiling_worth(demand));
        items[count++] =
            (struct gr_ceiling_item){.demand = j,
                                     .devices = (int)demand->devices,
                                     .grains = (int)demand->milli / ceiling->grain,
                                     .steps = (int)(demand->cpu_milli / ceiling->unit[type]),
                                     .value = (int32_t)value};
    }
    qsort(items, (size_t)count, sizeof *items, compare_items);
    return drop_replaced(items, count);
}

// Raises to[k] to from[k] + value where that is more, for k below `count`. The two must not
// overlap.
static void raise_row(int32_t *to, const int32_t *from, int32_t value, int count)
{
    int k = 0;
    for (; k + 4 <= count; k += 4) {
        lanes have, with;
        memcpy(&have, to + k, sizeof have);
        memcpy(&with, from + k, sizeof with);
        with += value;
        lanes is_more = with > have;
        have = (with & is_more) | (have & ~is_more);
        memcpy(to + k, &have, sizeof have);
    }
    for (; k < count; k++) {
        int32_t with = from[k] + value;
        to[k] = to[k] > with ? to[k] : with;
    }
}

// tables.device[m][k]: the most that one device can earn within m grains and k steps.
static void fill_device(struct gr_ceiling *ceiling, int item_count, int steps)
{
    struct gr_ceiling_tables *tables = &ceiling->tables;
    size_t width = (size_t)steps + 1;
    memset(tables->device, 0, ((size_t)ceiling->device_grains + 1) * width * sizeof(int32_t));
    for (int i = 0; i < item_count && tables->items[i].devices == 1; i++) {
        const struct gr_ceiling_item *item = &tables->items[i];
        for (int m = item->grains; m <= ceiling->device_grains; m++) {
            raise_row(tables->device + (size_t)m * width + item->steps,
                      tables->device + (size_t)(m - item->grains) * width, item->value,
                      steps - item->steps + 1);
        }
    }
    const int32_t *last = tables->device + (size_t)ceiling->device_grains * width;
    tables->rise_count = 0;
    for (int k = 0; k <= steps; k++) {
        if (k == 0 || last[k] > last[k - 1]) {
            tables->rises[tables->rise_count++] = k;
        }
    }
}

// tables.node[g][k]: the most that g devices can earn within k steps.
static void fill_node(struct gr_ceiling *ceiling, int item_count, int devices, int steps)
{
    struct gr_ceiling_tables *tables = &ceiling->tables;
    size_t width = (size_t)steps + 1;
    const int32_t *single = tables->device + (size_t)ceiling->device_grains * width;
    memset(tables->node, 0, ((size_t)devices + 1) * width * sizeof(int32_t));
    for (int g = 1; g <= devices; g++) {
        int32_t *row = tables->node + (size_t)g * width;
        for (int r = 0; r < tables->rise_count; r++) {
            int used = tables->rises[r];
            raise_row(row + used, row - width, single[used], steps - used + 1);
        }
        for (int i = item_count - 1; i >= 0 && tables->items[i].devices > 1; i--) {
            const struct gr_ceiling_item *item = &tables->items[i];
            if (item->devices <= g) {
                raise_row(row + item->steps, row - (size_t)item->devices * width, item->value,
                          steps - item->steps + 1);
            }
        }
    }
}

// Reads back how a whole device came to earn what it does within `left` steps, into `pick`.
static void pick_device(struct gr_ceiling *ceiling, int item_count, int left, int steps)
{
    const struct gr_ceiling_tables *tables = &ceiling->tables;
    size_t width = (size_t)steps + 1;
    int m = ceiling->device_grains;
    while (tables->device[(size_t)m * width + (size_t)left] > 0) {
        int32_t have = tables->device[(size_t)m * width + (size_t)left];
        int i = 0;
        for (; i < item_count && tables->items[i].devices == 1; i++) {
            const struct gr_ceiling_item *item = &tables->items[i];
            if (item->grains <= m && item->steps <= left &&
                tables->device[(size_t)(m - item->grains) * width + (size_t)(left - item->steps)] +
                        item->value ==
                    have) {
                break;
            }
        }
        assert(i < item_count && tables->items[i].devices == 1);
        ceiling->pick[tables->items[i].demand]++;
        m -= tables->items[i].grains;
        left -= tables->items[i].steps;
    }
}

// The item for several devices that ends at device g with `left` steps in a best filling, or NULL
// if that device stands alone there; then *ret_used is what it uses.
static const struct gr_ceiling_item *last_of_node(const struct gr_ceiling *ceiling, int item_count,
                                                  int g, int left, int steps, int *ret_used)
{
    const struct gr_ceiling_tables *tables = &ceiling->tables;
    size_t width = (size_t)steps + 1;
    const int32_t *single = tables->device + (size_t)ceiling->device_grains * width;
    const int32_t *row = tables->node + (size_t)g * width;
    for (int r = 0; r < tables->rise_count && tables->rises[r] <= left; r++) {
        int used = tables->rises[r];
        if ((row - width)[left - used] + single[used] == row[left]) {
            *ret_used = used;
            return NULL;
        }
    }
    for (int i = item_count - 1; i >= 0 && tables->items[i].devices > 1; i--) {
        const struct gr_ceiling_item *item = &tables->items[i];
        if (item->devices <= g && item->steps <= left &&
            (row - (size_t)item->devices * width)[left - item->steps] + item->value == row[left]) {
            return item;
        }
    }
    assert(!"every entry of the table was reached somehow");
    return NULL;
}

// Reads back how the whole node came to earn what it does, into `pick`.
static void pick_node(struct gr_ceiling *ceiling, int item_count, int devices, int steps)
{
    int left = steps;
    memset(ceiling->pick, 0, (size_t)ceiling->demand_count * sizeof *ceiling->pick);
    for (int g = devices; g > 0;) {
        int used = 0;
        const struct gr_ceiling_item *item =
            last_of_node(ceiling, item_count, g, left, steps, &used);
        if (item == NULL) {
            pick_device(ceiling, item_count, used, steps);
            left -= used;
            g--;
        } else {
            ceiling->pick[item->demand]++;
            left -= item->steps;
            g -= item->devices;
        }
    }
}

void gr_ceiling_price(struct gr_ceiling *ceiling, int type)
{
    const struct gr_ceiling_node_type *node = &ceiling->types[type];
    int steps = (int)(node->cpu_milli / ceiling->unit[type]);
    int devices = (int)node->devices;
    assert(steps <= ceiling->tables.steps_max);
    int item_count = list_items(ceiling, type);
    fill_device(ceiling, item_count, steps);
    fill_node(ceiling, item_count, devices, steps);
    pick_node(ceiling, item_count, devices, steps);
    size_t whole = (size_t)devices * ((size_t)steps + 1) + (size_t)steps;
    ceiling->duals.z[type] =
        ceiling->tables.node[whole] + memory_pays(ceiling, type, node->memory_mib);
}
