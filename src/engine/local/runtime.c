// Runs crun or runc: see runtime.h. Between fork and exec the child is one thread of a process that
// has no other, so that it may allocate; it says what failed through a pipe.
#include "engine/local/runtime.h"

#include "base/clock.h"
#include "engine/local/bundle.h"
#include "engine/local/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
// Trees of v1 control groups at most.
#define TREES_MAX 32
// Bytes of the runtime's last words.
#define WORDS_SIZE 600

// What the child says before it can run the runtime.
struct fault {
    int code;         // -errno
    bool is_rootless; // as it was before the child became 0 of a user namespace
    char what[60];    // what it did
};

bool gr_runtime_is_rootless(void)
{
    return geteuid() != 0;
}

bool gr_runtime_is_runc(const char *program)
{
    const char *slash = strrchr(program, '/');
    return strncmp(slash == NULL ? program : slash + 1, "runc", 4) == 0;
}

// ---- control groups: what the runtime is shown
// ---------------------------------------------------

// Mount points of v1 trees directly below CGROUP_ROOT; whether v2 is mounted anywhere below it.
struct mounts {
    char names[TREES_MAX][64];
    unsigned count;
    bool has_v2;
    bool is_v2_root; // v2 is CGROUP_ROOT itself
};

static void mount_take(struct mounts *mounts, const char *path, const char *type)
{
    size_t size = strlen(CGROUP_ROOT);
    if (strncmp(path, CGROUP_ROOT, size) != 0 || (path[size] != '/' && path[size] != '\0')) {
        return;
    }
    const char *name = path + size + (path[size] == '/');
    if (strcmp(type, "cgroup2") == 0) {
        mounts->has_v2 = true;
        mounts->is_v2_root |= name[0] == '\0';
    } else if (strcmp(type, "cgroup") == 0 && name[0] != '\0' && strchr(name, '/') == NULL &&
               strlen(name) < sizeof(mounts->names[0]) && mounts->count < TREES_MAX) {
        strcpy(mounts->names[mounts->count++], name);
    }
}

static void mounts_read(struct mounts *ret_mounts)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t room = 0;
    memset(ret_mounts, 0, sizeof(*ret_mounts));
    while (file != NULL && getline(&line, &room, file) > 0) {
        char *rest;
        char *dash = strstr(line, " - ");
        char *field = strtok_r(line, " ", &rest);
        for (int i = 0; i < 4 && field != NULL; i++) {
            field = strtok_r(NULL, " ", &rest);
        }
        char *type = dash == NULL ? NULL : dash + 3;
        if (field != NULL && type != NULL) {
            type[strcspn(type, " ")] = '\0';
            mount_take(ret_mounts, field, type);
        }
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
}

bool gr_runtime_is_hybrid(void)
{
    struct mounts mounts;
    mounts_read(&mounts);
    return mounts.has_v2 && !mounts.is_v2_root && mounts.count > 0;
}

