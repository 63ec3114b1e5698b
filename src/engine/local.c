// The engine of this machine, the daemon's side: see local.h. Nothing here waits; what is to be
// done by time or when the launcher can take more comes through one file descriptor for epoll.
#include "engine/local.h"

#include "engine/local/checkpoints.h"
#include "engine/local/launch.h"
#include "engine/local/order.h"
#include "engine/local/wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Bytes of orders that wait for the launcher before start says -EAGAIN.
#define OUT_MAX ((size_t)64 << 20)
#define READ_SIZE ((size_t)256 << 10)
// How soon a lost launcher is looked for again: first, and at most.
#define AGAIN_MS_MIN 20
#define AGAIN_MS_MAX 2000
// How long opening waits for a launcher.
#define OPEN_MS 10000

// The engine.
struct local {
    struct gr_engine engine;
    char *dir;
    int dir_fd;
    int poll_fd; // what the caller watches
    int timer_fd;
    int socket;                    // -1: not connected
    bool is_up;                    // greeted
    bool is_down_owed, is_up_owed; // reports that are due
    bool is_stale;                 // a newer writer took our place: never to connect again
    bool is_full;                  // the socket is watched for room
    pid_t spawned;                 // a launcher that is our child; 0: none
    int64_t again_ms;
    uint32_t can;
    struct gr_wire_hello hello;
    struct gr_checkpoints *checkpoints;
    bool is_held; // `held` is to be reported after what was reported in its place
    struct gr_engine_report held;
    struct gr_wire_buffer in, out;
};

// ---- the connection -----------------------------------------------------------------------------

// Makes the caller's descriptor readable after `ms`; 0: at once.
static void timer_set(const struct local *local, int64_t ms)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 + 1}};
    (void)timerfd_settime(local->timer_fd, 0, &when, NULL);
}

static void timer_clear(const struct local *local)
{
    uint64_t count;
    ssize_t size = read(local->timer_fd, &count, sizeof count);
    (void)size; // not due: then there is nothing to clear
}

static void disconnect(struct local *local)
{
    if (local->socket >= 0) {
        (void)close(local->socket);
        local->socket = -1;
    }
    gr_wire_buffer_done(&local->in);
    gr_wire_buffer_done(&local->out);
    local->is_full = false;
    if (local->is_up) {
        local->is_up = false;
        local->is_up_owed = false;
        local->is_down_owed = true;
        local->again_ms = AGAIN_MS_MIN;
    }
}

static void again_later(struct local *local)
{
    timer_set(local, local->again_ms);
    local->again_ms = 2 * local->again_ms > AGAIN_MS_MAX ? AGAIN_MS_MAX : 2 * local->again_ms;
}

// Starts a launcher unless one that we started lives.
static void spawn(struct local *local)
{
    struct gr_err err;
    gr_err_init(&err);
    if (local->spawned > 0) {
        pid_t pid = waitpid(local->spawned, NULL, WNOHANG);
        local->spawned = pid == 0 ? local->spawned : 0;
    }
    if (local->spawned == 0) {
        pid_t pid = gr_launch_spawn(local->dir, &err);
        local->spawned = pid > 0 ? pid : 0;
    }
}

// Connects and greets. The welcome comes later.
static int connect_launcher(struct local *local, struct gr_err *err)
{
    int socket = gr_wire_connect(local->dir_fd, err);
    if (socket < 0) {
        return socket;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = socket};
    int code = gr_wire_add(&local->out, GR_WIRE_HELLO, &local->hello, sizeof local->hello);
    code = code != 0 ? code : gr_wire_send(&local->out, socket);
    if (code != 0 || epoll_ctl(local->poll_fd, EPOLL_CTL_ADD, socket, &event) != 0) {
        (void)close(socket);
        gr_wire_buffer_done(&local->out);
        return code != 0 ? gr_fail(err, code, "greet the launcher")
                         : gr_fail_errno(err, "watch the launcher's socket");
    }
    local->socket = socket;
    return 0;
}

// Takes the launcher's answer to the greeting.
static int welcome_take(struct local *local, const struct gr_wire_welcome *welcome,
                        struct gr_err *err)
{
    if (welcome->form != gr_wire_form()) {
        return gr_fail(
            err, -EPROTO,
            "the launcher of %s is of another version: start granary again, which replaces "
            "it; its jobs go on",
            local->dir);
    }
    if (welcome->epoch > local->hello.epoch) {
        local->is_stale = true;
        return gr_fail(err, -ESTALE,
                       "the engine in %s has served a writer of epoch %u, newer than this one (%u)",
                       local->dir, welcome->epoch, local->hello.epoch);
    }
    local->can = welcome->can;
    local->is_up = true;
    local->again_ms = AGAIN_MS_MIN;
    return 0;
}

