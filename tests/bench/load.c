// See load.h. A connection has at most one request out; what it knows of HTTP is a status line,
// Content-Length and nothing else.
#include "load.h"

#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REPLY_MAX ((size_t)1 << 20)
#define REQUEST_MAX ((size_t)1 << 20)
#define PATIENCE_S 10.0
#define NS 1000000000.0

struct client {
    int fd;
    bool is_busy;
    uint64_t due_ns;
    size_t request_size, request_sent;
    char *request;
    size_t reply_size, reply_room;
    char *reply;
};

struct load {
    const struct gr_load_config *config;
    struct gr_load_result *result;
    int epoll_fd;
    struct client clients[GR_LOAD_CONNECTIONS_MAX];
    struct client *free[GR_LOAD_CONNECTIONS_MAX];
    size_t free_count;
    uint64_t begin_ns, end_ns;
    uint64_t room; // of latencies
    uint64_t due_count;
};

static int client_open(const struct gr_load_config *config, struct gr_err *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)config->port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    bool is_unix = config->unix_path != NULL;
    if (is_unix) {
        snprintf(name.sun_path, sizeof(name.sun_path), "%s", config->unix_path);
    }
    int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *where =
        is_unix ? (const struct sockaddr *)&name : (const struct sockaddr *)&address;
    if (fd < 0 || connect(fd, where, is_unix ? sizeof(name) : sizeof(address)) < 0) {
        int code = gr_fail_errno(err, "connect to the server");
        if (fd >= 0) {
            close(fd);
        }
        return code;
    }
    if (!is_unix) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

static int clients_open(struct load *load, struct gr_err *err)
{
    for (unsigned i = 0; i < load->config->connections; i++) {
        struct client *client = &load->clients[i];
        client->fd = client_open(load->config, err);
        if (client->fd < 0) {
            return client->fd;
        }
        client->reply_room = 65536;
        client->reply = malloc(client->reply_room);
        client->request = malloc(REQUEST_MAX);
        if (client->reply == NULL || client->request == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for connections");
        }
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0) {
            return gr_fail_errno(err, "watch a connection");
        }
        load->free[load->free_count++] = client;
    }
    return 0;
}

// Copies `text`, each "{n}" as `number`; returns the bytes, at most `size`.
static size_t numbered(const char *text, uint64_t number, char *place, size_t size)
{
    size_t used = 0;
    while (*text != '\0' && used + 24 < size) {
        if (strncmp(text, "{n}", 3) == 0) {
            used += (size_t)sprintf(place + used, "%llu", (unsigned long long)number);
            text += 3;
        } else {
            place[used++] = *text++;
        }
    }
    return used;
}

static void request_write(const struct load *load, struct client *client)
{
    const struct gr_load_config *config = load->config;
    uint64_t number = load->result->sent;
    char *at = client->request;
    char *end = at + REQUEST_MAX;
    static char body[REQUEST_MAX / 2];
    size_t body_size =
        config->body == NULL ? 0 : numbered(config->body, number, body, sizeof(body));
    at += sprintf(at, "%s ", config->method);
    at += numbered(config->path, number, at, (size_t)(end - at) / 4);
    at += sprintf(at, " HTTP/1.1\r\nHost: localhost\r\n");
    at += numbered(config->headers, number, at, (size_t)(end - at) / 4);
    if (config->body != NULL) {
        at += sprintf(at, "Content-Length: %zu\r\n", body_size);
    }
    at += sprintf(at, "\r\n");
    memcpy(at, body, body_size);
    client->request_size = (size_t)(at - client->request) + body_size;
    client->request_sent = 0;
}

