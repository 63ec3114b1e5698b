// Tests of group commit: nothing leaves before it is durable, order is kept, a full disk loses
// nothing.
#include "daemon/commit.h"

#include "codec/event_bytes.h"
#include "daemon/aside.h"
#include "daemon/fixture.h"

#include <errno.h>
#include <poll.h>

static struct gr_journal *journal;
static struct gr_commit *commit;
static struct gr_err err;
static uint64_t next_fact;    // sequence
static uint64_t told[64];     // what thens were called with, in order
static unsigned told_count;   // of told
static uint64_t durable_last; // as the watcher heard

static void durable(void *context, const struct gr_journal_group *group)
{
    assert_ptr_equal(context, &durable_last);
    assert_int_equal(group->first, durable_last + 1);
    durable_last = group->last;
}

static void open_journal(uint64_t limit_bytes)
{
    struct gr_journal_config config = {.dir = fixture_path("journal"), .limit_bytes = limit_bytes};
    struct gr_commit_watcher watcher = {.context = &durable_last, .durable = durable};
    fixture_good(gr_journal_open(&config, &journal, &err), &err);
    fixture_good(gr_commit_open(journal, &watcher, &commit, &err), &err);
    durable_last = gr_journal_tip_get(journal).sequence;
    next_fact = durable_last + 1;
    told_count = 0;
}

static int begin(void **state)
{
    if (fixture_dir_make(state) != 0) {
        return -1;
    }
    open_journal(0);
    return 0;
}

static void close_journal(void)
{
    gr_commit_close(commit);
    gr_journal_close(journal);
}

static int end(void **state)
{
    close_journal();
    return fixture_dir_remove(state);
}

static uint64_t add_fact(void)
{
    struct gr_event event;
    memset(&event, 0, sizeof event);
    event.sequence = next_fact++;
    event.epoch = gr_journal_tip_get(journal).epoch;
    event.type = GR_ORG_ADDED;
    event.version = GR_EVENT_VERSION;
    event.org.parent = UINT32_MAX;
    strcpy(event.org.name, "owner");
    gr_commit_fact(commit, &event);
    return event.sequence;
}

static void tell(void *context, uint64_t value)
{
    (void)context;
    told[told_count++] = value;
    // What was told of a fact is durable.
    assert_true(value >= 1000 || value <= gr_commit_durable(commit));
}

static void what_is_clean_happens_at_once(void **state)
{
    (void)state;
    gr_commit_then(commit, tell, NULL, 1000);
    assert_int_equal(told_count, 1);
    assert_int_equal(gr_commit_run(commit, &err), 0);
    assert_int_equal(gr_commit_flush(commit, &err), 0);
    assert_int_equal(gr_commit_bytes(commit), 0);
}

static void what_was_said_of_a_fact_waits_for_it(void **state)
{
    (void)state;
    uint64_t first = add_fact();
    gr_commit_then(commit, tell, NULL, first);
    assert_int_equal(told_count, 0);
    assert_true(gr_commit_bytes(commit) > 0);
    assert_int_equal(gr_commit_run(commit, &err), 0); // on its way now
    unsigned before = told_count;
    uint64_t second = add_fact(); // the next group gathers
    gr_commit_then(commit, tell, NULL, second);
    assert_int_equal(told_count, before);
    assert_int_equal(gr_commit_flush(commit, &err), 0);
    assert_int_equal(told_count, 2);
    assert_int_equal(told[0], first);
    assert_int_equal(told[1], second);
    assert_int_equal(durable_last, second);
    assert_int_equal(gr_commit_durable(commit), second);
    uint64_t groups, bytes;
    gr_commit_counts(commit, &groups, &bytes);
    assert_int_equal(groups, 2);
    assert_true(bytes > 0);
}

static void what_waits_for_a_group_on_its_way_keeps_its_place(void **state)
{
    (void)state;
    uint64_t first = add_fact();
    gr_commit_then(commit, tell, NULL, first);
    assert_int_equal(gr_commit_run(commit, &err), 0);
    gr_commit_then(commit, tell, NULL, 1001); // nothing gathers: waits for the group on its way
    gr_commit_then(commit, tell, NULL, 1002);
    assert_int_equal(gr_commit_flush(commit, &err), 0);
    assert_int_equal(told_count, 3);
    assert_int_equal(told[0], first);
    assert_int_equal(told[1], 1001);
    assert_int_equal(told[2], 1002);
}

