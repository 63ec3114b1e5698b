// The launcher's loop, and how it becomes a launcher: see launcher.h.
#include "engine/local/launcher.h"

#include "base/clock.h"
#include "engine/local/environment.h"
#include "engine/local/keeper.h"
#include "engine/local/launcher_parts.h"

#include "device/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Bytes read from the daemon at a time, and orders carried out before children are looked after.
#define READ_SIZE ((size_t)256 << 10)
#define ORDERS_AT_A_TIME 32
// Bytes that the pipe of hints should hold.
#define HINTS_SIZE (1 << 20)
// How often an idle launcher looks whether its directory is still there, and rests.
#define LOOK_MS 5000
// What the kernel may end before the launcher and the keepers: anything.
#define OOM_ADJUST (-900)

// What an event of epoll is about; other values are pointers to attempts.
enum watched {
    WATCH_LISTEN = 1,
    WATCH_DAEMON,
    WATCH_NEXT,
    WATCH_HINTS,
    WATCH_SIGNALS,
    WATCHES,
};

// ---- connections --------------------------------------------------------------------------------

static void peer_close(struct launcher_peer *peer)
{
    if (peer->socket >= 0) {
        (void)close(peer->socket);
    }
    gr_wire_buffer_done(&peer->in);
    gr_wire_buffer_done(&peer->out);
    *peer = (struct launcher_peer){.socket = -1};
}

static void peer_watch(const struct launcher *launcher, struct launcher_peer *peer,
                       enum watched watched, uint32_t events)
{
    if (peer->socket < 0 || peer->watched == events) {
        return;
    }
    struct epoll_event event = {.events = events, .data.u64 = watched};
    (void)epoll_ctl(launcher->poll_fd, peer->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
                    peer->socket, &event);
    peer->watched = events;
}

static void accept_next(struct launcher *launcher)
{
    int fd = gr_wire_accept(launcher->listen_fd);
    if (fd < 0) {
        return;
    }
    peer_close(&launcher->next); // who has not said its name by now has lost its turn
    launcher->next.socket = fd;
    peer_watch(launcher, &launcher->next, WATCH_NEXT, EPOLLIN);
}

// Reads what is there. Returns whether the connection still stands.
static bool peer_read(struct launcher_peer *peer)
{
    long size = gr_wire_receive(&peer->in, peer->socket, READ_SIZE);
    peer->has_more = true;
    return size >= 0 || size == -EAGAIN;
}

// Looks a program up in PATH. "" if it is not there.
static void program_find(const char *name, char ret_path[GR_WIRE_PATH_SIZE])
{
    const char *path = getenv("PATH");
    path = path != NULL && path[0] != '\0' ? path
                                           : "/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                                             "/usr/bin:/sbin:/bin";
    for (const char *at = path;; at++) {
        size_t size = strcspn(at, ":");
        int length = snprintf(ret_path, GR_WIRE_PATH_SIZE, "%.*s/%s", (int)size, at, name);
        if (size > 0 && at[0] == '/' && length < GR_WIRE_PATH_SIZE && access(ret_path, X_OK) == 0) {
            return;
        }
        at += size;
        if (*at == '\0') {
            break;
        }
    }
    ret_path[0] = '\0';
}

// Takes a path of the greeting; "?" stands for "look it up".
static void program_take(const char *given, const char *name, char ret_path[GR_WIRE_PATH_SIZE])
{
    if (strcmp(given, "?") == 0) {
        program_find(name, ret_path);
    } else {
        (void)snprintf(ret_path, GR_WIRE_PATH_SIZE, "%s", given);
    }
}

