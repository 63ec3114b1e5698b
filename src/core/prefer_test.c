// Tests of kinds in order of preference: tier by tier in every order, rights before preference,
// gangs in one tier, sleep, reservations, room that is taken back, and the table of preferences.
#include "core/prefer.h"

#include "core/defrag.h"
#include "core/quota_fixture.h"
#include "core/save.h"

// A pool of one node each of h20 (variant 0), b200 (1) and l40s (2), eight devices a node.
static void pool_make(struct quota_pool *pool, enum gr_order order, uint32_t preferences)
{
    static const char *const names[] = {"b200", "l40s"};
    struct gr_core_config config = fixture_config(order);
    memset(pool, 0, sizeof *pool);
    config.limits.place.nodes = NODES;
    config.limits.place.masks = 16;
    config.limits.orgs = 4;
    config.limits.variants = VARIANTS;
    config.limits.jobs = 64;
    config.limits.pieces = 64;
    config.limits.quotas = 8;
    config.limits.preferences = preferences;
    fixture_init(&pool->f, &config);
    for (unsigned v = 0; v < 2; v++) {
        struct gr_event event = fixture_fact(&pool->f, GR_VARIANT_ADDED);
        strcpy(event.variant, names[v]);
        (void)fixture_apply(&pool->f, &event, NULL);
    }
    for (unsigned v = 0; v < 3; v++) {
        (void)quota_pool_node(pool, v);
    }
}

// Asks until a submission is in or refused. `tiers`: of the variants, in order.
static enum gr_refusal ask(struct quota_pool *pool, uint32_t org, struct gr_demand demand,
                           const char *tiers, int64_t limit_ms, uint64_t *ret_job)
{
    struct gr_submission submission = {
        .org = org, .demand = demand, .user = UINT32_MAX, .attempts = 9, .limit_ms = limit_ms};
    enum gr_refusal refusal = GR_REFUSED_NOTHING;
    for (unsigned v = 0; tiers[v] != '\0'; v++) {
        gr_preference_put(&submission.preference, v, (unsigned)(tiers[v] - '0'));
    }
    *ret_job = 0;
    for (unsigned asked = 0; refusal == GR_REFUSED_NOTHING && *ret_job == 0; asked++) {
        struct gr_event events[2];
        unsigned count = 0;
        assert_true(asked < 8);
        gr_mask_fill(&submission.mask);
        refusal = gr_decide_submit(pool->f.core, NULL, pool->f.at, &submission, events, &count);
        for (unsigned i = 0; refusal == GR_REFUSED_NOTHING && i < count; i++) {
            (void)fixture_apply(&pool->f, &events[i], NULL);
            *ret_job = events[i].type == GR_JOB_SUBMITTED ? events[i].sequence : 0;
        }
    }
    return refusal;
}

static uint64_t submit(struct quota_pool *pool, uint32_t tasks, unsigned devices, const char *tiers,
                       int64_t limit_ms)
{
    uint64_t job;
    enum gr_refusal refusal = ask(pool, 0, fixture_demand(tasks, devices), tiers, limit_ms, &job);
    assert_string_equal(gr_refusal_name(refusal), "nothing");
    return job;
}

// The variant that a running job is on; all its pieces are on one.
static uint32_t variant_of(const struct quota_pool *pool, uint64_t job)
{
    struct gr_piece pieces[16];
    uint32_t count = gr_core_job_pieces(pool->f.core, job, pieces, 16);
    uint32_t variant = gr_place_node_get(gr_core_place(pool->f.core), pieces[0].node)->variant;
    for (uint32_t p = 0; p < count; p++) {
        assert_int_equal(gr_place_node_get(gr_core_place(pool->f.core), pieces[p].node)->variant,
                         variant);
    }
    return variant;
}

