// Getting a launcher, and ending it: the part of the engine that may wait. See local.h, launch.h.
#include "engine/local/launch.h"

#include "base/clock.h"
#include "base/file.h"
#include "engine/local.h"
#include "engine/local/launcher.h"
#include "engine/shipped.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// How long a launcher may take to begin, to answer, to end.
#define WAIT_MS 10000

// MFD_EXEC, which older headers do not have.
#define MEMORY_MAY_EXECUTE 0x10U

extern char **environ;

int gr_launch_await(int socket, struct gr_wire_buffer *in, enum gr_wire_type type, int wait_ms,
                    void *ret_body, size_t size)
{
    int64_t until_ms = gr_clock_ms() + wait_ms;
    for (;;) {
        const uint8_t *body = NULL;
        size_t body_size = 0;
        int got = gr_wire_take(in, &body, &body_size);
        if (got < 0) {
            return got;
        }
        if (got == (int)type) {
            memset(ret_body, 0, size);
            memcpy(ret_body, body, body_size < size ? body_size : size);
            return 0;
        }
        if (got != 0) {
            continue;
        }
        struct pollfd poll_fd = {.fd = socket, .events = POLLIN};
        int64_t left_ms = until_ms - gr_clock_ms();
        int count = left_ms < 0 ? 0 : poll(&poll_fd, 1, (int)left_ms);
        if (count == 0) {
            return -ETIMEDOUT;
        }
        long read_size = gr_wire_receive(in, socket, 65536);
        if (read_size < 0 && read_size != -EAGAIN) {
            return (int)read_size;
        }
    }
}

int gr_launch_program_open(void)
{
    struct gr_slice program = gr_shipped_launcher();
    int fd = (int)syscall(SYS_memfd_create, "granary-launcher", MFD_CLOEXEC | MEMORY_MAY_EXECUTE);
    if (fd < 0 && errno == EINVAL) { // a kernel before 6.3 knows no such permission
        fd = (int)syscall(SYS_memfd_create, "granary-launcher", MFD_CLOEXEC);
    }
    int code = fd < 0 ? -errno : gr_file_write_all(fd, program.text, program.size);
    if (fd >= 0 && code < 0) {
        (void)close(fd);
    }
    return code < 0 ? code : fd;
}

static int spawn(const char *path, char *const *argv, pid_t *ret_pid)
{
    posix_spawnattr_t attributes;
    sigset_t none;
    int code = posix_spawnattr_init(&attributes);
    if (code != 0) {
        return -code;
    }
    (void)sigemptyset(&none);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    code = posix_spawn(ret_pid, path, NULL, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    return -code;
}

pid_t gr_launch_spawn(const char *dir, struct gr_err *err)
{
    char path[64];
    pid_t pid = -1;
    char *copy = strdup(dir);
    if (copy == NULL) {
        return gr_fail(err, -ENOMEM, "no memory to start a launcher");
    }
    char *own[] = {(char[]){"granary-launcher"}, copy, NULL};
    char *self[] = {(char[]){"granary"}, (char[]){"engine"}, (char[]){"launcher"}, copy, NULL};
    int fd = gr_launch_program_open();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int code = fd < 0 ? fd : spawn(path, own, &pid);
    if (code != 0) {
        code = spawn("/proc/self/exe", self, &pid); // nothing in memory may be executed here
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(copy);
    errno = -code;
    return code == 0 ? pid : gr_fail_errno(err, "start a launcher");
}

// ---- asking who is there ------------------------------------------------------------------------

static int dir_open(const char *dir, struct gr_err *err)
{
    struct stat about;
    if (mkdir(dir, 0711) != 0 && errno != EEXIST) {
        return gr_fail_errno(err, "make %s", dir);
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0) {
        return gr_fail_errno(err, "open %s", dir);
    }
    if (about.st_uid != geteuid() || (about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        (void)close(fd);
        return gr_fail(err, -EPERM, "%s must belong to user %u and be writable for nobody else",
                       dir, (unsigned)geteuid());
    }
    return fd;
}

// Asks the launcher which form it speaks. Returns 0 with the form, or -errno if none answers.
static int form_ask(int socket, uint32_t *ret_form)
{
    struct gr_wire_buffer out = {0};
    struct gr_wire_buffer in = {0};
    struct gr_wire_hello hello = {.form = gr_wire_form()}; // epoch 0: takes nobody's place
    struct gr_wire_welcome welcome;
    int code = gr_wire_add(&out, GR_WIRE_HELLO, &hello, sizeof hello);
    code = code != 0 ? code : gr_wire_send(&out, socket);
    code = code != 0
               ? code
               : gr_launch_await(socket, &in, GR_WIRE_WELCOME, WAIT_MS, &welcome, sizeof welcome);
    gr_wire_buffer_done(&in);
    gr_wire_buffer_done(&out);
    if (code == 0) {
        *ret_form = welcome.form;
    }
    return code;
}

// Tells the launcher behind the socket to end and waits until it did.
static int quit_ask(int socket)
{
    struct gr_wire_buffer out = {0};
    struct pollfd poll_fd = {.fd = socket, .events = POLLIN};
    int64_t until_ms = gr_clock_ms() + WAIT_MS;
    char bytes[256];
    int code = gr_wire_add(&out, GR_WIRE_QUIT, NULL, 0);
    code = code != 0 ? code : gr_wire_send(&out, socket);
    gr_wire_buffer_done(&out);
    while (code == 0) {
        int64_t left_ms = until_ms - gr_clock_ms();
        if (left_ms < 0 || poll(&poll_fd, 1, (int)left_ms) == 0) {
            return -ETIMEDOUT;
        }
        ssize_t size = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
            return 0;
        }
    }
    return code == -EPIPE || code == -ECONNRESET ? 0 : code;
}

int gr_local_launcher_stop(const char *dir, struct gr_err *err)
{
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        return errno == ENOENT ? 0 : gr_fail_errno(err, "open %s", dir);
    }
    int socket = gr_wire_connect(dir_fd, err);
    (void)close(dir_fd);
    if (socket < 0) {
        return socket == -ENOENT || socket == -ECONNREFUSED ? 0 : socket;
    }
    int code = quit_ask(socket);
    (void)close(socket);
    return code == 0 ? 0 : gr_fail(err, code, "the launcher of %s does not end", dir);
}

// ---- forking one --------------------------------------------------------------------------------

// Executes the launcher's program. Returns only if that cannot be done here.
static void program_execute(const char *dir, int ready)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%d", ready);
    char *argv[] = {(char[]){"granary-launcher"}, (char *)(uintptr_t)dir, number, NULL};
    int fd = gr_launch_program_open();
    if (fd >= 0 && fcntl(ready, F_SETFD, 0) == 0) {
        (void)fexecve(fd, argv, environ);
    }
}