// Answers a greeting. The connection becomes the daemon's if it may order.
static int greet(struct launcher *launcher, const uint8_t *body, size_t size, struct gr_err *err)
{
    struct gr_wire_hello hello;
    if (size < sizeof(uint32_t)) {
        return gr_fail(err, -EBADMSG, "a greeting is not whole");
    }
    memset(&hello, 0, sizeof hello);
    memcpy(&hello, body, size < sizeof hello ? size : sizeof hello);
    bool is_ours = hello.form == gr_wire_form() && size == sizeof hello;
    int code = is_ours ? gr_launcher_epoch_raise(launcher, hello.epoch, err) : 0;
    if (code != 0) {
        return code;
    }
    bool may_order = is_ours && hello.epoch == launcher->epoch;
    if (may_order) {
        hello.checks[sizeof hello.checks - 1] = '\0';
        hello.crun[sizeof hello.crun - 1] = '\0';
        hello.runc[sizeof hello.runc - 1] = '\0';
        hello.server[sizeof hello.server - 1] = '\0';
        hello.door[sizeof hello.door - 1] = '\0';
        launcher->idle_warn_ms = hello.idle_warn_ms;
        (void)snprintf(launcher->checks, sizeof launcher->checks, "%s", hello.checks);
        (void)snprintf(launcher->server, sizeof launcher->server, "%s", hello.server);
        (void)snprintf(launcher->door, sizeof launcher->door, "%s", hello.door);
        program_take(hello.crun, "crun", launcher->crun);
        program_take(hello.runc, "runc", launcher->runc);
    }
    struct gr_wire_welcome welcome = {
        .form = gr_wire_form(),
        .epoch = launcher->epoch,
        .can = gr_launcher_can(launcher),
        .pid = getpid(),
    };
    code = gr_wire_add(&launcher->next.out, GR_WIRE_WELCOME, &welcome, sizeof welcome);
    code = code != 0 ? code : gr_wire_send(&launcher->next.out, launcher->next.socket);
    if (code == 0 && may_order) {
        peer_close(&launcher->daemon);
        launcher->daemon = launcher->next;
        launcher->next = (struct launcher_peer){.socket = -1};
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = WATCH_DAEMON};
        (void)epoll_ctl(launcher->poll_fd, EPOLL_CTL_MOD, launcher->daemon.socket, &event);
        launcher->daemon.watched = EPOLLIN;
    }
    return code;
}

// Takes what somebody says who has not said its name: a greeting, or the order to end.
static void next_serve(struct launcher *launcher)
{
    struct launcher_peer *next = &launcher->next;
    bool stands = peer_read(next);
    while (next->socket >= 0) {
        const uint8_t *body = NULL;
        size_t size = 0;
        struct gr_err err;
        gr_err_init(&err);
        int type = gr_wire_take(&next->in, &body, &size);
        int code = 0;
        if (type == GR_WIRE_HELLO) {
            code = greet(launcher, body, size, &err);
        } else if (type == GR_WIRE_QUIT) {
            launcher->is_over = true;
        } else if (type != 0) {
            code = -EBADMSG;
        }
        if (code != 0 || (type == 0 && !stands)) {
            peer_close(next);
        }
        if (type == 0) {
            return;
        }
    }
}

// Carries out some of the daemon's orders.
static void daemon_serve(struct launcher *launcher)
{
    struct launcher_peer *daemon = &launcher->daemon;
    for (unsigned i = 0; i < ORDERS_AT_A_TIME && daemon->socket >= 0; i++) {
        const uint8_t *body = NULL;
        size_t size = 0;
        struct gr_err err;
        gr_err_init(&err);
        if (gr_launcher_is_full(launcher)) {
            return;
        }
        int type = gr_wire_take(&daemon->in, &body, &size);
        if (type == 0) {
            daemon->has_more = false;
            return;
        }
        if (type == GR_WIRE_QUIT) {
            launcher->is_over = true;
        } else if (type < 0 || gr_launcher_obey(launcher, type, body, size, &err) != 0) {
            peer_close(daemon);
        }
    }
}

// ---- the loop -----------------------------------------------------------------------------------

static void signals_read(struct launcher *launcher)
{
    struct signalfd_siginfo infos[16];
    ssize_t size = read(launcher->signal_fd, infos, sizeof infos);
    for (size_t i = 0; size > 0 && i < (size_t)size / sizeof infos[0]; i++) {
        launcher->is_over = launcher->is_over || infos[i].ssi_signo == SIGTERM;
    }
    gr_launcher_reap(launcher);
}

