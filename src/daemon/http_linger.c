// Last words: replies written past libmicrohttpd to a client that is cut off, and the time it gets
// to read them. A socket that is closed while its client still sends answers with a reset, which
// may overtake the reply; so its end is closed for writing and what comes is read for a while.
#include "base/json.h"
#include "daemon/http_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

void http_send_raw(int fd, unsigned status, const char *type, const char *headers,
                   struct gr_slice body)
{
    char head[1024];
    int size = snprintf(head, sizeof(head),
                        "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: %s\r\n"
                        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                        "%sContent-Length: %zu\r\n\r\n",
                        status, MHD_get_reason_phrase_for(status), type, headers, body.size);
    if (size < 0 || (size_t)size >= sizeof(head)) {
        return;
    }
    struct iovec parts[2] = {{head, (size_t)size}, {NULL, body.size}};
    memcpy(&parts[1].iov_base, &body.text, sizeof(body.text)); // sendmsg only reads it
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = body.size > 0 ? 2 : 1};
    ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; // a client that does not read loses it
}

void http_send_raw_error(int fd, unsigned status, const char *code, const char *message,
                         unsigned retry)
{
    char headers[64] = "";
    if (retry > 0) {
        snprintf(headers, sizeof(headers), "Retry-After: %u\r\n", retry);
    }
    char body[512]; // the texts are ours and need no escapes
    int size = snprintf(body, sizeof(body), "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}",
                        code, message);
    if (size > 0 && (size_t)size < sizeof(body)) {
        http_send_raw(fd, status, "application/json", headers,
                      (struct gr_slice){body, (size_t)size});
    }
}

static void linger_free(struct gr_http *http, struct http_linger *linger)
{
    struct http_linger **place = &http->lingers;
    while (*place != linger) {
        place = &(*place)->next;
    }
    *place = linger->next;
    http->linger_count--;
    close(linger->fd);
    free(linger);
}

void http_linger_add(struct gr_http *http, int fd)
{
    shutdown(fd, SHUT_WR);
    struct http_linger *linger =
        http->linger_count < HTTP_LINGER_MAX && !http->is_closing ? malloc(sizeof(*linger)) : NULL;
    if (linger == NULL) {
        close(fd);
        return;
    }
    *linger = (struct http_linger){.watch = HTTP_WATCH_LINGER,
                                   .fd = fd,
                                   .left = 8 * HTTP_SWALLOW_MAX,
                                   .end_ms = http->now_ms + HTTP_LINGER_MS,
                                   .next = http->lingers};
    http->lingers = linger;
    http->linger_count++;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = linger};
    if (epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        linger_free(http, linger);
    }
}

void http_linger_read(struct gr_http *http, struct http_linger *linger)
{
    static char rubbish[65536]; // what is read is never looked at
    ssize_t got = recv(linger->fd, rubbish, sizeof(rubbish), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0 || (size_t)got >= linger->left) {
        linger_free(http, linger);
        return;
    }
    linger->left -= (size_t)got;
}

void http_linger_sweep(struct gr_http *http, uint64_t now_ms)
{
    struct http_linger *next = NULL;
    for (struct http_linger *linger = http->lingers; linger != NULL; linger = next) {
        next = linger->next;
        if (linger->end_ms <= now_ms) {
            linger_free(http, linger);
        }
    }
}
