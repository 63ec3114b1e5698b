// The HTTP server: libmicrohttpd behind a thin interface, driven by the caller's event loop in one
// thread. Knows connections, requests, replies and streams; knows nothing of jobs.
//
// Promises: never blocks; bodies, headers, connections and waiting requests are bounded; a slow or
// half-closed client is cut off after its time; every request gets exactly one reply, later if need
// be, in any order.
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct gr_http;         // opaque: the server with its listening sockets
struct gr_http_request; // opaque: lives until its reply was sent or its client is gone

// Who is at the other end, as the transport knows.
struct gr_http_peer {
    bool is_unix;          // of a unix socket: uid, gid and pid are the kernel's word
    bool is_door;          // of the one that containers see; then is_unix too
    uid_t uid;             // else UINT32_MAX
    gid_t gid;             // its main group, else UINT32_MAX
    pid_t pid;             // its process when it connected, else 0
    struct gr_slice token; // bearer token, "" if none; borrowed with the request
};

// A route. `path` has segments, "{name}" takes one ("/v1/jobs/{id}/stop"). Static memory.
struct gr_http_route {
    const char *method; // "GET", "POST", ...
    const char *path;
    // Called in the loop's thread when the whole request is there (body included). Must reply, now
    // or later.
    void (*handle)(void *context, struct gr_http_request *request);
    // For bodies of lines (application/x-ndjson): if not NULL and the content type says so, called
    // for each line as it arrives (without its line end; at most GR_HTTP_LINE_MAX bytes; borrowed),
    // then `handle` at the end. Empty lines too, but nothing after the last line end. Returns false
    // to take no more lines (handle is called then, unless a reply was given).
    bool (*line)(void *context, struct gr_http_request *request, struct gr_slice line);
    bool is_open; // no identity needed (health)
};

// Longest line of an NDJSON body.
#define GR_HTTP_LINE_MAX ((size_t)1 << 20)

// How the server works. Zero fields take the default that stands behind them.
struct gr_http_config {
    const char *unix_path; // socket file; NULL: none. Made anew; mode 0666 (credentials decide)
    const char *door_path; // the same once more, for containers; NULL: none. Left out if it cannot
                           // be made
    const char *address;   // "127.0.0.1:7070"; NULL: none. Port 0: any, see gr_http_port
    const struct gr_http_route *routes; // ended by one without a method; static memory
    void *context;                      // handed to the routes
    // Asked before a route that is not open, with the peer: 0 to go on, else the HTTP status, with
    // the reason in `err`. May attach an identity by gr_http_request_user_set.
    int (*admit)(void *context, struct gr_http_request *request, struct gr_err *err);
    size_t body_max;          // bytes; 4 MiB. NDJSON bodies are not bounded, their lines are
    size_t bodies_max;        // bytes of all bodies and lines that are coming in; 256 MiB
    unsigned connections_max; // 4,096; a 64th of them for root and our own user, on the unix socket
    unsigned waiting_max;     // requests that wait for a reply; connections_max
    unsigned per_address_max; // connections of one unix uid or TCP address; 512. All addresses of
                              // this machine's loopback are one: anybody here has all of them
    unsigned idle_seconds;    // an idle connection is closed; 60
    unsigned request_seconds; // a request must be there whole; 30 (NDJSON: between two lines)
    const char *const *hosts; // further names accepted in Host besides localhost, 127.0.0.1, [::1]
                              // and the address; NULL-terminated or NULL
};

// Opens the sockets. -EADDRINUSE and the like with a text that says which and what to do. A unix
// socket file that nobody serves is replaced; one that somebody serves is -EADDRINUSE.
int gr_http_open(const struct gr_http_config *config, struct gr_http **ret_http,
                 struct gr_err *err);
// Closes all connections and sockets; requests without a reply are forgotten. NULL is allowed.
void gr_http_close(struct gr_http *http);
// A file descriptor that is readable when gr_http_run has work. Borrowed.
int gr_http_fd(const struct gr_http *http);
// Does what is to be done now, calling handlers. Returns the milliseconds after which it must be
// called again even if nothing is readable; -1: no need.
int gr_http_run(struct gr_http *http);
// Whether gr_http_run has work that was made for it since it ran last: replies to send.
bool gr_http_is_due(const struct gr_http *http);
// The TCP port it listens on; 0: none.
unsigned gr_http_port(const struct gr_http *http);
// Connections that are open, and requests that wait for a reply.
unsigned gr_http_connections(const struct gr_http *http);
// See gr_http_connections.
unsigned gr_http_waiting(const struct gr_http *http);

