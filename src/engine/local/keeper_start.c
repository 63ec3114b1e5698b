// How a keeper starts tasks, all or none: see keeper_parts.h.
//
// All tasks do everything up to the execution of their program and wait; when the last is ready,
// all go. A task that cannot go ends them all, and the attempt is refused.
#include "engine/local/keeper_parts.h"
#include "engine/local/process.h"

#include "device/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// What the start of one attempt needs.
struct begin {
    struct gr_process_config config;
    int words[2]; // pipe from the tasks
    uint32_t ready;
};

static int environment_task(struct keeper *keeper, const struct gr_engine_task *task,
                            struct gr_err *err)
{
    struct gr_isolation_list list = {0};
    bool is_alone = keeper->spec.image[0] != '\0' || keeper->config->means->has_devices;
    int code = gr_isolation_environment(
        keeper->order.start.devices + task->device_first, task->device_count,
        is_alone ? GR_ISOLATION_OWN : GR_ISOLATION_HOST, &list, err);
    if (code != 0) {
        return code;
    }
    for (uint32_t i = 0; i < list.count; i++) {
        code |= gr_environment_put(&keeper->environment, list.items[i]);
    }
    gr_isolation_list_done(&list);
    code |= gr_environment_set(&keeper->environment, "GRANARY_TASK", "%u", task->task);
    code |= gr_environment_set(&keeper->environment, "GRANARY_NODE", "%s", task->node);
    if (task->part > 0) { // it replaces another: the program may want to know
        code |= gr_environment_set(&keeper->environment, "GRANARY_PART", "%u", task->part);
    }
    return code == 0 ? 0 : gr_fail(err, -ENOMEM, "no memory for the job's environment");
}

// ---- files --------------------------------------------------------------------------------------

// Makes the attempt's own file of a task's stream; the attempt's directory is no place where the
// submitter could have put something else. Others must not read it, whatever the umask: the path is
// no secret, and the daemon shows a job's output to its user and to operators only.
static int own_file_make(const struct keeper *keeper, enum gr_attempt_stream stream, uint32_t task,
                         uint32_t part, struct gr_err *err)
{
    char name[GR_ATTEMPT_NAME_SIZE];
    gr_attempt_log_name(stream, task, name);
    // A task that takes another's place adds to its file.
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(keeper->dir_fd, name, part == 0 ? flags | O_EXCL : flags, 0600);
    if (fd < 0) {
        return gr_fail_errno(err, "make %s/%s", keeper->dir, name);
    }
    if (geteuid() == 0 && keeper->spec.uid != 0 &&
        fchown(fd, keeper->spec.uid, keeper->spec.gid) != 0) {
        int code = gr_fail_errno(err, "give user %u %s/%s", keeper->spec.uid, keeper->dir, name);
        (void)close(fd);
        return code;
    }
    return fd;
}

static void files_close(struct gr_process *process)
{
    if (process->output >= 0) {
        (void)close(process->output);
    }
    if (process->error >= 0) {
        (void)close(process->error);
    }
    process->output = -1;
    process->error = -1;
}

// Makes those files of a task that the spec does not place elsewhere.
static int files_make(const struct keeper *keeper, struct gr_process *process, struct gr_err *err)
{
    if (keeper->spec.output[0] == '\0') {
        process->output =
            own_file_make(keeper, GR_ATTEMPT_OUTPUT, process->names.task, process->names.part, err);
        if (process->output < 0) {
            return process->output;
        }
        if (keeper->spec.error[0] == '\0') {
            process->error = own_file_make(keeper, GR_ATTEMPT_ERROR, process->names.task,
                                           process->names.part, err);
        }
        if (keeper->spec.error[0] == '\0' && process->error < 0) {
            int code = process->error;
            files_close(process);
            return code;
        }
    }
    return 0;
}

// ---- groups -------------------------------------------------------------------------------------

static int group_make(struct keeper *keeper, uint32_t index, struct gr_err *err)
{
    const struct gr_cgroup_means *means = keeper->config->means;
    const struct gr_engine_task *task = &keeper->order.start.tasks[index];
    struct gr_isolation_list paths = {0};
    struct gr_cgroup_limits limits = {.cpu_milli = task->cpu_milli, .memory_mib = task->memory_mib};
    char name[2 * GR_ATTEMPT_NAME_SIZE];
    static const char *const none[1] = {NULL};
    if (!means->has_group) {
        return 0;
    }
    int code = 0;
    if (means->has_devices) {
        code = gr_isolation_paths(keeper->order.start.devices + task->device_first,
                                  task->device_count, NULL, &paths, err);
        limits.devices = paths.items != NULL ? (const char *const *)paths.items : none;
        limits.device_count = paths.count;
    }
    (void)snprintf(name, sizeof name, "%s/task-%u", keeper->name, task->task);
    if (code == 0) {
        code = gr_cgroup_make_new(means, keeper->task_count == 1 ? keeper->name : name, &limits,
                                  &keeper->tasks[index].group, err);
    }
    if (code == 0 && keeper->task_count == 1) {
        keeper->group = keeper->tasks[index].group;
    }
    gr_isolation_list_done(&paths);
    return code;
}