static void connect_again(struct local *local)
{
    struct gr_err err;
    gr_err_init(&err);
    if (local->is_stale) {
        return;
    }
    int code = connect_launcher(local, &err);
    if (code == -ENOENT || code == -ECONNREFUSED) {
        spawn(local);
    }
    if (code != 0) {
        again_later(local);
    }
}

// Sends what waits, and watches for room if something is left.
static void flush(struct local *local)
{
    if (local->socket < 0) {
        return;
    }
    if (gr_wire_send(&local->out, local->socket) != 0) {
        disconnect(local);
        timer_set(local, 0);
        return;
    }
    bool is_full = gr_wire_buffer_size(&local->out) > 0;
    if (is_full != local->is_full) {
        struct epoll_event event = {.events = is_full ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                    .data.fd = local->socket};
        (void)epoll_ctl(local->poll_fd, EPOLL_CTL_MOD, local->socket, &event);
        local->is_full = is_full;
    }
}

// ---- orders -------------------------------------------------------------------------------------

static struct local *local_of(struct gr_engine *engine)
{
    return (struct local *)engine;
}

static int may_order(const struct local *local, struct gr_err *err)
{
    if (!local->is_up) {
        return gr_fail(err, -EAGAIN, "the launcher cannot be reached now");
    }
    return gr_wire_buffer_size(&local->out) < OUT_MAX
               ? 0
               : gr_fail(err, -EAGAIN, "too many orders wait for the launcher");
}

static int order_give(struct gr_engine *engine, enum gr_wire_type type,
                      const struct gr_engine_start *start, struct gr_err *err)
{
    struct local *local = local_of(engine);
    int code = may_order(local, err);
    code = code != 0 ? code : gr_order_add(&local->out, type, start, err);
    if (code == 0 && !local->is_full) {
        flush(local);
    }
    return code;
}

static int local_start(struct gr_engine *engine, const struct gr_engine_start *start,
                       struct gr_err *err)
{
    return order_give(engine, GR_WIRE_START, start, err);
}

static int local_start_part(struct gr_engine *engine, const struct gr_engine_start *start,
                            struct gr_err *err)
{
    return order_give(engine, GR_WIRE_PART_START, start, err);
}

static int frame_give(struct gr_engine *engine, enum gr_wire_type type, const void *body,
                      size_t size, struct gr_err *err)
{
    struct local *local = local_of(engine);
    int code = may_order(local, err);
    if (code == 0) {
        code = gr_wire_add(&local->out, type, body, size);
        code = code == 0 ? 0 : gr_fail(err, code, "no memory for an order");
    }
    if (code == 0 && !local->is_full) {
        flush(local);
    }
    return code;
}

static int ask(struct gr_engine *engine, enum gr_wire_type type, const struct gr_wire_ask *body,
               struct gr_err *err)
{
    return frame_give(engine, type, body, body == NULL ? 0 : sizeof *body, err);
}

static int local_stop_part(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                           uint32_t task, uint32_t part, uint32_t signal, int64_t grace_ms,
                           struct gr_err *err)
{
    struct gr_wire_part body = {.ask = {.job = job,
                                        .attempt = attempt,
                                        .epoch = epoch,
                                        .signal = signal,
                                        .grace_ms = grace_ms},
                                .task = task,
                                .part = part};
    if (signal < 1 || signal > 64) {
        return gr_fail(err, -EINVAL, "there is no signal %u", signal);
    }
    return frame_give(engine, GR_WIRE_PART_STOP, &body, sizeof body, err);
}

static int local_stop(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                      uint32_t signal, int64_t grace_ms, struct gr_err *err)
{
    struct gr_wire_ask body = {
        .job = job, .attempt = attempt, .epoch = epoch, .signal = signal, .grace_ms = grace_ms};
    if (signal < 1 || signal > 64) {
        return gr_fail(err, -EINVAL, "there is no signal %u", signal);
    }
    return ask(engine, GR_WIRE_STOP, &body, err);
}

static int local_signal(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                        uint32_t signal, struct gr_err *err)
{
    struct gr_wire_ask body = {.job = job, .attempt = attempt, .epoch = epoch, .signal = signal};
    if (signal < 1 || signal > 64) {
        return gr_fail(err, -EINVAL, "there is no signal %u", signal);
    }
    return ask(engine, GR_WIRE_SIGNAL, &body, err);
}

