// Where the daemon is: see address.h.
#include "client/address.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int parse_unix(const char *what, const char *path, struct gr_client_address *ret,
                      struct gr_err *err)
{
    size_t size = strlen(path);
    if (size == 0) {
        return gr_fail(err, -EINVAL, "%s: found no path, expected unix:PATH", what);
    }
    if (size >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        return gr_fail(err, -EINVAL,
                       "%s: the path of the socket has %zu bytes, expected at most %zu", what, size,
                       sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    }
    ret->is_unix = true;
    memcpy(ret->text, path, size + 1);
    return 0;
}

static int parse_url(const char *what, const char *text, size_t scheme,
                     struct gr_client_address *ret, struct gr_err *err)
{
    size_t size = strlen(text);
    while (size > scheme && text[size - 1] == '/') {
        size--;
    }
    // Anything that could turn an address into a path, a query or a second line of a header.
    if (size == scheme || size >= sizeof ret->text ||
        strcspn(text + scheme, "/?#@\\ \t\r\n") < size - scheme) {
        return gr_fail(err, -EINVAL, "%s: found '%s', expected http://HOST:PORT", what, text);
    }
    ret->is_unix = false;
    memcpy(ret->text, text, size);
    ret->text[size] = '\0';
    return 0;
}

int gr_client_address_parse(const char *what, const char *text, struct gr_client_address *ret,
                            struct gr_err *err)
{
    assert(what != NULL && text != NULL);
    if (strncmp(text, "unix:", 5) == 0) {
        return parse_unix(what, text + 5, ret, err);
    }
    if (text[0] == '/') {
        return parse_unix(what, text, ret, err);
    }
    if (strncmp(text, "http://", 7) == 0) {
        return parse_url(what, text, 7, ret, err);
    }
    if (strncmp(text, "https://", 8) == 0) {
        return parse_url(what, text, 8, ret, err);
    }
    return gr_fail(err, -EINVAL, "%s: found '%s', expected unix:PATH or http://HOST:PORT", what,
                   text);
}

int gr_client_address_default(bool as_root, char *ret_path, size_t size, struct gr_err *err)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int wrote;
    if (as_root) {
        wrote = snprintf(ret_path, size, "/run/granary/granary.sock");
    } else if (state != NULL && state[0] == '/') {
        wrote = snprintf(ret_path, size, "%s/granary/granary.sock", state);
    } else if (home != NULL && home[0] == '/') {
        wrote = snprintf(ret_path, size, "%s/.local/state/granary/granary.sock", home);
    } else {
        return gr_fail(err, -ENOENT, "neither HOME nor XDG_STATE_HOME is set");
    }
    return wrote < 0 || (size_t)wrote >= size
               ? gr_fail(err, -ENOENT, "the path of the state directory is too long")
               : 0;
}

static bool is_socket(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

int gr_client_address_find(const char *server, struct gr_client_address *ret, struct gr_err *err)
{
    const char *set = getenv("GRANARY_SERVER");
    if (server != NULL) {
        return gr_client_address_parse("--server", server, ret, err);
    }
    if (set != NULL && set[0] != '\0') {
        return gr_client_address_parse("GRANARY_SERVER", set, ret, err);
    }
    char own[GR_CLIENT_ADDRESS_SIZE] = "";
    char roots[GR_CLIENT_ADDRESS_SIZE];
    (void)gr_client_address_default(true, roots, sizeof roots, NULL);
    if (geteuid() != 0 && gr_client_address_default(false, own, sizeof own, NULL) == 0 &&
        is_socket(own)) {
        return parse_unix("the default socket", own, ret, err);
    }
    if (is_socket(roots)) {
        return parse_unix("the default socket", roots, ret, err);
    }
    return gr_fail(err, -ECONNREFUSED,
                   "no daemon is there: GRANARY_SERVER is not set, and there is no socket %s%s%s",
                   own, own[0] == '\0' ? "" : " or ", roots);
}
