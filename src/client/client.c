// A connection to the daemon's API: see client.h. What goes wrong is put into words in failure.c.
#include "client/client.h"

#include "base/clock.h"
#include "base/file.h"
#include "client/parts.h"
#include "client/path.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { CONNECT_MS = 5000, TRIES = 3, TOKEN_SIZE = 1024 };

bool gr_client_buffer_add(struct gr_client_buffer *buffer, const char *bytes, size_t size)
{
    if (size > buffer->limit - buffer->size) {
        buffer->is_beyond = true;
        return false;
    }
    if (buffer->room - buffer->size < size + 1) {
        size_t room = (buffer->size + size + 1) * 2;
        char *grown = realloc(buffer->bytes, room);
        if (grown == NULL) {
            return false;
        }
        buffer->bytes = grown;
        buffer->room = room;
    }
    memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
    buffer->bytes[buffer->size] = '\0';
    return true;
}

// ---- open and close -----------------------------------------------------------------------------

int gr_client_header(struct curl_slist **headers, const char *line, struct gr_err *err)
{
    struct curl_slist *longer = curl_slist_append(*headers, line);
    if (longer == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for a request");
    }
    *headers = longer;
    return 0;
}

// The token becomes part of a header, so nothing but printable characters may be in it.
static int token_take(struct gr_client *client, const char *what, char *token, struct gr_err *err)
{
    char line[TOKEN_SIZE + 32];
    size_t size = strlen(token);
    while (size > 0 && strchr("\r\n\t ", token[size - 1]) != NULL) {
        token[--size] = '\0';
    }
    for (size_t i = 0; i < size; i++) {
        if (token[i] <= ' ' || token[i] > '~') {
            return gr_fail(err, -EINVAL, "%s: holds a character that no token has", what);
        }
    }
    if (size == 0 || size >= TOKEN_SIZE) {
        return gr_fail(err, -EINVAL, "%s: holds %zu characters, expected a token", what, size);
    }
    snprintf(line, sizeof line, "Authorization: Bearer %s", token);
    return gr_client_header(&client->authorization, line, err);
}

static int token_read(struct gr_client *client, const char *file, struct gr_err *err)
{
    const char *set = getenv("GRANARY_TOKEN");
    char *text = NULL;
    size_t size = 0;
    int code = 0;
    if (file != NULL) {
        code = gr_file_read(file, TOKEN_SIZE * 4, &text, &size, err);
        if (code == 0) {
            char *copy = strndup(text, size);
            free(text);
            text = copy;
        }
    } else if (set != NULL && set[0] != '\0') {
        text = strdup(set);
    } else {
        return 0;
    }
    if (code < 0) {
        return code;
    }
    if (text == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for a token");
    }
    code = token_take(client, file != NULL ? file : "GRANARY_TOKEN", text, err);
    explicit_bzero(text, strlen(text));
    free(text);
    return code;
}

int gr_client_open(const struct gr_client_config *config, struct gr_client **ret_client,
                   struct gr_err *err)
{
    struct gr_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for a connection");
    }
    int code = gr_client_address_find(config->server, &client->address, err);
    if (code == 0) {
        snprintf(client->where, sizeof client->where, "%s%s",
                 client->address.is_unix ? "unix:" : "", client->address.text);
        code = token_read(client, config->token_file, err);
    }
    if (code == 0) {
        // TLS takes time to set up, and only an https address needs it.
        bool is_tls = strncmp(client->address.text, "https:", 6) == 0;
        bool is_ready = curl_global_init(is_tls ? CURL_GLOBAL_SSL : CURL_GLOBAL_NOTHING) == 0;
        client->easy = is_ready ? curl_easy_init() : NULL;
        client->multi = is_ready ? curl_multi_init() : NULL;
        code = client->easy == NULL || client->multi == NULL
                   ? gr_fail(err, -ENOMEM, "not enough memory for a connection")
                   : 0;
    }
    if (code < 0) {
        gr_client_close(client);
        return code;
    }
    *ret_client = client;
    return 0;
}

void gr_client_close(struct gr_client *client)
{
    if (client != NULL) {
        curl_easy_cleanup(client->easy);
        curl_multi_cleanup(client->multi);
        curl_slist_free_all(client->authorization);
        free(client);
    }
}

const char *gr_client_where(const struct gr_client *client)
{
    return client->where;
}

bool gr_client_was_there(const struct gr_client *client)
{
    return client->was_there;
}

const struct gr_client_answer *gr_client_answer(const struct gr_client *client)
{
    return &client->answer;
}

// ---- one request --------------------------------------------------------------------------------

