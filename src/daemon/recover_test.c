// Tests of recovery: from nothing, from the journal, from snapshot and tail; what does not follow
// stops it.
#include "daemon/recover.h"

#include "codec/event_bytes.h"
#include "daemon/fixture.h"
#include "journal/snapshot.h"

#include <errno.h>

static struct gr_err err;
static struct gr_core_config config;
static struct gr_core *core; // what the journal should make
static struct gr_journal *journal;

static int begin(void **state)
{
    config = (struct gr_core_config){
        .limits = {.place = {.nodes = 8, .masks = 4, .slots = 32, .domains = {2, 2, 2, 2}},
                   .jobs = 8,
                   .pieces = 8,
                   .orgs = 64,
                   .sites = 2,
                   .variants = 2},
        .policy = "firstfit"};
    struct gr_journal_config where;
    if (fixture_dir_make(state) != 0 || gr_core_new(&config, &core, &err) != 0) {
        return -1;
    }
    where = (struct gr_journal_config){.dir = fixture_path("journal")};
    return gr_journal_open(&where, &journal, &err);
}

static int end(void **state)
{
    gr_journal_close(journal);
    gr_core_free(core);
    return fixture_dir_remove(state);
}

static struct gr_event org_fact(void)
{
    struct gr_event event = gr_decide_fact(core, 1000, GR_ORG_ADDED);
    event.org = (struct gr_org){.parent = UINT32_MAX};
    snprintf(event.org.name, sizeof event.org.name, "org-%u", gr_core_org_count(core));
    return event;
}

// Appends bytes as the group of facts `first` to `last`.
static void append(uint64_t first, uint64_t last, const uint8_t *payload, size_t size)
{
    struct gr_journal_tip tip = gr_journal_tip_get(journal);
    struct gr_journal_group group = {
        .first = first, .last = last, .epoch = tip.epoch, .payload = payload, .payload_size = size};
    fixture_good(gr_journal_append(journal, &group, tip.sequence, &err), &err);
    assert_int_equal(gr_journal_wait(journal, &err), 1);
}

// A group of so many facts: the first of all begins the writer's epoch.
static void add_group(unsigned count)
{
    uint8_t payload[8192];
    size_t size = 0;
    uint64_t first = gr_core_next_sequence(core);
    for (unsigned i = 0; i < count; i++) {
        struct gr_event event = org_fact();
        if (event.sequence == 1) {
            event = gr_decide_fact(core, 1000, GR_EPOCH_BEGUN);
        }
        long took = gr_event_encode(&event, payload + size, sizeof payload - size);
        assert_true(took > 0);
        size += (size_t)took;
        assert_int_equal(gr_core_check(core, &event), GR_REFUSED_NOTHING);
        gr_core_apply(core, &event, NULL);
    }
    append(first, gr_core_next_sequence(core) - 1, payload, size);
}

static void expect_same(struct gr_core *other)
{
    uint8_t a[32], b[32];
    gr_core_digest(core, a);
    gr_core_digest(other, b);
    assert_memory_equal(a, b, 32);
}

static void recover_and_compare(uint64_t snapshot)
{
    struct gr_recovery recovery = {0};
    struct gr_core *other;
    fixture_good(gr_recover(fixture_dir, &config, &recovery, &other, &err), &err);
    assert_int_equal(recovery.sequence, gr_core_next_sequence(core) - 1);
    assert_int_equal(recovery.snapshot, snapshot);
    struct gr_journal_tip tip = gr_journal_tip_get(journal);
    assert_memory_equal(recovery.hash, tip.hash, sizeof tip.hash);
    expect_same(other);
    gr_core_free(other);
}

static void an_empty_journal_and_none_at_all_make_an_empty_core(void **state)
{
    (void)state;
    recover_and_compare(0);
    struct gr_recovery recovery = {0};
    struct gr_core *other;
    assert_int_equal(gr_recover(fixture_path("nowhere"), &config, &recovery, &other, &err), 0);
    assert_int_equal(recovery.sequence, 0);
    gr_core_free(other);
}

