// Tests of whole files.
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 1 << 20 };

struct reader {
    int fd;
    size_t size;
    uint64_t sum;
};

// Takes few bytes at a time, so that the writer's pipe is full most of the time.
static void *read_slowly(void *context)
{
    struct reader *reader = context;
    unsigned char bytes[777];
    ssize_t got;
    while ((got = read(reader->fd, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            reader->sum = reader->sum * 31 + bytes[i];
        }
        reader->size += (size_t)got;
    }
    return NULL;
}

static void a_pipe_that_is_full_gets_it_all(void **state)
{
    (void)state;
    int ends[2];
    unsigned char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    uint64_t sum = 0;
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (unsigned char)(i * 7 + i / 256);
        sum = sum * 31 + bytes[i];
    }
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct reader reader = {.fd = ends[0]};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, &reader), 0);
    assert_int_equal(gr_file_write_all(ends[1], bytes, SIZE), 0);
    close(ends[1]);
    pthread_join(thread, NULL);
    close(ends[0]);
    assert_true(reader.size == SIZE && reader.sum == sum);
    free(bytes);
}

static void what_cannot_be_written_is_said(void **state)
{
    (void)state;
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    assert_int_equal(gr_file_write_all(ends[1], "x", 1), -EPIPE);
    assert_int_equal(gr_file_write_all(ends[1], NULL, 0), 0);
    close(ends[1]);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(gr_file_write_all(full, "x", 1), -ENOSPC);
    close(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_that_is_full_gets_it_all),
        cmocka_unit_test(what_cannot_be_written_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
