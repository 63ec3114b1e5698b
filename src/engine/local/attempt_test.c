// Tests of names and places of an attempt's files.
#include "engine/local/attempt.h"

#include "engine/local.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void names_are_read_as_they_are_written(void **state)
{
    (void)state;
    char name[GR_ATTEMPT_NAME_SIZE];
    uint64_t job = 0;
    uint32_t attempt = 0;
    gr_attempt_name(UINT64_MAX, UINT32_MAX, name);
    assert_string_equal(name, "18446744073709551615.4294967295");
    assert_int_equal(gr_attempt_name_parse(name, &job, &attempt), 0);
    assert_true(job == UINT64_MAX && attempt == UINT32_MAX);
}

static void what_is_no_name_is_not_taken_for_one(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",      ".",    "1",       "1.",           ".1",
        "1.1.1", "01.1", "1.01",    "+1.1",         "1.-1",
        " 1.1",  "1.1 ", "1.1.tmp", "1.4294967296", "18446744073709551616.1",
        "..",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint64_t job = 7;
        uint32_t attempt = 7;
        assert_int_equal(gr_attempt_name_parse(names[i], &job, &attempt), -EINVAL);
        assert_true(job == 7 && attempt == 7);
    }
}

static void patterns_are_filled_in(void **state)
{
    (void)state;
    static const struct {
        const char *output, *error;
        enum gr_attempt_stream stream;
        const char *path;
    } rows[] = {
        {"", "", GR_ATTEMPT_OUTPUT, ""},
        {"", "", GR_ATTEMPT_ERROR, ""},
        {"a", "", GR_ATTEMPT_OUTPUT, "/w/a"},
        {"a", "", GR_ATTEMPT_ERROR, "/w/a"},
        {"a", "b", GR_ATTEMPT_ERROR, "/w/b"},
        {"", "b", GR_ATTEMPT_OUTPUT, ""},
        {"/x/%j.%n.%a.%t", "", GR_ATTEMPT_OUTPUT, "/x/12.3.4.5"},
        {"%%j%", "", GR_ATTEMPT_OUTPUT, "/w/%j%"},
        {"%x", "", GR_ATTEMPT_OUTPUT, "/w/%x"},
    };
    struct gr_attempt_names names = {.job = 12, .attempt = 3, .array_index = 4, .task = 5};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gr_spec spec = {.output = rows[i].output, .error = rows[i].error};
        char path[PATH_MAX];
        struct gr_err err;
        assert_int_equal(gr_attempt_log_path(&spec, rows[i].stream, &names, "/w", path, &err), 0);
        assert_string_equal(path, rows[i].path);
    }
}

static void a_path_that_becomes_too_long_is_refused(void **state)
{
    (void)state;
    static char output[PATH_MAX];
    memset(output, 'a', sizeof output - 1);
    struct gr_attempt_names names = {.job = 1};
    struct gr_spec spec = {.output = output, .error = ""};
    char path[PATH_MAX];
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_attempt_log_path(&spec, GR_ATTEMPT_OUTPUT, &names, "/w", path, &err),
                     -ENAMETOOLONG);
    output[PATH_MAX - 4] = '\0'; // "/w/" before it: one byte less than the most
    assert_int_equal(gr_attempt_log_path(&spec, GR_ATTEMPT_OUTPUT, &names, "/w", path, &err), 0);
    assert_int_equal(strlen(path), PATH_MAX - 1);
}

// Makes DIR/attempts/5.1 and returns it open.
static int attempt_make(char *dir)
{
    char path[PATH_MAX];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/attempts", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(gr_local_attempt_dir(dir, 5, 1, path, sizeof path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void attempt_remove(const char *dir)
{
    static const char *const names[] = {"attempts/5.1/logs", "attempts/5.1", "attempts", "."};
    for (size_t i = 0; i < 4; i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)remove(i == 3 ? dir : path);
    }
}

static void logs_are_found_when_only_their_note_is_left(void **state)
{
    (void)state;
    char dir[] = "/tmp/granary-attempt-XXXXXX";
    struct gr_err err;
    char path[PATH_MAX];
    char own[PATH_MAX];
    bool is_chosen = true;
    uint32_t uid = 7;
    gr_err_init(&err);
    int attempt = attempt_make(dir);
    (void)snprintf(own, sizeof own, "%s/attempts/5.1/error.3", dir);
    assert_int_equal(
        gr_attempt_logs_find(dir, 5, 1, 3, GR_ATTEMPT_ERROR, path, &is_chosen, &uid, &err), 0);
    assert_string_equal(path, own);
    assert_false(is_chosen);
    assert_int_equal(
        gr_attempt_logs_find(dir, 6, 1, 3, GR_ATTEMPT_ERROR, path, &is_chosen, &uid, &err),
        -ENOENT);
    struct gr_attempt_names names = {.job = 5, .attempt = 1, .array_index = 9};
    struct gr_spec spec = {.output = "o-%a-%t", .error = "", .uid = 1234};
    assert_int_equal(gr_attempt_logs_write(attempt, &spec, &names, "/the/work", &err), 0);
    assert_int_equal(
        gr_attempt_logs_find(dir, 5, 1, 3, GR_ATTEMPT_ERROR, path, &is_chosen, &uid, &err), 0);
    assert_string_equal(path, "/the/work/o-9-3");
    assert_true(is_chosen);
    assert_int_equal(uid, 1234);
    int note = openat(attempt, "logs", O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(note, "0", 1), 1);
    (void)close(note);
    assert_int_equal(
        gr_attempt_logs_find(dir, 5, 1, 3, GR_ATTEMPT_ERROR, path, &is_chosen, &uid, &err),
        -EBADMSG);
    (void)close(attempt);
    attempt_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(what_is_no_name_is_not_taken_for_one),
        cmocka_unit_test(patterns_are_filled_in),
        cmocka_unit_test(a_path_that_becomes_too_long_is_refused),
        cmocka_unit_test(logs_are_found_when_only_their_note_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