// ---- processes ----------------------------------------------------------------------------------

static int task_fork(struct keeper *keeper, const struct begin *begin, uint32_t index,
                     struct gr_err *err)
{
    const struct gr_engine_start *start = &keeper->order.start;
    struct gr_process process = {
        .names = {.job = start->job,
                  .attempt = start->attempt,
                  .array_index = start->array_index,
                  .task = start->tasks[index].task,
                  .part = start->tasks[index].part},
        .environment = &keeper->environment,
        .output = -1,
        .error = -1,
    };
    int code = environment_task(keeper, &start->tasks[index], err);
    code = code != 0 ? code : group_make(keeper, index, err);
    code = code != 0 ? code : files_make(keeper, &process, err);
    if (code != 0) {
        return code;
    }
    process.group = keeper->tasks[index].group;
    pid_t pid = gr_process_start(&begin->config, &process, err);
    files_close(&process);
    if (pid < 0) {
        return pid;
    }
    keeper->tasks[index].pid = pid;
    keeper->going++;
    return 0;
}

// Waits until a task says something, closes its end, or a signal comes.
static void words_wait(const struct begin *begin)
{
    struct pollfd poll = {.fd = begin->words[0], .events = POLLIN};
    sigset_t set;
    (void)sigprocmask(SIG_SETMASK, NULL, &set);
    (void)sigdelset(&set, SIGCHLD);
    (void)sigdelset(&set, GR_KEEPER_SIGNAL);
    (void)ppoll(&poll, 1, NULL, &set);
}

static void go_close(struct begin *begin)
{
    for (unsigned i = 0; i < 2; i++) {
        if (begin->config.go[i] >= 0) {
            (void)close(begin->config.go[i]);
            begin->config.go[i] = -1;
        }
    }
}

// Takes in one word. Returns 0, or -errno of a task's failure.
static int word_take(struct keeper *keeper, struct begin *begin, struct gr_process_word word,
                     struct gr_err *err)
{
    word.text[sizeof word.text - 1] = '\0';
    if (word.code != 0) {
        return keeper->task_count == 1 ? gr_fail(err, -ECHILD, "%s", word.text)
                                       : gr_fail(err, -ECHILD, "task %u: %s", word.task, word.text);
    }
    begin->ready++;
    if (begin->ready == keeper->task_count) {
        go_close(begin);
    }
    return 0;
}

// Takes in all words that are there. Returns 1 at the end of all words, 0 to go on, or -errno of a
// task's failure.
static int words_read(struct keeper *keeper, struct begin *begin, struct gr_err *err)
{
    for (;;) {
        struct gr_process_word word;
        ssize_t size = read(begin->words[0], &word, sizeof word);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return size == 0 ? 1 : errno == EAGAIN ? 0 : gr_fail_errno(err, "hear from a task");
        }
        int code = size == (ssize_t)sizeof word
                       ? word_take(keeper, begin, word, err)
                       : gr_fail(err, -EBADMSG, "a task said something that is no word");
        if (code != 0) {
            return code;
        }
    }
}

// Waits until all programs run.
static int programs_wait(struct keeper *keeper, struct begin *begin, struct gr_err *err)
{
    for (;;) {
        words_wait(begin);
        // Who died is asked first: what it said before that is in the pipe then.
        bool is_early = begin->config.go[1] >= 0 && (gr_keeper_reap(keeper), true) &&
                        keeper->going < keeper->task_count;
        int code = words_read(keeper, begin, err);
        if (code != 0) {
            return code < 0 ? code : 0;
        }
        if (is_early) {
            return gr_fail(err, -ECHILD, "a task died before all were ready");
        }
        gr_keeper_obey(keeper);
        if (keeper->is_stopping) {
            return -EINTR;
        }
    }
}

static int pipes_open(struct keeper *keeper, struct begin *begin, struct gr_err *err)
{
    if (pipe2(begin->words, O_CLOEXEC) != 0 ||
        (keeper->task_count > 1 && pipe2(begin->config.go, O_CLOEXEC) != 0)) {
        return gr_fail_errno(err, "make a pipe");
    }
    (void)fcntl(begin->words[0], F_SETFL, O_NONBLOCK);
    begin->config.words = begin->words[1];
    return 0;
}

static struct begin begin_of(const struct keeper *keeper)
{
    return (struct begin){
        .config = {.spec = &keeper->spec,
                   .person = keeper->person,
                   .work = keeper->work,
                   .work_fd = keeper->work_fd,
                   .go = {-1, -1},
                   .files = keeper->config->files,
                   .oom_adjust = keeper->config->oom_adjust,
                   // Whoever is not root cannot signal a process that became root.
                   .may_gain_privileges = geteuid() == 0},
        .words = {-1, -1},
    };
}

