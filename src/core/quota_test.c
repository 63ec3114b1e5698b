// Tests of quotas: worked examples (docs/design/queue.md has two of them), what is refused, what is
// said of quotas that do not agree. Random histories are in quota_walk_test.c.
#include "core/quota_fixture.h"

static uint64_t milli(uint64_t devices)
{
    return devices == ANY ? ANY : devices * 1000;
}

// In whole devices.
static void set(struct quota_pool *pool, uint32_t org, uint32_t variant, uint64_t nominal,
                uint64_t borrow, uint64_t lend)
{
    quota_pool_set(pool,
                   (struct gr_quota){org, variant, milli(nominal), milli(borrow), milli(lend)});
}

// Starts a job of an organisation with `count` whole devices of a node from device `first` on.
static uint64_t start(struct quota_pool *pool, uint32_t org, uint32_t node, unsigned first,
                      unsigned count)
{
    struct gr_piece piece = {
        .node = node, .devices = (uint16_t)(((1u << count) - 1) << first), .milli = 1000};
    return quota_pool_start(pool, org, &piece, 1);
}

// What is left, in whole devices.
static uint64_t left(const struct quota_pool *pool, uint32_t org, uint32_t variant)
{
    uint64_t left_milli = gr_quota_left(pool->f.core, org, variant, false);
    return left_milli == ANY ? ANY : left_milli / 1000;
}

static uint64_t own(const struct quota_pool *pool, uint32_t org, uint32_t variant)
{
    uint64_t left_milli = gr_quota_left(pool->f.core, org, variant, true);
    return left_milli == ANY ? ANY : left_milli / 1000;
}

static void without_quotas_nothing_is_limited(void **state)
{
    (void)state;
    struct quota_pool pool;
    quota_pool_make(&pool, 8);
    (void)quota_pool_node(&pool, 0);
    uint32_t lab = quota_pool_org(&pool, 0, "lab");
    (void)start(&pool, lab, 0, 0, 8);
    assert_true(left(&pool, lab, 0) == ANY && own(&pool, lab, 0) == ANY);
    assert_true(gr_quota_room(pool.f.core, lab, 0) == ANY);
    assert_false(gr_quota_has(pool.f.core, 0));
    set(&pool, 0, 1, 3, ANY, ANY); // of another variant
    assert_true(left(&pool, lab, 0) == ANY && own(&pool, lab, 0) == ANY);
    fixture_done(&pool.f);
}

// docs/design/queue.md, the first example.
static void a_team_borrows_up_to_its_limit_and_owns_only_what_is_nominal(void **state)
{
    (void)state;
    struct quota_pool pool;
    quota_pool_make(&pool, 8);
    for (unsigned n = 0; n < 3; n++) {
        (void)quota_pool_node(&pool, 0);
    }
    uint32_t vision = quota_pool_org(&pool, 0, "vision");
    uint32_t speech = quota_pool_org(&pool, 0, "speech");
    set(&pool, vision, 0, 8, 4, ANY);
    set(&pool, speech, 0, 16, 0, ANY);
    assert_true(own(&pool, vision, 0) == 8 && left(&pool, vision, 0) == 12);
    assert_true(own(&pool, speech, 0) == 16 && left(&pool, speech, 0) == 16);
    (void)start(&pool, vision, 0, 0, 6);
    assert_true(own(&pool, vision, 0) == 2 && left(&pool, vision, 0) == 6);
    uint64_t borrower = start(&pool, vision, 1, 0, 6); // 8 of its own, 4 borrowed
    assert_true(own(&pool, vision, 0) == 0 && left(&pool, vision, 0) == 0);
    assert_true(own(&pool, speech, 0) == 16 && left(&pool, speech, 0) == 16); // a right, no room
    fixture_finish(&pool.f, borrower);
    assert_true(own(&pool, vision, 0) == 2 && left(&pool, vision, 0) == 6);
    fixture_done(&pool.f);
}

