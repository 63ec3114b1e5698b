// Frames between daemon and launcher: see wire.h.
#include "engine/local/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// Raised whenever a frame or an order changes its meaning.
#define FORM 3u
// A buffer that grew beyond this gives its memory back when it is empty.
#define KEEP_MAX ((size_t)1 << 20)

uint32_t gr_wire_form(void)
{
    // Orders hold devices as they lie in memory: another layout is another form.
    return FORM << 16 | (uint32_t)(sizeof(struct gr_device) & 0xffff);
}

// ---- buffers ------------------------------------------------------------------------------------

void gr_wire_buffer_done(struct gr_wire_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct gr_wire_buffer){0};
}

size_t gr_wire_buffer_size(const struct gr_wire_buffer *buffer)
{
    return buffer->end - buffer->begin;
}

uint8_t *gr_wire_buffer_more(struct gr_wire_buffer *buffer, size_t size)
{
    if (size <= buffer->room - buffer->end) {
        return buffer->bytes + buffer->end;
    }
    size_t used = gr_wire_buffer_size(buffer);
    if (buffer->begin > 0 && used <= buffer->room / 2 && size <= buffer->room - used) {
        memmove(buffer->bytes, buffer->bytes + buffer->begin, used);
    } else {
        size_t room = buffer->room < 4096 ? 4096 : 2 * buffer->room;
        room = room < used + size ? used + size : room;
        uint8_t *bytes = malloc(room);
        if (bytes == NULL) {
            return NULL;
        }
        if (used > 0) {
            memcpy(bytes, buffer->bytes + buffer->begin, used);
        }
        free(buffer->bytes);
        buffer->bytes = bytes;
        buffer->room = room;
    }
    buffer->begin = 0;
    buffer->end = used;
    return buffer->bytes + used;
}

// Takes bytes off the front.
static void buffer_drop(struct gr_wire_buffer *buffer, size_t size)
{
    buffer->begin += size;
    if (buffer->begin == buffer->end) {
        buffer->begin = 0;
        buffer->end = 0;
        if (buffer->room > KEEP_MAX) {
            gr_wire_buffer_done(buffer);
        }
    }
}

// ---- frames -------------------------------------------------------------------------------------

int gr_wire_add(struct gr_wire_buffer *buffer, enum gr_wire_type type, const void *body,
                size_t size)
{
    struct gr_wire_head head = {.size = (uint32_t)(sizeof head + size), .type = type};
    assert(size <= GR_WIRE_FRAME_MAX - sizeof head);
    uint8_t *to = gr_wire_buffer_more(buffer, head.size);
    if (to == NULL) {
        return -ENOMEM;
    }
    memcpy(to, &head, sizeof head);
    if (size > 0) {
        memcpy(to + sizeof head, body, size);
    }
    buffer->end += head.size;
    return 0;
}

int gr_wire_take(struct gr_wire_buffer *buffer, const uint8_t **ret_body, size_t *ret_size)
{
    struct gr_wire_head head;
    if (gr_wire_buffer_size(buffer) < sizeof head) {
        return 0;
    }
    const uint8_t *frame = buffer->bytes + buffer->begin;
    memcpy(&head, frame, sizeof head);
    if (head.size < sizeof head || head.size > GR_WIRE_FRAME_MAX || head.type == 0 ||
        head.type > GR_WIRE_REPORT) {
        return -EBADMSG;
    }
    if (gr_wire_buffer_size(buffer) < head.size) {
        return 0;
    }
    *ret_body = frame + sizeof head;
    *ret_size = head.size - sizeof head;
    // The bytes stay where they are until the buffer is next changed, also if it is empty now.
    buffer->begin += head.size;
    return (int)head.type;
}

int gr_wire_send(struct gr_wire_buffer *buffer, int socket)
{
    while (gr_wire_buffer_size(buffer) > 0) {
        ssize_t count = send(socket, buffer->bytes + buffer->begin, gr_wire_buffer_size(buffer),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return errno == EAGAIN ? 0 : -errno;
        }
        buffer_drop(buffer, (size_t)count);
    }
    return 0;
}

