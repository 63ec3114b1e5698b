// Tests of the HTTP server as its caller's loop sees it. What clients see: tests/http.
#include "daemon/http.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    struct gr_http_request *waiting;
    struct gr_http_stream *stream;
    unsigned freed, gone, done;
    bool has_more;
};

static struct seen seen;
static char folder[64];
static char path[96];

static void data_free(void *data)
{
    assert_ptr_equal(data, &seen);
    seen.freed++;
}

static void went(struct gr_http_request *request)
{
    assert_ptr_equal(request, seen.waiting);
    seen.gone++;
}

static void now(void *context, struct gr_http_request *request)
{
    (void)context;
    gr_http_reply(request, 200, "text/plain", gr_slice_of("now"));
}

static void later(void *context, struct gr_http_request *request)
{
    (void)context;
    gr_http_request_data_set(request, &seen, data_free);
    gr_http_request_defer(request, went);
    seen.waiting = request;
}

static long stream_read(void *context, char *bytes, size_t size)
{
    struct seen *all = context;
    if (!all->has_more) {
        return 0;
    }
    all->has_more = false;
    assert_true(size >= 4);
    memcpy(bytes, "more", 4);
    return 4;
}

static void stream_done(void *context)
{
    ((struct seen *)context)->done++;
}

static void stream(void *context, struct gr_http_request *request)
{
    (void)context;
    struct gr_http_source source = {&seen, stream_read, stream_done};
    seen.stream = gr_http_reply_stream(request, 200, "text/plain", &source);
}

static const struct gr_http_route routes[] = {
    {"GET", "/now", now, NULL, true},
    {"GET", "/later", later, NULL, true},
    {"GET", "/stream", stream, NULL, true},
    {NULL, NULL, NULL, NULL, false},
};

static int folder_make(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    snprintf(folder, sizeof(folder), "/tmp/granary-http-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/s", folder);
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static struct gr_http *opened(void)
{
    struct gr_http_config config = {.unix_path = path, .routes = routes};
    struct gr_http *http = NULL;
    struct gr_err err = {0};
    assert_int_equal(gr_http_open(&config, &http, &err), 0);
    return http;
}

static int client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void say(int fd, const char *target)
{
    char text[128];
    int size = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    assert_int_equal(send(fd, text, (size_t)size, MSG_NOSIGNAL), size);
}

static bool is_readable(const struct gr_http *http, int wait_ms)
{
    struct pollfd fd = {gr_http_fd(http), POLLIN, 0};
    return poll(&fd, 1, wait_ms) == 1;
}

// Runs as a caller's loop does, until there is nothing to do.
static void run(struct gr_http *http)
{
    for (int i = 0; i < 1000; i++) {
        if (gr_http_run(http) != 0 && !is_readable(http, 0)) {
            return;
        }
    }
    fail_msg("it always has something to do");
}

static void hear(int fd, const char *end)
{
    static char text[4096];
    ssize_t got = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    assert_true(got > 0);
    text[got] = '\0';
    assert_non_null(strstr(text, end));
}

static void nothing_to_do_needs_no_time(void **state)
{
    (void)state;
    struct gr_http *http = opened();
    assert_int_equal(gr_http_run(http), -1);
    assert_false(is_readable(http, 0));
    assert_int_equal(gr_http_connections(http), 0);
    assert_int_equal(gr_http_port(http), 0);
    gr_http_close(http);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_connection_and_a_request_make_it_readable(void **state)
{
    (void)state;
    struct gr_http *http = opened();
    int fd = client();
    assert_true(is_readable(http, 1000));
    run(http);
    assert_int_equal(gr_http_connections(http), 1);
    say(fd, "/now");
    assert_true(is_readable(http, 1000));
    run(http);
    hear(fd, "\r\n\r\nnow");
    close(fd);
    run(http);
    assert_int_equal(gr_http_connections(http), 0);
    gr_http_close(http);
}

static void a_reply_from_outside_the_run_makes_it_readable(void **state)
{
    (void)state;
    struct gr_http *http = opened();
    int fd = client();
    say(fd, "/later");
    run(http);
    assert_non_null(seen.waiting);
    assert_int_equal(gr_http_waiting(http), 1);
    assert_false(is_readable(http, 0));
    gr_http_reply(seen.waiting, 200, "text/plain", gr_slice_of("at last"));
    assert_int_equal(gr_http_waiting(http), 0);
    assert_true(is_readable(http, 0));
    run(http);
    hear(fd, "at last");
    assert_int_equal(seen.freed, 1);
    close(fd);
    gr_http_close(http);
}

static void a_stream_is_sent_when_it_is_woken(void **state)
{
    (void)state;
    struct gr_http *http = opened();
    int fd = client();
    say(fd, "/stream");
    run(http);
    hear(fd, "Transfer-Encoding: chunked\r\n\r\n");
    assert_false(is_readable(http, 0));
    for (int i = 0; i < 3; i++) {
        seen.has_more = true;
        gr_http_stream_wake(seen.stream);
        assert_true(is_readable(http, 0));
        run(http);
        hear(fd, "4\r\nmore\r\n");
    }
    gr_http_stream_wake(seen.stream); // for nothing
    run(http);
    assert_int_equal(seen.done, 0);
    gr_http_close(http);
    assert_int_equal(seen.done, 1);
    close(fd);
}

static void what_waits_is_forgotten_at_the_end(void **state)
{
    (void)state;
    struct gr_http *http = opened();
    int fd = client();
    say(fd, "/later");
    run(http);
    assert_int_equal(seen.freed, 0);
    gr_http_close(http);
    assert_int_equal(seen.freed, 1);
    assert_int_equal(seen.gone, 0);
    close(fd);
}

static void who_left_is_told_once_and_the_reply_goes_nowhere(void **state)
{
    (void)state;
    struct gr_http *http = opened();
    int fd = client();
    say(fd, "/later");
    run(http);
    close(fd);
    for (int i = 0; i < 50 && seen.gone == 0; i++) { // it is watched after a second
        int due = gr_http_run(http);
        is_readable(http, due);
    }
    assert_int_equal(seen.gone, 1);
    assert_int_equal(seen.freed, 0);
    gr_http_reply(seen.waiting, 200, "text/plain", gr_slice_of("to nobody"));
    run(http);
    assert_int_equal(seen.freed, 1);
    assert_int_equal(gr_http_connections(http), 0);
    gr_http_close(http);
}

static void a_socket_that_somebody_serves_is_refused(void **state)
{
    (void)state;
    struct gr_http *http = opened();
    struct gr_http_config config = {.unix_path = path, .routes = routes};
    struct gr_http *second = NULL;
    struct gr_err err = {0};
    assert_int_equal(gr_http_open(&config, &second, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(access(path, F_OK), 0);
    gr_http_close(http);
}

static void a_socket_file_that_is_another_ones_is_left_alone(void **state)
{
    (void)state;
    struct gr_http *http = opened();
    assert_int_equal(unlink(path), 0);
    struct gr_http *second = opened();
    gr_http_close(http);
    assert_int_equal(access(path, F_OK), 0);
    gr_http_close(second);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_to_do_needs_no_time),
        CASE(a_connection_and_a_request_make_it_readable),
        CASE(a_reply_from_outside_the_run_makes_it_readable),
        CASE(a_stream_is_sent_when_it_is_woken),
        CASE(what_waits_is_forgotten_at_the_end),
        CASE(who_left_is_told_once_and_the_reply_goes_nowhere),
        CASE(a_socket_that_somebody_serves_is_refused),
        CASE(a_socket_file_that_is_another_ones_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
