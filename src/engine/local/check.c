// `granary engine check`: what of the local engine works on this machine. Each ability is used
// once, by a short-lived process, with what a job would meet; nothing is left behind. Texts are for
// the operator: by what means, or what is missing; what follows for jobs; what to do.
#include "engine/local.h"

#include "base/clock.h"
#include "engine/local/cgroup_parts.h"
#include "engine/local/check_parts.h"
#include "engine/local/checkpoints.h"
#include "engine/local/node_checks.h"
#include "engine/local/tree.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// A trial that takes longer failed.
#define TRIAL_MS 30000
// How often the cpu limit is tried.
#define CPU_TRIALS 5
// The user that root tries to be.
#define NOBODY 65534

static bool is_root(void)
{
    return geteuid() == 0;
}

// Adds a line. `without` and `remedy` are dropped if it is there.
void gr_check_add(struct gr_check *check, const char *name, bool is_there, const char *without,
                  const char *remedy, const char *fmt, ...)
{
    if (check->count == check->most) {
        return;
    }
    struct gr_local_check *line = &check->lines[check->count++];
    va_list args;
    memset(line, 0, sizeof(*line));
    line->name = name;
    line->is_there = is_there;
    va_start(args, fmt);
    (void)vsnprintf(line->how, sizeof(line->how), fmt, args);
    va_end(args);
    if (!is_there) {
        (void)snprintf(line->without, sizeof(line->without), "%s", without);
        (void)snprintf(line->remedy, sizeof(line->remedy), "%s", remedy);
    }
}

// ---- running a trial ----------------------------------------------------------------------------

// Runs `work` in a process of its own, in the group if there is one, and waits for it. What it
// writes to `say` is put into ret_said. Returns its exit code, -1 if it was killed.
int gr_check_run(const struct gr_cgroup *group, int (*work)(void *context, int say), void *context,
                 char *ret_said, size_t size)
{
    int pipes[2];
    int status = -1;
    size_t have = 0;
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        return GR_CHECK_UNTRIED;
    }
    pid_t pid = fork();
    if (pid == 0) {
        alarm(TRIAL_MS / 1000);
        close(pipes[0]);
        if (group != NULL && gr_cgroup_enter(group) < 0) {
            _exit(GR_CHECK_UNTRIED);
        }
        _exit(work(context, pipes[1]));
    }
    close(pipes[1]);
    while (pid > 0 && have < size - 1) {
        ssize_t got = read(pipes[0], ret_said + have, size - 1 - have);
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            break;
        }
        have += got > 0 ? (size_t)got : 0;
    }
    ret_said[have] = '\0';
    close(pipes[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid < 0 ? GR_CHECK_UNTRIED : WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_plain(int (*work)(void *context, int say))
{
    char said[8];
    return gr_check_run(NULL, work, NULL, said, sizeof(said));
}

// Who was killed in the middle of its trials left their groups. Groups are named by the folder's
// place on disk, and that is given anew to the next folder: ours must not stumble over them.
void gr_check_sweep(const struct gr_cgroup_means *means)
{
    static const char *const names[] = {"check/task-0", "check/task-1"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct gr_cgroup *left;
        if (means->has_group && gr_cgroup_find(means, names[i], &left, NULL) == 0) {
            (void)gr_cgroup_kill(left);
            gr_cgroup_remove(left);
        }
    }
}

// Runs `work` in a group of its own with the limits.
static int run_limited(struct gr_check *check, const struct gr_cgroup_limits *limits,
                       int (*work)(void *context, int say), struct gr_cgroup_usage *ret_usage)
{
    struct gr_cgroup *group;
    char said[8];
    memset(ret_usage, 0, sizeof(*ret_usage));
    if (gr_cgroup_make(&check->means, "check/task-0", limits, &group, NULL) < 0) {
        return GR_CHECK_UNTRIED;
    }
    int code = gr_check_run(check->means.has_group ? group : NULL, work, NULL, said, sizeof(said));
    (void)gr_cgroup_kill(group);
    gr_cgroup_usage_get(group, ret_usage);
    check->throttled = 0;
    (void)gr_cgroup_read_number(gr_cgroup_in_v2(group, GR_CGROUP_CPU) ? group->v2
                                                                      : group->v1[GR_CGROUP_CPU],
                                "cpu.stat", "nr_throttled", &check->throttled);
    gr_cgroup_remove(group);
    return code;
}

// ---- what trials do -----------------------------------------------------------------------------

static int be_another(void *context, int say)
{
    (void)context;
    (void)say;
    gid_t none[1] = {NOBODY};
    bool is_done = setgroups(1, none) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
                   setresuid(NOBODY, NOBODY, NOBODY) == 0;
    return is_done && setuid(0) != 0 ? 0 : GR_CHECK_NO;
}

// Memory of 48 MiB.
static int take_memory(void *context, int say)
{
    (void)context;
    (void)say;
    size_t size = (size_t)48 << 20;
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; bytes != MAP_FAILED && i < size; i += 4096) {
        bytes[i] = 1;
    }
    return bytes == MAP_FAILED ? GR_CHECK_NO : 0;
}

// All the cpu it gets, for a fifth of a second.
static int take_cpu(void *context, int say)
{
    int64_t until_ns = gr_clock_ns() + 200000000;
    (void)context;
    (void)say;
    while (gr_clock_ns() < until_ns) {
    }
    return 0;
}

static int take_pids(void *context, int say)
{
    (void)context;
    for (int i = 0; i < 8; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            close(say);             // who listens waits for the trial, not for these
            alarm(TRIAL_MS / 1000); // not inherited: who tries it out may be killed meanwhile
            pause();
            _exit(0);
        }
        if (pid < 0) {
            return errno == EAGAIN ? 0 : GR_CHECK_UNTRIED;
        }
    }
    return GR_CHECK_NO;
}

