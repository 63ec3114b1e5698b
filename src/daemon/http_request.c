// What a handler may ask a request; and how it puts one off.
#include "daemon/http_parts.h"

#include <assert.h>
#include <string.h>

const struct gr_http_route *gr_http_request_route(const struct gr_http_request *request)
{
    return request->route;
}

const struct gr_http_peer *gr_http_request_peer(const struct gr_http_request *request)
{
    return &request->connection->peer;
}

void gr_http_request_user_set(struct gr_http_request *request, const void *identity)
{
    request->user = identity;
}

const void *gr_http_request_user(const struct gr_http_request *request)
{
    return request->user;
}

struct gr_slice gr_http_request_method(const struct gr_http_request *request)
{
    return gr_slice_of(request->method);
}

struct gr_slice gr_http_request_path(const struct gr_http_request *request)
{
    return request->path;
}

struct gr_slice gr_http_request_param(const struct gr_http_request *request, const char *name)
{
    size_t index = 0;
    const char *at = request->route->path;
    while ((at = strchr(at, '{')) != NULL) {
        at++;
        size_t size = strcspn(at, "}");
        if (size == strlen(name) && memcmp(at, name, size) == 0) {
            return request->params[index];
        }
        index++;
    }
    return (struct gr_slice){"", 0};
}

bool gr_http_request_query(const struct gr_http_request *request, const char *name,
                           struct gr_slice *ret_value)
{
    for (size_t i = 0; i < request->query_count; i++) {
        if (gr_slice_is(request->query[i][0], name)) {
            *ret_value = request->query[i][1];
            return true;
        }
    }
    return false;
}

void gr_http_request_query_each(const struct gr_http_request *request,
                                void (*each)(void *context, struct gr_slice name,
                                             struct gr_slice value),
                                void *context)
{
    for (size_t i = 0; i < request->query_count; i++) {
        each(context, request->query[i][0], request->query[i][1]);
    }
}

bool gr_http_request_header(const struct gr_http_request *request, const char *name,
                            struct gr_slice *ret_value)
{
    const char *value = NULL;
    size_t size = 0;
    if (MHD_lookup_connection_value_n(request->connection->library, MHD_HEADER_KIND, name,
                                      strlen(name), &value, &size) != MHD_YES) {
        return false;
    }
    *ret_value = (struct gr_slice){value == NULL ? "" : value, size};
    return true;
}

struct gr_slice gr_http_request_body(const struct gr_http_request *request)
{
    if (request->takes_lines || request->body == NULL) {
        return (struct gr_slice){"", 0};
    }
    return (struct gr_slice){request->body, request->body_size};
}

void gr_http_request_data_set(struct gr_http_request *request, void *data,
                              void (*free_data)(void *data))
{
    request->data = data;
    request->free_data = free_data;
}

void *gr_http_request_data(const struct gr_http_request *request)
{
    return request->data;
}

void gr_http_request_pause(struct gr_http_request *request)
{
    request->is_paused = true;
}

void gr_http_request_resume(struct gr_http_request *request)
{
    if (!request->is_paused) {
        return;
    }
    request->is_paused = false;
    // The library gives the rest when it runs next; between two lines the clock starts anew.
    struct http_connection *connection = request->connection;
    if (connection->is_suspended && request->phase == HTTP_PHASE_BODY) {
        connection->deadline_ms =
            connection->http->now_ms + (uint64_t)connection->http->config.request_seconds * 1000;
        http_connection_resume(connection);
    }
}

void gr_http_request_defer(struct gr_http_request *request,
                           void (*gone)(struct gr_http_request *request))
{
    assert(!request->is_deferred);
    assert(request->reply.status == 0);
    request->is_deferred = true;
    request->gone = gone;
    request->connection->http->waiting_count++;
}