// docs/design/queue.md, the second example.
static void what_a_team_does_not_lend_stays_free_for_it(void **state)
{
    (void)state;
    struct quota_pool pool;
    quota_pool_make(&pool, 8);
    for (unsigned n = 0; n < 3; n++) {
        (void)quota_pool_node(&pool, 0);
    }
    uint32_t lab = quota_pool_org(&pool, 0, "lab");
    uint32_t serving = quota_pool_org(&pool, lab, "serving");
    uint32_t training = quota_pool_org(&pool, lab, "training");
    uint32_t guests = quota_pool_org(&pool, 0, "guests");
    set(&pool, serving, 0, 10, ANY, 4); // six are always there for it
    assert_true(left(&pool, training, 0) == 18 && left(&pool, guests, 0) == 18);
    assert_true(left(&pool, lab, 0) == 18); // work of the lab itself leaves them too
    assert_true(left(&pool, serving, 0) == ANY && own(&pool, serving, 0) == 10);
    (void)start(&pool, training, 0, 0, 8);
    (void)start(&pool, guests, 1, 0, 8);
    assert_true(left(&pool, training, 0) == 2 && left(&pool, guests, 0) == 2);
    assert_true(left(&pool, lab, 0) == 2 && own(&pool, serving, 0) == 10);
    uint64_t job = start(&pool, serving, 2, 0, 4); // of its six, two are unused
    assert_true(left(&pool, guests, 0) == 2 && own(&pool, serving, 0) == 6);
    fixture_node_state(&pool.f, 2, GR_NODE_DRAINED); // nothing is free any more
    assert_true(left(&pool, guests, 0) == 0 && gr_quota_room(pool.f.core, guests, 0) == 0);
    assert_int_equal(own(&pool, serving, 0), 6);
    fixture_node_state(&pool.f, 2, GR_NODE_UP);
    assert_true(left(&pool, guests, 0) == 2);
    fixture_finish(&pool.f, job);
    assert_true(left(&pool, guests, 0) == 2);
    set(&pool, serving, 0, 10, ANY, ANY); // it lends all
    assert_true(left(&pool, guests, 0) == ANY);
    fixture_done(&pool.f);
}

static void borrowing_one_variant_never_changes_what_is_left_of_another(void **state)
{
    (void)state;
    struct quota_pool pool;
    quota_pool_make(&pool, 8);
    (void)quota_pool_node(&pool, 0);
    (void)quota_pool_node(&pool, 1);
    uint32_t a = quota_pool_org(&pool, 0, "a");
    uint32_t b = quota_pool_org(&pool, 0, "b");
    for (unsigned v = 0; v < 2; v++) {
        set(&pool, a, v, 4, 4, 2);
        set(&pool, b, v, 4, 2, 1);
    }
    assert_true(left(&pool, a, 1) == 5 && own(&pool, a, 1) == 4 && left(&pool, b, 1) == 6);
    (void)start(&pool, a, 0, 0, 5);
    assert_true(left(&pool, a, 0) == 0 && own(&pool, a, 0) == 0 && left(&pool, b, 0) == 6);
    assert_true(left(&pool, a, 1) == 5 && own(&pool, a, 1) == 4 && left(&pool, b, 1) == 6);
    fixture_done(&pool.f);
}

static void rights_come_from_the_nearest_nominal_and_bow_to_those_above(void **state)
{
    (void)state;
    struct quota_pool pool;
    quota_pool_make(&pool, 8);
    (void)quota_pool_node(&pool, 0);
    uint32_t lab = quota_pool_org(&pool, 0, "lab");
    uint32_t team = quota_pool_org(&pool, lab, "team");
    uint32_t person = quota_pool_org(&pool, team, "person");
    set(&pool, lab, 0, 6, ANY, ANY);
    assert_int_equal(own(&pool, person, 0), 6); // the lab's
    assert_int_equal(own(&pool, 0, 0), 0);      // what is below is not the root's
    set(&pool, team, 0, 4, ANY, ANY);
    assert_int_equal(own(&pool, person, 0), 4); // the team's
    set(&pool, person, 0, 0, 3, ANY);           // none of its own: the team's, within its limit
    assert_int_equal(own(&pool, person, 0), 3);
    (void)start(&pool, lab, 0, 0, 5);
    assert_int_equal(own(&pool, person, 0), 1); // no more is left of the lab's
    set(&pool, 0, 0, 0, 8, ANY);                // the root has none: nobody has a right
    assert_int_equal(own(&pool, person, 0), 0);
    assert_int_equal(left(&pool, person, 0), 3);
    fixture_done(&pool.f);
}