static const char *const odd_devices[] = {"/dev/kmsg", "/dev/fuse", "/dev/net/tun",
                                          "/dev/loop-control", "/dev/hpet"};

// The first of the odd devices that can be opened; its place + 10.
static int find_device(void *context, int say)
{
    (void)context;
    (void)say;
    for (size_t i = 0; i < sizeof(odd_devices) / sizeof(odd_devices[0]); i++) {
        if (open(odd_devices[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK) >= 0) {
            return (int)i + 10;
        }
    }
    return GR_CHECK_UNTRIED;
}

static int wait_for_ever(void *context, int say)
{
    (void)context;
    alarm(TRIAL_MS / 1000); // see take_pids
    (void)!write(say, "x", 1);
    for (;;) {
        pause();
    }
    return 0;
}

// A process that got away from its parent and its session.
static int get_away(void *context, int say)
{
    if (fork() == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        if (fork() == 0) {
            return wait_for_ever(context, say);
        }
        _exit(0);
    }
    return wait_for_ever(context, say);
}

// An orphan of ours must become our child.
static int adopt(void *context, int say)
{
    (void)context;
    (void)say;
    int status;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return GR_CHECK_NO;
    }
    pid_t pid = fork();
    if (pid == 0) {
        _exit(fork() >= 0 ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid && waitpid(-1, &status, 0) > 0 ? 0 : GR_CHECK_NO;
}

static int text_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : GR_CHECK_NO;
}

// New namespaces; an ordinary user becomes 0 in one of users.
static int namespaces_enter(bool is_rootless)
{
    char uids[64], gids[64];
    snprintf(uids, sizeof(uids), "0 %u 1\n", (unsigned)geteuid());
    snprintf(gids, sizeof(gids), "0 %u 1\n", (unsigned)getegid());
    if (unshare(CLONE_NEWNS | (is_rootless ? CLONE_NEWUSER : 0)) != 0) {
        return GR_CHECK_NO;
    }
    return !is_rootless ? 0
                        : text_write("/proc/self/uid_map", uids) |
                              text_write("/proc/self/setgroups", "deny") |
                              text_write("/proc/self/gid_map", gids);
}

// A user namespace as an ordinary user makes one.
static int user_namespace(void *context, int say)
{
    (void)context;
    (void)say;
    if (is_root() && (setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
                      setresuid(NOBODY, NOBODY, NOBODY) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0)) {
        return GR_CHECK_UNTRIED;
    }
    return namespaces_enter(true);
}

// An overlay in the folder `context`, as a container gets one.
static int overlay(void *context, int say)
{
    static const char *const names[] = {"lower", "upper", "overlay", "rootfs"};
    (void)say;
    bool is_rootless = !is_root();
    if (chdir(context) != 0) {
        return GR_CHECK_UNTRIED;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (mkdir(names[i], 0700) != 0) {
            return GR_CHECK_UNTRIED;
        }
    }
    if (namespaces_enter(is_rootless) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return GR_CHECK_NO;
    }
    const char *options = is_rootless ? "lowerdir=lower,upperdir=upper,workdir=overlay,userxattr"
                                      : "lowerdir=lower,upperdir=upper,workdir=overlay";
    return mount("overlay", "rootfs", "overlay", 0, options) == 0 ? 0 : GR_CHECK_NO;
}

// ---- control groups -----------------------------------------------------------------------------

#define GROUPS_REMEDY                                                                              \
    "start the daemon as root, or in a service of your own with Delegate=yes; in a container, "    \
    "mount /sys/fs/cgroup writable"

// Why control groups give no such thing.
static const char *no_groups(const struct gr_check *check)
{
    return check->means.missing[0] != '\0' ? check->means.missing
                                           : "no control group has it on this machine";
}

static void check_kill(struct gr_check *check)
{
    static const char name[] = "kill of a whole job";
    static const char without[] = "what a job starts is searched for in /proc and killed; one that "
                                  "forks without pause may escape for a while";
    struct gr_cgroup *group = NULL;
    char said[4];
    int pipes[2] = {-1, -1};
    bool is_dead = false;
    if (check->means.has_group && pipe2(pipes, O_CLOEXEC) == 0 &&
        gr_cgroup_make(&check->means, "check/task-0", NULL, &group, NULL) == 0) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(TRIAL_MS / 1000);
            _exit(gr_cgroup_enter(group) == 0 ? get_away(NULL, pipes[1]) : GR_CHECK_UNTRIED);
        }
        close(pipes[1]);
        pipes[1] = -1;
        // Both live: each said one byte. When all are dead the pipe is at its end.
        bool is_up = read(pipes[0], said, 1) == 1 && read(pipes[0], said, 1) == 1;
        bool is_told = is_up && gr_cgroup_kill(group) == 1;
        struct pollfd wait = {.fd = pipes[0], .events = POLLIN};
        is_dead = is_told && poll(&wait, 1, 1000) == 1 && read(pipes[0], said, 1) == 0;
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
        gr_cgroup_remove(group);
    }
    for (int i = 0; i < 2; i++) {
        if (pipes[i] >= 0) {
            close(pipes[i]);
        }
    }
    const char *how = check->means.has_kill      ? "cgroup.kill"
                      : check->means.has_freezer ? "v1 freezer, then a signal to each process"
                                                 : "a signal to each process of the group";
    gr_check_add(check, name, is_dead, without, GROUPS_REMEDY, "%s",
                 is_dead ? how : no_groups(check));
}