// The first child: leaves a process of a session of its own that is nobody's child, and ends.
static _Noreturn void child_main(const char *dir, int ready)
{
    struct gr_err err;
    gr_err_init(&err);
    (void)setsid();
    pid_t pid = fork();
    if (pid != 0) {
        _exit(pid < 0);
    }
    program_execute(dir, ready);
    _exit(gr_launcher_serve(dir, ready, &err) == 0 ? 0 : 1); // larger, and slower, but as good
}

// Waits for what the launcher says of its beginning.
static int ready_wait(int ready, struct gr_err *err)
{
    char text[GR_ERR_TEXT_SIZE];
    struct pollfd poll_fd = {.fd = ready, .events = POLLIN};
    int count;
    do {
        count = poll(&poll_fd, 1, WAIT_MS);
    } while (count < 0 && errno == EINTR);
    ssize_t size = count > 0 ? read(ready, text, sizeof text - 1) : 0;
    if (size == 1 && text[0] == '\0') {
        return 0;
    }
    text[size > 0 ? size : 0] = '\0';
    return gr_fail(err, -ECHILD, "the launcher did not begin: %s",
                   size > 0 ? text : "it died or took too long");
}

static int launcher_fork(const char *dir, struct gr_err *err)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) {
        return gr_fail_errno(err, "make a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        child_main(dir, ready[1]);
    }
    int code = pid < 0 ? gr_fail_errno(err, "fork a launcher") : 0;
    (void)close(ready[1]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    code = code != 0 ? code : ready_wait(ready[0], err);
    (void)close(ready[0]);
    return code;
}

int gr_local_launch(const struct gr_local_config *config, struct gr_err *err)
{
    int dir_fd = dir_open(config->dir, err);
    if (dir_fd < 0) {
        return dir_fd;
    }
    uint32_t form = 0;
    int socket = gr_wire_connect(dir_fd, err);
    (void)close(dir_fd);
    if (socket == -EPERM) {
        return socket;
    }
    bool answers = socket >= 0 && form_ask(socket, &form) == 0;
    if (answers && form != gr_wire_form()) {
        (void)quit_ask(socket); // it speaks otherwise: another build's
        answers = false;
    }
    if (socket >= 0) {
        (void)close(socket);
    }
    return answers ? 0 : launcher_fork(config->dir, err);
}

bool gr_local_launcher_answers(const char *dir)
{
    struct gr_err ignored;
    uint32_t form = 0;
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int socket = dir_fd < 0 ? -ENOENT : gr_wire_connect(dir_fd, &ignored);
    bool answers = socket >= 0 && form_ask(socket, &form) == 0 && form == gr_wire_form();
    if (socket >= 0) {
        (void)close(socket);
    }
    if (dir_fd >= 0) {
        (void)close(dir_fd);
    }
    return answers;
}

int gr_local_launcher_main(const char *dir, struct gr_err *err)
{
    return gr_launcher_serve(dir, -1, err) == 0 ? 0 : 1;
}
