// Listening sockets: opened with care for what is there already, accepted with limits, refused with
// a reply when a limit is reached.
#include "base/number.h"
#include "daemon/http_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// Connections that may wait to be accepted.
#define BACKLOG 1024
// Connections accepted in one turn.
#define ACCEPT_MAX 64

static int listener_watch(struct gr_http *http, struct http_listener *listener, struct gr_err *err)
{
    listener->watch = HTTP_WATCH_LISTENER;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
    if (listen(listener->fd, BACKLOG) < 0 ||
        epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) < 0) {
        return gr_fail_errno(err, "listen");
    }
    return 0;
}

// Removes a socket file that nobody serves.
static int stale_remove(const struct sockaddr_un *address, struct gr_err *err)
{
    struct stat info;
    if (lstat(address->sun_path, &info) < 0) {
        return errno == ENOENT ? 0 : gr_fail_errno(err, "look at %s", address->sun_path);
    }
    if (!S_ISSOCK(info.st_mode)) {
        return gr_fail(err, -EEXIST,
                       "%s is there and is no socket; move it away or name another with --socket",
                       address->sun_path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return gr_fail_errno(err, "open a socket");
    }
    int result = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    int error = result == 0 ? 0 : errno;
    close(fd);
    if (error != ECONNREFUSED) {
        return gr_fail(err, -EADDRINUSE,
                       "another process serves %s; stop it or name another socket with --socket",
                       address->sun_path);
    }
    if (unlink(address->sun_path) < 0 && errno != ENOENT) {
        return gr_fail_errno(err, "remove the socket %s that nobody serves", address->sun_path);
    }
    return 0;
}

static int unix_open(struct gr_http *http, struct http_listener *listener, const char *path,
                     struct gr_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof(address.sun_path)) {
        return gr_fail(err, -ENAMETOOLONG,
                       "the path of the socket has %zu bytes, a socket's has 1 to %zu; name a "
                       "shorter one with --socket",
                       size, sizeof(address.sun_path) - 1);
    }
    memcpy(address.sun_path, path, size);
    int error = stale_remove(&address, err);
    if (error != 0) {
        return error;
    }
    listener->path = strdup(address.sun_path);
    listener->is_unix = true;
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->path == NULL || listener->fd < 0) {
        return gr_fail_errno(err, "open a socket");
    }
    if (bind(listener->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        return gr_fail_errno(err, "bind the socket %s", address.sun_path);
    }
    struct stat info;
    if (lstat(address.sun_path, &info) < 0) {
        return gr_fail_errno(err, "look at the socket %s", address.sun_path);
    }
    listener->device = info.st_dev;
    listener->inode = info.st_ino;
    // Anybody may connect: the kernel says who it is, and that decides.
    if (chmod(address.sun_path, 0666) < 0) {
        return gr_fail_errno(err, "set the mode of the socket %s", address.sun_path);
    }
    return listener_watch(http, listener, err);
}

// Splits "host:port" or "[host]:port".
static int address_split(const char *address, char *host, size_t host_size, char *port,
                         size_t port_size, struct gr_err *err)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon == NULL ? 0 : (size_t)(colon - address);
    int64_t number;
    if (size > 0 && size < host_size &&
        gr_number_read_int(gr_slice_of(colon + 1), 0, 65535, &number) == 0) {
        bool is_bracketed = address[0] == '[' && size > 2 && address[size - 1] == ']';
        memcpy(host, address + is_bracketed, size - 2 * (size_t)is_bracketed);
        host[size - 2 * (size_t)is_bracketed] = '\0';
        if (is_bracketed == (strchr(host, ':') != NULL)) {
            snprintf(port, port_size, "%lld", (long long)number);
            return 0;
        }
    }
    return gr_fail(err, -EINVAL, "the address '%s' is not like 127.0.0.1:7070 or [::1]:7070",
                   address);
}

static int tcp_bind(struct gr_http *http, const struct addrinfo *info, struct gr_err *err)
{
    struct http_listener *listener = &http->tcp_listener;
    listener->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0) {
        return gr_fail_errno(err, "open a socket");
    }
    int on = 1;
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (info->ai_family == AF_INET6) {
        setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (bind(listener->fd, info->ai_addr, info->ai_addrlen) < 0) {
        return errno == EADDRINUSE
                   ? gr_fail(err, -EADDRINUSE,
                             "another process listens on %s; stop it or name another address "
                             "with --listen",
                             http->config.address)
                   : gr_fail_errno(err, "bind %s", http->config.address);
    }
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    if (getsockname(listener->fd, (struct sockaddr *)&bound, &size) < 0) {
        return gr_fail_errno(err, "look at the socket");
    }
    in_port_t port;
    memcpy(&port, (const char *)&bound + offsetof(struct sockaddr_in, sin_port), sizeof(port));
    http->port = ntohs(port); // sin6_port stands at the same place
    return listener_watch(http, listener, err);
}

static int tcp_open(struct gr_http *http, struct gr_err *err)
{
    char host[64];
    char port[8];
    int error = address_split(http->config.address, host, sizeof(host), port, sizeof(port), err);
    if (error != 0) {
        return error;
    }
    http->address_host = strdup(host);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *info = NULL;
    if (http->address_host == NULL || getaddrinfo(host, port, &hints, &info) != 0) {
        return gr_fail(err, -EINVAL, "the address '%s' is not like 127.0.0.1:7070 or [::1]:7070",
                       http->config.address);
    }
    error = tcp_bind(http, info, err);
    freeaddrinfo(info);
    return error;
}

