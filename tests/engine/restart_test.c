// What the engine survives: the daemon's death, the launcher's, a keeper's, the machine's.
#include "fixture.h"

#include "engine/local/cgroup.h"
#include "engine/local/record.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

// Jobs that run while something is killed.
#define JOBS 50

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture_open(&fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    return 0;
}

// Starts jobs that say so in the file "ran", and end with their number when the file "go" is there.
static void many_start(struct fixture *fixture)
{
    char script[256];
    (void)snprintf(script, sizeof script,
                   "echo $GRANARY_JOB_ID >>%s/ran; until [ -e %s/go ]; do sleep 0.2; done; "
                   "exit $GRANARY_JOB_ID",
                   fixture->root, fixture->root);
    for (uint64_t i = 1; i <= JOBS; i++) {
        fixture_run(fixture, i, script);
    }
    for (uint64_t i = 1; i <= JOBS; i++) {
        (void)fixture_await(fixture, i, GR_REPORT_STARTED);
    }
    fixture_await_lines(fixture, "ran", JOBS);
}

// Expects that all of them still run, were started once, and end as they should.
static void many_end(struct fixture *fixture)
{
    fixture_list(fixture);
    for (uint64_t i = 1; i <= JOBS; i++) {
        assert_true(fixture_count(fixture, i, GR_REPORT_STARTED) > 0);
    }
    assert_int_equal(fixture_count(fixture, 0, GR_REPORT_ENDED), 0);
    assert_int_equal(fixture_count(fixture, 0, GR_REPORT_LOST), 0);
    fixture_touch(fixture, "go");
    for (uint64_t i = 1; i <= JOBS; i++) {
        const struct gr_engine_report *ended = fixture_await(fixture, i, GR_REPORT_ENDED);
        assert_int_equal(ended->end.exit_code, (int)i);
        assert_int_equal(fixture_count(fixture, i, GR_REPORT_ENDED), 1);
    }
    unsigned seen[JOBS + 1] = {0};
    char *at = (char *)(uintptr_t)fixture_read(fixture, "ran");
    for (char *end = at;; at = end) {
        long job = strtol(at, &end, 10);
        if (end == at) {
            break;
        }
        assert_in_range(job, 1, JOBS);
        seen[job]++;
    }
    for (unsigned i = 1; i <= JOBS; i++) {
        assert_int_equal(seen[i], 1);
    }
}

static void jobs_outlive_the_daemon(void **state)
{
    struct fixture *fixture = *state;
    many_start(fixture);
    fixture_reopen(fixture);
    many_end(fixture);
}

static void jobs_that_end_while_no_daemon_is_there_are_told_later(void **state)
{
    struct fixture *fixture = *state;
    many_start(fixture);
    fixture->engine->ops->close(fixture->engine);
    fixture->engine = NULL;
    fixture_touch(fixture, "go");
    fixture_reopen(fixture);
    fixture_list(fixture);
    for (uint64_t i = 1; i <= JOBS; i++) {
        assert_int_equal(fixture_await(fixture, i, GR_REPORT_ENDED)->end.exit_code, (int)i);
    }
}

static void jobs_outlive_the_launcher(void **state)
{
    struct fixture *fixture = *state;
    many_start(fixture);
    pid_t launcher = fixture_launcher(fixture);
    assert_int_equal(kill(launcher, SIGKILL), 0);
    (void)fixture_await(fixture, 0, GR_REPORT_DOWN);
    (void)fixture_await(fixture, 0, GR_REPORT_UP); // the engine starts another
    assert_int_not_equal(fixture_launcher(fixture), launcher);
    many_end(fixture);
}

static void jobs_outlive_launcher_and_daemon_together(void **state)
{
    struct fixture *fixture = *state;
    many_start(fixture);
    assert_int_equal(kill(fixture_launcher(fixture), SIGKILL), 0);
    fixture_reopen(fixture);
    many_end(fixture);
}

