// Random histories of organisations that borrow and take back, in search of a cycle: after each
// turn of arrivals and ends all is quiet, and then asking others to stop must come to an end. What
// each fact of taking back promises is counted again from the jobs.
#include "core/fixture.h"
#include "core/reclaim.h"
#include "core/tenants.h"

#define JOBS 256
#define NOTICE 700
#define MIN_RUN 300
#define CAP (UINT64_C(8000) * 60000)

struct walk {
    struct fixture f;
    uint32_t orgs, nodes;
    uint64_t seed;
    unsigned stops, arrivals, holds, used, freed; // so far
    bool by_priority, capped;
};

// Over all walks.
static struct {
    unsigned stops, holds, used, freed, gangs, by_priority;
} reached;

static uint32_t draw(struct walk *walk, uint32_t below)
{
    walk->seed = walk->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(walk->seed >> 33) % below;
}

static void quotas_draw(struct walk *walk)
{
    uint32_t left = walk->nodes * 8;
    for (uint32_t o = 1; o < walk->orgs; o++) {
        uint32_t parent = gr_core_org_get(walk->f.core, o)->parent;
        uint32_t nominal = parent == 0 && draw(walk, 3) > 0 ? draw(walk, left / 2 + 1) : 0;
        struct gr_event event = fixture_fact(&walk->f, GR_QUOTA_SET);
        event.quota = (struct gr_quota){o, 0, nominal * UINT64_C(1000), GR_ANY_MILLI, GR_ANY_MILLI};
        (void)fixture_apply(&walk->f, &event, NULL);
        left -= nominal;
    }
}

static void terms_draw(struct walk *walk)
{
    struct gr_event event = fixture_fact(&walk->f, GR_QUEUE_TERMS_SET);
    walk->by_priority = draw(walk, 3) == 0;
    walk->capped = draw(walk, 4) == 0;
    event.queue_terms = (struct gr_queue_terms){
        .half_life_ms = 10000,
        .notice_ms = NOTICE,
        .min_run_ms = MIN_RUN,
        .lost_per_hour = walk->capped ? CAP : GR_ANY_MILLI,
        .reclaim = GR_RECLAIM_BORROWED | (walk->by_priority ? GR_RECLAIM_PRIORITY : 0u)};
    (void)fixture_apply(&walk->f, &event, NULL);
}

static void walk_make(struct walk *walk, uint64_t seed)
{
    struct gr_core_config config = fixture_config(GR_ORDER_FAIR);
    *walk = (struct walk){.seed = seed};
    config.limits.orgs = 40;
    config.limits.jobs = config.limits.pieces = JOBS;
    config.limits.place.nodes = 16;
    config.limits.quotas = 64;
    config.limits.place.domains[0] = 8;
    fixture_init(&walk->f, &config);
    walk->seed = seed;
    walk->orgs = 4 + draw(walk, 28);
    walk->nodes = 1 + draw(walk, 8);
    for (uint32_t o = 1; o < walk->orgs; o++) {
        struct gr_event event = fixture_fact(&walk->f, GR_ORG_ADDED);
        event.org.parent = o > 3 && draw(walk, 3) == 0 ? 1 + draw(walk, o - 1) : 0;
        event.org.name[0] = 'o';
        (void)fixture_apply(&walk->f, &event, NULL);
    }
    for (uint32_t n = 0; n < walk->nodes; n++) {
        struct gr_event event = fixture_node_fact(&walk->f, 8);
        event.node.row.domain[0] = n / 2;
        (void)fixture_apply(&walk->f, &event, NULL);
    }
    quotas_draw(walk);
    terms_draw(walk);
}

// --- what is promised

// Devices of an organisation and all below it, in milli, but for jobs that were asked to stop.
static uint64_t stays(const struct walk *walk, uint32_t org)
{
    uint64_t milli = 0;
    uint32_t cursor = 0;
    const struct gr_job *job;
    while ((job = gr_core_job_next(walk->f.core, &cursor)) != NULL) {
        uint32_t o = job->org;
        while (o != UINT32_MAX && o != org) {
            o = gr_core_org_get(walk->f.core, o)->parent;
        }
        milli += job->state == GR_JOB_RUNNING && job->stop_why == GR_STOP_NOT && o == org
                     ? gr_demand_milli(&job->demand)
                     : 0;
    }
    return milli;
}

