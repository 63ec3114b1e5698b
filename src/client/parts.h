// What the files of the client share, and nobody else may know.
#pragma once

#include "client/address.h"
#include "client/client.h"

#include <curl/curl.h>

// A client. `multi` drives its streams; `easy` its calls.
struct gr_client {
    struct gr_client_address address;
    char where[GR_CLIENT_ADDRESS_SIZE + 8]; // with "unix:" before a path
    struct curl_slist *authorization;       // header with the token, or NULL
    CURL *easy;
    CURLM *multi;
    struct gr_client_answer answer;
    bool was_there; // the daemon answered once
    unsigned came;  // grows whenever something came for a stream
};

// Bytes that grow up to a limit.
struct gr_client_buffer {
    char *bytes; // heap; NUL-terminated if not NULL
    size_t size;
    size_t room;    // bytes that are allocated
    size_t limit;   // most bytes it may hold
    bool is_beyond; // more came than the limit allows: what came then was not kept
};

// Appends. False if the limit or memory does not allow it.
bool gr_client_buffer_add(struct gr_client_buffer *buffer, const char *bytes, size_t size);

// Sets a handle up for `path`: address, protocols, time for connecting, no proxy. Adds the token to
// *headers, which the caller frees. 0 or -errno.
int gr_client_prepare(struct gr_client *client, CURL *easy, const struct gr_client_path *path,
                      struct curl_slist **headers, struct gr_err *err);
// Appends a header line to *headers. 0 or -ENOMEM.
int gr_client_header(struct curl_slist **headers, const char *line, struct gr_err *err);
// Turns what curl says into an error with a text, and empties the answer.
int gr_client_fail_curl(struct gr_client *client, CURLcode code, struct gr_err *err);
// Turns an HTTP error and its body into an error with a text, and fills the answer.
int gr_client_fail_status(struct gr_client *client, long status, struct gr_slice body,
                          struct gr_err *err);
// An error that ends with "what the daemon sent is not ...". Returns -EPROTO.
int gr_client_fail_reply(struct gr_client *client, struct gr_err *err, const char *what);