static int client_send(struct load *load, struct client *client, struct gr_err *err)
{
    ssize_t sent = send(client->fd, client->request + client->request_sent,
                        client->request_size - client->request_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        return gr_fail_errno(err, "send a request");
    }
    client->request_sent += sent > 0 ? (size_t)sent : 0;
    bool is_whole = client->request_sent == client->request_size;
    struct epoll_event event = {.events = is_whole ? EPOLLIN : EPOLLIN | EPOLLOUT,
                                .data.ptr = client};
    // Only a request that did not fit needs another look.
    if (!is_whole && epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, client->fd, &event) < 0) {
        return gr_fail_errno(err, "watch a connection");
    }
    return 0;
}

static int client_ask(struct load *load, struct client *client, uint64_t due_ns, struct gr_err *err)
{
    client->is_busy = true;
    client->due_ns = due_ns;
    client->reply_size = 0;
    request_write(load, client);
    load->result->sent++;
    return client_send(load, client, err);
}

// The size of the reply in the buffer if it is whole, 0 if more must come, negative if it is wrong.
static long reply_whole(struct client *client, unsigned *ret_status)
{
    client->reply[client->reply_size] = '\0';
    const char *end = strstr(client->reply, "\r\n\r\n");
    if (end == NULL) {
        return 0;
    }
    const char *length = strcasestr(client->reply, "\r\nContent-Length: ");
    if (strncmp(client->reply, "HTTP/1.1 ", 9) != 0 || length == NULL || length > end) {
        return -1;
    }
    *ret_status = (unsigned)strtoul(client->reply + 9, NULL, 10);
    size_t whole = (size_t)(end + 4 - client->reply) + strtoul(length + 18, NULL, 10);
    if (whole >= REPLY_MAX) {
        return -1;
    }
    return client->reply_size >= whole ? (long)whole : 0;
}

static int reply_count(struct load *load, struct client *client, unsigned status,
                       struct gr_err *err)
{
    struct gr_load_result *result = load->result;
    uint64_t now = gr_bench_now_ns();
    if (result->replied == load->room) {
        uint64_t room = load->room == 0 ? 1 << 16 : 2 * load->room;
        uint64_t *grown = realloc(result->latencies, room * sizeof(*grown));
        if (grown == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for latencies");
        }
        result->latencies = grown;
        load->room = room;
    }
    result->latencies[result->replied++] = now - client->due_ns;
    result->ok += status / 100 == 2;
    if (status / 100 != 2 && result->other_status == 0) {
        result->other_status = status;
    }
    client->is_busy = false;
    if (load->config->rate == 0 && now < load->end_ns) {
        return client_ask(load, client, now, err);
    }
    load->free[load->free_count++] = client;
    return 0;
}

