// Tests of the state directory: its lock, its salt, whose it may be.
#include "daemon/state_dir.h"

#include "daemon/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>

static mode_t mode_of(const char *name)
{
    struct stat info;
    assert_int_equal(lstat(fixture_path(name), &info), 0);
    return info.st_mode & 07777;
}

static void it_is_made_with_its_parents_and_its_secret(void **state)
{
    (void)state;
    struct gr_state_dir dir, again;
    struct gr_err err;
    fixture_good(gr_state_dir_open(fixture_path("a/b/state"), &dir, &err), &err);
    assert_int_equal(mode_of("a/b/state"), 0711);
    assert_int_equal(mode_of("a/b/state/salt"), 0600);
    gr_state_dir_close(&dir);
    fixture_good(gr_state_dir_open(fixture_path("a/b/state"), &again, &err), &err);
    assert_memory_equal(dir.salt, again.salt, sizeof dir.salt);
    gr_state_dir_close(&again);
    gr_state_dir_close(&again); // twice is once
}

static void one_daemon_at_a_time_has_it(void **state)
{
    (void)state;
    struct gr_state_dir dir, other;
    struct gr_err err;
    char number[32];
    assert_int_equal(gr_state_dir_owner(fixture_path("state")), 0);
    fixture_good(gr_state_dir_open(fixture_path("state"), &dir, &err), &err);
    assert_int_equal(gr_state_dir_owner(fixture_path("state")), getpid());
    assert_int_equal(gr_state_dir_open(fixture_path("state"), &other, &err), -EBUSY);
    snprintf(number, sizeof number, "process %ld", (long)getpid());
    assert_non_null(strstr(err.text, number));
    assert_int_equal(other.lock_fd, -1);
    gr_state_dir_close(&other);
    gr_state_dir_close(&dir);
    assert_int_equal(gr_state_dir_owner(fixture_path("state")), 0);
    fixture_good(gr_state_dir_open(fixture_path("state"), &dir, &err), &err);
    gr_state_dir_close(&dir);
}

static void who_was_killed_does_not_keep_it(void **state)
{
    (void)state;
    struct gr_state_dir dir;
    struct gr_err err;
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool is_good = gr_state_dir_open(fixture_path("state"), &dir, &err) == 0;
        (void)!write(ends[1], is_good ? "+" : "-", 1);
        for (;;) {
            pause();
        }
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, '+');
    assert_int_equal(gr_state_dir_owner(fixture_path("state")), pid);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    fixture_good(gr_state_dir_open(fixture_path("state"), &dir, &err), &err);
    gr_state_dir_close(&dir);
    close(ends[0]);
    close(ends[1]);
}

static void a_directory_that_others_may_write_to_is_refused(void **state)
{
    (void)state;
    struct gr_state_dir dir;
    struct gr_err err;
    assert_int_equal(mkdir(fixture_path("state"), 0700), 0);
    assert_int_equal(chmod(fixture_path("state"), 0775), 0);
    assert_int_equal(gr_state_dir_open(fixture_path("state"), &dir, &err), -EPERM);
    assert_int_equal(chmod(fixture_path("state"), 0755), 0);
    fixture_good(gr_state_dir_open(fixture_path("state"), &dir, &err), &err);
    gr_state_dir_close(&dir);
    fixture_write("file", "");
    assert_int_not_equal(gr_state_dir_open(fixture_path("file"), &dir, &err), 0);
}

static void a_salt_of_another_length_is_not_replaced(void **state)
{
    (void)state;
    struct gr_state_dir dir;
    struct gr_err err;
    fixture_good(gr_state_dir_open(fixture_path("state"), &dir, &err), &err);
    gr_state_dir_close(&dir);
    assert_int_equal(truncate(fixture_path("state/salt"), GR_STATE_SALT_SIZE - 1), 0);
    assert_int_equal(gr_state_dir_open(fixture_path("state"), &dir, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "backup"));
    assert_int_equal(truncate(fixture_path("state/salt"), GR_STATE_SALT_SIZE), 0);
    fixture_good(gr_state_dir_open(fixture_path("state"), &dir, &err), &err);
    gr_state_dir_close(&dir);
}

static void links_in_it_are_not_followed(void **state)
{
    (void)state;
    static const char *const names[] = {"lock", "salt"};
    struct gr_state_dir dir;
    struct gr_err err;
    for (unsigned i = 0; i < 2; i++) {
        char link[300];
        assert_true(mkdir(fixture_path("state"), 0711) == 0 || errno == EEXIST);
        snprintf(link, sizeof link, "%s/state/%s", fixture_dir, names[i]);
        (void)unlink(link);
        assert_int_equal(symlink(fixture_path("planted"), link), 0);
        assert_int_equal(gr_state_dir_open(fixture_path("state"), &dir, &err), -ELOOP);
        assert_int_equal(access(fixture_path("planted"), F_OK), -1);
        assert_int_equal(unlink(link), 0);
    }
}

static void paths_are_cut_nowhere(void **state)
{
    (void)state;
    struct gr_err err;
    struct gr_state_dir dir;
    char path[GR_STATE_PATH_SIZE];
    char name[GR_STATE_PATH_SIZE + 8];
    memset(name, 'x', sizeof name);
    name[GR_STATE_PATH_SIZE - 3] = '\0'; // with "/" before and NUL behind: all there is room for
    assert_int_equal(gr_state_path("", name, path, &err), 0);
    assert_int_equal(strlen(path), GR_STATE_PATH_SIZE - 2);
    name[GR_STATE_PATH_SIZE - 3] = 'x';
    name[GR_STATE_PATH_SIZE - 2] = '\0';
    assert_int_equal(gr_state_path("", name, path, &err), 0);
    name[GR_STATE_PATH_SIZE - 2] = 'x';
    name[GR_STATE_PATH_SIZE - 1] = '\0';
    assert_int_equal(gr_state_path("", name, path, &err), -ENAMETOOLONG);
    name[0] = '/';
    name[GR_STATE_PATH_SIZE - 1] = 'x';
    name[GR_STATE_PATH_SIZE] = '\0';
    assert_int_equal(gr_state_dir_open(name, &dir, &err), -ENAMETOOLONG);
}

static void the_default_is_the_systems_or_the_users_own(void **state)
{
    (void)state;
    char path[GR_STATE_PATH_SIZE];
    struct gr_err err;
    if (geteuid() == 0) {
        fixture_good(gr_state_default(path, &err), &err);
        assert_string_equal(path, "/var/lib/granary");
        return;
    }
    setenv("HOME", "/srv/somebody", 1);
    setenv("XDG_STATE_HOME", "/state", 1);
    fixture_good(gr_state_default(path, &err), &err);
    assert_string_equal(path, "/state/granary");
    setenv("XDG_STATE_HOME", "relative", 1); // not to be heeded
    fixture_good(gr_state_default(path, &err), &err);
    assert_string_equal(path, "/srv/somebody/.local/state/granary");
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    assert_int_equal(gr_state_default(path, &err), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(it_is_made_with_its_parents_and_its_secret),
        fixture_test(one_daemon_at_a_time_has_it),
        fixture_test(who_was_killed_does_not_keep_it),
        fixture_test(a_directory_that_others_may_write_to_is_refused),
        fixture_test(a_salt_of_another_length_is_not_replaced),
        fixture_test(links_in_it_are_not_followed),
        cmocka_unit_test(paths_are_cut_nowhere),
        cmocka_unit_test(the_default_is_the_systems_or_the_users_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
