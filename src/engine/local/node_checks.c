// Node checks: see node_checks.h. A run is a process of its own (node_checks_run.h), a small one: a
// daemon with a large pool in its memory would take long to fork.
#include "engine/local/node_checks.h"

#include "engine/local/launch.h"
#include "engine/local/node_checks_run.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// How long a run that was told to end may take until it is killed.
#define CLOSE_MS 1000
// Most variables of a script's environment.
#define VARIABLES_MAX 9

struct gr_node_checks {
    int fd;    // the run's answer
    pid_t pid; // of the run; 0: it was reaped
    bool is_over;
    size_t have; // bytes of result that came
    struct gr_node_checks_result result;
};

bool gr_drain_allowed(uint64_t total, uint64_t drained, unsigned limit_percent)
{
    assert(limit_percent <= 100);
    if (limit_percent == 0 || drained >= total) {
        return false;
    }
    uint64_t most = total / 100 * limit_percent + total % 100 * limit_percent / 100;
    return drained < (most == 0 ? 1 : most);
}

// ---- what scripts are told ----------------------------------------------------------------------

struct variables {
    char *all[VARIABLES_MAX + 1]; // heap, NULL at the end
    size_t count;
    bool is_short_of_memory;
};

static void __attribute__((format(printf, 2, 3)))
add(struct variables *variables, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    assert(variables->count < VARIABLES_MAX);
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0) {
        variables->is_short_of_memory = true;
    } else {
        variables->all[variables->count++] = text;
    }
    va_end(args);
}

static void variables_free(struct variables *variables)
{
    for (size_t i = 0; i < variables->count; i++) {
        free(variables->all[i]);
    }
}

// The addresses with commas, on the heap; NULL: no memory.
static char *addresses(const struct gr_node_checks_config *config)
{
    size_t size = 1;
    for (uint32_t i = 0; i < config->device_count; i++) {
        size += strlen(config->devices[i].address) + 1;
    }
    char *list = malloc(size);
    char *at = list;
    for (uint32_t i = 0; list != NULL && i < config->device_count; i++) {
        at = stpcpy(stpcpy(at, i == 0 ? "" : ","), config->devices[i].address);
    }
    if (list != NULL) {
        *at = '\0';
    }
    return list;
}

