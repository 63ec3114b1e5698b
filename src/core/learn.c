// What was submitted so far, by shape, and when that is worth a new mix. Counted as facts are
// applied, if the core is to learn; a fact makes it the pool's mix, so that replay asks nobody.
#include "core/state.h"

#include <string.h>

// A mix is near another if at most one submission of so many would have to be another.
#define NEAR 50

static uint32_t place_of(const struct gr_learned *learned, const struct gr_shape *shape)
{
    uint64_t words[2];
    memcpy(words, shape, sizeof words);
    uint64_t h = (words[0] ^ words[1] * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
    uint32_t place = (uint32_t)(h >> 32) & (GR_LEARNED_PLACES - 1);
    while (learned->places[place] != 0 &&
           memcmp(&learned->items[learned->places[place] - 1].shape, shape, sizeof *shape) != 0) {
        place = (place + 1) & (GR_LEARNED_PLACES - 1);
    }
    return place;
}

void gr_learned_index(struct gr_learned *learned)
{
    memset(learned->places, 0, sizeof learned->places);
    for (uint32_t i = 0; i < learned->count; i++) {
        learned->places[place_of(learned, &learned->items[i].shape)] = (uint16_t)(i + 1);
    }
}

void gr_learned_add(struct gr_learned *learned, const struct gr_shape *shape, uint64_t tasks)
{
    uint32_t place = place_of(learned, shape);
    if (learned->places[place] == 0) {
        uint32_t at = learned->count;
        if (at < GR_MIX_MAX) {
            learned->count++;
            learned->places[place] = (uint16_t)(at + 1);
            learned->items[at] = (struct gr_mix_item){.shape = *shape};
        } else { // full: the rarest makes room
            at = 0;
            for (uint32_t i = 1; i < GR_MIX_MAX; i++) {
                at = learned->items[i].count < learned->items[at].count ? i : at;
            }
            learned->items[at] = (struct gr_mix_item){.shape = *shape};
            gr_learned_index(learned);
            place = place_of(learned, shape);
        }
    }
    learned->items[learned->places[place] - 1].count += tasks;
    learned->submitted++;
}

void gr_learned_used(struct gr_learned *learned)
{
    learned->next_at = learned->submitted + learned->submitted / 4 + 16;
}

bool gr_decide_mix(const struct gr_core *core, int64_t at_ms, struct gr_event *ret_event)
{
    assert(core != NULL && ret_event != NULL);
    const struct gr_learned *learned = gr_learned_at(core);
    if (!core->learn_mix || learned->submitted == 0 || learned->submitted < learned->next_at) {
        return false;
    }
    *ret_event = gr_decide_fact(core, at_ms, GR_MIX_SET);
    ret_event->items = learned->items;
    ret_event->item_count = learned->count;
    return true;
}

// So many of a 2^24th of `total` are `count`.
static uint64_t share(uint64_t count, uint64_t total)
{
    while (total >> 39 != 0) { // nothing overflows
        total >>= 1;
        count >>= 1;
    }
    return (count << 24) / total;
}

bool gr_core_mix_is_near(const struct gr_core *core)
{
    assert(core != NULL);
    size_t count;
    const struct gr_mix_item *mix = gr_place_mix_get(gr_pool(core), &count);
    const struct gr_learned *learned = gr_learned_at(core);
    uint64_t totals[2] = {0, 0};
    for (size_t i = 0; i < count; i++) {
        totals[0] += mix[i].count;
    }
    for (uint32_t i = 0; i < learned->count; i++) {
        totals[1] += learned->items[i].count;
    }
    if (!core->learn_mix || totals[0] == 0 || totals[1] == 0) {
        return false;
    }
    // What is more often now than then is as much as what is less often.
    uint64_t common = 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t found = learned->places[place_of(learned, &mix[i].shape)];
        uint64_t now = found == 0 ? 0 : share(learned->items[found - 1].count, totals[1]);
        uint64_t then = share(mix[i].count, totals[0]);
        common += now < then ? now : then;
    }
    // Shares are rounded down: each item may cost one.
    return common + count + ((UINT64_C(1) << 24) / NEAR) >= UINT64_C(1) << 24;
}
