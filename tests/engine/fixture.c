// A local engine for tests: see fixture.h.
#include "fixture.h"

#include "base/clock.h"
#include "engine/local/attempt.h"
#include "engine/local/launch.h"
#include "engine/local/record.h"
#include "engine/local/wire.h"
#include "model/spec_bytes.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void pause_ms(long ms)
{
    struct timespec pause = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

// ---- opening and closing ------------------------------------------------------------------------

static void engine_open(struct fixture *fixture)
{
    struct gr_local_config config = {.dir = fixture->dir,
                                     .checks = "",
                                     .epoch = fixture->epoch,
                                     .idle_warn_ms = fixture->idle_warn_ms};
    struct gr_err err;
    gr_err_init(&err);
    if (gr_local_launch(&config, &err) != 0 ||
        gr_local_open(&config, &fixture->engine, &err) != 0) {
        fail_msg("%s", err.text);
    }
    fixture->is_up = true;
}

void fixture_open(struct fixture *fixture)
{
    int64_t idle_warn_ms = fixture->idle_warn_ms;
    *fixture = (struct fixture){.epoch = 1, .idle_warn_ms = idle_warn_ms};
    (void)snprintf(fixture->root, sizeof fixture->root, "/tmp/granary-engine-XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    assert_int_equal(chmod(fixture->root, 0755), 0);
    (void)snprintf(fixture->dir, sizeof fixture->dir, "%s/engine", fixture->root);
    fixture->reports = calloc(FIXTURE_REPORTS_MAX, sizeof *fixture->reports);
    assert_non_null(fixture->reports);
    engine_open(fixture);
}

void fixture_reopen(struct fixture *fixture)
{
    if (fixture->engine != NULL) {
        fixture->engine->ops->close(fixture->engine);
    }
    fixture->epoch++;
    fixture_clear(fixture);
    engine_open(fixture);
}

static void remove_all(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char name[4096];
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct stat about;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            snprintf(name, sizeof name, "%s/%s", path, entry->d_name) >= (int)sizeof name) {
            continue;
        }
        if (lstat(name, &about) == 0 && S_ISDIR(about.st_mode)) {
            remove_all(name);
        } else {
            (void)unlink(name);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    (void)rmdir(path);
}

// Ends what still runs.
static void all_end(struct fixture *fixture)
{
    struct gr_err err;
    gr_err_init(&err);
    fixture_list(fixture);
    size_t count = fixture->count;
    for (size_t i = 0; i < count; i++) {
        struct gr_engine_report report = fixture->reports[i];
        if (report.type == GR_REPORT_STARTED) {
            (void)fixture->engine->ops->stop(fixture->engine, report.job, report.attempt,
                                             fixture->epoch, SIGKILL, 0, &err);
            while (fixture_count(fixture, report.job, GR_REPORT_ENDED) == 0 &&
                   fixture_count(fixture, report.job, GR_REPORT_LOST) == 0) {
                fixture_poll(fixture, 1000);
            }
        }
    }
}

void fixture_close(struct fixture *fixture)
{
    struct gr_err err;
    gr_err_init(&err);
    if (fixture->engine != NULL) {
        all_end(fixture);
        fixture->engine->ops->close(fixture->engine);
    }
    assert_int_equal(gr_local_launcher_stop(fixture->dir, &err), 0);
    remove_all(fixture->root);
    free(fixture->reports);
    *fixture = (struct fixture){0};
}

// ---- jobs ---------------------------------------------------------------------------------------

struct fixture_job fixture_script(uint64_t id, const char *script)
{
    struct fixture_job job = {.spec = gr_spec_default(), .id = id, .attempt = 1};
    job.argv[0] = "sh";
    job.argv[1] = "-c";
    job.argv[2] = script;
    job.spec.argv.count = 3;
    job.spec.uid = geteuid();
    job.spec.gid = getegid();
    job.spec.grace_ms = 30000;
    return job;
}

int fixture_start(struct fixture *fixture, const struct fixture_job *job, struct gr_err *err)
{
    static uint8_t bytes[GR_SPEC_BYTES_MAX];
    static struct gr_engine_task tasks[256];
    static struct gr_device devices[256];
    static const char *const nodes[] = {"node-a", "node-b"};
    struct gr_spec spec = job->spec;
    if (spec.argv.items == NULL) {
        spec.argv.items = job->argv;
    }
    long size = gr_spec_encode(&spec, bytes, sizeof bytes);
    assert_true(size > 0);
    assert_true(spec.tasks <= 256 && spec.tasks * job->device_count <= 256);
    for (uint32_t i = 0; i < spec.tasks; i++) {
        tasks[i] = (struct gr_engine_task){.task = i,
                                           .device_first = i * job->device_count,
                                           .device_count = job->device_count,
                                           .milli = spec.milli,
                                           .cpu_milli = spec.cpu_milli,
                                           .memory_mib = spec.memory_mib,
                                           .node = nodes[i % 2]};
        for (uint32_t j = 0; j < job->device_count; j++) {
            devices[i * job->device_count + j] = job->devices[j];
        }
    }
    struct gr_engine_start start = {.job = job->id,
                                    .attempt = job->attempt,
                                    .epoch = fixture->epoch,
                                    .array = job->array,
                                    .array_index = job->array_index,
                                    .task_count_all = spec.tasks,
                                    .user = "someone",
                                    .spec = bytes,
                                    .spec_size = (size_t)size,
                                    .tasks = tasks,
                                    .task_count = spec.tasks,
                                    .devices = devices,
                                    .device_count = spec.tasks * job->device_count,
                                    .nodes = nodes,
                                    .node_count = spec.tasks > 1 ? 2 : 1};
    return fixture->engine->ops->start(fixture->engine, &start, err);
}

void fixture_run(struct fixture *fixture, uint64_t id, const char *script)
{
    struct fixture_job job = fixture_script(id, script);
    struct gr_err err;
    gr_err_init(&err);
    if (fixture_start(fixture, &job, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

// ---- reports ------------------------------------------------------------------------------------

void fixture_poll(struct fixture *fixture, int wait_ms)
{
    struct pollfd poll_fd = {.fd = fixture->engine->ops->fd(fixture->engine), .events = POLLIN};
    struct gr_err err;
    gr_err_init(&err);
    (void)poll(&poll_fd, 1, wait_ms);
    assert_true(fixture->count + 64 <= FIXTURE_REPORTS_MAX);
    int count =
        fixture->engine->ops->poll(fixture->engine, fixture->reports + fixture->count, 64, &err);
    if (count < 0) {
        fail_msg("%s", err.text);
    }
    for (int i = 0; i < count; i++) {
        enum gr_engine_report_type type = fixture->reports[fixture->count + (size_t)i].type;
        fixture->is_up = type == GR_REPORT_UP || (fixture->is_up && type != GR_REPORT_DOWN);
    }
    fixture->count += (size_t)count;
}

size_t fixture_count(const struct fixture *fixture, uint64_t job, enum gr_engine_report_type type)
{
    size_t count = 0;
    for (size_t i = 0; i < fixture->count; i++) {
        count += fixture->reports[i].type == type && (job == 0 || fixture->reports[i].job == job);
    }
    return count;
}

const struct gr_engine_report *fixture_await(struct fixture *fixture, uint64_t job,
                                             enum gr_engine_report_type type)
{
    int64_t until_ms = gr_clock_ms() + FIXTURE_WAIT_MS;
    size_t seen = 0;
    for (;;) {
        for (; seen < fixture->count; seen++) {
            const struct gr_engine_report *report = &fixture->reports[seen];
            if (report->type == type && (job == 0 || report->job == job)) {
                return report;
            }
            if (job != 0 && report->job == job && type != GR_REPORT_REFUSED &&
                report->type == GR_REPORT_REFUSED) {
                fail_msg("job %d was refused: %s", (int)job, report->text);
            }
        }
        if (gr_clock_ms() > until_ms) {
            fail_msg("no report of type %d about job %d came", (int)type, (int)job);
        }
        fixture_poll(fixture, 1000);
    }
}

void fixture_clear(struct fixture *fixture)
{
    fixture->count = 0;
}

void fixture_list(struct fixture *fixture)
{
    struct gr_err err;
    gr_err_init(&err);
    int64_t until_ms = gr_clock_ms() + FIXTURE_WAIT_MS;
    while (!fixture->is_up && gr_clock_ms() < until_ms) {
        fixture_poll(fixture, 1000);
    }
    fixture_clear(fixture);
    assert_int_equal(fixture->engine->ops->list(fixture->engine, &err), 0);
    (void)fixture_await(fixture, 0, GR_REPORT_LISTED);
}

// ---- files and processes ------------------------------------------------------------------------

const char *fixture_read(const struct fixture *fixture, const char *path)
{
    static char bytes[65536];
    char whole[4096];
    (void)snprintf(whole, sizeof whole, "%s%s%s", path[0] == '/' ? "" : fixture->root,
                   path[0] == '/' ? "" : "/", path);
    int fd = open(whole, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, bytes, sizeof bytes - 1);
    bytes[size > 0 ? size : 0] = '\0';
    if (fd >= 0) {
        (void)close(fd);
    }
    return bytes;
}

const char *fixture_output(const struct fixture *fixture, uint64_t job, uint32_t task,
                           unsigned stream)
{
    char path[256];
    (void)snprintf(path, sizeof path, "engine/attempts/%llu.1/%s.%u", (unsigned long long)job,
                   stream == 1 ? "output" : "error", task);
    return fixture_read(fixture, path);
}

void fixture_await_lines(const struct fixture *fixture, const char *path, size_t lines)
{
    int64_t until_ms = gr_clock_ms() + FIXTURE_WAIT_MS;
    for (;;) {
        size_t count = 0;
        for (const char *c = fixture_read(fixture, path); *c != '\0'; c++) {
            count += *c == '\n';
        }
        if (count >= lines) {
            return;
        }
        if (gr_clock_ms() > until_ms) {
            fail_msg("%s has %d lines, not %d", path, (int)count, (int)lines);
        }
        pause_ms(5);
    }
}

void fixture_touch(const struct fixture *fixture, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->root, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    (void)close(fd);
}

void fixture_await_gone(pid_t pid)
{
    int64_t until_ms = gr_clock_ms() + FIXTURE_WAIT_MS;
    while (kill(pid, 0) == 0) {
        char path[64];
        char state = 'Z';
        (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        const char *text = fixture_read(NULL, path);
        const char *after = strrchr(text, ')');
        state = after == NULL ? 'Z' : after[2];
        if (state == 'Z' || state == 'X') {
            return; // dead; whoever is its parent has not looked yet
        }
        if (gr_clock_ms() > until_ms) {
            fail_msg("process %d is still there", (int)pid);
        }
        pause_ms(5);
    }
}

pid_t fixture_launcher(const struct fixture *fixture)
{
    struct gr_err err;
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    gr_err_init(&err);
    int dir = open(fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int socket = gr_wire_connect(dir, &err);
    (void)close(dir);
    if (socket < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size), 0);
    (void)close(socket);
    return peer.pid;
}

pid_t fixture_keeper(const struct fixture *fixture, uint64_t job)
{
    char path[256];
    struct gr_record record;
    struct gr_err err;
    int fd = -1;
    gr_err_init(&err);
    (void)snprintf(path, sizeof path, "%s/live", fixture->dir);
    int live = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(gr_record_open(live, job, 1, &fd, &err), 0);
    assert_int_equal(gr_record_read(fd, &record, &err), 0);
    (void)close(fd);
    (void)close(live);
    assert_true(record.life.pid > 1);
    return record.life.pid;
}
