// The head of a request: is it one request and not two, does it come from where it may come from,
// which route is it for, and who asks.
//
// libmicrohttpd takes the first of two equal headers, prefers Transfer-Encoding to Content-Length,
// cuts texts at a NUL and knows no character that a name may not have; whatever could be read in
// two ways is refused here. Behind 127.0.0.1 stands every browser of this machine: a page of
// somebody else's may send requests here (Origin tells) or have its own name lead here (Host
// tells).
#include "daemon/http_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char byte = text[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!is_letter && (byte < '0' || byte > '9') &&
            (byte == '\0' || strchr("!#$%&'*+-.^_`|~", byte) == NULL)) {
            return false;
        }
    }
    return size > 0;
}

static bool is_text(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool equals(struct gr_slice text, const char *word)
{
    return text.size == strlen(word) && strncasecmp(text.text, word, text.size) == 0;
}

// Whether `text` begins with `word`, any case, and more comes.
static bool begins(struct gr_slice text, const char *word)
{
    return text.size > strlen(word) && strncasecmp(text.text, word, strlen(word)) == 0;
}

// Blanks at the end belong to nobody.
static struct gr_slice trimmed(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t')) {
        size--;
    }
    return (struct gr_slice){text, size};
}

static enum MHD_Result header_look(void *context, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size)
{
    struct http_head *head = context;
    (void)kind;
    if (!is_token(name, name_size) || !is_text(value == NULL ? "" : value, value_size)) {
        head->wrong = "a header's name or value has a character that it must not have";
        return MHD_NO;
    }
    const struct {
        const char *name;
        struct gr_slice *place;
    } known[] = {
        {"Host", &head->host},
        {"Origin", &head->origin},
        {"Authorization", &head->authorization},
        {"Content-Type", &head->content_type},
        {"Content-Length", &head->content_length},
        {"Transfer-Encoding", &head->transfer_encoding},
        {"Expect", &head->expect},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!equals((struct gr_slice){name, name_size}, known[i].name)) {
            continue;
        }
        if (known[i].place->text != NULL) {
            head->wrong = "a header that may be given once is given twice";
            return MHD_NO;
        }
        *known[i].place = trimmed(value == NULL ? "" : value, value_size);
    }
    return MHD_YES;
}

// Host without its port.
static struct gr_slice host_name(struct gr_slice host)
{
    const char *end = NULL;
    if (host.size > 0 && host.text[0] == '[') {
        end = memchr(host.text, ']', host.size);
        end = end == NULL ? NULL : end + 1;
    } else {
        end = memchr(host.text, ':', host.size);
    }
    size_t size = end == NULL ? host.size : (size_t)(end - host.text);
    for (size_t i = size + 1; i < host.size; i++) {
        if (host.text[i] < '0' || host.text[i] > '9') {
            return (struct gr_slice){"", 0};
        }
    }
    if (size < host.size && host.text[size] != ':') {
        return (struct gr_slice){"", 0};
    }
    return (struct gr_slice){host.text, size};
}

static bool host_is_ours(const struct gr_http *http, struct gr_slice host)
{
    struct gr_slice name = host_name(host);
    if (equals(name, "localhost") || equals(name, "127.0.0.1") || equals(name, "[::1]")) {
        return true;
    }
    if (http->address_host != NULL && strchr(http->address_host, ':') != NULL && name.size > 2) {
        if (equals((struct gr_slice){name.text + 1, name.size - 2}, http->address_host)) {
            return true;
        }
    } else if (http->address_host != NULL && equals(name, http->address_host)) {
        return true;
    }
    for (const char *const *each = http->config.hosts; each != NULL && *each != NULL; each++) {
        if (equals(name, *each)) {
            return true;
        }
    }
    return false;
}

static bool origin_is_same(struct gr_slice origin, struct gr_slice host)
{
    size_t skip = begins(origin, "http://") ? 7 : begins(origin, "https://") ? 8 : 0;
    return skip > 0 && host.size == origin.size - skip &&
           strncasecmp(origin.text + skip, host.text, host.size) == 0;
}

// Where it comes from. False: it was refused.
static bool source_check(struct gr_http_request *request, const struct http_head *head)
{
    const struct gr_http_peer *peer = &request->connection->peer;
    if (!peer->is_unix && !host_is_ours(request->connection->http, head->host)) {
        gr_http_reply_error(request, 421, "wrong-host",
                            "the Host header names a machine that this is not",
                            "use 127.0.0.1 or localhost, or name the host with --host", NULL);
        return false;
    }
    if (head->origin.text != NULL && !origin_is_same(head->origin, head->host)) {
        gr_http_reply_error(request, 403, "wrong-origin",
                            "a page of another site must not ask this server", NULL, NULL);
        return false;
    }
    return true;
}

