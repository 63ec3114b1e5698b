// Requests under way by user: see shares.h. As many users as requests at most, and mostly a
// handful: a list will do.
#include "daemon/shares.h"

#include <assert.h>
#include <stdlib.h>

static struct gr_share *find(const struct gr_shares *shares, uid_t uid)
{
    for (size_t i = 0; i < shares->count; i++) {
        if (shares->users[i].uid == uid) {
            return &shares->users[i];
        }
    }
    return NULL;
}

bool gr_shares_take(struct gr_shares *shares, uid_t uid)
{
    struct gr_share *share = find(shares, uid);
    if (share != NULL && share->count >= GR_SHARE_REQUESTS) {
        return false;
    }
    if (share != NULL) {
        share->count++;
        return true;
    }
    if (shares->count == shares->room) {
        size_t room = shares->room == 0 ? 16 : shares->room * 2;
        struct gr_share *users = realloc(shares->users, room * sizeof *users);
        if (users == NULL) {
            return false;
        }
        shares->users = users;
        shares->room = room;
    }
    shares->users[shares->count++] = (struct gr_share){.uid = uid, .count = 1};
    return true;
}

void gr_shares_give(struct gr_shares *shares, uid_t uid)
{
    struct gr_share *share = find(shares, uid);
    assert(share != NULL && share->count > 0);
    if (--share->count == 0) {
        *share = shares->users[--shares->count];
    }
}

void gr_shares_done(struct gr_shares *shares)
{
    free(shares->users);
    *shares = (struct gr_shares){.count = 0};
}
