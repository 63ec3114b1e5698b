// Cuts: see ceiling_cuts.h.
#include "replay/ceiling_cuts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Arrivals over the whole run that make a demand worth a cut.
#define PIVOT_ARRIVALS 40
// Largest beta.
#define BETA_MAX (INT64_C(1) << 30)

#define KINDS 3

bool gr_ceiling_demand_dominates(const struct gr_ceiling_demand *demand,
                                 const struct gr_ceiling_demand *other)
{
    return demand->devices >= other->devices && demand->milli >= other->milli &&
           demand->cpu_milli >= other->cpu_milli && demand->memory_mib >= other->memory_mib &&
           (demand->models & ~other->models) == 0;
}

int64_t gr_ceiling_cut_weight(const struct gr_ceiling_cut *cut,
                              const struct gr_ceiling_demand *demands, uint32_t demand)
{
    const struct gr_ceiling_demand *d = &demands[demand];
    if (demand == cut->pivot) {
        return -cut->beta_milli;
    }
    if (!gr_ceiling_demand_dominates(d, &demands[cut->pivot]) ||
        (cut->kind == GR_CEILING_CUT_FRACTIONAL && d->milli == 1000) ||
        (cut->kind == GR_CEILING_CUT_WHOLE && d->milli < 1000)) {
        return 0;
    }
    return (int64_t)d->devices * d->milli;
}

// What one cut's left side has been at most, if all that arrived were placed, event by event.
static int64_t limit_of(const int64_t *weights, const struct gr_ceiling_arrivals *arrivals)
{
    int64_t level = 0, peak = 0, sum = 0;
    for (size_t i = 0; i < arrivals->count; i++) {
        if (arrivals->demands[i] != GR_CEILING_NO_DEMAND) {
            level += weights[arrivals->demands[i]];
            peak = level > peak ? level : peak;
        }
        sum += arrivals->are_events[i] ? peak : 0;
    }
    return sum;
}

int gr_ceiling_cuts_limit(struct gr_ceiling_cut *cuts, size_t cut_count,
                          const struct gr_ceiling_demand *demands, size_t demand_count,
                          const struct gr_ceiling_arrivals *arrivals, struct gr_err *err)
{
    int64_t *weights = calloc(demand_count + 1, sizeof *weights);
    if (weights == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the cuts of a ceiling");
    }
    for (size_t c = 0; c < cut_count; c++) {
        for (uint32_t j = 0; j < demand_count; j++) {
            weights[j] = gr_ceiling_cut_weight(&cuts[c], demands, j);
        }
        cuts[c].limit_sum = limit_of(weights, arrivals);
    }
    free(weights);
    return 0;
}

// The beta that makes what arrives of the two sides of a cut equal over the whole: then its limit
// is how uneven their arrivals are, and no more. 0 if nothing dominates the pivot.
static int64_t even_beta(const struct gr_ceiling_cut *cut, const struct gr_ceiling_demand *demands,
                         size_t demand_count, const int64_t *count_sums)
{
    __int128 sum = 0;
    for (uint32_t j = 0; j < demand_count; j++) {
        if (j != cut->pivot) {
            sum += (__int128)gr_ceiling_cut_weight(cut, demands, j) * count_sums[j];
        }
    }
    __int128 beta = count_sums[cut->pivot] > 0 ? sum / count_sums[cut->pivot] : 0;
    return beta < BETA_MAX ? (int64_t)beta : BETA_MAX;
}

static size_t choose(const struct gr_ceiling_demand *demands, size_t demand_count,
                     const int64_t *arrived, const int64_t *count_sums, struct gr_ceiling_cut *cuts)
{
    size_t count = 0;
    for (uint32_t j = 0; j < demand_count; j++) {
        for (int kind = 0; kind < KINDS && arrived[j] >= PIVOT_ARRIVALS; kind++) {
            struct gr_ceiling_cut cut = {.pivot = j, .kind = (enum gr_ceiling_cut_kind)kind};
            cut.beta_milli = even_beta(&cut, demands, demand_count, count_sums);
            if (cut.beta_milli > 0 && count < GR_CEILING_CUTS_MAX) {
                cuts[count++] = cut;
            }
        }
    }
    return count;
}

int gr_ceiling_cuts_choose(const struct gr_ceiling_demand *demands, size_t demand_count,
                           const struct gr_ceiling_arrivals *arrivals, const int64_t *count_sums,
                           struct gr_ceiling_cut *cuts, size_t *ret_count, struct gr_err *err)
{
    int64_t *arrived = calloc(demand_count + 1, sizeof *arrived);
    if (arrived == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the cuts of a ceiling");
    }
    for (size_t i = 0; i < arrivals->count; i++) {
        if (arrivals->demands[i] != GR_CEILING_NO_DEMAND) {
            assert(arrivals->demands[i] < demand_count);
            arrived[arrivals->demands[i]]++;
        }
    }
    size_t count = choose(demands, demand_count, arrived, count_sums, cuts);
    free(arrived);
    int code = gr_ceiling_cuts_limit(cuts, count, demands, demand_count, arrivals, err);
    if (code == 0) {
        *ret_count = count;
    }
    return code;
}
