// Tests of what `granary engine check` says: every line is whole, what must work here does, and
// nothing is left behind.
#include "engine/local.h"

#include "engine/local/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
        cmocka_unit_test(programs_that_are_not_there_are_said_to_be_missing),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