// Says its value, makes a fact, and waits for it, three times over.
static void tell_more(void *context, uint64_t value)
{
    (void)context;
    told[told_count++] = value;
    gr_commit_then(commit, tell, NULL, 1000 + value); // of what is durable already
    if (value < 3) {
        uint64_t fact = add_fact();
        gr_commit_then(commit, tell_more, NULL, value + 1);
        gr_commit_then(commit, tell, NULL, fact);
    }
}

static void thens_that_make_facts_and_thens_come_in_order(void **state)
{
    (void)state;
    (void)add_fact();
    gr_commit_then(commit, tell_more, NULL, 1);
    gr_commit_then(commit, tell, NULL, 1);
    assert_int_equal(gr_commit_flush(commit, &err), 0);
    static const uint64_t expected[] = {1, 1, 1001, 2, 2, 1002, 3, 3, 1003};
    assert_int_equal(told_count, 9);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(told[i], expected[i]);
    }
    assert_int_equal(durable_last, 3);
}

static void what_was_not_handed_over_is_lost_with_what_waited(void **state)
{
    (void)state;
    uint64_t fact = add_fact();
    gr_commit_then(commit, tell, NULL, fact);
    close_journal();
    open_journal(0);
    assert_int_equal(told_count, 0);
    assert_int_equal(gr_journal_tip_get(journal).sequence, 0);
}

static unsigned counted;

static void count_one(void *context, uint64_t value)
{
    (void)context;
    assert_int_equal(value, ++counted);
}

static void many_thens_come_in_order(void **state)
{
    (void)state;
    counted = 0;
    (void)add_fact();
    for (uint64_t i = 1; i <= 5000; i++) {
        gr_commit_then(commit, count_one, NULL, i);
    }
    assert_int_equal(gr_commit_flush(commit, &err), 0);
    assert_int_equal(counted, 5000);
}

static void facts_and_asides_are_in_the_journal_as_they_were(void **state)
{
    (void)state;
    uint64_t first = add_fact();
    gr_commit_aside(commit, first, "secret", 6);
    uint64_t second = add_fact();
    gr_commit_aside(commit, second, "other", 5);
    assert_int_equal(gr_commit_flush(commit, &err), 0);
    struct gr_journal_reader *reader;
    struct gr_journal_group group;
    const uint8_t *bytes;
    size_t size;
    fixture_good(gr_journal_reader_open(fixture_path("journal"), 1, &reader, &err), &err);
    assert_int_equal(gr_journal_reader_next(reader, &group, &err), 1);
    assert_int_equal(group.first, first);
    assert_int_equal(group.last, second);
    assert_true(gr_aside_find(group.aside, group.aside_size, second, &bytes, &size));
    assert_memory_equal(bytes, "other", 5);
    struct gr_event_room *room = malloc(sizeof *room);
    struct gr_event event;
    assert_non_null(room);
    long took = gr_event_decode(group.payload, group.payload_size, room, &event, &err);
    assert_true(took > 0);
    assert_int_equal(event.sequence, first);
    assert_string_equal(event.org.name, "owner");
    free(room);
    gr_journal_reader_close(reader);
}

