// Users of the pool: in the chain a pseudonym, made from the uid and the pool's secret salt. See
// pool.h.
#include "base/hash.h"
#include "daemon/pool.h"

#include <string.h>

static void pseudonym_of(const struct gr_pool *pool, uid_t uid, uint8_t ret_commitment[32])
{
    struct gr_hash hash;
    uint32_t number = (uint32_t)uid;
    gr_hash_init(&hash);
    gr_hash_add(&hash, pool->dir.salt, sizeof pool->dir.salt);
    gr_hash_add(&hash, "user", 4);
    gr_hash_add(&hash, &number, sizeof number);
    gr_hash_end(&hash, ret_commitment);
}

uint32_t gr_pool_user_find(struct gr_pool *pool, uid_t uid)
{
    const struct gr_pool_cached_user *cached = &pool->users[uid % GR_POOL_CACHED];
    if (cached->uid == uid && cached->user != UINT32_MAX) {
        return cached->user;
    }
    uint8_t commitment[32];
    pseudonym_of(pool, uid, commitment);
    // The newest first: who was moved to another organisation was added again.
    for (uint32_t i = gr_core_user_count(pool->core); i > 0; i--) {
        if (memcmp(gr_core_user_get(pool->core, i - 1)->commitment, commitment,
                   sizeof commitment) == 0) {
            pool->users[uid % GR_POOL_CACHED] =
                (struct gr_pool_cached_user){.uid = (uint32_t)uid, .user = i - 1};
            return i - 1;
        }
    }
    return UINT32_MAX;
}

bool gr_pool_user_move(struct gr_pool *pool, uid_t uid, uint32_t org)
{
    uint32_t user = gr_pool_user_find(pool, uid);
    if (user != UINT32_MAX && gr_core_user_get(pool->core, user)->org == org) {
        return true;
    }
    struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_USER_ADDED);
    event.user_added = (struct gr_user){.org = org};
    pseudonym_of(pool, uid, event.user_added.commitment);
    if (gr_core_check(pool->core, &event) != GR_REFUSED_NOTHING) {
        return false;
    }
    gr_pool_fact(pool, &event);
    pool->users[uid % GR_POOL_CACHED].user = UINT32_MAX;
    return true;
}

uint32_t gr_pool_user_take(struct gr_pool *pool, uid_t uid)
{
    uint32_t user = gr_pool_user_find(pool, uid);
    if (user == UINT32_MAX && gr_pool_user_move(pool, uid, 0)) {
        user = gr_core_user_count(pool->core) - 1;
    }
    return user;
}
