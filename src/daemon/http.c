// The HTTP server as its caller sees it: see http.h. One epoll holds the listeners, libmicrohttpd's
// own epoll, and what libmicrohttpd does not watch itself.
#include "daemon/http.h"

#include "base/clock.h"
#include "daemon/http_parts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static uint64_t now_read(void)
{
    return (uint64_t)gr_clock_ms();
}

static void defaults_fill(struct gr_http_config *config)
{
    config->body_max = config->body_max == 0 ? (size_t)4 << 20 : config->body_max;
    config->bodies_max = config->bodies_max == 0 ? (size_t)256 << 20 : config->bodies_max;
    config->connections_max = config->connections_max == 0 ? 4096 : config->connections_max;
    config->per_address_max = config->per_address_max == 0 ? 512 : config->per_address_max;
    config->waiting_max = config->waiting_max == 0 ? config->connections_max : config->waiting_max;
    config->idle_seconds = config->idle_seconds == 0 ? 60 : config->idle_seconds;
    config->request_seconds = config->request_seconds == 0 ? 30 : config->request_seconds;
}

static int watch_add(struct gr_http *http, int fd, enum http_watch *watch)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};
    return epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int epolls_open(struct gr_http *http, struct gr_err *err)
{
    http->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    http->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    http->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (http->epoll_fd < 0 || http->kick_fd < 0 || http->spare_fd < 0) {
        return gr_fail_errno(err, "open the HTTP server");
    }
    http->kick_watch = HTTP_WATCH_KICK;
    if (watch_add(http, http->kick_fd, &http->kick_watch) < 0) {
        return gr_fail_errno(err, "watch the HTTP server");
    }
    return 0;
}

int gr_http_open(const struct gr_http_config *config, struct gr_http **ret_http, struct gr_err *err)
{
    assert(config->routes != NULL);
    struct gr_http *http = calloc(1, sizeof(*http));
    if (http == NULL) {
        return gr_fail(err, -ENOMEM, "open the HTTP server: no memory");
    }
    http->config = *config;
    defaults_fill(&http->config);
    http->epoll_fd = http->kick_fd = http->spare_fd = -1;
    http->unix_listener.fd = http->door_listener.fd = http->tcp_listener.fd = -1;
    http->now_ms = now_read();
    int error = epolls_open(http, err);
    error = error != 0 ? error : http_connection_open(http, err);
    error = error != 0 ? error : http_listen_open(http, err);
    if (error == 0) {
        http->library_watch = HTTP_WATCH_LIBRARY;
        const union MHD_DaemonInfo *info =
            MHD_get_daemon_info(http->library, MHD_DAEMON_INFO_EPOLL_FD);
        if (watch_add(http, info->epoll_fd, &http->library_watch) < 0) {
            error = gr_fail_errno(err, "watch the HTTP server");
        }
    }
    if (error != 0) {
        gr_http_close(http);
        return error;
    }
    *ret_http = http;
    return 0;
}

static void descriptor_close(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void gr_http_close(struct gr_http *http)
{
    if (http == NULL) {
        return;
    }
    http->is_closing = true;
    http_listen_close(http);
    http_connection_close(http);
    http_linger_sweep(http, UINT64_MAX);
    descriptor_close(http->kick_fd);
    descriptor_close(http->spare_fd);
    descriptor_close(http->epoll_fd);
    free(http->address_host);
    free(http);
}

int gr_http_fd(const struct gr_http *http)
{
    return http->epoll_fd;
}

static void event_take(struct gr_http *http, const struct epoll_event *event)
{
    enum http_watch *watch = event->data.ptr;
    uint64_t count;
    switch (*watch) {
    case HTTP_WATCH_LIBRARY:
        break;
    case HTTP_WATCH_KICK:
        if (read(http->kick_fd, &count, sizeof(count)) < 0) {
            assert(errno == EAGAIN || errno == EINTR);
        }
        http->is_kicked = false;
        break;
    case HTTP_WATCH_LISTENER:
        http_listen_accept(http, event->data.ptr);
        break;
    case HTTP_WATCH_CONNECTION:
        http_connection_hangup(event->data.ptr, event->events);
        break;
    case HTTP_WATCH_LINGER:
        http_linger_read(http, event->data.ptr);
        break;
    }
}

// Milliseconds until gr_http_run is due without an event.
static int due_in(struct gr_http *http)
{
    int due = -1;
    MHD_UNSIGNED_LONG_LONG library_ms = 0;
    if (http->has_resumed) {
        return 0;
    }
    if (MHD_get_timeout(http->library, &library_ms) == MHD_YES) {
        due = library_ms > INT_MAX ? INT_MAX : (int)library_ms;
    }
    if (http->connection_count > 0 || http->linger_count > 0) {
        int sweep = http->sweep_ms > http->now_ms ? (int)(http->sweep_ms - http->now_ms) : 0;
        due = due < 0 || sweep < due ? sweep : due;
    }
    return due;
}

int gr_http_run(struct gr_http *http)
{
    assert(!http->is_running);
    http->now_ms = now_read();
    http->is_running = true;
    struct epoll_event events[64];
    int count = epoll_wait(http->epoll_fd, events, 64, 0);
    for (int i = 0; i < count; i++) {
        event_take(http, &events[i]);
    }
    if (http->now_ms >= http->sweep_ms) {
        http->sweep_ms = http->now_ms + HTTP_SWEEP_MS;
        http_connection_sweep(http);
        http_linger_sweep(http, http->now_ms);
    }
    // What a reply resumes goes out in the same turn; a chain of pipelined requests may take
    // several, and the caller gets its turn in between.
    for (int i = 0; i < 4; i++) {
        http->has_resumed = false;
        MHD_run(http->library);
        if (!http->has_resumed) {
            break;
        }
    }
    http->is_running = false;
    return due_in(http);
}

bool gr_http_is_due(const struct gr_http *http)
{
    return http->has_resumed;
}

unsigned gr_http_port(const struct gr_http *http)
{
    return http->port;
}

unsigned gr_http_connections(const struct gr_http *http)
{
    return http->connection_count;
}

unsigned gr_http_waiting(const struct gr_http *http)
{
    return http->waiting_count;
}
