// A connection to the daemon's API: asks, and gives back JSON or an error that says what to type
// next.
//
// Promises: a reply is at most GR_CLIENT_REPLY_MAX bytes and is looked at only when it is whole and
// well formed; a write carries an idempotency key, and only for its sake is it ever sent twice;
// every call ends within its time limit. One thread.
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gr_client_path;

// Largest reply that is taken, in bytes.
#define GR_CLIENT_REPLY_MAX ((size_t)64 << 20)
// How long a call may take unless it says otherwise, in milliseconds.
#define GR_CLIENT_TIMEOUT_MS 60000
// Bytes of an idempotency key, NUL included.
#define GR_CLIENT_KEY_SIZE 129

// How to reach the daemon. Texts are borrowed while gr_client_open runs.
struct gr_client_config {
    const char *server;     // as gr_client_address_find; NULL: not given
    const char *token_file; // holds the token for TCP; NULL: $GRANARY_TOKEN
};

struct gr_client; // opaque: an address, a token, connections that are kept

// Finds the daemon's address and makes ready; does not connect. On success the caller owns
// *ret_client. Errors: as gr_client_address_find; reading the token file; -ENOMEM.
int gr_client_open(const struct gr_client_config *config, struct gr_client **ret_client,
                   struct gr_err *err);
// Ends its streams and closes its connections. NULL is allowed.
void gr_client_close(struct gr_client *client);
// The address, as --server would take it. Borrowed until close.
const char *gr_client_where(const struct gr_client *client);

// What a failure was, beside its text. Texts are "" where nothing is known; control characters in
// them are replaced by '?'.
struct gr_client_answer {
    long status;     // HTTP status; 0 if no answer came
    int error;       // the -errno that was returned with it
    char code[64];   // the answer's code ("no-room")
    char field[128]; // the field of the request that was wrong
    char hint[512];  // what to type or do next
};

// Whether the daemon has answered a call of this client: if it cannot be reached now, it went away,
// and may be on its way back.
bool gr_client_was_there(const struct gr_client *client);

// About the last call or stream of this client that failed. Borrowed until the next call.
const struct gr_client_answer *gr_client_answer(const struct gr_client *client);

// One request. Texts are borrowed during the call.
struct gr_client_call {
    const char *method;                // "GET" or "POST"
    const struct gr_client_path *path; // with its query
    const char *type;                  // of the body; NULL: application/json
    struct gr_slice body;
    const char *key;    // idempotency key; NULL: a new random one for each call that writes
    int64_t timeout_ms; // 0: GR_CLIENT_TIMEOUT_MS
    // A daemon that went away under the client is waited for so long, if it is more than the few
    // tries that every call has. One that was never there is not.
    int64_t patience_ms;
};

// A reply with a status of 200 to 299.
struct gr_client_reply {
    long status;
    bool is_replayed; // the daemon had done this already, under the same key
    char *body;       // heap, NUL-terminated
    size_t size;      // bytes
};

// Sends a request and waits for the reply. On success the caller ends *ret_reply with
// gr_client_reply_done. Errors, all with a text, and gr_client_answer has more: -ECONNREFUSED no
// daemon is there; -ETIMEDOUT; -EFBIG the reply is too large; -EPROTO it is not what the API says;
// for HTTP errors -EINVAL (400, 413, 422), -EACCES (401, 403, 451), -ENOENT (404), -EEXIST (409,
// 412), -EAGAIN (503), -ENOSPC (507), -EIO (others and broken connections).
int gr_client_send(struct gr_client *client, const struct gr_client_call *call,
                   struct gr_client_reply *ret_reply, struct gr_err *err);
// Frees the body.
void gr_client_reply_done(struct gr_client_reply *reply);

// GET that gives back a JSON object, which the caller owns. Errors as gr_client_send.
int gr_client_get(struct gr_client *client, const struct gr_client_path *path, json_t **ret_object,
                  struct gr_err *err);
// POST of a JSON value (borrowed; NULL: no body) that gives back an object, which the caller owns.
// Errors as gr_client_send.
int gr_client_post(struct gr_client *client, const struct gr_client_path *path, const json_t *body,
                   const char *key, json_t **ret_object, struct gr_err *err);

// Whether `key` may be an idempotency key: 1 to 128 printable ASCII characters.
bool gr_client_key_is_good(const char *key);