static bool is_above(const struct walk *walk, uint32_t above, uint32_t org)
{
    while (org != UINT32_MAX && org != above) {
        org = gr_core_org_get(walk->f.core, org)->parent;
    }
    return org == above;
}

// Somebody was asked to stop: nobody of whom that was borrowed is left with less than its own.
static void stop_look(struct walk *walk, const struct gr_event *event)
{
    const struct gr_core *core = walk->f.core;
    const struct gr_job *job = gr_core_job_find(core, event->stop_asked.job);
    assert_int_equal(event->stop_asked.grace_ms, NOTICE);
    assert_true(walk->f.at - job->started_ms >= MIN_RUN);
    bool is_lower = false; // somebody of higher priority of its own waits for it
    struct gr_core_hold hold;
    for (uint32_t cursor = 0; gr_core_hold_next(core, &cursor, &hold);) {
        const struct gr_job *for_whom = gr_core_job_find(core, hold.job);
        is_lower = is_lower || (for_whom != NULL && for_whom->org == job->org &&
                                for_whom->demand.priority > job->demand.priority);
    }
    for (uint32_t o = job->org; o != UINT32_MAX && !is_lower;
         o = gr_core_org_get(core, o)->parent) {
        struct gr_quota quota;
        uint64_t used;
        bool shared = false; // with one for whom room is held
        for (uint32_t cursor = 0; gr_core_hold_next(core, &cursor, &hold);) {
            const struct gr_job *for_whom = gr_core_job_find(core, hold.job);
            shared = shared || (for_whom != NULL && is_above(walk, o, for_whom->org));
        }
        if (!shared && gr_quota_find(core, o, 0, &quota, &used)) {
            assert_true(stays(walk, o) >= quota.nominal_milli);
        }
    }
    if (walk->capped) {
        assert_true(gr_core_lost(core, walk->f.at).hour <= CAP);
    }
    walk->stops++;
    reached.gangs += job->demand.tasks > 1;
    reached.by_priority += is_lower;
}

// A job starts: on nothing that is held for another.
static void start_look(struct walk *walk, const struct gr_event *event)
{
    for (uint32_t i = 0; i < event->piece_count; i++) {
        assert_false(gr_hold_keeps(walk->f.core, event->pieces[i].node, event->placed.job));
    }
    const struct gr_hold *hold = gr_hold_find(walk->f.core, event->placed.job);
    walk->used += hold != NULL && gr_held_at(walk->f.core)[event->pieces[0].node] != 0;
}

// Decides until nothing is to be done.
static void decide(struct walk *walk)
{
    struct gr_event event;
    unsigned steps = 0;
    while (gr_decide_start(walk->f.core, NULL, walk->f.at, walk->f.pieces, &event)) {
        if (event.type == GR_JOB_PLACED) {
            start_look(walk, &event);
        }
        (void)fixture_apply(&walk->f, &event, NULL);
        if (event.type == GR_STOP_ASKED) {
            stop_look(walk, &event);
        }
        walk->holds += event.type == GR_ROOM_HELD;
        walk->freed += event.type == GR_ROOM_FREED;
        assert_true(++steps < 4 * JOBS);
    }
    assert_null(gr_core_audit(walk->f.core));
}

// --- what happens

static uint64_t running_draw(struct walk *walk)
{
    const struct gr_job *job;
    uint64_t found = 0;
    uint32_t cursor = 0, seen = 0;
    while ((job = gr_core_job_next(walk->f.core, &cursor)) != NULL) {
        if (job->state == GR_JOB_RUNNING && draw(walk, ++seen) == 0) {
            found = job->id;
        }
    }
    return found;
}

static void end(struct walk *walk, uint64_t job, enum gr_outcome outcome)
{
    struct gr_ending ending = {.outcome = (uint32_t)outcome};
    struct gr_event event = gr_decide_end(walk->f.core, walk->f.at, walk->f.at, job, &ending);
    (void)fixture_apply(&walk->f, &event, NULL);
}

