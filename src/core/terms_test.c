// Tests of the limits of organisations and of their users: one below each limit, at it, and above;
// and of the facts that set terms.
#include "core/quota_fixture.h"

// A pool with a node of eight devices: organisations owner > lab > team, users 0 (lab) and 1
// (team).
struct terms {
    struct quota_pool pool;
    uint32_t lab, team;
    uint64_t jobs[8];
    unsigned count;
};

static void terms_make(struct terms *terms)
{
    memset(terms, 0, sizeof *terms);
    quota_pool_make(&terms->pool, 1);
    (void)quota_pool_node(&terms->pool, 0);
    terms->lab = quota_pool_org(&terms->pool, 0, "lab");
    terms->team = quota_pool_org(&terms->pool, terms->lab, "team");
    for (uint32_t u = 0; u < 2; u++) {
        struct gr_event event = fixture_fact(&terms->pool.f, GR_USER_ADDED);
        event.user_added.org = u == 0 ? terms->lab : terms->team;
        (void)fixture_apply(&terms->pool.f, &event, NULL);
    }
}

// Starts a job with the next device that was not used yet, or with none.
static void start(struct terms *terms, uint32_t org, uint32_t user, unsigned devices)
{
    struct gr_core *core = terms->pool.f.core;
    struct gr_submission submission = {
        .org = org, .user = user, .attempts = 1, .demand = fixture_demand(1, devices)};
    struct gr_event events[2];
    unsigned count;
    gr_mask_fill(&submission.mask);
    assert_int_equal(gr_decide_submit(core, NULL, terms->pool.f.at, &submission, events, &count),
                     0);
    (void)fixture_apply(&terms->pool.f, &events[0], NULL);
    uint64_t job = events[0].sequence;
    struct gr_event event;
    assert_int_equal(
        gr_decide_start_job(core, NULL, terms->pool.f.at, job, terms->pool.f.pieces, &event),
        GR_REFUSED_NOTHING);
    (void)fixture_apply(&terms->pool.f, &event, NULL);
    terms->jobs[terms->count++] = job;
}

static void finish(struct terms *terms)
{
    fixture_finish(&terms->pool.f, terms->jobs[--terms->count]);
}

static void set(struct terms *terms, struct gr_org_terms of)
{
    struct gr_event event = fixture_fact(&terms->pool.f, GR_ORG_TERMS_SET);
    event.org_terms = of;
    event.org_terms.weight = event.org_terms.weight == 0 ? 1 : event.org_terms.weight;
    event.org_terms.priority_max = GR_PRIORITY_MAX;
    (void)fixture_apply(&terms->pool.f, &event, NULL);
}

static bool allows(const struct terms *terms, uint32_t org, uint32_t user, uint64_t milli)
{
    enum gr_refusal refusal = gr_terms_allow(terms->pool.f.core, org, user, milli);
    assert_true(refusal == GR_REFUSED_NOTHING || refusal == GR_REFUSED_TERMS);
    return refusal == GR_REFUSED_NOTHING;
}

static void without_terms_nothing_is_limited(void **state)
{
    (void)state;
    struct terms terms;
    terms_make(&terms);
    assert_true(allows(&terms, terms.team, 1, UINT64_MAX));
    set(&terms, (struct gr_org_terms){.org = terms.team, .weight = 7});
    set(&terms, (struct gr_org_terms){.org = 0, .weight = 7});
    start(&terms, terms.team, 1, 8);
    assert_true(allows(&terms, terms.team, 1, UINT64_MAX));
    assert_true(allows(&terms, terms.team, UINT32_MAX, 0));
    fixture_done(&terms.pool.f);
}

static void jobs_of_an_organisation_and_all_below_it_count_up_to_running_max(void **state)
{
    (void)state;
    struct terms terms;
    terms_make(&terms);
    set(&terms, (struct gr_org_terms){.org = terms.lab, .running_max = 3});
    start(&terms, terms.lab, 0, 1);
    start(&terms, 0, UINT32_MAX, 1); // of the owner: not the lab's
    assert_true(allows(&terms, terms.lab, 0, 1000) && allows(&terms, terms.team, 1, 0));
    start(&terms, terms.team, 1, 1);
    assert_true(allows(&terms, terms.lab, 0, 1000) && allows(&terms, terms.team, 1, 0)); // n - 1
    start(&terms, terms.team, UINT32_MAX, 0);
    assert_false(allows(&terms, terms.lab, 0, 1000)); // n
    assert_false(allows(&terms, terms.team, 1, 0));
    assert_true(allows(&terms, 0, UINT32_MAX, 1000));
    set(&terms, (struct gr_org_terms){.org = terms.lab, .running_max = 2}); // beyond n
    assert_false(allows(&terms, terms.team, 1, 0));
    finish(&terms);
    assert_false(allows(&terms, terms.team, 1, 0));
    finish(&terms);
    assert_true(allows(&terms, terms.team, 1, 0));
    fixture_done(&terms.pool.f);
}

static void devices_of_an_organisation_and_all_below_it_count_up_to_held_max(void **state)
{
    (void)state;
    struct terms terms;
    terms_make(&terms);
    set(&terms, (struct gr_org_terms){.org = terms.lab, .held_milli_max = 5000});
    assert_true(allows(&terms, terms.team, 1, 5000) && !allows(&terms, terms.team, 1, 5001));
    assert_false(allows(&terms, terms.team, 1, UINT64_MAX));
    start(&terms, terms.lab, 0, 2);
    start(&terms, terms.team, 1, 2);
    assert_true(allows(&terms, terms.team, 1, 999) && allows(&terms, terms.team, 1, 1000));
    assert_false(allows(&terms, terms.team, 1, 1001));
    start(&terms, terms.team, 1, 1);
    assert_false(allows(&terms, terms.lab, 0, 1));
    assert_true(allows(&terms, terms.lab, 0, 0)); // takes no devices
    assert_true(allows(&terms, 0, UINT32_MAX, 8000));
    set(&terms, (struct gr_org_terms){.org = terms.lab, .held_milli_max = 3000});
    assert_false(allows(&terms, terms.team, 1, 1));
    finish(&terms);
    finish(&terms); // two are held
    assert_true(allows(&terms, terms.team, 1, 1000) && !allows(&terms, terms.team, 1, 1001));
    fixture_done(&terms.pool.f);
}