static void the_first_choice_with_room_is_taken(void **state)
{
    (void)state;
    static const enum gr_order orders[] = {GR_ORDER_FIFO, GR_ORDER_BACKFILL, GR_ORDER_FAIR};
    for (unsigned o = 0; o < 3; o++) {
        struct quota_pool pool;
        pool_make(&pool, orders[o], 0);
        // First l40s (2), then b200 (1), then h20 (0).
        static const uint32_t expected[] = {2, 2, 1, 1, 0, 0};
        for (unsigned i = 0; i < 6; i++) {
            uint64_t job = submit(&pool, 1, 4, "321", 0);
            assert_int_equal(fixture_start(&pool.f), job);
            assert_int_equal(variant_of(&pool, job), expected[i]);
        }
        fixture_done(&pool.f);
    }
}

static void variants_of_one_tier_are_as_good_as_each_other(void **state)
{
    (void)state;
    struct quota_pool pool;
    pool_make(&pool, GR_ORDER_FAIR, 0);
    uint64_t job = submit(&pool, 4, 4, "121", 0); // needs both of its first tier
    assert_int_equal(fixture_start(&pool.f), job);
    struct gr_piece pieces[4];
    assert_int_equal(gr_core_job_pieces(pool.f.core, job, pieces, 4), 4);
    assert_int_equal(pieces[0].node, 0);
    assert_int_equal(pieces[3].node, 2);
    fixture_done(&pool.f);
}

static void a_gang_lies_within_one_choice(void **state)
{
    (void)state;
    struct quota_pool pool;
    uint64_t job;
    pool_make(&pool, GR_ORDER_FAIR, 0);
    assert_int_equal(ask(&pool, 0, fixture_demand(4, 4), "12", 0, &job), GR_REFUSED_NEVER);
    uint64_t first = submit(&pool, 1, 4, "12", 0);
    assert_int_equal(fixture_start(&pool.f), first);
    uint64_t gang = submit(&pool, 3, 2, "12", 0); // six: four are left of the first choice
    assert_int_equal(fixture_start(&pool.f), gang);
    assert_int_equal(variant_of(&pool, gang), 1);
    uint64_t other = submit(&pool, 3, 2, "12", 0); // four and two are left, but not together
    assert_int_equal(fixture_start(&pool.f), 0);
    fixture_finish(&pool.f, first);
    assert_int_equal(fixture_start(&pool.f), other);
    assert_int_equal(variant_of(&pool, other), 0);
    fixture_done(&pool.f);
}

static void who_sleeps_wakes_for_any_of_its_choices(void **state)
{
    (void)state;
    for (unsigned tasks = 1; tasks <= 2; tasks++) {
        for (unsigned freed = 0; freed < 2; freed++) {
            struct quota_pool pool;
            pool_make(&pool, GR_ORDER_FAIR, 0);
            uint64_t held[2] = {submit(&pool, 1, 8, "12", 0), submit(&pool, 1, 8, "12", 0)};
            assert_int_equal(fixture_start(&pool.f), held[0]);
            assert_int_equal(fixture_start(&pool.f), held[1]);
            uint64_t job = submit(&pool, tasks, 4, "12", 0);
            assert_int_equal(fixture_start(&pool.f), 0);
            fixture_finish(&pool.f, held[freed]);
            assert_int_equal(fixture_start(&pool.f), job);
            assert_int_equal(variant_of(&pool, job), freed);
            fixture_done(&pool.f);
        }
    }
}

static void rights_come_before_preference(void **state)
{
    (void)state;
    struct quota_pool pool;
    uint64_t job;
    pool_make(&pool, GR_ORDER_FAIR, 0);
    uint32_t org = quota_pool_org(&pool, 0, "lab");
    quota_pool_set(&pool, (struct gr_quota){org, 1, 4000, ANY, ANY});
    quota_pool_set(&pool, (struct gr_quota){org, 0, 0, 4000, ANY});
    // It owns b200, its second choice, and may borrow h20, its first.
    assert_int_equal(ask(&pool, org, fixture_demand(1, 4), "12", 0, &job), GR_REFUSED_NOTHING);
    assert_int_equal(fixture_start(&pool.f), job);
    assert_int_equal(variant_of(&pool, job), 1);
    // Beyond its own it goes by preference.
    assert_int_equal(ask(&pool, org, fixture_demand(1, 4), "12", 0, &job), GR_REFUSED_NOTHING);
    assert_int_equal(fixture_start(&pool.f), job);
    assert_int_equal(variant_of(&pool, job), 0);
    fixture_done(&pool.f);
}