static void snapshot_and_tail_make_what_the_journal_makes(void **state)
{
    (void)state;
    struct gr_recovery recovery = {0};
    add_group(1);
    add_group(5);
    recover_and_compare(0);
    fixture_good(gr_recover_and_save(fixture_dir, &config, &recovery, &err), &err);
    assert_int_equal(recovery.sequence, 6);
    recover_and_compare(6); // without a tail
    add_group(3);
    recover_and_compare(6);
    fixture_good(gr_recover_and_save(fixture_dir, &config, &recovery, &err), &err);
    assert_int_equal(recovery.snapshot, 6);
    fixture_good(gr_recover_and_save(fixture_dir, &config, &recovery, &err), &err); // again
    assert_int_equal(recovery.snapshot, 9);
    recover_and_compare(9);
}

static void it_goes_as_far_as_it_is_told_in_whole_groups(void **state)
{
    (void)state;
    add_group(2);
    add_group(3);
    add_group(2);
    static const uint64_t untils[] = {1, 2, 4, 5, 6, 7, 8};
    static const uint64_t ends[] = {0, 2, 2, 5, 5, 7, 7};
    for (unsigned i = 0; i < 7; i++) {
        struct gr_recovery recovery = {.until = untils[i]};
        struct gr_core *other;
        fixture_good(gr_recover(fixture_dir, &config, &recovery, &other, &err), &err);
        assert_int_equal(recovery.sequence, ends[i]);
        assert_int_equal(gr_core_next_sequence(other), ends[i] + 1);
        gr_core_free(other);
    }
}

static void a_snapshot_beyond_what_is_asked_for_is_not_taken(void **state)
{
    (void)state;
    struct gr_recovery recovery = {0};
    struct gr_core *other;
    add_group(2);
    fixture_good(gr_recover_and_save(fixture_dir, &config, &recovery, &err), &err);
    add_group(2);
    fixture_good(gr_recover_and_save(fixture_dir, &config, &recovery, &err), &err);
    recovery = (struct gr_recovery){.until = 3};
    fixture_good(gr_recover(fixture_dir, &config, &recovery, &other, &err), &err);
    assert_int_equal(recovery.snapshot, 2);
    assert_int_equal(recovery.sequence, 2);
    gr_core_free(other);
}

static void a_bad_snapshot_is_passed_over(void **state)
{
    (void)state;
    struct gr_recovery recovery = {0};
    add_group(2);
    fixture_good(gr_recover_and_save(fixture_dir, &config, &recovery, &err), &err);
    add_group(2);
    fixture_good(gr_recover_and_save(fixture_dir, &config, &recovery, &err), &err);
    assert_int_equal(truncate(fixture_path("snapshots/00000000000000000004.snapshot"), 200), 0);
    recover_and_compare(2);
}

static void a_snapshot_that_another_release_wrote_is_passed_over(void **state)
{
    (void)state;
    struct gr_recovery recovery = {0};
    static const char *const newest = "a state in a format that nobody here has heard of";
    add_group(2);
    fixture_good(gr_recover_and_save(fixture_dir, &config, &recovery, &err), &err);
    add_group(2);
    struct gr_snapshot_mark mark = {.sequence = 4};
    memcpy(mark.hash, gr_journal_tip_get(journal).hash, sizeof mark.hash);
    struct gr_snapshot_writer *writer;
    fixture_good(gr_snapshot_create(fixture_path("snapshots"), &mark, &writer, &err), &err);
    fixture_good(gr_snapshot_write(writer, newest, strlen(newest), &err), &err);
    fixture_good(gr_snapshot_commit(writer, 2, &err), &err);
    recover_and_compare(2);
    assert_int_equal(unlink(fixture_path("snapshots/00000000000000000002.snapshot")), 0);
    recover_and_compare(0);
}