// A fresh tmpfs with the v1 trees and nothing else over the place of control groups.
static int view_mount(struct fault *fault)
{
    struct mounts mounts;
    int fds[TREES_MAX];
    mounts_read(&mounts);
    snprintf(fault->what, sizeof(fault->what), "show v1 control groups alone");
    if (!mounts.has_v2 || mounts.is_v2_root || mounts.count == 0) {
        return 0;
    }
    for (unsigned i = 0; i < mounts.count; i++) {
        char path[128];
        snprintf(path, sizeof(path), CGROUP_ROOT "/%s", mounts.names[i]);
        fds[i] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (mount("tmpfs", CGROUP_ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") != 0) {
        return -errno;
    }
    for (unsigned i = 0; i < mounts.count; i++) {
        char path[128];
        char from[64];
        snprintf(path, sizeof(path), CGROUP_ROOT "/%s", mounts.names[i]);
        snprintf(from, sizeof(from), "/proc/self/fd/%d", fds[i]);
        if (fds[i] < 0 || mkdir(path, 0755) != 0 || mount(from, path, NULL, MS_BIND, NULL) != 0) {
            return -errno;
        }
        close(fds[i]);
    }
    return 0;
}

// ---- in the child -------------------------------------------------------------------------------

static int file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int code = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
    close(fd);
    return code;
}

// A mount namespace of its own; as an ordinary user within a user namespace, where it is 0.
static int namespaces_enter(struct fault *fault)
{
    char map[64];
    unsigned uid = (unsigned)geteuid();
    unsigned gid = (unsigned)getegid();
    bool is_rootless = fault->is_rootless;
    int code = 0;
    snprintf(fault->what, sizeof(fault->what), "make a %s namespace",
             is_rootless ? "user" : "mount");
    if (unshare(CLONE_NEWNS | (is_rootless ? CLONE_NEWUSER : 0)) != 0) {
        return -errno;
    }
    if (is_rootless) {
        snprintf(map, sizeof(map), "0 %u 1\n", uid);
        code = file_write("/proc/self/uid_map", map);
        code = code < 0 ? code : file_write("/proc/self/setgroups", "deny");
        snprintf(map, sizeof(map), "0 %u 1\n", gid);
        code = code < 0 ? code : file_write("/proc/self/gid_map", map);
    }
    if (code == 0 && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) {
        code = -errno;
    }
    return code;
}

// Opens the working directory as its user would: root's rights must not lead through folders that
// are closed to him. Returns a file descriptor or -errno.
static int work_open(const struct gr_runtime_stage *stage, bool is_rootless)
{
    int fd;
    if (is_rootless) {
        fd = open(stage->work, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
    }
    gid_t groups[256];
    uint32_t count = stage->group_count < 256 ? stage->group_count : 256;
    for (uint32_t i = 0; i < count; i++) {
        groups[i] = stage->groups[i];
    }
    if (setgroups(count, groups) != 0 || setegid(stage->gid) != 0 || seteuid(stage->uid) != 0) {
        return -errno;
    }
    fd = open(stage->work, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int code = fd < 0 ? -errno : fd;
    if (seteuid(0) != 0 || setegid(0) != 0 || setgroups(0, NULL) != 0) {
        _exit(127);
    }
    return code;
}

static int fd_bind(int fd, const char *to, unsigned long flags)
{
    char from[64];
    snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    return mount(from, to, NULL, MS_BIND | flags, NULL) == 0 ? 0 : -errno;
}

// The same folder through this namespace's own mounts, which alone can be mounted again. Only if
// the path leads to the very folder: it was opened with the submitter's rights, the path is not.
static int folder_again(int fd)
{
    char from[64];
    char path[PATH_MAX];
    struct stat want, found;
    snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(from, path, sizeof(path) - 1);
    if (size < 0 || fstat(fd, &want) != 0) {
        return -errno;
    }
    path[size] = '\0';
    int again = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (again < 0 || fstat(again, &found) != 0) {
        return -errno;
    }
    return want.st_dev == found.st_dev && want.st_ino == found.st_ino ? again : -ESTALE;
}

// Puts the root together in the folder that we are in.
static int root_mount(const struct gr_runtime_stage *stage, struct fault *fault)
{
    char options[160];
    if (stage->root < 0) {
        return 0;
    }
    snprintf(fault->what, sizeof(fault->what), "open the image's root again");
    int root = folder_again(stage->root);
    if (root < 0) {
        return root;
    }
    if (!stage->is_overlay) {
        snprintf(fault->what, sizeof(fault->what), "mount the root");
        return fd_bind(root, GR_BUNDLE_ROOT, MS_REC);
    }
    // Names without a path, since a path may hold what separates options.
    snprintf(options, sizeof(options), "lowerdir=/proc/self/fd/%d,upperdir=upper,workdir=overlay%s",
             root, fault->is_rootless ? ",userxattr" : "");
    snprintf(fault->what, sizeof(fault->what), "mount the overlay");
    if (mount("overlay", GR_BUNDLE_ROOT, "overlay", MS_NODEV, options) != 0) {
        return -ENOTSUP;
    }
    return 0;
}

static int stage_set(const struct gr_runtime_stage *stage, struct fault *fault)
{
    int code = root_mount(stage, fault);
    if (code == 0 && stage->work[0] != '\0') {
        snprintf(fault->what, sizeof(fault->what), "open the working directory as the user");
        int fd = work_open(stage, fault->is_rootless);
        code = fd < 0 ? fd : fd_bind(fd, GR_BUNDLE_WORK, MS_REC);
    }
    return code;
}

static int streams_set(const struct gr_runtime_stage *stage)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int output = stage == NULL ? null : stage->output;
    int error = stage == NULL ? null : stage->error;
    // Copies above 2 first: the two may be each other's number.
    int copies[3] = {null, fcntl(output, F_DUPFD_CLOEXEC, 3), fcntl(error, F_DUPFD_CLOEXEC, 3)};
    for (int i = 0; i < 3; i++) {
        if (copies[i] < 0 || dup2(copies[i], i) < 0) {
            return -errno;
        }
    }
    // A copy onto itself keeps the mark that closes it.
    return fcntl(0, F_SETFD, 0) == 0 ? 0 : -errno;
}

static void signals_reset(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 1; i < NSIG; i++) {
        signal(i, SIG_DFL);
    }
}

static int child_prepare(const struct gr_runtime *runtime, struct fault *fault)
{
    const struct gr_runtime_stage *stage = runtime->stage;
    int code;
    signals_reset();
    setsid();
    snprintf(fault->what, sizeof(fault->what), "enter the control group");
    if (stage != NULL && stage->group != NULL && (code = gr_cgroup_enter(stage->group)) < 0) {
        return code;
    }
    gr_process_oom_set(stage != NULL ? stage->oom_adjust : INT_MIN);
    if ((code = namespaces_enter(fault)) < 0 || (code = view_mount(fault)) < 0) {
        return code;
    }
    snprintf(fault->what, sizeof(fault->what), "enter the bundle");
    if (chdir(runtime->box) != 0) {
        return -errno;
    }
    if (stage != NULL && (code = stage_set(stage, fault)) < 0) {
        return code;
    }
    snprintf(fault->what, sizeof(fault->what), "set standard output and error");
    return streams_set(stage);
}

static void child_run(const struct gr_runtime *runtime, int report)
{
    // Runtimes read variables of their own; they get none but these.
    static const char *const plain[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/",
        "XDG_RUNTIME_DIR=/nonexistent", NULL};
    struct fault fault = {.is_rootless = gr_runtime_is_rootless()};
    int code = child_prepare(runtime, &fault);
    if (code == 0) {
        (void)syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
        umask(022);
        execve(runtime->program, (char *const *)(uintptr_t)runtime->argv,
               (char *const *)(uintptr_t)plain);
        code = -errno;
        snprintf(fault.what, sizeof(fault.what), "run %.40s", runtime->program);
    }
    fault.code = code;
    (void)!write(report, &fault, sizeof(fault));
    _exit(127);
}

// ---- the caller ---------------------------------------------------------------------------------

// Waits for the end of the child, at most that long; kills it and what it started otherwise.
static int child_wait(const struct gr_runtime *runtime, pid_t pid, int *ret_status)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0u);
    int64_t end_ms = gr_clock_ms() + runtime->timeout_ms;
    int got = 0;
    while (fd >= 0 && got == 0) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int64_t left_ms = end_ms - gr_clock_ms();
        if (left_ms <= 0) {
            break;
        }
        got = poll(&wait, 1, (int)left_ms);
        got = got < 0 && errno == EINTR ? 0 : got;
    }
    bool is_late = fd >= 0 && got == 0;
    if (is_late) {
        if (runtime->stage != NULL && runtime->stage->group != NULL) {
            (void)gr_cgroup_kill(runtime->stage->group);
        }
        kill(-pid, SIGKILL); // it leads a session of its own
        kill(pid, SIGKILL);
    }
    if (fd >= 0) {
        close(fd);
    }
    while (waitpid(pid, ret_status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return is_late ? -ETIMEDOUT : 0;
}

// The last line of BOX/log without what stands before its text.
static void last_words(const char *box, char *ret_words, size_t size)
{
    char path[4200];
    char text[WORDS_SIZE * 4];
    ret_words[0] = '\0';
    snprintf(path, sizeof(path), "%s/log", box);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return;
    }
    off_t end = lseek(fd, 0, SEEK_END);
    off_t from = end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0;
    ssize_t got = pread(fd, text, sizeof(text) - 1, from);
    close(fd);
    while (got > 0 && text[got - 1] == '\n') {
        got--;
    }
    text[got > 0 ? got : 0] = '\0';
    const char *line = strrchr(text, '\n');
    line = line == NULL ? text : line + 1;
    const char *message = strstr(line, "msg=\"");
    message = message != NULL ? message + 5 : line;
    size_t length = strlen(message);
    length -= length > 0 && message[length - 1] == '"';
    snprintf(ret_words, size, "%.*s", (int)length, message);
}

