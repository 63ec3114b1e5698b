// Which limit of terms or quotas keeps a job from starting, with figures. See why.h.
#include "core/why_parts.h"

#define NONE GR_NONE

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// How much of `max` (0: no limit) is left.
static uint64_t rest(uint64_t max, uint64_t now)
{
    return max == 0 ? UINT64_MAX : max > now ? max - now : 0;
}

// Notes a limit if it is passed. Returns whether it is.
static bool passes(struct gr_why_limit *limit, enum gr_why_bound bound, uint32_t org, uint64_t max,
                   uint64_t now, uint64_t asked)
{
    if (max == 0 || asked == 0 || rest(max, now) >= asked) {
        return false;
    }
    *limit = (struct gr_why_limit){
        .bound = bound, .org = org, .variant = NONE, .limit = max, .now = now, .asked = asked};
    return true;
}

static bool terms_find(const struct gr_why_ask *ask)
{
    const struct gr_core *core = ask->core;
    const struct gr_job *job = ask->job;
    struct gr_why_limit *limit = &ask->why->limit;
    const struct gr_org_terms *terms = gr_org_terms_at(core, job->org);
    uint64_t milli = gr_demand_milli(&job->demand);
    bool found = false;
    if (job->user != NONE) {
        const struct gr_use_now *now = gr_user_now_at(core, job->user);
        found = passes(limit, GR_BOUND_USER_RUNNING, job->org, terms->user_running_max,
                       now->running, 1) ||
                passes(limit, GR_BOUND_USER_HELD, job->org, terms->user_held_milli_max,
                       now->held_milli, milli);
    }
    for (uint32_t o = job->org; o != NONE && !found; o = gr_core_org_get(core, o)->parent) {
        const struct gr_use_now *now = gr_org_now_at(core, o);
        terms = gr_org_terms_at(core, o);
        found = passes(limit, GR_BOUND_RUNNING, o, terms->running_max, now->running, 1) ||
                passes(limit, GR_BOUND_HELD, o, terms->held_milli_max, now->held_milli, milli);
    }
    return found;
}

static uint64_t quota_left(const struct gr_core *core, uint32_t org, uint32_t variant)
{
    uint64_t own = gr_quota_left(core, org, variant, true);
    uint64_t any = gr_quota_left(core, org, variant, false);
    return own > any ? own : any;
}

// The variant of its need of which quotas leave most.
static uint32_t quota_widest(const struct gr_why_ask *ask, uint64_t *ret_left)
{
    uint32_t widest = NONE;
    *ret_left = 0;
    for (uint32_t v = 0; v < ask->core->variant_count; v++) {
        if ((ask->need->variants[v / 64] >> v % 64 & 1) != 0) {
            uint64_t left = quota_left(ask->core, ask->job->org, v);
            widest = widest == NONE || left > *ret_left ? v : widest;
            *ret_left = left > *ret_left ? left : *ret_left;
        }
    }
    return widest;
}

static void quota_find(const struct gr_why_ask *ask)
{
    const struct gr_core *core = ask->core;
    uint64_t left, milli = gr_demand_milli(&ask->job->demand);
    uint32_t variant = quota_widest(ask, &left);
    struct gr_why_limit *limit = &ask->why->limit;
    if (variant == NONE) {
        return;
    }
    for (uint32_t o = ask->job->org; o != NONE; o = gr_core_org_get(core, o)->parent) {
        struct gr_quota quota;
        uint64_t used;
        if (gr_quota_find(core, o, variant, &quota, &used) && quota.borrow_milli != GR_ANY_MILLI &&
            quota.nominal_milli + quota.borrow_milli < used + milli) {
            *limit = (struct gr_why_limit){.bound = GR_BOUND_QUOTA,
                                           .org = o,
                                           .variant = variant,
                                           .limit = quota.nominal_milli + quota.borrow_milli,
                                           .now = used,
                                           .asked = milli};
            return;
        }
    }
    *limit = (struct gr_why_limit){.bound = GR_BOUND_KEPT,
                                   .org = ask->job->org,
                                   .variant = variant,
                                   .limit = left,
                                   .asked = milli};
}

void gr_why_bound_find(const struct gr_why_ask *ask)
{
    if (!terms_find(ask)) {
        quota_find(ask);
    }
}

uint64_t gr_why_bound_left(const struct gr_why_ask *ask)
{
    const struct gr_core *core = ask->core;
    const struct gr_job *job = ask->job;
    uint64_t left = UINT64_MAX;
    const struct gr_org_terms *terms = gr_org_terms_at(core, job->org);
    if (core->quota_count > 0) {
        (void)quota_widest(ask, &left);
    }
    if (job->user != NONE) {
        left = least(left,
                     rest(terms->user_held_milli_max, gr_user_now_at(core, job->user)->held_milli));
    }
    for (uint32_t o = job->org; o != NONE; o = gr_core_org_get(core, o)->parent) {
        terms = gr_org_terms_at(core, o);
        left = least(left, rest(terms->held_milli_max, gr_org_now_at(core, o)->held_milli));
    }
    return left;
}
