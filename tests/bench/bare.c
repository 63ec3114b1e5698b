// A bare epoll loop: see bare.h.
#include "bare.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct bare_connection {
    int fd;
    size_t size;
    char bytes[4096];
};

// Answers every whole request in the buffer. False: the connection is to be closed.
static bool bare_answer(struct bare_connection *connection)
{
    char reply[256];
    int size = snprintf(reply, sizeof(reply),
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n%s",
                        sizeof(GR_BARE_REPLY) - 1, GR_BARE_REPLY);
    for (;;) {
        connection->bytes[connection->size] = '\0';
        const char *end = strstr(connection->bytes, "\r\n\r\n");
        const char *length = strstr(connection->bytes, "Content-Length: ");
        size_t whole = end == NULL ? SIZE_MAX : (size_t)(end + 4 - connection->bytes);
        if (end != NULL && length != NULL && length < end) {
            whole += strtoul(length + 16, NULL, 10);
        }
        if (whole > connection->size) {
            return connection->size < sizeof(connection->bytes) - 1;
        }
        connection->size -= whole;
        memmove(connection->bytes, connection->bytes + whole, connection->size);
        if (send(connection->fd, reply, (size_t)size, MSG_NOSIGNAL) != size) {
            return false;
        }
    }
}

static void bare_read(struct bare_connection *connection)
{
    ssize_t got = recv(connection->fd, connection->bytes + connection->size,
                       sizeof(connection->bytes) - 1 - connection->size, 0);
    connection->size += got > 0 ? (size_t)got : 0;
    if (got <= 0 || !bare_answer(connection)) {
        close(connection->fd);
        free(connection);
    }
}

_Noreturn static void bare_serve(const int listeners[2])
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    for (unsigned i = 0; i < 2; i++) {
        event.data.u64 = i;
        epoll_ctl(epoll, EPOLL_CTL_ADD, listeners[i], &event);
    }
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 >= 2) {
                bare_read(events[i].data.ptr);
                continue;
            }
            struct bare_connection *connection = calloc(1, sizeof(*connection));
            if (connection == NULL) {
                _exit(1);
            }
            connection->fd = accept4(listeners[events[i].data.u64], NULL, NULL, SOCK_CLOEXEC);
            event.data.ptr = connection;
            epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event);
        }
    }
}

// Opens both listeners and tells the port.
_Noreturn void gr_bare_main(const char *path, int tell)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    int listeners[2] = {socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                        socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (bind(listeners[0], (const struct sockaddr *)&name, sizeof(name)) < 0 ||
        bind(listeners[1], (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listeners[0], 128) < 0 || listen(listeners[1], 128) < 0 ||
        getsockname(listeners[1], (struct sockaddr *)&address, &size) < 0) {
        _exit(1);
    }
    unsigned port = ntohs(address.sin_port);
    if (write(tell, &port, sizeof(port)) != sizeof(port)) {
        _exit(1);
    }
    bare_serve(listeners);
}