static int local_forget(struct gr_engine *engine, uint64_t job, uint32_t attempt, uint32_t epoch,
                        struct gr_err *err)
{
    struct gr_wire_ask body = {.job = job, .attempt = attempt, .epoch = epoch};
    return ask(engine, GR_WIRE_FORGET, &body, err);
}

static int local_list(struct gr_engine *engine, struct gr_err *err)
{
    return ask(engine, GR_WIRE_LIST, NULL, err);
}

// ---- reports ------------------------------------------------------------------------------------

static int local_fd(const struct gr_engine *engine)
{
    return ((const struct local *)engine)->poll_fd;
}

static uint32_t local_can(const struct gr_engine *engine)
{
    return ((const struct local *)engine)->can;
}

// Looks after the checkpoint file of an attempt that begins or is over. A touch that nobody has
// told of yet is reported first, and the end after it.
static void checkpoints_follow(struct local *local, struct gr_engine_report *report)
{
    struct gr_engine_report touched;
    if (report->type == GR_REPORT_STARTED) {
        gr_checkpoints_begin(local->checkpoints, report->job, report->attempt, report->since_ms);
    } else if (report->type == GR_REPORT_ENDED || report->type == GR_REPORT_LOST) {
        if (gr_checkpoints_end(local->checkpoints, report->job, report->attempt, &touched)) {
            local->held = *report;
            local->is_held = true;
            *report = touched;
        }
    }
}

// Takes one frame. Returns whether *ret_report is one to hand on, or -errno: the connection is bad.
static int frame_take(struct local *local, int type, const uint8_t *body, size_t size,
                      struct gr_engine_report *ret_report, struct gr_err *err)
{
    if (type == GR_WIRE_WELCOME && size == sizeof(struct gr_wire_welcome)) {
        struct gr_wire_welcome welcome;
        memcpy(&welcome, body, sizeof welcome);
        int code = welcome_take(local, &welcome, err);
        local->is_up_owed = code == 0;
        return code;
    }
    if (type != GR_WIRE_REPORT || !local->is_up) {
        return -EBADMSG;
    }
    int code = gr_wire_report_to(body, size, ret_report);
    if (code == 0) {
        checkpoints_follow(local, ret_report);
    }
    return code == 0 ? 1 : code;
}

// Takes reports out of what was read, at most `most`. Returns how many, or -errno.
static int reports_take(struct local *local, struct gr_engine_report *ret_reports, unsigned most,
                        struct gr_err *err)
{
    unsigned count = 0;
    while (count < most) {
        const uint8_t *body = NULL;
        size_t size = 0;
        if (local->is_up_owed) {
            local->is_up_owed = false;
            ret_reports[count++] = (struct gr_engine_report){.type = GR_REPORT_UP};
            continue;
        }
        if (local->is_held) {
            local->is_held = false;
            ret_reports[count++] = local->held;
            continue;
        }
        int type = gr_wire_take(&local->in, &body, &size);
        if (type == 0) {
            return (int)count;
        }
        int code = type < 0 ? type : frame_take(local, type, body, size, &ret_reports[count], err);
        if (code < 0) {
            return count > 0 ? (int)count : code;
        }
        count += (unsigned)code;
    }
    timer_set(local, 0); // there may be more
    return (int)count;
}

// What the launcher says; see local_poll.
static int poll_launcher(struct local *local, struct gr_engine_report *ret_reports, unsigned most,
                         struct gr_err *err)
{
    if (local->is_down_owed) {
        local->is_down_owed = false;
        ret_reports[0] = (struct gr_engine_report){.type = GR_REPORT_DOWN};
        timer_set(local, 0);
        return 1;
    }
    if (local->socket < 0) {
        connect_again(local);
    }
    if (local->socket < 0) {
        return 0;
    }
    flush(local);
    int count = reports_take(local, ret_reports, most, err);
    if (count == 0 && local->socket >= 0) {
        long size = gr_wire_receive(&local->in, local->socket, READ_SIZE);
        count = size >= 0         ? reports_take(local, ret_reports, most, err)
                : size == -EAGAIN ? 0
                                  : (int)size;
    }
    if (count < 0) {
        // Not the caller's to deal with, unless there is no use in trying again.
        disconnect(local);
        if (local->is_stale) {
            return -ESTALE;
        }
        if (local->is_down_owed) {
            timer_set(local, 0);
        } else {
            again_later(local);
        }
        return 0;
    }
    return count;
}

static int local_poll(struct gr_engine *engine, struct gr_engine_report *ret_reports, unsigned most,
                      struct gr_err *err)
{
    struct local *local = local_of(engine);
    assert(most > 0);
    timer_clear(local);
    int count = poll_launcher(local, ret_reports, most, err);
    if (count < 0 || (unsigned)count == most) {
        return count;
    }
    unsigned left = most - (unsigned)count;
    return count + (int)gr_checkpoints_take(local->checkpoints, ret_reports + count, left);
}

