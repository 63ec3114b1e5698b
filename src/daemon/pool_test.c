// Tests of the pool between core, journal and engine: what must wait until it is durable, what must
// be said again, what must not be believed too early. Most began as a seed of tests/sim_pool.
#include "daemon/pool.h"

#include "daemon/fixture.h"
#include "daemon/limits.h"
#include "daemon/view.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#define REPORTS 32
#define ORDERS 256

// An engine that notes what it is told and says what the test wants.
struct engine {
    struct gr_engine engine; // first
    struct gr_engine_report reports[REPORTS];
    unsigned report_count;
    struct {
        char what; // S start, T stop, N notice, F forget, L list
        uint64_t job;
        uint32_t attempt, signal;
    } orders[ORDERS];
    unsigned order_count;
    int start_rc; // what the next start is answered
    int stop_rc;  // what the next stop is
};

static struct engine engine;
static struct gr_state_dir dir;
static struct gr_pool *pool;
static struct gr_pool_config config;
static int64_t now_ms;

static void note(char what, uint64_t job, uint32_t attempt, uint32_t sig)
{
    assert_true(engine.order_count < ORDERS);
    engine.orders[engine.order_count].what = what;
    engine.orders[engine.order_count].job = job;
    engine.orders[engine.order_count].attempt = attempt;
    engine.orders[engine.order_count++].signal = sig;
}

static int engine_start(struct gr_engine *self, const struct gr_engine_start *start,
                        struct gr_err *err)
{
    (void)self;
    int rc = engine.start_rc;
    if (rc != 0) {
        engine.start_rc = 0;
        return gr_fail(err, rc, "not this one");
    }
    note('S', start->job, start->attempt, 0);
    return 0;
}

static int engine_stop(struct gr_engine *self, uint64_t job, uint32_t attempt, uint32_t epoch,
                       uint32_t sig, int64_t grace_ms, struct gr_err *err)
{
    (void)self, (void)epoch, (void)grace_ms;
    int rc = engine.stop_rc;
    if (rc != 0) {
        engine.stop_rc = 0;
        return gr_fail(err, rc, "not now");
    }
    note('T', job, attempt, sig);
    return 0;
}

static int engine_signal(struct gr_engine *self, uint64_t job, uint32_t attempt, uint32_t epoch,
                         uint32_t sig, struct gr_err *err)
{
    (void)self, (void)epoch, (void)err;
    note('N', job, attempt, sig);
    return 0;
}

static int engine_forget(struct gr_engine *self, uint64_t job, uint32_t attempt, uint32_t epoch,
                         struct gr_err *err)
{
    (void)self, (void)epoch, (void)err;
    note('F', job, attempt, 0);
    return 0;
}

static int engine_list(struct gr_engine *self, struct gr_err *err)
{
    (void)self, (void)err;
    note('L', 0, 0, 0);
    return 0;
}

static int engine_fd(const struct gr_engine *self)
{
    (void)self;
    return -1;
}

static int engine_poll(struct gr_engine *self, struct gr_engine_report *ret_reports, unsigned most,
                       struct gr_err *err)
{
    (void)self, (void)err;
    unsigned count = engine.report_count < most ? engine.report_count : most;
    memcpy(ret_reports, engine.reports, count * sizeof *ret_reports);
    engine.report_count = 0;
    return (int)count;
}

static uint32_t engine_can(const struct gr_engine *self)
{
    (void)self;
    return UINT32_MAX;
}

static void engine_close(struct gr_engine *self)
{
    (void)self;
}

static const struct gr_engine_ops ops = {.name = "noting",
                                         .start = engine_start,
                                         .stop = engine_stop,
                                         .signal = engine_signal,
                                         .forget = engine_forget,
                                         .list = engine_list,
                                         .fd = engine_fd,
                                         .poll = engine_poll,
                                         .can = engine_can,
                                         .close = engine_close};

// So many orders of this kind were given about the job.
static unsigned ordered(char what, uint64_t job)
{
    unsigned count = 0;
    for (unsigned i = 0; i < engine.order_count; i++) {
        count += engine.orders[i].what == what && engine.orders[i].job == job;
    }
    return count;
}

static void say(enum gr_engine_report_type type, uint64_t job, uint32_t attempt)
{
    assert_true(engine.report_count < REPORTS);
    engine.reports[engine.report_count++] = (struct gr_engine_report){
        .type = type, .job = job, .attempt = attempt, .since_ms = now_ms, .started_ms = now_ms};
}

static int64_t clock_ms(void *context)
{
    (void)context;
    return now_ms;
}

static void pool_open(void)
{
    struct gr_err err;
    engine.order_count = engine.report_count = 0;
    fixture_good(gr_pool_open(&config, &dir, NULL, NULL, &pool, &err), &err);
}