static void a_quota_set_while_jobs_hold_counts_them(void **state)
{
    (void)state;
    struct quota_pool pool;
    struct gr_quota quota;
    uint64_t used = 77;
    quota_pool_make(&pool, 8);
    (void)quota_pool_node(&pool, 0);
    uint32_t lab = quota_pool_org(&pool, 0, "lab");
    uint32_t team = quota_pool_org(&pool, lab, "team");
    (void)start(&pool, team, 0, 0, 3);
    (void)start(&pool, lab, 0, 3, 2);
    assert_false(gr_quota_find(pool.f.core, lab, 0, &quota, &used));
    set(&pool, lab, 0, 6, 0, ANY);
    assert_int_equal(left(&pool, team, 0), 1);
    assert_true(gr_quota_find(pool.f.core, lab, 0, &quota, &used));
    assert_true(used == 5000 && quota.nominal_milli == 6000 && quota.borrow_milli == 0);
    assert_false(gr_quota_find(pool.f.core, team, 0, &quota, &used));
    assert_false(gr_quota_find(pool.f.core, 99, 0, &quota, &used));
    assert_false(gr_quota_find(pool.f.core, lab, VARIANTS, &quota, &used));
    set(&pool, lab, 0, 4, 0, ANY); // less than is held: nothing more, and nobody is hurt
    assert_int_equal(left(&pool, team, 0), 0);
    set(&pool, lab, 0, 0, ANY, ANY); // taken away
    assert_false(gr_quota_has(pool.f.core, 0));
    assert_true(left(&pool, team, 0) == ANY && pool.f.core->quota_count == 0);
    set(&pool, lab, 0, 0, ANY, ANY); // again: nothing happens
    set(&pool, team, 0, 3, 1, ANY);
    assert_int_equal(left(&pool, team, 0), 1);
    fixture_done(&pool.f);
}

static void all_that_follows_can_be_made_anew_over_what_is_there(void **state)
{
    (void)state;
    struct quota_pool pool;
    quota_pool_make(&pool, 8);
    (void)quota_pool_node(&pool, 0);
    (void)quota_pool_node(&pool, 1);
    uint32_t lab = quota_pool_org(&pool, 0, "lab");
    set(&pool, lab, 0, 6, 1, 2);
    (void)start(&pool, lab, 0, 0, 2);
    (void)start(&pool, lab, 1, 0, 2); // of a variant without quotas
    gr_quota_rebuild(pool.f.core);
    assert_null(gr_core_audit(pool.f.core));
    assert_true(left(&pool, lab, 0) == 5 && own(&pool, lab, 0) == 4 && left(&pool, 0, 0) == 4);
    fixture_done(&pool.f);
}

static void rows_stay_dense_and_the_last_takes_the_place_of_one_that_goes(void **state)
{
    (void)state;
    struct quota_pool pool;
    quota_pool_make(&pool, 3);
    for (uint32_t o = 1; o < 4; o++) {
        (void)quota_pool_org(&pool, 0, "x");
        set(&pool, o, 0, o, ANY, ANY);
    }
    struct gr_event event = fixture_fact(&pool.f, GR_QUOTA_SET);
    event.quota = (struct gr_quota){0, 0, 1, ANY, ANY};
    assert_int_equal(gr_core_check(pool.f.core, &event), GR_REFUSED_LIMIT_OTHER);
    event.quota = (struct gr_quota){0, 0, 0, ANY, ANY}; // needs no row
    assert_int_equal(gr_core_check(pool.f.core, &event), GR_REFUSED_NOTHING);
    event.quota = (struct gr_quota){2, 0, 9, ANY, ANY}; // has one
    assert_int_equal(gr_core_check(pool.f.core, &event), GR_REFUSED_NOTHING);
    set(&pool, 1, 0, 0, ANY, ANY);
    assert_int_equal(pool.f.core->quota_count, 2);
    assert_int_equal(gr_quota_at(pool.f.core, 0)->org, 3);
    assert_int_equal(gr_quota_at(pool.f.core, 1)->org, 2);
    assert_int_equal(gr_quota_at(pool.f.core, 2)->nominal_milli, 0);
    assert_int_equal(own(&pool, 3, 0), 3);
    set(&pool, 2, 0, 0, ANY, ANY);
    set(&pool, 3, 0, 0, ANY, ANY);
    assert_int_equal(pool.f.core->quota_count, 0);
    fixture_done(&pool.f);
}

