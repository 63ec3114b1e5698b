// Tests of what `granary engine check` says: every line is whole, what must work here does, and
// nothing is left behind.
#include "engine/local.h"

#include "engine/local/check_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct gr_local_check checks[32];
static char root[] = "/tmp/granary-check-test-XXXXXX";

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return rmdir(root); // only if nothing was left in it
}

static const struct gr_local_check *line(int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(checks[i].name, name) == 0) {
            return &checks[i];
        }
    }
    fail_msg("there is no line \"%s\"", name);
    return NULL;
}

static void every_ability_is_tried_and_explained(void **state)
{
    (void)state;
    struct gr_local_config config = {.dir = root, .checks = ""};
    struct gr_cgroup_means means;
    struct gr_err err = {0};
    int count = gr_local_check(&config, checks, 32, &err);
    assert_true(count >= 12);
    for (int i = 0; i < count; i++) {
        print_message("%-24s %-4s %s\n", checks[i].name, checks[i].is_there ? "yes" : "no",
                      checks[i].how);
        assert_true(checks[i].how[0] != '\0');
        assert_int_equal(checks[i].is_there, checks[i].without[0] == '\0');
        assert_int_equal(checks[i].is_there, checks[i].remedy[0] == '\0');
        assert_true(strlen(checks[i].without) < sizeof(checks[i].without) - 1); // not cut
        assert_true(strlen(checks[i].remedy) < sizeof(checks[i].remedy) - 1);
    }
    gr_cgroup_means_find(NULL, &means);
    assert_int_equal(line(count, "memory limit")->is_there, means.has_memory);
    assert_int_equal(line(count, "cpu limit")->is_there, means.has_cpu);
    assert_int_equal(line(count, "process limit")->is_there, means.has_pids);
    assert_int_equal(line(count, "device limit")->is_there, means.has_devices);
    assert_true(line(count, "jobs outlive the daemon")->is_there);
    assert_true(!line(count, "other users")->is_there || geteuid() == 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); // no process is left
}

// A process of a trial that nobody ended, in a group of that name.
static pid_t leave_one(const struct gr_cgroup_means *means, const char *name)
{
    static const struct gr_cgroup_limits whole = {.is_whole = true};
    struct gr_cgroup *group;
    int ready[2];
    char byte;
    assert_int_equal(gr_cgroup_make(means, name, &whole, &group, NULL), 0);
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool is_in = gr_cgroup_enter(group) == 0 && write(ready[1], "x", 1) == 1;
        alarm(60);
        while (is_in) {
            pause();
        }
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    gr_cgroup_release(group);
    return pid;
}

static void what_a_killed_check_left_in_its_groups_is_no_obstacle(void **state)
{
    (void)state;
    char dir[64];
    struct gr_cgroup_means means;
    struct gr_cgroup *group;
    int status;
    snprintf(dir, sizeof(dir), "%s/own", root);
    assert_int_equal(mkdir(dir, 0700), 0);
    gr_cgroup_means_find(dir, &means);
    gr_check_sweep(&means); // of an earlier folder in this place on disk
    pid_t left[2] = {0};
    for (int i = 0; means.has_group && i < 2; i++) {
        left[i] = leave_one(&means, i == 0 ? "check/task-0" : "check/task-1");
    }
    gr_check_sweep(&means);
    for (int i = 0; means.has_group && i < 2; i++) {
        assert_int_equal(waitpid(left[i], &status, 0), left[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(
            gr_cgroup_make(&means, i == 0 ? "check/task-0" : "check/task-1", NULL, &group, NULL),
            0);
        gr_cgroup_remove(group);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void what_a_killed_check_left_is_removed_and_what_another_has_is_not(void **state)
{
    (void)state;
    struct gr_local_config config = {.dir = root, .checks = "", .crun = "", .runc = ""};
    struct gr_cgroup_means means;
    struct gr_err err = {0};
    char left[64], inner[80], used[64];
    snprintf(left, sizeof left, "%s/check-killed", root);
    snprintf(inner, sizeof inner, "%s/task", left);
    snprintf(used, sizeof used, "%s/check-in-use", root);
    assert_int_equal(mkdir(left, 0711) | mkdir(inner, 0700) | mkdir(used, 0711), 0);
    int lock = open(used, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_SH), 0);
    gr_cgroup_means_find(left, &means);
    pid_t pid = means.has_group ? leave_one(&means, "check/task-0") : 0;
    assert_true(gr_local_check(&config, checks, 32, &err) > 0);
    assert_int_equal(access(left, F_OK), -1);
    assert_int_equal(access(used, F_OK), 0);
    if (pid > 0) {
        struct gr_cgroup *group;
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(gr_cgroup_find(&means, "check/task-0", &group, NULL), -ENOENT);
    }
    close(lock); // now that one is left behind too
    assert_true(gr_local_check(&config, checks, 32, &err) > 0);
    assert_int_equal(access(used, F_OK), -1);
}

static void programs_that_are_not_there_are_said_to_be_missing(void **state)
{
    (void)state;
    struct gr_local_config config = {
        .dir = root, .checks = "/no/such/folder", .crun = "", .runc = "/no/such/runc"};
    struct gr_err err = {0};
    int count = gr_local_check(&config, checks, 32, &err);
    assert_false(line(count, "crun")->is_there);
    assert_string_equal(line(count, "crun")->how, "the program is not on this machine");
    assert_false(line(count, "runc")->is_there);
    assert_non_null(strstr(line(count, "runc")->how, "cannot be run"));
    assert_false(line(count, "node checks")->is_there);
    assert_int_equal(gr_local_check(&config, checks, 3, &err), 3); // no more than there is room for
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ability_is_tried_and_explained),
        cmocka_unit_test(what_a_killed_check_left_in_its_groups_is_no_obstacle),
        cmocka_unit_test(what_a_killed_check_left_is_removed_and_what_another_has_is_not),
        cmocka_unit_test(programs_that_are_not_there_are_said_to_be_missing),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
