// Tests of the table of jobs that ended, and of the thread that fills it.
#include "daemon/history.h"

#include "daemon/fixture.h"

#include <errno.h>
#include <sqlite3.h>
#include <time.h>

static struct gr_err err;

static struct gr_history *open_history(uint32_t days)
{
    struct gr_history *history;
    fixture_good(gr_history_open(fixture_path("history"), days, &history, &err), &err);
    gr_history_now(history, (int64_t)time(NULL) * 1000);
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
    // In more runs than are looked through at once: old ones at the ends and beside young ones.
    for (uint64_t i = 1; i <= 12000; i++) {
        struct gr_ended ended = ended_of(i * 100);
        int64_t days = i == 1 || i == 6000 || i == 12000 ? 3 : i == 2 ? 1 : 0;
        ended.ended_ms -= days * 86400000;
        assert_true(gr_history_add(history, ended.sequence, &ended));
    }
    for (uint64_t id = 1200001; id <= 1200010; id++) { // it goes on as rows come
        add(history, id);
        gr_history_told(history, 1000 + id);
        await(history, 1000 + id);
    }
    for (uint64_t i = 1; i <= 12000; i++) {
        bool is_old = i == 1 || i == 6000 || i == 12000;
        assert_int_equal(gr_history_find(history, i * 100, &found, &err), is_old ? 0 : 1);
    }
    gr_history_close(history);
}

static void beyond_what_found_no_room_it_is_not_complete(void **state)
{
    (void)state;
    struct gr_history *history = open_history(0);
    struct gr_ended ended = ended_of(1);
    struct gr_ended found;
    char text[200];
    uint64_t id = 1;
    for (ended.text[0] = '\0'; gr_history_add(history, id + 1000, &ended); ended.id = ++id) {
        assert_in_range(id, 1, 1000000); // nothing is durable, so nothing is written
    }
    gr_history_problem(history, text, sizeof text);
    assert_string_not_equal(text, "");
    gr_history_told(history, id + 1005);
    await(history, id + 999); // before the one that found none
    add(history, id + 2);     // it goes on with those after it
    gr_history_told(history, id + 1010);
    gr_history_close(history);
    history = open_history(0);
    assert_int_equal(gr_history_upto(history), id + 999);
    gr_history_problem(history, text, sizeof text);
    assert_string_equal(text, "");
    assert_int_equal(gr_history_find(history, id - 1, &found, &err), 1);
    assert_int_equal(gr_history_find(history, id, &found, &err), 0);
    add(history, id); // the journal tells it again, and what came after
    add(history, id + 2);
    gr_history_told(history, id + 1010);
    await(history, id + 1010);
    assert_int_equal(gr_history_find(history, id, &found, &err), 1);
    gr_history_close(history);
}