static void a_new_launcher_can_stop_what_an_older_one_started(void **state)
{
    struct fixture *fixture = *state;
    struct gr_err err;
    gr_err_init(&err);
    fixture_run(fixture, 1, "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done");
    (void)fixture_await(fixture, 1, GR_REPORT_STARTED);
    fixture_await_lines(fixture, "engine/attempts/1.1/output.0", 1);
    assert_int_equal(gr_local_launcher_stop(fixture->dir, &err), 0);
    fixture_reopen(fixture);
    assert_int_equal(
        fixture->engine->ops->stop(fixture->engine, 1, 1, fixture->epoch, SIGTERM, 30000, &err), 0);
    const struct gr_engine_report *ended = fixture_await(fixture, 1, GR_REPORT_ENDED);
    assert_int_equal(ended->end.exit_code, 9);
    assert_true(ended->end.is_stopped);
}

// Starts a job with a child in a session of its own; returns both pids.
static void family_start(struct fixture *fixture, int pids[2])
{
    fixture_run(fixture, 1, "setsid sleep 1000 & echo $$ $!; exec sleep 1001");
    (void)fixture_await(fixture, 1, GR_REPORT_STARTED);
    fixture_await_lines(fixture, "engine/attempts/1.1/output.0", 1);
    assert_int_equal(sscanf(fixture_output(fixture, 1, 0, 1), "%d %d", &pids[0], &pids[1]), 2);
}

static void when_a_keeper_dies_its_work_is_ended_and_lost(void **state)
{
    struct fixture *fixture = *state;
    int pids[2];
    family_start(fixture, pids);
    assert_int_equal(kill(fixture_keeper(fixture, 1), SIGKILL), 0);
    const struct gr_engine_report *lost = fixture_await(fixture, 1, GR_REPORT_LOST);
    assert_non_null(strstr(lost->text, "nothing of it runs"));
    fixture_await_gone(pids[0]);
    fixture_await_gone(pids[1]);
    assert_int_equal(fixture_count(fixture, 1, GR_REPORT_ENDED), 0);
}

static void when_launcher_and_keeper_die_the_work_is_ended_and_lost(void **state)
{
    struct fixture *fixture = *state;
    int pids[2];
    family_start(fixture, pids);
    pid_t keeper = fixture_keeper(fixture, 1);
    assert_int_equal(kill(fixture_launcher(fixture), SIGKILL), 0);
    assert_int_equal(kill(keeper, SIGKILL), 0);
    (void)fixture_await(fixture, 0, GR_REPORT_UP);
    fixture_list(fixture);
    (void)fixture_await(fixture, 1, GR_REPORT_LOST);
    fixture_await_gone(pids[0]);
    fixture_await_gone(pids[1]);
}

static void when_an_orphaned_keeper_dies_its_work_is_ended_and_lost(void **state)
{
    struct fixture *fixture = *state;
    int pids[2];
    family_start(fixture, pids);
    pid_t keeper = fixture_keeper(fixture, 1);
    assert_int_equal(kill(fixture_launcher(fixture), SIGKILL), 0);
    (void)fixture_await(fixture, 0, GR_REPORT_UP);
    fixture_list(fixture);
    (void)fixture_await(fixture, 1, GR_REPORT_STARTED);
    assert_int_equal(kill(keeper, SIGKILL), 0);
    (void)fixture_await(fixture, 1, GR_REPORT_LOST);
    fixture_await_gone(pids[0]);
    fixture_await_gone(pids[1]);
}

static void what_ran_before_the_machine_started_anew_is_lost(void **state)
{
    struct fixture *fixture = *state;
    struct gr_err err;
    char path[128];
    int fd = -1;
    gr_err_init(&err);
    assert_int_equal(gr_local_launcher_stop(fixture->dir, &err), 0);
    (void)snprintf(path, sizeof path, "%s/live", fixture->dir);
    int live = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // A record of another boot, whose keeper's number is somebody else's now: this test's own.
    struct gr_record_head head = {.job = 1, .attempt = 1, .epoch = 1, .boot = {1, 2, 3}};
    struct gr_record_life life = {.started_ms = 1000, .pid = getpid()};
    assert_int_equal(gr_record_make(live, &head, (const uint8_t *)"x", 1, &fd, &err), 0);
    assert_int_equal(gr_record_life_write(fd, &life, &err), 0);
    (void)close(fd);
    (void)close(live);
    fixture_reopen(fixture);
    fixture_list(fixture);
    assert_true(fixture_count(fixture, 1, GR_REPORT_LOST) > 0);
    assert_int_equal(fixture->engine->ops->forget(fixture->engine, 1, 1, fixture->epoch, &err), 0);
    fixture_list(fixture);
    assert_int_equal(fixture_count(fixture, 1, GR_REPORT_LOST), 0);
}

