// Output of jobs, followed: see follow.h.
#include "cli/follow.h"

#include "base/clock.h"
#include "cli/signals.h"
#include "client/path.h"
#include "client/stream.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAUSE_FIRST_MS = 50, PAUSE_MOST_MS = 2000, TICK_MS = 60000, TRIES_MAX = 60 };

// One stream of one task.
struct log {
    uint32_t task;
    bool is_err;
    struct gr_client_stream *stream; // NULL while waiting for the next try, or done
    int64_t from;                    // byte to ask for next; negative: from the beginning
    int64_t again_at_ms;             // of the next try
    int pause_ms;                    // before it
    int tries;                       // that failed one after the other
    bool is_known;                   // the daemon answered once
    bool is_done;
    bool is_within_line; // the last byte written was no line end
};

struct follower {
    const struct gr_cli_follow *follow;
    struct log logs[2 * GR_CLI_FOLLOW_TASKS_MAX];
    size_t count;
    const struct log *last_out; // who wrote last to standard output, and to standard error
    const struct log *last_err;
};

static int ask(struct follower *follower, struct log *log, struct gr_err *err)
{
    const struct gr_cli_follow *follow = follower->follow;
    struct gr_client_path path;
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_add_id(&path, follow->job);
    gr_client_path_add(&path, "logs");
    gr_client_path_query_int(&path, "task", log->task);
    gr_client_path_query(&path, "stream", log->is_err ? "err" : "out");
    gr_client_path_query(&path, "follow", follow->is_followed ? "true" : NULL);
    if (follow->attempt > 0) {
        gr_client_path_query_int(&path, "attempt", follow->attempt);
    }
    if (log->from >= 0) {
        gr_client_path_query_int(&path, "from", log->from);
    }
    return gr_client_stream_open(follow->client, &path, &log->stream, err);
}

// ---- copying ------------------------------------------------------------------------------------

// Writes lines with the task's number before each. Tasks take turns only at line ends, as far as
// they write whole lines.
static void write_marked(struct follower *follower, struct log *log, FILE *file,
                         struct gr_slice bytes)
{
    const struct log **last = log->is_err ? &follower->last_err : &follower->last_out;
    if (*last != NULL && *last != log && (*last)->is_within_line) {
        fputc('\n', file);
        ((struct log *)(uintptr_t)*last)->is_within_line = false;
    }
    *last = log;
    while (bytes.size > 0) {
        const char *end = memchr(bytes.text, '\n', bytes.size);
        size_t size = end == NULL ? bytes.size : (size_t)(end - bytes.text) + 1;
        if (!log->is_within_line) {
            fprintf(file, "%" PRIu32 ": ", log->task);
        }
        fwrite(bytes.text, 1, size, file);
        log->is_within_line = end == NULL;
        bytes.text += size;
        bytes.size -= size;
    }
}

static int copy(struct follower *follower, struct log *log, struct gr_err *err)
{
    struct gr_slice bytes = gr_client_stream_bytes(log->stream);
    FILE *file = log->is_err ? stderr : stdout;
    if (bytes.size == 0) {
        return 0;
    }
    if (follower->follow->task_count > 1) {
        write_marked(follower, log, file, bytes);
    } else {
        fwrite(bytes.text, 1, bytes.size, file);
    }
    errno = 0;
    if (fflush(file) != 0 || ferror(file) != 0) {
        return gr_fail_errno(err, "write standard %s", log->is_err ? "error" : "output");
    }
    log->from =
        (log->from < 0 ? gr_client_stream_offset(log->stream) : log->from) + (int64_t)bytes.size;
    log->tries = 0;
    log->pause_ms = PAUSE_FIRST_MS;
    gr_client_stream_take(log->stream, bytes.size);
    return 0;
}

// ---- the end of a stream ------------------------------------------------------------------------

static void try_later(struct log *log)
{
    gr_client_stream_close(log->stream);
    log->stream = NULL;
    log->again_at_ms = gr_clock_ms() + log->pause_ms;
    log->pause_ms = log->pause_ms * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : log->pause_ms * 2;
    log->tries++;
}

