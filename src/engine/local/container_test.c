// Tests of containers with the real runtimes, crun and runc, and images made by
// tests/engine/make_image.py. As root the jobs are another user's; as an ordinary user, one's own.
#include "engine/local/container.h"

#include "engine/local/cgroup.h"
#include "engine/local/runtime.h"
#include "engine/local/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OTHER_USER 65534

static char root[] = "/tmp/granary-container-XXXXXX";
static char images[64], work[64], engine[64], task[64], output[64];
static const char *runtimes[3]; // NULL-terminated
static struct gr_cgroup_means means;
static uint32_t uid, gid;
static char said[8192]; // by the last container

static int set_up(void **state)
{
    static const char *const places[] = {"/usr/bin/crun", "/usr/bin/runc", "/usr/sbin/runc"};
    char command[1024];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && count < 2; i++) {
        // An ordinary user's containers are crun's alone.
        if (access(places[i], X_OK) == 0 && (geteuid() == 0 || strstr(places[i], "crun"))) {
            runtimes[count++] = places[i];
        }
    }
    uid = geteuid() == 0 ? OTHER_USER : geteuid();
    gid = geteuid() == 0 ? OTHER_USER : getegid();
    if (mkdtemp(root) == NULL || chmod(root, 0755) != 0) {
        return -1;
    }
    snprintf(images, sizeof(images), "%s/images", root);
    snprintf(work, sizeof(work), "%s/a place, to: work", root);
    snprintf(engine, sizeof(engine), "%s/engine", root);
    snprintf(task, sizeof(task), "%s/engine/task, 0", root);
    snprintf(output, sizeof(output), "%s/output", root);
    snprintf(command, sizeof(command), "python3 " GR_SOURCE_ROOT "/tests/engine/make_image.py %s",
             images);
    if (system(command) != 0 || mkdir(work, 0700) != 0 || chown(work, uid, gid) != 0 ||
        mkdir(engine, 0711) != 0 || mkdir(task, 0700) != 0) {
        return -1;
    }
    gr_cgroup_means_find(engine, &means);
    return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static int take_down(void **state)
{
    (void)state;
    int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = gr_tree_remove(tmp, root + strlen("/tmp/"));
    close(tmp);
    return code;
}

// ---- running one --------------------------------------------------------------------------------

// What a test may change.
struct trial {
    const char *runtime, *image;
    const char *command; // for sh -c
    uint32_t memory_mib, pids;
    const char *work;
};

static char image_path[128];
static const char *argv[4];
static struct gr_spec spec;
static struct gr_container_config config;

static struct gr_container_config *config_of(const struct trial *trial, int out)
{
    static const char *const env[] = {"PATH=/nowhere", "GIVEN=job", "A=a b", NULL};
    static const uint32_t groups[] = {4242};
    snprintf(image_path, sizeof(image_path), "%s%s%s", trial->image[0] == '/' ? "" : images,
             trial->image[0] == '/' ? "" : "/", trial->image);
    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = trial->command;
    spec = (struct gr_spec){
        .name = "",
        .argv = {argv, 3},
        .directory = "",
        .image = image_path,
        .output = "",
        .error = "",
        .uid = uid,
        .gid = gid,
        .umask = 027,
    };
    config = (struct gr_container_config){
        .engine = engine,
        .dir = task,
        .work = trial->work == NULL ? work : trial->work,
        .group = "77.1/task-0",
        .id = "granary-77.1-0",
        .runtime = trial->runtime,
        .spec = &spec,
        .env = env,
        .cpu_milli = 1000,
        .memory_mib = trial->memory_mib,
        .pids = trial->pids,
        .groups = groups,
        .group_count = 1,
        .output = out,
        .error = out,
        .oom_adjust = 123,
        .means = &means,
    };
    return &config;
}

static void said_read(void)
{
    int fd = open(output, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, said, sizeof(said) - 1);
    said[got > 0 ? got : 0] = '\0';
    if (fd >= 0) {
        close(fd);
    }
}