static void what_is_not_durable_is_not_written(void **state)
{
    (void)state;
    struct gr_history *history = open_history(0);
    struct gr_ended found;
    add(history, 1);
    add(history, 2);
    gr_history_told(history, 1001);
    await(history, 1001);
    assert_int_equal(gr_history_find(history, 2, &found, &err), 1); // it waits
    gr_history_close(history);
    history = open_history(0);
    assert_int_equal(gr_history_upto(history), 1001);
    assert_int_equal(gr_history_find(history, 1, &found, &err), 1);
    assert_int_equal(gr_history_find(history, 2, &found, &err), 0);
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

static uint64_t odd(uint64_t n)
{
    return 2 * n + 1;
}

// Told again, a job must not take those with it that were written together with it: the journal
// tells of them no more.
static void who_is_told_again_takes_no_others_away(void **state)
{
    (void)state;
    struct gr_history *history = open_history(0);
    struct gr_ended found;
    struct gr_ended ended = ended_of(odd(1));
    ended.text[0] = '\0';
    uint64_t n = 1; // the fact that ends the job odd(n)
    for (; gr_history_add(history, n, &ended); ended.id = odd(++n)) {
        assert_in_range(n, 1, 1000000);
    }
    // What comes after the one that found no room is written with those before it, and as the first
    // of its run.
    uint64_t first = odd(n - 1) / 4096 * 4096;
    gr_history_told(history, 1);
    await(history, 1);
    ended.id = first;
    assert_true(gr_history_add(history, n + 1, &ended));
    gr_history_told(history, n + 1);
    await(history, n - 1);
    gr_history_close(history);
    history = open_history(0);
    assert_int_equal(gr_history_upto(history), n - 1);
    ended.id = first;
    assert_true(gr_history_add(history, n + 1, &ended)); // alone: nothing is left to be written
    gr_history_told(history, n + 1);
    await(history, n + 1);
    ended.id = odd(n);
    assert_true(gr_history_add(history, n + 2, &ended));
    gr_history_told(history, n + 2);
    await(history, n + 2);
    for (uint64_t id = odd(n); id >= first; id -= 2) {
        assert_int_equal(gr_history_find(history, id, &found, &err), 1);
    }
    assert_int_equal(gr_history_find(history, first, &found, &err), 1);
    struct gr_history_query query = {
        .below = first + 2, .user = UINT32_MAX, .org = UINT32_MAX, .most = 2};
    struct listed listed = list(history, query, 2);
    assert_int_equal(listed.ids[0], first + 1);
    assert_int_equal(listed.ids[1], first);
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
    for (uint64_t id = 1; id <= 80000; id++) { // more than one batch
        add(history, id);
        assert_int_equal(gr_history_waiting_percent(history) > 100, 0);
    }
    gr_history_told(history, 81000);
    await(history, 81000);
    assert_int_equal(gr_history_find(history, 1, &found, &err), 1);
    assert_int_equal(gr_history_find(history, 32769, &found, &err), 1);
    assert_int_equal(gr_history_find(history, 80000, &found, &err), 1);
    assert_int_equal(gr_history_find(history, 80001, &found, &err), 0);
    gr_history_close(history);
}

// Ended in any order and written bit by bit, over several chunks of ids.
static void lists_are_in_order_whatever_the_order_of_ends(void **state)
{
    (void)state;
    struct gr_history *history = open_history(0);
    uint64_t sequence = 1000;
    for (uint64_t i = 0; i < 3000; i++) {
        struct gr_ended ended = ended_of(1 + i * 1237 % 3000 * 7);
        assert_true(gr_history_add(history, ++sequence, &ended));
        if (i % 1000 == 999) {
            gr_history_told(history, sequence);
            await(history, sequence);
        }
    }
    struct gr_history_query query = {
        .below = 15000, .user = 1, .org = UINT32_MAX, .most = UINT32_MAX};
    uint64_t before = 15000;
    unsigned count = 0;
    for (bool is_there = true; is_there; count++) {
        query.below = before;
        struct listed listed = list(history, query, 1);
        is_there = listed.count == 1;
        uint64_t expected = before - 1;
        while (expected > 0 && (expected % 7 != 1 || expected % 3 != 1)) {
            expected--;
        }
        assert_int_equal(is_there ? listed.ids[0] : 0, expected);
        before = expected;
    }
    assert_int_equal(count, 15000 / 21 + 2);
    gr_history_close(history);
}

static void a_list_ends_when_it_has_looked_at_enough_and_goes_on_from_there(void **state)
{
    (void)state;
    struct gr_history *history = open_history(0);
    for (uint64_t id = 1; id <= 20000; id++) {
        struct gr_ended ended = ended_of(id);
        ended.org = id % 9000 == 1 ? 1 : 0; // 1, 9001, 18001
        assert_true(gr_history_add(history, ended.sequence, &ended));
    }
    gr_history_told(history, 21000);
    await(history, 21000);
    uint64_t left = 20001;
    struct gr_history_query query = {
        .user = UINT32_MAX, .org = 1, .most = 60, .looks = 5000, .ret_below = &left};
    uint64_t found[4] = {0};
    unsigned count = 0;
    unsigned pages = 0;
    while (*query.ret_below > 0) {
        query.below = *query.ret_below;
        pages++;
        struct listed listed = list(history, query, 60);
        for (unsigned i = 0; i < listed.count; i++) {
            found[count++ % 4] = listed.ids[i];
        }
    }
    assert_int_equal(count, 3);
    assert_true(found[0] == 18001 && found[1] == 9001 && found[2] == 1);
    assert_in_range(pages, 3, 4);
    gr_history_close(history);
}

static void run_sql(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(fixture_path("history/ended.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void the_table_of_a_release_before_is_taken_over(void **state)
{
    (void)state;
    gr_history_close(open_history(0));
    run_sql("DROP TABLE runs; DROP TABLE of_user;"
            "CREATE TABLE ended(id INTEGER PRIMARY KEY, array INTEGER, array_index INTEGER,"
            " org INTEGER, user INTEGER, submitted_ms INTEGER, placed_ms INTEGER,"
            " ended_ms INTEGER, limit_ms INTEGER, cpu_milli INTEGER, memory_mib INTEGER,"
            " milli INTEGER, devices INTEGER, tasks INTEGER, priority INTEGER, use INTEGER,"
            " attempt INTEGER, attempts INTEGER, dropped INTEGER, outcome INTEGER,"
            " began_ms INTEGER, cpu_ms INTEGER, peak_kib INTEGER, exit_code INTEGER,"
            " signal INTEGER, task INTEGER, text TEXT);"
            "CREATE INDEX ended_by_user ON ended(user, id);"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5000)"
            "INSERT INTO ended SELECT i*3,2,3,4,i%2,6,7,8,9,10,11,12,13,14,15,16,17,18,19,5,21,22,"
            "23,-24,25,26,'text ' || i FROM n;"
            "UPDATE upto SET sequence=15000;");
    for (unsigned i = 0; i < 2; i++) { // once is enough
        struct gr_history *history = open_history(0);
        struct gr_ended found;
        assert_int_equal(gr_history_upto(history), 15000);
        assert_int_equal(gr_history_find(history, 4097, &found, &err), 0);
        assert_int_equal(gr_history_find(history, 4098, &found, &err), 1);
        struct gr_ending ending = {.began_ms = 21,
                                   .cpu_ms = 22,
                                   .peak_kib = 23,
                                   .outcome = 5,
                                   .exit_code = -24,
                                   .signal = 25,
                                   .task = 26};
        assert_memory_equal(&found.ending, &ending, sizeof ending);
        assert_int_equal(found.array, 2);
        assert_int_equal(found.array_index, 3);
        assert_int_equal(found.org, 4);
        assert_int_equal(found.user, 0);
        assert_int_equal(found.submitted_ms, 6);
        assert_int_equal(found.placed_ms, 7);
        assert_int_equal(found.ended_ms, 8);
        assert_int_equal(found.limit_ms, 9);
        assert_int_equal(found.demand.shape.cpu_milli, 10);
        assert_int_equal(found.demand.shape.memory_mib, 11);
        assert_int_equal(found.demand.shape.milli, 12);
        assert_int_equal(found.demand.shape.devices, 13);
        assert_int_equal(found.demand.tasks, 14);
        assert_int_equal(found.demand.priority, 15);
        assert_int_equal(found.demand.use, 16);
        assert_int_equal(found.attempt, 17);
        assert_int_equal(found.attempts, 18);
        assert_int_equal(found.dropped, 19);
        assert_string_equal(found.text, "text 1366");
        struct gr_history_query query = {
            .below = UINT64_MAX, .user = 1, .org = 4, .most = UINT32_MAX};
        struct listed listed = list(history, query, 3);
        assert_int_equal(listed.ids[0], 14997);
        assert_int_equal(listed.ids[2], 14985);
        gr_history_close(history);
    }
}

static void damaged_rows_are_an_error(void **state)
{
    (void)state;
    struct gr_history *history = open_history(0);
    struct gr_ended found;
    add(history, 5);
    gr_history_told(history, 1005);
    gr_history_close(history);
    run_sql("UPDATE runs SET rows=x'ffffffffff'");
    history = open_history(0);
    assert_int_equal(gr_history_find(history, 5, &found, &err), -EIO);
    struct gr_history_query query = {
        .below = UINT64_MAX, .user = UINT32_MAX, .org = UINT32_MAX, .most = 60};
    struct listed listed = {.most = 1};
    assert_int_equal(gr_history_list(history, &query, each, &listed, &err), -EIO);
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
        fixture_test(beyond_what_found_no_room_it_is_not_complete),
        fixture_test(who_is_told_again_takes_no_others_away),
        fixture_test(what_is_not_durable_is_not_written),
        fixture_test(lists_are_in_order_whatever_the_order_of_ends),
        fixture_test(a_list_ends_when_it_has_looked_at_enough_and_goes_on_from_there),
        fixture_test(the_table_of_a_release_before_is_taken_over),
        fixture_test(damaged_rows_are_an_error),
        fixture_test(lists_go_down_from_an_id_and_keep_to_user_and_organisation),
        fixture_test(old_rows_go_and_new_ones_stay),
        fixture_test(many_rows_at_once_are_all_written),
        fixture_test(a_place_where_no_table_can_be_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