int gr_client_prepare(struct gr_client *client, CURL *easy, const struct gr_client_path *path,
                      struct curl_slist **headers, struct gr_err *err)
{
    if (path->is_cut) {
        return gr_fail(err, -ENAMETOOLONG, "the request is longer than %d bytes",
                       GR_CLIENT_PATH_SIZE - 1);
    }
    char url[GR_CLIENT_ADDRESS_SIZE + GR_CLIENT_PATH_SIZE];
    snprintf(url, sizeof url, "%s%s",
             client->address.is_unix ? "http://localhost" : client->address.text, path->text);
    curl_easy_reset(easy);
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, url);
    if (client->address.is_unix) {
        code |= curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->address.text);
    }
    code |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    code |= curl_easy_setopt(easy, CURLOPT_PROXY, ""); // the environment's proxy is for the web
    code |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    code |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "granary/" GR_VERSION);
    if (code != CURLE_OK) {
        return gr_fail(err, -ENOMEM, "not enough memory for a request");
    }
    if (client->authorization != NULL) {
        return gr_client_header(headers, client->authorization->data, err);
    }
    return 0;
}

static size_t take_body(char *bytes, size_t one, size_t count, void *context)
{
    return gr_client_buffer_add(context, bytes, one * count) ? one * count : 0;
}

static size_t take_header(char *bytes, size_t one, size_t count, void *context)
{
    static const char replayed[] = "granary-replayed:";
    if (count >= sizeof replayed - 1 && strncasecmp(bytes, replayed, sizeof replayed - 1) == 0) {
        *(bool *)context = true;
    }
    return one * count;
}

bool gr_client_key_is_good(const char *key)
{
    size_t size = strlen(key);
    if (size == 0 || size >= GR_CLIENT_KEY_SIZE) {
        return false;
    }
    for (; *key != '\0'; key++) {
        if (*key < ' ' || *key > '~') {
            return false;
        }
    }
    return true;
}

// Keys come from the kernel's generator: two clients never choose the same one.
static int make_key(char ret_key[GR_CLIENT_KEY_SIZE], struct gr_err *err)
{
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return gr_fail_errno(err, "draw a random key");
    }
    snprintf(ret_key, GR_CLIENT_KEY_SIZE, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    return 0;
}

static int add_headers(const struct gr_client_call *call, const char *key,
                       struct curl_slist **headers, struct gr_err *err)
{
    char line[256];
    snprintf(line, sizeof line, "Content-Type: %s",
             call->type == NULL ? "application/json" : call->type);
    int code = gr_client_header(headers, line, err);
    if (code == 0 && key != NULL) {
        snprintf(line, sizeof line, "Idempotency-Key: %s", key);
        code = gr_client_header(headers, line, err);
    }
    // A body is sent at once: waiting for "100 Continue" would cost a second with old servers.
    return code == 0 ? gr_client_header(headers, "Expect:", err) : code;
}

// Sends once. Stores what came; `ret_curl` tells a broken connection from an answer.
static int send_once(struct gr_client *client, const struct gr_client_call *call, const char *key,
                     struct gr_client_buffer *body, struct gr_client_reply *reply,
                     CURLcode *ret_curl, struct gr_err *err)
{
    struct curl_slist *headers = NULL;
    bool is_write = strcmp(call->method, "GET") != 0;
    int code = gr_client_prepare(client, client->easy, call->path, &headers, err);
    if (code == 0 && is_write) {
        code = add_headers(call, key, &headers, err);
    }
    if (code == 0) {
        CURL *easy = client->easy;
        long timeout_ms = (long)(call->timeout_ms > 0 ? call->timeout_ms : GR_CLIENT_TIMEOUT_MS);
        *reply = (struct gr_client_reply){0};
        body->size = 0;
        body->is_beyond = false;
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, &reply->is_replayed);
        if (is_write) {
            curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
            curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.size == 0 ? "" : call->body.text);
        }
        *ret_curl = curl_easy_perform(easy);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply->status);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    }
    curl_slist_free_all(headers);
    return code;
}

// Whether the same request may be sent again: the daemon went away under it (it is being started
// anew), or said that it is busy for the moment. A write carries a key, under which it is done
// once.
static bool is_worth_again(CURLcode curl, long status, struct gr_slice body)
{
    if (curl == CURLE_GOT_NOTHING || curl == CURLE_RECV_ERROR || curl == CURLE_SEND_ERROR ||
        curl == CURLE_PARTIAL_FILE || curl == CURLE_COULDNT_CONNECT) {
        return true;
    }
    return curl == CURLE_OK && status == 503 && body.size > 0 &&
           memmem(body.text, body.size, "\"unavailable\"", 13) != NULL;
}

// The pool keeps no more keys.
static bool is_out_of_keys(CURLcode curl, long status, struct gr_slice body)
{
    return curl == CURLE_OK && status == 429 && body.size > 0 &&
           memmem(body.text, body.size, "\"limit-keys\"", 12) != NULL;
}

