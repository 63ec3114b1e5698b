// What libmicrohttpd calls, and when it may look at a connection.
//
// Its rules, each learnt the hard way: a reply that is queued in the first call of a request closes
// the connection, so replies wait for the last call unless that is wanted; a connection may be
// suspended only inside a callback and never twice; one that is suspended is not watched for its
// client's end; a body that is not taken makes it spin unless it is suspended; stopping with a
// connection suspended aborts the process.
#include "daemon/http_parts.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void deadline_set(struct http_connection *connection, unsigned seconds)
{
    connection->deadline_ms = connection->http->now_ms + (uint64_t)seconds * 1000;
}

// Between two requests, and before the first: an idle connection is the library's to close; one
// that sends its first line byte by byte gets as long again as a request has.
static void deadline_of_rest(struct http_connection *connection)
{
    const struct gr_http_config *config = &connection->http->config;
    deadline_set(connection, config->idle_seconds + config->request_seconds);
}

static void unwatch(struct http_connection *connection)
{
    if (connection->is_watched) {
        epoll_ctl(connection->http->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
        connection->is_watched = false;
    }
}

void http_connection_suspend(struct http_connection *connection)
{
    assert(!connection->is_suspended);
    connection->is_suspended = true;
    connection->suspended_ms = connection->http->now_ms;
    MHD_suspend_connection(connection->library);
}

void http_connection_resume(struct http_connection *connection)
{
    struct gr_http *http = connection->http;
    if (!connection->is_suspended) {
        return;
    }
    unwatch(connection);
    connection->is_suspended = false;
    MHD_resume_connection(connection->library);
    http->has_resumed = true;
    // The library does not see a resumed connection until it runs.
    if (!http->is_running && !http->is_kicked) {
        http->is_kicked = true;
        eventfd_write(http->kick_fd, 1);
    }
}

void http_connection_hangup(struct http_connection *connection, uint32_t events)
{
    struct gr_http_request *request = connection->request;
    (void)events; // any is an end
    if (connection->is_streaming || request == NULL || request->phase != HTTP_PHASE_WHOLE) {
        connection->is_dead = true;
        http_connection_resume(connection);
        return;
    }
    // The request stays, suspended, until its reply; the texts it has lent stay with it. A client
    // that only stopped sending still gets the reply.
    unwatch(connection);
    if (!request->is_gone) {
        request->is_gone = true;
        if (request->gone != NULL) {
            request->gone(request);
        }
    }
}

static struct http_connection *connection_of(struct MHD_Connection *library)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(library, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

// A request with nothing in it. A connection keeps the memory of one: it is too large for what the
// allocator has at hand, and would cost more than all else that is allocated for a request.
static struct gr_http_request *request_new(struct http_connection *connection)
{
    struct gr_http_request *request = connection->spare;
    connection->spare = NULL;
    if (request == NULL) {
        return calloc(1, sizeof(*request));
    }
    memset(request, 0, offsetof(struct gr_http_request, query)); // what follows is counted
    return request;
}

static void request_keep(struct http_connection *connection, struct gr_http_request *request)
{
    if (connection->spare == NULL) {
        connection->spare = request;
    } else {
        free(request);
    }
}

// A request's first line has come.
static void *target_came(void *context, const char *target, struct MHD_Connection *library)
{
    struct http_connection *connection = connection_of(library);
    struct gr_http_request *request = connection == NULL ? NULL : request_new(connection);
    (void)context;
    if (request == NULL) {
        return NULL;
    }
    request->target_size = target == NULL ? 0 : strlen(target);
    request->target = request->target_inline;
    if (request->target_size >= sizeof(request->target_inline)) {
        request->target = malloc(request->target_size + 1);
        if (request->target == NULL) {
            request_keep(connection, request);
            return NULL;
        }
    }
    if (request->target_size > 0) {
        memcpy(request->target, target, request->target_size);
    }
    request->target[request->target_size] = '\0';
    request->connection = connection;
    connection->request = request;
    deadline_set(connection, connection->http->config.request_seconds);
    return request;
}

static void request_free(struct gr_http_request *request)
{
    struct gr_http *http = request->connection->http;
    if (request->is_deferred && request->reply.status == 0) {
        http->waiting_count--;
    }
    request->connection->request = NULL;
    if (request->free_data != NULL) {
        request->free_data(request->data);
    }
    http_reply_done(&request->reply);
    if (request->target != request->target_inline) {
        free(request->target);
    }
    free(request->decoded);
    free(request->body);
    http->bodies_size -= request->body_room;
    request_keep(request->connection, request);
}

static void request_ended(void *context, struct MHD_Connection *library, void **place,
                          enum MHD_RequestTerminationCode code)
{
    struct gr_http_request *request = *place;
    (void)context;
    (void)library;
    (void)code;
    if (request != NULL) {
        *place = NULL;
        struct http_connection *connection = request->connection;
        request_free(request);
        deadline_of_rest(connection);
    }
}

// The first call: the head is there. A request that is refused is heard out if little of it can
// still come; else it is answered at once and the connection closed.
static enum MHD_Result head_came(struct gr_http_request *request, const char *method,
                                 const char *version)
{
    struct http_connection *connection = request->connection;
    struct http_head head;
    request->phase = HTTP_PHASE_BODY;
    http_head_check(request, method, version, &head);
    if (request->reply.status == 0) {
        return MHD_YES;
    }
    bool is_short = !connection->is_unheard && head.content_length.size < 8 &&
                    strtoul(head.content_length.size > 0 ? head.content_length.text : "0", NULL,
                            10) <= HTTP_SWALLOW_MAX;
    if (is_short && head.expect.text == NULL) {
        return MHD_YES;
    }
    connection->is_unheard = true;
    return http_reply_queue(request) ? MHD_YES : MHD_NO;
}

static enum MHD_Result body_came(struct gr_http_request *request, const char *bytes, size_t *size)
{
    struct http_connection *connection = request->connection;
    if (connection->is_suspended) {
        return MHD_YES; // the library asks once more before it notices
    }
    size_t taken = http_body_take(request, bytes, *size);
    assert(taken <= *size);
    *size -= taken;
    if (connection->is_dead) {
        return MHD_NO;
    }
    if (request->takes_lines && taken > 0) {
        deadline_set(connection, connection->http->config.request_seconds);
    }
    if (request->is_paused || *size > 0) {
        connection->deadline_ms = 0;
        http_connection_suspend(connection);
    }
    return MHD_YES;
}

// The last call: all is there.
static enum MHD_Result whole_came(struct gr_http_request *request)
{
    struct http_connection *connection = request->connection;
    if (request->is_paused) { // the last lines were taken; whoever paused has not caught up
        connection->deadline_ms = 0;
        http_connection_suspend(connection);
        return MHD_YES;
    }
    request->phase = HTTP_PHASE_WHOLE;
    connection->deadline_ms = 0;
    if (request->takes_lines && request->reply.status == 0) {
        http_body_end(request);
    }
    if (request->reply.status == 0 && !request->is_handled) {
        request->is_handled = true;
        request->route->handle(connection->http->config.context, request);
    }
    if (request->reply.status != 0) {
        return http_reply_queue(request) ? MHD_YES : MHD_NO;
    }
    if (!request->is_deferred) {
        gr_http_reply_error(request, 500, "internal", "the request was left without a reply", NULL,
                            NULL);
        return http_reply_queue(request) ? MHD_YES : MHD_NO;
    }
    // Not at once: the library would still want to read from it, do so when it is resumed, and
    // drop the reply if the client has stopped sending. Asked again, it wants nothing any more.
    if (request->is_settled) {
        http_connection_suspend(connection);
    }
    request->is_settled = true;
    connection->http->has_resumed = true;
    return MHD_YES;
}

static enum MHD_Result request_came(void *context, struct MHD_Connection *library, const char *url,
                                    const char *method, const char *version, const char *bytes,
                                    size_t *size, void **place)
{
    struct gr_http_request *request = *place;
    (void)context;
    (void)library;
    (void)url;
    if (request == NULL || request->connection->is_dead) {
        return MHD_NO;
    }
    enum MHD_Result result;
    request->is_in_handler = true;
    if (request->phase == HTTP_PHASE_TARGET) {
        result = head_came(request, method, version);
    } else if (*size > 0) {
        result = body_came(request, bytes, size);
    } else {
        result = whole_came(request);
    }
    request->is_in_handler = false;
    return result;
}

static void connection_started(struct gr_http *http, struct MHD_Connection *library, void **place)
{
    struct http_connection *connection = http->arriving;
    connection->library = library;
    connection->next = http->connections;
    if (http->connections != NULL) {
        http->connections->previous = connection;
    }
    http->connections = connection;
    http->connection_count++;
    http->arriving = NULL;
    deadline_of_rest(connection);
    *place = connection;
}

static void connection_ended(struct gr_http *http, struct http_connection *connection)
{
    // The library forgets to end a request whose head outgrew its memory.
    if (connection->request != NULL) {
        request_free(connection->request);
    }
    unwatch(connection);
    if (connection->is_unheard) {
        int fd = dup(connection->fd); // the library closes its own after this
        if (fd >= 0) {
            http_linger_add(http, fd);
        }
    }
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        http->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    http->connection_count--;
    free(connection->spare);
    free(connection);
}

static void connection_noticed(void *context, struct MHD_Connection *library, void **place,
                               enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_started(context, library, place);
    } else if (*place != NULL) {
        connection_ended(context, *place);
        *place = NULL;
    }
}

void http_connection_add(struct gr_http *http, int fd, const struct sockaddr *address,
                         socklen_t size, const struct gr_http_peer *peer,
                         const struct http_origin *origin)
{
    struct http_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->watch = HTTP_WATCH_CONNECTION;
    connection->fd = fd;
    connection->http = http;
    connection->peer = *peer;
    connection->origin = *origin;
    http->arriving = connection;
    // On failure the library has closed the socket.
    if (MHD_add_connection(http->library, fd, address, size) != MHD_YES && http->arriving != NULL) {
        http->arriving = NULL;
        free(connection);
    }
}

// A request that did not come in time is told so, if nothing of a reply is on its way.
static void cut_off(struct http_connection *connection)
{
    struct gr_http_request *request = connection->request;
    connection->deadline_ms = 0;
    if (request != NULL && request->reply.status != 0 && request->phase <= HTTP_PHASE_BODY) {
        http_reply_raw(request);
    } else if (request == NULL || request->phase <= HTTP_PHASE_BODY) {
        http_send_raw_error(connection->fd, 408, "too-slow",
                            "the request did not come in time; send it again", 0);
    }
    connection->is_dead = true;
    shutdown(connection->fd, SHUT_RDWR);
    http_connection_resume(connection);
}

void http_connection_sweep(struct gr_http *http)
{
    for (struct http_connection *each = http->connections; each != NULL; each = each->next) {
        if (each->deadline_ms != 0 && each->deadline_ms <= http->now_ms) {
            cut_off(each);
        } else if (each->is_suspended && !each->is_watched &&
                   (each->request == NULL || !each->request->is_gone) &&
                   http->now_ms - each->suspended_ms >= HTTP_WATCH_AFTER_MS) {
            // That a client stops sending is its end, unless lines of it are still to be taken.
            bool is_body = each->request != NULL && each->request->phase == HTTP_PHASE_BODY;
            struct epoll_event event = {.events = is_body ? 0 : EPOLLRDHUP, .data.ptr = each};
            each->is_watched = epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, each->fd, &event) == 0;
        }
    }
}

int http_connection_open(struct gr_http *http, struct gr_err *err)
{
    // The limit is ours, with a reply; the library must never stop accepting on its own.
    http->library = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        request_came, http, MHD_OPTION_CONNECTION_LIMIT, (unsigned)INT_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_MEMORY_SIZE, MHD_OPTION_CONNECTION_TIMEOUT,
        http->config.idle_seconds, MHD_OPTION_URI_LOG_CALLBACK, target_came, http,
        MHD_OPTION_NOTIFY_COMPLETED, request_ended, http, MHD_OPTION_NOTIFY_CONNECTION,
        connection_noticed, http, MHD_OPTION_END);
    if (http->library == NULL) {
        return gr_fail(err, -ENOMEM, "start libmicrohttpd: no memory or no file descriptor left");
    }
    return 0;
}

void http_connection_close(struct gr_http *http)
{
    if (http->library == NULL) {
        return;
    }
    for (struct http_connection *each = http->connections; each != NULL; each = each->next) {
        each->is_dead = true;
        each->is_unheard = false;
        http_connection_resume(each);
    }
    MHD_stop_daemon(http->library);
    assert(http->connections == NULL);
    http->library = NULL;
}
