// What the files of the HTTP server share among themselves; nobody else includes it.
//
// A connection belongs to libmicrohttpd, which calls us back; we keep a record beside it. At any
// time it is either with the library or suspended (waiting for a reply, for more to stream, or for
// the taker of lines); while it is suspended the library neither reads, writes nor looks at it, so
// that whoever suspends it also watches whether its client goes away.
#pragma once

#include "daemon/http.h"

#include <microhttpd.h>
#include <sys/socket.h>

// Bytes of a connection's memory: head of a request, and what is being sent. The library clears it
// for each request, so that more costs time.
#define HTTP_MEMORY_SIZE ((size_t)16 * 1024)
// Longest request target that needs no memory of its own.
#define HTTP_TARGET_INLINE 256
// Most query parameters and most "{name}" of a route.
#define HTTP_QUERY_MAX 32
#define HTTP_PARAMS_MAX 4
// Headers that a handler may add to its reply.
#define HTTP_REPLY_HEADERS_MAX 8
// A request that is refused while its body is still coming: this much of it is read and thrown
// away, so that the client gets to see the reply; then the reply is sent and the connection closed.
#define HTTP_SWALLOW_MAX ((size_t)1 << 20)
// A connection that is suspended for longer is watched for its client's end.
#define HTTP_WATCH_AFTER_MS 1000
// How often deadlines are looked at.
#define HTTP_SWEEP_MS 500
// Connections that were answered before they were heard out: how many are kept, and how long.
#define HTTP_LINGER_MAX 256
#define HTTP_LINGER_MS 2000

// What an event of the server's epoll is about; first member of what it points to.
enum http_watch {
    HTTP_WATCH_LIBRARY,    // libmicrohttpd's own epoll
    HTTP_WATCH_KICK,       // something was resumed outside gr_http_run
    HTTP_WATCH_LISTENER,   // struct http_listener
    HTTP_WATCH_CONNECTION, // struct http_connection, suspended
    HTTP_WATCH_LINGER,     // struct http_linger
};

// A listening socket.
struct http_listener {
    enum http_watch watch; // HTTP_WATCH_LISTENER
    int fd;                // -1: none
    bool is_unix;          // else TCP
    bool is_door;          // see gr_http_config.door_path
    dev_t device;          // of the socket file
    ino_t inode;           // the same; 0: not made yet
    char *path;            // of the socket file that we made; owned
};

// Who a connection is counted for: a uid of the unix socket or of the door, an IPv4 address, an
// IPv6 /64.
struct http_origin {
    uint8_t bytes[9]; // which of the four, and its number
};

// A connection that is closed as soon as its client has seen the reply.
struct http_linger {
    enum http_watch watch;    // HTTP_WATCH_LINGER
    int fd;                   // ours
    size_t left;              // bytes that are still read
    uint64_t end_ms;          // when it is closed at the latest
    struct http_linger *next; // of the server's list
};

// A connection.
struct http_connection {
    enum http_watch watch;            // HTTP_WATCH_CONNECTION
    int fd;                           // the library's
    struct gr_http *http;             // whose it is
    struct MHD_Connection *library;   // the library's side of it
    struct http_connection *previous; // of the server's list
    struct http_connection *next;     // the same
    struct gr_http_request *request;  // NULL between two
    struct gr_http_request *spare;    // memory of the request before, for the next; or NULL
    struct gr_http_peer peer;         // who; the token is the current request's
    struct http_origin origin;        // for whom it is counted
    uint64_t deadline_ms;             // by when the request must be there; 0: no matter
    uint64_t suspended_ms;            // since when it is suspended
    bool is_suspended;                // the library leaves it alone
    bool is_watched;                  // our epoll tells when its client leaves
    bool is_streaming;                // its reply is a stream
    bool is_dead;                     // to be closed when the library asks next
    bool is_unheard;                  // its client may still be sending
};

// How far a request is.
enum http_phase {
    HTTP_PHASE_TARGET, // its first line is there
    HTTP_PHASE_BODY,   // its head is there
    HTTP_PHASE_WHOLE,  // all of it
    HTTP_PHASE_SENT,   // its reply is with the library
};