// Writes one byte of a job's record.
static void record_poke(const struct fixture *fixture, const char *name, char byte)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/live/%s", fixture->dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, 0), 1);
    close(fd);
}

static void what_lives_is_not_lost_though_its_record_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    fixture_run(fixture, 1, "echo >ran; exec sleep 1000");
    (void)fixture_await(fixture, 1, GR_REPORT_STARTED);
    record_poke(fixture, "1.1", '?');
    assert_int_equal(kill(fixture_launcher(fixture), SIGKILL), 0);
    (void)fixture_await(fixture, 0, GR_REPORT_DOWN);
    (void)fixture_await(fixture, 0, GR_REPORT_UP);
    fixture_clear(fixture);
    fixture_list(fixture);
    assert_int_equal(fixture_count(fixture, 1, GR_REPORT_LOST), 0);
    record_poke(fixture, "1.1", 'G'); // it can be read again
    (void)fixture_await(fixture, 1, GR_REPORT_STARTED);
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(
        fixture->engine->ops->stop(fixture->engine, 1, 1, fixture->epoch, SIGTERM, 10000, &err), 0);
    assert_int_equal(fixture_await(fixture, 1, GR_REPORT_ENDED)->end.signal, SIGTERM);
}

static void half_a_record_is_no_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct gr_err err;
    char path[128];
    gr_err_init(&err);
    assert_int_equal(gr_local_launcher_stop(fixture->dir, &err), 0);
    (void)snprintf(path, sizeof path, "%s/live/1.1", fixture->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "GRANREC1", 8), 8);
    (void)close(fd);
    fixture_reopen(fixture);
    fixture_list(fixture);
    assert_int_equal(fixture->count, 1); // LISTED
    fixture_run(fixture, 1, "exit 6");
    assert_int_equal(fixture_await(fixture, 1, GR_REPORT_ENDED)->end.exit_code, 6);
}

// Whether the pool has a control group in some tree.
static bool has_groups(const struct gr_cgroup_means *means)
{
    bool is_there = false;
    for (unsigned i = 0; i <= GR_CGROUP_CONTROLLERS; i++) {
        char path[GR_CGROUP_PATH_SIZE + 64];
        const char *base = i == 0 ? means->v2 : means->v1[i - 1];
        (void)snprintf(path, sizeof path, "%s/%s", base, means->pool);
        is_there = is_there || (base[0] != '\0' && access(path, F_OK) == 0);
    }
    return is_there;
}

static void the_groups_go_with_the_last_who_needs_them(void **state)
{
    struct fixture *fixture = *state;
    struct gr_cgroup_means means;
    struct gr_err err;
    gr_err_init(&err);
    gr_cgroup_means_find(fixture->dir, &means);
    fixture_run(fixture, 1, "exec sleep 1000");
    (void)fixture_await(fixture, 1, GR_REPORT_STARTED);
    assert_int_equal(has_groups(&means), means.has_group);
    // A keeper whose launcher was killed removes what that one kept.
    assert_int_equal(kill(fixture_launcher(fixture), SIGKILL), 0);
    (void)fixture_await(fixture, 0, GR_REPORT_DOWN);
    (void)fixture_await(fixture, 0, GR_REPORT_UP);
    assert_int_equal(
        fixture->engine->ops->stop(fixture->engine, 1, 1, fixture->epoch, SIGTERM, 10000, &err), 0);
    (void)fixture_await(fixture, 1, GR_REPORT_ENDED);
    assert_false(has_groups(&means));
    // A launcher that ends leaves none either.
    fixture_run(fixture, 2, "exit 0");
    (void)fixture_await(fixture, 2, GR_REPORT_ENDED);
    assert_int_equal(gr_local_launcher_stop(fixture->dir, &err), 0);
    assert_false(has_groups(&means));
    fixture_reopen(fixture);
}

