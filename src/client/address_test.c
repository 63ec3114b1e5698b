// Tests of addresses and paths: what is taken, what is refused, and what can never get out of its
// place.
#include "client/address.h"
#include "client/path.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void addresses_are_sockets_or_urls_without_a_path(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_unix;
        const char *wanted;
    } good[] = {
        {"unix:/run/a.sock", true, "/run/a.sock"},
        {"/run/a.sock", true, "/run/a.sock"},
        {"unix:a.sock", true, "a.sock"},
        {"http://127.0.0.1:7070", false, "http://127.0.0.1:7070"},
        {"http://[::1]:7070//", false, "http://[::1]:7070"},
        {"https://pool", false, "https://pool"},
    };
    static const char *const bad[] = {
        "",           "localhost:7070", "ftp://a",    "unix:",      "http://",          "http:///",
        "http://a/b", "http://a?b",     "http://u@h", "http://a b", "http://a\r\nX: y",
    };
    struct gr_client_address address;
    struct gr_err err;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(gr_client_address_parse("--server", good[i].text, &address, &err), 0);
        assert_int_equal(address.is_unix, good[i].is_unix);
        assert_string_equal(address.text, good[i].wanted);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(gr_client_address_parse("--server", bad[i], &address, &err), -EINVAL);
        assert_non_null(strstr(err.text, "--server: "));
    }
    char path[200] = "unix:/";
    memset(path + 6, 'x', 120);
    assert_int_equal(gr_client_address_parse("--server", path, &address, &err), -EINVAL);
}

static void what_is_given_beats_the_environment(void **state)
{
    (void)state;
    struct gr_client_address address;
    struct gr_err err;
    setenv("GRANARY_SERVER", "http://there:1", 1);
    assert_int_equal(gr_client_address_find("unix:/here", &address, &err), 0);
    assert_string_equal(address.text, "/here");
    assert_int_equal(gr_client_address_find(NULL, &address, &err), 0);
    assert_string_equal(address.text, "http://there:1");
    setenv("GRANARY_SERVER", "nonsense", 1);
    assert_int_equal(gr_client_address_find(NULL, &address, &err), -EINVAL);
    assert_non_null(strstr(err.text, "GRANARY_SERVER: "));
    unsetenv("GRANARY_SERVER");
}

static void the_default_socket_is_the_users_own(void **state)
{
    (void)state;
    char path[64];
    struct gr_err err;
    setenv("XDG_STATE_HOME", "/state", 1);
    assert_int_equal(gr_client_address_default(false, path, sizeof path, &err), 0);
    assert_string_equal(path, "/state/granary/granary.sock");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/house", 1);
    assert_int_equal(gr_client_address_default(false, path, sizeof path, &err), 0);
    assert_string_equal(path, "/house/.local/state/granary/granary.sock");
    assert_int_equal(gr_client_address_default(true, path, sizeof path, &err), 0);
    assert_string_equal(path, "/run/granary/granary.sock");
    assert_int_equal(gr_client_address_default(false, path, 10, &err), -ENOENT);
    unsetenv("HOME");
    assert_int_equal(gr_client_address_default(false, path, sizeof path, &err), -ENOENT);
}

static void names_cannot_leave_their_place_in_a_path(void **state)
{
    (void)state;
    struct gr_client_path path;
    gr_client_path_init(&path, "/v1/nodes");
    gr_client_path_add(&path, "../a/b?c=d#\r\n\xc3\xa9");
    gr_client_path_add_id(&path, 12);
    gr_client_path_query(&path, "name", "a&b=c d");
    gr_client_path_query(&path, "none", NULL);
    gr_client_path_query_int(&path, "limit", -3);
    assert_string_equal(path.text, "/v1/nodes/..%2Fa%2Fb%3Fc%3Dd%23%0D%0A%C3%A9/12"
                                   "?name=a%26b%3Dc%20d&limit=-3");
    assert_false(path.is_cut);
    for (int i = 0; i < 1000; i++) {
        gr_client_path_query(&path, "more", "0123456789");
    }
    assert_true(path.is_cut);
    assert_true(path.size < sizeof path.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_sockets_or_urls_without_a_path),
        cmocka_unit_test(what_is_given_beats_the_environment),
        cmocka_unit_test(the_default_socket_is_the_users_own),
        cmocka_unit_test(names_cannot_leave_their_place_in_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
