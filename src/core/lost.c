// Work that is lost by taking room back, and the cap on it: a bucket that leaks what may be lost in
// an hour, evenly. What a job loses counts when it is asked to stop.
#include "core/reclaim.h"

#include "core/part.h"

#define HOUR_MS 3600000u

static uint64_t most(unsigned __int128 amount)
{
    return amount > UINT64_MAX ? UINT64_MAX : (uint64_t)amount;
}

uint64_t gr_lost_of(const struct gr_core *core, const struct gr_job *job, int64_t at_ms)
{
    int64_t from = job->began_ms != 0 ? job->began_ms : job->started_ms;
    (void)core;
    from = job->safe_ms > from ? job->safe_ms : from;
    uint64_t lost_ms = at_ms > from ? (uint64_t)(at_ms - from) : 0;
    return most((unsigned __int128)gr_part_held_milli(core, job) * lost_ms);
}

static uint64_t level_at(const struct gr_core *core, int64_t at_ms)
{
    uint64_t cap = core->queue_terms.lost_per_hour;
    if (cap == GR_ANY_MILLI) {
        return 0;
    }
    uint64_t passed = at_ms > core->lost_at_ms ? (uint64_t)(at_ms - core->lost_at_ms) : 0;
    uint64_t leaked = most((unsigned __int128)cap * passed / HOUR_MS);
    return core->lost_level > leaked ? core->lost_level - leaked : 0;
}

uint64_t gr_lost_left(const struct gr_core *core, int64_t at_ms)
{
    uint64_t cap = core->queue_terms.lost_per_hour;
    uint64_t level = level_at(core, at_ms);
    return cap == GR_ANY_MILLI ? UINT64_MAX : cap > level ? cap - level : 0;
}

void gr_lost_add(struct gr_core *core, const struct gr_job *job, int64_t at_ms)
{
    uint64_t lost = gr_lost_of(core, job, at_ms);
    core->lost_level = most((unsigned __int128)level_at(core, at_ms) + lost);
    core->lost_at_ms = at_ms;
    core->lost_total = most((unsigned __int128)core->lost_total + lost);
    core->reclaimed_jobs++;
}

void gr_lost_pass(struct gr_core *core)
{
    core->lost_level = level_at(core, core->now_ms);
    core->lost_at_ms = core->now_ms;
}

struct gr_core_lost gr_core_lost(const struct gr_core *core, int64_t at_ms)
{
    assert(core != NULL);
    return (struct gr_core_lost){
        .total = core->lost_total, .hour = level_at(core, at_ms), .jobs = core->reclaimed_jobs};
}
