// The process that runs node checks: see node_checks_run.h.
#include "engine/local/node_checks_run.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/number.h"
#include "engine/local/descendants.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Scripts of one folder at most; bytes of a line that is looked at.
#define SCRIPTS_MAX 256
#define LINE_SIZE 512
// How long those whom a script left behind may take to end.
#define ORPHANS_MS 500

static const char *const folders[GR_CHECKS_WHENS] = {"start.d", "before.d", "after.d", "return.d"};

const char *gr_node_checks_folder(enum gr_node_checks_when when)
{
    assert((unsigned)when < GR_CHECKS_WHENS);
    return folders[when];
}

// ---- what a script says -------------------------------------------------------------------------

// One of a script's two streams.
struct stream {
    int fd; // -1: at its end
    bool is_output;
    size_t taken;         // bytes in all
    size_t size;          // of line
    char line[LINE_SIZE]; // begun, not ended
};

// A run, in its own process.
struct run {
    const char *dir;
    enum gr_node_checks_when when;
    char *const *environment; // of the scripts
    const char *devices;      // GRANARY_DEVICES of it
    struct gr_node_checks_result result;
    struct stream streams[2];
    int signals;    // signalfd
    int64_t end_ms; // by gr_clock_ms
};

// Copies as much of the text as there is room for.
static void text_set(char *ret_text, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    memcpy(ret_text, text, length);
    ret_text[length] = '\0';
}

static void unwell(struct run *run, const char *script, const char *text)
{
    run->result.is_well = false;
    text_set(run->result.script, sizeof(run->result.script), script);
    text_set(run->result.text, sizeof(run->result.text), text);
}

// Whether the address is one of the list's.
static bool is_ours(const char *list, const char *address)
{
    size_t size = strlen(address);
    while (*list != '\0') {
        size_t length = strcspn(list, ",");
        if (length == size && memcmp(list, address, size) == 0) {
            return true;
        }
        list += length + (list[length] == ',');
    }
    return false;
}

// "device ADDRESS CLASS TEXT". False if the line is none.
static bool device_take(struct run *run, char *line)
{
    char *rest;
    char *word = strtok_r(line, " \t", &rest);
    if (word == NULL || strcmp(word, "device") != 0) {
        return false;
    }
    char *address = strtok_r(NULL, " \t", &rest);
    char *class = strtok_r(NULL, " \t", &rest);
    char *text = strtok_r(NULL, "", &rest);
    struct gr_node_checks_result *result = &run->result;
    if (class == NULL || !is_ours(run->devices, address) ||
        result->device_count == GR_NODE_CHECKS_DEVICES) {
        return false;
    }
    for (unsigned i = GR_HEALTH_APP; i < GR_HEALTHS; i++) {
        if (strcmp(gr_health_name((enum gr_health)i), class) == 0) {
            struct gr_node_checks_device *device = &result->devices[result->device_count++];
            text_set(device->address, sizeof(device->address), address);
            text_set(device->text, sizeof(device->text), text == NULL ? "" : text);
            device->health = (enum gr_health)i;
            return true;
        }
    }
    return false;
}

static void line_end(struct run *run, struct stream *stream)
{
    stream->line[stream->size] = '\0';
    for (size_t i = 0; i < stream->size; i++) {
        if ((unsigned char)stream->line[i] < ' ' || stream->line[i] == 0x7f) {
            stream->line[i] = stream->line[i] == '\t' ? ' ' : '?';
        }
    }
    char copy[LINE_SIZE];
    memcpy(copy, stream->line, stream->size + 1);
    bool is_device = stream->is_output && device_take(run, copy);
    if (!is_device && stream->size > 0) {
        text_set(run->result.text, sizeof(run->result.text), stream->line);
    }
    stream->size = 0;
}

// Takes what a stream has. What is more than the limit is read and forgotten.
static void stream_read(struct run *run, struct stream *stream)
{
    char bytes[4096];
    ssize_t got = read(stream->fd, bytes, sizeof(bytes));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (stream->taken++ >= GR_NODE_CHECKS_OUTPUT_MAX) {
            continue;
        }
        if (bytes[i] == '\n') {
            line_end(run, stream);
        } else if (stream->size < LINE_SIZE - 1) {
            stream->line[stream->size++] = bytes[i];
        }
    }
    if (got <= 0) {
        close(stream->fd);
        stream->fd = -1;
    }
}