static void a_fact_is_refused_for_its_structure_only(void **state)
{
    (void)state;
    static const struct {
        struct gr_quota quota;
        enum gr_refusal refusal;
    } rows[] = {
        {{1, 0, 1, 1, 1}, GR_REFUSED_ORG},
        {{UINT32_MAX, 0, 1, 1, 1}, GR_REFUSED_ORG},
        {{0, 4, 1, 1, 1}, GR_REFUSED_VARIANT},
        {{0, 0, GR_QUOTA_MILLI_MAX, GR_QUOTA_MILLI_MAX, GR_QUOTA_MILLI_MAX}, GR_REFUSED_NOTHING},
        {{0, 0, GR_QUOTA_MILLI_MAX + 1, 1, 1}, GR_REFUSED_FIELD},
        {{0, 0, ANY, ANY, ANY}, GR_REFUSED_FIELD},
        {{0, 0, 1, GR_QUOTA_MILLI_MAX + 1, 1}, GR_REFUSED_FIELD},
        {{0, 0, 1, ANY - 1, 1}, GR_REFUSED_FIELD},
        {{0, 0, 1, ANY, 2}, GR_REFUSED_FIELD},
        {{0, 0, 2, ANY, 2}, GR_REFUSED_NOTHING},
        {{0, 0, 0, 0, 0}, GR_REFUSED_NOTHING},
        {{0, 3, 1, 0, ANY}, GR_REFUSED_NOTHING},
    };
    struct quota_pool pool;
    quota_pool_make(&pool, 8);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct gr_event event = fixture_fact(&pool.f, GR_QUOTA_SET);
        event.quota = rows[i].quota;
        assert_string_equal(gr_refusal_name(gr_core_check(pool.f.core, &event)),
                            gr_refusal_name(rows[i].refusal));
    }
    fixture_done(&pool.f);
}

static void the_largest_amounts_do_not_overflow(void **state)
{
    (void)state;
    struct quota_pool pool;
    quota_pool_make(&pool, ORGS * VARIANTS);
    (void)quota_pool_node(&pool, 0);
    struct gr_quota most = {0, 0, GR_QUOTA_MILLI_MAX, GR_QUOTA_MILLI_MAX, 0};
    for (uint32_t o = 1; o < ORGS; o++) {
        (void)quota_pool_org(&pool, o % 2 == 0 ? o - 1 : 0, "x");
    }
    for (uint32_t o = 0; o < ORGS; o++) {
        most.org = o;
        quota_pool_set(&pool, most);
    }
    assert_null(gr_core_audit(pool.f.core));
    assert_true(gr_quota_left(pool.f.core, 0, 0, true) == GR_QUOTA_MILLI_MAX);
    assert_true(gr_quota_left(pool.f.core, 0, 0, false) == 0); // all is kept for those below
    assert_true(gr_quota_owned_below(pool.f.core, 0, 0) == 100 * GR_QUOTA_MILLI_MAX);
    (void)start(&pool, 7, 0, 0, 8);
    assert_true(gr_quota_left(pool.f.core, 7, 0, true) == GR_QUOTA_MILLI_MAX - 8000);
    fixture_done(&pool.f);
}

// --- does it agree with the others?

static void says(const struct quota_pool *pool, struct gr_quota quota, const char *field,
                 const char *sentence)
{
    char text[512] = "";
    const char *wrong = gr_quota_wrong(pool->f.core, &quota, text, sizeof text);
    if (field == NULL) {
        assert_null(wrong);
        return;
    }
    assert_non_null(wrong);
    assert_string_equal(wrong, field);
    assert_string_equal(text, sentence);
}