static void a_user_has_the_limits_of_its_own_organisation_only(void **state)
{
    (void)state;
    struct terms terms;
    terms_make(&terms);
    set(&terms, (struct gr_org_terms){
                    .org = terms.lab, .user_running_max = 1, .user_held_milli_max = 2000});
    set(&terms, (struct gr_org_terms){.org = terms.team, .user_held_milli_max = 4000});
    assert_true(allows(&terms, terms.lab, 0, 2000) && !allows(&terms, terms.lab, 0, 2001));
    assert_true(allows(&terms, terms.team, 1, 4000) && !allows(&terms, terms.team, 1, 4001));
    assert_true(allows(&terms, terms.lab, UINT32_MAX, 8000)); // nobody in particular
    start(&terms, terms.team, 1, 3);
    start(&terms, terms.team, UINT32_MAX, 1);
    assert_true(allows(&terms, terms.team, 1, 1000) && !allows(&terms, terms.team, 1, 1001));
    assert_true(allows(&terms, terms.lab, 0, 2000)); // another user
    start(&terms, terms.lab, 0, 1);
    assert_false(allows(&terms, terms.lab, 0, 1000)); // runs one
    assert_true(allows(&terms, terms.lab, UINT32_MAX, 1000));
    set(&terms, (struct gr_org_terms){
                    .org = terms.lab, .user_running_max = 2, .user_held_milli_max = 2000});
    assert_true(allows(&terms, terms.lab, 0, 1000) && !allows(&terms, terms.lab, 0, 1001));
    finish(&terms);
    assert_true(allows(&terms, terms.lab, 0, 2000));
    fixture_done(&terms.pool.f);
}

static enum gr_refusal org_check(const struct terms *terms, struct gr_org_terms of)
{
    struct gr_event event = fixture_fact(&terms->pool.f, GR_ORG_TERMS_SET);
    event.org_terms = of;
    return gr_core_check(terms->pool.f.core, &event);
}

static enum gr_refusal queue_check(const struct terms *terms, struct gr_queue_terms of)
{
    struct gr_event event = fixture_fact(&terms->pool.f, GR_QUEUE_TERMS_SET);
    event.queue_terms = of;
    return gr_core_check(terms->pool.f.core, &event);
}

static void facts_of_terms_are_refused_out_of_their_ranges(void **state)
{
    (void)state;
    struct terms terms;
    const int64_t most = GR_QUEUE_MS_MAX;
    static const struct {
        struct gr_org_terms of;
        enum gr_refusal refusal;
    } orgs[] = {
        {{.org = 2, .weight = 1}, GR_REFUSED_NOTHING},
        {{.org = 2, .weight = GR_WEIGHT_MAX, .running_max = UINT32_MAX, .priority_max = 255},
         GR_REFUSED_NOTHING},
        {{.org = 3, .weight = 1}, GR_REFUSED_ORG},
        {{.org = UINT32_MAX, .weight = 1}, GR_REFUSED_ORG},
        {{.org = 2, .weight = 0}, GR_REFUSED_FIELD},
        {{.org = 2, .weight = GR_WEIGHT_MAX + 1}, GR_REFUSED_FIELD},
        {{.org = 2, .weight = 1, .reserved = {0, 0, 0, 0, 0, 0, 1}}, GR_REFUSED_FIELD},
    };
    const struct {
        struct gr_queue_terms of;
        enum gr_refusal refusal;
    } queues[] = {
        {{0}, GR_REFUSED_NOTHING},
        {{most, most, most, GR_ANY_MILLI, 3, 0}, GR_REFUSED_NOTHING},
        {{most + 1, 0, 0, 0, 0, 0}, GR_REFUSED_FIELD},
        {{0, most + 1, 0, 0, 0, 0}, GR_REFUSED_FIELD},
        {{0, 0, most + 1, 0, 0, 0}, GR_REFUSED_FIELD},
        {{-1, 0, 0, 0, 0, 0}, GR_REFUSED_FIELD},
        {{0, -1, 0, 0, 0, 0}, GR_REFUSED_FIELD},
        {{0, 0, -1, 0, 0, 0}, GR_REFUSED_FIELD},
        {{0, 0, 0, 0, 4, 0}, GR_REFUSED_FIELD},
        {{0, 0, 0, 0, 0, 1}, GR_REFUSED_FIELD},
    };
    terms_make(&terms);
    for (size_t i = 0; i < sizeof orgs / sizeof *orgs; i++) {
        assert_string_equal(gr_refusal_name(org_check(&terms, orgs[i].of)),
                            gr_refusal_name(orgs[i].refusal));
    }
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) {
        assert_string_equal(gr_refusal_name(queue_check(&terms, queues[i].of)),
                            gr_refusal_name(queues[i].refusal));
    }
    fixture_done(&terms.pool.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_terms_nothing_is_limited),
        cmocka_unit_test(jobs_of_an_organisation_and_all_below_it_count_up_to_running_max),
        cmocka_unit_test(devices_of_an_organisation_and_all_below_it_count_up_to_held_max),
        cmocka_unit_test(a_user_has_the_limits_of_its_own_organisation_only),
        cmocka_unit_test(facts_of_terms_are_refused_out_of_their_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