static void a_full_disk_keeps_everything_until_there_is_room(void **state)
{
    (void)state;
    static const size_t size = 200000;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 'x', size);
    close_journal();
    open_journal(300000);
    // The first fits below the limit, the second does not.
    uint64_t facts[2];
    for (unsigned i = 0; i < 2; i++) {
        facts[i] = add_fact();
        gr_commit_aside(commit, facts[i], bytes, size);
        gr_commit_then(commit, tell, NULL, facts[i]);
        int rc = gr_commit_flush(commit, &err);
        assert_int_equal(rc, i == 0 ? 0 : -ENOSPC);
        assert_int_equal(gr_commit_is_full(commit), i == 1);
        assert_int_equal(told_count, 1);
    }
    // Tried again and again, it stays as it is; what comes meanwhile is gathered behind it.
    uint64_t third = add_fact();
    gr_commit_then(commit, tell, NULL, third);
    for (unsigned i = 0; i < 3; i++) {
        int rc = gr_commit_flush(commit, &err);
        assert_int_equal(rc, -ENOSPC);
        assert_true(gr_commit_is_full(commit));
        assert_true(gr_commit_bytes(commit) > size);
        assert_int_equal(told_count, 1);
        assert_int_equal(gr_commit_durable(commit), facts[0]);
    }
    free(bytes);
    // The next start finds what was durable, no more and no less.
    close_journal();
    open_journal(0);
    assert_int_equal(gr_journal_tip_get(journal).sequence, facts[0]);
    (void)add_fact();
    assert_int_equal(gr_commit_flush(commit, &err), 0);
    assert_int_equal(durable_last, facts[1]);
}

#define COMMIT_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

// Runs until the group on its way is durable.
static void run_until_durable(uint64_t sequence)
{
    while (gr_commit_durable(commit) < sequence) {
        struct pollfd fd = {.fd = gr_journal_fd(journal), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 10000), 1);
        assert_int_equal(gr_commit_run(commit, &err), 0);
    }
}

static void facts_gather_for_their_time_but_not_when_they_are_many(void **state)
{
    (void)state;
    const int64_t long_ns = INT64_C(3600) * 1000000000;
    gr_commit_gather(commit, long_ns);
    uint64_t first = add_fact();
    assert_int_equal(gr_commit_run(commit, &err), 0);
    assert_true(gr_commit_is_sending(commit)); // there was none before
    run_until_durable(first);
    assert_false(gr_commit_is_sending(commit));
    assert_true(gr_commit_gather_ns(commit) == 0); // nothing is there
    uint64_t second = add_fact();
    assert_int_equal(gr_commit_run(commit, &err), 0);
    assert_false(gr_commit_is_sending(commit));
    assert_true(gr_commit_gather_ns(commit) > 0);
    assert_true(gr_commit_gather_ns(commit) <= long_ns);
    static const uint8_t much[32768];
    gr_commit_aside(commit, second, much, sizeof much);
    assert_int_equal(gr_commit_run(commit, &err), 0);
    assert_true(gr_commit_is_sending(commit));
    assert_true(gr_commit_gather_ns(commit) == 0);
    run_until_durable(second);
    uint64_t third = add_fact();
    assert_int_equal(gr_commit_run(commit, &err), 0);
    assert_false(gr_commit_is_sending(commit));
    gr_commit_gather(commit, 0); // no longer
    assert_int_equal(gr_commit_run(commit, &err), 0);
    assert_true(gr_commit_is_sending(commit));
    run_until_durable(third);
}

static void the_end_waits_for_nothing_that_gathers(void **state)
{
    (void)state;
    gr_commit_gather(commit, INT64_C(3600) * 1000000000);
    uint64_t first = add_fact();
    assert_int_equal(gr_commit_run(commit, &err), 0);
    run_until_durable(first);
    uint64_t second = add_fact();
    gr_commit_then(commit, tell, NULL, second);
    assert_int_equal(gr_commit_run(commit, &err), 0);
    assert_int_equal(gr_commit_flush(commit, &err), 0);
    assert_int_equal(gr_commit_durable(commit), second);
    assert_int_equal(told_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMIT_TEST(what_is_clean_happens_at_once),
        COMMIT_TEST(what_was_said_of_a_fact_waits_for_it),
        COMMIT_TEST(what_waits_for_a_group_on_its_way_keeps_its_place),
        COMMIT_TEST(thens_that_make_facts_and_thens_come_in_order),
        COMMIT_TEST(many_thens_come_in_order),
        COMMIT_TEST(what_was_not_handed_over_is_lost_with_what_waited),
        COMMIT_TEST(facts_and_asides_are_in_the_journal_as_they_were),
        COMMIT_TEST(a_full_disk_keeps_everything_until_there_is_room),
        COMMIT_TEST(facts_gather_for_their_time_but_not_when_they_are_many),
        COMMIT_TEST(the_end_waits_for_nothing_that_gathers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