static void check_memory(struct gr_check *check)
{
    struct gr_cgroup_limits limits = {.memory_mib = 16};
    struct gr_cgroup_usage usage = {0};
    bool is_there = check->means.has_memory &&
                    run_limited(check, &limits, take_memory, &usage) == -1 &&
                    usage.out_of_memory > 0;
    const char *how = (check->means.v2_controllers & 1u << GR_CGROUP_MEMORY) != 0
                          ? "v2 memory.max: what took more was killed"
                          : "v1 memory.limit_in_bytes: what took more was killed";
    gr_check_add(check, "memory limit", is_there,
                 "a job may take more memory than it asked for, and others' with it", GROUPS_REMEDY,
                 "%s", is_there ? how : no_groups(check));
    gr_check_add(
        check, "memory count", is_there && usage.has_peak,
        "a job's peak is that of its largest process that has ended (rusage)",
        "a kernel from 5.19 on for v2 (memory.peak), or v1; and the rights for a memory limit",
        "%s", is_there && usage.has_peak ? "the group's peak" : no_groups(check));
}

static void check_cpu(struct gr_check *check)
{
    struct gr_cgroup_limits limits = {.cpu_milli = 100};
    struct gr_cgroup_usage usage = {0};
    bool is_counted = false;
    bool is_held = false;
    // How much of it was held back says little on a machine that is busy: what counts is that it
    // was. One that hardly got to run is tried again.
    for (int i = 0; i < CPU_TRIALS && !is_held && (i == 0 || check->means.has_cpu); i++) {
        int code = run_limited(check, &limits, take_cpu, &usage);
        is_counted = code == 0 && check->means.has_usage && usage.cpu_ms > 0;
        is_held = is_counted && check->means.has_cpu && check->throttled > 0;
    }
    const char *how = (check->means.v2_controllers & 1u << GR_CGROUP_CPU) != 0
                          ? "v2 cpu.max"
                          : "v1 cpu.cfs_quota_us";
    if (is_held) {
        gr_check_add(check, "cpu limit", true, "", "", "%s: %llu ms of 200 with a tenth of a cpu",
                     how, (unsigned long long)usage.cpu_ms);
    } else {
        gr_check_add(check, "cpu limit", false, "a job may use cpus that others were given",
                     GROUPS_REMEDY, "%s", no_groups(check));
    }
    gr_check_add(check, "cpu count", is_counted,
                 "a job's cpu time is that of its processes that have ended (rusage)",
                 GROUPS_REMEDY, "%s", is_counted ? "the group's cpu time" : no_groups(check));
}