static int begin(void **state)
{
    (void)state;
    if (fixture_dir_make(state) != 0) {
        return -1;
    }
    engine = (struct engine){.engine = {.ops = &ops}};
    dir = (struct gr_state_dir){.lock_fd = -1};
    snprintf(dir.path, sizeof dir.path, "%s", fixture_dir);
    now_ms = INT64_C(1800000000000);
    config = (struct gr_pool_config){.pretend = "4xh20",
                                     .core = gr_limits_default(),
                                     .ended_most = 4,
                                     .spec_bytes_most = 65536,
                                     .waiting_bytes_most = 1 << 20,
                                     .org_jobs_most = 100,
                                     .engine = &engine.engine,
                                     .clock_ms = clock_ms,
                                     .has_engine = true};
    config.core.limits.place.nodes = 16;
    config.core.limits.jobs = config.core.limits.pieces = config.core.limits.edges = 1000;
    config.core.limits.keys = config.core.limits.keys_per_org = 100;
    config.core.touch_jobs = config.core.touch_pieces = config.core.touch_nodes = 0;
    pool_open();
    return 0;
}

static int end(void **state)
{
    gr_pool_close(pool);
    pool = NULL;
    return fixture_dir_remove(state);
}

// The process is killed, and starts again.
static void kill_and_open(void)
{
    gr_pool_free(pool);
    pool_open();
}

static void turn(void)
{
    struct gr_err err;
    int wait_ms;
    fixture_good(gr_pool_run(pool, &wait_ms, &err), &err);
}

static void settle(void)
{
    struct gr_err err;
    for (unsigned i = 0; i < 6; i++) {
        turn();
        fixture_good(gr_commit_flush(pool->commit, &err), &err);
    }
    gr_pool_orders_run(pool);
}

static struct gr_spec a_spec(void)
{
    static const char *const argv[] = {"work"};
    struct gr_spec spec = gr_spec_default();
    spec.argv = (struct gr_spec_texts){argv, 1};
    spec.uid = geteuid();
    spec.gid = getegid();
    spec.devices = 4;
    spec.kind = "h20";
    spec.cpu_milli = 100;
    return spec;
}

static uint64_t submit(const struct gr_spec *spec)
{
    struct gr_pool_submitted submitted;
    struct gr_pool_refusal refusal;
    if (!gr_pool_submit(pool, spec, NULL, &submitted, &refusal)) {
        fail_msg("refused: %s", refusal.text);
    }
    return submitted.first;
}

static uint64_t start_one(const struct gr_spec *spec)
{
    uint64_t job = submit(spec);
    settle();
    assert_int_equal(ordered('S', job), 1);
    say(GR_REPORT_STARTED, job, 1);
    settle();
    assert_true(gr_core_job_find(pool->core, job)->began_ms != 0);
    return job;
}

static void an_end_told_twice_is_forgotten_only_when_it_is_durable(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    say(GR_REPORT_ENDED, job, 1);
    say(GR_REPORT_ENDED, job, 1);
    turn();
    // Gathered, and on its way at most: the engine must still know how it ended.
    if (gr_commit_bytes(pool->commit) > 0) {
        assert_int_equal(ordered('F', job), 0);
    }
    settle();
    assert_true(ordered('F', job) >= 1);
}

static void a_list_starts_nothing_whose_placement_is_not_durable(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    settle();
    uint64_t job = submit(&spec);
    gr_pool_schedule(pool);
    assert_int_equal(gr_core_job_find(pool->core, job)->state, GR_JOB_RUNNING);
    say(GR_REPORT_LISTED, 0, 0);
    struct gr_err err;
    fixture_good(gr_pool_hear(pool, &err), &err);
    gr_pool_orders_run(pool);
    assert_int_equal(ordered('S', job), 0);
    settle();
    assert_int_equal(ordered('S', job), 1);
}

static void a_stop_is_ordered_again_by_the_daemon_after_the_next_start(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    struct gr_err err;
    uint64_t job = start_one(&spec);
    assert_true(gr_pool_stop(pool, job, GR_STOP_BY_USER, 0, -1));
    fixture_good(gr_commit_flush(pool->commit, &err), &err); // durable, and no order was given
    assert_int_equal(ordered('T', job), 0);
    kill_and_open();
    say(GR_REPORT_STARTED, job, 1);
    say(GR_REPORT_LISTED, 0, 0);
    settle();
    assert_true(ordered('T', job) >= 1);
    assert_int_equal(ordered('S', job), 0);
}

