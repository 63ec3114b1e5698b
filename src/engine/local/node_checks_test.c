// Tests of node checks with small scripts, and of the limit on what may drain by itself.
#include "engine/local/node_checks.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/granary-checks-XXXXXX";
static struct gr_node_checks_result result;
static int program; // 0: the test itself is forked

static int make_root(void **state)
{
    (void)state;
    char path[128];
    strcpy(root + strlen(root) - 6, "XXXXXX");
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    for (unsigned i = 0; i < GR_CHECKS_WHENS; i++) {
        snprintf(path, sizeof(path), "%s/%s", root,
                 gr_node_checks_folder((enum gr_node_checks_when)i));
        if (mkdir(path, 0755) != 0) {
            return -1;
        }
    }
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static void script(const char *name, unsigned mode, const char *body)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", body);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static struct gr_node_checks *begin(enum gr_node_checks_when when, int64_t limit_ms)
{
    static const struct gr_device devices[] = {{.address = "0000:3b:00.0"},
                                               {.address = "pretend:1"}};
    struct gr_node_checks_config config = {
        .dir = root,
        .when = when,
        .node = "n7",
        .devices = devices,
        .device_count = 2,
        .job = when == GR_CHECKS_BEFORE ? 12 : 0,
        .attempt = 3,
        .user = "ada",
        .limit_ms = limit_ms,
        .program = program,
    };
    struct gr_err err = {0};
    struct gr_node_checks *checks = NULL;
    assert_int_equal(gr_node_checks_open(&config, &checks, &err), 0);
    return checks;
}

static void run(enum gr_node_checks_when when, int64_t limit_ms)
{
    struct gr_err err = {0};
    struct gr_node_checks *checks = begin(when, limit_ms);
    int code;
    while ((code = gr_node_checks_poll(checks, &result, &err)) == 0) {
        struct pollfd wait = {.fd = gr_node_checks_fd(checks), .events = POLLIN};
        poll(&wait, 1, 10000);
    }
    assert_int_equal(code, 1);
    assert_int_equal(gr_node_checks_poll(checks, &result, &err), 1); // again the same
    gr_node_checks_close(checks);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); // no child is left
}

static void scripts_run_in_order_and_know_what_it_is_about(void **state)
{
    (void)state;
    char path[128], text[512] = "";
    char body[256];
    snprintf(body, sizeof(body),
             "echo \"$GRANARY_CHECK $GRANARY_NODE $GRANARY_DEVICES $GRANARY_JOB_ID "
             "$GRANARY_ATTEMPT $GRANARY_USER $(pwd)\" >> %s/out",
             root);
    setenv("SECRET", "x", 1);
    script("before.d/20-b", 0755, body);
    snprintf(body, sizeof(body), "echo first $SECRET >> %s/out", root);
    script("before.d/10-a", 0700, body);
    script("before.d/30-not-executable", 0644, "exit 1");
    script("before.d/40 blank", 0755, "exit 1");
    script("before.d/.hidden", 0755, "exit 1");
    run(GR_CHECKS_BEFORE, 10000);
    assert_true(result.is_well);
    assert_int_equal(result.ran, 2);
    assert_string_equal(result.text, "");
    snprintf(path, sizeof(path), "%s/out", root);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    assert_string_equal(text, "first\nbefore n7 0000:3b:00.0,pretend:1 12 3 ada /\n");
}