static void room_is_reserved_where_it_comes_first(void **state)
{
    (void)state;
    struct quota_pool pool;
    struct gr_event event;
    pool_make(&pool, GR_ORDER_FAIR, 0);
    uint64_t late = submit(&pool, 1, 8, "12", 9000), soon = submit(&pool, 1, 8, "12", 2000);
    assert_int_equal(fixture_start(&pool.f), late); // on h20
    assert_int_equal(fixture_start(&pool.f), soon); // on b200
    uint64_t blocked = submit(&pool, 1, 8, "12", 0);
    (void)submit(&pool, 1, 1, "", 0); // who would go past it
    assert_true(gr_decide_start(pool.f.core, NULL, pool.f.at, pool.f.pieces, &event));
    assert_int_equal(event.type, GR_ROOM_RESERVED);
    assert_int_equal(event.reserved.job, blocked);
    assert_int_equal(event.reserved.start_ms, pool.f.at + 2000);
    assert_int_equal(event.pieces[0].node, 1);
    fixture_done(&pool.f);
}

static void room_is_taken_back_for_the_first_choice_that_can_be_had(void **state)
{
    (void)state;
    struct quota_pool pool;
    struct gr_event event;
    uint64_t job, old;
    pool_make(&pool, GR_ORDER_FAIR, 0);
    uint32_t lab = quota_pool_org(&pool, 0, "lab"), guest = quota_pool_org(&pool, 0, "guest");
    quota_pool_set(&pool, (struct gr_quota){lab, 0, 8000, ANY, ANY});
    quota_pool_set(&pool, (struct gr_quota){lab, 1, 8000, ANY, ANY});
    assert_int_equal(ask(&pool, guest, fixture_demand(1, 8), "12", 0, &old), 0); // on h20
    assert_int_equal(fixture_start(&pool.f), old);
    pool.f.at += 60000; // it has much to lose
    assert_int_equal(ask(&pool, guest, fixture_demand(1, 8), "12", 0, &job), 0); // on b200
    assert_int_equal(fixture_start(&pool.f), job);
    pool.f.at += 1000;
    assert_int_equal(ask(&pool, lab, fixture_demand(1, 8), "12", 0, &job), 0);
    assert_true(gr_decide_start(pool.f.core, NULL, pool.f.at, pool.f.pieces, &event));
    assert_int_equal(event.type, GR_ROOM_HELD);
    assert_int_equal(event.pieces[0].node, 0); // though the other would lose less
    fixture_done(&pool.f);
}

static void a_row_that_no_live_job_names_is_used_again(void **state)
{
    (void)state;
    struct quota_pool pool;
    uint64_t a, b, c;
    pool_make(&pool, GR_ORDER_FAIR, 2);
    a = submit(&pool, 1, 8, "12", 0);
    b = submit(&pool, 1, 8, "21", 0);
    assert_int_equal(ask(&pool, 0, fixture_demand(1, 8), "123", 0, &c), GR_REFUSED_LIMIT_OTHER);
    assert_int_equal(gr_core_preference_count(pool.f.core), 2);
    assert_int_equal(fixture_start(&pool.f), a);
    assert_int_equal(fixture_start(&pool.f), b);
    fixture_finish(&pool.f, a);
    c = submit(&pool, 1, 8, "312", 0); // in the row of a
    assert_int_equal(gr_core_job_find(pool.f.core, c)->demand.preference, 1);
    assert_int_equal(fixture_start(&pool.f), c);
    assert_int_equal(variant_of(&pool, c), 2); // b has b200
    struct gr_event event = fixture_fact(&pool.f, GR_PREFERENCE_SET);
    event.preference_set.preference = *gr_core_preference_get(pool.f.core, 0);
    assert_int_equal(gr_core_check(pool.f.core, &event), GR_REFUSED_STATE);
    fixture_done(&pool.f);
}

