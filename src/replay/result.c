// What a replay came to: see result.h.
#include "replay/result.h"

#include <assert.h>
#include <stdlib.h>

uint64_t gr_result_percent(uint64_t milli, uint64_t capacity_milli, uint64_t scale)
{
    assert(capacity_milli > 0);
    unsigned __int128 parts = (unsigned __int128)milli * 100 * scale;
    uint64_t whole = (uint64_t)(parts / capacity_milli);
    uint64_t rest = (uint64_t)(parts % capacity_milli), missing = capacity_milli - rest;
    return whole + (rest > missing || (rest == missing && whole % 2 == 1));
}

double gr_result_allocation_at(const struct gr_result *result, unsigned percent)
{
    assert(percent < GR_CURVE_POINTS);
    const struct gr_curve_point *point = &result->curve[percent];
    return point->count == 0 ? -1 : point->sum / point->count;
}

double gr_result_fragmentation_at(const struct gr_result *result, unsigned percent)
{
    assert(percent < GR_CURVE_POINTS);
    const struct gr_curve_point *point = &result->curve[percent];
    return point->count == 0 || !result->has_fragmentation ? -1 : point->frag / point->count;
}

void gr_result_done(struct gr_result *result)
{
    free(result->samples);
    free(result->fills);
    free(result->jobs);
    *result = (struct gr_result){0};
}
