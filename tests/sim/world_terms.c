// The simulator's books of quotas, shares and what was held. What is held is counted from the jobs
// whenever it is asked for; averages are floating-point numbers, kept after every fact: another way
// than the core's, to be compared within a tolerance. See world.h.
#include "world.h"

#include "core/show.h"

#include <math.h>
#include <string.h>

static world_set when(bool wrong, enum gr_refusal refusal)
{
    return wrong ? WORLD_NO(refusal) : 0;
}

bool world_is_below(const struct world *world, uint32_t org, uint32_t above)
{
    while (org != above && org != UINT32_MAX) {
        org = world->org[org].parent;
    }
    return org == above;
}

// --- objections

// As if nothing had been said.
static bool is_nothing(const struct gr_quota *quota)
{
    return quota->nominal_milli == 0 && quota->borrow_milli == UINT64_MAX &&
           quota->lend_milli == UINT64_MAX;
}

static world_set quota_objections(const struct world *world, const struct gr_quota *quota)
{
    const uint64_t most = UINT64_C(1099511627776);
    bool borrow_good = quota->borrow_milli == UINT64_MAX || quota->borrow_milli <= most;
    bool lend_good = quota->lend_milli == UINT64_MAX || quota->lend_milli <= quota->nominal_milli;
    bool is_known = false;
    for (uint32_t q = 0; q < world->quotas; q++) {
        is_known |= world->quota[q].org == quota->org && world->quota[q].variant == quota->variant;
    }
    return when(quota->org >= world->orgs, GR_REFUSED_ORG) |
           when(quota->variant >= world->variants, GR_REFUSED_VARIANT) |
           when(quota->nominal_milli > most || !borrow_good || !lend_good, GR_REFUSED_FIELD) |
           when(!is_known && !is_nothing(quota) && world->quotas >= world->limits.quotas,
                GR_REFUSED_LIMIT_OTHER);
}

static world_set org_terms_objections(const struct world *world, const struct gr_org_terms *terms)
{
    bool is_zero = true;
    for (size_t i = 0; i < sizeof terms->reserved; i++) {
        is_zero &= terms->reserved[i] == 0;
    }
    return when(terms->org >= world->orgs, GR_REFUSED_ORG) |
           when(terms->weight < 1 || terms->weight > 1000000 || !is_zero, GR_REFUSED_FIELD);
}

bool world_priority_allowed(const struct world *world, uint32_t org, unsigned priority)
{
    bool allowed = true;
    for (uint32_t o = 0; o < world->orgs; o++) {
        bool counts = world_is_below(world, org, o) && world->terms[o].weight > 0;
        allowed = allowed && (!counts || priority <= world->terms[o].priority_max);
    }
    return allowed;
}

static bool is_time(int64_t ms)
{
    return ms >= 0 && ms <= INT64_C(315360000000);
}

static world_set queue_terms_objections(const struct gr_queue_terms *terms)
{
    return when(!is_time(terms->half_life_ms) || !is_time(terms->notice_ms) ||
                    !is_time(terms->min_run_ms) || terms->reclaim > 3 || terms->reserved != 0,
                GR_REFUSED_FIELD);
}

// The place of a class among the others; their number: there is none of this name.
static uint32_t class_place(const struct world *world, const char *name)
{
    uint32_t c = 0;
    while (c < world->classes && memcmp(world->class[c].name, name, GR_NAME_SIZE) != 0) {
        c++;
    }
    return c;
}

static world_set class_objections(const struct world *world, const struct gr_class *of)
{
    size_t size = strnlen(of->name, GR_NAME_SIZE);
    bool wrong = size == 0 || size == GR_NAME_SIZE || !is_time(of->limit_ms);
    for (size_t i = size; i < GR_NAME_SIZE; i++) {
        wrong = wrong || of->name[i] != '\0';
    }
    for (size_t i = 0; i < sizeof of->reserved; i++) {
        wrong = wrong || of->reserved[i] != 0;
    }
    return when(wrong, GR_REFUSED_FIELD) | when(!wrong && world->classes == GR_CLASSES_MAX &&
                                                    class_place(world, of->name) == world->classes,
                                                GR_REFUSED_LIMIT_OTHER);
}

