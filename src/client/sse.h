// Server-sent events (the text/event-stream format of HTML): bytes in, events out. Pure.
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of one line and of one event's data at most; what is longer is an error.
#define GR_CLIENT_SSE_MAX ((size_t)1 << 20)
// Bytes of an event's name, NUL included; longer ones are cut.
#define GR_CLIENT_SSE_NAME 64

// One event. Borrowed from the parser until it is fed again.
struct gr_client_sse_event {
    bool has_id;          // it carried an `id:` that is a number
    uint64_t id;          // else 0
    const char *name;     // "message" if it had none
    struct gr_slice data; // lines joined by line feeds
};

struct gr_client_sse; // opaque: what of a stream was read so far

// A parser at the beginning of a stream. NULL if there is no memory.
struct gr_client_sse *gr_client_sse_new(void);
// Releases it. NULL is allowed.
void gr_client_sse_free(struct gr_client_sse *sse);
// Forgets a line that was cut off: a new stream begins.
void gr_client_sse_restart(struct gr_client_sse *sse);
// Reads bytes up to the end of the next event, if there is one. Returns 1 with the event, 0 if all
// was read and no event is complete, -EFBIG if a line or event is too long, -ENOMEM. *ret_used says
// how many bytes were read; call again with the rest.
int gr_client_sse_feed(struct gr_client_sse *sse, struct gr_slice bytes, size_t *ret_used,
                       struct gr_client_sse_event *ret_event);
