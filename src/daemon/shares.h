// How many requests of each user are under way, so that nobody takes all the places there are.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Requests of one user that may be under way at once: a sixteenth of all. Whoever reaches it is
// told to come back; the others do not notice.
#define GR_SHARE_REQUESTS 256u

// A user with requests under way.
struct gr_share {
    uid_t uid;      // of this machine
    unsigned count; // of requests, at least 1
};

// All of them. Zero at first.
struct gr_shares {
    struct gr_share *users; // [count], in no order
    size_t count, room;     // of users
};

// Counts a request of `uid`. False, and not counted: it has as many as it may, or no memory.
bool gr_shares_take(struct gr_shares *shares, uid_t uid);
// One of them is over. It was counted.
void gr_shares_give(struct gr_shares *shares, uid_t uid);
// Frees them. What is still under way must not be given back any more.
void gr_shares_done(struct gr_shares *shares);
