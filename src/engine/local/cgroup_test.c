// Tests of control groups on this machine, with whatever it has; cgroup_find_test.c has the trees
// that it has not. Where a limit cannot be had the test checks that nothing pretends to have it.
#include "engine/local/cgroup.h"

#include "base/clock.h"
#include "engine/local/cgroup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct gr_cgroup_means means;

static int find_means(void **state)
{
    (void)state;
    gr_cgroup_means_find(NULL, &means);
    return 0;
}

// Runs `work` in a new group with these limits. Returns the wait status, and the group still there.
static int run_in(const struct gr_cgroup_means *with, const struct gr_cgroup_limits *limits,
                  int (*work)(void), struct gr_cgroup **ret_group)
{
    struct gr_err err = {0};
    int status = 0;
    assert_int_equal(gr_cgroup_make(with, "7.1/task-0", limits, ret_group, &err), 0);
    pid_t pid = gr_cgroup_fork(*ret_group);
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(gr_cgroup_enter(*ret_group) == 0 ? work() : 99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool is_left(const struct gr_cgroup_means *with)
{
    char path[GR_CGROUP_PATH_SIZE + 64];
    bool found = false;
    for (unsigned i = 0; i <= GR_CGROUP_CONTROLLERS; i++) {
        const char *base = i == 0 ? with->v2 : with->v1[i - 1];
        snprintf(path, sizeof(path), "%s/%s", base, with->pool);
        found |= base[0] != '\0' && access(path, F_OK) == 0;
    }
    return found;
}

// ---- what a process in a group does -------------------------------------------------------------

static int take_memory(void)
{
    size_t size = (size_t)64 << 20;
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        return 1;
    }
    for (size_t i = 0; i < size; i += 4096) {
        bytes[i] = 1;
    }
    return 0;
}

// Takes what cpu it gets for half a second.
static int take_cpu(void)
{
    int64_t end_ms = gr_clock_ms() + 500;
    while (gr_clock_ms() < end_ms) {
    }
    return 0;
}

static int take_pids(void)
{
    for (int i = 0; i < 16; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pause();
            _exit(0);
        }
        if (pid < 0) {
            return errno == EAGAIN ? i : 98;
        }
    }
    return 16;
}

// 1: /dev/null could be opened; 2: /dev/kmsg could be; 4: it was refused with EPERM.
static int open_devices(void)
{
    int found = open("/dev/null", O_RDWR | O_CLOEXEC) >= 0 ? 1 : 0;
    if (open("/dev/kmsg", O_RDONLY | O_CLOEXEC) >= 0) {
        return found | 2;
    }
    return found | (errno == EPERM ? 4 : 0);
}

// Whether /proc says that the process is in the group in v2, before and after it entered the rest.
static int is_inside(void)
{
    char text[4096] = "";
    return gr_cgroup_read("/proc/self", "cgroup", text, sizeof(text)) > 0 &&
                   strstr(text, "/7.1/task-0\n") != NULL
               ? 0
               : 1;
}

// ---- tests --------------------------------------------------------------------------------------

static void what_is_missing_is_explained(void **state)
{
    (void)state;
    bool has_all = means.has_group && means.has_memory && means.has_cpu && means.has_usage &&
                   means.has_pids && means.has_devices;
    assert_true(means.how[0] != '\0');
    assert_true(has_all || means.missing[0] != '\0' || means.has_group);
    if (!means.has_group) {
        assert_false(means.has_memory || means.has_cpu || means.has_kill || means.has_devices);
        assert_true(means.missing[0] != '\0');
    }
    assert_false(is_left(&means));
}

