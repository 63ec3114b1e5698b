// Idempotency keys: a ring in order of arrival, which is the order in which they are forgotten, and
// an index over it. What is forgotten follows from the facts' times alone.
#include "core/state.h"

#include <string.h>

#define NONE UINT32_MAX

static struct gr_ids key_ids(const struct gr_core *core)
{
    return (struct gr_ids){gr_core_at(core, core->key_index_at), core->key_index_size};
}

static struct gr_key *key_at(const struct gr_core *core, uint32_t place)
{
    return (struct gr_key *)gr_core_at(core, core->keys_at) + place;
}

static uint32_t key_low(const uint8_t key[16])
{
    uint64_t words[2];
    memcpy(words, key, sizeof words);
    return (uint32_t)((words[0] * 0xd6e8feb86659fd93u ^ words[1] * 0x9e3779b97f4a7c15u) >> 32);
}

// Place of a key in the ring, or NONE.
static uint32_t key_place(const struct gr_core *core, const uint8_t key[16])
{
    struct gr_ids ids = key_ids(core);
    uint32_t low = key_low(key);
    uint32_t at = gr_ids_home(ids, low);
    uint32_t place;
    while ((place = gr_ids_next(ids, low, &at)) != NONE) {
        if (memcmp(key_at(core, place)->key, key, 16) == 0) {
            return place;
        }
    }
    return NONE;
}

static bool is_over(const struct gr_key *key, int64_t at_ms)
{
    return at_ms - key->at_ms >= GR_KEY_MS;
}

const struct gr_key *gr_keys_get(const struct gr_core *core, uint32_t order)
{
    assert(order < core->key_count);
    uint32_t place = core->key_first + order;
    return key_at(core, place < core->limits.keys ? place : place - core->limits.keys);
}

void gr_keys_expire(struct gr_core *core)
{
    while (core->key_count > 0) {
        struct gr_key *key = key_at(core, core->key_first);
        if (!is_over(key, core->now_ms)) {
            return;
        }
        gr_ids_remove(key_ids(core), key_low(key->key), core->key_first);
        gr_org_use_at(core, key->org)->keys--;
        memset(key, 0, sizeof *key);
        core->key_first = core->key_first + 1 == core->limits.keys ? 0 : core->key_first + 1;
        core->key_count--;
    }
}

void gr_keys_index(struct gr_core *core, uint32_t place)
{
    const struct gr_key *key = key_at(core, place);
    gr_ids_add(key_ids(core), key_low(key->key), place);
    gr_org_use_at(core, key->org)->keys++;
}

void gr_keys_add(struct gr_core *core, const struct gr_event *event)
{
    assert(core->key_count < core->limits.keys);
    uint64_t place = (uint64_t)core->key_first + core->key_count++;
    place -= place < core->limits.keys ? 0 : core->limits.keys;
    struct gr_key *key = key_at(core, (uint32_t)place);
    *key = event->key_used;
    key->at_ms = event->at_ms;
    gr_keys_index(core, (uint32_t)place);
}

enum gr_refusal gr_keys_check(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_key *used = &event->key_used;
    if (used->org >= core->org_count) {
        return GR_REFUSED_ORG;
    }
    if (used->first > used->last || used->at_ms != 0) {
        return GR_REFUSED_FIELD;
    }
    uint32_t place = key_place(core, used->key);
    if (place != NONE && !is_over(key_at(core, place), event->at_ms)) {
        return GR_REFUSED_KEY;
    }
    uint32_t all = core->key_count, of_org = gr_org_use_at(core, used->org)->keys;
    for (uint32_t i = 0; i < core->key_count; i++) { // those that are over by then do not count
        if ((all < core->limits.keys && of_org < core->limits.keys_per_org) ||
            !is_over(gr_keys_get(core, i), event->at_ms)) {
            break;
        }
        all--;
        of_org -= gr_keys_get(core, i)->org == used->org;
    }
    return all < core->limits.keys && of_org < core->limits.keys_per_org ? GR_REFUSED_NOTHING
                                                                         : GR_REFUSED_LIMIT_KEYS;
}

bool gr_core_key_find(const struct gr_core *core, const uint8_t key[16], struct gr_key *ret_key)
{
    assert(core != NULL && ret_key != NULL);
    uint32_t place = key_place(core, key);
    if (place == NONE) {
        return false;
    }
    *ret_key = *key_at(core, place);
    return true;
}

uint32_t gr_core_keys(const struct gr_core *core)
{
    return core->key_count;
}
