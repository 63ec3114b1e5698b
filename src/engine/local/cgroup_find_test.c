// Tests of how control groups are found, on trees of files that stand for machines with v2: a hook
// gives each new directory the files that the kernel would give it.
#include "engine/local/cgroup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/granary-cgroup-XXXXXX";

static void put(const char *dir, const char *name, const char *text)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void get(const char *dir, const char *name, char *ret_text, size_t size)
{
    assert_true(gr_cgroup_read(dir, name, ret_text, size) >= 0);
}

static const char *const plain_files[] = {"cgroup.procs", "cgroup.subtree_control", "cgroup.kill",
                                          NULL};
static const char *const controller_files[] = {
    "memory.max", "memory.swap.max", "cpu.max", "pids.max", "memory.peak", "memory.events", NULL};

// What the kernel does for a new directory, and for one that goes.
static void changed(const char *path, bool is_made)
{
    for (int i = 0; plain_files[i] != NULL && is_made; i++) {
        put(path, plain_files[i], "");
    }
    for (int i = 0; controller_files[i] != NULL && is_made; i++) {
        put(path, controller_files[i], "");
    }
    if (is_made) {
        put(path, "cgroup.controllers", "cpuset cpu io memory pids\n");
        put(path, "cgroup.events", "populated 0\nfrozen 0\n");
        put(path, "cpu.stat", "usage_usec 2500000\nuser_usec 1\n");
        return;
    }
    char command[2048];
    if (access(path, F_OK) != 0) {
        return;
    }
    snprintf(command, sizeof(command), "find '%s' -maxdepth 1 -type f -delete", path);
    assert_int_equal(system(command), 0);
}

// A directory below the root, with its parents, as groups.
static void group_put(const char *path)
{
    char whole[1024];
    snprintf(whole, sizeof(whole), "%s%s", root, path);
    for (char *at = strchr(whole + strlen(root) + 1, '/');; at = strchr(at + 1, '/')) {
        if (at != NULL) {
            *at = '\0';
        }
        if (mkdir(whole, 0755) == 0 && strstr(whole, "/sys/fs/cgroup") != NULL) {
            changed(whole, true);
        }
        if (at == NULL) {
            return;
        }
        *at = '/';
    }
}

static int make_root(void **state)
{
    (void)state;
    strcpy(root + strlen(root) - 6, "XXXXXX");
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    group_put("/proc/self");
    return 0;
}

