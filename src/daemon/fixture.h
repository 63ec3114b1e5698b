// What the tests of src/daemon share: a folder of their own, removed at the end.
#pragma once

#include "base/err.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// The folder of the test that runs.
static char fixture_dir[64];

// Makes it: a setup function.
static inline int fixture_dir_make(void **state)
{
    (void)state;
    snprintf(fixture_dir, sizeof fixture_dir, "/tmp/granary-daemon-XXXXXX");
    return mkdtemp(fixture_dir) == NULL ? -1 : 0;
}

// One entry of the folder goes.
static inline int fixture_remove(const char *path, const struct stat *info, int flag,
                                 struct FTW *walk)
{
    (void)info;
    (void)flag;
    (void)walk;
    return remove(path);
}

// Removes it with all in it: a teardown function.
static inline int fixture_dir_remove(void **state)
{
    (void)state;
    return nftw(fixture_dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

// A path in it; one at a time.
static inline const char *fixture_path(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture_dir, name);
    return path;
}

// Writes a file in it.
static inline void fixture_write(const char *name, const char *text)
{
    FILE *file = fopen(fixture_path(name), "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

// Asserts that a call went well, and shows its text if it did not.
#define fixture_good(call, err)                                                                    \
    do {                                                                                           \
        int fixture_rc = (call);                                                                   \
        if (fixture_rc != 0) {                                                                     \
            fail_msg("%s: %d: %s", #call, fixture_rc, (err)->text);                                \
        }                                                                                          \
    } while (0)

// A test with a folder.
#define fixture_test(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, fixture_dir_make, fixture_dir_remove)
