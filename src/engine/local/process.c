// Starting a task as a process: see process.h.
#include "engine/local/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Bytes of a secret at most: what Linux takes as one variable, roughly.
#define SECRET_SIZE_MAX ((size_t)128 * 1024 - 256)
// Where a program is looked for if the job has no PATH.
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

// ---- files --------------------------------------------------------------------------------------

int gr_process_log_open(const struct gr_spec *spec, enum gr_attempt_stream stream,
                        const struct gr_attempt_names *names, const char *work, struct gr_err *err)
{
    char path[PATH_MAX];
    int code = gr_attempt_log_path(spec, stream, names, work, path, err);
    if (code != 0) {
        return code;
    }
    // A pipe without reader must not hold the start up, so it is opened without waiting.
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
    int fd = open(path, names->attempt <= 1 && names->part == 0 ? flags | O_TRUNC : flags, 0666);
    if (fd < 0) {
        return gr_fail_errno(err, "%s file %s", stream == GR_ATTEMPT_OUTPUT ? "output" : "error",
                             path);
    }
    (void)fcntl(fd, F_SETFL, O_APPEND);
    return fd;
}

// Reads one secret and adds it as NAME=VALUE.
static int secret_read(const char *name, size_t name_size, const char *path,
                       struct gr_environment *environment, struct gr_err *err)
{
    int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return gr_fail_errno(err, "secret %.*s: %s", (int)name_size, name, path);
    }
    char *entry = malloc(name_size + 1 + SECRET_SIZE_MAX + 2);
    size_t begin = name_size + 1;
    size_t size = 0;
    ssize_t count = entry == NULL ? -1 : 1;
    while (count > 0 && size <= SECRET_SIZE_MAX) {
        count = read(fd, entry + begin + size, SECRET_SIZE_MAX + 1 - size);
        size += count > 0 ? (size_t)count : 0;
    }
    int code = count < 0 ? gr_fail_errno(err, "secret %.*s: %s", (int)name_size, name, path) : 0;
    (void)close(fd);
    if (code == 0 && size > SECRET_SIZE_MAX) {
        code = gr_fail(err, -EFBIG, "secret %.*s: %s is larger than %zu bytes", (int)name_size,
                       name, path, SECRET_SIZE_MAX);
    }
    if (code == 0) {
        memcpy(entry, name, begin);
        size -= size > 0 && entry[begin + size - 1] == '\n';
        entry[begin + size] = '\0';
        code = strlen(entry) != begin + size
                   ? gr_fail(err, -EINVAL, "secret %.*s: %s holds a NUL byte", (int)name_size, name,
                             path)
                   : gr_environment_put(environment, entry);
    }
    if (entry != NULL) {
        explicit_bzero(entry, begin + SECRET_SIZE_MAX);
    }
    free(entry);
    return code;
}