static int output_open(void)
{
    (void)unlink(output);
    int fd = open(output, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void nothing_is_left(void)
{
    char command[512];
    snprintf(command, sizeof(command),
             "! grep -q '%s' /proc/self/mountinfo && ! find /sys/fs/cgroup -name '%s' | grep -q . "
             "&& test -z \"$(ls -A '%s')\"",
             root, means.pool, task);
    if (system(command) != 0) {
        snprintf(command, sizeof(command),
                 "find /sys/fs/cgroup -path '*%s*' -type d; find '%s' | head", means.pool, task);
        (void)!system(command);
        fail_msg("something was left");
    }
}

// Creates and starts; the caller waits.
static pid_t begin(const struct trial *trial, struct gr_container **ret_container)
{
    struct gr_err err = {0};
    pid_t pid = 0;
    int out = output_open();
    int code = gr_container_create(config_of(trial, out), ret_container, &pid, &err);
    close(out);
    assert_string_equal(err.text, "");
    assert_int_equal(code, 0);
    assert_true(pid > 1);
    assert_int_equal(gr_container_start(*ret_container, &err), 0);
    assert_string_equal(err.text, "");
    return pid;
}

static int end(pid_t pid, struct gr_container *container)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    gr_container_delete(container);
    said_read();
    nothing_is_left();
    return status;
}

static int run(const struct trial *trial)
{
    struct gr_container *container;
    pid_t pid = begin(trial, &container);
    return end(pid, container);
}

static bool says(const char *text)
{
    if (strstr(said, text) == NULL) {
        print_message("does not say \"%s\": %s\n", text, said);
        return false;
    }
    return true;
}

// ---- tests --------------------------------------------------------------------------------------

static void the_job_is_the_submitter_and_has_no_more_rights(void **state)
{
    (void)state;
    for (int i = 0; runtimes[i] != NULL; i++) {
        char want[64];
        struct trial trial = {
            .runtime = runtimes[i],
            .image = "zipped",
            .command = "id -u; id -g; id -G; umask; pwd; env; grep -E 'Cap|NoNewPrivs' "
                       "/proc/self/status; echo to err >&2; echo $$; touch made /made; "
                       "ls /proc | grep -c '^[0-9]'; cat /proc/self/oom_score_adj; exit 7",
        };
        int status = run(&trial);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 7);
        snprintf(want, sizeof(want), "%u\n%u\n", uid, gid);
        assert_int_equal(strncmp(said, want, strlen(want)), 0);
        assert_true(says("0027\n"));
        assert_true(says(work));
        assert_true(says("PATH=/bin\n"));
        assert_true(says("FROM_IMAGE=yes\n"));
        assert_true(says("GIVEN=job\n"));
        assert_true(says("A=a b\n"));
        assert_true(says("CapEff:\t0000000000000000"));
        assert_true(says("CapBnd:\t0000000000000000"));
        assert_true(says("NoNewPrivs:\t1"));
        assert_true(says("to err\n"));
        assert_true(says("\n123\n"));
        assert_true(geteuid() != 0 || says("4242"));
        char path[128];
        struct stat st;
        snprintf(path, sizeof(path), "%s/made", work);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, uid);
        assert_int_equal(st.st_mode & 0777, 0640);
        unlink(path);
    }
}

static void what_an_attempt_writes_the_next_does_not_see(void **state)
{
    (void)state;
    struct trial trial = {
        .runtime = runtimes[0],
        .image = "plain",
        .command = "test ! -e /etc/mine && echo x > /etc/mine && rm /bin/cat && echo y > /bin/cat "
                   "&& echo fine",
    };
    for (int i = 0; i < 2; i++) {
        run(&trial);
        assert_string_equal(said, "fine\n");
    }
}

static void of_a_bundle_only_its_root_and_variables_count(void **state)
{
    (void)state;
    char hooked[128];
    snprintf(hooked, sizeof(hooked), "%s/hooked", images);
    for (int i = 0; runtimes[i] != NULL; i++) {
        struct trial trial = {
            .runtime = runtimes[i],
            .image = "bundle",
            .command = "id -u; echo $FROM_IMAGE; test -e /host || echo no host; "
                       "test -e /dev/kmsg || echo no kmsg; grep CapBnd /proc/self/status; "
                       "echo x > /new; echo $?",
        };
        char want[128];
        run(&trial);
        snprintf(want, sizeof(want), "%u\nbundle\nno host\nno kmsg\nCapBnd:\t0000000000000000\n0\n",
                 uid);
        assert_string_equal(said, want);
        assert_int_not_equal(access(hooked, F_OK), 0);
        snprintf(hooked, sizeof(hooked), "%s/bundle/rootfs/new", images);
        assert_int_not_equal(access(hooked, F_OK), 0); // what was written went elsewhere
    }
}

static void limits_hold_in_a_container(void **state)
{
    (void)state;
    for (int i = 0; means.has_memory && runtimes[i] != NULL; i++) {
        struct gr_cgroup_usage usage;
        struct gr_container *container;
        struct trial trial = {
            .runtime = runtimes[i],
            .image = "plain",
            .memory_mib = 32,
            .command = "dd if=/dev/zero of=/dev/null bs=64M count=1; echo ended with $?; "
                       "head -c 1 /dev/kmsg; exit 3",
        };
        pid_t pid = begin(&trial, &container);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        gr_container_usage(container, &usage); // still there after its end
        assert_true(usage.out_of_memory >= 1);
        assert_true(usage.has_cpu);
        assert_true(usage.peak_kib >= 16 << 10);
        gr_container_delete(container);
        said_read();
        nothing_is_left();
        assert_int_equal(WEXITSTATUS(status), 3);
        assert_true(says("ended with 137"));
    }
}

