// Bulk submission: see bulk.h. A piece is sent when it is full or when a pipe has no more for the
// moment, so that a slow producer's jobs do not wait for one another.
#include "client/bulk.h"

#include "client/parts.h"
#include "client/path.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Every line is done once for the key of its piece, so a piece may be sent again.
enum { LINES_MAX = 20000, TIMEOUT_MS = 600000, PATIENCE_MS = 60000 };

// Lines that are gathered: whole ones up to `whole`, then the beginning of another.
struct piece {
    char *bytes; // of ROOM
    size_t size;
    size_t whole;      // bytes of whole lines
    uint64_t lines;    // whole lines
    uint64_t *numbers; // of those that are not blank
    size_t count;      // of them
};

enum { ROOM = 2 * (1 << 20) };

static bool is_blank(const char *line, size_t size)
{
    return strspn(line, " \r") >= size; // as the daemon judges: such a line gets no answer
}

// Finds the whole lines among the bytes that were added last. `before` is the number of the line
// before the piece.
static int find_lines(struct piece *piece, uint64_t before, bool is_end)
{
    while (piece->count < LINES_MAX && piece->whole < piece->size) {
        char *start = piece->bytes + piece->whole;
        char *end = memchr(start, '\n', piece->size - piece->whole);
        if (end == NULL) {
            if (!is_end) {
                return piece->size - piece->whole > GR_CLIENT_LINE_MAX ? -EFBIG : 0;
            }
            end = piece->bytes + piece->size++; // the last line lacks its line end
            *end = '\n';
        }
        if ((size_t)(end - start) > GR_CLIENT_LINE_MAX) {
            return -EFBIG;
        }
        *end = '\0';
        bool blank = is_blank(start, (size_t)(end - start));
        *end = '\n';
        piece->lines++;
        if (!blank) {
            piece->numbers[piece->count++] = before + piece->lines;
        }
        piece->whole += (size_t)(end - start) + 1;
    }
    return 0;
}

// Hands the daemon's lines over, each with its number in the file. The daemon numbers the lines of
// the piece; they must be those that were sent, in their order.
static int tell(const struct gr_client_bulk *bulk, struct gr_client *client,
                const struct piece *piece, uint64_t before, const struct gr_client_reply *reply,
                uint64_t *ret_line, struct gr_err *err)
{
    const char *at = reply->body;
    const char *end = reply->body + reply->size;
    for (size_t i = 0; i < piece->count; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = stop == NULL ? (size_t)(end - at) : (size_t)(stop - at);
        json_error_t wrong;
        json_t *line = size == 0 ? NULL : json_loadb(at, size, 0, &wrong);
        const json_t *number = json_object_get(line, "line");
        *ret_line = piece->numbers[i];
        if (!json_is_integer(number) ||
            (uint64_t)json_integer_value(number) + before != piece->numbers[i]) {
            json_decref(line);
            return gr_client_fail_reply(client, err,
                                        size == 0 ? "lines are missing" : "a line has no number");
        }
        int code = bulk->each(bulk->context, piece->numbers[i], line, err);
        json_decref(line);
        if (code != 0) {
            return code;
        }
        at += stop == NULL ? size : size + 1;
    }
    return 0;
}

static int send_piece(struct gr_client *client, const struct gr_client_bulk *bulk,
                      struct piece *piece, uint64_t *before, uint64_t *ret_line, struct gr_err *err)
{
    int code = 0;
    if (piece->count > 0) {
        struct gr_client_call call = {
            .method = "POST",
            .path = bulk->path,
            .type = "application/x-ndjson",
            .body = {piece->bytes, piece->whole},
            .timeout_ms = TIMEOUT_MS,
            .patience_ms = PATIENCE_MS,
        };
        struct gr_client_reply reply;
        *ret_line = piece->numbers[0];
        code = gr_client_send(client, &call, &reply, err);
        if (code == 0) {
            code = tell(bulk, client, piece, *before, &reply, ret_line, err);
            gr_client_reply_done(&reply);
        }
    }
    *before += piece->lines;
    piece->size -= piece->whole;
    memmove(piece->bytes, piece->bytes + piece->whole, piece->size);
    piece->whole = 0;
    piece->lines = 0;
    piece->count = 0;
    return code;
}

static bool has_more_now(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) != 0;
}

static int send_all(struct gr_client *client, const struct gr_client_bulk *bulk,
                    struct piece *piece, uint64_t *ret_line, struct gr_err *err)
{
    uint64_t before = 0;
    for (bool is_end = false; !is_end || piece->size > 0;) {
        if (!is_end && piece->size < ROOM - 1) {
            ssize_t got = read(bulk->fd, piece->bytes + piece->size, ROOM - 1 - piece->size);
            if (got < 0 && errno != EINTR) {
                return gr_fail_errno(err, "read %s", bulk->name);
            }
            is_end = got == 0;
            piece->size += got > 0 ? (size_t)got : 0;
        }
        if (find_lines(piece, before, is_end) < 0) {
            *ret_line = before + piece->lines + 1;
            return gr_fail(err, -EFBIG, "%s: line %" PRIu64 " has more than %zu bytes", bulk->name,
                           *ret_line, GR_CLIENT_LINE_MAX);
        }
        bool is_full = piece->count == LINES_MAX || piece->size > ROOM / 2;
        if (piece->whole > 0 && (is_full || is_end || !has_more_now(bulk->fd))) {
            int code = send_piece(client, bulk, piece, &before, ret_line, err);
            if (code != 0) {
                return code;
            }
        }
    }
    return 0;
}

int gr_client_bulk_send(struct gr_client *client, const struct gr_client_bulk *bulk,
                        uint64_t *ret_line, struct gr_err *err)
{
    assert(bulk->each != NULL && bulk->fd >= 0);
    struct piece piece = {
        .bytes = malloc(ROOM + 1),
        .numbers = calloc(LINES_MAX, sizeof *piece.numbers),
    };
    *ret_line = 1;
    int code = piece.bytes == NULL || piece.numbers == NULL
                   ? gr_fail(err, -ENOMEM, "not enough memory to read %s", bulk->name)
                   : send_all(client, bulk, &piece, ret_line, err);
    free(piece.bytes);
    free(piece.numbers);
    return code;
}
