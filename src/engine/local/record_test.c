// Tests of records: parts that are whole, parts that are not, and who holds the lock.
#include "engine/local/record.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// A directory of records with one in it.
struct fixture {
    char dir[64];
    int live;
    int fd;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct gr_record_head head = {.job = 3, .attempt = 2, .epoch = 9};
    struct gr_err err;
    gr_err_init(&err);
    memcpy(fixture.dir, "/tmp/granary-record-XXXXXX", 27);
    assert_non_null(mkdtemp(fixture.dir));
    fixture.live = open(fixture.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(gr_record_boot_read(head.boot, &err), 0);
    assert_int_equal(
        gr_record_make(fixture.live, &head, (const uint8_t *)"the order", 9, &fixture.fd, &err), 0);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    (void)close(fixture->fd);
    (void)unlinkat(fixture->live, "3.2", 0);
    (void)close(fixture->live);
    (void)rmdir(fixture->dir);
    return 0;
}

static void what_is_written_is_read(void **state)
{
    struct fixture *fixture = *state;
    struct gr_record record;
    struct gr_record_wish wish;
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_record_read(fixture->fd, &record, &err), 0);
    assert_true(record.head.job == 3 && record.head.attempt == 2 && record.head.epoch == 9);
    assert_int_equal(record.head.order_size, 9);
    assert_true(record.head.made_ms > 0);
    assert_int_equal(record.life.pid, 0);
    assert_int_equal(record.end.type, 0);
    struct gr_record_life life = {.started_ms = 5, .pid = 77};
    struct gr_record_wish want = {.stop_signal = 15, .grace_ms = 1000, .signals = {[10] = 2}};
    struct gr_record_end end = {.type = GR_REPORT_ENDED, .exit_code = 3, .text = "why"};
    assert_int_equal(gr_record_life_write(fixture->fd, &life, &err), 0);
    assert_int_equal(gr_record_wish_write(fixture->fd, &want, &err), 0);
    assert_int_equal(gr_record_end_write(fixture->fd, &end, &err), 0);
    assert_int_equal(gr_record_read(fixture->fd, &record, &err), 0);
    assert_int_equal(record.life.pid, 77);
    assert_int_equal(record.wish.grace_ms, 1000);
    assert_int_equal(record.end.exit_code, 3);
    assert_string_equal(record.end.text, "why");
    gr_record_wish_read(fixture->fd, &wish);
    assert_int_equal(wish.signals[10], 2);
    char order[16] = "";
    assert_int_equal(pread(fixture->fd, order, sizeof order, GR_RECORD_ORDER_AT), 9);
    assert_string_equal(order, "the order");
}

static void a_part_with_any_byte_changed_counts_as_not_written(void **state)
{
    struct fixture *fixture = *state;
    struct gr_record record;
    struct gr_err err;
    gr_err_init(&err);
    struct gr_record_end end = {.type = GR_REPORT_ENDED, .exit_code = 3};
    assert_int_equal(gr_record_end_write(fixture->fd, &end, &err), 0);
    for (off_t at = 512; at < 512 + (off_t)sizeof end + 8; at++) {
        uint8_t byte;
        assert_int_equal(pread(fixture->fd, &byte, 1, at), 1);
        byte ^= 0x40;
        assert_int_equal(pwrite(fixture->fd, &byte, 1, at), 1);
        assert_int_equal(gr_record_read(fixture->fd, &record, &err), 0);
        assert_int_equal(record.end.type, 0);
        byte ^= 0x40;
        assert_int_equal(pwrite(fixture->fd, &byte, 1, at), 1);
    }
    assert_int_equal(gr_record_read(fixture->fd, &record, &err), 0);
    assert_int_equal(record.end.exit_code, 3);
}

static void a_damaged_head_is_no_record(void **state)
{
    struct fixture *fixture = *state;
    struct gr_record record;
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(pwrite(fixture->fd, "X", 1, 10), 1);
    assert_int_equal(gr_record_read(fixture->fd, &record, &err), -EBADMSG);
    assert_int_equal(pwrite(fixture->fd, "X", 1, 0), 1);
    assert_int_equal(gr_record_read(fixture->fd, &record, &err), -EBADMSG);
    assert_int_equal(ftruncate(fixture->fd, 1000), 0);
    assert_int_equal(gr_record_read(fixture->fd, &record, &err), -EBADMSG);
}

static void there_is_one_record_of_an_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct gr_record_head head = {.job = 3, .attempt = 2};
    struct gr_err err;
    int fd = -1;
    gr_err_init(&err);
    assert_int_equal(gr_record_make(fixture->live, &head, NULL, 0, &fd, &err), -EEXIST);
    assert_int_equal(gr_record_open(fixture->live, 3, 3, &fd, &err), -ENOENT);
}

static void the_lock_is_held_until_the_last_holder_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct gr_err err;
    int hold[2];
    int other = -1;
    gr_err_init(&err);
    assert_int_equal(pipe(hold), 0);
    pid_t keeper = fork();
    if (keeper == 0) {
        char byte;
        (void)close(hold[1]);
        _exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
    }
    (void)close(hold[0]);
    (void)close(fixture->fd); // the launcher's own; the keeper has it still
    assert_int_equal(gr_record_open(fixture->live, 3, 2, &other, &err), 0);
    assert_true(gr_record_is_held(other));
    assert_true(gr_record_is_held(other));
    (void)close(hold[1]);
    assert_int_equal(waitpid(keeper, NULL, 0), keeper);
    assert_false(gr_record_is_held(other));
    assert_false(gr_record_is_held(other));
    fixture->fd = other;
}

static void a_full_disk_refuses_a_record_and_leaves_none(void **state)
{
    struct fixture *fixture = *state;
    struct gr_record_head head = {.job = 4, .attempt = 1};
    struct gr_err err;
    int fd = -1;
    gr_err_init(&err);
    // A limit on the size of files ends a write as a full disk does.
    pid_t child = fork();
    if (child == 0) {
        static uint8_t order[65536];
        struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        _exit(gr_record_make(fixture->live, &head, order, sizeof order, &fd, &err) == -EFBIG ? 0
                                                                                             : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(gr_record_open(fixture->live, 4, 1, &fd, &err), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(a_part_with_any_byte_changed_counts_as_not_written),
        TEST(a_damaged_head_is_no_record),
        TEST(there_is_one_record_of_an_attempt),
        TEST(the_lock_is_held_until_the_last_holder_is_gone),
        TEST(a_full_disk_refuses_a_record_and_leaves_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