static void what_does_not_agree_is_named_with_figures(void **state)
{
    (void)state;
    struct quota_pool pool;
    quota_pool_make(&pool, 8);
    uint32_t lab = quota_pool_org(&pool, 0, "lab");
    uint32_t group = quota_pool_org(&pool, lab, "group"); // never gets a quota
    uint32_t a = quota_pool_org(&pool, group, "a");
    uint32_t b = quota_pool_org(&pool, lab, "b");
    says(&pool, (struct gr_quota){lab, 0, 1500, 0, 1501}, "lend",
         "only what is nominal can be lent: at most 1.5, or all of it");
    says(&pool, (struct gr_quota){lab, 0, GR_QUOTA_MILLI_MAX + 1, 0, 0}, "nominal",
         "it is more than 1099511627.776 devices");
    says(&pool, (struct gr_quota){lab, 0, 1, GR_QUOTA_MILLI_MAX + 1, 0}, "borrow",
         "it is more than 1099511627.776 devices");
    says(&pool, (struct gr_quota){a, 0, 99000, 0, 0}, NULL, NULL); // nothing above
    set(&pool, a, 0, 8, 0, ANY);
    set(&pool, b, 0, 4, 0, ANY);
    says(&pool, (struct gr_quota){lab, 0, 8000, 2000, ANY}, "nominal",
         "organisations below lab have 12 h20 of their own, but nominal 8 and borrow 2 let it hold "
         "10: make them 12 together, or give those below less");
    says(&pool, (struct gr_quota){lab, 0, 8000, 4000, ANY}, NULL, NULL);
    says(&pool, (struct gr_quota){lab, 0, 0, ANY, ANY}, NULL, NULL);
    says(&pool, (struct gr_quota){lab, 1, 1000, 0, ANY}, NULL, NULL); // of another variant
    set(&pool, lab, 0, 8, 6, ANY);
    says(&pool, (struct gr_quota){b, 0, 6000, 0, ANY}, NULL, NULL);
    says(&pool, (struct gr_quota){b, 0, 7000, 0, ANY}, "nominal",
         "organisations below lab would have 15 h20 of their own, but its nominal 8 and borrow 6 "
         "let it hold 14: 6 at most here, or give lab more");
    says(&pool, (struct gr_quota){group, 0, 11000, ANY, ANY}, "nominal", // instead of a's 8
         "organisations below lab would have 15 h20 of their own, but its nominal 8 and borrow 6 "
         "let it hold 14: 10 at most here, or give lab more");
    set(&pool, group, 0, 0, 8, ANY); // its 8 are borrowed: they count no more for the lab
    says(&pool, (struct gr_quota){b, 0, 14000, 0, ANY}, NULL, NULL);
    set(&pool, b, 0, 7, 0, ANY);
    says(&pool, (struct gr_quota){group, 0, 0, ANY, ANY}, "nominal", // a's show again
         "organisations below lab would have 15 h20 of their own, but its nominal 8 and borrow 6 "
         "let it hold 14: 7 at most here, or give lab more");
    set(&pool, b, 0, 20, 0, ANY); // history is not refused for it
    says(&pool, (struct gr_quota){group, 0, 1000, ANY, ANY}, "nominal",
         "organisations below lab would have 21 h20 of their own, but its nominal 8 and borrow 6 "
         "let it hold 14: 0 at most here, or give lab more");
    fixture_done(&pool.f);
}