// ---- one script ---------------------------------------------------------------------------------

static void script_exec(const struct run *run, const char *path, int output, int error)
{
    sigset_t none;
    char *const argv[] = {(char *)(uintptr_t)path, NULL};
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(022);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (chdir("/") != 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(error, 2) < 0) {
        _exit(127);
    }
    (void)syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
    execve(path, argv, run->environment);
    dprintf(2, "%s: %s\n", path, strerror(errno));
    _exit(127);
}

static pid_t script_start(struct run *run, const char *path)
{
    int pipes[2][2];
    if (pipe2(pipes[0], O_CLOEXEC | O_NONBLOCK) != 0) {
        return -errno;
    }
    if (pipe2(pipes[1], O_CLOEXEC | O_NONBLOCK) != 0) {
        int code = -errno;
        close(pipes[0][0]);
        close(pipes[0][1]);
        return code;
    }
    // Only the reader must not wait.
    fcntl(pipes[0][1], F_SETFL, 0);
    fcntl(pipes[1][1], F_SETFL, 0);
    pid_t pid = fork();
    if (pid == 0) {
        script_exec(run, path, pipes[0][1], pipes[1][1]);
    }
    int code = -errno;
    for (int i = 0; i < 2; i++) {
        close(pipes[i][1]);
        run->streams[i] = (struct stream){.fd = pipes[i][0], .is_output = i == 0};
    }
    if (pid > 0) {
        setpgid(pid, pid); // whichever of the two comes first
    }
    return pid < 0 ? code : pid;
}

// Reads what it says until it ends. False if it ran out of time or the run was told to end.
static bool script_hear(struct run *run, int pidfd)
{
    for (;;) {
        struct pollfd waits[4] = {
            {.fd = run->streams[0].fd, .events = POLLIN},
            {.fd = run->streams[1].fd, .events = POLLIN},
            {.fd = pidfd, .events = POLLIN},
            {.fd = run->signals, .events = POLLIN},
        };
        int64_t left_ms = run->end_ms - gr_clock_ms();
        if (left_ms <= 0) {
            return false;
        }
        int got = poll(waits, 4, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
        if (got < 0 && errno != EINTR) {
            return false;
        }
        for (int i = 0; got > 0 && i < 2; i++) {
            if (waits[i].revents != 0) {
                stream_read(run, &run->streams[i]);
            }
        }
        bool is_quiet = got > 0 && (waits[0].revents | waits[1].revents) == 0;
        if (got > 0 && waits[3].revents != 0) {
            return false;
        }
        if (is_quiet && waits[2].revents != 0) {
            return true; // it ended, and nothing more is in its pipes
        }
    }
}

static void streams_close(struct run *run)
{
    for (int i = 0; i < 2; i++) {
        if (run->streams[i].size > 0) {
            line_end(run, &run->streams[i]);
        }
        if (run->streams[i].fd >= 0) {
            close(run->streams[i].fd);
        }
    }
}

// Ends what left the script's process group: the run adopts what its scripts orphan. What even KILL
// does not end is not waited for.
static void orphans_end(void)
{
    int64_t end_ms = gr_clock_ms() + ORPHANS_MS;
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if ((pid < 0 && errno == ECHILD) || gr_clock_ms() >= end_ms) {
            return;
        }
        if (pid == 0) {
            (void)gr_descendants_kill(NULL, NULL);
            (void)poll(NULL, 0, 1);
        }
    }
}

static void script_run(struct run *run, const char *name, const char *path)
{
    char text[GR_NODE_CHECKS_TEXT_SIZE];
    int status = 0;
    run->result.text[0] = '\0';
    pid_t pid = script_start(run, path);
    int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0u);
    if (pid < 0) {
        snprintf(text, sizeof(text), "cannot be started: %s", strerror(-pid));
        unwell(run, name, text);
        return;
    }
    bool is_ended = script_hear(run, pidfd);
    kill(-pid, SIGKILL); // it, or what it left behind
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    orphans_end();
    close(pidfd);
    streams_close(run);
    run->result.ran++;
    if (!is_ended) {
        run->result.is_late = gr_clock_ms() >= run->end_ms;
        unwell(run, name, run->result.is_late ? "did not end in time and was killed" : "was ended");
    } else if (WIFSIGNALED(status)) {
        snprintf(text, sizeof(text), "ended by signal %d", WTERMSIG(status));
        unwell(run, name, text);
    } else if (WEXITSTATUS(status) != 0) {
        snprintf(text, sizeof(text), "ended with exit code %d", WEXITSTATUS(status));
        char said[GR_NODE_CHECKS_TEXT_SIZE];
        memcpy(said, run->result.text, sizeof(said));
        unwell(run, name, said[0] != '\0' ? said : text);
    }
}