static void event_serve(struct launcher *launcher, const struct epoll_event *event)
{
    if (event->data.u64 >= WATCHES) {
        struct launcher_attempt *attempt = event->data.ptr;
        if (attempt->pid_fd >= 0) {
            gr_launcher_keeper_ended(launcher, attempt);
        }
        return;
    }
    switch ((enum watched)event->data.u64) {
    case WATCH_LISTEN:
        accept_next(launcher);
        break;
    case WATCH_DAEMON:
        if (launcher->daemon.socket >= 0 && (event->events & ~(uint32_t)EPOLLOUT) != 0 &&
            !launcher->daemon.has_more && !peer_read(&launcher->daemon)) {
            daemon_serve(launcher); // what it said before it went
            peer_close(&launcher->daemon);
        }
        break;
    case WATCH_NEXT:
        if (launcher->next.socket >= 0) {
            next_serve(launcher);
        }
        break;
    case WATCH_HINTS:
        gr_launcher_hints_read(launcher);
        break;
    case WATCH_SIGNALS:
        signals_read(launcher);
        break;
    case WATCHES:
        break;
    }
}

// Whether the engine's directory was removed: then nobody can find this launcher any more.
static bool is_dir_gone(const struct launcher *launcher)
{
    struct stat about;
    return fstat(launcher->dir_fd, &about) == 0 && about.st_nlink == 0;
}

// Milliseconds until something is to be done anyway.
static int timeout_ms(const struct launcher *launcher)
{
    if (launcher->daemon.has_more && !gr_launcher_is_full(launcher)) {
        return 0;
    }
    int64_t now_ms = gr_clock_ms();
    int64_t left_ms =
        launcher->settle_at_ms == INT64_MAX ? LOOK_MS : launcher->settle_at_ms - now_ms;
    return left_ms < 0 ? 0 : left_ms > LOOK_MS ? LOOK_MS : (int)left_ms;
}

static void serve(struct launcher *launcher)
{
    struct launcher_peer *daemon = &launcher->daemon;
    while (!launcher->is_over) {
        struct epoll_event events[64];
        int wait_ms = timeout_ms(launcher);
        int count = epoll_wait(launcher->poll_fd, events, 64, wait_ms);
        if (count == 0 && wait_ms == LOOK_MS) {
            gr_launcher_rest(launcher);
            launcher->is_over = launcher->is_over || is_dir_gone(launcher);
        }
        for (int i = 0; i < count; i++) {
            event_serve(launcher, &events[i]);
        }
        if (daemon->socket >= 0 && daemon->has_more) {
            daemon_serve(launcher);
        }
        if (launcher->settle_at_ms <= gr_clock_ms()) {
            gr_launcher_settle(launcher);
        }
        gr_launcher_tell(launcher);
        if (daemon->socket >= 0 && gr_wire_send(&daemon->out, daemon->socket) != 0) {
            peer_close(daemon);
        }
        uint32_t events_wanted = (daemon->has_more ? 0 : (uint32_t)EPOLLIN) |
                                 (gr_wire_buffer_size(&daemon->out) > 0 ? (uint32_t)EPOLLOUT : 0);
        // Hanging up is told in any case, so at least that is asked for.
        peer_watch(launcher, daemon, WATCH_DAEMON,
                   events_wanted != 0 ? events_wanted : (uint32_t)EPOLLRDHUP);
    }
}

// ---- becoming a launcher ------------------------------------------------------------------------

static void quiet_handler(int signal)
{
    (void)signal; // only so that a wait is interrupted
}

static void signals_set(struct launcher *launcher)
{
    sigset_t set;
    for (int signal_number = 1; signal_number < NSIG; signal_number++) {
        (void)signal(signal_number, SIG_DFL);
    }
    struct sigaction action = {.sa_handler = quiet_handler};
    (void)sigaction(SIGCHLD, &action, NULL);
    (void)sigaction(GR_KEEPER_SIGNAL, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    launcher->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    // Blocked in keepers too, who wait for signals in their own time.
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, GR_KEEPER_SIGNAL);
    (void)sigprocmask(SIG_SETMASK, &set, NULL);
}