static void a_failing_script_says_why_and_stops_the_rest(void **state)
{
    (void)state;
    char path[128];
    script("after.d/1", 0755, "echo disk of 4 TB is full; echo 'nothing\tfits' >&2; exit 3");
    char body[512];
    snprintf(body, sizeof(body), "touch %s/ran", root);
    script("after.d/2", 0755, body);
    run(GR_CHECKS_AFTER, 10000);
    assert_false(result.is_well);
    assert_false(result.is_late);
    assert_string_equal(result.script, "1");
    assert_true(strcmp(result.text, "nothing fits") == 0 ||
                strcmp(result.text, "disk of 4 TB is full") == 0);
    snprintf(path, sizeof(path), "%s/ran", root);
    assert_int_not_equal(access(path, F_OK), 0);
    script("after.d/1", 0755, "exit 9");
    run(GR_CHECKS_AFTER, 10000);
    assert_string_equal(result.text, "ended with exit code 9");
    script("after.d/1", 0755, "kill -SEGV $$");
    run(GR_CHECKS_AFTER, 10000);
    assert_string_equal(result.text, "ended by signal 11");
}

static void devices_are_reported_one_by_one(void **state)
{
    (void)state;
    script("return.d/a", 0755,
           "echo device 0000:3b:00.0 reset memory test failed at 0x1000\n"
           "echo device pretend:1 watch\n"
           "echo device pretend:9 gone not one of ours\n"
           "echo device pretend:1 splendid no such class\n"
           "echo device\n"
           "echo device 0000:3b:00.0 repair on stderr it is only text >&2");
    run(GR_CHECKS_RETURN, 10000);
    assert_true(result.is_well);
    assert_int_equal(result.device_count, 2);
    assert_string_equal(result.devices[0].address, "0000:3b:00.0");
    assert_int_equal(result.devices[0].health, GR_HEALTH_RESET);
    assert_string_equal(result.devices[0].text, "memory test failed at 0x1000");
    assert_string_equal(result.devices[1].address, "pretend:1");
    assert_int_equal(result.devices[1].health, GR_HEALTH_WATCH);
    assert_string_equal(result.devices[1].text, "");
}

static void much_output_is_read_and_forgotten(void **state)
{
    (void)state;
    script("start.d/a", 0755,
           "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the last; exit 1");
    run(GR_CHECKS_START, 20000);
    assert_false(result.is_well);
    assert_true(strlen(result.text) == GR_NODE_CHECKS_TEXT_SIZE - 1);
}

static void a_script_that_hangs_is_killed_with_what_it_started(void **state)
{
    (void)state;
    script("start.d/a", 0755, "sleep 1000 & sleep 1000");
    run(GR_CHECKS_START, 100);
    assert_false(result.is_well);
    assert_true(result.is_late);
    assert_string_equal(result.script, "a");
    // One that leaves something behind is not waited for.
    script("start.d/a", 0755, "sleep 1000 & exit 0");
    run(GR_CHECKS_START, 10000);
    assert_true(result.is_well);
    assert_true(result.took_ms < 5000);
}

static void a_run_keeps_nothing_open_and_leaves_nothing_running(void **state)
{
    (void)state;
    char text[512];
    int kept = fcntl(0, F_DUPFD_CLOEXEC, 200); // stands for a client's connection
    assert_true(kept >= 200);
    (void)snprintf(text, sizeof text,
                   "test ! -e /proc/$PPID/fd/%d || { echo keeps it; exit 1; }\n"
                   "setsid sh -c 'echo $$ >%s/pid; exec sleep 1000' &\n"
                   "until [ -s %s/pid ]; do sleep 0.01; done",
                   kept, root, root);
    script("start.d/a", 0755, text);
    run(GR_CHECKS_START, 10000);
    close(kept);
    assert_string_equal(result.text, "");
    assert_true(result.is_well);
    (void)snprintf(text, sizeof text, "%s/pid", root);
    FILE *file = fopen(text, "re");
    assert_non_null(file);
    int pid = 0;
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, 0), -1);
}

static void closing_early_ends_the_run(void **state)
{
    (void)state;
    char body[512], path[128], text[32] = "";
    snprintf(path, sizeof(path), "%s/fifo", root);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(body, sizeof(body), "echo $$ > %s; sleep 1000", path);
    script("start.d/a", 0755, body);
    struct gr_node_checks *checks = begin(GR_CHECKS_START, 100000);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    gr_node_checks_close(checks);
    int pid = (int)strtol(text, NULL, 10);
    assert_true(pid > 1);
    assert_int_not_equal(kill(pid, 0), 0);
    gr_node_checks_close(NULL);
}