world_set world_terms_objections(const struct world *world, const struct gr_event *event)
{
    return event->type == GR_QUOTA_SET       ? quota_objections(world, &event->quota)
           : event->type == GR_ORG_TERMS_SET ? org_terms_objections(world, &event->org_terms)
           : event->type == GR_CLASS_SET     ? class_objections(world, &event->job_class)
                                             : queue_terms_objections(&event->queue_terms);
}

// --- facts

static void quota_apply(struct world *world, const struct gr_quota *quota)
{
    uint32_t q = 0;
    while (q < world->quotas &&
           (world->quota[q].org != quota->org || world->quota[q].variant != quota->variant)) {
        q++;
    }
    if (!is_nothing(quota)) {
        world->quotas += q == world->quotas;
        world->quota[q] = *quota;
    } else if (q < world->quotas) {
        world->quota[q] = world->quota[--world->quotas];
    }
}

static void past_set(struct world_past *past, uint64_t held)
{
    past->now = past->low = past->high = (long double)held;
}

void world_terms_apply(struct world *world, const struct gr_event *event)
{
    if (event->type == GR_QUOTA_SET) {
        quota_apply(world, &event->quota);
    } else if (event->type == GR_ORG_TERMS_SET) {
        world->terms[event->org_terms.org] = event->org_terms;
    } else if (event->type == GR_CLASS_SET) {
        uint32_t place = class_place(world, event->job_class.name);
        world->classes += place == world->classes;
        world->class[place] = event->job_class;
    } else {
        // Without memory the average is what is held; it is what memory begins with.
        bool forgot = world->queue_terms.half_life_ms == 0;
        for (uint32_t o = 0; forgot && o < world->orgs; o++) {
            past_set(&world->org_past[o], world_org_use(world, o).share);
        }
        for (uint32_t u = 0; forgot && u < world->users; u++) {
            past_set(&world->user_past[u], world_user_use(world, u).share);
        }
        world->queue_terms = event->queue_terms;
    }
}

// --- what is held, and was

static void use_add(struct world_use *use, const struct world_job *job)
{
    const struct gr_shape *shape = &job->demand.shape;
    uint64_t tasks = job->demand.tasks - world_lost(job);
    uint64_t held = tasks * shape->devices * shape->milli;
    uint64_t cpus = tasks * shape->cpu_milli;
    use->held += held;
    use->share += held != 0 ? held : cpus >= 32 ? cpus / 32 : 1;
    use->running++;
}

struct world_use world_org_use(const struct world *world, uint32_t org)
{
    struct world_use use = {0};
    for (uint32_t j = 0; j < world->jobs; j++) {
        if (world->job[j].running && world_is_below(world, world->job[j].org, org)) {
            use_add(&use, &world->job[j]);
        }
    }
    return use;
}

struct world_use world_user_use(const struct world *world, uint32_t user)
{
    struct world_use use = {0};
    for (uint32_t j = 0; j < world->jobs; j++) {
        if (world->job[j].running && world->job[j].user == user) {
            use_add(&use, &world->job[j]);
        }
    }
    return use;
}

static void past_pass(struct world_past *past, uint64_t held, long double kept, bool is_new_second)
{
    if (is_new_second) {
        past->low = past->high = past->now;
    }
    past->now = (long double)held + (past->now - (long double)held) * kept;
    past->low = past->now < past->low ? past->now : past->low;
    past->high = past->now > past->high ? past->now : past->high;
}

static struct world_key key_of(const struct world *world, const struct world_past *past,
                               uint64_t held, uint32_t weight)
{
    bool counts = world->queue_terms.half_life_ms != 0;
    long double low = (long double)held + (counts ? past->low : 0.0L);
    long double high = (long double)held + (counts ? past->high : 0.0L);
    long double of = weight == 0 ? 1.0L : 1000.0L / (long double)weight;
    return (struct world_key){low * of, high * of};
}

