// The simulator's books of who may hold how much of what, from the words of core/terms.h: sums over
// the tree are made anew for every question. See world.h.
#include "world.h"

static const struct gr_quota *quota_of(const struct world *world, uint32_t org, uint32_t variant)
{
    for (uint32_t q = 0; q < world->quotas; q++) {
        if (world->quota[q].org == org && world->quota[q].variant == variant) {
            return &world->quota[q];
        }
    }
    return NULL;
}

static bool has_quota(const struct world *world, uint32_t variant)
{
    bool any = false;
    for (uint32_t o = 0; o < world->orgs; o++) {
        any |= quota_of(world, o, variant) != NULL;
    }
    return any;
}

uint64_t world_job_held(const struct world *world, const struct world_job *job, uint32_t variant)
{
    uint64_t held = 0;
    for (uint32_t p = 0; job->running && p < job->piece_count; p++) {
        const struct gr_piece *piece = &job->pieces[p];
        for (int i = 0; i < GR_NODE_DEVICES_MAX; i++) {
            bool is_it = world->node[piece->node].variant == variant;
            held += is_it && !job->lost[p] && (piece->devices >> i & 1) != 0 ? piece->milli : 0;
        }
    }
    return held;
}

uint64_t world_org_held(const struct world *world, uint32_t org, uint32_t variant)
{
    uint64_t held = 0;
    for (uint32_t j = 0; j < world->jobs; j++) {
        if (world_is_below(world, world->job[j].org, org)) {
            held += world_job_held(world, &world->job[j], variant);
        }
    }
    return held;
}

static uint64_t rest(uint64_t all, uint64_t used)
{
    return all > used ? all - used : 0;
}

// What nobody but an organisation and those below it may take: the larger of what it does not lend
// and does not use, and of what those below it keep so.
static uint64_t kept(const struct world *world, uint32_t org, uint32_t variant)
{
    const struct gr_quota *quota = quota_of(world, org, variant);
    uint64_t below = 0, own = 0;
    for (uint32_t o = org + 1; o < world->orgs; o++) {
        below += world->org[o].parent == org ? kept(world, o, variant) : 0;
    }
    if (quota != NULL && quota->lend_milli < quota->nominal_milli) {
        own = rest(quota->nominal_milli - quota->lend_milli, world_org_held(world, org, variant));
    }
    return own > below ? own : below;
}

// What others keep from an organisation: those below it, and whoever is beside it or beside one of
// those above it.
static uint64_t kept_from(const struct world *world, uint32_t org, uint32_t variant)
{
    uint64_t sum = 0;
    for (uint32_t o = 0; o < world->orgs; o++) {
        uint32_t parent = world->org[o].parent;
        bool is_beside = parent == UINT32_MAX || world_is_below(world, org, parent);
        sum += is_beside && !world_is_below(world, org, o) ? kept(world, o, variant) : 0;
    }
    return sum;
}

static uint64_t free_of(const struct world *world, const struct world_view *view, uint32_t variant)
{
    uint64_t free = 0;
    for (uint32_t n = 0; n < world->nodes; n++) {
        for (uint32_t i = 0; i < world->node[n].devices; i++) {
            bool counts = world->node[n].state == GR_NODE_UP && world->node[n].variant == variant;
            free += counts ? (uint64_t)view->milli[n][i] : 0;
        }
    }
    return free;
}

uint64_t world_quota_left(const struct world *world, uint32_t org, uint32_t variant, bool own)
{
    uint64_t left = UINT64_MAX, nominal_left = 0;
    bool has_nominal = false;
    struct world_view view;
    if (!has_quota(world, variant)) {
        return UINT64_MAX;
    }
    for (uint32_t o = org; o != UINT32_MAX; o = world->org[o].parent) {
        const struct gr_quota *quota = quota_of(world, o, variant);
        if (quota == NULL) {
            continue;
        }
        uint64_t held = world_org_held(world, o, variant);
        if (quota->borrow_milli != UINT64_MAX) {
            uint64_t here = rest(quota->nominal_milli + quota->borrow_milli, held);
            left = here < left ? here : left;
        }
        if (quota->nominal_milli > 0 || has_nominal) {
            uint64_t here = rest(quota->nominal_milli, held);
            nominal_left = !has_nominal || here < nominal_left ? here : nominal_left;
            has_nominal = true;
        }
    }
    if (own) {
        return nominal_left < left ? nominal_left : left;
    }
    world_view_now(world, &view);
    uint64_t theirs = kept_from(world, org, variant);
    uint64_t borrowable = theirs == 0 ? UINT64_MAX : rest(free_of(world, &view, variant), theirs);
    return borrowable < left ? borrowable : left;
}

static bool terms_allow(const struct world *world, const struct world_job *job, uint32_t tasks,
                        bool starts)
{
    const struct gr_shape *shape = &job->demand.shape;
    const struct gr_org_terms *terms = &world->terms[job->org];
    uint64_t milli = (uint64_t)tasks * shape->devices * shape->milli;
    if (job->user != UINT32_MAX) {
        struct world_use use = world_user_use(world, job->user);
        if ((starts && terms->user_running_max != 0 && use.running >= terms->user_running_max) ||
            (terms->user_held_milli_max != 0 && milli > 0 &&
             rest(terms->user_held_milli_max, use.held) < milli)) {
            return false;
        }
    }
    for (uint32_t o = job->org; o != UINT32_MAX; o = world->org[o].parent) {
        struct world_use use = world_org_use(world, o);
        terms = &world->terms[o];
        if ((starts && terms->running_max != 0 && use.running >= terms->running_max) ||
            (terms->held_milli_max != 0 && milli > 0 &&
             rest(terms->held_milli_max, use.held) < milli)) {
            return false;
        }
    }
    return true;
}

bool world_terms_allow(const struct world *world, const struct world_job *job)
{
    return terms_allow(world, job, job->demand.tasks, true);
}

bool world_terms_allow_more(const struct world *world, const struct world_job *job, uint32_t tasks)
{
    return terms_allow(world, job, tasks, false);
}
