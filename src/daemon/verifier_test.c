// Tests of the child that verifies the journal: what it finds, and that it never stays.
#include "daemon/fixture.h"

#include "daemon/verifier.h"
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

// A journal of so many groups.
static void journal_make(unsigned groups)
{
    struct gr_err err;
    struct gr_journal *journal;
    gr_err_init(&err);
    const struct gr_journal_config config = {.dir = fixture_path("journal")};
    fixture_good(gr_journal_open(&config, &journal, &err), &err);
    for (unsigned i = 0; i < groups; i++) {
        struct gr_journal_tip tip = gr_journal_tip_get(journal);
        uint8_t payload[64];
        memset(payload, 'a' + (int)i, sizeof payload);
        const struct gr_journal_group group = {.first = tip.sequence + 1,
                                               .last = tip.sequence + 1,
                                               .epoch = tip.epoch,
                                               .payload = payload,
                                               .payload_size = sizeof payload};
        fixture_good(gr_journal_append(journal, &group, tip.sequence, &err), &err);
        assert_int_equal(gr_journal_wait(journal, &err), 1);
    }
    gr_journal_close(journal);
}

// Changes a byte of the group whose payload is that letter.
static void journal_damage(char letter)
{
    static char bytes[1 << 20];
    char wanted[64];
    int fd = open(fixture_path("journal/journal.db"), O_RDWR | O_CLOEXEC);
    ssize_t size = read(fd, bytes, sizeof bytes);
    memset(wanted, letter, sizeof wanted);
    char *at = size < 0 ? NULL : memmem(bytes, (size_t)size, wanted, sizeof wanted);
    assert_non_null(at);
    assert_int_equal(pwrite(fd, "?", 1, at - bytes), 1);
    close(fd);
}

// What it has found in the end.
static struct gr_verified found_by(struct gr_verifier *verifier)
{
    do {
        struct pollfd wait = {.fd = gr_verifier_fd(verifier), .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 60000), 1);
    } while (!gr_verifier_hear(verifier));
    assert_int_equal(gr_verifier_fd(verifier), -1);
    assert_false(gr_verifier_hear(verifier));
    return *gr_verifier_get(verifier);
}

static struct gr_verifier *verifier_make(void)
{
    struct gr_err err;
    struct gr_verifier *verifier;
    gr_err_init(&err);
    fixture_good(gr_verifier_open(fixture_dir, &verifier, &err), &err);
    assert_string_equal(gr_verified_name(gr_verifier_get(verifier)), "not-begun");
    return verifier;
}

static void a_good_journal_is_said_to_be_good_to_its_end(void **state)
{
    (void)state;
    struct gr_verifier *verifier = verifier_make();
    journal_make(5); // as of when it begins
    gr_verifier_begin(verifier);
    struct gr_verified verified = found_by(verifier);
    assert_string_equal(gr_verified_name(&verified), "good");
    assert_int_equal(verified.at, 5);
    assert_int_equal(verified.last, 5);
    assert_string_equal(verified.text, "");
    gr_verifier_close(verifier);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void damage_in_the_middle_is_said_with_its_sequence(void **state)
{
    (void)state;
    journal_make(5);
    journal_damage('c');
    struct gr_verifier *verifier = verifier_make();
    gr_verifier_begin(verifier);
    struct gr_verified verified = found_by(verifier);
    assert_string_equal(gr_verified_name(&verified), "damaged");
    assert_non_null(strstr(verified.text, "damaged at sequence 3"));
    gr_verifier_close(verifier);
}

static void what_cannot_be_read_is_no_damage(void **state)
{
    (void)state;
    struct gr_verifier *verifier = verifier_make();
    gr_verifier_begin(verifier);
    struct gr_verified verified = found_by(verifier); // there is no journal
    assert_string_equal(gr_verified_name(&verified), "failed");
    assert_true(verified.text[0] != '\0');
    gr_verifier_close(verifier);
}

static void one_that_has_not_begun_ends_with_its_daemon(void **state)
{
    (void)state;
    gr_verifier_close(verifier_make());
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    gr_verifier_close(NULL);
    assert_string_equal(gr_verified_name(gr_verifier_get(NULL)), "not-begun");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_good_journal_is_said_to_be_good_to_its_end),
        fixture_test(damage_in_the_middle_is_said_with_its_sequence),
        fixture_test(what_cannot_be_read_is_no_damage),
        fixture_test(one_that_has_not_begun_ends_with_its_daemon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
