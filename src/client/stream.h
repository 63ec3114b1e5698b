// Replies without a known end: logs that are followed, events. Bytes are handed over as they come;
// what is not taken is not read from the connection, so a slow reader costs no memory.
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "client/client.h"

#include <stdbool.h>
#include <stdint.h>

struct gr_client_path;
struct gr_client_stream; // opaque: one GET whose body is read piece by piece

// How far a stream is.
enum gr_client_stream_state {
    GR_CLIENT_STREAM_ASKED,  // no answer yet
    GR_CLIENT_STREAM_OPEN,   // answered with 200; more may come
    GR_CLIENT_STREAM_ENDED,  // the daemon ended it; bytes may be left to take
    GR_CLIENT_STREAM_BROKEN, // the connection broke, or the answer was an error
};

// Asks; returns at once. The client must outlive the stream. On success the caller owns
// *ret_stream. 0, -ENOMEM or -ENAMETOOLONG.
int gr_client_stream_open(struct gr_client *client, const struct gr_client_path *path,
                          struct gr_client_stream **ret_stream, struct gr_err *err);
// Ends it and releases it. NULL is allowed.
void gr_client_stream_close(struct gr_client_stream *stream);

// Drives all streams of the client until something came for one of them, `fd` (-1: none) is
// readable, a signal came, or the time is over. Returns 0; -EIO or -ENOMEM with a text. Blocks for
// at most `timeout_ms`.
int gr_client_wait(struct gr_client *client, int fd, int timeout_ms, struct gr_err *err);

// How far it is. Asking costs nothing.
enum gr_client_stream_state gr_client_stream_state(const struct gr_client_stream *stream);
// Whether it was answered with 200 to 299, so that its bytes are what was asked for, and not those
// of an error.
bool gr_client_stream_is_answered(const struct gr_client_stream *stream);
// Why it is broken: errors as gr_client_send, and gr_client_answer has more.
int gr_client_stream_error(struct gr_client_stream *stream, struct gr_err *err);
// The bytes that came and were not taken; borrowed until the next call for this stream or
// gr_client_wait.
struct gr_slice gr_client_stream_bytes(const struct gr_client_stream *stream);
// Takes the first `size` of them.
void gr_client_stream_take(struct gr_client_stream *stream, size_t size);
// What the header Granary-Log-Offset said: the place of the first byte in its file; 0 without it.
int64_t gr_client_stream_offset(const struct gr_client_stream *stream);