// A connection that broke: the daemon may be on its way back.
static int retire(struct follower *follower, struct log *log, struct gr_err *err)
{
    const struct gr_client_answer *answer = gr_client_answer(follower->follow->client);
    int code = gr_client_stream_error(log->stream, err);
    bool is_back_soon =
        answer->status == 503 ||
        (answer->status == 0 && (log->is_known || gr_client_was_there(follower->follow->client)));
    if (is_back_soon && log->tries < TRIES_MAX) {
        try_later(log);
        return 0;
    }
    if (code == -ENOENT && log->is_err && follower->follow->out) {
        // Errors that go to the same file as the output have no log of their own.
        gr_client_stream_close(log->stream);
        log->stream = NULL;
        log->is_done = true;
        return 0;
    }
    return code;
}

static int step(struct follower *follower, struct log *log, struct gr_err *err)
{
    if (log->stream == NULL) {
        return gr_clock_ms() >= log->again_at_ms ? ask(follower, log, err) : 0;
    }
    enum gr_client_stream_state state = gr_client_stream_state(log->stream);
    if (state == GR_CLIENT_STREAM_ASKED) {
        return 0;
    }
    // Bytes of an error are not the job's.
    log->is_known = log->is_known || gr_client_stream_is_answered(log->stream);
    int code = gr_client_stream_is_answered(log->stream) ? copy(follower, log, err) : 0;
    if (code == 0 && state == GR_CLIENT_STREAM_BROKEN) {
        return retire(follower, log, err);
    }
    if (code == 0 && state == GR_CLIENT_STREAM_ENDED) {
        gr_client_stream_close(log->stream);
        log->stream = NULL;
        log->is_done = true;
    }
    return code;
}

// How long to wait: until the next try of a log that waits for one.
static int wait_ms(const struct follower *follower)
{
    int64_t least = TICK_MS;
    int64_t now = gr_clock_ms();
    for (size_t i = 0; i < follower->count; i++) {
        const struct log *log = &follower->logs[i];
        if (!log->is_done && log->stream == NULL && log->again_at_ms - now < least) {
            least = log->again_at_ms - now;
        }
    }
    return least < 0 ? 0 : (int)least;
}

static int loop(struct follower *follower, struct gr_err *err)
{
    const struct gr_cli_follow *follow = follower->follow;
    for (;;) {
        size_t left = 0;
        for (size_t i = 0; i < follower->count; i++) {
            struct log *log = &follower->logs[i];
            int code = log->is_done ? 0 : step(follower, log, err);
            if (code < 0) {
                return code;
            }
            left += !log->is_done;
        }
        if (left == 0) {
            return 0;
        }
        int code = gr_client_wait(follow->client, follow->signals, wait_ms(follower), err);
        if (code < 0) {
            return code;
        }
        int number = follow->signals < 0 ? 0 : gr_cli_signals_take(follow->signals);
        if (number != 0 && !follow->signal(follow->context, number)) {
            return 1;
        }
    }
}

int gr_cli_follow_run(const struct gr_cli_follow *follow, struct gr_err *err)
{
    assert(follow->task_count > 0 && follow->task_count <= GR_CLI_FOLLOW_TASKS_MAX);
    assert(follow->signals < 0 || follow->signal != NULL);
    struct follower *follower = calloc(1, sizeof *follower);
    if (follower == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory to follow a job");
    }
    follower->follow = follow;
    for (uint32_t i = 0; i < follow->task_count; i++) {
        for (int is_err = !follow->out; is_err <= (int)follow->err; is_err++) {
            follower->logs[follower->count++] = (struct log){.task = follow->task_first + i,
                                                             .is_err = is_err != 0,
                                                             .from = follow->from,
                                                             .pause_ms = PAUSE_FIRST_MS};
        }
    }
    int code = loop(follower, err);
    for (size_t i = 0; i < follower->count; i++) {
        gr_client_stream_close(follower->logs[i].stream);
    }
    free(follower);
    return code;
}
