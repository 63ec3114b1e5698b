// What the loop waits for, and when it leaves requests waiting on purpose.
//
// A turn of the loop and a group of the journal cost many times what one more request in them
// costs. While few requests wait, each is taken as it comes and its group goes to the disk at once.
// While many wait, those that come are left in their sockets until the disk is done with the group
// on its way, for none of them can be answered before, and groups are kept a fraction of a
// millisecond apart. Nothing but HTTP is ever left waiting, and that never for long.
#pragma once

#include "base/err.h"
#include "daemon/daemon.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

// Its state, zero at first but for the descriptors, which are -1. The caller's memory.
struct gr_pace {
    int all_fd;      // an epoll of everything
    int others_fd;   // the same without HTTP
    uint64_t groups; // that were durable when it looked last
    unsigned load;   // requests that waited at once while the last of them was under way, at most
    unsigned peak;   // the same since then
};

// Makes the descriptors. On failure gr_pace_close gives back what was made.
int gr_pace_open(struct gr_pace *pace, struct gr_err *err);
// Closes what is open.
void gr_pace_close(struct gr_pace *pace);
// Waits for `fd`, too; an event's data.fd is the descriptor. It must stay open until the close.
int gr_pace_watch(struct gr_pace *pace, int fd, bool is_http, struct gr_err *err);
// Once a turn, after HTTP and before the pool: looks at how many requests wait.
void gr_pace_look(struct gr_pace *pace, struct gr_daemon *daemon);
// Waits until something is to be done, `wait_ms` at most. As epoll_wait.
int gr_pace_wait(const struct gr_pace *pace, const struct gr_daemon *daemon, int wait_ms,
                 struct epoll_event *ret_events, int most);