static void check_pids(struct gr_check *check)
{
    struct gr_cgroup_limits limits = {.pids = 4};
    struct gr_cgroup_usage usage;
    bool is_there = check->means.has_pids && run_limited(check, &limits, take_pids, &usage) == 0;
    gr_check_add(check, "process limit", is_there,
                 "one job can use up all process numbers of the machine", GROUPS_REMEDY, "%s",
                 is_there ? "pids.max: a fifth process was refused" : no_groups(check));
}

static void check_devices(struct gr_check *check)
{
    static const char *const none[] = {NULL};
    struct gr_cgroup_limits limits = {.devices = none};
    struct gr_cgroup_usage usage;
    bool is_v1 = !check->means.has_device_program;
    const char *how = is_v1 ? "v1 devices.deny" : "a BPF program of the v2 group";
    int before = run_plain(find_device);
    bool is_there = check->means.has_devices;
    if (is_there && before >= 10) {
        is_there = run_limited(check, &limits, find_device, &usage) == GR_CHECK_UNTRIED;
    }
    if (is_there) {
        gr_check_add(check, "device limit", true, "", "", "%s%s%s%s", how, before >= 10 ? ": " : "",
                     before >= 10 ? odd_devices[before - 10]
                                  : " (no device is here to try it with)",
                     before >= 10 ? " could not be opened any more" : "");
    } else {
        gr_check_add(
            check, "device limit", false,
            "variables show a job its own devices only, but it can open the others",
            "start the daemon as root (v1 devices controller, or CAP_BPF with v2); containers "
            "show a job no other devices",
            "%s", no_groups(check));
    }
}

static void check_overlay(struct gr_check *check)
{
    char dir[PATH_MAX + 16];
    char said[8];
    snprintf(dir, sizeof(dir), "%s/overlay-try", check->dir);
    bool is_there =
        mkdir(dir, 0700) == 0 && gr_check_run(NULL, overlay, dir, said, sizeof(said)) == 0;
    gr_check_add(check, "overlay", is_there,
                 "an image is unpacked anew for each task, which takes time and disk",
                 "keep the state directory on a plain file system such as ext4 or xfs", "%s",
                 is_there ? "a container's root is an image and a layer for what it writes"
                          : "an overlay cannot be mounted on the state directory");
}

// ---- the rest -----------------------------------------------------------------------------------

static void check_users(struct gr_check *check)
{
    bool is_there = is_root() && run_plain(be_another) == 0;
    if (is_there) {
        gr_check_add(check, "other users", true, "", "",
                     "jobs run with uid, gid and groups of their users");
        return;
    }
    gr_check_add(check, "other users", false, "only jobs of the daemon's own user are taken",
                 "start the daemon as root (CAP_SETUID, CAP_SETGID)",
                 is_root() ? "the right to change users was taken from root"
                           : "the daemon is user %u",
                 (unsigned)geteuid());
}

static void check_namespaces(struct gr_check *check)
{
    bool is_there = run_plain(user_namespace) == 0;
    gr_check_add(check, "user namespaces", is_there,
                 is_root() ? "nothing for this daemon, which is root"
                           : "no containers, as the daemon is not root",
                 "allow them: sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone",
                 "%s",
                 is_there ? "an ordinary user can make one" : "an ordinary user cannot make one");
}