// ---- a folder -----------------------------------------------------------------------------------

// Whether only root and the daemon's user could have changed it.
static bool is_trusted(const struct stat *st)
{
    return (st->st_uid == 0 || st->st_uid == geteuid()) && (st->st_mode & 022) == 0;
}

static int name_is_script(const struct dirent *entry)
{
    const char *good = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return entry->d_name[0] != '.' && entry->d_name[strspn(entry->d_name, good)] == '\0';
}

static int name_compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void folder_check(struct run *run, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && !is_trusted(&st)) {
        unwell(run, path,
               "the folder must belong to root or the daemon's user, writable by nobody else");
    }
}

static void script_try(struct run *run, const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path) ||
        stat(path, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0) {
        return; // not a script
    }
    if (!is_trusted(&st)) {
        unwell(run, name, "must belong to root or the daemon's user, writable by nobody else");
        return;
    }
    script_run(run, name, path);
}

static void folder_run(struct run *run)
{
    char folder[PATH_MAX];
    struct dirent **names = NULL;
    int64_t began_ms = gr_clock_ms();
    run->result.is_well = true;
    if (run->dir[0] == '\0' || snprintf(folder, sizeof(folder), "%s/%s", run->dir,
                                        gr_node_checks_folder(run->when)) >= (int)sizeof(folder)) {
        return;
    }
    int count = scandir(folder, &names, name_is_script, name_compare);
    if (count < 0 && errno != ENOENT) {
        unwell(run, folder, strerror(errno));
    }
    if (count > SCRIPTS_MAX) {
        unwell(run, folder, "has more scripts than are run");
    }
    if (count > 0) {
        folder_check(run, run->dir);
        folder_check(run, folder);
    }
    for (int i = 0; i < count; i++) {
        if (run->result.is_well) {
            script_try(run, folder, names[i]->d_name);
        }
        free(names[i]);
    }
    free(names);
    run->result.took_ms = gr_clock_ms() - began_ms;
    if (run->result.is_well) {
        run->result.text[0] = '\0';
    }
}

// ---- the process --------------------------------------------------------------------------------

static const char *devices_of(char *const *environment)
{
    static const char name[] = "GRANARY_DEVICES=";
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, sizeof name - 1) == 0) {
            return *environment + sizeof name - 1;
        }
    }
    return "";
}

_Noreturn void gr_node_checks_run(const char *dir, enum gr_node_checks_when when, int64_t limit_ms,
                                  char *const *environment)
{
    static struct run run;
    sigset_t told;
    sigemptyset(&told);
    sigaddset(&told, SIGTERM);
    sigprocmask(SIG_SETMASK, &told, NULL);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int i = 1; i < NSIG; i++) {
        signal(i, SIG_DFL);
    }
    run.dir = dir;
    run.when = when;
    run.environment = environment;
    run.devices = devices_of(environment);
    run.signals = signalfd(-1, &told, SFD_CLOEXEC | SFD_NONBLOCK);
    run.end_ms = gr_clock_ms() + limit_ms;
    folder_run(&run);
    _exit(gr_file_write_all(GR_NODE_CHECKS_ANSWER, &run.result, sizeof run.result) < 0);
}

int gr_node_checks_main(int argc, char **argv)
{
    int64_t when;
    int64_t limit_ms;
    if (argc != 5 || gr_number_read_int(gr_slice_of(argv[3]), 0, GR_CHECKS_WHENS - 1, &when) != 0 ||
        gr_number_read_int(gr_slice_of(argv[4]), 1, INT_MAX, &limit_ms) != 0 ||
        fcntl(GR_NODE_CHECKS_ANSWER, F_SETFD, FD_CLOEXEC) != 0 ||
        syscall(SYS_close_range, GR_NODE_CHECKS_ANSWER + 1U, ~0U, 0U) != 0) {
        return 2;
    }
    gr_node_checks_run(argv[2], (enum gr_node_checks_when)when, limit_ms, environ);
}