static int remove_root(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static void machine(const char *mounts, const char *groups)
{
    char self[64];
    snprintf(self, sizeof(self), "%s/proc/self", root);
    put(self, "mountinfo", mounts);
    put(self, "cgroup", groups);
}

#define V2_MOUNT                                                                                   \
    "24 1 0:22 / /sys rw - sysfs sysfs rw\n"                                                       \
    "31 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

static void a_service_puts_jobs_beside_itself(void **state)
{
    (void)state;
    struct gr_cgroup_means means;
    char want[1024], text[256];
    machine(V2_MOUNT, "0::/system.slice/granary.service\n");
    group_put("/sys/fs/cgroup/system.slice/granary.service");
    gr_cgroup_means_find_below(root, root, changed, &means);
    snprintf(want, sizeof(want), "%s/sys/fs/cgroup/system.slice", root);
    assert_string_equal(means.v2, want);
    assert_true(means.has_group && means.has_memory && means.has_cpu && means.has_pids);
    assert_true(means.has_usage && means.has_kill);
    assert_false(means.has_freezer);
    // The last word written is what a file holds: the kernel would add them up.
    get(want, "cgroup.subtree_control", text, sizeof(text));
    assert_string_equal(text, "+pids");
    assert_non_null(strstr(means.how, "memory cpu pids"));

    struct gr_cgroup_limits limits = {.memory_mib = 100, .cpu_milli = 1500, .pids = 30};
    struct gr_cgroup_usage usage;
    struct gr_cgroup *group;
    struct gr_err err = {0};
    means.has_devices = false;
    assert_int_equal(gr_cgroup_make(&means, "12.3/task-4", &limits, &group, &err), 0);
    snprintf(want, sizeof(want), "%s/%s/12.3/task-4", means.v2, means.pool);
    assert_string_equal(gr_cgroup_path(group), want);
    get(want, "memory.max", text, sizeof(text));
    assert_string_equal(text, "104857600");
    get(want, "memory.swap.max", text, sizeof(text));
    assert_string_equal(text, "0");
    get(want, "cpu.max", text, sizeof(text));
    assert_string_equal(text, "150000 100000");
    get(want, "pids.max", text, sizeof(text));
    assert_string_equal(text, "30");
    put(want, "memory.peak", "2097152\n");
    put(want, "memory.events", "low 0\noom 1\noom_kill 3\n");
    gr_cgroup_usage_get(group, &usage);
    assert_int_equal(usage.cpu_ms, 2500);
    assert_int_equal(usage.peak_kib, 2048);
    assert_int_equal(usage.out_of_memory, 3);
    put(want, "cgroup.events", "populated 1\n");
    assert_true(gr_cgroup_is_populated(group));
    put(want, "cgroup.events", "populated 0\n");
    assert_int_equal(gr_cgroup_kill(group), 1);
    get(want, "cgroup.kill", text, sizeof(text));
    assert_string_equal(text, "1");
    gr_cgroup_remove(group);
    snprintf(want, sizeof(want), "%s/%s", means.v2, means.pool);
    assert_int_not_equal(access(want, F_OK), 0);
}

static void controllers_of_two_trees_are_used_together(void **state)
{
    (void)state;
    struct gr_cgroup_means means;
    char want[1024], text[64];
    machine("40 1 0:30 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n"
            "41 1 0:31 /box /sys/fs/cgroup/cpu,cpuacct rw shared:3 - cgroup none rw,cpu,cpuacct\n"
            "42 1 0:32 / /sys/fs/cgroup/with\\040blank rw - cgroup none rw,memory\n"
            "43 1 0:33 / /sys/fs/cgroup/pids rw - cgroup none rw,pids\n"
            "a line that means nothing\n",
            "7:pids:/a/b\n6:memory:/\n5:cpu,cpuacct:/box/in\n1:name=systemd:/\n0::/\nrubbish\n");
    group_put("/sys/fs/cgroup/unified");
    group_put("/sys/fs/cgroup/cpu,cpuacct/in");
    group_put("/sys/fs/cgroup/pids/a/b");
    snprintf(want, sizeof(want), "%s/sys/fs/cgroup/unified", root);
    put(want, "cgroup.controllers", "memory hugetlb\n");
    gr_cgroup_means_find_below(root, root, changed, &means);
    assert_string_equal(means.v2, want);
    assert_int_equal(means.v2_controllers, 1u << GR_CGROUP_MEMORY);
    snprintf(want, sizeof(want), "%s/sys/fs/cgroup/cpu,cpuacct/in", root);
    assert_string_equal(means.v1[GR_CGROUP_CPU], want);
    assert_string_equal(means.v1[GR_CGROUP_CPUACCT], want);
    snprintf(want, sizeof(want), "%s/sys/fs/cgroup/pids/a/b", root);
    assert_string_equal(means.v1[GR_CGROUP_PIDS], want);
    assert_string_equal(means.v1[GR_CGROUP_MEMORY], "");
    assert_true(means.has_memory && means.has_pids);
    assert_false(means.has_cpu); // its files are v2's in this machine, not cpu.cfs_quota_us
    struct gr_cgroup *group;
    struct gr_err err = {0};
    struct gr_cgroup_limits limits = {.pids = 9};
    assert_int_equal(gr_cgroup_make(&means, "1.1", &limits, &group, &err), 0);
    snprintf(want, sizeof(want), "%s/sys/fs/cgroup/pids/a/b/%s/1.1", root, means.pool);
    get(want, "pids.max", text, sizeof(text));
    assert_string_equal(text, "9");
    gr_cgroup_remove(group);
    assert_int_not_equal(access(want, F_OK), 0);
}

static void a_tree_without_controllers_still_kills_and_counts(void **state)
{
    (void)state;
    struct gr_cgroup_means means;
    char path[256];
    machine(V2_MOUNT, "0::/../../elsewhere\n"); // outside of what the mount shows
    group_put("/sys/fs/cgroup");
    snprintf(path, sizeof(path), "%s/sys/fs/cgroup", root);
    put(path, "cgroup.controllers", "cpuset cpux xmemory\n");
    gr_cgroup_means_find_below(root, NULL, changed, &means);
    assert_string_equal(means.v2, path);
    assert_int_equal(means.v2_controllers, 0);
    assert_true(means.has_group && means.has_kill && means.has_usage);
    assert_false(means.has_memory || means.has_cpu || means.has_pids);
    assert_non_null(strstr(means.how, "v2 without controllers"));
}

static void a_machine_without_groups_is_said_to_have_none(void **state)
{
    (void)state;
    struct gr_cgroup_means means;
    machine("", "0::/\n");
    gr_cgroup_means_find_below(root, root, changed, &means);
    assert_false(means.has_group || means.has_kill || means.has_memory);
    assert_string_equal(means.how, "no control groups");
    assert_string_equal(means.missing, "no control groups are mounted");
    machine(V2_MOUNT, "0::/gone\n"); // mounted, but nothing is there
    gr_cgroup_means_find_below(root, root, changed, &means);
    assert_false(means.has_group);
    assert_non_null(strstr(means.missing, "No such file"));
}

static void two_pools_never_share_a_group(void **state)
{
    (void)state;
    struct gr_cgroup_means a, b;
    char other[256];
    machine("", "");
    snprintf(other, sizeof(other), "%s/proc", root);
    gr_cgroup_means_find_below(root, root, changed, &a);
    gr_cgroup_means_find_below(root, other, changed, &b);
    assert_string_not_equal(a.pool, b.pool);
    gr_cgroup_means_find_below(root, root, changed, &b);
    assert_string_equal(a.pool, b.pool);
    assert_int_equal(strncmp(a.pool, "granary-", 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_service_puts_jobs_beside_itself, make_root, remove_root),
        cmocka_unit_test_setup_teardown(controllers_of_two_trees_are_used_together, make_root,
                                        remove_root),
        cmocka_unit_test_setup_teardown(a_tree_without_controllers_still_kills_and_counts,
                                        make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_machine_without_groups_is_said_to_have_none, make_root,
                                        remove_root),
        cmocka_unit_test_setup_teardown(two_pools_never_share_a_group, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
