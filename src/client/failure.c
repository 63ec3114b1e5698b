// What goes wrong between client and daemon, in words: see client.h and parts.h.
#include "base/utf8.h"
#include "base/words.h"
#include "client/parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// Copies a text out of JSON so that it can be printed; cut at a character if it is too long.
static void copy_text(const json_t *object, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));
    size_t used = 0;
    for (size_t at = 0, all = text == NULL ? 0 : strlen(text); at < all;) {
        uint32_t point;
        size_t length = gr_utf8_read(text + at, all - at, &point);
        size_t step = length == 0 ? 1 : length;
        if (used + step >= size) {
            break;
        }
        if (length == 0 || gr_utf8_is_control(point)) {
            out[used++] = '?';
        } else {
            memcpy(out + used, text + at, length);
            used += length;
        }
        at += step;
    }
    out[used] = '\0';
}

static int errno_of(long status)
{
    switch (status) {
    case 400:
    case 413:
    case 422:
        return -EINVAL;
    case 401:
    case 403:
    case 451:
        return -EACCES;
    case 404:
        return -ENOENT;
    case 409:
    case 412:
        return -EEXIST;
    case 503:
        return -EAGAIN;
    case 507:
        return -ENOSPC;
    default:
        return -EIO;
    }
}

int gr_client_fail_status(struct gr_client *client, long status, struct gr_slice body,
                          struct gr_err *err)
{
    struct gr_client_answer *answer = &client->answer;
    char message[GR_ERR_TEXT_SIZE] = "";
    json_t *root = body.size == 0 ? NULL : json_loadb(body.text, body.size, 0, NULL);
    const json_t *error = json_object_get(root, "error");
    *answer = (struct gr_client_answer){.status = status, .error = errno_of(status)};
    copy_text(error, "code", answer->code, sizeof answer->code);
    copy_text(error, "field", answer->field, sizeof answer->field);
    copy_text(error, "hint", answer->hint, sizeof answer->hint);
    copy_text(error, "message", message, sizeof message);
    json_decref(root);
    if (message[0] == '\0') {
        char quote[GR_WORDS_QUOTE_SIZE] = "nothing more";
        if (body.size > 0) {
            gr_words_quote(body, quote);
        }
        return gr_fail(err, errno_of(status), "%s: answered %ld and %s", client->where, status,
                       quote);
    }
    // What is wrong about a request is told by its field; what is not there is told by its name.
    bool is_named = errno_of(status) == -EINVAL && answer->field[0] != '\0' &&
                    strstr(message, answer->field) == NULL;
    return gr_fail(err, errno_of(status), "%s%s%s", is_named ? answer->field : "",
                   is_named ? ": " : "", message);
}

int gr_client_fail_reply(struct gr_client *client, struct gr_err *err, const char *what)
{
    snprintf(client->answer.hint, sizeof client->answer.hint,
             "is a granary daemon of the same release serving there?");
    return gr_fail(err, -EPROTO, "%s: the reply is not what granary's API promises: %s",
                   client->where, what);
}

int gr_client_fail_curl(struct gr_client *client, CURLcode code, struct gr_err *err)
{
    struct gr_client_answer *answer = &client->answer;
    *answer = (struct gr_client_answer){0};
    // Few of curl's codes need words of granary's own; the rest are curl's to explain.
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST) {
        snprintf(answer->hint, sizeof answer->hint, "granary serve");
        return gr_fail(err, -ECONNREFUSED, "no daemon answers: tried %s: %s", client->where,
                       code == CURLE_COULDNT_CONNECT ? "nobody listens there"
                                                     : curl_easy_strerror(code));
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return gr_fail(err, -ETIMEDOUT, "%s: no answer came in time", client->where);
    }
    if (code == CURLE_OUT_OF_MEMORY || code == CURLE_WRITE_ERROR) {
        return gr_fail(err, -ENOMEM, "not enough memory for a reply");
    }
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY) {
        return gr_client_fail_reply(client, err, curl_easy_strerror(code));
    }
    snprintf(answer->hint, sizeof answer->hint, "granary pool");
    return gr_fail(err, -EIO, "%s: the connection broke: %s", client->where,
                   curl_easy_strerror(code));
}
