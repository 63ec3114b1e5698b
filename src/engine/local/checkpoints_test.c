// Checkpoint files: touched, touched all the time, planted, removed, with times of other centuries.
#include "engine/local/checkpoints.h"

#include "base/clock.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// How long what must come may take.
#define WAIT_MS 20000
// How long what must not come is waited for.
#define QUIET_MS 60

static struct {
    char root[64];
    int poll_fd;
    struct gr_checkpoints *checkpoints;
    struct gr_engine_report reports[8];
} here;

// ---- fixture ------------------------------------------------------------------------------------

static void open_with(const struct gr_checkpoints_waits *waits)
{
    struct gr_err err;
    gr_err_init(&err);
    here.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    assert_true(here.poll_fd >= 0);
    if (gr_checkpoints_open(here.root, here.poll_fd, waits, &here.checkpoints, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void close_all(void)
{
    gr_checkpoints_close(here.checkpoints);
    close(here.poll_fd);
}

static int set_up(void **state)
{
    char path[PATH_MAX];
    (void)state;
    snprintf(here.root, sizeof here.root, "/tmp/granary-checkpoints-XXXXXX");
    assert_non_null(mkdtemp(here.root));
    snprintf(path, sizeof path, "%s/attempts", here.root);
    assert_int_equal(mkdir(path, 0700), 0);
    open_with(&(struct gr_checkpoints_waits){.first_ms = 1, .pause_ms = 20, .look_ms = 20});
    return 0;
}

static int tear_down(void **state)
{
    char command[PATH_MAX];
    (void)state;
    close_all();
    snprintf(command, sizeof command, "rm -rf '%s'", here.root);
    return system(command);
}

static const char *file_of(unsigned job)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/attempts/%u.1/checkpoint", here.root, job);
    return path;
}

static void touch(unsigned job)
{
    assert_int_equal(utimensat(AT_FDCWD, file_of(job), NULL, 0), 0);
}

// An attempt with its file, made a minute ago and known to run since then.
static int64_t begin(unsigned job)
{
    char path[PATH_MAX];
    int64_t started_ms = gr_clock_wall_ms() - 60000;
    struct timespec times[2] = {{.tv_sec = started_ms / 1000 - 1},
                                {.tv_sec = started_ms / 1000 - 1}};
    snprintf(path, sizeof path, "%s/attempts/%u.1", here.root, job);
    assert_int_equal(mkdir(path, 0711), 0);
    int fd = open(file_of(job), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    gr_checkpoints_begin(here.checkpoints, job, 1, started_ms);
    return started_ms;
}

// Reports that come within `wait_ms`, until there is one.
static unsigned hear(int wait_ms)
{
    int64_t until_ms = gr_clock_ms() + wait_ms;
    unsigned count = 0;
    for (int64_t left_ms = wait_ms; count == 0 && left_ms >= 0;
         left_ms = until_ms - gr_clock_ms()) {
        struct pollfd poll_fd = {.fd = here.poll_fd, .events = POLLIN};
        (void)poll(&poll_fd, 1, (int)left_ms);
        count = gr_checkpoints_take(here.checkpoints, here.reports, 8);
    }
    return count;
}

// Waits until that many files are watched.
static void await_watched(uint32_t count)
{
    uint32_t known = 0;
    uint32_t watched = 0;
    for (int64_t until_ms = gr_clock_ms() + WAIT_MS; gr_clock_ms() < until_ms;) {
        assert_int_equal(hear(1), 0);
        gr_checkpoints_count(here.checkpoints, &known, &watched);
        if (watched == count) {
            return;
        }
    }
    fail_msg("%u files are watched, not %u", watched, count);
}

static void assert_touched(unsigned job, int64_t low_ms, int64_t high_ms)
{
    const struct gr_engine_report *report = &here.reports[0];
    assert_int_equal(report->type, GR_REPORT_CHECKPOINT);
    assert_int_equal(report->job, job);
    assert_int_equal(report->attempt, 1);
    assert_true(report->since_ms >= low_ms);
    assert_true(report->since_ms <= high_ms);
}

// ---- tests --------------------------------------------------------------------------------------

static void a_touch_is_reported_once_with_its_time(void **state)
{
    (void)state;
    begin(1);
    begin(2);
    await_watched(2);
    int64_t before_ms = gr_clock_wall_ms() - 20; // the kernel's clock of files is coarse
    touch(1);
    assert_int_equal(hear(WAIT_MS), 1);
    assert_touched(1, before_ms, gr_clock_wall_ms());
    assert_int_equal(hear(QUIET_MS), 0);
    touch(2);
    assert_int_equal(hear(WAIT_MS), 1);
    assert_touched(2, before_ms, gr_clock_wall_ms());
}

static void writing_into_the_file_counts_too(void **state)
{
    (void)state;
    int64_t started_ms = begin(1);
    await_watched(1);
    int fd = open(file_of(1), O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    assert_int_equal(hear(WAIT_MS), 1);
    assert_touched(1, started_ms, gr_clock_wall_ms());
}

static void who_touches_all_the_time_is_heard_now_and_then_and_the_last_touch_counts(void **state)
{
    (void)state;
    begin(1);
    await_watched(1);
    unsigned heard = 0;
    int64_t begun_ms = gr_clock_ms();
    for (unsigned i = 0; i < 1000; i++) {
        touch(1);
        heard += gr_checkpoints_take(here.checkpoints, here.reports, 8);
    }
    struct stat about;
    int64_t passed_ms = gr_clock_ms() - begun_ms;
    assert_true(heard <= 2 + (unsigned)passed_ms / 20);
    assert_int_equal(stat(file_of(1), &about), 0);
    int64_t last_ms = about.st_mtim.tv_sec * 1000 + about.st_mtim.tv_nsec / 1000000;
    while (hear(200) > 0) {
    }
    assert_int_equal(here.reports[0].since_ms, last_ms);
}

static void a_touch_that_nobody_watched_is_found_at_the_next_start(void **state)
{
    (void)state;
    int64_t started_ms = begin(1);
    await_watched(1);
    close_all();
    touch(1);
    open_with(&(struct gr_checkpoints_waits){.first_ms = 1, .pause_ms = 20, .look_ms = 20});
    gr_checkpoints_begin(here.checkpoints, 1, 1, started_ms);
    assert_int_equal(hear(WAIT_MS), 1);
    assert_touched(1, started_ms, gr_clock_wall_ms());
}

static void a_time_far_ahead_means_the_moment_at_which_it_was_set(void **state)
{
    (void)state;
    int64_t started_ms = begin(1);
    struct timespec times[2] = {{.tv_sec = 4102444800}, {.tv_sec = 4102444800}}; // 2100
    await_watched(1);
    assert_int_equal(utimensat(AT_FDCWD, file_of(1), times, 0), 0);
    assert_int_equal(hear(WAIT_MS), 1);
    assert_touched(1, started_ms, gr_clock_wall_ms());
    assert_int_equal(hear(QUIET_MS), 0);
}

static void a_time_before_the_attempt_is_no_checkpoint(void **state)
{
    (void)state;
    begin(1);
    struct timespec times[2] = {{.tv_sec = 0}, {.tv_sec = 0}};
    await_watched(1);
    assert_int_equal(utimensat(AT_FDCWD, file_of(1), times, 0), 0);
    assert_int_equal(hear(QUIET_MS), 0);
    touch(1);
    assert_int_equal(hear(WAIT_MS), 1);
}

static void a_file_that_was_removed_counts_again_when_it_is_back(void **state)
{
    (void)state;
    int64_t started_ms = begin(1);
    await_watched(1);
    assert_int_equal(unlink(file_of(1)), 0);
    await_watched(0);
    int fd = open(file_of(1), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(hear(WAIT_MS), 1);
    assert_touched(1, started_ms, gr_clock_wall_ms());
}

static void a_link_in_place_of_the_file_says_nothing(void **state)
{
    char other[PATH_MAX];
    (void)state;
    begin(1);
    await_watched(1);
    snprintf(other, sizeof other, "%s/other", here.root);
    int fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(unlink(file_of(1)), 0);
    assert_int_equal(symlink(other, file_of(1)), 0);
    assert_int_equal(hear(QUIET_MS), 0);
    assert_int_equal(utimensat(AT_FDCWD, other, NULL, 0), 0);
    assert_int_equal(hear(QUIET_MS), 0);
}

static void files_that_are_one_do_not_speak_for_each_other_twice(void **state)
{
    char first[PATH_MAX];
    (void)state;
    begin(1);
    await_watched(1);
    snprintf(first, sizeof first, "%s", file_of(1));
    begin(2);
    assert_int_equal(unlink(file_of(2)), 0);
    assert_int_equal(link(first, file_of(2)), 0);
    while (hear(QUIET_MS) > 0) {
    }
    touch(1);
    bool has_spoken[3] = {false};
    for (unsigned count; (count = hear(200)) > 0;) {
        for (unsigned i = 0; i < count; i++) {
            has_spoken[here.reports[i].job] = true;
        }
    }
    assert_true(has_spoken[1] && has_spoken[2]); // each once more, and then there is quiet
}

static void the_last_touch_is_told_with_the_end(void **state)
{
    struct gr_engine_report report;
    (void)state;
    int64_t started_ms = begin(1);
    await_watched(1);
    touch(1);
    assert_true(gr_checkpoints_end(here.checkpoints, 1, 1, &report));
    here.reports[0] = report;
    assert_touched(1, started_ms, gr_clock_wall_ms());
    assert_false(gr_checkpoints_end(here.checkpoints, 1, 1, &report));
    uint32_t known;
    uint32_t watched;
    gr_checkpoints_count(here.checkpoints, &known, &watched);
    assert_int_equal(known, 0);
    assert_int_equal(watched, 0);
    touch(1);
    assert_int_equal(hear(QUIET_MS), 0);
}

static void without_a_watch_files_are_looked_at(void **state)
{
    uint32_t known;
    uint32_t watched;
    (void)state;
    close_all();
    open_with(&(struct gr_checkpoints_waits){
        .first_ms = 1, .pause_ms = 20, .look_ms = 20, .is_blind = true});
    int64_t started_ms = begin(1);
    assert_int_equal(hear(QUIET_MS), 0);
    touch(1);
    assert_int_equal(hear(WAIT_MS), 1);
    assert_touched(1, started_ms, gr_clock_wall_ms());
    gr_checkpoints_count(here.checkpoints, &known, &watched);
    assert_int_equal(known, 1);
    assert_int_equal(watched, 0);
}

static void many_attempts_come_and_go(void **state)
{
    enum { JOBS = 300 };
    struct gr_engine_report report;
    (void)state;
    for (unsigned i = 1; i <= JOBS; i++) {
        begin(i);
    }
    await_watched(JOBS);
    for (unsigned i = 1; i <= JOBS; i++) {
        touch(i);
    }
    unsigned heard = 0;
    while (heard < JOBS) {
        unsigned count = hear(WAIT_MS);
        assert_true(count > 0);
        heard += count;
    }
    for (unsigned i = 1; i <= JOBS; i++) {
        assert_false(gr_checkpoints_end(here.checkpoints, i, 1, &report));
    }
    assert_int_equal(hear(QUIET_MS), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_touch_is_reported_once_with_its_time),
        TEST(writing_into_the_file_counts_too),
        TEST(who_touches_all_the_time_is_heard_now_and_then_and_the_last_touch_counts),
        TEST(a_touch_that_nobody_watched_is_found_at_the_next_start),
        TEST(a_time_far_ahead_means_the_moment_at_which_it_was_set),
        TEST(a_time_before_the_attempt_is_no_checkpoint),
        TEST(a_file_that_was_removed_counts_again_when_it_is_back),
        TEST(a_link_in_place_of_the_file_says_nothing),
        TEST(files_that_are_one_do_not_speak_for_each_other_twice),
        TEST(the_last_touch_is_told_with_the_end),
        TEST(without_a_watch_files_are_looked_at),
        TEST(many_attempts_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