static void without_means_a_group_can_do_nothing_and_says_so(void **state)
{
    (void)state;
    struct gr_cgroup_means none = {.how = "no control groups"};
    struct gr_cgroup_limits limits = {.memory_mib = 1, .cpu_milli = 1, .pids = 1};
    struct gr_cgroup_usage usage;
    struct gr_cgroup *group;
    struct gr_err err = {0};
    int status = run_in(&none, &limits, take_memory, &group);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(gr_cgroup_kill(group), 0);
    assert_false(gr_cgroup_is_populated(group));
    gr_cgroup_usage_get(group, &usage);
    assert_false(usage.has_cpu || usage.has_peak);
    assert_string_equal(gr_cgroup_path(group), "");
    gr_cgroup_remove(group);
    gr_cgroup_remove(NULL);
    gr_cgroup_release(NULL);
    assert_int_equal(gr_cgroup_find(&none, "7.1", &group, &err), -ENOENT);
}

static void a_memory_limit_kills_what_takes_more(void **state)
{
    (void)state;
    struct gr_cgroup_limits limits = {.memory_mib = 16};
    struct gr_cgroup_usage usage;
    struct gr_cgroup *group;
    int status = run_in(&means, &limits, take_memory, &group);
    gr_cgroup_usage_get(group, &usage);
    if (means.has_memory) {
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
        assert_int_equal(usage.out_of_memory, 1);
        assert_true(!usage.has_peak || (usage.peak_kib > 8 << 10 && usage.peak_kib <= 16 << 10));
    } else {
        assert_true(WIFEXITED(status));
    }
    gr_cgroup_remove(group);
    assert_false(is_left(&means));
}

static void a_cpu_limit_holds_and_cpu_time_is_counted(void **state)
{
    (void)state;
    struct gr_cgroup_limits limits = {.cpu_milli = 200};
    struct gr_cgroup_usage usage;
    struct gr_cgroup *group;
    int status = run_in(&means, &limits, take_cpu, &group);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    gr_cgroup_usage_get(group, &usage);
    assert_int_equal(usage.has_cpu, means.has_usage);
    if (means.has_cpu && means.has_usage) {
        assert_true(usage.cpu_ms > 0);
        assert_true(usage.cpu_ms < 300);
    }
    gr_cgroup_remove(group);
}

