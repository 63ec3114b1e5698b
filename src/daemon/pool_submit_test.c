// Tests of submissions to the pool: how many there may be, and what is kept of them.
#include "daemon/pool.h"

#include "daemon/pool_fixture.h"
#include "daemon/view.h"

#include <time.h>

static void more_ends_in_one_request_than_are_kept_in_memory_are_all_found(void **state)
{
    (void)state;
    uint64_t jobs[12];
    struct gr_spec spec = a_spec();
    settle();
    for (unsigned i = 0; i < 12; i++) {
        jobs[i] = submit(&spec);
    }
    for (unsigned i = 0; i < 12; i++) {
        assert_true(gr_pool_stop(pool, jobs[i], GR_STOP_BY_USER, 0, -1));
    }
    for (unsigned i = 0; i < 12; i++) { // also while nothing of it is durable
        struct gr_ended ended;
        assert_true(gr_pool_ended_find(pool, jobs[i], &ended));
    }
    settle();
    for (unsigned again = 0; again < 2; again++) {
        for (unsigned i = 0; i < 12; i++) {
            struct gr_ended ended;
            assert_true(gr_pool_ended_find(pool, jobs[i], &ended));
            assert_int_equal(ended.id, jobs[i]);
            assert_int_equal(ended.dropped, GR_REFUSED_BY_USER);
        }
        kill_and_open();
    }
}

// The ids in a list.
struct listed {
    uint64_t ids[64];
    unsigned count;
    unsigned wait_at; // so many; then the history's thread is waited for. 0: never
};

static bool list_one(void *context, const struct gr_ended *ended)
{
    struct listed *listed = context;
    assert_true(listed->count < 64);
    listed->ids[listed->count++] = ended->id;
    const struct timespec pause = {.tv_nsec = 2000000};
    uint64_t last = gr_core_next_sequence(pool->core) - 1;
    for (unsigned i = 0;
         listed->count == listed->wait_at && i < 30000 && gr_history_upto(pool->history) < last;
         i++) {
        nanosleep(&pause, NULL);
    }
    return true;
}

static void assert_listed(const uint64_t *jobs, unsigned count, unsigned wait_at)
{
    struct gr_err err;
    struct gr_history_query query = {
        .below = UINT64_MAX, .user = UINT32_MAX, .org = UINT32_MAX, .most = UINT32_MAX};
    struct listed listed = {.wait_at = wait_at};
    fixture_good(gr_pool_ended_list(pool, &query, list_one, &listed, &err), &err);
    assert_int_equal(listed.count, count);
    for (unsigned i = 0; i < count; i++) {
        unsigned times = 0;
        for (unsigned j = 0; j < count; j++) {
            times += listed.ids[j] == jobs[i];
        }
        assert_int_equal(times, 1);
    }
}

static void every_job_that_ended_is_listed_once_also_while_the_history_is_written(void **state)
{
    (void)state;
    uint64_t jobs[24];
    struct gr_spec spec = a_spec();
    settle();
    for (unsigned count = 12; count <= 24; count += 12) { // more than are kept in memory
        for (unsigned i = count - 12; i < count; i++) {
            jobs[i] = submit(&spec);
        }
        for (unsigned i = count - 12; i < count; i++) {
            assert_true(gr_pool_stop(pool, jobs[i], GR_STOP_BY_USER, 0, -1));
        }
        assert_listed(jobs, count, 0);
        settle(); // all is durable, and the history's thread may write it from now on
        // It writes when the first was told of that memory keeps; when the first that waits was.
        assert_listed(jobs, count, count == 12 ? 1 : config.ended_most + 1);
        assert_listed(jobs, count, 0);
        kill_and_open();
        assert_listed(jobs, count, 0);
    }
}

