// Limits of organisations and of their users, classes of jobs, and the facts that set terms.
#include "core/queue.h"
#include "core/show.h"

#include <string.h>

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

// The row of the class of this name; NONE: there is none.
static uint32_t class_row(const struct gr_core *core, const char *name)
{
    for (uint32_t r = 0; r < core->class_count; r++) {
        if (strncmp(gr_class_at(core, r)->name, name, GR_NAME_SIZE) == 0) {
            return r;
        }
    }
    return NONE;
}

enum gr_refusal gr_class_check(const struct gr_core *core, const struct gr_class *of)
{
    for (unsigned i = 0; i < sizeof of->reserved; i++) {
        if (of->reserved[i] != 0) {
            return GR_REFUSED_FIELD;
        }
    }
    if (of->limit_ms < 0 || of->limit_ms > GR_QUEUE_MS_MAX) {
        return GR_REFUSED_FIELD;
    }
    return core->class_count == GR_CLASSES_MAX && class_row(core, of->name) == NONE
               ? GR_REFUSED_LIMIT_OTHER
               : GR_REFUSED_NOTHING;
}

void gr_class_set(struct gr_core *core, const struct gr_class *of)
{
    uint32_t row = class_row(core, of->name);
    *gr_class_at(core, row == NONE ? core->class_count++ : row) = *of;
}

const struct gr_class *gr_core_class_find(const struct gr_core *core, const char *name)
{
    uint32_t row = class_row(core, name);
    return row == NONE ? NULL : gr_class_at(core, row);
}

const struct gr_class *gr_core_class_get(const struct gr_core *core, uint32_t index)
{
    return index < core->class_count ? gr_class_at(core, index) : NULL;
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