static void more_of_their_own_than_the_pool_has_is_doubtful(void **state)
{
    (void)state;
    struct quota_pool pool;
    char text[200];
    quota_pool_make(&pool, 8);
    (void)quota_pool_node(&pool, 0);
    (void)quota_pool_node(&pool, 1);
    uint32_t a = quota_pool_org(&pool, 0, "a");
    uint32_t b = quota_pool_org(&pool, 0, "b");
    set(&pool, a, 0, 5, ANY, ANY);
    struct gr_quota quota = {b, 0, 3000, ANY, ANY};
    assert_null(gr_quota_doubtful(pool.f.core, &quota, text, sizeof text));
    quota.nominal_milli = 3500;
    assert_string_equal(gr_quota_doubtful(pool.f.core, &quota, text, sizeof text), "nominal");
    assert_string_equal(text, "organisations would have 8.5 h20 of their own, but the pool has 8: "
                              "they cannot all have what is theirs at a time");
    set(&pool, a, 0, 9, ANY, ANY);
    quota.nominal_milli = 0; // is not to blame
    assert_null(gr_quota_doubtful(pool.f.core, &quota, text, sizeof text));
    set(&pool, a, 0, 5, ANY, ANY);
    set(&pool, 0, 0, 8, ANY, ANY);
    quota.nominal_milli = 7000; // within what the root has, as a borrower from a
    assert_null(gr_quota_doubtful(pool.f.core, &quota, text, sizeof text));
    quota.nominal_milli = 9000;
    assert_string_equal(gr_quota_doubtful(pool.f.core, &quota, text, sizeof text), "nominal");
    quota.nominal_milli = 3500;
    assert_string_equal(
        gr_quota_wrong(pool.f.core, &(struct gr_quota){0, 0, 1000, 0, ANY}, text, 12), "nominal");
    assert_string_equal(text, "organisatio"); // cut
    fixture_done(&pool.f);
}

// Damage that the auditor must notice.
static void a_miscounted_quota_is_noticed(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes_at; // of the places of variant 0
        const char *phrase;
    } rows[] = {{0, "what is used of a quota is miscounted"},
                {8, "what organisations own or do not lend is miscounted"},
                {16, "what organisations own or do not lend is miscounted"},
                {24, "a quota is not found, or is there twice"}};
    struct quota_pool pool;
    quota_pool_make(&pool, 8);
    set(&pool, 0, 0, 4, 2, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct gr_core *copy;
        struct gr_err err;
        assert_int_equal(gr_core_clone(pool.f.core, &copy, &err), 0);
        assert_null(gr_quota_audit(copy));
        uint8_t *places = (uint8_t *)gr_core_at(copy, copy->quota_use_at) +
                          gr_quota_bytes(&copy->limits) - 32u * ORGS * VARIANTS;
        places[rows[i].bytes_at]++;
        assert_string_equal(gr_core_audit(copy), rows[i].phrase);
        assert_string_equal(gr_quota_audit(copy), rows[i].phrase);
        places[rows[i].bytes_at]--;
        uint8_t *sums = gr_core_at(copy, copy->quota_use_at);
        for (unsigned at = 8; at < 40; at += at < 16 ? 8 : at < 32 ? 16 : 4) {
            sums[at]++; // kept and owned of all, rows, keepers
            assert_string_equal(gr_quota_audit(copy), "the quotas of a variant are miscounted");
            sums[at]--;
        }
        gr_quota_at(copy, 0)->variant = VARIANTS;
        assert_string_equal(gr_quota_audit(copy), "a quota is of nobody, or of nothing");
        gr_quota_at(copy, 0)->org = ORGS;
        assert_string_equal(gr_quota_audit(copy), "a quota is of nobody, or of nothing");
        gr_core_free(copy);
    }
    fixture_done(&pool.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_quotas_nothing_is_limited),
        cmocka_unit_test(a_team_borrows_up_to_its_limit_and_owns_only_what_is_nominal),
        cmocka_unit_test(what_a_team_does_not_lend_stays_free_for_it),
        cmocka_unit_test(borrowing_one_variant_never_changes_what_is_left_of_another),
        cmocka_unit_test(rights_come_from_the_nearest_nominal_and_bow_to_those_above),
        cmocka_unit_test(a_quota_set_while_jobs_hold_counts_them),
        cmocka_unit_test(all_that_follows_can_be_made_anew_over_what_is_there),
        cmocka_unit_test(rows_stay_dense_and_the_last_takes_the_place_of_one_that_goes),
        cmocka_unit_test(a_fact_is_refused_for_its_structure_only),
        cmocka_unit_test(the_largest_amounts_do_not_overflow),
        cmocka_unit_test(what_does_not_agree_is_named_with_figures),
        cmocka_unit_test(more_of_their_own_than_the_pool_has_is_doubtful),
        cmocka_unit_test(a_miscounted_quota_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