static int status_check(const struct gr_runtime *runtime, int status, struct gr_err *err)
{
    char words[WORDS_SIZE];
    const char *name = gr_runtime_is_runc(runtime->program) ? "runc" : "crun";
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }
    last_words(runtime->box, words, sizeof(words));
    if (WIFSIGNALED(status)) {
        return gr_fail(err, -EIO, "%s was ended by signal %d: %s", name, WTERMSIG(status), words);
    }
    return gr_fail(err, -EIO, "%s: %s", name,
                   words[0] != '\0' ? words : "failed without saying why");
}

int gr_runtime_run(const struct gr_runtime *runtime, struct gr_err *err)
{
    assert(runtime->timeout_ms > 0 && runtime->timeout_ms <= GR_RUNTIME_MS_MAX);
    struct fault fault;
    int pipes[2];
    int status = 0;
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        return gr_fail_errno(err, "make a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        child_run(runtime, pipes[1]);
    }
    close(pipes[1]);
    if (pid < 0) {
        close(pipes[0]);
        return gr_fail_errno(err, "start the container runtime");
    }
    int code = child_wait(runtime, pid, &status);
    // The child wrote whole or nothing; the pipe closed when it ran the runtime.
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    bool is_fault = read(pipes[0], &fault, sizeof(fault)) == (ssize_t)sizeof(fault);
    close(pipes[0]);
    if (code == -ETIMEDOUT) {
        return gr_fail(err, code, "%s did not end within %d s and was killed", runtime->program,
                       runtime->timeout_ms / 1000);
    }
    if (code < 0) {
        return gr_fail(err, code, "wait for %s: %s", runtime->program, strerror(-code));
    }
    if (is_fault) {
        return gr_fail(err, fault.code, "%.60s: %s", fault.what, strerror(-fault.code));
    }
    return status_check(runtime, status, err);
}

int gr_runtime_version(const char *program, char *ret_text, size_t size, struct gr_err *err)
{
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        return gr_fail_errno(err, "make a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        char *const argv[] = {(char *)(uintptr_t)program, (char[]){"--version"}, NULL};
        signals_reset();
        dup2(pipes[1], 1);
        execv(program, argv);
        _exit(127);
    }
    close(pipes[1]);
    size_t have = 0;
    ssize_t got = pid < 0 ? -1 : 1;
    while (got > 0 && have < size - 1) {
        got = read(pipes[0], ret_text + have, size - 1 - have);
        have += got > 0 ? (size_t)got : 0;
        got = got < 0 && errno == EINTR ? 1 : got;
    }
    close(pipes[0]);
    int status = -1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    ret_text[have] = '\0';
    ret_text[strcspn(ret_text, "\n")] = '\0';
    if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == 127 || ret_text[0] == '\0') {
        return gr_fail(err, -ENOENT, "%s cannot be run", program);
    }
    return 0;
}
