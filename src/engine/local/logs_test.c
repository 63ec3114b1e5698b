// Tests of opening a task's output: its own files, places that the spec chose, and links.
#include "engine/local.h"
#include "engine/local/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/granary-logs-XXXXXX";

static int make_root(void **state)
{
    (void)state;
    char command[128];
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    snprintf(command, sizeof(command), "mkdir -p %s/attempts/7.1 %s/attempts/8.2 %s/home", root,
             root, root);
    return system(command);
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int try_open(uint64_t job, uint32_t attempt, uint32_t task, unsigned stream)
{
    struct gr_err err = {0};
    int fd = gr_local_log_open(root, job, attempt, task, stream, &err);
    assert_true(fd >= 0 || err.text[0] != '\0');
    if (fd >= 0) {
        char text[16] = "";
        assert_true(read(fd, text, sizeof(text) - 1) >= 0);
        close(fd);
        return strcmp(text, "words") == 0 ? 1 : 0;
    }
    return fd;
}

static void a_tasks_own_files_are_opened(void **state)
{
    (void)state;
    put("attempts/7.1/output.0", "words");
    put("attempts/7.1/error.3", "words");
    assert_int_equal(try_open(7, 1, 0, 1), 1);
    assert_int_equal(try_open(7, 1, 3, 2), 1);
    assert_int_equal(try_open(7, 1, 1, 1), -ENOENT);
    assert_int_equal(try_open(7, 2, 0, 1), -ENOENT);
}

// An attempt whose spec puts both streams of a task into the file.
static void choose(const char *name, uint32_t uid)
{
    char path[256], output[256], work[256];
    struct gr_err err = {0};
    snprintf(path, sizeof(path), "%s/attempts/8.2", root);
    snprintf(output, sizeof(output), "%s/home/%s", root, name);
    snprintf(work, sizeof(work), "%s/home", root);
    struct gr_spec spec = {.output = output, .error = "", .uid = uid, .directory = ""};
    struct gr_attempt_names names = {.job = 8, .attempt = 2};
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unlinkat(dir, "logs", 0);
    assert_int_equal(gr_attempt_logs_write(dir, &spec, &names, work, &err), 0);
    close(dir);
}

static void a_chosen_place_must_hold_the_submitters_own_file(void **state)
{
    (void)state;
    char path[256];
    put("home/8.txt", "words");
    choose("%j.txt", geteuid());
    assert_int_equal(try_open(8, 2, 0, 1), 1);
    assert_int_equal(try_open(8, 2, 0, 2), 1);
    choose("none.txt", geteuid());
    assert_int_equal(try_open(8, 2, 0, 1), -ENOENT);
    choose("%j.txt", geteuid() + 1); // it is somebody else's
    assert_int_equal(try_open(8, 2, 0, 1), -EACCES);
    snprintf(path, sizeof(path), "%s/home/link", root);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    choose("link", geteuid() == 0 ? 65534 : geteuid());
    assert_int_equal(try_open(8, 2, 0, 1), -EACCES);
    snprintf(path, sizeof(path), "%s/home/pipe", root);
    assert_int_equal(mkfifo(path, 0600), 0);
    choose("pipe", geteuid());
    assert_int_equal(try_open(8, 2, 0, 1), -EACCES); // and it does not wait for a writer
    choose("null", geteuid());
    snprintf(path, sizeof(path), "%s/home/null", root);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(try_open(8, 2, 0, 1), -EACCES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tasks_own_files_are_opened),
        cmocka_unit_test(a_chosen_place_must_hold_the_submitters_own_file),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