// Watching files, and how many; see checkpoints.h.
static void check_checkpoints(struct gr_check *check)
{
    char path[PATH_MAX + 16];
    char text[24] = "";
    snprintf(path, sizeof(path), "%s/checkpoint", check->dir);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    bool is_there = file >= 0 && notify >= 0 &&
                    inotify_add_watch(notify, path, IN_ATTRIB | IN_ONESHOT) >= 0 &&
                    futimens(file, NULL) == 0;
    struct pollfd news = {.fd = notify, .events = POLLIN};
    is_there = is_there && poll(&news, 1, 1000) == 1;
    int limit = open("/proc/sys/fs/inotify/max_user_watches", O_RDONLY | O_CLOEXEC);
    ssize_t size = limit < 0 ? 0 : read(limit, text, sizeof(text) - 1);
    long most = size > 0 ? strtol(text, NULL, 10) : 0;
    most = most <= 0 || most > GR_CHECKPOINTS_WATCHES_MAX ? GR_CHECKPOINTS_WATCHES_MAX : most;
    gr_check_add(check, "checkpoint files", is_there,
                 "a touched $GRANARY_CHECKPOINT is noticed within half a minute, not at once",
                 "a state directory on a local file system, and room in "
                 "fs.inotify.max_user_instances",
                 is_there
                     ? "inotify tells of a touch; up to %ld files at a time, others are looked "
                       "at"
                     : "no file in the state directory can be watched",
                 most);
    int fds[] = {file, notify, limit};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

static void check_adoption(struct gr_check *check)
{
    bool is_there = run_plain(adopt) == 0;
    gr_check_add(check, "jobs outlive the daemon", is_there, "a job's end is lost with the daemon",
                 "a kernel with PR_SET_CHILD_SUBREAPER (Linux 3.4 on)", "%s",
                 is_there ? "keepers adopt what jobs leave, and hold output and exit code"
                          : "a process cannot adopt the orphans of its children");
}

// How many files the four folders hold; `ret_wrong` names one that others could change.
static unsigned scripts_count(const char *dir, char *ret_wrong, size_t size)
{
    unsigned count = 0;
    for (unsigned i = 0; i < GR_CHECKS_WHENS; i++) {
        char folder[PATH_MAX];
        struct dirent *entry;
        const char *name = gr_node_checks_folder((enum gr_node_checks_when)i);
        snprintf(folder, sizeof(folder), "%s/%s", dir, name);
        DIR *list = opendir(folder);
        while (list != NULL && (entry = readdir(list)) != NULL) {
            struct stat st;
            if (entry->d_name[0] == '.' || fstatat(dirfd(list), entry->d_name, &st, 0) != 0 ||
                !S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0) {
                continue;
            }
            count++;
            if ((st.st_mode & 022) != 0 || (st.st_uid != 0 && st.st_uid != geteuid())) {
                snprintf(ret_wrong, size, "%s/%.64s", name, entry->d_name);
            }
        }
        if (list != NULL) {
            closedir(list);
        }
    }
    return count;
}

static void check_scripts(struct gr_check *check)
{
    static const char name[] = "node checks";
    static const char without[] = "a sick machine is found only by what the devices say";
    static const char remedy[] = "put scripts into start.d, before.d, after.d, return.d of the "
                                 "directory; root's, writable by nobody else";
    char wrong[100] = "";
    const char *dir = check->config->checks;
    struct stat st;
    if (dir == NULL || dir[0] == '\0') {
        gr_check_add(check, name, false, without, "name a directory: granary serve --checks DIR",
                     "no directory with scripts is named");
    } else if (stat(dir, &st) != 0) {
        gr_check_add(check, name, false, without, remedy, "%.100s: %s", dir, strerror(errno));
    } else {
        unsigned count = scripts_count(dir, wrong, sizeof(wrong));
        if (wrong[0] != '\0') {
            gr_check_add(check, name, false, "the node is unwell until this is put right", remedy,
                         "%s may be changed by others and is not run", wrong);
        } else {
            gr_check_add(check, name, count > 0, without, remedy, "%u script%s in %.100s", count,
                         count == 1 ? "" : "s", dir);
        }
    }
}

int gr_local_check(const struct gr_local_config *config, struct gr_local_check *ret_checks,
                   unsigned most, struct gr_err *err)
{
    assert(config != NULL && ret_checks != NULL);
    struct gr_check *check = calloc(1, sizeof(*check));
    if (check == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for the checks");
    }
    check->lines = ret_checks;
    check->most = most;
    check->config = config;
    int code = gr_check_folder_make(check, err);
    if (code == 0) {
        gr_cgroup_means_find(check->dir, &check->means);
        gr_check_sweep(&check->means);
        check_users(check);
        check_adoption(check);
        check_checkpoints(check);
        check_kill(check);
        check_memory(check);
        check_cpu(check);
        check_pids(check);
        check_devices(check);
        gr_check_runtime(check, "crun", config->crun);
        gr_check_runtime(check, "runc", config->runc);
        check_overlay(check);
        check_namespaces(check);
        check_scripts(check);
        gr_check_folder_remove(check);
        code = (int)check->count;
    }
    free(check);
    return code;
}