// ---- opening and closing ------------------------------------------------------------------------

static void local_close(struct gr_engine *engine)
{
    struct local *local = local_of(engine);
    disconnect(local);
    gr_checkpoints_close(local->checkpoints);
    if (local->timer_fd >= 0) {
        (void)close(local->timer_fd);
    }
    if (local->poll_fd >= 0) {
        (void)close(local->poll_fd);
    }
    if (local->dir_fd >= 0) {
        (void)close(local->dir_fd);
    }
    free(local->dir);
    free(local);
}

static const struct gr_engine_ops ops = {
    .name = "local",
    .start = local_start,
    .stop = local_stop,
    .signal = local_signal,
    .stop_part = local_stop_part,
    .start_part = local_start_part,
    .forget = local_forget,
    .list = local_list,
    .fd = local_fd,
    .poll = local_poll,
    .can = local_can,
    .close = local_close,
};

// Puts a program's path into the greeting; "?" is looked up by the launcher.
static int path_put(char to[GR_WIRE_PATH_SIZE], const char *path, const char *otherwise,
                    struct gr_err *err)
{
    int length = snprintf(to, GR_WIRE_PATH_SIZE, "%s", path == NULL ? otherwise : path);
    return length < GR_WIRE_PATH_SIZE
               ? 0
               : gr_fail(err, -ENAMETOOLONG, "%s: the path is too long", path);
}

static int local_init(struct local *local, const struct gr_local_config *config, struct gr_err *err)
{
    local->hello = (struct gr_wire_hello){
        .form = gr_wire_form(), .epoch = config->epoch, .idle_warn_ms = config->idle_warn_ms};
    int code = path_put(local->hello.checks, config->checks, "", err);
    code = code != 0 ? code : path_put(local->hello.crun, config->crun, "?", err);
    code = code != 0 ? code : path_put(local->hello.runc, config->runc, "?", err);
    code = code != 0 ? code : path_put(local->hello.server, config->server, "", err);
    code = code != 0 ? code : path_put(local->hello.door, config->door, "", err);
    if (code != 0) {
        return code;
    }
    // The launcher has a working directory of its own.
    local->dir = realpath(config->dir, NULL);
    local->dir_fd = local->dir == NULL ? -1 : open(local->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (local->dir_fd < 0) {
        return gr_fail_errno(err, "open %s", config->dir);
    }
    local->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    local->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = local->timer_fd};
    if (local->poll_fd < 0 || local->timer_fd < 0 ||
        epoll_ctl(local->poll_fd, EPOLL_CTL_ADD, local->timer_fd, &event) != 0) {
        return gr_fail_errno(err, "open a timer and an event file descriptor");
    }
    return gr_checkpoints_open(local->dir, local->poll_fd, NULL, &local->checkpoints, err);
}

// Connects, and waits for the welcome; starts a launcher if there is none.
static int local_begin(struct local *local, struct gr_err *err)
{
    struct gr_wire_welcome welcome;
    int code = connect_launcher(local, err);
    for (int waited_ms = 0; (code == -ENOENT || code == -ECONNREFUSED) && waited_ms < OPEN_MS;
         waited_ms += AGAIN_MS_MIN) {
        spawn(local);
        struct timespec pause = {.tv_nsec = AGAIN_MS_MIN * 1000000L};
        (void)nanosleep(&pause, NULL);
        code = connect_launcher(local, err);
    }
    if (code != 0) {
        return code;
    }
    code = gr_launch_await(local->socket, &local->in, GR_WIRE_WELCOME, OPEN_MS, &welcome,
                           sizeof welcome);
    return code != 0 ? gr_fail(err, code, "the launcher of %s does not answer", local->dir)
                     : welcome_take(local, &welcome, err);
}

int gr_local_open(const struct gr_local_config *config, struct gr_engine **ret_engine,
                  struct gr_err *err)
{
    struct local *local = calloc(1, sizeof *local);
    if (local == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the engine");
    }
    local->engine.ops = &ops;
    local->dir_fd = -1;
    local->poll_fd = -1;
    local->timer_fd = -1;
    local->socket = -1;
    local->again_ms = AGAIN_MS_MIN;
    int code = local_init(local, config, err);
    code = code != 0 ? code : local_begin(local, err);
    if (code != 0) {
        local_close(&local->engine);
        return code;
    }
    *ret_engine = &local->engine;
    return 0;
}