static void wait_before_again(int tried)
{
    int64_t ms = tried > 3 ? 1000 : 100 << tried; // 0.1 s, 0.2 s, 0.4 s, 0.8 s, 1 s, ...
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&pause, &pause) < 0 && errno == EINTR) {
    }
}

// Whether a further try is within what the call allows.
static bool may_try(const struct gr_client *client, const struct gr_client_call *call, int tried,
                    CURLcode curl, int64_t since_ms)
{
    if (call->patience_ms > 0 && (client->was_there || tried > 0)) {
        return gr_clock_ms() - since_ms < call->patience_ms;
    }
    return curl != CURLE_COULDNT_CONNECT && tried + 1 < TRIES;
}

static int judge(struct gr_client *client, CURLcode curl, const struct gr_client_buffer *body,
                 const struct gr_client_reply *reply, struct gr_err *err)
{
    if (body->is_beyond) {
        return gr_fail(err, -EFBIG, "%s: the reply is larger than %zu MiB", client->where,
                       GR_CLIENT_REPLY_MAX >> 20);
    }
    if (curl != CURLE_OK) {
        return gr_client_fail_curl(client, curl, err);
    }
    if (reply->status < 200 || reply->status > 299) {
        return gr_client_fail_status(client, reply->status,
                                     (struct gr_slice){body->bytes, body->size}, err);
    }
    return 0;
}

int gr_client_send(struct gr_client *client, const struct gr_client_call *call,
                   struct gr_client_reply *ret_reply, struct gr_err *err)
{
    assert(client != NULL && call->method != NULL && call->path != NULL);
    assert(call->key == NULL || gr_client_key_is_good(call->key));
    char made[GR_CLIENT_KEY_SIZE];
    struct gr_client_buffer body = {.limit = GR_CLIENT_REPLY_MAX};
    struct gr_client_reply reply = {0};
    CURLcode curl = CURLE_OK;
    int64_t since_ms = gr_clock_ms();
    client->answer = (struct gr_client_answer){0};
    int code = call->key == NULL ? make_key(made, err) : 0;
    const char *key = call->key == NULL ? made : call->key;
    for (int tried = 0; code == 0; tried++) {
        code = send_once(client, call, key, &body, &reply, &curl, err);
        struct gr_slice text = {body.bytes, body.size};
        if (code == 0 && key == made && is_out_of_keys(curl, reply.status, text)) {
            key = NULL; // it was ours: without one it can be sent, only not again
            continue;
        }
        if (code < 0 || (key == NULL && curl != CURLE_OK) ||
            !is_worth_again(curl, reply.status, text) ||
            !may_try(client, call, tried, curl, since_ms)) {
            break;
        }
        wait_before_again(tried);
    }
    if (code == 0) {
        code = judge(client, curl, &body, &reply, err);
    }
    if (code == 0 && body.bytes == NULL && !gr_client_buffer_add(&body, "", 0)) {
        code = gr_fail(err, -ENOMEM, "not enough memory for a reply");
    }
    if (code < 0) {
        free(body.bytes);
        return code;
    }
    client->was_there = true;
    reply.body = body.bytes;
    reply.size = body.size;
    *ret_reply = reply;
    return 0;
}

void gr_client_reply_done(struct gr_client_reply *reply)
{
    free(reply->body);
    reply->body = NULL;
}

// ---- JSON ---------------------------------------------------------------------------------------

static int send_json(struct gr_client *client, const struct gr_client_call *call,
                     json_t **ret_object, struct gr_err *err)
{
    struct gr_client_reply reply;
    int code = gr_client_send(client, call, &reply, err);
    if (code < 0) {
        return code;
    }
    json_error_t wrong;
    json_t *object = json_loadb(reply.body, reply.size, JSON_REJECT_DUPLICATES, &wrong);
    if (object == NULL || !json_is_object(object)) {
        code = gr_client_fail_reply(client, err, object == NULL ? wrong.text : "not an object");
        json_decref(object);
    } else {
        *ret_object = object;
    }
    gr_client_reply_done(&reply);
    return code;
}

int gr_client_get(struct gr_client *client, const struct gr_client_path *path, json_t **ret_object,
                  struct gr_err *err)
{
    struct gr_client_call call = {.method = "GET", .path = path};
    return send_json(client, &call, ret_object, err);
}

int gr_client_post(struct gr_client *client, const struct gr_client_path *path, const json_t *body,
                   const char *key, json_t **ret_object, struct gr_err *err)
{
    char *text = body == NULL ? strdup("") : json_dumps(body, JSON_COMPACT);
    if (text == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for a request");
    }
    struct gr_client_call call = {
        .method = "POST", .path = path, .body = gr_slice_of(text), .key = key};
    int code = send_json(client, &call, ret_object, err);
    free(text);
    return code;
}
