// What is in a group, and what it used: enter, populated, kill, usage. See cgroup.h.
#include "engine/local/cgroup.h"

#include "engine/local/cgroup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// How often, and how long apart, a group whose processes are about to end is looked at again.
#define TRIES_MAX 100
#define TRY_NS 2000000L

static void wait_a_little(void)
{
    struct timespec wait = {.tv_nsec = TRY_NS};
    nanosleep(&wait, NULL);
}

int gr_cgroup_enter(const struct gr_cgroup *group)
{
    for (unsigned i = group->procs_begin; i < group->procs_count; i++) {
        int fd = open(group->procs[i], O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0) {
            return -errno;
        }
        ssize_t wrote;
        do {
            wrote = write(fd, "0", 1);
        } while (wrote < 0 && errno == EINTR);
        int code = wrote == 1 ? 0 : -errno;
        close(fd);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

pid_t gr_cgroup_fork(struct gr_cgroup *group)
{
    int fd = group->v2[0] == '\0' ? -1 : open(group->v2, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fork();
    }
    struct clone_args args = {
        .flags = CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)fd,
    };
    // Not glibc's fork, which cannot do this: what that does beside it is for processes with
    // several threads.
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    int code = errno;
    if (pid == 0) {
        group->procs_begin = 1; // v2 is the first
    }
    close(fd);
    if (pid < 0 && code != EAGAIN && code != ENOMEM) {
        return fork(); // an older kernel, a filter, or a group that takes no child this way
    }
    errno = code;
    return pid;
}

// What is done with the processes of a group.
struct sweep {
    int signal;     // sent to each; 0: none
    unsigned found; // processes
};

static void sweep_group(const char *path, void *context)
{
    struct sweep *sweep = context;
    char text[16384]; // where there are more, the next round finds them
    if (gr_cgroup_read(path, "cgroup.procs", text, sizeof(text)) <= 0) {
        return;
    }
    char *at = text;
    for (char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        long pid = strtol(at, NULL, 10);
        if (pid <= 1 || pid > INT_MAX) {
            continue; // 0: a process that this pid namespace does not show
        }
        sweep->found++;
        if (sweep->signal != 0) {
            kill((pid_t)pid, sweep->signal);
        }
    }
}

// The v1 tree in which processes are looked for.
static const char *any_v1(const struct gr_cgroup *group)
{
    static const enum gr_cgroup_controller order[] = {
        GR_CGROUP_FREEZER, GR_CGROUP_PIDS,    GR_CGROUP_MEMORY,
        GR_CGROUP_DEVICES, GR_CGROUP_CPUACCT, GR_CGROUP_CPU,
    };
    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (group->v1[order[i]][0] != '\0') {
            return group->v1[order[i]];
        }
    }
    return "";
}

bool gr_cgroup_is_populated(const struct gr_cgroup *group)
{
    uint64_t populated;
    if (gr_cgroup_read_number(group->v2, "cgroup.events", "populated", &populated) == 0) {
        return populated != 0;
    }
    struct sweep sweep = {0};
    if (any_v1(group)[0] != '\0') {
        gr_cgroup_walk(any_v1(group), 0, sweep_group, &sweep);
    }
    return sweep.found > 0;
}

static void freeze(const char *dir, bool is_frozen)
{
    char text[32] = "";
    gr_cgroup_write(dir, "freezer.state", is_frozen ? "FROZEN" : "THAWED");
    for (int i = 0; is_frozen && i < TRIES_MAX / 2; i++) {
        if (gr_cgroup_read(dir, "freezer.state", text, sizeof(text)) < 0 ||
            strncmp(text, "FROZEN", 6) == 0) {
            return;
        }
        wait_a_little();
    }
}

int gr_cgroup_kill(const struct gr_cgroup *group)
{
    if (group->v2[0] != '\0' && gr_cgroup_write(group->v2, "cgroup.kill", "1") == 0) {
        return 1;
    }
    const char *dir = any_v1(group);
    dir = dir[0] == '\0' ? group->v2 : dir;
    if (dir[0] == '\0') {
        return 0;
    }
    // Nothing may fork between the look and the signal: frozen, or forbidden to.
    const char *freezer = group->v1[GR_CGROUP_FREEZER];
    (void)gr_cgroup_set_pids(group, 0);
    for (int i = 0; i < TRIES_MAX; i++) {
        struct sweep sweep = {.signal = SIGKILL};
        if (freezer[0] != '\0') {
            freeze(freezer, true);
        }
        gr_cgroup_walk(dir, 0, sweep_group, &sweep);
        if (freezer[0] != '\0') {
            freeze(freezer, false);
        }
        if (sweep.found == 0) {
            return 1;
        }
        wait_a_little();
    }
    return 0;
}

// v1 counts in each group by itself, and a runtime may have made one below ours.
static void oom_sum(const char *path, void *context)
{
    uint64_t *sum = context;
    uint64_t value;
    if (gr_cgroup_read_number(path, "memory.oom_control", "oom_kill", &value) == 0) {
        *sum += value;
    }
}

void gr_cgroup_usage_get(const struct gr_cgroup *group, struct gr_cgroup_usage *ret_usage)
{
    struct gr_cgroup_usage usage = {0};
    uint64_t value;
    if (gr_cgroup_read_number(group->v1[GR_CGROUP_CPUACCT], "cpuacct.usage", "", &value) == 0) {
        usage.has_cpu = true;
        usage.cpu_ms = value / 1000000;
    } else if (gr_cgroup_read_number(group->v2, "cpu.stat", "usage_usec", &value) == 0) {
        usage.has_cpu = true;
        usage.cpu_ms = value / 1000;
    }
    bool is_v2 = gr_cgroup_in_v2(group, GR_CGROUP_MEMORY);
    const char *dir = is_v2 ? group->v2 : group->v1[GR_CGROUP_MEMORY];
    if (gr_cgroup_read_number(dir, is_v2 ? "memory.peak" : "memory.max_usage_in_bytes", "",
                              &value) == 0) {
        usage.has_peak = true;
        usage.peak_kib = value / 1024;
    }
    value = 0;
    if (is_v2) {
        (void)gr_cgroup_read_number(dir, "memory.events", "oom_kill", &value);
    } else if (dir[0] != '\0') {
        gr_cgroup_walk(dir, 0, oom_sum, &value);
    }
    usage.out_of_memory = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    *ret_usage = usage;
}

const char *gr_cgroup_path(const struct gr_cgroup *group)
{
    return group->v2[0] != '\0' ? group->v2 : any_v1(group);
}
