// Tests of the table of jobs that ended, and of the thread that fills it.
#include "daemon/history.h"

#include "daemon/fixture.h"

#include <errno.h>
#include <time.h>

static struct gr_err err;

static struct gr_history *open_history(uint32_t days)
{
    struct gr_history *history;
    fixture_good(gr_history_open(fixture_path("history"), days, &history, &err), &err);
    return history;
}

// Every field with a value of its own, that follows from the id.
static struct gr_ended ended_of(uint64_t id)
{
    struct gr_ended ended = {.id = id,
                             .sequence = id + 1000,
                             .array = id / 10 * 10,
                             .submitted_ms = (int64_t)id * 3,
                             .placed_ms = (int64_t)id * 5,
                             .ended_ms = (int64_t)time(NULL) * 1000,
                             .limit_ms = INT64_C(315360000000),
                             .array_index = UINT32_MAX - (uint32_t)id,
                             .org = (uint32_t)id % 2,
                             .user = (uint32_t)id % 3,
                             .attempt = 7,
                             .attempts = 1000,
                             .dropped = (uint32_t)id % 30};
    ended.demand = (struct gr_demand){
        .shape = {.cpu_milli = 100000000, .memory_mib = 1000000000, .milli = 1000, .devices = 16},
        .tasks = 65536,
        .priority = 255,
        .use = 4};
    ended.ending = (struct gr_ending){.began_ms = 9,
                                      .cpu_ms = UINT64_C(1) << 60,
                                      .peak_kib = UINT64_C(1) << 61,
                                      .outcome = (uint32_t)id % 9,
                                      .exit_code = -1,
                                      .signal = 64,
                                      .task = 65535};
    memset(ended.text, 'x', sizeof ended.text - 1);
    return ended;
}

static void add(struct gr_history *history, uint64_t id)
{
    struct gr_ended ended = ended_of(id);
    assert_true(gr_history_add(history, ended.sequence, &ended));
}

// Waits until the thread has written all up to here. A minute is for ever.
static void await(struct gr_history *history, uint64_t sequence)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    for (unsigned i = 0; i < 30000 && gr_history_upto(history) < sequence; i++) {
        nanosleep(&pause, NULL);
    }
    assert_int_equal(gr_history_upto(history), sequence);
}

static void a_job_is_found_before_and_after_it_is_written(void **state)
{
    (void)state;
    struct gr_history *history = open_history(0);
    struct gr_ended expected = ended_of(17);
    struct gr_ended found;
    assert_int_equal(gr_history_upto(history), 0);
    assert_int_equal(gr_history_find(history, 17, &found, &err), 0);
    add(history, 17);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(gr_history_find(history, 17, &found, &err), 1);
        found.sequence = expected.sequence; // not kept
        found.ended_ms = expected.ended_ms;
        assert_memory_equal(&found.demand, &expected.demand, sizeof found.demand);
        assert_memory_equal(&found.ending, &expected.ending, sizeof found.ending);
        assert_int_equal(found.array_index, expected.array_index);
        assert_int_equal(found.array, expected.array);
        assert_int_equal(found.limit_ms, expected.limit_ms);
        assert_int_equal(found.dropped, expected.dropped);
        assert_string_equal(found.text, expected.text);
        gr_history_told(history, 1017);
        await(history, 1017);
        assert_int_equal(gr_history_waiting_percent(history), 0);
    }
    gr_history_close(history);
}

static void what_was_told_is_there_at_the_next_start(void **state)
{
    (void)state;
    struct gr_history *history = open_history(0);
    struct gr_ended found;
    for (uint64_t id = 1; id <= 100; id++) {
        add(history, id);
    }
    gr_history_told(history, 2000);
    gr_history_close(history); // writes what is left
    history = open_history(0);
    assert_int_equal(gr_history_upto(history), 2000);
    for (uint64_t id = 1; id <= 100; id++) {
        assert_int_equal(gr_history_find(history, id, &found, &err), 1);
    }
    add(history, 50); // told again after a restart: known, and written once
    assert_int_equal(gr_history_find(history, 50, &found, &err), 1);
    gr_history_close(history);
    gr_history_close(NULL);
}

static void old_rows_go_some_thousand_rows_at_a_time(void **state)
{
    (void)state;
    struct gr_history *history = open_history(2);
    struct gr_ended found;
    // More than are looked through at once: two old ones at the ends, one that is just young.
    for (uint64_t id = 1; id <= 12000; id++) {
        struct gr_ended ended = ended_of(id);
        int64_t days = id == 1 || id == 12000 ? 3 : id == 2 ? 1 : 0;
        ended.ended_ms -= days * 86400000;
        assert_true(gr_history_add(history, ended.sequence, &ended));
    }
    for (uint64_t id = 12001; id <= 12010; id++) { // it goes on as rows come
        add(history, id);
        gr_history_told(history, 1000 + id);
        await(history, 1000 + id);
    }
    assert_int_equal(gr_history_find(history, 1, &found, &err), 0);
    assert_int_equal(gr_history_find(history, 2, &found, &err), 1);
    assert_int_equal(gr_history_find(history, 11999, &found, &err), 1);
    assert_int_equal(gr_history_find(history, 12000, &found, &err), 0);
    gr_history_close(history);
}