static void a_child_is_in_the_group_from_its_first_instruction(void **state)
{
    (void)state;
    struct gr_cgroup *group;
    struct gr_err err = {0};
    int status;
    if (!means.has_group) {
        return;
    }
    assert_int_equal(gr_cgroup_make(&means, "7.1/task-0", NULL, &group, &err), 0);
    pid_t pid = gr_cgroup_fork(group);
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(gr_cgroup_path(group)[0] != '\0' && means.v2[0] != '\0' ? is_inside() : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    gr_cgroup_remove(group);
    status = run_in(&means, NULL, is_inside, &group);
    gr_cgroup_remove(group);
    assert_int_equal(status, 0);
}

static void a_limit_of_processes_holds(void **state)
{
    (void)state;
    struct gr_cgroup_limits limits = {.pids = 4};
    struct gr_cgroup *group;
    if (!means.has_pids) {
        return;
    }
    int status = run_in(&means, &limits, take_pids, &group);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_int_equal(gr_cgroup_kill(group), 1);
    while (gr_cgroup_is_populated(group)) {
    }
    gr_cgroup_remove(group);
    assert_false(is_left(&means));
}

// A program that was loaded before holds in each group that it is attached to, the next one too.
static void shared_program_limits(const struct gr_cgroup_means *with)
{
    static const char *const none[1] = {NULL};
    struct gr_cgroup_limits limits = {.devices = none};
    struct gr_cgroup_means shared = *with;
    struct gr_cgroup *group;
    int fd = gr_cgroup_no_device_program_load(&shared);
    assert_int_equal(fd >= 0, shared.has_device_program);
    shared.no_device_program = fd >= 0 ? fd : 0;
    for (int i = 0; i < 2; i++) {
        int status = run_in(&shared, &limits, open_devices, &group);
        gr_cgroup_remove(group);
        assert_int_equal(WEXITSTATUS(status), 1 | 4);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void only_listed_devices_can_be_opened(void **state)
{
    (void)state;
    static const char *const listed[] = {"/dev/kmsg"};
    struct gr_cgroup_limits limits = {.devices = listed};
    struct gr_cgroup *group;
    if (!means.has_devices) {
        return;
    }
    struct gr_cgroup_means both[2] = {means, means};
    if (both[1].has_device_program) { // then by v1's controller
        both[1].has_device_program = false;
    } else {
        both[1].v1[GR_CGROUP_DEVICES][0] = '\0';
    }
    for (int i = 0; i < 2; i++) {
        struct gr_err err = {0};
        struct gr_cgroup_limits whole = {.is_whole = true};
        assert_int_equal(gr_cgroup_make(&both[i], "8.1", &whole, &group, &err), 0);
        int code = gr_cgroup_set_devices(group, NULL, 0, &err);
        gr_cgroup_remove(group);
        if (code < 0) { // one of the two ways is not there
            assert_int_equal(i, 1);
            assert_true(err.text[0] != '\0');
            continue;
        }
        limits.device_count = 0;
        int status = run_in(&both[i], &limits, open_devices, &group);
        gr_cgroup_remove(group);
        assert_int_equal(WEXITSTATUS(status), 1 | 4);
        shared_program_limits(&both[i]);
        print_message("devices limited by %s\n", both[i].has_device_program ? "a program" : "v1");
        limits.device_count = 1;
        status = run_in(&both[i], &limits, open_devices, &group);
        gr_cgroup_remove(group);
        assert_int_equal(WEXITSTATUS(status) & 5, 1);
    }
    assert_false(is_left(&means));
}

static void a_device_that_is_not_there_is_an_error_and_leaves_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {"/dev/no-such-device", "/etc/passwd"};
    struct gr_cgroup_limits limits = {.devices = wrong, .device_count = 1};
    struct gr_cgroup *group;
    struct gr_err err = {0};
    if (!means.has_devices) {
        return;
    }
    assert_int_equal(gr_cgroup_make(&means, "9.1/task-0", &limits, &group, &err), -ENOENT);
    limits.devices = wrong + 1;
    assert_int_equal(gr_cgroup_make(&means, "9.1/task-0", &limits, &group, &err), -EINVAL);
    assert_false(is_left(&means));
}

// Starts a tree of processes that try to get away, and kills it by the group alone.
static void kill_tree(const struct gr_cgroup_means *with)
{
    struct gr_cgroup *group;
    struct gr_err err = {0};
    int pipes[2];
    char byte;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(gr_cgroup_make(with, "7.2/task-1", NULL, &group, &err), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (gr_cgroup_enter(group) != 0) {
            _exit(99);
        }
        for (int i = 0; i < 3; i++) {
            if (fork() == 0) {
                setsid();
                signal(SIGTERM, SIG_IGN);
                if (fork() == 0) {
                    (void)!write(pipes[1], "x", 1);
                }
                for (;;) {
                    pause();
                }
            }
        }
        for (;;) {
            pause();
        }
    }
    close(pipes[1]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read(pipes[0], &byte, 1), 1);
    }
    assert_true(gr_cgroup_is_populated(group));
    assert_int_equal(gr_cgroup_kill(group), 1);
    assert_int_equal(read(pipes[0], &byte, 1), 0); // all writers are gone
    int ended = 0;
    for (int status; wait(&status) > 0; ended++) {
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    assert_int_equal(ended, 7);
    close(pipes[0]);
    while (gr_cgroup_is_populated(group)) {
    }
    gr_cgroup_remove(group);
    assert_false(is_left(with));
}

static void kill_reaches_all_whatever_they_did(void **state)
{
    (void)state;
    struct gr_cgroup_means less = means;
    if (!means.has_group) {
        return;
    }
    kill_tree(&less); // all means
    if (means.v1[GR_CGROUP_FREEZER][0] != '\0') {
        less.v2[0] = '\0';
        kill_tree(&less); // by freezing
        less.v1[GR_CGROUP_FREEZER][0] = '\0';
        kill_tree(&less); // by forbidding to fork
    }
}

static void a_group_is_found_again_and_removed_with_its_children(void **state)
{
    (void)state;
    struct gr_cgroup *attempt, *task, *found;
    struct gr_err err = {0};
    assert_int_equal(gr_cgroup_find(&means, "5.1", &found, &err), -ENOENT);
    if (!means.has_group) {
        return;
    }
    assert_int_equal(gr_cgroup_make(&means, "5.1", NULL, &attempt, &err), 0);
    assert_int_equal(gr_cgroup_make(&means, "5.1/task-0", NULL, &task, &err), 0);
    struct gr_cgroup *other = NULL;
    assert_int_equal(gr_cgroup_make(&means, "5.1/task-0", NULL, &other, &err), -EEXIST);
    assert_null(other);
    assert_int_equal(gr_cgroup_find(&means, "5.1/task-0", &found, &err), 0);
    assert_string_equal(gr_cgroup_path(found), gr_cgroup_path(task));
    gr_cgroup_release(found);
    gr_cgroup_release(task);
    gr_cgroup_remove(attempt);
    assert_int_equal(gr_cgroup_find(&means, "5.1/task-0", &found, &err), -ENOENT);
    assert_false(is_left(&means));
}

static void a_kept_pool_stays_until_it_is_left(void **state)
{
    (void)state;
    struct gr_cgroup_means kept = means;
    struct gr_cgroup_limits limits = {.cpu_milli = 1000, .memory_mib = 64};
    struct gr_cgroup *group, *other;
    struct gr_err err = {0};
    gr_cgroup_pool_keep(&kept);
    assert_int_equal(kept.is_pool_kept, means.has_group);
    assert_int_equal(is_left(&kept), means.has_group);
    assert_int_equal(gr_cgroup_make(&kept, "6.1", &limits, &group, &err), 0);
    gr_cgroup_remove(group);
    assert_int_equal(gr_cgroup_find(&kept, "6.1", &group, &err), -ENOENT);
    assert_int_equal(is_left(&kept), means.has_group);
    // Somebody else may remove it: then it is made again.
    struct gr_cgroup_means stranger = kept;
    gr_cgroup_pool_leave(&stranger);
    assert_false(is_left(&kept));
    assert_int_equal(gr_cgroup_make(&kept, "6.2", &limits, &group, &err), 0);
    assert_int_equal(gr_cgroup_make(&kept, "6.3/task-1", &limits, &other, &err), 0);
    gr_cgroup_pool_leave(&kept);
    assert_int_equal(is_left(&kept), means.has_group); // there are groups in it
    gr_cgroup_remove(group);
    gr_cgroup_remove_last(other);
    assert_false(is_left(&means));
    gr_cgroup_remove_last(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_explained),
        cmocka_unit_test(without_means_a_group_can_do_nothing_and_says_so),
        cmocka_unit_test(a_memory_limit_kills_what_takes_more),
        cmocka_unit_test(a_cpu_limit_holds_and_cpu_time_is_counted),
        cmocka_unit_test(a_child_is_in_the_group_from_its_first_instruction),
        cmocka_unit_test(a_limit_of_processes_holds),
        cmocka_unit_test(only_listed_devices_can_be_opened),
        cmocka_unit_test(a_device_that_is_not_there_is_an_error_and_leaves_nothing),
        cmocka_unit_test(kill_reaches_all_whatever_they_did),
        cmocka_unit_test(a_group_is_found_again_and_removed_with_its_children),
        cmocka_unit_test(a_kept_pool_stays_until_it_is_left),
    };
    return cmocka_run_group_tests(tests, find_means, NULL);
}
