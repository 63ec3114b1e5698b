// Tests of finding and killing descendants: orphans of sessions of their own, marked strangers.
#include "engine/local/descendants.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// Reaps and kills until nothing is left.
static void all_end(gr_descendants_spare *spare, void *context, int left)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == ECHILD) {
            assert_int_equal(left, 0);
            return;
        }
        if (pid == 0 && gr_descendants_kill(spare, context) == 0 && left > 0) {
            return;
        }
    }
}

// A child with a child in a session of its own, each saying its pid through the pipe.
static void family_fork(int out)
{
    pid_t child = fork();
    if (child == 0) {
        (void)setsid();
        if (fork() == 0) {
            (void)setsid();
        }
        pid_t self = getpid();
        if (write(out, &self, sizeof self) != (ssize_t)sizeof self) {
            _exit(1);
        }
        for (;;) {
            (void)pause();
        }
    }
    assert_true(child > 0);
}

static void orphans_of_other_sessions_are_reached(void **state)
{
    (void)state;
    int ends[2];
    pid_t pids[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    family_fork(ends[1]);
    assert_int_equal(read(ends[0], &pids[0], sizeof pids[0]), sizeof pids[0]);
    assert_int_equal(read(ends[0], &pids[1], sizeof pids[1]), sizeof pids[1]);
    all_end(NULL, NULL, 0);
    assert_int_equal(kill(pids[0], 0), -1);
    assert_int_equal(kill(pids[1], 0), -1);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static bool is_this(pid_t pid, void *context)
{
    return pid == *(const pid_t *)context;
}

static void whom_the_caller_spares_lives(void **state)
{
    (void)state;
    pid_t spared = fork();
    if (spared == 0) {
        for (;;) {
            (void)pause();
        }
    }
    pid_t other = fork();
    if (other == 0) {
        for (;;) {
            (void)pause();
        }
    }
    all_end(is_this, &spared, 1);
    assert_int_equal(kill(spared, 0), 0);
    assert_int_equal(kill(other, 0), -1);
    all_end(NULL, NULL, 0);
}

static void the_dead_are_told_from_the_living(void **state)
{
    (void)state;
    siginfo_t info;
    pid_t dead = fork();
    if (dead == 0) {
        _exit(0);
    }
    assert_int_equal(waitid(P_PID, (id_t)dead, &info, WEXITED | WNOWAIT), 0);
    assert_true(gr_descendants_is_corpse(dead));
    assert_true(gr_descendants_are_corpses());
    assert_false(gr_descendants_is_corpse(getpid()));
    pid_t alive = fork();
    if (alive == 0) {
        for (;;) {
            (void)pause();
        }
    }
    assert_false(gr_descendants_are_corpses());
    assert_int_equal(kill(alive, SIGKILL), 0);
    assert_int_equal(waitpid(alive, NULL, 0), alive);
    assert_int_equal(waitpid(dead, NULL, 0), dead);
    assert_false(gr_descendants_is_corpse(dead));
}

static void a_process_is_known_by_what_it_was_started_with(void **state)
{
    (void)state;
    char marker[64];
    (void)snprintf(marker, sizeof marker, "GRANARY_TEST_MARK=%d", (int)getpid());
    pid_t child = fork();
    if (child == 0) {
        char *argv[] = {(char[]){"sleep"}, (char[]){"1000"}, NULL};
        char *env[] = {(char[]){"OTHER=1"}, marker, NULL};
        (void)execve("/bin/sleep", argv, env);
        _exit(1);
    }
    assert_int_equal(gr_descendants_marked_kill("GRANARY_TEST_MARK=0"), 0);
    while (gr_descendants_marked_kill(marker) == 0) { // until it was executed
        assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void usage_counts_all_and_sees_who_is_stopped(void **state)
{
    (void)state;
    uint64_t cpu_ms = 0;
    bool any_goes = false;
    pid_t child = fork();
    if (child == 0) {
        for (volatile unsigned long i = 0;; i++) {
        }
    }
    while (cpu_ms < 30) {
        gr_descendants_usage(&cpu_ms, &any_goes);
        assert_true(any_goes);
    }
    int status;
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    gr_descendants_usage(&cpu_ms, &any_goes);
    assert_false(any_goes);
    all_end(NULL, NULL, 0);
    gr_descendants_usage(&cpu_ms, &any_goes);
    assert_int_equal(cpu_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orphans_of_other_sessions_are_reached),
        cmocka_unit_test(whom_the_caller_spares_lives),
        cmocka_unit_test(the_dead_are_told_from_the_living),
        cmocka_unit_test(a_process_is_known_by_what_it_was_started_with),
        cmocka_unit_test(usage_counts_all_and_sees_who_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
