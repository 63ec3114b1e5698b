// Tests of who asks: peer credentials, tokens, their files.
#include "daemon/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int folder_make(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/granary-identity-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int one_remove(const char *path, const struct stat *info, int flag, struct FTW *walk)
{
    (void)info;
    (void)flag;
    (void)walk;
    return remove(path);
}

static int folder_remove(void **state)
{
    (void)state;
    return nftw(folder, one_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void file_put(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(in_folder(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(in_folder(name), mode), 0);
}

static size_t file_get(const char *name, char *bytes, size_t size)
{
    FILE *file = fopen(in_folder(name), "r");
    assert_non_null(file);
    size_t got = fread(bytes, 1, size - 1, file);
    bytes[got] = '\0';
    fclose(file);
    return got;
}

static struct gr_identities *opened(void)
{
    struct gr_identities *identities = NULL;
    struct gr_err err = {0};
    int code = gr_identities_open(folder, &identities, &err);
    if (code != 0) {
        print_message("%s\n", err.text);
    }
    assert_int_equal(code, 0);
    return identities;
}

static int find_token(struct gr_identities *identities, const char *token,
                      const struct gr_identity **ret_identity)
{
    struct gr_http_peer peer = {
        .uid = (uid_t)UINT32_MAX, .gid = (gid_t)UINT32_MAX, .token = gr_slice_of(token)};
    struct gr_err err = {0};
    int status = gr_identities_find(identities, &peer, ret_identity, &err);
    assert_int_equal(status != 0, err.text[0] != '\0');
    return status;
}

static void the_first_start_makes_an_operators_token_that_only_the_daemon_can_read(void **state)
{
    (void)state;
    struct gr_identities *identities = opened();
    char token[128];
    size_t size = file_get("operator.token", token, sizeof(token));
    assert_true(size > 40);
    assert_int_equal(token[size - 1], '\n');
    token[size - 1] = '\0';
    const struct gr_identity *identity = NULL;
    assert_int_equal(find_token(identities, token, &identity), 0);
    assert_true(identity->is_operator);
    assert_int_equal(identity->uid, geteuid());
    struct stat info;
    const char *names[] = {"operator.token", "tokens"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(stat(in_folder(names[i]), &info), 0);
        assert_int_equal(info.st_mode & 07777, 0600);
    }
    char kept[512];
    file_get("tokens", kept, sizeof(kept));
    assert_null(strstr(kept, token + 8)); // its text is not kept
    gr_identities_close(identities);
}

static void the_second_start_knows_the_same_token(void **state)
{
    (void)state;
    gr_identities_close(opened());
    char token[128];
    token[file_get("operator.token", token, sizeof(token)) - 1] = '\0';
    struct gr_identities *identities = opened();
    const struct gr_identity *identity = NULL;
    assert_int_equal(find_token(identities, token, &identity), 0);
    gr_identities_close(identities);
}

static void a_token_that_is_not_known_is_401(void **state)
{
    (void)state;
    struct gr_identities *identities = opened();
    char token[128];
    size_t size = file_get("operator.token", token, sizeof(token));
    const struct gr_identity *identity = NULL;
    assert_int_equal(find_token(identities, "", &identity), 401);
    assert_int_equal(find_token(identities, "granary_", &identity), 401);
    assert_int_equal(find_token(identities, token, &identity), 401); // with the line end
    token[size - 1] = '\0';
    token[size - 2] = (char)(token[size - 2] == 'A' ? 'E' : 'A');
    assert_int_equal(find_token(identities, token, &identity), 401);
    token[size - 2] = '\0';
    assert_int_equal(find_token(identities, token, &identity), 401);
    char longer[2048];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(find_token(identities, longer, &identity), 401);
    assert_null(identity);
    gr_identities_close(identities);
}

static void the_kernels_word_names_the_user_of_the_unix_socket(void **state)
{
    (void)state;
    struct gr_identities *identities = opened();
    struct gr_http_peer peer = {.is_unix = true, .uid = 0, .gid = 0, .token = {"", 0}};
    const struct gr_identity *identity = NULL;
    assert_int_equal(gr_identities_find(identities, &peer, &identity, NULL), 0);
    assert_true(identity->is_operator);
    assert_string_equal(identity->name, "root");
    peer.uid = 3999999;
    peer.gid = 77;
    assert_int_equal(gr_identities_find(identities, &peer, &identity, NULL), 0);
    assert_false(identity->is_operator);
    assert_int_equal(identity->gid, 77);
    assert_string_equal(identity->name, "uid-3999999");
    peer.uid = geteuid();
    assert_int_equal(gr_identities_find(identities, &peer, &identity, NULL), 0);
    assert_true(identity->is_operator);
    peer.uid = (uid_t)UINT32_MAX;
    assert_int_equal(gr_identities_find(identities, &peer, &identity, NULL), 401);
    gr_identities_close(identities);
}

static void a_token_of_the_tcp_side_does_not_count_on_the_unix_socket(void **state)
{
    (void)state;
    struct gr_identities *identities = opened();
    char token[128];
    token[file_get("operator.token", token, sizeof(token)) - 1] = '\0';
    struct gr_http_peer peer = {.is_unix = true, .uid = 1234567, .token = gr_slice_of(token)};
    const struct gr_identity *identity = NULL;
    assert_int_equal(gr_identities_find(identities, &peer, &identity, NULL), 0);
    assert_false(identity->is_operator);
    gr_identities_close(identities);
}

static void tokens_can_be_added_and_removed(void **state)
{
    (void)state;
    struct gr_identities *identities = opened();
    struct gr_err err = {0};
    char token[64];
    assert_int_equal(gr_identities_token_add(identities, 1234, false, "build robot", token, &err),
                     0);
    const struct gr_identity *identity = NULL;
    assert_int_equal(find_token(identities, token, &identity), 0);
    assert_int_equal(identity->uid, 1234);
    assert_false(identity->is_operator);
    gr_identities_close(identities);

    identities = opened();
    assert_int_equal(find_token(identities, token, &identity), 0);
    assert_int_equal(gr_identities_token_remove(identities, "nobody's", &err), 0);
    assert_int_equal(gr_identities_token_remove(identities, "build robot", &err), 1);
    assert_int_equal(find_token(identities, token, &identity), 401);
    assert_int_equal(gr_identities_token_add(identities, 1, false, "a\nb", token, &err), -EINVAL);
    assert_int_equal(gr_identities_token_add(identities, 1, false, "", token, &err), -EINVAL);
    gr_identities_close(identities);
}

static void what_another_process_adds_is_kept(void **state)
{
    (void)state;
    struct gr_identities *daemon = opened();
    struct gr_identities *tool = opened();
    struct gr_err err = {0};
    char first[64];
    char second[64];
    assert_int_equal(gr_identities_token_add(tool, 7, false, "tool", first, &err), 0);
    assert_int_equal(gr_identities_token_add(daemon, 8, true, "daemon", second, &err), 0);
    const struct gr_identity *identity = NULL;
    assert_int_equal(find_token(daemon, first, &identity), 0);
    assert_int_equal(identity->uid, 7);
    gr_identities_close(tool);
    gr_identities_close(daemon);
}

static void a_bad_file_is_named_with_its_line(void **state)
{
    (void)state;
    const char *bad[] = {
        "hello\n",
        "00 1 user x y\n",
        "0000000000000000000000000000000000000000000000000000000000000000 -1 user x y\n",
        "0000000000000000000000000000000000000000000000000000000000000000 4294967295 user x y\n",
        "0000000000000000000000000000000000000000000000000000000000000000 1 root x y\n",
        "0000000000000000000000000000000000000000000000000000000000000000 1 user x\n",
        "000000000000000000000000000000000000000000000000000000000000000G 1 user x y\n",
        "0000000000000000000000000000000000000000000000000000000000000000 1 user x y\x01\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "# a comment\n\n%s", bad[i]);
        file_put("tokens", text, 0600);
        struct gr_identities *identities = NULL;
        struct gr_err err = {0};
        assert_int_equal(gr_identities_open(folder, &identities, &err), -EINVAL);
        assert_non_null(strstr(err.text, "/tokens:3: "));
    }
}

static void a_file_that_others_can_read_or_that_is_a_link_is_refused(void **state)
{
    (void)state;
    struct gr_identities *identities = NULL;
    struct gr_err err = {0};
    file_put("tokens", "", 0640);
    assert_int_equal(gr_identities_open(folder, &identities, &err), -EPERM);
    file_put("real", "", 0600);
    assert_int_equal(unlink(in_folder("tokens")), 0);
    assert_int_equal(symlink("real", in_folder("tokens")), 0);
    assert_int_equal(gr_identities_open(folder, &identities, &err), -ELOOP);
}

static void a_planted_link_is_not_written_through(void **state)
{
    (void)state;
    file_put("target", "untouched", 0600);
    assert_int_equal(symlink("target", in_folder("tokens.new")), 0);
    assert_int_equal(symlink("target", in_folder("operator.token")), 0);
    gr_identities_close(opened());
    char text[64];
    file_get("target", text, sizeof(text));
    assert_string_equal(text, "untouched");
}

static void no_tokens_at_all_is_not_a_first_start(void **state)
{
    (void)state;
    file_put("tokens", "", 0600);
    gr_identities_close(opened());
    assert_int_equal(access(in_folder("operator.token"), F_OK), -1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_first_start_makes_an_operators_token_that_only_the_daemon_can_read),
        CASE(the_second_start_knows_the_same_token),
        CASE(a_token_that_is_not_known_is_401),
        CASE(the_kernels_word_names_the_user_of_the_unix_socket),
        CASE(a_token_of_the_tcp_side_does_not_count_on_the_unix_socket),
        CASE(tokens_can_be_added_and_removed),
        CASE(what_another_process_adds_is_kept),
        CASE(a_bad_file_is_named_with_its_line),
        CASE(a_file_that_others_can_read_or_that_is_a_link_is_refused),
        CASE(a_planted_link_is_not_written_through),
        CASE(no_tokens_at_all_is_not_a_first_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