int gr_process_secrets_read(const struct gr_spec *spec, struct gr_environment *environment,
                            struct gr_err *err)
{
    for (uint32_t i = 0; i < spec->secrets.count; i++) {
        const char *item = spec->secrets.items[i];
        size_t size = strcspn(item, "=");
        if (item[size] != '=') {
            return gr_fail(err, -EINVAL, "secret %s names no file", item);
        }
        int code = secret_read(item, size, item + size + 1, environment, err);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

// Puts the files in the places of standard output and error.
static int files_take(const struct gr_process_config *config, const struct gr_process *process,
                      struct gr_err *err)
{
    int output = process->output >= 0 ? process->output
                                      : gr_process_log_open(config->spec, GR_ATTEMPT_OUTPUT,
                                                            &process->names, config->work, err);
    if (output < 0) {
        return output;
    }
    // One file for both is opened once: written from one place, it stays in order.
    bool is_same = process->error < 0 && config->spec->error[0] == '\0';
    int error = is_same               ? output
                : process->error >= 0 ? process->error
                                      : gr_process_log_open(config->spec, GR_ATTEMPT_ERROR,
                                                            &process->names, config->work, err);
    if (error < 0) {
        return error;
    }
    return dup2(output, STDOUT_FILENO) < 0 || dup2(error, STDERR_FILENO) < 0
               ? gr_fail_errno(err, "open standard output and error")
               : 0;
}

// ---- becoming the submitter ---------------------------------------------------------------------

void gr_process_oom_set(int adjust)
{
    char text[16];
    int fd = adjust == INT_MIN ? -1 : open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        // A refusal leaves the value of a protected process, which is no reason not to run.
        ssize_t count = write(fd, text, (size_t)snprintf(text, sizeof text, "%d", adjust));
        (void)count;
        (void)close(fd);
    }
}

// What is done with the launcher's rights.
static int child_prepare(const struct gr_process_config *config, const struct gr_process *process,
                         struct gr_err *err)
{
    (void)setsid();
    gr_process_oom_set(config->oom_adjust);
    int code = process->group == NULL ? 0 : gr_cgroup_enter(process->group);
    if (code != 0) {
        errno = -code;
        return gr_fail_errno(err, "enter the job's control group");
    }
    (void)setrlimit(RLIMIT_NOFILE, &config->files);
    if (geteuid() == 0) {
        // Keys of whoever started the daemon are not the job's.
        (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    }
    return gr_person_become(config->person, err);
}

// What is done as the submitter.
static int child_settle(const struct gr_process_config *config, const struct gr_process *process,
                        pid_t keeper, struct gr_err *err)
{
    // Without its keeper a task would run on where nobody counts or stops it. To be asked for after
    // the change of user, which clears it.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != keeper) {
        return gr_fail(err, -ECANCELED, "the keeper died");
    }
    if (!config->may_gain_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return gr_fail_errno(err, "give up set-user-ID programs");
    }
    (void)umask(config->spec->umask);
    if (config->work_fd >= 0 ? fchdir(config->work_fd) != 0 : chdir(config->work) != 0) {
        return gr_fail_errno(err, "working directory %s", config->work);
    }
    int code = files_take(config, process, err);
    return code != 0 ? code : gr_process_secrets_read(config->spec, process->environment, err);
}

// ---- executing ----------------------------------------------------------------------------------

// Executes one file; a text file without "#!" is the shell's, as execvp has it. Returns on failure.
static void file_execute(const char *path, char *const *argv, char *const *environment)
{
    (void)execve(path, argv, environment);
    if (errno != ENOEXEC) {
        return;
    }
    size_t count = 0;
    while (argv[count] != NULL) {
        count++;
    }
    char **with_shell = calloc(count + 2, sizeof *with_shell);
    if (with_shell != NULL) {
        with_shell[0] = argv[0];
        with_shell[1] = (char *)(uintptr_t)path;
        for (size_t i = 1; i < count; i++) {
            with_shell[i + 1] = argv[i];
        }
        (void)execve("/bin/sh", with_shell, environment);
        free(with_shell);
    }
    errno = ENOEXEC;
}

// Looks the program up in the job's own PATH and executes it. Returns on failure, with a text.
static int program_execute(char *const *argv, struct gr_environment *environment,
                           struct gr_err *err)
{
    const char *name = argv[0];
    if (strchr(name, '/') != NULL) {
        file_execute(name, argv, environment->items);
        return gr_fail_errno(err, "execute %s", name);
    }
    const char *given = gr_environment_get(environment, "PATH");
    const char *path = given != NULL ? given : PATH_DEFAULT;
    int worst = ENOENT;
    for (const char *at = path;; at++) {
        size_t size = strcspn(at, ":");
        char file[PATH_MAX];
        int length =
            snprintf(file, sizeof file, "%.*s%s%s", (int)size, at, size > 0 ? "/" : "./", name);
        if (size < PATH_MAX && length > 0 && (size_t)length < sizeof file) {
            file_execute(file, argv, environment->items);
            if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
                return gr_fail_errno(err, "execute %s", file);
            }
            worst = errno == EACCES ? EACCES : worst;
        }
        at += size;
        if (*at == '\0') {
            break;
        }
    }
    errno = worst;
    return gr_fail_errno(err, "execute %s, looked for in PATH=%s", name, path);
}

static void say(const struct gr_process_config *config, uint32_t task, int code, const char *text)
{
    struct gr_process_word word = {.task = task, .code = code};
    (void)snprintf(word.text, sizeof word.text, "%s", text);
    ssize_t count;
    do {
        count = write(config->words, &word, sizeof word);
    } while (count < 0 && errno == EINTR);
}

// Waits until all tasks are ready: the keeper closes the other end then, or dies.
static void go_wait(const struct gr_process_config *config, uint32_t task)
{
    char byte;
    if (config->go[0] >= 0) {
        say(config, task, 0, "");
        while (read(config->go[0], &byte, 1) < 0 && errno == EINTR) {
        }
    }
}

static _Noreturn void child_main(const struct gr_process_config *config,
                                 const struct gr_process *process, pid_t keeper)
{
    static struct gr_err err;
    gr_err_init(&err);
    if (config->go[1] >= 0) {
        (void)close(config->go[1]); // the keeper's alone, or nobody would see it closed
    }
    char **argv = calloc((size_t)config->spec->argv.count + 1, sizeof *argv);
    int code = argv == NULL ? gr_fail(&err, -ENOMEM, "no memory for the command")
                            : child_prepare(config, process, &err);
    if (code == 0) {
        code = child_settle(config, process, keeper, &err);
    }
    if (code == 0) {
        for (uint32_t i = 0; i < config->spec->argv.count; i++) {
            argv[i] = (char *)(uintptr_t)config->spec->argv.items[i];
        }
        go_wait(config, process->names.task);
        sigset_t none;
        (void)sigemptyset(&none);
        (void)signal(SIGPIPE, SIG_DFL);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)syscall(SYS_close_range, 3U, ~0U, 4U); // CLOSE_RANGE_CLOEXEC: whatever a library left
        code = program_execute(argv, process->environment, &err);
    }
    say(config, process->names.task, code, err.text);
    _exit(127);
}

pid_t gr_process_start(const struct gr_process_config *config, const struct gr_process *process,
                       struct gr_err *err)
{
    pid_t keeper = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        child_main(config, process, keeper);
    }
    return pid < 0 ? gr_fail_errno(err, "fork for task %u", process->names.task) : pid;
}