long gr_wire_receive(struct gr_wire_buffer *buffer, int socket, size_t size)
{
    buffer_drop(buffer, 0);
    uint8_t *to = gr_wire_buffer_more(buffer, size);
    if (to == NULL) {
        return -ENOMEM;
    }
    ssize_t count;
    do {
        count = recv(socket, to, size, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    if (count <= 0) {
        return count == 0 ? -ECONNRESET : -errno;
    }
    buffer->end += (size_t)count;
    return count;
}

// ---- reports ------------------------------------------------------------------------------------

void gr_wire_report_from(const struct gr_engine_report *report, struct gr_wire_report *ret_body)
{
    *ret_body = (struct gr_wire_report){
        .type = report->type,
        .attempt = report->attempt,
        .job = report->job,
        .since_ms = report->since_ms,
        .started_ms = report->started_ms,
        .exit_code = report->end.exit_code,
        .signal = report->end.signal,
        .task = report->end.task,
        .is_out_of_memory = report->end.is_out_of_memory,
        .is_stopped = report->end.is_stopped,
        .cpu_ms = report->end.cpu_ms,
        .peak_kib = report->end.peak_kib,
        .part = report->part,
    };
    memcpy(ret_body->text, report->text, sizeof ret_body->text);
    ret_body->text[sizeof ret_body->text - 1] = '\0';
}

int gr_wire_report_to(const uint8_t *body, size_t size, struct gr_engine_report *ret_report)
{
    struct gr_wire_report wire;
    if (size != sizeof wire) {
        return -EBADMSG;
    }
    memcpy(&wire, body, sizeof wire);
    if (wire.type < GR_REPORT_STARTED || wire.type > GR_REPORT_PART_REFUSED) {
        return -EBADMSG;
    }
    *ret_report = (struct gr_engine_report){
        .type = (enum gr_engine_report_type)wire.type,
        .job = wire.job,
        .attempt = wire.attempt,
        .since_ms = wire.since_ms,
        .started_ms = wire.started_ms,
        .part = wire.part,
        .end = {.exit_code = wire.exit_code,
                .signal = wire.signal,
                .task = wire.task,
                .is_out_of_memory = wire.is_out_of_memory != 0,
                .is_stopped = wire.is_stopped != 0,
                .cpu_ms = wire.cpu_ms,
                .peak_kib = wire.peak_kib},
    };
    memcpy(ret_report->text, wire.text, sizeof ret_report->text);
    ret_report->text[sizeof ret_report->text - 1] = '\0';
    return 0;
}

// ---- sockets ------------------------------------------------------------------------------------

// The socket's address by way of the open directory: the path itself may be too long for one.
static struct sockaddr_un address_of(int dir_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/launcher.sock",
                   dir_fd);
    return address;
}

int gr_wire_listen(int dir_fd, struct gr_err *err)
{
    struct sockaddr_un address = address_of(dir_fd);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return gr_fail_errno(err, "make a socket");
    }
    (void)unlinkat(dir_fd, "launcher.sock", 0); // of a launcher that is gone: the lock is ours
    mode_t mask = umask(0177);
    int code = bind(fd, (struct sockaddr *)&address, sizeof address);
    (void)umask(mask);
    if (code != 0 || listen(fd, 64) != 0) {
        code = gr_fail_errno(err, "listen on launcher.sock");
        (void)close(fd);
        return code;
    }
    return fd;
}

// Whether the other end is this user or root.
static bool is_trusted(int socket)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

int gr_wire_connect(int dir_fd, struct gr_err *err)
{
    struct sockaddr_un address = address_of(dir_fd);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return gr_fail_errno(err, "make a socket");
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int code = gr_fail_errno(err, "connect to launcher.sock");
        (void)close(fd);
        return code;
    }
    if (!is_trusted(fd)) {
        (void)close(fd);
        return gr_fail(err, -EPERM, "launcher.sock is served by another user");
    }
    return fd;
}

int gr_wire_accept(int listening)
{
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    if (!is_trusted(fd)) {
        (void)close(fd);
        return -EPERM;
    }
    return fd;
}