// A reply that is stored until it can be sent.
struct http_reply {
    unsigned status;                       // 0: none yet
    const char *type;                      // content type, static; NULL: none
    char *body;                            // owned
    size_t size;                           // of the body, bytes
    struct gr_http_stream *stream;         // instead of a body, owned
    struct gr_http_source orphan;          // of a stream that could not be made; done NULL: none
    char *headers[HTTP_REPLY_HEADERS_MAX]; // names, owned
    char *values[HTTP_REPLY_HEADERS_MAX];  // their values, owned
    size_t header_count;                   // of both
};

// The headers that the server itself looks at. Text NULL: not there.
struct http_head {
    struct gr_slice host;              // Host
    struct gr_slice origin;            // Origin
    struct gr_slice authorization;     // Authorization
    struct gr_slice content_type;      // Content-Type
    struct gr_slice content_length;    // Content-Length
    struct gr_slice transfer_encoding; // Transfer-Encoding
    struct gr_slice expect;            // Expect
    const char *wrong;                 // what is not right with the headers, or NULL
};

// A request.
struct gr_http_request {
    struct http_connection *connection;            // that it came over
    const struct gr_http_route *route;             // NULL: none fits
    enum http_phase phase;                         // how far it is
    bool is_in_handler;                            // the library is calling us
    bool is_deferred;                              // gr_http_request_defer was called
    bool is_handled;                               // `handle` was called
    bool is_settled;                               // the library neither reads nor writes now
    bool is_paused;                                // no more lines are wanted now
    bool takes_lines;                              // its body is lines that the route takes
    bool is_gone;                                  // `gone` was called
    const char *method;                            // the library's
    char *target;                                  // as it came; inline or owned
    size_t target_size;                            // first all of it, then without the query
    char *decoded;                                 // path and query, owned
    struct gr_slice path;                          // in `decoded`
    struct gr_slice params[HTTP_PARAMS_MAX];       // in `target`, decoded
    size_t query_count;                            // of query
    char *body;                                    // or the beginning of a line; owned
    size_t body_size;                              // bytes of it
    size_t body_room;                              // bytes that fit
    uint64_t line_count;                           // lines that came, empty ones too
    size_t swallowed;                              // bytes that nobody wanted
    struct http_reply reply;                       // until the library has it
    void (*gone)(struct gr_http_request *request); // gr_http_request_defer's
    const void *user;                              // gr_http_request_user_set's
    void *data;                                    // gr_http_request_data_set's
    void (*free_data)(void *data);                 // the same
    struct gr_slice query[HTTP_QUERY_MAX][2];      // names and values, in `decoded`
    char target_inline[HTTP_TARGET_INLINE];        // where most targets fit
};

// The server.
struct gr_http {
    struct gr_http_config config;        // defaults filled in
    struct MHD_Daemon *library;          // libmicrohttpd
    int epoll_fd;                        // what gr_http_fd gives
    int kick_fd;                         // makes it readable from outside gr_http_run
    int spare_fd;                        // given up to refuse when none is left; -1: none
    enum http_watch library_watch;       // HTTP_WATCH_LIBRARY
    enum http_watch kick_watch;          // HTTP_WATCH_KICK
    struct http_listener unix_listener;  // of config.unix_path
    struct http_listener door_listener;  // of config.door_path
    struct http_listener tcp_listener;   // of config.address
    char *address_host;                  // of config.address, without brackets; owned
    unsigned port;                       // of TCP
    struct http_connection *connections; // list
    unsigned connection_count;           // of it
    unsigned waiting_count;              // requests that were put off and have no reply
    size_t bodies_size;                  // room that the bodies of all requests take
    struct http_connection *arriving;    // while the library is told of it
    struct http_linger *lingers;         // list
    unsigned linger_count;               // of it
    uint64_t now_ms;                     // CLOCK_MONOTONIC when gr_http_run began
    uint64_t sweep_ms;                   // when deadlines are looked at next
    bool is_running;                     // inside gr_http_run
    bool is_kicked;                      // kick_fd was written
    bool has_resumed;                    // the library has more to do since it ran
    bool is_closing;                     // inside gr_http_close
};

