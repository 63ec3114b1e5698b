// What goes on in the pool, as it happens: GET /v1/events, taken up again where it broke off.
#pragma once

#include "base/err.h"
#include "client/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct gr_client_events; // opaque: a stream of events, and how far it was read

// One event. Borrowed until the next call of gr_client_events_next.
struct gr_client_event {
    uint64_t sequence;  // 0: it carried none
    const char *type;   // "job-placed"; control characters are replaced by '?'
    const json_t *data; // an object
};

// Asks for the events with sequences from `from` on; negative: only those to come. The client must
// outlive it. On success the caller owns *ret_events. Errors as gr_client_stream_open.
int gr_client_events_open(struct gr_client *client, int64_t from,
                          struct gr_client_events **ret_events, struct gr_err *err);
// Ends it. NULL is allowed.
void gr_client_events_close(struct gr_client_events *events);
// The next event that is there. 1 with the event; 0: none now, wait for more; else -errno with a
// text: the daemon refused (gr_client_answer has more), or it sends what the API does not promise.
// A broken connection is no error: it is made again, from the sequence after the last, with growing
// pauses.
int gr_client_events_next(struct gr_client_events *events, struct gr_client_event *ret_event,
                          struct gr_err *err);
// As gr_client_wait, and makes a broken connection again in time.
int gr_client_events_wait(struct gr_client_events *events, int fd, int timeout_ms,
                          struct gr_err *err);
// How often the stream was connected: when this grows, events may have been missed if none was
// asked for by its sequence.
unsigned gr_client_events_connects(const struct gr_client_events *events);
// Whether the connection is there now.
bool gr_client_events_is_connected(const struct gr_client_events *events);