static void what_others_may_change_is_never_run(void **state)
{
    (void)state;
    char body[512], path[128];
    snprintf(path, sizeof(path), "%s/ran", root);
    snprintf(body, sizeof(body), "touch %s", path);
    script("start.d/a", 0775, body);
    run(GR_CHECKS_START, 10000);
    assert_false(result.is_well);
    assert_string_equal(result.script, "a");
    assert_non_null(strstr(result.text, "writable by nobody else"));
    script("start.d/a", 0755, body);
    char folder[128];
    snprintf(folder, sizeof(folder), "%s/start.d", root);
    chmod(folder, 0777);
    run(GR_CHECKS_START, 10000);
    assert_false(result.is_well);
    chmod(folder, 0755);
    if (geteuid() == 0) {
        snprintf(body, sizeof(body), "%s/a", folder);
        assert_int_equal(chown(body, 65534, 65534), 0);
        run(GR_CHECKS_START, 10000);
        assert_false(result.is_well);
    }
    assert_int_not_equal(access(path, F_OK), 0);
}

static void without_scripts_all_is_well(void **state)
{
    (void)state;
    char command[128];
    run(GR_CHECKS_START, 1000);
    assert_true(result.is_well);
    assert_int_equal(result.ran, 0);
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
    run(GR_CHECKS_START, 1000);
    assert_true(result.is_well);
}

// Nothing of a daemon with a large pool is copied: the run is granary-launcher, from memory.
static void the_process_that_runs_them_is_small(void **state)
{
    (void)state;
    script("start.d/a", 0755, "readlink /proc/$PPID/exe; exit 1");
    run(GR_CHECKS_START, 10000);
    assert_true((strstr(result.text, "granary-launcher") != NULL) == (program != 0));
}

static void a_part_of_the_fleet_may_drain_by_itself(void **state)
{
    (void)state;
    static const struct {
        uint64_t total, drained;
        unsigned percent;
        bool is_allowed;
    } cases[] = {
        {100, 4, 5, true},
        {100, 5, 5, false},
        {100, 0, 0, false},
        {1, 0, 5, true},
        {1, 1, 100, false},
        {0, 0, 100, false},
        {3, 1, 5, false},
        {199, 8, 5, true},
        {199, 9, 5, false},
        {200, 9, 5, true},
        {10, 9, 100, true},
        {10, 10, 100, false},
        {UINT64_MAX, UINT64_MAX / 2, 51, true},
        {10, 20, 50, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(gr_drain_allowed(cases[i].total, cases[i].drained, cases[i].percent),
                         cases[i].is_allowed);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        CASE(scripts_run_in_order_and_know_what_it_is_about),
        CASE(a_failing_script_says_why_and_stops_the_rest),
        CASE(devices_are_reported_one_by_one),
        CASE(much_output_is_read_and_forgotten),
        CASE(a_script_that_hangs_is_killed_with_what_it_started),
        CASE(a_run_keeps_nothing_open_and_leaves_nothing_running),
        CASE(closing_early_ends_the_run),
        CASE(what_others_may_change_is_never_run),
        CASE(without_scripts_all_is_well),
        CASE(the_process_that_runs_them_is_small),
        cmocka_unit_test(a_part_of_the_fleet_may_drain_by_itself),
    };
    int failed = cmocka_run_group_tests_name("forked", tests, NULL, NULL);
    struct gr_err err = {0};
    program = gr_node_checks_program(&err);
    if (program < 0) {
        fprintf(stderr, "%s\n", err.text);
        return failed + 1;
    }
    failed += cmocka_run_group_tests_name("program", tests, NULL, NULL);
    close(program);
    return failed;
}