static void unix_close(struct http_listener *listener)
{
    struct stat info;
    // Another process may have put its own socket there meanwhile.
    if (listener->fd >= 0 && listener->inode != 0 && lstat(listener->path, &info) == 0 &&
        info.st_dev == listener->device && info.st_ino == listener->inode) {
        unlink(listener->path);
    }
    if (listener->fd >= 0) {
        close(listener->fd);
        listener->fd = -1;
    }
    free(listener->path);
    listener->path = NULL;
}

int http_listen_open(struct gr_http *http, struct gr_err *err)
{
    if (http->config.unix_path != NULL) {
        int error = unix_open(http, &http->unix_listener, http->config.unix_path, err);
        if (error != 0) {
            return error;
        }
    }
    if (http->config.door_path != NULL) {
        struct gr_err ignored;
        gr_err_init(&ignored);
        http->door_listener.is_door = true;
        if (unix_open(http, &http->door_listener, http->config.door_path, &ignored) != 0) {
            unix_close(&http->door_listener);
        }
    }
    return http->config.address != NULL ? tcp_open(http, err) : 0;
}

void http_listen_close(struct gr_http *http)
{
    unix_close(&http->unix_listener);
    unix_close(&http->door_listener);
    if (http->tcp_listener.fd >= 0) {
        close(http->tcp_listener.fd);
        http->tcp_listener.fd = -1;
    }
}

static void peer_read(int fd, const struct http_listener *listener,
                      const struct sockaddr_storage *address, struct gr_http_peer *ret_peer,
                      struct http_origin *ret_origin)
{
    *ret_peer = (struct gr_http_peer){
        .is_unix = listener->is_unix,
        .is_door = listener->is_door,
        .uid = (uid_t)UINT32_MAX,
        .gid = (gid_t)UINT32_MAX,
        .token = {"", 0},
    };
    *ret_origin = (struct http_origin){.bytes = {0}};
    uint8_t *bytes = ret_origin->bytes;
    if (listener->is_unix) {
        struct ucred credentials;
        socklen_t size = sizeof(credentials);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
            ret_peer->uid = credentials.uid;
            ret_peer->gid = credentials.gid;
            ret_peer->pid = credentials.pid;
        }
        bytes[0] = listener->is_door ? 2 : 1; // a container takes no connection of its user's
        memcpy(bytes + 1, &ret_peer->uid, sizeof(ret_peer->uid));
    } else if (address->ss_family == AF_INET) {
        bytes[0] = 4;
        memcpy(bytes + 1, &((const struct sockaddr_in *)address)->sin_addr, 4);
        if (bytes[1] == 127) { // one and the same, however it is called
            memset(bytes + 2, 0, 3);
        }
    } else {
        bytes[0] = 6;
        memcpy(bytes + 1, &((const struct sockaddr_in6 *)address)->sin6_addr, 8);
    }
}

static unsigned origin_count(const struct gr_http *http, const struct http_origin *origin)
{
    unsigned count = 0;
    for (const struct http_connection *each = http->connections; each != NULL; each = each->next) {
        count += memcmp(&each->origin, origin, sizeof(*origin)) == 0;
    }
    return count;
}

static void refuse(struct gr_http *http, int fd, const char *message)
{
    http_send_raw_error(fd, 503, "overloaded", message, 1);
    http_linger_add(http, fd);
}

// No descriptor is left: gives up the spare one to say so. Returns whether there was somebody.
static bool refuse_without_descriptor(struct gr_http *http, const struct http_listener *listener)
{
    if (http->spare_fd < 0) {
        return false;
    }
    close(http->spare_fd);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        http_send_raw_error(fd, 503, "overloaded", "no file descriptor is left", 1);
        close(fd);
    }
    http->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

// Replies leave at once; a peer whose machine vanished is noticed within two minutes, even on a
// stream that has nothing to say.
static void tcp_prepare(int fd)
{
    static const struct {
        int level, option, value;
    } options[] = {{IPPROTO_TCP, TCP_NODELAY, 1},
                   {SOL_SOCKET, SO_KEEPALIVE, 1},
                   {IPPROTO_TCP, TCP_KEEPIDLE, 60},
                   {IPPROTO_TCP, TCP_KEEPINTVL, 15},
                   {IPPROTO_TCP, TCP_KEEPCNT, 4}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        // One that fails costs speed, not truth.
        setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                   sizeof(options[i].value));
    }
}

// Takes one connection. False: there is no more to take.
static bool accept_one(struct gr_http *http, struct http_listener *listener)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    socklen_t size = sizeof(address);
    int fd =
        accept4(listener->fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) {
            return refuse_without_descriptor(http, listener);
        }
        return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
    }
    struct gr_http_peer peer;
    struct http_origin origin;
    peer_read(fd, listener, &address, &peer, &origin);
    // So that an operator gets in where others take all they can.
    bool is_own = peer.is_unix && !peer.is_door && (peer.uid == 0 || peer.uid == geteuid());
    unsigned kept = is_own ? 0 : http->config.connections_max / 64;
    if (http->connection_count >= http->config.connections_max - kept) {
        refuse(http, fd, "too many connections are open; try again in a moment");
    } else if (origin_count(http, &origin) >= http->config.per_address_max) {
        refuse(http, fd, "you have too many connections open; close some");
    } else {
        if (!listener->is_unix) {
            tcp_prepare(fd);
        }
        http_connection_add(http, fd, (const struct sockaddr *)&address,
                            size > sizeof(sa_family_t) ? size : sizeof(sa_family_t), &peer,
                            &origin);
    }
    return true;
}

void http_listen_accept(struct gr_http *http, struct http_listener *listener)
{
    for (int i = 0; i < ACCEPT_MAX && listener->fd >= 0; i++) {
        if (!accept_one(http, listener)) {
            break;
        }
    }
}