static int variables_make(const struct gr_node_checks_config *config, struct variables *variables)
{
    const char *folder = gr_node_checks_folder(config->when);
    char *list = addresses(config);
    if (list == NULL) {
        return -ENOMEM;
    }
    add(variables, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    add(variables, "LC_ALL=C.UTF-8");
    add(variables, "GRANARY_NODE=%s", config->node);
    add(variables, "GRANARY_CHECK=%.*s", (int)strcspn(folder, "."), folder);
    add(variables, "GRANARY_DEVICES=%s", list);
    free(list);
    if (config->job != 0) {
        add(variables, "GRANARY_JOB_ID=%" PRIu64, config->job);
        add(variables, "GRANARY_ATTEMPT=%" PRIu32, config->attempt);
        add(variables, "GRANARY_USER=%s", config->user);
    }
    return variables->is_short_of_memory ? -ENOMEM : 0;
}

// ---- the caller ---------------------------------------------------------------------------------

int gr_node_checks_program(struct gr_err *err)
{
    int fd = gr_launch_program_open();
    if (fd < 0) {
        return gr_fail(err, fd, "node checks: put their program into memory: %s", strerror(-fd));
    }
    int high = fcntl(fd, F_DUPFD_CLOEXEC, GR_NODE_CHECKS_ANSWER + 1);
    int code = -errno;
    close(fd);
    return high >= 0 ? high : gr_fail(err, code, "node checks: %s", strerror(-code));
}

// The program executed anew. Returns its pid or -errno.
static pid_t run_spawn(const struct gr_node_checks_config *config, char *const *environment,
                       int answer)
{
    char path[64];
    char when[16];
    char limit[32];
    pid_t pid = -1;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t none;
    char *argv[] = {(char[]){"granary-launcher"},
                    (char[]){GR_NODE_CHECKS_WORD},
                    (char *)(uintptr_t)config->dir,
                    when,
                    limit,
                    NULL};
    snprintf(path, sizeof path, "/proc/self/fd/%d", config->program);
    snprintf(when, sizeof when, "%u", (unsigned)config->when);
    snprintf(limit, sizeof limit, "%" PRId64, config->limit_ms);
    int code = posix_spawnattr_init(&attributes);
    if (code != 0) {
        return -code;
    }
    code = posix_spawn_file_actions_init(&actions);
    if (code == 0) {
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        code = posix_spawn_file_actions_adddup2(&actions, answer, GR_NODE_CHECKS_ANSWER);
        code = code != 0 ? code : posix_spawn(&pid, path, &actions, &attributes, argv, environment);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return code == 0 ? pid : -code;
}

// Where nothing in memory may be executed: larger, and slower, but as good.
static pid_t run_fork(const struct gr_node_checks_config *config, char *const *environment,
                      int answer)
{
    pid_t pid = fork();
    if (pid != 0) {
        return pid < 0 ? -errno : pid;
    }
    // The daemon's connections above all: a client must see when the daemon closes one.
    if ((answer != GR_NODE_CHECKS_ANSWER && dup3(answer, GR_NODE_CHECKS_ANSWER, O_CLOEXEC) < 0) ||
        syscall(SYS_close_range, GR_NODE_CHECKS_ANSWER + 1U, ~0U, 0U) != 0) {
        _exit(1);
    }
    gr_node_checks_run(config->dir, config->when, config->limit_ms, environment);
}

// Returns the pid or -errno.
static pid_t run_start(const struct gr_node_checks_config *config, int answer)
{
    struct variables variables = {0};
    pid_t pid = variables_make(config, &variables);
    if (pid == 0 && config->program != 0) {
        pid = run_spawn(config, variables.all, answer);
    }
    if (pid <= 0 && pid != -ENOMEM) {
        pid = run_fork(config, variables.all, answer);
    }
    variables_free(&variables);
    return pid;
}

int gr_node_checks_open(const struct gr_node_checks_config *config,
                        struct gr_node_checks **ret_checks, struct gr_err *err)
{
    assert(config->dir != NULL && config->node != NULL && config->user != NULL);
    assert(config->limit_ms > 0 && (unsigned)config->when < GR_CHECKS_WHENS);
    int pipes[2];
    struct gr_node_checks *checks = calloc(1, sizeof(*checks));
    if (checks == NULL) {
        return gr_fail(err, -ENOMEM, "node checks: not enough memory");
    }
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        free(checks);
        return gr_fail_errno(err, "node checks: make a pipe");
    }
    checks->pid = run_start(config, pipes[1]);
    close(pipes[1]);
    if (checks->pid < 0) {
        errno = -checks->pid;
        int code = gr_fail_errno(err, "node checks: start a process");
        close(pipes[0]);
        free(checks);
        return code;
    }
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    checks->fd = pipes[0];
    *ret_checks = checks;
    return 0;
}

int gr_node_checks_fd(const struct gr_node_checks *checks)
{
    return checks->fd;
}

static void reap(struct gr_node_checks *checks)
{
    if (checks->pid > 0) {
        // Where somebody else reaps all children, there is none left: as well.
        while (waitpid(checks->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        checks->pid = 0;
    }
}

int gr_node_checks_poll(struct gr_node_checks *checks, struct gr_node_checks_result *ret_result,
                        struct gr_err *err)
{
    char *bytes = (char *)&checks->result;
    while (!checks->is_over) {
        ssize_t got = read(checks->fd, bytes + checks->have, sizeof(checks->result) - checks->have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            return 0;
        }
        if (got < 0) {
            return gr_fail_errno(err, "node checks: hear how they went");
        }
        checks->have += (size_t)got;
        if (got == 0 || checks->have == sizeof(checks->result)) {
            checks->is_over = true;
        }
    }
    if (checks->have < sizeof(checks->result)) {
        memset(&checks->result, 0, sizeof(checks->result));
        snprintf(checks->result.text, sizeof(checks->result.text),
                 "the process that ran the checks was killed");
    }
    reap(checks);
    *ret_result = checks->result;
    return 1;
}

void gr_node_checks_close(struct gr_node_checks *checks)
{
    if (checks == NULL) {
        return;
    }
    if (checks->pid > 0) {
        // The run kills its script with all that this started, then ends itself.
        int pidfd = (int)syscall(SYS_pidfd_open, checks->pid, 0u);
        struct pollfd wait = {.fd = pidfd, .events = POLLIN};
        if (pidfd >= 0) {
            (void)syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0u);
            close(checks->fd); // it shall not wait for a reader
            checks->fd = -1;
            if (poll(&wait, 1, CLOSE_MS) == 0) {
                (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0u);
            }
            close(pidfd);
        }
        reap(checks);
    }
    if (checks->fd >= 0) {
        close(checks->fd);
    }
    free(checks);
}