struct world_key world_org_key(const struct world *world, uint32_t org)
{
    return key_of(world, &world->org_past[org], world_org_use(world, org).share,
                  world->terms[org].weight);
}

struct world_key world_user_key(const struct world *world, uint32_t org, uint32_t user)
{
    return user == UINT32_MAX
               ? world_org_key(world, org)
               : key_of(world, &world->user_past[user], world_user_use(world, user).share, 0);
}

void world_pasts_pass(struct world *world, int64_t passed)
{
    bool is_new = world->now / 1000 != (world->now - passed) / 1000;
    int64_t half_life = world->queue_terms.half_life_ms;
    long double kept = half_life == 0 ? 0.0L : exp2l(-(long double)passed / (long double)half_life);
    for (uint32_t o = 0; o < world->orgs; o++) {
        past_pass(&world->org_past[o], world_org_use(world, o).share, kept, is_new);
    }
    for (uint32_t u = 0; u < world->users; u++) {
        past_pass(&world->user_past[u], world_user_use(world, u).share, kept, is_new);
    }
}

// --- beside the core

// Averages agree but for what the core's integers round away.
static bool use_differs(const struct world *world, const struct gr_core_use *shown,
                        const struct world_use *use, const struct world_past *past)
{
    long double most = past->now > (long double)use->share ? past->now : (long double)use->share;
    bool counts = world->queue_terms.half_life_ms != 0;
    return shown->held_milli != use->held || shown->share_milli != use->share ||
           shown->running != use->running ||
           (counts && fabsl((long double)shown->past_milli - past->now) > 1.5L + most * 3e-4L);
}

static const char *quotas_compare(const struct world *world, const struct gr_core *core)
{
    uint32_t found = 0;
    for (uint32_t o = 0; o < world->orgs; o++) {
        for (uint32_t v = 0; v < world->variants; v++) {
            struct gr_quota quota;
            uint64_t used;
            if (!gr_quota_find(core, o, v, &quota, &used)) {
                continue;
            }
            found++;
            uint32_t q = 0;
            while (q < world->quotas && memcmp(&world->quota[q], &quota, sizeof quota) != 0) {
                q++;
            }
            if (q == world->quotas || used != world_org_held(world, o, v)) {
                return "another quota, or other use of it";
            }
        }
    }
    return found == world->quotas ? NULL : "another number of quotas";
}

const char *world_terms_compare(const struct world *world, const struct gr_core *core)
{
    struct gr_queue_terms queue_terms = gr_core_queue_terms(core);
    if (memcmp(&queue_terms, &world->queue_terms, sizeof queue_terms) != 0) {
        return "other terms of the queue";
    }
    for (uint32_t c = 0; c <= world->classes; c++) {
        const struct gr_class *of = gr_core_class_get(core, c);
        bool is_same = c == world->classes
                           ? of == NULL
                           : of != NULL && memcmp(of, &world->class[c], sizeof *of) == 0 &&
                                 gr_core_class_find(core, of->name) == of;
        if (!is_same) {
            return "other classes";
        }
    }
    for (uint32_t o = 0; o < world->orgs; o++) {
        struct gr_org_terms terms = gr_core_org_terms(core, o);
        struct gr_core_use shown = gr_core_org_use(core, o, world->now);
        struct world_use use = world_org_use(world, o);
        struct gr_org_terms said = world->terms[o];
        if (said.weight == 0) {
            said = (struct gr_org_terms){.org = o, .weight = 1000, .priority_max = 255};
        }
        if (memcmp(&terms, &said, sizeof terms) != 0) {
            return "other terms of an organisation";
        }
        if (use_differs(world, &shown, &use, &world->org_past[o])) {
            return "other use of an organisation";
        }
    }
    for (uint32_t u = 0; u < world->users; u++) {
        struct gr_core_use shown = gr_core_user_use(core, u, world->now);
        struct world_use use = world_user_use(world, u);
        if (use_differs(world, &shown, &use, &world->user_past[u])) {
            return "other use of a user";
        }
    }
    return quotas_compare(world, core);
}