// Closes everything but `ready`, and occupies the numbers of launcher_fd. Returns the new number of
// `ready`, -1 if there is none.
static int fds_set(int ready)
{
    int kept = ready < 0 ? -1 : fcntl(ready, F_DUPFD_CLOEXEC, 100);
    if (kept >= 0) {
        (void)syscall(SYS_close_range, 0U, (unsigned)kept - 1, 0U);
        (void)syscall(SYS_close_range, (unsigned)kept + 1, ~0U, 0U);
    } else {
        (void)syscall(SYS_close_range, 0U, ~0U, 0U);
    }
    for (int fd = 0; fd < LAUNCHER_FD_OWN; fd++) {
        (void)open("/dev/null", fd <= STDERR_FILENO ? O_RDWR : O_RDWR | O_CLOEXEC);
    }
    return kept;
}

// Makes a directory that must be this user's own afterwards. Returns it open, or -errno with text.
static int own_dir(const struct launcher *launcher, const char *name, mode_t mode,
                   struct gr_err *err)
{
    struct stat about;
    if (mkdirat(launcher->dir_fd, name, mode) != 0 && errno != EEXIST) {
        return gr_fail_errno(err, "make %s/%s", launcher->dir, name);
    }
    int fd = openat(launcher->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0) {
        return gr_fail_errno(err, "open %s/%s", launcher->dir, name);
    }
    if (about.st_uid != geteuid() || (about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        (void)close(fd);
        return gr_fail(err, -EPERM, "%s/%s must belong to user %u and be writable for nobody else",
                       launcher->dir, name, (unsigned)geteuid());
    }
    (void)fchmod(fd, mode);
    return fd;
}

static int hints_open(struct launcher *launcher, struct gr_err *err)
{
    if (mkfifoat(launcher->dir_fd, "hints", 0600) != 0 && errno != EEXIST) {
        return gr_fail_errno(err, "make %s/hints", launcher->dir);
    }
    int flags = O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
    launcher->hints_fd = openat(launcher->dir_fd, "hints", O_RDONLY | flags);
    int end = openat(launcher->dir_fd, "hints", O_WRONLY | flags);
    if (launcher->hints_fd < 0 || end < 0 || dup3(end, LAUNCHER_FD_HINTS, O_CLOEXEC) < 0) {
        return gr_fail_errno(err, "open %s/hints", launcher->dir);
    }
    (void)close(end);
    (void)fcntl(launcher->hints_fd, F_SETPIPE_SZ, HINTS_SIZE); // smaller is only slower
    return 0;
}

static int dirs_open(struct launcher *launcher, const char *dir, struct gr_err *err)
{
    char *path = realpath(dir, NULL);
    if (path == NULL || strlen(path) >= sizeof launcher->dir) {
        free(path);
        return gr_fail_errno(err, "%s", dir);
    }
    memcpy(launcher->dir, path, strlen(path) + 1);
    free(path);
    launcher->dir_fd = open(launcher->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (launcher->dir_fd < 0) {
        return gr_fail_errno(err, "open %s", launcher->dir);
    }
    launcher->lock_fd =
        openat(launcher->dir_fd, "launcher.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (launcher->lock_fd < 0) {
        return gr_fail_errno(err, "open %s/launcher.lock", launcher->dir);
    }
    if (flock(launcher->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? -EALREADY : gr_fail_errno(err, "lock %s", launcher->dir);
    }
    int attempts = own_dir(launcher, "attempts", 0711, err);
    launcher->live_fd = attempts < 0 ? attempts : own_dir(launcher, "live", 0700, err);
    if (launcher->live_fd < 0) {
        return launcher->live_fd;
    }
    if (dup3(attempts, LAUNCHER_FD_ATTEMPTS, O_CLOEXEC) < 0) {
        return gr_fail_errno(err, "open %s/attempts", launcher->dir);
    }
    (void)close(attempts);
    return hints_open(launcher, err);
}

// What the process itself is set to, for it and its keepers.
static void process_set(struct launcher *launcher)
{
    struct rlimit files;
    (void)prctl(PR_SET_NAME, "granary-launch");
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (getrlimit(RLIMIT_NOFILE, &launcher->files) == 0) {
        files = launcher->files;
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    char text[16] = "";
    int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    launcher->oom_adjust = INT_MIN;
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0) {
        int was = (int)strtol(text, NULL, 10);
        int length = snprintf(text, sizeof text, "%d", OOM_ADJUST);
        bool is_set = pwrite(fd, text, (size_t)length, 0) == length;
        // What protects the daemon's own unit is not for the jobs.
        launcher->oom_adjust = !is_set ? INT_MIN : was < 0 ? 0 : was;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}

// Does once what each keeper does: then the table of the vendors' variables is read, and what the C
// library binds late is bound, in all of them. What fails here fails in a keeper, who says why.
static void rehearse(void)
{
    struct gr_isolation_list list = {0};
    struct gr_environment environment = {0};
    if (gr_isolation_environment(NULL, 0, GR_ISOLATION_OWN, &list, NULL) == 0 && list.count > 0) {
        (void)gr_environment_put(&environment, list.items[0]);
    }
    (void)gr_environment_set(&environment, "GRANARY_JOB_ID", "%llu", 1ULL);
    gr_environment_done(&environment);
    gr_isolation_list_done(&list);
}

// Loads the device program that all tasks without devices share. Without it each loads its own.
static void program_load(struct launcher *launcher)
{
    int fd = gr_cgroup_no_device_program_load(&launcher->means);
    if (fd >= 0 && dup3(fd, LAUNCHER_FD_PROGRAM, O_CLOEXEC) >= 0) {
        launcher->means.no_device_program = LAUNCHER_FD_PROGRAM;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

static int watch(const struct launcher *launcher, int fd, enum watched watched, struct gr_err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = watched};
    return epoll_ctl(launcher->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0
               ? 0
               : gr_fail_errno(err, "watch a file descriptor");
}

static int launcher_init(struct launcher *launcher, const char *dir, struct gr_err *err)
{
    launcher->daemon.socket = -1;
    launcher->next.socket = -1;
    launcher->settle_at_ms = INT64_MAX;
    (void)umask(022);
    int code = dirs_open(launcher, dir, err);
    if (code != 0) {
        return code;
    }
    (void)chdir("/");
    process_set(launcher);
    signals_set(launcher);
    launcher->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (launcher->signal_fd < 0 || launcher->poll_fd < 0) {
        return gr_fail_errno(err, "open a signal and an event file descriptor");
    }
    gr_cgroup_means_find(launcher->dir, &launcher->means);
    program_load(launcher);
    rehearse();
    code = gr_launcher_epoch_read(launcher, err);
    code = code != 0 ? code : gr_record_boot_read(launcher->boot, err);
    code = code != 0 ? code : gr_launcher_table_init(&launcher->table, err);
    code = code != 0 ? code : gr_launcher_adopt(launcher, err);
    if (code == 0) {
        launcher->listen_fd = gr_wire_listen(launcher->dir_fd, err);
        code = launcher->listen_fd < 0 ? launcher->listen_fd : 0;
    }
    code = code != 0 ? code : watch(launcher, launcher->listen_fd, WATCH_LISTEN, err);
    code = code != 0 ? code : watch(launcher, launcher->hints_fd, WATCH_HINTS, err);
    return code != 0 ? code : watch(launcher, launcher->signal_fd, WATCH_SIGNALS, err);
}

static void ready_say(int ready, int code, const struct gr_err *err)
{
    if (ready < 0) {
        return;
    }
    const char *text = code == 0 ? "" : err->text;
    size_t size = code == 0 ? 1 : strlen(text);
    ssize_t count = write(ready, text, size);
    (void)count; // who waited for it may be gone
    (void)close(ready);
}

int gr_launcher_serve(const char *dir, int ready, struct gr_err *err)
{
    static struct launcher launcher;
    char here[PATH_MAX];
    // The directory may be named relative to where we are, which closing does not change.
    if (realpath(dir, here) == NULL) {
        int failed = gr_fail_errno(err, "%s", dir);
        ready_say(ready, failed, err);
        return failed;
    }
    ready = fds_set(ready);
    int code = launcher_init(&launcher, here, err);
    code = code == -EALREADY ? (launcher.is_over = true, 0) : code;
    ready_say(ready, code, err);
    if (code == 0) {
        serve(&launcher);
        gr_cgroup_pool_leave(&launcher.means); // a keeper that lives on leaves it as the last
        if (launcher.listen_fd > 0) {
            (void)unlinkat(launcher.dir_fd, "launcher.sock", 0);
        }
    }
    return code;
}