static void arrive(struct walk *walk)
{
    struct gr_submission submission = {.demand = fixture_demand(1, 1 + draw(walk, 8)),
                                       .org = draw(walk, walk->orgs),
                                       .user = UINT32_MAX,
                                       .requeue_on = GR_REQUEUE_RECLAIM};
    struct gr_event events[2];
    unsigned count = 0;
    submission.demand.priority = (uint8_t)(100 + draw(walk, 3));
    if (draw(walk, 4) == 0) {
        submission.demand.tasks = 2 + draw(walk, 3);
        submission.demand.domain_level = draw(walk, 4) == 0;
    }
    gr_mask_fill(&submission.mask);
    if (gr_decide_submit(walk->f.core, NULL, walk->f.at, &submission, events, &count) ==
        GR_REFUSED_NOTHING) {
        (void)fixture_apply(&walk->f, &events[count - 1], NULL);
        walk->arrivals++;
    }
}

static void happen(struct walk *walk)
{
    uint64_t job = running_draw(walk);
    unsigned what = draw(walk, 16);
    if (what < 10) {
        arrive(walk);
    } else if (what < 13 && job != 0) {
        end(walk, job, GR_OUTCOME_DONE);
    } else if (what == 13 && job != 0) {
        struct gr_event event = fixture_fact(&walk->f, GR_CHECKPOINTED);
        event.checkpointed.job = job;
        event.checkpointed.attempt = gr_core_job_find(walk->f.core, job)->attempt;
        (void)fixture_apply(&walk->f, &event, NULL);
    } else if (what == 14) {
        fixture_node_state(&walk->f, draw(walk, walk->nodes),
                           draw(walk, 4) == 0 ? GR_NODE_DRAINED : GR_NODE_UP);
    } else if (draw(walk, 20) == 0) {
        quotas_draw(walk);
    } else {
        struct gr_core_hold hold; // one of those for whom room is held goes
        for (uint32_t cursor = 0; gr_core_hold_next(walk->f.core, &cursor, &hold);) {
            const struct gr_job *waits = gr_core_job_find(walk->f.core, hold.job);
            if (waits != NULL && draw(walk, 2) == 0) {
                struct gr_event event =
                    gr_decide_drop(walk->f.core, walk->f.at, hold.job, GR_REFUSED_BY_USER);
                (void)fixture_apply(&walk->f, &event, NULL);
            }
        }
    }
}

// Time passes and those who were asked to stop do; nothing else happens. It must come to rest.
static void rest(struct walk *walk)
{
    unsigned before = walk->stops;
    for (unsigned turn = 0;; turn++) {
        uint32_t cursor = 0;
        const struct gr_job *job;
        uint64_t asked = 0;
        decide(walk);
        while ((job = gr_core_job_next(walk->f.core, &cursor)) != NULL && asked == 0) {
            asked = job->state == GR_JOB_RUNNING && job->stop_why != GR_STOP_NOT ? job->id : 0;
        }
        if (asked == 0 && turn >= 3 && walk->f.core->hold_count == 0) {
            break;
        }
        walk->f.at += asked != 0 ? NOTICE : 1100;
        if (asked != 0) {
            end(walk, asked, GR_OUTCOME_RECLAIMED);
        }
        assert_true(turn < 4 * JOBS);
    }
    uint32_t live = gr_core_waiting(walk->f.core) + gr_core_running(walk->f.core);
    assert_true(walk->stops - before <= 2 * live);
}

static void taking_back_comes_to_rest_and_keeps_its_promises(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 250; seed++) {
        struct walk walk;
        walk_make(&walk, seed);
        for (unsigned turn = 0; turn < 40; turn++) {
            for (uint32_t i = draw(&walk, 6); i > 0; i--) {
                happen(&walk);
                walk.f.at += draw(&walk, 400);
                if (draw(&walk, 2) == 0) {
                    decide(&walk);
                }
            }
            rest(&walk);
        }
        assert_true(walk.stops <= 4 * walk.arrivals);
        reached.stops += walk.stops;
        reached.holds += walk.holds;
        reached.used += walk.used;
        reached.freed += walk.freed;
        fixture_done(&walk.f);
    }
    print_message(
        "%u holds (%u used, %u freed), %u asked to stop (%u gangs, %u of lower priority)\n",
        reached.holds, reached.used, reached.freed, reached.stops, reached.gangs,
        reached.by_priority);
    assert_true(reached.stops > 500 && reached.used > 300 && reached.freed > 5);
    assert_true(reached.gangs > 50 && reached.by_priority > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taking_back_comes_to_rest_and_keeps_its_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
