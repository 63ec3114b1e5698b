// The columns of a solver: the ways to fill a node that pricing found so far. Must never hold one
// twice.
#include "replay/ceiling_parts.h"

#include <errno.h>
#include <stdlib.h>

// Columns held before those not used for long are dropped, and how many solves are long.
#define COLUMNS_MANY 12000
#define IDLE_LONG 3

static bool is_known(const struct gr_ceiling *ceiling, int type, int count)
{
    for (int i = 0; i < ceiling->column_count; i++) {
        const struct gr_ceiling_column *column = &ceiling->columns[i];
        if (column->type != type || column->count != count) {
            continue;
        }
        int k = 0;
        while (k < count && ceiling->pick[column->demands[k]] == column->copies[k]) {
            k++;
        }
        if (k == count) {
            return true;
        }
    }
    return false;
}

static int make_room(struct gr_ceiling *ceiling)
{
    if (ceiling->column_count < ceiling->column_room) {
        return 0;
    }
    int room = ceiling->column_room > 0 ? 2 * ceiling->column_room : 1024;
    void *grown = realloc(ceiling->columns, (size_t)room * sizeof *ceiling->columns);
    if (grown == NULL) {
        return -ENOMEM;
    }
    ceiling->columns = grown;
    ceiling->column_room = room;
    return 0;
}

int gr_ceiling_columns_add(struct gr_ceiling *ceiling, int type)
{
    int count = 0;
    for (int j = 0; j < ceiling->demand_count; j++) {
        count += ceiling->pick[j] > 0;
    }
    if (count == 0 || is_known(ceiling, type, count)) {
        return 0;
    }
    int *pairs = make_room(ceiling) == 0 ? malloc(2 * (size_t)count * sizeof *pairs) : NULL;
    if (pairs == NULL) {
        return -ENOMEM;
    }
    for (int j = 0, k = 0; j < ceiling->demand_count; j++) {
        if (ceiling->pick[j] > 0) {
            pairs[k] = j;
            pairs[count + k] = ceiling->pick[j];
            k++;
        }
    }
    ceiling->columns[ceiling->column_count++] = (struct gr_ceiling_column){
        .type = type, .count = count, .demands = pairs, .copies = pairs + count};
    return 1;
}

void gr_ceiling_columns_trim(struct gr_ceiling *ceiling)
{
    int kept = 0;
    for (int i = 0; i < ceiling->column_count; i++) {
        ceiling->columns[i].idle++;
    }
    if (ceiling->column_count <= COLUMNS_MANY) {
        return;
    }
    for (int i = 0; i < ceiling->column_count; i++) {
        if (ceiling->columns[i].is_basic || ceiling->columns[i].idle <= IDLE_LONG) {
            ceiling->columns[kept++] = ceiling->columns[i];
        } else {
            free(ceiling->columns[i].demands);
        }
    }
    ceiling->column_count = kept;
}

void gr_ceiling_columns_done(struct gr_ceiling *ceiling)
{
    for (int i = 0; i < ceiling->column_count; i++) {
        free(ceiling->columns[i].demands);
    }
    free(ceiling->columns);
    ceiling->columns = NULL;
    ceiling->column_count = ceiling->column_room = 0;
}