static int bytes_keep(void *context, const void *bytes, size_t size, struct gr_err *err)
{
    uint8_t **end = context;
    (void)err;
    memcpy(*end, bytes, size);
    *end += size;
    return 0;
}

static void a_gang_is_not_moved_to_parts_of_two_choices(void **state)
{
    (void)state;
    struct quota_pool pool;
    struct gr_defrag defrag;
    static struct gr_piece to[GR_TASKS_MAX];
    pool_make(&pool, GR_ORDER_FAIR, 0);
    uint64_t gang = submit(&pool, 2, 4, "213", 0); // all of b200
    assert_int_equal(fixture_start(&pool.f), gang);
    uint64_t half = submit(&pool, 1, 4, "123", 0); // of h20
    assert_int_equal(fixture_start(&pool.f), half);
    half = submit(&pool, 1, 4, "231", 0); // of l40s
    assert_int_equal(fixture_start(&pool.f), half);
    struct gr_event event = fixture_fact(&pool.f, GR_CHECKPOINTED); // the gang may be restarted
    event.checkpointed.job = gang;
    event.checkpointed.attempt = 1;
    (void)fixture_apply(&pool.f, &event, NULL);
    uint64_t whole = submit(&pool, 1, 8, "123", 0);
    assert_int_equal(fixture_start(&pool.f), 0);
    gr_core_defrag(pool.f.core, pool.f.at, whole, pool.f.pieces, to, &defrag);
    assert_int_not_equal(defrag.answer, GR_DEFRAG_FOUND);
    fixture_done(&pool.f);
}

static void preferences_are_state(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 20];
    struct quota_pool pool;
    struct gr_core *loaded, *copy;
    struct gr_event event[2];
    uint8_t *end = bytes, digest[2][32];
    pool_make(&pool, GR_ORDER_FAIR, 0);
    gr_core_digest(pool.f.core, digest[0]);
    uint64_t job = submit(&pool, 1, 8, "321", 0);
    gr_core_digest(pool.f.core, digest[1]);
    assert_memory_not_equal(digest[0], digest[1], 32);
    assert_int_equal(gr_core_save(pool.f.core, bytes_keep, &end, NULL), 0);
    assert_int_equal(gr_core_load(&pool.f.config, bytes, (size_t)(end - bytes), &loaded, NULL), 0);
    gr_core_digest(loaded, digest[0]);
    assert_memory_equal(digest[0], digest[1], 32);
    assert_int_equal(gr_core_clone(pool.f.core, &copy, NULL), 0);
    struct gr_core *both[] = {loaded, copy};
    for (unsigned i = 0; i < 2; i++) {
        assert_true(gr_decide_start(both[i], NULL, pool.f.at, pool.f.pieces, &event[i]));
        assert_int_equal(event[i].placed.job, job);
        assert_int_equal(event[i].pieces[0].node, 2);
        gr_core_free(both[i]);
    }
    fixture_done(&pool.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_choice_with_room_is_taken),
        cmocka_unit_test(variants_of_one_tier_are_as_good_as_each_other),
        cmocka_unit_test(a_gang_lies_within_one_choice),
        cmocka_unit_test(who_sleeps_wakes_for_any_of_its_choices),
        cmocka_unit_test(rights_come_before_preference),
        cmocka_unit_test(room_is_reserved_where_it_comes_first),
        cmocka_unit_test(room_is_taken_back_for_the_first_choice_that_can_be_had),
        cmocka_unit_test(a_row_that_no_live_job_names_is_used_again),
        cmocka_unit_test(a_gang_is_not_moved_to_parts_of_two_choices),
        cmocka_unit_test(preferences_are_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
