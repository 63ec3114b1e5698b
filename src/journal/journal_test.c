// A journal keeps what it said it kept, in order, and has one writer.
#include "journal/fixture.h"

#include <poll.h>
#include <sys/stat.h>

static int setup(void **state)
{
    struct fixture *fixture = malloc(sizeof *fixture);
    assert_non_null(fixture);
    fixture_init(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_done(*state);
    free(*state);
    return 0;
}

static void an_empty_journal_ends_at_0_and_has_epoch_1(void **state)
{
    struct fixture *f = *state;
    static const uint8_t zeros[GR_HASH_SIZE];
    struct gr_journal *journal = fixture_open(f);
    struct gr_journal_tip tip = gr_journal_tip_get(journal);
    assert_int_equal(tip.sequence, 0);
    assert_int_equal(tip.epoch, 1);
    assert_memory_equal(tip.hash, zeros, GR_HASH_SIZE);
    assert_int_equal(gr_journal_poll(journal, &f->err), 0);
    gr_journal_close(journal);
    assert_int_equal(fixture_read(f, f->dir, 1, NULL), 0);
}

static void groups_come_back_as_they_went_in(void **state)
{
    struct fixture *f = *state;
    struct gr_journal *journal = fixture_open(f);
    uint64_t groups;
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(fixture_append(f, journal, 1 + i % 3, 1 + i * 997, i % 4 * 5000), 1);
    }
    uint64_t last = gr_journal_tip_get(journal).sequence;
    assert_int_equal(fixture_read(f, f->dir, 1, &groups), last); // beside the writer
    assert_int_equal(groups, 50);
    gr_journal_close(journal);
    assert_int_equal(fixture_read(f, f->dir, 1, &groups), last);
    assert_int_equal(groups, 50);
    assert_int_equal(fixture_read(f, f->dir, 60, &groups), last);
}

static void each_writer_has_a_higher_epoch_and_goes_on_at_the_end(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 1; i <= 4; i++) {
        struct gr_journal *journal = fixture_open(f);
        struct gr_journal_tip tip = gr_journal_tip_get(journal);
        assert_int_equal(tip.epoch, i);
        assert_int_equal(tip.sequence, 10 * (i - 1));
        assert_int_equal(fixture_append(f, journal, 10, 100, 0), 1);
        gr_journal_close(journal);
    }
    assert_int_equal(fixture_read(f, f->dir, 1, NULL), 40);
}

static void the_descriptor_is_readable_when_a_group_is_done(void **state)
{
    struct fixture *f = *state;
    struct gr_journal *journal = fixture_open(f);
    struct pollfd fd = {.fd = gr_journal_fd(journal), .events = POLLIN};
    struct gr_journal_group group = {1, 1, 1, (const uint8_t *)"x", 1, NULL, 0};
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_int_equal(gr_journal_append(journal, &group, 0, &f->err), 0);
    assert_int_equal(poll(&fd, 1, 60000), 1);
    assert_int_equal(gr_journal_poll(journal, &f->err), 1);
    assert_int_equal(gr_journal_poll(journal, &f->err), 0);
    assert_int_equal(poll(&fd, 1, 0), 0);
    gr_journal_close(journal);
}

static void a_group_that_does_not_continue_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gr_journal *journal = fixture_open(f);
    assert_int_equal(fixture_append(f, journal, 5, 10, 0), 1);
    struct gr_journal_group group = {6, 6, 1, (const uint8_t *)"x", 1, NULL, 0};
    assert_int_equal(gr_journal_append(journal, &group, 4, &f->err), -ESTALE);
    group.first = group.last = 7;
    assert_int_equal(gr_journal_append(journal, &group, 5, &f->err), -ESTALE);
    group.first = group.last = 6;
    group.epoch = 2;
    assert_int_equal(gr_journal_append(journal, &group, 5, &f->err), -ESTALE);
    group.epoch = 1;
    assert_int_equal(gr_journal_append(journal, &group, 5, &f->err), 0);
    assert_int_equal(gr_journal_append(journal, &group, 5, &f->err), -EBUSY);
    assert_int_equal(gr_journal_wait(journal, &f->err), 1);
    gr_journal_close(journal);
}

static void a_second_writer_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct gr_journal_config config = {.dir = f->dir};
    struct gr_journal *journal = fixture_open(f);
    struct gr_journal *second = NULL;
    assert_int_equal(gr_journal_open(&config, &second, &f->err), -EBUSY);
    gr_journal_close(journal);
    gr_journal_close(fixture_open(f));
}

