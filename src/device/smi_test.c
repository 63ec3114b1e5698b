// Tests of running a program that resets: its arguments, what its answers mean, and the time limit.
#include "device/smi.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char program[96];

static int make(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/granary-smi-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(program, sizeof program, "%s/smi", folder);
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    unlink(program);
    return rmdir(folder);
}

static void assert_reset(const char *script, int limit_ms, int expected, const char *text)
{
    struct gr_err err;
    gr_err_init(&err);
    FILE *file = fopen(program, "we");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", script);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(program, 0755), 0);
    int rc = gr_smi_reset(program, "0000:3b:00.0", limit_ms, &err);
    assert_string_equal(err.text, text);
    assert_int_equal(rc, expected);
}

static void it_is_told_which_device_and_given_no_environment(void **state)
{
    (void)state;
    assert_int_equal(setenv("GRANARY_SECRET", "x", 1), 0);
    assert_reset("test \"$*\" = '--gpu-reset -i 0000:3b:00.0' && test -z \"$GRANARY_SECRET\"",
                 60000, 0, "");
}

static void its_answers_are_told_apart(void **state)
{
    (void)state;
    assert_reset("echo 'not here'; exit 3", 60000, -ENOTSUP,
                 "reset 0000:3b:00.0: nvidia-smi cannot reset it: not here");
    assert_reset("echo 'ask root' >&2; exit 4", 60000, -ENOTSUP,
                 "reset 0000:3b:00.0: nvidia-smi cannot reset it: ask root");
    assert_reset("echo 'GPU is currently in use'; exit 255", 60000, -EBUSY,
                 "reset 0000:3b:00.0: nvidia-smi: GPU is currently in use");
    assert_reset("echo 'all GPUs on an NVLink must be reset together'; exit 255", 60000, -ENOTSUP,
                 "reset 0000:3b:00.0: nvidia-smi cannot reset it: all GPUs on an NVLink must be "
                 "reset together");
    assert_reset("echo 'In use by another client'; exit 255", 60000, -EBUSY,
                 "reset 0000:3b:00.0: nvidia-smi: In use by another client");
    assert_reset("echo one; echo two; exit 15", 60000, -EIO,
                 "reset 0000:3b:00.0: nvidia-smi ended with 15: one two");
    assert_reset("kill -9 $$", 60000, -EIO, "reset 0000:3b:00.0: nvidia-smi ended with -9: ");
}

static void one_that_hangs_is_killed(void **state)
{
    (void)state;
    char text[256];
    snprintf(text, sizeof text, "reset 0000:3b:00.0: %s took more than 50 ms", program);
    assert_reset("exec sleep 60", 50, -ETIMEDOUT, text);
    assert_reset("exec sleep 60 >/dev/null 2>&1", 50, -ETIMEDOUT, text);
}

static void one_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct gr_err err;
    assert_int_equal(gr_smi_reset("/nonexistent/smi", "a", 1000, &err), -ENOENT);
    assert_string_equal(err.text, "reset a: run /nonexistent/smi: No such file or directory");
}

static void long_output_is_cut(void **state)
{
    (void)state;
    assert_reset("i=0; while [ $i -lt 300 ]; do echo 0123456789012345678901234567890123456789; "
                 "i=$((i+1)); done; exit 0",
                 60000, 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_told_which_device_and_given_no_environment, make,
                                        take_down),
        cmocka_unit_test_setup_teardown(its_answers_are_told_apart, make, take_down),
        cmocka_unit_test_setup_teardown(one_that_hangs_is_killed, make, take_down),
        cmocka_unit_test(one_that_is_not_there_is_told),
        cmocka_unit_test_setup_teardown(long_output_is_cut, make, take_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