static void a_snapshot_of_another_journal_stops_it(void **state)
{
    (void)state;
    struct gr_recovery recovery = {0};
    struct gr_core *other = NULL;
    add_group(4);
    fixture_good(gr_recover_and_save(fixture_dir, &config, &recovery, &err), &err);
    // Another history, as long as this one.
    gr_journal_close(journal);
    gr_core_free(core);
    assert_int_equal(nftw(fixture_path("journal"), fixture_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
    struct gr_journal_config where = {.dir = fixture_path("journal")};
    fixture_good(gr_core_new(&config, &core, &err), &err);
    fixture_good(gr_journal_open(&where, &journal, &err), &err);
    add_group(2);
    add_group(2);
    assert_int_equal(gr_recover(fixture_dir, &config, &recovery, &other, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "snapshot"));
    assert_null(other);
}

// Recovery must stop at the group that is there, and name a fact.
static void expect_stop(const char *word)
{
    struct gr_recovery recovery = {0};
    struct gr_core *other = NULL;
    assert_int_equal(gr_recover(fixture_dir, &config, &recovery, &other, &err), -EBADMSG);
    if (strstr(err.text, word) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, word);
    }
    assert_null(other);
    assert_int_equal(recovery.sequence, 2); // of the group before
}

static void a_fact_that_does_not_follow_stops_it(void **state)
{
    (void)state;
    uint8_t payload[1024];
    add_group(2);
    struct gr_event event = org_fact();
    event.org.parent = 40; // nobody
    long size = gr_event_encode(&event, payload, sizeof payload);
    append(3, 3, payload, (size_t)size);
    expect_stop("fact 3");
}

static void a_fact_with_another_number_stops_it(void **state)
{
    (void)state;
    uint8_t payload[1024];
    add_group(2);
    struct gr_event event = org_fact();
    event.sequence = 4;
    long size = gr_event_encode(&event, payload, sizeof payload);
    append(3, 3, payload, (size_t)size);
    expect_stop("fact 3");
}

static void a_group_that_ends_elsewhere_than_it_says_stops_it(void **state)
{
    (void)state;
    uint8_t payload[1024];
    add_group(2);
    struct gr_event event = org_fact();
    long size = gr_event_encode(&event, payload, sizeof payload);
    append(3, 4, payload, (size_t)size);
    expect_stop("facts 3 to 4");
}

static void a_fact_that_is_cut_off_stops_it(void **state)
{
    (void)state;
    uint8_t payload[1024];
    add_group(2);
    struct gr_event event = org_fact();
    long size = gr_event_encode(&event, payload, sizeof payload);
    append(3, 3, payload, (size_t)size - 1);
    expect_stop("fact");
}

static void a_core_that_is_too_small_stops_it(void **state)
{
    (void)state;
    add_group(2);
    add_group(20);
    config.limits.orgs = 20; // 21 were added
    expect_stop("fact");
    config.limits.orgs = 21;
    recover_and_compare(0);
}

#define RECOVER_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECOVER_TEST(an_empty_journal_and_none_at_all_make_an_empty_core),
        RECOVER_TEST(snapshot_and_tail_make_what_the_journal_makes),
        RECOVER_TEST(it_goes_as_far_as_it_is_told_in_whole_groups),
        RECOVER_TEST(a_snapshot_beyond_what_is_asked_for_is_not_taken),
        RECOVER_TEST(a_bad_snapshot_is_passed_over),
        RECOVER_TEST(a_snapshot_that_another_release_wrote_is_passed_over),
        RECOVER_TEST(a_snapshot_of_another_journal_stops_it),
        RECOVER_TEST(a_fact_that_does_not_follow_stops_it),
        RECOVER_TEST(a_fact_with_another_number_stops_it),
        RECOVER_TEST(a_group_that_ends_elsewhere_than_it_says_stops_it),
        RECOVER_TEST(a_fact_that_is_cut_off_stops_it),
        RECOVER_TEST(a_core_that_is_too_small_stops_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
