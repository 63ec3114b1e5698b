// What happened, as a stream: durable facts, projected for who asks, from any sequence on.
//
// The newest groups are kept in memory for all streams; older ones are read from the journal.
#pragma once

#include "base/err.h"
#include "daemon/http.h"
#include "journal/journal.h"

#include <stddef.h>
#include <stdint.h>

struct gr_events; // opaque
struct gr_daemon;

// Keeps at most `most_bytes` of groups.
int gr_events_open(struct gr_daemon *daemon, size_t most_bytes, struct gr_events **ret_events,
                   struct gr_err *err);
// Streams must be over. NULL is allowed.
void gr_events_close(struct gr_events *events);
// A group became durable: streams that wait are woken at the next gr_events_wake.
void gr_events_add(struct gr_events *events, const struct gr_journal_group *group);
// Wakes the streams if something came since the last call.
void gr_events_wake(struct gr_events *events);
// Number of open streams.
unsigned gr_events_streams(const struct gr_events *events);