static void a_time_limit_counts_from_the_first_instruction_also_after_a_restart(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    spec.limit_ms = 10000;
    spec.notice_signal = SIGUSR1;
    spec.notice_ms = 1000;
    uint64_t job = submit(&spec);
    settle();
    kill_and_open(); // placed, and nobody knows that it runs
    now_ms += 8000;
    say(GR_REPORT_STARTED, job, 1);
    say(GR_REPORT_LISTED, 0, 0);
    settle();
    now_ms += 8999;
    settle();
    assert_int_equal(ordered('N', job), 0);
    assert_int_equal(gr_core_job_find(pool->core, job)->stop_why, GR_STOP_NOT);
    now_ms += 1;
    settle();
    assert_int_equal(ordered('N', job), 1);
    now_ms += 999;
    settle();
    assert_int_equal(gr_core_job_find(pool->core, job)->stop_why, GR_STOP_NOT);
    now_ms += 1;
    settle();
    assert_int_equal(gr_core_job_find(pool->core, job)->stop_why, GR_STOP_TIME_LIMIT);
    assert_int_equal(ordered('T', job), 1);
}

static void an_order_that_cannot_be_given_ends_a_job_only_when_the_engine_says_so(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    engine.start_rc = -EINVAL;
    uint64_t job = submit(&spec);
    settle();
    // An order of the daemon before may be on its way: the devices are not free yet.
    assert_int_equal(gr_core_job_find(pool->core, job)->state, GR_JOB_RUNNING);
    assert_int_equal(ordered('T', job), 1);
    say(GR_REPORT_UNKNOWN, job, 1);
    settle();
    struct gr_ended ended;
    assert_null(gr_core_job_find(pool->core, job));
    assert_true(gr_pool_ended_find(pool, job, &ended));
    assert_int_equal(ended.ending.outcome, GR_OUTCOME_NOT_STARTED);
    assert_string_equal(ended.text, "not this one");
}

static void an_order_that_finds_no_memory_is_given_later(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    engine.stop_rc = -ENOMEM;
    assert_true(gr_pool_stop(pool, job, GR_STOP_BY_USER, 0, -1));
    settle();
    assert_int_equal(engine.stop_rc, 0);
    assert_int_equal(ordered('T', job), 1);
}

static void an_attempt_that_nobody_placed_is_killed(void **state)
{
    (void)state;
    settle();
    say(GR_REPORT_STARTED, 77, 1);
    settle();
    assert_int_equal(ordered('T', 77), 1);
    assert_int_equal(engine.orders[engine.order_count - 1].signal, SIGKILL);
}

static void what_ran_and_is_not_in_a_list_is_lost(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    say(GR_REPORT_DOWN, 0, 0);
    say(GR_REPORT_UP, 0, 0);
    say(GR_REPORT_LISTED, 0, 0);
    settle();
    struct gr_ended ended;
    assert_true(gr_pool_ended_find(pool, job, &ended));
    assert_int_equal(ended.ending.outcome, GR_OUTCOME_LOST);
}

// Scripts for after an attempt that wait until somebody opens their gate.
static void care_open(void)
{
    struct gr_err err;
    assert_int_equal(mkdir(fixture_path("checks"), 0700), 0);
    assert_int_equal(mkdir(fixture_path("checks/after.d"), 0700), 0);
    assert_int_equal(mkfifo(fixture_path("gate"), 0600), 0);
    char script[320];
    snprintf(script, sizeof script,
             "#!/bin/sh\necho \"$GRANARY_CHECK $GRANARY_USER\" >%s/said\ncat %s/gate >/dev/null\n",
             fixture_dir, fixture_dir);
    fixture_write("checks/after.d/10-wait", script);
    assert_int_equal(chmod(fixture_path("checks/after.d/10-wait"), 0700), 0);
    fixture_good(gr_care_open(fixture_path("checks"), pool->watch, 3600000, &pool->care, &err),
                 &err);
}

// Opens the gate and waits until the scripts are over.
static void care_end(uint64_t job)
{
    int gate = open(fixture_path("gate"), O_WRONLY | O_CLOEXEC);
    assert_true(gate >= 0);
    close(gate);
    struct pollfd poll_fd = {.fd = gr_care_fd(pool->care), .events = POLLIN};
    while (gr_core_job_find(pool->core, job) != NULL) {
        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
        settle();
    }
}

static void an_end_whose_node_is_looked_after_is_not_lost_by_a_list(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    kill_and_open(); // it ended meanwhile
    care_open();
    say(GR_REPORT_ENDED, job, 1);
    engine.reports[engine.report_count - 1].end.exit_code = 7;
    say(GR_REPORT_LISTED, 0, 0);
    settle();
    assert_non_null(gr_core_job_find(pool->core, job));
    care_end(job);
    struct gr_ended ended;
    assert_true(gr_pool_ended_find(pool, job, &ended));
    assert_int_equal(ended.ending.outcome, GR_OUTCOME_FAILED);
    assert_int_equal(ended.ending.exit_code, 7);
    char said[128] = "";
    char want[128];
    FILE *file = fopen(fixture_path("said"), "re");
    assert_non_null(file);
    assert_non_null(fgets(said, sizeof said, file));
    fclose(file);
    snprintf(want, sizeof want, "after %s\n", gr_view_user(spec.uid));
    assert_string_equal(said, want);
}

