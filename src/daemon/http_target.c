// Request targets and routes. The target is taken apart before it is decoded, so that an escaped
// slash, question mark or ampersand never separates anything; what would hide something from a
// reader (NUL, control characters, invalid UTF-8, half an escape) is refused.
#include "base/utf8.h"
#include "daemon/http_parts.h"

#include <stdlib.h>
#include <string.h>

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

// Decodes `text` to `*at`, which moves on. False: an escape is not one.
static bool piece_decode(struct gr_slice text, bool is_query, char **at, struct gr_slice *ret)
{
    char *begin = *at;
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.text[i];
        if (byte == '%') {
            int high = text.size - i > 2 ? hex_value(text.text[i + 1]) : -1;
            int low = text.size - i > 2 ? hex_value(text.text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            byte = (char)(high * 16 + low);
            i += 2;
        } else if (byte == '+' && is_query) {
            byte = ' ';
        }
        *(*at)++ = byte;
    }
    *ret = (struct gr_slice){begin, (size_t)(*at - begin)};
    return true;
}

static bool is_clean(struct gr_slice text)
{
    for (size_t i = 0; i < text.size;) {
        uint32_t point;
        size_t size = gr_utf8_read(text.text + i, text.size - i, &point);
        if (size == 0 || gr_utf8_is_control(point)) {
            return false;
        }
        i += size;
    }
    return true;
}

static const char *query_decode(struct gr_http_request *request, struct gr_slice query, char **at)
{
    while (query.size > 0) {
        const char *end = memchr(query.text, '&', query.size);
        struct gr_slice pair = {query.text, end == NULL ? query.size : (size_t)(end - query.text)};
        size_t skip = pair.size + (end != NULL);
        query = (struct gr_slice){query.text + skip, query.size - skip};
        if (pair.size == 0) {
            continue;
        }
        if (request->query_count == HTTP_QUERY_MAX) {
            return "too many query parameters";
        }
        const char *equals = memchr(pair.text, '=', pair.size);
        struct gr_slice name = {pair.text,
                                equals == NULL ? pair.size : (size_t)(equals - pair.text)};
        struct gr_slice value = {"", 0};
        if (equals != NULL) {
            value = (struct gr_slice){equals + 1, pair.size - name.size - 1};
        }
        struct gr_slice *slot = request->query[request->query_count];
        if (!piece_decode(name, true, at, &slot[0]) || !piece_decode(value, true, at, &slot[1]) ||
            !is_clean(slot[0]) || !is_clean(slot[1])) {
            return "the query has a bad escape, a control character or invalid UTF-8";
        }
        request->query_count++;
    }
    return NULL;
}

const char *http_target_decode(struct gr_http_request *request)
{
    const char *target = request->target;
    size_t size = request->target_size;
    if (size == 0 || target[0] != '/') {
        return "the request's target must be a path that begins with '/'";
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)target[i] <= ' ' || target[i] == 0x7f || target[i] == '#') {
            return "the request's target has a blank, a control character or '#'";
        }
    }
    request->decoded = malloc(size); // decoding never makes longer
    if (request->decoded == NULL) {
        return "no memory";
    }
    char *at = request->decoded;
    const char *mark = memchr(target, '?', size);
    struct gr_slice path = {target, mark == NULL ? size : (size_t)(mark - target)};
    if (!piece_decode(path, false, &at, &request->path) || !is_clean(request->path)) {
        return "the path has a bad escape, a control character or invalid UTF-8";
    }
    request->target_size = path.size; // what the routes are compared with
    if (mark == NULL) {
        return NULL;
    }
    return query_decode(request, (struct gr_slice){mark + 1, size - path.size - 1}, &at);
}

// Takes the next segment, without its '/', off the front.
static struct gr_slice segment_take(struct gr_slice *path)
{
    struct gr_slice segment = {path->text + 1, path->size - 1};
    const char *slash = memchr(segment.text, '/', segment.size);
    segment.size = slash == NULL ? segment.size : (size_t)(slash - segment.text);
    path->text += segment.size + 1;
    path->size -= segment.size + 1;
    return segment;
}

// Whether the path, still encoded, fits the route's. Stores the encoded parameters.
static bool route_fits(const char *pattern, struct gr_slice path,
                       struct gr_slice params[HTTP_PARAMS_MAX])
{
    struct gr_slice wanted = gr_slice_of(pattern);
    size_t count = 0;
    while (wanted.size > 0 && path.size > 0) {
        struct gr_slice want = segment_take(&wanted);
        struct gr_slice have = segment_take(&path);
        if (want.size > 0 && want.text[0] == '{') {
            if (have.size == 0 || count == HTTP_PARAMS_MAX) {
                return false;
            }
            params[count++] = have;
        } else if (!gr_slice_equal(want, have)) {
            return false;
        }
    }
    return wanted.size == 0 && path.size == 0;
}

static bool method_fits(const char *known, const char *asked)
{
    return strcmp(known, asked) == 0 || (strcmp(known, "GET") == 0 && strcmp(asked, "HEAD") == 0);
}

static void allow_add(char *allow, size_t size, const char *method)
{
    size_t used = strlen(allow);
    const char *also = strcmp(method, "GET") == 0 ? ", HEAD" : "";
    if (used + strlen(method) + 9 < size) {
        if (used > 0) {
            memcpy(allow + used, ", ", 3);
            used += 2;
        }
        memcpy(allow + used, method, strlen(method) + 1);
        memcpy(allow + used + strlen(method), also, strlen(also) + 1);
    }
}

bool http_target_route(struct gr_http_request *request, char *allow, size_t size)
{
    struct gr_slice path = {request->target, request->target_size};
    struct gr_slice params[HTTP_PARAMS_MAX] = {{NULL, 0}};
    bool is_known = false;
    allow[0] = '\0';
    for (const struct gr_http_route *route = request->connection->http->config.routes;
         route->method != NULL; route++) {
        memset(params, 0, sizeof(params));
        if (!route_fits(route->path, path, params)) {
            continue;
        }
        is_known = true;
        allow_add(allow, size, route->method);
        if (request->route == NULL && method_fits(route->method, request->method)) {
            request->route = route;
            memcpy(request->params, params, sizeof(params));
        }
    }
    if (request->route != NULL) {
        // Their escapes were checked with the path's; they shrink in place.
        for (size_t i = 0; i < HTTP_PARAMS_MAX && request->params[i].text != NULL; i++) {
            char *at = request->target + (request->params[i].text - request->target);
            piece_decode(request->params[i], false, &at, &request->params[i]);
        }
    }
    return is_known;
}