// That there is one way to read it.
static const char *form_check(const struct gr_http_request *request, const char *method,
                              const char *version, const struct http_head *head)
{
    if (head->wrong != NULL) {
        return head->wrong;
    }
    // The library cuts the line at blanks; a NUL inside shows as a gap.
    if (!is_token(method, strlen(method)) ||
        version != method + strlen(method) + 1 + strlen(request->target) + 1) {
        return "the request's first line is not method, target and version with a blank between";
    }
    if (head->transfer_encoding.text != NULL) {
        if (head->content_length.text != NULL) {
            return "Content-Length and Transfer-Encoding exclude each other";
        }
        if (!equals(head->transfer_encoding, "chunked")) {
            return "the only Transfer-Encoding known here is chunked";
        }
    }
    if (head->host.text == NULL &&
        (!request->connection->peer.is_unix || strcmp(version, MHD_HTTP_VERSION_1_0) != 0)) {
        return "the Host header is missing";
    }
    if (head->expect.text != NULL && !equals(head->expect, "100-continue")) {
        return "the only Expect known here is 100-continue";
    }
    return NULL;
}

// Content-Type up to its parameters.
static struct gr_slice type_of(struct gr_slice content_type)
{
    const char *end =
        memchr(content_type.text == NULL ? "" : content_type.text, ';', content_type.size);
    return trimmed(content_type.text,
                   end == NULL ? content_type.size : (size_t)(end - content_type.text));
}

// What the body is. False: it was refused.
static bool body_check(struct gr_http_request *request, const struct http_head *head)
{
    const struct gr_http_config *config = &request->connection->http->config;
    bool has_body = head->transfer_encoding.text != NULL ||
                    (head->content_length.size > 0 && !equals(head->content_length, "0"));
    struct gr_slice type = type_of(head->content_type);
    request->takes_lines = request->route->line != NULL && equals(type, "application/x-ndjson");
    // What a form of any web page can send without asking first.
    if (has_body && (equals(type, "application/x-www-form-urlencoded") ||
                     equals(type, "text/plain") || equals(type, "multipart/form-data"))) {
        gr_http_reply_error(request, 415, "wrong-type",
                            "the body's Content-Type is one that web pages send by themselves",
                            "add the header Content-Type: application/json (curl: --json)", NULL);
        return false;
    }
    unsigned long long length = 0;
    for (size_t i = 0; i < head->content_length.size && length <= config->body_max; i++) {
        length = length * 10 + (unsigned)(head->content_length.text[i] - '0');
    }
    if (!request->takes_lines && length > config->body_max) {
        char text[96];
        snprintf(text, sizeof(text), "the body is longer than %zu bytes", config->body_max);
        gr_http_reply_error(request, 413, "too-large", text, NULL, NULL);
        return false;
    }
    return true;
}

// Who asks. False: it was refused.
static bool asker_check(struct gr_http_request *request, const struct http_head *head)
{
    struct gr_http *http = request->connection->http;
    struct gr_slice *token = &request->connection->peer.token;
    *token = (struct gr_slice){"", 0};
    if (begins(head->authorization, "Bearer ")) {
        *token = (struct gr_slice){head->authorization.text + 7, head->authorization.size - 7};
    }
    if (request->route->is_open || http->config.admit == NULL) {
        return true;
    }
    struct gr_err err;
    gr_err_init(&err);
    int status = http->config.admit(http->config.context, request, &err);
    if (status == 0 || request->reply.status != 0) {
        return request->reply.status == 0;
    }
    if (status == 401) {
        gr_http_reply_header(request, "WWW-Authenticate", "Bearer");
    }
    gr_http_reply_error(request, (unsigned)status,
                        status == 401   ? "not-known"
                        : status == 403 ? "forbidden"
                                        : "not-admitted",
                        err.text, NULL, NULL);
    return false;
}

// The route. False: it was refused.
static bool route_check(struct gr_http_request *request)
{
    char allow[128];
    bool is_known = http_target_route(request, allow, sizeof(allow));
    if (request->route != NULL) {
        return true;
    }
    if (is_known) {
        gr_http_reply_header(request, "Allow", allow);
        gr_http_reply_error(request, 405, "wrong-method", "this path does not know that method",
                            NULL, NULL);
    } else {
        gr_http_reply_error(request, 404, "no-such-path", "there is nothing at this path",
                            "GET /v1/openapi.json lists what there is", NULL);
    }
    return false;
}

static bool room_check(struct gr_http_request *request)
{
    const struct gr_http *http = request->connection->http;
    if (http->waiting_count < http->config.waiting_max) {
        return true;
    }
    gr_http_reply_header(request, "Retry-After", "1");
    gr_http_reply_error(request, 503, "overloaded", "too many requests wait for a reply",
                        "try again in a moment", NULL);
    return false;
}

void http_head_check(struct gr_http_request *request, const char *method, const char *version,
                     struct http_head *ret_head)
{
    *ret_head = (struct http_head){.wrong = NULL};
    request->method = method;
    MHD_get_connection_values_n(request->connection->library, MHD_HEADER_KIND, header_look,
                                ret_head);
    const char *wrong = form_check(request, method, version, ret_head);
    if (wrong == NULL && !source_check(request, ret_head)) {
        return;
    }
    wrong = wrong != NULL ? wrong : http_target_decode(request);
    if (wrong != NULL) {
        // Where one request ends is not sure, so that there must be no next one.
        request->connection->is_unheard = true;
        gr_http_reply_header(request, "Connection", "close");
        gr_http_reply_error(request, 400, "bad-request", wrong, NULL, NULL);
        return;
    }
    (void)(route_check(request) && room_check(request) && asker_check(request, ret_head) &&
           body_check(request, ret_head));
}