static void a_reader_that_reached_the_end_goes_on_when_there_is_more(void **state)
{
    struct fixture *f = *state;
    struct gr_journal *journal = fixture_open(f);
    struct gr_journal_reader *reader;
    struct gr_journal_group group;
    uint8_t hash[GR_HASH_SIZE];
    assert_int_equal(gr_journal_reader_open(f->dir, 1, &reader, &f->err), 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(gr_journal_reader_next(reader, &group, &f->err), 0);
        assert_int_equal(fixture_append(f, journal, 2, 3000, 10), 1);
        assert_int_equal(gr_journal_reader_next(reader, &group, &f->err), 1);
        gr_journal_reader_hash(reader, hash);
        assert_memory_equal(hash, gr_journal_tip_get(journal).hash, GR_HASH_SIZE);
    }
    assert_int_equal(gr_journal_reader_find(reader, 4, &group, &f->err), 1);
    assert_int_equal(group.first, 3);
    fixture_expect(&group);
    assert_int_equal(gr_journal_reader_find(reader, 11, &group, &f->err), 0);
    gr_journal_reader_close(reader);
    gr_journal_close(journal);
}

static void a_reader_may_begin_in_the_middle_of_a_group_but_not_beyond_the_end(void **state)
{
    struct fixture *f = *state;
    struct gr_journal *journal = fixture_open(f);
    struct gr_journal_reader *reader;
    struct gr_journal_group group;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(fixture_append(f, journal, 10, 100, 0), 1);
    }
    assert_int_equal(gr_journal_reader_open(f->dir, 15, &reader, &f->err), 0);
    assert_int_equal(gr_journal_reader_next(reader, &group, &f->err), 1);
    assert_int_equal(group.first, 11);
    gr_journal_reader_close(reader);
    assert_int_equal(gr_journal_reader_open(f->dir, 31, &reader, &f->err), 0);
    assert_int_equal(gr_journal_reader_next(reader, &group, &f->err), 0);
    gr_journal_reader_close(reader);
    assert_int_equal(gr_journal_reader_open(f->dir, 32, &reader, &f->err), -ERANGE);
    assert_int_equal(gr_journal_reader_open(f->other, 1, &reader, &f->err), -ENOENT);
    gr_journal_close(journal);
}

static void a_journal_at_its_limit_refuses_and_goes_on_when_it_is_raised(void **state)
{
    struct fixture *f = *state;
    struct gr_journal_config config = {.dir = f->dir, .limit_bytes = 512 * 1024};
    struct gr_journal *journal;
    unsigned groups = 0;
    int rc;
    assert_int_equal(gr_journal_open(&config, &journal, &f->err), 0);
    while ((rc = fixture_append(f, journal, 1, 30000, 1000)) == 1) {
        groups++;
        assert_true(groups < 17); // 17 x 31000 is more than the limit
    }
    assert_int_equal(rc, -ENOSPC);
    assert_true(groups > 10);
    assert_int_equal(gr_journal_tip_get(journal).sequence, groups);
    assert_int_equal(fixture_append(f, journal, 1, 30000, 1000), -ENOSPC);
    assert_int_equal(gr_journal_poll(journal, &f->err), 0);
    gr_journal_close(journal);
    config.limit_bytes = 1024 * 1024;
    assert_int_equal(gr_journal_open(&config, &journal, &f->err), 0);
    assert_int_equal(fixture_append(f, journal, 1, 30000, 1000), 1);
    gr_journal_close(journal);
    assert_int_equal(fixture_read(f, f->dir, 1, NULL), groups + 1);
}

static void large_groups_come_back_and_the_log_stays_bounded(void **state)
{
    struct fixture *f = *state;
    char path[120];
    struct stat st;
    const struct gr_journal_config config = {.dir = f->dir, .checkpoint_mib = 1};
    struct gr_journal *journal;
    uint64_t groups;
    assert_int_equal(gr_journal_open(&config, &journal, &f->err), 0);
    assert_int_equal(fixture_append(f, journal, 1, (size_t)24 << 20, (size_t)9 << 20), 1);
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(fixture_append(f, journal, 1, (size_t)1 << 20, 100), 1);
    }
    snprintf(path, sizeof path, "%s/journal.db-wal", f->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 60 << 20); // not all that was written
    assert_int_equal(fixture_read(f, f->dir, 1, &groups), 61);
    gr_journal_close(journal);
    assert_int_equal(stat(path, &st), -1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(an_empty_journal_ends_at_0_and_has_epoch_1),
        CASE(groups_come_back_as_they_went_in),
        CASE(each_writer_has_a_higher_epoch_and_goes_on_at_the_end),
        CASE(the_descriptor_is_readable_when_a_group_is_done),
        CASE(a_group_that_does_not_continue_is_refused),
        CASE(a_second_writer_is_refused),
        CASE(a_reader_that_reached_the_end_goes_on_when_there_is_more),
        CASE(a_journal_at_its_limit_refuses_and_goes_on_when_it_is_raised),
        CASE(large_groups_come_back_and_the_log_stays_bounded),
        CASE(a_reader_may_begin_in_the_middle_of_a_group_but_not_beyond_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