static void a_node_is_looked_after_also_when_an_attempt_is_lost(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    care_open();
    say(GR_REPORT_LOST, job, 1);
    settle();
    assert_non_null(gr_core_job_find(pool->core, job)); // its devices are nobody's yet
    care_end(job);
    struct gr_ended ended;
    assert_true(gr_pool_ended_find(pool, job, &ended));
    assert_int_equal(ended.ending.outcome, GR_OUTCOME_LOST);
}

static void nonsense_of_an_engine_is_no_reason_to_end(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    uint64_t job = start_one(&spec);
    say(GR_REPORT_LOST, job + 1000, GR_SPEC_ATTEMPTS_MAX + 1000);
    say(GR_REPORT_STARTED, UINT64_MAX, 1);
    say(GR_REPORT_ENDED, job, 1);
    engine.reports[engine.report_count - 1].end.signal = 4000;
    engine.reports[engine.report_count - 1].end.task = 7;
    settle();
    struct gr_ended ended;
    assert_true(gr_pool_ended_find(pool, job, &ended));
    assert_int_equal(ended.ending.signal, 0);
    assert_int_equal(ended.ending.task, 0);
}

static void one_end_that_dooms_many_leaves_time_for_others(void **state)
{
    (void)state;
    struct gr_spec spec = a_spec();
    struct gr_spec_after after = {.how = GR_AFTER_OK};
    struct gr_err err;
    uint64_t job = after.job = start_one(&spec);
    spec.after = &after;
    spec.after_count = 1;
    for (unsigned i = 0; i < 90; i++) {
        (void)submit(&spec);
    }
    say(GR_REPORT_ENDED, job, 1);
    engine.reports[engine.report_count - 1].end.exit_code = 1;
    fixture_good(gr_pool_hear(pool, &err), &err);
    pool->config.waiting_bytes_most = 1; // too much waits already
    gr_pool_schedule(pool);
    assert_int_equal(gr_core_held(pool->core), 90);
    pool->config.waiting_bytes_most = 1 << 20;
    settle();
    assert_int_equal(gr_core_held(pool->core), 0);
}

static void checks_and_health_alone_do_not_empty_the_fleet(void **state)
{
    (void)state;
    const struct gr_place *place = gr_core_place(pool->core);
    assert_int_equal(gr_place_node_count(place), 2);
    gr_pool_care_drain(pool, 0, "unwell"); // the limit of this pool is 0 %
    assert_int_equal(gr_place_node_get(place, 0)->state, GR_NODE_UP);
    pool->config.drain_percent = 50;
    gr_pool_care_drain(pool, 0, "unwell");
    gr_pool_care_drain(pool, 1, "unwell too");
    assert_int_equal(gr_place_node_get(place, 0)->state, GR_NODE_DRAINED);
    assert_int_equal(gr_place_node_get(place, 1)->state, GR_NODE_UP);
    assert_non_null(strstr(pool->nodes[1].why, "unwell too"));
}

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

#define POOL_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(an_end_told_twice_is_forgotten_only_when_it_is_durable),
        POOL_TEST(a_list_starts_nothing_whose_placement_is_not_durable),
        POOL_TEST(a_stop_is_ordered_again_by_the_daemon_after_the_next_start),
        POOL_TEST(a_time_limit_counts_from_the_first_instruction_also_after_a_restart),
        POOL_TEST(an_order_that_cannot_be_given_ends_a_job_only_when_the_engine_says_so),
        POOL_TEST(an_order_that_finds_no_memory_is_given_later),
        POOL_TEST(an_attempt_that_nobody_placed_is_killed),
        POOL_TEST(what_ran_and_is_not_in_a_list_is_lost),
        POOL_TEST(an_end_whose_node_is_looked_after_is_not_lost_by_a_list),
        POOL_TEST(a_node_is_looked_after_also_when_an_attempt_is_lost),
        POOL_TEST(checks_and_health_alone_do_not_empty_the_fleet),
        POOL_TEST(nonsense_of_an_engine_is_no_reason_to_end),
        POOL_TEST(one_end_that_dooms_many_leaves_time_for_others),
        POOL_TEST(more_ends_in_one_request_than_are_kept_in_memory_are_all_found),
        POOL_TEST(an_array_without_room_for_what_it_waits_for_is_refused_before_its_first),
        POOL_TEST(a_history_that_was_lost_is_made_again),
        POOL_TEST(a_kill_loses_what_nobody_was_told),
        POOL_TEST(jobs_of_an_organisation_are_counted_to_the_last),
        POOL_TEST(a_question_of_a_new_kind_is_answered_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