// --- a request; texts are borrowed until its reply

// Who asks.
const struct gr_http_peer *gr_http_request_peer(const struct gr_http_request *request);
// The route that was found for the request.
const struct gr_http_route *gr_http_request_route(const struct gr_http_request *request);
// What follows from who asks: kept for the caller, never looked at. `identity` is borrowed.
void gr_http_request_user_set(struct gr_http_request *request, const void *identity);
// See gr_http_request_user_set; NULL if none.
const void *gr_http_request_user(const struct gr_http_request *request);
// Method, and path as it came (percent-decoded, without the query).
struct gr_slice gr_http_request_method(const struct gr_http_request *request);
// See gr_http_request_method.
struct gr_slice gr_http_request_path(const struct gr_http_request *request);
// What stood in place of "{name}"; "" if the route has none.
struct gr_slice gr_http_request_param(const struct gr_http_request *request, const char *name);
// Value of a query parameter; false if it is not there. Given twice: the first.
bool gr_http_request_query(const struct gr_http_request *request, const char *name,
                           struct gr_slice *ret_value);
// Calls `each` for every query parameter, so that unknown ones can be refused.
void gr_http_request_query_each(const struct gr_http_request *request,
                                void (*each)(void *context, struct gr_slice name,
                                             struct gr_slice value),
                                void *context);
// Value of a header, any case; false if it is not there.
bool gr_http_request_header(const struct gr_http_request *request, const char *name,
                            struct gr_slice *ret_value);
// The body; "" for NDJSON bodies, whose lines were handed over.
struct gr_slice gr_http_request_body(const struct gr_http_request *request);
// A pointer of the caller's own, NULL at first, with what frees it when the request is over
// (replied, or its client gone).
void gr_http_request_data_set(struct gr_http_request *request, void *data,
                              void (*free_data)(void *data));
// See gr_http_request_data_set.
void *gr_http_request_data(const struct gr_http_request *request);
// NDJSON: no more lines are handed out until gr_http_request_resume, and soon none is read:
// backpressure. At any time before `handle`; what the request's data must survive: its client may
// go away meanwhile.
void gr_http_request_pause(struct gr_http_request *request);
// See gr_http_request_pause.
void gr_http_request_resume(struct gr_http_request *request);

// --- the reply: exactly one; the request is gone afterwards

// Keeps the request beyond the handler's return, for a reply that comes later. If the client goes
// away meanwhile, `gone` is called once (may be NULL) and the request stays valid until its reply,
// which then goes nowhere.
void gr_http_request_defer(struct gr_http_request *request,
                           void (*gone)(struct gr_http_request *request));
// Replies with a copy of `body`. Statuses 200..599. Adds Content-Type, and over TCP
// what keeps browsers from storing, guessing at and framing it.
void gr_http_reply(struct gr_http_request *request, unsigned status, const char *type,
                   struct gr_slice body);
// As gr_http_reply; takes ownership of `body`, which came from malloc.
void gr_http_reply_take(struct gr_http_request *request, unsigned status, const char *type,
                        char *body, size_t size);
// Adds a header to the reply to come; texts are copied; control characters are refused (-EINVAL).
int gr_http_reply_header(struct gr_http_request *request, const char *name, const char *value);
// Replies {"error": {"code", "message", "hint", "field"}}; hint and field may be NULL. The texts
// are copied; what is not UTF-8 becomes '?'.
void gr_http_reply_error(struct gr_http_request *request, unsigned status, const char *code,
                         const char *message, const char *hint, const char *field);

// --- streams: replies without a known end (events, logs)

struct gr_http_stream; // opaque; lives until `done` was called

// What feeds a stream.
struct gr_http_source {
    void *context;
    // Writes at most `size` bytes that are there now. Returns how many; 0: nothing now, ask again
    // after gr_http_stream_wake; -1: the end.
    long (*read)(void *context, char *bytes, size_t size);
    // The stream is over, by its end or because the client went away. Called exactly once.
    void (*done)(void *context);
};
// Replies with a stream of this content type. `read` and `done` are called later, never from here.
// Returns NULL if there is no memory; then the reply is 503 and `done` is called all the same.
struct gr_http_stream *gr_http_reply_stream(struct gr_http_request *request, unsigned status,
                                            const char *type, const struct gr_http_source *source);
// There is something to read. From the loop's thread only. NULL is allowed.
void gr_http_stream_wake(struct gr_http_stream *stream);