// Waits until the container said something.
static void wait_said(const char *text)
{
    for (;;) {
        said_read();
        if (strstr(said, text) != NULL) {
            return;
        }
        poll(NULL, 0, 1);
    }
}

static void signals_reach_all_of_it(void **state)
{
    (void)state;
    for (int i = 0; runtimes[i] != NULL; i++) {
        struct gr_container *container;
        struct gr_err err = {0};
        struct trial trial = {
            .runtime = runtimes[i],
            .image = "plain",
            .command = "trap 'until test -e second; do sleep 0.01; done; echo first; exit 5' TERM;"
                       "(trap 'echo x > second' TERM; echo ready; while true; do sleep 0.01; done)"
                       " & while true; do sleep 0.01; done",
        };
        pid_t pid = begin(&trial, &container);
        wait_said("ready");
        assert_int_equal(gr_container_kill(container, SIGTERM, true, &err), 0);
        int status = end(pid, container);
        assert_true(says("first"));
        assert_int_equal(WEXITSTATUS(status), 5);
        char path[128];
        snprintf(path, sizeof(path), "%s/second", work);
        assert_int_equal(unlink(path), 0);

        // A first process that handles nothing would never hear of it.
        trial.command = "echo ready; sleep 1000; echo not reached";
        argv[0] = "sh";
        pid = begin(&trial, &container);
        wait_said("ready");
        assert_int_equal(gr_container_kill(container, SIGKILL, true, &err), 0);
        status = end(pid, container);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        trial.command = "echo ready; exec sleep 1000";
        pid = begin(&trial, &container);
        wait_said("ready");
        poll(NULL, 0, 20); // sh becomes sleep; either ends alike
        assert_int_equal(gr_container_kill(container, SIGTERM, true, &err), 0);
        status = end(pid, container);
        assert_true(WIFSIGNALED(status));
    }
}

static void a_container_that_never_started_is_deleted(void **state)
{
    (void)state;
    for (int i = 0; runtimes[i] != NULL; i++) {
        struct gr_container *container;
        struct gr_err err = {0};
        pid_t pid;
        int status;
        struct trial trial = {.runtime = runtimes[i], .image = "plain", .command = "echo no"};
        int out = output_open();
        assert_int_equal(gr_container_create(config_of(&trial, out), &container, &pid, &err), 0);
        close(out);
        gr_container_delete(container);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        said_read();
        assert_string_equal(said, "");
        nothing_is_left();
    }
}

static void fail_with(const struct trial *trial, const char *text)
{
    struct gr_container *container = NULL;
    struct gr_err err = {0};
    pid_t pid;
    int out = output_open();
    int code = gr_container_create(config_of(trial, out), &container, &pid, &err);
    close(out);
    if (code >= 0 || strstr(err.text, text) == NULL) {
        fail_msg("%d \"%s\" does not say \"%s\"", code, err.text, text);
    }
    assert_null(container);
    nothing_is_left();
    int status;
    while (waitpid(-1, &status, WNOHANG) > 0) {
    }
}

static void failures_are_explained_and_leave_nothing(void **state)
{
    (void)state;
    char secret[128], script[128];
    snprintf(secret, sizeof(secret), "%s/secret/inside", root);
    snprintf(script, sizeof(script), "%s/secret", root);
    mkdir(script, 0700);
    mkdir(secret, 0777);
    for (int i = 0; runtimes[i] != NULL; i++) {
        struct trial trial = {.runtime = runtimes[i], .image = "plain", .command = "true"};
        trial.image = "device";
        fail_with(&trial, "device");
        trial.image = "missing-blob";
        fail_with(&trial, "No such file");
        trial.image = "/no/such/image";
        fail_with(&trial, "/no/such/image");
        config_of(&trial, -1);
        for (unsigned k = 0; k < 2; k++) {
            struct gr_container *container = NULL;
            struct gr_err err = {0};
            pid_t pid;
            spec.image = k == 0 ? "" : "images/plain";
            assert_int_equal(gr_container_create(&config, &container, &pid, &err), -EINVAL);
            assert_non_null(strstr(err.text, "absolute"));
            assert_null(container);
        }
        trial.image = "plain";
        trial.work = "/no/such/folder";
        fail_with(&trial, "working directory");
        if (geteuid() == 0) { // root could open it; the submitter cannot
            trial.work = secret;
            fail_with(&trial, "Permission denied");
            trial.work = NULL;
            trial.image = "bundle";
            char path[128];
            snprintf(path, sizeof(path), "%s/bundle", images);
            chmod(path, 0700);
            fail_with(&trial, "Permission denied");
            chmod(path, 0755);
        }
    }
    if (geteuid() != 0) {
        struct trial trial = {.runtime = "/usr/sbin/runc", .image = "plain", .command = "true"};
        fail_with(&trial, "install crun");
    }
    struct trial trial = {.runtime = "/no/such/crun", .image = "plain", .command = "true"};
    fail_with(&trial, "No such file");
    trial.runtime = "/bin/false";
    fail_with(&trial, "failed");
}