static void an_array_without_room_for_what_it_waits_for_is_refused_before_its_first(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    struct gr_spec_after after[20]; // there is room for 1000 in all
    struct gr_pool_submitted submitted;
    struct gr_pool_refusal refusal;
    for (unsigned i = 0; i < 20; i++) {
        after[i] = (struct gr_spec_after){.job = submit(&spec), .how = GR_AFTER_ANY};
    }
    uint64_t next = gr_core_next_sequence(pool->core);
    spec.after = after;
    spec.after_count = 20;
    spec.array_count = 51;
    assert_false(gr_pool_submit(pool, &spec, NULL, &submitted, &refusal));
    assert_int_equal(refusal.refusal, GR_REFUSED_LIMIT_OTHER);
    assert_int_equal(refusal.status, 429);
    assert_int_equal(gr_core_next_sequence(pool->core), next);
    spec.array_count = 50;
    assert_true(gr_pool_submit(pool, &spec, NULL, &submitted, &refusal));
    assert_int_equal(gr_core_edges(pool->core), 1000);
}

static void a_history_that_was_lost_is_made_again(void **state)
{
    (void)state;
    struct gr_err err;
    struct gr_spec spec = a_spec();
    uint64_t jobs[8];
    settle();
    for (unsigned i = 0; i < 8; i++) {
        jobs[i] = submit(&spec);
        assert_true(gr_pool_stop(pool, jobs[i], GR_STOP_BY_USER, 0, -1));
    }
    settle();
    gr_pool_close(pool);
    struct gr_recovery recovery = {0};
    fixture_good(gr_recover_and_save(dir.path, &config.core, &recovery, &err), &err);
    for (unsigned again = 0; again < 2; again++) {
        pool_open();
        assert_true(again == 0 ? pool->recovery.snapshot != 0 : pool->recovery.snapshot == 0);
        for (unsigned i = 0; i < 8; i++) {
            struct gr_ended ended;
            assert_true(gr_pool_ended_find(pool, jobs[i], &ended));
        }
        gr_pool_close(pool);
        assert_int_equal(remove(fixture_path("history/ended.db")), 0);
    }
    pool_open();
}

static void a_kill_loses_what_nobody_was_told(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    settle();
    uint64_t next = gr_core_next_sequence(pool->core);
    uint64_t job = submit(&spec); // gathered, not handed over
    kill_and_open();
    assert_null(gr_core_job_find(pool->core, job));
    assert_int_equal(gr_core_next_sequence(pool->core), next + 1); // the new writer's epoch
}

static void jobs_of_an_organisation_are_counted_to_the_last(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    struct gr_pool_submitted submitted;
    struct gr_pool_refusal refusal;
    spec.array_count = 99;
    assert_true(gr_pool_submit(pool, &spec, NULL, &submitted, &refusal)); // 99 of 100
    spec.array_count = 2;
    assert_false(gr_pool_submit(pool, &spec, NULL, &submitted, &refusal));
    assert_int_equal(refusal.refusal, GR_REFUSED_LIMIT_ORG);
    spec.array_count = 0;
    assert_true(gr_pool_submit(pool, &spec, NULL, &submitted, &refusal)); // the last
    assert_false(gr_pool_submit(pool, &spec, NULL, &submitted, &refusal));
    assert_int_equal(refusal.refusal, GR_REFUSED_LIMIT_ORG);
}

static void a_question_of_a_new_kind_is_answered_and_changes_nothing(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    struct gr_pool_refusal refusal;
    bool starts, places;
    settle();
    uint64_t next = gr_core_next_sequence(pool->core);
    assert_true(gr_pool_submit_try(pool, &spec, &starts, &places, &refusal));
    assert_true(starts);
    assert_int_equal(gr_core_next_sequence(pool->core), next);
    (void)submit(&spec);
    settle();
    assert_true(gr_pool_submit_try(pool, &spec, &starts, &places, &refusal));
    assert_false(starts); // all four are held
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(more_ends_in_one_request_than_are_kept_in_memory_are_all_found),
        POOL_TEST(every_job_that_ended_is_listed_once_also_while_the_history_is_written),
        POOL_TEST(an_array_without_room_for_what_it_waits_for_is_refused_before_its_first),
        POOL_TEST(a_history_that_was_lost_is_made_again),
        POOL_TEST(a_kill_loses_what_nobody_was_told),
        POOL_TEST(jobs_of_an_organisation_are_counted_to_the_last),
        POOL_TEST(a_question_of_a_new_kind_is_answered_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
