// Limits of organisations and of their users, and the facts that set terms.
#include "core/queue.h"

#define NONE GR_NONE

// Would one more job that takes so many milli pass a limit? 0: there is none.
// With `running_max` 0 it runs already, and takes more.
static bool passes(const struct gr_use_now *now, uint32_t running_max, uint64_t held_milli_max,
                   uint64_t milli)
{
    return (running_max != 0 && now->running >= running_max) ||
           (held_milli_max != 0 && milli > 0 &&
            (milli > held_milli_max || now->held_milli > held_milli_max - milli));
}

static enum gr_refusal allow(const struct gr_core *core, uint32_t org, uint32_t user,
                             uint64_t milli, bool starts)
{
    const struct gr_org_terms *terms = gr_org_terms_at(core, org);
    if (user != NONE && passes(gr_user_now_at(core, user), starts ? terms->user_running_max : 0,
                               terms->user_held_milli_max, milli)) {
        return GR_REFUSED_TERMS;
    }
    for (uint32_t o = org; o != NONE; o = gr_core_org_get(core, o)->parent) {
        terms = gr_org_terms_at(core, o);
        if (passes(gr_org_now_at(core, o), starts ? terms->running_max : 0, terms->held_milli_max,
                   milli)) {
            return GR_REFUSED_TERMS;
        }
    }
    return GR_REFUSED_NOTHING;
}

enum gr_refusal gr_terms_allow(const struct gr_core *core, uint32_t org, uint32_t user,
                               uint64_t milli)
{
    return allow(core, org, user, milli, true);
}

enum gr_refusal gr_terms_allow_more(const struct gr_core *core, uint32_t org, uint32_t user,
                                    uint64_t milli)
{
    return allow(core, org, user, milli, false);
}

bool gr_terms_priority(const struct gr_core *core, uint32_t org, unsigned priority)
{
    for (uint32_t o = org; o != NONE; o = gr_core_org_get(core, o)->parent) {
        const struct gr_org_terms *terms = gr_org_terms_at(core, o);
        if (terms->weight != 0 && priority > terms->priority_max) {
            return false;
        }
    }
    return true;
}

static enum gr_refusal org_terms_check(const struct gr_core *core, const struct gr_org_terms *terms)
{
    if (terms->org >= core->org_count) {
        return GR_REFUSED_ORG;
    }
    for (unsigned i = 0; i < sizeof terms->reserved; i++) {
        if (terms->reserved[i] != 0) {
            return GR_REFUSED_FIELD;
        }
    }
    return terms->weight >= 1 && terms->weight <= GR_WEIGHT_MAX ? GR_REFUSED_NOTHING
                                                                : GR_REFUSED_FIELD;
}

static bool time_good(int64_t ms)
{
    return ms >= 0 && ms <= GR_QUEUE_MS_MAX;
}

enum gr_refusal gr_terms_check(const struct gr_core *core, const struct gr_event *event)
{
    if (event->type == GR_ORG_TERMS_SET) {
        return org_terms_check(core, &event->org_terms);
    }
    const struct gr_queue_terms *terms = &event->queue_terms;
    return time_good(terms->half_life_ms) && time_good(terms->notice_ms) &&
                   time_good(terms->min_run_ms) && terms->reserved == 0 &&
                   (terms->reclaim & ~(GR_RECLAIM_BORROWED | GR_RECLAIM_PRIORITY)) == 0
               ? GR_REFUSED_NOTHING
               : GR_REFUSED_FIELD;
}