static void a_missing_program_is_an_error_of_create_or_start(void **state)
{
    (void)state;
    for (int i = 0; runtimes[i] != NULL; i++) {
        struct gr_container *container = NULL;
        struct gr_err err = {0};
        pid_t pid = 0;
        struct trial trial = {.runtime = runtimes[i], .image = "plain", .command = "true"};
        int out = output_open();
        config_of(&trial, out);
        argv[0] = "no-such-program";
        int code = gr_container_create(&config, &container, &pid, &err);
        if (code == 0) {
            code = gr_container_start(container, &err);
            gr_container_delete(container);
        }
        close(out);
        assert_true(code < 0);
        assert_non_null(strstr(err.text, "no-such-program"));
        int status;
        while (waitpid(-1, &status, WNOHANG) > 0) {
        }
        nothing_is_left();
    }
}

static void a_runtime_that_hangs_is_killed(void **state)
{
    (void)state;
    char path[128];
    struct gr_err err = {0};
    snprintf(path, sizeof(path), "%s/hang", root);
    FILE *file = fopen(path, "we");
    fprintf(file, "#!/bin/sh\nsleep 1000 &\nwait\n");
    fclose(file);
    chmod(path, 0755);
    const char *const words[] = {path, NULL};
    struct gr_runtime runtime = {.program = path, .box = root, .argv = words, .timeout_ms = 100};
    assert_int_equal(gr_runtime_run(&runtime, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.text, "killed"));
    int status;
    while (waitpid(-1, &status, 0) > 0) { // what it had started is ours now, and dead
        assert_true(WIFSIGNALED(status));
    }
}

// A runtime that is killed: `when` so many milliseconds after it began to create; -1: just before
// it would say that it has. All other orders are obeyed.
static void runtime_make(const char *path, const char *program, int when)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\ncase \" $* \" in *\" create \"*) ;; *) exec %s \"$@\" ;; esac\n",
            program);
    if (when < 0) {
        fprintf(file, "%s \"$@\"\n", program);
    } else {
        fprintf(file, "%s \"$@\" &\nsleep 0.%03d\nkill -9 $!\n", program, when);
    }
    fprintf(file, "kill -9 $$\n");
    fclose(file);
    chmod(path, 0755);
}

static void a_runtime_that_is_killed_while_it_creates_leaves_nothing(void **state)
{
    (void)state;
    char path[128];
    for (int i = 0; runtimes[i] != NULL; i++) {
        for (int when = -1; when < 40; when += when < 10 ? 1 : 10) {
            struct gr_container *container = NULL;
            struct gr_err err = {0};
            pid_t pid;
            struct trial trial = {.runtime = path, .image = "plain", .command = "echo began"};
            snprintf(path, sizeof(path), "%s/killed-%s", root, strrchr(runtimes[i], '/') + 1);
            assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
            strcat(path, strrchr(runtimes[i], '/')); // its name says which it is
            runtime_make(path, runtimes[i], when);
            int out = output_open();
            int code = gr_container_create(config_of(&trial, out), &container, &pid, &err);
            close(out);
            assert_true(code < 0);
            assert_null(container);
            nothing_is_left();
            // What it had made is ours now, and dead, or dies this moment.
            int status;
            pid_t ended = 1;
            for (unsigned wait = 0; ended >= 0 && wait < 5000; wait++) {
                ended = waitpid(-1, &status, WNOHANG);
                if (ended == 0) {
                    (void)poll(NULL, 0, 2);
                }
            }
            if (ended >= 0) {
                fail_msg("%s, killed after %d ms: a process lives", runtimes[i], when);
            }
            said_read();
            assert_null(strstr(said, "began")); // a runtime's own words may be there
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_job_is_the_submitter_and_has_no_more_rights),
        cmocka_unit_test(what_an_attempt_writes_the_next_does_not_see),
        cmocka_unit_test(of_a_bundle_only_its_root_and_variables_count),
        cmocka_unit_test(limits_hold_in_a_container),
        cmocka_unit_test(signals_reach_all_of_it),
        cmocka_unit_test(a_container_that_never_started_is_deleted),
        cmocka_unit_test(failures_are_explained_and_leave_nothing),
        cmocka_unit_test(a_missing_program_is_an_error_of_create_or_start),
        cmocka_unit_test(a_runtime_that_hangs_is_killed),
        cmocka_unit_test(a_runtime_that_is_killed_while_it_creates_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, take_down);
}
