// The duals of a solver: integers near those of the linear program. Every set that is kept was
// priced: it is a certificate.
#include "replay/ceiling_parts.h"

#include <math.h>
#include <string.h>

// Largest price of a cut.
#define PRICE_MAX 1e9
// Largest y asked for.
#define Y_MAX 1e12

const int64_t *gr_ceiling_weights(const struct gr_ceiling *ceiling, int cut)
{
    return ceiling->weights + (size_t)cut * (size_t)ceiling->demand_count;
}

// What a demand pays in all, before memory: y and the prices of its cuts.
static int64_t demand_pays(const struct gr_ceiling *ceiling, int demand)
{
    int64_t pays = ceiling->duals.y[demand];
    for (int c = 0; c < ceiling->cut_count; c++) {
        __int128 price = (__int128)ceiling->duals.price[c] * gr_ceiling_weights(ceiling, c)[demand];
        pays += (int64_t)(price >> GR_CEILING_PRICE_SHIFT);
    }
    return pays;
}

// A point `weight` of the way from the program's dual, in milli, to the best one known, in 1/unit.
static int64_t mix(double weight, int64_t best, double lp, double unit, double most)
{
    return llround(fmin(weight * (double)best + (1 - weight) * lp * unit, most));
}

void gr_ceiling_duals_mix(struct gr_ceiling *ceiling, double weight)
{
    const struct gr_ceiling_lp_duals *lp = &ceiling->lp_duals;
    const struct gr_ceiling_duals *best = &ceiling->best;
    struct gr_ceiling_duals *duals = &ceiling->duals;
    for (int c = 0; c < ceiling->cut_count; c++) {
        double unit = (double)GR_CEILING_SCALE * (1 << GR_CEILING_PRICE_SHIFT);
        duals->price[c] = mix(weight, best->price[c], lp->price[c], unit, PRICE_MAX);
    }
    for (int j = 0; j < ceiling->demand_count; j++) {
        duals->y[j] = mix(weight, best->y[j], lp->y[j], GR_CEILING_SCALE, Y_MAX);
        int64_t pays = demand_pays(ceiling, j);
        int64_t worth = gr_ceiling_worth(&ceiling->demands[j]);
        int64_t excess = worth - pays - GR_CEILING_LIFT * worth;
        excess = excess > 0 ? excess : 0; // raising y is always sound
        duals->y[j] += excess;
        ceiling->paid[j] = pays + excess;
    }
    for (int t = 0; t < ceiling->type_count; t++) {
        double unit = (double)GR_CEILING_SCALE * (1 << GR_CEILING_MEMORY_SHIFT);
        int64_t most = GR_CEILING_MEMORY_PAID_MAX / (ceiling->types[t].memory_mib + 1);
        most = most < GR_CEILING_DUAL_MAX ? most : GR_CEILING_DUAL_MAX;
        int64_t mu = mix(weight, best->mu[t], lp->mu[t], unit, (double)most);
        duals->mu[t] = mu < most ? mu : most;
    }
}

static bool are_writable(const struct gr_ceiling *ceiling)
{
    bool are_small = true;
    for (int j = 0; j < ceiling->demand_count; j++) {
        are_small = are_small && ceiling->duals.y[j] <= GR_CEILING_DUAL_MAX;
    }
    for (int t = 0; t < ceiling->type_count; t++) {
        are_small = are_small && ceiling->duals.z[t] <= GR_CEILING_DUAL_MAX;
    }
    return are_small;
}

void gr_ceiling_duals_keep(struct gr_ceiling *ceiling, __int128 sum)
{
    if ((ceiling->best_sum >= 0 && sum >= ceiling->best_sum) || !are_writable(ceiling)) {
        return;
    }
    const struct gr_ceiling_duals *from = &ceiling->duals;
    struct gr_ceiling_duals *to = &ceiling->best;
    memcpy(to->y, from->y, (size_t)ceiling->demand_count * sizeof *to->y);
    memcpy(to->mu, from->mu, (size_t)ceiling->type_count * sizeof *to->mu);
    memcpy(to->z, from->z, (size_t)ceiling->type_count * sizeof *to->z);
    memcpy(to->price, from->price, GR_CEILING_CUTS_MAX * sizeof *to->price);
    ceiling->best_sum = sum;
}

__int128 gr_ceiling_duals_sum(const struct gr_ceiling *ceiling,
                              const struct gr_ceiling_duals *duals,
                              const struct gr_ceiling_question *question)
{
    __int128 sum = 0;
    for (int j = 0; j < ceiling->demand_count; j++) {
        sum += (__int128)duals->y[j] * question->count_sums[j];
    }
    for (int c = 0; c < ceiling->cut_count; c++) {
        __int128 price = (__int128)duals->price[c] * ceiling->cuts[c].limit_sum;
        sum += price >> GR_CEILING_PRICE_SHIFT;
    }
    for (int t = 0; t < ceiling->type_count; t++) {
        sum += (__int128)duals->z[t] * ceiling->types[t].count * question->event_count;
    }
    return sum;
}
