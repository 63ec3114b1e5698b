// What daemon and launcher say to each other over the launcher's socket: frames of a head and a
// body, in the machine's own byte order, for both ends are one machine's. What they may not share
// is the build: the greeting says which form each speaks, and a launcher of another form is told to
// end (its keepers go on) and replaced. Greeting and end of all forms are the same for ever.
#pragma once

#include "base/err.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of a frame at most, head included: the largest order.
#define GR_WIRE_FRAME_MAX ((size_t)16 << 20)

// What a frame says. To the launcher, then from it.
enum gr_wire_type {
    GR_WIRE_HELLO = 1, // struct gr_wire_hello
    GR_WIRE_QUIT = 2,  // no body: end; keepers go on
    GR_WIRE_START = 3, // an order (order.h)
    GR_WIRE_STOP = 4,  // struct gr_wire_ask
    GR_WIRE_SIGNAL = 5,
    GR_WIRE_FORGET = 6,
    GR_WIRE_LIST = 7,       // no body
    GR_WIRE_PART_STOP = 8,  // struct gr_wire_part
    GR_WIRE_PART_START = 9, // an order (order.h)

    GR_WIRE_WELCOME = 64, // struct gr_wire_welcome
    GR_WIRE_REPORT = 65,  // struct gr_wire_report
};

// Begins every frame.
struct gr_wire_head {
    uint32_t size; // of the frame, this head included
    uint32_t type; // enum gr_wire_type
};

// Bytes of a path in a greeting.
#define GR_WIRE_PATH_SIZE 1024

// The daemon's greeting.
struct gr_wire_hello {
    uint32_t form;  // gr_wire_form of the daemon
    uint32_t epoch; // of the journal's writer
    // As in struct gr_local_config; NUL-terminated, "" for none, "?" for looked up in PATH.
    int64_t idle_warn_ms;
    char checks[GR_WIRE_PATH_SIZE];
    char crun[GR_WIRE_PATH_SIZE];
    char runc[GR_WIRE_PATH_SIZE];
    char server[GR_WIRE_PATH_SIZE];
    char door[GR_WIRE_PATH_SIZE];
};

// The launcher's answer.
struct gr_wire_welcome {
    uint32_t form;  // gr_wire_form of the launcher
    uint32_t epoch; // newest that it has seen; larger than the daemon's: it takes no orders
    uint32_t can;   // bits of enum gr_engine_can
    int32_t pid;    // the launcher's
};

// Stop, signal or forget an attempt.
struct gr_wire_ask {
    // As in the functions of struct gr_engine_ops.
    uint64_t job;
    uint32_t attempt;
    uint32_t epoch;
    uint32_t signal;
    uint32_t reserved;
    int64_t grace_ms;
};

// Stop one task of an attempt.
struct gr_wire_part {
    struct gr_wire_ask ask;
    uint32_t task; // number within the gang
    uint32_t part; // in which it was placed
};

// A report; `text` is NUL-terminated.
struct gr_wire_report {
    // As in struct gr_engine_report and struct gr_engine_end.
    uint32_t type;
    uint32_t attempt;
    uint64_t job;
    int64_t since_ms;
    int64_t started_ms;
    int32_t exit_code;
    uint32_t signal;
    uint32_t task;
    uint8_t is_out_of_memory;
    uint8_t is_stopped;
    uint8_t padding[2];
    uint64_t cpu_ms;
    uint64_t peak_kib;
    uint32_t part;
    uint32_t reserved;
    char text[256];
};

// Number of the form that this build speaks; builds of equal numbers understand each other.
uint32_t gr_wire_form(void);

// Bytes on their way. Valid when zero.
struct gr_wire_buffer {
    uint8_t *bytes; // heap
    size_t begin;   // of what is there
    size_t end;     // behind it
    size_t room;    // of `bytes`
};

// Frees the bytes and empties the buffer.
void gr_wire_buffer_done(struct gr_wire_buffer *buffer);
// Makes room for `size` more bytes and returns where they go; the caller adds to `end` what it put
// there. NULL if there is no memory.
uint8_t *gr_wire_buffer_more(struct gr_wire_buffer *buffer, size_t size);
// How many bytes wait in it.
size_t gr_wire_buffer_size(const struct gr_wire_buffer *buffer);
// Adds a frame. Returns 0 or -ENOMEM.
int gr_wire_add(struct gr_wire_buffer *buffer, enum gr_wire_type type, const void *body,
                size_t size);
// The next whole frame: its type, or 0 if there is none yet, or -EBADMSG if what is there can be no
// frame. *ret_body points into the buffer until it is next changed; the frame is taken out.
int gr_wire_take(struct gr_wire_buffer *buffer, const uint8_t **ret_body, size_t *ret_size);
// Writes to a non-blocking socket what it takes. Returns 0, also if something is left; -errno.
int gr_wire_send(struct gr_wire_buffer *buffer, int socket);
// Reads once from a non-blocking socket, at most `size` bytes. Returns how many; -EAGAIN if there
// are none now; -ECONNRESET if the other end is gone; other -errno.
long gr_wire_receive(struct gr_wire_buffer *buffer, int socket, size_t size);

// A report as a frame's body and back. `ret_report` of a body that is no report: -EBADMSG.
void gr_wire_report_from(const struct gr_engine_report *report, struct gr_wire_report *ret_body);
// See gr_wire_report_from.
int gr_wire_report_to(const uint8_t *body, size_t size, struct gr_engine_report *ret_report);

// Binds or connects a stream socket (non-blocking) to launcher.sock in the directory `dir_fd`,
// however long its path is. Returns a file descriptor, or -errno with a text.
int gr_wire_listen(int dir_fd, struct gr_err *err);
// See gr_wire_listen. -ECONNREFUSED, -ENOENT: nobody listens. -EPERM: somebody listens who is
// neither this user nor root.
int gr_wire_connect(int dir_fd, struct gr_err *err);
// Takes a connection from a listening socket if the other end is this user or root. Returns a file
// descriptor, -EAGAIN if there is none, -EPERM for somebody else (who is cut off), other -errno.
int gr_wire_accept(int listening);