static void beyond_what_was_missed_it_is_not_complete(void **state)
{
    (void)state;
    struct gr_history *history = open_history(0);
    add(history, 1);
    gr_history_missed(history, 1005);
    gr_history_missed(history, 1007); // the first counts
    add(history, 8);
    gr_history_told(history, 1010);
    await(history, 1004);
    char text[200];
    gr_history_close(history);
    history = open_history(0);
    assert_int_equal(gr_history_upto(history), 1004);
    gr_history_problem(history, text, sizeof text);
    assert_string_equal(text, "");
    add(history, 5); // the journal tells it again
    gr_history_told(history, 1010);
    await(history, 1010);
    gr_history_close(history);
}

struct listed {
    uint64_t ids[64];
    unsigned count, most;
};

static bool each(void *context, const struct gr_ended *ended)
{
    struct listed *listed = context;
    listed->ids[listed->count++] = ended->id;
    return listed->count < listed->most;
}

static struct listed list(struct gr_history *history, struct gr_history_query query, unsigned most)
{
    struct listed listed = {.most = most};
    fixture_good(gr_history_list(history, &query, each, &listed, &err), &err);
    return listed;
}

static void lists_go_down_from_an_id_and_keep_to_user_and_organisation(void **state)
{
    (void)state;
    struct gr_history *history = open_history(0);
    for (uint64_t id = 1; id <= 30; id++) {
        add(history, id);
    }
    gr_history_told(history, 1030);
    await(history, 1030);
    struct gr_history_query query = {
        .below = UINT64_MAX, .user = UINT32_MAX, .org = UINT32_MAX, .most = 60};
    struct listed listed = list(history, query, 60);
    assert_int_equal(listed.count, 30);
    assert_int_equal(listed.ids[0], 30);
    assert_int_equal(listed.ids[29], 1);
    query.below = 30;
    listed = list(history, query, 60);
    assert_int_equal(listed.count, 29);
    query.most = 5;
    listed = list(history, query, 60);
    assert_int_equal(listed.count, 5);
    listed = list(history, query, 2); // whoever asked has enough
    assert_int_equal(listed.count, 2);
    query = (struct gr_history_query){.below = 31, .user = 2, .org = UINT32_MAX, .most = 60};
    listed = list(history, query, 60);
    assert_int_equal(listed.count, 10);
    assert_int_equal(listed.ids[0], 29);
    query.org = 1;
    listed = list(history, query, 60);
    assert_int_equal(listed.count, 5);
    query.user = UINT32_MAX;
    listed = list(history, query, 60);
    assert_int_equal(listed.count, 15);
    query.below = 0;
    assert_int_equal(list(history, query, 60).count, 0);
    gr_history_close(history);
}

static void old_rows_go_and_new_ones_stay(void **state)
{
    (void)state;
    struct gr_history *history = open_history(1);
    struct gr_ended old = ended_of(1);
    struct gr_ended found;
    old.ended_ms -= INT64_C(86400000) + 60000;
    assert_true(gr_history_add(history, old.sequence, &old));
    struct gr_ended young = ended_of(2);
    young.ended_ms -= INT64_C(86400000) - 60000;
    assert_true(gr_history_add(history, young.sequence, &young));
    gr_history_told(history, 1002);
    gr_history_close(history);
    history = open_history(0);
    assert_int_equal(gr_history_find(history, 1, &found, &err), 0);
    assert_int_equal(gr_history_find(history, 2, &found, &err), 1);
    gr_history_close(history);
}

static void many_rows_at_once_are_all_written(void **state)
{
    (void)state;
    struct gr_history *history = open_history(0);
    struct gr_ended found;
    for (uint64_t id = 1; id <= 20000; id++) { // more than one batch
        add(history, id);
        assert_int_equal(gr_history_waiting_percent(history) > 100, 0);
    }
    gr_history_told(history, 21000);
    await(history, 21000);
    assert_int_equal(gr_history_find(history, 1, &found, &err), 1);
    assert_int_equal(gr_history_find(history, 8193, &found, &err), 1);
    assert_int_equal(gr_history_find(history, 20000, &found, &err), 1);
    assert_int_equal(gr_history_find(history, 20001, &found, &err), 0);
    gr_history_close(history);
}

static void a_place_where_no_table_can_be_is_an_error(void **state)
{
    (void)state;
    struct gr_history *history;
    fixture_write("history", "no folder");
    assert_int_not_equal(gr_history_open(fixture_path("history"), 0, &history, &err), 0);
    assert_int_not_equal(gr_history_open(fixture_path("nowhere/history"), 0, &history, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_job_is_found_before_and_after_it_is_written),
        fixture_test(what_was_told_is_there_at_the_next_start),
        fixture_test(old_rows_go_some_thousand_rows_at_a_time),
        fixture_test(beyond_what_was_missed_it_is_not_complete),
        fixture_test(lists_go_down_from_an_id_and_keep_to_user_and_organisation),
        fixture_test(old_rows_go_and_new_ones_stay),
        fixture_test(many_rows_at_once_are_all_written),
        fixture_test(a_place_where_no_table_can_be_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