// --- http_listen.c: sockets

// Opens the listeners that the configuration names. On failure http_listen_close cleans up.
int http_listen_open(struct gr_http *http, struct gr_err *err);
// Closes the listeners and removes the socket file if it is still ours.
void http_listen_close(struct gr_http *http);
// Accepts what waits at a listener, some at a time.
void http_listen_accept(struct gr_http *http, struct http_listener *listener);

// --- http_linger.c: last words

// Sends a whole reply past the library, as far as the socket takes it at once. Only for a
// connection that is not being sent to. `text` is a JSON body.
void http_send_raw(int fd, unsigned status, const char *type, const char *headers,
                   struct gr_slice body);
// The same with an error's text, and Retry-After if `retry` is not 0.
void http_send_raw_error(int fd, unsigned status, const char *code, const char *message,
                         unsigned retry);
// Keeps `fd` (ownership moves) for a while and reads what its client still sends, so that the
// reply is not lost by a reset.
void http_linger_add(struct gr_http *http, int fd);
// Reads; closes it when its client is done.
void http_linger_read(struct gr_http *http, struct http_linger *linger);
// Closes those whose time is over; all if `now_ms` is UINT64_MAX.
void http_linger_sweep(struct gr_http *http, uint64_t now_ms);

// --- http_connection.c: what the library calls

// Starts the library. On failure nothing is left.
int http_connection_open(struct gr_http *http, struct gr_err *err);
// Stops it with all connections.
void http_connection_close(struct gr_http *http);
// Hands a new socket over; ownership moves.
void http_connection_add(struct gr_http *http, int fd, const struct sockaddr *address,
                         socklen_t size, const struct gr_http_peer *peer,
                         const struct http_origin *origin);
// Its client went away while it was suspended.
void http_connection_hangup(struct http_connection *connection, uint32_t events);
// Cuts off the connections whose time is over and watches those suspended for long.
void http_connection_sweep(struct gr_http *http);
// Takes the connection from the library. From its callbacks only.
void http_connection_suspend(struct http_connection *connection);
// Gives it back, if it was taken.
void http_connection_resume(struct http_connection *connection);

// --- http_head.c: the head of a request

// Looks at method, target and headers and finds the route; replies with an error if one of them
// is wrong. `version` and `method` are the library's.
void http_head_check(struct gr_http_request *request, const char *method, const char *version,
                     struct http_head *ret_head);

// --- http_target.c: targets and routes

// Decodes the target into path and query. Returns NULL or what is wrong with it.
const char *http_target_decode(struct gr_http_request *request);
// Finds the route and its parameters. Returns whether the path is known; writes the methods that
// it knows into `allow` for Allow.
bool http_target_route(struct gr_http_request *request, char *allow, size_t size);

// --- http_body.c: bodies

// Takes bytes of the body. Returns how many were taken; less if the connection is to wait.
size_t http_body_take(struct gr_http_request *request, const char *bytes, size_t size);
// The body is there: hands out what is left of the lines.
void http_body_end(struct gr_http_request *request);

// --- http_reply.c: replies

// Hands the stored reply to the library. False: the connection is to be closed.
bool http_reply_queue(struct gr_http_request *request);
// Sends the stored reply past the library and marks the connection for closing.
void http_reply_raw(struct gr_http_request *request);
// Stores a stream as the reply; ownership moves.
void http_reply_stream(struct gr_http_request *request, unsigned status, const char *type,
                       struct gr_http_stream *stream);
// Frees what is stored.
void http_reply_done(struct http_reply *reply);

// --- http_stream.c

// The library's response for a stream, NULL if there is no memory. The stream lives as long.
struct MHD_Response *http_stream_response(struct gr_http_stream *stream,
                                          struct http_connection *connection);
// Ends a stream that was never sent.
void http_stream_drop(struct gr_http_stream *stream);