static void there_is_one_launcher_of_a_directory(void **state)
{
    struct fixture *fixture = *state;
    struct gr_err err;
    gr_err_init(&err);
    pid_t launcher = fixture_launcher(fixture);
    struct gr_local_config config = {.dir = fixture->dir, .checks = "", .epoch = 1};
    assert_int_equal(gr_local_launch(&config, &err), 0);
    assert_int_equal(fixture_launcher(fixture), launcher);
}

static void a_directory_of_another_user_is_not_served(void **state)
{
    (void)state;
    struct gr_err err;
    gr_err_init(&err);
    // Root owns everything here, others nothing: in either case somebody else could write.
    const char *dir = geteuid() == 0 ? "/tmp" : "/usr";
    struct gr_local_config config = {.dir = dir, .checks = "", .epoch = 1};
    assert_int_equal(gr_local_launch(&config, &err), -EPERM);
    assert_non_null(strstr(err.text, "must belong to"));
}

static void a_name_that_is_longer_than_a_sockets_works(void **state)
{
    (void)state;
    struct gr_err err;
    gr_err_init(&err);
    char root[64] = "/tmp/granary-engine-XXXXXX";
    char dir[256];
    assert_non_null(mkdtemp(root));
    (void)snprintf(dir, sizeof dir, "%s/%0150d", root, 7);
    struct gr_local_config config = {.dir = dir, .checks = "", .epoch = 1};
    struct gr_engine *engine = NULL;
    assert_int_equal(gr_local_launch(&config, &err), 0);
    assert_int_equal(gr_local_open(&config, &engine, &err), 0);
    engine->ops->close(engine);
    assert_int_equal(gr_local_launcher_stop(dir, &err), 0);
    assert_int_equal(gr_local_launcher_stop(dir, &err), 0); // there is none any more
    char command[512];
    (void)snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

static void a_launcher_whose_directory_was_removed_ends(void **state)
{
    (void)state;
    struct fixture fixture = {.epoch = 1};
    fixture_open(&fixture);
    pid_t launcher = fixture_launcher(&fixture);
    char command[256];
    (void)snprintf(command, sizeof command, "rm -r %s", fixture.root);
    assert_int_equal(system(command), 0);
    fixture_await_gone(launcher);
    fixture.engine->ops->close(fixture.engine);
    free(fixture.reports);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    struct gr_err err;
    gr_err_init(&err);
    if (argc == 4 && strcmp(argv[1], "engine") == 0 && strcmp(argv[2], "launcher") == 0) {
        return gr_local_launcher_main(argv[3], &err);
    }
    const struct CMUnitTest tests[] = {
        TEST(jobs_outlive_the_daemon),
        TEST(jobs_that_end_while_no_daemon_is_there_are_told_later),
        TEST(jobs_outlive_the_launcher),
        TEST(jobs_outlive_launcher_and_daemon_together),
        TEST(a_new_launcher_can_stop_what_an_older_one_started),
        TEST(when_a_keeper_dies_its_work_is_ended_and_lost),
        TEST(when_launcher_and_keeper_die_the_work_is_ended_and_lost),
        TEST(when_an_orphaned_keeper_dies_its_work_is_ended_and_lost),
        TEST(what_ran_before_the_machine_started_anew_is_lost),
        TEST(what_lives_is_not_lost_though_its_record_cannot_be_read),
        TEST(half_a_record_is_no_attempt),
        TEST(the_groups_go_with_the_last_who_needs_them),
        TEST(there_is_one_launcher_of_a_directory),
        cmocka_unit_test(a_directory_of_another_user_is_not_served),
        cmocka_unit_test(a_launcher_whose_directory_was_removed_ends),
        cmocka_unit_test(a_name_that_is_longer_than_a_sockets_works),
    };
    return cmocka_run_group_tests_name("engine/restart", tests, NULL, NULL);
}