static int client_read(struct load *load, struct client *client, struct gr_err *err)
{
    if (client->reply_room - client->reply_size < 2) {
        client->reply_room = REPLY_MAX + 1;
        char *grown = realloc(client->reply, client->reply_room);
        if (grown == NULL || client->reply_size >= REPLY_MAX) {
            return gr_fail(err, -ENOMEM, "the reply is too long");
        }
        client->reply = grown;
    }
    ssize_t got = recv(client->fd, client->reply + client->reply_size,
                       client->reply_room - client->reply_size - 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (got <= 0) {
        return gr_fail(err, -EPIPE, "the server closed a connection after %llu replies",
                       (unsigned long long)load->result->replied);
    }
    client->reply_size += (size_t)got;
    unsigned status = 0;
    long whole = reply_whole(client, &status);
    if (whole < 0 || (whole > 0 && ((size_t)whole != client->reply_size || !client->is_busy))) {
        return gr_fail(err, -EPROTO, "the server sent what is no reply: %.60s", client->reply);
    }
    return whole > 0 ? reply_count(load, client, status, err) : 0;
}

// Sends what is due by `now`, as far as connections are free.
static int due_send(struct load *load, uint64_t now, struct gr_err *err)
{
    double step = NS / load->config->rate;
    while (load->free_count > 0) {
        uint64_t due = load->begin_ns + (uint64_t)((double)load->due_count * step);
        if (due > now || due >= load->end_ns) {
            return 0;
        }
        load->due_count++;
        int code = client_ask(load, load->free[--load->free_count], due, err);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

// How long there is nothing to do but wait for replies.
static struct timespec pause_of(const struct load *load, uint64_t now)
{
    uint64_t until = now + 100000000;
    if (load->config->rate > 0 && load->free_count > 0) {
        uint64_t due =
            load->begin_ns + (uint64_t)((double)load->due_count * NS / load->config->rate);
        until = due < until && due < load->end_ns ? due : until;
    }
    uint64_t left = until > now ? until - now : 0;
    return (struct timespec){(time_t)(left / 1000000000), (long)(left % 1000000000)};
}

static bool is_over(const struct load *load, uint64_t now)
{
    bool is_idle = load->free_count == load->config->connections;
    bool is_sent = load->config->rate == 0 ||
                   load->begin_ns + (uint64_t)((double)load->due_count * NS / load->config->rate) >=
                       load->end_ns;
    return (now >= load->end_ns && is_idle && is_sent) ||
           now >= load->end_ns + (uint64_t)(PATIENCE_S * NS);
}

static int load_turn(struct load *load, struct gr_err *err)
{
    struct epoll_event events[256];
    struct timespec pause = pause_of(load, gr_bench_now_ns());
    int count = epoll_pwait2(load->epoll_fd, events, 256, &pause, NULL);
    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;
        int code = 0;
        if ((events[i].events & EPOLLOUT) != 0) {
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
            epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, client->fd, &event);
            code = client_send(load, client, err);
        }
        if (code == 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            code = client_read(load, client, err);
        }
        if (code != 0) {
            return code;
        }
    }
    return load->config->rate > 0 ? due_send(load, gr_bench_now_ns(), err) : 0;
}

static int load_drive(struct load *load, struct gr_err *err)
{
    load->begin_ns = gr_bench_now_ns();
    load->end_ns = load->begin_ns + (uint64_t)(load->config->seconds * NS);
    while (load->config->rate == 0 && load->free_count > 0) {
        int code = client_ask(load, load->free[--load->free_count], gr_bench_now_ns(), err);
        if (code != 0) {
            return code;
        }
    }
    while (!is_over(load, gr_bench_now_ns())) {
        int code = load_turn(load, err);
        if (code != 0) {
            return code;
        }
    }
    load->result->seconds = (double)(gr_bench_now_ns() - load->begin_ns) / NS;
    return 0;
}

int gr_load_run(const struct gr_load_config *config, struct gr_load_result *ret_result,
                struct gr_err *err)
{
    struct gr_load_result result = {.sent = 0};
    struct load *load = calloc(1, sizeof(*load));
    if (load == NULL || config->connections == 0 || config->connections > GR_LOAD_CONNECTIONS_MAX) {
        free(load);
        return gr_fail(err, -EINVAL, "a load has 1 to %d connections", GR_LOAD_CONNECTIONS_MAX);
    }
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); // wake when told, not 50 us later
    load->config = config;
    load->result = &result;
    for (size_t i = 0; i < GR_LOAD_CONNECTIONS_MAX; i++) {
        load->clients[i].fd = -1;
    }
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int code = load->epoll_fd < 0 ? gr_fail_errno(err, "open an epoll") : 0;
    code = code != 0 ? code : clients_open(load, err);
    code = code != 0 ? code : load_drive(load, err);
    for (size_t i = 0; i < config->connections; i++) {
        if (load->clients[i].fd >= 0) {
            close(load->clients[i].fd);
        }
        free(load->clients[i].request);
        free(load->clients[i].reply);
    }
    if (load->epoll_fd >= 0) {
        close(load->epoll_fd);
    }
    free(load);
    if (code != 0) {
        gr_load_result_done(&result);
        return code;
    }
    *ret_result = result;
    return 0;
}

void gr_load_result_done(struct gr_load_result *result)
{
    free(result->latencies);
    result->latencies = NULL;
}