int gr_keeper_task_start(struct keeper *keeper, uint32_t index, struct gr_err *err)
{
    struct begin begin = begin_of(keeper);
    if (pipe2(begin.words, O_CLOEXEC) != 0) {
        return gr_fail_errno(err, "make a pipe");
    }
    (void)fcntl(begin.words[0], F_SETFL, O_NONBLOCK);
    begin.config.words = begin.words[1];
    int code = task_fork(keeper, &begin, index, err);
    (void)close(begin.words[1]);
    code = code != 0 ? code : programs_wait(keeper, &begin, err);
    (void)close(begin.words[0]);
    return code;
}

static int processes_start(struct keeper *keeper, struct gr_err *err)
{
    struct begin begin = begin_of(keeper);
    int code = pipes_open(keeper, &begin, err);
    for (uint32_t i = 0; i < keeper->task_count && code == 0; i++) {
        code = task_fork(keeper, &begin, i, err);
    }
    if (begin.words[1] >= 0) {
        (void)close(begin.words[1]);
        begin.words[1] = -1;
    }
    if (code == 0) {
        code = programs_wait(keeper, &begin, err);
    }
    if (code != 0) {
        // Before the pipe closes: a task that waits for it must not run its program.
        gr_keeper_kill(keeper);
    }
    go_close(&begin);
    if (begin.words[0] >= 0) {
        (void)close(begin.words[0]);
    }
    return code;
}

// ---- containers ---------------------------------------------------------------------------------

// Opens a container's output and error, and reads its secrets, with the submitter's rights.
static int container_files_open(struct keeper *keeper, struct gr_process *process,
                                struct gr_err *err)
{
    const struct gr_spec *spec = &keeper->spec;
    int code = files_make(keeper, process, err);
    code = code != 0 ? code : gr_person_act(keeper->person, err);
    if (code != 0) {
        return code;
    }
    mode_t mask = umask(spec->umask);
    if (process->output < 0) {
        process->output =
            gr_process_log_open(spec, GR_ATTEMPT_OUTPUT, &process->names, keeper->work, err);
        code = process->output < 0 ? process->output : 0;
    }
    if (code == 0 && process->error < 0) {
        process->error =
            spec->error[0] == '\0'
                ? fcntl(process->output, F_DUPFD_CLOEXEC, 0)
                : gr_process_log_open(spec, GR_ATTEMPT_ERROR, &process->names, keeper->work, err);
        code = process->error < 0 ? process->error : 0;
    }
    code = code != 0 ? code : gr_process_secrets_read(spec, &keeper->environment, err);
    (void)umask(mask);
    struct gr_err back;
    gr_err_init(&back);
    if (gr_person_act(NULL, &back) != 0) {
        return gr_fail(err, -EPERM, "%s", back.text);
    }
    return code;
}

static int container_create(struct keeper *keeper, uint32_t index, struct gr_err *err)
{
    const struct gr_engine_start *start = &keeper->order.start;
    struct gr_process process = {
        .names = {.job = start->job,
                  .attempt = start->attempt,
                  .array_index = start->array_index,
                  .task = start->tasks[index].task},
        .output = -1,
        .error = -1,
    };
    int code = environment_task(keeper, &start->tasks[index], err);
    code = code != 0 ? code : container_files_open(keeper, &process, err);
    if (code == 0) {
        code = gr_keeper_container_create(keeper, index, process.output, process.error, err);
    }
    files_close(&process);
    keeper->going += code == 0;
    return code;
}

// Creates all containers, and then starts them.
static int containers_start(struct keeper *keeper, struct gr_err *err)
{
    int code = 0;
    for (uint32_t i = 0; i < keeper->task_count && code == 0; i++) {
        code = container_create(keeper, i, err);
        gr_keeper_obey(keeper);
        code = keeper->is_stopping ? -EINTR : code;
    }
    for (uint32_t i = 0; i < keeper->task_count && code == 0; i++) {
        code = gr_keeper_container_start(&keeper->tasks[i], err);
    }
    if (code != 0) {
        gr_keeper_kill(keeper);
    }
    return code;
}

int gr_keeper_start(struct keeper *keeper, struct gr_err *err)
{
    bool is_container = keeper->spec.image[0] != '\0';
    int code = is_container ? containers_start(keeper, err) : processes_start(keeper, err);
    if (code != 0) {
        return code;
    }
    keeper->life.started_ms = gr_keeper_now_ms();
    if (gr_record_life_write(keeper->config->record, &keeper->life, err) != 0) {
        return err->code;
    }
    gr_keeper_hint_send(keeper, GR_REPORT_STARTED, keeper->life.started_ms);
    if (keeper->config->idle_warn_ms > 0) {
        keeper->moved_ms = keeper->life.started_ms;
        keeper->look_at_ms = 0;
    }
    return 0;
}
